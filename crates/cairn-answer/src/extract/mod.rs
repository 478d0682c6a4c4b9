//! Answers without a language model: the sentences of the ranked passages that answer best, quoted exactly.
//!
//! Sentences are cut, measured ([`features`]), ranked by a linear model whose weights were fitted once
//! ([`model`]), and chosen one after the other, leaving out what repeats (maximal marginal relevance,
//! Carbonell and Goldstein, SIGIR 1998, with word overlap as the likeness) and gaining by question words that no
//! chosen one has. Chosen neighbours become one quote.
//! Cost: linear in the passages' text, plus one embedding call over at most `max_embedded` short texts.

pub(crate) mod features;
mod guess;
mod layout;
mod model;

use std::ops::Range;

use cairn_types::CharSpan;
use cairn_types::ports::Embedder;

use crate::conflict::{Conflict, find_conflict};
use crate::error::Error;
use crate::evidence::{RankedPassage, TermWeights};
use crate::question::Question;
use crate::sentences::SentenceKind;
use crate::words::{language, question_language};
use features::{Candidate, at, candidates};

pub use features::{FEATURE_NAMES, N_FEATURES};

/// Settings of the extractive answerer.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtractiveOptions {
    /// Most quotes; at least 1.
    pub max_quotes: usize,
    /// Most sentences over all quotes; at least 1.
    pub max_sentences: usize,
    /// Most sentences that are embedded: the best by words alone.
    pub max_embedded: usize,
    /// Passages looked at, best first.
    pub max_passages: usize,
}

impl Default for ExtractiveOptions {
    fn default() -> Self {
        Self {
            max_quotes: 3,
            max_sentences: 3,
            max_embedded: 48,
            max_passages: 10,
        }
    }
}

/// One exact, contiguous piece of a passage.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote {
    /// The passage's text at `span`, to the letter.
    pub text: String,
    /// Index of the passage in the list that was given.
    pub passage: usize,
    /// Place in the passage's text, in bytes.
    pub bytes: Range<usize>,
    /// Place in the rendition's text, in code points.
    pub span: CharSpan,
    /// Page (from 1) on which the passage starts.
    pub page: Option<u32>,
    /// Likeness to an answer: share of belief among all sentences looked at, 0 to 1.
    pub score: f32,
    /// Sentences in it.
    pub n_sentences: usize,
    /// The likeliest short answer in it: place in `text`, in bytes.
    pub guess: Option<Range<usize>>,
}

/// What was found in the passages.
#[derive(Debug, Clone, PartialEq)]
pub struct Extraction {
    /// Best first; empty only where the passages hold no sentence.
    pub quotes: Vec<Quote>,
    /// A short answer inside the first quote, where one of the expected kind was found.
    pub short_answer: Option<String>,
    /// Two of the quotes that contradict each other.
    pub conflict: Option<Conflict>,
    /// What speaks for and against the documents saying it.
    pub evidence: crate::abstain::Evidence,
    /// Every sentence looked at with its features: for measuring and fitting, not for showing.
    pub trace: Vec<SentenceTrace>,
}

/// A sentence with its features.
#[derive(Debug, Clone, PartialEq)]
pub struct SentenceTrace {
    /// Index of its passage.
    pub passage: usize,
    /// Bytes in the passage's text.
    pub bytes: Range<usize>,
    /// In the order of [`FEATURE_NAMES`].
    pub features: [f32; N_FEATURES],
    /// The ranking model's score.
    pub score: f32,
}

