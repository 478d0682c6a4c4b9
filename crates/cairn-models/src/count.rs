//! Counting word pieces without making them: the chunker asks for the size of every piece of text it considers.
//!
//! Follows the normaliser, splitter and greedy longest match of BERT (Wu et al. 2016; Devlin et al. 2019) for stretches of ASCII, which
//! need no Unicode tables; a stretch with any other character goes to the library. A stretch ends at a space, tab or line end:
//! no rule of BERT's looks across one. A property test holds the result against the library.
//! Cost: one look-up for a known word, else up to the square of its length; no allocation.

use std::collections::HashSet;

use tokenizers::models::ModelWrapper;
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper, Tokenizer as Library};

/// The continuation mark of WordPiece vocabularies.
const MARK: &str = "##";

/// Vocabulary and rules for stretches of ASCII.
pub(crate) struct Counter {
    /// Pieces that start a word.
    starts: HashSet<Box<[u8]>>,
    /// Pieces that go on, without their mark.
    rests: HashSet<Box<[u8]>>,
    longest: usize,
    lowercase: bool,
    most_chars: usize,
}

impl Counter {
    /// `None` where the tokenizer does not follow the rules of this file.
    pub(crate) fn new(library: &Library) -> Option<Self> {
        let Some(NormalizerWrapper::BertNormalizer(normalizer)) = library.get_normalizer() else {
            return None;
        };
        let Some(PreTokenizerWrapper::BertPreTokenizer(_)) = library.get_pre_tokenizer() else {
            return None;
        };
        let ModelWrapper::WordPiece(model) = library.get_model() else {
            return None;
        };
        let only_special = library
            .get_added_tokens_decoder()
            .values()
            .all(|token| token.special);
        if !normalizer.clean_text || !only_special || model.continuing_subword_prefix != MARK {
            return None;
        }
        let (mut starts, mut rests) = (HashSet::new(), HashSet::new());
        let mut longest = 0;
        for piece in library
            .get_vocab(false)
            .into_keys()
            .filter(|piece| piece.is_ascii())
        {
            longest = longest.max(piece.len());
            if let Some(rest) = piece.strip_prefix(MARK) {
                rests.insert(rest.as_bytes().into());
            }
            starts.insert(piece.into_bytes().into_boxed_slice());
        }
        Some(Self {
            starts,
            rests,
            longest,
            lowercase: normalizer.lowercase,
            most_chars: model.max_input_chars_per_word,
        })
    }

    /// Pieces of the text, without special tokens. `other` counts a stretch that is not ASCII.
    pub(crate) fn count(&self, text: &str, other: impl Fn(&str) -> usize) -> usize {
        let mut word = Vec::with_capacity(32);
        text.split([' ', '\t', '\n', '\r'])
            .filter(|stretch| !stretch.is_empty())
            .map(|stretch| {
                if stretch.is_ascii() {
                    self.count_ascii(stretch.as_bytes(), &mut word)
                } else {
                    other(stretch)
                }
            })
            .sum()
    }

    fn count_ascii(&self, stretch: &[u8], word: &mut Vec<u8>) -> usize {
        let mut n = 0;
        word.clear();
        for byte in stretch {
            if byte.is_ascii_punctuation() {
                n += self.count_word(word) + 1;
                word.clear();
            } else if !byte.is_ascii_control() {
                word.push(if self.lowercase {
                    byte.to_ascii_lowercase()
                } else {
                    *byte
                });
            }
        }
        n + self.count_word(word)
    }

    /// Pieces of one word; 1 where it is unknown.
    fn count_word(&self, word: &[u8]) -> usize {
        if word.is_empty() {
            return 0;
        }
        if word.len() > self.most_chars {
            return 1;
        }
        let (mut n, mut from) = (0, 0);
        while from < word.len() {
            let pieces = if from == 0 { &self.starts } else { &self.rests };
            let most = (from + self.longest).min(word.len());
            let Some(to) = (from + 1..=most)
                .rev()
                .find(|to| pieces.contains(&word[from..*to]))
            else {
                return 1;
            };
            n += 1;
            from = to;
        }
        n
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::manifest::TOKENIZER;
    use crate::tokenizer::Tokenizer;

    fn tiny() -> Tokenizer {
        let dir = tempfile::tempdir().unwrap();
        crate::testing::write_tiny_model(dir.path(), 1).unwrap();
        Tokenizer::parse(
            "tiny",
            &fs_err::read(dir.path().join(TOKENIZER)).unwrap(),
            256,
        )
        .unwrap()
    }

    fn check(tokenizer: &Tokenizer, text: &str) {
        assert_eq!(
            tokenizer.count(text),
            tokenizer.count_by_library(text),
            "{text:?}"
        );
    }

    #[test]
    fn counts_as_the_library_does() {
        let tokenizer = tiny();
        assert!(tokenizer.counts_fast());
        let long = "x".repeat(101);
        for text in [
            "",
            " ",
            "The theing, and/of\tit\r\n",
            "a\u{b}b\u{c}c\u{0}d",
            "[SEP] [unk]x",
            "Grüße, 東京x ",
            "a$b^c`~",
            "##s2 s2 xs2",
            "\u{a0}a\u{2003}b",
            "ΑΣ ς",
            "e\u{301}a \u{301}b",
            &long,
            &long[1..],
        ] {
            check(&tokenizer, text);
        }
    }

    proptest! {
        #[test]
        fn any_text_counts_as_the_library_does(texts in prop::collection::vec("[a-zA-Z0-9 \t\n.,#\\[\\]\\PC]{0,40}|\\PC{0,20}|[\u{0}-\u{7f}]{0,40}", 40)) {
            let tokenizer = tiny();
            for text in texts {
                prop_assert_eq!(tokenizer.count(&text), tokenizer.count_by_library(&text), "{:?}", text);
            }
        }
    }
}
