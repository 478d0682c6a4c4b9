//! NEON (every 64-bit ARM): products by hand over tiles of 4 rows by 16 columns; the plain loops of `lanes.rs` need no second compilation,
//! because NEON is part of the baseline there.
//!
//! Bytes are multiplied by SDOT where the CPU has it (ARMv8.2 dot product: nearly every ARM server since 2019, Apple M1), written as
//! assembly because its intrinsics are not stable. SDOT takes signed bytes on both sides: activations are moved by 128, which the zero
//! point takes back, exactly. Other CPUs multiply 16-bit numbers. Shapes are proven by the callers in `kernel/mod.rs`.
//! Tested under emulation only: its speed was not measured.

use std::arch::aarch64::*;
use std::arch::asm;

use super::blocks::NR;
use super::{Finish, Out, RowScale, Rows, Scales, lanes};

/// Rows of a tile: 4 x 4 accumulators leave 16 of 32 registers for panel and rows.
const MR: usize = 4;

/// Columns of a tile.
const COLUMNS: usize = 16;

/// Registers of a tile's row.
const N: usize = COLUMNS / 4;

pub(super) fn is_dot_detected() -> bool {
    std::arch::is_aarch64_feature_detected!("dotprod")
}

/// Calls the tile of `$m` rows; the row count must be a constant for the accumulators to be registers.
macro_rules! tile_of {
    ($m:expr, $tile:ident($($arg:expr),*)) => {
        match $m {
            4 => $tile::<4>($($arg),*),
            3 => $tile::<3>($($arg),*),
            2 => $tile::<2>($($arg),*),
            _ => $tile::<1>($($arg),*),
        }
    };
}

/// Where a tile lies.
struct Tile<T, W> {
    x: *const T,
    stride: usize,
    k: usize,
    /// The tile's columns of the first group in the panel.
    b: *const W,
    /// First row and column of the result.
    i: usize,
    col: usize,
    y: *mut f32,
    y_stride: usize,
}

/// Tiles over all rows and columns; `columns` is how many numbers of a group stand before column 16 of a panel.
///
/// # Safety
/// Shapes as `check_shapes` proves them; `run` computes a tile of the given number of rows.
#[inline(always)]
unsafe fn tiles<T, W>(
    a: Rows<'_, T>,
    k: usize,
    panels: &[W],
    columns: usize,
    out: &mut Out<'_>,
    run: impl Fn(usize, &Tile<T, W>),
) {
    for (p, panel) in panels.chunks_exact(k * NR).enumerate() {
        for half in 0..NR / COLUMNS {
            for i in (0..a.m).step_by(MR) {
                let col = p * NR + half * COLUMNS;
                // SAFETY: rows from i and columns of panel p lie inside the checked shapes.
                let tile = unsafe {
                    Tile {
                        x: a.data.as_ptr().add(i * a.stride),
                        stride: a.stride,
                        k,
                        b: panel.as_ptr().add(half * columns),
                        i,
                        col,
                        y: out.data.as_mut_ptr().add(i * out.stride + col),
                        y_stride: out.stride,
                    }
                };
                run(MR.min(a.m - i), &tile);
            }
        }
    }
}

/// # Safety
/// Shapes as `check_shapes` proves them.
pub(super) unsafe fn matmul_f32(
    a: Rows<'_, f32>,
    k: usize,
    panels: &[f32],
    bias: Option<&[f32]>,
    out: &mut Out<'_>,
) {
    let run = |m: usize, tile: &Tile<f32, f32>| {
        // SAFETY: the caller's promise.
        unsafe { tile_of!(m, tile_f32(tile, bias)) }
    };
    // SAFETY: the caller's promise.
    unsafe { tiles(a, k, panels, COLUMNS, out, run) }
}

