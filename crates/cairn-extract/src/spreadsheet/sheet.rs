//! One sheet as its reader found it, and its way to elements: heading, tables, titles and notes between them.
//!
//! Sparse: only filled cells are held, so a sheet that claims a million rows costs what it holds.

use std::collections::BTreeSet;

use cairn_types::WarningCode;

use super::layout::{Block, push_blocks};
use crate::builder::{Builder, count_text};
use crate::text::clean;

/// Filled cells read of one workbook. Bounds memory; the rest is counted and named in a warning.
const MAX_CELLS: u64 = 5_000_000;
/// Bytes of text in them: a shared text may be named by each cell.
const MAX_TEXT: usize = 128 << 20;
/// Cells that repeat another one: repeated rows of ODS, merged ranges.
const MAX_REPEATED: u64 = 200_000;

/// Where a cell's text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The cell's own.
    Own,
    /// Repeated from the left, of a merged range.
    Across,
    /// Repeated from above, of a merged range.
    Down,
}

/// A filled cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    /// From 0.
    pub(super) column: u32,
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// A row with at least one filled cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// From 0.
    pub(super) number: u32,
    /// Rising by column once the sheet is settled.
    pub(super) cells: Vec<Cell>,
}

impl Row {
    pub(super) fn n_own(&self) -> usize {
        let own = self.cells.iter().filter(|cell| cell.origin == Origin::Own);
        own.count()
    }

    fn position(&self, column: u32) -> Result<usize, usize> {
        self.cells.binary_search_by_key(&column, |cell| cell.column)
    }
}

/// A merged range, ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Merged {
    pub(super) rows: (u32, u32),
    pub(super) columns: (u32, u32),
}

/// What a reader found in one sheet.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub(super) name: String,
    pub(super) is_hidden: bool,
    pub(super) rows: Vec<Row>,
    pub(super) merged: Vec<Merged>,
    /// Rows that are hidden, from 0. Only those that hold cells matter.
    pub(super) hidden_rows: BTreeSet<u32>,
    /// First and last column of hidden ranges, from 0.
    pub(super) hidden_columns: Vec<(u32, u32)>,
    /// Formulas without a stored value.
    pub(super) n_uncached: u64,
    /// Cells that could not be read.
    pub(super) n_unreadable: u64,
}

/// What one workbook may hold, and what was left out for that.
#[derive(Debug, Default)]
pub(super) struct Budget {
    n_cells: u64,
    n_text: usize,
    n_repeated: u64,
    n_cells_over: u64,
    n_chars_over: u64,
}

impl Budget {
    fn take(&mut self, text: &str) -> bool {
        self.n_cells += 1;
        self.n_text += text.len();
        if self.n_cells <= MAX_CELLS && self.n_text <= MAX_TEXT {
            return true;
        }
        self.n_text -= text.len();
        self.n_cells_over += 1;
        self.n_chars_over += count_text(text);
        false
    }

    /// Of `n` copies of a cell those that may be made. The others are counted as left out.
    pub(super) fn repeats(&mut self, n: u64) -> u64 {
        let allowed = n.min(MAX_REPEATED.saturating_sub(self.n_repeated));
        self.n_repeated += allowed;
        self.n_cells_over = self.n_cells_over.saturating_add(n - allowed);
        allowed
    }

    /// Counts cells that no limit allows for.
    pub(super) fn leave_out(&mut self, n: u64) {
        self.n_cells_over = self.n_cells_over.saturating_add(n);
    }

    /// Says what was left out.
    pub(super) fn close(&self, builder: &mut Builder) {
        if self.n_cells_over > 0 {
            builder.report.cells_failed += self.n_cells_over;
            builder.failed(self.n_chars_over);
            let n = self.n_cells_over;
            builder.warn(
                WarningCode::Limit,
                None,
                format!("{n} cells over the limits of one workbook were not read"),
            );
        }
    }
}

impl Sheet {
    /// Adds a filled cell; an empty text adds nothing. Rows and columns may come in any order.
    pub(super) fn add(&mut self, row: u32, column: u32, text: &str, budget: &mut Budget) {
        let text = clean(text).0;
        let text = text.trim();
        if text.is_empty() || !budget.take(text) {
            return;
        }
        let cell = Cell {
            column,
            text: text.to_owned(),
            origin: Origin::Own,
        };
        match self.rows.last_mut() {
            Some(last) if last.number == row => last.cells.push(cell),
            _ => self.rows.push(Row {
                number: row,
                cells: vec![cell],
            }),
        }
    }

