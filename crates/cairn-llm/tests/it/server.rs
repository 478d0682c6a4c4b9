//! An HTTP server on the loopback that answers the n-th request with the n-th script, keeps what it was
//! asked, and notices when the other side hangs up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use futures::StreamExt;
use futures::stream;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// One step of a reply.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// Sent as one piece.
    Bytes(Vec<u8>),
    /// The connection breaks.
    Break,
    /// Nothing more comes.
    Stall,
}

/// One reply.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    pieces: Vec<Piece>,
    is_silent: bool,
}

impl Script {
    pub(crate) fn of(pieces: Vec<Piece>) -> Self {
        Self {
            status: 200,
            headers: vec![],
            pieces,
            is_silent: false,
        }
    }

    pub(crate) fn pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Self {
        Self::of(pieces.map(|piece| Piece::Bytes(piece.to_vec())).collect())
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::of(vec![Piece::Bytes(text.as_bytes().to_vec())])
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            ..Self::text(&body.to_string())
        }
    }

    /// Takes the request and never answers.
    pub(crate) fn silent() -> Self {
        Self {
            is_silent: true,
            ..Self::of(vec![])
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// What a request said.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    /// The body where it is JSON.
    pub(crate) body: Value,
    pub(crate) content_type: String,
    pub(crate) raw: Bytes,
}

#[derive(Default)]
struct Shared {
    scripts: Mutex<VecDeque<Script>>,
    seen: Mutex<Vec<Seen>>,
    arrived: Notify,
    hung_up: Notify,
}

/// A running server.
pub(crate) struct Server {
    pub(crate) base_url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            scripts: Mutex::new(scripts.into()),
            ..Shared::default()
        });
        let app = Router::new().fallback(play).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            base_url,
            shared,
            task,
        }
    }

    /// What was asked, in order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Waits for a request.
    pub(crate) async fn arrived(&self) {
        self.shared.arrived.notified().await;
    }

    /// Waits until a client that was being answered went away.
    pub(crate) async fn hung_up(&self) {
        self.shared.hung_up.notified().await;
    }

    /// Closes the listener.
    pub(crate) async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Tells when the reply that holds it is dropped before its end.
struct OnDrop(Arc<Shared>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.hung_up.notify_one();
    }
}

async fn play(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let authorization = head
        .headers
        .get("authorization")
        .map(|value| value.to_str().unwrap().to_owned());
    shared.seen.lock().unwrap().push(Seen {
        path: head.uri.path().to_owned(),
        authorization,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        content_type: head
            .headers
            .get("content-type")
            .map_or_else(String::new, |value| value.to_str().unwrap().to_owned()),
        raw: body,
    });
    shared.arrived.notify_one();
    let script = shared.scripts.lock().unwrap().pop_front();
    let Some(script) = script else {
        return Response::builder()
            .status(StatusCode::IM_A_TEAPOT)
            .body(Body::empty())
            .unwrap();
    };
    if script.is_silent {
        futures::future::pending::<()>().await;
    }
    let mut reply = Response::builder().status(script.status);
    for (name, value) in script.headers {
        reply = reply.header(name, value);
    }
    let guard = OnDrop(Arc::clone(&shared));
    let pieces = stream::iter(script.pieces).then(move |piece| {
        let _ = &guard;
        async move {
            match piece {
                Piece::Bytes(bytes) => Ok(Bytes::from(bytes)),
                Piece::Break => {
                    // What was written before is sent only when the reply has to wait once.
                    tokio::task::yield_now().await;
                    Err(std::io::Error::other("the script breaks off"))
                }
                Piece::Stall => futures::future::pending().await,
            }
        }
    });
    reply.body(Body::from_stream(pieces)).unwrap()
}
