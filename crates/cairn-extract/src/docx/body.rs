//! One part's XML (document, header, notes) to paragraphs and tables.
//!
//! A loop over events with a stack of open paragraphs, tables and notes of our own, so nesting depth costs
//! heap and no stack. Unbalanced and unknown markup is passed over.

use quick_xml::events::{BytesStart, Event};

use crate::builder::count_text;
use crate::ooxml::Math;
use crate::table::SpanCell;
use crate::xml::{attr, is_on, reader, reference};

/// What stands in a part, in order.
#[derive(Debug)]
pub(super) enum Item {
    Paragraph(Box<Paragraph>),
    /// Rows of cells with their spans; covered cells are not there.
    Table(Vec<Vec<SpanCell>>),
    /// Alternative text of a picture.
    Image(String),
    /// Relationship of a picture.
    Picture(String),
    /// Relationship of a chart.
    Chart(String),
    /// Relationship of a diagram's data.
    Diagram(String),
    /// Relationship of an embedded document.
    Object(String),
}

/// Kinds of text that stand outside the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoteKind {
    Footnote,
    Endnote,
    Comment,
}

#[derive(Debug, Default)]
pub(super) struct Paragraph {
    /// Line breaks are real ones; white space is as in the file.
    pub(super) text: String,
    pub(super) style: Option<String>,
    /// Numbering id and level.
    pub(super) number: Option<(u32, u8)>,
    /// Outline level from 0; 9 is body text.
    pub(super) outline: Option<u8>,
    /// What it refers to, by id.
    pub(super) notes: Vec<(NoteKind, String)>,
    /// Text boxes and pictures that are anchored in it.
    pub(super) after: Vec<Item>,
}

/// A part that was read.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) items: Vec<Item>,
    /// Kind, id and text.
    pub(super) notes: Vec<(NoteKind, String, String)>,
    pub(super) n_images: u32,
    /// Characters of hidden text.
    pub(super) n_hidden: u64,
    /// Characters of deletions and of prompts in empty fields.
    pub(super) n_left_out: u64,
    /// Why reading ended early.
    pub(super) error: Option<String>,
}

/// Reads as far as the XML goes.
pub(super) fn read(xml: &str) -> Part {
    let mut state = State::default();
    let mut reader = reader(xml);
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => state.start(&element),
            Ok(Event::Empty(element)) => {
                state.start(&element);
                state.end(element.local_name().as_ref());
            }
            Ok(Event::End(element)) => {
                state.end(element.local_name().as_ref());
            }
            Ok(Event::Text(text)) => state.text(&text.xml10_content()),
            Ok(Event::CData(text)) => state.text(&text.xml10_content()),
            Ok(Event::GeneralRef(entity)) => {
                if let Some(c) = reference(&entity) {
                    state.text(c.encode_utf8(&mut [0; 4]));
                }
            }
            Ok(Event::Eof) => break,
            Ok(_) if state.part.error.is_some() => break,
            Ok(_) => {}
            Err(error) => {
                state.part.error = Some(error.to_string());
                break;
            }
        }
    }
    if let Some(formula) = state.formula.take() {
        state.push(&formula.finish());
    }
    while !state.frames.is_empty() {
        state.close_top();
    }
    for item in std::mem::take(&mut state.deferred) {
        state.give(item);
    }
    state.part
}

enum Frame {
    Paragraph(Box<Paragraph>),
    Table(OpenTable),
    Note {
        kind: NoteKind,
        id: String,
        text: String,
        is_text: bool,
    },
}

#[derive(Default)]
struct OpenTable {
    rows: Vec<Vec<SpanCell>>,
    cell: Option<OpenCell>,
    /// Grid column after the last cell of the open row.
    column: usize,
    is_header: bool,
    /// For each grid column the cell (row, index) that a vertical merge goes on from.
    merges: Vec<Option<(usize, usize)>>,
}

#[derive(Default)]
struct OpenCell {
    text: String,
    n_cols: usize,
    merge: Merge,
}

#[derive(Default, PartialEq, Clone, Copy)]
enum Merge {
    #[default]
    None,
    Restart,
    Continue,
}

