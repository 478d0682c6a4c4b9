//! Ctrl-C, closed pipes, colours.

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::support::{Cairn, Outcome, Server, signal, write};

#[tokio::test]
async fn an_interrupted_run_keeps_what_it_published_and_goes_on_later() {
    const N: usize = 1500;
    let cairn = Cairn::new().set("CAIRN_INGEST__WORKERS", "1");
    for n in 0..N {
        write(
            &cairn.files(),
            &format!("{n:04}.md"),
            format!("Note {n} tells of the harbour."),
        );
    }
    let mut child = cairn.command(&["ingest", ".", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    assert!(first.contains("\"added\""), "{first}");
    signal(&child, "INT").await;
    let mut n_told = 1;
    while let Some(line) = lines.next_line().await.unwrap() {
        assert!(
            !line.contains("\"summary\""),
            "it came to its end before the signal"
        );
        n_told += 1;
    }
    let outcome = Outcome::from(child.wait_with_output().await.unwrap()).code(130);
    assert_eq!(outcome.error()["code"], "interrupted");
    let kept = cairn
        .run(&["docs", "list", "--json"])
        .await
        .ok()
        .lines()
        .len();
    assert!((n_told..N).contains(&kept), "{n_told} told, {kept} kept");
    let again = cairn.run(&["ingest", ".", "--json"]).await.ok().lines();
    let sum = again.last().unwrap();
    let count = |name: &str| usize::try_from(sum[name].as_u64().unwrap()).unwrap();
    assert_eq!(count("added") + count("unchanged"), N, "{sum}");
    assert_eq!(count("unchanged"), kept, "{sum}");
    assert_eq!(cairn.json(&["status"]).await["documents"], N);
    let open = cairn.json(&["status"]).await["open_jobs"].clone();
    assert_eq!(open, 0, "the interrupted job is closed");
}

#[tokio::test]
async fn an_interrupted_run_over_a_server_leaves_the_server_alone() {
    const N: usize = 1000;
    let cairn = Cairn::new().set("CAIRN_INGEST__WORKERS", "1");
    for n in 0..N {
        let text = format!("Note {n} tells of the harbour.");
        write(&cairn.files(), &format!("{n:04}.md"), text);
    }
    let server = Server::start(&cairn).await;
    let mut child = cairn.command(&["ingest", ".", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next_line().await.unwrap().expect("a document");
    signal(&child, "INT").await;
    while let Some(line) = lines.next_line().await.unwrap() {
        assert!(
            !line.contains("\"summary\""),
            "it came to its end before the signal"
        );
    }
    Outcome::from(child.wait_with_output().await.unwrap()).code(130);
    // The next run waits for its turn, then goes on.
    let again = cairn.run(&["ingest", ".", "--json"]).await.ok().lines();
    let sum = again.last().unwrap();
    let count = |name: &str| usize::try_from(sum[name].as_u64().unwrap()).unwrap();
    assert_eq!(count("added") + count("unchanged"), N, "{sum}");
    assert!(count("added") > 0 && count("unchanged") > 0, "{sum}");
    let jobs = cairn.run(&["jobs", "--json"]).await.ok().lines();
    let states: Vec<&str> = jobs
        .iter()
        .map(|job| job["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["done", "interrupted"]);
    signal(&server.child, "INT").await;
    let (code, log) = server.wait().await;
    assert_eq!(code, Some(0), "{log}");
}

#[tokio::test]
async fn a_closed_pipe_is_no_fault() {
    let cairn = Cairn::new();
    // Larger than a pipe holds, so that it must notice.
    let mut child = cairn.command(&["completions", "zsh"]).spawn().unwrap();
    drop(child.stdout.take());
    let outcome = Outcome::from(child.wait_with_output().await.unwrap());
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(130), ""));
    let mut child = cairn.command(&["config"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "[data]");
    drop(lines);
    let outcome = Outcome::from(child.wait_with_output().await.unwrap());
    assert!(!outcome.stderr.contains("panic"), "{outcome:#?}");
}

#[tokio::test]
async fn colours_are_for_terminals_that_want_them() {
    let cairn = Cairn::new();
    write(&cairn.files(), "a.md", "Tides are high at noon.");
    cairn.run(&["ingest", "."]).await.ok();
    // `script` of util-linux gives a terminal.
    let on_terminal = async |variable: &str| {
        let line = format!("{variable} {} search tides", env!("CARGO_BIN_EXE_cairn"));
        let output = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env("CAIRN_DATA_DIR", cairn.data())
            .stdin(std::process::Stdio::null())
            .output()
            .await;
        match output {
            Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
            Err(_) => None,
        }
    };
    let Some(coloured) = on_terminal("env -u NO_COLOR").await else {
        return;
    };
    assert!(coloured.contains("\x1b[1m"), "{coloured:?}");
    let plain = on_terminal("NO_COLOR=1").await.unwrap();
    assert!(
        plain.contains("Tides are high") && !plain.contains("\x1b["),
        "{plain:?}"
    );
}
