//! What is done with one document on its way in: parsed in a worker process, cut into chunks, its original stored, made a version.
//! The stages that documents pass, and what stands between them, is in `stages`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cairn_extract::{ExtractError, Input, Origin, WorkerPool};
use cairn_store::{BlobStore, StoreError};
use cairn_types::ports::{
    Caller, Catalog, EmbedError, Embedder, KnownItem, PublishVersion, Urgency, VectorRow,
};
use cairn_types::{
    AccessList, BlobHash, DocumentStatus, Extracted, Fingerprint, HasKind as _, InputHash, Outcome,
    Rendered, Source, SystemPurpose, SystemScope, TenantId, Timestamp,
};

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::budget::Share;
use crate::chunk::{Chunk, ChunkOptions, chunk_document};
use crate::error::IngestError;
use crate::report::{DocumentReport, StageTimes};

/// Part of the pipeline fingerprint: raised when the chunker's output changes.
const CHUNKER_VERSION: &str = "chunker-2";
/// Originals that are written at once: each waits for the disk, and a file system syncs many files in little more time than one.
const MAX_STORING: usize = 16;

/// Settings of the write path.
#[derive(Debug, Clone)]
pub struct PipelineOptions {
    /// Chunk limits; `max_tokens` is lowered to the model's own.
    pub chunk: ChunkOptions,
    /// Documents that are read and parsed at once.
    pub n_parsers: usize,
    /// Most chunks that are embedded together, and most documents that wait for it.
    pub batch_chunks: usize,
    /// Most bytes of documents (originals, texts, chunks) that one run holds in memory; a larger document passes alone.
    pub max_held_bytes: u64,
    /// Larger originals are refused.
    pub max_file_bytes: u64,
    /// A document of which a smaller share was kept is `partial`.
    pub partial_below: f64,
}

impl Default for PipelineOptions {
    fn default() -> Self {
        Self {
            chunk: ChunkOptions::default(),
            n_parsers: 2,
            batch_chunks: 192,
            max_held_bytes: 64 << 20,
            max_file_bytes: 200 << 20,
            partial_below: 0.9,
        }
    }
}

/// The write path of one tenant.
#[derive(Clone)]
pub struct Pipeline {
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) blobs: Arc<BlobStore>,
    pub(crate) workers: Arc<WorkerPool>,
    pub(crate) embedder: Option<Arc<dyn Embedder>>,
    pub(crate) tenant: TenantId,
    pub(crate) options: PipelineOptions,
    storing: Arc<Semaphore>,
}

/// Where documents go and how they are marked.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) collection: String,
    pub(crate) source: Source,
    /// `None` keeps those of known documents.
    pub(crate) tags: Option<BTreeSet<String>>,
    /// `None` keeps that of known documents.
    pub(crate) access: Option<AccessList>,
}

/// One original to be read.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) key: String,
    pub(crate) uri: String,
    /// File name: helps to tell text formats apart, and is the title where the document has none.
    pub(crate) name: String,
    pub(crate) modified_at: Option<Timestamp>,
    pub(crate) blob: BlobHash,
    pub(crate) size_bytes: u64,
    pub(crate) origin: Origin,
    pub(crate) known: Option<KnownItem>,
    pub(crate) moved_from: Option<KnownItem>,
}

impl Item {
    /// Whether an item with equal content has nothing to be set.
    pub(crate) fn is_settled(&self, target: &Target) -> bool {
        let Some(known) = &self.known else {
            return self.moved_from.is_none();
        };
        !known.is_deleted
            && target.tags.as_ref().is_none_or(|tags| *tags == known.tags)
            && target
                .access
                .as_ref()
                .is_none_or(|access| *access == known.access)
    }

    /// What a dry run says of a document that it would read.
    pub(crate) fn would_read(&self) -> DocumentReport {
        let outcome = match (&self.moved_from, &self.known) {
            (Some(_), _) => Outcome::Moved,
            (None, Some(_)) => Outcome::Updated,
            (None, None) => Outcome::Added,
        };
        DocumentReport {
            document: self.known.as_ref().map(|known| known.document),
            reason: None,
            ..refused(&self.key, self.size_bytes, outcome, String::new())
        }
    }
}

