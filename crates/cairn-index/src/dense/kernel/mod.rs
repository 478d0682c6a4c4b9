//! The inner loops of the scan, with a path chosen at run time.
//!
//! Every path computes the same bits: codes in integers; f32 in a fixed order, multiplied and added without fusing,
//! lanes of sums joined in one fixed order. So results do not depend on the CPU. Byte shuffles serve 1-bit codes on
//! every CPU from one layout (for a whole scan of 100,000 rows of 384 bits on a Zen 5 core see docs/architecture.md);
//! counting bits (AVX-512 VPOPCNTDQ) needs a layout of its own, four planes of the query and as many instructions.

#![expect(unsafe_code, reason = "vector instructions behind run-time detection")]

use half::f16;

use super::coarse::{BLOCK_ROWS, block_bytes, place};
use super::query::{PreparedQuery, SegmentQuery};

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

/// Lanes of the exact dot product.
const LANES: usize = 16;
/// Rows that are fetched ahead of the one that is computed.
const AHEAD: usize = 8;

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

/// Blocks of 1-bit codes with what makes estimates of their sums. All parts cover the same whole blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks<'a> {
    /// Blocks of `width / 8` columns of 64 bytes, rows in the order of [`place`].
    pub codes: &'a [u8],
    /// Dot product with the centre, for each row.
    pub centre: &'a [f32],
    /// Factor of the 1-bit code, for each row.
    pub sign: &'a [f32],
    /// Rows that count, a word for each block; `None`: all.
    pub mask: Option<&'a [u64]>,
}

/// Which rows pass: `centre + sign * (base + step * sum) >= floor`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sieve {
    pub base: f32,
    pub step: f32,
    pub floor: f32,
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

    /// The first block from `from` on in which rows pass, and which ones.
    pub(super) fn next_passing(
        self,
        blocks: Blocks<'_>,
        tables: &[u8],
        sieve: Sieve,
        from: usize,
    ) -> Option<(usize, u64)> {
        let n_blocks = blocks.check(tables);
        match self {
            // SAFETY: `available` found the features; the parts cover `n_blocks`.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::next_passing(blocks, tables, sieve, from..n_blocks) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::next_passing(blocks, tables, sieve, from..n_blocks) },
            Self::Portable => (from..n_blocks).find_map(|block| {
                let wanted = blocks.mask_of(block);
                if wanted == 0 {
                    return None;
                }
                let estimates = estimates(blocks, tables, sieve, block);
                let passing = (0..BLOCK_ROWS)
                    .filter(|&row| estimates[row] >= sieve.floor)
                    .fold(0, |bits, row| bits | 1_u64 << row);
                (passing & wanted != 0).then_some((block, passing & wanted))
            }),
        }
    }

    /// What the sieve compares, for each row of a block.
    pub(super) fn estimates(
        self,
        blocks: Blocks<'_>,
        tables: &[u8],
        sieve: Sieve,
        block: usize,
    ) -> [f32; BLOCK_ROWS] {
        let n_blocks = blocks.check(tables);
        assert!(block < n_blocks, "the block is there");
        match self {
            // SAFETY: `available` found the features; the block lies in the parts.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::estimates(blocks, tables, sieve, block) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::estimates(blocks, tables, sieve, block) },
            Self::Portable => estimates(blocks, tables, sieve, block),
        }
    }

    /// Integer dot products of 4-bit codes with the query's bytes, for the given rows in their order. Replaces what
    /// is in `out`.
    pub(super) fn dot_nibbles(
        self,
        codes: &[u8],
        query: &SegmentQuery,
        rows: &[u32],
        out: &mut Vec<i32>,
    ) {
        let stride = query.bytes.len() / 2;
        let n_rows = codes.len() / stride;
        assert!(
            rows.iter().all(|&row| (row as usize) < n_rows),
            "rows lie in the segment"
        );
        debug_assert!(stride.is_multiple_of(64), "rows are padded");
        out.clear();
        out.reserve(rows.len());
        match self {
            // SAFETY: `available` found the features; all rows were checked to lie in `codes`.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::dot_nibbles(codes, &query.bytes, rows, out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::dot_nibbles(codes, &query.bytes, rows, out) },
            Self::Portable => out.extend(rows.iter().map(|&row| {
                let start = row as usize * stride;
                let row = &codes[start..start + stride];
                row.chunks_exact(64)
                    .zip(query.bytes.chunks_exact(128))
                    .map(|(bytes, part)| {
                        let (low, high) = part.split_at(64);
                        let sum: i32 = bytes
                            .iter()
                            .zip(low.iter().zip(high))
                            .map(|(&byte, (&low, &high))| {
                                i32::from(byte & 15) * i32::from(low)
                                    + i32::from(byte >> 4) * i32::from(high)
                            })
                            .sum();
                        sum
                    })
                    .sum::<i32>()
            })),
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
            Self::Avx512 => unsafe { avx512::dot_f16(body, &query.exact) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::dot_f16(body, &query.exact) },
            Self::Portable => {
                let mut lanes = [0.0; LANES];
                for (block, part) in body.chunks_exact(LANES * 2).zip(query.exact.chunks(LANES)) {
                    add_products(&mut lanes, block, part);
                }
                lanes
            }
        };
        add_products(&mut lanes, rest, &query.exact[whole..]);
        // Adding zero turns -0 into 0, so that equal scores compare as equal.
        join_lanes(lanes) + 0.0
    }
}

impl Blocks<'_> {
    fn check(self, tables: &[u8]) -> usize {
        // 16 bytes of tables stand for 4 components.
        let n_blocks = self.codes.len() / block_bytes(tables.len() / 4);
        assert!(
            self.centre.len() == n_blocks * BLOCK_ROWS
                && self.sign.len() == n_blocks * BLOCK_ROWS
                && self.mask.is_none_or(|mask| mask.len() == n_blocks),
            "factors and mask cover the blocks"
        );
        n_blocks
    }

    fn mask_of(self, block: usize) -> u64 {
        self.mask.map_or(u64::MAX, |mask| mask[block])
    }
}

/// In plain Rust.
fn estimates(blocks: Blocks<'_>, tables: &[u8], sieve: Sieve, block: usize) -> [f32; BLOCK_ROWS] {
    let bytes = block_bytes(tables.len() / 4);
    let codes = &blocks.codes[block * bytes..(block + 1) * bytes];
    let mut sums = [0_u16; BLOCK_ROWS];
    for (column, tables) in codes.chunks_exact(BLOCK_ROWS).zip(tables.chunks_exact(32)) {
        let (low, high) = tables.split_at(16);
        for (sum, &code) in sums.iter_mut().zip(column) {
            *sum +=
                u16::from(low[usize::from(code & 15)]) + u16::from(high[usize::from(code >> 4)]);
        }
    }
    let mut out = [0.0; BLOCK_ROWS];
    for (row, estimate) in out.iter_mut().enumerate() {
        let at = block * BLOCK_ROWS + row;
        let inner = sieve.base + sieve.step * f32::from(sums[place(row)]);
        *estimate = blocks.centre[at] + blocks.sign[at] * inner;
    }
    out
}

/// Asks for the 4-bit codes of a row to be brought near. Does nothing but that.
pub(super) fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for at in (0..bytes.len()).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: `at` lies in the slice; prefetching needs no more than SSE, which every x86-64 CPU has.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().add(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bytes;
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

#[cfg(test)]
mod tests;
