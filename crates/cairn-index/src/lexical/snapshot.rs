//! Searching the inverted index: statistics over living chunks, the filter inside, exact scores.
//!
//! Term at a time: for each word of the question, the postings of all its forms in both fields add up
//! weighted frequencies per document, then every touched document gets the word's score. Documents
//! outside the allowed set are skipped, but count in the statistics. A score is the sum over words in
//! the question's order, so it does not depend on how chunks lie in segments or on the filter.
//! O(postings of the words); memory 9 bytes per document of the largest segment.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cairn_types::{ChunkNo, Seq};
use roaring::RoaringBitmap;
use tantivy::Searcher;
use tantivy::schema::Field;

use super::build::Fields;
use super::score::{Bm25, idf};
use super::segment::{Open, SegmentData, SnapshotSegment};
use crate::IndexError;
use crate::analyse::{self, QueryTerm};

/// Words whose document frequency a snapshot remembers; then it starts again.
const MAX_REMEMBERED: usize = 10_000;

/// An analysed question. Any text is plain words: there is no query syntax and no wrong query.
#[derive(Debug, Clone)]
pub struct LexicalQuery {
    terms: Vec<QueryTerm>,
}

impl LexicalQuery {
    /// Analyses a question. What is beyond the most terms of a query is left out.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self {
            terms: analyse::analyse_query(text),
        }
    }

    /// Whether nothing in the text can be looked up.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The words that are looked up, each once, in the question's order.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().map(|term| term.word.as_str())
    }
}

/// The terms as of one commit. Immutable, cheap to clone, shared between threads.
#[derive(Clone)]
pub struct LexicalSnapshot {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    applied: Seq,
    fields: Fields,
    bm25: Bm25,
    segments: Vec<SnapshotSegment>,
    n_chunks: u64,
    /// Sums over living chunks.
    head_length: u64,
    text_length: u64,
    /// Number of living chunks by word.
    n_with: Mutex<HashMap<String, u64>>,
}

impl LexicalSnapshot {
    pub(super) fn new(
        dir: &Path,
        searcher: &Searcher,
        fields: Fields,
        applied: Seq,
        before: Option<&Self>,
    ) -> Result<Self, IndexError> {
        let known = before.map_or(&[][..], |before| &before.inner.segments);
        let mut segments = Vec::new();
        for reader in searcher.segment_readers() {
            let id = reader.segment_id();
            let data = match known.iter().find(|part| part.data.id == id) {
                Some(part) => Arc::clone(&part.data),
                None => Arc::new(SegmentData::read(dir, reader)?),
            };
            segments.push(SnapshotSegment {
                reader: reader.clone(),
                data,
            });
        }
        let mut inner = Inner {
            dir: dir.to_path_buf(),
            applied,
            fields,
            bm25: Bm25::DEFAULT,
            segments,
            n_chunks: 0,
            head_length: 0,
            text_length: 0,
            n_with: Mutex::default(),
        };
        for part in &inner.segments {
            for doc in part.reader.doc_ids_alive() {
                inner.n_chunks += 1;
                inner.head_length += u64::from(part.data.head_lengths[doc as usize]);
                inner.text_length += u64::from(part.data.text_lengths[doc as usize]);
            }
        }
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The sequence number of the commit.
    #[must_use]
    pub fn applied(&self) -> Seq {
        self.inner.applied
    }

    /// Number of chunks.
    #[must_use]
    pub fn n_chunks(&self) -> u64 {
        self.inner.n_chunks
    }

    /// The chunks that are indexed.
    #[must_use]
    pub fn chunk_nos(&self) -> RoaringBitmap {
        let living = |part: &'_ SnapshotSegment| -> Vec<u32> {
            part.reader
                .doc_ids_alive()
                .map(|doc| part.data.chunk_nos[doc as usize])
                .collect()
        };
        self.inner.segments.iter().flat_map(living).collect()
    }

    /// The `k` best of the allowed chunks that hold a word of the question, best first, ties by chunk
    /// number.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable` where postings cannot be read.
    pub fn search(
        &self,
        query: &LexicalQuery,
        allowed: &RoaringBitmap,
        k: usize,
    ) -> Result<Vec<(ChunkNo, f32)>, IndexError> {
        let mut hits = self.score_all(query, allowed)?;
        if k == 0 {
            return Ok(Vec::new());
        }
        if hits.len() > k {
            hits.select_nth_unstable_by(k - 1, by_rank);
            hits.truncate(k);
        }
        hits.sort_unstable_by(by_rank);
        Ok(hits)
    }

    /// The scores of these chunks, in order: 0 for one without any word of the question, `None` for one
    /// that is not indexed.
    ///
    /// # Errors
    /// As for [`Self::search`].
    pub fn scores_of(
        &self,
        query: &LexicalQuery,
        chunk_nos: &[ChunkNo],
    ) -> Result<Vec<Option<f32>>, IndexError> {
        let allowed: RoaringBitmap = chunk_nos.iter().map(|no| no.0).collect();
        let scored: HashMap<ChunkNo, f32> = self.score_all(query, &allowed)?.into_iter().collect();
        let indexed: RoaringBitmap = self.indexed_among(&allowed);
        Ok(chunk_nos
            .iter()
            .map(|no| {
                scored
                    .get(no)
                    .copied()
                    .or_else(|| indexed.contains(no.0).then_some(0.0))
            })
            .collect())
    }

