//! One worker process as its parent holds it.

use std::io::{self, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::limits::WorkerLimits;
use super::pool::WorkerCommand;
use super::protocol::{self, Hello, Ready, VERSION};
use super::sandbox::{Isolation, IsolationPolicy};
use crate::options::ExtractOptions;

/// Bytes of a child's standard error that are kept, to tell why it died.
const MAX_STDERR: usize = 4 << 10;
/// Time that a process may take to end after it has closed its output.
const LAST_WORDS_WAIT: Duration = Duration::from_secs(2);

/// A running worker. Dropping it kills and reaps the process.
pub(super) struct Worker {
    process: Child,
    pub(super) pipes: Pipes,
    stderr: Arc<Mutex<Vec<u8>>>,
    /// Says when the process has closed its standard error, as it does when it ends.
    ended: Receiver<()>,
    pub(super) n_files: u32,
}

/// Both ends of the conversation with a worker.
pub(super) struct Pipes {
    pub(super) input: ChildStdin,
    pub(super) output: io::BufReader<ChildStdout>,
}

impl Worker {
    /// Starts a process with an empty environment, in a process group of its own: an interrupt typed at the terminal is
    /// for the parent, which lets the document at hand end. Where the parent dies, the process reads the end of its
    /// input and ends. Its greeting is still to come: see [`greet`].
    pub(super) fn start(command: &WorkerCommand) -> io::Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a worker: limited by itself, killed and reaped here"
        )]
        let mut starting = Command::new(&command.program);
        starting
            .args(&command.args)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut starting, 0);
        let mut process = starting.spawn()?;
        let (Some(input), Some(output), Some(mut errors)) = (
            process.stdin.take(),
            process.stdout.take(),
            process.stderr.take(),
        ) else {
            return Err(io::Error::other("the worker has no pipes"));
        };
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&stderr);
        // Ends with the process: nobody else holds the other end of the pipe.
        let (say_ended, ended) = mpsc::channel();
        std::thread::Builder::new()
            .name("worker-stderr".into())
            .spawn(move || {
                keep_tail(&mut errors, &kept);
                let _ = say_ended.send(());
            })
            .inspect_err(|_| {
                let _ = process.kill();
                let _ = process.wait();
            })?;
        Ok(Self {
            process,
            pipes: Pipes {
                input,
                output: io::BufReader::new(output),
            },
            stderr,
            ended,
            n_files: 0,
        })
    }

    /// Kills the process by its id (not yet reaped, so the id is still its own) and reaps it.
    pub(super) fn end(&mut self) -> Option<ExitStatus> {
        let _ = self.process.kill();
        self.process.wait().ok()
    }

    /// Waits for a process that has closed its output to end; `None` where it goes on all the same and is killed.
    pub(super) fn reap(&mut self) -> Option<ExitStatus> {
        // On a machine that is very busy the one who listens to its last words may be late.
        let has_ended = self.ended.recv_timeout(LAST_WORDS_WAIT).is_ok() || self.is_dead();
        // A process that is ending keeps the status it ends with.
        let status = self.end();
        status.filter(|_| has_ended)
    }

    /// Whether the process ended while nobody was looking.
    pub(super) fn is_dead(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// The process, to be killed from another place than the one that talks to it.
    pub(super) fn split(&mut self) -> (&mut Child, &mut Pipes) {
        (&mut self.process, &mut self.pipes)
    }

    /// The last that the process wrote to its standard error.
    pub(super) fn last_words(&self) -> String {
        let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&stderr).into_owned()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

/// Tells the worker its limits and waits until it says that they are set and how it is locked up.
pub(super) fn greet(
    pipes: &mut Pipes,
    limits: &WorkerLimits,
    options: &ExtractOptions,
) -> io::Result<Isolation> {
    let hello = Hello {
        version: VERSION,
        memory_bytes: Some(limits.memory_bytes),
        cpu_seconds: Some(limits.deadline.as_secs().saturating_add(1)),
        max_input_bytes: limits.max_input_bytes,
        max_output_bytes: limits.max_output_bytes,
        lock: true,
        options: options.clone(),
    };
    protocol::write_json(&mut pipes.input, &hello, u64::MAX)?;
    match protocol::read_json_capped::<Ready>(&mut pipes.output, 4 << 10)? {
        Some(ready) if ready.version != VERSION => {
            let (theirs, ours) = (ready.version, VERSION);
            Err(io::Error::other(format!(
                "worker speaks protocol version {theirs}, this program {ours}"
            )))
        }
        Some(ready)
            if limits.isolation == IsolationPolicy::Required && !ready.isolation.is_complete() =>
        {
            let has = ready.isolation;
            Err(io::Error::other(format!(
                "isolation is required, and this system has {has}"
            )))
        }
        Some(ready) => Ok(ready.isolation),
        None => Err(io::Error::other("worker ended before it was ready")),
    }
}

fn keep_tail(input: &mut impl Read, kept: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 1024];
    while let Ok(n) = input.read(&mut buffer) {
        if n == 0 {
            return;
        }
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&buffer[..n]);
        let n_over = kept.len().saturating_sub(MAX_STDERR);
        kept.drain(..n_over);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn workers_have_their_own_process_group_and_end_with_their_input() {
        let command = WorkerCommand {
            program: "/bin/cat".into(),
            args: Vec::new(),
        };
        let mut worker = Worker::start(&command).unwrap();
        let id = worker.process.id();
        let stat = fs_err::read_to_string(format!("/proc/{id}/stat")).unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        assert_eq!(
            fields.split_whitespace().nth(2),
            Some(id.to_string().as_str())
        );
        let Worker { process, pipes, .. } = &mut worker;
        // What the system does with the pipe when the parent dies.
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        drop(std::mem::replace(
            &mut pipes.input,
            ChildStdin::from(std::os::fd::OwnedFd::from(writer)),
        ));
        assert!(process.wait().unwrap().success());
    }
}
