//! `cairn ingest`: what is read, what is skipped, and what a second run costs.

use std::os::unix::ffi::OsStrExt as _;

use serde_json::{Value, json};

use crate::support::{Cairn, example_documents, need_all, write};

/// The last line of a run.
fn summary(lines: &[Value]) -> &Value {
    let last = lines.last().expect("a summary");
    assert_eq!(last["event"], "summary", "{last}");
    last
}

/// A long text in sections, each of which makes at least one chunk of its own.
fn sections(words: &[&str]) -> String {
    let section = |word: &&str| {
        let sentence = format!("The {word} of the harbour is checked by the crew every morning. ");
        format!("# About the {word}\n\n{}\n\n", sentence.repeat(14))
    };
    words.iter().map(section).collect()
}

#[tokio::test]
async fn every_format_is_read_once() {
    let Some([pdfium]) = need_all(["pdfium"]) else {
        return;
    };
    let Some(cairn) = Cairn::with_model().await else {
        return;
    };
    let cairn = cairn.set("CAIRN_EXTRACT__PDFIUM", pdfium);
    let documents = example_documents();
    let first = cairn
        .run(&["ingest", &documents, "--json"])
        .await
        .ok()
        .lines();
    let sum = summary(&first);
    let n = first.len() - 1;
    assert!(n >= 12, "{n} documents");
    assert_eq!(
        (&sum["added"], &sum["failed"], &sum["truncated"]),
        (&json!(n), &json!(0), &json!(0))
    );
    assert_eq!(sum["embedded"], sum["chunks"]);
    assert_eq!(sum["lexical_only"], false);
    for line in &first[..n] {
        assert_eq!(line["outcome"], "added", "{line}");
        assert_eq!(line["status"], "ok", "{line}");
        assert!(line["chunks"].as_u64().is_some_and(|n| n > 0), "{line}");
        assert!(line["coverage"].as_f64().is_some_and(|c| c > 0.9), "{line}");
        assert!(
            line["document_id"].is_string() && line["path"].is_string(),
            "{line}"
        );
        let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "chunks",
                "coverage",
                "document_id",
                "outcome",
                "path",
                "reason",
                "report",
                "status"
            ]
        );
    }
    let listed = cairn.run(&["docs", "list", "--json"]).await.ok().lines();
    for kind in [
        "application/pdf",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/json",
        "text/csv",
        "text/html",
        "text/markdown",
        "text/plain",
    ] {
        assert!(listed.iter().any(|d| d["media_type"] == kind), "{kind}");
    }

    let second = cairn
        .run(&["ingest", &documents, "--json"])
        .await
        .ok()
        .lines();
    let sum = summary(&second);
    assert_eq!((&sum["unchanged"], &sum["added"]), (&json!(n), &json!(0)));
    assert_eq!((&sum["chunks"], &sum["embedded"]), (&json!(0), &json!(0)));
    // What is noted of unchanged documents is written.
    for stage in ["parse", "chunk", "embed"] {
        assert_eq!(sum["stages_ms"][stage], 0.0, "{stage}: {sum}");
    }
    let ids = |lines: &[Value]| -> Vec<Value> {
        lines[..n]
            .iter()
            .map(|line| line["document_id"].clone())
            .collect()
    };
    assert_eq!(ids(&first), ids(&second));

    let told = cairn.run(&["ingest", &documents]).await.ok();
    assert!(told.stdout.contains(&format!("{n} unchanged")), "{told:#?}");
}

