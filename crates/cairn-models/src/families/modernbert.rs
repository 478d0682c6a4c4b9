//! `ModernBERT` (Warner et al. 2024): a pre-norm encoder with rotary positions, a gated feed-forward layer and no biases.
//!
//! Every third layer sees the whole text, the others a window of 64 tokens to either side (both by configuration).

use candle_core::{D, Result, Tensor};

use super::attention::{Reach, Rotation, attend};
use super::form::{ModernBertForm, Sizes};
use super::layers::{Linear, Norm, Words};
use crate::error::ModelError;
use crate::weights::Weights;

/// Exports with a head for masked words put the encoder under this.
const PREFIXES: [&str; 1] = ["model."];
const WORDS: &str = "embeddings.tok_embeddings.weight";

pub(super) struct ModernBert {
    sizes: Sizes,
    words: Words,
    norm: Norm,
    layers: Vec<Layer>,
    last_norm: Norm,
    global: Rotation,
    local: Rotation,
}

struct Layer {
    reach: Reach,
    /// The first layer has none: what it reads is normed already.
    attention_norm: Option<Norm>,
    qkv: Linear,
    output: Linear,
    norm: Norm,
    up: Linear,
    down: Linear,
}

impl ModernBert {
    pub(super) fn load(
        weights: Weights,
        form: &ModernBertForm,
        max_tokens: usize,
    ) -> std::result::Result<Self, ModelError> {
        let sizes = form.sizes.clone();
        let (d, f) = (sizes.hidden, sizes.inner);
        let tensors = weights.tensors(WORDS, &PREFIXES)?;
        let norm = |name: &str| Norm::layer(&tensors, name, d, sizes.eps);
        let mut layers = Vec::with_capacity(sizes.layers);
        for (i, is_global) in form.is_global.iter().enumerate() {
            let at = |name: &str| format!("layers.{i}.{name}");
            let attention_norm = match i {
                0 => None,
                _ => Some(norm(&at("attn_norm"))?),
            };
            layers.push(Layer {
                reach: if *is_global {
                    Reach::Everything
                } else {
                    Reach::Window(form.window)
                },
                attention_norm,
                qkv: Linear::read(&tensors, &at("attn.Wqkv"), 3 * d, d)?,
                output: Linear::read(&tensors, &at("attn.Wo"), d, d)?,
                norm: norm(&at("mlp_norm"))?,
                up: Linear::read(&tensors, &at("mlp.Wi"), 2 * f, d)?,
                down: Linear::read(&tensors, &at("mlp.Wo"), d, f)?,
            });
        }
        let (first_norm, last_norm) = (norm("embeddings.norm")?, norm("final_norm")?);
        drop(tensors);
        Ok(Self {
            words: Words::read(weights, WORDS, &PREFIXES, (sizes.vocab, d))?,
            norm: first_norm,
            layers,
            last_norm,
            global: Rotation::new(form.global_base, sizes.head_size, max_tokens),
            local: Rotation::new(form.local_base, sizes.head_size, max_tokens),
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
            head_size,
            inner,
            ..
        } = self.sizes;
        let (global, local) = (
            self.global.angles(sequences)?,
            self.local.angles(sequences)?,
        );
        let mut x = self.norm.apply(&self.words.look_up(sequences)?)?;
        let n = x.dim(0)?;
        for layer in &self.layers {
            let normed = match &layer.attention_norm {
                Some(norm) => norm.apply(&x)?,
                None => x.clone(),
            };
            let qkv = layer
                .qkv
                .apply(&normed)?
                .reshape((n, 3, heads, head_size))?;
            let part = |i: usize| qkv.narrow(1, i, 1)?.squeeze(1)?.contiguous();
            let angles = match layer.reach {
                Reach::Everything => &global,
                Reach::Window(_) | Reach::Before => &local,
            };
            let (q, k) = (angles.turn(&part(0)?)?, angles.turn(&part(1)?)?);
            let context = attend([&q, &k, &part(2)?], sequences, layer.reach)?;
            x = (x + layer.output.apply(&context)?)?;
            let up = layer.up.apply(&layer.norm.apply(&x)?)?;
            let gate = up.narrow(D::Minus1, inner, inner)?;
            let inner = (up.narrow(D::Minus1, 0, inner)?.gelu_erf()? * gate)?;
            x = (x + layer.down.apply(&inner)?)?;
        }
        self.last_norm.apply(&x)
    }
}
