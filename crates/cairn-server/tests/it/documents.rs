//! Documents over the API: upload, job, search, share, delete, restore, lists and their pages, repeated requests.

use cairn_server::Surface;
use http::Method;
use serde_json::{Value, json};

use crate::Test;
use crate::test_app::{Setup, TestApp, run};

pub(crate) const TESTS: &[Test] = &[
    (
        "documents::an_upload_is_found_and_gone_at_once_when_deleted",
        upload_search_delete,
    ),
    (
        "documents::revocation_is_immediate",
        revocation_is_immediate,
    ),
    (
        "documents::uploads_of_the_same_name_by_others_stay_apart",
        same_names_stay_apart,
    ),
    (
        "documents::a_new_version_keeps_its_readers",
        a_new_version_keeps_its_readers,
    ),
    (
        "documents::bad_forms_are_refused_and_leave_nothing",
        bad_forms,
    ),
    (
        "documents::uploads_larger_than_the_limit_are_refused",
        large_uploads,
    ),
    (
        "documents::lists_come_in_pages_without_gaps",
        lists_come_in_pages,
    ),
    (
        "documents::a_repeated_request_is_answered_again_and_done_once",
        idempotency,
    ),
    (
        "documents::an_accepted_upload_survives_a_restart",
        an_upload_survives_a_restart,
    ),
    (
        "documents::naughty_names_and_texts_are_kept_to_the_letter",
        naughty_texts,
    ),
];

fn upload_search_delete() {
    run(async {
        let test = TestApp::new().await;
        let anna = test.key("anna", &["hr"], false).await;
        let parts: [(&str, Option<&str>, &[u8]); 4] = [
            (
                "file",
                Some("ferry.md"),
                b"# Timetable\n\nThe ferry leaves at nine.",
            ),
            ("collection", None, b"line"),
            ("tag", None, b"public"),
            ("allow", None, b"group:hr"),
        ];
        let accepted = test.upload(&anna, &parts, &[]).await;
        assert_eq!(accepted.status, 202, "{}", accepted.text());
        let job = accepted.json()["job"].as_str().unwrap().to_owned();
        assert_eq!(
            accepted.header("location"),
            Some(format!("/api/v1/jobs/{job}").as_str())
        );
        assert_eq!(accepted.json()["items"][0]["path"], "ferry.md");
        let done = test.finish_job(&job).await;
        assert_eq!(
            (&done["state"], &done["counts"]["added"]),
            (&json!("done"), &json!(1)),
            "{done}"
        );
        let seen = test
            .as_key(&anna, Method::GET, &format!("/api/v1/jobs/{job}"), None)
            .await
            .json();
        assert_eq!(seen["items"][0]["path"], "ferry.md");
        let id = seen["items"][0]["document_id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/docs/{id}");

        let document = test.as_key(&anna, Method::GET, &path, None).await.json();
        assert_eq!(
            (&document["collection"], &document["tags"]),
            (&json!("line"), &json!(["public"]))
        );
        assert_eq!(
            (&document["title"], &document["allow"]),
            (&json!("Timetable"), &json!(["group:hr"]))
        );
        let body = json!({ "query": "when does the ferry leave?", "collections": ["line"] });
        let found = test
            .as_key(&anna, Method::POST, "/api/v1/search", Some(body))
            .await
            .json();
        let first = &found["results"][0];
        assert_eq!(
            (&first["rank"], &first["document"]["id"]),
            (&json!(1), &json!(id))
        );
        for field in [
            "score",
            "scores",
            "chunk_id",
            "page",
            "span",
            "text",
            "heading_path",
            "collection",
        ] {
            assert!(first.get(field).is_some(), "{field}: {first}");
        }
        assert!(found["timing_ms"]["total"].as_f64().unwrap() > 0.0);
        let chunks = test
            .as_key(&anna, Method::GET, &format!("{path}/chunks"), None)
            .await
            .json();
        let chunk = &chunks["chunks"][0];
        assert_eq!(chunk["text"], first["text"]);
        let listed = |query: String| {
            let (test, anna) = (&test, &anna);
            let path = format!("{path}/elements{query}");
            async move { test.as_key(anna, Method::GET, &path, None).await }
        };
        let elements = listed(String::new()).await.json();
        assert_eq!(elements["version"], 1);
        let (all, made_of) = (&elements["elements"], &chunk["elements"]);
        assert!(!all.as_array().unwrap().is_empty(), "{elements}");
        assert_eq!(all[0], made_of[0], "a chunk says what it is made of");
        let one = listed("?start=0&end=1&limit=1".to_owned()).await.json();
        assert_eq!(one["elements"].as_array().unwrap().len(), 1);
        assert_eq!(one["elements"][0]["span"]["start"], 0);
        let original = test
            .as_key(&anna, Method::GET, &format!("{path}/original"), None)
            .await;
        assert_eq!(original.status, 200);
        assert!(
            original.text().contains("ferry"),
            "the bytes that were uploaded"
        );
        listed("?version=9".to_owned())
            .await
            .assert_problem(404, "not_found");
        listed("?start=x".to_owned())
            .await
            .assert_problem(400, "invalid_input");

        let deleted = test.as_key(&anna, Method::DELETE, &path, None).await;
        assert_eq!(deleted.status, 200);
        assert!(
            test.found(Some(&anna), "ferry").await.is_empty(),
            "gone at once"
        );
        assert_eq!(
            test.as_key(&anna, Method::GET, &path, None).await.json()["deleted_at"]
                .as_str()
                .map(str::len),
            Some(20)
        );
        test.as_key(&anna, Method::GET, &format!("{path}/chunks"), None)
            .await
            .assert_problem(404, "not_found");
        let listed = |query: &'static str| {
            let (test, anna) = (&test, &anna);
            async move {
                let path = format!("/api/v1/docs{query}");
                test.as_key(anna, Method::GET, &path, None).await.json()["documents"]
                    .as_array()
                    .unwrap()
                    .len()
            }
        };
        assert_eq!((listed("").await, listed("?deleted=true").await), (0, 1));
        let restored = test
            .as_key(&anna, Method::POST, &format!("{path}/restore"), None)
            .await
            .json();
        let body = json!({ "query": "ferry", "min_seq": restored["seq"] });
        let found = test
            .as_key(&anna, Method::POST, "/api/v1/search", Some(body))
            .await
            .json();
        assert_eq!(found["results"][0]["document"]["id"], json!(id));
        let ahead = json!({ "query": "ferry", "min_seq": restored["seq"].as_u64().unwrap() + 100 });
        test.as_key(&anna, Method::POST, "/api/v1/search", Some(ahead))
            .await
            .assert_problem(400, "invalid_input");
    });
}

