//! The tables of a sheet: blank rows and columns part it into blocks; titles and notes stand apart from their rows.

use std::collections::BTreeSet;

use super::sheet::{Origin, Row};
use crate::builder::{Builder, count_text};
use crate::table::{MAX_HEADER_ROWS, Table, join_header, looks_like_header, push_table};

/// How often a block is cut by rows and columns in turn. A guess: more than people nest tables.
const MAX_CUTS: usize = 4;

/// Rows that belong together.
#[derive(Debug, Default)]
pub(super) struct Block {
    rows: Vec<Row>,
}

impl Block {
    /// The blocks of `rows`, from the top; those side by side from the left.
    pub(super) fn all(rows: Vec<Row>) -> Vec<Self> {
        cut(rows, MAX_CUTS)
    }
}

fn cut(rows: Vec<Row>, n_cuts: usize) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for row in rows {
        match blocks.last_mut() {
            Some(block) if block.rows.last().is_some_and(|last| goes_on(last, &row)) => {
                block.rows.push(row);
            }
            _ => blocks.push(Block { rows: vec![row] }),
        }
    }
    if n_cuts == 0 {
        return blocks;
    }
    let mut out = Vec::with_capacity(blocks.len());
    for block in blocks {
        let cuts = column_cuts(&block.rows);
        if cuts.is_empty() {
            out.push(block);
            continue;
        }
        for part in split_columns(block.rows, &cuts) {
            out.extend(cut(part, n_cuts - 1));
        }
    }
    out
}

/// Whether `next` stands right below `row`, and not to one side of it: two tables may touch at a corner.
fn goes_on(row: &Row, next: &Row) -> bool {
    let (Some(first), Some(last)) = (row.cells.first(), row.cells.last()) else {
        return false;
    };
    let (Some(next_first), Some(next_last)) = (next.cells.first(), next.cells.last()) else {
        return false;
    };
    let is_beside = last.column < next_first.column || next_last.column < first.column;
    row.number + 1 == next.number && !(is_beside && row.cells.len() > 1 && next.cells.len() > 1)
}

fn used_columns(rows: &[Row]) -> Vec<u32> {
    let cells = rows.iter().flat_map(|row| &row.cells);
    let columns: BTreeSet<u32> = cells.map(|cell| cell.column).collect();
    columns.into_iter().collect()
}

/// The first columns of tables that stand to the right of another table, with a blank column between. A blank column
/// alone parts nothing: it may be there for looks, between a label and its value.
fn column_cuts(rows: &[Row]) -> Vec<u32> {
    let columns = used_columns(rows);
    let runs: Vec<&[u32]> = columns.chunk_by(|a, b| a + 1 == *b).collect();
    if runs.len() < 2 {
        return Vec::new();
    }
    // Of each run: rows that it has cells in, and whether one of the first two looks like a header.
    let mut found = vec![(0usize, false); runs.len()];
    for row in rows {
        let mut cells = row.cells.as_slice();
        for (run, (n_rows, has_header)) in runs.iter().zip(&mut found) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else {
                continue;
            };
            let n = cells.iter().take_while(|cell| cell.column <= *last).count();
            let (inside, rest) = cells.split_at(n);
            cells = rest;
            if inside.is_empty() {
                continue;
            }
            *n_rows += 1;
            if *n_rows <= 2 && run.len() >= 2 && inside.len() >= 2 {
                let mut texts = vec![String::new(); run.len()];
                for cell in inside {
                    texts[(cell.column - first) as usize].clone_from(&cell.text);
                }
                *has_header |= looks_like_header(&texts);
            }
        }
    }
    let is_table = |idx: usize| found[idx].0 >= 2 && found[idx].1;
    let mut cuts = Vec::new();
    let mut left_is_table = is_table(0);
    for (idx, run) in runs.iter().enumerate().skip(1) {
        if is_table(idx) && left_is_table {
            cuts.extend(run.first());
        }
        left_is_table |= is_table(idx);
    }
    cuts
}

fn split_columns(rows: Vec<Row>, cuts: &[u32]) -> Vec<Vec<Row>> {
    let mut parts: Vec<Vec<Row>> = vec![Vec::new(); cuts.len() + 1];
    for row in rows {
        for cell in row.cells {
            let part = &mut parts[cuts.partition_point(|cut| *cut <= cell.column)];
            match part.last_mut() {
                Some(last) if last.number == row.number => last.cells.push(cell),
                _ => part.push(Row {
                    number: row.number,
                    cells: vec![cell],
                }),
            }
        }
    }
    parts
}

