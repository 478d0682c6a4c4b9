//! `POST /api/v1/ingest`: pages of the web; the reply is one JSON object a line, as for files.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shared::{DEFAULT_COLLECTION, is_false};

/// How far links are followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Within {
    /// To pages of the same host below the start page's folder.
    #[default]
    Folder,
    /// To all pages of the same host.
    Host,
}

/// Pages to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebIngestRequest {
    /// Addresses of the start pages, with `http://` or `https://`.
    pub urls: Vec<String>,
    /// How many links away from a start page others may be; 0 reads the start pages alone.
    #[serde(default)]
    pub depth: u32,
    /// Most pages that are asked for; left out: as many as the server allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pages: Option<usize>,
    /// How far links are followed.
    #[serde(default)]
    pub within: Within,
    /// Collection for new documents.
    #[serde(default = "default_collection")]
    pub collection: String,
    /// Tags to set; with none given, known documents keep theirs.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// Who may read them; left out, known documents keep their readers and new ones are open to the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// Whether every known page of the site is asked for, and those that are gone are soft-deleted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sync: bool,
    /// With `sync`: however many they are.
    #[serde(default, skip_serializing_if = "is_false")]
    pub yes: bool,
    /// Only say what would be done: the start pages are asked for, what they link to is listed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
}

impl WebIngestRequest {
    /// Reads the pages at `urls` alone into the default collection.
    #[must_use]
    pub fn new(urls: Vec<String>) -> Self {
        Self {
            urls,
            depth: 0,
            max_pages: None,
            within: Within::default(),
            collection: default_collection(),
            tags: BTreeSet::new(),
            allow: None,
            sync: false,
            yes: false,
            dry_run: false,
        }
    }
}

fn default_collection() -> String {
    DEFAULT_COLLECTION.to_owned()
}
