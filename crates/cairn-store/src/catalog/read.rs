//! Scoped reads: the only way by which document content reaches a caller.
//!
//! Every read runs in one read transaction and tests tenant, deletion, current version and access list there,
//! at the catalog's newest state: an index that lags behind can lose a passage here, never show one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cairn_types::ports::{DocumentPage, Original, StoredElements};
use cairn_types::{
    BlobHash, CharSpan, ChunkId, ChunkMeta, ChunkNo, Collection, DocumentFilter, DocumentId,
    DocumentSummary, Passage, Scope, TenantId, Timestamp, VersionNo,
};
use rusqlite::{OptionalExtension, Row};

use super::failure::{DbResult, corrupt, invalid, not_found};
use super::filter::ReadyFilter;
use super::renditions::{self, TextReader};
use super::rows::{SUMMARY, StoredDocument, from_sql, id_from_sql, id_to_sql, read_summary};
use super::threads::Db;

/// A chunk's row: complete with `WHERE`.
pub(super) const CHUNK: &str = "
    SELECT chunk_no, document_id, version, rendition_id, ordinal, char_start, char_end, byte_start, byte_end,
           page, heading_path, lang, n_tokens
    FROM chunks WHERE tenant_id = ?1 ";

/// A row of [`CHUNK`].
struct StoredChunk {
    chunk_no: ChunkNo,
    document: DocumentId,
    version: VersionNo,
    rendition: i64,
    bytes: std::ops::Range<usize>,
    meta: ChunkMeta,
}

impl StoredChunk {
    fn read(row: &Row<'_>) -> DbResult<Self> {
        let place = |column| -> DbResult<usize> { from_sql(row.get(column)?, "a span") };
        let (start, end) = (place(5)?, place(6)?);
        if start > end {
            return Err(corrupt("a span"));
        }
        Ok(Self {
            chunk_no: ChunkNo(row.get(0)?),
            document: DocumentId(id_from_sql(row.get(1)?)),
            version: VersionNo(row.get(2)?),
            rendition: row.get(3)?,
            bytes: place(7)?..place(8)?,
            meta: ChunkMeta {
                ordinal: row.get(4)?,
                span: CharSpan::new(start, end),
                page: row.get(9)?,
                heading_path: row.get(10)?,
                lang: row.get(11)?,
                n_tokens: row.get(12)?,
            },
        })
    }

    fn into_passage(
        self,
        texts: &mut TextReader<'_>,
        document: Arc<DocumentSummary>,
    ) -> DbResult<Passage> {
        Ok(Passage {
            chunk_no: self.chunk_no,
            id: ChunkId {
                document: self.document,
                version: self.version,
                ordinal: self.meta.ordinal,
            },
            text: texts.read(self.rendition, self.bytes)?,
            meta: self.meta,
            document,
        })
    }
}

/// The document where the scope may read it; deleted ones too.
fn find(db: &Db<'_>, scope: &Scope, id: DocumentId) -> DbResult<Option<StoredDocument>> {
    let sql = format!("{SUMMARY} AND d.document_id = ?2");
    let mut statement = db.conn.prepare_cached(&sql)?;
    let mut rows = statement.query((scope.tenant().0, id_to_sql(id.0)))?;
    rows.next()?
        .map_or(Ok(None), |row| read_summary(db, scope, row))
}

/// The document where the scope may read it and it is not deleted.
fn find_living(db: &Db<'_>, scope: &Scope, id: DocumentId) -> DbResult<StoredDocument> {
    find(db, scope, id)?
        .filter(|document| document.summary.deleted_at.is_none())
        .ok_or_else(|| not_found("document", id))
}

