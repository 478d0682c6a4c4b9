//! The content part of an `OpenDocument` file to paragraphs, tables, notes and shapes (ODF 1.3 part 3, sections 5 to 10).
//!
//! A loop over events with a stack of what is open, so nesting depth costs heap and no stack. Unbalanced and
//! unknown markup is passed over. Repeated cells and rows are repeated within limits.

use quick_xml::events::{BytesStart, Event};

use super::styles::{Counters, Styles};
use super::table::OpenTable;
use crate::builder::count_text;
use crate::slides::Frame;
use crate::table::SpanCell;
use crate::xml::{attr, reader, reference};

/// Items read of one part. Bounds memory.
const MAX_ITEMS: usize = 1_000_000;

/// Paragraphs, tables and shapes within each other; what is deeper becomes text of what it stands in. Bounds the
/// stack that giving the items back needs.
const MAX_NESTED: usize = 200;

/// What stands in a document, in order.
#[derive(Debug)]
pub(super) enum Item {
    Paragraph(Box<Paragraph>),
    Table(Box<Table>),
    /// A footnote, endnote or comment.
    Note(String),
    Shape(Box<Shape>),
    /// A slide.
    Page(Box<Page>),
}

#[derive(Debug, Default)]
pub(super) struct Paragraph {
    /// Line breaks are real ones.
    pub(super) text: String,
    /// Level of a heading.
    pub(super) heading: Option<u8>,
    pub(super) is_title: bool,
    /// Number or `-` of a list item.
    pub(super) label: Option<String>,
    /// Nesting of a list item, from 1; 0 outside of lists.
    pub(super) list_level: u8,
    /// Notes and shapes that are anchored in it.
    pub(super) after: Vec<Item>,
}

/// A frame or drawing.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// What it stands for on a slide: `title`, `outline`, `footer` …
    pub(super) class: String,
    pub(super) frame: Option<Frame>,
    /// Alternative text.
    pub(super) alt: String,
    pub(super) items: Vec<Item>,
    /// Path of its picture within the document.
    pub(super) picture: Option<String>,
    /// Path of the document that it embeds.
    pub(super) object: Option<String>,
}

/// A table whose cells are plain text.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Cells with their spans; covered cells are not there.
    pub(super) rows: Vec<Vec<SpanCell>>,
    /// Paths of the documents that its cells embed.
    pub(super) objects: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) name: String,
    pub(super) is_hidden: bool,
    pub(super) items: Vec<Item>,
    /// Speaker notes.
    pub(super) notes: Vec<Item>,
}

/// A part that was read.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) items: Vec<Item>,
    /// Characters of deleted text and of texts that fields fill in.
    pub(super) n_left_out: u64,
    pub(super) n_images: u32,
    /// Characters of hidden text.
    pub(super) n_hidden: u64,
    /// Cells that repeated ones stand for and that are not kept.
    pub(super) n_cells_cut: u64,
    /// Why reading ended early.
    pub(super) error: Option<String>,
}

/// Reads as far as the XML goes.
pub(super) fn read(xml: &str, styles: &Styles) -> Part {
    let mut state = State {
        styles,
        part: Part::default(),
        stack: Vec::new(),
        lists: Vec::new(),
        counters: Counters::default(),
        skip: Skip::Nothing,
        n_skipped: 0,
        hidden_spans: Vec::new(),
        n_items: 0,
    };
    let mut reader = reader(xml);
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => state.start(&element),
            Ok(Event::Empty(element)) => {
                state.start(&element);
                state.end(element.local_name().as_ref());
            }
            Ok(Event::End(element)) => state.end(element.local_name().as_ref()),
            Ok(Event::Text(text)) => state.text(&text.xml10_content()),
            Ok(Event::CData(text)) => state.text(&text.xml10_content()),
            Ok(Event::GeneralRef(entity)) => {
                if let Some(c) = reference(&entity) {
                    state.text(c.encode_utf8(&mut [0; 4]));
                }
            }
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(error) => {
                state.part.error = Some(error.to_string());
                break;
            }
        }
    }
    while !state.stack.is_empty() {
        state.close_top();
    }
    state.part
}

