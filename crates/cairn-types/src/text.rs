//! Character spans: half-open ranges of Unicode code points, the unit of every span that Cairn shows.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// A half-open range of Unicode code points in a rendition's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CharSpan {
    /// First code point.
    pub start: usize,
    /// One past the last code point; never less than `start`.
    pub end: usize,
}

impl CharSpan {
    /// The span `start..end`.
    ///
    /// # Panics
    /// When `end < start`: such a span would slice to nothing and cite nothing.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        assert!(start <= end, "a span ends before it starts");
        Self { start, end }
    }

    /// Number of code points.
    #[must_use]
    pub const fn len(self) -> usize {
        self.end - self.start
    }

    /// Whether the span holds nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The part of `text` that the span names, or `None` where it reaches past the end.
    #[must_use]
    pub fn slice(self, text: &str) -> Option<&str> {
        let start = char_to_byte(text, self.start)?;
        let len = char_to_byte(&text[start..], self.len())?;
        Some(&text[start..start + len])
    }
}

impl From<Range<usize>> for CharSpan {
    fn from(range: Range<usize>) -> Self {
        Self::new(range.start, range.end)
    }
}

/// Byte offset of the code point at `char_idx`; the text's length for the position one past the end.
#[must_use]
pub fn char_to_byte(text: &str, char_idx: usize) -> Option<usize> {
    if text.is_ascii() {
        return (char_idx <= text.len()).then_some(char_idx);
    }
    text.char_indices()
        .map(|(byte, _)| byte)
        .chain(std::iter::once(text.len()))
        .nth(char_idx)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_count_code_points_not_bytes() {
        let text = "añb🦀c";
        assert_eq!(CharSpan::new(1, 4).slice(text), Some("ñb🦀"));
        assert_eq!(CharSpan::new(5, 5).slice(text), Some(""));
        assert_eq!(CharSpan::new(4, 6).slice(text), None);
        assert_eq!(CharSpan::new(0, 2).slice("ab"), Some("ab"));
        assert_eq!(CharSpan::new(2, 3).slice("ab"), None);
    }
}
