//! 256-bit registers: half a column of a block, or 8 values of f32, in each.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _CMP_GE_OQ, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadu_si128,
    _mm_shuffle_epi32, _mm256_add_epi8, _mm256_add_epi16, _mm256_add_epi32, _mm256_add_ps,
    _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_castsi256_si128, _mm256_cmp_ps,
    _mm256_cvtepi8_epi16, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi16, _mm256_cvtepu16_epi32,
    _mm256_cvtph_ps, _mm256_extracti128_si256, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_movemask_ps, _mm256_mul_ps, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_slli_epi16, _mm256_srli_epi16, _mm256_storeu_ps, _mm256_sub_epi16,
};
use std::ops::Range;

use super::{AHEAD, Blocks, LANES, Sieve, prefetch};
use crate::dense::coarse::{BLOCK_ROWS, block_bytes};

/// # Safety
/// The CPU has the features; `blocks` covers `range`.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn next_passing(
    blocks: Blocks<'_>,
    tables: &[u8],
    sieve: Sieve,
    range: Range<usize>,
) -> Option<(usize, u64)> {
    let floor = _mm256_set1_ps(sieve.floor);
    for block in range {
        let wanted = blocks.mask_of(block);
        if wanted == 0 {
            continue;
        }
        // SAFETY: the block lies in `range`.
        let eighths = unsafe { eighths(blocks, tables, sieve, block) };
        let mut passing = 0_u64;
        for (at, eighth) in eighths.into_iter().enumerate() {
            let mask = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(eighth, floor));
            passing |= u64::from(mask.cast_unsigned()) << (at * 8);
        }
        if passing & wanted != 0 {
            return Some((block, passing & wanted));
        }
    }
    None
}

/// # Safety
/// The CPU has the features; `blocks` covers `block`.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn estimates(
    blocks: Blocks<'_>,
    tables: &[u8],
    sieve: Sieve,
    block: usize,
) -> [f32; BLOCK_ROWS] {
    let mut out = [0.0; BLOCK_ROWS];
    // SAFETY: see above.
    let eighths = unsafe { eighths(blocks, tables, sieve, block) };
    for (part, eighth) in out.chunks_exact_mut(8).zip(eighths) {
        // SAFETY: the part is as wide as the register.
        unsafe { _mm256_storeu_ps(part.as_mut_ptr(), eighth) };
    }
    out
}

/// Estimates of 8 rows in each register.
///
/// # Safety
/// As for [`estimates`].
#[target_feature(enable = "avx2")]
unsafe fn eighths(blocks: Blocks<'_>, tables: &[u8], sieve: Sieve, block: usize) -> [__m256; 8] {
    let bytes = block_bytes(tables.len() / 4);
    let (base, step) = (_mm256_set1_ps(sieve.base), _mm256_set1_ps(sieve.step));
    // SAFETY: the block lies in `codes`, and 32 bytes of tables stand for each half of its columns.
    let ((even, odd), (later_even, later_odd)) = unsafe {
        let codes = blocks.codes.as_ptr().add(block * bytes);
        (sums(codes, tables), sums(codes.add(32), tables))
    };
    let estimate = |at: usize, sums: __m128i| {
        let row = block * BLOCK_ROWS + at * 8;
        let sum = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(sums));
        // SAFETY: the factors cover the block.
        let (centre, sign) = unsafe {
            (
                _mm256_loadu_ps(blocks.centre.as_ptr().add(row)),
                _mm256_loadu_ps(blocks.sign.as_ptr().add(row)),
            )
        };
        let inner = _mm256_add_ps(base, _mm256_mul_ps(step, sum));
        _mm256_add_ps(centre, _mm256_mul_ps(sign, inner))
    };
    [
        estimate(0, _mm256_castsi256_si128(even)),
        estimate(1, _mm256_extracti128_si256::<1>(even)),
        estimate(2, _mm256_castsi256_si128(later_even)),
        estimate(3, _mm256_extracti128_si256::<1>(later_even)),
        estimate(4, _mm256_castsi256_si128(odd)),
        estimate(5, _mm256_extracti128_si256::<1>(odd)),
        estimate(6, _mm256_castsi256_si128(later_odd)),
        estimate(7, _mm256_extracti128_si256::<1>(later_odd)),
    ]
}

