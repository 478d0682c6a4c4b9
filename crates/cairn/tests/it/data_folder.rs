//! The data folder: who has it, what is wrong with it.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use crate::support::{Cairn, Server, write};

#[tokio::test]
async fn a_file_or_a_place_without_room_is_refused() {
    let cairn = Cairn::new();
    fs_err::write(cairn.data(), "not a folder").unwrap();
    let refused = cairn.run(&["status"]).await;
    assert!([2, 7].contains(&refused.code.unwrap()), "{refused:#?}");
    refused.says("data").says("folder");
    assert_eq!(fs_err::read(cairn.data()).unwrap(), b"not a folder");
    // Nobody, root included, makes folders in /proc.
    let cairn = Cairn::new().set("CAIRN_DATA_DIR", "/proc/cairn-test");
    let refused = cairn.run(&["status"]).await;
    assert!([2, 7].contains(&refused.code.unwrap()), "{refused:#?}");
    refused.says("/proc/cairn-test");
}

#[tokio::test]
async fn a_folder_of_a_newer_version_is_left_as_it_is() {
    let cairn = Cairn::new();
    write(&cairn.files(), "a.md", "Tides are high at noon.");
    cairn.run(&["ingest", "."]).await.ok();
    let path = cairn.data().join("catalog.sqlite");
    let mut file = fs_err::OpenOptions::new().write(true).open(&path).unwrap();
    // SQLite's user version: four bytes, big endian, in the header of the file.
    file.seek(SeekFrom::Start(60)).unwrap();
    file.write_all(&99_u32.to_be_bytes()).unwrap();
    drop(file);
    let before = fs_err::read(&path).unwrap();
    for args in [&["search", "tides"][..], &["ingest", "."], &["serve"]] {
        let refused = cairn.run(args).await.code(8);
        refused.says("99").says("newer");
    }
    assert_eq!(fs_err::read(&path).unwrap(), before);
    fs_err::write(
        &path,
        "this is no database, but long enough to be one; ".repeat(10),
    )
    .unwrap();
    cairn
        .run(&["search", "tides"])
        .await
        .code(8)
        .says("catalog.sqlite");
}

#[tokio::test]
async fn one_process_has_the_folder_and_a_server_shares_it() {
    let cairn = Cairn::new();
    write(&cairn.files(), "a.md", "Tides are high at noon.");
    // A conversation keeps the folder until its input ends.
    let mut command = cairn.command(&["chat"]);
    let mut chat = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = chat.stdin.take().unwrap();
    let mut told = BufReader::new(chat.stderr.take().unwrap()).lines();
    assert!(
        told.next_line()
            .await
            .unwrap()
            .unwrap()
            .starts_with("Ask a question")
    );
    let refused = cairn.run(&["ingest", "."]).await.code(5);
    refused
        .says(&format!("process {}", chat.id().unwrap()))
        .says("cairn serve");
    input.write_all(b"\n").await.unwrap();
    assert!(chat.wait().await.unwrap().success());
    cairn.run(&["ingest", "."]).await.ok();

    let server = Server::start(&cairn).await;
    cairn.run(&["search", "tides"]).await.ok();
    write(&cairn.files(), "b.md", "Storms come in winter.");
    let lines = cairn.run(&["ingest", ".", "--json"]).await.ok().lines();
    assert_eq!(lines.last().unwrap()["added"], 1);
    let status = cairn.json(&["status"]).await;
    assert_eq!(
        (
            status["server_running"].as_bool(),
            status["documents"].as_u64()
        ),
        (Some(true), Some(2))
    );
    let told = cairn.run(&["ask", "When do storms come?"]).await.ok();
    assert!(told.stdout.contains("winter"), "{told:#?}");
    let second = cairn
        .run(&["serve", "--listen", "127.0.0.1:0"])
        .await
        .code(5);
    second.says(&format!("process {}", server.child.id().unwrap()));
    server.stop().await;
    assert!(!cairn.data().join("cairn.sock").exists());
    assert_eq!(cairn.json(&["status"]).await["server_running"], false);
}

#[tokio::test]
async fn a_socket_that_nobody_serves_is_replaced() {
    let cairn = Cairn::new();
    fs_err::create_dir_all(cairn.data()).unwrap();
    drop(UnixListener::bind(cairn.data().join("cairn.sock")).unwrap());
    cairn.run(&["status"]).await.ok();
    let server = Server::start(&cairn).await;
    assert_eq!(cairn.json(&["status"]).await["server_running"], true);
    server.kill().await;
    assert!(
        cairn.data().join("cairn.sock").exists(),
        "a killed server leaves its socket"
    );
    assert_eq!(cairn.json(&["status"]).await["server_running"], false);
    let server = Server::start(&cairn).await;
    assert_eq!(cairn.json(&["status"]).await["server_running"], true);
    server.stop().await;
}
