//! What the write path and the indexes read: known items, vectors, changes, documents and chunks.
//!
//! These take a [`SystemScope`]; nothing here is shown to a caller. Long lists of ids are looked up one by one
//! with a prepared statement inside one transaction (some microseconds each), so there is no limit to them.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::PoisonError;

use cairn_types::ports::{Change, IndexChunk, IndexDocument, KnownItem};
use cairn_types::{
    AccessList, ChunkNo, DocumentId, EmbeddingSpace, InputHash, Seq, Source, SystemScope, TenantId,
    Timestamp,
};
use rusqlite::{OptionalExtension, Row, params};

use super::change::touch_with_inputs;
use super::failure::{DbResult, corrupt, invalid};
use super::renditions::TextReader;
use super::rows::{
    from_sql, id_from_sql, id_to_sql, read_blob_hash, read_fingerprint, read_input_hash, read_set,
    to_sql,
};
use super::threads::Db;

/// A space that nothing was stored in yet: no row has this id.
const NO_SPACE: i64 = -1;

/// The query of [`known_items`], over all keys or over those from `?4` up to `?5`. Two halves, so that each
/// goes along its own index of keys.
pub(super) fn known_items_sql(range: KeyRange) -> String {
    let range = match range {
        KeyRange::All => "",
        KeyRange::Between => "AND d.item_key >= ?4 AND d.item_key < ?5",
    };
    let half = |is_deleted: &str, condition: &str| {
        format!(
            "SELECT d.item_key AS item_key, d.document_id, v.blob, v.fingerprint, v.size_bytes,
                    d.modified_at, d.tags, d.acl_id, {is_deleted} AS is_deleted,
                    d.changed_seq AS changed_seq
             FROM collections c
             CROSS JOIN documents d ON d.tenant_id = c.tenant_id AND d.collection_id = c.collection_id
             CROSS JOIN versions v
               ON v.tenant_id = d.tenant_id AND v.document_id = d.document_id AND v.version = d.version
             WHERE c.tenant_id = ?1 AND c.name = ?2 AND d.source = ?3 AND d.deleted_at {condition} {range}"
        )
    };
    format!(
        "{} UNION ALL {} ORDER BY item_key, is_deleted, changed_seq DESC",
        half("0", "IS NULL"),
        half("1", "IS NOT NULL")
    )
}

/// Which keys [`known_items_sql`] goes over.
#[derive(Debug, Clone, Copy)]
pub(super) enum KeyRange {
    All,
    Between,
}

