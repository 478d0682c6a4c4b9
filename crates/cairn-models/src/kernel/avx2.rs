//! AVX2 and FMA: the plain loops of `blocks.rs` and `lanes.rs` compiled for 256-bit registers.
//!
//! Byte products go through 16 bits (`vpmaddwd`, exact): the byte instruction of AVX2 saturates its 16-bit sums, which
//! would force 7-bit activations and so another embedding space.

use super::{Out, Rows, Scales, blocks, compile_for};

pub(super) fn is_detected() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

compile_for!("avx2,fma");

#[target_feature(enable = "avx2,fma")]
pub(super) fn matmul_f32(
    a: Rows<'_, f32>,
    k: usize,
    panels: &[f32],
    bias: Option<&[f32]>,
    out: &mut Out<'_>,
) {
    blocks::matmul_f32::<6, 16, true>(a, k, panels, bias, out);
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn matmul_i16(
    a: Rows<'_, i16>,
    k: usize,
    panels: &[i16],
    scales: Scales<'_>,
    out: &mut Out<'_>,
) {
    blocks::matmul_i16::<6, 16>(a, k, panels, scales, out);
}
