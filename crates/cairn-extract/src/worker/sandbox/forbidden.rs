//! What a program that is not ours may not ask of the kernel: a list of system calls that are refused with an error.
//!
//! Unlike the worker's list (`calls.rs`) this one names what is forbidden, since nobody can say what the next version of
//! an office suite calls. Refused are the network, other processes' insides, namespaces and mounts, the kernel's larger
//! interfaces, and leaving the process group, so that killing the group ends all of it. All get `EPERM`, which programs
//! report or pass over; `clone3` and `memfd_create` are "not implemented", for which they have other ways.
//!
//! Landlock says nothing of the mode, times, owner and extended attributes of files anywhere, nor of the limits, priority and
//! processors of other processes of the user. Mode and times are of no use in a folder that is removed: to change them,
//! by path or descriptor, is answered as if it had been done. The rest is refused. So are signals, by all calls but
//! `tgkill`, which `abort` needs: where that goes to a process outside, Landlock refuses it from version 6.
//!
//! Sockets: only local streams, and of these only pairs are of use. Nobody can `connect` to one by its name, as those of a
//! container engine or a desktop have, nor give a name to an own one: that is answered as if it had been done.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads, sock_filter,
};

/// Refused whatever the arguments.
const FORBIDDEN: &[libc::c_long] = &[
    // Network, and sockets with a name.
    libc::SYS_connect,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_send_signal,
    libc::SYS_process_mrelease,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    libc::SYS_ioprio_set,
    // Files outside: whose they are, what is noted beside them, and what others do with them.
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_inotify_add_watch,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    // Leaving the group that is killed in the end.
    libc::SYS_setsid,
    libc::SYS_setpgid,
    // Namespaces, mounts, roots.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Larger interfaces of the kernel that documents need nothing of.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    libc::SYS_vmsplice,
    libc::SYS_mbind,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_vhangup,
    // Memory shared with processes outside.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_semget,
    libc::SYS_msgget,
    libc::SYS_mq_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
];

/// Younger than the C library's header; from 424 on every architecture has the same numbers
/// (include/uapi/asm-generic/unistd.h).
const SETXATTRAT: libc::c_long = 463;
const REMOVEXATTRAT: libc::c_long = 466;
const OPEN_TREE_ATTR: libc::c_long = 467;
const FILE_SETATTR: libc::c_long = 469;

/// "Not implemented": the flags of `clone3` cannot be read, and a file of `memfd_create` is executed past Landlock.
/// And what few kernels have, so that nobody needs it.
const MISSING: &[libc::c_long] = &[
    libc::SYS_clone3,
    libc::SYS_memfd_create,
    SETXATTRAT,
    REMOVEXATTRAT,
    OPEN_TREE_ATTR,
    FILE_SETATTR,
];

/// Answered with success, and not done. A socket that others could reach by its name: `LibreOffice` makes one in `/tmp`,
/// whatever it is told, to see whether it runs already, and ends where it cannot. And the mode and times of files.
const PRETENDED: &[libc::c_long] = &[
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_utimensat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
];

/// Calls of x32 programs bear this mark (arch/x86/include/uapi/asm/unistd.h) and partly other numbers: a list of what is
/// forbidden would let them through.
const X32: u32 = 0x4000_0000;
/// Kills who makes one. Four instructions (seccomp(2), linux/filter.h): load the number; is it marked? kill; allow.
const NO_X32: [sock_filter; 4] = [
    instruction(0x20, 0, 0, 0),
    instruction(0x35, 0, 1, X32),
    instruction(0x06, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
    instruction(0x06, 0, 0, libc::SECCOMP_RET_ALLOW),
];

const fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// Any of these makes a namespace.
const NAMESPACES: [libc::c_int; 8] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    // Not a namespace: untraced, as nothing here has to be.
    libc::CLONE_UNTRACED,
];

/// `FS_IOC_SETFLAGS`, `FS_IOC_FSSETXATTR` (linux/fs.h), `FIOSETOWN` and `SIOCSPGRP` (asm-generic/sockios.h).
const ATTRIBUTES_AND_OWNERS: [u64; 4] = [0x4008_6602, 0x401c_5820, 0x8901, 0x8902];

