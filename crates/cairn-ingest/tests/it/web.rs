//! Runs over pages of a site on this machine, which the client's settings allow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use cairn_ingest::{
    DeletionGuard, DocumentReport, IngestError, IngestEvent, RunMode, Summary, WebRequest,
};
use cairn_types::{
    AccessList, DocumentFilter, DocumentSummary, JobKind, JobState, Outcome, Principal, Source,
    SystemClock,
};
use cairn_web::{Allowed, WebClient, WebOptions, Within, parse};
use tokio_util::sync::CancellationToken;

use crate::Test;
use crate::world::{World, run};

pub(crate) const TESTS: &[Test] = &[
    ("web::one_page_becomes_a_document", one_page),
    ("web::a_site_is_read_to_its_depth", a_site),
    (
        "web::unchanged_pages_cost_no_download_and_still_lead_on",
        unchanged,
    ),
    (
        "web::canonical_addresses_and_moves_keep_documents_together",
        one_document,
    ),
    ("web::what_the_site_asks_of_robots_is_done", robots),
    ("web::gone_pages_go_with_a_sync_only", gone),
    ("web::rooms_keep_callers_apart", rooms),
    ("web::a_dry_run_writes_nothing", dry_run),
    ("web::traps_end_and_failures_stay_alone", traps),
    ("web::a_stopped_run_goes_on_without_doubles", stopped),
];

