//! The worker pool against real processes: deadlines, memory, crashes, garbage, caps, reuse.
//!
//! Without the built-in harness, since this program is also the worker: started with `worker MODE` it plays one.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests, though without the harness"
)]

#[cfg(target_os = "linux")]
mod attacks;
mod bombs;
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(target_os = "linux")]
mod isolation;
mod make;
#[cfg(target_os = "linux")]
mod programs;

use std::ffi::OsString;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

use cairn_extract::{
    ExtractError, Input, PageRequest, WorkerCommand, WorkerLimits, WorkerPool, extract_with, worker,
};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [first, mode] = args.as_slice()
        && first == "worker"
    {
        play(mode);
        return;
    }
    #[cfg(target_os = "linux")]
    if programs::play() {
        return;
    }
    let mut tests: Vec<(&str, fn())> = vec![
        (
            "documents_are_read_and_workers_reused",
            documents_are_read_and_workers_reused,
        ),
        (
            "a_spinning_parser_is_killed_at_the_deadline",
            a_spinning_parser_is_killed_at_the_deadline,
        ),
        (
            "a_pool_that_stops_gives_up_what_is_at_hand",
            a_pool_that_stops_gives_up_what_is_at_hand,
        ),
        ("memory_is_limited", memory_is_limited),
        ("a_crash_fails_one_document", a_crash_fails_one_document),
        (
            "a_panic_fails_one_document_and_keeps_the_worker",
            a_panic_fails_one_document_and_keeps_the_worker,
        ),
        ("pages_say_where_they_lead", pages_say_where_they_lead),
        ("garbage_is_no_answer", garbage_is_no_answer),
        (
            "pages_are_drawn_by_the_same_workers",
            pages_are_drawn_by_the_same_workers,
        ),
        ("output_is_capped", output_is_capped),
        ("input_is_capped", input_is_capped),
        (
            "workers_are_replaced_after_their_files",
            workers_are_replaced_after_their_files,
        ),
        (
            "many_threads_share_few_workers",
            many_threads_share_few_workers,
        ),
        (
            "programs_that_are_no_workers_are_unavailable",
            programs_that_are_no_workers_are_unavailable,
        ),
    ];
    tests.extend(bombs::TESTS);
    #[cfg(target_os = "linux")]
    tests.extend(isolation::TESTS.into_iter().chain(programs::TESTS));
    #[cfg(target_os = "linux")]
    tests.push((
        "damaged_documents_end_no_worker",
        hostile::damaged_documents_end_no_worker,
    ));
    let trials = tests.into_iter().map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    let mut arguments = Arguments::from_args();
    // One after the other: deadlines and memory limits are measured.
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

/// The life of a worker. The document's name says what the parser does.
fn play(mode: &str) {
    let (input, output) = (std::io::stdin().lock(), std::io::stdout());
    match mode {
        "normal" | "no landlock" | "no seccomp" | "neither" | "threads" => {
            #[cfg(target_os = "linux")]
            attacks::prepare(mode);
            let served = worker::serve_with(input, output, |document, options, tools| {
                #[cfg(target_os = "linux")]
                if let Some(name) = document.name.strip_prefix("attack: ") {
                    let mut extracted = extract_with(&Input::file("a.txt", b"x"), options, tools)?;
                    extracted.title = Some(match attacks::attack(name, document.bytes) {
                        Some(Ok(got)) => got,
                        Some(Err(errno)) => format!("refused {errno}"),
                        None => panic!("no attack is called `{name}`"),
                    });
                    return Ok(extracted);
                }
                match document.name {
                    "spin" => spin(),
                    "abort" => std::process::abort(),
                    "panic" => panic!("a parser's bug"),
                    "grow" => grow(),
                    "stderr" => {
                        // More than a pipe holds: the parent must read it.
                        let _ = std::io::stderr().write_all(&vec![b'e'; 1 << 20]);
                    }
                    "pid" => {
                        let mut extracted =
                            extract_with(&Input::file("a.txt", b"x"), options, tools)?;
                        extracted.title = Some(std::process::id().to_string());
                        return Ok(extracted);
                    }
                    "environment" => {
                        let mut extracted =
                            extract_with(&Input::file("a.txt", b"x"), options, tools)?;
                        extracted.title = Some(std::env::vars_os().count().to_string());
                        return Ok(extracted);
                    }
                    _ => {}
                }
                extract_with(document, options, tools)
            });
            served.expect("the parent speaks our protocol");
        }
        #[cfg(target_os = "linux")]
        "strict" => {
            hostile::end_at_own_panics();
            worker::serve(input, output).expect("the parent speaks our protocol");
        }
        "garbage" => {
            let mut output = output;
            let _ = output.write_all(&[0xff; 64]);
            let _ = output.flush();
            spin();
        }
        // Greets as a worker does, then answers with nonsense.
        "liar" => {
            let mut output = output;
            let ready = br#"{"version":6,"isolation":{"landlock_abi":null,"seccomp":false,"missing":null}}"#;
            let _ = output.write_all(&u32::try_from(ready.len()).unwrap().to_le_bytes());
            let _ = output.write_all(ready);
            let _ = output.write_all(&[3, 0, 0, 0, b'{', b'{', b'{']);
            let _ = output.flush();
            let _ = std::io::copy(&mut { input }, &mut std::io::sink());
        }
        "silent" => spin(),
        _ => {}
    }
}

fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

fn grow() {
    let mut all = Vec::new();
    loop {
        all.push(vec![1u8; 8 << 20]);
    }
}

fn limits() -> WorkerLimits {
    WorkerLimits {
        n_workers: 1,
        deadline: Duration::from_secs(60),
        start_deadline: Duration::from_secs(60),
        tool_budget: Duration::from_secs(1),
        memory_bytes: 1 << 30,
        max_input_bytes: 1 << 20,
        max_output_bytes: 1 << 20,
        files_per_worker: 1000,
        isolation: cairn_extract::IsolationPolicy::BestEffort,
    }
}

fn pool(mode: &str, limits: WorkerLimits) -> WorkerPool {
    WorkerPool::plain(command(mode), limits)
}

fn command(mode: &str) -> WorkerCommand {
    let program = std::env::current_exe().expect("a program has a path");
    let args = vec![OsString::from("worker"), OsString::from(mode)];
    WorkerCommand { program, args }
}

fn pid(pool: &WorkerPool) -> String {
    pool.extract(&Input::file("pid", b"x"))
        .unwrap()
        .title
        .unwrap()
}

fn text(pool: &WorkerPool) -> String {
    pool.extract(&Input::file("a.md", b"# Hello\n\nworld"))
        .unwrap()
        .render()
        .text
}

fn documents_are_read_and_workers_reused() {
    let pool = pool("normal", limits());
    let first = pid(&pool);
    assert_eq!(text(&pool), "Hello\n\nworld");
    assert_eq!(pid(&pool), first);
    assert_eq!(
        pool.extract(&Input::file("environment", b"x"))
            .unwrap()
            .title
            .as_deref(),
        Some("0")
    );
    let error = pool.extract(&Input::file("a.pdf", b"")).unwrap_err();
    assert!(matches!(error, ExtractError::Empty { .. }), "{error}");
    assert_eq!(
        pool.extract(&Input::file("stderr", b"still fine"))
            .unwrap()
            .render()
            .text,
        "still fine"
    );
    assert_eq!(pid(&pool), first);
}

fn pages_are_drawn_by_the_same_workers() {
    let pool = pool("normal", limits());
    let first = pid(&pool);
    let page = PageRequest {
        page: 1,
        width_px: 100,
        passwords: vec!["secret".to_owned()].into(),
    };
    // Without the library, which these options do not name.
    let error = pool.render_page(b"%PDF-1.7", &page).unwrap_err();
    assert!(matches!(error, ExtractError::Unsupported { .. }), "{error}");
    assert_eq!(text(&pool), "Hello\n\nworld");
    assert_eq!(pid(&pool), first);
    let error = pool.render_page(&vec![0; 2 << 20], &page).unwrap_err();
    assert!(matches!(error, ExtractError::TooLarge { .. }), "{error}");
}

fn a_spinning_parser_is_killed_at_the_deadline() {
    let deadline = Duration::from_secs(3);
    let pool = pool(
        "normal",
        WorkerLimits {
            deadline,
            ..limits()
        },
    );
    let first = pid(&pool);
    assert_eq!(
        pool.extract(&Input::file("spin", b"x")).unwrap_err(),
        ExtractError::TimedOut { limit_ms: 3000 }
    );
    assert_ne!(pid(&pool), first);
    // Killed and reaped: no process of that id is left, not even a dead one.
    if cfg!(target_os = "linux") {
        assert!(!std::path::Path::new("/proc").join(first).exists());
    }
}

fn a_pool_that_stops_gives_up_what_is_at_hand() {
    let pool = pool("normal", limits());
    std::thread::scope(|scope| {
        let spinning = scope.spawn(|| pool.extract(&Input::file("spin", b"x")).unwrap_err());
        // Whether the parser spins already or has not begun, its document is not blamed.
        pool.stop();
        let error = spinning.join().unwrap();
        assert!(
            matches!(error, ExtractError::WorkerUnavailable { .. }),
            "{error}"
        );
    });
    let error = pool.extract(&Input::file("a.txt", b"x")).unwrap_err();
    assert!(
        matches!(error, ExtractError::WorkerUnavailable { .. }),
        "{error}"
    );
}

