//! XLSX and XLSM: the parts of an Office Open XML workbook, ECMA-376 part 1, section 18.
//!
//! Read part by part with our own reader, not a library: the text that a cell shows needs its value, its style and
//! whether it is a formula at once, a damaged cell should cost that cell and not its sheet, and the counts that a
//! file states must not be believed. Memory: one part at a time, plus the shared strings, plus the filled cells.

use std::collections::HashMap;
use std::rc::Rc;

use cairn_types::WarningCode;
use quick_xml::events::{BytesStart, Event};

use super::comments::push_comments;
use super::drawings::push_drawings;
use super::number_format::{Epoch, NumberFormat, builtin};
use super::sheet::{Budget, Merged, Sheet, push_sheet};
use crate::builder::Builder;
use crate::context::Context;
use crate::error::ExtractError;
use crate::ooxml::{Package, Relationships};
use crate::xml::{attr, fault, part_text, reader, reference};

/// Columns and rows of a sheet; a cell that claims to stand beyond is taken as the next one.
pub(super) const MAX_COLUMNS: u32 = 16_384;
pub(super) const MAX_ROWS: u32 = 1_048_576;

/// Reads an OOXML workbook.
pub(crate) fn read_xlsx(
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let mut package = Package::open(bytes, cx)?;
    let path = package.main_part("xl/workbook.xml")?;
    let Some(book) = text_of(&mut package, &path)? else {
        return Err(ExtractError::malformed("the workbook part is missing"));
    };
    builder.title = package.own_title()?;
    let rels = package.relationships(&path)?;
    let styles = match rels.of_kind("styles").next() {
        Some(target) => text_of(&mut package, target)?,
        None => None,
    };
    let strings = match rels.of_kind("sharedStrings").next() {
        Some(target) => text_of(&mut package, target)?,
        None => None,
    };
    let (mut sheets, epoch) = read_workbook(&book);
    let is_damaged = fault(book.as_bytes()).is_some();
    push_unlisted(&mut sheets, &package, &rels, is_damaged, builder);
    let book = Workbook {
        formats: styles.as_deref().map(read_styles).unwrap_or_default(),
        strings: strings
            .as_deref()
            .map(SharedStrings::read)
            .unwrap_or_default(),
        epoch,
    };
    if let Some(fault) = &book.strings.fault {
        let reason = format!("the texts of the cells were read only in part: {fault}");
        builder.warn(WarningCode::Recovered, None, reason);
    }
    let mut budget = Budget::default();
    let mut n_read = 0;
    for entry in sheets {
        let relation = entry.relation.as_ref().and_then(|id| rels.get(id));
        let kind = relation.map(|relation| relation.kind.as_str());
        let Some(path) = entry
            .part
            .or_else(|| relation.map(|relation| relation.target.clone()))
        else {
            missing_sheet(builder, &entry.name);
            continue;
        };
        if kind == Some("dialogsheet") {
            continue;
        }
        if kind == Some("chartsheet") {
            n_read += 1;
            builder.heading(1, entry.name);
            push_drawings(&mut package, &path, builder)?;
            continue;
        }
        let Some(text) = text_of(&mut package, &path)? else {
            missing_sheet(builder, &entry.name);
            continue;
        };
        n_read += 1;
        let mut sheet = Sheet {
            name: entry.name,
            is_hidden: entry.is_hidden,
            ..Sheet::default()
        };
        let fault = read_sheet(&text, &book, &mut sheet, &mut budget);
        drop(text);
        if let Some(fault) = fault {
            let name = &sheet.name;
            builder.warn(
                WarningCode::Unreadable,
                None,
                format!("sheet `{name}` was read only in part: {fault}"),
            );
        }
        push_sheet(builder, sheet, &mut budget);
        push_drawings(&mut package, &path, builder)?;
        for target in package.relationships(&path)?.of_kind("comments") {
            if let Some(text) = text_of(&mut package, target)? {
                push_comments(&text, builder);
            }
        }
    }
    budget.close(builder);
    if n_read == 0 && builder.report.warnings.is_empty() {
        return Err(ExtractError::malformed("the workbook names no sheet"));
    }
    Ok(())
}

