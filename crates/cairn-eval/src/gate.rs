//! Gates: the least that an evaluation must reach.
//!
//! `ndcg_at_10=0.55` holds for the hybrid search, `lexical.ndcg_at_10=0.5` for another one, `qa.em=0.3` or `em=0.3`
//! for answers, `golden=0.95` for the share of right golden cases. `false_abstention` is the most allowed, all
//! others are the least. Values are compared as they are shown, with five decimals.

use std::str::FromStr;

use crate::error::EvalError;
use crate::report::{Report, RetrieverKind, rounded};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    NdcgAt10,
    RecallAt10,
    RecallAt100,
    Mrr,
    Em,
    F1,
    AnswerInQuotes,
    AnswerInFirstQuote,
    FalseAbstention,
    CaughtUnanswerable,
    Golden,
}

const RETRIEVAL: [(&str, Measure); 4] = [
    ("ndcg_at_10", Measure::NdcgAt10),
    ("recall_at_10", Measure::RecallAt10),
    ("recall_at_100", Measure::RecallAt100),
    ("mrr", Measure::Mrr),
];

const QA: [(&str, Measure); 6] = [
    ("em", Measure::Em),
    ("f1", Measure::F1),
    ("answer_in_quotes", Measure::AnswerInQuotes),
    ("answer_in_first_quote", Measure::AnswerInFirstQuote),
    ("false_abstention", Measure::FalseAbstention),
    ("caught_unanswerable", Measure::CaughtUnanswerable),
];

/// One bar that an evaluation must reach. Read from text by `parse`.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    text: String,
    kind: RetrieverKind,
    measure: Measure,
    bar: f64,
}

/// A gate that was not reached.
#[derive(Debug, Clone, PartialEq)]
pub struct GateFailure {
    /// The gate as it was given.
    pub gate: String,
    /// `None`: it was not measured at all.
    pub measured: Option<f64>,
}

impl std::fmt::Display for GateFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.measured {
            Some(measured) => write!(f, "gate `{}` not reached: measured {measured}", self.gate),
            None => write!(f, "gate `{}` not reached: not measured", self.gate),
        }
    }
}

impl FromStr for Gate {
    type Err = EvalError;

    fn from_str(text: &str) -> Result<Self, EvalError> {
        let wrong = |reason: String| EvalError::Gate {
            gate: text.to_owned(),
            reason,
        };
        let (name, bar) = text
            .split_once('=')
            .ok_or_else(|| wrong("has no `=` and no value".to_owned()))?;
        let bar: f64 = bar
            .trim()
            .parse()
            .map_err(|_| wrong(format!("`{}` is not a number", bar.trim())))?;
        if !(0.0..=1.0).contains(&bar) {
            return Err(wrong(format!("`{bar}` is not between 0 and 1")));
        }
        let name = name.trim();
        let (prefix, measure_name) = name
            .rsplit_once('.')
            .map_or((None, name), |(prefix, rest)| (Some(prefix), rest));
        // The path in the JSON works as well.
        let prefix = prefix.map(|prefix| prefix.strip_prefix("retrieval.").unwrap_or(prefix));
        let found = |list: &[(&str, Measure)]| {
            list.iter()
                .find(|(word, _)| *word == measure_name)
                .map(|(_, measure)| *measure)
        };
        let kind_named = RetrieverKind::ALL
            .into_iter()
            .find(|kind| Some(kind.as_str()) == prefix);
        let (kind, measure) = match (prefix, kind_named) {
            (_, Some(kind)) => (kind, found(&RETRIEVAL)),
            (Some("qa"), None) => (RetrieverKind::Hybrid, found(&QA)),
            (Some("golden"), None) if measure_name == "accuracy" => {
                (RetrieverKind::Hybrid, Some(Measure::Golden))
            }
            (None, None) if name == "golden" => (RetrieverKind::Hybrid, Some(Measure::Golden)),
            (None, None) => (
                RetrieverKind::Hybrid,
                found(&RETRIEVAL).or_else(|| found(&QA)),
            ),
            (Some(_), None) => (RetrieverKind::Hybrid, None),
        };
        let measure = measure.ok_or_else(|| {
            let known: Vec<&str> = RETRIEVAL.iter().chain(&QA).map(|(word, _)| *word).collect();
            wrong(format!(
                "`{name}` is not measured, expected {} or golden",
                known.join(", ")
            ))
        })?;
        Ok(Self {
            text: text.to_owned(),
            kind,
            measure,
            bar,
        })
    }
}

