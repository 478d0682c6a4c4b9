//! What a worker process costs: its start with a first document, and a document of five bytes on a running one.
//!
//! `cargo run -p cairn-extract --example worker_cost -- [PDFIUM [FILE]]`; with the library it is loaded at the start, and
//! the file, a PDF, is read too. Prints medians.
#![expect(clippy::print_stdout, reason = "printing is its purpose")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cairn_extract::{
    ExtractError, ExtractOptions, Input, NoTools, WorkerCommand, WorkerLimits, WorkerPool, worker,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1);
    let first = args.next();
    if first.as_deref().is_some_and(|arg| arg == "worker") {
        worker::serve(std::io::stdin().lock(), std::io::stdout())?;
        return Ok(());
    }
    let options = ExtractOptions {
        pdfium: first.map(PathBuf::from),
        ..ExtractOptions::default()
    };
    let pool = |files_per_worker| {
        let command = WorkerCommand {
            program: std::env::current_exe()?,
            args: vec!["worker".into()],
        };
        let limits = WorkerLimits {
            n_workers: 1,
            files_per_worker,
            ..WorkerLimits::default()
        };
        let tools = Arc::new(NoTools);
        std::io::Result::Ok(WorkerPool::new(command, limits, options.clone(), tools))
    };
    let tiny = Input::file("a.txt", b"hello");
    let fresh = pool(1)?;
    println!("isolation: {}", fresh.isolation()?);
    println!("start and document: {:?}", median(200, &fresh, &tiny)?);
    let running = pool(u32::MAX)?;
    println!("document: {:?}", median(2000, &running, &tiny)?);
    if let Some(path) = args.next() {
        let bytes = fs_err::read(PathBuf::from(path))?;
        let file = Input::file("a.pdf", &bytes);
        println!("file: {:?}", median(50, &running, &file)?);
    }
    Ok(())
}

fn median(n: usize, pool: &WorkerPool, input: &Input<'_>) -> Result<Duration, ExtractError> {
    let mut times = Vec::new();
    for _ in 0..n {
        let started = Instant::now();
        pool.extract(input)?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times[n / 2])
}
