//! The words that all of Cairn shares, and nothing that does work.
//!
//! Ids, scope and principals, documents and their elements, chunks, passages, citations, the kinds of
//! error, and the ports behind which parts with several implementations stand. Synchronous, no I/O.

mod chunk;
mod citation;
mod clock;
mod document;
mod element;
mod error;
mod ids;
mod job;
pub mod ports;
mod report;
mod scope;
mod text;

pub use chunk::{COMPUTED, ChunkMeta, EmbeddingSpace, NewChunk, Passage};
pub use citation::{Citation, DocumentRef};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use document::{
    BlobHash, Collection, DocumentFilter, DocumentStatus, DocumentSummary, Fingerprint, InputHash,
    Source,
};
pub use element::{BoundingBox, Element, ElementKind, Extracted, Rendered};
pub use error::{ErrorKind, HasKind};
pub use ids::{
    AclId, ChunkId, ChunkNo, DocumentId, JobId, KeyId, RenditionId, Seq, TenantId, VersionNo,
};
pub use job::{Job, JobItem, JobKind, JobState, NewJob, Outcome};
pub use report::{OcrSummary, ParseReport, ParseWarning, WarningCode};
pub use scope::{AccessList, Principal, Scope, SystemPurpose, SystemScope};
pub use text::{CharSpan, char_to_byte};
