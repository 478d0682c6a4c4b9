//! What the tests share: the binary on a data folder of its own, a server that it runs, an HTTP client, checks.

mod check;
mod http;
mod process;
mod server;

pub(crate) use check::{Texts, without_timings};
pub(crate) use http::{Http, Multipart};
pub(crate) use process::{Cairn, Outcome, need_all, signal};
pub(crate) use server::Server;

use std::path::Path;

/// Writes a file and the folders above it.
pub(crate) fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs_err::create_dir_all(path.parent().expect("a file has a folder")).unwrap();
    fs_err::write(path, bytes).unwrap();
}

/// The documents of the workspace's examples.
pub(crate) fn example_documents() -> String {
    cairn_testkit::examples_dir()
        .join("documents")
        .to_string_lossy()
        .into_owned()
}
