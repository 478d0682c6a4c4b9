//! What a question asks for: its content words with their weights, and the kind of answer it expects.
//!
//! The kind of answer is read off question words of the languages we know; a question without one, or in
//! another language, expects anything. A cue, never a filter.

use std::collections::HashMap;

use crate::evidence::TermWeights;
use crate::words::{Analyser, Word, WordKind, fold};

/// What kind of thing would answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerKind {
    /// Who: a name.
    Person,
    /// Where: a name of a place.
    Place,
    /// When, what year: a date or year.
    Time,
    /// How many, how much, how old: a number.
    Number,
    /// What percentage: a number with a percent sign or word.
    Percent,
    /// Yes or no.
    YesNo,
    /// Anything.
    Any,
}

/// A content word of the question.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    /// Surface word.
    pub surface: String,
    /// Its weight.
    pub weight: f32,
    /// What it looks like.
    pub kind: WordKind,
}

/// A question taken apart.
#[derive(Debug)]
pub(crate) struct Question {
    /// Content words in order, without repeats.
    pub terms: Vec<Term>,
    /// Sum of their weights; more than zero unless there are none.
    pub total: f32,
    /// What would answer it.
    pub kind: AnswerKind,
    /// Indexes of the terms that name what is asked for (`salary` in `What is the salary of the master?`).
    pub focus: Vec<usize>,
    /// Bytes of the question, for stemming in another language.
    text: String,
}

impl Question {
    /// Takes `text` apart with the engine's weights.
    pub(crate) fn new(text: &str, weights: &TermWeights) -> Self {
        let words = Analyser::new(None).words(text);
        let kind = answer_kind(&words, text);
        let remark = remark_start(text);
        let mut terms: Vec<Term> = Vec::new();
        let mut add = |word: &Word, weight: f32| {
            if weight > 0.0 && !terms.iter().any(|term| term.surface == word.surface) {
                terms.push(Term {
                    surface: word.surface.clone(),
                    weight,
                    kind: word.kind,
                });
            }
        };
        for word in words.iter().filter(|word| !is_function_word(&word.surface)) {
            let share = if word.start < remark {
                1.0
            } else {
                REMARK_SHARE
            };
            add(word, share * weights.of(&word.surface));
        }
        if terms.is_empty() {
            // Nothing but question words (`Who is who?`): they are all there is to look for.
            let mut add = |word: &Word| {
                terms.push(Term {
                    surface: word.surface.clone(),
                    weight: weights.of(&word.surface).max(0.1),
                    kind: word.kind,
                });
            };
            words.iter().for_each(&mut add);
        }
        let total = terms.iter().map(|term| term.weight).sum();
        let focus = focus(&words, kind)
            .iter()
            .filter_map(|word| terms.iter().position(|term| term.surface == word.surface))
            .collect();
        Self {
            terms,
            total,
            kind,
            focus,
            text: text.to_owned(),
        }
    }

    /// The stems of the terms in a language, in order of `terms`.
    pub(crate) fn keys(&self, analyser: &Analyser) -> Vec<String> {
        let by_surface: HashMap<String, String> = analyser
            .words(&self.text)
            .into_iter()
            .map(|word| (word.surface, word.key))
            .collect();
        self.terms
            .iter()
            .map(|term| {
                by_surface
                    .get(&term.surface)
                    .unwrap_or(&term.surface)
                    .clone()
            })
            .collect()
    }
}

/// Weight of a word in a remark after the question (`Who paid? List all names.`): it says how to answer. A guess.
const REMARK_SHARE: f32 = 0.2;

/// Byte at which a remark after the only question mark begins; the text's length where there is none.
fn remark_start(text: &str) -> usize {
    let mut marks = text.match_indices(['?', '？', '؟']);
    match (marks.next(), marks.next()) {
        (Some((at, _)), None) if text[..at].split_whitespace().count() >= 3 => at,
        _ => text.len(),
    }
}

