//! `POST /api/v1/docs`: documents as a multipart form.
//!
//! The bytes go to the blob store as they come, never into memory whole; the job row is written last, and `202` follows it. Who
//! uploads has a room of names of their own (`~USER/NAME`), so that nobody replaces, or learns of, a document of somebody else
//! by sending one of the same name. The owner's names stand outside the rooms.

use std::collections::BTreeSet;

use axum::Extension;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest as _, Multipart, Request, State};
use cairn_store::{StoreError, StoredBlob};
use cairn_types::{AccessList, ErrorKind, JobItem, JobKind, NewJob, Outcome, Principal, Scope};
use http::StatusCode;
use tokio::sync::mpsc;

use super::docs::{MAX_LABELS, check_collection, check_tags, to_access};
use crate::api::{DEFAULT_COLLECTION, JobAccepted, Problem, UploadedItem};
use crate::app::App;
use crate::auth::Caller;
use crate::extract::too_large;
use crate::idempotency::{self, Reply};
use crate::problem::ApiError;

/// Longest text field of a form.
const MAX_FIELD_BYTES: usize = 4_096;
/// Longest name of an uploaded file in bytes.
const MAX_NAME_BYTES: usize = 1_024;

/// The form of an upload.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only describes the form in the OpenAPI document")]
struct UploadForm {
    /// The documents: any number of file parts, each with a file name. The same name in the same collection is the same document.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    file: Vec<String>,
    /// Collection of the documents, else `default`.
    collection: Option<String>,
    /// A tag; the field may be repeated. Left out: known documents keep theirs.
    tag: Option<Vec<String>>,
    /// Who may read them: `user:NAME`, `group:NAME`, `everyone`; the field may be repeated. Left out: known documents keep their
    /// readers, new ones are open to everyone in the tenant.
    allow: Option<Vec<String>>,
}

/// Takes documents in. The reply follows when they are stored durably; the job says what becomes of them.
#[utoipa::path(
    post, path = "/api/v1/docs", tag = "documents",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key gets the same reply for 24 hours.")),
    responses(
        (status = 202, description = "They are stored; `Location` names the job.", body = JobAccepted),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn upload(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Reply, ApiError> {
    let headers = request.headers().clone();
    let form = Multipart::from_request(request, &()).await.map_err(|_| {
        let detail = "the body must be a form with files, with `Content-Type: multipart/form-data`";
        ApiError::with_status(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            detail,
        )
    })?;
    let upload = read_form(&app, &caller.scope, form).await?;
    let identity = upload.identity();
    let (own, scope) = (app.clone(), caller.scope.clone());
    let reply = idempotency::once(
        &app,
        &caller.scope,
        &headers,
        identity.as_bytes(),
        async move { accept(&own, &scope, upload).await },
    )
    .await?;
    let job = serde_json::from_slice::<JobAccepted>(reply.body()).ok();
    Ok(match job {
        Some(accepted) => reply.location(format!("/api/v1/jobs/{}", accepted.job)),
        None => reply,
    })
}

/// A form whose files are stored.
#[derive(Debug, Default)]
struct Upload {
    files: Vec<(String, StoredBlob)>,
    collection: Option<String>,
    tags: BTreeSet<String>,
    allow: Option<Vec<String>>,
}

impl Upload {
    /// Equal for equal uploads: what an idempotency key is compared by.
    fn identity(&self) -> String {
        let files: Vec<_> = self
            .files
            .iter()
            .map(|(key, blob)| (key, blob.hash.to_hex()))
            .collect();
        format!(
            "upload {files:?} {:?} {:?} {:?}",
            self.collection, self.tags, self.allow
        )
    }
}

async fn read_form(app: &App, scope: &Scope, mut form: Multipart) -> Result<Upload, ApiError> {
    let settings = app.settings();
    let mut upload = Upload::default();
    let mut left = settings.max_upload_bytes;
    let mut n_fields = 0;
    while let Some(field) = form.next_field().await.map_err(|error| broken(&error))? {
        if field.file_name().is_some() {
            if upload.files.len() >= settings.max_upload_files {
                let detail = format!(
                    "more than {} files in one upload",
                    settings.max_upload_files
                );
                return Err(ApiError::with_status(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "too_large",
                    detail,
                ));
            }
            let key = own_key(scope, field.file_name().unwrap_or_default())?;
            if upload.files.iter().any(|(known, _)| *known == key) {
                let name = display_name(scope, &key);
                return Err(ApiError::invalid(format!(
                    "two files have the name `{name}`"
                )));
            }
            let stored = store(app, field, &mut left).await?;
            upload.files.push((key, stored));
            continue;
        }
        n_fields += 1;
        if n_fields > 2 * MAX_LABELS {
            return Err(ApiError::invalid("the form has too many fields"));
        }
        let name = field.name().unwrap_or_default().to_owned();
        let text = read_text(field, &name).await?;
        match name.as_str() {
            "collection" if upload.collection.is_none() => upload.collection = Some(text),
            "collection" => return Err(ApiError::invalid("field `collection` is given twice")),
            "tag" | "tags" => {
                upload.tags.insert(text);
            }
            "allow" => upload.allow.get_or_insert_default().push(text),
            _ => {
                let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                return Err(ApiError::invalid(format!(
                    "unknown field `{shown}`, expected files (with a file name), `collection`, `tag` or `allow`"
                )));
            }
        }
    }
    if upload.files.is_empty() {
        return Err(
            ApiError::invalid("the form holds no file").hint("a file part needs a file name")
        );
    }
    check_tags(upload.tags.iter())?;
    check_collection(upload.collection.as_deref().unwrap_or(DEFAULT_COLLECTION))?;
    Ok(upload)
}

fn broken(error: &MultipartError) -> ApiError {
    ApiError::invalid(format!("the form cannot be read: {}", error.body_text()))
}

async fn read_text(mut field: Field<'_>, name: &str) -> Result<String, ApiError> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(|error| broken(&error))? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MAX_FIELD_BYTES {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            let detail = format!("field `{shown}` is larger than {MAX_FIELD_BYTES} bytes");
            return Err(ApiError::with_status(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                detail,
            ));
        }
    }
    String::from_utf8(bytes).map_err(|_| ApiError::invalid("a field of the form is not UTF-8"))
}

