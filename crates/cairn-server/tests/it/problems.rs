//! What goes wrong is told as a problem document, and tells nothing of the inside.

use cairn_server::{Surface, openapi_json, route_table};
use http::Method;
use serde_json::{Value, json};

use crate::Test;
use crate::test_app::{Setup, TestApp, run};

pub(crate) const TESTS: &[Test] = &[
    ("problems::bad_requests_are_named", bad_requests_are_named),
    ("problems::request_ids_come_back", request_ids_come_back),
    (
        "problems::inside_text_stays_inside",
        inside_text_stays_inside,
    ),
    (
        "problems::overload_is_refused_with_a_time_to_retry",
        overload_is_refused,
    ),
    (
        "problems::the_openapi_document_lists_every_route",
        the_openapi_document_lists_every_route,
    ),
    (
        "problems::the_page_needs_nothing_from_elsewhere",
        the_page_needs_nothing_from_elsewhere,
    ),
    (
        "problems::without_a_model_everything_says_lexical_only",
        lexical_only,
    ),
];

fn bad_requests_are_named() {
    run(async {
        let test = TestApp::new().await;
        let long = "x".repeat(4_001);
        let search = "/api/v1/search";
        for (path, body, words) in [
            (
                search,
                json!({ "query": "a", "topk": 3 }),
                "unknown field `topk`",
            ),
            (search, json!({ "query": 3 }), "expected a string"),
            (search, json!({}), "missing field `query`"),
            (search, json!(["ferry"]), "must be a JSON object"),
            (search, json!({ "query": "" }), "empty"),
            (search, json!({ "query": " \n" }), "empty"),
            (search, json!({ "query": long }), "4001 characters"),
            (search, json!({ "query": "a", "top_k": 0 }), "`top_k` is 0"),
            (
                search,
                json!({ "query": "a", "top_k": 1001 }),
                "`top_k` is 1001",
            ),
            (
                search,
                json!({ "query": "a", "top_k": -1 }),
                "`-1`, expected a whole number",
            ),
            (
                search,
                json!({ "query": "a", "mode": "magic" }),
                "unknown variant `magic`",
            ),
            (
                search,
                json!({ "query": "a", "path": "[" }),
                "not a valid pattern",
            ),
            (
                search,
                json!({ "query": "a", "since": "yesterday" }),
                "`since` is `yesterday`",
            ),
            (
                "/api/v1/search/why-not",
                json!({ "query": "a", "document": "x" }),
                "`x` is not an id",
            ),
            (
                "/api/v1/search/why-not",
                json!({ "query": "a" }),
                "missing field `document`",
            ),
            ("/api/v1/chat", json!({}), "either `query` or `messages`"),
            (
                "/api/v1/chat",
                json!({ "query": "a", "messages": [{ "role": "user", "content": "a" }] }),
                "either",
            ),
            (
                "/api/v1/chat",
                json!({ "messages": [{ "role": "assistant", "content": "a" }] }),
                "must be the user's",
            ),
            (
                "/api/v1/chat",
                json!({ "messages": [{ "role": "system", "content": "a" }] }),
                "unknown variant",
            ),
            ("/api/v1/chat", json!({ "query": "" }), "empty"),
            (
                "/local/v1/ingest",
                json!({ "patterns": ["a"], "base": "relative" }),
                "absolute",
            ),
            (
                "/local/v1/ingest",
                json!({ "patterns": [], "base": "/" }),
                "`patterns` is empty",
            ),
            (
                "/local/v1/models/install",
                json!({ "path": "relative" }),
                "absolute",
            ),
        ] {
            let reply = test.own(Method::POST, path, Some(body.clone())).await;
            reply.assert_problem(400, "invalid_input");
            let problem = reply.json();
            assert!(
                problem["detail"].as_str().unwrap().contains(words),
                "{body}: {problem}"
            );
            assert_eq!(problem["instance"], path);
        }
        let json = ("content-type", "application/json");
        for (method, path, headers, body, status, code) in [
            (
                Method::GET,
                "/nowhere",
                vec![],
                String::new(),
                404,
                "not_found",
            ),
            (
                Method::GET,
                "/api/v1/docs/nonsense",
                vec![],
                String::new(),
                404,
                "not_found",
            ),
            (
                Method::GET,
                "/api/v1/docs/0123456789abcdef",
                vec![],
                String::new(),
                404,
                "not_found",
            ),
            (
                Method::GET,
                search,
                vec![],
                String::new(),
                405,
                "method_not_allowed",
            ),
            (
                Method::PUT,
                "/api/v1/docs",
                vec![],
                String::new(),
                405,
                "method_not_allowed",
            ),
            (
                Method::POST,
                search,
                vec![],
                "{}".to_owned(),
                415,
                "unsupported_media_type",
            ),
            (
                Method::POST,
                search,
                vec![("content-type", "text/plain")],
                "{}".to_owned(),
                415,
                "unsupported_media_type",
            ),
            (
                Method::POST,
                search,
                vec![json],
                "{\"query\":".to_owned(),
                400,
                "invalid_input",
            ),
            (
                Method::POST,
                search,
                vec![json],
                "\u{feff}{}".to_owned(),
                400,
                "invalid_input",
            ),
            (
                Method::POST,
                search,
                vec![json],
                " ".repeat(2 << 20),
                413,
                "too_large",
            ),
            (
                Method::GET,
                "/api/v1/docs?path=%ff",
                vec![],
                String::new(),
                400,
                "invalid_input",
            ),
            (
                Method::PATCH,
                "/api/v1/docs/0123456789abcdef",
                vec![json],
                "{}".to_owned(),
                400,
                "invalid_input",
            ),
        ] {
            let reply = test
                .raw(Surface::Local, method.clone(), path, &headers, body)
                .await;
            reply.assert_problem(status, code);
            if status == 405 {
                assert!(reply.header("allow").is_some(), "{method} {path}");
            }
        }
    });
}

