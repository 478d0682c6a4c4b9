//! An XML document as a tree in one vector: no recursion, no pointers, no entities of its own.
//!
//! W3C XML 1.0. The document type is passed over, so nothing is ever expanded or fetched; a reference to an entity that
//! XML does not define stays as it is written (`&name;`). Damage is passed over where it can be. O(n), with a limit on nodes.

use quick_xml::events::{BytesStart, Event};

use crate::builder::count_text;
use crate::xml::{reader, reference};

/// Nodes of one tree: about a gibibyte at most, together with their text. A guess.
const MAX_NODES: usize = 4_000_000;
/// Open elements that an end tag without a start is looked for among.
const MAX_LOOK_BACK: usize = 32;
/// Attributes of one element.
const MAX_ATTRIBUTES: usize = 64;

#[derive(Debug)]
pub(super) enum Data {
    Element {
        /// Without prefix.
        name: String,
        /// Name without prefix, value; no namespaces.
        attributes: Vec<(String, String)>,
        /// Whether text that is not white space stands directly in it.
        has_text: bool,
        /// Whether elements stand directly in it.
        has_elements: bool,
    },
    Text(String),
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) parent: usize,
    pub(super) first_child: Option<usize>,
    pub(super) next: Option<usize>,
    pub(super) data: Data,
}

/// Node 0 is an element without a name that holds the document.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// Characters that are not in the tree, and why.
    pub(super) n_failed: u64,
    pub(super) error: Option<String>,
}

impl Tree {
    pub(super) fn parse(xml: &str) -> Self {
        let mut build = Build {
            tree: Self {
                nodes: vec![Node {
                    parent: 0,
                    first_child: None,
                    next: None,
                    data: element(String::new(), Vec::new()),
                }],
                n_failed: 0,
                error: None,
            },
            open: vec![(0, None)],
        };
        let mut reader = reader(xml);
        loop {
            if build.tree.nodes.len() >= MAX_NODES {
                build.tree.error = Some(format!("it has more than {MAX_NODES} pieces"));
            } else {
                match reader.read_event() {
                    Ok(Event::Start(tag)) => build.start(&tag),
                    Ok(Event::Empty(tag)) => {
                        build.start(&tag);
                        build.open.pop();
                    }
                    Ok(Event::End(tag)) => build.end(tag.local_name().as_ref()),
                    Ok(Event::Text(text)) => build.text(&text.xml10_content()),
                    Ok(Event::CData(text)) => build.text(&text.xml10_content()),
                    Ok(Event::GeneralRef(entity)) => match reference(&entity) {
                        Some(c) => build.text(c.encode_utf8(&mut [0; 4])),
                        None => build.text(&format!("&{};", &*entity)),
                    },
                    Ok(Event::Eof) => break,
                    Ok(_) => {}
                    Err(error) => build.tree.error = Some(error.to_string()),
                }
            }
            if build.tree.error.is_some() {
                let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
                let mut at = at.min(xml.len());
                while !xml.is_char_boundary(at) {
                    at += 1;
                }
                build.tree.n_failed = count_text(&xml[at..]);
                break;
            }
        }
        build.tree
    }

    pub(super) fn name(&self, node: usize) -> &str {
        match &self.nodes[node].data {
            Data::Element { name, .. } => name,
            Data::Text(_) => "",
        }
    }

    pub(super) fn attribute(&self, node: usize, key: &str) -> Option<&str> {
        let Data::Element { attributes, .. } = &self.nodes[node].data else {
            return None;
        };
        let found = attributes.iter().find(|(name, _)| name == key)?;
        Some(found.1.as_str())
    }

    pub(super) fn children(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        let mut next = self.nodes[node].first_child;
        std::iter::from_fn(move || {
            let child = next?;
            next = self.nodes[child].next;
            Some(child)
        })
    }

    /// Element children.
    pub(super) fn elements(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        self.children(node)
            .filter(|&child| matches!(self.nodes[child].data, Data::Element { .. }))
    }

    /// Whether text and elements stand side by side in it.
    pub(super) fn is_mixed(&self, node: usize) -> bool {
        matches!(
            self.nodes[node].data,
            Data::Element {
                has_text: true,
                has_elements: true,
                ..
            }
        )
    }

    pub(super) fn has_text(&self, node: usize) -> bool {
        matches!(self.nodes[node].data, Data::Element { has_text: true, .. })
    }

