//! The owner's routes: ingest of local files, models, rebuild, status.

use cairn_server::Surface;
use http::Method;
use serde_json::{Value, json};

use crate::Test;
use crate::test_app::{Setup, TestApp, run};

pub(crate) const TESTS: &[Test] = &[
    (
        "local::ingest_tells_every_document_and_a_summary",
        ingest_tells,
    ),
    ("local::a_sync_deletes_carefully", a_sync_deletes_carefully),
    (
        "local::a_reader_that_goes_away_stops_the_run",
        a_reader_that_goes_away,
    ),
    ("local::a_rebuild_finds_the_same", a_rebuild_finds_the_same),
    ("local::a_restart_finds_the_same", a_restart_finds_the_same),
    ("local::status_and_models_are_told", status_and_models),
];

fn names(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect()
}

fn ingest_tells() {
    run(async {
        let test = TestApp::new().await;
        let files = [
            ("a.md", "# One\n\nThe ferry leaves at nine."),
            ("b.txt", "Tickets cost five."),
            ("c.bin", "\0\u{1}\u{2}"),
        ];
        let folder = test.write(&files);
        let body =
            json!({ "patterns": ["."], "base": folder, "collection": "line", "tags": ["x"] });
        let mut dry = body.clone();
        dry["dry_run"] = json!(true);
        let events = test.ingest_with(dry).await;
        assert_eq!(
            (
                &events.last().unwrap()["dry_run"],
                &events.last().unwrap()["added"]
            ),
            (&json!(true), &json!(3))
        );
        assert_eq!(
            test.own(Method::GET, "/api/v1/docs", None).await.json()["documents"],
            json!([])
        );
        let events = test.ingest_with(body.clone()).await;
        assert_eq!(
            events[0],
            json!({ "event": "discovered", "n_files": 3, "n_bytes": 53 })
        );
        let documents: Vec<_> = events
            .iter()
            .filter(|event| event["event"] == "document")
            .collect();
        assert_eq!(documents.len(), 3);
        for document in documents {
            for field in [
                "path",
                "outcome",
                "reason",
                "document_id",
                "chunks",
                "status",
                "coverage",
                "report",
            ] {
                assert!(document.get(field).is_some(), "{document}");
            }
        }
        let summary = events.last().unwrap();
        assert_eq!(*names(&events).last().unwrap(), "summary");
        assert_eq!(
            (&summary["added"], &summary["truncated"], &summary["error"]),
            (&json!(2), &json!(0), &Value::Null)
        );
        assert_eq!(summary["lexical_only"], false);
        assert!(summary["stages_ms"]["parse"].as_f64().unwrap() > 0.0 && summary["seq"].is_u64());
        // Found right after the summary, without waiting.
        assert_eq!(test.found(None, "ferry").await.len(), 2);
        let again = test.ingest_with(body).await;
        let summary = again.last().unwrap();
        assert_eq!(
            (
                &summary["unchanged"],
                &summary["embedded"],
                &summary["added"]
            ),
            (&json!(2), &json!(0), &json!(0))
        );
        let missing = json!({ "patterns": ["missing"], "base": folder });
        let reply = test
            .own(Method::POST, "/local/v1/ingest", Some(missing))
            .await;
        reply.assert_problem(404, "not_found");
        assert!(reply.json()["detail"].as_str().unwrap().contains("missing"));
    });
}

