//! Originals in a folder, by the SHA-256 of their content.
//!
//! `TENANT/HH/HASH`, where `HH` are the first two digits of the hash: the same content is stored once per
//! tenant and never shared between tenants. What is true after a crash at each step of a write:
//! 1. While bytes go to `tmp/N`: nothing refers to them; the next [`BlobStore::open`] removes the file.
//! 2. After the file was synced: the same.
//! 3. After it was renamed to its hash: the original may or may not be there; if it is, it is whole, because
//!    its bytes were synced before. No row refers to it yet.
//! 4. After the folder (and, where this process has not done so yet, the folders above it) was synced: the original is there.
//!    Only now the write is acknowledged and a row may refer to it.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cairn_types::{BlobHash, TenantId};
use sha2::{Digest, Sha256};

use crate::error::StoreError;

/// Read and write so many bytes at once.
const BUFFER_BYTES: usize = 128 * 1024;
/// An upload stops while so much of the disk is free, so that the catalog can still commit (a guess: its log
/// stays below it).
const MIN_FREE_BYTES: u64 = 64 << 20;
/// The free space is asked for again after so many bytes.
const ASK_EVERY_BYTES: u64 = 16 << 20;

/// What may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobLimits {
    /// Largest original.
    pub max_bytes: u64,
}

impl Default for BlobLimits {
    /// 1 GiB: a guess at what nobody uploads by intent.
    fn default() -> Self {
        Self { max_bytes: 1 << 30 }
    }
}

/// A stored original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBlob {
    /// Its name.
    pub hash: BlobHash,
    /// Its size.
    pub size_bytes: u64,
}

/// Originals in a folder. Cheap to clone; every call blocks on the disk.
#[derive(Debug, Clone)]
pub struct BlobStore {
    dir: PathBuf,
    limits: BlobLimits,
    next_tmp: Arc<AtomicU64>,
    /// Folders whose names survive a crash: this process has synced the folders above them.
    named: Arc<Mutex<HashSet<PathBuf>>>,
}

impl BlobStore {
    /// Opens the store in `dir`; makes the folder where it is new and removes what a crash left behind.
    /// The caller holds the lock of the data directory.
    pub fn open(dir: impl Into<PathBuf>, limits: BlobLimits) -> Result<Self, StoreError> {
        let store = Self {
            dir: dir.into(),
            limits,
            next_tmp: Arc::default(),
            named: Arc::default(),
        };
        let tmp = store.tmp();
        make_folder(&tmp)?;
        let entries = fs_err::read_dir(&tmp).map_err(|error| StoreError::io(&tmp, error))?;
        for entry in entries {
            let path = entry.map_err(|error| StoreError::io(&tmp, error))?.path();
            fs_err::remove_file(&path).map_err(|error| StoreError::io(&path, error))?;
        }
        Ok(store)
    }

