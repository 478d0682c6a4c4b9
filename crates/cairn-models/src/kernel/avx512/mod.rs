//! AVX-512 kernels: a tile of 12 rows by 32 columns in 24 accumulators, for `f32`, bfloat16 pairs and bytes (VNNI).
//!
//! Goto and van de Geijn 2008 (panels and a register tile); no packing of the left side, because rows of activations are read once
//! per panel from the second-level cache. Shapes are proven by the callers in `kernel/mod.rs`: all functions here trust them.

use std::arch::x86_64::*;

pub(super) mod steps;

pub(super) use steps::{gelu, layer_norm, quantise};

use super::blocks::{KC, NR};
use super::{Finish, Out, Rows, Scales, compile_for};

/// Rows of a tile: 12 x 2 accumulators leave 8 of 32 registers for panel and broadcast.
const MR: usize = 12;

pub(super) fn is_detected() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vnni")
}

pub(super) fn is_bf16_detected() -> bool {
    is_x86_feature_detected!("avx512bf16")
}

compile_for!("avx512f,avx512bw,avx512vl,avx512dq", some);

/// Calls the tile of `$m` rows; the row count must be a constant for the accumulators to be registers.
macro_rules! tile_of {
    ($m:expr, $tile:ident($($arg:expr),*)) => {
        match $m {
            12 => $tile::<12>($($arg),*),
            11 => $tile::<11>($($arg),*),
            10 => $tile::<10>($($arg),*),
            9 => $tile::<9>($($arg),*),
            8 => $tile::<8>($($arg),*),
            7 => $tile::<7>($($arg),*),
            6 => $tile::<6>($($arg),*),
            5 => $tile::<5>($($arg),*),
            4 => $tile::<4>($($arg),*),
            3 => $tile::<3>($($arg),*),
            2 => $tile::<2>($($arg),*),
            _ => $tile::<1>($($arg),*),
        }
    };
}

/// Where a tile lies: pointers to its first element, row strides in elements, and the length of its sums.
#[derive(Clone, Copy)]
struct Tile<T> {
    a: *const T,
    lda: usize,
    k: usize,
    c: *mut f32,
    ldc: usize,
    /// Added to what `c` holds, else the bias (or 0) is where the sums start.
    start: Start,
}

#[derive(Clone, Copy)]
enum Start {
    Sums,
    Bias(*const f32),
    Zero,
}

/// # Safety
/// `c` and the bias, where used, are valid for the tile.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn start<T, const M: usize>(tile: &Tile<T>) -> [[__m512; 2]; M] {
    let mut acc = [[_mm512_setzero_ps(); 2]; M];
    // SAFETY: see above.
    unsafe {
        match tile.start {
            Start::Sums => {
                for (i, acc) in acc.iter_mut().enumerate() {
                    let c = tile.c.add(i * tile.ldc);
                    *acc = [_mm512_loadu_ps(c), _mm512_loadu_ps(c.add(16))];
                }
            }
            Start::Bias(bias) => acc.fill([_mm512_loadu_ps(bias), _mm512_loadu_ps(bias.add(16))]),
            Start::Zero => {}
        }
    }
    acc
}

/// # Safety
/// `c` is valid for the tile.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn store<T, const M: usize>(tile: &Tile<T>, acc: &[[__m512; 2]; M]) {
    for (i, acc) in acc.iter().enumerate() {
        // SAFETY: see above.
        unsafe {
            let c = tile.c.add(i * tile.ldc);
            _mm512_storeu_ps(c, acc[0]);
            _mm512_storeu_ps(c.add(16), acc[1]);
        }
    }
}

