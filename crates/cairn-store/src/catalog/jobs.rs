//! Jobs of the write path and their items.

use cairn_types::ports::CatalogError;
use cairn_types::{
    AccessList, BlobHash, DocumentId, Job, JobId, JobItem, JobKind, JobState, NewJob, Outcome,
    Scope, SystemScope, TenantId, Timestamp,
};
use rusqlite::{OptionalExtension, Row, params};
use sha2::{Digest, Sha256};

use super::failure::{DbError, DbResult, corrupt, invalid, not_found};
use super::index::size_to_sql;
use super::rows::{
    from_sql, from_word, hash_from_sql, id_from_sql, id_to_sql, json, read_set, word,
};
use super::threads::Db;

/// An upload that was begun so often and never ended is given up: it may be what kills the process.
const MAX_ATTEMPTS: u32 = 5;

pub(super) fn accept(db: &Db<'_>, new: &NewJob) -> DbResult<JobId> {
    db.head(new.tenant)?;
    let acl_id = db.intern_acl(new.tenant, &new.access)?;
    let document_acl_id = new
        .document_access
        .as_ref()
        .map(|access| db.intern_acl(new.tenant, access))
        .transpose()?;
    let job_no = db
        .conn
        .prepare_cached(
            "INSERT INTO jobs (tenant_id, job_id, kind, state, acl_id, collection, tags, document_acl_id,
                               created_at, updated_at)
             VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
        )?
        .insert(params![
            new.tenant.0,
            word(new.kind, "the kind of job")?,
            word(JobState::Queued, "the state")?,
            acl_id,
            new.collection,
            json(&new.tags, "the tags")?,
            document_acl_id,
            db.now.0,
        ])?;
    let id = job_id(db, new.tenant, job_no);
    db.conn
        .prepare_cached("UPDATE jobs SET job_id = ?2 WHERE job_no = ?1")?
        .execute((job_no, id_to_sql(id.0)))?;
    for (item_no, item) in (0_i64..).zip(&new.items) {
        insert_item(db, job_no, item_no, item).map_err(|error| match error {
            DbError::Sql(error) if is_repeat(&error) => {
                invalid(format!("two items of the job have the key `{}`", item.key))
            }
            other => other,
        })?;
    }
    Ok(id)
}

fn is_repeat(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
}

/// An id that cannot be told from the number of jobs, and that no other data directory gives.
fn job_id(db: &Db<'_>, tenant: TenantId, job_no: i64) -> JobId {
    let mut hash = Sha256::new();
    hash.update(b"job");
    hash.update(db.shared.data_id.as_bytes());
    hash.update(tenant.0.to_le_bytes());
    hash.update(job_no.to_le_bytes());
    let digest = hash.finalize();
    let mut head = [0; 8];
    head.copy_from_slice(&digest[..8]);
    JobId(u64::from_be_bytes(head))
}

fn insert_item(db: &Db<'_>, job_no: i64, item_no: i64, item: &JobItem) -> DbResult<()> {
    db.conn
        .prepare_cached(
            "INSERT INTO job_items
                 (job_no, item_no, item_key, blob, size_bytes, outcome, reason, document_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            job_no,
            item_no,
            item.key,
            item.blob.map(|hash| hash.0),
            size_to_sql(item.size_bytes)?,
            word(item.outcome, "the outcome")?,
            item.reason,
            item.document.map(|id| id_to_sql(id.0)),
        ])?;
    Ok(())
}

fn job_no(db: &Db<'_>, tenant: TenantId, id: JobId) -> DbResult<i64> {
    db.conn
        .prepare_cached("SELECT job_no FROM jobs WHERE tenant_id = ?1 AND job_id = ?2")?
        .query_row((tenant.0, id_to_sql(id.0)), |row| row.get(0))
        .optional()?
        .ok_or_else(|| not_found("job", id))
}

