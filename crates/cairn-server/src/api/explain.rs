//! How a search came to its results: `explain`, and `POST /api/v1/search/why-not`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::search::{SearchMode, SearchRequest, TimingMs, ten};

/// How a search came to its results. Counts and names are of documents that the caller may read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// Documents that the caller may read.
    pub n_readable: u64,
    /// What each condition of the filter removed.
    pub filters: Vec<FilterStep>,
    /// Chunks left for the retrievers.
    pub n_allowed_chunks: u64,
    /// Candidates of each stage.
    pub stages: Vec<Stage>,
    /// Where the time went.
    pub timing_ms: TimingMs,
}

/// What one condition of the filter removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FilterStep {
    /// `collection`, `tag`, `media_type`, `path`, `since` or `until`.
    pub condition: String,
    /// Readable documents that it removed.
    pub n_removed: u64,
}

/// The candidates of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stage {
    /// `dense`, `lexical` or `fused`.
    pub name: String,
    /// Candidates in all.
    pub n_candidates: u64,
    /// The first of them, best first.
    pub candidates: Vec<Candidate>,
}

/// A chunk in a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    /// Place in the stage, from 1.
    pub rank: u64,
    /// The chunk: `document.version.ordinal`.
    pub chunk_id: String,
    /// Title of its document.
    pub title: String,
    /// Score in this stage.
    pub score: f32,
}

/// Asks why a document is not among the results of a search: the search, and the document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WhyNotRequest {
    /// The question, in any language: 1 to 4,000 characters.
    pub query: String,
    /// Id of the document that was expected.
    pub document: String,
    /// Passages that the search returns: 1 to 1,000.
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
    /// Only documents whose key or URI matches this glob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Only documents modified at or after this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Only documents modified before this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Wait until the write that returned this `seq` can be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_seq: Option<u64>,
}

impl WhyNotRequest {
    /// Asks about `document` in this search.
    #[must_use]
    pub fn new(search: SearchRequest, document: impl Into<String>) -> Self {
        let SearchRequest {
            query,
            top_k,
            mode,
            collections,
            tags,
            media_types,
            path,
            since,
            until,
            min_seq,
            explain: _,
        } = search;
        Self {
            query,
            document: document.into(),
            top_k,
            mode,
            collections,
            tags,
            media_types,
            path,
            since,
            until,
            min_seq,
        }
    }

    /// The search and the document.
    pub(crate) fn into_parts(self) -> (SearchRequest, String) {
        let Self {
            query,
            document,
            top_k,
            mode,
            collections,
            tags,
            media_types,
            path,
            since,
            until,
            min_seq,
        } = self;
        let search = SearchRequest {
            query,
            top_k,
            mode,
            collections,
            tags,
            media_types,
            path,
            since,
            until,
            min_seq,
            explain: false,
        };
        (search, document)
    }
}

/// Why a document is not among the results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WhyNotReply {
    /// Id of the document.
    pub document: String,
    /// Its title.
    pub title: String,
    /// The reason.
    pub reason: WhyNotReason,
}

/// Why a document is not among the results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WhyNotReason {
    /// It is among them.
    Found {
        /// Place of its best chunk, from 1.
        rank: u64,
    },
    /// It was soft-deleted.
    Deleted,
    /// Nothing of it could be read into chunks.
    NoChunks,
    /// It was published after the position that the indexes have reached.
    NotIndexedYet,
    /// A condition of the filter removed it.
    Filtered {
        /// The first condition that it does not meet.
        condition: String,
    },
    /// None of its chunks is a candidate of any retriever.
    NoMatch {
        /// Words of the question that its chunks do not hold.
        missing_words: Vec<String>,
        /// Its best cosine, where there are vectors.
        best_dense: Option<f32>,
    },
    /// It is a candidate, but others were better.
    Outranked {
        /// Place of its best chunk among all candidates, from 1.
        rank: u64,
        /// Its best chunk.
        chunk_id: String,
        /// That chunk's score.
        score: f32,
        /// Cosine of that chunk.
        dense: Option<f32>,
        /// BM25 of that chunk.
        lexical: Option<f32>,
        /// Score of the last result.
        last_score: f32,
    },
}