fn request_ids_come_back() {
    run(async {
        let test = TestApp::new().await;
        let given = [("x-request-id", "abc-123")];
        let reply = test
            .raw(Surface::Loopback, Method::GET, "/nowhere", &given, "")
            .await;
        assert_eq!(reply.header("x-request-id"), Some("abc-123"));
        assert_eq!(reply.json()["trace_id"], "abc-123");
        let bad = [("x-request-id", "<script>")];
        let reply = test
            .raw(Surface::Loopback, Method::GET, "/health", &bad, "")
            .await;
        assert_ne!(reply.header("x-request-id"), Some("<script>"));
        assert_eq!(reply.header("x-request-id").unwrap().len(), 16);
    });
}

fn inside_text_stays_inside() {
    run(async {
        let test = TestApp::new().await;
        let anna = test.key("anna", &[], false).await;
        // Where blobs stand there is now a file: nothing can be stored, and the reason names a path of the server.
        fs_err::remove_dir_all(test.dir.path().join("blobs")).unwrap();
        fs_err::write(test.dir.path().join("blobs"), "").unwrap();
        let parts: [(&str, Option<&str>, &[u8]); 1] = [("file", Some("a.md"), b"text")];
        let reply = test.upload(&anna, &parts, &[]).await;
        reply.assert_problem(503, "unavailable");
        assert!(reply.header("retry-after").is_some());
        assert!(
            !reply.text().contains("blobs")
                && !reply.text().contains(test.dir.path().to_str().unwrap())
        );
    });
}

fn overload_is_refused() {
    run(async {
        let mut setup = Setup::default();
        setup.settings.max_concurrent_requests = 1;
        let test = TestApp::with(setup).await;
        let router = cairn_server::router(test.app.clone(), Surface::Loopback);
        let request = || {
            let request = http::Request::builder()
                .uri("/docs")
                .header("host", "localhost");
            request.body(axum::body::Body::empty()).unwrap()
        };
        use tower::ServiceExt as _;
        // A reply that was not read yet still takes up room.
        let held = router.clone().oneshot(request()).await.unwrap();
        let refused = test
            .raw(Surface::Loopback, Method::GET, "/docs", &[], "")
            .await;
        refused.assert_problem(503, "overloaded");
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(
            test.raw(Surface::Loopback, Method::GET, "/health", &[], "")
                .await
                .status,
            200
        );
        assert_eq!(
            test.own(Method::GET, "/docs", None).await.status,
            200,
            "the owner's socket is not limited"
        );
        drop(held);
        assert_eq!(
            test.raw(Surface::Loopback, Method::GET, "/docs", &[], "")
                .await
                .status,
            200
        );
    });
}