pub(super) fn missing_sheet(builder: &mut Builder, name: &str) {
    builder.warn(
        WarningCode::Unreadable,
        None,
        format!("sheet `{name}` could not be read: its part is missing"),
    );
}

/// Text of a part, without a copy where it is UTF-8 as nearly always. None where the part is missing or damaged.
fn text_of(package: &mut Package<'_>, path: &str) -> Result<Option<String>, ExtractError> {
    match package.read(path) {
        Ok(bytes) => Ok(bytes.map(|bytes| {
            String::from_utf8(bytes).unwrap_or_else(|error| part_text(error.as_bytes()))
        })),
        Err(ExtractError::Malformed { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What all sheets share.
#[derive(Default)]
pub(super) struct Workbook {
    /// By style of a cell.
    pub(super) formats: Vec<Option<Rc<NumberFormat>>>,
    pub(super) strings: SharedStrings,
    pub(super) epoch: Epoch,
}

struct SheetEntry {
    name: String,
    relation: Option<String>,
    /// Where it is, if nothing but its name says so.
    part: Option<String>,
    is_hidden: bool,
}

/// Adds the sheets that the package holds and a damaged workbook does not list. Those that a whole workbook does not list
/// are what some program left behind.
fn push_unlisted(
    sheets: &mut Vec<SheetEntry>,
    package: &Package<'_>,
    rels: &Relationships,
    is_damaged: bool,
    builder: &mut Builder,
) {
    let is_listed = |part: &str| {
        sheets
            .iter()
            .filter_map(|sheet| rels.get(sheet.relation.as_ref()?))
            .any(|relation| relation.target.eq_ignore_ascii_case(part))
    };
    let mut unlisted = package.numbered("xl/worksheets/sheet", ".xml");
    unlisted.retain(|part| !is_listed(part));
    if unlisted.is_empty() {
        return;
    }
    let n = unlisted.len();
    if !is_damaged
        && sheets.iter().all(|sheet| {
            sheet
                .relation
                .as_ref()
                .is_some_and(|id| rels.get(id).is_some())
        })
    {
        let reason = format!("{n} sheets that the workbook does not list were left out");
        builder.warn(WarningCode::Hidden, None, reason);
        return;
    }
    let reason = format!(
        "{n} sheets that the damaged workbook does not list were read by the names of their parts"
    );
    builder.warn(WarningCode::Recovered, None, reason);
    sheets.extend(unlisted.into_iter().map(|part| {
        SheetEntry {
            name: part
                .trim_start_matches("xl/worksheets/")
                .trim_end_matches(".xml")
                .to_owned(),
            relation: None,
            part: Some(part),
            is_hidden: false,
        }
    }));
}

fn read_workbook(xml: &str) -> (Vec<SheetEntry>, Epoch) {
    let mut sheets = Vec::new();
    let mut epoch = Epoch::Y1900;
    let mut reader = reader(xml);
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                match element.local_name().as_ref() {
                    "workbookPr" => {
                        let is_1904 = attr(&element, "date1904");
                        if matches!(is_1904.as_deref(), Some("1" | "true" | "on")) {
                            epoch = Epoch::Y1904;
                        }
                    }
                    "sheet" => sheets.push(SheetEntry {
                        name: attr(&element, "name").unwrap_or_default(),
                        relation: attr(&element, "id"),
                        part: None,
                        is_hidden: attr(&element, "state").is_some_and(|s| s != "visible"),
                    }),
                    _ => {}
                }
            }
            Ok(Event::Eof) | Err(_) => return (sheets, epoch),
            Ok(_) => {}
        }
    }
}

/// The formats of the cells' styles; none where numbers show as they are.
fn read_styles(xml: &str) -> Vec<Option<Rc<NumberFormat>>> {
    let mut codes: HashMap<u16, String> = HashMap::new();
    let mut ids: Vec<u16> = Vec::new();
    let mut reader = reader(xml);
    let (mut in_formats, mut in_cells) = (false, false);
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                match element.local_name().as_ref() {
                    "numFmts" => in_formats = true,
                    "cellXfs" => in_cells = true,
                    "numFmt" if in_formats => {
                        let id = attr(&element, "numFmtId").and_then(|id| id.parse().ok());
                        if let (Some(id), Some(code)) = (id, attr(&element, "formatCode")) {
                            codes.insert(id, code);
                        }
                    }
                    "xf" if in_cells => {
                        let id = attr(&element, "numFmtId").and_then(|id| id.parse().ok());
                        ids.push(id.unwrap_or(0));
                    }
                    _ => {}
                }
            }
            Ok(Event::End(element)) => match element.local_name().as_ref() {
                "numFmts" => in_formats = false,
                "cellXfs" => in_cells = false,
                _ => {}
            },
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    by_style(&ids, &codes)
}

