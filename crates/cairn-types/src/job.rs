//! Jobs of the write path.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::document::BlobHash;
use crate::ids::{DocumentId, JobId, TenantId};
use crate::scope::AccessList;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Items whose bytes are stored already: resumed after a crash.
    Upload,
    /// Files of this machine, read as the job goes: run again after a crash, done files are skipped.
    Files,
    /// Pages of the web: run again after a crash, unchanged pages are not sent again.
    Web,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Accepted, not begun.
    Queued,
    /// Being worked on.
    Running,
    /// Every item has its outcome.
    Done,
    /// Given up; the message says why.
    Failed,
    /// Its process ended, or a person stopped it.
    Interrupted,
}

/// What became of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not yet processed.
    Pending,
    /// A new document.
    Added,
    /// A new version of a known document.
    Updated,
    /// Same content, moved to another path; kept its id.
    Moved,
    /// Same content and same pipeline as before: nothing to do.
    Unchanged,
    /// Could not be read; the reason says why.
    Failed,
    /// Not a document that Cairn reads, or excluded.
    Skipped,
}

/// A job to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Whose.
    pub tenant: TenantId,
    /// What it does.
    pub kind: JobKind,
    /// Who may see the job, besides the owner: its creator.
    pub access: AccessList,
    /// Collection for its documents.
    pub collection: String,
    /// Tags for its documents; with none, known documents keep theirs.
    pub tags: BTreeSet<String>,
    /// Access list for its documents; `None` keeps what a known document has when it is published, and opens new ones to
    /// everyone in the tenant.
    pub document_access: Option<AccessList>,
    /// Items known at the start (uploads); files are recorded as they are met.
    pub items: Vec<JobItem>,
}

/// One document of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobItem {
    /// Path or external id.
    pub key: String,
    /// The stored original, where it was stored before.
    pub blob: Option<BlobHash>,
    /// Size of the original.
    pub size_bytes: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where it failed or was skipped.
    pub reason: Option<String>,
    /// The document it became.
    pub document: Option<DocumentId>,
}

/// A job as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Where it stands.
    pub state: JobState,
    /// Why it failed or was interrupted.
    pub message: Option<String>,
    /// Times it was begun.
    pub attempts: u32,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its state last changed.
    pub updated_at: Timestamp,
    /// What was asked, with the items and their outcomes.
    pub request: NewJob,
}
