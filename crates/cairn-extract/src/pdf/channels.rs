//! Lines of a region as rows of cells, the places that runs of rows leave white, and the columns between these.
//!
//! What [`super::bands`] judges by. Cost: O(cells) for each row.

use std::ops::Range;

use super::columns::Fragment;
use super::sides::{MAX_GAP, is_item};
use super::word::Rect;

/// Width of a white place between columns, in line heights.
const MIN_CHANNEL: f32 = 0.5;
/// Mean length, in characters, from which on the cells of a column may be lines of text.
pub(super) const MIN_TEXT_CHARS: usize = 22;
/// Share of its column that a line of text fills, on the mean.
const MIN_TEXT_FILL: f32 = 0.75;

/// What stands on one height, parted at wide gaps.
pub(super) struct Row {
    /// Its fragments, in the order of height.
    pub(super) fragments: Range<usize>,
    pub(super) cells: Vec<Cell>,
    pub(super) y0: f32,
    pub(super) y1: f32,
    /// A ruled table, or a part of an open grid: never a row of a bare table.
    pub(super) is_closed: bool,
}

pub(super) struct Cell {
    pub(super) x0: f32,
    pub(super) x1: f32,
    pub(super) n_chars: usize,
    pub(super) is_item: bool,
}

impl Cell {
    pub(super) fn width(&self) -> f32 {
        self.x1 - self.x0
    }
}

impl Row {
    pub(super) fn height(&self) -> f32 {
        (self.y1 - self.y0).max(4.0)
    }

    pub(super) fn center(&self) -> f32 {
        f32::midpoint(self.y0, self.y1)
    }

    pub(super) fn is_parted(&self) -> bool {
        !self.is_closed && self.cells.len() >= 2
    }
}

/// The rows of fragments that are sorted by height.
pub(super) fn rows<'f>(fragments: impl Iterator<Item = &'f Fragment>, grids: &[Rect]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut fragments = fragments.peekable();
    let mut start = 0;
    let mut line: Vec<&Fragment> = Vec::new();
    while let Some(first) = fragments.next() {
        line.clear();
        line.push(first);
        while let Some(next) = fragments.next_if(|f| first.rect.line_overlap(&f.rect) >= 0.5) {
            line.push(next);
        }
        line.sort_by(|a, b| a.rect.x0.total_cmp(&b.rect.x0));
        let is_closed = |f: &&Fragment| {
            f.table.is_some() || grids.iter().any(|grid| grid.holds_center(&f.rect))
        };
        rows.push(Row {
            fragments: start..start + line.len(),
            y0: line.iter().fold(f32::MAX, |y, f| y.min(f.rect.y0)),
            y1: line.iter().fold(f32::MIN, |y, f| y.max(f.rect.y1)),
            is_closed: line.iter().any(is_closed),
            cells: cells(&line),
        });
        start += line.len();
    }
    rows
}

/// Fragments of one line, from left to right, to cells.
fn cells(line: &[&Fragment]) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::with_capacity(line.len());
    for fragment in line {
        let em = fragment.words.first().map_or(10.0, |word| word.size);
        match cells.last_mut() {
            Some(last) if fragment.rect.x0 - last.x1 <= MAX_GAP * em.max(4.0) => {
                last.x1 = last.x1.max(fragment.rect.x1);
                last.n_chars += fragment.n_columns + 1;
            }
            _ => cells.push(Cell {
                x0: fragment.rect.x0,
                x1: fragment.rect.x1,
                n_chars: fragment.n_columns,
                is_item: is_item(&[fragment]),
            }),
        }
    }
    cells
}

/// White places that all rows of a run share, from left to right.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Channels(pub(super) Vec<(f32, f32)>);

impl Channels {
    pub(super) fn of(row: &Row) -> Self {
        let between = |pair: &[Cell]| (pair[0].x1, pair[1].x0);
        Self(row.cells.windows(2).map(between).collect())
    }

