//! The BERT encoder without padding: token ids of whole sequences in, one normalised vector per sequence out.
//!
//! Devlin et al. 2019 (post-norm transformer, learned positions, GELU by the error function). Differences: sequences are laid end
//! to end instead of padded, dropout is gone, and the pooler of the original is not used (mean or first token, L2-normalised).
//! Every row is computed by itself in a fixed order, so a vector does not depend on its neighbours in the group.
//! Cost per token and layer: 2 (4 d^2 + 2 d f) operations, and 4 L d for attention over L tokens; scratch about 12 KiB per token.

use crate::config::Shape;
use crate::error::ModelError;
use crate::kernel::{Kernel, NR, Out, Rows};
use crate::linear::{Detail, Linear, LinearScratch, grow};
use crate::manifest::{Pooling, Precision};
use crate::weights::{Weights, WordTable};

/// Queries that attend at once: their scores over 256 keys (12 KiB) stay in the first-level cache, and 12 is the height of every tile.
const QUERIES: usize = 12;

/// Sequences up to this length are computed in fine detail ([`Detail`]): nothing averages the error of a word or two. Measured on
/// all-MiniLM-L6-v2, cosine to `f32` of one-word texts: 0.992 plain, 0.997 fine.
const FINE_TOKENS: usize = 8;

/// A loaded encoder.
pub(crate) struct Encoder {
    shape: Shape,
    kernel: Kernel,
    precision: Precision,
    pooling: Pooling,
    words: WordTable,
    /// Row `p`: the vector of position `p` plus that of token type 0.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

struct Layer {
    qkv: Linear,
    output: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    norm: Norm,
}

struct Norm {
    gain: Vec<f32>,
    shift: Vec<f32>,
}

impl Norm {
    fn parts(&self) -> (&[f32], &[f32]) {
        (&self.gain, &self.shift)
    }
}

/// The buffers of one computation; reused, so that a query allocates nothing of weight.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    x: Vec<f32>,
    y: Vec<f32>,
    qkv: Vec<f32>,
    context: Vec<f32>,
    inner: Vec<f32>,
    linear: LinearScratch,
    attention: AttentionScratch,
}

#[derive(Debug, Default)]
struct AttentionScratch {
    scores: Vec<f32>,
    floats: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    rounded: Vec<f32>,
    halves: Vec<u16>,
    keys16: Vec<u16>,
    values16: Vec<u16>,
    scores16: Vec<u16>,
}

impl Encoder {
    /// Reads and packs the weights.
    ///
    /// # Errors
    /// Where a tensor is missing or has another shape.
    pub(crate) fn load(
        weights: Weights,
        shape: Shape,
        pooling: Pooling,
        precision: Precision,
        kernel: Kernel,
    ) -> Result<Self, ModelError> {
        let (d, f) = (shape.hidden, shape.inner);
        let tensors = weights.tensors()?;
        let norm = |name: &str| -> Result<Norm, ModelError> {
            Ok(Norm {
                gain: tensors.get(&format!("{name}.weight"), &[d])?,
                shift: tensors.get(&format!("{name}.bias"), &[d])?,
            })
        };
        let linear = |names: &[String], n: usize, k: usize| -> Result<Linear, ModelError> {
            let (mut weight, mut bias) = (Vec::new(), Vec::new());
            for name in names {
                weight.append(&mut tensors.get(&format!("{name}.weight"), &[n, k])?);
                bias.append(&mut tensors.get(&format!("{name}.bias"), &[n])?);
            }
            Ok(Linear::pack(kernel, precision, &weight, bias, k))
        };
        let mut layers = Vec::with_capacity(shape.layers);
        for i in 0..shape.layers {
            let at = |name: &str| format!("encoder.layer.{i}.{name}");
            let qkv = ["query", "key", "value"].map(|part| at(&format!("attention.self.{part}")));
            layers.push(Layer {
                qkv: linear(&qkv, d, d)?,
                output: linear(&[at("attention.output.dense")], d, d)?,
                attention_norm: norm(&at("attention.output.LayerNorm"))?,
                up: linear(&[at("intermediate.dense")], f, d)?,
                down: linear(&[at("output.dense")], d, f)?,
                norm: norm(&at("output.LayerNorm"))?,
            });
        }
        let types = tensors.get(
            "embeddings.token_type_embeddings.weight",
            &[shape.token_types, d],
        )?;
        let mut positions = tensors.get(
            "embeddings.position_embeddings.weight",
            &[shape.positions, d],
        )?;
        for row in positions.chunks_exact_mut(d) {
            for (p, t) in row.iter_mut().zip(&types) {
                *p += t;
            }
        }
        let norm = norm("embeddings.LayerNorm")?;
        let table = "embeddings.word_embeddings.weight";
        let words = match tensors.place_of_f32(table, &[shape.vocab, d])? {
            Some(range) => WordTable::Mapped(weights, range),
            None => WordTable::Copied(tensors.get(table, &[shape.vocab, d])?),
        };
        Ok(Self {
            shape,
            kernel,
            precision,
            pooling,
            words,
            positions,
            norm,
            layers,
        })
    }

