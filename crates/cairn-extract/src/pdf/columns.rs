//! Reading order: regions of a page, columns one after the other.
//!
//! After the XY-cut of Nagy and Seth (1984), with one difference that makes it work on real pages: the
//! cut through a gutter need not go through the whole region. Lines that cross the gutter (titles,
//! figures' captions, an abstract over both columns) part the region into bands; a band in which enough
//! lines stand on both sides is cut, the others are read as they are. Horizontal cuts alone never order
//! anything wrongly here, since lines within a region are sorted by height anyway.
//!
//! Columns must look like prose (long enough lines), so that the columns of a table stay rows. A ruled
//! table counts as one thing that crosses each gutter through it; without rules, sides whose lines stand
//! on the same baselines and are parted into cells, or fill their side badly, are a table.
//! Cost: O(gutters × fragments) for each region, with gutters on a grid of two points.

use std::ops::Range;

use super::bands;
use super::line::SAME_LINE;
use super::ruled::{Cells, cells};
use super::rules::Grid;
use super::sides;
use super::word::{Rect, Word};

/// Fragments that must stand on each side of a gutter within a band.
const MIN_LINES: usize = 3;
/// Mean width, in characters, of the lines of a column of prose; cells of tables are shorter. A guess.
const MIN_COLUMNS_PER_LINE: usize = 15;
/// Mean width of the pieces that wide gaps part a line into. A guess: justified prose has few wide gaps.
const MIN_COLUMNS_PER_FRAGMENT: usize = 12;
/// Cuts within cuts. Real pages need two or three.
const MAX_DEPTH: usize = 8;
/// Step of the grid of gutters, in points.
const STEP: f32 = 2.0;

/// Words that follow each other on one line, without a gap that could be a gutter; or a ruled table.
#[derive(Debug, Clone)]
pub(super) struct Fragment {
    pub(super) words: Vec<Word>,
    pub(super) rect: Rect,
    pub(super) n_columns: usize,
    /// The cells of a ruled table, which then hold the words.
    pub(super) table: Option<Cells>,
}

impl Fragment {
    fn new(word: Word) -> Self {
        Self {
            rect: word.rect,
            n_columns: word.n_columns(),
            words: vec![word],
            table: None,
        }
    }

    fn push(&mut self, word: Word) {
        self.rect = self.rect.union(&word.rect);
        self.n_columns += word.n_columns() + 1;
        self.words.push(word);
    }
}

/// Regions in reading order, each a set of fragments without columns, or one ruled table.
pub(super) fn regions(mut words: Vec<Word>, grids: &[Grid]) -> Vec<Vec<Fragment>> {
    let mut tables = Vec::new();
    let mut open_grids = Vec::new();
    for grid in grids {
        let (inside, outside): (Vec<Word>, Vec<Word>) = words
            .into_iter()
            .partition(|word| grid.rect.holds_center(&word.rect));
        words = outside;
        match cells(grid, &inside) {
            Some(cells) => tables.push(Fragment {
                words: Vec::new(),
                rect: grid.rect,
                n_columns: inside.iter().map(|word| word.n_columns() + 1).sum(),
                table: Some(cells),
            }),
            None => {
                words.extend(inside);
                open_grids.push(grid.rect);
            }
        }
    }
    // Back in the order of drawing.
    words.sort_by_key(|word| word.order);
    let mut fragments = fragments(words);
    fragments.extend(tables);
    fragments.sort_by(|a, b| a.rect.center_y().total_cmp(&b.rect.center_y()));
    let mut cut_out = Vec::new();
    cut(fragments, &open_grids, 0, &mut cut_out);
    let mut out = Vec::new();
    for region in cut_out {
        let mut rest = Vec::new();
        for fragment in region {
            if fragment.table.is_some() {
                out.push(std::mem::take(&mut rest));
                out.push(vec![fragment]);
            } else {
                rest.push(fragment);
            }
        }
        out.push(rest);
    }
    out.retain(|region| !region.is_empty());
    out
}

/// Joins words that touch in drawing order.
pub(super) fn fragments(words: Vec<Word>) -> Vec<Fragment> {
    let mut fragments: Vec<Fragment> = Vec::new();
    for word in words {
        if let Some(last) = fragments.last_mut() {
            let em = word.size.max(4.0);
            let end = last.words.last().map_or(last.rect, |last| last.rect);
            let gap = if word.rect.x0 >= end.x0 {
                word.rect.x0 - end.x1
            } else {
                end.x0 - word.rect.x1
            };
            if end.line_overlap(&word.rect) > SAME_LINE && gap < 0.6 * em && gap > -em {
                last.push(word);
                continue;
            }
        }
        fragments.push(Fragment::new(word));
    }
    fragments
}

