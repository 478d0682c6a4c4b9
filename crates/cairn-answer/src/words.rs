//! Words of questions and sentences: cut, folded and stemmed, each with its place in the text.
//!
//! Unicode word boundaries (UAX 29) over NFKC lower case; Snowball stemmers where one exists; overlapping
//! character pairs for scripts without spaces (Han, kana, Thai, Lao, Khmer, Burmese), since those are what a
//! search engine without a dictionary indexes too. Linear in the text. Not a copy of the index's analyser: the
//! two never meet in storage, only through the surface words of [`question_words`].

use std::borrow::Cow;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// One word of a text.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    /// Byte offsets in the text.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Lower case, not stemmed: what a search engine is asked about.
    pub surface: String,
    /// Folded and stemmed: what is compared.
    pub key: String,
    /// What kind of word it is.
    pub kind: WordKind,
}

/// What a word looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WordKind {
    /// Lower case, or a script without cases.
    Plain,
    /// Begins with a capital letter.
    Capitalised,
    /// Holds a digit.
    Number,
    /// A pair of characters of a script without spaces.
    Pair,
}

/// The surface words of a question, lower case, in order and without repeats: the keys that
/// [`crate::TermWeights`] is asked for. Scripts without spaces give pairs of characters.
#[must_use]
pub fn question_words(question: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in Analyser::new(None).words(question) {
        if !words.contains(&word.surface) {
            words.push(word.surface);
        }
    }
    words
}

/// Cuts and stems words in one language.
pub(crate) struct Analyser {
    stemmer: Option<Stemmer>,
}

impl Analyser {
    /// For an ISO 639-1 code; without one, or where no stemmer exists, words are only folded.
    pub(crate) fn new(lang: Option<&str>) -> Self {
        Self {
            stemmer: lang.and_then(algorithm).map(Stemmer::create),
        }
    }

    /// The words of `text` in order.
    pub(crate) fn words(&self, text: &str) -> Vec<Word> {
        let mut words = Vec::new();
        // Characters of a script without spaces come one by one; neighbours are joined to pairs.
        let mut run: Vec<(usize, &str)> = Vec::new();
        for (start, piece) in text.split_word_bound_indices() {
            if piece.chars().next().is_some_and(is_unspaced) {
                run.extend(
                    piece
                        .grapheme_indices(true)
                        .map(|(offset, cluster)| (start + offset, cluster)),
                );
                continue;
            }
            flush_pairs(&mut run, &mut words);
            for (offset, part) in parts(piece) {
                if part.chars().any(char::is_alphanumeric) {
                    words.push(self.word(start + offset, part));
                }
            }
        }
        flush_pairs(&mut run, &mut words);
        words
    }

    fn word(&self, start: usize, piece: &str) -> Word {
        let surface = fold(piece);
        let kind = if surface.contains(|c: char| c.is_numeric()) {
            WordKind::Number
        } else if piece.chars().next().is_some_and(char::is_uppercase) {
            WordKind::Capitalised
        } else {
            WordKind::Plain
        };
        let key = match &self.stemmer {
            Some(stemmer) if kind != WordKind::Number => stemmer.stem(&surface).into_owned(),
            _ if kind == WordKind::Number => number_key(&surface),
            _ => surface.clone(),
        };
        Word {
            start,
            end: start + piece.len(),
            surface,
            key,
            kind,
        }
    }
}

/// A piece as it is, or, where it is a name of source code (`booking.hold_minutes`), its words with their offsets.
fn parts(piece: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_name = piece.contains('_');
    let mut at = 0;
    piece
        .split(move |c| is_name && matches!(c, '_' | '.'))
        .map(move |part| {
            let start = at;
            // Both marks are one byte long.
            at += part.len() + 1;
            (start, part)
        })
}

