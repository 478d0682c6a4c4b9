//! What can be wrong with a dataset or a gate.

use std::path::PathBuf;

use cairn_types::{ErrorKind, HasKind};

/// Why a dataset, a golden set, a run file or a gate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A file could not be read or written; the text names it.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A folder holds none of the known layouts.
    #[error(
        "`{}` is not a dataset: expected `corpus.jsonl`, `queries.jsonl` and `qrels.tsv`, or `docs.jsonl` and `qa.jsonl`",
        .folder.display()
    )]
    NotADataset {
        /// The folder.
        folder: PathBuf,
    },
    /// One line of a file is wrong.
    #[error("`{}` line {line}: {reason}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A gate cannot be understood.
    #[error("gate `{gate}`: {reason}")]
    Gate {
        /// As it was given.
        gate: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An id cannot stand in a run file, whose columns are separated by spaces.
    #[error("id `{id}` has white space and cannot be written to a run file")]
    RunId {
        /// The id of a query or a document.
        id: String,
    },
}

impl HasKind for EvalError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Io(error) if error.kind() == std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            Self::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                ErrorKind::Forbidden
            }
            Self::Io(_) => ErrorKind::Unavailable,
            Self::NotADataset { .. }
            | Self::Line { .. }
            | Self::Gate { .. }
            | Self::RunId { .. } => ErrorKind::InvalidInput,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotADataset { .. } => {
                Some("the files may also be compressed, as `corpus.jsonl.gz`".to_owned())
            }
            Self::Gate { .. } => Some(
                "write a gate as `ndcg_at_10=0.55`, `lexical.recall_at_10=0.9` or `qa.em=0.3`"
                    .to_owned(),
            ),
            Self::Io(_) | Self::Line { .. } | Self::RunId { .. } => None,
        }
    }
}
