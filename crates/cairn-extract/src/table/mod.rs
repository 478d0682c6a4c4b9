//! Rows of cells to table elements: a descriptor of the whole, then pieces of rows with the header repeated on top.
//!
//! One row a line, cells joined by ` | `. A piece fits a chunk, so a reader (or a model) of any chunk sees what the
//! columns mean.

mod amount;
mod groups;
mod summary;
mod totals;

use cairn_types::{Element, ElementKind};

use crate::builder::{Builder, count_text};
use crate::text::{clean, collapse};

/// One table. Rows may differ in length.
#[derive(Debug, Default, Clone)]
pub(crate) struct Table {
    /// Header row; empty where the table has none.
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    /// Name of the sheet or caption.
    pub(crate) label: Option<String>,
    pub(crate) page: Option<u32>,
    pub(crate) bbox: Option<cairn_types::BoundingBox>,
    /// Characters of the document in the cells, where cells repeat merged ones.
    pub(crate) n_chars: Option<u64>,
    /// Cells of the document, where cells repeat merged ones.
    pub(crate) n_cells: Option<u64>,
    /// What a reader of the whole should know, as one sentence.
    pub(crate) note: Option<String>,
}

impl Table {
    /// Takes the first row as header where it looks like one.
    pub(crate) fn guess_header(&mut self) {
        if self.header.is_empty() && self.rows.len() >= 2 && looks_like_header(&self.rows[0]) {
            self.header = self.rows.remove(0);
        }
    }
}

/// A row of distinct texts, at least half of its cells filled, no numbers but years.
pub(crate) fn looks_like_header(row: &[String]) -> bool {
    let filled: Vec<&str> = row
        .iter()
        .map(|c| c.trim())
        .filter(|c| !c.is_empty())
        .collect();
    if filled.is_empty() || filled.len() * 2 < row.len() {
        return false;
    }
    let n_years = filled.iter().filter(|cell| is_year(cell)).count();
    let n_numbers = filled.iter().filter(|cell| is_number(cell)).count();
    n_numbers == n_years && n_years < filled.len().max(2) && filled.iter().all(|c| c.len() < 200)
}

/// Four digits between 1800 and 2199.
pub(crate) fn is_year(cell: &str) -> bool {
    cell.len() == 4
        && cell
            .parse::<u16>()
            .is_ok_and(|year| (1800..2200).contains(&year))
}

/// Digits with the marks that amounts, percentages and dates have.
pub(crate) fn is_number(cell: &str) -> bool {
    let n_digits = cell.chars().filter(char::is_ascii_digit).count();
    let n_letters = cell.chars().filter(|c| c.is_alphabetic()).count();
    n_digits > 0 && n_letters == 0
}

/// Header rows above each other. A guess.
pub(crate) const MAX_HEADER_ROWS: usize = 4;

/// One header row of several: the texts of each column from the top, joined by ` / `, each once. O(cells).
pub(crate) fn join_header(rows: &[Vec<String>]) -> Vec<String> {
    let n_cols = rows.iter().map(Vec::len).max().unwrap_or(0);
    (0..n_cols)
        .map(|col| {
            let mut parts: Vec<&str> = Vec::new();
            for row in rows {
                let text = row.get(col).map_or("", |text| text.trim());
                if !text.is_empty() && !parts.contains(&text) {
                    parts.push(text);
                }
            }
            parts.join(" / ")
        })
        .collect()
}

/// A row as one line; only `columns` where there are some.
fn row_line(row: &[String], columns: &[usize]) -> String {
    let cells: Vec<&str> = if columns.is_empty() {
        row.iter().map(String::as_str).collect()
    } else {
        let cell = |at: &usize| row.get(*at).map_or("", String::as_str);
        columns.iter().map(cell).collect()
    };
    let last = cells.iter().rposition(|cell| !cell.trim().is_empty());
    let mut line = String::new();
    for (idx, cell) in cells
        .iter()
        .enumerate()
        .take(last.map_or(0, |last| last + 1))
    {
        if idx > 0 {
            line.push_str(" | ");
        }
        line.push_str(&collapse(cell));
    }
    line
}

