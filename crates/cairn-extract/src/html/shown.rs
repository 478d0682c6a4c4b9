//! Text that a page shows and that stands in attributes: alternatives of pictures, what is typed into fields, frames that
//! carry their own page; and the count of all that a page shows.

use scraper::{ElementRef, Html, Node, node::Element as Tag};

use super::{depth, is_code_of_page};
use crate::builder::count_text;

/// Pages within pages by `srcdoc` that are read.
pub(super) const MAX_FRAMES: usize = 3;

/// The namespace of SVG.
const SVG: &str = "http://www.w3.org/2000/svg";

/// Whether the element belongs to a drawing and holds none of its text: shapes, definitions, invisible titles.
pub(super) fn is_drawing(tag: &Tag) -> bool {
    &*tag.name.ns == SVG
        && !matches!(
            tag.name(),
            "svg" | "g" | "a" | "switch" | "text" | "tspan" | "textPath" | "foreignObject"
        )
}

/// What a field shows as its content, where a person typed or a program put it there.
pub(super) fn field_value(tag: &Tag) -> Option<&str> {
    let kind = tag.attr("type").unwrap_or("text").to_ascii_lowercase();
    // An unknown type is a field for text.
    let is_text = !matches!(
        kind.as_str(),
        "hidden"
            | "password"
            | "checkbox"
            | "radio"
            | "file"
            | "image"
            | "range"
            | "color"
            | "submit"
            | "button"
            | "reset"
    );
    tag.attr("value")
        .filter(|value| is_text && tag.name() == "input" && !value.trim().is_empty())
}

/// The page within a page that a frame carries.
pub(super) fn frame_page(tag: &Tag) -> Option<Html> {
    let page = tag.attr("srcdoc").filter(|_| tag.name() == "iframe")?;
    Some(Html::parse_document(&depth::limit(page)))
}

/// Characters that an element shows and that are no text of the tree, whether they are read or not.
fn attribute_chars(tag: &Tag, n_frames: usize) -> u64 {
    let count = |name: &str| tag.attr(name).map_or(0, count_text);
    match tag.name() {
        "img" => count("alt"),
        "input" => match field_value(tag) {
            Some(value) => count_text(value),
            None => match tag.attr("type").map(str::to_ascii_lowercase).as_deref() {
                Some("submit" | "button" | "reset") => count("value"),
                Some("image") => count("alt"),
                Some("hidden") => 0,
                _ => count("placeholder"),
            },
        },
        "textarea" => count("placeholder"),
        "iframe" if n_frames >= MAX_FRAMES => count("srcdoc"),
        "iframe" => frame_page(tag).map_or(0, |page| {
            shown_chars_within(page.root_element(), n_frames + 1)
        }),
        _ => 0,
    }
}

/// Characters that the page shows below `root`, page furniture and hidden parts included, scripts and styles not.
pub(super) fn shown_chars(root: ElementRef<'_>) -> u64 {
    shown_chars_within(root, 0)
}

fn shown_chars_within(root: ElementRef<'_>, n_frames: usize) -> u64 {
    count_below(root, |tag| attribute_chars(tag, n_frames))
}

/// Characters of text below `root`: page furniture and hidden parts included, scripts and styles not.
pub(super) fn visible_chars(root: ElementRef<'_>) -> u64 {
    count_below(root, |_| 0)
}

fn count_below(root: ElementRef<'_>, of_tag: impl Fn(&Tag) -> u64) -> u64 {
    let mut n = 0;
    let mut node = *root;
    loop {
        let descend = match node.value() {
            Node::Element(tag) => {
                let is_page = node.id() == root.id() || !is_code_of_page(tag);
                n += if is_page { of_tag(tag) } else { 0 };
                is_page
            }
            Node::Text(text) => {
                n += count_text(text);
                false
            }
            _ => false,
        };
        if descend && let Some(child) = node.first_child() {
            node = child;
            continue;
        }
        loop {
            if node.id() == root.id() {
                return n;
            }
            if let Some(next) = node.next_sibling() {
                node = next;
                break;
            }
            let Some(parent) = node.parent() else {
                return n;
            };
            node = parent;
        }
    }
}
