//! The store from outside: one conformance suite for every catalog, and what only files can get wrong.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop like tests do"
)]

mod blobs;
mod concurrency;
mod conformance;
mod data_dir;
mod fixtures;
mod sqlite;