pub(super) fn hydrate(
    db: &Db<'_>,
    scope: &Scope,
    chunks: &[ChunkNo],
) -> DbResult<HashMap<ChunkNo, Passage>> {
    let sql = format!("{CHUNK} AND chunk_no = ?2");
    let mut statement = db.conn.prepare_cached(&sql)?;
    let mut documents: HashMap<DocumentId, Option<Arc<DocumentSummary>>> = HashMap::new();
    let mut wanted = chunks.to_vec();
    // In order of number the chunks of one rendition stand together.
    wanted.sort_unstable();
    wanted.dedup();
    let mut texts = TextReader::new(db);
    let mut passages = HashMap::with_capacity(wanted.len());
    for chunk_no in wanted {
        let mut rows = statement.query((scope.tenant().0, chunk_no.0))?;
        let Some(row) = rows.next()? else { continue };
        let chunk = StoredChunk::read(row)?;
        let document = match documents.get(&chunk.document) {
            Some(document) => document.clone(),
            None => {
                let document = find(db, scope, chunk.document)?
                    .map(|document| document.summary)
                    .filter(|summary| summary.deleted_at.is_none())
                    .map(Arc::new);
                documents.insert(chunk.document, document.clone());
                document
            }
        };
        let Some(document) = document.filter(|document| document.version == chunk.version) else {
            continue;
        };
        passages.insert(chunk_no, chunk.into_passage(&mut texts, document)?);
    }
    Ok(passages)
}

pub(super) fn document(db: &Db<'_>, scope: &Scope, id: DocumentId) -> DbResult<DocumentSummary> {
    find(db, scope, id)?
        .map(|document| document.summary)
        .ok_or_else(|| not_found("document", id))
}

/// What [`documents`] adds to [`SUMMARY`]: a walk along the primary key.
pub(super) const PAGE: &str =
    " AND d.document_id > ?2 AND (?3 OR d.deleted_at IS NULL) ORDER BY d.document_id";

pub(super) fn documents(
    db: &Db<'_>,
    scope: &Scope,
    filter: &DocumentFilter,
    deleted: bool,
    after: Option<DocumentId>,
    limit: usize,
) -> DbResult<DocumentPage> {
    let filter = ReadyFilter::new(filter)?;
    let mut page = DocumentPage {
        documents: Vec::new(),
        next: None,
    };
    // The smallest id sorts after nothing: it is reached by leaving the comparison true for it.
    let sql = match after {
        Some(_) => format!("{SUMMARY}{PAGE}"),
        None => format!("{SUMMARY}{}", PAGE.replace("> ?2", ">= ?2")),
    };
    let after = after.map_or(i64::MIN, |id| id_to_sql(id.0));
    let mut statement = db.conn.prepare_cached(&sql)?;
    let mut rows = statement.query((scope.tenant().0, after, deleted))?;
    while let Some(row) = rows.next()? {
        let Some(document) = read_summary(db, scope, row)? else {
            continue;
        };
        if !filter.passes(&document.summary) {
            continue;
        }
        if page.documents.len() >= limit {
            page.next = page.documents.last().map(|document| document.id);
            break;
        }
        page.documents.push(document.summary);
    }
    Ok(page)
}

pub(super) fn chunks(
    db: &Db<'_>,
    scope: &Scope,
    document: DocumentId,
    after: Option<u32>,
    limit: usize,
) -> DbResult<Vec<Passage>> {
    let StoredDocument {
        summary,
        first_chunk,
    } = find_living(db, scope, document)?;
    let first = u64::from(first_chunk) + after.map_or(0, |after| u64::from(after) + 1);
    let end = u64::from(first_chunk) + u64::from(summary.n_chunks);
    let n = end.saturating_sub(first).min(limit as u64);
    let summary = Arc::new(summary);
    let sql = format!("{CHUNK} AND chunk_no >= ?2 AND chunk_no < ?3 ORDER BY chunk_no");
    let mut statement = db.conn.prepare_cached(&sql)?;
    let mut rows = statement.query((
        scope.tenant().0,
        first.cast_signed(),
        (first + n).cast_signed(),
    ))?;
    let mut texts = TextReader::new(db);
    let mut passages = Vec::new();
    while let Some(row) = rows.next()? {
        let chunk = StoredChunk::read(row)?;
        passages.push(chunk.into_passage(&mut texts, Arc::clone(&summary))?);
    }
    Ok(passages)
}

