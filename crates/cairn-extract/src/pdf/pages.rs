//! All pages of a document: what can be read of each, and what cannot and why.
//!
//! A page whose characters are text is read as it is. One without characters that draws a picture, or in whose fonts
//! characters are no text, is sent to text recognition; without that, what characters it has are kept and the page counts
//! as failed.

use cairn_types::{Element, WarningCode};
use pdfium_render::prelude::{PdfDocument, PdfPage};

use super::blocks::PageLines;
use super::legible::{Unreadable, unreadable};
use super::page::{self, PageWords};
use super::render::quarter_turns;
use super::scan::{Recognizer, Scan};
use super::survey::{Survey, survey};
use super::word::{PageBox, Turn, Word};
use super::{columns, forms, line, notes, rules};
use crate::builder::Builder;
use crate::context::Context;
use crate::ocr;
use crate::tools::ToolError;

/// Pages in a row that cannot be opened, after which the rest is given up: page counts can lie.
const MAX_BAD_PAGES: u32 = 20;
/// Share of a page's characters in fonts that show no text from which on recognition is asked.
const MIN_UNREADABLE_PERCENT: u64 = 10;
/// The same from which on the page counts as failed without it.
const MIN_FAILED_PERCENT: u64 = 50;
/// Share of a page that a picture covers from which on it may be a scan, where the page has hardly any text.
const SCAN_SHARE: f32 = 0.5;
/// So much text is hardly any: a page number, a stamp of the scanner.
const MAX_SCAN_CHARS: u64 = 40;
/// Smallest share of a page without text that a picture covers for it to be looked at.
const MIN_PICTURE_SHARE: f32 = 0.02;
/// Paths on a page without text from which on they may be letters.
const MIN_OUTLINES: u32 = 50;

