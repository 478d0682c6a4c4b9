//! The element-wise steps by hand: what `lanes.rs` says, operation by operation, on 16 lanes.
//!
//! The compiler's own vectors of the same loops shuffled and spilled (quantising took 19 % of a passage, now 3 %). Every function
//! here gives the bits of its namesake in `lanes.rs`; `kernel/tests.rs` compares them.

use std::arch::x86_64::*;

use crate::kernel::NR;
use crate::kernel::lanes::{
    ERF, ERF_SLOPE, EXP2, GAUSS, LANES, LEAST_EXPONENT, ROUND, RowScale, scale_of,
};

/// `2^y` for `y <= 0`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn exp2(y: __m512) -> __m512 {
    let round = _mm512_set1_ps(ROUND);
    let y = _mm512_max_ps(y, _mm512_set1_ps(LEAST_EXPONENT));
    let shifted = _mm512_add_ps(y, round);
    let f = _mm512_sub_ps(y, _mm512_sub_ps(shifted, round));
    let mut p = _mm512_set1_ps(EXP2[0]);
    for c in &EXP2[1..] {
        p = _mm512_add_ps(_mm512_mul_ps(p, f), _mm512_set1_ps(*c));
    }
    let power = _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted));
    _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), power))
}

/// GELU of 16 values.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn gelu_of(x: __m512) -> __m512 {
    let one = _mm512_set1_ps(1.0);
    let a = _mm512_abs_ps(x);
    let slope = _mm512_mul_ps(a, _mm512_set1_ps(ERF_SLOPE));
    let t = _mm512_div_ps(one, _mm512_add_ps(slope, one));
    let mut p = _mm512_set1_ps(ERF[0]);
    for c in &ERF[1..] {
        p = _mm512_add_ps(_mm512_mul_ps(p, t), _mm512_set1_ps(*c));
    }
    let gauss = exp2(_mm512_mul_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(GAUSS)));
    let tail = _mm512_mul_ps(_mm512_mul_ps(p, t), gauss);
    let positive = _mm512_max_ps(x, _mm512_setzero_ps());
    _mm512_sub_ps(positive, _mm512_mul_ps(a, tail))
}

/// The lanes added up as `lanes::fold` does: halves upon halves.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn fold(x: __m512) -> f32 {
    let x = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps::<1>(x));
    let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
    let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps::<1>(x, x)))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(x: &[f32; LANES]) -> __m512 {
    // SAFETY: the array has the 16 values that are read.
    unsafe { _mm512_loadu_ps(x.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(to: &mut [f32; LANES], x: __m512) {
    // SAFETY: the array has the 16 values that are written.
    unsafe { _mm512_storeu_ps(to.as_mut_ptr(), x) }
}

/// GELU of every value.
#[target_feature(enable = "avx512f,avx512dq")]
pub(in crate::kernel) fn gelu(row: &mut [f32]) {
    let (full, tail) = row.as_chunks_mut::<LANES>();
    for x in full {
        store(x, gelu_of(load(x)));
    }
    crate::kernel::lanes::gelu(tail);
}

/// `x = LayerNorm(x) * gain + shift`.
#[target_feature(enable = "avx512f,avx512dq")]
pub(in crate::kernel) fn layer_norm(x: &mut [f32], norm: (&[f32], &[f32]), eps: f32) {
    let n = x.len() as f32;
    let rows = x.as_chunks_mut::<LANES>().0;
    let mut sum = _mm512_setzero_ps();
    for x in rows.iter() {
        sum = _mm512_add_ps(sum, load(x));
    }
    let mean = _mm512_set1_ps(fold(sum) / n);
    let mut square = _mm512_setzero_ps();
    for x in rows.iter() {
        let d = _mm512_sub_ps(load(x), mean);
        square = _mm512_add_ps(square, _mm512_mul_ps(d, d));
    }
    let inverse = _mm512_set1_ps(1.0 / (fold(square) / n + eps).sqrt());
    let norms = norm.0.as_chunks().0.iter().zip(norm.1.as_chunks().0);
    for (x, (gain, shift)) in rows.iter_mut().zip(norms) {
        let y = _mm512_mul_ps(_mm512_sub_ps(load(x), mean), inverse);
        let y = _mm512_add_ps(_mm512_mul_ps(y, load(gain)), load(shift));
        store(x, y);
    }
}

/// Quantises one row to bytes.
#[target_feature(enable = "avx512f,avx512dq")]
pub(in crate::kernel) fn quantise(row: &[f32], out: &mut [u8]) -> RowScale {
    let rows = row.as_chunks::<LANES>().0;
    let (mut low, mut high) = (_mm512_setzero_ps(), _mm512_setzero_ps());
    for x in rows {
        let x = load(x);
        low = _mm512_min_ps(low, x);
        high = _mm512_max_ps(high, x);
    }
    let (scale, zero) = scale_of(_mm512_reduce_min_ps(low), _mm512_reduce_max_ps(high));
    let (inverse, shift) = (_mm512_set1_ps(1.0 / scale), _mm512_set1_ps(zero));
    for (x, out) in rows.iter().zip(out.as_chunks_mut::<LANES>().0) {
        let value = _mm512_add_ps(_mm512_mul_ps(load(x), inverse), shift);
        let value = _mm512_cvtps_epi32(_mm512_max_ps(value, _mm512_setzero_ps()));
        // SAFETY: the array has the 16 bytes that are written.
        unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), _mm512_cvtusepi32_epi8(value)) }
    }
    RowScale {
        scale,
        zero: zero as i32,
    }
}