/// For each style the format that its number names; none where numbers show as they are. Styles share their formats: there
/// may be many of them, and a format may be long.
pub(super) fn by_style(ids: &[u16], codes: &HashMap<u16, String>) -> Vec<Option<Rc<NumberFormat>>> {
    let mut parsed: HashMap<u16, Option<Rc<NumberFormat>>> = HashMap::new();
    ids.iter()
        .map(|id| {
            let format = parsed.entry(*id).or_insert_with(|| {
                let code = codes.get(id).map(String::as_str).or_else(|| builtin(*id));
                code.filter(|code| *code != "General")
                    .map(|code| Rc::new(NumberFormat::parse(code)))
            });
            format.clone()
        })
        .collect()
}

/// The shared strings in one piece of memory: a string costs its bytes and one offset.
#[derive(Default)]
pub(super) struct SharedStrings {
    text: String,
    ends: Vec<usize>,
    /// Why those after the last one could not be read.
    fault: Option<String>,
}

impl SharedStrings {
    fn read(xml: &str) -> Self {
        let mut strings = Self::default();
        let mut reader = reader(xml);
        let (mut in_text, mut in_phonetic) = (false, false);
        loop {
            match reader.read_event() {
                Ok(Event::Start(element)) => match element.local_name().as_ref() {
                    "t" => in_text = true,
                    "rPh" => in_phonetic = true,
                    _ => {}
                },
                Ok(Event::Empty(element)) if element.local_name().as_ref() == "si" => {
                    strings.ends.push(strings.text.len());
                }
                Ok(Event::Text(piece)) if in_text && !in_phonetic => {
                    strings.text.push_str(&piece.xml10_content());
                }
                Ok(Event::CData(piece)) if in_text && !in_phonetic => {
                    strings.text.push_str(&piece.xml10_content());
                }
                Ok(Event::GeneralRef(piece)) if in_text && !in_phonetic => {
                    strings.text.extend(reference(&piece));
                }
                Ok(Event::End(element)) => match element.local_name().as_ref() {
                    "t" => in_text = false,
                    "rPh" => in_phonetic = false,
                    "si" => strings.ends.push(strings.text.len()),
                    _ => {}
                },
                Ok(Event::Eof) => return strings,
                Err(error) => {
                    strings.fault = Some(error.to_string());
                    return strings;
                }
                Ok(_) => {}
            }
        }
    }

    /// Adds one string.
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    pub(super) fn get(&self, idx: usize) -> Option<&str> {
        let end = *self.ends.get(idx)?;
        let start = if idx == 0 { 0 } else { self.ends[idx - 1] };
        self.text.get(start..end)
    }
}

/// A cell as it is being read.
#[derive(Default)]
struct OpenCell {
    row: u32,
    column: u32,
    kind: String,
    style: usize,
    value: String,
    has_formula: bool,
    has_value: bool,
}

