//! Who calls: API keys, and the owner on this machine. The only place of the server where scopes are granted.
//!
//! A key's text is `cairn_ID_SECRET`: 16 hexadecimal digits, then 256 random bits in base64url (43 characters). The catalog keeps
//! the SHA-256 of the secret; a slow hash would add nothing to 256 random bits. Unknown, wrong, expired and revoked keys get
//! the same answer, and secrets are compared in constant time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cairn_types::ports::{KeyRecord, NewKey};
use cairn_types::{ErrorKind, KeyId, Scope, TenantId};
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::app::App;
use crate::error::ServerError;
use crate::guard;
use crate::problem::ApiError;
use crate::routes::{Access, Surface};

const PREFIX: &str = "cairn_";
const SECRET_CHARS: usize = 43;

/// A proven identity.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// What it may read.
    pub(crate) scope: Scope,
    can_write: bool,
}

impl Caller {
    /// Whether it may upload, share and delete.
    pub(crate) const fn can_write(&self) -> bool {
        self.can_write
    }
}

/// The scope of the tenant's owner: for callers on this machine, and for work that the server does by itself.
#[expect(
    clippy::disallowed_methods,
    reason = "the owner is who reaches the socket of the data directory, or a loopback address before any key exists"
)]
pub(crate) const fn owner_scope(tenant: TenantId) -> Scope {
    Scope::grant_owner(tenant)
}

#[expect(clippy::disallowed_methods, reason = "the key was just proven")]
fn key_scope(record: &KeyRecord) -> Scope {
    Scope::grant(record.tenant, record.principals())
}

/// Makes the id, the secret's hash and the text of a new key.
pub(crate) fn new_secret() -> Result<(KeyId, [u8; 32], String), ServerError> {
    let mut id = [0; 8];
    let mut secret = [0; 32];
    getrandom::fill(&mut id).map_err(ServerError::Random)?;
    getrandom::fill(&mut secret).map_err(ServerError::Random)?;
    let id = KeyId(u64::from_be_bytes(id));
    let secret = URL_SAFE_NO_PAD.encode(secret);
    Ok((id, hash(&secret), format!("{PREFIX}{id}_{secret}")))
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// The id and the secret of a key's text.
fn parse(text: &str) -> Option<(KeyId, &str)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_at_checked(16)?;
    let secret = secret.strip_prefix('_')?;
    let fits = secret.len() == SECRET_CHARS
        && secret
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    fits.then_some(())?;
    Some((id.parse().ok()?, secret))
}

