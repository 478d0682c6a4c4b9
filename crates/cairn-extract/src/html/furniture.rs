//! What stands around the content of a web page: menus, cookie banners, advertisements, related links.
//!
//! Three signs: the role that the page states (WAI-ARIA landmarks), words in classes and ids that templates use, and lists of
//! which nearly all text is links. A part that holds much of the page is never furniture, whatever it is called.
//! The content is `<main>` or the one `<article>`, else the element that gathers the most prose (each paragraph counts for its
//! parent and half for the parent of that, after Readability), else the whole body. O(n).

use scraper::{ElementRef, Html, node::Element as Tag};

use super::{find, named_content, visible_chars};

/// Share of the page's text from which a part is no furniture. A guess.
const MAX_SHARE_PERCENT: u64 = 30;
/// Share of the text without furniture that the element with the most prose must hold. A guess.
const PROSE_SHARE_PERCENT: u64 = 60;
/// Suspects that hold too much to be furniture; after these no more are looked at, so that the look stays linear.
const MAX_LARGE: usize = 32;
/// Length from which text counts as prose, as Readability has it.
const MIN_PROSE_CHARS: u64 = 25;

/// Takes the furniture out of the page; the text of `body` is `n_body` characters.
pub(super) fn remove(document: &mut Html, n_body: u64) {
    let Some(body) = find(document, |tag| tag.name() == "body") else {
        return;
    };
    let mut found = Vec::new();
    let mut n_large = 0;
    let mut node = body.first_child();
    while let Some(current) = node {
        let suspect = ElementRef::wrap(current).filter(|element| {
            n_large < MAX_LARGE && is_suspect(element.value()) || is_links(*element)
        });
        let is_furniture = suspect.is_some_and(|element| {
            let is_small = visible_chars(element) * 100 < n_body * MAX_SHARE_PERCENT;
            n_large += usize::from(!is_small);
            is_small
        });
        if is_furniture {
            found.push(current.id());
        } else if let Some(child) = current.first_child() {
            node = Some(child);
            continue;
        }
        let mut up = current;
        node = loop {
            if let Some(next) = up.next_sibling() {
                break Some(next);
            }
            match up.parent() {
                Some(parent) if parent.id() != body.id() => up = parent,
                _ => break None,
            }
        };
    }
    for id in found {
        if let Some(mut node) = document.tree.get_mut(id) {
            node.detach();
        }
    }
}

/// By its role or its names.
fn is_suspect(tag: &Tag) -> bool {
    const ROLES: [&str; 8] = [
        "navigation",
        "banner",
        "contentinfo",
        "complementary",
        "search",
        "dialog",
        "alertdialog",
        "menu",
    ];
    const WORDS: [&str; 34] = [
        "nav",
        "navbar",
        "navbox",
        "navigation",
        "menu",
        "menubar",
        "breadcrumb",
        "breadcrumbs",
        "cookie",
        "cookies",
        "consent",
        "gdpr",
        "sidebar",
        "footer",
        "advert",
        "advertisement",
        "ads",
        "sponsored",
        "promo",
        "social",
        "share",
        "sharing",
        "newsletter",
        "subscribe",
        "popup",
        "modal",
        "overlay",
        "toolbar",
        "pagination",
        "pager",
        "related",
        "recommended",
        "editsection",
        "catlinks",
    ];
    if matches!(tag.name(), "nav" | "aside" | "footer") {
        return true;
    }
    // These are the page, whatever a template calls them.
    if matches!(
        tag.name(),
        "main" | "article" | "p" | "h1" | "h2" | "pre" | "table" | "tr" | "td"
    ) {
        return false;
    }
    if tag.attr("role").is_some_and(|role| ROLES.contains(&role)) {
        return true;
    }
    [tag.attr("class"), tag.attr("id")]
        .into_iter()
        .flatten()
        .flat_map(|names| names.split(|c: char| !c.is_ascii_alphanumeric()))
        .any(|word| WORDS.iter().any(|known| known.eq_ignore_ascii_case(word)))
}

/// A list of five and more items in which nearly all text is links.
fn is_links(element: ElementRef<'_>) -> bool {
    if !matches!(element.value().name(), "ul" | "ol") {
        return false;
    }
    let (mut n_items, mut n_links) = (0, 0u64);
    for item in element.child_elements() {
        n_items += 1;
        // Only the item's own links: lists in lists are looked at for themselves.
        for child in item.child_elements() {
            n_links += if child.value().name() == "a" {
                visible_chars(child)
            } else {
                0
            };
        }
    }
    n_items >= 5 && n_links * 10 >= visible_chars(element) * 9
}

/// The element that holds the content of the page.
pub(super) fn content<'a>(document: &'a Html, body: ElementRef<'a>) -> ElementRef<'a> {
    let n_body = visible_chars(body);
    if let Some(root) = named_content(document, n_body) {
        return root;
    }
    most_prose(body)
        .filter(|root| visible_chars(*root) * 100 >= n_body * PROSE_SHARE_PERCENT)
        .unwrap_or(body)
}

fn most_prose(body: ElementRef<'_>) -> Option<ElementRef<'_>> {
    let mut scores = std::collections::HashMap::new();
    let paragraphs = body
        .descendent_elements()
        .filter(|element| matches!(element.value().name(), "p" | "pre" | "blockquote"));
    for paragraph in paragraphs {
        let n_chars = visible_chars(paragraph);
        if n_chars < MIN_PROSE_CHARS {
            continue;
        }
        let score = 2 + 2 * (n_chars / 100).min(3);
        let parents = paragraph.ancestors().filter_map(ElementRef::wrap).take(2);
        for (parent, share) in parents.zip([score, score / 2]) {
            scores.entry(parent.id()).or_insert((0, parent)).0 += share;
        }
    }
    let best = scores.into_values().max_by_key(|(score, element)| {
        // Ties go to the one that comes first in the document, which hash order must not decide.
        (
            *score,
            std::cmp::Reverse(element.prev_siblings().count().min(1_000)),
        )
    })?;
    Some(best.1)
}
