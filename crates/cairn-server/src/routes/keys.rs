//! `/local/v1/keys`: API keys, for the owner on this machine only.

use axum::Json as JsonReply;
use axum::extract::State;
use cairn_types::ports::NewKey;
use cairn_types::{KeyId, Principal, Timestamp};
use http::StatusCode;

use crate::api::{CreateKey, Key, KeyCreated, KeyList};
use crate::app::App;
use crate::auth;
use crate::extract::{Id, Json};
use crate::problem::ApiError;

const DAY_MS: i64 = 86_400_000;
const MAX_DAYS: u32 = 3_650;
const MAX_GROUPS: usize = 1_000;

/// Makes a key. Its text is in this reply and nowhere else.
pub(super) async fn create(
    State(app): State<App>,
    Json(body): Json<CreateKey>,
) -> Result<(StatusCode, JsonReply<KeyCreated>), ApiError> {
    let CreateKey {
        user,
        groups,
        expires_in_days,
        read_only,
    } = body;
    let check = |kind: &str, name: &str| {
        format!("{kind}:{name}")
            .parse::<Principal>()
            .map_err(|error| ApiError::invalid(error.to_string()))
    };
    check("user", &user)?;
    if groups.len() > MAX_GROUPS {
        return Err(ApiError::invalid(format!(
            "{} groups are given, the limit is {MAX_GROUPS}",
            groups.len()
        )));
    }
    for group in &groups {
        check("group", group)?;
    }
    let expires_at = match expires_in_days {
        None => None,
        Some(days @ 1..=MAX_DAYS) => Some(Timestamp(app.now().0 + i64::from(days) * DAY_MS)),
        Some(days) => {
            let detail = format!("`expires_in_days` is {days}, expected 1 to {MAX_DAYS}");
            return Err(ApiError::invalid(detail));
        }
    };
    let (id, secret_hash, key) = auth::new_secret()?;
    let new = NewKey {
        id,
        secret_hash,
        user,
        groups,
        can_write: !read_only,
        expires_at,
    };
    let record = app.catalog().create_key(app.tenant(), new).await?;
    tracing::info!(key.id = %id, "API key created");
    Ok((
        StatusCode::CREATED,
        JsonReply(KeyCreated {
            key,
            record: Key::from(&record),
        }),
    ))
}

/// Lists all keys, without their secrets.
pub(super) async fn list(State(app): State<App>) -> Result<JsonReply<KeyList>, ApiError> {
    let records = app.catalog().keys(app.tenant()).await?;
    Ok(JsonReply(KeyList {
        keys: records.iter().map(Key::from).collect(),
    }))
}

/// Revokes a key: from this moment it is refused.
pub(super) async fn revoke(
    State(app): State<App>,
    Id(id): Id<KeyId>,
) -> Result<StatusCode, ApiError> {
    app.catalog().revoke_key(app.tenant(), id).await?;
    tracing::info!(key.id = %id, "API key revoked");
    Ok(StatusCode::NO_CONTENT)
}
