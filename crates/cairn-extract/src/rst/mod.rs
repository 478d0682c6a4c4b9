//! reStructuredText to elements, line by line.
//!
//! docutils reStructuredText specification and directives. The level of a title is the place of its adornment among those
//! of the document. `include` and its like are left out with a warning: no other file is ever read. Comments, targets and tables of
//! contents are left out and counted. Indented content is read again without its indentation, to a limit of levels. O(n).

mod directives;
mod inline;
mod table;

use std::collections::HashMap;

use cairn_types::{Element, ElementKind};

use crate::builder::{Builder, count_text};
use crate::code::push_code;
use crate::prose::push_block;
use crate::table::push_spans;
use crate::text::{collapse, decode};

/// Content within content; deeper content is one paragraph.
const MAX_DEPTH: usize = 12;
/// What `|name|` may stand for: names, and characters of a value.
const MAX_SUBSTITUTIONS: usize = 1_000;
const MAX_VALUE: usize = 1_000;

/// Reads a document.
pub(crate) fn read(bytes: &[u8], builder: &mut Builder) {
    let decoded = decode(bytes);
    decoded.note(builder);
    // Tabs are eight columns wide ("Whitespace").
    let text = decoded.text.replace('\t', "        ");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let mut reader = Reader {
        builder,
        adornments: Vec::new(),
        substitutions: substitutions(&lines),
        depth: 0,
        list_level: 0,
    };
    reader.blocks(&lines);
}

/// All `.. |name| replace:: text` of the document: they may stand after their use.
fn substitutions(lines: &[&str]) -> HashMap<String, String> {
    let mut found = HashMap::new();
    for line in lines {
        let Some((name, rest)) = line
            .trim_start()
            .strip_prefix(".. |")
            .and_then(|rest| rest.split_once('|'))
        else {
            continue;
        };
        if let Some(value) = rest.trim_start().strip_prefix("replace::")
            && found.len() < MAX_SUBSTITUTIONS
            && value.len() <= MAX_VALUE
        {
            found.insert(name.to_owned(), value.trim().to_owned());
        }
    }
    found
}

struct Reader<'b> {
    builder: &'b mut Builder,
    /// Adornments of titles in the order they came; whether there is one above too.
    adornments: Vec<(char, bool)>,
    substitutions: HashMap<String, String>,
    depth: usize,
    list_level: u8,
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The character of a line that holds nothing else.
fn adornment(line: &str) -> Option<char> {
    let first = line.chars().next().filter(char::is_ascii_punctuation)?;
    (line.len() >= 2 && line.chars().all(|c| c == first)).then_some(first)
}

/// How many of `lines` are indented or blank, without blank ones at the end.
fn indented(lines: &[&str]) -> usize {
    let n = lines
        .iter()
        .take_while(|line| line.is_empty() || line.starts_with(' '))
        .count();
    n - lines[..n]
        .iter()
        .rev()
        .take_while(|line| line.is_empty())
        .count()
}

/// `lines` without the indentation that all share.
fn dedented<'t>(lines: &[&'t str]) -> Vec<&'t str> {
    let common = lines
        .iter()
        .filter(|line| !line.is_empty())
        .map(|line| indent_of(line))
        .min()
        .unwrap_or(0);
    lines
        .iter()
        .map(|line| line.get(common..).unwrap_or_default())
        .collect()
}

