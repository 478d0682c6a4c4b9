//! The API from outside: in process, over TCP and over a Unix socket, with a real catalog, real indexes and real workers.
//!
//! Without the test harness, since this program is also the worker that parses documents: started with `worker` it plays one.
#![expect(clippy::print_stdout, reason = "reports its tests as the harness does")]
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

use std::process::ExitCode;

/// A test and its name.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|first| first == "worker") {
        let options = cairn_extract::ExtractOptions::default();
        let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
        return match cairn_extract::worker::serve(input, output, &options) {
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
    ];
    // `cargo test NAME` passes the name here; options of the harness mean nothing.
    let filter = args.iter().find(|arg| !arg.starts_with('-'));
    let tests = groups.concat();
    let chosen: Vec<Test> = tests
        .into_iter()
        .filter(|(name, _)| filter.is_none_or(|filter| name.contains(filter.as_str())))
        .collect();
    let mut failed = Vec::new();
    for (name, test) in &chosen {
        let is_ok = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if is_ok { "ok" } else { "FAILED" });
        if !is_ok {
            failed.push(*name);
        }
    }
    println!(
        "\n{} passed, {} failed {failed:?}",
        chosen.len() - failed.len(),
        failed.len()
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