    /// Puts rows and cells into order. Two cells at one place, which no program writes, become one.
    fn settle(&mut self) {
        if !self.rows.is_sorted_by(|a, b| a.number < b.number) {
            self.rows.sort_by_key(|row| row.number);
            let mut rows: Vec<Row> = Vec::with_capacity(self.rows.len());
            for row in self.rows.drain(..) {
                match rows.last_mut() {
                    Some(last) if last.number == row.number => last.cells.extend(row.cells),
                    _ => rows.push(row),
                }
            }
            self.rows = rows;
        }
        for row in &mut self.rows {
            if row.cells.is_sorted_by(|a, b| a.column < b.column) {
                continue;
            }
            row.cells.sort_by_key(|cell| cell.column);
            row.cells.dedup_by(|next, kept| {
                let is_same = next.column == kept.column;
                if is_same {
                    kept.text.push(' ');
                    kept.text.push_str(&next.text);
                }
                is_same
            });
        }
    }

    /// Repeats the text of merged ranges in the cells that they cover: downwards in rows that hold something else,
    /// across unless the cell stands alone in its row (a title, a caption of a section).
    fn resolve_merged(&mut self, budget: &mut Budget) {
        let mut ranges = std::mem::take(&mut self.merged);
        // Ranges overlap in damaged files only: there the smaller one says more.
        ranges.sort_by_key(|range| {
            let n_rows = u64::from(range.rows.1 - range.rows.0) + 1;
            let n_columns = u64::from(range.columns.1 - range.columns.0) + 1;
            (n_rows * n_columns, range.rows.0, range.columns.0)
        });
        let last_column = self.rows.iter().filter_map(|row| row.cells.last());
        let last_column = last_column.map(|cell| cell.column).max().unwrap_or(0);
        for range in ranges {
            let Ok(first) = self
                .rows
                .binary_search_by_key(&range.rows.0, |row| row.number)
            else {
                continue;
            };
            let Ok(at) = self.rows[first].position(range.columns.0) else {
                continue;
            };
            let text = self.rows[first].cells[at].text.clone();
            let right = range.columns.1.min(last_column);
            for idx in first..self.rows.len() {
                let number = self.rows[idx].number;
                if number > range.rows.1 {
                    break;
                }
                let is_alone = idx == first && self.stands_alone(first, &range);
                if is_alone {
                    continue;
                }
                let origin = if idx == first {
                    Origin::Across
                } else {
                    Origin::Down
                };
                for column in range.columns.0..=right {
                    let row = &mut self.rows[idx];
                    if let Err(place) = row.position(column) {
                        if budget.repeats(1) == 0 {
                            return;
                        }
                        let text = text.clone();
                        row.cells.insert(
                            place,
                            Cell {
                                column,
                                text,
                                origin,
                            },
                        );
                    }
                }
            }
        }
    }

    /// Whether a range's row holds nothing else, and it is no caption over some columns of the row below.
    fn stands_alone(&self, idx: usize, range: &Merged) -> bool {
        let row = &self.rows[idx];
        let is_inside = |column: u32| (range.columns.0..=range.columns.1).contains(&column);
        if row.cells.iter().any(|cell| !is_inside(cell.column)) {
            return false;
        }
        let below = self.rows.get(idx + 1);
        below.is_none_or(|below| {
            below.number != range.rows.1 + 1
                || below.n_own() < 2
                || below
                    .cells
                    .first()
                    .is_none_or(|cell| is_inside(cell.column))
        })
    }

    fn is_hidden_column(&self, column: u32) -> bool {
        let mut ranges = self.hidden_columns.iter();
        ranges.any(|&(first, last)| (first..=last).contains(&column))
    }

