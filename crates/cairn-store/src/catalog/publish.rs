//! Publishing a version of a document.
//!
//! A change takes the next position of its tenant, and the position, the rows and the change record are
//! written together. What changes nothing takes no position: its caller gets the position of the document's
//! last change. A restored document comes back with its last version and the same chunk numbers.

use std::collections::BTreeSet;

use cairn_types::ports::{CatalogError, PublishBatch, PublishVersion, Published, PublishedBatch};
use cairn_types::{AccessList, DocumentId, HasKind as _, Seq, SystemScope, TenantId, VersionNo};
use rusqlite::{OptionalExtension, params};

use super::failure::{DbError, DbResult, conflict, invalid, not_found};
use super::index::put_vectors;
use super::renditions::{self, ByteOffsets};
use super::rows::{from_sql, id_from_sql, id_to_sql, json, to_sql, word};
use super::threads::Db;

/// Chunk numbers are u32, and none is given twice.
const CHUNK_NUMBERS: i64 = 1 << 32;
/// Longest name of a collection or source in bytes (a guess at what people want to read).
const MAX_NAME_BYTES: usize = 1024;

/// The row of a document with its current version: what a write compares with.
pub(super) struct Known {
    pub(super) id: DocumentId,
    pub(super) collection_id: i64,
    pub(super) source: String,
    pub(super) key: String,
    pub(super) uri: String,
    title: String,
    media_type: String,
    pub(super) tags: String,
    pub(super) acl_id: i64,
    modified_at: Option<i64>,
    pub(super) is_deleted: bool,
    version: u32,
    blob: Vec<u8>,
    fingerprint: Vec<u8>,
    pub(super) changed_seq: u64,
}

pub(super) fn publish_version(
    db: &Db<'_>,
    system: SystemScope,
    new: &PublishVersion,
) -> DbResult<Published> {
    let tenant = system.tenant;
    db.head(tenant)?;
    check(new)?;
    let collection_id = ensure_collection(db, tenant, &new.collection)?;
    let known = find(db, tenant, collection_id, new)?;
    let acl_id = match (&new.access, &known) {
        (Some(access), _) => db.intern_acl(tenant, access)?,
        (None, Some(known)) => known.acl_id,
        (None, None) => db.intern_acl(tenant, &AccessList::everyone())?,
    };
    let tags = match (&new.tags, &known) {
        (Some(tags), _) => json(tags, "the tags")?,
        (None, Some(known)) => known.tags.clone(),
        (None, None) => json(&BTreeSet::<String>::new(), "the tags")?,
    };
    let row = Row {
        collection_id,
        acl_id,
        tags,
        modified_at: new.modified_at.map(|at| at.0),
        new,
    };
    match known {
        None => {
            let id = free_id(db, tenant, new)?;
            let seq = next_seq(db, tenant, id)?;
            row.insert(db, tenant, id, seq)?;
            add_version(db, tenant, id, VersionNo(1), seq, new)?;
            Ok(Published {
                document: id,
                version: VersionNo(1),
                is_new: true,
                seq,
            })
        }
        Some(known) if known.blob == new.blob.0 && known.fingerprint == new.fingerprint.0 => {
            let seq = if known.is_deleted || row.differs(&known) {
                let seq = next_seq(db, tenant, known.id)?;
                row.update(db, tenant, &known, known.version, seq)?;
                if known.is_deleted {
                    revive(db, tenant, known.id, seq)?;
                }
                seq
            } else {
                Seq(known.changed_seq)
            };
            Ok(Published {
                document: known.id,
                version: VersionNo(known.version),
                is_new: false,
                seq,
            })
        }
        Some(known) => {
            let seq = next_seq(db, tenant, known.id)?;
            end_version(db, tenant, known.id, seq)?;
            let version = known
                .version
                .checked_add(1)
                .ok_or_else(|| invalid("the document has used up its version numbers"))?;
            row.update(db, tenant, &known, version, seq)?;
            add_version(db, tenant, known.id, VersionNo(version), seq, new)?;
            Ok(Published {
                document: known.id,
                version: VersionNo(version),
                is_new: false,
                seq,
            })
        }
    }
}

