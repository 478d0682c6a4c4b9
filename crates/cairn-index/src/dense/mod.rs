//! The dense arm: flat segments of vectors, scanned whole.
//!
//! Vectors arrive as little-endian f16 and stay that, bit for bit; beside them stand codes of 1 and of 4 bits a
//! component ([`coarse`] has the mathematics), from which a scan finds the few rows whose f16 values it needs
//! ([`search`]). Rows wait in memory until [`DenseIndex::commit`] writes them as one sealed segment, and only then are
//! they searched. Removal marks rows; rows are reclaimed when segments are joined or rewritten, which a thread does
//! beside searches and commits ([`upkeep`]).
//!
//! A commit writes the segment and the newest manifest and leaves both to the operating system; the thread makes them
//! durable. After a crash of the process at each step: (1) segment written: the old manifest does not name it, the next
//! open deletes it; (2) manifest written under a temporary name: the same; (3) manifest renamed: the new state holds.
//! After a loss of power the index may be as of an earlier commit ([`manifest`]). So it is always as of one commit, and
//! says which.
//!
//! Cost: a commit of m rows is O(m dim) and does not grow with the index. Opening reads every byte once to check it
//! (1,032 bytes a row at 384 components). Memory: 26 bytes a row, and what searches touch of the mapped files.

mod bits;
mod coarse;
mod kernel;
mod layout;
mod manifest;
mod numbers;
mod query;
mod rotate;
mod search;
mod segment;
mod snapshot;
pub(crate) mod testing;
mod upkeep;
mod write;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use cairn_types::{ChunkNo, Seq};
use half::f16;
use roaring::RoaringBitmap;

use crate::IndexError;
use layout::{Codes, Shape};
use manifest::{Kept, Manifest};
use rotate::Rotation;
pub use search::{Recall, SearchCost};
use segment::Segment;
pub use snapshot::DenseSnapshot;
use snapshot::SnapshotSegment;
use upkeep::Shared;
use write::RowSource;

/// The vectors of one embedding space of one tenant, with its one writer.
#[derive(Debug)]
pub struct DenseIndex {
    shared: Arc<Shared>,
    /// Makes commits durable and joins segments; may have ended.
    working: Option<JoinHandle<()>>,
    /// Rows that wait for the next commit, by chunk number.
    tail: BTreeMap<u32, Box<[u8]>>,
    /// Chunks whose committed rows disappear with the next commit.
    hidden: RoaringBitmap,
}

