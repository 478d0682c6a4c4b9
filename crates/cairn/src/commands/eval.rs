//! `cairn eval`: measures retrieval and answers through the same API that everybody uses.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cairn_eval::{
    Answered, Dataset, EvalDocument, EvalError, Gate, Hit, LeaveOut, Question, Report,
    RetrieverKind, Run, check_gates, leave_out, read_dataset, read_golden, score_abstention,
    score_answers, score_golden, score_retrieval, write_run,
};
use cairn_ingest::{IngestEvent, PreparedDocument};
use cairn_llm::LlmSettings;
use cairn_models::ModelStore;
use cairn_server::api::{
    ChatReply, ChatRequest, DocumentRef, IngestEvent as ApiEvent, IngestRequest, Outcome,
    SearchMode, SearchReply, SearchRequest, Status,
};
use cairn_server::{Surface, router};
use cairn_types::{Element, ElementKind, ErrorKind, Extracted, ParseReport, Source};
use http::Method;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::EvalArgs;
use crate::client::{Client, Target, encode_path, failed, read, read_line, to_json};
use crate::config::Settings;
use crate::failure::{Failure, PARTIAL};
use crate::output::Output;
use crate::wiring::{self, Embedding, Opened};

/// Chunks asked for per query, so that 100 documents are among them.
const CHUNKS_PER_QUERY: usize = 300;
/// Documents of a ranking: what Recall@100 looks at.
const DOCUMENTS_PER_QUERY: usize = 100;
/// Uris of data set documents: the id follows.
const SCHEME: &str = "dataset:";

pub(crate) async fn run(
    args: EvalArgs,
    settings: &Settings,
    llm: &LlmSettings,
    own_dir: bool,
    output: Output,
) -> Result<u8, Failure> {
    let gates: Vec<Gate> = args
        .gates
        .iter()
        .map(|gate| gate.parse())
        .collect::<Result<_, EvalError>>()?;
    let mut report = Report::default();
    let golden = args.dataset.join("golden.jsonl");
    if golden.is_file() {
        run_golden(&args, &golden, settings, llm, own_dir, output, &mut report).await?;
    } else {
        run_dataset(&args, settings, llm, own_dir, output, &mut report).await?;
    }
    if output.json {
        let value = serde_json::to_value(&report).map_err(|error| {
            Failure::new(
                ErrorKind::Bug,
                format!("the report cannot be written: {error}"),
            )
        })?;
        output.value(&value)?;
    } else {
        output.line(report.to_table())?;
    }
    let missed: Vec<String> = check_gates(&report, &gates)
        .iter()
        .map(ToString::to_string)
        .collect();
    if missed.is_empty() {
        return Ok(0);
    }
    Err(Failure {
        message: missed.join("; "),
        hint: None,
        exit_code: PARTIAL,
        code: "gate_missed".to_owned(),
    })
}

/// A data folder for one measurement, gone when dropped unless a person named it.
struct Bench {
    opened: Opened,
    client: Client,
    /// The data set's own, so that other documents of a named data folder do not take part.
    collection: String,
    _throw_away: Option<tempfile::TempDir>,
}

/// Opens a data folder: the named one, or a new one with the models of the usual one.
async fn open(
    settings: &Settings,
    llm: &LlmSettings,
    own_dir: bool,
    (collection, documents): (&str, Vec<EvalDocument>),
    output: Output,
) -> Result<Bench, Failure> {
    let mut settings = settings.clone();
    let models = ModelStore::open(settings.data_dir.join("models"));
    let throw_away = if own_dir {
        None
    } else {
        let dir = tempfile::tempdir().map_err(|error| {
            Failure::new(
                ErrorKind::Unavailable,
                format!("no temporary folder can be made: {error}"),
            )
        })?;
        settings.data_dir = dir.path().join("data");
        Some(dir)
    };
    let parts = wiring::parts(&settings, llm, Embedding::Checked, Some(models)).await?;
    if !documents.is_empty() {
        ingest(&parts, collection, documents, output).await?;
    }
    let opened = parts.into_app().await?;
    let client = Client::new(
        Target::InProcess(router(opened.app.clone(), Surface::Local)),
        None,
    );
    Ok(Bench {
        opened,
        client,
        collection: collection.to_owned(),
        _throw_away: throw_away,
    })
}

async fn ingest(
    parts: &wiring::Parts,
    collection: &str,
    documents: Vec<EvalDocument>,
    output: Output,
) -> Result<(), Failure> {
    let bar = bar(documents.len(), "documents", output);
    let prepared = documents.into_iter().map(prepared).collect();
    let pipeline = parts.pipeline();
    let summary = pipeline
        .ingest_prepared(collection, Source::upload(), prepared, |event| {
            if matches!(event, IngestEvent::Document(_)) {
                bar.inc(1);
            }
        })
        .await?;
    bar.finish_and_clear();
    let seconds = summary.elapsed.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = summary.n_chunks as f64 / seconds.max(1e-9);
    output.note(format!(
        "{} documents, {} chunks ({} truncated) in {seconds:.1} s: {rate:.1} chunks/s; chunking {:.1} s, embedding {:.1} s, \
         writing {:.1} s",
        summary.n_added,
        summary.n_chunks,
        summary.n_truncated,
        summary.stages.chunk.as_secs_f64(),
        summary.stages.embed.as_secs_f64(),
        summary.stages.write.as_secs_f64(),
    ));
    Ok(())
}