    pub(crate) fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Ids below this have a vector.
    pub(crate) fn vocab(&self) -> usize {
        self.shape.vocab
    }

    /// In which detail a sequence of `n` tokens is computed. It depends on nothing else, so neither does its vector.
    pub(crate) fn detail(n: usize) -> Detail {
        if n <= FINE_TOKENS {
            Detail::Fine
        } else {
            Detail::Plain
        }
    }

    /// One L2-normalised vector per sequence. Sequences are not empty, not longer than the position table, and hold ids below
    /// [`Self::vocab`]; all are of one [`Self::detail`].
    pub(crate) fn encode(&self, sequences: &[&[u32]], scratch: &mut Scratch) -> Vec<Vec<f32>> {
        let (d, f) = (self.shape.hidden, self.shape.inner);
        let kernel = self.kernel;
        let t: usize = sequences.iter().map(|ids| ids.len()).sum();
        let Scratch {
            x,
            y,
            qkv,
            context,
            inner,
            linear,
            attention,
        } = scratch;
        let x = grow(x, t * d);
        let y = grow(y, t * d);
        let qkv = grow(qkv, t * 3 * d);
        let context = grow(context, t * d);
        let inner = grow(inner, t * f);

        let detail = Self::detail(sequences.first().map_or(0, |ids| ids.len()));
        assert!(
            sequences
                .iter()
                .all(|ids| Self::detail(ids.len()) == detail),
            "groups of one detail"
        );
        self.look_up(sequences, x);
        for layer in &self.layers {
            layer.qkv.apply(kernel, detail, x, qkv, linear);
            let mut from = 0;
            for n in sequences.iter().map(|ids| ids.len()) {
                let rows = from..from + n;
                let (qkv, context) = (
                    &qkv[rows.start * 3 * d..rows.end * 3 * d],
                    &mut context[rows.start * d..rows.end * d],
                );
                if self.precision != Precision::F32 && kernel.has_bf16() {
                    self.attend_bf16(n, qkv, context, attention);
                } else {
                    self.attend_f32(n, qkv, context, attention);
                }
                from += n;
            }
            layer.output.apply(kernel, detail, context, y, linear);
            self.add_norm(x, y, &layer.attention_norm);
            layer.up.apply(kernel, detail, x, inner, linear);
            kernel.gelu(inner);
            layer.down.apply(kernel, detail, inner, y, linear);
            self.add_norm(x, y, &layer.norm);
        }
        self.pool(sequences, x)
    }

    fn look_up(&self, sequences: &[&[u32]], x: &mut [f32]) {
        let d = self.shape.hidden;
        let mut rows = x.chunks_exact_mut(d);
        for ids in sequences {
            for (id, position) in ids.iter().zip(self.positions.chunks_exact(d)) {
                let row = rows.next().expect("one row per token");
                self.words.read(*id as usize, row);
                self.kernel
                    .add_layer_norm(row, position, self.norm.parts(), self.shape.eps);
            }
        }
    }

