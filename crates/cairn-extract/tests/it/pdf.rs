//! PDF files written by hand, through the real library.
//!
//! Needs `CAIRN_TEST_PDFIUM`, the path of the pdfium library.

use std::fmt::Write as _;
use std::path::PathBuf;

use cairn_extract::{ExtractError, ExtractOptions, extract, find_pdfium};
use cairn_types::{Element, ElementKind, Extracted, HasKind as _, WarningCode};

/// The library, or `None` where it is not there and need not be.
#[expect(
    clippy::disallowed_methods,
    reason = "tests that need a real counterpart find it by variables"
)]
pub(crate) fn options() -> Option<ExtractOptions> {
    if let Some(path) = std::env::var_os("CAIRN_TEST_PDFIUM").map(PathBuf::from) {
        let pdfium = find_pdfium(Some(&path));
        assert!(pdfium.is_some(), "CAIRN_TEST_PDFIUM names no library");
        return Some(ExtractOptions {
            pdfium,
            ..ExtractOptions::default()
        });
    }
    assert!(
        std::env::var_os("CAIRN_TEST_REQUIRE").is_none_or(|value| value != "1"),
        "CAIRN_TEST_PDFIUM is not set"
    );
    println!("SKIP needs the pdfium library: set CAIRN_TEST_PDFIUM");
    None
}

/// Pages of 600 × 800 points with these contents, in Helvetica (`/F1`) and bold (`/F2`).
pub(crate) fn pdf(pages: &[String], page_extra: &str, trailer_extra: &str) -> Vec<u8> {
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        String::new(),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_owned(),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>"
            .to_owned(),
    ];
    let mut kids = String::new();
    for content in pages {
        let number = objects.len() + 1;
        let _ = write!(kids, "{number} 0 R ");
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] {page_extra} /Contents {} 0 R /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>",
            number + 1
        ));
        objects.push(format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ));
    }
    objects[1] = format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", pages.len());
    let mut out = "%PDF-1.4\n".to_owned();
    let mut offsets = Vec::new();
    for (idx, object) in objects.iter().enumerate() {
        offsets.push(out.len());
        let _ = write!(out, "{} 0 obj\n{object}\nendobj\n", idx + 1);
    }
    let xref = out.len();
    let _ = write!(out, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for offset in offsets {
        let _ = writeln!(out, "{offset:010} 00000 n ");
    }
    let _ = write!(
        out,
        "trailer\n<< /Size {} /Root 1 0 R {trailer_extra} >>\nstartxref\n{xref}\n%%EOF\n",
        objects.len() + 1
    );
    out.into_bytes()
}

/// One line of text at a place.
pub(crate) fn at(x: u32, y: u32, size: u32, text: &str) -> String {
    format!("BT /F1 {size} Tf 1 0 0 1 {x} {y} Tm ({text}) Tj ET\n")
}

/// Kind, level and text of each element, without the descriptors of tables.
pub(crate) fn shape(extracted: &Extracted) -> Vec<(ElementKind, u8, &str)> {
    extracted
        .elements
        .iter()
        .filter(|element| element.kind != ElementKind::TableSummary)
        .map(|e| (e.kind, e.level, e.text.as_str()))
        .collect()
}