enum Open {
    Paragraph(Box<Paragraph>),
    Table(OpenTable),
    Note(OpenNote),
    Shape(Box<Shape>),
    Page(Box<Page>),
    /// Speaker notes of the page below.
    Notes(Vec<Item>),
    /// Text of an attribute-like element: where it goes is decided when it ends.
    Word(&'static str, String),
}

#[derive(Default)]
struct OpenNote {
    is_comment: bool,
    /// Number of the note, or author of the comment.
    mark: String,
    items: Vec<Item>,
}

struct List {
    /// Own name, or the outer list's.
    style: Option<String>,
    /// Its numbers continue those of the list before it.
    goes_on: bool,
    /// The open item has no paragraph yet, so the next one gets the label.
    is_fresh: bool,
    start: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Skip {
    Nothing,
    LeftOut,
    Hidden,
}

struct State<'s> {
    styles: &'s Styles,
    part: Part,
    stack: Vec<Open>,
    lists: Vec<List>,
    counters: Counters,
    skip: Skip,
    /// Depth of elements below one that is passed over, that one included.
    n_skipped: usize,
    /// For each open span whether it is hidden.
    hidden_spans: Vec<bool>,
    n_items: usize,
}

/// Drawings that can hold text, and frames.
const SHAPES: [&str; 12] = [
    "frame",
    "custom-shape",
    "rect",
    "ellipse",
    "circle",
    "line",
    "polyline",
    "polygon",
    "regular-polygon",
    "path",
    "connector",
    "caption",
];

impl State<'_> {
    fn start(&mut self, element: &BytesStart<'_>) {
        let local = element.local_name();
        let local = local.as_ref();
        if self.n_skipped > 0 {
            self.n_skipped += 1;
            return;
        }
        let skip = match local {
            "tracked-changes" | "footer-decl" | "header-decl" | "date-time-decl" | "forms"
            | "automatic-styles" | "styles" | "master-styles" | "meta" | "settings" => {
                Skip::LeftOut
            }
            // Deletions stand where they were made in some writers' files.
            "deletion" => Skip::LeftOut,
            "section" if attr(element, "display").as_deref() == Some("none") => Skip::Hidden,
            "hidden-text" | "hidden-paragraph" => Skip::Hidden,
            _ => Skip::Nothing,
        };
        if skip != Skip::Nothing {
            (self.skip, self.n_skipped) = (skip, 1);
            return;
        }
        match local {
            "p" | "h" => self.start_paragraph(local, element),
            "span" => {
                let style = attr(element, "style-name");
                let is_hidden = style.is_some_and(|name| self.styles.is_hidden(&name));
                self.hidden_spans.push(is_hidden);
            }
            "s" => {
                let n = attr(element, "c").and_then(|n| n.parse().ok()).unwrap_or(1);
                self.push(&" ".repeat(std::cmp::min(n, 1000)));
            }
            "tab" => self.push("\t"),
            "line-break" => self.push("\n"),
            "list" => self.start_list(element),
            "list-item" => {
                if let Some(list) = self.lists.last_mut() {
                    list.is_fresh = true;
                    list.start = attr(element, "start-value").and_then(|n| n.parse().ok());
                }
            }
            // A header has no number.
            "list-header" => {
                if let Some(list) = self.lists.last_mut() {
                    list.is_fresh = false;
                }
            }
            "table" => self.open(Open::Table(OpenTable::default())),
            "note" => self.open(Open::Note(OpenNote::default())),
            "annotation" => self.open(Open::Note(OpenNote {
                is_comment: true,
                ..OpenNote::default()
            })),
            "note-citation" => self.open(Open::Word("note-citation", String::new())),
            "creator" => self.open(Open::Word("creator", String::new())),
            // Charts have titles of another kind, with paragraphs.
            "title" | "desc" if element.name().as_ref().starts_with("svg:") => {
                let name = if local == "title" { "title" } else { "desc" };
                self.open(Open::Word(name, String::new()));
            }
            "page" => {
                let style = attr(element, "style-name");
                let is_hidden = style.is_some_and(|name| self.styles.is_hidden(&name));
                self.open(Open::Page(Box::new(Page {
                    name: attr(element, "name").unwrap_or_default(),
                    is_hidden,
                    ..Page::default()
                })));
            }
            "notes" => self.open(Open::Notes(Vec::new())),
            "image" => self.in_shape(|shape| {
                let path = attr(element, "href");
                shape.picture = shape.picture.take().or(path);
            }),
            "object" | "object-ole" => self.in_shape(|shape| shape.object = attr(element, "href")),
            local if SHAPES.contains(&local) => {
                let shape = Shape {
                    class: attr(element, "class").unwrap_or_default(),
                    frame: frame(element),
                    ..Shape::default()
                };
                self.open(Open::Shape(Box::new(shape)));
            }
            local => {
                if let Some(Open::Table(table)) = self.stack.last_mut() {
                    table.start(local, element);
                }
            }
        }
    }

