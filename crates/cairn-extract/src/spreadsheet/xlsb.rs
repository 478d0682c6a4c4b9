//! XLSB: workbooks whose parts are binary records instead of XML, [MS-XLSB].
//!
//! The package, drawings and properties are those of XLSX. Records: section 2.1.4; those that matter here are named in
//! [`kind`]. Read by ourselves like XLSX, and for the same reasons: the shown text needs value and style at once, counts
//! that a file states must not be believed, and a damaged record should cost what comes after it in its part, nothing
//! else. A formula's record always holds a result, so none is ever missing. Not covered: threaded comments, rich text
//! (its characters are read, its looks are not). O(bytes) time; memory as for XLSX.

use std::collections::HashMap;
use std::rc::Rc;

use cairn_types::WarningCode;

use super::comments::push_comment;
use super::drawings::push_drawings;
use super::number_format::{Epoch, NumberFormat, general};
use super::sheet::{Budget, Merged, Sheet, column_name, push_sheet};
use super::xlsx::{MAX_COLUMNS, MAX_ROWS, SharedStrings, Workbook, by_style, missing_sheet};
use crate::builder::Builder;
use crate::context::Context;
use crate::error::ExtractError;
use crate::ooxml::Package;

/// Types of records, section 2.3.
mod kind {
    pub(super) const ROW: u32 = 0;
    pub(super) const CELL_RK: u32 = 2;
    pub(super) const CELL_ERROR: u32 = 3;
    pub(super) const CELL_BOOL: u32 = 4;
    pub(super) const CELL_REAL: u32 = 5;
    pub(super) const CELL_TEXT: u32 = 6;
    pub(super) const CELL_SHARED: u32 = 7;
    pub(super) const FORMULA_TEXT: u32 = 8;
    pub(super) const FORMULA_NUMBER: u32 = 9;
    pub(super) const FORMULA_BOOL: u32 = 10;
    pub(super) const FORMULA_ERROR: u32 = 11;
    pub(super) const SHARED_ITEM: u32 = 19;
    pub(super) const FORMAT: u32 = 44;
    pub(super) const STYLE: u32 = 47;
    pub(super) const COLUMNS: u32 = 60;
    pub(super) const CELL_RICH: u32 = 62;
    pub(super) const END_SHEET: u32 = 130;
    pub(super) const BOOK_PROPERTIES: u32 = 153;
    pub(super) const SHEET_ENTRY: u32 = 156;
    pub(super) const MERGED: u32 = 176;
    pub(super) const BEGIN_CELL_STYLES: u32 = 617;
    pub(super) const END_CELL_STYLES: u32 = 618;
    pub(super) const AUTHOR: u32 = 632;
    pub(super) const COMMENT: u32 = 635;
    pub(super) const COMMENT_TEXT: u32 = 637;
}

/// Reads a binary OOXML workbook.
pub(crate) fn read_xlsb(
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let mut package = Package::open(bytes, cx)?;
    let path = package.main_part("xl/workbook.bin")?;
    let Some(book) = package.read(&path)? else {
        return Err(ExtractError::malformed("the workbook part is missing"));
    };
    builder.title = package.own_title()?;
    let rels = package.relationships(&path)?;
    let mut part = |kind: &str| match rels.of_kind(kind).next() {
        Some(target) => readable(package.read(target)),
        None => Ok(None),
    };
    let styles = part("styles")?.unwrap_or_default();
    let strings = part("sharedStrings")?.unwrap_or_default();
    let (entries, epoch) = read_book(&book);
    let book = Workbook {
        formats: read_styles(&styles),
        strings: read_strings(&strings),
        epoch,
    };
    drop((styles, strings));
    let mut budget = Budget::default();
    if entries.is_empty() {
        return Err(ExtractError::malformed("the workbook names no sheet"));
    }
    for entry in entries {
        let Some(relation) = rels.get(&entry.relation) else {
            missing_sheet(builder, &entry.name);
            continue;
        };
        let path = relation.target.clone();
        match relation.kind.as_str() {
            "dialogsheet" => continue,
            "chartsheet" => {
                builder.heading(1, entry.name);
                push_drawings(&mut package, &path, builder)?;
                continue;
            }
            _ => {}
        }
        let Some(records) = readable(package.read(&path))? else {
            missing_sheet(builder, &entry.name);
            continue;
        };
        let mut sheet = Sheet {
            name: entry.name,
            is_hidden: entry.is_hidden,
            ..Sheet::default()
        };
        if !read_sheet(&records, &book, &mut sheet, &mut budget) {
            let name = &sheet.name;
            builder.warn(
                WarningCode::Unreadable,
                None,
                format!("sheet `{name}` was read only in part: its end is missing"),
            );
        }
        drop(records);
        push_sheet(builder, sheet, &mut budget);
        push_drawings(&mut package, &path, builder)?;
        for target in package.relationships(&path)?.of_kind("comments") {
            if let Some(records) = readable(package.read(target))? {
                push_comments(&records, builder);
            }
        }
    }
    budget.close(builder);
    Ok(())
}

