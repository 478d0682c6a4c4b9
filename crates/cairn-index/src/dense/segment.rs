//! A sealed file of vectors: rows sorted by chunk number, never changed after it was written.
//!
//! Layout, little-endian, each section padded to 64 bytes: header (magic, dimension, rows, CRC32) ·
//! chunk numbers u32 · [`RowScale`]s · i8 codes (rows padded to 64 bytes) · f16 rows · CRC32 of each
//! 64 KiB block of all that stands before. Codes lie together, so that the first pass reads them only.
//! Opening reads the file once, with plain reads, to check the blocks; codes and f16 rows are then
//! mapped, numbers and scales are kept in memory (16 bytes a row).

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use roaring::RoaringBitmap;

use super::manifest;
use super::quantise::{RowScale, code_stride};
use crate::{IndexError, rows};

const MAGIC: [u8; 8] = *b"CAIRNV1\n";
const HEADER: usize = 64;
const ALIGN: usize = 64;
const BLOCK: usize = 64 * 1024;
const PREFIX: &str = "segment-";
const SUFFIX: &str = ".vec";

/// One row on its way into a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowSource<'a> {
    pub chunk_no: u32,
    pub scale: RowScale,
    pub codes: &'a [u8],
    pub f16: &'a [u8],
}

/// An open segment.
#[derive(Debug)]
pub(super) struct Segment {
    id: u64,
    checksum: u32,
    layout: Layout,
    /// Strictly rising.
    chunk_nos: Vec<u32>,
    scales: Vec<RowScale>,
    map: Mmap,
}

impl Segment {
    /// Writes rows (sorted by chunk number, without repeats) as segment `id` and syncs file and folder.
    pub(super) fn write(
        dir: &Path,
        id: u64,
        dim: usize,
        rows: &[RowSource<'_>],
    ) -> Result<Self, IndexError> {
        let path = path_of(dir, id);
        let layout = Layout::new(dim, rows.len());
        let checksum = write_file(&path, layout, rows)
            .map_err(|error| IndexError::unavailable(&path, error))?;
        manifest::sync_dir(dir)?;
        let file = fs_err::File::open(&path).map_err(|e| IndexError::unavailable(&path, e))?;
        Ok(Self {
            id,
            checksum,
            layout,
            chunk_nos: rows.iter().map(|row| row.chunk_no).collect(),
            scales: rows.iter().map(|row| row.scale).collect(),
            map: map(file.file(), &path)?,
        })
    }

    /// Opens segment `id` and checks every block of it.
    pub(super) fn open(
        dir: &Path,
        id: u64,
        dim: usize,
        n_rows: u64,
        checksum: u32,
    ) -> Result<Self, IndexError> {
        let path = path_of(dir, id);
        let corrupt = |reason: &str| IndexError::corrupt(&path, reason);
        let mut file = fs_err::File::open(&path).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                corrupt("it is missing")
            } else {
                IndexError::unavailable(&path, error)
            }
        })?;
        let layout = usize::try_from(n_rows)
            .ok()
            .and_then(|n_rows| Layout::checked(dim, n_rows))
            .ok_or_else(|| corrupt("its number of rows is too large"))?;
        let length = file
            .metadata()
            .map_err(|error| IndexError::unavailable(&path, error))?
            .len();
        if length != layout.file_length() as u64 {
            return Err(corrupt("it has another length than the manifest says"));
        }
        let mut head = Vec::with_capacity(layout.codes);
        let mut crcs = Vec::with_capacity(layout.n_blocks());
        let mut block = vec![0; BLOCK];
        let mut left = layout.end;
        while left > 0 {
            let part = &mut block[..left.min(BLOCK)];
            file.read_exact(part)
                .map_err(|error| IndexError::unavailable(&path, error))?;
            crcs.push(crc32fast::hash(part));
            if head.len() < layout.codes {
                let wanted = (layout.codes - head.len()).min(part.len());
                head.extend_from_slice(&part[..wanted]);
            }
            left -= part.len();
        }
        let mut table = Vec::new();
        file.read_to_end(&mut table)
            .map_err(|error| IndexError::unavailable(&path, error))?;
        if let Some(at) = table
            .chunks_exact(4)
            .zip(&crcs)
            .position(|(stored, crc)| *stored != crc.to_le_bytes())
        {
            return Err(corrupt(&format!("the checksum of block {at} does not fit")));
        }
        if head[..HEADER] != header(layout) {
            return Err(corrupt("its header does not fit"));
        }
        if checksum_of(&head[..HEADER], &table) != checksum {
            return Err(corrupt("it is not the file that the manifest names"));
        }
        let chunk_nos: Vec<u32> = head[HEADER..HEADER + layout.n_rows * 4]
            .chunks_exact(4)
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        if !chunk_nos.is_sorted_by(|a, b| a < b) {
            return Err(corrupt("its rows are not sorted"));
        }
        let scales = head[layout.scales..layout.scales + layout.n_rows * RowScale::BYTES]
            .chunks_exact(RowScale::BYTES)
            .map(|bytes| {
                let mut fixed = [0; RowScale::BYTES];
                fixed.copy_from_slice(bytes);
                RowScale::from_le_bytes(fixed)
            })
            .collect();
        let map = map(file.file(), &path)?;
        Ok(Self {
            id,
            checksum,
            layout,
            chunk_nos,
            scales,
            map,
        })
    }

    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    pub(super) const fn checksum(&self) -> u32 {
        self.checksum
    }

    pub(super) const fn n_rows(&self) -> usize {
        self.layout.n_rows
    }

    pub(super) fn chunk_nos(&self) -> &[u32] {
        &self.chunk_nos
    }

    pub(super) fn scales(&self) -> &[RowScale] {
        &self.scales
    }

    /// The codes of all rows.
    pub(super) fn codes(&self) -> &[u8] {
        &self.map[self.layout.codes..self.layout.codes + self.n_rows() * self.layout.stride]
    }

    /// The little-endian f16 values of a row.
    pub(super) fn f16_row(&self, row: usize) -> &[u8] {
        let width = self.layout.dim * 2;
        let start = self.layout.f16 + row * width;
        &self.map[start..start + width]
    }

    /// The row of a chunk, dead or alive.
    pub(super) fn row_of(&self, chunk_no: u32) -> Option<usize> {
        self.chunk_nos.binary_search(&chunk_no).ok()
    }

    /// The rows of these chunks, rising.
    pub(super) fn rows_of(&self, wanted: &RoaringBitmap) -> Vec<u32> {
        match rows::select(&self.chunk_nos, wanted) {
            rows::Selection::All => (0..self.chunk_nos.len()).map(|row| row as u32).collect(),
            rows::Selection::Some(rows) => rows,
        }
    }

    pub(super) fn source(&self, row: usize) -> RowSource<'_> {
        let stride = self.layout.stride;
        RowSource {
            chunk_no: self.chunk_nos[row],
            scale: self.scales[row],
            codes: &self.codes()[row * stride..(row + 1) * stride],
            f16: self.f16_row(row),
        }
    }
}