    fn open(&mut self, open: Open) {
        if self.stack.len() < MAX_NESTED {
            self.stack.push(open);
        }
    }

    fn in_shape(&mut self, set: impl FnOnce(&mut Shape)) {
        if let Some(Open::Shape(shape)) = self.stack.last_mut() {
            set(shape);
        }
    }

    fn start_paragraph(&mut self, local: &str, element: &BytesStart<'_>) {
        let style = attr(element, "style-name");
        let role = self.styles.role(style.as_deref());
        let mut paragraph = Paragraph {
            is_title: role.is_title,
            heading: role.heading.filter(|_| local == "h" || !self.is_in_list()),
            ..Paragraph::default()
        };
        if local == "h" {
            let level = attr(element, "outline-level").and_then(|level| level.parse().ok());
            paragraph.heading = Some(level.unwrap_or(1).clamp(1, 9));
        }
        let depth = self.lists.len();
        if let Some(list) = self.lists.last_mut() {
            paragraph.list_level = u8::try_from(depth).unwrap_or(9).min(9);
            if std::mem::take(&mut list.is_fresh) {
                let start = list.start.take();
                let style = list.style.clone().or(role.list);
                let levels = style
                    .as_deref()
                    .and_then(|name| self.styles.list(Some(name)));
                paragraph.label = match levels {
                    Some(levels) => {
                        let key = style.as_deref().unwrap_or_default();
                        self.counters.next(key, levels, depth - 1, start)
                    }
                    // A list without a style, as simple writers make them.
                    None => Some("-".to_owned()),
                };
            }
        } else if let (true, Some(level)) = (local == "h", paragraph.heading) {
            let is_header = attr(element, "is-list-header").as_deref() == Some("true");
            if let (false, Some(levels)) = (is_header, self.styles.list(None)) {
                let start = attr(element, "start-value").and_then(|n| n.parse().ok());
                let level = usize::from(level) - 1;
                paragraph.label = self.counters.next("", levels, level, start);
            }
        }
        self.open(Open::Paragraph(Box::new(paragraph)));
    }

    fn is_in_list(&self) -> bool {
        !self.lists.is_empty()
    }

    fn start_list(&mut self, element: &BytesStart<'_>) {
        let outer = self.lists.last().and_then(|list| list.style.clone());
        let style = attr(element, "style-name").or(outer);
        // A list that only leads to the next level goes on there, too: writers wrap each numbered heading so.
        let is_wrapped = self
            .lists
            .last()
            .is_some_and(|list| list.goes_on && list.is_fresh);
        let goes_on = attr(element, "continue-numbering").as_deref() == Some("true")
            || attr(element, "continue-list").is_some()
            || is_wrapped;
        if !goes_on && let Some(style) = &style {
            self.counters.restart(style, self.lists.len());
        }
        self.lists.push(List {
            style,
            goes_on,
            is_fresh: false,
            start: None,
        });
    }

