//! Searching the inverted index: statistics over living chunks, the filter inside, exact scores.
//!
//! Term at a time: for each word of the question, the postings of all its forms in both fields add up
//! weighted frequencies per document, then every touched document gets the word's score. Documents
//! outside the allowed set are skipped, but count in the statistics. A score is the sum over words in
//! the question's order, so it does not depend on how chunks lie in segments or on the filter.
//! O(postings of the words); memory 9 bytes per document of the largest segment.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairn_types::{ChunkNo, Seq};
use roaring::RoaringBitmap;
use tantivy::index::SegmentId;
use tantivy::postings::Postings;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet, Searcher, SegmentReader, TERMINATED, Term};

use super::build::{self, Fields};
use super::from_tantivy;
use super::score::{Bm25, idf};
use crate::IndexError;
use crate::analyse::{self, QueryTerm};

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
}

struct SnapshotSegment {
    reader: SegmentReader,
    data: Arc<SegmentData>,
}

/// What a segment says about its documents, by document number; the same for its whole life.
pub(super) struct SegmentData {
    id: SegmentId,
    chunk_nos: Vec<u32>,
    head_lengths: Vec<u32>,
    text_lengths: Vec<u32>,
    tags: u32,
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
        let scored: std::collections::HashMap<ChunkNo, f32> =
            self.score_all(query, &allowed)?.into_iter().collect();
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
        let bm25 = self.inner.bm25;
        let weights = query
            .terms
            .iter()
            .map(|term| Ok(idf(self.n_with(term)?, self.inner.n_chunks) * term.count as f32))
            .collect::<Result<Vec<f32>, IndexError>>()?;
        let mean_length = self.mean_length();
        let mut hits = Vec::new();
        for part in &self.inner.segments {
            let open = part.open_docs(allowed);
            if !open.contains(&true) {
                continue;
            }
            let mut scores = vec![0.0_f32; open.len()];
            let mut frequencies = vec![0.0_f32; open.len()];
            let mut touched = Vec::new();
            for (term, weight) in query.terms.iter().zip(&weights) {
                for (field, field_weight) in self.weighted_fields() {
                    self.for_each_posting(part, field, term, &mut |doc, frequency| {
                        if open[doc as usize] {
                            let sum = &mut frequencies[doc as usize];
                            if *sum == 0.0 {
                                touched.push(doc);
                            }
                            *sum += field_weight * frequency as f32;
                        }
                    })?;
                }
                for doc in touched.drain(..) {
                    let doc = doc as usize;
                    let frequency = std::mem::take(&mut frequencies[doc]);
                    let length =
                        bm25.length(part.data.head_lengths[doc], part.data.text_lengths[doc]);
                    let norm = bm25.norm(length, mean_length);
                    scores[doc] += weight * bm25.saturate(frequency, norm);
                }
            }
            let found = scores.iter().enumerate().filter(|(_, score)| **score > 0.0);
            hits.extend(found.map(|(doc, score)| (ChunkNo(part.data.chunk_nos[doc]), *score)));
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

    /// Living chunks with any form of the word in any field.
    fn n_with(&self, term: &QueryTerm) -> Result<u64, IndexError> {
        let mut n_with = 0;
        for part in &self.inner.segments {
            let mut seen = RoaringBitmap::new();
            for (field, _) in self.weighted_fields() {
                self.for_each_posting(part, field, term, &mut |doc, _| {
                    if !part.reader.is_deleted(doc) {
                        seen.insert(doc);
                    }
                })?;
            }
            n_with += seen.len();
        }
        Ok(n_with)
    }

    /// Calls `visit` with document and frequency for each posting of each form, deleted ones included.
    fn for_each_posting(
        &self,
        part: &SnapshotSegment,
        field: Field,
        term: &QueryTerm,
        visit: &mut dyn FnMut(u32, u32),
    ) -> Result<(), IndexError> {
        let failed = |error| from_tantivy(&self.inner.dir, error);
        let index = part.reader.inverted_index(field).map_err(failed)?;
        for form in &term.forms {
            if part.data.tags & form.tag.bit() == 0 {
                continue;
            }
            let postings = index
                .read_postings(
                    &Term::from_field_text(field, &form.term),
                    IndexRecordOption::WithFreqs,
                )
                .map_err(|error| failed(error.into()))?;
            let Some(mut postings) = postings else {
                continue;
            };
            let mut doc = postings.doc();
            while doc != TERMINATED {
                visit(doc, postings.term_freq());
                doc = postings.advance();
            }
        }
        Ok(())
    }

    fn indexed_among(&self, wanted: &RoaringBitmap) -> RoaringBitmap {
        let mut found = RoaringBitmap::new();
        for part in &self.inner.segments {
            let open = part.open_docs(wanted);
            found.extend(
                open.iter()
                    .zip(&part.data.chunk_nos)
                    .filter_map(|(open, chunk_no)| open.then_some(*chunk_no)),
            );
        }
        found
    }
}

impl SnapshotSegment {
    /// For each document whether it lives and its chunk is allowed.
    fn open_docs(&self, allowed: &RoaringBitmap) -> Vec<bool> {
        let mut open: Vec<bool> = self
            .data
            .chunk_nos
            .iter()
            .map(|&chunk_no| allowed.contains(chunk_no))
            .collect();
        if let Some(alive) = self.reader.alive_bitset() {
            for (doc, open) in open.iter_mut().enumerate() {
                *open &= alive.is_alive(doc as u32);
            }
        }
        open
    }
}

impl SegmentData {
    fn read(dir: &Path, reader: &SegmentReader) -> Result<Self, IndexError> {
        let column = |name: &str| -> Result<Vec<u32>, IndexError> {
            let column = reader
                .fast_fields()
                .u64(name)
                .map_err(|error| from_tantivy(dir, error))?;
            let values: Option<Vec<u32>> = (0..reader.max_doc())
                .map(|doc| {
                    column
                        .first(doc)
                        .and_then(|value| u32::try_from(value).ok())
                })
                .collect();
            values.ok_or_else(|| IndexError::corrupt(dir, format!("a chunk has no {name}")))
        };
        let tags = column(build::TAGS)?;
        Ok(Self {
            id: reader.segment_id(),
            chunk_nos: column(build::CHUNK_NO)?,
            head_lengths: column(build::HEAD_LENGTH)?,
            text_lengths: column(build::TEXT_LENGTH)?,
            tags: tags.iter().fold(0, |all, tags| all | tags),
        })
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
