//! The write path against a real catalog, real originals and real worker processes.
//!
//! Without the test harness, since this program is also the worker that parses documents: started with `worker` it plays one.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "all of it is tests, which clippy knows by the harness only"
)]

mod files;
mod stages;
mod uploads;
mod vectors;
mod web;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// A test and its name.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    if std::env::args()
        .nth(1)
        .is_some_and(|first| first == "worker")
    {
        let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
        return match cairn_extract::worker::serve(input, output) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let tests = [
        files::TESTS,
        stages::TESTS,
        uploads::TESTS,
        vectors::TESTS,
        web::TESTS,
    ]
    .concat();
    let trials = tests.into_iter().map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
