//! Workbooks (XLSX, XLS) to elements: a heading for each sheet, its rows as table elements.
//!
//! XLSX sheets are read cell by cell, so a range that spans the whole sheet costs nothing. Blank rows
//! part a sheet into blocks; a block of single cells is text (titles, notes), the others are tables.

use std::collections::BTreeMap;
use std::io::Cursor;

use cairn_types::{Element, ElementKind, WarningCode};
use calamine::{Data, DataRef, Reader, SheetType, SheetVisible, Xls, XlsError, Xlsx, XlsxError};
use quick_xml::events::Event;

use crate::archive::Archive;
use crate::builder::{Builder, count_text};
use crate::context::Context;
use crate::error::ExtractError;
use crate::table::{Table, looks_like_header, push_table};
use crate::text::{clean, collapse_lines};
use crate::xml::{attr, part_text, reader, reference};

/// Filled cells read of one workbook. Bounds memory; the rest is named in a warning.
const MAX_CELLS: usize = 5_000_000;

/// Filled cells by row and column.
type Cells = BTreeMap<u32, BTreeMap<u32, String>>;

/// Reads an OOXML workbook.
pub(crate) fn read_xlsx(
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let mut archive = Archive::open(bytes, cx)?;
    for name in archive.names() {
        if name.ends_with(".xml") || name.ends_with(".rels") {
            archive.check(&name)?;
        }
    }
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|error| from_xlsx(&error))?;
    if let Ok(properties) = book.workbook_properties() {
        builder.title = properties.title;
    }
    let sheets: Vec<_> = book.sheets_metadata().to_vec();
    let mut n_cells = 0;
    for sheet in &sheets {
        if sheet.typ != SheetType::WorkSheet {
            continue;
        }
        let merged = book.merge_cells_by_sheet_name(&sheet.name);
        let mut n_uncached = 0;
        let mut cells = Cells::new();
        let mut reader = match book.worksheet_cells_reader(&sheet.name) {
            Ok(reader) => reader,
            Err(error) => {
                builder.warn(
                    WarningCode::Unreadable,
                    None,
                    format!("sheet `{}` could not be read: {error}", sheet.name),
                );
                continue;
            }
        };
        loop {
            match reader.next_cell_with_formula_metadata() {
                Ok(Some(cell)) => {
                    let value = shown(cell.value);
                    if value.is_empty() {
                        n_uncached += usize::from(cell.formula.is_some());
                        continue;
                    }
                    if n_cells >= MAX_CELLS {
                        builder.warn(
                            WarningCode::Limit,
                            None,
                            format!("only the first {MAX_CELLS} cells were read"),
                        );
                        break;
                    }
                    n_cells += 1;
                    cells
                        .entry(cell.pos.0)
                        .or_default()
                        .insert(cell.pos.1, value);
                }
                Ok(None) => break,
                Err(error) => {
                    builder.warn(
                        WarningCode::Unreadable,
                        None,
                        format!("sheet `{}` was read only in part: {error}", sheet.name),
                    );
                    break;
                }
            }
        }
        if n_uncached > 0 {
            builder.warn(
                WarningCode::MissingValue, None,
                format!(
                    "{n_uncached} formulas in sheet `{}` have no stored value; open and save the file in its program",
                    sheet.name
                ),
            );
        }
        for range in merged.unwrap_or_default() {
            repeat_merged(&mut cells, range.start, range.end);
        }
        push_sheet(builder, &sheet.name, sheet.visible, &cells);
    }
    let mut names = archive.names();
    names.sort();
    for name in names.iter().filter(|name| is_comments(name)) {
        if let Some(bytes) = archive.read(name)? {
            push_comments(&part_text(&bytes), builder);
        }
    }
    Ok(())
}

fn is_comments(name: &str) -> bool {
    let file = name.strip_prefix("xl/").unwrap_or_default();
    file.starts_with("comments") && file.ends_with(".xml")
}

