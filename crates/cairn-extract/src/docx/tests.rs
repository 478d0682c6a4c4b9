//! Small documents made here, from the XML of their parts.

use cairn_types::WarningCode;
use proptest::prelude::*;

use super::*;
use crate::archive::tests::zip_of;

const STYLES: &str = r#"<w:styles xmlns:w="w"><w:style w:styleId="H1"><w:name w:val="heading 1"/></w:style><w:style w:styleId="Mine"><w:name w:val="mine"/><w:basedOn w:val="H1"/></w:style><w:style w:styleId="T"><w:name w:val="Title"/></w:style></w:styles>"#;
const NUMBERING: &str = r#"<w:numbering xmlns:w="w"><w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl><w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl></w:abstractNum><w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="&#xF0B7;"/></w:lvl></w:abstractNum><w:num w:numId="5"><w:abstractNumId w:val="0"/></w:num><w:num w:numId="6"><w:abstractNumId w:val="1"/></w:num></w:numbering>"#;
const NOTES: &str = r#"<w:footnotes xmlns:w="w"><w:footnote w:id="0" w:type="separator"><w:p/></w:footnote><w:footnote w:id="2"><w:p><w:r><w:footnoteRef/><w:t>the note</w:t></w:r></w:p></w:footnote></w:footnotes>"#;
const HEADER: &str = r#"<w:hdr xmlns:w="w"><w:p><w:r><w:t>Company</w:t></w:r></w:p></w:hdr>"#;

type Shape<'t> = (ElementKind, u8, &'t str);

fn document(body: &str) -> Vec<u8> {
    let xml = format!(
        r#"<?xml version="1.0"?><w:document xmlns:w="w"><w:body>{body}</w:body></w:document>"#
    );
    let rel = |id: u32, kind: &str| {
        let target = if kind == "header" { "header1" } else { kind };
        format!(
            r#"<Relationship Id="r{id}" Type="http://x/relationships/{kind}" Target="{target}.xml"/>"#
        )
    };
    let rels = format!(
        "<Relationships>{}{}{}{}</Relationships>",
        rel(1, "styles"),
        rel(2, "numbering"),
        rel(3, "footnotes"),
        rel(4, "header")
    );
    zip_of(&[
        ("word/document.xml", xml.as_bytes()),
        ("word/_rels/document.xml.rels", rels.as_bytes()),
        ("word/styles.xml", STYLES.as_bytes()),
        ("word/numbering.xml", NUMBERING.as_bytes()),
        ("word/footnotes.xml", NOTES.as_bytes()),
        ("word/header1.xml", HEADER.as_bytes()),
        (
            "docProps/core.xml",
            b"<c xmlns:dc='dc'><dc:title>R&amp;D</dc:title></c>",
        ),
    ])
}

fn shape(body: &str) -> Vec<(ElementKind, u8, String)> {
    let mut builder = Builder::new(1000);
    read(&document(body), &Context::for_test(), &mut builder).unwrap();
    assert!(builder.report.chars_kept <= builder.report.chars_seen);
    builder
        .body()
        .map(|e| (e.kind, e.level, e.text.clone()))
        .collect()
}

fn p(properties: &str, text: &str) -> String {
    format!("<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>")
}

