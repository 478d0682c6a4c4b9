//! A data directory, a folder with files, and a pipeline between them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use cairn_extract::{WorkerCommand, WorkerLimits, WorkerPool};
use cairn_ingest::{
    DeletionGuard, Discovered, FilesRequest, IngestError, IngestEvent, Pipeline, PipelineOptions,
    RunMode, Summary, discover,
};
use cairn_store::{BlobLimits, BlobStore, SqliteCatalog};
use cairn_types::ports::{Catalog, Embedder};
use cairn_types::{
    AccessList, BlobHash, DocumentFilter, DocumentSummary, Job, JobItem, JobKind, NewJob, Outcome,
    Scope, SystemClock, SystemPurpose, SystemScope, TenantId,
};
use tokio_util::sync::CancellationToken;

/// Runs a test to its end.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test);
}

pub(crate) fn tags(tags: &[&str]) -> BTreeSet<String> {
    tags.iter().map(|tag| (*tag).to_owned()).collect()
}

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) blobs: Arc<BlobStore>,
    pub(crate) tenant: TenantId,
    pub(crate) pipeline: Pipeline,
}

impl World {
    pub(crate) async fn new() -> Self {
        let dir = cairn_testkit::temp_dir();
        fs_err::create_dir(dir.path().join("docs")).unwrap();
        let path = dir.path().join("catalog.sqlite");
        let catalog: Arc<dyn Catalog> =
            Arc::new(SqliteCatalog::open(path, Arc::new(SystemClock)).unwrap());
        let tenant = catalog.ensure_tenant("default").await.unwrap();
        let blobs = BlobStore::open(dir.path().join("blobs"), BlobLimits::default()).unwrap();
        let blobs = Arc::new(blobs);
        let pipeline = pipeline(&catalog, &blobs, tenant, None, PipelineOptions::default());
        Self {
            dir,
            catalog,
            blobs,
            tenant,
            pipeline,
        }
    }

    /// Another pipeline over the same data: another model, other limits.
    pub(crate) fn pipeline_with(
        &self,
        embedder: Option<Arc<dyn Embedder>>,
        options: PipelineOptions,
    ) -> Pipeline {
        pipeline(&self.catalog, &self.blobs, self.tenant, embedder, options)
    }

    /// A pipeline over the same data for which no worker process starts.
    pub(crate) fn pipeline_without_workers(&self) -> Pipeline {
        let command = WorkerCommand {
            program: self.dir.path().join("no-such-program"),
            args: Vec::new(),
        };
        Pipeline::new(
            self.catalog.clone(),
            self.blobs.clone(),
            Arc::new(WorkerPool::plain(command, WorkerLimits::default())),
            None,
            self.tenant,
            PipelineOptions::default(),
        )
    }

    pub(crate) fn owner(&self) -> Scope {
        cairn_testkit::owner_of(self.tenant)
    }

    pub(crate) fn system(&self) -> SystemScope {
        SystemScope::new(self.tenant, SystemPurpose::Ingest)
    }

    /// A statement from outside, past the catalog: how a test makes its writes fail.
    pub(crate) fn sql(&self, statement: &str) {
        let conn = rusqlite::Connection::open(self.dir.path().join("catalog.sqlite")).unwrap();
        conn.execute_batch(statement).unwrap();
    }

    pub(crate) fn docs(&self) -> PathBuf {
        self.dir.path().join("docs")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.docs().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs_err::remove_file(self.docs().join(name)).unwrap();
    }

    pub(crate) fn found(&self) -> Discovered {
        discover(&[".".to_owned()], &self.docs()).unwrap()
    }

    /// What there is to read, with neither tags nor readers given.
    pub(crate) fn request(&self) -> FilesRequest {
        FilesRequest {
            discovered: self.found(),
            collection: "default".to_owned(),
            tags: BTreeSet::new(),
            access: None,
            mode: RunMode::Write,
            deletions: DeletionGuard::Keep,
        }
    }

    pub(crate) async fn ingest(&self, request: FilesRequest) -> Result<Summary, IngestError> {
        let cancel = CancellationToken::new();
        self.pipeline
            .ingest_files(&self.owner(), request, &cancel, |_: IngestEvent| {})
            .await
    }

    pub(crate) async fn upload(
        &self,
        name: &str,
        text: &str,
        labels: &[&str],
        access: Option<AccessList>,
    ) -> Job {
        let stored = self.blobs.put(self.tenant, text.as_bytes()).unwrap();
        let new = NewJob {
            tenant: self.tenant,
            kind: JobKind::Upload,
            access: AccessList::owner_only(),
            collection: "default".to_owned(),
            tags: tags(labels),
            document_access: access,
            items: vec![JobItem {
                key: name.to_owned(),
                blob: Some(stored.hash),
                size_bytes: stored.size_bytes,
                outcome: Outcome::Pending,
                reason: None,
                document: None,
            }],
        };
        let id = self.catalog.accept(new).await.unwrap();
        self.catalog.job(&self.owner(), id).await.unwrap()
    }

    /// Claims the next upload and works through it.
    pub(crate) async fn work(&self, cancel: &CancellationToken) -> Result<Summary, IngestError> {
        let job = self.catalog.claim_job(self.system()).await.unwrap();
        self.pipeline
            .run_job(&self.owner(), &job.unwrap(), cancel, |_| {})
            .await
    }

    pub(crate) async fn upload_done(
        &self,
        name: &str,
        text: &str,
        labels: &[&str],
        access: Option<AccessList>,
    ) -> Outcome {
        let job = self.upload(name, text, labels, access).await;
        self.work(&CancellationToken::new()).await.unwrap();
        let job = self.catalog.job(&self.owner(), job.id).await.unwrap();
        job.request.items[0].outcome
    }

    pub(crate) async fn jobs(&self) -> Vec<Job> {
        self.catalog.jobs(&self.owner(), 99).await.unwrap()
    }

    /// All documents, deleted ones too, by the last part of their key.
    pub(crate) async fn document(&self, name: &str) -> DocumentSummary {
        let page = self
            .catalog
            .documents(&self.owner(), &DocumentFilter::default(), true, None, 999)
            .await
            .unwrap();
        let mut named = page
            .documents
            .into_iter()
            .filter(|document| document.key.rsplit('/').next() == Some(name));
        let one = named
            .next()
            .unwrap_or_else(|| panic!("no document `{name}`"));
        assert!(named.next().is_none(), "several documents `{name}`");
        one
    }

    pub(crate) fn has_original(&self, text: &str) -> bool {
        let hash = BlobHash::of(text.as_bytes());
        self.blobs.exists(self.tenant, hash).unwrap()
    }
}

fn pipeline(
    catalog: &Arc<dyn Catalog>,
    blobs: &Arc<BlobStore>,
    tenant: TenantId,
    embedder: Option<Arc<dyn Embedder>>,
    options: PipelineOptions,
) -> Pipeline {
    let command = WorkerCommand {
        program: std::env::current_exe().unwrap(),
        args: vec![OsString::from("worker")],
    };
    let workers = WorkerPool::plain(command, WorkerLimits::default());
    Pipeline::new(
        catalog.clone(),
        blobs.clone(),
        Arc::new(workers),
        embedder,
        tenant,
        options,
    )
}
