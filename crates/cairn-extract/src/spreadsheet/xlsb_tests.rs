//! Tests of the XLSB reader, on workbooks that are put together from records, with another reader as the judge.

use std::io::Cursor;

use calamine::{Data, Reader};
use proptest::prelude::*;

use super::*;
use crate::archive::tests::zip_of;

fn record(kind: u32, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if kind < 128 {
        out.push(u8::try_from(kind).unwrap());
    } else {
        out.push(u8::try_from(kind & 0x7F).unwrap() | 0x80);
        out.push(u8::try_from(kind >> 7).unwrap());
    }
    let mut n = data.len();
    while n >= 128 {
        out.push(u8::try_from(n & 0x7F).unwrap() | 0x80);
        n >>= 7;
    }
    out.push(u8::try_from(n).unwrap());
    out.extend(data);
    out
}

fn wide(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut out = u32::try_from(units.len()).unwrap().to_le_bytes().to_vec();
    out.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    out
}

fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn row(number: u32, is_hidden: bool) -> Vec<u8> {
    let mut data = numbers(&[number, 0]);
    data.extend([0x2C, 0x01, 0, if is_hidden { 0x10 } else { 0 }, 0]);
    data.extend(numbers(&[0]));
    record(kind::ROW, &data)
}

fn cell(kind: u32, column: u32, style: u32, value: &[u8]) -> Vec<u8> {
    record(kind, &[numbers(&[column, style]), value.to_vec()].concat())
}

fn shared(column: u32, idx: u32) -> Vec<u8> {
    cell(kind::CELL_SHARED, column, 0, &idx.to_le_bytes())
}

fn real(column: u32, style: u32, value: f64) -> Vec<u8> {
    cell(kind::CELL_REAL, column, style, &value.to_le_bytes())
}

/// A workbook with one hidden sheet of these records.
fn book(cells: &[Vec<u8>], after: &[Vec<u8>]) -> Vec<u8> {
    let mut entry = numbers(&[1, 1]);
    entry.extend(wide("r1"));
    entry.extend(wide("Data"));
    let workbook = [
        record(131, &[]),
        record(kind::BOOK_PROPERTIES, &[0; 12]),
        record(143, &[]),
        record(kind::SHEET_ENTRY, &entry),
        record(144, &[]),
        record(157, &[0; 26]),
        record(132, &[]),
    ];
    let style = |format: u16| {
        let mut data = vec![0; 16];
        data[2..4].copy_from_slice(&format.to_le_bytes());
        record(kind::STYLE, &data)
    };
    let mut format = 164u16.to_le_bytes().to_vec();
    format.extend(wide("#,##0.00\\ \"EUR\""));
    let styles = [
        record(615, &numbers(&[1])),
        record(kind::FORMAT, &format),
        record(616, &[]),
        // The first table of styles is not that of the cells.
        record(626, &numbers(&[1])),
        style(9),
        record(627, &[]),
        record(kind::BEGIN_CELL_STYLES, &numbers(&[4])),
        style(0),
        style(14),
        style(10),
        style(164),
        record(kind::END_CELL_STYLES, &[]),
    ];
    let item = |text: &str| record(kind::SHARED_ITEM, &[vec![0], wide(text)].concat());
    let strings = [
        record(159, &numbers(&[3, 3])),
        item("Name"),
        item("Größe 😀"),
        item("Both"),
        record(160, &[]),
    ];
    let mut columns = numbers(&[2, 3, 0, 0]);
    columns.extend([1, 0]);
    let sheet = [
        record(129, &[]),
        record(148, &numbers(&[0, 9, 0, 3])),
        record(390, &[]),
        record(kind::COLUMNS, &columns),
        record(391, &[]),
        record(145, &[]),
        cells.concat(),
        record(146, &[]),
        after.concat(),
        record(kind::END_SHEET, &[]),
    ];
    let comment = [
        record(kind::AUTHOR, &wide("Ann")),
        record(kind::COMMENT, &numbers(&[0, 1, 1, 1, 1, 0, 0, 0, 0])),
        record(kind::COMMENT_TEXT, &[vec![0], wide("Why so?")].concat()),
    ];
    let rel = |id: &str, kind: &str, target: &str| {
        format!("<Relationship Id='{id}' Type='x/{kind}' Target='{target}'/>")
    };
    let rels = |all: &[String]| format!("<Relationships>{}</Relationships>", all.concat());
    let root = rels(&[rel("r1", "officeDocument", "xl/workbook.bin")]);
    let of_book = rels(&[
        rel("r1", "worksheet", "worksheets/sheet1.bin"),
        rel("r2", "styles", "styles.bin"),
        rel("r3", "sharedStrings", "sharedStrings.bin"),
    ]);
    let of_sheet = rels(&[rel("r1", "comments", "../comments1.bin")]);
    zip_of(&[
        ("_rels/.rels", root.as_bytes()),
        ("xl/workbook.bin", &workbook.concat()),
        ("xl/_rels/workbook.bin.rels", of_book.as_bytes()),
        ("xl/styles.bin", &styles.concat()),
        ("xl/sharedStrings.bin", &strings.concat()),
        ("xl/worksheets/sheet1.bin", &sheet.concat()),
        ("xl/worksheets/_rels/sheet1.bin.rels", of_sheet.as_bytes()),
        ("xl/comments1.bin", &comment.concat()),
    ])
}

