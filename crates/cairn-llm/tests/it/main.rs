//! The client against a real HTTP server that plays a script.
#![expect(clippy::unwrap_used, reason = "a failed step ends the test")]

mod server;
mod transcription;

use std::sync::Arc;
use std::time::Duration;

use cairn_llm::{
    ChatError, ChatMessage, ChatProvider, ChatRequest, FinishReason, OpenAiCompatible,
    OpenAiOptions, Secret, Usage, collect,
};
use futures::StreamExt;
use serde_json::json;

use server::{Piece, Script, Server};

const HELLO: &str = concat!(
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
    ": keep-alive\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"Grüße, \"}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"北京 😀\"}}]}\n\n",
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n",
    "data: [DONE]\n\n",
);

fn request() -> ChatRequest {
    ChatRequest {
        messages: vec![ChatMessage::user("hello?")],
        ..ChatRequest::default()
    }
}

fn options(server: &Server) -> OpenAiOptions {
    let mut options = OpenAiOptions::new(&server.base_url);
    options.model = Some("scripted".to_owned());
    options.api_key = Some(Secret::new("sk-SECRET"));
    options.max_response_bytes = 4 << 20;
    options
}

/// The whole answer of a server that plays `script`.
async fn answer(script: Script) -> Result<cairn_llm::Completion, ChatError> {
    let server = Server::start(vec![script]).await;
    let client = OpenAiCompatible::new(options(&server)).unwrap();
    collect(&client, request()).await
}

fn variant(error: &ChatError) -> String {
    let text = error.to_string();
    assert!(!text.contains("SECRET") && !text.contains('\n'), "{text}");
    format!("{error:?}")
        .split([' ', '{'])
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_stream_is_read_however_it_is_cut() {
    let expected_usage = Some(Usage {
        prompt_tokens: 7,
        completion_tokens: 3,
    });
    let bytes = HELLO.as_bytes();
    let crlf = HELLO.replace('\n', "\r\n");
    let without_last_line = HELLO.trim_end();
    let mut scripts: Vec<Script> = [1, 7, 64, 10_000]
        .iter()
        .flat_map(|&size| {
            [
                Script::pieces(bytes.chunks(size)),
                Script::pieces(crlf.as_bytes().chunks(size)),
            ]
        })
        .collect();
    scripts.push(Script::text(without_last_line));
    for script in scripts {
        let completion = answer(script).await.unwrap();
        assert_eq!(completion.text, "Grüße, 北京 😀");
        assert_eq!(
            (completion.finish, completion.usage),
            (FinishReason::Stop, expected_usage)
        );
    }
}

#[tokio::test]
async fn a_reply_without_streaming_is_read() {
    let body = json!({"choices": [{"message": {"content": "whole"}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2}});
    let completion = answer(Script::json(200, &body)).await.unwrap();
    assert_eq!(
        (completion.text.as_str(), completion.finish),
        ("whole", FinishReason::Length)
    );
    assert_eq!(
        completion.usage,
        Some(Usage {
            prompt_tokens: 1,
            completion_tokens: 2
        })
    );
}

#[tokio::test]
async fn an_end_without_a_reason_is_a_stop() {
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n\n";
    let completion = answer(Script::text(text)).await.unwrap();
    assert_eq!(
        (completion.text.as_str(), completion.finish),
        ("x", FinishReason::Stop)
    );
}

#[tokio::test]
async fn the_request_is_what_the_protocol_says() {
    let server = Server::start(vec![Script::text(HELLO)]).await;
    let client = OpenAiCompatible::new(options(&server)).unwrap();
    let mut asked = request();
    asked.messages.insert(0, ChatMessage::system("be brief"));
    asked.temperature = Some(0.0);
    asked.max_tokens = Some(9);
    collect(&client, asked).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].path, "/v1/chat/completions");
    assert_eq!(seen[0].authorization.as_deref(), Some("Bearer sk-SECRET"));
    assert_eq!(
        seen[0].body,
        json!({"model": "scripted", "stream": true, "stream_options": {"include_usage": true},
            "temperature": 0.0, "max_tokens": 9, "messages": [
                {"role": "system", "content": "be brief"}, {"role": "user", "content": "hello?"}]})
    );
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let error = |message: &str| json!({"error": {"message": message}});
    let key_error =
        json!({"error": {"message": "Incorrect API key: sk-SECRET", "code": "invalid_api_key"}});
    let cases = [
        (Script::json(401, &error("sk-SECRET")), "Unauthorized"),
        (Script::json(400, &key_error), "Unauthorized"),
        (Script::json(500, &error("SECRET prompt")), "Unavailable"),
        (
            Script::json(404, &error("model SECRET not found")),
            "ModelNotFound",
        ),
        (Script::json(400, &error("SECRET")), "BadRequest"),
        (
            Script::json(302, &json!({})).header("location", "http://127.0.0.1:1/"),
            "Protocol",
        ),
        (
            Script::json(
                200,
                &json!({"error": {"message": "SECRET", "code": "rate_limit_exceeded"}}),
            ),
            "RateLimited",
        ),
        (Script::json(200, &json!({"hello": "SECRET"})), "Protocol"),
        (Script::json(200, &json!({"choices": []})), "Protocol"),
        (Script::text("data: {\"choices\": SECRET\n\n"), "Protocol"),
        (
            Script::text("data: {\"error\":{\"message\":\"SECRET\"}}\n\n"),
            "Unavailable",
        ),
        (Script::text("{\"choices\":[{\"message\""), "Protocol"),
        (Script::text("<html><body>SECRET</body></html>"), "Protocol"),
        (Script::text(""), "Protocol"),
        (
            Script::text("data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n\n"),
            "Truncated",
        ),
        (
            Script::text(&format!("data: {}\n\n", "x".repeat(2 << 20))),
            "Protocol",
        ),
        (Script::text(&": filler\n".repeat(600_000)), "Protocol"),
    ];
    for (script, expected) in cases {
        let shown = format!("{script:.200?}");
        let got = answer(script).await.unwrap_err();
        assert_eq!(variant(&got), expected, "{shown}");
    }
}