/// `fragments` sorted by height.
fn cut(fragments: Vec<Fragment>, grids: &[Rect], depth: usize, out: &mut Vec<Vec<Fragment>>) {
    if fragments.is_empty() {
        return;
    }
    let may_cut = depth < MAX_DEPTH && fragments.len() >= 2 * MIN_LINES;
    let tables = match may_cut {
        true => tables_between(&fragments, grids),
        false => Vec::new(),
    };
    if tables.is_empty() {
        let best = may_cut.then(|| best_gutter(&fragments, grids)).flatten();
        match best {
            Some(bands) => cut_bands(fragments, &bands, grids, depth, out),
            None => out.push(fragments),
        }
        return;
    }
    // What stands between the tables has its own gutters.
    let mut rest = fragments.into_iter();
    let mut at = 0;
    for table in tables {
        let before = rest.by_ref().take(table.start - at).collect();
        cut(before, grids, depth + 1, out);
        out.push(rest.by_ref().take(table.len()).collect());
        at = table.end;
    }
    cut(rest.collect(), grids, depth + 1, out);
}

/// The bare tables of a region, if anything between them has columns: else gutters part no text that tables stand among.
fn tables_between(fragments: &[Fragment], grids: &[Rect]) -> Vec<Range<usize>> {
    let tables = bands::tables(fragments, grids);
    let starts = std::iter::once(0).chain(tables.iter().map(|table| table.end));
    let ends = tables.iter().map(|table| table.start);
    let mut between = starts.zip(ends.chain([fragments.len()]));
    let has_columns = !tables.is_empty()
        && between.any(|(start, end)| {
            end - start >= 2 * MIN_LINES && best_gutter(&fragments[start..end], grids).is_some()
        });
    if has_columns { tables } else { Vec::new() }
}

/// Cuts through the gutters of bands.
fn cut_bands(
    fragments: Vec<Fragment>,
    bands: &[Band],
    grids: &[Rect],
    depth: usize,
    out: &mut Vec<Vec<Fragment>>,
) {
    // Bands in order; what stands between them is a region of its own.
    let mut rest: Vec<Fragment> = Vec::new();
    let mut sides: (Vec<Fragment>, Vec<Fragment>) = Default::default();
    let mut current: Option<usize> = None;
    for (idx, fragment) in fragments.into_iter().enumerate() {
        let band = bands.iter().position(|band| band.contains(idx));
        if band != current {
            cut(std::mem::take(&mut rest), grids, depth + 1, out);
            cut(std::mem::take(&mut sides.0), grids, depth + 1, out);
            cut(std::mem::take(&mut sides.1), grids, depth + 1, out);
            current = band;
        }
        match band {
            None => rest.push(fragment),
            Some(band) if fragment.rect.x1 <= bands[band].gutter + 0.5 => sides.0.push(fragment),
            Some(_) => sides.1.push(fragment),
        }
    }
    cut(rest, grids, depth + 1, out);
    cut(sides.0, grids, depth + 1, out);
    cut(sides.1, grids, depth + 1, out);
}

/// Fragments `first..=last` (by height) that a gutter parts.
#[derive(Debug, Clone, PartialEq)]
struct Band {
    first: usize,
    last: usize,
    gutter: f32,
}

impl Band {
    fn contains(&self, idx: usize) -> bool {
        (self.first..=self.last).contains(&idx)
    }
}

/// A fragment as gutters see it.
struct Piece {
    x0: f32,
    x1: f32,
    /// From where to where the open grids reach that it stands in.
    spans: Vec<(f32, f32)>,
}

/// Where a fragment stands to a gutter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Across,
    Left,
    Right,
}

impl Piece {
    fn of(fragment: &Fragment, grids: &[Rect]) -> Self {
        let around = grids
            .iter()
            .filter(|grid| grid.holds_center(&fragment.rect));
        Self {
            x0: fragment.rect.x0,
            x1: fragment.rect.x1,
            spans: around.map(|grid| (grid.x0, grid.x1)).collect(),
        }
    }

    fn place(&self, x: f32) -> Place {
        let is_across = self.x0 < x - 0.5 && self.x1 > x + 0.5
            || self.spans.iter().any(|&(x0, x1)| x0 < x && x < x1);
        match is_across {
            true => Place::Across,
            false if self.x1 <= x + 0.5 => Place::Left,
            false => Place::Right,
        }
    }
}

/// Fragments `first..end` that do not cross a gutter, and what they are worth as a band.
struct Run {
    first: usize,
    end: usize,
    value: Option<f32>,
}