#[tokio::test]
async fn a_changed_file_becomes_a_version_and_costs_only_what_changed() {
    let Some(cairn) = Cairn::with_model().await else {
        return;
    };
    let files = cairn.files();
    write(
        &files,
        "guide.md",
        sections(&["radar", "anchor", "engine", "lifeboat"]),
    );
    let first = cairn.run(&["ingest", ".", "--json"]).await.ok().lines();
    let n_chunks = summary(&first)["chunks"].as_u64().unwrap();
    assert!(n_chunks >= 4, "{first:?}");
    write(
        &files,
        "guide.md",
        sections(&["radar", "anchor", "engine", "rudder"]),
    );
    let second = cairn.run(&["ingest", ".", "--json"]).await.ok().lines();
    assert_eq!(second[0]["outcome"], "updated");
    assert_eq!(second[0]["document_id"], first[0]["document_id"]);
    let sum = summary(&second);
    let embedded = sum["embedded"].as_u64().unwrap();
    assert!(0 < embedded && embedded < n_chunks, "{sum}");
    let id = first[0]["document_id"].as_str().unwrap();
    assert_eq!(cairn.json(&["docs", "show", id]).await["version"], 2);
    let found = cairn.json(&["search", "rudder"]).await;
    assert_eq!(found["results"][0]["document"]["version"], 2, "{found}");
    let gone = cairn
        .run(&["search", "lifeboat", "--mode", "lexical"])
        .await;
    assert_eq!(gone.code, Some(1), "{gone:#?}");
}