fn revocation_is_immediate() {
    run(async {
        let test = TestApp::new().await;
        let id = test
            .document(
                "a.md",
                "The ferry leaves at nine.",
                &["user:anna", "user:ben"],
            )
            .await;
        let anna = test.key("anna", &[], false).await;
        let ben = test.key("ben", &[], false).await;
        assert_eq!(test.found(Some(&ben), "ferry").await, [id.as_str()]);
        let path = format!("/api/v1/docs/{id}");
        let share = |allow: Value| {
            test.as_key(&anna, Method::PATCH, &path, Some(json!({ "allow": allow })))
        };
        assert_eq!(share(json!(["user:anna"])).await.status, 200);
        assert!(test.found(Some(&ben), "ferry").await.is_empty());
        test.as_key(&ben, Method::GET, &path, None)
            .await
            .assert_problem(404, "not_found");
        let chat = json!({ "query": "When does the ferry leave?" });
        let answer = test
            .as_key(&ben, Method::POST, "/api/v1/chat", Some(chat))
            .await;
        assert!(
            !answer.text().contains("nine") && !answer.text().contains(&id),
            "{}",
            answer.text()
        );
        assert_eq!(test.found(Some(&anna), "ferry").await, [id.as_str()]);
        share(json!(["anna"]))
            .await
            .assert_problem(400, "invalid_input");
        share(json!("everyone"))
            .await
            .assert_problem(400, "invalid_input");
    });
}

fn same_names_stay_apart() {
    run(async {
        let test = TestApp::new().await;
        let anna = test.key("anna", &[], false).await;
        let ben = test.key("ben", &[], false).await;
        let mut ids = Vec::new();
        for (key, user, text) in [
            (&anna, "anna", "anna's salary"),
            (&ben, "ben", "ben's salary"),
        ] {
            let allow = format!("user:{user}");
            let parts = [
                ("file", Some("pay.md"), text.as_bytes()),
                ("allow", None, allow.as_bytes()),
            ];
            let job = test.upload(key, &parts, &[]).await.json()["job"]
                .as_str()
                .unwrap()
                .to_owned();
            let done = test.finish_job(&job).await;
            assert_eq!(done["items"][0]["outcome"], "added", "{done}");
            ids.push(done["items"][0]["document_id"].clone());
            let other = if user == "anna" { &ben } else { &anna };
            let path = format!("/api/v1/jobs/{job}");
            test.as_key(other, Method::GET, &path, None)
                .await
                .assert_problem(404, "not_found");
        }
        assert_ne!(ids[0], ids[1]);
        for (key, id) in [(&anna, &ids[0]), (&ben, &ids[1])] {
            assert_eq!(json!(test.found(Some(key), "salary").await), json!([id]));
        }
        // Who sent a document sees its id as long as they may read it.
        let path = format!("/api/v1/docs/{}", ids[0].as_str().unwrap());
        test.own(Method::PATCH, &path, Some(json!({ "allow": [] })))
            .await;
        let jobs = test
            .as_key(&anna, Method::GET, "/api/v1/jobs", None)
            .await
            .json();
        assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1);
        let path = format!("/api/v1/jobs/{}", jobs["jobs"][0]["id"].as_str().unwrap());
        let job = test.as_key(&anna, Method::GET, &path, None).await.json();
        assert_eq!(job["items"][0]["document_id"], Value::Null);
    });
}