fn prepared(document: EvalDocument) -> PreparedDocument {
    let parts = document
        .text
        .split("\n\n")
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let extracted = Extracted {
        media_type: "text/plain".to_owned(),
        title: Some(document.title.clone()).filter(|title| !title.is_empty()),
        elements: parts
            .map(|part| Element::new(ElementKind::Paragraph, part))
            .collect(),
        report: ParseReport::default(),
    };
    PreparedDocument {
        uri: format!("{SCHEME}{}", document.id),
        key: document.id,
        extracted,
    }
}

async fn run_dataset(
    args: &EvalArgs,
    settings: &Settings,
    llm: &LlmSettings,
    own_dir: bool,
    output: Output,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut dataset = read_dataset(&args.dataset)?;
    narrow(&mut dataset, args);
    if args.leave_out {
        return run_leave_out(&dataset, settings, llm, output, report).await;
    }
    let collection = collection_of(&args.dataset);
    let documents = (collection.as_str(), dataset.documents.clone());
    let bench = open(settings, llm, own_dir, documents, output).await?;
    let status: Status = read(bench.client.get("/local/v1/status").await?)?;
    for kind in RetrieverKind::ALL {
        if status.lexical_only && kind != RetrieverKind::Lexical {
            continue;
        }
        let run = rankings(&bench, &dataset, kind, output).await?;
        if let Some(folder) = &args.run_dir {
            write_trec(folder, &dataset.name, kind, &run)?;
        }
        report.add_retrieval(kind, &score_retrieval(&dataset, &run));
    }
    if !dataset.questions.is_empty() {
        let answers = ask_all(&bench, &dataset.questions, output).await?;
        report.add_answers(&score_answers(&dataset.questions, &answers));
    }
    bench.opened.app.close().await;
    Ok(())
}

/// Leaves out queries that were not asked for; all documents stay.
fn narrow(dataset: &mut Dataset, args: &EvalArgs) {
    if let Some(lang) = &args.lang {
        dataset
            .queries
            .retain(|query| query.lang.as_deref() == Some(lang.as_str()));
        dataset
            .questions
            .retain(|question| question.lang.as_deref() == Some(lang.as_str()));
    }
    if let Some(limit) = args.limit {
        dataset.queries.truncate(limit);
        dataset.questions.truncate(limit);
    }
    let asked: std::collections::HashSet<&str> = dataset
        .queries
        .iter()
        .map(|query| query.id.as_str())
        .collect();
    dataset
        .qrels
        .retain(|query, _| asked.contains(query.as_str()));
}

