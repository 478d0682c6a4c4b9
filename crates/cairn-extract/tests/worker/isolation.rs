//! Attacks against locked workers: each is refused or ends its worker, and the next document is read as if nothing
//! had been.
//!
//! The layers are also tried one by one: workers that play a kernel without Landlock, without a filter of system
//! calls, or without both.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use cairn_extract::{
    ExtractError, ExtractOptions, Input, Isolation, IsolationPolicy, NoTools, WorkerLimits,
    WorkerPool, extract,
};

use cairn_types::WarningCode;

use super::{limits, pool, text};

/// All tests of this file by name.
pub(crate) const TESTS: [(&str, fn()); 13] = [
    ("files_are_out_of_reach", files_are_out_of_reach),
    (
        "only_the_three_descriptors_are_open",
        only_the_three_descriptors_are_open,
    ),
    ("nobody_can_be_reached", nobody_can_be_reached),
    (
        "no_other_process_is_started_or_touched",
        no_other_process_is_started_or_touched,
    ),
    (
        "no_new_code_and_no_large_doors",
        no_new_code_and_no_large_doors,
    ),
    ("greed_ends_one_document", greed_ends_one_document),
    (
        "greed_without_end_ends_at_the_deadline",
        greed_without_end_ends_at_the_deadline,
    ),
    (
        "what_readers_need_goes_on_working",
        what_readers_need_goes_on_working,
    ),
    ("each_layer_holds_alone", each_layer_holds_alone),
    (
        "required_isolation_starts_nothing_without_it",
        required_isolation_starts_nothing_without_it,
    ),
    ("several_threads_are_reported", several_threads_are_reported),
    (
        "fonts_that_cannot_be_opened_do_no_harm",
        fonts_that_cannot_be_opened_do_no_harm,
    ),
    (
        "real_documents_are_read_alike",
        real_documents_are_read_alike,
    ),
];

/// What an attack must come to.
#[derive(Debug, Clone, Copy)]
enum Expect {
    /// The call fails with one of these errors and the worker lives.
    Refused(&'static [i32]),
    /// The worker is ended by the filter.
    Killed,
}

use Expect::{Killed, Refused};

const NO_ACCESS: Expect = Refused(&[libc::EACCES]);

/// What came of an attack: its result, or how the worker ended.
fn attempt(pool: &WorkerPool, attack: &str, argument: &str) -> Result<String, ExtractError> {
    pool.extract(&Input::file(
        &format!("attack: {attack}"),
        argument.as_bytes(),
    ))
    .map(|extracted| extracted.title.unwrap_or_default())
}

fn check(pool: &WorkerPool, attack: &str, argument: &str, expect: Expect) {
    let outcome = attempt(pool, attack, argument);
    let holds = match (expect, &outcome) {
        (Refused(errors), Ok(title)) => errors
            .iter()
            .any(|error| *title == format!("refused {error}")),
        (Killed, Err(ExtractError::Crashed { reason })) => {
            reason == "stopped: tried a forbidden system call"
        }
        _ => false,
    };
    assert!(
        holds,
        "{attack} {argument}: {outcome:?}, expected {expect:?}"
    );
    assert_eq!(text(pool), "Hello\n\nworld", "after {attack}");
}

/// A pool of locked workers, or `None` (after a line `SKIP ...`) on a kernel that cannot lock them.
pub(crate) fn locked() -> Option<WorkerPool> {
    locked_with(limits())
}

/// Version of Landlock's interface that this kernel enforces.
pub(crate) fn abi() -> Option<u32> {
    pool("normal", limits()).isolation().unwrap().landlock_abi
}

#[expect(
    clippy::disallowed_methods,
    reason = "the environment is how a test run says what it has"
)]
#[expect(clippy::print_stderr, reason = "the line belongs to the test's output")]
fn locked_with(limits: WorkerLimits) -> Option<WorkerPool> {
    let pool = pool("normal", limits);
    let isolation = pool.isolation().unwrap();
    if isolation.is_complete() {
        return Some(pool);
    }
    assert!(
        std::env::var_os("CAIRN_TEST_REQUIRE").is_none_or(|value| value != "1"),
        "this kernel has {isolation}, and CAIRN_TEST_REQUIRE=1 demands both"
    );
    eprintln!("SKIP isolation: this kernel has {isolation}");
    None
}

