//! The transcription client against a real HTTP server that plays a script and speaks the documented protocol. No real service is
//! asked here.

use std::time::Duration;

use cairn_llm::{Secret, Spoken, Transcriber, TranscriptionError, TranscriptionOptions};
use serde_json::json;

use crate::server::{Piece, Script, Server};

fn verbose() -> Script {
    Script::json(
        200,
        &json!({
            "task": "transcribe", "language": "english", "duration": 9.5,
            "text": " Cast off. Mind the step.",
            "segments": [
                {"id": 0, "seek": 0, "start": 0.0, "end": 2.25, "text": " Cast off.", "avg_logprob": -0.2},
                {"id": 1, "seek": 0, "start": 2.25, "end": 2.0, "text": " Mind the step."},
                {"id": 2, "seek": 0, "start": 3.0, "end": 4.0, "text": "  "},
            ],
        }),
    )
}

fn client(server: &Server) -> Transcriber {
    let mut options = TranscriptionOptions::new(&server.base_url);
    options.api_key = Some(Secret::new("sk-SECRET"));
    options.language = Some("en".to_owned());
    options.retry_wait = Duration::ZERO;
    options.max_response_bytes = 64 << 10;
    Transcriber::new(options).unwrap()
}

/// What comes of these replies, and how often the server was asked.
async fn outcome(scripts: Vec<Script>) -> (Result<Vec<Spoken>, TranscriptionError>, usize) {
    let server = Server::start(scripts).await;
    let result = client(&server).transcribe("a.wav", b"RIFF".to_vec()).await;
    if let Err(error) = &result {
        let text = error.to_string();
        assert!(!text.contains("SECRET") && !text.contains('\n'), "{text}");
    }
    (result, server.seen().len())
}

#[tokio::test]
async fn a_recording_is_sent_as_the_protocol_says_and_its_segments_come_back() {
    let server = Server::start(vec![verbose()]).await;
    let audio = b"RIFF\r\n--not the boundary\0\xff".to_vec();
    let spoken = client(&server)
        .transcribe("call.wav", audio.clone())
        .await
        .unwrap();
    let expected = [(0, 2250, "Cast off."), (2250, 2250, "Mind the step.")];
    let found: Vec<_> = spoken
        .iter()
        .map(|s| (s.start_ms, s.end_ms, s.text.as_str()))
        .collect();
    assert_eq!(found, expected);

    let seen = &server.seen()[0];
    assert_eq!(seen.path, "/v1/audio/transcriptions");
    assert_eq!(seen.authorization.as_deref(), Some("Bearer sk-SECRET"));
    let boundary = seen
        .content_type
        .strip_prefix("multipart/form-data; boundary=")
        .unwrap();
    let delimiter = format!("--{boundary}");
    let body = String::from_utf8_lossy(&seen.raw).into_owned();
    let part = |name: &str| {
        body.split(&delimiter)
            .find(|part| part.contains(&format!("name=\"{name}\"")))
            .map(|part| part.split_once("\r\n\r\n").unwrap())
    };
    for (name, value) in [
        ("model", "whisper-1"),
        ("response_format", "verbose_json"),
        ("language", "en"),
    ] {
        assert_eq!(part(name).unwrap().1.trim_end(), value);
    }
    assert!(part("file").unwrap().0.contains("filename=\"call.wav\""));
    assert!(
        seen.raw.windows(audio.len()).any(|window| window == audio),
        "the bytes are not changed"
    );
}

#[tokio::test]
async fn a_server_without_segments_gives_one_text() {
    let plain = Script::json(200, &json!({"text": "All aboard.", "duration": 3.5}));
    let (result, _) = outcome(vec![plain]).await;
    let expected = Spoken {
        start_ms: 0,
        end_ms: 3500,
        text: "All aboard.".to_owned(),
    };
    assert_eq!(result.unwrap(), [expected]);
    let silent = Script::json(200, &json!({"text": "", "segments": []}));
    assert_eq!(outcome(vec![silent]).await.0.unwrap(), []);
}