/// The words that name what is asked for: the first run of content words after `what`, `which` or `how many`.
/// Empty where the question word names it itself (`when`, `who`) or the language is another.
fn focus(words: &[Word], kind: AnswerKind) -> &[Word] {
    if matches!(
        kind,
        AnswerKind::Time | AnswerKind::Place | AnswerKind::Percent
    ) {
        return &[];
    }
    let asks = |i: &usize| match words[*i].surface.as_str() {
        "what" | "which" | "whose" => true,
        "many" | "much" => *i > 0 && words[*i - 1].surface == "how",
        _ => false,
    };
    let Some(asking) = (0..words.len()).find(asks) else {
        return &[];
    };
    let is_content = |word: &Word| !is_function_word(&word.surface);
    let Some(first) = (asking + 1..words.len()).find(|i| is_content(&words[*i])) else {
        return &[];
    };
    let n = words[first..].iter().take_while(|w| is_content(w)).count();
    &words[first..first + n]
}

fn answer_kind(words: &[Word], text: &str) -> AnswerKind {
    let surfaces: Vec<&str> = words.iter().map(|word| word.surface.as_str()).collect();
    let has = |word: &str| surfaces.contains(&word);
    let after = |first: &str, seconds: &[&str]| {
        surfaces
            .windows(2)
            .any(|pair| pair[0] == first && seconds.contains(&pair[1]))
    };
    let folded = fold(text);
    let holds = |list: &[&str]| list.iter().any(|cue| folded.contains(cue));
    if holds(PERCENT) {
        return AnswerKind::Percent;
    }
    let counts = [
        "many", "much", "old", "long", "far", "large", "big", "tall", "high", "fast", "often",
        "wide", "deep",
    ];
    if after("how", &counts)
        || surfaces.iter().any(|word| COUNT_WORDS.contains(word))
        || holds(COUNT_PHRASES)
    {
        return AnswerKind::Number;
    }
    if surfaces.iter().any(|word| WHEN_WORDS.contains(word))
        || holds(WHEN_PHRASES)
        || after(
            "what",
            &["year", "date", "day", "month", "century", "decade", "time"],
        )
        || after(
            "which",
            &["year", "date", "day", "month", "century", "decade"],
        )
    {
        return AnswerKind::Time;
    }
    if surfaces.iter().any(|word| WHO_WORDS.contains(word)) || holds(WHO_PHRASES) {
        return AnswerKind::Person;
    }
    if surfaces.iter().any(|word| WHERE_WORDS.contains(word))
        || holds(WHERE_PHRASES)
        || after(
            "what",
            &["city", "country", "state", "town", "place", "region"],
        )
        || after(
            "which",
            &["city", "country", "state", "town", "place", "region"],
        )
    {
        return AnswerKind::Place;
    }
    let first = surfaces.first().copied().unwrap_or("");
    if YES_NO_WORDS.contains(&first) && !has("or") {
        return AnswerKind::YesNo;
    }
    AnswerKind::Any
}

const PERCENT: &[&str] = &[
    "percent",
    "per cent",
    "prozent",
    "porcentaje",
    "por ciento",
    "procent",
    "процент",
    "yüzde",
    "phần trăm",
    "百分",
    "ร้อยละ",
    "เปอร์เซ็น",
    "प्रतिशत",
    "نسبة مئوية",
    "ποσοστό",
    "τοις εκατό",
];
const COUNT_WORDS: &[&str] = &[
    "wieviel",
    "wieviele",
    "cuántos",
    "cuántas",
    "cuánto",
    "cuánta",
    "câți",
    "câte",
    "cât",
    "сколько",
    "kaç",
    "كم",
    "πόσοι",
    "πόσες",
    "πόσα",
    "πόσο",
    "कितने",
    "कितनी",
    "कितना",
    "combien",
    "quanti",
    "quantos",
];
const COUNT_PHRASES: &[&str] = &[
    "wie viel",
    "bao nhiêu",
    "多少",
    "几",
    "กี่",
    "เท่าไร",
    "เท่าใด",
    "ne kadar",
];
const WHEN_WORDS: &[&str] = &[
    "when",
    "wann",
    "cuándo",
    "când",
    "когда",
    "متى",
    "πότε",
    "कब",
    "quand",
    "quando",
];
const WHEN_PHRASES: &[&str] = &[
    "ne zaman",
    "hangi yıl",
    "khi nào",
    "năm nào",
    "什么时候",
    "何时",
    "哪一年",
    "哪年",
    "เมื่อไร",
    "เมื่อใด",
    "ปีใด",
    "ปีไหน",
    "welchem jahr",
    "qué año",
    "ce an",
    "каком году",
    "किस वर्ष",
    "किस साल",
    "أي عام",
    "أي سنة",
    "ποιο έτος",
    "ποια χρονιά",
];
const WHO_WORDS: &[&str] = &[
    "who",
    "whom",
    "whose",
    "wer",
    "wen",
    "wem",
    "quién",
    "quiénes",
    "cine",
    "кто",
    "кого",
    "кем",
    "kim",
    "kime",
    "kimin",
    "ai",
    "ποιος",
    "ποιοι",
    "किसने",
    "कौन",
    "qui",
    "chi",
    "quem",
];
const WHO_PHRASES: &[&str] = &["谁", "ใคร", "من هو", "من الذي"];
const WHERE_WORDS: &[&str] = &[
    "where",
    "wo",
    "dónde",
    "unde",
    "где",
    "куда",
    "nerede",
    "nereye",
    "أين",
    "πού",
    "कहाँ",
    "कहां",
    "où",
    "dove",
    "onde",
];
const WHERE_PHRASES: &[&str] = &["ở đâu", "哪里", "何处", "ที่ไหน"];
const YES_NO_WORDS: &[&str] = &[
    "is", "are", "was", "were", "do", "does", "did", "can", "could", "has", "have", "had", "will",
    "would", "should", "may", "must", "am",
];

