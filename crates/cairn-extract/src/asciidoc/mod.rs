//! `AsciiDoc` to elements, line by line.
//!
//! Eclipse `AsciiDoc` language documentation (blocks, tables, macros). Attributes that the document sets are put in where it
//! names them. `include::` is left out with a warning: no other file is ever read. Conditions (`ifdef`) are not judged,
//! what they hold is kept. Blocks of blocks (example, sidebar, quote) give their content. O(n).

mod inline;
mod table;

use std::collections::HashMap;

use cairn_types::{Element, ElementKind, WarningCode};

use crate::builder::{Builder, count_text};
use crate::code::push_code;
use crate::html;
use crate::prose::push_block;
use crate::table::push_spans;
use crate::text::{collapse, decode};

/// Attributes of one document, and characters of a value.
const MAX_ATTRIBUTES: usize = 1_000;
const MAX_VALUE: usize = 1_000;

/// Reads a document.
pub(crate) fn read(bytes: &[u8], builder: &mut Builder) {
    let decoded = decode(bytes);
    decoded.note(builder);
    let lines: Vec<&str> = decoded.text.lines().map(str::trim_end).collect();
    let mut reader = Reader {
        builder,
        attributes: HashMap::new(),
        text: String::new(),
        item: None,
        style: Style::default(),
        title: None,
        numbers: Vec::new(),
        in_header: false,
    };
    let mut at = 0;
    while at < lines.len() {
        at += reader.line(&lines[at..]);
    }
    reader.flush();
    reader.end_title();
}

/// What a line of block attributes says of the block after it.
#[derive(Default)]
struct Style {
    name: String,
    language: Option<String>,
    cols: Option<String>,
    has_header: Option<bool>,
    is_csv: bool,
}

struct Reader<'b> {
    builder: &'b mut Builder,
    attributes: HashMap<String, String>,
    /// Lines of the open paragraph or item.
    text: String,
    /// Marker and level of the open item.
    item: Option<(String, u8)>,
    style: Style,
    /// Of the next block.
    title: Option<String>,
    /// The last number of each level of numbered lists.
    numbers: Vec<u64>,
    /// Between the title and the first blank line.
    in_header: bool,
}

