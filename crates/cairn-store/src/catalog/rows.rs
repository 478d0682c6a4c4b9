//! Between rows and the words of `cairn-types`: ids, hashes, sets, enums, access lists, document summaries.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use cairn_types::{
    AccessList, BlobHash, DocumentId, DocumentStatus, DocumentSummary, Fingerprint, InputHash,
    Scope, Seq, Source, TenantId, Timestamp, VersionNo,
};
use rusqlite::{OptionalExtension, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::failure::{DbResult, corrupt, invalid, not_found};
use super::threads::Db;

/// More cached access lists than this are forgotten at once: bounds the memory (a guess).
const MAX_CACHED_ACLS: usize = 100_000;

const HIGH_BIT: u64 = 1 << 63;

/// An id as the integer that sorts like it.
pub(super) const fn id_to_sql(id: u64) -> i64 {
    (id ^ HIGH_BIT).cast_signed()
}

/// Reads what [`id_to_sql`] wrote.
pub(super) const fn id_from_sql(stored: i64) -> u64 {
    stored.cast_unsigned() ^ HIGH_BIT
}

/// A count, size or position as the integer of a row; what does not fit is refused.
pub(super) fn to_sql(number: impl TryInto<i64>, what: &str) -> DbResult<i64> {
    number
        .try_into()
        .map_err(|_| invalid(format!("{what} is larger than the catalog can hold")))
}

/// A count, size or position of a row.
pub(super) fn from_sql<T: TryFrom<i64>>(stored: i64, what: &str) -> DbResult<T> {
    T::try_from(stored).map_err(|_| corrupt(what))
}

pub(super) fn hash_from_sql(stored: &[u8], what: &str) -> DbResult<[u8; 32]> {
    stored.try_into().map_err(|_| corrupt(what))
}

pub(super) fn json<T: Serialize + ?Sized>(value: &T, what: &str) -> DbResult<String> {
    serde_json::to_string(value).map_err(|_| invalid(format!("{what} cannot be stored")))
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str, what: &str) -> DbResult<T> {
    serde_json::from_str(text).map_err(|error| {
        tracing::error!(%error, what, "stored JSON does not read");
        corrupt(what)
    })
}

/// An enum of `cairn-types` as its stable word.
pub(super) fn word<T: Serialize>(value: T, what: &str) -> DbResult<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(invalid(format!("{what} cannot be stored"))),
    }
}

pub(super) fn from_word<T: DeserializeOwned>(word: String, what: &str) -> DbResult<T> {
    serde_json::from_value(serde_json::Value::String(word)).map_err(|_| corrupt(what))
}

impl Db<'_> {
    /// The position of the tenant's last change. Fails where there is no such tenant.
    pub(super) fn head(&self, tenant: TenantId) -> DbResult<Seq> {
        let head = self
            .conn
            .prepare_cached("SELECT head_seq FROM tenants WHERE tenant_id = ?1")?
            .query_row([tenant.0], |row| row.get(0))
            .optional()?
            .ok_or_else(|| not_found("tenant", tenant))?;
        Ok(Seq(from_sql(head, "a position")?))
    }

    /// The id of an access list; stored where it is new.
    pub(super) fn intern_acl(&self, tenant: TenantId, access: &AccessList) -> DbResult<i64> {
        let principals = json(access, "the access list")?;
        let known = self
            .conn
            .prepare_cached("SELECT acl_id FROM acls WHERE tenant_id = ?1 AND principals = ?2")?
            .query_row((tenant.0, &principals), |row| row.get(0))
            .optional()?;
        if let Some(id) = known {
            return Ok(id);
        }
        self.conn
            .prepare_cached("INSERT INTO acls (tenant_id, principals) VALUES (?1, ?2)")?
            .insert((tenant.0, &principals))
            .map_err(Into::into)
    }

    /// The access list with this id, read from the catalog itself: what writers use.
    pub(super) fn stored_acl(&self, acl_id: i64) -> DbResult<AccessList> {
        let principals: String = self
            .conn
            .prepare_cached("SELECT principals FROM acls WHERE acl_id = ?1")?
            .query_row([acl_id], |row| row.get(0))?;
        from_json(&principals, "an access list")
    }

    /// The access list with this id, from the memory of all readers. Only for read transactions: they see
    /// committed rows alone, and those never change.
    pub(super) fn acl(&self, acl_id: i64) -> DbResult<Arc<AccessList>> {
        let cached = || {
            self.shared
                .acls
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(access) = cached().get(&acl_id) {
            return Ok(Arc::clone(access));
        }
        let access = Arc::new(self.stored_acl(acl_id)?);
        let mut cache = cached();
        if cache.len() >= MAX_CACHED_ACLS {
            cache.clear();
        }
        cache.insert(acl_id, Arc::clone(&access));
        Ok(access)
    }

    /// Whether the scope may read what carries this access list. The tenant must be compared before.
    pub(super) fn permits(&self, scope: &Scope, acl_id: i64) -> DbResult<bool> {
        Ok(scope.is_owner() || scope.permits(&*self.acl(acl_id)?))
    }
}

