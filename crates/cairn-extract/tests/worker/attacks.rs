//! What a parser would try that somebody has taken over. Runs in the worker; the document's name says which attack,
//! its bytes are the argument.
//!
//! System calls are made without the C library's wrappers, so that nothing but the kernel refuses them.
#![expect(unsafe_code, reason = "attacks are made of system calls")]

use std::ffi::{CString, c_long};
use std::io::Write;
use std::sync::OnceLock;

use libc::{c_int, syscall};

/// What an attack came to: `Ok` tells what it got, `Err` with which error it was refused.
pub(crate) type Outcome = Result<String, c_int>;

/// Descriptors of this process when it started, by which the test proves that it had handed some down.
static AT_START: OnceLock<Vec<c_int>> = OnceLock::new();

/// The parent, asked before the lock: afterwards nobody answers.
static PARENT: OnceLock<c_int> = OnceLock::new();

/// Remembers what a locked process cannot ask, and plays an old kernel where `mode` wants one.
pub(crate) fn prepare(mode: &str) {
    AT_START.get_or_init(open_descriptors);
    // SAFETY: has no arguments and cannot fail.
    PARENT.get_or_init(|| unsafe { libc::getppid() });
    match mode {
        "no landlock" => old_kernel(&[libc::SYS_landlock_create_ruleset]),
        "no seccomp" => old_kernel(&[libc::SYS_seccomp]),
        "neither" => old_kernel(&[libc::SYS_landlock_create_ruleset, libc::SYS_seccomp]),
        "threads" => {
            std::thread::spawn(|| hang());
        }
        _ => {}
    }
}

/// These calls are not implemented, as if the kernel were older than they.
fn old_kernel(calls: &[c_long]) {
    let arch = std::env::consts::ARCH
        .try_into()
        .expect("a known processor");
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let filter = seccompiler::SeccompFilter::new(
        rules,
        seccompiler::SeccompAction::Allow,
        seccompiler::SeccompAction::Errno(libc::ENOSYS.unsigned_abs()),
        arch,
    );
    let program: seccompiler::BpfProgram = filter
        .and_then(TryInto::try_into)
        .expect("a filter of one rule");
    // A kernel that is old in truth plays itself.
    let _ = seccompiler::apply_filter(&program);
}

