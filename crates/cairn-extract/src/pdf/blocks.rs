//! Lines to paragraphs, list items, headings and tables.
//!
//! A paragraph ends at a gap wider than the usual line spacing, at a change of font size or weight, at an
//! indented first line, at a list marker, and after a short line that ends a sentence. Headings are short
//! blocks in a larger size than most of the document, or bold where most is not.

use cairn_types::{BoundingBox, Element, ElementKind};

use super::bare::bare;
use super::headers::Named;
use super::line::{Line, is_list_item, marker};
use super::word::{PageBox, Rect, Turn, is_unspaced};
use crate::builder::Builder;
use crate::table::{Table, push_table};

/// A page's lines by region, and how to find its boxes again.
pub(super) struct PageLines {
    pub(super) number: u32,
    pub(super) bounds: PageBox,
    pub(super) turn: Turn,
    pub(super) regions: Vec<Vec<Line>>,
    /// What follows the page's text: form fields by name, notes; with the number of characters that are theirs alone.
    pub(super) extras: Vec<(Element, u64)>,
}

/// Longest heading, in characters.
const MAX_HEADING_CHARS: usize = 200;
/// How much larger than the body a heading is set. A guess: 12 over 11 points is common, 11.5 is not.
const HEADING_RATIO: f32 = 1.08;

/// Sizes and weight of a whole document's text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Styles {
    body: f32,
    /// Most text is bold, so that bold says nothing.
    is_bold: bool,
    /// Sizes of headings, the largest first.
    headings: Vec<f32>,
}

impl Styles {
    pub(super) fn of(pages: &[PageLines]) -> Self {
        let mut sizes: Vec<(f32, u64)> = Vec::new();
        let (mut n_bold, mut n_all) = (0, 0);
        let lines = || pages.iter().flat_map(|page| &page.regions).flatten();
        for line in lines() {
            n_all += line.n_chars;
            n_bold += if line.is_bold { line.n_chars } else { 0 };
            match sizes
                .iter_mut()
                .find(|(size, _)| (size - line.size).abs() < 0.25)
            {
                Some((_, n)) => *n += line.n_chars,
                None => sizes.push((line.size, line.n_chars)),
            }
        }
        let body = sizes
            .iter()
            .max_by_key(|(_, n)| *n)
            .map_or(10.0, |(size, _)| *size);
        let mut headings: Vec<f32> = sizes
            .iter()
            .map(|(size, _)| *size)
            .filter(|size| *size > body * HEADING_RATIO)
            .collect();
        headings.sort_by(|a, b| b.total_cmp(a));
        // Sizes that differ by less than a twentieth are one level.
        headings.dedup_by(|smaller, larger| *smaller > *larger * 0.95);
        Self {
            body,
            is_bold: n_bold * 2 > n_all,
            headings,
        }
    }

    /// Level of a block set like this, if that is how headings are set.
    fn heading_level(&self, size: f32, is_bold: bool) -> Option<u8> {
        if size > self.body * HEADING_RATIO {
            let level = self
                .headings
                .iter()
                .position(|heading| size >= heading * 0.95)?;
            return u8::try_from(level + 1).ok().map(|level| level.min(6));
        }
        let below = u8::try_from(self.headings.len()).unwrap_or(5).min(5) + 1;
        (is_bold && !self.is_bold && size > self.body * 0.95).then_some(below)
    }
}

/// Adds the elements of one page.
pub(super) fn push_page(builder: &mut Builder, page: &PageLines, styles: &Styles) {
    for region in &page.regions {
        let mut at = 0;
        while at < region.len() {
            if let Some(table) = &region[at].table {
                let (table, rect) = (table.clone(), &region[at].rect);
                push_named(builder, page, table, rect, &region[at..=at]);
                at += 1;
                continue;
            }
            if let Some(found) = bare(&region[at..]) {
                let lines = &region[at..at + found.n_lines];
                push_named(builder, page, found.table, &found.rect, lines);
                at += found.n_lines;
                continue;
            }
            let end = block_end(region, at);
            push_block(builder, page, styles, &region[at..end]);
            at = end;
        }
    }
}

