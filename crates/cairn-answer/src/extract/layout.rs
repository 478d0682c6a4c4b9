//! What the layout says of a sentence: which row of a table names the columns, which row is asked for, and which
//! lines a question of the document's own introduces.
//!
//! Read off the text alone, since passages carry no cells. O(rows) for each row. Known limits: a header over columns
//! of words is not told from a row, and a table that a passage cuts has lost its header.

use std::ops::Range;

use super::features::{N_FEATURES, at};
use crate::question::Question;
use crate::sentences::{Sentence, SentenceKind};

/// A row says what its cells say of the columns: where the question's words pick this row out, those in the header
/// count as the row's own. `hits`: of the row, of the header, of title and headings.
pub(super) fn measure_row(
    question: &Question,
    [own, header, head]: [&[f32]; 3],
    features: &mut [f32; N_FEATURES],
) {
    let (mut key, mut open) = (0.0, 0.0);
    let (mut with_header, mut total) = (0.0, f32::MIN_POSITIVE);
    for (i, term) in question.terms.iter().enumerate() {
        let free = term.weight * (1.0 - header[i].max(head[i]));
        key += free * own[i];
        open += free;
        with_header += term.weight * own[i].max(header[i]);
        total += term.weight;
    }
    if key > 0.0 {
        let all = features[at::COVERAGE] + features[at::CONTEXT];
        features[at::ROW_KEY] = key / open;
        features[at::COVERAGE] = with_header / total;
        features[at::CONTEXT] = all - features[at::COVERAGE];
    }
}

/// Whether a row names the columns of the rows below it: it holds no value, and they do.
pub(super) fn is_header(idx: usize, sentences: &[Sentence], text: &str) -> bool {
    let is_row = |i: usize| {
        sentences
            .get(i)
            .is_some_and(|sentence| sentence.kind == SentenceKind::Row)
    };
    let has_value = |i: usize| {
        text[sentences[i].bytes.clone()]
            .split('|')
            .map(str::trim)
            .any(is_value_cell)
    };
    is_row(idx)
        && !idx.checked_sub(1).is_some_and(is_row)
        && !has_value(idx)
        && (idx + 1..sentences.len())
            .take_while(|i| is_row(*i))
            .any(has_value)
}

/// A cell that begins with a digit or sign and is no year, which stands over columns too.
fn is_value_cell(cell: &str) -> bool {
    let is_year = cell.len() == 4 && cell.bytes().all(|b| b.is_ascii_digit());
    let digits = cell.trim_start_matches(['+', '-', '−', '€', '$', '£', '(']);
    !is_year && digits.starts_with(|c: char| c.is_numeric())
}

/// Sentences that a candidate introduces: a question on a line of its own and the block after it, as in lists of
/// frequent questions. Indexes in the passage.
pub(super) fn introduced(idx: usize, sentences: &[Sentence], text: &str) -> Range<usize> {
    let asks = |i: usize| text[sentences[i].bytes.clone()].ends_with(['?', '？', '؟']);
    let next = idx + 1;
    if next >= sentences.len()
        || !asks(idx)
        || sentences[next].block == sentences[idx].block
        || asks(next)
    {
        return next..next;
    }
    let n = sentences[next..]
        .iter()
        .take_while(|sentence| sentence.block == sentences[next].block)
        .count();
    next..next + n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentences::split_sentences;

    #[test]
    fn headers_name_columns_of_values() {
        let cases: &[(&str, &[bool])] = &[
            (
                "Route | 2024 | 2025\nR1 North | 120 | 130\nR2 South | 80 | 90",
                &[true, false, false],
            ),
            ("Name | Age 6-15\nAda | 12", &[true, false]),
            ("Signal | Meaning\nLong | Leave", &[false, false]),
            ("Ada | 12\nBob | 13", &[false, false]),
            ("Lonely | row", &[false]),
        ];
        for (text, expect) in cases {
            let sentences = split_sentences(text, Some("en"));
            let got: Vec<bool> = (0..sentences.len())
                .map(|i| is_header(i, &sentences, text))
                .collect();
            assert_eq!(got, *expect, "{text}");
        }
    }

    #[test]
    fn questions_introduce_the_block_below() {
        let text =
            "May I bring a dog?\n\nNo. Dogs stay ashore.\n\nIs it late? It is.\n\nLast words?";
        let sentences = split_sentences(text, Some("en"));
        let got: Vec<Range<usize>> = (0..sentences.len())
            .map(|i| introduced(i, &sentences, text))
            .collect();
        assert_eq!(got[0], 1..3);
        assert!(got[1..].iter().all(Range::is_empty), "{got:?}");
    }
}
