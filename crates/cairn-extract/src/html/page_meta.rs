//! What a page of the web says to those who follow links: its links, its canonical address, and what it asks of robots.
//!
//! HTML Living Standard: `base` (4.2.3), link types `canonical` and `nofollow` (4.6.7), meta name `robots` (in the registry that
//! section 4.2.5 speaks of). Addresses are handed on as they are written; who knows the page's own address resolves them.
//! One parse of the page; O(elements). At most [`MAX_LINKS`] links; longer addresses than [`MAX_HREF_BYTES`] are no links.

use std::collections::HashSet;

use scraper::ElementRef;
use serde::{Deserialize, Serialize};

use crate::builder::Builder;
use crate::detect::{MediaType, detect};

/// Most different links of one page; far beyond what a page for people has.
const MAX_LINKS: usize = 10_000;
/// Longest address that is taken for one; what browsers and servers agree on is about 2,000.
const MAX_HREF_BYTES: usize = 4_096;

/// What a page says to a crawler. Empty for what is no HTML.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PageMeta {
    /// `<base href>`: what relative addresses start from, instead of the page's own address.
    pub base: Option<String>,
    /// `<link rel=canonical>`: the address that this content is to be known by.
    pub canonical: Option<String>,
    /// `href` of each `<a>` and `<area>` that may be followed, without repetition, in order of the page.
    pub links: Vec<String>,
    /// Whether the page asks not to be kept.
    pub no_index: bool,
    /// Whether the page asks that none of its links is followed; `links` is empty then.
    pub no_follow: bool,
}

/// Reads the page `bytes` named `name`.
pub(crate) fn page_meta(name: &str, bytes: &[u8]) -> PageMeta {
    if detect(name, bytes) != MediaType::Html {
        return PageMeta::default();
    }
    let document = super::parse(bytes, &mut Builder::new(0));
    let mut meta = PageMeta::default();
    let mut known = HashSet::new();
    for element in document
        .tree
        .root()
        .descendants()
        .filter_map(ElementRef::wrap)
    {
        let tag = element.value();
        let href = || {
            tag.attr("href")
                .map(str::trim)
                .filter(|href| is_address(href))
        };
        match tag.name() {
            "base" if meta.base.is_none() => meta.base = href().map(str::to_owned),
            "link" if meta.canonical.is_none() && has_word(tag.attr("rel"), "canonical") => {
                meta.canonical = href().map(str::to_owned);
            }
            "meta" if is_for_robots(tag.attr("name")) => {
                let asked = tag.attr("content").unwrap_or_default();
                let asks = |word: &str| {
                    asked.split(',').map(str::trim).any(|one| {
                        one.eq_ignore_ascii_case(word) || one.eq_ignore_ascii_case("none")
                    })
                };
                meta.no_index |= asks("noindex");
                meta.no_follow |= asks("nofollow");
            }
            "a" | "area" if !has_word(tag.attr("rel"), "nofollow") => {
                if let Some(href) = href().filter(|_| meta.links.len() < MAX_LINKS)
                    && known.insert(href.to_owned())
                {
                    meta.links.push(href.to_owned());
                }
            }
            _ => {}
        }
    }
    if meta.no_follow {
        meta.links.clear();
    }
    meta
}

fn is_address(href: &str) -> bool {
    !href.is_empty() && href.len() <= MAX_HREF_BYTES && !href.starts_with('#')
}

/// Whether the attribute is a list of words with this one in it.
fn has_word(list: Option<&str>, word: &str) -> bool {
    list.is_some_and(|list| {
        list.split_ascii_whitespace()
            .any(|one| one.eq_ignore_ascii_case(word))
    })
}

/// Names that speak to all robots, or to this one.
fn is_for_robots(name: Option<&str>) -> bool {
    name.is_some_and(|name| {
        let name = name.trim();
        name.eq_ignore_ascii_case("robots") || name.eq_ignore_ascii_case("cairn")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meta(html: &str) -> PageMeta {
        page_meta("page.html", html.as_bytes())
    }

    #[test]
    fn links_come_once_and_in_order_as_they_are_written() {
        let page = meta(
            "<!DOCTYPE html><base href='/docs/'><link rel='Canonical' href=' /a '><nav><a href='b'>b</a></nav>\
             <a href='b'>again</a><a>none</a><a href='#top'>top</a><a rel='nofollow noopener' href='n'>n</a>\
             <map><area href='../c?x=1'></map><a href=' https://h/ü '>u</a><a href=''>e</a>",
        );
        let expect = PageMeta {
            base: Some("/docs/".to_owned()),
            canonical: Some("/a".to_owned()),
            links: ["b", "../c?x=1", "https://h/ü"].map(str::to_owned).to_vec(),
            no_index: false,
            no_follow: false,
        };
        assert_eq!(page, expect);
    }

    #[test]
    fn robots_are_told_by_their_name() {
        for (tag, no_index, no_follow) in [
            ("<meta name=robots content='noindex'>", true, false),
            (
                "<meta name='ROBOTS' content='index, NOFOLLOW'>",
                false,
                true,
            ),
            ("<meta name=cairn content=none>", true, true),
            ("<meta name=otherbot content=none>", false, false),
            ("<meta name=robots content='noindexed'>", false, false),
            ("<meta name=robots>", false, false),
        ] {
            let page = meta(&format!("<html>{tag}<a href=x>x</a>"));
            assert_eq!(
                (page.no_index, page.no_follow),
                (no_index, no_follow),
                "{tag}"
            );
            assert_eq!(page.links.is_empty(), no_follow, "{tag}");
        }
    }

    #[test]
    fn what_is_no_page_says_nothing() {
        let none = PageMeta::default();
        assert_eq!(page_meta("a.md", b"[x](y) <a href=z>z</a>"), none);
        assert_eq!(page_meta("a.html", b"%PDF-1.7\n<a href=z>"), none);
        assert_eq!(page_meta("a.html", b""), none);
    }

    #[test]
    fn links_end_somewhere() {
        let many: String = (0..MAX_LINKS + 5)
            .map(|n| format!("<a href=p{n}>x</a>"))
            .collect();
        assert_eq!(meta(&many).links.len(), MAX_LINKS);
        let long = format!("<a href={}>", "x".repeat(MAX_HREF_BYTES + 1));
        assert!(meta(&long).links.is_empty());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut page = b"<html>".to_vec();
            page.extend(bytes);
            page_meta("a.html", &page);
        }
    }
}