fn files_are_out_of_reach() {
    let Some(pool) = locked() else { return };
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("secret");
    fs_err::write(&inside, b"secret").unwrap();
    let inside = inside.to_str().unwrap();
    let new = folder.path().join("new");
    let new = new.to_str().unwrap();
    for (attack, argument, expect) in [
        ("open", "/etc/passwd", NO_ACCESS),
        ("open", "Cargo.toml", NO_ACCESS),
        ("open", "/proc/self/root/etc/passwd", NO_ACCESS),
        ("open", "/proc/self/environ", NO_ACCESS),
        ("open", "/dev/tty", NO_ACCESS),
        ("open", inside, NO_ACCESS),
        ("open the folder", "/", NO_ACCESS),
        ("open with a path only", "/etc/passwd", NO_ACCESS),
        ("open in a freed place", "/etc/passwd", NO_ACCESS),
        ("create", new, NO_ACCESS),
        ("create", "new", NO_ACCESS),
        ("stat", "/etc/passwd", NO_ACCESS),
        ("readlink", "/proc/self/exe", NO_ACCESS),
        ("openat2", "/etc/passwd", Killed),
        ("open by handle", "", Killed),
        ("truncate", inside, Killed),
        ("mkdir", new, Killed),
        ("unlink", inside, Killed),
        ("rename", inside, Killed),
        ("link", new, Killed),
        ("chmod", inside, Killed),
        ("mknod", new, Killed),
        ("chdir", "/", Killed),
        ("chroot", "/", Killed),
        ("mount", "/", Killed),
        ("umount", "/", Killed),
        ("open_tree", "/", Killed),
        ("pivot_root", "/", Killed),
        ("inotify", "", Killed),
    ] {
        check(&pool, attack, argument, expect);
    }
    assert_eq!(fs_err::read(inside).unwrap(), b"secret");
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
}

fn only_the_three_descriptors_are_open() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("secret"), b"secret").unwrap();
    let opened = fs_err::File::open(folder.path()).unwrap();
    let descriptor = opened.as_raw_fd();
    #[expect(unsafe_code, reason = "a descriptor is handed down")]
    // SAFETY: the descriptor is open; the call changes a flag of it.
    unsafe {
        libc::fcntl(descriptor, libc::F_SETFD, 0);
    }
    let Some(pool) = locked() else { return };
    let title = attempt(&pool, "descriptors", "").unwrap();
    let (before, now) = title.split_once(", now ").unwrap();
    assert_eq!(now, "[0, 1, 2]");
    // The worker had been given it, so there was something to close.
    assert!(before.contains(&format!(", {descriptor}")), "{before}");
    let argument = format!("{descriptor} secret");
    check(&pool, "open beside a descriptor", &argument, NO_ACCESS);
    assert_eq!(
        pool.extract(&Input::file("environment", b"x"))
            .unwrap()
            .title
            .as_deref(),
        Some("0")
    );
}

fn nobody_can_be_reached() {
    let Some(pool) = locked() else { return };
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port().to_string();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp_port = udp.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let unix = UnixListener::bind(&path).unwrap();
    let name = abstract_name();
    let listening = listen(&name);
    for (attack, argument) in [
        ("tcp", port.as_str()),
        ("udp", udp_port.as_str()),
        ("unix socket", path.to_str().unwrap()),
        ("abstract socket", &name),
        ("netlink", ""),
        ("packets", ""),
        ("vsock", ""),
        ("socketpair", ""),
    ] {
        check(&pool, attack, argument, Killed);
    }
    for listener in [
        tcp.set_nonblocking(true)
            .and_then(|()| tcp.accept().map(|_| ())),
        unix.set_nonblocking(true)
            .and_then(|()| unix.accept().map(|_| ())),
        listening
            .set_nonblocking(true)
            .and_then(|()| listening.accept().map(|_| ())),
        udp.set_nonblocking(true)
            .and_then(|()| udp.recv(&mut [0; 8]).map(|_| ())),
    ] {
        assert_eq!(
            listener.unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock,
            "somebody came"
        );
    }
}

/// A name for an abstract socket that no other run of the tests has.
fn abstract_name() -> String {
    format!("cairn-test-{}", std::process::id())
}

fn listen(name: &str) -> UnixListener {
    use std::os::linux::net::SocketAddrExt as _;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
    UnixListener::bind_addr(&address).unwrap()
}

