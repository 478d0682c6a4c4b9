//! The lexical arm: BM25 over an inverted index of tantivy.
//!
//! tantivy keeps terms, postings and deletions (in files that are not waited for, see `directory`); analysis, statistics and
//! scoring are ours (`snapshot`), because its BM25 has fixed parameters, counts deleted documents until
//! a merge, and adds up scores in an order that depends on segments. What cannot be among the best is not scored (`top`).
//!
//! The sequence number is part of each commit (tantivy's payload), so index and number cannot disagree.
//! Opening checks every file's checksum and the number of living documents.

mod bits;
mod build;
mod directory;
mod postings;
mod score;
mod segment;
mod snapshot;
mod stats;
mod top;

use std::path::{Path, PathBuf};

use cairn_types::Seq;
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::{Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, TantivyError, Term};

use crate::IndexError;
use build::Fields;
pub use build::LexicalDoc;
use directory::UnsyncedDirectory;
pub use snapshot::{LexicalQuery, LexicalSnapshot};

/// Changes when terms are made in another way, so that an index of an older analyser is rebuilt.
const FORMAT: u32 = 1;
/// Memory of the writer before it starts another segment.
const WRITER_BYTES: usize = 32 * 1024 * 1024;
/// Segments with a larger share of deleted documents are merged.
const MAX_DEAD_SHARE: f32 = 0.3;

/// The terms of one tenant's chunks, with their one writer.
pub struct LexicalIndex {
    dir: PathBuf,
    index: Index,
    fields: Fields,
    reader: IndexReader,
    /// Made by the first change.
    writer: Option<IndexWriter>,
    committed: LexicalSnapshot,
    /// Chunks that are in the index once the next commit is done.
    present: RoaringBitmap,
}

/// What each commit carries.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    format: u32,
    applied: u64,
    /// Living chunks: a check that the list of segments is the one that was committed.
    chunks: u64,
}

impl LexicalIndex {
    /// Opens the index in `dir`, or makes an empty one there. Checks every file.
    ///
    /// # Errors
    /// `Corrupt` where a file is cut off, changed, missing or of another format; `Unavailable` where the
    /// folder cannot be used.
    pub fn open(dir: &Path) -> Result<Self, IndexError> {
        let (schema, fields) = build::schema();
        fs_err::create_dir_all(dir).map_err(|e| IndexError::unavailable(dir, e))?;
        let is_new = fs_err::read_dir(dir)
            .map_err(|e| IndexError::unavailable(dir, e))?
            .next()
            .is_none();
        let at_dir = |error: TantivyError| from_tantivy(dir, error);
        let folder = UnsyncedDirectory::open(dir).map_err(at_dir)?;
        let index = if is_new {
            Index::create(folder, schema.clone(), IndexSettings::default()).map_err(at_dir)?
        } else {
            Index::open(folder).map_err(at_dir)?
        };
        if index.schema() != schema {
            return Err(IndexError::corrupt(
                dir,
                "its fields are those of another format",
            ));
        }
        let damaged = index.validate_checksum().map_err(at_dir)?;
        if let Some(file) = damaged.iter().min() {
            return Err(IndexError::corrupt(
                &dir.join(file),
                "its checksum does not fit",
            ));
        }
        if let Some(file) = directory::unlisted(dir, &index).map_err(at_dir)? {
            return Err(IndexError::corrupt(&file, "it is not in the list of files"));
        }
        let payload = read_payload(dir, &index)?;
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()
            .map_err(at_dir)?;
        let committed =
            LexicalSnapshot::new(dir, &reader.searcher(), fields, Seq(payload.applied), None)?;
        let present = committed.chunk_nos();
        if present.len() != payload.chunks || committed.n_chunks() != payload.chunks {
            return Err(IndexError::corrupt(
                dir,
                "it holds another number of chunks than it says",
            ));
        }
        Ok(Self {
            dir: dir.to_path_buf(),
            index,
            fields,
            reader,
            writer: None,
            committed,
            present,
        })
    }

    /// Adds a chunk, to be seen after the next commit. One that is there already is replaced.
    ///
    /// # Errors
    /// `Unavailable` where the writer cannot work.
    pub fn add(&mut self, doc: &LexicalDoc<'_>) -> Result<(), IndexError> {
        let document = build::document(self.fields, doc);
        let (field, known) = (self.fields.chunk_no, self.present.contains(doc.chunk_no.0));
        let dir = self.dir.clone();
        let writer = self.writer()?;
        if known {
            writer.delete_term(Term::from_field_u64(field, u64::from(doc.chunk_no.0)));
        }
        writer
            .add_document(document)
            .map_err(|e| from_tantivy(&dir, e))?;
        self.present.insert(doc.chunk_no.0);
        Ok(())
    }

