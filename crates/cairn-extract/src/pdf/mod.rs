//! PDF files by pdfium: characters with boxes, then our own words, reading order, paragraphs, headings, lists and tables.
//!
//! A file that pdfium cannot open is put together again, then given to a second reader; so are all files where pdfium is not
//! installed. Pages without a text layer, or in fonts that show no text, go to text recognition. Form fields and notes are read too.
//! Every element has a page and a box. The box is that of the element's own lines in one region: columns and pages are not
//! joined, so that a paragraph that goes on in the next column is two elements, each with a box that holds nothing else.

mod bands;
mod bare;
mod blocks;
mod channels;
mod columns;
mod forms;
mod furniture;
mod headers;
mod legible;
mod library;
mod line;
mod notes;
mod open;
mod page;
mod pages;
mod png;
mod render;
mod ruled;
mod rules;
mod salvage;
mod scan;
mod second;
mod sides;
mod survey;
mod word;

pub use library::find_pdfium;
pub(crate) use library::{identity, preload};
pub use render::{PageImage, PageRequest, render_page};

use cairn_types::{HasKind as _, WarningCode};
use pdfium_render::prelude::{PdfDocument, PdfDocumentMetadataTagType};

use crate::builder::Builder;
use crate::context::Context;
use crate::error::ExtractError;
use blocks::{Styles, push_page};

/// Reads a PDF file.
pub(crate) fn read(
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let repaired;
    let document = match open::open(bytes, cx.options) {
        Ok(document) => document,
        Err(error @ ExtractError::Malformed { .. }) => {
            // What cannot be put together again may still be read by the second reader.
            let (saved, error) = match salvage::salvage(bytes, cx) {
                Ok(saved) => (saved, error),
                Err(limit) => (None, limit),
            };
            repaired = saved;
            let reopened = repaired.as_deref().map(|file| open::open(file, cx.options));
            let Some(Ok(document)) = reopened else {
                let why = "the file is damaged or cut off";
                return second::read(bytes, cx, builder, why)
                    .map_err(|second| telling(error, second));
            };
            let reason =
                "the file is damaged or cut off; the pages that were found in it were read";
            builder.warn(WarningCode::Recovered, None, reason);
            document
        }
        Err(error @ ExtractError::Unsupported { .. }) => {
            let why = error.hint().unwrap_or_default();
            return second::read(bytes, cx, builder, &why).map_err(|second| telling(error, second));
        }
        Err(error) => return Err(error),
    };
    builder.title = title(&document);
    let mut pages = pages::read_pages(&document, cx, builder);
    furniture::take_out(&mut pages, builder);
    let styles = Styles::of(&pages);
    for page in &pages {
        push_page(builder, page, &styles);
        for (element, n_chars) in &page.extras {
            builder.push_counted(element.clone(), *n_chars);
        }
    }
    if builder.is_empty() {
        let n = builder.report.pages.unwrap_or(0);
        let reason = match (n, builder.report.warnings.first()) {
            (0, None) => "it has no pages".to_owned(),
            (_, Some(warning)) => warning.reason.clone(),
            (n, None) => format!("none of its {n} pages has text"),
        };
        return Err(ExtractError::empty(reason));
    }
    Ok(())
}

/// What is said where neither reader reads a file: that it wants a password, where the second one finds out, else what
/// stopped the first.
fn telling(first: ExtractError, second: ExtractError) -> ExtractError {
    match second {
        ExtractError::PasswordRequired => second,
        _ => first,
    }
}

/// The title in the metadata, but for what word processors put there by themselves.
fn title(document: &PdfDocument<'_>) -> Option<String> {
    let tag = document.metadata().get(PdfDocumentMetadataTagType::Title)?;
    let title = tag.value().trim().trim_start_matches("Microsoft Word - ");
    let lower = title.to_lowercase();
    let is_none = lower.is_empty()
        || lower.starts_with("untitled")
        || lower == "(anonymous)"
        || [".doc", ".docx", ".dvi", ".tex", ".indd"]
            .iter()
            .any(|end| lower.ends_with(end));
    (!is_none).then(|| crate::text::clean(title).0)
}
