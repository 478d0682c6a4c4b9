//! The words of one page, from pdfium's characters and their boxes.
//!
//! pdfium gives characters in drawing order with white space and line breaks put in where it sees gaps.
//! A word ends at white space, where the baseline changes, or where the next character stands apart.

use std::collections::BTreeMap;

use pdfium_render::prelude::{PdfPage, PdfPageTextChar};
use unicode_normalization::UnicodeNormalization;

use super::word::{NO_FONT, PageBox, Rect, Turn, Word, is_rtl, is_wide};

/// Characters read of one page; a page of print holds about 5,000. Bounds memory on hostile files.
const MAX_CHARS: usize = 400_000;

/// What pdfium sees on a page.
#[derive(Debug, Default)]
pub(super) struct PageWords {
    /// By direction, the direction of most words first.
    pub(super) by_turn: Vec<(Turn, Vec<Word>)>,
    /// Characters seen that carry text.
    pub(super) n_chars: u64,
    /// Control and private-use characters: a font without a map to Unicode.
    pub(super) n_garbage: u64,
    /// Those by the number of their font.
    pub(super) garbage_fonts: BTreeMap<u16, u64>,
    pub(super) is_cut: bool,
}

impl PageWords {
    fn count_garbage(&mut self, font: u16) {
        self.n_garbage += 1;
        *self.garbage_fonts.entry(font).or_default() += 1;
    }

    /// All words, whatever their direction.
    pub(super) fn words(&self) -> impl Iterator<Item = &Word> {
        self.by_turn.iter().flat_map(|(_, words)| words)
    }
}

/// The page's box; a page without one is taken as US Letter, as pdfium does.
pub(super) fn page_box(page: &PdfPage<'_>) -> PageBox {
    let boundaries = page.boundaries();
    let found = boundaries.crop().or_else(|_| boundaries.media());
    match found.map(|found| found.bounds) {
        Ok(rect) if rect.width().value > 0.0 && rect.height().value > 0.0 => PageBox {
            left: rect.left().value,
            bottom: rect.bottom().value,
            right: rect.right().value,
            top: rect.top().value,
        },
        _ => PageBox {
            left: 0.0,
            bottom: 0.0,
            right: 612.0,
            top: 792.0,
        },
    }
}

/// Reads the words of a page.
pub(super) fn read_words(page: &PdfPage<'_>, bounds: &PageBox) -> Result<PageWords, String> {
    let text = page
        .text()
        .map_err(|error| super::open::in_words(&error).to_owned())?;
    let chars = text.chars();
    let mut maker = WordMaker::default();
    let mut found = PageWords::default();
    let mut fonts = Fonts::default();
    for (idx, char) in chars.iter().enumerate() {
        if idx >= MAX_CHARS {
            found.is_cut = true;
            break;
        }
        let value = char.unicode_value();
        // pdfium marks the hyphen of a broken word so.
        if matches!(value, 2 | 0xfffe) {
            found.n_chars += 1;
            maker.soft_hyphen();
            continue;
        }
        let Some(c) = char::from_u32(value) else {
            found.count_garbage(fonts.number(char.font_name()));
            continue;
        };
        if c.is_whitespace() || matches!(c, '\0' | '\u{feff}' | '\u{200b}') {
            maker.end_word();
            continue;
        }
        found.n_chars += 1;
        if c == '\u{ad}' {
            maker.soft_hyphen();
            continue;
        }
        let Some(c) = readable(c) else {
            found.n_chars -= 1;
            found.count_garbage(fonts.number(char.font_name()));
            continue;
        };
        let Some((turn, rect, baseline)) = place(&char, bounds) else {
            maker.push_unplaced(c);
            continue;
        };
        maker.push(c, turn, rect, baseline, || style(&char, &mut fonts));
    }
    maker.end_word();
    let mut by_turn: BTreeMap<Turn, Vec<Word>> = BTreeMap::new();
    for (turn, word) in maker.words {
        by_turn.entry(turn).or_default().push(word);
    }
    found.by_turn = by_turn.into_iter().collect();
    found
        .by_turn
        .sort_by_key(|(turn, words)| (usize::MAX - words.len(), *turn));
    Ok(found)
}

/// `None` for characters that say nothing: control codes and private use (but the usual bullets).
fn readable(c: char) -> Option<char> {
    match c {
        '\u{f0b7}' | '\u{f0a7}' | '\u{f0d8}' | '\u{f0fc}' | '\u{f076}' => Some('•'),
        '\u{fffd}' | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}' => None,
        c if c.is_control() => None,
        c => Some(c),
    }
}

/// Direction, upright box and baseline.
fn place(char: &PdfPageTextChar<'_>, bounds: &PageBox) -> Option<(Turn, Rect, f32)> {
    let loose = char.loose_bounds().ok()?;
    let mut edges = [
        loose.left().value,
        loose.bottom().value,
        loose.right().value,
        loose.top().value,
    ];
    if edges.iter().any(|edge| !edge.is_finite()) {
        return None;
    }
    if edges[0] > edges[2] {
        edges.swap(0, 2);
    }
    if edges[1] > edges[3] {
        edges.swap(1, 3);
    }
    // pdfium counts angles clockwise.
    let quarter = char
        .angle_degrees()
        .map_or(0.0, |angle| (angle / 90.0).round());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number of at most four quarters"
    )]
    let turn = Turn((4 - (quarter.clamp(0.0, 4.0) as u8) % 4) % 4);
    let rect = bounds.upright(turn, edges);
    let (x, y) = char.origin().ok()?;
    let (x, y) = (x.value, y.value);
    let baseline = bounds.upright(turn, [x, y, x, y]).y0;
    Some((turn, rect, baseline))
}

