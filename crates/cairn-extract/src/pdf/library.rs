//! Finds and loads the pdfium library, once per process.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use cairn_types::BlobHash;
use pdfium_render::prelude::Pdfium;

use crate::error::ExtractError;
use crate::options::ExtractOptions;

/// Where distributions and hand installations put libraries.
const SYSTEM_DIRS: [&str; 6] = [
    "/usr/local/lib",
    "/usr/lib",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/opt/homebrew/lib",
];

/// The pdfium library: `configured` (a file, or a folder that holds it), else beside this program, in the
/// `lib` folder next to the program's, or in the system's folders. A configured path that is not there
/// gives `None` rather than another library.
#[must_use]
pub fn find_pdfium(configured: Option<&Path>) -> Option<PathBuf> {
    let name = Pdfium::pdfium_platform_library_name();
    if let Some(path) = configured {
        let path = if path.is_dir() {
            path.join(&name)
        } else {
            path.to_owned()
        };
        return path.is_file().then_some(path);
    }
    let program = std::env::current_exe().ok();
    let folder = program.as_deref().and_then(Path::parent);
    let beside = folder
        .into_iter()
        .flat_map(|folder| [folder.to_owned(), folder.join("lib"), folder.join("../lib")]);
    beside
        .chain(SYSTEM_DIRS.iter().map(PathBuf::from))
        .map(|folder| folder.join(&name))
        .find(|path| path.is_file())
}

/// What tells this library from another: a hash of its file, so that the same one at another place is the same. A file that is
/// damaged has another than the one that takes its place.
pub(crate) fn identity(path: Option<&Path>) -> String {
    let Some(path) = path else {
        return "none".to_owned();
    };
    fs_err::read(path).map_or_else(
        |_| "unread".to_owned(),
        |bytes| BlobHash::of(&bytes).to_hex(),
    )
}

/// Loads the library ahead of the first document. A worker that is locked up cannot do it later; why it could not be
/// loaded is kept for the documents that need it.
pub(crate) fn preload(options: &ExtractOptions) {
    let _ = load(options.pdfium.as_deref());
}

/// The library, loaded on first use and kept. Later calls get the same one, whatever their path. A path that failed
/// is not tried again: in a locked worker the second error would name the lock, not the reason.
pub(super) fn load(path: Option<&Path>) -> Result<&'static Pdfium, ExtractError> {
    static LOADED: OnceLock<Pdfium> = OnceLock::new();
    // Loading twice at a time would make one of the two fail.
    static FAILED: Mutex<Option<(PathBuf, ExtractError)>> = Mutex::new(None);
    let Some(path) = path else {
        return Err(missing("the pdfium library is not installed"));
    };
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pdfium) = LOADED.get() {
        return Ok(pdfium);
    }
    if let Some((_, error)) = failed.as_ref().filter(|(tried, _)| tried == path) {
        return Err(error.clone());
    }
    match Pdfium::bind_to_library(path) {
        Ok(bindings) => Ok(LOADED.get_or_init(|| Pdfium::new(bindings))),
        Err(error) => {
            let error = missing(&format!("`{}` cannot be loaded: {error}", path.display()));
            *failed = Some((path.to_owned(), error.clone()));
            Err(error)
        }
    }
}

fn missing(reason: &str) -> ExtractError {
    ExtractError::Unsupported {
        media_type: "application/pdf".into(),
        hint: format!(
            "{reason}; put it beside the program, or name its place with `extract.pdfium`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_path_is_taken_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(Pdfium::pdfium_platform_library_name());
        assert_eq!(find_pdfium(Some(&file)), None);
        assert_eq!(find_pdfium(Some(folder.path())), None);
        fs_err::write(&file, b"").unwrap();
        assert_eq!(find_pdfium(Some(&file)), Some(file.clone()));
        assert_eq!(find_pdfium(Some(folder.path())), Some(file));
    }
}
