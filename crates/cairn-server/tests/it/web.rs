//! Pages of the web through the API: for who may write, below their own names, and never from private networks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cairn_web::{Allowed, WebOptions};
use http::Method;
use serde_json::{Value, json};

use crate::Test;
use crate::test_app::{Setup, TestApp, run};

pub(crate) const TESTS: &[Test] = &[
    (
        "web::keys_read_pages_below_their_own_names",
        keys_read_pages,
    ),
    ("web::private_addresses_are_never_asked", private_addresses),
    ("web::requests_that_cannot_be_met_are_refused", bad_requests),
];

/// A site of two pages on this machine, and how often it was asked.
async fn site() -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let hits = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&hits);
    let router = axum::Router::new().fallback(move |request: axum::extract::Request| {
        counter.fetch_add(1, Ordering::SeqCst);
        let page = match request.uri().path() {
            "/" => Ok("<!DOCTYPE html><p>The zeppelin lands at nine.</p><a href=b>b</a>"),
            "/b" => Ok("<!DOCTYPE html><p>The gondola is cleaned at ten.</p>"),
            _ => Err(http::StatusCode::NOT_FOUND),
        };
        async move { page }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    (base, hits)
}

fn setup() -> Setup {
    Setup {
        web: WebOptions {
            allowed: Allowed::new(["127.0.0.1"]).unwrap(),
            delay: Duration::ZERO,
            ..WebOptions::default()
        },
        ..Setup::default()
    }
}

async fn ingest(test: &TestApp, key: &str, body: Value) -> Vec<Value> {
    let reply = test
        .as_key(key, Method::POST, "/api/v1/ingest", Some(body))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.lines()
}

fn keys_read_pages() {
    run(async {
        let (base, _) = site().await;
        let test = TestApp::with(setup()).await;
        let anna = test.key("anna", &[], false).await;
        let ben = test.key("ben", &[], false).await;
        let body = json!({ "urls": [format!("{base}/")], "depth": 1, "allow": ["user:anna"] });
        let events = ingest(&test, &anna, body.clone()).await;
        let summary = events.last().unwrap();
        assert_eq!(
            (&summary["event"], &summary["added"]),
            (&json!("summary"), &json!(2))
        );
        let paths: Vec<&str> = events
            .iter()
            .filter(|event| event["event"] == "document")
            .map(|event| event["path"].as_str().unwrap())
            .collect();
        assert_eq!(paths, [format!("{base}/"), format!("{base}/b")]);
        assert_eq!(test.found(Some(&anna), "zeppelin").await.len(), 2);
        // Of the same address ben gets a document of his own, and learns nothing of hers.
        assert_eq!(test.found(Some(&ben), "zeppelin").await.len(), 0);
        let mut of_ben = body;
        of_ben["allow"] = json!(["user:ben"]);
        let events = ingest(&test, &ben, of_ben).await;
        assert_eq!(events.last().unwrap()["added"], 2);
        assert_eq!(test.found(Some(&anna), "zeppelin").await.len(), 2);
        assert_eq!(test.found(Some(&ben), "zeppelin").await.len(), 2);
        let jobs = test
            .as_key(&anna, Method::GET, "/api/v1/jobs", None)
            .await
            .json();
        let jobs = jobs["jobs"].as_array().unwrap();
        assert_eq!((jobs.len(), &jobs[0]["kind"]), (1, &json!("web")));
    });
}

fn private_addresses() {
    run(async {
        let (base, hits) = site().await;
        let test = TestApp::new().await;
        let anna = test.key("anna", &[], false).await;
        let port = base.rsplit(':').next().unwrap();
        let urls = [
            "127.0.0.1",
            "localhost",
            "[::1]",
            "2130706433",
            "0x7f.1",
            "[::ffff:127.0.0.1]",
        ]
        .map(|host| format!("http://{host}:{port}/"));
        let events = ingest(&test, &anna, json!({ "urls": urls, "depth": 3 })).await;
        let summary = events.last().unwrap();
        // Three of the six are one address.
        assert_eq!(
            (&summary["failed"], &summary["added"]),
            (&json!(4), &json!(0))
        );
        let told = events.iter().filter(|event| event["event"] == "document");
        for event in told {
            let reason = event["reason"].as_str().unwrap();
            assert!(reason.contains("only the public internet"), "{reason}");
        }
        // The owner of the machine has no other rules.
        let reply = test
            .own(
                Method::POST,
                "/api/v1/ingest",
                Some(json!({ "urls": [format!("{base}/")] })),
            )
            .await;
        assert_eq!(reply.lines().last().unwrap()["failed"], 1);
        assert_eq!(hits.load(Ordering::SeqCst), 0);
    });
}

fn bad_requests() {
    run(async {
        let test = TestApp::new().await;
        for (body, detail) in [
            (json!({ "urls": [] }), "`urls` is empty"),
            (json!({ "urls": ["ftp://h/"] }), "only http and https"),
            (
                json!({ "urls": ["http://u:secret@h/"] }),
                "name or password",
            ),
            (json!({ "urls": ["no address"] }), "cannot be fetched"),
            (
                json!({ "urls": ["http://h/"], "max_pages": 0 }),
                "1 to 1000 pages",
            ),
            (
                json!({ "urls": ["http://h/"], "max_pages": 1001 }),
                "1 to 1000 pages",
            ),
            (json!({ "urls": ["http://h/"], "depht": 1 }), "depht"),
            (json!({ "urls": ["http://h/"], "allow": ["anna"] }), "anna"),
        ] {
            let reply = test.own(Method::POST, "/api/v1/ingest", Some(body)).await;
            assert_eq!(reply.status, 400, "{}", reply.text());
            assert!(reply.text().contains(detail), "{detail}: {}", reply.text());
            assert!(!reply.text().contains("secret"));
        }
    });
}
