//! `GET /health` and `GET /ready`.

use axum::extract::State;
use axum::{Extension, Json};
use cairn_types::{SystemPurpose, SystemScope};

use crate::api::{Health, Problem, Ready};
use crate::app::App;
use crate::auth::Caller;
use crate::problem::ApiError;

/// Says that the process answers.
#[utoipa::path(
    get, path = "/health", tag = "health", security(()),
    responses((status = 200, description = "It answers.", body = Health)),
)]
pub(super) async fn health() -> Json<Health> {
    Json(Health {
        status: "ok".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Says what the server can do at present: whether the catalog answers, and whether there is a model.
#[utoipa::path(
    get, path = "/ready", tag = "health", security((), ("bearer" = []), ("api_key" = [])),
    responses(
        (status = 200, description = "It is ready.", body = Ready),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn ready(
    State(app): State<App>,
    caller: Option<Extension<Caller>>,
) -> Result<Json<Ready>, ApiError> {
    app.catalog()
        .head(SystemScope::new(app.tenant(), SystemPurpose::Index))
        .await?;
    let core = app.core();
    let status = core.engine.status();
    let is_owner = caller.is_some_and(|Extension(caller)| caller.scope.is_owner());
    Ok(Json(Ready {
        status: "ready".to_owned(),
        model: core
            .embedder
            .as_ref()
            .map(|embedder| embedder.space().model.clone()),
        lexical_only: core.embedder.is_none(),
        index_seq: status.seq.0,
        documents: is_owner.then_some(status.n_documents),
        chunks: is_owner.then_some(status.n_chunks),
        vectors: is_owner.then_some(status.n_vectors),
    }))
}
