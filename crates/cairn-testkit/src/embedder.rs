//! An embedder without a model: hashed bags of words.
//!
//! Feature hashing (Weinberger et al., ICML 2009): each word adds ±1 to one of `dim` components, both chosen by its
//! FNV-1a hash; the sum is L2-normalised. Texts that share words are near each other, so that rankings in tests mean
//! something; unlike a model it knows no synonyms. O(length of the text), deterministic on every machine.

use cairn_types::EmbeddingSpace;
use cairn_types::ports::{EmbedError, Embedder};

const DIM: u32 = 64;
const MAX_TOKENS: u32 = 256;
/// As the special tokens of a BERT model at both ends.
const SPECIAL_TOKENS: usize = 2;

/// Hashed bags of words in 64 dimensions; one word is one token.
#[derive(Debug, Clone)]
pub struct HashEmbedder {
    space: EmbeddingSpace,
}

impl HashEmbedder {
    /// The embedder of the space `hashed-words`.
    #[must_use]
    pub fn new() -> Self {
        Self::named("hashed-words")
    }

    /// The same vectors under another model name: a second space that must not mix with the first.
    #[must_use]
    pub fn named(model: &str) -> Self {
        Self {
            space: EmbeddingSpace {
                model: model.to_owned(),
                model_hash: format!("{:064x}", fnv1a(model)),
                recipe: "hashed-words-v1".to_owned(),
                pooling: "sum".to_owned(),
                prompts: String::new(),
                max_tokens: MAX_TOKENS,
                dim: DIM,
            },
        }
    }
}

impl Default for HashEmbedder {
    fn default() -> Self {
        Self::new()
    }
}

impl Embedder for HashEmbedder {
    fn space(&self) -> &EmbeddingSpace {
        &self.space
    }

    fn count_tokens(&self, text: &str) -> usize {
        words(text).count() + SPECIAL_TOKENS
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        Ok(texts.iter().map(|text| embed_one(text)).collect())
    }
}

fn embed_one(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0_f32; DIM as usize];
    for word in words(text).take(MAX_TOKENS as usize - SPECIAL_TOKENS) {
        let hash = fnv1a(&word);
        let sign = if hash & 1 == 0 { 1.0 } else { -1.0 };
        vector[(hash >> 1) as usize % DIM as usize] += sign;
    }
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|x| *x /= norm);
    } else {
        // No word, or words that cancel out: a unit vector all the same.
        vector[0] = 1.0;
    }
    vector
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn texts_that_share_words_are_nearer() {
        let embedder = HashEmbedder::new();
        let vectors = embedder
            .embed(&[
                "the ferry leaves at nine",
                "when does the ferry leave? At nine!",
                "copper price rose",
            ])
            .unwrap();
        assert!(dot(&vectors[0], &vectors[1]) > dot(&vectors[0], &vectors[2]) + 0.2);
    }

    #[test]
    fn vectors_have_unit_length_whatever_the_text() {
        let embedder = HashEmbedder::new();
        let long = "word ".repeat(1000);
        for text in ["", " \u{0}\n", "日本語 текст", "a", long.as_str()] {
            let vector = &embedder.embed(&[text]).unwrap()[0];
            assert_eq!(vector.len(), 64);
            assert!((dot(vector, vector) - 1.0).abs() < 1e-5, "{text:?}");
        }
    }

    #[test]
    fn names_make_spaces() {
        assert_eq!(
            HashEmbedder::new().space().key(),
            HashEmbedder::default().space().key()
        );
        assert_ne!(
            HashEmbedder::new().space().key(),
            HashEmbedder::named("other").space().key()
        );
        assert_eq!(HashEmbedder::new().count_tokens("two words"), 4);
    }
}
