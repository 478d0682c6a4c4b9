//! Tenants, API keys and replies kept for repeated requests.

use cairn_types::ports::{IdempotentBegin, IdempotentReply, KeyRecord, NewKey};
use cairn_types::{KeyId, Scope, TenantId, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

use super::failure::{DbResult, conflict, corrupt, invalid, not_found};
use super::rows::{hash_from_sql, id_from_sql, id_to_sql, json, read_set};
use super::threads::Db;

const MINUTE_MS: i64 = 60_000;
/// How long a reply is kept for repeated requests.
const REPLY_KEPT_MS: i64 = 24 * 60 * MINUTE_MS;
/// Longest name of a tenant in bytes (a guess at what people want to read).
const MAX_NAME_BYTES: usize = 256;

pub(super) fn find_tenant(db: &Db<'_>, name: &str) -> DbResult<Option<TenantId>> {
    let id = db
        .conn
        .prepare_cached("SELECT tenant_id FROM tenants WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(id.map(TenantId))
}

pub(super) fn ensure_tenant(db: &Db<'_>, name: &str) -> DbResult<TenantId> {
    if let Some(known) = find_tenant(db, name)? {
        return Ok(known);
    }
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(invalid(format!(
            "a tenant's name has 1 to {MAX_NAME_BYTES} bytes without control characters"
        )));
    }
    let id = db
        .conn
        .prepare_cached("INSERT INTO tenants (name, created_at) VALUES (?1, ?2)")?
        .insert((name, db.now.0))?;
    u32::try_from(id)
        .map(TenantId)
        .map_err(|_| invalid("no id is left for another tenant"))
}

/// A key's row: complete with `WHERE`.
const KEY: &str = "
    SELECT key_id, tenant_id, secret_hash, user_name, group_names, can_write, expires_at, created_at,
           last_used_at, revoked_at
    FROM keys ";

fn read_key(row: &Row<'_>) -> DbResult<KeyRecord> {
    let secret_hash = row.get_ref(2)?;
    let secret_hash = secret_hash.as_blob().map_err(|_| corrupt("a hash"))?;
    let instant = |column| -> DbResult<_> { Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp)) };
    Ok(KeyRecord {
        key: NewKey {
            id: KeyId(id_from_sql(row.get(0)?)),
            secret_hash: hash_from_sql(secret_hash, "a hash")?,
            user: row.get(3)?,
            groups: read_set(row, 4)?,
            can_write: row.get(5)?,
            expires_at: instant(6)?,
        },
        tenant: TenantId(row.get(1)?),
        created_at: Timestamp(row.get(7)?),
        last_used_at: instant(8)?,
        revoked_at: instant(9)?,
    })
}

pub(super) fn create_key(db: &Db<'_>, tenant: TenantId, key: NewKey) -> DbResult<KeyRecord> {
    db.head(tenant)?;
    if find_key(db, key.id)?.is_some() {
        return Err(conflict(format!("the key `{}` exists already", key.id)));
    }
    db.conn
        .prepare_cached(
            "INSERT INTO keys (key_id, tenant_id, secret_hash, user_name, group_names, can_write,
                               expires_at, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            id_to_sql(key.id.0),
            tenant.0,
            key.secret_hash,
            key.user,
            json(&key.groups, "the groups")?,
            key.can_write,
            key.expires_at.map(|at| at.0),
            db.now.0,
        ])?;
    Ok(KeyRecord {
        key,
        tenant,
        created_at: db.now,
        last_used_at: None,
        revoked_at: None,
    })
}

pub(super) fn find_key(db: &Db<'_>, id: KeyId) -> DbResult<Option<KeyRecord>> {
    let sql = format!("{KEY} WHERE key_id = ?1");
    let mut statement = db.conn.prepare_cached(&sql)?;
    let mut rows = statement.query([id_to_sql(id.0)])?;
    rows.next()?.map(read_key).transpose()
}

pub(super) fn keys(db: &Db<'_>, tenant: TenantId) -> DbResult<Vec<KeyRecord>> {
    let sql = format!("{KEY} WHERE tenant_id = ?1 ORDER BY created_at, key_id");
    let mut statement = db.conn.prepare_cached(&sql)?;
    let mut rows = statement.query([tenant.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read_key(row)?);
    }
    Ok(found)
}

