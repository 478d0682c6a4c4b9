//! Damages documents and sends them through real worker processes, then says what became of them.
//!
//! `cargo run -p cairn-extract --example hostile -- [--count N] [--seed N] [--pdfium FILE] [--keep FOLDER] FOLDER`
//! takes every document below `FOLDER`. It ends with exit code 1 where a parser of ours panicked, a worker ended by itself,
//! ran out of time or took more memory than it may; `--keep` writes these inputs, and those with a note, to a folder.
#![expect(clippy::print_stdout, reason = "a command for the terminal")]

mod campaign;
mod mutate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cairn_extract::{
    ExtractOptions, NoTools, WorkerCommand, WorkerLimits, WorkerPool, find_pdfium, worker,
};

fn main() -> std::io::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if std::env::args().nth(1).as_deref() == Some("worker") {
        campaign::end_at_own_panics();
        worker::serve(std::io::stdin().lock(), std::io::stdout().lock())?;
        return Ok(ExitCode::SUCCESS);
    }
    let (mut count, mut seed) = (1_000, 1);
    let (mut pdfium, mut keep, mut root) = (None, None, None);
    let bad = || {
        std::io::Error::other(
            "usage: hostile [--count N] [--seed N] [--pdfium FILE] [--keep FOLDER] FOLDER",
        )
    };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--count" => {
                count = arguments
                    .next()
                    .and_then(|n| n.parse().ok())
                    .ok_or_else(bad)?
            }
            "--seed" => {
                seed = arguments
                    .next()
                    .and_then(|n| n.parse().ok())
                    .ok_or_else(bad)?
            }
            "--pdfium" => pdfium = arguments.next().map(PathBuf::from),
            "--keep" => keep = arguments.next().map(PathBuf::from),
            _ => root = Some(PathBuf::from(argument)),
        }
    }
    let root = root.ok_or_else(bad)?;
    if let Some(folder) = &keep {
        fs_err::create_dir_all(folder)?;
    }
    let documents = documents_below(&root)?;
    let limits = WorkerLimits {
        n_workers: 2,
        deadline: Duration::from_secs(60),
        memory_bytes: 1 << 30,
        ..WorkerLimits::default()
    };
    let limit_kib = limits.memory_bytes >> 10;
    let command = WorkerCommand {
        program: std::env::current_exe()?,
        args: vec!["worker".into()],
    };
    let options = ExtractOptions {
        pdfium: find_pdfium(pdfium.as_deref()),
        ..ExtractOptions::default()
    };
    let pool = WorkerPool::new(command, limits, options, std::sync::Arc::new(NoTools));
    let started = Instant::now();
    let figures = campaign::run(&pool, &documents, count, seed, keep.as_deref());
    for note in &figures.notes {
        println!("note: {note}");
    }
    for fault in &figures.faults {
        println!("FAULT: {fault}");
    }
    println!(
        "{count} damaged copies of {} documents in {:.0} s: {:?}",
        documents.len(),
        started.elapsed().as_secs_f64(),
        figures.outcomes
    );
    let (longest, which) = &figures.slowest;
    println!("slowest: {:.1} s, {which}", longest.as_secs_f64());
    println!(
        "most memory of a worker: {} MiB of {} MiB",
        figures.peak_kib >> 10,
        limit_kib >> 10
    );
    let is_sound = figures.faults.is_empty() && figures.peak_kib <= limit_kib;
    Ok(if is_sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn documents_below(root: &Path) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut paths = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| fs_err::read(&path).map(|bytes| (path, bytes)))
        .filter(|document| !matches!(document, Ok((_, bytes)) if bytes.is_empty()))
        .collect()
}