/// A parsed and cut document that waits for its vectors.
pub(crate) struct Ready {
    pub(crate) item: Item,
    extracted: Extracted,
    pub(crate) rendered: Rendered,
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) times: StageTimes,
    /// The original that is being stored, where it was not before.
    pub(crate) storing: Option<Storing>,
    /// Given back when the document is published.
    pub(crate) share: Option<Share>,
}

/// An original on its way to the disk; gives the time that it took.
pub(crate) struct Storing(JoinHandle<Result<Duration, StoreError>>);

impl Storing {
    /// Waits until it is durable.
    pub(crate) async fn done(self) -> Result<Duration, IngestError> {
        let stored = self.0.await;
        Ok(stored.map_err(|error| IngestError::Bug(error.to_string()))??)
    }
}

impl Ready {
    /// About what it takes of memory.
    fn n_bytes(&self) -> u64 {
        let elements = self.extracted.elements.iter();
        let elements = elements.map(|element| size_of_val(element) + element.text.len());
        let chunks = self.chunks.iter().map(Chunk::n_bytes);
        (self.rendered.text.len() + elements.sum::<usize>() + chunks.sum::<usize>()) as u64
    }

    fn title(&self) -> String {
        title_of(&self.extracted, &self.item.name)
    }
}

/// The bytes of an original.
pub(crate) enum Bytes {
    /// Not stored yet.
    New(Vec<u8>),
    /// Stored already.
    Stored(Vec<u8>),
}

impl Bytes {
    fn get(&self) -> &[u8] {
        match self {
            Self::New(bytes) | Self::Stored(bytes) => bytes,
        }
    }
}

/// The document's own title, or else the file name without its ending.
fn title_of(extracted: &Extracted, name: &str) -> String {
    let own = extracted
        .title
        .as_deref()
        .map(str::trim)
        .filter(|title| !title.is_empty());
    own.map_or_else(
        || {
            let path = std::path::Path::new(name);
            path.file_stem()
                .unwrap_or(path.as_os_str())
                .to_string_lossy()
                .into_owned()
        },
        |title| title.chars().take(300).collect(),
    )
}

/// Tokens of a text where no tokenizer is installed: an upper estimate for word-piece models, so that chunks still
/// fit when a model arrives. Four ASCII letters a token; every other character is one.
#[must_use]
pub fn approximate_tokens(text: &str) -> usize {
    let words = text.split(|c: char| c.is_whitespace() || c.is_ascii_punctuation());
    let in_words: usize = words
        .map(|word| {
            let n_ascii = word.bytes().filter(u8::is_ascii).count();
            let n_other = word.chars().filter(|c| !c.is_ascii()).count();
            n_ascii.div_ceil(4) + n_other
        })
        .sum();
    in_words + text.bytes().filter(u8::is_ascii_punctuation).count() + 2
}

impl Pipeline {
    /// A pipeline that publishes into `tenant`. Without an embedder documents are found by words only.
    #[must_use]
    pub fn new(
        catalog: Arc<dyn Catalog>,
        blobs: Arc<BlobStore>,
        workers: Arc<WorkerPool>,
        embedder: Option<Arc<dyn Embedder>>,
        tenant: TenantId,
        mut options: PipelineOptions,
    ) -> Self {
        if let Some(embedder) = &embedder {
            let model_limit = embedder.space().max_tokens as usize;
            options.chunk.max_tokens = options.chunk.max_tokens.min(model_limit);
        }
        Self {
            catalog,
            blobs,
            workers,
            embedder,
            tenant,
            options,
            storing: Arc::new(Semaphore::new(MAX_STORING)),
        }
    }

