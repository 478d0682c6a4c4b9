//! The lock of the data directory, and the directories that are refused.

use cairn_store::{DataDir, LockState, StoreError};
use cairn_testkit::temp_dir;
use cairn_types::{ErrorKind, HasKind, SystemClock};

#[test]
fn a_data_directory_belongs_to_one_holder() {
    let root = temp_dir();
    let path = root.path().join("deep/data");
    assert_eq!(DataDir::peek(&path).unwrap(), LockState::Free);
    let held = DataDir::open(&path, &SystemClock).unwrap();
    let pid = Some(std::process::id());
    assert_eq!(DataDir::peek(&path).unwrap(), LockState::Held { pid });
    let error = DataDir::open(&path, &SystemClock).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(
        error.to_string().contains(&std::process::id().to_string()),
        "{error}"
    );
    let StoreError::InUse { socket, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(socket, held.socket());
    for folder in [held.blobs(), held.index(), held.models()] {
        assert!(folder.is_dir());
    }
    drop(held);
    assert_eq!(DataDir::peek(&path).unwrap(), LockState::Free);
    DataDir::open(&path, &SystemClock).unwrap();
}

#[test]
fn a_new_data_directory_is_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let root = temp_dir();
    let dir = DataDir::open(root.path().join("data"), &SystemClock).unwrap();
    let mode = |path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(dir.path().to_owned()), 0o700);
    assert_eq!(mode(dir.blobs()), 0o700);
    assert_eq!(mode(dir.path().join("lock")), 0o600);
}

#[test]
fn a_file_is_not_a_data_directory() {
    let root = temp_dir();
    let file = root.path().join("file");
    fs_err::write(&file, "mine").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = DataDir::open(&path, &SystemClock).unwrap_err();
        assert!(matches!(error, StoreError::NotAFolder { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(DataDir::peek(&path).unwrap(), LockState::Free);
    }
    assert_eq!(fs_err::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn a_directory_that_cannot_be_written_to_is_refused_with_advice() {
    use std::os::unix::fs::PermissionsExt;
    let root = temp_dir();
    let path = root.path().join("data");
    fs_err::create_dir(&path).unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o500)).unwrap();
    if fs_err::write(path.join("probe"), "").is_ok() {
        println!("SKIP this user may write everywhere");
        return;
    }
    let error = DataDir::open(&path, &SystemClock).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    assert!(error.hint().unwrap().contains("writable"));
}

#[test]
fn a_newer_or_foreign_catalog_is_left_alone() {
    let root = temp_dir();
    let mut newer = vec![0; 4096];
    newer[..16].copy_from_slice(b"SQLite format 3\0");
    newer[60..64].copy_from_slice(&(cairn_store::FORMAT_VERSION + 1).to_be_bytes());
    newer[68..72].copy_from_slice(b"Cair");
    for (bytes, message) in [(newer, "has format 3"), (vec![b'x'; 300], "not a database")] {
        let catalog = root.path().join("catalog.sqlite");
        fs_err::write(&catalog, &bytes).unwrap();
        let error = DataDir::open(root.path(), &SystemClock).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(fs_err::read(&catalog).unwrap(), bytes);
        assert_eq!(
            fs_err::read_dir(root.path()).unwrap().count(),
            1,
            "nothing was made"
        );
    }
}