/// Picks the sentences that answer `question`. `passages`: best first. Without an embedder the ranking leans on
/// words alone.
///
/// # Errors
/// [`Error::EmptyQuestion`] where there is no word to look for, [`Error::Embed`] where the model fails.
pub fn answer_extractively(
    question: &str,
    passages: &[RankedPassage],
    weights: &TermWeights,
    embedder: Option<&dyn Embedder>,
    options: &ExtractiveOptions,
) -> Result<Extraction, Error> {
    let asked = Question::new(question, weights);
    if asked.terms.is_empty() {
        return Err(Error::EmptyQuestion {
            given: question.chars().take(80).collect(),
        });
    }
    let passages = &passages[..passages.len().min(options.max_passages)];
    let mut all = candidates(&asked, passages);
    let best_passage = passages
        .first()
        .and_then(|ranked| language(ranked.passage.meta.lang.as_deref(), &ranked.passage.text));
    let lang = question_language(question, best_passage);
    // Vectors of a language that the weights were not fitted on mislead: measured, see `model`.
    let embedder =
        embedder.filter(|_| model::DENSE_LANGUAGES.contains(&lang.as_deref().unwrap_or("")));
    let mut ranking = &model::LEXICAL;
    all.sort_by(|a, b| {
        model::LEXICAL
            .score(&b.features)
            .total_cmp(&model::LEXICAL.score(&a.features))
    });
    if let Some(embedder) = embedder {
        all.truncate(options.max_embedded.max(1));
        embed(question, passages, embedder, &mut all)?;
        ranking = &model::DENSE;
    }
    let mut scored: Vec<(f32, Candidate)> = all
        .into_iter()
        .map(|candidate| (ranking.score(&candidate.features), candidate))
        .collect();
    sort(&mut scored);
    let evidence =
        crate::abstain::Evidence::gather(&asked, passages, &scored, embedder.is_some(), lang);
    pass_on(&mut scored);
    sort(&mut scored);
    let contradiction = find_conflict(&asked, passages, &scored);
    let rival = contradiction.as_ref().map(|(_, rival, _)| *rival);
    let chosen = choose(&scored, passages, rival, &asked, options);
    let groups = group(&scored, &chosen);
    let quotes = quotes(&scored, &groups, passages, options);
    let quote_of = |i: usize| {
        groups
            .iter()
            .take(quotes.len())
            .position(|group| group.contains(&i))
    };
    let conflict = contradiction.and_then(|(best, rival, values)| {
        Some(Conflict {
            quotes: [quote_of(best)?, quote_of(rival)?],
            values,
        })
    });
    let short_answer = quotes
        .first()
        .and_then(|quote| Some(quote.text[quote.guess.clone()?].to_owned()));
    let trace = scored
        .into_iter()
        .map(|(score, candidate)| SentenceTrace {
            passage: candidate.passage,
            bytes: candidate.sentence.bytes,
            features: candidate.features,
            score,
        })
        .collect();
    Ok(Extraction {
        quotes,
        short_answer,
        conflict,
        evidence,
        trace,
    })
}

fn sort(scored: &mut [(f32, Candidate)]) {
    scored.sort_by(|(a, x), (b, y)| {
        b.total_cmp(a)
            .then(x.passage.cmp(&y.passage))
            .then(x.idx.cmp(&y.idx))
    });
}

/// A question of the document's own that is like the one asked is no answer: the best sentence below it gets its
/// score, and a short first one (`No.`) too, without which the others say the opposite.
fn pass_on(scored: &mut [(f32, Candidate)]) {
    for i in 0..scored.len() {
        let (score, asking) = &scored[i];
        let (score, passage, below) = (*score, asking.passage, asking.introduces.clone());
        if below.is_empty() {
            continue;
        }
        let is_below = |c: &Candidate| c.passage == passage && below.contains(&c.idx);
        let is_short = |c: &Candidate| c.idx == below.start && c.n_words <= MAX_WORDS_OF_YES;
        // Best first: `scored` is sorted up to the scores that were passed on already.
        let best = scored
            .iter()
            .position(|(_, c)| is_below(c) && !is_short(c))
            .or_else(|| scored.iter().position(|(_, c)| is_below(c)));
        let Some(best) = best else { continue };
        scored[best].0 = scored[best].0.max(score);
        let raised = scored[best].0;
        for (other, c) in scored.iter_mut() {
            if is_below(c) && is_short(c) {
                *other = other.max(raised);
            }
        }
        scored[i].0 -= QUESTION_PENALTY;
    }
}

/// A first sentence of at most so many words says yes or no and little else.
const MAX_WORDS_OF_YES: usize = 3;
/// Takes a question of the document's own below what answers it. A guess: larger than what separates sentences.
const QUESTION_PENALTY: f32 = 6.0;

