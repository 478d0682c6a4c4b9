//! The language of a text, for the choice of its stemmer.
//!
//! Scripts of one language decide by themselves; for the others `whatlang` (trigrams) guesses, and its
//! guess counts where it is confident. Neither an unknown language (stemmed as English) nor a wrong guess
//! hides a text: words of questions are looked up in the form of every language.

use whatlang::{Lang, Script};

/// Characters that are looked at; more do not change the guess.
const MAX_CHARS: usize = 4000;
/// Least confidence of a guess. Measured on 3,672 questions in six languages of Latin letters: of guesses
/// between .3 and .4 87 % are right, between .4 and .5 95 %.
const MIN_CONFIDENCE: f64 = 0.4;

/// ISO 639-1 code of the language that most of `text` is in, where it can be told.
#[must_use]
pub fn detect_lang(text: &str) -> Option<&'static str> {
    let end = text
        .char_indices()
        .nth(MAX_CHARS)
        .map_or(text.len(), |(at, _)| at);
    let text = &text[..end];
    let info = whatlang::detect(text)?;
    let sure = info.is_reliable() || info.confidence() >= MIN_CONFIDENCE;
    match info.script() {
        // Kana beside Han is Japanese; `whatlang` counts which there is more of.
        Script::Mandarin | Script::Hiragana | Script::Katakana => {
            let kana = text
                .chars()
                .filter(|c| ('\u{3041}'..='\u{30ff}').contains(c))
                .count();
            let han = text
                .chars()
                .filter(|c| ('\u{3400}'..='\u{9fff}').contains(c))
                .count();
            Some(if kana * 20 > han { "ja" } else { "zh" })
        }
        Script::Latin | Script::Cyrillic | Script::Arabic if !sure => None,
        _ => Some(code(info.lang())),
    }
}

const fn code(lang: Lang) -> &'static str {
    match lang {
        Lang::Epo => "eo",
        Lang::Eng => "en",
        Lang::Rus => "ru",
        Lang::Cmn => "zh",
        Lang::Spa => "es",
        Lang::Por => "pt",
        Lang::Ita => "it",
        Lang::Ben => "bn",
        Lang::Fra => "fr",
        Lang::Deu => "de",
        Lang::Ukr => "uk",
        Lang::Kat => "ka",
        Lang::Ara => "ar",
        Lang::Hin => "hi",
        Lang::Jpn => "ja",
        Lang::Heb => "he",
        Lang::Yid => "yi",
        Lang::Pol => "pl",
        Lang::Amh => "am",
        Lang::Jav => "jv",
        Lang::Kor => "ko",
        Lang::Nob => "no",
        Lang::Dan => "da",
        Lang::Swe => "sv",
        Lang::Fin => "fi",
        Lang::Tur => "tr",
        Lang::Nld => "nl",
        Lang::Hun => "hu",
        Lang::Ces => "cs",
        Lang::Ell => "el",
        Lang::Bul => "bg",
        Lang::Bel => "be",
        Lang::Mar => "mr",
        Lang::Kan => "kn",
        Lang::Ron => "ro",
        Lang::Slv => "sl",
        Lang::Hrv => "hr",
        Lang::Srp => "sr",
        Lang::Mkd => "mk",
        Lang::Lit => "lt",
        Lang::Lav => "lv",
        Lang::Est => "et",
        Lang::Tam => "ta",
        Lang::Vie => "vi",
        Lang::Urd => "ur",
        Lang::Tha => "th",
        Lang::Guj => "gu",
        Lang::Uzb => "uz",
        Lang::Pan => "pa",
        Lang::Aze => "az",
        Lang::Ind => "id",
        Lang::Tel => "te",
        Lang::Pes => "fa",
        Lang::Mal => "ml",
        Lang::Ori => "or",
        Lang::Mya => "my",
        Lang::Nep => "ne",
        Lang::Sin => "si",
        Lang::Khm => "km",
        Lang::Tuk => "tk",
        Lang::Aka => "ak",
        Lang::Zul => "zu",
        Lang::Sna => "sn",
        Lang::Afr => "af",
        Lang::Lat => "la",
        Lang::Slk => "sk",
        Lang::Cat => "ca",
        Lang::Tgl => "tl",
        Lang::Hye => "hy",
        Lang::Cym => "cy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_languages_apart() {
        for (text, expected) in [
            (
                "The committee decided to publish the report in the following year.",
                Some("en"),
            ),
            (
                "Der Ausschuss beschloss, den Bericht im folgenden Jahr zu veröffentlichen.",
                Some("de"),
            ),
            (
                "El comité decidió publicar el informe al año siguiente, cuando ya habían terminado las elecciones.",
                Some("es"),
            ),
            (
                "Комитет решил опубликовать отчёт в следующем году.",
                Some("ru"),
            ),
            (
                "Η επιτροπή αποφάσισε να δημοσιεύσει την έκθεση.",
                Some("el"),
            ),
            ("委员会决定在第二年公布报告。", Some("zh")),
            ("委員会は翌年に報告書を公表することを決めた。", Some("ja")),
            ("คณะกรรมการตัดสินใจเผยแพร่รายงานในปีถัดไป", Some("th")),
            (
                "समिति ने अगले वर्ष रिपोर्ट प्रकाशित करने का निर्णय लिया।",
                Some("hi"),
            ),
            ("", None),
            ("42 -- 17", None),
        ] {
            assert_eq!(detect_lang(text), expected, "{text}");
        }
    }
}
