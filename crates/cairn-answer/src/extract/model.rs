//! The linear model that ranks sentences.
//!
//! Two sets of weights. `DENSE` was set by hand and kept, since fitting (conditional logit over the sentences of each
//! question, gold = sentence of the gold paragraph that holds the answer) on the odd English XQuAD questions came out
//! no better on them (first sentence .765 against .775) nor on the even ones (.775 / .781). `LEXICAL` was fitted so
//! on the odd questions of 12 languages; with MiniLM vectors the same fit gives the cosines next to no weight
//! (.12 and .63 against 2.03 for coverage), since that model knows English alone.

use super::features::N_FEATURES;

/// Languages whose vectors are trusted: what the default embedding model was trained on.
pub(crate) const DENSE_LANGUAGES: &[&str] = &["en"];

/// Weights of the features.
pub(crate) struct Ranking {
    weights: [f32; N_FEATURES],
}

impl Ranking {
    /// Higher is likelier to answer; differences are log odds between sentences of one question.
    pub(crate) fn score(&self, features: &[f32; N_FEATURES]) -> f32 {
        self.weights.iter().zip(features).map(|(w, f)| w * f).sum()
    }
}

/// Weight of what picks a table row out. Set by hand: the fitted questions are about prose.
const ROW_KEY: f32 = 2.0;

/// With an embedder.
pub(crate) const DENSE: Ranking = Ranking {
    weights: [
        3.0, 1.0, 0.5, 0.5, 0.5, 1.0, 0.0, 0.5, 4.0, 2.0, 1.0, 2.0, 1.0, 0.5, -2.0, 0.0, 0.0, 0.5,
        ROW_KEY,
    ],
};
/// Without one.
pub(crate) const LEXICAL: Ranking = Ranking {
    weights: [
        2.05, 2.52, 0.63, 1.69, 0.0, 1.6, 0.87, 0.7, 0.0, 0.0, 0.0, 2.69, 2.31, -1.05, -2.0, 0.0,
        0.0, 2.6, ROW_KEY,
    ],
};
