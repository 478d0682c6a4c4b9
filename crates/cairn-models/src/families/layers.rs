//! Tensors of the file as candle's, and the layers that both families are made of.

use candle_core::{Device, Result, Tensor};
use candle_nn::ops;

use crate::error::ModelError;
use crate::weights::{Tensors, Weights, WordTable};

/// A matrix without bias: rows of `k` to rows of `n`.
pub(super) struct Linear(Tensor);

impl Linear {
    /// The tensor `{name}.weight` of shape `[n, k]`.
    pub(super) fn read(
        tensors: &Tensors<'_>,
        name: &str,
        n: usize,
        k: usize,
    ) -> std::result::Result<Self, ModelError> {
        let weight = tensors.get(&format!("{name}.weight"), &[n, k])?;
        let weight = Tensor::from_vec(weight, (n, k), &Device::Cpu);
        weight.map(Self).map_err(|e| fault(tensors, &e))
    }

    pub(super) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.0.t()?)
    }
}

/// A norm over the last dimension.
pub(super) struct Norm {
    gain: Tensor,
    /// Zeros, where the mean is taken off first (`LayerNorm` without bias); absent in `RMSNorm`.
    shift: Option<Tensor>,
    eps: f32,
}

impl Norm {
    /// `LayerNorm` (Ba et al. 2016) without bias.
    pub(super) fn layer(
        tensors: &Tensors<'_>,
        name: &str,
        d: usize,
        eps: f32,
    ) -> std::result::Result<Self, ModelError> {
        let mut norm = Self::root_mean_square(tensors, name, d, eps)?;
        let zeros = norm.gain.zeros_like().map_err(|e| fault(tensors, &e))?;
        norm.shift = Some(zeros);
        Ok(norm)
    }

    /// `RMSNorm` (Zhang and Sennrich 2019).
    pub(super) fn root_mean_square(
        tensors: &Tensors<'_>,
        name: &str,
        d: usize,
        eps: f32,
    ) -> std::result::Result<Self, ModelError> {
        let gain = tensors.get(&format!("{name}.weight"), &[d])?;
        let gain = Tensor::from_vec(gain, d, &Device::Cpu).map_err(|e| fault(tensors, &e))?;
        Ok(Self {
            gain,
            shift: None,
            eps,
        })
    }

    /// `x` is contiguous.
    pub(super) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        match &self.shift {
            Some(shift) => ops::layer_norm(x, &self.gain, shift, self.eps),
            None => ops::rms_norm(x, &self.gain, self.eps),
        }
    }
}

/// The vectors of the vocabulary.
pub(super) struct Words {
    table: WordTable,
    vocab: usize,
    d: usize,
}

impl Words {
    /// The tensor `name` of shape `[vocab, d]`; it stays in the file where that holds `f32`.
    pub(super) fn read(
        weights: Weights,
        probe: &str,
        prefixes: &[&'static str],
        (vocab, d): (usize, usize),
    ) -> std::result::Result<Self, ModelError> {
        let tensors = weights.tensors(probe, prefixes)?;
        let table = match tensors.place_of_f32(probe, &[vocab, d])? {
            Some(range) => WordTable::Mapped(weights, range),
            None => WordTable::Copied(tensors.get(probe, &[vocab, d])?),
        };
        Ok(Self { table, vocab, d })
    }

    /// Ids below this have a vector.
    pub(super) fn vocab(&self) -> usize {
        self.vocab
    }

    /// One row per token, sequence after sequence.
    pub(super) fn look_up(&self, sequences: &[&[u32]]) -> Result<Tensor> {
        let n: usize = sequences.iter().map(|ids| ids.len()).sum();
        let mut rows = vec![0.0; n * self.d];
        let ids = sequences.iter().copied().flatten();
        for (row, id) in rows.chunks_exact_mut(self.d).zip(ids) {
            self.table.read(*id as usize, row);
        }
        Tensor::from_vec(rows, (n, self.d), &Device::Cpu)
    }
}

pub(super) fn fault(tensors: &Tensors<'_>, error: &candle_core::Error) -> ModelError {
    tensors.malformed(error.to_string())
}
