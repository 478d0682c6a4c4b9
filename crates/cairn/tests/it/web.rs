//! `cairn ingest https://...`: a page, a site, and what is refused.

use serde_json::json;

use crate::support::{Cairn, write};

/// A site of three pages on this machine.
async fn site() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(|request: axum::extract::Request| async move {
        let tag = [("etag", "\"1\"")];
        if request.headers().contains_key("if-none-match") {
            return (http::StatusCode::NOT_MODIFIED, tag, "");
        }
        let page = match request.uri().path() {
            "/docs/" => "<!DOCTYPE html><title>Harbour</title><p>The harbour opens at six.</p><a href=ferry>f</a><a href=/out>o</a>",
            "/docs/ferry" => "<!DOCTYPE html><title>Ferry</title><p>The ferry leaves at nine.</p>",
            "/out" => "<!DOCTYPE html><p>Outside.</p>",
            _ => return (http::StatusCode::NOT_FOUND, tag, ""),
        };
        (http::StatusCode::OK, tag, page)
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

fn cairn() -> Cairn {
    Cairn::new()
        .set("CAIRN_WEB__ALLOW_PRIVATE", "127.0.0.0/8")
        .set("CAIRN_WEB__DELAY_MS", "0")
}

#[tokio::test]
async fn a_site_is_read_found_and_read_again_for_nothing() {
    let (base, cairn) = (site().await, cairn());
    let start = format!("{base}/docs/");
    let dry = cairn
        .run(&["ingest", &start, "--depth", "1", "--dry-run", "--json"])
        .await
        .ok()
        .lines();
    assert_eq!(dry.last().unwrap()["added"], 2);
    let first = cairn
        .run(&["ingest", &start, "--depth", "1", "--tag", "port", "--json"])
        .await
        .ok()
        .lines();
    assert_eq!(first.len(), 3, "{first:?}");
    assert_eq!(first[1]["path"], json!(format!("{base}/docs/ferry")));
    assert_eq!(first[2]["added"], 2);
    let found = cairn.json(&["search", "ferry"]).await;
    let document = &found["results"][0]["document"];
    let uri = format!("{base}/docs/ferry");
    assert_eq!(
        (&document["title"], &document["uri"]),
        (&json!("Ferry"), &json!(uri)),
        "{found}"
    );
    let again = cairn
        .run(&["ingest", &start, "--depth", "1", "--json"])
        .await
        .ok()
        .lines();
    let summary = again.last().unwrap();
    assert_eq!(
        (&summary["unchanged"], &summary["bytes"]),
        (&json!(2), &json!(0))
    );
    let wider = cairn
        .run(&[
            "ingest",
            &start,
            "--depth",
            "1",
            "--whole-host",
            "--max-pages",
            "9",
        ])
        .await
        .ok();
    assert!(
        wider.stdout.contains("1 added, 2 unchanged"),
        "{}",
        wider.stdout
    );
}

#[tokio::test]
async fn private_addresses_and_mixed_runs_are_refused() {
    let base = site().await;
    let plain = Cairn::new();
    let refused = plain.run(&["ingest", &base]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stdout.contains("loopback address"), "{refused:?}");
    assert!(refused.stdout.contains("web.allow_private"), "{refused:?}");
    write(&plain.files(), "a.md", "text");
    for args in [
        &["ingest", "a.md", "https://example.com/"][..],
        &["ingest", "a.md", "--depth", "1"],
        &["ingest", "https://user:pw@example.com/"],
        &["ingest", "https://example.com/", "--max-pages", "2000"],
    ] {
        let refused = plain.run(args).await;
        assert_eq!(refused.code, Some(2), "{args:?}: {refused:?}");
    }
    let wrong = Cairn::new().set("CAIRN_WEB__ALLOW_PRIVATE", "10.0.0.0/99");
    let refused = wrong.run(&["ingest", "https://example.com/"]).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("web.allow_private"), "{refused:?}");
}
