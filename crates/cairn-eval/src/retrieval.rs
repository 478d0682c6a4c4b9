//! nDCG@10, recall and reciprocal rank of rankings, and the TREC run file.
//!
//! Järvelin and Kekäläinen, TOIS 2002, with gain = score and discount log2(rank + 1). Queries with at least one
//! relevant document count; one without a ranking scores 0. A ranking is ordered by score, ties by document id
//! in code point order, whatever order it comes in: the same as reading back the run file that is written from it.
//! O(n log n) in the results of a query.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;

use crate::dataset::{Dataset, Half, Qrels};
use crate::error::EvalError;

/// One found document.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The id that the dataset gave it.
    pub document_id: String,
    /// Higher is better; of several chunks of one document the best counts.
    pub score: f64,
}

/// What was found for each query id.
pub type Run = BTreeMap<String, Vec<Hit>>;

/// Means over the queries.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RetrievalScores {
    /// Normalised discounted cumulative gain of the first 10.
    pub ndcg_at_10: f64,
    /// Share of the relevant documents among the first 10.
    pub recall_at_10: f64,
    /// Share of the relevant documents among the first 100.
    pub recall_at_100: f64,
    /// Mean of 1 / rank of the first relevant document, without a cut-off.
    pub mrr: f64,
    /// How many queries counted.
    pub n_queries: usize,
}

/// Means over all queries, per language and per half.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RetrievalBreakdown {
    /// Over all queries.
    pub all: RetrievalScores,
    /// By language code; empty when the queries name none or only one.
    pub by_language: BTreeMap<String, RetrievalScores>,
    /// By half of the query ids.
    pub halves: BTreeMap<Half, RetrievalScores>,
}

/// A ranking, best first, each document once.
fn ordered(hits: &[Hit]) -> Vec<(&str, f64)> {
    let mut best: HashMap<&str, f64> = HashMap::new();
    for hit in hits.iter().filter(|hit| !hit.score.is_nan()) {
        let score = best.entry(&hit.document_id).or_insert(f64::NEG_INFINITY);
        // Adding zero makes -0 a plain 0, which total_cmp would tell apart.
        *score = score.max(hit.score + 0.0);
    }
    let mut ranked: Vec<(&str, f64)> = best.into_iter().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    ranked
}

fn dcg(gains: impl Iterator<Item = i64>) -> f64 {
    gains
        .zip(2u32..)
        .map(|(gain, rank)| gain as f64 / f64::from(rank).log2())
        .sum()
}

/// The measures of one query; `None` when nothing is relevant.
fn score_query(judged: &BTreeMap<String, i64>, hits: &[Hit]) -> Option<RetrievalScores> {
    let relevant: HashSet<&str> = judged
        .iter()
        .filter(|&(_, &score)| score > 0)
        .map(|(id, _)| id.as_str())
        .collect();
    if relevant.is_empty() {
        return None;
    }
    let ranked: Vec<&str> = ordered(hits).into_iter().map(|(id, _)| id).collect();
    let mut ideal: Vec<i64> = judged
        .values()
        .copied()
        .filter(|&score| score > 0)
        .collect();
    ideal.sort_unstable_by(|a, b| b.cmp(a));
    let gain = |id: &&str| judged.get(*id).copied().unwrap_or(0).max(0);
    let recall_at = |k: usize| {
        let found = ranked
            .iter()
            .take(k)
            .filter(|id| relevant.contains(*id))
            .count();
        found as f64 / relevant.len() as f64
    };
    let first = ranked.iter().position(|id| relevant.contains(id));
    Some(RetrievalScores {
        ndcg_at_10: dcg(ranked.iter().take(10).map(gain)) / dcg(ideal.into_iter().take(10)),
        recall_at_10: recall_at(10),
        recall_at_100: recall_at(100),
        mrr: first.map_or(0.0, |position| 1.0 / (position + 1) as f64),
        n_queries: 1,
    })
}

#[derive(Default)]
struct Sum(RetrievalScores);

impl Sum {
    fn add(&mut self, one: &RetrievalScores) {
        self.0.ndcg_at_10 += one.ndcg_at_10;
        self.0.recall_at_10 += one.recall_at_10;
        self.0.recall_at_100 += one.recall_at_100;
        self.0.mrr += one.mrr;
        self.0.n_queries += one.n_queries;
    }

    fn mean(&self) -> RetrievalScores {
        let n = self.0.n_queries.max(1) as f64;
        RetrievalScores {
            ndcg_at_10: self.0.ndcg_at_10 / n,
            recall_at_10: self.0.recall_at_10 / n,
            recall_at_100: self.0.recall_at_100 / n,
            mrr: self.0.mrr / n,
            n_queries: self.0.n_queries,
        }
    }
}

/// Scores `run` against `qrels`.
#[must_use]
pub fn score_run(qrels: &Qrels, run: &Run) -> RetrievalScores {
    let mut sum = Sum::default();
    for (query, judged) in qrels {
        if let Some(one) = score_query(judged, run.get(query).map_or(&[], Vec::as_slice)) {
            sum.add(&one);
        }
    }
    sum.mean()
}

