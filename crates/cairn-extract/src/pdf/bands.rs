//! Tables without rules among columns of text: which lines of a region are the rows of one.
//!
//! A gutter of the text above or below goes through such a table where it happens to have room between its cells, and
//! would tear it. Two signs tell its rows from lines of text that stand side by side. *Channels*: three or more rows leave
//! white the same two or more places; the columns of text on a page do so too, but their lines are long and fill them.
//! *Short rows*: where most rows of a run fill both sides of its channels, as text does, rows in a row that leave much of
//! each side empty are a table. What is only one of these stays undecided and is left to the cutting of columns.
//!
//! Cost: O(fragments) for each region, but for the rows before a run (up to [`MAX_BEFORE`]).

use std::ops::Range;

use super::channels::{Cell, Channels, Column, MIN_TEXT_CHARS, Row, rows};
use super::columns::Fragment;
use super::word::Rect;

/// Rows of a table, not counting those above the first with cells in its columns.
const MIN_ROWS: usize = 3;
/// Distance between rows of one table, in line heights.
const MAX_ROW_GAP: f32 = 2.5;
/// Distance between a header row and what stands under it, in line heights.
const MAX_HEADER_GAP: f32 = 1.2;
/// Header rows above the first row that has the table's columns.
const MAX_HEADER_ROWS: usize = 3;
/// Length of a cell of such a row, in characters.
const MAX_HEADER_CHARS: usize = 40;
/// The same from which on no table has them, beside other columns. A guess.
const MIN_LONG_CHARS: usize = 40;
/// Share of each column that a short row fills at most.
const MAX_SHORT_FILL: f32 = 0.72;
/// The same for the row above short rows, if it stands nearer to these.
const MAX_HEADER_FILL: f32 = 0.85;
/// Rows before the first of a run that are looked at for the width of its columns.
const MAX_BEFORE: usize = 80;
/// The fragments of each bare table that must not be cut, in order; `fragments` are sorted by height.
pub(super) fn tables(fragments: &[Fragment], grids: &[Rect]) -> Vec<Range<usize>> {
    let rows = rows(fragments.iter(), grids);
    let mut found = aligned(&rows);
    let mut start = 0;
    for table in found.clone() {
        found.extend(short(&rows[..table.start], start));
        start = table.end;
    }
    found.extend(short(&rows, start));
    found.sort_by_key(|table| table.start);
    found
        .into_iter()
        .map(|table| rows[table.start].fragments.start..rows[table.end - 1].fragments.end)
        .collect()
}

/// Runs of rows with two or more channels whose columns are no text.
fn aligned(rows: &[Row]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    while start < rows.len() {
        if rows[start].is_closed || rows[start].cells.len() < 3 {
            start += 1;
            continue;
        }
        let mut channels = Channels::of(&rows[start]);
        let mut end = start + 1;
        while end < rows.len() && follows(&rows[end - 1], &rows[end]) {
            let next = channels.without(&rows[end]);
            if next.0.len() < 2 {
                break;
            }
            channels = next;
            end += 1;
        }
        let run = &rows[start..end];
        // A table above or below columns of text whose gutters go on between its cells.
        let tables = short_rows(run, &channels);
        let end = start + trimmed(run);
        if let Some(last) = tables.last() {
            let next = start + last.end;
            found.extend(tables.iter().map(|table| {
                let table = start + table.start..start + table.end;
                without_text(rows, table, usize::MAX)
            }));
            start = next;
        } else if is_table(rows, start..end, &channels) {
            let first = found.last().map_or(0, |table| table.end);
            let first = first.max(header_start(rows, start, &channels, end));
            let max_cells = channels.0.len();
            found.push(without_text(rows, first..end, max_cells));
            start = end;
        } else {
            // What is text with its first rows is none without them.
            start += run.len();
        }
    }
    found
}

/// Whether `next` may be a row of the same table.
fn follows(row: &Row, next: &Row) -> bool {
    !next.is_closed && next.y0 - row.y1 <= MAX_ROW_GAP * row.height()
}

/// Rows up to the last one with several cells and what goes on in one of its cells.
fn trimmed(run: &[Row]) -> usize {
    let mut end = run.len();
    while end > 1 {
        let (row, above) = (&run[end - 1], &run[end - 2]);
        if row.cells.len() >= 2 || above.is_parted() && row.y0 - above.y1 < 0.3 * row.height() {
            break;
        }
        end -= 1;
    }
    end
}

