//! What a thread does behind commits: making them durable, joining segments, deleting what was replaced.
//!
//! The thread lives while there is something to do. It syncs what the last commit left to the operating system and
//! writes the durable manifest; then it joins segments while searches and commits go on, and under the lock marks in
//! the new one what died meanwhile and swaps. Files go only when no durable manifest names them. So after a crash of
//! the process the index is as of its last commit, and after a loss of power as of a commit before; the catalog has
//! the difference, as it has all. Amortised, each row is written O(log n) times.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use cairn_types::Seq;
use roaring::RoaringBitmap;

use super::layout::path_of;
use super::manifest::{self, Kept, Manifest, SegmentEntry};
use super::rotate::Rotation;
use super::segment::Segment;
use super::snapshot::{DenseSnapshot, SnapshotSegment};
use super::write::RowSource;
use crate::IndexError;

/// Beyond this many segments the small ones are joined. A guess: each costs a search some microseconds.
pub(super) const MAX_SEGMENTS: usize = 6;
/// Beyond this many a commit waits for the thread: short-lived processes must not pile them up.
const MAX_BEHIND: usize = 24;
/// A segment with more than this share of dead rows is rewritten.
const MAX_DEAD_PERCENT: u64 = 30;
/// Joining fewer rows (some 0.1 s) is not given up when the index is closed.
const ROWS_WORTH_WAITING: u64 = 20_000;

/// What the index and its thread share.
#[derive(Debug)]
pub(super) struct Shared {
    pub dir: std::path::PathBuf,
    pub dim: usize,
    pub space_key: String,
    pub seed: u64,
    pub rotation: Arc<Rotation>,
    state: Mutex<State>,
    /// Told when the thread has done a task or ends.
    progress: Condvar,
    is_closing: AtomicBool,
}

/// What changes with commits and joins.
#[derive(Debug)]
pub(super) struct State {
    pub committed: DenseSnapshot,
    next_segment: u64,
    /// Of the committed segments, and of those in the durable manifest.
    generation: u64,
    durable: u64,
    /// Segments that no generation from this one on names.
    replaced: Vec<(u64, u64)>,
    is_running: bool,
}

