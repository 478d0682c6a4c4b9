//! What the handlers work with: the catalog, the search engine, the write path, and limits.
//!
//! The engine and the pipeline depend on the embedding model and are swapped together when a model is installed while the server
//! runs: a request takes one [`Core`] and keeps it to its end. Indexes stand below `index_dir`, one folder for each embedding
//! space and generation, so that a new engine can be built while the old one answers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use cairn_extract::WorkerPool;
use cairn_ingest::{Pipeline, PipelineOptions};
use cairn_llm::ChatProvider;
use cairn_models::{LoadOptions, ModelStore};
use cairn_retrieve::Engine;
use cairn_store::BlobStore;
use cairn_types::ports::{Catalog, Embedder};
use cairn_types::{Clock, Seq, TenantId, Timestamp};
use cairn_web::WebClient;
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::ServerError;
use crate::index_dir;

/// Runs over pages of the web at once; more wait.
const MAX_WEB_RUNS: usize = 4;

/// Limits and names of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
    /// Largest upload: all files of one request together.
    pub max_upload_bytes: u64,
    /// Most files of one upload.
    pub max_upload_files: usize,
    /// A stream of events that has nothing to say says so in this interval.
    pub heartbeat: Duration,
    /// Names, besides those of this machine, under which the server may be addressed; without port.
    pub allowed_hosts: Vec<String>,
    /// Requests over TCP that are worked on at once; more get 503.
    pub max_concurrent_requests: usize,
    /// Connections that are open at once; more wait.
    pub max_connections: usize,
    /// Most pages of the web that one run asks for.
    pub max_web_pages: usize,
    /// Time until a reply begins.
    pub request_timeout: Duration,
    /// Time until an answer begins (or, where it is not streamed, is there).
    pub chat_timeout: Duration,
    /// Time until an upload is stored.
    pub upload_timeout: Duration,
    /// At shutdown, requests may go on for so long.
    pub drain: Duration,
    /// While documents are published, searches follow in this interval.
    pub refresh_every: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            max_upload_bytes: 512 << 20,
            max_upload_files: 1_000,
            heartbeat: Duration::from_secs(15),
            allowed_hosts: Vec::new(),
            max_concurrent_requests: 256,
            max_connections: 1_024,
            max_web_pages: 1_000,
            request_timeout: Duration::from_secs(60),
            chat_timeout: Duration::from_secs(300),
            upload_timeout: Duration::from_secs(1_800),
            drain: Duration::from_secs(10),
            refresh_every: Duration::from_secs(1),
        }
    }
}

/// What an [`App`] is made of.
pub struct AppParts {
    /// The truth.
    pub catalog: Arc<dyn Catalog>,
    /// The originals.
    pub blobs: Arc<BlobStore>,
    /// Worker processes that parse.
    pub workers: Arc<WorkerPool>,
    /// The embedding model; without one, documents are found by words only.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// Where models are installed.
    pub models: ModelStore,
    /// How an installed model is loaded.
    pub load: LoadOptions,
    /// The language model that answers; without one, answers are quotes.
    pub chat: Option<Arc<dyn ChatProvider>>,
    /// Fetches pages of the web.
    pub web: Arc<WebClient>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// The tenant that is served.
    pub tenant: TenantId,
    /// Folder of the search indexes.
    pub index_dir: PathBuf,
    /// Settings of the write path.
    pub pipeline: PipelineOptions,
    /// Limits and names.
    pub settings: ServerSettings,
}

/// Processes that draw pages at a time: a page takes some tenths of a second.
const N_RENDERERS: usize = 1;

/// The server's state: cheap to clone, shared by all requests.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    catalog: Arc<dyn Catalog>,
    blobs: Arc<BlobStore>,
    workers: Arc<WorkerPool>,
    /// Draws pages for people, who do not wait behind documents.
    renderers: WorkerPool,
    models: ModelStore,
    load: LoadOptions,
    chat: Option<Arc<dyn ChatProvider>>,
    web: Arc<WebClient>,
    clock: Arc<dyn Clock>,
    tenant: TenantId,
    index_dir: PathBuf,
    pipeline: PipelineOptions,
    settings: ServerSettings,
    core: RwLock<Arc<Core>>,
    /// Held while the core is swapped.
    swap: Mutex<()>,
    /// One run over local files, or one filling of vectors, at a time.
    ingest: Semaphore,
    /// Runs over pages of the web: they mostly wait for their servers.
    web_runs: Semaphore,
    requests: Arc<Semaphore>,
    wake: Notify,
    /// Whether vectors may be missing.
    fill_wanted: AtomicBool,
    /// Whether a refresh is about to begin.
    following: AtomicBool,
    closing: CancellationToken,
    tasks: TaskTracker,
}