/// The rows without the first if that is the last line of paragraphs above: it stands as near to them as to the table, and
/// has few and long cells.
fn without_text(rows: &[Row], range: Range<usize>, max_cells: usize) -> Range<usize> {
    let longest = |row: &Row| row.cells.iter().map(|cell| cell.n_chars).max();
    let Some(above) = range.start.checked_sub(1).map(|at| &rows[at]) else {
        return range;
    };
    let (first, rest) = (&rows[range.start], &rows[range.start + 1..range.end]);
    // Lines of paragraphs also at an equal distance, anything else only where it is clearly nearer.
    let nearer = if above.is_parted() { 1.05 } else { 0.9 };
    let is_text = rest.len() >= MIN_ROWS
        && first.cells.len() <= max_cells
        && longest(first) > rest.iter().filter_map(longest).max()
        && first.center() - above.center() < nearer * (rest[0].center() - first.center());
    range.start + usize::from(is_text)..range.end
}

fn is_table(rows: &[Row], range: Range<usize>, channels: &Channels) -> bool {
    let run = &rows[range.clone()];
    let n_with = |n: usize| run.iter().filter(|row| row.cells.len() >= n).count();
    let (n_parted, n_wide) = (n_with(2), n_with(3));
    if n_parted < MIN_ROWS || n_parted * 2 < run.len() || n_wide * 2 < n_parted {
        return false;
    }
    let columns = Column::all(run, channels);
    if stands_aside(&columns, run.len()) {
        return false;
    }
    let texts: Vec<&Column> = columns
        .iter()
        .filter(|column| column.is_text(run.len()))
        .collect();
    match texts.as_slice() {
        [] => true,
        // One column of longer cells, unless it is a column of the page that goes on above or below.
        [text] if text.mean_chars() < MIN_LONG_CHARS => {
            let goes_on = |row: Option<&Row>| {
                row.is_some_and(|row| row.cells.iter().any(|cell| continues(text, cell)))
            };
            !goes_on(range.start.checked_sub(1).and_then(|at| rows.get(at)))
                && !goes_on(rows.get(range.end))
        }
        _ => false,
    }
}

/// Whether the first or the last column is text beside a table: a few longer lines.
fn stands_aside(columns: &[Column], n_rows: usize) -> bool {
    let is_aside =
        |column: &Column| column.n_cells * 3 <= n_rows * 2 && column.mean_chars() >= MIN_TEXT_CHARS;
    columns.first().is_some_and(is_aside) || columns.last().is_some_and(is_aside)
}

/// Whether a cell fills a column.
fn continues(column: &Column, cell: &Cell) -> bool {
    (cell.x0 - column.x0).abs() < 3.0
        && (cell.x1 - column.x1).abs() < 0.2 * column.width()
        && cell.n_chars >= MIN_TEXT_CHARS
}

/// The first of the header rows above a table: rows of few short cells, which may span columns.
fn header_start(rows: &[Row], start: usize, channels: &Channels, end: usize) -> usize {
    let columns = Column::all(&rows[start..end], channels);
    let x0 = columns.iter().fold(f32::MAX, |x, column| x.min(column.x0));
    let x1 = columns.iter().fold(f32::MIN, |x, column| x.max(column.x1));
    let mut first = start;
    while first > 0 && start - first < MAX_HEADER_ROWS {
        let (row, below) = (&rows[first - 1], &rows[first]);
        let filled: f32 = row.cells.iter().map(Cell::width).sum();
        let is_short = |cell: &Cell| cell.n_chars <= MAX_HEADER_CHARS;
        let is_inside = |cell: &Cell| cell.x0 > x0 - 3.0 && cell.x1 < x1 + 3.0;
        // A line alone at the left is what stands above the table.
        let is_line = row.cells.len() == 1 && row.cells[0].x0 < columns[0].x1;
        if row.is_closed
            || is_line
            || below.y0 - row.y1 > MAX_HEADER_GAP * row.height()
            || filled > MAX_SHORT_FILL * (x1 - x0)
            || !row
                .cells
                .iter()
                .all(|cell| is_short(cell) && is_inside(cell))
        {
            break;
        }
        first -= 1;
    }
    first
}

/// Short rows within runs of text that stands side by side, from row `start` on.
fn short(rows: &[Row], start: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut passed = start;
    let mut at = start;
    while at < rows.len() {
        if !rows[at].is_parted() {
            at += 1;
            continue;
        }
        let mut channels = Channels::of(&rows[at]);
        let mut end = at + 1;
        let narrowed = |channels: &Channels, row: &Row| {
            let next = channels.without(row);
            (!row.is_closed && !next.0.is_empty()).then_some(next)
        };
        while let Some(next) = rows.get(end).and_then(|row| narrowed(&channels, row)) {
            channels = next;
            end += 1;
        }
        let mut first = at;
        while first > passed.max(at.saturating_sub(MAX_BEFORE))
            && let Some(next) = narrowed(&channels, &rows[first - 1])
        {
            channels = next;
            first -= 1;
        }
        for table in short_rows(&rows[first..end], &channels) {
            let table = first + table.start..first + table.end;
            found.push(without_text(rows, table, usize::MAX));
        }
        passed = end;
        at = end;
    }
    found
}