/// The number in the name of a segment's file.
pub(super) fn id_of_file_name(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?
        .strip_suffix(SUFFIX)?
        .parse()
        .ok()
}

fn path_of(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{id}{SUFFIX}"))
}

/// Where the sections of a segment begin.
#[derive(Debug, Clone, Copy)]
struct Layout {
    dim: usize,
    n_rows: usize,
    /// Bytes of one row of codes.
    stride: usize,
    scales: usize,
    codes: usize,
    f16: usize,
    /// Where the table of checksums begins.
    end: usize,
}

impl Layout {
    fn new(dim: usize, n_rows: usize) -> Self {
        Self::checked(dim, n_rows).expect("rows in memory have an address")
    }

    fn checked(dim: usize, n_rows: usize) -> Option<Self> {
        let stride = code_stride(dim);
        let after = |start: usize, width: usize| {
            let end = start.checked_add(n_rows.checked_mul(width)?)?;
            end.checked_next_multiple_of(ALIGN)
        };
        let scales = after(HEADER, 4)?;
        let codes = after(scales, RowScale::BYTES)?;
        let f16 = after(codes, stride)?;
        let end = after(f16, dim.checked_mul(2)?)?;
        end.checked_mul(2)?;
        Some(Self {
            dim,
            n_rows,
            stride,
            scales,
            codes,
            f16,
            end,
        })
    }

    const fn n_blocks(self) -> usize {
        self.end.div_ceil(BLOCK)
    }

    const fn file_length(self) -> usize {
        self.end + self.n_blocks() * 4
    }
}

fn header(layout: Layout) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&(layout.dim as u64).to_le_bytes());
    bytes[16..24].copy_from_slice(&(layout.n_rows as u64).to_le_bytes());
    let crc = crc32fast::hash(&bytes[..HEADER - 4]);
    bytes[HEADER - 4..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn checksum_of(header: &[u8], table: &[u8]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(header);
    hash.update(table);
    hash.finalize()
}

fn write_file(path: &Path, layout: Layout, rows: &[RowSource<'_>]) -> std::io::Result<u32> {
    let file = fs_err::File::create(path)?;
    let mut out = BlockWriter {
        inner: BufWriter::new(file),
        written: 0,
        hash: crc32fast::Hasher::new(),
        crcs: Vec::new(),
    };
    let header = header(layout);
    out.write(&header)?;
    for row in rows {
        out.write(&row.chunk_no.to_le_bytes())?;
    }
    out.pad_to(layout.scales)?;
    for row in rows {
        out.write(&row.scale.to_le_bytes())?;
    }
    out.pad_to(layout.codes)?;
    for row in rows {
        out.write(row.codes)?;
    }
    out.pad_to(layout.f16)?;
    for row in rows {
        out.write(row.f16)?;
    }
    out.pad_to(layout.end)?;
    let table = out.finish()?;
    Ok(checksum_of(&header, &table))
}

/// Writes bytes and remembers the checksum of each block.
struct BlockWriter {
    inner: BufWriter<fs_err::File>,
    written: usize,
    hash: crc32fast::Hasher,
    crcs: Vec<u8>,
}

impl BlockWriter {
    fn write(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(BLOCK - self.written % BLOCK));
            self.inner.write_all(part)?;
            self.hash.update(part);
            self.written += part.len();
            if self.written.is_multiple_of(BLOCK) {
                self.close_block();
            }
            bytes = rest;
        }
        Ok(())
    }

    fn pad_to(&mut self, end: usize) -> std::io::Result<()> {
        self.write(&vec![0; end - self.written])
    }

    fn close_block(&mut self) {
        let hash = std::mem::take(&mut self.hash);
        self.crcs.extend_from_slice(&hash.finalize().to_le_bytes());
    }

    /// Writes the table of checksums, syncs, and returns the table.
    fn finish(mut self) -> std::io::Result<Vec<u8>> {
        if !self.written.is_multiple_of(BLOCK) {
            self.close_block();
        }
        self.inner.write_all(&self.crcs)?;
        let file = self
            .inner
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(self.crcs)
    }
}

#[expect(unsafe_code, reason = "memory-mapped segment")]
fn map(file: &File, path: &Path) -> Result<Mmap, IndexError> {
    // SAFETY: segment files are never changed after they were synced: only we write in this folder,
    // which the data directory's lock guards, and a replaced segment is unlinked, not truncated.
    unsafe { Mmap::map(file) }.map_err(|error| IndexError::unavailable(path, error))
}