/// What depends on the embedding model.
pub(crate) struct Core {
    pub(crate) engine: Arc<Engine>,
    pub(crate) pipeline: Pipeline,
    pub(crate) embedder: Option<Arc<dyn Embedder>>,
    dir: PathBuf,
}

impl App {
    /// Opens the search indexes and brings them up to the catalog. The caller holds the lock of the data directory and has
    /// called [`Catalog::recover_jobs`].
    ///
    /// # Errors
    /// Where the catalog fails or the folder of the indexes cannot be used.
    pub async fn new(parts: AppParts) -> Result<Self, ServerError> {
        let AppParts {
            catalog,
            blobs,
            workers,
            embedder,
            models,
            load,
            chat,
            web,
            clock,
            tenant,
            index_dir,
            pipeline,
            settings,
        } = parts;
        let dir = index_dir::current(&index_dir, embedder.as_deref())?;
        index_dir::remove_others(&index_dir, &dir);
        let engine = Engine::open(catalog.clone(), embedder.clone(), tenant, dir.clone()).await?;
        let core = Core {
            engine: Arc::new(engine),
            pipeline: Pipeline::new(
                catalog.clone(),
                blobs.clone(),
                workers.clone(),
                embedder.clone(),
                tenant,
                pipeline.clone(),
            ),
            embedder,
            dir,
        };
        let requests = Arc::new(Semaphore::new(
            settings
                .max_concurrent_requests
                .clamp(1, Semaphore::MAX_PERMITS),
        ));
        Ok(Self(Arc::new(Inner {
            catalog,
            blobs,
            renderers: workers.beside(N_RENDERERS),
            workers,
            models,
            load,
            chat,
            web,
            clock,
            tenant,
            index_dir,
            pipeline,
            settings,
            core: RwLock::new(Arc::new(core)),
            swap: Mutex::new(()),
            ingest: Semaphore::new(1),
            web_runs: Semaphore::new(MAX_WEB_RUNS),
            requests,
            wake: Notify::new(),
            fill_wanted: AtomicBool::new(true),
            following: AtomicBool::new(false),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })))
    }

    /// Searches and writes use another model from now on (`None`: words only). Requests that are being answered end with the
    /// old one. [`Self::run_jobs`], where it runs, fills the vectors that are missing.
    ///
    /// # Errors
    /// Where the catalog fails or the folder of the indexes cannot be used; the old model stays in use.
    pub async fn set_embedder(
        &self,
        embedder: Option<Arc<dyn Embedder>>,
    ) -> Result<(), ServerError> {
        self.swap(embedder).await?;
        self.0.fill_wanted.store(true, Ordering::Release);
        self.0.wake.notify_one();
        Ok(())
    }

    /// Builds the indexes anew from the catalog while the old ones answer.
    pub(crate) async fn rebuild(&self) -> Result<(), ServerError> {
        let embedder = self.core().embedder.clone();
        self.swap(embedder).await
    }

    async fn swap(&self, embedder: Option<Arc<dyn Embedder>>) -> Result<(), ServerError> {
        let app = self.clone();
        // In a task: a caller that goes away must not leave a half-built engine behind.
        let swapped = self.0.tasks.spawn(async move {
            let inner = &app.0;
            let _swapping = inner.swap.lock().await;
            let dir = index_dir::next(&inner.index_dir, embedder.as_deref())?;
            let engine = Engine::open(
                inner.catalog.clone(),
                embedder.clone(),
                inner.tenant,
                dir.clone(),
            )
            .await?;
            let core = Arc::new(Core {
                engine: Arc::new(engine),
                pipeline: Pipeline::new(
                    inner.catalog.clone(),
                    inner.blobs.clone(),
                    inner.workers.clone(),
                    embedder.clone(),
                    inner.tenant,
                    inner.pipeline.clone(),
                ),
                embedder,
                dir,
            });
            let old = {
                let mut slot = inner.core.write().unwrap_or_else(PoisonError::into_inner);
                std::mem::replace(&mut *slot, core)
            };
            // What was published to the old engine while the new one opened.
            let refreshed = app.refresh().await;
            // Closing an engine waits for its thread, which may be writing: that is for a blocking thread, and the folder goes
            // after it. Open searches keep their files open; on disk they may go.
            let closed = tokio::task::spawn_blocking(move || {
                let dir = old.dir.clone();
                drop(old);
                index_dir::remove(&dir);
            });
            if let Err(error) = closed.await {
                tracing::error!(%error, "the old search index was not closed");
            }
            refreshed.map(|_| ())
        });
        swapped
            .await
            .map_err(|error| ServerError::Bug(error.to_string()))?
    }

