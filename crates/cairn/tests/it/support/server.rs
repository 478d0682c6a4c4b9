//! A running `cairn serve`.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Child;
use tokio::task::JoinHandle;

use super::{Cairn, Http, signal};

const DEADLINE: Duration = Duration::from_secs(60);
/// Between two questions whether something has happened that no event tells.
const PAUSE: Duration = Duration::from_millis(20);

/// A server on a free port of the loopback.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) http: Http,
    /// What it logs; read all the time, since a full pipe would stop it.
    log: JoinHandle<String>,
}

impl Server {
    /// Starts it and waits until it listens.
    pub(crate) async fn start(cairn: &Cairn) -> Self {
        Self::start_on(cairn, "127.0.0.1:0").await
    }

    /// Starts it on an address and waits until it listens.
    pub(crate) async fn start_on(cairn: &Cairn, address: &str) -> Self {
        let mut command = cairn.command(&["serve", "--listen", address, "--json"]);
        let mut child = command.spawn().unwrap();
        let mut stderr = child.stderr.take().expect("a pipe");
        let log = tokio::spawn(async move {
            let mut text = String::new();
            stderr.read_to_string(&mut text).await.unwrap();
            text
        });
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let line = tokio::time::timeout(DEADLINE, lines.next_line()).await;
        let Some(line) = line.expect("the server starts in time").unwrap() else {
            panic!("the server did not start: {}", log.await.unwrap());
        };
        let value: Value = serde_json::from_str(&line).unwrap();
        let address = value["listening"].as_str().expect("an address");
        Self {
            child,
            http: Http::new(address.parse().unwrap()),
            log,
        }
    }

    /// Kills it at once, as a crash would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to stop; its exit code and what it logged.
    pub(crate) async fn stop(self) -> (Option<i32>, String) {
        signal(&self.child, "TERM").await;
        self.wait().await
    }

    /// Waits for its end; its exit code and what it logged.
    pub(crate) async fn wait(mut self) -> (Option<i32>, String) {
        let status = tokio::time::timeout(DEADLINE, self.child.wait()).await;
        let log = self.log.await.unwrap();
        (
            status.expect("the server stops in time").unwrap().code(),
            log,
        )
    }

    /// Waits until a job has an end, and gives it.
    pub(crate) async fn finished_job(&self, id: &str) -> Value {
        let end = tokio::time::Instant::now() + DEADLINE;
        loop {
            let job = self.http.get(&format!("/api/v1/jobs/{id}")).await;
            let job = job.status(200).json();
            if !["queued", "running"].contains(&job["state"].as_str().expect("a state")) {
                return job;
            }
            assert!(tokio::time::Instant::now() < end, "{job}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}
