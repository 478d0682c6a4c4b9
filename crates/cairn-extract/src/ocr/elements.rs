//! A recognised page to headings and paragraphs in Tesseract's reading order.
//!
//! A heading is a paragraph of at most two lines that is set clearly larger than most of the page: sizes are measured on the
//! boxes of words, which depend on the letters in them, so small differences say nothing.

use cairn_types::{BoundingBox, Element, ElementKind, WarningCode};

use super::tsv::{OcrLine, OcrPage, OcrParagraph, PixelBox};
use crate::builder::{Builder, count_text};

/// How much larger than the body a heading is. A guess: words differ by a third in height by their letters alone.
const HEADING_RATIO: f32 = 1.45;
/// From here on a heading is of the first level.
const TITLE_RATIO: f32 = 2.0;
/// Longest heading, in characters.
const MAX_HEADING_CHARS: usize = 120;
/// A page of less mean confidence is warned of.
const LOW_CONFIDENCE: f64 = 0.70;

/// Adds what was recognised on a page as page `number` of the document (`None` in formats without pages), `dpi` being the
/// resolution of the picture it was read from. Counts the page in `report.ocr`; pages without text add nothing else.
pub(crate) fn push_page(builder: &mut Builder, page: &OcrPage, number: Option<u32>, dpi: f32) {
    count_page(builder, page, number);
    let body = body_height(page);
    for paragraph in &page.paragraphs {
        let text = join(paragraph);
        let mut element = match heading_level(paragraph, &text, body) {
            Some(level) => Element {
                level,
                ..Element::new(ElementKind::Heading, text)
            },
            None => Element::new(ElementKind::Paragraph, text),
        };
        element.page = number;
        element.bbox = bounds(paragraph, dpi);
        // Characters of the picture: the hyphens of broken words count as seen and kept.
        let n_chars = paragraph
            .iter()
            .flatten()
            .map(|word| count_text(&word.text))
            .sum();
        builder.push_counted(element, n_chars);
    }
}

/// Counts a page in `report.ocr`, and what was not believed of it; warns where recognition was not sure.
pub(crate) fn count_page(builder: &mut Builder, page: &OcrPage, number: Option<u32>) {
    builder
        .report
        .ocr
        .get_or_insert_default()
        .add(&page.summary);
    if page.chars_failed > 0 {
        builder.failed(page.chars_failed);
        let n = page.chars_failed;
        let reason = format!("{n} characters that text recognition was not sure of were left out");
        builder.warn(WarningCode::LowConfidence, number, reason);
    } else if page.summary.words > 0 && page.summary.confidence < LOW_CONFIDENCE {
        let percent = page.summary.confidence * 100.0;
        let reason = format!("text recognition was only {percent:.0} % sure of this page");
        builder.warn(WarningCode::LowConfidence, number, reason);
    }
}

/// Lines joined by spaces; a word that a line break parted joined without its hyphen.
pub(super) fn join(paragraph: &OcrParagraph) -> String {
    let mut out = String::new();
    for line in paragraph {
        for (idx, word) in line.iter().enumerate() {
            let next = word.text.chars().next();
            if idx == 0 && is_parted(&out, next) {
                out.pop();
            } else if let (Some(left), Some(right)) = (out.chars().next_back(), next)
                && !(is_unspaced(left) && is_unspaced(right))
            {
                out.push(' ');
            }
            out.push_str(&word.text);
        }
    }
    out
}

/// Whether `text` ends in the first part of a word that goes on with `next`: a small letter, a hyphen, a small letter.
fn is_parted(text: &str, next: Option<char>) -> bool {
    let mut end = text.chars().rev();
    matches!(end.next(), Some('-' | '\u{2010}'))
        && end.next().is_some_and(char::is_lowercase)
        && next.is_some_and(char::is_lowercase)
}

/// Characters of scripts that are written without spaces.
const fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{2e80}'..='\u{a4cf}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
}

/// Height of most of the page's characters, in pixels; 0 on a page without text.
fn body_height(page: &OcrPage) -> f32 {
    let mut lines: Vec<(f32, usize)> = page
        .paragraphs
        .iter()
        .flatten()
        .map(|line| {
            let n_chars = line.iter().map(|word| word.text.chars().count()).sum();
            (line_height(line), n_chars)
        })
        .collect();
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = lines.iter().map(|line| line.1).sum::<usize>() / 2;
    let mut n_so_far = 0;
    let middle = lines.iter().find(|line| {
        n_so_far += line.1;
        n_so_far > half
    });
    middle.map_or(0.0, |line| line.0)
}

