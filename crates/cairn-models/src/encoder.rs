//! The encoder of the BERT family without padding: token ids of whole sequences in, one normalised vector per sequence out.
//!
//! Devlin et al. 2019 (post-norm transformer, learned positions, GELU by the error function). Differences: sequences are laid end
//! to end instead of padded, dropout is gone, and the pooler of the original is not used (mean, first or last token, L2-normalised).
//! Every row is computed by itself in a fixed order, so a vector does not depend on its neighbours in the group.
//! Cost per token and layer: 2 (4 d^2 + 2 d f) operations, and 4 L d for attention over L tokens; scratch about 12 KiB per token.

use crate::config::Shape;
use crate::error::ModelError;
use crate::kernel::{Finish, Kernel, NR, Out, Rows, pack};
use crate::linear::{Detail, Linear, LinearScratch, To, grow};
use crate::manifest::{Pooling, Precision};
use crate::pooling::pool;
use crate::weights::{Weights, WordTable};

/// Queries that attend at once: their scores over 256 keys (12 KiB) stay in the first-level cache, and 12 is the height of every tile.
const QUERIES: usize = 12;

/// Sequences up to this length are computed in fine detail ([`Detail`]): nothing averages the error of a word or two. Measured on
/// all-MiniLM-L6-v2, cosine to `f32` of one-word texts: 0.992 plain, 0.997 fine.
const FINE_TOKENS: usize = 8;

/// Rows that go through the feed-forward layer at once: its inner rows are the widest (6 KiB in the default model) and stay in the
/// second-level cache. Chosen by that; other heights were not compared.
const BLOCK: usize = 48;

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
    qkv: Vec<f32>,
    qkv16: Vec<u16>,
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
        let table = "embeddings.word_embeddings.weight";
        let tensors = weights.tensors(table, &["bert.", "roberta."])?;
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
            &[shape.first_position + shape.positions, d],
        )?;
        positions.drain(..shape.first_position * d);
        for row in positions.chunks_exact_mut(d) {
            for (p, t) in row.iter_mut().zip(&types) {
                *p += t;
            }
        }
        let norm = norm("embeddings.LayerNorm")?;
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
            qkv,
            qkv16,
            context,
            inner,
            linear,
            attention,
        } = scratch;
        let x = grow(x, t * d);
        let halves = self.precision != Precision::F32 && kernel.has_bf16();
        let qkv = grow(qkv, if halves { 0 } else { t * 3 * d });
        let qkv16 = grow(qkv16, if halves { t * 3 * d } else { 0 });
        let context = grow(context, t * d);
        let inner = grow(inner, t.min(BLOCK) * f);

        let detail = Self::detail(sequences.first().map_or(0, |ids| ids.len()));
        assert!(
            sequences
                .iter()
                .all(|ids| Self::detail(ids.len()) == detail),
            "groups of one detail"
        );
        self.look_up(sequences, x);
        for layer in &self.layers {
            if halves {
                let to = To::Halves(qkv16);
                layer.qkv.apply(kernel, detail, x, to, linear);
            } else {
                let to = To::Floats(qkv, Finish::Plain);
                layer.qkv.apply(kernel, detail, x, to, linear);
            }
            let mut from = 0;
            for n in sequences.iter().map(|ids| ids.len()) {
                let (start, end) = (from * d, (from + n) * d);
                let context = &mut context[start..end];
                if halves {
                    self.attend_bf16(n, &qkv16[3 * start..3 * end], context, attention);
                } else {
                    self.attend_f32(n, &qkv[3 * start..3 * end], context, attention);
                }
                from += n;
            }
            for (x, context) in x.chunks_mut(BLOCK * d).zip(context.chunks(BLOCK * d)) {
                let inner = &mut inner[..x.len() / d * f];
                let to = To::Floats(x, Finish::Add);
                layer.output.apply(kernel, detail, context, to, linear);
                self.normalise(x, &layer.attention_norm);
                let to = To::Floats(inner, Finish::Gelu);
                layer.up.apply(kernel, detail, x, to, linear);
                let to = To::Floats(x, Finish::Add);
                layer.down.apply(kernel, detail, inner, to, linear);
                self.normalise(x, &layer.norm);
            }
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
                self.kernel.add(row, position);
            }
        }
        self.normalise(x, &self.norm);
    }

    fn normalise(&self, x: &mut [f32], norm: &Norm) {
        for row in x.chunks_exact_mut(self.shape.hidden) {
            self.kernel.layer_norm(row, norm.parts(), self.shape.eps);
        }
    }

    fn pool(&self, sequences: &[&[u32]], x: &[f32]) -> Vec<Vec<f32>> {
        let lengths = sequences.iter().map(|ids| ids.len());
        pool(self.pooling, lengths, x, self.shape.hidden)
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
            pack::keys::<f32, 1>(&qkv[d + h * size..], 3 * d, n, size, keys);
            pack::values::<f32, 1>(&qkv[2 * d + h * size..], 3 * d, n, size, values);
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
        qkv: &[u16],
        context: &mut [f32],
        scratch: &mut AttentionScratch,
    ) {
        let (d, size, kernel) = (self.shape.hidden, self.shape.head_size(), self.kernel);
        let scale = 1.0 / (size as f32).sqrt();
        let (keys_n, values_n) = (n.next_multiple_of(NR), n.next_multiple_of(2));
        let keys = grow(&mut scratch.keys16, keys_n * size);
        let values = grow(&mut scratch.values16, values_n * size);
        let scores = grow(&mut scratch.scores, QUERIES * keys_n);
        let weights = grow(&mut scratch.scores16, QUERIES * keys_n);
        for h in 0..self.shape.heads {
            kernel.pack_keys(&qkv[d + h * size..], 3 * d, n, size, keys);
            kernel.pack_values(&qkv[2 * d + h * size..], 3 * d, n, size, values);
            for i in (0..n).step_by(QUERIES) {
                let m = QUERIES.min(n - i);
                let query = Rows {
                    data: &qkv[i * 3 * d + h * size..],
                    stride: 3 * d,
                    m,
                };
                kernel.matmul_bf16(query, size, keys, None, &mut out(scores, keys_n));
                let mut sums = [0f32; QUERIES];
                let rows = scores
                    .chunks_exact_mut(keys_n)
                    .zip(weights.chunks_exact_mut(keys_n));
                for ((scores, weights), sum) in rows.zip(&mut sums[..m]) {
                    *sum = kernel.softmax_bf16(scores, n, scale, weights);
                }
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