#[test]
fn paragraphs_have_roles() {
    use ElementKind::{Heading, ListItem, Note, Paragraph, Table};
    let num = |id: u8, level: u8| {
        format!(r#"<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{id}"/></w:numPr>"#)
    };
    let list = [
        p(&num(5, 0), "a"),
        p(&num(5, 1), "b"),
        p(&num(5, 1), "c"),
        p(&num(5, 0), "d"),
        p(&num(6, 0), "e"),
    ]
    .concat();
    let cell = |properties: &str, text: &str| {
        format!("<w:tc><w:tcPr>{properties}</w:tcPr>{}</w:tc>", p("", text))
    };
    let table = format!(
        "<w:tbl><w:tr>{}{}</w:tr><w:tr>{}{}</w:tr><w:tr>{}{}</w:tr></w:tbl>",
        cell("", "Site"),
        cell("", "Name"),
        cell(r#"<w:vMerge w:val="restart"/>"#, "x"),
        cell("", "one"),
        cell("<w:vMerge/>", ""),
        cell("", "two"),
    );
    let cases: [(String, Vec<Shape<'_>>); 7] = [
        (p(r#"<w:pStyle w:val="Mine"/>"#, "Head"), vec![(Heading, 1, "Head")]),
        (list, vec![(ListItem, 1, "1. a"), (ListItem, 2, "1.a) b"), (ListItem, 2, "1.b) c"), (ListItem, 1, "2. d"), (ListItem, 1, "- e")]),
        (table, vec![(Table, 0, "Site | Name\nx | one\nx | two")]),
        (
            r#"<w:p><w:r><w:t>kept</w:t></w:r><w:del><w:r><w:delText>gone</w:delText><w:t>gone</w:t></w:r></w:del><w:ins><w:r><w:t xml:space="preserve"> new</w:t></w:r></w:ins><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r></w:p>"#.into(),
            vec![(Paragraph, 0, "kept new")],
        ),
        (
            r#"<w:p><w:r><w:t>see</w:t><w:footnoteReference w:id="2"/></w:r></w:p>"#.into(),
            vec![(Paragraph, 0, "see[2]"), (Note, 0, "[2] the note")],
        ),
        (
            r#"<w:p><w:r><w:t>outer</w:t><mc:AlternateContent><mc:Choice><w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p></w:txbxContent></mc:Choice><mc:Fallback><w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p></w:txbxContent></mc:Fallback></mc:AlternateContent></w:r></w:p>"#.into(),
            vec![(Paragraph, 0, "outer"), (Paragraph, 0, "box")],
        ),
        (
            r#"<w:p><w:hyperlink><w:r><w:t>li&lt;nk</w:t></w:r></w:hyperlink><w:r><w:tab/><w:t>a</w:t><w:br/><w:t>b</w:t></w:r><w:r><w:instrText>PAGE</w:instrText></w:r></w:p>"#.into(),
            vec![(Paragraph, 0, "li<nk a\nb")],
        ),
    ];
    for (input, expect) in cases {
        let expect: Vec<_> = expect
            .into_iter()
            .map(|(k, l, t)| (k, l, t.to_owned()))
            .collect();
        assert_eq!(shape(&input), expect, "{input}");
    }
}

#[test]
fn headers_and_title_are_read() {
    let mut builder = Builder::new(10);
    read(&document(&p("", "x")), &Context::for_test(), &mut builder).unwrap();
    let read = builder.finish("docx");
    let last = read.elements.last().unwrap();
    assert_eq!(
        (last.text.as_str(), last.kind),
        ("Company", ElementKind::Furniture)
    );
    assert_eq!(read.title.as_deref(), Some("R&D"));
}

#[test]
fn entities_are_not_expanded() {
    let xml = br#"<!DOCTYPE d [<!ENTITY a "boom"><!ENTITY x SYSTEM "file:///etc/hostname">]><w:document xmlns:w="w"><w:p><w:r><w:t>a&a;&x;b</w:t></w:r></w:p></w:document>"#;
    let mut builder = Builder::new(10);
    read(
        &zip_of(&[("word/document.xml", xml)]),
        &Context::for_test(),
        &mut builder,
    )
    .unwrap();
    assert_eq!(builder.elements()[0].text, "ab");
}

#[test]
fn depth_costs_no_stack() {
    for deep in [
        "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>",
        "<w:p>",
        "<w:p><w:tbl>",
    ] {
        let deep = format!("{}<w:r><w:t>x", deep.repeat(50_000));
        let _ = shape(&deep);
    }
}

/// A document with these relationships (`r1` and on, by kind and target) and parts.
fn read_with(body: &str, rels: &[(&str, &str)], parts: &[(&str, &str)]) -> Builder {
    let rel = |(idx, (kind, target)): (usize, &(&str, &str))| {
        format!(
            "<Relationship Id='r{}' Type='http://x/{kind}' Target='{target}'/>",
            idx + 1
        )
    };
    let all: String = rels.iter().enumerate().map(rel).collect();
    let xml = format!("<w:document><w:body>{body}</w:body></w:document>");
    let rels = format!("<Relationships>{all}</Relationships>");
    let mut members: Vec<(&str, &[u8])> = vec![
        ("word/document.xml", xml.as_bytes()),
        ("word/_rels/document.xml.rels", rels.as_bytes()),
    ];
    members.extend(parts.iter().map(|(name, text)| (*name, text.as_bytes())));
    let mut builder = Builder::new(1000);
    read(&zip_of(&members), &Context::for_test(), &mut builder).unwrap();
    builder
}

#[test]
fn merged_cells_are_resolved() {
    let tc = |properties: &str, text: &str| {
        format!("<w:tc><w:tcPr>{properties}</w:tcPr>{}</w:tc>", p("", text))
    };
    let tr = |properties: &str, cells: &[String]| {
        format!(
            "<w:tr><w:trPr>{properties}</w:trPr>{}</w:tr>",
            cells.concat()
        )
    };
    let wide = "<w:gridSpan w:val='2'/>";
    let high = "<w:vMerge w:val='restart'/>";
    let on = "<w:vMerge/>";
    let both = format!("{wide}{high}");
    let both_on = format!("{wide}{on}");
    let nested = format!(
        "<w:tc>{}<w:tbl><w:tr>{}{}</w:tr></w:tbl><w:p/></w:tc>",
        p("", "outer"),
        tc("", "in"),
        tc("", "ner")
    );
    let cases = [
        (
            vec![
                tr("", &[tc("", "a"), tc("", "b")]),
                tr("", &[tc("", "1"), tc("", "2")]),
            ],
            "a | b\n1 | 2",
        ),
        (
            vec![
                tr("", &[tc(wide, "w"), tc("", "a")]),
                tr("", &[tc("", "1"), tc("", "2"), tc("", "3")]),
            ],
            "w | w | a\n1 | 2 | 3",
        ),
        (
            vec![
                tr("", &[tc("", "1"), tc(high, "h")]),
                tr("", &[tc("", "2"), tc(on, "")]),
                tr("", &[tc("", "3"), tc(on, "")]),
            ],
            "1 | h\n2 | h\n3 | h",
        ),
        (
            vec![
                tr("", &[tc(&both, "x"), tc("", "1")]),
                tr("", &[tc(&both_on, ""), tc("", "2")]),
            ],
            "x | x | 1\nx | x | 2",
        ),
        // Two merges one below the other.
        (
            vec![
                tr("", &[tc(high, "g"), tc("", "1")]),
                tr("", &[tc(on, ""), tc("", "2")]),
                tr("", &[tc(high, "h"), tc("", "3")]),
                tr("", &[tc(on, ""), tc("", "4")]),
            ],
            "g | 1\ng | 2\nh | 3\nh | 4",
        ),
        // A row that starts late.
        (
            vec![
                tr("", &[tc("", "a"), tc("", "b")]),
                tr("<w:gridBefore w:val='1'/>", &[tc("", "2")]),
            ],
            "a | b\n | 2",
        ),
        (
            vec![
                tr("<w:tblHeader/>", &[tc("", "1"), tc("", "2")]),
                tr("", &[tc("", "3"), tc("", "4")]),
            ],
            "1 | 2\n3 | 4",
        ),
        (vec![tr("", &[nested, tc("", "b")])], "outer in ner | b"),
    ];
    for (rows, expect) in cases {
        let builder = read_with(&format!("<w:tbl>{}</w:tbl>", rows.concat()), &[], &[]);
        // A descriptor may stand before the rows.
        let table = builder.elements().last().expect("a table");
        assert_eq!(table.text, expect, "{rows:?}");
    }
}

#[test]
fn parts_of_other_kinds_are_read_where_they_stand() {
    let chart = "<w:p><w:r><w:t>see</w:t><w:drawing><a:graphicData><c:chart r:id='r1'/></a:graphicData></w:drawing></w:r></w:p>";
    let body = format!(
        "{chart}<w:p><w:r><w:drawing><dgm:relIds r:dm='r2'/></w:drawing></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:object><o:OLEObject r:id='r3'/></w:object><w:t>cell</w:t></w:r></w:p></w:tc><w:tc>{}</w:tc></w:tr></w:tbl><w:altChunk r:id='r4'/><w:p><w:r><w:drawing><c:chart r:id='r9'/></w:drawing></w:r></w:p>",
        p("", "b")
    );
    let builder = read_with(
        &body,
        &[
            ("chart", "charts/c.xml"),
            ("diagramData", "diagrams/d.xml"),
            ("package", "embeddings/e.txt"),
            ("aFChunk", "chunk.htm"),
        ],
        &[
            (
                "word/charts/c.xml",
                "<c:chart><c:ser><c:tx><c:v>North</c:v></c:tx><c:val><c:numLit><c:pt idx='0'><c:v>5</c:v></c:pt></c:numLit></c:val></c:ser></c:chart>",
            ),
            (
                "word/diagrams/d.xml",
                "<dgm:pt modelId='1'><dgm:t><a:p><a:r><a:t>step</a:t></a:r></a:p></dgm:t></dgm:pt>",
            ),
            ("word/embeddings/e.txt", "embedded"),
            ("word/chunk.htm", "<html><body><p>chunk</p></body></html>"),
        ],
    );
    let texts: Vec<&str> = builder.body().map(|e| e.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "see",
            "North\n5",
            "- step",
            "cell | b",
            "e.txt",
            "embedded",
            "chunk.htm",
            "chunk"
        ]
    );
    assert_eq!(builder.report.parts, 2);
    assert_eq!(builder.report.warnings.len(), 1);
    assert_eq!(builder.report.warnings[0].code, WarningCode::Unreadable);
}

#[test]
fn formulas_comments_and_controls_are_text() {
    let control = |properties: &str, text: &str| {
        format!(
            "<w:sdt><w:sdtPr>{properties}</w:sdtPr><w:sdtContent><w:r><w:t>{text}</w:t></w:r></w:sdtContent></w:sdt>"
        )
    };
    let body = format!(
        "<w:p><w:r><w:t>area</w:t></w:r><m:oMath><m:r><m:t>A=π</m:t></m:r><m:sSup><m:e><m:r><m:t>r</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath><w:r><w:t>.</w:t></w:r><w:r><w:commentReference w:id='0'/></w:r></w:p><w:p>{}{}</w:p><w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:r><w:t>left</w:t></w:r></w:p>",
        control("<w:showingPlcHdr/>", "Click here"),
        control("", "filled")
    );
    let comments = "<w:comments><w:comment w:id='0' w:author='Ann'><w:p><w:r><w:t>why?</w:t></w:r></w:p></w:comment></w:comments>";
    let builder = read_with(
        &body,
        &[("comments", "comments.xml")],
        &[("word/comments.xml", comments)],
    );
    let texts: Vec<&str> = builder.body().map(|e| e.text.as_str()).collect();
    assert_eq!(texts, ["area A=πr^2 .", "Ann: why?", "filled", "left"]);
    let report = &builder.report;
    assert_eq!(
        report.chars_seen - report.chars_kept,
        13,
        "the prompt and the deletion"
    );
}

proptest! {
    #[test]
    fn never_panics(parts in proptest::collection::vec(0usize..24, 0..60)) {
        const PARTS: [&str; 24] = ["<w:p>", "</w:p>", "<w:tbl>", "</w:tbl>", "<w:tr>", "</w:tr>", "<w:tc>", "</w:tc>",
            "<w:t>", "</w:t>", "<w:r>", "</w:r>", "x", "<w:vMerge/>", "<w:gridSpan w:val='99999999'/>", "<w:del>", "</w:del>",
            "<w:numPr><w:numId w:val='5'/></w:numPr>", "<w:txbxContent>", "</w:txbxContent>", "&", "<", "<w:footnoteReference w:id='2'/>", "<w:gridBefore w:val='7'/>"];
        let body: String = parts.into_iter().map(|idx| PARTS[idx]).collect();
        let _ = read(&document(&body), &Context::for_test(), &mut Builder::new(1000));
    }
}
