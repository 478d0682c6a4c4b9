//! The dense arm: flat segments of vectors, scanned exactly.
//!
//! Vectors arrive as little-endian f16 and stay that, bit for bit; beside them stand i8 codes for a
//! first pass. Rows wait in memory until [`DenseIndex::commit`] writes them as one sealed segment, and
//! only then are they searched. Removal marks rows; rows are reclaimed when segments are rewritten.
//!
//! After a crash at each step of a commit: (1) segment files written and synced: the old manifest does
//! not name them, the next open deletes them; (2) manifest written under a temporary name: the same;
//! (3) manifest renamed: the new state holds. So an index is always as of one commit.
//!
//! Cost: a commit of m rows is O(m dim) plus, amortised, O(log n) rewrites of each row. Opening reads
//! every byte once to check it (about 1.2 kB a row at 384 components).

mod kernel;
mod manifest;
mod quantise;
mod search;
mod segment;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairn_types::{ChunkNo, Seq};
use roaring::RoaringBitmap;

use crate::IndexError;
use manifest::{Manifest, SegmentEntry};
use quantise::QuantisedRow;
pub use search::DenseSnapshot;
use search::SnapshotSegment;
use segment::{RowSource, Segment};

/// Beyond this many segments the small ones are joined. A guess: each costs a search some microseconds.
const MAX_SEGMENTS: usize = 8;
/// A segment with more than this share of dead rows is rewritten.
const MAX_DEAD_PERCENT: u64 = 30;

/// The vectors of one embedding space of one tenant, with its one writer.
#[derive(Debug)]
pub struct DenseIndex {
    dir: PathBuf,
    dim: usize,
    space_key: String,
    next_segment: u64,
    committed: DenseSnapshot,
    /// Rows that wait for the next commit, by chunk number.
    tail: BTreeMap<u32, QuantisedRow>,
    /// Chunks whose committed rows disappear with the next commit.
    hidden: RoaringBitmap,
}

