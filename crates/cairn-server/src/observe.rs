//! Around every request: its id, one log line, security headers, and problem documents for failures.
//!
//! A log line has the route's pattern, never the path, the query or a body: those hold ids and questions.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cairn_types::ErrorKind;
use futures::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tracing::Instrument as _;

use crate::problem::ApiError;
use crate::routes::Surface;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a request is called, for problem documents inside streams.
#[derive(Debug, Clone)]
pub(crate) struct RequestInfo {
    /// Its id: in the reply's `x-request-id` and in the logs.
    pub(crate) id: String,
    /// The path that was asked for.
    pub(crate) path: String,
    /// Whether inside text may be shown: the caller is on this machine, at the data directory's own socket.
    pub(crate) shows_inside: bool,
}

pub(crate) async fn observe(
    State(surface): State<Surface>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let info = RequestInfo {
        id: incoming_id(request.headers()).unwrap_or_else(new_id),
        path: request.uri().path().chars().take(256).collect(),
        shows_inside: surface == Surface::Local,
    };
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    request.extensions_mut().insert(info.clone());
    let span = tracing::info_span!("http.request", request.id = %info.id);
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = work.instrument(span.clone()).await.unwrap_or_else(|_| {
        // The panic's own text was printed by the panic hook.
        ApiError::inside(ErrorKind::Bug, &"a handler panicked").into_response()
    });
    let _entered = span.entered();
    finish(&mut response, &info, &method);
    let status = response.status().as_u16();
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let route = route.as_deref().unwrap_or("unmatched");
    tracing::info!(http.method = %method, http.route = route, http.status = status, duration_ms, "request answered");
    response
}

/// Writes the problem document of a failure, and the headers that every response has.
fn finish(response: &mut Response, info: &RequestInfo, method: &Method) {
    let failure = response.extensions_mut().remove::<ApiError>().or_else(|| {
        let status = response.status();
        let is_ours = response.headers().contains_key(header::CONTENT_TYPE);
        ((status.is_client_error() || status.is_server_error()) && !is_ours)
            .then(|| ApiError::with_status(status, "http_error", "the request cannot be answered"))
    });
    if let Some(mut failure) = failure {
        let (kind, status) = (failure.code(), failure.status().as_u16());
        match failure.inside_text() {
            Some(error) => tracing::error!(
                error.kind = kind,
                http.status = status,
                error,
                "request failed"
            ),
            None => tracing::debug!(error.kind = kind, http.status = status, "request refused"),
        }
        let own = failure.take_header();
        let document = serde_json::to_vec(&failure.problem(info)).unwrap_or_default();
        *response.status_mut() = failure.status();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.remove(header::CONTENT_LENGTH);
        if let Some((name, value)) = own {
            headers.insert(name, value);
        }
        if *method != Method::HEAD {
            *response.body_mut() = document.into();
        }
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&info.id) {
        headers.insert(REQUEST_ID, id);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
        ),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

/// The id that the caller gave, where it is harmless in logs and headers.
fn incoming_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_sane = (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    is_sane.then(|| id.to_owned())
}

fn new_id() -> String {
    let mut bytes = [0; 8];
    // Without random numbers ids repeat, and requests still work.
    let _ = getrandom::fill(&mut bytes);
    format!("{:016x}", u64::from_be_bytes(bytes))
}

/// A path that no route has.
pub(crate) async fn no_route() -> ApiError {
    ApiError::new(ErrorKind::NotFound, "no route has this path")
        .hint("the routes are listed at `/docs`")
}

/// A path that has routes, but none of this method.
pub(crate) async fn no_method() -> ApiError {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    ApiError::with_status(
        status,
        "method_not_allowed",
        "this path does not take this method",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sane_ids_are_kept() {
        for (given, is_kept) in [
            ("abc-123_X.9", true),
            ("a", true),
            ("", false),
            ("a b", false),
            ("a\u{7f}", false),
            ("<script>", false),
        ] {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_str(given) {
                headers.insert(REQUEST_ID, value);
            }
            assert_eq!(incoming_id(&headers).as_deref(), is_kept.then_some(given));
        }
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_str(&"a".repeat(65)).unwrap());
        assert_eq!(incoming_id(&headers), None);
        assert_eq!(new_id().len(), 16);
    }
}
