//! XLS: Excel 97-2003 workbooks. `calamine` reads the values; the formats, hidden rows and hidden columns, which it
//! does not give, are read here from the same records.
//!
//! A sheet that spans far more cells than any sheet holds, and a file whose sectors lead in a circle, are refused before:
//! they would cost that much memory.
//!
//! [MS-XLS] sections 2.4.126 (`Format`), 2.4.353 (`XF`), 2.4.221 (`Row`), 2.4.53 (`ColInfo`) and the cell records. Formats
//! are BIFF8's; older workbooks show their numbers as they are stored. O(bytes).

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::rc::Rc;

use cairn_types::WarningCode;
use calamine::{Data, Reader, SheetType, SheetVisible, Xls, XlsError};

use super::compound::chains_end;
use super::number_format::{Epoch, NumberFormat, general, iso_date};
use super::sheet::{Budget, Merged, Sheet, push_sheet};
use super::xlsx::by_style;
use crate::builder::Builder;
use crate::error::ExtractError;
use crate::extract::catch_panic;

/// Bytes of the workbook stream. The file itself is smaller than this by the limits of an ingest.
const MAX_STREAM: u64 = 1 << 30;

/// Cells of the areas that the sheets of a workbook span, filled or not: `calamine` holds all of them at once.
const MAX_AREA: u64 = 1 << 23;

/// Reads an Excel 97–2003 workbook.
pub(crate) fn read_xls(bytes: &[u8], builder: &mut Builder) -> Result<(), ExtractError> {
    let formats = workbook_stream(bytes).map(|stream| Formats::read(&stream));
    let mut formats = formats.unwrap_or_default();
    let area = formats
        .sheets
        .iter()
        .map(Marks::area)
        .fold(0, u64::saturating_add);
    if area > MAX_AREA {
        return Err(ExtractError::malformed(format!(
            "its sheets say that they span {area} cells; save the workbook as XLSX if that is right"
        )));
    }
    let mut book = open(bytes)?;
    if let Ok(properties) = book.workbook_properties() {
        builder.title = properties.title;
    }
    let epoch = if book.has_1904_epoch() {
        Epoch::Y1904
    } else {
        Epoch::Y1900
    };
    let mut budget = Budget::default();
    for (idx, entry) in book.sheets_metadata().to_vec().into_iter().enumerate() {
        if entry.typ != SheetType::WorkSheet {
            continue;
        }
        let range = match book.worksheet_range(&entry.name) {
            Ok(range) => range,
            Err(error) => {
                builder.warn(
                    WarningCode::Unreadable,
                    None,
                    format!("sheet `{}` could not be read: {error}", entry.name),
                );
                continue;
            }
        };
        let mut sheet = Sheet {
            is_hidden: entry.visible != SheetVisible::Visible,
            ..Sheet::default()
        };
        let marks = formats.sheets.get_mut(idx).map(std::mem::take);
        let marks = marks.unwrap_or_default();
        sheet.hidden_rows.extend(marks.hidden_rows);
        sheet.hidden_columns = marks.hidden_columns;
        for merged in book
            .merge_cells_by_sheet_name(&entry.name)
            .unwrap_or_default()
        {
            sheet.merged.push(Merged {
                rows: (merged.start.0, merged.end.0),
                columns: (merged.start.1, merged.end.1),
            });
        }
        sheet.name = entry.name;
        let (row0, col0) = range.start().unwrap_or((0, 0));
        for (row, column, value) in range.used_cells() {
            let (Ok(row), Ok(column)) = (u32::try_from(row), u32::try_from(column)) else {
                continue;
            };
            let (row, column) = (row0 + row, col0 + column);
            let style = marks.styles.get(&(row, column));
            let format = style.and_then(|style| formats.by_style.get(usize::from(*style)));
            let text = shown(value, format.and_then(Option::as_deref), epoch);
            sheet.add(row, column, &text, &mut budget);
        }
        push_sheet(builder, sheet, &mut budget);
    }
    budget.close(builder);
    Ok(())
}