    /// What a further row leaves of them.
    pub(super) fn without(&self, row: &Row) -> Self {
        let min = MIN_CHANNEL * row.height();
        let mut left = Vec::with_capacity(self.0.len());
        let mut cells = row.cells.iter().peekable();
        for &(start, end) in &self.0 {
            // The widest piece that no cell covers.
            let mut best = (start, start);
            let mut from = start;
            while let Some(cell) = cells.peek().filter(|cell| cell.x0 < end) {
                if cell.x0 - from > best.1 - best.0 {
                    best = (from, cell.x0);
                }
                from = from.max(cell.x1);
                if cell.x1 > end {
                    break;
                }
                cells.next();
            }
            if end - from > best.1 - best.0 {
                best = (from, end);
            }
            if best.1 - best.0 >= min {
                left.push(best);
            }
        }
        Self(left)
    }

    /// The column in which a cell stands: that of its middle.
    pub(super) fn column(&self, cell: &Cell) -> usize {
        let middle = f32::midpoint(cell.x0, cell.x1);
        self.0
            .iter()
            .take_while(|channel| channel.1 <= middle)
            .count()
    }
}

/// One column of a run of rows.
#[derive(Clone, Copy)]
pub(super) struct Column {
    pub(super) x0: f32,
    pub(super) x1: f32,
    pub(super) n_cells: usize,
    pub(super) n_chars: usize,
    pub(super) n_items: usize,
    /// Sum of the widths of its cells.
    pub(super) filled: f32,
}

impl Column {
    pub(super) const NONE: Self = Self {
        x0: f32::MAX,
        x1: f32::MIN,
        n_cells: 0,
        n_chars: 0,
        n_items: 0,
        filled: 0.0,
    };

    pub(super) fn all(rows: &[Row], channels: &Channels) -> Vec<Self> {
        let mut columns = vec![Self::NONE; channels.0.len() + 1];
        for row in rows {
            let mut last = usize::MAX;
            for cell in &row.cells {
                let at = channels.column(cell);
                let column = &mut columns[at];
                column.x0 = column.x0.min(cell.x0);
                column.x1 = column.x1.max(cell.x1);
                column.n_cells += usize::from(at != last);
                column.n_chars += cell.n_chars;
                column.n_items += usize::from(cell.is_item && at != last);
                column.filled += cell.width();
                last = at;
            }
        }
        columns
    }

    pub(super) fn width(&self) -> f32 {
        (self.x1 - self.x0).max(1.0)
    }

    /// Mean length of its cells, in characters.
    pub(super) fn mean_chars(&self) -> usize {
        self.n_chars / self.n_cells.max(1)
    }

    /// Whether its cells may be lines of text, of `n_rows` rows.
    pub(super) fn is_text(&self, n_rows: usize) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand lines")]
        let n = self.n_cells.max(1) as f32;
        self.n_cells * 2 > n_rows
            && self.mean_chars() >= MIN_TEXT_CHARS
            && self.filled / n >= MIN_TEXT_FILL * self.width()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_what_all_rows_leave_white() {
        let row = |cells: &[(f32, f32)]| Row {
            fragments: 0..0,
            cells: cells
                .iter()
                .map(|&(x0, x1)| Cell {
                    x0,
                    x1,
                    n_chars: 1,
                    is_item: false,
                })
                .collect(),
            y0: 0.0,
            y1: 10.0,
            is_closed: false,
        };
        let channels = Channels::of(&row(&[(0.0, 10.0), (40.0, 50.0), (90.0, 99.0)]));
        assert_eq!(channels.0, [(10.0, 40.0), (50.0, 90.0)]);
        for (cells, expect) in [
            (&[(0.0, 20.0)][..], &[(20.0, 40.0), (50.0, 90.0)][..]),
            (&[(12.0, 30.0), (34.0, 45.0)], &[(50.0, 90.0)]),
            (&[(0.0, 200.0)], &[]),
            (
                &[(0.0, 30.0), (38.0, 60.0), (80.0, 99.0)],
                &[(30.0, 38.0), (60.0, 80.0)],
            ),
            (&[], &[(10.0, 40.0), (50.0, 90.0)]),
        ] {
            assert_eq!(channels.without(&row(cells)).0, expect, "{cells:?}");
        }
    }
}
