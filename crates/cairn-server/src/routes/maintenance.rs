//! `GET /local/v1/status` and `POST /local/v1/index/rebuild`.

use std::time::Instant;

use axum::Json;
use axum::extract::State;
use cairn_types::{JobState, SystemPurpose, SystemScope};

use crate::api::{ChatModel, IndexReply, Status, millis};
use crate::app::App;
use crate::auth;
use crate::problem::ApiError;

/// Open jobs beyond so many are not counted.
const MAX_COUNTED: usize = 1_000;

/// Says what the data directory holds.
pub(super) async fn status(State(app): State<App>) -> Result<Json<Status>, ApiError> {
    let catalog_seq = app
        .catalog()
        .head(SystemScope::new(app.tenant(), SystemPurpose::Index))
        .await?;
    let now = app.now();
    let keys = app.catalog().keys(app.tenant()).await?;
    let usable = keys.iter().filter(|record| {
        record.revoked_at.is_none() && record.key.expires_at.is_none_or(|at| now < at)
    });
    let jobs = app
        .catalog()
        .jobs(&auth::owner_scope(app.tenant()), MAX_COUNTED)
        .await?;
    let open = jobs
        .iter()
        .filter(|job| matches!(job.state, JobState::Queued | JobState::Running));
    let core = app.core();
    let engine = core.engine.status();
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        documents: engine.n_documents,
        chunks: engine.n_chunks,
        vectors: engine.n_vectors,
        catalog_seq: catalog_seq.0,
        index_seq: engine.seq.0,
        model: core
            .embedder
            .as_ref()
            .map(|embedder| embedder.space().model.clone()),
        lexical_only: core.embedder.is_none(),
        chat: app.chat().map(|chat| ChatModel {
            provider: chat.name().to_owned(),
            model: chat.model().to_owned(),
        }),
        keys: usable.count() as u64,
        open_jobs: open.count() as u64,
    }))
}

/// Builds the search indexes anew from the catalog; searches are answered all the while.
pub(super) async fn rebuild(State(app): State<App>) -> Result<Json<IndexReply>, ApiError> {
    let started = Instant::now();
    app.rebuild().await?;
    let status = app.core().engine.status();
    Ok(Json(IndexReply {
        seq: status.seq.0,
        documents: status.n_documents,
        chunks: status.n_chunks,
        vectors: status.n_vectors,
        elapsed_ms: millis(started.elapsed()),
    }))
}