/// Reads the cells of a sheet. Returns what is wrong with it where its end was not reached.
fn read_sheet(
    xml: &str,
    book: &Workbook,
    sheet: &mut Sheet,
    budget: &mut Budget,
) -> Option<String> {
    let mut reader = reader(xml);
    let (mut row, mut column) = (0u32, 0u32);
    let mut cell: Option<OpenCell> = None;
    // Inside `v` or an inline `t`, and not in a phonetic reading.
    let (mut in_value, mut in_phonetic) = (false, false);
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => return Some(error.to_string()),
        };
        match event {
            Event::Start(element) => match element.local_name().as_ref() {
                "row" => {
                    row = open_row(&element, row, sheet);
                    column = 0;
                }
                "c" => {
                    let open = open_cell(&element, row, column);
                    column = open.column + 1;
                    cell = Some(open);
                }
                "v" | "t" => {
                    in_value = cell.is_some();
                    if let Some(cell) = &mut cell {
                        cell.has_value = true;
                    }
                }
                "f" => {
                    if let Some(cell) = &mut cell {
                        cell.has_formula = true;
                    }
                }
                "rPh" => in_phonetic = true,
                "col" => hidden_columns(&element, sheet),
                "mergeCell" => sheet.merged.extend(merged(&element)),
                _ => {}
            },
            Event::Empty(element) => match element.local_name().as_ref() {
                "row" => row = open_row(&element, row, sheet) + 1,
                "c" => column = open_cell(&element, row, column).column + 1,
                "v" => {
                    if let Some(cell) = &mut cell {
                        cell.has_value = true;
                    }
                }
                "f" => {
                    if let Some(cell) = &mut cell {
                        cell.has_formula = true;
                    }
                }
                "col" => hidden_columns(&element, sheet),
                "mergeCell" => sheet.merged.extend(merged(&element)),
                _ => {}
            },
            Event::Text(piece) if in_value && !in_phonetic => {
                if let Some(cell) = &mut cell {
                    cell.value.push_str(&piece.xml10_content());
                }
            }
            Event::CData(piece) if in_value && !in_phonetic => {
                if let Some(cell) = &mut cell {
                    cell.value.push_str(&piece.xml10_content());
                }
            }
            Event::GeneralRef(piece) if in_value && !in_phonetic => {
                if let Some(cell) = &mut cell {
                    cell.value.extend(reference(&piece));
                }
            }
            Event::End(element) => match element.local_name().as_ref() {
                "v" | "t" => in_value = false,
                "rPh" => in_phonetic = false,
                "c" => {
                    if let Some(cell) = cell.take() {
                        close_cell(&cell, book, sheet, budget);
                    }
                }
                "row" => row += 1,
                "worksheet" => return None,
                _ => {}
            },
            Event::Eof => return Some("its end is missing".to_owned()),
            _ => {}
        }
    }
}

/// The number of the row that starts here, from 0.
fn open_row(element: &BytesStart<'_>, next: u32, sheet: &mut Sheet) -> u32 {
    let number = attr(element, "r").and_then(|r| r.trim().parse::<u32>().ok());
    let number = match number {
        Some(number @ 1..=MAX_ROWS) => number - 1,
        _ => next,
    };
    if is_true(attr(element, "hidden")) {
        sheet.hidden_rows.insert(number);
    }
    number
}

fn is_true(value: Option<String>) -> bool {
    value.is_some_and(|value| value == "1" || value == "true")
}

fn open_cell(element: &BytesStart<'_>, row: u32, next: u32) -> OpenCell {
    let (row, column) = attr(element, "r")
        .and_then(|place| place_of(&place))
        .unwrap_or((row, next));
    OpenCell {
        row,
        column,
        kind: attr(element, "t").unwrap_or_default(),
        style: attr(element, "s").and_then(|s| s.parse().ok()).unwrap_or(0),
        ..OpenCell::default()
    }
}

