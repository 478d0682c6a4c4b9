//! EPUB books: the chapters in the order of the spine, each through the HTML reader.
//!
//! W3C EPUB 3.3: `META-INF/container.xml` (section 4.2.6.3.1) names the package document, its manifest (5.6) the files and
//! its spine (5.7) their order; EPUB 2 differs in nothing that matters here. Tables of contents in the spine are left out
//! and counted: they repeat the headings. `META-INF/encryption.xml` (4.2.6.3.2) names what is encrypted; fonts that are
//! only obfuscated do no harm, encrypted chapters cannot be read. A damaged chapter fails alone.

use std::collections::{HashMap, HashSet};

use cairn_types::WarningCode;
use quick_xml::events::{BytesStart, Event};

use crate::archive::Archive;
use crate::builder::Builder;
use crate::context::Context;
use crate::error::ExtractError;
use crate::html;
use crate::inset;
use crate::xml::{attr, part_text, reader, reference};

/// What obfuscates fonts and hides no text (EPUB 3.3 section 4.3, and Adobe's own way).
const FONT_METHODS: [&str; 2] = [
    "http://www.idpf.org/2008/embedding",
    "http://ns.adobe.com/pdf/enc#RC",
];

/// Reads a book.
pub(crate) fn read(
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let mut archive = Archive::open(bytes, cx)?;
    let package_name = package_name(&mut archive)?;
    let package = match archive.read(&package_name)? {
        Some(xml) => Package::parse(&part_text(&xml)),
        None => Package::default(),
    };
    builder.title.clone_from(&package.title);
    let encrypted = encrypted_members(&mut archive)?;
    let folder = package_name
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    let chapters = package.chapters(folder, &archive, builder);
    let n_encrypted = chapters
        .iter()
        .filter(|chapter| encrypted.contains(&chapter.name))
        .count();
    if n_encrypted > 0 && n_encrypted == chapters.len() {
        return Err(ExtractError::Unsupported {
            media_type: "application/epub+zip, encrypted".into(),
            hint: "the book is copy-protected; add a copy without protection".into(),
        });
    }
    for chapter in &chapters {
        builder.report.parts += 1;
        let content = if encrypted.contains(&chapter.name) {
            Err(ExtractError::PasswordRequired)
        } else {
            archive.read(&chapter.name)
        };
        match content {
            Ok(Some(content)) if chapter.is_contents => {
                builder.left_out(html::count_page(&content));
            }
            Ok(Some(content)) => {
                let folder = chapter
                    .name
                    .rsplit_once('/')
                    .map_or("", |(folder, _)| folder);
                let find = |address: &str| {
                    let name = resolve(folder, address);
                    archive.read_small(&name, inset::MAX_BYTES)
                };
                let mut pictures = html::Pictures::beside(cx, find);
                html::read_chapter(&content, &mut pictures, builder);
            }
            Ok(None) => failed(&chapter.name, "it is not in the archive", builder),
            Err(error) => failed(&chapter.name, &error.to_string(), builder),
        }
    }
    Ok(())
}

fn failed(name: &str, reason: &str, builder: &mut Builder) {
    builder.report.parts_failed += 1;
    let reason = format!("chapter `{name}` was not read: {reason}");
    builder.warn(WarningCode::Unreadable, None, reason);
}

/// The package document: as the container says, else the first one there is.
fn package_name(archive: &mut Archive<'_>) -> Result<String, ExtractError> {
    if let Some(xml) = archive.read("META-INF/container.xml")? {
        let mut named = None;
        for_each_element(&part_text(&xml), |element| {
            if element.local_name().as_ref() == "rootfile" && named.is_none() {
                named = attr(element, "full-path");
            }
        });
        if let Some(name) = named {
            return Ok(name);
        }
    }
    archive
        .names()
        .into_iter()
        .find(|name| name.ends_with(".opf"))
        .ok_or_else(|| ExtractError::malformed("the book names no package document"))
}

/// Members whose content is encrypted.
fn encrypted_members(archive: &mut Archive<'_>) -> Result<HashSet<String>, ExtractError> {
    let mut members = HashSet::new();
    let Some(xml) = archive.read("META-INF/encryption.xml")? else {
        return Ok(members);
    };
    let mut is_font = false;
    for_each_element(&part_text(&xml), |element| {
        match element.local_name().as_ref() {
            "EncryptedData" => is_font = false,
            "EncryptionMethod" => {
                is_font |= attr(element, "Algorithm")
                    .is_some_and(|method| FONT_METHODS.contains(&method.as_str()));
            }
            "CipherReference" if !is_font => {
                members.extend(attr(element, "URI").map(|uri| resolve("", &uri)));
            }
            _ => {}
        }
    });
    Ok(members)
}