impl Reader<'_> {
    /// Reads what begins with the first line; returns how many lines that were.
    fn line(&mut self, lines: &[&str]) -> usize {
        let line = lines[0];
        if line.is_empty() {
            self.in_header = false;
            self.flush();
            return 1;
        }
        if let Some(n) = self.delimited(lines) {
            return n;
        }
        if let Some(comment) = line.strip_prefix("//") {
            self.builder.left_out(count_text(comment));
            return 1;
        }
        if self.attribute(line) || self.directive(line) || self.heading(line) {
            return 1;
        }
        if line.starts_with('[') && line.ends_with(']') && self.text.is_empty() {
            self.style(&line[1..line.len() - 1]);
            return 1;
        }
        if let Some(title) = line.strip_prefix('.')
            && title.starts_with(|c: char| !c.is_whitespace() && c != '.')
            && self.text.is_empty()
        {
            self.end_title();
            self.title = Some(title.to_owned());
            return 1;
        }
        if self.item(line) {
            return 1;
        }
        if line.starts_with([' ', '\t']) && self.text.is_empty() && self.item.is_none() {
            let n = lines.iter().take_while(|line| !line.is_empty()).count();
            self.end_title();
            push_code(self.builder, &lines[..n].join("\n"), None);
            return n;
        }
        if line == "+" {
            self.flush();
            return 1;
        }
        if self.text.is_empty() {
            self.end_title();
            let style = std::mem::take(&mut self.style);
            if is_admonition(&style.name) {
                self.text = format!("{}: ", style.name);
            } else if matches!(style.name.as_str(), "source" | "listing" | "literal") {
                let n = lines.iter().take_while(|line| !line.is_empty()).count();
                push_code(
                    self.builder,
                    &lines[..n].join("\n"),
                    style.language.as_deref(),
                );
                return n;
            }
        } else {
            self.text.push('\n');
        }
        match line.strip_suffix(" +") {
            Some(line) => {
                self.text.push_str(line);
                // A line break of the author's.
                self.text.push('\u{2028}');
            }
            None => self.text.push_str(line),
        }
        1
    }

    /// Blocks between two equal lines of marks.
    fn delimited(&mut self, lines: &[&str]) -> Option<usize> {
        let fence = lines[0];
        let mark = fence.chars().next()?;
        let is_fence = fence.len() >= 4 && fence.chars().all(|c| c == mark);
        let is_table = matches!(fence, "|===" | ",===" | ":===");
        let is_markdown = fence.starts_with("```");
        let is_block = fence == "--" || is_fence && "-.=*_+/".contains(mark);
        if !(is_table || is_markdown || is_block) {
            return None;
        }
        self.flush();
        let end_mark = if is_markdown { "```" } else { fence };
        let end = lines[1..].iter().position(|line| *line == end_mark);
        // Blocks of blocks: their content is read like any other.
        if !is_table && !is_markdown && (fence == "--" || "=*_".contains(mark)) {
            let style = &self.style.name;
            if is_admonition(style) {
                self.text = format!("{style}: ");
                self.style = Style::default();
            }
            self.end_title();
            return Some(1);
        }
        let n_inner = end.unwrap_or(lines.len() - 1);
        if end.is_none() {
            let reason = format!("a block that begins with `{fence}` has no end");
            self.builder.warn(WarningCode::Recovered, None, reason);
        }
        let inner = &lines[1..=n_inner];
        let n_lines = (n_inner + 2).min(lines.len());
        let style = std::mem::take(&mut self.style);
        if is_table {
            self.table(fence, inner, &style);
            return Some(n_lines);
        }
        let text = inner.join("\n");
        if mark == '/' {
            self.builder.left_out(count_text(&text));
            return Some(n_lines);
        }
        self.end_title();
        match mark {
            '+' => html::read_fragment(&text, self.builder),
            '`' => {
                let language = fence.trim_start_matches('`').trim();
                let language = (!language.is_empty()).then(|| language.to_ascii_lowercase());
                push_code(self.builder, &text, language.as_deref());
            }
            _ => push_code(self.builder, &text, style.language.as_deref()),
        }
        Some(n_lines)
    }

    fn table(&mut self, fence: &str, lines: &[&str], style: &Style) {
        let label = self.title.take().map(|title| self.shown(&title));
        if let Some(label) = &label {
            self.builder.paragraph(label.as_str());
        }
        let mut rows = if fence == ",===" || style.is_csv {
            csv_rows(lines)
        } else {
            table::rows(lines, style.cols.as_deref(), style.has_header)
        };
        for cell in rows.iter_mut().flatten() {
            cell.text = collapse(&self.shown(&cell.text));
        }
        push_spans(self.builder, &rows, label, None);
    }

    /// `:name: value`.
    fn attribute(&mut self, line: &str) -> bool {
        let Some((name, value)) = line.strip_prefix(':').and_then(|rest| rest.split_once(':'))
        else {
            return false;
        };
        let is_name = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '!'));
        if !is_name
            || !(value.is_empty() || value.starts_with(' '))
            || !self.text.is_empty() && self.item.is_none() && !self.in_header
        {
            return false;
        }
        self.builder.left_out(count_text(name) + count_text(value));
        if self.attributes.len() < MAX_ATTRIBUTES && value.len() <= MAX_VALUE {
            self.attributes
                .insert(name.to_owned(), value.trim().to_owned());
        }
        true
    }

    /// Macros that are lines of their own.
    fn directive(&mut self, line: &str) -> bool {
        let Some((name, rest)) = line.split_once("::") else {
            return matches!(line, "'''" | "<<<" | "---" | "***");
        };
        let Some((target, inner)) = rest.strip_suffix(']').and_then(|rest| rest.split_once('['))
        else {
            return false;
        };
        match name {
            "include" => {
                self.flush();
                let reason = format!(
                    "`include::{target}` was not read: other files are not part of the document"
                );
                self.builder.warn(WarningCode::Unsupported, None, reason);
            }
            "image" | "video" | "audio" => {
                self.flush();
                self.end_title();
                self.builder.report.images += u32::from(name == "image");
                let alt = inner
                    .split(',')
                    .next()
                    .unwrap_or_default()
                    .trim_matches('"');
                self.builder
                    .push(Element::new(ElementKind::Image, collapse(alt)));
            }
            "ifdef" | "ifndef" | "ifeval" => {
                // The short form holds its text.
                if !inner.is_empty() && name != "ifeval" {
                    self.text.push(' ');
                    self.text.push_str(inner);
                }
            }
            "endif" | "toc" => {}
            _ => return false,
        }
        true
    }

    fn heading(&mut self, line: &str) -> bool {
        let mark = if line.starts_with('=') { '=' } else { '#' };
        let text = line.trim_start_matches(mark);
        let level = line.len() - text.len();
        if !(1..=6).contains(&level) || !text.starts_with(' ') {
            return false;
        }
        self.flush();
        self.end_title();
        self.style = Style::default();
        let text = self.shown(text.trim());
        if level == 1 && self.builder.title.is_none() {
            self.builder.title = Some(text.clone());
            self.in_header = true;
        }
        self.builder.heading(u8::try_from(level).unwrap_or(6), text);
        self.numbers.clear();
        true
    }

    /// `[source,rust]`, `[NOTE]`, `[cols="1,2", options="header"]`, `[%header]`, `[[anchor]]`.
    fn style(&mut self, inner: &str) {
        if inner.starts_with('[') {
            return;
        }
        let mut position = 0;
        for part in split_outside_quotes(inner) {
            let part = part.trim();
            match part.split_once('=') {
                Some(("cols", value)) => self.style.cols = Some(value.trim_matches('"').to_owned()),
                Some(("options" | "opts", value)) => {
                    self.style.has_header =
                        Some(value.contains("header") && !value.contains("noheader"));
                }
                Some(("format", value)) => self.style.is_csv = value.trim_matches('"') == "csv",
                Some(_) => {}
                None => {
                    if part.contains("%header") {
                        self.style.has_header = Some(true);
                    }
                    match position {
                        0 => {
                            let name = part.split(['#', '.', '%']).next().unwrap_or_default();
                            name.clone_into(&mut self.style.name);
                        }
                        1 => {
                            self.style.language =
                                (!part.is_empty()).then(|| part.to_ascii_lowercase())
                        }
                        _ => {}
                    }
                    position += 1;
                }
            }
        }
    }

    /// A line that begins an item of a list.
    fn item(&mut self, line: &str) -> bool {
        let line = line.trim_start();
        let Some((mark, rest)) = line.split_once(' ') else {
            return self.term(line);
        };
        let first = mark.chars().next().unwrap_or(' ');
        let is_run = mark.len() <= 6 && mark.chars().all(|c| c == first);
        let level = u8::try_from(mark.len()).unwrap_or(6);
        let (marker, level) = match first {
            '*' if is_run => ("-".to_owned(), level),
            '-' if mark == "-" => ("-".to_owned(), 1),
            '.' if is_run => {
                let depth = usize::from(level);
                self.numbers.truncate(depth);
                while self.numbers.len() < depth {
                    self.numbers.push(0);
                }
                self.numbers[depth - 1] += 1;
                (format!("{}.", self.numbers[depth - 1]), level)
            }
            '0'..='9' if mark.ends_with('.') && mark[..mark.len() - 1].parse::<u32>().is_ok() => {
                (mark.to_owned(), 1)
            }
            '<' if mark.ends_with('>')
                && mark[1..mark.len() - 1]
                    .chars()
                    .all(|c| c.is_ascii_digit() || c == '.') =>
            {
                (mark.to_owned(), 1)
            }
            _ => return self.term(line),
        };
        self.flush();
        self.end_title();
        if first != '.' {
            self.numbers.truncate(usize::from(level).saturating_sub(1));
        }
        self.item = Some((marker, level));
        self.text = rest.trim_start().to_owned();
        true
    }

    /// `term:: definition`: both in one paragraph.
    fn term(&mut self, line: &str) -> bool {
        let Some(at) = line.find("::") else {
            return false;
        };
        let after = line[at..].trim_start_matches([':', ';']);
        if at == 0 || !(after.is_empty() || after.starts_with(' ')) {
            return false;
        }
        self.flush();
        self.end_title();
        self.text = format!("{}\u{2028}{}", &line[..at], after.trim_start());
        true
    }

    /// Inline text as it shows; footnotes follow.
    fn shown(&mut self, text: &str) -> String {
        let (text, notes) = inline::plain(text, &self.attributes);
        for note in notes {
            self.builder.push(Element::new(ElementKind::Note, note));
        }
        text
    }

    fn end_title(&mut self) {
        if let Some(title) = self.title.take() {
            let title = self.shown(&title);
            self.builder.paragraph(title);
        }
    }

    /// Ends the open paragraph or item.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        let item = self.item.take();
        if text.trim().is_empty() {
            return;
        }
        let (text, notes) = inline::plain(&text, &self.attributes);
        let text = text.replace('\n', " ").replace('\u{2028}', "\n");
        let (marker, level) = item.map_or((None, 0), |(marker, level)| (Some(marker), level));
        push_block(self.builder, ElementKind::Paragraph, level, marker, &text);
        for note in notes {
            self.builder.push(Element::new(ElementKind::Note, note));
        }
    }
}

