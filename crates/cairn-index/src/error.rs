//! What can go wrong in an index, by what the caller can do about it.

use std::path::{Path, PathBuf};

use cairn_types::{ErrorKind, HasKind};

/// Why an index could not be opened, changed or searched.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A file is damaged, cut off or of another format: drop the index and rebuild it from the catalog.
    #[error("index file `{}` is damaged: {reason}", file.display())]
    Corrupt {
        /// The file, or the folder where no single file is known.
        file: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// The file system refused: a retry or a person may help.
    #[error("index at `{}` is unavailable: {reason}", path.display())]
    Unavailable {
        /// The file or folder.
        path: PathBuf,
        /// What was refused.
        reason: String,
    },
    /// The index holds another space or dimension than the one that was asked for, or a vector is unusable.
    #[error("{what} is {given}, index `{}` expects {expected}", path.display())]
    Invalid {
        /// The index's folder.
        path: PathBuf,
        /// What does not fit.
        what: &'static str,
        /// What was given.
        given: String,
        /// What the index holds.
        expected: String,
    },
}

impl IndexError {
    pub(crate) fn corrupt(file: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Corrupt {
            file: file.to_path_buf(),
            reason: one_line(&reason),
        }
    }

    pub(crate) fn unavailable(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Unavailable {
            path: path.to_path_buf(),
            reason: one_line(&reason),
        }
    }
}

impl HasKind for IndexError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::Invalid { .. } => ErrorKind::InvalidInput,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Corrupt { .. } => {
                Some("`cairn index rebuild` makes it again from the catalog".to_owned())
            }
            Self::Unavailable { .. } | Self::Invalid { .. } => None,
        }
    }
}

/// Errors of other libraries may span lines.
fn one_line(reason: &dyn std::fmt::Display) -> String {
    reason
        .to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}
