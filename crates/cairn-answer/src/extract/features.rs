//! What speaks for a sentence: the features that rank sentences and judge whether the documents say.
//!
//! Each feature is a number of about 0 to 1 and is described at its index. Cost: linear in the passages' text,
//! plus one short embedding for each candidate sentence that is looked at closely.

use std::collections::HashMap;
use std::ops::Range;

use super::layout::{introduced, is_header, measure_row};
use crate::evidence::RankedPassage;
use crate::question::{AnswerKind, Question};
use crate::sentences::{Sentence, SentenceKind, split_sentences};
use crate::words::{Analyser, Word, WordKind, language};

/// Names of the features, in order; for reports and for fitting the weights.
pub const FEATURE_NAMES: [&str; N_FEATURES] = [
    "coverage",
    "context",
    "pairs",
    "nearness",
    "kind_present",
    "kind_nearness",
    "names",
    "numbers",
    "dense",
    "dense_context",
    "passage_dense",
    "passage_score",
    "passage_rank",
    "length",
    "is_label",
    "is_row",
    "first",
    "coverage_rank",
    "row_key",
];
/// Number of features.
pub const N_FEATURES: usize = 19;

/// Indexes of the features.
pub(crate) mod at {
    /// Share of the question's weight whose words are in the sentence.
    pub(crate) const COVERAGE: usize = 0;
    /// The same with heading, title and the sentence before; what it adds.
    pub(crate) const CONTEXT: usize = 1;
    /// Share of neighbouring question words that are near each other in the sentence.
    pub(crate) const PAIRS: usize = 2;
    /// How close together the question's words stand.
    pub(crate) const NEARNESS: usize = 3;
    /// Whether something of the expected kind is there that is not in the question.
    pub(crate) const KIND_PRESENT: usize = 4;
    /// How near it stands to the question's words.
    pub(crate) const KIND_NEARNESS: usize = 5;
    /// Share of the question's names that are in the sentence or its context.
    pub(crate) const NAMES: usize = 6;
    /// Share of the question's numbers that are in the sentence or its context.
    pub(crate) const NUMBERS: usize = 7;
    /// Cosine of sentence and question.
    pub(crate) const DENSE: usize = 8;
    /// Cosine of the sentence with the one before, and the question.
    pub(crate) const DENSE_CONTEXT: usize = 9;
    /// Cosine of passage and question.
    pub(crate) const PASSAGE_DENSE: usize = 10;
    /// The passage's score over the best passage's.
    pub(crate) const PASSAGE_SCORE: usize = 11;
    /// One over the passage's rank.
    pub(crate) const PASSAGE_RANK: usize = 12;
    /// Length, on a logarithmic scale.
    pub(crate) const LENGTH: usize = 13;
    /// A heading or label.
    pub(crate) const IS_LABEL: usize = 14;
    /// A table row.
    pub(crate) const IS_ROW: usize = 15;
    /// First sentence of its passage.
    pub(crate) const FIRST: usize = 16;
    /// Coverage over the best sentence's.
    pub(crate) const COVERAGE_RANK: usize = 17;
    /// Of a table row under a header: share of the question's weight that neither header nor title has and that is
    /// in the row, so which row is asked for.
    pub(crate) const ROW_KEY: usize = 18;
}

/// A sentence that may be quoted.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Index of its passage.
    pub passage: usize,
    /// Index of the sentence in its passage.
    pub idx: usize,
    /// The sentence.
    pub sentence: Sentence,
    /// What speaks for it.
    pub features: [f32; N_FEATURES],
    /// Folded and stemmed words, sorted, for redundancy and contradiction.
    pub keys: Vec<String>,
    /// How much of each question word is in the sentence, its heading, title or the sentence before: 0 to 1, in
    /// the order of the question's terms.
    pub context_hits: Vec<f32>,
    /// The best guess of the answer itself: byte range in the passage's text.
    pub guess: Option<Range<usize>>,
    /// Indexes of the sentences of its passage that answer it, where it is a question of the document's own.
    pub introduces: Range<usize>,
    /// Number of words.
    pub n_words: usize,
    /// How much of each question word is in the sentence itself.
    pub own_hits: Vec<f32>,
}

