//! Runs one program on foreign bytes: its own process group and folder, a deadline, a cap on its output.
//!
//! Where there is a launcher the program is started by it, within walls (see `crate::worker::launch`): no network, no
//! files but its folder and the system's. The environment is empty but for what programs cannot do without. When the program has ended, missed its deadline or
//! written too much, its whole group is killed, and only then is it reaped: as long as it is not, its group's id is its own.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::worker::{Launcher, ProgramLimits, launch_args};

/// Bytes of standard error that are kept.
const MAX_STDERR: usize = 4 << 10;
/// Time that pipes may stay open after the group was killed: somebody who left the group may hold them.
const PIPES_WAIT: Duration = Duration::from_secs(2);

/// What to run, and within what.
pub(super) struct Job<'a> {
    pub(super) program: &'a Path,
    pub(super) args: Vec<OsString>,
    /// Its working folder, home and folder for temporary files; nothing else is meant to be written.
    pub(super) folder: &'a Path,
    /// Starts it within walls.
    pub(super) launcher: Option<&'a Launcher>,
    /// File for its standard input; without one it is empty.
    pub(super) stdin: Option<&'a Path>,
    pub(super) deadline: Duration,
    pub(super) max_output: usize,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Exited(ExitStatus),
    /// It was killed at the deadline.
    TimedOut,
    /// It was killed for writing more than its cap.
    TooMuchOutput,
}

/// What became of a program.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) end: End,
    /// At most the cap.
    pub(super) stdout: Vec<u8>,
    /// The last it said.
    pub(super) stderr: String,
}

impl Finished {
    pub(super) fn is_success(&self) -> bool {
        matches!(self.end, End::Exited(status) if status.success())
    }

    /// What happened, in words for a person.
    pub(super) fn reason(&self, job: &Job<'_>) -> String {
        match self.end {
            End::Exited(status) => {
                let last = self
                    .stderr
                    .lines()
                    .rev()
                    .map(str::trim)
                    .find(|line| !line.is_empty() && !line.starts_with("Warning"));
                match last {
                    Some(line) => {
                        format!("{status}: {}", line.chars().take(300).collect::<String>())
                    }
                    None => status.to_string(),
                }
            }
            End::TimedOut => format!("it took longer than {} s", job.deadline.as_secs()),
            End::TooMuchOutput => format!("it wrote more than {} bytes", job.max_output),
        }
    }
}

/// Runs the program to its end; blocks.
///
/// # Errors
/// Where it cannot be started.
pub(super) fn run(job: &Job<'_>) -> io::Result<Finished> {
    let stdin = match job.stdin {
        Some(path) => fs_err::File::open(path)?.into_file().into(),
        None => Stdio::null(),
    };
    let mut group = Group {
        leader: command(job)?.stdin(stdin).spawn()?,
        is_reaped: false,
    };
    let (stdout, stderr) = (group.leader.stdout.take(), group.leader.stderr.take());
    let (events, wait) = mpsc::channel();
    let stdout = collect(stdout, job.max_output, Keep::Head, events.clone())?;
    let stderr = collect(stderr, MAX_STDERR, Keep::Tail, events.clone())?;
    let pid = group.pid();
    std::thread::Builder::new()
        .name("program-wait".into())
        .spawn(move || {
            wait_without_reaping(pid);
            let _ = events.send(Event::Exited);
        })?;
    let event = wait.recv_timeout(job.deadline);
    let status = group.end()?;
    let until = Instant::now() + PIPES_WAIT;
    let left = |pipe: Receiver<Vec<u8>>| {
        pipe.recv_timeout(until.saturating_duration_since(Instant::now()))
            .unwrap_or_default()
    };
    Ok(Finished {
        end: match event {
            Ok(Event::Exited) => End::Exited(status),
            Ok(Event::Overflowed) => End::TooMuchOutput,
            Err(_) => End::TimedOut,
        },
        stdout: left(stdout),
        stderr: String::from_utf8_lossy(&left(stderr)).into_owned(),
    })
}

/// The process to start: everything that limits it from outside stands here.
fn command(job: &Job<'_>) -> io::Result<Command> {
    let (program, before) = match job.launcher {
        Some(launcher) => {
            let limits = limits(job, launcher);
            let args = launch_args(&launcher.command, &limits, job.folder, job.program)?;
            (launcher.command.program.as_path(), args)
        }
        None => (job.program, Vec::new()),
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "a program on foreign bytes: limited, killed and reaped here"
    )]
    let mut command = Command::new(program);
    command
        .args(before)
        .args(&job.args)
        .current_dir(job.folder)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LANG", "C.UTF-8")
        .env("HOME", job.folder)
        .env("TMPDIR", job.folder)
        // One thread for each program: there are as many programs as workers.
        .env("OMP_THREAD_LIMIT", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    Ok(command)
}