/// Adds the blocks of one sheet; `note` is said of each table.
pub(super) fn push_blocks(
    builder: &mut Builder,
    label: &str,
    note: Option<&str>,
    blocks: Vec<Block>,
) {
    let mut previous: Option<(Vec<String>, Vec<u32>)> = None;
    for Block { mut rows } in blocks {
        let columns = used_columns(&rows);
        // Titles and notes around the table: rows of one cell where the table has more.
        let (n_title, n_note) = if columns.len() == 1 {
            (if rows.len() <= 3 { rows.len() } else { 0 }, 0)
        } else {
            let n_title = rows.iter().take_while(|row| row.cells.len() == 1).count();
            let is_note = |row: &&Row| {
                columns.len() > 2
                    && row.cells.len() == 1
                    && row.cells[0].text.split(' ').count() > 3
            };
            let body = &rows[n_title..];
            (n_title, body.iter().rev().take_while(is_note).count())
        };
        let notes = rows.split_off(rows.len() - n_note);
        let body = rows.split_off(n_title);
        push_lines(builder, rows);
        if !body.is_empty() {
            let mut table = to_table(body, &columns);
            table.label = Some(label.to_owned());
            table.note = note.map(str::to_owned);
            match &previous {
                // A blank line within one table: the columns go on, and the first row is data.
                Some((header, before))
                    if table.header.is_empty()
                        && *before == columns
                        && !looks_like_header(&table.rows[0]) =>
                {
                    table.header.clone_from(header);
                }
                _ => table.guess_header(),
            }
            previous = Some((table.header.clone(), columns));
            push_table(builder, &table);
        }
        push_lines(builder, notes);
    }
}

fn push_lines(builder: &mut Builder, rows: Vec<Row>) {
    for row in rows {
        let own = row.cells.into_iter().filter(|c| c.origin == Origin::Own);
        builder.report.cells += 1;
        builder.paragraph(own.map(|cell| cell.text).collect::<String>());
    }
}

/// The rows over `columns`, with a header where merged cells show that several rows are one.
fn to_table(rows: Vec<Row>, columns: &[u32]) -> Table {
    let own = rows.iter().flat_map(|row| &row.cells);
    let own = own.filter(|cell| cell.origin == Origin::Own);
    let n_chars = own.clone().map(|cell| count_text(&cell.text)).sum();
    let n_cells = own.count();
    let n_header = merged_header_rows(&rows, columns);
    // Cells scattered over a wide area: a full grid of them would cost its area, not its cells.
    let is_sparse = rows.len().saturating_mul(columns.len()) > 200_000 + 4 * n_cells;
    let mut grid: Vec<Vec<String>> = Vec::with_capacity(rows.len());
    for row in rows {
        if is_sparse {
            grid.push(row.cells.into_iter().map(|cell| cell.text).collect());
            continue;
        }
        let mut texts = vec![String::new(); columns.len()];
        let mut at = 0;
        for cell in row.cells {
            while columns[at] < cell.column {
                at += 1;
            }
            texts[at] = cell.text;
        }
        grid.push(texts);
    }
    let mut table = Table {
        n_chars: Some(n_chars),
        n_cells: Some(n_cells as u64),
        ..Table::default()
    };
    if n_header > 1 && !is_sparse {
        let body = grid.split_off(n_header);
        table.header = join_header(&grid);
        grid = body;
    }
    table.rows = grid;
    table
}

/// Rows of a header of several rows: cells merged across stand over the columns of the row below them, cells merged
/// downwards reach into it. 0 or 1 where there is none such.
fn merged_header_rows(rows: &[Row], columns: &[u32]) -> usize {
    let texts_of = |row: &Row| -> Vec<String> {
        let mut texts = vec![String::new(); columns.len()];
        for cell in &row.cells {
            if let Ok(at) = columns.binary_search(&cell.column) {
                texts[at].clone_from(&cell.text);
            }
        }
        texts
    };
    let mut n = 0;
    while n < MAX_HEADER_ROWS.min(rows.len().saturating_sub(1)) {
        let row = &rows[n];
        let goes_on = n > 0
            && (row.cells.iter().any(|cell| cell.origin == Origin::Down)
                || rows[n - 1]
                    .cells
                    .iter()
                    .any(|cell| cell.origin == Origin::Across));
        let texts = texts_of(row);
        // The top row may leave its corner and single columns blank.
        let filled: Vec<String> = texts.into_iter().filter(|t| !t.is_empty()).collect();
        if (n > 0 && !goes_on) || !is_caption(&filled) {
            break;
        }
        n += 1;
    }
    n
}

/// Texts, or years: what stands in headers. At least two of them differ.
fn is_caption(filled: &[String]) -> bool {
    let mut with_word = filled.to_vec();
    // A row of years alone is a header below a merged one.
    with_word.push("x".to_owned());
    !filled.is_empty() && looks_like_header(&with_word)
}
