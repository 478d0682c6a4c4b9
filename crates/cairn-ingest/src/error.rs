//! Why a run of the write path stopped. What happens to one document is a report, not an error.

use cairn_types::ports::{CatalogError, EmbedError};
use cairn_types::{ErrorKind, HasKind};

/// Why a run stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The catalog refused or failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Blobs could not be stored.
    #[error(transparent)]
    Store(#[from] cairn_store::StoreError),
    /// The model failed.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// Documents cannot be read at all: no worker process starts.
    #[error(transparent)]
    Extract(#[from] cairn_extract::ExtractError),
    /// A path or pattern names nothing.
    #[error("nothing found at `{pattern}`")]
    NothingFound {
        /// As given.
        pattern: String,
    },
    /// A pattern cannot be read.
    #[error("`{pattern}` is not a valid pattern: {reason}")]
    BadPattern {
        /// As given.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// `--sync` on a folder with no files: more likely an unmounted disk than an intention.
    #[error("`{path}` holds no documents, so a sync would delete all {n_known} known ones")]
    SyncOfNothing {
        /// The folder.
        path: String,
        /// Documents known from it.
        n_known: usize,
    },
    /// `--sync` would delete too large a share.
    #[error("a sync of `{path}` would delete {n_gone} of {n_known} documents; nothing was deleted")]
    SyncDeletesTooMuch {
        /// The folder.
        path: String,
        /// Documents that are gone.
        n_gone: usize,
        /// Documents known from it.
        n_known: usize,
    },
    /// A person or a shutdown stopped the run; what was published stays.
    #[error("stopped before the end; documents published so far are kept")]
    Cancelled,
    /// A task ended that should not have.
    #[error("an ingest task ended unexpectedly: {0}")]
    Bug(String),
}

impl HasKind for IngestError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Catalog(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Embed(error) => error.kind(),
            Self::Extract(error) => error.kind(),
            Self::NothingFound { .. } => ErrorKind::NotFound,
            Self::BadPattern { .. } => ErrorKind::InvalidInput,
            Self::SyncOfNothing { .. } | Self::SyncDeletesTooMuch { .. } => ErrorKind::Conflict,
            Self::Cancelled => ErrorKind::Unavailable,
            Self::Bug(_) => ErrorKind::Bug,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Catalog(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Embed(error) => error.hint(),
            Self::Extract(error) => error.hint(),
            Self::NothingFound { .. } => {
                Some("check the path; quote a pattern so that the shell does not expand it".into())
            }
            Self::SyncOfNothing { .. } | Self::SyncDeletesTooMuch { .. } => {
                Some("if this is what you want, run it again with `--yes`".into())
            }
            Self::Cancelled => {
                Some("run the same command again: finished files are skipped".into())
            }
            Self::BadPattern { .. } | Self::Bug(_) => None,
        }
    }
}
