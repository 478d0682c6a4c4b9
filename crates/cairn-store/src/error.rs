//! Why the data directory, the blobs or the opening of the catalog failed.

use std::io;
use std::path::{Path, PathBuf};

use cairn_types::{BlobHash, ErrorKind, HasKind};

/// Why the store failed. Calls on an open catalog fail with
/// [`CatalogError`](cairn_types::ports::CatalogError) instead.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the data directory.
    #[error("the data directory `{}` is in use by process {}", path.display(), pid_text(*pid))]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// The process, where it has written its id already.
        pid: Option<u32>,
        /// Where that process listens, if it is a server.
        socket: PathBuf,
    },
    /// Written by a newer version of Cairn.
    #[error("`{}` has format {found}, this version of cairn reads up to {supported}", path.display())]
    NewerFormat {
        /// The file or folder.
        path: PathBuf,
        /// Format that it says it has.
        found: u32,
        /// Newest format that we know.
        supported: u32,
    },
    /// The catalog's file is something else or damaged.
    #[error("the catalog `{}` is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, for a person.
        reason: &'static str,
    },
    /// Nothing can be written there.
    #[error("`{}` cannot be written to", path.display())]
    ReadOnly {
        /// The file or folder.
        path: PathBuf,
    },
    /// The path of the data directory names a file.
    #[error("the data directory `{}` is not a folder", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// The original is larger than the limit.
    #[error("the original is larger than the limit of {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// No space is left, or less than is kept free.
    #[error("the disk of `{}` is full", path.display())]
    DiskFull {
        /// What was to be written.
        path: PathBuf,
    },
    /// No original with this hash.
    #[error("the original `{0}` is not stored")]
    BlobMissing(BlobHash),
    /// The stored bytes do not have the hash under which they are stored.
    #[error("the stored original `{0}` is damaged: its bytes have another hash")]
    BlobDamaged(BlobHash),
    /// The catalog does not open for another reason.
    #[error("the catalog `{}` is unavailable: {reason}", path.display())]
    Unavailable {
        /// The file.
        path: PathBuf,
        /// What stands in the way, for a person.
        reason: String,
    },
    /// Reading or writing a file failed; the text names the path.
    #[error("{0}")]
    Io(io::Error),
    /// Reading what was to be stored failed.
    #[error("the original could not be read to its end: {0}")]
    Input(io::Error),
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map_or_else(|| "(unknown)".to_owned(), |pid| pid.to_string())
}

impl StoreError {
    /// Sorts an I/O error on `path` by what a person can do about it.
    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io(error),
        }
    }
}

impl HasKind for StoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::InUse { .. } => ErrorKind::Conflict,
            Self::NewerFormat { .. } | Self::Damaged { .. } | Self::BlobDamaged(_) => {
                ErrorKind::Corrupt
            }
            Self::NotAFolder { .. } => ErrorKind::InvalidInput,
            Self::TooLarge { .. } => ErrorKind::Limited,
            Self::BlobMissing(_) => ErrorKind::NotFound,
            Self::ReadOnly { .. }
            | Self::DiskFull { .. }
            | Self::Unavailable { .. }
            | Self::Io(_)
            | Self::Input(_) => ErrorKind::Unavailable,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::InUse { .. } => {
                "stop that process, or give another folder with `--data-dir DIR`".to_owned()
            }
            Self::NewerFormat { .. } => {
                "use the version of cairn that wrote it, or a newer one; nothing was changed".to_owned()
            }
            Self::Damaged { .. } => {
                "nothing was changed; put back a backup, or give another folder with `--data-dir DIR`".to_owned()
            }
            Self::ReadOnly { path } => format!(
                "make `{}` writable for this user, or give another folder with `--data-dir DIR`",
                path.display()
            ),
            Self::NotAFolder { .. } => "give a folder with `--data-dir DIR`".to_owned(),
            Self::DiskFull { .. } => "free some disk space and try again".to_owned(),
            Self::BlobDamaged(_) | Self::BlobMissing(_) => {
                "ingest the document again from its source".to_owned()
            }
            Self::TooLarge { .. } | Self::Unavailable { .. } | Self::Io(_) | Self::Input(_) => {
                return None;
            }
        };
        Some(hint)
    }
}
