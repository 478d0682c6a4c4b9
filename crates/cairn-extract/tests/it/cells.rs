//! The cells of tables of known content, whatever format they came in.
//!
//! Each line of `docs/made/tables.jsonl` names a file and its tables as rows of cells, merged ones repeated. Cell F1:
//! harmonic mean of precision and recall over the multiset of (table, row, cell) that come out; the header, which repeats
//! on top of each piece of a long table, counts once. A cell that itself holds the mark between cells counts as its parts.
//!
//! `CAIRN_TEST_DATA=... CAIRN_TEST_PDFIUM=... cargo test -p cairn-extract --test it cells -- --nocapture` prints the table.

use std::collections::HashMap;

use cairn_extract::{ExtractOptions, extract};
use cairn_types::{ElementKind, Extracted};
use serde_json::Value;

/// Between cells, in lines of tables.
const MARK: &str = " | ";
/// Least F1 over all files.
const FLOOR: f64 = 0.98;

type Cells = HashMap<(usize, usize, String), i64>;

fn add(cells: &mut Cells, table: usize, row: usize, line: &str) {
    for cell in line.split(MARK).map(str::trim).filter(|c| !c.is_empty()) {
        *cells.entry((table, row, cell.to_owned())).or_default() += 1;
    }
}

/// The tables that came out: pieces that follow each other with the same header are one.
fn found(extracted: &Extracted) -> Cells {
    let mut cells = Cells::new();
    let (mut n_tables, mut n_rows) = (0, 0);
    let mut header: Option<&str> = None;
    for element in &extracted.elements {
        if element.kind != ElementKind::Table {
            header = None;
            continue;
        }
        let mut lines = element.text.lines();
        let first = lines.next().unwrap_or_default();
        if header != Some(first) {
            (n_tables, n_rows) = (n_tables + 1, 1);
            add(&mut cells, n_tables - 1, 0, first);
        }
        header = Some(first);
        for line in lines {
            add(&mut cells, n_tables - 1, n_rows, line);
            n_rows += 1;
        }
    }
    cells
}

fn expected(tables: &Value) -> Cells {
    let mut cells = Cells::new();
    for (table, rows) in tables.as_array().unwrap().iter().enumerate() {
        for (row, line) in rows.as_array().unwrap().iter().enumerate() {
            let texts = line.as_array().unwrap().iter();
            let line: Vec<&str> = texts.map(|cell| cell.as_str().unwrap()).collect();
            add(&mut cells, table, row, &line.join(MARK));
        }
    }
    cells
}

/// How many of both agree, came out, and were expected.
#[derive(Debug, Default, Clone, Copy)]
struct Score {
    common: i64,
    found: i64,
    expected: i64,
}

impl Score {
    fn of(found: &Cells, expected: &Cells) -> Self {
        let common = |(cell, n): (&_, &i64)| *n.min(found.get(cell).unwrap_or(&0));
        Self {
            common: expected.iter().map(common).sum(),
            found: found.values().sum(),
            expected: expected.values().sum(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of cells")]
    fn f1(self) -> f64 {
        2.0 * self.common as f64 / (self.found + self.expected).max(1) as f64
    }
}

#[test]
fn cells_of_made_tables_come_out() {
    let (Some(data), Some(pdfium)) = (cairn_testkit::need("data"), cairn_testkit::need("pdfium"))
    else {
        return;
    };
    let options = ExtractOptions {
        pdfium: Some(pdfium),
        ..ExtractOptions::default()
    };
    let lines = fs_err::read_to_string(data.join("docs/made/tables.jsonl")).unwrap();
    let mut sum = Score::default();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let line: Value = serde_json::from_str(line).unwrap();
        let file = line["file"].as_str().unwrap();
        let bytes = fs_err::read(data.join("docs").join(file)).unwrap();
        let extracted = extract(file, &bytes, &options).unwrap();
        let (found, expected) = (found(&extracted), expected(&line["tables"]));
        let score = Score::of(&found, &expected);
        println!(
            "{file:20} {:>4} found {:>4} expected, F1 {:.3}",
            score.found,
            score.expected,
            score.f1()
        );
        for (cell, n) in &expected {
            if found.get(cell).is_none_or(|got| got < n) {
                println!("missing in {file}: {cell:?}");
            }
        }
        assert_eq!(extracted.report.cells_failed, 0, "{file}");
        sum.common += score.common;
        sum.found += score.found;
        sum.expected += score.expected;
    }
    println!("{:20} {:?}, F1 {:.3}", "all", sum, sum.f1());
    assert!(sum.f1() >= FLOOR, "{sum:?}");
}
