//! Elements to chunks: by structure, within a token budget, with overlap, heading path, page and exact span.
//!
//! A chunk is a contiguous span of the rendition's text. Elements are cut into units (sentences of running text,
//! lines of tables and code, pieces of words that alone exceed the budget); units are packed greedily until the
//! budget is full. A heading closes the chunk before it, unless that chunk is still short: a chain of tiny sections
//! makes worse chunks than one chunk with its headings in the text. The next chunk begins with the last sentences
//! of the one before, up to the overlap, unless a heading stands between them.
//!
//! A table's rows come in pieces with the header on top, made to fit a chunk: a piece that does not fit what is left of
//! a chunk begins the next one. Where a piece alone exceeds the budget, what follows in the middle of it carries the
//! header, and within a row its first cell, in the heading path. The descriptor of a table is a chunk of its own, with
//! nothing but the headings right above it.
//!
//! The budget is counted over the exact embedded input (title and heading path included), and counted again on the
//! finished chunk: nothing is ever cut by the model in silence. O(text) token counts plus one per chunk.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use cairn_types::{
    COMPUTED, CharSpan, ChunkMeta, Element, ElementKind, InputHash, NewChunk, Rendered,
};
use unicode_segmentation::UnicodeSegmentation;

/// Limits of a chunk. Part of the pipeline fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkOptions {
    /// Most tokens of an embedded input, special tokens included: the model's limit.
    pub max_tokens: usize,
    /// Tokens of the chunk before that are repeated at the start of the next one.
    pub overlap_tokens: usize,
    /// A heading closes a chunk that has at least this many tokens.
    pub min_tokens: usize,
    /// Most tokens that title and heading path may take of the budget.
    pub prefix_tokens: usize,
}

impl Default for ChunkOptions {
    fn default() -> Self {
        Self {
            max_tokens: 256,
            overlap_tokens: 32,
            min_tokens: 64,
            prefix_tokens: 48,
        }
    }
}

/// A chunk, and what it takes to make the exact text that is embedded for it. That text is made when it is needed: all of a
/// long document's together would be as long as the document once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Where it stands, and the hash of its input.
    pub new: NewChunk,
    /// Title and heading path, as they are embedded; shared by neighbours.
    prefix: Arc<str>,
    /// Its place in the rendition's text.
    bytes: Range<usize>,
}

impl Chunk {
    /// Title, heading path and text, as they are embedded. `text` is the rendition's whole text.
    #[must_use]
    pub fn input(&self, text: &str) -> String {
        join_input(&self.prefix, &text[self.bytes.clone()])
    }

    /// About what it takes of memory.
    pub(crate) fn n_bytes(&self) -> usize {
        size_of::<Self>() + self.new.meta.heading_path.len()
    }
}

/// A piece of text that is not split further: sentence, line, or part of a word too long for any budget.
#[derive(Debug, Clone, Copy)]
struct Unit {
    /// Index of its element.
    element: usize,
    /// Place in the rendition, in bytes.
    start: usize,
    end: usize,
    /// Tokens without the special ones.
    n_tokens: usize,
}

