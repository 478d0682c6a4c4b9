//! The limits of workers, and how a worker sets them on itself.

use std::io;
use std::time::Duration;

use rlimit::Resource;

use super::protocol::Hello;
use super::sandbox::IsolationPolicy;

/// What the workers of a pool may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerLimits {
    /// Children at a time.
    pub n_workers: usize,
    /// Time for one document; then its child is killed.
    pub deadline: Duration,
    /// Time for a child to start, which says nothing about any document.
    pub start_deadline: Duration,
    /// Time that tools (text recognition, conversion, transcription) may take for one document, beside the deadline.
    pub tool_budget: Duration,
    /// Address space of a child, its code and libraries included. At least about 256 MiB to be of use.
    pub memory_bytes: u64,
    /// Size of a document.
    pub max_input_bytes: u64,
    /// Size of what is extracted from one document, as JSON.
    pub max_output_bytes: u64,
    /// Documents after which a child is replaced, so that leaks of a library do not add up.
    pub files_per_worker: u32,
    /// What to do where the system cannot lock up a child in full.
    pub isolation: IsolationPolicy,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        Self {
            n_workers: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            deadline: Duration::from_secs(120),
            start_deadline: Duration::from_secs(60),
            tool_budget: Duration::from_secs(30 * 60),
            memory_bytes: 2 << 30,
            max_input_bytes: 256 << 20,
            max_output_bytes: 256 << 20,
            files_per_worker: 200,
            isolation: IsolationPolicy::default(),
        }
    }
}

/// Sets the limits of the worker on this process. They can only be lowered afterwards (but processor time).
pub(super) fn apply(hello: &Hello) -> io::Result<()> {
    if let Some(bytes) = hello.memory_bytes {
        // A hard limit that is lower already stays.
        let (_, hard) = Resource::AS.get()?;
        let bytes = bytes.min(hard);
        Resource::AS.set(bytes, bytes)?;
        Resource::CORE.set(0, 0)?;
        Resource::FSIZE.set(0, 0)?;
    }
    renew_cpu(hello);
    Ok(())
}

/// Gives this process processor time for one more document. The parent's clock is what counts; this ends a
/// worker that spins after its parent has died.
pub(super) fn renew_cpu(hello: &Hello) {
    let Some(seconds) = hello.cpu_seconds else {
        return;
    };
    if let (Some(used), Ok((_, hard))) = (cpu_seconds_used(), Resource::CPU.get()) {
        let soft = used.saturating_add(seconds).saturating_add(1).min(hard);
        // Failure leaves the limit as it was: stricter, not laxer.
        let _ = Resource::CPU.set(soft, hard);
    }
}

/// Processor time of this process so far, rounded up; `None` where the system does not say. Asks the clock, since /proc
/// cannot be read by a worker.
#[cfg(unix)]
fn cpu_seconds_used() -> Option<u64> {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    u64::try_from(used.tv_sec).ok()?.checked_add(1)
}

#[cfg(not(unix))]
fn cpu_seconds_used() -> Option<u64> {
    None
}