async fn rankings(
    bench: &Bench,
    dataset: &Dataset,
    kind: RetrieverKind,
    output: Output,
) -> Result<Run, Failure> {
    let bar = bar(dataset.queries.len(), kind.as_str(), output);
    let mut run = Run::new();
    for query in &dataset.queries {
        let request = SearchRequest {
            top_k: CHUNKS_PER_QUERY,
            mode: mode_of(kind),
            collections: vec![bench.collection.clone()],
            ..SearchRequest::new(query.text.clone())
        };
        let reply: SearchReply = read(bench.client.post("/api/v1/search", &request).await?)?;
        let mut hits: Vec<Hit> = Vec::new();
        for result in &reply.results {
            let id = dataset_id(&result.document);
            // A document's place is that of its best chunk.
            if hits.len() < DOCUMENTS_PER_QUERY && !hits.iter().any(|hit| hit.document_id == id) {
                hits.push(Hit {
                    document_id: id,
                    score: f64::from(result.score),
                });
            }
        }
        run.insert(query.id.clone(), hits);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(run)
}

const fn mode_of(kind: RetrieverKind) -> SearchMode {
    match kind {
        RetrieverKind::Lexical => SearchMode::Lexical,
        RetrieverKind::Dense => SearchMode::Dense,
        RetrieverKind::Hybrid => SearchMode::Hybrid,
    }
}

fn dataset_id(document: &DocumentRef) -> String {
    let uri = &document.uri;
    uri.strip_prefix(SCHEME).unwrap_or(uri).to_owned()
}

async fn ask_all(
    bench: &Bench,
    questions: &[Question],
    output: Output,
) -> Result<HashMap<String, Answered>, Failure> {
    let bar = bar(questions.len(), "questions", output);
    let mut answers = HashMap::new();
    for question in questions {
        answers.insert(question.id.clone(), ask(bench, &question.question).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(answers)
}

async fn ask(bench: &Bench, question: &str) -> Result<Answered, Failure> {
    let request = ChatRequest {
        query: Some(question.to_owned()),
        collections: vec![bench.collection.clone()],
        ..ChatRequest::default()
    };
    let reply: ChatReply = read(bench.client.post("/api/v1/chat", &request).await?)?;
    let cited_documents = reply
        .citations
        .iter()
        .map(|citation| dataset_id(&citation.document))
        .collect();
    Ok(Answered {
        // Exact match and F1 compare short answers: the guess inside the first quote, where there is one.
        answer: reply.short_answer.unwrap_or(reply.answer),
        quotes: reply
            .citations
            .into_iter()
            .map(|citation| citation.quote)
            .collect(),
        cited_documents,
        abstained: reply.abstained,
        conflict: reply.conflict,
        confidence: Some(f64::from(reply.confidence)),
    })
}

/// Asks about articles that are not there: each half of the articles is left out once.
async fn run_leave_out(
    dataset: &Dataset,
    settings: &Settings,
    llm: &LlmSettings,
    output: Output,
    report: &mut Report,
) -> Result<(), Failure> {
    let (mut questions, mut answers) = (Vec::new(), HashMap::new());
    let mut unanswerable = Vec::new();
    for LeaveOut {
        documents,
        answerable: inside,
        unanswerable: outside,
    } in leave_out(dataset)
    {
        let bench = open(settings, llm, false, ("left-out", documents), output).await?;
        answers.extend(ask_all(&bench, &inside, output).await?);
        questions.extend(inside);
        unanswerable.extend(ask_all(&bench, &outside, output).await?.into_values());
        bench.opened.app.close().await;
    }
    report.add_answers(&score_answers(&questions, &answers));
    let answerable: Vec<Answered> = answers.into_values().collect();
    report.add_abstention(&score_abstention(&answerable, &unanswerable));
    Ok(())
}

/// A golden set over files of our own: they go through the workers like anybody's.
async fn run_golden(
    args: &EvalArgs,
    golden: &Path,
    settings: &Settings,
    llm: &LlmSettings,
    own_dir: bool,
    output: Output,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut cases = read_golden(golden)?;
    cases.truncate(args.limit.unwrap_or(usize::MAX));
    let collection = collection_of(&args.dataset);
    let bench = open(settings, llm, own_dir, (&collection, Vec::new()), output).await?;
    let documents = args.dataset.join("documents");
    let base = fs_err::canonicalize(&documents)
        .map_err(|error| Failure::new(ErrorKind::NotFound, error.to_string()))?;
    let request = IngestRequest {
        collection: bench.collection.clone(),
        ..IngestRequest::new(vec![".".to_owned()], base.to_string_lossy())
    };
    let request = to_json(&request)?;
    let mut not_read: Vec<String> = Vec::new();
    let mut error = None;
    bench
        .client
        .lines(Method::POST, "/local/v1/ingest", Some(&request), |line| {
            match read_line(line)? {
                ApiEvent::Document(document)
                    if matches!(document.outcome, Outcome::Failed | Outcome::Skipped) =>
                {
                    let reason = document.reason.unwrap_or_default();
                    not_read.push(format!("{}: {reason}", document.path));
                }
                ApiEvent::Summary(summary) => error = summary.error,
                ApiEvent::Document(_) | ApiEvent::Discovered { .. } | ApiEvent::Embedded { .. } => {
                }
            }
            Ok(())
        })
        .await?;
    if let Some(error) = error {
        return Err(failed(error));
    }
    if let Some(first) = not_read.first() {
        return Err(Failure::new(
            ErrorKind::Unavailable,
            format!("{} documents were not read; {first}", not_read.len()),
        ));
    }
    let below = format!("file://{}/", encode_path(&base.to_string_lossy()));
    let bar = bar(cases.len(), "questions", output);
    let mut answers = HashMap::new();
    for case in &cases {
        let mut answered = ask(&bench, &case.question).await?;
        for document in &mut answered.cited_documents {
            if let Some(relative) = document.strip_prefix(&below) {
                *document = relative.to_owned();
            }
        }
        answers.insert(case.id.clone(), answered);
        bar.inc(1);
    }
    bar.finish_and_clear();
    report.add_golden(score_golden(&cases, &answers));
    bench.opened.app.close().await;
    Ok(())
}

/// The collection of a data set: named after its folder.
fn collection_of(dataset: &Path) -> String {
    let name = fs_err::canonicalize(dataset).ok().and_then(|path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    });
    let name = name.unwrap_or_else(|| "dataset".to_owned());
    let plain: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '-' })
        .take(60)
        .collect();
    format!("eval-{plain}")
}

fn write_trec(folder: &Path, dataset: &str, kind: RetrieverKind, run: &Run) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(ErrorKind::Unavailable, error.to_string());
    fs_err::create_dir_all(folder).map_err(failed)?;
    let path: PathBuf = folder.join(format!("{dataset}.{}.trec", kind.as_str()));
    let file = fs_err::File::create(path).map_err(failed)?;
    write_run(run, "cairn", std::io::BufWriter::new(file))?;
    Ok(())
}

fn bar(n: usize, what: &'static str, output: Output) -> Arc<ProgressBar> {
    let bar = ProgressBar::new(n as u64);
    if output.json || output.quiet {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}  {eta} left") {
        bar.set_style(style);
    }
    bar.set_message(what);
    Arc::new(bar)
}