/// Plays the attack of this name; `None` where there is none.
#[expect(clippy::too_many_lines, reason = "one table")]
pub(crate) fn attack(name: &str, argument: &[u8]) -> Option<Outcome> {
    let argument = String::from_utf8_lossy(argument).into_owned();
    let path = CString::new(argument.clone()).expect("arguments are without NUL");
    let at = path.as_ptr();
    let number: c_long = argument.parse().unwrap_or(0);
    let here = libc::AT_FDCWD;
    let null = std::ptr::null::<u8>();
    let mut buffer = [0_u64; 64];
    let out = buffer.as_mut_ptr();
    let limits = [u64::MAX; 2];
    // SAFETY: each call gets valid pointers, or null where the kernel is to refuse it before it looks.
    let outcome = unsafe {
        match name {
            // Files.
            "open" => raw(syscall(libc::SYS_openat, here, at, libc::O_RDONLY)),
            "open the folder" => raw(syscall(libc::SYS_openat, here, at, libc::O_DIRECTORY)),
            "open with a path only" => raw(syscall(libc::SYS_openat, here, at, libc::O_PATH)),
            "open in a freed place" => {
                syscall(libc::SYS_close, 2);
                raw(syscall(libc::SYS_openat, here, at, libc::O_RDONLY))
            }
            "open beside a descriptor" => {
                let (n, name) = argument.split_once(' ').expect("number and name");
                let name = CString::new(name).expect("no NUL");
                let n: c_long = n.parse().expect("a number");
                raw(syscall(libc::SYS_openat, n, name.as_ptr(), libc::O_RDONLY))
            }
            "openat2" => raw(syscall(libc::SYS_openat2, here, at, out, 24)),
            "open by handle" => raw(syscall(libc::SYS_open_by_handle_at, here, out, 0)),
            "create" => raw(syscall(
                libc::SYS_openat,
                here,
                at,
                libc::O_CREAT | libc::O_WRONLY,
                0o600,
            )),
            "truncate" => raw(syscall(libc::SYS_truncate, at, 0)),
            "mkdir" => raw(syscall(libc::SYS_mkdirat, here, at, 0o700)),
            "unlink" => raw(syscall(libc::SYS_unlinkat, here, at, 0)),
            "rename" => raw(syscall(libc::SYS_renameat2, here, at, here, at, 0)),
            "link" => raw(syscall(libc::SYS_symlinkat, at, here, at)),
            "chmod" => raw(syscall(libc::SYS_fchmodat, here, at, 0o777)),
            "mknod" => raw(syscall(
                libc::SYS_mknodat,
                here,
                at,
                libc::S_IFIFO | 0o600,
                0,
            )),
            "stat" => raw(syscall(libc::SYS_statx, here, at, 0, 0xfff, out)),
            "readlink" => raw(syscall(libc::SYS_readlinkat, here, at, out, 512)),
            "chdir" => raw(syscall(libc::SYS_chdir, at)),
            "chroot" => raw(syscall(libc::SYS_chroot, at)),
            "mount" => raw(syscall(libc::SYS_mount, at, at, null, libc::MS_BIND, null)),
            "umount" => raw(syscall(libc::SYS_umount2, at, 0)),
            "open_tree" => raw(syscall(libc::SYS_open_tree, here, at, 1)),
            "pivot_root" => raw(syscall(libc::SYS_pivot_root, at, at)),
            "old times" => raw(syscall(libc::SYS_utimensat, here, at, out, 0)),
            "chown" => {
                let (user, group) = (libc::getuid(), libc::getgid());
                raw(syscall(libc::SYS_fchownat, here, at, user, group, 0))
            }
            "chmod by descriptor" => {
                let file = syscall(libc::SYS_openat, here, at, libc::O_RDONLY);
                raw(syscall(libc::SYS_fchmod, file, 0o777))
            }
            "note beside a file" => {
                let name = c"user.cairn".as_ptr();
                raw(syscall(libc::SYS_setxattr, at, name, at, 1, 0))
            }
            "note beside a file by the new call" => {
                raw(syscall(463, here, at, 0, c"user.cairn".as_ptr(), out, 16))
            }
            "remove a note" => {
                let name = c"user.cairn".as_ptr();
                raw(syscall(libc::SYS_lremovexattr, at, name))
            }
            "watch" => {
                let watch = syscall(libc::SYS_inotify_init1, 0);
                raw(syscall(libc::SYS_inotify_add_watch, watch, at, 0xfff))
            }
            "lease" => raw(syscall(libc::SYS_fcntl, 0, libc::F_SETLEASE, 0)),
            "signal by a descriptor" => raw(syscall(libc::SYS_fcntl, 0, libc::F_SETOWN, parent())),
            "inotify" => raw(syscall(libc::SYS_inotify_init1, 0)),
            // Network.
            "tcp" => connect(libc::AF_INET, libc::SOCK_STREAM, &internet(number)),
            "udp" => connect(libc::AF_INET, libc::SOCK_DGRAM, &internet(number)),
            "tcp in a freed place" => {
                syscall(libc::SYS_close, 2);
                connect(libc::AF_INET, libc::SOCK_STREAM, &internet(number))
            }
            "unix socket" => connect(libc::AF_UNIX, libc::SOCK_STREAM, &local(&argument)),
            "abstract socket" => connect(
                libc::AF_UNIX,
                libc::SOCK_STREAM,
                &local(&format!("\0{argument}")),
            ),
            "abstract socket in a freed place" => {
                syscall(libc::SYS_close, 2);
                connect(
                    libc::AF_UNIX,
                    libc::SOCK_STREAM,
                    &local(&format!("\0{argument}")),
                )
            }
            "netlink" => raw(syscall(
                libc::SYS_socket,
                libc::AF_NETLINK,
                libc::SOCK_RAW,
                0,
            )),
            "packets" => raw(syscall(
                libc::SYS_socket,
                libc::AF_PACKET,
                libc::SOCK_RAW,
                0,
            )),
            "vsock" => raw(syscall(
                libc::SYS_socket,
                libc::AF_VSOCK,
                libc::SOCK_STREAM,
                0,
            )),
            "socketpair" => raw(syscall(libc::SYS_socketpair, libc::AF_UNIX, 1, 0, out)),
            // Other programs and processes.
            "execve" => {
                let arguments = [at, std::ptr::null()];
                raw(syscall(libc::SYS_execve, at, arguments.as_ptr(), null))
            }
            "execveat" => {
                let arguments = [at, std::ptr::null()];
                let list = arguments.as_ptr();
                raw(syscall(libc::SYS_execveat, here, at, list, null, 0))
            }
            "clone a process" => child(syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0)),
            "clone with the memory" => {
                // As `vfork`: the child runs on this stack while the parent waits.
                let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
                child(syscall(libc::SYS_clone, flags, 0, 0, 0, 0))
            }
            "clone into namespaces" => {
                let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWNET | libc::SIGCHLD;
                child(syscall(libc::SYS_clone, flags, 0, 0, 0, 0))
            }
            "clone3" => {
                // The signal at the child's end.
                out.add(4).write(17);
                child(syscall(libc::SYS_clone3, out, 64))
            }
            #[cfg(target_arch = "x86_64")]
            "fork" => child(syscall(libc::SYS_fork)),
            #[cfg(target_arch = "x86_64")]
            "vfork" => child(syscall(libc::SYS_vfork)),
            "ptrace the parent" => raw(syscall(libc::SYS_ptrace, 16, parent(), 0, 0)),
            "seize the parent" => raw(syscall(libc::SYS_ptrace, 0x4206, parent(), 0, 0)),
            "be traced" => raw(syscall(libc::SYS_ptrace, 0, 0, 0, 0)),
            "kill the parent" => raw(syscall(libc::SYS_kill, parent(), libc::SIGUSR2)),
            "signal the parent's thread" => {
                raw(syscall(libc::SYS_tgkill, parent(), parent(), libc::SIGUSR2))
            }
            "kill the group" => raw(syscall(libc::SYS_kill, 0, libc::SIGUSR2)),
            "queue a signal" => {
                let (process, signal) = (parent(), libc::SIGUSR2);
                raw(syscall(libc::SYS_rt_sigqueueinfo, process, signal, out))
            }
            "signal by pidfd" => {
                let parent = syscall(libc::SYS_pidfd_open, parent(), 0);
                raw(syscall(
                    libc::SYS_pidfd_send_signal,
                    parent,
                    libc::SIGUSR2,
                    null,
                    0,
                ))
            }
            "a descriptor of the parent" => {
                let parent = syscall(libc::SYS_pidfd_open, parent(), 0);
                raw(syscall(libc::SYS_pidfd_getfd, parent, 0, 0))
            }
            "lower the parent's limits" => {
                let (which, new) = (libc::RLIMIT_NOFILE, [3_u64; 2]);
                let new = new.as_ptr();
                raw(syscall(libc::SYS_prlimit64, parent(), which, new, null))
            }
            "the parent's processors" => {
                out.write(1);
                raw(syscall(libc::SYS_sched_setaffinity, parent(), 8, out))
            }
            "the parent's scheduler" => raw(syscall(
                libc::SYS_sched_setscheduler,
                parent(),
                libc::SCHED_IDLE,
                out,
            )),
            "the parent's priority" => raw(syscall(libc::SYS_setpriority, 0, parent(), 19)),
            "everybody's priority" => raw(syscall(libc::SYS_setpriority, 2, 0, 19)),
            "the parent's disk priority" => {
                raw(syscall(libc::SYS_ioprio_set, 1, parent(), 3 << 13))
            }
            "pidfd" => raw(syscall(libc::SYS_pidfd_open, parent(), 0)),
            "read the parent's memory" => {
                let piece = [out as u64, 8];
                let (own, theirs, one) = (piece.as_ptr(), piece.as_ptr(), 1_usize);
                raw(syscall(
                    libc::SYS_process_vm_readv,
                    parent(),
                    own,
                    one,
                    theirs,
                    one,
                    0_usize,
                ))
            }
            "write the parent's memory" => {
                let piece = [out as u64, 8];
                let (own, theirs, one) = (piece.as_ptr(), piece.as_ptr(), 1_usize);
                raw(syscall(
                    libc::SYS_process_vm_writev,
                    parent(),
                    own,
                    one,
                    theirs,
                    one,
                    0_usize,
                ))
            }
            "the parent's limits" => raw(syscall(
                libc::SYS_prlimit64,
                parent(),
                libc::RLIMIT_NOFILE,
                null,
                out,
            )),
            "kcmp" => raw(syscall(libc::SYS_kcmp, parent(), parent(), 0, 0, 0)),
            "setpgid" => raw(syscall(libc::SYS_setpgid, 0, parent())),
            "setsid" => raw(syscall(libc::SYS_setsid)),
            // Code.
            "mmap executable" => map(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC),
            "mprotect executable" => {
                let page = libc::mmap(std::ptr::null_mut(), 4096, 3, 0x22, -1, 0);
                raw(syscall(
                    libc::SYS_mprotect,
                    page,
                    4096,
                    libc::PROT_READ | libc::PROT_EXEC,
                ))
            }
            "pkey_mprotect executable" => {
                let page = libc::mmap(std::ptr::null_mut(), 4096, 3, 0x22, -1, 0);
                raw(syscall(libc::SYS_pkey_mprotect, page, 4096, 5, -1))
            }
            "memfd" => raw(syscall(libc::SYS_memfd_create, c"x".as_ptr(), 0)),
            "memfd in a freed place" => {
                syscall(libc::SYS_close, 2);
                raw(syscall(libc::SYS_memfd_create, c"x".as_ptr(), 0))
            }
            "shared memory" => raw(syscall(libc::SYS_shmget, 1, 4096, libc::IPC_CREAT | 0o600)),
            "personality" => raw(syscall(libc::SYS_personality, 0x0040_0000)),
            "32-bit call" => thirty_two_bit(),
            #[cfg(target_arch = "x86_64")]
            "x32 call" => raw(syscall(0x4000_0000 | libc::SYS_getpid)),
            // The kernel's larger doors.
            "io_uring" => raw(syscall(libc::SYS_io_uring_setup, 8, out)),
            "bpf" => raw(syscall(libc::SYS_bpf, 0, out, 64)),
            "perf" => raw(syscall(libc::SYS_perf_event_open, out, 0, -1, -1, 0)),
            "userfaultfd" => raw(syscall(libc::SYS_userfaultfd, 1)),
            "keyctl" => raw(syscall(libc::SYS_keyctl, 0, -3, 0)),
            "add_key" => raw(syscall(libc::SYS_add_key, c"user".as_ptr(), at, at, 1, -3)),
            "unshare" => raw(syscall(libc::SYS_unshare, libc::CLONE_NEWUSER)),
            "setns" => raw(syscall(libc::SYS_setns, 0, 0)),
            "module" => raw(syscall(libc::SYS_init_module, out, 8, at)),
            "kexec" => raw(syscall(libc::SYS_kexec_load, 0, 0, null, 0)),
            "reboot" => raw(syscall(libc::SYS_reboot, 0, 0, 0, null)),
            "host name" => raw(syscall(libc::SYS_sethostname, at, 1)),
            "clock" => raw(syscall(libc::SYS_clock_settime, 0, out)),
            "message queue" => raw(syscall(libc::SYS_msgget, 1, libc::IPC_CREAT | 0o600)),
            "type into the terminal" => raw(syscall(libc::SYS_ioctl, 0, libc::TIOCSTI, at)),
            "duplicate a descriptor" => raw(syscall(libc::SYS_dup, 0)),
            "duplicate by fcntl" => raw(syscall(libc::SYS_fcntl, 0, libc::F_DUPFD, 0)),
            "pipe" => raw(syscall(libc::SYS_pipe2, out, 0)),
            "epoll" => raw(syscall(libc::SYS_epoll_create1, 0)),
            // Undoing the lock.
            "setuid" => raw(syscall(libc::SYS_setuid, 0)),
            "capset" => raw(syscall(libc::SYS_capset, out, out)),
            "be dumpable" => raw(syscall(libc::SYS_prctl, libc::PR_SET_DUMPABLE, 1, 0, 0, 0)),
            "another filter" => raw(syscall(libc::SYS_seccomp, 1, 0, out)),
            "raise memory" => {
                let (which, new) = (libc::RLIMIT_AS, limits.as_ptr());
                raw(syscall(libc::SYS_prlimit64, 0, which, new, null))
            }
            "raise descriptors" => {
                let (which, new) = (libc::RLIMIT_NOFILE, limits.as_ptr());
                raw(syscall(libc::SYS_prlimit64, 0, which, new, null))
            }
            "setrlimit" => raw(syscall(
                libc::SYS_setrlimit,
                libc::RLIMIT_AS,
                limits.as_ptr(),
            )),
            "catch the signal first" => {
                libc::signal(libc::SIGSYS, libc::SIG_IGN);
                raw(syscall(
                    libc::SYS_socket,
                    libc::AF_INET,
                    libc::SOCK_STREAM,
                    0,
                ))
            }
            "from another thread" => std::thread::spawn(|| {
                raw(syscall(
                    libc::SYS_socket,
                    libc::AF_INET,
                    libc::SOCK_STREAM,
                    0,
                ))
            })
            .join()
            .expect("the thread ends"),
            // What is there to see.
            "descriptors" => Ok(format!(
                "at start {:?}, now {:?}",
                AT_START.get(),
                open_descriptors()
            )),
            "capabilities" => {
                let mut header = [0x2008_0522_u32, 0];
                raw(syscall(libc::SYS_capget, header.as_mut_ptr(), out))
            }
            // Using up what there is.
            "allocate 3 GB" => {
                let big = vec![1_u8; 3 << 30];
                Ok(format!("{} bytes", std::hint::black_box(big).len()))
            }
            "stack" => Ok(deep(0).to_string()),
            "fill standard output" => fill(std::io::stdout()),
            "fill standard error" => fill(std::io::stderr()),
            "close input and hang" => {
                libc::close(0);
                hang()
            }
            "close output and hang" => {
                libc::close(1);
                hang()
            }
            "close all and hang" => {
                (0..3).for_each(|n| {
                    libc::close(n);
                });
                hang()
            }
            "threads without end" => loop {
                std::thread::spawn(|| hang());
            },
            // What must go on working.
            "thread" => Ok(std::thread::Builder::new()
                .name("a reader's".into())
                .spawn(|| "a thread ran".to_owned())
                .expect("threads are allowed")
                .join()
                .expect("the thread ends")),
            "backtrace" => Ok(std::backtrace::Backtrace::force_capture().to_string()),
            "processors" => Ok(std::thread::available_parallelism().is_ok().to_string()),
            "terminal" => Ok(std::io::IsTerminal::is_terminal(&std::io::stderr()).to_string()),
            _ => return None,
        }
    };
    Some(outcome)
}

