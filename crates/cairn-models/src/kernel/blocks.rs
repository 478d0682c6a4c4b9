//! Matrix products in plain Rust, shaped so that the compiler keeps a tile of the result in vector registers.
//!
//! `out[m x n] = a[m x k] * B (+ bias)`, B packed in panels of [`NR`] columns (see `linear.rs`). A tile is `M` rows by `C` columns;
//! both are chosen by the caller (8 columns = two registers of 128 bits).
//! Within a pair of k the odd element is added first, because that is the order of the AVX-512 bfloat16 instruction:
//! products of two bfloat16 values are exact in `f32`, so this order makes all paths agree bit for bit.

use super::{Out, Rows, Scales};

/// Columns of a weight panel.
pub(crate) const NR: usize = 32;

/// Columns of k that are multiplied before the next panel block: 48 KiB of `f32` panel stay in the first-level cache.
pub(crate) const KC: usize = 384;

/// `f32` product. `k` is even.
#[inline(always)]
pub(crate) fn matmul_f32<const M: usize, const C: usize>(
    a: Rows<'_, f32>,
    k: usize,
    panels: &[f32],
    bias: Option<&[f32]>,
    out: &mut Out<'_>,
) {
    for (p, panel) in panels.chunks_exact(k * NR).enumerate() {
        for k0 in (0..k).step_by(KC) {
            let kk = KC.min(k - k0);
            let block = &panel[k0 * NR..(k0 + kk) * NR];
            let mut i = 0;
            while i + M <= a.m {
                tile_f32::<M, C>(a, i, k0, block, p, bias, out);
                i += M;
            }
            while i < a.m {
                tile_f32::<1, C>(a, i, k0, block, p, bias, out);
                i += 1;
            }
        }
    }
}

#[inline(always)]
fn tile_f32<const M: usize, const C: usize>(
    a: Rows<'_, f32>,
    i: usize,
    k0: usize,
    block: &[f32],
    p: usize,
    bias: Option<&[f32]>,
    out: &mut Out<'_>,
) {
    let kk = block.len() / NR;
    let rows: [&[f32]; M] = std::array::from_fn(|r| &a.row(i + r)[k0..k0 + kk]);
    for c0 in (0..NR).step_by(C) {
        let col = p * NR + c0;
        let mut acc = [[0f32; C]; M];
        for (r, acc) in acc.iter_mut().enumerate() {
            if k0 > 0 {
                acc.copy_from_slice(&out.row(i + r)[col..col + C]);
            } else if let Some(bias) = bias {
                acc.copy_from_slice(&bias[col..col + C]);
            }
        }
        for (pair, b) in block.chunks_exact(2 * NR).enumerate() {
            // Copies, so that the compiler sees values instead of memory and keeps the sums in registers.
            let even: [f32; C] = std::array::from_fn(|c| b[c0 + c]);
            let odd: [f32; C] = std::array::from_fn(|c| b[NR + c0 + c]);
            for r in 0..M {
                let (x, y) = (rows[r][2 * pair], rows[r][2 * pair + 1]);
                for c in 0..C {
                    acc[r][c] = x * even[c] + (y * odd[c] + acc[r][c]);
                }
            }
        }
        for (r, acc) in acc.iter().enumerate() {
            out.row(i + r)[col..col + C].copy_from_slice(acc);
        }
    }
}

/// Terms of a byte product whose sum `f32` holds exactly: 255 * 127 * 512 < 2^24. Compilers turn `f32` loops into vector
/// instructions on every CPU, 16-bit products only on some.
const EXACT: usize = 512;

/// Product of quantised rows (0..=255) with quantised weights (-127..=127), both widened to 16 bits, exact in `i32`:
/// 255 * 127 * k stays below 2^31 up to k = 66,000.
#[inline(always)]
pub(crate) fn matmul_i16<const M: usize, const C: usize>(
    a: Rows<'_, i16>,
    k: usize,
    panels: &[i16],
    scales: Scales<'_>,
    out: &mut Out<'_>,
) {
    for (p, panel) in panels.chunks_exact(k * NR).enumerate() {
        let mut i = 0;
        while i + M <= a.m {
            tile_i16::<M, C>(a, i, k, panel, p, scales, out);
            i += M;
        }
        while i < a.m {
            tile_i16::<1, C>(a, i, k, panel, p, scales, out);
            i += 1;
        }
    }
}

#[inline(always)]
fn tile_i16<const M: usize, const C: usize>(
    a: Rows<'_, i16>,
    i: usize,
    k: usize,
    panel: &[i16],
    p: usize,
    scales: Scales<'_>,
    out: &mut Out<'_>,
) {
    let rows: [&[i16]; M] = std::array::from_fn(|r| &a.row(i + r)[..k]);
    for c0 in (0..NR).step_by(C) {
        let mut acc = [[0i32; C]; M];
        for (block, k0) in panel.chunks(EXACT * NR).zip((0..k).step_by(EXACT)) {
            let mut part = [[0f32; C]; M];
            for (pair, b) in block.chunks_exact(2 * NR).enumerate() {
                let even: [f32; C] = std::array::from_fn(|c| f32::from(b[2 * (c0 + c)]));
                let odd: [f32; C] = std::array::from_fn(|c| f32::from(b[2 * (c0 + c) + 1]));
                for r in 0..M {
                    let at = k0 + 2 * pair;
                    let (x, y) = (f32::from(rows[r][at]), f32::from(rows[r][at + 1]));
                    for c in 0..C {
                        part[r][c] = x * even[c] + (y * odd[c] + part[r][c]);
                    }
                }
            }
            for r in 0..M {
                for c in 0..C {
                    acc[r][c] += part[r][c] as i32;
                }
            }
        }
        for (r, acc) in acc.iter().enumerate() {
            let row = scales.rows[i + r];
            let to = &mut out.row(i + r)[p * NR + c0..p * NR + c0 + C];
            for c in 0..C {
                let col = p * NR + c0 + c;
                let exact = acc[c] - row.zero * scales.sums[col];
                to[c] = exact as f32 * (scales.columns[col] * row.scale) + scales.bias[col];
            }
        }
    }
}
