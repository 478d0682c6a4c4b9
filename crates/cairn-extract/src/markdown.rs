//! Markdown to elements, by the event stream of `pulldown-cmark`.
//!
//! Inline marks go, their text stays; a link keeps its text. Front matter (`---` or `+++`) gives the title.
//! HTML inside goes through the HTML reader.

use cairn_types::ElementKind;
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::builder::Builder;
use crate::prose::{Lists, push_block};
use crate::table::{Table, push_table};
use crate::text::{collapse, decode};
use crate::{code, html};

/// Reads Markdown.
pub(crate) fn read(bytes: &[u8], builder: &mut Builder) {
    let decoded = decode(bytes);
    decoded.note(builder);
    read_text(&decoded.text, builder);
}

/// Reads Markdown within another format.
pub(crate) fn read_text(text: &str, builder: &mut Builder) {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS
        | Options::ENABLE_DEFINITION_LIST;
    let mut state = State {
        builder,
        text: String::new(),
        lists: Lists::default(),
        marker: None,
        verbatim: None,
        table: None,
        in_note: None,
    };
    for event in Parser::new_ext(text, options) {
        state.event(event);
    }
    state.flush(ElementKind::Paragraph);
}

enum Verbatim {
    Code(Option<String>),
    Metadata,
    Html,
}

struct State<'b> {
    builder: &'b mut Builder,
    /// Inline text of the open block.
    text: String,
    lists: Lists,
    /// Marker of the list item whose first text is still to come.
    marker: Option<String>,
    verbatim: Option<Verbatim>,
    table: Option<Table>,
    in_note: Option<String>,
}

