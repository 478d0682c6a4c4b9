//! What the catalog knows of a source, compared with what was found: what moved, what is gone.
//!
//! Both answers are given only where the disk says that a file is not there. A disk that fails, or a folder that may not be
//! read, says nothing: then a document stays as it is. O(known items) calls of the file system.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use cairn_types::ports::KnownItem;
use cairn_types::{BlobHash, DocumentId};

use crate::discover::Unreadable;

/// Known items of a source, by key and by content; or, for a run of few files, those at their keys alone.
pub(crate) struct Known {
    /// Whether all items of the source were looked at: only then it is known what moved.
    pub(crate) is_whole: bool,
    pub(crate) by_key: HashMap<String, KnownItem>,
    /// Living items whose file is no longer where it was, by content, in falling order of key: candidates for a move.
    missing: HashMap<BlobHash, Vec<KnownItem>>,
    /// Documents that were recognised elsewhere.
    moved: HashSet<DocumentId>,
}

impl Known {
    /// `items` beside the keys that were found now. Blocking: asks for every item that was not found.
    pub(crate) fn new(items: Vec<KnownItem>, present: &HashSet<String>) -> Self {
        let mut missing: HashMap<BlobHash, Vec<KnownItem>> = HashMap::new();
        for item in &items {
            // A key with a replacement character is not the file's real name, so the disk cannot be asked for it.
            let is_asked = !item.is_deleted
                && !present.contains(&item.key)
                && !item.key.contains(char::REPLACEMENT_CHARACTER);
            if is_asked && is_absent(Path::new(&item.key)) {
                missing.entry(item.blob).or_default().push(item.clone());
            }
        }
        missing.retain(|_, candidates| {
            candidates.sort_unstable_by(|one, other| other.key.cmp(&one.key));
            // Whose readers would the file get? It is added as new rather than guessed.
            candidates
                .iter()
                .all(|candidate| candidate.access == candidates[0].access)
        });
        Self {
            is_whole: true,
            missing,
            ..Self::at_keys(items)
        }
    }

    /// Items at the keys that were found, and none besides.
    pub(crate) fn at_keys(items: Vec<KnownItem>) -> Self {
        let by_key = items.into_iter().map(|item| (item.key.clone(), item));
        Self {
            is_whole: false,
            by_key: by_key.collect(),
            missing: HashMap::new(),
            moved: HashSet::new(),
        }
    }

    /// The document with this content that is missing elsewhere. Each is given once, the lowest key first.
    pub(crate) fn take_moved(&mut self, blob: BlobHash) -> Option<KnownItem> {
        let item = self.missing.get_mut(&blob)?.pop()?;
        self.moved.insert(item.document);
        Some(item)
    }

    /// Documents below the roots that are not deleted.
    pub(crate) fn n_below(&self, roots: &[PathBuf]) -> usize {
        self.by_key
            .values()
            .filter(|item| is_below(item, roots))
            .count()
    }

    /// Documents below the roots whose file is neither there nor recognised elsewhere, nor at or below what cannot be read.
    /// Blocking.
    pub(crate) fn gone(
        &self,
        roots: &[PathBuf],
        present: &HashSet<String>,
        unreadable: &[Unreadable],
    ) -> Vec<DocumentId> {
        let mut gone: Vec<_> = self
            .by_key
            .values()
            .filter(|item| is_below(item, roots) && !present.contains(&item.key))
            .filter(|item| !self.moved.contains(&item.document))
            .filter(|item| !unreadable.iter().any(|path| path.covers(&item.key)))
            .filter(|item| is_known_state(Path::new(&item.key)))
            .map(|item| item.document)
            .collect();
        gone.sort_unstable();
        gone
    }
}

/// Whether the item is living and stands at or below one of the roots.
pub(crate) fn is_below(item: &KnownItem, roots: &[PathBuf]) -> bool {
    !item.is_deleted
        && roots
            .iter()
            .any(|root| Path::new(&item.key).starts_with(root))
}

/// Whether the disk says that nothing stands there.
fn is_absent(path: &Path) -> bool {
    fs_err::symlink_metadata(path).is_err_and(|error| says_absent(&error))
}

