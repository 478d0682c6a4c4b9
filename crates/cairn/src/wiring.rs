//! Opens a data directory and joins the concrete parts: the only place where they are chosen.

use std::path::Path;
use std::sync::Arc;

use cairn_extract::worker::Launcher;
use cairn_extract::{
    ExtractOptions, LocalTools, Segment, ToolError, ToolSettings, WorkerCommand, WorkerLimits,
    WorkerPool, find_pdfium,
};
use cairn_ingest::{ChunkOptions, Pipeline, PipelineOptions};
use cairn_llm::{ChatProvider, LlmSettings, Secret, Transcriber, TranscriptionOptions};
use cairn_models::{LoadOptions, ModelError, ModelStore};
use cairn_server::{App, AppParts, ServerSettings};
use cairn_store::{BlobLimits, BlobStore, DataDir, SqliteCatalog};
use cairn_types::ports::{Catalog, Embedder};
use cairn_types::{Clock, ErrorKind, SystemClock, SystemPurpose, SystemScope, TenantId};
use cairn_web::{Allowed, ExtraRoots, WebClient, WebOptions};

use crate::config::Settings;
use crate::failure::Failure;

/// The tenant of the command line.
const TENANT: &str = "default";

/// An opened data directory. Its lock is held as long as this lives.
pub(crate) struct Opened {
    pub(crate) app: App,
    pub(crate) dir: DataDir,
}

/// A data directory with its parts, before the search indexes are opened.
pub(crate) struct Parts {
    dir: DataDir,
    parts: AppParts,
}

impl Parts {
    /// The truth.
    pub(crate) const fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.parts.catalog
    }

    /// The embedding model in use.
    pub(crate) const fn embedder(&self) -> Option<&Arc<dyn Embedder>> {
        self.parts.embedder.as_ref()
    }

    /// The tenant of the command line.
    pub(crate) const fn tenant(&self) -> TenantId {
        self.parts.tenant
    }

    /// The write path over these parts.
    pub(crate) fn pipeline(&self) -> Pipeline {
        let AppParts {
            catalog,
            blobs,
            workers,
            embedder,
            tenant,
            pipeline,
            ..
        } = &self.parts;
        Pipeline::new(
            catalog.clone(),
            blobs.clone(),
            workers.clone(),
            embedder.clone(),
            *tenant,
            pipeline.clone(),
        )
    }

    /// Opens the search indexes.
    pub(crate) async fn into_app(self) -> Result<Opened, Failure> {
        Ok(Opened {
            app: App::new(self.parts).await?,
            dir: self.dir,
        })
    }
}

/// What a command needs of the embedding model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Embedding {
    /// None may be installed, but one that cannot be used is an error: words alone would not be what was asked for.
    Checked,
    /// One that cannot be used is as good as none: the command is there to replace it.
    WhereUsable,
}

/// Opens the data directory of the settings.
pub(crate) async fn open(
    settings: &Settings,
    llm: &LlmSettings,
    embedding: Embedding,
) -> Result<Opened, Failure> {
    parts(settings, llm, embedding, None)
        .await?
        .into_app()
        .await
}

/// Opens all but the search indexes, with the models of `models` or those of the data directory.
pub(crate) async fn parts(
    settings: &Settings,
    llm: &LlmSettings,
    embedding: Embedding,
    models: Option<ModelStore>,
) -> Result<Parts, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let dir = DataDir::open(&settings.data_dir, clock.as_ref())?;
    let catalog: Arc<dyn Catalog> = Arc::new(SqliteCatalog::open(dir.catalog(), clock.clone())?);
    let tenant = catalog.ensure_tenant(TENANT).await?;
    catalog
        .recover_jobs(SystemScope::new(tenant, SystemPurpose::Recovery))
        .await?;
    let limits = BlobLimits {
        max_bytes: settings.max_file_bytes.max(settings.max_upload_bytes),
    };
    let blobs = Arc::new(BlobStore::open(dir.blobs(), limits)?);
    let models = models.unwrap_or_else(|| ModelStore::open(dir.models()));
    let load = load_options(settings)?;
    let embedder = match load_embedder(&models, settings, &load) {
        Err(_) if embedding == Embedding::WhereUsable => None,
        loaded => loaded?,
    };
    let parts = AppParts {
        catalog,
        blobs,
        workers: Arc::new(workers(settings)?),
        embedder,
        models,
        load,
        chat: provider(llm)?,
        web: Arc::new(WebClient::new(web_options(settings)?, clock.clone())?),
        clock,
        tenant,
        index_dir: dir.index(),
        pipeline: pipeline_options(settings),
        settings: server_settings(settings),
    };
    Ok(Parts { dir, parts })
}