/// Every kind of cell, in two columns.
fn cells() -> Vec<Vec<u8>> {
    let text = |column, text: &str| cell(kind::CELL_TEXT, column, 0, &wide(text));
    // 12.34 as hundredths, and 45,292 as an integer.
    let hundredths = (1234u32 << 2 | 3).to_le_bytes();
    let whole = (45_292u32 << 2 | 2).to_le_bytes();
    let half = u32::try_from(0.125f64.to_bits() >> 32)
        .unwrap()
        .to_le_bytes();
    vec![
        row(0, false),
        shared(0, 0),
        shared(1, 1),
        row(1, false),
        text(0, "a"),
        cell(kind::CELL_RK, 1, 3, &hundredths),
        row(2, true),
        text(0, "b"),
        cell(kind::CELL_RK, 1, 1, &whole),
        row(3, false),
        text(0, "c"),
        cell(kind::CELL_RK, 1, 2, &half),
        row(4, false),
        text(0, "d"),
        real(1, 0, -0.5),
        row(5, false),
        cell(kind::FORMULA_TEXT, 0, 0, &[wide("e"), vec![0; 10]].concat()),
        cell(
            kind::FORMULA_NUMBER,
            1,
            0,
            &[2.5f64.to_le_bytes().to_vec(), vec![0; 10]].concat(),
        ),
        row(6, false),
        cell(kind::CELL_BOOL, 0, 0, &[1]),
        cell(kind::CELL_ERROR, 1, 0, &[0x07]),
        row(7, false),
        shared(0, 2),
        cell(1, 1, 0, &[]),
    ]
}

fn read(bytes: &[u8]) -> (Vec<String>, cairn_types::ParseReport) {
    let mut builder = Builder::new(1000);
    read_xlsb(bytes, &Context::for_test(), &mut builder).unwrap();
    let elements = builder.elements().iter();
    let texts = elements
        .filter(|element| element.kind != cairn_types::ElementKind::TableSummary)
        .map(|element| element.text.clone());
    (texts.collect(), builder.report)
}

#[test]
fn cells_show_what_people_see() {
    let merged = record(kind::MERGED, &numbers(&[7, 7, 0, 1]));
    let (texts, report) = read(&book(&cells(), &[merged]));
    assert_eq!(
        texts,
        [
            "Data (hidden)",
            "Name | Größe 😀\na | 12.34 EUR\nb | 2024-01-01\nc | 12.50%\nd | -0.5\ne | 2.5\nTRUE | #DIV/0!\nBoth",
            "Comment on B2 by Ann: Why so?"
        ]
    );
    let reasons: Vec<&str> = report.warnings.iter().map(|w| w.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "sheet `Data` is hidden; it was read",
            "sheet `Data` has hidden 1 rows; they were read"
        ]
    );
    assert_eq!((report.cells, report.cells_failed), (15, 0));
    assert_eq!(report.chars_seen, report.chars_kept);
}

