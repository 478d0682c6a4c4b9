//! Small presentations made here, from the XML of their parts.

use cairn_types::WarningCode;
use proptest::prelude::*;

use super::*;
use crate::archive::tests::zip_of;

/// Parts by name and text.
type Parts = Vec<(String, String)>;
/// Kind, level, text and page of an element.
type Shape<'t> = (ElementKind, u8, &'t str, u32);

fn rels(targets: &[(&str, &str)]) -> String {
    let rel = |(idx, (kind, target)): (usize, &(&str, &str))| {
        format!(
            r#"<Relationship Id="r{}" Type="http://x/{kind}" Target="{target}"/>"#,
            idx + 1
        )
    };
    let all: String = targets.iter().enumerate().map(rel).collect();
    format!("<Relationships>{all}</Relationships>")
}

fn sp(properties: &str, place: &str, text: &str) -> String {
    format!(
        "<p:sp><p:nvSpPr><p:cNvPr id='1' name='n'/><p:nvPr>{properties}</p:nvPr></p:nvSpPr><p:spPr>{place}</p:spPr><p:txBody><a:bodyPr/><a:lstStyle/>{text}</p:txBody></p:sp>"
    )
}

fn p(text: &str) -> String {
    format!("<a:p><a:r><a:t>{text}</a:t></a:r></a:p>")
}

fn ph(kind: &str) -> String {
    format!("<p:ph type='{kind}'/>")
}

fn sld(shapes: &str) -> String {
    format!("<p:sld><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>")
}

/// A deck whose second file is its first slide.
fn deck(first: &str, first_rels: &[(&str, &str)], second: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut parts: Parts = vec![
        ("ppt/presentation.xml".into(), "<p:presentation><p:sldIdLst><p:sldId id='256' r:id='r2'/><p:sldId id='257' r:id='r1'/></p:sldIdLst></p:presentation>".into()),
        ("ppt/_rels/presentation.xml.rels".into(), rels(&[("slide", "slides/slide1.xml"), ("slide", "slides/slide2.xml"), ("commentAuthors", "commentAuthors.xml")])),
        ("ppt/commentAuthors.xml".into(), "<p:cmAuthorLst><p:cmAuthor id='0' name='Ann'/></p:cmAuthorLst>".into()),
        ("ppt/slides/slide2.xml".into(), first.into()),
        ("ppt/slides/_rels/slide2.xml.rels".into(), rels(first_rels)),
        ("ppt/slides/slide1.xml".into(), second.into()),
    ];
    parts.extend(
        more.iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned())),
    );
    let members: Vec<(&str, &[u8])> = parts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_bytes()))
        .collect();
    zip_of(&members)
}

fn read_deck(bytes: &[u8]) -> Builder {
    let mut builder = Builder::new(1000);
    read(bytes, &Context::for_test(), &mut builder).unwrap();
    assert!(builder.report.chars_kept <= builder.report.chars_seen);
    builder
}

fn shapes(builder: &Builder) -> Vec<Shape<'_>> {
    let shape = |e: &'_ Element| (e.kind, e.level, e.page.unwrap_or(0));
    let all = builder.body();
    all.map(|e| (shape(e).0, shape(e).1, e.text.as_str(), shape(e).2))
        .collect()
}

