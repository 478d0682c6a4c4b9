//! What stands before the handlers: names and origins, room, identity, time.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http_body_util::BodyExt as _;

use crate::app::App;
use crate::auth;
use crate::guard;
use crate::problem::ApiError;
use crate::routes::{Access, Pace, Surface};

/// State of [`outer`].
#[derive(Clone)]
pub(crate) struct Shell {
    pub(crate) app: App,
    pub(crate) surface: Surface,
}

/// For every path: is the request meant for us, and is there room for it? The owner's own socket is not limited by number.
pub(crate) async fn outer(State(shell): State<Shell>, request: Request, next: Next) -> Response {
    if shell.surface == Surface::Local {
        return next.run(request).await;
    }
    let allowed_hosts = &shell.app.settings().allowed_hosts;
    if let Err(error) = guard::check(request.headers(), request.uri(), allowed_hosts) {
        return error.into_response();
    }
    if request.uri().path() == "/health" {
        return next.run(request).await;
    }
    let Ok(permit) = shell.app.requests().clone().try_acquire_owned() else {
        let detail = "the server is answering as many requests as it may at once";
        return ApiError::with_status(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail)
            .into_response();
    };
    // A stream takes up room until its last byte.
    next.run(request).await.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _held = &permit;
            frame
        }))
    })
}

/// State of [`inner`].
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) app: App,
    pub(crate) surface: Surface,
    pub(crate) access: Access,
    pub(crate) pace: Pace,
}

/// For one route: who calls, may they, and how long may it take? The handler finds the caller in the extensions.
pub(crate) async fn inner(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    match auth::admit(&gate.app, gate.surface, gate.access, request.headers()).await {
        Ok(Some(caller)) => {
            request.extensions_mut().insert(caller);
        }
        Ok(None) => {}
        Err(error) => return error.into_response(),
    }
    let Some(limit) = time_limit(&gate) else {
        return next.run(request).await;
    };
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("the request was given up after {} s", limit.as_secs());
            ApiError::with_status(StatusCode::SERVICE_UNAVAILABLE, "timed_out", detail)
                .into_response()
        }
    }
}

fn time_limit(gate: &Gate) -> Option<Duration> {
    let settings = gate.app.settings();
    match gate.pace {
        Pace::Request => Some(settings.request_timeout),
        Pace::Chat => Some(settings.chat_timeout),
        Pace::Upload => Some(settings.upload_timeout),
        Pace::Unlimited => None,
    }
}