    fn add_norm(&self, x: &mut [f32], y: &[f32], norm: &Norm) {
        let d = self.shape.hidden;
        for (x, y) in x.chunks_exact_mut(d).zip(y.chunks_exact(d)) {
            self.kernel
                .add_layer_norm(x, y, norm.parts(), self.shape.eps);
        }
    }

    fn pool(&self, sequences: &[&[u32]], x: &[f32]) -> Vec<Vec<f32>> {
        let d = self.shape.hidden;
        let mut rows = x.chunks_exact(d);
        let mut vectors = Vec::with_capacity(sequences.len());
        for ids in sequences {
            let mut vector = rows.next().expect("one row per token").to_vec();
            for row in rows.by_ref().take(ids.len() - 1) {
                if self.pooling == Pooling::Mean {
                    for (v, x) in vector.iter_mut().zip(row) {
                        *v += x;
                    }
                }
            }
            // The division by the number of tokens cancels out here.
            let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
            for v in &mut vector {
                *v /= norm;
            }
            vectors.push(vector);
        }
        vectors
    }

    /// Attention of one sequence in `f32`; outside [`Precision::F32`] every factor is rounded to bfloat16 first, which gives the
    /// same bits as the bfloat16 instructions.
    fn attend_f32(
        &self,
        n: usize,
        qkv: &[f32],
        context: &mut [f32],
        scratch: &mut AttentionScratch,
    ) {
        let (d, size, kernel) = (self.shape.hidden, self.shape.head_size(), self.kernel);
        let rounds = self.precision != Precision::F32;
        let (keys_n, values_n) = (n.next_multiple_of(NR), n.next_multiple_of(2));
        let keys = grow(&mut scratch.keys, keys_n * size);
        let values = grow(&mut scratch.values, values_n * size);
        let scores = grow(&mut scratch.scores, QUERIES * keys_n);
        let qkv = if rounds {
            let rounded = grow(&mut scratch.rounded, qkv.len());
            kernel.round_bf16(qkv, rounded);
            rounded
        } else {
            qkv
        };
        for h in 0..self.shape.heads {
            pack_keys::<f32, 1>(&qkv[d + h * size..], 3 * d, n, size, keys);
            pack_values::<f32, 1>(&qkv[2 * d + h * size..], 3 * d, n, size, values);
            for i in (0..n).step_by(QUERIES) {
                let m = QUERIES.min(n - i);
                let query = Rows {
                    data: &qkv[i * 3 * d + h * size..],
                    stride: 3 * d,
                    m,
                };
                kernel.matmul_f32(query, size, keys, None, &mut out(scores, keys_n));
                let sums = self.softmax(&mut scores[..m * keys_n], n, keys_n);
                let weights = if rounds {
                    let rounded = grow(&mut scratch.floats, m * keys_n);
                    kernel.round_bf16(&scores[..m * keys_n], rounded);
                    rounded
                } else {
                    &mut *scores
                };
                let weights = Rows {
                    data: weights,
                    stride: keys_n,
                    m,
                };
                let to = &mut context[i * d + h * size..];
                kernel.matmul_f32(weights, values_n, values, None, &mut out(to, d));
                self.divide(to, &sums[..m]);
            }
        }
    }