/// Opens the workbook. `calamine` trusts some numbers of damaged files and panics: to a person that is a damaged file.
fn open(bytes: &[u8]) -> Result<Xls<Cursor<&[u8]>>, ExtractError> {
    if !chains_end(bytes) {
        return Err(ExtractError::malformed("its sectors lead in a circle"));
    }
    let opened = catch_panic(|| {
        Xls::new(Cursor::new(bytes)).map_err(|error| match error {
            XlsError::Password => ExtractError::PasswordRequired,
            other => ExtractError::malformed(other.to_string()),
        })
    });
    opened.map_err(|error| match error {
        ExtractError::Crashed { .. } => ExtractError::malformed("the workbook is damaged"),
        other => other,
    })
}

/// A value as a person reads it.
pub(super) fn shown(value: &Data, format: Option<&NumberFormat>, epoch: Epoch) -> String {
    let number = |n: f64| format.map_or_else(|| general(n), |format| format.number(n, epoch));
    match value {
        Data::Empty => String::new(),
        #[expect(clippy::cast_precision_loss, reason = "the file holds it as a float")]
        Data::Int(n) => number(*n as f64),
        Data::Float(n) => number(*n),
        Data::Bool(b) => if *b { "TRUE" } else { "FALSE" }.to_owned(),
        Data::Error(error) => error.to_string(),
        Data::DateTime(at) => match format {
            Some(format) => format.number(at.as_f64(), epoch),
            None => iso_date(at.as_f64(), epoch).unwrap_or_else(|| general(at.as_f64())),
        },
        Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::String(text) => format.map_or_else(|| text.clone(), |format| format.text(text)),
    }
}

fn workbook_stream(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).ok()?;
    let stream = file.open_stream("/Workbook").ok()?;
    let mut bytes = Vec::new();
    stream.take(MAX_STREAM).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[derive(Default)]
struct Formats {
    /// By the index of a cell's XF record.
    by_style: Vec<Option<Rc<NumberFormat>>>,
    /// In the order of the workbook's list.
    sheets: Vec<Marks>,
}

/// What one sheet's records say beside the values.
#[derive(Default)]
struct Marks {
    styles: HashMap<(u32, u32), u16>,
    hidden_rows: Vec<u32>,
    hidden_columns: Vec<(u32, u32)>,
    /// Cells of the area that the sheet says it uses.
    n_stated: u64,
}

const BOF: u16 = 0x0809;
const EOF: u16 = 0x000A;

impl Formats {
    fn read(stream: &[u8]) -> Self {
        let mut formats = Self::default();
        let mut codes: HashMap<u16, String> = HashMap::new();
        let mut styles: Vec<u16> = Vec::new();
        let mut starts: Vec<usize> = Vec::new();
        for (kind, data) in (Records { stream, at: 0 }) {
            match kind {
                0x041E => {
                    if let (Some(id), Some(text)) = (u16_at(data, 0), data.get(2..)) {
                        codes.insert(id, unicode_string(text));
                    }
                }
                0x00E0 => styles.extend(u16_at(data, 2)),
                0x0085 => {
                    let start = u16_at(data, 0).zip(u16_at(data, 2));
                    let start = start.map(|(low, high)| u32::from(high) << 16 | u32::from(low));
                    starts.push(
                        start
                            .and_then(|n| usize::try_from(n).ok())
                            .unwrap_or(usize::MAX),
                    );
                }
                EOF => break,
                _ => {}
            }
        }
        formats.by_style = by_style(&styles, &codes);
        formats.sheets = starts.iter().map(|at| Marks::read(stream, *at)).collect();
        formats
    }
}

impl Marks {
    /// Cells of the smallest rectangle around all cells, or of the stated one where that is larger.
    fn area(&self) -> u64 {
        let (mut rows, mut columns) = ((u32::MAX, 0), (u32::MAX, 0));
        for &(row, column) in self.styles.keys() {
            rows = (row.min(rows.0), row.max(rows.1));
            columns = (column.min(columns.0), column.max(columns.1));
        }
        if self.styles.is_empty() {
            return self.n_stated;
        }
        let n_rows = u64::from(rows.1 - rows.0) + 1;
        let n_columns = u64::from(columns.1 - columns.0) + 1;
        (n_rows * n_columns).max(self.n_stated)
    }

