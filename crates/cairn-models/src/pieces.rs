//! Word pieces of ASCII without the library: the chunker asks for the size of every piece of text it considers, and a passage is
//! cut in a fiftieth of the time that its vector takes instead of a fifteenth.
//!
//! Follows the normaliser, splitter and greedy longest match of BERT (Wu et al. 2016; Devlin et al. 2019) for stretches of ASCII, which
//! need no Unicode tables; a stretch with any other character goes to the library. A stretch ends at a space, tab or line end:
//! no rule of BERT's looks across one. A property test holds the result against the library.
//! Cost: one look-up for a known word, else up to the square of its length.

use std::collections::HashMap;

use tokenizers::models::ModelWrapper;
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper, Tokenizer as Library};

/// The continuation mark of WordPiece vocabularies.
const MARK: &str = "##";

/// Vocabulary and rules for stretches of ASCII.
pub(crate) struct Pieces {
    /// Pieces that start a word.
    starts: HashMap<Box<[u8]>, u32>,
    /// Pieces that go on, without their mark.
    rests: HashMap<Box<[u8]>, u32>,
    unknown: u32,
    longest: usize,
    lowercase: bool,
    most_chars: usize,
}

impl Pieces {
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
        let (mut starts, mut rests) = (HashMap::new(), HashMap::new());
        let mut longest = 0;
        for (piece, id) in library.get_vocab(false) {
            if piece.is_ascii() {
                longest = longest.max(piece.len());
                if let Some(rest) = piece.strip_prefix(MARK) {
                    rests.insert(rest.as_bytes().into(), id);
                }
                starts.insert(piece.into_bytes().into_boxed_slice(), id);
            }
        }
        Some(Self {
            unknown: *starts.get(model.unk_token.as_bytes())?,
            starts,
            rests,
            longest,
            lowercase: normalizer.lowercase,
            most_chars: model.max_input_chars_per_word,
        })
    }

    /// Number of pieces of the text, without special tokens. `other` appends those of a stretch that is not ASCII.
    pub(crate) fn count(&self, text: &str, other: impl Fn(&str, &mut Vec<u32>)) -> usize {
        let (mut word, mut ids) = (Vec::with_capacity(32), Vec::with_capacity(32));
        let mut n = 0;
        for stretch in stretches(text) {
            ids.clear();
            self.cut(stretch, &mut word, &mut ids, &other);
            n += ids.len();
        }
        n
    }

    /// The first `most` pieces of the text.
    pub(crate) fn ids(
        &self,
        text: &str,
        most: usize,
        ids: &mut Vec<u32>,
        other: impl Fn(&str, &mut Vec<u32>),
    ) {
        let mut word = Vec::with_capacity(32);
        let most = ids.len() + most;
        for stretch in stretches(text) {
            if ids.len() >= most {
                break;
            }
            self.cut(stretch, &mut word, ids, &other);
        }
        ids.truncate(most);
    }

    fn cut(
        &self,
        stretch: &str,
        word: &mut Vec<u8>,
        ids: &mut Vec<u32>,
        other: impl Fn(&str, &mut Vec<u32>),
    ) {
        if !stretch.is_ascii() {
            return other(stretch, ids);
        }
        word.clear();
        for byte in stretch.bytes() {
            if byte.is_ascii_punctuation() {
                self.cut_word(word, ids);
                self.cut_word(&[byte], ids);
                word.clear();
            } else if !byte.is_ascii_control() {
                word.push(if self.lowercase {
                    byte.to_ascii_lowercase()
                } else {
                    byte
                });
            }
        }
        self.cut_word(word, ids);
    }

    /// Appends the pieces of one word; the unknown piece where it has none.
    fn cut_word(&self, word: &[u8], ids: &mut Vec<u32>) {
        let before = ids.len();
        let mut from = 0;
        while from < word.len() {
            let pieces = if from == 0 { &self.starts } else { &self.rests };
            let most = (from + self.longest).min(word.len());
            let found = (from + 1..=most)
                .rev()
                .filter(|_| word.len() <= self.most_chars)
                .find_map(|to| Some((to, *pieces.get(&word[from..to])?)));
            let Some((to, id)) = found else {
                ids.truncate(before);
                ids.push(self.unknown);
                return;
            };
            ids.push(id);
            from = to;
        }
    }
}

fn stretches(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\t', '\n', '\r'])
        .filter(|stretch| !stretch.is_empty())
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
        let ids = tokenizer.encode_by_library(text).unwrap();
        assert_eq!(tokenizer.encode_fast(text).unwrap(), ids, "{text:?}");
        assert_eq!(
            tokenizer.count(text),
            tokenizer.count_by_library(text),
            "{text:?}"
        );
    }

    #[test]
    fn cuts_as_the_library_does() {
        let tokenizer = tiny();
        assert!(tokenizer.is_fast());
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
            &"the é ".repeat(400),
            &long,
            &long[1..],
        ] {
            check(&tokenizer, text);
        }
    }

    proptest! {
        #[test]
        fn any_text_cuts_as_the_library_does(texts in prop::collection::vec("[a-zA-Z0-9 \t\n.,#\\[\\]\\PC]{0,40}|\\PC{0,20}|[\u{0}-\u{7f}]{0,40}", 40)) {
            let tokenizer = tiny();
            for text in texts {
                check(&tokenizer, &text);
            }
        }
    }
}
