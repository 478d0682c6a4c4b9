//! Datasets of documents, queries and judgments, and of documents, questions and answers.
//!
//! Two layouts, each file plain or with `.gz`:
//!
//! - `corpus.jsonl` `{id, title, text}`, `queries.jsonl` `{id, text, lang?}` and `qrels.tsv` (a header, then query,
//!   document and score, separated by tabs);
//! - `docs.jsonl` `{id, title, text, lang?}` and `qa.jsonl` `{id, question, answers, doc_id, lang?, all_required?,
//!   hop_doc_ids?, fake_answer?}`, with or without `qrels.tsv`.
//!
//! Both end as one [`Dataset`]: questions are queries too, judged by `qrels.tsv` or, without it, by the document
//! that the answer was taken from.
//!
//! Everything is held in memory: about the size of the decompressed files.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::EvalError;
use crate::lines::{each_line, find, read_rows};

/// A document to be indexed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EvalDocument {
    /// Unique in the dataset.
    pub id: String,
    /// May be empty.
    #[serde(default)]
    pub title: String,
    /// May be empty.
    #[serde(default)]
    pub text: String,
    /// Language code, where the dataset says it.
    #[serde(default)]
    pub lang: Option<String>,
}

/// A query to be searched for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EvalQuery {
    /// Unique in the dataset.
    pub id: String,
    /// What is asked.
    pub text: String,
    /// Language code, where the dataset says it.
    #[serde(default)]
    pub lang: Option<String>,
}

/// Texts of which any one will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternatives(pub Vec<String>);

impl<'de> Deserialize<'de> for Alternatives {
    /// Reads a text, a number, or a list of them, nested or not.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fn flatten(value: &Value, into: &mut Vec<String>) -> Result<(), &'static str> {
            match value {
                Value::String(text) => into.push(text.clone()),
                Value::Number(number) => into.push(number.to_string()),
                Value::Array(items) => items.iter().try_for_each(|item| flatten(item, into))?,
                _ => return Err("an answer is a text, a number or a list of them"),
            }
            Ok(())
        }
        let value = Value::deserialize(deserializer)?;
        let mut texts = Vec::new();
        flatten(&value, &mut texts).map_err(serde::de::Error::custom)?;
        Ok(Self(texts))
    }
}

/// A question with its right answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Question {
    /// Unique in the dataset.
    pub id: String,
    /// What is asked.
    pub question: String,
    /// Not empty. Any of them is right, or with `all_required` each entry must occur.
    pub answers: Vec<Alternatives>,
    /// The document that holds the answer.
    #[serde(default)]
    pub doc_id: Option<String>,
    /// Language code; decides how texts are compared.
    #[serde(default)]
    pub lang: Option<String>,
    /// Every entry of `answers` must occur.
    #[serde(default)]
    pub all_required: bool,
    /// For questions over several documents: one group of documents for each step.
    #[serde(default)]
    pub hop_doc_ids: Vec<Vec<String>>,
    /// A wrong answer that stands in a planted document.
    #[serde(default)]
    pub fake_answer: Option<Alternatives>,
}

/// Judgments: query id, then document id, then score; above 0 is relevant.
pub type Qrels = BTreeMap<String, BTreeMap<String, i64>>;

/// A dataset in memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dataset {
    /// The name of the folder.
    pub name: String,
    /// What to index, in file order.
    pub documents: Vec<EvalDocument>,
    /// What to search for, in file order; of a question set, its questions.
    pub queries: Vec<EvalQuery>,
    /// What should be found.
    pub qrels: Qrels,
    /// What to ask; empty for a set without answers.
    pub questions: Vec<Question>,
}

/// Which ids of a dataset: parameters are chosen on odd ones and reported on even ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Half {
    /// The last character is an odd digit.
    Odd,
    /// The last character is an even digit.
    Even,
}

impl Half {
    /// The half of an id: the parity of its last character as a hexadecimal digit, or of its code where it is
    /// none. Decimal ids split as numbers do; translations that share the end of their ids stay together.
    #[must_use]
    pub fn of(id: &str) -> Self {
        let last = id.chars().last().unwrap_or('0');
        let value = last.to_digit(16).unwrap_or(u32::from(last));
        if value % 2 == 1 {
            Self::Odd
        } else {
            Self::Even
        }
    }
}

