//! Bad input through the whole program: every file fails alone and says why, the others are read, and the exit code tells.

use std::io::{Cursor, Write as _};
use std::os::unix::ffi::OsStrExt as _;

use serde_json::Value;

use crate::support::{Cairn, need_all, write};

/// What a file is, what becomes of it, and a part of the reason.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    outcome: &'static str,
    reason: &'static str,
}

fn case(
    name: &'static str,
    bytes: impl Into<Vec<u8>>,
    outcome: &'static str,
    reason: &'static str,
) -> Case {
    Case {
        name,
        bytes: bytes.into(),
        outcome,
        reason,
    }
}

fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn docx(body: &str) -> Vec<u8> {
    let document = format!(
        "{body}<w:document><w:body><w:p><w:r><w:t>x</w:t></w:r></w:p></w:body></w:document>"
    );
    zip_of(&[("word/document.xml", document.as_bytes())])
}

/// A text within so many archives.
fn nested(levels: usize, text: &str) -> Vec<u8> {
    let mut inner = zip_of(&[("note.txt", text.as_bytes())]);
    for _ in 1..levels {
        inner = zip_of(&[("inner.zip", &inner)]);
    }
    inner
}

/// A PDF of these objects, numbered from 1; the first is the catalogue.
fn pdf(objects: &[&str]) -> Vec<u8> {
    let mut pdf = String::from("%PDF-1.4\n");
    let mut places = Vec::new();
    for (n, object) in (1..).zip(objects) {
        places.push(pdf.len());
        pdf += &format!("{n} 0 obj\n{object}\nendobj\n");
    }
    let start = pdf.len();
    let size = objects.len() + 1;
    pdf += &format!("xref\n0 {size}\n0000000000 65535 f \n");
    for place in places {
        pdf += &format!("{place:010} 00000 n \n");
    }
    pdf += &format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n");
    pdf.into_bytes()
}

const FONT: &str = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>";

fn content(text: &str) -> String {
    let stream = format!("BT /F1 12 Tf 72 720 Td ({text}) Tj ET");
    format!(
        "<< /Length {} >>\nstream\n{stream}\nendstream",
        stream.len()
    )
}

fn line<'a>(lines: &'a [Value], name: &str) -> &'a Value {
    lines
        .iter()
        .find(|line| {
            line["path"]
                .as_str()
                .is_some_and(|path| path.ends_with(name))
        })
        .unwrap_or_else(|| panic!("{name} in {lines:#?}"))
}

/// Reads all files in one run and demands what each case says, an exit code of 1, and that nothing else is amiss.
async fn read_all(cairn: &Cairn, cases: &[Case]) -> Vec<Value> {
    for case in cases {
        write(&cairn.files(), case.name, &case.bytes);
    }
    write(&cairn.files(), "zz-fine.md", "The quay is lit at night.");
    let outcome = cairn.run(&["ingest", ".", "--json"]).await.code(1);
    assert!(!outcome.stderr.contains("panicked"), "{outcome:#?}");
    let lines = outcome.lines();
    for case in cases {
        let line = line(&lines, case.name);
        let reason = line["reason"].as_str().unwrap_or_default();
        assert_eq!(line["outcome"], case.outcome, "{line}");
        assert!(reason.contains(case.reason), "`{}` in {line}", case.reason);
    }
    assert_eq!(line(&lines, "zz-fine.md")["outcome"], "added");
    cairn.run(&["search", "quay"]).await.ok();
    lines
}

/// Whether a search finds a document of this name.
async fn finds(cairn: &Cairn, query: &str, name: &str) -> bool {
    let outcome = cairn.run(&["search", "--json", "--", query]).await;
    assert!([Some(0), Some(1)].contains(&outcome.code), "{outcome:#?}");
    outcome.lines().iter().any(|found| {
        found["results"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|result| {
                result["document"]["uri"]
                    .as_str()
                    .is_some_and(|uri| uri.ends_with(name))
            })
    })
}

#[tokio::test]
async fn empty_cut_and_misnamed_files() {
    let cairn = Cairn::new();
    let whole = cairn_testkit::examples_dir().join("documents/projects/electric-ferry.docx");
    let whole = fs_err::read(whole).unwrap();
    let cases = [
        case("empty.md", "", "failed", "the file has 0 bytes"),
        case("empty.pdf", "", "failed", "the file has 0 bytes"),
        case("blank.txt", " \n\t\n", "failed", "no text"),
        case(
            "cut.docx",
            &whole[..whole.len() / 2],
            "failed",
            "damaged archive",
        ),
        case("word.pdf", whole.clone(), "added", ""),
        case("text.docx", "Lanterns hang over the pier.", "added", ""),
        case(
            "noise.txt",
            [0_u8, 159, 146, 150, 7, 3, 255, 0].repeat(50),
            "skipped",
            "application/octet-stream",
        ),
    ];
    read_all(&cairn, &cases).await;
    assert!(finds(&cairn, "electric ferry", "word.pdf").await);
    assert!(finds(&cairn, "lanterns", "text.docx").await);
}

