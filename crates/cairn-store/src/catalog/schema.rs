//! Opening the catalog's file: settings of a connection, and the steps from one format to the next.
//!
//! The format stands in `PRAGMA user_version` (read from the file's header before anything is opened, see
//! [`crate::format`]) and once more in the table `meta`. Each step runs in one transaction together with the
//! new number, so a kill between two steps leaves a catalog of the earlier format.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::error::StoreError;
use crate::format::{APPLICATION_ID, FORMAT_VERSION, check_header};

/// How long a write waits for another process (a backup tool, a shell) that has the file locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// One step of migration: brings a catalog of format `i` (its place in [`STEPS`]) to format `i + 1`.
type Step = fn(&Connection, now: i64) -> rusqlite::Result<()>;

/// From an empty file to the newest format.
const STEPS: [Step; FORMAT_VERSION as usize] = [create, add_fetches];

fn create(conn: &Connection, now: i64) -> rusqlite::Result<()> {
    conn.execute_batch(include_str!("schema.sql"))?;
    conn.execute(
        "INSERT INTO meta (name, value) VALUES ('data_id', lower(hex(randomblob(16)))), ('created_at', ?1)",
        [now.to_string()],
    )?;
    Ok(())
}

fn add_fetches(conn: &Connection, _now: i64) -> rusqlite::Result<()> {
    conn.execute_batch(include_str!("step_2.sql"))
}

/// Opens the writing connection; makes or migrates the catalog where needed. Gives it with the data id.
pub(super) fn open_writer(path: &Path, now: i64) -> Result<(Connection, String), StoreError> {
    check_header(path)?;
    let fail = |error| opening(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(fail)?;
    conn.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
    // SQLite opens a file that it may not write for reading only, without a word.
    if conn.is_readonly(rusqlite::MAIN_DB).map_err(fail)? {
        return Err(StoreError::ReadOnly {
            path: path.to_owned(),
        });
    }
    // The write-ahead log may know a newer number than the header of the file.
    let found = user_version(&conn).map_err(fail)?;
    if found > FORMAT_VERSION {
        return Err(StoreError::NewerFormat {
            path: path.to_owned(),
            found,
            supported: FORMAT_VERSION,
        });
    }
    settings(&conn, "-16384").map_err(fail)?;
    let mode: String = conn
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(fail)?;
    if mode != "wal" {
        return Err(StoreError::Unavailable {
            path: path.to_owned(),
            reason: "its file system does not support a write-ahead log".to_owned(),
        });
    }
    migrate(&mut conn, found, now).map_err(fail)?;
    let data_id = conn
        .query_row("SELECT value FROM meta WHERE name = 'data_id'", [], |row| {
            row.get(0)
        })
        .map_err(fail)?;
    Ok((conn, data_id))
}

/// Opens one reading connection of a catalog that [`open_writer`] has opened.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let fail = |error| opening(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(fail)?;
    conn.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
    settings(&conn, "-8192").map_err(fail)?;
    Ok(conn)
}

/// `cache_size`: negative kibibytes, as `SQLite` takes it.
fn settings(conn: &Connection, cache_size: &str) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(128);
    // FULL: every commit is synced before it is acknowledged.
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", "ON")?;
    conn.pragma_update(None, "trusted_schema", "OFF")?;
    conn.pragma_update(None, "cell_size_check", "ON")?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.execute_batch(&format!(
        "PRAGMA cache_size = {cache_size}; PRAGMA journal_size_limit = 67108864;"
    ))
}

fn user_version(conn: &Connection) -> rusqlite::Result<u32> {
    conn.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn migrate(conn: &mut Connection, found: u32, now: i64) -> rusqlite::Result<()> {
    for (version, step) in (0..).zip(STEPS).skip(found as usize) {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        step(&tx, now)?;
        let version: u32 = version + 1;
        tx.execute(
            "INSERT INTO meta (name, value) VALUES ('format_version', ?1)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [version.to_string()],
        )?;
        tx.pragma_update(None, "user_version", version)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.commit()?;
    }
    Ok(())
}

/// Why opening failed, in plain words; what `SQLite` said itself goes to the log.
fn opening(path: &Path, error: &rusqlite::Error) -> StoreError {
    tracing::warn!(error = ?error, "catalog does not open");
    let path = path.to_owned();
    let damaged = |reason| StoreError::Damaged {
        path: path.clone(),
        reason,
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => damaged("the file is not a database"),
        Some(ErrorCode::DatabaseCorrupt) => damaged("its pages contradict each other"),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::ReadOnly { path },
        Some(ErrorCode::DiskFull) => StoreError::DiskFull { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Unavailable {
            path,
            reason: "another process has it locked".to_owned(),
        },
        Some(ErrorCode::CannotOpen) => StoreError::Unavailable {
            path,
            reason: "its file cannot be opened or made".to_owned(),
        },
        // A query of ours found no table or no row: not what a catalog looks like.
        Some(ErrorCode::Unknown) | None => damaged("it lacks what every catalog has"),
        Some(_) => StoreError::Unavailable {
            path,
            reason: "reading or writing its file failed".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A catalog of the first format, as that version made it.
    fn first_format(path: &Path) {
        let mut conn = Connection::open(path).unwrap();
        let tx = conn.transaction().unwrap();
        create(&tx, 7).unwrap();
        tx.execute("INSERT INTO meta VALUES ('format_version', '1')", [])
            .unwrap();
        tx.execute_batch(
            "INSERT INTO tenants (tenant_id, name, created_at) VALUES (1, 'one', 7);
             PRAGMA user_version = 1;",
        )
        .unwrap();
        tx.pragma_update(None, "application_id", APPLICATION_ID)
            .unwrap();
        tx.commit().unwrap();
    }

    #[test]
    fn a_catalog_of_the_first_format_is_brought_up_to_date() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.sqlite");
        first_format(&path);
        let before: String = Connection::open(&path)
            .unwrap()
            .query_row("SELECT value FROM meta WHERE name = 'data_id'", [], |row| {
                row.get(0)
            })
            .unwrap();
        for _ in 0..2 {
            let (conn, data_id) = open_writer(&path, 9).unwrap();
            assert_eq!(data_id, before);
            assert_eq!(user_version(&conn).unwrap(), FORMAT_VERSION);
            let said: String = conn
                .query_row(
                    "SELECT value FROM meta WHERE name = 'format_version'",
                    [],
                    |row| row.get(0),
                )
                .unwrap();
            assert_eq!(said, FORMAT_VERSION.to_string());
            let n: u32 = conn
                .query_row("SELECT count(*) FROM fetches, tenants", [], |row| {
                    row.get(0)
                })
                .unwrap();
            assert_eq!(n, 0);
            let name: String = conn
                .query_row("SELECT name FROM tenants", [], |row| row.get(0))
                .unwrap();
            assert_eq!(name, "one");
        }
    }
}
