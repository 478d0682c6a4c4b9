//! The report of an evaluation: its JSON, its table.
//!
//! The JSON of `retrieval` and `qa` is a promise: the names and the nesting stay. Everything else stands beside
//! them, so that it can grow. Parts that were not measured are left out, numbers have five decimals.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Serialize, Serializer};

use crate::dataset::Half;
use crate::golden::GoldenReport;
use crate::qa::{AbstentionScores, QaBreakdown, QaScores};
use crate::retrieval::{RetrievalBreakdown, RetrievalScores};

/// A way to search that is measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RetrieverKind {
    /// BM25 alone.
    Lexical,
    /// Vectors alone.
    Dense,
    /// Both, fused.
    Hybrid,
}

impl RetrieverKind {
    /// All, in the order of the report.
    pub const ALL: [Self; 3] = [Self::Lexical, Self::Dense, Self::Hybrid];

    /// The word of the report and of gates.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lexical => "lexical",
            Self::Dense => "dense",
            Self::Hybrid => "hybrid",
        }
    }
}

/// Rounds as it is shown and compared with gates.
pub(crate) fn rounded(value: f64) -> f64 {
    format!("{value:.5}").parse().unwrap_or(value)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes fields by reference"
)]
fn five_decimals<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(rounded(*value))
}

#[expect(clippy::ref_option, reason = "serde passes fields by reference")]
fn five_decimals_if_any<S: Serializer>(
    value: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.map(rounded).serialize(serializer)
}

/// The measures of one way to search.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RetrievalPart {
    /// Normalised discounted cumulative gain of the first 10.
    #[serde(serialize_with = "five_decimals")]
    pub ndcg_at_10: f64,
    /// Share of the relevant documents among the first 10.
    #[serde(serialize_with = "five_decimals")]
    pub recall_at_10: f64,
    /// Share of the relevant documents among the first 100.
    #[serde(serialize_with = "five_decimals")]
    pub recall_at_100: f64,
    /// Mean reciprocal rank.
    #[serde(serialize_with = "five_decimals")]
    pub mrr: f64,
}

impl From<RetrievalScores> for RetrievalPart {
    fn from(scores: RetrievalScores) -> Self {
        Self {
            ndcg_at_10: scores.ndcg_at_10,
            recall_at_10: scores.recall_at_10,
            recall_at_100: scores.recall_at_100,
            mrr: scores.mrr,
        }
    }
}

/// The measures of answers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct QaPart {
    /// Exact match.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "five_decimals_if_any"
    )]
    pub em: Option<f64>,
    /// Token F1.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "five_decimals_if_any"
    )]
    pub f1: Option<f64>,
    /// A gold answer stands in a quote.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "five_decimals_if_any"
    )]
    pub answer_in_quotes: Option<f64>,
    /// A gold answer stands in the first quote.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "five_decimals_if_any"
    )]
    pub answer_in_first_quote: Option<f64>,
    /// Wrongly abstained.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "five_decimals_if_any"
    )]
    pub false_abstention: Option<f64>,
    /// Rightly abstained.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "five_decimals_if_any"
    )]
    pub caught_unanswerable: Option<f64>,
}

impl From<QaScores> for QaPart {
    fn from(scores: QaScores) -> Self {
        Self {
            em: Some(scores.em),
            f1: Some(scores.f1),
            answer_in_quotes: Some(scores.answer_in_quotes),
            answer_in_first_quote: Some(scores.answer_in_first_quote),
            false_abstention: Some(scores.false_abstention),
            caught_unanswerable: None,
        }
    }
}

/// The measures of a part of the queries.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Slice {
    /// By way to search.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub retrieval: BTreeMap<RetrieverKind, RetrievalPart>,
    /// Of the answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qa: Option<QaPart>,
}

/// Numbers that no promise covers.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Details {
    /// Queries with a relevant document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queries: Option<usize>,
    /// Questions asked of which the answer is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub questions: Option<usize>,
    /// Questions asked of which the answer was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unanswerable: Option<usize>,
    /// The answer holds a gold answer.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "five_decimals_if_any"
    )]
    pub contains: Option<f64>,
    /// The document of the answer is cited.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "five_decimals_if_any"
    )]
    pub citation_hit: Option<f64>,
    /// Mean characters quoted for an answer.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "five_decimals_if_any"
    )]
    pub mean_quoted_chars: Option<f64>,
    /// Area under the curve of confidence.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "five_decimals_if_any"
    )]
    pub roc_auc: Option<f64>,
}

/// What an evaluation found.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Report {
    /// Over everything: `retrieval` and `qa`.
    #[serde(flatten)]
    pub all: Slice,
    /// By language code.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub by_language: BTreeMap<String, Slice>,
    /// `odd` and `even` ids.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub halves: BTreeMap<&'static str, Slice>,
    /// More numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
    /// The outcome of a golden set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub golden: Option<GoldenReport>,
}

