//! The stages between bytes and a published version, shared by files and uploads.
//!
//! Stage one (several documents at once, in order): read, hash, parse in a worker process, cut into chunks, store the
//! original. Stage two (one batch of documents at a time): embed what no vector is known for (slice by slice), publish. A bounded
//! channel stands between them, so parsing runs ahead of embedding by a few documents and no further.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cairn_extract::{ExtractError, Input, Origin, WorkerPool};
use cairn_store::BlobStore;
use cairn_types::ports::{Catalog, Embedder, KnownItem, PublishVersion};
use cairn_types::{
    AccessList, BlobHash, DocumentStatus, ErrorKind, Extracted, Fingerprint, HasKind as _,
    InputHash, Outcome, Rendered, Source, SystemPurpose, SystemScope, TenantId, Timestamp,
};

use tokio_util::sync::CancellationToken;

use crate::chunk::{Chunk, ChunkOptions, chunk_document};
use crate::error::IngestError;
use crate::report::{DocumentReport, IngestEvent, StageTimes, Summary};

/// Part of the pipeline fingerprint: raised when the chunker's output changes.
const CHUNKER_VERSION: &str = "chunker-2";

/// Settings of the write path.
#[derive(Debug, Clone)]
pub struct PipelineOptions {
    /// Chunk limits; `max_tokens` is lowered to the model's own.
    pub chunk: ChunkOptions,
    /// Documents that are read and parsed at once.
    pub n_parsers: usize,
    /// Chunks that are gathered before they are embedded together.
    pub batch_chunks: usize,
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

/// A parsed and cut document that waits for its vectors.
pub(crate) struct Ready {
    item: Item,
    extracted: Extracted,
    rendered: Rendered,
    chunks: Vec<Chunk>,
    pub(crate) times: StageTimes,
}

impl Ready {
    pub(crate) fn n_chunks(&self) -> usize {
        self.chunks.len()
    }

    fn title(&self) -> String {
        title_of(&self.extracted, &self.item.name)
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

    pub(crate) const fn system(&self) -> SystemScope {
        SystemScope::new(self.tenant, SystemPurpose::Ingest)
    }

    pub(crate) fn count_tokens(&self, text: &str) -> usize {
        match &self.embedder {
            Some(embedder) => embedder.count_tokens(text),
            None => approximate_tokens(text),
        }
    }

    /// Stage one for one original: parse and cut. Blocking. The inner error is this document's alone; the outer one
    /// says that no document can be read.
    pub(crate) fn read(
        &self,
        item: Item,
        bytes: &[u8],
    ) -> Result<Result<Ready, Box<DocumentReport>>, IngestError> {
        let started = Instant::now();
        let input = Input {
            name: &item.name,
            bytes,
            origin: item.origin,
        };
        let extracted = match self.workers.extract(&input) {
            Ok(extracted) => extracted,
            Err(error) if is_fatal(error.kind()) => return Err(error.into()),
            Err(error) => return Ok(Err(Box::new(failed(&item, &error)))),
        };
        let parse = started.elapsed();
        let mut ready = self.cut(item, extracted);
        ready.times.parse = parse;
        Ok(Ok(ready))
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
        }
    }