/// The rendition of a version of a document that the scope may read and that is not deleted.
fn rendition_of(
    db: &Db<'_>,
    scope: &Scope,
    document: DocumentId,
    version: VersionNo,
) -> DbResult<i64> {
    let (tenant, id) = (scope.tenant().0, id_to_sql(document.0));
    let not_there = || not_found("document", document);
    let acl_id: i64 = db
        .conn
        .prepare_cached(
            "SELECT acl_id FROM documents
             WHERE tenant_id = ?1 AND document_id = ?2 AND deleted_at IS NULL",
        )?
        .query_row((tenant, id), |row| row.get(0))
        .optional()?
        .ok_or_else(not_there)?;
    if !db.permits(scope, acl_id)? {
        return Err(not_there());
    }
    db.conn
        .prepare_cached(
            "SELECT rendition_id FROM versions
             WHERE tenant_id = ?1 AND document_id = ?2 AND version = ?3",
        )?
        .query_row((tenant, id, version.0), |row| row.get(0))
        .optional()?
        .ok_or_else(|| not_found("version", format_args!("{document}.{version}")))
}

pub(super) fn text(
    db: &Db<'_>,
    scope: &Scope,
    document: DocumentId,
    version: VersionNo,
    span: CharSpan,
) -> DbResult<String> {
    let rendition = rendition_of(db, scope, document, version)?;
    renditions::text_at(db, rendition, span)?.ok_or_else(|| {
        invalid(format!(
            "the span {}..{} reaches past the end of the text of `{document}`",
            span.start, span.end
        ))
    })
}

pub(super) fn elements(
    db: &Db<'_>,
    scope: &Scope,
    document: DocumentId,
    version: VersionNo,
) -> DbResult<StoredElements> {
    renditions::elements(db, rendition_of(db, scope, document, version)?)
}

pub(super) fn original(
    db: &Db<'_>,
    scope: &Scope,
    document: DocumentId,
    version: VersionNo,
) -> DbResult<Original> {
    // Proves that the scope may read it.
    rendition_of(db, scope, document, version)?;
    let found = db
        .conn
        .prepare_cached(
            "SELECT v.blob, v.size_bytes, d.media_type, d.item_key
             FROM versions v JOIN documents d USING (tenant_id, document_id)
             WHERE v.tenant_id = ?1 AND v.document_id = ?2 AND v.version = ?3",
        )?
        .query_row(
            (scope.tenant().0, id_to_sql(document.0), version.0),
            |row| {
                let (blob, size): (Vec<u8>, i64) = (row.get(0)?, row.get(1)?);
                Ok((blob, size, row.get(2)?, row.get(3)?))
            },
        )?;
    let (blob, size, media_type, key) = found;
    Ok(Original {
        blob: BlobHash(blob.try_into().map_err(|_| corrupt("a hash"))?),
        size_bytes: from_sql(size, "a size")?,
        media_type,
        key,
    })
}

pub(super) fn collections(db: &Db<'_>, scope: &Scope) -> DbResult<Vec<Collection>> {
    let TenantId(tenant) = scope.tenant();
    let mut found = BTreeMap::new();
    let mut statement = db.conn.prepare_cached(
        "SELECT collection_id, name, created_at FROM collections WHERE tenant_id = ?1",
    )?;
    let mut rows = statement.query([tenant])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let collection = Collection {
            name: row.get(1)?,
            n_documents: 0,
            n_chunks: 0,
            created_at: Timestamp(row.get(2)?),
        };
        found.insert(id, collection);
    }
    let mut statement = db.conn.prepare_cached(
        "SELECT d.collection_id, d.acl_id, count(*), sum(v.n_chunks)
         FROM documents d
         JOIN versions v
           ON v.tenant_id = d.tenant_id AND v.document_id = d.document_id AND v.version = d.version
         WHERE d.tenant_id = ?1 AND d.deleted_at IS NULL
         GROUP BY d.collection_id, d.acl_id",
    )?;
    let mut rows = statement.query([tenant])?;
    while let Some(row) = rows.next()? {
        let collection = found
            .get_mut(&row.get(0)?)
            .ok_or_else(|| corrupt("a collection"))?;
        if db.permits(scope, row.get(1)?)? {
            collection.n_documents += from_sql::<u64>(row.get(2)?, "a count")?;
            collection.n_chunks += from_sql::<u64>(row.get(3)?, "a count")?;
        }
    }
    let mut found: Vec<_> = found
        .into_values()
        .filter(|collection| scope.is_owner() || collection.n_documents > 0)
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}