/// Processor time for all cores until the deadline: this ends a program whose starter has died.
fn limits(job: &Job<'_>, launcher: &Launcher) -> ProgramLimits {
    let n_cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    ProgramLimits {
        cpu_seconds: job
            .deadline
            .as_secs()
            .saturating_add(1)
            .saturating_mul(n_cores),
        isolation: launcher.isolation,
        ..ProgramLimits::default()
    }
}

enum Event {
    Exited,
    Overflowed,
}

/// A started process that leads its group. Dropping it kills and reaps.
struct Group {
    leader: Child,
    is_reaped: bool,
}

impl Group {
    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.leader.id()).ok().and_then(Pid::from_raw)
    }

    /// Kills whatever of the group is left, then reaps the leader.
    fn end(&mut self) -> io::Result<ExitStatus> {
        if let Some(pid) = self.pid().filter(|_| !self.is_reaped) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        self.is_reaped = true;
        self.leader.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Returns when the process has ended; it stays a zombie, so that its id is not given to another.
fn wait_without_reaping(pid: Option<Pid>) {
    let Some(pid) = pid else { return };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(
        waitid(WaitId::Pid(pid), options),
        Err(rustix::io::Errno::INTR)
    ) {}
}

/// Which end of a stream is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// The beginning; more than the cap is an event.
    Head,
    Tail,
}

/// Reads a pipe on a thread of its own, which ends when nobody holds the other end.
fn collect(
    pipe: Option<impl Read + Send + 'static>,
    cap: usize,
    keep: Keep,
    events: Sender<Event>,
) -> io::Result<Receiver<Vec<u8>>> {
    let (send, receive) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("program-output".into())
        .spawn(move || {
            let mut kept = Vec::new();
            let mut buffer = vec![0; 16 << 10];
            let mut pipe = pipe;
            while let Some(n) = pipe.as_mut().and_then(|pipe| pipe.read(&mut buffer).ok())
                && n > 0
            {
                kept.extend_from_slice(&buffer[..n]);
                let n_over = kept.len().saturating_sub(cap);
                match keep {
                    Keep::Tail => drop(kept.drain(..n_over)),
                    Keep::Head if n_over > 0 => {
                        kept.truncate(cap);
                        let _ = events.send(Event::Overflowed);
                        break;
                    }
                    Keep::Head => {}
                }
            }
            let _ = send.send(kept);
        })?;
    Ok(receive)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(
        script: &str,
        deadline: Duration,
        max_output: usize,
        stdin: Option<&[u8]>,
    ) -> Finished {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("input");
        if let Some(bytes) = stdin {
            fs_err::write(&input, bytes).unwrap();
        }
        let job = Job {
            program: Path::new("/bin/sh"),
            args: vec!["-c".into(), script.into()],
            folder: folder.path(),
            launcher: None,
            stdin: stdin.map(|_| input.as_path()),
            deadline,
            max_output,
        };
        let finished = run(&job).unwrap();
        assert!(!finished.reason(&job).is_empty());
        finished
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn it_reads_its_input_and_says_how_it_ended() {
        let done = shell("cat; echo oh >&2; exit 3", LONG, 100, Some(b"hello"));
        assert_eq!(
            (done.stdout.as_slice(), done.stderr.as_str()),
            (b"hello".as_slice(), "oh\n")
        );
        let End::Exited(status) = done.end else {
            panic!("{:?}", done.end);
        };
        assert_eq!(status.code(), Some(3));
        assert!(!done.is_success());
        assert!(shell("cat", LONG, 100, None).is_success());
    }

    #[test]
    fn its_environment_is_ours() {
        let done = shell("env; pwd", LONG, 10_000, None);
        let text = String::from_utf8(done.stdout).unwrap();
        assert!(!text.contains("CARGO"), "{text}");
        assert!(text.contains("OMP_THREAD_LIMIT=1"), "{text}");
    }

    #[test]
    fn a_deadline_kills_all_that_it_started() {
        let done = shell(
            "sleep 600 & echo $!; sleep 600",
            Duration::from_millis(300),
            100,
            None,
        );
        assert_eq!(done.end, End::TimedOut);
        let child = String::from_utf8(done.stdout).unwrap();
        let raw: i32 = child.trim().parse().unwrap();
        // Killed; whoever inherits it may not have reaped it yet.
        let stat = fs_err::read_to_string(format!("/proc/{raw}/stat")).unwrap_or_default();
        assert!(
            stat.is_empty() || stat.contains(") Z") || stat.contains(") X"),
            "{stat}"
        );
    }

    #[test]
    fn what_it_leaves_behind_is_killed_with_it() {
        let done = shell("sleep 600 & exit 0", LONG, 100, None);
        assert!(done.is_success());
    }

    #[test]
    fn endless_output_ends_it() {
        let done = shell("yes", LONG, 1000, None);
        assert_eq!((done.end, done.stdout.len()), (End::TooMuchOutput, 1000));
        let done = shell("yes >&2", Duration::from_millis(300), 1000, None);
        assert!(done.stderr.len() <= MAX_STDERR);
    }
}