    /// What makes a rendition: equal fingerprints on equal content mean there is nothing to do.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let tokens = self.embedder.as_ref().map_or_else(
            || "approximate".to_owned(),
            |embedder| embedder.space().model_hash.clone(),
        );
        let ChunkOptions {
            max_tokens,
            overlap_tokens,
            min_tokens,
            prefix_tokens,
        } = self.options.chunk;
        let text = format!(
            "{}|{CHUNKER_VERSION}|{max_tokens}|{overlap_tokens}|{min_tokens}|{prefix_tokens}|{tokens}|{}",
            cairn_extract::EXTRACTOR_VERSION,
            // A document that was read without a program or password has more in it once that is there.
            self.workers.identity()
        );
        Fingerprint::of(text.as_bytes())
    }

    /// Whether nothing that is read of the item would differ from what is known.
    pub(crate) fn is_same(&self, item: &Item, known: &KnownItem) -> bool {
        known.blob == item.blob && known.fingerprint == self.fingerprint()
    }

    pub(crate) const fn system(&self) -> SystemScope {
        SystemScope::new(self.tenant, SystemPurpose::Ingest)
    }

    pub(crate) fn count_tokens(&self, text: &str) -> usize {
        match &self.embedder {
            Some(embedder) => embedder.count_tokens(text),
            None => approximate_tokens(text),
        }
    }

    /// Stage one for one original: parse, begin to store (`bytes` are given where they are not stored yet) and cut. Blocking. The
    /// inner error is this document's alone; the outer one says that no document can be read.
    pub(crate) fn read(
        &self,
        item: Item,
        bytes: Bytes,
        share: Option<Share>,
    ) -> Result<Result<Ready, Box<DocumentReport>>, IngestError> {
        let started = Instant::now();
        let input = Input {
            name: &item.name,
            bytes: bytes.get(),
            origin: item.origin,
        };
        let extracted = match self.workers.extract(&input) {
            Ok(extracted) => extracted,
            Err(error) if error.kind().is_fatal() => return Err(error.into()),
            Err(error) => return Ok(Err(Box::new(failed(&item, &error)))),
        };
        let parse = started.elapsed();
        // Only now: nothing is kept of a file that cannot be read.
        let storing = match bytes {
            Bytes::New(bytes) => Some(self.store(bytes)),
            Bytes::Stored(_) => None,
        };
        let mut ready = self.cut(item, extracted);
        ready.times.parse = parse;
        ready.storing = storing;
        ready.share = share.map(|mut share| {
            share.resize(ready.n_bytes() + ready.item.size_bytes);
            share
        });
        Ok(Ok(ready))
    }

    /// Begins to store an original.
    pub(crate) fn store(&self, bytes: Vec<u8>) -> Storing {
        let (blobs, tenant) = (Arc::clone(&self.blobs), self.tenant);
        let turn = Arc::clone(&self.storing).acquire_owned();
        Storing(tokio::runtime::Handle::current().spawn(async move {
            let _turn = turn.await;
            let put = move || {
                let started = Instant::now();
                blobs.put(tenant, bytes.as_slice())?;
                Ok(started.elapsed())
            };
            tokio::task::spawn_blocking(put)
                .await
                .unwrap_or_else(|error| Err(StoreError::Io(std::io::Error::other(error))))
        }))
    }

    /// Cuts parsed elements into chunks. Blocking.
    pub(crate) fn cut(&self, item: Item, extracted: Extracted) -> Ready {
        let started = Instant::now();
        let rendered = extracted.render();
        let title = title_of(&extracted, &item.name);
        let chunks = chunk_document(
            &title,
            &extracted.elements,
            &rendered,
            &self.options.chunk,
            &|text| self.count_tokens(text),
            &cairn_index::detect_lang,
        );
        let times = StageTimes {
            chunk: started.elapsed(),
            ..StageTimes::default()
        };
        Ready {
            item,
            extracted,
            rendered,
            chunks,
            times,
            storing: None,
            share: None,
        }
    }

    /// Embeds inputs; gives their vectors as f16, and the time that it took.
    pub(crate) async fn embed(
        &self,
        work: Vec<(InputHash, String)>,
    ) -> Result<(Vec<VectorRow>, Duration), IngestError> {
        let Some(embedder) = self.embedder.clone().filter(|_| !work.is_empty()) else {
            return Ok((Vec::new(), Duration::ZERO));
        };
        let caller = Caller::new(Urgency::Bulk);
        // Dropped with this future: slices that nobody waits for are not begun.
        let _waiting = caller.waiting();
        let embedded = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let texts: Vec<&str> = work.iter().map(|(_, text)| text.as_str()).collect();
            let vectors = embedder.embed_for(&caller, &texts)?;
            let rows = work.iter().zip(vectors);
            let rows = rows.map(|((hash, _), vector)| (*hash, to_f16_bytes(&vector)));
            Ok::<_, EmbedError>((rows.collect(), started.elapsed()))
        });
        Ok(embedded
            .await
            .map_err(|error| IngestError::Bug(error.to_string()))??)
    }

    /// What is published of a document, and its report as far as it is known before.
    pub(crate) fn to_version(
        &self,
        ready: Ready,
        target: &Target,
    ) -> (PublishVersion, DocumentReport) {
        let title = ready.title();
        let Ready {
            item,
            extracted,
            rendered,
            chunks,
            ..
        } = ready;
        let coverage = extracted.report.coverage();
        let losses: Vec<_> = extracted
            .report
            .warnings
            .iter()
            .filter(|warning| warning.code.is_loss())
            .collect();
        let warning = losses.first().map(|warning| {
            let more = losses.len() - 1;
            let page = warning
                .page
                .map(|page| format!("page {page}: "))
                .unwrap_or_default();
            let rest = if more > 0 {
                format!(" (and {more} more)")
            } else {
                String::new()
            };
            format!("{page}{}{rest}", warning.reason)
        });
        let is_partial = warning.is_some() || coverage < self.options.partial_below;
        let reason = is_partial.then(|| {
            warning.unwrap_or_else(|| format!("{:.0} % of it was understood", coverage * 100.0))
        });
        let report = DocumentReport {
            path: item.key.clone(),
            outcome: if item.moved_from.is_some() {
                Outcome::Moved
            } else {
                Outcome::Pending
            },
            reason,
            document: None,
            n_chunks: Some(u32::try_from(chunks.len()).unwrap_or(u32::MAX)),
            parse: Some(Box::new(extracted.report.clone())),
            is_partial,
            size_bytes: item.size_bytes,
        };
        let version = PublishVersion {
            collection: target.collection.clone(),
            source: target.source.clone(),
            key: item.key,
            moved_from: item.moved_from.map(|known| known.document),
            uri: item.uri,
            title,
            media_type: extracted.media_type,
            tags: target.tags.clone(),
            access: target.access.clone(),
            modified_at: item.modified_at,
            blob: item.blob,
            size_bytes: item.size_bytes,
            fingerprint: self.fingerprint(),
            text: rendered.text,
            elements: extracted.elements.into_iter().zip(rendered.spans).collect(),
            report: extracted.report,
            status: if is_partial {
                DocumentStatus::Partial
            } else {
                DocumentStatus::Ok
            },
            chunks: chunks.into_iter().map(|chunk| chunk.new).collect(),
        };
        (version, report)
    }
}

