//! Originals and pictures of their pages, for people who follow a citation to its place.
//!
//! Bytes from outside are sent as downloads that no browser runs; pages are drawn by a worker process.

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use cairn_extract::{PageRequest, Passwords};
use cairn_types::ports::Original;
use cairn_types::{DocumentId, ErrorKind, VersionNo};
use http::{HeaderName, HeaderValue, header};
use tokio_util::io::ReaderStream;

use crate::api::Problem;
use crate::app::App;
use crate::auth::Caller;
use crate::extract::{Id, Params};
use crate::problem::ApiError;

/// Width of a page picture where none is asked for: a page of text is well readable.
const DEFAULT_WIDTH_PX: u32 = 1_200;
/// Widest picture of a page.
const MAX_WIDTH_PX: u32 = 2_400;
/// Widths of the page in points and so on, so that boxes of elements can be drawn over the picture.
const PAGE_POINTS: HeaderName = HeaderName::from_static("cairn-page-points");
const PAGE_TURNS: HeaderName = HeaderName::from_static("cairn-page-quarter-turns");

/// Sends the original of a version, as a download.
#[utoipa::path(
    get, path = "/api/v1/docs/{id}/original", tag = "documents",
    params(
        ("id" = String, Path, description = "Id of the document."),
        ("version" = Option<u32>, Query, description = "Version, as a citation names it; else the current one."),
    ),
    responses(
        (status = 200, description = "Its bytes.", body = [u8], content_type = "application/octet-stream"),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn original(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<DocumentId>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::read(query.as_deref(), &["version"])?;
    let original = find(&app, &caller, id, &params).await?;
    let (blobs, tenant, hash) = (app.blobs().clone(), caller.scope.tenant(), original.blob);
    let file = tokio::task::spawn_blocking(move || blobs.open_blob(tenant, hash))
        .await
        .map_err(|error| ApiError::inside(ErrorKind::Bug, &error))??;
    let file = tokio::fs::File::from_std(file.into_file());
    let mut response = Response::new(Body::from_stream(ReaderStream::new(file)));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_str(&original.media_type)
            .unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    headers.insert(header::CONTENT_LENGTH, original.size_bytes.into());
    headers.insert(header::CONTENT_DISPOSITION, attachment(&original.key));
    Ok(response)
}

/// Draws a page of a version.
#[utoipa::path(
    get, path = "/api/v1/docs/{id}/page-image", tag = "documents",
    params(
        ("id" = String, Path, description = "Id of the document."),
        ("page" = u32, Query, description = "Its number, from 1."),
        ("width" = Option<u32>, Query, description = "Width in pixels: 16 to 2400, else 1200."),
        ("version" = Option<u32>, Query, description = "Version, as a citation names it; else the current one."),
    ),
    responses(
        (status = 200, description = "The page. `Cairn-Page-Points` is its size in points as `WIDTHxHEIGHT` before rotation, the space of elements' boxes; `Cairn-Page-Quarter-Turns` its rotation.", body = [u8], content_type = "image/png"),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn page_image(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<DocumentId>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::read(query.as_deref(), &["version", "page", "width"])?;
    let page: u32 = params
        .number("page")?
        .filter(|page| *page > 0)
        .ok_or_else(|| ApiError::invalid("`page` is missing: expected a number from 1"))?;
    let width_px = params.number("width")?.unwrap_or(DEFAULT_WIDTH_PX);
    if !(16..=MAX_WIDTH_PX).contains(&width_px) {
        return Err(ApiError::invalid(format!(
            "`width` is `{width_px}`, expected 16 to {MAX_WIDTH_PX}"
        )));
    }
    let original = find(&app, &caller, id, &params).await?;
    if original.media_type != "application/pdf" {
        let detail = format!(
            "documents of type `{}` have no page images",
            original.media_type
        );
        return Err(ApiError::new(ErrorKind::NotFound, detail)
            .hint_opt(Some("`/original` sends the document itself".to_owned())));
    }
    let blobs = app.blobs().clone();
    let (tenant, hash) = (caller.scope.tenant(), original.blob);
    let drawing = app.clone();
    let image = tokio::task::spawn_blocking(move || {
        let bytes = blobs.read_verified(tenant, hash)?;
        let request = PageRequest {
            page,
            width_px,
            passwords: Passwords::default(),
        };
        Ok::<_, ApiError>(drawing.renderers().render_page(&bytes, &request)?)
    })
    .await
    .map_err(|error| ApiError::inside(ErrorKind::Bug, &error))??;
    let mut response = Response::new(Body::from(image.png));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/png"));
    let points = format!("{}x{}", image.width_pt, image.height_pt);
    if let Ok(points) = HeaderValue::from_str(&points) {
        headers.insert(PAGE_POINTS, points);
    }
    headers.insert(PAGE_TURNS, u16::from(image.quarter_turns).into());
    Ok(response)
}

/// The original of the version asked for, if the caller may read it.
async fn find(
    app: &App,
    caller: &Caller,
    id: DocumentId,
    params: &Params,
) -> Result<Original, ApiError> {
    let version = match params.number("version")? {
        Some(version) => VersionNo(version),
        None => app.catalog().document(&caller.scope, id).await?.version,
    };
    Ok(app.catalog().original(&caller.scope, id, version).await?)
}

/// A download under the document's file name (RFC 6266 with RFC 8187's encoding).
fn attachment(key: &str) -> HeaderValue {
    let name = key.rsplit(['/', '\\']).next().unwrap_or(key);
    let mut encoded = String::new();
    for &byte in name.as_bytes().iter().take(255) {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{encoded}"))
        .unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_downloads_are_harmless() {
        for (key, expect) in [
            (
                "/a/b/Plan 1.pdf",
                "attachment; filename*=UTF-8''Plan%201.pdf",
            ),
            (
                "x\r\nSet-Cookie: a",
                "attachment; filename*=UTF-8''x%0D%0ASet-Cookie%3A%20a",
            ),
            ("C:\\ü\"", "attachment; filename*=UTF-8''%C3%BC%22"),
        ] {
            assert_eq!(attachment(key), expect);
        }
    }
}
