//! `POST /api/v1/search`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::explain::Explanation;
use super::shared::{DocumentRef, Filters, Span, is_false};

/// Which retrievers take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchMode {
    /// Vectors and words, fused. Without a model: words alone, and the reply says so.
    #[default]
    Hybrid,
    /// Vectors only.
    Dense,
    /// Words only (BM25).
    Lexical,
}

/// A search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// The question, in any language: 1 to 4,000 characters.
    pub query: String,
    /// Passages to return: 1 to 1,000.
    #[serde(default = "ten")]
    #[schema(default = 10, minimum = 1, maximum = 1000)]
    pub top_k: usize,
    /// Which retrievers take part.
    #[serde(default)]
    pub mode: SearchMode,
    /// Only documents in one of these collections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collections: Vec<String>,
    /// Only documents that carry all of these tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Only documents of one of these media types; `text/*` matches a family.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media_types: Vec<String>,
    /// Only documents whose key or URI matches this glob: `*` within one path part, `**` across.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Only documents modified at or after this instant (RFC 3339, or a date).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Only documents modified before this instant (RFC 3339, or a date).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Wait until the write that returned this `seq` can be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_seq: Option<u64>,
    /// Whether the reply explains how it came about.
    #[serde(default, skip_serializing_if = "is_false")]
    pub explain: bool,
}

pub(super) const fn ten() -> usize {
    10
}

impl SearchRequest {
    /// A hybrid search for the ten best passages, without filters.
    #[must_use]
    pub fn new(query: impl Into<String>) -> Self {
        Self {
            query: query.into(),
            top_k: ten(),
            mode: SearchMode::default(),
            collections: Vec::new(),
            tags: Vec::new(),
            media_types: Vec::new(),
            path: None,
            since: None,
            until: None,
            min_seq: None,
            explain: false,
        }
    }

    pub(crate) fn filters(&self) -> Filters<'_> {
        Filters {
            collections: &self.collections,
            tags: &self.tags,
            media_types: &self.media_types,
            path: self.path.as_deref(),
            since: self.since.as_deref(),
            until: self.until.as_deref(),
        }
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SearchReply {
    /// Best first.
    pub results: Vec<SearchResult>,
    /// Where the time went.
    pub timing_ms: TimingMs,
    /// Whether the question was answered by words alone although vectors were wanted.
    pub lexical_only: bool,
    /// The position of the indexes that answered.
    pub seq: u64,
    /// Where `explain` was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SearchResult {
    /// Place in the list, from 1.
    pub rank: usize,
    /// The score by which results are ordered.
    pub score: f32,
    /// What each retriever said.
    pub scores: Scores,
    /// The document and version.
    pub document: DocumentRef,
    /// The chunk: `document.version.ordinal`.
    pub chunk_id: String,
    /// Page (from 1) on which it starts, in formats that have pages.
    pub page: Option<u32>,
    /// Its place in the version's text.
    pub span: Span,
    /// The version's text at `span`.
    pub text: String,
    /// Headings above it, joined by ` > `.
    #[serde(default)]
    pub heading_path: String,
    /// The document's collection.
    #[serde(default)]
    pub collection: String,
}

/// What each retriever said of a passage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Scores {
    /// Cosine, where vectors took part.
    pub dense: Option<f32>,
    /// BM25, where words took part.
    pub lexical: Option<f32>,
}

/// Where the time of a search went, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimingMs {
    /// Scope and filters to the set of allowed chunks.
    pub plan: f64,
    /// The question to a vector.
    pub embed: f64,
    /// The scan of the vectors.
    pub dense: f64,
    /// BM25.
    pub lexical: f64,
    /// Fusion.
    pub fuse: f64,
    /// Reading the passages, checked.
    pub hydrate: f64,
    /// All of it.
    pub total: f64,
}