/// Calls `each` for every start tag; damage ends the walk.
fn for_each_element(xml: &str, mut each: impl FnMut(&BytesStart<'_>)) {
    let mut reader = reader(xml);
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => each(&element),
            Ok(Event::Eof) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

struct Item {
    href: String,
    is_page: bool,
    is_navigation: bool,
}

struct Chapter {
    name: String,
    is_contents: bool,
}

#[derive(Default)]
struct Package {
    title: Option<String>,
    items: HashMap<String, Item>,
    /// Ids in manifest order, for books without a spine.
    manifest: Vec<String>,
    spine: Vec<String>,
    /// Where the guide of an EPUB 2 sees the table of contents.
    contents: Option<String>,
}

impl Package {
    fn parse(xml: &str) -> Self {
        let mut package = Self::default();
        let mut title: Option<String> = None;
        let mut reader = reader(xml);
        loop {
            match reader.read_event() {
                Ok(Event::Start(element)) => {
                    if element.local_name().as_ref() == "title" && package.title.is_none() {
                        title = Some(String::new());
                    }
                    package.element(&element);
                }
                Ok(Event::Empty(element)) => package.element(&element),
                Ok(Event::Text(text)) => {
                    if let Some(title) = &mut title {
                        title.push_str(&text.xml10_content());
                    }
                }
                Ok(Event::GeneralRef(entity)) => {
                    if let Some(title) = &mut title {
                        title.extend(reference(&entity));
                    }
                }
                Ok(Event::End(element)) => {
                    if element.local_name().as_ref() == "title" && package.title.is_none() {
                        package.title = title.take();
                    }
                }
                Ok(Event::Eof) | Err(_) => return package,
                Ok(_) => {}
            }
        }
    }

    fn element(&mut self, element: &BytesStart<'_>) {
        match element.local_name().as_ref() {
            "item" => {
                let (Some(id), Some(href)) = (attr(element, "id"), attr(element, "href")) else {
                    return;
                };
                let media_type = attr(element, "media-type").unwrap_or_default();
                let item = Item {
                    is_page: media_type.contains("html"),
                    is_navigation: attr(element, "properties")
                        .is_some_and(|list| list.split_whitespace().any(|word| word == "nav")),
                    href,
                };
                self.manifest.push(id.clone());
                self.items.insert(id, item);
            }
            "itemref" => self.spine.extend(attr(element, "idref")),
            "reference" if attr(element, "type").as_deref() == Some("toc") => {
                self.contents = attr(element, "href");
            }
            _ => {}
        }
    }

    /// Chapters in reading order; each once, however often the spine names it.
    fn chapters(&self, folder: &str, archive: &Archive<'_>, builder: &mut Builder) -> Vec<Chapter> {
        let is_contents = |item: &Item| {
            // A guide may point at a heading on a page of the text.
            item.is_navigation || self.contents.as_deref() == Some(&item.href)
        };
        let ids = if self.spine.is_empty() {
            &self.manifest
        } else {
            &self.spine
        };
        let mut seen = HashSet::new();
        let chapters: Vec<Chapter> = ids
            .iter()
            .filter_map(|id| self.items.get(id))
            .filter(|item| !self.spine.is_empty() || item.is_page)
            .map(|item| Chapter {
                name: resolve(folder, &item.href),
                is_contents: is_contents(item),
            })
            .filter(|chapter| seen.insert(chapter.name.clone()))
            .collect();
        if !chapters.is_empty() {
            return chapters;
        }
        let reason = "the book's list of chapters cannot be read; all its pages were read in the order of their names";
        builder.warn(WarningCode::Recovered, None, reason);
        let mut names = archive.names();
        names.retain(|name| name.ends_with("html") || name.ends_with(".htm"));
        names.sort();
        names
            .into_iter()
            .map(|name| Chapter {
                name,
                is_contents: false,
            })
            .collect()
    }
}

/// The member that `href` means, seen from `folder`: no fragment, `%20` decoded, `..` resolved within the archive.
fn resolve(folder: &str, href: &str) -> String {
    let href = href.split('#').next().unwrap_or_default();
    let decoded = percent_decoded(href);
    let mut parts: Vec<&str> = match decoded.starts_with('/') {
        true => Vec::new(),
        false => folder.split('/').filter(|part| !part.is_empty()).collect(),
    };
    for part in decoded.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let value = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(value.unwrap_or(bytes[at]));
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::archive::tests::zip_of;

    const CONTAINER: &str = r#"<container><rootfiles><rootfile full-path="a/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"#;

    fn package(spine: &str) -> String {
        format!(
            r#"<package xmlns:dc="d"><metadata><dc:title id="t">Tales &amp; more</dc:title><dc:title>Other</dc:title></metadata>
            <manifest><item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
            <item id="one" href="../one%20x.xhtml" media-type="application/xhtml+xml"/>
            <item id="two" href="two.xhtml#f" media-type="application/xhtml+xml"/>
            <item id="css" href="x.css" media-type="text/css"/></manifest><spine>{spine}</spine></package>"#
        )
    }

    const ONE: &str = r#"<?xml version="1.0"?><html><head><title/></head><body><h1>One</h1><p>first<a id="n"/></p><aside>side</aside></body></html>"#;
    const TWO: &str = "<html><body><p>second</p><footer>foot</footer></body></html>";

    fn run(members: &[(&str, &[u8])]) -> Result<(Vec<String>, Builder), ExtractError> {
        let mut builder = Builder::new(1000);
        read(&zip_of(members), &Context::for_test(), &mut builder)?;
        let texts = builder.elements().iter().map(|e| e.text.clone()).collect();
        Ok((texts, builder))
    }

    fn book<'a>(opf: &'a str, more: &[(&'a str, &'a [u8])]) -> Vec<(&'a str, &'a [u8])> {
        let mut members: Vec<(&str, &[u8])> = vec![
            ("META-INF/container.xml", CONTAINER.as_bytes()),
            ("a/book.opf", opf.as_bytes()),
            ("one x.xhtml", ONE.as_bytes()),
            ("a/two.xhtml", TWO.as_bytes()),
            ("a/nav.xhtml", b"<body><nav>One Two</nav></body>"),
        ];
        members.extend(more);
        members
    }

    #[test]
    fn chapters_come_in_the_order_of_the_spine() {
        let opf = package(
            r#"<itemref idref="n"/><itemref idref="two"/><itemref idref="one"/><itemref idref="two"/>"#,
        );
        let (texts, builder) = run(&book(&opf, &[])).unwrap();
        assert_eq!(texts, ["second", "foot", "One", "first", "side"]);
        assert_eq!(builder.title.as_deref(), Some("Tales & more"));
        let report = &builder.report;
        assert_eq!(
            report.chars_seen - report.chars_kept,
            6,
            "the table of contents"
        );
        assert!(report.warnings.is_empty());
    }

    #[test]
    fn a_book_without_a_spine_is_read_all_the_same() {
        let (texts, _) = run(&book(&package(""), &[])).unwrap();
        assert_eq!(texts, ["One", "first", "side", "second", "foot"]);
        let (texts, builder) = run(&book("<package>", &[])).unwrap();
        assert_eq!(texts, ["second", "foot", "One", "first", "side"]);
        assert_eq!(builder.report.warnings.len(), 1);
    }

    #[test]
    fn a_missing_chapter_fails_alone() {
        let opf = package(r#"<itemref idref="css"/><itemref idref="two"/>"#);
        let (texts, builder) = run(&book(&opf, &[])).unwrap();
        assert_eq!(texts, ["second", "foot"]);
        assert_eq!((builder.report.parts, builder.report.parts_failed), (2, 1));
        assert!(builder.report.warnings[0].reason.contains("`a/x.css`"));
    }

    #[test]
    fn encrypted_chapters_are_not_taken_for_text() {
        let opf = package(r#"<itemref idref="two"/>"#);
        let of = |method: &str| {
            format!(
                r#"<encryption><EncryptedData><EncryptionMethod Algorithm="{method}"/><CipherData><CipherReference URI="a/two.xhtml"/></CipherData></EncryptedData></encryption>"#
            )
        };
        let drm = of("http://www.w3.org/2001/04/xmlenc#aes128-cbc");
        let error = run(&book(&opf, &[("META-INF/encryption.xml", drm.as_bytes())])).err();
        let text = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(text.contains("encrypted"), "{text}");
        let font = of(FONT_METHODS[0]);
        assert!(run(&book(&opf, &[("META-INF/encryption.xml", font.as_bytes())])).is_ok());
    }

    #[test]
    fn links_stay_in_the_archive() {
        for (folder, href, expect) in [
            ("a/b", "c.html#x", "a/b/c.html"),
            ("a/b", "../../../c", "c"),
            ("", "./%C3%A9%2", "é%2"),
            ("a", "/c", "c"),
        ] {
            assert_eq!(resolve(folder, href), expect);
        }
    }

    proptest! {
        #[test]
        fn never_panics(opf in "[<>/a-c=\"'&; %]{0,60}", href in "\\PC{0,20}") {
            resolve("a", &href);
            let _ = run(&book(&format!("{}{opf}", package("<itemref idref='one'/>")), &[]));
        }
    }
}
