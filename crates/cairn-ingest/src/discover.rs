//! Paths and patterns to files: sorted, each once, with what was passed over and why.
//!
//! Folders are walked without following links, hidden entries are passed over, and a `.cairnignore` (the
//! syntax of `.gitignore`) excludes what it names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cairn_types::Timestamp;
use sha2::{Digest, Sha256};

use crate::error::IngestError;

/// A file to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveredFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its key: the absolute path as text.
    pub key: String,
    /// Its size.
    pub size_bytes: u64,
    /// When it was last modified.
    pub modified_at: Option<Timestamp>,
}

/// Something that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The file or folder; where that is not known, the folder that was being walked. Of what stands at it or below it
    /// nobody can say that it is gone.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

impl Unreadable {
    /// Whether the file with this key stands at the path or below it.
    pub(crate) fn covers(&self, key: &str) -> bool {
        // Keys are text: a name that is not UTF-8 stands in them as `to_string_lossy` gives it.
        let path = self.path.to_string_lossy();
        Path::new(key).starts_with(&*path) || key == key_of(&self.path)
    }
}

/// What paths and patterns name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovered {
    /// In order of key.
    pub files: Vec<DiscoveredFile>,
    /// Folders that were walked whole: a sync compares below these.
    pub roots: Vec<PathBuf>,
    /// What cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// What stands in folders and is no file: links, which are not followed, pipes, sockets, devices.
    pub passed_over: Vec<Unreadable>,
}

/// Finds the files that `patterns` name: files, folders (walked), or globs.
///
/// # Errors
/// Where a pattern names nothing or cannot be read as one.
pub fn discover(patterns: &[String], base: &Path) -> Result<Discovered, IngestError> {
    let mut found = BTreeMap::new();
    let mut result = Discovered::default();
    for pattern in patterns {
        let path = absolute(base, Path::new(pattern));
        if path.is_dir() {
            walk(&path, None, &mut found, &mut result);
            result.roots.push(path);
        } else if path.exists() {
            add(&path, &mut found, &mut result.unreadable);
        } else if pattern.contains(['*', '?', '[', '{']) {
            let before = found.len();
            expand(pattern, &path, &mut found, &mut result)?;
            if found.len() == before {
                return Err(IngestError::NothingFound {
                    pattern: pattern.clone(),
                });
            }
        } else {
            return Err(IngestError::NothingFound {
                pattern: pattern.clone(),
            });
        }
    }
    result.files = found.into_values().collect();
    Ok(result)
}

/// `path` under `base`, without `.` and `..`; links are kept as they are named.
fn absolute(base: &Path, path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

fn expand(
    pattern: &str,
    path: &Path,
    found: &mut BTreeMap<String, DiscoveredFile>,
    result: &mut Discovered,
) -> Result<(), IngestError> {
    let bad = |error: globset::Error| IngestError::BadPattern {
        pattern: pattern.to_owned(),
        reason: error.kind().to_string(),
    };
    let text = path.to_string_lossy();
    let glob = globset::GlobBuilder::new(&text)
        .literal_separator(true)
        .build()
        .map_err(bad)?;
    // The longest folder without a wildcard: everything that matches lies below it.
    let fixed: PathBuf = path
        .components()
        .take_while(|part| {
            !part
                .as_os_str()
                .to_string_lossy()
                .contains(['*', '?', '[', '{'])
        })
        .collect();
    walk(&fixed, Some(&glob.compile_matcher()), found, result);
    Ok(())
}

fn walk(
    root: &Path,
    only: Option<&globset::GlobMatcher>,
    found: &mut BTreeMap<String, DiscoveredFile>,
    result: &mut Discovered,
) {
    let walker = ignore::WalkBuilder::new(root)
        .standard_filters(false)
        .hidden(true)
        .follow_links(false)
        .add_custom_ignore_filename(".cairnignore")
        .build();
    let is_wanted = |path: &Path| only.is_none_or(|glob| glob.is_match(path));
    for entry in walker {
        match entry {
            Ok(entry) => match entry.file_type() {
                Some(kind) if kind.is_file() && is_wanted(entry.path()) => {
                    add(entry.path(), found, &mut result.unreadable);
                }
                Some(kind) if !kind.is_file() && !kind.is_dir() && is_wanted(entry.path()) => {
                    let reason = if kind.is_symlink() {
                        "a link, and links in folders are not followed"
                    } else {
                        "not a regular file"
                    };
                    result.passed_over.push(Unreadable {
                        path: entry.path().to_owned(),
                        reason: reason.to_owned(),
                    });
                }
                _ => {}
            },
            Err(error) => result.unreadable.push(Unreadable {
                path: failing_path(&error).unwrap_or(root).to_owned(),
                reason: error.to_string(),
            }),
        }
    }
}

/// The path that an error is about, where it says so.
fn failing_path(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::Loop { child, .. } => Some(child),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            failing_path(err)
        }
        _ => None,
    }
}

fn add(
    path: &Path,
    found: &mut BTreeMap<String, DiscoveredFile>,
    unreadable: &mut Vec<Unreadable>,
) {
    match fs_err::metadata(path) {
        Ok(metadata) if metadata.is_file() => {
            let modified_at = metadata
                .modified()
                .ok()
                .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
                .and_then(|since| i64::try_from(since.as_millis()).ok())
                .map(Timestamp);
            let key = key_of(path);
            let file = DiscoveredFile {
                path: path.to_owned(),
                key: key.clone(),
                size_bytes: metadata.len(),
                modified_at,
            };
            found.insert(key, file);
        }
        Ok(_) => unreadable.push(Unreadable {
            path: path.to_owned(),
            reason: "not a regular file".to_owned(),
        }),
        Err(error) => unreadable.push(Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        }),
    }
}

