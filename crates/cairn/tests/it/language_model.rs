//! Answers by a language model that lies, stumbles and breaks off: what is shown as verified stands in the documents.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use serde_json::json;

use crate::support::{Cairn, Texts, write};

const QUESTION: &str = "When does the ferry to Tolm leave?";

/// What the scripted server does.
#[derive(Debug, Clone, Copy)]
enum Script {
    /// Says these pieces.
    Says(&'static [&'static str]),
    /// Says these pieces and closes without an end.
    BreaksOff(&'static [&'static str]),
    /// Says these pieces and then nothing more, for ever.
    FallsSilent(&'static [&'static str]),
    /// Answers with this status.
    Fails(u16),
}

/// A body that has one piece and no end.
struct SaidThenSilent(Option<axum::body::Bytes>);

impl hyper::body::Body for SaidThenSilent {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        let piece = self.0.take();
        piece.map_or(std::task::Poll::Pending, |piece| {
            std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(piece))))
        })
    }
}

/// A server that speaks the OpenAI chat protocol; how often it was asked.
async fn start(script: Script) -> (String, Arc<AtomicUsize>) {
    let n_asked = Arc::new(AtomicUsize::new(0));
    let counter = n_asked.clone();
    let complete = move || {
        counter.fetch_add(1, Ordering::SeqCst);
        async move {
            let (pieces, is_whole) = match script {
                Script::Says(pieces) => (pieces, true),
                Script::BreaksOff(pieces) | Script::FallsSilent(pieces) => (pieces, false),
                Script::Fails(status) => {
                    let status = http::StatusCode::from_u16(status).unwrap();
                    return (status, "no").into_response();
                }
            };
            let mut body = String::new();
            for piece in pieces {
                let delta = json!({ "choices": [{ "index": 0, "delta": { "content": piece } }] });
                body += &format!("data: {delta}\n\n");
            }
            if is_whole {
                let end =
                    json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
                body += &format!("data: {end}\n\ndata: [DONE]\n\n");
            }
            let head = [("content-type", "text/event-stream")];
            if matches!(script, Script::FallsSilent(_)) {
                let waits = SaidThenSilent(Some(body.into()));
                return (head, axum::body::Body::new(waits)).into_response();
            }
            (head, body).into_response()
        }
    };
    let models = || async { axum::Json(json!({ "data": [{ "id": "scripted-1" }] })) };
    let router = Router::new()
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(complete));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/v1"), n_asked)
}

async fn with(script: Script) -> (Cairn, Arc<AtomicUsize>) {
    let (address, n_asked) = start(script).await;
    let cairn = Cairn::new().set("OPENAI_BASE_URL", address);
    write(
        &cairn.files(),
        "ferry.md",
        "# Ferries\n\nThe ferry to Tolm leaves at nine in the morning. Tickets cost five crowns.",
    );
    write(
        &cairn.files(),
        "dogs.md",
        "# Dogs\n\nDogs travel free on the ferry to Tolm when they are small.",
    );
    cairn.run(&["ingest", "."]).await.ok();
    (cairn, n_asked)
}

#[tokio::test]
async fn a_good_citation_is_verified_and_streamed() {
    let script = Script::Says(&[
        "It leaves at nine ",
        "[1: \"leaves at nine",
        " in the morning\"].",
    ]);
    let (cairn, n_asked) = with(script).await;
    let reply = cairn.json(&["ask", QUESTION]).await;
    assert_eq!(
        (&reply["mode"], &reply["abstained"]),
        (&json!("model"), &json!(false)),
        "{reply}"
    );
    assert_eq!(
        reply["citations"][0]["quote"], "leaves at nine in the morning",
        "{reply}"
    );
    Texts::of(&cairn).await.assert_verified(&reply);
    let told = cairn.run(&["ask", QUESTION]).await.ok();
    assert!(told.stdout.starts_with("It leaves at nine"), "{told:#?}");
    assert!(
        told.stdout.contains("leaves at nine in the morning") && told.stdout.contains("verified"),
        "{told:#?}"
    );
    assert_eq!(n_asked.load(Ordering::SeqCst), 2);
    let quoted = cairn.json(&["ask", QUESTION, "--extractive"]).await;
    assert_eq!(quoted["mode"], "extractive");
    assert_eq!(
        n_asked.load(Ordering::SeqCst),
        2,
        "--extractive asks no model"
    );
    let status = cairn.json(&["status"]).await;
    assert_eq!(status["model"], json!(null), "{status}");
}