/// The report of a document that could not be read.
fn failed(item: &Item, error: &ExtractError) -> DocumentReport {
    let hint = error
        .hint()
        .map(|hint| format!("; {hint}"))
        .unwrap_or_default();
    // A PDF is a document that Cairn reads: where the library for it is missing, that is a failure to be told.
    let is_foreign = matches!(error, ExtractError::Unsupported { media_type, .. } if media_type != "application/pdf");
    DocumentReport {
        path: item.key.clone(),
        outcome: if is_foreign {
            Outcome::Skipped
        } else {
            Outcome::Failed
        },
        reason: Some(format!("{error}{hint}")),
        document: item.known.as_ref().map(|known| known.document),
        n_chunks: None,
        parse: None,
        is_partial: false,
        size_bytes: item.size_bytes,
    }
}

/// The report of an original that was not even opened.
pub(crate) fn refused(
    key: &str,
    size_bytes: u64,
    outcome: Outcome,
    reason: String,
) -> DocumentReport {
    DocumentReport {
        path: key.to_owned(),
        outcome,
        reason: Some(reason),
        document: None,
        n_chunks: None,
        parse: None,
        is_partial: false,
        size_bytes,
    }
}

fn to_f16_bytes(vector: &[f32]) -> Vec<u8> {
    vector
        .iter()
        .flat_map(|value| half::f16::from_f32(*value).to_le_bytes())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_of_tokens_err_on_the_high_side() {
        for (text, least) in [
            ("", 2),
            ("internationalisation", 5),
            ("a, b", 5),
            ("日本語", 5),
        ] {
            assert!(approximate_tokens(text) >= least, "{text}");
        }
    }
}
