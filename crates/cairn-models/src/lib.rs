//! Local inference: tokenizer and native encoder, and the directory where models are kept.
//!
//! [`ModelStore`] installs and finds models, [`load`] makes them embedders: [`NativeEmbedder`] for the BERT family, and with the feature
//! `families` candle for `ModernBERT` and Qwen3. Layout of the files, arithmetic and measurements stand in the README beside this crate.

mod catalogue;
mod check;
mod config;
mod embedder;
mod encoder;
mod error;
#[cfg(feature = "families")]
mod families;
mod family;
mod kernel;
mod linear;
mod load;
mod manifest;
mod pieces;
mod pooling;
mod prompts;
mod queue;
mod store;
#[doc(hidden)]
pub mod testing;
mod tokenizer;
mod weights;

pub use catalogue::{KNOWN_MODELS, KnownFile, KnownModel};
pub use embedder::{LoadOptions, NativeEmbedder};
pub use error::ModelError;
pub use kernel::KernelChoice;
pub use load::load;
pub use manifest::{FileRecord, Manifest, Pooling, Precision, SelfCheck};
pub use prompts::Prompts;
pub use queue::Counts;
pub use store::{InstalledModel, ModelStore};
