//! Exact top-k over segments: a pass over i8 codes with bounds, then f16 dot products of what can win.
//!
//! The pass gives each allowed row bounds of its score (`quantise`). A row whose upper bound is below
//! the k-th largest lower bound cannot be among the best k; the others are scored exactly in order of
//! falling upper bound, until the k-th best score is above the next bound. So the result is the exact
//! top-k by f16 dot product, ties by chunk number, whatever the CPU and however rows lie in segments.
//! O(n dim) byte operations for n allowed rows, plus some hundred f16 rows of real embeddings.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::path::PathBuf;
use std::sync::Arc;

use cairn_types::{ChunkNo, Seq};
use half::f16;
use roaring::RoaringBitmap;

use super::kernel::Kernel;
use super::quantise::PreparedQuery;
use super::segment::{RowSource, Segment};
use crate::IndexError;
use crate::rows::{self, Selection};

/// The vectors as of one commit. Immutable, cheap to clone, shared between threads.
#[derive(Debug, Clone)]
pub struct DenseSnapshot {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dim: usize,
    applied: Seq,
    /// A chunk is alive in at most one of them.
    segments: Vec<SnapshotSegment>,
}

/// A segment with the rows of it that are dead.
#[derive(Debug, Clone)]
pub(super) struct SnapshotSegment {
    pub segment: Arc<Segment>,
    pub dead: Arc<RoaringBitmap>,
}

impl SnapshotSegment {
    pub(super) fn n_live(&self) -> u64 {
        self.segment.n_rows() as u64 - self.dead.len()
    }

    pub(super) fn live_rows(&self) -> impl Iterator<Item = RowSource<'_>> {
        (0..self.segment.n_rows())
            .filter(|&row| !self.dead.contains(row as u32))
            .map(|row| self.segment.source(row))
    }

    /// Living rows of allowed chunks.
    fn select(&self, allowed: &RoaringBitmap) -> Selection {
        let selection = rows::select(self.segment.chunk_nos(), allowed);
        if self.dead.is_empty() {
            return selection;
        }
        let alive = |row: &u32| !self.dead.contains(*row);
        Selection::Some(match selection {
            Selection::All => (0..self.segment.n_rows() as u32).filter(alive).collect(),
            Selection::Some(rows) => rows.into_iter().filter(alive).collect(),
        })
    }

    fn live_row(&self, chunk_no: u32) -> Option<usize> {
        self.segment
            .row_of(chunk_no)
            .filter(|&row| !self.dead.contains(row as u32))
    }
}

impl DenseSnapshot {
    pub(super) fn new(dim: usize, applied: Seq, segments: Vec<SnapshotSegment>) -> Self {
        Self {
            inner: Arc::new(Inner {
                dim,
                applied,
                segments,
            }),
        }
    }

    pub(super) fn segments(&self) -> &[SnapshotSegment] {
        &self.inner.segments
    }

    /// The sequence number of the commit.
    #[must_use]
    pub fn applied(&self) -> Seq {
        self.inner.applied
    }

    /// Number of vectors.
    #[must_use]
    pub fn n_vectors(&self) -> u64 {
        self.segments().iter().map(SnapshotSegment::n_live).sum()
    }

    /// The chunks that have a vector.
    #[must_use]
    pub fn chunk_nos(&self) -> RoaringBitmap {
        self.segments()
            .iter()
            .flat_map(|part| part.live_rows().map(|row| row.chunk_no))
            .collect()
    }

    /// The vector of a chunk, widened from f16.
    #[must_use]
    pub fn vector(&self, chunk_no: ChunkNo) -> Option<Vec<f32>> {
        let (part, row) = self.find(chunk_no)?;
        let values = part.segment.f16_row(row).chunks_exact(2);
        Some(
            values
                .map(|pair| f16::from_le_bytes([pair[0], pair[1]]).to_f32())
                .collect(),
        )
    }

