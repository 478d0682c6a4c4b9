//! Tables of `OpenDocument` (ODF 1.3 part 3, section 9): spans, covered cells, repeated cells and rows, header rows.

use quick_xml::events::BytesStart;

use super::content::{Item, Table, objects, plain};
use crate::builder::count_text;
use crate::table::SpanCell;
use crate::xml::attr;

/// Cells of one table, repeated ones included. Bounds memory.
const MAX_CELLS: usize = 500_000;
/// Bytes of text that repetition may add to one table.
const MAX_REPEATED_BYTES: usize = 16 << 20;
/// Widest cell or run of empty cells that is believed.
const MAX_SPAN: usize = 1_000;

/// A table whose rows are being read.
#[derive(Default)]
pub(super) struct OpenTable {
    rows: Vec<Vec<SpanCell>>,
    row: Vec<SpanCell>,
    n_row_repeats: usize,
    is_row_open: bool,
    /// The open row has cells that merged ones cover.
    has_covered: bool,
    cell: Option<OpenCell>,
    in_header: bool,
    n_cells: usize,
    n_repeated_bytes: usize,
    n_cut: u64,
    n_covered: u64,
    objects: Vec<String>,
}

/// A table that was read.
pub(super) struct ReadTable {
    pub(super) table: Table,
    /// Repeated cells that are not among them.
    pub(super) n_cut: u64,
    /// Characters in covered cells.
    pub(super) n_covered: u64,
}

#[derive(Default)]
struct OpenCell {
    items: Vec<Item>,
    n_cols: usize,
    n_rows: usize,
    n_repeats: usize,
    is_covered: bool,
}

impl OpenTable {
    pub(super) fn start(&mut self, local: &str, element: &BytesStart<'_>) {
        let number = |name| {
            attr(element, name)
                .and_then(|n| n.parse::<usize>().ok())
                .unwrap_or(1)
        };
        match local {
            "table-header-rows" => self.in_header = true,
            "table-row" => {
                self.close_row();
                self.n_row_repeats = number("number-rows-repeated").max(1);
                (self.is_row_open, self.has_covered) = (true, false);
            }
            "table-cell" | "covered-table-cell" => {
                self.close_cell();
                self.cell = Some(OpenCell {
                    items: Vec::new(),
                    n_cols: number("number-columns-spanned").clamp(1, MAX_SPAN),
                    n_rows: number("number-rows-spanned").max(1),
                    n_repeats: number("number-columns-repeated").max(1),
                    is_covered: local == "covered-table-cell",
                });
            }
            _ => {}
        }
    }

    pub(super) fn end(&mut self, local: &str) {
        match local {
            "table-header-rows" => self.in_header = false,
            "table-row" => self.close_row(),
            "table-cell" | "covered-table-cell" => self.close_cell(),
            _ => {}
        }
    }

    /// Takes what stands in the open cell; between cells no text may stand.
    pub(super) fn give(&mut self, item: Item) {
        if let Some(cell) = &mut self.cell {
            cell.items.push(item);
        }
    }

    /// How many of `n` copies of a text of `n_bytes` may be made; at least one.
    fn allowed(&mut self, n: usize, n_cells: usize, n_bytes: usize) -> usize {
        let left = MAX_CELLS.saturating_sub(self.n_cells) / n_cells.max(1);
        let left_bytes = (MAX_REPEATED_BYTES - self.n_repeated_bytes) / n_bytes.max(1);
        let allowed = n.min(left).min(left_bytes).max(1);
        self.n_cells += allowed * n_cells;
        self.n_repeated_bytes +=
            ((allowed - 1) * n_bytes).min(MAX_REPEATED_BYTES - self.n_repeated_bytes);
        self.n_cut += ((n - allowed) * n_cells) as u64;
        allowed
    }

    fn close_cell(&mut self) {
        let Some(cell) = self.cell.take() else {
            return;
        };
        let text = plain(&cell.items);
        self.objects.extend(objects(&cell.items));
        if cell.is_covered {
            // What a merged cell covers is not shown, though writers may leave text in it.
            self.n_covered += count_text(&text);
            self.has_covered = true;
            return;
        }
        let is_header = self.in_header;
        let of = |text: String, n_cols| SpanCell {
            text,
            n_cols,
            n_rows: cell.n_rows,
            is_header,
        };
        if text.trim().is_empty() {
            // Sheets end in thousands of empty cells.
            let n_cols = cell.n_cols.max(cell.n_repeats).min(MAX_SPAN);
            self.row.push(of(String::new(), n_cols));
            return;
        }
        for _ in 0..self.allowed(cell.n_repeats, 1, text.len()) {
            self.row.push(of(text.clone(), cell.n_cols));
        }
    }

    fn close_row(&mut self) {
        self.close_cell();
        let row = std::mem::take(&mut self.row);
        if !std::mem::take(&mut self.is_row_open) && row.is_empty() {
            return;
        }
        let n_bytes: usize = row.iter().map(|cell| cell.text.len()).sum();
        let n = if n_bytes == 0 && !self.has_covered {
            1
        } else {
            self.allowed(self.n_row_repeats.max(1), row.len(), n_bytes)
        };
        for _ in 1..n {
            self.rows.push(row.clone());
        }
        self.rows.push(row);
        self.n_row_repeats = 1;
    }

    /// Closes what is open.
    pub(super) fn finish(mut self) -> ReadTable {
        self.close_row();
        ReadTable {
            table: Table {
                rows: self.rows,
                objects: self.objects,
            },
            n_cut: self.n_cut,
            n_covered: self.n_covered,
        }
    }
}
