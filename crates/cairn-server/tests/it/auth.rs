//! Who may do what: every route of the table with every kind of caller.

use cairn_server::{Access, Surface, route_table};
use http::Method;
use serde_json::{Value, json};

use crate::Test;
use crate::test_app::{Setup, TestApp, form, run};

pub(crate) const TESTS: &[Test] = &[
    (
        "auth::every_route_admits_whom_it_should",
        every_route_admits_whom_it_should,
    ),
    (
        "auth::without_any_key_loopback_is_the_owner_and_the_network_is_not",
        without_any_key,
    ),
    (
        "auth::expired_revoked_and_wrong_keys_read_the_same",
        bad_keys_read_the_same,
    ),
    (
        "auth::the_last_key_does_not_open_the_server_again",
        the_last_key_does_not_open_the_server,
    ),
    ("auth::secrets_are_kept_nowhere", secrets_are_kept_nowhere),
    (
        "auth::listening_elsewhere_needs_a_key",
        listening_elsewhere_needs_a_key,
    ),
    (
        "auth::behind_a_proxy_nobody_is_the_owner_without_a_key",
        behind_a_proxy,
    ),
    (
        "auth::hosts_and_origins_are_checked_over_tcp",
        hosts_and_origins,
    ),
];

/// What a route answers to: nobody, anna (who may read the document), anna's read-only key, ben (who may not), a key of another
/// tenant, and the owner.
struct Expect {
    body: fn() -> Option<Value>,
    statuses: [u16; 6],
}

fn expect(body: fn() -> Option<Value>, statuses: [u16; 6]) -> Expect {
    Expect { body, statuses }
}

fn none() -> Option<Value> {
    None
}

fn query() -> Option<Value> {
    Some(json!({ "query": "ferry" }))
}

/// `{id}` stands for the document, which only group `hr` may read. Local routes: the owner only, whatever key is shown.
fn expectation(method: &Method, path: &str) -> Expect {
    const PUBLIC: [u16; 6] = [200; 6];
    // Restore and deletion: what ben may not know is not found.
    const WRITE: [u16; 6] = [401, 200, 403, 404, 401, 200];
    const READ: [u16; 6] = [401, 200, 200, 200, 401, 200];
    const READ_ONE: [u16; 6] = [401, 200, 200, 404, 401, 200];
    match (method.as_str(), path) {
        ("GET", "/health" | "/docs" | "/api/v1/openapi.json") => expect(none, PUBLIC),
        ("GET", "/ready") => expect(none, [200, 200, 200, 200, 401, 200]),
        ("POST", "/api/v1/search" | "/api/v1/chat") => expect(query, READ),
        ("POST", "/api/v1/search/why-not") => expect(
            || Some(json!({ "query": "ferry", "document": "{id}" })),
            READ_ONE,
        ),
        ("POST", "/api/v1/docs") => expect(none, [401, 202, 403, 202, 401, 202]),
        ("GET", "/api/v1/docs" | "/api/v1/jobs" | "/api/v1/collections") => expect(none, READ),
        (
            "GET",
            "/api/v1/docs/{id}"
            | "/api/v1/docs/{id}/chunks"
            | "/api/v1/docs/{id}/elements"
            | "/api/v1/docs/{id}/original",
        ) => expect(none, READ_ONE),
        // A text has no pages to draw, and needs a number of a page besides.
        ("GET", "/api/v1/docs/{id}/page-image") => expect(none, [401, 400, 400, 400, 401, 400]),
        ("PATCH", "/api/v1/docs/{id}") => expect(|| Some(json!({ "tags": ["t"] })), WRITE),
        ("DELETE", "/api/v1/docs/{id}") | ("POST", "/api/v1/docs/{id}/restore") => {
            expect(none, WRITE)
        }
        // No job has the document's id.
        ("GET", "/api/v1/jobs/{id}") => expect(none, [401, 404, 404, 404, 401, 404]),
        // Admitted, and then told that the address is not public.
        ("POST", "/api/v1/ingest") => expect(
            || Some(json!({ "urls": ["http://127.0.0.1:9090/"] })),
            [401, 200, 403, 200, 401, 200],
        ),
        ("POST", "/local/v1/ingest") => expect(
            || Some(json!({ "patterns": ["."], "base": "/nonexistent-folder" })),
            local(404),
        ),
        ("POST", "/local/v1/keys") => expect(|| Some(json!({ "user": "zoe" })), local(201)),
        ("DELETE", "/local/v1/keys/{id}") => expect(none, local(404)),
        ("POST", "/local/v1/models/install") => expect(
            || Some(json!({ "path": "/nonexistent-folder" })),
            local(400),
        ),
        ("GET", "/local/v1/keys" | "/local/v1/models" | "/local/v1/status")
        | ("POST", "/local/v1/vectors/fill" | "/local/v1/index/rebuild") => {
            expect(none, local(200))
        }
        _ => panic!("list {method} {path} here: who may use it?"),
    }
}

