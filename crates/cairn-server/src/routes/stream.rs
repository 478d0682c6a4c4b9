//! Replies that go on for a while: one JSON object a line.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderValue, header};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::DropGuard;

/// Where lines are written to. Not bounded: what is told of a run is small against the list of files that the run holds anyway,
/// and the run must not wait for a slow reader.
#[derive(Clone)]
pub(super) struct Lines(mpsc::UnboundedSender<Bytes>);

impl Lines {
    /// Writes one line; where nobody reads any more, nothing happens (the run is being cancelled).
    pub(super) fn write(&self, line: &impl Serialize) {
        match serde_json::to_vec(line) {
            Ok(mut bytes) => {
                bytes.push(b'\n');
                let _ = self.0.send(bytes.into());
            }
            Err(error) => tracing::error!(%error, "a line of a reply was not written"),
        }
    }
}

/// A reply of lines. `guard` cancels the run when the reply is dropped before its end.
pub(super) fn lines(guard: DropGuard) -> (Lines, Response) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let stream = UnboundedReceiverStream::new(receiver).map(move |line| {
        let _held = &guard;
        Ok::<_, std::convert::Infallible>(line)
    });
    let mut response = Body::from_stream(stream).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    (Lines(sender), response)
}