    fn read(stream: &[u8], start: usize) -> Self {
        let mut marks = Self::default();
        let mut depth = 0usize;
        for (kind, data) in (Records { stream, at: start }) {
            match kind {
                BOF => depth += 1,
                // Charts within the sheet have records of their own.
                EOF if depth <= 1 => break,
                EOF => depth -= 1,
                _ if depth != 1 => {}
                // Formula, Blank, Number, Label, BoolErr, Rk, LabelSst.
                0x0006 | 0x0201 | 0x0203 | 0x0204 | 0x0205 | 0x027E | 0x00FD => {
                    if let (Some(row), Some(column), Some(style)) =
                        (u16_at(data, 0), u16_at(data, 2), u16_at(data, 4))
                    {
                        marks.styles.insert((row.into(), column.into()), style);
                    }
                }
                // MulRk: row, first column, then style and value of each, then the last column.
                0x00BD => {
                    let (Some(row), Some(first)) = (u16_at(data, 0), u16_at(data, 2)) else {
                        continue;
                    };
                    for (column, rk) in (u32::from(first)..).zip(data[4..].chunks_exact(6)) {
                        if let Some(style) = u16_at(rk, 0) {
                            marks.styles.insert((row.into(), column), style);
                        }
                    }
                }
                0x0200 => marks.n_stated = stated_area(data),
                0x0208 => {
                    if let (Some(row), Some(flags)) = (u16_at(data, 0), u16_at(data, 12))
                        && flags & 0x20 != 0
                    {
                        marks.hidden_rows.push(row.into());
                    }
                }
                0x007D => {
                    if let (Some(first), Some(last), Some(flags)) =
                        (u16_at(data, 0), u16_at(data, 2), u16_at(data, 8))
                        && flags & 1 != 0
                    {
                        marks.hidden_columns.push((first.into(), last.into()));
                    }
                }
                _ => {}
            }
        }
        marks
    }
}

/// Cells of a `Dimensions` record (section 2.4.90): the first row and the one after the last in 32 bits each, columns in
/// 16; all in 16 in the shorter record of older workbooks. An end before its start is the number that it wraps to, as it
/// will be for who reads on.
fn stated_area(data: &[u8]) -> u64 {
    let short = |at: usize| u16_at(data, at).map_or(0, u32::from);
    let long = |at: usize| short(at + 2) << 16 | short(at);
    let (rows, columns) = if data.len() == 10 {
        ((short(0), short(2)), (short(4), short(6)))
    } else {
        ((long(0), long(4)), (short(8), short(10)))
    };
    let n = |(first, end): (u32, u32)| u64::from(end.wrapping_sub(first));
    n(rows).saturating_mul(n(columns))
}

/// Kind and data of each record.
struct Records<'a> {
    stream: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let head = self.stream.get(self.at..self.at.checked_add(4)?)?;
        let kind = u16_at(head, 0)?;
        let start = self.at + 4;
        let end = start + usize::from(u16_at(head, 2)?);
        let data = self.stream.get(start..end)?;
        self.at = end;
        Some((kind, data))
    }
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    let bytes = data.get(at..at + 2)?;
    Some(u16::from_le_bytes([bytes[0], bytes[1]]))
}