impl Reader<'_> {
    fn blocks(&mut self, lines: &[&str]) {
        let mut at = 0;
        while at < lines.len() {
            at += self.block(&lines[at..]).max(1);
        }
    }

    /// Reads content that stands deeper.
    fn nested(&mut self, lines: &[&str]) {
        if self.depth >= MAX_DEPTH {
            self.text(&lines.join("\n"));
            return;
        }
        self.depth += 1;
        let lines = dedented(lines);
        self.blocks(&lines);
        self.depth -= 1;
    }

    /// Reads the block that begins with the first line; returns its lines.
    fn block(&mut self, lines: &[&str]) -> usize {
        let line = lines[0];
        if line.is_empty() {
            return 1;
        }
        if line.starts_with(' ') {
            let n = indented(lines);
            self.nested(&lines[..n]);
            return n;
        }
        if let Some(n) = self.title(lines) {
            return n;
        }
        if let Some(n) = self.table(lines) {
            return n;
        }
        if adornment(line).is_some_and(|c| !matches!(c, '.' | ':')) && line.len() >= 4 {
            // A transition.
            return 1;
        }
        if line == ".." || line.starts_with(".. ") {
            let n = 1 + indented(&lines[1..]);
            self.explicit(&lines[..n]);
            return n;
        }
        if line.starts_with("__ ") {
            self.builder.left_out(count_text(line));
            return 1;
        }
        if let Some(n) = self.item(lines) {
            return n;
        }
        if let Some(n) = self.field(lines) {
            return n;
        }
        if line.starts_with(">>> ") {
            let n = lines.iter().take_while(|line| !line.is_empty()).count();
            push_code(self.builder, &lines[..n].join("\n"), Some("python"));
            return n;
        }
        if line.starts_with("| ") {
            let n = lines
                .iter()
                .take_while(|line| line.starts_with('|') || line.starts_with(' '))
                .count();
            let text: Vec<&str> = lines[..n]
                .iter()
                .map(|line| line.trim_start_matches(['|', ' ']))
                .collect();
            let text = self.shown(&text.join("\n"));
            self.builder.paragraph(text);
            return n;
        }
        self.paragraph(lines)
    }

    /// A paragraph; with an indented line below its only line, a term and its definition; with `::` at its end, code.
    fn paragraph(&mut self, lines: &[&str]) -> usize {
        let n = lines
            .iter()
            .take_while(|line| !line.is_empty() && !line.starts_with(' '))
            .count();
        let is_term = n == 1 && lines.get(1).is_some_and(|line| line.starts_with(' '));
        let mut text = lines[..n].join("\n");
        let is_before_code = text.ends_with("::");
        if is_before_code {
            text.pop();
            if text.ends_with(" :") || text == ":" {
                text.pop();
            }
        }
        if is_term && !is_before_code {
            let n_body = indented(&lines[1..]);
            let body = dedented(&lines[1..=n_body]);
            let n_first = body.iter().take_while(|line| !line.is_empty()).count();
            // The first paragraph of the definition stands with its term.
            let term = self.shown(&text);
            let first = body[..n_first].join(" ");
            let is_plain = adornment(&first).is_none()
                && !first.starts_with(['-', '*', '.', '+', ':', '|', '>'])
                && !first.ends_with("::");
            if is_plain {
                let definition = collapse(&self.shown(&first));
                push_block(
                    self.builder,
                    ElementKind::Paragraph,
                    0,
                    None,
                    &format!("{term}\n{definition}"),
                );
                self.nested(&body[n_first..]);
            } else {
                self.builder.paragraph(term);
                self.nested(&body);
            }
            return 1 + n_body;
        }
        self.text(&text);
        if !is_before_code {
            return n;
        }
        let n_blank = lines[n..].iter().take_while(|line| line.is_empty()).count();
        let n_code = indented(&lines[n + n_blank..]);
        if n_code > 0 {
            push_code(
                self.builder,
                &lines[n + n_blank..n + n_blank + n_code].join("\n"),
                None,
            );
        }
        n + n_blank + n_code
    }

    fn text(&mut self, text: &str) {
        let text = collapse(&self.shown(text));
        self.builder.paragraph(text);
    }

    fn shown(&self, text: &str) -> String {
        inline::plain(text, &self.substitutions)
    }

    fn title(&mut self, lines: &[&str]) -> Option<usize> {
        let (text, mark, has_overline, n) = match adornment(lines[0]) {
            Some(mark) => {
                let text = lines.get(1).filter(|line| !line.is_empty())?;
                let below = lines.get(2)?;
                if adornment(below) != Some(mark)
                    || below.len() != lines[0].len()
                    || adornment(text).is_some()
                {
                    return None;
                }
                (*text, mark, true, 3)
            }
            None => {
                let below = lines.get(1)?;
                let mark = adornment(below)?;
                let n_wide = lines[0].chars().count();
                // Shorter lines of four and more are accepted, as docutils does with a complaint.
                if below.len() < n_wide.min(4) {
                    return None;
                }
                (lines[0], mark, false, 2)
            }
        };
        let key = (mark, has_overline);
        let level = match self.adornments.iter().position(|known| *known == key) {
            Some(level) => level,
            None => {
                self.adornments.push(key);
                self.adornments.len() - 1
            }
        };
        let text = collapse(&self.shown(text));
        if level == 0 && self.builder.title.is_none() {
            self.builder.title = Some(text.clone());
        }
        let level = u8::try_from(level + 1).unwrap_or(9);
        self.builder.heading(level, text);
        Some(n)
    }

    fn table(&mut self, lines: &[&str]) -> Option<usize> {
        let (rows, n) = if table::is_grid_border(lines[0]) {
            let n = lines
                .iter()
                .take_while(|line| line.starts_with(['+', '|']))
                .count();
            (table::grid(&lines[..n])?, n)
        } else if table::is_simple_border(lines[0]) {
            let borders: Vec<usize> = (0..lines.len())
                .take_while(|&at| {
                    at < 2 || !lines[at].is_empty() || !table::is_simple_border(lines[at - 1])
                })
                .filter(|&at| table::is_simple_border(lines[at]))
                .take(3)
                .collect();
            let end = *borders.last().filter(|_| borders.len() >= 2)?;
            (table::simple(&lines[..=end])?, end + 1)
        } else {
            return None;
        };
        self.push_table(rows, None);
        Some(n)
    }

    fn push_table(&mut self, mut rows: Vec<Vec<crate::table::SpanCell>>, label: Option<String>) {
        for cell in rows.iter_mut().flatten() {
            cell.text = collapse(&self.shown(&cell.text));
        }
        push_spans(self.builder, &rows, label, None);
    }

    /// An item of a list, with all that stands below its text.
    fn item(&mut self, lines: &[&str]) -> Option<usize> {
        let line = lines[0];
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        let is_bullet = matches!(mark, "-" | "*" | "+" | "•" | "‣");
        let number = mark
            .strip_suffix(['.', ')'])
            .map(|number| number.trim_start_matches('('))
            .filter(|number| {
                *number == "#"
                    || !number.is_empty()
                        && number.len() <= 4
                        && (number.chars().all(|c| c.is_ascii_digit())
                            || number.len() == 1 && number.chars().all(|c| c.is_ascii_alphabetic()))
            });
        if !is_bullet && number.is_none() {
            return None;
        }
        let width = mark.len() + 1 + indent_of(rest);
        let n_body = indented(&lines[1..]);
        let body = &lines[1..=n_body];
        let n_first = body
            .iter()
            .take_while(|line| !line.is_empty() && indent_of(line) >= width.min(2))
            .count();
        let mut text = rest.trim_start().to_owned();
        for line in &body[..n_first] {
            text.push('\n');
            text.push_str(line.trim_start());
        }
        let marker = if is_bullet { "-" } else { mark };
        let is_before_code = text.ends_with("::");
        if is_before_code {
            text.pop();
        }
        self.list_level = self.list_level.saturating_add(1);
        let text = collapse(&self.shown(&text));
        push_block(
            self.builder,
            ElementKind::Paragraph,
            self.list_level.min(9),
            Some(marker.to_owned()),
            &text,
        );
        let below = &body[n_first..];
        if is_before_code {
            push_code(self.builder, &below.join("\n"), None);
        } else {
            self.nested(below);
        }
        self.list_level -= 1;
        Some(1 + n_body)
    }

    /// `:name: value`.
    fn field(&mut self, lines: &[&str]) -> Option<usize> {
        let (name, value) = lines[0].strip_prefix(':')?.split_once(':')?;
        if name.is_empty() || name.starts_with(' ') || !(value.is_empty() || value.starts_with(' '))
        {
            return None;
        }
        let n_body = indented(&lines[1..]);
        let text = format!("{name}: {} {}", value.trim(), lines[1..=n_body].join(" "));
        self.text(&text);
        Some(1 + n_body)
    }

    /// What begins with two dots: directives, notes, targets, comments.
    fn explicit(&mut self, lines: &[&str]) {
        let line = lines[0].get(3..).unwrap_or_default().trim_start();
        let body = &lines[1..];
        if let Some((label, text)) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            let text = format!("{} {}", text.trim(), body.join(" "));
            let text = collapse(&self.shown(&text));
            let label = label.trim_start_matches('#');
            self.builder
                .push(Element::new(ElementKind::Note, format!("[{label}] {text}")));
            return;
        }
        let named = line.split_once("::").filter(|(name, rest)| {
            let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | ':' | '.' | '+');
            let name = name.rsplit("| ").next().unwrap_or(name);
            !name.is_empty()
                && name.chars().all(is_name)
                && (rest.is_empty() || rest.starts_with(' '))
        });
        match named {
            Some((name, argument)) => {
                let name = name
                    .rsplit("| ")
                    .next()
                    .unwrap_or(name)
                    .to_ascii_lowercase();
                self.directive(&name, argument.trim(), body);
            }
            // Targets and comments.
            None => self.leave_out(lines),
        }
    }

    fn leave_out(&mut self, lines: &[&str]) {
        let n = lines.iter().map(|line| count_text(line)).sum();
        self.builder.left_out(n);
    }
}

#[cfg(test)]
mod tests;
