//! Linear layers: weights packed once for the chosen kernel and precision.
//!
//! A matrix of `n` outputs and `k` inputs is cut into panels of 32 outputs: `f32 [n/32][k][32]`, pairs (bfloat16, 16-bit)
//! `[n/32][k/2][32][2]`, bytes `[n/32][k/4][32][4]`: a kernel reads a panel from front to back.
//!
//! int8: weights symmetric per output channel (scale = max |w| / 127, half to even), activations asymmetric per token;
//! `y = s_w s_a (sum q_w q_a - zero sum q_w) + bias`, the bracket exact in 32-bit integers. Cost of packing: one pass over the weights.
//! [`Detail::Fine`] quantises what the first byte left with a second one and adds both products: twice the work, a third of the error.

use crate::kernel::{Finish, Kernel, NR, Out, RowScale, Rows, Scales};
use crate::manifest::Precision;

/// See `lanes.rs`: adding it rounds to an integer, half to even.
const ROUND: f32 = 12_582_912.0;

/// A layer `y = x W^T + bias`.
#[derive(Debug)]
pub(crate) struct Linear {
    k: usize,
    n: usize,
    bias: Vec<f32>,
    weights: Packed,
}

#[derive(Debug)]
enum Packed {
    F32(Vec<f32>),
    /// bfloat16 values kept as `f32`, for kernels without bfloat16 instructions.
    Rounded(Vec<f32>),
    Bf16(Vec<u16>),
    Int8(Bytes, Channels),
}

#[derive(Debug)]
enum Bytes {
    Packed(Vec<i8>),
    /// Widened to 16 bits, for kernels without byte products.
    Wide(Vec<i16>),
}

/// Per output channel: its scale and the sum of its quantised weights.
#[derive(Debug)]
struct Channels {
    scales: Vec<f32>,
    sums: Vec<i32>,
}

/// How many bytes carry one activation in int8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// One.
    Plain,
    /// Two.
    Fine,
}

/// Buffers for the activations in the numbers of the kernel.
#[derive(Debug, Default)]
pub(crate) struct LinearScratch {
    bytes: Vec<u8>,
    words: Vec<i16>,
    halves: Vec<u16>,
    floats: Vec<f32>,
    rows: Vec<RowScale>,
    rest: Vec<f32>,
    second: Vec<f32>,
    result: Vec<f32>,
}