/// Sentences of the passages with every feature that needs no model.
pub(crate) fn candidates(question: &Question, passages: &[RankedPassage]) -> Vec<Candidate> {
    let mut analysers: HashMap<Option<String>, (Analyser, Vec<String>)> = HashMap::new();
    let top = passages.first().map_or(1.0, |p| p.score);
    let mut all = Vec::new();
    for (rank, ranked) in passages.iter().enumerate() {
        let text = ranked.passage.text.as_str();
        let lang = language(ranked.passage.meta.lang.as_deref(), text);
        let sentences = split_sentences(text, lang.as_deref());
        let (analyser, keys) = analysers
            .entry(lang.as_deref().map(str::to_owned))
            .or_insert_with_key(|lang| {
                let analyser = Analyser::new(lang.as_deref());
                let keys = question.keys(&analyser);
                (analyser, keys)
            });
        let head = format!(
            "{} {}",
            ranked.passage.document.title.replace('_', " "),
            ranked.passage.meta.heading_path
        );
        let head_hits = hits(keys, &analyser.words(&head)).0;
        let words: Vec<Vec<Word>> = sentences
            .iter()
            .map(|sentence| analyser.words(&text[sentence.bytes.clone()]))
            .collect();
        let first_row = |idx: usize| {
            (0..idx)
                .rev()
                .take_while(|i| sentences[*i].kind == SentenceKind::Row)
                .last()
        };
        for (idx, sentence) in sentences.iter().enumerate() {
            let mut before = head_hits.clone();
            let header = first_row(idx).filter(|_| sentence.kind == SentenceKind::Row);
            for other in [idx.checked_sub(1), header].into_iter().flatten() {
                let other = hits(keys, &words[other]).0;
                before
                    .iter_mut()
                    .zip(other)
                    .for_each(|(a, b)| *a = a.max(b));
            }
            let mut features = [0.0; N_FEATURES];
            let own = hits(keys, &words[idx]).0;
            let guess = measure(
                question,
                keys,
                &words[idx],
                &before,
                text,
                sentence,
                &mut features,
            );
            features[at::PASSAGE_SCORE] = if top > 0.0 {
                (ranked.score / top).clamp(0.0, 1.0)
            } else {
                0.0
            };
            features[at::PASSAGE_DENSE] = ranked.dense.unwrap_or(0.0);
            features[at::PASSAGE_RANK] = 1.0 / (rank as f32 + 1.0);
            features[at::FIRST] = f32::from(u8::from(idx == 0));
            if is_header(idx, &sentences, text) {
                features[at::IS_LABEL] = 1.0;
            } else if let Some(header) = header.filter(|header| *header < idx) {
                let header = hits(keys, &words[header]).0;
                measure_row(question, [&own, &header, &head_hits], &mut features);
            }
            let mut sorted: Vec<String> = words[idx].iter().map(|word| word.key.clone()).collect();
            sorted.sort_unstable();
            sorted.dedup();
            all.push(Candidate {
                passage: rank,
                idx,
                sentence: sentence.clone(),
                features,
                keys: sorted,
                context_hits: before.iter().zip(&own).map(|(a, b)| a.max(*b)).collect(),
                guess,
                introduces: introduced(idx, &sentences, text),
                n_words: words[idx].len(),
                own_hits: own,
            });
        }
    }
    let best = all
        .iter()
        .map(|c| c.features[at::COVERAGE])
        .fold(0.0, f32::max);
    for candidate in &mut all {
        candidate.features[at::COVERAGE_RANK] = if best > 0.0 {
            candidate.features[at::COVERAGE] / best
        } else {
            0.0
        };
    }
    all
}

/// How much of each question word is in `words` (1: its stem, 0.6: a word with the same long beginning), and
/// where (index in `words` of the last place).
fn hits(keys: &[String], words: &[Word]) -> (Vec<f32>, Vec<Vec<usize>>) {
    let mut amounts = vec![0.0f32; keys.len()];
    let mut places = vec![Vec::new(); keys.len()];
    for (place, word) in words.iter().enumerate() {
        for (i, key) in keys.iter().enumerate() {
            let amount = likeness(key, &word.key, word.kind);
            if amount > 0.0 {
                amounts[i] = amounts[i].max(amount);
                places[i].push(place);
            }
        }
    }
    (amounts, places)
}

fn likeness(key: &str, word: &str, kind: WordKind) -> f32 {
    if key == word {
        return 1.0;
    }
    if kind == WordKind::Number && ordinal(key) == Some(word) {
        return 0.6;
    }
    if matches!(kind, WordKind::Number | WordKind::Pair) {
        return 0.0;
    }
    let shared = key
        .chars()
        .zip(word.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let longest = key.chars().count().max(word.chars().count());
    if shared >= 4 && shared * 10 >= longest * 7 {
        0.6
    } else {
        0.0
    }
}

/// The number that an English ordinal stands for: tables write `4` for the fourth quarter.
fn ordinal(key: &str) -> Option<&'static str> {
    const ORDINALS: [&str; 12] = [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
        "tenth", "eleventh", "twelfth",
    ];
    const NUMBERS: [&str; 12] = [
        "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12",
    ];
    let place = ORDINALS.iter().position(|word| *word == key)?;
    Some(NUMBERS[place])
}

