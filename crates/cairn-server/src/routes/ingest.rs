//! `POST /local/v1/ingest`: files of this machine, for the owner. `POST /api/v1/ingest`: pages of the web, for who may write.
//!
//! Pages that a key asks for stand in the room of its user, as uploads do: nobody replaces, or learns of, a document of somebody
//! else by naming its address.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use cairn_ingest::{
    DeletionGuard, DocumentReport, FilesRequest, IngestEvent as Event, RunMode, StageTimes,
    Summary, WebRequest, discover,
};
use cairn_types::{ErrorKind, Outcome};
use cairn_web::{Within, parse};
use tokio::sync::Notify;

use super::docs::{check_collection, check_tags, to_access};
use super::stream::{Lines, lines};
use super::upload::{display_name, room};
use crate::api::{
    self, DocumentStatus, IngestDocument, IngestEvent, IngestRequest, IngestSummary, Problem,
    StagesMs, WebIngestRequest, millis,
};
use crate::app::App;
use crate::auth::Caller;
use crate::extract::Json;
use crate::following::following;
use crate::observe::RequestInfo;
use crate::problem::ApiError;

/// Reads files. Fails at once where the paths name nothing; from then on the reply is a stream whose last line is the summary.
pub(super) async fn ingest(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(info): Extension<RequestInfo>,
    Json(body): Json<IngestRequest>,
) -> Result<Response, ApiError> {
    let request = to_request(body).await?;
    Ok(start(app, caller, info, Work::Files(request)))
}

