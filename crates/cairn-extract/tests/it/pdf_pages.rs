//! Pages that hold more or less than text: forms, notes, scans, unreadable fonts, damaged files.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::Write as _;

use cairn_extract::{
    ExtractError, ExtractOptions, Input, ToolError, ToolRequest, Tools, extract, extract_with,
};
use cairn_types::{ElementKind, Extracted, WarningCode};

use crate::pdf::{at, options, pdf, shape};

/// A file of these objects, the first of which is the catalog.
fn file(objects: &[String]) -> Vec<u8> {
    let mut out = "%PDF-1.6\n".to_owned();
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
    let size = objects.len() + 1;
    let _ = write!(
        out,
        "trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{xref}\n%%EOF\n"
    );
    out.into_bytes()
}

/// One page with this content, fields (objects 6 and up) and other annotations.
fn page_with(content: &str, fields: &[&str], notes: &[&str]) -> Vec<u8> {
    let references: String = (0..fields.len())
        .map(|idx| format!("{} 0 R ", idx + 6))
        .collect();
    let notes = notes.concat();
    let mut objects = vec![
        format!(
            "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [{references}] /DA (/F1 0 Tf) >> >>"
        ),
        "<< /Type /Pages /Kids [4 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_owned(),
        format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 5 0 R /Annots [{references}{notes}] /Resources << /Font << /F1 3 0 R >> >> >>"
        ),
        format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ),
    ];
    objects.extend(fields.iter().map(|field| (*field).to_owned()));
    file(&objects)
}

#[test]
fn form_fields_stand_where_they_are_filled_in() {
    let Some(options) = options() else { return };
    let content = [
        at(50, 700, 10, "Family name:"),
        at(50, 670, 10, "Remarks:"),
        at(70, 600, 10, "I have read the terms"),
        at(70, 580, 10, "Send me news"),
    ]
    .concat();
    let fields = [
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (family) /V (Lindqvist) /Rect [120 695 300 712] /F 4 >>",
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (remarks) /Ff 4096 /V (Please ring\rtwice.) /Rect [120 630 300 680] /F 4 >>",
        "<< /Type /Annot /Subtype /Widget /FT /Btn /T (terms) /V /On /AS /On /AP << /N << /On null /Off null >> >> /Rect [50 598 60 608] /F 4 >>",
        "<< /Type /Annot /Subtype /Widget /FT /Btn /T (news) /V /Off /AS /Off /AP << /N << /On null /Off null >> >> /Rect [50 578 60 588] /F 4 >>",
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (hidden) /V (unseen) /Rect [400 695 500 712] /F 2 >>",
    ];
    let extracted = extract("a.pdf", &page_with(&content, &fields, &[]), &options).unwrap();
    let text = extracted.render().text;
    for phrase in [
        "Family name: Lindqvist",
        "Please ring twice.",
        "☑ I have read the terms",
        "☐ Send me news",
        "family | Lindqvist\nremarks | Please ring twice.\nterms | ☑",
    ] {
        assert!(text.contains(phrase), "{phrase} in {text}");
    }
    assert!(!text.contains("unseen"));
    assert!(
        extracted
            .elements
            .iter()
            .all(|e| e.page == Some(1) && e.bbox.is_some())
    );
    // Values count once, though they stand in two places.
    let n_twice = "LindqvistPleaseringtwice.☑|||".chars().count();
    let n_text = text.chars().filter(|c| !c.is_whitespace()).count();
    assert_eq!(extracted.report.chars_kept, (n_text - n_twice) as u64);
    assert!((extracted.report.coverage() - 1.0).abs() < 1e-9);
}