/// Fills in the features of the sentence itself; returns the place of the likeliest answer.
fn measure(
    question: &Question,
    keys: &[String],
    words: &[Word],
    before: &[f32],
    text: &str,
    sentence: &Sentence,
    features: &mut [f32; N_FEATURES],
) -> Option<Range<usize>> {
    let (amounts, places) = hits(keys, words);
    let total = question.total.max(f32::MIN_POSITIVE);
    let weighted = |amounts: &[f32]| -> f32 {
        let sum: f32 = question
            .terms
            .iter()
            .zip(amounts)
            .map(|(t, a)| t.weight * a)
            .sum();
        sum / total
    };
    let with_context: Vec<f32> = amounts.iter().zip(before).map(|(a, b)| a.max(*b)).collect();
    features[at::COVERAGE] = weighted(&amounts);
    features[at::CONTEXT] = weighted(&with_context) - features[at::COVERAGE];

    let mut pair_sum = 0.0;
    let mut pair_total = 0.0;
    for i in 1..keys.len() {
        let weight = question.terms[i - 1].weight.min(question.terms[i].weight);
        pair_total += weight;
        let near = places[i - 1]
            .iter()
            .any(|a| places[i].iter().any(|b| a.abs_diff(*b) <= 3));
        if near {
            pair_sum += weight;
        }
    }
    features[at::PAIRS] = if pair_total > 0.0 {
        pair_sum / pair_total
    } else {
        0.0
    };
    features[at::NEARNESS] = nearness(question, &places, None) / total;

    let share = |wanted: WordKind| -> f32 {
        let of_kind = || {
            question.terms.iter().enumerate().filter(|(i, term)| {
                term.kind == wanted && (*i > 0 || wanted != WordKind::Capitalised)
            })
        };
        let n = of_kind().count();
        if n == 0 {
            return 1.0;
        }
        let found: f32 = of_kind().map(|(i, _)| with_context[i]).sum();
        found / n as f32
    };
    features[at::NAMES] = share(WordKind::Capitalised);
    features[at::NUMBERS] = share(WordKind::Number);

    let own: Vec<bool> = words
        .iter()
        .map(|word| {
            keys.iter()
                .any(|key| likeness(key, &word.key, word.kind) > 0.0)
        })
        .collect();
    let body = &text[sentence.bytes.clone()];
    let mut best: Option<(f32, usize)> = None;
    for place in (0..words.len()).filter(|place| !own[*place]) {
        let fit = kind_fit(question.kind, words, place, body);
        if fit > 0.0 {
            let value = fit * (0.2 + nearness(question, &places, Some(place)) / total);
            if best.is_none_or(|(score, _)| value > score) {
                best = Some((value, place));
            }
        }
    }
    features[at::KIND_PRESENT] = f32::from(u8::from(best.is_some()));
    features[at::KIND_NEARNESS] = best.map_or(0.0, |(score, _)| score.min(1.5));
    features[at::LENGTH] = (1.0 + words.len() as f32).ln() / 5.0;
    features[at::IS_LABEL] = f32::from(u8::from(sentence.kind == SentenceKind::Label));
    features[at::IS_ROW] = f32::from(u8::from(sentence.kind == SentenceKind::Row));
    best.map(|(_, place)| {
        let range = super::guess::widen(question.kind, words, &own, place, body);
        sentence.bytes.start + range.start..sentence.bytes.start + range.end
    })
}

/// Weighted closeness of the found question words to `place`, or (without one) to each other.
fn nearness(question: &Question, places: &[Vec<usize>], place: Option<usize>) -> f32 {
    let closeness = |from: usize| -> f32 {
        question
            .terms
            .iter()
            .zip(places)
            .filter_map(|(term, at)| {
                let distance = at.iter().map(|p| p.abs_diff(from)).min()?;
                Some(term.weight / (1.0 + distance as f32 / 6.0))
            })
            .sum()
    };
    match place {
        Some(place) => closeness(place),
        None => places
            .iter()
            .flatten()
            .map(|p| closeness(*p))
            .fold(0.0, f32::max),
    }
}