impl DenseIndex {
    /// Opens the index in `dir`, or makes an empty one there. Checks every byte. One at a time: another that is open
    /// on the folder has to be dropped before.
    ///
    /// # Errors
    /// `Corrupt` where a file is cut off, changed, missing or of another format; `Invalid` where the index
    /// holds vectors of another space or dimension; `Unavailable` where the folder cannot be used.
    pub fn open(dir: &Path, dim: usize, space_key: &str) -> Result<Self, IndexError> {
        fs_err::create_dir_all(dir).map_err(|e| IndexError::unavailable(dir, e))?;
        let mut failed = None;
        for (kept, manifest) in manifest::read_all(dir) {
            let opened = manifest.and_then(|manifest| {
                let committed = open_segments(dir, &manifest, dim, space_key)?;
                Ok((manifest, committed))
            });
            match opened {
                Ok((manifest, (rotation, committed))) => {
                    if let Some(error) = &failed {
                        tracing::warn!(%error, "vector index is damaged in part; the other of its two states is used");
                    }
                    let replaced = delete_unnamed(dir, kept, &committed.parts());
                    let read = (manifest, kept);
                    let shared = Shared::new(dir, read, rotation, committed, &replaced);
                    return Ok(Self::with(shared));
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let manifest = Manifest::empty(dim, space_key);
        let (rotation, committed) = open_segments(dir, &manifest, dim, space_key)?;
        delete_unnamed(dir, Kept::Durable, &[]);
        let read = (manifest, Kept::Durable);
        Ok(Self::with(Shared::new(dir, read, rotation, committed, &[])))
    }

    fn with(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
            working: None,
            tail: BTreeMap::new(),
            hidden: RoaringBitmap::new(),
        }
    }

    /// Adds vectors, to be seen after the next commit. A chunk that is there already is replaced.
    /// Each row is `dim` little-endian f16 values.
    ///
    /// # Errors
    /// `Invalid` where a row has another length or holds infinities or NaN; then no row was added.
    pub fn append(&mut self, rows: &[(ChunkNo, &[u8])]) -> Result<(), IndexError> {
        let invalid = |given: String, expected: String| IndexError::Invalid {
            path: self.shared.dir.clone(),
            what: "vector",
            given,
            expected,
        };
        let wanted = self.shared.dim * 2;
        for (chunk_no, bytes) in rows {
            if bytes.len() != wanted {
                let given = format!("{} bytes for chunk {chunk_no}", bytes.len());
                return Err(invalid(given, format!("{wanted} bytes")));
            }
            let is_finite = |pair: &[u8]| f16::from_le_bytes([pair[0], pair[1]]).is_finite();
            if !bytes.chunks_exact(2).all(is_finite) {
                let given = format!("not finite for chunk {chunk_no}");
                return Err(invalid(given, "finite components".to_owned()));
            }
        }
        for (chunk_no, bytes) in rows {
            self.hidden.insert(chunk_no.0);
            self.tail.insert(chunk_no.0, Box::from(*bytes));
        }
        Ok(())
    }

    /// Removes chunks with the next commit. Unknown numbers are ignored.
    pub fn remove(&mut self, chunk_nos: &RoaringBitmap) {
        self.hidden |= chunk_nos;
        self.tail
            .retain(|chunk_no, _| !chunk_nos.contains(*chunk_no));
    }

    /// Makes all changes since the last commit visible to new snapshots, as of `seq`. They outlive the process from
    /// now on, and a loss of power some milliseconds later: a thread makes them durable, and joins segments.
    ///
    /// # Errors
    /// `Unavailable` where writing fails: the last commit still holds, the changes still wait, and the
    /// call can be repeated.
    pub fn commit(&mut self, seq: Seq) -> Result<(), IndexError> {
        let shared = &self.shared;
        shared.wait_for_few();
        let mut added = None;
        if !self.tail.is_empty() {
            let rows: Vec<RowSource<'_>> = self
                .tail
                .iter()
                .map(|(&chunk_no, f16)| RowSource { chunk_no, f16 })
                .collect();
            let never = AtomicBool::new(false);
            added = Some(shared.write_segment(shared.next_id(), &rows, &never)?);
        }
        let mut state = shared.state();
        let segments: Vec<SnapshotSegment> = state
            .committed
            .parts()
            .iter()
            .map(|part| part.without(part.segment.rows_of(&self.hidden)))
            .filter(|part| part.n_live() > 0)
            .chain(added.clone())
            .collect();
        if let Err(error) = shared.put_in_place(&mut state, seq, &segments) {
            if let Some(added) = added {
                shared.delete(added.segment.id());
            }
            return Err(error);
        }
        let rotation = Arc::clone(&shared.rotation);
        state.committed = DenseSnapshot::new(shared.dim, seq, rotation, segments);
        drop(state);
        self.tail.clear();
        self.hidden.clear();
        if let Some(working) = upkeep::begin(shared) {
            self.working = Some(working);
        }
        Ok(())
    }

    /// The sequence number of the last commit; 0 for a new index.
    #[must_use]
    pub fn applied(&self) -> Seq {
        self.shared.state().committed.applied()
    }

    /// What is searched: all that was committed, unchanged by later commits. Cheap.
    #[must_use]
    pub fn snapshot(&self) -> DenseSnapshot {
        self.shared.state().committed.clone()
    }

    /// Waits until the last commit is durable and no segments are being joined: for measurements and tests. Searches
    /// and commits need not wait.
    pub fn settle(&self) {
        self.shared.wait();
    }
}

impl Drop for DenseIndex {
    /// Waits for the thread: after it, nobody writes in the folder.
    fn drop(&mut self) {
        self.shared.close();
        self.shared.wait();
        if let Some(Err(_)) = self.working.take().map(JoinHandle::join) {
            tracing::error!("the thread of the vector segments panicked");
        }
    }
}

/// The segments that a manifest names, all of them checked.
fn open_segments(
    dir: &Path,
    manifest: &Manifest,
    dim: usize,
    space_key: &str,
) -> Result<(Arc<Rotation>, DenseSnapshot), IndexError> {
    let invalid = |what, given: String, expected: String| IndexError::Invalid {
        path: dir.to_path_buf(),
        what,
        given,
        expected,
    };
    if manifest.dim != dim || dim == 0 {
        return Err(invalid(
            "dimension",
            dim.to_string(),
            manifest.dim.to_string(),
        ));
    }
    if manifest.space != space_key {
        return Err(invalid(
            "embedding space",
            format!("`{space_key}`"),
            format!("`{}`", manifest.space),
        ));
    }
    let rotation = Arc::new(Rotation::new(dim, manifest.seed));
    let mut segments = Vec::with_capacity(manifest.segments.len().min(64));
    for entry in &manifest.segments {
        let shape = Shape {
            dim,
            n_rows: usize::try_from(entry.rows).unwrap_or(usize::MAX),
            seed: manifest.seed,
            codes: Codes::Absent,
        };
        let segment = Segment::open(dir, entry.id, &rotation, shape, entry.checksum)?;
        let dead = manifest::decode_bitmap(dir, &entry.deleted)?;
        if dead
            .max()
            .is_some_and(|row| row as usize >= segment.n_rows())
        {
            return Err(IndexError::corrupt(
                dir,
                "a deleted row is past the segment's end",
            ));
        }
        segments.push(SnapshotSegment::new(Arc::new(segment), dead));
    }
    let applied = Seq(manifest.applied);
    let committed = DenseSnapshot::new(dim, applied, Arc::clone(&rotation), segments);
    Ok((rotation, committed))
}

/// Deletes segment files that are not in use: left over by a crash, or replaced. Returns those that have to stay
/// until the manifest in use is durable, because the durable one names them.
fn delete_unnamed(dir: &Path, kept: Kept, segments: &[SnapshotSegment]) -> Vec<u64> {
    let durable: Vec<u64> = match kept {
        Kept::Durable => {
            manifest::forget_latest(dir);
            Vec::new()
        }
        Kept::Latest => manifest::read_all(dir)
            .into_iter()
            .filter(|(kept, _)| *kept == Kept::Durable)
            .filter_map(|(_, manifest)| manifest.ok())
            .flat_map(|manifest| manifest.segments)
            .map(|entry| entry.id)
            .collect(),
    };
    let mut replaced = Vec::new();
    let Ok(entries) = fs_err::read_dir(dir) else {
        return replaced;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(layout::id_of_file_name) else {
            continue;
        };
        if segments.iter().any(|part| part.segment.id() == id) {
            continue;
        }
        if durable.contains(&id) {
            replaced.push(id);
        } else if let Err(error) = fs_err::remove_file(entry.path()) {
            tracing::debug!(%error, "segment not deleted");
        }
    }
    replaced
}

#[cfg(test)]
mod tests;
