//! PowerPoint presentations (OOXML, transitional and strict) to elements, by hand over `zip` and `quick-xml`.
//!
//! A slide is a page: its title, its shapes in reading order, then speaker notes and comments. Charts give their cached
//! values, diagrams their points, embedded documents their own elements. Footers, dates and slide numbers, and what
//! stands on layouts and masters, are left out and counted. Missing or damaged parts cost a warning, never the file.
//! Names are compared without their namespace prefix: both flavours of the format use the same local names.

mod comments;
mod slide;

use std::collections::HashMap;
use std::rc::Rc;

use cairn_types::{Element, ElementKind, WarningCode};
use quick_xml::events::Event;

use crate::builder::{Builder, count_text};
use crate::context::Context;
use crate::error::ExtractError;
use crate::ooxml::{ListStyle, Package, Relationships, push_alt};
use crate::slides::{Frame, Placed, reading_order, stand_in_title};
use crate::table::push_span_table;
use crate::text::{clean, collapse, collapse_lines};
use crate::xml::{fault, part_text, reader};
use slide::{Content, Shape, Slide};

/// Pictures of a slide without any text that are sent to text recognition.
const MAX_RECOGNIZED: usize = 4;

/// Reads a PowerPoint presentation.
pub(crate) fn read(
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let mut package = Package::open(bytes, cx)?;
    let main = package.main_part("ppt/presentation.xml")?;
    let rels = package.relationships(&main)?;
    let slides = slide_parts(&mut package, &main, &rels, builder)?;
    builder.title = package.title("docProps/core.xml")?;
    let mut authors = HashMap::new();
    for kind in ["commentAuthors", "authors"] {
        for part in rels.of_kind(kind) {
            let xml = package.text(part, None, builder)?.unwrap_or_default();
            authors.extend(comments::read_authors(&xml));
        }
    }
    let n_slides = u32::try_from(slides.len()).unwrap_or(u32::MAX);
    builder.report.pages = Some(n_slides);
    if n_slides > cx.options.max_pages {
        let max = cx.options.max_pages;
        let reason = format!("only the first {max} of {n_slides} slides were read");
        builder.report.pages_failed += n_slides - max;
        builder.warn(WarningCode::Limit, None, reason);
    }
    let mut deck = Deck {
        package,
        builder,
        authors,
        backgrounds: HashMap::new(),
    };
    for (page, part) in (1..=cx.options.max_pages).zip(&slides) {
        deck.slide(part, page)?;
    }
    Ok(())
}

/// Parts of the slides, in the order of the presentation.
fn slide_parts(
    package: &mut Package<'_>,
    main: &str,
    rels: &Relationships,
    builder: &mut Builder,
) -> Result<Vec<String>, ExtractError> {
    let bytes = match package.read(main) {
        Err(ExtractError::Malformed { .. }) => None,
        read => read?,
    };
    let text = bytes.map(|bytes| part_text(&bytes)).unwrap_or_default();
    let mut reader = reader(&text);
    let mut parts = Vec::new();
    let mut is_damaged = fault(text.as_bytes()).is_some();
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                if element.local_name().as_ref() == "sldId"
                    // Beside the relationship stands an `id` of the slide itself.
                    && let Some(id) = prefixed_id(&element)
                {
                    let target = rels.target(&id);
                    is_damaged |= target.is_none();
                    parts.extend(target.map(str::to_owned));
                }
            }
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    let mut unlisted = package.numbered("ppt/slides/slide", ".xml");
    unlisted.retain(|part| !parts.iter().any(|known| known.eq_ignore_ascii_case(part)));
    if !parts.is_empty() && !unlisted.is_empty() {
        let n = unlisted.len();
        if is_damaged {
            let reason = format!(
                "{n} slides that the damaged presentation does not list were read after the others"
            );
            builder.warn(WarningCode::Recovered, None, reason);
            parts.append(&mut unlisted);
        } else {
            // Programs that delete a slide from the list may leave it in the package.
            let reason = format!("{n} slides that the presentation does not list were left out");
            builder.warn(WarningCode::Hidden, None, reason);
        }
    }
    if parts.is_empty() {
        // Without a list: all slides that something names, else all there are.
        parts.extend(rels.of_kind("slide").map(str::to_owned));
    }
    if parts.is_empty() {
        parts = package.numbered("ppt/slides/slide", ".xml");
    }
    if parts.is_empty() {
        return Err(ExtractError::malformed("it names no slides"));
    }
    Ok(parts)
}

/// Value of the attribute `id` that has a prefix: the relationship's.
fn prefixed_id(element: &quick_xml::events::BytesStart<'_>) -> Option<String> {
    element
        .attributes()
        .with_checks(false)
        .flatten()
        .find(|attribute| {
            attribute.key.local_name().as_ref() == "id" && attribute.key.as_ref() != "id"
        })
        .map(|attribute| attribute.value.into_owned())
}