    /// Rank (from 1) among the allowed chunks and score of one chunk; `None` where it is not allowed or
    /// holds no word of the question.
    ///
    /// # Errors
    /// As for [`Self::search`].
    pub fn rank_of(
        &self,
        query: &LexicalQuery,
        allowed: &RoaringBitmap,
        chunk_no: ChunkNo,
    ) -> Result<Option<(u64, f32)>, IndexError> {
        let hits = self.score_all(query, allowed)?;
        let Some(&own) = hits.iter().find(|hit| hit.0 == chunk_no) else {
            return Ok(None);
        };
        let better = hits
            .iter()
            .filter(|hit| by_rank(hit, &own) == Ordering::Less)
            .count();
        Ok(Some((better as u64 + 1, own.1)))
    }

    /// Each word of a text, once, in order, with its inverse document frequency over living chunks: high
    /// for rare words, highest for words that no chunk holds.
    ///
    /// # Errors
    /// As for [`Self::search`].
    pub fn idf(&self, text: &str) -> Result<Vec<(String, f32)>, IndexError> {
        LexicalQuery::new(text)
            .terms
            .into_iter()
            .map(|term| {
                Ok((
                    term.word.clone(),
                    idf(self.n_with(&term)?, self.inner.n_chunks),
                ))
            })
            .collect()
    }

    /// Allowed chunks with a positive score, in no order.
    fn score_all(
        &self,
        query: &LexicalQuery,
        allowed: &RoaringBitmap,
    ) -> Result<Vec<(ChunkNo, f32)>, IndexError> {
        let inner = &*self.inner;
        let weights = query
            .terms
            .iter()
            .map(|term| Ok(idf(self.n_with(term)?, inner.n_chunks) * term.count as f32))
            .collect::<Result<Vec<f32>, IndexError>>()?;
        let mean_length = self.mean_length();
        let mut hits = Vec::new();
        for part in &inner.segments {
            let open = part.open(allowed);
            if open.is_empty() {
                continue;
            }
            let data = &part.data;
            let mut scores = vec![0.0_f32; data.chunk_nos.len()];
            let mut frequencies = vec![0.0_f32; data.chunk_nos.len()];
            let mut touched = Vec::new();
            let mut scored = Vec::new();
            for (term, weight) in query.terms.iter().zip(&weights) {
                for (field, field_weight) in self.weighted_fields() {
                    part.for_each_posting(&inner.dir, field, term, &open, &mut |doc, count| {
                        let sum = &mut frequencies[doc as usize];
                        if *sum == 0.0 {
                            touched.push(doc);
                        }
                        *sum += field_weight * count as f32;
                    })?;
                }
                for doc in touched.drain(..) {
                    let at = doc as usize;
                    let frequency = std::mem::take(&mut frequencies[at]);
                    let length = inner
                        .bm25
                        .length(data.head_lengths[at], data.text_lengths[at]);
                    let norm = inner.bm25.norm(length, mean_length);
                    if scores[at] == 0.0 {
                        scored.push(doc);
                    }
                    scores[at] += weight * inner.bm25.saturate(frequency, norm);
                }
            }
            let hit = |doc: u32| (ChunkNo(data.chunk_nos[doc as usize]), scores[doc as usize]);
            hits.extend(scored.into_iter().map(hit));
        }
        Ok(hits)
    }

    fn weighted_fields(&self) -> [(Field, f32); 2] {
        [
            (self.inner.fields.head, self.inner.bm25.head_weight),
            (self.inner.fields.text, 1.0),
        ]
    }

    fn mean_length(&self) -> f32 {
        let sum = f64::from(self.inner.bm25.head_weight) * self.inner.head_length as f64
            + self.inner.text_length as f64;
        // An index of chunks without words has nothing to score.
        (sum / self.inner.n_chunks.max(1) as f64).max(1.0) as f32
    }

    /// Living chunks with any form of the word in any field. Remembered for the life of the snapshot, as
    /// the common words of questions have the longest postings.
    fn n_with(&self, term: &QueryTerm) -> Result<u64, IndexError> {
        let key: Vec<&str> = term.forms.iter().map(|form| form.term.as_str()).collect();
        let key = key.join("\n");
        let known = |cache: &mut HashMap<String, u64>| cache.get(&key).copied();
        if let Some(n_with) = known(
            &mut self
                .inner
                .n_with
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        ) {
            return Ok(n_with);
        }
        let fields = self.weighted_fields().map(|(field, _)| field);
        let mut n_with = 0;
        for part in &self.inner.segments {
            n_with += part.n_with(&self.inner.dir, &fields, term)?;
        }
        let mut cache = self
            .inner
            .n_with
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= MAX_REMEMBERED {
            cache.clear();
        }
        cache.insert(key, n_with);
        Ok(n_with)
    }

    fn indexed_among(&self, wanted: &RoaringBitmap) -> RoaringBitmap {
        let mut found = RoaringBitmap::new();
        for part in &self.inner.segments {
            match part.open(wanted) {
                Open::All => found.extend(part.data.chunk_nos.iter().copied()),
                Open::Some { documents, .. } => found.extend(
                    documents
                        .iter()
                        .map(|&document| part.data.chunk_nos[document as usize]),
                ),
            }
        }
        found
    }
}

impl std::fmt::Debug for LexicalSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LexicalSnapshot")
            .field("applied", &self.inner.applied)
            .field("n_chunks", &self.inner.n_chunks)
            .finish_non_exhaustive()
    }
}

fn by_rank(a: &(ChunkNo, f32), b: &(ChunkNo, f32)) -> Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}
