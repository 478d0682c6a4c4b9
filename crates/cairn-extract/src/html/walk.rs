//! The walk over the tree that turns blocks into elements.

use cairn_types::{Element, ElementKind};
use scraper::{ElementRef, Node, node::Element as Tag};

use super::pictures::Pictures;
use super::shown::{MAX_FRAMES, field_value, frame_page};
use super::{Content, is_hidden, table};
use crate::builder::Builder;
use crate::code::push_code;
use crate::prose::{Lists, push_block};
use crate::text::collapse_lines;

/// Adds what is below `root`, in document order.
pub(super) fn walk(
    root: ElementRef<'_>,
    content: Content,
    pictures: &mut Pictures<'_>,
    builder: &mut Builder,
) {
    walk_frame(root, content, 0, pictures, builder);
}

/// The same for a page within `n_frames` others.
fn walk_frame(
    root: ElementRef<'_>,
    content: Content,
    n_frames: usize,
    pictures: &mut Pictures<'_>,
    builder: &mut Builder,
) {
    let mut state = State {
        builder,
        pictures,
        content,
        n_frames,
        text: String::new(),
        lists: Lists::default(),
        marker: None,
        heading: None,
        pre: None,
        n_tables: 0,
        waiting: Vec::new(),
    };
    let mut node = *root;
    loop {
        let descend = match node.value() {
            Node::Element(tag) => match ElementRef::wrap(node) {
                Some(element) if node.id() != root.id() => state.enter(element, tag),
                _ => true,
            },
            Node::Text(text) => {
                state.add_text(text);
                false
            }
            _ => false,
        };
        if descend && let Some(child) = node.first_child() {
            node = child;
            continue;
        }
        if descend && let Node::Element(tag) = node.value() {
            state.leave(tag);
        }
        loop {
            if node.id() == root.id() {
                state.flush();
                return;
            }
            if let Some(next) = node.next_sibling() {
                node = next;
                break;
            }
            let Some(parent) = node.parent() else {
                state.flush();
                return;
            };
            node = parent;
            if let Node::Element(tag) = node.value() {
                state.leave(tag);
            }
        }
    }
}

struct State<'b, 'p> {
    builder: &'b mut Builder,
    pictures: &'b mut Pictures<'p>,
    content: Content,
    /// Pages around this one.
    n_frames: usize,
    /// Inline text of the open block; line breaks in it are real ones.
    text: String,
    lists: Lists,
    marker: Option<String>,
    heading: Option<u8>,
    /// Inside preformatted text: its language, once known.
    pre: Option<Option<String>>,
    /// Layout tables that are open.
    n_tables: usize,
    /// Pictures whose text follows the open block.
    waiting: Vec<(String, Vec<u8>)>,
}

impl State<'_, '_> {
    fn add_text(&mut self, text: &str) {
        if self.pre.is_some() {
            self.text.push_str(text);
            return;
        }
        // Line breaks of the source are white space; real ones come from `<br>`.
        self.text.extend(text.chars().map(|c| {
            if c.is_whitespace() && c != '\u{a0}' {
                ' '
            } else {
                c
            }
        }));
    }

    /// Returns whether to go on below the element.
    fn enter(&mut self, element: ElementRef<'_>, tag: &Tag) -> bool {
        if self.content.skips(tag) {
            self.frame(tag);
            return false;
        }
        if self.pre.is_some() {
            match tag.name() {
                "br" => self.text.push('\n'),
                "code" => {
                    if let Some(language @ None) = &mut self.pre {
                        *language = language_of(tag);
                    }
                }
                _ => {}
            }
            return true;
        }
        match tag.name() {
            "br" => self.text.push('\n'),
            "img" => {
                self.image(tag);
                return false;
            }
            "input" => {
                if let Some(value) = field_value(tag) {
                    self.add_text(" ");
                    self.add_text(value);
                    self.add_text(" ");
                }
                return false;
            }
            "tspan" => self.add_text(" "),
            "pre" => {
                self.flush();
                self.pre = Some(language_of(tag));
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.flush();
                self.heading = tag.name()[1..].parse().ok();
            }
            "ul" | "menu" => {
                self.flush();
                self.lists.open(None);
            }
            "ol" => {
                self.flush();
                let start = tag
                    .attr("start")
                    .and_then(|start| start.trim().parse().ok());
                self.lists.open(Some(start.unwrap_or(1)));
            }
            "li" => {
                self.flush();
                self.marker = Some(self.lists.next_marker());
            }
            "table" => {
                self.flush();
                if table::read(element, self.content, self.builder, self.n_tables) {
                    return false;
                }
                self.n_tables += 1;
            }
            name if is_block(name) => self.flush(),
            _ => {}
        }
        true
    }

