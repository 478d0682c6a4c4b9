//! XML that holds records, not prose: `name: value` lines, one paragraph a record; and XBRL's facts.

use std::collections::HashMap;

use super::tree::{Data, Tree};
use crate::builder::{Builder, count_text};
use crate::html;
use crate::text::{collapse, collapse_lines};

/// Characters after which a paragraph of lines ends; about a chunk. A guess.
const MAX_GROUP_CHARS: usize = 1_500;
/// Mean length of texts above which they are prose. A guess.
const MAX_MEAN_CHARS: u64 = 120;

/// Whether the document holds records: no paragraphs, no text beside elements, and short values.
pub(super) fn is_data(tree: &Tree) -> bool {
    let mut n_texts = 0;
    let mut n_chars = 0;
    for (idx, node) in tree.nodes.iter().enumerate() {
        let is_prose = matches!(
            tree.name(idx),
            "p" | "para" | "simpara" | "sec" | "l" | "tgroup"
        );
        if idx > 0 && (is_prose || tree.is_mixed(idx)) {
            return false;
        }
        if let Data::Text(text) = &node.data
            && !text.trim().is_empty()
        {
            n_texts += 1;
            n_chars += count_text(text);
        }
    }
    n_chars <= n_texts * MAX_MEAN_CHARS
}

struct Lines<'b> {
    builder: &'b mut Builder,
    text: String,
}

impl Lines<'_> {
    fn push(&mut self, name: &str, value: &str) {
        let value = collapse_lines(&crate::text::clean(value).0);
        if value.is_empty() {
            return;
        }
        if self.text.len() + value.len() > MAX_GROUP_CHARS {
            self.end();
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        if !name.is_empty() {
            self.text.push_str(name);
            self.text.push_str(": ");
        }
        self.text.push_str(&value);
    }

    fn end(&mut self) {
        self.builder.paragraph(std::mem::take(&mut self.text));
    }
}

/// Adds the records: an element whose elements hold only text is one, its path stands on its first line.
pub(super) fn push_records(tree: &Tree, builder: &mut Builder) {
    let mut lines = Lines {
        builder,
        text: String::new(),
    };
    tree.walk(
        0,
        &mut lines,
        |lines, node| {
            match &tree.nodes[node].data {
                Data::Text(text) => {
                    let parent = tree.nodes[node].parent;
                    lines.push(tree.name(parent), text);
                }
                Data::Element {
                    name,
                    attributes,
                    has_elements,
                    ..
                } => {
                    // A record begins: an element with elements of its own.
                    if *has_elements {
                        lines.end();
                    }
                    for (key, value) in attributes {
                        lines.push(&format!("{name}.{key}"), value);
                    }
                }
            }
            true
        },
        |lines, node| {
            if tree.has_elements(node) {
                lines.end();
            }
        },
    );
    lines.end();
}

/// Adds the facts of an XBRL instance (XBRL 2.1, section 4): name, period, unit, value.
pub(super) fn push_facts(tree: &Tree, root: usize, builder: &mut Builder) {
    let mut periods: HashMap<&str, String> = HashMap::new();
    let mut units: HashMap<&str, String> = HashMap::new();
    for node in tree.elements(root) {
        let Some(id) = tree.attribute(node, "id") else {
            continue;
        };
        let text = || collapse(&tree.text(node));
        match tree.name(node) {
            "context" => {
                periods.insert(id, text());
            }
            "unit" => {
                units.insert(id, text());
            }
            _ => {}
        }
    }
    let mut lines = Lines {
        builder,
        text: String::new(),
    };
    for node in tree.elements(root) {
        let name = tree.name(node);
        let text = tree.text(node);
        let Some(context) = tree.attribute(node, "contextRef") else {
            // Contexts and units stand with their facts.
            lines.builder.left_out(count_text(&text));
            continue;
        };
        if text.contains("</") {
            lines.end();
            lines.builder.heading(2, name);
            html::read_fragment(&text, lines.builder);
            continue;
        }
        let period = periods.get(context).map_or(context, String::as_str);
        let unit = tree
            .attribute(node, "unitRef")
            .map(|id| units.get(id).map_or(id, String::as_str));
        let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
        lines.push(
            &format!("{name} [{period}]"),
            &format!("{}{unit}", collapse(&text)),
        );
    }
    lines.end();
}
