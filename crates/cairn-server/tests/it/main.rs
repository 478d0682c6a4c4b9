//! The API from outside: in process, over TCP and over a Unix socket, with a real catalog, real indexes and real workers.
//!
//! Without the built-in harness, since this program is also the worker that parses documents: started with `worker` it plays one.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "all of it is tests, which clippy knows by the harness only"
)]

mod access;
mod auth;
mod chat;
mod documents;
mod local;
mod problems;
mod sockets;
mod test_app;
mod web;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// A test and its name.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|first| first == "worker") {
        let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
        return match cairn_extract::worker::serve(input, output) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    let groups = [
        access::TESTS,
        auth::TESTS,
        chat::TESTS,
        documents::TESTS,
        local::TESTS,
        problems::TESTS,
        sockets::TESTS,
        web::TESTS,
    ];
    let trials = groups.concat().into_iter().map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    let mut arguments = Arguments::from_args();
    // Each test starts a server, an engine and workers of its own: two at a time are enough for a small machine.
    arguments.test_threads.get_or_insert(2);
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