/// Adds the table: its descriptor, then its pieces, each with the header on top. Counts its cells.
pub(crate) fn push_table(builder: &mut Builder, table: &Table) {
    let all_rows = || std::iter::once(&table.header).chain(&table.rows);
    let n_cells = all_rows()
        .flatten()
        .filter(|cell| !cell.trim().is_empty())
        .count();
    if n_cells == 0 {
        return;
    }
    builder.report.tables += 1;
    builder.report.cells += table.n_cells.unwrap_or(n_cells as u64);
    let element = |kind: ElementKind, text: String| {
        let mut element = Element::new(kind, text);
        element.label.clone_from(&table.label);
        element.page = table.page;
        element.bbox = table.bbox;
        element
    };
    if let Some(text) = summary::summarize(table) {
        // The text is Cairn's own: none of it is the document's.
        builder.push_counted(element(ElementKind::TableSummary, text), 0);
    }
    let mut left = table
        .n_chars
        .unwrap_or_else(|| all_rows().flatten().map(|cell| count_text(cell)).sum());
    // The last piece takes the characters that are left, so the one before it waits.
    let mut waiting: Option<(String, u64)> = None;
    groups::pieces(table, &mut |piece| {
        let mut text = row_line(&table.header, piece.columns);
        let mut n_body = 0;
        for row in piece.rows.iter().filter(|row| piece.holds(row)) {
            let line = row_line(row, piece.columns);
            n_body += count_text(&line);
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&line);
        }
        let is_named = piece.rows.is_empty() && !text.is_empty();
        if n_body == 0 && !is_named {
            return;
        }
        if let Some((text, n_chars)) = waiting.replace((text, n_body)) {
            let n_chars = n_chars.min(left);
            left -= n_chars;
            builder.push_counted(element(ElementKind::Table, text), n_chars);
        }
    });
    if let Some((text, _)) = waiting {
        builder.push_counted(element(ElementKind::Table, text), left);
    }
}

/// A cell with its spans, as HTML and DOCX give them.
#[derive(Debug, Clone, Default)]
pub(crate) struct SpanCell {
    pub(crate) text: String,
    pub(crate) n_cols: usize,
    pub(crate) n_rows: usize,
    pub(crate) is_header: bool,
}

/// Columns of a resolved table; more are cut off (a spreadsheet's limit is 16,384).
const MAX_COLS: usize = 1_000;

/// Resolves row and column spans: each covered cell repeats the text. A cell over the whole width stays one cell.
/// Returns the rows, and how many of the first ones hold header cells only.
pub(crate) fn resolve_spans(rows: &[Vec<SpanCell>]) -> (Vec<Vec<String>>, usize) {
    let mut grid: Vec<Vec<String>> = Vec::with_capacity(rows.len());
    // For each column: rows still covered from above, and the text.
    let mut pending: Vec<(usize, String)> = Vec::new();
    let mut n_header_rows = 0;
    for (row_idx, row) in rows.iter().enumerate() {
        let mut out: Vec<String> = Vec::new();
        let mut cells = row.iter();
        let fill_pending = |out: &mut Vec<String>, pending: &mut Vec<(usize, String)>| {
            while let Some((left, text)) = pending.get_mut(out.len())
                && *left > 0
            {
                *left -= 1;
                out.push(text.clone());
            }
        };
        let is_alone = row.len() == 1 && row[0].n_rows <= 1;
        loop {
            fill_pending(&mut out, &mut pending);
            let Some(cell) = cells.next() else {
                break;
            };
            let n_cols = if is_alone { 1 } else { cell.n_cols.max(1) };
            for _ in 0..n_cols {
                let col = out.len();
                if col >= MAX_COLS {
                    break;
                }
                if cell.n_rows > 1 {
                    if pending.len() <= col {
                        pending.resize(col + 1, (0, String::new()));
                    }
                    let left = (cell.n_rows - 1).min(rows.len() - row_idx - 1);
                    pending[col] = (left, cell.text.clone());
                }
                out.push(cell.text.clone());
            }
        }
        // Columns to the right of the row's own cells that a span still covers.
        while out.len() < pending.len() {
            let col = out.len();
            if pending[col].0 > 0 {
                pending[col].0 -= 1;
                out.push(pending[col].1.clone());
            } else {
                out.push(String::new());
            }
        }
        let only_headers = !row.is_empty() && row.iter().all(|cell| cell.is_header);
        if only_headers && n_header_rows == row_idx {
            n_header_rows += 1;
        }
        grid.push(out);
    }
    (grid, n_header_rows)
}

