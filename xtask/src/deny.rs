//! `cargo deny`: licences, bans and sources always, advisories where their database can be reached.

use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::run::{cache_dir, cargo, command, output, run};

const VERSION: &str = "0.20.2";

/// The advisory database is a git repository elsewhere: a network that drops packets must not hold the check.
const FETCH_LIMIT: Duration = Duration::from_secs(120);

/// Installs the tool where it is missing.
pub(crate) fn install() -> Result<PathBuf> {
    let is_wanted = |program: &PathBuf| {
        let mut ask = command(program, &["--version"]);
        ask.stdin(Stdio::null());
        output(&mut ask).is_ok_and(|text| text.contains(VERSION))
    };
    let global = PathBuf::from("cargo-deny");
    if is_wanted(&global) {
        return Ok(global);
    }
    let folder = cache_dir()?.join(format!("tools/cargo-deny-{VERSION}"));
    let program = folder.join("bin/cargo-deny");
    if program.exists() && is_wanted(&program) {
        return Ok(program);
    }
    println!("building cargo-deny {VERSION}: about 2 minutes, once");
    // Lightly optimised: a third of the time to build, and the check runs as fast (measured: 0.6 s, 0.5 s).
    // `--force`, as a run that was stopped may have left a part of it.
    run(
        cargo(&["install", "--locked", "--force", "--profile", "dev"])
            .args(["cargo-deny", "--version", VERSION, "--root"])
            .arg(&folder)
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_DEV_DEBUG", "0"),
    )?;
    Ok(program)
}

/// Checks the whole dependency tree.
pub(crate) fn check(program: &PathBuf) -> Result<()> {
    let quiet = ["--log-level", "error", "check", "--hide-inclusion-graph"];
    run(command(program, &quiet).args(["licenses", "bans", "sources"]))?;
    if !fetch_advisories(program)? {
        println!("advisories: not checked, their database cannot be reached from here");
        return Ok(());
    }
    run(command(program, &quiet).args(["--disable-fetch", "advisories"]))
}

/// Whether the advisory database is here and new.
fn fetch_advisories(program: &PathBuf) -> Result<bool> {
    let mut child = command(program, &["--log-level", "error", "fetch", "db"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start cargo-deny")?;
    let mut stdout = child.stdout.take().context("cargo-deny has no output")?;
    let (ended, end) = mpsc::channel();
    // Ends when the child closes its output, so that the wait below has a limit.
    let reader = std::thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = stdout.read_to_end(&mut rest);
        let _ = ended.send(());
    });
    if end.recv_timeout(FETCH_LIMIT).is_err() {
        child.kill().context("cannot stop cargo-deny")?;
    }
    let status = child.wait().context("cannot wait for cargo-deny")?;
    let _ = reader.join();
    Ok(status.success())
}
