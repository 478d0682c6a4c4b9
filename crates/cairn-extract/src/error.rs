//! Why nothing could be read of a document. What could be read in part is no error: see `ParseReport::warnings`.

use cairn_types::{ErrorKind, HasKind};
use serde::{Deserialize, Serialize};

/// Why a document gave nothing. Crosses the pipe between worker and parent, hence the serialisation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "error", rename_all = "snake_case")]
pub enum ExtractError {
    /// No parser for this format (or the part that reads it is not installed).
    #[error("documents of type `{media_type}` are not supported")]
    Unsupported {
        /// Media type that was decided from the content.
        media_type: String,
        /// What the person can do instead.
        hint: String,
    },
    /// The document was opened and holds nothing that can be read.
    #[error("document holds no text: {reason}")]
    Empty {
        /// Why, as far as we know.
        reason: String,
    },
    /// The document is encrypted.
    #[error("document is protected by a password")]
    PasswordRequired,
    /// The document breaks its format so far that nothing could be read.
    #[error("document cannot be read: {reason}")]
    Malformed {
        /// What is broken.
        reason: String,
    },
    /// A limit of size was reached: pages, bytes, expanded bytes, output.
    #[error("document exceeds a limit: {what} is over {limit}")]
    TooLarge {
        /// What was measured.
        what: String,
        /// The limit, in the unit of `what`.
        limit: u64,
    },
    /// Parsing took longer than allowed; the worker was stopped.
    #[error("parsing took longer than {limit_ms} ms")]
    TimedOut {
        /// The time allowed.
        limit_ms: u64,
    },
    /// Parsing needed more memory than allowed; the worker ended.
    #[error("parsing needed more memory than the {limit_bytes} bytes allowed")]
    OutOfMemory {
        /// The memory allowed.
        limit_bytes: u64,
    },
    /// The parser ended abnormally; other documents are not affected.
    #[error("the parser crashed on this document: {reason}")]
    Crashed {
        /// Signal, exit code or panic message.
        reason: String,
    },
    /// A program or service that reads this format failed on the document.
    #[error("{what} failed on this document: {reason}")]
    ToolFailed {
        /// Its name.
        what: String,
        /// What it said, or what happened to it.
        reason: String,
    },
    /// A page was asked for that the document does not have.
    #[error("the document has no page {page}")]
    NoSuchPage {
        /// Its number, from 1.
        page: u32,
    },
    /// No worker process could be started; the document was not looked at.
    #[error("no extraction worker available: {reason}")]
    WorkerUnavailable {
        /// What failed.
        reason: String,
    },
}

impl ExtractError {
    pub(crate) fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed {
            reason: reason.into(),
        }
    }

    pub(crate) fn empty(reason: impl Into<String>) -> Self {
        Self::Empty {
            reason: reason.into(),
        }
    }

    pub(crate) fn too_large(what: impl Into<String>, limit: u64) -> Self {
        Self::TooLarge {
            what: what.into(),
            limit,
        }
    }

    pub(crate) fn unavailable(reason: impl Into<String>) -> Self {
        Self::WorkerUnavailable {
            reason: reason.into(),
        }
    }
}

impl HasKind for ExtractError {
    fn kind(&self) -> ErrorKind {
        match self {
            // A document that ran into time or memory limits runs into them again: no retry.
            Self::Unsupported { .. }
            | Self::Empty { .. }
            | Self::PasswordRequired
            | Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::TimedOut { .. }
            | Self::OutOfMemory { .. }
            | Self::Crashed { .. }
            // A service that is away concerns this document, not the run.
            | Self::ToolFailed { .. } => ErrorKind::InvalidInput,
            Self::NoSuchPage { .. } => ErrorKind::NotFound,
            Self::WorkerUnavailable { .. } => ErrorKind::Unavailable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unsupported { hint, .. } => (!hint.is_empty()).then(|| hint.clone()),
            Self::PasswordRequired => Some("save a copy without the password, or for a PDF add the password to `extract.passwords`".into()),
            // A reason that names the program says what to do with it.
            Self::Empty { reason } => (reason.contains("recognised") && !reason.contains("Tesseract"))
                .then(|| "text in pictures is recognised where Tesseract has its language: see `extract.ocr_languages`".into()),
            Self::TooLarge { .. } => {
                Some("split the document, or raise the limit (for the size of files: `ingest.max_file_bytes`)".into())
            }
            Self::TimedOut { .. } => {
                Some("split the document, or raise `ingest.deadline_seconds`".into())
            }
            Self::OutOfMemory { .. } => {
                Some("split the document, or raise `ingest.worker_memory_bytes`".into())
            }
            Self::NoSuchPage { .. } => None,
            Self::Malformed { .. } | Self::Crashed { .. } => {
                Some("open the document in its program and save it again".into())
            }
            Self::ToolFailed { .. } => Some(
                "see whether that program or service works, then ingest the document again".into(),
            ),
            Self::WorkerUnavailable { .. } => {
                Some("see whether this program may start processes, then try again".into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_worker_is_worth_a_retry() {
        assert!(ExtractError::unavailable("x").kind().is_retryable());
        for error in [
            ExtractError::PasswordRequired,
            ExtractError::malformed("x"),
            ExtractError::TimedOut { limit_ms: 5 },
            ExtractError::too_large("pages", 3),
        ] {
            assert!(!error.kind().is_retryable(), "{error}");
            assert!(error.hint().is_some(), "{error}");
        }
    }
}
