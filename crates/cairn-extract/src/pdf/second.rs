//! The second reader: where pdfium is not there, or cannot open a file even after [`super::salvage`].
//!
//! `unpdf` reads the file by itself, in Rust, and gives paragraphs, lists, tables and headings by page; where on the page
//! they stand is not known. Its pages come one after the other in this thread: the options are given in full, since their
//! defaults start a pool of threads. A panic in it is this file's alone, and so is memory that it takes, within the limits
//! of the worker. Text that no font maps is left out by it, counted in runs.
//!
//! It parses arrays and dictionaries by calling itself and would run out of stack on deep ones, so files in which they are
//! nested deeper than any real one are refused before. Those inside packed objects are not seen: such a file ends its worker.
//!
//! Limits: no text recognition, form fields, notes or furniture; pages like [`super::pages`].

use std::ops::ControlFlow;

use cairn_types::{Element, ElementKind, WarningCode};
use unpdf::model::{Block, Page, Paragraph, Table};
use unpdf::{
    ErrorKind, ErrorMode, PageSelection, PageStreamOptions, ParseEvent, ParseOptions, PdfParser,
};

use crate::builder::Builder;
use crate::context::Context;
use crate::error::ExtractError;
use crate::extract::catch_panic;
use crate::table::{SpanCell, push_span_table};
use crate::text::{clean, collapse};

/// Pages without text, by number, that a warning names.
const MAX_NAMED: usize = 5;
/// Arrays and dictionaries within each other; those of real files stay below 20.
const MAX_DEPTH: usize = 128;

/// Reads a file; `why` says why the first reader did not. After an error `builder` is as it was: without anything.
pub(super) fn read(
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
    why: &str,
) -> Result<(), ExtractError> {
    if is_nested_too_deep(bytes) {
        let reason = format!("its objects are nested more than {MAX_DEPTH} deep");
        return Err(ExtractError::malformed(reason));
    }
    let mut own = Builder::new(cx.options.max_elements);
    let reason = format!(
        "{why}; a second reader read the file, and where on its pages the text stands is not known"
    );
    own.warn(WarningCode::SecondReader, None, reason);
    catch_panic(|| read_pages(bytes, cx, &mut own))?;
    if own.is_empty() {
        return Err(ExtractError::empty("no reader finds text in it"));
    }
    *builder = own;
    Ok(())
}

/// Whether more than [`MAX_DEPTH`] arrays and dictionaries are open at once. Bytes that are not ASCII belong to packed
/// streams, where brackets mean nothing: counting starts over behind them.
fn is_nested_too_deep(bytes: &[u8]) -> bool {
    let mut depth = 0_usize;
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'[' => depth += 1,
            b'<' if bytes.get(at + 1) == Some(&b'<') => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            b'>' if bytes.get(at + 1) == Some(&b'>') => depth = depth.saturating_sub(1),
            0x80.. => depth = 0,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

fn read_pages(bytes: &[u8], cx: &Context<'_>, builder: &mut Builder) -> Result<(), ExtractError> {
    let parser = open(bytes, cx)?;
    let n_pages = parser.page_count();
    let n_read = n_pages.min(cx.options.max_pages);
    let options = PageStreamOptions {
        error_mode: ErrorMode::Lenient,
        extract_text: true,
        extract_resources: false,
        min_image_dimension: 0,
        pages: PageSelection::Range(1..=n_read.max(1)),
        password: None,
        parallel: false,
        suppress_low_confidence_ocr: false,
        window_size: 1,
        emit_progress_every: u32::MAX,
    };
    let mut empty: Vec<u32> = Vec::new();
    let on_event = |event| {
        match event {
            ParseEvent::DocumentStart { metadata, .. } => builder.title = metadata.title,
            ParseEvent::PageParsed(page) => push_page(builder, &page, &mut empty),
            ParseEvent::PageFailed { page, error } => {
                builder.report.pages_failed += 1;
                let reason = format!("page {page} cannot be read: {error}");
                builder.warn(WarningCode::Unreadable, Some(page), reason);
            }
            ParseEvent::Progress { .. } | ParseEvent::DocumentEnd { .. } => {}
        }
        ControlFlow::Continue(())
    };
    let quality = parser.for_each_page(options, on_event).map_err(error)?;
    let n_lost = quality
        .declared_page_count
        .unwrap_or(0)
        .saturating_sub(n_pages);
    builder.report.pages = Some(n_pages);
    if n_read < n_pages {
        let n_left = n_pages - n_read;
        builder.report.pages_failed += n_left;
        let reason = format!("only the first {n_read} pages were read, {n_left} were left out");
        builder.warn(WarningCode::Limit, None, reason);
    }
    if n_lost > 0 || quality.unresolved_page_nodes > 0 {
        let reason = "pages that the file names are not in it or cannot be read";
        builder.warn(WarningCode::Recovered, None, reason);
    }
    if let Some(first) = empty.first() {
        let named: Vec<String> = empty.iter().take(MAX_NAMED).map(u32::to_string).collect();
        let more = if empty.len() > MAX_NAMED {
            " and more"
        } else {
            ""
        };
        let reason = format!(
            "no text was found on pages {}{more} that draw something",
            named.join(", ")
        );
        builder.warn(WarningCode::NoTextLayer, Some(*first), reason);
    }
    Ok(())
}

/// Opens without a password, else with those of the options in turn.
fn open(bytes: &[u8], cx: &Context<'_>) -> Result<PdfParser, ExtractError> {
    let options = || ParseOptions::new().lenient().sequential();
    let mut result = PdfParser::from_bytes_with_options(bytes, options());
    for password in cx.options.passwords.iter() {
        if !result.as_ref().is_err_and(is_locked) {
            break;
        }
        let options = options().with_password(password);
        result = PdfParser::from_bytes_with_options(bytes, options);
    }
    result.map_err(error)
}

fn is_locked(error: &unpdf::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Encrypted | ErrorKind::InvalidPassword
    )
}