fn no_other_process_is_started_or_touched() {
    let Some(pool) = locked() else { return };
    for (attack, argument, expect) in [
        ("execve", "/bin/true", Killed),
        ("execveat", "/bin/true", Killed),
        ("clone a process", "", Killed),
        ("clone with the memory", "", Killed),
        ("clone into namespaces", "", Killed),
        // Its flags cannot be read by a filter: not there at all, so that threads are started by `clone`.
        ("clone3", "", Refused(&[libc::ENOSYS])),
        #[cfg(target_arch = "x86_64")]
        ("fork", "", Killed),
        #[cfg(target_arch = "x86_64")]
        ("vfork", "", Killed),
        ("ptrace the parent", "", Killed),
        ("seize the parent", "", Killed),
        ("be traced", "", Killed),
        ("kill the parent", "", Killed),
        ("signal the parent's thread", "", Killed),
        ("kill the group", "", Killed),
        ("queue a signal", "", Killed),
        ("pidfd", "", Killed),
        ("read the parent's memory", "", Killed),
        ("write the parent's memory", "", Killed),
        ("the parent's limits", "", Killed),
        ("kcmp", "", Killed),
        ("setpgid", "", Killed),
        ("setsid", "", Killed),
    ] {
        check(&pool, attack, argument, expect);
    }
}

fn no_new_code_and_no_large_doors() {
    let Some(pool) = locked() else { return };
    for attack in [
        "mmap executable",
        "mprotect executable",
        "pkey_mprotect executable",
        "memfd",
        "shared memory",
        "personality",
        #[cfg(target_arch = "x86_64")]
        "x32 call",
        "io_uring",
        "bpf",
        "perf",
        "userfaultfd",
        "keyctl",
        "add_key",
        "unshare",
        "setns",
        "module",
        "kexec",
        "reboot",
        "host name",
        "clock",
        "message queue",
        "duplicate a descriptor",
        "duplicate by fcntl",
        "pipe",
        "epoll",
        "setuid",
        "capset",
        "capabilities",
        "be dumpable",
        "another filter",
        "raise memory",
        "raise descriptors",
        "setrlimit",
        "catch the signal first",
        "from another thread",
    ] {
        check(&pool, attack, "x", Killed);
    }
    check(&pool, "type into the terminal", "x", NO_ACCESS);
    // Where the kernel has no 32-bit programs at all, the gate itself is a fault.
    let outcome = attempt(&pool, "32-bit call", "");
    if cfg!(target_arch = "x86_64") {
        assert!(
            matches!(&outcome, Err(ExtractError::Crashed { .. })),
            "{outcome:?}"
        );
    }
    assert_eq!(text(&pool), "Hello\n\nworld");
}

fn greed_ends_one_document() {
    let limits = limits();
    let out_of_memory = ExtractError::OutOfMemory {
        limit_bytes: limits.memory_bytes,
    };
    let crashed = |reason: &str| ExtractError::Crashed {
        reason: reason.into(),
    };
    // Each of these ends by itself or by its own deed, long before the deadline, however busy the machine is.
    let Some(pool) = locked_with(limits) else {
        return;
    };
    for (attack, expect) in [
        ("allocate 3 GB", out_of_memory),
        (
            "fill standard output",
            crashed("the worker's answer could not be read"),
        ),
        (
            "close output and hang",
            crashed("closed its output and did not end"),
        ),
        ("stack", crashed("ended by signal 6")),
    ] {
        assert_eq!(attempt(&pool, attack, ""), Err(expect), "{attack}");
        assert_eq!(text(&pool), "Hello\n\nworld", "after {attack}");
    }
    for attack in ["threads without end", "close all and hang"] {
        let outcome = attempt(&pool, attack, "");
        assert!(outcome.is_err(), "{attack}: {outcome:?}");
        assert_eq!(text(&pool), "Hello\n\nworld", "after {attack}");
    }
}