impl DenseIndex {
    /// Opens the index in `dir`, or makes an empty one there. Checks every byte.
    ///
    /// # Errors
    /// `Corrupt` where a file is cut off, changed, missing or of another format; `Invalid` where the index
    /// holds vectors of another space or dimension; `Unavailable` where the folder cannot be used.
    pub fn open(dir: &Path, dim: usize, space_key: &str) -> Result<Self, IndexError> {
        fs_err::create_dir_all(dir).map_err(|e| IndexError::unavailable(dir, e))?;
        let manifest = match manifest::read(dir)? {
            Some(manifest) => manifest,
            None => Manifest::empty(dim, space_key),
        };
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
        let segments = manifest
            .segments
            .iter()
            .map(|entry| {
                let segment = Segment::open(dir, entry.id, dim, entry.rows, entry.checksum)?;
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
                Ok(SnapshotSegment {
                    segment: Arc::new(segment),
                    dead: Arc::new(dead),
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let committed = DenseSnapshot::new(dim, Seq(manifest.applied), segments);
        let index = Self {
            dir: dir.to_path_buf(),
            dim,
            space_key: space_key.to_owned(),
            next_segment: manifest.next_segment,
            committed,
            tail: BTreeMap::new(),
            hidden: RoaringBitmap::new(),
        };
        index.collect_garbage();
        Ok(index)
    }

    /// Adds vectors, to be seen after the next commit. A chunk that is there already is replaced.
    /// Each row is `dim` little-endian f16 values.
    ///
    /// # Errors
    /// `Invalid` where a row has another length or holds infinities or NaN; then no row was added.
    pub fn append(&mut self, rows: &[(ChunkNo, &[u8])]) -> Result<(), IndexError> {
        let mut quantised = Vec::with_capacity(rows.len());
        for (chunk_no, bytes) in rows {
            if bytes.len() != self.dim * 2 {
                return Err(IndexError::Invalid {
                    path: self.dir.clone(),
                    what: "vector",
                    given: format!("{} bytes", bytes.len()),
                    expected: format!("{} bytes", self.dim * 2),
                });
            }
            let row = QuantisedRow::new(bytes).ok_or_else(|| IndexError::Invalid {
                path: self.dir.clone(),
                what: "vector",
                given: format!("not finite for chunk {chunk_no}"),
                expected: "finite components".to_owned(),
            })?;
            quantised.push((chunk_no.0, row));
        }
        for (chunk_no, row) in quantised {
            self.hidden.insert(chunk_no);
            self.tail.insert(chunk_no, row);
        }
        Ok(())
    }

    /// Removes chunks with the next commit. Unknown numbers are ignored.
    pub fn remove(&mut self, chunk_nos: &RoaringBitmap) {
        self.hidden |= chunk_nos;
        self.tail
            .retain(|chunk_no, _| !chunk_nos.contains(*chunk_no));
    }

    /// Makes all changes since the last commit durable and visible to new snapshots, as of `seq`.
    ///
    /// # Errors
    /// `Unavailable` where writing fails: the last commit still holds, the changes still wait, and the
    /// call can be repeated.
    pub fn commit(&mut self, seq: Seq) -> Result<(), IndexError> {
        let mut next_segment = self.next_segment;
        let mut segments = self.committed.segments().to_vec();
        for part in &mut segments {
            let newly_dead = part.segment.rows_of(&self.hidden);
            if !newly_dead.is_empty() {
                let mut dead = RoaringBitmap::clone(&part.dead);
                dead.extend(newly_dead);
                part.dead = Arc::new(dead);
            }
        }
        if !self.tail.is_empty() {
            let rows: Vec<RowSource<'_>> =
                self.tail.iter().map(|(no, row)| row.source(*no)).collect();
            segments.push(self.write_segment(&mut next_segment, &rows)?);
        }
        self.compact(&mut segments, &mut next_segment)?;
        let manifest = Manifest {
            dim: self.dim,
            space: self.space_key.clone(),
            applied: seq.0,
            next_segment,
            segments: segments
                .iter()
                .map(|part| SegmentEntry {
                    id: part.segment.id(),
                    rows: part.segment.n_rows() as u64,
                    checksum: part.segment.checksum(),
                    deleted: manifest::encode_bitmap(&part.dead),
                })
                .collect(),
        };
        manifest::write(&self.dir, &manifest)?;
        self.next_segment = next_segment;
        self.committed = DenseSnapshot::new(self.dim, seq, segments);
        self.tail.clear();
        self.hidden.clear();
        self.collect_garbage();
        Ok(())
    }

    /// The sequence number of the last commit; 0 for a new index.
    #[must_use]
    pub fn applied(&self) -> Seq {
        self.committed.applied()
    }

    /// What is searched: all that was committed, unchanged by later commits. Cheap.
    #[must_use]
    pub fn snapshot(&self) -> DenseSnapshot {
        self.committed.clone()
    }

    fn write_segment(
        &self,
        next_segment: &mut u64,
        rows: &[RowSource<'_>],
    ) -> Result<SnapshotSegment, IndexError> {
        let id = *next_segment;
        *next_segment += 1;
        let segment = Segment::write(&self.dir, id, self.dim, rows)?;
        Ok(SnapshotSegment {
            segment: Arc::new(segment),
            dead: Arc::default(),
        })
    }

    /// Rewrites segments that hold many dead rows, and joins small ones when there are many.
    fn compact(
        &self,
        segments: &mut Vec<SnapshotSegment>,
        next_segment: &mut u64,
    ) -> Result<(), IndexError> {
        segments.retain(|part| part.n_live() > 0);
        let (mut rewrite, mut keep): (Vec<_>, Vec<_>) = segments.drain(..).partition(|part| {
            part.dead.len() * 100 > part.segment.n_rows() as u64 * MAX_DEAD_PERCENT
        });
        if keep.len() + rewrite.len() > MAX_SEGMENTS {
            keep.sort_by_key(|part| (part.n_live(), part.segment.id()));
            let mut joined = 0;
            // Joining a segment only with others that together are at least half its size keeps the
            // number of times that a row is copied logarithmic.
            let n_small = keep
                .iter()
                .take_while(|part| {
                    let fits = joined == 0 || part.n_live() <= joined * 2;
                    joined += part.n_live();
                    fits
                })
                .count();
            if n_small > 1 {
                rewrite.extend(keep.drain(..n_small));
            }
        }
        if !rewrite.is_empty() {
            let mut rows: Vec<RowSource<'_>> = rewrite
                .iter()
                .flat_map(SnapshotSegment::live_rows)
                .collect();
            rows.sort_unstable_by_key(|row| row.chunk_no);
            keep.push(self.write_segment(next_segment, &rows)?);
        }
        keep.sort_by_key(|part| part.segment.id());
        *segments = keep;
        Ok(())
    }

    /// Deletes segment files that no manifest names: left over by a crash, or replaced. Snapshots keep
    /// what they have mapped. A file that cannot be deleted is tried again after the next commit.
    fn collect_garbage(&self) {
        let Ok(entries) = fs_err::read_dir(&self.dir) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(id) = name.to_str().and_then(segment::id_of_file_name) else {
                continue;
            };
            if !self
                .committed
                .segments()
                .iter()
                .any(|part| part.segment.id() == id)
                && let Err(error) = fs_err::remove_file(entry.path())
            {
                tracing::debug!(%error, "segment not deleted");
            }
        }
    }
}

#[cfg(test)]
mod tests;