#[test]
fn without_the_library_a_second_reader_reads() {
    let options = ExtractOptions::default();
    let pages = [
        at(50, 700, 10, "The first page has a line of text."),
        at(50, 700, 10, "The second page has another one."),
    ];
    let extracted = extract("a.pdf", &pdf(&pages, "", ""), &options).unwrap();
    let found: Vec<(&str, Option<u32>)> = extracted
        .elements
        .iter()
        .map(|e| (e.text.as_str(), e.page))
        .collect();
    assert_eq!(
        found,
        [
            ("The first page has a line of text.", Some(1)),
            ("The second page has another one.", Some(2)),
        ]
    );
    assert!(extracted.elements.iter().all(|e| e.bbox.is_none()));
    let report = &extracted.report;
    assert_eq!((report.pages, report.pages_failed), (Some(2), 0));
    assert_eq!(report.chars_seen, report.chars_kept);
    assert!(report.has_loss());
    assert_eq!(report.warnings.len(), 1);
    assert_eq!(report.warnings[0].code, WarningCode::SecondReader);
    let reason = &report.warnings[0].reason;
    assert!(
        reason.contains("pdfium library is not installed") && reason.contains("`extract.pdfium`"),
        "{reason}"
    );
    // What it cannot read either needs the library.
    for bytes in [
        pdf(&[String::new()], "", ""),
        b"%PDF-1.7\nnothing more".to_vec(),
        pdf(&pages, "", "/Encrypt << /Filter /Standard /V 9 /R 9 >>"),
    ] {
        let error = extract("a.pdf", &bytes, &options).unwrap_err();
        assert!(matches!(error, ExtractError::Unsupported { .. }), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("pdfium")));
    }
    // Damage costs nothing but what it hits.
    let whole = pdf(&pages, "", "");
    for step in 0..200usize {
        let mut bytes = whole.clone();
        let at = step * 7919 % bytes.len();
        bytes[at] = u8::try_from(step * 31 % 256).unwrap();
        bytes.truncate(bytes.len() - step % 5 * 40);
        let _ = extract("a.pdf", &bytes, &options);
    }
}

#[test]
fn pages_paragraphs_and_boxes() {
    let Some(options) = options() else { return };
    let first = [
        at(50, 740, 20, "A title in large letters"),
        at(50, 700, 10, "The first paragraph has a word that is bro-"),
        at(
            50,
            688,
            10,
            "ken at the end of its first line, and ends here.",
        ),
        at(50, 650, 10, "\\225 one"),
        at(50, 638, 10, "\\225 two"),
    ]
    .concat();
    let bytes = pdf(
        &[first, String::new(), at(50, 700, 10, "Third page.")],
        "",
        "",
    );
    let extracted = extract("a.txt", &bytes, &options).unwrap();
    assert_eq!(
        shape(&extracted),
        [
            (ElementKind::Heading, 1, "A title in large letters"),
            (
                ElementKind::Paragraph,
                0,
                "The first paragraph has a word that is broken at the end of its first line, and ends here."
            ),
            (ElementKind::ListItem, 1, "• one"),
            (ElementKind::ListItem, 1, "• two"),
            (ElementKind::Paragraph, 0, "Third page."),
        ]
    );
    assert_eq!(extracted.report.pages, Some(3));
    assert_eq!(extracted.elements[4].page, Some(3));
    // The second page is blank: nothing is missing.
    assert_eq!(extracted.report.warnings, []);
    let bbox = extracted.elements[0].bbox.unwrap();
    assert!(
        (bbox.x0 - 50.0).abs() < 3.0 && bbox.y0 > 40.0 && bbox.y1 < 70.0,
        "{bbox:?}"
    );
}

#[test]
fn columns_drawn_across_are_read_down() {
    let Some(options) = options() else { return };
    let mut content = at(150, 760, 18, "Over both columns");
    for line in 0..12u32 {
        let y = 700 - line * 14;
        // One line reaches far into the gutter, as ragged lines do.
        let tail = if line == 5 { " and on" } else { "" };
        content += &at(
            50,
            y,
            10,
            &format!("left column, line number {line} of it{tail}"),
        );
        content += &at(
            320,
            y,
            10,
            &format!("right column, line number {line} of it"),
        );
    }
    let text = extract("a.pdf", &pdf(&[content], "", ""), &options)
        .unwrap()
        .render()
        .text;
    let place = |what: &str| {
        text.find(what)
            .unwrap_or_else(|| panic!("{what} in {text}"))
    };
    assert!(place("Over both") < place("left column, line number 0"));
    assert!(place("left column, line number 11") < place("right column, line number 0"));
}

