//! What goes over the wire: the objects of the HTTP API and of `--json`.
//!
//! Each request refuses unknown fields; replies may gain fields, so clients ignore what they do not know. Spans are
//! half-open ranges of Unicode code points, instants are RFC 3339 in UTC, durations are milliseconds.

mod admin;
mod chat;
mod docs;
mod explain;
mod ingest;
mod jobs;
mod keys;
mod problem;
mod search;
mod shared;
mod web;

pub use admin::{
    ChatModel, FillEvent, FillSummary, Health, IndexReply, InstallModel, Model, ModelList, Ready,
    Status,
};
pub use chat::{
    AnswerMode, ChatDone, ChatDoneReason, ChatMessage, ChatMode, ChatReply, ChatRequest, ChatRole,
    ChatSearchResults, ChatText, ChatTimingMs, Citation, DroppedCitation,
};
pub use docs::{
    BoundingBox, Chunk, ChunkList, Collection, CollectionList, Document, DocumentList,
    DocumentPatch, DocumentStatus, Element, ElementList, OcrReport, ParseReport, ParseWarning,
    WriteReply,
};
pub use explain::{
    Candidate, Explanation, FilterStep, Stage, WhyNotReason, WhyNotReply, WhyNotRequest,
};
pub use ingest::{IngestDocument, IngestEvent, IngestRequest, IngestSummary, StagesMs};
pub use jobs::{
    Job, JobAccepted, JobCounts, JobItem, JobKind, JobList, JobState, Outcome, UploadedItem,
};
pub use keys::{CreateKey, Key, KeyCreated, KeyList};
pub use problem::Problem;
pub use search::{Scores, SearchMode, SearchReply, SearchRequest, SearchResult, TimingMs};
pub use shared::{DEFAULT_COLLECTION, DocumentRef, Span, millis};
pub use web::{WebIngestRequest, Within};

pub(crate) use docs::AccessShown;
pub(crate) use shared::Filters;