/// An `XLUnicodeString`: count of characters, flags, one or two bytes for each.
fn unicode_string(data: &[u8]) -> String {
    let (Some(n), Some(flags)) = (u16_at(data, 0), data.get(2)) else {
        return String::new();
    };
    let n = usize::from(n);
    let body = &data[3..];
    if flags & 1 == 0 {
        return body.iter().take(n).map(|b| char::from(*b)).collect();
    }
    let units = body
        .chunks_exact(2)
        .take(n)
        .map(|b| u16::from_le_bytes([b[0], b[1]]));
    char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(kind: u16, data: &[u8]) -> Vec<u8> {
        let mut out = kind.to_le_bytes().to_vec();
        out.extend(u16::try_from(data.len()).unwrap().to_le_bytes());
        out.extend(data);
        out
    }

    /// A workbook whose globals hold this record.
    fn workbook_with(record_of: &[u8]) -> Vec<u8> {
        let mut bof = vec![0; 16];
        bof[..4].copy_from_slice(&[0, 6, 5, 0]);
        let stream = [record(BOF, &bof), record_of.to_vec(), record(EOF, &[])].concat();
        let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        let mut workbook = file.create_stream("/Workbook").unwrap();
        std::io::Write::write_all(&mut workbook, &stream).unwrap();
        drop(workbook);
        file.into_inner().into_inner()
    }

    #[test]
    fn workbooks_that_a_library_stumbles_over_are_damaged() {
        let sheet_of = |first: u16, last: u16| {
            let mut rk = [0_u16.to_le_bytes(), first.to_le_bytes()].concat();
            rk.extend([0; 6]);
            rk.extend(last.to_le_bytes());
            let sheet = [
                record(BOF, &[0, 6, 0x10, 0, 0, 0, 0, 0]),
                record(0x00BD, &rk),
                record(EOF, &[]),
            ];
            let at = 4 + 16 + 4 + 9 + 4;
            let mut bound = u32::to_le_bytes(at).to_vec();
            bound.extend([0, 0, 1, 0, b'S']);
            let mut bytes = record(0x0085, &bound);
            bytes.extend(record(EOF, &[]));
            bytes.extend(sheet.concat());
            workbook_with(&bytes)
        };
        for bytes in [sheet_of(9, 3), sheet_of(1, 0), sheet_of(0, 9)] {
            if let Err(error) = open(&bytes) {
                assert!(matches!(error, ExtractError::Malformed { .. }), "{error}");
            }
        }
        assert!(open(&sheet_of(3, 3)).is_ok());
        assert!(open(&sheet_of(9, 3)).is_err());
    }

    #[test]
    fn formats_are_found_by_cell() {
        let mut format = vec![164, 0, 5, 0, 0];
        format.extend(b"0.0\"x");
        let mut stream = record(BOF, &[0; 16]);
        stream.extend(record(0x041E, &format));
        stream.extend(record(0x00E0, &[0, 0, 0, 0]));
        stream.extend(record(0x00E0, &[0, 0, 164, 0]));
        let at = u32::try_from(stream.len() + 12 + 4).unwrap();
        stream.extend(record(0x0085, &[&at.to_le_bytes()[..], &[0; 4]].concat()));
        stream.extend(record(EOF, &[]));
        stream.extend(record(BOF, &[0; 16]));
        stream.extend(record(0x0203, &[3, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        stream.extend(record(
            0x00BD,
            &[4, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0],
        ));
        let mut row = vec![0; 16];
        (row[0], row[12]) = (9, 0x20);
        stream.extend(record(0x0208, &row));
        stream.extend(record(0x007D, &[1, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0]));
        stream.extend(record(EOF, &[]));
        let formats = Formats::read(&stream);
        let marks = &formats.sheets[0];
        assert_eq!(marks.styles.get(&(3, 2)), Some(&1));
        assert_eq!(marks.styles.get(&(4, 1)), Some(&1));
        assert_eq!(marks.styles.get(&(4, 2)), Some(&0));
        // Rows 3 and 4, columns 1 and 2.
        assert_eq!(marks.area(), 4);
        assert_eq!(marks.hidden_rows, [9]);
        assert_eq!(marks.hidden_columns, [(1, 2)]);
        let format = formats.by_style[1].as_deref();
        assert_eq!(shown(&Data::Float(1.25), format, Epoch::Y1900), "1.3x");
        assert!(formats.by_style[0].is_none());
    }

    #[test]
    fn areas_beyond_belief_are_seen() {
        let cell = |row: u16, column: u16| {
            let place = [row.to_le_bytes(), column.to_le_bytes()].concat();
            record(0x0203, &[place, vec![0; 10]].concat())
        };
        let stated = |rows: u32| {
            let mut data = [0u32.to_le_bytes(), rows.to_le_bytes()].concat();
            data.extend([0, 0, 0, 1, 0, 0]);
            record(0x0200, &data)
        };
        for (records, area) in [
            (vec![], 0),
            (vec![cell(7, 7)], 1),
            (vec![cell(0, 0), cell(65_535, 65_535)], 1 << 32),
            (vec![stated(65_536), cell(0, 0)], 1 << 24),
            (
                vec![record(0x0200, &[9, 0, 8, 0, 0, 0, 1, 0, 0, 0])],
                u64::from(u32::MAX),
            ),
            (vec![stated(u32::MAX)], u64::from(u32::MAX) << 8),
        ] {
            let stream = [record(BOF, &[0; 16]), records.concat(), record(EOF, &[])].concat();
            assert_eq!(Marks::read(&stream, 0).area(), area);
        }
    }

    #[test]
    fn what_is_no_workbook_is_an_error() {
        assert!(read_xls(b"no ole", &mut Builder::new(1)).is_err());
    }

    proptest! {
        #[test]
        fn any_stream_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            Formats::read(&bytes);
            unicode_string(&bytes);
        }
    }
}
