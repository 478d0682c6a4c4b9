//! Exact match, token F1, quotes and abstention of answers.
//!
//! Rajpurkar et al., EMNLP 2016 (`SQuAD`), for exact match and F1. Differs from it: texts are NFKC and punctuation of
//! all scripts is dropped; English articles are dropped only for questions in English or without a language; scripts
//! without spaces (Chinese, Japanese, Thai) are compared character by character. A question without an answer
//! scores 0. O(tokens of the answer × tokens of the gold answers) for each question.

use std::collections::{BTreeMap, HashMap};

use unicode_normalization::UnicodeNormalization;

use crate::dataset::{Alternatives, Half, Question};
use crate::punctuation::is_punctuation;

/// What an engine answered to one question.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answered {
    /// The text shown; empty for none.
    pub answer: String,
    /// The quotes shown, in the order shown.
    pub quotes: Vec<String>,
    /// Dataset ids of the documents cited.
    pub cited_documents: Vec<String>,
    /// The engine said that the documents do not say.
    pub abstained: bool,
    /// The engine said that the documents contradict each other.
    pub conflict: bool,
    /// How sure the engine is that the documents hold the answer; any scale, higher is surer.
    pub confidence: Option<f64>,
}

/// Means over the questions that can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct QaScores {
    /// The answer is a gold answer.
    pub em: f64,
    /// Token overlap with the best gold answer.
    pub f1: f64,
    /// The answer holds a gold answer; all of them where all are required.
    pub contains: f64,
    /// A quote holds a gold answer; for required answers each stands in some quote.
    pub answer_in_quotes: f64,
    /// The first quote alone does.
    pub answer_in_first_quote: f64,
    /// The document of the answer is cited.
    pub citation_hit: f64,
    /// Questions with an answer on which the engine abstained.
    pub false_abstention: f64,
    /// The answer holds the planted wrong answer, of the questions that have one; 0 when none has.
    pub fake: f64,
    /// Mean length of all quotes together, over the questions not abstained on.
    pub mean_quoted_chars: f64,
    /// How many questions counted.
    pub n_questions: usize,
}

/// Means over all questions, per language and per half.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QaBreakdown {
    /// Over all questions.
    pub all: QaScores,
    /// By language code; empty when the questions name none or only one.
    pub by_language: BTreeMap<String, QaScores>,
    /// By half of the question ids.
    pub halves: BTreeMap<Half, QaScores>,
}

/// How well an engine knows what it does not know.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AbstentionScores {
    /// Share of the questions with an answer on which the engine abstained.
    pub false_abstention: f64,
    /// Share of the questions without an answer on which the engine abstained.
    pub caught_unanswerable: f64,
    /// Area under the curve of confidence; `None` when a confidence is missing or one side is empty.
    pub roc_auc: Option<f64>,
    /// Questions with an answer.
    pub n_answerable: usize,
    /// Questions without one.
    pub n_unanswerable: usize,
}

/// The tokens of a text, as answers are compared.
fn tokens(text: &str, lang: Option<&str>) -> Vec<String> {
    let lower = text.nfkc().collect::<String>().to_lowercase();
    let mut kept: String = lower
        .chars()
        .filter(|&c| !is_punctuation(c) && !"$+<=>^`|~".contains(c))
        .collect();
    if matches!(lang, None | Some("en")) {
        kept = without_articles(&kept);
    }
    let mut spaced = String::with_capacity(kept.len());
    for c in kept.chars() {
        if is_of_script_without_spaces(c) {
            spaced.extend([' ', c, ' ']);
        } else {
            spaced.push(c);
        }
    }
    // The four separators count as white space here, though Unicode does not give them the property.
    spaced
        .split(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c))
        .filter(|token| !token.is_empty())
        .map(str::to_owned)
        .collect()
}

fn is_of_script_without_spaces(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0e7f}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
}

/// Replaces each whole word a, an or the by a space.
fn without_articles(text: &str) -> String {
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = is_of_word(first);
        let end = rest
            .find(|c| is_of_word(c) != is_word)
            .unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        out.push_str(if matches!(run, "a" | "an" | "the") {
            " "
        } else {
            run
        });
        rest = after;
    }
    out
}