impl Report {
    /// Adds the measures of one way to search.
    pub fn add_retrieval(&mut self, kind: RetrieverKind, scores: &RetrievalBreakdown) {
        self.all.retrieval.insert(kind, scores.all.into());
        for (language, scores) in &scores.by_language {
            let slice = self.by_language.entry(language.clone()).or_default();
            slice.retrieval.insert(kind, (*scores).into());
        }
        for (half, scores) in &scores.halves {
            let slice = self.halves.entry(word_of(*half)).or_default();
            slice.retrieval.insert(kind, (*scores).into());
        }
        self.details.get_or_insert_default().queries = Some(scores.all.n_queries);
    }

    /// Adds the measures of answers to questions that can be answered.
    pub fn add_answers(&mut self, scores: &QaBreakdown) {
        // A leave-out trial may have been added before; what it found about abstention stays.
        let mut part = QaPart::from(scores.all);
        if let Some(before) = self.all.qa {
            part.caught_unanswerable = before.caught_unanswerable;
            if before.caught_unanswerable.is_some() {
                part.false_abstention = before.false_abstention;
            }
        }
        self.all.qa = Some(part);
        for (language, scores) in &scores.by_language {
            self.by_language.entry(language.clone()).or_default().qa = Some((*scores).into());
        }
        for (half, scores) in &scores.halves {
            self.halves.entry(word_of(*half)).or_default().qa = Some((*scores).into());
        }
        let details = self.details.get_or_insert_default();
        details.questions = Some(scores.all.n_questions);
        details.contains = Some(scores.all.contains);
        details.citation_hit = Some(scores.all.citation_hit);
        details.mean_quoted_chars = Some(scores.all.mean_quoted_chars);
    }

    /// Adds the outcome of leave-out trials; its share of wrong abstentions replaces that of the answers,
    /// because both shares then come from the same trials.
    pub fn add_abstention(&mut self, scores: &AbstentionScores) {
        let part = self.all.qa.get_or_insert_default();
        part.false_abstention = Some(scores.false_abstention);
        part.caught_unanswerable = Some(scores.caught_unanswerable);
        let details = self.details.get_or_insert_default();
        details.questions.get_or_insert(scores.n_answerable);
        details.unanswerable = Some(scores.n_unanswerable);
        details.roc_auc = scores.roc_auc;
    }

    /// Adds the outcome of a golden set.
    pub fn add_golden(&mut self, golden: GoldenReport) {
        self.golden = Some(golden);
    }

    /// Tables for a person: one of retrieval, one of answers, one of the golden set, each with its breakdown.
    #[must_use]
    pub fn to_table(&self) -> String {
        let slices: Vec<(&str, &Slice)> = [("all", &self.all)]
            .into_iter()
            .chain(self.halves.iter().map(|(name, slice)| (*name, slice)))
            .chain(
                self.by_language
                    .iter()
                    .map(|(name, slice)| (name.as_str(), slice)),
            )
            .collect();
        let mut blocks = Vec::new();
        let retrieval: Vec<Vec<String>> = slices
            .iter()
            .flat_map(|(name, slice)| slice.retrieval.iter().map(move |row| (name, row)))
            .map(|(name, (kind, part))| {
                let numbers = [
                    part.ndcg_at_10,
                    part.recall_at_10,
                    part.recall_at_100,
                    part.mrr,
                ];
                let words = [(*name).to_owned(), kind.as_str().to_owned()];
                words
                    .into_iter()
                    .chain(numbers.map(|value| format!("{value:.4}")))
                    .collect()
            })
            .collect();
        if !retrieval.is_empty() {
            let head = [
                "queries",
                "retriever",
                "nDCG@10",
                "Recall@10",
                "Recall@100",
                "MRR",
            ];
            blocks.push(table(&head, 2, &retrieval));
        }
        let qa: Vec<Vec<String>> = slices
            .iter()
            .filter_map(|(name, slice)| Some((name, slice.qa?)))
            .map(|(name, part)| {
                let numbers = [
                    part.em,
                    part.f1,
                    part.answer_in_quotes,
                    part.answer_in_first_quote,
                    part.false_abstention,
                    part.caught_unanswerable,
                ];
                let shown =
                    |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
                [(*name).to_owned()]
                    .into_iter()
                    .chain(numbers.map(shown))
                    .collect()
            })
            .collect();
        if !qa.is_empty() {
            let head = [
                "questions",
                "EM",
                "F1",
                "in quotes",
                "in 1st quote",
                "false abst.",
                "caught",
            ];
            blocks.push(table(&head, 1, &qa));
        }
        if let Some(golden) = &self.golden {
            blocks.push(golden_table(golden));
        }
        blocks.join("\n")
    }
}

fn word_of(half: Half) -> &'static str {
    match half {
        Half::Odd => "odd",
        Half::Even => "even",
    }
}

