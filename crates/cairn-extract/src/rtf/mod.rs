//! Rich Text Format to elements.
//!
//! Microsoft, "Rich Text Format Specification 1.9.1" (2008). The state of a group is copied when a group opens and
//! comes back when it closes, as there ("Contents of an RTF File"); a stack of our own holds it, so depth costs no
//! call stack. What the specification calls a destination decides where text goes: body, note, title, or nowhere.
//! Unknown destinations (`\*`) are passed over and their text is counted; headers, footers, hidden and deleted text too.
//! O(n) time and memory. Not read: positions, drawings without text, embedded objects (their result is).

mod charset;
mod flow;
mod token;
mod words;

use std::collections::HashMap;

use cairn_types::WarningCode;

use crate::builder::{Builder, count_text};
use crate::error::ExtractError;

use charset::Charset;
use flow::{Block, CellShape, Flow, Role};
use token::{Token, Tokens};

/// Groups within groups whose state is kept; deeper ones share that of the last. Writers stay below a hundred.
const MAX_DEPTH: usize = 2_000;
/// Text boxes and notes within each other.
const MAX_FLOWS: usize = 16;
/// Cells of one row.
const MAX_CELLS: usize = 1_000;

/// Where text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Destination {
    Body,
    /// The marker of a list item.
    Marker,
    Title,
    FontTable,
    Stylesheet,
    /// No text of the document: tables of fonts and colours, bytes of pictures, field codes.
    Nothing,
    /// Text that is left out and counted: headers, unknown destinations.
    LeftOut,
}

/// What a group inherits and restores.
#[derive(Debug, Clone, Copy)]
struct State {
    destination: Destination,
    /// Inside `\upr`: where the Unicode version goes.
    unicode_destination: Option<Destination>,
    /// Bytes that stand for a `\u` where Unicode is not known.
    n_skip_after_unicode: u32,
    font: Option<i32>,
    is_hidden: bool,
    is_deleted: bool,
    style: i32,
    outline: Option<u8>,
    in_table: bool,
    table_depth: usize,
    list: i32,
    list_level: u8,
    /// Whether the end of the group ends a note or text box.
    opens_flow: Option<FlowKind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FlowKind {
    Note,
    Box,
}

impl State {
    const fn new() -> Self {
        Self {
            destination: Destination::Body,
            unicode_destination: None,
            n_skip_after_unicode: 1,
            font: None,
            is_hidden: false,
            is_deleted: false,
            style: 0,
            outline: None,
            in_table: false,
            table_depth: 1,
            list: 0,
            list_level: 0,
            opens_flow: None,
        }
    }

    const fn reset_paragraph(&mut self) {
        self.style = 0;
        self.outline = None;
        self.in_table = false;
        self.table_depth = 1;
        self.list = 0;
        self.list_level = 0;
    }
}

/// Reads a whole document.
pub(crate) fn read(bytes: &[u8], builder: &mut Builder) -> Result<(), ExtractError> {
    if !bytes.starts_with(b"{\\rtf") {
        return Err(ExtractError::malformed("it does not begin with `{\\rtf`"));
    }
    let mut tokens = Tokens::new(bytes);
    let mut reader = Reader {
        builder,
        state: State::new(),
        stack: Vec::new(),
        n_too_deep: 0,
        flows: vec![Flow::default()],
        pending: Vec::new(),
        high_surrogate: None,
        n_to_skip: 0,
        ignorable: false,
        default_charset: Charset::Known(encoding_rs::WINDOWS_1252),
        default_font: None,
        fonts: HashMap::new(),
        styles: HashMap::new(),
        entry: (0, String::new()),
        title: String::new(),
        cells: Vec::new(),
        cell: CellShape::default(),
        is_header_row: false,
        n_left_out: 0,
        n_replaced: 0,
        unknown_code_page: None,
    };
    let mut is_closed = false;
    for token in tokens.by_ref() {
        reader.token(token);
        if token == Token::Close && reader.stack.is_empty() {
            is_closed = true;
            break;
        }
    }
    let rest = tokens.rest();
    reader.finish(is_closed);
    let n_rest = count_text(&String::from_utf8_lossy(rest));
    if n_rest > 0 {
        builder.left_out(n_rest);
        builder.warn(
            WarningCode::Recovered,
            None,
            format!("{n_rest} characters after the end of the document were left out"),
        );
    }
    Ok(())
}

struct Reader<'b> {
    builder: &'b mut Builder,
    state: State,
    stack: Vec<State>,
    /// Groups beyond [`MAX_DEPTH`] that are open.
    n_too_deep: usize,
    /// The body, and the notes and text boxes that are open in it.
    flows: Vec<Flow>,
    /// Bytes that wait for their decoding: a character may have two.
    pending: Vec<u8>,
    high_surrogate: Option<u16>,
    n_to_skip: u32,
    /// After `\*`.
    ignorable: bool,
    default_charset: Charset,
    default_font: Option<i32>,
    fonts: HashMap<i32, Charset>,
    styles: HashMap<i32, Role>,
    /// Number and name of the font or style whose entry is open.
    entry: (i32, String),
    title: String,
    cells: Vec<CellShape>,
    cell: CellShape,
    is_header_row: bool,
    n_left_out: u64,
    n_replaced: u64,
    unknown_code_page: Option<i32>,
}

