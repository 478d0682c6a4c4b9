//! Who reads in tests. The only place outside proven identities where scopes are granted.

use cairn_types::{AccessList, Principal, Scope, TenantId};

/// The tenant that most tests run in: the first of a catalog.
pub const TENANT: TenantId = TenantId(1);

/// A second tenant, of which the first must see nothing.
pub const OTHER_TENANT: TenantId = TenantId(2);

/// Reads `user:anna`, `group:hr` or `everyone`.
///
/// # Panics
/// On any other text.
#[must_use]
pub fn principal(text: &str) -> Principal {
    text.parse().expect("a test names principals that exist")
}

/// An access list of the named principals; an empty slice gives the owner's only.
#[must_use]
pub fn access(principals: &[&str]) -> AccessList {
    AccessList::new(principals.iter().map(|text| principal(text)))
}

/// A scope of the named principals (and everyone) in a tenant.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "tests say who reads; nothing is proven here"
)]
pub fn scope(tenant: TenantId, principals: &[&str]) -> Scope {
    Scope::grant(tenant, principals.iter().map(|text| principal(text)))
}

/// The owner of [`TENANT`].
#[must_use]
pub fn owner() -> Scope {
    owner_of(TENANT)
}

/// The owner of a tenant.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "tests say who reads; nothing is proven here"
)]
pub fn owner_of(tenant: TenantId) -> Scope {
    Scope::grant_owner(tenant)
}

/// `user:anna` of `group:hr` in [`TENANT`].
#[must_use]
pub fn anna() -> Scope {
    scope(TENANT, &["user:anna", "group:hr"])
}

/// `user:ben` of `group:it` in [`TENANT`].
#[must_use]
pub fn ben() -> Scope {
    scope(TENANT, &["user:ben", "group:it"])
}

/// Somebody with anna's name and group, but in [`OTHER_TENANT`].
#[must_use]
pub fn outsider() -> Scope {
    scope(OTHER_TENANT, &["user:anna", "group:hr"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personas_differ_in_what_they_may_read() {
        let hr = access(&["group:hr"]);
        assert!(anna().permits(&hr));
        assert!(!ben().permits(&hr));
        assert!(owner().permits(&access(&[])));
        assert!(!anna().permits(&access(&[])));
        assert_ne!(outsider().tenant(), anna().tenant());
        assert_ne!(outsider().fingerprint(), anna().fingerprint());
    }
}