#[test]
fn aligned_cells_are_a_table() {
    let Some(options) = options() else { return };
    let mut content = at(50, 740, 10, "Some words before the table.");
    for (row, cells) in [
        ["Name", "Count", "Price"],
        ["Bolt", "12", "0.10"],
        ["Nut", "7", "0.05"],
        ["Gear", "1", "9.99"],
    ]
    .iter()
    .enumerate()
    {
        for (column, cell) in cells.iter().enumerate() {
            let (row, column) = (u32::try_from(row).unwrap(), u32::try_from(column).unwrap());
            content += &at(50 + column * 150, 700 - row * 16, 10, cell);
        }
    }
    let extracted = extract("a.pdf", &pdf(&[content], "", ""), &options).unwrap();
    assert_eq!(
        shape(&extracted)[1],
        (
            ElementKind::Table,
            0,
            "Name | Count | Price\nBolt | 12 | 0.10\nNut | 7 | 0.05\nGear | 1 | 9.99"
        )
    );
    assert_eq!((extracted.report.tables, extracted.report.cells), (1, 12));
}

#[test]
fn turned_text_is_read() {
    let Some(options) = options() else { return };
    // Upwards on a page that is shown turned, as scanners and landscape tables have it.
    let content = "BT /F1 12 Tf 0 1 -1 0 100 100 Tm (turned words) Tj ET\nBT /F1 12 Tf 0 1 -1 0 120 100 Tm (second line) Tj ET";
    let extracted = extract("a.pdf", &pdf(&[content.into()], "/Rotate 90", ""), &options).unwrap();
    assert_eq!(extracted.render().text, "turned words second line");
    let bbox = extracted.elements[0].bbox.unwrap();
    assert!(
        bbox.x1 - bbox.x0 < 50.0 && bbox.y1 - bbox.y0 > 50.0,
        "{bbox:?}"
    );
    assert!(bbox.x0 > 80.0 && bbox.y1 < 705.0, "{bbox:?}");
}

#[test]
fn running_headers_are_kept_once() {
    let Some(options) = options() else { return };
    let pages: Vec<String> = (1..=5)
        .map(|n| {
            at(50, 770, 9, "Annual report")
                + &at(50, 400, 10, &format!("Text of page {n}."))
                + &at(300, 30, 9, &n.to_string())
        })
        .collect();
    let extracted = extract("a.pdf", &pdf(&pages, "", ""), &options).unwrap();
    let (body, furniture): (Vec<_>, Vec<_>) = extracted
        .elements
        .iter()
        .partition(|element| element.kind != ElementKind::Furniture);
    let n = |list: &[&Element], text: &str| list.iter().filter(|e| e.text.contains(text)).count();
    assert_eq!(n(&body, "Annual report"), 1);
    assert_eq!(n(&body, "Text of page"), 5);
    // They stay with their pages, after the body.
    assert_eq!((n(&furniture, "Annual report"), furniture.len()), (4, 9));
    assert_eq!(furniture.last().map(|e| e.page), Some(Some(5)));
    assert_eq!(
        extracted.report.chars_seen - extracted.report.chars_kept,
        4 * 12 + 5
    );
}

#[test]
fn what_cannot_be_read_says_why() {
    let Some(options) = options() else { return };
    let of = |bytes: &[u8]| extract("a.pdf", bytes, &options).unwrap_err();
    let error = of(&pdf(&[String::new()], "", ""));
    assert_eq!(
        error.to_string(),
        "document holds no text: none of its 1 pages has text"
    );
    let key = "0".repeat(64);
    let locked = format!(
        "/Encrypt << /Filter /Standard /V 1 /R 2 /O <{key}> /U <{key}> /P -4 >> /ID [<00> <00>]"
    );
    assert_eq!(
        of(&pdf(&[at(50, 700, 10, "x")], "", &locked)),
        ExtractError::PasswordRequired
    );
    assert!(matches!(
        of(b"%PDF-1.7\nnothing more"),
        ExtractError::Malformed { .. }
    ));
}

/// An encrypted file (version 2, revision 3, RC4) with one line of text, from its keys and its page's encrypted content.
fn locked(o: &str, u: &str, content: &str) -> Vec<u8> {
    let encrypt = format!(
        "/Encrypt << /Filter /Standard /V 2 /R 3 /Length 128 /O <{o}> /U <{u}> /P -4 >> /ID [<00> <00>]"
    );
    let room = "#".repeat(content.len() / 2);
    let mut bytes = pdf(std::slice::from_ref(&room), "", &encrypt);
    let start = bytes
        .windows(room.len())
        .position(|window| window == room.as_bytes())
        .unwrap();
    for (idx, byte) in bytes[start..start + room.len()].iter_mut().enumerate() {
        *byte = u8::from_str_radix(&content[2 * idx..2 * idx + 2], 16).unwrap();
    }
    bytes
}

