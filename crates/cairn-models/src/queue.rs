//! Who computes next: sequences of many callers, in slices, queries before bulk work.
//!
//! There is no thread of its own: callers compute, at most `slots` of them at a time, and a slice that a caller takes may hold the
//! sequences of others. So a lone query starts at once on its own thread; queries that arrive while all slots are taken are laid
//! together into the next slices (of up to 96 tokens, about two milliseconds: more tokens make no cheaper token); and a query waits
//! for one slice of bulk work at most, because whoever computes bulk work looks for queries after every slice.
//! A caller that is gone is noticed when its turn comes, and nothing of it is computed.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use cairn_types::ports::{Caller, Urgency};

use crate::encoder::Encoder;

/// Tokens of a slice of bulk work: activations of 256 tokens stay in the second-level cache (measured: 3 % over one text per slice).
const BULK_TOKENS: usize = 256;

/// Tokens of a slice of queries: eight rows of tiles. The first of them waits for the others of its slice.
const QUERY_TOKENS: usize = 96;

/// Calls that are looked at to fill a slice.
const MOST_CALLS: usize = 64;

/// The calls that wait.
#[derive(Debug)]
pub(crate) struct Queue {
    slots: usize,
    state: Mutex<State>,
    /// A slice is done or dropped.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queries: VecDeque<Entry>,
    bulk: VecDeque<Entry>,
    n_running: usize,
    counts: Counts,
}

/// What was done since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Texts that were computed.
    pub n_computed: u64,
    /// Texts that were dropped because their caller was gone.
    pub n_cancelled: u64,
    /// Computations: each holds one or more texts.
    pub n_slices: u64,
}

#[derive(Debug)]
struct Entry {
    call: Arc<Call>,
    /// The first sequence that was not begun.
    from: usize,
}

/// Sequences of one caller.
#[derive(Debug)]
pub(crate) struct Call {
    caller: Caller,
    sequences: Vec<Vec<u32>>,
    done: Mutex<Done>,
}

#[derive(Debug)]
struct Done {
    vectors: Vec<Vec<f32>>,
    n_missing: usize,
    failure: Option<Failure>,
}

/// Why a call has no vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Its caller is gone.
    Cancelled,
    /// The computation gave none.
    Failed,
}

impl Call {
    pub(crate) fn new(caller: Caller, sequences: Vec<Vec<u32>>) -> Self {
        let n = sequences.len();
        Self {
            caller,
            sequences,
            done: Mutex::new(Done {
                vectors: vec![Vec::new(); n],
                n_missing: n,
                failure: None,
            }),
        }
    }

    /// Slices that it makes, about.
    pub(crate) fn n_slices(&self) -> usize {
        let most = match self.caller.urgency() {
            Urgency::Query => QUERY_TOKENS,
            Urgency::Bulk => BULK_TOKENS,
        };
        let n_tokens: usize = self.sequences.iter().map(Vec::len).sum();
        n_tokens.div_ceil(most).min(self.sequences.len())
    }

    fn is_over(&self) -> bool {
        let done = lock(&self.done);
        done.n_missing == 0 || done.failure.is_some()
    }

    fn fail(&self, failure: Failure) {
        lock(&self.done).failure.get_or_insert(failure);
    }

    fn deliver(&self, range: Range<usize>, vectors: impl Iterator<Item = Vec<f32>>) {
        let mut done = lock(&self.done);
        done.n_missing -= range.len();
        for (to, vector) in done.vectors[range].iter_mut().zip(vectors) {
            *to = vector;
        }
    }

    fn result(&self) -> Result<Vec<Vec<f32>>, Failure> {
        let mut done = lock(&self.done);
        match done.failure {
            Some(failure) => Err(failure),
            None => Ok(std::mem::take(&mut done.vectors)),
        }
    }
}

/// Sequences that are computed together.
struct Slice(Vec<(Arc<Call>, Range<usize>)>);

impl State {
    /// The next slice for one who may compute bulk work or only queries; queries first.
    fn take(&mut self, urgency: Urgency) -> Option<Slice> {
        let counts = &mut self.counts;
        let queries = take_from(&mut self.queries, QUERY_TOKENS, counts);
        queries.or_else(|| match urgency {
            Urgency::Query => None,
            Urgency::Bulk => take_from(&mut self.bulk, BULK_TOKENS, counts),
        })
    }
}

