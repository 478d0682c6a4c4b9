//! `POST /local/v1/ingest`: files of this machine; the reply is one JSON object a line.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::docs::{DocumentStatus, ParseReport};
use super::jobs::Outcome;
use super::problem::Problem;
use super::shared::{DEFAULT_COLLECTION, is_false};

/// Files to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IngestRequest {
    /// Files, folders or globs.
    pub patterns: Vec<String>,
    /// The absolute folder that relative patterns start from.
    pub base: String,
    /// Collection for new documents.
    #[serde(default = "default_collection")]
    pub collection: String,
    /// Tags to set; with none given, known documents keep theirs.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// Who may read them; left out, known documents keep their readers and new ones are open to the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// Whether documents whose file is gone are soft-deleted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sync: bool,
    /// With `sync`: however many they are.
    #[serde(default, skip_serializing_if = "is_false")]
    pub yes: bool,
    /// Only say what would be done.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

impl IngestRequest {
    /// Reads `patterns` below `base` into the default collection.
    #[must_use]
    pub fn new(patterns: Vec<String>, base: impl Into<String>) -> Self {
        Self {
            patterns,
            base: base.into(),
            collection: default_collection(),
            tags: BTreeSet::new(),
            allow: None,
            sync: false,
            yes: false,
            dry_run: false,
        }
    }
}

fn default_collection() -> String {
    DEFAULT_COLLECTION.to_owned()
}

/// One line of the reply. The last line is `summary`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum IngestEvent {
    /// The files are known; work begins.
    Discovered {
        /// Files.
        n_files: u64,
        /// Bytes in all.
        n_bytes: u64,
    },
    /// A document is done.
    Document(Box<IngestDocument>),
    /// Chunks were embedded.
    Embedded {
        /// How many.
        n_chunks: u64,
    },
    /// The end.
    Summary(Box<IngestSummary>),
}

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IngestDocument {
    /// The file.
    pub path: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it failed, was skipped or was read in part.
    pub reason: Option<String>,
    /// The document it became.
    pub document_id: Option<String>,
    /// Chunks of its version, where it was read now.
    pub chunks: Option<u32>,
    /// How well it was understood, where it was read now.
    pub status: Option<DocumentStatus>,
    /// How much of it was understood, 0 to 1, where it was read now.
    pub coverage: Option<f64>,
    /// What was seen and kept, and what could not be read, where it was read now.
    pub report: Option<ParseReport>,
}

/// The end of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IngestSummary {
    /// New documents.
    pub added: u64,
    /// New versions of known documents.
    pub updated: u64,
    /// Documents that moved and kept their id.
    pub moved: u64,
    /// Nothing to do.
    pub unchanged: u64,
    /// Could not be read.
    pub failed: u64,
    /// Not documents that Cairn reads.
    pub skipped: u64,
    /// Soft-deleted by `sync`.
    pub deleted: u64,
    /// Read in part.
    pub partial: u64,
    /// Chunks published.
    pub chunks: u64,
    /// Chunks embedded now; the others' vectors were known.
    pub embedded: u64,
    /// Chunks whose input exceeded the model's limit: 0 unless the chunker has a fault.
    pub truncated: u64,
    /// Bytes of the originals that were read.
    pub bytes: u64,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Whether there is no model: documents are found by words only.
    pub lexical_only: bool,
    /// Wall time in milliseconds.
    pub elapsed_ms: f64,
    /// Time per stage.
    pub stages_ms: StagesMs,
    /// Position of the last write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Why the run stopped before its end. What was published before stays; the counters hold what was reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// Time per stage in milliseconds, summed over the threads that worked on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StagesMs {
    /// Reading, hashing and storing originals.
    pub read: f64,
    /// Parsing in worker processes.
    pub parse: f64,
    /// Cutting into chunks.
    pub chunk: f64,
    /// Computing vectors.
    pub embed: f64,
    /// Catalog transactions.
    pub write: f64,
    /// Bringing the indexes up to date.
    pub index: f64,
}