/// How the embedding model is loaded.
pub(crate) fn load_options(settings: &Settings) -> Result<LoadOptions, Failure> {
    Ok(LoadOptions {
        threads: settings.model_threads,
        precision: None,
        kernel: settings.kernel.parse()?,
    })
}

/// The configured model, or else the only one; `None` where none is installed.
fn load_embedder(
    models: &ModelStore,
    settings: &Settings,
    options: &LoadOptions,
) -> Result<Option<Arc<dyn Embedder>>, Failure> {
    let found = match &settings.model {
        Some(name) => models.get(name),
        None => models.default_model(),
    };
    let model = match found {
        Ok(model) => model,
        Err(ModelError::NotInstalled { .. }) if settings.model.is_none() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(cairn_models::load(&model.dir, options)?))
}

fn workers(settings: &Settings) -> Result<WorkerPool, Failure> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::new(
            ErrorKind::Unavailable,
            format!("this program's own file cannot be found: {error}"),
        )
    })?;
    let command = WorkerCommand {
        program: program.clone(),
        args: vec!["worker".into()],
    };
    let launcher = Launcher {
        command: WorkerCommand {
            program,
            args: vec!["launch".into()],
        },
        isolation: settings.isolation,
    };
    let options = ExtractOptions {
        pdfium: find_pdfium(settings.pdfium.as_deref()),
        passwords: settings.passwords.clone(),
        max_inset_pictures: settings.ocr_pictures,
        ..ExtractOptions::default()
    };
    let limits = WorkerLimits {
        n_workers: settings.n_workers,
        deadline: settings.deadline,
        memory_bytes: settings.worker_memory_bytes,
        max_input_bytes: settings.max_file_bytes,
        isolation: settings.isolation,
        ..WorkerLimits::default()
    };
    cairn_extract::remove_leftovers();
    let tools = Arc::new(tools(settings, launcher)?);
    Ok(WorkerPool::new(command, limits, options, tools))
}

/// The programs of this machine, and the transcription service where one is configured.
fn tools(settings: &Settings, launcher: Launcher) -> Result<LocalTools, Failure> {
    let tools = LocalTools::new(ToolSettings {
        recognize: settings.is_ocr_on,
        launcher: Some(launcher),
        tesseract: settings.tesseract.clone(),
        languages: settings.ocr_languages.clone(),
        libreoffice: settings.libreoffice.clone(),
        ffmpeg: settings.ffmpeg.clone(),
        ..ToolSettings::default()
    });
    let Some(base_url) = &settings.transcription_base_url else {
        return Ok(tools);
    };
    let transcriber = Transcriber::new(TranscriptionOptions {
        api_key: settings.transcription_api_key.as_deref().map(Secret::new),
        model: settings.transcription_model.clone(),
        language: settings.transcription_language.clone(),
        ..TranscriptionOptions::new(base_url)
    })?;
    // Documents are read on threads that may block; the client needs the runtime.
    let runtime = tokio::runtime::Handle::current();
    let name = transcriber.name();
    let transcribe = move |file_name: &str, audio: Vec<u8>| {
        let spoken = runtime
            .block_on(transcriber.transcribe(file_name, audio))
            .map_err(|error| ToolError::Failed {
                what: "transcription".to_owned(),
                reason: error.to_string(),
            })?;
        let segments = spoken.into_iter().map(|spoken| Segment {
            start_ms: spoken.start_ms,
            end_ms: spoken.end_ms,
            text: spoken.text,
        });
        Ok(segments.collect())
    };
    Ok(tools.with_transcription(name, Arc::new(transcribe)))
}