pub(super) fn known_items(
    db: &Db<'_>,
    system: SystemScope,
    collection: &str,
    source: &Source,
    prefix: &str,
) -> DbResult<Vec<KnownItem>> {
    let base = prefix.trim_end_matches('/');
    let is_below = |key: &str| {
        prefix.is_empty()
            || key == prefix
            || key
                .strip_prefix(base)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // All keys below `base` and some beside it: `0` is the character after `/`.
    let end = format!("{base}0");
    let range = [collection, source.0.as_str(), base, end.as_str()];
    let (kind, n_bounds) = match prefix {
        "" => (KeyRange::All, 2),
        _ => (KeyRange::Between, 4),
    };
    let mut statement = db.conn.prepare_cached(&known_items_sql(kind))?;
    statement.raw_bind_parameter(1, system.tenant.0)?;
    for (at, bound) in (2..).zip(&range[..n_bounds]) {
        statement.raw_bind_parameter(at, bound)?;
    }
    let mut rows = statement.raw_query();
    let mut items: Vec<KnownItem> = Vec::new();
    while let Some(row) = rows.next()? {
        let key = row.get_ref(0)?;
        let key = key.as_str().map_err(|_| corrupt("a key"))?;
        // Of several documents at one key the first is the one that a publication there is about.
        if !is_below(key) || items.last().is_some_and(|item| item.key == key) {
            continue;
        }
        items.push(KnownItem {
            document: DocumentId(id_from_sql(row.get(1)?)),
            key: key.to_owned(),
            blob: read_blob_hash(row, 2)?,
            fingerprint: read_fingerprint(row, 3)?,
            size_bytes: from_sql(row.get(4)?, "a size")?,
            modified_at: row.get::<_, Option<i64>>(5)?.map(Timestamp),
            tags: read_set(row, 6)?,
            access: AccessList::clone(&*db.acl(row.get(7)?)?),
            is_deleted: row.get(8)?,
        });
    }
    Ok(items)
}

fn space_id(db: &Db<'_>, tenant: TenantId, space: &EmbeddingSpace) -> DbResult<Option<i64>> {
    let id = db
        .conn
        .prepare_cached("SELECT space_id FROM spaces WHERE tenant_id = ?1 AND space_key = ?2")?
        .query_row((tenant.0, space.key()), |row| row.get(0))
        .optional()?;
    Ok(id)
}

pub(super) fn missing_vectors(
    db: &Db<'_>,
    system: SystemScope,
    space: &EmbeddingSpace,
    inputs: &[InputHash],
) -> DbResult<Vec<InputHash>> {
    let space = space_id(db, system.tenant, space)?.unwrap_or(NO_SPACE);
    let mut is_there = db
        .conn
        .prepare_cached("SELECT 1 FROM vectors WHERE space_id = ?1 AND input_hash = ?2")?;
    let mut seen = HashSet::new();
    let mut missing = Vec::new();
    for input in inputs {
        if seen.insert(*input) && !is_there.exists((space, input.0))? {
            missing.push(*input);
        }
    }
    Ok(missing)
}

pub(super) fn put_vectors(
    db: &Db<'_>,
    system: SystemScope,
    space: &EmbeddingSpace,
    vectors: &[(InputHash, Vec<u8>)],
) -> DbResult<()> {
    db.head(system.tenant)?;
    let n_bytes = space.dim as usize * 2;
    for (_, vector) in vectors {
        if vector.len() != n_bytes {
            return Err(invalid(format!(
                "a vector has {} bytes, a space of {} dimensions expects {n_bytes}",
                vector.len(),
                space.dim
            )));
        }
        // An exponent of all ones is an infinity or not a number: it would spoil every comparison.
        if vector
            .iter()
            .skip(1)
            .step_by(2)
            .any(|high| high & 0x7c == 0x7c)
        {
            return Err(invalid(
                "a vector holds a value that is not a finite number",
            ));
        }
    }
    if vectors.is_empty() {
        return Ok(());
    }
    let space_id = match space_id(db, system.tenant, space)? {
        Some(id) => id,
        None => db
            .conn
            .prepare_cached(
                "INSERT INTO spaces (tenant_id, space_key, model, dim, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .insert(params![
                system.tenant.0,
                space.key(),
                space.model,
                space.dim,
                db.now.0
            ])?,
    };
    let mut insert = db.conn.prepare_cached(
        "INSERT INTO vectors (space_id, input_hash, vector) VALUES (?1, ?2, ?3)
         ON CONFLICT (space_id, input_hash) DO NOTHING",
    )?;
    let mut came = Vec::new();
    for (input, vector) in vectors {
        if insert.execute((space_id, input.0, vector))? > 0 {
            came.push(input);
        }
    }
    touch_with_inputs(db, system.tenant, came.into_iter())
}

/// Living chunks as the indexes take them in: `?1` tenant, `?2` space, then what follows on `c`. The order of
/// the joins is fixed, so that the walk goes along the chunks' primary key.
pub(super) const INDEX_CHUNK: &str = "
    SELECT c.chunk_no, d.title, c.heading_path, c.rendition_id, c.byte_start, c.byte_end, c.lang,
           c.input_hash, x.vector
    FROM chunks c
    CROSS JOIN documents d
      ON d.tenant_id = c.tenant_id AND d.document_id = c.document_id AND d.version = c.version
         AND d.deleted_at IS NULL
    LEFT JOIN vectors x ON x.space_id = ?2 AND x.input_hash = c.input_hash
    WHERE c.tenant_id = ?1 ";