#[test]
fn another_reader_finds_the_same_values() {
    let bytes = book(&cells(), &[]);
    let mut other: calamine::Xlsb<_> = calamine::Xlsb::new(Cursor::new(bytes.as_slice())).unwrap();
    let range = other.worksheet_range("Data").unwrap();
    let (texts, _) = read(&bytes);
    let mut n_numbers = 0;
    for (line, row) in texts[1].lines().zip(range.rows()) {
        for (shown, value) in line.split(" | ").zip(row) {
            match value {
                Data::String(text) => assert_eq!(shown, text),
                Data::Bool(value) => assert_eq!(shown, if *value { "TRUE" } else { "FALSE" }),
                Data::Error(error) => assert_eq!(shown, error.to_string()),
                Data::DateTime(at) => assert_eq!((shown, at.as_f64()), ("2024-01-01", 45_292.0)),
                Data::Float(n) => {
                    n_numbers += 1;
                    let digits = shown.trim_end_matches(['%', ' ', 'E', 'U', 'R']);
                    let factor = if shown.ends_with('%') { 100.0 } else { 1.0 };
                    assert_eq!(digits.parse::<f64>().unwrap(), n * factor);
                }
                other => panic!("{shown} is {other:?}"),
            }
        }
    }
    assert_eq!(n_numbers, 4);
}

#[test]
fn what_is_damaged_is_said() {
    let text = cell(kind::CELL_TEXT, 0, 0, &wide("fine"));
    let bad = [
        row(0, false),
        text.clone(),
        shared(1, 99),
        real(20_000, 0, 1.0),
        row(2_000_000, false),
        text.clone(),
        row(2, false),
        text,
        // Says that it is longer than the part.
        vec![6, 0xFF, 0xFF, 0xFF, 0x7F],
    ];
    let (texts, report) = read(&book(&bad, &[]));
    assert_eq!(texts[1..3], ["fine", "fine"]);
    let reasons: Vec<&str> = report.warnings.iter().map(|w| w.reason.as_str()).collect();
    assert!(reasons.contains(&"sheet `Data` was read only in part: its end is missing"));
    assert!(reasons.contains(&"3 cells of sheet `Data` could not be read"));
    assert_eq!(report.cells_failed, 3);
    let cx = Context::for_test();
    for bytes in [zip_of(&[]), zip_of(&[("xl/workbook.bin", b"\x01")])] {
        assert!(read_xlsb(&bytes, &cx, &mut Builder::new(1)).is_err());
    }
}

#[test]
fn packed_numbers_are_unpacked() {
    for (bits, expect) in [
        (0, 0.0),
        (7 << 2 | 2, 7.0),
        (u32::MAX << 2 | 2, -1.0),
        (150 << 2 | 3, 1.5),
        (0x3FF0_0000, 1.0),
        (0x4059_0001, 1.0),
    ] {
        assert_eq!(rk(bits), expect, "{bits:x}");
    }
}

proptest! {
    #[test]
    fn any_records_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let book = Workbook {
            formats: read_styles(&bytes),
            strings: read_strings(&bytes),
            epoch: read_book(&bytes).1,
        };
        read_sheet(&bytes, &book, &mut Sheet::default(), &mut Budget::default());
        push_comments(&bytes, &mut Builder::new(10));
    }

    #[test]
    fn mutated_sheets_are_read(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut records = cells().concat();
        records.extend(record(kind::MERGED, &numbers(&[0, 3, 0, 1])));
        for (at, byte) in changes {
            let at = at.index(records.len());
            records[at] = byte;
        }
        let mut sheet = Sheet::default();
        let mut budget = Budget::default();
        read_sheet(&records, &Workbook::default(), &mut sheet, &mut budget);
        push_sheet(&mut Builder::new(100), sheet, &mut budget);
    }
}
