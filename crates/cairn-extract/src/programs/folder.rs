//! Private folders for programs, and the end of those whose owner was killed.
//!
//! A folder holds a copy of a document, so none may stay behind. Its owner removes it; where the owner is killed, the next
//! start does. Whether an owner lives, a lock on the folder itself says (`flock`), which the system lets go with the process:
//! unlike a process id it is never somebody else's, and it holds across containers that share a temporary folder.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::{FlockOperation, OFlags, flock};
use tempfile::TempDir;

/// What the names of the folders begin with.
const PREFIX: &str = "cairn-tool-";
/// Folders that are made before one stays: another start may take a folder away before it is locked.
const MAX_TRIES: usize = 10;

/// A private folder (mode 0700); removed when dropped.
pub(super) struct Folder {
    folder: TempDir,
    /// Let go after the folder is gone.
    _lock: fs_err::File,
}

impl Folder {
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A private folder with the payload in a file.
pub(super) fn folder_with(name: &str, payload: &[u8]) -> io::Result<Folder> {
    let folder = folder_in(&std::env::temp_dir())?;
    fs_err::write(folder.path().join(name), payload)?;
    Ok(folder)
}

fn folder_in(place: &Path) -> io::Result<Folder> {
    for _ in 0..MAX_TRIES {
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(place)?;
        let Ok(lock) = open(folder.path()) else {
            continue;
        };
        flock(&lock, FlockOperation::LockExclusive)?;
        // Somebody who cleaned up may have had the lock before: then this is no folder any more.
        let is_there = fs_err::symlink_metadata(folder.path())
            .and_then(|now| Ok(now.ino() == lock.metadata()?.ino()))
            .unwrap_or(false);
        if is_there {
            return Ok(Folder {
                folder,
                _lock: lock,
            });
        }
    }
    Err(io::Error::other(format!(
        "folders in `{}` do not stay",
        place.display()
    )))
}

fn open(folder: &Path) -> io::Result<fs_err::File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs_err::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(folder)
}

/// Removes the private folders that killed processes of this user left behind; gives their number. To be called at a start.
pub fn remove_leftovers() -> usize {
    let n_removed = remove_leftovers_in(&std::env::temp_dir());
    if n_removed > 0 {
        tracing::info!(
            folder.count = n_removed,
            "folders of killed processes removed"
        );
    }
    n_removed
}

fn remove_leftovers_in(place: &Path) -> usize {
    let Ok(entries) = fs_err::read_dir(place) else {
        return 0;
    };
    entries
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(PREFIX.as_bytes())
        })
        .filter(|entry| remove_leftover(&entry.path()).unwrap_or(false))
        .count()
}

/// Whether the folder had no owner any more and is gone now.
fn remove_leftover(folder: &Path) -> io::Result<bool> {
    let lock = open(folder)?;
    let metadata = lock.metadata()?;
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != own || metadata.mode() & 0o777 != 0o700 {
        return Ok(false);
    }
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(false);
    }
    // Links within are removed, not followed.
    fs_err::remove_dir_all(folder)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_private_and_go() {
        let folder = folder_with("input", b"secret").unwrap();
        let path = folder.path().to_owned();
        let mode = fs_err::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn only_folders_without_an_owner_are_removed() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let lives = folder_in(place.path()).unwrap();
        // What a killed process leaves: the folder without the lock.
        let Folder { folder, _lock } = folder_in(place.path()).unwrap();
        let left = folder.keep();
        drop(_lock);
        fs_err::write(left.join("input"), b"secret").unwrap();
        fs_err::write(at("kept"), b"x").unwrap();
        fs_err::os::unix::fs::symlink(at("kept"), left.join("link")).unwrap();
        // Not ours, by name, kind or mode.
        fs_err::create_dir(at("other")).unwrap();
        fs_err::write(at("cairn-tool-file"), b"x").unwrap();
        fs_err::os::unix::fs::symlink(at("other"), at("cairn-tool-link")).unwrap();
        fs_err::create_dir(at("cairn-tool-open")).unwrap();
        fs_err::set_permissions(at("cairn-tool-open"), Permissions::from_mode(0o755)).unwrap();
        assert_eq!(remove_leftovers_in(place.path()), 1);
        assert!(!left.exists());
        for name in [
            "kept",
            "other",
            "cairn-tool-file",
            "cairn-tool-link",
            "cairn-tool-open",
        ] {
            assert!(fs_err::symlink_metadata(at(name)).is_ok(), "{name}");
        }
        assert!(lives.path().exists());
        assert_eq!(remove_leftovers_in(place.path()), 0);
        assert_eq!(remove_leftovers_in(&at("nowhere")), 0);
    }
}