    /// Removes chunks with the next commit. Unknown numbers are ignored.
    ///
    /// # Errors
    /// `Unavailable` where the writer cannot work.
    pub fn remove(&mut self, chunk_nos: &RoaringBitmap) -> Result<(), IndexError> {
        let known = &self.present & chunk_nos;
        let field = self.fields.chunk_no;
        if !known.is_empty() {
            let writer = self.writer()?;
            for chunk_no in &known {
                writer.delete_term(Term::from_field_u64(field, u64::from(chunk_no)));
            }
        }
        self.present -= known;
        Ok(())
    }

    /// Makes all changes since the last commit visible to new snapshots, as of `seq`. They survive the end of the process; a
    /// power cut may leave an index that does not open and is to be made again.
    ///
    /// # Errors
    /// `Unavailable` where writing fails: the last commit still holds. Changes since then may be lost;
    /// open the index again and apply them from its [`Self::applied`] on.
    pub fn commit(&mut self, seq: Seq) -> Result<(), IndexError> {
        let dir = self.dir.clone();
        let payload = Payload {
            format: FORMAT,
            applied: seq.0,
            chunks: self.present.len(),
        };
        let payload =
            serde_json::to_string(&payload).map_err(|e| IndexError::unavailable(&dir, e))?;
        let writer = self.writer()?;
        writer
            .prepare_commit()
            .and_then(|mut commit| {
                commit.set_payload(&payload);
                commit.commit()
            })
            .and_then(|_| self.reader.reload())
            .map_err(|e| from_tantivy(&dir, e))?;
        self.committed = LexicalSnapshot::new(
            &dir,
            &self.reader.searcher(),
            self.fields,
            seq,
            Some(&self.committed),
        )?;
        Ok(())
    }

    /// The sequence number of the last commit; 0 for a new index.
    #[must_use]
    pub fn applied(&self) -> Seq {
        self.committed.applied()
    }

    /// What is searched: all that was committed, unchanged by later commits. Cheap.
    #[must_use]
    pub fn snapshot(&self) -> LexicalSnapshot {
        self.committed.clone()
    }

    fn writer(&mut self) -> Result<&mut IndexWriter, IndexError> {
        if self.writer.is_none() {
            let options = IndexWriterOptions::builder()
                .num_worker_threads(1)
                .num_merge_threads(1)
                .memory_budget_per_thread(WRITER_BYTES)
                .build();
            let writer: IndexWriter = self
                .index
                .writer_with_options(options)
                .map_err(|e| from_tantivy(&self.dir, e))?;
            let mut merges = LogMergePolicy::default();
            merges.set_del_docs_ratio_before_merge(MAX_DEAD_SHARE);
            writer.set_merge_policy(Box::new(merges));
            self.writer = Some(writer);
        }
        Ok(self.writer.as_mut().expect("made above"))
    }
}

impl Drop for LexicalIndex {
    /// Waits for merges, so that nothing writes in the folder any more.
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take()
            && let Err(error) = writer.wait_merging_threads()
        {
            tracing::warn!(%error, "lexical index did not close cleanly");
        }
    }
}

impl std::fmt::Debug for LexicalIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LexicalIndex")
            .field("dir", &self.dir)
            .field("applied", &self.applied())
            .finish_non_exhaustive()
    }
}

fn read_payload(dir: &Path, index: &Index) -> Result<Payload, IndexError> {
    let meta = index.load_metas().map_err(|e| from_tantivy(dir, e))?;
    let Some(payload) = meta.payload else {
        if meta.segments.is_empty() {
            return Ok(Payload {
                format: FORMAT,
                applied: 0,
                chunks: 0,
            });
        }
        return Err(IndexError::corrupt(
            dir,
            "its commit does not say what it holds",
        ));
    };
    let payload: Payload =
        serde_json::from_str(&payload).map_err(|e| IndexError::corrupt(dir, e))?;
    if payload.format != FORMAT {
        let reason = format!("format {}, expected {FORMAT}", payload.format);
        return Err(IndexError::corrupt(dir, reason));
    }
    Ok(payload)
}

/// Sorts tantivy's errors by what the caller can do.
fn from_tantivy(dir: &Path, error: TantivyError) -> IndexError {
    match &error {
        TantivyError::LockFailure(..)
        | TantivyError::SystemError(_)
        | TantivyError::ErrorInThread(_)
        | TantivyError::Poisoned
        | TantivyError::OpenDirectoryError(_)
        | TantivyError::OpenWriteError(_) => IndexError::unavailable(dir, error),
        TantivyError::IoError(io) if !is_damage(io.kind()) => IndexError::unavailable(dir, error),
        _ => IndexError::corrupt(dir, error),
    }
}

/// Kinds under which reads past the end and nonsense numbers appear.
fn is_damage(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind;
    matches!(
        kind,
        ErrorKind::InvalidData
            | ErrorKind::UnexpectedEof
            | ErrorKind::NotFound
            | ErrorKind::InvalidInput
            | ErrorKind::Other
    )
}

#[cfg(test)]
mod quality;
#[cfg(test)]
mod tests;
