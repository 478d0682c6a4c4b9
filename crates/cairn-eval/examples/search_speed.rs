//! Measures searches over a made corpus: each stage, opening, memory.
//!
//! ```text
//! cargo run --release -p cairn-eval --example search_speed -- make DATA_DIR CHUNKS DATASET...
//! cargo run --release -p cairn-eval --example search_speed -- run DATA_DIR ROUNDS DATASET...
//! ```
//! `make` fills a data directory (a model must be installed in it) with a corpus made from the texts of datasets, seed 1.
//! `run` opens it as the product does and asks the English questions of datasets, each round in another order; in place of
//! `run`, the beginning of a case's name (`lexical`) runs that case alone.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that reports to a person and stops where it cannot go on"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cairn_eval::{MadeCorpus, MadeVectors, Material, publish_made, read_dataset};
use cairn_models::{LoadOptions, ModelStore, NativeEmbedder};
use cairn_retrieve::{Engine, Mode, SearchRequest, SearchResponse};
use cairn_store::{DataDir, SqliteCatalog};
use cairn_testkit::{Random, owner_of, scope};
use cairn_types::ports::{Catalog, Embedder};
use cairn_types::{DocumentFilter, Scope, SystemClock, SystemPurpose, SystemScope};

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [command, data_dir, number, datasets @ ..] = args.as_slice() else {
        println!("expected: make|run DATA_DIR NUMBER DATASET...");
        return;
    };
    let number: u64 = number.parse().unwrap();
    match command.as_str() {
        "make" => make(Path::new(data_dir), number, datasets).await,
        case => run(Path::new(data_dir), number, datasets, case).await,
    }
}

fn model(dir: &DataDir) -> Arc<dyn Embedder> {
    let model = ModelStore::open(dir.models()).default_model().unwrap();
    Arc::new(NativeEmbedder::load(&model.dir, &LoadOptions::default()).unwrap())
}

async fn make(data_dir: &Path, n_chunks: u64, datasets: &[String]) {
    let dir = DataDir::open(data_dir, &SystemClock).unwrap();
    let catalog: Arc<dyn Catalog> =
        Arc::new(SqliteCatalog::open(dir.catalog(), Arc::new(SystemClock)).unwrap());
    let tenant = catalog.ensure_tenant("default").await.unwrap();
    let embedder = model(&dir);
    let mut texts = Vec::new();
    for dataset in datasets {
        for document in read_dataset(Path::new(dataset)).unwrap().documents {
            if document.lang.as_deref().is_none_or(|lang| lang == "en") {
                texts.push((document.title, document.text));
            }
        }
    }
    let texts = texts
        .iter()
        .map(|(title, text)| (title.as_str(), text.as_str()));
    let corpus = MadeCorpus::new(Material::new(texts).unwrap(), 1);
    let started = Instant::now();
    let openings = corpus.material().openings();
    let openings: Vec<&str> = openings.iter().map(String::as_str).collect();
    let topics = embedder.embed(&openings).unwrap();
    println!(
        "{} topics embedded in {:.1?}",
        topics.len(),
        started.elapsed()
    );
    let started = Instant::now();
    let vectors = MadeVectors {
        space: embedder.space(),
        topics: &topics,
    };
    let system = SystemScope::new(tenant, SystemPurpose::Ingest);
    let (documents, chunks) =
        publish_made(catalog.as_ref(), system, &corpus, n_chunks, Some(vectors))
            .await
            .unwrap();
    println!(
        "{documents} documents, {chunks} chunks published in {:.1?}",
        started.elapsed()
    );
    let started = Instant::now();
    Engine::open(catalog, Some(embedder), tenant, dir.index().join("g1"))
        .await
        .unwrap();
    println!("indexed in {:.1?}", started.elapsed());
}

