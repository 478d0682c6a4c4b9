//! An open segment: a sealed file of vectors, rows sorted by chunk number, never changed after it was written.
//!
//! Opening reads the file once, with plain reads, to check every block; codes and f16 rows are then mapped, numbers
//! and factors are kept in memory (24 bytes a row). So what is served was checked, and a page that cannot be read
//! later is an error of the disk and not of the file. Layout: [`super::layout`].

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use memmap2::Mmap;
use roaring::RoaringBitmap;

use super::coarse::{BLOCK_ROWS, MAX_WIDTH, NibbleFactors, block_bytes, nibble_bytes};
use super::layout::{BLOCK, Codes, HEADER, Layout, NIBBLE_FACTORS, Shape, checksum_of, path_of};
use super::numbers::Numbers;
use super::rotate::{Rotation, width_of};
use super::write::{self, RowSource};
use crate::IndexError;

/// Segments with fewer rows have no codes: their f16 rows are scanned in some 20 µs, and a commit of few vectors
/// writes little.
const MIN_CODED_ROWS: usize = 1024;

/// An open segment.
#[derive(Debug)]
pub(super) struct Segment {
    id: u64,
    checksum: u32,
    layout: Layout,
    numbers: Numbers,
    codes: Option<SegmentCodes>,
    map: Mmap,
    is_synced: AtomicBool,
}

/// What is needed to use the codes of a segment.
#[derive(Debug)]
pub(super) struct SegmentCodes {
    pub centre: Vec<f32>,
    pub rotated_centre: Vec<f32>,
    /// Dot product with the centre, for each row of whole blocks; NaN, which passes no sieve, where there is no row.
    pub row_centres: Vec<f32>,
    /// Factors of 1-bit codes, for each row of whole blocks.
    pub signs: Vec<f32>,
    /// Factors of 4-bit codes, for each row.
    pub nibbles: Vec<NibbleFactors>,
}

impl Segment {
    /// Writes rows (sorted by chunk number, without repeats) as segment `id` and opens it.
    pub(super) fn write(
        dir: &Path,
        id: u64,
        (rotation, seed): (&Rotation, u64),
        dim: usize,
        rows: &[RowSource<'_>],
        stop: &AtomicBool,
    ) -> Result<Self, IndexError> {
        let path = path_of(dir, id);
        let codes = if rows.len() >= MIN_CODED_ROWS && width_of(dim) <= MAX_WIDTH {
            Codes::Present
        } else {
            Codes::Absent
        };
        let shape = Shape {
            dim,
            n_rows: rows.len(),
            seed,
            codes,
        };
        let layout = Layout::new(shape).expect("rows in memory have an address");
        let checksum = write::write_file(&path, layout, rotation, rows, stop)
            .map_err(|error| IndexError::unavailable(&path, error))?;
        Self::open(dir, id, rotation, shape, checksum)
    }

    /// Opens segment `id` and checks every block of it. Of `shape` all but the codes is what the file must be.
    pub(super) fn open(
        dir: &Path,
        id: u64,
        rotation: &Rotation,
        shape: Shape,
        checksum: u32,
    ) -> Result<Self, IndexError> {
        let path = path_of(dir, id);
        let corrupt = |reason: &str| IndexError::corrupt(&path, reason);
        let unavailable = |error: std::io::Error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                corrupt("it is cut off")
            } else {
                IndexError::unavailable(&path, error)
            }
        };
        let mut file = fs_err::File::open(&path).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                corrupt("it is missing")
            } else {
                IndexError::unavailable(&path, error)
            }
        })?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header).map_err(unavailable)?;
        let found =
            Shape::from_header(&header).ok_or_else(|| corrupt("its header does not fit"))?;
        if (Shape {
            codes: found.codes,
            ..shape
        }) != found
        {
            return Err(corrupt("it is not of the shape that the manifest says"));
        }
        let layout = Layout::new(found)
            .filter(|_| width_of(found.dim) <= MAX_WIDTH || found.codes == Codes::Absent)
            .ok_or_else(|| corrupt("its shape is not possible"))?;
        let length = file.metadata().map_err(unavailable)?.len();
        if length != layout.file_length() {
            return Err(corrupt("it has another length than its header says"));
        }
        let (mut head, mut crcs) = (Vec::with_capacity(layout.blocks), Vec::new());
        let mut block = header.to_vec();
        for start in (0..layout.end).step_by(BLOCK) {
            let filled = block.len();
            block.resize(BLOCK.min(layout.end - start), 0);
            file.read_exact(&mut block[filled..]).map_err(unavailable)?;
            crcs.extend_from_slice(&crc32fast::hash(&block).to_le_bytes());
            let wanted = block.len().min(layout.blocks - head.len());
            head.extend_from_slice(&block[..wanted]);
            block.clear();
        }
        let mut table = Vec::new();
        file.read_to_end(&mut table).map_err(unavailable)?;
        if let Some(at) = table
            .chunks_exact(4)
            .zip(crcs.chunks_exact(4))
            .position(|(stored, crc)| stored != crc)
        {
            return Err(corrupt(&format!("the checksum of block {at} does not fit")));
        }
        if checksum_of(&header, &table) != checksum {
            return Err(corrupt("it is not the file that the manifest names"));
        }
        let chunk_nos = words(&head, layout.chunk_nos, found.n_rows).map(u32::from_le_bytes);
        let numbers =
            Numbers::new(chunk_nos.collect()).ok_or_else(|| corrupt("its rows are not sorted"))?;
        let codes = match found.codes {
            Codes::Absent => None,
            Codes::Present => Some(SegmentCodes::read(&head, layout, rotation)),
        };
        let map = map(file.file(), &path)?;
        Ok(Self {
            id,
            checksum,
            layout,
            numbers,
            codes,
            map,
            is_synced: AtomicBool::new(false),
        })
    }

    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    pub(super) const fn checksum(&self) -> u32 {
        self.checksum
    }

    pub(super) const fn n_rows(&self) -> usize {
        self.layout.shape.n_rows
    }

    pub(super) const fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    pub(super) const fn codes(&self) -> Option<&SegmentCodes> {
        self.codes.as_ref()
    }

    /// 1-bit codes of all rows, in whole blocks; empty without codes.
    pub(super) fn blocks(&self) -> &[u8] {
        let n_blocks = self
            .codes
            .as_ref()
            .map_or(0, |_| self.n_rows().div_ceil(BLOCK_ROWS));
        let bytes = block_bytes(width_of(self.layout.shape.dim));
        &self.map[self.layout.blocks..self.layout.blocks + n_blocks * bytes]
    }

    /// 4-bit codes of all rows; empty without codes.
    pub(super) fn nibbles(&self) -> &[u8] {
        let n_rows = self.codes.as_ref().map_or(0, |_| self.n_rows());
        let bytes = nibble_bytes(width_of(self.layout.shape.dim));
        &self.map[self.layout.nibbles..self.layout.nibbles + n_rows * bytes]
    }

    /// The little-endian f16 values of a row.
    pub(super) fn f16_row(&self, row: usize) -> &[u8] {
        let width = self.layout.shape.dim * 2;
        let start = self.layout.f16 + row * width;
        &self.map[start..start + width]
    }

    /// Makes the file durable, once.
    pub(super) fn sync(&self, dir: &Path) -> Result<(), IndexError> {
        if !self.is_synced.load(Ordering::Relaxed) {
            let path = path_of(dir, self.id);
            fs_err::File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(|error| IndexError::unavailable(&path, error))?;
            self.is_synced.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Bytes of the file.
    pub(super) const fn file_length(&self) -> u64 {
        self.layout.file_length()
    }

    pub(super) fn source(&self, row: usize) -> RowSource<'_> {
        RowSource {
            chunk_no: self.numbers.as_slice()[row],
            f16: self.f16_row(row),
        }
    }

    /// The rows of these chunks, dead or alive.
    pub(super) fn rows_of(&self, wanted: &RoaringBitmap) -> RoaringBitmap {
        self.numbers.select(wanted).rows().collect()
    }
}

