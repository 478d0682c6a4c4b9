//! Originals on disk.

use std::io::{self, Read};

use cairn_store::{BlobLimits, BlobStore, StoreError};
use cairn_testkit::temp_dir;
use cairn_types::{BlobHash, ErrorKind, HasKind, TenantId};

const ONE: TenantId = TenantId(1);
const TWO: TenantId = TenantId(2);

fn files(dir: &std::path::Path) -> usize {
    let entries = fs_err::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { files(&path) } else { 1 })
        .sum()
}

#[test]
fn originals_are_stored_once_per_tenant() {
    let dir = temp_dir();
    let store = BlobStore::open(dir.path(), BlobLimits::default()).unwrap();
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let first = store.put(ONE, content.as_slice()).unwrap();
    assert_eq!(
        (first.hash, first.size_bytes),
        (BlobHash::of(&content), content.len() as u64)
    );
    assert_eq!(store.put(ONE, content.as_slice()).unwrap(), first);
    assert_eq!(files(dir.path()), 1);
    assert!(store.exists(ONE, first.hash).unwrap());
    assert!(!store.exists(TWO, first.hash).unwrap());
    assert!(matches!(
        store.read_verified(TWO, first.hash),
        Err(StoreError::BlobMissing(_))
    ));
    store.put(TWO, content.as_slice()).unwrap();
    assert_eq!(files(dir.path()), 2);
    assert_eq!(store.read_verified(ONE, first.hash).unwrap(), content);
    let mut read = Vec::new();
    store
        .open_blob(ONE, first.hash)
        .unwrap()
        .read_to_end(&mut read)
        .unwrap();
    assert_eq!(read, content);
    let empty = store.put(ONE, io::empty()).unwrap();
    assert_eq!(
        (
            empty.size_bytes,
            store.read_verified(ONE, empty.hash).unwrap()
        ),
        (0, vec![])
    );
}

#[test]
fn a_damaged_original_is_noticed() {
    let dir = temp_dir();
    let store = BlobStore::open(dir.path(), BlobLimits::default()).unwrap();
    let blob = store.put(ONE, b"content".as_slice()).unwrap();
    fs_err::write(store.path(ONE, blob.hash), b"Content").unwrap();
    let error = store.read_verified(ONE, blob.hash).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn a_damaged_original_is_repaired_by_the_same_bytes() {
    let dir = temp_dir();
    let store = BlobStore::open(dir.path(), BlobLimits::default()).unwrap();
    let blob = store.put(ONE, b"content".as_slice()).unwrap();
    for damaged in [b"Content".as_slice(), b"cont", b"", b"content and more"] {
        fs_err::write(store.path(ONE, blob.hash), damaged).unwrap();
        assert_eq!(store.put(ONE, b"content".as_slice()).unwrap(), blob);
        assert_eq!(store.read_verified(ONE, blob.hash).unwrap(), b"content");
        assert_eq!(files(dir.path()), 1);
    }
}

#[test]
fn nothing_remains_of_what_was_not_finished() {
    let dir = temp_dir();
    let limits = BlobLimits { max_bytes: 10 };
    let store = BlobStore::open(dir.path(), limits).unwrap();
    store.put(ONE, [1; 10].as_slice()).unwrap();
    let error = store.put(ONE, [1; 11].as_slice()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limited);
    struct Breaks(bool);
    impl Read for Breaks {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(io::Error::other("the line went dead"));
            }
            buffer[0] = 1;
            Ok(1)
        }
    }
    let error = store.put(ONE, Breaks(false)).unwrap_err();
    assert!(matches!(error, StoreError::Input(_)), "{error}");
    let mut writer = store.begin(ONE).unwrap();
    writer.write(b"abc").unwrap();
    drop(writer);
    assert_eq!(files(dir.path()), 1);
    // What a crash leaves behind is removed at the next opening.
    let mut writer = store.begin(ONE).unwrap();
    writer.write(b"abc").unwrap();
    std::mem::forget(writer);
    assert_eq!(files(dir.path()), 2);
    BlobStore::open(dir.path(), limits).unwrap();
    assert_eq!(files(dir.path()), 1);
}

#[test]
fn equal_content_from_many_threads_is_one_file() {
    let dir = temp_dir();
    let store = BlobStore::open(dir.path(), BlobLimits::default()).unwrap();
    std::thread::scope(|scope| {
        for n in 0..4_u8 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..8_u8 {
                    store.put(ONE, [round; 1000].as_slice()).unwrap();
                    store.put(ONE, [round, n].as_slice()).unwrap();
                }
            });
        }
    });
    assert_eq!(files(dir.path()), 8 + 32);
}
