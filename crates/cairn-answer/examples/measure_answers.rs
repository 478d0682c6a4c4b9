//! Measures answers on a question set: `measure_answers SET... --vectors PREFIX [--dump FILE] [--fill FILE]`.
//!
//! SET is a folder with `docs.jsonl[.gz]` and `qa.jsonl[.gz]`. Retrieval is a plain stemmed BM25 over its best
//! score and the cosine, half each, over whole documents. `PREFIX.jsonl` holds `{"text"}` lines and `PREFIX.f32`
//! their vectors (384 little-endian f32 each); texts that are missing there are written to `--fill` and the
//! run ends. Without `--vectors` it runs on words alone. `--dump` writes every sentence's features and every
//! question's evidence for fitting. Prints one JSON line of figures for each language.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::{Arc, Mutex};

use cairn_answer::{
    AbstainOptions, ExtractiveOptions, RankedPassage, TermWeights, answer_extractively, judge,
    question_words,
};
use cairn_types::ports::{EmbedError, Embedder};
use cairn_types::{
    AccessList, BlobHash, CharSpan, ChunkId, ChunkMeta, ChunkNo, DocumentId, DocumentStatus,
    DocumentSummary, EmbeddingSpace, ParseReport, Passage, Source, Timestamp, VersionNo,
};
use rust_stemmers::{Algorithm, Stemmer};
use serde_json::{Value, json};
use unicode_segmentation::UnicodeSegmentation;

type AnyError = Box<dyn std::error::Error>;
const DIM: usize = 384;

/// Vectors computed before, by text.
struct Table {
    space: EmbeddingSpace,
    vectors: HashMap<String, Vec<f32>>,
    missing: Mutex<BTreeSet<String>>,
}

impl Embedder for Table {
    fn space(&self) -> &EmbeddingSpace {
        &self.space
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.len() / 4
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let one = |text: &&str| match self.vectors.get(*text) {
            Some(vector) => vector.clone(),
            None => {
                if let Ok(mut missing) = self.missing.lock() {
                    missing.insert((*text).to_owned());
                }
                vec![0.0; DIM]
            }
        };
        Ok(texts.iter().map(one).collect())
    }
}

struct Doc {
    id: String,
    lang: String,
    article: String,
    passage: Passage,
    vector: Option<Vec<f32>>,
}

/// Postings, document lengths.
#[derive(Default)]
struct Bm25 {
    postings: HashMap<String, Vec<(usize, f32)>>,
    lengths: Vec<f32>,
}

impl Bm25 {
    fn idf(&self, term: &str) -> f32 {
        let n = self.lengths.len() as f32;
        let df = self.postings.get(term).map_or(0, Vec::len) as f32;
        (1.0 + (n - df + 0.5) / (df + 0.5)).ln()
    }

    fn scores(&self, terms: &[String]) -> Vec<f32> {
        let mean = self.lengths.iter().sum::<f32>() / self.lengths.len().max(1) as f32;
        let mut scores = vec![0.0; self.lengths.len()];
        for term in terms {
            for (doc, tf) in self.postings.get(term).into_iter().flatten() {
                let norm = 1.2 * (0.25 + 0.75 * self.lengths[*doc] / mean);
                scores[*doc] += self.idf(term) * tf * 2.2 / (tf + norm);
            }
        }
        scores
    }
}

fn terms(text: &str, lang: &str) -> Vec<String> {
    let stemmer = match lang {
        "en" => Some(Algorithm::English),
        "de" => Some(Algorithm::German),
        "es" => Some(Algorithm::Spanish),
        "ro" => Some(Algorithm::Romanian),
        "ru" => Some(Algorithm::Russian),
        "tr" => Some(Algorithm::Turkish),
        "el" => Some(Algorithm::Greek),
        "ar" => Some(Algorithm::Arabic),
        _ => None,
    }
    .map(Stemmer::create);
    let lower = text.to_lowercase();
    if matches!(lang, "zh" | "th") {
        let chars: Vec<char> = lower.chars().filter(|c| c.is_alphanumeric()).collect();
        return chars.windows(2).map(|pair| pair.iter().collect()).collect();
    }
    lower
        .unicode_words()
        .map(|word| match &stemmer {
            Some(stemmer) => stemmer.stem(word).into_owned(),
            None => word.to_owned(),
        })
        .collect()
}

