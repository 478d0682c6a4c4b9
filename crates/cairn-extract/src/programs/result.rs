//! Reads what a program left in its private folder, as one reads what a stranger left there.
//!
//! A document may have taken the program over. A link would lead the parent, which has rights, to any file of the server;
//! a device has no end; a pipe makes `open` wait for ever. So nothing is followed and nothing waited for, only a regular
//! file with this one name is read, and no more of it than expected.

use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt as _;
use rustix::fs::OFlags;

/// The bytes of `name` in `folder`, at most `max_bytes`. The program must have ended.
///
/// # Errors
/// `NotFound` where there is nothing of this name; any other kind where it cannot be opened, is no regular file of one
/// name, or is larger.
pub(super) fn read_result(folder: &Path, name: &str, max_bytes: u64) -> io::Result<Vec<u8>> {
    let no_waiting = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = fs_err::OpenOptions::new()
        .read(true)
        .custom_flags(no_waiting.bits().cast_signed())
        .open(folder.join(name))?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.nlink() != 1 {
        return Err(io::Error::other(format!("`{name}` is no file of its own")));
    }
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(io::Error::other(format!(
            "`{name}` became larger than {max_bytes} bytes"
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_of_its_own_is_read() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (at, secret) = (folder.path(), outside.path().join("secret"));
        fs_err::write(&secret, b"secret").unwrap();
        let read = |name: &str| read_result(at, name, 5);
        fs_err::write(at.join("plain"), b"12345").unwrap();
        assert_eq!(read("plain").unwrap(), b"12345");
        let missing = read("missing").unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);

        for (to, name) in [
            (secret.as_path(), "link"),
            (Path::new("/dev/zero"), "zero"),
            (Path::new("nowhere"), "dangling"),
            (Path::new("plain"), "inward"),
        ] {
            fs_err::os::unix::fs::symlink(to, at.join(name)).unwrap();
        }
        fs_err::hard_link(&secret, at.join("second name")).unwrap();
        fs_err::create_dir(at.join("folder")).unwrap();
        fs_err::write(at.join("large"), b"123456").unwrap();
        let sparse = fs_err::File::create(at.join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        for name in [
            "link",
            "zero",
            "dangling",
            "inward",
            "second name",
            "folder",
            "large",
            "sparse",
        ] {
            let error = read(name).unwrap_err();
            assert_ne!(error.kind(), io::ErrorKind::NotFound, "{name}: {error}");
            assert!(error.to_string().contains(name), "{name}: {error}");
        }
        // Devices by their own name, and not by a link.
        let error = read_result(Path::new("/dev"), "zero", 5).unwrap_err();
        assert!(error.to_string().contains("no file"), "{error}");
    }
}