/// The kernel's answer: what it gave, or the error.
fn raw(answer: c_long) -> Outcome {
    if answer == -1 {
        return Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0));
    }
    Ok(format!("got {answer}"))
}

/// As [`raw`], in a parent; a child that should not be there ends at once.
fn child(answer: c_long) -> Outcome {
    if answer == 0 {
        // SAFETY: ends this process, without the parent's clean-up.
        unsafe { libc::_exit(0) };
    }
    raw(answer)
}

fn parent() -> c_int {
    PARENT.get().copied().unwrap_or(0)
}

fn open_descriptors() -> Vec<c_int> {
    (0..1024)
        // SAFETY: asks for flags; a number that is not open is refused.
        .filter(|descriptor| unsafe { libc::fcntl(*descriptor, libc::F_GETFD) } >= 0)
        .collect()
}

fn connect(family: c_int, kind: c_int, address: &[u8]) -> Outcome {
    // SAFETY: the address lives as long as the call, and its length is its own.
    unsafe {
        let socket = syscall(libc::SYS_socket, family, kind, 0);
        if socket == -1 {
            return raw(socket);
        }
        let connected = syscall(libc::SYS_connect, socket, address.as_ptr(), address.len());
        raw(connected)?;
        let sent = syscall(libc::SYS_write, socket, c"x".as_ptr(), 1);
        raw(sent)
    }
}