#[test]
fn slides_come_in_their_order_with_notes_and_comments() {
    use ElementKind::{Heading, ListItem, Note, Paragraph};
    let bullets = "<a:p><a:pPr><a:buAutoNum type='arabicParenR' startAt='3'/></a:pPr><a:r><a:t>a</a:t></a:r></a:p><a:p><a:pPr lvl='1'><a:buChar char='x'/></a:pPr><a:r><a:t>b</a:t></a:r></a:p><a:p><a:pPr><a:buAutoNum type='arabicParenR' startAt='3'/></a:pPr><a:r><a:t>c</a:t></a:r></a:p><a:p><a:pPr><a:buNone/></a:pPr><a:r><a:t>R&amp;D</a:t></a:r><a:br/><a:r><a:t>two</a:t></a:r></a:p>";
    let first = sld(&[
        sp(&ph("body"), "", bullets),
        sp(&ph("ftr"), "", &p("Company 2027")),
        sp(
            &ph("sldNum"),
            "",
            "<a:p><a:fld type='slidenum'><a:t>7</a:t></a:fld></a:p>",
        ),
        sp(&ph("ctrTitle"), "", &p("Deck")),
    ]
    .concat());
    let notes = sld(&[
        sp(&ph("sldImg"), "", ""),
        sp(&ph("body"), "", &(p("say this") + &p("and that"))),
    ]
    .concat());
    let second = "<p:sld show='0'><p:sp><p:nvPr><p:ph type='title'/></p:nvPr><p:txBody><a:p><a:r><a:t>End</a:t></a:r></a:p></p:txBody></p:sp></p:sld>";
    let bytes = deck(
        &first,
        &[
            ("notesSlide", "../notesSlides/n.xml"),
            ("comments", "../comments/c.xml"),
        ],
        second,
        &[
            ("ppt/notesSlides/n.xml", &notes),
            (
                "ppt/comments/c.xml",
                "<p:cmLst><p:cm authorId='0'><p:text>why?</p:text></p:cm></p:cmLst>",
            ),
        ],
    );
    let builder = read_deck(&bytes);
    assert_eq!(
        shapes(&builder),
        [
            (Heading, 1, "Deck", 1),
            (ListItem, 1, "3) a", 1),
            (ListItem, 2, "- b", 1),
            (ListItem, 1, "4) c", 1),
            (Paragraph, 0, "R&D\ntwo", 1),
            (Note, 0, "say this\nand that", 1),
            (Note, 0, "Ann: why?", 1),
            (Heading, 2, "End", 2),
        ]
    );
    let report = &builder.report;
    assert_eq!(report.pages, Some(2));
    assert_eq!(
        report.chars_seen - report.chars_kept,
        12,
        "the footer and the number"
    );
    assert_eq!(report.warnings.len(), 1);
    assert_eq!(
        (report.warnings[0].code, report.warnings[0].page),
        (WarningCode::Hidden, Some(2))
    );
}

#[test]
fn bullets_and_places_come_from_the_layout() {
    let layout = sld(&[
        sp(
            "<p:ph type='body' idx='7'/>",
            "<a:xfrm><a:off x='0' y='50'/><a:ext cx='9' cy='9'/></a:xfrm>",
            "",
        ),
        sp("", "", &p("Logo")),
    ]
    .concat());
    let master = "<p:sldMaster><p:txStyles><p:bodyStyle><a:lvl1pPr><a:buChar char='o'/></a:lvl1pPr></p:bodyStyle></p:txStyles></p:sldMaster>";
    let first = sld(&[
        sp("<p:ph idx='7'/>", "", &p("below")),
        sp(
            "",
            "<a:xfrm><a:off x='0' y='0'/><a:ext cx='9' cy='9'/></a:xfrm>",
            &(p("above") + &p("it")),
        ),
    ]
    .concat());
    let bytes = deck(
        &first,
        &[("slideLayout", "../l.xml")],
        &sld(""),
        &[
            ("ppt/l.xml", &layout),
            ("ppt/_rels/l.xml.rels", &rels(&[("slideMaster", "m.xml")])),
            ("ppt/m.xml", master),
        ],
    );
    let builder = read_deck(&bytes);
    let texts: Vec<&str> = builder.body().map(|e| e.text.as_str()).collect();
    assert_eq!(texts, ["above", "it", "- below"]);
    assert_eq!(builder.report.chars_seen - builder.report.chars_kept, 4);
}

