//! A server in process with its own data directory, and a client for it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use cairn_extract::{WorkerCommand, WorkerLimits, WorkerPool};
use cairn_ingest::PipelineOptions;
use cairn_llm::ChatProvider;
use cairn_models::{LoadOptions, ModelStore};
use cairn_server::{App, AppParts, ServerSettings, Surface, router};
use cairn_store::{BlobLimits, BlobStore, SqliteCatalog};
use cairn_testkit::HashEmbedder;
use cairn_types::ports::{Catalog, Embedder, NewKey};
use cairn_types::{KeyId, ManualClock, TenantId, Timestamp};
use cairn_web::{WebClient, WebOptions};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Runs an async test.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(240), test)
            .await
            .expect("the test hangs")
    });
}

/// What a test may choose.
pub(crate) struct Setup {
    pub(crate) embedder: Option<Arc<dyn Embedder>>,
    pub(crate) chat: Option<Arc<dyn ChatProvider>>,
    pub(crate) settings: ServerSettings,
    pub(crate) web: WebOptions,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            embedder: Some(Arc::new(HashEmbedder::new())),
            chat: None,
            settings: ServerSettings {
                refresh_every: Duration::ZERO,
                ..ServerSettings::default()
            },
            web: WebOptions::default(),
        }
    }
}

pub(crate) struct TestApp {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) tenant: TenantId,
    pub(crate) app: App,
}

/// 2026-03-01T12:00:00Z.
const NOW: Timestamp = Timestamp(1_772_366_400_000);

