//! What several objects have in common.

use std::time::Duration;

use cairn_types::{CharSpan, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The collection of documents for which none is named.
pub const DEFAULT_COLLECTION: &str = "default";

/// A half-open range of Unicode code points in the text of a document's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Span {
    /// First code point.
    pub start: usize,
    /// One past the last code point.
    pub end: usize,
}

impl From<CharSpan> for Span {
    fn from(span: CharSpan) -> Self {
        Self {
            start: span.start,
            end: span.end,
        }
    }
}

/// The document that a result or citation points to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DocumentRef {
    /// Its id: 16 hexadecimal digits.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Where a person finds it.
    pub uri: String,
    /// The version that was read, from 1.
    pub version: u32,
}

impl From<&cairn_types::DocumentRef> for DocumentRef {
    fn from(document: &cairn_types::DocumentRef) -> Self {
        Self {
            id: document.id.to_string(),
            title: document.title.clone(),
            uri: document.uri.clone(),
            version: document.version.0,
        }
    }
}

/// The filters of a request, as it names them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filters<'a> {
    pub(crate) collections: &'a [String],
    pub(crate) tags: &'a [String],
    pub(crate) media_types: &'a [String],
    pub(crate) path: Option<&'a str>,
    pub(crate) since: Option<&'a str>,
    pub(crate) until: Option<&'a str>,
}

/// A duration in milliseconds, to the microsecond.
#[must_use]
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// RFC 3339 in UTC.
pub(crate) fn timestamp(at: Timestamp) -> String {
    at.to_rfc3339()
}

/// For `skip_serializing_if`: what a request leaves out.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
pub(super) const fn is_false(value: &bool) -> bool {
    !*value
}
