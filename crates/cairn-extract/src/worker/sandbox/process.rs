//! The rights of the process itself: descriptors, capabilities, limits, and whether others may look into it.

#![expect(unsafe_code, reason = "system calls on raw descriptors")]

use std::io;

use rlimit::Resource;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, set_capabilities,
    set_capabilities_secure_bits, set_no_new_privs,
};

/// Standard input, output and error: all that a worker needs to have open, now and later.
const N_DESCRIPTORS: u32 = 3;

/// Threads of this process; 0 where the system does not say.
pub(super) fn n_threads() -> usize {
    fs_err::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Closes descriptors, lowers limits, drops capabilities.
///
/// Not done, and why: `RLIMIT_NPROC` counts all processes of the user, so that any number would either stop threads
/// or mean nothing; `PR_SET_PDEATHSIG` follows the *thread* that started the worker, which in the parent comes and
/// goes. A worker ends with its input, and, where it spins, with its processor time.
pub(super) fn give_up_rights() -> io::Result<()> {
    close_descriptors();
    for resource in [Resource::MEMLOCK, Resource::MSGQUEUE] {
        resource.set(0, 0)?;
    }
    // Other processes of the user cannot attach, and /proc/PID belongs to root.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    drop_capabilities()
}

/// The same for a process that becomes another program: what would not outlive `execve`, or not suit it, is left out.
pub(super) fn keep_no_rights() -> io::Result<()> {
    close_descriptors();
    // To root `execve` would give all capabilities again. Others cannot set this and need not.
    let _ = set_capabilities_secure_bits(
        CapabilitiesSecureBits::NO_ROOT | CapabilitiesSecureBits::NO_ROOT_LOCKED,
    );
    drop_capabilities()
}

/// A server that runs as root (a container) has children that are root in name only.
fn drop_capabilities() -> io::Result<()> {
    let none = CapabilitySet::empty();
    set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )?;
    set_no_new_privs(true)?;
    Ok(())
}

/// No descriptor can be had from here on, with a name or without (pipes, epoll, memfd). Landlock itself needs one for
/// a moment, so this comes after it.
pub(super) fn forbid_descriptors() -> io::Result<()> {
    let limit = u64::from(N_DESCRIPTORS);
    Resource::NOFILE.set(limit, limit)
}

/// Whatever else this process was given when it was started. What it opened itself is closed by now.
fn close_descriptors() {
    // SAFETY: nothing in a worker owns a descriptor beyond the standard three: `serve` says so to its callers, and
    // libraries that are loaded keep mappings, not files.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            libc::c_ulong::from(N_DESCRIPTORS),
            libc::c_ulong::from(u32::MAX),
            0,
        )
    };
    if result == 0 {
        return;
    }
    // Linux before 5.9.
    let n_max = Resource::NOFILE.get_soft().unwrap_or(1024).min(1 << 16);
    for descriptor in i32::try_from(N_DESCRIPTORS).into_iter().flat_map(|first| {
        let end = i32::try_from(n_max).unwrap_or(i32::MAX);
        first..end
    }) {
        // SAFETY: as above; a number that is not open is refused.
        unsafe { libc::close(descriptor) };
    }
}
