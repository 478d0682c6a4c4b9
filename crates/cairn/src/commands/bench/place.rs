//! The throw-away folder of a run, and this program as a child that works in it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use cairn_bench::{ProcessMemory, children_of};
use cairn_types::ErrorKind;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::client::{Client, Target};
use crate::config::Settings;
use crate::failure::{Failure, PARTIAL};

use super::args::BenchArgs;

/// How often a child's memory is looked at: its own peak is kept by the system, so only the last moment can be missed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Where a run happens.
pub(super) struct Place {
    folder: PathBuf,
    /// Gone when dropped.
    _throw_away: Option<tempfile::TempDir>,
    program: PathBuf,
    models: PathBuf,
    config: Option<PathBuf>,
}

/// What a child did.
pub(super) struct Finished {
    pub(super) wall: Duration,
    pub(super) stdout: String,
    pub(super) peak_bytes: Option<u64>,
}

/// A server of this program on a data folder, killed when dropped: what it acknowledged is durable.
pub(super) struct Server {
    child: Child,
    pid: u32,
    pub(super) address: SocketAddr,
    socket: PathBuf,
}

impl Place {
    pub(super) fn new(
        args: &BenchArgs,
        settings: &Settings,
        config: Option<PathBuf>,
    ) -> Result<Self, Failure> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("cairn-bench-");
        let made = match &args.dir {
            Some(dir) => builder.tempdir_in(dir),
            None => builder.tempdir(),
        };
        let made = made.map_err(|error| unavailable("no throw-away folder can be made", &error))?;
        let program = std::env::current_exe()
            .map_err(|error| unavailable("this program's own file cannot be found", &error))?;
        let beside = settings.data_dir.join("cairn.toml");
        let (folder, throw_away) = if args.keep {
            (made.keep(), None)
        } else {
            (made.path().to_owned(), Some(made))
        };
        Ok(Self {
            folder,
            _throw_away: throw_away,
            program,
            models: settings.data_dir.join("models"),
            config: config.or_else(|| beside.is_file().then_some(beside)),
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A new data folder with the models of the usual one.
    pub(super) fn data(&self, name: &str) -> Result<PathBuf, Failure> {
        let data = self.folder.join(name);
        fs_err::create_dir_all(&data).map_err(io)?;
        if let Ok(models) = fs_err::canonicalize(&self.models) {
            fs_err::os::unix::fs::symlink(models, data.join("models")).map_err(io)?;
        }
        Ok(data)
    }

    fn command(&self, data: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--data-dir").arg(data);
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command.args(args);
        // A key of the usual folder means nothing in this one.
        command
            .env_remove("CAIRN_KEY")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end; each line that it prints is handed over as it comes.
    pub(super) async fn run(
        &self,
        data: &Path,
        args: &[&str],
        mut on_line: impl FnMut(&str),
    ) -> Result<Finished, Failure> {
        let what = args.first().copied().unwrap_or_default();
        let started = Instant::now();
        let mut child = self
            .command(data, args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| unavailable(&format!("`cairn {what}` cannot be started"), &error))?;
        let (Some(stdout), Some(mut stderr), Some(pid)) =
            (child.stdout.take(), child.stderr.take(), child.id())
        else {
            return Err(Failure::new(ErrorKind::Bug, "a child has no output"));
        };
        let said = tokio::spawn(async move {
            let mut said = String::new();
            // What cannot be read cannot be repeated.
            let _ = stderr.read_to_string(&mut said).await;
            said
        });
        let mut lines = BufReader::new(stdout).lines();
        let (mut stdout, mut peak_bytes) = (String::new(), None);
        let mut clock = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                line = lines.next_line() => {
                    let Some(line) = line.map_err(io)? else { break };
                    on_line(&line);
                    stdout.push_str(&line);
                    stdout.push('\n');
                }
                _ = clock.tick() => {
                    peak_bytes = ProcessMemory::of(pid).map_or(peak_bytes, |now| Some(now.peak_bytes));
                }
            }
        }
        let status = child.wait().await.map_err(io)?;
        let wall = started.elapsed();
        let said = said.await.unwrap_or_default();
        let is_done = status.success() || status.code() == Some(i32::from(PARTIAL));
        if !is_done {
            let message = format!("`cairn {what}` failed ({status}): {}", reason(&said));
            return Err(Failure::new(ErrorKind::Unavailable, message));
        }
        Ok(Finished {
            wall,
            stdout,
            peak_bytes,
        })
    }

    /// Starts a server and waits until it listens.
    pub(super) async fn serve(&self, data: &Path) -> Result<Server, Failure> {
        let log = self.folder.join("serve.log");
        let stderr = fs_err::File::create(&log).map_err(io)?;
        let mut child = self
            .command(data, &["serve", "--listen", "127.0.0.1:0", "--json"])
            .stdout(Stdio::piped())
            .stderr(stderr.into_file())
            .spawn()
            .map_err(|error| unavailable("`cairn serve` cannot be started", &error))?;
        let (Some(stdout), Some(pid)) = (child.stdout.take(), child.id()) else {
            return Err(Failure::new(ErrorKind::Bug, "a server has no output"));
        };
        let first = BufReader::new(stdout)
            .lines()
            .next_line()
            .await
            .map_err(io)?;
        let line = first.unwrap_or_default();
        let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let address = value["listening"]
            .as_str()
            .and_then(|text| text.parse().ok());
        let Some(address) = address else {
            let said = fs_err::read_to_string(&log).unwrap_or_default();
            return Err(Failure::new(
                ErrorKind::Unavailable,
                format!("`cairn serve` did not start: {}", reason(&said)),
            ));
        };
        Ok(Server {
            child,
            pid,
            address,
            socket: crate::wiring::socket(data),
        })
    }
}

impl Server {
    /// A client over its socket.
    pub(super) fn client(&self) -> Client {
        Client::new(Target::Unix(self.socket.clone()), None)
    }

    /// Its memory, and that of its children together.
    pub(super) fn memory(&self) -> Option<(ProcessMemory, u64)> {
        let own = ProcessMemory::of(self.pid)?;
        let children = children_of(self.pid);
        let theirs = children.into_iter().filter_map(ProcessMemory::of);
        Some((own, theirs.map(|memory| memory.resident_bytes).sum()))
    }

    /// Does some work while its memory is looked at; the most of its children together, and what the work gave.
    pub(super) async fn watch<T>(&self, work: impl Future<Output = T>) -> (u64, T) {
        let mut clock = tokio::time::interval(LOOK_EVERY);
        let mut most = 0;
        tokio::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => return (most, result),
                _ = clock.tick() => {
                    if let Some((_, children)) = self.memory() {
                        most = most.max(children);
                    }
                }
            }
        }
    }

    /// Ends it.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        self.child.kill().await.map_err(io)
    }
}

/// What a child said at its end: the message of its error, or else its last line.
fn reason(said: &str) -> String {
    let last = said.trim().lines().last().unwrap_or_default();
    let value: serde_json::Value = serde_json::from_str(last).unwrap_or_default();
    let message = value["error"]["message"].as_str();
    message.unwrap_or(last).to_owned()
}

/// A file or pipe that failed.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn io(error: std::io::Error) -> Failure {
    Failure::new(ErrorKind::Unavailable, error.to_string())
}

fn unavailable(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(ErrorKind::Unavailable, format!("{what}: {error}"))
}
