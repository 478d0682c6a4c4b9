//! The way in: discover files, extract, chunk, embed, publish.
//!
//! One [`Pipeline`] serves files of this machine ([`Pipeline::ingest_files`]), pages of the web ([`Pipeline::ingest_web`]) and
//! uploads ([`Pipeline::run_job`]). Bytes are parsed only in worker processes; a document becomes visible in one
//! catalog transaction or not at all.

mod backfill;
mod budget;
mod chunk;
mod discover;
mod error;
mod files;
mod known;
mod pipeline;
mod prepared;
mod report;
mod stages;
mod uploads;
mod web;

pub use chunk::{Chunk, ChunkOptions, chunk_document, embedded_input};
pub use discover::{Discovered, DiscoveredFile, Unreadable, discover};
pub use error::IngestError;
pub use files::{DeletionGuard, FilesRequest, RunMode};
pub use pipeline::{Pipeline, PipelineOptions, approximate_tokens};
pub use prepared::PreparedDocument;
pub use report::{DocumentReport, IngestEvent, StageTimes, Summary};
pub use web::WebRequest;