/// Stores the vectors, then publishes version after version: one that is refused is rolled back alone.
pub(super) fn publish_batch(
    db: &Db<'_>,
    system: SystemScope,
    batch: &PublishBatch,
) -> DbResult<PublishedBatch> {
    if let Some((space, vectors)) = &batch.vectors {
        put_vectors(db, system, space, vectors)?;
    }
    let mut outcomes = Vec::with_capacity(batch.versions.len());
    for version in &batch.versions {
        db.conn.execute_batch("SAVEPOINT version")?;
        match publish_version(db, system, version) {
            Ok(done) => {
                db.conn.execute_batch("RELEASE version")?;
                outcomes.push(Ok(done));
            }
            // A full disk or an I/O failure ends the whole transaction: nothing of the batch is kept.
            Err(error) if db.conn.is_autocommit() => return Err(error),
            Err(error) => {
                db.conn
                    .execute_batch("ROLLBACK TO version; RELEASE version")?;
                let error = CatalogError::from(error);
                let is_fatal = error.kind().is_fatal();
                outcomes.push(Err(error));
                if is_fatal {
                    break;
                }
            }
        }
    }
    Ok(PublishedBatch { outcomes })
}

/// Refuses what could not be read back.
fn check(new: &PublishVersion) -> DbResult<()> {
    check_name("collection", &new.collection)?;
    check_name("source", &new.source.0)?;
    if new.key.is_empty() {
        return Err(invalid("a document needs a path or an external id"));
    }
    for (expected, chunk) in (0_u32..).zip(&new.chunks) {
        if chunk.meta.ordinal != expected {
            return Err(invalid(format!(
                "chunk {expected} carries the position {}",
                chunk.meta.ordinal
            )));
        }
    }
    Ok(())
}

fn check_name(what: &str, name: &str) -> DbResult<()> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        let shown: String = name.chars().take(80).collect();
        return Err(invalid(format!(
            "`{}` does not name a {what}: expected 1 to {MAX_NAME_BYTES} bytes without control characters",
            shown.escape_debug()
        )));
    }
    Ok(())
}

fn ensure_collection(db: &Db<'_>, tenant: TenantId, name: &str) -> DbResult<i64> {
    let known = db
        .conn
        .prepare_cached("SELECT collection_id FROM collections WHERE tenant_id = ?1 AND name = ?2")?
        .query_row((tenant.0, name), |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    let id = db
        .conn
        .prepare_cached(
            "INSERT INTO collections (tenant_id, name, created_at) VALUES (?1, ?2, ?3)",
        )?
        .insert((tenant.0, name, db.now.0))?;
    Ok(id)
}

/// The document that this publication is about.
fn find(
    db: &Db<'_>,
    tenant: TenantId,
    collection_id: i64,
    new: &PublishVersion,
) -> DbResult<Option<Known>> {
    let living = living_at(db, tenant, collection_id, &new.source.0, &new.key)?;
    let Some(moved) = new.moved_from else {
        let at_key = match living {
            Some(id) => Some(id),
            None => deleted_at(db, tenant, collection_id, &new.source.0, &new.key)?,
        };
        return at_key.map(|id| load(db, tenant, id)).transpose();
    };
    let known = load(db, tenant, moved)?;
    if known.collection_id != collection_id || known.source != new.source.0 {
        return Err(conflict(format!(
            "document `{moved}` belongs to another collection or source and cannot move to `{}`",
            new.key
        )));
    }
    if living.is_some_and(|id| id != moved) {
        return Err(taken(&new.key));
    }
    Ok(Some(known))
}

pub(super) fn taken(key: &str) -> DbError {
    conflict(format!("another document stands at `{key}`"))
}

/// The living document at a key.
pub(super) fn living_at(
    db: &Db<'_>,
    tenant: TenantId,
    collection_id: i64,
    source: &str,
    key: &str,
) -> DbResult<Option<DocumentId>> {
    let id: Option<i64> = db
        .conn
        .prepare_cached(
            "SELECT document_id FROM documents
             WHERE tenant_id = ?1 AND collection_id = ?2 AND source = ?3 AND item_key = ?4
               AND deleted_at IS NULL",
        )?
        .query_row((tenant.0, collection_id, source, key), |row| row.get(0))
        .optional()?;
    Ok(id.map(|id| DocumentId(id_from_sql(id))))
}

/// The document at a key that was deleted last.
fn deleted_at(
    db: &Db<'_>,
    tenant: TenantId,
    collection_id: i64,
    source: &str,
    key: &str,
) -> DbResult<Option<DocumentId>> {
    let id: Option<i64> = db
        .conn
        .prepare_cached(
            "SELECT document_id FROM documents
             WHERE tenant_id = ?1 AND collection_id = ?2 AND source = ?3 AND item_key = ?4
               AND deleted_at IS NOT NULL
             ORDER BY changed_seq DESC LIMIT 1",
        )?
        .query_row((tenant.0, collection_id, source, key), |row| row.get(0))
        .optional()?;
    Ok(id.map(|id| DocumentId(id_from_sql(id))))
}

pub(super) fn load(db: &Db<'_>, tenant: TenantId, id: DocumentId) -> DbResult<Known> {
    let mut statement = db.conn.prepare_cached(
        "SELECT d.collection_id, d.source, d.item_key, d.uri, d.title, d.media_type, d.tags, d.acl_id,
                d.modified_at, d.deleted_at IS NOT NULL, d.version, v.blob, v.fingerprint, d.changed_seq
         FROM documents d
         JOIN versions v
           ON v.tenant_id = d.tenant_id AND v.document_id = d.document_id AND v.version = d.version
         WHERE d.tenant_id = ?1 AND d.document_id = ?2",
    )?;
    let known = statement
        .query_row((tenant.0, id_to_sql(id.0)), |row| {
            let changed_seq: i64 = row.get(13)?;
            Ok(Known {
                id,
                collection_id: row.get(0)?,
                source: row.get(1)?,
                key: row.get(2)?,
                uri: row.get(3)?,
                title: row.get(4)?,
                media_type: row.get(5)?,
                tags: row.get(6)?,
                acl_id: row.get(7)?,
                modified_at: row.get(8)?,
                is_deleted: row.get(9)?,
                version: row.get(10)?,
                blob: row.get(11)?,
                fingerprint: row.get(12)?,
                changed_seq: changed_seq.cast_unsigned(),
            })
        })
        .optional()?;
    known.ok_or_else(|| not_found("document", id))
}

/// The document as a publication wants it.
struct Row<'a> {
    collection_id: i64,
    acl_id: i64,
    tags: String,
    modified_at: Option<i64>,
    new: &'a PublishVersion,
}

