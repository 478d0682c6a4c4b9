//! The inner loops of the scan, with a path chosen at run time.
//!
//! Every path computes the same bits: codes in integers; f16 rows in 16 lanes of f32, multiplied and
//! added without fusing, lanes joined in one fixed order. So results do not depend on the CPU.

#![expect(unsafe_code, reason = "vector instructions behind run-time detection")]

use half::f16;

use super::quantise::{CODE_ALIGN, PreparedQuery};

/// Lanes of the exact dot product.
const LANES: usize = 16;

/// A set of instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    /// AVX-512 with byte products (VNNI).
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 with f16 conversion.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Plain Rust.
    Portable,
}

impl Kernel {
    /// All that this CPU can run, fastest first.
    pub(super) fn available() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vnni")
            {
                found.push(Self::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c") {
                found.push(Self::Avx2);
            }
        }
        found.push(Self::Portable);
        found
    }

    /// The fastest that this CPU can run.
    pub(super) fn detect() -> Self {
        static BEST: std::sync::OnceLock<Kernel> = std::sync::OnceLock::new();
        *BEST.get_or_init(|| Self::available().first().copied().unwrap_or(Self::Portable))
    }

    /// Integer dot products of the query's codes with rows of `codes` (`stride` bytes each), in order:
    /// the given rows, or all rows. Replaces what is in `out`.
    pub(super) fn scan_codes(
        self,
        codes: &[u8],
        query: &PreparedQuery,
        rows: Option<&[u32]>,
        out: &mut Vec<i32>,
    ) {
        let stride = query.codes.len();
        let n_rows = codes.len() / stride;
        debug_assert!(stride.is_multiple_of(CODE_ALIGN), "rows are padded");
        out.clear();
        if let Some(rows) = rows {
            assert!(
                rows.iter().all(|&row| (row as usize) < n_rows),
                "rows lie in the segment"
            );
            out.reserve(rows.len());
        } else {
            out.reserve(n_rows);
        }
        match self {
            // SAFETY: `available` found the features; all rows were checked to lie in `codes`.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { x86::scan_codes_avx512(codes, query, rows, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::scan_codes_avx2(codes, query, rows, out) },
            Self::Portable => {
                let one = |row: &[u8]| {
                    let sum: i32 = row
                        .iter()
                        .zip(&query.codes)
                        .map(|(&code, &part)| i32::from(code) * i32::from(part))
                        .sum();
                    sum - query.bias
                };
                match rows {
                    None => out.extend(codes.chunks_exact(stride).map(one)),
                    Some(rows) => out.extend(rows.iter().map(|&row| {
                        let start = row as usize * stride;
                        one(&codes[start..start + stride])
                    })),
                }
            }
        }
    }

    /// Dot product of the query with a row of little-endian f16 values.
    pub(super) fn dot_f16(self, row: &[u8], query: &PreparedQuery) -> f32 {
        let whole = row.len() / 2 / LANES * LANES;
        let (body, rest) = row.split_at(whole * 2);
        assert!(
            query.exact.len() * 2 >= row.len(),
            "the query has the row's dimension"
        );
        let mut lanes = match self {
            // SAFETY: `available` found the features; the query is at least as long as the row.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { x86::dot_f16_avx512(body, &query.exact) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::dot_f16_avx2(body, &query.exact) },
            Self::Portable => {
                let mut lanes = [0.0; LANES];
                for (block, part) in body.chunks_exact(LANES * 2).zip(query.exact.chunks(LANES)) {
                    add_products(&mut lanes, block, part);
                }
                lanes
            }
        };
        add_products(&mut lanes, rest, &query.exact[whole..]);
        join_lanes(lanes)
    }
}

fn add_products(lanes: &mut [f32; LANES], row: &[u8], query: &[f32]) {
    for ((lane, pair), part) in lanes.iter_mut().zip(row.chunks_exact(2)).zip(query) {
        *lane += f16::from_le_bytes([pair[0], pair[1]]).to_f32() * part;
    }
}

