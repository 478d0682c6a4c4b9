//! Answers: as JSON, as events, with a language model that lies, stalls or breaks off.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use cairn_llm::{ChatDelta, ChatError, ChatProvider, ChatRequest, FinishReason};
use cairn_server::{Surface, router};
use cairn_types::{CharSpan, DocumentId, VersionNo};
use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::Test;
use crate::test_app::{Setup, TestApp, run};

pub(crate) const TESTS: &[Test] = &[
    (
        "chat::answers_quote_the_stored_text",
        answers_quote_the_stored_text,
    ),
    ("chat::what_the_documents_do_not_say_is_said", abstains),
    ("chat::events_come_in_order", events_come_in_order),
    ("chat::errors_come_as_events_too", errors_come_as_events),
    (
        "chat::a_model_is_believed_only_where_the_text_says_so",
        a_model_is_checked,
    ),
    (
        "chat::a_model_that_fails_is_replaced_by_quotes",
        a_failing_model,
    ),
    (
        "chat::a_silent_model_gets_heartbeats_and_stops_with_the_reader",
        a_silent_model,
    ),
    (
        "chat::what_is_unshared_while_a_model_writes_is_not_told",
        unshared_while_a_model_writes,
    ),
    (
        "chat::a_shutdown_ends_streams_with_done",
        a_shutdown_ends_streams,
    ),
];

const TEXT: &str = "The ferry to Norderney leaves at nine in the morning. Tickets cost five crowns. Dogs travel free.";

/// What a scripted model does.
#[derive(Clone)]
enum Script {
    Says(&'static [&'static str]),
    Fails,
    BreaksOff(&'static [&'static str]),
    /// Waits until it may go on, then says.
    Waits {
        asked: CancellationToken,
        go_on: CancellationToken,
        says: &'static [&'static str],
    },
    /// Never answers; cancels the tokens when it is asked and when it is dropped.
    Silent {
        asked: CancellationToken,
        dropped: CancellationToken,
    },
}

struct Model(Script);

#[async_trait]
impl ChatProvider for Model {
    fn name(&self) -> &str {
        "scripted"
    }

    fn model(&self) -> &str {
        "parrot-1"
    }

    async fn stream(
        &self,
        _: ChatRequest,
    ) -> Result<BoxStream<'static, Result<ChatDelta, ChatError>>, ChatError> {
        let provider = "scripted".to_owned();
        let pieces = |texts: &'static [&'static str]| {
            texts.iter().map(|text| {
                Ok(ChatDelta {
                    text: (*text).to_owned(),
                    ..ChatDelta::default()
                })
            })
        };
        let end = ChatDelta {
            finish: Some(FinishReason::Stop),
            ..ChatDelta::default()
        };
        Ok(match self.0.clone() {
            Script::Says(texts) => stream::iter(pieces(texts).chain([Ok(end)])).boxed(),
            Script::BreaksOff(texts) => {
                stream::iter(pieces(texts).chain([Err(ChatError::Truncated { provider })])).boxed()
            }
            Script::Waits { asked, go_on, says } => {
                asked.cancel();
                stream::once(async move {
                    go_on.cancelled().await;
                    stream::iter(pieces(says).chain([Ok(end)]))
                })
                .flatten()
                .boxed()
            }
            Script::Fails => {
                let reason = "nobody listens".to_owned();
                return Err(ChatError::Unavailable { provider, reason });
            }
            Script::Silent { asked, dropped } => {
                asked.cancel();
                let guard = dropped.drop_guard();
                stream::once(async move {
                    let _guard = guard;
                    std::future::pending().await
                })
                .boxed()
            }
        })
    }
}

async fn with_model(script: Script) -> TestApp {
    let mut setup = Setup {
        chat: Some(Arc::new(Model(script))),
        ..Setup::default()
    };
    setup.settings.heartbeat = Duration::from_millis(1);
    let test = TestApp::with(setup).await;
    test.document("ferry.md", TEXT, &["everyone"]).await;
    test
}

