//! What a worker gives up before it reads a foreign byte: files, network, processes, and every system call but a few.
//!
//! Five layers, each of use without the others: limits (`../limits.rs`), the process's own rights (`process.rs`),
//! Landlock (`files.rs`), and a filter of system calls (`calls.rs`); the fifth is the parent's clock. None of them can
//! be undone. They are for the whole process: only a program that is nothing but a worker may call [`lock`].
//!
//! The same means, less tight, wall in programs that are not ours (`launch.rs`, `forbidden.rs`).
//!
//! Where the system has no such thing the worker runs with what there is, and says so in its greeting: see
//! [`Isolation`] and [`IsolationPolicy`]. The page `docs/reference/isolation.md` tells what holds on which kernel.

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod forbidden;
#[cfg(unix)]
mod launch;
#[cfg(target_os = "linux")]
mod process;

#[cfg(unix)]
pub use launch::{Launcher, ProgramLimits, launch, launch_args};

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

/// What is done where the system cannot lock up a worker in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IsolationPolicy {
    /// The worker runs with what the system has; what is missing is logged once.
    #[default]
    BestEffort,
    /// No worker runs without both Landlock and the filter of system calls: documents fail as `unavailable`. Nor does a program that is not ours.
    Required,
}

/// How a worker is locked up, by its own account before it saw the first document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Isolation {
    /// Version of Landlock's interface that is in force: 1 refuses files, 4 also TCP, 6 also abstract sockets and
    /// signals. `None` where nothing of it is.
    pub landlock_abi: Option<u32>,
    /// Whether system calls are filtered.
    pub seccomp: bool,
    /// Why something is missing.
    pub missing: Option<String>,
}

impl Isolation {
    /// Whether both Landlock and the filter are in force.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.landlock_abi.is_some() && self.seccomp
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.landlock_abi {
            Some(abi) => write!(f, "landlock abi {abi}")?,
            None => f.write_str("landlock no")?,
        }
        f.write_str(if self.seccomp {
            ", seccomp yes"
        } else {
            ", seccomp no"
        })?;
        match &self.missing {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

/// Locks this process up for good. Descriptors other than 0, 1 and 2 are closed, whoever uses them.
///
/// # Errors
/// Where the process cannot even be told to give up its own rights. Landlock and the filter are best effort.
#[cfg(target_os = "linux")]
pub(super) fn lock() -> io::Result<Isolation> {
    // Counted first: /proc cannot be read afterwards.
    let n_threads = process::n_threads();
    process::give_up_rights()?;
    let landlock = match files::refuse_all() {
        // Landlock before version 8 binds the thread that calls; others would stay free.
        Ok(_) if n_threads > 1 => Err(format!("binds one thread of {n_threads}")),
        other => other,
    };
    process::forbid_descriptors()?;
    Ok(isolate(landlock, calls::filter))
}

/// Filters system calls after Landlock did, or did not do, its part.
#[cfg(target_os = "linux")]
fn isolate(
    landlock: Result<u32, String>,
    filter: impl FnOnce() -> Result<(), String>,
) -> Isolation {
    let seccomp = filter();
    let missing: Vec<String> = [
        landlock
            .as_ref()
            .err()
            .map(|reason| format!("landlock: {reason}")),
        seccomp
            .as_ref()
            .err()
            .map(|reason| format!("seccomp: {reason}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    Isolation {
        landlock_abi: landlock.ok(),
        seccomp: seccomp.is_ok(),
        missing: (!missing.is_empty()).then(|| missing.join("; ")),
    }
}

/// Locks nothing: this system has neither Landlock nor seccomp.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "as on Linux")]
pub(super) fn lock() -> io::Result<Isolation> {
    Ok(Isolation {
        missing: Some("this system has neither Landlock nor seccomp".into()),
        ..Isolation::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_force_is_told_in_one_line() {
        let full = Isolation {
            landlock_abi: Some(7),
            seccomp: true,
            missing: None,
        };
        assert!(full.is_complete());
        assert_eq!(full.to_string(), "landlock abi 7, seccomp yes");
        let half = Isolation {
            landlock_abi: None,
            missing: Some("landlock: not built into this kernel".into()),
            ..full
        };
        assert!(!half.is_complete());
        assert_eq!(
            half.to_string(),
            "landlock no, seccomp yes (landlock: not built into this kernel)"
        );
        assert!(!Isolation::default().is_complete());
    }
}