/// # Safety
/// `tile` has `M` rows, `b` is a panel block of `tile.k` rows, `tile.k` is even.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn tile_f32<const M: usize>(tile: &Tile<f32>, b: *const f32) {
    // SAFETY: see above.
    unsafe {
        let mut acc = start::<f32, M>(tile);
        for pair in 0..tile.k / 2 {
            // The odd element first: see `blocks.rs`.
            for p in [2 * pair + 1, 2 * pair] {
                let b = b.add(p * NR);
                let (b0, b1) = (_mm512_loadu_ps(b), _mm512_loadu_ps(b.add(16)));
                for (i, acc) in acc.iter_mut().enumerate() {
                    let x = _mm512_set1_ps(*tile.a.add(i * tile.lda + p));
                    acc[0] = _mm512_fmadd_ps(x, b0, acc[0]);
                    acc[1] = _mm512_fmadd_ps(x, b1, acc[1]);
                }
            }
        }
        store(tile, &acc);
    }
}

/// # Safety
/// `tile` has `M` rows, `b` is a panel block of `tile.k` rows, `tile.k` is even.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn tile_bf16<const M: usize>(tile: &Tile<u16>, b: *const u16) {
    // SAFETY: see above; `__m512bh` is a plain register of 32 bfloat16 values, as is every 512-bit integer.
    unsafe {
        let mut acc = start::<u16, M>(tile);
        for pair in 0..tile.k / 2 {
            let b = b.add(pair * 2 * NR);
            let b0: __m512bh = std::mem::transmute(_mm512_loadu_si512(b.cast()));
            let b1: __m512bh = std::mem::transmute(_mm512_loadu_si512(b.add(NR).cast()));
            for (i, acc) in acc.iter_mut().enumerate() {
                let pair = tile
                    .a
                    .add(i * tile.lda + 2 * pair)
                    .cast::<i32>()
                    .read_unaligned();
                let x: __m512bh = std::mem::transmute(_mm512_set1_epi32(pair));
                acc[0] = _mm512_dpbf16_ps(acc[0], x, b0);
                acc[1] = _mm512_dpbf16_ps(acc[1], x, b1);
            }
        }
        store(tile, &acc);
    }
}

/// What is written of a tile of a byte product. A trait, so that each way is compiled into the tile.
trait Sink: Copy {
    /// Writes 16 numbers at the place of the tile's row `r` and column `c`.
    ///
    /// # Safety
    /// The place lies inside the result.
    unsafe fn put(self, r: usize, c: usize, y: __m512);
}

/// `f32` results finished as [`Finish`] says, which is known when this is compiled.
#[derive(Clone, Copy)]
struct Floats<const FINISH: u8> {
    c: *mut f32,
    stride: usize,
}

const PLAIN: u8 = 0;
const GELU: u8 = 1;
const ADD: u8 = 2;

impl<const FINISH: u8> Sink for Floats<FINISH> {
    #[inline(always)]
    unsafe fn put(self, r: usize, c: usize, y: __m512) {
        // SAFETY: the caller's promise; these instructions are among those that every tile was compiled for.
        unsafe {
            let to = self.c.add(r * self.stride + c);
            let y = match FINISH {
                GELU => steps::gelu_of(y),
                ADD => _mm512_add_ps(_mm512_loadu_ps(to), y),
                _ => y,
            };
            _mm512_storeu_ps(to, y);
        }
    }
}

/// bfloat16 results.
#[derive(Clone, Copy)]
struct Halves {
    c: *mut u16,
    stride: usize,
}

impl Sink for Halves {
    #[inline(always)]
    unsafe fn put(self, r: usize, c: usize, y: __m512) {
        // SAFETY: the caller's promise; `Halves` is used only where the bfloat16 instructions were found.
        unsafe {
            let halves: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(y));
            _mm256_storeu_si256(self.c.add(r * self.stride + c).cast(), halves);
        }
    }
}

/// The left side of a byte product.
#[derive(Clone, Copy)]
struct Bytes {
    a: *const u8,
    lda: usize,
    k: usize,
}

