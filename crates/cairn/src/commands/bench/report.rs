//! What `cairn bench` says: one object for programs, tables for people.
//!
//! A measurement that was not asked for is left out; one that could not be made says why.

use cairn_bench::{Latencies, Machine, Table};
use serde::Serialize;

/// All of a run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) cairn: Build,
    pub(super) machine: MachineReport,
    pub(super) seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encoder: Option<EncoderReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ingest: Option<IngestReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base: Option<BaseReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) search: Option<SearchReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) start: Vec<Timed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) insert: Option<Timed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) serve: Option<ServeReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory: Option<MemoryReport>,
    /// What was not measured, and why.
    pub(super) notes: Vec<String>,
}

/// Which Cairn.
#[derive(Debug, Serialize)]
pub(super) struct Build {
    pub(super) version: &'static str,
    /// Where it was told at build time (`CAIRN_COMMIT`).
    pub(super) commit: Option<&'static str>,
    pub(super) optimised: bool,
    pub(super) model: Option<String>,
    pub(super) kernel: Option<&'static str>,
}

/// Which machine.
#[derive(Debug, Serialize)]
pub(super) struct MachineReport {
    cpu: String,
    features: Vec<&'static str>,
    cores: usize,
    memory_bytes: Option<u64>,
    os: String,
}

impl From<Machine> for MachineReport {
    fn from(machine: Machine) -> Self {
        Self {
            cpu: machine.cpu,
            features: machine.features,
            cores: machine.n_cores,
            memory_bytes: machine.memory_bytes,
            os: machine.os,
        }
    }
}

/// Times of one thing that was done often.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Timed {
    pub(super) what: String,
    pub(super) n: usize,
    pub(super) p50_ms: f64,
    pub(super) p95_ms: f64,
    pub(super) p99_ms: f64,
}

impl Timed {
    pub(super) fn new(what: impl Into<String>, latencies: &Latencies) -> Self {
        Self {
            what: what.into(),
            n: latencies.len(),
            p50_ms: rounded(latencies.percentile_ms(50)),
            p95_ms: rounded(latencies.percentile_ms(95)),
            p99_ms: rounded(latencies.percentile_ms(99)),
        }
    }
}

/// Texts to vectors.
#[derive(Debug, Serialize)]
pub(super) struct EncoderReport {
    pub(super) passages: usize,
    pub(super) mean_tokens: f64,
    pub(super) rates: Vec<EncoderRate>,
    pub(super) query_mean_tokens: f64,
    pub(super) query: Timed,
    /// Of the space in use to f32, on some of the passages.
    pub(super) cosine_mean: f64,
    pub(super) cosine_min: f64,
    pub(super) cosine_passages: usize,
}

/// Speed on some threads.
#[derive(Debug, Serialize)]
pub(super) struct EncoderRate {
    pub(super) threads: usize,
    pub(super) passages_per_s: f64,
    pub(super) tokens_per_s: f64,
}

/// Files to found chunks.
#[derive(Debug, Serialize)]
pub(super) struct IngestReport {
    pub(super) files: u64,
    pub(super) failed: u64,
    pub(super) bytes: u64,
    pub(super) chunks: u64,
    pub(super) seconds: f64,
    /// Of the run as it counts itself, without the start of the process.
    pub(super) chunks_per_s: f64,
    pub(super) embedding_share: f64,
    pub(super) stages_s: Vec<(String, f64)>,
    pub(super) peak_bytes: Option<u64>,
}

/// What is searched.
#[derive(Debug, Clone, Serialize)]
pub(super) struct BaseReport {
    pub(super) chunks: usize,
    pub(super) documents: u64,
    pub(super) vectors: String,
    pub(super) fill_seconds: f64,
    pub(super) index_seconds: f64,
    pub(super) catalog_bytes: u64,
    pub(super) dense_bytes: u64,
    pub(super) lexical_bytes: u64,
}

