//! Text to index terms, in a way that documents and questions agree on.
//!
//! A document's language decides how its words are stemmed, and each stem is stored under the tag of its
//! stemmer (`en wing`). A question is too short to trust a guess of its language, so each of its words
//! is looked up in every form that some document may hold it under: the plain word, and its stem in each
//! language of its script. A document answers to the one form of its own language, and the forms of one
//! word count as one term (its document frequency is over all of them), so a guess is never needed and
//! a function word of one language does not become a rare word of another.
//!
//! Scripts without spaces between words (Han, kana, Hangul, Thai, Lao, Khmer, Burmese, Tibetan) become
//! overlapping pairs of characters; single characters stand beside them for questions of one character.
//! Words without a stemmer stay plain. Both sides are bounded: a word is cut at [`words::MAX_CHARS`]
//! characters, a question at [`MAX_QUERY_TERMS`] terms.

mod lang;
mod stem;
mod words;

use std::collections::HashMap;

pub use lang::detect_lang;
pub(crate) use stem::Tag;
use words::{Piece, Script};

/// Terms of a question beyond this number are left out.
pub(crate) const MAX_QUERY_TERMS: usize = 128;

/// The terms of one text of a document.
#[derive(Debug, Default)]
pub(crate) struct DocumentTerms {
    /// All terms, in reading order.
    pub terms: Vec<String>,
    /// How many of them count as length: single characters beside pairs do not.
    pub length: u32,
    /// The tags under which terms stand, as a set of bits.
    pub tags: u32,
}

/// One word of a question with all forms under which documents may hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueryTerm {
    /// The word as it was analysed: folded, or a pair of characters.
    pub word: String,
    /// The index terms that stand for it.
    pub forms: Vec<Form>,
    /// How often it stands in the question.
    pub count: u32,
}

/// An index term and the tag that documents holding it have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Form {
    pub tag: Tag,
    pub term: String,
}

/// Analyses a text of a document in `lang` (ISO 639-1).
pub(crate) fn analyse_document(text: &str, lang: Option<&str>) -> DocumentTerms {
    let mut out = DocumentTerms::default();
    words::for_each(text, &mut |piece| {
        let term = match piece {
            Piece::Pair(pair) => {
                out.tags |= Tag::PLAIN.bit();
                pair.to_owned()
            }
            Piece::Single { text, counts } => {
                out.terms.push(single(text));
                out.tags |= Tag::PLAIN.bit();
                out.length += u32::from(counts);
                return;
            }
            Piece::Word { text, script } => {
                let tag = Tag::of_word(script, lang);
                out.tags |= tag.bit();
                tag.term(text)
            }
        };
        out.length += 1;
        out.terms.push(term);
    });
    out
}

/// Analyses a question. Every input is plain words; there is no query syntax.
pub(crate) fn analyse_query(text: &str) -> Vec<QueryTerm> {
    let mut terms: Vec<QueryTerm> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    words::for_each(text, &mut |piece| {
        let (word, forms) = match piece {
            Piece::Pair(pair) => (
                pair.to_owned(),
                vec![Form {
                    tag: Tag::PLAIN,
                    term: pair.to_owned(),
                }],
            ),
            Piece::Single { counts: false, .. } => return,
            Piece::Single { text, .. } => (
                text.to_owned(),
                vec![Form {
                    tag: Tag::PLAIN,
                    term: single(text),
                }],
            ),
            Piece::Word { text, script } => (words::fold(text), forms_of(text, script)),
        };
        if let Some(&at) = known.get(&word) {
            terms[at].count = terms[at].count.saturating_add(1);
        } else if terms.len() < MAX_QUERY_TERMS {
            known.insert(word.clone(), terms.len());
            terms.push(QueryTerm {
                word,
                forms,
                count: 1,
            });
        }
    });
    terms
}

/// The words of a text as the analyser sees them, folded but not stemmed, in reading order; pairs of
/// characters for scripts without spaces.
#[must_use]
pub fn analyse_words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    words::for_each(text, &mut |piece| match piece {
        Piece::Pair(text) | Piece::Single { text, counts: true } => out.push(text.to_owned()),
        Piece::Single { .. } => {}
        Piece::Word { text, .. } => out.push(words::fold(text)),
    });
    out
}

