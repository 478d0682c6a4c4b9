//! XML to elements: articles and books by the names of their elements, records as lines, anything else by its shape.
//!
//! A tree is built (`tree`), then walked in document order. An element is inline where text stands beside it, a block
//! otherwise; `names` knows the elements of JATS, `DocBook`, TEI, patents and SVG. Attributes for readers (`alt`, `title`) are kept.
//! Entities are never expanded. O(n) time and memory; nesting costs no stack.

mod data;
mod names;
mod table;
mod tree;

use cairn_types::{Element, ElementKind, WarningCode};

use crate::builder::{Builder, count_text};
use crate::code::push_code;
use crate::table::push_spans;
use crate::text::{clean, collapse, collapse_lines};
use crate::xml::document_text;

use names::{Role, role};
use tree::{Data, Tree};

/// A group of short elements up to this many characters is one paragraph: a name, a date, an address. A guess.
const MAX_GROUP_CHARS: u64 = 300;

/// Reads a document.
pub(crate) fn read(bytes: &[u8], builder: &mut Builder) {
    let text = document_text(bytes);
    let tree = Tree::parse(&text);
    if let Some(error) = &tree.error {
        let reason = format!("the XML is damaged, the rest was not read: {error}");
        builder.failed(tree.n_failed);
        builder.warn(WarningCode::Unreadable, None, reason);
    }
    let root = tree.elements(0).next().unwrap_or(0);
    match tree.name(root) {
        "xbrl" => data::push_facts(&tree, root, builder),
        "svg" => push_prose(&tree, builder),
        _ if data::is_data(&tree) => data::push_records(&tree, builder),
        _ => push_prose(&tree, builder),
    }
}

fn push_prose(tree: &Tree, builder: &mut Builder) {
    let mut state = State {
        builder,
        text: String::new(),
        level: 1,
        open: Vec::new(),
    };
    tree.walk(
        0,
        &mut state,
        |state, node| state.enter(tree, node),
        |state, node| state.leave(tree, node),
    );
    state.flush();
}

struct State<'b> {
    builder: &'b mut Builder,
    /// Inline text of the open block.
    text: String,
    /// Of the next heading.
    level: u8,
    /// Blocks that are open and are more than a paragraph.
    open: Vec<Role>,
}

