//! Directives of reStructuredText: `.. name:: argument`, options, content.

use cairn_types::{Element, ElementKind, WarningCode};

use super::{Reader, dedented, indent_of};
use crate::builder::count_text;
use crate::code::push_code;
use crate::html;
use crate::table::SpanCell;
use crate::text::collapse;

/// Options at the top of a directive's lines, and its content.
fn options_and_content<'t>(lines: &[&'t str]) -> (Vec<(&'t str, &'t str)>, Vec<&'t str>) {
    let lines = dedented(lines);
    let mut options = Vec::new();
    let mut at = 0;
    while let Some((name, value)) = lines
        .get(at)
        .and_then(|line| line.strip_prefix(':'))
        .and_then(|rest| rest.split_once(':'))
    {
        options.push((name, value.trim()));
        at += 1;
    }
    let n_blank = lines[at..]
        .iter()
        .take_while(|line| line.is_empty())
        .count();
    (options, lines[at + n_blank..].to_vec())
}

impl Reader<'_> {
    pub(super) fn directive(&mut self, name: &str, argument: &str, lines: &[&str]) {
        let (options, content) = options_and_content(lines);
        let option = |key: &str| {
            let found = options.iter().find(|(name, _)| *name == key)?;
            Some(found.1)
        };
        match name {
            "code" | "code-block" | "sourcecode" | "parsed-literal" | "prompt" | "ipython"
            | "doctest" => {
                self.text(option("caption").unwrap_or_default());
                let language = (!argument.is_empty()).then(|| argument.to_ascii_lowercase());
                push_code(self.builder, &content.join("\n"), language.as_deref());
            }
            "include" | "literalinclude" | "csv-table"
                if name != "csv-table" || option("file").is_some() || option("url").is_some() =>
            {
                let what = option("file").or(option("url")).unwrap_or(argument);
                let reason = format!(
                    "`{name}` of `{what}` was not read: other files are not part of the document"
                );
                self.builder.warn(WarningCode::Unsupported, None, reason);
            }
            "csv-table" => {
                self.text(argument);
                let mut text = String::new();
                if let Some(header) = option("header") {
                    text = format!("{header}\n");
                }
                text.push_str(&content.join("\n"));
                let n_header = option("header-rows")
                    .and_then(|n| n.parse().ok())
                    .unwrap_or(0);
                let n_header = n_header + usize::from(option("header").is_some());
                let rows = csv_rows(&text, n_header);
                self.push_table(rows, label(argument));
            }
            "list-table" => {
                self.text(argument);
                let n_header = option("header-rows")
                    .and_then(|n| n.parse().ok())
                    .unwrap_or(0);
                let rows = list_rows(&content, n_header);
                self.push_table(rows, label(argument));
            }
            "table" => {
                self.text(argument);
                self.nested(&content);
            }
            "image" | "figure" => {
                self.builder.report.images += 1;
                let alt = collapse(option("alt").unwrap_or_default());
                self.builder.push(Element::new(ElementKind::Image, alt));
                self.nested(&content);
            }
            "raw" if argument == "html" => html::read_fragment(&content.join("\n"), self.builder),
            "contents" | "toctree" | "raw" | "index" | "meta" | "highlight" | "default-role"
            | "role" | "currentmodule" | "module" | "replace" | "unicode" | "sectnum"
            | "testsetup" | "testcleanup" => {
                // Substitutions show where they are used.
                self.builder.left_out(count_text(argument));
                self.leave_out(&content);
            }
            "note" | "warning" | "tip" | "hint" | "important" | "caution" | "danger" | "error"
            | "attention" | "seealso" | "todo" | "versionadded" | "versionchanged"
            | "deprecated" | "admonition" | "rubric" | "topic" | "sidebar" => {
                let is_titled = matches!(name, "admonition" | "rubric" | "topic" | "sidebar");
                // What goes on the next line without a blank one belongs to the argument's paragraph.
                let n_more = if argument.is_empty()
                    || !options.is_empty()
                    || lines.first().is_some_and(|line| line.is_empty())
                {
                    0
                } else {
                    content.iter().take_while(|line| !line.is_empty()).count()
                };
                let first = format!("{argument} {}", content[..n_more].join(" "));
                let first = if is_titled {
                    first
                } else {
                    format!("{name}: {first}")
                };
                if !argument.is_empty() {
                    self.text(&first);
                } else if let Some(line) = content.first()
                    && !is_titled
                    && !line.starts_with(['.', '-', '*', '+', '|', ':', ' '])
                {
                    let n = content.iter().take_while(|line| !line.is_empty()).count();
                    let is_before_code = content[n - 1].ends_with("::");
                    if !is_before_code {
                        self.text(&format!("{name}: {}", content[..n].join(" ")));
                        self.nested(&content[n..]);
                        return;
                    }
                }
                self.nested(&content[n_more..]);
            }
            _ => {
                // Unknown ones of extensions: what they say is text all the same.
                self.text(argument);
                for (_, value) in &options {
                    self.builder.left_out(count_text(value));
                }
                self.nested(&content);
            }
        }
    }
}

fn label(argument: &str) -> Option<String> {
    (!argument.is_empty()).then(|| argument.to_owned())
}

fn csv_rows(text: &str, n_header: usize) -> Vec<Vec<SpanCell>> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes())
        .records()
        .flatten()
        .enumerate()
        .map(|(idx, record)| {
            record
                .iter()
                .map(|text| cell(text, idx < n_header))
                .collect()
        })
        .collect()
}

fn cell(text: &str, is_header: bool) -> SpanCell {
    SpanCell {
        text: text.to_owned(),
        n_cols: 1,
        n_rows: 1,
        is_header,
    }
}

/// A list of lists: `* - cell`.
fn list_rows(lines: &[&str], n_header: usize) -> Vec<Vec<SpanCell>> {
    let mut rows: Vec<Vec<SpanCell>> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let row = line.strip_prefix('*').or_else(|| line.strip_prefix('-'));
        let rest = match row {
            Some(rest) => {
                rows.push(Vec::new());
                rest
            }
            None => line,
        };
        let is_header = rows.len() <= n_header;
        let trimmed = rest.trim_start();
        let begins = trimmed == "-"
            || trimmed == "*"
            || trimmed.starts_with("- ")
            || trimmed.starts_with("* ");
        // A list within a cell stands deeper than the cells do.
        let is_cell = begins && (row.is_some() || indent_of(line) <= 3);
        if let Some(cells) = rows.last_mut() {
            if is_cell {
                cells.push(cell(trimmed[1..].trim(), is_header));
            } else if let Some(last) = cells.last_mut() {
                last.text.push(' ');
                last.text.push_str(trimmed);
            }
        }
        at += 1;
    }
    rows
}
