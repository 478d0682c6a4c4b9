//! A folder for tantivy that does not wait for the disk.
//!
//! tantivy's own folder syncs every file of a commit, and its list of files once for each of them: some twenty waits for the
//! disk, before one new chunk is found. Nothing that is acknowledged depends on these files: the catalog has it all. So they are
//! written without a sync. A process that is killed loses nothing, since what it wrote is in the system's hands; after a power cut
//! the folder may be torn, which opening finds (checksums of all files, [`unlisted`], the number of chunks), and the index is made
//! again from the catalog. Reading, locking and the rest is tantivy's.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, DirectoryLock, FileHandle, Lock, MmapDirectory, TerminatingWrite, WatchCallback,
    WatchHandle, WritePtr,
};
use tantivy::index::SegmentId;
use tantivy::{Directory, Index, TantivyError};

/// tantivy's folder with its own way to write.
#[derive(Debug, Clone)]
pub(super) struct UnsyncedDirectory {
    root: PathBuf,
    inner: MmapDirectory,
    /// Held while a file is replaced.
    replacing: Arc<Mutex<()>>,
}

impl UnsyncedDirectory {
    /// Opens a folder that exists.
    pub(super) fn open(root: &Path) -> Result<Self, TantivyError> {
        Ok(Self {
            root: root.to_owned(),
            inner: MmapDirectory::open(root)?,
            replacing: Arc::default(),
        })
    }
}

/// A file of the last commit's segments that tantivy does not count among its own: a power cut may bring back an older list of
/// them, and files that are not listed are not compared with their checksums.
pub(super) fn unlisted(dir: &Path, index: &Index) -> Result<Option<PathBuf>, TantivyError> {
    let listed = index.directory().list_managed_files();
    let segments = index.searchable_segment_ids()?;
    let segments: Vec<String> = segments.iter().map(SegmentId::uuid_string).collect();
    for entry in fs_err::read_dir(dir)? {
        let name = entry?.file_name();
        let Some(shown) = name.to_str() else { continue };
        let is_of_segment = segments.iter().any(|id| shown.starts_with(id.as_str()));
        if is_of_segment && !listed.contains(Path::new(&name)) {
            return Ok(Some(dir.join(name)));
        }
    }
    Ok(None)
}

/// A new file.
struct Unsynced(fs_err::File);

impl Write for Unsynced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl TerminatingWrite for Unsynced {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.flush()
    }
}

impl Directory for UnsyncedDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.inner.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.inner.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.inner.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let file = fs_err::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(self.root.join(path))
            .map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => OpenWriteError::FileAlreadyExists(path.to_owned()),
                _ => OpenWriteError::wrap_io_error(error, path.to_owned()),
            })?;
        Ok(BufWriter::new(Box::new(Unsynced(file))))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.inner.atomic_read(path)
    }

    fn atomic_write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let _alone = self
            .replacing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let path = self.root.join(path);
        let new = path.with_extension("new");
        fs_err::write(&new, bytes)?;
        fs_err::rename(&new, &path)
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.inner.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.inner.watch(callback)
    }
}