/// Words that say how something is asked or hold a sentence together, and are not looked for.
pub(crate) fn is_function_word(word: &str) -> bool {
    FUNCTION_WORDS.contains(&word)
        || COUNT_WORDS.contains(&word)
        || WHEN_WORDS.contains(&word)
        || WHO_WORDS.contains(&word)
        || WHERE_WORDS.contains(&word)
}

const FUNCTION_WORDS: &[&str] = &[
    // English
    "a",
    "an",
    "the",
    "what",
    "which",
    "how",
    "why",
    "is",
    "are",
    "was",
    "were",
    "be",
    "been",
    "being",
    "do",
    "does",
    "did",
    "has",
    "have",
    "had",
    "of",
    "in",
    "on",
    "at",
    "to",
    "for",
    "from",
    "by",
    "with",
    "as",
    "and",
    "or",
    "that",
    "this",
    "these",
    "those",
    "it",
    "its",
    "he",
    "she",
    "his",
    "her",
    "they",
    "their",
    "there",
    "can",
    "could",
    "will",
    "would",
    "should",
    "into",
    "than",
    "then",
    "some",
    "any",
    "also",
    "not",
    "many",
    "much",
    "s",
    "i",
    "we",
    "you",
    "our",
    "your",
    "my",
    "me",
    "us",
    "please",
    "tell",
    "about",
    "besides",
    "find",
    "give",
    "show",
    "list",
    "record",
    "if",
    "q",
    // German
    "was",
    "welche",
    "welcher",
    "welches",
    "welchen",
    "welchem",
    "wie",
    "warum",
    "der",
    "die",
    "das",
    "den",
    "dem",
    "des",
    "ein",
    "eine",
    "einer",
    "eines",
    "einem",
    "einen",
    "ist",
    "sind",
    "war",
    "waren",
    "wurde",
    "wurden",
    "hat",
    "haben",
    "hatte",
    "und",
    "oder",
    "in",
    "im",
    "von",
    "vom",
    "zu",
    "zum",
    "zur",
    "für",
    "mit",
    "auf",
    "an",
    "am",
    "bei",
    "es",
    "er",
    "sie",
    "sich",
    "viele",
    // Spanish
    "qué",
    "cuál",
    "cuáles",
    "cómo",
    "el",
    "la",
    "los",
    "las",
    "un",
    "una",
    "de",
    "del",
    "en",
    "que",
    "y",
    "o",
    "es",
    "son",
    "fue",
    "era",
    "se",
    "su",
    "por",
    "para",
    "con",
    "al",
    "ha",
    "lo",
    // Romanian
    "ce",
    "care",
    "cum",
    "este",
    "sunt",
    "fost",
    "au",
    "și",
    "sau",
    "un",
    "o",
    "al",
    "ale",
    "lui",
    "din",
    "pe",
    "cu",
    "pentru",
    "să",
    // Russian
    "что",
    "какой",
    "какая",
    "какие",
    "какое",
    "каком",
    "какого",
    "как",
    "почему",
    "в",
    "на",
    "и",
    "с",
    "по",
    "был",
    "была",
    "было",
    "были",
    "не",
    "из",
    "для",
    "к",
    "о",
    "от",
    // Turkish
    "ne",
    "hangi",
    "nasıl",
    "ve",
    "bir",
    "bu",
    "ile",
    "için",
    "nedir",
    "hangisi",
    "neden",
    // Greek
    "τι",
    "ποια",
    "ποιο",
    "ποιον",
    "πώς",
    "γιατί",
    "ο",
    "η",
    "το",
    "οι",
    "τα",
    "του",
    "της",
    "των",
    "τον",
    "την",
    "στο",
    "στη",
    "στην",
    "στον",
    "και",
    "να",
    "με",
    "για",
    "από",
    "είναι",
    "ήταν",
    "σε",
    // Arabic
    "ما",
    "ماذا",
    "هو",
    "هي",
    "كيف",
    "لماذا",
    "في",
    "من",
    "على",
    "إلى",
    "عن",
    "التي",
    "الذي",
    "كان",
    "كانت",
    "أي",
    "هل",
    // Hindi
    "क्या",
    "कैसे",
    "क्यों",
    "किस",
    "का",
    "की",
    "के",
    "में",
    "से",
    "को",
    "ने",
    "है",
    "हैं",
    "था",
    "थी",
    "थे",
    "और",
    "पर",
    // Vietnamese
    "gì",
    "nào",
    "là",
    "của",
    "và",
    "các",
    "những",
    "cho",
    "trong",
    "được",
    "bị",
    "có",
    "một",
    "ở",
    "đã",
    "như",
    "thế",
    "với",
    "khi",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_off_question_words() {
        let cases = [
            ("Who won?", AnswerKind::Person),
            ("How many points were scored?", AnswerKind::Number),
            ("What percentage of people agree?", AnswerKind::Percent),
            ("In what year did it end?", AnswerKind::Time),
            ("Where did they go?", AnswerKind::Place),
            ("Is the office open?", AnswerKind::YesNo),
            ("What is the colour?", AnswerKind::Any),
            ("Wann endete der Krieg?", AnswerKind::Time),
            ("谁赢了比赛？", AnswerKind::Person),
            ("Сколько очков?", AnswerKind::Number),
            ("", AnswerKind::Any),
        ];
        for (text, expect) in cases {
            let question = Question::new(text, &TermWeights::default());
            assert_eq!(question.kind, expect, "{text}");
        }
    }

    #[test]
    fn the_focus_names_what_is_asked_for() {
        let cases: &[(&str, &[&str])] = &[
            ("What is the salary of the master?", &["salary"]),
            (
                "How many sea gulls nest here?",
                &["sea", "gulls", "nest", "here"],
            ),
            ("Which doctor works on the island?", &["doctor", "works"]),
            ("When did it open?", &[]),
            ("What year did it open?", &[]),
            ("Wer ist das?", &[]),
            ("What?", &[]),
        ];
        for (text, expect) in cases {
            let question = Question::new(text, &TermWeights::default());
            let focus: Vec<&str> = question
                .focus
                .iter()
                .map(|i| question.terms[*i].surface.as_str())
                .collect();
            assert_eq!(focus, *expect, "{text}");
        }
    }

    #[test]
    fn a_remark_weighs_less() {
        let question = Question::new(
            "Who paid the invoice? Write every name.",
            &TermWeights::default(),
        );
        let weight = |word: &str| {
            let term = question.terms.iter().find(|term| term.surface == word);
            term.map_or(0.0, |term| term.weight)
        };
        assert!(weight("invoice") > weight("every"));
        assert_eq!(remark_start("One? Two?"), "One? Two?".len());
    }

    #[test]
    fn content_words_stay() {
        let question = Question::new(
            "Which NFL team won the Super Bowl?",
            &TermWeights::default(),
        );
        let terms: Vec<_> = question
            .terms
            .iter()
            .map(|term| term.surface.as_str())
            .collect();
        assert_eq!(terms, ["nfl", "team", "won", "super", "bowl"]);
        assert_eq!(
            Question::new("Who is who?", &TermWeights::default())
                .terms
                .len(),
            3
        );
        assert!(
            Question::new("?!", &TermWeights::default())
                .terms
                .is_empty()
        );
    }
}
