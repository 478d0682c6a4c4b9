//! How documents were fetched from other machines: one row a document, read by the next run over the same source.

use cairn_types::ports::FetchState;
use cairn_types::{DocumentId, Source, SystemScope, Timestamp};
use rusqlite::{OptionalExtension as _, params};

use super::failure::{DbResult, not_found};
use super::rows::{id_from_sql, id_to_sql};
use super::threads::Db;

/// Along the rows of the table itself: only documents of the web have one.
const FETCH_STATES: &str = "SELECT f.document_id, f.address, f.etag, f.last_modified, f.checked_at
     FROM fetches f
     CROSS JOIN documents d ON d.tenant_id = f.tenant_id AND d.document_id = f.document_id
     CROSS JOIN collections c ON c.collection_id = d.collection_id
     WHERE f.tenant_id = ?1 AND c.name = ?2 AND d.source = ?3
     ORDER BY f.document_id";

pub(super) fn fetch_states(
    db: &Db<'_>,
    system: SystemScope,
    collection: &str,
    source: &Source,
) -> DbResult<Vec<(DocumentId, FetchState)>> {
    let mut statement = db.conn.prepare_cached(FETCH_STATES)?;
    let mut rows = statement.query((system.tenant.0, collection, &source.0))?;
    let mut states = Vec::new();
    while let Some(row) = rows.next()? {
        let state = FetchState {
            address: row.get(1)?,
            etag: row.get(2)?,
            last_modified: row.get(3)?,
            checked_at: Timestamp(row.get(4)?),
        };
        states.push((DocumentId(id_from_sql(row.get(0)?)), state));
    }
    Ok(states)
}

pub(super) fn put_fetch_state(
    db: &Db<'_>,
    system: SystemScope,
    document: DocumentId,
    state: &FetchState,
) -> DbResult<()> {
    let id = id_to_sql(document.0);
    let is_there = db
        .conn
        .prepare_cached("SELECT 1 FROM documents WHERE tenant_id = ?1 AND document_id = ?2")?
        .query_row((system.tenant.0, id), |_| Ok(()))
        .optional()?;
    is_there.ok_or_else(|| not_found("document", document))?;
    db.conn
        .prepare_cached(
            "INSERT INTO fetches (tenant_id, document_id, address, etag, last_modified, checked_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (tenant_id, document_id) DO UPDATE SET address = excluded.address, etag = excluded.etag,
                 last_modified = excluded.last_modified, checked_at = excluded.checked_at",
        )?
        .execute(params![
            system.tenant.0,
            id,
            state.address,
            state.etag,
            state.last_modified,
            state.checked_at.0
        ])?;
    Ok(())
}
