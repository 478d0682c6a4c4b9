//! The data directory: its layout and the lock that gives it to one process.
//!
//! The lock is an advisory lock of the operating system on the file `lock`, so it ends with its process,
//! however that ends. The file says who holds it; what it says counts only while the lock is held.

use std::fs::TryLockError;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cairn_types::Clock;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::format::{FORMAT_VERSION, check_header};

/// Whoever only looks at the lock holds it for some microseconds: so often and so long is it tried again.
const TRIES: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// A data directory that this process has to itself until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Held for its lock alone.
    _lock: std::fs::File,
}

/// Whether a process has a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockState {
    /// Nobody has it, or it does not exist yet.
    Free,
    /// A process has it.
    Held {
        /// Its id, where it has written it already.
        pid: Option<u32>,
    },
}

/// What stands in the lock file.
#[derive(Serialize, Deserialize)]
struct Holder {
    pid: u32,
    started_at: String,
    format: u32,
}

impl DataDir {
    /// Takes the data directory at `path`; makes it (for this user alone) where it is new.
    ///
    /// Fails where another process has it, it is a file, cannot be written to, or was written by a newer
    /// version of Cairn. A directory that is refused for its format is left as it was.
    pub fn open(path: impl AsRef<Path>, clock: &dyn Clock) -> Result<Self, StoreError> {
        let path = path.as_ref();
        match fs_err::metadata(path) {
            Ok(found) if !found.is_dir() => {
                return Err(StoreError::NotAFolder {
                    path: path.to_owned(),
                });
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => make_folder(path)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                return Err(StoreError::NotAFolder {
                    path: path.to_owned(),
                });
            }
            Err(error) => return Err(StoreError::io(path, error)),
        }
        check_header(&path.join("catalog.sqlite"))?;
        let mut lock = take_lock(path)?;
        // The directory is ours now; it may have been migrated by the process that had it until a moment ago.
        check_header(&path.join("catalog.sqlite"))?;
        let holder = Holder {
            pid: std::process::id(),
            started_at: clock.now().to_rfc3339(),
            format: FORMAT_VERSION,
        };
        let text = serde_json::to_string(&holder).map_err(|error| StoreError::Io(error.into()))?;
        let written = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| lock.write_all(text.as_bytes()));
        written.map_err(|error| StoreError::io(path, error))?;
        let dir = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        for folder in [dir.blobs(), dir.index(), dir.models()] {
            if !folder.is_dir() {
                make_folder(&folder)?;
            }
        }
        Ok(dir)
    }

    /// Whether a process has the data directory at `path`. Does not take it and writes nothing.
    pub fn peek(path: impl AsRef<Path>) -> Result<LockState, StoreError> {
        let path = path.as_ref().join("lock");
        let lock = match fs_err::File::open(&path) {
            Ok(lock) => lock.into_parts().0,
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(LockState::Free);
            }
            Err(error) => return Err(StoreError::io(&path, error)),
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(LockState::Free),
            Err(TryLockError::WouldBlock) => Ok(LockState::Held {
                pid: holder_pid(&lock),
            }),
            Err(TryLockError::Error(error)) => Err(StoreError::io(&path, error)),
        }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The catalog's file.
    #[must_use]
    pub fn catalog(&self) -> PathBuf {
        self.path.join("catalog.sqlite")
    }

    /// The folder of the originals.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.path.join("blobs")
    }

    /// The folder of the search indexes, which can be rebuilt.
    #[must_use]
    pub fn index(&self) -> PathBuf {
        self.path.join("index")
    }

    /// The folder of the installed models.
    #[must_use]
    pub fn models(&self) -> PathBuf {
        self.path.join("models")
    }

    /// Where a server listens for the command line.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        socket_in(&self.path)
    }
}

fn socket_in(path: &Path) -> PathBuf {
    path.join("cairn.sock")
}

fn make_folder(path: &Path) -> Result<(), StoreError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => {
            StoreError::NotAFolder {
                path: path.to_owned(),
            }
        }
        _ => {
            let text = format!("failed to make the folder `{}`: {error}", path.display());
            StoreError::io(path, std::io::Error::new(error.kind(), text))
        }
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "no event tells when somebody who looks at the lock lets go of it; they do within microseconds"
)]
fn take_lock(dir: &Path) -> Result<std::fs::File, StoreError> {
    let path = dir.join("lock");
    let mut options = fs_err::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.options_mut().mode(0o600);
    let file = options
        .open(&path)
        .map_err(|error| StoreError::io(dir, error))?;
    let file = file.into_parts().0;
    for left in (0..TRIES).rev() {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if left > 0 => std::thread::sleep(BETWEEN_TRIES),
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(error)) => return Err(StoreError::io(&path, error)),
        }
    }
    Err(StoreError::InUse {
        path: dir.to_owned(),
        pid: holder_pid(&file),
        socket: socket_in(dir),
    })
}

/// What the holder of the lock wrote; `None` while it has not.
fn holder_pid(lock: &std::fs::File) -> Option<u32> {
    let mut text = String::new();
    lock.take(4096).read_to_string(&mut text).ok()?;
    serde_json::from_str::<Holder>(&text)
        .ok()
        .map(|holder| holder.pid)
}
