//! ODS: the sheets of an OpenDocument spreadsheet, OASIS OpenDocument 1.3 part 3, section 9.
//!
//! The file stores the text that each cell shows beside its value, so nothing is formatted here; a cell that some
//! writer left without its text shows its value as `General` would. Repeated rows and cells, which stand for areas
//! of the same content, are made within the limits of a workbook; repeated empty ones cost nothing.

use std::collections::HashSet;

use quick_xml::events::{BytesStart, Event};

use super::comments::push_comment;
use super::number_format::general;
use super::sheet::{Budget, Merged, Sheet, column_name, push_sheet};
use crate::archive::Archive;
use crate::builder::Builder;
use crate::context::Context;
use crate::error::ExtractError;
use crate::xml::{attr, part_text, reader, reference};

/// Columns and rows of a sheet; repeated cells beyond are counted as left out.
const MAX_COLUMNS: u32 = 16_384;
const MAX_ROWS: u32 = 1_048_576;

/// Reads an OpenDocument spreadsheet.
pub(crate) fn read_ods(
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let mut archive = Archive::open(bytes, cx)?;
    if let Some(manifest) = archive.read("META-INF/manifest.xml")?
        && part_text(&manifest).contains("encryption-data")
    {
        return Err(ExtractError::PasswordRequired);
    }
    if let Some(meta) = archive.read("meta.xml")? {
        builder.title = title(&part_text(&meta));
    }
    let Some(content) = archive.read("content.xml")? else {
        return Err(ExtractError::malformed("`content.xml` is missing"));
    };
    let content = String::from_utf8(content).unwrap_or_else(|error| part_text(error.as_bytes()));
    let mut found = Found::default();
    let hidden = hidden_styles(&content);
    let mut reader = reader(&content);
    let mut fault = None;
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) if element.local_name().as_ref() == "table" => {
                let mut sheet = Sheet {
                    name: attr(&element, "name").unwrap_or_default(),
                    is_hidden: attr(&element, "style-name").is_some_and(|s| hidden.contains(&s)),
                    ..Sheet::default()
                };
                fault = read_table(&mut reader, &mut sheet, &mut found);
                push_sheet(builder, sheet, &mut found.budget);
                for (cell, author, text) in found.comments.drain(..) {
                    push_comment(builder, &cell, &author, &text);
                }
            }
            Ok(Event::Eof) => break,
            Err(error) => fault = Some(error.to_string()),
            Ok(_) => {}
        }
        if let Some(fault) = &fault {
            builder.warn(
                cairn_types::WarningCode::Unreadable,
                None,
                format!("the sheets were read only in part: {fault}"),
            );
            break;
        }
    }
    found.budget.close(builder);
    Ok(())
}

#[derive(Default)]
struct Found {
    budget: Budget,
    /// Place, author and text.
    comments: Vec<(String, String, String)>,
}

fn title(meta: &str) -> Option<String> {
    let mut reader = reader(meta);
    let mut title: Option<String> = None;
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) if element.name().as_ref() == "dc:title" => {
                title = Some(String::new());
            }
            Ok(Event::Text(piece)) => {
                if let Some(title) = &mut title {
                    title.push_str(&piece.xml10_content());
                }
            }
            Ok(Event::End(_)) if title.is_some() => return title,
            Ok(Event::Eof) | Err(_) => return title,
            Ok(_) => {}
        }
    }
}

/// Names of table styles that are not displayed.
fn hidden_styles(content: &str) -> HashSet<String> {
    let mut hidden = HashSet::new();
    let mut reader = reader(content);
    let mut name = None;
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                match element.local_name().as_ref() {
                    "style" => name = attr(&element, "name"),
                    "table-properties" if attr(&element, "display").as_deref() == Some("false") => {
                        hidden.extend(name.take());
                    }
                    // Styles stand before the sheets.
                    "spreadsheet" => return hidden,
                    _ => {}
                }
            }
            Ok(Event::Eof) | Err(_) => return hidden,
            Ok(_) => {}
        }
    }
}

fn number(element: &BytesStart<'_>, name: &str) -> u32 {
    let n = attr(element, name).and_then(|n| n.trim().parse::<u32>().ok());
    n.unwrap_or(1).max(1)
}

fn is_hidden(element: &BytesStart<'_>) -> bool {
    attr(element, "visibility").is_some_and(|visibility| visibility != "visible")
}

