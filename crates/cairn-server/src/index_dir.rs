//! Folders of search indexes: `SPACE-GENERATION`, where `SPACE` is a hash of the embedding space.
//!
//! Every folder can be opened, whatever a crash left in it: the engine compares it with the catalog. The newest generation of the
//! space in use is current; all others are left over and go.

use std::io;
use std::path::{Path, PathBuf};

use cairn_types::InputHash;
use cairn_types::ports::Embedder;

/// The folder to open at start.
pub(crate) fn current(root: &Path, embedder: Option<&dyn Embedder>) -> io::Result<PathBuf> {
    let space = space_name(embedder);
    let newest = newest(root, &space)?.unwrap_or(0);
    Ok(root.join(format!("{space}-{newest}")))
}

/// A folder that does not exist yet.
pub(crate) fn next(root: &Path, embedder: Option<&dyn Embedder>) -> io::Result<PathBuf> {
    let space = space_name(embedder);
    let next = newest(root, &space)?.map_or(0, |newest| newest + 1);
    Ok(root.join(format!("{space}-{next}")))
}

/// Removes every folder but `keep`.
pub(crate) fn remove_others(root: &Path, keep: &Path) {
    let Ok(entries) = fs_err::read_dir(root) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.path() != keep && generation(&entry.file_name().to_string_lossy()).is_some() {
            remove(&entry.path());
        }
    }
}

/// Removes a folder that nobody opens any more. What cannot be removed only costs room.
pub(crate) fn remove(dir: &Path) {
    if let Err(error) = fs_err::remove_dir_all(dir)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "an old search index was not removed");
    }
}

fn space_name(embedder: Option<&dyn Embedder>) -> String {
    let key = embedder.map_or_else(|| "words".to_owned(), |embedder| embedder.space().key());
    InputHash::of(key.as_bytes()).to_hex()[..16].to_owned()
}

fn newest(root: &Path, space: &str) -> io::Result<Option<u64>> {
    let entries = match fs_err::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut newest = None;
    for entry in entries {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(space) {
            newest = newest.max(generation(&name));
        }
    }
    Ok(newest)
}

/// The generation in a folder's name, where it is one of ours.
fn generation(name: &str) -> Option<u64> {
    let (space, generation) = name.split_once('-')?;
    let is_space = space.len() == 16 && space.bytes().all(|b| b.is_ascii_hexdigit());
    is_space.then(|| generation.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use cairn_testkit::HashEmbedder;

    use super::*;

    #[test]
    fn the_newest_generation_of_the_space_is_current() {
        let root = tempfile::tempdir().unwrap();
        let model = HashEmbedder::new();
        let first = current(root.path(), Some(&model)).unwrap();
        assert_eq!(next(root.path(), Some(&model)).unwrap(), first);
        fs_err::create_dir_all(&first).unwrap();
        let second = next(root.path(), Some(&model)).unwrap();
        assert_ne!(first, second);
        fs_err::create_dir_all(&second).unwrap();
        fs_err::create_dir_all(root.path().join("something else")).unwrap();
        assert_eq!(current(root.path(), Some(&model)).unwrap(), second);
        assert_ne!(current(root.path(), None).unwrap(), second);
        remove_others(root.path(), &second);
        assert!(!first.exists() && second.exists());
        assert!(root.path().join("something else").exists());
    }
}
