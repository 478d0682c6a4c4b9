//! What Word, PowerPoint and Excel documents share: the package (ECMA-376 part 2), charts, diagrams, text of drawings.
//!
//! A package is a ZIP archive whose parts name each other in relationships. Parts that are missing or damaged
//! cost their own content and a warning, never the document; limits of the archive end everything.

mod chart;
mod diagram;
mod drawing;
mod math;

use std::collections::HashMap;

use cairn_types::{Element, ElementKind, WarningCode};
use quick_xml::events::Event;

use crate::archive::Archive;
use crate::builder::{Builder, count_text};
use crate::context::Context;
use crate::error::ExtractError;
use crate::extract::read_part;
use crate::inset;
use crate::text::{clean, collapse};
use crate::xml::{attr, part_text, reader, reference};

pub(crate) use chart::push_chart;
pub(crate) use drawing::{ListStyle, TextBody};
pub(crate) use math::Math;

use diagram::push_diagram;

/// An opened package.
pub(crate) struct Package<'a> {
    archive: Archive<'a>,
    cx: &'a Context<'a>,
    /// Names of parts by their lower-case form: by the standard, case does not matter.
    names: HashMap<String, String>,
}

/// One relationship to a part within the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relationship {
    pub(crate) id: String,
    /// Last word of the type.
    pub(crate) kind: String,
    /// Full name of the part.
    pub(crate) target: String,
}

/// Relationships of one part.
#[derive(Debug, Default)]
pub(crate) struct Relationships(Vec<Relationship>);

impl Relationships {
    /// Name of the part with this id.
    pub(crate) fn target(&self, id: &str) -> Option<&str> {
        Some(&self.get(id)?.target)
    }

    /// The relationship with this id.
    pub(crate) fn get(&self, id: &str) -> Option<&Relationship> {
        self.0.iter().find(|rel| rel.id == id)
    }

    /// Names of the parts of this kind, in order.
    pub(crate) fn of_kind<'s>(&'s self, kind: &'s str) -> impl Iterator<Item = &'s str> {
        self.0
            .iter()
            .filter(move |rel| rel.kind == kind)
            .map(|rel| rel.target.as_str())
    }
}

impl<'a> Package<'a> {
    pub(crate) fn open(bytes: &'a [u8], cx: &'a Context<'a>) -> Result<Self, ExtractError> {
        let archive = Archive::open(bytes, cx)?;
        let names = archive
            .names()
            .into_iter()
            .map(|name| (name.replace('\\', "/").to_lowercase(), name))
            .collect();
        Ok(Self { archive, cx, names })
    }

    /// Bytes of a part, or `None` where there is no such part.
    pub(crate) fn read(&mut self, part: &str) -> Result<Option<Vec<u8>>, ExtractError> {
        match self.names.get(&part.to_lowercase()) {
            Some(name) => self.archive.read(name),
            None => Ok(None),
        }
    }

    pub(crate) fn has(&self, part: &str) -> bool {
        self.names.contains_key(&part.to_lowercase())
    }

