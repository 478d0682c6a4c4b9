//! Joining segments in the background: which ones, by whom, and how the result takes their place.
//!
//! A thread lives while there is something to join. It writes the new segment while searches and commits go on, and
//! then, under the lock, marks in it what died meanwhile, writes the manifest and swaps. After a crash at each step:
//! (1) new segment written: no manifest names it, the next open deletes it; (2) manifest written: the new segment
//! holds, the next open deletes the old ones. Amortised, each row is written O(log n) times.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use cairn_types::Seq;
use roaring::RoaringBitmap;

use super::layout::path_of;
use super::manifest::{self, Manifest, SegmentEntry};
use super::rotate::Rotation;
use super::segment::Segment;
use super::snapshot::{DenseSnapshot, SnapshotSegment};
use super::write::RowSource;
use crate::IndexError;

/// Beyond this many segments the small ones are joined. A guess: each costs a search some microseconds.
pub(super) const MAX_SEGMENTS: usize = 6;
/// Beyond this many a commit waits for the thread: short-lived processes must not pile them up.
pub(super) const MAX_BEHIND: usize = 24;
/// A segment with more than this share of dead rows is rewritten.
const MAX_DEAD_PERCENT: u64 = 30;
/// Joining fewer rows (some 0.1 s) is not given up when the index is closed.
const ROWS_WORTH_WAITING: usize = 20_000;

/// What the index and its thread share.
#[derive(Debug)]
pub(super) struct Shared {
    pub dir: std::path::PathBuf,
    pub dim: usize,
    pub space_key: String,
    pub seed: u64,
    pub rotation: Arc<Rotation>,
    state: Mutex<State>,
    /// Told when the thread ends.
    ended: Condvar,
    is_closing: AtomicBool,
}

/// What changes with commits and joins.
#[derive(Debug)]
pub(super) struct State {
    pub committed: DenseSnapshot,
    pub next_segment: u64,
    is_joining: bool,
}

