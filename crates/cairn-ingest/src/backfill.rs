//! Vectors for documents that were published before there was a model.

use tokio_util::sync::CancellationToken;

use crate::chunk::embedded_input;
use crate::error::IngestError;
use crate::pipeline::Pipeline;
use crate::report::Summary;

impl Pipeline {
    /// Embeds live chunks that have no vector in the pipeline's space, batch by batch, until none is left.
    /// `progress` is called with the number of chunks embedded so far.
    ///
    /// # Errors
    /// Where the catalog or the model fails, or `cancel` is cancelled; finished batches stay.
    pub async fn fill_vectors(
        &self,
        cancel: &CancellationToken,
        mut progress: impl FnMut(u64) + Send,
    ) -> Result<Summary, IngestError> {
        let mut summary = Summary {
            has_vectors: self.embedder.is_some(),
            ..Summary::default()
        };
        let Some(embedder) = self.embedder.clone() else {
            return Ok(summary);
        };
        loop {
            if cancel.is_cancelled() {
                return Err(IngestError::Cancelled);
            }
            let chunks = self
                .catalog
                .chunks_without_vector(self.system(), embedder.space(), self.options.batch_chunks)
                .await?;
            if chunks.is_empty() {
                return Ok(summary);
            }
            let mut work = Vec::with_capacity(chunks.len());
            for chunk in chunks {
                let count = |text: &str| embedder.count_tokens(text);
                let options = &self.options.chunk;
                let input = embedded_input(
                    &chunk.title,
                    &chunk.heading_path,
                    &chunk.text,
                    options,
                    &count,
                );
                summary.n_truncated += u64::from(count(&input) > options.max_tokens);
                // The hash was made with estimated tokens, so the prefix may differ by a heading: the vector is
                // stored under the chunk's own key all the same.
                work.push((chunk.input_hash, input));
            }
            work.sort_unstable_by_key(|(hash, _)| *hash);
            work.dedup_by_key(|(hash, _)| *hash);
            let (vectors, elapsed) = self.embed(work).await?;
            summary.n_embedded += vectors.len() as u64;
            summary.stages.embed += elapsed;
            self.catalog
                .put_vectors(self.system(), embedder.space(), vectors)
                .await?;
            summary.seq = Some(self.catalog.head(self.system()).await?);
            progress(summary.n_embedded);
        }
    }
}
