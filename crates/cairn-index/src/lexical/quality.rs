//! Floors for the quality of the lexical arm on the shared evaluation data.
//!
//! Reads the folder that `CAIRN_TEST_DATA` names. The figures are those of the arm alone, whole documents
//! as chunks; the product's figures come from `cairn eval`.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;

use cairn_testkit::need;
use cairn_types::{ChunkNo, Seq};
use serde_json::Value;

use super::{LexicalDoc, LexicalIndex, LexicalQuery, LexicalSnapshot};
use crate::detect_lang;

fn lines(path: &Path) -> Vec<Value> {
    let mut text = String::new();
    if path.exists() {
        text = fs_err::read_to_string(path).expect("text");
    } else {
        let file = fs_err::File::open(path.with_extension("jsonl.gz")).expect("file");
        flate2::read::GzDecoder::new(file)
            .read_to_string(&mut text)
            .expect("gzip");
    }
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

struct Collection {
    _dir: tempfile::TempDir,
    ids: Vec<String>,
    snapshot: LexicalSnapshot,
}

impl Collection {
    fn index(docs: &[Value]) -> Self {
        let dir = tempfile::tempdir().expect("folder");
        let mut index = LexicalIndex::open(dir.path()).expect("open");
        for (no, doc) in docs.iter().enumerate() {
            let body = text(doc, "text");
            index
                .add(&LexicalDoc {
                    chunk_no: ChunkNo(no as u32),
                    title: text(doc, "title"),
                    heading_path: "",
                    text: body,
                    lang: detect_lang(body),
                })
                .expect("add");
        }
        index.commit(Seq(1)).expect("commit");
        let ids = docs.iter().map(|doc| text(doc, "id").to_owned()).collect();
        Self {
            _dir: dir,
            ids,
            snapshot: index.snapshot(),
        }
    }

    fn search(&self, question: &str, k: usize) -> Vec<&str> {
        let all = (0..self.ids.len() as u32).collect();
        let query = LexicalQuery::new(question);
        let hits = self.snapshot.search(&query, &all, k).expect("search");
        hits.iter()
            .map(|(no, _)| self.ids[no.0 as usize].as_str())
            .collect()
    }
}

/// Mean nDCG@10 with linear gains over the questions with a relevant document.
fn ndcg_at_10(dir: &Path, keep: impl Fn(&Value) -> bool) -> f64 {
    let collection = Collection::index(&lines(&dir.join("corpus.jsonl")));
    let mut qrels: HashMap<String, HashMap<String, f64>> = HashMap::new();
    for line in fs_err::read_to_string(dir.join("qrels.tsv"))
        .expect("qrels")
        .lines()
        .skip(1)
    {
        let mut parts = line.split('\t');
        let mut next = || parts.next().expect("three columns").to_owned();
        let (query, doc, gain) = (next(), next(), next());
        let gain: f64 = gain.parse().expect("a number");
        qrels.entry(query).or_default().insert(doc, gain.max(0.0));
    }
    let dcg = |gains: &mut dyn Iterator<Item = f64>| -> f64 {
        gains
            .take(10)
            .enumerate()
            .map(|(at, gain)| gain / (at as f64 + 2.0).log2())
            .sum()
    };
    let (mut sum, mut n) = (0.0, 0.0);
    for query in lines(&dir.join("queries.jsonl"))
        .iter()
        .filter(|query| keep(query))
    {
        let Some(gains) = qrels.get(text(query, "id")) else {
            continue;
        };
        let mut ideal: Vec<f64> = gains.values().copied().collect();
        ideal.sort_by(|a, b| b.total_cmp(a));
        let ideal = dcg(&mut ideal.into_iter());
        if ideal > 0.0 {
            let found = collection.search(text(query, "text"), 10);
            let gain = |id: &&str| gains.get(*id).copied().unwrap_or(0.0);
            sum += dcg(&mut found.iter().map(gain)) / ideal;
            n += 1.0;
        }
    }
    sum / n
}

#[test]
fn english_collections_reach_their_floors() {
    let Some(data) = need("data") else {
        return;
    };
    let cranfield = ndcg_at_10(&data.join("ir_cranfield"), |_| true);
    assert!(cranfield >= 0.52, "Cranfield nDCG@10 {cranfield:.4}");
    let xquad = ndcg_at_10(&data.join("ir_xquad_xling"), |query| {
        text(query, "lang") == "en"
    });
    assert!(xquad >= 0.964, "XQuAD English nDCG@10 {xquad:.4}");
}

#[test]
fn each_of_twelve_languages_in_one_index_reaches_its_floor() {
    let Some(data) = need("data") else {
        return;
    };
    let collection = Collection::index(&lines(&data.join("qa_xquad/docs.jsonl")));
    let mut found: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for question in lines(&data.join("qa_xquad/qa.jsonl")) {
        let (hits, all) = found.entry(text(&question, "lang").to_owned()).or_default();
        *all += 1;
        let ranked = collection.search(text(&question, "question"), 10);
        *hits += u32::from(ranked.contains(&text(&question, "doc_id")));
    }
    assert_eq!(found.len(), 12);
    for (lang, (hits, all)) in found {
        let recall = f64::from(hits) / f64::from(all);
        assert!(recall >= 0.92, "{lang}: recall@10 {recall:.4}");
    }
}
