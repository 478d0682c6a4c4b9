//! Whether the documents say: a decision from the evidence, before any model is called.

use crate::evidence::RankedPassage;
use crate::extract::features::{Candidate, at};
use crate::question::Question;

/// What speaks for and against the documents holding an answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// In the order of [`EVIDENCE_NAMES`].
    pub features: [f32; N_EVIDENCE],
    /// Whether an embedder measured the sentences.
    pub has_dense: bool,
    /// Language of the question (ISO 639-1), where it was recognised.
    pub lang: Option<String>,
}

/// Number of evidence features.
pub const N_EVIDENCE: usize = 18;

/// Names of the evidence features.
pub const EVIDENCE_NAMES: [&str; N_EVIDENCE] = [
    "top_dense",
    "dense_gap",
    "best_coverage",
    "best_context",
    "top_coverage",
    "top_context",
    "sentence_dense",
    "sentence_dense_context",
    "best_sentence_dense",
    "kind_present",
    "kind_nearness",
    "names",
    "numbers",
    "rarest_missing",
    "passage_coverage",
    "belief",
    "pairs",
    "rank_score",
];

/// Settings of the decision.
#[derive(Debug, Clone, PartialEq)]
pub struct AbstainOptions {
    /// Below this belief (0 to 1) the documents do not say.
    pub threshold: f32,
}

impl Default for AbstainOptions {
    fn default() -> Self {
        Self { threshold: 0.5 }
    }
}

/// Whether the documents say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Belief that they say, 0 to 1.
    pub confidence: f32,
    /// Whether to abstain.
    pub abstain: bool,
}

/// Decides from the evidence.
#[must_use]
pub fn judge(evidence: &Evidence, options: &AbstainOptions) -> Verdict {
    let confidence = evidence.confidence();
    Verdict {
        confidence,
        abstain: confidence < options.threshold,
    }
}

impl Evidence {
    /// Belief that the documents say, 0 to 1.
    #[must_use]
    pub fn confidence(&self) -> f32 {
        self.features[3].clamp(0.0, 1.0)
    }

    /// Gathers the evidence from the ranked sentences (best first) of the ranked passages.
    pub(crate) fn gather(
        question: &Question,
        passages: &[RankedPassage],
        scored: &[(f32, Candidate)],
        has_dense: bool,
        lang: Option<String>,
    ) -> Self {
        let total = question.total.max(f32::MIN_POSITIVE);
        let coverage = |hits: &[f32]| -> f32 {
            let sum: f32 = question
                .terms
                .iter()
                .zip(hits)
                .map(|(t, hit)| t.weight * hit)
                .sum();
            sum / total
        };
        let mut dense: Vec<f32> = passages.iter().filter_map(|p| p.dense).collect();
        dense.sort_by(|a, b| b.total_cmp(a));
        let top_dense = dense.first().copied().unwrap_or(0.0);
        let fifth = dense.get(4).or(dense.last()).copied().unwrap_or(0.0);
        let best =
            |f: &dyn Fn(&Candidate) -> f32| scored.iter().map(|(_, c)| f(c)).fold(0.0, f32::max);
        let by_passage: Vec<Vec<f32>> = (0..passages.len())
            .map(|passage| {
                let mut union = vec![0.0f32; question.terms.len()];
                for (_, candidate) in scored.iter().filter(|(_, c)| c.passage == passage) {
                    union
                        .iter_mut()
                        .zip(&candidate.context_hits)
                        .for_each(|(a, b)| *a = a.max(*b));
                }
                union
            })
            .collect();
        let fullest = by_passage
            .iter()
            .max_by(|a, b| coverage(a).total_cmp(&coverage(b)))
            .cloned()
            .unwrap_or_default();
        let heaviest = question
            .terms
            .iter()
            .map(|t| t.weight)
            .fold(f32::MIN_POSITIVE, f32::max);
        let rarest_missing = question
            .terms
            .iter()
            .zip(&fullest)
            .map(|(term, hit)| term.weight / heaviest * (1.0 - hit))
            .fold(0.0, f32::max);
        let top_score = scored.first().map_or(0.0, |(score, _)| *score);
        let sum: f32 = scored
            .iter()
            .map(|(score, _)| (score - top_score).exp())
            .sum();
        let top = scored.first().map(|(_, c)| c.features).unwrap_or_default();
        Self {
            features: [
                top_dense,
                top_dense - fifth,
                best(&|c| c.features[at::COVERAGE]),
                best(&|c| c.features[at::COVERAGE] + c.features[at::CONTEXT]),
                top[at::COVERAGE],
                top[at::COVERAGE] + top[at::CONTEXT],
                top[at::DENSE],
                top[at::DENSE_CONTEXT],
                best(&|c| c.features[at::DENSE]),
                top[at::KIND_PRESENT],
                top[at::KIND_NEARNESS],
                top[at::NAMES],
                top[at::NUMBERS],
                rarest_missing,
                coverage(&fullest),
                1.0 / sum.max(1.0),
                best(&|c| c.features[at::PAIRS]),
                top_score / 10.0,
            ],
            has_dense,
            lang,
        }
    }
}