pub(super) fn record_item(
    db: &Db<'_>,
    system: SystemScope,
    job: JobId,
    item: &JobItem,
) -> DbResult<()> {
    let job_no = job_no(db, system.tenant, job)?;
    // A job that gets on is not the reason why the process ended: what counts are attempts without any progress.
    if item.outcome != Outcome::Pending {
        db.conn
            .prepare_cached("UPDATE jobs SET attempts = min(attempts, 1) WHERE job_no = ?1")?
            .execute([job_no])?;
    }
    let known: Option<i64> = db
        .conn
        .prepare_cached("SELECT item_no FROM job_items WHERE job_no = ?1 AND item_key = ?2")?
        .query_row((job_no, &item.key), |row| row.get(0))
        .optional()?;
    if let Some(item_no) = known {
        db.conn
            .prepare_cached("DELETE FROM job_items WHERE job_no = ?1 AND item_no = ?2")?
            .execute((job_no, item_no))?;
        return insert_item(db, job_no, item_no, item);
    }
    let next: i64 = db
        .conn
        .prepare_cached("SELECT coalesce(max(item_no) + 1, 0) FROM job_items WHERE job_no = ?1")?
        .query_row([job_no], |row| row.get(0))?;
    insert_item(db, job_no, next, item)
}

pub(super) fn set_state(
    db: &Db<'_>,
    system: SystemScope,
    job: JobId,
    state: JobState,
    message: Option<&str>,
) -> DbResult<()> {
    let job_no = job_no(db, system.tenant, job)?;
    // An attempt is counted where the job begins, not where it is told again that it runs.
    db.conn
        .prepare_cached(
            "UPDATE jobs
             SET attempts = attempts + (?2 = 'running' AND state <> 'running'),
                 state = ?2, message = ?3, updated_at = ?4
             WHERE job_no = ?1",
        )?
        .execute((job_no, word(state, "the state")?, message, db.now.0))?;
    Ok(())
}

pub(super) fn return_job(
    db: &Db<'_>,
    system: SystemScope,
    job: JobId,
    message: Option<&str>,
) -> DbResult<()> {
    let job_no = job_no(db, system.tenant, job)?;
    db.conn
        .prepare_cached(
            "UPDATE jobs
             SET attempts = attempts - (state = 'running' AND attempts > 0),
                 state = 'queued', message = ?2, updated_at = ?3
             WHERE job_no = ?1",
        )?
        .execute((job_no, message, db.now.0))?;
    Ok(())
}