    fn end(&mut self, local: &str) {
        if self.n_skipped > 0 {
            self.n_skipped -= 1;
            return;
        }
        let is_it = match (local, self.stack.last()) {
            ("p" | "h", Some(Open::Paragraph(_)))
            | ("table", Some(Open::Table(_)))
            | ("note" | "annotation", Some(Open::Note(_)))
            | ("page", Some(Open::Page(_)))
            | ("notes", Some(Open::Notes(_))) => true,
            (local, Some(Open::Shape(_))) => SHAPES.contains(&local),
            (local, Some(Open::Word(name, _))) => local == *name,
            _ => false,
        };
        if is_it {
            self.close_top();
            return;
        }
        match local {
            "span" => {
                self.hidden_spans.pop();
            }
            "list" => {
                self.lists.pop();
            }
            local => {
                if let Some(Open::Table(table)) = self.stack.last_mut() {
                    table.end(local);
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        if self.n_skipped > 0 {
            match self.skip {
                Skip::Hidden => self.part.n_hidden += count_text(text),
                _ => self.part.n_left_out += count_text(text),
            }
        } else if self.hidden_spans.contains(&true) {
            self.part.n_hidden += count_text(text);
        } else {
            // White space of the file is one space; what counts stands as an element.
            let text = text.replace(['\n', '\r', '\t'], " ");
            self.push(&text);
        }
    }

    fn push(&mut self, text: &str) {
        match self.stack.last_mut() {
            Some(Open::Paragraph(paragraph)) => paragraph.text.push_str(text),
            Some(Open::Word(_, word)) => word.push_str(text),
            _ => {}
        }
    }

    fn close_top(&mut self) {
        match self.stack.pop() {
            Some(Open::Paragraph(paragraph)) => {
                if matches!(
                    self.stack.last(),
                    None | Some(Open::Page(_) | Open::Shape(_))
                ) {
                    self.hidden_spans.clear();
                }
                self.give(Item::Paragraph(paragraph));
            }
            Some(Open::Table(table)) => {
                let table = table.finish();
                self.part.n_cells_cut += table.n_cut;
                self.part.n_left_out += table.n_covered;
                self.give(Item::Table(Box::new(table.table)));
            }
            Some(Open::Note(note)) => self.close_note(&note),
            Some(Open::Shape(shape)) => {
                let is_picture = shape.items.is_empty() && shape.object.is_none();
                self.part.n_images += u32::from(is_picture && shape.picture.is_some());
                self.give(Item::Shape(shape));
            }
            Some(Open::Page(page)) => self.give(Item::Page(page)),
            Some(Open::Notes(notes)) => {
                if let Some(Open::Page(page)) = self.stack.last_mut() {
                    page.notes.extend(notes);
                }
            }
            Some(Open::Word(name, word)) => match (name, self.stack.last_mut()) {
                ("title" | "desc", Some(Open::Shape(shape))) => {
                    if !shape.alt.is_empty() && !word.trim().is_empty() {
                        shape.alt.push('\n');
                    }
                    shape.alt.push_str(word.trim());
                }
                ("note-citation" | "creator", Some(Open::Note(note))) => {
                    note.mark.push_str(word.trim());
                }
                _ => self.part.n_left_out += count_text(&word),
            },
            None => {}
        }
    }

    fn close_note(&mut self, note: &OpenNote) {
        let text = plain(&note.items);
        let text = match (note.is_comment, note.mark.as_str()) {
            (_, "") => text,
            (true, author) => format!("{author}: {text}"),
            (false, mark) => format!("[{mark}] {text}"),
        };
        if let (false, Some(Open::Paragraph(paragraph))) = (note.is_comment, self.stack.last_mut())
        {
            paragraph.text.push_str(&format!("[{}]", note.mark));
        }
        self.give(Item::Note(text));
    }

    /// Hands an item to what it stands in.
    fn give(&mut self, item: Item) {
        self.n_items += 1;
        if self.n_items > MAX_ITEMS {
            let reason = || format!("more than {MAX_ITEMS} paragraphs");
            self.part.error.get_or_insert_with(reason);
            return;
        }
        match self.stack.last_mut() {
            Some(Open::Paragraph(outer)) => outer.after.push(item),
            Some(Open::Table(table)) => table.give(item),
            Some(Open::Note(note)) => note.items.push(item),
            Some(Open::Shape(shape)) => shape.items.push(item),
            Some(Open::Page(page)) => page.items.push(item),
            Some(Open::Notes(notes)) => notes.push(item),
            Some(Open::Word(..)) => {}
            None => self.part.items.push(item),
        }
    }
}

/// Text of items in a place that holds only text: a cell, a note. One line for each paragraph and row.
pub(super) fn plain(items: &[Item]) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut stack: Vec<&Item> = items.iter().rev().collect();
    // A list of one item is how presentations style a text.
    let is_single = items.len() == 1;
    while let Some(item) = stack.pop() {
        let line = match item {
            Item::Paragraph(paragraph) => {
                stack.extend(paragraph.after.iter().rev());
                let text = paragraph.text.replace('\n', " ");
                match &paragraph.label {
                    Some(label) if !is_single && !text.trim().is_empty() => {
                        format!("{label} {text}")
                    }
                    _ => text,
                }
            }
            Item::Table(table) => {
                let row = |row: &Vec<SpanCell>| {
                    let cells: Vec<String> = row
                        .iter()
                        .map(|cell| cell.text.replace('\n', " "))
                        .collect();
                    cells.join(" ")
                };
                table.rows.iter().map(row).collect::<Vec<_>>().join("\n")
            }
            Item::Note(text) => text.clone(),
            Item::Shape(shape) => {
                stack.extend(shape.items.iter().rev());
                shape.alt.clone()
            }
            Item::Page(page) => {
                stack.extend(page.items.iter().rev());
                String::new()
            }
        };
        if !line.trim().is_empty() {
            lines.push(line);
        }
    }
    lines.join("\n")
}

/// Paths of the documents that are embedded in items, at all levels.
pub(super) fn objects(items: &[Item]) -> Vec<String> {
    let mut found = Vec::new();
    let mut stack: Vec<&Item> = items.iter().rev().collect();
    while let Some(item) = stack.pop() {
        match item {
            Item::Paragraph(paragraph) => stack.extend(paragraph.after.iter().rev()),
            Item::Table(table) => found.extend(table.objects.iter().cloned()),
            Item::Shape(shape) => {
                found.extend(shape.object.clone());
                stack.extend(shape.items.iter().rev());
            }
            Item::Page(page) => stack.extend(page.items.iter().rev()),
            Item::Note(_) => {}
        }
    }
    found
}

/// The box of a shape in points, where it states all of it.
fn frame(element: &BytesStart<'_>) -> Option<Frame> {
    let value = |name| attr(element, name).and_then(|length| points(&length));
    Some(Frame {
        x: value("x")?,
        y: value("y")?,
        width: value("width")?,
        height: value("height")?,
    })
}

/// A length such as `2.5cm`, in points.
fn points(length: &str) -> Option<f64> {
    let at = length.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = length.split_at(at);
    let number: f64 = number.trim().parse().ok()?;
    let scale = match unit {
        "cm" => 72.0 / 2.54,
        "mm" => 72.0 / 25.4,
        "in" => 72.0,
        "pt" => 1.0,
        "pc" => 12.0,
        "px" => 0.75,
        _ => return None,
    };
    Some(number * scale)
}