/// A part that is damaged is as none.
fn readable(read: Result<Option<Vec<u8>>, ExtractError>) -> Result<Option<Vec<u8>>, ExtractError> {
    match read {
        Err(ExtractError::Malformed { .. }) => Ok(None),
        other => other,
    }
}

/// Type and data of each record, up to the end or the first that is cut off.
struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// A number in groups of 7 bits, the lowest first, in up to `max` bytes.
    fn number(&mut self, max: usize) -> Option<u32> {
        let mut number = 0;
        for at in 0..max {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u32::from(byte & 0x7F) << (7 * at);
            if byte & 0x80 == 0 {
                break;
            }
        }
        Some(number)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let kind = self.number(2)?;
        let n = usize::try_from(self.number(4)?).ok()?;
        let (data, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some((kind, data))
    }
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    let bytes = data.get(at..at + 2)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

fn f64_at(data: &[u8], at: usize) -> Option<f64> {
    let bytes = data.get(at..at + 8)?;
    Some(f64::from_le_bytes(bytes.try_into().ok()?))
}

/// A string in UTF-16 after its count of units, and how many bytes it takes. The count 2³²-1 stands for none.
fn text_at(data: &[u8], at: usize) -> Option<(String, usize)> {
    let n = u32_at(data, at)?;
    if n == u32::MAX {
        return Some((String::new(), 4));
    }
    let n = usize::try_from(n).ok()?.checked_mul(2)?;
    let units = data.get(at + 4..)?.get(..n)?;
    let units = units
        .chunks_exact(2)
        .map(|b| u16::from_le_bytes([b[0], b[1]]));
    let text = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
    Some((text.collect(), 4 + n))
}

struct Entry {
    name: String,
    relation: String,
    is_hidden: bool,
}

fn read_book(bytes: &[u8]) -> (Vec<Entry>, Epoch) {
    let mut entries = Vec::new();
    let mut epoch = Epoch::Y1900;
    for (kind, data) in (Records { rest: bytes }) {
        match kind {
            kind::BOOK_PROPERTIES if data.first().is_some_and(|flags| flags & 1 != 0) => {
                epoch = Epoch::Y1904;
            }
            kind::SHEET_ENTRY => {
                let entry = text_at(data, 8).and_then(|(relation, n)| {
                    Some(Entry {
                        name: text_at(data, 8 + n)?.0,
                        relation,
                        is_hidden: u32_at(data, 0)? != 0,
                    })
                });
                entries.extend(entry);
            }
            _ => {}
        }
    }
    (entries, epoch)
}

fn read_styles(bytes: &[u8]) -> Vec<Option<Rc<NumberFormat>>> {
    let mut codes: HashMap<u16, String> = HashMap::new();
    let mut ids: Vec<u16> = Vec::new();
    let mut in_cells = false;
    for (kind, data) in (Records { rest: bytes }) {
        match kind {
            kind::FORMAT => {
                if let (Some(id), Some((code, _))) = (u16_at(data, 0), text_at(data, 2)) {
                    codes.insert(id, code);
                }
            }
            kind::BEGIN_CELL_STYLES => in_cells = true,
            kind::END_CELL_STYLES => in_cells = false,
            kind::STYLE if in_cells => ids.push(u16_at(data, 2).unwrap_or(0)),
            _ => {}
        }
    }
    by_style(&ids, &codes)
}

fn read_strings(bytes: &[u8]) -> SharedStrings {
    let mut strings = SharedStrings::default();
    for (kind, data) in (Records { rest: bytes }) {
        if kind == kind::SHARED_ITEM {
            // An item that is damaged keeps its place.
            strings.push(&text_at(data, 1).map(|(text, _)| text).unwrap_or_default());
        }
    }
    strings
}

/// Reads the records of a sheet. Returns whether its end was reached.
fn read_sheet(bytes: &[u8], book: &Workbook, sheet: &mut Sheet, budget: &mut Budget) -> bool {
    let mut row = 0;
    for (kind, data) in (Records { rest: bytes }) {
        match kind {
            kind::ROW => {
                row = u32_at(data, 0).unwrap_or(MAX_ROWS);
                if data.get(11).is_some_and(|flags| flags & 0x10 != 0) {
                    sheet.hidden_rows.insert(row);
                }
            }
            kind::COLUMNS => {
                if let (Some(first), Some(last)) = (u32_at(data, 0), u32_at(data, 4))
                    && data.get(16).is_some_and(|flags| flags & 1 != 0)
                    && sheet.hidden_columns.len() < MAX_COLUMNS as usize
                {
                    sheet.hidden_columns.push((first, last));
                }
            }
            kind::MERGED => sheet.merged.extend(merged(data)),
            kind::END_SHEET => return true,
            kind::CELL_RK..=kind::FORMULA_ERROR | kind::CELL_RICH => {
                let column = u32_at(data, 0).filter(|column| *column < MAX_COLUMNS);
                match (column, shown(kind, data, book)) {
                    (Some(column), Some(text)) if row < MAX_ROWS => {
                        sheet.add(row, column, &text, budget);
                    }
                    _ => sheet.n_unreadable += 1,
                }
            }
            _ => {}
        }
    }
    false
}

fn merged(data: &[u8]) -> Option<Merged> {
    let merged = Merged {
        rows: (u32_at(data, 0)?, u32_at(data, 4)?),
        columns: (u32_at(data, 8)?, u32_at(data, 12)?),
    };
    let is_right = merged.rows.0 <= merged.rows.1
        && merged.columns.0 <= merged.columns.1
        && merged.rows.1 < MAX_ROWS
        && merged.columns.1 < MAX_COLUMNS;
    is_right.then_some(merged)
}

/// The text that a cell shows: after its column come the style in 24 bits and 8 flags, then the value.
fn shown(kind: u32, data: &[u8], book: &Workbook) -> Option<String> {
    const VALUE: usize = 8;
    let style = u32_at(data, 4)? & 0x00FF_FFFF;
    let format = book.formats.get(usize::try_from(style).ok()?);
    let format = format.and_then(Option::as_deref);
    let number = |n: f64| format.map_or_else(|| general(n), |format| format.number(n, book.epoch));
    let as_text = |text: &str| format.map_or_else(|| text.to_owned(), |format| format.text(text));
    Some(match kind {
        kind::CELL_RK => number(rk(u32_at(data, VALUE)?)),
        kind::CELL_REAL | kind::FORMULA_NUMBER => number(f64_at(data, VALUE)?),
        kind::CELL_BOOL | kind::FORMULA_BOOL => match data.get(VALUE)? {
            0 => "FALSE".to_owned(),
            _ => "TRUE".to_owned(),
        },
        kind::CELL_ERROR | kind::FORMULA_ERROR => error_text(*data.get(VALUE)?).to_owned(),
        kind::CELL_TEXT | kind::FORMULA_TEXT => as_text(&text_at(data, VALUE)?.0),
        // Flags of the rich text come first.
        kind::CELL_RICH => as_text(&text_at(data, VALUE + 1)?.0),
        kind::CELL_SHARED => {
            let idx = usize::try_from(u32_at(data, VALUE)?).ok()?;
            as_text(book.strings.get(idx)?)
        }
        _ => return None,
    })
}

/// `RkNumber`, section 2.5.123: 30 bits of an integer or of the upper half of a double, perhaps a hundredth of it.
fn rk(bits: u32) -> f64 {
    let n = if bits & 2 == 0 {
        f64::from_bits(u64::from(bits & !3) << 32)
    } else {
        f64::from(bits.cast_signed() >> 2)
    };
    if bits & 1 == 0 { n } else { n / 100.0 }
}

/// `BErr`, section 2.5.98.2.
const fn error_text(code: u8) -> &'static str {
    match code {
        0x00 => "#NULL!",
        0x07 => "#DIV/0!",
        0x0F => "#VALUE!",
        0x17 => "#REF!",
        0x1D => "#NAME?",
        0x24 => "#NUM!",
        0x2A => "#N/A",
        _ => "#ERROR!",
    }
}

/// Adds the comments of one sheet.
fn push_comments(bytes: &[u8], builder: &mut Builder) {
    let mut authors: Vec<String> = Vec::new();
    let mut open: Option<(String, String)> = None;
    for (kind, data) in (Records { rest: bytes }) {
        match kind {
            kind::AUTHOR => {
                authors.push(text_at(data, 0).map(|(text, _)| text).unwrap_or_default());
            }
            // The author's number, then the range that the comment stands at.
            kind::COMMENT => {
                let author = u32_at(data, 0).and_then(|n| authors.get(usize::try_from(n).ok()?));
                let row = u32_at(data, 4).filter(|row| *row < MAX_ROWS);
                let column = u32_at(data, 12).filter(|column| *column < MAX_COLUMNS);
                let cell = row.zip(column);
                let cell = cell.map(|(row, column)| format!("{}{}", column_name(column), row + 1));
                open = Some((
                    cell.unwrap_or_default(),
                    author.cloned().unwrap_or_default(),
                ));
            }
            kind::COMMENT_TEXT => {
                if let (Some((cell, author)), Some((text, _))) = (open.take(), text_at(data, 1)) {
                    push_comment(builder, &cell, &author, &text);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "xlsb_tests.rs"]
mod tests;