pub(super) fn claim(db: &Db<'_>, system: SystemScope) -> DbResult<Option<Job>> {
    let oldest: Option<(i64, i64)> = db
        .conn
        .prepare_cached(
            "SELECT job_no, job_id FROM jobs
             WHERE tenant_id = ?1 AND state = 'queued' AND kind = 'upload'
             ORDER BY job_no LIMIT 1",
        )?
        .query_row([system.tenant.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((job_no, id)) = oldest else {
        return Ok(None);
    };
    set_state(db, system, JobId(id_from_sql(id)), JobState::Running, None)?;
    let sql = format!("{JOB} AND job_no = ?2");
    let mut statement = db.conn.prepare_cached(&sql)?;
    let mut rows = statement.query((system.tenant.0, job_no))?;
    let row = rows.next()?.ok_or_else(|| corrupt("a job"))?;
    read_job(db, system.tenant, row, &|id| db.stored_acl(id)).map(Some)
}

pub(super) fn recover(db: &Db<'_>, system: SystemScope) -> DbResult<u64> {
    let mut changed = 0;
    // A job on files or pages lives in the process that accepted it: one that is queued still is left over too.
    for (state, kind, at_least, to, message) in [
        (
            "running",
            JobKind::Upload,
            MAX_ATTEMPTS,
            JobState::Failed,
            Some(format!(
                "the process ended {MAX_ATTEMPTS} times during this job"
            )),
        ),
        ("running", JobKind::Upload, 0, JobState::Queued, None),
        (
            "running",
            JobKind::Files,
            0,
            JobState::Interrupted,
            Some(interrupted()),
        ),
        (
            "queued",
            JobKind::Files,
            0,
            JobState::Interrupted,
            Some(interrupted()),
        ),
        (
            "running",
            JobKind::Web,
            0,
            JobState::Interrupted,
            Some(interrupted()),
        ),
        (
            "queued",
            JobKind::Web,
            0,
            JobState::Interrupted,
            Some(interrupted()),
        ),
    ] {
        changed += db
            .conn
            .prepare_cached(
                "UPDATE jobs SET state = ?5, message = ?6, updated_at = ?7
                 WHERE tenant_id = ?1 AND state = ?2 AND kind = ?3 AND attempts >= ?4",
            )?
            .execute(params![
                system.tenant.0,
                state,
                word(kind, "the kind of job")?,
                at_least,
                word(to, "the state")?,
                message,
                db.now.0,
            ])?;
    }
    // Whoever reserved an idempotency key died with its process; the request may be sent again.
    db.conn
        .prepare_cached("DELETE FROM idempotency WHERE tenant_id = ?1 AND status IS NULL")?
        .execute([system.tenant.0])?;
    Ok(changed as u64)
}

fn interrupted() -> String {
    "the process ended during this job".to_owned()
}

/// A job's row: complete with `WHERE`.
const JOB: &str = "
    SELECT job_no, job_id, kind, state, message, attempts, acl_id, collection, tags, document_acl_id,
           created_at, updated_at
    FROM jobs WHERE tenant_id = ?1 ";

fn read_job(
    db: &Db<'_>,
    tenant: TenantId,
    row: &Row<'_>,
    acl: &dyn Fn(i64) -> DbResult<AccessList>,
) -> DbResult<Job> {
    Ok(Job {
        id: JobId(id_from_sql(row.get(1)?)),
        state: from_word(row.get(3)?, "a job's state")?,
        message: row.get(4)?,
        attempts: row.get(5)?,
        created_at: Timestamp(row.get(10)?),
        updated_at: Timestamp(row.get(11)?),
        request: NewJob {
            tenant,
            kind: from_word(row.get(2)?, "a kind of job")?,
            access: acl(row.get(6)?)?,
            collection: row.get(7)?,
            tags: read_set(row, 8)?,
            document_access: row.get::<_, Option<i64>>(9)?.map(acl).transpose()?,
            items: read_items(db, row.get(0)?)?,
        },
    })
}

fn read_items(db: &Db<'_>, job_no: i64) -> DbResult<Vec<JobItem>> {
    let mut statement = db.conn.prepare_cached(
        "SELECT item_key, blob, size_bytes, outcome, reason, document_id
         FROM job_items WHERE job_no = ?1 ORDER BY item_no",
    )?;
    let mut rows = statement.query([job_no])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        let blob: Option<Vec<u8>> = row.get(1)?;
        let blob = blob
            .map(|bytes| hash_from_sql(&bytes, "a hash"))
            .transpose()?;
        items.push(JobItem {
            key: row.get(0)?,
            blob: blob.map(BlobHash),
            size_bytes: from_sql(row.get(2)?, "a size")?,
            outcome: from_word(row.get(3)?, "an outcome")?,
            reason: row.get(4)?,
            document: row
                .get::<_, Option<i64>>(5)?
                .map(|id| DocumentId(id_from_sql(id))),
        });
    }
    Ok(items)
}

pub(super) fn job(db: &Db<'_>, scope: &Scope, id: JobId) -> DbResult<Job> {
    let sql = format!("{JOB} AND job_id = ?2");
    let mut statement = db.conn.prepare_cached(&sql)?;
    let mut rows = statement.query((scope.tenant().0, id_to_sql(id.0)))?;
    let row = rows.next()?.ok_or_else(|| not_found("job", id))?;
    if !db.permits(scope, row.get(6)?)? {
        return Err(CatalogError::NotFound {
            what: "job",
            id: id.to_string(),
        }
        .into());
    }
    read_job(db, scope.tenant(), row, &|id| {
        Ok(AccessList::clone(&*db.acl(id)?))
    })
}

pub(super) fn jobs(db: &Db<'_>, scope: &Scope, limit: usize) -> DbResult<Vec<Job>> {
    let sql = format!("{JOB} ORDER BY job_no DESC");
    let mut statement = db.conn.prepare_cached(&sql)?;
    let mut rows = statement.query([scope.tenant().0])?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        if db.permits(scope, row.get(6)?)? {
            found.push(read_job(db, scope.tenant(), row, &|id| {
                Ok(AccessList::clone(&*db.acl(id)?))
            })?);
        }
    }
    Ok(found)
}
