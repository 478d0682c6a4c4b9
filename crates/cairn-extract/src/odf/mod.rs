//! `OpenDocument` texts and presentations (ODF 1.0 to 1.4, packages and flat files) to elements, by hand over `zip` and
//! `quick-xml`.
//!
//! Names are compared without their namespace prefix. Deleted text of tracked changes, hidden text, page headers and
//! footers are left out and counted; notes and comments follow the paragraph that they belong to. A slide is a page:
//! its title, its shapes in reading order, then speaker notes. Charts, formulas and sheets within the document are
//! parts of the same package and are read with the same reader.

mod content;
mod styles;
mod table;

use cairn_types::{Element, ElementKind, WarningCode};
use quick_xml::events::Event;

use crate::builder::{Builder, count_text};
use crate::context::Context;
use crate::error::ExtractError;
use crate::ooxml::{Package, push_alt};
use crate::slides::{Placed, reading_order, stand_in_title};
use crate::table::push_span_table;
use crate::text::{clean, collapse, collapse_lines};
use crate::xml::{part_text, reader, reference};
use content::{Item, Page, Paragraph, Part, Shape, plain};
use styles::Styles;

/// Documents within the document, at all levels.
const MAX_OBJECTS: usize = 1_000;
/// Levels of documents within documents.
const MAX_DEPTH: usize = 3;
/// Pictures of a slide without any text that are sent to text recognition.
const MAX_RECOGNIZED: usize = 4;

/// Reads an `OpenDocument` text or presentation.
pub(crate) fn read(
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let mut styles = Styles::default();
    if !bytes.starts_with(b"PK") {
        let xml = part_text(bytes);
        styles.read(&xml);
        let part = content::read(&xml, &styles);
        Reader::new(None, cx, builder).part(&part)?;
        return Ok(());
    }
    let mut package = Package::open(bytes, cx)?;
    if let Ok(Some(manifest)) = package.read("META-INF/manifest.xml")
        && is_encrypted(&part_text(&manifest))
    {
        return Err(ExtractError::PasswordRequired);
    }
    let Some(xml) = package.read("content.xml")? else {
        return Err(ExtractError::malformed("it has no part `content.xml`"));
    };
    let xml = part_text(&xml);
    if package.has("styles.xml")
        && let Some(xml) = package.text("styles.xml", None, builder)?
    {
        styles.read(&xml);
    }
    styles.read(&xml);
    builder.title = package.title("meta.xml")?;
    builder.left_out(styles.n_furniture);
    let part = content::read(&xml, &styles);
    Reader::new(Some(package), cx, builder).part(&part)
}

fn is_encrypted(manifest: &str) -> bool {
    let mut reader = reader(manifest);
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element))
                if element.local_name().as_ref() == "encryption-data" =>
            {
                return true;
            }
            Ok(Event::Eof) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}

struct Reader<'a, 'b> {
    /// None for flat files.
    package: Option<Package<'a>>,
    builder: &'b mut Builder,
    max_pages: u32,
    n_pages: u32,
    page: Option<u32>,
    /// The slide holds nothing but pictures, which are read as what it says.
    is_all_pictures: bool,
    depth: usize,
    n_objects: usize,
}

impl<'a, 'b> Reader<'a, 'b> {
    fn new(package: Option<Package<'a>>, cx: &Context<'_>, builder: &'b mut Builder) -> Self {
        Self {
            package,
            builder,
            max_pages: cx.options.max_pages,
            n_pages: 0,
            page: None,
            is_all_pictures: false,
            depth: 0,
            n_objects: 0,
        }
    }

    fn part(&mut self, part: &Part) -> Result<(), ExtractError> {
        self.note_problems(part);
        self.items(&part.items)?;
        if self.n_pages > 0 {
            self.builder.report.pages = Some(self.n_pages);
            if self.n_pages > self.max_pages {
                let (max, n) = (self.max_pages, self.n_pages);
                self.builder.report.pages_failed += n - max;
                let reason = format!("only the first {max} of {n} slides were read");
                self.builder.warn(WarningCode::Limit, None, reason);
            }
        }
        Ok(())
    }

    fn note_problems(&mut self, part: &Part) {
        self.builder.left_out(part.n_left_out + part.n_hidden);
        self.builder.report.images += part.n_images;
        if part.n_hidden > 0 {
            let reason = format!("{} characters of hidden text were left out", part.n_hidden);
            self.builder.warn(WarningCode::Hidden, None, reason);
        }
        if part.n_cells_cut > 0 {
            self.builder.report.cells_failed += part.n_cells_cut;
            let reason = format!(
                "{} repetitions of table cells were left out",
                part.n_cells_cut
            );
            self.builder.warn(WarningCode::Limit, None, reason);
        }
        if let Some(error) = &part.error {
            let reason = format!("the text was read only in part: {error}");
            self.builder.warn(WarningCode::Recovered, None, reason);
        }
    }

