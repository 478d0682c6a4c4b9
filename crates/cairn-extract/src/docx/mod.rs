//! Word documents (OOXML, transitional and strict) to elements, by hand over `zip` and `quick-xml`.
//!
//! Names are compared without their namespace prefix: both flavours of the format use the same local names.
//! Deleted text of tracked changes and hidden text are left out; footnotes and comments follow the paragraph
//! that refers to them; headers come first and footers last, each text once.

mod body;
mod styles;

use cairn_types::{Element, ElementKind, WarningCode};

use crate::builder::{Builder, count_text};
use crate::context::Context;
use crate::error::ExtractError;
use crate::ooxml::Package;
use crate::table::push_span_table;
use crate::text::{clean, collapse, collapse_lines};
use crate::xml::part_text;
use body::{Item, NoteKind, Paragraph, Part};
use styles::{Numbering, Role, Styles};

/// Reads a Word document.
pub(crate) fn read(
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let mut package = Package::open(bytes, cx)?;
    let main = package.main_part("word/document.xml")?;
    let Some(document) = package.read(&main)? else {
        return Err(ExtractError::malformed(format!("it has no part `{main}`")));
    };
    let rels = package.relationships(&main)?;
    let mut part = |kind: &str| -> Result<Vec<String>, ExtractError> {
        let mut found = Vec::new();
        for target in rels.of_kind(kind) {
            found.extend(package.text(target, None, builder)?);
        }
        Ok(found)
    };
    let one = |found: Vec<String>| found.into_iter().next().unwrap_or_default();
    let styles = Styles::read(&one(part("styles")?));
    let numbering = Numbering::read(&one(part("numbering")?), &styles);
    let body = body::read(&part_text(&document));
    let mut notes = Vec::new();
    for kind in ["footnotes", "endnotes", "comments"] {
        notes.extend(body::read(&one(part(kind)?)).notes);
    }
    let headers = furniture(&part("header")?);
    let footers = furniture(&part("footer")?);
    builder.title = package.title("docProps/core.xml")?;

    let mut state = State {
        builder,
        styles,
        numbering,
        notes: &notes,
    };
    for text in headers {
        state.builder.push(Element::new(ElementKind::Note, text));
    }
    state.note_problems(&body);
    for item in &body.items {
        state.item(item);
    }
    for text in footers {
        state.builder.push(Element::new(ElementKind::Note, text));
    }
    Ok(())
}

/// Texts of headers or footers: each once, none that is only a number.
fn furniture(parts: &[String]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for xml in parts {
        let mut text = String::new();
        for item in body::read(xml).items {
            let line = match item {
                Item::Paragraph(paragraph) => paragraph.text,
                Item::Table(rows) => rows
                    .iter()
                    .flatten()
                    .map(|cell| cell.text.as_str())
                    .collect::<Vec<_>>()
                    .join(" "),
                Item::Image(_) => continue,
            };
            text.push_str(&collapse(&line));
            text.push('\n');
        }
        let text = collapse_lines(&text);
        if text.chars().any(char::is_alphabetic) && !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

struct State<'b> {
    builder: &'b mut Builder,
    styles: Styles,
    numbering: Numbering,
    notes: &'b [(NoteKind, String, String)],
}

impl State<'_> {
    fn note_problems(&mut self, body: &Part) {
        self.builder.report.images += body.n_images;
        if body.n_hidden > 0 {
            self.builder.left_out(body.n_hidden);
            let n = body.n_hidden;
            self.builder.warn(
                WarningCode::Hidden,
                None,
                format!("{n} characters of hidden text were left out"),
            );
        }
        if let Some(error) = &body.error {
            self.builder.warn(
                WarningCode::Recovered,
                None,
                format!("the text was read only in part: {error}"),
            );
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Paragraph(paragraph) => self.paragraph(paragraph),
            Item::Table(rows) => push_span_table(self.builder, rows, None),
            Item::Image(alt) => {
                self.builder
                    .push_counted(Element::new(ElementKind::Image, alt.as_str()), 0);
            }
        }
    }

    fn paragraph(&mut self, paragraph: &Paragraph) {
        let text = collapse_lines(&clean(&paragraph.text).0);
        if !text.is_empty() {
            let n_chars = count_text(&text);
            let style = self.styles.resolve(paragraph.style.as_deref());
            let number = paragraph
                .number
                .or(style.number)
                .filter(|(list, _)| *list != 0);
            let marker = number.and_then(|(list, level)| self.numbering.next(list, level));
            let role = match paragraph.outline {
                Some(level) if level < 9 => Role::Heading(level + 1),
                _ => style.role,
            };
            let mut element = match role {
                Role::Title | Role::Heading(_) => {
                    let text = text.replace('\n', " ");
                    let label = marker.filter(|marker| marker != "-");
                    let text = label.map_or(text.clone(), |label| format!("{label} {text}"));
                    if role == Role::Title && self.builder.title.is_none() {
                        self.builder.title = Some(text.clone());
                    }
                    Element::new(ElementKind::Heading, text)
                }
                Role::Text | Role::List => match marker {
                    Some(marker) if marker.is_empty() => Element::new(ElementKind::ListItem, text),
                    Some(marker) => Element::new(ElementKind::ListItem, format!("{marker} {text}")),
                    None if role == Role::List => {
                        Element::new(ElementKind::ListItem, format!("- {text}"))
                    }
                    None => Element::new(ElementKind::Paragraph, text),
                },
            };
            element.level = match (element.kind, role) {
                (ElementKind::Heading, Role::Heading(level)) => level.clamp(1, 9),
                (ElementKind::Heading, _) => 1,
                (ElementKind::ListItem, _) => number.map_or(1, |(_, level)| level.min(8) + 1),
                _ => 0,
            };
            self.builder.push_counted(element, n_chars);
        }
        for item in &paragraph.after {
            self.item(item);
        }
        for (kind, id) in &paragraph.notes {
            self.note(*kind, id);
        }
    }

    fn note(&mut self, kind: NoteKind, id: &str) {
        let found = self
            .notes
            .iter()
            .find(|(found, found_id, _)| *found == kind && found_id == id);
        let Some((_, _, text)) = found else {
            return;
        };
        let text = collapse_lines(&clean(text).0);
        let text = match kind {
            NoteKind::Footnote | NoteKind::Endnote => format!("[{id}] {text}"),
            NoteKind::Comment => text,
        };
        self.builder.push(Element::new(ElementKind::Note, text));
    }
}

#[cfg(test)]
mod tests {
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
        builder.elements()[1..]
            .iter()
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
        assert_eq!(builder.elements()[0].text, "Company");
        assert_eq!(builder.elements()[0].kind, ElementKind::Note);
        assert_eq!(builder.title.as_deref(), Some("R&D"));
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
}
