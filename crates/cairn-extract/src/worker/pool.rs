//! A pool of worker processes, callable from many threads.
//!
//! A caller takes an idle worker or starts one (waiting where all are busy), talks to it with the clock
//! running, and puts it back. A worker that missed the deadline, died or answered garbage is killed,
//! reaped and not put back: only the document it had in hand fails.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Instant;

use cairn_types::Extracted;

use super::child::{self, Pipes, Worker};
use super::limits::WorkerLimits;
use super::protocol::{self, Answer};
use crate::error::ExtractError;

/// How to start a worker: a program that calls [`super::serve`] over its standard input and output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerCommand {
    /// Absolute path: the environment of the child is empty, so no search path applies.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// Extracts documents in child processes.
pub struct WorkerPool {
    command: WorkerCommand,
    limits: WorkerLimits,
    state: Mutex<State>,
    /// Signalled whenever a worker comes back or its place becomes free.
    freed: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Worker>,
    n_busy: usize,
}

impl std::fmt::Debug for WorkerPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerPool")
            .field("command", &self.command)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl WorkerPool {
    /// A pool that starts its workers when they are needed.
    #[must_use]
    pub fn new(command: WorkerCommand, limits: WorkerLimits) -> Self {
        Self {
            command,
            limits,
            state: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// Extracts one document; blocks while all workers are busy, and then up to the deadline.
    ///
    /// # Errors
    /// As [`crate::extract`], and where the worker missed the deadline, ran out of memory, crashed or could
    /// not be started.
    pub fn extract(&self, name: &str, bytes: &[u8]) -> Result<Extracted, ExtractError> {
        let limit = self.limits.max_input_bytes;
        if bytes.len() as u64 > limit {
            return Err(ExtractError::too_large("document in bytes", limit));
        }
        let mut place = self.take_place();
        let mut worker = match place.worker.take().and_then(still_alive) {
            Some(worker) => worker,
            None => self.start()?,
        };
        let result = self.converse(&mut worker, name, bytes)?;
        worker.n_files += 1;
        if worker.n_files < self.limits.files_per_worker {
            place.worker = Some(worker);
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of the `n_workers` places, with its idle worker if it has one.
    fn take_place(&self) -> Place<'_> {
        let mut state = self
            .freed
            .wait_while(self.lock(), |state| {
                state.n_busy >= self.limits.n_workers.max(1)
            })
            .unwrap_or_else(PoisonError::into_inner);
        state.n_busy += 1;
        Place {
            worker: state.idle.pop(),
            pool: self,
        }
    }

    fn start(&self) -> Result<Worker, ExtractError> {
        let mut worker = Worker::start(&self.command).map_err(|error| {
            let program = self.command.program.display();
            ExtractError::unavailable(format!("`{program}` does not start: {error}"))
        })?;
        let greeted = self.with_deadline(&mut worker, |pipes| child::greet(pipes, &self.limits));
        match greeted {
            Some(Ok(())) => Ok(worker),
            Some(Err(error)) => {
                worker.reap();
                tracing::warn!(
                    worker.stderr = worker.last_words(),
                    "worker did not get ready"
                );
                Err(ExtractError::unavailable(error.to_string()))
            }
            None => Err(ExtractError::unavailable(
                "worker did not get ready in time",
            )),
        }
    }

    /// The worker's answer. An outer error means that the worker is of no more use.
    fn converse(
        &self,
        worker: &mut Worker,
        name: &str,
        bytes: &[u8],
    ) -> Result<Result<Extracted, ExtractError>, ExtractError> {
        // JSON of an error answer fits whatever the cap of the output is.
        let max_frame = self.limits.max_output_bytes.max(64 << 10);
        let exchange = |pipes: &mut Pipes| {
            // A worker that stops reading may have answered all the same, or died: its output tells.
            let written = protocol::write_request(&mut pipes.input, name, bytes);
            let answer = protocol::read_json_capped::<Answer>(&mut pipes.output, max_frame)?;
            match answer {
                Some(answer) => written.map(|()| answer),
                None => Err(io::ErrorKind::UnexpectedEof.into()),
            }
        };
        match self.with_deadline(worker, exchange) {
            Some(Ok(answer)) => Ok(answer.into()),
            Some(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                worker.end();
                tracing::warn!(%error, "worker answered garbage");
                Err(ExtractError::Crashed {
                    reason: "the worker's answer could not be read".into(),
                })
            }
            Some(Err(_)) => {
                let status = worker.reap();
                let last_words = worker.last_words();
                tracing::warn!(worker.stderr = last_words, ?status, "worker died");
                Err(self.post_mortem(status, &last_words))
            }
            None => Err(ExtractError::TimedOut {
                limit_ms: u64::try_from(self.limits.deadline.as_millis()).unwrap_or(u64::MAX),
            }),
        }
    }

    /// Runs `talk` on a thread of its own, kills the worker where it takes longer than the deadline (`None`).
    fn with_deadline<T: Send>(
        &self,
        worker: &mut Worker,
        talk: impl FnOnce(&mut Pipes) -> io::Result<T> + Send,
    ) -> Option<io::Result<T>> {
        let deadline = Instant::now() + self.limits.deadline;
        let (process, pipes) = worker.split();
        let result = std::thread::scope(|scope| {
            let (done, wait) = mpsc::sync_channel(1);
            scope.spawn(move || {
                let _ = done.send(talk(pipes));
            });
            match wait.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(result) => Some(result),
                Err(_) => {
                    // The pipes close with the process, which ends the thread that talks.
                    let _ = process.kill();
                    None
                }
            }
        });
        if result.is_none() {
            worker.end();
        }
        result
    }

    /// What killed a worker in the middle of a document.
    fn post_mortem(&self, status: Option<ExitStatus>, last_words: &str) -> ExtractError {
        let out_of_memory = ExtractError::OutOfMemory {
            limit_bytes: self.limits.memory_bytes,
        };
        let spoke_of_memory = [
            "memory allocation of",
            "std::bad_alloc",
            "Out of memory",
            "out of memory",
        ]
        .iter()
        .any(|words| last_words.contains(words));
        if spoke_of_memory {
            return out_of_memory;
        }
        #[cfg(unix)]
        if let Some(signal) = status.and_then(|s| std::os::unix::process::ExitStatusExt::signal(&s))
        {
            return match signal {
                // We did not kill it: the system did, for want of memory.
                9 => out_of_memory,
                24 => ExtractError::TimedOut {
                    limit_ms: u64::try_from(self.limits.deadline.as_millis()).unwrap_or(u64::MAX),
                },
                signal => ExtractError::Crashed {
                    reason: format!("ended by signal {signal}"),
                },
            };
        }
        let reason = match status.and_then(|status| status.code()) {
            Some(code) => format!("ended with exit code {code}"),
            None => "closed its output and did not end".to_owned(),
        };
        ExtractError::Crashed { reason }
    }
}

/// An idle worker that something else has ended says nothing about the next document.
fn still_alive(mut worker: Worker) -> Option<Worker> {
    (!worker.is_dead()).then_some(worker)
}

/// The right to run one worker. Dropping it puts the worker back, or frees the place where there is none.
struct Place<'p> {
    worker: Option<Worker>,
    pool: &'p WorkerPool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.n_busy -= 1;
        state.idle.extend(self.worker.take());
        drop(state);
        self.pool.freed.notify_one();
    }
}