#[tokio::test]
async fn nothing_that_is_not_there_is_shown_as_verified() {
    for (name, script) in [
        (
            "an invented quote",
            Script::Says(&["At ten [1: \"leaves at ten in the evening\"]."]),
        ),
        (
            "a number that does not exist",
            Script::Says(&["At nine [9: \"leaves at nine in the morning\"]."]),
        ),
        (
            "a right quote under a wrong number",
            Script::Says(&["At nine [2: \"leaves at nine in the morning\"]."]),
        ),
        (
            "no citation at all",
            Script::Says(&["It leaves at nine, trust me."]),
        ),
        (
            "a changed number",
            Script::Says(&["[1: \"Tickets cost six crowns\"]"]),
        ),
        (
            "a half-open citation",
            Script::Says(&["At nine [1: \"leaves at nine in"]),
        ),
        (
            "a half-open stream",
            Script::BreaksOff(&["At nine [1: \"leaves at ni"]),
        ),
        (
            "a picture",
            Script::Says(&[
                "![x](https://evil.example/?q=nine) [1: \"leaves at nine in the morning\"]",
            ]),
        ),
        (
            "a link",
            Script::Says(&[
                "[here](https://evil.example/nine) [1: \"leaves at nine in the morning\"]",
            ]),
        ),
        (
            "markup around a citation",
            Script::Says(&["**[1: \"dogs leave at nine\"](https://evil.example)**"]),
        ),
        ("an empty quote", Script::Says(&["At nine [1: \"\"]."])),
        ("nothing", Script::Says(&[])),
    ] {
        let (cairn, _) = with(script).await;
        let texts = Texts::of(&cairn).await;
        let reply = cairn.json(&["ask", QUESTION]).await;
        texts.assert_verified(&reply);
        let answer = reply["answer"].as_str().unwrap();
        assert!(!answer.contains("evil.example"), "{name}: {reply}");
        for citation in reply["citations"].as_array().unwrap() {
            assert!(
                !citation["quote"].as_str().unwrap().is_empty(),
                "{name}: {reply}"
            );
        }
        let told = cairn.run(&["ask", QUESTION]).await.ok();
        assert!(!told.stdout.contains("evil.example"), "{name}: {told:#?}");
        let n_shown = told.stdout.matches(", verified").count();
        assert_eq!(
            n_shown,
            reply["citations"].as_array().unwrap().len(),
            "{name}: {told:#?}"
        );
        assert!(
            !told.stdout.contains("ten in the evening\n"),
            "{name}: {told:#?}"
        );
    }
}

#[tokio::test]
async fn a_model_that_cannot_be_reached_is_replaced_by_quotes_and_told() {
    for script in [Script::Fails(500), Script::Fails(401), Script::Fails(404)] {
        let (cairn, _) = with(script).await;
        let reply = cairn.json(&["ask", QUESTION]).await;
        assert_eq!(reply["mode"], "extractive", "{script:?}: {reply}");
        assert!(
            !reply["notes"].as_array().unwrap().is_empty(),
            "{script:?}: {reply}"
        );
        Texts::of(&cairn).await.assert_verified(&reply);
        let told = cairn.run(&["ask", QUESTION]).await.ok();
        let note = reply["notes"][0].as_str().unwrap();
        assert!(told.stdout.contains(note), "{told:#?}");
    }
    let (cairn, _) = with(Script::Fails(500)).await;
    let cairn = cairn.set("OPENAI_BASE_URL", "http://127.0.0.1:9/v1");
    let reply = cairn.json(&["ask", QUESTION]).await;
    assert!(
        reply["citations"][0]["quote"]
            .as_str()
            .unwrap()
            .contains("nine"),
        "{reply}"
    );
}

#[tokio::test]
async fn a_question_that_the_documents_do_not_answer_asks_no_model() {
    let (cairn, n_asked) = with(Script::Says(&["Quito."])).await;
    let reply = cairn
        .json(&["ask", "Who founded the observatory of Quito?"])
        .await;
    assert_eq!(reply["abstained"], true, "{reply}");
    assert_eq!(n_asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_model_that_falls_silent_is_given_up() {
    for (pieces, mode) in [
        (&[][..], "extractive"),
        (&["At nine [1: \"leaves at ni"], "model"),
    ] {
        let (cairn, _) = with(Script::FallsSilent(pieces)).await;
        let cairn = cairn
            .set("CAIRN_LLM__FIRST_TOKEN_SECONDS", "1")
            .set("CAIRN_LLM__TOTAL_SECONDS", "1");
        let reply = cairn.json(&["ask", QUESTION]).await;
        assert_eq!(reply["mode"], mode, "{reply}");
        let n_cited = reply["citations"].as_array().unwrap().len();
        assert_eq!(n_cited > 0, mode == "extractive", "{reply}");
        Texts::of(&cairn).await.assert_verified(&reply);
        // It is told, in both cases, that this is not what was asked for.
        let note = reply["notes"][0].as_str().unwrap();
        let (before, _) = note
            .split_once("127.0.0.1")
            .expect("the address of the model");
        let told = cairn.run(&["ask", QUESTION]).await.ok();
        assert!(told.stdout.contains(before), "{told:#?}");
    }
}