    /// Brings searches up to the catalog's newest change; returns the position that they see.
    ///
    /// # Errors
    /// Where the catalog or an index fails; searches go on with what they saw before.
    pub async fn refresh(&self) -> Result<Seq, ServerError> {
        let engine = self.core().engine.clone();
        // In a task of ours: closing waits for it.
        let refreshed = self.0.tasks.spawn(async move { engine.refresh().await });
        Ok(refreshed
            .await
            .map_err(|error| ServerError::Bug(error.to_string()))??)
    }

    /// As [`Self::refresh`], soon and in the background.
    pub(crate) fn follow(&self) {
        if self.0.following.swap(true, Ordering::AcqRel) {
            return;
        }
        let app = self.clone();
        self.0.tasks.spawn(async move {
            // From here on another change needs another refresh.
            app.0.following.store(false, Ordering::Release);
            if let Err(error) = app.refresh().await {
                tracing::warn!(%error, "the search indexes did not follow a change");
            }
        });
    }

    /// Whether vectors may be missing; asked once.
    pub(crate) fn take_fill_wanted(&self) -> bool {
        self.0.fill_wanted.swap(false, Ordering::AcqRel)
    }

    /// Whether the server may listen on `addr`: where other machines reach it, by the address or by a proxy that
    /// [`ServerSettings::allowed_hosts`] speaks of, only where a key exists.
    ///
    /// # Errors
    /// [`ServerError::NeedsKey`], [`ServerError::HostsNeedKey`], or where the catalog fails.
    pub async fn may_listen(&self, addr: SocketAddr) -> Result<(), ServerError> {
        let is_loopback = addr.ip().is_loopback();
        let allowed_hosts = &self.settings().allowed_hosts;
        if (is_loopback && allowed_hosts.is_empty()) || self.catalog().has_keys().await? {
            return Ok(());
        }
        Err(match allowed_hosts.first() {
            Some(host) if is_loopback => ServerError::HostsNeedKey { host: host.clone() },
            _ => ServerError::NeedsKey { addr },
        })
    }

    /// Stops what runs in the background (streams end, runs over files stop after the document at hand) and waits for it.
    pub async fn close(&self) {
        self.0.closing.cancel();
        self.0.tasks.close();
        if tokio::time::timeout(self.0.settings.drain, self.0.tasks.wait())
            .await
            .is_err()
        {
            self.stop_parsing();
            self.0.tasks.wait().await;
        }
    }

    /// The search engine at present, for what searches in this process and needs no API.
    #[must_use]
    pub fn engine(&self) -> Arc<Engine> {
        self.core().engine.clone()
    }

    /// What searches and writes use at present.
    pub(crate) fn core(&self) -> Arc<Core> {
        self.0
            .core
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.0.catalog
    }

    pub(crate) fn blobs(&self) -> &Arc<BlobStore> {
        &self.0.blobs
    }

    /// Where pages are drawn.
    pub(crate) fn renderers(&self) -> &WorkerPool {
        &self.0.renderers
    }

    /// How long a stop waits for what is going on.
    #[must_use]
    pub fn drain(&self) -> Duration {
        self.0.settings.drain
    }

    /// Gives up the documents that are being parsed; they are read again another time.
    pub fn stop_parsing(&self) {
        self.0.workers.stop();
        self.0.renderers.stop();
    }

    pub(crate) fn models(&self) -> &ModelStore {
        &self.0.models
    }

    pub(crate) fn load_options(&self) -> LoadOptions {
        self.0.load
    }

    pub(crate) fn chat(&self) -> Option<&Arc<dyn ChatProvider>> {
        self.0.chat.as_ref()
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.0.tenant
    }

    pub(crate) fn settings(&self) -> &ServerSettings {
        &self.0.settings
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// One run over files, or one filling of vectors, at a time.
    pub(crate) fn ingest_gate(&self) -> &Semaphore {
        &self.0.ingest
    }

    /// Some runs over pages of the web at a time.
    pub(crate) fn web_gate(&self) -> &Semaphore {
        &self.0.web_runs
    }

    /// Fetches pages of the web.
    pub(crate) fn web(&self) -> &Arc<WebClient> {
        &self.0.web
    }

    /// Room for requests.
    pub(crate) fn requests(&self) -> &Arc<Semaphore> {
        &self.0.requests
    }

    /// Wakes the job loop.
    pub(crate) fn wake(&self) -> &Notify {
        &self.0.wake
    }

    /// Cancelled when the server stops.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    /// Background work that [`Self::close`] waits for.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }
}
