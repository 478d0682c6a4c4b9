//! Ids as newtypes, with the text form that API, CLI and logs use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Written as 16 lower-case hexadecimal digits.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let digits = text.len() == 16
                    && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
                let value = digits.then(|| u64::from_str_radix(text, 16).ok()).flatten();
                value.map(Self).ok_or_else(|| ParseIdError { given: text.chars().take(64).collect() })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

number_id!(
    /// A tenant inside one catalog.
    TenantId(u32)
);
number_id!(
    /// An interned access list; documents with equal lists share one.
    AclId(u32)
);
number_id!(
    /// A chunk inside one tenant's indexes: never reused, rising in order of publication.
    ChunkNo(u32)
);
number_id!(
    /// Position in the catalog's ordered change records; a write returns its own.
    Seq(u64)
);
number_id!(
    /// Version of a document, from 1.
    VersionNo(u32)
);
number_id!(
    /// What one pipeline made of one content.
    RenditionId(u64)
);
hex_id!(
    /// A document. Derived from where it was first seen, so that a rebuilt corpus has the same ids.
    DocumentId
);
hex_id!(
    /// A job of the write path.
    JobId
);
hex_id!(
    /// An API key (not its secret).
    KeyId
);

impl DocumentId {
    /// The id of the document first seen as `key` in `source` of a collection. `salt` is 0 unless that
    /// id is taken already (the earlier document has moved away and kept its id).
    #[must_use]
    pub fn derive(tenant: TenantId, collection: &str, source: &str, key: &str, salt: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(tenant.0.to_le_bytes());
        for part in [collection, source, key] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.update(salt.to_le_bytes());
        let digest = hash.finalize();
        let mut head = [0; 8];
        head.copy_from_slice(&digest[..8]);
        Self(u64::from_be_bytes(head))
    }
}

/// A text that is not an id of the asked kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not an id: expected 16 hexadecimal digits")]
pub struct ParseIdError {
    given: String,
}

/// The public id of a chunk: document, version and position, written `document.version.ordinal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkId {
    /// The document.
    pub document: DocumentId,
    /// Its version.
    pub version: VersionNo,
    /// Position of the chunk in the version, from 0.
    pub ordinal: u32,
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.document, self.version, self.ordinal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_ids_read_what_they_write() {
        let id = DocumentId::derive(TenantId(1), "default", "folder:/a", "b.md", 0);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(
            id,
            DocumentId::derive(TenantId(1), "default", "folder:/a", "b.md", 1)
        );
        assert_ne!(
            id,
            DocumentId::derive(TenantId(2), "default", "folder:/a", "b.md", 0)
        );
        for bad in [
            "",
            "xyz",
            "+000000000000001",
            "0123456789ABCDEF",
            "0123456789abcdef0",
        ] {
            assert!(bad.parse::<DocumentId>().is_err(), "{bad}");
        }
    }
}
