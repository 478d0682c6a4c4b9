//! The table of routes, and the router made of it.
//!
//! A route says here who may use it; nothing else decides that. The tests walk the same table.

mod chat;
mod collections;
mod docs;
mod health;
mod ingest;
mod jobs;
mod keys;
mod maintenance;
mod models;
mod openapi;
mod originals;
mod page;
mod search;
mod stream;
mod upload;

pub use openapi::openapi_json;
pub(crate) use search::results as search_results;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, patch, post};
use http::Method;

use crate::app::App;
use crate::limits::{self, Gate, Shell};
use crate::observe;

/// How a request reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// The Unix socket of the data directory, or this process itself: who gets here is the owner.
    Local,
    /// TCP on an address of this machine only. Without any key, who names this machine as `Host` is the owner.
    Loopback,
    /// TCP on an address that other machines reach: always a key.
    Network,
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody; nobody is asked.
    Public,
    /// Everybody; who says who they are learns more. A wrong key is refused.
    Optional,
    /// Who has a key.
    Read,
    /// Who has a key that may write.
    Write,
    /// The owner.
    Owner,
}

/// How long a route may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    Request,
    Chat,
    Upload,
    Unlimited,
}

/// A route as the table lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteInfo {
    /// Its method.
    pub method: Method,
    /// Its path, with parameters in braces.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
}

impl RouteInfo {
    /// Whether it exists on the local surface only.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.path.starts_with("/local/")
    }
}

struct Route {
    info: RouteInfo,
    pace: Pace,
    handler: MethodRouter<App>,
}

fn route(
    method: Method,
    path: &'static str,
    access: Access,
    pace: Pace,
    handler: MethodRouter<App>,
) -> Route {
    Route {
        info: RouteInfo {
            method,
            path,
            access,
        },
        pace,
        handler,
    }
}

fn routes() -> Vec<Route> {
    use Access::{Optional, Owner, Public, Read, Write};
    use Pace::{Chat, Request, Unlimited, Upload};
    vec![
        route(Method::GET, "/health", Public, Request, get(health::health)),
        route(Method::GET, "/ready", Optional, Request, get(health::ready)),
        route(Method::GET, "/docs", Public, Request, get(page::page)),
        route(
            Method::GET,
            "/api/v1/openapi.json",
            Public,
            Request,
            get(openapi::openapi),
        ),
        route(
            Method::POST,
            "/api/v1/search",
            Read,
            Request,
            post(search::search),
        ),
        route(
            Method::POST,
            "/api/v1/search/why-not",
            Read,
            Request,
            post(search::why_not),
        ),
        route(Method::POST, "/api/v1/chat", Read, Chat, post(chat::chat)),
        route(
            Method::POST,
            "/api/v1/docs",
            Write,
            Upload,
            post(upload::upload),
        ),
        route(Method::GET, "/api/v1/docs", Read, Request, get(docs::list)),
        route(
            Method::GET,
            "/api/v1/docs/{id}",
            Read,
            Request,
            get(docs::show),
        ),
        route(
            Method::GET,
            "/api/v1/docs/{id}/chunks",
            Read,
            Request,
            get(docs::chunks),
        ),
        route(
            Method::GET,
            "/api/v1/docs/{id}/elements",
            Read,
            Request,
            get(docs::elements),
        ),
        route(
            Method::GET,
            "/api/v1/docs/{id}/original",
            Read,
            Request,
            get(originals::original),
        ),
        route(
            Method::GET,
            "/api/v1/docs/{id}/page-image",
            Read,
            Request,
            get(originals::page_image),
        ),
        route(
            Method::PATCH,
            "/api/v1/docs/{id}",
            Write,
            Request,
            patch(docs::change),
        ),
        route(
            Method::DELETE,
            "/api/v1/docs/{id}",
            Write,
            Request,
            delete(docs::remove),
        ),
        route(
            Method::POST,
            "/api/v1/docs/{id}/restore",
            Write,
            Request,
            post(docs::restore),
        ),
        route(Method::GET, "/api/v1/jobs", Read, Request, get(jobs::list)),
        route(
            Method::GET,
            "/api/v1/jobs/{id}",
            Read,
            Request,
            get(jobs::show),
        ),
        route(
            Method::GET,
            "/api/v1/collections",
            Read,
            Request,
            get(collections::list),
        ),
        route(
            Method::POST,
            "/api/v1/ingest",
            Write,
            Unlimited,
            post(ingest::web),
        ),
        route(
            Method::POST,
            "/local/v1/ingest",
            Owner,
            Unlimited,
            post(ingest::ingest),
        ),
        route(
            Method::POST,
            "/local/v1/keys",
            Owner,
            Request,
            post(keys::create),
        ),
        route(
            Method::GET,
            "/local/v1/keys",
            Owner,
            Request,
            get(keys::list),
        ),
        route(
            Method::DELETE,
            "/local/v1/keys/{id}",
            Owner,
            Request,
            delete(keys::revoke),
        ),
        route(
            Method::GET,
            "/local/v1/models",
            Owner,
            Request,
            get(models::list),
        ),
        route(
            Method::POST,
            "/local/v1/models/install",
            Owner,
            Unlimited,
            post(models::install),
        ),
        route(
            Method::POST,
            "/local/v1/vectors/fill",
            Owner,
            Unlimited,
            post(models::fill),
        ),
        route(
            Method::POST,
            "/local/v1/index/rebuild",
            Owner,
            Unlimited,
            post(maintenance::rebuild),
        ),
        route(
            Method::GET,
            "/local/v1/status",
            Owner,
            Request,
            get(maintenance::status),
        ),
    ]
}

/// Every route with who may use it.
#[must_use]
pub fn route_table() -> Vec<RouteInfo> {
    routes().into_iter().map(|route| route.info).collect()
}

/// The API as it is offered on a surface.
pub fn router(app: App, surface: Surface) -> Router {
    let mut router = Router::new();
    for Route {
        info,
        pace,
        handler,
    } in routes()
    {
        if info.is_local() && surface != Surface::Local {
            continue;
        }
        let gate = Gate {
            app: app.clone(),
            surface,
            access: info.access,
            pace,
        };
        router = router.route(
            info.path,
            handler.route_layer(from_fn_with_state(gate, limits::inner)),
        );
    }
    let shell = Shell {
        app: app.clone(),
        surface,
    };
    router
        .fallback(observe::no_route)
        .method_not_allowed_fallback(observe::no_method)
        // Each handler has its own limit.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(shell, limits::outer))
        .layer(from_fn_with_state(surface, observe::observe))
        .with_state(app)
}
