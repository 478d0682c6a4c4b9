//! One slide's XML (also a layout's, a master's or a notes page's) to shapes: PresentationML, ECMA-376 part 1, section 19.3.
//!
//! A loop over events with a stack of open groups, so nesting costs heap and no stack. Of alternative
//! contents the first is read, as PowerPoint does.

use cairn_types::ElementKind;
use quick_xml::events::{BytesStart, Event};

use crate::ooxml::{ListStyle, TextBody};
use crate::slides::{Frame, Placed};
use crate::table::SpanCell;
use crate::xml::{attr, reader, reference};

/// Shapes read of one slide. Bounds memory.
const MAX_SHAPES: usize = 50_000;
/// Cells read of one table.
const MAX_CELLS: usize = 500_000;

/// What a shape stands for in its layout.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Placeholder {
    pub(super) kind: String,
    pub(super) idx: u32,
}

/// What is in a shape besides its text.
#[derive(Debug, Default)]
pub(super) enum Content {
    #[default]
    Text,
    /// Relationship of the picture's part.
    Picture(Option<String>),
    Table(Vec<Vec<SpanCell>>),
    /// Relationship of the chart.
    Chart(String),
    /// Relationship of the diagram's data.
    Diagram(String),
    /// Relationship of the embedded document.
    Object(String),
}

#[derive(Debug, Default)]
pub(super) struct Shape {
    /// In English Metric Units.
    pub(super) frame: Option<Frame>,
    pub(super) placeholder: Option<Placeholder>,
    /// Alternative text.
    pub(super) alt: String,
    pub(super) is_hidden: bool,
    pub(super) text: TextBody,
    pub(super) content: Content,
}

/// A slide as it was read.
#[derive(Debug, Default)]
pub(super) struct Slide {
    pub(super) shapes: Vec<Shape>,
    pub(super) is_hidden: bool,
    /// Its name, where it has one besides a title.
    pub(super) name: String,
    /// Bullets that a master sets for texts in its body.
    pub(super) body_style: ListStyle,
    /// Characters in cells that a merged cell covers.
    pub(super) n_covered: u64,
    /// Why reading ended early.
    pub(super) error: Option<String>,
}

/// Reads as far as the XML goes.
pub(super) fn read(xml: &str) -> Slide {
    let mut state = State::default();
    let mut reader = reader(xml);
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => state.start(&element),
            Ok(Event::Empty(element)) => {
                state.start(&element);
                state.end(element.local_name().as_ref());
            }
            Ok(Event::End(element)) => state.end(element.local_name().as_ref()),
            Ok(Event::Text(piece)) => state.text(&piece.xml10_content()),
            Ok(Event::CData(piece)) => state.text(&piece.xml10_content()),
            Ok(Event::GeneralRef(piece)) => {
                if let Some(c) = reference(&piece) {
                    state.text(c.encode_utf8(&mut [0; 4]));
                }
            }
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(error) => {
                state.slide.error = Some(error.to_string());
                break;
            }
        }
    }
    state.close_shape();
    state.slide
}

/// Maps the coordinates of a group's children to those of the slide.
#[derive(Clone, Copy)]
struct Transform {
    scale: (f64, f64),
    shift: (f64, f64),
}

impl Default for Transform {
    fn default() -> Self {
        Self {
            scale: (1.0, 1.0),
            shift: (0.0, 0.0),
        }
    }
}

impl Transform {
    fn apply(&self, frame: Frame) -> Frame {
        Frame {
            x: frame.x * self.scale.0 + self.shift.0,
            y: frame.y * self.scale.1 + self.shift.1,
            width: frame.width * self.scale.0,
            height: frame.height * self.scale.1,
        }
    }

    /// The transform of a group within `self`: its box and the box that its children count in.
    fn group(&self, frame: Frame, child: Frame) -> Self {
        if child.width <= 0.0 || child.height <= 0.0 {
            return *self;
        }
        let outer = self.apply(frame);
        let scale = (outer.width / child.width, outer.height / child.height);
        Self {
            scale,
            shift: (outer.x - child.x * scale.0, outer.y - child.y * scale.1),
        }
    }
}

#[derive(Default)]
struct OpenTable {
    rows: Vec<Vec<SpanCell>>,
    has_header: bool,
    cell: Option<OpenCell>,
}

#[derive(Default)]
struct OpenCell {
    text: TextBody,
    n_cols: usize,
    n_rows: usize,
    is_covered: bool,
}

