//! `cairn models pull` from a hub of the test's own.

use std::path::PathBuf;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use crate::support::Cairn;

/// The paths of the catalogue: repository, `resolve`, commit, file.
const FILES: &str = "/sentence-transformers/all-MiniLM-L6-v2/resolve/{commit}/{file}";

#[derive(Clone)]
struct Hub {
    files: PathBuf,
    /// A file that is sent with one byte changed.
    altered: Option<&'static str>,
}

async fn start(hub: Hub) -> String {
    let router = Router::new()
        .route(
            FILES,
            get(|Path((_, file)): Path<(String, String)>| async move {
                // As the real one does: the content is elsewhere.
                Redirect::temporary(&format!("/content/{file}"))
            }),
        )
        .route("/content/{file}", get(content))
        .with_state(hub);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn content(State(hub): State<Hub>, Path(file): Path<String>) -> Response {
    let Ok(mut bytes) = tokio::fs::read(hub.files.join(&file)).await else {
        return http::StatusCode::NOT_FOUND.into_response();
    };
    if hub.altered == Some(file.as_str()) {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    }
    bytes.into_response()
}

#[tokio::test]
async fn a_model_is_pulled_and_checked() {
    let Some(with_model) = Cairn::with_model().await else {
        return;
    };
    let files = with_model.data().join("models/all-MiniLM-L6-v2");
    let hub = start(Hub {
        files: files.clone(),
        altered: None,
    })
    .await;
    let cairn = Cairn::new().set("HF_ENDPOINT", hub);
    let pulled = cairn.run(&["models", "pull", "--json"]).await.ok();
    assert_eq!(pulled.lines()[0]["active"], true, "{pulled:#?}");
    assert_eq!(cairn.json(&["status"]).await["model"], "all-MiniLM-L6-v2");

    let hub = start(Hub {
        files,
        altered: Some("model.safetensors"),
    })
    .await;
    let cairn = Cairn::new().set("HF_ENDPOINT", hub);
    cairn
        .run(&["models", "pull"])
        .await
        .code(8)
        .says("`model.safetensors` has sha-256");
    assert_eq!(cairn.json(&["status"]).await["lexical_only"], true);
}

#[tokio::test]
async fn a_hub_that_does_not_answer_is_told() {
    let empty = cairn_testkit::temp_dir();
    let hub = start(Hub {
        files: empty.path().to_owned(),
        altered: None,
    })
    .await;
    let cairn = Cairn::new().set("HF_ENDPOINT", hub);
    cairn
        .run(&["models", "pull"])
        .await
        .code(7)
        .says("404")
        .says("models install --from FILE");
    let cairn = Cairn::new().set("HF_ENDPOINT", "http://127.0.0.1:9");
    cairn
        .run(&["models", "pull"])
        .await
        .code(7)
        .says("cannot be downloaded");
    let cairn = Cairn::new().set("HF_ENDPOINT", "no address");
    cairn.run(&["models", "pull"]).await.code(2);
}
