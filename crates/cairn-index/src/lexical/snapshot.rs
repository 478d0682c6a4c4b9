//! Searching the inverted index: statistics over living chunks, the filter inside, exact scores.
//!
//! A word's frequency in a document is the weighted sum over the postings of all its forms in both fields. Documents outside
//! the allowed set are skipped, but count in the statistics. A score is the sum over words in the question's order, so
//! it does not depend on how chunks lie in segments, on the filter, or on which documents were given up on the way (`top`).
//! The first question with some word in a segment reads that word's postings once (`stats`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairn_types::{ChunkNo, Seq};
use roaring::RoaringBitmap;
use tantivy::Searcher;
use tantivy::schema::Field;

use super::build::Fields;
use super::score::{Bm25, idf};
use super::segment::{Open, SegmentData, SnapshotSegment};
use super::stats::WordStats;
use super::top::{self, Documents, Top};
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
    fields: [(Field, f32); 2],
    bm25: Bm25,
    /// Those with the most living documents first: they set a high floor for the others.
    segments: Vec<SnapshotSegment>,
    n_chunks: u64,
    /// Over living chunks.
    mean_length: f32,
}

/// A word of a question, weighed.
struct WeighedWord<'a> {
    term: &'a QueryTerm,
    /// Inverse document frequency.
    idf: f32,
    /// That, as often as the question has the word.
    weight: f32,
    /// By segment.
    stats: Vec<Arc<WordStats>>,
}

impl LexicalSnapshot {
    pub(super) fn new(
        dir: &Path,
        searcher: &Searcher,
        fields: Fields,
        applied: Seq,
        before: Option<&Self>,
    ) -> Result<Self, IndexError> {
        let bm25 = Bm25::DEFAULT;
        let known = before.map_or(&[][..], |before| &before.inner.segments);
        let mut segments = Vec::new();
        for reader in searcher.segment_readers() {
            let id = reader.segment_id();
            let data = match known.iter().find(|part| part.data.id == id) {
                Some(part) => Arc::clone(&part.data),
                None => Arc::new(SegmentData::read(dir, reader, bm25)?),
            };
            segments.push(SnapshotSegment::new(reader.clone(), data));
        }
        segments.sort_by_key(|part| std::cmp::Reverse(part.n_living()));
        let n_chunks = segments.iter().map(SnapshotSegment::n_living).sum();
        let length: f64 = segments.iter().map(SnapshotSegment::length).sum();
        // An index of chunks without words has nothing to score.
        let mean_length = (length / (n_chunks as f64).max(1.0)).max(1.0) as f32;
        Ok(Self {
            inner: Arc::new(Inner {
                dir: dir.to_path_buf(),
                applied,
                fields: [(fields.head, bm25.head_weight), (fields.text, 1.0)],
                bm25,
                segments,
                n_chunks,
                mean_length,
            }),
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
        let mut all = RoaringBitmap::new();
        for part in &self.inner.segments {
            let living = part.living_documents();
            all.extend(living.map(|document| part.data.chunk_nos[document as usize]));
        }
        all
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
        let inner = &*self.inner;
        if k == 0 || allowed.is_empty() {
            return Ok(Vec::new());
        }
        let words = self.weighed(query)?;
        let mut best = Top::new(k);
        for (at, part) in inner.segments.iter().enumerate() {
            let open = match part.open(allowed) {
                Open::All => None,
                Open::Some(bits) if bits.is_empty() => continue,
                Open::Some(bits) => Some(bits),
            };
            let mut here = Vec::with_capacity(words.len());
            for word in words.iter().filter(|word| !word.stats[at].is_absent()) {
                let peak = word.stats[at].peak(inner.bm25, inner.mean_length);
                here.push(top::Word {
                    postings: part.postings(&inner.dir, &word.stats[at])?,
                    weight: word.weight,
                    bound: word.weight * peak,
                });
            }
            let documents = Documents {
                bm25: inner.bm25,
                mean_length: inner.mean_length,
                chunk_nos: &part.data.chunk_nos,
                lengths: &part.data.lengths,
                open: open.as_ref(),
            };
            top::search(documents, here, &mut best);
        }
        let hits = best.into_sorted();
        Ok(hits
            .into_iter()
            .map(|hit| (ChunkNo(hit.chunk_no), hit.score))
            .collect())
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
        let inner = &*self.inner;
        let words = self.weighed(query)?;
        let mut wanted: Vec<u32> = chunk_nos.iter().map(|no| no.0).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut scored: HashMap<u32, f32> = HashMap::with_capacity(wanted.len());
        for (at, part) in inner.segments.iter().enumerate() {
            let mut here = part.documents_of(&wanted);
            if here.is_empty() {
                continue;
            }
            here.sort_unstable_by_key(|(_, document)| *document);
            let mut scores = vec![0.0_f32; here.len()];
            // In the question's order, as every score.
            for word in words.iter().filter(|word| !word.stats[at].is_absent()) {
                let mut postings = part.postings(&inner.dir, &word.stats[at])?;
                for ((_, document), score) in here.iter().zip(&mut scores) {
                    let frequency = postings.frequency_in(*document);
                    if frequency > 0.0 {
                        let length = part.data.lengths[*document as usize];
                        let norm = inner.bm25.norm(length, inner.mean_length);
                        *score += word.weight * inner.bm25.saturate(frequency, norm);
                    }
                }
            }
            scored.extend(here.iter().map(|(no, _)| *no).zip(scores));
        }
        Ok(chunk_nos
            .iter()
            .map(|no| scored.get(&no.0).copied())
            .collect())
    }

    /// Each word of a question, once, in order, with its inverse document frequency over living chunks: high
    /// for rare words, highest for words that no chunk holds.
    ///
    /// # Errors
    /// As for [`Self::search`].
    pub fn idf(&self, query: &LexicalQuery) -> Result<Vec<(String, f32)>, IndexError> {
        let words = self.weighed(query)?;
        Ok(words
            .into_iter()
            .map(|word| (word.term.word.clone(), word.idf))
            .collect())
    }

    fn weighed<'a>(&self, query: &'a LexicalQuery) -> Result<Vec<WeighedWord<'a>>, IndexError> {
        let inner = &*self.inner;
        let mut words = Vec::with_capacity(query.terms.len());
        for term in &query.terms {
            let key: Vec<&str> = term.forms.iter().map(|form| form.term.as_str()).collect();
            let key = key.join("\n");
            let mut n_with = 0;
            let mut stats = Vec::with_capacity(inner.segments.len());
            for part in &inner.segments {
                let known = part.stats(&inner.dir, &inner.fields, term, &key)?;
                let open = || part.postings(&inner.dir, &known);
                n_with += known.n_living(&part.dead, open)?;
                stats.push(known);
            }
            let idf = idf(n_with, inner.n_chunks);
            words.push(WeighedWord {
                term,
                idf,
                weight: idf * term.count as f32,
                stats,
            });
        }
        Ok(words)
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
