//! `cargo xtask`: the project's own commands, in plain Rust so that nothing but Rust must be there first.
//!
//! `demo` does the main job once, `test` runs every test with its real counterparts, `check` is what a change must
//! pass before its tests, `full` fuzzes for as long as one likes, `setup` only prepares the machine.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for the terminal"
)]

mod check;
mod demo;
mod deny;
mod full;
mod rules;
mod run;
mod setup;
mod test;
mod wheels;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  demo    install what is missing, build Cairn, ingest examples/ and ask three questions
  test    install what is missing (also Tesseract, LibreOffice, ffmpeg) and run all tests with their real counterparts
  check   formatting, lints, documentation, licences and the project's own rules
  full    fuzz the parsers: --minutes N [TARGET...] for all or some, --rerun TARGET FILE for one input
  setup   only install what is missing: system packages, embedding model, PDFium
";

fn main() -> ExitCode {
    match command() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("demo") => demo::demo(),
        Some("test") => test::test(&arguments[1..]),
        Some("check") => check::check(),
        Some("full") => full::full(&arguments[1..]),
        Some("setup") => setup::setup().map(|_| ()),
        Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            Ok(())
        }
        Some(other) => bail!("`{other}` is no command\n\n{USAGE}"),
        None => bail!("a command is missing\n\n{USAGE}"),
    }
}