    /// The `k` best of the allowed chunks by dot product with `query`, best first, ties by chunk number.
    ///
    /// # Errors
    /// `Invalid` where the query has another dimension or is not finite.
    pub fn search(
        &self,
        query: &[f32],
        allowed: &RoaringBitmap,
        k: usize,
    ) -> Result<Vec<(ChunkNo, f32)>, IndexError> {
        let query = self.prepare(query)?;
        Ok(self.search_with(Kernel::detect(), &query, allowed, k))
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
        let query = self.prepare(query)?;
        let kernel = Kernel::detect();
        let score = |chunk_no: &ChunkNo| {
            let (part, row) = self.find(*chunk_no)?;
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
        let query = self.prepare(query)?;
        let kernel = Kernel::detect();
        let Some((part, row)) = self.find(chunk_no).filter(|_| allowed.contains(chunk_no.0)) else {
            return Ok(None);
        };
        let own = Hit {
            score: kernel.dot_f16(part.segment.f16_row(row), &query),
            chunk_no: chunk_no.0,
        };
        let better = self
            .segments()
            .iter()
            .flat_map(|part| {
                selected(part, allowed)
                    .into_iter()
                    .map(move |row| (part, row))
            })
            .filter(|(part, row)| Hit::of(kernel, &query, part, *row) > own)
            .count();
        Ok(Some((better as u64 + 1, own.score)))
    }

    fn prepare(&self, query: &[f32]) -> Result<PreparedQuery, IndexError> {
        let invalid = |given: String, expected: String| IndexError::Invalid {
            path: PathBuf::from("dense"),
            what: "query vector",
            given,
            expected,
        };
        if query.len() != self.inner.dim {
            let values = |n: usize| format!("{n} components");
            return Err(invalid(values(query.len()), values(self.inner.dim)));
        }
        PreparedQuery::new(query)
            .ok_or_else(|| invalid("not finite".to_owned(), "finite components".to_owned()))
    }

    fn find(&self, chunk_no: ChunkNo) -> Option<(&SnapshotSegment, usize)> {
        self.segments()
            .iter()
            .find_map(|part| Some((part, part.live_row(chunk_no.0)?)))
    }

    pub(super) fn search_with(
        &self,
        kernel: Kernel,
        query: &PreparedQuery,
        allowed: &RoaringBitmap,
        k: usize,
    ) -> Vec<(ChunkNo, f32)> {
        if k == 0 {
            return Vec::new();
        }
        let mut candidates = self.candidates(kernel, query, allowed, k);
        candidates.sort_unstable_by(|a, b| b.upper.total_cmp(&a.upper));
        let mut best: BinaryHeap<std::cmp::Reverse<Hit>> = BinaryHeap::new();
        for candidate in candidates {
            if best.len() == k
                && best
                    .peek()
                    .is_some_and(|worst| worst.0.score > candidate.upper)
            {
                break;
            }
            let part = &self.segments()[candidate.segment as usize];
            best.push(std::cmp::Reverse(Hit::of(
                kernel,
                query,
                part,
                candidate.row,
            )));
            if best.len() > k {
                best.pop();
            }
        }
        let mut hits: Vec<Hit> = best.into_iter().map(|hit| hit.0).collect();
        hits.sort_unstable_by(|a, b| b.cmp(a));
        hits.into_iter()
            .map(|hit| (ChunkNo(hit.chunk_no), hit.score))
            .collect()
    }

    /// Rows that can be among the best `k`, with bounds of their scores.
    fn candidates(
        &self,
        kernel: Kernel,
        query: &PreparedQuery,
        allowed: &RoaringBitmap,
        k: usize,
    ) -> Vec<Candidate> {
        let mut candidates = Candidates {
            list: Vec::new(),
            floor: f32::NEG_INFINITY,
            k,
            limit: k.saturating_mul(4).max(4096),
        };
        let mut dots = Vec::new();
        for (at, part) in self.segments().iter().enumerate() {
            let selection = part.select(allowed);
            let chosen = match &selection {
                Selection::All => None,
                Selection::Some(rows) => Some(rows.as_slice()),
            };
            kernel.scan_codes(part.segment.codes(), query, chosen, &mut dots);
            for (i, &dot) in dots.iter().enumerate() {
                let row = chosen.map_or(i as u32, |rows| rows[i]);
                let (lower, upper) = query.bounds(part.segment.scales()[row as usize], dot);
                candidates.push(Candidate {
                    lower,
                    upper,
                    segment: at as u32,
                    row,
                });
            }
        }
        candidates.raise_floor();
        candidates.list
    }
}

/// Rows whose upper bound is not below the k-th largest lower bound that was seen.
struct Candidates {
    list: Vec<Candidate>,
    floor: f32,
    k: usize,
    /// Length of the list at which the floor is raised: long enough that this costs little for each
    /// row, short enough to stay in cache, and doubled where many rows are equally good.
    limit: usize,
}

impl Candidates {
    fn push(&mut self, candidate: Candidate) {
        if candidate.upper < self.floor {
            return;
        }
        self.list.push(candidate);
        if self.list.len() >= self.limit {
            self.raise_floor();
        }
    }

    fn raise_floor(&mut self) {
        if self.list.len() > self.k {
            self.list
                .select_nth_unstable_by(self.k - 1, |a, b| b.lower.total_cmp(&a.lower));
            let floor = self.floor.max(self.list[self.k - 1].lower);
            self.list.retain(|candidate| candidate.upper >= floor);
            self.floor = floor;
            self.limit = self.limit.max(self.list.len() * 2);
        }
    }
}

fn selected(part: &SnapshotSegment, allowed: &RoaringBitmap) -> Vec<u32> {
    match part.select(allowed) {
        Selection::All => (0..part.segment.n_rows() as u32).collect(),
        Selection::Some(rows) => rows,
    }
}

struct Candidate {
    lower: f32,
    upper: f32,
    segment: u32,
    row: u32,
}

/// Greater is better: higher score, then lower chunk number.
#[derive(Debug)]
struct Hit {
    score: f32,
    chunk_no: u32,
}

impl Hit {
    fn of(kernel: Kernel, query: &PreparedQuery, part: &SnapshotSegment, row: u32) -> Self {
        Self {
            // Adding zero turns -0 into 0, so that equal scores compare as equal.
            score: kernel.dot_f16(part.segment.f16_row(row as usize), query) + 0.0,
            chunk_no: part.segment.chunk_nos()[row as usize],
        }
    }
}

impl Ord for Hit {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then_with(|| other.chunk_no.cmp(&self.chunk_no))
    }
}

impl PartialOrd for Hit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Hit {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Hit {}