    pub(super) fn has_elements(&self, node: usize) -> bool {
        matches!(
            self.nodes[node].data,
            Data::Element {
                has_elements: true,
                ..
            }
        )
    }

    /// Visits `root` and everything below it: `enter` says whether to go below, `leave` follows where it did.
    pub(super) fn walk<S>(
        &self,
        root: usize,
        state: &mut S,
        enter: impl Fn(&mut S, usize) -> bool,
        leave: impl Fn(&mut S, usize),
    ) {
        let mut node = root;
        loop {
            let descend = enter(state, node);
            if descend && let Some(child) = self.nodes[node].first_child {
                node = child;
                continue;
            }
            if descend {
                leave(state, node);
            }
            loop {
                if node == root {
                    return;
                }
                if let Some(next) = self.nodes[node].next {
                    node = next;
                    break;
                }
                node = self.nodes[node].parent;
                leave(state, node);
            }
        }
    }

    /// All text below `root`; a space where elements meet without text between them.
    pub(super) fn text(&self, root: usize) -> String {
        let mut out = String::new();
        self.walk(
            root,
            &mut out,
            |out, node| {
                match &self.nodes[node].data {
                    Data::Text(text) => out.push_str(text),
                    Data::Element { .. } if self.is_break(node) => out.push(' '),
                    Data::Element { .. } => {}
                }
                true
            },
            |out, node| {
                if self.is_break(node) {
                    out.push(' ');
                }
            },
        );
        out
    }

    /// Whether the element stands apart from what is beside it.
    pub(super) fn is_break(&self, node: usize) -> bool {
        let parent = self.nodes[node].parent;
        matches!(self.nodes[node].data, Data::Element { .. })
            && (!self.has_text(parent)
                || matches!(self.name(node), "break" | "br" | "lb" | "p" | "td"))
    }
}

fn element(name: String, attributes: Vec<(String, String)>) -> Data {
    Data::Element {
        name,
        attributes,
        has_text: false,
        has_elements: false,
    }
}

struct Build {
    tree: Tree,
    /// Open elements, each with its last child.
    open: Vec<(usize, Option<usize>)>,
}

impl Build {
    fn add(&mut self, data: Data) -> usize {
        let idx = self.tree.nodes.len();
        let is_element = matches!(data, Data::Element { .. });
        let Some((parent, last)) = self.open.last_mut() else {
            return 0;
        };
        let parent = *parent;
        match last.replace(idx) {
            Some(last) => self.tree.nodes[last].next = Some(idx),
            None => self.tree.nodes[parent].first_child = Some(idx),
        }
        if let Data::Element {
            has_text,
            has_elements,
            ..
        } = &mut self.tree.nodes[parent].data
        {
            *has_elements |= is_element;
            *has_text |= matches!(&data, Data::Text(text) if !text.trim().is_empty());
        }
        self.tree.nodes.push(Node {
            parent,
            first_child: None,
            next: None,
            data,
        });
        idx
    }

    fn start(&mut self, tag: &BytesStart<'_>) {
        let attributes = tag
            .attributes()
            .with_checks(false)
            .flatten()
            .filter(|attribute| !attribute.key.as_ref().starts_with("xmlns"))
            .take(MAX_ATTRIBUTES)
            .map(|attribute| {
                let value = quick_xml::escape::unescape(&attribute.value).map_or_else(
                    |_| attribute.value.to_string(),
                    std::borrow::Cow::into_owned,
                );
                (attribute.key.local_name().as_ref().to_owned(), value)
            })
            .collect();
        let name = tag.local_name().as_ref().to_owned();
        let idx = self.add(element(name, attributes));
        self.open.push((idx, None));
    }

    fn end(&mut self, name: &str) {
        let found = self
            .open
            .iter()
            .rev()
            .take(MAX_LOOK_BACK)
            .position(|(idx, _)| self.tree.name(*idx) == name);
        if let Some(n_inner) = found {
            let keep = self.open.len() - n_inner - 1;
            // The document itself stays open.
            self.open.truncate(keep.max(1));
        }
    }

    fn text(&mut self, text: &str) {
        // Pieces that entities cut a text into are one text.
        if let Some((parent, Some(last))) = self.open.last()
            && let Data::Text(before) = &mut self.tree.nodes[*last].data
        {
            before.push_str(text);
            let parent = *parent;
            if let Data::Element { has_text, .. } = &mut self.tree.nodes[parent].data {
                *has_text |= !text.trim().is_empty();
            }
            return;
        }
        self.add(Data::Text(text.to_owned()));
    }
}
