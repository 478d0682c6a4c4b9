//! `cargo xtask full`: parsers against a fuzzer, and mutated documents against the workers, for as long as one likes.
//!
//! The targets of `fuzz/` are built with the instrumentation of LLVM that libFuzzer reads, which the stable compiler passes
//! on. Inputs that reach new code are kept in the cache folder, so that runs add up; so are inputs that crash, and each is
//! tried again at every start until it holds.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

use crate::run::{cache_dir, cargo, command, output, run, step, target_dir, variable};
use crate::setup::{Prepared, setup_for_tests};

/// Targets that run at the same time.
const AT_ONCE: usize = 2;
/// Seconds that each target gets in `cargo xtask test`.
const SECONDS_IN_TEST: u64 = 30;
/// An input that takes longer, on however busy a machine, is a fault.
const TIMEOUT_SECONDS: u64 = 60;
/// So is one for which the process grows further.
const MEMORY_MB: u64 = 2048;
/// Mutated documents for each minute of fuzzing.
const MUTATIONS_PER_MINUTE: u64 = 150;

/// What the engine needs: counters on every edge, their places, and a look at comparisons.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// A target as the program of the seeds names it.
#[derive(Clone)]
struct Target {
    name: String,
    max_len: String,
}

/// How one target did.
struct Outcome {
    line: String,
    /// The input that crashed it.
    crash: Option<String>,
}

/// `--minutes N [TARGET...]`: fuzzes all targets, or those that are named, then mutates documents. `--rerun TARGET FILE` tries
/// one input.
pub(crate) fn full(arguments: &[String]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--rerun", target, file] => rerun(target, file),
        ["--minutes", minutes, ref only @ ..] => {
            let minutes: u64 = minutes.parse().context("--minutes takes a whole number")?;
            let prepared = setup_for_tests()?;
            let fuzzed = fuzz(&prepared, only, |n_targets| {
                (minutes * 60 * AT_ONCE as u64 / n_targets.max(1) as u64).max(5)
            });
            let mutated = if only.is_empty() {
                mutate(&prepared, minutes * MUTATIONS_PER_MINUTE)
            } else {
                Ok(())
            };
            fuzzed.and(mutated)
        }
        _ => bail!("usage: cargo xtask full --minutes N [TARGET...] | --rerun TARGET FILE"),
    }
}

/// A short look by every target.
pub(crate) fn look(prepared: &Prepared) -> Result<()> {
    fuzz(prepared, &[], |_| SECONDS_IN_TEST)
}

fn rerun(name: &str, file: &str) -> Result<()> {
    let prepared = setup_for_tests()?;
    let program = build()?;
    let file = std::path::absolute(file)?;
    run(command(&program, &[])
        .arg(file)
        .env("CAIRN_FUZZ_TARGET", name)
        .env("CAIRN_TEST_PDFIUM", &prepared.pdfium))
}

fn fuzz(prepared: &Prepared, only: &[&str], seconds: impl Fn(usize) -> u64) -> Result<()> {
    let program = step("build the fuzz targets", build)?;
    let home = cache_dir()?.join("fuzz");
    let mut targets = step("seeds of the fuzz targets", || seeds(&home))?;
    if let Some(unknown) = only
        .iter()
        .find(|name| targets.iter().all(|target| target.name != **name))
    {
        bail!("no fuzz target is called `{unknown}`");
    }
    targets.retain(|target| only.is_empty() || only.contains(&&*target.name));
    let seconds = seconds(targets.len());
    let name = format!("{} fuzz targets, {seconds} s each", targets.len());
    step(&name, || {
        let waiting = Mutex::new(VecDeque::from(targets));
        let outcomes = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let next = lock(&waiting).pop_front();
                        let Some(target) = next else {
                            break;
                        };
                        let outcome = fuzz_one(&program, &home, &target, prepared, seconds);
                        if let Ok(outcome) = &outcome {
                            println!("{}", outcome.line);
                        }
                        lock(&outcomes).push(outcome);
                    }
                });
            }
        });
        let outcomes = outcomes
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut crashes = Vec::new();
        for outcome in outcomes {
            crashes.extend(outcome?.crash);
        }
        if crashes.is_empty() {
            return Ok(());
        }
        bail!(
            "{} targets crashed\n  {}",
            crashes.len(),
            crashes.join("\n  ")
        )
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The program with all targets. Built beside the usual builds, as its flags fit no other.
fn build() -> Result<PathBuf> {
    let version = output(&mut command("rustc", &["-vV"]))?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc does not name its host")?;
    let folder = target_dir()?.join("fuzz");
    // With a target named, the flags do not reach build scripts and macros.
    let arguments = [
        "build",
        "--locked",
        "-p",
        "cairn-fuzz",
        "--bin",
        "cairn-fuzz",
        "--features",
        "engine",
        "--profile",
        "fuzz",
        "--target",
        host,
        "--target-dir",
    ];
    run(cargo(&arguments)
        .arg(&folder)
        .env("RUSTFLAGS", INSTRUMENTATION))?;
    Ok(folder.join(host).join("fuzz/cairn-fuzz"))
}

