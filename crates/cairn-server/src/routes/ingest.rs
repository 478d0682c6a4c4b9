//! `POST /local/v1/ingest`: files of this machine, for the owner.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use cairn_ingest::{
    DeletionGuard, DocumentReport, FilesRequest, IngestEvent as Event, RunMode, StageTimes,
    Summary, discover,
};
use cairn_types::{ErrorKind, Outcome};
use tokio::sync::Notify;

use super::docs::{check_collection, check_tags, to_access};
use super::stream::{Lines, lines};
use crate::api::{
    DocumentStatus, IngestDocument, IngestEvent, IngestRequest, IngestSummary, StagesMs, millis,
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
    let cancel = app.closing().child_token();
    let (lines, response) = lines(cancel.clone().drop_guard());
    let tasks = app.tasks().clone();
    tasks.spawn(async move {
        let Ok(_turn) = app.ingest_gate().acquire().await else {
            return;
        };
        let is_dry_run = request.mode == RunMode::DryRun;
        let published = Arc::new(Notify::new());
        let mut counted = Summary::default();
        let mut error = None;
        let pipeline = app.core().pipeline.clone();
        let (result, index_time) = {
            let emit = |event| tell(event, &lines, &mut counted, &published);
            let run = pipeline.ingest_files(&caller.scope, request, &cancel, emit);
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
        summary.dry_run = is_dry_run;
        summary.error = error;
        lines.write(&IngestEvent::Summary(Box::new(summary)));
    });
    Ok(response)
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
        mode: if dry_run {
            RunMode::DryRun
        } else {
            RunMode::Write
        },
        deletions: match (sync, yes) {
            (false, _) => DeletionGuard::Keep,
            (true, false) => DeletionGuard::Careful,
            (true, true) => DeletionGuard::Confirmed,
        },
    })
}

/// Passes an event on, and counts it in case the run does not come to its own summary.
fn tell(event: Event, lines: &Lines, counted: &mut Summary, published: &Notify) {
    match event {
        Event::Discovered { n_files, n_bytes } => {
            lines.write(&IngestEvent::Discovered { n_files, n_bytes })
        }
        Event::Document(report) => {
            count(&report, counted);
            lines.write(&IngestEvent::Document(to_document(report)));
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
        status: report.parse.is_some().then(|| {
            if report.is_partial {
                DocumentStatus::Partial
            } else {
                DocumentStatus::Ok
            }
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