/// A path as text. One that is not UTF-8 gets a hash of its bytes at the end, so that two of them stay two.
pub(crate) fn key_of(path: &Path) -> String {
    match path.to_str() {
        Some(text) => text.to_owned(),
        None => {
            let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
            let [a, b, c, d] = [digest[0], digest[1], digest[2], digest[3]];
            format!("{}#{a:02x}{b:02x}{c:02x}{d:02x}", path.to_string_lossy())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in [
            ("a.md", "a"),
            ("sub/b.txt", "bb"),
            ("sub/c.md", "c"),
            (".hidden/d.md", "d"),
            ("skip/e.md", "e"),
            (".cairnignore", "skip/\n"),
        ] {
            let path = dir.path().join(name);
            fs_err::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs_err::write(path, text).expect("written");
        }
        dir
    }

    fn names(patterns: &[&str], base: &Path) -> Vec<String> {
        let patterns: Vec<_> = patterns.iter().map(|p| (*p).to_owned()).collect();
        let found = discover(&patterns, base).expect("found");
        found
            .files
            .iter()
            .map(|f| {
                f.path
                    .strip_prefix(base)
                    .expect("below")
                    .display()
                    .to_string()
            })
            .collect()
    }

    #[test]
    fn walks_folders_and_globs_sorted_and_once() {
        let dir = folder();
        for (patterns, expected) in [
            (&["."][..], &["a.md", "sub/b.txt", "sub/c.md"][..]),
            (&["a.md", "./a.md", "."], &["a.md", "sub/b.txt", "sub/c.md"]),
            (&["*.md"], &["a.md"]),
            (&["**/*.md"], &["a.md", "sub/c.md"]),
            (&["sub/{b,c}.*"], &["sub/b.txt", "sub/c.md"]),
            (&["sub/../a.md"], &["a.md"]),
        ] {
            assert_eq!(names(patterns, dir.path()), expected, "{patterns:?}");
        }
    }

    #[test]
    fn nothing_and_bad_patterns_are_errors() {
        let dir = folder();
        for pattern in ["missing", "*.pdf", "sub/["] {
            assert!(
                discover(&[pattern.to_owned()], dir.path()).is_err(),
                "{pattern}"
            );
        }
    }

    #[test]
    fn errors_name_what_cannot_be_read() {
        let denied = || ignore::Error::Io(std::io::ErrorKind::PermissionDenied.into());
        let with_path = ignore::Error::WithPath {
            path: "/d/sub".into(),
            err: Box::new(denied()),
        };
        let deep = ignore::Error::WithDepth {
            depth: 1,
            err: Box::new(with_path.clone()),
        };
        for (error, expected) in [
            (with_path, Some("/d/sub")),
            (deep, Some("/d/sub")),
            (denied(), None),
        ] {
            assert_eq!(failing_path(&error), expected.map(Path::new), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_unreadable_covers_what_stands_below_it() {
        use std::os::unix::ffi::OsStrExt as _;
        let bytes = |bytes| PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
        for (path, key, expected) in [
            (bytes(b"/d/sub"), "/d/sub".to_owned(), true),
            (bytes(b"/d/sub"), "/d/sub/a.md".to_owned(), true),
            (bytes(b"/d/sub"), "/d/subway.md".to_owned(), false),
            (bytes(b"/d/sub"), "/d".to_owned(), false),
            (bytes(b"/d/\xff"), key_of(&bytes(b"/d/\xff/a.md")), true),
            (bytes(b"/d/\xff"), key_of(&bytes(b"/d/\xff")), true),
        ] {
            let reason = String::new();
            let unreadable = Unreadable { path, reason };
            assert_eq!(unreadable.covers(&key), expected, "{unreadable:?} {key}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn link_loops_and_names_that_are_not_utf8_do_no_harm() {
        use std::os::unix::ffi::OsStrExt as _;
        let dir = folder();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("sub/loop")).expect("linked");
        let name = std::ffi::OsStr::from_bytes(b"bad\xff.txt");
        fs_err::write(dir.path().join(name), "x").expect("written");
        let found = discover(&[".".to_owned()], dir.path()).expect("found");
        assert_eq!(found.files.len(), 4);
        assert!(found.files.iter().any(|f| f.key.contains('#')));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_named() {
        let dir = folder();
        let at = |name: &str| dir.path().join(name);
        std::os::unix::fs::symlink(at("a.md"), at("sub/link.md")).expect("linked");
        let _listening = std::os::unix::net::UnixListener::bind(at("s")).expect("bound");
        let named = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
            let found = discover(&patterns, dir.path()).expect("found");
            let passed = found.passed_over.into_iter();
            passed
                .map(|one| {
                    let name = one.path.file_name().expect("a name").to_owned();
                    (name.to_string_lossy().into_owned(), one.reason)
                })
                .collect::<Vec<_>>()
        };
        let link = (
            "link.md".to_owned(),
            "a link, and links in folders are not followed".to_owned(),
        );
        let socket = ("s".to_owned(), "not a regular file".to_owned());
        let mut all = named(&["."]);
        all.sort();
        assert_eq!(all, [link.clone(), socket]);
        assert_eq!(named(&["sub/*.md"]), [link]);
        // Who names a link means what it leads to.
        assert_eq!(named(&["sub/link.md"]), []);
    }
}
