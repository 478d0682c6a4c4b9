//! Inline marks of reStructuredText: marks go, their text stays.

use std::collections::HashMap;

/// How far the end of a mark is looked for, in bytes; keeps the search linear.
const MAX_SPAN: usize = 2_000;

/// What a paragraph shows. `substitutions`: what `|name|` stands for.
pub(super) fn plain(text: &str, substitutions: &HashMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let before = text[..at].chars().next_back();
        let is_start = before.is_none_or(|c| !c.is_alphanumeric());
        let found = is_start.then(|| marked(rest, substitutions)).flatten();
        let (n, shown) = match found {
            Some(found) => found,
            None => as_written(rest, before),
        };
        out.push_str(&shown);
        at += n;
    }
    out
}

/// The next character, or the one that a backslash protects; the `_` of a reference after a word goes.
fn as_written(rest: &str, before: Option<char>) -> (usize, String) {
    let mut chars = rest.chars();
    let first = chars.next().unwrap_or(' ');
    let next = chars.next();
    match (first, next) {
        ('\\', Some(c)) if c.is_whitespace() => (1 + c.len_utf8(), String::new()),
        ('\\', Some(c)) => (1 + c.len_utf8(), c.to_string()),
        (c, _) if c.is_alphanumeric() => {
            let n = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            let word = &rest[..n];
            let shown = match word.strip_suffix('_').filter(|_| before != Some('_')) {
                Some(name) if !name.contains('_') => name,
                Some(name) => name.strip_suffix('_').unwrap_or(word),
                None => word,
            };
            (n, shown.to_owned())
        }
        (c, _) => (c.len_utf8(), c.to_string()),
    }
}

fn within(rest: &str) -> &str {
    let mut end = rest.len().min(MAX_SPAN);
    while !rest.is_char_boundary(end) {
        end -= 1;
    }
    &rest[..end]
}

/// The text between `open` at the start and the next `close`, and the bytes of all three.
fn between<'t>(rest: &'t str, open: &str, close: &str) -> Option<(usize, &'t str)> {
    let inner = within(rest).strip_prefix(open)?;
    if inner.starts_with(char::is_whitespace) {
        return None;
    }
    let end = inner.find(close).filter(|end| *end > 0)?;
    Some((open.len() + end + close.len(), &inner[..end]))
}

fn marked(rest: &str, substitutions: &HashMap<String, String>) -> Option<(usize, String)> {
    if let Some((n, text)) = between(rest, "``", "``") {
        return Some((n, text.to_owned()));
    }
    if let Some((n, text)) = between(rest, "**", "**").or_else(|| between(rest, "*", "*")) {
        return Some((n, text.to_owned()));
    }
    if let Some((n, name)) = between(rest, "|", "|") {
        let n_reference = rest[n..].bytes().take_while(|b| *b == b'_').count().min(2);
        let value = substitutions.get(name)?;
        return Some((n + n_reference, value.clone()));
    }
    if let Some((n, label)) = between(rest, "[", "]_") {
        return Some((n, format!("[{}]", label.trim_start_matches('#'))));
    }
    // Roles: `:name:` before the text.
    let n_role = role_len(rest);
    let (n, inner) = between(&rest[n_role..], "`", "`")?;
    let n_after = rest[n_role + n..]
        .bytes()
        .take_while(|b| *b == b'_')
        .count()
        .min(2);
    let shown = match inner.find('<') {
        // `text <target>`: an address without text shows itself.
        Some(0) => inner.trim_start_matches('<').trim_end_matches('>'),
        Some(at) if inner.ends_with('>') => inner[..at].trim_end(),
        _ => inner,
    };
    let shown = if n_role > 0 {
        shown.trim_start_matches(['~', '!'])
    } else {
        shown
    };
    Some((n_role + n + n_after, shown.to_owned()))
}

fn role_len(rest: &str) -> usize {
    let Some(inner) = rest.strip_prefix(':') else {
        return 0;
    };
    let n = inner
        .find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | ':')))
        .unwrap_or(0);
    if n > 1 && inner[..n].ends_with(':') && inner[n..].starts_with('`') {
        n + 1
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_go_and_text_stays() {
        let substitutions = HashMap::from([("v".to_owned(), "1.2".to_owned())]);
        for (input, expect) in [
            (
                "a *b* **c d** ``e_ *f*`` 2*3*4 * x",
                "a b c d e_ *f* 2*3*4 * x",
            ),
            (
                "`link <http://x>`_ and ref_, `two words`__ |v| |w|",
                "link and ref, two words 1.2 |w|",
            ),
            (
                ":func:`~a.b` :doc:`Text </x>` [1]_ [#n]_",
                "a.b Text [1] [n]",
            ),
            (
                "\\*no\\* a\\ b snake_case __init__",
                "*no* ab snake_case __init__",
            ),
        ] {
            assert_eq!(plain(input, &substitutions), expect);
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-*`|:_<>\\[\\]#a-cé \\\\]{0,120}") {
            plain(&text, &HashMap::new());
        }
    }
}
