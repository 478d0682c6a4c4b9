//! Documents and their collections as the catalog knows them.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::ids::{DocumentId, VersionNo};
use crate::report::ParseReport;
use crate::scope::AccessList;

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The SHA-256 of `bytes`.
            #[must_use]
            pub fn of(bytes: &[u8]) -> Self {
                Self(Sha256::digest(bytes).into())
            }

            /// 64 lower-case hexadecimal digits.
            #[must_use]
            pub fn to_hex(&self) -> String {
                use fmt::Write;
                self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
                    let _ = write!(text, "{byte:02x}");
                    text
                })
            }

            /// Reads what [`Self::to_hex`] writes.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                if text.len() != 64 || !text.is_ascii() {
                    return None;
                }
                let mut bytes = [0; 32];
                for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
                    *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
                }
                Some(Self(bytes))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.to_hex())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }
    };
}

hash_type!(
    /// SHA-256 of a document's original bytes.
    BlobHash
);
hash_type!(
    /// SHA-256 of what made a rendition: extractor, chunker and their settings.
    Fingerprint
);
hash_type!(
    /// SHA-256 of the exact text that a chunk is embedded as.
    InputHash
);

/// Where documents come from: a folder, an upload.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Source(pub String);

impl Source {
    /// Documents that were sent to the API.
    #[must_use]
    pub fn upload() -> Self {
        Self("upload".to_owned())
    }

    /// Documents of this machine's file system; their keys are absolute paths.
    #[must_use]
    pub fn files() -> Self {
        Self("files".to_owned())
    }

    /// Pages of the web; their keys are canonical addresses.
    #[must_use]
    pub fn web() -> Self {
        Self("web".to_owned())
    }
}

/// How well a document was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentStatus {
    /// Everything was read.
    Ok,
    /// Something was not read; the parse report says what.
    Partial,
}

/// A named set of documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Its name, unique in the tenant.
    pub name: String,
    /// Documents in it that the scope may read.
    pub n_documents: u64,
    /// Chunks of those documents' current versions.
    pub n_chunks: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A document as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentSummary {
    /// Its id.
    pub id: DocumentId,
    /// Name of its collection.
    pub collection: String,
    /// Where it comes from.
    pub source: Source,
    /// What identifies it in its source: a path or an external id.
    pub key: String,
    /// Where a person finds it, e.g. `file:///home/anna/a.pdf`.
    pub uri: String,
    /// Its title, or else its file name.
    pub title: String,
    /// Decided from the content.
    pub media_type: String,
    /// In fixed order.
    pub tags: BTreeSet<String>,
    /// Who may read it.
    pub access: AccessList,
    /// The current version.
    pub version: VersionNo,
    /// Size of the original.
    pub size_bytes: u64,
    /// SHA-256 of the original.
    pub blob: BlobHash,
    /// Chunks of the current version.
    pub n_chunks: u32,
    /// How well it was understood.
    pub status: DocumentStatus,
    /// What was seen and kept.
    pub report: ParseReport,
    /// When its content was last changed at the source, where the source says.
    pub modified_at: Option<Timestamp>,
    /// When it was first published here.
    pub created_at: Timestamp,
    /// When its current version was published here.
    pub updated_at: Timestamp,
    /// When it was soft-deleted.
    pub deleted_at: Option<Timestamp>,
}

/// What documents a read is limited to. Empty fields limit nothing; all given fields must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct DocumentFilter {
    /// In one of these collections.
    pub collections: Vec<String>,
    /// Carries all of these tags.
    pub tags: Vec<String>,
    /// Of one of these media types; `text/*` matches a whole family.
    pub media_types: Vec<String>,
    /// Its key or URI matches this glob: `*` within one path part, `**` across.
    pub path: Option<String>,
    /// Modified (or, where the source does not say, published) at or after this.
    pub since: Option<Timestamp>,
    /// Modified (or published) before this.
    pub until: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_read_what_they_write() {
        let hash = BlobHash::of(b"abc");
        assert!(hash.to_hex().starts_with("ba7816bf"));
        assert_eq!(BlobHash::from_hex(&hash.to_hex()), Some(hash));
        assert_eq!(BlobHash::from_hex("zz"), None);
        assert_eq!(BlobHash::from_hex(&"é".repeat(32)), None);
    }
}