/// Short rows in a row of a run, if the other rows are lines of text.
fn short_rows(run: &[Row], channels: &Channels) -> Vec<Range<usize>> {
    let columns = Column::all(run, channels);
    let mut filled = vec![0.0f32; columns.len()];
    let mut fill_of: Vec<f32> = Vec::with_capacity(run.len());
    for row in run {
        filled.fill(0.0);
        for cell in &row.cells {
            filled[channels.column(cell)] += cell.width();
        }
        let n_held = filled.iter().filter(|filled| **filled > 0.0).count();
        let fills = filled.iter().zip(&columns);
        let fill = fills.fold(0.0, |fill: f32, (filled, column)| {
            fill.max(filled / column.width())
        });
        fill_of.push(if n_held >= 2 { fill } else { 1.0 });
    }
    let mut found = Vec::new();
    let mut at = 0;
    while at < run.len() {
        let is_low = |fill: &&f32| **fill <= MAX_SHORT_FILL;
        let n = fill_of[at..].iter().take_while(is_low).count();
        let n_close = run[at..at + n]
            .windows(2)
            .take_while(|pair| follows(&pair[0], &pair[1]))
            .count();
        let n = n.min(n_close + 1);
        let is_other = || {
            let columns = Column::all(&run[at..at + n], channels);
            let is_list = columns.iter().any(|column| column.n_items * 2 > n);
            is_list || stands_aside(&columns, n)
        };
        if n >= MIN_ROWS && !is_other() {
            let start = if at > 0 && fill_of[at - 1] <= MAX_HEADER_FILL && is_header(run, at - 1) {
                at - 1
            } else {
                at
            };
            found.push(start..at + n);
        }
        at += n.max(1);
    }
    let mut rest: Vec<&Row> = Vec::new();
    let mut at = 0;
    for table in &found {
        rest.extend(&run[at..table.start]);
        at = table.end;
    }
    rest.extend(&run[at..]);
    if found.is_empty() || !is_text(&rest, channels, &columns) {
        return Vec::new();
    }
    found
}

/// Whether a row stands nearer to the one below than to the one above.
fn is_header(run: &[Row], at: usize) -> bool {
    let step = |above: usize| run[above + 1].center() - run[above].center();
    follows(&run[at], &run[at + 1])
        && at
            .checked_sub(1)
            .is_none_or(|above| step(at) < 0.9 * step(above))
}

/// Whether the fragments, sorted by height, are lines of text in three columns or more: each is filled by its lines.
pub(super) fn are_columns(fragments: &[&Fragment]) -> bool {
    let rows = rows(fragments.iter().copied(), &[]);
    let Some(widest) = rows.iter().max_by_key(|row| row.cells.len()) else {
        return false;
    };
    let channels = rows
        .iter()
        .fold(Channels::of(widest), |channels, row| channels.without(row));
    let columns = Column::all(&rows, &channels);
    columns.len() >= 3 && columns.iter().all(|column| column.is_text(rows.len()))
}