#[derive(Default)]
struct State {
    slide: Slide,
    shape: Option<Shape>,
    table: Option<OpenTable>,
    n_cells: usize,
    groups: Vec<Transform>,
    /// Boxes of the group or shape whose properties are open: its own, and its children's.
    frame: Option<Frame>,
    child: Frame,
    in_group_properties: bool,
    in_body_style: bool,
    style: TextBody,
    /// Depth of elements below a second rendering, that one included.
    n_skipped: usize,
}

impl State {
    fn start(&mut self, element: &BytesStart<'_>) {
        let local = element.local_name();
        let local = local.as_ref();
        // A second rendering of what was read; what lists extensions holds no text.
        if self.n_skipped > 0 || matches!(local, "Fallback" | "extLst") {
            self.n_skipped += 1;
            return;
        }
        match local {
            "sld" => {
                let show = attr(element, "show");
                self.slide.is_hidden = matches!(show.as_deref(), Some("0" | "false"));
            }
            "cSld" => self.slide.name = attr(element, "name").unwrap_or_default(),
            "grpSp" => {
                self.close_shape();
                self.groups.push(self.transform());
            }
            "grpSpPr" => (self.in_group_properties, self.frame) = (true, None),
            "sp" | "pic" | "graphicFrame" | "cxnSp" | "contentPart" => {
                // The picture of an embedded object stands within its frame.
                if !(local == "pic" && self.shape.is_some()) {
                    self.close_shape();
                    self.shape = Some(Shape::default());
                    if local == "pic" {
                        self.content(Content::Picture(None));
                    }
                }
            }
            "bodyStyle" => self.in_body_style = true,
            "off" | "ext" | "chOff" | "chExt" => self.place(local, element),
            _ if self.in_body_style => self.style.start(element),
            _ => self.in_shape(local, element),
        }
    }

    fn in_shape(&mut self, local: &str, element: &BytesStart<'_>) {
        let Some(shape) = &mut self.shape else {
            return;
        };
        match local {
            "cNvPr" if shape.alt.is_empty() => {
                shape.alt = attr(element, "descr").unwrap_or_default();
                shape.is_hidden |= matches!(attr(element, "hidden").as_deref(), Some("1" | "true"));
            }
            "ph" => {
                shape.placeholder = Some(Placeholder {
                    kind: attr(element, "type").unwrap_or_else(|| "obj".to_owned()),
                    idx: attr(element, "idx")
                        .and_then(|idx| idx.parse().ok())
                        .unwrap_or(0),
                });
            }
            "blip" => {
                if let Content::Picture(part @ None) = &mut shape.content {
                    *part = attr(element, "embed");
                }
            }
            "chart" => self.refer(element, "id", Content::Chart),
            "relIds" => self.refer(element, "dm", Content::Diagram),
            "oleObj" => self.refer(element, "id", Content::Object),
            "tbl" => self.table = Some(OpenTable::default()),
            "tblPr" | "tr" | "tc" if self.table.is_some() => self.in_table(local, element),
            _ => self.body_start(element),
        }
    }

    fn in_table(&mut self, local: &str, element: &BytesStart<'_>) {
        let Some(table) = &mut self.table else {
            return;
        };
        let is_on = |name| matches!(attr(element, name).as_deref(), Some("1" | "true"));
        let number = |name| {
            attr(element, name)
                .and_then(|n| n.parse().ok())
                .unwrap_or(1)
        };
        match local {
            "tblPr" => table.has_header = is_on("firstRow"),
            "tr" => table.rows.push(Vec::new()),
            _ => {
                self.n_cells += 1;
                table.cell = (self.n_cells <= MAX_CELLS).then(|| OpenCell {
                    text: TextBody::default(),
                    n_cols: number("gridSpan"),
                    n_rows: number("rowSpan"),
                    is_covered: is_on("hMerge") || is_on("vMerge"),
                });
            }
        }
    }

    fn refer(&mut self, element: &BytesStart<'_>, name: &str, content: fn(String) -> Content) {
        if let Some(id) = attr(element, name) {
            self.content(content(id));
        }
    }

    fn content(&mut self, content: Content) {
        if let Some(shape) = &mut self.shape {
            shape.content = content;
        }
    }

    /// Where text goes: the open cell of a table, else the shape.
    fn body(&mut self) -> Option<&mut TextBody> {
        match &mut self.table {
            Some(table) => Some(&mut table.cell.as_mut()?.text),
            None => Some(&mut self.shape.as_mut()?.text),
        }
    }

    fn body_start(&mut self, element: &BytesStart<'_>) {
        if let Some(body) = self.body() {
            body.start(element);
        }
    }