/// Fills in the cosines of the candidates, alone and with the sentence before them.
fn embed(
    question: &str,
    passages: &[RankedPassage],
    embedder: &dyn Embedder,
    all: &mut [Candidate],
) -> Result<(), Error> {
    let mut texts = Vec::with_capacity(2 * all.len());
    for candidate in all.iter() {
        let ranked = &passages[candidate.passage];
        let text = &ranked.passage.text;
        texts.push(text[candidate.sentence.bytes.clone()].to_owned());
        texts.push(in_context(ranked, &candidate.sentence.bytes));
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let question = embedder.embed_queries(&[question])?;
    let vectors = embedder.embed(&texts)?;
    let cosine = |i: usize| -> f32 {
        let dot: f32 = question[0]
            .iter()
            .zip(&vectors[i])
            .map(|(a, b)| a * b)
            .sum();
        if dot.is_finite() { dot } else { 0.0 }
    };
    for (i, candidate) in all.iter_mut().enumerate() {
        candidate.features[at::DENSE] = cosine(2 * i);
        candidate.features[at::DENSE_CONTEXT] = cosine(2 * i + 1);
    }
    Ok(())
}

/// The sentence under its title and headings.
fn in_context(ranked: &RankedPassage, bytes: &Range<usize>) -> String {
    let title = ranked.passage.document.title.replace('_', " ");
    let heading = &ranked.passage.meta.heading_path;
    let body = &ranked.passage.text[bytes.clone()];
    if heading.is_empty() {
        format!("{title}\n{body}")
    } else {
        format!("{title} > {heading}\n{body}")
    }
}

/// Indexes in `scored` of the sentences to quote, best first. `rival` contradicts the best and is taken second.
fn choose(
    scored: &[(f32, Candidate)],
    passages: &[RankedPassage],
    rival: Option<usize>,
    question: &Question,
    options: &ExtractiveOptions,
) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    let is_label = |i: &usize| {
        let candidate = &scored[*i].1;
        candidate.sentence.kind == SentenceKind::Label || candidate.features[at::IS_LABEL] > 0.0
    };
    let few = scored.len() <= options.max_sentences;
    let mut left: Vec<usize> = (0..scored.len()).filter(|i| few || !is_label(i)).collect();
    chosen.extend(left.first().copied().filter(|first| Some(*first) != rival));
    chosen.extend(rival);
    chosen.truncate(options.max_sentences.max(1));
    left.retain(|i| !chosen.contains(i));
    while chosen.len() < options.max_sentences.max(1) {
        left.retain(|i| {
            let candidate = &scored[*i].1;
            !chosen
                .iter()
                .any(|j| is_repeat(candidate, &scored[*j].1, passages))
        });
        // Equal values: the earlier, which is the better.
        let value =
            |i: &usize| scored[*i].0 + NEW_WORDS * news(&scored[*i].1, scored, &chosen, question);
        let Some(best) = left
            .iter()
            .copied()
            .rev()
            .max_by(|a, b| value(a).total_cmp(&value(b)))
        else {
            break;
        };
        chosen.push(best);
    }
    chosen
}

/// What a sentence's share of question words that no chosen one has weighs against its score.
const NEW_WORDS: f32 = 3.0;

/// Share of the question's weight that a sentence has and the chosen ones have not.
fn news(
    candidate: &Candidate,
    scored: &[(f32, Candidate)],
    chosen: &[usize],
    question: &Question,
) -> f32 {
    let new = |i: usize| {
        let had = chosen
            .iter()
            .map(|j| scored[*j].1.own_hits[i])
            .fold(0.0, f32::max);
        (candidate.own_hits[i] - had).max(0.0)
    };
    let sum: f32 = question
        .terms
        .iter()
        .enumerate()
        .map(|(i, term)| term.weight * new(i))
        .sum();
    sum / question.total.max(f32::MIN_POSITIVE)
}

/// Whether two sentences are the same text of one document (chunks overlap) or nearly the same words.
fn is_repeat(a: &Candidate, b: &Candidate, passages: &[RankedPassage]) -> bool {
    let same = |x: &Candidate| {
        let passage = &passages[x.passage].passage;
        (passage.id.document, passage.id.version)
    };
    if same(a) == same(b) && a.passage != b.passage {
        let (a, b) = (span_of(a, passages), span_of(b, passages));
        if a.start < b.end && b.start < a.end {
            return true;
        }
    }
    overlap(&a.keys, &b.keys) > 0.85
}