    /// Adds items with what is anchored in them; deep nesting costs heap and no stack.
    fn items(&mut self, items: &[Item]) -> Result<(), ExtractError> {
        let mut stack: Vec<&Item> = items.iter().rev().collect();
        while let Some(item) = stack.pop() {
            match item {
                Item::Paragraph(paragraph) => {
                    self.paragraph(paragraph);
                    stack.extend(paragraph.after.iter().rev());
                }
                Item::Table(table) => {
                    push_span_table(self.builder, &table.rows, self.page);
                    for path in &table.objects {
                        self.object(path)?;
                    }
                }
                Item::Note(text) => self.push(ElementKind::Note, 0, text),
                Item::Shape(shape) => {
                    self.shape_content(shape)?;
                    stack.extend(shape.items.iter().rev());
                }
                Item::Page(page) => self.slide(page)?,
            }
        }
        Ok(())
    }

    fn push(&mut self, kind: ElementKind, level: u8, text: &str) {
        let mut element = Element::new(kind, collapse_lines(&clean(text).0));
        (element.level, element.page) = (level, self.page);
        self.builder.push(element);
    }

    fn paragraph(&mut self, paragraph: &Paragraph) {
        let text = collapse_lines(&clean(&paragraph.text).0);
        if text.is_empty() {
            return;
        }
        let n_chars = count_text(&text);
        let label = paragraph.label.as_deref();
        let with_label = |text: String| match label {
            Some(label) => format!("{label} {text}"),
            None => text,
        };
        let heading = match (paragraph.is_title, paragraph.heading) {
            (true, _) => Some(1),
            (false, heading) => heading,
        };
        let mut element = if let Some(level) = heading {
            let text = text.replace('\n', " ");
            if paragraph.is_title && self.builder.title.is_none() {
                self.builder.title = Some(text.clone());
            }
            let text = if label == Some("-") {
                text
            } else {
                with_label(text)
            };
            let mut element = Element::new(ElementKind::Heading, text);
            element.level = level.clamp(1, 9);
            element
        } else if label.is_some() {
            let mut element = Element::new(ElementKind::ListItem, with_label(text));
            element.level = paragraph.list_level.max(1);
            element
        } else {
            Element::new(ElementKind::Paragraph, text)
        };
        element.page = self.page;
        self.builder.push_counted(element, n_chars);
    }

    /// The picture, embedded document and alternative text of a shape.
    fn shape_content(&mut self, shape: &Shape) -> Result<(), ExtractError> {
        if let Some(path) = &shape.object {
            self.object(path)?;
        } else if let Some(path) = &shape.picture
            && shape.items.is_empty()
        {
            let is_here = |package: &Package<'_>| package.has(path.trim_start_matches("./"));
            match &mut self.package {
                Some(package) if !is_here(package) => {
                    let reason = "a picture is missing or linked from elsewhere";
                    self.builder
                        .warn(WarningCode::Unreadable, self.page, reason);
                }
                Some(package) if !self.is_all_pictures => {
                    let part = path.trim_start_matches("./");
                    package.inset(Some(part), self.page, self.builder);
                }
                _ => {}
            }
        }
        push_alt(&shape.alt, self.page, self.builder);
        Ok(())
    }

    /// Reads a document within the document.
    fn object(&mut self, path: &str) -> Result<(), ExtractError> {
        let Some(package) = &mut self.package else {
            return Ok(());
        };
        let path = path.trim_start_matches("./");
        self.n_objects += 1;
        if self.n_objects > MAX_OBJECTS || self.depth >= MAX_DEPTH {
            let reason = format!("the embedded document `{path}` was left out: there are too many");
            self.builder.warn(WarningCode::Limit, self.page, reason);
            return Ok(());
        }
        let inner = format!("{path}/content.xml");
        if package.has(&inner) {
            let Some(xml) = package.text(&inner, self.page, self.builder)? else {
                return Ok(());
            };
            if let Some(formula) = formula(&xml) {
                self.push(ElementKind::Paragraph, 0, &formula);
                return Ok(());
            }
            let mut styles = Styles::default();
            styles.read(&xml);
            let part = content::read(&xml, &styles);
            self.note_problems(&part);
            self.depth += 1;
            let read = self.items(&part.items);
            self.depth -= 1;
            return read;
        }
        if package.has(path) {
            package.embedded(path, self.page, self.builder)?;
        }
        // Otherwise it is a link to a file elsewhere.
        Ok(())
    }

