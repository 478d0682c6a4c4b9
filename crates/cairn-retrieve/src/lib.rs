//! The way out up to ranked passages: plan, retrieve, fuse, hydrate and check, explain.
//!
//! [`Engine`] keeps the search indexes of one tenant in step with the catalog and answers searches under a
//! [`cairn_types::Scope`]. The indexes filter by permission, and every passage is checked against the catalog
//! again before it is returned: a stale index can cost a result, it can never leak or resurrect one.

mod engine;
mod error;
mod explain;
mod fusion;
mod request;
mod search;
mod table;

pub use engine::{Engine, EngineStatus};
pub use error::{MAX_QUERY_CHARS, MAX_TOP_K, RetrieveError};
pub use explain::{Candidate, Explanation, FilterStep, Stage, WhyNot, WhyNotReason};
pub use fusion::{Fused, Fusion, FusionOptions, Normalisation, fuse};
pub use request::{
    Explain, Mode, RankedPassage, SearchRequest, SearchResponse, TermWeight, Timings,
};