/// A cell as it is being read.
#[derive(Default)]
struct OpenCell {
    n_repeated: u32,
    n_columns: u32,
    n_rows: u32,
    is_covered: bool,
    has_formula: bool,
    has_type: bool,
    /// What it is, where the writer left its text out.
    value: String,
    text: String,
    n_paragraphs: usize,
}

/// A filled cell of a row, before the row is repeated.
struct RowCell {
    column: u32,
    n_repeated: u32,
    text: String,
}

/// Where the reader is within a table.
#[derive(Default)]
struct State {
    row: u32,
    column: u32,
    n_columns: u32,
    row_repeated: u32,
    row_hidden: bool,
    cells: Vec<RowCell>,
    cell: Option<OpenCell>,
    /// Elements that are open inside a paragraph of a cell or comment.
    in_paragraph: usize,
    /// Author and text of an open comment, and whether its author is being read.
    comment: Option<(String, String)>,
    in_author: bool,
    /// Tables within cells.
    n_inner: usize,
}

/// Reads up to the end of the table. Returns what is wrong where the end was not reached.
fn read_table(
    reader: &mut quick_xml::Reader<&[u8]>,
    sheet: &mut Sheet,
    found: &mut Found,
) -> Option<String> {
    let mut state = State::default();
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => return Some(error.to_string()),
        };
        match event {
            Event::Start(element) => state.open(&element, sheet),
            Event::Empty(element) => {
                state.open(&element, sheet);
                state.close(element.local_name().as_ref(), sheet, found);
            }
            Event::Text(piece) => state.text(&piece.xml10_content()),
            Event::CData(piece) => state.text(&piece.xml10_content()),
            Event::GeneralRef(piece) => {
                if let Some(c) = reference(&piece) {
                    state.text(c.encode_utf8(&mut [0; 4]));
                }
            }
            Event::End(element) => {
                if element.local_name().as_ref() == "table" && state.n_inner == 0 {
                    return None;
                }
                state.close(element.local_name().as_ref(), sheet, found);
            }
            Event::Eof => return Some("the end of a sheet is missing".to_owned()),
            _ => {}
        }
    }
}

