//! Small documents of each vocabulary, and any input.

use cairn_types::ElementKind::{self, Code, Heading, Image, ListItem, Note, Paragraph, Table};
use proptest::prelude::*;

use super::*;

type Shape<'t> = (ElementKind, u8, &'t str);

fn document(input: &str) -> Builder {
    let mut builder = Builder::new(100_000);
    read(input.as_bytes(), &mut builder);
    builder
}

fn shape(input: &str) -> Vec<(ElementKind, u8, String)> {
    document(input)
        .body()
        .map(|e| (e.kind, e.level, e.text.clone()))
        .collect()
}

#[test]
fn vocabularies_become_elements() {
    let cases: [(&str, &[Shape<'_>]); 8] = [
        (
            "<article><front><article-meta><title-group><article-title>On <i>x</i></article-title></title-group><contrib><name><surname>Lee</surname><given-names>A B</given-names></name></contrib></article-meta></front><body><sec><title>Intro</title><p>See <xref>1</xref>.<list><list-item><p>one</p></list-item></list> After.</p><table-wrap><label>Table 1</label><caption><p>Cap</p></caption><table><thead><tr><th>A</th><th>B</th></tr></thead><tr><td>1</td><td>2</td></tr></table></table-wrap></sec></body><back><ref-list><title>References</title><ref><label>1</label><mixed-citation>Lee. <article-title>T</article-title>. 2019</mixed-citation></ref></ref-list><fn><p>foot</p></fn></back></article>",
            &[
                (Heading, 1, "On x"),
                (Paragraph, 0, "Lee A B"),
                (Heading, 2, "Intro"),
                (Paragraph, 0, "See 1."),
                (ListItem, 1, "- one"),
                (Paragraph, 0, "After."),
                (Paragraph, 0, "Table 1"),
                (Paragraph, 0, "Cap"),
                (Table, 0, "A | B\n1 | 2"),
                (Heading, 2, "References"),
                (ListItem, 1, "- 1 Lee. T. 2019"),
                (Note, 0, "foot"),
            ],
        ),
        (
            "<book><info><title>Guide</title></info><chapter><title>One</title><para>Use <code>x</code> now.</para><programlisting>a\n  b</programlisting><informaltable><tgroup><colspec colname='c1'/><colspec colname='c2'/><thead><row><entry>N</entry><entry>V</entry></row></thead><tbody><row><entry namest='c1' nameend='c2'>both</entry></row><row><entry morerows='1'>k</entry><entry>1</entry></row><row><entry>2</entry></row></tbody></tgroup></informaltable></chapter></book>",
            &[
                (Heading, 1, "Guide"),
                (Heading, 2, "One"),
                (Paragraph, 0, "Use x now."),
                (Code, 0, "a\n  b"),
                (Table, 0, "N | V\nboth\nk | 1\nk | 2"),
            ],
        ),
        (
            "<TEI><text><body><div><head>Canto</head><lg><l>first line of the <hi>poem</hi></l><l>second line</l></lg><p>Text<note place='foot'>n</note> on.</p></div></body></text></TEI>",
            &[
                (Heading, 2, "Canto"),
                (Paragraph, 0, "first line of the poem"),
                (Paragraph, 0, "second line"),
                (Paragraph, 0, "Text"),
                (Note, 0, "n"),
                (Paragraph, 0, "on."),
            ],
        ),
        (
            "<svg><title>Chart</title><style>x{}</style><g><text>2019 <tspan>up</tspan></text><text>2020</text></g></svg>",
            &[
                (Heading, 1, "Chart"),
                (Paragraph, 0, "2019 up"),
                (Paragraph, 0, "2020"),
            ],
        ),
        (
            "<items><item id='3'><name>Bolt</name><price cur='EUR'>2.5</price></item><item><name>Nut</name></item></items>",
            &[
                (
                    Paragraph,
                    0,
                    "item.id: 3\nname: Bolt\nprice.cur: EUR\nprice: 2.5",
                ),
                (Paragraph, 0, "name: Nut"),
            ],
        ),
        (
            "<xbrl><context id='c'><period><instant>2020-12-31</instant></period></context><unit id='u'><measure>USD</measure></unit><Assets contextRef='c' unitRef='u'>12</Assets></xbrl>",
            &[(Paragraph, 0, "Assets [2020-12-31]: 12 USD")],
        ),
        (
            "<!DOCTYPE a [<!ENTITY e \"boom\">]><doc><p>x &e; &amp; &#233;<![CDATA[ <b>]]></p><img alt='A cat'/></doc>",
            &[(Paragraph, 0, "x &e; & \u{e9} <b>"), (Image, 0, "A cat")],
        ),
        (
            "<doc>open <b>bold</b><p>unclosed</x></doc>",
            &[(Paragraph, 0, "open bold unclosed")],
        ),
    ];
    for (input, expect) in cases {
        let expect: Vec<_> = expect
            .iter()
            .map(|&(k, l, t)| (k, l, t.to_owned()))
            .collect();
        assert_eq!(shape(input), expect, "{input}");
    }
}

#[test]
fn depth_costs_no_stack() {
    let deep = format!(
        "{}x{}",
        "<a>b<c>".repeat(100_000),
        "</c></a>".repeat(100_000)
    );
    let builder = document(&deep);
    assert_eq!(builder.report.chars_kept, 100_001);
}

#[test]
fn other_encodings_are_read() {
    let mut builder = Builder::new(10);
    read(
        b"<?xml version='1.0' encoding='windows-1251'?><d><p>\xcf\xf0<b/>\xe8</p></d>",
        &mut builder,
    );
    assert_eq!(builder.elements()[0].text, "При");
}

proptest! {
    #[test]
    fn never_panics(parts in proptest::collection::vec(0usize..24, 0..60)) {
        const PARTS: [&str; 24] = ["<sec>", "</sec>", "<title>", "</title>", "<p>", "</p>", "text ", "<table>", "<row>", "<entry morerows='9'>", "</entry>",
            "</table>", "<list-item>", "</list-item>", "<fn>", "</fn>", "<x a='1'>", "</x>", "&e;", "<", "<![CDATA[", "]]>", "<code>", "<tgroup><colspec colname='a'/>"];
        let input: String = parts.into_iter().map(|idx| PARTS[idx]).collect();
        let report = document(&input).report;
        prop_assert!(report.chars_kept + report.chars_failed <= report.chars_seen);
        document(&format!("<xbrl>{input}"));
    }
}