/// Its keys are of the user's password `open sesame`: ISO 32000-1, 7.6.2 to 7.6.3.4.
fn locked_by_user() -> Vec<u8> {
    locked(
        "11a08343803528a5c856bb319a6bde0ca1909e48e8d0853e6c8943169079795f",
        "1bed2373497b70557b8f301a81eb680e00000000000000000000000000000000",
        "b3ef57283d42436781fb0c967d1149bec6c745a25b3e3016700fe798200f0d7ec11bfe8bdf570459af9d1182cb1dcac362b960811b15",
    )
}

#[test]
fn without_the_library_a_password_is_asked_for() {
    let options = |passwords: &[&str]| ExtractOptions {
        passwords: passwords
            .iter()
            .map(|&password| password.to_owned())
            .collect::<Vec<_>>()
            .into(),
        ..ExtractOptions::default()
    };
    let bytes = locked_by_user();
    for passwords in [&[][..], &["shut"]] {
        let error = extract("a.pdf", &bytes, &options(passwords)).unwrap_err();
        assert_eq!(error, ExtractError::PasswordRequired, "{passwords:?}");
    }
    let extracted = extract("a.pdf", &bytes, &options(&["shut", "open sesame"])).unwrap();
    assert_eq!(extracted.render().text, "Behind a lock.");
}

#[test]
fn passwords_are_tried_one_after_the_other() {
    let Some(options) = options() else { return };
    let user = locked_by_user();
    // Of no user's password, with an owner's.
    let owner = locked(
        "566fa873ee33c797cd3b904fdadf814afa34df9a38f6ed41b984e2c6da2aa6f5",
        "aec7e29be42db1eacd48b094ac8db71e00000000000000000000000000000000",
        "32e7887eacf5e10d73ce608943195a45932c4b859d35cf8e0bb9ae634a6fcfa84c84cdcb364e65f7cff002b0e22bb1e509f30c2ea2a7",
    );
    for (bytes, passwords, expect) in [
        (&user, vec![], false),
        (&user, vec!["shut", "rye"], false),
        (&user, vec!["shut", "open sesame"], true),
        (&user, vec!["owner"], true),
        (&owner, vec![], true),
        (&owner, vec!["shut"], true),
    ] {
        let options = ExtractOptions {
            passwords: passwords
                .iter()
                .map(|&password| password.to_owned())
                .collect::<Vec<_>>()
                .into(),
            ..options.clone()
        };
        match extract("a.pdf", bytes, &options) {
            Ok(extracted) => {
                assert!(expect, "{passwords:?}");
                assert_eq!(extracted.render().text, "Behind a lock.");
            }
            Err(error) => {
                assert!(!expect, "{passwords:?}");
                assert_eq!(error, ExtractError::PasswordRequired);
            }
        }
    }
}

#[test]
fn pages_over_the_limit_are_named() {
    let Some(options) = options() else { return };
    let options = ExtractOptions {
        max_pages: 1,
        ..options
    };
    let pages = [at(50, 700, 10, "One."), at(50, 700, 10, "Two.")];
    let extracted = extract("a.pdf", &pdf(&pages, "", ""), &options).unwrap();
    assert_eq!(extracted.render().text, "One.");
    assert_eq!(
        extracted.report.warnings[0].reason,
        "only the first 1 pages were read, 1 were left out"
    );
}

#[test]
fn damaged_files_do_no_harm() {
    let Some(options) = options() else { return };
    let whole = pdf(
        &[at(50, 700, 10, "Some text."), at(50, 700, 10, "More text.")],
        "",
        "",
    );
    for step in 0..150usize {
        let mut bytes = whole.clone();
        let at = step * 7919 % bytes.len();
        bytes[at] = u8::try_from(step * 31 % 256).unwrap();
        bytes.truncate(bytes.len() - step % 5 * 40);
        let _ = extract("a.pdf", &bytes, &options);
    }
}