fn join_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128i, __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_shuffle_epi32,
        _mm256_add_epi32, _mm256_add_ps, _mm256_castsi256_si128, _mm256_cvtepu8_epi16,
        _mm256_cvtph_ps, _mm256_extracti128_si256, _mm256_loadu_ps, _mm256_loadu_si256,
        _mm256_madd_epi16, _mm256_mul_ps, _mm256_setzero_ps, _mm256_setzero_si256,
        _mm256_storeu_ps, _mm512_add_ps, _mm512_cvtph_ps, _mm512_dpbusd_epi32, _mm512_loadu_ps,
        _mm512_loadu_si512, _mm512_mul_ps, _mm512_reduce_add_epi32, _mm512_setzero_ps,
        _mm512_setzero_si512, _mm512_storeu_ps,
    };

    use super::{LANES, PreparedQuery};

    /// # Safety
    /// The CPU has the features; `rows` are less than `codes.len() / query.codes.len()`, which is a
    /// multiple of 64.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) unsafe fn scan_codes_avx512(
        codes: &[u8],
        query: &PreparedQuery,
        rows: Option<&[u32]>,
        out: &mut Vec<i32>,
    ) {
        let stride = query.codes.len();
        let one = |row: usize| {
            let mut sums = [_mm512_setzero_si512(); 2];
            for (block, at) in (0..stride).step_by(64).enumerate() {
                // SAFETY: the row and its query part lie in their slices (see above).
                let (code, part) = unsafe {
                    (
                        _mm512_loadu_si512(codes.as_ptr().add(row * stride + at).cast()),
                        _mm512_loadu_si512(query.codes.as_ptr().add(at).cast()),
                    )
                };
                sums[block % 2] = _mm512_dpbusd_epi32(sums[block % 2], code, part);
            }
            _mm512_reduce_add_epi32(sums[0]) + _mm512_reduce_add_epi32(sums[1]) - query.bias
        };
        match rows {
            None => out.extend((0..codes.len() / stride).map(one)),
            Some(rows) => out.extend(rows.iter().map(|&row| one(row as usize))),
        }
    }

    /// # Safety
    /// As for [`scan_codes_avx512`].
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn scan_codes_avx2(
        codes: &[u8],
        query: &PreparedQuery,
        rows: Option<&[u32]>,
        out: &mut Vec<i32>,
    ) {
        let stride = query.codes.len();
        let one = |row: usize| {
            let mut sums = [_mm256_setzero_si256(); 2];
            for (block, at) in (0..stride).step_by(16).enumerate() {
                // SAFETY: the row and its query part lie in their slices (see above).
                let (code, part) = unsafe {
                    (
                        _mm_loadu_si128(codes.as_ptr().add(row * stride + at).cast::<__m128i>()),
                        _mm256_loadu_si256(query.codes_wide.as_ptr().add(at).cast::<__m256i>()),
                    )
                };
                let products = _mm256_madd_epi16(_mm256_cvtepu8_epi16(code), part);
                sums[block % 2] = _mm256_add_epi32(sums[block % 2], products);
            }
            let sum = _mm256_add_epi32(sums[0], sums[1]);
            let half = _mm_add_epi32(
                _mm256_castsi256_si128(sum),
                _mm256_extracti128_si256::<1>(sum),
            );
            let quarter = _mm_add_epi32(half, _mm_shuffle_epi32::<0b1110>(half));
            let last = _mm_add_epi32(quarter, _mm_shuffle_epi32::<0b01>(quarter));
            _mm_cvtsi128_si32(last) - query.bias
        };
        match rows {
            None => out.extend((0..codes.len() / stride).map(one)),
            Some(rows) => out.extend(rows.iter().map(|&row| one(row as usize))),
        }
    }

    /// # Safety
    /// The CPU has the features; `row` is whole blocks of 32 bytes and `query` as long in values.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn dot_f16_avx512(row: &[u8], query: &[f32]) -> [f32; LANES] {
        let mut sum = _mm512_setzero_ps();
        for at in (0..row.len() / 2).step_by(LANES) {
            // SAFETY: block `at` lies in both slices.
            let (values, part) = unsafe {
                (
                    _mm256_loadu_si256(row.as_ptr().add(at * 2).cast::<__m256i>()),
                    _mm512_loadu_ps(query.as_ptr().add(at)),
                )
            };
            sum = _mm512_add_ps(sum, _mm512_mul_ps(_mm512_cvtph_ps(values), part));
        }
        let mut lanes = [0.0; LANES];
        // SAFETY: `lanes` is as wide as the register.
        unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), sum) };
        lanes
    }

    /// # Safety
    /// As for [`dot_f16_avx512`].
    #[target_feature(enable = "avx2,f16c")]
    pub(super) unsafe fn dot_f16_avx2(row: &[u8], query: &[f32]) -> [f32; LANES] {
        let mut sums = [_mm256_setzero_ps(); 2];
        for at in (0..row.len() / 2).step_by(LANES) {
            for (half, sum) in sums.iter_mut().enumerate() {
                let at = at + half * 8;
                // SAFETY: block `at` lies in both slices.
                let (values, part) = unsafe {
                    (
                        _mm_loadu_si128(row.as_ptr().add(at * 2).cast::<__m128i>()),
                        _mm256_loadu_ps(query.as_ptr().add(at)),
                    )
                };
                *sum = _mm256_add_ps(*sum, _mm256_mul_ps(_mm256_cvtph_ps(values), part));
            }
        }
        let mut lanes = [0.0; LANES];
        for (half, sum) in sums.iter().enumerate() {
            // SAFETY: each half of `lanes` is as wide as the register.
            unsafe { _mm256_storeu_ps(lanes.as_mut_ptr().add(half * 8), *sum) };
        }
        lanes
    }
}

#[cfg(test)]
mod tests {
    use super::super::quantise::QuantisedRow;
    use super::*;

    #[test]
    fn all_kernels_agree_to_the_bit() {
        let mut state = 7_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f32 / 8_388_608.0 - 1.0
        };
        for dim in [1, 15, 16, 17, 64, 65, 384, 400] {
            let query: Vec<f32> = (0..dim).map(|_| next()).collect();
            let query = PreparedQuery::new(&query).expect("finite");
            let rows: Vec<Vec<u8>> = (0..9)
                .map(|_| {
                    (0..dim)
                        .flat_map(|_| f16::from_f32(next()).to_le_bytes())
                        .collect()
                })
                .collect();
            let codes: Vec<u8> = rows
                .iter()
                .flat_map(|row| {
                    QuantisedRow::new(row)
                        .expect("finite")
                        .source(0)
                        .codes
                        .to_vec()
                })
                .collect();
            let run = |kernel: Kernel| {
                let (mut all, mut some) = (Vec::new(), Vec::new());
                kernel.scan_codes(&codes, &query, None, &mut all);
                kernel.scan_codes(&codes, &query, Some(&[8, 0, 3]), &mut some);
                assert_eq!(some, [all[8], all[0], all[3]]);
                let exact: Vec<u32> = rows
                    .iter()
                    .map(|row| kernel.dot_f16(row, &query).to_bits())
                    .collect();
                (all, exact)
            };
            let expected = run(Kernel::Portable);
            for kernel in Kernel::available() {
                assert_eq!(run(kernel), expected, "{kernel:?} with {dim} components");
            }
        }
    }
}