/// Reads pages of the web. The reply is a stream of one JSON object a line; the last line is the summary.
#[utoipa::path(
    post, path = "/api/v1/ingest", tag = "documents",
    request_body = WebIngestRequest,
    responses(
        (status = 200, description = "One object a line; the last one has `event` `summary`.", body = IngestEvent, content_type = "application/x-ndjson"),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn web(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Extension(info): Extension<RequestInfo>,
    Json(body): Json<WebIngestRequest>,
) -> Result<Response, ApiError> {
    let request = to_web_request(body, room(&caller.scope), app.settings().max_web_pages)?;
    Ok(start(app, caller, info, Work::Web(request)))
}

/// What a run reads.
enum Work {
    Files(FilesRequest),
    Web(WebRequest),
}

/// Starts a run in the background. The reply tells of it, and cancels it where nobody reads on.
fn start(app: App, caller: Caller, info: RequestInfo, work: Work) -> Response {
    let cancel = app.closing().child_token();
    let (lines, response) = lines(cancel.clone().drop_guard());
    let tasks = app.tasks().clone();
    tasks.spawn(async move {
        let (gate, mode) = match &work {
            Work::Files(request) => (app.ingest_gate(), request.mode),
            Work::Web(request) => (app.web_gate(), request.mode),
        };
        let turn = tokio::select! {
            turn = gate.acquire() => turn,
            () = cancel.cancelled() => return,
        };
        let Ok(_turn) = turn else {
            return;
        };
        let published = Arc::new(Notify::new());
        let mut counted = Summary::default();
        let mut error = None;
        let pipeline = app.core().pipeline.clone();
        let (result, index_time) = {
            let emit = |event| {
                let event = in_own_words(&caller, event);
                tell(event, &lines, &mut counted, &published);
            };
            let run = async {
                let scope = &caller.scope;
                match work {
                    Work::Files(request) => {
                        pipeline.ingest_files(scope, request, &cancel, emit).await
                    }
                    Work::Web(request) => {
                        let client = app.web();
                        pipeline
                            .ingest_web(scope, client, request, &cancel, emit)
                            .await
                    }
                }
            };
            following(&app, published.clone(), run).await
        };
        let summary = match result {
            Ok(summary) => summary,
            Err(failure) => {
                error = Some(ApiError::from(failure).problem(&info));
                Summary {
                    has_vectors: app.core().embedder.is_some(),
                    ..counted
                }
            }
        };
        let mut summary = to_summary(&summary);
        summary.stages_ms.index = millis(index_time);
        summary.dry_run = mode == RunMode::DryRun;
        summary.error = error;
        lines.write(&IngestEvent::Summary(Box::new(summary)));
    });
    response
}

/// An event without the room of the caller in front of keys.
fn in_own_words(caller: &Caller, event: Event) -> Event {
    match event {
        Event::Document(mut report) => {
            report.path = display_name(&caller.scope, &report.path).to_owned();
            Event::Document(report)
        }
        other => other,
    }
}

fn to_web_request(
    body: WebIngestRequest,
    room: String,
    most_pages: usize,
) -> Result<WebRequest, ApiError> {
    let WebIngestRequest {
        urls,
        depth,
        max_pages,
        within,
        collection,
        tags,
        allow,
        sync,
        yes,
        dry_run,
    } = body;
    if urls.is_empty() {
        return Err(ApiError::invalid("`urls` is empty: name start pages"));
    }
    let max_pages = max_pages.unwrap_or(most_pages);
    if max_pages == 0 || max_pages > most_pages || urls.len() > most_pages {
        return Err(
            ApiError::invalid(format!("a run asks for 1 to {most_pages} pages"))
                .hint("the operator can raise `web.max_pages`"),
        );
    }
    check_collection(&collection)?;
    check_tags(tags.iter())?;
    let starts = urls.iter().map(|url| parse(url.trim()));
    let starts = starts.collect::<Result<Vec<_>, _>>();
    let starts = starts.map_err(|error| ApiError::invalid(error.to_string()))?;
    Ok(WebRequest {
        starts,
        depth,
        max_pages,
        within: match within {
            api::Within::Folder => Within::Folder,
            api::Within::Host => Within::Host,
        },
        room,
        collection,
        tags,
        access: allow.as_deref().map(to_access).transpose()?,
        mode: run_mode(dry_run),
        deletions: guard(sync, yes),
    })
}

async fn to_request(body: IngestRequest) -> Result<FilesRequest, ApiError> {
    let IngestRequest {
        patterns,
        base,
        collection,
        tags,
        allow,
        sync,
        yes,
        dry_run,
    } = body;
    let base = PathBuf::from(base);
    if !base.is_absolute() {
        return Err(ApiError::invalid("`base` must be an absolute path"));
    }
    if patterns.is_empty() {
        return Err(ApiError::invalid(
            "`patterns` is empty: name files, folders or patterns",
        ));
    }
    check_collection(&collection)?;
    check_tags(tags.iter())?;
    let access = allow.as_deref().map(to_access).transpose()?;
    let discovered = tokio::task::spawn_blocking(move || discover(&patterns, &base))
        .await
        .map_err(|error| ApiError::inside(ErrorKind::Bug, &error))??;
    Ok(FilesRequest {
        discovered,
        collection,
        tags,
        access,
        mode: run_mode(dry_run),
        deletions: guard(sync, yes),
    })
}

const fn run_mode(is_dry: bool) -> RunMode {
    if is_dry {
        RunMode::DryRun
    } else {
        RunMode::Write
    }
}

const fn guard(is_sync: bool, is_confirmed: bool) -> DeletionGuard {
    match (is_sync, is_confirmed) {
        (false, _) => DeletionGuard::Keep,
        (true, false) => DeletionGuard::Careful,
        (true, true) => DeletionGuard::Confirmed,
    }
}

/// Passes an event on, and counts it in case the run does not come to its own summary.
fn tell(event: Event, lines: &Lines, counted: &mut Summary, published: &Notify) {
    match event {
        Event::Discovered { n_files, n_bytes } => {
            lines.write(&IngestEvent::Discovered { n_files, n_bytes })
        }
        Event::Document(report) => {
            count(&report, counted);
            lines.write(&IngestEvent::Document(Box::new(to_document(report))));
        }
        Event::Embedded { n_chunks } => {
            counted.n_embedded += n_chunks;
            lines.write(&IngestEvent::Embedded { n_chunks });
        }
        Event::Published { seq } => {
            counted.seq = Some(seq);
            published.notify_one();
        }
    }
}

fn count(report: &DocumentReport, counted: &mut Summary) {
    let counter = match report.outcome {
        Outcome::Added => &mut counted.n_added,
        Outcome::Updated => &mut counted.n_updated,
        Outcome::Moved => &mut counted.n_moved,
        Outcome::Unchanged => &mut counted.n_unchanged,
        Outcome::Failed => &mut counted.n_failed,
        Outcome::Skipped | Outcome::Pending => &mut counted.n_skipped,
    };
    *counter += 1;
    counted.n_chunks += u64::from(report.n_chunks.unwrap_or(0));
    counted.n_bytes += report.size_bytes;
}

fn to_document(report: DocumentReport) -> IngestDocument {
    IngestDocument {
        path: report.path,
        outcome: report.outcome.into(),
        reason: report.reason,
        document_id: report.document.map(|id| id.to_string()),
        chunks: report.n_chunks,
        status: report.parse.is_some().then_some(if report.is_partial {
            DocumentStatus::Partial
        } else {
            DocumentStatus::Ok
        }),
        coverage: report.parse.as_ref().map(|parse| parse.coverage()),
        report: report.parse.as_deref().map(Into::into),
    }
}

fn to_summary(summary: &Summary) -> IngestSummary {
    let StageTimes {
        read,
        parse,
        chunk,
        embed,
        write,
    } = summary.stages;
    IngestSummary {
        added: summary.n_added,
        updated: summary.n_updated,
        moved: summary.n_moved,
        unchanged: summary.n_unchanged,
        failed: summary.n_failed,
        skipped: summary.n_skipped,
        deleted: summary.n_deleted,
        partial: summary.n_partial,
        chunks: summary.n_chunks,
        embedded: summary.n_embedded,
        truncated: summary.n_truncated,
        bytes: summary.n_bytes,
        dry_run: false,
        lexical_only: !summary.has_vectors,
        elapsed_ms: millis(summary.elapsed),
        stages_ms: StagesMs {
            read: millis(read),
            parse: millis(parse),
            chunk: millis(chunk),
            embed: millis(embed),
            write: millis(write),
            index: 0.0,
        },
        seq: summary.seq.map(|seq| seq.0),
        error: None,
    }
}