fn a_sync_deletes_carefully() {
    run(async {
        let test = TestApp::new().await;
        let files = [("a.md", "one"), ("b.md", "two"), ("c.md", "three")];
        let folder = test.write(&files);
        let body = json!({ "patterns": ["."], "base": folder, "sync": true });
        assert_eq!(
            test.ingest_with(body.clone()).await.last().unwrap()["added"],
            3
        );
        fs_err::remove_file(folder.join("a.md")).unwrap();
        let stopped = test.ingest_with(body.clone()).await;
        let error = &stopped.last().unwrap()["error"];
        assert_eq!(
            (&error["code"], &error["status"]),
            (&json!("conflict"), &json!(409)),
            "{error}"
        );
        assert!(error["hint"].as_str().unwrap().contains("--yes"));
        let mut confirmed = body;
        confirmed["yes"] = json!(true);
        assert_eq!(
            test.ingest_with(confirmed).await.last().unwrap()["deleted"],
            1
        );
        assert_eq!(
            test.own(Method::GET, "/api/v1/docs", None).await.json()["documents"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
    });
}

fn a_reader_that_goes_away() {
    run(async {
        let test = TestApp::new().await;
        let files: Vec<(String, String)> = (0..200)
            .map(|at| (format!("{at}.md"), format!("text {at}")))
            .collect();
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        let folder = test.write(&files);
        let body = json!({ "patterns": ["."], "base": folder }).to_string();
        let request =
            http::Request::post("/local/v1/ingest").header("content-type", "application/json");
        let request = request.body(axum::body::Body::from(body)).unwrap();
        use tower::ServiceExt as _;
        let response = cairn_server::router(test.app.clone(), Surface::Local)
            .oneshot(request)
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        // A run that nobody waits for before it begins need not begin: the reader leaves after the first event.
        let mut events = response.into_body();
        let first = http_body_util::BodyExt::frame(&mut events).await;
        assert!(first.is_some_and(|frame| frame.is_ok()));
        drop(events);
        let job = loop {
            let jobs = test.own(Method::GET, "/api/v1/jobs", None).await.json();
            match jobs["jobs"].get(0) {
                Some(job) if job["state"] != "running" && job["state"] != "queued" => {
                    break job.clone();
                }
                _ => tokio::task::yield_now().await,
            }
        };
        assert_eq!(job["state"], "interrupted", "{job}");
        // What was published stays, and the next run does the rest.
        let rest = test
            .ingest_with(json!({ "patterns": ["."], "base": folder }))
            .await;
        let summary = rest.last().unwrap();
        assert_eq!(
            summary["added"].as_u64().unwrap() + summary["unchanged"].as_u64().unwrap(),
            200
        );
        assert!(summary["added"].as_u64().unwrap() > 0, "{summary}");
    });
}

async fn search(test: &TestApp) -> Value {
    let body = json!({ "query": "ferry tickets at nine", "explain": true });
    let mut found = test
        .own(Method::POST, "/api/v1/search", Some(body))
        .await
        .json();
    found["timing_ms"] = Value::Null;
    found["explanation"]["timing_ms"] = Value::Null;
    found["seq"] = Value::Null;
    found
}

async fn fill_with_documents(test: &TestApp) {
    let files = [
        ("a.md", "The ferry leaves at nine."),
        ("b.md", "Tickets cost five."),
        ("c.md", "The ferry is late."),
    ];
    test.ingest(&files, None).await;
}

fn a_rebuild_finds_the_same() {
    run(async {
        let test = TestApp::new().await;
        fill_with_documents(&test).await;
        let before = search(&test).await;
        assert_eq!(before["results"].as_array().unwrap().len(), 3);
        for _ in 0..2 {
            let rebuilt = test
                .own(Method::POST, "/local/v1/index/rebuild", None)
                .await
                .json();
            assert_eq!(
                (
                    &rebuilt["documents"],
                    &rebuilt["chunks"],
                    &rebuilt["vectors"]
                ),
                (&json!(3), &json!(3), &json!(3))
            );
            assert_eq!(search(&test).await, before);
        }
        let folders = fs_err::read_dir(test.dir.path().join("index"))
            .unwrap()
            .count();
        assert_eq!(folders, 1, "old indexes go");
        // The new index takes changes.
        test.document("d.md", "Another ferry.", &["everyone"]).await;
        assert_eq!(test.found(None, "ferry").await.len(), 4);
    });
}

fn a_restart_finds_the_same() {
    run(async {
        let test = TestApp::new().await;
        fill_with_documents(&test).await;
        let before = search(&test).await;
        let test = test.reopen(Setup::default()).await;
        assert_eq!(search(&test).await, before);
        let index = test.dir.path().join("index");
        let Ok(()) = fs_err::remove_dir_all(&index) else {
            panic!("the index cannot be removed")
        };
        let test = test.reopen(Setup::default()).await;
        assert_eq!(search(&test).await, before, "the catalog is the truth");
    });
}

fn status_and_models() {
    run(async {
        let test = TestApp::new().await;
        fill_with_documents(&test).await;
        test.key("anna", &[], false).await;
        let status = test.own(Method::GET, "/local/v1/status", None).await.json();
        assert_eq!(
            (&status["documents"], &status["vectors"], &status["keys"]),
            (&json!(3), &json!(3), &json!(1))
        );
        assert_eq!(
            (&status["model"], &status["chat"]),
            (&json!("hashed-words"), &Value::Null)
        );
        assert_eq!(status["catalog_seq"], status["index_seq"]);
        let models = test.own(Method::GET, "/local/v1/models", None).await.json();
        let known = &models["models"][0];
        assert_eq!(
            (&known["name"], &known["installed"]),
            (&json!("all-MiniLM-L6-v2"), &json!(false))
        );
    });
}