#[tokio::test]
async fn a_limit_tells_how_long_to_wait() {
    let got = answer(Script::json(429, &json!({})).header("retry-after", "3"))
        .await
        .unwrap_err();
    let ChatError::RateLimited { retry_after, .. } = &got else {
        panic!("{got:?}")
    };
    assert_eq!(*retry_after, Some(Duration::from_secs(3)));
    assert!(got.is_retryable());
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let server = Server::start(vec![]).await;
    let options = options(&server);
    server.stop().await;
    let client = OpenAiCompatible::new(options).unwrap();
    assert_eq!(
        variant(&collect(&client, request()).await.unwrap_err()),
        "Unavailable"
    );
}

#[tokio::test]
async fn text_before_a_break_is_given_out() {
    let half = "data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n\n";
    for (last, expected) in [
        (Piece::Break, "Truncated"),
        (Piece::Bytes(b"data: {oops}\n\n".to_vec()), "Protocol"),
    ] {
        let script = Script::of(vec![Piece::Bytes(half.as_bytes().to_vec()), last]);
        let server = Server::start(vec![script]).await;
        let client = OpenAiCompatible::new(options(&server)).unwrap();
        let mut stream = client.stream(request()).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap().text, "half");
        assert_eq!(
            variant(&stream.next().await.unwrap().unwrap_err()),
            expected
        );
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test]
async fn a_refused_field_is_left_out_from_then_on() {
    let refused = json!({"error": {"message": "Unsupported: 'max_tokens'. Use 'max_completion_tokens'.",
        "param": "max_tokens"}});
    let strict = json!({"error": {"message": "Extra inputs are not permitted: stream_options"}});
    let server = Server::start(vec![
        Script::json(400, &refused),
        Script::json(422, &strict),
        Script::text(HELLO),
        Script::text(HELLO),
    ])
    .await;
    let client = OpenAiCompatible::new(options(&server)).unwrap();
    let asked = ChatRequest {
        max_tokens: Some(5),
        ..request()
    };
    collect(&client, asked.clone()).await.unwrap();
    collect(&client, asked).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 4);
    for late in &seen[2..] {
        assert_eq!(late.body["max_completion_tokens"], 5);
        assert!(late.body.get("max_tokens").is_none() && late.body.get("stream_options").is_none());
    }
}