pub(super) fn revoke_key(db: &Db<'_>, tenant: TenantId, id: KeyId) -> DbResult<()> {
    let n = db
        .conn
        .prepare_cached(
            "UPDATE keys SET revoked_at = coalesce(revoked_at, ?3)
             WHERE tenant_id = ?1 AND key_id = ?2",
        )?
        .execute((tenant.0, id_to_sql(id.0), db.now.0))?;
    if n == 0 {
        return Err(not_found("key", id));
    }
    Ok(())
}

/// Whether noting a use of this key now would change what is stored.
pub(super) fn is_touch_due(db: &Db<'_>, id: KeyId) -> DbResult<bool> {
    let key = find_key(db, id)?.ok_or_else(|| not_found("key", id))?;
    Ok(key.last_used_at.is_none_or(|last| last.0 < minute(db)))
}

pub(super) fn touch_key(db: &Db<'_>, id: KeyId) -> DbResult<()> {
    db.conn
        .prepare_cached(
            "UPDATE keys SET last_used_at = ?2
             WHERE key_id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)",
        )?
        .execute((id_to_sql(id.0), minute(db)))?;
    Ok(())
}

fn minute(db: &Db<'_>) -> i64 {
    db.now.0 - db.now.0.rem_euclid(MINUTE_MS)
}

pub(super) fn has_keys(db: &Db<'_>) -> DbResult<bool> {
    let mut usable = db.conn.prepare_cached(
        "SELECT 1 FROM keys
         WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?1) LIMIT 1",
    )?;
    Ok(usable.exists([db.now.0])?)
}

pub(super) fn begin_idempotent(
    db: &Db<'_>,
    scope: &Scope,
    key: &str,
    request: [u8; 32],
) -> DbResult<IdempotentBegin> {
    let tenant = scope.tenant();
    db.head(tenant)?;
    db.conn
        .prepare_cached("DELETE FROM idempotency WHERE tenant_id = ?1 AND touched_at <= ?2")?
        .execute((tenant.0, db.now.0.saturating_sub(REPLY_KEPT_MS)))?;
    let known = db
        .conn
        .prepare_cached(
            "SELECT request, status, body FROM idempotency
             WHERE tenant_id = ?1 AND scope = ?2 AND request_key = ?3",
        )?
        .query_row((tenant.0, scope.fingerprint(), key), |row| {
            let reply = row.get::<_, Option<u16>>(1)?.zip(row.get(2)?);
            Ok((row.get::<_, Vec<u8>>(0)?, reply))
        })
        .optional()?;
    match known {
        None => {
            db.conn
                .prepare_cached(
                    "INSERT INTO idempotency (tenant_id, scope, request_key, request, touched_at)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((tenant.0, scope.fingerprint(), key, request, db.now.0))?;
            Ok(IdempotentBegin::Fresh)
        }
        Some((earlier, _)) if earlier != request => Ok(IdempotentBegin::Mismatch),
        Some((_, Some((status, body)))) => {
            Ok(IdempotentBegin::Replay(IdempotentReply { status, body }))
        }
        Some((_, None)) => Ok(IdempotentBegin::InProgress),
    }
}

pub(super) fn finish_idempotent(
    db: &Db<'_>,
    scope: &Scope,
    key: &str,
    reply: Option<&IdempotentReply>,
) -> DbResult<()> {
    let place = (scope.tenant().0, scope.fingerprint(), key);
    match reply {
        Some(reply) => db
            .conn
            .prepare_cached(
                "UPDATE idempotency SET status = ?4, body = ?5, touched_at = ?6
                 WHERE tenant_id = ?1 AND scope = ?2 AND request_key = ?3 AND status IS NULL",
            )?
            .execute((
                place.0,
                place.1,
                place.2,
                reply.status,
                &reply.body,
                db.now.0,
            ))?,
        None => db
            .conn
            .prepare_cached(
                "DELETE FROM idempotency
                 WHERE tenant_id = ?1 AND scope = ?2 AND request_key = ?3 AND status IS NULL",
            )?
            .execute(place)?,
    };
    Ok(())
}
