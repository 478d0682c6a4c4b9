//! One module per command; each is a client of the API, but for those that need no data folder.

pub(crate) mod ask;
pub(crate) mod bench;
pub(crate) mod config;
pub(crate) mod docs;
pub(crate) mod eval;
pub(crate) mod ingest;
pub(crate) mod keys;
pub(crate) mod maintain;
pub(crate) mod models;
mod save;
pub(crate) mod search;
pub(crate) mod serve;
pub(crate) mod worker;
