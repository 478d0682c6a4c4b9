//! What a run of the write path says about itself while it goes and when it ends.

use std::time::Duration;

use cairn_types::{DocumentId, Outcome, ParseReport, Seq};

/// What became of one document.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentReport {
    /// Path or upload name.
    pub path: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it failed, was skipped or is partial.
    pub reason: Option<String>,
    /// The document it became.
    pub document: Option<DocumentId>,
    /// Chunks of its current version, where it was read now.
    pub n_chunks: Option<u32>,
    /// What was seen and kept of it, where it was read now.
    pub parse: Option<Box<ParseReport>>,
    /// Whether it was read only in part: something is missing, or too little of it was understood.
    pub is_partial: bool,
    /// Bytes of the original.
    pub size_bytes: u64,
}

/// Time per stage, summed over the threads that worked on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// Reading, hashing and storing originals.
    pub read: Duration,
    /// Parsing in worker processes.
    pub parse: Duration,
    /// Cutting into chunks, tokens counted.
    pub chunk: Duration,
    /// Computing vectors.
    pub embed: Duration,
    /// Catalog transactions.
    pub write: Duration,
}

/// The end of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// New documents.
    pub n_added: u64,
    /// New versions of known documents.
    pub n_updated: u64,
    /// Documents that moved and kept their id.
    pub n_moved: u64,
    /// Nothing to do.
    pub n_unchanged: u64,
    /// Could not be read.
    pub n_failed: u64,
    /// Not documents that Cairn reads.
    pub n_skipped: u64,
    /// Soft-deleted by a sync.
    pub n_deleted: u64,
    /// Documents read in part.
    pub n_partial: u64,
    /// Chunks published.
    pub n_chunks: u64,
    /// Chunks that were embedded now (the others' vectors were known).
    pub n_embedded: u64,
    /// Chunks whose input exceeded the model's limit: 0 unless the chunker has a fault.
    pub n_truncated: u64,
    /// Bytes of the originals that were read.
    pub n_bytes: u64,
    /// Most bytes of documents that the run held in memory at once, where it counts them.
    pub most_held_bytes: u64,
    /// Whether vectors were made; `false` means lexical search only.
    pub has_vectors: bool,
    /// Wall time.
    pub elapsed: Duration,
    /// Time per stage.
    pub stages: StageTimes,
    /// Position of the last write.
    pub seq: Option<Seq>,
}

impl Summary {
    /// Counts one document.
    pub(crate) fn count(&mut self, report: &DocumentReport) {
        let counter = match report.outcome {
            Outcome::Added => &mut self.n_added,
            Outcome::Updated => &mut self.n_updated,
            Outcome::Moved => &mut self.n_moved,
            Outcome::Unchanged => &mut self.n_unchanged,
            Outcome::Failed => &mut self.n_failed,
            Outcome::Skipped | Outcome::Pending => &mut self.n_skipped,
        };
        *counter += 1;
        self.n_bytes += report.size_bytes;
    }
}

/// Something a person or a program following the run wants to know.
#[derive(Debug, Clone, PartialEq)]
pub enum IngestEvent {
    /// The files are known; work begins.
    Discovered {
        /// Files.
        n_files: u64,
        /// Bytes in all.
        n_bytes: u64,
    },
    /// A document is done.
    Document(DocumentReport),
    /// Chunks were embedded.
    Embedded {
        /// How many.
        n_chunks: u64,
    },
    /// Documents were published up to this position: the indexes can follow.
    Published {
        /// The position.
        seq: Seq,
    },
}
