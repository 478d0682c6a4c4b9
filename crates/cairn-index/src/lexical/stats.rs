//! What is known of a word in one segment: how many documents hold it, and the most that it can add to a score.
//!
//! Both need one pass over the word's postings and are then kept with the segment, which never changes. How many of its
//! documents are dead is counted again where documents died since.

use std::sync::{Mutex, PoisonError};

use super::bits::Bits;
use super::postings::{FoundList, WordPostings};
use super::score::Bm25;

/// With this many times more postings than dead documents, the dead ones are sought instead of reading all. A guess.
const SEEK_RATIO: u64 = 16;
/// Documents that are looked at together: their frequencies stay in cache.
const WINDOW: u32 = 4096;

/// A word in a segment.
#[derive(Debug, Default)]
pub(super) struct WordStats {
    /// Its posting lists: none where no document holds it.
    pub(super) lists: Vec<FoundList>,
    /// Documents that hold it, dead ones too.
    n_documents: u64,
    /// Pairs of frequency and length, of which no document beats one in both: among them is the highest score,
    /// whatever the mean length.
    peaks: Vec<(f32, f32)>,
    /// With so many dead documents in the segment, so many of them hold it.
    n_dead: Mutex<(u64, u64)>,
}

impl WordStats {
    /// Reads all postings, those of `lists`. `lengths` by document.
    pub(super) fn read(
        lists: Vec<FoundList>,
        postings: &mut WordPostings,
        lengths: &[f32],
    ) -> Self {
        let mut stats = Self {
            lists,
            ..Self::default()
        };
        for_each_document(postings, |document, frequency| {
            stats.n_documents += 1;
            stats.add_peak(frequency, lengths[document as usize]);
        });
        stats
    }

    fn add_peak(&mut self, frequency: f32, length: f32) {
        let beaten = |by: &(f32, f32)| by.0 >= frequency && by.1 <= length;
        if !self.peaks.iter().any(beaten) {
            self.peaks
                .retain(|peak| peak.0 > frequency || peak.1 < length);
            self.peaks.push((frequency, length));
        }
    }

    /// Whether no document holds it.
    pub(super) const fn is_absent(&self) -> bool {
        self.n_documents == 0
    }

    /// The largest saturated frequency of any document.
    pub(super) fn peak(&self, bm25: Bm25, mean_length: f32) -> f32 {
        self.peaks
            .iter()
            .map(|(frequency, length)| bm25.saturate(*frequency, bm25.norm(*length, mean_length)))
            .fold(0.0, f32::max)
    }

    /// Number of living documents that hold it. `dead` are the segment's dead documents, rising; `open` opens the
    /// word's postings, where they have to be read.
    pub(super) fn n_living<E>(
        &self,
        dead: &[u32],
        open: impl FnOnce() -> Result<WordPostings, E>,
    ) -> Result<u64, E> {
        if dead.is_empty() || self.is_absent() {
            return Ok(self.n_documents);
        }
        let n_dead_now = dead.len() as u64;
        let known = || self.n_dead.lock().unwrap_or_else(PoisonError::into_inner);
        // Documents never come back to life, so equally many are the same ones.
        let (n_dead_then, count) = *known();
        if n_dead_then == n_dead_now {
            return Ok(self.n_documents - count);
        }
        let mut postings = open()?;
        let count = if n_dead_now * SEEK_RATIO < postings.n_postings() {
            let held = dead
                .iter()
                .filter(|document| postings.frequency_in(**document) > 0.0);
            held.count() as u64
        } else {
            let n_bits = dead.last().map_or(0, |last| *last as usize + 1);
            let mut is_dead = Bits::new(n_bits);
            dead.iter().for_each(|document| is_dead.insert(*document));
            let mut count = 0;
            for_each_document(&mut postings, |document, _| {
                count += u64::from((document as usize) < n_bits && is_dead.contains(document));
            });
            count
        };
        *known() = (n_dead_now, count);
        Ok(self.n_documents - count)
    }
}

/// Calls `visit` with each document of the postings, once, and its frequency.
fn for_each_document(postings: &mut WordPostings, mut visit: impl FnMut(u32, f32)) {
    let mut frequencies = vec![0.0_f32; WINDOW as usize];
    let mut start = 0;
    loop {
        let next = postings.next_document();
        if next == tantivy::TERMINATED {
            return;
        }
        start = next.max(start);
        let end = start + WINDOW;
        postings.visit(start, end, |document, frequency| {
            frequencies[(document - start) as usize] += frequency;
        });
        for (document, frequency) in (start..end).zip(&mut frequencies) {
            if *frequency > 0.0 {
                visit(document, std::mem::take(frequency));
            }
        }
        start = end;
    }
}
