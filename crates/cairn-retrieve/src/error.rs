//! Why a search failed.

use cairn_index::IndexError;
use cairn_types::ports::{CatalogError, EmbedError};
use cairn_types::{ErrorKind, HasKind};

/// Longest question in code points: longer ones are documents, not questions.
pub const MAX_QUERY_CHARS: usize = 4_000;

/// Most results of one search.
pub const MAX_TOP_K: usize = 1_000;

/// Why a search failed.
#[derive(Debug, thiserror::Error)]
pub enum RetrieveError {
    /// Nothing to look for.
    #[error("the query is empty")]
    EmptyQuery,
    /// Too long to be a question.
    #[error("the query has {n_chars} characters, the limit is {MAX_QUERY_CHARS}")]
    LongQuery {
        /// Its length in code points.
        n_chars: usize,
    },
    /// Too many or no results asked for.
    #[error("`top_k` is {given}, expected 1 to {MAX_TOP_K}")]
    TopK {
        /// As given.
        given: usize,
    },
    /// The path filter is not a pattern.
    #[error("path filter `{pattern}` is not a valid pattern: {reason}")]
    BadPattern {
        /// As given.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// Dense search was asked for and there is no model.
    #[error("dense search needs an embedding model and none is installed")]
    NoModel,
    /// The catalog refused or failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The model failed.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// An index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A task ended that should not have.
    #[error("a search task ended unexpectedly: {0}")]
    Bug(String),
}

impl HasKind for RetrieveError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::EmptyQuery
            | Self::LongQuery { .. }
            | Self::TopK { .. }
            | Self::BadPattern { .. } => ErrorKind::InvalidInput,
            Self::NoModel => ErrorKind::Unavailable,
            Self::Catalog(error) => error.kind(),
            Self::Embed(error) => error.kind(),
            Self::Index(error) => error.kind(),
            Self::Bug(_) => ErrorKind::Bug,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoModel => Some(
                "install one with `cairn models install`, or search with `--mode lexical`".into(),
            ),
            Self::Catalog(error) => error.hint(),
            Self::Embed(error) => error.hint(),
            Self::Index(error) => error.hint(),
            Self::EmptyQuery
            | Self::LongQuery { .. }
            | Self::TopK { .. }
            | Self::BadPattern { .. }
            | Self::Bug(_) => None,
        }
    }
}
