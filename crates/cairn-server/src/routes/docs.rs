//! Documents: list, show, change, delete, restore.
//!
//! Searches see a change at once where it takes something away: every passage is checked against the catalog before it is shown.
//! So nothing waits for the indexes here; they follow in the background.

use axum::extract::{RawQuery, State};
use axum::{Extension, Json as JsonReply};
use cairn_types::{AccessList, DocumentId, Principal, Seq, VersionNo};
use http::HeaderMap;

use super::search::to_filter;
use crate::api::{
    AccessShown, Chunk, ChunkList, Document, DocumentList, DocumentPatch, Element, ElementList,
    Filters, Problem, WriteReply,
};
use crate::app::App;
use crate::auth::Caller;
use crate::cursor;
use crate::extract::{Id, Json, Params};
use crate::idempotency::{self, Reply};
use crate::problem::ApiError;

/// Most tags of a document, and most principals of an access list.
pub(super) const MAX_LABELS: usize = 1_000;
/// Longest tag in bytes.
const MAX_TAG_BYTES: usize = 256;

fn shown_to(caller: &Caller) -> AccessShown {
    if caller.can_write() {
        AccessShown::Yes
    } else {
        AccessShown::No
    }
}

/// Lists documents in order of id.
#[utoipa::path(
    get, path = "/api/v1/docs", tag = "documents",
    params(
        ("collection" = Option<Vec<String>>, Query, description = "Only in one of these collections."),
        ("tag" = Option<Vec<String>>, Query, description = "Only with all of these tags."),
        ("media_type" = Option<Vec<String>>, Query, description = "Only of one of these media types."),
        ("path" = Option<String>, Query, description = "Only where key or URI matches this glob."),
        ("since" = Option<String>, Query, description = "Only modified at or after this instant."),
        ("until" = Option<String>, Query, description = "Only modified before this instant."),
        ("deleted" = Option<bool>, Query, description = "Whether deleted documents are listed too."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
        ("limit" = Option<usize>, Query, description = "Documents of a page: 1 to 200, else 50."),
    ),
    responses(
        (status = 200, description = "One page.", body = DocumentList),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<JsonReply<DocumentList>, ApiError> {
    let known = [
        "collection",
        "tag",
        "media_type",
        "path",
        "since",
        "until",
        "deleted",
        "cursor",
        "limit",
    ];
    let params = Params::read(query.as_deref(), &known)?;
    let filter = to_filter(Filters {
        collections: &params.all("collection"),
        tags: &params.all("tag"),
        media_types: &params.all("media_type"),
        path: params.one("path")?,
        since: params.one("since")?,
        until: params.one("until")?,
    })?;
    let after: Option<DocumentId> = params
        .one("cursor")?
        .map(|text| cursor::decode("docs", text))
        .transpose()?;
    let (deleted, limit) = (params.flag("deleted")?, params.limit()?);
    let page = app
        .catalog()
        .documents(&caller.scope, &filter, deleted, after, limit)
        .await?;
    let shown = shown_to(&caller);
    Ok(JsonReply(DocumentList {
        documents: page
            .documents
            .iter()
            .map(|summary| Document::new(summary, shown))
            .collect(),
        next_cursor: page.next.map(|after| cursor::encode("docs", after)),
    }))
}

/// Shows one document. A deleted one is shown too: `deleted_at` says so.
#[utoipa::path(
    get, path = "/api/v1/docs/{id}", tag = "documents",
    params(("id" = String, Path, description = "Id of the document.")),
    responses(
        (status = 200, description = "The document.", body = Document),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn show(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<DocumentId>,
) -> Result<JsonReply<Document>, ApiError> {
    let summary = app.catalog().document(&caller.scope, id).await?;
    Ok(JsonReply(Document::new(&summary, shown_to(&caller))))
}

/// Lists the chunks of a document's current version.
#[utoipa::path(
    get, path = "/api/v1/docs/{id}/chunks", tag = "documents",
    params(
        ("id" = String, Path, description = "Id of the document."),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
        ("limit" = Option<usize>, Query, description = "Chunks of a page: 1 to 200, else 50."),
    ),
    responses(
        (status = 200, description = "One page.", body = ChunkList),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn chunks(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<DocumentId>,
    RawQuery(query): RawQuery,
) -> Result<JsonReply<ChunkList>, ApiError> {
    let params = Params::read(query.as_deref(), &["cursor", "limit"])?;
    let after: Option<u32> = params
        .one("cursor")?
        .map(|text| cursor::decode("chunks", text))
        .transpose()?;
    let limit = params.limit()?;
    // One more than asked says whether there is a next page.
    let mut passages = app
        .catalog()
        .chunks(&caller.scope, id, after, limit + 1)
        .await?;
    let has_more = passages.len() > limit;
    passages.truncate(limit);
    let last = passages.last().map(|passage| passage.meta.ordinal);
    let elements = match passages.first() {
        Some(first) => {
            let stored = app
                .catalog()
                .elements(&caller.scope, id, first.document.version)
                .await?;
            stored.elements
        }
        None => Vec::new(),
    };
    Ok(JsonReply(ChunkList {
        chunks: passages
            .iter()
            .map(|passage| Chunk::new(passage, &elements))
            .collect(),
        next_cursor: last
            .filter(|_| has_more)
            .map(|after| cursor::encode("chunks", after)),
    }))
}

/// Lists the elements of a version that a span touches: kind, page and box of each, so that a citation can be shown on its page.
#[utoipa::path(
    get, path = "/api/v1/docs/{id}/elements", tag = "documents",
    params(
        ("id" = String, Path, description = "Id of the document."),
        ("version" = Option<u32>, Query, description = "Version, as a citation names it; else the current one."),
        ("start" = Option<usize>, Query, description = "First character of the span; else 0."),
        ("end" = Option<usize>, Query, description = "End of the span (exclusive); else the end of the text."),
        ("limit" = Option<usize>, Query, description = "Elements of a page: 1 to 200, else 50."),
    ),
    responses(
        (status = 200, description = "They are listed.", body = ElementList),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn elements(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<DocumentId>,
    RawQuery(query): RawQuery,
) -> Result<JsonReply<ElementList>, ApiError> {
    let params = Params::read(query.as_deref(), &["version", "start", "end", "limit"])?;
    let limit = params.limit()?;
    let version = match params.number("version")? {
        Some(version) => VersionNo(version),
        None => app.catalog().document(&caller.scope, id).await?.version,
    };
    let start = params.number("start")?.unwrap_or(0);
    let end = params.number("end")?.unwrap_or(usize::MAX);
    let stored = app.catalog().elements(&caller.scope, id, version).await?;
    let first = stored
        .elements
        .partition_point(|(_, span)| span.end <= start);
    let mut touched = stored.elements[first..]
        .iter()
        .take_while(|(_, span)| span.start < end);
    let elements = touched.by_ref().take(limit).map(Element::from).collect();
    Ok(JsonReply(ElementList {
        version: version.0,
        n_chars: stored.n_chars,
        elements,
        next_start: touched.next().map(|(_, span)| span.start),
    }))
}

/// Sets tags, readers or both.
#[utoipa::path(
    patch, path = "/api/v1/docs/{id}", tag = "documents", request_body = DocumentPatch,
    params(("id" = String, Path, description = "Id of the document.")),
    responses(
        (status = 200, description = "It is set.", body = WriteReply),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn change(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<DocumentId>,
    Json(body): Json<DocumentPatch>,
) -> Result<JsonReply<WriteReply>, ApiError> {
    if body.tags.is_none() && body.allow.is_none() {
        return Err(ApiError::invalid(
            "nothing to set: give `tags`, `allow` or both",
        ));
    }
    if let Some(tags) = &body.tags {
        check_tags(tags.iter())?;
    }
    let access = body.allow.as_deref().map(to_access).transpose()?;
    let seq = app
        .catalog()
        .set_metadata(&caller.scope, id, body.tags, access)
        .await?;
    Ok(written(&app, id, seq))
}

/// Deletes a document softly: it is found no more from this moment, and can be restored.
#[utoipa::path(
    delete, path = "/api/v1/docs/{id}", tag = "documents",
    params(("id" = String, Path, description = "Id of the document.")),
    responses(
        (status = 200, description = "It is deleted.", body = WriteReply),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn remove(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<DocumentId>,
) -> Result<JsonReply<WriteReply>, ApiError> {
    let seq = app.catalog().delete_documents(&caller.scope, &[id]).await?;
    Ok(written(&app, id, seq))
}

/// Brings a deleted document back at its last version.
#[utoipa::path(
    post, path = "/api/v1/docs/{id}/restore", tag = "documents",
    params(
        ("id" = String, Path, description = "Id of the document."),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key gets the same reply for 24 hours."),
    ),
    responses(
        (status = 200, description = "It is back.", body = WriteReply),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn restore(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<DocumentId>,
    headers: HeaderMap,
) -> Result<Reply, ApiError> {
    let request = format!("restore {id}");
    let (own, scope) = (app.clone(), caller.scope.clone());
    idempotency::once(
        &app,
        &caller.scope,
        &headers,
        request.as_bytes(),
        async move {
            let seq = own.catalog().restore_document(&scope, id).await?;
            let JsonReply(reply) = written(&own, id, seq);
            Reply::json(http::StatusCode::OK, &reply)
        },
    )
    .await
}

/// The reply to a write; the indexes follow in the background.
fn written(app: &App, id: DocumentId, seq: Seq) -> JsonReply<WriteReply> {
    app.follow();
    JsonReply(WriteReply {
        document_id: id.to_string(),
        seq: seq.0,
    })
}

/// Reads an access list.
pub(super) fn to_access(allow: &[String]) -> Result<AccessList, ApiError> {
    if allow.len() > MAX_LABELS {
        return Err(ApiError::invalid(format!(
            "`allow` has {} entries, the limit is {MAX_LABELS}",
            allow.len()
        )));
    }
    let principals: Result<Vec<Principal>, _> = allow.iter().map(|text| text.parse()).collect();
    principals
        .map(AccessList::new)
        .map_err(|error| ApiError::invalid(error.to_string()))
}

/// Checks tags: short lines of text.
pub(super) fn check_tags<'a>(
    tags: impl ExactSizeIterator<Item = &'a String>,
) -> Result<(), ApiError> {
    if tags.len() > MAX_LABELS {
        return Err(ApiError::invalid(format!(
            "{} tags are given, the limit is {MAX_LABELS}",
            tags.len()
        )));
    }
    for tag in tags {
        if tag.trim().is_empty() || tag.len() > MAX_TAG_BYTES || tag.chars().any(char::is_control) {
            let shown: String = tag.chars().filter(|c| !c.is_control()).take(64).collect();
            return Err(ApiError::invalid(format!(
                "`{shown}` is no tag: expected 1 to {MAX_TAG_BYTES} bytes without control characters"
            )));
        }
    }
    Ok(())
}

/// Checks the name of a collection for new documents.
pub(super) fn check_collection(name: &str) -> Result<(), ApiError> {
    let fits = !name.is_empty()
        && name.len() <= 256
        && name.trim() == name
        && !name.chars().any(char::is_control);
    if fits {
        return Ok(());
    }
    let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    Err(ApiError::invalid(format!(
        "`{shown}` is no name of a collection: expected 1 to 256 bytes without control characters or outer spaces"
    )))
}
