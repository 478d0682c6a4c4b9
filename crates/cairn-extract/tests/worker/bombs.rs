//! Documents made to exhaust their reader, each through a real worker: it must end by the reader's own limits, not by those
//! of the process, and the next document must find the same worker at work.

use std::sync::Arc;
use std::time::Duration;

use cairn_extract::{ExtractError, ExtractOptions, Input, NoTools, WorkerLimits, WorkerPool};
use cairn_types::Extracted;

use super::make::{Member, gzip, nested, pdf, repeated, stored, zip};

/// All tests of this file by name.
pub(crate) const TESTS: [(&str, fn()); 9] = [
    ("bombs_that_expand", bombs_that_expand),
    ("bombs_of_archives", bombs_of_archives),
    ("bombs_of_entities", bombs_of_entities),
    ("bombs_of_pdf", bombs_of_pdf),
    ("bombs_of_pictures", bombs_of_pictures),
    ("names_that_leave_the_archive", names_that_leave_the_archive),
    ("bombs_of_depth", bombs_of_depth),
    ("one_line_without_an_end", one_line_without_an_end),
    ("bombs_of_sheets", bombs_of_sheets),
];

/// What is asked of one document.
enum Expect<'a> {
    /// A limit of this name: as the error, or as a warning where other parts were read.
    Limit(&'a str),
    /// Some error, or text that holds nothing of the bomb.
    Quiet,
    /// This text.
    Text(&'a str),
}

/// Sends documents through one worker, which must outlive them all.
fn try_all(bombs: &[(&str, &[u8], Expect<'_>)]) -> Vec<Result<Extracted, ExtractError>> {
    let limits = WorkerLimits {
        n_workers: 1,
        deadline: Duration::from_secs(120),
        memory_bytes: 1 << 30,
        isolation: super::limits().isolation,
        ..WorkerLimits::default()
    };
    let options = ExtractOptions {
        pdfium: cairn_testkit::need("pdfium"),
        max_expanded_bytes: 32 << 20,
        ..ExtractOptions::default()
    };
    let pool = WorkerPool::new(super::command("normal"), limits, options, Arc::new(NoTools));
    let first = super::pid(&pool);
    let mut results = Vec::new();
    for (name, bytes, expect) in bombs {
        let result = pool.extract(&Input::file(name, bytes));
        judge(name, &result, expect);
        results.push(result);
    }
    assert_eq!(super::pid(&pool), first, "a worker was lost");
    results
}

fn judge(name: &str, result: &Result<Extracted, ExtractError>, expect: &Expect<'_>) {
    if let Err(
        error @ (ExtractError::TimedOut { .. }
        | ExtractError::OutOfMemory { .. }
        | ExtractError::Crashed { .. }
        | ExtractError::WorkerUnavailable { .. }),
    ) = result
    {
        panic!("{name}: {error}");
    }
    match (expect, result) {
        (Expect::Limit(what), Err(error)) => {
            assert!(error.to_string().contains(what), "{name}: {error}");
        }
        (Expect::Limit(what), Ok(extracted)) => {
            let warnings = &extracted.report.warnings;
            assert!(
                warnings.iter().any(|warning| warning.reason.contains(what)),
                "{name}: {warnings:?}"
            );
        }
        (Expect::Quiet, Ok(extracted)) => {
            let n_bytes = extracted.render().text.len();
            assert!(n_bytes < 1 << 20, "{name}: {n_bytes} bytes of text");
        }
        (Expect::Quiet, Err(_)) => {}
        (Expect::Text(text), result) => {
            let own = result.as_ref().map(|extracted| extracted.render().text);
            assert!(
                own.as_ref().is_ok_and(|own| own.contains(text)),
                "{name}: {own:?}"
            );
        }
    }
}

/// bomb-01, bomb-05, bomb-13, bomb-18: a little that becomes very much.
fn bombs_that_expand() {
    let zeros = repeated(b"", &[0; 1 << 20], 1024);
    let zeros = zip(&[Member::deflated("zeros.txt", &zeros, 1 << 30)]);
    let run = b"<w:p><w:r><w:t>the same run again and again</w:t></w:r></w:p>".repeat(16 << 10);
    let document = repeated(b"<w:document><w:body>", &run, 2048);
    let docx = zip(&[Member::deflated("word/document.xml", &document, 1 << 31)]);
    let string = b"<si><t>never used</t></si>".repeat(50_000);
    let strings = repeated(b"<sst>", &string, 100);
    let workbook = stored(&[
        ("xl/workbook.xml", br#"<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>"#),
        ("xl/_rels/workbook.xml.rels", br#"<Relationships><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>"#),
        ("xl/worksheets/sheet1.xml", br#"<worksheet><sheetData><row r="1"><c r="A1"><v>1</v></c></row></sheetData></worksheet>"#),
    ]);
    let mut members: Vec<Member<'_>> = workbook;
    members.push(Member::deflated(
        "xl/sharedStrings.xml",
        &strings,
        130_000_000,
    ));
    let xlsx = zip(&members);
    let empty_members = gzip(b"").repeat(1_000_000);
    try_all(&[
        ("zeros.zip", &zeros, Expect::Limit("expan")),
        ("run.docx", &docx, Expect::Limit("expan")),
        ("strings.xlsx", &xlsx, Expect::Limit("expan")),
        ("empty.gz", &empty_members, Expect::Quiet),
    ]);
}

/// bomb-02, bomb-03, bomb-04: archives that hold themselves, the same member often, or very many.
fn bombs_of_archives() {
    let deep = nested(6, 16);
    let text = b"the same member again and again ".repeat(8 << 10);
    let packed = repeated(b"", &text, 1);
    let one = Member::deflated("a.txt", &packed, text.len() as u64);
    let overlapping = zip(&vec![one; 4_000]);
    let many = stored(&vec![("", &b""[..]); 60_000]);
    let many = zip(&many);
    try_all(&[
        ("deep.zip", &deep, Expect::Limit("within")),
        ("overlapping.zip", &overlapping, Expect::Quiet),
        (
            "many.zip",
            &many,
            Expect::Limit("number of archive members"),
        ),
    ]);
}

/// bomb-06, bomb-07: entities that multiply, and entities that name a file.
fn bombs_of_entities() {
    let mut laughs = String::from("<!DOCTYPE x [<!ENTITY e0 \"haha\">");
    for n in 1..10 {
        let ten = format!("&e{};", n - 1).repeat(10);
        laughs.push_str(&format!("<!ENTITY e{n} \"{ten}\">"));
    }
    laughs.push_str("]>");
    let secret = fs_err::read_to_string("/etc/passwd").unwrap_or_default();
    let external = "<!DOCTYPE x [<!ENTITY e9 SYSTEM \"file:///etc/passwd\">]>";
    for kind in [&laughs[..], external] {
        let xml = format!("<?xml version=\"1.0\"?>{kind}<a><p>Quiet &e9; text</p></a>");
        let svg = format!(
            "<?xml version=\"1.0\"?>{kind}<svg xmlns=\"http://www.w3.org/2000/svg\"><text>Quiet &e9; text</text></svg>"
        );
        let html = format!("{kind}<html><p>Quiet &e9; text</p></html>");
        let document = format!(
            "{kind}<w:document><w:body><w:p><w:r><w:t>Quiet &e9; text</w:t></w:r></w:p></w:body></w:document>"
        );
        let docx = zip(&stored(&[("word/document.xml", document.as_bytes())]));
        let results = try_all(&[
            ("a.xml", xml.as_bytes(), Expect::Text("Quiet")),
            ("a.svg", svg.as_bytes(), Expect::Text("Quiet")),
            ("a.html", html.as_bytes(), Expect::Text("Quiet")),
            ("a.docx", &docx, Expect::Text("Quiet")),
        ]);
        for extracted in results.into_iter().flatten() {
            let text = extracted.render().text;
            assert!(!text.contains("hahaha"), "{text}");
            let first_line = secret.lines().next().filter(|line| !line.is_empty());
            assert!(first_line.is_none_or(|line| !text.contains(line)), "{text}");
        }
    }
}

/// bomb-08, bomb-09, bomb-10: filters upon filters, pages that lead back, a picture of ten thousand million pixels.
fn bombs_of_pdf() {
    if cairn_testkit::need("pdfium").is_none() {
        return;
    }
    let mut stream = vec![0; 64 << 20];
    for _ in 0..5 {
        stream = super::make::zlib(&stream);
    }
    let page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /XObject << /I 5 0 R >> >> /Contents 4 0 R >>";
    let filters = b"/Filter [/FlateDecode /FlateDecode /FlateDecode /FlateDecode /FlateDecode]";
    let one = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>";
    let object = |dictionary: &[u8], stream: &[u8]| {
        let length = format!("<< /Length {} ", stream.len());
        [
            length.as_bytes(),
            dictionary,
            b" >>\nstream\n",
            stream,
            b"\nendstream",
        ]
        .concat()
    };
    let draw = object(b"", b"q 500 0 0 500 0 0 cm /I Do Q");
    let image = object(
        b"/Type /XObject /Subtype /Image /Width 100000 /Height 100000 /BitsPerComponent 1 /ColorSpace /DeviceGray /Filter /FlateDecode",
        &super::make::zlib(&vec![0; 1 << 20]),
    );
    let files = [
        pdf(&[one, page, &object(filters, &stream), &image]),
        pdf(&[
            b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>",
            page,
            &draw,
            &image,
        ]),
        pdf(&[
            b"<< /Type /Pages /Kids [3 0 R] /Count 2000000000 >>",
            page,
            &draw,
            &image,
        ]),
        pdf(&[one, page, &draw, &image]),
    ];
    let mut bombs: Vec<(&str, &[u8], Expect<'_>)> = files
        .iter()
        .map(|file| ("a.pdf", &file[..], Expect::Quiet))
        .collect();
    let giant = cairn_testkit::need("data")
        .map(|data| fs_err::read(data.join("docs/malformed/bomb_giant.pdf")).unwrap());
    if let Some(giant) = &giant {
        bombs.push(("giant.pdf", giant, Expect::Quiet));
    }
    try_all(&bombs);
}

/// bomb-11: a header that claims far more than stands behind it.
fn bombs_of_pictures() {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    png.extend(60_000_u32.to_be_bytes());
    png.extend(60_000_u32.to_be_bytes());
    png.extend([8, 2, 0, 0, 0, 0, 0, 0, 0]);
    try_all(&[("a.png", &png, Expect::Limit("picture in pixels"))]);
}

/// bomb-12: nothing is written anywhere, and the text is read.
fn names_that_leave_the_archive() {
    let names = ["../../x.txt", "/abs/x.txt", "C:\\x.txt", "nul\0.txt"];
    let members = names.map(|name| (name, &b"Cormorants dry their wings."[..]));
    let archive = zip(&stored(&members));
    try_all(&[("slip.zip", &archive, Expect::Text("Cormorants"))]);
}

/// bomb-14, bomb-15: nesting that a careless reader follows into its stack's end.
fn bombs_of_depth() {
    let mut mail = String::from("From: a@b\nTo: c@d\nSubject: deep\nMIME-Version: 1.0\n");
    for n in 0..10_000 {
        mail.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n"
        ));
    }
    mail.push_str("Content-Type: text/plain\n\ninnermost\n");
    let html = format!("{}Cormorants", "<div>".repeat(100_000));
    let list = format!("{}Cormorants", "<ul><li>".repeat(50_000));
    let rtf = format!("{{\\rtf1 {}Cormorants", "{".repeat(100_000));
    let xml = format!("<?xml version=\"1.0\"?>{}Cormorants", "<a>".repeat(100_000));
    let json = "[".repeat(100_000);
    let quotes = format!("{}Cormorants", "> ".repeat(50_000));
    try_all(&[
        ("a.eml", mail.as_bytes(), Expect::Quiet),
        ("a.html", html.as_bytes(), Expect::Text("Cormorants")),
        ("b.html", list.as_bytes(), Expect::Text("Cormorants")),
        ("a.rtf", rtf.as_bytes(), Expect::Quiet),
        ("a.xml", xml.as_bytes(), Expect::Quiet),
        ("a.json", json.as_bytes(), Expect::Quiet),
        ("a.md", quotes.as_bytes(), Expect::Text("Cormorants")),
    ]);
}

/// bomb-16.
fn one_line_without_an_end() {
    let line = vec![b'a'; 50 << 20];
    let results = try_all(&[("a.txt", &line, Expect::Text("aaaa"))]);
    let n_bytes: usize = results
        .into_iter()
        .flatten()
        .flat_map(|extracted| extracted.elements)
        .map(|element| element.text.len())
        .sum();
    assert_eq!(n_bytes, line.len());
}

/// bomb-17: a sheet that claims every cell there can be, and one whose only cells stand at opposite corners.
fn bombs_of_sheets() {
    let book = |sheet: &str| {
        zip(&stored(&[
            ("xl/workbook.xml", br#"<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>"#),
            ("xl/_rels/workbook.xml.rels", br#"<Relationships><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#),
            ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
        ]))
    };
    let cell = r#"<row r="1"><c r="A1" t="inlineStr"><is><t>Cormorants</t></is></c></row>"#;
    let claims = book(&format!(
        r#"<worksheet><dimension ref="A1:XFD1048576"/><sheetData>{cell}</sheetData></worksheet>"#
    ));
    let corners = book(&format!(
        r#"<worksheet><sheetData>{cell}<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData></worksheet>"#
    ));
    let merged = book(&format!(
        r#"<worksheet><sheetData>{cell}</sheetData><mergeCells><mergeCell ref="A1:XFD1048576"/></mergeCells></worksheet>"#
    ));
    try_all(&[
        ("claims.xlsx", &claims, Expect::Text("Cormorants")),
        ("corners.xlsx", &corners, Expect::Text("Cormorants")),
        ("merged.xlsx", &merged, Expect::Text("Cormorants")),
    ]);
}