impl Shared {
    pub(super) fn new(
        dir: &std::path::Path,
        manifest: Manifest,
        rotation: Arc<Rotation>,
        committed: DenseSnapshot,
    ) -> Self {
        Self {
            dir: dir.to_path_buf(),
            dim: manifest.dim,
            space_key: manifest.space,
            seed: manifest.seed,
            rotation,
            state: Mutex::new(State {
                committed,
                next_segment: manifest.next_segment,
                is_joining: false,
            }),
            ended: Condvar::new(),
            is_closing: AtomicBool::new(false),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a new segment.
    pub(super) fn next_id(&self) -> u64 {
        let mut state = self.state();
        state.next_segment += 1;
        state.next_segment - 1
    }

    pub(super) fn write_segment(
        &self,
        id: u64,
        rows: &[RowSource<'_>],
        stop: &AtomicBool,
    ) -> Result<SnapshotSegment, IndexError> {
        let written = Segment::write(
            &self.dir,
            id,
            (&self.rotation, self.seed),
            self.dim,
            rows,
            stop,
        );
        if written.is_err() {
            self.delete(id);
        }
        Ok(SnapshotSegment::new(
            Arc::new(written?),
            RoaringBitmap::new(),
        ))
    }

    /// Makes these segments what the index consists of, durably.
    pub(super) fn write_manifest(
        &self,
        state: &State,
        applied: Seq,
        segments: &[SnapshotSegment],
    ) -> Result<(), IndexError> {
        let manifest = Manifest {
            dim: self.dim,
            space: self.space_key.clone(),
            seed: self.seed,
            applied: applied.0,
            next_segment: state.next_segment,
            segments: segments
                .iter()
                .map(|part| SegmentEntry {
                    id: part.segment.id(),
                    rows: part.segment.n_rows() as u64,
                    checksum: part.segment.checksum(),
                    deleted: manifest::encode_bitmap(part.dead()),
                })
                .collect(),
        };
        manifest::write(&self.dir, &manifest)
    }

    /// Deletes the file of a segment that no manifest names; where that fails, the next open does it. Snapshots keep
    /// what they have mapped.
    pub(super) fn delete(&self, id: u64) {
        if let Err(error) = fs_err::remove_file(path_of(&self.dir, id)) {
            tracing::debug!(%error, "segment not deleted");
        }
    }

    /// Deletes the files of segments that are in `old` and not in `new`.
    pub(super) fn delete_replaced(&self, old: &[SnapshotSegment], new: &[SnapshotSegment]) {
        for part in old {
            let id = part.segment.id();
            if !new.iter().any(|part| part.segment.id() == id) {
                self.delete(id);
            }
        }
    }

    /// Waits until the thread has ended.
    pub(super) fn wait(&self) {
        let mut state = self.state();
        while state.is_joining {
            state = self
                .ended
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Makes the thread end soon; it ends by itself where little is left to do.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }
}

/// Begins to join segments in a thread, where there are some to join and no thread is at it.
pub(super) fn begin(shared: &Arc<Shared>) -> Option<std::thread::JoinHandle<()>> {
    let mut state = shared.state();
    if state.is_joining || plan(&state.committed.parts()).is_empty() {
        return None;
    }
    let running = Running(Arc::clone(shared));
    let thread = std::thread::Builder::new().name("cairn-dense".to_owned()).spawn(move || {
        while let Some(joined) = join_once(&running.0) {
            if let Err(error) = joined {
                if !running.0.is_closing.load(Ordering::Relaxed) {
                    tracing::warn!(%error, "vector segments not joined; tried again after the next commit");
                }
                break;
            }
        }
    });
    match thread {
        Ok(thread) => {
            state.is_joining = true;
            Some(thread)
        }
        Err(error) => {
            tracing::warn!(%error, "no thread to join vector segments");
            None
        }
    }
}

/// Says that the thread ended, however it ended.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.state().is_joining = false;
        self.0.ended.notify_all();
    }
}

/// One round; `None` where nothing is left to join.
fn join_once(shared: &Shared) -> Option<Result<(), IndexError>> {
    let parts = shared.state().committed.parts();
    let chosen: Vec<SnapshotSegment> = plan(&parts)
        .into_iter()
        .map(|at| parts[at].clone())
        .collect();
    drop(parts);
    let mut rows: Vec<RowSource<'_>> = chosen.iter().flat_map(SnapshotSegment::live_rows).collect();
    if rows.is_empty() {
        return None;
    }
    rows.sort_unstable_by_key(|row| row.chunk_no);
    let never = AtomicBool::new(false);
    let stop = if rows.len() > ROWS_WORTH_WAITING {
        &shared.is_closing
    } else {
        &never
    };
    let joined = shared.write_segment(shared.next_id(), &rows, stop);
    Some(joined.and_then(|joined| put_in_place(shared, &chosen, &joined)))
}

fn put_in_place(
    shared: &Shared,
    chosen: &[SnapshotSegment],
    joined: &SnapshotSegment,
) -> Result<(), IndexError> {
    let state = shared.state();
    let old = state.committed.parts();
    let is_chosen =
        |part: &SnapshotSegment| chosen.iter().any(|c| c.segment.id() == part.segment.id());
    // A chunk of a chosen segment that is not alive there any more died while the new one was written.
    let mut alive = RoaringBitmap::new();
    for part in old.iter().filter(|part| is_chosen(part)) {
        alive.extend(part.live_rows().map(|row| row.chunk_no));
    }
    let all: RoaringBitmap = joined
        .segment
        .numbers()
        .as_slice()
        .iter()
        .copied()
        .collect();
    let joined_now = joined.without(joined.segment.rows_of(&(all - alive)));
    let mut new: Vec<SnapshotSegment> = old
        .iter()
        .filter(|part| !is_chosen(part))
        .cloned()
        .collect();
    if joined_now.n_live() > 0 {
        new.push(joined_now);
    }
    let written = shared.write_manifest(&state, state.committed.applied(), &new);
    if written.is_err() {
        shared.delete(joined.segment.id());
        return written;
    }
    state.committed.replace_parts(new.clone());
    shared.delete_replaced(&old, &new);
    Ok(())
}

/// Positions of the segments to join or rewrite now: those with many dead rows, and small ones when there are many.
fn plan(parts: &[SnapshotSegment]) -> Vec<usize> {
    let (mut rewrite, mut keep): (Vec<usize>, Vec<usize>) = (0..parts.len()).partition(|&at| {
        let part = &parts[at];
        part.dead().len() * 100 > part.segment.n_rows() as u64 * MAX_DEAD_PERCENT
    });
    if keep.len() + rewrite.len() > MAX_SEGMENTS {
        keep.sort_by_key(|&at| (parts[at].n_live(), parts[at].segment.id()));
        let mut joined = 0;
        // Joining a segment only with others that together are at least half its size keeps the
        // number of times that a row is copied logarithmic.
        let n_small = keep
            .iter()
            .take_while(|&&at| {
                let fits = joined == 0 || parts[at].n_live() <= joined * 2;
                joined += parts[at].n_live();
                fits
            })
            .count();
        if n_small > 1 {
            rewrite.extend(&keep[..n_small]);
        }
    }
    rewrite
}
