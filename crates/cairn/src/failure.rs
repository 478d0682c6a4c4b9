//! What a command says when it fails, and the exit code it ends with.

use cairn_types::{ErrorKind, HasKind};

/// A failure as a person or program sees it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) exit_code: u8,
    /// The stable word for `--json`.
    pub(crate) code: String,
}

/// Exit code after Ctrl-C, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

/// Exit code where the work was done in part: some documents failed, a gate was missed.
pub(crate) const PARTIAL: u8 = 1;

impl Failure {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            exit_code: kind.exit_code(),
            code: kind.code().to_owned(),
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            exit_code: INTERRUPTED,
            code: "interrupted".to_owned(),
        }
    }
}

impl<E: HasKind> From<E> for Failure {
    fn from(error: E) -> Self {
        let kind = error.kind();
        Self {
            message: error.to_string(),
            hint: error.hint(),
            exit_code: kind.exit_code(),
            code: kind.code().to_owned(),
        }
    }
}