impl Row<'_> {
    fn differs(&self, known: &Known) -> bool {
        let new = self.new;
        known.key != new.key
            || known.uri != new.uri
            || known.title != new.title
            || known.media_type != new.media_type
            || known.tags != self.tags
            || known.acl_id != self.acl_id
            || known.modified_at != self.modified_at
    }

    fn insert(&self, db: &Db<'_>, tenant: TenantId, id: DocumentId, seq: Seq) -> DbResult<()> {
        let new = self.new;
        db.conn
            .prepare_cached(
                "INSERT INTO documents
                     (tenant_id, document_id, collection_id, source, item_key, uri, title, media_type, tags,
                      acl_id, version, modified_at, created_at, changed_seq)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1, ?11, ?12, ?13)",
            )?
            .execute(params![
                tenant.0,
                id_to_sql(id.0),
                self.collection_id,
                new.source.0,
                new.key,
                new.uri,
                new.title,
                new.media_type,
                self.tags,
                self.acl_id,
                self.modified_at,
                db.now.0,
                to_sql(seq.0, "the position")?,
            ])?;
        Ok(())
    }

    fn update(
        &self,
        db: &Db<'_>,
        tenant: TenantId,
        known: &Known,
        version: u32,
        seq: Seq,
    ) -> DbResult<()> {
        let new = self.new;
        db.conn
            .prepare_cached(
                "UPDATE documents
                 SET item_key = ?3, uri = ?4, title = ?5, media_type = ?6, tags = ?7, acl_id = ?8,
                     version = ?9, modified_at = ?10, changed_seq = ?11, deleted_at = NULL
                 WHERE tenant_id = ?1 AND document_id = ?2",
            )?
            .execute(params![
                tenant.0,
                id_to_sql(known.id.0),
                new.key,
                new.uri,
                new.title,
                new.media_type,
                self.tags,
                self.acl_id,
                version,
                self.modified_at,
                to_sql(seq.0, "the position")?,
            ])?;
        Ok(())
    }
}

/// An id for a new document: derived from where it is first seen. An earlier document that was first seen
/// there may have moved away with its id; then the salt tells them apart.
fn free_id(db: &Db<'_>, tenant: TenantId, new: &PublishVersion) -> DbResult<DocumentId> {
    let mut is_taken = db
        .conn
        .prepare_cached("SELECT 1 FROM documents WHERE tenant_id = ?1 AND document_id = ?2")?;
    for salt in 0..=u32::MAX {
        let id = DocumentId::derive(tenant, &new.collection, &new.source.0, &new.key, salt);
        if !is_taken.exists((tenant.0, id_to_sql(id.0)))? {
            return Ok(id);
        }
    }
    Err(invalid("no id is left for the document"))
}

