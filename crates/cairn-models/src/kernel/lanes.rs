//! Element-wise steps of the encoder, written over 16 lanes so that every instruction set computes the same bits.
//!
//! Each function is plain Rust, always inlined, and compiled once per instruction set by `compile_for!` (see `kernel/mod.rs`).
//! The compiler never fuses `a * b + c` on its own, sums run over 16 fixed lanes and are folded by one fixed tree, and
//! rounding goes through an addition: so the result does not depend on the width of the machine's registers.
//! Lengths are multiples of 16 unless a function says otherwise. Cost: one to three passes over the row.

/// Lanes of all running sums: the width of the widest instruction set in use.
pub(crate) const LANES: usize = 16;

/// 1.5 * 2^23: adding it leaves an integer, rounded half to even, in the low bits of the mantissa (|x| < 2^22).
const ROUND: f32 = 12_582_912.0;

/// Scale and zero point of one quantised row: `x ~ scale * (q - zero)`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct RowScale {
    pub(crate) scale: f32,
    pub(crate) zero: i32,
}

#[inline(always)]
fn fold(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// e^x for x <= 0: Cody-Waite reduction and a polynomial of degree 6, relative error below 2e-7.
/// Below -60 it stays at e^-60, which vanishes beside the 1 of every softmax and avoids subnormal numbers.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let x = larger(x, -60.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let f = x - n * 0.693_145_75;
    let f = f - n * 1.428_606_8e-6;
    let mut p = 1.0 / 720.0;
    for c in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = p * f + c;
    }
    // The low bits of `shifted` hold n in two's complement; shifted left they become the exponent of 2^n.
    let power = f32::from_bits((shifted.to_bits().wrapping_add(127)) << 23);
    p * power
}

/// GELU with the error function of Abramowitz and Stegun 7.1.26 (absolute error below 1.5e-7).
#[inline(always)]
pub(crate) fn gelu(row: &mut [f32]) {
    for x in row {
        let z = (*x * std::f32::consts::FRAC_1_SQRT_2).abs();
        let t = 1.0 / (z * 0.327_591_1 + 1.0);
        let mut p = 1.061_405_4_f32;
        for c in [-1.453_152, 1.421_413_8, -0.284_496_74, 0.254_829_6] {
            p = p * t + c;
        }
        let half = 0.5 * *x * (p * t * exp(-(z * z)));
        *x = if *x < 0.0 { half } else { *x - half };
    }
}

/// `x = LayerNorm(x + r) * gain + shift`.
#[inline(always)]
pub(crate) fn add_layer_norm(x: &mut [f32], r: &[f32], norm: (&[f32], &[f32]), eps: f32) {
    let n = x.len() as f32;
    let mut sum = [0f32; LANES];
    for (x, r) in x.chunks_exact_mut(LANES).zip(r.chunks_exact(LANES)) {
        for i in 0..LANES {
            x[i] += r[i];
            sum[i] += x[i];
        }
    }
    let mean = fold(sum) / n;
    let mut square = [0f32; LANES];
    for x in x.chunks_exact(LANES) {
        for i in 0..LANES {
            let d = x[i] - mean;
            square[i] += d * d;
        }
    }
    let inverse = 1.0 / (fold(square) / n + eps).sqrt();
    for ((x, gain), shift) in x.iter_mut().zip(norm.0).zip(norm.1) {
        *x = (*x - mean) * inverse * gain + shift;
    }
}

/// In place `e^(scale * (x - max))` over the first `n` values of the row; the rest becomes 0. Gives the sum.
#[inline(always)]
pub(crate) fn softmax_exp(row: &mut [f32], n: usize, scale: f32) -> f32 {
    let mut max = [f32::NEG_INFINITY; LANES];
    let (full, tail) = row[..n].as_chunks::<LANES>();
    for x in full {
        for i in 0..LANES {
            max[i] = larger(max[i], x[i]);
        }
    }
    for (m, x) in max.iter_mut().zip(tail) {
        *m = larger(*m, *x);
    }
    let max = max.iter().fold(f32::NEG_INFINITY, |a, b| larger(a, *b));
    let mut sum = [0f32; LANES];
    let (full, tail) = row[..n].as_chunks_mut::<LANES>();
    for x in full {
        for i in 0..LANES {
            x[i] = exp((x[i] - max) * scale);
            sum[i] += x[i];
        }
    }
    for (s, x) in sum.iter_mut().zip(tail) {
        *x = exp((*x - max) * scale);
        *s += *x;
    }
    row[n..].fill(0.0);
    fold(sum)
}

/// Multiplies every value.
#[inline(always)]
pub(crate) fn multiply(row: &mut [f32], factor: f32) {
    for x in row {
        *x *= factor;
    }
}

/// Asymmetric quantisation of one row to 0..=255 with its own scale; 0 is always represented exactly.
#[inline(always)]
pub(crate) fn quantise(row: &[f32], out: &mut [u8]) -> RowScale {
    let (mut low, mut high) = ([0f32; LANES], [0f32; LANES]);
    for x in row.chunks_exact(LANES) {
        for i in 0..LANES {
            low[i] = smaller(low[i], x[i]);
            high[i] = larger(high[i], x[i]);
        }
    }
    let low = low.iter().fold(0f32, |a, b| smaller(a, *b));
    let high = high.iter().fold(0f32, |a, b| larger(a, *b));
    let scale = larger((high - low) / 255.0, 1e-12);
    let zero = (-low / scale + ROUND) - ROUND;
    let inverse = 1.0 / scale;
    for (x, q) in row.iter().zip(out) {
        let value = smaller(larger(*x * inverse + zero, 0.0), 255.0);
        *q = (value + ROUND).to_bits() as u8;
    }
    RowScale {
        scale,
        zero: zero as i32,
    }
}

/// What quantisation left of a row: `row - scale * (q - zero)`.
#[inline(always)]
pub(crate) fn residual(row: &[f32], q: &[u8], scale: RowScale, out: &mut [f32]) {
    for ((x, q), o) in row.iter().zip(q).zip(out) {
        *o = *x - (i32::from(*q) - scale.zero) as f32 * scale.scale;
    }
}

/// `x += y`.
#[inline(always)]
pub(crate) fn add(x: &mut [f32], y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}

/// Widens quantised values for the kernels that multiply 16-bit numbers.
#[inline(always)]
pub(crate) fn widen(row: &[u8], out: &mut [i16]) {
    for (q, o) in row.iter().zip(out) {
        *o = i16::from(*q);
    }
}

#[inline(always)]
fn bf16_bits(x: f32) -> u32 {
    let bits = x.to_bits();
    bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000
}

/// Rounds to bfloat16 (half to even), kept as `f32`.
#[inline(always)]
pub(crate) fn round_bf16(row: &[f32], out: &mut [f32]) {
    for (x, o) in row.iter().zip(out) {
        *o = f32::from_bits(bf16_bits(*x));
    }
}

/// Rounds to bfloat16 (half to even).
#[inline(always)]
pub(crate) fn to_bf16(row: &[f32], out: &mut [u16]) {
    for (x, o) in row.iter().zip(out) {
        *o = (bf16_bits(*x) >> 16) as u16;
    }
}
