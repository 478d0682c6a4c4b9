//! `cairn worker`: parses documents from standard input in a process of its own.

use cairn_extract::{ExtractOptions, worker};
use cairn_types::ErrorKind;

use crate::cli::WorkerArgs;
use crate::failure::Failure;

pub(crate) fn run(args: WorkerArgs) -> Result<u8, Failure> {
    let options = ExtractOptions {
        pdfium: args.pdfium,
        ..ExtractOptions::default()
    };
    worker::serve(std::io::stdin().lock(), std::io::stdout().lock(), &options).map_err(
        |error| {
            Failure::new(
                ErrorKind::Unavailable,
                format!("the worker's pipes failed: {error}"),
            )
        },
    )?;
    Ok(0)
}