/// Adds the comments of one sheet, each with its author and the cell that it stands at.
fn push_comments(xml: &str, builder: &mut Builder) {
    let mut reader = reader(xml);
    let mut authors: Vec<String> = Vec::new();
    let mut open: Option<(String, String)> = None;
    let mut text = String::new();
    let mut in_text = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => match element.local_name().as_ref() {
                "author" => {
                    text.clear();
                    in_text = true;
                }
                "comment" => {
                    let author = attr(&element, "authorId").and_then(|n| n.parse::<usize>().ok());
                    let author = author
                        .and_then(|n| authors.get(n))
                        .cloned()
                        .unwrap_or_default();
                    open = Some((attr(&element, "ref").unwrap_or_default(), author));
                    text.clear();
                }
                "t" => in_text = true,
                _ => {}
            },
            Ok(Event::Text(piece)) if in_text => text.push_str(&piece.xml10_content()),
            Ok(Event::GeneralRef(piece)) if in_text => text.extend(reference(&piece)),
            Ok(Event::End(element)) => match element.local_name().as_ref() {
                "author" => {
                    authors.push(std::mem::take(&mut text));
                    in_text = false;
                }
                "t" => in_text = false,
                "comment" => {
                    if let Some((cell, author)) = open.take() {
                        push_comment(builder, &cell, &author, &text);
                    }
                }
                _ => {}
            },
            Ok(Event::Eof) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

fn push_comment(builder: &mut Builder, cell: &str, author: &str, text: &str) {
    // Threaded comments are stored a second time for old programs, after a notice about that.
    let text = match text.split_once("Comment:") {
        Some((notice, comment)) if notice.starts_with("[Threaded comment]") => comment,
        _ => text,
    };
    let text = collapse_lines(&clean(text).0);
    if text.is_empty() {
        return;
    }
    let by = if author.is_empty() || author.starts_with("tc={") {
        String::new()
    } else {
        format!(" by {author}")
    };
    let n_chars = count_text(&text);
    let element = Element::new(ElementKind::Note, format!("Comment on {cell}{by}: {text}"));
    builder.push_counted(element, n_chars);
}

/// Reads an Excel 97–2003 workbook.
pub(crate) fn read_xls(bytes: &[u8], builder: &mut Builder) -> Result<(), ExtractError> {
    let mut book: Xls<_> = Xls::new(Cursor::new(bytes)).map_err(|error| match error {
        XlsError::Password => ExtractError::PasswordRequired,
        other => ExtractError::malformed(other.to_string()),
    })?;
    for sheet in book.sheets_metadata().to_vec() {
        if sheet.typ != SheetType::WorkSheet {
            continue;
        }
        let range = match book.worksheet_range(&sheet.name) {
            Ok(range) => range,
            Err(error) => {
                builder.warn(
                    WarningCode::Unreadable,
                    None,
                    format!("sheet `{}` could not be read: {error}", sheet.name),
                );
                continue;
            }
        };
        let mut cells = Cells::new();
        let (row0, col0) = range.start().unwrap_or((0, 0));
        for (row, col, value) in range.used_cells() {
            let value = shown(as_ref(value));
            let (Ok(row), Ok(col)) = (u32::try_from(row), u32::try_from(col)) else {
                continue;
            };
            if !value.is_empty() {
                cells
                    .entry(row0 + row)
                    .or_default()
                    .insert(col0 + col, value);
            }
        }
        push_sheet(builder, &sheet.name, sheet.visible, &cells);
    }
    Ok(())
}

fn from_xlsx(error: &XlsxError) -> ExtractError {
    match error {
        XlsxError::Password => ExtractError::PasswordRequired,
        other => ExtractError::malformed(other.to_string()),
    }
}

fn as_ref(value: &Data) -> DataRef<'_> {
    match value {
        Data::Int(n) => DataRef::Int(*n),
        Data::Float(n) => DataRef::Float(*n),
        Data::String(text) => DataRef::SharedString(text),
        Data::Bool(b) => DataRef::Bool(*b),
        Data::DateTime(at) => DataRef::DateTime(*at),
        Data::DateTimeIso(text) => DataRef::DateTimeIso(text.clone()),
        Data::DurationIso(text) => DataRef::DurationIso(text.clone()),
        Data::Error(error) => DataRef::Error(error.clone()),
        Data::Empty => DataRef::Empty,
    }
}