#[tokio::test]
async fn a_format_that_is_refused_is_replaced() {
    let refusal = json!({"error": {"message": "response_format 'verbose_json' is not compatible", "param": "response_format"}});
    let server = Server::start(vec![
        Script::json(400, &refusal),
        Script::json(200, &json!({"text": "Aye."})),
    ])
    .await;
    let spoken = client(&server).transcribe("a.wav", vec![1]).await.unwrap();
    assert_eq!(spoken[0].text, "Aye.");
    let second = String::from_utf8_lossy(&server.seen()[1].raw).into_owned();
    assert!(second.contains("\r\n\r\njson\r\n"), "{second}");
    let (result, n) = outcome(vec![
        Script::json(400, &refusal),
        Script::json(400, &refusal),
    ])
    .await;
    assert!(matches!(result, Err(TranscriptionError::Refused { .. })));
    assert_eq!(n, 2);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_may_not_is_not() {
    let error = |status| Script::json(status, &json!({"error": {"message": "SECRET"}}));
    let (result, n) = outcome(vec![
        error(503),
        error(429).header("retry-after", "0"),
        verbose(),
    ])
    .await;
    assert_eq!((result.unwrap().len(), n), (2, 3));
    for status in [500, 429] {
        let (result, n) =
            outcome(vec![error(status), error(status), error(status), verbose()]).await;
        assert!(
            matches!(result, Err(TranscriptionError::Unavailable { .. })),
            "{status}"
        );
        assert_eq!(n, 3, "{status}");
    }
    for (status, words) in [
        (401, "credentials"),
        (404, "base URL"),
        (400, "status 400"),
        (413, "size"),
        (302, "status 302"),
    ] {
        let (result, n) = outcome(vec![error(status), verbose()]).await;
        let error = result.unwrap_err();
        assert!(
            matches!(&error, TranscriptionError::Refused { reason, .. } if reason.contains(words)),
            "{error}"
        );
        assert_eq!(n, 1, "{status}");
    }
}

#[tokio::test]
async fn replies_that_are_none_are_told() {
    for text in [
        "",
        "<html>",
        "{}",
        "[]",
        "{\"segments\": [{\"start\": \"x\"}]}",
    ] {
        let (result, n) = outcome(vec![Script::text(text)]).await;
        assert!(
            matches!(result, Err(TranscriptionError::Refused { .. })),
            "{text}"
        );
        assert_eq!(n, 1);
    }
    let long = format!("{{\"text\": \"{}\"}}", "x".repeat(70 << 10));
    let (result, _) = outcome(vec![Script::text(&long)]).await;
    assert!(
        matches!(result, Err(TranscriptionError::Refused { reason, .. }) if reason.contains("bytes"))
    );
}

#[tokio::test]
async fn lengths_that_lie_and_connections_that_break_are_tried_again() {
    let short = Script::text("{\"text\"").header("content-length", "5000");
    let broken = Script::of(vec![Piece::Bytes(b"{\"text\": ".to_vec()), Piece::Break]);
    let (result, n) = outcome(vec![short, broken, verbose()]).await;
    assert_eq!((result.unwrap().len(), n), (2, 3));
}

#[tokio::test]
async fn silence_has_an_end() {
    let stalled = Script::of(vec![Piece::Bytes(b"{\"text\": ".to_vec()), Piece::Stall]);
    let server = Server::start(vec![Script::silent(), stalled, Script::silent()]).await;
    let mut options = TranscriptionOptions::new(&server.base_url);
    options.timeout = Duration::from_millis(200);
    options.retry_wait = Duration::ZERO;
    let error = Transcriber::new(options)
        .unwrap()
        .transcribe("a.wav", vec![1])
        .await
        .unwrap_err();
    assert!(
        matches!(error, TranscriptionError::Unavailable { .. }),
        "{error}"
    );
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn nobody_there_is_told() {
    let server = Server::start(vec![]).await;
    let client = client(&server);
    server.stop().await;
    let error = client.transcribe("a.wav", vec![1]).await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}