impl State {
    fn open(&mut self, element: &BytesStart<'_>, sheet: &mut Sheet) {
        match element.local_name().as_ref() {
            "table" => self.n_inner += 1,
            _ if self.n_inner > 0 && self.cell.is_none() => {}
            "table-column" if self.cell.is_none() => {
                let n = number(element, "number-columns-repeated").min(1 << 14);
                if is_hidden(element) && sheet.hidden_columns.len() < 1 << 14 {
                    let first = self.n_columns;
                    sheet.hidden_columns.push((first, first + n - 1));
                }
                self.n_columns = self.n_columns.saturating_add(n);
            }
            "table-row" if self.n_inner == 0 => {
                self.column = 0;
                self.row_repeated = number(element, "number-rows-repeated");
                self.row_hidden = is_hidden(element);
                self.cells.clear();
            }
            name @ ("table-cell" | "covered-table-cell") if self.n_inner == 0 => {
                self.cell = Some(open_cell(element, name == "covered-table-cell"));
            }
            "annotation" => {
                self.comment = Some((String::new(), String::new()));
                self.in_paragraph = 0;
            }
            "creator" if self.comment.is_some() => self.in_author = true,
            "p" | "h" if self.cell.is_some() => {
                self.in_paragraph += 1;
                if let Some((_, text)) = &mut self.comment {
                    text.push('\n');
                } else if let Some(cell) = &mut self.cell {
                    if cell.n_paragraphs > 0 {
                        cell.text.push('\n');
                    }
                    cell.n_paragraphs += 1;
                }
            }
            "s" => {
                let n = number(element, "c").min(1000) as usize;
                self.text(&" ".repeat(n));
            }
            "tab" | "line-break" => self.text(" "),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some((author, comment)) = &mut self.comment {
            if self.in_author {
                author.push_str(text);
            } else if self.in_paragraph > 0 {
                comment.push_str(text);
            }
        } else if self.in_paragraph > 0
            && let Some(cell) = &mut self.cell
        {
            cell.text.push_str(text);
        }
    }

    fn close(&mut self, name: &str, sheet: &mut Sheet, found: &mut Found) {
        match name {
            "table" => self.n_inner = self.n_inner.saturating_sub(1),
            "creator" => self.in_author = false,
            "p" | "h" => self.in_paragraph = self.in_paragraph.saturating_sub(1),
            "annotation" => {
                self.in_paragraph = 0;
                if let Some((author, text)) = self.comment.take() {
                    let cell = format!("{}{}", column_name(self.column), u64::from(self.row) + 1);
                    found.comments.push((cell, author, text));
                }
            }
            "table-cell" | "covered-table-cell" if self.n_inner == 0 => {
                if let Some(cell) = self.cell.take() {
                    self.close_cell(cell, sheet);
                }
            }
            "table-row" if self.n_inner == 0 => self.close_row(sheet, found),
            _ => {}
        }
    }

    fn close_cell(&mut self, cell: OpenCell, sheet: &mut Sheet) {
        let column = self.column;
        self.column = self.column.saturating_add(cell.n_repeated);
        let text = if cell.text.trim().is_empty() {
            cell.value
        } else {
            cell.text
        };
        if text.trim().is_empty() {
            sheet.n_uncached += u64::from(cell.has_formula && !cell.has_type);
            return;
        }
        if !cell.is_covered && (cell.n_columns > 1 || cell.n_rows > 1) && self.row_repeated == 1 {
            sheet.merged.push(Merged {
                rows: (self.row, self.row.saturating_add(cell.n_rows - 1)),
                columns: (column, column.saturating_add(cell.n_columns - 1)),
            });
        }
        self.cells.push(RowCell {
            column,
            n_repeated: cell.n_repeated,
            text,
        });
    }

    fn close_row(&mut self, sheet: &mut Sheet, found: &mut Found) {
        // Damaged files close rows that they never opened.
        let n_rows = self.row_repeated.max(1);
        if !self.cells.is_empty() {
            let n_first = self.cells.len() as u64;
            let n_stated: u64 = self.cells.iter().map(|c| u64::from(c.n_repeated)).sum();
            let n_stated = n_stated.saturating_mul(u64::from(n_rows));
            let n_rows = n_rows.min(MAX_ROWS.saturating_sub(self.row).max(1));
            for cell in &mut self.cells {
                let n_left = MAX_COLUMNS.saturating_sub(cell.column).max(1);
                cell.n_repeated = cell.n_repeated.min(n_left);
            }
            let n_cells: u64 = self.cells.iter().map(|c| u64::from(c.n_repeated)).sum();
            let n_cells = n_cells * u64::from(n_rows);
            found.budget.leave_out(n_stated.saturating_sub(n_cells));
            // All but the first of each cell are copies.
            let mut n_left = found.budget.repeats(n_cells.saturating_sub(n_first));
            for copy in 0..n_rows {
                for cell in &self.cells {
                    for n in 0..cell.n_repeated {
                        if copy > 0 || n > 0 {
                            if n_left == 0 {
                                break;
                            }
                            n_left -= 1;
                        }
                        let row = self.row.saturating_add(copy);
                        let column = cell.column.saturating_add(n);
                        sheet.add(row, column, &cell.text, &mut found.budget);
                    }
                }
                if copy > 0 && n_left == 0 {
                    break;
                }
            }
            if self.row_hidden {
                let last = self.row.saturating_add(n_rows.min(1 << 20));
                sheet.hidden_rows.extend(self.row..last);
            }
            self.cells.clear();
        }
        self.row = self.row.saturating_add(n_rows);
    }
}

fn open_cell(element: &BytesStart<'_>, is_covered: bool) -> OpenCell {
    let mut cell = OpenCell {
        n_repeated: number(element, "number-columns-repeated"),
        n_columns: number(element, "number-columns-spanned"),
        n_rows: number(element, "number-rows-spanned"),
        is_covered,
        has_formula: attr(element, "formula").is_some(),
        ..OpenCell::default()
    };
    let kind = attr(element, "value-type").unwrap_or_default();
    cell.has_type = !kind.is_empty();
    let value = |name: &str| attr(element, name).unwrap_or_default();
    cell.value = match kind.as_str() {
        "float" | "currency" | "percentage" => match value("value").parse::<f64>() {
            Ok(n) if kind == "percentage" => format!("{}%", general(n * 100.0)),
            Ok(n) => general(n),
            Err(_) => value("value"),
        },
        "date" => value("date-value").replace('T', " "),
        "time" => value("time-value"),
        "boolean" => value("boolean-value").to_uppercase(),
        _ => value("string-value"),
    };
    cell
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::zip_of;

    fn texts(tables: &str) -> (Vec<String>, cairn_types::ParseReport) {
        let content = format!(
            "<office:document-content><office:automatic-styles><style:style style:name='ta2' style:family='table'><style:table-properties table:display='false'/></style:style></office:automatic-styles><office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"
        );
        let bytes = zip_of(&[
            (
                "mimetype",
                b"application/vnd.oasis.opendocument.spreadsheet",
            ),
            ("content.xml", content.as_bytes()),
        ]);
        let mut builder = Builder::new(100_000);
        read_ods(&bytes, &Context::for_test(), &mut builder).unwrap();
        let texts = builder.elements().iter().map(|e| e.text.clone()).collect();
        (texts, builder.report)
    }

    const CELL: &str = "<table:table-cell office:value-type='string'><text:p>";
    const END: &str = "</text:p></table:table-cell>";

    #[test]
    fn a_row_that_was_never_opened_is_a_row() {
        let (texts, _) = texts(&format!(
            "<table:table table:name='One'>{CELL}loose{END}</table:table-row></table:table>"
        ));
        assert!(texts.iter().any(|text| text.contains("loose")), "{texts:?}");
    }

    #[test]
    fn cells_show_their_text() {
        let (texts, report) = texts(&format!(
            "<table:table table:name='One'><table:table-column table:number-columns-repeated='2'/>\
             <table:table-row>{CELL}Item{END}{CELL}Share &amp; more{END}</table:table-row>\
             <table:table-row>{CELL}a<text:s text:c='2'/>b{END}<table:table-cell office:value-type='percentage' office:value='0.125'><office:annotation><dc:creator>Ann</dc:creator><text:p>Why?</text:p></office:annotation><text:p>12.50%</text:p></table:table-cell></table:table-row>\
             <table:table-row>{CELL}c{END}<table:table-cell office:value-type='percentage' office:value='0.5'/></table:table-row>\
             <table:table-row>{CELL}d{END}<table:table-cell table:formula='of:=1'/></table:table-row>\
             <table:table-row table:number-rows-repeated='1048000'><table:table-cell table:number-columns-repeated='16384'/></table:table-row>\
             </table:table><table:table table:name='Two' table:style-name='ta2'><table:table-row>{CELL}secret{END}</table:table-row></table:table>"
        ));
        let tables: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert!(
            tables.contains(&"Item | Share & more\na b | 12.50%\nc | 50%\nd"),
            "{texts:?}"
        );
        assert!(tables.contains(&"Comment on B2 by Ann: Why?"), "{texts:?}");
        assert!(tables.contains(&"Two (hidden)"), "{texts:?}");
        assert_eq!(report.cells_failed, 1);
    }

    #[test]
    fn repeated_cells_are_made_within_limits() {
        let (texts, report) = texts(
            "<table:table table:name='R'><table:table-row table:number-rows-repeated='3'><table:table-cell table:number-columns-repeated='2' office:value-type='float' office:value='7'><text:p>7</text:p></table:table-cell></table:table-row>\
             <table:table-row table:number-rows-repeated='1000000000'><table:table-cell table:number-columns-repeated='1000000000' office:value-type='float' office:value='8'><text:p>8</text:p></table:table-cell></table:table-row></table:table>",
        );
        assert!(texts.iter().any(|text| text.contains("7 | 7\n7 | 7")));
        assert!(report.cells_failed > 1_000_000_000);
    }

    #[test]
    fn merged_cells_repeat() {
        let (texts, _) = texts(&format!(
            "<table:table table:name='M'>\
             <table:table-row>{CELL}Region{END}{CELL}Units{END}</table:table-row>\
             <table:table-row><table:table-cell table:number-rows-spanned='2' office:value-type='string'><text:p>North</text:p></table:table-cell>{CELL}1{END}</table:table-row>\
             <table:table-row><table:covered-table-cell/>{CELL}2{END}</table:table-row></table:table>"
        ));
        assert!(
            texts
                .iter()
                .any(|t| t == "Region | Units\nNorth | 1\nNorth | 2"),
            "{texts:?}"
        );
    }
}