/// The gutter with most lines beside it, and its bands.
fn best_gutter(fragments: &[Fragment], grids: &[Rect]) -> Option<Vec<Band>> {
    let all = fragments
        .iter()
        .skip(1)
        .fold(fragments[0].rect, |all, f| all.union(&f.rect));
    if !all.width().is_finite() || all.width() > 20_000.0 {
        return None;
    }
    let pieces: Vec<Piece> = fragments.iter().map(|f| Piece::of(f, grids)).collect();
    let mut best: Option<(f32, Vec<Band>)> = None;
    // Most gutters differ from the one before in few fragments: runs without these are not judged again.
    let mut places = vec![Place::Across; pieces.len()];
    let mut now = Vec::with_capacity(pieces.len());
    let mut runs: Vec<Run> = Vec::new();
    let mut x = all.x0 + STEP;
    while x < all.x1 {
        now.clear();
        now.extend(pieces.iter().map(|piece| piece.place(x)));
        if now != places {
            runs = runs_at(fragments, &now, &places, &runs);
            std::mem::swap(&mut places, &mut now);
            let score = score(&runs);
            if score > best.as_ref().map_or(0.0, |best| best.0) {
                best = Some((score, bands(&runs, x)));
            }
        }
        x += STEP;
    }
    best.map(|(_, bands)| bands)
}

/// The runs of fragments that do not cross a gutter; `known` are those of another gutter, to which fragments stand as `then` says.
fn runs_at(fragments: &[Fragment], now: &[Place], then: &[Place], known: &[Run]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut known = known.iter().peekable();
    let mut start = 0;
    while start < now.len() {
        if now[start] == Place::Across {
            start += 1;
            continue;
        }
        let end = now[start..]
            .iter()
            .position(|place| *place == Place::Across)
            .map_or(now.len(), |n| start + n);
        while known.next_if(|run| run.first < start).is_some() {}
        let same = known.peek().filter(|run| {
            run.first == start && run.end == end && now[start..end] == then[start..end]
        });
        let value = match same {
            Some(run) => run.value,
            None => band_value(&fragments[start..end], &now[start..end]),
        };
        runs.push(Run {
            first: start,
            end,
            value,
        });
        start = end;
    }
    runs
}

/// How good the bands of a gutter are.
fn score(runs: &[Run]) -> f32 {
    let mut score = 0.0;
    let mut n_bands = 0;
    for value in runs.iter().filter_map(|run| run.value) {
        score += value;
        n_bands += 1;
    }
    // A wider gutter is not worth a line that crosses it and parts the columns.
    for _ in 1..n_bands {
        score *= 0.85;
    }
    score
}

/// The bands that a gutter at `x` has.
fn bands(runs: &[Run], x: f32) -> Vec<Band> {
    let bands = runs.iter().filter(|run| run.value.is_some());
    bands
        .map(|run| Band {
            first: run.first,
            last: run.end - 1,
            gutter: x,
        })
        .collect()
}