fn provider(llm: &LlmSettings) -> Result<Option<Arc<dyn ChatProvider>>, Failure> {
    Ok(cairn_llm::provider_from_settings(llm)?)
}

/// The language model of the settings: our own keys first, then the names that people already have.
pub(crate) fn llm_settings(
    settings: &Settings,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> LlmSettings {
    let mut llm = LlmSettings::from_known_variables(lookup);
    if let Some(base_url) = &settings.llm_base_url
        && llm.base_url.as_ref() != Some(base_url)
    {
        // A key in the environment belongs to the address there, not to another one.
        llm = LlmSettings {
            base_url: Some(base_url.clone()),
            ..LlmSettings::default()
        };
    }
    if let Some(key) = &settings.llm_api_key {
        llm.api_key = Some(Secret::new(key));
    }
    if settings.llm_model.is_some() {
        llm.model.clone_from(&settings.llm_model);
    }
    llm.first_token_timeout = Some(settings.llm_first_token);
    llm.total_timeout = Some(settings.llm_total);
    llm
}

fn pipeline_options(settings: &Settings) -> PipelineOptions {
    PipelineOptions {
        chunk: ChunkOptions {
            max_tokens: settings.chunk_tokens,
            overlap_tokens: settings.overlap_tokens.min(settings.chunk_tokens / 2),
            ..ChunkOptions::default()
        },
        n_parsers: settings.n_workers,
        max_file_bytes: settings.max_file_bytes,
        partial_below: settings.partial_below,
        ..PipelineOptions::default()
    }
}

fn web_options(settings: &Settings) -> Result<WebOptions, Failure> {
    let allowed = settings.web_allow_private.iter().map(String::as_str);
    let allowed = Allowed::new(allowed).map_err(|error| {
        Failure::new(
            ErrorKind::InvalidInput,
            format!("`web.allow_private`: {error}"),
        )
    })?;
    let mut extra_roots = ExtraRoots::default();
    for path in &settings.web_extra_roots {
        let refused = |why: String| {
            Failure::new(ErrorKind::InvalidInput, format!("`web.extra_roots`: {why}"))
        };
        let pem = fs_err::read(path).map_err(|error| refused(error.to_string()))?;
        extra_roots
            .add_pem(&pem)
            .map_err(|error| refused(format!("`{}`: {error}", path.display())))?;
    }
    Ok(WebOptions {
        allowed,
        extra_roots,
        delay: settings.web_delay,
        max_bytes: settings.web_max_response_bytes,
        first_byte_timeout: settings.web_first_byte,
        total_timeout: settings.web_total,
        ..WebOptions::default()
    })
}

fn server_settings(settings: &Settings) -> ServerSettings {
    ServerSettings {
        max_upload_bytes: settings.max_upload_bytes,
        heartbeat: settings.heartbeat,
        allowed_hosts: settings.allowed_hosts.clone(),
        max_concurrent_requests: settings.max_concurrent_requests,
        max_web_pages: settings.web_max_pages,
        request_timeout: settings.request_timeout,
        ..ServerSettings::default()
    }
}

/// Where data goes when nobody says: the XDG data folder.
pub(crate) fn default_data_dir(
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Option<std::path::PathBuf> {
    let absolute = |value: Option<String>| {
        value
            .map(std::path::PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute(lookup("XDG_DATA_HOME"))
        .or_else(|| absolute(lookup("HOME")).map(|home| home.join(".local/share")))?;
    Some(base.join("cairn"))
}

/// The socket of a server on this data directory.
pub(crate) fn socket(data_dir: &Path) -> std::path::PathBuf {
    data_dir.join("cairn.sock")
}
