//! `cairn serve` over real connections.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{Cairn, Multipart, Server, write};

const TEXT: &[u8] =
    b"# Ferries\n\nThe ferry to Tolm leaves at nine in the morning. Dogs travel free.\n";

#[tokio::test]
async fn an_upload_becomes_a_document_that_answers() {
    let cairn = Cairn::new();
    let server = Server::start(&cairn).await;
    let http = &server.http;
    assert_eq!(http.get("/health").await.status(200).json()["status"], "ok");
    assert_eq!(
        http.get("/ready").await.status(200).json()["lexical_only"],
        true
    );
    let form = || {
        Multipart::default()
            .file("ferry.md", TEXT)
            .field("collection", "boats")
            .field("tag", "2026")
    };
    let idempotent = http.clone().with("idempotency-key", "once");
    let accepted = idempotent.upload(form()).await.status(202);
    let location = accepted.headers["location"].to_str().unwrap().to_owned();
    let job = accepted.json()["job"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("/api/v1/jobs/{job}"));
    let job = server.finished_job(&job).await;
    assert_eq!(
        (&job["state"], &job["counts"]["added"]),
        (&json!("done"), &json!(1)),
        "{job}"
    );
    assert_eq!(
        idempotent.upload(form()).await.status(202).json(),
        accepted.json()
    );

    let found = http
        .post("/api/v1/search", &json!({ "query": "ferry" }))
        .await
        .status(200)
        .json();
    assert_eq!(found["results"][0]["collection"], "boats", "{found}");
    let id = found["results"][0]["document"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let question = json!({ "query": "When does the ferry to Tolm leave?" });
    let reply = http
        .post("/api/v1/chat", &question)
        .await
        .status(200)
        .json();
    assert!(
        reply["citations"][0]["quote"]
            .as_str()
            .unwrap()
            .contains("nine"),
        "{reply}"
    );
    // The command line says the same as the server that it asks.
    let told = cairn
        .json(&["ask", "When does the ferry to Tolm leave?"])
        .await;
    assert_eq!(told["citations"], reply["citations"]);

    let mut streamed = question.clone();
    streamed["stream"] = json!(true);
    let events = http
        .post("/api/v1/chat", &streamed)
        .await
        .status(200)
        .events();
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        (names[0], names[names.len() - 2], names[names.len() - 1]),
        ("search_results", "final_answer", "done")
    );
    assert!(
        names.contains(&"message") && names.contains(&"citation"),
        "{names:?}"
    );
    assert_eq!(events[names.len() - 2].1["citations"], reply["citations"]);

    let chunks = http
        .get(&format!("/api/v1/docs/{id}/chunks"))
        .await
        .status(200)
        .json();
    assert!(
        chunks["chunks"][0]["text"]
            .as_str()
            .unwrap()
            .contains("ferry to Tolm"),
        "{chunks}"
    );
    http.delete(&format!("/api/v1/docs/{id}")).await.status(200);
    let found = http
        .post("/api/v1/search", &json!({ "query": "ferry" }))
        .await
        .status(200)
        .json();
    assert_eq!(found["results"], json!([]));

    let problem = http.get("/api/v1/docs/0123456789abcdef").await.status(404);
    assert_eq!(problem.headers["content-type"], "application/problem+json");
    assert_eq!(problem.json()["code"], "not_found");
    http.post("/api/v1/search", &json!({ "query": "" }))
        .await
        .status(400);
    http.post("/api/v1/search", &json!({ "query": "x", "colour": "red" }))
        .await
        .status(400);
    let paths = http.get("/api/v1/openapi.json").await.status(200).json()["paths"].clone();
    assert!(paths["/api/v1/search"]["post"].is_object());
    http.get("/local/v1/status").await.status(404);

    http.clone()
        .with("host", "evil.example")
        .get("/ready")
        .await
        .status(421);
    let foreign = http.clone().with("origin", "https://evil.example");
    foreign
        .post("/api/v1/search", &json!({ "query": "ferry" }))
        .await
        .status(403);
    let (code, log) = server.stop().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("shutting down"), "{log}");
}