/// Middle height of the words of a line. In a picture that lies on its side their boxes stand upright.
fn line_height(line: &OcrLine) -> f32 {
    let all = line.iter().map(|word| word.rect).reduce(|a, b| a.union(&b));
    let is_on_side = all.is_some_and(|all| all.height() > 2.0 * all.width());
    let mut heights: Vec<f32> = line
        .iter()
        .map(|word| {
            if is_on_side {
                word.rect.width()
            } else {
                word.rect.height()
            }
        })
        .collect();
    heights.sort_by(f32::total_cmp);
    heights.get(heights.len() / 2).copied().unwrap_or(0.0)
}

fn heading_level(paragraph: &OcrParagraph, text: &str, body: f32) -> Option<u8> {
    let n_letters = text.chars().filter(|c| c.is_alphabetic()).count();
    if paragraph.len() > 2
        || n_letters < 3
        || n_letters * 2 < text.chars().count()
        || text.chars().count() > MAX_HEADING_CHARS
        || text.ends_with(['.', ',', ';', ':'])
        || body <= 0.0
    {
        return None;
    }
    let smallest = paragraph.iter().map(line_height).fold(f32::MAX, f32::min);
    let ratio = smallest / body;
    if ratio >= TITLE_RATIO {
        Some(1)
    } else {
        (ratio >= HEADING_RATIO).then_some(2)
    }
}

fn bounds(paragraph: &OcrParagraph, dpi: f32) -> Option<BoundingBox> {
    let rect = paragraph
        .iter()
        .flatten()
        .map(|word| word.rect)
        .reduce(|all: PixelBox, rect| all.union(&rect))?;
    let points = |pixels: f32| pixels * 72.0 / dpi;
    Some(BoundingBox {
        x0: points(rect.x0),
        y0: points(rect.y0),
        x1: points(rect.x1),
        y1: points(rect.y1),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tsv;
    use super::*;

    #[test]
    fn a_page_becomes_headings_and_paragraphs_with_boxes() {
        let pages = tsv::parse(tsv::tests::TABLE);
        let mut builder = Builder::new(100);
        for page in &pages {
            push_page(&mut builder, page, Some(page.number), 144.0);
        }
        let found: Vec<_> = builder
            .elements()
            .iter()
            .map(|e| (e.kind, e.level, e.text.as_str(), e.page))
            .collect();
        let expected = [
            (ElementKind::Heading, 1, "Tide tables", Some(1)),
            (ElementKind::Paragraph, 0, "High water.", Some(1)),
            (ElementKind::Paragraph, 0, "Next.", Some(1)),
            (ElementKind::Paragraph, 0, "Zwei", Some(2)),
        ];
        assert_eq!(found, expected);
        let bbox = builder.elements()[1].bbox.unwrap();
        assert_eq!(
            (bbox.x0, bbox.y0, bbox.x1, bbox.y1),
            (50.0, 150.0, 155.0, 175.0)
        );
        let report = &builder.report;
        let ocr = report.ocr.unwrap();
        assert_eq!((ocr.pages, ocr.words), (2, 7));
        assert_eq!(report.chars_failed, 7);
        assert_eq!(report.chars_seen, report.chars_kept + 7);
        assert_eq!(report.warnings[0].code, WarningCode::LowConfidence);
        assert_eq!(report.warnings[0].page, Some(1));
    }

    #[test]
    fn scripts_without_spaces_are_joined_without() {
        let table = "1\t1\t0\t0\t0\t0\t0\t0\t10\t10\t-1\t\n\
                     5\t1\t1\t1\t1\t1\t0\t0\t1\t1\t90\t日本\n\
                     5\t1\t1\t1\t1\t2\t0\t0\t1\t1\t90\t語\n\
                     5\t1\t1\t1\t2\t1\t0\t0\t1\t1\t90\ttext\n";
        assert_eq!(join(&tsv::parse(table)[0].paragraphs[0]), "日本語 text");
    }
}