fn a_new_version_keeps_its_readers() {
    run(async {
        let test = TestApp::new().await;
        let anna = test.key("anna", &[], false).await;
        let ben = test.key("ben", &[], false).await;
        let send = |text: &'static str, allow: Option<&'static str>| {
            let (test, anna) = (&test, &anna);
            async move {
                let mut parts = vec![("file", Some("plan.md"), text.as_bytes())];
                parts.extend(allow.map(|allow| ("allow", None, allow.as_bytes())));
                let job = test.upload(anna, &parts, &[]).await.json()["job"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                test.finish_job(&job).await["items"][0].clone()
            }
        };
        assert_eq!(
            send("the secret plan", Some("user:anna")).await["outcome"],
            "added"
        );
        assert_eq!(
            send("the newer secret plan", None).await["outcome"],
            "updated"
        );
        assert!(test.found(Some(&ben), "secret plan").await.is_empty());
        assert_eq!(test.found(Some(&anna), "newer secret plan").await.len(), 1);
        assert_eq!(
            send("the newer secret plan", None).await["outcome"],
            "unchanged"
        );
        // One known and one new document in one upload: each has its own readers.
        let parts: [(&str, Option<&str>, &[u8]); 2] = [
            ("file", Some("plan.md"), b"secret plan three"),
            ("file", Some("other.md"), b"another plan for all"),
        ];
        let job = test.upload(&anna, &parts, &[]).await.json()["job"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(test.finish_job(&job).await["state"], "done");
        assert_eq!(test.found(Some(&anna), "plan").await.len(), 2);
        assert_eq!(test.found(Some(&ben), "plan").await.len(), 1);
    });
}

fn bad_forms() {
    run(async {
        let test = TestApp::new().await;
        let anna = test.key("anna", &[], false).await;
        let file: (&str, Option<&str>, &[u8]) = ("file", Some("a.md"), b"text");
        let long = "x".repeat(2_000);
        for parts in [
            vec![],
            vec![("collection", None, b"c".as_slice())],
            vec![file, file],
            vec![file, ("colour", None, b"red")],
            vec![file, ("collection", None, b"a"), ("collection", None, b"b")],
            vec![file, ("collection", None, b" ")],
            vec![file, ("collection", None, b"a\0b")],
            vec![file, ("tag", None, b"")],
            vec![file, ("allow", None, b"anna")],
            vec![file, ("allow", None, b"\xff")],
            vec![("file", Some(""), b"text")],
            vec![("file", Some("~ben/a.md"), b"text")],
            vec![("file", Some(long.as_str()), b"text")],
        ] {
            test.upload(&anna, &parts, &[])
                .await
                .assert_problem(400, "invalid_input");
        }
        let json = [
            ("authorization", format!("Bearer {anna}")),
            ("content-type", "application/json".to_owned()),
        ];
        let headers: Vec<_> = json
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let reply = test
            .raw(
                Surface::Network,
                Method::POST,
                "/api/v1/docs",
                &headers,
                "{}",
            )
            .await;
        reply.assert_problem(415, "unsupported_media_type");
        let headers = [
            headers[0],
            ("content-type", "multipart/form-data; boundary=b"),
        ];
        let torn =
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.md\"\r\n\r\nhalf";
        let reply = test
            .raw(
                Surface::Network,
                Method::POST,
                "/api/v1/docs",
                &headers,
                torn,
            )
            .await;
        reply.assert_problem(400, "invalid_input");
        assert_eq!(
            test.own(Method::GET, "/api/v1/jobs", None).await.json()["jobs"],
            json!([])
        );
        let tmp = fs_err::read_dir(test.dir.path().join("blobs/tmp")).unwrap();
        assert_eq!(tmp.count(), 0, "nothing half-written stays");
    });
}

fn large_uploads() {
    run(async {
        let mut setup = Setup::default();
        setup.settings.max_upload_bytes = 1_000;
        setup.settings.max_upload_files = 2;
        let test = TestApp::with(setup).await;
        let anna = test.key("anna", &[], false).await;
        let (small, large) = (vec![b'x'; 500], vec![b'x'; 501]);
        let two = [
            ("file", Some("a.txt"), small.as_slice()),
            ("file", Some("b.txt"), small.as_slice()),
        ];
        assert_eq!(test.upload(&anna, &two, &[]).await.status, 202);
        let two = [
            ("file", Some("a.txt"), small.as_slice()),
            ("file", Some("b.txt"), large.as_slice()),
        ];
        test.upload(&anna, &two, &[])
            .await
            .assert_problem(413, "too_large");
        let file = |name| ("file", Some(name), b"x".as_slice());
        let three = [file("a"), file("b"), file("c")];
        test.upload(&anna, &three, &[])
            .await
            .assert_problem(413, "too_large");
        let field = [file("a"), ("tag", None, &[b'x'; 5_000])];
        test.upload(&anna, &field, &[])
            .await
            .assert_problem(413, "too_large");
    });
}

/// All entries of a list, page by page.
async fn pages(test: &TestApp, key: &str, path: &str, name: &str, id: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let more = cursor
            .map(|cursor| format!("&cursor={cursor}"))
            .unwrap_or_default();
        let page = test
            .as_key(key, Method::GET, &format!("{path}?limit=2{more}"), None)
            .await;
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        let entries = page[name].as_array().unwrap();
        assert!(entries.len() <= 2);
        all.extend(entries.iter().map(|entry| entry[id].to_string()));
        match page.get("next_cursor") {
            Some(next) => cursor = Some(next.as_str().unwrap().to_owned()),
            None => return all,
        }
    }
}

fn lists_come_in_pages() {
    run(async {
        let test = TestApp::new().await;
        let anna = test.key("anna", &[], false).await;
        let long: String = (0..40)
            .map(|at| format!("# Part {at}\n\n{}\n\n", "many words of text ".repeat(40)))
            .collect();
        let id = test.document("long.md", &long, &["everyone"]).await;
        for at in 0..4 {
            test.document(&format!("{at}.md"), &format!("text {at}"), &["everyone"])
                .await;
            let name = format!("{at}.md");
            let parts = [
                ("file", Some(name.as_str()), b"text".as_slice()),
                ("collection", None, name.as_bytes()),
            ];
            let job = test.upload(&anna, &parts, &[]).await.json()["job"]
                .as_str()
                .unwrap()
                .to_owned();
            test.finish_job(&job).await;
        }
        let chunks = test
            .as_key(&anna, Method::GET, &format!("/api/v1/docs/{id}"), None)
            .await
            .json()["chunks"]
            .clone();
        for (path, name, field, n) in [
            ("/api/v1/docs".to_owned(), "documents", "id", 9),
            ("/api/v1/jobs".to_owned(), "jobs", "id", 4),
            ("/api/v1/collections".to_owned(), "collections", "name", 5),
            (
                format!("/api/v1/docs/{id}/chunks"),
                "chunks",
                "ordinal",
                chunks.as_u64().unwrap(),
            ),
        ] {
            let all = pages(&test, &anna, &path, name, field).await;
            assert_eq!(all.len() as u64, n, "{path}");
            let mut distinct = all.clone();
            distinct.sort();
            distinct.dedup();
            assert_eq!(distinct.len(), all.len(), "{path}");
            for bad in [
                "limit=0",
                "limit=x",
                "cursor=x",
                "cursor=",
                "nonsense=1",
                "limit=1&limit=2",
            ] {
                let reply = test
                    .as_key(&anna, Method::GET, &format!("{path}?{bad}"), None)
                    .await;
                reply.assert_problem(400, "invalid_input");
            }
        }
        assert!(chunks.as_u64().unwrap() > 5);
    });
}

fn idempotency() {
    run(async {
        let test = TestApp::new().await;
        let anna = test.key("anna", &[], false).await;
        let ben = test.key("ben", &[], false).await;
        let parts: [(&str, Option<&str>, &[u8]); 1] = [("file", Some("a.md"), b"text")];
        let other: [(&str, Option<&str>, &[u8]); 1] = [("file", Some("a.md"), b"other text")];
        let key = [("idempotency-key", "k-1")];
        let first = test.upload(&anna, &parts, &key).await;
        assert_eq!(
            (first.status, first.header("idempotency-replayed")),
            (202, None)
        );
        let again = test.upload(&anna, &parts, &key).await;
        assert_eq!(
            (again.status, again.header("idempotency-replayed")),
            (202, Some("true"))
        );
        assert_eq!(again.body, first.body);
        assert_eq!(again.header("location"), first.header("location"));
        test.upload(&anna, &other, &key)
            .await
            .assert_problem(422, "idempotency_mismatch");
        let bens = test.upload(&ben, &parts, &key).await;
        assert_eq!(
            bens.header("idempotency-replayed"),
            None,
            "keys of others are theirs"
        );
        let jobs = test.own(Method::GET, "/api/v1/jobs", None).await.json();
        assert_eq!(jobs["jobs"].as_array().unwrap().len(), 2);
        // A request that fails leaves the key free.
        let bad = [parts[0], ("allow", None, b"anna".as_slice())];
        let key = [("idempotency-key", "k-2")];
        test.upload(&anna, &bad, &key)
            .await
            .assert_problem(400, "invalid_input");
        assert_eq!(test.upload(&anna, &parts, &key).await.status, 202);
        // One that is being worked on.
        let scope = cairn_testkit::scope(test.tenant, &["user:anna"]);
        let id = test.document("b.md", "text", &["everyone"]).await;
        use sha2::Digest as _;
        let hash = sha2::Sha256::digest(format!("restore {id}")).into();
        test.catalog
            .begin_idempotent(&scope, "k-3", hash)
            .await
            .unwrap();
        let headers = [
            ("authorization", format!("Bearer {anna}")),
            ("idempotency-key", "k-3".to_owned()),
        ];
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let path = format!("/api/v1/docs/{id}/restore");
        test.raw(Surface::Network, Method::POST, &path, &headers, "")
            .await
            .assert_problem(409, "conflict");
        for bad in ["", "a b", &"k".repeat(256)] {
            let headers = [headers[0], ("idempotency-key", bad)];
            let reply = test
                .raw(Surface::Network, Method::POST, &path, &headers, "")
                .await;
            reply.assert_problem(400, "invalid_input");
        }
    });
}

fn an_upload_survives_a_restart() {
    run(async {
        let test = TestApp::new().await;
        let anna = test.key("anna", &[], false).await;
        let parts: [(&str, Option<&str>, &[u8]); 1] =
            [("file", Some("a.md"), b"The ferry leaves at nine.")];
        let job = test.upload(&anna, &parts, &[]).await.json()["job"]
            .as_str()
            .unwrap()
            .to_owned();
        let test = test.reopen(Setup::default()).await;
        let done = test.finish_job(&job).await;
        assert_eq!(done["counts"]["added"], 1, "{done}");
        assert_eq!(test.found(Some(&anna), "ferry").await.len(), 1);
    });
}

fn naughty_texts() {
    run(async {
        let test = TestApp::new().await;
        let anna = test.key("anna", &[], false).await;
        for (at, text) in [
            "'; DROP TABLE documents; --",
            "<script>alert(1)</script>",
            "مرحبا بالعالم \u{202e}desrever",
            "👩‍👩‍👧‍👦 🇺🇳 emoji",
            "%s%n ${jndi:ldap://x} {{7*7}}",
            "\"quoted\" AND field:value OR (",
            "ｆｕｌｌｗｉｄｔｈ \u{feff}",
        ]
        .into_iter()
        .enumerate()
        {
            let name = format!("{at}.txt");
            let parts = [
                ("file", Some(name.as_str()), text.as_bytes()),
                ("tag", None, name.as_bytes()),
            ];
            let job = test.upload(&anna, &parts, &[]).await.json()["job"]
                .as_str()
                .unwrap()
                .to_owned();
            let done = test.finish_job(&job).await;
            assert_eq!(done["counts"]["added"], 1, "{text:?}: {done}");
            let body = json!({ "query": text, "tags": [name] });
            let found = test
                .as_key(&anna, Method::POST, "/api/v1/search", Some(body))
                .await;
            assert_eq!(found.status, 200, "{text:?}: {}", found.text());
            let result = &found.json()["results"][0];
            let shown = result["text"].as_str().unwrap();
            assert!(
                shown.chars().count() as u64
                    == result["span"]["end"].as_u64().unwrap()
                        - result["span"]["start"].as_u64().unwrap()
            );
            let ask = test
                .as_key(
                    &anna,
                    Method::POST,
                    "/api/v1/chat",
                    Some(json!({ "query": text })),
                )
                .await;
            assert!(matches!(ask.status, 200 | 400), "{text:?}: {}", ask.text());
        }
    });
}
