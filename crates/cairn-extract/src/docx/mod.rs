//! Word documents (OOXML, transitional and strict) to elements, by hand over `zip` and `quick-xml`.
//!
//! Names are compared without their namespace prefix: both flavours of the format use the same local names.
//! Deleted text of tracked changes and hidden text are left out; footnotes and comments follow the paragraph
//! that refers to them; headers and footers are furniture, each text once.

mod body;
mod styles;

use cairn_types::{Element, ElementKind, WarningCode};

use crate::builder::{Builder, count_text};
use crate::context::Context;
use crate::error::ExtractError;
use crate::ooxml::{Package, Relationships, push_alt};
use crate::table::push_span_table;
use crate::text::{clean, collapse, collapse_lines};
use crate::xml::part_text;
use body::{Item, NoteKind, Paragraph, Part};
use styles::{Numbering, Role, Styles};

/// Reads a Word document.
pub(crate) fn read(
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let mut package = Package::open(bytes, cx)?;
    let main = package.main_part("word/document.xml")?;
    let Some(document) = package.read(&main)? else {
        return Err(ExtractError::malformed(format!("it has no part `{main}`")));
    };
    let rels = package.relationships(&main)?;
    let mut parts = |kind: &str, builder: &mut Builder| -> Result<Vec<String>, ExtractError> {
        let mut found = Vec::new();
        for target in rels.of_kind(kind) {
            found.extend(package.text(target, None, builder)?);
        }
        Ok(found)
    };
    let one = |found: Vec<String>| found.into_iter().next().unwrap_or_default();
    let styles = Styles::read(&one(parts("styles", builder)?));
    let numbering = Numbering::read(&one(parts("numbering", builder)?), &styles);
    let body = body::read(&part_text(&document));
    let mut notes = Vec::new();
    for kind in ["footnotes", "endnotes", "comments"] {
        notes.extend(body::read(&one(parts(kind, builder)?)).notes);
    }
    for kind in ["header", "footer"] {
        push_furniture(&parts(kind, builder)?, builder);
    }
    builder.title = package.title("docProps/core.xml")?;

    let mut state = State {
        builder,
        package,
        rels,
        styles,
        numbering,
        notes: &notes,
    };
    state.note_problems(&body);
    for item in &body.items {
        state.item(item)?;
    }
    Ok(())
}

/// Adds the texts of headers or footers: each once, none that is only a number.
fn push_furniture(parts: &[String], builder: &mut Builder) {
    let mut texts: Vec<String> = Vec::new();
    for xml in parts {
        let mut text = String::new();
        for item in body::read(xml).items {
            let line = match item {
                Item::Paragraph(paragraph) => paragraph.text,
                Item::Table(rows) => rows
                    .iter()
                    .flatten()
                    .map(|cell| cell.text.as_str())
                    .collect::<Vec<_>>()
                    .join(" "),
                Item::Image(_)
                | Item::Picture(_)
                | Item::Chart(_)
                | Item::Diagram(_)
                | Item::Object(_) => continue,
            };
            text.push_str(&collapse(&line));
            text.push('\n');
        }
        let text = collapse_lines(&text);
        if text.chars().any(char::is_alphabetic) && !texts.contains(&text) {
            builder.furniture(&text, None, None);
            texts.push(text);
        } else {
            builder.left_out(count_text(&text));
        }
    }
}

struct State<'a, 'b> {
    builder: &'b mut Builder,
    package: Package<'a>,
    rels: Relationships,
    styles: Styles,
    numbering: Numbering,
    notes: &'b [(NoteKind, String, String)],
}

impl State<'_, '_> {
    fn note_problems(&mut self, body: &Part) {
        self.builder.report.images += body.n_images;
        self.builder.left_out(body.n_left_out);
        if body.n_hidden > 0 {
            self.builder.left_out(body.n_hidden);
            let n = body.n_hidden;
            self.builder.warn(
                WarningCode::Hidden,
                None,
                format!("{n} characters of hidden text were left out"),
            );
        }
        if let Some(error) = &body.error {
            self.builder.warn(
                WarningCode::Recovered,
                None,
                format!("the text was read only in part: {error}"),
            );
        }
    }

    fn item(&mut self, item: &Item) -> Result<(), ExtractError> {
        match item {
            Item::Paragraph(paragraph) => self.paragraph(paragraph)?,
            Item::Table(rows) => push_span_table(self.builder, rows, None),
            Item::Image(alt) => push_alt(alt, None, self.builder),
            Item::Picture(id) => {
                let part = self.rels.target(id);
                self.package.inset(part, None, self.builder);
            }
            Item::Chart(id) => {
                self.package
                    .chart(self.rels.target(id), None, self.builder)?;
            }
            Item::Diagram(id) => {
                self.package
                    .diagram(self.rels.target(id), None, self.builder)?;
            }
            Item::Object(id) => {
                // Without a part it is a link to a file elsewhere.
                if let Some(part) = self.rels.target(id) {
                    self.package.embedded(part, None, self.builder)?;
                }
            }
        }
        Ok(())
    }

    fn paragraph(&mut self, paragraph: &Paragraph) -> Result<(), ExtractError> {
        let text = collapse_lines(&clean(&paragraph.text).0);
        if !text.is_empty() {
            let n_chars = count_text(&text);
            let style = self.styles.resolve(paragraph.style.as_deref());
            let number = paragraph
                .number
                .or(style.number)
                .filter(|(list, _)| *list != 0);
            let marker = number.and_then(|(list, level)| self.numbering.next(list, level));
            let role = match paragraph.outline {
                Some(level) if level < 9 => Role::Heading(level + 1),
                _ => style.role,
            };
            let mut element = match role {
                Role::Title | Role::Heading(_) => {
                    let text = text.replace('\n', " ");
                    let label = marker.filter(|marker| marker != "-");
                    let text = label.map_or(text.clone(), |label| format!("{label} {text}"));
                    if role == Role::Title && self.builder.title.is_none() {
                        self.builder.title = Some(text.clone());
                    }
                    Element::new(ElementKind::Heading, text)
                }
                Role::Text | Role::List => match marker {
                    Some(marker) if marker.is_empty() => Element::new(ElementKind::ListItem, text),
                    Some(marker) => Element::new(ElementKind::ListItem, format!("{marker} {text}")),
                    None if role == Role::List => {
                        Element::new(ElementKind::ListItem, format!("- {text}"))
                    }
                    None => Element::new(ElementKind::Paragraph, text),
                },
            };
            element.level = match (element.kind, role) {
                (ElementKind::Heading, Role::Heading(level)) => level.clamp(1, 9),
                (ElementKind::Heading, _) => 1,
                (ElementKind::ListItem, _) => number.map_or(1, |(_, level)| level.min(8) + 1),
                _ => 0,
            };
            self.builder.push_counted(element, n_chars);
        }
        for item in &paragraph.after {
            self.item(item)?;
        }
        for (kind, id) in &paragraph.notes {
            self.note(*kind, id);
        }
        Ok(())
    }

    fn note(&mut self, kind: NoteKind, id: &str) {
        let found = self
            .notes
            .iter()
            .find(|(found, found_id, _)| *found == kind && found_id == id);
        let Some((_, _, text)) = found else {
            return;
        };
        let text = collapse_lines(&clean(text).0);
        let text = match kind {
            NoteKind::Footnote | NoteKind::Endnote => format!("[{id}] {text}"),
            NoteKind::Comment => text,
        };
        self.builder.push(Element::new(ElementKind::Note, text));
    }
}

#[cfg(test)]
mod tests;
