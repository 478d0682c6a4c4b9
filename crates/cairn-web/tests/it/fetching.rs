//! Robots, redirects, validators, packing, limits.

use std::io::Write as _;
use std::time::Duration;

use axum::body::Body;
use cairn_web::{Answer, Fetched, Validators, WebError, WebOptions};

use crate::server::{Server, client, fetch, fetch_again, options, reply};

fn text(fetched: &Fetched) -> String {
    match &fetched.answer {
        Answer::Page(page) => String::from_utf8_lossy(&page.bytes).into_owned(),
        other => format!("{other:?}"),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[tokio::test]
async fn pages_come_with_what_their_headers_say() {
    let server = Server::start(|request| {
        let agent = request.headers()["user-agent"].to_str().unwrap().to_owned();
        assert!(agent.starts_with("cairn/"), "{agent}");
        for absent in ["cookie", "referer", "authorization"] {
            assert!(!request.headers().contains_key(absent));
        }
        match request.uri().path() {
            "/robots.txt" => reply(404, &[], ""),
            "/page" => reply(
                200,
                &[
                    ("content-type", "Text/HTML; charset=utf-8"),
                    ("etag", "W/\"1\""),
                    ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
                    ("x-robots-tag", "noindex"),
                    ("set-cookie", "a=b"),
                ],
                "hello",
            ),
            "/packed" => reply(200, &[("content-encoding", "gzip")], gzip(b"packed")),
            "/gone" => reply(410, &[], ""),
            "/broken" => reply(500, &[], ""),
            "/empty" => reply(204, &[], ""),
            "/brotli" => reply(200, &[("content-encoding", "br")], "x"),
            "/torn" => reply(200, &[("content-encoding", "gzip")], "no gzip"),
            _ => reply(404, &[], ""),
        }
    })
    .await;
    let client = client(options(&["127.0.0.1"]));
    let fetched = fetch(&client, &server.url("/page?utm_source=x#top"))
        .await
        .unwrap();
    assert_eq!(fetched.url, server.url("/page"));
    let Answer::Page(page) = &fetched.answer else {
        panic!("{fetched:?}");
    };
    assert_eq!(
        (page.bytes.as_slice(), page.content_type.as_str()),
        (&b"hello"[..], "text/html")
    );
    assert_eq!((page.no_index, page.no_follow), (true, false));
    assert_eq!(page.validators.etag.as_deref(), Some("W/\"1\""));
    let modified = page
        .validators
        .last_modified
        .as_deref()
        .and_then(cairn_web::http_date);
    assert_eq!(modified, Some(784_111_777_000));
    assert_eq!(
        text(&fetch(&client, &server.url("/packed")).await.unwrap()),
        "packed"
    );
    for (path, expect) in [("/none", 404), ("/gone", 410)] {
        let fetched = fetch(&client, &server.url(path)).await.unwrap();
        assert_eq!(fetched.answer, Answer::Gone { status: expect }, "{path}");
    }
    for (path, expect) in [("/broken", 500), ("/empty", 204)] {
        let error = fetch(&client, &server.url(path)).await.unwrap_err();
        assert_eq!(error, WebError::Status { status: expect }, "{path}");
    }
    for path in ["/brotli", "/torn"] {
        let error = fetch(&client, &server.url(path)).await.unwrap_err();
        assert!(
            matches!(error, WebError::Encoding { .. }),
            "{path}: {error}"
        );
    }
    let n_robots = server
        .paths()
        .iter()
        .filter(|path| *path == "/robots.txt")
        .count();
    assert_eq!(n_robots, 1, "asked once for a site");
}

#[tokio::test]
async fn unchanged_pages_are_not_sent_again() {
    let server = Server::start(|request| {
        let header = |name: &str| request.headers().get(name).map(|v| v.to_str().unwrap());
        match (header("if-none-match"), header("if-modified-since")) {
            (Some("\"1\""), _) => reply(304, &[], ""),
            (_, Some("Sun, 06 Nov 1994 08:49:37 GMT")) => reply(304, &[], ""),
            _ => reply(200, &[("etag", "\"2\"")], "new"),
        }
    })
    .await;
    let client = client(options(&["127.0.0.1"]));
    for (etag, last_modified, expect) in [
        (Some("\"1\""), None, Some(())),
        (None, Some("Sun, 06 Nov 1994 08:49:37 GMT"), Some(())),
        (Some("\"0\""), None, None),
        (Some("no\nheader"), None, None),
        (None, None, None),
    ] {
        let validators = Validators {
            etag: etag.map(str::to_owned),
            last_modified: last_modified.map(str::to_owned),
        };
        let fetched = fetch_again(&client, &server.url("/"), Some(validators))
            .await
            .unwrap();
        let is_same = (fetched.answer == Answer::Same).then_some(());
        assert_eq!(is_same, expect, "{etag:?}");
    }
}

#[tokio::test]
async fn a_304_that_nobody_asked_for_is_no_answer() {
    let server = Server::start(|request| match request.uri().path() {
        "/robots.txt" => reply(404, &[], ""),
        _ => reply(304, &[], ""),
    })
    .await;
    let error = fetch(&client(options(&["127.0.0.1"])), &server.url("/"))
        .await
        .unwrap_err();
    assert_eq!(error, WebError::Status { status: 304 });
}

#[tokio::test]
async fn redirects_end_at_one_address() {
    let server = Server::start(|request| match request.uri().path() {
        "/robots.txt" => reply(404, &[], ""),
        "/old" => reply(301, &[("location", "/older")], ""),
        "/older" => reply(308, &[("location", "new?utm_medium=x&a=1#f")], ""),
        "/login" => reply(302, &[("location", "/new?a=1")], ""),
        "/loop" => reply(302, &[("location", "/loop")], ""),
        "/nowhere" => reply(302, &[], ""),
        "/disallowed" => reply(302, &[("location", "/private/x")], ""),
        _ => reply(200, &[], "new"),
    })
    .await;
    let client = client(options(&["127.0.0.1"]));
    let moved = fetch(&client, &server.url("/old")).await.unwrap();
    assert_eq!(
        (moved.url.clone(), moved.has_moved),
        (server.url("/new?a=1"), true)
    );
    let elsewhere = fetch(&client, &server.url("/login")).await.unwrap();
    assert_eq!(
        (elsewhere.url, elsewhere.has_moved),
        (server.url("/new?a=1"), false)
    );
    assert!(!fetch(&client, &server.url("/new")).await.unwrap().has_moved);
    let n_before = server.hits();
    let error = fetch(&client, &server.url("/loop")).await.unwrap_err();
    assert_eq!(error, WebError::TooManyRedirects { limit: 5 });
    assert_eq!(server.hits() - n_before, 6);
    let error = fetch(&client, &server.url("/nowhere")).await.unwrap_err();
    assert_eq!(error, WebError::Status { status: 302 });
}

#[tokio::test]
async fn a_redirect_out_of_the_run_is_not_followed() {
    let server = Server::start(|request| match request.uri().path() {
        "/robots.txt" => reply(404, &[], ""),
        "/a" => reply(302, &[("location", "/b")], ""),
        _ => reply(200, &[], ""),
    })
    .await;
    let hops = cairn_web::Hops {
        validators: &|_| None,
        accepts: &|url| url.path() != "/b",
    };
    let client = client(options(&["127.0.0.1"]));
    let error = client.fetch(&server.url("/a"), &hops).await.unwrap_err();
    assert!(matches!(error, WebError::LeadsAway { .. }), "{error}");
    assert_eq!(server.paths(), ["/robots.txt", "/a"]);
}

#[tokio::test]
async fn sites_say_what_robots_may_read() {
    let rules = Server::start(|request| match request.uri().path() {
        "/robots.txt" => reply(301, &[("location", "/rules.txt")], ""),
        "/rules.txt" => reply(
            200,
            &[],
            "user-agent: cairn\ndisallow: /private\nallow: /private/open",
        ),
        "/way" => reply(302, &[("location", "/private/a")], ""),
        _ => reply(200, &[], "page"),
    })
    .await;
    let client_of = || client(options(&["127.0.0.1"]));
    let client = client_of();
    for (path, expect) in [
        ("/", true),
        ("/private/open", true),
        ("/private", false),
        ("/%70rivate?x", false),
        ("/way", false),
    ] {
        let fetched = fetch(&client, &rules.url(path)).await;
        let is_disallowed = matches!(fetched, Err(WebError::Disallowed { .. }));
        assert_eq!(fetched.is_ok(), expect, "{path}: {fetched:?}");
        assert_eq!(is_disallowed, !expect, "{path}: {fetched:?}");
    }
    assert!(!rules.paths().iter().any(|path| path == "/private/a"));
    // Without rules: 4xx allows all, 5xx (and 429) forbids all, and so does a robots.txt that is not to be had.
    for (server, expect) in [
        (
            Server::start(|request| {
                reply(
                    if request.uri().path() == "/robots.txt" {
                        403
                    } else {
                        200
                    },
                    &[],
                    "x",
                )
            })
            .await,
            true,
        ),
        (
            Server::start(|request| {
                reply(
                    if request.uri().path() == "/robots.txt" {
                        503
                    } else {
                        200
                    },
                    &[],
                    "x",
                )
            })
            .await,
            false,
        ),
        (
            Server::start(|request| {
                reply(
                    if request.uri().path() == "/robots.txt" {
                        429
                    } else {
                        200
                    },
                    &[],
                    "x",
                )
            })
            .await,
            false,
        ),
        (
            Server::start(|request| match request.uri().path() {
                "/robots.txt" => reply(302, &[("location", "/robots.txt")], ""),
                _ => reply(200, &[], "x"),
            })
            .await,
            true,
        ),
    ] {
        let fetched = fetch(&client_of(), &server.url("/")).await;
        assert_eq!(fetched.is_ok(), expect, "{:?}: {fetched:?}", server.paths());
        if !expect {
            assert!(matches!(fetched, Err(WebError::NoRobots { .. })));
        }
    }
    let gone = Server::start(|_| reply(200, &[], "")).await;
    let mut url = gone.url("/");
    // A port of this machine at which nobody listens.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    url.set_port(Some(free.local_addr().unwrap().port()))
        .unwrap();
    drop(free);
    let error = fetch(&client_of(), &url).await.unwrap_err();
    assert!(matches!(error, WebError::NoRobots { .. }), "{error}");
}

#[tokio::test]
async fn answers_are_limited_after_unpacking() {
    let server = Server::start(|request| match request.uri().path() {
        "/robots.txt" => {
            // Longer than is read; what stands in front counts.
            let mut rules = b"user-agent: *\ndisallow: /no\n".to_vec();
            rules.resize(2 << 20, b'#');
            reply(200, &[], rules)
        }
        "/fits" => reply(200, &[], vec![b'x'; 100_000]),
        "/large" => reply(200, &[], vec![b'x'; 100_001]),
        "/bomb" => reply(
            200,
            &[("content-encoding", "gzip")],
            gzip(&vec![0; 50 << 20]),
        ),
        "/endless" => {
            let pieces = futures::stream::repeat_with(|| {
                Ok::<_, std::convert::Infallible>("x".repeat(1_000))
            });
            reply(200, &[], Body::from_stream(pieces))
        }
        _ => {
            let value = "x".repeat(8_000);
            let headers: Vec<(String, &str)> = (0..150)
                .map(|n| (format!("x-{n}"), value.as_str()))
                .collect();
            let headers: Vec<(&str, &str)> = headers
                .iter()
                .map(|(name, value)| (name.as_str(), *value))
                .collect();
            reply(200, &headers, "")
        }
    })
    .await;
    let client = client(options(&["127.0.0.1"]));
    assert!(fetch(&client, &server.url("/fits")).await.is_ok());
    for path in ["/large", "/bomb", "/endless"] {
        let error = fetch(&client, &server.url(path)).await.unwrap_err();
        assert_eq!(error, WebError::TooLarge { limit: 100_000 }, "{path}");
    }
    let error = fetch(&client, &server.url("/headers")).await.unwrap_err();
    assert!(matches!(error, WebError::Unreachable { .. }), "{error}");
    assert!(matches!(
        fetch(&client, &server.url("/no")).await,
        Err(WebError::Disallowed { .. })
    ));
}

/// Two runs at once, as two people start them, ask a host as one would.
#[tokio::test]
async fn runs_side_by_side_share_the_pace_of_a_host() {
    let (say_end, ended) = tokio::sync::watch::channel(false);
    let server = Server::start(move |request| match request.uri().path() {
        "/robots.txt" => reply(404, &[], ""),
        "/slow" => {
            let mut ended = ended.clone();
            let body = futures::stream::once(async move {
                let _ = ended.wait_for(|ended| *ended).await;
                Ok::<_, std::convert::Infallible>("slow")
            });
            reply(200, &[], Body::from_stream(body))
        }
        path => reply(200, &[], path.to_owned()),
    })
    .await;
    let client = std::sync::Arc::new(client(options(&["127.0.0.1"])));
    let run = |paths: &'static [&'static str]| {
        let client = std::sync::Arc::clone(&client);
        let urls: Vec<_> = paths.iter().map(|path| server.url(path)).collect();
        tokio::spawn(async move {
            for url in urls {
                fetch(&client, &url).await.unwrap();
            }
        })
    };
    let first = run(&["/slow"]);
    while server.hits() < 2 {
        tokio::task::yield_now().await;
    }
    let second = run(&["/a", "/b"]);
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(!second.is_finished());
    assert_eq!(server.paths(), ["/robots.txt", "/slow"]);
    say_end.send(true).unwrap();
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(server.paths(), ["/robots.txt", "/slow", "/a", "/b"]);
}

#[tokio::test]
async fn slow_servers_are_given_up() {
    let short = |first_byte, total| WebOptions {
        connect_timeout: Duration::from_millis(200),
        first_byte_timeout: Duration::from_millis(first_byte),
        total_timeout: Duration::from_millis(total),
        ..options(&["127.0.0.1"])
    };
    // Takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap())
        .parse()
        .unwrap();
    let error = fetch(&client(short(100, 60_000)), &url).await.unwrap_err();
    assert!(matches!(error, WebError::NoRobots { .. }), "{error}");
    let stalling = Server::start(|request| match request.uri().path() {
        "/robots.txt" => reply(404, &[], ""),
        _ => reply(
            200,
            &[],
            Body::from_stream(futures::stream::pending::<
                Result<String, std::convert::Infallible>,
            >()),
        ),
    })
    .await;
    let error = fetch(&client(short(60_000, 100)), &stalling.url("/"))
        .await
        .unwrap_err();
    assert!(matches!(error, WebError::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_it_up_to_a_limit() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static BUSY: AtomicUsize = AtomicUsize::new(0);
    let server = Server::start(|request| match request.uri().path() {
        "/robots.txt" => reply(404, &[], ""),
        "/once" if BUSY.fetch_add(1, Ordering::SeqCst) == 0 => {
            reply(503, &[("retry-after", "0")], "")
        }
        "/always" => reply(429, &[("retry-after", "0")], ""),
        "/tomorrow" => reply(429, &[("retry-after", "86400")], ""),
        "/busy" => reply(503, &[], ""),
        _ => reply(200, &[], "at last"),
    })
    .await;
    let client = client(options(&["127.0.0.1"]));
    assert_eq!(
        text(&fetch(&client, &server.url("/once")).await.unwrap()),
        "at last"
    );
    let n_before = server.hits();
    let error = fetch(&client, &server.url("/always")).await.unwrap_err();
    assert_eq!(
        (error, server.hits() - n_before),
        (WebError::Status { status: 429 }, 3)
    );
    let error = fetch(&client, &server.url("/busy")).await.unwrap_err();
    assert_eq!(error, WebError::Status { status: 503 });
    let error = fetch(&client, &server.url("/tomorrow")).await.unwrap_err();
    assert_eq!(error, WebError::Wait { seconds: 86_400 });
    // Nor is it asked for anything else until then.
    let n_before = server.hits();
    assert!(matches!(
        fetch(&client, &server.url("/other")).await,
        Err(WebError::Wait { .. })
    ));
    assert_eq!(server.hits(), n_before);
}