/// What a slide's layout and master give it.
#[derive(Default)]
struct Background {
    layout: Slide,
    master: Slide,
}

struct Deck<'a, 'b> {
    package: Package<'a>,
    builder: &'b mut Builder,
    authors: HashMap<String, String>,
    /// By the part of the layout.
    backgrounds: HashMap<String, Rc<Background>>,
}

impl Deck<'_, '_> {
    fn slide(&mut self, part: &str, page: u32) -> Result<(), ExtractError> {
        let rels = self.package.relationships(part)?;
        let n_before = self.builder.report.chars_kept;
        let mut pictures = Vec::new();
        match self.package.text(part, Some(page), self.builder)? {
            Some(xml) => {
                let slide = slide::read(&xml);
                let background = self.background(&rels, page)?;
                self.note_problems(&slide, page);
                pictures = self.shapes(&slide, &background, &rels, page)?;
            }
            None => self.builder.report.pages_failed += 1,
        }
        if self.builder.report.chars_kept > n_before {
            for picture in &pictures {
                self.package.inset(Some(picture), Some(page), self.builder);
            }
        } else if !pictures.is_empty() {
            self.recognize(&pictures, page)?;
        }
        for notes in rels.of_kind("notesSlide") {
            if let Some(xml) = self.package.text(notes, Some(page), self.builder)? {
                self.notes(&slide::read(&xml), page);
            }
        }
        for part in rels.of_kind("comments") {
            if let Some(xml) = self.package.text(part, Some(page), self.builder)? {
                for text in comments::read(&xml, &self.authors) {
                    self.push(ElementKind::Note, 0, &text, page);
                }
            }
        }
        Ok(())
    }

    fn note_problems(&mut self, slide: &Slide, page: u32) {
        let page = Some(page);
        if slide.is_hidden {
            let reason = "the slide is hidden; its text was kept";
            self.builder.warn(WarningCode::Hidden, page, reason);
        }
        let n_hidden = slide.shapes.iter().filter(|shape| shape.is_hidden).count();
        if n_hidden > 0 {
            let reason = format!("{n_hidden} hidden shapes; their text was kept");
            self.builder.warn(WarningCode::Hidden, page, reason);
        }
        if let Some(error) = &slide.error {
            let reason = format!("the slide was read only in part: {error}");
            self.builder.warn(WarningCode::Recovered, page, reason);
        }
        self.builder.left_out(slide.n_covered);
    }

    /// The slide's layout and its master. What stands on them is counted once.
    fn background(
        &mut self,
        rels: &Relationships,
        page: u32,
    ) -> Result<Rc<Background>, ExtractError> {
        let Some(part) = rels.of_kind("slideLayout").next() else {
            return Ok(Rc::default());
        };
        if let Some(found) = self.backgrounds.get(part) {
            return Ok(Rc::clone(found));
        }
        let layout_rels = self.package.relationships(part)?;
        let layout = self.package.text(part, Some(page), self.builder)?;
        let master = match layout_rels.of_kind("slideMaster").next() {
            Some(part) => self.package.text(part, Some(page), self.builder)?,
            None => None,
        };
        let read = |xml: Option<String>| xml.map(|xml| slide::read(&xml)).unwrap_or_default();
        let background = Background {
            layout: read(layout),
            master: read(master),
        };
        let own = background.layout.shapes.iter();
        let n_chars = own
            .filter(|shape| shape.placeholder.is_none())
            .map(|shape| shape.text.n_chars())
            .sum();
        self.builder.left_out(n_chars);
        let background = Rc::new(background);
        self.backgrounds
            .insert(part.to_owned(), Rc::clone(&background));
        Ok(background)
    }

    /// Adds the slide's shapes; returns the parts of its pictures.
    fn shapes(
        &mut self,
        slide: &Slide,
        background: &Background,
        rels: &Relationships,
        page: u32,
    ) -> Result<Vec<String>, ExtractError> {
        let inherited: Vec<(Option<Frame>, ListStyle)> = slide
            .shapes
            .iter()
            .map(|shape| inherit(shape, background))
            .collect();
        let all = slide.shapes.iter().zip(&inherited);
        let placed: Vec<Placed> = all
            .map(|(shape, (frame, style))| shape.placed(*frame, style))
            .collect();
        let stand_in = stand_in_title(&placed);
        if stand_in.is_none() && !placed.iter().any(|placed| placed.is_title) {
            // Without a title the slide would seem to belong to the one before it.
            self.push(ElementKind::Heading, 2, &slide.name, page);
        }
        let mut pictures = Vec::new();
        for idx in reading_order(&placed) {
            let shape = &slide.shapes[idx];
            if stand_in == Some(idx) {
                self.push(ElementKind::Heading, 2, &shape.text.plain(), page);
            } else {
                self.text(shape, &inherited[idx].1, page);
            }
            self.content(shape, rels, page, &mut pictures)?;
        }
        Ok(pictures)
    }

