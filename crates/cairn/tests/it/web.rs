//! `cairn ingest https://...`: a page, a site, and what is refused.

use std::net::SocketAddr;

use axum::serve::Listener;
use cairn_testkit::{TestRoot, Validity};
use serde_json::json;

use crate::support::{Cairn, write};

/// A site of three pages on this machine.
async fn site() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", serve(listener))
}

fn serve<L: Listener<Addr = SocketAddr, Io: Send>>(listener: L) -> SocketAddr {
    let address = listener.local_addr().unwrap();
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
    address
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
async fn a_site_with_a_certificate_of_the_organisation_is_read() {
    let root = TestRoot::new();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = root
        .listen(address, &["localhost"], Validity::Now)
        .await
        .unwrap();
    let port = serve(listener).port();
    let start = format!("https://localhost:{port}/docs/");
    let args = ["ingest", &start, "--depth", "1", "--json"];
    let stranger = Cairn::new().set("CAIRN_WEB__ALLOW_PRIVATE", "localhost");
    let refused = stranger.run(&args).await.code(1);
    assert!(
        refused.stdout.contains("nobody whom this system trusts"),
        "{refused:?}"
    );
    assert!(refused.stdout.contains("web.extra_roots"), "{refused:?}");
    let cairn = cairn().set("CAIRN_WEB__ALLOW_PRIVATE", "localhost");
    write(&cairn.files(), "root.pem", root.pem());
    let path = cairn.files().join("root.pem");
    let trusting = cairn.set("CAIRN_WEB__EXTRA_ROOTS", path);
    let run = trusting.run(&args).await.ok();
    assert_eq!(run.lines().last().unwrap()["added"], 2);
    // By its number it is another host, whatever answers there.
    let by_number = format!("https://127.0.0.1:{port}/docs/");
    let both = trusting.set("CAIRN_WEB__ALLOW_PRIVATE", "127.0.0.1,localhost");
    let refused = both.run(&["ingest", &by_number]).await.code(1);
    assert!(
        refused.stdout.contains("is for another host"),
        "{refused:?}"
    );
    for wrong in ["no/such.pem", "empty.pem"] {
        write(&both.files(), "empty.pem", "");
        let path = both.files().join(wrong);
        let refused = Cairn::new()
            .set("CAIRN_WEB__EXTRA_ROOTS", path)
            .run(&args)
            .await
            .code(2);
        assert!(refused.stderr.contains("web.extra_roots"), "{refused:?}");
    }
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