impl Gate {
    fn measured(&self, report: &Report) -> Option<f64> {
        let retrieval = report.all.retrieval.get(&self.kind);
        let qa = report.all.qa;
        match self.measure {
            Measure::NdcgAt10 => retrieval.map(|part| part.ndcg_at_10),
            Measure::RecallAt10 => retrieval.map(|part| part.recall_at_10),
            Measure::RecallAt100 => retrieval.map(|part| part.recall_at_100),
            Measure::Mrr => retrieval.map(|part| part.mrr),
            Measure::Em => qa?.em,
            Measure::F1 => qa?.f1,
            Measure::AnswerInQuotes => qa?.answer_in_quotes,
            Measure::AnswerInFirstQuote => qa?.answer_in_first_quote,
            Measure::FalseAbstention => qa?.false_abstention,
            Measure::CaughtUnanswerable => qa?.caught_unanswerable,
            Measure::Golden => report.golden.as_ref().map(|golden| golden.accuracy),
        }
        .map(rounded)
    }
}

/// The gates that `report` does not reach, in the order given. What was not measured is not reached.
#[must_use]
pub fn check_gates(report: &Report, gates: &[Gate]) -> Vec<GateFailure> {
    gates
        .iter()
        .filter_map(|gate| {
            let measured = gate.measured(report);
            let holds = measured.is_some_and(|value| match gate.measure {
                Measure::FalseAbstention => value <= gate.bar,
                _ => value >= gate.bar,
            });
            (!holds).then(|| GateFailure {
                gate: gate.text.clone(),
                measured,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Gate, check_gates};
    use crate::golden::GoldenReport;
    use crate::report::{QaPart, Report, RetrievalPart, RetrieverKind};

    fn report() -> Report {
        let part = |ndcg_at_10: f64| RetrievalPart {
            ndcg_at_10,
            recall_at_10: 0.6,
            recall_at_100: 0.7,
            mrr: 0.8,
        };
        let mut report = Report::default();
        report
            .all
            .retrieval
            .insert(RetrieverKind::Lexical, part(0.4));
        report
            .all
            .retrieval
            .insert(RetrieverKind::Hybrid, part(0.559_996));
        report.all.qa = Some(QaPart {
            em: Some(0.3),
            false_abstention: Some(0.04),
            ..QaPart::default()
        });
        report.golden = Some(GoldenReport {
            accuracy: 0.95,
            ..GoldenReport::default()
        });
        report
    }

    #[test]
    fn gates_hold_or_say_what_was_measured() {
        let cases = [
            ("ndcg_at_10=0.56", ""),
            (
                "hybrid.ndcg_at_10 = 0.57",
                "gate `hybrid.ndcg_at_10 = 0.57` not reached: measured 0.56",
            ),
            ("retrieval.lexical.ndcg_at_10=0.4", ""),
            (
                "lexical.mrr=0.9",
                "gate `lexical.mrr=0.9` not reached: measured 0.8",
            ),
            (
                "dense.mrr=0",
                "gate `dense.mrr=0` not reached: not measured",
            ),
            ("em=0.3", ""),
            ("qa.em=0.31", "gate `qa.em=0.31` not reached: measured 0.3"),
            ("false_abstention=0.05", ""),
            (
                "false_abstention=0.03",
                "gate `false_abstention=0.03` not reached: measured 0.04",
            ),
            (
                "caught_unanswerable=0",
                "gate `caught_unanswerable=0` not reached: not measured",
            ),
            ("golden=0.95", ""),
            (
                "golden.accuracy=0.96",
                "gate `golden.accuracy=0.96` not reached: measured 0.95",
            ),
        ];
        for (text, expected) in cases {
            let gate: Gate = text.parse().unwrap();
            let failures = check_gates(&report(), &[gate]);
            assert_eq!(
                failures
                    .first()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                expected
            );
        }
    }

    #[test]
    fn what_is_no_gate_is_refused() {
        let cases = [
            ("ndcg_at_10", "gate `ndcg_at_10`: has no `=` and no value"),
            ("ndcg_at_10=x", "gate `ndcg_at_10=x`: `x` is not a number"),
            ("mrr=55", "gate `mrr=55`: `55` is not between 0 and 1"),
            ("mrr=NaN", "gate `mrr=NaN`: `NaN` is not between 0 and 1"),
            (
                "lexical.em=0.5",
                "gate `lexical.em=0.5`: `lexical.em` is not measured, expected",
            ),
            (
                "best.mrr=0.5",
                "gate `best.mrr=0.5`: `best.mrr` is not measured",
            ),
            ("=0.5", "gate `=0.5`: `` is not measured"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<Gate>().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