impl State<'_> {
    fn enter(&mut self, tree: &Tree, node: usize) -> bool {
        if let Data::Text(text) = &tree.nodes[node].data {
            if self.open.last() == Some(&Role::Code) {
                self.text.push_str(text);
            } else {
                self.text.extend(
                    text.chars()
                        .map(|c| if c.is_whitespace() { ' ' } else { c }),
                );
            }
            return false;
        }
        self.alternative(tree, node);
        match role(tree, node) {
            Role::LeftOut => {
                self.builder.left_out(count_text(&tree.text(node)));
                return false;
            }
            Role::Table => {
                self.flush();
                return !self.table(tree, node);
            }
            Role::Image => self.builder.report.images += 1,
            Role::Section => {
                self.flush();
                self.level = self.level.saturating_add(1);
            }
            role @ (Role::Heading | Role::Title | Role::Code | Role::Note | Role::Item) => {
                self.flush();
                self.open.push(role);
            }
            Role::Paragraph | Role::Container if !self.is_inline(tree, node) => self.flush(),
            Role::Paragraph | Role::Container => self.text.push(' '),
            Role::Unknown if self.is_inline(tree, node) => {
                if tree.is_break(node) {
                    self.text.push(' ');
                }
            }
            Role::Unknown => {
                self.flush();
                if is_group(tree, node) {
                    self.text.push_str(&tree.text(node));
                    self.flush();
                    return false;
                }
            }
        }
        true
    }

    fn leave(&mut self, tree: &Tree, node: usize) {
        if !matches!(tree.nodes[node].data, Data::Element { .. }) {
            return;
        }
        match role(tree, node) {
            Role::Section => {
                self.flush();
                self.level = self.level.saturating_sub(1);
            }
            role @ (Role::Heading | Role::Title | Role::Code | Role::Note | Role::Item) => {
                if role == Role::Heading
                    && let Some(level) = tree.attribute(node, "level").and_then(|n| n.parse().ok())
                    && self.open.last() == Some(&role)
                {
                    let before = std::mem::replace(&mut self.level, level);
                    self.level = self.level.saturating_add(1);
                    self.flush();
                    self.level = before;
                }
                self.flush();
                self.open.pop();
            }
            Role::Paragraph | Role::Container if !self.is_inline(tree, node) => self.flush(),
            Role::Unknown if !self.is_inline(tree, node) => self.flush(),
            Role::Unknown if !tree.is_break(node) => {}
            Role::Paragraph | Role::Container | Role::Unknown => self.text.push(' '),
            Role::Table | Role::Image | Role::LeftOut => {}
        }
    }

    /// Whether the element belongs to the text around it: text beside it, or a block of one text around it.
    fn is_inline(&self, tree: &Tree, node: usize) -> bool {
        let parent = tree.nodes[node].parent;
        tree.has_text(parent)
            || matches!(
                self.open.last(),
                Some(Role::Heading | Role::Title | Role::Code | Role::Note)
            )
            || self.open.last() == Some(&Role::Item) && role(tree, node) == Role::Unknown
            || !matches!(role(tree, node), Role::Paragraph | Role::Container)
                && role(tree, parent) == Role::Paragraph
    }

    /// Attributes that a reader would see.
    fn alternative(&mut self, tree: &Tree, node: usize) {
        for key in ["alt", "title", "aria-label"] {
            let Some(value) = tree.attribute(node, key) else {
                continue;
            };
            let value = collapse(&clean(value).0);
            if value.is_empty() {
                continue;
            }
            if key == "alt" && self.text.trim().is_empty() && self.open.is_empty() {
                self.builder.push(Element::new(ElementKind::Image, value));
            } else {
                self.text.push(' ');
                self.text.push_str(&value);
                self.text.push(' ');
            }
        }
    }

    /// Adds the table, or returns false where there are no rows in it.
    fn table(&mut self, tree: &Tree, node: usize) -> bool {
        let rows = table::rows(tree, node);
        if rows.iter().all(Vec::is_empty) {
            return false;
        }
        for child in tree.elements(node) {
            if matches!(tree.name(child), "title" | "caption" | "head" | "label") {
                self.builder
                    .paragraph(collapse(&clean(&tree.text(child)).0));
            }
        }
        push_spans(self.builder, &rows, None, None);
        true
    }

    /// Ends the open block.
    fn flush(&mut self) {
        let text = clean(&std::mem::take(&mut self.text)).0;
        let role = self.open.last().copied().unwrap_or(Role::Paragraph);
        if role == Role::Code {
            push_code(self.builder, &text, None);
            return;
        }
        let text = collapse_lines(&text);
        if text.is_empty() {
            return;
        }
        let n_chars = count_text(&text);
        let mut element = match role {
            Role::Title => {
                self.builder.title.get_or_insert_with(|| text.clone());
                Element::new(ElementKind::Heading, text)
            }
            Role::Heading => Element::new(ElementKind::Heading, text),
            Role::Item => Element::new(ElementKind::ListItem, format!("- {text}")),
            Role::Note => Element::new(ElementKind::Note, text),
            _ => Element::new(ElementKind::Paragraph, text),
        };
        element.level = match role {
            Role::Title => 1,
            Role::Heading => self.level.clamp(1, 9),
            Role::Item => {
                let depth = self.open.iter().filter(|role| **role == Role::Item).count();
                u8::try_from(depth).unwrap_or(9).min(9)
            }
            _ => 0,
        };
        if role == Role::Item
            && let Some(open) = self.open.last_mut()
        {
            // What follows in the item is a paragraph of its own.
            *open = Role::Container;
        }
        self.builder.push_counted(element, n_chars);
    }
}

/// Whether the element holds only elements that hold only text, little of it: the parts of a name or a date.
fn is_group(tree: &Tree, node: usize) -> bool {
    if tree.has_text(node) || !tree.has_elements(node) {
        return false;
    }
    let mut n_chars = 0;
    for child in tree.elements(node) {
        if tree.has_elements(child) || !matches!(role(tree, child), Role::Unknown) {
            return false;
        }
        if let Some(first) = tree.nodes[child].first_child
            && let Data::Text(text) = &tree.nodes[first].data
        {
            n_chars += count_text(text);
        }
        if n_chars > MAX_GROUP_CHARS {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests;
