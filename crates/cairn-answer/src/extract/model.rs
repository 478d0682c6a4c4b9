//! The linear model that ranks sentences.

use super::features::N_FEATURES;

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

/// With an embedder.
pub(crate) const DENSE: Ranking = Ranking {
    weights: [
        3.0, 1.0, 0.5, 0.5, 0.5, 1.0, 0.0, 0.5, 4.0, 2.0, 1.0, 2.0, 1.0, 0.5, -2.0, 0.0, 0.0, 0.5,
    ],
};
/// Without one.
pub(crate) const LEXICAL: Ranking = Ranking {
    weights: [
        5.0, 2.0, 0.5, 0.5, 0.5, 1.0, 0.0, 0.5, 0.0, 0.0, 0.0, 3.0, 1.0, 0.5, -2.0, 0.0, 0.0, 0.5,
    ],
};
