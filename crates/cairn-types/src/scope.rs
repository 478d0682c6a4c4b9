//! Who may read what: principals, access lists and the scope that every read takes.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::TenantId;

/// A user, a group or everyone in the tenant. Written `user:anna`, `group:hr`, `everyone`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Principal {
    /// Everyone in the tenant.
    Everyone,
    /// Members of a group.
    Group(String),
    /// One user.
    User(String),
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("everyone"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::User(name) => write!(f, "user:{name}"),
        }
    }
}

/// A text that names no principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` names no principal: expected `user:NAME`, `group:NAME` or `everyone`")]
pub struct ParsePrincipalError {
    given: String,
}

impl FromStr for Principal {
    type Err = ParsePrincipalError;

    fn from_str(text: &str) -> Result<Self, ParsePrincipalError> {
        let named = |name: &str| {
            let fits = !name.is_empty()
                && name.len() <= 256
                && name.trim() == name
                && !name.chars().any(char::is_control);
            fits.then(|| name.to_owned())
        };
        let principal = match text.split_once(':') {
            None if text == "everyone" => Some(Self::Everyone),
            Some(("group", name)) => named(name).map(Self::Group),
            Some(("user", name)) => named(name).map(Self::User),
            _ => None,
        };
        principal.ok_or_else(|| ParsePrincipalError {
            given: text.chars().take(80).collect(),
        })
    }
}

impl Serialize for Principal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Principal {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The principals that may read a document. An empty list: only the tenant's owner.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccessList(BTreeSet<Principal>);

impl AccessList {
    /// A list of these principals.
    #[must_use]
    pub fn new(principals: impl IntoIterator<Item = Principal>) -> Self {
        Self(principals.into_iter().collect())
    }

    /// Everyone in the tenant: the default.
    #[must_use]
    pub fn everyone() -> Self {
        Self::new([Principal::Everyone])
    }

    /// Only the tenant's owner.
    #[must_use]
    pub const fn owner_only() -> Self {
        Self(BTreeSet::new())
    }

    /// In a fixed order, without repeats.
    pub fn principals(&self) -> impl Iterator<Item = &Principal> {
        self.0.iter()
    }
}

impl Default for AccessList {
    fn default() -> Self {
        Self::everyone()
    }
}

/// On whose behalf something is read. There is no reading of document content without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    tenant: TenantId,
    reader: Reader,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reader {
    Owner,
    Principals(BTreeSet<Principal>),
}

impl Scope {
    /// A scope for a proven identity. `Everyone` is added: who has a scope is in the tenant.
    ///
    /// Called only where an identity was proven (a key, a session) and by tests; clippy's
    /// `disallowed-methods` holds other callers off.
    #[must_use]
    pub fn grant(tenant: TenantId, principals: impl IntoIterator<Item = Principal>) -> Self {
        let mut principals: BTreeSet<_> = principals.into_iter().collect();
        principals.insert(Principal::Everyone);
        Self {
            tenant,
            reader: Reader::Principals(principals),
        }
    }

    /// The scope of the tenant's owner, who may read everything in it: the local command line.
    #[must_use]
    pub const fn grant_owner(tenant: TenantId) -> Self {
        Self {
            tenant,
            reader: Reader::Owner,
        }
    }

    /// The tenant that is read.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Whether this is the tenant's owner.
    #[must_use]
    pub const fn is_owner(&self) -> bool {
        matches!(self.reader, Reader::Owner)
    }

    /// Whether a document with this access list may be read. The tenant must be compared before.
    #[must_use]
    pub fn permits(&self, access: &AccessList) -> bool {
        match &self.reader {
            Reader::Owner => true,
            Reader::Principals(own) => access.0.iter().any(|principal| own.contains(principal)),
        }
    }

    /// The reader's own user name, where there is one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match &self.reader {
            Reader::Owner => None,
            Reader::Principals(own) => own.iter().find_map(|principal| match principal {
                Principal::User(name) => Some(name.as_str()),
                Principal::Everyone | Principal::Group(_) => None,
            }),
        }
    }

    /// Equal for scopes that may read the same documents; part of every cache key.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.tenant.0.to_le_bytes());
        match &self.reader {
            Reader::Owner => hash.update(b"owner"),
            Reader::Principals(own) => {
                for principal in own {
                    let text = principal.to_string();
                    hash.update((text.len() as u64).to_le_bytes());
                    hash.update(text.as_bytes());
                }
            }
        }
        hash.finalize().into()
    }
}

/// Why maintenance reads what belongs to a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemPurpose {
    /// The write path: what is known already, what must be embedded.
    Ingest,
    /// Building and updating the search indexes.
    Index,
    /// Jobs left over by a process that ended.
    Recovery,
}

/// Maintenance on a tenant's data. No answer can be built from it: nothing that shows document content
/// to a caller takes one.
///
/// ```compile_fail
/// use cairn_types::{Scope, SystemPurpose, SystemScope, TenantId};
/// let system = SystemScope::new(TenantId(1), SystemPurpose::Index);
/// let scope: Scope = system.into();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemScope {
    /// Whose data.
    pub tenant: TenantId,
    /// For what.
    pub purpose: SystemPurpose,
}

impl SystemScope {
    /// Maintenance of `tenant` for `purpose`.
    #[must_use]
    pub const fn new(tenant: TenantId, purpose: SystemPurpose) -> Self {
        Self { tenant, purpose }
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "the testkit stands above this crate"
)]
mod tests {
    use super::*;

    fn principal(text: &str) -> Principal {
        text.parse().expect("a principal")
    }

    #[test]
    fn a_scope_permits_what_names_one_of_its_principals() {
        let anna = Scope::grant(TenantId(1), [principal("user:anna"), principal("group:hr")]);
        for (access, expected) in [
            (AccessList::everyone(), true),
            (AccessList::owner_only(), false),
            (AccessList::new([principal("group:hr")]), true),
            (
                AccessList::new([principal("group:it"), principal("user:anna")]),
                true,
            ),
            (AccessList::new([principal("user:hr")]), false),
        ] {
            assert_eq!(anna.permits(&access), expected, "{access:?}");
            assert!(Scope::grant_owner(TenantId(1)).permits(&access));
        }
    }

    #[test]
    fn principals_read_what_they_write_and_refuse_the_rest() {
        for text in ["everyone", "user:anna", "group:a:b", "user:日本"] {
            assert_eq!(principal(text).to_string(), text);
        }
        for bad in [
            "",
            "anna",
            "user:",
            "role:x",
            "user: anna",
            "group:a\nb",
            "Everyone",
        ] {
            assert!(bad.parse::<Principal>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn fingerprints_tell_scopes_apart() {
        let one = Scope::grant(TenantId(1), [principal("user:a"), principal("group:b")]);
        let same = Scope::grant(TenantId(1), [principal("group:b"), principal("user:a")]);
        let other = Scope::grant(TenantId(1), [principal("user:a")]);
        assert_eq!(one.fingerprint(), same.fingerprint());
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_ne!(
            one.fingerprint(),
            Scope::grant_owner(TenantId(1)).fingerprint()
        );
    }
}
