//! The one answer type, for both ways of answering, and the events of an answer that is being written.

use cairn_types::{Citation, ErrorKind};

use crate::citation::DroppedCitation;
use crate::conflict::Conflict;
use crate::evidence::RankedPassage;

/// Who wrote an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerMode {
    /// Quotes alone, no language model.
    Extractive,
    /// A language model, from the passages.
    Model,
}

/// Why an answer ends where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// It is whole.
    Complete,
    /// The documents do not say; no model was asked.
    Abstained,
    /// The model found that the passages do not say.
    Refused,
    /// The model reached its limit of tokens.
    Length,
    /// The provider withheld the rest.
    Filtered,
    /// The stream broke off; what came before it stands.
    Interrupted,
}

impl StopReason {
    /// The stable word for replies and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Abstained => "abstained",
            Self::Refused => "refused",
            Self::Length => "length",
            Self::Filtered => "filtered",
            Self::Interrupted => "interrupted",
        }
    }
}

/// An answer. `text` is plain text: whoever shows it as Markdown or HTML escapes it first.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What is shown, with `[n]` where a citation belongs.
    pub text: String,
    /// Whether it says that the documents do not say.
    pub abstained: bool,
    /// In order of appearance, numbered from 1; every one is verified.
    pub citations: Vec<Citation>,
    /// The nearest passages, offered where the documents do not say.
    pub nearest: Vec<RankedPassage>,
    /// Who wrote it.
    pub mode: AnswerMode,
    /// Two documents that contradict each other on it.
    pub conflict: Option<Conflict>,
    /// Citations that could not be verified and are not shown.
    pub dropped: Vec<DroppedCitation>,
    /// Statements of a model that no verified citation supports.
    pub unsupported: Vec<String>,
    /// The likeliest short answer inside the first quote (extractive mode).
    pub short_answer: Option<String>,
    /// Belief that the documents say, 0 to 1.
    pub confidence: f32,
    /// Why it ends where it ends.
    pub stop: StopReason,
}

/// What happens while an answer is written, in order. `Final` comes last and once, unless an error ends it.
#[derive(Debug, Clone)]
pub enum AnswerEvent {
    /// More of the text.
    Message(String),
    /// A verified citation; its `[n]` follows in the text.
    Citation(Citation),
    /// The whole answer.
    Final(Box<Answer>),
    /// The answer ends here or is incomplete.
    Error {
        /// What a caller can do.
        kind: ErrorKind,
        /// For a person.
        message: String,
    },
}
