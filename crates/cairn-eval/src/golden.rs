//! The golden set of a corpus of one's own: questions with what a right answer must hold.
//!
//! One JSON object a line: `{"id", "question", "expect": {"answers", "documents", "abstain", "conflict"}}`. Any of
//! `answers`, in a quote or in the answer, is right; one of `documents` must be cited. Where `conflict` is true the
//! documents contradict each other: all of them must be cited, and every one of `answers` must be there. Where
//! `abstain` is true the right answer is to say that the documents do not say.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::lines::read_rows;
use crate::qa::{Answered, holds_answer};

/// What a right answer holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Any of these, or with `conflict` all; empty with `abstain`.
    #[serde(default)]
    pub answers: Vec<String>,
    /// One of these is cited, or with `conflict` all: paths below the corpus folder.
    #[serde(default)]
    pub documents: Vec<String>,
    /// The documents do not say.
    #[serde(default)]
    pub abstain: bool,
    /// The documents contradict each other.
    #[serde(default)]
    pub conflict: bool,
}

/// One question of a golden set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenCase {
    /// A kind of question and a number, such as `table-01`.
    pub id: String,
    /// What is asked.
    pub question: String,
    /// What a right answer holds.
    pub expect: Expectation,
}

impl GoldenCase {
    /// The kind of the question: the id without its number.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.id.rsplit_once('-').map_or(&self.id, |(kind, _)| kind)
    }
}

/// How many cases were right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct GoldenCount {
    /// Right cases.
    pub passed: usize,
    /// All cases.
    pub cases: usize,
}

/// A case that was not right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GoldenFailure {
    /// The case.
    pub id: String,
    /// What was missing.
    pub reason: String,
}

/// The outcome of a golden set.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct GoldenReport {
    /// Share of right cases.
    pub accuracy: f64,
    /// Over all cases.
    #[serde(flatten)]
    pub all: GoldenCount,
    /// By kind of question.
    pub by_kind: BTreeMap<String, GoldenCount>,
    /// In the order of the file.
    pub failures: Vec<GoldenFailure>,
}

/// Reads a golden set, plain or `.gz`.
///
/// # Errors
/// [`EvalError::Line`] when a line is not as it should be or an id repeats; [`EvalError::Io`].
pub fn read_golden(path: &Path) -> Result<Vec<GoldenCase>, EvalError> {
    read_rows(
        path,
        |case: &GoldenCase| &case.id,
        |case| {
            let expect = &case.expect;
            match (
                expect.abstain,
                expect.answers.is_empty() && expect.documents.is_empty(),
            ) {
                (true, false) => {
                    Err("`abstain` leaves no room for answers and documents".to_owned())
                }
                (false, true) => {
                    Err("expects nothing: name answers, documents or `abstain`".to_owned())
                }
                _ if expect.abstain && expect.conflict => {
                    Err("`abstain` and `conflict` exclude each other".to_owned())
                }
                _ => Ok(()),
            }
        },
    )
}

/// Why `answered` is not right; `None` when it is.
fn fault(expect: &Expectation, answered: &Answered) -> Option<String> {
    match (expect.abstain, answered.abstained) {
        (true, true) => return None,
        (true, false) => return Some("answered, but the documents do not say".to_owned()),
        (false, true) => return Some("abstained, but the documents say".to_owned()),
        (false, false) => {}
    }
    // Answers are short and without a language: articles are dropped on both sides, in any language.
    let holds = |answer: &&String| {
        let one = std::slice::from_ref(*answer);
        let texts = answered.quotes.iter().chain([&answered.answer]);
        texts.into_iter().any(|text| holds_answer(text, one, None))
    };
    let cited = |document: &&String| answered.cited_documents.contains(*document);
    let (answers, documents) = (&expect.answers, &expect.documents);
    if expect.conflict {
        if let Some(answer) = answers.iter().find(|answer| !holds(answer)) {
            return Some(format!("`{answer}` is missing, one side of the conflict"));
        }
        if let Some(document) = documents.iter().find(|document| !cited(document)) {
            return Some(format!(
                "`{document}` is not cited, one side of the conflict"
            ));
        }
        return None;
    }
    if !answers.is_empty() && !answers.iter().any(|answer| holds(&answer)) {
        return Some(format!("none of `{}` is there", answers.join("`, `")));
    }
    if !documents.is_empty() && !documents.iter().any(|document| cited(&document)) {
        return Some(format!("none of `{}` is cited", documents.join("`, `")));
    }
    None
}