/// Lines on the poorer side, more for a wide gutter (hanging numbers stand beside a narrow one); `None` where these are no two columns.
fn band_value(band: &[Fragment], places: &[Place]) -> Option<f32> {
    let on = |side: Place| {
        let placed = band.iter().zip(places);
        placed
            .filter(move |(_, place)| **place == side)
            .map(|(fragment, _)| fragment)
    };
    let sides = [Place::Left, Place::Right];
    // What most bands fail at, first.
    let mut n_columns = [0, 0];
    for (side, n_columns) in sides.into_iter().zip(&mut n_columns) {
        let mut n = 0;
        for fragment in on(side) {
            n += 1;
            *n_columns += fragment.n_columns;
        }
        if n < MIN_LINES || *n_columns < MIN_COLUMNS_PER_FRAGMENT * n {
            return None;
        }
    }
    let mut em = f32::MAX;
    let mut n_min = usize::MAX;
    for (side, n_columns) in sides.into_iter().zip(n_columns) {
        let n_lines = count_lines(on(side));
        // Cells that stand side by side must not add up to a line of prose.
        if n_lines < MIN_LINES || n_columns < MIN_COLUMNS_PER_LINE * n_lines {
            return None;
        }
        n_min = n_min.min(n_lines);
        let heights = || on(side).filter(|f| f.table.is_none());
        let sum: f32 = heights().map(|f| f.rect.height()).sum();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand lines")]
        let mean = sum / heights().count().max(1) as f32;
        em = em.min(mean);
    }
    let left: Vec<&Fragment> = on(Place::Left).collect();
    let right: Vec<&Fragment> = on(Place::Right).collect();
    // Both must stand beside each other, not one below the other.
    let extent = |side: &[&Fragment]| {
        side.iter().fold((f32::MAX, f32::MIN), |(y0, y1), f| {
            (y0.min(f.rect.y0), y1.max(f.rect.y1))
        })
    };
    let (left_y, right_y) = (extent(&left), extent(&right));
    let shared = left_y.1.min(right_y.1) - left_y.0.max(right_y.0);
    if shared < 0.4 * (left_y.1 - left_y.0).min(right_y.1 - right_y.0) {
        return None;
    }
    let x0 = left.iter().fold(f32::MIN, |x, f| x.max(f.rect.x1));
    let x1 = right.iter().fold(f32::MAX, |x, f| x.min(f.rect.x0));
    let width = x1 - x0;
    // Chance gaps between words line up over a few lines, hardly over many, and are narrow.
    let min_width = if n_min < 6 { 1.0 } else { 0.5 } * em;
    if width < min_width {
        return None;
    }
    if sides::are_table(&left, &right) {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few thousand lines")]
    let lines = n_min as f32;
    Some(lines * (1.0 + 0.15 * (width / em).min(3.0)))
}

/// Lines that sorted fragments stand on.
fn count_lines<'f>(fragments: impl Iterator<Item = &'f Fragment>) -> usize {
    let mut n = 0;
    let mut last: Option<Rect> = None;
    for fragment in fragments {
        if last.is_none_or(|last| last.line_overlap(&fragment.rect) < 0.5) {
            n += 1;
            last = Some(fragment.rect);
        }
    }
    n
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pdf::rules::grids;
    use crate::pdf::word::{PageBox, Turn};

    fn word(text: &str, x: f32, y: f32) -> Word {
        #[expect(clippy::cast_precision_loss, reason = "short words")]
        let width = text.len() as f32 * 5.0;
        Word {
            text: text.into(),
            rect: Rect {
                x0: x,
                y0: y,
                x1: x + width,
                y1: y + 10.0,
            },
            size: 10.0,
            is_bold: false,
            order: 0,
            ends_soft: false,
            is_glued: false,
            font: 0,
        }
    }

    fn read(words: Vec<Word>) -> Vec<String> {
        regions(words, &[])
            .into_iter()
            .map(|region| {
                let words = region.iter().flat_map(|f| &f.words);
                words.map(|w| w.text.as_str()).collect::<Vec<_>>().join(" ")
            })
            .collect()
    }

    fn y(row: u8) -> f32 {
        f32::from(row) * 12.0
    }

    #[test]
    fn columns_are_read_one_after_the_other() {
        // Drawn line by line across, under a title over both columns.
        let mut words = vec![word(
            "a-title-that-goes-over-both-of-the-columns",
            100.0,
            0.0,
        )];
        for row in 2..8 {
            words.push(word(&format!("left-column-line-{row}"), 50.0, y(row)));
            words.push(word(&format!("right-column-line-{row}"), 200.0, y(row)));
        }
        let read = read(words);
        assert_eq!(read.len(), 3);
        assert!(read[0].starts_with("a-title"));
        assert!(read[1].starts_with("left-column-line-2 left-column-line-3"));
        assert!(read[2].starts_with("right-column-line-2 right-column-line-3"));
    }

    #[test]
    fn tables_and_plain_pages_stay_whole() {
        let mut table = Vec::new();
        let mut prose = Vec::new();
        for row in 0..10 {
            table.extend([
                word("cell", 50.0, y(row)),
                word("12.5", 150.0, y(row)),
                word("x", 250.0, y(row)),
            ]);
            prose.push(word("one-long-line-of-prose-over-the-page", 50.0, y(row)));
        }
        assert_eq!(read(table).len(), 1);
        assert_eq!(read(prose).len(), 1);
        assert!(read(Vec::new()).is_empty());
    }

    proptest! {
        #[test]
        fn no_word_is_lost(
            places in proptest::collection::vec((-100.0f32..800.0, -100.0f32..900.0, 1usize..30), 0..120),
            lines in proptest::collection::vec((0u8..8, 0u8..40, 1u8..8, proptest::bool::ANY), 0..60),
        ) {
            let words: Vec<Word> = places.iter().map(|&(x, y, n)| word(&"w".repeat(n), x, y)).collect();
            let lines: Vec<[f32; 4]> = lines
                .iter()
                .map(|&(x, y, n, across)| {
                    // On few places, so that they meet.
                    let (x, y) = (f32::from(x) * 80.0, f32::from(y) * 20.0);
                    let n = f32::from(n);
                    if across { [x, y, x + n * 80.0, y] } else { [x, y, x, y + n * 20.0] }
                })
                .collect();
            let page = PageBox { left: 0.0, bottom: 0.0, right: 600.0, top: 800.0 };
            let n: usize = words.iter().map(|word| word.text.len()).sum();
            let mut found = 0;
            for fragment in regions(words, &grids(&lines, &page, Turn(0))).iter().flatten() {
                found += fragment.words.iter().map(|word| word.text.len()).sum::<usize>();
                found += fragment.table.as_ref().map_or(0, |cells| usize::try_from(cells.n_chars).unwrap());
            }
            prop_assert_eq!(found, n);
        }
    }
}