fn push_named(builder: &mut Builder, page: &PageLines, table: Named, rect: &Rect, lines: &[Line]) {
    let table = Table {
        header: table.header,
        rows: table.rows,
        page: Some(page.number),
        bbox: Some(page.bounds.on_page(page.turn, rect)),
        n_chars: Some(lines.iter().map(|line| line.n_chars).sum()),
        n_cells: Some(table.n_cells),
        ..Table::default()
    };
    push_table(builder, &table);
}

/// One past the last line of the block that starts at `start`.
fn block_end(lines: &[Line], start: usize) -> usize {
    let (left, right) = lines.iter().fold((f32::MAX, f32::MIN), |(l, r), line| {
        (l.min(line.rect.x0), r.max(line.rect.x1))
    });
    let pitch = usual_pitch(lines);
    let mut end = start + 1;
    while end < lines.len() {
        let (previous, line) = (&lines[end - 1], &lines[end]);
        let em = previous.size.max(4.0);
        let step = line.rect.center_y() - previous.rect.center_y();
        let is_gap =
            step > (1.3 * pitch.min(2.0 * em)).max(1.25 * em) && step > 1.15 * pitch.min(1.6 * em);
        let is_other_style = (line.size - previous.size).abs() > 0.12 * em
            || (line.is_bold != previous.is_bold && end - start <= 3);
        let is_indented = line.rect.x0 > previous.rect.x0 + 0.8 * em
            && line.rect.x0 > left + 0.8 * em
            && line.rect.x0 < left + 5.0 * em
            && !is_list_item(&lines[start])
            && end - start > 1;
        let ends_sentence = previous
            .text
            .ends_with(['.', '!', '?', ':', '。', '؟', '…']);
        let is_short = previous.rect.x1 < right - 0.2 * (right - left);
        if is_gap
            || is_other_style
            || is_indented
            || is_list_item(line)
            || (is_short && ends_sentence)
            || bare(&lines[end..]).is_some()
        {
            break;
        }
        end += 1;
    }
    end
}

/// Middle distance between lines: the line spacing of most text.
fn usual_pitch(lines: &[Line]) -> f32 {
    let mut steps: Vec<f32> = lines
        .windows(2)
        .map(|pair| pair[1].rect.center_y() - pair[0].rect.center_y())
        .filter(|step| *step > 1.0)
        .collect();
    steps.sort_by(f32::total_cmp);
    // The lower third: gaps between paragraphs only ever widen it.
    steps.get(steps.len() / 3).copied().unwrap_or(12.0)
}

fn push_block(builder: &mut Builder, page: &PageLines, styles: &Styles, lines: &[Line]) {
    let (Some(first), Some(text)) = (lines.first(), join(lines)) else {
        return;
    };
    let n_chars = lines.iter().map(|line| line.n_chars).sum();
    let bbox = Some(bounds(page, lines));
    let is_bold = lines.iter().all(|line| line.is_bold);
    // A number may count headings; a bullet never does.
    let is_bullet = marker(&text).is_some() && !text.starts_with(|c: char| c.is_alphanumeric());
    let n_letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let is_short = text.chars().count() <= MAX_HEADING_CHARS && lines.len() <= 4;
    let is_larger = first.size > styles.body * HEADING_RATIO;
    let ends_open = !text.ends_with(['.', ',', ';', ':']) || is_larger && lines.len() <= 2;
    let level = styles
        .heading_level(first.size, is_bold)
        .filter(|_| is_short && n_letters >= 2 && ends_open && !is_bullet);
    let mut element = match level {
        Some(level) => {
            let mut element = Element::new(ElementKind::Heading, text);
            element.level = level;
            element
        }
        None if marker(&text).is_some() => {
            let mut element = Element::new(ElementKind::ListItem, text);
            element.level = 1;
            element
        }
        None => Element::new(ElementKind::Paragraph, text),
    };
    element.page = Some(page.number);
    element.bbox = bbox;
    builder.push_counted(element, n_chars);
}

