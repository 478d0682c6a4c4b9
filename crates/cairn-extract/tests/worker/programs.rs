//! Programs that are not ours, within walls: what they may do works, attacks are refused.
//!
//! This program is also the launcher (`launch LIMITS FOLDER PROGRAM ARGUMENT...`) and, launched, an attacker
//! (`attack NAME ARGUMENT`).

use std::ffi::OsString;
use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use cairn_extract::worker::{Launcher, ProgramLimits, launch, launch_args};
use cairn_extract::{
    LegacyFormat, LocalTools, ToolRequest, ToolSettings, Tools as _, WorkerCommand,
};

use super::attacks;

/// All tests of this file by name.
pub(crate) const TESTS: [(&str, fn()); 9] = [
    ("tools_run_within_walls", tools_run_within_walls),
    (
        "programs_work_in_their_folder",
        programs_work_in_their_folder,
    ),
    (
        "programs_reach_nothing_outside",
        programs_reach_nothing_outside,
    ),
    (
        "programs_change_nothing_about_files_outside",
        programs_change_nothing_about_files_outside,
    ),
    ("programs_have_limits", programs_have_limits),
    (
        "programs_cannot_use_the_kernel_against_us",
        programs_cannot_use_the_kernel_against_us,
    ),
    (
        "what_cannot_be_launched_says_why",
        what_cannot_be_launched_says_why,
    ),
    ("real_programs_work", real_programs_work),
    ("libreoffice_works", libreoffice_works),
];

/// Plays the launcher or the attacker where the arguments say so.
pub(crate) fn play() -> bool {
    let mut args = std::env::args_os().skip(1);
    match args.next().as_deref().and_then(|arg| arg.to_str()) {
        Some("launch") => {
            let Err(error) = launch(args);
            let _ = writeln!(std::io::stderr(), "{error}");
            true
        }
        Some("attack") => {
            let mut args = args.map(|arg| arg.to_string_lossy().into_owned());
            let (name, argument) = (args.next().unwrap(), args.next().unwrap());
            attacks::prepare("");
            let outcome = match attacks::attack(&name, argument.as_bytes()) {
                Some(Ok(got)) => got,
                Some(Err(errno)) => format!("refused {errno}"),
                None => panic!("no attack is called `{name}`"),
            };
            let _ = write!(std::io::stdout(), "{outcome}");
            true
        }
        _ => false,
    }
}

fn launcher() -> WorkerCommand {
    WorkerCommand {
        program: std::env::current_exe().unwrap(),
        args: vec![OsString::from("launch")],
    }
}

struct Walled {
    folder: tempfile::TempDir,
    limits: ProgramLimits,
}

