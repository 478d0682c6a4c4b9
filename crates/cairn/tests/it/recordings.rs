//! A film becomes text that can be found: `ffmpeg`, the transcription protocol and the worker together.

use std::sync::{Arc, Mutex};

use cairn_testkit::need;
use serde_json::{Value, json};

use crate::support::Cairn;

/// A service that speaks the transcription protocol of OpenAI, and the bodies that it was sent.
async fn service() -> (String, Arc<Mutex<Vec<Vec<u8>>>>) {
    let seen: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let sent = Arc::clone(&seen);
    let write_down = move |body: axum::body::Bytes| {
        sent.lock().unwrap().push(body.to_vec());
        let reply: Value = json!({
            "text": "The lighthouse keeper retires in May.",
            "segments": [{"start": 1.5, "end": 3.0, "text": " The lighthouse keeper retires in May."}],
        });
        async move { axum::Json(reply) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let router = axum::Router::new()
        .route("/v1/audio/transcriptions", axum::routing::post(write_down))
        .layer(axum::extract::DefaultBodyLimit::disable());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (base, seen)
}

#[expect(clippy::disallowed_methods, reason = "makes what is tested")]
fn film(ffmpeg: &std::path::Path, arguments: &str, path: &std::path::Path) {
    let made = std::process::Command::new(ffmpeg)
        .args(["-nostdin", "-loglevel", "error"])
        .args(arguments.split(' '))
        .arg(path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

#[tokio::test]
async fn a_film_is_found_by_what_is_said_in_it() {
    let Some(ffmpeg) = need("ffmpeg") else { return };
    let (base, seen) = service().await;
    let cairn = Cairn::new().set("CAIRN_TRANSCRIPTION__BASE_URL", &base);
    let picture = "-f lavfi -i testsrc=size=96x64:rate=5:duration=3";
    let sound = "-f lavfi -i sine=duration=3";
    let files = cairn.files();
    fs_err::create_dir_all(&files).unwrap();
    film(
        &ffmpeg,
        &format!("{picture} {sound} -c:v mpeg4 -c:a aac"),
        &files.join("keeper.mp4"),
    );
    film(
        &ffmpeg,
        &format!("{picture} -c:v mpeg4"),
        &files.join("silent.mkv"),
    );
    let files = files.to_string_lossy().into_owned();
    let run = cairn.run(&["ingest", &files, "--json"]).await.code(1);
    let lines = run.lines();
    let of = |name: &str| {
        let is_it = |line: &&Value| {
            line["path"]
                .as_str()
                .is_some_and(|path| path.ends_with(name))
        };
        lines.iter().find(is_it).unwrap().clone()
    };
    assert_eq!(of("keeper.mp4")["outcome"], "added", "{lines:?}");
    let silent = of("silent.mkv");
    assert_eq!(silent["outcome"], "failed", "{silent}");
    assert!(
        silent.to_string().contains("has no sound track"),
        "{silent}"
    );
    {
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 1);
        assert!(seen[0].windows(4).any(|bytes| bytes == b"RIFF"));
    }
    let found = cairn.json(&["search", "lighthouse keeper"]).await;
    let text = found["results"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("[00:00:01] The lighthouse keeper retires in May."),
        "{found}"
    );
}
