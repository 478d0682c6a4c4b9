//! Where sentences begin and end, in any of the languages that are indexed.
//!
//! One pass over the characters. A sentence ends at a mark of its script (`.`, `!`, `?`, `。`, `।`, `؟`, ...)
//! that is no abbreviation, initial, decimal point or ordinal; at a blank line; at a line end where the next
//! line is another table row, list item, heading or line of code. A hard-wrapped line goes on. Thai has no
//! mark: there a space ends a phrase once it is long enough. Over-long sentences are cut at the last clause
//! mark or space. O(n). Known limits: German and Turkish ordinals before a capitalised noun are kept together
//! even where a sentence really ended in a one- or two-digit number.

use std::ops::Range;

use crate::words::is_unspaced;

/// Longest sentence in characters: a longer one is cut, so that no quote fills a page. Guess: twice the
/// longest sentence of the evaluation articles.
const MAX_CHARS: usize = 700;
/// A Thai phrase shorter than this is joined with the next. Measured on the Thai articles, whose English
/// counterparts have about 120 characters a sentence.
const MIN_THAI_CHARS: usize = 100;

/// What kind of text a sentence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SentenceKind {
    /// Running text.
    Prose,
    /// A row of a table: cells joined by ` | `.
    Row,
    /// A short line of its own without an end mark: a heading or label.
    Label,
}

/// A sentence's place in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sentence {
    /// Byte offsets, without surrounding white space; never empty.
    pub bytes: Range<usize>,
    /// What kind of text it is.
    pub kind: SentenceKind,
    /// Index of its line or paragraph: neighbours in one block may be quoted together.
    pub block: usize,
}

/// The sentences of `text`, in order, not overlapping, each trimmed and not empty. `lang`: ISO 639-1.
pub(crate) fn split_sentences(text: &str, lang: Option<&str>) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    for (block, range) in blocks(text).into_iter().enumerate() {
        let body = &text[range.clone()];
        if is_row(body) {
            push(text, range, SentenceKind::Row, block, &mut sentences);
            continue;
        }
        if is_explained_code(body) {
            push(text, range, SentenceKind::Prose, block, &mut sentences);
            continue;
        }
        let before = sentences.len();
        let mut start = range.start;
        for end in sentence_ends(body, lang) {
            push(
                text,
                start..range.start + end,
                SentenceKind::Prose,
                block,
                &mut sentences,
            );
            start = range.start + end;
        }
        push(
            text,
            start..range.end,
            SentenceKind::Prose,
            block,
            &mut sentences,
        );
        if let [only] = &mut sentences[before..]
            && is_label(&text[only.bytes.clone()])
        {
            only.kind = SentenceKind::Label;
        }
    }
    sentences
}

fn push(
    text: &str,
    range: Range<usize>,
    kind: SentenceKind,
    block: usize,
    out: &mut Vec<Sentence>,
) {
    let mut rest = range;
    loop {
        let piece = &text[rest.clone()];
        let trimmed = piece.trim();
        if trimmed.is_empty() {
            return;
        }
        let start = rest.start + (piece.len() - piece.trim_start().len());
        let cut = long_cut(trimmed);
        let end = start + cut.unwrap_or(trimmed.len());
        let kept = text[start..end].trim_end().len();
        out.push(Sentence {
            bytes: start..start + kept,
            kind,
            block,
        });
        if cut.is_none() {
            return;
        }
        rest = end..rest.end;
    }
}

/// Byte at which an over-long sentence is cut: after the last clause mark of its first part, else after the
/// last space, else at the limit.
fn long_cut(text: &str) -> Option<usize> {
    let (limit, _) = text.char_indices().nth(MAX_CHARS)?;
    let head = &text[..limit];
    let after = |found: Option<(usize, char)>| found.map(|(at, c)| at + c.len_utf8());
    let clause = after(
        head.char_indices()
            .rfind(|(_, c)| matches!(c, ';' | '；' | '،' | '，')),
    );
    let space = after(head.char_indices().rfind(|(_, c)| c.is_whitespace()));
    clause
        .filter(|at| *at > limit / 3)
        .or(space.filter(|at| *at > limit / 3))
        .or(Some(limit))
}