impl State<'_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Code(text) => self.text.push_str(&text),
            Event::InlineMath(text) | Event::DisplayMath(text) => self.text.push_str(&text),
            Event::Html(text) => self.text.push_str(&text),
            Event::InlineHtml(tag) => {
                if tag.to_ascii_lowercase().starts_with("<br") {
                    self.text.push('\n');
                }
            }
            Event::FootnoteReference(label) => {
                self.text.push('[');
                self.text.push_str(&label);
                self.text.push(']');
            }
            Event::SoftBreak => self.text.push(' '),
            Event::HardBreak => self.text.push('\n'),
            Event::Rule => self.flush(ElementKind::Paragraph),
            Event::TaskListMarker(done) => {
                self.text.push_str(if done { "[x] " } else { "[ ] " });
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { .. }
            | Tag::Paragraph
            | Tag::BlockQuote(_)
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition => self.flush(ElementKind::Paragraph),
            Tag::CodeBlock(kind) => {
                self.flush(ElementKind::Paragraph);
                let language = match kind {
                    CodeBlockKind::Fenced(info) => info
                        .split([' ', ',', '{'])
                        .next()
                        .filter(|word| !word.is_empty())
                        .map(str::to_ascii_lowercase),
                    CodeBlockKind::Indented => None,
                };
                self.verbatim = Some(Verbatim::Code(language));
            }
            Tag::HtmlBlock => {
                self.flush(ElementKind::Paragraph);
                self.verbatim = Some(Verbatim::Html);
            }
            Tag::MetadataBlock(_) => self.verbatim = Some(Verbatim::Metadata),
            Tag::List(first) => {
                self.flush(ElementKind::Paragraph);
                self.lists.open(first);
            }
            Tag::Item => {
                self.flush(ElementKind::Paragraph);
                self.marker = Some(self.lists.next_marker());
            }
            Tag::FootnoteDefinition(label) => {
                self.flush(ElementKind::Paragraph);
                self.in_note = Some(label.to_string());
            }
            Tag::Table(_) => {
                self.flush(ElementKind::Paragraph);
                self.table = Some(Table::default());
            }
            Tag::TableRow => {
                if let Some(table) = &mut self.table {
                    table.rows.push(Vec::new());
                }
            }
            Tag::Image { .. } => self.builder.report.images += 1,
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => {
                let text = collapse(&std::mem::take(&mut self.text));
                let level = match level {
                    HeadingLevel::H1 => 1,
                    HeadingLevel::H2 => 2,
                    HeadingLevel::H3 => 3,
                    HeadingLevel::H4 => 4,
                    HeadingLevel::H5 => 5,
                    HeadingLevel::H6 => 6,
                };
                self.builder.heading(level, text);
            }
            TagEnd::Paragraph | TagEnd::BlockQuote(_) | TagEnd::DefinitionListDefinition => {
                self.flush(ElementKind::Paragraph);
            }
            TagEnd::DefinitionListTitle => self.flush(ElementKind::Paragraph),
            TagEnd::CodeBlock | TagEnd::HtmlBlock | TagEnd::MetadataBlock(_) => {
                let text = std::mem::take(&mut self.text);
                match self.verbatim.take() {
                    Some(Verbatim::Code(language)) => {
                        code::push_code(self.builder, &text, language.as_deref());
                    }
                    Some(Verbatim::Html) => html::read_fragment(&text, self.builder),
                    Some(Verbatim::Metadata) => self.metadata(&text),
                    None => {}
                }
            }
            TagEnd::Item => {
                self.flush(ElementKind::Paragraph);
                self.marker = None;
            }
            TagEnd::List(_) => {
                self.lists.close();
            }
            TagEnd::FootnoteDefinition => {
                self.flush(ElementKind::Note);
                self.in_note = None;
            }
            TagEnd::TableCell => {
                let cell = collapse(&std::mem::take(&mut self.text));
                if let Some(table) = &mut self.table {
                    match table.rows.last_mut() {
                        Some(row) => row.push(cell),
                        None => table.header.push(cell),
                    }
                }
            }
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    push_table(self.builder, &table);
                }
            }
            _ => {}
        }
    }

    /// Ends the open block.
    fn flush(&mut self, kind: ElementKind) {
        if self.verbatim.is_some() {
            return;
        }
        let text = std::mem::take(&mut self.text);
        if text.trim().is_empty() {
            return;
        }
        let (kind, marker) = match &self.in_note {
            Some(label) => (ElementKind::Note, Some(format!("[{label}]"))),
            None => (kind, self.marker.take()),
        };
        push_block(self.builder, kind, self.lists.level(), marker, &text);
    }

    /// The title from `title: ...` or `title = ...`; the rest is kept as a block of its own.
    fn metadata(&mut self, text: &str) {
        for line in text.lines() {
            let found = line.strip_prefix("title").map(str::trim_start);
            if let Some(value) = found.and_then(|rest| rest.strip_prefix([':', '='])) {
                let value = value.trim().trim_matches(['"', '\'']);
                if !value.is_empty() {
                    self.builder.title = Some(value.to_owned());
                }
            }
        }
        code::push_code(self.builder, text, Some("yaml"));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Shape<'t> = (ElementKind, u8, &'t str);

    fn shape(input: &str) -> Vec<(ElementKind, u8, String)> {
        let mut builder = Builder::new(1000);
        read(input.as_bytes(), &mut builder);
        builder
            .body()
            .map(|e| (e.kind, e.level, e.text.clone()))
            .collect()
    }

    #[test]
    fn blocks_become_elements() {
        use ElementKind::{Code, Heading, ListItem, Note, Paragraph, Table};
        let cases: [(&str, &[Shape<'_>]); 8] = [
            (
                "# A *b*\n\ntext `c` [link](http://x)\nmore",
                &[(Heading, 1, "A b"), (Paragraph, 0, "text c link more")],
            ),
            ("Setext\n---\n", &[(Heading, 2, "Setext")]),
            (
                "1. one\n2. two\n   - deep\n",
                &[
                    (ListItem, 1, "1. one"),
                    (ListItem, 1, "2. two"),
                    (ListItem, 2, "- deep"),
                ],
            ),
            (
                "- a\n\n  more\n- [x] b\n",
                &[
                    (ListItem, 1, "- a"),
                    (Paragraph, 0, "more"),
                    (ListItem, 1, "- [x] b"),
                ],
            ),
            (
                "```Rust ignore\nfn a() {\n    b\n}\n```\n",
                &[(Code, 0, "fn a() {\n    b\n}")],
            ),
            (
                "| A | B |\n|---|---|\n| 1 | x\\|y |\n",
                &[(Table, 0, "A | B\n1 | x|y")],
            ),
            (
                "x[^1]\n\n[^1]: foot\n",
                &[(Paragraph, 0, "x[1]"), (Note, 0, "[1] foot")],
            ),
            (
                "<div>in <b>html</b></div>\n\na<br>b",
                &[(Paragraph, 0, "in html"), (Paragraph, 0, "a\nb")],
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
    fn front_matter_names_the_title() {
        let mut builder = Builder::new(10);
        read(
            b"---\ntitle: \"My page\"\ntags: [a]\n---\n# Other\n",
            &mut builder,
        );
        assert_eq!(
            builder.finish("text/markdown").title.as_deref(),
            Some("My page")
        );
    }

    proptest! {
        #[test]
        fn never_panics(input in "[-#*`|>\\[\\]()<a-c:1.\n ~^\\\\!]{0,200}") {
            shape(&input);
        }
    }
}