fn f1(predicted: &[String], gold: &[String]) -> f64 {
    if predicted.is_empty() || gold.is_empty() {
        return if predicted == gold { 1.0 } else { 0.0 };
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    for token in gold {
        *left.entry(token).or_default() += 1;
    }
    let mut n_same = 0;
    for token in predicted {
        if let Some(count) = left.get_mut(token.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            n_same += 1;
        }
    }
    2.0 * f64::from(n_same) / (predicted.len() + gold.len()) as f64
}

fn is_inside(gold: &[String], text: &[String]) -> bool {
    !gold.is_empty() && text.windows(gold.len()).any(|window| window == gold)
}

/// Whether `text` holds one of `alternatives`, compared as answers in `lang` are.
#[must_use]
pub fn holds_answer(text: &str, alternatives: &[String], lang: Option<&str>) -> bool {
    let text = tokens(text, lang);
    alternatives
        .iter()
        .any(|answer| is_inside(&tokens(answer, lang), &text))
}

/// The gold answers of a question, in tokens.
struct Gold {
    entries: Vec<Vec<Vec<String>>>,
    is_each_required: bool,
}

impl Gold {
    fn of(question: &Question) -> Self {
        let lang = question.lang.as_deref();
        let entry =
            |answer: &Alternatives| answer.0.iter().map(|text| tokens(text, lang)).collect();
        Self {
            entries: question.answers.iter().map(entry).collect(),
            is_each_required: question.all_required,
        }
    }

    /// Whether the answers stand in `texts`, each answer whole in one of them.
    fn is_in(&self, texts: &[Vec<String>]) -> bool {
        let held = |entry: &Vec<Vec<String>>| {
            entry
                .iter()
                .any(|gold| texts.iter().any(|text| is_inside(gold, text)))
        };
        if self.is_each_required {
            self.entries.iter().all(held)
        } else {
            self.entries.iter().any(held)
        }
    }

    fn best(&self, measure: impl Fn(&[String]) -> f64) -> f64 {
        self.entries
            .iter()
            .flatten()
            .map(|gold| measure(gold))
            .fold(0.0, f64::max)
    }
}

fn score_question(question: &Question, answered: Option<&Answered>) -> QaScores {
    let mut scores = QaScores {
        n_questions: 1,
        ..QaScores::default()
    };
    let Some(answered) = answered else {
        return scores;
    };
    let lang = question.lang.as_deref();
    let gold = Gold::of(question);
    let answer = tokens(&answered.answer, lang);
    let share = |holds: bool| if holds { 1.0 } else { 0.0 };
    scores.em = gold.best(|gold| share(gold == answer));
    scores.f1 = gold.best(|gold| f1(&answer, gold));
    let cited = |id: &String| answered.cited_documents.contains(id);
    scores.citation_hit = share(question.doc_id.as_ref().is_some_and(cited));
    scores.false_abstention = share(answered.abstained);
    // What is offered beside an abstention is not an answer.
    if !answered.abstained {
        let quotes: Vec<Vec<String>> = answered
            .quotes
            .iter()
            .map(|quote| tokens(quote, lang))
            .collect();
        scores.answer_in_quotes = share(gold.is_in(&quotes));
        scores.answer_in_first_quote = share(gold.is_in(&quotes[..quotes.len().min(1)]));
        let n_chars: usize = answered
            .quotes
            .iter()
            .map(|quote| quote.chars().count())
            .sum();
        scores.mean_quoted_chars = n_chars as f64;
    }
    if let Some(fake) = &question.fake_answer {
        scores.fake = share(
            fake.0
                .iter()
                .any(|text| is_inside(&tokens(text, lang), &answer)),
        );
    }
    scores.contains = share(gold.is_in(&[answer]));
    scores
}

#[derive(Default)]
struct Sum {
    total: QaScores,
    n_with_fake: usize,
}

impl Sum {
    fn add(&mut self, question: &Question, one: &QaScores) {
        let total = &mut self.total;
        total.em += one.em;
        total.f1 += one.f1;
        total.contains += one.contains;
        total.answer_in_quotes += one.answer_in_quotes;
        total.answer_in_first_quote += one.answer_in_first_quote;
        total.citation_hit += one.citation_hit;
        total.false_abstention += one.false_abstention;
        total.fake += one.fake;
        total.mean_quoted_chars += one.mean_quoted_chars;
        total.n_questions += one.n_questions;
        self.n_with_fake += usize::from(question.fake_answer.is_some());
    }

    fn mean(&self) -> QaScores {
        let total = &self.total;
        let n = total.n_questions.max(1) as f64;
        let n_answered = (total.n_questions as f64 - total.false_abstention).max(1.0);
        QaScores {
            em: total.em / n,
            f1: total.f1 / n,
            contains: total.contains / n,
            answer_in_quotes: total.answer_in_quotes / n,
            answer_in_first_quote: total.answer_in_first_quote / n,
            citation_hit: total.citation_hit / n,
            false_abstention: total.false_abstention / n,
            fake: total.fake / self.n_with_fake.max(1) as f64,
            mean_quoted_chars: total.mean_quoted_chars / n_answered,
            n_questions: total.n_questions,
        }
    }
}

/// Scores `answers` (by question id) to questions that can be answered, in all, per language and per half.
#[must_use]
#[expect(clippy::implicit_hasher, reason = "nobody needs another hasher here")]
pub fn score_answers(questions: &[Question], answers: &HashMap<String, Answered>) -> QaBreakdown {
    let mut all = Sum::default();
    let mut by_language: BTreeMap<String, Sum> = BTreeMap::new();
    let mut halves: BTreeMap<Half, Sum> = BTreeMap::new();
    for question in questions {
        let one = score_question(question, answers.get(&question.id));
        all.add(question, &one);
        halves
            .entry(Half::of(&question.id))
            .or_default()
            .add(question, &one);
        if let Some(language) = &question.lang {
            by_language
                .entry(language.clone())
                .or_default()
                .add(question, &one);
        }
    }
    if by_language.len() < 2 {
        by_language.clear();
    }
    QaBreakdown {
        all: all.mean(),
        by_language: by_language
            .into_iter()
            .map(|(key, sum)| (key, sum.mean()))
            .collect(),
        halves: halves
            .into_iter()
            .map(|(key, sum)| (key, sum.mean()))
            .collect(),
    }
}

/// Scores abstention: `answerable` and `unanswerable` are what the engine answered to the questions of each side.
/// Both trials of a leave-out go in together.
#[must_use]
pub fn score_abstention(answerable: &[Answered], unanswerable: &[Answered]) -> AbstentionScores {
    let abstained = |answers: &[Answered]| {
        let n_abstained = answers.iter().filter(|answered| answered.abstained).count();
        n_abstained as f64 / answers.len().max(1) as f64
    };
    let confidences = |answers: &[Answered]| -> Option<Vec<f64>> {
        answers.iter().map(|answered| answered.confidence).collect()
    };
    let roc_auc = confidences(answerable)
        .zip(confidences(unanswerable))
        .and_then(|(positive, negative)| roc_auc(&positive, &negative));
    AbstentionScores {
        false_abstention: abstained(answerable),
        caught_unanswerable: abstained(unanswerable),
        roc_auc,
        n_answerable: answerable.len(),
        n_unanswerable: unanswerable.len(),
    }
}

/// The probability that a random `positive` is above a random `negative`, ties counting half (Mann-Whitney U).
/// `None` when a side is empty or a value is not a number. O(n log n).
#[must_use]
pub fn roc_auc(positive: &[f64], negative: &[f64]) -> Option<f64> {
    if positive.is_empty() || negative.is_empty() {
        return None;
    }
    if positive.iter().chain(negative).any(|value| value.is_nan()) {
        return None;
    }
    let mut sorted: Vec<f64> = negative.iter().map(|value| value + 0.0).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let n_pairs_won: f64 = positive
        .iter()
        .map(|value| {
            let n_below = sorted.partition_point(|other| other < value);
            let n_not_above = sorted.partition_point(|other| other <= value);
            (n_below + n_not_above) as f64 / 2.0
        })
        .sum();
    Some(n_pairs_won / (positive.len() as f64 * negative.len() as f64))
}

/// A point of the curve: abstaining below `threshold` gives these shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ThresholdPoint {
    /// Abstain when the confidence is below this.
    pub threshold: f64,
    /// Share of `answerable` that would be abstained on.
    pub false_abstention: f64,
    /// Share of `unanswerable` that would be abstained on.
    pub caught_unanswerable: f64,
}