impl TestApp {
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup) -> Self {
        Self::open(cairn_testkit::temp_dir(), setup).await
    }

    /// Opens the data directory again, as after a restart.
    pub(crate) async fn reopen(self, setup: Setup) -> Self {
        self.app.close().await;
        let Self {
            dir, app, catalog, ..
        } = self;
        drop((app, catalog));
        Self::open(dir, setup).await
    }

    async fn open(dir: tempfile::TempDir, setup: Setup) -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let path = dir.path().join("catalog.sqlite");
        let catalog: Arc<dyn Catalog> = Arc::new(SqliteCatalog::open(path, clock.clone()).unwrap());
        let tenant = catalog.ensure_tenant("default").await.unwrap();
        let blobs = BlobStore::open(dir.path().join("blobs"), BlobLimits::default()).unwrap();
        let command = WorkerCommand {
            program: std::env::current_exe().unwrap(),
            args: vec![OsString::from("worker")],
        };
        let app = App::new(AppParts {
            catalog: catalog.clone(),
            blobs: Arc::new(blobs),
            workers: Arc::new(WorkerPool::plain(command, WorkerLimits::default())),
            embedder: setup.embedder,
            models: ModelStore::open(dir.path().join("models")),
            load: LoadOptions::default(),
            chat: setup.chat,
            web: Arc::new(WebClient::new(setup.web, clock.clone()).unwrap()),
            clock: clock.clone(),
            tenant,
            index_dir: dir.path().join("index"),
            pipeline: PipelineOptions::default(),
            settings: setup.settings,
        })
        .await
        .unwrap();
        Self {
            dir,
            catalog,
            clock,
            tenant,
            app,
        }
    }

    /// A request of the owner on this machine.
    pub(crate) async fn own(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        self.call(Surface::Local, None, method, path, body).await
    }

    /// A request over the network surface with a key.
    pub(crate) async fn as_key(
        &self,
        key: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Reply {
        self.call(Surface::Network, Some(key), method, path, body)
            .await
    }

    pub(crate) async fn call(
        &self,
        surface: Surface,
        key: Option<&str>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Reply {
        let mut headers: Vec<(&str, String)> = Vec::new();
        if let Some(key) = key {
            headers.push(("authorization", format!("Bearer {key}")));
        }
        let body = body.map(|body| body.to_string().into_bytes());
        if body.is_some() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.raw(surface, method, path, &headers, body.unwrap_or_default())
            .await
    }

    /// A request with exactly these headers, besides `Host`.
    pub(crate) async fn raw(
        &self,
        surface: Surface,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header(header::HOST, "localhost");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).unwrap();
        let response = router(self.app.clone(), surface)
            .oneshot(request)
            .await
            .unwrap();
        Reply::of(response).await
    }

    /// Makes a key and returns its text.
    pub(crate) async fn key(&self, user: &str, groups: &[&str], read_only: bool) -> String {
        let body = json!({ "user": user, "groups": groups, "read_only": read_only });
        let reply = self.own(Method::POST, "/local/v1/keys", Some(body)).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.json()["key"].as_str().unwrap().to_owned()
    }

    /// A key of another tenant of the same catalog.
    pub(crate) async fn outsider_key(&self) -> String {
        use sha2::Digest as _;
        let tenant = self.catalog.ensure_tenant("other").await.unwrap();
        let secret = "o".repeat(43);
        let id = KeyId(0x0123_4567_89ab_cdef);
        let key = NewKey {
            id,
            secret_hash: sha2::Sha256::digest(secret.as_bytes()).into(),
            user: "anna".to_owned(),
            groups: ["hr".to_owned()].into(),
            can_write: true,
            expires_at: None,
        };
        self.catalog.create_key(tenant, key).await.unwrap();
        format!("cairn_{id}_{secret}")
    }

    /// Writes files below `corpus/` and returns the folder.
    pub(crate) fn write(&self, files: &[(&str, &str)]) -> PathBuf {
        let folder = self.dir.path().join("corpus");
        for (name, text) in files {
            let path = folder.join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        folder
    }

    /// Ingests files with these readers (`None`: the default) and returns the events.
    pub(crate) async fn ingest(
        &self,
        files: &[(&str, &str)],
        allow: Option<&[&str]>,
    ) -> Vec<Value> {
        let folder = self.write(files);
        let mut body = json!({ "patterns": files.iter().map(|(name, _)| name).collect::<Vec<_>>(), "base": folder });
        if let Some(allow) = allow {
            body["allow"] = json!(allow);
        }
        self.ingest_with(body).await
    }

    pub(crate) async fn ingest_with(&self, body: Value) -> Vec<Value> {
        let reply = self.own(Method::POST, "/local/v1/ingest", Some(body)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.lines()
    }

    /// Ingests one document and returns its id.
    pub(crate) async fn document(&self, name: &str, text: &str, allow: &[&str]) -> String {
        let events = self.ingest(&[(name, text)], Some(allow)).await;
        let done = events
            .iter()
            .find(|event| event["event"] == "document")
            .unwrap();
        assert_eq!(done["outcome"], "added", "{done}");
        done["document_id"].as_str().unwrap().to_owned()
    }

    /// Runs the job loop until the job has ended, and returns the job.
    pub(crate) async fn finish_job(&self, id: &str) -> Value {
        let cancel = CancellationToken::new();
        let app = self.app.clone();
        let stop = cancel.clone();
        let worker = tokio::spawn(async move { app.run_jobs(stop).await });
        let path = format!("/api/v1/jobs/{id}");
        let job = loop {
            let job = self.own(Method::GET, &path, None).await.json();
            if !["queued", "running"].contains(&job["state"].as_str().unwrap()) {
                break job;
            }
            tokio::task::yield_now().await;
        };
        cancel.cancel();
        worker.await.unwrap();
        job
    }

    /// Titles or ids of what a search finds, best first.
    pub(crate) async fn found(&self, key: Option<&str>, query: &str) -> Vec<String> {
        let body = json!({ "query": query, "top_k": 100 });
        let surface = if key.is_some() {
            Surface::Network
        } else {
            Surface::Local
        };
        let reply = self
            .call(surface, key, Method::POST, "/api/v1/search", Some(body))
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let results = reply.json()["results"].as_array().unwrap().clone();
        results
            .iter()
            .map(|result| result["document"]["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Every file of the data directory, read whole.
    pub(crate) fn all_bytes(&self) -> Vec<u8> {
        fn read(dir: &Path, bytes: &mut Vec<u8>) {
            for entry in fs_err::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    read(&path, bytes);
                } else {
                    bytes.extend(fs_err::read(path).unwrap_or_default());
                }
            }
        }
        let mut bytes = Vec::new();
        read(self.dir.path(), &mut bytes);
        bytes
    }
}

/// A whole response.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) async fn of<B>(response: http::Response<B>) -> Self
    where
        B: axum::body::HttpBody,
        B::Error: std::fmt::Debug,
    {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Asserts that this is a problem document of this status and code, with what every problem has.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["trace_id"].as_str(), self.header("x-request-id"));
        assert!(
            problem["type"].as_str().unwrap().ends_with(code),
            "{problem}"
        );
        for text in ["title", "detail", "instance"] {
            assert!(!problem[text].as_str().unwrap().is_empty(), "{problem}");
        }
        let is_ok = StatusCode::from_u16(status).unwrap().is_success();
        assert!(!is_ok, "a problem is no success");
    }
}

/// A part of a multipart form: name, file name and content.
pub(crate) type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

/// A multipart body with its content type.
pub(crate) fn form(parts: &[Part<'_>]) -> (String, Vec<u8>) {
    let boundary = "cairn-test-boundary";
    let mut body = Vec::new();
    for (name, file, content) in parts {
        body.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"").as_bytes(),
        );
        if let Some(file) = file {
            body.extend_from_slice(format!("; filename=\"{file}\"").as_bytes());
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

impl TestApp {
    /// Uploads a form over the network surface.
    pub(crate) async fn upload(
        &self,
        key: &str,
        parts: &[Part<'_>],
        more: &[(&str, &str)],
    ) -> Reply {
        let (content_type, body) = form(parts);
        let bearer = format!("Bearer {key}");
        let mut headers = vec![
            ("authorization", bearer.as_str()),
            ("content-type", content_type.as_str()),
        ];
        headers.extend_from_slice(more);
        self.raw(
            Surface::Network,
            Method::POST,
            "/api/v1/docs",
            &headers,
            body,
        )
        .await
    }
}
