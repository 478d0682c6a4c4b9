//! `cairn worker`: parses documents from standard input in a process of its own.

use cairn_extract::worker;
use cairn_types::ErrorKind;

use crate::failure::Failure;

pub(crate) fn run() -> Result<u8, Failure> {
    worker::serve(std::io::stdin().lock(), std::io::stdout().lock()).map_err(|error| {
        Failure::new(
            ErrorKind::Unavailable,
            format!("the worker's pipes failed: {error}"),
        )
    })?;
    Ok(0)
}