fn memory_is_limited() {
    let memory_bytes = 300 << 20;
    let pool = pool(
        "normal",
        WorkerLimits {
            memory_bytes,
            ..limits()
        },
    );
    let error = pool.extract(&Input::file("grow", b"x")).unwrap_err();
    assert_eq!(
        error,
        ExtractError::OutOfMemory {
            limit_bytes: memory_bytes
        }
    );
    assert_eq!(text(&pool), "Hello\n\nworld");
}

fn a_crash_fails_one_document() {
    let pool = pool("normal", limits());
    let first = pid(&pool);
    let error = pool.extract(&Input::file("abort", b"x")).unwrap_err();
    assert_eq!(
        error,
        ExtractError::Crashed {
            reason: "ended by signal 6".into()
        }
    );
    assert_ne!(pid(&pool), first);
    assert_eq!(text(&pool), "Hello\n\nworld");
}

fn a_panic_fails_one_document_and_keeps_the_worker() {
    let pool = pool("normal", limits());
    let first = pid(&pool);
    let error = pool.extract(&Input::file("panic", b"x")).unwrap_err();
    assert_eq!(
        error,
        ExtractError::Crashed {
            reason: "a parser's bug".into()
        }
    );
    assert_eq!(pid(&pool), first);
}

fn pages_say_where_they_lead() {
    let honest = pool("normal", limits());
    let meta = honest
        .page_meta("a.html", b"<html><a href=b>b</a>")
        .unwrap();
    assert_eq!(meta.links, ["b"]);
    let none = honest.page_meta("a.txt", b"plain").unwrap();
    assert!(none.links.is_empty());
    assert!(honest.extract(&Input::file("a.txt", b"x")).is_ok());
    let liar = pool("liar", limits());
    let error = liar.page_meta("a.html", b"<html>").unwrap_err();
    assert!(matches!(error, ExtractError::Crashed { .. }), "{error}");
}

fn garbage_is_no_answer() {
    let error = pool("garbage", limits())
        .extract(&Input::file("a.txt", b"x"))
        .unwrap_err();
    assert!(
        matches!(error, ExtractError::WorkerUnavailable { .. }),
        "{error}"
    );
    let error = pool("liar", limits())
        .extract(&Input::file("a.txt", b"x"))
        .unwrap_err();
    assert!(matches!(error, ExtractError::Crashed { .. }), "{error}");
}

fn output_is_capped() {
    let pool = pool(
        "normal",
        WorkerLimits {
            max_output_bytes: 1000,
            ..limits()
        },
    );
    let first = pid(&pool);
    let error = pool
        .extract(&Input::file("a.txt", &[b'x'; 2000]))
        .unwrap_err();
    assert!(
        matches!(error, ExtractError::TooLarge { limit: 1000, .. }),
        "{error}"
    );
    assert_eq!(pid(&pool), first);
}

fn input_is_capped() {
    let pool = pool(
        "normal",
        WorkerLimits {
            max_input_bytes: 10,
            ..limits()
        },
    );
    let error = pool
        .extract(&Input::file("a.txt", b"eleven byte"))
        .unwrap_err();
    assert!(
        matches!(error, ExtractError::TooLarge { limit: 10, .. }),
        "{error}"
    );
}

fn workers_are_replaced_after_their_files() {
    let pool = pool(
        "normal",
        WorkerLimits {
            files_per_worker: 2,
            ..limits()
        },
    );
    let pids = [pid(&pool), pid(&pool), pid(&pool)];
    assert_eq!(pids[0], pids[1]);
    assert_ne!(pids[1], pids[2]);
}

fn many_threads_share_few_workers() {
    let pool = Arc::new(pool(
        "normal",
        WorkerLimits {
            n_workers: 2,
            ..limits()
        },
    ));
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let pool = Arc::clone(&pool);
            std::thread::spawn(move || {
                if n == 3 {
                    assert!(pool.extract(&Input::file("abort", b"x")).is_err());
                }
                assert_eq!(text(&pool), "Hello\n\nworld");
                pid(&pool)
            })
        })
        .collect();
    let pids: std::collections::BTreeSet<String> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    assert!(pids.len() <= 3, "{pids:?}");
}

fn programs_that_are_no_workers_are_unavailable() {
    let missing = WorkerCommand {
        program: "/nonexistent/worker".into(),
        args: Vec::new(),
    };
    let short = WorkerLimits {
        start_deadline: Duration::from_millis(300),
        ..limits()
    };
    for pool in [
        WorkerPool::plain(missing, limits()),
        pool("silent", short),
        pool("other", limits()),
    ] {
        let error = pool.extract(&Input::file("a.txt", b"x")).unwrap_err();
        assert!(
            matches!(error, ExtractError::WorkerUnavailable { .. }),
            "{error}"
        );
    }
}