/// These go on until the deadline, which is short here, and ends nothing but them.
fn greed_without_end_ends_at_the_deadline() {
    let limits = WorkerLimits {
        deadline: Duration::from_secs(1),
        ..limits()
    };
    let Some(pool) = locked_with(limits) else {
        return;
    };
    let late = ExtractError::TimedOut { limit_ms: 1000 };
    for attack in ["fill standard error", "close input and hang"] {
        assert_eq!(attempt(&pool, attack, ""), Err(late.clone()), "{attack}");
        // A machine that is busy enough makes an honest document late, too. What was spoilt for good stays so.
        let read = (0..60).find_map(|_| match pool.extract(&Input::file("a.txt", b"world")) {
            Err(ExtractError::TimedOut { .. }) => None,
            other => Some(other),
        });
        let read = read.expect("a document is read after the attack");
        assert_eq!(read.unwrap().render().text, "world", "after {attack}");
    }
}

fn what_readers_need_goes_on_working() {
    let Some(pool) = locked() else { return };
    let first = super::pid(&pool);
    assert_eq!(attempt(&pool, "thread", "").unwrap(), "a thread ran");
    assert_eq!(attempt(&pool, "processors", "").unwrap(), "true");
    assert_eq!(attempt(&pool, "terminal", "").unwrap(), "false");
    assert!(!attempt(&pool, "backtrace", "").unwrap().is_empty());
    assert_eq!(super::pid(&pool), first, "no worker was lost");
}

/// Workers whose kernel plays old; see `old_kernel` in `attacks.rs`.
fn each_layer_holds_alone() {
    let Some(full) = locked() else { return };
    let abi = full.isolation().unwrap().landlock_abi;
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("secret");
    fs_err::write(&inside, b"secret").unwrap();
    let inside = inside.to_str().unwrap();

    let no_landlock = pool("no landlock", limits());
    let isolation = no_landlock.isolation().unwrap();
    assert_eq!((isolation.landlock_abi, isolation.seccomp), (None, true));
    for (attack, argument, expect) in [
        ("open", inside, NO_ACCESS),
        ("open in a freed place", inside, NO_ACCESS),
        ("unlink", inside, Killed),
        ("kill the parent", "", Killed),
    ] {
        check(&no_landlock, attack, argument, expect);
    }

    let no_filter = pool("no seccomp", limits());
    let isolation = no_filter.isolation().unwrap();
    assert_eq!((isolation.landlock_abi, isolation.seccomp), (abi, false));
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port().to_string();
    let name = abstract_name();
    let _listening = listen(&name);
    // No place for a descriptor; with a place made free, Landlock.
    let full = Refused(&[libc::EMFILE]);
    let denied = Refused(&[libc::EPERM]);
    let mut attacks = vec![
        ("open", inside, full),
        ("tcp", port.as_str(), full),
        ("memfd", "", full),
        ("epoll", "", full),
        ("pipe", "", full),
        ("open in a freed place", inside, NO_ACCESS),
        ("unlink", inside, NO_ACCESS),
        ("mkdir", "new", NO_ACCESS),
        ("execve", "/bin/true", NO_ACCESS),
        ("ptrace the parent", "", denied),
        ("read the parent's memory", "", denied),
        // No capabilities, root or not.
        ("raise memory", "", denied),
        ("chroot", "/", denied),
        ("mount", "/", denied),
    ];
    if abi >= Some(3) {
        attacks.push(("truncate", inside, NO_ACCESS));
    }
    if abi >= Some(4) {
        attacks.push(("tcp in a freed place", &port, NO_ACCESS));
    }
    if abi >= Some(6) {
        attacks.push(("abstract socket in a freed place", &name, denied));
        attacks.push(("kill the parent", "", denied));
    }
    for (attack, argument, expect) in attacks {
        check(&no_filter, attack, argument, expect);
    }
    assert_eq!(fs_err::read(inside).unwrap(), b"secret");
}

fn required_isolation_starts_nothing_without_it() {
    let required = || WorkerLimits {
        isolation: IsolationPolicy::Required,
        ..limits()
    };
    for mode in ["no landlock", "no seccomp", "neither"] {
        assert_eq!(text(&pool(mode, limits())), "Hello\n\nworld");
        let pool = pool(mode, required());
        let error = pool.extract(&Input::file("a.txt", b"x")).unwrap_err();
        assert!(
            matches!(&error, ExtractError::WorkerUnavailable { reason }
                if reason.starts_with("isolation is required, and this system has ")),
            "{error}"
        );
        assert_eq!(pool.isolation().unwrap_err(), error);
    }
    let neither = pool("neither", limits()).isolation().unwrap();
    assert_eq!((neither.landlock_abi, neither.seccomp), (None, false));
    assert!(
        neither
            .missing
            .is_some_and(|reason| reason.contains("landlock: ") && reason.contains("seccomp: "))
    );
    if locked().is_some() {
        assert_eq!(text(&pool("normal", required())), "Hello\n\nworld");
    }
}

