//! A bound on nesting: the tree builder looks through all open elements for some tags, which costs
//! the square of the depth on hostile pages.

use std::borrow::Cow;

/// Open elements beyond which further start tags are left out (their text stays). Pages of word
/// processors and mail clients stay below a hundred.
const MAX_DEPTH: usize = 1_000;

/// `text` without the start tags that go deeper than [`MAX_DEPTH`]. O(n).
pub(super) fn limit(text: &str) -> Cow<'_, str> {
    let mut depth = 0usize;
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(step) = text[at..].find('<') {
        let start = at + step;
        let rest = &text[start + 1..];
        let is_end = rest.starts_with('/');
        let name_at = start + 1 + usize::from(is_end);
        let n_name = text[name_at..]
            .bytes()
            .take_while(u8::is_ascii_alphanumeric)
            .count();
        at = name_at + n_name;
        if n_name == 0 || closes_itself(&text[name_at..at]) {
            continue;
        }
        if is_end {
            depth = depth.saturating_sub(1);
        } else if depth < MAX_DEPTH {
            depth += 1;
        } else {
            let end = text[at..].find('>').map_or(text.len(), |n| at + n + 1);
            out.push_str(&text[copied..start]);
            out.push(' ');
            (copied, at) = (end, end);
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// Elements without an end tag, or whose end tag writers leave out.
fn closes_itself(name: &str) -> bool {
    const NAMES: [&str; 37] = [
        "area", "base", "body", "br", "col", "colgroup", "dd", "dt", "embed", "head", "hr", "html",
        "img", "input", "li", "link", "meta", "optgroup", "option", "p", "param", "rb", "rp", "rt",
        "rtc", "source", "tbody", "td", "tfoot", "th", "thead", "tr", "track", "wbr", "frame",
        "keygen", "basefont",
    ];
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_is_too_deep_goes() {
        let page = "<div><p>a<p>b<br></div>".repeat(2_000);
        assert_eq!(limit(&page), page);
        let deep = format!(
            "{}x{}",
            "<DIV class='a'>".repeat(5_000),
            "</DIV>".repeat(5_000)
        );
        let limited = limit(&deep);
        assert_eq!(limited.matches("<DIV").count(), MAX_DEPTH);
        assert!(limited.contains('x'));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[<>/a-cé\"' ]{0,80}") {
            prop_assert_eq!(limit(&text), &text[..]);
        }
    }
}