/// The key that a request shows, if it shows one.
fn presented(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let bearer = headers.get(header::AUTHORIZATION).map(|value| {
        let text = value.to_str().ok()?;
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let direct = headers
        .get("x-api-key")
        .map(|value| value.to_str().ok().map(str::trim));
    match (bearer, direct) {
        (None, None) => Ok(None),
        (Some(Some(one)), Some(Some(other))) if one != other => Err(refused()),
        (Some(Some(key)), _) | (None, Some(Some(key))) => Ok(Some(key)),
        // An unreadable header, or a scheme that we do not speak, is no key rather than none.
        _ => Err(refused()),
    }
}

fn refused() -> ApiError {
    unauthenticated("the API key is not accepted")
}

fn unauthenticated(detail: &str) -> ApiError {
    ApiError::new(ErrorKind::Unauthenticated, detail)
        .header(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"cairn\""),
        )
        .hint("send a key as `Authorization: Bearer KEY`; `cairn key create` makes one")
}

/// Proves who calls. `None`: nobody said who they are, and this surface does not take that for the owner.
async fn identify(
    app: &App,
    surface: Surface,
    headers: &HeaderMap,
) -> Result<Option<Caller>, ApiError> {
    if let Some(text) = presented(headers)? {
        return verify(app, text).await.map(Some);
    }
    let is_owner = match surface {
        Surface::Local => true,
        // Under another name it came by a proxy, and so from anybody.
        Surface::Loopback => guard::is_own_name(headers) && !any_key_was_made(app).await?,
        Surface::Network => false,
    };
    let owner = || Caller {
        scope: owner_scope(app.tenant()),
        can_write: true,
    };
    Ok(is_owner.then(owner))
}

/// Whether a key exists, usable or not: the expiry or revocation of the last one must not open the server again.
pub(crate) async fn any_key_was_made(app: &App) -> Result<bool, ApiError> {
    let catalog = app.catalog();
    Ok(catalog.has_keys().await? || !catalog.keys(app.tenant()).await?.is_empty())
}

async fn verify(app: &App, text: &str) -> Result<Caller, ApiError> {
    let Some((id, secret)) = parse(text) else {
        return Err(refused());
    };
    let record = app.catalog().key(id).await?;
    // A hash is compared in any case, so that an unknown id takes as long as a wrong secret.
    let stored = record
        .as_ref()
        .map_or([0; 32], |record| record.key.secret_hash);
    let is_equal = bool::from(hash(secret).ct_eq(&stored));
    let now = app.now();
    let record = record
        .filter(|_| is_equal)
        .filter(|record| record.revoked_at.is_none())
        .filter(|record| record.key.expires_at.is_none_or(|at| now < at))
        // One process serves one tenant: a key of another one is as unknown as any.
        .filter(|record| record.tenant == app.tenant())
        .ok_or_else(refused)?;
    let NewKey { can_write, .. } = record.key;
    if let Err(error) = app.catalog().touch_key(id).await {
        // A full disk must not keep readers out.
        tracing::warn!(%error, "the use of a key was not noted");
    }
    Ok(Caller {
        scope: key_scope(&record),
        can_write,
    })
}

/// Proves who calls and that they may use a route; `None` only for routes that ask nobody.
pub(crate) async fn admit(
    app: &App,
    surface: Surface,
    access: Access,
    headers: &HeaderMap,
) -> Result<Option<Caller>, ApiError> {
    if access == Access::Public {
        return Ok(None);
    }
    let caller = identify(app, surface, headers).await?;
    if access == Access::Optional {
        return Ok(caller);
    }
    let caller = caller.ok_or_else(|| unauthenticated("this needs an API key"))?;
    let is_admitted = match access {
        Access::Public | Access::Optional | Access::Read => true,
        Access::Write => caller.can_write,
        Access::Owner => caller.scope.is_owner(),
    };
    if is_admitted {
        return Ok(Some(caller));
    }
    let detail = match access {
        Access::Owner => "only the owner of the data directory may do this",
        _ => "this API key may only read",
    };
    Err(ApiError::new(ErrorKind::Forbidden, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_what_they_write() {
        let (id, secret_hash, text) = new_secret().unwrap();
        let (read, secret) = parse(&text).unwrap();
        assert_eq!((read, hash(secret)), (id, secret_hash));
        assert_eq!(text.len(), 6 + 16 + 1 + 43);
        assert_ne!(new_secret().unwrap().2, text);
    }

    #[test]
    fn texts_that_are_no_keys_are_none() {
        let secret = "a".repeat(43);
        for text in [
            String::new(),
            "cairn_".to_owned(),
            format!("cairn_0123456789abcde_{secret}"),
            format!("cairn_0123456789ABCDEF_{secret}"),
            format!("cairn_0123456789abcdef_{secret}a"),
            format!("cairn_0123456789abcdef_{}!", "a".repeat(42)),
            format!("cairn_0123456789abcdeé_{secret}"),
            format!("Cairn_0123456789abcdef_{secret}"),
        ] {
            assert!(parse(&text).is_none(), "{text}");
        }
        assert!(parse(&format!("cairn_0123456789abcdef_{secret}")).is_some());
    }

    #[test]
    fn headers_show_one_key_or_none() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
                .collect()
        };
        for (pairs, expect) in [
            (&[][..], Some(None)),
            (&[("authorization", "Bearer k1")], Some(Some("k1"))),
            (&[("authorization", "bearer  k1 ")], Some(Some("k1"))),
            (&[("x-api-key", "k1")], Some(Some("k1"))),
            (
                &[("x-api-key", "k1"), ("authorization", "Bearer k1")],
                Some(Some("k1")),
            ),
            (&[("x-api-key", "k1"), ("authorization", "Bearer k2")], None),
            (&[("authorization", "Basic k1")], None),
            (&[("authorization", "Bearer")], None),
        ] {
            let headers: HeaderMap = headers(pairs);
            assert_eq!(presented(&headers).ok(), expect, "{pairs:?}");
        }
    }
}
