//! `cargo xtask test`: all tests, with nothing skipped for want of a counterpart that can be prepared here.
//!
//! The test run itself comes last and prints the last lines, so that a reader of a log finds its summary there.

use std::process::Command;

use anyhow::Result;

use crate::full;
use crate::run::{cargo, run, step, succeeds};
use crate::setup::{Prepared, setup_for_tests};

/// The one optional feature of the workspace. Its tests have `families` in their names.
pub(crate) const FAMILIES: [&str; 4] = ["-p", "cairn-models", "--features", "families"];

/// Prepares the counterparts, then builds and runs all tests; `arguments` go to the runner (a filter, `-p CRATE`).
pub(crate) fn test(arguments: &[String]) -> Result<()> {
    let prepared = setup_for_tests()?;
    let has_nextest = succeeds(&mut cargo(&["nextest", "--version"]));
    let runner: &[&str] = if has_nextest {
        &["nextest", "run", "--locked"]
    } else {
        &["test", "--locked", "--lib", "--bins", "--tests"]
    };
    let selection: &[&str] = if arguments.is_empty() {
        &["--workspace"]
    } else {
        &[]
    };
    step("build the tests", || {
        run(cargo(runner)
            .args(selection)
            .args(arguments)
            .arg("--no-run"))
    })?;
    if arguments.is_empty() {
        step("tests in the documentation", || {
            let doc = ["test", "--workspace", "--doc", "--locked", "--quiet"];
            run(prepared.tell(&mut cargo(&doc)))
        })?;
        step("tests of the optional model families", || {
            run(prepared.tell(cargo(runner).args(FAMILIES).arg("families")))
        })?;
    }
    // Before the tests, whose last lines stay the last; what it finds is told after them.
    let fuzzed = if arguments.is_empty() {
        full::look(&prepared)
    } else {
        Ok(())
    };
    println!("\n=== tests");
    // Every failure is worth knowing, not only the first.
    let mut all = cargo(runner);
    all.arg("--no-fail-fast").args(selection).args(arguments);
    run(prepared.tell(&mut all)).and(fuzzed)
}

impl Prepared {
    /// Tells the tests where their counterparts are. `CAIRN_TEST_DATA` is the caller's: it is passed on as it is.
    fn tell<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("CAIRN_TEST_REQUIRE", "1")
            .env("CAIRN_TEST_MODEL", &self.model)
            .env("CAIRN_TEST_PDFIUM", &self.pdfium)
    }
}