fn bounds(page: &PageLines, lines: &[Line]) -> BoundingBox {
    let all = lines
        .iter()
        .map(|line| line.rect)
        .reduce(|all, rect| all.union(&rect));
    let zero = Rect {
        x0: 0.0,
        y0: 0.0,
        x1: 0.0,
        y1: 0.0,
    };
    page.bounds.on_page(page.turn, &all.unwrap_or(zero))
}

/// The text of a block: lines joined, words that a line break parted joined without their hyphen.
pub(super) fn join(lines: &[Line]) -> Option<String> {
    let mut out = String::new();
    let mut soft = false;
    for line in lines {
        let next = line.text.chars().next();
        if soft {
            soft = false;
        } else if is_parted(&out, next) {
            out.pop();
        } else if let (Some(left), Some(right)) = (out.chars().next_back(), next)
            && !(is_unspaced(left) && is_unspaced(right))
        {
            out.push(' ');
        }
        out.push_str(&line.text);
        soft |= line.ends_soft;
    }
    (!out.is_empty()).then_some(out)
}

/// Whether `text` ends in the first part of a word that goes on with `next`: a letter, a hyphen, a small letter.
fn is_parted(text: &str, next: Option<char>) -> bool {
    let mut end = text.chars().rev();
    matches!(end.next(), Some('-' | '\u{2010}'))
        && end.next().is_some_and(char::is_lowercase)
        && next.is_some_and(char::is_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, y: f32, size: f32) -> Line {
        #[expect(clippy::cast_precision_loss, reason = "short lines")]
        let width = text.len() as f32 * 5.0;
        let rect = Rect {
            x0: 50.0,
            y0: y,
            x1: 50.0 + width,
            y1: y + size,
        };
        Line {
            text: text.into(),
            rect,
            size,
            is_bold: false,
            ends_soft: false,
            cells: vec![(text.into(), rect)],
            n_chars: crate::builder::count_text(text),
            table: None,
        }
    }

    #[test]
    fn lines_become_blocks() {
        let page = PageLines {
            number: 3,
            bounds: PageBox {
                left: 0.0,
                bottom: 0.0,
                right: 600.0,
                top: 800.0,
            },
            turn: Turn(0),
            extras: Vec::new(),
            regions: vec![vec![
                line("A large title", 0.0, 18.0),
                line(
                    "The first paragraph goes over two lines and has a bro-",
                    40.0,
                    10.0,
                ),
                line(
                    "ken word in it, and more text to fill the line well",
                    52.0,
                    10.0,
                ),
                line("up to its end.", 64.0, 10.0),
                line(
                    "The second paragraph starts here, not after a gap but a",
                    76.0,
                    10.0,
                ),
                line("short line.", 88.0, 10.0),
                line("• an item", 100.0, 10.0),
                line("• another item", 112.0, 10.0),
            ]],
        };
        let pages = [page];
        let styles = Styles::of(&pages);
        let mut builder = Builder::new(100);
        push_page(&mut builder, &pages[0], &styles);
        let found: Vec<(ElementKind, u8, &str)> = builder
            .elements()
            .iter()
            .map(|e| (e.kind, e.level, e.text.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                (ElementKind::Heading, 1, "A large title"),
                (
                    ElementKind::Paragraph,
                    0,
                    "The first paragraph goes over two lines and has a broken word in it, and more text to fill the line well up to its end."
                ),
                (
                    ElementKind::Paragraph,
                    0,
                    "The second paragraph starts here, not after a gap but a short line."
                ),
                (ElementKind::ListItem, 1, "• an item"),
                (ElementKind::ListItem, 1, "• another item"),
            ]
        );
        assert!(
            builder
                .elements()
                .iter()
                .all(|e| e.page == Some(3) && e.bbox.is_some())
        );
    }
}
