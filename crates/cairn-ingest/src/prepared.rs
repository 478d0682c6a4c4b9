//! Documents whose elements are known already: data sets, and sources that speak in text rather than in files.

use std::time::Duration;

use cairn_types::{BlobHash, Extracted, Source};
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;

use crate::error::IngestError;
use crate::files::{RunMode, blocking};
use crate::pipeline::{Item, Pipeline, Ready, Target};
use crate::report::{IngestEvent, Summary};
use crate::stages::{Course, Seen};

/// A document that needs no parsing.
#[derive(Debug, Clone)]
pub struct PreparedDocument {
    /// What identifies it in its source.
    pub key: String,
    /// Where a person finds it.
    pub uri: String,
    /// Its elements.
    pub extracted: Extracted,
}

impl Pipeline {
    /// Chunks, embeds and publishes documents whose elements are known. The original that is stored is their text.
    ///
    /// # Errors
    /// Where the catalog, the blob store or the model fails; what was published before stays.
    pub async fn ingest_prepared(
        &self,
        collection: &str,
        source: Source,
        documents: Vec<PreparedDocument>,
        mut emit: impl FnMut(IngestEvent) + Send,
    ) -> Result<Summary, IngestError> {
        let started = std::time::Instant::now();
        let target = Target {
            collection: collection.to_owned(),
            source,
            tags: None,
            access: None,
        };
        let mut summary = Summary {
            has_vectors: self.embedder.is_some(),
            ..Summary::default()
        };
        emit(IngestEvent::Discovered {
            n_files: documents.len() as u64,
            n_bytes: 0,
        });
        let course = Course {
            scope: None,
            target: &target,
            mode: RunMode::Write,
            job: None,
        };
        let seen = futures::stream::iter(documents)
            .map(|document| {
                let pipeline = self.clone();
                let cut = blocking(move || pipeline.cut_prepared(document));
                async move {
                    let ready = cut.await;
                    ready.map_or_else(Seen::Fatal, |ready| {
                        Seen::Ready(Box::new(ready), Duration::ZERO)
                    })
                }
            })
            .buffered(self.options.n_parsers.max(1));
        let never = CancellationToken::new();
        self.carry(course, seen, &never, &mut summary, &mut emit)
            .await?;
        summary.elapsed = started.elapsed();
        Ok(summary)
    }

    fn cut_prepared(&self, document: PreparedDocument) -> Ready {
        let text = document.extracted.render().text;
        let item = Item {
            name: document.key.clone(),
            key: document.key,
            uri: document.uri,
            modified_at: None,
            blob: BlobHash::of(text.as_bytes()),
            size_bytes: text.len() as u64,
            origin: cairn_extract::Origin::File,
            known: None,
            moved_from: None,
        };
        let storing = self.store(text.into_bytes());
        let mut ready = self.cut(item, document.extracted);
        ready.storing = Some(storing);
        ready
    }
}