#[tokio::test]
async fn a_file_over_the_limit_a_name_that_is_no_text_and_links_that_go_round() {
    let cairn = Cairn::new();
    let files = cairn.files();
    // Sparse: it takes no room on the disk, and is not read.
    let large = fs_err::File::create(files.join("large.txt")).unwrap();
    large.set_len((200 << 20) + 1).unwrap();
    let odd = files.join(std::ffi::OsStr::from_bytes(b"caf\xe9.md"));
    fs_err::write(odd, "Dolphins pass the sound in autumn.").unwrap();
    std::os::unix::fs::symlink("self", files.join("self")).unwrap();
    std::os::unix::fs::symlink("..", files.join("up")).unwrap();
    write(&files, "fine.md", "The quay is lit at night.");
    let lines = cairn.run(&["ingest", ".", "--json"]).await.ok().lines();
    let large = line(&lines, "large.txt");
    assert_eq!(large["outcome"], "skipped");
    let reason = large["reason"].as_str().unwrap();
    assert!(
        reason.contains("209715201 bytes") && reason.contains("the limit is 209715200"),
        "{reason}"
    );
    let summary = lines.last().unwrap();
    assert_eq!(
        (summary["added"].as_u64(), summary["failed"].as_u64()),
        (Some(2), Some(0))
    );
    assert!(finds(&cairn, "dolphins", "caf%E9.md").await);
    // Named on the command line, a link that leads to itself is one more path that is not there.
    cairn
        .run(&["ingest", "self"])
        .await
        .code(3)
        .says("nothing found at `self`");
}

#[tokio::test]
async fn bombs_and_archives_within_archives() {
    let cairn = Cairn::new();
    let zeros = vec![0; 64 << 20];
    let long = "a".repeat(64 << 20);
    let document = format!("<w:document><w:p><w:r><w:t>{long}</w:t></w:r></w:p></w:document>");
    let cases = [
        case(
            "bomb.zip",
            zip_of(&[("zeros.txt", &zeros)]),
            "failed",
            "expansion ratio",
        ),
        case(
            "bomb.docx",
            zip_of(&[("word/document.xml", document.as_bytes())]),
            "failed",
            "expansion ratio",
        ),
        case(
            "three.zip",
            nested(3, "Lanterns hang over the pier."),
            "added",
            "",
        ),
        case("thirty.zip", nested(30, "Too deep."), "failed", "levels"),
        case(
            "slip.zip",
            zip_of(&[
                ("../../../slip.txt", b"Cormorants dry their wings."),
                ("/slip.txt", b"x"),
            ]),
            "added",
            "",
        ),
    ];
    read_all(&cairn, &cases).await;
    assert!(finds(&cairn, "lanterns", "three.zip").await);
    assert!(finds(&cairn, "cormorants", "slip.zip").await);
    let above = cairn.files().parent().unwrap().join("slip.txt");
    assert!(!above.exists() && !std::path::Path::new("/slip.txt").exists());
}

#[tokio::test]
async fn entities_are_neither_expanded_nor_fetched() {
    let cairn = Cairn::new();
    let secret = cairn.data().with_file_name("secret.txt");
    fs_err::write(&secret, "albatross").unwrap();
    let laughs = {
        let mut text = String::from("<!DOCTYPE l [<!ENTITY e0 \"haha\">");
        for n in 1..10 {
            text += &format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10));
        }
        text + "]>"
    };
    let external = format!(
        "<!DOCTYPE a [<!ENTITY x SYSTEM \"file://{}\">]>",
        secret.display()
    );
    let xml = |doctype: &str, entity: &str| {
        format!("<?xml version=\"1.0\"?>{doctype}<a><b>Lanterns {entity} hang.</b></a>")
    };
    let in_docx = |doctype: &str, entity: &str| {
        let document = format!(
            "{doctype}<w:document><w:body><w:p><w:r><w:t>Lanterns {entity} hang.</w:t></w:r></w:p></w:body></w:document>"
        );
        zip_of(&[("word/document.xml", document.as_bytes())])
    };
    let cases = [
        case("laughs.xml", xml(&laughs, "&e9;"), "added", ""),
        case("laughs.docx", in_docx(&laughs, "&e9;"), "added", ""),
        case("external.xml", xml(&external, "&x;"), "added", ""),
        case("external.docx", in_docx(&external, "&x;"), "added", ""),
        case(
            "external.html",
            format!("{external}<html><p>Lanterns &x; hang.</p></html>"),
            "added",
            "",
        ),
        case("cut.docx", &docx("")[..60], "failed", "damaged archive"),
    ];
    read_all(&cairn, &cases).await;
    for document in cairn.run(&["docs", "list", "--json"]).await.ok().lines() {
        let id = document["id"].as_str().unwrap();
        let shown = cairn
            .run(&["docs", "show", id, "--chunks", "--json"])
            .await
            .ok();
        assert!(!shown.stdout.contains("albatross"), "{shown:#?}");
        assert!(!shown.stdout.contains("hahahaha"), "{shown:#?}");
    }
}