/// Scores `answers` (by case id); a case without an answer is wrong.
#[must_use]
#[expect(clippy::implicit_hasher, reason = "nobody needs another hasher here")]
pub fn score_golden(cases: &[GoldenCase], answers: &HashMap<String, Answered>) -> GoldenReport {
    let mut report = GoldenReport::default();
    for case in cases {
        let fault = match answers.get(&case.id) {
            Some(answered) => fault(&case.expect, answered),
            None => Some("no answer was given".to_owned()),
        };
        let passed = usize::from(fault.is_none());
        let of_kind = report.by_kind.entry(case.kind().to_owned()).or_default();
        for count in [&mut report.all, of_kind] {
            count.passed += passed;
            count.cases += 1;
        }
        if let Some(reason) = fault {
            report.failures.push(GoldenFailure {
                id: case.id.clone(),
                reason,
            });
        }
    }
    report.accuracy = report.all.passed as f64 / report.all.cases.max(1) as f64;
    report
}

#[cfg(test)]
mod tests {
    use super::{GoldenCase, read_golden, score_golden};
    use crate::qa::Answered;
    use std::collections::HashMap;

    fn case(expect: &str) -> GoldenCase {
        serde_json::from_str(&format!(
            r#"{{"id":"k-1","question":"?","expect":{expect}}}"#
        ))
        .unwrap()
    }

    fn answered(quotes: &[&str], cited: &[&str]) -> Answered {
        let own = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Answered {
            quotes: own(quotes),
            cited_documents: own(cited),
            ..Answered::default()
        }
    }

    #[test]
    fn cases_are_judged() {
        let plain = r#"{"answers":["139.00","139"],"documents":["a","b"]}"#;
        let conflict = r#"{"answers":["14 days","21 days"],"documents":["a","b"],"conflict":true}"#;
        let abstain = r#"{"abstain":true}"#;
        let yes = Answered {
            abstained: true,
            ..Answered::default()
        };
        let cases = [
            (plain, answered(&["It costs 139 a month"], &["b"]), ""),
            (
                plain,
                answered(&["It costs 1390"], &["b"]),
                "none of `139.00`, `139` is there",
            ),
            (
                plain,
                answered(&["139"], &["c"]),
                "none of `a`, `b` is cited",
            ),
            (plain, yes.clone(), "abstained, but the documents say"),
            (conflict, answered(&["14 days", "21 days"], &["a", "b"]), ""),
            (
                conflict,
                answered(&["14 days"], &["a", "b"]),
                "`21 days` is missing, one side of the conflict",
            ),
            (
                conflict,
                answered(&["14 days, 21 days"], &["a"]),
                "`b` is not cited, one side of the conflict",
            ),
            (abstain, yes, ""),
            (
                abstain,
                answered(&["x"], &[]),
                "answered, but the documents do not say",
            ),
        ];
        for (expect, answered, fault) in cases {
            let report = score_golden(
                &[case(expect)],
                &HashMap::from([("k-1".to_owned(), answered)]),
            );
            let got = report
                .failures
                .first()
                .map_or("", |failure| failure.reason.as_str());
            assert_eq!(got, fault);
            assert_eq!(report.by_kind["k"].passed, usize::from(fault.is_empty()));
        }
        let report = score_golden(&[case(plain)], &HashMap::new());
        assert_eq!((report.accuracy, report.all.cases), (0.0, 1));
    }

    #[test]
    fn wrong_lines_are_refused() {
        let cases = [
            (
                r#"{"id":"a","question":"?","expect":{}}"#,
                "line 1: expects nothing",
            ),
            (
                r#"{"id":"a","question":"?","expect":{"abstain":true,"answers":["x"]}}"#,
                "line 1: `abstain` leaves",
            ),
            (
                r#"{"id":"a","question":"?","expect":{"abstain":true,"conflict":true}}"#,
                "line 1: `abstain` and",
            ),
            (
                r#"{"id":"a","question":"?","expect":{"answer":["x"]}}"#,
                "line 1: unknown field `answer`",
            ),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("golden.jsonl");
        for (text, expected) in cases {
            fs_err::write(&path, text).unwrap();
            let error = read_golden(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
