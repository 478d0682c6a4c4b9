//! Texts to token ids, by the `tokenizers` library under our own limits.
//!
//! The published files carry truncation to 128 tokens and padding to a fixed length: both are removed here, the limit comes from the
//! manifest. Words like `[SEP]` inside a text are read as text, never as control tokens: document text is data.

use std::sync::OnceLock;

use tokenizers::utils::truncation::TruncationDirection;
use tokenizers::{PostProcessor, Tokenizer as Library};

use crate::count::Counter;
use crate::error::ModelError;
use crate::manifest::TOKENIZER;

/// A text is cut here before it is tokenised for a vector, at a space: far beyond what fills the token limit with words.
const MOST_BYTES_PER_TOKEN: usize = 256;

/// A tokenizer with its limit.
pub(crate) struct Tokenizer {
    inner: Library,
    max_tokens: usize,
    /// Special tokens around every text.
    n_special: usize,
    /// Made at the first count: a query needs none.
    counter: OnceLock<Option<Counter>>,
}

impl Tokenizer {
    /// Reads `tokenizer.json`.
    ///
    /// # Errors
    /// Where it is not such a file, or the limit leaves no room for a text.
    pub(crate) fn parse(model: &str, json: &[u8], max_tokens: usize) -> Result<Self, ModelError> {
        let malformed = |reason: String| ModelError::Malformed {
            model: model.to_owned(),
            file: TOKENIZER.to_owned(),
            reason,
        };
        let mut inner = Library::from_bytes(json).map_err(|e| malformed(e.to_string()))?;
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|e| malformed(e.to_string()))?;
        inner.set_encode_special_tokens(true);
        let n_special = inner
            .get_post_processor()
            .map_or(0, |p| p.added_tokens(false));
        if max_tokens <= n_special {
            return Err(malformed(format!(
                "{n_special} special tokens, at most {max_tokens} tokens"
            )));
        }
        Ok(Self {
            inner,
            max_tokens,
            n_special,
            counter: OnceLock::new(),
        })
    }

    /// Ids of the text with special tokens, at most `max_tokens`. `None` where the library gives up on the text.
    pub(crate) fn encode(&self, text: &str) -> Option<Vec<u32>> {
        let text = head(text, self.max_tokens * MOST_BYTES_PER_TOKEN);
        let mut encoding = self.inner.encode_fast(text, false).ok()?;
        encoding.truncate(
            self.max_tokens - self.n_special,
            0,
            TruncationDirection::Right,
        );
        let encoding = self.inner.post_process(encoding, None, true).ok()?;
        Some(encoding.get_ids().to_vec())
    }

    /// Tokens of the whole text, special tokens included.
    pub(crate) fn count(&self, text: &str) -> usize {
        match self.counter() {
            Some(counter) => self.n_special + counter.count(text, |part| self.pieces(part)),
            None => self.count_by_library(text),
        }
    }

    /// The same, by making the tokens.
    pub(crate) fn count_by_library(&self, text: &str) -> usize {
        self.n_special + self.pieces(text)
    }

    /// Whether [`Self::count`] has a short way for this tokenizer.
    #[cfg(test)]
    pub(crate) fn counts_fast(&self) -> bool {
        self.counter().is_some()
    }

    fn counter(&self) -> Option<&Counter> {
        self.counter
            .get_or_init(|| Counter::new(&self.inner))
            .as_ref()
    }

    fn pieces(&self, text: &str) -> usize {
        self.inner
            .encode_fast(text, false)
            .map_or(0, |encoding| encoding.len())
    }
}

/// The first `most` bytes of a text, cut at a space where there is one.
fn head(text: &str, most: usize) -> &str {
    let text = text.trim_start();
    if text.len() <= most {
        return text;
    }
    let head = &text[..text.floor_char_boundary(most)];
    head.rfind(char::is_whitespace)
        .map_or(head, |at| &head[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_space() {
        assert_eq!(head("  one two three", 9), "one two");
        assert_eq!(head("ééééé", 5), "éé");
        assert_eq!(head("short", 100), "short");
    }
}
