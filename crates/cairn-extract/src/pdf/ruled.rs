//! Cells of ruled tables: the words between the lines of a grid, by row and column.
//!
//! The places of the lines make a lattice; its fields are one cell where no line parts them, so that
//! spans come out as they are drawn. Some tables rule their head only: a row whose cells have the same
//! number of short lines on the same heights is as many rows.
//!
//! Not every grid is a table: one that is mostly empty, or whose lines go through words (charts, forms), has
//! no cells here. Cost: O(fields × lines).

use super::columns::fragments;
use super::headers::{Named, Row, name};
use super::line::{Line, lines};
use super::rules::{Grid, Rule};
use super::word::{Rect, Word};
use crate::table::{SpanCell, resolve_spans};

/// Lines nearer to each other than this are one, in points: the edges of a thick line, double lines.
const MIN_FIELD: f32 = 3.0;
/// Fields of a lattice; a table on one page has far fewer.
const MAX_FIELDS: usize = 10_000;
/// Share of the cells that must hold text. A guess.
const MIN_FILLED_PERCENT: usize = 40;
/// Share of the words that lines may go through.
const MAX_STRUCK_PERCENT: usize = 5;
/// Characters of the cells after spans have repeated them. Bounds memory on hostile files.
const MAX_CHARS: u64 = 1_000_000;
/// Lines of each cell from which on a row can be several rows.
const MIN_INNER_ROWS: usize = 3;
/// Mean length of such lines, in characters; longer ones are prose. A guess.
const MAX_INNER_CHARS: usize = 25;

/// The cells of a ruled table.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    /// Spanned cells repeat their text.
    pub(super) table: Named,
    /// Characters that carry text, before spans repeat them.
    pub(super) n_chars: u64,
    /// Middle font size of its words.
    pub(super) size: f32,
}

/// Fields of the lattice that form one cell, bounds included.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Span {
    rows: (usize, usize),
    columns: (usize, usize),
}

impl Span {
    fn n_rows(&self) -> usize {
        self.rows.1 - self.rows.0 + 1
    }

    fn n_columns(&self) -> usize {
        self.columns.1 - self.columns.0 + 1
    }

    fn n_fields(&self) -> usize {
        self.n_rows() * self.n_columns()
    }
}

/// The cells of `words`, all of which lie within the grid; `None` where it is no table.
pub(super) fn cells(grid: &Grid, words: &[Word]) -> Option<Cells> {
    let inner = |places: Vec<f32>| (places.len() >= 3).then_some(places);
    let ys = inner(places(&grid.across, None))?;
    let xs = inner(places(&grid.down, Some((grid.rect.x0, grid.rect.x1))))?;
    let (n_rows, n_columns) = (ys.len() - 1, xs.len() - 1);
    if words.is_empty() || n_rows * n_columns > MAX_FIELDS {
        return None;
    }
    let n_struck = words.iter().filter(|word| is_struck(grid, &word.rect));
    if n_struck.count() * 100 > words.len() * MAX_STRUCK_PERCENT {
        return None;
    }
    let spans = spans(grid, &xs, &ys)?;
    let mut owner = vec![0; n_rows * n_columns];
    for (idx, span) in spans.iter().enumerate() {
        for row in span.rows.0..=span.rows.1 {
            for column in span.columns.0..=span.columns.1 {
                owner[row * n_columns + column] = idx;
            }
        }
    }
    let mut held: Vec<Vec<Word>> = vec![Vec::new(); spans.len()];
    for word in words {
        let row = field(&ys, word.rect.center_y());
        let column = field(&xs, word.rect.center_x());
        held[owner[row * n_columns + column]].push(word.clone());
    }
    let n_filled = held.iter().filter(|words| !words.is_empty()).count();
    if n_filled * 100 < spans.len() * MIN_FILLED_PERCENT || n_filled < 3 {
        return None;
    }
    let held: Vec<Vec<Line>> = held.into_iter().map(cell_lines).collect();
    let n_chars = |lines: &Vec<Line>| lines.iter().map(|line| line.n_chars).sum::<u64>();
    let repeated = spans.iter().zip(&held);
    let n_repeated: u64 = repeated
        .map(|(span, lines)| span.n_fields() as u64 * n_chars(lines))
        .sum();
    if n_repeated > MAX_CHARS {
        return None;
    }
    let is_rtl = words.iter().filter(|word| word.is_rtl()).count() * 2 > words.len();
    let mut drawn: Vec<(Row, Vec<SpanCell>)> = Vec::new();
    for row in 0..n_rows {
        let mut own: Vec<usize> = (0..spans.len())
            .filter(|&idx| spans[idx].rows.0 == row)
            .collect();
        own.sort_by_key(|&idx| spans[idx].columns.0);
        if is_rtl {
            own.reverse();
        }
        drawn.extend(row_cells(&own, &spans, &held));
    }
    let mut sizes: Vec<f32> = words.iter().map(|word| word.size).collect();
    sizes.sort_by(f32::total_cmp);
    let (mut rows, drawn): (Vec<Row>, Vec<Vec<SpanCell>>) = drawn.into_iter().unzip();
    let (resolved, _) = resolve_spans(&drawn);
    for (row, cells) in rows.iter_mut().zip(resolved) {
        row.cells = cells;
    }
    rows.retain(|row| row.cells.iter().any(|cell| !cell.is_empty()));
    drop_empty_columns(&mut rows);
    // One column is a listing or a box of text.
    if rows.iter().all(|row| row.cells.len() < 2) {
        return None;
    }
    Some(Cells {
        table: name(rows),
        n_chars: held.iter().map(n_chars).sum(),
        size: sizes[sizes.len() / 2],
    })
}

