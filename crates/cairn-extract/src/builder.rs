//! Collects elements in reading order and keeps the books: characters seen and kept, tables, warnings.
//!
//! Characters are counted without white space and control characters, so that markup, wrapping and
//! trimming do not look like losses.

use cairn_types::{
    BoundingBox, Element, ElementKind, Extracted, ParseReport, ParseWarning, WarningCode,
};

use crate::error::ExtractError;

/// Warnings of one document; more are counted in a last one.
const MAX_WARNINGS: usize = 200;

/// Grows into an [`Extracted`].
#[derive(Debug, Default)]
pub(crate) struct Builder {
    pub(crate) title: Option<String>,
    /// Headings are names of sheets or parts: none of them is the document's title.
    pub(crate) headings_are_names: bool,
    pub(crate) report: ParseReport,
    elements: Vec<Element>,
    /// What repeats on pages; goes after the body.
    furniture: Vec<Element>,
    max_elements: usize,
    n_over: usize,
    n_warnings_over: usize,
}

/// Characters that carry text: neither white space nor control characters.
pub(crate) fn count_text(text: &str) -> u64 {
    let n = text
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .count();
    n as u64
}

impl Builder {
    pub(crate) fn new(max_elements: usize) -> Self {
        Self {
            max_elements,
            ..Self::default()
        }
    }

    /// Adds an element and counts its characters as seen and kept. Empty text adds nothing.
    pub(crate) fn push(&mut self, element: Element) {
        let n_chars = count_text(&element.text);
        self.push_counted(element, n_chars);
    }

    /// Adds an element of which `n_chars` characters are the document's (the rest was repeated or added).
    pub(crate) fn push_counted(&mut self, mut element: Element, n_chars: u64) {
        let trimmed = element.text.trim();
        if trimmed.is_empty() {
            return;
        }
        if trimmed.len() != element.text.len() {
            element.text = trimmed.to_owned();
        }
        self.report.chars_seen += n_chars;
        if self.elements.len() >= self.max_elements {
            self.report.chars_failed += n_chars;
            self.n_over += 1;
            return;
        }
        self.report.chars_kept += n_chars;
        self.elements.push(element);
    }

    pub(crate) fn paragraph(&mut self, text: impl Into<String>) {
        self.push(Element::new(ElementKind::Paragraph, text));
    }

    pub(crate) fn heading(&mut self, level: u8, text: impl Into<String>) {
        let mut element = Element::new(ElementKind::Heading, text);
        element.level = level.clamp(1, 9);
        self.push(element);
    }

    /// Counts text that is left out on purpose: repeated headers, navigation, hidden runs.
    pub(crate) fn left_out(&mut self, n_chars: u64) {
        self.report.chars_seen += n_chars;
    }

    /// Adds a repeated header, footer or page number, and counts its characters as left out.
    pub(crate) fn furniture(&mut self, text: &str, page: Option<u32>, bbox: Option<BoundingBox>) {
        self.left_out(count_text(text));
        let text = text.trim();
        if text.is_empty() || self.furniture.len() >= self.max_elements {
            return;
        }
        let mut element = Element::new(ElementKind::Furniture, text);
        (element.page, element.bbox) = (page, bbox);
        self.furniture.push(element);
    }

    /// Counts text that could not be read.
    pub(crate) fn failed(&mut self, n_chars: u64) {
        self.report.chars_seen += n_chars;
        self.report.chars_failed += n_chars;
    }

    pub(crate) fn warn(&mut self, code: WarningCode, page: Option<u32>, reason: impl Into<String>) {
        // A document with as many faults as lines needs no line for each.
        if self.report.warnings.len() >= MAX_WARNINGS {
            self.n_warnings_over += 1;
            return;
        }
        self.report.warnings.push(ParseWarning {
            code,
            page,
            part: None,
            reason: reason.into(),
        });
    }

    fn take_over(&mut self, element: Element) {
        let list = match element.kind {
            ElementKind::Furniture => &mut self.furniture,
            _ => &mut self.elements,
        };
        if list.len() >= self.max_elements {
            self.n_over += 1;
        } else {
            list.push(element);
        }
    }

