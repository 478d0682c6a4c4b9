//! Why the server cannot start or go on. What happens to one request is a problem document.

use std::net::SocketAddr;

use cairn_retrieve::RetrieveError;
use cairn_types::ports::CatalogError;
use cairn_types::{ErrorKind, HasKind};

/// Why the server cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The catalog refused or failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The search indexes cannot be opened.
    #[error(transparent)]
    Retrieve(#[from] RetrieveError),
    /// Others could reach it and nothing would ask them who they are.
    #[error("`{addr}` can be reached from other machines and no API key exists")]
    NeedsKey {
        /// Where it was to listen.
        addr: SocketAddr,
    },
    /// A proxy could hand on requests of others and nothing would ask them who they are.
    #[error("`server.allowed_hosts` has `{host}` and no API key exists")]
    HostsNeedKey {
        /// The first of the names.
        host: String,
    },
    /// A file or socket failed; the text names it.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(getrandom::Error),
    /// A task ended that should not have.
    #[error("a task of the server ended unexpectedly: {0}")]
    Bug(String),
}

impl HasKind for ServerError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Catalog(error) => error.kind(),
            Self::Retrieve(error) => error.kind(),
            Self::NeedsKey { .. } | Self::HostsNeedKey { .. } => ErrorKind::Forbidden,
            Self::Io(_) | Self::Random(_) => ErrorKind::Unavailable,
            Self::Bug(_) => ErrorKind::Bug,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Catalog(error) => error.hint(),
            Self::Retrieve(error) => error.hint(),
            Self::NeedsKey { .. } => Some(
                "make one with `cairn key create --user NAME`, or listen on 127.0.0.1".to_owned(),
            ),
            Self::HostsNeedKey { .. } => Some(
                "make one with `cairn key create --user NAME`, or take the name out of the setting"
                    .to_owned(),
            ),
            Self::Io(_) | Self::Random(_) | Self::Bug(_) => None,
        }
    }
}
