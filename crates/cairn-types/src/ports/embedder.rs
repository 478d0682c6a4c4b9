//! Texts to vectors.

use crate::chunk::EmbeddingSpace;
use crate::error::{ErrorKind, HasKind};
use crate::ports::Caller;

/// Turns texts into vectors of one embedding space. Synchronous: callers run it on the CPU pool.
pub trait Embedder: Send + Sync {
    /// The space of its vectors.
    fn space(&self) -> &EmbeddingSpace;

    /// Tokens of `text` as [`Self::embed`] would see it, special tokens included, before any truncation.
    fn count_tokens(&self, text: &str) -> usize;

    /// One L2-normalised vector of `space().dim` components for each text, in order. A text longer than
    /// `space().max_tokens` is cut at the limit: callers count before.
    ///
    /// # Errors
    /// Where the model cannot compute: damaged weights, a remote that does not answer.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError>;

    /// The same for questions, in the same space: some models want other words before a question than before a passage.
    ///
    /// # Errors
    /// As [`Self::embed`].
    fn embed_queries(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.embed(texts)
    }

    /// [`Self::embed`] for a caller whose urgency counts and who may go away before the work is begun.
    ///
    /// # Errors
    /// As [`Self::embed`], and [`EmbedError::Cancelled`] where the caller was gone.
    fn embed_for(&self, caller: &Caller, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        if caller.is_gone() {
            return Err(EmbedError::Cancelled);
        }
        self.embed(texts)
    }

    /// [`Self::embed_queries`] for such a caller.
    ///
    /// # Errors
    /// As [`Self::embed_for`].
    fn embed_queries_for(
        &self,
        caller: &Caller,
        texts: &[&str],
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        if caller.is_gone() {
            return Err(EmbedError::Cancelled);
        }
        self.embed_queries(texts)
    }
}

/// Why texts could not be embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The model file is not what was installed.
    #[error("model `{model}` is damaged: {reason}")]
    Damaged {
        /// Its name.
        model: String,
        /// What does not fit.
        reason: String,
    },
    /// The model does not answer at present.
    #[error("model `{model}` is unavailable: {reason}")]
    Unavailable {
        /// Its name.
        model: String,
        /// What was tried.
        reason: String,
    },
    /// Nobody waits for the vectors any more.
    #[error("embedding was cancelled")]
    Cancelled,
}

impl HasKind for EmbedError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Damaged { .. } => ErrorKind::Corrupt,
            Self::Unavailable { .. } | Self::Cancelled => ErrorKind::Unavailable,
        }
    }
}
