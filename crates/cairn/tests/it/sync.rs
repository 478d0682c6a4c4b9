//! `cairn ingest --sync`: deletes what is gone, and only where that is surely meant.

use serde_json::json;

use crate::support::{Cairn, write};

async fn with_ten_files() -> Cairn {
    let cairn = Cairn::new();
    for n in 0..10 {
        write(
            &cairn.files(),
            &format!("in/{n}.md"),
            format!("Report number {n} on the harbour."),
        );
    }
    cairn.run(&["ingest", "in"]).await.ok();
    cairn
}

async fn n_documents(cairn: &Cairn) -> usize {
    cairn
        .run(&["docs", "list", "--json"])
        .await
        .ok()
        .lines()
        .len()
}

#[tokio::test]
async fn what_is_gone_is_deleted_softly() {
    let cairn = with_ten_files().await;
    let folder = cairn.files().join("in");
    fs_err::remove_file(folder.join("3.md")).unwrap();
    fs_err::remove_file(folder.join("4.md")).unwrap();
    cairn.run(&["ingest", "in"]).await.ok();
    assert_eq!(
        n_documents(&cairn).await,
        10,
        "without --sync nothing is deleted"
    );
    let dry = cairn
        .run(&["ingest", "in", "--sync", "--dry-run", "--json"])
        .await
        .ok()
        .lines();
    assert_eq!(dry.last().unwrap()["deleted"], 2);
    assert_eq!(n_documents(&cairn).await, 10);
    let lines = cairn
        .run(&["ingest", "in", "--sync", "--json"])
        .await
        .ok()
        .lines();
    assert_eq!(lines.last().unwrap()["deleted"], 2);
    assert_eq!(n_documents(&cairn).await, 8);
    let all = cairn
        .run(&["docs", "list", "--deleted", "--json"])
        .await
        .ok()
        .lines();
    let deleted: Vec<_> = all.iter().filter(|d| !d["deleted_at"].is_null()).collect();
    assert_eq!(deleted.len(), 2);
    // The file comes back: so does the document, under its old id.
    write(&folder, "3.md", "Report number 3 on the harbour.");
    cairn.run(&["ingest", "in", "--sync"]).await.ok();
    assert_eq!(n_documents(&cairn).await, 9);
}

#[tokio::test]
async fn a_sync_that_would_delete_much_stops() {
    let cairn = with_ten_files().await;
    let folder = cairn.files().join("in");
    for n in 0..3 {
        fs_err::remove_file(folder.join(format!("{n}.md"))).unwrap();
    }
    let stopped = cairn.run(&["ingest", "in", "--sync"]).await.code(5);
    let stopped = stopped.says("would delete 3 of 10").says("--yes");
    assert!(stopped.stdout.contains("7 unchanged"), "{stopped:#?}");
    let stopped = cairn
        .run(&["ingest", "in", "--sync", "--json"])
        .await
        .code(5);
    assert_eq!(stopped.error()["code"], "conflict");
    assert_eq!(n_documents(&cairn).await, 10);
    let lines = cairn
        .run(&["ingest", "in", "--sync", "--yes", "--json"])
        .await
        .ok()
        .lines();
    assert_eq!(lines.last().unwrap()["deleted"], json!(3));
    assert_eq!(n_documents(&cairn).await, 7);
    cairn
        .run(&["ingest", "in", "--yes"])
        .await
        .code(2)
        .says("--sync");
}

#[tokio::test]
async fn an_empty_or_missing_folder_deletes_nothing() {
    let cairn = with_ten_files().await;
    let folder = cairn.files().join("in");
    fs_err::rename(&folder, cairn.files().join("elsewhere")).unwrap();
    cairn
        .run(&["ingest", "in", "--sync"])
        .await
        .code(3)
        .says("nothing found at `in`");
    cairn
        .run(&["ingest", "in", "--sync", "--yes"])
        .await
        .code(3);
    fs_err::create_dir(&folder).unwrap();
    let empty = cairn.run(&["ingest", "in", "--sync"]).await.code(5);
    empty.says("holds no documents").says("--yes");
    assert_eq!(n_documents(&cairn).await, 10);
    cairn.run(&["ingest", "in", "--sync", "--yes"]).await.ok();
    assert_eq!(n_documents(&cairn).await, 0);
}