impl Reader<'_> {
    fn token(&mut self, token: Token<'_>) {
        if !matches!(token, Token::Byte(_)) {
            self.flush();
        }
        match token {
            Token::Open => self.open(),
            Token::Close => self.close(),
            Token::Binary(_) => {
                self.skipped();
            }
            Token::Byte(byte) => {
                if !self.skipped() {
                    self.pending.push(byte);
                }
            }
            Token::Symbol(symbol) => self.symbol(symbol),
            Token::Word("u", Some(code)) => self.unicode(code),
            Token::Word(name, number) => {
                if !self.skipped() {
                    let ignorable = std::mem::take(&mut self.ignorable);
                    self.word(name, number, ignorable);
                }
            }
        }
    }

    /// Whether this token stands for a `\u` that was read.
    const fn skipped(&mut self) -> bool {
        let skip = self.n_to_skip > 0;
        self.n_to_skip = self.n_to_skip.saturating_sub(1);
        skip
    }

    fn open(&mut self) {
        self.n_to_skip = 0;
        self.ignorable = false;
        if self.stack.len() >= MAX_DEPTH {
            if self.n_too_deep == 0 {
                self.builder.warn(
                    WarningCode::Limit,
                    None,
                    format!("groups are nested over {MAX_DEPTH} levels deep; formatting may be wrong there"),
                );
            }
            self.n_too_deep += 1;
            return;
        }
        self.stack.push(self.state);
        self.state.opens_flow = None;
    }

    fn close(&mut self) {
        self.n_to_skip = 0;
        self.ignorable = false;
        if self.n_too_deep > 0 {
            self.n_too_deep -= 1;
            return;
        }
        self.end_flow();
        self.end_entry();
        if let Some(state) = self.stack.pop() {
            self.state = state;
        }
    }

    fn symbol(&mut self, symbol: u8) {
        if symbol == b'*' {
            self.ignorable = true;
            return;
        }
        if self.skipped() {
            return;
        }
        match symbol {
            b'{' | b'}' | b'\\' => self.pending.push(symbol),
            b'~' => self.emit("\u{a0}"),
            b'_' => self.emit("\u{2011}"),
            b'\n' | b'\r' => self.end_paragraph(),
            b'\t' => self.emit("\t"),
            // Optional hyphens, and what concerns indexes and formulas.
            _ => {}
        }
    }

    fn unicode(&mut self, code: i32) {
        if self.skipped() {
            return;
        }
        self.n_to_skip = self.state.n_skip_after_unicode;
        // Numbers above 32,767 are written as negative ones; some writers do not.
        let code = u32::try_from(code.rem_euclid(0x1_0000)).unwrap_or(0);
        let Ok(unit) = u16::try_from(code) else {
            return;
        };
        let c = match (self.high_surrogate.take(), unit) {
            (_, 0xd800..=0xdbff) => {
                self.high_surrogate = Some(unit);
                return;
            }
            (Some(high), 0xdc00..=0xdfff) => {
                char::decode_utf16([high, unit]).next().and_then(Result::ok)
            }
            // Characters of symbol fonts live in the private area.
            (_, 0xf020..=0xf0ff) => Some(self.private(unit)),
            _ => char::from_u32(code),
        };
        let c = c.unwrap_or('\u{fffd}');
        self.n_replaced += u64::from(c == '\u{fffd}');
        self.emit(c.encode_utf8(&mut [0; 4]));
    }

    fn private(&self, unit: u16) -> char {
        let low = (unit & 0xff) as u8;
        match self.charset() {
            Charset::Symbol => match charset::symbol(low) {
                '\u{fffd}' => '•',
                c => c,
            },
            _ => '•',
        }
    }

    fn charset(&self) -> Charset {
        self.state
            .font
            .or(self.default_font)
            .and_then(|font| self.fonts.get(&font).copied())
            .unwrap_or(self.default_charset)
    }

    /// Decodes the bytes that wait.
    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.pending);
        if self.state.destination == Destination::Nothing {
            return;
        }
        let mut text = String::with_capacity(bytes.len());
        let charset = match self.state.destination {
            // Names, not text: the font that is set meanwhile says nothing about them.
            Destination::Stylesheet | Destination::FontTable => self.default_charset,
            _ => self.charset(),
        };
        charset.decode(&bytes, &mut text);
        self.n_replaced += text.chars().filter(|&c| c == '\u{fffd}').count() as u64;
        self.emit(&text);
    }

    fn emit(&mut self, text: &str) {
        match self.state.destination {
            Destination::Body if self.state.is_hidden || self.state.is_deleted => {
                self.n_left_out += count_text(text);
            }
            Destination::Body => {
                if let Some(flow) = self.flows.last_mut() {
                    flow.text.extend(printable(text));
                }
            }
            Destination::Marker => {
                if let Some(flow) = self.flows.last_mut() {
                    let marker = flow.marker.get_or_insert_default();
                    marker.extend(printable(text));
                }
            }
            Destination::Title => self.title.extend(printable(text)),
            Destination::FontTable | Destination::Stylesheet => self.entry.1.push_str(text),
            Destination::LeftOut => self.n_left_out += count_text(text),
            Destination::Nothing => {}
        }
    }

    /// Tables that the open paragraph is in.
    const fn depth(&self) -> usize {
        if self.state.in_table || self.state.table_depth > 1 {
            self.state.table_depth
        } else {
            0
        }
    }

    fn role(&self) -> Role {
        if let Some(level @ 0..=8) = self.state.outline {
            return Role::Heading(level + 1);
        }
        match self.styles.get(&self.state.style) {
            Some(role) if *role != Role::Text => *role,
            _ => Role::Item(self.state.list_level.min(8) + 1),
        }
    }

    fn in_body(&self) -> bool {
        self.state.destination == Destination::Body
    }

    fn end_paragraph(&mut self) {
        if !self.in_body() {
            return;
        }
        let (depth, role, list) = (self.depth(), self.role(), self.state.list);
        if let Some(flow) = self.flows.last_mut() {
            if list > 0 && flow.marker.is_none() {
                flow.marker = Some(String::new());
            }
            flow.end_paragraph(depth, role);
        }
    }

    /// Opens a note or text box: its text is a stream of its own.
    fn begin_flow(&mut self, kind: FlowKind) {
        if self.flows.len() >= MAX_FLOWS || !self.in_body() || self.state.opens_flow.is_some() {
            return;
        }
        self.flows.push(Flow::default());
        self.state.reset_paragraph();
        self.state.opens_flow = Some(kind);
    }

    fn end_flow(&mut self) {
        let Some(kind) = self.state.opens_flow.take() else {
            return;
        };
        let (depth, role) = (self.depth(), self.role());
        // The body is never ended here.
        if self.flows.len() < 2 {
            return;
        }
        let Some(flow) = self.flows.pop() else {
            return;
        };
        let blocks = flow.finish(depth, role);
        let Some(outer) = self.flows.last_mut() else {
            return;
        };
        match kind {
            FlowKind::Box => outer.after.extend(blocks),
            FlowKind::Note => {
                let mut text = String::new();
                for block in blocks {
                    match block {
                        Block::Paragraph { text: line, .. } | Block::Note(line) => {
                            text.push_str(&line);
                            text.push('\n');
                        }
                        table @ Block::Table(_) => outer.after.push(table),
                    }
                }
                outer.after.push(Block::Note(text));
            }
        }
    }

    /// Ends the entry of a font or style.
    fn end_entry(&mut self) {
        if self.state.destination == Destination::FontTable && !self.entry.1.is_empty() {
            let (number, name) = std::mem::take(&mut self.entry);
            // Of the fonts of signs only one holds letters: Greek ones.
            if self.fonts.get(&number) == Some(&Charset::Symbol) && !name.starts_with("Symbol") {
                self.fonts.insert(number, Charset::Pictures);
            }
            return;
        }
        if self.state.destination == Destination::Stylesheet && !self.entry.1.is_empty() {
            let (number, name) = std::mem::take(&mut self.entry);
            let role = words::role_of(&name, self.state.outline);
            self.styles.insert(number, role);
        }
    }

    fn finish(mut self, is_closed: bool) {
        self.flush();
        while self.flows.len() > 1 {
            self.end_flow();
            match self.stack.pop() {
                Some(state) => self.state = state,
                None => break,
            }
        }
        let (depth, role) = (self.depth(), self.role());
        for flow in std::mem::take(&mut self.flows) {
            flow::push(flow.finish(depth, role), self.builder);
        }
        let title = self.title.trim();
        if !title.is_empty() {
            self.builder.title = Some(title.to_owned());
        }
        if self.n_left_out > 0 {
            self.builder.left_out(self.n_left_out);
        }
        let mut warn = |code, reason| self.builder.warn(code, None, reason);
        if !is_closed {
            let reason = "the file ends within a group: its end is missing";
            warn(WarningCode::Recovered, reason.to_owned());
        }
        if self.n_replaced > 0 {
            let n = self.n_replaced;
            let reason =
                format!("{n} characters are not in the document's code page and show as U+FFFD");
            warn(WarningCode::Recovered, reason);
        }
        if let Some(page) = self.unknown_code_page {
            let reason = format!("code page {page} is not known, read as Windows-1252");
            warn(WarningCode::Recovered, reason);
        }
    }
}

/// Text without control characters; those have no place in a citation.
fn printable(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\t' | '\n'))
}

#[cfg(test)]
mod tests;