/// How foundries and TeX name their bold faces.
const BOLD: [&str; 8] = [
    "bold", "black", "heavy", "-bd", "-medi", "demi", "cmbx", "sfbx",
];

fn style(char: &PdfPageTextChar<'_>, fonts: &mut Fonts) -> Style {
    let font = fonts.number(char.font_name());
    Style {
        size: char.scaled_font_size().value.abs(),
        is_bold: fonts
            .0
            .get(usize::from(font))
            .is_some_and(|(_, is_bold)| *is_bold),
        font,
    }
}

struct Style {
    size: f32,
    is_bold: bool,
    font: u16,
}

/// The fonts of a page by name, and whether they are bold.
#[derive(Default)]
struct Fonts(Vec<(String, bool)>);

impl Fonts {
    /// The number of the font; those after the first thousand are one.
    fn number(&mut self, name: String) -> u16 {
        const MAX_FONTS: usize = 1_000;
        let place = self.0.iter().rposition(|(known, _)| *known == name);
        let place = place.unwrap_or_else(|| {
            let lower = name.to_ascii_lowercase();
            let is_bold = BOLD.iter().any(|mark| lower.contains(mark));
            if self.0.len() < MAX_FONTS {
                self.0.push((name, is_bold));
            }
            self.0.len() - 1
        });
        u16::try_from(place).unwrap_or(NO_FONT)
    }
}

struct Open {
    turn: Turn,
    word: Word,
    baseline: f32,
    last: Rect,
    last_char: char,
}

#[derive(Default)]
struct WordMaker {
    words: Vec<(Turn, Word)>,
    open: Option<Open>,
}

impl WordMaker {
    fn push(
        &mut self,
        c: char,
        turn: Turn,
        rect: Rect,
        baseline: f32,
        style: impl FnOnce() -> Style,
    ) {
        if let Some(open) = &self.open
            && !belongs(open, c, turn, &rect, baseline)
        {
            self.end(true);
        }
        let open = self.open.get_or_insert_with(|| {
            let Style {
                size,
                is_bold,
                font,
            } = style();
            let size = if size > 0.4 * rect.height() && size < 1.4 * rect.height() {
                size
            } else {
                rect.height()
            };
            Open {
                turn,
                word: Word {
                    text: String::new(),
                    rect,
                    size,
                    is_bold,
                    order: 0,
                    ends_soft: false,
                    is_glued: false,
                    font,
                },
                baseline,
                last: rect,
                last_char: c,
            }
        });

        // The font's own box can be twice as high as its letters, so that lines would overlap.
        let rect = Rect {
            y0: baseline - 0.8 * open.word.size,
            y1: baseline + 0.22 * open.word.size,
            ..rect
        };
        if open.word.text.is_empty() {
            open.word.rect = rect;
        }
        open.word.rect = open.word.rect.union(&rect);
        let is_one_glyph = rect == open.last && c == 'ل' && is_alef(open.last_char);
        (open.last, open.last_char) = (rect, c);
        if is_one_glyph && let Some(alef) = open.word.text.pop() {
            // The ligature of lam and alef: pdfium turns the line around letter by letter, this one too.
            push_plain(&mut open.word.text, c);
            push_plain(&mut open.word.text, alef);
        } else {
            push_plain(&mut open.word.text, c);
        }
    }

    /// A character without a box goes where the one before it is.
    fn push_unplaced(&mut self, c: char) {
        match (&mut self.open, self.words.last_mut()) {
            (Some(open), _) => push_plain(&mut open.word.text, c),
            (None, Some((_, word))) => push_plain(&mut word.text, c),
            (None, None) => {}
        }
    }

    fn soft_hyphen(&mut self) {
        if let Some(open) = &mut self.open {
            open.word.ends_soft = true;
        }
        self.end(false);
    }

    fn end_word(&mut self) {
        self.end(false);
    }

    fn end(&mut self, is_glued: bool) {
        if let Some(mut open) = self.open.take() {
            open.word.order = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
            open.word.is_glued = is_glued;
            self.words.push((open.turn, open.word));
        }
    }
}

/// Alef with what may stand on it.
fn is_alef(c: char) -> bool {
    matches!(c, 'ا' | 'أ' | 'إ' | 'آ' | 'ٱ')
}

/// Whether the character goes on the open word.
fn belongs(open: &Open, c: char, turn: Turn, rect: &Rect, baseline: f32) -> bool {
    let em = open
        .word
        .size
        .min(open.word.rect.height().max(1.0))
        .max(1.0);
    if turn != open.turn || (baseline - open.baseline).abs() > 0.5 * em {
        return false;
    }
    // pdfium gives right-to-left text in reading order, so its boxes go backwards.
    if is_rtl(c) || is_rtl(open.last_char) {
        let gap = (rect.x0 - open.last.x1).max(open.last.x0 - rect.x1);
        return gap < 0.5 * em;
    }
    let gap = rect.x0 - open.last.x1;
    let max_gap = if is_wide(c) && is_wide(open.last_char) {
        0.6
    } else {
        0.3
    };
    gap < max_gap * em && gap > -1.5 * em
}

/// Adds the character; ligatures and presentation forms become the letters that they show.
fn push_plain(text: &mut String, c: char) {
    match c {
        '\u{fb00}'..='\u{fb06}'
        | '\u{fb13}'..='\u{fb17}'
        | '\u{fb1d}'..='\u{fdff}'
        | '\u{fe70}'..='\u{fefc}' => {
            text.extend(std::iter::once(c).nfkc());
        }
        c => text.push(c),
    }
}
