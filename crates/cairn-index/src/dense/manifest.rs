//! Which segments an index consists of, in two small files, each replaced as a whole.
//!
//! `manifest.latest` is as of the last commit and left to the operating system: it outlives the process, and not
//! always a loss of power. `manifest` is as of an earlier commit or the same, and durable with all that it names. The
//! one of the higher generation counts, if it and all its segments are whole; else the other. First line: magic and
//! CRC32 of the rest; then JSON. Written under a temporary name and renamed, so that a crash leaves the old one or
//! the new one.

use std::io::Write;
use std::path::Path;

use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use crate::IndexError;

/// The durable one.
const FILE: &str = "manifest";
/// The newest one.
const LATEST: &str = "manifest.latest";
const MAGIC: &str = "cairn-dense-2";
/// Seed of new indexes. One for all, so that an index that is made again is the same; any other would do as well.
const SEED: u64 = 0x0C41_524E;

/// An index as of one commit.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub dim: usize,
    /// Key of the embedding space.
    pub space: String,
    /// Seed of the random rotation of all segments.
    pub seed: u64,
    /// Rises with every change of the segments.
    pub generation: u64,
    /// Sequence number up to which changes are in.
    pub applied: u64,
    /// Id of the next segment; ids are never used twice.
    pub next_segment: u64,
    pub segments: Vec<SegmentEntry>,
}

/// A segment and the rows of it that are dead.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SegmentEntry {
    pub id: u64,
    pub rows: u64,
    /// CRC32 over the segment's header and table of block checksums.
    pub checksum: u32,
    /// Row numbers as a serialised bitmap in hexadecimal digits.
    pub deleted: String,
}

impl Manifest {
    pub(super) fn empty(dim: usize, space: &str) -> Self {
        Self {
            dim,
            space: space.to_owned(),
            seed: SEED,
            generation: 0,
            applied: 0,
            next_segment: 1,
            segments: Vec::new(),
        }
    }
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// Written by the thread, synced.
    Durable,
    /// Written by every commit, not synced.
    Latest,
}

/// The manifests in `dir`: damaged ones first, so that nobody passes them over, then by falling generation.
pub(super) fn read_all(dir: &Path) -> Vec<(Kept, Result<Manifest, IndexError>)> {
    let mut found: Vec<_> = [Kept::Durable, Kept::Latest]
        .into_iter()
        .filter_map(|kept| Some((kept, read(&dir.join(kept.file_name()))?)))
        .collect();
    found.sort_by_key(|(_, manifest)| {
        std::cmp::Reverse(
            manifest
                .as_ref()
                .map_or(u64::MAX, |manifest| manifest.generation),
        )
    });
    found
}

/// `None` where it is not there.
fn read(path: &Path) -> Option<Result<Manifest, IndexError>> {
    match fs_err::read(path) {
        Ok(bytes) => Some(parse(path, &bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(IndexError::unavailable(path, error))),
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Manifest, IndexError> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| IndexError::corrupt(path, "it is not text"))?;
    let (head, body) = text.split_once('\n').unwrap_or((text, ""));
    let Some((MAGIC, checksum)) = head.split_once(' ') else {
        return Err(IndexError::corrupt(
            path,
            format!("expected the format `{MAGIC}`"),
        ));
    };
    if checksum != format!("{:08x}", crc32fast::hash(body.as_bytes())) {
        return Err(IndexError::corrupt(path, "its checksum does not fit"));
    }
    serde_json::from_str(body).map_err(|e| IndexError::corrupt(path, e))
}

/// Replaces a manifest in `dir`; the durable one with all that makes it so.
pub(super) fn write(dir: &Path, kept: Kept, manifest: &Manifest) -> Result<(), IndexError> {
    let path = dir.join(kept.file_name());
    let unavailable = |error: std::io::Error| IndexError::unavailable(&path, error);
    let body = serde_json::to_string(manifest).map_err(|e| IndexError::unavailable(&path, e))?;
    // A name of its own for each: the two are written by different threads.
    let temporary = dir.join(format!("{}.tmp", kept.file_name()));
    let mut file = fs_err::File::create(&temporary).map_err(unavailable)?;
    write!(
        file,
        "{MAGIC} {:08x}\n{body}",
        crc32fast::hash(body.as_bytes())
    )
    .map_err(unavailable)?;
    match kept {
        Kept::Durable => {
            file.sync_all().map_err(unavailable)?;
            fs_err::rename(&temporary, &path).map_err(unavailable)?;
            sync_dir(dir)
        }
        Kept::Latest => fs_err::rename(&temporary, &path).map_err(unavailable),
    }
}

/// Deletes the newest one, which is no better than the durable one.
pub(super) fn forget_latest(dir: &Path) {
    if let Err(error) = fs_err::remove_file(dir.join(LATEST))
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::debug!(%error, "manifest not deleted");
    }
}

impl Kept {
    const fn file_name(self) -> &'static str {
        match self {
            Self::Durable => FILE,
            Self::Latest => LATEST,
        }
    }
}

/// Makes the names of files in `dir` durable.
fn sync_dir(dir: &Path) -> Result<(), IndexError> {
    fs_err::File::open(dir)
        .and_then(|file| file.sync_all())
        .map_err(|e| IndexError::unavailable(dir, e))
}

pub(super) fn encode_bitmap(bitmap: &RoaringBitmap) -> String {
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    bitmap
        .serialize_into(&mut bytes)
        .expect("writing to memory does not fail");
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            use std::fmt::Write;
            let _ = write!(text, "{byte:02x}");
            text
        })
}

pub(super) fn decode_bitmap(dir: &Path, text: &str) -> Result<RoaringBitmap, IndexError> {
    let damaged = || IndexError::corrupt(&dir.join(FILE), "a list of deleted rows is damaged");
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return Err(damaged());
    }
    let bytes = text
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| {
            std::str::from_utf8(pair)
                .ok()
                .and_then(|d| u8::from_str_radix(d, 16).ok())
        })
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(damaged)?;
    RoaringBitmap::deserialize_from(&bytes[..]).map_err(|_| damaged())
}