#[expect(clippy::needless_pass_by_value, reason = "called by map_err")]
fn error(error: unpdf::Error) -> ExtractError {
    if is_locked(&error) {
        return ExtractError::PasswordRequired;
    }
    ExtractError::malformed(error.to_string())
}

fn push_page(builder: &mut Builder, page: &Page, empty: &mut Vec<u32>) {
    let number = page.number;
    let before = builder.report.chars_kept;
    for block in &page.elements {
        match block {
            Block::Paragraph(paragraph) => push_paragraph(builder, paragraph, number),
            Block::Table(table) => push_span_table(builder, &cells(table), Some(number)),
            Block::Code { content } => {
                push(builder, ElementKind::Code, clean(content).0, 0, number)
            }
            Block::Raw { content } => {
                push(
                    builder,
                    ElementKind::Paragraph,
                    collapse(&clean(content).0),
                    0,
                    number,
                );
            }
            Block::Image { .. }
            | Block::HorizontalRule
            | Block::PageBreak
            | Block::SectionBreak => {}
        }
    }
    builder.report.images += page.image_op_count;
    builder.left_out(u64::from(page.omitted_page_number_chars));
    builder.failed(u64::from(page.undecoded_text_codes));
    let n_runs = page.suppressed_text_runs;
    if n_runs > 0 {
        let reason = format!(
            "page {number} uses fonts whose characters cannot be mapped to text: {n_runs} runs are missing"
        );
        builder.warn(WarningCode::UnmappedFont, Some(number), reason);
    }
    if page.undecodable_content_streams > 0 {
        let reason = format!("a part of page {number} cannot be unpacked");
        builder.warn(WarningCode::Unreadable, Some(number), reason);
    }
    let draws =
        page.image_op_count + page.text_op_count > 0 || page.undecodable_content_streams > 0;
    if builder.report.chars_kept == before && draws {
        builder.report.pages_failed += 1;
        empty.push(number);
    }
}

fn push_paragraph(builder: &mut Builder, paragraph: &Paragraph, page: u32) {
    let text = collapse(&clean(&paragraph.plain_text()).0);
    let (kind, level) = match (&paragraph.style.list_info, paragraph.style.heading_level) {
        (Some(_), _) => (ElementKind::ListItem, 1),
        (None, Some(level)) => (ElementKind::Heading, level.clamp(1, 6)),
        (None, None) => (ElementKind::Paragraph, 0),
    };
    push(builder, kind, text, level, page);
}

fn push(builder: &mut Builder, kind: ElementKind, text: String, level: u8, page: u32) {
    let mut element = Element::new(kind, text);
    element.level = level;
    element.page = Some(page);
    builder.push(element);
}

fn cells(table: &Table) -> Vec<Vec<SpanCell>> {
    let rows = table.rows.iter().enumerate();
    rows.map(|(at, row)| {
        let cells = row.cells.iter().map(|cell| {
            let parts: Vec<String> = cell.content.iter().map(Paragraph::plain_text).collect();
            SpanCell {
                text: collapse(&clean(&parts.join(" ")).0),
                n_cols: usize::from(cell.colspan),
                n_rows: usize::from(cell.rowspan),
                is_header: at < usize::from(table.header_rows),
            }
        });
        cells.collect()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_nesting_is_seen_before_it_is_parsed() {
        let arrays = |n: usize| format!("1 0 obj {}{} endobj", "[".repeat(n), "]".repeat(n));
        let dictionaries = |n: usize| "<< /A ".repeat(n) + &" >>".repeat(n);
        let mut packed = "[".repeat(100).into_bytes();
        packed.push(0x9c);
        packed.extend("[".repeat(100).bytes());
        let cases = [
            (arrays(MAX_DEPTH).into_bytes(), false),
            (arrays(MAX_DEPTH + 1).into_bytes(), true),
            (dictionaries(MAX_DEPTH).into_bytes(), false),
            (dictionaries(MAX_DEPTH + 1).into_bytes(), true),
            ("[1 [2] << /B [3] >>] ".repeat(1_000).into_bytes(), false),
            ("]".repeat(10).into_bytes(), false),
            (packed, false),
        ];
        for (bytes, expected) in cases {
            let head = String::from_utf8_lossy(&bytes[..bytes.len().min(30)]).into_owned();
            assert_eq!(is_nested_too_deep(&bytes), expected, "{head}");
        }
    }
}