/// Whether the word could be (part of) an answer of this kind: 0 to 1.
fn kind_fit(kind: AnswerKind, words: &[Word], place: usize, body: &str) -> f32 {
    let word = &words[place];
    let is_number = word.kind == WordKind::Number || NUMBER_WORDS.contains(&word.surface.as_str());
    // `3 May 1937`: a capital next to a number is a month more often than a name.
    let by_number = [place.checked_sub(1), Some(place + 1)]
        .into_iter()
        .flatten()
        .any(|i| {
            words
                .get(i)
                .is_some_and(|word| word.kind == WordKind::Number)
        });
    let is_name =
        word.kind == WordKind::Capitalised && !by_number && (place > 0 || words.len() == 1);
    let rest = body[word.end..].trim_start();
    let value = match kind {
        AnswerKind::Number => {
            f32::from(u8::from(is_number)) * if is_year(word) { 0.6 } else { 1.0 }
        }
        AnswerKind::Percent => {
            let is_percent =
                rest.starts_with(['%', '％', '٪']) || rest.to_lowercase().starts_with("per");
            if is_number && is_percent {
                1.0
            } else {
                f32::from(u8::from(is_number)) * 0.4
            }
        }
        AnswerKind::Time => {
            if is_year(word) {
                1.0
            } else if is_number || TIME_WORDS.contains(&word.surface.as_str()) {
                0.7
            } else {
                0.0
            }
        }
        AnswerKind::Person | AnswerKind::Place => {
            if is_name {
                1.0
            } else if word.kind == WordKind::Capitalised {
                0.4
            } else {
                0.0
            }
        }
        AnswerKind::YesNo | AnswerKind::Any => {
            if is_name || is_number {
                0.5
            } else {
                0.0
            }
        }
    };
    let names_exist = body.chars().any(|c| c.is_lowercase() || c.is_uppercase());
    if value == 0.0 && !names_exist && matches!(kind, AnswerKind::Person | AnswerKind::Place) {
        return 0.1;
    }
    value
}

fn is_year(word: &Word) -> bool {
    word.key.len() == 4
        && word.key.bytes().all(|b| b.is_ascii_digit())
        && (word.key.starts_with('1') || word.key.starts_with('2'))
}

const NUMBER_WORDS: &[&str] = &[
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "hundred",
    "thousand",
    "million",
    "billion",
    "half",
    "third",
    "twice",
    "dozen",
    "zwei",
    "drei",
    "vier",
    "fünf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "dos",
    "tres",
    "cuatro",
    "cinco",
    "seis",
    "siete",
    "ocho",
    "nueve",
    "diez",
    "два",
    "три",
    "четыре",
    "пять",
    "шесть",
    "семь",
    "восемь",
    "девять",
    "десять",
    "iki",
    "üç",
    "dört",
    "beş",
    "altı",
    "yedi",
    "sekiz",
    "dokuz",
    "on",
    "doi",
    "trei",
    "patru",
    "cinci",
    "șase",
    "șapte",
    "opt",
    "nouă",
    "zece",
    "hai",
    "ba",
    "bốn",
    "năm",
    "sáu",
    "bảy",
    "tám",
    "chín",
    "mười",
    "δύο",
    "τρία",
    "τρεις",
    "τέσσερα",
    "πέντε",
    "έξι",
    "επτά",
    "οκτώ",
    "εννέα",
    "δέκα",
    "दो",
    "तीन",
    "चार",
    "पांच",
];
const TIME_WORDS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "century",
    "centuries",
    "decade",
    "today",
    "spring",
    "summer",
    "autumn",
    "winter",
    "januar",
    "februar",
    "märz",
    "mai",
    "juni",
    "juli",
    "oktober",
    "dezember",
    "jahrhundert",
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
    "siglo",
    "века",
    "веке",
    "года",
    "году",
    "yüzyıl",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness_is_full_for_stems_and_part_for_beginnings() {
        assert!((likeness("run", "run", WordKind::Plain) - 1.0).abs() < f32::EPSILON);
        assert!((likeness("football", "footballer", WordKind::Plain) - 0.6).abs() < f32::EPSILON);
        assert!(likeness("1999", "1998", WordKind::Number) < f32::EPSILON);
        assert!((likeness("fourth", "4", WordKind::Number) - 0.6).abs() < f32::EPSILON);
        assert!(likeness("fourth", "5", WordKind::Number) < f32::EPSILON);
        assert!(likeness("cat", "catastrophe", WordKind::Plain) < f32::EPSILON);
    }

    #[test]
    fn names_and_indexes_agree() {
        assert_eq!(FEATURE_NAMES[at::COVERAGE], "coverage");
        assert_eq!(FEATURE_NAMES[at::DENSE], "dense");
        assert_eq!(FEATURE_NAMES[at::COVERAGE_RANK], "coverage_rank");
    }
}