fn flush_pairs(run: &mut Vec<(usize, &str)>, words: &mut Vec<Word>) {
    let mut push = |start: usize, end: usize, text: String| {
        words.push(Word {
            start,
            end,
            surface: text.clone(),
            key: text,
            kind: WordKind::Pair,
        });
    };
    if let [(start, only)] = run[..] {
        push(start, start + only.len(), fold(only));
    }
    for pair in run.windows(2) {
        let [(start, first), (next, second)] = pair else {
            continue;
        };
        // A gap (a mark between them that is no letter) separates.
        if start + first.len() == *next {
            push(
                *start,
                next + second.len(),
                fold(&format!("{first}{second}")),
            );
        }
    }
    run.clear();
}

/// NFKC, lower case, one kind of apostrophe, western digits.
pub(crate) fn fold(text: &str) -> String {
    text.nfkc()
        .flat_map(char::to_lowercase)
        .filter(|c| *c != '\u{307}')
        .map(|c| match c {
            '\u{2019}' | '\u{2bc}' => '\'',
            '\u{660}'..='\u{669}' => western_digit(c, 0x660),
            '\u{6f0}'..='\u{6f9}' => western_digit(c, 0x6f0),
            '\u{966}'..='\u{96f}' => western_digit(c, 0x966),
            '\u{e50}'..='\u{e59}' => western_digit(c, 0xe50),
            _ => c,
        })
        .collect()
}

fn western_digit(c: char, zero: u32) -> char {
    char::from_digit((u32::from(c) - zero) % 10, 10).unwrap_or(c)
}

/// `1,234` and `1.234` and `1234` are one number; `1.5` and `1,5` are another.
fn number_key(surface: &str) -> String {
    let mut key = String::with_capacity(surface.len());
    let parts: Vec<&str> = surface.split([',', '.']).collect();
    let grouped = parts.len() > 1
        && parts[0].len() <= 3
        && parts[0] != "0"
        && parts[1..].iter().all(|part| part.len() == 3)
        && parts
            .iter()
            .all(|part| part.bytes().all(|b| b.is_ascii_digit()));
    for (i, part) in parts.iter().enumerate() {
        if i > 0 && !grouped {
            key.push('.');
        }
        key.push_str(part);
    }
    key
}

/// Scripts that are written without spaces between words.
pub(crate) fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
        && c.is_alphabetic()
        || matches!(c, '\u{e31}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}')
}

/// The language of a text: as given, or recognised where the text is long or its script tells.
pub(crate) fn language<'a>(given: Option<&'a str>, text: &str) -> Option<Cow<'a, str>> {
    if let Some(lang) = given {
        return Some(Cow::Borrowed(lang));
    }
    let info = whatlang::detect(text)?;
    let script_tells = !matches!(
        info.script(),
        whatlang::Script::Latin | whatlang::Script::Cyrillic | whatlang::Script::Arabic
    );
    (script_tells || info.is_reliable())
        .then(|| iso_639_1(info.lang()))
        .flatten()
        .map(Cow::Borrowed)
}

/// The language of a question: short texts fool a detector, so English question words go first, and the language
/// of the best passage (`best_passage`) decides where the detector is not sure.
pub(crate) fn question_language(
    question: &str,
    best_passage: Option<Cow<'_, str>>,
) -> Option<String> {
    let words = question_words(question);
    let n_english = words
        .iter()
        .filter(|word| ENGLISH.contains(&word.as_str()))
        .count();
    let asks = words
        .first()
        .is_some_and(|word| ASKING.contains(&word.as_str()));
    if n_english >= 2 || (asks && n_english >= 1) {
        return Some("en".to_owned());
    }
    language(None, question)
        .or(best_passage)
        .map(Cow::into_owned)
}

/// Short words of English that are no frequent words of another language in Latin script.
const ENGLISH: &[&str] = &[
    "the", "of", "what", "which", "who", "whom", "whose", "when", "where", "why", "how", "did",
    "does", "is", "are", "were", "and", "with", "from", "has", "have", "had", "been", "that", "by",
    "many", "much", "to", "for", "can",
];
const ASKING: &[&str] = &[
    "what", "which", "who", "whom", "whose", "when", "where", "why", "how", "did", "does", "is",
    "are", "can", "has",
];