/// Where the results of a layer go.
#[derive(Debug)]
pub(crate) enum To<'a> {
    /// `[t][n]` numbers, finished as said.
    Floats(&'a mut [f32], Finish),
    /// Rounded to bfloat16 `[t][n]`.
    Halves(&'a mut [u16]),
}

/// Makes room for `n` elements without clearing what is there.
pub(crate) fn grow<T: Default + Clone>(buffer: &mut Vec<T>, n: usize) -> &mut [T] {
    if buffer.len() < n {
        buffer.resize(n, T::default());
    }
    &mut buffer[..n]
}

impl Linear {
    /// Packs row-major weights `[n][k]`.
    pub(crate) fn pack(
        kernel: Kernel,
        precision: Precision,
        weights: &[f32],
        bias: Vec<f32>,
        k: usize,
    ) -> Self {
        let n = bias.len();
        debug_assert!(n.is_multiple_of(NR) && k.is_multiple_of(4) && weights.len() == n * k);
        let weights = match precision {
            Precision::F32 => Packed::F32(panels::<f32, 1>(weights, k)),
            Precision::Bf16 if kernel.has_bf16() => {
                let mut halves = vec![0; weights.len()];
                kernel.to_bf16(weights, &mut halves);
                Packed::Bf16(panels::<u16, 2>(&halves, k))
            }
            Precision::Bf16 => {
                let mut rounded = vec![0.0; weights.len()];
                kernel.round_bf16(weights, &mut rounded);
                Packed::Rounded(panels::<f32, 1>(&rounded, k))
            }
            Precision::Int8 => {
                let (bytes, channels) = quantise(weights, k);
                let bytes = if kernel.has_int8() {
                    Bytes::Packed(panels::<i8, 4>(&bytes, k))
                } else {
                    let words: Vec<i16> = bytes.iter().map(|b| i16::from(*b)).collect();
                    Bytes::Wide(panels::<i16, 2>(&words, k))
                };
                Packed::Int8(bytes, channels)
            }
        };
        Self {
            k,
            n,
            bias,
            weights,
        }
    }

    /// `x[t][k] W^T + bias` to where it belongs. `detail` matters in int8 only.
    pub(crate) fn apply(
        &self,
        kernel: Kernel,
        detail: Detail,
        x: &[f32],
        to: To<'_>,
        scratch: &mut LinearScratch,
    ) {
        // Bytes on a path that multiplies them are finished in registers; everything else in a pass of its own.
        if let (Packed::Int8(Bytes::Packed(panels), channels), Detail::Plain) =
            (&self.weights, detail)
        {
            self.apply_fused(kernel, panels, channels, x, to, scratch);
            return;
        }
        match to {
            To::Floats(out, Finish::Plain) => self.product(kernel, detail, x, out, scratch),
            To::Floats(out, Finish::Gelu) => {
                self.product(kernel, detail, x, out, scratch);
                kernel.gelu(out);
            }
            To::Floats(out, Finish::Add) => {
                let mut result = std::mem::take(&mut scratch.result);
                let y = grow(&mut result, out.len());
                self.product(kernel, detail, x, y, scratch);
                kernel.add(out, y);
                scratch.result = result;
            }
            To::Halves(out) => {
                let mut result = std::mem::take(&mut scratch.result);
                let y = grow(&mut result, out.len());
                self.product(kernel, detail, x, y, scratch);
                kernel.to_bf16(y, out);
                scratch.result = result;
            }
        }
    }

    /// `out[t][n] = x[t][k] W^T + bias`.
    fn product(
        &self,
        kernel: Kernel,
        detail: Detail,
        x: &[f32],
        out: &mut [f32],
        scratch: &mut LinearScratch,
    ) {
        let (k, m) = (self.k, x.len() / self.k);
        let bias = Some(self.bias.as_slice());
        match &self.weights {
            Packed::F32(panels) => {
                kernel.matmul_f32(rows(x, k, m), k, panels, bias, &mut self.out(out));
            }
            Packed::Rounded(panels) => {
                let x16 = grow(&mut scratch.floats, x.len());
                kernel.round_bf16(x, x16);
                kernel.matmul_f32(rows(x16, k, m), k, panels, bias, &mut self.out(out));
            }
            Packed::Bf16(panels) => {
                let x16 = grow(&mut scratch.halves, x.len());
                kernel.to_bf16(x, x16);
                kernel.matmul_bf16(rows(x16, k, m), k, panels, bias, &mut self.out(out));
            }
            Packed::Int8(bytes, channels) => {
                self.apply_bytes(kernel, bytes, channels, &self.bias, x, out, scratch);
                if detail == Detail::Fine {
                    self.add_rest(kernel, bytes, channels, x, out, scratch);
                }
            }
        }
    }

    fn apply_fused(
        &self,
        kernel: Kernel,
        panels: &[i8],
        channels: &Channels,
        x: &[f32],
        to: To<'_>,
        scratch: &mut LinearScratch,
    ) {
        let (k, m) = (self.k, x.len() / self.k);
        let x8 = quantise_rows(kernel, k, x, &mut scratch.bytes, &mut scratch.rows);
        let (x8, scales) = (rows(x8, k, m), channels.scales(&scratch.rows, &self.bias));
        match to {
            To::Floats(out, finish) => {
                kernel.matmul_i8(x8, k, panels, scales, finish, &mut self.out(out));
            }
            To::Halves(out) => {
                kernel.matmul_i8_bf16(x8, k, panels, scales, &mut self.out(out));
            }
        }
    }

    /// The product of the quantised rows; leaves their bytes and scales in the scratch.
    #[expect(
        clippy::too_many_arguments,
        reason = "parts of one layer, borrowed apart"
    )]
    fn apply_bytes(
        &self,
        kernel: Kernel,
        bytes: &Bytes,
        channels: &Channels,
        bias: &[f32],
        x: &[f32],
        out: &mut [f32],
        scratch: &mut LinearScratch,
    ) {
        let (k, m) = (self.k, x.len() / self.k);
        let x8 = quantise_rows(kernel, k, x, &mut scratch.bytes, &mut scratch.rows);
        let scales = channels.scales(&scratch.rows, bias);
        match bytes {
            Bytes::Packed(panels) => {
                let out = &mut self.out(out);
                kernel.matmul_i8(rows(x8, k, m), k, panels, scales, Finish::Plain, out);
            }
            Bytes::Wide(panels) => {
                let x16 = grow(&mut scratch.words, x.len());
                kernel.widen(x8, x16);
                kernel.matmul_i16(rows(x16, k, m), k, panels, scales, &mut self.out(out));
            }
        }
    }

    /// Adds the product of what the first byte of each activation left.
    fn add_rest(
        &self,
        kernel: Kernel,
        bytes: &Bytes,
        channels: &Channels,
        x: &[f32],
        out: &mut [f32],
        scratch: &mut LinearScratch,
    ) {
        let (k, n) = (self.k, self.n);
        let mut rest = std::mem::take(&mut scratch.rest);
        let mut second = std::mem::take(&mut scratch.second);
        let to = grow(&mut rest, x.len());
        let rows = to
            .chunks_exact_mut(k)
            .zip(x.chunks_exact(k))
            .zip(scratch.bytes.chunks_exact(k));
        for (((rest, x), q), scale) in rows.zip(&scratch.rows) {
            kernel.residual(x, q, *scale, rest);
        }
        let product = grow(&mut second, out.len());
        let no_bias = vec![0.0; n];
        self.apply_bytes(
            kernel,
            bytes,
            channels,
            &no_bias,
            &rest[..x.len()],
            product,
            scratch,
        );
        kernel.add(out, product);
        (scratch.rest, scratch.second) = (rest, second);
    }

    fn out<'a, T>(&self, data: &'a mut [T]) -> Out<'a, T> {
        Out {
            data,
            stride: self.n,
        }
    }
}