/// Sequences of one detail from the front of the queue, up to `most` tokens; a longer one is alone. Drops calls that are over.
fn take_from(queue: &mut VecDeque<Entry>, most: usize, counts: &mut Counts) -> Option<Slice> {
    let mut parts: Vec<(Arc<Call>, Range<usize>)> = Vec::new();
    let (mut n_tokens, mut detail, mut at) = (0, None, 0);
    while at < queue.len().min(MOST_CALLS) && n_tokens < most {
        let Entry { call, from } = &mut queue[at];
        if call.caller.is_gone() && !call.is_over() {
            call.fail(Failure::Cancelled);
            counts.n_cancelled += (call.sequences.len() - *from) as u64;
        }
        if call.is_over() {
            queue.remove(at);
            continue;
        }
        let start = *from;
        for sequence in &call.sequences[start..] {
            let own = Encoder::detail(sequence.len());
            let fits = n_tokens == 0 || n_tokens + sequence.len() <= most;
            if !fits || detail.is_some_and(|detail| detail != own) {
                break;
            }
            detail = Some(own);
            n_tokens += sequence.len();
            *from += 1;
        }
        if *from > start {
            parts.push((call.clone(), start..*from));
        }
        if *from == call.sequences.len() {
            queue.remove(at);
        } else {
            at += 1;
        }
    }
    if parts.is_empty() {
        return None;
    }
    counts.n_slices += 1;
    counts.n_computed += parts
        .iter()
        .map(|(_, range)| range.len() as u64)
        .sum::<u64>();
    Some(Slice(parts))
}

impl Queue {
    /// At most `slots` slices are computed at a time.
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            slots: slots.max(1),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        lock(&self.state).counts
    }

    /// Puts the call at the end of its queue.
    pub(crate) fn submit(&self, call: &Arc<Call>) {
        let mut state = lock(&self.state);
        let queue = match call.caller.urgency() {
            Urgency::Query => &mut state.queries,
            Urgency::Bulk => &mut state.bulk,
        };
        queue.push_back(Entry {
            call: call.clone(),
            from: 0,
        });
    }

    /// Computes until the call is over, its own sequences and others'. May run on several threads for one call.
    pub(crate) fn work(&self, call: &Call, compute: impl Fn(&[&[u32]]) -> Option<Vec<Vec<f32>>>) {
        let mut state = lock(&self.state);
        while !call.is_over() {
            let n_cancelled = state.counts.n_cancelled;
            let slice = if state.n_running < self.slots {
                state.take(call.caller.urgency())
            } else {
                None
            };
            if state.counts.n_cancelled > n_cancelled {
                self.changed.notify_all();
            }
            if let Some(slice) = slice {
                state.n_running += 1;
                drop(state);
                let mut running = Running {
                    queue: self,
                    slice,
                    vectors: None,
                };
                running.vectors = compute(&running.slice.sequences());
                drop(running);
                state = lock(&self.state);
            } else if !call.is_over() {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// The vectors of a call that is over.
    pub(crate) fn result(&self, call: &Call) -> Result<Vec<Vec<f32>>, Failure> {
        call.result()
    }

    #[cfg(test)]
    fn n_waiting(&self) -> usize {
        let state = lock(&self.state);
        state.queries.len() + state.bulk.len()
    }
}

impl Slice {
    fn sequences(&self) -> Vec<&[u32]> {
        self.0
            .iter()
            .flat_map(|(call, range)| call.sequences[range.clone()].iter().map(Vec::as_slice))
            .collect()
    }
}

/// A slice in work: delivered when dropped, as failed where the computation gave nothing or panicked, so that nobody waits for ever.
struct Running<'a> {
    queue: &'a Queue,
    slice: Slice,
    vectors: Option<Vec<Vec<f32>>>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut vectors = self.vectors.take().map(Vec::into_iter);
        for (call, range) in &self.slice.0 {
            match &mut vectors {
                Some(vectors) => call.deliver(range.clone(), vectors.by_ref().take(range.len())),
                None => call.fail(Failure::Failed),
            }
        }
        lock(&self.queue.state).n_running -= 1;
        self.queue.changed.notify_all();
    }
}