    fn text(&mut self, shape: &Shape, style: &ListStyle, page: u32) {
        self.builder.left_out(shape.text.n_fields);
        match shape.role() {
            None => self.builder.left_out(shape.text.n_chars()),
            Some((ElementKind::Heading, level)) => {
                let text = collapse(&shape.text.plain());
                self.push(ElementKind::Heading, level, &text, page);
            }
            Some(_) => {
                let markers = shape.text.markers(style);
                for (paragraph, marker) in shape.text.paragraphs.iter().zip(markers) {
                    let Some(marker) = marker else {
                        self.push(ElementKind::Paragraph, 0, &paragraph.text, page);
                        continue;
                    };
                    let text = collapse_lines(&clean(&paragraph.text).0);
                    let n_chars = count_text(&text);
                    let text = format!("{marker} {text}");
                    let mut element = Element::new(ElementKind::ListItem, text);
                    element.level = u8::try_from(paragraph.level + 1).unwrap_or(9);
                    element.page = Some(page);
                    self.builder.push_counted(element, n_chars);
                }
            }
        }
    }

    fn content(
        &mut self,
        shape: &Shape,
        rels: &Relationships,
        page: u32,
        pictures: &mut Vec<String>,
    ) -> Result<(), ExtractError> {
        match &shape.content {
            Content::Text => {}
            Content::Picture(id) => {
                self.builder.report.images += 1;
                let part = id.as_deref().and_then(|id| rels.target(id));
                match part.filter(|part| self.package.has(part)) {
                    Some(part) => pictures.push(part.to_owned()),
                    None => {
                        let reason = "a picture is missing or linked from elsewhere";
                        self.builder
                            .warn(WarningCode::Unreadable, Some(page), reason);
                    }
                }
            }
            Content::Table(rows) => push_span_table(self.builder, rows, Some(page)),
            Content::Chart(id) => {
                self.package
                    .chart(rels.target(id), Some(page), self.builder)?;
            }
            Content::Diagram(id) => {
                self.package
                    .diagram(rels.target(id), Some(page), self.builder)?;
            }
            Content::Object(id) => {
                // Without a part it is a link to a file elsewhere, of which only the picture is here.
                if let Some(part) = rels.target(id) {
                    self.package.embedded(part, Some(page), self.builder)?;
                }
            }
        }
        push_alt(&shape.alt, Some(page), self.builder);
        Ok(())
    }

    fn notes(&mut self, notes: &Slide, page: u32) {
        let mut text = String::new();
        for shape in &notes.shapes {
            self.builder.left_out(shape.text.n_fields);
            if shape.role().is_none() {
                self.builder.left_out(shape.text.n_chars());
                continue;
            }
            text.push_str(&shape.text.plain());
            text.push('\n');
        }
        self.push(ElementKind::Note, 0, &text, page);
    }

    /// Reads the pictures of a slide that is nothing but pictures.
    fn recognize(&mut self, pictures: &[String], page: u32) -> Result<(), ExtractError> {
        let mut is_read = false;
        for part in pictures.iter().take(MAX_RECOGNIZED) {
            is_read |= self.package.picture(part, page, self.builder)?;
        }
        if !is_read {
            self.builder.report.pages_failed += 1;
            let reason = "the slide holds pictures and no text, and no text was recognised in them";
            self.builder
                .warn(WarningCode::NoTextLayer, Some(page), reason);
        }
        Ok(())
    }

    fn push(&mut self, kind: ElementKind, level: u8, text: &str, page: u32) {
        let mut element = Element::new(kind, collapse_lines(&clean(text).0));
        (element.level, element.page) = (level, Some(page));
        self.builder.push(element);
    }
}

/// Box and bullets of a shape, from its layout and master where it sets none.
fn inherit(shape: &Shape, background: &Background) -> (Option<Frame>, ListStyle) {
    let mut frame = shape.frame;
    let mut style = ListStyle::default();
    let Some(own) = &shape.placeholder else {
        return (frame, style);
    };
    let is_title = shape.is_title();
    let of_layout = background.layout.shapes.iter().find(|shape| {
        let Some(other) = &shape.placeholder else {
            return false;
        };
        (own.idx > 0 && other.idx == own.idx) || (own.idx == 0 && other.kind == own.kind)
    });
    // A master has one title and one body for all kinds of text.
    let general = if is_title { "title" } else { "body" };
    let of_master = background.master.shapes.iter().find(|shape| {
        let other = shape.placeholder.as_ref();
        other.is_some_and(|other| other.kind == general)
    });
    for base in of_layout.into_iter().chain(of_master) {
        frame = frame.or(base.frame);
        for (level, bullet) in style.iter_mut().zip(base.text.style) {
            *level = level.or(bullet);
        }
    }
    if !is_title {
        for (level, bullet) in style.iter_mut().zip(background.master.body_style) {
            *level = level.or(bullet);
        }
    }
    (frame, style)
}

#[cfg(test)]
mod tests;