/// Cuts a rendition into chunks. `count_tokens` counts a text with the special tokens included, as
/// [`cairn_types::ports::Embedder::count_tokens`] does; `detect_lang` names the language of a text.
pub fn chunk_document(
    title: &str,
    elements: &[Element],
    rendered: &Rendered,
    options: &ChunkOptions,
    count_tokens: &dyn Fn(&str) -> usize,
    detect_lang: &dyn Fn(&str) -> Option<&'static str>,
) -> Vec<Chunk> {
    let counter = Counter {
        count: count_tokens,
        special: count_tokens(""),
    };
    let text = rendered.text.as_str();
    let body_tokens = options
        .max_tokens
        .saturating_sub(options.prefix_tokens + counter.special)
        .max(8);
    let starts = element_starts(elements);
    let mut units = Vec::new();
    for (element_idx, (element, &start)) in elements.iter().zip(&starts).enumerate() {
        // What repeats on every page stands after the body and would only be noise in a chunk.
        if element.kind == ElementKind::Furniture {
            continue;
        }
        split_element(
            element,
            element_idx,
            start,
            body_tokens,
            &counter,
            &mut units,
        );
    }
    let paths = heading_paths(elements);
    let mut chars = CharCursor {
        text,
        byte: 0,
        chars: 0,
    };
    let mut chunks = Vec::new();
    let mut shared: Arc<str> = Arc::from("");
    let mut first = 0;
    // The first unit that no chunk holds yet; `first` may lie before it by the overlap.
    let mut fresh = 0;
    while fresh < units.len() {
        let mut path = paths[units[first].element].to_vec();
        path.extend(table_context(
            &units, first, elements, &starts, options, &counter,
        ));
        // A reader must see that these are no words of the document.
        if holds_descriptor(&units[first..], elements) {
            path.push(COMPUTED.to_owned());
        }
        let path = &path;
        let prefix = prefix_of(title, path, options.prefix_tokens, &counter);
        let budget = options
            .max_tokens
            .saturating_sub(counter.special + counter.plain(&prefix))
            .max(1);
        let mut end = pack(&units, elements, first, fresh, budget, options.min_tokens);
        // Counts of pieces can differ from the count of the whole: shrink until the whole fits.
        let (input, n_tokens) = loop {
            let body = &text[units[first].start..units[end - 1].end];
            let input = join_input(&prefix, body);
            let n_tokens = (counter.count)(&input);
            if n_tokens <= options.max_tokens || (first == fresh && end - first == 1) {
                break (input, n_tokens);
            }
            if end - 1 > fresh {
                end = before_table(&units, elements, fresh, end - 1);
            } else {
                first += 1;
            }
        };
        let span_bytes = units[first].start..units[end - 1].end;
        let span = CharSpan::new(chars.at(span_bytes.start), chars.at(span_bytes.end));
        if *shared != *prefix {
            shared = Arc::from(prefix);
        }
        chunks.push(Chunk {
            new: NewChunk {
                meta: ChunkMeta {
                    ordinal: u32::try_from(chunks.len()).unwrap_or(u32::MAX),
                    span,
                    page: elements[units[first].element].page,
                    heading_path: path.join(" > "),
                    lang: detect_lang(&text[span_bytes.clone()]).map(str::to_owned),
                    n_tokens: u32::try_from(n_tokens).unwrap_or(u32::MAX),
                },
                input_hash: InputHash::of(input.as_bytes()),
            },
            prefix: Arc::clone(&shared),
            bytes: span_bytes,
        });
        fresh = end;
        first = overlap_start(&units, elements, first, end, options.overlap_tokens);
    }
    chunks
}

/// The exact text that is embedded for a chunk, from what the catalog keeps of it.
#[must_use]
pub fn embedded_input(
    title: &str,
    heading_path: &str,
    text: &str,
    options: &ChunkOptions,
    count_tokens: &dyn Fn(&str) -> usize,
) -> String {
    let counter = Counter {
        count: count_tokens,
        special: count_tokens(""),
    };
    let path: Vec<String> = match heading_path {
        "" => Vec::new(),
        path => path.split(" > ").map(str::to_owned).collect(),
    };
    join_input(
        &prefix_of(title, &path, options.prefix_tokens, &counter),
        text,
    )
}

struct Counter<'a> {
    count: &'a dyn Fn(&str) -> usize,
    special: usize,
}

impl Counter<'_> {
    fn plain(&self, text: &str) -> usize {
        if text.is_empty() {
            0
        } else {
            (self.count)(text).saturating_sub(self.special)
        }
    }
}

/// Turns rising byte offsets into code point offsets in one pass. Overlap goes back a little: then it counts anew
/// from there, which stays linear because the overlap is bounded.
struct CharCursor<'a> {
    text: &'a str,
    byte: usize,
    chars: usize,
}

impl CharCursor<'_> {
    fn at(&mut self, byte: usize) -> usize {
        if byte >= self.byte {
            self.chars += self.text[self.byte..byte].chars().count();
        } else {
            self.chars -= self.text[byte..self.byte].chars().count();
        }
        self.byte = byte;
        self.chars
    }
}

/// Byte offset of each element in the rendered text: elements joined by a blank line.
fn element_starts(elements: &[Element]) -> Vec<usize> {
    let mut at = 0;
    elements
        .iter()
        .map(|element| {
            let start = at;
            at += element.text.len() + 2;
            start
        })
        .collect()
}

/// For each element the headings above it, outermost first; elements below the same headings share one list. A heading's own
/// path does not hold itself.
fn heading_paths(elements: &[Element]) -> Vec<Rc<[String]>> {
    let path_of = |open: &[(u8, String)]| open.iter().map(|(_, text)| text.clone()).collect();
    let mut open: Vec<(u8, String)> = Vec::new();
    let mut below: Rc<[String]> = Rc::default();
    elements
        .iter()
        .map(|element| {
            if element.kind != ElementKind::Heading {
                return Rc::clone(&below);
            }
            let level = element.level.max(1);
            while open.last().is_some_and(|(above, _)| *above >= level) {
                open.pop();
            }
            let path = path_of(&open);
            open.push((level, one_line(&element.text)));
            below = path_of(&open);
            path
        })
        .collect()
}

/// A heading as one line; ` > ` inside it would read as two headings.
fn one_line(text: &str) -> String {
    text.split_whitespace()
        .filter(|word| *word != ">")
        .collect::<Vec<_>>()
        .join(" ")
}

