//! From what `SQLite` says to what a caller is told: plain words, no SQL, no paths.

use std::fmt;

use cairn_types::ports::CatalogError;
use rusqlite::ffi::ErrorCode;

pub(crate) type DbResult<T> = Result<T, DbError>;

/// A failure inside a transaction, before it is put into words for the caller.
#[derive(Debug)]
pub(crate) enum DbError {
    /// From `SQLite`.
    Sql(rusqlite::Error),
    /// Ours, in words already.
    Catalog(CatalogError),
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<CatalogError> for DbError {
    fn from(error: CatalogError) -> Self {
        Self::Catalog(error)
    }
}

impl From<DbError> for CatalogError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Catalog(error) => error,
            DbError::Sql(error) => in_words(&error),
        }
    }
}

/// Stored data that does not read as what it must be; `what` names it for a person.
pub(crate) fn corrupt(what: &str) -> DbError {
    DbError::Catalog(CatalogError::Corrupt(format!(
        "{what} does not read as one"
    )))
}

pub(crate) fn not_found(what: &'static str, id: impl fmt::Display + Copy) -> DbError {
    DbError::Catalog(CatalogError::NotFound {
        what,
        id: id.to_string(),
    })
}

pub(crate) fn invalid(reason: impl Into<String>) -> DbError {
    DbError::Catalog(CatalogError::Invalid(reason.into()))
}

pub(crate) fn conflict(reason: impl Into<String>) -> DbError {
    DbError::Catalog(CatalogError::Conflict(reason.into()))
}

/// The error in plain words. What `SQLite` said itself goes to the log.
pub(crate) fn in_words(error: &rusqlite::Error) -> CatalogError {
    let unavailable = |reason: &str| CatalogError::Unavailable(reason.to_owned());
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        tracing::error!(error = ?error, "catalog row does not read");
        return CatalogError::Corrupt("a stored row does not read as what it must be".to_owned());
    };
    tracing::warn!(error = ?error, "catalog call failed");
    match failure.code {
        ErrorCode::DiskFull => unavailable("the disk is full"),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            unavailable("its file cannot be written to")
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            unavailable("another process is writing to it")
        }
        ErrorCode::OutOfMemory => unavailable("there is not enough memory"),
        ErrorCode::CannotOpen => unavailable("its file cannot be opened"),
        ErrorCode::SystemIoFailure => unavailable("reading or writing its file failed"),
        ErrorCode::DatabaseCorrupt => CatalogError::Corrupt("its file is damaged".to_owned()),
        ErrorCode::NotADatabase => CatalogError::Corrupt("its file is not a database".to_owned()),
        ErrorCode::TooBig => {
            CatalogError::Invalid("a value is larger than the catalog can hold".to_owned())
        }
        ErrorCode::ConstraintViolation => {
            CatalogError::Conflict("the write contradicts what is stored".to_owned())
        }
        _ => unavailable("an unexpected failure of its engine; the log has the details"),
    }
}

#[cfg(test)]
mod tests {
    use cairn_types::{ErrorKind, HasKind};
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn failures_are_put_into_words_without_sql() {
        for (code, kind) in [
            (ffi::SQLITE_FULL, ErrorKind::Unavailable),
            (ffi::SQLITE_READONLY, ErrorKind::Unavailable),
            (ffi::SQLITE_BUSY, ErrorKind::Unavailable),
            (ffi::SQLITE_IOERR, ErrorKind::Unavailable),
            (ffi::SQLITE_CORRUPT, ErrorKind::Corrupt),
            (ffi::SQLITE_NOTADB, ErrorKind::Corrupt),
            (ffi::SQLITE_TOOBIG, ErrorKind::InvalidInput),
            (ffi::SQLITE_CONSTRAINT, ErrorKind::Conflict),
        ] {
            let error = rusqlite::Error::SqliteFailure(
                ffi::Error::new(code),
                Some("UNIQUE constraint failed: documents.item_key".to_owned()),
            );
            let error = CatalogError::from(DbError::from(error));
            assert_eq!(error.kind(), kind, "{error}");
            assert!(!error.to_string().contains("item_key"), "{error}");
        }
        let error = CatalogError::from(DbError::from(rusqlite::Error::InvalidQuery));
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
}