/// Signals by the detour of a descriptor, and being told what others do with a file, or keeping them from it.
const DESCRIPTORS: [libc::c_int; 5] = [
    libc::F_SETOWN,
    F_SETSIG,
    F_SETOWN_EX,
    libc::F_SETLEASE,
    libc::F_NOTIFY,
];
/// asm-generic/fcntl.h.
const F_SETSIG: libc::c_int = 10;
const F_SETOWN_EX: libc::c_int = 15;

/// A kind of socket that the C library's header calls obsolete; the kernel still knows it.
const SOCK_PACKET: libc::c_int = 10;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Refuses these calls to this process and all that come of it.
pub(super) fn filter() -> Result<(), String> {
    let programs = programs().map_err(|error| error.to_string())?;
    for program in &programs {
        apply_filter_all_threads(program).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn programs() -> Result<[BpfProgram; 4], BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let refusing = |rules: Rules, errno: libc::c_int| {
        let errno = SeccompAction::Errno(errno.unsigned_abs());
        SeccompFilter::new(rules, SeccompAction::Allow, errno, arch)?.try_into()
    };
    let mut forbidden = always(FORBIDDEN);
    forbidden.append(&mut with_conditions()?);
    Ok([
        NO_X32.to_vec(),
        refusing(always(MISSING), libc::ENOSYS)?,
        refusing(always(PRETENDED), 0)?,
        refusing(forbidden, libc::EPERM)?,
    ])
}

fn always(calls: &[libc::c_long]) -> Rules {
    // A list without rules means: whatever the arguments.
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

/// What is refused with some arguments only.
fn with_conditions() -> Result<Rules, BackendError> {
    let local = number(libc::AF_UNIX);
    // Any kind of socket but a stream: the others send to whoever is named, without `connect`.
    let kinds = [
        libc::SOCK_DGRAM,
        libc::SOCK_RAW,
        libc::SOCK_RDM,
        libc::SOCK_SEQPACKET,
        SOCK_PACKET,
    ];
    let sockets = || {
        let mut rules = vec![rule(0, SeccompCmpOp::Ne, local)?];
        for kind in kinds {
            rules.push(rule(1, SeccompCmpOp::MaskedEq(0xf), number(kind))?);
        }
        Ok::<_, BackendError>(rules)
    };
    let namespaces = NAMESPACES
        .iter()
        .map(|flag| rule(0, SeccompCmpOp::MaskedEq(number(*flag)), number(*flag)))
        .collect::<Result<_, _>>()?;
    // Typing into the terminal from which the server was started.
    let requests = [libc::TIOCSTI, libc::TIOCLINUX]
        .into_iter()
        .chain(ATTRIBUTES_AND_OWNERS)
        .map(|request| rule(1, SeccompCmpOp::Eq, request & 0xffff_ffff))
        .collect::<Result<_, _>>()?;
    let descriptors = DESCRIPTORS
        .iter()
        .map(|command| rule(1, SeccompCmpOp::Eq, number(*command)))
        .collect::<Result<_, _>>()?;
    // Their own limits and priority, and nobody else's, nor that of all processes of the user.
    let limits = vec![rule(0, SeccompCmpOp::Ne, 0)?];
    let priority = vec![
        rule(0, SeccompCmpOp::Ne, u64::from(libc::PRIO_PROCESS))?,
        rule(1, SeccompCmpOp::Ne, 0)?,
    ];
    Ok(BTreeMap::from([
        (libc::SYS_socket, sockets()?),
        (libc::SYS_socketpair, sockets()?),
        (libc::SYS_clone, namespaces),
        (libc::SYS_ioctl, requests),
        (libc::SYS_fcntl, descriptors),
        (libc::SYS_prlimit64, limits),
        (libc::SYS_setpriority, priority),
    ]))
}

/// The lower half of an argument: all that the kernel looks at in these calls.
fn rule(index: u8, compare: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(
        index,
        SeccompCmpArgLen::Dword,
        compare,
        value,
    )?])
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
        assert!(programs.iter().all(|program| program.len() < 2000));
        let mut all: Vec<_> = [FORBIDDEN, MISSING, PRETENDED].concat();
        all.extend(with_conditions().unwrap().keys());
        let n = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), n);
    }
}
