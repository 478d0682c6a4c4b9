//! Documents made to exhaust a parser end in bounded time, with an error or little text.

use std::io::{Cursor, Write};

use cairn_extract::{ExtractError, ExtractOptions, extract};

fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn run(name: &str, bytes: &[u8]) -> Result<String, ExtractError> {
    extract(name, bytes, &ExtractOptions::default()).map(|extracted| extracted.render().text)
}

#[test]
fn a_word_document_that_expands_too_far_is_refused() {
    let run_of_text = "<w:p><w:r><w:t>a</w:t></w:r></w:p>".repeat(200_000);
    let bytes = zip_of(&[("word/document.xml", run_of_text.as_bytes())]);
    let options = ExtractOptions {
        max_expanded_bytes: 1 << 20,
        ..ExtractOptions::default()
    };
    let error = extract("a.docx", &bytes, &options).unwrap_err();
    assert!(
        matches!(
            error,
            ExtractError::TooLarge {
                limit: 0x10_0000,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn many_members_are_refused() {
    let names: Vec<String> = (0..10_001).map(|n| format!("m{n}")).collect();
    let mut members: Vec<(&str, &[u8])> = vec![("word/document.xml", b"<w:document/>")];
    members.extend(names.iter().map(|name| (name.as_str(), &b""[..])));
    let error = run("a.docx", &zip_of(&members)).unwrap_err();
    assert!(matches!(error, ExtractError::TooLarge { .. }), "{error}");
}

#[test]
fn names_that_leave_the_archive_do_no_harm() {
    let bytes = zip_of(&[
        (
            "word/document.xml",
            b"<w:document><w:p><w:r><w:t>fine</w:t></w:r></w:p></w:document>",
        ),
        ("../../evil", b"x"),
        ("/abs", b"x"),
    ]);
    assert_eq!(run("a.docx", &bytes).unwrap(), "fine");
}

#[test]
fn entities_are_not_expanded_in_any_part() {
    let laughs = r#"<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>"#;
    let document =
        format!("{laughs}<w:document><w:p><w:r><w:t>x&b;</w:t></w:r></w:p></w:document>");
    let bytes = zip_of(&[("word/document.xml", document.as_bytes())]);
    assert_eq!(run("a.docx", &bytes).unwrap(), "x");
    let html = format!("{laughs}<html><p>x&b;</p>");
    assert!(
        !run("a.html", html.as_bytes())
            .unwrap_or_default()
            .contains("haha")
    );
}

#[test]
fn one_long_line_is_text() {
    let line = vec![b'a'; 4 << 20];
    // A very long line is cut into several elements; nothing of it is lost.
    let text = run("a.txt", &line).unwrap().replace('\n', "");
    assert_eq!(text.as_bytes(), line);
}

#[test]
fn deep_nesting_is_read_or_refused() {
    let n = 20_000;
    for (name, open) in [
        ("a.json", "["),
        ("a.json", "{\"a\":"),
        ("a.html", "<ul><li>"),
        ("a.md", "> "),
        ("a.md", "- "),
    ] {
        let text = format!("{}x", open.repeat(n));
        // Either is fine; neither overflows the stack.
        let _ = run(name, text.as_bytes());
    }
}

#[test]
fn damaged_archives_are_errors() {
    let whole = zip_of(&[(
        "word/document.xml",
        b"<w:document><w:p><w:r><w:t>text</w:t></w:r></w:p></w:document>",
    )]);
    for end in 4..whole.len() {
        assert!(run("a.docx", &whole[..end]).is_err());
    }
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let _ = run("a.docx", &bytes);
    }
}
