//! Element-wise steps of the encoder, written over 16 lanes so that every instruction set computes the same bits.
//!
//! Each function is plain Rust, always inlined, and compiled once per instruction set by `compile_for!` (see `kernel/mod.rs`).
//! The compiler never fuses `a * b + c` on its own, sums run over 16 fixed lanes and are folded by one fixed tree, and
//! rounding goes through an addition: so the result does not depend on the width of the machine's registers.
//! Lengths are multiples of 16 unless a function says otherwise. Cost: one to three passes over the row.

/// Lanes of all running sums: the width of the widest instruction set in use.
pub(crate) const LANES: usize = 16;

/// 1.5 * 2^23: adding it leaves an integer, rounded half to even, in the low bits of the mantissa (|x| < 2^22).
pub(crate) const ROUND: f32 = 12_582_912.0;

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

/// Coefficients of [`exp2`] from the highest power down: minimax on [-0.5, 0.5], relative error below 1e-7.
pub(crate) const EXP2: [f32; 6] = [
    0.001_327_647_2,
    0.009_675_541,
    0.055_507_13,
    0.240_221_2,
    0.693_146_97,
    1.000_000_1,
];

/// Below this [`exp2`] stands still: 2^-87 vanishes beside the 1 of every softmax and is no subnormal number.
pub(crate) const LEAST_EXPONENT: f32 = -87.0;

/// 2^y for y <= 0: the whole part goes into the exponent, the rest through a polynomial.
#[inline(always)]
fn exp2(y: f32) -> f32 {
    let y = larger(y, LEAST_EXPONENT);
    let shifted = y + ROUND;
    let f = y - (shifted - ROUND);
    let mut p = EXP2[0];
    for c in &EXP2[1..] {
        p = p * f + c;
    }
    // The low bits of `shifted` hold the whole part in two's complement; those of `ROUND` itself are 0.
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// The error function's argument and polynomial in [`gelu`]: Abramowitz and Stegun 7.1.26, with 1 / sqrt(2) in the argument and
/// 1 / 2 in the coefficients.
pub(crate) const ERF_SLOPE: f32 = 0.231_641_88;
pub(crate) const ERF: [f32; 5] = [
    0.530_702_7,
    -0.726_576,
    0.710_706_9,
    -0.142_248_37,
    0.127_414_8,
];

/// -log2(e) / 2: e^(-x^2 / 2) = 2^(x^2 times this).
pub(crate) const GAUSS: f32 = -0.721_347_5;

/// GELU by the error function, whose absolute error is below 1.5e-7: max(x, 0) - |x| Phi(-|x|).
#[inline(always)]
pub(crate) fn gelu_of(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (a * ERF_SLOPE + 1.0);
    let mut p = ERF[0];
    for c in &ERF[1..] {
        p = p * t + c;
    }
    let tail = p * t * exp2(x * x * GAUSS);
    larger(x, 0.0) - a * tail
}

/// GELU of every value.
#[inline(always)]
pub(crate) fn gelu(row: &mut [f32]) {
    for x in row {
        *x = gelu_of(*x);
    }
}

/// `x = LayerNorm(x) * gain + shift`.
#[inline(always)]
pub(crate) fn layer_norm(x: &mut [f32], norm: (&[f32], &[f32]), eps: f32) {
    let n = x.len() as f32;
    let mut sum = [0f32; LANES];
    for x in x.as_chunks::<LANES>().0 {
        sum = each(&sum, x, |a, b| a + b);
    }
    let mean = fold(sum) / n;
    let mut square = [0f32; LANES];
    for x in x.as_chunks::<LANES>().0 {
        square = each(&square, x, |a, b| a + (b - mean) * (b - mean));
    }
    let inverse = 1.0 / (fold(square) / n + eps).sqrt();
    for ((x, gain), shift) in x.iter_mut().zip(norm.0).zip(norm.1) {
        *x = (*x - mean) * inverse * gain + shift;
    }
}

/// In place `e^(scale * (x - max))` over the first `n` values of the row; the rest becomes 0. Gives the sum.
#[inline(always)]
pub(crate) fn softmax_exp(row: &mut [f32], n: usize, scale: f32) -> f32 {
    let (full, tail) = row[..n].as_chunks::<LANES>();
    let mut max = [f32::NEG_INFINITY; LANES];
    for x in full {
        max = each(&max, x, larger);
    }
    for (m, x) in max.iter_mut().zip(tail) {
        *m = larger(*m, *x);
    }
    let scale = scale * std::f32::consts::LOG2_E;
    let max = max.iter().fold(f32::NEG_INFINITY, |a, b| larger(a, *b)) * scale;
    let mut sum = [0f32; LANES];
    let (full, tail) = row[..n].as_chunks_mut::<LANES>();
    for x in full {
        *x = std::array::from_fn(|i| exp2(x[i] * scale - max));
        sum = each(&sum, x, |a, b| a + b);
    }
    for (s, x) in sum.iter_mut().zip(tail) {
        *x = exp2(*x * scale - max);
        *s += *x;
    }
    row[n..].fill(0.0);
    fold(sum)
}

/// Lane by lane.
#[inline(always)]
fn each(a: &[f32; LANES], b: &[f32; LANES], of: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    std::array::from_fn(|i| of(a[i], b[i]))
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
    for x in row.as_chunks::<LANES>().0 {
        low = each(&low, x, smaller);
        high = each(&high, x, larger);
    }
    let low = low.iter().fold(0f32, |a, b| smaller(a, *b));
    let high = high.iter().fold(0f32, |a, b| larger(a, *b));
    let (scale, zero) = scale_of(low, high);
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

/// Scale and zero point for a row between `low` <= 0 and `high` >= 0.
#[inline(always)]
pub(crate) fn scale_of(low: f32, high: f32) -> (f32, f32) {
    let scale = larger((high - low) / 255.0, 1e-12);
    (scale, (-low / scale + ROUND) - ROUND)
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
    // As the instruction does: subnormal numbers become 0.
    if bits & 0x7f80_0000 == 0 {
        return bits & 0x8000_0000;
    }
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