/// `e^(scale * (x - max))` over the first `n` values of the row, rounded to bfloat16 into `out`, 0 beyond. Gives the sum before
/// rounding.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512bf16")]
pub(in crate::kernel) fn softmax_bf16(row: &[f32], n: usize, scale: f32, out: &mut [u16]) -> f32 {
    let (rows, out) = (row.as_chunks::<LANES>().0, out.as_chunks_mut::<LANES>().0);
    let (full, tail) = (n / LANES, n % LANES);
    let mask = (1u16 << tail) - 1;
    let mut max = _mm512_set1_ps(f32::NEG_INFINITY);
    for x in &rows[..full] {
        max = _mm512_max_ps(max, load(x));
    }
    if tail > 0 {
        max = _mm512_mask_max_ps(max, mask, max, load(&rows[full]));
    }
    let scale = scale * std::f32::consts::LOG2_E;
    let max = _mm512_set1_ps(_mm512_reduce_max_ps(max) * scale);
    let scale = _mm512_set1_ps(scale);
    let mut sum = _mm512_setzero_ps();
    for (i, (x, out)) in rows.iter().zip(out).enumerate() {
        let mut weight = _mm512_setzero_ps();
        if i <= full {
            weight = exp2(_mm512_sub_ps(_mm512_mul_ps(load(x), scale), max));
            if i == full {
                weight = _mm512_maskz_mov_ps(mask, weight);
            }
            sum = _mm512_add_ps(sum, weight);
        }
        store_bf16(out, weight);
    }
    fold(sum)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
fn store_bf16(to: &mut [u16; LANES], x: __m512) {
    // SAFETY: the array has the 16 values that are written; `__m256bh` is a plain register of them.
    unsafe {
        let halves: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(x));
        _mm256_storeu_si256(to.as_mut_ptr().cast(), halves);
    }
}

/// Rounds to bfloat16.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(in crate::kernel) fn to_bf16(row: &[f32], out: &mut [u16]) {
    let (full, tail) = row.as_chunks::<LANES>();
    let (out, out_tail) = out.as_chunks_mut::<LANES>();
    for (x, out) in full.iter().zip(out) {
        store_bf16(out, load(x));
    }
    crate::kernel::lanes::to_bf16(tail, out_tail);
}

