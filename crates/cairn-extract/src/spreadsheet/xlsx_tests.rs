//! Tests of the XLSX reader.

use proptest::prelude::*;

use super::*;
use crate::archive::tests::zip_of;

const RELS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/><Relationship Id="r3" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="/xl/sharedStrings.xml"/></Relationships>"#;
const BOOK: &str = r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Data" sheetId="1" state="hidden" r:id="r1"/></sheets></workbook>"#;
const STYLES: &str = r##"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="1"><numFmt numFmtId="164" formatCode="#,##0.00\ &quot;EUR&quot;"/></numFmts><cellStyleXfs><xf numFmtId="9"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="10"/><xf numFmtId="164"/></cellXfs></styleSheet>"##;
const STRINGS: &str = r#"<sst uniqueCount="4000000000"><si><t>Name</t></si><si><r><t>Va</t></r><r><t>lue</t></r><rPh sb="0" eb="1"><t>phonetic</t></rPh></si><si><t>a_x000D_b &amp; c</t></si></sst>"#;

fn book(sheet_data: &str, after: &str) -> Vec<u8> {
    let sheet = format!(
        r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:XFD1048576"/><cols><col min="3" max="3" hidden="1"/></cols><sheetData>{sheet_data}</sheetData>{after}</worksheet>"#
    );
    let root = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
    zip_of(&[
        ("_rels/.rels", root.as_bytes()),
        ("xl/workbook.xml", BOOK.as_bytes()),
        ("xl/_rels/workbook.xml.rels", RELS.as_bytes()),
        ("xl/styles.xml", STYLES.as_bytes()),
        ("xl/SharedStrings.xml", STRINGS.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

fn text(r: &str, value: &str) -> String {
    format!(r#"<c r="{r}" t="inlineStr"><is><t>{value}</t></is></c>"#)
}

fn read(sheet_data: &str, after: &str) -> (Vec<String>, cairn_types::ParseReport) {
    let mut builder = Builder::new(1000);
    read_xlsx(&book(sheet_data, after), &Context::for_test(), &mut builder).unwrap();
    let elements = builder.elements().iter();
    let texts = elements
        .filter(|element| element.kind != cairn_types::ElementKind::TableSummary)
        .map(|element| element.text.clone());
    (texts.collect(), builder.report)
}

/// Rows of texts from A1; an empty text is no cell.
fn rows(rows: &[&[&str]]) -> String {
    let mut out = String::new();
    for (row, cells) in rows.iter().enumerate() {
        let row = row + 1;
        out.push_str(&format!(r#"<row r="{row}">"#));
        for (column, cell) in (0u32..).zip(*cells) {
            if !cell.is_empty() {
                out.push_str(&text(
                    &format!("{}{row}", super::super::sheet::column_name(column)),
                    cell,
                ));
            }
        }
        out.push_str("</row>");
    }
    out
}

#[test]
fn sheets_become_headings_and_tables() {
    let data = format!(
        r#"<row r="1">{}</row><row r="3"><c r="A3" t="s"><v>0</v></c><c r="B3" t="s"><v>1</v></c></row><row r="4">{}<c r="B4"><v>0.30000000000000004</v></c></row><row r="5">{}<c r="B5" s="1"><v>45292</v></c></row><row r="6"><c t="s"><v>2</v></c><c s="2"><v>0.125</v></c></row><row>{}<c r="B7" s="3"><v>1234.5</v></c></row><row r="8"><c t="b"><v>1</v></c><c t="e"><v>#DIV/0!</v></c></row><row r="1048576">{}<c r="XFD1048576"><f>A1</f></c></row>"#,
        text("A1", "Report"),
        text("A4", "x"),
        text("A5", "y"),
        text("A7", "w"),
        text("A1048576", "far away"),
    );
    let (texts, report) = read(&data, "");
    assert_eq!(
        texts,
        [
            "Data (hidden)",
            "Report",
            "Name | Value\nx | 0.3\ny | 2024-01-01\nab & c | 12.50%\nw | 1,234.50 EUR\nTRUE | #DIV/0!",
            "far away"
        ]
    );
    let reasons: Vec<&str> = report.warnings.iter().map(|w| w.reason.as_str()).collect();
    assert!(
        reasons[0].starts_with("1 formulas in sheet `Data`"),
        "{reasons:?}"
    );
    assert_eq!(report.warnings[1].code, WarningCode::Hidden);
    assert_eq!((report.cells, report.cells_failed), (14, 1));
}

#[test]
fn an_empty_result_is_a_value() {
    let (texts, report) = read(
        r#"<row r="1"><c r="A1" t="str"><f>IF(1,"")</f><v></v></c><c r="B1" t="str"><f>"x"</f><v>x</v></c><c r="C1"><f>1</f></c><c r="D1" t="s"><v>99</v></c></row>"#,
        "",
    );
    assert_eq!(texts, ["Data (hidden)", "x"]);
    assert_eq!(
        report.cells_failed, 2,
        "one without value, one without its string"
    );
}

#[test]
fn merged_cells_are_resolved() {
    let data = rows(&[
        &["Sales 2024", "", ""],
        &["Region", "Units", "Note"],
        &["North", "1", "a"],
        &["", "2", "b"],
        &["South", "3", "c"],
    ]);
    let merged = r#"<mergeCells><mergeCell ref="A1:C1"/><mergeCell ref="A3:A4"/><mergeCell ref="A1:XFD1048576"/></mergeCells>"#;
    let (texts, report) = read(&data, merged);
    assert_eq!(
        texts[1..],
        [
            "Sales 2024",
            "Region | Units | Note\nNorth | 1 | a\nNorth | 2 | b\nSouth | 3 | c"
        ]
    );
    assert_eq!(report.cells, 12, "repeated cells are not counted");
    assert!(
        report
            .warnings
            .iter()
            .any(|w| w.reason.contains("columns C"))
    );
}

#[test]
fn header_rows_are_joined() {
    let data = rows(&[
        &["Region", "2023", "", "2024", ""],
        &["", "Q1", "Q2", "Q1", "Q2"],
        &["North", "1", "2", "3", "4"],
        &["South", "5", "6", "7", "8"],
    ]);
    let merged = r#"<mergeCells><mergeCell ref="A1:A2"/><mergeCell ref="B1:C1"/><mergeCell ref="D1:E1"/></mergeCells>"#;
    let (texts, _) = read(&data, merged);
    assert_eq!(
        texts[1],
        "Region | 2023 / Q1 | 2023 / Q2 | 2024 / Q1 | 2024 / Q2\nNorth | 1 | 2 | 3 | 4\nSouth | 5 | 6 | 7 | 8"
    );
    // A caption over some columns is no title.
    let data = rows(&[
        &["", "Units", ""],
        &["Region", "sold", "left"],
        &["North", "1", "2"],
    ]);
    let (texts, _) = read(
        &data,
        r#"<mergeCells><mergeCell ref="B1:C1"/></mergeCells>"#,
    );
    assert_eq!(
        texts[1],
        "Region | Units / sold | Units / left\nNorth | 1 | 2"
    );
}

#[test]
fn blank_rows_and_columns_part_tables() {
    let data = rows(&[
        &["Name", "Age", "", "City", "Size"],
        &["Ann", "30", "", "Bonn", "5"],
        &["Bo", "31", "", "Ulm", "6"],
        &[""],
        &["Cy", "32", "", "", ""],
    ]);
    let (texts, _) = read(&data, "");
    assert_eq!(
        texts[1..],
        [
            "Name | Age\nAnn | 30\nBo | 31",
            "City | Size\nBonn | 5\nUlm | 6",
            "Cy | 32"
        ]
    );
    // Tables that touch at a corner.
    let (texts, _) = read(
        &rows(&[
            &["a", "b"],
            &["1", "2"],
            &["", "", "c", "d"],
            &["", "", "3", "4"],
        ]),
        "",
    );
    assert_eq!(texts[1..], ["a | b\n1 | 2", "c | d\n3 | 4"]);
    // One blank column between a label and its value is looks.
    let (texts, _) = read(&rows(&[&["Total", "", "5"], &["Tax", "", "1"]]), "");
    assert_eq!(texts[1], "Total | 5\nTax | 1");
}

#[test]
fn cells_far_apart_cost_what_they_hold() {
    let mut data = String::new();
    for n in 1..16_000u32 {
        let name = super::super::sheet::column_name(n);
        let row = n + 1;
        data.push_str(&format!(
            r#"<row r="{row}"><c r="A{row}"><v>{n}</v></c><c r="{name}{row}"><v>{n}</v></c></row>"#
        ));
    }
    let (texts, report) = read(&data, "");
    assert_eq!(report.cells, 2 * 15_999);
    assert!(texts.last().unwrap().ends_with("15999"));
}

#[test]
fn places_are_checked() {
    assert_eq!(place_of("A1"), Some((0, 0)));
    assert_eq!(place_of("$XFD$1048576"), Some((1_048_575, 16_383)));
    for bad in [
        "",
        "1",
        "A",
        "A0",
        "XFE1",
        "AAAA1",
        "A1048577",
        "A99999999999",
    ] {
        assert_eq!(place_of(bad), None, "{bad}");
    }
    assert_eq!(iso_text("2024-01-31T00:00:00"), "2024-01-31");
    assert_eq!(iso_text("2024-01-31T10:30:00"), "2024-01-31 10:30:00");
}

#[test]
fn broken_books_are_errors() {
    for bytes in [
        zip_of(&[("xl/workbook.xml", b"<nothing/>")]),
        b"PK\x03\x04".to_vec(),
    ] {
        let mut builder = Builder::new(100);
        assert!(read_xlsx(&bytes, &Context::for_test(), &mut builder).is_err());
        assert!(builder.is_empty());
    }
    // A sheet that ends early keeps what came before.
    let whole = r#"<worksheet><sheetData><row r="1"><c r="A1"><v>1</v></c><c r="B1"><v>2</v>"#;
    let mut sheet = Sheet::default();
    let fault = read_sheet(
        whole,
        &Workbook::default(),
        &mut sheet,
        &mut Budget::default(),
    );
    assert!(fault.is_some());
    assert_eq!(sheet.rows[0].cells[0].text, "1");
}

proptest! {
    #[test]
    fn any_sheet_is_read(
        pieces in proptest::collection::vec(
            prop::sample::select(vec![
                "<row>", "</row>", "<row r='2'>", "<c>", "<c r='B7' t='s' s='3'>", "<c t='b'/>", "</c>", "<v>", "</v>", "1",
                "<f>", "</f>", "<is><t>", "</t></is>", "&amp;", "<mergeCell ref='A1:XFD9'/>", "<col min='0' max='9' hidden='1'/>", "</worksheet>",
            ]),
            0..60,
        ),
    ) {
        let mut builder = Builder::new(100);
        let mut sheet = Sheet::default();
        let mut budget = Budget::default();
        read_sheet(&pieces.concat(), &Workbook::default(), &mut sheet, &mut budget);
        push_sheet(&mut builder, sheet, &mut budget);
        unescape(&pieces.concat());
    }
}

#[test]
fn sheets_that_a_damaged_workbook_does_not_list_are_read() {
    let sheet = |text: &str| {
        format!(
            "<worksheet><sheetData>{}</sheetData></worksheet>",
            rows(&[&["Key"], &[text]])
        )
    };
    let (one, two) = (sheet("first"), sheet("second"));
    let read = |book: &str| {
        let zip = zip_of(&[
            ("xl/workbook.xml", book.as_bytes()),
            ("xl/_rels/workbook.xml.rels", RELS.as_bytes()),
            ("xl/worksheets/sheet1.xml", one.as_bytes()),
            ("xl/worksheets/sheet2.xml", two.as_bytes()),
        ]);
        crate::extract::extract("a.xlsx", &zip, &crate::ExtractOptions::default()).unwrap()
    };
    let cut = read(r#"<workbook><sheets><sheet name="Data" r:id="r1"/><sheet nam"#);
    let text = cut.render().text;
    assert!(text.contains("first") && text.contains("sheet2"), "{text}");
    assert!(text.contains("second"), "{text}");
    assert!(cut.report.has_loss(), "{:?}", cut.report);
    let whole = read(r#"<workbook><sheets><sheet name="Data" r:id="r1"/></sheets></workbook>"#);
    assert!(!whole.render().text.contains("second"));
    let warning = &whole.report.warnings[0];
    assert_eq!(warning.code, WarningCode::Hidden, "{warning:?}");
}

#[test]
fn shared_strings_that_break_off_say_so() {
    assert_eq!(SharedStrings::read(STRINGS).fault, None);
    let cut = SharedStrings::read("<sst><si><t>Tea</t></si><si><t>Cof</t></si><si x");
    assert_eq!(cut.ends.len(), 2);
    assert!(cut.fault.is_some());
}