/// Whether the disk says that something stands there (which the walk passed over) or that nothing does.
fn is_known_state(path: &Path) -> bool {
    fs_err::symlink_metadata(path).map_or_else(|error| says_absent(&error), |_| true)
}

/// A file where a folder was is as good an answer as none at all.
fn says_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use cairn_types::{AccessList, Fingerprint, Principal};

    use super::*;

    fn item(n: u64, key: &str, content: &str, readers: &AccessList) -> KnownItem {
        KnownItem {
            document: DocumentId(n),
            key: key.to_owned(),
            blob: BlobHash::of(content.as_bytes()),
            fingerprint: Fingerprint::of(b""),
            size_bytes: 1,
            modified_at: None,
            tags: std::collections::BTreeSet::new(),
            access: readers.clone(),
            is_deleted: false,
        }
    }

    #[test]
    fn only_living_documents_that_are_surely_missing_can_have_moved() {
        let dir = cairn_testkit::temp_dir();
        let at = |name: &str| dir.path().join(name).display().to_string();
        fs_err::write(at("there.md"), "there").expect("written");
        let all = AccessList::everyone();
        let anna = AccessList::new([Principal::User("anna".to_owned())]);
        let mut deleted = item(3, &at("deleted.md"), "deleted", &all);
        deleted.is_deleted = true;
        let items = vec![
            item(1, &at("there.md"), "there", &all),
            item(2, &at("found.md"), "found", &all),
            deleted,
            item(4, &at("bad\u{fffd}.md#00112233"), "bad", &all),
            item(5, &at("b.md"), "twice", &all),
            item(6, &at("a.md"), "twice", &all),
            item(7, &at("open.md"), "mixed", &all),
            item(8, &at("closed.md"), "mixed", &anna),
            item(9, &at("there.md/below.md"), "below", &all),
        ];
        // As if the walk had found a file that went away since.
        let present = HashSet::from([at("found.md")]);
        let mut known = Known::new(items, &present);
        for (content, expected) in [
            ("there", None),
            ("found", None),
            ("deleted", None),
            ("bad", None),
            ("twice", Some(6)),
            ("twice", Some(5)),
            ("twice", None),
            ("mixed", None),
            ("below", Some(9)),
        ] {
            let moved = known.take_moved(BlobHash::of(content.as_bytes()));
            assert_eq!(moved.map(|item| item.document.0), expected, "{content}");
        }
    }

    #[test]
    fn nothing_is_gone_that_the_disk_is_silent_about() {
        let dir = cairn_testkit::temp_dir();
        let at = |name: &str| dir.path().join(name);
        let all = AccessList::everyone();
        let key = |name: &str| at(name).display().to_string();
        // A name longer than any file system takes: the disk answers with an error of its own.
        let strange = "x".repeat(5_000);
        let items: Vec<_> = (1..)
            .zip([
                "kept.md",
                "gone.md",
                "sub/a.md",
                "file.md",
                "sub2/b.md",
                &strange,
            ])
            .map(|(n, name)| item(n, &key(name), name, &all))
            .collect();
        let known = Known::new(items, &HashSet::new());
        let roots = [dir.path().to_owned()];
        let present = HashSet::from([key("kept.md")]);
        let unreadable = |paths: &[&str]| -> Vec<Unreadable> {
            let paths = paths.iter();
            let all = paths.map(|path| Unreadable {
                path: at(path),
                reason: "denied".to_owned(),
            });
            all.collect()
        };
        let gone = |paths: &[&str]| -> Vec<u64> {
            let gone = known.gone(&roots, &present, &unreadable(paths));
            gone.into_iter().map(|id| id.0).collect()
        };
        assert_eq!(known.n_below(&roots), 6);
        assert_eq!(gone(&[]), [2, 3, 4, 5]);
        assert_eq!(gone(&["sub", "file.md"]), [2, 5]);
        // The path of the failure is not known: the folder that was walked stands for it.
        assert_eq!(gone(&[""]), [0; 0]);
    }
}