/// What stands before the text in the embedded input: the title and the innermost headings that fit.
fn prefix_of(title: &str, path: &[String], budget: usize, counter: &Counter<'_>) -> String {
    let title = one_line(title);
    let mut parts: Vec<&str> = Vec::new();
    if !title.is_empty() && path.first().is_none_or(|first| *first != title) {
        parts.push(&title);
    }
    parts.extend(path.iter().map(String::as_str));
    // The innermost headings say most about the text: the outer ones go first when space is short.
    while !parts.is_empty() {
        let prefix = parts.join(" > ");
        if counter.plain(&prefix) <= budget {
            return prefix;
        }
        parts.remove(0);
    }
    String::new()
}

fn join_input(prefix: &str, body: &str) -> String {
    if prefix.is_empty() {
        body.to_owned()
    } else {
        format!("{prefix}\n{body}")
    }
}

/// Appends the units of one element.
fn split_element(
    element: &Element,
    element_idx: usize,
    start: usize,
    budget: usize,
    counter: &Counter<'_>,
    units: &mut Vec<Unit>,
) {
    let text = element.text.as_str();
    let whole = counter.plain(text);
    let mut push = |range: Range<usize>, n_tokens: usize| {
        units.push(Unit {
            element: element_idx,
            start: start + range.start,
            end: start + range.end,
            n_tokens,
        });
    };
    if whole <= 24 {
        push(0..text.len(), whole);
        return;
    }
    let pieces: Vec<Range<usize>> = match element.kind {
        ElementKind::Table | ElementKind::TableSummary | ElementKind::Code => {
            trimmed(text, text.split_inclusive('\n'))
        }
        ElementKind::Heading
        | ElementKind::Paragraph
        | ElementKind::ListItem
        | ElementKind::Image
        | ElementKind::Note
        | ElementKind::Furniture => trimmed(text, text.split_sentence_bounds()),
    };
    for piece in pieces {
        let n_tokens = counter.plain(&text[piece.clone()]);
        if n_tokens <= budget {
            push(piece, n_tokens);
        } else {
            split_long(text, piece, budget, counter, &mut push);
        }
    }
}

/// Ranges of consecutive `parts` of `text` without the white space around them; empty ones are left out.
fn trimmed<'a>(text: &str, parts: impl Iterator<Item = &'a str>) -> Vec<Range<usize>> {
    let mut at = 0;
    let mut ranges = Vec::new();
    for part in parts {
        let start = at + (part.len() - part.trim_start().len());
        let end = at + part.trim_end().len();
        if start < end {
            ranges.push(start..end);
        }
        at += part.len();
    }
    debug_assert!(at <= text.len());
    ranges
}

/// Cuts a piece that exceeds the budget: at white space where there is some, else inside the word.
fn split_long(
    text: &str,
    piece: Range<usize>,
    budget: usize,
    counter: &Counter<'_>,
    push: &mut impl FnMut(Range<usize>, usize),
) {
    let mut pending: Option<(Range<usize>, usize)> = None;
    let words = text[piece.clone()].split_inclusive(char::is_whitespace);
    for word in trimmed(&text[piece.clone()], words) {
        let word = piece.start + word.start..piece.start + word.end;
        for part in split_word(text, word, budget, counter) {
            let n_tokens = counter.plain(&text[part.clone()]);
            pending = match pending.take() {
                Some((range, sum)) if sum + n_tokens <= budget => {
                    Some((range.start..part.end, sum + n_tokens))
                }
                Some((range, sum)) => {
                    push(range, sum);
                    Some((part, n_tokens))
                }
                None => Some((part, n_tokens)),
            };
        }
    }
    if let Some((range, sum)) = pending {
        push(range, sum);
    }
}

/// A word within the budget as it is; a longer one (base64, scripts without spaces) halved until each part fits.
fn split_word(
    text: &str,
    word: Range<usize>,
    budget: usize,
    counter: &Counter<'_>,
) -> Vec<Range<usize>> {
    // Models read a very long word as one unknown token: it would fit the budget and be lost to search. 96
    // bytes is longer than any word of a natural language that is written with spaces.
    let is_short = word.len() <= 96;
    if is_short && counter.plain(&text[word.clone()]) <= budget {
        return vec![word];
    }
    let n_chars = text[word.clone()].chars().count();
    if n_chars < 2 {
        return vec![word];
    }
    let middle = text[word.clone()]
        .char_indices()
        .nth(n_chars / 2)
        .map_or(word.end, |(byte, _)| word.start + byte);
    let mut parts = split_word(text, word.start..middle, budget, counter);
    parts.extend(split_word(text, middle..word.end, budget, counter));
    parts
}

/// Whether the first units but headings are of a table's descriptor, which then is all that the chunk holds.
fn holds_descriptor(units: &[Unit], elements: &[Element]) -> bool {
    units
        .iter()
        .map(|unit| elements[unit.element].kind)
        .find(|kind| *kind != ElementKind::Heading)
        == Some(ElementKind::TableSummary)
}

