//! What a segment of the inverted index says about its documents, and which of them are open to a search.

use std::path::Path;
use std::sync::Arc;

use roaring::RoaringBitmap;
use tantivy::index::SegmentId;
use tantivy::postings::Postings;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet, SegmentReader, TERMINATED, Term};

use super::{build, from_tantivy};
use crate::analyse::QueryTerm;
use crate::rows::{self, Selection};
use crate::{IndexError, lexical};

/// With this many times more postings than open documents, postings are sought instead of read. A guess.
const SEEK_RATIO: usize = 16;

/// A segment as a snapshot sees it.
pub(super) struct SnapshotSegment {
    pub reader: SegmentReader,
    pub data: Arc<SegmentData>,
}

/// Columns by document number; the same for the segment's whole life.
pub(super) struct SegmentData {
    pub id: SegmentId,
    pub chunk_nos: Vec<u32>,
    pub head_lengths: Vec<u32>,
    pub text_lengths: Vec<u32>,
    /// Chunk numbers, rising, and the documents that have them.
    by_chunk_no: Vec<u32>,
    documents: Vec<u32>,
    /// All tags of the segment's terms, as a set of bits.
    tags: u32,
}

/// Documents that a search may see.
pub(super) enum Open {
    /// All.
    All,
    /// These, rising, and the same as a table.
    Some {
        documents: Vec<u32>,
        table: Vec<bool>,
    },
}

impl Open {
    pub(super) fn contains(&self, document: u32) -> bool {
        match self {
            Self::All => true,
            Self::Some { table, .. } => table[document as usize],
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        match self {
            Self::All => false,
            Self::Some { documents, .. } => documents.is_empty(),
        }
    }
}

impl SnapshotSegment {
    /// Living documents whose chunks are allowed.
    pub(super) fn open(&self, allowed: &RoaringBitmap) -> Open {
        let n_documents = self.data.chunk_nos.len();
        let selection = rows::select(&self.data.by_chunk_no, allowed);
        if selection == Selection::All && !self.reader.has_deletes() {
            return Open::All;
        }
        let alive = |document: &u32| !self.reader.is_deleted(*document);
        let mut documents: Vec<u32> = match selection {
            Selection::All => (0..n_documents as u32).filter(alive).collect(),
            Selection::Some(rows) => {
                let chosen = rows
                    .into_iter()
                    .map(|row| self.data.documents[row as usize]);
                chosen.filter(alive).collect()
            }
        };
        documents.sort_unstable();
        let mut table = vec![false; n_documents];
        for &document in &documents {
            table[document as usize] = true;
        }
        Open::Some { documents, table }
    }

    /// Number of living documents that hold any form of the word in any of the fields.
    pub(super) fn n_with(
        &self,
        dir: &Path,
        fields: &[Field],
        term: &QueryTerm,
    ) -> Result<u64, IndexError> {
        let mut seen = vec![0_u64; self.data.chunk_nos.len().div_ceil(64)];
        for &field in fields {
            self.for_each_posting(dir, field, term, &Open::All, &mut |document, _| {
                seen[document as usize / 64] |= 1 << (document % 64);
            })?;
        }
        let mut n_with: u64 = seen.iter().map(|bits| u64::from(bits.count_ones())).sum();
        if self.reader.has_deletes() {
            let held = |document: u32| seen[document as usize / 64] >> (document % 64) & 1 == 1;
            let dead = (0..self.data.chunk_nos.len() as u32)
                .filter(|&document| held(document) && self.reader.is_deleted(document));
            n_with -= dead.count() as u64;
        }
        Ok(n_with)
    }

    /// Calls `visit` with document and frequency for each posting of each form in an open document.
    pub(super) fn for_each_posting(
        &self,
        dir: &Path,
        field: Field,
        term: &QueryTerm,
        open: &Open,
        visit: &mut dyn FnMut(u32, u32),
    ) -> Result<(), IndexError> {
        let failed = |error| from_tantivy(dir, error);
        let index = self.reader.inverted_index(field).map_err(failed)?;
        for form in &term.forms {
            if self.data.tags & form.tag.bit() == 0 {
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
            match open {
                Open::Some { documents, .. }
                    if documents.len() * SEEK_RATIO < postings.doc_freq() as usize =>
                {
                    for &document in documents {
                        if postings.doc() < document {
                            postings.seek(document);
                        }
                        if postings.doc() == document {
                            visit(document, postings.term_freq());
                        }
                    }
                }
                Open::All | Open::Some { .. } => {
                    let mut document = postings.doc();
                    while document != TERMINATED {
                        if open.contains(document) {
                            visit(document, postings.term_freq());
                        }
                        document = postings.advance();
                    }
                }
            }
        }
        Ok(())
    }
}

impl SegmentData {
    pub(super) fn read(dir: &Path, reader: &SegmentReader) -> Result<Self, IndexError> {
        let column = |name: &str| -> Result<Vec<u32>, IndexError> {
            let column = reader
                .fast_fields()
                .u64(name)
                .map_err(|error| lexical::from_tantivy(dir, error))?;
            let values: Option<Vec<u32>> = (0..reader.max_doc())
                .map(|document| {
                    column
                        .first(document)
                        .and_then(|value| u32::try_from(value).ok())
                })
                .collect();
            values.ok_or_else(|| IndexError::corrupt(dir, format!("a chunk has no {name}")))
        };
        let tags = column(build::TAGS)?;
        let chunk_nos = column(build::CHUNK_NO)?;
        // A chunk that was replaced within a segment stands there twice; one of the two is dead.
        let mut documents: Vec<u32> = (0..reader.max_doc()).collect();
        documents.retain(|&document| {
            reader
                .alive_bitset()
                .is_none_or(|alive| alive.is_alive(document))
        });
        documents.sort_unstable_by_key(|&document| chunk_nos[document as usize]);
        let by_chunk_no: Vec<u32> = documents
            .iter()
            .map(|&document| chunk_nos[document as usize])
            .collect();
        if !by_chunk_no.is_sorted_by(|a, b| a < b) {
            return Err(IndexError::corrupt(dir, "a chunk is there twice"));
        }
        Ok(Self {
            id: reader.segment_id(),
            head_lengths: column(build::HEAD_LENGTH)?,
            text_lengths: column(build::TEXT_LENGTH)?,
            tags: tags.iter().fold(0, |all, tags| all | tags),
            chunk_nos,
            by_chunk_no,
            documents,
        })
    }
}