/// Scores `run` against the judgments of `dataset`, in all, per language and per half.
#[must_use]
pub fn score_retrieval(dataset: &Dataset, run: &Run) -> RetrievalBreakdown {
    let languages: HashMap<&str, &str> = dataset
        .queries
        .iter()
        .filter_map(|query| Some((query.id.as_str(), query.lang.as_deref()?)))
        .collect();
    let mut all = Sum::default();
    let mut by_language: BTreeMap<String, Sum> = BTreeMap::new();
    let mut halves: BTreeMap<Half, Sum> = BTreeMap::new();
    for (query, judged) in &dataset.qrels {
        let hits = run.get(query).map_or(&[][..], Vec::as_slice);
        let Some(one) = score_query(judged, hits) else {
            continue;
        };
        all.add(&one);
        halves.entry(Half::of(query)).or_default().add(&one);
        if let Some(language) = languages.get(query.as_str()) {
            by_language
                .entry((*language).to_owned())
                .or_default()
                .add(&one);
        }
    }
    if by_language.len() < 2 {
        by_language.clear();
    }
    RetrievalBreakdown {
        all: all.mean(),
        by_language: by_language
            .into_iter()
            .map(|(key, sum)| (key, sum.mean()))
            .collect(),
        halves: halves
            .into_iter()
            .map(|(key, sum)| (key, sum.mean()))
            .collect(),
    }
}

/// Writes `run` as TREC lines `query Q0 document rank score tag`, best first, each document once.
///
/// # Errors
/// [`EvalError::RunId`] when an id has white space, [`EvalError::Io`] when writing fails.
pub fn write_run(run: &Run, tag: &str, mut to: impl Write) -> Result<(), EvalError> {
    let checked = |id: &str| match id.is_empty() || id.contains(char::is_whitespace) {
        true => Err(EvalError::RunId { id: id.to_owned() }),
        false => Ok(()),
    };
    checked(tag)?;
    for (query, hits) in run {
        checked(query)?;
        for (rank, (id, score)) in ordered(hits).into_iter().enumerate() {
            checked(id)?;
            writeln!(to, "{query} Q0 {id} {} {score} {tag}", rank + 1)?;
        }
    }
    to.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Hit, Run, score_run, write_run};
    use crate::dataset::Qrels;

    fn qrels(rows: &[(&str, &str, i64)]) -> Qrels {
        let mut qrels = Qrels::new();
        for (query, document, score) in rows {
            qrels
                .entry((*query).to_owned())
                .or_default()
                .insert((*document).to_owned(), *score);
        }
        qrels
    }

    /// Rankings, best first.
    fn run(rows: &[(&str, &[&str])]) -> Run {
        rows.iter()
            .map(|(query, ids)| {
                let hits = ids.iter().enumerate().map(|(rank, id)| Hit {
                    document_id: (*id).to_owned(),
                    score: -(rank as f64),
                });
                ((*query).to_owned(), hits.collect())
            })
            .collect()
    }

    #[test]
    fn fixed_cases() {
        let log = |x: f64| x.log2();
        let judged = qrels(&[
            ("a", "x", 1),
            ("a", "y", 1),
            ("b", "z", 3),
            ("b", "w", 1),
            ("c", "v", 0),
        ]);
        let perfect = score_run(&judged, &run(&[("a", &["x", "y"]), ("b", &["z", "w"])]));
        assert_eq!(
            (
                perfect.ndcg_at_10,
                perfect.recall_at_10,
                perfect.mrr,
                perfect.n_queries
            ),
            (1.0, 1.0, 1.0, 2)
        );
        let half = score_run(&judged, &run(&[("a", &["n", "x"])]));
        assert_eq!((half.mrr, half.recall_at_10), (0.25, 0.25));
        let expected = 0.5 * (1.0 / log(3.0)) / (1.0 + 1.0 / log(3.0));
        assert!((half.ndcg_at_10 - expected).abs() < 1e-12);
        let only_b = qrels(&[("b", "z", 3), ("b", "w", 1)]);
        let swapped = score_run(&only_b, &run(&[("b", &["w", "z"])]));
        let expected = (1.0 + 3.0 / log(3.0)) / (3.0 + 1.0 / log(3.0));
        assert!((swapped.ndcg_at_10 - expected).abs() < 1e-12);

        let names: Vec<String> = (0..50).map(|i| format!("n{i}")).collect();
        let mut ids: Vec<&str> = names.iter().map(String::as_str).collect();
        ids.push("x");
        let deep = score_run(&qrels(&[("a", "x", 1)]), &run(&[("a", &ids)]));
        assert_eq!((deep.recall_at_10, deep.recall_at_100), (0.0, 1.0));
        assert!((deep.mrr - 1.0 / 51.0).abs() < 1e-12);
        assert_eq!(score_run(&Qrels::new(), &Run::new()).ndcg_at_10, 0.0);
    }

    #[test]
    fn ties_and_repeated_documents_do_not_depend_on_the_order() {
        let hit = |id: &str, score: f64| Hit {
            document_id: id.to_owned(),
            score,
        };
        let hits = [
            hit("b", 1.0),
            hit("a", 1.0),
            hit("c", 0.5),
            hit("c", 2.0),
            hit("d", f64::NAN),
        ];
        let mut written = Vec::new();
        for rotation in 0..hits.len() {
            let mut turned = hits.to_vec();
            turned.rotate_left(rotation);
            let mut text = Vec::new();
            write_run(&Run::from([("q".to_owned(), turned)]), "t", &mut text).unwrap();
            written.push(String::from_utf8(text).unwrap());
        }
        assert_eq!(written[0], "q Q0 c 1 2 t\nq Q0 a 2 1 t\nq Q0 b 3 1 t\n");
        assert!(written.iter().all(|text| text == &written[0]));
    }

    #[test]
    fn ids_with_white_space_are_refused() {
        let bad = Run::from([(
            "q".to_owned(),
            vec![Hit {
                document_id: "a b".to_owned(),
                score: 1.0,
            }],
        )]);
        let error = write_run(&bad, "t", Vec::new()).unwrap_err().to_string();
        assert_eq!(
            error,
            "id `a b` has white space and cannot be written to a run file"
        );
    }
}
