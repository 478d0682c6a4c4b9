//! What measurements of Cairn have in common: generated documents, questions and vectors, latencies, the machine, exact rankings.
//!
//! It knows no engine: the binary (`cairn bench`) and the examples of the crates that are measured drive those themselves.
//! Everything that is generated follows from a seed alone, on every machine.

mod corpus;
mod exact;
mod latencies;
mod machine;
mod random;
mod table;
mod vectors;
mod words;

pub use corpus::{Corpus, GeneratedDocument, GeneratedQuestion};
pub use exact::{Exact, Offered};
pub use latencies::Latencies;
pub use machine::{Machine, ProcessMemory, bytes_below, children_of};
pub use random::Random;
pub use table::Table;
pub use vectors::Mixture;
