//! What is asked of a search and what comes back.

use std::time::Duration;

use cairn_types::{DocumentFilter, Passage, Seq};

use crate::error::{MAX_QUERY_CHARS, MAX_TOP_K, RetrieveError};
use crate::explain::Explanation;

/// Which retrievers take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Dense and lexical, fused. Without a model it is lexical alone, and the response says so.
    #[default]
    Hybrid,
    /// Vectors only.
    Dense,
    /// BM25 only.
    Lexical,
}

/// A search.
#[derive(Debug, Clone)]
pub struct SearchRequest {
    /// The question, in any language.
    pub query: String,
    /// Which retrievers take part.
    pub mode: Mode,
    /// Passages to return, 1 to 1,000.
    pub top_k: usize,
    /// Documents that may be found.
    pub filter: DocumentFilter,
    /// Wait until the indexes have seen this position: read your own writes.
    pub min_seq: Option<Seq>,
    /// Whether the response carries an [`Explanation`].
    pub explain: Explain,
}

/// Whether a response explains itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Explain {
    /// Results only.
    #[default]
    Off,
    /// Candidates and scores per stage, and what filters removed.
    On,
}

impl SearchRequest {
    /// A hybrid search without filters.
    #[must_use]
    pub fn new(query: impl Into<String>, top_k: usize) -> Self {
        Self {
            query: query.into(),
            mode: Mode::default(),
            top_k,
            filter: DocumentFilter::default(),
            min_seq: None,
            explain: Explain::Off,
        }
    }

    /// Checks what can be checked without the indexes; returns the query without surrounding white space.
    pub(crate) fn validate(&self) -> Result<&str, RetrieveError> {
        let query = self.query.trim();
        if query.is_empty() {
            return Err(RetrieveError::EmptyQuery);
        }
        let n_chars = query.chars().count();
        if n_chars > MAX_QUERY_CHARS {
            return Err(RetrieveError::LongQuery { n_chars });
        }
        if !(1..=MAX_TOP_K).contains(&self.top_k) {
            return Err(RetrieveError::TopK { given: self.top_k });
        }
        Ok(query)
    }
}

/// A passage with its scores, checked against the catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedPassage {
    /// The passage.
    pub passage: Passage,
    /// The fused score, by which results are ordered.
    pub score: f32,
    /// Cosine to the question, where the dense retriever took part and knows the chunk.
    pub dense: Option<f32>,
    /// BM25, where the lexical retriever took part; 0 where no word matches.
    pub lexical: Option<f32>,
}

/// How much a word of the question tells apart.
#[derive(Debug, Clone, PartialEq)]
pub struct TermWeight {
    /// The word as the question has it, lower case.
    pub word: String,
    /// Inverse document frequency over the tenant's chunks.
    pub idf: f32,
}

/// Where the time of a search went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Scope and filters to the set of allowed chunks.
    pub plan: Duration,
    /// The question to a vector.
    pub embed: Duration,
    /// The dense scan.
    pub dense: Duration,
    /// BM25.
    pub lexical: Duration,
    /// Fusion, scores of the other arm included.
    pub fuse: Duration,
    /// Catalog rows, checked.
    pub hydrate: Duration,
    /// All of it.
    pub total: Duration,
}

/// What a search found.
#[derive(Debug, Clone)]
pub struct SearchResponse {
    /// Best first.
    pub results: Vec<RankedPassage>,
    /// The position of the indexes that answered.
    pub seq: Seq,
    /// Whether the question was answered by words alone although vectors were wanted.
    pub lexical_only: bool,
    /// The question's words with their weights.
    pub terms: Vec<TermWeight>,
    /// Where the time went.
    pub timings: Timings,
    /// Where it was asked for.
    pub explanation: Option<Explanation>,
}
