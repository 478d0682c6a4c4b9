//! The encoder: passages a second on one thread and on all, one question at a time, agreement with f32.

use std::path::Path;
use std::time::Instant;

use cairn_bench::{Corpus, Latencies};
use cairn_models::{InstalledModel, LoadOptions, NativeEmbedder, Precision};
use cairn_types::ports::Embedder;

use crate::failure::Failure;

use super::args::BenchArgs;
use super::progress::Progress;
use super::report::{EncoderRate, EncoderReport, Timed, rounded};
use super::save;

/// Passages that are embedded together, as the write path does it.
const BATCH: usize = 192;
/// Passages that are also embedded in f32: it takes three times as long.
const COMPARED: usize = 200;
/// Documents that questions and passages are taken from.
const PARAGRAPHS: usize = 4;

pub(super) async fn measure(
    args: &BenchArgs,
    model: &InstalledModel,
    load: &LoadOptions,
    progress: Progress,
) -> Result<EncoderReport, Failure> {
    let corpus = Corpus::new(args.seed);
    let n_documents = args.passages.div_ceil(PARAGRAPHS) as u64;
    let passages: Vec<String> = (0..n_documents)
        .flat_map(|number| corpus.document(number, PARAGRAPHS).paragraphs)
        .take(args.passages)
        .collect();
    let texts: Vec<&str> = passages.iter().map(String::as_str).collect();
    let all = args.threads.unwrap_or(load.threads);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let all = if all == 0 { cores } else { all };
    let one = open(model, load, 1, None)?;
    let n_tokens: usize = texts.iter().map(|text| one.count_tokens(text)).sum();
    let mut rates = Vec::new();
    let mut vectors = Vec::new();
    let mut counts = vec![1];
    counts.extend((all > 1).then_some(all));
    for threads in counts {
        let embedder = open(model, load, threads, None)?;
        let bar = progress.bar(texts.len(), "passages embedded");
        // The first groups pay for memory that later ones find.
        embedder.embed(&texts[..texts.len().min(8 * threads)])?;
        vectors.clear();
        let started = Instant::now();
        for batch in texts.chunks(BATCH) {
            vectors.extend(embedder.embed(batch)?);
            bar.inc(batch.len() as u64);
            // Lets Ctrl-C through.
            tokio::task::yield_now().await;
        }
        let seconds = started.elapsed().as_secs_f64().max(1e-9);
        bar.finish_and_clear();
        rates.push(EncoderRate {
            threads,
            passages_per_s: rounded(ratio(texts.len(), seconds)),
            tokens_per_s: rounded(ratio(n_tokens, seconds)),
        });
    }
    let questions: Vec<String> = (0..args.queries as u64)
        .map(|number| corpus.question(number, n_documents).text)
        .collect();
    let query_tokens: usize = questions.iter().map(|text| one.count_tokens(text)).sum();
    one.embed(&[&questions[0]])?;
    let mut times = Vec::with_capacity(questions.len());
    for question in &questions {
        let started = Instant::now();
        one.embed(&[question.as_str()])?;
        times.push(started.elapsed());
    }
    let compared = &texts[..texts.len().min(COMPARED)];
    let reference = open(model, load, all, Some(Precision::F32))?;
    let cosines: Vec<f64> = reference
        .embed(compared)?
        .iter()
        .zip(&vectors)
        .map(|(exact, vector)| cosine(exact, vector))
        .collect();
    if let Some(folder) = &args.save {
        write(folder, &passages, &vectors)?;
        save::json(folder, "questions.json", &questions)?;
    }
    Ok(EncoderReport {
        passages: texts.len(),
        mean_tokens: rounded(ratio(n_tokens, texts.len() as f64)),
        rates,
        query_mean_tokens: rounded(ratio(query_tokens, questions.len() as f64)),
        query: Timed::new("question", &times.into_iter().collect::<Latencies>()),
        cosine_mean: cosines.iter().sum::<f64>() / cosines.len() as f64,
        cosine_min: cosines.iter().copied().fold(1.0, f64::min),
        cosine_passages: cosines.len(),
    })
}

/// The instructions that the encoder runs with on this machine.
pub(super) fn kernel(model: &InstalledModel, load: &LoadOptions) -> Result<&'static str, Failure> {
    Ok(open(model, load, 1, None)?.kernel_name())
}

fn open(
    model: &InstalledModel,
    load: &LoadOptions,
    threads: usize,
    precision: Option<Precision>,
) -> Result<NativeEmbedder, Failure> {
    let options = LoadOptions {
        threads,
        precision,
        ..*load
    };
    Ok(NativeEmbedder::load(&model.dir, &options)?)
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn ratio(n: usize, by: f64) -> f64 {
    n as f64 / by
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |x: &[f32], y: &[f32]| -> f64 {
        let products = x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y));
        products.sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f64::MIN_POSITIVE)
}

/// `passages.json` (a list of texts) and `passages.f32` (their vectors, row by row, little-endian).
fn write(folder: &Path, passages: &[String], vectors: &[Vec<f32>]) -> Result<(), Failure> {
    save::json(folder, "passages.json", &passages)?;
    let mut file = save::create(folder, "passages.f32")?;
    for vector in vectors {
        file.vector(vector)?;
    }
    file.finish()
}
