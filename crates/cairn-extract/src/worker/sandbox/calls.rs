//! The filter of system calls (seccomp): a list of what a worker may do; anything else kills it.
//!
//! See `seccomp(2)`. Measured with `strace` over every reader, panics, threads and memory that runs out; the C
//! libraries' fallbacks for older kernels are in as well. Three answers:
//!
//! - **Allowed**: reading and writing the pipes, memory that is not executable, threads, clocks, signals to itself.
//! - **Refused with an error** ([`REFUSED`], [`MISSING`]): what libraries try on the side and do without. PDFium looks
//!   for fonts, the C library for the number of processors and character sets, a panic for its source. They get `EACCES`
//!   and go on. `clone3` is "not implemented", since its flags lie in memory that a filter cannot read: the C
//!   libraries then use `clone`, whose flags are compared.
//! - **Killed**: the rest. No reader needs it, so who asks for it is not the reader any more, and gets no second try.
//!
//! A call of another architecture (32 bit, x32) is killed too. The filter costs each call some dozen instructions of
//! the kernel, or one look-up in its table of calls that are always allowed (Linux 5.11).

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Always allowed.
const ALLOWED: &[libc::c_long] = &[
    // The pipes. No descriptor but the standard three is open, and none can be opened.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_ppoll,
    // Memory; `mmap` and `mprotect` have conditions.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Threads; `clone` has conditions.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_membarrier,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Signals; `tgkill` has conditions.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Clocks, chance, the size of the machine.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];

/// Refused with `EACCES`: looking for files. A path would not get past Landlock either; here kernels without
/// Landlock refuse it, and metadata, which Landlock leaves open.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    // Whether a descriptor is a terminal.
    libc::SYS_ioctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
];

/// "Not implemented".
const MISSING: &[libc::c_long] = &[libc::SYS_clone3];

/// The flags with which the C libraries start a thread. Anything else that `clone` can do is another process or
/// another namespace.
const THREAD: libc::c_int = libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM
    | libc::CLONE_SETTLS
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_CLEARTID;

/// Filters the calls of all threads of this process, from now on.
pub(super) fn filter() -> Result<(), String> {
    let programs = programs().map_err(|error| error.to_string())?;
    // The list of what is allowed comes last: it does not allow to set another filter.
    for program in &programs {
        apply_filter_all_threads(program).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The filters in order. Where several judge one call the strictest answer counts, which is why what the first two
/// refuse stands among what the last one allows.
fn programs() -> Result<[BpfProgram; 3], BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let refusing = |calls: &[libc::c_long], errno: libc::c_int| {
        let errno = SeccompAction::Errno(errno.unsigned_abs());
        SeccompFilter::new(always(calls), SeccompAction::Allow, errno, arch)?.try_into()
    };
    let mut allowed = always(ALLOWED);
    allowed.append(&mut always(REFUSED));
    allowed.append(&mut always(MISSING));
    allowed.append(&mut with_conditions()?);
    Ok([
        refusing(REFUSED, libc::EACCES)?,
        refusing(MISSING, libc::ENOSYS)?,
        SeccompFilter::new(
            allowed,
            SeccompAction::KillProcess,
            SeccompAction::Allow,
            arch,
        )?
        .try_into()?,
    ])
}

fn always(calls: &[libc::c_long]) -> Rules {
    // A list without rules means: whatever the arguments.
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

/// What is allowed with some arguments only.
fn with_conditions() -> Result<Rules, BackendError> {
    let own_id = u64::from(std::process::id());
    // Without `PROT_EXEC`: no code but what is mapped by now.
    let not_executable = || rule([masked(2, libc::PROT_EXEC, 0)]);
    Ok(BTreeMap::from([
        (libc::SYS_mmap, vec![not_executable()?]),
        (libc::SYS_mprotect, vec![not_executable()?]),
        (
            libc::SYS_clone,
            // musl adds a flag that does nothing.
            vec![rule([masked(0, !libc::CLONE_DETACHED, THREAD)])?],
        ),
        // `abort`, and the C library on behalf of a thread: to this process only.
        (libc::SYS_tgkill, vec![rule([is(0, own_id)])?]),
        (
            libc::SYS_fcntl,
            vec![
                rule([is(1, number(libc::F_GETFD))])?,
                rule([is(1, number(libc::F_GETFL))])?,
            ],
        ),
        (
            libc::SYS_prctl,
            vec![
                rule([is(0, number(libc::PR_SET_NAME))])?,
                rule([is(0, number(PR_SET_VMA))])?,
            ],
        ),
        // Reading a limit, and renewing the processor time for the next document. All others are at their hard limit,
        // which nobody without capabilities can raise, and are killed here all the same.
        (
            libc::SYS_prlimit64,
            vec![
                rule([is(0, 0), pointer_is_null(2)])?,
                rule([is(0, 0), is(1, u64::from(libc::RLIMIT_CPU))])?,
            ],
        ),
        #[cfg(target_arch = "x86_64")]
        (
            libc::SYS_getrlimit,
            vec![rule([is(0, u64::from(libc::RLIMIT_STACK))])?],
        ),
    ]))
}

/// Names a mapping, for people who look at it: newer C libraries and allocators do.
const PR_SET_VMA: libc::c_int = 0x5356_4d41;

type Condition = Result<SeccompCondition, BackendError>;

/// Holds where all conditions do.
fn rule<const N: usize>(conditions: [Condition; N]) -> Result<SeccompRule, BackendError> {
    let conditions: Result<Vec<_>, _> = conditions.into_iter().collect();
    SeccompRule::new(conditions?)
}

/// The argument, an `int` to the kernel, is `value`.
fn is(index: u8, value: u64) -> Condition {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

/// All 64 bits of the argument are 0.
fn pointer_is_null(index: u8) -> Condition {
    SeccompCondition::new(index, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)
}

/// The bits of `mask` in the argument, all 64 of it, are those of `value`. A negative mask covers the upper half too.
fn masked(index: u8, mask: libc::c_int, value: libc::c_int) -> Condition {
    let mask = i64::from(mask).cast_unsigned();
    SeccompCondition::new(
        index,
        SeccompCmpArgLen::Qword,
        SeccompCmpOp::MaskedEq(mask),
        number(value),
    )
}

fn number(value: libc::c_int) -> u64 {
    u64::from(value.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_compile_and_no_call_stands_twice() {
        let programs = programs().unwrap();
        // The kernel takes 4096 instructions at most.
        assert!(programs.iter().all(|program| program.len() < 1000));
        let mut all: Vec<_> = [ALLOWED, REFUSED, MISSING].concat();
        all.extend(with_conditions().unwrap().keys());
        let n = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), n);
    }
}