#[test]
fn notes_are_elements_with_a_place() {
    let Some(options) = options() else { return };
    let notes = [
        "<< /Type /Annot /Subtype /Text /Contents (Check this figure.) /Rect [400 300 420 320] >>",
        "<< /Type /Annot /Subtype /FreeText /Contents (Stamped: paid) /DA (/F1 10 Tf) /Rect [400 500 500 520] >>",
        "<< /Type /Annot /Subtype /Highlight /Contents (True?) /QuadPoints [50 710 90 710 50 698 90 698] /Rect [50 698 90 710] >>",
        "<< /Type /Annot /Subtype /Popup /Contents (Check this figure.) /Rect [430 300 500 350] >>",
        "<< /Type /Annot /Subtype /Link /Contents (a link) /A << /S /URI /URI (urn:x) >> /Rect [50 600 90 610] >>",
        "<< /Type /Annot /Subtype /Text /Contents (secret) /F 2 /Rect [400 100 420 120] >>",
    ];
    let bytes = page_with(&at(50, 700, 10, "Some text."), &[], &notes);
    let extracted = extract("a.pdf", &bytes, &options).unwrap();
    assert_eq!(
        shape(&extracted),
        [
            (ElementKind::Paragraph, 0, "Some text."),
            (ElementKind::Note, 0, "True?"),
            (ElementKind::Note, 0, "Stamped: paid"),
            (ElementKind::Note, 0, "Check this figure."),
        ]
    );
    let bbox = extracted.elements[3].bbox.unwrap();
    assert_eq!(
        (bbox.x0, bbox.y0, bbox.x1, bbox.y1),
        (400.0, 480.0, 420.0, 500.0)
    );
    let hidden = extracted.report.chars_seen - extracted.report.chars_kept;
    assert_eq!(hidden, 6);
}

