//! Search in one process: every mode, filters of every kind, recall against an exact scan, several threads.
//!
//! Searches go through the same engine as those of the API, the embedding of the question included. The exact scan reads the vectors
//! from the catalog, as f16 widened to f32, and knows nothing of the index.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cairn_bench::{Corpus, Exact, Latencies, Offered};
use cairn_index::DenseIndex;
use cairn_retrieve::{Engine, Mode, SearchRequest, SearchResponse, Timings};
use cairn_types::ports::{Catalog, Embedder, IndexDocument};
use cairn_types::{ErrorKind, Scope, SystemPurpose, SystemScope, TenantId};
use roaring::RoaringBitmap;

use crate::failure::Failure;

use super::args::BenchArgs;
use super::base::{SETS, folders, sets_of};
use super::progress::Progress;
use super::report::{IndexRow, SearchReport, SearchRow, StageRow, ThreadRow, Timed, rounded};
use super::save;

/// Results that are asked for.
const TOP_K: usize = 10;
/// Times that each question is asked without a filter: the p99 of few questions says little.
const ROUNDS: usize = 3;
/// Chunks that the exact scan reads at once.
const CHUNKS_PER_STEP: u32 = 4_096;

/// What searches need of an opened data folder.
pub(super) struct Opened {
    pub(super) engine: Arc<Engine>,
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) embedder: Option<Arc<dyn Embedder>>,
    pub(super) tenant: TenantId,
}

/// The questions, and what is right.
struct Truth {
    questions: Vec<String>,
    vectors: Vec<Vec<f32>>,
    exact: Exact,
    /// Chunks of each set.
    allowed: Vec<RoaringBitmap>,
}

/// One way to search.
#[derive(Clone, Copy)]
struct Way {
    mode: Mode,
    set: usize,
    rounds: usize,
}

