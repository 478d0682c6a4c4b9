//! AVX2 and FMA: the plain loops of `lanes.rs` compiled for 256-bit registers, and products by hand.
//!
//! Byte products go through 16 bits (`vpmaddwd`, exact): the byte instruction of AVX2 saturates its 16-bit sums, which
//! would force 7-bit activations and so another embedding space. A tile is 6 rows by 16 columns in 12 of 16 registers; the plain
//! loops of `blocks.rs` compiled for AVX2 spilled their sums and ran a tenth as fast.

use std::arch::x86_64::*;

use super::blocks::{KC, NR};
use super::{Out, Rows, Scales, compile_for};

/// Rows of a tile.
const MR: usize = 6;

pub(super) fn is_detected() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

compile_for!("avx2,fma", all);

/// Calls the tile of `$m` rows; the row count must be a constant for the accumulators to be registers.
macro_rules! tile_of {
    ($m:expr, $tile:ident($($arg:expr),*)) => {
        match $m {
            6 => $tile::<6>($($arg),*),
            5 => $tile::<5>($($arg),*),
            4 => $tile::<4>($($arg),*),
            3 => $tile::<3>($($arg),*),
            2 => $tile::<2>($($arg),*),
            _ => $tile::<1>($($arg),*),
        }
    };
}

/// # Safety
/// Shapes as `check_shapes` proves them.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn matmul_f32(
    a: Rows<'_, f32>,
    k: usize,
    panels: &[f32],
    bias: Option<&[f32]>,
    out: &mut Out<'_>,
) {
    for (p, panel) in panels.chunks_exact(k * NR).enumerate() {
        for k0 in (0..k).step_by(KC) {
            let mut i = 0;
            while i < a.m {
                let m = MR.min(a.m - i);
                for half in 0..2 {
                    let col = p * NR + half * 16;
                    // SAFETY: rows i..i + m and columns of panel p lie inside the checked shapes.
                    unsafe {
                        let tile = Tile {
                            x: a.data.as_ptr().add(i * a.stride + k0),
                            stride: a.stride,
                            pairs: KC.min(k - k0) / 2,
                            b: panel.as_ptr().add(k0 * NR + half * 16),
                            i,
                            col,
                            y: out.data.as_mut_ptr().add(i * out.stride + col),
                            y_stride: out.stride,
                        };
                        let first = k0 == 0;
                        tile_of!(m, tile_f32(&tile, first, bias));
                    }
                }
                i += m;
            }
        }
    }
}

/// # Safety
/// The tile has `M` rows inside the checked shapes.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_f32<const M: usize>(tile: &Tile<f32>, first: bool, bias: Option<&[f32]>) {
    // SAFETY: see above.
    unsafe {
        let mut acc = [[_mm256_setzero_ps(); 2]; M];
        if !first {
            for (r, acc) in acc.iter_mut().enumerate() {
                let y = tile.y.add(r * tile.y_stride);
                *acc = [_mm256_loadu_ps(y), _mm256_loadu_ps(y.add(8))];
            }
        } else if let Some(bias) = bias {
            let bias = bias.as_ptr().add(tile.col);
            acc.fill([_mm256_loadu_ps(bias), _mm256_loadu_ps(bias.add(8))]);
        }
        for pair in 0..tile.pairs {
            // The odd element first: see `blocks.rs`.
            for p in [2 * pair + 1, 2 * pair] {
                let b = tile.b.add(p * NR);
                let (b0, b1) = (_mm256_loadu_ps(b), _mm256_loadu_ps(b.add(8)));
                for (r, acc) in acc.iter_mut().enumerate() {
                    let x = _mm256_set1_ps(*tile.x.add(r * tile.stride + p));
                    acc[0] = _mm256_fmadd_ps(x, b0, acc[0]);
                    acc[1] = _mm256_fmadd_ps(x, b1, acc[1]);
                }
            }
        }
        for (r, acc) in acc.iter().enumerate() {
            let y = tile.y.add(r * tile.y_stride);
            _mm256_storeu_ps(y, acc[0]);
            _mm256_storeu_ps(y.add(8), acc[1]);
        }
    }
}

/// # Safety
/// Shapes as `check_shapes` and `check_scales` prove them.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn matmul_i16(
    a: Rows<'_, i16>,
    k: usize,
    panels: &[i16],
    scales: Scales<'_>,
    out: &mut Out<'_>,
) {
    for (p, panel) in panels.chunks_exact(k * NR).enumerate() {
        let mut i = 0;
        while i < a.m {
            let m = MR.min(a.m - i);
            // SAFETY: rows i..i + m and columns of panel p lie inside the checked shapes.
            unsafe {
                let x = a.data.as_ptr().add(i * a.stride);
                for half in 0..2 {
                    let tile = Tile {
                        x,
                        stride: a.stride,
                        pairs: k / 2,
                        b: panel.as_ptr().add(half * NR),
                        i,
                        col: p * NR + half * 16,
                        y: out
                            .data
                            .as_mut_ptr()
                            .add(i * out.stride + p * NR + half * 16),
                        y_stride: out.stride,
                    };
                    tile_of!(m, tile_i16(&tile, &scales));
                }
            }
            i += m;
        }
    }
}

/// Where a tile of 16 columns lies.
struct Tile<T> {
    x: *const T,
    stride: usize,
    pairs: usize,
    /// The tile's half of the first pair in the panel; the next pair is 64 values further.
    b: *const T,
    /// First row and column in the scales.
    i: usize,
    col: usize,
    y: *mut f32,
    y_stride: usize,
}

/// # Safety
/// The tile has `M` rows inside the checked shapes.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_i16<const M: usize>(tile: &Tile<i16>, scales: &Scales<'_>) {
    // SAFETY: see above.
    unsafe {
        let mut acc = [[_mm256_setzero_si256(); 2]; M];
        for pair in 0..tile.pairs {
            let b = tile.b.add(pair * 2 * NR);
            let b0 = _mm256_loadu_si256(b.cast());
            let b1 = _mm256_loadu_si256(b.add(16).cast());
            for (r, acc) in acc.iter_mut().enumerate() {
                let x = tile
                    .x
                    .add(r * tile.stride + 2 * pair)
                    .cast::<i32>()
                    .read_unaligned();
                let x = _mm256_set1_epi32(x);
                acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(x, b0));
                acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(x, b1));
            }
        }
        for part in 0..2 {
            let col = tile.col + part * 8;
            let columns = _mm256_loadu_ps(scales.columns.as_ptr().add(col));
            let sums = _mm256_loadu_si256(scales.sums.as_ptr().add(col).cast());
            let bias = _mm256_loadu_ps(scales.bias.as_ptr().add(col));
            for (r, acc) in acc.iter().enumerate() {
                let row = *scales.rows.as_ptr().add(tile.i + r);
                let zero = _mm256_mullo_epi32(_mm256_set1_epi32(row.zero), sums);
                let exact = _mm256_cvtepi32_ps(_mm256_sub_epi32(acc[part], zero));
                let factor = _mm256_mul_ps(columns, _mm256_set1_ps(row.scale));
                let y = _mm256_add_ps(_mm256_mul_ps(exact, factor), bias);
                _mm256_storeu_ps(tile.y.add(r * tile.y_stride + part * 8), y);
            }
        }
    }
}
