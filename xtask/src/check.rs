//! `cargo xtask check`: everything about a change that needs no test run; the quick steps first.

use anyhow::Result;

use crate::deny;
use crate::rules;
use crate::run::{cargo, run, step};

/// Runs every check and stops at the first that fails.
pub(crate) fn check() -> Result<()> {
    step("format", || run(&mut cargo(&["fmt", "--all", "--check"])))?;
    step("rules: dependencies are described", rules::dependencies)?;
    step("rules: length of files", rules::file_lengths)?;
    let program = step("install cargo-deny", deny::install)?;
    step("licences, bans, sources, advisories", || {
        deny::check(&program)
    })?;
    step("lints", || {
        let clippy = ["clippy", "--workspace", "--all-targets", "--locked"];
        run(cargo(&clippy).args(["--", "-D", "warnings"]))
    })?;
    step("documentation", || {
        let doc = ["doc", "--workspace", "--no-deps", "--locked"];
        run(cargo(&doc).env("RUSTDOCFLAGS", "-D warnings"))
    })
}