/// Takes the tenant's next position for a change of this document and records it.
pub(super) fn next_seq(db: &Db<'_>, tenant: TenantId, document: DocumentId) -> DbResult<Seq> {
    let seq: i64 = db
        .conn
        .prepare_cached(
            "UPDATE tenants SET head_seq = head_seq + 1 WHERE tenant_id = ?1 RETURNING head_seq",
        )?
        .query_row([tenant.0], |row| row.get(0))?;
    db.conn
        .prepare_cached("INSERT INTO changes (tenant_id, seq, document_id) VALUES (?1, ?2, ?3)")?
        .execute((tenant.0, seq, id_to_sql(document.0)))?;
    Ok(Seq(from_sql(seq, "a position")?))
}

/// Stores the rendition, the version and its chunks; the document's row stands already.
fn add_version(
    db: &Db<'_>,
    tenant: TenantId,
    document: DocumentId,
    version: VersionNo,
    seq: Seq,
    new: &PublishVersion,
) -> DbResult<()> {
    let rendition = renditions::intern(db, tenant, new)?;
    let n_chunks = to_sql(new.chunks.len(), "the number of chunks")?;
    let first_chunk: i64 = db
        .conn
        .prepare_cached(
            "UPDATE tenants SET next_chunk_no = next_chunk_no + ?2 WHERE tenant_id = ?1
             RETURNING next_chunk_no - ?2",
        )?
        .query_row((tenant.0, n_chunks), |row| row.get(0))?;
    if first_chunk + n_chunks > CHUNK_NUMBERS {
        return Err(invalid(format!(
            "the tenant has used up its {CHUNK_NUMBERS} chunk numbers"
        )));
    }
    db.conn
        .prepare_cached(
            "INSERT INTO versions
                 (tenant_id, document_id, version, rendition_id, blob, fingerprint, size_bytes, status,
                  first_chunk, n_chunks, published_at, live_from)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            tenant.0,
            id_to_sql(document.0),
            version.0,
            rendition,
            new.blob.0,
            new.fingerprint.0,
            to_sql(new.size_bytes, "the size")?,
            word(new.status, "the status")?,
            first_chunk,
            n_chunks,
            db.now.0,
            to_sql(seq.0, "the position")?,
        ])?;
    let spans = new.chunks.iter().map(|chunk| chunk.meta.span);
    let offsets = ByteOffsets::of(&new.text, spans.flat_map(|span| [span.start, span.end]));
    let mut insert = db.conn.prepare_cached(
        "INSERT INTO chunks
             (tenant_id, chunk_no, document_id, version, rendition_id, ordinal, char_start, char_end,
              byte_start, byte_end, page, heading_path, lang, n_tokens, input_hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?;
    for chunk in &new.chunks {
        let meta = &chunk.meta;
        let bytes = offsets.range(meta.span).ok_or_else(|| {
            invalid(format!(
                "chunk {} reaches to character {}, past the end of the text",
                meta.ordinal, meta.span.end
            ))
        })?;
        insert.execute(params![
            tenant.0,
            first_chunk + i64::from(meta.ordinal),
            id_to_sql(document.0),
            version.0,
            rendition,
            meta.ordinal,
            to_sql(meta.span.start, "a span")?,
            to_sql(meta.span.end, "a span")?,
            to_sql(bytes.start, "a span")?,
            to_sql(bytes.end, "a span")?,
            meta.page,
            meta.heading_path,
            meta.lang,
            meta.n_tokens,
            chunk.input_hash.0,
        ])?;
    }
    Ok(())
}

/// The current version and its chunks live no longer. One that was ended by a deletion keeps that position.
pub(super) fn end_version(
    db: &Db<'_>,
    tenant: TenantId,
    document: DocumentId,
    seq: Seq,
) -> DbResult<()> {
    db.conn
        .prepare_cached(
            "UPDATE versions SET live_to = ?3
             WHERE tenant_id = ?1 AND document_id = ?2 AND live_to IS NULL",
        )?
        .execute((
            tenant.0,
            id_to_sql(document.0),
            to_sql(seq.0, "the position")?,
        ))?;
    Ok(())
}

/// The last version of a document that was deleted lives again, with the chunk numbers that it had.
pub(super) fn revive(
    db: &Db<'_>,
    tenant: TenantId,
    document: DocumentId,
    seq: Seq,
) -> DbResult<()> {
    let seq = to_sql(seq.0, "the position")?;
    db.conn
        .prepare_cached(
            "UPDATE versions SET live_to = NULL
             WHERE tenant_id = ?1 AND document_id = ?2
               AND version = (SELECT version FROM documents WHERE tenant_id = ?1 AND document_id = ?2)",
        )?
        .execute((tenant.0, id_to_sql(document.0)))?;
    db.conn
        .prepare_cached("UPDATE tenants SET restored_seq = ?2 WHERE tenant_id = ?1")?
        .execute((tenant.0, seq))?;
    Ok(())
}
