//! What readers of marked-up text share: lists that number themselves, and blocks of inline text to elements.

use cairn_types::{Element, ElementKind};

use crate::builder::{Builder, count_text};
use crate::text::collapse_lines;

/// Open lists, the outermost first; each with the next number of an ordered one.
#[derive(Debug, Default)]
pub(crate) struct Lists(Vec<Option<u64>>);

impl Lists {
    pub(crate) fn open(&mut self, first: Option<u64>) {
        self.0.push(first);
    }

    pub(crate) fn close(&mut self) {
        self.0.pop();
    }

    /// The marker of the next item: `-`, or its number.
    pub(crate) fn next_marker(&mut self) -> String {
        match self.0.last_mut() {
            Some(Some(number)) => {
                let marker = format!("{number}.");
                *number = number.saturating_add(1);
                marker
            }
            _ => "-".to_owned(),
        }
    }

    /// Nesting of an item, from 1.
    pub(crate) fn level(&self) -> u8 {
        u8::try_from(self.0.len()).unwrap_or(u8::MAX).max(1)
    }
}

/// Adds a block of inline text: a heading, an item where it has a marker (which is not counted), else `kind`.
/// Returns whether there was any text.
pub(crate) fn push_block(
    builder: &mut Builder,
    kind: ElementKind,
    level: u8,
    marker: Option<String>,
    text: &str,
) -> bool {
    let text = collapse_lines(text);
    if text.is_empty() {
        return false;
    }
    let n_chars = count_text(&text);
    let mut element = match (kind, marker) {
        (ElementKind::Heading, _) => Element::new(kind, text.replace('\n', " ")),
        (ElementKind::Paragraph, Some(marker)) => {
            Element::new(ElementKind::ListItem, format!("{marker} {text}"))
        }
        (kind, Some(marker)) => Element::new(kind, format!("{marker} {text}")),
        (kind, None) => Element::new(kind, text),
    };
    if matches!(element.kind, ElementKind::Heading | ElementKind::ListItem) {
        element.level = level;
    }
    builder.push_counted(element, n_chars);
    true
}