/// Takes out columns without text: double lines and the margins of cells make such.
fn drop_empty_columns(rows: &mut [Row]) {
    let n_columns = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0);
    for column in (0..n_columns).rev() {
        let is_empty = |row: &Row| row.cells.get(column).is_none_or(String::is_empty);
        if rows.iter().all(is_empty) {
            for row in rows.iter_mut().filter(|row| column < row.cells.len()) {
                row.cells.remove(column);
            }
        }
    }
}

/// Where lines lie, each place once; with the edges of the grid where lines need not stand there.
fn places(rules: &[Rule], edges: Option<(f32, f32)>) -> Vec<f32> {
    let mut all: Vec<f32> = rules.iter().map(|rule| rule.place).collect();
    all.extend(edges.iter().flat_map(|edges| [edges.0, edges.1]));
    all.sort_by(f32::total_cmp);
    all.dedup_by(|place, kept| *place - *kept < MIN_FIELD);
    all
}

/// The field in which `at` lies; what lies outside belongs to the outermost field.
fn field(places: &[f32], at: f32) -> usize {
    places[1..places.len() - 1]
        .iter()
        .filter(|&&place| place <= at)
        .count()
}

/// Whether a line down goes through the middle of a word.
fn is_struck(grid: &Grid, word: &Rect) -> bool {
    let margin = (0.25 * word.width()).min(MIN_FIELD);
    grid.down.iter().any(|rule| {
        rule.place > word.x0 + margin
            && rule.place < word.x1 - margin
            && rule.passes(word.center_y())
    })
}

/// The cells of the lattice; `None` where one is no rectangle.
fn spans(grid: &Grid, xs: &[f32], ys: &[f32]) -> Option<Vec<Span>> {
    let (n_rows, n_columns) = (ys.len() - 1, xs.len() - 1);
    let parts = |rules: &[Rule], place: f32, at: f32| {
        rules
            .iter()
            .any(|rule| (rule.place - place).abs() < MIN_FIELD && rule.passes(at))
    };
    let middle = |places: &[f32], idx: usize| f32::midpoint(places[idx], places[idx + 1]);
    let is_open_right = |row: usize, column: usize| {
        column + 1 < n_columns && !parts(&grid.down, xs[column + 1], middle(ys, row))
    };
    let is_open_below = |row: usize, column: usize| {
        row + 1 < n_rows && !parts(&grid.across, ys[row + 1], middle(xs, column))
    };
    let mut taken = vec![false; n_rows * n_columns];
    let mut spans = Vec::new();
    for row in 0..n_rows {
        for column in 0..n_columns {
            if taken[row * n_columns + column] {
                continue;
            }
            let mut span = Span {
                rows: (row, row),
                columns: (column, column),
            };
            while is_open_right(row, span.columns.1) {
                span.columns.1 += 1;
            }
            while is_open_below(span.rows.1, column) {
                span.rows.1 += 1;
            }
            for row in span.rows.0..=span.rows.1 {
                for column in span.columns.0..=span.columns.1 {
                    // Within the rectangle nothing is parted or taken, around it all is parted.
                    let is_whole = !taken[row * n_columns + column]
                        && is_open_right(row, column) == (column < span.columns.1)
                        && is_open_below(row, column) == (row < span.rows.1);
                    if !is_whole {
                        return None;
                    }
                    taken[row * n_columns + column] = true;
                }
            }
            spans.push(span);
        }
    }
    Some(spans)
}

