//! Text in pictures: asks Tesseract (through the worker's parent) and makes elements of what it found.
//!
//! [`recognize`] is for every reader that has pixels: pictures, scanned pages, pages with unreadable fonts.

mod elements;
mod tsv;

pub(crate) use elements::{count_page, push_page};
#[cfg(test)]
pub(crate) use tsv::OcrWord;
pub(crate) use tsv::{OcrPage, PixelBox};

use cairn_types::OcrSummary;

use crate::context::Context;
use crate::tools::{ToolError, ToolRequest};

/// Mean confidence of a table's words, 0 to 1, and how much of the table is to be believed: its characters, each weighted by the
/// confidence of its word.
pub(crate) fn believed(table: &[u8]) -> (f64, f64) {
    let (mut all, mut worth) = (OcrSummary::default(), 0.0);
    for page in tsv::parse(&String::from_utf8_lossy(table)) {
        all.add(&page.summary);
        for word in page.words() {
            let n_chars = u16::try_from(word.text.chars().count()).unwrap_or(u16::MAX);
            worth += f64::from(word.confidence) * f64::from(n_chars);
        }
    }
    (all.confidence, worth)
}

/// Recognises the text of a picture (PNG, JPEG, TIFF with one or more pages, WebP, GIF, BMP, PNM). One [`OcrPage`] for each
/// of its pages, also for those without text; `dpi` is its resolution, where known.
///
/// Costs about a second of processor time for a page of text.
///
/// # Errors
/// [`ToolError::Missing`] where there is no Tesseract (then there is no use in asking again), [`ToolError::Failed`] where
/// it could not read the picture or took too long.
pub(crate) fn recognize(
    cx: &Context<'_>,
    image: &[u8],
    dpi: Option<u32>,
) -> Result<Vec<OcrPage>, ToolError> {
    let reply = cx.call(&ToolRequest::Recognize { dpi }, image)?;
    Ok(tsv::parse(&String::from_utf8_lossy(&reply)))
}
