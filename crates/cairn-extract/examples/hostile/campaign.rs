//! A campaign: damaged documents through a real pool, and what became of each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use cairn_extract::{ExtractError, Input, WorkerPool};

use super::mutate::{Random, mutate};

/// How often the memory of the workers is looked at. The system keeps their peaks, so little is missed.
const LOOK: Duration = Duration::from_millis(25);

/// What came of a campaign.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Documents by outcome.
    pub(crate) outcomes: BTreeMap<&'static str, usize>,
    /// The longest that one took, and which.
    pub(crate) slowest: (Duration, String),
    /// Most memory of a worker in KiB, resident, as the system kept it.
    pub(crate) peak_kib: u64,
    /// What must not be: a parser of ours panicked, a worker ended by itself, ran out of time, or could not be started.
    pub(crate) faults: Vec<String>,
    /// What a person may want to see, since it is caught as it should be: panics of libraries, memory at its limit.
    pub(crate) notes: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Usual,
    Note,
    Fault,
}

/// For a worker: a panic in our own code ends the process, which the campaign counts as a fault. One inside a library fails
/// its document alone, by design.
pub(crate) fn end_at_own_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        default(panic);
        if panic
            .location()
            .is_none_or(|location| location.file().contains("crates/cairn-"))
        {
            std::process::abort();
        }
    }));
}

/// Sends `count` damaged copies of the documents through the pool, from two threads. `keep` is where those that ended a
/// worker are written.
pub(crate) fn run(
    pool: &WorkerPool,
    documents: &[(PathBuf, Vec<u8>)],
    count: usize,
    seed: u64,
    keep: Option<&Path>,
) -> Figures {
    let figures = Mutex::new(Figures::default());
    let next = AtomicUsize::new(0);
    let (stop, stopped) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let watch = scope.spawn(move || watch_memory(&stopped));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n >= count {
                            break;
                        }
                        one(pool, documents, n, seed, keep, &figures);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("the campaign itself does not panic");
        }
        drop(stop);
        let peak = watch.join().expect("watching does not panic");
        lock(&figures).peak_kib = peak;
    });
    figures.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn lock(figures: &Mutex<Figures>) -> MutexGuard<'_, Figures> {
    figures.lock().unwrap_or_else(PoisonError::into_inner)
}

fn one(
    pool: &WorkerPool,
    documents: &[(PathBuf, Vec<u8>)],
    n: usize,
    seed: u64,
    keep: Option<&Path>,
    figures: &Mutex<Figures>,
) {
    // Each has a generator of its own, so that one can be made again without those before it.
    let mut random = Random(seed ^ (n as u64).wrapping_mul(0x9e37_79b9));
    let (path, bytes) = &documents[random.below(documents.len())];
    let (_, other) = &documents[random.below(documents.len())];
    let (kind, damaged) = mutate(&mut random, bytes, other);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let started = Instant::now();
    let result = pool.extract(&Input::file(&name, &damaged));
    let elapsed = started.elapsed();
    let (outcome, weight) = match &result {
        Ok(extracted) if extracted.report.warnings.iter().any(|w| w.code.is_loss()) => {
            ("partial", Weight::Usual)
        }
        Ok(_) => ("ok", Weight::Usual),
        Err(ExtractError::TimedOut { .. }) => ("timed out", Weight::Fault),
        Err(ExtractError::OutOfMemory { .. }) => ("out of memory", Weight::Note),
        Err(ExtractError::Crashed { reason }) if reason.starts_with("ended ") => {
            ("worker ended", Weight::Fault)
        }
        Err(ExtractError::Crashed { .. }) => ("panic of a library", Weight::Note),
        Err(ExtractError::WorkerUnavailable { .. }) => ("no worker", Weight::Fault),
        Err(_) => ("error", Weight::Usual),
    };
    let label = format!("{n} {kind} of {}", path.display());
    let mut figures = lock(figures);
    *figures.outcomes.entry(outcome).or_default() += 1;
    if elapsed > figures.slowest.0 {
        figures.slowest = (elapsed, label.clone());
    }
    if weight != Weight::Usual {
        let reason = result.err().map(|error| error.to_string());
        let line = format!("{label}: {}", reason.unwrap_or_default());
        match weight {
            Weight::Fault => figures.faults.push(line),
            _ => figures.notes.push(line),
        }
        if let Some(folder) = keep {
            let _ = fs_err::write(folder.join(format!("{n}-{name}")), &damaged);
        }
    }
}

/// The highest peak of resident memory among this process' children until the other end of the channel is gone.
fn watch_memory(stopped: &mpsc::Receiver<()>) -> u64 {
    let mut highest = 0;
    while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(LOOK) {
        highest = children()
            .iter()
            .filter_map(|child| peak_kib(child))
            .fold(highest, u64::max);
    }
    highest
}

fn peak_kib(process: &Path) -> Option<u64> {
    let status = fs_err::read_to_string(process.join("status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// The folders in `/proc` of this process' children.
fn children() -> Vec<PathBuf> {
    let own = std::process::id().to_string();
    let entries = fs_err::read_dir("/proc").into_iter().flatten();
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            // After the name in parentheses: state, then the parent's id.
            let stat = fs_err::read_to_string(path.join("stat")).unwrap_or_default();
            stat.rsplit_once(')')
                .is_some_and(|(_, rest)| rest.split_whitespace().nth(1) == Some(&own))
        })
        .collect()
}
