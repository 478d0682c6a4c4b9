//! What a parser makes of a document: elements in reading order, and the text they render to.
//!
//! These types cross the pipe between the worker process and its parent, so they are serialised there.

use serde::{Deserialize, Serialize};

use crate::report::ParseReport;
use crate::text::CharSpan;

/// What kind of thing an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ElementKind {
    /// A heading; its depth is in [`Element::level`].
    Heading,
    /// Running text.
    Paragraph,
    /// One item of a list, with its marker.
    ListItem,
    /// A table or a group of its rows, one row a line, cells joined by ` | `, with the header row repeated.
    Table,
    /// Source code or preformatted text; line breaks matter.
    Code,
    /// A picture: its text is the alternative text or caption.
    Image,
    /// A footnote, comment or speaker note.
    Note,
    /// What a table as a whole holds: columns, number of rows, totals, smallest and largest values. Made by Cairn from the
    /// cells, so that questions about the whole find something; stands before the table and is a chunk of its own.
    TableSummary,
    /// A running header, footer or page number that repeats: kept with its page after the body, and left out of chunks.
    Furniture,
}

/// A box on a page: points, origin at the top left, before rotation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BoundingBox {
    /// Left edge.
    pub x0: f32,
    /// Top edge.
    pub y0: f32,
    /// Right edge.
    pub x1: f32,
    /// Bottom edge.
    pub y1: f32,
}

/// A piece of a parsed document in reading order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Element {
    /// What it is.
    pub kind: ElementKind,
    /// Depth of a heading (1 is the top) or nesting of a list item (1 is the outermost); 0 elsewhere.
    pub level: u8,
    /// Its text: no leading or trailing white space, never empty.
    pub text: String,
    /// Page (from 1) in formats that have pages; the slide in presentations.
    pub page: Option<u32>,
    /// Where it stands on the page.
    pub bbox: Option<BoundingBox>,
    /// For tables: name of the sheet or caption. For code: the language.
    pub label: Option<String>,
}

impl Element {
    /// An element with only a kind and a text.
    #[must_use]
    pub fn new(kind: ElementKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            level: 0,
            text: text.into(),
            page: None,
            bbox: None,
            label: None,
        }
    }
}

/// What a parser made of one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Extracted {
    /// Media type that was decided from the content, e.g. `application/pdf`.
    pub media_type: String,
    /// Title from the document itself (its metadata or first heading), if it has one.
    pub title: Option<String>,
    /// In reading order.
    pub elements: Vec<Element>,
    /// Counts and what could not be read.
    pub report: ParseReport,
}

impl Extracted {
    /// The text that the elements render to, and each element's span in it.
    #[must_use]
    pub fn render(&self) -> Rendered {
        let mut text = String::new();
        let mut n_chars = 0;
        let mut spans = Vec::with_capacity(self.elements.len());
        for element in &self.elements {
            if !text.is_empty() {
                text.push_str("\n\n");
                n_chars += 2;
            }
            let start = n_chars;
            text.push_str(&element.text);
            n_chars += element.text.chars().count();
            spans.push(CharSpan::new(start, n_chars));
        }
        Rendered { text, spans }
    }
}

/// The text of a rendition: its elements joined by blank lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The whole text; citations point into it.
    pub text: String,
    /// One span for each element, rising, not overlapping.
    pub spans: Vec<CharSpan>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_slice_back_to_the_elements() {
        let extracted = Extracted {
            media_type: "text/plain".into(),
            title: None,
            elements: vec![
                Element::new(ElementKind::Heading, "Über uns"),
                Element::new(ElementKind::Paragraph, "日本語 text"),
            ],
            report: ParseReport::default(),
        };
        let rendered = extracted.render();
        for (element, span) in extracted.elements.iter().zip(&rendered.spans) {
            assert_eq!(span.slice(&rendered.text), Some(element.text.as_str()));
        }
    }
}
