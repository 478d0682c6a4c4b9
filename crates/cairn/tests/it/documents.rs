//! `cairn docs`, `cairn collections`: what is in the catalog.

use serde_json::{Value, json};

use crate::support::{Cairn, write};

#[tokio::test]
async fn documents_are_listed_shown_deleted_and_restored() {
    let cairn = Cairn::new();
    for n in 0..205 {
        write(
            &cairn.files(),
            &format!("{n:03}.md"),
            format!("# Note {n}\n\nText of note {n}."),
        );
    }
    cairn.run(&["ingest", "."]).await.ok();
    let listed = cairn.run(&["docs", "list", "--json"]).await.ok().lines();
    let mut ids: Vec<&str> = listed.iter().map(|d| d["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 205, "more than one page, each document once");
    let few = cairn
        .run(&["docs", "list", "--json", "--limit", "3"])
        .await
        .ok()
        .lines();
    assert_eq!(few.len(), 3);
    let some = cairn
        .run(&["docs", "list", "--json", "--path", "**/00?.md"])
        .await
        .ok()
        .lines();
    assert_eq!(some.len(), 10);

    let id = ids[0];
    let shown = cairn.json(&["docs", "show", id, "--chunks"]).await;
    let chunk = &shown["chunk_list"][0];
    assert_eq!(chunk["chunk_id"], format!("{id}.1.0"));
    assert!(
        chunk["text"].as_str().unwrap().contains("Text of note"),
        "{shown}"
    );
    let told = cairn.run(&["docs", "show", id, "--chunks"]).await.ok();
    assert!(
        told.stdout.contains("readable by everyone") && told.stdout.contains("Text of note"),
        "{told:#?}"
    );

    let report = cairn.json(&["docs", "report", id]).await;
    assert_eq!(
        (&report["status"], &report["coverage"]),
        (&json!("ok"), &json!(1.0))
    );
    assert_eq!(report["report"]["elements"], 2, "{report}");
    let told = cairn.run(&["docs", "report", id]).await.ok();
    for expect in [
        "understood  100.0 %",
        "elements    2",
        "0 not read",
        "warnings    none",
    ] {
        assert!(told.stdout.contains(expect), "{expect}: {told:#?}");
    }

    cairn.run(&["docs", "delete", ids[0], ids[1]]).await.ok();
    let n_listed = async |more: &[&str]| {
        let args = [&["docs", "list", "--json"][..], more].concat();
        cairn.run(&args).await.ok().lines().len()
    };
    assert_eq!(
        (n_listed(&[]).await, n_listed(&["--deleted"]).await),
        (203, 205)
    );
    let title = shown["title"].as_str().unwrap();
    let found = cairn.run(&["search", title, "--json"]).await.lines();
    let is_gone = |r: &Value| r["document"]["id"] != id;
    assert!(found[0]["results"].as_array().unwrap().iter().all(is_gone));
    cairn.run(&["docs", "restore", id]).await.ok();
    assert_eq!(n_listed(&[]).await, 204);
    cairn
        .run(&["docs", "show", "0123456789abcdef"])
        .await
        .code(3);
    cairn.run(&["docs", "show", "../keys"]).await.code(3);
    cairn
        .run(&["docs", "delete", "nonsense", "--json"])
        .await
        .code(3);

    cairn.run(&["docs", "share", id]).await.ok();
    assert_eq!(cairn.json(&["docs", "show", id]).await["allow"], json!([]));
}

#[tokio::test]
async fn collections_are_counted() {
    let cairn = Cairn::new();
    cairn
        .run(&["collections"])
        .await
        .ok()
        .says("no collections");
    write(&cairn.files(), "a.md", "First text.");
    write(&cairn.files(), "b.md", "Second text.");
    for n in 0..3 {
        let name = format!("c{n}");
        cairn
            .run(&["ingest", ".", "--collection", &name])
            .await
            .ok();
    }
    let rows = cairn.run(&["collections", "--json"]).await.ok().lines();
    let names: Vec<&str> = rows
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["c0", "c1", "c2"]);
    assert!(
        rows.iter()
            .all(|row| row["documents"] == 2 && row["chunks"] == 2),
        "{rows:?}"
    );
    let told = cairn.run(&["collections"]).await.ok();
    assert!(
        told.stdout.contains("c1  2 documents, 2 chunks"),
        "{told:#?}"
    );
    let found = cairn
        .json(&[
            "search",
            "first",
            "--collection",
            "c0",
            "--collection",
            "c2",
        ])
        .await;
    assert_eq!(found["results"].as_array().unwrap().len(), 2);
    let again = cairn.json(&["index", "rebuild"]).await;
    assert_eq!(
        (&again["documents"], &again["chunks"]),
        (&json!(6), &json!(6))
    );
    assert_eq!(
        cairn.json(&["search", "first"]).await["results"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn what_was_read_in_part_says_so_everywhere() {
    let cairn = Cairn::new();
    write(&cairn.files(), "whole.md", "# Whole\n\nAll of it.");
    write(
        &cairn.files(),
        "mail.eml",
        "From: a@example.org\nTo: b@example.org\nSubject: Two files\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/plain\n\nSee both.\n\
         --B\nContent-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\nReadable.\n\
         --B\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename=b.bin\n\
         Content-Transfer-Encoding: base64\n\nAAECAwQFBgc=\n--B--\n",
    );
    let lines = cairn.run(&["ingest", ".", "--json"]).await.ok().lines();
    let mail = lines
        .iter()
        .find(|line| {
            line["path"]
                .as_str()
                .is_some_and(|path| path.ends_with("mail.eml"))
        })
        .unwrap();
    assert_eq!(mail["status"], "partial", "{mail}");
    let warning = &mail["report"]["warnings"][0];
    assert_eq!(
        (&warning["code"], &warning["part"]),
        (&json!("unsupported"), &json!("b.bin"))
    );
    assert_eq!(lines.last().unwrap()["partial"], 1);
    let listed = cairn
        .run(&["docs", "list", "--partial", "--json"])
        .await
        .ok()
        .lines();
    assert_eq!(listed.len(), 1);
    let told = cairn
        .run(&["docs", "report", listed[0]["id"].as_str().unwrap()])
        .await
        .ok();
    for expect in [
        "50.0 % of what could be seen",
        "2, 1 of them not read",
        "b.bin: ",
        "[unsupported]",
    ] {
        assert!(told.stdout.contains(expect), "{expect}: {told:#?}");
    }
}

#[tokio::test]
async fn originals_are_saved_and_pages_drawn() {
    let cairn = Cairn::new();
    write(&cairn.files(), "note.md", "# Note\n\nText.");
    cairn.run(&["ingest", "note.md"]).await.ok();
    let listed = cairn.run(&["docs", "list", "--json"]).await.ok().lines();
    let id = listed[0]["id"].as_str().unwrap();
    let to = cairn.files().join("copy");
    fs_err::create_dir(&to).unwrap();
    let folder = to.to_str().unwrap();
    let saved = cairn.json(&["docs", "save", id, "--to", folder]).await;
    assert_eq!(saved["size_bytes"], 13);
    let copy = || fs_err::read_to_string(to.join("note.md")).unwrap();
    assert_eq!(copy(), "# Note\n\nText.");
    fs_err::write(to.join("note.md"), "mine").unwrap();
    cairn
        .run(&["docs", "save", id, "--to", folder])
        .await
        .says("there already");
    assert_eq!(copy(), "mine");
    cairn
        .run(&["docs", "save", id, "--to", folder, "--force"])
        .await
        .ok();
    assert_eq!(copy(), "# Note\n\nText.");
    let shown = cairn.run(&["docs", "save", id, "--to", "-"]).await.ok();
    assert_eq!(shown.stdout, "# Note\n\nText.");
    cairn
        .run(&["docs", "save", id, "--page", "1", "--to", folder])
        .await
        .says("no page images");

    let Some(pdfium) = cairn_testkit::need("pdfium") else {
        return;
    };
    let cairn = Cairn::new().set("CAIRN_EXTRACT__PDFIUM", pdfium);
    let examples = crate::support::example_documents();
    cairn
        .run(&["ingest", &format!("{examples}/**/*.pdf")])
        .await
        .ok();
    let listed = cairn.run(&["docs", "list", "--json"]).await.ok().lines();
    let id = listed[0]["id"].as_str().unwrap();
    let file = cairn.files().join("page.png");
    let path = file.to_str().unwrap();
    let args = [
        "docs", "save", id, "--page", "1", "--width", "200", "--to", path,
    ];
    cairn.run(&args).await.ok();
    let png = fs_err::read(&file).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    assert_eq!(png[16..20], 200u32.to_be_bytes(), "the width asked for");
    cairn
        .run(&["docs", "save", id, "--page", "999", "--to", path, "--force"])
        .await
        .code(3)
        .says("no page 999");
}