/// Every change under these locks is whole: a panic elsewhere leaves them usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(urgency: Urgency, sequences: &[&[u32]]) -> (Arc<Call>, Caller) {
        let caller = Caller::new(urgency);
        let sequences = sequences.iter().map(|ids| ids.to_vec()).collect();
        (Arc::new(Call::new(caller.clone(), sequences)), caller)
    }

    fn vectors(sequences: &[&[u32]]) -> Vec<Vec<f32>> {
        sequences.iter().map(|ids| vec![ids[0] as f32]).collect()
    }

    fn wait_until(mut done: impl FnMut() -> bool) {
        while !done() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn slices_hold_neighbours_of_one_detail() {
        for (urgency, lengths, expect) in [
            (Urgency::Bulk, vec![], vec![]),
            (Urgency::Bulk, vec![100, 100, 100], vec![2, 1]),
            (Urgency::Bulk, vec![300, 20, 20], vec![1, 2]),
            (Urgency::Bulk, vec![20, 300], vec![1, 1]),
            (Urgency::Bulk, vec![20, 3, 4, 20], vec![1, 2, 1]),
            (Urgency::Query, vec![12; 20], vec![8, 8, 4]),
        ] {
            let sequences: Vec<Vec<u32>> = lengths.iter().map(|n| vec![1; *n]).collect();
            let sequences: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
            let (call, _) = call(urgency, &sequences);
            let queue = Queue::new(1);
            queue.submit(&call);
            let mut sizes = Vec::new();
            while let Some(slice) = lock(&queue.state).take(urgency) {
                sizes.push(slice.sequences().len());
            }
            assert_eq!(sizes, expect, "{lengths:?}");
        }
    }

    #[test]
    fn a_query_waits_for_one_slice_of_bulk_work() {
        let queue = Queue::new(1);
        let bulk: Vec<Vec<u32>> = (0..6).map(|i| vec![i; 200]).collect();
        let bulk: Vec<&[u32]> = bulk.iter().map(Vec::as_slice).collect();
        let (bulk, _) = call(Urgency::Bulk, &bulk);
        let (query, _) = call(Urgency::Query, &[&[100; 12]]);
        let order = Mutex::new(Vec::new());
        queue.submit(&bulk);
        std::thread::scope(|scope| {
            let compute = |sequences: &[&[u32]]| {
                lock(&order).push(sequences[0][0]);
                if sequences[0][0] == 2 {
                    // A query arrives while this slice is in work.
                    scope.spawn(|| {
                        queue.submit(&query);
                        // Whoever gets the slot first computes it.
                        queue.work(&query, |sequences| {
                            lock(&order).push(sequences[0][0]);
                            Some(vectors(sequences))
                        });
                        assert_eq!(queue.result(&query).unwrap(), [[100.0]]);
                    });
                    wait_until(|| !lock(&queue.state).queries.is_empty());
                }
                Some(vectors(sequences))
            };
            queue.work(&bulk, compute);
        });
        assert_eq!(*lock(&order), [0, 1, 2, 100, 3, 4, 5]);
        assert_eq!(queue.result(&bulk).unwrap().len(), 6);
    }

    #[test]
    fn queries_that_wait_are_computed_together_and_those_of_nobody_not_at_all() {
        let queue = Queue::new(1);
        let (first, _) = call(Urgency::Query, &[&[1; 12]]);
        let others: Vec<_> = (10..18)
            .map(|i| call(Urgency::Query, &[&[i; 12]]))
            .collect();
        let slices = Mutex::new(Vec::new());
        let compute = |sequences: &[&[u32]]| {
            let mut firsts: Vec<u32> = sequences.iter().map(|ids| ids[0]).collect();
            if firsts == [1] {
                wait_until(|| queue.n_waiting() == others.len());
                // Three of those who wait go away.
                for (_, caller) in &others[2..5] {
                    drop(caller.waiting());
                }
            }
            firsts.sort_unstable();
            lock(&slices).push(firsts);
            Some(vectors(sequences))
        };
        queue.submit(&first);
        std::thread::scope(|scope| {
            scope.spawn(|| queue.work(&first, compute));
            // The first is taken before the others come.
            wait_until(|| queue.n_waiting() == 0);
            for (call, _) in &others {
                scope.spawn(|| {
                    queue.submit(call);
                    queue.work(call, compute);
                });
            }
        });
        assert_eq!(*lock(&slices), [vec![1], vec![10, 11, 15, 16, 17]]);
        for (i, (call, _)) in others.iter().enumerate() {
            let expect = if (2..5).contains(&i) {
                Err(Failure::Cancelled)
            } else {
                Ok(vec![vec![10.0 + i as f32]])
            };
            assert_eq!(queue.result(call), expect);
        }
        let counts = Counts {
            n_computed: 6,
            n_cancelled: 3,
            n_slices: 2,
        };
        assert_eq!(queue.counts(), counts);
    }

    #[test]
    fn a_bulk_call_that_nobody_waits_for_stops_after_its_slice() {
        let queue = Queue::new(2);
        let sequences = [[7; 200].as_slice(); 5];
        let (call, caller) = call(Urgency::Bulk, &sequences);
        queue.submit(&call);
        queue.work(&call, |sequences| {
            drop(caller.waiting());
            Some(vectors(sequences))
        });
        assert_eq!(queue.result(&call), Err(Failure::Cancelled));
        assert_eq!(
            (queue.counts().n_computed, queue.counts().n_cancelled),
            (1, 4)
        );
    }

    #[test]
    fn a_computation_that_panics_fails_its_calls_and_frees_its_slot() {
        let queue = Queue::new(1);
        let (call, _) = call(Urgency::Query, &[&[1; 12]]);
        queue.submit(&call);
        let work = || queue.work(&call, |_| panic!("on purpose"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err());
        assert_eq!(queue.result(&call), Err(Failure::Failed));
        assert_eq!(lock(&queue.state).n_running, 0);
    }
}
