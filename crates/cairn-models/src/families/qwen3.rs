//! Qwen3 (Yang et al. 2025) as an embedding model (Zhang et al. 2025): the decoder's last hidden states, no text is generated.
//!
//! A pre-norm decoder with rotary positions, norms of each head's queries and keys, grouped queries and a gated feed-forward layer. The
//! table of the output words is not read.

use candle_core::{Result, Tensor};

use super::attention::{Reach, Rotation, attend};
use super::form::{Qwen3Form, Sizes};
use super::layers::{Linear, Norm, Words};
use crate::error::ModelError;
use crate::weights::Weights;

/// Exports with a head for the next word put the decoder under this.
const PREFIXES: [&str; 1] = ["model."];
const WORDS: &str = "embed_tokens.weight";

pub(super) struct Qwen3 {
    sizes: Sizes,
    words: Words,
    layers: Vec<Layer>,
    last_norm: Norm,
    rotation: Rotation,
}

struct Layer {
    attention_norm: Norm,
    query: Linear,
    key: Linear,
    value: Linear,
    query_norm: Norm,
    key_norm: Norm,
    output: Linear,
    norm: Norm,
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Qwen3 {
    pub(super) fn load(
        weights: Weights,
        form: &Qwen3Form,
        max_tokens: usize,
    ) -> std::result::Result<Self, ModelError> {
        let sizes = form.sizes.clone();
        let (d, f, size) = (sizes.hidden, sizes.inner, sizes.head_size);
        let (q, kv) = (sizes.heads * size, sizes.kv_heads * size);
        let tensors = weights.tensors(WORDS, &PREFIXES)?;
        let norm = |name: &str, d: usize| Norm::root_mean_square(&tensors, name, d, sizes.eps);
        let linear = |name: &str, n: usize, k: usize| Linear::read(&tensors, name, n, k);
        let mut layers = Vec::with_capacity(sizes.layers);
        for i in 0..sizes.layers {
            let at = |name: &str| format!("layers.{i}.{name}");
            layers.push(Layer {
                attention_norm: norm(&at("input_layernorm"), d)?,
                query: linear(&at("self_attn.q_proj"), q, d)?,
                key: linear(&at("self_attn.k_proj"), kv, d)?,
                value: linear(&at("self_attn.v_proj"), kv, d)?,
                query_norm: norm(&at("self_attn.q_norm"), size)?,
                key_norm: norm(&at("self_attn.k_norm"), size)?,
                output: linear(&at("self_attn.o_proj"), d, q)?,
                norm: norm(&at("post_attention_layernorm"), d)?,
                gate: linear(&at("mlp.gate_proj"), f, d)?,
                up: linear(&at("mlp.up_proj"), f, d)?,
                down: linear(&at("mlp.down_proj"), d, f)?,
            });
        }
        let last_norm = norm("norm", d)?;
        drop(tensors);
        Ok(Self {
            words: Words::read(weights, WORDS, &PREFIXES, (sizes.vocab, d))?,
            layers,
            last_norm,
            rotation: Rotation::new(form.base, size, max_tokens),
            sizes,
        })
    }

    pub(super) fn words(&self) -> &Words {
        &self.words
    }

    /// One row per token of the sequences, which are not longer than `max_tokens`.
    pub(super) fn forward(&self, sequences: &[&[u32]]) -> Result<Tensor> {
        let Sizes {
            heads,
            kv_heads,
            head_size,
            ..
        } = self.sizes;
        let angles = self.rotation.angles(sequences)?;
        let mut x = self.words.look_up(sequences)?;
        let n = x.dim(0)?;
        for layer in &self.layers {
            let normed = layer.attention_norm.apply(&x)?;
            let q = layer.query.apply(&normed)?.reshape((n, heads, head_size))?;
            let k = layer
                .key
                .apply(&normed)?
                .reshape((n, kv_heads, head_size))?;
            let v = layer
                .value
                .apply(&normed)?
                .reshape((n, kv_heads, head_size))?;
            let q = angles.turn(&layer.query_norm.apply(&q)?)?;
            let k = angles.turn(&layer.key_norm.apply(&k)?)?;
            let context = attend([&q, &k, &v], sequences, Reach::Before)?;
            x = (x + layer.output.apply(&context)?)?;
            let normed = layer.norm.apply(&x)?;
            let inner = (layer.gate.apply(&normed)?.silu()? * layer.up.apply(&normed)?)?;
            x = (x + layer.down.apply(&inner)?)?;
        }
        self.last_norm.apply(&x)
    }
}
