//! Where what stands in a segment file.
//!
//! Little-endian, each section begins at a multiple of 64 bytes: header (magic, dimension, rows, seed of the rotation,
//! whether there are codes, CRC32) · centre (f32) · chunk numbers (u32) · dot products with the centre (f32) · factors
//! of 1-bit codes (f32) · factors of 4-bit codes (3 f32) · 1-bit codes in blocks of 64 rows · 4-bit codes by row ·
//! f16 rows · CRC32 of each 64 KiB block of all that stands before. Without codes (a small segment) the sections of
//! centre, factors and codes are empty. A row of 384 components takes 4 + 20 + 48 + 192 + 768 bytes.

use std::path::{Path, PathBuf};

use super::coarse::{BLOCK_ROWS, block_bytes, nibble_bytes};
use super::rotate::width_of;

const MAGIC: [u8; 8] = *b"CAIRNV2\n";
/// Bytes of the header.
pub(super) const HEADER: usize = 64;
const ALIGN: usize = 64;
/// Bytes that one checksum covers.
pub(super) const BLOCK: usize = 64 * 1024;
/// Bytes of the factors of 4-bit codes.
pub(super) const NIBBLE_FACTORS: usize = 12;
const PREFIX: &str = "segment-";
const SUFFIX: &str = ".vec";

/// What a segment is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub dim: usize,
    pub n_rows: usize,
    /// Seed of the rotation.
    pub seed: u64,
    pub codes: Codes,
}

/// Whether a segment has codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codes {
    /// None: its f16 rows are all that is scanned.
    Absent,
    /// 1-bit and 4-bit codes.
    Present,
}

/// Where the sections of a segment begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub shape: Shape,
    pub centre: usize,
    pub chunk_nos: usize,
    pub row_centres: usize,
    pub signs: usize,
    pub nibble_factors: usize,
    pub blocks: usize,
    pub nibbles: usize,
    pub f16: usize,
    /// Where the table of checksums begins.
    pub end: usize,
}

impl Layout {
    /// `None` where the file would have no size.
    pub(super) fn new(shape: Shape) -> Option<Self> {
        let width = width_of(shape.dim);
        let coded = match shape.codes {
            Codes::Absent => 0,
            Codes::Present => shape.n_rows,
        };
        let after = |start: usize, count: usize, size: usize| {
            start
                .checked_add(count.checked_mul(size)?)?
                .checked_next_multiple_of(ALIGN)
        };
        let centre = HEADER;
        let chunk_nos = after(centre, if coded > 0 { shape.dim } else { 0 }, 4)?;
        let row_centres = after(chunk_nos, shape.n_rows, 4)?;
        let signs = after(row_centres, coded, 4)?;
        let nibble_factors = after(signs, coded, 4)?;
        let blocks = after(nibble_factors, coded, NIBBLE_FACTORS)?;
        let nibbles = after(blocks, coded.div_ceil(BLOCK_ROWS), block_bytes(width))?;
        let f16 = after(nibbles, coded, nibble_bytes(width))?;
        let end = after(f16, shape.n_rows, shape.dim.checked_mul(2)?)?;
        end.checked_mul(2)?;
        Some(Self {
            shape,
            centre,
            chunk_nos,
            row_centres,
            signs,
            nibble_factors,
            blocks,
            nibbles,
            f16,
            end,
        })
    }

    pub(super) const fn n_blocks(self) -> usize {
        self.end.div_ceil(BLOCK)
    }

    pub(super) const fn file_length(self) -> u64 {
        self.end as u64 + self.n_blocks() as u64 * 4
    }
}

impl Shape {
    pub(super) fn to_header(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&(self.dim as u64).to_le_bytes());
        bytes[16..24].copy_from_slice(&(self.n_rows as u64).to_le_bytes());
        bytes[24..32].copy_from_slice(&self.seed.to_le_bytes());
        bytes[32] = u8::from(self.codes == Codes::Present);
        let crc = crc32fast::hash(&bytes[..HEADER - 4]);
        bytes[HEADER - 4..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The shape whose header this is; `None` where it is none.
    pub(super) fn from_header(bytes: &[u8; HEADER]) -> Option<Self> {
        let number = |at: usize| {
            let mut fixed = [0; 8];
            fixed.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(fixed)
        };
        let shape = Self {
            dim: usize::try_from(number(8)).ok()?,
            n_rows: usize::try_from(number(16)).ok()?,
            seed: number(24),
            codes: if bytes[32] == 1 {
                Codes::Present
            } else {
                Codes::Absent
            },
        };
        (shape.to_header() == *bytes).then_some(shape)
    }
}

/// CRC32 that stands for the whole file: over its header and its table of checksums.
pub(super) fn checksum_of(header: &[u8], table: &[u8]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(header);
    hash.update(table);
    hash.finalize()
}

/// The number in the name of a segment's file.
pub(super) fn id_of_file_name(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?
        .strip_suffix(SUFFIX)?
        .parse()
        .ok()
}

/// The file of segment `id`.
pub(super) fn path_of(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{id}{SUFFIX}"))
}
