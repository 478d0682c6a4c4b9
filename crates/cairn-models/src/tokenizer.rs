//! Texts to token ids, by the `tokenizers` library under our own limits.
//!
//! The published files carry truncation to 128 tokens and padding to a fixed length: both are removed here, the limit comes from the
//! manifest. Words like `[SEP]` inside a text are read as text, never as control tokens: document text is data.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokenizers::utils::truncation::TruncationDirection;
use tokenizers::{PostProcessor, Tokenizer as Library};

use crate::error::ModelError;
use crate::manifest::TOKENIZER;
use crate::pieces::Pieces;

/// A text is cut here before it is tokenised for a vector, at a space: far beyond what fills the token limit with words.
const MOST_BYTES_PER_TOKEN: usize = 256;

/// Texts that the library cuts before the quick way is made ready.
const FIRST_TEXTS: usize = 16;

/// The quick way, and the special tokens around every text.
struct Fast {
    pieces: Pieces,
    before: Vec<u32>,
    after: Vec<u32>,
}

/// A tokenizer with its limit.
pub(crate) struct Tokenizer {
    inner: Library,
    max_tokens: usize,
    /// Special tokens around every text.
    n_special: usize,
    /// Made at the first count, or after [`FIRST_TEXTS`]: it takes longer than cutting a few of them.
    fast: OnceLock<Option<Fast>>,
    n_encoded: AtomicUsize,
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
            fast: OnceLock::new(),
            n_encoded: AtomicUsize::new(0),
        })
    }

    /// Ids of the text with special tokens, at most `max_tokens`. `None` where the library gives up on the text.
    pub(crate) fn encode(&self, text: &str) -> Option<Vec<u32>> {
        if self.n_encoded.fetch_add(1, Ordering::Relaxed) < FIRST_TEXTS && self.fast.get().is_none()
        {
            return self.encode_by_library(text);
        }
        match self.fast() {
            Some(_) => self.encode_fast(text),
            None => self.encode_by_library(text),
        }
    }

    /// The same in the quick way; `None` where there is none.
    pub(crate) fn encode_fast(&self, text: &str) -> Option<Vec<u32>> {
        let fast = self.fast()?;
        let text = self.head(text);
        let mut ids = fast.before.clone();
        let most = self.max_tokens - self.n_special;
        fast.pieces
            .ids(text, most, &mut ids, |part, ids| self.append(part, ids));
        ids.extend_from_slice(&fast.after);
        Some(ids)
    }

    /// The same by the library.
    pub(crate) fn encode_by_library(&self, text: &str) -> Option<Vec<u32>> {
        let mut encoding = self.inner.encode_fast(self.head(text), false).ok()?;
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
        let Some(fast) = self.fast() else {
            return self.count_by_library(text);
        };
        let append = |part: &str, ids: &mut Vec<u32>| self.append(part, ids);
        self.n_special + fast.pieces.count(text, append)
    }

    /// The same, by the library.
    pub(crate) fn count_by_library(&self, text: &str) -> usize {
        let encoding = self.inner.encode_fast(text, false);
        self.n_special + encoding.map_or(0, |encoding| encoding.len())
    }

    /// Whether there is a quick way for this tokenizer.
    #[cfg(test)]
    pub(crate) fn is_fast(&self) -> bool {
        self.fast().is_some()
    }

    fn fast(&self) -> Option<&Fast> {
        self.fast.get_or_init(|| self.make_fast()).as_ref()
    }

    fn make_fast(&self) -> Option<Fast> {
        let pieces = Pieces::new(&self.inner)?;
        // Where a word stands among its special tokens says which of them come before it.
        let alone = self.inner.encode_fast("a", false).ok()?;
        let (alone, whole) = (alone.get_ids(), self.encode_by_library("a")?);
        let at = whole.windows(alone.len()).position(|part| part == alone)?;
        let (before, after) = (&whole[..at], &whole[at + alone.len()..]);
        (before.len() + after.len() == self.n_special).then(|| Fast {
            pieces,
            before: before.to_vec(),
            after: after.to_vec(),
        })
    }

    /// Appends the tokens of a part that is not ASCII.
    fn append(&self, part: &str, ids: &mut Vec<u32>) {
        if let Ok(encoding) = self.inner.encode_fast(part, false) {
            ids.extend_from_slice(encoding.get_ids());
        }
    }

    fn head<'a>(&self, text: &'a str) -> &'a str {
        head(text, self.max_tokens * MOST_BYTES_PER_TOKEN)
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