    /// Stage two for a batch: embeds what is missing, then publishes each document in order.
    pub(crate) async fn publish(
        &self,
        batch: Vec<Ready>,
        target: &Target,
        cancel: &CancellationToken,
        summary: &mut Summary,
        mut emit: impl FnMut(IngestEvent) + Send,
    ) -> Result<(), IngestError> {
        self.embed_missing(&batch, cancel, summary, &mut emit)
            .await?;
        for ready in batch {
            let started = Instant::now();
            let max_tokens = u32::try_from(self.options.chunk.max_tokens).unwrap_or(u32::MAX);
            let n_truncated = ready
                .chunks
                .iter()
                .filter(|c| c.new.meta.n_tokens > max_tokens)
                .count();
            summary.n_truncated += n_truncated as u64;
            summary.n_chunks += ready.chunks.len() as u64;
            summary.stages.parse += ready.times.parse;
            summary.stages.chunk += ready.times.chunk;
            let (version, mut report) = self.to_version(ready, target);
            let published = self.catalog.publish_version(self.system(), version).await?;
            report.document = Some(published.document);
            report.outcome = match report.outcome {
                Outcome::Moved => Outcome::Moved,
                _ if published.is_new => Outcome::Added,
                _ => Outcome::Updated,
            };
            summary.n_partial += u64::from(report.is_partial);
            summary.seq = Some(published.seq);
            summary.stages.write += started.elapsed();
            summary.count(&report);
            emit(IngestEvent::Document(report));
            emit(IngestEvent::Published { seq: published.seq });
        }
        Ok(())
    }

    /// Embeds the inputs of a batch that have no vector yet, slice by slice: one long document may have far more chunks than
    /// a batch is meant to, and finished slices are not done again after a stop.
    async fn embed_missing(
        &self,
        batch: &[Ready],
        cancel: &CancellationToken,
        summary: &mut Summary,
        emit: &mut (impl FnMut(IngestEvent) + Send),
    ) -> Result<(), IngestError> {
        let Some(embedder) = &self.embedder else {
            return Ok(());
        };
        let mut inputs: std::collections::BTreeMap<InputHash, &str> =
            std::collections::BTreeMap::new();
        for ready in batch {
            inputs.extend(
                ready
                    .chunks
                    .iter()
                    .map(|c| (c.new.input_hash, c.input.as_str())),
            );
        }
        let hashes: Vec<InputHash> = inputs.keys().copied().collect();
        let missing = self
            .catalog
            .missing_vectors(self.system(), embedder.space(), &hashes)
            .await?;
        for slice in missing.chunks(self.options.batch_chunks.max(1)) {
            if cancel.is_cancelled() {
                return Err(IngestError::Cancelled);
            }
            let work: Vec<(InputHash, String)> = slice
                .iter()
                .filter_map(|hash| inputs.get(hash).map(|input| (*hash, (*input).to_owned())))
                .collect();
            let (n_chunks, elapsed) = self.embed_and_store(work).await?;
            summary.n_embedded += n_chunks;
            summary.stages.embed += elapsed;
            emit(IngestEvent::Embedded { n_chunks });
        }
        Ok(())
    }

    /// Embeds inputs and stores their vectors as f16.
    pub(crate) async fn embed_and_store(
        &self,
        work: Vec<(InputHash, String)>,
    ) -> Result<(u64, Duration), IngestError> {
        let Some(embedder) = self.embedder.clone().filter(|_| !work.is_empty()) else {
            return Ok((0, Duration::ZERO));
        };
        let n_inputs = work.len() as u64;
        let space = embedder.space().clone();
        let started = Instant::now();
        let vectors = tokio::task::spawn_blocking(move || {
            let texts: Vec<&str> = work.iter().map(|(_, text)| text.as_str()).collect();
            let vectors = embedder.embed(&texts)?;
            let rows = work
                .iter()
                .zip(vectors)
                .map(|((hash, _), vector)| (*hash, to_f16_bytes(&vector)));
            Ok::<_, cairn_types::ports::EmbedError>(rows.collect::<Vec<_>>())
        })
        .await
        .map_err(|error| IngestError::Bug(error.to_string()))??;
        let elapsed = started.elapsed();
        self.catalog
            .put_vectors(self.system(), &space, vectors)
            .await?;
        Ok((n_inputs, elapsed))
    }

    fn to_version(&self, ready: Ready, target: &Target) -> (PublishVersion, DocumentReport) {
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

/// Whether the whole run must stop: the fault is not this document's.
pub(crate) fn is_fatal(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Unavailable | ErrorKind::Corrupt | ErrorKind::Bug
    )
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