/// Searches in one process.
#[derive(Debug, Serialize)]
pub(super) struct SearchReport {
    pub(super) queries: usize,
    pub(super) rows: Vec<SearchRow>,
    /// The dense index alone: ten best, one thread.
    pub(super) index: Vec<IndexRow>,
    pub(super) stages: Vec<StageRow>,
    pub(super) threads: Vec<ThreadRow>,
}

/// One way to search.
#[derive(Debug, Serialize)]
pub(super) struct SearchRow {
    pub(super) mode: &'static str,
    pub(super) filter: &'static str,
    pub(super) allowed_chunks: u64,
    #[serde(flatten)]
    pub(super) times: Timed,
    pub(super) recall_at_10: Option<f64>,
    pub(super) results: f64,
}

/// The dense index with a filter.
#[derive(Debug, Serialize)]
pub(super) struct IndexRow {
    pub(super) filter: &'static str,
    pub(super) allowed_chunks: u64,
    #[serde(flatten)]
    pub(super) times: Timed,
    pub(super) recall_at_10: f64,
}

/// Medians of the parts of a search.
#[derive(Debug, Serialize)]
pub(super) struct StageRow {
    pub(super) mode: &'static str,
    pub(super) plan_ms: f64,
    pub(super) embed_ms: f64,
    pub(super) dense_ms: f64,
    pub(super) lexical_ms: f64,
    pub(super) fuse_ms: f64,
    pub(super) hydrate_ms: f64,
}

/// Hybrid searches at once.
#[derive(Debug, Serialize)]
pub(super) struct ThreadRow {
    pub(super) threads: usize,
    pub(super) searches_per_s: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// Searches over HTTP.
#[derive(Debug, Serialize)]
pub(super) struct ServeReport {
    pub(super) mode: &'static str,
    pub(super) connections: usize,
    pub(super) seconds: f64,
    pub(super) requests: usize,
    pub(super) errors: usize,
    pub(super) requests_per_s: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// Memory of a server.
#[derive(Debug, Serialize)]
pub(super) struct MemoryReport {
    /// With an empty data folder.
    pub(super) empty_bytes: u64,
    /// With the base, before the first question.
    pub(super) started_bytes: u64,
    /// After the questions.
    pub(super) searched_bytes: u64,
    /// The most of the server while it read documents.
    pub(super) ingest_peak_bytes: u64,
    /// The most of its parsing processes together.
    pub(super) workers_peak_bytes: u64,
    pub(super) memory_bytes_per_chunk: f64,
    pub(super) disk_bytes_per_chunk: f64,
}

/// Four decimals: more would be noise.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

impl Report {
    /// The tables, in the order of the measurements.
    pub(super) fn to_text(&self) -> String {
        let mut parts = vec![self.heading()];
        parts.extend(self.encoder.as_ref().map(EncoderReport::table));
        parts.extend(self.ingest.as_ref().map(IngestReport::table));
        parts.extend(self.base.as_ref().map(BaseReport::table));
        if let Some(search) = &self.search {
            parts.extend(search.tables());
        }
        if !self.start.is_empty() {
            parts.push(times("A fresh process to its first answer", &self.start));
        }
        if let Some(insert) = &self.insert {
            parts.push(times(
                "One small document, server running",
                std::slice::from_ref(insert),
            ));
        }
        parts.extend(self.serve.as_ref().map(ServeReport::table));
        parts.extend(self.memory.as_ref().map(MemoryReport::table));
        parts.extend(
            self.notes
                .iter()
                .map(|note| format!("Not measured: {note}.")),
        );
        parts.join("\n\n")
    }