/// # Safety
/// `left` and the sink have `M` rows from row `i` of the scales, `b` is panel `p` of `left.k` rows, `left.k` is a multiple of 4.
#[inline(always)]
unsafe fn tile_i8<S: Sink, const M: usize>(
    left: Bytes,
    b: *const i8,
    scales: &Scales<'_>,
    i: usize,
    p: usize,
    sink: S,
) {
    // SAFETY: see above.
    unsafe {
        let mut acc = [[_mm512_setzero_si512(); 2]; M];
        for four in 0..left.k / 4 {
            let b = b.add(four * 4 * NR);
            let b0 = _mm512_loadu_si512(b.cast());
            let b1 = _mm512_loadu_si512(b.add(2 * NR).cast());
            for (i, acc) in acc.iter_mut().enumerate() {
                let x = left
                    .a
                    .add(i * left.lda + 4 * four)
                    .cast::<i32>()
                    .read_unaligned();
                let x = _mm512_set1_epi32(x);
                acc[0] = _mm512_dpbusd_epi32(acc[0], x, b0);
                acc[1] = _mm512_dpbusd_epi32(acc[1], x, b1);
            }
        }
        for half in 0..2 {
            let col = p * NR + half * 16;
            let columns = _mm512_loadu_ps(scales.columns.as_ptr().add(col));
            let sums = _mm512_loadu_si512(scales.sums.as_ptr().add(col).cast());
            let bias = _mm512_loadu_ps(scales.bias.as_ptr().add(col));
            for (r, acc) in acc.iter().enumerate() {
                let row = *scales.rows.as_ptr().add(i + r);
                let zero = _mm512_mullo_epi32(_mm512_set1_epi32(row.zero), sums);
                let exact = _mm512_cvtepi32_ps(_mm512_sub_epi32(acc[half], zero));
                let factor = _mm512_mul_ps(columns, _mm512_set1_ps(row.scale));
                // Not fused, so that all paths round alike.
                let y = _mm512_add_ps(_mm512_mul_ps(exact, factor), bias);
                sink.put(r, half * 16, y);
            }
        }
    }
}

/// Tiles over all rows and panels; `sink` gives where a tile at row `i` and column `j` goes.
///
/// # Safety
/// Shapes as `check_shapes` and `check_scales` prove them, and a sink for them.
#[inline(always)]
unsafe fn tiles_i8<S: Sink>(
    a: Rows<'_, u8>,
    k: usize,
    panels: &[i8],
    scales: &Scales<'_>,
    sink: impl Fn(usize, usize) -> S,
) {
    for (p, panel) in panels.chunks_exact(k * NR).enumerate() {
        let b = panel.as_ptr();
        let mut i = 0;
        while i < a.m {
            let m = MR.min(a.m - i);
            // SAFETY: rows i..i + m and columns of panel p lie inside the checked shapes.
            unsafe {
                let left = Bytes {
                    a: a.data.as_ptr().add(i * a.stride),
                    lda: a.stride,
                    k,
                };
                let sink = sink(i, p * NR);
                match m {
                    12 => tile_i8::<S, 12>(left, b, scales, i, p, sink),
                    11 => tile_i8::<S, 11>(left, b, scales, i, p, sink),
                    10 => tile_i8::<S, 10>(left, b, scales, i, p, sink),
                    9 => tile_i8::<S, 9>(left, b, scales, i, p, sink),
                    8 => tile_i8::<S, 8>(left, b, scales, i, p, sink),
                    7 => tile_i8::<S, 7>(left, b, scales, i, p, sink),
                    6 => tile_i8::<S, 6>(left, b, scales, i, p, sink),
                    5 => tile_i8::<S, 5>(left, b, scales, i, p, sink),
                    4 => tile_i8::<S, 4>(left, b, scales, i, p, sink),
                    3 => tile_i8::<S, 3>(left, b, scales, i, p, sink),
                    2 => tile_i8::<S, 2>(left, b, scales, i, p, sink),
                    _ => tile_i8::<S, 1>(left, b, scales, i, p, sink),
                }
            }
            i += m;
        }
    }
}