    /// Takes over what was read elsewhere as this document's own.
    pub(crate) fn absorb(&mut self, read: Extracted) {
        for element in read.elements {
            self.take_over(element);
        }
        let parts = self.report.parts + read.report.parts;
        self.report.add_part("", read.report);
        self.report.parts = parts;
        for warning in &mut self.report.warnings {
            warning.part = warning.part.take().filter(|part| !part.is_empty());
        }
    }

    /// Takes over what was read of the part `name`: a heading with its name, then its elements one level deeper.
    pub(crate) fn push_part(&mut self, name: &str, level: u8, part: Extracted) {
        let mut heading = Element::new(ElementKind::Heading, name);
        heading.level = level.clamp(1, 9);
        self.push_counted(heading, 0);
        for mut element in part.elements {
            if element.kind == ElementKind::Heading {
                element.level = element.level.saturating_add(level).min(9);
            }
            self.take_over(element);
        }
        self.report.add_part(name, part.report);
    }

    /// Counts the part `name` as not read, and says why.
    pub(crate) fn failed_part(&mut self, name: &str, error: &ExtractError) {
        self.report.parts += 1;
        self.report.parts_failed += 1;
        let code = match error {
            ExtractError::Unsupported { .. } => WarningCode::Unsupported,
            ExtractError::TooLarge { .. } => WarningCode::Limit,
            _ => WarningCode::Unreadable,
        };
        self.warn(code, None, error.to_string());
        if let Some(last) = self.report.warnings.last_mut() {
            last.part.get_or_insert_with(|| name.to_owned());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// What was read so far, without furniture.
    pub(crate) fn elements(&self) -> &[Element] {
        &self.elements
    }

    /// What was read so far but the descriptors of tables, which have tests of their own.
    #[cfg(test)]
    pub(crate) fn body(&self) -> impl Iterator<Item = &Element> {
        let is_body = |element: &&Element| element.kind != ElementKind::TableSummary;
        self.elements.iter().filter(is_body)
    }

    /// Closes the books. The first heading serves as title where the document names none.
    pub(crate) fn finish(mut self, media_type: &str) -> Extracted {
        if self.n_over > 0 {
            let (max, over) = (self.max_elements, self.n_over);
            self.report.warnings.push(ParseWarning {
                code: WarningCode::Limit,
                reason: format!(
                    "only the first {max} elements were kept, {over} more were left out"
                ),
                ..ParseWarning::default()
            });
        }
        // Parts bring their own.
        let n_over = self.report.warnings.len().saturating_sub(MAX_WARNINGS);
        self.report.warnings.truncate(MAX_WARNINGS);
        self.n_warnings_over += n_over;
        if self.n_warnings_over > 0 {
            self.report.warnings.push(ParseWarning {
                code: WarningCode::Other,
                reason: format!("{} more warnings are not shown", self.n_warnings_over),
                ..ParseWarning::default()
            });
        }
        self.report.elements = u32::try_from(self.elements.len()).unwrap_or(u32::MAX);
        self.elements.append(&mut self.furniture);
        let title = self
            .title
            .map(|title| crate::text::collapse(&title))
            .filter(|title| !title.is_empty())
            .or_else(|| {
                let headings = if self.headings_are_names { 0 } else { 20 };
                self.elements
                    .iter()
                    .take(headings)
                    .find(|element| element.kind == ElementKind::Heading)
                    .map(|element| crate::text::collapse(&element.text))
            });
        Extracted {
            media_type: media_type.to_owned(),
            title,
            elements: self.elements,
            report: self.report,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_was_kept_and_names_what_was_not() {
        let mut builder = Builder::new(1);
        builder.heading(1, "  A b ");
        builder.paragraph("   ");
        builder.paragraph("over");
        builder.left_out(3);
        let extracted = builder.finish("text/plain");
        assert_eq!(extracted.elements.len(), 1);
        assert_eq!(extracted.title.as_deref(), Some("A b"));
        assert_eq!(extracted.report.chars_kept, 2);
        assert_eq!(extracted.report.chars_seen, 9);
        assert_eq!(extracted.report.warnings.len(), 1);
    }
}