/// Writes the seeds and gives the targets.
fn seeds(home: &Path) -> Result<Vec<Target>> {
    let mut write = cargo(&[
        "run",
        "--locked",
        "--quiet",
        "-p",
        "cairn-fuzz",
        "--bin",
        "cairn-fuzz-seeds",
        "--",
    ]);
    write.arg(home.join("seeds")).arg("examples");
    if let Some(data) = variable("CAIRN_TEST_DATA") {
        write.arg(Path::new(&data).join("docs"));
    }
    let lines = output(&mut write)?;
    let targets = lines
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, max_len)| Target {
            name: name.to_owned(),
            max_len: max_len.to_owned(),
        });
    Ok(targets.collect())
}

fn fuzz_one(
    program: &Path,
    home: &Path,
    target: &Target,
    prepared: &Prepared,
    seconds: u64,
) -> Result<Outcome> {
    let Target { name, max_len } = target;
    let corpus = home.join("corpus").join(name);
    let crashes = home.join("crashes").join(name);
    for folder in [&corpus, &crashes] {
        fs_err::create_dir_all(folder)?;
    }
    let log = home.join(format!("{name}.log"));
    let file = fs_err::File::create(&log)?.into_parts().0;
    let mut child = command(program, &[]);
    // New inputs go to the first folder.
    child
        .args([&corpus, &home.join("seeds").join(name), &crashes])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={max_len}"))
        .arg(format!("-timeout={TIMEOUT_SECONDS}"))
        .arg(format!("-rss_limit_mb={MEMORY_MB}"))
        .arg(format!("-artifact_prefix={}/", crashes.display()))
        .args(["-print_final_stats=1", "-reload=0"])
        .env("CAIRN_FUZZ_TARGET", name)
        .env("CAIRN_TEST_PDFIUM", &prepared.pdfium)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(file));
    let status = child
        .status()
        .with_context(|| format!("cannot start `{}`", program.display()))?;
    let text = String::from_utf8_lossy(&fs_err::read(&log)?).into_owned();
    let figure = |label: &str| last_number(&text, label).unwrap_or(0);
    let state = if status.success() { "ok" } else { "CRASHED" };
    let line = format!(
        "{name:<12} {:>9} executions, {:>6} edges, {:>5} new inputs, {:>5} MB at most: {state}",
        figure("stat::number_of_executed_units:"),
        figure(" cov:"),
        figure("stat::new_units_added:"),
        figure("stat::peak_rss_mb:"),
    );
    let crash = (!status.success()).then(|| {
        let input = text
            .rsplit_once("Test unit written to ")
            .map(|(_, rest)| rest.lines().next().unwrap_or_default());
        match input {
            Some(input) => format!(
                "{name}: see {}; again: cargo xtask full --rerun {name} {input}",
                log.display()
            ),
            None => format!("{name}: ended with {status}; see {}", log.display()),
        }
    });
    Ok(Outcome { line, crash })
}

/// The number after the last place of `label`.
fn last_number(text: &str, label: &str) -> Option<u64> {
    let (_, rest) = text.rsplit_once(label)?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Mutated documents through real workers, where the documents are at hand.
fn mutate(prepared: &Prepared, count: u64) -> Result<()> {
    let Some(data) = variable("CAIRN_TEST_DATA") else {
        println!("\nno mutated documents: CAIRN_TEST_DATA is not set");
        return Ok(());
    };
    step("mutated documents", || {
        run(cargo(&[
            "run",
            "--locked",
            "--quiet",
            "-p",
            "cairn-extract",
            "--example",
            "hostile",
            "--",
        ])
        .arg("--count")
        .arg(count.to_string())
        .arg("--pdfium")
        .arg(&prepared.pdfium)
        .arg(Path::new(&data).join("docs")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_the_engines_output() {
        let text = "#2 INITED cov: 12 ft: 13 corp: 1/1b\n#9 NEW    cov: 345 ft: 9\nstat::number_of_executed_units: 678\n";
        assert_eq!(last_number(text, " cov:"), Some(345));
        assert_eq!(
            last_number(text, "stat::number_of_executed_units:"),
            Some(678)
        );
        assert_eq!(last_number(text, "stat::peak_rss_mb:"), None);
    }
}