#[tokio::test]
async fn a_moved_file_keeps_its_id() {
    let cairn = Cairn::new();
    let files = cairn.files();
    write(&files, "old/a.md", "Tides are high at noon.");
    let first = cairn.run(&["ingest", ".", "--json"]).await.ok().lines();
    fs_err::create_dir_all(files.join("new")).unwrap();
    fs_err::rename(files.join("old/a.md"), files.join("new/b.md")).unwrap();
    let second = cairn.run(&["ingest", ".", "--json"]).await.ok().lines();
    assert_eq!(second[0]["outcome"], "moved");
    assert_eq!(second[0]["document_id"], first[0]["document_id"]);
    let found = cairn.json(&["search", "tides"]).await;
    let uri = found["results"][0]["document"]["uri"].as_str().unwrap();
    assert!(uri.ends_with("/new/b.md"), "{uri}");
    assert_eq!(found["results"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let cairn = Cairn::new();
    write(&cairn.files(), "a.md", "Tides are high at noon.");
    let lines = cairn
        .run(&["ingest", ".", "--dry-run", "--json"])
        .await
        .ok()
        .lines();
    assert_eq!(
        (&lines[0]["outcome"], &lines[0]["document_id"]),
        (&json!("added"), &Value::Null)
    );
    assert_eq!(
        (&summary(&lines)["added"], &summary(&lines)["dry_run"]),
        (&json!(1), &json!(true))
    );
    let told = cairn.run(&["ingest", ".", "--dry-run"]).await.ok();
    assert!(told.stdout.contains("would be: 1 added"), "{told:#?}");
    let status = cairn.json(&["status"]).await;
    assert_eq!(
        (&status["documents"], &status["catalog_seq"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(cairn.run(&["docs", "list", "--json"]).await.ok().stdout, "");
}

#[tokio::test]
async fn labels_and_readers_are_kept_and_changed() {
    let cairn = Cairn::new();
    write(
        &cairn.files(),
        "pay.md",
        "The salary of the mate is paid in May.",
    );
    let args = [
        "ingest",
        "pay.md",
        "--collection",
        "hr",
        "--tag",
        "2026",
        "--tag",
        "pay",
        "--allow",
        "group:hr",
        "--allow",
        "user:anna",
        "--json",
    ];
    let id = cairn.run(&args).await.ok().lines()[0]["document_id"].clone();
    let id = id.as_str().unwrap();
    let shown = cairn.json(&["docs", "show", id]).await;
    assert_eq!(shown["collection"], "hr");
    assert_eq!(shown["tags"], json!(["2026", "pay"]));
    assert_eq!(shown["allow"], json!(["group:hr", "user:anna"]));
    // Equal content with other labels: no version, new labels. Readers that are not named stay.
    let again = [
        "ingest",
        "pay.md",
        "--collection",
        "hr",
        "--tag",
        "old",
        "--json",
    ];
    let lines = cairn.run(&again).await.ok().lines();
    assert_eq!(lines[0]["outcome"], "updated", "{lines:?}");
    let shown = cairn.json(&["docs", "show", id]).await;
    assert_eq!(
        (&shown["version"], &shown["tags"]),
        (&json!(1), &json!(["old"]))
    );
    assert_eq!(shown["allow"], json!(["group:hr", "user:anna"]));
    for (args, code) in [
        (&["search", "salary", "--collection", "hr"][..], 0),
        (&["search", "salary", "--collection", "other"], 1),
        (&["search", "salary", "--tag", "old"], 0),
        (&["search", "salary", "--tag", "2026"], 1),
        (&["search", "salary", "--type", "text/*"], 0),
        (&["search", "salary", "--type", "application/pdf"], 1),
        (&["search", "salary", "--path", "**/pay.*"], 0),
        (&["search", "salary", "--until", "2001-01-01"], 1),
    ] {
        cairn.run(args).await.code(code);
    }
    let two = ["ingest", "pay.md", "--collection", "a", "--collection", "b"];
    cairn.run(&two).await.code(2).says("one collection");
    let bad = ["ingest", "pay.md", "--allow", "anna"];
    cairn.run(&bad).await.code(2).says("anna");
}

#[tokio::test]
async fn a_file_over_the_limit_is_passed_over_with_a_reason() {
    let cairn = Cairn::new().set("CAIRN_INGEST__MAX_FILE_BYTES", "100");
    write(&cairn.files(), "large.md", "word ".repeat(100));
    write(&cairn.files(), "small.md", "A small text.");
    let lines = cairn.run(&["ingest", ".", "--json"]).await.ok().lines();
    assert_eq!(lines[0]["outcome"], "skipped");
    let reason = lines[0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("500 bytes") && reason.contains("ingest.max_file_bytes"),
        "{reason}"
    );
    assert_eq!(lines[1]["outcome"], "added");
    let told = cairn.run(&["ingest", "."]).await.ok();
    assert!(
        told.stdout.contains("skipped 1: the file has 500 bytes"),
        "{told:#?}"
    );
}

#[tokio::test]
async fn odd_names_and_loops_are_no_trouble() {
    let cairn = Cairn::new();
    let files = cairn.files();
    write(&files, "a b/ü?#%.md", "Whales pass the sound in spring.");
    let odd = files.join(std::ffi::OsStr::from_bytes(b"caf\xe9.md"));
    fs_err::write(&odd, "Dolphins pass the sound in autumn.").unwrap();
    std::os::unix::fs::symlink(&files, files.join("loop")).unwrap();
    std::os::unix::fs::symlink("nowhere", files.join("dangling")).unwrap();
    let lines = cairn.run(&["ingest", ".", "--json"]).await.ok().lines();
    assert_eq!(summary(&lines)["added"], 2, "{lines:?}");
    let again = cairn.run(&["ingest", ".", "--json"]).await.ok().lines();
    assert_eq!(summary(&again)["unchanged"], 2, "{again:?}");
    let found = cairn.json(&["search", "whales"]).await;
    let uri = found["results"][0]["document"]["uri"].as_str().unwrap();
    assert!(uri.ends_with("/a%20b/%C3%BC%3F%23%25.md"), "{uri}");
    let found = cairn.json(&["search", "dolphins"]).await;
    let uri = found["results"][0]["document"]["uri"].as_str().unwrap();
    assert!(uri.ends_with("/caf%E9.md"), "{uri}");
}

#[tokio::test]
async fn patterns_choose_files() {
    let cairn = Cairn::new();
    for name in ["a.md", "b.txt", "sub/c.md", ".hidden.md"] {
        write(&cairn.files(), name, format!("Text of {name}"));
    }
    let count = async |args: &[&str]| {
        let lines = cairn
            .run(&[&["ingest", "--dry-run", "--json"], args].concat())
            .await
            .ok()
            .lines();
        lines.len() - 1
    };
    assert_eq!(count(&["**/*.md"]).await, 2);
    assert_eq!(count(&["*.md"]).await, 1);
    assert_eq!(count(&["*.{md,txt}", "sub"]).await, 3);
    cairn
        .run(&["ingest", "*.pdf"])
        .await
        .code(3)
        .says("nothing found at `*.pdf`");
    cairn
        .run(&["ingest", "no/such"])
        .await
        .code(3)
        .says("hint:");
    cairn
        .run(&["ingest", "a[.md"])
        .await
        .code(2)
        .says("not a valid pattern");
    cairn
        .run::<&str>(&["ingest"])
        .await
        .code(2)
        .says("PATH|GLOB");
}