impl Walled {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            limits: ProgramLimits {
                memory_bytes: 1 << 30,
                cpu_seconds: 60,
                file_bytes: 1 << 20,
                ..ProgramLimits::default()
            },
        }
    }

    /// Runs a program to its end, as the parent of workers does.
    fn run(&self, program: &Path, args: &[&str]) -> Output {
        let launcher = launcher();
        let folder = self.folder.path();
        #[expect(clippy::disallowed_methods, reason = "the program under test")]
        let mut command = Command::new(&launcher.program);
        command
            .args(launch_args(&launcher, &self.limits, folder, program).unwrap())
            .args(args)
            .current_dir(folder)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", folder)
            .env("TMPDIR", folder)
            .stdin(Stdio::null());
        command.output().unwrap()
    }

    fn shell(&self, script: &str) -> Output {
        self.run(Path::new("/bin/sh"), &["-c", script])
    }

    /// What an attack by a program of our own came to.
    fn attack(&self, name: &str, argument: &str) -> String {
        let own = std::env::current_exe().unwrap();
        let output = self.run(&own, &["attack", name, argument]);
        match output.status.code() {
            Some(0) => text(&output.stdout),
            _ => format!("{}: {}", output.status, text(&output.stderr)),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether this kernel can wall programs in; says so where not.
fn can_wall() -> bool {
    super::isolation::locked().is_some()
}

fn programs_work_in_their_folder() {
    let walled = Walled::new();
    let output = walled.shell(
        "echo one > a && mkdir b && mv a b/c && cat b/c | tr o x && ls b && rm -r b && : > /dev/null \
         && pwd && id -u > /dev/null && sh -c 'exit 3'; echo $?",
    );
    let folder = fs_err::canonicalize(walled.folder.path()).unwrap();
    assert_eq!(
        text(&output.stdout),
        format!("xne\nc\n{}\n3\n", folder.display()),
        "{}",
        text(&output.stderr)
    );
    // The environment and the arguments are the starter's.
    let output = walled.run(Path::new("/usr/bin/env"), &[]);
    assert!(text(&output.stdout).contains("TMPDIR="), "{output:?}");
    assert!(!text(&output.stdout).contains("CARGO"), "{output:?}");
}

fn programs_reach_nothing_outside() {
    if !can_wall() {
        return;
    }
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    fs_err::write(&secret, b"secret").unwrap();
    let (secret, new) = (secret.to_str().unwrap(), outside.path().join("new"));
    let mut walled = Walled::new();
    let scripts = [
        format!("cat {secret}"),
        "cat /etc/passwd".to_owned(),
        "cat /etc/shadow".to_owned(),
        "cat /proc/self/root/etc/passwd".to_owned(),
        "cat /proc/$PPID/environ".to_owned(),
        format!("ln -s {secret} link && cat link"),
        format!("ln {secret} link && cat link"),
        format!("ls {}", outside.path().display()),
        format!("echo x > {}", new.display()),
        format!("echo x > {secret}"),
        format!("rm {secret}"),
        format!("mv {secret} ."),
        format!("mkdir {}", new.display()),
        "echo x > ../cairn-test-outside".to_owned(),
        "echo x > /usr/cairn-test-outside".to_owned(),
        "cp /bin/true t && chmod +x t && ./t".to_owned(),
        "mknod null c 1 3".to_owned(),
        format!("kill -9 {}", std::process::id()),
        "chown 12345 .".to_owned(),
    ];
    for script in &scripts {
        let output = walled.shell(script);
        assert!(!output.status.success(), "{script}: {output:?}");
        assert!(!text(&output.stdout).contains("secret"), "{script}");
    }
    assert_eq!(fs_err::read(secret).unwrap(), b"secret");
    assert_eq!(fs_err::read_dir(outside.path()).unwrap().count(), 1);
    // What the starter names can be read and still not be written.
    walled.limits.readable = vec![PathBuf::from(secret)];
    let output = walled.shell(&scripts[0]);
    assert_eq!(text(&output.stdout), "secret", "{output:?}");
    assert!(!walled.shell(&format!("echo x > {secret}")).status.success());
    assert_eq!(fs_err::read(secret).unwrap(), b"secret");
}

/// Mode, times, owner and notes of a file: Landlock says nothing of them.
fn programs_change_nothing_about_files_outside() {
    if !can_wall() {
        return;
    }
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("file");
    fs_err::write(&file, b"x").unwrap();
    let told = || {
        let metadata = fs_err::metadata(&file).unwrap();
        let modified = metadata.modified().unwrap();
        (metadata.mode(), modified, metadata.ctime_nsec())
    };
    let before = told();
    let mut walled = Walled::new();
    let path = file.to_str().unwrap();
    // A descriptor can be had of what may be read.
    walled.limits.readable = vec![file.clone()];
    let done = "got 0".to_owned();
    let denied = format!("refused {}", libc::EPERM);
    let missing = format!("refused {}", libc::ENOSYS);
    for (attack, expect) in [
        ("chmod", &done),
        ("chmod by descriptor", &done),
        ("old times", &done),
        ("chown", &denied),
        ("note beside a file", &denied),
        ("note beside a file by the new call", &missing),
        ("remove a note", &denied),
        ("watch", &denied),
    ] {
        assert_eq!(walled.attack(attack, path), *expect, "{attack}");
        assert_eq!(told(), before, "{attack}");
    }
}

fn programs_have_limits() {
    let mut walled = Walled::new();
    walled.limits.cpu_seconds = 1;
    let output = walled.shell("head -c 10000000 /dev/zero > big");
    assert!(!output.status.success(), "{output:?}");
    let size = fs_err::metadata(walled.folder.path().join("big")).unwrap();
    assert_eq!(size.len(), 1 << 20);
    let output = walled.shell("while :; do :; done");
    assert!(output.status.code().is_none(), "{output:?}");
    let outcome = walled.attack("allocate 3 GB", "");
    assert!(outcome.contains("memory allocation of"), "{outcome}");
    assert_eq!(
        text(&walled.shell("ulimit -c; ulimit -H -v").stdout),
        "0\n1048576\n"
    );
}

fn programs_cannot_use_the_kernel_against_us() {
    if !can_wall() {
        return;
    }
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port().to_string();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp_port = udp.local_addr().unwrap().port().to_string();
    let walled = Walled::new();
    // A socket that it could reach by its path.
    let path = walled.folder.path().join("s");
    let unix = UnixListener::bind(&path).unwrap();
    let path = path.to_str().unwrap();
    let denied = format!("refused {}", libc::EPERM);
    let missing = format!("refused {}", libc::ENOSYS);
    for (attack, argument, expect) in [
        ("tcp", port.as_str(), &denied),
        ("udp", &udp_port, &denied),
        ("unix socket", path, &denied),
        ("netlink", "", &denied),
        ("packets", "", &denied),
        ("vsock", "", &denied),
        ("clone into namespaces", "", &denied),
        ("clone3", "", &missing),
        ("memfd", "", &missing),
        ("ptrace the parent", "", &denied),
        ("seize the parent", "", &denied),
        ("be traced", "", &denied),
        ("read the parent's memory", "", &denied),
        ("write the parent's memory", "", &denied),
        ("kill the parent", "", &denied),
        ("queue a signal", "", &denied),
        ("signal by pidfd", "", &denied),
        ("signal by a descriptor", "", &denied),
        ("a descriptor of the parent", "", &denied),
        ("the parent's limits", "", &denied),
        ("lower the parent's limits", "", &denied),
        ("the parent's processors", "", &denied),
        ("the parent's scheduler", "", &denied),
        ("the parent's priority", "", &denied),
        ("everybody's priority", "", &denied),
        ("the parent's disk priority", "", &denied),
        ("watch", "/", &denied),
        ("lease", "", &denied),
        ("signal the parent's thread", "", &denied),
        ("kcmp", "", &denied),
        ("setsid", "", &denied),
        ("setpgid", "", &denied),
        ("unshare", "", &denied),
        ("setns", "", &denied),
        ("mount", "/", &denied),
        ("umount", "/", &denied),
        ("open_tree", "/", &denied),
        ("pivot_root", "/", &denied),
        ("chroot", "/", &denied),
        ("io_uring", "", &denied),
        ("bpf", "", &denied),
        ("perf", "", &denied),
        ("userfaultfd", "", &denied),
        ("keyctl", "", &denied),
        ("add_key", "x", &denied),
        ("open by handle", "", &denied),
        ("module", "", &denied),
        ("kexec", "", &denied),
        ("reboot", "", &denied),
        ("host name", "x", &denied),
        ("clock", "", &denied),
        ("shared memory", "", &denied),
        ("message queue", "", &denied),
        ("type into the terminal", "x", &denied),
        ("raise memory", "", &denied),
        ("raise descriptors", "", &denied),
        ("setuid", "", &"got 0".to_owned()),
    ] {
        if attack == "setuid" && !is_root() {
            continue;
        }
        // The one signal that Landlock has to refuse.
        if attack == "signal the parent's thread" && super::isolation::abi() < Some(6) {
            continue;
        }
        assert_eq!(walled.attack(attack, argument), *expect, "{attack}");
    }
    #[cfg(target_arch = "x86_64")]
    for attack in ["x32 call", "32-bit call"] {
        let outcome = walled.attack(attack, "");
        assert!(outcome.starts_with("signal: "), "{attack}: {outcome}");
    }
    assert_eq!(walled.attack("thread", ""), "a thread ran");
    for came in [
        tcp.set_nonblocking(true)
            .and_then(|()| tcp.accept().map(|_| ())),
        unix.set_nonblocking(true)
            .and_then(|()| unix.accept().map(|_| ())),
        udp.set_nonblocking(true)
            .and_then(|()| udp.recv(&mut [0; 8]).map(|_| ())),
    ] {
        assert_eq!(
            came.unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock,
            "somebody came"
        );
    }
}

#[expect(unsafe_code, reason = "a system call without a wrapper")]
fn is_root() -> bool {
    // SAFETY: has no arguments and cannot fail.
    unsafe { libc::getuid() == 0 }
}

fn what_cannot_be_launched_says_why() {
    let walled = Walled::new();
    let output = walled.run(Path::new("/nonexistent/program"), &[]);
    assert!(
        text(&output.stderr).starts_with("`/nonexistent/program` cannot be executed: "),
        "{output:?}"
    );
    for args in [&[][..], &["{}"], &["no limits", "/tmp", "/bin/true"]] {
        let error = launch(args.iter().map(OsString::from)).unwrap_err();
        assert!(!error.to_string().is_empty());
    }
}

/// The first of these that is installed.
fn installed(names: &[&str]) -> Option<PathBuf> {
    let found = names
        .iter()
        .flat_map(|name| [format!("/usr/bin/{name}"), format!("/usr/local/bin/{name}")])
        .map(PathBuf::from)
        .find(|path| path.is_file());
    if found.is_none() {
        #[expect(clippy::print_stderr, reason = "the line belongs to the test's output")]
        {
            eprintln!("SKIP {}: not installed", names[0]);
        }
    }
    found
}

fn real_programs_work() {
    let walled = Walled::new();
    if let Some(tesseract) = installed(&["tesseract"]) {
        // A white picture of 200 × 100 points: it has no words, and the table its headline.
        let mut picture = b"P5 200 100 255\n".to_vec();
        picture.resize(picture.len() + 200 * 100, 0xff);
        fs_err::write(walled.folder.path().join("input.pgm"), picture).unwrap();
        let output = walled.run(&tesseract, &["input.pgm", "stdout", "tsv"]);
        assert!(output.status.success(), "{output:?}");
        assert!(text(&output.stdout).starts_with("level\tpage_num"));
    }
    if let Some(ffmpeg) = installed(&["ffmpeg"]) {
        let made = "-f lavfi -i sine=duration=2 -ac 1 -ar 16000 out.flac";
        let output = walled.run(&ffmpeg, &made.split(' ').collect::<Vec<_>>());
        assert!(output.status.success(), "{output:?}");
        let made = fs_err::read(walled.folder.path().join("out.flac")).unwrap();
        assert!(made.starts_with(b"fLaC"));
        let fetch = ["-i", "http://127.0.0.1:9/a.mp3", "b.flac"];
        let output = walled.run(&ffmpeg, &fetch);
        assert!(!output.status.success());
    }
}

fn libreoffice_works() {
    let Some(soffice) = installed(&["soffice", "libreoffice"]) else {
        return;
    };
    let mut walled = Walled::new();
    walled.limits = ProgramLimits::default();
    let folder = walled.folder.path().to_owned();
    fs_err::write(folder.join("input.txt"), "walls and windows").unwrap();
    let profile = format!("-env:UserInstallation=file://{}/profile", folder.display());
    let output = walled.run(
        &soffice,
        &[
            &profile,
            "--headless",
            "--norestore",
            "--nolockcheck",
            "--convert-to",
            "docx",
            "--outdir",
            ".",
            "input.txt",
        ],
    );
    let made = fs_err::read(folder.join("input.docx"));
    assert!(
        made.is_ok_and(|bytes| bytes.starts_with(b"PK")),
        "{output:?}"
    );
}

/// What workers call for, by the launcher: the programs as they are used in earnest.
fn tools_run_within_walls() {
    let settings = ToolSettings {
        launcher: Some(Launcher {
            command: launcher(),
            isolation: super::limits().isolation,
        }),
        ..ToolSettings::default()
    };
    let tools = LocalTools::new(settings.clone());
    if installed(&["tesseract"]).is_some() {
        let mut picture = b"P5 200 100 255\n".to_vec();
        picture.resize(picture.len() + 200 * 100, 0xff);
        let recognize = ToolRequest::Recognize { dpi: Some(150) };
        let table = tools.call(&recognize, &picture).unwrap();
        assert!(table.starts_with(b"level\t"), "{}", text(&table));
        // It is the launcher that starts it.
        let nowhere = LocalTools::new(ToolSettings {
            launcher: Some(Launcher {
                command: WorkerCommand {
                    program: "/nonexistent/launcher".into(),
                    args: Vec::new(),
                },
                isolation: super::limits().isolation,
            }),
            ..settings
        });
        assert!(nowhere.call(&recognize, &picture).is_err());
    }
    let data = cairn_testkit::need("data");
    if let (Some(data), Some(_)) = (data, installed(&["soffice", "libreoffice"])) {
        let mut n_converted = 0;
        for entry in fs_err::read_dir(data.join("docs/made")).unwrap() {
            let path = entry.unwrap().path();
            let from = match path.extension().and_then(|name| name.to_str()) {
                Some("doc") => LegacyFormat::Doc,
                Some("ppt") => LegacyFormat::Ppt,
                _ => continue,
            };
            let bytes = fs_err::read(&path).unwrap();
            let converted = tools.call(&ToolRequest::Convert { from }, &bytes).unwrap();
            assert!(converted.starts_with(b"PK"), "{}", path.display());
            n_converted += 1;
        }
        assert!(n_converted > 0, "no old document was found");
    }
}