    fn place(&mut self, local: &str, element: &BytesStart<'_>) {
        let number = |name| attr(element, name).and_then(|n| n.parse::<f64>().ok());
        let pair = match local {
            "off" | "chOff" => (number("x"), number("y")),
            _ => (number("cx"), number("cy")),
        };
        let (Some(first), Some(second)) = pair else {
            return;
        };
        let frame = match local {
            "off" | "ext" => self.frame.get_or_insert_default(),
            _ => &mut self.child,
        };
        match local {
            "off" | "chOff" => (frame.x, frame.y) = (first, second),
            _ => (frame.width, frame.height) = (first, second),
        }
        if !self.in_group_properties && local == "ext" {
            let placed = self.frame.take().map(|frame| self.transform().apply(frame));
            if let Some(shape) = &mut self.shape {
                // The first box is the shape's own; later ones are those of pictures within it.
                shape.frame = shape.frame.or(placed);
            }
        }
    }

    fn transform(&self) -> Transform {
        self.groups.last().copied().unwrap_or_default()
    }

    fn end(&mut self, local: &str) {
        if self.n_skipped > 0 {
            self.n_skipped -= 1;
            return;
        }
        match local {
            "grpSp" => {
                self.close_shape();
                self.groups.pop();
            }
            "grpSpPr" => {
                self.in_group_properties = false;
                if let (Some(frame), Some(own)) = (self.frame.take(), self.groups.pop()) {
                    self.groups.push(own.group(frame, self.child));
                }
            }
            "sp" | "graphicFrame" | "cxnSp" | "contentPart" => self.close_shape(),
            "pic" => {
                let is_own = |shape: &Shape| matches!(shape.content, Content::Picture(_));
                if self.shape.as_ref().is_some_and(is_own) {
                    self.close_shape();
                }
            }
            "bodyStyle" => {
                self.in_body_style = false;
                self.slide.body_style = self.style.style;
            }
            _ if self.in_body_style => self.style.end(local),
            "tc" => self.close_cell(),
            "tbl" => self.close_table(),
            _ => {
                if let Some(body) = self.body() {
                    body.end(local);
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        if self.n_skipped == 0
            && let Some(body) = self.body()
        {
            body.text(text);
        }
    }

    fn close_cell(&mut self) {
        let Some(table) = &mut self.table else {
            return;
        };
        let Some(cell) = table.cell.take() else {
            return;
        };
        if cell.is_covered {
            self.slide.n_covered += cell.text.n_chars();
            return;
        }
        let is_header = table.has_header && table.rows.len() <= 1;
        if table.rows.is_empty() {
            table.rows.push(Vec::new());
        }
        if let Some(row) = table.rows.last_mut() {
            row.push(SpanCell {
                text: cell.text.plain(),
                n_cols: cell.n_cols,
                n_rows: cell.n_rows,
                is_header,
            });
        }
    }

    fn close_table(&mut self) {
        self.close_cell();
        if let Some(table) = self.table.take() {
            self.content(Content::Table(table.rows));
        }
    }

    fn close_shape(&mut self) {
        self.close_table();
        self.frame = None;
        let Some(shape) = self.shape.take() else {
            return;
        };
        if self.slide.shapes.len() < MAX_SHAPES {
            self.slide.shapes.push(shape);
        } else {
            let reason = || format!("more than {MAX_SHAPES} shapes");
            self.slide.error.get_or_insert_with(reason);
        }
    }
}

impl Shape {
    /// What its text is, by the role of its placeholder; `None` for what is not the slide's own: numbers, dates, footers.
    pub(super) fn role(&self) -> Option<(ElementKind, u8)> {
        let kind = self
            .placeholder
            .as_ref()
            .map(|placeholder| placeholder.kind.as_str());
        match kind {
            Some("ctrTitle") => Some((ElementKind::Heading, 1)),
            Some("title") => Some((ElementKind::Heading, 2)),
            Some("dt" | "ftr" | "hdr" | "sldNum") => None,
            _ => Some((ElementKind::Paragraph, 0)),
        }
    }

    pub(super) fn is_title(&self) -> bool {
        matches!(self.role(), Some((ElementKind::Heading, _)))
    }

    /// What the reading order depends on; box and bullets may be inherited.
    pub(super) fn placed(&self, frame: Option<Frame>, style: &ListStyle) -> Placed {
        let has_bullet = || self.text.markers(style).iter().any(Option::is_some);
        let text = self.text.plain();
        let is_line = !text.is_empty() && !text.contains('\n') && !has_bullet();
        Placed {
            frame,
            is_title: self.is_title(),
            is_content: match self.content {
                Content::Text => self.role().is_some() && !text.is_empty(),
                Content::Picture(_) => false,
                _ => true,
            },
            line: is_line.then_some(text),
        }
    }
}
