//! Inline marks of `AsciiDoc`: marks go, their text stays; links show their text, attributes their value.

use std::collections::HashMap;

/// How far the end of a mark is looked for, in bytes; keeps the search linear.
const MAX_SPAN: usize = 2_000;

/// What a line or paragraph shows, and the footnotes in it.
pub(super) fn plain(text: &str, attributes: &HashMap<String, String>) -> (String, Vec<String>) {
    let mut out = String::with_capacity(text.len());
    let mut notes = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let before = text[..at].chars().next_back();
        let (n, shown) = step(rest, before, attributes, &mut notes);
        out.push_str(&shown);
        at += n;
    }
    (out, notes)
}

/// How many bytes of `rest` to go on, and what they show.
fn step(
    rest: &str,
    before: Option<char>,
    attributes: &HashMap<String, String>,
    notes: &mut Vec<String>,
) -> (usize, String) {
    let Some(first) = rest.chars().next() else {
        return (1, String::new());
    };
    let as_is = (first.len_utf8(), first.to_string());
    let is_at_word = before.is_none_or(|c| !c.is_alphanumeric());
    match first {
        '\\' => match rest[1..].chars().next() {
            Some(c) if matches!(c, '*' | '_' | '`' | '#' | '{' | '<' | '+' | '^' | '~') => {
                (1 + c.len_utf8(), c.to_string())
            }
            _ => as_is,
        },
        '*' | '_' | '`' | '#' | '+' | '^' | '~' => marked(rest, first, is_at_word).unwrap_or(as_is),
        '{' => {
            let name_end = within(rest).find('}');
            let value = name_end.and_then(|end| attributes.get(&rest[1..end]));
            match (name_end, value) {
                (Some(end), Some(value)) => (end + 1, value.clone()),
                _ => as_is,
            }
        }
        '<' if rest.starts_with("<<") => match within(rest).find(">>") {
            Some(end) => {
                let inner = &rest[2..end];
                let shown = inner.split_once(',').map_or(inner, |(_, text)| text.trim());
                (end + 2, shown.to_owned())
            }
            None => as_is,
        },
        '[' if rest.starts_with("[[") => match within(rest).find("]]") {
            Some(end) => (end + 2, String::new()),
            None => as_is,
        },
        c if is_at_word && c.is_ascii_alphabetic() => {
            named(rest, notes).unwrap_or_else(|| word(rest))
        }
        _ => as_is,
    }
}

/// The start of `rest` that is looked through.
fn within(rest: &str) -> &str {
    let mut end = rest.len().min(MAX_SPAN);
    while !rest.is_char_boundary(end) {
        end -= 1;
    }
    &rest[..end]
}

/// Letters and digits: nothing in a word is a mark but a doubled one.
fn word(rest: &str) -> (usize, String) {
    let n = rest
        .find(|c: char| !c.is_alphanumeric())
        .unwrap_or(rest.len());
    (n, rest[..n].to_owned())
}

/// `*bold*` within word bounds, `**bo**ld` anywhere; the inner text may hold other marks, which go as well.
fn marked(rest: &str, mark: char, is_at_word: bool) -> Option<(usize, String)> {
    let double = [mark, mark].iter().collect::<String>();
    let is_double = rest.starts_with(&double) && matches!(mark, '*' | '_' | '`' | '#' | '+');
    let (open, is_closed_at_word) = match (is_double, mark) {
        (true, _) => (double.as_str(), false),
        (false, '^' | '~') => (&double[..1], false),
        (false, _) if is_at_word => (&double[..1], true),
        (false, _) => return None,
    };
    let inner_at = open.len();
    let look = within(rest);
    if look[inner_at..].starts_with(char::is_whitespace) {
        return None;
    }
    let mut from = inner_at;
    while let Some(step) = look.get(from..)?.find(open) {
        let end = from + step;
        let after = look[end + open.len()..].chars().next();
        let is_end = step + from > inner_at
            && !look[..end].ends_with(char::is_whitespace)
            && (!is_closed_at_word || after.is_none_or(|c| !c.is_alphanumeric()));
        if is_end {
            let inner = &look[inner_at..end];
            // Code shows itself; other marks may hold marks.
            let shown = if matches!(mark, '`' | '+') {
                inner.trim_matches('+').to_owned()
            } else {
                inner
                    .chars()
                    .filter(|c| !matches!(c, '*' | '_' | '`'))
                    .collect()
            };
            return Some((end + open.len(), shown));
        }
        from = end + open.len();
    }
    None
}

/// Macros: `https://x[text]`, `link:x[text]`, `footnote:[text]`, `image:x[alt]`, `kbd:[x]`.
fn named(rest: &str, notes: &mut Vec<String>) -> Option<(usize, String)> {
    const NAMES: [&str; 16] = [
        "https:",
        "http:",
        "ftp:",
        "mailto:",
        "link:",
        "xref:",
        "footnote:",
        "image:",
        "kbd:",
        "btn:",
        "menu:",
        "pass:",
        "stem:",
        "latexmath:",
        "icon:",
        "footnoteref:",
    ];
    let name = NAMES.iter().find(|name| rest.starts_with(**name))?;
    let look = within(rest);
    let target_end = look
        .find(|c: char| c == '[' || c.is_whitespace() || matches!(c, '<' | '>'))
        .unwrap_or(look.len());
    let target = &look[..target_end];
    let label = look[target_end..]
        .strip_prefix('[')
        .and_then(|label| Some(&label[..label.find(']')?]));
    let is_address = matches!(*name, "https:" | "http:" | "ftp:" | "mailto:");
    let Some(label) = label else {
        return is_address.then(|| (target_end, target.to_owned()));
    };
    let n = target_end + label.len() + 2;
    let text = label.trim_matches('"').trim_end_matches('^');
    Some(match *name {
        "footnote:" | "footnoteref:" => {
            notes.push(text.to_owned());
            (n, String::new())
        }
        _ if text.is_empty() => {
            let shown = target
                .trim_start_matches("link:")
                .trim_start_matches("mailto:");
            (n, shown.to_owned())
        }
        _ => (n, text.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_go_and_text_stays() {
        let attributes = HashMap::from([("v".to_owned(), "1.2".to_owned())]);
        for (input, expect) in [
            (
                "a *bold* and _it_ `code_x` b**ol**d 2*3*4",
                "a bold and it code_x bold 2*3*4",
            ),
            ("version {v} of {other}", "version 1.2 of {other}"),
            (
                "see https://a.b/c[the page] or https://x.y.",
                "see the page or https://x.y.",
            ),
            (
                "<<id,Part>> H~2~O x^2^ [[a]]snake_case_name",
                "Part H2O x2 snake_case_name",
            ),
            ("link:a.html[] \\*no* #mark#", "a.html *no* mark"),
        ] {
            assert_eq!(plain(input, &attributes).0, expect);
        }
        let (text, notes) = plain("afootnote:[no] b footnote:[yes].", &attributes);
        assert_eq!((text.as_str(), notes.len()), ("afootnote:[no] b .", 1));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-*_`#+^~{}<>\\[\\]:a-cé \\\\]{0,120}") {
            plain(&text, &HashMap::new());
            plain(&format!("link:{text}"), &HashMap::new());
        }
    }
}