fn cell_lines(words: Vec<Word>) -> Vec<Line> {
    let mut fragments = fragments(words);
    fragments.sort_by(|a, b| a.rect.center_y().total_cmp(&b.rect.center_y()));
    lines(fragments)
}

/// The cells `own` that start in one row of the lattice: one row, or several that no line parts. With how they are set.
fn row_cells(own: &[usize], spans: &[Span], held: &[Vec<Line>]) -> Vec<(Row, Vec<SpanCell>)> {
    let n_inner = inner_rows(own, spans, held);
    let row = |inner: Option<usize>| {
        let lines_of = |idx: usize| match inner {
            Some(at) => held[idx].get(at..=at).unwrap_or_default(),
            None => &held[idx],
        };
        let cell = |&idx: &usize| SpanCell {
            text: super::blocks::join(lines_of(idx)).unwrap_or_default(),
            n_cols: spans[idx].n_columns(),
            n_rows: spans[idx].n_rows(),
            is_header: false,
        };
        let lines = || own.iter().flat_map(|&idx| lines_of(idx));
        let set = Row {
            is_bold: lines().next().is_some() && lines().all(|line| line.is_bold),
            has_spans: own.len() > 1 && own.iter().any(|&idx| spans[idx].n_columns() > 1),
            n_cells: own.iter().filter(|&&idx| !lines_of(idx).is_empty()).count() as u64,
            ..Row::default()
        };
        (set, own.iter().map(cell).collect())
    };
    if n_inner < 2 {
        return vec![row(None)];
    }
    (0..n_inner).map(|at| row(Some(at))).collect()
}