/// Paragraphs and tables read of one part. Bounds memory.
const MAX_ITEMS: usize = 1_000_000;
/// Paragraphs and tables within each other; what is deeper becomes text of what it stands in. Bounds the stack that
/// giving the items back needs.
const MAX_NESTED: usize = 200;
/// Widest table that is believed.
const MAX_GRID: usize = 500;

#[derive(Default)]
struct State {
    part: Part,
    frames: Vec<Frame>,
    /// Depth of elements below one that is passed over, that one included.
    n_skipped: usize,
    /// Whether what is passed over is text that was left out, rather than said a second time.
    is_left_out: bool,
    /// The open content control shows a prompt.
    is_prompt: bool,
    formula: Option<Math>,
    /// What tables and notes hold besides text, until they end.
    deferred: Vec<Item>,
    in_run: bool,
    in_run_properties: bool,
    is_hidden: bool,
    in_text: bool,
}

/// Elements whose content is not the document's text: deletions, old properties, second renderings.
fn is_passed_over(local: &str) -> bool {
    matches!(local, "del" | "moveFrom" | "Fallback") || local.ends_with("PrChange")
}

impl State {
    fn start(&mut self, element: &BytesStart<'_>) {
        let local = element.local_name();
        let local = local.as_ref();
        if self.n_skipped > 0 {
            self.n_skipped += 1;
            return;
        }
        let is_prompt = local == "sdtContent" && std::mem::take(&mut self.is_prompt);
        if is_prompt || is_passed_over(local) {
            self.n_skipped = 1;
            self.is_left_out = is_prompt || matches!(local, "del" | "moveFrom");
            return;
        }
        if let Some(formula) = &mut self.formula {
            formula.start(element);
            return;
        }
        match local {
            "p" => self.open(Frame::Paragraph(Box::default())),
            "tbl" => self.open(Frame::Table(OpenTable::default())),
            "footnote" | "endnote" | "comment" => self.start_note(local, element),
            "r" => (self.in_run, self.is_hidden) = (true, false),
            "rPr" => self.in_run_properties = true,
            "t" => self.in_text = true,
            "vanish" if self.in_run => self.is_hidden = is_on(element),
            "tab" | "ptab" if self.in_run && !self.in_run_properties => self.push("\t"),
            "br" | "cr" if self.in_run => self.push("\n"),
            "noBreakHyphen" => self.push("\u{2011}"),
            "sym" => self.push(" "),
            "oMath" => self.formula = Some(Math::default()),
            "sdt" => self.is_prompt = false,
            "showingPlcHdr" => self.is_prompt = is_on(element),
            "blip" | "imagedata" => {
                self.part.n_images += 1;
                let name = if local == "blip" { "embed" } else { "id" };
                self.refer(element, name, Item::Picture);
            }
            "docPr" => {
                let alt = attr(element, "descr").filter(|alt| !alt.trim().is_empty());
                if let (Some(alt), Some(Frame::Paragraph(paragraph))) =
                    (alt, self.frames.last_mut())
                {
                    paragraph.after.push(Item::Image(alt));
                }
            }
            "chart" => self.refer(element, "id", Item::Chart),
            "relIds" => self.refer(element, "dm", Item::Diagram),
            "OLEObject" | "altChunk" => self.refer(element, "id", Item::Object),
            _ => match self.frames.last_mut() {
                Some(Frame::Paragraph(paragraph)) => property(paragraph, local, element),
                Some(Frame::Table(table)) => table.start(local, element),
                _ => {}
            },
        }
    }

    /// Takes note of another part that stands here.
    fn refer(&mut self, element: &BytesStart<'_>, name: &str, item: fn(String) -> Item) {
        let Some(id) = attr(element, name) else {
            return;
        };
        let is_plain = |frame: &Frame| !matches!(frame, Frame::Paragraph(_));
        if self.frames.iter().any(is_plain) {
            // Cells and notes become plain text: it follows them.
            self.deferred.push(item(id));
        } else {
            self.give(item(id));
        }
    }

    fn open(&mut self, frame: Frame) {
        if self.frames.len() < MAX_NESTED {
            self.frames.push(frame);
        }
    }