#[test]
fn merged_cells_are_resolved() {
    let tc = |attributes: &str, text: &str| {
        format!(
            "<a:tc {attributes}><a:txBody><a:bodyPr/>{}</a:txBody><a:tcPr/></a:tc>",
            p(text)
        )
    };
    let table = |rows: &[Vec<String>]| {
        let rows: String = rows
            .iter()
            .map(|row| format!("<a:tr>{}</a:tr>", row.concat()))
            .collect();
        format!(
            "<p:graphicFrame><a:graphic><a:graphicData><a:tbl><a:tblPr firstRow='1'/>{rows}</a:tbl></a:graphicData></a:graphic></p:graphicFrame>"
        )
    };
    let cases = [
        (
            vec![
                vec![tc("", "a"), tc("", "b")],
                vec![tc("", "1"), tc("", "2")],
            ],
            "a | b\n1 | 2",
        ),
        (
            vec![
                vec![tc("gridSpan='2'", "a"), tc("hMerge='1'", ""), tc("", "b")],
                vec![tc("", "1"), tc("", "2"), tc("", "3")],
            ],
            "a | a | b\n1 | 2 | 3",
        ),
        (
            vec![
                vec![tc("", "a"), tc("", "b")],
                vec![tc("rowSpan='2'", "x"), tc("", "1")],
                vec![tc("vMerge='1'", "stale"), tc("", "2")],
            ],
            "a | b\nx | 1\nx | 2",
        ),
        (
            vec![
                vec![
                    tc("gridSpan='2' rowSpan='2'", "x"),
                    tc("hMerge='1' rowSpan='2'", ""),
                    tc("", "1"),
                ],
                vec![
                    tc("vMerge='1' gridSpan='2'", ""),
                    tc("hMerge='1' vMerge='1'", ""),
                    tc("", "2"),
                ],
            ],
            "x | x | 1\nx | x | 2",
        ),
    ];
    for (rows, expect) in cases {
        let builder = read_deck(&deck(&sld(&table(&rows)), &[], &sld(""), &[]));
        assert_eq!(builder.body().next().unwrap().text, expect);
        assert_eq!(builder.body().next().unwrap().kind, ElementKind::Table);
    }
}

#[test]
fn what_is_missing_costs_a_warning_and_no_more() {
    let frame = |inner: &str| {
        format!(
            "<p:graphicFrame><a:graphic><a:graphicData>{inner}</a:graphicData></a:graphic></p:graphicFrame>"
        )
    };
    let first = sld(&[
        "<p:pic><p:nvPicPr><p:cNvPr id='1' descr='A duck'/></p:nvPicPr><p:blipFill><a:blip r:embed='nowhere'/></p:blipFill></p:pic>".to_owned(),
        "<p:pic><p:nvPicPr><p:cNvPr id='1' descr='IMG 1.jpeg'/></p:nvPicPr></p:pic>".to_owned(),
        frame("<c:chart r:id='r1'/>"),
        frame("<dgm:relIds r:dm='r9'/>"),
        frame("<mc:AlternateContent><mc:Choice><p:oleObj r:id='r2'><p:pic/></p:oleObj></mc:Choice><mc:Fallback><p:oleObj r:id='r2'/></mc:Fallback></mc:AlternateContent>"),
        sp("", "", &p("text")),
    ]
    .concat());
    let targets = [
        ("chart", "../charts/none.xml"),
        ("package", "../embeddings/a.txt"),
        ("notesSlide", "../none.xml"),
    ];
    let builder = read_deck(&deck(
        &first,
        &targets,
        &sld(""),
        &[("ppt/embeddings/a.txt", "embedded text")],
    ));
    let texts: Vec<&str> = builder.body().map(|e| e.text.as_str()).collect();
    assert_eq!(texts, ["A duck", "a.txt", "embedded text", "text"]);
    assert_eq!((builder.report.images, builder.report.parts), (2, 1));
    assert_eq!(
        builder.report.warnings.len(),
        5,
        "{:?}",
        builder.report.warnings
    );
    assert_eq!(builder.elements()[2].page, Some(1));
}

#[test]
fn a_deck_without_a_list_or_relationships_is_read_by_its_names() {
    let slide = |text: &str| sld(&sp("", "", &p(text)));
    let (one, two, ten) = (slide("one"), slide("two"), slide("ten"));
    let bytes = zip_of(&[
        ("ppt/slides/slide10.xml", ten.as_bytes()),
        ("ppt/slides/slide2.xml", two.as_bytes()),
        ("ppt/slides/slide1.xml", one.as_bytes()),
    ]);
    let builder = read_deck(&bytes);
    let texts: Vec<&str> = builder.body().map(|e| e.text.as_str()).collect();
    assert_eq!(texts, ["one", "two", "ten"]);
    let error = read(
        &zip_of(&[("x", b"y")]),
        &Context::for_test(),
        &mut Builder::new(1),
    );
    assert!(matches!(error, Err(ExtractError::Malformed { .. })));
}

