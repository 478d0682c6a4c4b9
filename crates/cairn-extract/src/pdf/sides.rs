//! Whether what stands on both sides of a gutter is one table rather than two columns of text.
//!
//! The rows of a table stand on the same heights on both sides, and so do the lines of columns set on one
//! grid; the difference is that cells are short. Either most lines of a side are parted into cells, or the
//! lines of both sides leave much of their side empty. Cost: O(fragments × log fragments).

use super::bands;
use super::columns::Fragment;
use super::line::marker;
use super::word::Rect;

/// Share of lines that must have a partner on the other side.
const MIN_MATCHED_PERCENT: usize = 80;
/// Widest gap within a cell, in font sizes; the same that parts a line into cells.
pub(super) const MAX_GAP: f32 = 1.2;
/// Mean length of lines from which on a side that is not parted is prose. A guess.
const MIN_PROSE_CHARS: usize = 40;
/// Mean length of the lines of the narrower side of a table without parted lines. A guess.
const MAX_CELL_CHARS: usize = 28;
/// Share of a side's width that the lines of prose fill at least, on the mean. A guess: ragged prose fills 85 %.
const MIN_FILL: f32 = 0.7;

/// What stands on one side of a gutter.
struct Side {
    lines: Vec<Rect>,
    n_parted: usize,
    n_items: usize,
    n_chars: usize,
    fill: f32,
}

/// Whether the fragments left and right of a gutter, sorted by height, are the cells of a table.
pub(super) fn are_table(left: &[&Fragment], right: &[&Fragment]) -> bool {
    let is_ruled = |f: &&Fragment| f.table.is_some();
    if left.iter().any(is_ruled) || right.iter().any(is_ruled) {
        return false;
    }
    let (all_left, all_right) = (left, right);
    let (left, right) = (Side::of(left), Side::of(right));
    let (few, many) = if left.lines.len() <= right.lines.len() {
        (&left, &right)
    } else {
        (&right, &left)
    };
    let n_matched = few
        .lines
        .iter()
        .filter(|line| has_partner(line, &many.lines));
    let n_matched = n_matched.count() * 100;
    if n_matched < few.lines.len() * MIN_MATCHED_PERCENT {
        return false;
    }
    if left.is_parted() && !right.is_prose() || right.is_parted() && !left.is_prose() {
        let mut all = [all_left, all_right].concat();
        all.sort_by(|a, b| a.rect.center_y().total_cmp(&b.rect.center_y()));
        return !bands::are_columns(&all);
    }
    let is_even = n_matched >= many.lines.len() * MIN_MATCHED_PERCENT;
    let is_short = [&left, &right]
        .iter()
        .any(|side| side.n_chars <= MAX_CELL_CHARS * side.lines.len());
    let is_list = [&left, &right]
        .iter()
        .any(|side| side.n_items * 2 > side.lines.len());
    is_even && is_short && !is_list && left.fill < MIN_FILL && right.fill < MIN_FILL
}

impl Side {
    fn of(fragments: &[&Fragment]) -> Self {
        let mut side = Self {
            lines: Vec::with_capacity(fragments.len()),
            n_parted: 0,
            n_items: 0,
            n_chars: fragments.iter().map(|f| f.n_columns).sum(),
            fill: 0.0,
        };
        let mut filled = 0.0;
        let mut all: Option<Rect> = None;
        let mut line: Vec<&Fragment> = Vec::new();
        let mut rest = fragments;
        while let Some(first) = rest.first() {
            let on_line = |f: &&Fragment| first.rect.line_overlap(&f.rect) >= 0.5;
            let n = 1 + rest[1..].iter().take_while(|f| on_line(f)).count();
            line.clear();
            line.extend_from_slice(&rest[..n]);
            rest = &rest[n..];
            line.sort_by(|a, b| a.rect.x0.total_cmp(&b.rect.x0));
            let is_wide = |pair: &[&Fragment]| {
                let em = pair[0].words.first().map_or(10.0, |word| word.size);
                pair[1].rect.x0 - pair[0].rect.x1 > MAX_GAP * em.max(4.0)
            };
            side.n_parted += usize::from(line.windows(2).any(is_wide));
            side.n_items += usize::from(is_item(&line));
            let rect = line
                .iter()
                .skip(1)
                .fold(line[0].rect, |all, f| all.union(&f.rect));
            filled += rect.width();
            side.lines.push(rect);
            all = Some(all.map_or(rect, |all| all.union(&rect)));
        }
        #[expect(clippy::cast_precision_loss, reason = "a few thousand lines")]
        let n_lines = side.lines.len().max(1) as f32;
        side.fill = filled / n_lines / all.map_or(1.0, |all| all.width().max(1.0));
        side
    }

    /// Whether most lines have wide gaps.
    fn is_parted(&self) -> bool {
        self.n_parted * 2 > self.lines.len()
    }

    fn is_prose(&self) -> bool {
        !self.is_parted() && self.n_chars >= MIN_PROSE_CHARS * self.lines.len()
    }
}

/// Whether the line starts with a bullet or number of a list.
pub(super) fn is_item(line: &[&Fragment]) -> bool {
    let mut words = line.iter().flat_map(|f| &f.words);
    let Some(first) = words.next() else {
        return false;
    };
    // Most words are none at the first look: no marker begins with a letter, but for one and a bracket.
    if first.text.len() > 2 && first.text.starts_with(char::is_alphabetic) {
        return false;
    }
    // A marker may be a word of its own.
    let next = words.next().map_or("", |word| word.text.as_str());
    marker(&format!("{} {next}", first.text)).is_some()
}

/// Whether one of `lines`, sorted by height, stands on the height of `line`.
fn has_partner(line: &Rect, lines: &[Rect]) -> bool {
    let half = 0.5 * line.height();
    let first = lines.partition_point(|other| other.center_y() < line.center_y() - half);
    lines[first..]
        .iter()
        .take_while(|other| other.center_y() <= line.center_y() + half)
        .any(|other| other.line_overlap(line) > 0.8)
}