    /// Stores what `input` gives up to its end, of which no more than a buffer is in memory at any time.
    pub fn put(&self, tenant: TenantId, mut input: impl Read) -> Result<StoredBlob, StoreError> {
        let mut writer = self.begin(tenant)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match input.read(&mut buffer) {
                Ok(0) => return writer.finish(),
                Ok(n) => writer.write(&buffer[..n])?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(StoreError::Input(error)),
            }
        }
    }

    /// Begins an original whose bytes come piece by piece.
    /// Fails with `DiskFull` while too little of the disk is free.
    pub fn begin(&self, tenant: TenantId) -> Result<BlobWriter, StoreError> {
        check_space(&self.dir, MIN_FREE_BYTES)?;
        let number = self.next_tmp.fetch_add(1, Ordering::Relaxed);
        let path = self.tmp().join(number.to_string());
        let file = fs_err::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| StoreError::io(&path, error))?;
        Ok(BlobWriter {
            store: self.clone(),
            tenant,
            file,
            tmp: Some(path),
            hash: Sha256::new(),
            size_bytes: 0,
        })
    }

    /// Whether the original is stored.
    pub fn exists(&self, tenant: TenantId, hash: BlobHash) -> Result<bool, StoreError> {
        let path = self.path(tenant, hash);
        match fs_err::metadata(&path) {
            Ok(found) => Ok(found.is_file()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StoreError::io(&path, error)),
        }
    }

    /// Opens an original for reading; its bytes are not compared with its hash.
    pub fn open_blob(&self, tenant: TenantId, hash: BlobHash) -> Result<fs_err::File, StoreError> {
        let path = self.path(tenant, hash);
        fs_err::File::open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => StoreError::BlobMissing(hash),
            _ => StoreError::io(&path, error),
        })
    }

    /// The bytes of an original, proven to have its hash.
    pub fn read_verified(&self, tenant: TenantId, hash: BlobHash) -> Result<Vec<u8>, StoreError> {
        let mut file = self.open_blob(tenant, hash)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|error| StoreError::io(file.path(), error))?;
        if BlobHash::of(&bytes) != hash {
            return Err(StoreError::BlobDamaged(hash));
        }
        Ok(bytes)
    }

    /// Where an original stands: for a child process that reads it itself.
    #[must_use]
    pub fn path(&self, tenant: TenantId, hash: BlobHash) -> PathBuf {
        let name = hash.to_hex();
        let mut path = self.dir.join(tenant.to_string());
        path.push(&name[..2]);
        path.push(name);
        path
    }

    fn tmp(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    fn lock_named(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An original that is being written. Dropped before [`Self::finish`], nothing of it remains.
#[derive(Debug)]
pub struct BlobWriter {
    store: BlobStore,
    tenant: TenantId,
    file: fs_err::File,
    /// `None` once the file has its name.
    tmp: Option<PathBuf>,
    hash: Sha256,
    size_bytes: u64,
}

impl BlobWriter {
    /// Adds bytes. Fails with `TooLarge` where they pass the limit; the original is then to be dropped.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let limit_bytes = self.store.limits.max_bytes;
        let before = self.size_bytes;
        self.size_bytes = self.size_bytes.saturating_add(bytes.len() as u64);
        if self.size_bytes > limit_bytes {
            return Err(StoreError::TooLarge { limit_bytes });
        }
        if before / ASK_EVERY_BYTES != self.size_bytes / ASK_EVERY_BYTES {
            check_space(&self.store.dir, MIN_FREE_BYTES)?;
        }
        self.hash.update(bytes);
        self.file
            .write_all(bytes)
            .map_err(|error| StoreError::io(self.file.path(), error))
    }

    /// Stores the original under its hash. When this returns it survives a crash.
    pub fn finish(mut self) -> Result<StoredBlob, StoreError> {
        let digest = std::mem::take(&mut self.hash).finalize();
        let blob = StoredBlob {
            hash: BlobHash(digest.into()),
            size_bytes: self.size_bytes,
        };
        let path = self.store.path(self.tenant, blob.hash);
        // What is there already may have been damaged on disk: then it is replaced.
        if !is_whole(&path, blob)? {
            self.file
                .sync_all()
                .map_err(|error| StoreError::io(self.file.path(), error))?;
            let folder = path.parent().unwrap_or(&self.store.dir);
            make_folder(folder)?;
            if let Some(tmp) = &self.tmp {
                fs_err::rename(tmp, &path).map_err(|error| StoreError::io(&path, error))?;
            }
            self.tmp = None;
        }
        // Another writer of the same content may have renamed it and not have synced yet.
        for folder in path.ancestors().skip(1).take(3) {
            sync_folder(folder)?;
            // Then so do the names of those above it.
            if self.store.lock_named().contains(folder) {
                break;
            }
        }
        let folders = path.ancestors().skip(1).take(2);
        self.store.lock_named().extend(folders.map(Path::to_owned));
        Ok(blob)
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if let Some(tmp) = &self.tmp {
            // What stays behind is removed when the store is opened next.
            let _ = fs_err::remove_file(tmp);
        }
    }
}

/// Whether the file at `path` is this original to the byte. Reads it whole where its size is right.
fn is_whole(path: &Path, blob: StoredBlob) -> Result<bool, StoreError> {
    let fail = |error| StoreError::io(path, error);
    let mut file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(fail(error)),
    };
    if file.metadata().map_err(fail)?.len() != blob.size_bytes {
        return Ok(false);
    }
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(BlobHash(hash.finalize().into()) == blob.hash),
            Ok(n) => hash.update(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A block that the disk cannot read any more: the new file brings it back.
            Err(_) => return Ok(false),
        }
    }
}

fn make_folder(path: &Path) -> Result<(), StoreError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(path).map_err(|error| {
        let text = format!("failed to make the folder `{}`: {error}", path.display());
        StoreError::io(path, std::io::Error::new(error.kind(), text))
    })
}

fn sync_folder(path: &Path) -> Result<(), StoreError> {
    fs_err::File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| StoreError::io(path, error))
}

/// Fails where less than `min_free_bytes` of the disk under `dir` is free for this user.
fn check_space(dir: &Path, min_free_bytes: u64) -> Result<(), StoreError> {
    let found = rustix::fs::statvfs(dir).map_err(|error| StoreError::io(dir, error.into()))?;
    if found.f_bavail.saturating_mul(found.f_frsize) < min_free_bytes {
        return Err(StoreError::DiskFull {
            path: dir.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_free_space_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        assert!(check_space(dir.path(), 1).is_ok());
        let error = check_space(dir.path(), u64::MAX).unwrap_err();
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    }
}