fn iso_639_1(lang: whatlang::Lang) -> Option<&'static str> {
    use whatlang::Lang;
    Some(match lang {
        Lang::Ara => "ar",
        Lang::Cmn => "zh",
        Lang::Dan => "da",
        Lang::Deu => "de",
        Lang::Ell => "el",
        Lang::Eng => "en",
        Lang::Fin => "fi",
        Lang::Fra => "fr",
        Lang::Hin => "hi",
        Lang::Hun => "hu",
        Lang::Ita => "it",
        Lang::Jpn => "ja",
        Lang::Nld => "nl",
        Lang::Nob => "no",
        Lang::Pol => "pl",
        Lang::Por => "pt",
        Lang::Ron => "ro",
        Lang::Rus => "ru",
        Lang::Spa => "es",
        Lang::Swe => "sv",
        Lang::Tam => "ta",
        Lang::Tha => "th",
        Lang::Tur => "tr",
        Lang::Ukr => "uk",
        Lang::Vie => "vi",
        _ => return None,
    })
}

fn algorithm(lang: &str) -> Option<Algorithm> {
    Some(match lang {
        "ar" => Algorithm::Arabic,
        "da" => Algorithm::Danish,
        "de" => Algorithm::German,
        "el" => Algorithm::Greek,
        "en" => Algorithm::English,
        "es" => Algorithm::Spanish,
        "fi" => Algorithm::Finnish,
        "fr" => Algorithm::French,
        "hu" => Algorithm::Hungarian,
        "it" => Algorithm::Italian,
        "nl" => Algorithm::Dutch,
        "no" | "nb" | "nn" => Algorithm::Norwegian,
        "pt" => Algorithm::Portuguese,
        "ro" => Algorithm::Romanian,
        "ru" => Algorithm::Russian,
        "sv" => Algorithm::Swedish,
        "ta" => Algorithm::Tamil,
        "tr" => Algorithm::Turkish,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(lang: &str, text: &str) -> Vec<String> {
        let words = Analyser::new(Some(lang)).words(text);
        words.into_iter().map(|word| word.key).collect()
    }

    #[test]
    fn words_are_folded_and_stemmed() {
        let cases: &[(&str, &str, &[&str])] = &[
            (
                "en",
                "Running dogs' 1,234 dogs’ 1.5",
                &["run", "dog", "1234", "dog", "1.5"],
            ),
            ("de", "Häuser bauten", &["haus", "baut"]),
            (
                "zh",
                "卡罗莱纳队 24 码",
                &["卡罗", "罗莱", "莱纳", "纳队", "24", "码"],
            ),
            ("th", "ลูกบอล", &["ลูก", "กบ", "บอ", "อล"]),
            ("hi", "२४ यार्ड", &["24", "यार्ड"]),
            ("ar", "٢٤", &["24"]),
            (
                "en",
                "booking.hold_minutes MAX_DAYS e.g. a.b",
                &["book", "hold", "minut", "max", "day", "e.g", "a.b"],
            ),
            ("xx", "", &[]),
        ];
        for (lang, text, expect) in cases {
            assert_eq!(keys(lang, text), *expect, "{lang}: {text}");
        }
    }

    #[test]
    fn places_slice_back() {
        for text in [
            "Ünder the 北京 sky, 5½ ม.ค. ok",
            "İstanbul\u{0}🦀 e\u{301}t",
            "_a__b.ç_ x._y",
        ] {
            for word in Analyser::new(None).words(text) {
                assert_eq!(fold(&text[word.start..word.end]), word.surface);
            }
        }
    }

    #[test]
    fn questions_tell_their_language() {
        let cases = [
            ("Who won the game?", None, Some("en")),
            ("What time?", Some("de"), Some("en")),
            ("Preis Wartung", Some("de"), Some("de")),
            ("谁赢了比赛？", Some("en"), Some("zh")),
            ("किसने जीता?", None, Some("hi")),
            ("", None, None),
        ];
        for (question, passage, expect) in cases {
            let got = question_language(question, passage.map(Cow::Borrowed));
            assert_eq!(got.as_deref(), expect, "{question}");
        }
    }

    #[test]
    fn question_words_do_not_repeat() {
        assert_eq!(question_words("Who is who?"), ["who", "is"]);
    }
}
