//! `cargo xtask check`: everything about a change that needs no test run; the quick steps first.

use anyhow::{Result, bail};

use crate::deny;
use crate::rules;
use crate::run::{cargo, command, run, step};
use crate::test::FAMILIES;

/// Runs every check, also after one has failed, so that one run shows all there is to mend.
pub(crate) fn check() -> Result<()> {
    let results = [
        step("format", || {
            // Names of files only: `cargo fmt` shows and mends the rest.
            run(&mut cargo(&["fmt", "--all", "--check", "--", "-l"]))
        }),
        step(
            "rules: dependencies are described and used",
            rules::dependencies,
        ),
        step("rules: length of files", rules::file_lengths),
        step("rules: examples are what their script writes", || {
            run(&mut command(
                "python3",
                &["-B", "examples/make.py", "--check"],
            ))
        }),
        step("licences, bans, sources, advisories", || {
            deny::check(&deny::install()?)
        }),
        step("lints", || {
            let clippy = ["clippy", "--workspace", "--all-targets", "--locked"];
            run(cargo(&clippy).args(["--", "-D", "warnings"]))
        }),
        step("lints of the optional model families", || {
            let clippy = ["clippy", "--all-targets", "--locked"];
            run(cargo(&clippy).args(FAMILIES).args(["--", "-D", "warnings"]))
        }),
        step("documentation", || {
            let doc = ["doc", "--workspace", "--no-deps", "--locked"];
            run(cargo(&doc).env("RUSTDOCFLAGS", "-D warnings"))
        }),
    ];
    let failures: Vec<String> = results
        .into_iter()
        .filter_map(Result::err)
        .map(|error| format!("{error:#}"))
        .collect();
    if failures.is_empty() {
        return Ok(());
    }
    bail!(
        "{} of the checks failed\n\n{}",
        failures.len(),
        failures.join("\n\n")
    )
}
