//! What a segment of the inverted index says about its documents, and which of them are open to a search.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use roaring::RoaringBitmap;
use tantivy::SegmentReader;
use tantivy::index::SegmentId;
use tantivy::schema::Field;

use super::bits::Bits;
use super::postings::{FoundList, WordPostings};
use super::score::Bm25;
use super::stats::WordStats;
use super::{build, from_tantivy};
use crate::IndexError;
use crate::analyse::QueryTerm;

/// Words that a segment remembers; then it starts again. About 400 bytes each.
const MAX_REMEMBERED: usize = 8_192;

/// A segment as a snapshot sees it.
pub(super) struct SnapshotSegment {
    pub reader: SegmentReader,
    pub data: Arc<SegmentData>,
    /// Dead documents, rising.
    pub dead: Vec<u32>,
    /// The others; `None` where all live.
    living: Option<Bits>,
}

/// What is the same for the segment's whole life, by document number.
pub(super) struct SegmentData {
    pub id: SegmentId,
    pub chunk_nos: Vec<u32>,
    /// Weighted lengths over both fields.
    pub lengths: Vec<f32>,
    /// Ranges of documents in which chunk numbers rise: one, or one for each of the segments that it was merged from.
    runs: Vec<Range<usize>>,
    /// All tags of the segment's terms, as a set of bits.
    tags: u32,
    words: Mutex<HashMap<String, Arc<WordStats>>>,
}

/// Documents that a search may see.
pub(super) enum Open {
    /// All.
    All,
    /// These.
    Some(Bits),
}

impl SnapshotSegment {
    pub(super) fn new(reader: SegmentReader, data: Arc<SegmentData>) -> Self {
        let mut dead = Vec::new();
        let mut living = None;
        if let Some(alive) = reader.alive_bitset() {
            let mut bits = Bits::new(data.chunk_nos.len());
            for document in 0..data.chunk_nos.len() as u32 {
                if alive.is_alive(document) {
                    bits.insert(document);
                } else {
                    dead.push(document);
                }
            }
            living = Some(bits);
        }
        Self {
            reader,
            data,
            dead,
            living,
        }
    }

    pub(super) fn n_living(&self) -> u64 {
        (self.data.chunk_nos.len() - self.dead.len()) as u64
    }

    /// Sum of the lengths of living documents.
    pub(super) fn length(&self) -> f64 {
        let living = self.living_documents();
        living
            .map(|document| f64::from(self.data.lengths[document as usize]))
            .sum()
    }

    /// Living documents, rising.
    pub(super) fn living_documents(&self) -> impl Iterator<Item = u32> {
        let living = self.living.as_ref();
        (0..self.data.chunk_nos.len() as u32)
            .filter(move |document| living.is_none_or(|living| living.contains(*document)))
    }

    /// Living documents whose chunks are allowed.
    pub(super) fn open(&self, allowed: &RoaringBitmap) -> Open {
        let data = &self.data;
        let mut open = Bits::new(data.chunk_nos.len());
        let mut is_all = true;
        for run in &data.runs {
            is_all &= data.open_in_run(run, allowed, &mut open);
        }
        match &self.living {
            None if is_all => Open::All,
            Some(living) => {
                open.intersect(living);
                Open::Some(open)
            }
            None => Open::Some(open),
        }
    }

    /// Living documents of these chunks (rising), by chunk.
    pub(super) fn documents_of(&self, chunk_nos: &[u32]) -> Vec<(u32, u32)> {
        let mut found = Vec::new();
        for run in &self.data.runs {
            let numbers = &self.data.chunk_nos[run.clone()];
            for chunk_no in chunk_nos {
                if let Ok(at) = numbers.binary_search(chunk_no) {
                    let document = (run.start + at) as u32;
                    if self
                        .living
                        .as_ref()
                        .is_none_or(|living| living.contains(document))
                    {
                        found.push((*chunk_no, document));
                    }
                }
            }
        }
        found
    }

    /// The posting lists of a word.
    pub(super) fn postings(
        &self,
        dir: &Path,
        word: &WordStats,
    ) -> Result<WordPostings, IndexError> {
        WordPostings::open(dir, &self.reader, &word.lists)
    }

    /// What is known of a word; `key` names its forms.
    pub(super) fn stats(
        &self,
        dir: &Path,
        fields: &[(Field, f32)],
        term: &QueryTerm,
        key: &str,
    ) -> Result<Arc<WordStats>, IndexError> {
        let known = || {
            self.data
                .words
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(stats) = known().get(key) {
            return Ok(Arc::clone(stats));
        }
        let lists = FoundList::find(dir, &self.reader, self.data.tags, fields, term)?;
        let mut postings = WordPostings::open(dir, &self.reader, &lists)?;
        let stats = WordStats::read(lists, &mut postings, &self.data.lengths);
        let stats = Arc::new(stats);
        let mut known = known();
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(key.to_owned(), Arc::clone(&stats));
        Ok(stats)
    }
}

impl SegmentData {
    pub(super) fn read(dir: &Path, reader: &SegmentReader, bm25: Bm25) -> Result<Self, IndexError> {
        let column = |name: &str| -> Result<Vec<u32>, IndexError> {
            let column = reader
                .fast_fields()
                .u64(name)
                .map_err(|error| from_tantivy(dir, error))?;
            let values: Option<Vec<u32>> = (0..reader.max_doc())
                .map(|document| {
                    column
                        .first(document)
                        .and_then(|value| u32::try_from(value).ok())
                })
                .collect();
            values.ok_or_else(|| IndexError::corrupt(dir, format!("a chunk has no {name}")))
        };
        let chunk_nos = column(build::CHUNK_NO)?;
        // A chunk that was replaced within a segment stands there twice; one of the two is dead.
        let mut seen = RoaringBitmap::new();
        for document in reader.doc_ids_alive() {
            if !seen.insert(chunk_nos[document as usize]) {
                return Err(IndexError::corrupt(dir, "a chunk is there twice"));
            }
        }
        let heads = column(build::HEAD_LENGTH)?;
        let texts = column(build::TEXT_LENGTH)?;
        let lengths = heads.iter().zip(&texts);
        Ok(Self {
            id: reader.segment_id(),
            lengths: lengths
                .map(|(head, text)| bm25.length(*head, *text))
                .collect(),
            tags: column(build::TAGS)?.iter().fold(0, |all, tags| all | tags),
            runs: runs_of(&chunk_nos),
            chunk_nos,
            words: Mutex::default(),
        })
    }

    /// Adds the documents of a run whose chunks are allowed to `open`; returns whether these are all of the run.
    fn open_in_run(&self, run: &Range<usize>, allowed: &RoaringBitmap, open: &mut Bits) -> bool {
        let numbers = &self.chunk_nos[run.clone()];
        let (Some(&first), Some(&last)) = (numbers.first(), numbers.last()) else {
            return true;
        };
        let mut ranges = allowed.range(first..=last);
        let mut n_open = 0;
        let mut from = 0;
        while let Some(range) = ranges.next_range() {
            from += numbers[from..].partition_point(|number| number < range.start());
            let n = numbers[from..].partition_point(|number| number <= range.end());
            open.insert_range(run.start + from..run.start + from + n);
            n_open += n;
            from += n;
        }
        n_open == numbers.len()
    }
}

/// The longest ranges in which numbers rise strictly.
fn runs_of(numbers: &[u32]) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut start = 0;
    for at in 1..=numbers.len() {
        if at == numbers.len() || numbers[at] <= numbers[at - 1] {
            runs.push(start..at);
            start = at;
        }
    }
    runs
}