#[tokio::test]
async fn another_address_needs_a_key_and_then_every_request_does() {
    let cairn = Cairn::new();
    let refused = cairn.run(&["serve", "--listen", "0.0.0.0:0"]).await;
    assert!([2, 4].contains(&refused.code.unwrap()), "{refused:#?}");
    refused.says("key").says("cairn key create");
    write(
        &cairn.files(),
        "open.md",
        "The harbour office opens at eight.",
    );
    write(
        &cairn.files(),
        "secret.md",
        "The harbour safe opens with 4711.",
    );
    cairn.run(&["ingest", "open.md"]).await.ok();
    cairn
        .run(&["ingest", "secret.md", "--allow", "group:hr"])
        .await
        .ok();
    let key = async |args: &[&str]| {
        let made = cairn
            .json(&[&["key", "create", "--user"], args].concat())
            .await;
        made["key"].as_str().unwrap().to_owned()
    };
    let anna = key(&["anna", "--group", "hr", "--expires", "90d"]).await;
    let ben = key(&["ben", "--read-only"]).await;
    let server = Server::start_on(&cairn, "0.0.0.0:0").await;
    let http = crate::support::Http::new(([127, 0, 0, 1], server.http.address.port()).into());
    let query = json!({ "query": "harbour opens" });
    http.post("/api/v1/search", &query).await.status(401);
    http.get("/health").await.status(200);
    let as_anna = http
        .clone()
        .with("authorization", &format!("Bearer {anna}"));
    let as_ben = http.clone().with("x-api-key", &ben);
    let n_found = |reply: Value| reply["results"].as_array().unwrap().len();
    assert_eq!(
        n_found(
            as_anna
                .post("/api/v1/search", &query)
                .await
                .status(200)
                .json()
        ),
        2
    );
    assert_eq!(
        n_found(
            as_ben
                .post("/api/v1/search", &query)
                .await
                .status(200)
                .json()
        ),
        1
    );
    as_ben
        .upload(Multipart::default().file("x.md", TEXT))
        .await
        .status(403);
    as_anna
        .upload(Multipart::default().file("x.md", TEXT))
        .await
        .status(202);
    let wrong = http.clone().with("x-api-key", "nonsense");
    wrong.post("/api/v1/search", &query).await.status(401);
    // The owner's own socket needs none.
    cairn.run(&["search", "harbour"]).await.ok();
    let (code, log) = server.stop().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(
        !log.contains(&anna) && !log.contains(&ben),
        "keys are not logged"
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_told() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let cairn = Cairn::new();
    let refused = cairn.run(&["serve", "--listen", &address]).await.code(7);
    refused.says(&address).says("another port");
    for bad in ["nonsense", "127.0.0.1", "127.0.0.1:99999"] {
        cairn
            .run(&["serve", "--listen", bad])
            .await
            .code(2)
            .says(bad);
    }
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_ends_what_it_began() {
    // A language model that answers when it may; being asked is what the test waits for.
    let (asked, may_answer) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let answer = {
        let (asked, may_answer) = (asked.clone(), may_answer.clone());
        move || async move {
            asked.add_permits(1);
            may_answer.acquire().await.unwrap().forget();
            let text = "It leaves at nine [1: \"leaves at nine in the morning\"].";
            let delta = json!({ "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": "stop" }] });
            let body = format!("data: {delta}\n\ndata: [DONE]\n\n");
            ([("content-type", "text/event-stream")], body)
        }
    };
    let models = || async { axum::Json(json!({ "data": [{ "id": "scripted-1" }] })) };
    let router = axum::Router::new()
        .route("/v1/models", axum::routing::get(models))
        .route("/v1/chat/completions", axum::routing::post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });

    let cairn = Cairn::new().set("OPENAI_BASE_URL", format!("http://{address}/v1"));
    write(&cairn.files(), "ferry.md", TEXT);
    cairn.run(&["ingest", "."]).await.ok();
    let server = Server::start(&cairn).await;
    let http = server.http.clone();
    let reply = tokio::spawn(async move {
        let question = json!({ "query": "When does the ferry to Tolm leave?" });
        http.post("/api/v1/chat", &question).await
    });
    asked.acquire().await.unwrap().forget();
    crate::support::signal(&server.child, "TERM").await;
    may_answer.add_permits(1);
    let reply = reply.await.unwrap().status(200).json();
    assert_eq!(reply["mode"], "model", "{reply}");
    assert_eq!(
        reply["citations"][0]["quote"],
        "leaves at nine in the morning"
    );
    let (code, log) = server.wait().await;
    assert_eq!(code, Some(0), "{log}");
}