    /// Names of the parts with this start and end and a number between, by number.
    pub(crate) fn numbered(&self, start: &str, end: &str) -> Vec<String> {
        let number = |name: &String| -> Option<u32> {
            name.strip_prefix(start)?.strip_suffix(end)?.parse().ok()
        };
        let mut found: Vec<(u32, String)> = self
            .names
            .keys()
            .filter_map(|name| Some((number(name)?, name.clone())))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, name)| name).collect()
    }

    /// Text of a part that something refers to; a warning where it is missing or damaged.
    pub(crate) fn text(
        &mut self,
        part: &str,
        page: Option<u32>,
        builder: &mut Builder,
    ) -> Result<Option<String>, ExtractError> {
        let reason = match self.read(part) {
            Ok(Some(bytes)) => return Ok(Some(part_text(&bytes))),
            Ok(None) => "it is missing".to_owned(),
            Err(ExtractError::Malformed { reason }) => reason,
            Err(error) => return Err(error),
        };
        let reason = format!("part `{part}` cannot be read: {reason}");
        builder.warn(WarningCode::Unreadable, page, reason);
        Ok(None)
    }

    /// The part that the package names as its document, else `usual`.
    pub(crate) fn main_part(&mut self, usual: &str) -> Result<String, ExtractError> {
        let rels = self.relationships("")?;
        let main = rels.of_kind("officeDocument").next();
        Ok(main.unwrap_or(usual).to_owned())
    }

    /// Relationships of a part (of the package itself for an empty name) to other parts. Damaged ones are as none.
    pub(crate) fn relationships(&mut self, part: &str) -> Result<Relationships, ExtractError> {
        let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
        let name = if folder.is_empty() {
            format!("_rels/{file}.rels")
        } else {
            format!("{folder}/_rels/{file}.rels")
        };
        match self.read(&name) {
            Ok(Some(bytes)) => Ok(parse_relationships(&part_text(&bytes), folder)),
            Ok(None) | Err(ExtractError::Malformed { .. }) => Ok(Relationships::default()),
            Err(error) => Err(error),
        }
    }

    /// The title that the properties of the package name, if any.
    pub(crate) fn own_title(&mut self) -> Result<Option<String>, ExtractError> {
        let rels = self.relationships("")?;
        match rels.of_kind("core-properties").next() {
            Some(part) => self.title(part),
            None => Ok(None),
        }
    }

    /// The title that the properties in `part` name.
    pub(crate) fn title(&mut self, part: &str) -> Result<Option<String>, ExtractError> {
        match self.read(part) {
            Ok(Some(bytes)) => Ok(parse_title(&part_text(&bytes))),
            Ok(None) | Err(ExtractError::Malformed { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the text in the picture `part`, where text recognition is at hand; returns whether there was any.
    pub(crate) fn picture(
        &mut self,
        part: &str,
        page: u32,
        builder: &mut Builder,
    ) -> Result<bool, ExtractError> {
        let name = part.rsplit('/').next().unwrap_or(part);
        let bytes = match self.read(part) {
            Ok(Some(bytes)) => bytes,
            Ok(None) | Err(ExtractError::Malformed { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let Ok(read) = read_part(name, &bytes, self.cx) else {
            return Ok(false);
        };
        let is_read = !read.elements.is_empty();
        for mut element in read.elements {
            (element.page, element.bbox) = (Some(page), None);
            builder.push(element);
        }
        if let Some(ocr) = &read.report.ocr {
            builder.report.ocr.get_or_insert_default().add(ocr);
        }
        for warning in read.report.warnings {
            builder.warn(warning.code, Some(page), warning.reason);
        }
        Ok(is_read)
    }

    /// Reads what stands in the picture `part`, which is a part of a text; see [`inset`].
    pub(crate) fn inset(&mut self, part: Option<&str>, page: Option<u32>, builder: &mut Builder) {
        let Some(member) = part.and_then(|part| self.names.get(&part.to_lowercase())) else {
            return;
        };
        if !inset::is_open(self.cx) {
            return;
        }
        if let Some(bytes) = self.archive.read_small(member, inset::MAX_BYTES) {
            let name = member.rsplit('/').next().unwrap_or(member);
            inset::push(self.cx, name, &bytes, page, builder);
        }
    }

    /// Reads the chart in `part`; without a part, or values in it, there is a warning.
    pub(crate) fn chart(
        &mut self,
        part: Option<&str>,
        page: Option<u32>,
        builder: &mut Builder,
    ) -> Result<(), ExtractError> {
        let Some(part) = part else {
            builder.warn(
                WarningCode::Unreadable,
                page,
                "the part of a chart is missing",
            );
            return Ok(());
        };
        let Some(xml) = self.text(part, page, builder)? else {
            return Ok(());
        };
        if push_chart(&xml, page, builder) {
            return Ok(());
        }
        // Nothing is cached: the values are in the workbook, if anywhere.
        let rels = self.relationships(part)?;
        match rels.of_kind("package").next() {
            Some(workbook) => self.embedded(workbook, page, builder)?,
            None => builder.warn(WarningCode::MissingValue, page, "a chart holds no values"),
        }
        Ok(())
    }

    /// Reads the diagram whose data is in `part`.
    pub(crate) fn diagram(
        &mut self,
        part: Option<&str>,
        page: Option<u32>,
        builder: &mut Builder,
    ) -> Result<(), ExtractError> {
        match part {
            Some(part) => {
                if let Some(xml) = self.text(part, page, builder)? {
                    push_diagram(&xml, page, builder);
                }
            }
            None => builder.warn(
                WarningCode::Unreadable,
                page,
                "the part of a diagram is missing",
            ),
        }
        Ok(())
    }

    /// Reads a document that is embedded as the part `target`; its elements come out on `page`.
    pub(crate) fn embedded(
        &mut self,
        target: &str,
        page: Option<u32>,
        builder: &mut Builder,
    ) -> Result<(), ExtractError> {
        let name = target.rsplit('/').next().unwrap_or(target);
        let read = match self.read(target) {
            Ok(Some(bytes)) => read_part(name, &bytes, self.cx),
            Ok(None) => Err(ExtractError::malformed("the part is missing")),
            Err(error) => Err(error),
        };
        match read {
            Ok(mut part) => {
                for element in &mut part.elements {
                    // Its own pages are not those of the document that people look at.
                    (element.page, element.bbox) = (page, None);
                }
                builder.push_part(name, 3, part);
            }
            Err(error) => builder.failed_part(name, &error),
        }
        Ok(())
    }
}

/// Adds the alternative text of a picture. What is only the name of a picture file says nothing and is left out.
pub(crate) fn push_alt(alt: &str, page: Option<u32>, builder: &mut Builder) {
    const ENDINGS: [&str; 9] = [
        ".png", ".jpg", ".jpeg", ".gif", ".emf", ".wmf", ".svg", ".tif", ".bmp",
    ];
    /// What Word adds to texts that it made itself.
    const ADDED: [&str; 2] = [
        "Description automatically generated",
        "AI-generated content may be incorrect.",
    ];
    let mut alt = collapse(&clean(alt).0);
    for added in ADDED {
        if let Some(own) = alt.strip_suffix(added) {
            builder.left_out(count_text(added));
            alt = own.trim_end().to_owned();
        }
    }
    let lower = alt.to_lowercase();
    if ENDINGS.iter().any(|ending| lower.ends_with(ending)) {
        builder.left_out(count_text(&alt));
        return;
    }
    let mut element = Element::new(ElementKind::Image, alt);
    element.page = page;
    builder.push(element);
}

fn parse_relationships(text: &str, folder: &str) -> Relationships {
    let mut reader = reader(text);
    let mut found = Vec::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element))
                if element.local_name().as_ref() == "Relationship" =>
            {
                let is_external = attr(&element, "TargetMode").as_deref() == Some("External");
                let (Some(kind), Some(target)) = (attr(&element, "Type"), attr(&element, "Target"))
                else {
                    continue;
                };
                if !is_external {
                    found.push(Relationship {
                        id: attr(&element, "Id").unwrap_or_default(),
                        kind: kind.rsplit('/').next().unwrap_or_default().to_owned(),
                        target: absolute(folder, &target),
                    });
                }
            }
            Ok(Event::Eof) | Err(_) => return Relationships(found),
            Ok(_) => {}
        }
    }
}

/// The full name of `target` as a part in `folder` names it. Cannot lead out of the package.
fn absolute(folder: &str, target: &str) -> String {
    let target = target.replace('\\', "/");
    let mut parts: Vec<&str> = Vec::new();
    if !target.starts_with('/') {
        parts.extend(folder.split('/'));
    }
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}

fn parse_title(text: &str) -> Option<String> {
    let mut reader = reader(text);
    let mut title = None::<String>;
    let mut is_in = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => is_in = element.local_name().as_ref() == "title",
            Ok(Event::End(_)) => is_in = false,
            Ok(Event::Text(piece)) if is_in => {
                let title = title.get_or_insert_default();
                title.push_str(&piece.xml10_content());
            }
            Ok(Event::GeneralRef(piece)) if is_in => {
                title.get_or_insert_default().extend(reference(&piece));
            }
            Ok(Event::Eof) | Err(_) => return title,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::zip_of;

    #[test]
    fn only_what_says_something_is_alternative_text() {
        let mut builder = Builder::new(10);
        for alt in [
            "A duck\n\nDescription automatically generated",
            "IMG 7.PNG",
            " ",
        ] {
            push_alt(alt, None, &mut builder);
        }
        assert_eq!(builder.elements().len(), 1);
        assert_eq!(builder.elements()[0].text, "A duck");
        assert_eq!(
            builder.report.chars_seen - builder.report.chars_kept,
            33 + 8
        );
    }

    #[test]
    fn targets_are_found_wherever_they_are_named() {
        for (folder, target, expect) in [
            ("ppt/slides", "../media/a.png", "ppt/media/a.png"),
            ("ppt", "slides/slide1.xml", "ppt/slides/slide1.xml"),
            ("ppt", "/word/x.xml", "word/x.xml"),
            ("", "ppt/presentation.xml", "ppt/presentation.xml"),
            ("a", "..\\..\\..\\etc/passwd", "etc/passwd"),
            ("a", "./b//c", "a/b/c"),
        ] {
            assert_eq!(absolute(folder, target), expect);
        }
    }

    #[test]
    fn parts_are_read_by_relationship_whatever_their_case() {
        let rels = br#"<Relationships><Relationship Id="a" Type="x/slide" Target="Slides/One.xml"/><Relationship Id="b" Type="x/hyperlink" Target="http://x" TargetMode="External"/></Relationships>"#;
        let bytes = zip_of(&[("ppt/_rels/p.xml.rels", rels), ("ppt/slides/one.xml", b"1")]);
        let cx = Context::for_test();
        let mut package = Package::open(&bytes, &cx).unwrap();
        let rels = package.relationships("ppt/p.xml").unwrap();
        assert_eq!(rels.of_kind("slide").count(), 1);
        assert_eq!(rels.target("b"), None);
        let mut builder = Builder::new(10);
        let target = rels.target("a").unwrap();
        let text = package.text(target, None, &mut builder).unwrap();
        assert_eq!(text.as_deref(), Some("1"));
        assert_eq!(
            package.text("ppt/none.xml", Some(2), &mut builder).unwrap(),
            None
        );
        assert_eq!(builder.report.warnings[0].page, Some(2));
    }
}