/// Sums of table entries for half of a block's rows: of those in even bytes and in odd bytes.
///
/// # Safety
/// The CPU has the features; 32 bytes lie at `codes` and each 64 bytes after it, once for each 32 bytes of tables.
#[target_feature(enable = "avx2")]
unsafe fn sums(codes: *const u8, tables: &[u8]) -> (__m256i, __m256i) {
    let low_half = _mm256_set1_epi8(15);
    let (mut all, mut odd) = (_mm256_setzero_si256(), _mm256_setzero_si256());
    for pair in 0..tables.len() / 64 {
        // SAFETY: see above.
        let (first, second, table) = unsafe {
            (
                _mm256_loadu_si256(codes.add(pair * 128).cast()),
                _mm256_loadu_si256(codes.add(pair * 128 + 64).cast()),
                tables.as_ptr().add(pair * 64),
            )
        };
        let look_up = |at: usize, codes: __m256i| {
            // SAFETY: the pair's tables are 64 bytes.
            let table = unsafe { _mm_loadu_si128(table.add(at * 16).cast()) };
            _mm256_shuffle_epi8(
                _mm256_broadcastsi128_si256(table),
                _mm256_and_si256(codes, low_half),
            )
        };
        let bytes = _mm256_add_epi8(
            _mm256_add_epi8(look_up(0, first), look_up(1, _mm256_srli_epi16::<4>(first))),
            _mm256_add_epi8(
                look_up(2, second),
                look_up(3, _mm256_srli_epi16::<4>(second)),
            ),
        );
        all = _mm256_add_epi16(all, bytes);
        odd = _mm256_add_epi16(odd, _mm256_srli_epi16::<8>(bytes));
    }
    (_mm256_sub_epi16(all, _mm256_slli_epi16::<8>(odd)), odd)
}

/// # Safety
/// The CPU has the features; `query` is a multiple of 128 and `rows` are less than `codes.len() / (query.len() / 2)`.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn dot_nibbles(codes: &[u8], query: &[i8], rows: &[u32], out: &mut Vec<i32>) {
    let stride = query.len() / 2;
    for (at, &row) in rows.iter().enumerate() {
        if let Some(&later) = rows.get(at + AHEAD) {
            prefetch(&codes[later as usize * stride..][..stride]);
        }
        let mut sums = [_mm256_setzero_si256(); 2];
        for part in 0..stride / 16 {
            // Sixteen bytes hold 16 components in their low halves and those 64 further on in their high halves.
            let first = part / 4 * 128 + part % 4 * 16;
            // SAFETY: the row and its query part lie in their slices (see above).
            let (code, low, high) = unsafe {
                let code = codes.as_ptr().add(row as usize * stride + part * 16);
                let query = query.as_ptr().add(first);
                (
                    _mm_loadu_si128(code.cast::<__m128i>()),
                    _mm_loadu_si128(query.cast::<__m128i>()),
                    _mm_loadu_si128(query.add(64).cast::<__m128i>()),
                )
            };
            let code = _mm256_cvtepu8_epi16(code);
            let low_codes = _mm256_and_si256(code, _mm256_set1_epi16(15));
            let high_codes = _mm256_srli_epi16::<4>(code);
            let low = _mm256_madd_epi16(low_codes, _mm256_cvtepi8_epi16(low));
            let high = _mm256_madd_epi16(high_codes, _mm256_cvtepi8_epi16(high));
            sums[0] = _mm256_add_epi32(sums[0], low);
            sums[1] = _mm256_add_epi32(sums[1], high);
        }
        let sum = _mm256_add_epi32(sums[0], sums[1]);
        let half = _mm_add_epi32(
            _mm256_castsi256_si128(sum),
            _mm256_extracti128_si256::<1>(sum),
        );
        let quarter = _mm_add_epi32(half, _mm_shuffle_epi32::<0b1110>(half));
        let last = _mm_add_epi32(quarter, _mm_shuffle_epi32::<0b01>(quarter));
        out.push(_mm_cvtsi128_si32(last));
    }
}

/// # Safety
/// The CPU has the features; `row` is whole blocks of 32 bytes and `query` as long in values.
#[target_feature(enable = "avx2,f16c")]
pub(super) unsafe fn dot_f16(row: &[u8], query: &[f32]) -> [f32; LANES] {
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
