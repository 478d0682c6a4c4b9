//! Small documents, and any bytes.

use cairn_types::ElementKind::{self, Heading, ListItem, Note, Paragraph, Table};
use proptest::prelude::*;

use super::*;

fn document(body: &[u8]) -> Builder {
    let mut bytes = b"{\\rtf1\\ansi\\ansicpg1252\\deff0{\\fonttbl{\\f0\\fcharset0 Arial;}{\\f1\\fcharset204 Arial Cyr;}{\\f2\\fcharset2 Symbol;}{\\f3\\fcharset2 Wingdings;}{\\f4\\fcharset128 Mincho;}}{\\stylesheet{\\s0 Normal;}{\\s1 heading 1;}{\\s5\\outlinelevel2 \\'dcberschrift;}{\\*\\cs1 Strong;}}{\\*\\generator x}".to_vec();
    bytes.extend(body);
    bytes.push(b'}');
    let mut builder = Builder::new(1000);
    read(&bytes, &mut builder).unwrap();
    builder
}

fn shape(body: &[u8]) -> Vec<(ElementKind, u8, String)> {
    document(body)
        .body()
        .map(|e| (e.kind, e.level, e.text.clone()))
        .collect()
}

type Shape<'t> = (ElementKind, u8, &'t str);

#[test]
fn text_becomes_elements() {
    let cases: [(&[u8], &[Shape<'_>]); 18] = [
        (b"a\\par b\\line c\\tab d\\par", &[(Paragraph, 0, "a"), (Paragraph, 0, "b\nc d")]),
        (b"gr\\'fc\\'dfe {\\f1 \\'cf\\'f0} \\u8364?\\u-10179 ?\\u-8704 ?", &[(Paragraph, 0, "gr\u{fc}\u{df}e \u{41f}\u{440} \u{20ac}\u{1f600}")]),
        (b"{\\uc2\\u228 ae}x{\\uc0\\u228}y", &[(Paragraph, 0, "\u{e4}x\u{e4}y")]),
        (b"{\\f2 a\\'b3}{\\f3 z}{\\f4 \\'82\\'6c}", &[(Paragraph, 0, "\u{3b1}\u{2265}\u{2022}\u{ff2d}")]),
        (b"\\s1 Top\\par\\pard\\s5 Third\\par\\pard\\outlinelevel1 Second\\par\\pard x", &[(Heading, 1, "Top"), (Heading, 3, "Third"), (Heading, 2, "Second"), (Paragraph, 0, "x")]),
        (b"{\\listtext\\f2\\'b7\\tab}\\ls1 a\\par{\\listtext 2.\\tab}\\ilvl1\\ls1 b\\par\\pard{\\pntext 1)}c", &[(ListItem, 1, "- a"), (ListItem, 2, "2. b"), (ListItem, 1, "1) c")]),
        (b"a{\\footnote \\pard the note\\par}b\\par c", &[(Paragraph, 0, "ab"), (Note, 0, "the note"), (Paragraph, 0, "c")]),
        (b"{\\field{\\*\\fldinst HYPERLINK \"http://x\"}{\\fldrslt link}} x", &[(Paragraph, 0, "link x")]),
        (b"a{\\pict\\pngblip ffd8}b{\\pict\\bin4 }{\\x}c", &[(Paragraph, 0, "abc")]),
        (b"a {\\v hidden}\\v0 b {\\deleted gone}{\\*\\unknown text}c{\\header Page 1}", &[(Paragraph, 0, "a b c")]),
        (b"\\trowd\\trhdr\\cellx100\\cellx900\\intbl A\\cell B\\cell\\row\\trowd\\cellx100\\cellx900 1\\par 2\\cell 3\\cell\\row\\pard z", &[(Table, 0, "A | B\n1 2 | 3"), (Paragraph, 0, "z")]),
        (b"\\trowd\\clmgf\\cellx900\\clmrg\\cellx1800\\clvmgf\\cellx2700\\intbl a\\cell\\cell b\\cell\\row\\trowd\\cellx900\\cellx1800\\clvmrg\\cellx2700\\intbl 1\\cell 2\\cell\\cell\\row", &[(Table, 0, "a | a | b\n1 | 2 | b")]),
        (b"\\trowd\\cellx900\\cellx2700\\intbl a\\cell wide\\cell\\row\\trowd\\cellx900\\cellx1800\\cellx2710\\intbl 1\\cell 2\\cell 3\\cell\\row", &[(Table, 0, "a | wide | wide\n1 | 2 | 3")]),
        (b"\\intbl out\\par\\itap2 in1\\nestcell in2\\nestcell{\\*\\nesttableprops\\trowd\\cellx1\\nestrow}{\\nonesttables\\par}\\pard\\intbl\\itap1 end\\cell x\\cell\\trowd\\cellx900\\cellx1800\\row", &[(Table, 0, "out in1 in2 end | x")]),
        (b"a{\\shp{\\*\\shpinst{\\sp{\\sn n}{\\sv 1}}{\\shptxt box\\par}}{\\shprslt{\\*\\do{\\dptxbxtext box}}}}b", &[(Paragraph, 0, "ab"), (Paragraph, 0, "box")]),
        (b"{\\upr{old}{\\*\\ud{new \\u8364?}}}", &[(Paragraph, 0, "new \u{20ac}")]),
        (b"\\{a\\}\\~b\\_c\\-d\\\\ \\lquote e\\rquote", &[(Paragraph, 0, "{a} b\u{2011}cd\\ \u{2018}e\u{2019}")]),
        (b"{\\mmath{\\*\\moMath{\\mf{\\mfPr x}{\\mnum{\\mr a}}{\\mden{\\mr b}}}}}", &[(Paragraph, 0, "ab")]),
    ];
    for (input, expect) in cases {
        let expect: Vec<_> = expect
            .iter()
            .map(|&(k, l, t)| (k, l, t.to_owned()))
            .collect();
        assert_eq!(shape(input), expect, "{}", String::from_utf8_lossy(input));
    }
}

#[test]
fn what_is_left_out_is_counted() {
    let builder = document(b"{\\info{\\title My \\'84title\\'93}{\\author me}}ab{\\header cd}{\\v ef}{\\*\\custom gh}{\\pict 0102}");
    let report = &builder.report;
    assert_eq!(
        (report.chars_seen, report.chars_kept, report.images),
        (8, 2, 1)
    );
    assert_eq!(builder.title.as_deref(), Some("My \u{201e}title\u{201c}"));
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
}

#[test]
fn damage_is_named() {
    for (bytes, expect) in [
        (&b"{\\rtf1 a{\\b b"[..], "ends within a group"),
        (b"{\\rtf1 a} more", "after the end"),
        (b"{\\rtf1\\ansicpg7 a}", "code page 7"),
    ] {
        let mut builder = Builder::new(10);
        read(bytes, &mut builder).unwrap();
        let reasons = format!("{:?}", builder.report.warnings);
        assert!(reasons.contains(expect), "{reasons}");
        assert!(builder.elements()[0].text.starts_with('a'));
    }
    assert!(read(b"x", &mut Builder::new(1)).is_err());
}

#[test]
fn depth_costs_no_stack() {
    let mut deep = b"{\\rtf1 a".to_vec();
    deep.extend(b"{\\footnote b".repeat(100_000));
    let mut builder = Builder::new(1000);
    read(&deep, &mut builder).unwrap();
    assert_eq!(builder.elements()[0].text, "a");
    assert!(builder.report.chars_kept > 2_000);
}

proptest! {
    #[test]
    fn never_panics(parts in proptest::collection::vec(0usize..40, 0..60), junk in proptest::collection::vec(any::<u8>(), 0..20)) {
        const PARTS: [&[u8]; 40] = [b"{", b"}", b"\\par ", b"text ", b"\\cell ", b"\\row ", b"\\trowd", b"\\cellx9", b"\\cellx-99999",
            b"\\clmrg", b"\\clvmrg", b"\\intbl ", b"\\itap3 ", b"\\nestcell ", b"\\nestrow ", b"{\\footnote ", b"{\\shptxt ", b"{\\listtext ",
            b"\\u-10179 ?", b"\\uc9 ", b"\\'8", b"\\'82", b"\\f4 ", b"\\f2 ", b"\\*", b"\\bin3 ", b"\\v ", b"\\pard ", b"{\\upr", b"{\\*\\ud",
            b"{\\stylesheet", b"\\s99999999999 ", b"{\\fonttbl", b"{\\title ", b"\\outlinelevel99 ", b"\\ls1 ", b"{\\pict ", b"{\\header ", b"\\cellx2147483647", b"\\trhdr"];
        let mut body: Vec<u8> = parts.into_iter().flat_map(|idx| PARTS[idx]).copied().collect();
        body.extend(junk);
        let report = document(&body).report;
        prop_assert!(report.chars_kept + report.chars_failed <= report.chars_seen);
    }
}