/// # Safety
/// The tile has `M` rows inside the checked shapes.
unsafe fn tile_f32<const M: usize>(tile: &Tile<f32, f32>, bias: Option<&[f32]>) {
    // SAFETY: see above.
    unsafe {
        let mut acc = [[vdupq_n_f32(0.0); N]; M];
        if let Some(bias) = bias {
            let bias = bias.as_ptr().add(tile.col);
            acc.fill(std::array::from_fn(|c| vld1q_f32(bias.add(4 * c))));
        }
        for pair in 0..tile.k / 2 {
            // The odd element first: see `blocks.rs`.
            for e in [2 * pair + 1, 2 * pair] {
                let b = tile.b.add(e * NR);
                let b: [_; N] = std::array::from_fn(|c| vld1q_f32(b.add(4 * c)));
                for (r, acc) in acc.iter_mut().enumerate() {
                    let x = vdupq_n_f32(*tile.x.add(r * tile.stride + e));
                    for (acc, b) in acc.iter_mut().zip(b) {
                        *acc = vfmaq_f32(*acc, x, b);
                    }
                }
            }
        }
        for (r, acc) in acc.iter().enumerate() {
            for (c, acc) in acc.iter().enumerate() {
                vst1q_f32(tile.y.add(r * tile.y_stride + 4 * c), *acc);
            }
        }
    }
}

/// # Safety
/// Shapes as `check_shapes` and `check_scales` prove them; the CPU has the dot product.
#[target_feature(enable = "neon,dotprod")]
pub(super) unsafe fn matmul_i8(
    a: Rows<'_, u8>,
    k: usize,
    panels: &[i8],
    scales: Scales<'_>,
    finish: Finish,
    out: &mut Out<'_>,
) {
    let run = |m: usize, tile: &Tile<u8, i8>| {
        // SAFETY: the caller's promise.
        unsafe { tile_of!(m, tile_i8(tile, &scales, finish)) }
    };
    // SAFETY: the caller's promise.
    unsafe { tiles(a, k, panels, 4 * COLUMNS, out, run) }
}

