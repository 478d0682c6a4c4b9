//! Two documents that say the same thing with different values.
//!
//! Looked for among the best sentences only: both must hold the question's words about equally well, and either
//! the question asks for a value (number, percentage, date) and the values nearest to its words differ, or the
//! sentences are nearly the same words with other numbers, or with a "not" in one of them. A hint that shows both,
//! never a verdict: 0 model calls, O(k²) for k sentences.

use crate::evidence::RankedPassage;
use crate::extract::features::{Candidate, at};
use crate::question::{AnswerKind, Question};

/// Two quotes that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Indexes of the two quotes (extractive mode) in the order shown.
    pub quotes: [usize; 2],
    /// The values as the documents write them; for a "not" the word itself or nothing.
    pub values: [String; 2],
}

/// Sentences that are compared: the best ones.
const MAX_COMPARED: usize = 12;

/// Indexes in `scored` of the best sentence and one that contradicts it, with their values.
pub(crate) fn find_conflict(
    question: &Question,
    passages: &[RankedPassage],
    scored: &[(f32, Candidate)],
) -> Option<(usize, usize, [String; 2])> {
    let (_, best) = scored.first()?;
    (1..scored.len().min(MAX_COMPARED)).find_map(|i| {
        let other = &scored[i].1;
        if document(best, passages) == document(other, passages) {
            return None;
        }
        let values = contradiction(question, passages, best, other)?;
        Some((0, i, values))
    })
}

fn document(candidate: &Candidate, passages: &[RankedPassage]) -> cairn_types::DocumentId {
    passages[candidate.passage].passage.id.document
}

fn contradiction(
    question: &Question,
    passages: &[RankedPassage],
    a: &Candidate,
    b: &Candidate,
) -> Option<[String; 2]> {
    let text = |c: &Candidate| &passages[c.passage].passage.text[c.sentence.bytes.clone()];
    let own = |c: &Candidate| c.features[at::COVERAGE];
    let likeness = statement_likeness(a, b);
    let covers = |least: f32| own(a).min(own(b)) >= least && (own(a) - own(b)).abs() <= 0.3;
    let asks_value = matches!(
        question.kind,
        AnswerKind::Number | AnswerKind::Percent | AnswerKind::Time
    );
    let numbers = |c: &Candidate| -> Vec<String> {
        c.keys.iter().filter(|key| is_value(key)).cloned().collect()
    };
    let (in_a, in_b) = (numbers(a), numbers(b));
    let differ = !in_a.is_empty() && !in_b.is_empty() && in_a.iter().all(|n| !in_b.contains(n));
    if differ && ((asks_value && covers(0.6)) || (likeness >= 0.6 && covers(0.4))) {
        let value = |c: &Candidate, numbers: &[String]| -> String {
            let guess = c
                .guess
                .clone()
                .map(|range| passages[c.passage].passage.text[range].to_owned());
            guess
                .filter(|guess| guess.chars().any(char::is_numeric))
                .unwrap_or_else(|| numbers.first().cloned().unwrap_or_default())
        };
        return Some([value(a, &in_a), value(b, &in_b)]);
    }
    let (not_a, not_b) = (negation(text(a)), negation(text(b)));
    if not_a.is_some() != not_b.is_some() && in_a == in_b && likeness >= 0.6 && covers(0.5) {
        let word = |found: Option<&str>| found.unwrap_or("").to_owned();
        return Some([word(not_a), word(not_b)]);
    }
    None
}

fn is_value(key: &str) -> bool {
    key.chars().any(|c| c.is_ascii_digit())
}

/// Jaccard likeness of the words that are no values and no negations.
fn statement_likeness(a: &Candidate, b: &Candidate) -> f32 {
    let words = |c: &Candidate| -> Vec<String> {
        let keep = |key: &&String| !is_value(key) && !NEGATIONS.contains(&key.as_str());
        c.keys.iter().filter(keep).cloned().collect()
    };
    crate::extract::overlap(&words(a), &words(b))
}

fn negation(text: &str) -> Option<&'static str> {
    let words: Vec<String> = crate::words::question_words(text);
    NEGATIONS
        .iter()
        .find(|negation| {
            words
                .iter()
                .any(|word| word == *negation || (**negation == "not" && word.ends_with("n't")))
        })
        .copied()
}

const NEGATIONS: &[&str] = &[
    "not",
    "no",
    "never",
    "without",
    "cannot",
    "nicht",
    "kein",
    "keine",
    "nie",
    "ohne",
    "non",
    "ne",
    "nunca",
    "jamás",
    "sin",
    "não",
    "nu",
    "niciodată",
    "fără",
    "не",
    "нет",
    "никогда",
    "değil",
    "hayır",
    "δεν",
    "όχι",
    "ποτέ",
    "لا",
    "ليس",
    "لم",
    "नहीं",
    "không",
    "chưa",
];
