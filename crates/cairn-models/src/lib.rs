//! Local inference: tokenizer and native encoder, and the directory where models are kept.
//!
//! [`ModelStore`] installs and finds models, [`NativeEmbedder`] turns texts into vectors on the CPU. Layout of the files, arithmetic
//! and measurements stand in the README beside this crate.

mod catalogue;
mod check;
mod config;
mod count;
mod embedder;
mod encoder;
mod error;
mod kernel;
mod linear;
mod manifest;
mod store;
#[doc(hidden)]
pub mod testing;
mod tokenizer;
mod weights;

pub use catalogue::{KNOWN_MODELS, KnownFile, KnownModel};
pub use embedder::{LoadOptions, NativeEmbedder};
pub use error::ModelError;
pub use kernel::KernelChoice;
pub use manifest::{FileRecord, Manifest, Pooling, Precision, SelfCheck};
pub use store::{InstalledModel, ModelStore};
