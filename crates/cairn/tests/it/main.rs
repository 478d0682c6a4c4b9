//! The binary from outside: as a person or a program runs it, with its standard output, standard error and exit code.
//!
//! Tests with a real model or with PDF files need `CAIRN_TEST_MODEL` and `CAIRN_TEST_PDFIUM`; the others run anywhere.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "all of this is test code, which fails by panicking"
)]

mod ask;
mod bad_input;
mod bench;
mod configuration;
mod data_folder;
mod documents;
mod failing_files;
mod golden;
mod hub;
mod ingest;
mod kills;
mod language_model;
mod models;
mod naughty;
mod recordings;
mod search;
mod serve;
mod stopping;
mod support;
mod sync;
mod web;
