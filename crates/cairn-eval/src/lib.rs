//! Golden sets, measures and gates.
//!
//! Reads datasets, and turns rankings and answers into a report. Runs no search and asks nothing: the caller indexes
//! [`Dataset::documents`], searches for [`Dataset::queries`], asks [`Dataset::questions`], and hands back what came.

mod dataset;
mod error;
mod gate;
mod golden;
mod lines;
mod punctuation;
mod qa;
mod report;
mod retrieval;

pub use dataset::{
    Alternatives, Dataset, EvalDocument, EvalQuery, Half, LeaveOut, Qrels, Question, leave_out,
    read_dataset,
};
pub use error::EvalError;
pub use gate::{Gate, GateFailure, check_gates};
pub use golden::{
    Expectation, GoldenCase, GoldenCount, GoldenFailure, GoldenReport, read_golden, score_golden,
};
pub use qa::{
    AbstentionScores, Answered, QaBreakdown, QaScores, ThresholdPoint, at_threshold,
    choose_threshold, holds_answer, roc_auc, score_abstention, score_answers,
};
pub use report::{Details, QaPart, Report, RetrievalPart, RetrieverKind, Slice};
pub use retrieval::{
    Hit, RetrievalBreakdown, RetrievalScores, Run, score_retrieval, score_run, write_run,
};
