//! `/local/v1/models` and `/local/v1/vectors`: embedding models, for the owner on this machine.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json as JsonReply};
use cairn_models::{InstalledModel, KNOWN_MODELS, KnownModel, ModelError};
use cairn_types::ErrorKind;
use cairn_types::ports::Embedder;
use tokio::sync::Notify;

use super::stream::lines;
use crate::api::{FillEvent, FillSummary, InstallModel, Model, ModelList, millis};
use crate::app::App;
use crate::extract::Json;
use crate::following::following;
use crate::observe::RequestInfo;
use crate::problem::ApiError;

/// Lists models: installed ones, then those that Cairn knows and could install.
pub(super) async fn list(State(app): State<App>) -> Result<JsonReply<ModelList>, ApiError> {
    let store = app.models().clone();
    let active = active_hash(&app);
    let models = tokio::task::spawn_blocking(move || {
        let installed = store.list()?;
        let missing = KNOWN_MODELS
            .iter()
            .filter(|known| installed.iter().all(|model| model.name != known.name))
            .map(|known| not_installed(known, store.get(known.name).err()));
        let shown = installed
            .iter()
            .map(|model| to_model(model, active.as_deref()));
        Ok::<_, ModelError>(shown.chain(missing).collect())
    })
    .await
    .map_err(|error| ApiError::inside(ErrorKind::Bug, &error))??;
    Ok(JsonReply(ModelList { models }))
}

/// Installs a model from a file or folder of this machine and uses it from now on.
pub(super) async fn install(
    State(app): State<App>,
    Json(body): Json<InstallModel>,
) -> Result<JsonReply<Model>, ApiError> {
    let path = PathBuf::from(body.path);
    if !path.is_absolute() {
        return Err(ApiError::invalid("`path` must be an absolute path"));
    }
    let (store, load) = (app.models().clone(), app.load_options());
    let (installed, embedder) = tokio::task::spawn_blocking(move || {
        let installed = match body.name {
            Some(name) => store.install_as(&path, &name)?,
            None => store.install_from(&path)?,
        };
        let embedder = cairn_models::load(&installed.dir, &load)?;
        Ok::<_, ModelError>((installed, embedder))
    })
    .await
    .map_err(|error| ApiError::inside(ErrorKind::Bug, &error))??;
    app.set_embedder(Some(embedder)).await?;
    tracing::info!(model.name = %installed.name, "embedding model installed");
    Ok(JsonReply(to_model(
        &installed,
        active_hash(&app).as_deref(),
    )))
}

/// Embeds chunks that have no vector yet. The reply is a stream whose last line is the summary.
pub(super) async fn fill(
    State(app): State<App>,
    Extension(info): Extension<RequestInfo>,
) -> Response {
    let cancel = app.closing().child_token();
    let (lines, response) = lines(cancel.clone().drop_guard());
    let tasks = app.tasks().clone();
    tasks.spawn(async move {
        let Ok(_turn) = app.ingest_gate().acquire().await else {
            return;
        };
        let published = Arc::new(Notify::new());
        let mut n_embedded = 0;
        let pipeline = app.core().pipeline.clone();
        let (result, _) = {
            let progress = |n| {
                n_embedded = n;
                published.notify_one();
                lines.write(&FillEvent::Progress { n_embedded: n });
            };
            let run = pipeline.fill_vectors(&cancel, progress);
            following(&app, published.clone(), run).await
        };
        let lexical_only = app.core().embedder.is_none();
        let summary = match result {
            Ok(summary) => FillSummary {
                embedded: summary.n_embedded,
                truncated: summary.n_truncated,
                lexical_only,
                embed_ms: millis(summary.stages.embed),
                error: None,
            },
            Err(error) => FillSummary {
                embedded: n_embedded,
                truncated: 0,
                lexical_only,
                embed_ms: 0.0,
                error: Some(ApiError::from(error).problem(&info)),
            },
        };
        lines.write(&FillEvent::Summary(summary));
    });
    response
}

fn active_hash(app: &App) -> Option<String> {
    let core = app.core();
    core.embedder
        .as_ref()
        .map(|embedder: &Arc<dyn Embedder>| embedder.space().model_hash.clone())
}

fn to_model(installed: &InstalledModel, active: Option<&str>) -> Model {
    let manifest = &installed.manifest;
    Model {
        name: installed.name.clone(),
        installed: true,
        active: active == Some(manifest.model_hash().as_str()),
        dim: manifest.dim,
        max_tokens: manifest.max_tokens,
        precision: Some(precision_word(manifest.precision).to_owned()),
        licence: manifest.licence.clone(),
        size_bytes: manifest.files.iter().map(|file| file.size_bytes).sum(),
        self_check_min_cosine: manifest.self_check.map(|check| check.min_cosine),
        fault: None,
    }
}

const fn precision_word(precision: cairn_models::Precision) -> &'static str {
    match precision {
        cairn_models::Precision::Int8 => "int8",
        cairn_models::Precision::Bf16 => "bf16",
        cairn_models::Precision::F32 => "f32",
    }
}

fn not_installed(known: &KnownModel, error: Option<ModelError>) -> Model {
    let fault = error.filter(|error| !matches!(error, ModelError::NotInstalled { .. }));
    Model {
        name: known.name.to_owned(),
        installed: false,
        active: false,
        dim: known.dim,
        max_tokens: known.max_tokens,
        precision: None,
        licence: Some(known.licence.to_owned()),
        size_bytes: known.size_bytes(),
        self_check_min_cosine: None,
        fault: fault.map(|error| error.to_string()),
    }
}
