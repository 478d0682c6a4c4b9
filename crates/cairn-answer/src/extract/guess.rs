//! A guess of the short answer inside a quoted sentence: a number with its unit, a date, a name.
//!
//! Starts at the word of the expected kind that stands nearest to the question's words and widens it over its
//! like neighbours. A guess for display and for the F1 figure; the quote is what is cited. O(words).

use std::ops::Range;

use crate::question::AnswerKind;
use crate::words::{Word, WordKind};

/// Widens the word at `place` to the phrase it belongs to: byte range in `body`. `own` marks the words that the
/// question itself has.
pub(crate) fn widen(
    kind: AnswerKind,
    words: &[Word],
    own: &[bool],
    place: usize,
    body: &str,
) -> Range<usize> {
    let joins = |left: usize, right: usize| {
        // Pairs of characters overlap: no gap between them.
        let gap = body.get(words[left].end..words[right].start).unwrap_or("");
        gap.chars().all(|c| {
            matches!(c, ' ' | '-' | '–' | '.' | '\'' | '’' | '/' | ':')
                || (c == ',' && is_date(kind))
        }) && gap.len() <= 3
    };
    let fits = |i: usize| match kind {
        AnswerKind::Number | AnswerKind::Percent => {
            words[i].kind == WordKind::Number || SCALES.contains(&words[i].surface.as_str())
        }
        AnswerKind::Time => words[i].kind != WordKind::Plain && words[i].kind != WordKind::Pair,
        AnswerKind::Person | AnswerKind::Place => words[i].kind == WordKind::Capitalised,
        AnswerKind::YesNo | AnswerKind::Any => {
            words[i].kind == WordKind::Capitalised || words[i].kind == WordKind::Number
        }
    };
    let (mut first, mut last) = (place, place);
    while first > 0 && !own[first - 1] && fits(first - 1) && joins(first - 1, first) {
        first -= 1;
    }
    while last + 1 < words.len() && joins(last, last + 1) {
        let is_link = last + 2 < words.len()
            && LINKS.contains(&words[last + 1].surface.as_str())
            && words[last + 2].kind == WordKind::Capitalised
            && !own[last + 2]
            && matches!(
                kind,
                AnswerKind::Person | AnswerKind::Place | AnswerKind::Any
            );
        if is_link {
            last += 2;
        } else if fits(last + 1) && !own[last + 1] {
            last += 1;
        } else {
            break;
        }
    }
    let mut start = words[first].start;
    let mut end = words[last].end;
    if let Some(sign) = body[..start]
        .chars()
        .next_back()
        .filter(|c| matches!(c, '$' | '€' | '£' | '¥' | '₹'))
    {
        start -= sign.len_utf8();
    }
    if let Some(sign) = body[end..]
        .chars()
        .next()
        .filter(|c| matches!(c, '%' | '％' | '٪' | '€' | '°'))
    {
        end += sign.len_utf8();
    }
    start..end
}

fn is_date(kind: AnswerKind) -> bool {
    kind == AnswerKind::Time
}

const SCALES: &[&str] = &[
    "hundred",
    "thousand",
    "million",
    "billion",
    "trillion",
    "tausend",
    "millionen",
    "milliarden",
    "mil",
    "millones",
    "тысяч",
    "миллионов",
    "миллиардов",
    "milyon",
    "milyar",
    "percent",
];
const LINKS: &[&str] = &[
    "of", "the", "de", "la", "von", "van", "del", "di", "du", "der", "and", "al", "bin",
];