/// How many rows of text without lines between them the cells hold.
fn inner_rows(own: &[usize], spans: &[Span], held: &[Vec<Line>]) -> usize {
    let filled: Vec<&Vec<Line>> = own
        .iter()
        .map(|&idx| &held[idx])
        .filter(|lines| !lines.is_empty())
        .collect();
    let is_one_high = own
        .iter()
        .all(|&idx| spans[idx].rows.0 == spans[idx].rows.1);
    let (Some(first), true) = (filled.first(), is_one_high && filled.len() >= 2) else {
        return 1;
    };
    let is_even = filled.iter().all(|lines| {
        let n_chars: usize = lines.iter().map(|line| line.text.chars().count()).sum();
        lines.len() == first.len()
            && n_chars <= MAX_INNER_CHARS * lines.len()
            && lines
                .iter()
                .zip(first.iter())
                .all(|(a, b)| a.rect.line_overlap(&b.rect) > 0.5)
    });
    if is_even && first.len() >= MIN_INNER_ROWS {
        first.len()
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str, x: f32, y: f32) -> Word {
        #[expect(clippy::cast_precision_loss, reason = "short words")]
        let width = text.chars().count() as f32 * 5.0;
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

    /// The header, then the rows.
    fn all(cells: &Cells) -> Vec<Vec<String>> {
        let header = std::iter::once(cells.table.header.clone());
        let rows = cells.table.rows.iter().cloned();
        header.chain(rows).filter(|row| !row.is_empty()).collect()
    }

    fn rule(place: f32, start: f32, end: f32) -> Rule {
        Rule { place, start, end }
    }

    /// A grid of fields of 100 × 20 points from (0, 0) on, all lines drawn.
    fn grid(n_rows: u8, n_columns: u8) -> Grid {
        let (width, height) = (f32::from(n_columns) * 100.0, f32::from(n_rows) * 20.0);
        Grid {
            rect: Rect {
                x0: 0.0,
                y0: 0.0,
                x1: width,
                y1: height,
            },
            across: (0..=n_rows)
                .map(|row| rule(f32::from(row) * 20.0, 0.0, width))
                .collect(),
            down: (0..=n_columns)
                .map(|column| rule(f32::from(column) * 100.0, 0.0, height))
                .collect(),
        }
    }

    #[test]
    fn words_go_to_their_fields() {
        let words = [
            word("Name", 5.0, 5.0),
            word("Work", 105.0, 5.0),
            word("Ann", 5.0, 25.0),
            word("long", 105.0, 21.0),
            word("text", 105.0, 30.0),
        ];
        let found = cells(&grid(2, 2), &words).unwrap();
        assert_eq!(all(&found), [["Name", "Work"], ["Ann", "long text"]]);
        assert_eq!(found.n_chars, 19);
        // From right to left.
        let words = [
            word("שם", 105.0, 5.0),
            word("מקום", 5.0, 5.0),
            word("דן", 105.0, 25.0),
            word("12", 5.0, 25.0),
        ];
        let found = cells(&grid(2, 2), &words).unwrap();
        assert_eq!(all(&found), [["שם", "מקום"], ["דן", "12"]]);
    }

    #[test]
    fn spans_repeat_their_text() {
        let mut open = grid(3, 3);
        // The first column's lower two fields are one, and so are the first row's right two.
        open.across[2].start = 100.0;
        open.down[2].start = 20.0;
        let words = [
            word("Site", 5.0, 5.0),
            word("Counts", 170.0, 5.0),
            word("North", 5.0, 35.0),
            word("1", 105.0, 25.0),
            word("2", 205.0, 25.0),
            word("3", 105.0, 45.0),
            word("4", 205.0, 45.0),
        ];
        let found = cells(&open, &words).unwrap();
        assert_eq!(
            all(&found),
            [
                ["Site", "Counts", "Counts"],
                ["North", "1", "2"],
                ["North", "3", "4"]
            ]
        );
    }

    #[test]
    fn rows_need_no_lines_between_them() {
        let mut open = grid(2, 2);
        open.across[2].place = 80.0;
        open.rect.y1 = 80.0;
        for rule in &mut open.down {
            rule.end = 80.0;
        }
        let mut words = vec![word("Name", 5.0, 5.0), word("Count", 105.0, 5.0)];
        for (y, name, count) in [(25.0, "Bolt", "1"), (40.0, "Nut", "2"), (55.0, "Gear", "3")] {
            words.extend([word(name, 5.0, y), word(count, 105.0, y)]);
        }
        let found = cells(&open, &words).unwrap();
        assert_eq!(
            all(&found),
            [
                ["Name", "Count"],
                ["Bolt", "1"],
                ["Nut", "2"],
                ["Gear", "3"]
            ]
        );
    }

    #[test]
    fn not_every_grid_is_a_table() {
        let chart = [word("10", 5.0, 5.0), word("20", 5.0, 25.0)];
        assert!(cells(&grid(4, 4), &chart).is_none());
        let struck: Vec<Word> = [0.0f32, 20.0, 40.0]
            .iter()
            .map(|&y| word("a-long-line-over-all-of-it", 40.0, y + 5.0))
            .collect();
        assert!(cells(&grid(3, 2), &struck).is_none());
        let mut wide = grid(3, 250);
        for rule in &mut wide.down[2..250] {
            rule.end = 20.0;
        }
        wide.rect.x1 = 25_000.0;
        // Texts over almost all columns, repeated for each: only while that stays small.
        for (n, expect) in [(30, true), (3_000, false)] {
            let long = "w".repeat(n);
            let mut flood: Vec<Word> = (0..250u8)
                .map(|n| word("w", f32::from(n) * 100.0 + 5.0, 5.0))
                .collect();
            flood.extend([word("a", 5.0, 25.0), word(&long, 5_000.0, 25.0)]);
            flood.extend([word("b", 5.0, 45.0), word(&long, 5_000.0, 45.0)]);
            assert_eq!(cells(&wide, &flood).is_some(), expect, "{n}");
        }
        let listing: Vec<Word> = [0.0f32, 20.0, 40.0]
            .iter()
            .map(|&y| word("code", 105.0, y + 5.0))
            .collect();
        assert!(cells(&grid(3, 2), &listing).is_none());
        assert!(cells(&grid(3, 2), &[]).is_none());
    }
}
