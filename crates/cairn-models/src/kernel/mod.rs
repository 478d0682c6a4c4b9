//! The kernels of the encoder and the choice among them at run time.
//!
//! Every path runs every precision. `int8` and `bf16` give the same bits on all paths (integer sums are exact, products of
//! bfloat16 values are exact in `f32`, everything else follows `lanes.rs`); `f32` differs in the last bits between paths that fuse
//! multiply and add and the portable one. Neighbours: `linear.rs` packs weights for a path, `encoder.rs` calls the operations.

#![cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(
        unsafe_code,
        reason = "vector instructions, found at run time, over bounds that are checked here"
    )
)]

mod blocks;
mod lanes;
pub(crate) mod pack;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

pub(crate) use blocks::NR;
pub(crate) use lanes::RowScale;

use crate::error::ModelError;

/// Which instructions compute the vectors. The vectors do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KernelChoice {
    /// The fastest path this CPU has.
    #[default]
    Auto,
    /// AVX-512 with VNNI (Intel from Cascade Lake, AMD from Zen 4).
    Avx512,
    /// AVX2 with FMA (nearly every x86-64 machine since 2015).
    Avx2,
    /// NEON (every 64-bit ARM), with the dot product of bytes where the CPU has it.
    Neon,
    /// Plain Rust for any CPU.
    Portable,
}

impl std::str::FromStr for KernelChoice {
    type Err = ModelError;

    fn from_str(word: &str) -> Result<Self, ModelError> {
        match word {
            "auto" => Ok(Self::Auto),
            "avx512" => Ok(Self::Avx512),
            "avx2" => Ok(Self::Avx2),
            "neon" => Ok(Self::Neon),
            "portable" => Ok(Self::Portable),
            _ => Err(ModelError::Option {
                option: "kernel",
                given: word.to_owned(),
                expected: "auto, avx512, avx2, neon or portable",
            }),
        }
    }
}

/// A path that this CPU was found to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kernel {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-512 with the bfloat16 dot product (AMD from Zen 4, Intel from Cooper Lake).
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// NEON with the dot product of bytes (ARMv8.2).
    #[cfg(target_arch = "aarch64")]
    NeonDot,
}

/// Rows of a matrix: row `i` starts at `i * stride`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) stride: usize,
    /// Number of rows.
    pub(crate) m: usize,
}

impl<'a, T> Rows<'a, T> {
    #[inline(always)]
    fn row(&self, i: usize) -> &'a [T] {
        &self.data[i * self.stride..]
    }

    /// Whether every row has `k` elements.
    fn holds(&self, k: usize) -> bool {
        self.m == 0 || self.data.len() >= (self.m - 1) * self.stride + k
    }
}

/// Rows to be written.
#[derive(Debug)]
pub(crate) struct Out<'a, T = f32> {
    pub(crate) data: &'a mut [T],
    pub(crate) stride: usize,
}

/// What becomes of a product's numbers while they are in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    /// They are stored.
    Plain,
    /// Their GELU is stored.
    Gelu,
    /// They are added to what is there.
    Add,
}

impl Out<'_> {
    #[inline(always)]
    fn row(&mut self, i: usize) -> &mut [f32] {
        &mut self.data[i * self.stride..]
    }
}

/// What turns exact integer sums into numbers: `y = (acc - zero * sum) * (column scale * row scale) + bias`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scales<'a> {
    pub(crate) rows: &'a [RowScale],
    pub(crate) columns: &'a [f32],
    pub(crate) sums: &'a [i32],
    pub(crate) bias: &'a [f32],
}