impl Channels {
    fn scales<'a>(&'a self, rows: &'a [RowScale], bias: &'a [f32]) -> Scales<'a> {
        Scales {
            rows,
            columns: &self.scales,
            sums: &self.sums,
            bias,
        }
    }
}

fn quantise_rows<'a>(
    kernel: Kernel,
    k: usize,
    x: &[f32],
    bytes: &'a mut Vec<u8>,
    scales: &mut Vec<RowScale>,
) -> &'a mut [u8] {
    let x8 = grow(bytes, x.len());
    scales.clear();
    for (x, x8) in x.chunks_exact(k).zip(x8.chunks_exact_mut(k)) {
        scales.push(kernel.quantise(x, x8));
    }
    x8
}

fn rows<T>(data: &[T], stride: usize, m: usize) -> Rows<'_, T> {
    Rows { data, stride, m }
}

/// Quantises every output channel (row of `weights`) by itself.
fn quantise(weights: &[f32], k: usize) -> (Vec<i8>, Channels) {
    let n = weights.len() / k;
    let mut bytes = vec![0i8; weights.len()];
    let mut channels = Channels {
        scales: Vec::with_capacity(n),
        sums: Vec::with_capacity(n),
    };
    for (row, out) in weights.chunks_exact(k).zip(bytes.chunks_exact_mut(k)) {
        let largest = row
            .iter()
            .fold(0f32, |most, w| if w.abs() > most { w.abs() } else { most });
        let scale = largest.max(1e-12) / 127.0;
        let mut sum = 0i32;
        for (w, q) in row.iter().zip(out) {
            *q = (w / scale + ROUND).to_bits() as u8 as i8;
            sum += i32::from(*q);
        }
        channels.scales.push(scale);
        channels.sums.push(sum);
    }
    (bytes, channels)
}

/// Cuts `[n][k]` into `[n/32][k/G][32][G]`.
fn panels<T: Copy + Default, const G: usize>(weights: &[T], k: usize) -> Vec<T> {
    let mut out = vec![T::default(); weights.len()];
    for (panel, rows) in out
        .chunks_exact_mut(k * NR)
        .zip(weights.chunks_exact(k * NR))
    {
        for (j, row) in rows.chunks_exact(k).enumerate() {
            for (group, from) in panel.chunks_exact_mut(NR * G).zip(row.chunks_exact(G)) {
                group[j * G..(j + 1) * G].copy_from_slice(from);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_put_groups_of_k_side_by_side() {
        let k = 8;
        let weights: Vec<u16> = (0..64 * 8).collect();
        let packed = panels::<u16, 2>(&weights, k);
        for (j, e) in [(0, 0), (1, 3), (31, 7), (32, 0), (63, 6)] {
            let at = (j / NR) * k * NR + (e / 2) * 2 * NR + (j % NR) * 2 + e % 2;
            assert_eq!(packed[at], weights[j * k + e], "channel {j}, input {e}");
        }
    }

    #[test]
    fn quantised_channels_use_their_whole_range() {
        let row: Vec<f32> = (0..32).map(|i| (i as f32 - 15.5) * 0.01).collect();
        let (bytes, channels) = quantise(&row, 32);
        assert_eq!((bytes[0], bytes[31]), (-127, 127));
        assert_eq!(
            channels.sums[0],
            bytes.iter().map(|b| i32::from(*b)).sum::<i32>()
        );
        for (w, q) in row.iter().zip(&bytes) {
            assert!((w - f32::from(*q) * channels.scales[0]).abs() <= channels.scales[0] * 0.5001);
        }
        let (zeros, channels) = quantise(&[0.0; 32], 32);
        assert!(zeros.iter().all(|q| *q == 0) && channels.scales[0] > 0.0);
    }
}
