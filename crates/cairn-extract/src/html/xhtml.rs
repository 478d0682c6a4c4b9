//! XHTML for an HTML parser: what XML closes with `/>` is closed with an end tag.
//!
//! To HTML (WHATWG 13.1.2.1) the slash in `<title/>` means nothing, and the page that follows would be the title's text.
//! O(n). Comments, CDATA and processing instructions are passed over; a CDATA section's marks go, its text stays.

use std::borrow::Cow;

/// `text` with end tags where it has none. Borrowed where nothing changes.
pub(super) fn close_tags(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(step) = text[at..].find('<') {
        let start = at + step;
        let rest = &text[start..];
        if let Some(end) = passed_over(rest) {
            if let Some(inner) = rest.strip_prefix("<![CDATA[") {
                out.push_str(&text[copied..start]);
                let inner = &inner[..inner.find("]]>").unwrap_or(inner.len())];
                for c in inner.chars() {
                    match c {
                        '<' => out.push_str("&lt;"),
                        '&' => out.push_str("&amp;"),
                        c => out.push(c),
                    }
                }
                copied = start + end;
            }
            at = start + end;
            continue;
        }
        let n_name = rest[1..]
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_'))
            .count();
        let name = &rest[1..=n_name];
        let Some(n_tag) = tag_end(&rest[1 + n_name..]) else {
            break;
        };
        let end = start + 1 + n_name + n_tag;
        if n_name > 0 && text[..end].ends_with("/>") && !is_void(name) {
            out.push_str(&text[copied..end - 2]);
            out.push_str("></");
            out.push_str(name);
            out.push('>');
            copied = end;
        }
        at = end;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// Bytes of the comment, section or instruction that `rest` begins with.
fn passed_over(rest: &str) -> Option<usize> {
    let end = if rest.starts_with("<!--") {
        "-->"
    } else if rest.starts_with("<![CDATA[") {
        "]]>"
    } else if rest.starts_with("<?") {
        "?>"
    } else if rest.starts_with("<!") || rest.starts_with("</") {
        ">"
    } else {
        return None;
    };
    Some(rest.find(end).map_or(rest.len(), |at| at + end.len()))
}

/// Bytes to the end of a tag, the `>` included; one within quotes ends nothing.
fn tag_end(rest: &str) -> Option<usize> {
    let mut quote = None;
    for (idx, byte) in rest.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(idx + 1),
            // A tag within a tag: the first was text.
            (None, b'<') => return Some(idx),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

fn is_void(name: &str) -> bool {
    const NAMES: [&str; 14] = [
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param",
        "source", "track", "wbr",
    ];
    NAMES.contains(&name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn empty_elements_get_an_end() {
        let cases = [
            ("<title/><p>a<br/>b</p>", "<title></title><p>a<br/>b</p>"),
            ("<a id='x>y'/>b", "<a id='x>y'></a>b"),
            ("<!-- <p/> --><svg:g/>", "<!-- <p/> --><svg:g></svg:g>"),
            (
                "<?xml version='1.0'?><![CDATA[a<b]]>c",
                "<?xml version='1.0'?>a&lt;bc",
            ),
            ("1 < 2 <p/", "1 < 2 <p/"),
        ];
        for (input, expect) in cases {
            assert_eq!(close_tags(input), expect);
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[<>/!?a-cé\"' \\[\\]-]{0,80}") {
            close_tags(&text);
        }
    }
}
