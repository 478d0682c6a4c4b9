//! What is searched: the vectors as of one commit.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use cairn_types::{ChunkNo, Seq};
use half::f16;
use roaring::RoaringBitmap;

use super::kernel::Kernel;
use super::numbers::{RowSet, words_of};
use super::query::PreparedQuery;
use super::rotate::Rotation;
use super::search::{self, Hit, Recall, Search, SearchCost};
use super::segment::Segment;
use super::write::RowSource;
use crate::IndexError;

/// The vectors as of one commit. Cheap to clone, shared between threads. What it holds never changes; the segments
/// that hold it are replaced when they are joined in the background, so that an old snapshot does not keep their
/// files.
#[derive(Debug, Clone)]
pub struct DenseSnapshot {
    dim: usize,
    applied: Seq,
    rotation: Arc<Rotation>,
    parts: Arc<RwLock<Parts>>,
}

/// Segments. A chunk is alive in at most one of them.
pub(super) type Parts = Arc<[SnapshotSegment]>;

/// A segment with the rows of it that are dead.
#[derive(Debug, Clone)]
pub(super) struct SnapshotSegment {
    pub segment: Arc<Segment>,
    dead: Arc<RoaringBitmap>,
    /// The same as a bit for each row; empty where none is dead.
    dead_words: Arc<[u64]>,
}

impl SnapshotSegment {
    pub(super) fn new(segment: Arc<Segment>, dead: RoaringBitmap) -> Self {
        let dead_words = words_of(&dead, segment.n_rows()).into();
        Self {
            segment,
            dead: Arc::new(dead),
            dead_words,
        }
    }

    pub(super) fn dead(&self) -> &RoaringBitmap {
        &self.dead
    }

    /// With these rows dead too.
    pub(super) fn without(&self, rows: RoaringBitmap) -> Self {
        if rows.is_subset(&self.dead) {
            return self.clone();
        }
        Self::new(Arc::clone(&self.segment), rows | &*self.dead)
    }

    pub(super) fn n_live(&self) -> u64 {
        self.segment.n_rows() as u64 - self.dead.len()
    }

    pub(super) fn live_rows(&self) -> impl Iterator<Item = RowSource<'_>> {
        (0..self.segment.n_rows())
            .filter(|&row| !self.dead.contains(row as u32))
            .map(|row| self.segment.source(row))
    }

    /// Living rows of allowed chunks.
    fn select(&self, allowed: &RoaringBitmap) -> RowSet {
        self.segment
            .numbers()
            .select(allowed)
            .without(&self.dead_words)
    }

    fn live_row(&self, chunk_no: u32) -> Option<usize> {
        self.segment
            .numbers()
            .row_of(chunk_no)
            .filter(|&row| !self.dead.contains(row as u32))
    }
}

impl DenseSnapshot {
    pub(super) fn new(
        dim: usize,
        applied: Seq,
        rotation: Arc<Rotation>,
        segments: Vec<SnapshotSegment>,
    ) -> Self {
        Self {
            dim,
            applied,
            rotation,
            parts: Arc::new(RwLock::new(segments.into())),
        }
    }

