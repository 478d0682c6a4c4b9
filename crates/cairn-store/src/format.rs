//! The format of the catalog's file, read from its header without opening it as a database.
//!
//! `SQLite` keeps an application id (bytes 68..72, big endian) and a user version (bytes 60..64) in the first
//! page (<https://www.sqlite.org/fileformat.html>, section 1.3). Reading them there means that a file that is
//! not ours, or is newer than we are, is refused before a single byte beside it is written.

use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::error::StoreError;

/// The format of the data directory that this version writes.
pub const FORMAT_VERSION: u32 = 2;

/// `Cair` in ASCII: tells a catalog from any other `SQLite` database.
pub(crate) const APPLICATION_ID: u32 = 0x4361_6972;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// What the header of the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Header {
    /// No file, an empty one, or one whose making was interrupted before its first commit.
    New,
    /// A catalog of this format.
    Catalog(u32),
}

/// Reads the header of the catalog at `path`. Fails where the file is not a catalog or is newer than we are.
pub(crate) fn check_header(path: &Path) -> Result<Header, StoreError> {
    let damaged = |reason| StoreError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let mut file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Header::New),
        Err(error) => return Err(StoreError::io(path, error)),
    };
    let mut header = Vec::with_capacity(100);
    file.by_ref()
        .take(100)
        .read_to_end(&mut header)
        .map_err(|error| StoreError::io(path, error))?;
    if header.is_empty() {
        return Ok(Header::New);
    }
    if header.len() < 100 || !header.starts_with(MAGIC) {
        return Err(damaged("the file is not a database"));
    }
    let number = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    match (number(68), number(60)) {
        (0, 0) => Ok(Header::New),
        (APPLICATION_ID, found) if found > FORMAT_VERSION => Err(StoreError::NewerFormat {
            path: path.to_owned(),
            found,
            supported: FORMAT_VERSION,
        }),
        (APPLICATION_ID, found) => Ok(Header::Catalog(found)),
        _ => Err(damaged("the file is a database of another program")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_not_a_catalog() {
        let dir = tempfile::tempdir().unwrap();
        let header = |application: u32, version: u32| {
            let mut bytes = vec![0; 100];
            bytes[..16].copy_from_slice(MAGIC);
            bytes[60..64].copy_from_slice(&version.to_be_bytes());
            bytes[68..72].copy_from_slice(&application.to_be_bytes());
            bytes
        };
        let check = |bytes: &[u8]| {
            let path = dir.path().join("c");
            fs_err::write(&path, bytes).unwrap();
            check_header(&path).map_err(|error| error.to_string())
        };
        assert_eq!(check_header(&dir.path().join("none")).unwrap(), Header::New);
        assert_eq!(check(b""), Ok(Header::New));
        assert_eq!(check(&header(0, 0)), Ok(Header::New));
        assert_eq!(
            check(&header(APPLICATION_ID, FORMAT_VERSION)),
            Ok(Header::Catalog(FORMAT_VERSION))
        );
        for (bytes, message) in [
            (b"hello".to_vec(), "not a database"),
            (vec![7; 5000], "not a database"),
            (header(0, 9), "another program"),
            (header(77, 1), "another program"),
            (
                header(APPLICATION_ID, FORMAT_VERSION + 1),
                "has format 3, this version of cairn reads up to 2",
            ),
        ] {
            assert!(check(&bytes).unwrap_err().contains(message), "{message}");
        }
    }
}
