//! The HTTP API of Cairn.
//!
//! The command line is a client of this API: over a Unix socket where a server runs, in process where none does. [`App`] holds
//! what the handlers work with, [`router`] offers it on a [`Surface`], [`serve`] listens. [`api`] holds the objects that both
//! sides exchange. Routes under `/api/v1` are on every surface; those under `/local/v1` only where the owner of the data
//! directory is.

mod answering;
pub mod api;
mod app;
mod auth;
mod cursor;
mod error;
mod extract;
mod following;
mod guard;
mod idempotency;
mod index_dir;
mod jobs;
mod limits;
mod observe;
mod problem;
mod routes;
mod serve;

pub use app::{App, AppParts, ServerSettings};
pub use error::ServerError;
pub use routes::{Access, RouteInfo, Surface, openapi_json, route_table, router};
pub use serve::{ServeOptions, serve};
