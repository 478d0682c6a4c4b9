//! Grounded answers with verified citations.
//!
//! From ranked passages to an answer: [`answer_extractively`] picks the sentences that answer, [`judge`] decides
//! whether the documents say at all, [`answer_from_quotes`] quotes them, or [`answer_with_model`] lets a model write from them. Every citation is compared with the
//! stored text before it is shown.

mod abstain;
mod answer;
mod citation;
mod compose;
mod conflict;
mod error;
mod evidence;
mod extract;
#[cfg(test)]
mod fixture;
mod markup;
mod model;
mod prompt;
mod question;
mod sentences;
mod words;

pub use abstain::{AbstainOptions, EVIDENCE_NAMES, Evidence, N_EVIDENCE, Verdict, judge};
pub use answer::{Answer, AnswerEvent, AnswerMode, StopReason};
pub use citation::{
    DropReason, DroppedCitation, StoredQuote, TextReader, catalog_reader, passage_reader,
    verify_citation,
};
pub use compose::answer_from_quotes;
pub use conflict::Conflict;
pub use error::Error;
pub use evidence::{RankedPassage, TermWeights};
pub use extract::{
    Extraction, ExtractiveOptions, FEATURE_NAMES, N_FEATURES, Quote, SentenceTrace,
    answer_extractively,
};
pub use model::{ModelQuestion, answer_with_model};
pub use prompt::ModelOptions;
pub use words::question_words;