fn forms_of(word: &str, script: Script) -> Vec<Form> {
    Tag::all_of(script)
        .map(|tag| Form {
            tag,
            term: tag.term(word),
        })
        .collect()
}

/// Single characters must not be mistaken for words of one character.
fn single(text: &str) -> String {
    format!("\u{1}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether each word of the question matches the text in the given language.
    fn matches(text: &str, lang: Option<&str>, question: &str) -> bool {
        let held = analyse_document(text, lang).terms;
        let asked = analyse_query(question);
        !asked.is_empty()
            && asked
                .iter()
                .all(|term| term.forms.iter().any(|form| held.contains(&form.term)))
    }

    #[test]
    fn questions_match_documents_in_their_language() {
        for (text, lang, question, expected) in [
            ("The wings were flapping", Some("en"), "wing flap", true),
            ("The wings were flapping", None, "wing", true),
            ("The wings were flapping", Some("pl"), "wing", false),
            ("The wings were flapping", None, "WINGS", true),
            ("Die Häuser am Fluss", Some("de"), "haus", true),
            ("Straße", Some("de"), "strasse", true),
            ("l’homme qui parlait", Some("fr"), "hommes parler", true),
            ("las canciones", Some("es"), "canción", true),
            ("Ţările şi oraşele", Some("ro"), "orașe", true),
            ("книгами", Some("ru"), "книга", true),
            ("Οι άνθρωποι", Some("el"), "ανθρωποι", true),
            ("الكِتابُ", Some("ar"), "كتاب", true),
            ("東京都に住む", Some("ja"), "東京", true),
            ("東京都に住む", Some("ja"), "京", true),
            ("東京都に住む", Some("ja"), "北京", false),
            ("ประเทศไทย", Some("th"), "ไทย", true),
            ("한국어를 배우다", Some("ko"), "한국어", true),
            ("หนังสือ iPhones", Some("th"), "iphone", true),
            ("भारत की राजधानी", Some("hi"), "राजधानी", true),
            ("tiếng Việt", Some("vi"), "Tiếng việt", true),
            ("pi is 3.14159 and 1,000", Some("en"), "3.14159 1,000", true),
            ("ｆｕｌｌ ｗｉｄｔｈ", Some("en"), "full width", true),
            ("snake_case and a.b.c", Some("en"), "case b", true),
        ] {
            assert_eq!(
                matches(text, lang, question),
                expected,
                "{question} in {text}"
            );
        }
    }

    #[test]
    fn operators_and_punctuation_are_no_syntax() {
        for text in [
            "",
            "   ",
            "()[]{}^~*?\"'\\/!+-&|:<>=",
            "\0\u{202e}\u{fffd}",
            "🦀🦀",
        ] {
            assert!(analyse_query(text).is_empty(), "{text:?}");
        }
        let words: Vec<String> = analyse_query("+title:(a AND \"b c\"~2) -x*")
            .into_iter()
            .map(|t| t.word)
            .collect();
        assert_eq!(words, ["title", "a", "and", "b", "c", "2", "x"]);
    }

    #[test]
    fn long_questions_are_cut() {
        let long: String = (0..5000).map(|n| format!("w{n} ")).collect();
        assert_eq!(analyse_query(&long).len(), MAX_QUERY_TERMS);
        assert_eq!(analyse_query("a b a")[0].count, 2);
    }

    proptest! {
        #[test]
        fn any_text_is_analysed_in_any_language(text in "\\PC{0,80}|.{0,60}", pick in 0_usize..30) {
            let lang = ["ar", "da", "de", "el", "en", "es", "fi", "fr", "hi", "hu", "it", "ja", "nl",
                "no", "pt", "ro", "ru", "sv", "ta", "th", "tr", "vi", "zh", "xx", ""].get(pick).copied();
            let document = analyse_document(&text, lang);
            let n_chars = text.chars().count();
            // NFKC can make up to 18 characters of one; pairs and singles make two terms of one.
            prop_assert!(document.terms.len() <= n_chars * 36);
            prop_assert!(document.terms.iter().all(|term| term.len() <= 1000 && !term.is_empty()));
            for term in analyse_query(&text) {
                prop_assert!(
                    term.forms.iter().any(|form| document.terms.contains(&form.term)),
                    "{:?} does not find its own text", term
                );
            }
        }
    }
}