/// What a chunk that begins in the middle of a table element must carry: the header row, and within a row its first
/// cell. Cut to half the budget of the prefix, at whole cells.
fn table_context(
    units: &[Unit],
    first: usize,
    elements: &[Element],
    starts: &[usize],
    options: &ChunkOptions,
    counter: &Counter<'_>,
) -> Vec<String> {
    let unit = units[first];
    let element = &elements[unit.element];
    let offset = unit.start - starts[unit.element];
    if element.kind != ElementKind::Table || offset == 0 {
        return Vec::new();
    }
    let text = element.text.as_str();
    let mut context = Vec::new();
    let header = text.lines().next().unwrap_or_default();
    let mut cells: Vec<&str> = header.split(" | ").collect();
    // Without a header the first line is a row like the others.
    let n_named = cells
        .iter()
        .filter(|cell| cell.contains(char::is_alphabetic))
        .count();
    if n_named * 2 >= cells.len() && offset > header.len() {
        while !cells.is_empty() {
            let names = one_line(&cells.join(" | "));
            if counter.plain(&names) <= options.prefix_tokens / 2 {
                context.push(names);
                break;
            }
            cells.pop();
        }
    }
    let line = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let key = text[line..].split(" | ").next().unwrap_or_default();
    if line < offset && line + key.len() < offset && counter.plain(key) <= options.prefix_tokens / 4
    {
        context.push(one_line(key));
    }
    context.retain(|part| !part.is_empty());
    context
}

/// Whether a chunk that began with `fresh` holds only headings before the unit `idx`.
fn only_headings(units: &[Unit], elements: &[Element], fresh: usize, idx: usize) -> bool {
    units[fresh..idx]
        .iter()
        .all(|unit| elements[unit.element].kind == ElementKind::Heading)
}

/// `end`, or where it lies within a table element that begins after `fresh` the first unit of that element.
fn before_table(units: &[Unit], elements: &[Element], fresh: usize, end: usize) -> usize {
    let element = units[end].element;
    if elements[element].kind != ElementKind::Table {
        return end;
    }
    let mut start = end;
    while start > fresh && units[start - 1].element == element {
        start -= 1;
    }
    if start > fresh && !only_headings(units, elements, fresh, start) {
        start
    } else {
        end
    }
}

/// One past the last unit of the chunk that starts at `first` and must hold the unit `fresh`.
fn pack(
    units: &[Unit],
    elements: &[Element],
    first: usize,
    fresh: usize,
    budget: usize,
    min_tokens: usize,
) -> usize {
    let kind = |idx: usize| elements[units[idx].element].kind;
    let mut sum = 0;
    for (idx, unit) in units.iter().enumerate().skip(first) {
        let starts_element = idx > fresh && unit.element != units[idx - 1].element;
        let starts_section = starts_element && kind(idx) == ElementKind::Heading;
        let is_full = idx > fresh && sum + unit.n_tokens > budget;
        // The descriptor of a table stands alone but for the headings above it; a piece of a table stays whole.
        let is_apart = starts_element
            && match kind(idx) {
                _ if kind(idx - 1) == ElementKind::TableSummary => true,
                ElementKind::TableSummary => !only_headings(units, elements, fresh, idx),
                ElementKind::Table => {
                    let rows = units[idx..].iter();
                    let rows = rows.take_while(|other| other.element == unit.element);
                    let n_tokens = rows.map(|row| row.n_tokens).sum::<usize>();
                    sum + n_tokens > budget && !only_headings(units, elements, fresh, idx)
                }
                _ => false,
            };
        if is_full || is_apart || (starts_section && sum >= min_tokens) {
            // A heading with nothing below it belongs to what follows.
            let mut end = idx;
            while end - 1 > fresh && kind(end - 1) == ElementKind::Heading {
                end -= 1;
            }
            return end;
        }
        sum += unit.n_tokens;
    }
    units.len()
}

/// Where the chunk after `first..end` begins: some sentences back, unless a new section begins.
fn overlap_start(
    units: &[Unit],
    elements: &[Element],
    first: usize,
    end: usize,
    overlap_tokens: usize,
) -> usize {
    let is_prose = |idx: usize| {
        matches!(
            elements[units[idx].element].kind,
            ElementKind::Paragraph | ElementKind::ListItem
        )
    };
    if end >= units.len() || !is_prose(end) {
        return end;
    }
    let mut start = end;
    let mut sum = 0;
    while start - 1 > first
        && is_prose(start - 1)
        && sum + units[start - 1].n_tokens <= overlap_tokens
    {
        start -= 1;
        sum += units[start].n_tokens;
    }
    start
}

#[cfg(test)]
#[path = "chunk_tests.rs"]
mod tests;