    fn slide(&mut self, page: &Page) -> Result<(), ExtractError> {
        // A slide is no part of another one.
        self.n_pages += 1;
        if self.n_pages > self.max_pages {
            return Ok(());
        }
        let outer = self.page.replace(self.n_pages);
        if page.is_hidden {
            let reason = "the slide is hidden; its text was kept";
            self.builder.warn(WarningCode::Hidden, self.page, reason);
        }
        let placed: Vec<Placed> = page.items.iter().map(placed).collect();
        let has_subtitle = page.items.iter().any(|item| class(item) == "subtitle");
        let level = if self.n_pages == 1 && has_subtitle {
            1
        } else {
            2
        };
        self.is_all_pictures = !placed.iter().any(|placed| placed.is_content);
        let stand_in = stand_in_title(&placed);
        if stand_in.is_none() && !placed.iter().any(|placed| placed.is_title) {
            // Without a title the slide would seem to belong to the one before it.
            self.push(ElementKind::Heading, level, &page.name);
        }
        for idx in reading_order(&placed) {
            let item = &page.items[idx];
            let one = std::slice::from_ref(item);
            if is_furniture(item) {
                self.builder.left_out(count_text(&plain(one)));
            } else if placed[idx].is_title || stand_in == Some(idx) {
                self.push(ElementKind::Heading, level, &collapse(&plain(one)));
            } else {
                self.items(one)?;
            }
        }
        if std::mem::take(&mut self.is_all_pictures) {
            self.recognize(page)?;
        }
        let (furniture, notes): (Vec<&Item>, Vec<&Item>) =
            page.notes.iter().partition(|item| is_furniture(item));
        let text = |items: &[&Item]| -> String {
            let texts: Vec<String> = items
                .iter()
                .map(|item| plain(std::slice::from_ref(*item)))
                .collect();
            texts.join("\n")
        };
        self.builder.left_out(count_text(&text(&furniture)));
        self.push(ElementKind::Note, 0, &text(&notes));
        self.page = outer;
        Ok(())
    }

    /// Reads the pictures of a slide that is nothing but pictures.
    fn recognize(&mut self, page: &Page) -> Result<(), ExtractError> {
        let picture = |item: &'_ Item| match item {
            Item::Shape(shape) => shape.picture.clone(),
            _ => None,
        };
        let pictures: Vec<String> = page.items.iter().filter_map(picture).collect();
        if pictures.is_empty() {
            return Ok(());
        }
        let mut is_read = false;
        if let Some(package) = &mut self.package {
            for path in pictures.iter().take(MAX_RECOGNIZED) {
                let path = path.trim_start_matches("./");
                is_read |= package.picture(path, self.n_pages, self.builder)?;
            }
        }
        if !is_read {
            self.builder.report.pages_failed += 1;
            let reason = "the slide holds pictures and no text, and no text was recognised in them";
            self.builder
                .warn(WarningCode::NoTextLayer, self.page, reason);
        }
        Ok(())
    }
}

fn class(item: &Item) -> &str {
    match item {
        Item::Shape(shape) => &shape.class,
        _ => "",
    }
}

/// Whether a shape holds what the program repeats on each slide.
fn is_furniture(item: &Item) -> bool {
    matches!(
        class(item),
        "header" | "footer" | "date-time" | "page-number"
    )
}

fn placed(item: &Item) -> Placed {
    let text = plain(std::slice::from_ref(item));
    let (frame, has_label, is_content) = match item {
        Item::Shape(shape) => (
            shape.frame,
            shape.items.iter().any(
                |item| matches!(item, Item::Paragraph(paragraph) if paragraph.label.is_some()),
            ),
            !text.is_empty() || shape.object.is_some(),
        ),
        _ => (None, false, !text.is_empty()),
    };
    let is_line = !text.is_empty() && !text.contains('\n') && !has_label;
    let is_table =
        matches!(item, Item::Shape(shape) if matches!(shape.items.first(), Some(Item::Table(_))));
    Placed {
        frame,
        is_title: class(item) == "title" && !text.is_empty(),
        is_content: is_content && !is_furniture(item),
        line: (is_line && !is_table).then_some(text),
    }
}

/// The symbols of a formula (`MathML`) in their order, or `None` where `xml` is something else.
fn formula(xml: &str) -> Option<String> {
    let mut reader = reader(xml);
    let mut text = String::new();
    let (mut is_formula, mut in_symbol, mut n_annotations) = (false, false, 0_usize);
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => match element.local_name().as_ref() {
                "math" => is_formula = true,
                _ if !is_formula => return None,
                "annotation" => n_annotations += 1,
                "mi" | "mn" | "mo" | "mtext" | "ms" => in_symbol = true,
                _ => {}
            },
            Ok(Event::End(element)) => match element.local_name().as_ref() {
                "annotation" => n_annotations = n_annotations.saturating_sub(1),
                "mi" | "mn" | "mo" | "mtext" | "ms" => in_symbol = false,
                _ => {}
            },
            Ok(Event::Text(piece)) if in_symbol && n_annotations == 0 => {
                text.push_str(&piece.xml10_content());
                text.push(' ');
            }
            Ok(Event::GeneralRef(piece)) if in_symbol && n_annotations == 0 => {
                text.extend(reference(&piece));
                text.push(' ');
            }
            Ok(Event::Eof) | Err(_) => return is_formula.then_some(text),
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
