//! `GET /api/v1/openapi.json`: the API described for programs. Routes of the local surface are no part of it.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{chat, collections, docs, health, ingest, jobs, originals, search, upload};
use crate::api::{ChatDone, ChatSearchResults, ChatText};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Cairn",
        description = "Search, answers with verified citations, and documents. Send a key as `Authorization: Bearer KEY` or \
                       `X-API-Key: KEY`. Errors are problem documents (RFC 9457). Spans count Unicode code points.",
    ),
    paths(
        search::search,
        search::why_not,
        chat::chat,
        upload::upload,
        ingest::web,
        docs::list,
        docs::show,
        docs::chunks,
        docs::elements,
        originals::original,
        originals::page_image,
        docs::change,
        docs::remove,
        docs::restore,
        jobs::list,
        jobs::show,
        collections::list,
        health::health,
        health::ready,
    ),
    components(schemas(ChatSearchResults, ChatText, ChatDone)),
    security(("bearer" = []), ("api_key" = [])),
    modifiers(&Keys),
)]
struct Api;

struct Keys;

impl Modify for Keys {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let bearer =
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        let api_key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key")));
        components.add_security_scheme("bearer", bearer);
        components.add_security_scheme("api_key", api_key);
    }
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| openapi_json().unwrap_or_default());

/// The description of the API in the `OpenAPI` format, as `GET /api/v1/openapi.json` sends it.
///
/// # Errors
/// Where it cannot be written as JSON.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    Api::openapi().to_pretty_json()
}

pub(super) async fn openapi() -> Response {
    let mut response = DOCUMENT.as_str().into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}
