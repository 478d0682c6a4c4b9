//! Small documents made here, from the XML of their parts.

use cairn_types::WarningCode;
use proptest::prelude::*;

use super::*;
use crate::archive::tests::zip_of;

/// Kind, level and text of an element.
type Shape<'t> = (ElementKind, u8, &'t str);

const STYLES: &str = "<office:styles><style:style style:name='Title'/><text:list-style style:name='N'><text:list-level-style-number text:level='1' style:num-format='1' style:num-suffix='.'/><text:list-level-style-bullet text:level='2'/></text:list-style><text:list-style style:name='D'><text:list-level-style-number text:level='1' style:num-format='1'/><text:list-level-style-number text:level='2' style:num-format='1' text:display-levels='2'/></text:list-style><text:outline-style><text:outline-level-style text:level='1' style:num-format='I' style:num-suffix='.'/></text:outline-style></office:styles><office:master-styles><style:master-page><style:footer><text:p>Footer</text:p></style:footer></style:master-page></office:master-styles>";

fn document(body: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let content = format!(
        "<office:document-content><office:automatic-styles><style:style style:name='hid'><style:text-properties text:display='none'/></style:style><style:style style:name='dp'><style:drawing-page-properties presentation:visibility='hidden'/></style:style></office:automatic-styles><office:body>{body}</office:body></office:document-content>"
    );
    let mut members: Vec<(&str, &[u8])> = vec![
        ("mimetype", b"application/vnd.oasis.opendocument.text"),
        ("content.xml", content.as_bytes()),
        ("styles.xml", STYLES.as_bytes()),
        ("meta.xml", b"<m><dc:title>Own title</dc:title></m>"),
    ];
    members.extend(more.iter().map(|(name, text)| (*name, text.as_bytes())));
    zip_of(&members)
}

fn read_all(bytes: &[u8]) -> Builder {
    let mut builder = Builder::new(1000);
    read(bytes, &Context::for_test(), &mut builder).unwrap();
    assert!(builder.report.chars_kept <= builder.report.chars_seen);
    builder
}

fn shapes(builder: &Builder) -> Vec<Shape<'_>> {
    let all = builder.body();
    all.map(|e| (e.kind, e.level, e.text.as_str())).collect()
}

