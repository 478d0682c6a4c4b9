//! The posting lists of one word in one segment: all its forms in both fields, read side by side.

use std::path::Path;

use tantivy::postings::{BlockSegmentPostings, TermInfo};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{SegmentReader, TERMINATED, Term};

use super::from_tantivy;
use crate::IndexError;
use crate::analyse::QueryTerm;

/// Postings that tantivy packs together.
const BLOCK: usize = 128;

/// One list with the place that was reached in it. Documents come in rising order.
struct List {
    block: BlockSegmentPostings,
    at: usize,
    /// Weight of the list's field.
    weight: f32,
}

impl List {
    /// The document at the place that was reached; [`TERMINATED`] behind the last.
    fn document(&self) -> u32 {
        // The last block is padded.
        self.block.doc(self.at)
    }

    /// Goes on to the first document that is not below `document`.
    fn seek(&mut self, document: u32) -> u32 {
        if self.document() < document {
            self.at = self.block.seek(document);
        }
        self.document()
    }

    /// Calls `visit` with each document below `end` and its weighted frequency, and goes behind them.
    fn visit_below(&mut self, end: u32, visit: &mut impl FnMut(u32, f32)) {
        loop {
            let (documents, counts) = (
                &self.block.docs()[self.at..],
                &self.block.freqs()[self.at..],
            );
            let n = if documents.last().is_some_and(|last| *last < end) {
                documents.len()
            } else {
                documents.partition_point(|document| *document < end)
            };
            for (document, count) in documents[..n].iter().zip(counts) {
                visit(*document, self.weight * *count as f32);
            }
            self.at += n;
            if self.at < BLOCK {
                return;
            }
            self.block.advance();
            self.at = 0;
        }
    }
}

/// Where a list of a word lies.
#[derive(Debug)]
pub(super) struct FoundList {
    field: Field,
    weight: f32,
    info: TermInfo,
}

impl FoundList {
    /// Finds the lists of the forms that stand under one of `tags` (a set of bits) in each of the weighted fields.
    pub(super) fn find(
        dir: &Path,
        reader: &SegmentReader,
        tags: u32,
        fields: &[(Field, f32)],
        term: &QueryTerm,
    ) -> Result<Vec<Self>, IndexError> {
        let mut found = Vec::new();
        for &(field, weight) in fields {
            let index = reader
                .inverted_index(field)
                .map_err(|error| from_tantivy(dir, error))?;
            for form in term.forms.iter().filter(|form| tags & form.tag.bit() != 0) {
                let info = index
                    .get_term_info(&Term::from_field_text(field, &form.term))
                    .map_err(|error| from_tantivy(dir, error.into()))?;
                found.extend(info.map(|info| Self {
                    field,
                    weight,
                    info,
                }));
            }
        }
        found.shrink_to_fit();
        Ok(found)
    }
}

/// The lists of a word. A document's frequency is the weighted sum over them, in one order everywhere.
pub(super) struct WordPostings {
    lists: Vec<List>,
}

impl WordPostings {
    /// Opens lists that were found before.
    pub(super) fn open(
        dir: &Path,
        reader: &SegmentReader,
        found: &[FoundList],
    ) -> Result<Self, IndexError> {
        let mut lists = Vec::with_capacity(found.len());
        for list in found {
            let index = reader
                .inverted_index(list.field)
                .map_err(|error| from_tantivy(dir, error))?;
            let block = index
                .read_block_postings_from_terminfo(&list.info, IndexRecordOption::WithFreqs)
                .map_err(|error| from_tantivy(dir, error.into()))?;
            lists.push(List {
                block,
                at: 0,
                weight: list.weight,
            });
        }
        Ok(Self { lists })
    }

    /// Number of postings in all lists.
    pub(super) fn n_postings(&self) -> u64 {
        let counts = self.lists.iter().map(|list| list.block.doc_freq());
        counts.map(u64::from).sum()
    }

    /// The lowest document that was not passed; [`TERMINATED`] where none is left.
    pub(super) fn next_document(&self) -> u32 {
        let next = self.lists.iter().map(List::document).min();
        next.unwrap_or(TERMINATED)
    }

    /// The word's frequency in a document; 0 where it is not there. Documents must be asked for in rising order.
    pub(super) fn frequency_in(&mut self, document: u32) -> f32 {
        let mut sum = 0.0;
        for list in &mut self.lists {
            if list.seek(document) == document {
                sum += list.weight * list.block.freq(list.at) as f32;
            }
        }
        sum
    }

    /// Calls `visit` for each posting from `start` on and below `end`, list by list, and goes behind them.
    pub(super) fn visit(&mut self, start: u32, end: u32, mut visit: impl FnMut(u32, f32)) {
        for list in &mut self.lists {
            list.seek(start);
            list.visit_below(end, &mut visit);
        }
    }
}