    /// The segments that hold the vectors now.
    pub(super) fn parts(&self) -> Parts {
        Arc::clone(&self.parts.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Other segments that hold the same vectors, in this snapshot and its clones.
    pub(super) fn replace_parts(&self, segments: Vec<SnapshotSegment>) {
        *self.parts.write().unwrap_or_else(PoisonError::into_inner) = segments.into();
    }

    /// The sequence number of the commit.
    #[must_use]
    pub fn applied(&self) -> Seq {
        self.applied
    }

    /// Number of vectors.
    #[must_use]
    pub fn n_vectors(&self) -> u64 {
        self.parts().iter().map(SnapshotSegment::n_live).sum()
    }

    /// Bytes of the files, dead rows included.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.parts()
            .iter()
            .map(|part| part.segment.file_length())
            .sum()
    }

    /// Number of segments.
    #[must_use]
    pub fn n_segments(&self) -> usize {
        self.parts().len()
    }

    /// The chunks that have a vector.
    #[must_use]
    pub fn chunk_nos(&self) -> RoaringBitmap {
        let mut found = RoaringBitmap::new();
        for part in self.parts().iter() {
            let numbers = part.segment.numbers().as_slice();
            if part.dead.is_empty() {
                found.extend(numbers.iter().copied());
            } else {
                found.extend(part.live_rows().map(|row| row.chunk_no));
            }
        }
        found
    }

    /// The vector of a chunk, widened from f16.
    #[must_use]
    pub fn vector(&self, chunk_no: ChunkNo) -> Option<Vec<f32>> {
        let parts = self.parts();
        let (part, row) = find(&parts, chunk_no)?;
        let values = part.segment.f16_row(row).chunks_exact(2);
        Some(
            values
                .map(|pair| f16::from_le_bytes([pair[0], pair[1]]).to_f32())
                .collect(),
        )
    }

    /// The `k` best of the allowed chunks by dot product with `query`, best first, ties by chunk number, with
    /// [`Recall::default`]: exact where few chunks are allowed.
    ///
    /// # Errors
    /// `Invalid` where the query has another dimension or is not finite.
    pub fn search(
        &self,
        query: &[f32],
        allowed: &RoaringBitmap,
        k: usize,
    ) -> Result<Vec<(ChunkNo, f32)>, IndexError> {
        Ok(self.search_with(query, allowed, k, Recall::default())?.0)
    }

    /// The same with a chosen recall, and what it cost.
    ///
    /// # Errors
    /// As for [`Self::search`].
    pub fn search_with(
        &self,
        query: &[f32],
        allowed: &RoaringBitmap,
        k: usize,
        recall: Recall,
    ) -> Result<(Vec<(ChunkNo, f32)>, SearchCost), IndexError> {
        self.search_on(Kernel::detect(), query, allowed, k, recall)
    }

    pub(super) fn search_on(
        &self,
        kernel: Kernel,
        query: &[f32],
        allowed: &RoaringBitmap,
        k: usize,
        recall: Recall,
    ) -> Result<(Vec<(ChunkNo, f32)>, SearchCost), IndexError> {
        let parts = self.parts();
        let query = self.prepare(query, &parts)?;
        let selected: Vec<(&SnapshotSegment, RowSet)> = parts
            .iter()
            .map(|part| (part, part.select(allowed)))
            .collect();
        let search = Search {
            kernel,
            query: &query,
            k,
            recall,
        };
        let (hits, cost) = search::run(&search, &selected);
        let found = hits
            .into_iter()
            .map(|hit| (ChunkNo(hit.chunk_no), hit.score));
        Ok((found.collect(), cost))
    }

    /// The exact scores of these chunks, in order; `None` for a chunk without a vector.
    ///
    /// # Errors
    /// As for [`Self::search`].
    pub fn scores_of(
        &self,
        query: &[f32],
        chunk_nos: &[ChunkNo],
    ) -> Result<Vec<Option<f32>>, IndexError> {
        let parts = self.parts();
        let query = self.prepare(query, &[])?;
        let kernel = Kernel::detect();
        let score = |chunk_no: &ChunkNo| {
            let (part, row) = find(&parts, *chunk_no)?;
            Some(kernel.dot_f16(part.segment.f16_row(row), &query))
        };
        Ok(chunk_nos.iter().map(score).collect())
    }

    /// Rank (from 1) among the allowed chunks and score of one chunk; `None` where it is not allowed or
    /// has no vector. Scores all allowed rows exactly: for explanations, not for searches.
    ///
    /// # Errors
    /// As for [`Self::search`].
    pub fn rank_of(
        &self,
        query: &[f32],
        allowed: &RoaringBitmap,
        chunk_no: ChunkNo,
    ) -> Result<Option<(u64, f32)>, IndexError> {
        let parts = self.parts();
        let query = self.prepare(query, &[])?;
        let kernel = Kernel::detect();
        let Some((part, row)) = find(&parts, chunk_no).filter(|_| allowed.contains(chunk_no.0))
        else {
            return Ok(None);
        };
        let hit = |part: &SnapshotSegment, row: usize| Hit {
            score: kernel.dot_f16(part.segment.f16_row(row), &query),
            chunk_no: part.segment.numbers().as_slice()[row],
        };
        let own = hit(part, row);
        let mut rank = 1;
        for part in parts.iter() {
            let rows = part.select(allowed);
            rank += rows
                .rows()
                .filter(|&row| hit(part, row as usize) > own)
                .count() as u64;
        }
        Ok(Some((rank, own.score)))
    }

    /// For exact scores, and for passes over the codes of these segments.
    fn prepare(
        &self,
        query: &[f32],
        parts: &[SnapshotSegment],
    ) -> Result<PreparedQuery, IndexError> {
        let invalid = |given: String, expected: String| IndexError::Invalid {
            path: PathBuf::from("dense"),
            what: "query vector",
            given,
            expected,
        };
        if query.len() != self.dim {
            let values = |n: usize| format!("{n} components");
            return Err(invalid(values(query.len()), values(self.dim)));
        }
        let has_codes = parts.iter().any(|part| part.segment.codes().is_some());
        PreparedQuery::new(query, has_codes.then_some(&*self.rotation))
            .ok_or_else(|| invalid("not finite".to_owned(), "finite components".to_owned()))
    }
}

fn find(parts: &[SnapshotSegment], chunk_no: ChunkNo) -> Option<(&SnapshotSegment, usize)> {
    parts
        .iter()
        .find_map(|part| Some((part, part.live_row(chunk_no.0)?)))
}
