//! `Idempotency-Key`: a write that is sent again is not done again; its first reply is sent again.
//!
//! Only writes are kept. A search is repeatable anyway, and a kept reply would show documents after their permission is gone.

use std::future::Future;

use axum::response::{IntoResponse, Response};
use cairn_types::ports::{IdempotentBegin, IdempotentReply};
use cairn_types::{ErrorKind, Scope};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::app::App;
use crate::problem::ApiError;

const KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const MAX_KEY_BYTES: usize = 255;

/// A JSON reply as it is sent and kept.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: StatusCode,
    body: Vec<u8>,
    location: Option<String>,
    is_replay: bool,
}

impl Reply {
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, ApiError> {
        let body =
            serde_json::to_vec(body).map_err(|error| ApiError::inside(ErrorKind::Bug, &error))?;
        Ok(Self {
            status,
            body,
            location: None,
            is_replay: false,
        })
    }

    /// Where what was made can be seen. Not kept: whoever adds it can do so again.
    pub(crate) fn location(mut self, path: String) -> Self {
        self.location = Some(path);
        self
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if let Some(Ok(location)) = self.location.map(HeaderValue::try_from) {
            headers.insert(header::LOCATION, location);
        }
        if self.is_replay {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// Does `work` once for each `Idempotency-Key` of a scope; without a key, does it. `request` tells requests apart.
pub(crate) async fn once(
    app: &App,
    scope: &Scope,
    headers: &HeaderMap,
    request: &[u8],
    work: impl Future<Output = Result<Reply, ApiError>> + Send + 'static,
) -> Result<Reply, ApiError> {
    let Some(key) = key(headers)? else {
        return work.await;
    };
    let hash = Sha256::digest(request).into();
    match app.catalog().begin_idempotent(scope, &key, hash).await? {
        IdempotentBegin::Fresh => {}
        IdempotentBegin::InProgress => {
            let detail = "the same request is being worked on";
            return Err(ApiError::new(ErrorKind::Conflict, detail)
                .header(header::RETRY_AFTER, HeaderValue::from_static("1")));
        }
        IdempotentBegin::Replay(IdempotentReply { status, body }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            return Ok(Reply {
                status,
                body,
                location: None,
                is_replay: true,
            });
        }
        IdempotentBegin::Mismatch => {
            let detail = "the `Idempotency-Key` was used for another request";
            return Err(ApiError::with_status(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_mismatch",
                detail,
            )
            .hint("use a new key for every new request"));
        }
    }
    // In a task: a caller that goes away must not leave the key reserved for ever.
    let (app, scope) = (app.clone(), scope.clone());
    let tasks = app.tasks().clone();
    let done = tasks.spawn(async move {
        let result = work.await;
        let kept = result.as_ref().ok().map(|reply| IdempotentReply {
            status: reply.status.as_u16(),
            body: reply.body.clone(),
        });
        if let Err(error) = app.catalog().finish_idempotent(&scope, &key, kept).await {
            tracing::warn!(%error, "the reply to a request was not kept");
        }
        result
    });
    done.await
        .unwrap_or_else(|error| Err(ApiError::inside(ErrorKind::Bug, &error)))
}

fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(KEY).iter();
    let (first, second) = (values.next(), values.next());
    let Some(value) = first else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let fits = second.is_none()
        && (1..=MAX_KEY_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_graphic());
    if fits {
        return Ok(Some(text.to_owned()));
    }
    Err(ApiError::invalid(format!(
        "`Idempotency-Key` must have 1 to {MAX_KEY_BYTES} visible ASCII characters"
    )))
}