/// A cell as a person reads it; dates in ISO 8601.
fn shown(value: DataRef<'_>) -> String {
    let text = match value {
        DataRef::Empty => return String::new(),
        DataRef::Int(n) => return n.to_string(),
        DataRef::Float(n) => return number(n),
        DataRef::Bool(b) => return if b { "TRUE" } else { "FALSE" }.to_owned(),
        DataRef::Error(error) => return error.to_string(),
        DataRef::DateTime(at) if at.is_duration() => {
            let seconds = at.as_f64() * 86_400.0;
            return duration(seconds);
        }
        DataRef::DateTime(at) => {
            // Below one day there is only a time of day.
            return match at.as_datetime() {
                Some(when) if at.as_f64() < 1.0 => when.format("%H:%M:%S").to_string(),
                Some(when) if at.as_f64().fract() == 0.0 => when.format("%Y-%m-%d").to_string(),
                Some(when) => when.format("%Y-%m-%d %H:%M:%S").to_string(),
                None => number(at.as_f64()),
            };
        }
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) | DataRef::String(text) => text,
        DataRef::SharedString(text) => text.to_owned(),
    };
    clean(&text).0.trim().to_owned()
}

/// At most 15 significant digits, as the program shows them: 0.1 + 0.2 is 0.3.
fn number(n: f64) -> String {
    if n == 0.0 || !n.is_finite() {
        return if n == 0.0 {
            "0".to_owned()
        } else {
            n.to_string()
        };
    }
    let rounded: f64 = format!("{n:.14e}").parse().unwrap_or(n);
    let size = rounded.abs();
    if (1e-9..1e15).contains(&size) {
        rounded.to_string()
    } else {
        format!("{rounded:e}")
    }
}

fn duration(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates, and a duration that long is nonsense"
    )]
    let total = seconds.round() as i64;
    let sign = if total < 0 { "-" } else { "" };
    let total = total.unsigned_abs();
    format!(
        "{sign}{}:{:02}:{:02}",
        total / 3600,
        total / 60 % 60,
        total % 60
    )
}

/// Cells merged downwards repeat their value in each row; across, the first cell is enough.
fn repeat_merged(cells: &mut Cells, start: (u32, u32), end: (u32, u32)) {
    const MAX_ROWS: u32 = 1_000;
    let Some(value) = cells
        .get(&start.0)
        .and_then(|row| row.get(&start.1))
        .cloned()
    else {
        return;
    };
    for row in start.0.saturating_add(1)..=end.0.min(start.0.saturating_add(MAX_ROWS)) {
        // Only rows that hold something else: a merged title block must not multiply.
        if let Some(columns) = cells.get_mut(&row) {
            columns.entry(start.1).or_insert_with(|| value.clone());
        }
    }
}

fn push_sheet(builder: &mut Builder, name: &str, visible: SheetVisible, cells: &Cells) {
    if cells.is_empty() {
        return;
    }
    let label = if visible == SheetVisible::Visible {
        name.to_owned()
    } else {
        format!("{name} (hidden)")
    };
    builder.heading(1, label.clone());
    let mut previous: Option<(Vec<String>, Vec<u32>)> = None;
    for block in row_blocks(cells) {
        let columns: Vec<u32> = {
            let mut columns: Vec<u32> = block.iter().flat_map(|row| row.keys().copied()).collect();
            columns.sort_unstable();
            columns.dedup();
            columns
        };
        let mut rows: Vec<Vec<String>> = block
            .iter()
            .map(|row| {
                columns
                    .iter()
                    .map(|column| row.get(column).cloned().unwrap_or_default())
                    .collect()
            })
            .collect();
        // Titles and notes above the table: rows of one cell where the table has more.
        let n_text = if columns.len() == 1 && rows.len() <= 3 {
            rows.len()
        } else if columns.len() > 1 {
            block.iter().take_while(|row| row.len() == 1).count()
        } else {
            0
        };
        for row in rows.drain(..n_text) {
            builder.paragraph(row.concat());
        }
        if rows.is_empty() {
            continue;
        }
        let mut table = Table {
            rows,
            label: Some(label.clone()),
            ..Table::default()
        };
        match &previous {
            // A blank line within one table: the columns go on, and the first row is data.
            Some((header, before)) if *before == columns && !looks_like_header(&table.rows[0]) => {
                table.header.clone_from(header);
                let body = table.rows.iter().flatten();
                table.n_chars = Some(body.map(|cell| count_text(cell)).sum());
            }
            _ => table.guess_header(),
        }
        previous = Some((table.header.clone(), columns));
        push_table(builder, &table);
    }
}