fn golden_table(golden: &GoldenReport) -> String {
    let mut rows: Vec<Vec<String>> = golden
        .by_kind
        .iter()
        .map(|(kind, count)| {
            vec![
                kind.clone(),
                count.passed.to_string(),
                count.cases.to_string(),
            ]
        })
        .collect();
    rows.push(vec![
        "all".to_owned(),
        golden.all.passed.to_string(),
        golden.all.cases.to_string(),
    ]);
    let mut text = table(&["golden set", "right", "cases"], 1, &rows);
    for failure in &golden.failures {
        // Writing into a text cannot fail.
        let _ = writeln!(text, "  {}: {}", failure.id, failure.reason);
    }
    text
}

/// Columns as wide as their longest cell; the first `n_words` to the left, numbers to the right.
fn table(head: &[&str], n_words: usize, rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([head[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| {
                if column < n_words {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            })
            .collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    let body = rows
        .iter()
        .map(|row| line(row.iter().map(String::as_str).collect()));
    std::iter::once(line(head.to_vec())).chain(body).collect()
}

#[cfg(test)]
mod tests {
    use super::{Report, RetrieverKind};
    use crate::dataset::Half;
    use crate::golden::{GoldenCount, GoldenFailure, GoldenReport};
    use crate::qa::{AbstentionScores, QaBreakdown, QaScores};
    use crate::retrieval::{RetrievalBreakdown, RetrievalScores};
    use serde_json::json;
    use std::collections::BTreeMap;

    fn retrieval(ndcg_at_10: f64) -> RetrievalScores {
        RetrievalScores {
            ndcg_at_10,
            recall_at_10: 0.5,
            recall_at_100: 1.0,
            mrr: 2.0 / 3.0,
            n_queries: 9,
        }
    }

    #[test]
    fn the_promised_json_and_nothing_that_was_not_measured() {
        let mut report = Report::default();
        assert_eq!(serde_json::to_value(&report).unwrap(), json!({}));
        let all = RetrievalBreakdown {
            all: retrieval(0.123_456_7),
            ..RetrievalBreakdown::default()
        };
        report.add_retrieval(RetrieverKind::Lexical, &all);
        report.add_retrieval(RetrieverKind::Hybrid, &all);
        let part = json!({"ndcg_at_10": 0.12346, "recall_at_10": 0.5, "recall_at_100": 1.0, "mrr": 0.66667});
        assert_eq!(
            serde_json::to_value(&report).unwrap(),
            json!({"retrieval": {"lexical": part, "hybrid": part}, "details": {"queries": 9}})
        );
        let mut report = Report::default();
        let answers = QaScores {
            em: 0.25,
            false_abstention: 0.5,
            n_questions: 4,
            ..QaScores::default()
        };
        let abstention = AbstentionScores {
            false_abstention: 0.03,
            caught_unanswerable: 0.6,
            roc_auc: Some(0.9),
            n_answerable: 4,
            n_unanswerable: 5,
        };
        let expected = json!({"em": 0.25, "f1": 0.0, "answer_in_quotes": 0.0,
            "answer_in_first_quote": 0.0, "false_abstention": 0.03, "caught_unanswerable": 0.6});
        report.add_abstention(&abstention);
        report.add_answers(&QaBreakdown {
            all: answers,
            ..QaBreakdown::default()
        });
        assert_eq!(serde_json::to_value(&report).unwrap()["qa"], expected);
        report.add_abstention(&abstention);
        assert_eq!(serde_json::to_value(&report).unwrap()["qa"], expected);
    }

    #[test]
    fn tables_line_up() {
        let mut report = Report::default();
        let breakdown = RetrievalBreakdown {
            all: retrieval(0.5),
            by_language: BTreeMap::from([("de".to_owned(), retrieval(0.25))]),
            halves: BTreeMap::from([(Half::Even, retrieval(0.75))]),
        };
        report.add_retrieval(RetrieverKind::Hybrid, &breakdown);
        report.add_golden(GoldenReport {
            accuracy: 0.5,
            all: GoldenCount {
                passed: 1,
                cases: 2,
            },
            by_kind: BTreeMap::from([(
                "table".to_owned(),
                GoldenCount {
                    passed: 1,
                    cases: 2,
                },
            )]),
            failures: vec![GoldenFailure {
                id: "table-02".to_owned(),
                reason: "why".to_owned(),
            }],
        });
        let expected = "\
queries  retriever  nDCG@10  Recall@10  Recall@100     MRR
all      hybrid      0.5000     0.5000      1.0000  0.6667
even     hybrid      0.7500     0.5000      1.0000  0.6667
de       hybrid      0.2500     0.5000      1.0000  0.6667

golden set  right  cases
table           1      2
all             1      2
  table-02: why
";
        assert_eq!(report.to_table(), expected);
    }
}
