//! Rotary positions and attention over sequences that lie end to end.
//!
//! Su et al. 2021 for the rotation (halves, not neighbours, are paired, as the published weights want it); grouped queries after
//! Ainslie et al. 2023. Queries are taken in blocks: the scores of one block over all its keys are all that is held at a time.

use candle_core::{D, Device, Result, Tensor};
use candle_nn::{ops, rotary_emb};

/// Queries that attend at once.
const BLOCK: usize = 128;

/// Which keys a query sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All of its sequence.
    Everything,
    /// Those at most so far away, to either side.
    Window(usize),
    /// Itself and those before it.
    Before,
}

impl Reach {
    /// The keys that any of the queries `from..to` of a sequence of `n` sees.
    fn keys(self, from: usize, to: usize, n: usize) -> (usize, usize) {
        match self {
            Self::Everything => (0, n),
            Self::Window(w) => (from.saturating_sub(w), to.saturating_add(w).min(n)),
            Self::Before => (0, to),
        }
    }

    fn sees(self, query: usize, key: usize) -> bool {
        match self {
            Self::Everything => true,
            Self::Window(w) => query.abs_diff(key) <= w,
            Self::Before => key <= query,
        }
    }

    /// What is added to the scores of the queries `from..to` over the keys `first..last`: `None` where all are seen.
    fn mask(
        self,
        (from, to): (usize, usize),
        (first, last): (usize, usize),
    ) -> Result<Option<Tensor>> {
        let pairs = (from..to).flat_map(|q| (first..last).map(move |k| (q, k)));
        let mask: Vec<f32> = pairs
            .map(|(q, k)| {
                if self.sees(q, k) {
                    0.0
                } else {
                    f32::NEG_INFINITY
                }
            })
            .collect();
        if mask.iter().all(|x| *x == 0.0) {
            return Ok(None);
        }
        Tensor::from_vec(mask, (to - from, last - first), &Device::Cpu).map(Some)
    }
}

/// Cosines and sines of every position, `size / 2` a row.
pub(super) struct Rotation {
    cos: Vec<f32>,
    sin: Vec<f32>,
    half: usize,
}

/// The rows of a group of sequences.
pub(super) struct Angles {
    cos: Tensor,
    sin: Tensor,
}

impl Rotation {
    /// For heads of `size` components (even) and sequences of up to `positions` tokens.
    pub(super) fn new(base: f64, size: usize, positions: usize) -> Self {
        let half = size / 2;
        // In `f32` from here on, as the models were trained with.
        let speeds: Vec<f32> = (0..half)
            .map(|i| base.powf(-((2 * i) as f64) / size as f64) as f32)
            .collect();
        let angles = (0..positions).flat_map(|p| speeds.iter().map(move |s| p as f32 * s));
        let (sin, cos) = angles.map(f32::sin_cos).unzip();
        Self { cos, sin, half }
    }

    /// Every sequence starts at position 0.
    pub(super) fn angles(&self, sequences: &[&[u32]]) -> Result<Angles> {
        let n: usize = sequences.iter().map(|ids| ids.len()).sum();
        let rows = |table: &[f32]| {
            let mut rows = Vec::with_capacity(n * self.half);
            for ids in sequences {
                rows.extend_from_slice(&table[..ids.len() * self.half]);
            }
            Tensor::from_vec(rows, (n, self.half), &Device::Cpu)
        };
        Ok(Angles {
            cos: rows(&self.cos)?,
            sin: rows(&self.sin)?,
        })
    }
}

impl Angles {
    /// Turns `x` of shape `[tokens, heads, size]`, contiguous.
    pub(super) fn turn(&self, x: &Tensor) -> Result<Tensor> {
        rotary_emb::rope_thd(&x.unsqueeze(0)?, &self.cos, &self.sin)?.squeeze(0)
    }
}

/// Attention within each sequence: `q` is `[tokens, heads, size]`, `k` and `v` are `[tokens, kv_heads, size]`; gives
/// `[tokens, heads * size]`.
pub(super) fn attend(
    [q, k, v]: [&Tensor; 3],
    sequences: &[&[u32]],
    reach: Reach,
) -> Result<Tensor> {
    let mut parts = Vec::new();
    let mut at = 0;
    for n in sequences.iter().map(|ids| ids.len()) {
        let [q, k, v] = [q, k, v].map(|x| x.narrow(0, at, n));
        attend_one([&q?, &k?, &v?], reach, &mut parts)?;
        at += n;
    }
    Tensor::cat(&parts, 0)
}

fn attend_one([q, k, v]: [&Tensor; 3], reach: Reach, parts: &mut Vec<Tensor>) -> Result<()> {
    let (n, heads, size) = q.dims3()?;
    let by_head = |x: &Tensor| -> Result<Tensor> {
        let kv_heads = x.dim(1)?;
        let x = x.transpose(0, 1)?.contiguous()?;
        if kv_heads == heads {
            return Ok(x);
        }
        let repeated = (kv_heads, heads / kv_heads, n, size);
        x.unsqueeze(1)?
            .broadcast_as(repeated)?
            .reshape((heads, n, size))
    };
    let q = (by_head(q)? * (size as f64).powf(-0.5))?;
    let (k, v) = (by_head(k)?, by_head(v)?);
    for from in (0..n).step_by(BLOCK) {
        let to = (from + BLOCK).min(n);
        let (first, last) = reach.keys(from, to, n);
        let keys = k.narrow(1, first, last - first)?;
        let mut scores = q
            .narrow(1, from, to - from)?
            .matmul(&keys.transpose(D::Minus1, D::Minus2)?)?;
        if let Some(mask) = reach.mask((from, to), (first, last))? {
            scores = scores.broadcast_add(&mask)?;
        }
        let shares = ops::softmax_last_dim(&scores)?;
        let context = shares.matmul(&v.narrow(1, first, last - first)?)?;
        let rows = context.transpose(0, 1)?.contiguous()?;
        parts.push(rows.reshape((to - from, heads * size))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_see_what_their_queries_see() {
        let n = 700;
        for reach in [
            Reach::Everything,
            Reach::Window(5),
            Reach::Window(usize::MAX),
            Reach::Before,
        ] {
            for from in (0..n).step_by(BLOCK) {
                let to = (from + BLOCK).min(n);
                let (first, last) = reach.keys(from, to, n);
                for query in from..to {
                    let outside = (0..first)
                        .chain(last..n)
                        .find(|key| reach.sees(query, *key));
                    assert_eq!(outside, None, "{reach:?} {query}");
                    assert!(reach.sees(query, query) && (first..last).contains(&query));
                }
            }
        }
    }
}
