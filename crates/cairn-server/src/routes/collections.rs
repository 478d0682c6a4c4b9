//! `GET /api/v1/collections`.

use axum::extract::{RawQuery, State};
use axum::{Extension, Json};

use crate::api::{Collection, CollectionList, Problem};
use crate::app::App;
use crate::auth::Caller;
use crate::cursor;
use crate::extract::Params;
use crate::problem::ApiError;

/// Lists the collections in which the caller may read something, in order of name.
#[utoipa::path(
    get, path = "/api/v1/collections", tag = "documents",
    params(
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
        ("limit" = Option<usize>, Query, description = "Collections of a page: 1 to 200, else 50."),
    ),
    responses(
        (status = 200, description = "One page.", body = CollectionList),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Json<CollectionList>, ApiError> {
    let params = Params::read(query.as_deref(), &["cursor", "limit"])?;
    let limit = params.limit()?;
    let after: Option<String> = params
        .one("cursor")?
        .map(|text| cursor::decode("collections", text))
        .transpose()?;
    let mut collections = app.catalog().collections(&caller.scope).await?;
    collections.sort_by(|a, b| a.name.cmp(&b.name));
    collections.retain(|collection| after.as_ref().is_none_or(|after| collection.name > *after));
    let has_more = collections.len() > limit;
    collections.truncate(limit);
    let last = collections.last().filter(|_| has_more);
    Ok(Json(CollectionList {
        next_cursor: last.map(|collection| cursor::encode("collections", &collection.name)),
        collections: collections.iter().map(Collection::from).collect(),
    }))
}
