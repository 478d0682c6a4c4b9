//! Cutting text into words and pairs of characters, and folding them.
//!
//! Words are those of UAX #29 (`unicode-segmentation`), after NFKC and lower case, cut again at
//! apostrophes, underscores and at points between letters, so that `l'homme`, `snake_case` and
//! `a.b.c` are found by their parts. UAX #29 knows no words in scripts without spaces: runs of those
//! are cut into overlapping pairs.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// A longer word is cut: it is noise (encoded data, a naughty string), but its head can be found.
pub(super) const MAX_CHARS: usize = 64;

/// What one word is written in, as far as stemmers care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    Latin,
    Cyrillic,
    Greek,
    Arabic,
    Tamil,
    /// Digits, or a script without a stemmer.
    Other,
}

/// A part of a text that becomes one term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A word in lower case.
    Word { text: &'a str, script: Script },
    /// Two neighbours in a script without spaces.
    Pair(&'a str),
    /// One character of such a script; counts as a word of its own where it has no neighbour.
    Single { text: &'a str, counts: bool },
}

/// Calls `emit` for each piece, in reading order.
pub(super) fn for_each(text: &str, emit: &mut dyn FnMut(Piece<'_>)) {
    // Lower case can undo NFKC in rare cases and the reverse: words are compared with words made in
    // the same way, so that does not matter.
    let text: String = text
        .nfkc()
        .flat_map(char::to_lowercase)
        .filter(|&c| !is_ignored(c))
        .collect();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let unspaced = is_unspaced(first);
        let end = rest
            .char_indices()
            .find(|&(_, c)| is_unspaced(c) != unspaced && !(unspaced && is_combining_mark(c)))
            .map_or(rest.len(), |(at, _)| at);
        let (run, after) = rest.split_at(end);
        if unspaced {
            emit_pairs(run, emit);
        } else {
            run.unicode_words().for_each(|word| emit_words(word, emit));
        }
        rest = after;
    }
}

/// Folds a word so that spelling variants meet: marks off Latin, Greek and Cyrillic letters, `ß` as
/// `ss`, final sigma as sigma. Vietnamese words lose their tones with it: they meet in plain form too.
pub(super) fn fold(word: &str) -> String {
    if word.is_ascii() {
        return word.to_owned();
    }
    let mut out = String::with_capacity(word.len());
    let mut foldable = false;
    for c in word.nfd() {
        if is_combining_mark(c) {
            if !foldable {
                out.push(c);
            }
            continue;
        }
        foldable = matches!(
            script_of(c),
            Script::Latin | Script::Greek | Script::Cyrillic
        );
        match c {
            'ß' => out.push_str("ss"),
            'ς' => out.push('σ'),
            'ı' => out.push('i'),
            'ł' => out.push('l'),
            'đ' | 'ð' => out.push('d'),
            'ø' => out.push('o'),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'þ' => out.push_str("th"),
            _ => out.push(c),
        }
    }
    if out.is_empty() {
        word.to_owned()
    } else {
        out.nfc().collect()
    }
}

/// The script of a word: that of its first letter with one.
pub(super) fn script_of_word(word: &str) -> Script {
    word.chars()
        .map(script_of)
        .find(|script| *script != Script::Other)
        .unwrap_or(Script::Other)
}

fn script_of(c: char) -> Script {
    match c {
        'a'..='z'
        | 'A'..='Z'
        | '\u{aa}'
        | '\u{ba}'
        | '\u{c0}'..='\u{24f}'
        | '\u{1e00}'..='\u{1eff}' => Script::Latin,
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Script::Greek,
        '\u{400}'..='\u{52f}' => Script::Cyrillic,
        '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' if c.is_alphabetic() => Script::Arabic,
        '\u{b80}'..='\u{bff}' if c.is_alphabetic() => Script::Tamil,
        _ => Script::Other,
    }
}

/// Whether a character belongs to a script that puts no spaces between words (Korean does, but its
/// endings make pairs the better unit there too).
fn is_unspaced(c: char) -> bool {
    c.is_alphanumeric()
        && matches!(c,
            '\u{e00}'..='\u{eff}'       // Thai, Lao
            | '\u{f00}'..='\u{fff}'     // Tibetan
            | '\u{1000}'..='\u{109f}'   // Burmese
            | '\u{1100}'..='\u{11ff}'   // Hangul Jamo
            | '\u{1780}'..='\u{17ff}'   // Khmer
            | '\u{3005}'..='\u{3007}'
            | '\u{3040}'..='\u{30ff}'   // kana
            | '\u{3130}'..='\u{318f}'
            | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' // Han
            | '\u{ac00}'..='\u{d7af}'   // Hangul
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{323af}')
        || matches!(c, '\u{30fc}' | '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}'
            | '\u{eb1}' | '\u{eb4}'..='\u{ebc}' | '\u{ec8}'..='\u{ecd}')
}

/// Soft hyphens, direction marks, Arabic vowel signs and stretching: in the text for the eye only.
fn is_ignored(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{640}' | '\u{64b}'..='\u{652}' | '\u{670}')
}

fn emit_pairs(run: &str, emit: &mut dyn FnMut(Piece<'_>)) {
    let bounds: Vec<usize> = run
        .char_indices()
        .map(|(at, _)| at)
        .chain(std::iter::once(run.len()))
        .collect();
    let alone = bounds.len() == 2;
    for window in bounds.windows(2) {
        emit(Piece::Single {
            text: &run[window[0]..window[1]],
            counts: alone,
        });
    }
    for window in bounds.windows(3) {
        emit(Piece::Pair(&run[window[0]..window[2]]));
    }
}

fn emit_words(word: &str, emit: &mut dyn FnMut(Piece<'_>)) {
    let mut start = None;
    let mut before: Option<char> = None;
    let mut chars = word.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|&(_, next)| next);
        let part =
            c.is_alphanumeric() || is_combining_mark(c) || is_between_digits(before, c, next);
        match (part, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                emit_word(&word[from..at], emit);
                start = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
        before = Some(c);
    }
    if let Some(from) = start {
        emit_word(&word[from..], emit);
    }
}

fn is_between_digits(before: Option<char>, c: char, next: Option<char>) -> bool {
    matches!(c, '.' | ',' | '\u{66b}' | '\u{66c}')
        && before.is_some_and(char::is_numeric)
        && next.is_some_and(char::is_numeric)
}

fn emit_word(word: &str, emit: &mut dyn FnMut(Piece<'_>)) {
    let end = word
        .char_indices()
        .nth(MAX_CHARS)
        .map_or(word.len(), |(at, _)| at);
    let text = &word[..end];
    emit(Piece::Word {
        text,
        script: script_of_word(text),
    });
}