/// Jaccard likeness of two sorted lists without repeats.
pub(crate) fn overlap(a: &[String], b: &[String]) -> f32 {
    let shared = a.iter().filter(|key| b.binary_search(key).is_ok()).count();
    let union = a.len() + b.len() - shared;
    if union == 0 {
        0.0
    } else {
        shared as f32 / union as f32
    }
}

fn span_of(candidate: &Candidate, passages: &[RankedPassage]) -> CharSpan {
    char_span(&passages[candidate.passage], &candidate.sentence.bytes)
}

/// The rendition's span of a byte range of a passage's text.
fn char_span(ranked: &RankedPassage, bytes: &Range<usize>) -> CharSpan {
    let text = &ranked.passage.text;
    let start = ranked.passage.meta.span.start + text[..bytes.start].chars().count();
    CharSpan::new(start, start + text[bytes.clone()].chars().count())
}

/// Groups of chosen sentences that stand side by side, in order of their best member.
fn group(scored: &[(f32, Candidate)], chosen: &[usize]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for &i in chosen {
        let candidate = &scored[i].1;
        let touches = |j: &usize| {
            let other = &scored[*j].1;
            other.passage == candidate.passage
                && other.sentence.block == candidate.sentence.block
                && other.idx.abs_diff(candidate.idx) == 1
        };
        // A sentence between two groups joins both, so that no two quotes touch.
        let (touching, apart): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|group| group.iter().any(touches));
        groups = apart;
        let mut joined: Vec<usize> = touching.into_iter().flatten().collect();
        joined.push(i);
        joined.sort_unstable();
        groups.push(joined);
        groups.sort_by_key(|group| chosen.iter().position(|i| group.contains(i)));
    }
    groups
}

