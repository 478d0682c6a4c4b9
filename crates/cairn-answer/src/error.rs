//! Why an answer could not be made.

use cairn_llm::ChatError;
use cairn_types::ports::{CatalogError, EmbedError};
use cairn_types::{ErrorKind, HasKind};

/// Why an answer could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The question holds nothing to look for.
    #[error("the question `{given}` holds no word to look for")]
    EmptyQuestion {
        /// Its beginning, as given.
        given: String,
    },
    /// The embedding model did not compute the sentences' vectors.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The stored text that citations are checked against could not be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The chat provider failed before it wrote anything.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The chat provider ended its stream without a word.
    #[error("chat provider `{provider}` sent no answer")]
    NoAnswer {
        /// Its name.
        provider: String,
    },
}

impl HasKind for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::EmptyQuestion { .. } => ErrorKind::InvalidInput,
            Self::Embed(error) => error.kind(),
            Self::Catalog(error) => error.kind(),
            Self::Chat(error) => error.kind(),
            Self::NoAnswer { .. } => ErrorKind::Unavailable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::EmptyQuestion { .. } => {
                Some("ask with at least one word, such as `Who signed the contract?`".to_owned())
            }
            Self::Embed(error) => error.hint(),
            Self::Catalog(error) => error.hint(),
            Self::Chat(error) => error.hint(),
            Self::NoAnswer { .. } => None,
        }
    }
}