async fn ask(test: &TestApp, body: Value) -> Value {
    let reply = test.own(Method::POST, "/api/v1/chat", Some(body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// Every citation of an answer, compared with the catalog.
async fn assert_verified(test: &TestApp, answer: &Value) {
    for citation in answer["citations"].as_array().unwrap() {
        assert_eq!(citation["verified"], true);
        let at = |end: &str| usize::try_from(citation["span"][end].as_u64().unwrap()).unwrap();
        let document: DocumentId = citation["document"]["id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let version =
            VersionNo(u32::try_from(citation["document"]["version"].as_u64().unwrap()).unwrap());
        let span = CharSpan::new(at("start"), at("end"));
        let scope = cairn_testkit::owner_of(test.tenant);
        let stored = test
            .catalog
            .text(&scope, document, version, span)
            .await
            .unwrap();
        assert_eq!(citation["quote"], stored);
        assert!(
            answer["answer"]
                .as_str()
                .unwrap()
                .contains(&format!("[{}]", citation["n"])),
            "{answer}"
        );
    }
}

fn answers_quote_the_stored_text() {
    run(async {
        let test = TestApp::new().await;
        test.document("ferry.md", TEXT, &["everyone"]).await;
        let question = "When does the ferry to Norderney leave?";
        let answer = ask(&test, json!({ "query": question })).await;
        assert_eq!(
            (&answer["abstained"], &answer["mode"]),
            (&json!(false), &json!("extractive")),
            "{answer}"
        );
        assert!(
            answer["citations"][0]["quote"]
                .as_str()
                .unwrap()
                .contains("nine"),
            "{answer}"
        );
        assert_verified(&test, &answer).await;
        for field in ["search", "answer", "verify", "total"] {
            assert!(answer["timing_ms"][field].is_number(), "{field}");
        }
        let messages = json!([
            { "role": "user", "content": "Hello" },
            { "role": "assistant", "content": "Hello." },
            { "role": "user", "content": question },
        ]);
        let mut by_messages = ask(&test, json!({ "messages": messages })).await;
        by_messages["timing_ms"] = answer["timing_ms"].clone();
        assert_eq!(by_messages, answer);
    });
}

fn abstains() {
    run(async {
        let test = with_model(Script::Fails).await;
        let answer = ask(
            &test,
            json!({ "query": "Who founded the observatory of Quito?" }),
        )
        .await;
        assert_eq!(
            (&answer["abstained"], &answer["citations"]),
            (&json!(true), &json!([])),
            "{answer}"
        );
        assert!(answer["nearest"].as_array().unwrap().len() <= 3);
        assert_eq!(
            (&answer["mode"], answer.get("model")),
            (&json!("extractive"), None),
            "no model was asked"
        );
        assert_eq!(answer.get("notes"), None, "and so none failed");
        let empty = TestApp::new().await;
        let answer = ask(
            &empty,
            json!({ "query": "Who founded the observatory of Quito?" }),
        )
        .await;
        assert_eq!(
            (&answer["abstained"], &answer["nearest"]),
            (&json!(true), &json!([])),
            "{answer}"
        );
    });
}

#[derive(Debug)]
struct Event {
    id: u64,
    name: String,
    data: Value,
}

/// The events of a stream (WHATWG HTML, 9.2).
fn events(text: &str) -> Vec<Event> {
    let mut events = Vec::new();
    for block in text.split("\n\n") {
        let field = |name: &str| {
            let lines = block.lines().filter_map(|line| line.strip_prefix(name));
            lines
                .map(|rest| rest.trim_start_matches(':').trim())
                .collect::<Vec<_>>()
                .join("\n")
        };
        if !block.lines().any(|line| line.starts_with("event:")) {
            continue;
        }
        let data = serde_json::from_str(&field("data")).unwrap();
        events.push(Event {
            id: field("id").parse().unwrap(),
            name: field("event"),
            data,
        });
    }
    events
}

async fn ask_streaming(test: &TestApp, question: &str) -> Vec<Event> {
    let body = json!({ "query": question, "stream": true });
    let reply = test.own(Method::POST, "/api/v1/chat", Some(body)).await;
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    events(&reply.text())
}

fn assert_order(events: &[Event]) {
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names.last(), Some(&"done"), "{names:?}");
    assert_eq!(names.iter().filter(|name| **name == "done").count(), 1);
    let ids: Vec<u64> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>());
    let known = [
        "search_results",
        "message",
        "citation",
        "final_answer",
        "error",
        "done",
    ];
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
}

fn events_come_in_order() {
    run(async {
        let test = TestApp::new().await;
        test.document("ferry.md", TEXT, &["everyone"]).await;
        let events = ask_streaming(&test, "When does the ferry to Norderney leave?").await;
        assert_order(&events);
        assert_eq!(events[0].name, "search_results");
        assert_eq!(events[0].data["results"][0]["rank"], 1);
        let last = &events[events.len() - 2];
        assert_eq!(
            (
                last.name.as_str(),
                events.last().unwrap().data["reason"].as_str()
            ),
            ("final_answer", Some("complete"))
        );
        let cited: Vec<&Value> = events
            .iter()
            .filter(|event| event.name == "citation")
            .map(|event| &event.data)
            .collect();
        assert_eq!(json!(cited), last.data["citations"]);
        let text: String = events
            .iter()
            .filter(|event| event.name == "message")
            .map(|event| event.data["text"].as_str().unwrap())
            .collect();
        assert_eq!(json!(text), last.data["answer"]);
        assert_verified(&test, &last.data).await;
    });
}

fn errors_come_as_events() {
    run(async {
        let test = TestApp::new().await;
        let events = ask_streaming(&test, " ").await;
        assert_order(&events);
        assert_eq!(events[0].name, "error");
        assert_eq!(
            (&events[0].data["code"], &events[0].data["status"]),
            (&json!("invalid_input"), &json!(400))
        );
        assert_eq!(events[1].data["reason"], "error");
    });
}

fn a_model_is_checked() {
    run(async {
        for (texts, n_citations, n_dropped) in [
            (
                &[
                    "The ferry leaves at nine ",
                    "[1: \"leaves at nine in the morning\"].",
                ][..],
                1,
                0,
            ),
            (
                &["It leaves at ten [1: \"leaves at ten in the morning\"]."],
                0,
                1,
            ),
            (
                &["It leaves at nine [7: \"leaves at eleven at night\"]."],
                0,
                1,
            ),
            (
                &["Dogs [1: \"Dogs travel free\"] and tickets [1: \"Tickets cost six crowns\"]."],
                1,
                1,
            ),
        ] {
            let test = with_model(Script::Says(texts)).await;
            let question = "When does the ferry to Norderney leave?";
            let answer = ask(&test, json!({ "query": question })).await;
            assert_eq!(
                (&answer["mode"], &answer["model"]),
                (&json!("model"), &json!("parrot-1")),
                "{answer}"
            );
            assert_eq!(
                answer["citations"].as_array().unwrap().len(),
                n_citations,
                "{answer}"
            );
            assert_eq!(
                answer["dropped"].as_array().unwrap().len(),
                n_dropped,
                "{answer}"
            );
            assert_verified(&test, &answer).await;
            let events = ask_streaming(&test, question).await;
            assert_order(&events);
            let last = &events[events.len() - 2].data;
            assert_eq!(
                (&last["answer"], &last["citations"]),
                (&answer["answer"], &answer["citations"])
            );
            let extractive = ask(&test, json!({ "query": question, "mode": "extractive" })).await;
            assert_eq!(extractive["mode"], "extractive");
        }
    });
}

fn a_failing_model() {
    run(async {
        let question = json!({ "query": "When does the ferry to Norderney leave?" });
        let test = with_model(Script::Fails).await;
        let answer = ask(&test, question.clone()).await;
        assert_eq!(answer["mode"], "extractive");
        assert!(
            !answer["notes"].as_array().unwrap().is_empty(),
            "a fallback is visible: {answer}"
        );
        assert_verified(&test, &answer).await;
        let test = with_model(Script::BreaksOff(&[
            "The ferry leaves at nine [1: \"leaves at nine\"]. And ",
        ]))
        .await;
        let answer = ask(&test, question).await;
        assert!(!answer["notes"].as_array().unwrap().is_empty(), "{answer}");
        assert_verified(&test, &answer).await;
    });
}

/// Begins a stream and reads until `enough` of the text.
async fn begin(test: &TestApp, enough: impl Fn(&str) -> bool) -> (String, Body) {
    let body =
        json!({ "query": "When does the ferry to Norderney leave?", "stream": true }).to_string();
    let request = Request::post("/api/v1/chat").header("content-type", "application/json");
    let request = request.body(Body::from(body)).unwrap();
    let response = router(test.app.clone(), Surface::Local)
        .oneshot(request)
        .await
        .unwrap();
    let mut body = response.into_body();
    let mut text = String::new();
    while !enough(&text) {
        let frame = body.frame().await.expect("the stream goes on").unwrap();
        text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    (text, body)
}

fn a_silent_model() {
    run(async {
        let (asked, dropped) = (CancellationToken::new(), CancellationToken::new());
        let silent = Script::Silent {
            asked: asked.clone(),
            dropped: dropped.clone(),
        };
        let test = with_model(silent).await;
        let (text, body) = begin(&test, |text| text.matches(": heartbeat").count() >= 3).await;
        assert!(
            events(&text)
                .iter()
                .all(|event| event.name == "search_results"),
            "{text}"
        );
        asked.cancelled().await;
        assert!(!dropped.is_cancelled());
        drop(body);
        dropped.cancelled().await;
    });
}

fn unshared_while_a_model_writes() {
    run(async {
        // It quotes; it writes from the text without a quote; it finds that the passages do not say.
        for says in [
            &["It leaves at nine [1: \"leaves at nine in the morning\"]."][..],
            &["The ferry leaves at nine in the morning [7: \"leaves at nine in the morning\"]."],
            &["NOT_IN_DOCUMENTS"],
        ] {
            for is_deleted in [false, true] {
                let (asked, go_on) = (CancellationToken::new(), CancellationToken::new());
                let test = with_model(Script::Waits {
                    asked: asked.clone(),
                    go_on: go_on.clone(),
                    says,
                })
                .await;
                let key = test.key("anna", &[], false).await;
                let body = json!({ "query": "When does the ferry to Norderney leave?" });
                let asking = test.as_key(&key, Method::POST, "/api/v1/chat", Some(body));
                let unshare = async {
                    asked.cancelled().await;
                    let listed = test.own(Method::GET, "/api/v1/docs", None).await.json();
                    let path = format!(
                        "/api/v1/docs/{}",
                        listed["documents"][0]["id"].as_str().unwrap()
                    );
                    let reply = if is_deleted {
                        test.own(Method::DELETE, &path, None).await
                    } else {
                        let body = json!({ "allow": ["group:it"] });
                        test.own(Method::PATCH, &path, Some(body)).await
                    };
                    assert!(reply.status < 300, "{}", reply.text());
                    go_on.cancel();
                };
                let (reply, ()) = futures::join!(asking, unshare);
                let text = reply.text();
                assert_eq!(reply.status, 200, "{text}");
                let answer = reply.json();
                assert_eq!(
                    (&answer["abstained"], &answer["citations"]),
                    (&json!(true), &json!([])),
                    "{text}"
                );
                assert!(!answer["notes"].as_array().unwrap().is_empty(), "{text}");
                for secret in ["nine", "ferry", "Tickets", "Dogs"] {
                    assert!(!text.contains(secret), "{secret}: {text}");
                }
            }
        }
    });
}

fn a_shutdown_ends_streams() {
    run(async {
        let (asked, dropped) = (CancellationToken::new(), CancellationToken::new());
        let silent = Script::Silent {
            asked: asked.clone(),
            dropped: dropped.clone(),
        };
        let test = with_model(silent).await;
        let (mut text, body) = begin(&test, |text| text.contains(": heartbeat")).await;
        asked.cancelled().await;
        let close = tokio::spawn({
            let app = test.app.clone();
            async move { app.close().await }
        });
        text.push_str(std::str::from_utf8(&body.collect().await.unwrap().to_bytes()).unwrap());
        close.await.unwrap();
        let events = events(&text);
        assert_order(&events);
        assert_eq!(events.last().unwrap().data["reason"], "shutdown");
        assert!(dropped.is_cancelled());
    });
}
