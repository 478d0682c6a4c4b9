//! Files that cannot be read: each fails alone, with a reason, and the rest is read.

use serde_json::Value;

use crate::support::{Cairn, need_all, write};

/// A PDF that says it is encrypted; the keys in it fit no password.
fn encrypted_pdf() -> Vec<u8> {
    let key = "ab".repeat(32);
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>".to_owned(),
        format!("<< /Filter /Standard /V 1 /R 2 /O <{key}> /U <{key}> /P -4 >>"),
    ];
    let mut pdf = String::from("%PDF-1.4\n");
    let mut places = Vec::new();
    for (n, object) in (1..).zip(&objects) {
        places.push(pdf.len());
        pdf += &format!("{n} 0 obj\n{object}\nendobj\n");
    }
    let start = pdf.len();
    pdf += "xref\n0 5\n0000000000 65535 f \n";
    for place in places {
        pdf += &format!("{place:010} 00000 n \n");
    }
    pdf += &format!(
        "trailer\n<< /Size 5 /Root 1 0 R /Encrypt 4 0 R /ID [<{key}> <{key}>] >>\nstartxref\n{start}\n%%EOF\n"
    );
    pdf.into_bytes()
}

fn line<'a>(lines: &'a [Value], name: &str) -> &'a Value {
    let is_it = |line: &&Value| {
        line["path"]
            .as_str()
            .is_some_and(|path| path.ends_with(name))
    };
    lines
        .iter()
        .find(is_it)
        .unwrap_or_else(|| panic!("{name} in {lines:?}"))
}

#[tokio::test]
async fn a_broken_file_fails_alone() {
    let cairn = Cairn::new();
    let files = cairn.files();
    let docx = cairn_testkit::examples_dir().join("documents/projects/electric-ferry.docx");
    let docx = fs_err::read(docx).unwrap();
    write(&files, "cut.docx", &docx[..docx.len() / 2]);
    write(&files, "fine.md", "The quay is lit at night.");
    write(&files, "zero.md", "");
    write(
        &files,
        "noise.bin",
        [0_u8, 159, 146, 150, 7, 3, 255, 0].repeat(50),
    );
    let outcome = cairn.run(&["ingest", ".", "--json"]).await.code(1);
    let lines = outcome.lines();
    assert_eq!(line(&lines, "cut.docx")["outcome"], "failed");
    assert!(
        line(&lines, "cut.docx")["reason"]
            .as_str()
            .is_some_and(|reason| reason.len() > 10)
    );
    assert_eq!(line(&lines, "fine.md")["outcome"], "added");
    for name in ["zero.md", "noise.bin"] {
        let line = line(&lines, name);
        assert!(
            line["outcome"] != "added" && line["reason"].is_string(),
            "{line}"
        );
    }
    assert_eq!(lines.last().unwrap()["added"], 1);
    cairn.run(&["search", "quay"]).await.ok();
    let told = cairn.run(&["ingest", "."]).await.code(1);
    assert!(
        told.stdout.contains("failed: ") && told.stdout.contains("cut.docx"),
        "{told:#?}"
    );
    let jobs = cairn.run(&["jobs", "--json"]).await.ok().lines();
    assert_eq!(jobs[0]["state"], "done");
    let job = cairn.json(&["jobs", jobs[0]["id"].as_str().unwrap()]).await;
    let failed = |item: &Value| item["path"].as_str().unwrap().ends_with("cut.docx");
    assert!(job["items"].as_array().unwrap().iter().any(failed), "{job}");
}

#[tokio::test]
async fn an_encrypted_pdf_says_so() {
    let Some([pdfium]) = need_all(["pdfium"]) else {
        return;
    };
    let cairn = Cairn::new().set("CAIRN_EXTRACT__PDFIUM", pdfium);
    write(&cairn.files(), "locked.pdf", encrypted_pdf());
    write(&cairn.files(), "open.md", "The quay is lit at night.");
    let lines = cairn.run(&["ingest", ".", "--json"]).await.code(1).lines();
    let locked = line(&lines, "locked.pdf");
    assert_eq!(locked["outcome"], "failed");
    let reason = locked["reason"].as_str().unwrap();
    assert!(
        reason.contains("password") || reason.contains("encrypted"),
        "{reason}"
    );
    assert_eq!(line(&lines, "open.md")["outcome"], "added");
}

#[tokio::test]
async fn a_known_password_opens_a_pdf() {
    let Some([pdfium, data]) = need_all(["pdfium", "data"]) else {
        return;
    };
    let locked = fs_err::read(data.join("docs/pdf/libreoffice-writer-password.pdf")).unwrap();
    let cairn = Cairn::new().set("CAIRN_EXTRACT__PDFIUM", pdfium);
    write(&cairn.files(), "locked.pdf", &locked);
    let lines = cairn.run(&["ingest", ".", "--json"]).await.code(1).lines();
    let reason = line(&lines, "locked.pdf")["reason"].as_str().unwrap();
    assert!(reason.contains("`extract.passwords`"), "{reason}");
    let cairn = cairn.set("CAIRN_EXTRACT__PASSWORDS", "wrong,openpassword");
    let lines = cairn.run(&["ingest", ".", "--json"]).await.ok().lines();
    assert_eq!(line(&lines, "locked.pdf")["outcome"], "added");
    let shown = cairn.run(&["config"]).await.ok();
    assert!(!shown.stdout.contains("openpassword"), "{shown:#?}");
    let found = cairn.run(&["search", "consetetur sadipscing"]).await.ok();
    assert!(found.stdout.contains("Lorem ipsum"), "{found:#?}");
}

#[tokio::test]
async fn without_pdfium_a_pdf_fails_with_a_way_out() {
    let cairn = Cairn::new().set("CAIRN_EXTRACT__PDFIUM", "/no/such/libpdfium.so");
    write(&cairn.files(), "a.pdf", "%PDF-1.7 and no more");
    write(&cairn.files(), "b.pdf", encrypted_pdf());
    let lines = cairn.run(&["ingest", ".", "--json"]).await.code(1).lines();
    for (name, hint) in [
        ("a.pdf", "`extract.pdfium`"),
        ("b.pdf", "`extract.passwords`"),
    ] {
        let line = line(&lines, name);
        assert_eq!(line["outcome"], "failed");
        let reason = line["reason"].as_str().unwrap();
        assert!(reason.contains(hint), "{reason}");
    }
}

#[tokio::test]
async fn a_worker_that_dies_takes_no_other_file_with_it() {
    // Ten million numbers become far more than the memory that the worker may have.
    let cairn = Cairn::new()
        .set("CAIRN_INGEST__WORKER_MEMORY_BYTES", "402653184")
        .set("CAIRN_INGEST__WORKERS", "1");
    let files = cairn.files();
    write(&files, "1.md", "The quay is lit at night.");
    write(&files, "2.json", format!("[{}0]", "0,".repeat(12_000_000)));
    write(&files, "3.md", "The pier is closed in winter.");
    let lines = cairn.run(&["ingest", ".", "--json"]).await.code(1).lines();
    for (name, outcome) in [("1.md", "added"), ("2.json", "failed"), ("3.md", "added")] {
        assert_eq!(line(&lines, name)["outcome"], outcome, "{lines:?}");
    }
    let reason = line(&lines, "2.json")["reason"].as_str().unwrap();
    assert!(!reason.is_empty());
    cairn.run(&["search", "pier"]).await.ok();
}