fn read_index_chunk(row: &Row<'_>, texts: &mut TextReader<'_>) -> DbResult<IndexChunk> {
    let start = from_sql(row.get(4)?, "a span")?;
    let end = from_sql(row.get(5)?, "a span")?;
    Ok(IndexChunk {
        chunk_no: ChunkNo(row.get(0)?),
        title: row.get(1)?,
        heading_path: row.get(2)?,
        text: texts.read(row.get(3)?, start..end)?,
        lang: row.get(6)?,
        input_hash: read_input_hash(row, 7)?,
        vector: row.get(8)?,
    })
}

/// What [`index_chunks`] adds to [`INDEX_CHUNK`].
pub(super) const IN_RANGE: &str = " AND c.chunk_no BETWEEN ?3 AND ?4 ORDER BY c.chunk_no";

pub(super) fn index_chunks(
    db: &Db<'_>,
    system: SystemScope,
    space: Option<&EmbeddingSpace>,
    chunks: &RangeInclusive<u32>,
) -> DbResult<Vec<IndexChunk>> {
    let space = match space {
        Some(space) => space_id(db, system.tenant, space)?,
        None => None,
    };
    let sql = format!("{INDEX_CHUNK}{IN_RANGE}");
    let mut statement = db.conn.prepare_cached(&sql)?;
    let mut rows = statement.query((
        system.tenant.0,
        space.unwrap_or(NO_SPACE),
        chunks.start(),
        chunks.end(),
    ))?;
    let mut texts = TextReader::new(db);
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read_index_chunk(row, &mut texts)?);
    }
    Ok(found)
}

/// What [`chunks_without_vector`] adds to [`INDEX_CHUNK`].
pub(super) const WITHOUT_VECTOR: &str =
    " AND c.chunk_no >= ?3 AND x.vector_id IS NULL ORDER BY c.chunk_no LIMIT ?4";

/// Walks from the lowest chunk that may lack its vector. What was found complete is remembered per space, so
/// that filling a large catalog batch by batch walks it once; a restored document begins the walk anew.
pub(super) fn chunks_without_vector(
    db: &Db<'_>,
    system: SystemScope,
    space: &EmbeddingSpace,
    limit: usize,
) -> DbResult<Vec<IndexChunk>> {
    let space = space_id(db, system.tenant, space)?;
    let (restored_seq, next_chunk_no): (i64, i64) = db
        .conn
        .prepare_cached("SELECT restored_seq, next_chunk_no FROM tenants WHERE tenant_id = ?1")?
        .query_row([system.tenant.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .unwrap_or_default();
    let restored_seq = restored_seq.cast_unsigned();
    let known = || {
        db.shared
            .embedded_below
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    };
    let start = space.and_then(|space| known().get(&space).copied());
    let start = start.filter(|(restored, _)| *restored == restored_seq);
    let start = start.map_or(0, |(_, below)| below);
    let sql = format!("{INDEX_CHUNK}{WITHOUT_VECTOR}");
    let mut statement = db.conn.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query((system.tenant.0, space.unwrap_or(NO_SPACE), start, limit))?;
    let mut texts = TextReader::new(db);
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read_index_chunk(row, &mut texts)?);
    }
    if let Some(space) = space
        && limit > 0
    {
        // The last number is never given, so a bound of u32 reaches past all living chunks but that one.
        let end = u32::try_from(next_chunk_no).unwrap_or(u32::MAX);
        let below = found.first().map_or(end, |chunk| chunk.chunk_no.0);
        let mut known = known();
        let entry = known.entry(space).or_insert((restored_seq, below));
        if entry.0 < restored_seq {
            *entry = (restored_seq, below);
        } else if entry.0 == restored_seq {
            entry.1 = entry.1.max(below);
        }
    }
    Ok(found)
}