async fn run(data_dir: &Path, rounds: u64, datasets: &[String], wanted: &str) {
    let started = Instant::now();
    let dir = DataDir::open(data_dir, &SystemClock).unwrap();
    let catalog: Arc<dyn Catalog> =
        Arc::new(SqliteCatalog::open(dir.catalog(), Arc::new(SystemClock)).unwrap());
    let tenant = catalog.ensure_tenant("default").await.unwrap();
    let opened_catalog = started.elapsed();
    let started = Instant::now();
    let embedder = model(&dir);
    let loaded_model = started.elapsed();
    println!("memory with catalog and model: {}", memory());
    let started = Instant::now();
    let engine = Engine::open(catalog, Some(embedder), tenant, dir.index().join("g1"))
        .await
        .unwrap();
    println!(
        "open: catalog {opened_catalog:.1?}, model {loaded_model:.1?}, indexes {:.1?}",
        started.elapsed()
    );
    println!("memory with indexes: {}", memory());
    println!("{:?}", engine.status());
    let mut questions: Vec<String> = Vec::new();
    for dataset in datasets {
        let queries = read_dataset(Path::new(dataset)).unwrap().queries;
        let english = queries
            .into_iter()
            .filter(|query| query.lang.as_deref().is_none_or(|lang| lang == "en"));
        questions.extend(english.map(|query| query.text));
    }
    println!("{} questions, {rounds} rounds", questions.len());
    let owner = owner_of(tenant);
    let of = |group: &str| scope(tenant, &[group]);
    let tagged = DocumentFilter {
        tags: ["tenth".to_owned()].into(),
        ..DocumentFilter::default()
    };
    let any = DocumentFilter::default();
    let cases: [(&str, Mode, Scope, &DocumentFilter); 7] = [
        ("hybrid", Mode::Hybrid, owner.clone(), &any),
        ("hybrid, one reader", Mode::Hybrid, of("group:all"), &any),
        (
            "hybrid, may read 10 %",
            Mode::Hybrid,
            of("group:tenth"),
            &any,
        ),
        (
            "hybrid, may read 1 %",
            Mode::Hybrid,
            of("group:hundredth"),
            &any,
        ),
        ("hybrid, filter 10 %", Mode::Hybrid, owner.clone(), &tagged),
        ("lexical", Mode::Lexical, owner.clone(), &any),
        ("dense", Mode::Dense, owner, &any),
    ];
    for (name, mode, scope, filter) in cases {
        if wanted != "run" && !name.starts_with(wanted) {
            continue;
        }
        let mut random = Random::seeded(1);
        let mut all = Vec::new();
        for _ in 0..rounds {
            random.shuffle(&mut questions);
            for question in &questions {
                let request = SearchRequest {
                    mode,
                    filter: filter.clone(),
                    ..SearchRequest::new(question.as_str(), 10)
                };
                let started = Instant::now();
                let response = engine.search(&scope, &request).await.unwrap();
                all.push((started.elapsed(), response));
            }
        }
        report(name, &all);
    }
    println!("memory after searches: {}", memory());
}

type Stage = fn(&SearchResponse) -> Duration;

fn report(name: &str, all: &[(Duration, SearchResponse)]) {
    let at = |times: &mut [Duration], share: f64| {
        times.sort_unstable();
        let place = ((times.len() - 1) as f64 * share).round() as usize;
        times[place].as_secs_f64() * 1e3
    };
    let mut total: Vec<Duration> = all.iter().map(|(time, _)| *time).collect();
    print!(
        "{name:22} p50 {:6.3} p95 {:6.3} p99 {:6.3} ms |",
        at(&mut total, 0.5),
        at(&mut total, 0.95),
        at(&mut total, 0.99)
    );
    let stages: [(&str, Stage); 6] = [
        ("plan", |response| response.timings.plan),
        ("lexical", |response| response.timings.lexical),
        ("embed", |response| response.timings.embed),
        ("dense", |response| response.timings.dense),
        ("fuse", |response| response.timings.fuse),
        ("hydrate", |response| response.timings.hydrate),
    ];
    for (stage, time_of) in stages {
        let mut times: Vec<Duration> = all.iter().map(|(_, response)| time_of(response)).collect();
        print!(
            " {stage} {:.3}/{:.3}",
            at(&mut times, 0.5),
            at(&mut times, 0.99)
        );
    }
    println!();
}

/// What this process holds, from the kernel's account of it.
fn memory() -> String {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let fields = status.lines().filter(|line| {
        ["VmRSS", "VmHWM", "RssAnon", "RssFile"]
            .iter()
            .any(|name| line.starts_with(name))
    });
    fields
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join(", ")
}