/// Reads the dataset in `folder`.
///
/// # Errors
/// [`EvalError::NotADataset`] when the files are not there, [`EvalError::Line`] when a line is not as it should be,
/// an id repeats, or a judgment names a query or document that is not there; [`EvalError::Io`].
pub fn read_dataset(folder: &Path) -> Result<Dataset, EvalError> {
    let not_a_dataset = || EvalError::NotADataset {
        folder: folder.to_owned(),
    };
    let name = folder.file_name().map_or_else(
        || "dataset".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    let qrels_path = find(folder, "qrels.tsv");
    let mut dataset = Dataset {
        name,
        ..Dataset::default()
    };
    if let (Some(corpus), Some(queries)) =
        (find(folder, "corpus.jsonl"), find(folder, "queries.jsonl"))
    {
        let qrels_path = qrels_path.ok_or_else(not_a_dataset)?;
        dataset.documents = read_documents(&corpus)?;
        dataset.queries = read_rows(&queries, |query: &EvalQuery| &query.id, |_| Ok(()))?;
        dataset.qrels = read_qrels(&qrels_path, &dataset)?;
    } else if let (Some(docs), Some(qa)) = (find(folder, "docs.jsonl"), find(folder, "qa.jsonl")) {
        dataset.documents = read_documents(&docs)?;
        dataset.questions = read_questions(&qa, &dataset.documents)?;
        dataset.queries = dataset.questions.iter().map(query_of).collect();
        dataset.qrels = match qrels_path {
            Some(path) => read_qrels(&path, &dataset)?,
            None => dataset.questions.iter().filter_map(judgment_of).collect(),
        };
    } else {
        return Err(not_a_dataset());
    }
    Ok(dataset)
}

fn read_documents(path: &Path) -> Result<Vec<EvalDocument>, EvalError> {
    read_rows(path, |document: &EvalDocument| &document.id, |_| Ok(()))
}

fn read_questions(path: &Path, documents: &[EvalDocument]) -> Result<Vec<Question>, EvalError> {
    let known: HashSet<&str> = documents
        .iter()
        .map(|document| document.id.as_str())
        .collect();
    read_rows(
        path,
        |question: &Question| &question.id,
        |question| {
            if question.answers.iter().all(|answer| answer.0.is_empty()) {
                return Err("a question needs an answer".to_owned());
            }
            let hops = question.hop_doc_ids.iter().flatten();
            match question
                .doc_id
                .iter()
                .chain(hops)
                .find(|id| !known.contains(id.as_str()))
            {
                Some(id) => Err(format!("document `{id}` is not in the dataset")),
                None => Ok(()),
            }
        },
    )
}

fn read_qrels(path: &Path, dataset: &Dataset) -> Result<Qrels, EvalError> {
    let documents: HashSet<&str> = dataset
        .documents
        .iter()
        .map(|doc| doc.id.as_str())
        .collect();
    let queries: HashSet<&str> = dataset
        .queries
        .iter()
        .map(|query| query.id.as_str())
        .collect();
    let mut qrels = Qrels::new();
    each_line(path, |line, text| {
        if line == 1 {
            return Ok(());
        }
        let columns: Vec<&str> = text.split('\t').collect();
        let [query, document, score] = columns[..] else {
            return Err(format!(
                "has {} columns, expected 3 separated by tabs",
                columns.len()
            ));
        };
        let score: i64 = score
            .trim()
            .parse()
            .map_err(|_| format!("score `{score}` is not a whole number"))?;
        if !queries.contains(query) {
            return Err(format!("query `{query}` is not in the dataset"));
        }
        if !documents.contains(document) {
            return Err(format!("document `{document}` is not in the dataset"));
        }
        qrels
            .entry(query.to_owned())
            .or_default()
            .insert(document.to_owned(), score);
        Ok(())
    })?;
    Ok(qrels)
}

fn query_of(question: &Question) -> EvalQuery {
    EvalQuery {
        id: question.id.clone(),
        text: question.question.clone(),
        lang: question.lang.clone(),
    }
}

/// Without judgments the document of the answer and those of the steps are relevant, all alike.
fn judgment_of(question: &Question) -> Option<(String, BTreeMap<String, i64>)> {
    let relevant: BTreeMap<String, i64> = question
        .doc_id
        .iter()
        .chain(question.hop_doc_ids.iter().flatten())
        .map(|id| (id.clone(), 1))
        .collect();
    (!relevant.is_empty()).then(|| (question.id.clone(), relevant))
}

/// A trial of abstention: the documents of one half of the articles are indexed, and all questions are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaveOut {
    /// What to index.
    pub documents: Vec<EvalDocument>,
    /// Questions whose document is indexed.
    pub answerable: Vec<Question>,
    /// Questions whose document was left out.
    pub unanswerable: Vec<Question>,
}