/// Compiles element-wise operations of `lanes.rs` for one instruction set: `all`, or those that AVX-512 does not do by hand.
#[cfg(target_arch = "x86_64")]
macro_rules! compile_for {
    ($features:literal, all) => {
        compile_for!($features, some);
        #[target_feature(enable = $features)]
        pub(super) fn gelu(row: &mut [f32]) {
            crate::kernel::lanes::gelu(row);
        }
        #[target_feature(enable = $features)]
        pub(super) fn layer_norm(x: &mut [f32], norm: (&[f32], &[f32]), eps: f32) {
            crate::kernel::lanes::layer_norm(x, norm, eps);
        }
        #[target_feature(enable = $features)]
        pub(super) fn quantise(row: &[f32], out: &mut [u8]) -> crate::kernel::lanes::RowScale {
            crate::kernel::lanes::quantise(row, out)
        }
    };
    ($features:literal, some) => {
        #[target_feature(enable = $features)]
        pub(super) fn softmax_exp(row: &mut [f32], n: usize, scale: f32) -> f32 {
            crate::kernel::lanes::softmax_exp(row, n, scale)
        }
        #[target_feature(enable = $features)]
        pub(super) fn multiply(row: &mut [f32], factor: f32) {
            crate::kernel::lanes::multiply(row, factor);
        }
        #[target_feature(enable = $features)]
        pub(super) fn residual(
            row: &[f32],
            q: &[u8],
            scale: crate::kernel::lanes::RowScale,
            out: &mut [f32],
        ) {
            crate::kernel::lanes::residual(row, q, scale, out);
        }
        #[target_feature(enable = $features)]
        pub(super) fn add(x: &mut [f32], y: &[f32]) {
            crate::kernel::lanes::add(x, y);
        }
        #[target_feature(enable = $features)]
        pub(super) fn widen(row: &[u8], out: &mut [i16]) {
            crate::kernel::lanes::widen(row, out);
        }
        #[target_feature(enable = $features)]
        pub(super) fn round_bf16(row: &[f32], out: &mut [f32]) {
            crate::kernel::lanes::round_bf16(row, out);
        }
        #[target_feature(enable = $features)]
        pub(super) fn to_bf16(row: &[f32], out: &mut [u16]) {
            crate::kernel::lanes::to_bf16(row, out);
        }
    };
}
#[cfg(target_arch = "x86_64")]
use compile_for;

/// Runs an element-wise operation on the chosen path.
macro_rules! on_path {
    ($kernel:expr, $op:ident($($arg:expr),*)) => {
        match $kernel {
            Kernel::Portable => lanes::$op($($arg),*),
            // NEON is part of the baseline: the compiler uses it in the plain loops.
            #[cfg(target_arch = "aarch64")]
            Kernel::Neon | Kernel::NeonDot => lanes::$op($($arg),*),
            // SAFETY: a `Kernel` other than `Portable` exists only where `Kernel::select` found its instructions.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { avx2::$op($($arg),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 | Kernel::Avx512Bf16 => unsafe { avx512::$op($($arg),*) },
        }
    };
}

impl Kernel {
    /// The path for a choice.
    ///
    /// # Errors
    /// Where this CPU does not have the path.
    pub(crate) fn select(choice: KernelChoice) -> Result<Self, ModelError> {
        let found = Self::available();
        let wanted = |kernel: &Self| match choice {
            KernelChoice::Auto => true,
            KernelChoice::Portable => *kernel == Self::Portable,
            #[cfg(target_arch = "x86_64")]
            KernelChoice::Avx2 => *kernel == Self::Avx2,
            #[cfg(target_arch = "x86_64")]
            KernelChoice::Avx512 => matches!(kernel, Self::Avx512 | Self::Avx512Bf16),
            #[cfg(not(target_arch = "x86_64"))]
            KernelChoice::Avx2 | KernelChoice::Avx512 => false,
            #[cfg(target_arch = "aarch64")]
            KernelChoice::Neon => matches!(kernel, Self::Neon | Self::NeonDot),
            #[cfg(not(target_arch = "aarch64"))]
            KernelChoice::Neon => false,
        };
        found.into_iter().find(wanted).ok_or(ModelError::Option {
            option: "kernel",
            given: format!("{choice:?}").to_lowercase(),
            expected: "instructions that this CPU has, or auto",
        })
    }