    fn start_note(&mut self, local: &str, element: &BytesStart<'_>) {
        let kind = match local {
            "footnote" => NoteKind::Footnote,
            "endnote" => NoteKind::Endnote,
            _ => NoteKind::Comment,
        };
        let author = (kind == NoteKind::Comment)
            .then(|| attr(element, "author"))
            .flatten();
        let text = match author.filter(|author| !author.trim().is_empty()) {
            Some(author) => format!("{author}: "),
            None => String::new(),
        };
        self.open(Frame::Note {
            kind,
            id: attr(element, "id").unwrap_or_default(),
            text,
            // Separators between text and notes are notes of a type of their own.
            is_text: attr(element, "type").is_none_or(|kind| kind == "normal"),
        });
    }

    fn end(&mut self, local: &str) {
        if self.n_skipped > 0 {
            self.n_skipped -= 1;
            return;
        }
        if let Some(mut formula) = self.formula.take() {
            if local == "oMath" {
                self.push(&formula.finish());
            } else {
                formula.end(local);
                self.formula = Some(formula);
            }
            return;
        }
        match local {
            "p" => self.close(|frame| matches!(frame, Frame::Paragraph(_))),
            "tbl" => self.close(|frame| matches!(frame, Frame::Table(_))),
            "footnote" | "endnote" | "comment" => {
                self.close(|frame| matches!(frame, Frame::Note { .. }));
            }
            "r" => (self.in_run, self.is_hidden) = (false, false),
            "rPr" => self.in_run_properties = false,
            "t" => self.in_text = false,
            "tc" | "tr" => {
                if let Some(Frame::Table(table)) = self.frames.last_mut() {
                    table.end(local);
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.n_skipped > 0 {
            if self.is_left_out {
                self.part.n_left_out += count_text(text);
            }
        } else if let Some(formula) = &mut self.formula {
            formula.text(text);
        } else if self.in_text {
            if self.is_hidden {
                self.part.n_hidden += count_text(text);
            } else {
                self.push(text);
            }
        }
    }

    fn push(&mut self, text: &str) {
        if let Some(Frame::Paragraph(paragraph)) = self.frames.last_mut() {
            paragraph.text.push_str(text);
        }
    }

    /// Closes the innermost frame if it is of the kind that ends here.
    fn close(&mut self, is_it: impl Fn(&Frame) -> bool) {
        if self.frames.last().is_some_and(is_it) {
            self.close_top();
        }
    }

    fn close_top(&mut self) {
        match self.frames.pop() {
            Some(Frame::Paragraph(paragraph)) => self.give(Item::Paragraph(paragraph)),
            Some(Frame::Table(table)) => {
                self.give(Item::Table(table.finish()));
                if !self
                    .frames
                    .iter()
                    .any(|frame| matches!(frame, Frame::Table(_)))
                {
                    for item in std::mem::take(&mut self.deferred) {
                        self.give(item);
                    }
                }
            }
            Some(Frame::Note {
                kind,
                id,
                text,
                is_text,
            }) => {
                let is_empty = text.trim().is_empty();
                self.part
                    .notes
                    .extend((is_text && !is_empty).then_some((kind, id, text)));
            }
            None => {}
        }
    }

    /// Hands an item to what it stands in.
    fn give(&mut self, item: Item) {
        match self.frames.last_mut() {
            Some(Frame::Paragraph(outer)) => outer.after.push(item),
            Some(Frame::Table(OpenTable {
                cell: Some(cell), ..
            })) => add_plain(&mut cell.text, item),
            Some(Frame::Note { text, .. }) => add_plain(text, item),
            // Between the cells of a table no text may stand.
            Some(Frame::Table(_)) | None if self.part.items.len() < MAX_ITEMS => {
                self.part.items.push(item);
            }
            Some(Frame::Table(_)) | None => {
                let reason = || format!("more than {MAX_ITEMS} paragraphs");
                self.part.error.get_or_insert_with(reason);
            }
        }
    }
}

/// Adds the text of an item: one line for each paragraph and for each row of a table within a cell.
fn add_plain(text: &mut String, item: Item) {
    let mut items = vec![item];
    while let Some(item) = items.pop() {
        let line = match item {
            Item::Paragraph(mut paragraph) => {
                // Taken in reverse, so that the first of them comes out first.
                items.extend(std::mem::take(&mut paragraph.after).into_iter().rev());
                paragraph.text.replace('\n', " ")
            }
            Item::Table(rows) => {
                let row = |row: &Vec<SpanCell>| {
                    row.iter()
                        .map(|cell| cell.text.replace('\n', " "))
                        .collect::<Vec<_>>()
                        .join(" ")
                };
                rows.iter().map(row).collect::<Vec<_>>().join("\n")
            }
            Item::Image(alt) => alt,
            Item::Picture(_) | Item::Chart(_) | Item::Diagram(_) | Item::Object(_) => continue,
        };
        if line.trim().is_empty() {
            continue;
        }
        if !text.is_empty() && !text.ends_with([' ', '\n']) {
            text.push('\n');
        }
        text.push_str(&line);
    }
}

fn property(paragraph: &mut Paragraph, local: &str, element: &BytesStart<'_>) {
    let value = || attr(element, "val");
    match local {
        "pStyle" => paragraph.style = value(),
        "ilvl" => {
            let level = value().and_then(|level| level.parse().ok()).unwrap_or(0);
            paragraph.number = Some((paragraph.number.map_or(u32::MAX, |number| number.0), level));
        }
        "numId" => {
            if let Some(id) = value().and_then(|id| id.parse().ok()) {
                paragraph.number = Some((id, paragraph.number.map_or(0, |number| number.1)));
            }
        }
        "outlineLvl" => paragraph.outline = value().and_then(|level| level.parse().ok()),
        "footnoteReference" | "endnoteReference" | "commentReference" => {
            if let Some(id) = attr(element, "id") {
                let kind = match local {
                    "footnoteReference" => NoteKind::Footnote,
                    "endnoteReference" => NoteKind::Endnote,
                    _ => NoteKind::Comment,
                };
                if kind != NoteKind::Comment {
                    paragraph.text.push_str(&format!("[{id}]"));
                }
                paragraph.notes.push((kind, id));
            }
        }
        _ => {}
    }
}

impl OpenTable {
    fn start(&mut self, local: &str, element: &BytesStart<'_>) {
        let number = || attr(element, "val").and_then(|n| n.parse::<usize>().ok());
        match local {
            "tr" => {
                self.rows.push(Vec::new());
                (self.column, self.is_header) = (0, false);
            }
            "tblHeader" => self.is_header = is_on(element),
            "gridBefore" => {
                let n_cols = number().unwrap_or(0).min(MAX_GRID);
                if n_cols > 0
                    && let Some(row) = self.rows.last_mut()
                {
                    self.column += n_cols;
                    row.push(SpanCell {
                        n_cols,
                        n_rows: 1,
                        ..SpanCell::default()
                    });
                }
            }
            "tc" => {
                self.cell = Some(OpenCell {
                    n_cols: 1,
                    ..OpenCell::default()
                });
            }
            "gridSpan" => {
                if let Some(cell) = &mut self.cell {
                    cell.n_cols = number().unwrap_or(1).clamp(1, MAX_GRID);
                }
            }
            "vMerge" => {
                if let Some(cell) = &mut self.cell {
                    let is_restart = attr(element, "val").as_deref() == Some("restart");
                    cell.merge = if is_restart {
                        Merge::Restart
                    } else {
                        Merge::Continue
                    };
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, local: &str) {
        if local == "tr" {
            self.cell = None;
            return;
        }
        let Some(cell) = self.cell.take() else {
            return;
        };
        if self.rows.is_empty() {
            self.rows.push(Vec::new());
        }
        let column = self.column.min(MAX_GRID);
        self.column += cell.n_cols;
        if self.merges.len() <= column {
            self.merges.resize(column + 1, None);
        }
        if cell.merge == Merge::Continue
            && let Some((row, idx)) = self.merges[column]
            && let Some(origin) = self.rows.get_mut(row).and_then(|row| row.get_mut(idx))
        {
            origin.n_rows += 1;
            return;
        }
        let row_idx = self.rows.len() - 1;
        let is_header = self.is_header;
        if let Some(row) = self.rows.last_mut() {
            self.merges[column] = (cell.merge == Merge::Restart).then_some((row_idx, row.len()));
            row.push(SpanCell {
                text: cell.text,
                n_cols: cell.n_cols,
                n_rows: 1,
                is_header,
            });
        }
    }

    fn finish(mut self) -> Vec<Vec<SpanCell>> {
        self.end("tc");
        self.rows
    }
}