    /// Says which hidden rows and columns hold something.
    fn warn_hidden(&self, builder: &mut Builder) -> Option<String> {
        let rows = self.rows.iter();
        let n_rows = rows
            .filter(|row| self.hidden_rows.contains(&row.number))
            .count();
        let mut columns = BTreeSet::new();
        if !self.hidden_columns.is_empty() {
            for cell in self.rows.iter().flat_map(|row| &row.cells) {
                if !columns.contains(&cell.column) && self.is_hidden_column(cell.column) {
                    columns.insert(cell.column);
                }
            }
        }
        let names: Vec<String> = columns.iter().take(10).map(|&c| column_name(c)).collect();
        let mut parts = Vec::new();
        if n_rows > 0 {
            parts.push(format!("{n_rows} rows"));
        }
        if !names.is_empty() {
            let more = if columns.len() > names.len() {
                ", …"
            } else {
                ""
            };
            parts.push(format!("columns {}{more}", names.join(", ")));
        }
        if parts.is_empty() {
            return None;
        }
        let what = parts.join(" and ");
        let name = &self.name;
        builder.warn(
            WarningCode::Hidden,
            None,
            format!("sheet `{name}` has hidden {what}; they were read"),
        );
        Some(format!("Hidden in the sheet: {what}."))
    }
}

/// Letters of a column from 0: A, Z, AA.
pub(super) fn column_name(column: u32) -> String {
    let mut name = Vec::new();
    let mut left = column;
    loop {
        name.push(char::from(b'A' + u8::try_from(left % 26).unwrap_or(0)));
        if left < 26 {
            break;
        }
        left = left / 26 - 1;
    }
    name.iter().rev().collect()
}

/// Adds the elements of a sheet, and says what was hidden or missing in it.
pub(super) fn push_sheet(builder: &mut Builder, mut sheet: Sheet, budget: &mut Budget) {
    let name = &sheet.name;
    if sheet.n_uncached > 0 {
        let n = sheet.n_uncached;
        builder.report.cells_failed += n;
        builder.warn(
            WarningCode::MissingValue,
            None,
            format!(
                "{n} formulas in sheet `{name}` have no stored value; open and save the file in its program"
            ),
        );
    }
    if sheet.n_unreadable > 0 {
        let n = sheet.n_unreadable;
        builder.report.cells_failed += n;
        builder.warn(
            WarningCode::Unreadable,
            None,
            format!("{n} cells of sheet `{name}` could not be read"),
        );
    }
    if sheet.rows.is_empty() {
        return;
    }
    let label = if sheet.is_hidden {
        builder.warn(
            WarningCode::Hidden,
            None,
            format!("sheet `{name}` is hidden; it was read"),
        );
        format!("{name} (hidden)")
    } else {
        name.clone()
    };
    builder.headings_are_names = true;
    builder.heading(1, label.clone());
    sheet.settle();
    let note = sheet.warn_hidden(builder);
    sheet.resolve_merged(budget);
    push_blocks(builder, &label, note.as_deref(), Block::all(sheet.rows));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_letters() {
        for (column, expect) in [
            (0, "A"),
            (25, "Z"),
            (26, "AA"),
            (701, "ZZ"),
            (702, "AAA"),
            (16_383, "XFD"),
        ] {
            assert_eq!(column_name(column), expect);
        }
    }

    #[test]
    fn cells_in_any_order_settle() {
        let mut sheet = Sheet::default();
        let mut budget = Budget::default();
        for (row, column, text) in [
            (5, 1, "d"),
            (0, 1, "b"),
            (0, 0, "a"),
            (5, 0, "c"),
            (0, 1, "again"),
        ] {
            sheet.add(row, column, text, &mut budget);
        }
        sheet.settle();
        let texts: Vec<Vec<&str>> = sheet
            .rows
            .iter()
            .map(|row| row.cells.iter().map(|cell| cell.text.as_str()).collect())
            .collect();
        assert_eq!(texts, [vec!["a", "b again"], vec!["c", "d"]]);
    }

    #[test]
    fn limits_are_counted() {
        let mut builder = Builder::new(10);
        let mut budget = Budget {
            n_cells: MAX_CELLS,
            ..Budget::default()
        };
        let mut sheet = Sheet::default();
        sheet.add(0, 0, "over", &mut budget);
        assert_eq!(budget.repeats(u64::MAX / 2), MAX_REPEATED);
        assert!(sheet.rows.is_empty());
        budget.close(&mut builder);
        assert!(builder.report.cells_failed > MAX_REPEATED);
        assert_eq!(builder.report.chars_failed, 4);
    }
}