    /// All paths of this CPU, fastest first.
    pub(crate) fn available() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if avx512::is_detected() {
                if avx512::is_bf16_detected() {
                    found.push(Self::Avx512Bf16);
                }
                found.push(Self::Avx512);
            }
            if avx2::is_detected() {
                found.push(Self::Avx2);
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            if neon::is_dot_detected() {
                found.push(Self::NeonDot);
            }
            found.push(Self::Neon);
        }
        found.push(Self::Portable);
        found
    }

    /// Its name for logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => "avx512-bf16",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => "neon-dotprod",
        }
    }

    /// Whether it multiplies packed bfloat16 pairs; other paths round to bfloat16 and multiply in `f32`.
    pub(crate) fn has_bf16(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => true,
            _ => false,
        }
    }

    /// Whether it multiplies packed bytes; other paths widen to 16 bits.
    pub(crate) fn has_int8(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx512Bf16 => true,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => true,
            _ => false,
        }
    }

    pub(crate) fn gelu(self, row: &mut [f32]) {
        on_path!(self, gelu(row));
    }

    pub(crate) fn layer_norm(self, x: &mut [f32], norm: (&[f32], &[f32]), eps: f32) {
        on_path!(self, layer_norm(x, norm, eps));
    }

    pub(crate) fn softmax_exp(self, row: &mut [f32], n: usize, scale: f32) -> f32 {
        on_path!(self, softmax_exp(row, n, scale))
    }

    pub(crate) fn multiply(self, row: &mut [f32], factor: f32) {
        on_path!(self, multiply(row, factor));
    }

    pub(crate) fn quantise(self, row: &[f32], out: &mut [u8]) -> RowScale {
        on_path!(self, quantise(row, out))
    }

    pub(crate) fn residual(self, row: &[f32], q: &[u8], scale: RowScale, out: &mut [f32]) {
        on_path!(self, residual(row, q, scale, out));
    }

    pub(crate) fn add(self, x: &mut [f32], y: &[f32]) {
        on_path!(self, add(x, y));
    }

    pub(crate) fn widen(self, row: &[u8], out: &mut [i16]) {
        on_path!(self, widen(row, out));
    }

    pub(crate) fn round_bf16(self, row: &[f32], out: &mut [f32]) {
        on_path!(self, round_bf16(row, out));
    }

    pub(crate) fn to_bf16(self, row: &[f32], out: &mut [u16]) {
        match self {
            // SAFETY: the path was detected.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => unsafe { avx512::steps::to_bf16(row, out) },
            _ => on_path!(self, to_bf16(row, out)),
        }
    }

    /// [`Self::softmax_exp`] of scores, rounded to bfloat16 into `out`.
    pub(crate) fn softmax_bf16(
        self,
        scores: &mut [f32],
        n: usize,
        scale: f32,
        out: &mut [u16],
    ) -> f32 {
        match self {
            // SAFETY: the path was detected.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => unsafe { avx512::steps::softmax_bf16(scores, n, scale, out) },
            _ => {
                let sum = self.softmax_exp(scores, n, scale);
                self.to_bf16(scores, out);
                sum
            }
        }
    }

    /// Keys of one head into panels (`pack.rs`); only where [`Self::has_bf16`].
    pub(crate) fn pack_keys(
        self,
        from: &[u16],
        stride: usize,
        n: usize,
        size: usize,
        to: &mut [u16],
    ) {
        match self {
            // SAFETY: the path was detected.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => unsafe { avx512::steps::pack_keys(from, stride, n, size, to) },
            _ => pack::keys::<u16, 2>(from, stride, n, size, to),
        }
    }

    /// Values of one head into panels (`pack.rs`); only where [`Self::has_bf16`].
    pub(crate) fn pack_values(
        self,
        from: &[u16],
        stride: usize,
        n: usize,
        size: usize,
        to: &mut [u16],
    ) {
        match self {
            // SAFETY: the path was detected.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16 => unsafe { avx512::steps::pack_values(from, stride, n, size, to) },
            _ => pack::values::<u16, 2>(from, stride, n, size, to),
        }
    }

    /// `f32` product with panels `[n / 32][k][32]`; `k` is even.
    pub(crate) fn matmul_f32(
        self,
        a: Rows<'_, f32>,
        k: usize,
        panels: &[f32],
        bias: Option<&[f32]>,
        out: &mut Out<'_>,
    ) {
        check_shapes(&a, k, panels.len(), bias, out);
        match self {
            Self::Portable => blocks::matmul_f32::<4, 8>(a, k, panels, bias, out),
            // SAFETY: the path was detected; the shapes were checked above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::matmul_f32(a, k, panels, bias, out) },
            // SAFETY: the path was detected; the shapes were checked above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx512Bf16 => unsafe {
                avx512::matmul_f32(a, k, panels, bias, out);
            },
            // SAFETY: the shapes were checked above.
            #[cfg(target_arch = "aarch64")]
            Self::Neon | Self::NeonDot => unsafe { neon::matmul_f32(a, k, panels, bias, out) },
        }
    }

    /// bfloat16 product with panels `[n / 32][k / 2][32][2]`; only where [`Self::has_bf16`].
    pub(crate) fn matmul_bf16(
        self,
        a: Rows<'_, u16>,
        k: usize,
        panels: &[u16],
        bias: Option<&[f32]>,
        out: &mut Out<'_>,
    ) {
        check_shapes(&a, k, panels.len(), bias, out);
        assert!(
            self.has_bf16(),
            "bfloat16 panels are packed only for paths that multiply them"
        );
        // SAFETY: the path was detected; the shapes were checked above.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            avx512::matmul_bf16(a, k, panels, bias, out);
        }
    }

    /// Product of bytes with panels `[n / 32][k / 4][32][4]`; only where [`Self::has_int8`].
    pub(crate) fn matmul_i8(
        self,
        a: Rows<'_, u8>,
        k: usize,
        panels: &[i8],
        scales: Scales<'_>,
        finish: Finish,
        out: &mut Out<'_>,
    ) {
        check_shapes(&a, k, panels.len(), Some(scales.bias), out);
        check_scales(&a, k, panels.len(), scales);
        assert!(
            self.has_int8(),
            "byte panels are packed only for paths that multiply them"
        );
        // SAFETY: the path was detected; the shapes were checked above.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            avx512::matmul_i8(a, k, panels, scales, finish, out);
        }
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            neon::matmul_i8(a, k, panels, scales, finish, out);
        }
    }

    /// The same product, rounded to bfloat16; only where [`Self::has_bf16`].
    pub(crate) fn matmul_i8_bf16(
        self,
        a: Rows<'_, u8>,
        k: usize,
        panels: &[i8],
        scales: Scales<'_>,
        out: &mut Out<'_, u16>,
    ) {
        check_shapes(&a, k, panels.len(), Some(scales.bias), out);
        check_scales(&a, k, panels.len(), scales);
        assert!(
            self.has_bf16(),
            "bfloat16 results are asked only of paths that multiply them"
        );
        // SAFETY: the path was detected; the shapes were checked above.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            avx512::matmul_i8_bf16(a, k, panels, scales, out);
        }
    }

    /// The same product from 16-bit values, panels `[n / 32][k / 2][32][2]`.
    pub(crate) fn matmul_i16(
        self,
        a: Rows<'_, i16>,
        k: usize,
        panels: &[i16],
        scales: Scales<'_>,
        out: &mut Out<'_>,
    ) {
        check_shapes(&a, k, panels.len(), Some(scales.bias), out);
        check_scales(&a, k, panels.len(), scales);
        match self {
            // SAFETY: the path was detected; the shapes were checked above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::matmul_i16(a, k, panels, scales, out) },
            // SAFETY: the shapes were checked above.
            #[cfg(target_arch = "aarch64")]
            Self::Neon | Self::NeonDot => unsafe { neon::matmul_i16(a, k, panels, scales, out) },
            _ => blocks::matmul_i16::<4, 8>(a, k, panels, scales, out),
        }
    }
}

/// The kernels read and write through pointers: this is where their bounds are proven.
fn check_shapes<T, U>(
    a: &Rows<'_, T>,
    k: usize,
    panel_len: usize,
    bias: Option<&[f32]>,
    out: &Out<'_, U>,
) {
    let n = panel_len / k;
    assert!(
        k.is_multiple_of(2) && panel_len == n * k && n.is_multiple_of(NR),
        "whole panels"
    );
    assert!(a.holds(k), "rows of k elements");
    assert!(
        bias.is_none_or(|bias| bias.len() >= n),
        "a bias for every column"
    );
    assert!(
        a.m == 0 || (out.stride >= n && out.data.len() >= (a.m - 1) * out.stride + n),
        "room for the result"
    );
}

fn check_scales<T>(a: &Rows<'_, T>, k: usize, panel_len: usize, scales: Scales<'_>) {
    let n = panel_len / k;
    assert!(k.is_multiple_of(4), "k in fours");
    assert!(
        scales.columns.len() >= n && scales.sums.len() >= n,
        "a scale for every column"
    );
    assert!(scales.rows.len() >= a.m, "a scale for every row");
}
#[cfg(test)]
mod tests;
