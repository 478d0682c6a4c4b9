//! Fixtures and personas for tests: who reads, what stands in for a model, and which real counterpart is at hand.
//!
//! A dev-dependency only. It knows the shared words and no engine, so that every crate above `cairn-types` may use it.

mod embedder;
mod need;
mod persona;
mod random;
mod workspace;

pub use embedder::HashEmbedder;
pub use need::need;
pub use persona::{
    OTHER_TENANT, TENANT, access, anna, ben, outsider, owner, owner_of, principal, scope,
};
pub use random::Random;
pub use workspace::{examples_dir, temp_dir};