#[tokio::test]
async fn deep_nesting_odd_characters_and_scripts() {
    let cairn = Cairn::new();
    let n = 100_000;
    let texts = [
        (
            "nul.txt",
            "Gannets dive\0 from the cliffs beside the harbour in May.",
        ),
        ("arabic.txt", "مرحبا بالعالم هذا نص عربي"),
        ("hebrew.md", "שלום עולם וברוכים הבאים"),
        ("emoji.txt", "Family 👩‍👩‍👧‍👦 and flag 🏳️‍🌈 on the pier 👍🏿"),
        ("override.txt", "\u{202e}mirrored\u{202c} Cormorants"),
    ];
    let mut cases = vec![
        case(
            "empty.html",
            "<html><script>x</script>",
            "failed",
            "no text",
        ),
        case(
            "deep.json",
            format!("{}{}", "[".repeat(n), "]".repeat(n)),
            "added",
            "kept as text",
        ),
        case("deep-objects.json", "{\"a\":".repeat(n), "added", ""),
        case(
            "deep.html",
            format!("{}Lanterns hang.", "<div>".repeat(n)),
            "added",
            "",
        ),
        case(
            "deep.xml",
            format!("<?xml version=\"1.0\"?>{}Lanterns hang.", "<a>".repeat(n)),
            "added",
            "",
        ),
    ];
    cases.extend(texts.map(|(name, text)| case(name, text, "added", "")));
    read_all(&cairn, &cases).await;
    for (query, name) in [
        ("gannets", "nul.txt"),
        ("عربي", "arabic.txt"),
        ("שלום", "hebrew.md"),
        ("flag", "emoji.txt"),
        ("cormorants", "override.txt"),
    ] {
        assert!(finds(&cairn, query, name).await, "{name}");
    }
    // What is stored is what was written: scripts, joined emoji and all.
    let stored: Vec<String> = {
        let mut stored = Vec::new();
        for document in cairn.run(&["docs", "list", "--json"]).await.ok().lines() {
            let id = document["id"].as_str().unwrap();
            let shown = cairn.json(&["docs", "show", id, "--chunks"]).await;
            for chunk in shown["chunk_list"].as_array().unwrap() {
                stored.push(chunk["text"].as_str().unwrap().to_owned());
            }
        }
        stored
    };
    for (name, text) in &texts[1..] {
        assert!(
            stored.iter().any(|own| own.contains(text)),
            "{name}: {stored:#?}"
        );
    }
}

#[tokio::test]
async fn pdfs_that_lie() {
    let Some([pdfium]) = need_all(["pdfium"]) else {
        return;
    };
    let cairn = Cairn::new().set("CAIRN_EXTRACT__PDFIUM", pdfium);
    let page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 5 0 R >> >> /Contents 4 0 R >>";
    let catalogue = "<< /Type /Catalog /Pages 2 0 R >>";
    let lanterns = content("Lanterns hang over the pier.");
    let file = |pages: &str| pdf(&[catalogue, pages, page, &lanterns, FONT]);
    let whole = file("<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    let cases = [
        case(
            "loop.pdf",
            file("<< /Type /Pages /Kids [2 0 R] /Count 1 >>"),
            "failed",
            "",
        ),
        case(
            "loop-and-page.pdf",
            file("<< /Type /Pages /Kids [3 0 R 2 0 R] /Count 2 >>"),
            "added",
            "",
        ),
        case(
            "lie.pdf",
            file("<< /Type /Pages /Kids [3 0 R] /Count 2000000000 >>"),
            "added",
            "",
        ),
        case(
            "minus.pdf",
            file("<< /Type /Pages /Kids [3 0 R] /Count -5 >>"),
            "added",
            "",
        ),
        case("header.pdf", "%PDF-1.7\n", "failed", ""),
        case("cut.pdf", &whole[..whole.len() / 3], "failed", ""),
        case("whole.pdf", whole, "added", ""),
    ];
    let lines = read_all(&cairn, &cases).await;
    for case in &cases {
        let line = line(&lines, case.name);
        if case.outcome == "failed" {
            assert!(
                line["reason"]
                    .as_str()
                    .is_some_and(|reason| reason.len() > 10),
                "{line}"
            );
        } else {
            assert!(finds(&cairn, "lanterns", case.name).await, "{line}");
        }
    }
}