/// Cuts the quotes out of their passages.
fn quotes(
    scored: &[(f32, Candidate)],
    groups: &[Vec<usize>],
    passages: &[RankedPassage],
    options: &ExtractiveOptions,
) -> Vec<Quote> {
    let best = scored.first().map_or(0.0, |(score, _)| *score);
    let belief: f32 = scored.iter().map(|(score, _)| (score - best).exp()).sum();
    groups
        .iter()
        .take(options.max_quotes.max(1))
        .filter_map(|group| {
            let lead = &scored[*group.first()?].1;
            let ranges = || group.iter().map(|i| &scored[*i].1.sentence.bytes);
            let bytes = ranges().map(|r| r.start).min()?..ranges().map(|r| r.end).max()?;
            let ranked = &passages[lead.passage];
            let score: f32 = group
                .iter()
                .map(|i| (scored[*i].0 - best).exp())
                .sum::<f32>()
                / belief;
            Some(Quote {
                text: ranked.passage.text[bytes.clone()].to_owned(),
                passage: lead.passage,
                span: char_span(ranked, &bytes),
                bytes: bytes.clone(),
                page: ranked.passage.meta.page,
                score,
                n_sentences: group.len(),
                guess: lead
                    .guess
                    .clone()
                    .map(|g| g.start - bytes.start..g.end - bytes.start),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::passage;

    fn ask(question: &str, passages: &[RankedPassage]) -> Extraction {
        let options = ExtractiveOptions::default();
        answer_extractively(question, passages, &TermWeights::default(), None, &options).unwrap()
    }

    #[test]
    fn neighbours_are_one_quote_and_repeats_are_left_out() {
        let text = "Ada Lovelace wrote the first program. The program computed Bernoulli numbers. It rained.";
        let mut again = passage(
            1,
            "ada.txt",
            38,
            "The program computed Bernoulli numbers. It rained.",
        );
        again.passage.id.ordinal = 1;
        let passages = [passage(1, "ada.txt", 0, text), again];
        let found = ask(
            "What did the first program of Ada Lovelace compute?",
            &passages,
        );
        assert_eq!(found.quotes[0].passage, 0);
        assert!(found.quotes[0].n_sentences >= 2);
        let spans: Vec<CharSpan> = found.quotes.iter().map(|quote| quote.span).collect();
        for (i, a) in spans.iter().enumerate() {
            for b in &spans[i + 1..] {
                assert!(
                    a.end <= b.start || b.end <= a.start,
                    "{a:?} and {b:?} overlap"
                );
            }
        }
    }

    #[test]
    fn a_short_answer_is_guessed() {
        let passages = [passage(
            1,
            "a.txt",
            0,
            "The bridge was opened on 3 May 1937 by the mayor, John Smith.",
        )];
        assert_eq!(
            ask("When was the bridge opened?", &passages)
                .short_answer
                .as_deref(),
            Some("3 May 1937")
        );
        assert_eq!(
            ask("Who opened the bridge?", &passages)
                .short_answer
                .as_deref(),
            Some("John Smith")
        );
    }

    #[test]
    fn the_row_that_is_asked_for_is_quoted_and_no_header() {
        let text = "Passengers\n\nRoute | 2023 | 2025 | Change 2025\nR3 Tolm | 66,010 | 61,400 | -5 %\n\
            R4 Vessay | 79,330 | 97,560 | +10 %\nAll routes | 683,910 | 732,010 | +4 %\n\nIt was a good year.";
        let found = ask(
            "How many passengers did route R4 carry in 2025?",
            &[passage(1, "report.txt", 0, text)],
        );
        assert!(found.quotes[0].text.starts_with("R4 Vessay"), "{found:?}");
        assert!(found.quotes.iter().all(|q| !q.text.contains("Change")));
    }

    #[test]
    fn an_own_question_gives_way_to_its_answer() {
        let text = "May I smoke?\n\nOnly on deck.\n\nCan I stay in my car?\n\nNo. The deck is closed at sea.\n\n\
            Is there food?\n\nYes, in the saloon.";
        let found = ask("Can I stay in the car?", &[passage(1, "faq.txt", 0, text)]);
        assert_eq!(found.quotes[0].text, "No. The deck is closed at sea.");
    }

    #[test]
    fn later_quotes_bring_what_the_first_lacks() {
        let text = "The Guillemot touched the quay at Tolm on Monday while the wind was strong. \
            The quay at Tolm was damaged by the touch on Monday.\n\nThe master of the day was Marta Lindqvist.";
        let found = ask(
            "Who was the master when the Guillemot touched the quay at Tolm?",
            &[passage(1, "report.txt", 0, text)],
        );
        assert!(
            found
                .quotes
                .iter()
                .any(|q| q.text.contains("Marta Lindqvist"))
        );
    }

    #[test]
    fn a_question_without_words_is_refused() {
        let error = answer_extractively(
            "?!",
            &[],
            &TermWeights::default(),
            None,
            &ExtractiveOptions::default(),
        );
        assert!(matches!(error, Err(Error::EmptyQuestion { .. })));
        assert!(ask("Who?", &[]).quotes.is_empty());
    }

    proptest::proptest! {
        #[test]
        fn every_quote_slices_back(
            question in "[a-zà-ü一-丁ก-ค0-9 ]{1,20}x",
            texts in proptest::collection::vec("(\\PC|\n|\\. |。|[a-e] | \\| ){0,60}", 0..5),
            start in 0usize..1000,
        ) {
            let passages: Vec<RankedPassage> = texts
                .iter()
                .zip(1u64..)
                .map(|(text, id)| passage(id, "t", start, text))
                .collect();
            let found = ask(&question, &passages);
            proptest::prop_assert!(found.quotes.len() <= 3);
            proptest::prop_assert!(found.quotes.iter().map(|q| q.n_sentences).sum::<usize>() <= 3);
            for quote in &found.quotes {
                let passage = &passages[quote.passage].passage;
                let inner = CharSpan::new(quote.span.start - start, quote.span.end - start);
                proptest::prop_assert_eq!(inner.slice(&passage.text), Some(quote.text.as_str()));
                proptest::prop_assert_eq!(&passage.text[quote.bytes.clone()], &quote.text);
                if let Some(guess) = &quote.guess {
                    proptest::prop_assert!(quote.text.get(guess.clone()).is_some());
                }
            }
        }
    }
}