/// A Tesseract that reads the same on every page, and remembers the pictures.
struct Reads {
    words: Vec<(&'static str, [u32; 4])>,
    pictures: RefCell<Vec<Vec<u8>>>,
}

impl Tools for Reads {
    fn call(&self, request: &ToolRequest, payload: &[u8]) -> Result<Vec<u8>, ToolError> {
        assert_eq!(request, &ToolRequest::Recognize { dpi: Some(300) });
        self.pictures.borrow_mut().push(payload[..20].to_vec());
        let mut table = "1\t1\t0\t0\t0\t0\t0\t0\t2500\t3333\t-1\t\n".to_owned();
        for (idx, (text, [x, y, w, h])) in self.words.iter().enumerate() {
            let _ = writeln!(
                table,
                "5\t1\t1\t1\t1\t{}\t{x}\t{y}\t{w}\t{h}\t93\t{text}",
                idx + 1
            );
        }
        Ok(table.into_bytes())
    }
}

fn read_with(bytes: &[u8], options: &ExtractOptions, tools: &dyn Tools) -> Extracted {
    extract_with(&Input::file("a.pdf", bytes), options, tools).unwrap()
}

/// A page that is one grey picture.
const PICTURE: &str = "q 600 0 0 800 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \u{7f} EI Q\n";

#[test]
fn pages_that_are_pictures_are_recognised() {
    let Some(options) = options() else { return };
    let bytes = pdf(&[at(50, 700, 10, "Typed."), PICTURE.into()], "", "");
    let tools = Reads {
        words: vec![
            ("Scanned", [250, 500, 300, 40]),
            ("words", [570, 504, 200, 36]),
        ],
        pictures: RefCell::default(),
    };
    let extracted = read_with(&bytes, &options, &tools);
    assert_eq!(extracted.elements[1].text, "Scanned words");
    assert_eq!(extracted.elements[1].page, Some(2));
    let bbox = extracted.elements[1].bbox.unwrap();
    assert!((bbox.x0 - 60.0).abs() < 1.0 && (bbox.x1 - 184.8).abs() < 1.0);
    assert!(bbox.y0 > 115.0 && bbox.y1 < 135.0, "{bbox:?}");
    assert_eq!(extracted.report.ocr.unwrap().words, 2);
    assert_eq!(extracted.report.warnings, []);
    let pictures = tools.pictures.borrow();
    assert_eq!(pictures.len(), 1);
    assert!(pictures[0].starts_with(b"P5\n2500 3333\n255\n"));
    // Without the program the page is missing, and that is said.
    let partly = extract("a.pdf", &bytes, &options).unwrap();
    assert_eq!(partly.report.pages_failed, 1);
    assert!((partly.report.coverage() - 0.5).abs() < 1e-9);
    let warning = &partly.report.warnings[0];
    assert_eq!(
        (warning.code, warning.page),
        (WarningCode::NoTextLayer, Some(2))
    );
    let alone = extract("a.pdf", &pdf(&[PICTURE.into()], "", ""), &options).unwrap_err();
    assert!(
        matches!(&alone, ExtractError::Empty { reason } if reason.contains("Tesseract")),
        "{alone}"
    );
}

#[test]
fn unreadable_fonts_are_recognised() {
    let Some(options) = options() else { return };
    // Numbers of glyphs for letters, as fonts without a map to Unicode have them: 29 below.
    let plain = [
        "sustainable development means to satisfy the needs of the present in such a way",
        "that the possibilities of future generations are not restricted while it is important",
        "to look at the three aspects economy and social matters on equal terms together",
    ];
    let mut content = String::new();
    for (line, y) in plain.iter().zip([700, 686, 672]) {
        let shifted: String = line
            .chars()
            .map(|c| match c {
                ' ' => ' ',
                '\\' => '/',
                c => char::from(c as u8 - 29),
            })
            .map(|c| if c == '\\' { '/' } else { c })
            .collect();
        content += &at(50, y, 10, &shifted);
    }
    let bytes = pdf(&[content], "", "");
    let without = extract("a.pdf", &bytes, &options).unwrap();
    assert_eq!(without.report.warnings[0].code, WarningCode::UnmappedFont);
    assert_eq!(without.report.pages_failed, 1);
    let tools = Reads {
        words: vec![
            ("sustainable", [208, 400, 300, 40]),
            ("development", [520, 400, 300, 40]),
        ],
        pictures: RefCell::default(),
    };
    let extracted = read_with(&bytes, &options, &tools);
    assert_eq!(extracted.render().text, "sustainable development");
    assert_eq!(extracted.report.pages_failed, 0);
    assert_eq!(extracted.report.warnings[0].code, WarningCode::Cleaned);
}

#[test]
fn cut_off_files_give_what_they_hold() {
    let Some(options) = options() else { return };
    let pages: Vec<String> = (1..=3)
        .map(|n| at(50, 700, 10, &format!("Text of page {n}.")))
        .collect();
    let whole = pdf(&pages, "", "");
    // In the middle of the third page's content: no table, no catalog's end, no trailer.
    let cut = whole
        .windows(5)
        .position(|window| window == b"age 3")
        .unwrap();
    let extracted = extract("a.pdf", &whole[..cut], &options).unwrap();
    let text = extracted.render().text;
    assert!(
        text.starts_with("Text of page 1.\n\nText of page 2."),
        "{text}"
    );
    assert_eq!(extracted.report.warnings[0].code, WarningCode::Recovered);
    let page = cairn_extract::PageRequest {
        page: 2,
        width_px: 100,
        passwords: Vec::new().into(),
    };
    assert!(cairn_extract::render_page(&whole[..cut], &page, &options).is_ok());
}

#[test]
fn cut_off_files_that_expand_too_far_go_to_the_second_reader() {
    let Some(options) = options() else { return };
    let pages = [
        at(50, 700, 10, "Text of page 1."),
        at(50, 700, 10, "Text of page 2."),
    ];
    let whole = pdf(&pages, "", "");
    let cut = whole.windows(4).position(|window| window == b"xref");
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"91 0 << /A 1 >>").unwrap();
    packed.write_all(&[b' '; 10_000]).unwrap();
    let packed = packed.finish().unwrap();
    let mut bytes = whole[..cut.unwrap()].to_vec();
    bytes.extend(b"90 0 obj\n<< /Type /ObjStm /N 1 /First 5 /Filter /FlateDecode >>\nstream\n");
    bytes.extend(packed);
    let options = ExtractOptions {
        max_expanded_bytes: 1_000,
        ..options
    };
    let extracted = extract("a.pdf", &bytes, &options).unwrap();
    assert_eq!(
        extracted.render().text,
        "Text of page 1.\n\nText of page 2."
    );
    let warning = &extracted.report.warnings[0];
    assert_eq!(warning.code, WarningCode::SecondReader);
    assert!(warning.reason.contains("damaged or cut off"), "{warning:?}");
}
