//! Documents whose elements are known already: data sets, and sources that speak in text rather than in files.

use cairn_types::{BlobHash, Extracted, Source};

use crate::error::IngestError;
use crate::pipeline::{Item, Pipeline, Target};
use crate::report::{IngestEvent, Summary};

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
        let never = tokio_util::sync::CancellationToken::new();
        let mut rest = documents.into_iter().peekable();
        while rest.peek().is_some() {
            // About a batch of chunks: most documents of a data set are one or two.
            let some: Vec<PreparedDocument> = rest
                .by_ref()
                .take(self.options.batch_chunks.max(1))
                .collect();
            let pipeline = self.clone();
            let batch = tokio::task::spawn_blocking(move || {
                some.into_iter()
                    .map(|document| {
                        let text = document.extracted.render().text;
                        pipeline.blobs.put(pipeline.tenant, text.as_bytes())?;
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
                        Ok::<_, cairn_store::StoreError>(pipeline.cut(item, document.extracted))
                    })
                    .collect::<Result<Vec<_>, _>>()
            })
            .await
            .map_err(|error| IngestError::Bug(error.to_string()))??;
            self.publish(batch, &target, &never, &mut summary, &mut emit)
                .await?;
        }
        summary.elapsed = started.elapsed();
        Ok(summary)
    }
}