pub(super) fn changes_after(
    db: &Db<'_>,
    system: SystemScope,
    after: Seq,
    limit: usize,
) -> DbResult<Vec<Change>> {
    let mut statement = db.conn.prepare_cached(
        "SELECT seq, document_id FROM changes WHERE tenant_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
    )?;
    let after = i64::try_from(after.0).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query((system.tenant.0, after, limit))?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(Change {
            seq: Seq(to_seq(row.get(0)?)?),
            document: DocumentId(id_from_sql(row.get(1)?)),
        });
    }
    Ok(changes)
}

fn to_seq(stored: i64) -> DbResult<u64> {
    from_sql(stored, "a position")
}

/// Documents as the indexes see them: `?1` tenant, then what follows on `d`.
pub(super) const INDEX_DOCUMENT: &str = "
    SELECT d.document_id, c.name, d.source, d.item_key, d.uri, d.media_type, d.tags, d.acl_id,
           coalesce(d.modified_at, v.published_at), d.deleted_at IS NULL, v.first_chunk, v.n_chunks
    FROM documents d
    JOIN collections c ON c.collection_id = d.collection_id
    JOIN versions v
      ON v.tenant_id = d.tenant_id AND v.document_id = d.document_id AND v.version = d.version
    WHERE d.tenant_id = ?1 ";

fn read_index_document(db: &Db<'_>, row: &Row<'_>) -> DbResult<IndexDocument> {
    let is_living: bool = row.get(9)?;
    let (first, n): (u32, u32) = (row.get(10)?, row.get(11)?);
    Ok(IndexDocument {
        id: DocumentId(id_from_sql(row.get(0)?)),
        collection: row.get(1)?,
        source: Source(row.get(2)?),
        key: row.get(3)?,
        uri: row.get(4)?,
        media_type: row.get(5)?,
        tags: read_set(row, 6)?,
        access: AccessList::clone(&*db.acl(row.get(7)?)?),
        changed_at: Timestamp(row.get(8)?),
        chunks: (is_living && n > 0).then(|| first..=first + (n - 1)),
    })
}

/// What an index is told of a document that the catalog does not know: that it has nothing to keep.
fn gone(id: DocumentId) -> IndexDocument {
    IndexDocument {
        id,
        collection: String::new(),
        source: Source(String::new()),
        key: String::new(),
        uri: String::new(),
        media_type: String::new(),
        tags: std::collections::BTreeSet::new(),
        access: AccessList::owner_only(),
        changed_at: Timestamp(0),
        chunks: None,
    }
}

pub(super) fn index_documents(
    db: &Db<'_>,
    system: SystemScope,
    documents: Option<&[DocumentId]>,
) -> DbResult<(Seq, Vec<IndexDocument>)> {
    let head = db.head(system.tenant)?;
    let mut found = Vec::new();
    match documents {
        None => {
            let sql = format!("{INDEX_DOCUMENT} ORDER BY d.document_id");
            let mut statement = db.conn.prepare_cached(&sql)?;
            let mut rows = statement.query([system.tenant.0])?;
            while let Some(row) = rows.next()? {
                found.push(read_index_document(db, row)?);
            }
        }
        Some(ids) => {
            let sql = format!("{INDEX_DOCUMENT} AND d.document_id = ?2");
            let mut statement = db.conn.prepare_cached(&sql)?;
            for id in ids {
                let mut rows = statement.query((system.tenant.0, id_to_sql(id.0)))?;
                found.push(match rows.next()? {
                    Some(row) => read_index_document(db, row)?,
                    None => gone(*id),
                });
            }
        }
    }
    Ok((head, found))
}

/// Stops a size that no row can hold before it is stored.
pub(super) fn size_to_sql(size_bytes: u64) -> DbResult<i64> {
    to_sql(size_bytes, "the size")
}
