//! A pool of worker processes, callable from many threads.
//!
//! A caller takes an idle worker or starts one (waiting where all are busy), talks to it with the clock
//! running, and puts it back. A worker that missed the deadline, died or answered garbage is killed,
//! reaped and not put back: only the document it had in hand fails.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::{Duration, Instant};

use cairn_types::Extracted;

use super::child::{self, Pipes, Worker};
use super::limits::WorkerLimits;
use super::protocol::{self, Answer, Request, Task, ToolReply};
use super::sandbox::Isolation;
use crate::error::ExtractError;
use crate::extract::Input;
use crate::html::PageMeta;
use crate::options::ExtractOptions;
use crate::pdf::{PageImage, PageRequest};
use crate::tools::{NoTools, ToolError, ToolRequest, Tools};

/// The signal by which the filter of system calls ends a process, on Linux.
#[cfg(unix)]
const SIGSYS: i32 = 31;

/// How to start a worker: a program that calls [`super::serve`] over its standard input and output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerCommand {
    /// Absolute path: the environment of the child is empty, so no search path applies.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// While a worker is busy, it is looked so often whether the pool stops.
const STOP_CHECK: Duration = Duration::from_millis(200);

/// Extracts documents in child processes.
pub struct WorkerPool {
    command: WorkerCommand,
    limits: WorkerLimits,
    options: ExtractOptions,
    tools: Arc<dyn Tools + Send + Sync>,
    /// What the first worker said about its lock.
    isolation: OnceLock<Isolation>,
    /// See [`crate::pdf::identity`]; not known before somebody asks.
    pdfium: OnceLock<String>,
    state: Mutex<State>,
    /// Documents at hand are given up: this program ends.
    is_stopping: AtomicBool,
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
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl WorkerPool {
    /// A pool that starts its workers when they are needed. `tools` runs what they call for, on the caller's thread.
    #[must_use]
    pub fn new(
        command: WorkerCommand,
        limits: WorkerLimits,
        options: ExtractOptions,
        tools: Arc<dyn Tools + Send + Sync>,
    ) -> Self {
        Self {
            command,
            limits,
            options,
            tools,
            isolation: OnceLock::new(),
            pdfium: OnceLock::new(),
            state: Mutex::default(),
            is_stopping: AtomicBool::new(false),
            freed: Condvar::new(),
        }
    }

    /// A pool of `n_workers` with the same command, limits and options, and no tools: for work that must not wait behind
    /// long documents.
    #[must_use]
    pub fn beside(&self, n_workers: usize) -> Self {
        let limits = WorkerLimits {
            n_workers,
            ..self.limits.clone()
        };
        let options = self.options.clone();
        Self::new(self.command.clone(), limits, options, Arc::new(NoTools))
    }

    /// Gives up the documents at hand, as soon as a program that runs for one of them ends, and takes no more: each ends
    /// with [`ExtractError::WorkerUnavailable`], so that it is read again another time.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// A pool with default options and no tools.
    #[must_use]
    pub fn plain(command: WorkerCommand, limits: WorkerLimits) -> Self {
        Self::new(
            command,
            limits,
            ExtractOptions::default(),
            Arc::new(NoTools),
        )
    }

    /// What decides, beside the readers, what comes out of documents: the tools (see [`Tools::identity`]), the file of
    /// pdfium as it was when this was first asked (one that cannot be loaded leaves documents to the second reader, and they
    /// are read again once another takes its place), and the passwords; of both only a hash is told.
    #[must_use]
    pub fn identity(&self) -> String {
        let library = self.options.pdfium.as_deref();
        let pdfium = self.pdfium.get_or_init(|| crate::pdf::identity(library));
        format!(
            "{} pdfium={pdfium} pictures={} passwords={}",
            self.tools.identity(),
            self.options.max_inset_pictures,
            self.options.passwords.identity()
        )
    }

    /// Extracts one document; blocks while all workers are busy, and then up to the deadline (and as long as
    /// tools take for it, within their own budget).
    ///
    /// # Errors
    /// As [`crate::extract`], and where the worker missed the deadline, ran out of memory, crashed or could
    /// not be started.
    pub fn extract(&self, input: &Input<'_>) -> Result<Extracted, ExtractError> {
        let task = Task::Extract {
            name: input.name.to_owned(),
            origin: input.origin,
        };
        match self.ask(task, input.bytes)? {
            Reply::Read(extracted) => Ok(extracted),
            Reply::Image(_) | Reply::PageMeta(_) => Err(other_answer()),
        }
    }

    /// Draws one page of a PDF file, for a person who follows a citation; blocks as [`Self::extract`] does.
    ///
    /// # Errors
    /// Where the file is no PDF file or cannot be opened, has no such page, or the worker fails as in [`Self::extract`].
    pub fn render_page(&self, bytes: &[u8], page: &PageRequest) -> Result<PageImage, ExtractError> {
        match self.ask(Task::Render(page.clone()), bytes)? {
            Reply::Image(image) => Ok(image),
            Reply::Read(_) | Reply::PageMeta(_) => Err(other_answer()),
        }
    }

    /// What a page of the web tells a crawler: its links and what it asks of robots. Blocks as [`Self::extract`] does.
    ///
    /// # Errors
    /// Where the worker fails as in [`Self::extract`].
    pub fn page_meta(&self, name: &str, bytes: &[u8]) -> Result<PageMeta, ExtractError> {
        let name = name.to_owned();
        match self.ask(Task::PageMeta { name }, bytes)? {
            Reply::PageMeta(meta) => Ok(meta),
            Reply::Read(_) | Reply::Image(_) => Err(other_answer()),
        }
    }

    /// One exchange with a worker, which then is put back.
    fn ask(&self, task: Task, bytes: &[u8]) -> Result<Reply, ExtractError> {
        if self.is_stopping() {
            return Err(stopping());
        }
        let limit = self.limits.max_input_bytes;
        if bytes.len() as u64 > limit {
            return Err(ExtractError::too_large("document in bytes", limit));
        }
        let request = Request {
            task,
            size: bytes.len() as u64,
        };
        let mut place = self.take_place();
        let mut worker = match place.worker.take().and_then(still_alive) {
            Some(worker) => worker,
            None => self.start()?,
        };
        let result = self.converse(&mut worker, &request, bytes)?;
        worker.n_files += 1;
        if worker.n_files < self.limits.files_per_worker {
            place.worker = Some(worker);
        }
        result
    }

    /// How the workers of this pool are locked up; starts one where none has run yet.
    ///
    /// # Errors
    /// Where no worker could be started.
    pub fn isolation(&self) -> Result<Isolation, ExtractError> {
        if let Some(isolation) = self.isolation.get() {
            return Ok(isolation.clone());
        }
        let mut place = self.take_place();
        place.worker = Some(self.start()?);
        Ok(self.isolation.get().cloned().unwrap_or_default())
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
        let greeted = self.with_deadline(&mut worker, self.limits.start_deadline, |pipes, _| {
            child::greet(pipes, &self.limits, &self.options)
        });
        match greeted {
            Some(Ok(isolation)) => {
                self.isolation.get_or_init(|| {
                    log_isolation(&isolation);
                    isolation
                });
                Ok(worker)
            }
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
        request: &Request,
        bytes: &[u8],
    ) -> Result<Result<Reply, ExtractError>, ExtractError> {
        // JSON of an error answer fits whatever the cap of the output is.
        let max_frame = self.limits.max_output_bytes.max(64 << 10);
        let exchange = |pipes: &mut Pipes, calls: &Calls| {
            // A worker that stops reading may have answered all the same, or died: its output tells.
            let written = protocol::write_with_payload(&mut pipes.input, request, bytes);
            loop {
                let answer = protocol::read_json_capped::<Answer>(&mut pipes.output, max_frame)?;
                match answer {
                    Some(Answer::Read(extracted)) => {
                        return written.map(|()| Ok(Reply::Read(extracted)));
                    }
                    Some(Answer::PageMeta(meta)) => {
                        return written.map(|()| Ok(Reply::PageMeta(meta)));
                    }
                    Some(Answer::Image { mut image, size }) => {
                        if size > self.limits.max_output_bytes {
                            return Err(over_cap("an image", size));
                        }
                        image.png = protocol::read_bytes(&mut pipes.output, size)?;
                        return written.map(|()| Ok(Reply::Image(image)));
                    }
                    Some(Answer::Failed(error)) => return written.map(|()| Err(error)),
                    Some(Answer::Ask { request }) => {
                        let refusal = self.tools.refusal(&request);
                        let reply = refusal.map_or(ToolReply::Done { size: 0 }, ToolReply::Failed);
                        protocol::write_json(&mut pipes.input, &reply, u64::MAX)?;
                    }
                    Some(Answer::Call { request, size }) => {
                        self.serve_call(pipes, calls, request, size)?;
                    }
                    None => return Err(io::ErrorKind::UnexpectedEof.into()),
                }
            }
        };
        match self.with_deadline(worker, self.limits.deadline, exchange) {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {
                worker.end();
                Err(stopping())
            }
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

    /// Passes a worker's call on to the thread that runs tools, and its reply back.
    fn serve_call(
        &self,
        pipes: &mut Pipes,
        calls: &Calls,
        request: ToolRequest,
        size: u64,
    ) -> io::Result<()> {
        if size > self.limits.max_output_bytes {
            return Err(over_cap("a tool's payload", size));
        }
        let payload = protocol::read_bytes(&mut pipes.output, size)?;
        let (reply, wait) = mpsc::sync_channel(1);
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        calls
            .send(Event::Call(request, payload, reply))
            .map_err(|_| gone())?;
        let (reply, payload) = match wait.recv().map_err(|_| gone())? {
            Ok(payload) => (
                ToolReply::Done {
                    size: payload.len() as u64,
                },
                payload,
            ),
            Err(error) => (ToolReply::Failed(error), Vec::new()),
        };
        protocol::write_with_payload(&mut pipes.input, &reply, &payload)
    }

    /// Runs a tool while the worker's clock stands still, as long as the document has time left for tools.
    fn run_tool(
        &self,
        request: &ToolRequest,
        payload: &[u8],
        used: &mut Duration,
    ) -> Result<Vec<u8>, ToolError> {
        if *used >= self.limits.tool_budget {
            return Err(ToolError::Failed {
                what: "text recognition or conversion".into(),
                reason: format!(
                    "the {} seconds for one document are used up",
                    self.limits.tool_budget.as_secs()
                ),
            });
        }
        let started = Instant::now();
        let result = self.tools.call(request, payload);
        *used += started.elapsed();
        result
    }

    /// Runs `talk` on a thread of its own, kills the worker where it takes longer than the limit (`None`).
    /// Tools that it calls for run on this thread; their time does not count.
    fn with_deadline<T: Send>(
        &self,
        worker: &mut Worker,
        limit: Duration,
        talk: impl FnOnce(&mut Pipes, &Calls) -> io::Result<T> + Send,
    ) -> Option<io::Result<T>> {
        let mut deadline = Instant::now() + limit;
        let mut tool_time = Duration::ZERO;
        let (process, pipes) = worker.split();
        let result = std::thread::scope(|scope| {
            let (events, wait) = mpsc::sync_channel(1);
            let talking = scope.spawn(move || {
                let result = talk(pipes, &events);
                let _ = events.send(Event::Done);
                result
            });
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                match wait.recv_timeout(left.min(STOP_CHECK)) {
                    Err(mpsc::RecvTimeoutError::Timeout)
                        if left > STOP_CHECK && !self.is_stopping() => {}
                    _ if self.is_stopping() => {
                        let _ = process.kill();
                        return Some(Err(io::ErrorKind::Interrupted.into()));
                    }
                    Ok(Event::Call(request, payload, reply)) => {
                        let before = tool_time;
                        let result = self.run_tool(&request, &payload, &mut tool_time);
                        deadline += tool_time.saturating_sub(before);
                        let _ = reply.send(result);
                    }
                    Ok(Event::Done) => {
                        return Some(talking.join().unwrap_or_else(|_| {
                            Err(io::Error::other(
                                "the thread that talks to a worker panicked",
                            ))
                        }));
                    }
                    Err(_) => {
                        // The pipes close with the process, which ends the thread that talks.
                        let _ = process.kill();
                        return None;
                    }
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
                signal if cfg!(target_os = "linux") && signal == SIGSYS => ExtractError::Crashed {
                    reason: "stopped: tried a forbidden system call".into(),
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

/// What a worker made of a document.
enum Reply {
    Read(Extracted),
    Image(PageImage),
    PageMeta(PageMeta),
}

/// A worker that answers another question than it was asked.
fn other_answer() -> ExtractError {
    ExtractError::Crashed {
        reason: "the worker's answer is to another question".into(),
    }
}

fn over_cap(what: &str, size: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{what} of {size} bytes is over the cap of the output"),
    )
}

/// What the thread that talks to a worker tells the one that holds the clock.
enum Event {
    /// The worker needs a tool; the reply goes back through the channel.
    Call(
        ToolRequest,
        Vec<u8>,
        mpsc::SyncSender<Result<Vec<u8>, ToolError>>,
    ),
    /// The conversation is over.
    Done,
}

type Calls = mpsc::SyncSender<Event>;

/// Said once for each pool.
fn log_isolation(isolation: &Isolation) {
    if isolation.is_complete() {
        tracing::debug!(worker.isolation = %isolation, "workers are locked up");
    } else {
        tracing::warn!(
            worker.isolation = %isolation,
            "workers are not locked up in full: a document that takes over its parser has more rights than it should"
        );
    }
}

fn stopping() -> ExtractError {
    ExtractError::unavailable("this program is stopping")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_library_makes_another_identity() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str, content: Option<&str>| {
            let path = folder.path().join(name);
            if let Some(content) = content {
                fs_err::write(&path, content).unwrap();
            }
            let options = ExtractOptions {
                pdfium: Some(path),
                ..ExtractOptions::default()
            };
            let command = WorkerCommand {
                program: "/none".into(),
                args: Vec::new(),
            };
            WorkerPool::new(command, WorkerLimits::default(), options, Arc::new(NoTools))
        };
        let broken = of("a", Some("cut off")).identity();
        let pool = of("a", Some("whole"));
        let whole = pool.identity();
        let elsewhere = of("b", Some("whole")).identity();
        let missing = of("c", None).identity();
        assert_ne!(broken, whole);
        assert_eq!(whole, elsewhere);
        assert!(missing.contains("pdfium=unread"), "{missing}");
        // The workers that run have the library of before.
        fs_err::write(folder.path().join("a"), "newer").unwrap();
        assert_eq!(pool.identity(), whole);
        let without = WorkerPool::plain(pool.command.clone(), WorkerLimits::default());
        assert!(without.identity().contains("pdfium=none"));
    }
}
