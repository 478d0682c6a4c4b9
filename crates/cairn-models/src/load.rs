//! A model of the store as an embedder, whoever computes its family.

use std::path::Path;
use std::sync::Arc;

use cairn_types::ports::Embedder;

use crate::embedder::{LoadOptions, NativeEmbedder, read_verified};
use crate::error::ModelError;
#[cfg(feature = "families")]
use crate::families::LibraryEmbedder;
use crate::family::Family;
use crate::manifest::{CONFIG, Manifest};

/// Loads the model in `dir` (a folder of the [`crate::ModelStore`]), after comparing every file with its recorded hash.
///
/// # Errors
/// As [`NativeEmbedder::load`]; [`ModelError::NotBuilt`] where the model's family needs a library that this build does not have.
pub fn load(dir: &Path, options: &LoadOptions) -> Result<Arc<dyn Embedder>, ModelError> {
    let manifest = Manifest::read(dir)?;
    load_with(dir, &manifest, options)
}

/// Loads with a manifest that is not written yet.
pub(crate) fn load_with(
    dir: &Path,
    manifest: &Manifest,
    options: &LoadOptions,
) -> Result<Arc<dyn Embedder>, ModelError> {
    match family_of(dir, manifest)? {
        Family::Native(_) => Ok(Arc::new(NativeEmbedder::load_with(dir, manifest, options)?)),
        #[cfg(feature = "families")]
        Family::Library(form) => Ok(Arc::new(LibraryEmbedder::load(
            dir, manifest, &form, options,
        )?)),
    }
}

/// The family of an installed model.
///
/// # Errors
/// Where its configuration was altered, or nobody computes it.
pub(crate) fn family_of(dir: &Path, manifest: &Manifest) -> Result<Family, ModelError> {
    let config = read_verified(dir, manifest, CONFIG)?;
    Family::parse(&manifest.name, &config)
}
