//! `ModernBERT` and Qwen3 over candle's tensors, in `f32`: the same interface as the native encoder, for models that it does not compute.
//!
//! The forward passes are written here over candle's operations, because those of candle-transformers keep a cache of keys per model,
//! leave out a norm whose tensor is missing, and build masks of the square of the length. Sequences lie end to end without padding;
//! attention runs over blocks of queries, so memory grows with the length and not with its square.

mod attention;
mod embedder;
mod form;
mod layers;
mod modernbert;
mod qwen3;
mod turnstile;

pub(crate) use embedder::LibraryEmbedder;
pub(crate) use form::Form;
