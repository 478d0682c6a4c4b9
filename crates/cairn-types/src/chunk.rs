//! Chunks: the unit that is embedded and indexed; passages: a chunk as it is shown.

use crate::document::{DocumentSummary, InputHash};
use crate::ids::{ChunkId, ChunkNo};
use crate::text::CharSpan;

/// What vectors must share to be compared: the model's content, the arithmetic recipe, the pooling, the
/// prompts and the length limit. The CPU is not part of it: every kernel path computes the same space.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EmbeddingSpace {
    /// Name for people, e.g. `all-MiniLM-L6-v2`.
    pub model: String,
    /// SHA-256 over the model's weights and tokenizer, hexadecimal.
    pub model_hash: String,
    /// Precision recipe, e.g. `int8-per-token-v1`.
    pub recipe: String,
    /// Pooling, e.g. `mean`.
    pub pooling: String,
    /// Short hash of the texts that the model wants before questions and passages; empty where it wants none.
    pub prompts: String,
    /// Most tokens of one input, special tokens included.
    pub max_tokens: u32,
    /// Components of a vector.
    pub dim: u32,
}

impl EmbeddingSpace {
    /// The key under which vectors of this space are stored.
    #[must_use]
    pub fn key(&self) -> String {
        let Self {
            model_hash,
            recipe,
            pooling,
            prompts,
            max_tokens,
            dim,
            ..
        } = self;
        let mut key = format!("{model_hash}/{recipe}/{pooling}/{max_tokens}/{dim}");
        if !prompts.is_empty() {
            key.push('/');
            key.push_str(prompts);
        }
        key
    }
}

/// Where a chunk stands in its rendition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkMeta {
    /// Position in the version, from 0.
    pub ordinal: u32,
    /// Its exact place in the rendition's text.
    pub span: CharSpan,
    /// Page (from 1) on which it starts.
    pub page: Option<u32>,
    /// Headings above it, outermost first, joined by ` > `; empty where there are none.
    pub heading_path: String,
    /// ISO 639-1 code of its language, where it was recognised.
    pub lang: Option<String>,
    /// Tokens of the embedded input, heading path and special tokens included.
    pub n_tokens: u32,
}

/// Last step of the heading path of a chunk that holds what Cairn computed from a table, not the document's own words.
pub const COMPUTED: &str = "computed from the table";

impl ChunkMeta {
    /// Whether it holds what Cairn computed from a table: its columns, totals, smallest and largest values.
    #[must_use]
    pub fn is_computed(&self) -> bool {
        self.heading_path
            .rsplit(" > ")
            .next()
            .is_some_and(|last| last == COMPUTED)
    }
}

/// A chunk to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChunk {
    /// Where it stands.
    pub meta: ChunkMeta,
    /// The key of its vector: the hash of the exact text that is embedded.
    pub input_hash: InputHash,
}

/// A chunk with its text and document, checked against a scope.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// Its number in the indexes.
    pub chunk_no: ChunkNo,
    /// Its public id.
    pub id: ChunkId,
    /// Where it stands.
    pub meta: ChunkMeta,
    /// The rendition's text at `meta.span`.
    pub text: String,
    /// The document it belongs to.
    pub document: std::sync::Arc<DocumentSummary>,
}