/// Lines that stand for themselves, and paragraphs of hard-wrapped lines.
fn blocks(text: &str) -> Vec<Range<usize>> {
    let mut blocks: Vec<Range<usize>> = Vec::new();
    let mut open = false;
    let mut at = 0;
    for line in text.split_inclusive(['\n', '\u{2028}', '\u{2029}', '\u{b}', '\u{c}']) {
        let range = at..at + line.len();
        at += line.len();
        if line.trim().is_empty() {
            open = false;
            continue;
        }
        match blocks.last_mut() {
            Some(last) if open && goes_on(&text[last.clone()], line) => last.end = range.end,
            _ => blocks.push(range),
        }
        open = true;
    }
    blocks
}

/// Whether `line` is the continuation of a hard-wrapped paragraph that ends in `before`.
fn goes_on(before: &str, line: &str) -> bool {
    let last_line = before.trim_end().rsplit('\n').next().unwrap_or("");
    let starts_lower = line
        .trim_start()
        .chars()
        .next()
        .is_some_and(char::is_lowercase);
    let is_wrapped = last_line.chars().count() >= 50;
    let is_text = |line: &str| !is_row(line) && !is_code(line) && !is_list_item(line);
    if is_comment(before) && !before.trim_end().contains('\n') && is_setting(line) {
        return true;
    }
    is_text(last_line)
        && is_text(line)
        && (is_wrapped || (starts_lower && last_line.chars().count() >= 25))
}

/// A comment line of source code or of a configuration file.
fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    ["# ", "#: ", "// ", "/// ", "-- ", "; "]
        .iter()
        .any(|mark| line.starts_with(mark))
}

/// `NAME = 0.40`, `name: 5,`: one name that gets a value.
fn is_setting(line: &str) -> bool {
    line.split_once(['=', ':']).is_some_and(|(name, value)| {
        !value.trim().is_empty()
            && !is_comment(line)
            && (1..=4).contains(&name.split_whitespace().count())
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || " \t_-.\"'".contains(c))
    })
}

/// A comment with the setting that it explains: neither says much without the other.
fn is_explained_code(block: &str) -> bool {
    let mut lines = block.trim_end().split('\n');
    lines.next().is_some_and(is_comment)
        && lines.next().is_some_and(is_setting)
        && lines.next().is_none()
}

fn is_row(line: &str) -> bool {
    line.contains(" | ") || (line.trim_start().starts_with('|') && line.matches('|').count() > 1)
}

fn is_code(line: &str) -> bool {
    line.starts_with("    ")
        || line.starts_with('\t')
        || line.trim_end().ends_with(['{', '}', ';'])
        || line.trim_start().starts_with(['}', '{', '#', '$', '@'])
        || line.trim_start().starts_with("//")
}