/// Splits a question set into two trials: the first half of the articles indexed, then the second half. An
/// article is all documents with one title, and translations share the title, so no language tells what was left
/// out in another. Articles count in order of appearance; of an odd number the first half is the smaller one.
#[must_use]
pub fn leave_out(dataset: &Dataset) -> [LeaveOut; 2] {
    let mut article_of_title: HashMap<&str, usize> = HashMap::new();
    let mut article_of_document: HashMap<&str, usize> = HashMap::new();
    for document in &dataset.documents {
        let next = article_of_title.len();
        let article = *article_of_title.entry(&document.title).or_insert(next);
        article_of_document.insert(&document.id, article);
    }
    let boundary = article_of_title.len() / 2;
    let half_of = |id: &str| usize::from(article_of_document.get(id) >= Some(&boundary));
    [0, 1].map(|half| {
        let (mut answerable, mut unanswerable) = (Vec::new(), Vec::new());
        for question in &dataset.questions {
            let Some(doc_id) = &question.doc_id else {
                continue;
            };
            // A question over documents of both halves is neither: some of it can be answered.
            let mut ids = question.hop_doc_ids.iter().flatten();
            if !ids.all(|id| half_of(id) == half_of(doc_id)) {
                continue;
            }
            if half_of(doc_id) == half {
                &mut answerable
            } else {
                &mut unanswerable
            }
            .push(question.clone());
        }
        let documents = dataset
            .documents
            .iter()
            .filter(|document| half_of(&document.id) == half)
            .cloned()
            .collect();
        LeaveOut {
            documents,
            answerable,
            unanswerable,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{Half, leave_out, read_dataset};
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    use std::path::Path;

    fn write(folder: &Path, name: &str, text: &str) {
        fs_err::write(folder.join(name), text).unwrap();
    }

    fn write_gz(folder: &Path, name: &str, text: &str) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        fs_err::write(folder.join(name), encoder.finish().unwrap()).unwrap();
    }

    #[test]
    fn both_layouts_are_read() {
        let folder = tempfile::tempdir().unwrap();
        write_gz(
            folder.path(),
            "corpus.jsonl.gz",
            "{\"id\":\"d\",\"title\":\"t\",\"text\":\"x\"}\n",
        );
        write(
            folder.path(),
            "queries.jsonl",
            "\u{feff}{\"id\":\"1\",\"text\":\"q\",\"more\":1}\r\n\n",
        );
        write(
            folder.path(),
            "qrels.tsv",
            "query-id\tcorpus-id\tscore\n1\td\t3\n",
        );
        let dataset = read_dataset(folder.path()).unwrap();
        assert_eq!((dataset.documents.len(), dataset.queries.len()), (1, 1));
        assert_eq!(dataset.qrels["1"]["d"], 3);
        assert!(dataset.questions.is_empty());

        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            "docs.jsonl",
            "{\"id\":\"d\"}\n{\"id\":\"e\",\"lang\":\"de\"}\n",
        );
        let rows = "{\"id\":\"q\",\"question\":\"?\",\"answers\":[\"a\",[\"b\",7]],\"doc_id\":\"d\",\"hop_doc_ids\":[[\"e\"]]}\n";
        write_gz(folder.path(), "qa.jsonl.gz", rows);
        let dataset = read_dataset(folder.path()).unwrap();
        assert_eq!(dataset.questions[0].answers[1].0, ["b", "7"]);
        assert_eq!(dataset.queries[0].text, "?");
        assert_eq!(dataset.qrels["q"].keys().collect::<Vec<_>>(), ["d", "e"]);
    }

    #[test]
    fn wrong_files_are_named_with_their_line() {
        let good_docs = "{\"id\":\"d\",\"text\":\"x\"}\n";
        let good_qa = "{\"id\":\"q\",\"question\":\"?\",\"answers\":[\"a\"],\"doc_id\":\"d\"}\n";
        let cases = [
            (
                "docs.jsonl",
                "{\"id\":\"d\"}\n\n{\"id\":\"d\"}\n",
                "docs.jsonl` line 3: id `d` stands in line 1 already",
            ),
            (
                "docs.jsonl",
                "{\"id\":7}\n",
                "docs.jsonl` line 1: invalid type: integer `7`, expected a string",
            ),
            (
                "docs.jsonl",
                "{\"id\":\"\"}\n",
                "docs.jsonl` line 1: the id is empty",
            ),
            (
                "docs.jsonl",
                "{\"id\":\"d\"}\n{\"id\"\n",
                "docs.jsonl` line 2: EOF while parsing an object",
            ),
            (
                "qa.jsonl",
                "{\"id\":\"q\",\"question\":\"?\",\"answers\":[]}\n",
                "qa.jsonl` line 1: a question needs an answer",
            ),
            (
                "qa.jsonl",
                "{\"id\":\"q\",\"question\":\"?\",\"answers\":[null]}\n",
                "qa.jsonl` line 1: an answer is a text, a number or a list of them",
            ),
            (
                "qa.jsonl",
                "{\"id\":\"q\",\"question\":\"?\",\"answers\":[1],\"doc_id\":\"no\"}\n",
                "qa.jsonl` line 1: document `no` is not in the dataset",
            ),
            (
                "qrels.tsv",
                "h\nq\td\n",
                "qrels.tsv` line 2: has 2 columns, expected 3 separated by tabs",
            ),
            (
                "qrels.tsv",
                "h\nq\td\tx\n",
                "qrels.tsv` line 2: score `x` is not a whole number",
            ),
            (
                "qrels.tsv",
                "h\nz\td\t1\n",
                "qrels.tsv` line 2: query `z` is not in the dataset",
            ),
        ];
        for (name, text, expected) in cases {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), "docs.jsonl", good_docs);
            write(folder.path(), "qa.jsonl", good_qa);
            write(folder.path(), name, text);
            let error = read_dataset(folder.path()).unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "corpus.jsonl.gz", "this is not gzip");
        write(folder.path(), "queries.jsonl", "");
        write(folder.path(), "qrels.tsv", "");
        let error = read_dataset(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("corpus.jsonl.gz` line 1: cannot be read"),
            "{error}"
        );
        let empty = tempfile::tempdir().unwrap();
        let error = read_dataset(empty.path()).unwrap_err().to_string();
        assert!(error.contains("is not a dataset"), "{error}");
    }

    #[test]
    fn halves_follow_the_last_digit() {
        let odd = ["1", "225", "mh-03", "en-56beb", "q"];
        let even = [
            "2",
            "0",
            "tq-train-0004",
            "en-56beb4343aeaaa14008c925c",
            "",
            "z",
        ];
        assert!(odd.iter().all(|id| Half::of(id) == Half::Odd));
        assert!(even.iter().all(|id| Half::of(id) == Half::Even));
    }

    #[test]
    fn leaving_out_splits_by_article() {
        let folder = tempfile::tempdir().unwrap();
        let document =
            |id: &str, title: &str| format!("{{\"id\":\"{id}\",\"title\":\"{title}\"}}\n");
        let documents = [("a1", "A"), ("b1", "B"), ("a2", "A"), ("c1", "C")];
        write(
            folder.path(),
            "docs.jsonl",
            &documents.map(|(id, title)| document(id, title)).concat(),
        );
        let question = |id: &str, doc: &str, hops: &str| {
            format!(
                "{{\"id\":\"{id}\",\"question\":\"?\",\"answers\":[\"x\"],\"doc_id\":\"{doc}\",\"hop_doc_ids\":{hops}}}\n"
            )
        };
        let questions = [
            question("1", "a2", "[]"),
            question("2", "c1", "[[\"b1\"]]"),
            question("3", "a1", "[[\"c1\"]]"),
        ];
        write(folder.path(), "qa.jsonl", &questions.concat());
        let ids = |questions: &[super::Question]| -> Vec<String> {
            questions
                .iter()
                .map(|question| question.id.clone())
                .collect()
        };
        let [first, second] = leave_out(&read_dataset(folder.path()).unwrap());
        assert_eq!(
            first
                .documents
                .iter()
                .map(|d| d.id.as_str())
                .collect::<Vec<_>>(),
            ["a1", "a2"]
        );
        assert_eq!(
            second
                .documents
                .iter()
                .map(|d| d.id.as_str())
                .collect::<Vec<_>>(),
            ["b1", "c1"]
        );
        assert_eq!(
            (ids(&first.answerable), ids(&first.unanswerable)),
            (vec!["1".to_owned()], vec!["2".to_owned()])
        );
        assert_eq!(
            (ids(&second.answerable), ids(&second.unanswerable)),
            (vec!["2".to_owned()], vec!["1".to_owned()])
        );
    }
}