/// On the local surface, nobody is the owner.
const fn local(owner: u16) -> [u16; 6] {
    [owner, 403, 403, 403, 401, owner]
}

fn every_route_admits_whom_it_should() {
    run(async {
        let test = TestApp::new().await;
        let id = test
            .document("ferry.md", "The ferry leaves at nine.", &["group:hr"])
            .await;
        let anna = test.key("anna", &["hr"], false).await;
        let reader = test.key("anna", &["hr"], true).await;
        let ben = test.key("ben", &["it"], false).await;
        let outsider = test.outsider_key().await;
        let callers = [
            None,
            Some(&anna),
            Some(&reader),
            Some(&ben),
            Some(&outsider),
            None,
        ];
        for route in route_table() {
            let Expect { body, statuses } = expectation(&route.method, route.path);
            let path = route.path.replace("{id}", &id);
            for (at, (key, status)) in callers.iter().zip(statuses).enumerate() {
                let is_owner = at == 5;
                let surface = match (route.is_local(), is_owner, at % 2) {
                    (true, ..) | (_, true, _) => Surface::Local,
                    (_, _, 0) => Surface::Loopback,
                    _ => Surface::Network,
                };
                let key = key.map(String::as_str);
                let reply = if route.path == "/api/v1/docs" && route.method == Method::POST {
                    let (content_type, body) = form(&[("file", Some("a.md"), b"text")]);
                    let bearer = key.map(|key| format!("Bearer {key}"));
                    let mut headers = vec![("content-type", content_type.as_str())];
                    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
                    test.raw(surface, Method::POST, &path, &headers, body).await
                } else {
                    let body = body().map(|body| body.to_string().replace("{id}", &id));
                    let body = body.map(|text| serde_json::from_str(&text).unwrap());
                    test.call(surface, key, route.method.clone(), &path, body)
                        .await
                };
                let what = format!(
                    "{} {} caller {at}: {}",
                    route.method,
                    route.path,
                    reply.text()
                );
                assert_eq!(reply.status, status, "{what}");
                let is_foreign = status == 401 || status == 403 || (at == 3 && status == 404);
                assert!(!is_foreign || !reply.text().contains("ferry"), "{what}");
                assert_eq!(
                    reply.header("x-content-type-options"),
                    Some("nosniff"),
                    "{what}"
                );
                assert!(
                    reply
                        .header("content-security-policy")
                        .unwrap()
                        .contains("frame-ancestors 'none'")
                );
                assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
                assert!(reply.header("access-control-allow-origin").is_none());
                assert!(reply.header("x-request-id").is_some());
            }
            // What changes something is never behind a method that browsers send by themselves.
            assert!(route.access != Access::Write || route.method != Method::GET);
        }
        // Local routes do not exist over TCP at all.
        for route in route_table().iter().filter(|route| route.is_local()) {
            for surface in [Surface::Loopback, Surface::Network] {
                let path = route.path.replace("{id}", &id);
                let reply = test
                    .call(surface, Some(&anna), route.method.clone(), &path, None)
                    .await;
                reply.assert_problem(404, "not_found");
            }
        }
    });
}