fn several_threads_are_reported() {
    if locked().is_none() {
        return;
    }
    let isolation = pool("threads", limits()).isolation().unwrap();
    assert_eq!(
        isolation,
        Isolation {
            landlock_abi: None,
            seccomp: true,
            missing: Some("landlock: binds one thread of 2".into()),
        }
    );
}

/// Fonts that a PDF names and does not hold are looked for on the disk, which a locked worker cannot do.
fn fonts_that_cannot_be_opened_do_no_harm() {
    let Some(pdfium) = cairn_testkit::need("pdfium") else {
        return;
    };
    let Some(pool) = locked_reading(pdfium) else {
        return;
    };
    let mut pdf = String::from("%PDF-1.7\n");
    let content = "BT /F1 12 Tf 50 700 Td (Latin) Tj /F2 12 Tf 0 -20 Td <00480069> Tj ET";
    for (n, object) in [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources \
         << /Font << /F1 5 0 R /F2 6 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >> stream\n{content}\nendstream", content.len()),
        "<< /Type /Font /Subtype /TrueType /BaseFont /Liberation#20Nowhere /Encoding /WinAnsiEncoding >>".to_owned(),
        "<< /Type /Font /Subtype /Type0 /BaseFont /Heiti /Encoding /UniGB-UCS2-H /DescendantFonts [7 0 R] >>".to_owned(),
        "<< /Type /Font /Subtype /CIDFontType0 /BaseFont /Heiti /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) \
         /Supplement 4 >> >>"
            .to_owned(),
    ]
    .iter()
    .enumerate()
    {
        pdf.push_str(&format!("{} 0 obj {object} endobj\n", n + 1));
    }
    pdf.push_str("trailer << /Root 1 0 R >>\n");
    let read = pool.extract(&Input::file("a.pdf", pdf.as_bytes())).unwrap();
    let text = read.render().text;
    assert!(text.contains("Latin") && text.contains("Hi"), "{text}");
    // Without the library the second reader reads, locked up as well, and the report tells of the library, not of the lock.
    let missing = locked_reading("/nonexistent/libpdfium.so".into()).unwrap();
    let read = missing
        .extract(&Input::file("a.pdf", pdf.as_bytes()))
        .unwrap();
    assert!(read.render().text.contains("Latin"), "{read:?}");
    let warning = &read.report.warnings[0];
    assert_eq!(warning.code, WarningCode::SecondReader);
    assert!(warning.reason.contains("cannot be loaded"), "{warning:?}");
}

/// A locked pool that reads PDF files, with time and room for real documents.
fn locked_reading(pdfium: std::path::PathBuf) -> Option<WorkerPool> {
    locked()?;
    let options = ExtractOptions {
        pdfium: Some(pdfium),
        ..ExtractOptions::default()
    };
    let limits = WorkerLimits {
        n_workers: 1,
        ..WorkerLimits::default()
    };
    Some(WorkerPool::new(
        super::command("normal"),
        limits,
        options,
        Arc::new(NoTools),
    ))
}

/// Every document of the evaluation data gives the same in a locked worker as in this process, which is free.
#[expect(
    clippy::print_stderr,
    reason = "what was compared is the test's result"
)]
fn real_documents_are_read_alike() {
    let (Some(data), Some(pdfium)) = (cairn_testkit::need("data"), cairn_testkit::need("pdfium"))
    else {
        return;
    };
    let Some(pool) = locked_reading(pdfium.clone()) else {
        return;
    };
    let options = ExtractOptions {
        pdfium: Some(pdfium),
        ..ExtractOptions::default()
    };
    let (mut n_read, mut n_failed) = (0, 0);
    let mut folders = vec![data.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.to_string_lossy();
            let bytes = fs_err::read(&path).unwrap();
            let free = extract(&name, &bytes, &options);
            let locked = pool.extract(&Input::file(&name, &bytes));
            assert_eq!(locked, free, "{name}");
            if free.is_ok() {
                n_read += 1;
            } else {
                n_failed += 1;
            }
        }
    }
    assert!(n_read > 0, "no document was read");
    eprintln!("{n_read} documents read alike, {n_failed} refused alike");
}