/// The highest threshold that abstains wrongly on at most `max_false_abstention` of `answerable`, and what it
/// catches: how a threshold is chosen on one half. `None` when a side is empty or a value is not a number.
#[must_use]
pub fn choose_threshold(
    answerable: &[f64],
    unanswerable: &[f64],
    max_false_abstention: f64,
) -> Option<ThresholdPoint> {
    if unanswerable.is_empty()
        || answerable
            .iter()
            .chain(unanswerable)
            .any(|value| value.is_nan())
    {
        return None;
    }
    let mut sorted = answerable.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n_allowed = (max_false_abstention.clamp(0.0, 1.0) * sorted.len() as f64).floor() as usize;
    let threshold = *sorted.get(n_allowed.min(sorted.len().checked_sub(1)?))?;
    Some(at_threshold(answerable, unanswerable, threshold))
}

/// What abstaining below `threshold` gives: how a chosen threshold is reported on the other half.
#[must_use]
pub fn at_threshold(answerable: &[f64], unanswerable: &[f64], threshold: f64) -> ThresholdPoint {
    let share = |values: &[f64]| {
        let n_below = values.iter().filter(|&&value| value < threshold).count();
        n_below as f64 / values.len().max(1) as f64
    };
    ThresholdPoint {
        threshold,
        false_abstention: share(answerable),
        caught_unanswerable: share(unanswerable),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Answered, Question, at_threshold, choose_threshold, f1, holds_answer, is_inside, roc_auc,
        score_abstention, score_answers, tokens,
    };
    use std::collections::HashMap;

    #[test]
    fn texts_are_compared_by_the_rules_of_their_language() {
        let cases: &[(&str, Option<&str>, &[&str])] = &[
            (
                "The Eiffel-Tower, a  sight!",
                Some("en"),
                &["eiffeltower", "sight"],
            ),
            ("der Turm", Some("de"), &["der", "turm"]),
            ("the a an", Some("es"), &["the", "a", "an"]),
            ("the a an", None, &[]),
            ("theatre an_a", Some("en"), &["theatre", "ana"]),
            ("a\u{301} the", Some("en"), &["á"]),
            ("北京 2008年", Some("zh"), &["北", "京", "2008", "年"]),
            ("กรุง x", Some("th"), &["ก", "ร", "ุ", "ง", "x"]),
            ("$5 + 6%", Some("en"), &["5", "6"]),
            ("Ｆｕｌｌ ½", None, &["full", "1⁄2"]),
            ("ΟΔΟΣ", Some("el"), &["οδος"]),
            ("a\u{1c}b\u{a0}c", Some("de"), &["a", "b", "c"]),
            ("", None, &[]),
        ];
        for (text, lang, expected) in cases {
            assert_eq!(tokens(text, *lang), *expected, "{text}");
        }
        assert!(holds_answer(
            "It is 14 days.",
            &["21 days".to_owned(), "14 Days".to_owned()],
            None
        ));
        assert!(!holds_answer(
            "It is 114 days.",
            &["14 days".to_owned()],
            None
        ));
    }

    #[test]
    fn overlap_counts_each_token_once() {
        let t = |text: &str| tokens(text, Some("en"));
        assert!((f1(&t("big eiffel tower"), &t("Eiffel Tower")) - 0.8).abs() < 1e-12);
        assert!((f1(&t("x x x"), &t("x")) - 0.5).abs() < 1e-12);
        assert_eq!(
            (
                f1(&t(""), &t("")),
                f1(&t("x"), &t("")),
                f1(&t("x"), &t("y"))
            ),
            (1.0, 0.0, 0.0)
        );
        assert!(is_inside(&t("b c"), &t("z b c")) && !is_inside(&t("c b"), &t("z b c")));
        assert!(!is_inside(&[], &t("x")));
    }

    fn question(json: &str) -> Question {
        serde_json::from_str(json).unwrap()
    }

    fn answered(answer: &str, quotes: &[&str]) -> Answered {
        Answered {
            answer: answer.to_owned(),
            quotes: quotes.iter().map(|&quote| quote.to_owned()).collect(),
            ..Answered::default()
        }
    }

    #[test]
    fn answers_and_quotes_are_scored() {
        let both = r#"{"id":"1","question":"?","answers":["x",["y","z"]],"all_required":true,"fake_answer":"q","doc_id":"d"}"#;
        let any = r#"{"id":"1","question":"?","answers":["x y","z"],"doc_id":"d"}"#;
        // Question, answer, quotes, expected: em, contains, in quotes, in first quote, fake.
        let cases = [
            (both, "x and z", vec!["x", "z"], [0.0, 1.0, 1.0, 0.0, 0.0]),
            (both, "x or q", vec!["x z"], [0.0, 0.0, 1.0, 1.0, 1.0]),
            (both, "x", vec!["x", "q"], [1.0, 0.0, 0.0, 0.0, 0.0]),
            (any, "x y.", vec!["w", "z"], [1.0, 1.0, 1.0, 0.0, 0.0]),
            (any, "w", vec!["w x", "y"], [0.0, 0.0, 0.0, 0.0, 0.0]),
            (any, "", vec![], [0.0, 0.0, 0.0, 0.0, 0.0]),
        ];
        for (row, answer, quotes, expected) in cases {
            let answers = HashMap::from([("1".to_owned(), answered(answer, &quotes))]);
            let all = score_answers(&[question(row)], &answers).all;
            let got = [
                all.em,
                all.contains,
                all.answer_in_quotes,
                all.answer_in_first_quote,
                all.fake,
            ];
            assert_eq!(got, expected, "{answer} {quotes:?}");
        }
    }

    #[test]
    fn an_abstention_gives_no_quotes_and_a_missing_answer_nothing() {
        let row = |id: &str, lang: &str| {
            question(&format!(
                r#"{{"id":"{id}","question":"?","answers":["x"],"lang":"{lang}","doc_id":"d"}}"#
            ))
        };
        let questions = [row("1", "en"), row("2", "de"), row("3", "de")];
        let abstained = Answered {
            abstained: true,
            ..answered("no", &["x"])
        };
        let mut good = answered("x", &["x ü"]);
        good.cited_documents = vec!["d".to_owned()];
        let answers = HashMap::from([("1".to_owned(), good), ("2".to_owned(), abstained)]);
        let breakdown = score_answers(&questions, &answers);
        let third = 1.0 / 3.0;
        let all = breakdown.all;
        assert_eq!(
            (all.em, all.answer_in_quotes, all.citation_hit),
            (third, third, third)
        );
        assert_eq!((all.false_abstention, all.n_questions), (third, 3));
        assert_eq!(all.mean_quoted_chars, 1.5);
        assert_eq!(breakdown.by_language["de"].em, 0.0);
        assert_eq!(breakdown.by_language["de"].false_abstention, 0.5);
        assert_eq!(breakdown.halves[&super::Half::Odd].n_questions, 2);
    }

    #[test]
    fn abstention_is_scored_on_both_sides() {
        let one = |abstained: bool, confidence: f64| Answered {
            abstained,
            confidence: Some(confidence),
            ..Answered::default()
        };
        let answerable = [
            one(false, 0.9),
            one(false, 0.8),
            one(true, 0.3),
            one(false, 0.6),
        ];
        let unanswerable = [one(true, 0.1), one(false, 0.8)];
        let scores = score_abstention(&answerable, &unanswerable);
        assert_eq!(
            (scores.false_abstention, scores.caught_unanswerable),
            (0.25, 0.5)
        );
        assert_eq!(scores.roc_auc, Some(5.5 / 8.0));
        let unknown = Answered::default();
        assert_eq!(score_abstention(&answerable, &[unknown]).roc_auc, None);
        assert_eq!(roc_auc(&[], &[1.0]), None);
        assert_eq!(roc_auc(&[1.0, 1.0], &[1.0]), Some(0.5));
        assert_eq!(roc_auc(&[0.0], &[-0.0]), Some(0.5));
    }

    #[test]
    fn a_threshold_keeps_its_promise() {
        let answerable: Vec<f64> = (0..20).map(f64::from).collect();
        let unanswerable = [-1.0, 0.5, 30.0];
        let chosen = choose_threshold(&answerable, &unanswerable, 0.05).unwrap();
        assert_eq!((chosen.threshold, chosen.false_abstention), (1.0, 0.05));
        assert!((chosen.caught_unanswerable - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(
            choose_threshold(&answerable, &unanswerable, 0.0)
                .unwrap()
                .false_abstention,
            0.0
        );
        assert_eq!(choose_threshold(&[], &unanswerable, 0.05), None);
        assert_eq!(choose_threshold(&answerable, &[], 0.05), None);
        assert_eq!(at_threshold(&[], &[], 1.0).false_abstention, 0.0);
        let equal = choose_threshold(&[2.0; 5], &[2.0], 0.5).unwrap();
        assert_eq!(
            (equal.false_abstention, equal.caught_unanswerable),
            (0.0, 0.0)
        );
    }
}