/// Words of all pages, in regions in reading order. What cannot be read is in the report.
pub(super) fn read_pages(
    document: &PdfDocument<'_>,
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Vec<PageLines> {
    let n_pages = u32::try_from(document.pages().len()).unwrap_or(0);
    let n_read = n_pages.min(cx.options.max_pages);
    let mut recognizer = Recognizer::new(cx, n_read);
    let mut pages = Vec::new();
    let mut n_opened = 0;
    let mut n_bad = 0;
    for number in 1..=n_read {
        let Ok(page) = document.pages().get((number - 1).cast_signed()) else {
            builder.report.pages_failed += 1;
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
        pages.extend(read_page(&page, number, &mut recognizer, builder));
    }
    if n_pages > n_read && n_bad < MAX_BAD_PAGES {
        let n_left = n_pages - n_read;
        builder.report.pages_failed += n_left;
        builder.warn(
            WarningCode::Limit,
            None,
            format!("only the first {n_read} pages were read, {n_left} were left out"),
        );
    }
    // A count of pages that do not exist is no count.
    let is_lie = n_bad >= MAX_BAD_PAGES;
    builder.report.pages = Some(if is_lie { n_opened } else { n_pages });
    if is_lie {
        builder.report.pages_failed -= n_bad;
    }
    pages
}

/// The lines of one page, by direction of its text.
fn read_page(
    page: &PdfPage<'_>,
    number: u32,
    recognizer: &mut Recognizer<'_, '_>,
    builder: &mut Builder,
) -> Vec<PageLines> {
    let bounds = page::page_box(page);
    let mut found = match page::read_words(page, &bounds) {
        Ok(found) => found,
        Err(error) => {
            builder.report.pages_failed += 1;
            builder.warn(
                WarningCode::Unreadable,
                Some(number),
                format!("page {number} cannot be read: {error}"),
            );
            return Vec::new();
        }
    };
    if found.is_cut {
        builder.warn(
            WarningCode::Limit,
            Some(number),
            format!("page {number} was read only in part: too many characters"),
        );
    }
    let drawn = survey(page, &bounds);
    builder.report.images += drawn.n_images;
    let bad = unreadable(found.words(), &found.garbage_fonts);
    if let Some(need) = Need::of(&found, &drawn, &bad) {
        let scan = recognizer.read(page, &bounds);
        take_scan(&mut found, scan, &need, &bad, number, builder);
    }
    builder.failed(found.n_garbage);
    let extras = read_extras(page, number, &bounds, &mut found, builder);
    let mut pages: Vec<PageLines> = Vec::new();
    for (turn, words) in found.by_turn {
        let grids = rules::grids(&drawn.lines, &bounds, turn);
        let regions = columns::regions(words, &grids)
            .into_iter()
            .map(line::lines)
            .collect();
        pages.push(PageLines {
            number,
            bounds,
            turn,
            regions,
            extras: Vec::new(),
        });
    }
    if pages.is_empty() && !extras.is_empty() {
        pages.push(PageLines {
            number,
            bounds,
            turn: Turn(0),
            regions: Vec::new(),
            extras: Vec::new(),
        });
    }
    if let Some(last) = pages.last_mut() {
        last.extras = extras;
    }
    pages
}

/// Puts the values of form fields among the words; form fields by name and notes come after them.
fn read_extras(
    page: &PdfPage<'_>,
    number: u32,
    bounds: &PageBox,
    found: &mut PageWords,
    builder: &mut Builder,
) -> Vec<(Element, u64)> {
    if page.annotations().is_empty() {
        return Vec::new();
    }
    let turn = found
        .by_turn
        .first()
        .map_or(Turn(quarter_turns(page)), |(turn, _)| *turn);
    let mut extras = Vec::new();
    let fields = forms::read_fields(page, bounds, turn);
    if !fields.is_empty() {
        let size = usual_size(found.words());
        let order = found.words().map(|word| word.order + 1).max().unwrap_or(0);
        let words = forms::words(&fields, size, order);
        match found.by_turn.first_mut() {
            Some((_, others)) => others.extend(words),
            None if !words.is_empty() => found.by_turn.push((turn, words)),
            None => {}
        }
        extras.extend(forms::list(&fields, number, bounds, turn));
    }
    let notes = notes::read_notes(page, number, bounds);
    builder.left_out(notes.n_hidden_chars);
    extras.extend(notes.elements.into_iter().map(|element| {
        let n_chars = crate::builder::count_text(&element.text);
        (element, n_chars)
    }));
    extras
}

/// Middle font size; 10 points on a page without words.
fn usual_size<'w>(words: impl Iterator<Item = &'w Word>) -> f32 {
    let mut sizes: Vec<f32> = words.map(|word| word.size).collect();
    sizes.sort_by(f32::total_cmp);
    sizes.get(sizes.len() / 2).copied().unwrap_or(10.0)
}

/// Why a page needs text recognition.
#[derive(Debug, PartialEq, Eq)]
enum Need {
    /// It has no characters, and a picture.
    Picture,
    /// It has no characters, and drawings that may be letters.
    Outlines,
    /// It has few characters, and a picture over most of it.
    Background,
    /// So many of a hundred characters are in fonts that show no text.
    Fonts { percent: u64 },
}

impl Need {
    fn of(found: &PageWords, drawn: &Survey, bad: &Unreadable) -> Option<Self> {
        let n_chars = found.n_chars + found.n_garbage;
        if n_chars == 0 {
            return if drawn.image_share >= MIN_PICTURE_SHARE {
                Some(Self::Picture)
            } else {
                (drawn.n_paths >= MIN_OUTLINES).then_some(Self::Outlines)
            };
        }
        let percent = bad.n_chars * 100 / n_chars;
        if percent >= MIN_UNREADABLE_PERCENT {
            return Some(Self::Fonts { percent });
        }
        let is_background = n_chars < MAX_SCAN_CHARS && drawn.image_share >= SCAN_SHARE;
        is_background.then_some(Self::Background)
    }
}

/// Takes what recognition gave, or says what it would have been needed for.
fn take_scan(
    found: &mut PageWords,
    scan: Result<Scan, ToolError>,
    need: &Need,
    bad: &Unreadable,
    number: u32,
    builder: &mut Builder,
) {
    let readable = |word: &&Word| !bad.fonts.contains(&word.font);
    let missing = match scan {
        Ok(scan) => {
            let is_believed = match need {
                Need::Picture | Need::Outlines => !scan.is_empty(),
                Need::Background | Need::Fonts { .. } => {
                    scan.agrees_with(found.words().filter(readable))
                }
            };
            if is_believed {
                if let Some(page) = &scan.page {
                    ocr::count_page(builder, page, Some(number));
                }
                if let Need::Fonts { percent } = need {
                    let reason = format!(
                        "{percent} % of the characters of page {number} cannot be mapped to text; text recognition read them"
                    );
                    builder.warn(WarningCode::Cleaned, Some(number), reason);
                }
                let turn = scan.turn;
                let is_same = found
                    .by_turn
                    .first()
                    .is_none_or(|(first, _)| *first == turn);
                let mut kept: Vec<Word> = Vec::new();
                if is_same && let Some((_, words)) = found.by_turn.first_mut() {
                    kept = std::mem::take(words);
                    kept.retain(|word| !bad.fonts.contains(&word.font));
                }
                *found = PageWords {
                    n_chars: found.n_chars,
                    by_turn: vec![(turn, scan.fill(kept))],
                    ..PageWords::default()
                };
                return;
            }
            "text recognition found nothing that fits".to_owned()
        }
        Err(error) => match &error {
            ToolError::Missing { hint, .. } => format!("{error}; {hint}"),
            ToolError::Failed { .. } | ToolError::Nothing { .. } => error.to_string(),
        },
    };
    let (code, what, is_failed) = match need {
        Need::Picture => (WarningCode::NoTextLayer, "is a picture without text", true),
        Need::Outlines => (
            WarningCode::NoTextLayer,
            "holds drawings and no text",
            false,
        ),
        Need::Background => (
            WarningCode::NoTextLayer,
            "is a picture with hardly any text",
            false,
        ),
        Need::Fonts { percent } => (
            WarningCode::UnmappedFont,
            "uses fonts whose characters cannot be mapped to text",
            *percent >= MIN_FAILED_PERCENT,
        ),
    };
    builder.report.pages_failed += u32::from(is_failed);
    builder.warn(
        code,
        Some(number),
        format!("page {number} {what}: {missing}"),
    );
}