pub(super) async fn measure(
    args: &BenchArgs,
    n_documents: u64,
    opened: &Opened,
    data: &Path,
    progress: Progress,
) -> Result<SearchReport, Failure> {
    let truth = truth(args, n_documents, opened, progress).await?;
    let modes: &[Mode] = match opened.embedder {
        Some(_) => &[Mode::Lexical, Mode::Dense, Mode::Hybrid],
        None => &[Mode::Lexical],
    };
    let mut rows = Vec::new();
    let mut stages = Vec::new();
    let n_rows = modes.len() * SETS.len();
    let bar = progress.bar(n_rows, "ways to search");
    for &mode in modes {
        for set in 0..SETS.len() {
            let rounds = if set == 0 { ROUNDS } else { 1 };
            let way = Way { mode, set, rounds };
            let (row, timings) = ask_all(opened, &truth, way).await?;
            rows.push(row);
            if set == 0 {
                stages.push(stage_row(mode, &timings));
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let index = match &opened.embedder {
        Some(embedder) => index_rows(data, embedder.as_ref(), &truth)?,
        None => Vec::new(),
    };
    let threads = at_once(args, opened, &truth.questions).await?;
    Ok(SearchReport {
        queries: truth.questions.len(),
        rows,
        index,
        stages,
        threads,
    })
}

/// Asks the questions and finds the exact answers, set by set.
async fn truth(
    args: &BenchArgs,
    n_documents: u64,
    opened: &Opened,
    progress: Progress,
) -> Result<Truth, Failure> {
    let corpus = Corpus::new(args.seed);
    let questions: Vec<String> = (0..args.queries as u64)
        .map(|number| corpus.question(number, n_documents).text)
        .collect();
    let texts: Vec<&str> = questions.iter().map(String::as_str).collect();
    let vectors = match &opened.embedder {
        Some(embedder) => embedder.embed_queries(&texts)?,
        None => Vec::new(),
    };
    let system = SystemScope::new(opened.tenant, SystemPurpose::Index);
    let (_, documents) = opened.catalog.index_documents(system, None).await?;
    let allowed = allowed(&documents);
    let mut exact = Exact::new(vectors.clone(), TOP_K, SETS.len());
    if let Some(embedder) = &opened.embedder {
        let last = allowed[0].max().unwrap_or(0);
        let bar = progress.bar(last as usize, "vectors scanned exactly");
        let mut saved = match &args.save {
            Some(folder) => Some(Saved::begin(folder, &vectors)?),
            None => None,
        };
        let mut first = 0;
        while first <= last {
            let range = first..=last.min(first.saturating_add(CHUNKS_PER_STEP - 1));
            first = range.end().saturating_add(1);
            let chunks = opened
                .catalog
                .index_chunks(system, Some(embedder.space()), range)
                .await?;
            let offered: Vec<Offered> = chunks
                .iter()
                .filter_map(|chunk| {
                    let number = chunk.chunk_no.0;
                    Some(Offered {
                        number,
                        sets: sets_with(&allowed, number),
                        vector: widened(chunk.vector.as_deref()?),
                    })
                })
                .collect();
            if let Some(saved) = &mut saved {
                saved.add(&offered)?;
            }
            exact.offer(&offered);
            bar.set_position(u64::from(first));
        }
        bar.finish_and_clear();
        if let Some(saved) = saved {
            saved.end(embedder.space().dim, questions.len())?;
        }
    }
    Ok(Truth {
        questions,
        vectors,
        exact,
        allowed,
    })
}

fn allowed(documents: &[IndexDocument]) -> Vec<RoaringBitmap> {
    let mut allowed = vec![RoaringBitmap::new(); SETS.len()];
    for document in documents {
        let Some(chunks) = document.chunks.clone() else {
            continue;
        };
        let sets = sets_of(&document.access);
        for (set, bitmap) in allowed.iter_mut().enumerate() {
            if sets >> set & 1 == 1 {
                bitmap.insert_range(chunks.clone());
            }
        }
    }
    allowed
}

fn sets_with(allowed: &[RoaringBitmap], number: u32) -> u32 {
    let is_in = |bitmap: &RoaringBitmap| u32::from(bitmap.contains(number));
    (0..)
        .zip(allowed)
        .map(|(bit, bitmap)| is_in(bitmap) << bit)
        .sum()
}

/// Little-endian f16 as f32.
fn widened(bytes: &[u8]) -> Vec<f32> {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs
        .iter()
        .map(|pair| half::f16::from_le_bytes(*pair).to_f32())
        .collect()
}

/// `vectors.f32` and `sets.u32` (one row and one number of sets for each chunk, in order of chunk number), `queries.f32`, and
/// `search.json` that says how many there are.
struct Saved {
    folder: std::path::PathBuf,
    vectors: save::Numbers,
    sets: save::Numbers,
    n_vectors: usize,
}

impl Saved {
    fn begin(folder: &Path, queries: &[Vec<f32>]) -> Result<Self, Failure> {
        let mut file = save::create(folder, "queries.f32")?;
        for query in queries {
            file.vector(query)?;
        }
        file.finish()?;
        Ok(Self {
            folder: folder.to_owned(),
            vectors: save::create(folder, "vectors.f32")?,
            sets: save::create(folder, "sets.u32")?,
            n_vectors: 0,
        })
    }

    fn add(&mut self, offered: &[Offered]) -> Result<(), Failure> {
        for offered in offered {
            self.vectors.vector(&offered.vector)?;
            self.sets.number(offered.sets)?;
        }
        self.n_vectors += offered.len();
        Ok(())
    }

    fn end(self, dim: u32, n_queries: usize) -> Result<(), Failure> {
        self.vectors.finish()?;
        self.sets.finish()?;
        let sets: Vec<&str> = SETS.iter().map(|set| set.label).collect();
        let about = serde_json::json!({
            "vectors": self.n_vectors, "queries": n_queries, "dim": dim, "sets": sets,
        });
        save::json(&self.folder, "search.json", &about)
    }
}

async fn search(
    engine: &Engine,
    scope: &Scope,
    mode: Mode,
    question: &str,
) -> Result<(Duration, SearchResponse), Failure> {
    let request = SearchRequest {
        mode,
        ..SearchRequest::new(question, TOP_K)
    };
    let started = Instant::now();
    let response = engine.search(scope, &request).await?;
    Ok((started.elapsed(), response))
}

async fn ask_all(
    opened: &Opened,
    truth: &Truth,
    way: Way,
) -> Result<(SearchRow, Vec<Timings>), Failure> {
    let scope = SETS[way.set].scope(opened.tenant);
    // The first searches find nothing in the caches.
    for question in truth.questions.iter().take(20) {
        search(&opened.engine, &scope, way.mode, question).await?;
    }
    let (mut times, mut timings) = (Vec::new(), Vec::new());
    let (mut recall, mut n_results) = (0.0, 0);
    for round in 0..way.rounds {
        for (query, question) in truth.questions.iter().enumerate() {
            let (time, response) = search(&opened.engine, &scope, way.mode, question).await?;
            times.push(time);
            timings.push(response.timings);
            let found = response
                .results
                .iter()
                .map(|result| result.passage.chunk_no.0);
            if let Some(stranger) = found
                .clone()
                .find(|number| !truth.allowed[way.set].contains(*number))
            {
                return Err(Failure::new(
                    ErrorKind::Bug,
                    format!("a search found chunk {stranger}, which its reader may not see"),
                ));
            }
            if round == 0 {
                n_results += response.results.len();
                recall += truth.exact.recall(query, way.set, found);
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "some hundred questions")]
    let n_queries = truth.questions.len() as f64;
    #[expect(clippy::cast_precision_loss, reason = "some thousand results")]
    let n_results = n_results as f64;
    let row = SearchRow {
        mode: word(way.mode),
        filter: SETS[way.set].label,
        allowed_chunks: truth.allowed[way.set].len(),
        times: Timed::new("search", &times.into_iter().collect::<Latencies>()),
        recall_at_10: (way.mode == Mode::Dense).then(|| rounded(recall / n_queries)),
        results: rounded(n_results / n_queries),
    };
    Ok((row, timings))
}

const fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Hybrid => "hybrid",
        Mode::Dense => "dense",
        Mode::Lexical => "lexical",
    }
}

fn stage_row(mode: Mode, timings: &[Timings]) -> StageRow {
    let median = |part: fn(&Timings) -> Duration| {
        let times: Latencies = timings.iter().map(part).collect();
        rounded(times.percentile_ms(50))
    };
    StageRow {
        mode: word(mode),
        plan_ms: median(|timings| timings.plan),
        embed_ms: median(|timings| timings.embed),
        dense_ms: median(|timings| timings.dense),
        lexical_ms: median(|timings| timings.lexical),
        fuse_ms: median(|timings| timings.fuse),
        hydrate_ms: median(|timings| timings.hydrate),
    }
}

/// The dense index alone, on this thread.
fn index_rows(
    data: &Path,
    embedder: &dyn Embedder,
    truth: &Truth,
) -> Result<Vec<IndexRow>, Failure> {
    let space = embedder.space();
    let dir = folders(&data.join("index"))
        .into_iter()
        .map(|index| index.join("dense"))
        .find(|dense| dense.is_dir());
    let Some(dir) = dir else {
        return Err(Failure::new(ErrorKind::Bug, "the base has no dense index"));
    };
    let snapshot = DenseIndex::open(&dir, space.dim as usize, &space.key())?.snapshot();
    let mut rows = Vec::new();
    for (set, allowed) in truth.allowed.iter().enumerate() {
        let mut times = Vec::new();
        let mut recall = 0.0;
        for vector in truth.vectors.iter().take(20) {
            snapshot.search(vector, allowed, TOP_K)?;
        }
        for round in 0..ROUNDS {
            for (query, vector) in truth.vectors.iter().enumerate() {
                let started = Instant::now();
                let found = snapshot.search(vector, allowed, TOP_K)?;
                times.push(started.elapsed());
                if round == 0 {
                    let found = found.iter().map(|(chunk_no, _)| chunk_no.0);
                    recall += truth.exact.recall(query, set, found);
                }
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "some hundred questions")]
        let n_queries = truth.vectors.len() as f64;
        rows.push(IndexRow {
            filter: SETS[set].label,
            allowed_chunks: allowed.len(),
            times: Timed::new("search", &times.into_iter().collect::<Latencies>()),
            recall_at_10: rounded(recall / n_queries),
        });
    }
    Ok(rows)
}

/// Searches on 1, 2, 4 ... threads at once; hybrid where there is a model.
async fn at_once(
    args: &BenchArgs,
    opened: &Opened,
    questions: &[String],
) -> Result<Vec<ThreadRow>, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let most = args.threads.unwrap_or(cores).max(1);
    let mode = if opened.embedder.is_some() {
        Mode::Hybrid
    } else {
        Mode::Lexical
    };
    let questions: Arc<[String]> = questions.into();
    let mut rows = Vec::new();
    let mut threads = 1;
    loop {
        let next = Arc::new(AtomicUsize::new(0));
        let n_searches = ROUNDS * questions.len();
        let started = Instant::now();
        let tasks: Vec<_> = (0..threads)
            .map(|_| {
                let (engine, next, questions) =
                    (opened.engine.clone(), next.clone(), questions.clone());
                let scope = SETS[0].scope(opened.tenant);
                tokio::spawn(async move {
                    let mut times = Vec::new();
                    loop {
                        let i = next.fetch_add(1, Ordering::Relaxed);
                        if i >= n_searches {
                            return Ok::<_, Failure>(times);
                        }
                        let question = &questions[i % questions.len()];
                        times.push(search(&engine, &scope, mode, question).await?.0);
                    }
                })
            })
            .collect();
        let mut times = Vec::new();
        for task in tasks {
            let ended = task.await;
            times.extend(ended.map_err(|error| Failure::new(ErrorKind::Bug, error.to_string()))??);
        }
        let seconds = started.elapsed().as_secs_f64().max(1e-9);
        let latencies: Latencies = times.into_iter().collect();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        rows.push(ThreadRow {
            threads,
            searches_per_s: rounded(latencies.len() as f64 / seconds),
            p50_ms: rounded(latencies.percentile_ms(50)),
            p99_ms: rounded(latencies.percentile_ms(99)),
        });
        if threads >= most {
            return Ok(rows);
        }
        threads = (threads * 2).min(most);
    }
}