fn rows(folder: &str, name: &str) -> Result<Vec<Value>, AnyError> {
    let plain = format!("{folder}/{name}.jsonl");
    let reader: Box<dyn Read> = match fs_err::File::open(&plain) {
        Ok(file) => Box::new(file),
        Err(_) => Box::new(flate2::read::GzDecoder::new(fs_err::File::open(format!(
            "{plain}.gz"
        ))?)),
    };
    let lines = BufReader::new(reader).lines();
    lines
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect()
}

fn text_of(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap_or("").to_owned()
}

fn passage(no: usize, row: &Value) -> Passage {
    let text = text_of(row, "text");
    let id = ChunkId {
        document: DocumentId(no as u64),
        version: VersionNo(1),
        ordinal: 0,
    };
    let document = DocumentSummary {
        id: id.document,
        collection: "default".to_owned(),
        source: Source::upload(),
        key: text_of(row, "id"),
        uri: format!("upload:{}", text_of(row, "id")),
        title: text_of(row, "title"),
        media_type: "text/plain".to_owned(),
        tags: BTreeSet::new(),
        access: AccessList::everyone(),
        version: VersionNo(1),
        size_bytes: text.len() as u64,
        blob: BlobHash::of(text.as_bytes()),
        n_chunks: 1,
        status: DocumentStatus::Ok,
        report: ParseReport::default(),
        modified_at: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        deleted_at: None,
    };
    Passage {
        chunk_no: ChunkNo(u32::try_from(no).unwrap_or(u32::MAX)),
        id,
        meta: ChunkMeta {
            ordinal: 0,
            span: CharSpan::new(0, text.chars().count()),
            page: None,
            heading_path: String::new(),
            lang: row["lang"].as_str().map(str::to_owned),
            n_tokens: 0,
        },
        text,
        document: Arc::new(document),
    }
}

/// As the scorer does it: folded, without punctuation and (English) articles; characters of Han and Thai alone.
fn normal(text: &str, lang: &str) -> Vec<String> {
    let lower: String = text
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || c.is_whitespace() || !c.is_ascii() && !is_mark(*c))
        .flat_map(|c| {
            let alone =
                ('\u{e00}'..='\u{e7f}').contains(&c) || ('\u{3040}'..='\u{9fff}').contains(&c);
            if alone { vec![' ', c, ' '] } else { vec![c] }
        })
        .collect();
    lower
        .split_whitespace()
        .filter(|word| lang != "en" || !matches!(*word, "a" | "an" | "the"))
        .map(str::to_owned)
        .collect()
}

fn is_mark(c: char) -> bool {
    !c.is_alphanumeric()
        && matches!(u32::from(c), 0xa1 | 0xa7 | 0xab | 0xb6 | 0xb7 | 0xbb | 0xbf | 0x2010..=0x2027 | 0x2030..=0x205e
            | 0x3001..=0x3003 | 0x3008..=0x3011 | 0xff01..=0xff0f | 0xff1a..=0xff1f | 0x60c | 0x61b | 0x61f | 0x964)
}

fn inside(gold: &[String], text: &[String]) -> bool {
    !gold.is_empty() && text.windows(gold.len()).any(|window| window == gold)
}

fn f1(a: &[String], b: &[String]) -> f32 {
    let mut left = b.to_vec();
    let mut same = 0.0;
    for word in a {
        if let Some(at) = left.iter().position(|other| other == word) {
            left.swap_remove(at);
            same += 1.0;
        }
    }
    if same == 0.0 {
        0.0
    } else {
        2.0 * same / (a.len() + b.len()) as f32
    }
}

fn golds(row: &Value) -> Vec<String> {
    fn flat(value: &Value, out: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| flat(item, out)),
            Value::String(text) => out.push(text.clone()),
            _ => {}
        }
    }
    let mut out = Vec::new();
    flat(&row["answers"], &mut out);
    out
}

