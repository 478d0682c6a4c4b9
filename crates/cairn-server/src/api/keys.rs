//! API keys: `/local/v1/keys`.

use std::collections::BTreeSet;

use cairn_types::ports::KeyRecord;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shared::{is_false, timestamp};

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKey {
    /// User on whose behalf it reads.
    pub user: String,
    /// Groups of that user.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// Days after which it is refused; left out, it does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3650)]
    pub expires_in_days: Option<u32>,
    /// Whether it may only read.
    #[serde(default, skip_serializing_if = "is_false")]
    pub read_only: bool,
}

/// A new key with its secret, which is shown this once and kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyCreated {
    /// The secret text, to be sent as `Authorization: Bearer ...` or `X-API-Key`.
    pub key: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub record: Key,
}

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// Its id: 16 hexadecimal digits, also part of its text.
    pub id: String,
    /// User on whose behalf it reads.
    pub user: String,
    /// Groups of that user.
    pub groups: BTreeSet<String>,
    /// Whether it may only read.
    pub read_only: bool,
    /// When it was made.
    pub created_at: String,
    /// After this it is refused.
    pub expires_at: Option<String>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
}

impl From<&KeyRecord> for Key {
    fn from(record: &KeyRecord) -> Self {
        Self {
            id: record.key.id.to_string(),
            user: record.key.user.clone(),
            groups: record.key.groups.clone(),
            read_only: !record.key.can_write,
            created_at: timestamp(record.created_at),
            expires_at: record.key.expires_at.map(timestamp),
            last_used_at: record.last_used_at.map(timestamp),
            revoked_at: record.revoked_at.map(timestamp),
        }
    }
}

/// All keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyList {
    /// Oldest first.
    pub keys: Vec<Key>,
}