    fn leave(&mut self, tag: &Tag) {
        match tag.name() {
            "pre" => {
                if let Some(language) = self.pre.take() {
                    let text = std::mem::take(&mut self.text);
                    push_code(self.builder, &text, language.as_deref());
                }
            }
            _ if self.pre.is_some() => {}
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.flush();
                self.heading = None;
            }
            "ul" | "ol" | "menu" => {
                self.flush();
                self.lists.close();
            }
            "li" => {
                self.flush();
                self.marker = None;
            }
            "table" => {
                self.flush();
                self.n_tables = self.n_tables.saturating_sub(1);
            }
            name if is_block(name) => self.flush(),
            _ => {}
        }
    }

    /// Reads the page that a frame carries, where it is one that is seen.
    fn frame(&mut self, tag: &Tag) {
        if self.pre.is_some() || self.n_frames >= MAX_FRAMES || is_hidden(tag) {
            return;
        }
        if let Some(page) = frame_page(tag) {
            self.flush();
            let n_frames = self.n_frames + 1;
            let root = page.root_element();
            walk_frame(root, self.content, n_frames, self.pictures, self.builder);
        }
    }

    fn image(&mut self, tag: &Tag) {
        self.builder.report.images += 1;
        self.alternative(tag);
        let Some(source) = tag.attr("src") else {
            return;
        };
        if let Some(found) = self.pictures.find(source) {
            // It stands where the picture does: between what was before and what comes.
            self.waiting.push(found);
        }
    }

    fn alternative(&mut self, tag: &Tag) {
        let Some(alt) = tag.attr("alt").map(str::trim).filter(|alt| !alt.is_empty()) else {
            return;
        };
        if self.text.trim().is_empty() && self.heading.is_none() && self.marker.is_none() {
            self.builder
                .push(Element::new(ElementKind::Image, collapse_lines(alt)));
        } else {
            // Within running text a picture stands for a word.
            self.text.push_str(alt);
        }
    }

    /// Ends the open block.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        self.block(&text);
        for (name, bytes) in std::mem::take(&mut self.waiting) {
            self.pictures.push(&name, &bytes, self.builder);
        }
    }

    fn block(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        let (kind, level, marker) = match self.heading {
            Some(level) => (ElementKind::Heading, level, None),
            None => (
                ElementKind::Paragraph,
                self.lists.level(),
                self.marker.take(),
            ),
        };
        push_block(self.builder, kind, level, marker, text);
    }
}

fn language_of(tag: &Tag) -> Option<String> {
    tag.classes().find_map(|class| {
        let name = class
            .strip_prefix("language-")
            .or_else(|| class.strip_prefix("lang-"))?;
        (!name.is_empty()).then(|| name.to_ascii_lowercase())
    })
}

pub(super) fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "blockquote"
            | "body"
            | "caption"
            | "center"
            | "dd"
            | "details"
            | "dialog"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "form"
            | "header"
            | "hgroup"
            | "hr"
            | "legend"
            | "li"
            | "main"
            | "ol"
            | "option"
            | "p"
            | "pre"
            | "section"
            | "summary"
            | "table"
            | "tbody"
            | "text"
            | "td"
            | "tfoot"
            | "th"
            | "thead"
            | "tr"
            | "textarea"
            | "ul"
    )
}