/// Adds the products of four bytes of `a` with four bytes of each of four columns.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot<const LANE: i32>(mut acc: int32x4_t, b: int8x16_t, a: int8x16_t) -> int32x4_t {
    // SAFETY: an instruction over registers.
    unsafe {
        asm!(
            "sdot {acc:v}.4s, {b:v}.16b, {a:v}.4b[{lane}]",
            acc = inout(vreg) acc,
            b = in(vreg) b,
            a = in(vreg) a,
            lane = const LANE,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    acc
}

/// # Safety
/// The tile has `M` rows inside the checked shapes.
#[target_feature(enable = "neon,dotprod")]
unsafe fn tile_i8<const M: usize>(tile: &Tile<u8, i8>, scales: &Scales<'_>, finish: Finish) {
    // SAFETY: see above.
    unsafe {
        let mut acc = [[vdupq_n_s32(0); N]; M];
        let panel = |group: usize| -> [int8x16_t; N] {
            let b = tile.b.add(group * 4 * NR);
            std::array::from_fn(|c| vld1q_s8(b.add(16 * c)))
        };
        let middle = vdupq_n_u8(128);
        let groups = tile.k / 4;
        for four in 0..groups / 4 {
            let x: [int8x16_t; M] = std::array::from_fn(|r| {
                let x = vld1q_u8(tile.x.add(r * tile.stride + 16 * four));
                vreinterpretq_s8_u8(veorq_u8(x, middle))
            });
            let (b0, b1) = (panel(4 * four), panel(4 * four + 1));
            let (b2, b3) = (panel(4 * four + 2), panel(4 * four + 3));
            for (acc, x) in acc.iter_mut().zip(x) {
                for (c, acc) in acc.iter_mut().enumerate() {
                    let sum = dot::<1>(dot::<0>(*acc, b0[c], x), b1[c], x);
                    *acc = dot::<3>(dot::<2>(sum, b2[c], x), b3[c], x);
                }
            }
        }
        for group in groups / 4 * 4..groups {
            let b = panel(group);
            for (r, acc) in acc.iter_mut().enumerate() {
                let x = tile.x.add(r * tile.stride + 4 * group).cast::<u32>();
                let x = vreinterpretq_u8_u32(vdupq_n_u32(x.read_unaligned()));
                let x = vreinterpretq_s8_u8(veorq_u8(x, middle));
                for (acc, b) in acc.iter_mut().zip(b) {
                    *acc = dot::<0>(*acc, b, x);
                }
            }
        }
        for (r, acc) in acc.iter().enumerate() {
            let row = *scales.rows.as_ptr().add(tile.i + r);
            put(tile, r, acc, row.scale, row.zero - 128, scales, finish);
        }
    }
}

/// # Safety
/// Shapes as `check_shapes` and `check_scales` prove them.
pub(super) unsafe fn matmul_i16(
    a: Rows<'_, i16>,
    k: usize,
    panels: &[i16],
    scales: Scales<'_>,
    out: &mut Out<'_>,
) {
    let run = |m: usize, tile: &Tile<i16, i16>| {
        // SAFETY: the caller's promise.
        unsafe { tile_of!(m, tile_i16(tile, &scales)) }
    };
    // SAFETY: the caller's promise.
    unsafe { tiles(a, k, panels, 2 * COLUMNS, out, run) }
}

/// # Safety
/// The tile has `M` rows inside the checked shapes.
unsafe fn tile_i16<const M: usize>(tile: &Tile<i16, i16>, scales: &Scales<'_>) {
    // SAFETY: see above.
    unsafe {
        let mut acc = [[vdupq_n_s32(0); N]; M];
        for pair in 0..tile.k / 2 {
            let b = tile.b.add(pair * 2 * NR);
            // Columns 0..8 and 8..16, even and odd elements apart.
            let b = [vld2q_s16(b), vld2q_s16(b.add(COLUMNS))];
            for (r, acc) in acc.iter_mut().enumerate() {
                let x = tile.x.add(r * tile.stride + 2 * pair);
                for (e, x) in [*x, *x.add(1)].into_iter().enumerate() {
                    for (half, b) in b.iter().enumerate() {
                        let b = if e == 0 { b.0 } else { b.1 };
                        let (low, high) = (vget_low_s16(b), vget_high_s16(b));
                        acc[2 * half] = vmlal_n_s16(acc[2 * half], low, x);
                        acc[2 * half + 1] = vmlal_n_s16(acc[2 * half + 1], high, x);
                    }
                }
            }
        }
        for (r, acc) in acc.iter().enumerate() {
            let row: RowScale = *scales.rows.as_ptr().add(tile.i + r);
            put(tile, r, acc, row.scale, row.zero, scales, Finish::Plain);
        }
    }
}

/// Turns exact sums of the tile's row `r` into numbers.
///
/// # Safety
/// The row lies inside the checked shapes.
#[inline(always)]
unsafe fn put<T, W>(
    tile: &Tile<T, W>,
    r: usize,
    acc: &[int32x4_t; N],
    scale: f32,
    zero: i32,
    scales: &Scales<'_>,
    finish: Finish,
) {
    // SAFETY: see above.
    unsafe {
        let to = tile.y.add(r * tile.y_stride);
        for (c, acc) in acc.iter().enumerate() {
            let col = tile.col + 4 * c;
            let sums = vld1q_s32(scales.sums.as_ptr().add(col));
            let exact = vcvtq_f32_s32(vmlsq_n_s32(*acc, sums, zero));
            let factor = vmulq_n_f32(vld1q_f32(scales.columns.as_ptr().add(col)), scale);
            // Not fused, so that all paths round alike.
            let bias = vld1q_f32(scales.bias.as_ptr().add(col));
            let y = vaddq_f32(vmulq_f32(exact, factor), bias);
            let to = to.add(4 * c);
            let y = match finish {
                Finish::Add => vaddq_f32(vld1q_f32(to), y),
                Finish::Plain | Finish::Gelu => y,
            };
            vst1q_f32(to, y);
        }
        if finish == Finish::Gelu {
            lanes::gelu(std::slice::from_raw_parts_mut(to, COLUMNS));
        }
    }
}