    /// Attention of one sequence by bfloat16 instructions.
    fn attend_bf16(
        &self,
        n: usize,
        qkv: &[f32],
        context: &mut [f32],
        scratch: &mut AttentionScratch,
    ) {
        let (d, size, kernel) = (self.shape.hidden, self.shape.head_size(), self.kernel);
        let (keys_n, values_n) = (n.next_multiple_of(NR), n.next_multiple_of(2));
        let keys = grow(&mut scratch.keys16, keys_n * size);
        let values = grow(&mut scratch.values16, values_n * size);
        let scores = grow(&mut scratch.scores, QUERIES * keys_n);
        let weights = grow(&mut scratch.scores16, QUERIES * keys_n);
        let halves = grow(&mut scratch.halves, qkv.len());
        kernel.to_bf16(qkv, halves);
        for h in 0..self.shape.heads {
            pack_keys::<u16, 2>(&halves[d + h * size..], 3 * d, n, size, keys);
            pack_values::<u16, 2>(&halves[2 * d + h * size..], 3 * d, n, size, values);
            for i in (0..n).step_by(QUERIES) {
                let m = QUERIES.min(n - i);
                let query = Rows {
                    data: &halves[i * 3 * d + h * size..],
                    stride: 3 * d,
                    m,
                };
                kernel.matmul_bf16(query, size, keys, None, &mut out(scores, keys_n));
                let sums = self.softmax(&mut scores[..m * keys_n], n, keys_n);
                kernel.to_bf16(&scores[..m * keys_n], &mut weights[..m * keys_n]);
                let weights = Rows {
                    data: &*weights,
                    stride: keys_n,
                    m,
                };
                let to = &mut context[i * d + h * size..];
                kernel.matmul_bf16(weights, values_n, values, None, &mut out(to, d));
                self.divide(to, &sums[..m]);
            }
        }
    }

    /// Exponentials of the scores in place; gives the sum of each row.
    fn softmax(&self, scores: &mut [f32], n: usize, stride: usize) -> [f32; QUERIES] {
        let scale = 1.0 / (self.shape.head_size() as f32).sqrt();
        let mut sums = [0f32; QUERIES];
        for (row, sum) in scores.chunks_exact_mut(stride).zip(&mut sums) {
            *sum = self.kernel.softmax_exp(row, n, scale);
        }
        sums
    }

    fn divide(&self, context: &mut [f32], sums: &[f32]) {
        let (d, size) = (self.shape.hidden, self.shape.head_size());
        for (i, sum) in sums.iter().enumerate() {
            self.kernel
                .multiply(&mut context[i * d..i * d + size], 1.0 / sum);
        }
    }
}

fn out(data: &mut [f32], stride: usize) -> Out<'_> {
    Out { data, stride }
}

/// Keys `[n][size]` at a row stride into panels `[n/32][size/G][32][G]`; columns beyond `n` are 0.
fn pack_keys<T: Copy + Default, const G: usize>(
    from: &[T],
    stride: usize,
    n: usize,
    size: usize,
    to: &mut [T],
) {
    for (p, panel) in to.chunks_exact_mut(size * NR).enumerate() {
        for j in 0..NR {
            let key = p * NR + j;
            if key < n {
                let row = &from[key * stride..key * stride + size];
                for (group, from) in panel.chunks_exact_mut(NR * G).zip(row.chunks_exact(G)) {
                    group[j * G..(j + 1) * G].copy_from_slice(from);
                }
            } else {
                for group in panel.chunks_exact_mut(NR * G) {
                    group[j * G..(j + 1) * G].fill(T::default());
                }
            }
        }
    }
}

/// Values `[n][size]` at a row stride into panels `[size/32][n/G][32][G]`; rows beyond `n` are 0.
fn pack_values<T: Copy + Default, const G: usize>(
    from: &[T],
    stride: usize,
    n: usize,
    size: usize,
    to: &mut [T],
) {
    for (p, panel) in to
        .chunks_exact_mut(n.next_multiple_of(2) * NR)
        .take(size / NR)
        .enumerate()
    {
        for (g, group) in panel.chunks_exact_mut(NR * G).enumerate() {
            for e in 0..G {
                let row = g * G + e;
                if row < n {
                    let row = &from[row * stride + p * NR..row * stride + (p + 1) * NR];
                    for (to, from) in group[e..].iter_mut().step_by(G).zip(row) {
                        *to = *from;
                    }
                } else {
                    group[e..]
                        .iter_mut()
                        .step_by(G)
                        .for_each(|to| *to = T::default());
                }
            }
        }
    }
}