fn is_list_item(line: &str) -> bool {
    let line = line.trim_start();
    if line.starts_with(['-', '*', '•', '–', '·', '‣', '▪', '○', '●', '>']) {
        return true;
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    // A decimal fraction that begins a wrapped line (`2.6 knots`) is no item.
    let mut rest = line[digits..].chars();
    (1..=3).contains(&digits)
        && matches!(rest.next(), Some('.' | ')'))
        && rest.next().is_none_or(char::is_whitespace)
}

/// A short line without an end mark, such as a heading or the name of a field.
fn is_label(text: &str) -> bool {
    let end = text.chars().next_back().unwrap_or(' ');
    text.chars().count() <= 80
        && !is_terminator(end, None)
        && !matches!(end, '"' | '”' | ')' | ';')
        && !text.contains(": ")
        && text.split_whitespace().count() <= 10
}

fn is_terminator(c: char, lang: Option<&str>) -> bool {
    matches!(
        c,
        '.' | '!'
            | '?'
            | '…'
            | '。'
            | '！'
            | '？'
            | '．'
            | '｡'
            | '؟'
            | '۔'
            | '।'
            | '॥'
            | '։'
            | '።'
            | '။'
            | '។'
            | '‼'
            | '⁇'
            | '⁈'
            | '⁉'
            | '\u{37e}'
    ) || (c == ';' && lang == Some("el"))
}

/// Marks that end a sentence without a space after them.
fn is_tight_terminator(c: char) -> bool {
    matches!(
        c,
        '。' | '！' | '？' | '｡' | '।' | '॥' | '۔' | '።' | '။' | '។'
    )
}

fn is_closer(c: char) -> bool {
    matches!(
        c,
        '"' | '\'' | ')' | ']' | '}' | '”' | '’' | '»' | '」' | '』' | '）' | '】' | '》' | '〉'
    )
}

/// Byte offsets in `body` after which a new sentence begins.
fn sentence_ends(body: &str, lang: Option<&str>) -> Vec<usize> {
    let chars: Vec<(usize, char)> = body.char_indices().collect();
    let at = |i: usize| chars.get(i).map(|(_, c)| *c);
    let byte = |i: usize| chars.get(i).map_or(body.len(), |(byte, _)| *byte);
    let mut ends = Vec::new();
    let mut start = 0;
    let mut i = 0;
    while let Some(c) = at(i) {
        if !is_terminator(c, lang) {
            let is_thai_space = c == ' '
                && i > 0
                && at(i - 1).is_some_and(is_thai)
                && at(i + 1).is_some_and(|next| is_thai(next) || next == ' ')
                && i - start >= MIN_THAI_CHARS;
            i += 1;
            if is_thai_space {
                ends.push(byte(i));
                start = i;
            }
            continue;
        }
        let mark = i;
        let mut tight = false;
        while let Some(c) = at(i).filter(|c| is_terminator(*c, lang)) {
            tight |= is_tight_terminator(c);
            i += 1;
        }
        let run = i - mark;
        while at(i).is_some_and(is_closer) {
            i += 1;
        }
        // Footnote marks such as `[12]` belong to the sentence before them.
        let closes = footnotes(&chars, i);
        let spaced = at(closes).is_none_or(char::is_whitespace);
        let unspaced_next = at(closes).is_some_and(is_unspaced) && at(mark) != Some('.');
        if !(spaced || tight || unspaced_next) {
            continue;
        }
        i = closes;
        let next = chars[i..]
            .iter()
            .map(|(_, c)| *c)
            .find(|c| !c.is_whitespace());
        let single_dot = run == 1 && at(mark) == Some('.') && closes == mark + 1;
        if single_dot && is_inner_dot(body, byte(mark), byte(start), next, lang) {
            continue;
        }
        // `...` and `!"` in the middle of a sentence: the next word is in lower case.
        if !tight && next.is_some_and(char::is_lowercase) {
            continue;
        }
        ends.push(byte(i));
        start = i;
    }
    ends
}

fn is_thai(c: char) -> bool {
    ('\u{e00}'..='\u{e7f}').contains(&c)
}

fn footnotes(chars: &[(usize, char)], mut i: usize) -> usize {
    let at = |i: usize| chars.get(i).map(|(_, c)| *c);
    while at(i) == Some('[') {
        let digits = (i + 1..)
            .take_while(|j| at(*j).is_some_and(|c| c.is_ascii_digit()))
            .count();
        if !(1..=3).contains(&digits) || at(i + 1 + digits) != Some(']') {
            break;
        }
        i += digits + 2;
    }
    i
}

/// Whether the dot at byte `dot` is part of an abbreviation, an initial, an ordinal or a list number.
fn is_inner_dot(
    body: &str,
    dot: usize,
    sentence_start: usize,
    next: Option<char>,
    lang: Option<&str>,
) -> bool {
    let head = &body[sentence_start..dot];
    let word = head
        .rsplit(|c: char| {
            c.is_whitespace() || matches!(c, '(' | '[' | '"' | '“' | '„' | '«' | '-' | '–')
        })
        .next()
        .unwrap_or("");
    if word.is_empty() {
        return false;
    }
    let is_first = word.len() == head.trim_start().len();
    let n_chars = word.chars().count();
    if word.bytes().all(|b| b.is_ascii_digit()) {
        let is_ordinal = matches!(
            lang,
            Some("de" | "tr" | "da" | "no" | "fi" | "hu" | "cs" | "pl")
        );
        return n_chars <= 2 && (is_first || is_ordinal);
    }
    // Initials: `J. Smith`, `U.S. Army` (but a sentence may end in `U.S.` before a capital: kept together,
    // since half a name is the worse cut).
    let letters_and_dots = word.chars().all(|c| c.is_alphabetic() || c == '.');
    let is_initial = n_chars == 1 && word.chars().all(|c| c.is_uppercase() || c.is_lowercase());
    let is_dotted = letters_and_dots
        && word.contains('.')
        && word.split('.').all(|part| part.chars().count() <= 2);
    if is_initial || is_dotted {
        return next.is_some();
    }
    let lower = word.to_lowercase();
    ABBREVIATIONS.contains(&lower.as_str())
        || (next.is_some_and(char::is_numeric) && BEFORE_NUMBERS.contains(&lower.as_str()))
}

/// Abbreviations that do not end a sentence, lower case, without the last dot, of the languages with dots.
const ABBREVIATIONS: &[&str] = &[
    // English
    "mr", "mrs", "ms", "dr", "prof", "st", "rev", "hon", "gen", "col", "lt", "sgt", "capt", "cmdr",
    "adm", "gov", "sen", "rep", "pres", "vs", "e.g", "i.e", "cf", "viz", "approx", "dept", "est",
    "fig", "eq", "vol", "ed", "eds", "mt", "ft", "jr", "sr", "messrs", "ca", "al", "op", "ph.d",
    // German
    "bzw", "ggf", "evtl", "z.b", "d.h", "u.a", "o.ä", "bspw", "str", "abs", "art", "hr", "fr",
    "dipl", "ing", "geb", "gest", "jh", "jhd", "inkl", "zzgl", "usw", "sog", "ca", "nr",
    // Spanish, Portuguese, French, Italian, Romanian
    "sra", "srta", "dra", "ud", "uds", "pág", "av", "avda", "núm", "p.ej", "ej", "aprox", "dl",
    "dna", "dvs", "mme", "mlle", "sig", "dott", "ing", "ecc", "nr",
    // Turkish, Russian, Greek, Vietnamese
    "sn", "yy", "örn", "bkz", "doç", "yrd", "вв", "гг", "г", "в", "т", "д", "н", "э", "им", "ул",
    "тыс", "млн", "млрд", "руб", "стр", "рис", "см", "др", "π.χ", "κ", "κα", "μ.χ", "δηλ", "βλ",
    "ts", "ths", "tp",
];

/// Abbreviations that are inner only before a number: `No. 5`, `p. 12`, `Jan. 3`.
const BEFORE_NUMBERS: &[&str] = &[
    "no", "nos", "p", "pp", "ch", "sec", "art", "nr", "n", "jan", "feb", "mar", "apr", "jun",
    "jul", "aug", "sep", "sept", "oct", "nov", "dec", "α", "αρ", "σ", "с", "гл", "tr", "s", "m",
    "c", "ul",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lang: &str, text: &str, expect: &[&str]) {
        let got: Vec<&str> = split_sentences(text, Some(lang))
            .into_iter()
            .map(|sentence| &text[sentence.bytes])
            .collect();
        assert_eq!(got, expect, "{lang}");
    }

    #[test]
    fn marks_of_many_scripts_end_sentences() {
        check(
            "en",
            "It rose 3.5 percent. Dr. J. Smith left! Why?",
            &["It rose 3.5 percent.", "Dr. J. Smith left!", "Why?"],
        );
        check(
            "en",
            "He said \"Go.\" Then he left.",
            &["He said \"Go.\"", "Then he left."],
        );
        check(
            "en",
            "See p. 12 of No. 5. The U.S. Army won.[3] Next",
            &["See p. 12 of No. 5.", "The U.S. Army won.[3]", "Next"],
        );
        check("en", "Wait... what? yes", &["Wait... what? yes"]);
        check(
            "de",
            "Am 3. Oktober kam er, z. B. spät. Er ging.",
            &["Am 3. Oktober kam er, z. B. spät.", "Er ging."],
        );
        check(
            "zh",
            "他说：“走。”然后走了。真的？是！",
            &["他说：“走。”", "然后走了。", "真的？", "是！"],
        );
        check("hi", "वह गया। फिर आया।", &["वह गया।", "फिर आया।"]);
        check(
            "ar",
            "هل ذهب؟ نعم. ثم عاد.",
            &["هل ذهب؟", "نعم.", "ثم عاد."],
        );
        check("el", "Πού πας; Σπίτι.", &["Πού πας;", "Σπίτι."]);
        check(
            "ru",
            "Это было в 1990 г. в Москве. Потом нет.",
            &["Это было в 1990 г. в Москве.", "Потом нет."],
        );
        check(
            "tr",
            "19. yüzyılda oldu. Bitti.",
            &["19. yüzyılda oldu.", "Bitti."],
        );
        check(
            "es",
            "¿Qué pasa? El Sr. vino. ¡Bien!",
            &["¿Qué pasa?", "El Sr. vino.", "¡Bien!"],
        );
        check(
            "vi",
            "Ông đến TP. Hồ Chí Minh. Rồi đi.",
            &["Ông đến TP. Hồ Chí Minh.", "Rồi đi."],
        );
    }

    #[test]
    fn wrapped_numbers_are_no_items_and_comments_keep_their_setting() {
        let line = "The speed of the vessel when she touched the quay at Tolm was";
        check(
            "en",
            &format!("{line}\n2.6 knots.\n1. An item\n2) Another"),
            &[&format!("{line}\n2.6 knots."), "1. An item", "2) Another"],
        );
        check(
            "en",
            "#: Residents pay less. They show a card.\nDISCOUNT = 0.40\n# Not a setting.\nreturn x\n// Days.\n\"days\": 3,",
            &[
                "#: Residents pay less. They show a card.\nDISCOUNT = 0.40",
                "# Not a setting.",
                "return x",
                "// Days.\n\"days\": 3,",
            ],
        );
    }

    #[test]
    fn thai_is_cut_at_spaces_once_long() {
        let phrase = "ก".repeat(110);
        let text = format!("{phrase} {phrase} สั้น");
        check("th", &text, &[&phrase, &phrase, "สั้น"]);
    }

    #[test]
    fn rows_lists_and_wrapped_lines() {
        let kinds = |text: &str| -> Vec<(String, SentenceKind)> {
            split_sentences(text, Some("en"))
                .into_iter()
                .map(|s| (text[s.bytes].to_owned(), s.kind))
                .collect()
        };
        use SentenceKind::{Label, Prose, Row};
        let own = |items: &[(&str, SentenceKind)]| -> Vec<(String, SentenceKind)> {
            items.iter().map(|(t, k)| ((*t).to_owned(), *k)).collect()
        };
        assert_eq!(
            kinds("Prices\n\nItem | Price\nTea | 3.50\n\n- One thing. Two.\n- Other thing."),
            own(&[
                ("Prices", Label),
                ("Item | Price", Row),
                ("Tea | 3.50", Row),
                ("- One thing.", Prose),
                ("Two.", Prose),
                ("- Other thing.", Prose),
            ])
        );
        assert_eq!(
            kinds(
                "This paragraph was wrapped by hand at some narrow width\nand goes on here. New one."
            ),
            own(&[
                (
                    "This paragraph was wrapped by hand at some narrow width\nand goes on here.",
                    Prose
                ),
                ("New one.", Prose),
            ])
        );
    }

    #[test]
    fn long_sentences_are_cut() {
        let text = "word ".repeat(500);
        for sentence in split_sentences(&text, None) {
            assert!(text[sentence.bytes].chars().count() <= MAX_CHARS);
        }
    }

    proptest::proptest! {
        #[test]
        fn sentences_are_ordered_trimmed_and_complete(text in "\\PC{0,80}|(.|\\n|\\. |! |。|ก|  | \\| ){0,60}") {
            let mut at = 0;
            for sentence in split_sentences(&text, None) {
                let body = &text[sentence.bytes.clone()];
                proptest::prop_assert!(!body.is_empty() && body.trim() == body);
                proptest::prop_assert!(text[at..sentence.bytes.start].trim().is_empty());
                at = sentence.bytes.end;
            }
            proptest::prop_assert!(text[at..].trim().is_empty());
        }
    }
}