/// Runs of rows without a blank row between them.
fn row_blocks(cells: &Cells) -> Vec<Vec<&BTreeMap<u32, String>>> {
    let mut blocks: Vec<Vec<&BTreeMap<u32, String>>> = Vec::new();
    let mut last = None;
    for (&row, columns) in cells {
        match blocks.last_mut() {
            Some(block) if last.is_some_and(|last: u32| last + 1 == row) => block.push(columns),
            _ => blocks.push(vec![columns]),
        }
        last = Some(row);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::zip_of;

    const RELS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#;
    const BOOK: &str = r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Data" sheetId="1" state="hidden" r:id="r1"/></sheets></workbook>"#;
    const STYLES: &str = r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>"#;

    fn book(sheet_data: &str) -> Vec<u8> {
        let sheet = format!(
            r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:XFD1048576"/><sheetData>{sheet_data}</sheetData></worksheet>"#
        );
        let root = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
        zip_of(&[
            ("_rels/.rels", root.as_bytes()),
            ("xl/workbook.xml", BOOK.as_bytes()),
            ("xl/_rels/workbook.xml.rels", RELS.as_bytes()),
            ("xl/styles.xml", STYLES.as_bytes()),
            ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
        ])
    }

    fn text(r: &str, value: &str) -> String {
        format!(r#"<c r="{r}" t="inlineStr"><is><t>{value}</t></is></c>"#)
    }

    #[test]
    fn sheets_become_headings_and_tables() {
        let data = format!(
            r#"<row r="1">{}</row><row r="3">{}{}</row><row r="4">{}<c r="B4"><v>0.30000000000000004</v></c></row><row r="5">{}<c r="B5" s="1"><v>45292</v></c></row><row r="1048576">{}<c r="XFD1048576"><f>A1</f></c></row>"#,
            text("A1", "Report"),
            text("A3", "Name"),
            text("B3", "Value"),
            text("A4", "x"),
            text("A5", "y"),
            text("A1048576", "far away"),
        );
        let mut builder = Builder::new(100);
        read_xlsx(&book(&data), &Context::for_test(), &mut builder).unwrap();
        let texts: Vec<&str> = builder.elements().iter().map(|e| e.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "Data (hidden)",
                "Report",
                "Name | Value\nx | 0.3\ny | 2024-01-01",
                "far away"
            ]
        );
        let reason = &builder.report.warnings[0].reason;
        assert!(reason.starts_with("1 formulas in sheet `Data`"), "{reason}");
    }

    #[test]
    fn values_show_as_people_see_them() {
        for (n, expect) in [
            (1.0, "1"),
            (0.1 + 0.2, "0.3"),
            (-0.5, "-0.5"),
            (1e20, "1e20"),
            (0.0, "0"),
            (1234.5, "1234.5"),
        ] {
            assert_eq!(number(n), expect);
        }
        assert_eq!(duration(5400.0), "1:30:00");
    }

    #[test]
    fn comments_name_their_cell() {
        let xml = "<comments><authors><author>Ann &amp; Bo</author><author>tc={1}</author></authors><commentList><comment ref='A1' authorId='0'><text><r><t>Why</t></r><r><t> so?</t></r></text></comment><comment ref='B2' authorId='1'><text><t>[Threaded comment]\n\nOld programs.\n\nComment:\n    Low</t></text></comment></commentList></comments>";
        let mut builder = Builder::new(10);
        push_comments(xml, &mut builder);
        let texts: Vec<&str> = builder.elements().iter().map(|e| e.text.as_str()).collect();
        assert_eq!(
            texts,
            ["Comment on A1 by Ann & Bo: Why so?", "Comment on B2: Low"]
        );
    }

    #[test]
    fn broken_books_are_errors() {
        for bytes in [
            zip_of(&[("xl/workbook.xml", b"<nothing/>")]),
            b"PK\x03\x04".to_vec(),
        ] {
            let mut builder = Builder::new(100);
            let _ = read_xlsx(&bytes, &Context::for_test(), &mut builder);
            assert!(builder.is_empty());
        }
        assert!(read_xls(b"no ole", &mut Builder::new(1)).is_err());
    }
}