impl SegmentCodes {
    fn read(head: &[u8], layout: Layout, rotation: &Rotation) -> Self {
        let n_rows = layout.shape.n_rows;
        let floats = |start: usize, count: usize| words(head, start, count).map(f32::from_le_bytes);
        let centre: Vec<f32> = floats(layout.centre, layout.shape.dim).collect();
        let mut rotated_centre = Vec::new();
        rotation.apply(&centre, &mut rotated_centre);
        let padded = n_rows.next_multiple_of(BLOCK_ROWS);
        let mut row_centres: Vec<f32> = floats(layout.row_centres, n_rows).collect();
        row_centres.resize(padded, f32::NAN);
        let mut signs: Vec<f32> = floats(layout.signs, n_rows).collect();
        signs.resize(padded, 0.0);
        let factors: Vec<f32> =
            floats(layout.nibble_factors, n_rows * (NIBBLE_FACTORS / 4)).collect();
        let nibbles = factors
            .chunks_exact(3)
            .map(|part| NibbleFactors {
                scale: part[0],
                error: part[1],
                norm: part[2],
            })
            .collect();
        Self {
            centre,
            rotated_centre,
            row_centres,
            signs,
            nibbles,
        }
    }
}

/// `count` words of four bytes from `start` on.
fn words(bytes: &[u8], start: usize, count: usize) -> impl Iterator<Item = [u8; 4]> {
    bytes[start..start + count * 4]
        .as_chunks()
        .0
        .iter()
        .copied()
}

#[expect(unsafe_code, reason = "memory-mapped segment")]
fn map(file: &File, path: &Path) -> Result<Mmap, IndexError> {
    // SAFETY: segment files are complete before they are mapped and never changed afterwards: only we write in this
    // folder, which the data directory's lock guards, new segments are new files, and a replaced one is unlinked.
    unsafe { Mmap::map(file) }.map_err(|error| IndexError::unavailable(path, error))
}