/// Adds a table of cells with spans on `page`. A table of one cell is a frame around text: its lines become paragraphs.
pub(crate) fn push_span_table(builder: &mut Builder, rows: &[Vec<SpanCell>], page: Option<u32>) {
    if let [row] = rows
        && let [cell] = row.as_slice()
    {
        for line in cell.text.lines() {
            let mut element = Element::new(ElementKind::Paragraph, collapse(&clean(line).0));
            element.page = page;
            builder.push(element);
        }
        return;
    }
    push_spans(builder, rows, None, page);
}

/// Adds the table that these cells with spans make: the first rows that are all header cells become its header, else the
/// first row where it looks like one and no cell is a header cell.
pub(crate) fn push_spans(
    builder: &mut Builder,
    rows: &[Vec<SpanCell>],
    label: Option<String>,
    page: Option<u32>,
) {
    let cells = || rows.iter().flatten();
    let n_chars = cells().map(|cell| count_text(&clean(&cell.text).0)).sum();
    let n_cells = cells().filter(|cell| !cell.text.trim().is_empty()).count() as u64;
    let has_header = cells().any(|cell| cell.is_header);
    let (mut rows, n_header) = resolve_spans(rows);
    let mut table = Table {
        label,
        page,
        n_chars: Some(n_chars),
        n_cells: Some(n_cells),
        ..Table::default()
    };
    if n_header > 0 && n_header < rows.len() {
        // A title over the whole width names no column: it stays in the body, as do rows beyond what heads have.
        let is_title = |row: &&Vec<String>| row.len() == 1;
        let n_titles = rows.iter().take(n_header - 1).take_while(is_title).count();
        let first = n_titles.max(n_header.saturating_sub(MAX_HEADER_ROWS));
        let head: Vec<Vec<String>> = rows.drain(first..n_header).collect();
        table.header = join_header(&head);
    }
    for cell in rows.iter_mut().flatten().chain(&mut table.header) {
        *cell = clean(cell).0;
    }
    table.rows = rows;
    if !has_header {
        table.guess_header();
    }
    push_table(builder, &table);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell(text: &str, n_cols: usize, n_rows: usize) -> SpanCell {
        SpanCell {
            text: text.into(),
            n_cols,
            n_rows,
            is_header: false,
        }
    }

    #[test]
    fn each_group_repeats_the_header() {
        let mut builder = Builder::new(100);
        let mut table = Table {
            rows: (0..60)
                .map(|n| vec![format!("name {n}"), n.to_string()])
                .collect(),
            ..Table::default()
        };
        table.rows.insert(0, vec!["Name".into(), "Count".into()]);
        table.guess_header();
        push_table(&mut builder, &table);
        let (summary, groups) = builder.elements().split_first().unwrap();
        assert_eq!(summary.kind, ElementKind::TableSummary);
        assert_eq!(
            summary.text,
            "Table: 60 rows, 2 columns: Name, Count. Name: 60 different values. \
             Count: total 1770, smallest 0 (name 0), largest 59 (name 59), mean 29.5."
        );
        let texts: Vec<&str> = groups.iter().map(|e| e.text.as_str()).collect();
        assert_eq!(texts.len(), 3);
        assert!(
            texts
                .iter()
                .all(|text| text.starts_with("Name | Count\nname "))
        );
        assert!(texts[2].ends_with("name 59 | 59"));
        assert_eq!(builder.report.cells, 122);
        assert_eq!(builder.report.chars_seen, builder.report.chars_kept);
        assert!((builder.report.coverage() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn spans_repeat_their_text() {
        let rows = [
            vec![cell("Title", 3, 1)],
            vec![cell("a", 1, 2), cell("b", 2, 1)],
            vec![cell("c", 1, 1), cell("d", 1, 1)],
        ];
        let (grid, _) = resolve_spans(&rows);
        assert_eq!(
            grid,
            [vec!["Title"], vec!["a", "b", "b"], vec!["a", "c", "d"]]
        );
    }

    #[test]
    fn headers_are_texts() {
        let row = |cells: &[&str]| cells.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>();
        assert!(looks_like_header(&row(&["Name", "2019", "2020"])));
        assert!(looks_like_header(&row(&["Year"])));
        assert!(!looks_like_header(&row(&["Anna", "12", "3.5 %"])));
        assert!(!looks_like_header(&row(&["x", "", ""])));
    }

    #[test]
    fn headers_of_several_rows_are_joined() {
        let rows = [
            ["Region", "2024", "2024"],
            ["Region", "Q1", "Q2"],
            ["", "", "(sum)"],
        ];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(
            join_header(&rows),
            ["Region", "2024 / Q1", "2024 / Q2 / (sum)"]
        );
    }

    #[test]
    fn header_cells_of_several_rows_are_one_header() {
        let head = |text, n_cols, n_rows| SpanCell {
            is_header: true,
            ..cell(text, n_cols, n_rows)
        };
        let rows = [
            vec![head("Traffic", 3, 1)],
            vec![head("Port", 1, 2), head("2024", 2, 1)],
            vec![head("Cars", 1, 1), head("People", 1, 1)],
            vec![cell("Lund", 1, 1), cell("7", 1, 1), cell("30", 1, 1)],
        ];
        let mut builder = Builder::new(10);
        push_spans(&mut builder, &rows, None, None);
        let texts: Vec<&str> = builder.elements().iter().map(|e| e.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "Table: 2 rows, 3 columns: Port, 2024 / Cars, 2024 / People.",
                "Port | 2024 / Cars | 2024 / People\nTraffic\nLund | 7 | 30"
            ]
        );
        assert_eq!((builder.report.cells, builder.report.chars_seen), (8, 32));
        assert_eq!(builder.report.chars_seen, builder.report.chars_kept);
    }

    proptest! {
        #[test]
        fn every_cell_stands_in_an_element(
            shape in proptest::collection::vec(proptest::collection::vec(0usize..90, 0..14), 0..9),
            n_header in 0usize..15,
        ) {
            // Each cell begins with a word of its own.
            let row = |at: usize, widths: &[usize]| -> Vec<String> {
                widths.iter().enumerate().map(|(col, n)| match n {
                    0..10 => String::new(),
                    n => format!("r{at}c{col}{}", " word".repeat(n - 10)),
                }).collect()
            };
            let rows: Vec<Vec<String>> = shape.iter().enumerate().map(|(at, widths)| row(at, widths)).collect();
            let table = Table { header: row(99, &vec![11; n_header]), rows, ..Table::default() };
            let mut builder = Builder::new(10_000);
            push_table(&mut builder, &table);
            let tables = builder.elements().iter().filter(|e| e.kind == ElementKind::Table);
            let lines: Vec<String> = tables.map(|e| e.text.clone()).collect();
            let text = format!(" {} ", lines.join("\n").replace(['\n', '|'], " "));
            for cell in table.header.iter().chain(table.rows.iter().flatten()).filter(|c| !c.is_empty()) {
                let found = format!(" {cell} ");
                prop_assert!(text.contains(&found), "{:?} is not in {:?}", cell, lines);
            }
            prop_assert_eq!(builder.report.chars_seen, builder.report.chars_kept);
        }

        #[test]
        fn any_spans_resolve(spans in proptest::collection::vec(proptest::collection::vec((0usize..5000, 0usize..70000), 0..5), 0..6)) {
            let rows: Vec<Vec<SpanCell>> = spans.iter().map(|row| row.iter().map(|&(c, r)| cell("x", c, r)).collect()).collect();
            let (grid, _) = resolve_spans(&rows);
            prop_assert_eq!(grid.len(), rows.len());
            prop_assert!(grid.iter().all(|row| row.len() <= MAX_COLS + 5));
        }
    }
}
