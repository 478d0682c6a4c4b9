//! Starts a program that is not ours (Tesseract, `LibreOffice`, ffmpeg) within walls: this binary is started, raises them
//! around itself, and becomes the program by `execve`.
//!
//! A hook between `fork` and `execve` would do it without the detour, but in a process with threads such a hook may not
//! even allocate. The detour costs the start of this binary, a few milliseconds. What the starter sets stays as it is:
//! environment, working folder, process group, standard input and output.
//!
//! What the program gets: reading and executing what the system's packages installed (`files.rs`) and what the starter
//! names, writing in one folder, no network, no other process outside its own, limits of memory, time and files. Unlike
//! a worker it may start processes and threads: `LibreOffice` is a script that does.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rlimit::Resource;
use serde::{Deserialize, Serialize};

use super::{Isolation, IsolationPolicy};
use crate::worker::WorkerCommand;

/// What a program that is not ours may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramLimits {
    /// Address space of each of its processes.
    pub memory_bytes: u64,
    /// Processor time of each of its processes, all threads together.
    pub cpu_seconds: u64,
    /// Size of a file that it writes.
    pub file_bytes: u64,
    /// Files and folders that it may read, beside those of the system.
    pub readable: Vec<PathBuf>,
    /// What to do where the system cannot wall it in.
    pub isolation: IsolationPolicy,
}

impl Default for ProgramLimits {
    fn default() -> Self {
        Self {
            // LibreOffice maps about 2 GiB before it has read anything.
            memory_bytes: 6 << 30,
            cpu_seconds: 30 * 60,
            file_bytes: 1 << 30,
            readable: Vec::new(),
            isolation: IsolationPolicy::default(),
        }
    }
}

/// How programs are walled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launcher {
    /// This binary, with the arguments that make it call [`launch`].
    pub command: WorkerCommand,
    /// What to do where the system cannot wall a program in.
    pub isolation: IsolationPolicy,
}

/// The arguments for `launcher` with which it becomes `program`: [`launch`] takes them. `folder` is the one place where
/// the program may write.
///
/// # Errors
/// Where a path to be read is not UTF-8.
pub fn launch_args(
    launcher: &WorkerCommand,
    limits: &ProgramLimits,
    folder: &Path,
    program: &Path,
) -> io::Result<Vec<OsString>> {
    let mut args = launcher.args.clone();
    args.push(serde_json::to_string(limits)?.into());
    args.push(folder.into());
    args.push(program.into());
    Ok(args)
}

/// Becomes the program of these arguments (limits, folder, program, its own arguments), within walls.
///
/// # Errors
/// Where the arguments are not those of [`launch_args`], the walls cannot be raised or the program cannot be executed.
/// The process is of no more use then.
pub fn launch(args: impl IntoIterator<Item = OsString>) -> io::Result<Infallible> {
    let mut args = args.into_iter();
    let (Some(limits), Some(folder), Some(program)) = (args.next(), args.next(), args.next())
    else {
        return Err(io::Error::other("limits, folder and program are expected"));
    };
    let limits: ProgramLimits = serde_json::from_slice(limits.as_encoded_bytes())?;
    let (folder, program) = (PathBuf::from(folder), PathBuf::from(program));
    set_limits(&limits)?;
    let walls = raise_walls(&limits, &folder, &program)?;
    if limits.isolation == IsolationPolicy::Required && !walls.is_complete() {
        return Err(io::Error::other(format!(
            "isolation is required, and this system has {walls}"
        )));
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "this process becomes the program: no child of it"
    )]
    let error = Command::new(&program).args(args).exec();
    let program = program.display();
    Err(io::Error::new(
        error.kind(),
        format!("`{program}` cannot be executed: {error}"),
    ))
}

fn set_limits(limits: &ProgramLimits) -> io::Result<()> {
    for (resource, limit) in [
        // Not known to macOS.
        #[cfg(target_os = "linux")]
        (Resource::AS, limits.memory_bytes),
        (Resource::CPU, limits.cpu_seconds),
        (Resource::FSIZE, limits.file_bytes),
        (Resource::CORE, 0),
        (Resource::NOFILE, MAX_DESCRIPTORS),
    ] {
        // A hard limit that is lower already stays.
        let (_, hard) = resource.get()?;
        let limit = limit.min(hard);
        resource.set(limit, limit)?;
    }
    Ok(())
}

/// Descriptors of one process; `LibreOffice` uses about a hundred.
const MAX_DESCRIPTORS: u64 = 1024;

#[cfg(target_os = "linux")]
fn raise_walls(limits: &ProgramLimits, folder: &Path, program: &Path) -> io::Result<Isolation> {
    super::process::keep_no_rights()?;
    Ok(super::isolate(
        super::files::confine(folder, program, &limits.readable),
        super::forbidden::filter,
    ))
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "as on Linux")]
fn raise_walls(_limits: &ProgramLimits, _folder: &Path, _program: &Path) -> io::Result<Isolation> {
    Ok(Isolation {
        missing: Some("this system has neither Landlock nor seccomp".into()),
        ..Isolation::default()
    })
}
