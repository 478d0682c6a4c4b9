//! Jobs of the write path: `/api/v1/jobs`, and the reply to an upload.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shared::timestamp;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Documents that were sent to the API.
    Upload,
    /// Files of the server's machine.
    Files,
    /// Pages of the web.
    Web,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

impl From<cairn_types::JobState> for JobState {
    fn from(state: cairn_types::JobState) -> Self {
        match state {
            cairn_types::JobState::Queued => Self::Queued,
            cairn_types::JobState::Running => Self::Running,
            cairn_types::JobState::Done => Self::Done,
            cairn_types::JobState::Failed => Self::Failed,
            cairn_types::JobState::Interrupted => Self::Interrupted,
        }
    }
}

/// What became of one document.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not yet processed.
    Pending,
    /// A new document.
    Added,
    /// A new version of a known document, or its tags or readers changed.
    Updated,
    /// Same content at another path; it kept its id.
    Moved,
    /// Nothing to do.
    Unchanged,
    /// Could not be read; the reason says why.
    Failed,
    /// Not a document that Cairn reads, or excluded.
    Skipped,
}

impl From<cairn_types::Outcome> for Outcome {
    fn from(outcome: cairn_types::Outcome) -> Self {
        match outcome {
            cairn_types::Outcome::Pending => Self::Pending,
            cairn_types::Outcome::Added => Self::Added,
            cairn_types::Outcome::Updated => Self::Updated,
            cairn_types::Outcome::Moved => Self::Moved,
            cairn_types::Outcome::Unchanged => Self::Unchanged,
            cairn_types::Outcome::Failed => Self::Failed,
            cairn_types::Outcome::Skipped => Self::Skipped,
        }
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its id: 16 hexadecimal digits.
    pub id: String,
    /// What it does.
    pub kind: JobKind,
    /// Where it stands.
    pub state: JobState,
    /// Why it failed or was interrupted, or what it did.
    pub message: Option<String>,
    /// Collection of its documents.
    pub collection: String,
    /// Tags of its documents.
    pub tags: BTreeSet<String>,
    /// Times it was begun.
    pub attempts: u32,
    /// When it was accepted.
    pub created_at: String,
    /// When its state last changed.
    pub updated_at: String,
    /// Items by outcome.
    pub counts: JobCounts,
    /// Its items; left out in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<JobItem>>,
}

impl Job {
    /// A job without its items.
    pub(crate) fn without_items(job: &cairn_types::Job) -> Self {
        let mut counts = JobCounts::default();
        for item in &job.request.items {
            counts.count(item.outcome);
        }
        Self {
            id: job.id.to_string(),
            kind: match job.request.kind {
                cairn_types::JobKind::Upload => JobKind::Upload,
                cairn_types::JobKind::Files => JobKind::Files,
                cairn_types::JobKind::Web => JobKind::Web,
            },
            state: job.state.into(),
            message: job.message.clone(),
            collection: job.request.collection.clone(),
            tags: job.request.tags.clone(),
            attempts: job.attempts,
            created_at: timestamp(job.created_at),
            updated_at: timestamp(job.updated_at),
            counts,
            items: None,
        }
    }
}

/// Items of a job by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobCounts {
    /// Not yet processed.
    pub pending: u64,
    /// New documents.
    pub added: u64,
    /// New versions.
    pub updated: u64,
    /// Moved.
    pub moved: u64,
    /// Nothing to do.
    pub unchanged: u64,
    /// Could not be read.
    pub failed: u64,
    /// Not documents that Cairn reads.
    pub skipped: u64,
}

impl JobCounts {
    fn count(&mut self, outcome: cairn_types::Outcome) {
        let counter = match outcome {
            cairn_types::Outcome::Pending => &mut self.pending,
            cairn_types::Outcome::Added => &mut self.added,
            cairn_types::Outcome::Updated => &mut self.updated,
            cairn_types::Outcome::Moved => &mut self.moved,
            cairn_types::Outcome::Unchanged => &mut self.unchanged,
            cairn_types::Outcome::Failed => &mut self.failed,
            cairn_types::Outcome::Skipped => &mut self.skipped,
        };
        *counter += 1;
    }
}

/// One document of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobItem {
    /// Path or upload name.
    pub path: String,
    /// Size of the original.
    pub size_bytes: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, where it failed or was skipped.
    pub reason: Option<String>,
    /// The document it became, where the caller may read it.
    pub document_id: Option<String>,
}

/// One page of jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    /// Newest first.
    pub jobs: Vec<Job>,
    /// Pass it as `cursor` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// An upload was stored and will be processed: from here on it survives a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobAccepted {
    /// Id of the job; see `/api/v1/jobs/{id}`.
    pub job: String,
    /// What was stored.
    pub items: Vec<UploadedItem>,
}

/// A stored upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadedItem {
    /// Its name; the same name in the same collection is the same document.
    pub path: String,
    /// Its size.
    pub size_bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
}
