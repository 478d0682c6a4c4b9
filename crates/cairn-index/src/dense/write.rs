//! Writing a segment: each section through a buffer of its own, checksums from what the file then holds.
//!
//! Codes are computed 64 rows at a time, so memory does not grow with the segment. Cost with codes: about 5 µs a row
//! of 384 components. The file is complete when the call returns, and not yet synced; until a manifest names it, it does
//! not count.

use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::coarse::{BLOCK_ROWS, Encoder, block_bytes, nibble_bytes, place, widen};
use super::layout::{BLOCK, Codes, Layout, checksum_of};
use super::rotate::Rotation;

/// One row on its way into a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowSource<'a> {
    pub chunk_no: u32,
    /// Little-endian f16 values.
    pub f16: &'a [u8],
}

/// Writes rows (sorted by chunk number, without repeats) to `path`; returns the checksum that stands for the file. Ends with an error when `stop` is set.
pub(super) fn write_file(
    path: &Path,
    layout: Layout,
    rotation: &Rotation,
    rows: &[RowSource<'_>],
    stop: &AtomicBool,
) -> std::io::Result<u32> {
    let header = layout.shape.to_header();
    // A file that was left over may still be mapped by a search: it goes as a whole and is never cut short.
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = fs_err::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)?;
    file.set_len(layout.end as u64)?;
    file.write_all(&header)?;
    let mut chunk_nos = section(path, layout.chunk_nos)?;
    let mut f16 = section(path, layout.f16)?;
    for row in rows {
        chunk_nos.write_all(&row.chunk_no.to_le_bytes())?;
        f16.write_all(row.f16)?;
        check(stop)?;
    }
    chunk_nos.flush()?;
    f16.flush()?;
    match layout.shape.codes {
        Codes::Absent => {}
        Codes::Present => write_codes(path, layout, rotation, rows, stop)?,
    }
    let table = block_checksums(path, layout)?;
    file.seek(SeekFrom::Start(layout.end as u64))?;
    file.write_all(&table)?;
    Ok(checksum_of(&header, &table))
}

fn write_codes(
    path: &Path,
    layout: Layout,
    rotation: &Rotation,
    rows: &[RowSource<'_>],
    stop: &AtomicBool,
) -> std::io::Result<()> {
    let centre = mean(rows, layout.shape.dim);
    let mut out = section(path, layout.centre)?;
    for value in &centre {
        out.write_all(&value.to_le_bytes())?;
    }
    out.flush()?;
    let mut row_centres = section(path, layout.row_centres)?;
    let mut signs = section(path, layout.signs)?;
    let mut factors = section(path, layout.nibble_factors)?;
    let mut blocks = section(path, layout.blocks)?;
    let mut nibbles = section(path, layout.nibbles)?;
    let mut encoder = Encoder::default();
    let mut values = Vec::new();
    let mut row_signs = vec![0; rotation.width() / 8];
    let mut row_nibbles = vec![0; nibble_bytes(rotation.width())];
    let mut block = vec![0; block_bytes(rotation.width())];
    for part in rows.chunks(BLOCK_ROWS) {
        check(stop)?;
        block.fill(0);
        for (at, row) in part.iter().enumerate() {
            widen(row.f16, &mut values);
            let found =
                encoder.encode(rotation, &centre, &values, &mut row_signs, &mut row_nibbles);
            for (column, byte) in block.chunks_exact_mut(BLOCK_ROWS).zip(&row_signs) {
                column[place(at)] = *byte;
            }
            row_centres.write_all(&found.centre.to_le_bytes())?;
            signs.write_all(&found.sign.to_le_bytes())?;
            for value in [found.nibble.scale, found.nibble.error, found.nibble.norm] {
                factors.write_all(&value.to_le_bytes())?;
            }
            nibbles.write_all(&row_nibbles)?;
        }
        blocks.write_all(&block)?;
    }
    for mut out in [row_centres, signs, factors, blocks, nibbles] {
        out.flush()?;
    }
    Ok(())
}

fn check(stop: &AtomicBool) -> std::io::Result<()> {
    if stop.load(Ordering::Relaxed) {
        return Err(std::io::Error::other("the index is being closed"));
    }
    Ok(())
}

/// A buffer that writes to the file from `start` on.
fn section(path: &Path, start: usize) -> std::io::Result<BufWriter<fs_err::File>> {
    let mut file = fs_err::OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start(start as u64))?;
    Ok(BufWriter::with_capacity(BLOCK, file))
}

/// The mean of the rows: it makes the parts that the codes keep as small as one vector can.
fn mean(rows: &[RowSource<'_>], dim: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f64; dim];
    let mut values = Vec::with_capacity(dim);
    for row in rows {
        widen(row.f16, &mut values);
        for (sum, value) in sums.iter_mut().zip(&values) {
            *sum += f64::from(*value);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of rows in memory")]
    let count = rows.len().max(1) as f64;
    #[expect(clippy::cast_possible_truncation, reason = "a mean of f16 values fits")]
    sums.iter().map(|sum| (sum / count) as f32).collect()
}

fn block_checksums(path: &Path, layout: Layout) -> std::io::Result<Vec<u8>> {
    let mut file = fs_err::File::open(path)?;
    let mut block = vec![0; BLOCK.min(layout.end)];
    let mut table = Vec::with_capacity(layout.n_blocks() * 4);
    let mut left = layout.end;
    while left > 0 {
        let part = &mut block[..left.min(BLOCK)];
        file.read_exact(part)?;
        table.extend_from_slice(&crc32fast::hash(part).to_le_bytes());
        left -= part.len();
    }
    Ok(table)
}