fn is_admonition(name: &str) -> bool {
    matches!(name, "NOTE" | "TIP" | "IMPORTANT" | "WARNING" | "CAUTION")
}

fn csv_rows(lines: &[&str]) -> Vec<Vec<crate::table::SpanCell>> {
    let text = lines.join("\n");
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes())
        .records()
        .flatten()
        .map(|record| {
            let cell = |text: &str| crate::table::SpanCell {
                text: text.to_owned(),
                n_cols: 1,
                n_rows: 1,
                is_header: false,
            };
            record.iter().map(cell).collect()
        })
        .collect()
}

/// Parts between commas, but for those in quotes.
fn split_outside_quotes(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut in_quotes = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => in_quotes = !in_quotes,
            ',' if !in_quotes => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use cairn_types::ElementKind::{self, Code, Heading, Image, ListItem, Note, Paragraph, Table};
    use proptest::prelude::*;

    use super::*;

    type Shape<'t> = (ElementKind, u8, &'t str);

    fn document(input: &str) -> Builder {
        let mut builder = Builder::new(1000);
        read(input.as_bytes(), &mut builder);
        builder
    }

    #[test]
    fn blocks_become_elements() {
        let cases: [(&str, &[Shape<'_>]); 8] = [
            (
                "= Title\n:v: 1.2\n\nVersion {v} is *out*.\nMore +\nlines.\n\n== Part\n",
                &[
                    (Heading, 1, "Title"),
                    (Paragraph, 0, "Version 1.2 is out. More\nlines."),
                    (Heading, 2, "Part"),
                ],
            ),
            (
                "* a\n** b\n. one\n. two\n.. deep\n- [x] done\n\nterm:: what it is\n",
                &[
                    (ListItem, 1, "- a"),
                    (ListItem, 2, "- b"),
                    (ListItem, 1, "1. one"),
                    (ListItem, 1, "2. two"),
                    (ListItem, 2, "1. deep"),
                    (ListItem, 1, "- [x] done"),
                    (Paragraph, 0, "term\nwhat it is"),
                ],
            ),
            (
                "[source,Rust]\n----\nfn a() {\n\n}\n----\n\n....\nraw *x*\n....\n",
                &[(Code, 0, "fn a() {\n\n}"), (Code, 0, "raw *x*")],
            ),
            (
                ".Cap\n[%header,cols=\"1,1\"]\n|===\n|A |B\n|1 |2\n|===\n",
                &[(Paragraph, 0, "Cap"), (Table, 0, "A | B\n1 | 2")],
            ),
            (
                "NOTE: careful\n\n[WARNING]\n====\nhot\n\nvery\n====\n",
                &[
                    (Paragraph, 0, "NOTE: careful"),
                    (Paragraph, 0, "WARNING: hot"),
                    (Paragraph, 0, "very"),
                ],
            ),
            (
                "image::x.png[A cat]\n\nText footnote:[the note] on.\n// remark\n////\nno\n////\n",
                &[
                    (Image, 0, "A cat"),
                    (Paragraph, 0, "Text on."),
                    (Note, 0, "the note"),
                ],
            ),
            (
                ",===\na,\"b,c\"\n1,2\n,===\n",
                &[(Table, 0, "a | b,c\n1 | 2")],
            ),
            (
                "  literal\n  block\n\n[quote]\n____\nsaid\n____\n",
                &[(Code, 0, "literal\nblock"), (Paragraph, 0, "said")],
            ),
        ];
        for (input, expect) in cases {
            let found: Vec<_> = document(input)
                .body()
                .map(|e| (e.kind, e.level, e.text.clone()))
                .collect();
            let expect: Vec<_> = expect
                .iter()
                .map(|&(k, l, t)| (k, l, t.to_owned()))
                .collect();
            assert_eq!(found, expect, "{input}");
        }
    }

    #[test]
    fn other_files_are_never_read() {
        let builder = document("a\n\ninclude::../../etc/passwd[]\n\nb\n");
        assert_eq!(builder.elements().len(), 2);
        assert!(builder.report.warnings[0].reason.contains("passwd"));
    }

    proptest! {
        #[test]
        fn never_panics(parts in proptest::collection::vec(0usize..24, 0..40), tail in "[|=*.\\[\\]:a-c\n é]{0,30}") {
            const PARTS: [&str; 24] = ["= T\n", "== ", "----\n", "====\n", "|===\n", "| a ", "2+|", "\n", "* ", ".. ", "[source,x]\n", "[NOTE]\n",
                "include::x[]\n", "image::x[y]\n", ":a: b\n", "{a}", "term:: ", ".Title\n", "////\n", "```\n", "+\n", " x\n", "ifdef::a[b]\n", "text "];
            let input: String = parts.into_iter().map(|idx| PARTS[idx]).collect();
            let report = document(&format!("{input}{tail}")).report;
            prop_assert!(report.chars_kept + report.chars_failed <= report.chars_seen);
        }
    }
}