impl Shared {
    /// For an index that was just read; `replaced`: segments that only an older durable manifest names.
    pub(super) fn new(
        dir: &std::path::Path,
        (manifest, kept): (Manifest, Kept),
        rotation: Arc<Rotation>,
        committed: DenseSnapshot,
        replaced: &[u64],
    ) -> Self {
        let generation = manifest.generation;
        Self {
            dir: dir.to_path_buf(),
            dim: manifest.dim,
            space_key: manifest.space,
            seed: manifest.seed,
            rotation,
            state: Mutex::new(State {
                committed,
                next_segment: manifest.next_segment,
                generation,
                durable: match kept {
                    Kept::Durable => generation,
                    Kept::Latest => 0,
                },
                replaced: replaced.iter().map(|id| (generation, *id)).collect(),
                is_running: false,
            }),
            progress: Condvar::new(),
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

    /// Makes these segments what the index consists of.
    pub(super) fn put_in_place(
        &self,
        state: &mut State,
        applied: Seq,
        segments: &[SnapshotSegment],
    ) -> Result<(), IndexError> {
        let mut manifest = self.manifest(state, applied, segments);
        manifest.generation += 1;
        manifest::write(&self.dir, Kept::Latest, &manifest)?;
        state.generation = manifest.generation;
        for part in state.committed.parts().iter() {
            let id = part.segment.id();
            if !segments.iter().any(|part| part.segment.id() == id) {
                state.replaced.push((state.generation, id));
            }
        }
        Ok(())
    }

    fn manifest(&self, state: &State, applied: Seq, segments: &[SnapshotSegment]) -> Manifest {
        Manifest {
            dim: self.dim,
            space: self.space_key.clone(),
            seed: self.seed,
            generation: state.generation,
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
        }
    }

    /// Makes the newest generation durable and deletes what it does not name. After a crash at each step: (1) segments
    /// synced: the older durable manifest still has all its files; (2) manifest renamed: it has all of its own;
    /// (3) files deleted: nothing names them.
    fn make_durable(&self) -> Result<(), IndexError> {
        let (manifest, parts) = {
            let state = self.state();
            let parts = state.committed.parts();
            let applied = state.committed.applied();
            (self.manifest(&state, applied, &parts), parts)
        };
        for part in parts.iter() {
            part.segment.sync(&self.dir)?;
        }
        manifest::write(&self.dir, Kept::Durable, &manifest)?;
        let mut state = self.state();
        state.durable = manifest.generation;
        if state.generation == state.durable {
            manifest::forget_latest(&self.dir);
        }
        let durable = state.durable;
        let (gone, kept) = std::mem::take(&mut state.replaced)
            .into_iter()
            .partition(|(since, _)| *since <= durable);
        state.replaced = kept;
        drop(state);
        for (_, id) in gone {
            self.delete(id);
        }
        Ok(())
    }

    /// Deletes the file of a segment that no manifest names; where that fails, the next open does it. Snapshots keep
    /// what they have mapped.
    pub(super) fn delete(&self, id: u64) {
        if let Err(error) = fs_err::remove_file(path_of(&self.dir, id)) {
            tracing::debug!(%error, "segment not deleted");
        }
    }

    /// Waits until the thread has ended.
    pub(super) fn wait(&self) {
        let mut state = self.state();
        while state.is_running {
            state = self
                .progress
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until there are few segments again, or the thread has ended.
    pub(super) fn wait_for_few(&self) {
        let mut state = self.state();
        while state.is_running && state.committed.n_segments() >= MAX_BEHIND {
            state = self
                .progress
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Makes the thread end soon; it ends by itself where little is left to do.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }
}

/// Begins what there is to do in a thread, where none is at it.
pub(super) fn begin(shared: &Arc<Shared>) -> Option<std::thread::JoinHandle<()>> {
    let mut state = shared.state();
    if state.is_running || Task::next(&state).is_none() {
        return None;
    }
    let running = Running(Arc::clone(shared));
    let thread = std::thread::Builder::new()
        .name("cairn-dense".to_owned())
        .spawn(move || {
            let running = running;
            work(&running.0);
        });
    match thread {
        Ok(thread) => {
            state.is_running = true;
            Some(thread)
        }
        Err(error) => {
            tracing::warn!(%error, "no thread for vector segments; tried again after the next commit");
            None
        }
    }
}

/// What the thread does next.
enum Task {
    MakeDurable,
    Join(Vec<SnapshotSegment>),
}

impl Task {
    /// Few rows are joined first, so that the files that they come from need never be synced.
    fn next(state: &State) -> Option<Self> {
        let parts = state.committed.parts();
        let chosen: Vec<_> = plan(&parts).iter().map(|&at| parts[at].clone()).collect();
        let n_rows: u64 = chosen.iter().map(SnapshotSegment::n_live).sum();
        let is_durable = state.durable >= state.generation;
        if !is_durable && (chosen.is_empty() || n_rows > ROWS_WORTH_WAITING) {
            return Some(Self::MakeDurable);
        }
        (!chosen.is_empty()).then_some(Self::Join(chosen))
    }
}

fn work(shared: &Shared) {
    loop {
        let mut state = shared.state();
        let task = Task::next(&state);
        if task.is_none() {
            // Under the lock that the next commit takes before it asks whether a thread is at work.
            state.is_running = false;
            shared.progress.notify_all();
            return;
        }
        drop(state);
        let done = match task {
            Some(Task::Join(chosen)) => join(shared, &chosen),
            Some(Task::MakeDurable) | None => shared.make_durable(),
        };
        if let Err(error) = done {
            if !shared.is_closing.load(Ordering::Relaxed) {
                tracing::warn!(%error, "vector segments not put in order; tried again after the next commit");
            }
            shared.state().is_running = false;
            shared.progress.notify_all();
            return;
        }
        shared.progress.notify_all();
    }
}

/// Says that the thread ended where it could not say so itself.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.state().is_running = false;
            self.0.progress.notify_all();
        }
    }
}

/// Writes the living rows of segments as one and puts it in their place.
fn join(shared: &Shared, chosen: &[SnapshotSegment]) -> Result<(), IndexError> {
    let mut rows: Vec<RowSource<'_>> = chosen.iter().flat_map(SnapshotSegment::live_rows).collect();
    rows.sort_unstable_by_key(|row| row.chunk_no);
    let never = AtomicBool::new(false);
    let stop = if rows.len() as u64 > ROWS_WORTH_WAITING {
        &shared.is_closing
    } else {
        &never
    };
    let joined = shared.write_segment(shared.next_id(), &rows, stop)?;
    let placed = replace(shared, chosen, &joined);
    if placed.is_err() {
        shared.delete(joined.segment.id());
    }
    placed
}

fn replace(
    shared: &Shared,
    chosen: &[SnapshotSegment],
    joined: &SnapshotSegment,
) -> Result<(), IndexError> {
    let mut state = shared.state();
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
    let joined = joined.without(joined.segment.rows_of(&(all - alive)));
    let new: Vec<SnapshotSegment> = old
        .iter()
        .filter(|part| !is_chosen(part))
        .chain((joined.n_live() > 0).then_some(&joined))
        .cloned()
        .collect();
    let applied = state.committed.applied();
    shared.put_in_place(&mut state, applied, &new)?;
    if joined.n_live() == 0 {
        shared.delete(joined.segment.id());
    }
    state.committed.replace_parts(new);
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