/// What a document summary is read from: complete with `WHERE` on `d`.
pub(super) const SUMMARY: &str = "
    SELECT d.document_id, c.name, d.source, d.item_key, d.uri, d.title, d.media_type, d.tags, d.acl_id,
           d.version, v.size_bytes, v.blob, v.n_chunks, v.status, r.report, d.modified_at, d.created_at,
           v.published_at, d.deleted_at, v.first_chunk
    FROM documents d
    JOIN collections c ON c.collection_id = d.collection_id
    JOIN versions v ON v.tenant_id = d.tenant_id AND v.document_id = d.document_id AND v.version = d.version
    JOIN renditions r ON r.rendition_id = v.rendition_id
    WHERE d.tenant_id = ?1 ";

/// A document of a row of [`SUMMARY`], before anybody is told about it.
pub(super) struct StoredDocument {
    pub(super) summary: DocumentSummary,
    pub(super) first_chunk: u32,
}

/// Reads a row of [`SUMMARY`] where the scope may read the document; `None` where it may not.
pub(super) fn read_summary(
    db: &Db<'_>,
    scope: &Scope,
    row: &Row<'_>,
) -> DbResult<Option<StoredDocument>> {
    let acl_id = row.get(8)?;
    if !db.permits(scope, acl_id)? {
        return Ok(None);
    }
    let blob: &[u8] = row.get_ref(11)?.as_blob().map_err(|_| corrupt("a hash"))?;
    let summary = DocumentSummary {
        id: DocumentId(id_from_sql(row.get(0)?)),
        collection: row.get(1)?,
        source: Source(row.get(2)?),
        key: row.get(3)?,
        uri: row.get(4)?,
        title: row.get(5)?,
        media_type: row.get(6)?,
        tags: read_set(row, 7)?,
        access: AccessList::clone(&*db.acl(acl_id)?),
        version: VersionNo(row.get(9)?),
        size_bytes: from_sql(row.get(10)?, "a size")?,
        blob: BlobHash(hash_from_sql(blob, "a hash")?),
        n_chunks: row.get(12)?,
        status: from_word::<DocumentStatus>(row.get(13)?, "a document's status")?,
        report: from_json(
            row.get_ref(14)?
                .as_str()
                .map_err(|_| corrupt("a parse report"))?,
            "a parse report",
        )?,
        modified_at: row.get::<_, Option<i64>>(15)?.map(Timestamp),
        created_at: Timestamp(row.get(16)?),
        updated_at: Timestamp(row.get(17)?),
        deleted_at: row.get::<_, Option<i64>>(18)?.map(Timestamp),
    };
    Ok(Some(StoredDocument {
        summary,
        first_chunk: row.get(19)?,
    }))
}

/// A set of strings in a column of JSON.
pub(super) fn read_set(row: &Row<'_>, column: usize) -> DbResult<BTreeSet<String>> {
    let text = row.get_ref(column)?;
    from_json(
        text.as_str().map_err(|_| corrupt("a set of words"))?,
        "a set of words",
    )
}

pub(super) fn read_input_hash(row: &Row<'_>, column: usize) -> DbResult<InputHash> {
    let bytes = row.get_ref(column)?;
    let bytes = bytes.as_blob().map_err(|_| corrupt("a hash"))?;
    Ok(InputHash(hash_from_sql(bytes, "a hash")?))
}

pub(super) fn read_blob_hash(row: &Row<'_>, column: usize) -> DbResult<BlobHash> {
    let bytes = row.get_ref(column)?;
    let bytes = bytes.as_blob().map_err(|_| corrupt("a hash"))?;
    Ok(BlobHash(hash_from_sql(bytes, "a hash")?))
}

pub(super) fn read_fingerprint(row: &Row<'_>, column: usize) -> DbResult<Fingerprint> {
    let bytes = row.get_ref(column)?;
    let bytes = bytes.as_blob().map_err(|_| corrupt("a hash"))?;
    Ok(Fingerprint(hash_from_sql(bytes, "a hash")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_ids_sort_like_the_ids() {
        let ids = [0, 1, HIGH_BIT - 1, HIGH_BIT, u64::MAX];
        assert!(ids.is_sorted_by_key(|id| id_to_sql(*id)));
        assert!(ids.iter().all(|id| id_from_sql(id_to_sql(*id)) == *id));
    }
}
