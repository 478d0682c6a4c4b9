//! What measurements of Cairn have in common: generated documents, questions and vectors, latencies, the machine, exact rankings.
//!
//! It knows no engine: the binary (`cairn bench`) and the examples of the crates that are measured drive those themselves.
//! Everything that is generated follows from a seed alone, on every machine.

mod corpus;
mod random;
mod words;

pub use corpus::{Corpus, GeneratedDocument, GeneratedQuestion};
pub use random::Random;
