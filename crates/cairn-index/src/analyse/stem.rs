//! Stemmers by language, and the tags under which their stems are stored.
//!
//! Snowball stemmers (`rust-stemmers`). Stems are folded after stemming, since the stemmers want the
//! marks. A tag is part of the stored index: numbers and names never change, new ones are added.

use rust_stemmers::{Algorithm, Stemmer};

use super::words::{Script, fold};

/// How a term came about: plain, or the stem of a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag(u8);

struct Language {
    code: &'static str,
    script: Script,
    algorithm: Algorithm,
}

const fn language(code: &'static str, script: Script, algorithm: Algorithm) -> Language {
    Language {
        code,
        script,
        algorithm,
    }
}

/// Tag n + 1 is the n-th language.
const LANGUAGES: [Language; 18] = [
    language("ar", Script::Arabic, Algorithm::Arabic),
    language("da", Script::Latin, Algorithm::Danish),
    language("nl", Script::Latin, Algorithm::Dutch),
    language("en", Script::Latin, Algorithm::English),
    language("fi", Script::Latin, Algorithm::Finnish),
    language("fr", Script::Latin, Algorithm::French),
    language("de", Script::Latin, Algorithm::German),
    language("el", Script::Greek, Algorithm::Greek),
    language("hu", Script::Latin, Algorithm::Hungarian),
    language("it", Script::Latin, Algorithm::Italian),
    language("no", Script::Latin, Algorithm::Norwegian),
    language("pt", Script::Latin, Algorithm::Portuguese),
    language("ro", Script::Latin, Algorithm::Romanian),
    language("ru", Script::Cyrillic, Algorithm::Russian),
    language("es", Script::Latin, Algorithm::Spanish),
    language("sv", Script::Latin, Algorithm::Swedish),
    language("ta", Script::Tamil, Algorithm::Tamil),
    language("tr", Script::Latin, Algorithm::Turkish),
];

/// Languages in Latin letters without a stemmer: their words stay plain, not English.
const PLAIN_LATIN: [&str; 30] = [
    "vi", "id", "ms", "jv", "tl", "pl", "cs", "sk", "sl", "hr", "bs", "lt", "lv", "et", "ca", "gl",
    "eu", "cy", "ga", "is", "sq", "mt", "af", "sw", "zu", "sn", "eo", "la", "az", "uz",
];

impl Tag {
    /// Words that are not stemmed.
    pub(crate) const PLAIN: Self = Self(0);

    /// The tag of a word in a text of `lang`. Latin words in a text of another script, or of no known
    /// language (tables, lists of names), are stemmed as English.
    pub(super) fn of_word(script: Script, lang: Option<&str>) -> Self {
        let lang = match lang {
            Some("nb" | "nn") => Some("no"),
            other => other,
        };
        let own = lang.and_then(|lang| LANGUAGES.iter().position(|known| known.code == lang));
        match own {
            Some(at) if LANGUAGES[at].script == script => Self(at as u8 + 1),
            _ if script != Script::Latin || is_latin(own) => Self::PLAIN,
            _ if lang.is_some_and(|lang| PLAIN_LATIN.contains(&lang)) => Self::PLAIN,
            _ => Self::ENGLISH,
        }
    }

    const ENGLISH: Self = Self(4);

    /// The tags under which some document may hold a word of this script.
    pub(super) fn all_of(script: Script) -> impl Iterator<Item = Self> {
        let stemmed = LANGUAGES
            .iter()
            .enumerate()
            .filter(move |(_, language)| language.script == script)
            .map(|(at, _)| Self(at as u8 + 1));
        std::iter::once(Self::PLAIN).chain(stemmed)
    }

    /// This tag in a set of bits.
    pub(crate) const fn bit(self) -> u32 {
        1 << self.0
    }

    /// The index term of a word (in lower case).
    pub(super) fn term(self, word: &str) -> String {
        let Some(language) = (self.0 as usize)
            .checked_sub(1)
            .and_then(|at| LANGUAGES.get(at))
        else {
            return fold(word);
        };
        let prepared = prepare(word, language.code);
        let stem = Stemmer::create(language.algorithm)
            .stem(&prepared)
            .into_owned();
        let stem = if stem.is_empty() { prepared } else { stem };
        format!("{} {}", language.code, fold(&stem))
    }
}

fn is_latin(language: Option<usize>) -> bool {
    language.is_some_and(|at| LANGUAGES[at].script == Script::Latin)
}

/// Spelling that a stemmer expects: the Romanian one knows the letters with cedilla only.
fn prepare(word: &str, lang: &str) -> String {
    match lang {
        "ro" => word
            .chars()
            .map(|c| match c {
                'ș' => 'ş',
                'ț' => 'ţ',
                c => c,
            })
            .collect(),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_follow_script_and_language() {
        for (script, lang, expected) in [
            (Script::Latin, Some("en"), "en"),
            (Script::Latin, Some("nb"), "no"),
            (Script::Latin, Some("zh"), "en"),
            (Script::Latin, Some("ru"), "en"),
            (Script::Latin, Some("vi"), ""),
            (Script::Latin, None, "en"),
            (Script::Cyrillic, None, ""),
            (Script::Cyrillic, Some("ru"), "ru"),
            (Script::Cyrillic, Some("bg"), ""),
            (Script::Cyrillic, Some("en"), ""),
            (Script::Other, Some("en"), ""),
        ] {
            let tag = Tag::of_word(script, lang);
            let code = (tag.0 as usize)
                .checked_sub(1)
                .map_or("", |at| LANGUAGES[at].code);
            assert_eq!(code, expected, "{script:?} in {lang:?}");
        }
        assert_eq!(Tag::ENGLISH.term("wings"), "en wing");
    }
}
