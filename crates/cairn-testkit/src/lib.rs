//! Fixtures and personas for tests: who reads, what stands in for a model, and which real counterpart is at hand.
//!
//! A dev-dependency only. It knows the shared words and no engine, so that every crate above `cairn-types` may use it.

mod embedder;
mod need;
mod persona;
mod random;
#[cfg(feature = "tls")]
mod tls;
mod workspace;

pub use embedder::HashEmbedder;
pub use need::need;
pub use persona::{
    OTHER_TENANT, TENANT, access, anna, ben, outsider, owner, owner_of, principal, scope,
};
pub use random::Random;
#[cfg(feature = "tls")]
pub use tls::{TestRoot, TlsListener, Validity};
pub use workspace::{examples_dir, temp_dir};
