//! Annotations that say something: notes, comments on marked text, text boxes, stamps.
//!
//! Each becomes a note with its page and box. The window that pops up for a note repeats its text and is passed over; so
//! are links, whose addresses are no text. Replies are annotations of their own.

use cairn_types::{Element, ElementKind};
use pdfium_render::prelude::{PdfPage, PdfPageAnnotation, PdfPageAnnotationCommon as _};

use super::word::{PageBox, Rect, Turn};

/// Annotations of one page that are looked at.
const MAX_ANNOTATIONS: usize = 5_000;

/// The notes of a page, from the top.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) elements: Vec<Element>,
    /// Characters of notes that are hidden from readers.
    pub(super) n_hidden_chars: u64,
}

/// Reads the notes of page `number`.
pub(super) fn read_notes(page: &PdfPage<'_>, number: u32, bounds: &PageBox) -> Notes {
    let mut notes = Notes::default();
    let mut found: Vec<(Rect, String)> = Vec::new();
    for annotation in page.annotations().iter().take(MAX_ANNOTATIONS) {
        if matches!(
            annotation,
            PdfPageAnnotation::Widget(_)
                | PdfPageAnnotation::XfaWidget(_)
                | PdfPageAnnotation::Popup(_)
                | PdfPageAnnotation::Link(_)
        ) {
            continue;
        }
        let Some(contents) = annotation.contents() else {
            continue;
        };
        let (text, _) = crate::text::clean(&contents);
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        if annotation.is_hidden() {
            notes.n_hidden_chars += crate::builder::count_text(text);
            continue;
        }
        let edges = annotation.bounds().map_or([0.0; 4], |rect| {
            [
                rect.left().value,
                rect.bottom().value,
                rect.right().value,
                rect.top().value,
            ]
        });
        let edges = if edges.iter().all(|edge| edge.is_finite()) {
            edges
        } else {
            [0.0; 4]
        };
        found.push((bounds.upright(Turn(0), edges), text.to_owned()));
    }
    found.sort_by(|a, b| a.0.y0.total_cmp(&b.0.y0));
    notes.elements = found
        .into_iter()
        .map(|(rect, text)| {
            let mut element = Element::new(ElementKind::Note, text);
            element.page = Some(number);
            element.bbox = Some(bounds.on_page(Turn(0), &rect));
            element
        })
        .collect();
    notes
}