#[test]
fn texts_have_their_structure() {
    use ElementKind::{Heading, Image, ListItem, Note, Paragraph, Table};
    let item = |text: &str| format!("<text:list-item><text:p>{text}</text:p></text:list-item>");
    let cases: [(String, Vec<Shape<'_>>); 11] = [
        ("<text:p text:style-name='Title'>T</text:p><text:h text:outline-level='1'>One</text:h><text:h text:outline-level='2'>Two</text:h><text:h text:outline-level='1'>Three</text:h>".into(),
         vec![(Heading, 1, "T"), (Heading, 1, "I. One"), (Heading, 2, "Two"), (Heading, 1, "II. Three")]),
        ("<text:p>a<text:s text:c='3'/>b<text:tab/>c\n  d<text:line-break/>e &amp; f</text:p>".into(), vec![(Paragraph, 0, "a b c d\ne & f")]),
        (format!("<text:list text:style-name='N'>{}<text:list-item><text:p>b</text:p><text:p>more</text:p><text:list>{}</text:list></text:list-item></text:list><text:list text:style-name='N' text:continue-numbering='true'>{}</text:list><text:list text:style-name='N'>{}</text:list>", item("a"), item("c"), item("d"), item("e")),
         vec![(ListItem, 1, "1. a"), (ListItem, 1, "2. b"), (Paragraph, 0, "more"), (ListItem, 2, "- c"), (ListItem, 1, "3. d"), (ListItem, 1, "1. e")]),
        ("<text:p>x<text:note text:note-class='footnote'><text:note-citation>7</text:note-citation><text:note-body><text:p>low</text:p></text:note-body></text:note>y<office:annotation><dc:creator>Ann</dc:creator><dc:date>2027</dc:date><text:p>why?</text:p></office:annotation></text:p>".into(),
         vec![(Paragraph, 0, "x[7]y"), (Note, 0, "[7] low"), (Note, 0, "Ann: why?")]),
        ("<text:tracked-changes><text:changed-region><text:deletion><text:p>gone</text:p></text:deletion></text:changed-region></text:tracked-changes><text:p>kept<text:change/><text:span text:style-name='hid'>secret</text:span></text:p><text:section text:display='none'><text:p>secret</text:p></text:section><text:section><text:p>open</text:p></text:section>".into(),
         vec![(Paragraph, 0, "kept"), (Paragraph, 0, "open")]),
        ("<text:p>a<draw:frame><draw:text-box><text:p>box</text:p></draw:text-box></draw:frame></text:p><text:p><draw:frame><draw:image xlink:href='Pictures/a.png'/><svg:title>Duck</svg:title><svg:desc>on a pond</svg:desc></draw:frame></text:p>".into(),
         vec![(Paragraph, 0, "a"), (Paragraph, 0, "box"), (Image, 0, "Duck on a pond")]),
        ("<text:p><draw:frame><draw:object xlink:href='./Object 1'/><draw:image xlink:href='./r'/></draw:frame></text:p>".into(),
         vec![(Paragraph, 0, "E = 2")]),
        ("<text:p><draw:frame><draw:object xlink:href='./Object 2'/></draw:frame></text:p>".into(),
         vec![(Paragraph, 0, "Sales"), (Table, 0, "| North\nQ1 | 7")]),
        ("<table:table><table:table-row><table:table-cell><text:p><draw:frame><draw:object-ole xlink:href='./o.txt'/></draw:frame></text:p></table:table-cell><table:table-cell><text:p>x</text:p></table:table-cell></table:table-row></table:table>".into(),
         vec![(Table, 0, "| x"), (Heading, 3, "o.txt"), (Paragraph, 0, "within")]),
        (["a", "b"].map(|text| format!("<text:list text:style-name='D' text:continue-numbering='true'><text:list-item><text:list><text:list-item><text:h text:outline-level='2'>{text}</text:h></text:list-item></text:list></text:list-item></text:list>")).concat(),
         vec![(Heading, 2, "1.1 a"), (Heading, 2, "1.2 b")]),
        ("<text:list><text:list-item><text:p>no style</text:p></text:list-item></text:list>".into(), vec![(ListItem, 1, "- no style")]),
    ];
    let more = [
        ("Pictures/a.png", "p"),
        (
            "Object 1/content.xml",
            "<math><semantics><mrow><mi>E</mi><mo>=</mo><mn>2</mn></mrow><annotation>E = 2</annotation></semantics></math>",
        ),
        (
            "Object 2/content.xml",
            "<office:document-content><office:body><office:chart><chart:chart><chart:title><text:p>Sales</text:p></chart:title><table:table table:name='local-table'><table:table-header-rows><table:table-row><table:table-cell><text:p/></table:table-cell><table:table-cell><text:p>North</text:p></table:table-cell></table:table-row></table:table-header-rows><table:table-row><table:table-cell><text:p>Q1</text:p></table:table-cell><table:table-cell><text:p>7</text:p></table:table-cell></table:table-row></table:table></chart:chart></office:chart></office:body></office:document-content>",
        ),
        ("o.txt", "within"),
    ];
    for (body, expect) in cases {
        let builder = read_all(&document(
            &format!("<office:text>{body}</office:text>"),
            &more,
        ));
        assert_eq!(shapes(&builder), expect, "{body}");
        assert_eq!(builder.title.as_deref(), Some("Own title"));
    }
}

#[test]
fn merged_and_repeated_cells_are_resolved() {
    let cell = |attributes: &str, text: &str| {
        format!("<table:table-cell {attributes}><text:p>{text}</text:p></table:table-cell>")
    };
    let covered = "<table:covered-table-cell/>";
    let row = |cells: &[&str]| format!("<table:table-row>{}</table:table-row>", cells.concat());
    let (a, b, c, d) = (cell("", "a"), cell("", "b"), cell("", "c"), cell("", "d"));
    let wide = cell("table:number-columns-spanned='2'", "w");
    let high = cell("table:number-rows-spanned='2'", "h");
    let both = cell(
        "table:number-rows-spanned='2' table:number-columns-spanned='2'",
        "x",
    );
    let twice = cell("table:number-columns-repeated='2'", "t");
    let empty = "<table:table-cell table:number-columns-repeated='16380'/>";
    let cases = [
        (row(&[&a, &b]) + &row(&[&c, &d]), "a | b\nc | d"),
        (
            row(&[&wide, covered, &a]) + &row(&[&b, &c, &d]),
            "w | w | a\nb | c | d",
        ),
        (row(&[&high, &a]) + &row(&[covered, &b]), "h | a\nh | b"),
        (
            row(&[&both, covered, &a]) + &row(&[covered, covered, &b]),
            "x | x | a\nx | x | b",
        ),
        // A row that spans cover whole.
        (
            row(&[&high, &high]) + &row(&[covered, covered]) + &row(&[&a, &b]),
            "h | h\nh | h\na | b",
        ),
        (
            row(&[&twice, empty]) + &row(&[&a, &b, empty]),
            "t | t\na | b",
        ),
        (
            format!(
                "<table:table-header-rows>{}</table:table-header-rows>{}",
                row(&[&a, &b]),
                row(&[&c, &d])
            ),
            "a | b\nc | d",
        ),
        (
            row(&[
                &a,
                "<table:table-cell><table:table><table:table-row><table:table-cell><text:p>in</text:p></table:table-cell><table:table-cell><text:p>ner</text:p></table:table-cell></table:table-row></table:table></table:table-cell>",
            ]),
            "a | in ner",
        ),
    ];
    for (rows, expect) in cases {
        let builder = read_all(&document(
            &format!("<table:table>{rows}</table:table>"),
            &[],
        ));
        assert_eq!(builder.body().next().unwrap().text, expect, "{rows}");
    }
}

#[test]
fn repetition_is_bounded_and_counted() {
    let body = "<table:table><table:table-row table:number-rows-repeated='1048576'><table:table-cell table:number-columns-repeated='16384'><text:p>x</text:p></table:table-cell></table:table-row></table:table>";
    let builder = read_all(&document(body, &[]));
    let report = &builder.report;
    assert!(report.cells <= 500_000 && report.cells_failed > 1_000_000);
    assert_eq!(report.warnings[0].code, WarningCode::Limit);
}

#[test]
fn slides_have_titles_notes_and_an_order() {
    use ElementKind::{Heading, Note, Paragraph};
    let frame = |class: &str, y: u8, text: &str| {
        format!(
            "<draw:frame presentation:class='{class}' svg:x='1cm' svg:y='{y}cm' svg:width='2cm' svg:height='1cm'><draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame>"
        )
    };
    let body = [
        "<office:presentation><presentation:footer-decl>F</presentation:footer-decl><draw:page draw:name='p1'>".to_owned(),
        frame("outline", 9, "low"),
        frame("", 5, "high"),
        frame("title", 0, "Start"),
        frame("subtitle", 2, "sub"),
        frame("page-number", 15, "1"),
        "<draw:g><draw:custom-shape svg:x='0cm' svg:y='12cm' svg:width='1cm' svg:height='1cm'><text:p>in a group</text:p></draw:custom-shape></draw:g>".to_owned(),
        format!("<presentation:notes>{}{}</presentation:notes></draw:page>", frame("notes", 1, "say"), frame("footer", 1, "no")),
        "<draw:page draw:name='Second' draw:style-name='dp'><draw:rect><text:p>x</text:p></draw:rect></draw:page>".to_owned(),
        "<draw:page><draw:frame><draw:image xlink:href='none.png'/></draw:frame></draw:page></office:presentation>".to_owned(),
    ]
    .concat();
    let builder = read_all(&document(&body, &[]));
    assert_eq!(
        shapes(&builder),
        [
            (Heading, 1, "Start"),
            (Paragraph, 0, "sub"),
            (Paragraph, 0, "high"),
            (Paragraph, 0, "low"),
            (Paragraph, 0, "in a group"),
            (Note, 0, "say"),
            (Heading, 2, "Second"),
            (Paragraph, 0, "x"),
        ]
    );
    let report = &builder.report;
    assert_eq!(
        (report.pages, report.pages_failed, report.images),
        (Some(3), 1, 1)
    );
    let codes: Vec<_> = report.warnings.iter().map(|w| (w.code, w.page)).collect();
    let expect = [
        (WarningCode::Hidden, 2),
        (WarningCode::Unreadable, 3),
        (WarningCode::NoTextLayer, 3),
    ];
    assert_eq!(codes, expect.map(|(code, page)| (code, Some(page))));
}

#[test]
fn encrypted_and_flat_files_are_told_apart() {
    let manifest = "<manifest:manifest><manifest:file-entry><manifest:encryption-data/></manifest:file-entry></manifest:manifest>";
    let bytes = document("", &[("META-INF/manifest.xml", manifest)]);
    let error = read(&bytes, &Context::for_test(), &mut Builder::new(9));
    assert_eq!(error, Err(ExtractError::PasswordRequired));
    let flat = format!(
        "<office:document>{STYLES}<office:body><office:text><text:h>Flat</text:h></office:text></office:body></office:document>"
    );
    assert_eq!(
        shapes(&read_all(flat.as_bytes())),
        [(ElementKind::Heading, 1, "I. Flat")]
    );
    let error = read(
        &zip_of(&[("x", b"y")]),
        &Context::for_test(),
        &mut Builder::new(9),
    );
    assert!(matches!(error, Err(ExtractError::Malformed { .. })));
}

#[test]
fn depth_costs_no_stack() {
    let n = 50_000;
    for deep in [
        "<table:table><table:table-row><table:table-cell>",
        "<text:list><text:list-item>",
        "<text:p><draw:frame>",
        "<draw:page>",
    ] {
        let body = format!("{}<text:p>x</text:p>", deep.repeat(n));
        let _ = read(
            &document(&body, &[]),
            &Context::for_test(),
            &mut Builder::new(100),
        );
    }
}

proptest! {
    #[test]
    fn never_panics(parts in proptest::collection::vec(0usize..26, 0..60)) {
        const PARTS: [&str; 26] = ["<text:p>", "</text:p>", "<text:h text:outline-level='99'>", "</text:h>", "<text:list text:style-name='N'>", "</text:list>",
            "<text:list-item text:start-value='4294967295'>", "<table:table>", "</table:table>", "<table:table-row table:number-rows-repeated='99999999'>", "</table:table-row>",
            "<table:table-cell table:number-columns-repeated='99999999' table:number-columns-spanned='0'>", "</table:table-cell>", "<table:covered-table-cell>x</table:covered-table-cell>",
            "x", "&", "<", "<draw:frame svg:x='1e308cm'>", "</draw:frame>", "<draw:page>", "</draw:page>", "<text:note>", "</text:note>", "<svg:title>", "<text:s text:c='99999999'/>", "<draw:object xlink:href='./'/>"];
        let body: String = parts.into_iter().map(|idx| PARTS[idx]).collect();
        let _ = read(&document(&body, &[]), &Context::for_test(), &mut Builder::new(1000));
    }
}