/// # Safety
/// Shapes as `check_shapes` and `check_scales` prove them.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni")]
pub(super) unsafe fn matmul_i8(
    a: Rows<'_, u8>,
    k: usize,
    panels: &[i8],
    scales: Scales<'_>,
    finish: Finish,
    out: &mut Out<'_>,
) {
    let (c, stride) = (out.data.as_mut_ptr(), out.stride);
    // SAFETY: the caller's promise; every place lies inside the checked result.
    unsafe {
        match finish {
            Finish::Plain => tiles_i8(a, k, panels, &scales, |i, j| Floats::<PLAIN> {
                c: c.add(i * stride + j),
                stride,
            }),
            Finish::Gelu => tiles_i8(a, k, panels, &scales, |i, j| Floats::<GELU> {
                c: c.add(i * stride + j),
                stride,
            }),
            Finish::Add => tiles_i8(a, k, panels, &scales, |i, j| Floats::<ADD> {
                c: c.add(i * stride + j),
                stride,
            }),
        }
    }
}

/// # Safety
/// Shapes as `check_shapes` and `check_scales` prove them.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16")]
pub(super) unsafe fn matmul_i8_bf16(
    a: Rows<'_, u8>,
    k: usize,
    panels: &[i8],
    scales: Scales<'_>,
    out: &mut Out<'_, u16>,
) {
    let (c, stride) = (out.data.as_mut_ptr(), out.stride);
    // SAFETY: the caller's promise; every place lies inside the checked result.
    unsafe {
        tiles_i8(a, k, panels, &scales, |i, j| Halves {
            c: c.add(i * stride + j),
            stride,
        });
    }
}

/// # Safety
/// Shapes as `check_shapes` proves them.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn matmul_f32(
    a: Rows<'_, f32>,
    k: usize,
    panels: &[f32],
    bias: Option<&[f32]>,
    out: &mut Out<'_>,
) {
    for (p, panel) in panels.chunks_exact(k * NR).enumerate() {
        for k0 in (0..k).step_by(KC) {
            let kk = KC.min(k - k0);
            let mut i = 0;
            while i < a.m {
                let m = MR.min(a.m - i);
                // SAFETY: rows i..i + m and columns of panel p lie inside the checked shapes.
                unsafe {
                    let tile = Tile {
                        a: a.data.as_ptr().add(i * a.stride + k0),
                        lda: a.stride,
                        k: kk,
                        c: out.data.as_mut_ptr().add(i * out.stride + p * NR),
                        ldc: out.stride,
                        start: start_of(k0, bias, p),
                    };
                    let b = panel.as_ptr().add(k0 * NR);
                    tile_of!(m, tile_f32(&tile, b));
                }
                i += m;
            }
        }
    }
}

/// # Safety
/// Shapes as `check_shapes` proves them.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(super) unsafe fn matmul_bf16(
    a: Rows<'_, u16>,
    k: usize,
    panels: &[u16],
    bias: Option<&[f32]>,
    out: &mut Out<'_>,
) {
    for (p, panel) in panels.chunks_exact(k * NR).enumerate() {
        for k0 in (0..k).step_by(2 * KC) {
            let kk = (2 * KC).min(k - k0);
            let mut i = 0;
            while i < a.m {
                let m = MR.min(a.m - i);
                // SAFETY: rows i..i + m and columns of panel p lie inside the checked shapes.
                unsafe {
                    let tile = Tile {
                        a: a.data.as_ptr().add(i * a.stride + k0),
                        lda: a.stride,
                        k: kk,
                        c: out.data.as_mut_ptr().add(i * out.stride + p * NR),
                        ldc: out.stride,
                        start: start_of(k0, bias, p),
                    };
                    let b = panel.as_ptr().add(k0 * NR);
                    tile_of!(m, tile_bf16(&tile, b));
                }
                i += m;
            }
        }
    }
}

fn start_of(k0: usize, bias: Option<&[f32]>, p: usize) -> Start {
    match bias {
        _ if k0 > 0 => Start::Sums,
        Some(bias) => Start::Bias(bias[p * NR..(p + 1) * NR].as_ptr()),
        None => Start::Zero,
    }
}
