//! What a model was trained to read before questions and passages ("query: ", an instruction).
//!
//! The texts are part of the embedding space: with another prompt the same text has another vector.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::manifest::sha256;

/// Hexadecimal digits of the hash in the embedding space: enough to tell the prompts of one model apart.
const HASH_DIGITS: usize = 16;

/// The words before a text; empty where the model wants none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Prompts {
    /// Before a question.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// Before a passage.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub passage: String,
}

impl Prompts {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.query.is_empty() && self.passage.is_empty()
    }

    /// Their mark in the embedding space; empty where there are none.
    pub(crate) fn mark(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        let Self { query, passage } = self;
        // The length in front keeps `a` + `bc` apart from `ab` + `c`.
        let mut hash = sha256(format!("{} {query}{passage}", query.len()).as_bytes());
        hash.truncate(HASH_DIGITS);
        hash
    }
}

/// `text` with `prompt` in front of it.
pub(crate) fn with_prompt<'a>(prompt: &str, text: &'a str) -> Cow<'a, str> {
    if prompt.is_empty() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("{prompt}{text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_tell_prompts_apart() {
        let mark = |query: &str, passage: &str| {
            let (query, passage) = (query.to_owned(), passage.to_owned());
            Prompts { query, passage }.mark()
        };
        assert_eq!(mark("", ""), "");
        assert_eq!(mark("query: ", "passage: ").len(), HASH_DIGITS);
        assert_ne!(mark("a", "bc"), mark("ab", "c"));
        assert_ne!(mark("a", ""), mark("", "a"));
        assert_eq!(with_prompt("query: ", "who"), "query: who");
        assert!(matches!(with_prompt("", "who"), Cow::Borrowed("who")));
    }
}