/// `sockaddr_in` of a port on 127.0.0.1.
fn internet(port: c_long) -> Vec<u8> {
    let mut address = vec![0; 16];
    address[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    address[2..4].copy_from_slice(&u16::try_from(port).expect("a port").to_be_bytes());
    address[4..8].copy_from_slice(&[127, 0, 0, 1]);
    address
}

/// `sockaddr_un`.
fn local(name: &str) -> Vec<u8> {
    let mut address = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    address.extend_from_slice(name.as_bytes());
    if !name.starts_with('\0') {
        address.push(0);
    }
    address
}

/// Maps a page and, where that is allowed, runs code in it.
fn map(protection: c_int) -> Outcome {
    // SAFETY: a fresh mapping of this process.
    let page = unsafe {
        syscall(
            libc::SYS_mmap,
            0,
            4096,
            protection,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    raw(page)
}

/// A call by the gate of 32-bit programs, where numbers mean other calls.
fn thirty_two_bit() -> Outcome {
    #[cfg(target_arch = "x86_64")]
    {
        let answer: i64;
        // SAFETY: number 20 is `getpid` for 32-bit programs; it changes nothing but rax.
        unsafe { std::arch::asm!("int 0x80", inlateout("rax") 20_i64 => answer) };
        Ok(format!("got {answer}"))
    }
    #[cfg(not(target_arch = "x86_64"))]
    Err(libc::ENOSYS)
}

#[expect(unconditional_recursion, reason = "to overflow the stack")]
fn deep(n: u64) -> u64 {
    let block = std::hint::black_box([n; 128]);
    deep(n + 1) + block[64]
}

fn fill(mut output: impl Write) -> Outcome {
    loop {
        if let Err(error) = output.write_all(&[0; 4096]) {
            return Err(error.raw_os_error().unwrap_or(0));
        }
    }
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}