/// Streams a file to the blob store; `left` is how many bytes the upload may still bring.
async fn store(app: &App, mut field: Field<'_>, left: &mut u64) -> Result<StoredBlob, ApiError> {
    let (sender, mut receiver) = mpsc::channel::<Option<bytes::Bytes>>(4);
    let (blobs, tenant) = (app.blobs().clone(), app.tenant());
    let writer = tokio::task::spawn_blocking(move || {
        let mut writer = blobs.begin(tenant)?;
        while let Some(piece) = receiver.blocking_recv() {
            match piece {
                Some(bytes) => writer.write(&bytes)?,
                None => return writer.finish().map(Some),
            }
        }
        // The upload broke off: dropping the writer removes what it wrote.
        Ok::<_, StoreError>(None)
    });
    while let Some(piece) = field.chunk().await.map_err(|error| broken(&error))? {
        *left = left
            .checked_sub(piece.len() as u64)
            .ok_or_else(|| too_large(app.settings().max_upload_bytes))?;
        if sender.send(Some(piece)).await.is_err() {
            break;
        }
    }
    let _ = sender.send(None).await;
    let stored = writer
        .await
        .map_err(|error| ApiError::inside(ErrorKind::Bug, &error))??;
    stored.ok_or_else(|| ApiError::invalid("the upload broke off"))
}

async fn accept(app: &App, scope: &Scope, upload: Upload) -> Result<Reply, ApiError> {
    let collection = upload
        .collection
        .unwrap_or_else(|| DEFAULT_COLLECTION.to_owned());
    let document_access = upload.allow.as_deref().map(to_access).transpose()?;
    let items = upload.files.iter().map(|(key, blob)| JobItem {
        key: key.clone(),
        blob: Some(blob.hash),
        size_bytes: blob.size_bytes,
        outcome: Outcome::Pending,
        reason: None,
        document: None,
    });
    let new = NewJob {
        tenant: scope.tenant(),
        kind: JobKind::Upload,
        access: scope.user().map_or_else(AccessList::owner_only, |user| {
            AccessList::new([Principal::User(user.to_owned())])
        }),
        collection,
        tags: upload.tags,
        document_access,
        items: items.collect(),
    };
    let job = app.catalog().accept(new).await?;
    app.wake().notify_one();
    let items = upload.files.iter().map(|(key, blob)| UploadedItem {
        path: display_name(scope, key).to_owned(),
        size_bytes: blob.size_bytes,
        sha256: blob.hash.to_hex(),
    });
    let accepted = JobAccepted {
        job: job.to_string(),
        items: items.collect(),
    };
    Reply::json(StatusCode::ACCEPTED, &accepted)
}

/// The key under which the caller's file `name` is kept.
fn own_key(scope: &Scope, name: &str) -> Result<String, ApiError> {
    let fits = !name.trim().is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !name.chars().any(char::is_control)
        && !name.starts_with('~');
    if !fits {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        return Err(ApiError::invalid(format!(
            "`{shown}` cannot be a file name: expected 1 to {MAX_NAME_BYTES} bytes without control characters, \
             not beginning with `~`"
        )));
    }
    Ok(format!("{}{name}", room(scope)))
}

/// What the keys of a caller's documents begin with.
pub(super) fn room(scope: &Scope) -> String {
    scope.user().map_or_else(String::new, |user| {
        format!("~{}/", user.replace('%', "%25").replace('/', "%2F"))
    })
}

/// A key as its own uploader named it.
pub(super) fn display_name<'a>(scope: &Scope, key: &'a str) -> &'a str {
    let room = room(scope);
    key.strip_prefix(&room).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use cairn_testkit::{TENANT, anna, ben, owner, scope};

    use super::*;

    #[test]
    fn rooms_do_not_meet() {
        let slash = scope(TENANT, &["user:a/b"]);
        let plain = scope(TENANT, &["user:a"]);
        assert_ne!(
            own_key(&slash, "c.md").unwrap(),
            own_key(&plain, "b/c.md").unwrap()
        );
        assert_ne!(
            own_key(&anna(), "c.md").unwrap(),
            own_key(&ben(), "c.md").unwrap()
        );
        assert_eq!(own_key(&owner(), "c.md").unwrap(), "c.md");
        assert_eq!(
            display_name(&anna(), &own_key(&anna(), "c.md").unwrap()),
            "c.md"
        );
        for bad in ["", "  ", "~anna/c.md", "a\0b", "a\nb", &"x".repeat(1_025)] {
            assert!(own_key(&owner(), bad).is_err(), "{bad:?}");
        }
    }
}
