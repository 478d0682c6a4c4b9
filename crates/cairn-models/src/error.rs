//! Why a model cannot be installed or loaded.

use std::path::PathBuf;

use cairn_types::{ErrorKind, HasKind};

/// Why a model cannot be installed, found or loaded.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// No such model in the store.
    #[error("model `{model}` is not installed in `{dir}`")]
    NotInstalled {
        /// Its name, or `default` where any model would do.
        model: String,
        /// The store's directory.
        dir: PathBuf,
    },
    /// A file is not the one that was installed or published.
    #[error("model `{model}` is damaged: `{file}` has sha-256 {found}, expected {expected}")]
    Damaged {
        /// The model's name.
        model: String,
        /// The file.
        file: String,
        /// The hash it has (or what else was found: `no file`).
        found: String,
        /// The hash it should have.
        expected: String,
    },
    /// A file's content contradicts itself.
    #[error("model `{model}` is damaged: `{file}`: {reason}")]
    Malformed {
        /// The model's name.
        model: String,
        /// The file.
        file: String,
        /// What does not fit.
        reason: String,
    },
    /// A model of a kind that the encoder does not compute.
    #[error("model `{model}` is not supported: {reason}")]
    Unsupported {
        /// The model's name.
        model: String,
        /// What it has and what is expected.
        reason: String,
    },
    /// A family that needs a library which this build does not have.
    #[error(
        "model `{model}` is of the family `{family}`, which this build of Cairn does not compute"
    )]
    NotBuilt {
        /// The model's name.
        model: String,
        /// Its `model_type`.
        family: String,
    },
    /// A file or folder from which no model can be installed.
    #[error("no model can be installed from `{path}`: {reason}")]
    Source {
        /// What was given.
        path: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// The content is a model, but none that we know by its hash.
    #[error("`{path}` holds a model that is not in the catalogue ({known})")]
    Unknown {
        /// What was given.
        path: PathBuf,
        /// The names of the catalogue.
        known: String,
    },
    /// A setting that cannot be used.
    #[error("`{option}` is `{given}`, expected {expected}")]
    Option {
        /// The setting.
        option: &'static str,
        /// What was given.
        given: String,
        /// What would do.
        expected: &'static str,
    },
    /// A file cannot be read or written; the text names its path.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl HasKind for ModelError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotInstalled { .. } => ErrorKind::NotFound,
            Self::Damaged { .. } | Self::Malformed { .. } => ErrorKind::Corrupt,
            Self::Unsupported { .. }
            | Self::NotBuilt { .. }
            | Self::Source { .. }
            | Self::Unknown { .. }
            | Self::Option { .. } => ErrorKind::InvalidInput,
            Self::Io(_) => ErrorKind::Unavailable,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotInstalled { .. } => {
                "cairn models pull, or without a network: cairn models install --from FILE"
            }
            Self::Damaged { .. } | Self::Malformed { .. } => "cairn models install --from FILE",
            Self::Unknown { .. } => {
                "to install a model of your own, name it: cairn models install --from FILE --name NAME"
            }
            Self::NotBuilt { .. } => {
                "build it with the feature `families`: cargo build --release -p cairn --features families"
            }
            Self::Source { .. } => {
                "expected a folder, zip or wheel with model.safetensors, tokenizer.json and config.json"
            }
            Self::Unsupported { .. } => "the catalogue: cairn models list",
            Self::Option { .. } | Self::Io(_) => return None,
        };
        Some(hint.to_owned())
    }
}
