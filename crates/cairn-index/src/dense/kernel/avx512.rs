//! 512-bit registers: a column of a block, or 16 values of f32, in each.

use std::arch::x86_64::{
    __m256i, __m512, __m512i, _CMP_GE_OQ, _mm_loadu_si128, _mm256_loadu_si256, _mm512_add_epi8,
    _mm512_add_epi16, _mm512_add_ps, _mm512_and_si512, _mm512_broadcast_i32x4,
    _mm512_castsi512_si256, _mm512_cmp_ps_mask, _mm512_cvtepi32_ps, _mm512_cvtepu16_epi32,
    _mm512_cvtph_ps, _mm512_dpbusd_epi32, _mm512_extracti64x4_epi64, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_mul_ps, _mm512_reduce_add_epi32, _mm512_set1_epi8, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_slli_epi16,
    _mm512_srli_epi16, _mm512_storeu_ps, _mm512_sub_epi16,
};
use std::ops::Range;

use super::{AHEAD, Blocks, LANES, Sieve, prefetch};
use crate::dense::coarse::{BLOCK_ROWS, block_bytes};

/// # Safety
/// The CPU has the features; `blocks` covers `range`.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn next_passing(
    blocks: Blocks<'_>,
    tables: &[u8],
    sieve: Sieve,
    range: Range<usize>,
) -> Option<(usize, u64)> {
    let floor = _mm512_set1_ps(sieve.floor);
    for block in range {
        let wanted = blocks.mask_of(block);
        if wanted == 0 {
            continue;
        }
        // SAFETY: the block lies in `range`.
        let quarters = unsafe { quarters(blocks, tables, sieve, block) };
        let mut passing = 0_u64;
        for (at, quarter) in quarters.into_iter().enumerate() {
            let mask = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(quarter, floor);
            passing |= u64::from(mask) << (at * 16);
        }
        if passing & wanted != 0 {
            return Some((block, passing & wanted));
        }
    }
    None
}

/// # Safety
/// The CPU has the features; `blocks` covers `block`.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn estimates(
    blocks: Blocks<'_>,
    tables: &[u8],
    sieve: Sieve,
    block: usize,
) -> [f32; BLOCK_ROWS] {
    let mut out = [0.0; BLOCK_ROWS];
    // SAFETY: see above.
    let quarters = unsafe { quarters(blocks, tables, sieve, block) };
    for (part, quarter) in out.chunks_exact_mut(16).zip(quarters) {
        // SAFETY: the part is as wide as the register.
        unsafe { _mm512_storeu_ps(part.as_mut_ptr(), quarter) };
    }
    out
}

/// Estimates of 16 rows in each register.
///
/// # Safety
/// As for [`estimates`].
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn quarters(blocks: Blocks<'_>, tables: &[u8], sieve: Sieve, block: usize) -> [__m512; 4] {
    let bytes = block_bytes(tables.len() / 4);
    let (base, step) = (_mm512_set1_ps(sieve.base), _mm512_set1_ps(sieve.step));
    // SAFETY: the block lies in `codes`, and 32 bytes of tables stand for each of its columns.
    let (even, odd) = unsafe { sums(blocks.codes.as_ptr().add(block * bytes), tables) };
    let estimate = |at: usize, sums: __m256i| {
        let row = block * BLOCK_ROWS + at * 16;
        let sum = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(sums));
        // SAFETY: the factors cover the block.
        let (centre, sign) = unsafe {
            (
                _mm512_loadu_ps(blocks.centre.as_ptr().add(row)),
                _mm512_loadu_ps(blocks.sign.as_ptr().add(row)),
            )
        };
        let inner = _mm512_add_ps(base, _mm512_mul_ps(step, sum));
        _mm512_add_ps(centre, _mm512_mul_ps(sign, inner))
    };
    [
        estimate(0, _mm512_castsi512_si256(even)),
        estimate(1, _mm512_extracti64x4_epi64::<1>(even)),
        estimate(2, _mm512_castsi512_si256(odd)),
        estimate(3, _mm512_extracti64x4_epi64::<1>(odd)),
    ]
}

/// Sums of table entries: of the rows in even bytes and in odd bytes.
///
/// # Safety
/// The CPU has the features; a column of 64 bytes lies at `codes` for each 32 bytes of tables, which are whole 64s.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn sums(codes: *const u8, tables: &[u8]) -> (__m512i, __m512i) {
    let low_half = _mm512_set1_epi8(15);
    let (mut all, mut odd) = (_mm512_setzero_si512(), _mm512_setzero_si512());
    for pair in 0..tables.len() / 64 {
        // SAFETY: see above.
        let (first, second, table) = unsafe {
            (
                _mm512_loadu_si512(codes.add(pair * 128).cast()),
                _mm512_loadu_si512(codes.add(pair * 128 + 64).cast()),
                tables.as_ptr().add(pair * 64),
            )
        };
        let look_up = |at: usize, codes: __m512i| {
            // SAFETY: the pair's tables are 64 bytes.
            let table = unsafe { _mm_loadu_si128(table.add(at * 16).cast()) };
            _mm512_shuffle_epi8(
                _mm512_broadcast_i32x4(table),
                _mm512_and_si512(codes, low_half),
            )
        };
        let bytes = _mm512_add_epi8(
            _mm512_add_epi8(look_up(0, first), look_up(1, _mm512_srli_epi16::<4>(first))),
            _mm512_add_epi8(
                look_up(2, second),
                look_up(3, _mm512_srli_epi16::<4>(second)),
            ),
        );
        all = _mm512_add_epi16(all, bytes);
        odd = _mm512_add_epi16(odd, _mm512_srli_epi16::<8>(bytes));
    }
    (_mm512_sub_epi16(all, _mm512_slli_epi16::<8>(odd)), odd)
}

/// # Safety
/// The CPU has the features; `query` is a multiple of 128 and `rows` are less than `codes.len() / (query.len() / 2)`.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn dot_nibbles(codes: &[u8], query: &[i8], rows: &[u32], out: &mut Vec<i32>) {
    let stride = query.len() / 2;
    let low_half = _mm512_set1_epi8(15);
    for (at, &row) in rows.iter().enumerate() {
        if let Some(&later) = rows.get(at + AHEAD) {
            prefetch(&codes[later as usize * stride..][..stride]);
        }
        let mut sums = [_mm512_setzero_si512(); 2];
        for block in 0..stride / 64 {
            // SAFETY: the row and its query part lie in their slices (see above).
            let (code, low, high) = unsafe {
                let code = codes.as_ptr().add(row as usize * stride + block * 64);
                let query = query.as_ptr().add(block * 128);
                (
                    _mm512_loadu_si512(code.cast()),
                    _mm512_loadu_si512(query.cast()),
                    _mm512_loadu_si512(query.add(64).cast()),
                )
            };
            let low_codes = _mm512_and_si512(code, low_half);
            let high_codes = _mm512_and_si512(_mm512_srli_epi16::<4>(code), low_half);
            sums[0] = _mm512_dpbusd_epi32(sums[0], low_codes, low);
            sums[1] = _mm512_dpbusd_epi32(sums[1], high_codes, high);
        }
        out.push(_mm512_reduce_add_epi32(sums[0]) + _mm512_reduce_add_epi32(sums[1]));
    }
}

/// # Safety
/// The CPU has the features; `row` is whole blocks of 32 bytes and `query` as long in values.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn dot_f16(row: &[u8], query: &[f32]) -> [f32; LANES] {
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