/// What a path is answered with: status, headers, body.
type Answer = (u16, Vec<(&'static str, String)>, String);

/// A site whose pages a test changes, with a list of what was asked for (`304` pages marked so).
#[derive(Clone, Default)]
struct Site {
    pages: Arc<Mutex<BTreeMap<String, Answer>>>,
    log: Arc<Mutex<Vec<String>>>,
    base: String,
}

impl Site {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let site = Self {
            base: format!("http://{}", listener.local_addr().unwrap()),
            ..Self::default()
        };
        let own = site.clone();
        let router = Router::new().fallback(move |request: Request| {
            let response = own.answer(&request);
            async move { response }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        site
    }

    fn answer(&self, request: &Request) -> Response {
        let path = request.uri().to_string();
        let pages = self.pages.lock().unwrap();
        let (mut status, headers, mut body) =
            pages
                .get(&path)
                .cloned()
                .unwrap_or((404, Vec::new(), String::new()));
        let asked = request.headers().get("if-none-match");
        let tag = headers
            .iter()
            .find(|(name, _)| *name == "etag")
            .map(|(_, tag)| tag.as_str());
        if asked.is_some() && asked.and_then(|asked| asked.to_str().ok()) == tag {
            (status, body) = (304, String::new());
        }
        if path != "/robots.txt" {
            let mark = if status == 304 { " 304" } else { "" };
            self.log.lock().unwrap().push(format!("{path}{mark}"));
        }
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        response.body(body.into()).unwrap()
    }

    fn put(&self, path: &str, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let answer = (status, headers.collect(), body.to_owned());
        self.pages.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// A page of HTML with a tag of its content.
    fn page(&self, path: &str, body: &str) {
        let text = format!(
            "<!DOCTYPE html><title>Page {path}</title><body><p>This is the text of {path}.</p>{body}"
        );
        let tag = format!("\"{}\"", cairn_types::BlobHash::of(text.as_bytes()));
        self.put(
            path,
            200,
            &[("content-type", "text/html"), ("etag", &tag)],
            &text,
        );
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    fn request(&self, path: &str, depth: u32) -> WebRequest {
        WebRequest {
            starts: vec![parse(&self.url(path)).unwrap()],
            depth,
            max_pages: 50,
            within: Within::Folder,
            room: String::new(),
            collection: "default".to_owned(),
            tags: BTreeSet::new(),
            access: None,
            mode: RunMode::Write,
            deletions: DeletionGuard::Keep,
        }
    }
}

fn client() -> WebClient {
    let options = WebOptions {
        allowed: Allowed::new(["127.0.0.0/8"]).unwrap(),
        delay: Duration::ZERO,
        ..WebOptions::default()
    };
    WebClient::new(options, Arc::new(SystemClock)).unwrap()
}

/// Runs over pages; gives what was told of each, by path.
async fn ingest(
    world: &World,
    site: &Site,
    request: WebRequest,
) -> (Result<Summary, IngestError>, Vec<(String, Outcome, String)>) {
    let mut reports: Vec<DocumentReport> = Vec::new();
    let cancel = CancellationToken::new();
    let scope = world.owner();
    let client = client();
    let emit = |event| {
        if let IngestEvent::Document(report) = event {
            reports.push(report);
        }
    };
    let result = world
        .pipeline
        .ingest_web(&scope, &client, request, &cancel, emit)
        .await;
    let told = reports.into_iter().map(|report| {
        let path = report.path.replace(&site.base, "");
        (path, report.outcome, report.reason.unwrap_or_default())
    });
    (result, told.collect())
}

/// Outcomes of a run that went well, by path.
async fn outcomes(world: &World, site: &Site, request: WebRequest) -> Vec<(String, Outcome)> {
    let (result, told) = ingest(world, site, request).await;
    result.unwrap();
    told.into_iter()
        .map(|(path, outcome, _)| (path, outcome))
        .collect()
}

async fn documents(world: &World, deleted: bool) -> Vec<DocumentSummary> {
    let filter = DocumentFilter::default();
    let page = world
        .catalog
        .documents(&world.owner(), &filter, deleted, None, 999)
        .await;
    page.unwrap().documents
}

fn expect(pairs: &[(&str, Outcome)]) -> Vec<(String, Outcome)> {
    pairs
        .iter()
        .map(|(path, outcome)| ((*path).to_owned(), *outcome))
        .collect()
}

fn one_page() {
    run(async {
        let (world, site) = (World::new().await, Site::start().await);
        site.page("/docs/a", "<a href=b>b</a>");
        let tag = [
            ("content-type", "text/html"),
            ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ];
        site.put(
            "/dated",
            200,
            &tag,
            "<html><title>Dated</title><p>Some text.</p>",
        );
        let told = outcomes(&world, &site, site.request("/docs/a", 0)).await;
        assert_eq!(told, expect(&[("/docs/a", Outcome::Added)]));
        outcomes(&world, &site, site.request("/dated", 0)).await;
        let documents = documents(&world, false).await;
        let find = |path: &str| documents.iter().find(|d| d.key == site.url(path)).unwrap();
        let page = find("/docs/a");
        assert_eq!(
            (page.source.clone(), page.uri.clone()),
            (Source::web(), site.url("/docs/a"))
        );
        assert_eq!(
            (page.title.as_str(), page.media_type.as_str()),
            ("Page /docs/a", "text/html")
        );
        assert_eq!(
            find("/dated").modified_at.map(|at| at.0),
            Some(784_111_777_000)
        );
        let jobs = world.jobs().await;
        assert_eq!(
            (jobs[0].request.kind, jobs[0].state),
            (JobKind::Web, JobState::Done)
        );
        // Other media types are read by what they are, whatever the header says.
        site.put(
            "/notes.md",
            200,
            &[("content-type", "text/plain")],
            "# Notes\n\nText of the notes.",
        );
        site.put(
            "/wrong",
            200,
            &[("content-type", "image/png")],
            "<!DOCTYPE html><p>Text after all.</p>",
        );
        site.put("/bare", 200, &[], "<html><script>1</script>");
        for (path, outcome) in [
            ("/notes.md", Outcome::Added),
            ("/wrong", Outcome::Added),
            ("/bare", Outcome::Failed),
        ] {
            let told = outcomes(&world, &site, site.request(path, 0)).await;
            assert_eq!(told, expect(&[(path, outcome)]), "{path}");
        }
        assert_eq!(world.document("notes.md").await.media_type, "text/markdown");
    });
}

fn a_site() {
    run(async {
        let (world, site) = (World::new().await, Site::start().await);
        site.page(
            "/docs/",
            "<a href=a>a</a><a href=b#x>b</a><a href=/blog/>out</a><a href=/docs/>self</a>",
        );
        site.page(
            "/docs/a",
            "<a href=deep/>deep</a><a href=b?utm_source=a>b</a>",
        );
        site.page("/docs/b", "<a href=missing>missing</a>");
        site.page("/docs/deep/", "<a href=deeper>deeper</a>");
        let told = outcomes(&world, &site, site.request("/docs/", 1)).await;
        let first = [
            ("/docs/", Outcome::Added),
            ("/docs/a", Outcome::Added),
            ("/docs/b", Outcome::Added),
        ];
        assert_eq!(told, expect(&first));
        assert_eq!(site.asked(), ["/docs/", "/docs/a", "/docs/b"]);
        let mut wider = site.request("/docs/", 2);
        wider.within = Within::Host;
        site.page("/blog/", "");
        let told = outcomes(&world, &site, wider).await;
        let told: BTreeMap<String, Outcome> = told.into_iter().collect();
        assert_eq!(told["/blog/"], Outcome::Added);
        assert_eq!(told["/docs/deep/"], Outcome::Added);
        assert_eq!(told["/docs/missing"], Outcome::Skipped);
        assert_eq!(told["/docs/a"], Outcome::Unchanged);
        assert_eq!(told.len(), 6);
        assert_eq!(documents(&world, false).await.len(), 5);
    });
}

fn unchanged() {
    run(async {
        let (world, site) = (World::new().await, Site::start().await);
        site.page("/", "<a href=a>a</a>");
        site.page("/a", "");
        outcomes(&world, &site, site.request("/", 1)).await;
        site.asked();
        let (result, told) = ingest(&world, &site, site.request("/", 1)).await;
        let all = [("/", Outcome::Unchanged), ("/a", Outcome::Unchanged)];
        let told: Vec<_> = told
            .into_iter()
            .map(|(path, outcome, _)| (path, outcome))
            .collect();
        assert_eq!((told, result.unwrap().n_bytes), (expect(&all), 0));
        assert_eq!(site.asked(), ["/ 304", "/a 304"]);
        // A change is seen, and the same content without a tag costs a download and nothing more.
        site.page("/a", "<p>And more.</p>");
        let told = outcomes(&world, &site, site.request("/", 1)).await;
        assert_eq!(
            told,
            expect(&[("/", Outcome::Unchanged), ("/a", Outcome::Updated)])
        );
        assert_eq!(site.asked(), ["/ 304", "/a"]);
        let document = world.document("a").await;
        assert_eq!(document.version.0, 2);
        // A lost note costs one download, no version.
        world.sql("DELETE FROM fetches");
        let told = outcomes(&world, &site, site.request("/", 1)).await;
        assert_eq!(told, expect(&all));
        assert_eq!(site.asked(), ["/", "/a"]);
        // A deleted page that is still there comes back, by a 304 too.
        world
            .catalog
            .delete_documents(&world.owner(), &[document.id])
            .await
            .unwrap();
        let told = outcomes(&world, &site, site.request("/a", 0)).await;
        assert_eq!(told, expect(&[("/a", Outcome::Updated)]));
        assert_eq!(site.asked(), ["/a 304"]);
        assert_eq!(documents(&world, false).await.len(), 2);
    });
}

fn one_document() {
    run(async {
        let (world, site) = (World::new().await, Site::start().await);
        site.page(
            "/",
            "<a href=x?sort=1>x</a><a href=x?sort=2>x</a><a href=old>old</a>",
        );
        site.page("/x?sort=1", "<link rel=canonical href=/x>");
        site.page("/x?sort=2", "<link rel=canonical href=/x>");
        site.page("/old", "<link rel=canonical href=http://other.example/old>");
        let told = outcomes(&world, &site, site.request("/", 1)).await;
        let first = [
            ("/", Outcome::Added),
            ("/x", Outcome::Added),
            ("/x?sort=2", Outcome::Skipped),
            ("/old", Outcome::Added),
        ];
        assert_eq!(told, expect(&first), "another host is no canonical address");
        // Asked at the address that answered, known by the address that it named.
        site.asked();
        outcomes(&world, &site, site.request("/x?sort=1", 0)).await;
        assert_eq!(site.asked(), ["/x?sort=1 304"]);
        // Moved for good: the document keeps its id. Moved for now: it stays.
        let before = world.document("old").await.id;
        let text = site.pages.lock().unwrap()["/old"].clone();
        site.pages.lock().unwrap().insert("/new".to_owned(), text);
        site.put("/old", 301, &[("location", "/new")], "");
        let told = outcomes(&world, &site, site.request("/old", 0)).await;
        assert_eq!(told, expect(&[("/new", Outcome::Moved)]));
        assert_eq!(world.document("new").await.id, before);
        site.page("/elsewhere", "");
        site.put("/new", 302, &[("location", "/elsewhere")], "");
        let told = outcomes(&world, &site, site.request("/new", 0)).await;
        assert_eq!(told, expect(&[("/elsewhere", Outcome::Added)]));
        assert_eq!(world.document("new").await.id, before);
        assert_eq!(documents(&world, false).await.len(), 4);
    });
}

fn robots() {
    run(async {
        let (world, site) = (World::new().await, Site::start().await);
        site.put("/robots.txt", 200, &[], "user-agent: *\ndisallow: /private");
        let links = "<a href=private/a>p</a><a rel=nofollow href=not>n</a><a href=tagged>t</a>\
                     <a href=meta>m</a><a href=silent>s</a>";
        site.page("/", links);
        site.put(
            "/tagged",
            200,
            &[("x-robots-tag", "noindex")],
            "<html><p>Text.</p><a href=behind>b</a>",
        );
        site.page("/meta", "<meta name=robots content=noindex>");
        site.page(
            "/silent",
            "<meta name=robots content=nofollow><a href=never>n</a>",
        );
        site.page("/behind", "");
        let told = outcomes(&world, &site, site.request("/", 2)).await;
        let all = [
            ("/", Outcome::Added),
            ("/private/a", Outcome::Skipped),
            ("/tagged", Outcome::Skipped),
            ("/meta", Outcome::Skipped),
            ("/silent", Outcome::Added),
            ("/behind", Outcome::Added),
        ];
        assert_eq!(told, expect(&all));
        assert!(!site.asked().iter().any(|path| path.contains("private")));
        let (result, told) = ingest(&world, &site, site.request("/private/a", 0)).await;
        assert_eq!((result.unwrap().n_failed, told[0].1), (1, Outcome::Failed));
        assert!(told[0].2.contains("robots.txt"), "{told:?}");
    });
}

fn gone() {
    run(async {
        let (world, site) = (World::new().await, Site::start().await);
        let links: String = (0..10).map(|n| format!("<a href=p{n}>p</a>")).collect();
        site.page("/", &links);
        for n in 0..10 {
            site.page(&format!("/p{n}"), "");
        }
        outcomes(&world, &site, site.request("/", 1)).await;
        // One is gone, one is no longer linked, one asks not to be kept.
        site.page("/", &links.replace("<a href=p3>p</a>", ""));
        site.put("/p1", 410, &[], "");
        site.page("/p2", "<meta name=robots content=noindex>");
        let (_, told) = ingest(&world, &site, site.request("/", 1)).await;
        let kept: Vec<_> = told
            .iter()
            .filter(|(_, _, reason)| reason.contains("is kept"))
            .collect();
        assert_eq!(kept.len(), 2, "{told:?}");
        assert_eq!(documents(&world, false).await.len(), 11);
        let sync = |deletions| WebRequest {
            deletions,
            ..site.request("/", 1)
        };
        let dry = WebRequest {
            mode: RunMode::DryRun,
            ..sync(DeletionGuard::Careful)
        };
        assert_eq!(
            ingest(&world, &site, dry).await.0.unwrap().n_deleted,
            0,
            "a dry run asks for the start page alone"
        );
        site.asked();
        let (result, _) = ingest(&world, &site, sync(DeletionGuard::Careful)).await;
        assert_eq!(result.unwrap().n_deleted, 2);
        assert!(
            site.asked().contains(&"/p3 304".to_owned()),
            "known pages are asked without a link"
        );
        assert_eq!(documents(&world, false).await.len(), 9);
        // Too many at once is more likely a broken site.
        for n in 4..9 {
            site.put(&format!("/p{n}"), 404, &[], "");
        }
        let (result, _) = ingest(&world, &site, sync(DeletionGuard::Careful)).await;
        assert!(
            matches!(
                result,
                Err(IngestError::SyncDeletesTooMuch { n_gone: 5, .. })
            ),
            "{result:?}"
        );
        assert_eq!(documents(&world, false).await.len(), 9);
        // A server that fails says nothing about its pages.
        site.put("/p9", 500, &[], "");
        let (result, _) = ingest(&world, &site, sync(DeletionGuard::Confirmed)).await;
        let summary = result.unwrap();
        assert_eq!((summary.n_deleted, summary.n_failed), (5, 1));
        assert_eq!(documents(&world, false).await.len(), 4);
    });
}

fn rooms() {
    run(async {
        let (world, site) = (World::new().await, Site::start().await);
        site.page("/a", "");
        let mut of_anna = site.request("/a", 0);
        of_anna.room = "~anna/".to_owned();
        of_anna.access = Some(AccessList::new([Principal::User("anna".to_owned())]));
        let key = format!("~anna/{}", site.url("/a"));
        let told = outcomes(&world, &site, of_anna.clone()).await;
        assert_eq!(told, expect(&[("~anna//a", Outcome::Added)]));
        let told = outcomes(&world, &site, site.request("/a", 0)).await;
        assert_eq!(
            told,
            expect(&[("/a", Outcome::Added)]),
            "a document of its own"
        );
        site.asked();
        let told = outcomes(&world, &site, of_anna).await;
        assert_eq!(told, expect(&[("~anna//a", Outcome::Unchanged)]));
        assert_eq!(site.asked(), ["/a 304"]);
        let documents = documents(&world, false).await;
        let of_anna = documents
            .iter()
            .find(|document| document.key == key)
            .unwrap();
        assert_eq!((documents.len(), of_anna.uri.clone()), (2, site.url("/a")));
        assert_eq!(
            of_anna.access,
            AccessList::new([Principal::User("anna".to_owned())])
        );
    });
}

fn dry_run() {
    run(async {
        let (world, site) = (World::new().await, Site::start().await);
        site.page("/", "<a href=a>a</a><a href=b>b</a>");
        site.page("/a", "");
        site.page("/b", "");
        outcomes(&world, &site, site.request("/a", 0)).await;
        site.asked();
        let dry = WebRequest {
            mode: RunMode::DryRun,
            ..site.request("/", 3)
        };
        let told = outcomes(&world, &site, dry).await;
        let all = [
            ("/", Outcome::Added),
            ("/a", Outcome::Unchanged),
            ("/b", Outcome::Added),
        ];
        assert_eq!(told, expect(&all));
        assert_eq!(site.asked(), ["/"], "only the start page is asked for");
        assert_eq!(documents(&world, false).await.len(), 1);
        assert_eq!(world.jobs().await.len(), 1);
    });
}

fn traps() {
    run(async {
        let (world, site) = (World::new().await, Site::start().await);
        // A page that leads to ever more addresses of itself.
        let links: String = (0..30)
            .map(|n| format!("<a href='/?session={n}'>s</a>"))
            .collect();
        site.page("/", &links);
        for n in 0..30 {
            let links: String = (0..30)
                .map(|k| format!("<a href='/?session={n}-{k}'>s</a>"))
                .collect();
            site.page(&format!("/?session={n}"), &links);
        }
        let mut request = site.request("/", 9);
        request.max_pages = 5;
        let (result, told) = ingest(&world, &site, request).await;
        let summary = result.unwrap();
        assert_eq!((summary.n_added, summary.n_skipped), (5, 1));
        assert!(
            told.last().unwrap().2.contains("more addresses"),
            "{told:?}"
        );
        assert_eq!(site.asked().len(), 5);
        // Failures of pages and of their parsers end nothing.
        site.page(
            "/list",
            "<a href=loop>l</a><a href=torn>t</a><a href=fine>f</a><a href=http://10.0.0.1/>p</a>",
        );
        site.put("/loop", 302, &[("location", "/loop")], "");
        site.put(
            "/torn",
            200,
            &[("content-type", "application/pdf")],
            "%PDF-1.7\ntorn",
        );
        site.page("/fine", "");
        let told = outcomes(&world, &site, site.request("/list", 1)).await;
        let all = [
            ("/list", Outcome::Added),
            ("/loop", Outcome::Failed),
            ("/torn", Outcome::Failed),
            ("/fine", Outcome::Added),
        ];
        assert_eq!(told, expect(&all));
    });
}

fn stopped() {
    run(async {
        let (world, site) = (World::new().await, Site::start().await);
        site.page("/", "<a href=a>a</a><a href=b>b</a>");
        site.page("/a", "");
        site.page("/b", "");
        let (scope, client, cancel) = (world.owner(), client(), CancellationToken::new());
        let stop = cancel.clone();
        let emit = move |event| {
            if matches!(event, IngestEvent::Document(_)) {
                stop.cancel();
            }
        };
        let result = world
            .pipeline
            .ingest_web(&scope, &client, site.request("/", 1), &cancel, emit)
            .await;
        assert!(matches!(result, Err(IngestError::Cancelled)), "{result:?}");
        assert_eq!(documents(&world, false).await.len(), 1);
        assert_eq!(world.jobs().await[0].state, JobState::Interrupted);
        // As if the process had been killed between a version and the note of its fetch.
        world.sql("DELETE FROM fetches");
        let told = outcomes(&world, &site, site.request("/", 1)).await;
        let all = [
            ("/", Outcome::Unchanged),
            ("/a", Outcome::Added),
            ("/b", Outcome::Added),
        ];
        assert_eq!(told, expect(&all));
        assert_eq!(documents(&world, true).await.len(), 3);
    });
}
