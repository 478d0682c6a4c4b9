//! PDF files with a text layer, by pdfium: characters with boxes, then our own words, reading order,
//! paragraphs, headings and simple tables.
//!
//! Limits: text as pictures is named in a warning, not read; fonts without a map to Unicode are noticed by
//! their control and private-use characters only.

mod blocks;
mod columns;
mod furniture;
mod library;
mod line;
mod open;
mod page;
mod png;
mod render;
mod ruled;
mod rules;
mod sides;
mod word;

pub use library::find_pdfium;
pub(crate) use library::preload;
pub use render::{PageImage, PageRequest, render_page};

use cairn_types::WarningCode;
use pdfium_render::prelude::{PdfDocument, PdfDocumentMetadataTagType};

use crate::builder::Builder;
use crate::context::Context;
use crate::error::ExtractError;
use blocks::{PageLines, Styles, push_page};

/// Pages in a row that cannot be opened, after which the rest is given up: page counts can lie.
const MAX_BAD_PAGES: u32 = 20;
/// Share of garbage among a page's characters from which on the page counts as unreadable.
const MAX_GARBAGE_PERCENT: u64 = 10;

/// Reads a PDF file.
pub(crate) fn read(
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let document = open::open(bytes, cx.options)?;
    builder.title = title(&document);
    let mut pages = read_pages(&document, cx, builder);
    let n_repeated = furniture::take_out(&mut pages);
    builder.left_out(n_repeated);
    let styles = Styles::of(&pages);
    for page in &pages {
        push_page(builder, page, &styles);
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

/// Words of all pages, in regions in reading order. What cannot be read is in the report.
fn read_pages(
    document: &PdfDocument<'_>,
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Vec<PageLines> {
    let n_pages = u32::try_from(document.pages().len()).unwrap_or(0);
    let n_read = n_pages.min(cx.options.max_pages);
    let mut pages = Vec::new();
    let mut n_opened = 0;
    let mut n_bad = 0;
    for number in 1..=n_read {
        let Ok(page) = document.pages().get((number - 1).cast_signed()) else {
            builder.warn(
                WarningCode::Unreadable,
                Some(number),
                format!("page {number} cannot be opened"),
            );
            n_bad += 1;
            if n_bad >= MAX_BAD_PAGES {
                let n_left = n_pages - number;
                builder.warn(
                    WarningCode::Limit,
                    None,
                    format!("gave up: {n_left} pages after page {number} were not read"),
                );
                break;
            }
            continue;
        };
        n_bad = 0;
        n_opened += 1;
        let bounds = page::page_box(&page);
        let found = match page::read_words(&page, &bounds) {
            Ok(found) => found,
            Err(error) => {
                builder.warn(
                    WarningCode::Limit,
                    Some(number),
                    format!("page {number} cannot be read: {error}"),
                );
                continue;
            }
        };
        note_page(number, &found, builder);
        let drawn = rules::read_lines(&page);
        for (turn, words) in found.by_turn {
            let grids = rules::grids(&drawn, &bounds, turn);
            let regions = columns::regions(words, &grids)
                .into_iter()
                .map(line::lines)
                .collect();
            pages.push(PageLines {
                number,
                bounds,
                turn,
                regions,
            });
        }
    }
    if n_pages > n_read && n_bad < MAX_BAD_PAGES {
        let n_left = n_pages - n_read;
        builder.warn(
            WarningCode::Limit,
            None,
            format!("only the first {n_read} pages were read, {n_left} were left out"),
        );
    }
    // A count of pages that do not exist is no count.
    builder.report.pages = Some(if n_bad >= MAX_BAD_PAGES {
        n_opened
    } else {
        n_pages
    });
    pages
}

fn note_page(number: u32, found: &page::PageWords, builder: &mut Builder) {
    if found.is_cut {
        builder.warn(
            WarningCode::NoTextLayer,
            Some(number),
            format!("page {number} was read only in part: too many characters"),
        );
    }
    if found.n_chars == 0 {
        builder.warn(
            WarningCode::UnmappedFont,
            Some(number),
            format!("page {number} has no text layer (scanned?)"),
        );
    }
    builder.failed(found.n_garbage);
    if found.n_garbage * 100 > (found.n_chars + found.n_garbage) * MAX_GARBAGE_PERCENT {
        builder.warn(
            WarningCode::Other,
            Some(number),
            format!("page {number} uses a font whose characters cannot be mapped to text"),
        );
    }
}
