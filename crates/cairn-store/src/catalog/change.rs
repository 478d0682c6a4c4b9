//! Changes to a known document without a version: set metadata, move, delete, restore.
//!
//! Those on behalf of a person pass the scope first: what it may not read, it may not change or know of.

use std::collections::BTreeSet;

use cairn_types::{AccessList, DocumentId, InputHash, Scope, Seq, SystemScope, TenantId};

use super::failure::{DbResult, invalid, not_found};
use super::publish::{Known, end_version, living_at, load, next_seq, revive, taken};
use super::rows::{id_from_sql, id_to_sql, json, to_sql};
use super::threads::Db;

/// The document where the scope may read it; `NotFound` where it may not or there is none.
fn load_permitted(db: &Db<'_>, scope: &Scope, id: DocumentId) -> DbResult<Known> {
    let known = load(db, scope.tenant(), id)?;
    if !scope.permits(&db.stored_acl(known.acl_id)?) {
        return Err(not_found("document", id));
    }
    Ok(known)
}

pub(super) fn set_metadata(
    db: &Db<'_>,
    scope: &Scope,
    document: DocumentId,
    tags: Option<&BTreeSet<String>>,
    access: Option<&AccessList>,
) -> DbResult<Seq> {
    let known = load_permitted(db, scope, document)?;
    let tenant = scope.tenant();
    let new_tags = tags.map(|tags| json(tags, "the tags")).transpose()?;
    let new_tags = new_tags.unwrap_or_else(|| known.tags.clone());
    let new_acl = access
        .map(|access| db.intern_acl(tenant, access))
        .transpose()?;
    let new_acl = new_acl.unwrap_or(known.acl_id);
    if new_tags == known.tags && new_acl == known.acl_id {
        return Ok(Seq(known.changed_seq));
    }
    let seq = next_seq(db, tenant, document)?;
    db.conn
        .prepare_cached(
            "UPDATE documents SET tags = ?3, acl_id = ?4, changed_seq = ?5
             WHERE tenant_id = ?1 AND document_id = ?2",
        )?
        .execute((
            tenant.0,
            id_to_sql(document.0),
            &new_tags,
            new_acl,
            to_sql(seq.0, "the position")?,
        ))?;
    Ok(seq)
}

pub(super) fn move_document(
    db: &Db<'_>,
    system: SystemScope,
    document: DocumentId,
    key: &str,
    uri: &str,
) -> DbResult<Seq> {
    let tenant = system.tenant;
    let known = load(db, tenant, document)?;
    if key.is_empty() {
        return Err(invalid("a document needs a path or an external id"));
    }
    if known.key == key && known.uri == uri {
        return Ok(Seq(known.changed_seq));
    }
    let there = living_at(db, tenant, known.collection_id, &known.source, key)?;
    if !known.is_deleted && there.is_some_and(|id| id != document) {
        return Err(taken(key));
    }
    let seq = next_seq(db, tenant, document)?;
    db.conn
        .prepare_cached(
            "UPDATE documents SET item_key = ?3, uri = ?4, changed_seq = ?5
             WHERE tenant_id = ?1 AND document_id = ?2",
        )?
        .execute((
            tenant.0,
            id_to_sql(document.0),
            key,
            uri,
            to_sql(seq.0, "the position")?,
        ))?;
    Ok(seq)
}

pub(super) fn delete_documents(
    db: &Db<'_>,
    scope: &Scope,
    documents: &[DocumentId],
) -> DbResult<Seq> {
    let tenant = scope.tenant();
    let mut last = None;
    for document in documents {
        let known = load_permitted(db, scope, *document)?;
        let seq = if known.is_deleted {
            Seq(known.changed_seq)
        } else {
            let seq = next_seq(db, tenant, *document)?;
            end_version(db, tenant, *document, seq)?;
            db.conn
                .prepare_cached(
                    "UPDATE documents SET deleted_at = ?3, changed_seq = ?4
                     WHERE tenant_id = ?1 AND document_id = ?2",
                )?
                .execute((
                    tenant.0,
                    id_to_sql(document.0),
                    db.now.0,
                    to_sql(seq.0, "the position")?,
                ))?;
            seq
        };
        last = last.max(Some(seq));
    }
    last.map_or_else(|| db.head(tenant), Ok)
}

pub(super) fn restore_document(db: &Db<'_>, scope: &Scope, document: DocumentId) -> DbResult<Seq> {
    let tenant = scope.tenant();
    let known = load_permitted(db, scope, document)?;
    if !known.is_deleted {
        return Ok(Seq(known.changed_seq));
    }
    if living_at(db, tenant, known.collection_id, &known.source, &known.key)?.is_some() {
        return Err(taken(&known.key));
    }
    let seq = next_seq(db, tenant, document)?;
    db.conn
        .prepare_cached(
            "UPDATE documents SET deleted_at = NULL, changed_seq = ?3
             WHERE tenant_id = ?1 AND document_id = ?2",
        )?
        .execute((
            tenant.0,
            id_to_sql(document.0),
            to_sql(seq.0, "the position")?,
        ))?;
    revive(db, tenant, document, seq)?;
    Ok(seq)
}

/// Living documents with a chunk of this input: `?1` tenant, `?2` hash. The `+` keeps the planner from walking all chunks of
/// the tenant.
pub(super) const WITH_INPUT: &str = "
    SELECT c.document_id FROM chunks c
    CROSS JOIN documents d
      ON d.tenant_id = c.tenant_id AND d.document_id = c.document_id AND d.version = c.version
         AND d.deleted_at IS NULL
    WHERE +c.tenant_id = ?1 AND c.input_hash = ?2";

/// Change records for the living documents that have a chunk of one of these inputs.
pub(super) fn touch_with_inputs<'a>(
    db: &Db<'_>,
    tenant: TenantId,
    inputs: impl Iterator<Item = &'a InputHash>,
) -> DbResult<()> {
    let mut with_input = db.conn.prepare_cached(WITH_INPUT)?;
    let mut documents = BTreeSet::new();
    for input in inputs {
        let mut rows = with_input.query((tenant.0, input.0))?;
        while let Some(row) = rows.next()? {
            documents.insert(row.get::<_, i64>(0)?);
        }
    }
    for id in documents {
        let seq = next_seq(db, tenant, DocumentId(id_from_sql(id)))?;
        db.conn
            .prepare_cached(
                "UPDATE documents SET changed_seq = ?3 WHERE tenant_id = ?1 AND document_id = ?2",
            )?
            .execute((tenant.0, id, to_sql(seq.0, "the position")?))?;
    }
    Ok(())
}