fn without_any_key() {
    run(async {
        let test = TestApp::new().await;
        test.document("a.md", "The ferry leaves at nine.", &[])
            .await;
        let search = |surface| test.call(surface, None, Method::POST, "/api/v1/search", query());
        assert_eq!(
            search(Surface::Loopback).await.json()["results"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
        search(Surface::Network)
            .await
            .assert_problem(401, "unauthenticated");
        let ready = test
            .call(Surface::Loopback, None, Method::GET, "/ready", None)
            .await
            .json();
        assert_eq!(
            (&ready["documents"], &ready["lexical_only"]),
            (&json!(1), &json!(false))
        );
        let ready = test
            .call(Surface::Network, None, Method::GET, "/ready", None)
            .await
            .json();
        assert_eq!(ready.get("documents"), None, "counts are for the owner");
        test.key("anna", &[], false).await;
        let refused = search(Surface::Loopback).await;
        refused.assert_problem(401, "unauthenticated");
        assert!(
            refused
                .header("www-authenticate")
                .unwrap()
                .starts_with("Bearer")
        );
        assert_eq!(search(Surface::Local).await.status, 200);
    });
}

fn bad_keys_read_the_same() {
    run(async {
        let test = TestApp::new().await;
        let good = test.key("anna", &["hr"], false).await;
        let body = json!({ "user": "anna", "groups": ["hr"], "expires_in_days": 1 });
        let expiring = test
            .own(Method::POST, "/local/v1/keys", Some(body))
            .await
            .json();
        let expiring = expiring["key"].as_str().unwrap().to_owned();
        let revoked = test
            .own(
                Method::POST,
                "/local/v1/keys",
                Some(json!({ "user": "anna" })),
            )
            .await
            .json();
        let list = |key: String| {
            let test = &test;
            async move { test.as_key(&key, Method::GET, "/api/v1/docs", None).await }
        };
        for key in [&good, &expiring] {
            assert_eq!(list(key.clone()).await.status, 200);
        }
        let direct = [("x-api-key", good.as_str())];
        let reply = test
            .raw(Surface::Network, Method::GET, "/api/v1/docs", &direct, "")
            .await;
        assert_eq!(reply.status, 200);
        let path = format!("/local/v1/keys/{}", revoked["id"].as_str().unwrap());
        assert_eq!(test.own(Method::DELETE, &path, None).await.status, 204);
        assert_eq!(
            test.own(Method::DELETE, &path, None).await.status,
            204,
            "twice is no error"
        );
        test.clock.advance_ms(86_400_000);
        let mut wrong_secret = good.clone();
        let last = wrong_secret.pop().unwrap();
        wrong_secret.push(if last == 'A' { 'B' } else { 'A' });
        let unknown = good.replacen("cairn_", "cairn_0", 1);
        let unknown = format!("{}{}", &unknown[..22], &good[22..]);
        let mut bodies = Vec::new();
        for bad in [
            expiring,
            revoked["key"].as_str().unwrap().to_owned(),
            wrong_secret,
            unknown,
            "nonsense".to_owned(),
            String::new(),
        ] {
            let reply = list(bad.clone()).await;
            reply.assert_problem(401, "unauthenticated");
            let mut problem = reply.json();
            problem["trace_id"] = Value::Null;
            bodies.push(problem);
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "{bodies:#?}");
        assert_eq!(list(good).await.status, 200);
        let keys = test.own(Method::GET, "/local/v1/keys", None).await.json();
        assert_eq!(keys["keys"].as_array().unwrap().len(), 3);
        let used = keys["keys"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|key| key["last_used_at"].is_string());
        assert_eq!(used.count(), 2);
    });
}

fn the_last_key_does_not_open_the_server() {
    run(async {
        let test = TestApp::new().await;
        let made = test
            .own(
                Method::POST,
                "/local/v1/keys",
                Some(json!({ "user": "anna" })),
            )
            .await
            .json();
        let path = format!("/local/v1/keys/{}", made["id"].as_str().unwrap());
        assert_eq!(test.own(Method::DELETE, &path, None).await.status, 204);
        let reply = test
            .call(Surface::Loopback, None, Method::GET, "/api/v1/docs", None)
            .await;
        reply.assert_problem(401, "unauthenticated");
    });
}

fn secrets_are_kept_nowhere() {
    run(async {
        let test = TestApp::new().await;
        let key = test.key("anna", &["hr"], false).await;
        assert_eq!(
            test.as_key(&key, Method::GET, "/api/v1/docs", None)
                .await
                .status,
            200
        );
        let listed = test.own(Method::GET, "/local/v1/keys", None).await.text();
        let secret = &key[23..];
        assert_eq!(secret.len(), 43);
        assert!(!listed.contains(secret));
        let bytes = test.all_bytes();
        assert!(
            !bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes())
        );
        for (bad, code) in [
            (json!({ "user": "" }), "invalid_input"),
            (json!({ "user": "a\nb" }), "invalid_input"),
            (json!({ "user": "anna", "groups": [""] }), "invalid_input"),
            (
                json!({ "user": "anna", "expires_in_days": 0 }),
                "invalid_input",
            ),
            (
                json!({ "user": "anna", "expires_in_days": 3651 }),
                "invalid_input",
            ),
            (json!({ "user": "anna", "role": "admin" }), "invalid_input"),
        ] {
            test.own(Method::POST, "/local/v1/keys", Some(bad))
                .await
                .assert_problem(400, code);
        }
    });
}

fn listening_elsewhere_needs_a_key() {
    run(async {
        let test = TestApp::new().await;
        let (here, there) = ("127.0.0.1:0".parse().unwrap(), "0.0.0.0:0".parse().unwrap());
        assert!(test.app.may_listen(here).await.is_ok());
        assert!(
            test.app
                .may_listen("[::1]:0".parse().unwrap())
                .await
                .is_ok()
        );
        assert!(test.app.may_listen(there).await.is_err());
        assert!(
            test.app
                .may_listen("[::]:0".parse().unwrap())
                .await
                .is_err()
        );
        test.key("anna", &[], false).await;
        assert!(test.app.may_listen(there).await.is_ok());
    });
}

fn behind_a_proxy() {
    run(async {
        let mut setup = Setup::default();
        setup.settings.allowed_hosts = vec!["cairn.example".to_owned()];
        let test = TestApp::with(setup).await;
        let here = "127.0.0.1:0".parse().unwrap();
        let error = test.app.may_listen(here).await.unwrap_err();
        assert!(error.to_string().contains("cairn.example"), "{error}");
        let list = async |host: &str| {
            let headers = [("host", host)];
            test.raw(Surface::Loopback, Method::GET, "/api/v1/docs", &headers, "")
                .await
        };
        // A proxy on this machine hands on requests of strangers under the allowed name.
        for host in ["cairn.example", "Cairn.Example:443", "cairn.example."] {
            list(host).await.assert_problem(401, "unauthenticated");
        }
        for host in ["localhost:8000", "127.0.0.1", "[::1]:8000"] {
            assert_eq!(list(host).await.status, 200, "{host}");
        }
        let key = test.key("anna", &[], false).await;
        assert!(test.app.may_listen(here).await.is_ok());
        let bearer = format!("Bearer {key}");
        let headers = [("host", "cairn.example"), ("authorization", &bearer)];
        let reply = test
            .raw(Surface::Loopback, Method::GET, "/api/v1/docs", &headers, "")
            .await;
        assert_eq!(reply.status, 200);
    });
}

fn hosts_and_origins() {
    run(async {
        let test = TestApp::new().await;
        for surface in [Surface::Loopback, Surface::Network] {
            for (host, origin, status, code) in [
                ("evil.example", None, 421, "misdirected"),
                (
                    "localhost:8000",
                    Some("http://evil.example"),
                    403,
                    "forbidden",
                ),
                ("localhost:8000", Some("null"), 403, "forbidden"),
                (
                    "localhost:8000",
                    Some("http://localhost:9000"),
                    403,
                    "forbidden",
                ),
            ] {
                let mut headers = vec![("host", host)];
                headers.extend(origin.map(|origin| ("origin", origin)));
                for path in ["/health", "/docs", "/api/v1/docs", "/nowhere"] {
                    let reply = test.raw(surface, Method::GET, path, &headers, "").await;
                    reply.assert_problem(status, code);
                    assert!(reply.header("access-control-allow-origin").is_none());
                }
            }
            let own = [
                ("host", "localhost:8000"),
                ("origin", "http://localhost:8000"),
            ];
            assert_eq!(
                test.raw(surface, Method::GET, "/health", &own, "")
                    .await
                    .status,
                200
            );
        }
        // At the data directory's own socket there are no names.
        let headers = [("host", "evil.example")];
        assert_eq!(
            test.raw(Surface::Local, Method::GET, "/health", &headers, "")
                .await
                .status,
            200
        );
    });
}