#[test]
fn a_slide_of_pictures_says_that_it_was_not_read() {
    let first = sld("<p:pic><p:blipFill><a:blip r:embed='r1'/></p:blipFill></p:pic>");
    let builder = read_deck(&deck(
        &first,
        &[("image", "../media/a.png")],
        &sld(&sp("", "", &p("x"))),
        &[("ppt/media/a.png", "no picture")],
    ));
    // What stands in the member is plain text, which a reader of text gives back.
    assert_eq!(builder.elements()[0].page, Some(1));
    let first = first.replace("r1", "r7");
    let builder = read_deck(&deck(&first, &[], &sld(&sp("", "", &p("x"))), &[]));
    assert_eq!(builder.report.warnings[0].code, WarningCode::Unreadable);
}

#[test]
fn depth_costs_no_stack() {
    let deep = "<p:grpSp><p:sp><p:txBody><a:p><a:r><a:t>".repeat(50_000);
    let builder = read_deck(&deck(&deep, &[], &sld(&sp("", "", &p("x"))), &[]));
    assert_eq!(
        builder.elements().last().map(|e| e.text.as_str()),
        Some("x")
    );
}

proptest! {
    #[test]
    fn never_panics(parts in proptest::collection::vec(0usize..24, 0..60)) {
        const PARTS: [&str; 24] = ["<p:sp>", "</p:sp>", "<p:grpSp>", "</p:grpSp>", "<p:grpSpPr>", "</p:grpSpPr>", "<a:off x='1e308' y='-1'/>",
            "<a:ext cx='1e308' cy='0'/>", "<a:chExt cx='1' cy='1e-308'/>", "<a:tbl>", "</a:tbl>", "<a:tr>", "<a:tc gridSpan='99999999' rowSpan='-1'>", "</a:tc>",
            "<a:p>", "</a:p>", "<a:t>", "</a:t>", "x", "<p:ph type='title'/>", "<a:lvl9pPr>", "<a:buAutoNum startAt='4294967295'/>", "<p:pic>", "<mc:Fallback>"];
        let body: String = parts.into_iter().map(|idx| PARTS[idx]).collect();
        let bytes = deck(&body, &[("slideLayout", "slide2.xml")], &body, &[]);
        let _ = read(&bytes, &Context::for_test(), &mut Builder::new(1000));
    }
}

#[test]
fn slides_that_a_damaged_presentation_does_not_list_are_read() {
    let (one, two) = (sld(&sp("", "", &p("one"))), sld(&sp("", "", &p("two"))));
    let rels = rels(&[
        ("slide", "slides/slide1.xml"),
        ("slide", "slides/slide2.xml"),
    ]);
    for (list, expect, code) in [
        (
            "<p:presentation><p:sldIdLst><p:sldId id='256' r:id='r2'/><p:sldI",
            &["two", "one"][..],
            WarningCode::Recovered,
        ),
        (
            "<p:presentation><p:sldIdLst><p:sldId id='256' r:id='r2'/></p:sldIdLst></p:presentation>",
            &["two"][..],
            WarningCode::Hidden,
        ),
    ] {
        let bytes = zip_of(&[
            ("ppt/presentation.xml", list.as_bytes()),
            ("ppt/_rels/presentation.xml.rels", rels.as_bytes()),
            ("ppt/slides/slide1.xml", one.as_bytes()),
            ("ppt/slides/slide2.xml", two.as_bytes()),
        ]);
        let builder = read_deck(&bytes);
        let texts: Vec<&str> = builder.body().map(|e| e.text.as_str()).collect();
        assert_eq!(texts, expect);
        assert_eq!(builder.report.warnings[0].code, code);
    }
}
