//! Places on disk that tests use.

use std::path::{Path, PathBuf};

/// An empty folder of its own for a test, removed when the value is dropped.
///
/// # Panics
/// Where the machine cannot make one.
#[must_use]
pub fn temp_dir() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("cairn-test-")
        .tempdir()
        .expect("a test machine has room for a temporary folder")
}

/// The folder `examples/` of the workspace: `documents/` and `golden.jsonl`.
#[must_use]
pub fn examples_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate stands two folders below the workspace")
        .join("examples")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_folders_differ_and_vanish() {
        let (one, other) = (temp_dir(), temp_dir());
        assert_ne!(one.path(), other.path());
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists());
        assert!(other.path().is_dir());
    }
}
