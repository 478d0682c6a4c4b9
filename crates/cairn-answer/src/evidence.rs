//! What an answer is made from: ranked passages, and the weight of the question's words.

use std::collections::HashMap;

use cairn_types::Passage;

/// A passage as retrieval ranked it.
#[derive(Debug, Clone)]
pub struct RankedPassage {
    /// The passage, already checked against the reader's scope.
    pub passage: Passage,
    /// The fused score; higher is better, the scale is the search engine's own.
    pub score: f32,
    /// Cosine of the passage's and the question's vectors, where both are there.
    pub dense: Option<f32>,
    /// The lexical (BM25) score, where the lexical retriever found it.
    pub lexical: Option<f32>,
}

/// Inverse document frequencies of the question's words, as the search engine counts them.
#[derive(Debug, Clone, PartialEq)]
pub struct TermWeights {
    idf: HashMap<String, f32>,
    unknown: f32,
}

impl TermWeights {
    /// `idf`: by surface word as [`crate::question_words`] gives them. `unknown`: the weight of a word that no
    /// document has, usually the idf of frequency zero.
    #[must_use]
    pub fn new(idf: HashMap<String, f32>, unknown: f32) -> Self {
        Self { idf, unknown }
    }

    /// The weight of a surface word; never negative.
    #[must_use]
    pub fn of(&self, word: &str) -> f32 {
        let idf = self.idf.get(word).copied().unwrap_or(self.unknown);
        if idf.is_finite() { idf.max(0.0) } else { 0.0 }
    }
}

impl Default for TermWeights {
    /// Every word weighs the same: for passages without a search engine behind them.
    fn default() -> Self {
        Self::new(HashMap::new(), 1.0)
    }
}