/// Whether the rows are lines of text in two columns or more.
fn is_text(rows: &[&Row], channels: &Channels, columns: &[Column]) -> bool {
    let mut own = vec![Column::NONE; columns.len()];
    for row in rows {
        for cell in &row.cells {
            let column = &mut own[channels.column(cell)];
            column.n_cells += 1;
            column.n_chars += cell.n_chars;
            column.filled += cell.width();
        }
    }
    let n_texts = own.iter().zip(columns).filter(|(own, column)| {
        let with_width = Column {
            x0: column.x0,
            x1: column.x1,
            ..**own
        };
        own.n_cells >= MIN_ROWS && with_width.is_text(own.n_cells)
    });
    n_texts.count() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdf::columns::regions;
    use crate::pdf::word::Word;

    fn word(order: usize, text: &str, x: f32, y: f32) -> Word {
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
            order: u32::try_from(order).unwrap(),
            ends_soft: false,
            is_glued: false,
            font: 0,
        }
    }

    /// A page from lines: each starts with its height, then places and texts.
    fn page(lines: &[(f32, Vec<(f32, String)>)]) -> Vec<Word> {
        let texts = lines
            .iter()
            .flat_map(|(y, cells)| cells.iter().map(move |(x, text)| (*x, *y, text)));
        texts
            .enumerate()
            .map(|(order, (x, y, text))| word(order * 2, &text.replace(' ', "_"), x, y))
            .collect()
    }

    /// Lines of text that fill columns of 200 points at `xs`, from height `y` on, the last of them short.
    fn prose(xs: &[f32], y: f32, n: u8) -> Vec<(f32, Vec<(f32, String)>)> {
        let text = |row: u8, column: usize| {
            let tail = if row + 1 == n {
                "short."
            } else {
                "and so it goes on here"
            };
            format!(
                "col {column} line {row:02} {tail}{}",
                ["", " a", " of"][usize::from(row % 3)]
            )
        };
        (0..n)
            .map(|row| {
                let cells = xs.iter().enumerate();
                let cells = cells.map(|(column, x)| (*x, text(row, column)));
                (y + f32::from(row) * 12.0, cells.collect())
            })
            .collect()
    }

    /// Rows of a table 14 points apart.
    fn table(xs: &[f32], y: f32, rows: &[&[&str]]) -> Vec<(f32, Vec<(f32, String)>)> {
        let mut y = y - 14.0;
        let line = |row: &&[&str]| {
            y += 14.0;
            let cells = xs.iter().zip(*row).filter(|(_, text)| !text.is_empty());
            (y, cells.map(|(x, text)| (*x, (*text).to_owned())).collect())
        };
        rows.iter().map(line).collect()
    }

    /// The first and last words of each region.
    fn read(words: Vec<Word>) -> Vec<(String, String)> {
        let regions = regions(words, &[]);
        let ends = regions.iter().map(|region| {
            let mut words: Vec<&Word> = region.iter().flat_map(|f| &f.words).collect();
            words.sort_by(|a, b| {
                (a.rect.y0, a.rect.x0)
                    .partial_cmp(&(b.rect.y0, b.rect.x0))
                    .unwrap()
            });
            (words[0].text.clone(), words[words.len() - 1].text.clone())
        });
        ends.collect()
    }

    const ROUTES: &[&[&str]] = &[
        &["Route", "2022", "2023", "2024", "2025"],
        &["R1", "398120", "412300", "431850", "433000"],
        &["R4", "79330", "88120", "97560", "98000"],
        &["R7", "2100", "", "2900", "3100"],
        &["All", "683910", "704070", "732010", "740000"],
    ];
    const PARTS: &[&[&str]] = &[
        &["Part", "Count", "Price"],
        &["Bolt", "12", "0.10"],
        &["Nut", "7", "0.05"],
        &["Gear", "1", "9.99"],
    ];
    const FLAGS: &[&[&str]] = &[
        &["Flag", "Meaning"],
        &["Alfa", "diver down"],
        &["Golf", "wants a pilot"],
        &["Hotel", "pilot on board"],
        &["Quebec", "healthy"],
    ];

    #[test]
    fn tables_over_the_gutter_of_text_stay_whole() {
        // The gutter is white from 250 to 300; so are places in all of these tables.
        let text = [50.0, 300.0];
        for (xs, rows) in [
            (&[50.0, 120.0, 200.0, 320.0, 400.0][..], ROUTES),
            (&[50.0, 210.0, 400.0], PARTS),
            (&[50.0, 300.0], FLAGS),
        ] {
            let ends = (rows[0][0].to_owned(), {
                let last = rows[rows.len() - 1];
                last[last.len() - 1].replace(' ', "_")
            });
            let height = |n: usize| f32::from(u8::try_from(n).unwrap()) * 14.0;
            for (n_above, n_below) in [(0, 9), (9, 0), (9, 9)] {
                let top = f32::from(n_above) * 12.0 + 10.0;
                let lines = [
                    prose(&text, 0.0, n_above),
                    table(xs, top, rows),
                    prose(&text, top + height(rows.len()) + 6.0, n_below),
                ];
                let read = read(page(&lines.concat()));
                let n_text = |n: u8| if n > 0 { 2 } else { 0 };
                let (above, below) = (n_text(n_above), n_text(n_below));
                assert_eq!(read.len(), above + 1 + below, "{read:?}");
                assert_eq!(read[above], ends, "{read:?}");
            }
        }
    }

    #[test]
    fn columns_of_text_are_no_table() {
        // Lines on the same heights, in two and three columns, with and without short lines among them.
        for xs in [&[50.0, 300.0][..], &[50.0, 270.0, 490.0]] {
            let lines = [prose(xs, 0.0, 8), prose(xs, 108.0, 2), prose(xs, 144.0, 8)];
            let read = read(page(&lines.concat()));
            assert_eq!(read.len(), xs.len(), "{read:?}");
        }
    }

    #[test]
    fn text_beside_a_table_is_none_of_it() {
        let mut lines = prose(&[50.0, 300.0], 0.0, 12);
        for ((_, cells), row) in lines.iter_mut().skip(4).zip(ROUTES) {
            let xs = [300.0, 350.0, 400.0, 450.0, 500.0];
            cells.truncate(1);
            cells.extend(
                xs.into_iter()
                    .zip(row.iter().map(|cell| (*cell).to_owned())),
            );
        }
        let read = read(page(&lines));
        assert!(
            read.iter().all(|(first, _)| !first.starts_with("col_0"))
                || read[0].1.starts_with("col_0"),
            "{read:?}"
        );
    }
}