fn the_openapi_document_lists_every_route() {
    let document: Value = serde_json::from_str(&openapi_json().unwrap()).unwrap();
    let mut listed: Vec<String> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            listed.push(format!("{} {path}", method.to_uppercase()));
            assert!(operation["summary"].is_string(), "{path}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                responses.contains_key("default") || path == "/health",
                "{path}: errors are described"
            );
        }
    }
    let own_pages = ["/docs", "/api/v1/openapi.json"];
    let table = route_table();
    let mut expected: Vec<String> = table
        .iter()
        .filter(|route| !route.is_local() && !own_pages.contains(&route.path))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
    // Every reference leads somewhere.
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(
            document["components"]["schemas"].get(name).is_some(),
            "{name}"
        );
    }
    for name in [
        "SearchReply",
        "ChatReply",
        "Document",
        "Job",
        "Problem",
        "ChatSearchResults",
        "ChatDone",
    ] {
        assert!(
            document["components"]["schemas"].get(name).is_some(),
            "{name}"
        );
    }
}

fn the_page_needs_nothing_from_elsewhere() {
    run(async {
        let test = TestApp::new().await;
        let page = test
            .raw(Surface::Network, Method::GET, "/docs", &[], "")
            .await;
        assert_eq!(page.status, 200);
        let policy = page.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'sha256-",
            "style-src 'sha256-",
            "connect-src 'self'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"));
        let text = page.text();
        assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("src="));
        let document = test
            .raw(
                Surface::Network,
                Method::GET,
                "/api/v1/openapi.json",
                &[],
                "",
            )
            .await;
        assert_eq!(document.text(), openapi_json().unwrap());
        let head = test
            .raw(Surface::Network, Method::HEAD, "/docs", &[], "")
            .await;
        assert_eq!((head.status, head.body.len()), (200, 0));
    });
}

fn lexical_only() {
    run(async {
        let test = TestApp::with(Setup {
            embedder: None,
            ..Setup::default()
        })
        .await;
        let events = test
            .ingest(&[("a.md", "The ferry leaves at nine.")], None)
            .await;
        assert_eq!(events.last().unwrap()["lexical_only"], true);
        let search = |body| test.own(Method::POST, "/api/v1/search", Some(body));
        let found = search(json!({ "query": "ferry" })).await.json();
        assert_eq!(
            (
                &found["lexical_only"],
                found["results"].as_array().unwrap().len()
            ),
            (&json!(true), 1)
        );
        let dense = search(json!({ "query": "ferry", "mode": "dense" })).await;
        dense.assert_problem(503, "unavailable");
        assert!(
            dense.json()["hint"]
                .as_str()
                .unwrap()
                .contains("cairn models install")
        );
        let ready = test.own(Method::GET, "/ready", None).await.json();
        assert_eq!(
            (&ready["lexical_only"], &ready["model"]),
            (&json!(true), &Value::Null)
        );
        let body = json!({ "query": "When does the ferry leave?" });
        assert_eq!(
            test.own(Method::POST, "/api/v1/chat", Some(body))
                .await
                .json()["lexical_only"],
            true
        );
        // A model arrives while the server runs: vectors are filled in, and searches use them.
        let model = std::sync::Arc::new(cairn_testkit::HashEmbedder::new());
        test.app.set_embedder(Some(model)).await.unwrap();
        let filled = test
            .own(Method::POST, "/local/v1/vectors/fill", None)
            .await
            .lines();
        let last = filled.last().unwrap();
        assert_eq!(
            (&last["event"], &last["embedded"]),
            (&json!("summary"), &json!(1)),
            "{last}"
        );
        let found = search(json!({ "query": "ferry", "mode": "dense" }))
            .await
            .json();
        assert_eq!(
            (
                &found["lexical_only"],
                found["results"].as_array().unwrap().len()
            ),
            (&json!(false), 1)
        );
        assert!(found["results"][0]["scores"]["dense"].is_number());
    });
}
