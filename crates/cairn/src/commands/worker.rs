//! `cairn worker`: parses documents from standard input in a process of its own. `cairn launch`: becomes a program that
//! is not ours, within walls.

use std::ffi::OsString;

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

/// Ends only where the program cannot be launched.
#[cfg(unix)]
pub(crate) fn launch(args: Vec<OsString>) -> Result<u8, Failure> {
    let Err(error) = worker::launch(args);
    Err(Failure::new(ErrorKind::Unavailable, error.to_string()))
}

#[cfg(not(unix))]
pub(crate) fn launch(_args: Vec<OsString>) -> Result<u8, Failure> {
    Err(Failure::new(
        ErrorKind::Unavailable,
        "this system cannot wall a program in",
    ))
}
