//! Running headers and footers: lines that stand in the same place on many pages.
//!
//! Digits do not count, so that page numbers match. The first of a kind stays in the body (it may be the only place
//! that names the document); the others are kept as furniture, out of the way of chunks.

use std::collections::HashMap;

use super::blocks::PageLines;
use super::line::Line;
use crate::builder::Builder;

/// Share of the page's height, at the top and at the bottom, in which furniture stands. A guess.
const MARGIN: f32 = 0.12;
/// Pages on which a line must stand to be furniture.
const MIN_PAGES: usize = 4;

/// Takes repeated lines out of the pages and hands them to the builder as furniture.
pub(super) fn take_out(pages: &mut [PageLines], builder: &mut Builder) {
    let mut found: HashMap<(String, i32), Vec<u32>> = HashMap::new();
    for page in pages.iter() {
        for line in page.regions.iter().flatten() {
            if let Some(key) = key(page, line) {
                let pages = found.entry(key).or_default();
                if pages.last() != Some(&page.number) {
                    pages.push(page.number);
                }
            }
        }
    }
    // Left and right pages may differ, so a third of the pages is enough.
    let n_needed = MIN_PAGES.max(pages.len().div_ceil(3));
    found.retain(|_, pages| pages.len() >= n_needed);
    if found.is_empty() {
        return;
    }
    for page in pages.iter_mut() {
        let mut regions = std::mem::take(&mut page.regions);
        for region in &mut regions {
            region.retain(|line| {
                let Some(key) = key(page, line) else {
                    return true;
                };
                let is_number = !key.0.chars().any(char::is_alphabetic);
                match found.get(&key) {
                    Some(pages) if is_number || pages.first() != Some(&page.number) => {
                        let bbox = page.bounds.on_page(page.turn, &line.rect);
                        builder.furniture(&line.text, Some(page.number), Some(bbox));
                        false
                    }
                    _ => true,
                }
            });
        }
        regions.retain(|region| !region.is_empty());
        page.regions = regions;
    }
}

/// The line without its digits, and its height in steps of 8 points; `None` outside the margins.
fn key(page: &PageLines, line: &Line) -> Option<(String, i32)> {
    let (_, height) = page.bounds.upright_size(page.turn);
    let y = line.rect.center_y();
    if y > height * MARGIN && y < height * (1.0 - MARGIN) {
        return None;
    }
    let mut text = String::new();
    for c in line.text.chars().filter(|c| !c.is_whitespace()) {
        match c.is_numeric() {
            true if text.ends_with('#') => {}
            true => text.push('#'),
            false => text.extend(c.to_lowercase()),
        }
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates; a page is some thousand points high"
    )]
    let step = (y / 8.0).round() as i32;
    (text.chars().count() <= 200).then_some((text, step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdf::word::{PageBox, Rect, Turn};

    fn line(text: &str, y: f32) -> Line {
        let rect = Rect {
            x0: 50.0,
            y0: y,
            x1: 150.0,
            y1: y + 10.0,
        };
        Line {
            text: text.into(),
            rect,
            size: 10.0,
            is_bold: false,
            ends_soft: false,
            cells: vec![(text.into(), rect)],
            n_chars: crate::builder::count_text(text),
            table: None,
        }
    }

    #[test]
    fn the_first_header_stays() {
        let mut pages: Vec<PageLines> = (1..=4)
            .map(|number| PageLines {
                number,
                bounds: PageBox {
                    left: 0.0,
                    bottom: 0.0,
                    right: 600.0,
                    top: 800.0,
                },
                turn: Turn(0),
                extras: Vec::new(),
                regions: vec![vec![
                    line("Annual report", 20.0),
                    line("Same words in the text", 400.0),
                    line(&format!("{number}"), 770.0),
                ]],
            })
            .collect();
        let mut builder = Builder::new(100);
        take_out(&mut pages, &mut builder);
        builder.paragraph("body");
        let read = builder.finish("application/pdf");
        assert_eq!(read.report.chars_seen - read.report.chars_kept, 3 * 12 + 4);
        let kept: Vec<(&str, Option<u32>)> = read
            .elements
            .iter()
            .map(|e| (e.text.as_str(), e.page))
            .collect();
        assert_eq!(
            kept[..3],
            [("body", None), ("1", Some(1)), ("Annual report", Some(2))]
        );
        assert_eq!(kept.len(), 8);
        let n_lines: Vec<usize> = pages.iter().map(|page| page.regions[0].len()).collect();
        assert_eq!(n_lines, [2, 1, 1, 1]);
        pages.truncate(2);
        let mut builder = Builder::new(100);
        take_out(&mut pages, &mut builder);
        assert_eq!(builder.report.chars_seen, 0);
    }
}