/// Keys `[n][size]` at a row stride into panels `[n/32][size/2][32][2]`; columns beyond `n` are 0.
#[target_feature(enable = "avx512f")]
pub(in crate::kernel) fn pack_keys(
    from: &[u16],
    stride: usize,
    n: usize,
    size: usize,
    to: &mut [u16],
) {
    for (block, keys) in (0..n.next_multiple_of(NR)).step_by(LANES).enumerate() {
        let panel = &mut to[block / 2 * size * NR..(block / 2 + 1) * size * NR];
        for e in (0..size).step_by(2 * LANES) {
            let mut rows = [_mm512_setzero_si512(); LANES];
            for (j, row) in rows.iter_mut().enumerate().take(n.saturating_sub(keys)) {
                let at = (keys + j) * stride + e;
                // SAFETY: the slice has the 32 values that are read.
                *row = unsafe { _mm512_loadu_si512(from[at..at + 2 * LANES].as_ptr().cast()) };
            }
            let at = e * NR + block % 2 * 2 * LANES;
            for (pair, row) in transpose(&rows).into_iter().enumerate() {
                let at = at + pair * 2 * NR;
                let to = &mut panel[at..at + 2 * LANES];
                // SAFETY: the slice has the 32 values that are written.
                unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), row) }
            }
        }
    }
}

/// 16 x 16 numbers of 32 bits, rows to columns: blocks of 2, 4, 8 and 16 change places.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(rows: &[__m512i; LANES]) -> [__m512i; LANES] {
    let mut a = *rows;
    for i in (0..LANES).step_by(2) {
        a[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    let mut b = a;
    for i in (0..LANES).step_by(4) {
        b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
        b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
        b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
        b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
    }
    // Now lane `l` of `b[4 g + c]` holds column `4 l + c` of rows `4 g..4 g + 4`.
    let mut out = b;
    for c in 0..4 {
        let low = _mm512_shuffle_i32x4::<0x44>(b[c], b[4 + c]);
        let high = _mm512_shuffle_i32x4::<0xee>(b[c], b[4 + c]);
        let low_next = _mm512_shuffle_i32x4::<0x44>(b[8 + c], b[12 + c]);
        let high_next = _mm512_shuffle_i32x4::<0xee>(b[8 + c], b[12 + c]);
        out[c] = _mm512_shuffle_i32x4::<0x88>(low, low_next);
        out[4 + c] = _mm512_shuffle_i32x4::<0xdd>(low, low_next);
        out[8 + c] = _mm512_shuffle_i32x4::<0x88>(high, high_next);
        out[12 + c] = _mm512_shuffle_i32x4::<0xdd>(high, high_next);
    }
    out
}

/// Values `[n][size]` at a row stride into panels `[size/32][n/2][32][2]`; a row beyond an odd `n` is 0.
#[target_feature(enable = "avx512f,avx512bw")]
pub(in crate::kernel) fn pack_values(
    from: &[u16],
    stride: usize,
    n: usize,
    size: usize,
    to: &mut [u16],
) {
    let places = |first: u16| -> [u16; 2 * LANES] {
        std::array::from_fn(|i| first + (i / 2) as u16 + (i % 2) as u16 * 32)
    };
    let (places_low, places_high) = (places(0), places(16));
    let panel_len = n.next_multiple_of(2) * NR;
    // SAFETY: every slice and array has the 32 values that are read or written.
    unsafe {
        let low = _mm512_loadu_si512(places_low.as_ptr().cast());
        let high = _mm512_loadu_si512(places_high.as_ptr().cast());
        for (p, panel) in to[..size * n.next_multiple_of(2)]
            .chunks_exact_mut(panel_len)
            .enumerate()
        {
            let row = |i: usize| {
                if i >= n {
                    return _mm512_setzero_si512();
                }
                let at = i * stride + p * NR;
                _mm512_loadu_si512(from[at..at + NR].as_ptr().cast())
            };
            for (pair, to) in panel.chunks_exact_mut(2 * NR).enumerate() {
                let (even, odd) = (row(2 * pair), row(2 * pair + 1));
                let to = to.as_mut_ptr();
                _mm512_storeu_si512(to.cast(), _mm512_permutex2var_epi16(even, low, odd));
                _mm512_storeu_si512(
                    to.add(NR).cast(),
                    _mm512_permutex2var_epi16(even, high, odd),
                );
            }
        }
    }
}