#[tokio::test]
async fn without_a_model_the_first_chat_model_is_asked_for_once() {
    let models = json!({"data": [{"id": "nomic-embed-text"}, {"id": "llama-8b"}]});
    let server = Server::start(vec![
        Script::json(200, &models),
        Script::text(HELLO),
        Script::text(HELLO),
    ])
    .await;
    let mut options = options(&server);
    options.model = None;
    let client = OpenAiCompatible::new(options).unwrap();
    assert_eq!(client.model(), "");
    collect(&client, request()).await.unwrap();
    collect(&client, request()).await.unwrap();
    assert_eq!(client.model(), "llama-8b");
    let paths: Vec<String> = server.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(
        paths,
        ["/v1/models", "/v1/chat/completions", "/v1/chat/completions"]
    );
    assert_eq!(server.seen()[1].body["model"], "llama-8b");
}

#[tokio::test]
async fn a_server_without_models_says_so() {
    for (script, expected) in [
        (Script::json(200, &json!({"data": []})), "ModelNotFound"),
        (Script::json(401, &json!({})), "Unauthorized"),
        (Script::text("SECRET"), "ModelNotFound"),
    ] {
        let server = Server::start(vec![script]).await;
        let mut options = options(&server);
        options.model = None;
        let client = OpenAiCompatible::new(options).unwrap();
        assert_eq!(
            variant(&collect(&client, request()).await.unwrap_err()),
            expected
        );
    }
}

/// The clock is stopped once the request hangs: it then jumps to the time limit by itself.
#[tokio::test]
async fn a_server_that_does_not_answer_times_out() {
    let server = Server::start(vec![Script::silent()]).await;
    let client = Arc::new(OpenAiCompatible::new(options(&server)).unwrap());
    let asking = {
        let client = Arc::clone(&client);
        tokio::spawn(async move { client.stream(request()).await.map(|_| ()) })
    };
    server.arrived().await;
    tokio::time::pause();
    let got = asking.await.unwrap().unwrap_err();
    let expected = ChatError::TimedOut {
        provider: client.name().to_owned(),
        awaited: "start to answer",
        limit: Duration::from_secs(30),
    };
    assert_eq!(got, expected);
}

#[tokio::test]
async fn a_stalled_stream_times_out() {
    let empty = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n: ping\n\n";
    let thinking = "data: {\"choices\":[{\"delta\":{\"reasoning\":\"hm\"}}]}\n\n";
    let half = "data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n\n";
    for (text, n_deltas, awaited, limit) in [
        (empty, 0, "start to answer", 30),
        (half, 1, "finish the answer", 120),
        (&format!("{thinking}{half}"), 1, "finish the answer", 120),
    ] {
        let script = Script::of(vec![Piece::Bytes(text.as_bytes().to_vec()), Piece::Stall]);
        let server = Server::start(vec![script]).await;
        let client = OpenAiCompatible::new(options(&server)).unwrap();
        let mut stream = client.stream(request()).await.unwrap();
        for _ in 0..n_deltas {
            assert_eq!(stream.next().await.unwrap().unwrap().text, "half");
        }
        tokio::time::pause();
        let got = stream.next().await.unwrap().unwrap_err();
        tokio::time::resume();
        let expected = ChatError::TimedOut {
            provider: client.name().to_owned(),
            awaited,
            limit: Duration::from_secs(limit),
        };
        assert_eq!(got, expected);
    }
}

#[tokio::test]
async fn a_connection_left_open_after_the_finish_does_no_harm() {
    let whole =
        "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\n";
    let script = Script::of(vec![Piece::Bytes(whole.as_bytes().to_vec()), Piece::Stall]);
    let server = Server::start(vec![script]).await;
    let client = OpenAiCompatible::new(options(&server)).unwrap();
    let mut stream = client.stream(request()).await.unwrap();
    assert_eq!(
        stream.next().await.unwrap().unwrap().finish,
        Some(FinishReason::Stop)
    );
    tokio::time::pause();
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn dropping_the_stream_ends_the_request() {
    let half = "data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n\n";
    let script = Script::of(vec![Piece::Bytes(half.as_bytes().to_vec()), Piece::Stall]);
    let server = Server::start(vec![script]).await;
    let client = OpenAiCompatible::new(options(&server)).unwrap();
    let mut stream = client.stream(request()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    server.hung_up().await;
}