/// Row and column from 0 of a place like `B12`.
fn place_of(place: &str) -> Option<(u32, u32)> {
    let place = place.replace('$', "");
    let n_letters = place.bytes().take_while(u8::is_ascii_alphabetic).count();
    if n_letters == 0 || n_letters > 3 {
        return None;
    }
    let (letters, digits) = place.split_at(n_letters);
    let column = letters.bytes().fold(0u32, |column, letter| {
        column * 26 + u32::from(letter.to_ascii_uppercase() - b'A' + 1)
    });
    let row: u32 = digits.parse().ok()?;
    ((1..=MAX_COLUMNS).contains(&column) && (1..=MAX_ROWS).contains(&row))
        .then(|| (row - 1, column - 1))
}

fn merged(element: &BytesStart<'_>) -> Option<Merged> {
    let range = attr(element, "ref")?;
    let (from, to) = range.split_once(':')?;
    let (from, to) = (place_of(from)?, place_of(to)?);
    (from.0 <= to.0 && from.1 <= to.1).then_some(Merged {
        rows: (from.0, to.0),
        columns: (from.1, to.1),
    })
}

fn hidden_columns(element: &BytesStart<'_>, sheet: &mut Sheet) {
    if !is_true(attr(element, "hidden")) {
        return;
    }
    let number = |name: &str| attr(element, name).and_then(|n| n.parse::<u32>().ok());
    if let (Some(first @ 1..), Some(last)) = (number("min"), number("max"))
        && sheet.hidden_columns.len() < MAX_COLUMNS as usize
    {
        sheet
            .hidden_columns
            .push((first - 1, last.saturating_sub(1)));
    }
}

/// Adds a cell with the text that it shows.
fn close_cell(cell: &OpenCell, book: &Workbook, sheet: &mut Sheet, budget: &mut Budget) {
    if cell.value.is_empty() {
        // An empty value beside a formula is its result: an empty text.
        sheet.n_uncached += u64::from(cell.has_formula && !cell.has_value);
        return;
    }
    let format = book.formats.get(cell.style).and_then(Option::as_deref);
    let as_text = |text: &str| match format {
        Some(format) => format.text(&unescape(text)),
        None => unescape(text),
    };
    let text = match cell.kind.as_str() {
        "s" => {
            let idx = cell.value.trim().parse::<usize>().ok();
            match idx.and_then(|idx| book.strings.get(idx)) {
                Some(text) => as_text(text),
                None => {
                    sheet.n_unreadable += 1;
                    return;
                }
            }
        }
        "b" => match cell.value.trim() {
            "0" | "false" => "FALSE".to_owned(),
            _ => "TRUE".to_owned(),
        },
        "d" => iso_text(&cell.value),
        "" | "n" => match cell.value.trim().parse::<f64>() {
            Ok(n) => match format {
                Some(format) => format.number(n, book.epoch),
                None => super::number_format::general(n),
            },
            Err(_) => as_text(&cell.value),
        },
        _ => as_text(&cell.value),
    };
    sheet.add(cell.row, cell.column, &text, budget);
}

/// A date that is stored as text in ISO 8601, without a time that says nothing.
fn iso_text(value: &str) -> String {
    let value = value.trim();
    match value.split_once('T') {
        Some((day, time)) => {
            let time = time.trim_end_matches('Z');
            let time = time.strip_suffix(".000").unwrap_or(time);
            if time.bytes().all(|b| matches!(b, b'0' | b':' | b'.')) {
                day.to_owned()
            } else {
                format!("{day} {time}")
            }
        }
        None => value.to_owned(),
    }
}

/// Undoes `_x000D_`, which stands for characters that XML cannot hold (section 22.4.2.4); control characters go.
fn unescape(text: &str) -> String {
    if !text.contains("_x") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 2..at + 6);
        let value = code
            .filter(|_| rest.as_bytes().get(at + 6) == Some(&b'_'))
            .and_then(|code| u32::from_str_radix(code, 16).ok());
        if let Some(value) = value {
            out.extend(char::from_u32(value).filter(|c| !c.is_control() || *c == '\n'));
            rest = &rest[at + 7..];
        } else {
            out.push_str("_x");
            rest = &rest[at + 2..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
#[path = "xlsx_tests.rs"]
mod tests;