    fn heading(&self) -> String {
        let Build {
            version,
            commit,
            optimised,
            model,
            kernel,
        } = &self.cairn;
        let commit = commit
            .map(|commit| format!(" ({commit})"))
            .unwrap_or_default();
        let build = if *optimised { "" } else { ", not optimised" };
        let model = model.as_deref().unwrap_or("no model");
        let kernel = kernel
            .map(|kernel| format!(", kernel {kernel}"))
            .unwrap_or_default();
        let machine = &self.machine;
        let memory = machine
            .memory_bytes
            .map(|bytes| format!(", {} memory", size(bytes)));
        format!(
            "cairn {version}{commit}{build}, {model}{kernel}, seed {}\n{}, {} cores ({}){}, {}",
            self.seed,
            machine.cpu,
            machine.cores,
            machine.features.join(" "),
            memory.unwrap_or_default(),
            machine.os,
        )
    }
}

impl EncoderReport {
    fn table(&self) -> String {
        let title = format!(
            "Encoder: {} passages of {:.0} wordpieces; cosine to f32 mean {:.5}, min {:.5} over {}",
            self.passages,
            self.mean_tokens,
            self.cosine_mean,
            self.cosine_min,
            self.cosine_passages
        );
        let mut table = Table::new(title, &["threads", "passages/s", "tokens/s"]);
        for rate in &self.rates {
            table.row([
                rate.threads.to_string(),
                format!("{:.1}", rate.passages_per_s),
                format!("{:.0}", rate.tokens_per_s),
            ]);
        }
        let queries = times(
            &format!(
                "Questions of {:.1} wordpieces, one at a time",
                self.query_mean_tokens
            ),
            std::slice::from_ref(&self.query),
        );
        format!("{}\n\n{queries}", table.to_markdown())
    }
}

impl IngestReport {
    fn table(&self) -> String {
        let title = format!(
            "Ingest: {} files, {} chunks, {}",
            self.files,
            self.chunks,
            size(self.bytes)
        );
        let mut table = Table::new(title, &["what", "measured"]);
        let mut row = |what: &str, value: String| table.row([what.to_owned(), value]);
        row("chunks/s", format!("{:.1}", self.chunks_per_s));
        row("seconds", format!("{:.2}", self.seconds));
        row(
            "share of embedding",
            format!("{:.0} %", self.embedding_share * 100.0),
        );
        for (stage, seconds) in &self.stages_s {
            row(&format!("  {stage} s"), format!("{seconds:.2}"));
        }
        if let Some(bytes) = self.peak_bytes {
            row("peak memory", size(bytes));
        }
        if self.failed > 0 {
            row("files not read", self.failed.to_string());
        }
        table.to_markdown()
    }
}

impl BaseReport {
    fn table(&self) -> String {
        let title = format!(
            "Base: {} chunks of {} documents, {}",
            self.chunks, self.documents, self.vectors
        );
        let mut table = Table::new(title, &["what", "total", "per chunk"]);
        for (what, bytes) in [
            ("catalog (text, vectors, permissions)", self.catalog_bytes),
            ("dense index", self.dense_bytes),
            ("lexical index", self.lexical_bytes),
        ] {
            table.row([what.to_owned(), size(bytes), per_chunk(bytes, self.chunks)]);
        }
        for (what, seconds) in [
            ("filled", self.fill_seconds),
            ("indexed", self.index_seconds),
        ] {
            table.row([what.to_owned(), format!("{seconds:.1} s"), String::new()]);
        }
        table.to_markdown()
    }
}

impl SearchReport {
    fn tables(&self) -> Vec<String> {
        let recall =
            |value: Option<f64>| value.map(|value| format!("{value:.4}")).unwrap_or_default();
        let mut rows = Table::new(
            format!("Search in process, {} questions, ten results", self.queries),
            &[
                "mode, filter",
                "chunks",
                "p50 ms",
                "p95 ms",
                "p99 ms",
                "recall@10",
            ],
        );
        for row in &self.rows {
            rows.row([
                format!("{}, {}", row.mode, row.filter),
                row.allowed_chunks.to_string(),
                ms(row.times.p50_ms),
                ms(row.times.p95_ms),
                ms(row.times.p99_ms),
                recall(row.recall_at_10),
            ]);
        }
        let mut index = Table::new(
            "Dense index alone, ten best, one thread",
            &[
                "filter",
                "chunks",
                "p50 ms",
                "p95 ms",
                "p99 ms",
                "recall@10",
            ],
        );
        for row in &self.index {
            index.row([
                row.filter.to_owned(),
                row.allowed_chunks.to_string(),
                ms(row.times.p50_ms),
                ms(row.times.p95_ms),
                ms(row.times.p99_ms),
                recall(Some(row.recall_at_10)),
            ]);
        }
        let mut stages = Table::new(
            "Parts of a search without filter, p50 ms",
            &[
                "mode", "plan", "embed", "dense", "lexical", "fuse", "hydrate",
            ],
        );
        for row in &self.stages {
            stages.row([
                row.mode.to_owned(),
                ms(row.plan_ms),
                ms(row.embed_ms),
                ms(row.dense_ms),
                ms(row.lexical_ms),
                ms(row.fuse_ms),
                ms(row.hydrate_ms),
            ]);
        }
        let mut threads = Table::new(
            "Searches at once",
            &["threads", "searches/s", "p50 ms", "p99 ms"],
        );
        for row in &self.threads {
            threads.row([
                row.threads.to_string(),
                format!("{:.0}", row.searches_per_s),
                ms(row.p50_ms),
                ms(row.p99_ms),
            ]);
        }
        let mut tables = vec![rows.to_markdown()];
        if !self.index.is_empty() {
            tables.push(index.to_markdown());
        }
        tables.extend([stages.to_markdown(), threads.to_markdown()]);
        tables
    }
}

impl ServeReport {
    fn table(&self) -> String {
        let title = format!(
            "HTTP search ({}), {} connections, {:.1} s, asked from the same machine",
            self.mode, self.connections, self.seconds
        );
        let mut table = Table::new(
            title,
            &["requests", "errors", "requests/s", "p50 ms", "p99 ms"],
        );
        table.row([
            self.requests.to_string(),
            self.errors.to_string(),
            format!("{:.0}", self.requests_per_s),
            ms(self.p50_ms),
            ms(self.p99_ms),
        ]);
        table.to_markdown()
    }
}

impl MemoryReport {
    fn table(&self) -> String {
        let mut table = Table::new("Memory of `cairn serve`", &["when", "resident"]);
        for (when, bytes) in [
            ("empty data folder", self.empty_bytes),
            ("the base, idle after start", self.started_bytes),
            ("the base, idle after searches", self.searched_bytes),
            ("while it reads documents, most", self.ingest_peak_bytes),
            ("  its parsing processes, most", self.workers_peak_bytes),
        ] {
            table.row([when.to_owned(), size(bytes)]);
        }
        let per_chunk = [
            ("per chunk in memory", self.memory_bytes_per_chunk),
            ("per chunk on disk", self.disk_bytes_per_chunk),
        ];
        for (what, bytes) in per_chunk {
            table.row([what.to_owned(), format!("{bytes:.0} B")]);
        }
        table.to_markdown()
    }
}

fn times(title: &str, rows: &[Timed]) -> String {
    let mut table = Table::new(title, &["what", "times", "p50 ms", "p95 ms", "p99 ms"]);
    for row in rows {
        table.row([
            row.what.clone(),
            row.n.to_string(),
            ms(row.p50_ms),
            ms(row.p95_ms),
            ms(row.p99_ms),
        ]);
    }
    table.to_markdown()
}

/// Three digits that count.
fn ms(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.3}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

fn size(bytes: u64) -> String {
    crate::output::bytes(bytes)
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn per_chunk(bytes: u64, n_chunks: usize) -> String {
    format!("{:.0} B", bytes as f64 / n_chunks.max(1) as f64)
}