fn main() -> Result<(), AnyError> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1).cloned()
    };
    let folder = args.first().ok_or("no folder of a question set given")?;
    let only_lang = option("--lang");
    // `en`: index one language alone. Default: all documents.
    let index_lang = option("--index");
    let mut table = Table {
        space: EmbeddingSpace {
            model: "table".to_owned(),
            model_hash: String::new(),
            recipe: "f32".to_owned(),
            pooling: "mean".to_owned(),
            prompts: String::new(),
            max_tokens: 256,
            dim: DIM as u32,
        },
        vectors: HashMap::new(),
        missing: Mutex::default(),
    };
    let prefixes: Vec<String> = option("--vectors").map_or(Vec::new(), |list| {
        list.split(',').map(str::to_owned).collect()
    });
    for prefix in &prefixes {
        let bytes = fs_err::read(format!("{prefix}.f32"))?;
        let lines = BufReader::new(fs_err::File::open(format!("{prefix}.jsonl"))?).lines();
        for (line, chunk) in lines.zip(bytes.chunks(DIM * 4)) {
            let row: Value = serde_json::from_str(&line?)?;
            let vector = chunk
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect();
            table.vectors.insert(text_of(&row, "text"), vector);
        }
    }
    let has_model = !prefixes.is_empty();

    let docs: Vec<Doc> = rows(folder, "docs")?
        .iter()
        .filter(|row| index_lang.is_none() || row["lang"].as_str() == index_lang.as_deref())
        .enumerate()
        .map(|(no, row)| {
            let title = text_of(row, "title").replace('_', " ");
            let body = text_of(row, "text");
            let input = if title.is_empty() {
                body
            } else {
                format!("{title}\n{body}")
            };
            let id = text_of(row, "id");
            Doc {
                article: id.split('-').nth(1).unwrap_or("").to_owned(),
                lang: row["lang"].as_str().unwrap_or("en").to_owned(),
                vector: table.vectors.get(&input).cloned(),
                passage: passage(no, row),
                id,
            }
        })
        .collect();
    let mut bm25 = Bm25::default();
    for (no, doc) in docs.iter().enumerate() {
        let text = format!(
            "{} {}",
            doc.passage.document.title.replace('_', " "),
            doc.passage.text
        );
        let words = terms(&text, &doc.lang);
        bm25.lengths.push(words.len() as f32);
        let mut counts: BTreeMap<String, f32> = BTreeMap::new();
        words
            .into_iter()
            .for_each(|word| *counts.entry(word).or_default() += 1.0);
        for (word, tf) in counts {
            bm25.postings.entry(word).or_default().push((no, tf));
        }
    }
    let mut dump = option("--dump")
        .map(fs_err::File::create)
        .transpose()?
        .map(std::io::BufWriter::new);
    let options = ExtractiveOptions::default();
    // Half 0: articles 00-11 are left out; half 1: the others; none: everything is there.
    let mut figures: BTreeMap<(String, &str), BTreeMap<&str, f64>> = BTreeMap::new();
    for row in rows(folder, "qa")? {
        let lang = row["lang"].as_str().unwrap_or("en").to_owned();
        if only_lang.as_ref().is_some_and(|only| *only != lang) {
            continue;
        }
        let question = text_of(&row, "question");
        let id = text_of(&row, "id");
        let odd =
            u8::from_str_radix(id.get(id.len() - 1..).unwrap_or("0"), 16).unwrap_or(0) % 2 == 1;
        let query = terms(&question, &lang);
        let lexical = bm25.scores(&query);
        let vector = table.vectors.get(&question);
        let idf: HashMap<String, f32> = question_words(&question)
            .into_iter()
            .map(|word| {
                let parts = terms(&word, &lang);
                let idf = parts.iter().map(|term| bm25.idf(term)).fold(0.0, f32::max);
                (word, idf)
            })
            .collect();
        let weights = TermWeights::new(idf, bm25.idf("\u{0}"));
        let article = text_of(&row, "doc_id")
            .split('-')
            .nth(1)
            .unwrap_or("")
            .to_owned();
        for setting in ["all", "held_out"] {
            let keep = |doc: &Doc| match setting {
                "all" => true,
                // The half of the articles that does not hold the question's own.
                _ => (doc.article.as_str() < "12") != (article.as_str() < "12"),
            };
            if setting == "held_out" && article.is_empty() {
                continue;
            }
            let best = (0..docs.len())
                .filter(|no| keep(&docs[*no]))
                .map(|no| lexical[no])
                .fold(f32::MIN_POSITIVE, f32::max);
            let mut ranked: Vec<(f32, usize, Option<f32>)> = (0..docs.len())
                .filter(|no| keep(&docs[*no]))
                .map(|no| {
                    let dense = match (vector, &docs[no].vector) {
                        (Some(q), Some(d)) => {
                            Some(q.iter().zip(d).map(|(a, b)| a * b).sum::<f32>())
                        }
                        _ => None,
                    };
                    let lexical_share = lexical[no] / best;
                    let score =
                        dense.map_or(lexical_share, |dense| 0.5 * lexical_share + 0.5 * dense);
                    (score, no, dense)
                })
                .collect();
            ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let passages: Vec<RankedPassage> = ranked
                .iter()
                .take(10)
                .map(|(score, no, dense)| RankedPassage {
                    passage: docs[*no].passage.clone(),
                    score: *score,
                    dense: *dense,
                    lexical: Some(lexical[*no]),
                })
                .collect();
            let embedder: Option<&dyn Embedder> = if has_model { Some(&table) } else { None };
            let found = answer_extractively(&question, &passages, &weights, embedder, &options)?;
            let gold: Vec<Vec<String>> =
                golds(&row).iter().map(|gold| normal(gold, &lang)).collect();
            let has = |text: &str| {
                let text = normal(text, &lang);
                gold.iter().any(|gold| inside(gold, &text))
            };
            let in_first = found.quotes.first().is_some_and(|quote| has(&quote.text));
            let in_any = found.quotes.iter().any(|quote| has(&quote.text));
            let short = normal(found.short_answer.as_deref().unwrap_or(""), &lang);
            let em = gold.contains(&short);
            let f1 = gold.iter().map(|gold| f1(&short, gold)).fold(0.0, f32::max);
            let n_chars: usize = found
                .quotes
                .iter()
                .map(|quote| quote.text.chars().count())
                .sum();
            let n_sentences: usize = found.quotes.iter().map(|quote| quote.n_sentences).sum();
            assert!(
                found.quotes.len() <= 3 && n_sentences <= 3,
                "more than was asked for"
            );
            let in_document =
                |passage: usize| docs[ranked[passage].1].id == row["doc_id"].as_str().unwrap_or("");
            let belief = judge(&found.evidence, &AbstainOptions::default());
            for (group, counts) in [("all", true), ("even", !odd), ("odd", odd)] {
                if counts && setting == "all" {
                    let sums = figures.entry((lang.clone(), group)).or_default();
                    let mut add = |key, value: f64| *sums.entry(key).or_default() += value;
                    add("n", 1.0);
                    add("in_first", f64::from(u8::from(in_first)));
                    add("in_quotes", f64::from(u8::from(in_any)));
                    add("em", f64::from(u8::from(em)));
                    add("f1", f64::from(f1));
                    add("chars", n_chars as f64);
                    add(
                        "first_chars",
                        found.quotes.first().map_or(0, |q| q.text.chars().count()) as f64,
                    );
                    add("sentences", n_sentences as f64);
                }
            }
            for (group, counts) in [("all", true), ("even", !odd), ("odd", odd)] {
                if counts {
                    let sums = figures.entry((lang.clone(), group)).or_default();
                    let key = if setting == "all" {
                        "false_abstention"
                    } else {
                        "caught_unanswerable"
                    };
                    *sums.entry(key).or_default() += f64::from(u8::from(belief.abstain));
                    *sums.entry("conflicts").or_default() +=
                        f64::from(u8::from(setting == "all" && found.conflict.is_some()));
                }
            }
            if let Some(dump) = &mut dump {
                let sentences: Vec<Value> = found
                    .trace
                    .iter()
                    .map(|trace| {
                        let text = &passages[trace.passage].passage.text[trace.bytes.clone()];
                        let full = if setting == "all" { json!(trace.features) } else { Value::Null };
                        json!({"f": full, "gold": has(text), "doc": in_document(trace.passage), "score": trace.score, "n": text.chars().count(), "p": trace.passage, "b": trace.bytes.start})
                    })
                    .collect();
                let line = json!({"id": id, "lang": lang, "odd": odd, "setting": setting, "article": article,
                    "question": question, "evidence": found.evidence.features, "in_first": in_first, "in_any": in_any,
                    "fused": passages.first().map(|p| p.score), "bm25": best,
                    "sentences": if setting == "all" { Value::Array(sentences) } else { Value::Null }});
                writeln!(dump, "{line}")?;
            }
        }
    }
    let missing = table.missing.lock().map_err(|_| "poisoned")?;
    if has_model && !missing.is_empty() {
        let mut file = fs_err::File::create(option("--fill").unwrap_or("fill.jsonl".to_owned()))?;
        for text in missing.iter() {
            writeln!(file, "{}", json!({"text": text}))?;
        }
        return Err(format!(
            "{} texts have no vector: embed the fill file first",
            missing.len()
        )
        .into());
    }
    let mut out = std::io::stdout();
    for ((lang, group), sums) in figures {
        let n = sums["n"];
        let means: BTreeMap<&str, f64> = sums
            .iter()
            .map(|(key, sum)| {
                (
                    *key,
                    if *key == "n" {
                        n
                    } else {
                        (sum / n * 10_000.0).round() / 10_000.0
                    },
                )
            })
            .collect();
        writeln!(
            out,
            "{}",
            json!({"lang": lang, "ids": group, "means": means})
        )?;
    }
    Ok(())
}
