//! The robots exclusion protocol: which addresses of a site a robot may read.
//!
//! RFC 9309. Groups for our product token (any case) are joined, those for `*` count where there is none; the longest matching
//! pattern decides, `allow` wins a tie; `*` and a final `$` are special; paths are compared with their escapes in one form.
//! Beyond it: `Crawl-delay`, which many sites write, is read from the same groups. O(length of the file) to read, O(rules × path)
//! to ask; at most [`MAX_RULES`] rules and [`MAX_BYTES`] bytes (section 2.5) are looked at.

use std::time::Duration;

use crate::canonical::plain_escapes;

/// The name by which sites speak of us.
pub(crate) const TOKEN: &str = "cairn";
/// Bytes of a robots.txt that are read.
pub(crate) const MAX_BYTES: usize = 500 << 10;
/// Rules that are kept. A guess: the longest files in the wild have some thousands.
const MAX_RULES: usize = 10_000;

/// What a site asks of us.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Robots {
    rules: Vec<Rule>,
    /// The pause that the site asks for.
    pub(crate) delay: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    allows: bool,
    pattern: String,
}

#[derive(Debug, Default)]
struct Group {
    is_ours: bool,
    is_for_all: bool,
    /// Whether a rule has come, so that the next `user-agent` line begins another group.
    is_closed: bool,
}

impl Robots {
    /// Reads a robots.txt.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let bytes = &bytes[..bytes.len().min(MAX_BYTES)];
        let text = String::from_utf8_lossy(bytes);
        let (mut ours, mut for_all) = (None::<Self>, Self::default());
        let mut group = Group::default();
        for line in text.trim_start_matches('\u{feff}').split(['\n', '\r']) {
            let line = line.split('#').next().unwrap_or_default();
            let Some((field, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim();
            match field.trim().to_ascii_lowercase().as_str() {
                "user-agent" => {
                    if group.is_closed {
                        group = Group::default();
                    }
                    group.is_for_all |= value == "*";
                    if product(value).eq_ignore_ascii_case(TOKEN) {
                        group.is_ours = true;
                        ours.get_or_insert_default();
                    }
                }
                word @ ("allow" | "disallow") => {
                    group.is_closed = true;
                    for robots in group.targets(&mut ours, &mut for_all) {
                        robots.add(word == "allow", value);
                    }
                }
                "crawl-delay" => {
                    let seconds = value.parse::<f64>().ok().filter(|s| (0.0..1e6).contains(s));
                    if let Some(delay) = seconds.map(Duration::from_secs_f64) {
                        for robots in group.targets(&mut ours, &mut for_all) {
                            robots.delay = robots.delay.max(Some(delay));
                        }
                    }
                }
                _ => {}
            }
        }
        ours.unwrap_or(for_all)
    }

    /// Whether the site lets us read `path`, which has its query with it.
    pub(crate) fn allows(&self, path: &str) -> bool {
        let path = plain_escapes(path);
        if path == "/robots.txt" {
            return true;
        }
        self.rules
            .iter()
            .filter(|rule| matches(&rule.pattern, &path))
            .max_by_key(|rule| (rule.pattern.len(), rule.allows))
            .is_none_or(|rule| rule.allows)
    }

    fn add(&mut self, allows: bool, pattern: &str) {
        // An empty pattern matches nothing: `Disallow:` alone forbids nothing.
        if !pattern.is_empty() && self.rules.len() < MAX_RULES {
            let pattern = escaped(pattern);
            self.rules.push(Rule { allows, pattern });
        }
    }
}

impl Group {
    fn targets<'r>(
        &self,
        ours: &'r mut Option<Robots>,
        for_all: &'r mut Robots,
    ) -> impl Iterator<Item = &'r mut Robots> {
        let ours = ours.as_mut().filter(|_| self.is_ours);
        let for_all = Some(for_all).filter(|_| self.is_for_all);
        ours.into_iter().chain(for_all)
    }
}

/// The product token that a `user-agent` line begins with.
fn product(value: &str) -> &str {
    let end = value
        .find(|c: char| !(c.is_ascii_alphabetic() || matches!(c, '_' | '-')))
        .unwrap_or(value.len());
    &value[..end]
}

/// A pattern in the form that addresses have: what is not ASCII is escaped.
fn escaped(pattern: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(pattern.len());
    for &byte in pattern.as_bytes() {
        if byte.is_ascii_graphic() {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    plain_escapes(&out)
}

/// Whether the pattern matches the path from its start. Taking each part at its first place is enough where only `*` is special.
fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, is_whole) = match pattern.strip_suffix('$') {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return !is_whole || rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if is_whole && parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_match_decides() {
        // The examples of RFC 9309, sections 2.2.2, 2.2.3 and 5.2, and the usual ones of robots.txt testers.
        for (rules, path, expect) in [
            ("allow: /p\ndisallow: /", "/page", true),
            ("allow: /folder\ndisallow: /folder", "/folder/page", true),
            ("allow: /page\ndisallow: /*.htm", "/page.htm", false),
            ("allow: /$\ndisallow: /", "/", true),
            ("allow: /$\ndisallow: /", "/page.htm", false),
            ("disallow: /*.gif$", "/a/b.gif", false),
            ("disallow: /*.gif$", "/a/b.gif?x", true),
            (
                "disallow: /path/file-with-a-%2A.html",
                "/path/file-with-a-%2a.html",
                false,
            ),
            ("disallow: /foo/bar/ツ", "/foo/bar/%E3%83%84", false),
            ("disallow: /foo/bar/%62%61%7A", "/foo/bar/baz", false),
            (
                "disallow: /fish*.php",
                "/fishheads/catfish.php?parameters",
                false,
            ),
            ("disallow: /fish", "/Fish.asp", true),
            ("disallow: *secret", "/a/secret", false),
            ("disallow:", "/a", true),
            ("disallow: /", "/robots.txt", true),
            ("disallow: /a*b*c$", "/axbxbc", false),
            ("disallow: /a*b*c$", "/axbxb", true),
            ("disallow: /x$y", "/x$yz", false),
        ] {
            let robots = Robots::parse(format!("User-agent: *\n{rules}").as_bytes());
            assert_eq!(robots.allows(path), expect, "{rules:?} {path}");
        }
    }

    #[test]
    fn groups_are_found_by_the_token() {
        let other = "User-agent: other\nDisallow: /\n";
        for (text, expect) in [
            (String::new(), true),
            (other.to_owned(), true),
            (format!("{other}\nUser-agent: *\nDisallow: /a"), false),
            ("user-agent: *\ndisallow: /\nUser-Agent: Cairn/1.0 (x)\nallow: /".to_owned(), true),
            ("user-agent: *\nallow: /\nUser-Agent: CAIRN\ndisallow: /".to_owned(), false),
            ("user-agent: cairnbot\ndisallow: /".to_owned(), true),
            // Two agents share a group; two groups of one agent are joined.
            ("user-agent: x\nuser-agent: cairn\ndisallow: /a".to_owned(), false),
            ("user-agent: cairn\nallow: /b\nuser-agent: x\nallow: /\nuser-agent: cairn\ndisallow: /a".to_owned(), false),
            // Our own empty group frees us from those for all.
            ("user-agent: cairn\nuser-agent: y\nallow: /q\nuser-agent: *\ndisallow: /".to_owned(), true),
            ("\u{feff}user-agent: *\r\ndisallow: /a # why\r\nsitemap: https://h/s.xml".to_owned(), false),
            ("disallow: /a\nuser-agent: *\nallow: /".to_owned(), true),
            ("user-agent *\ndisallow /a".to_owned(), true),
            ("<html>disallow: /".to_owned(), true),
        ] {
            assert_eq!(Robots::parse(text.as_bytes()).allows("/a"), expect, "{text:?}");
        }
    }

    #[test]
    fn pauses_are_read_and_bounded_by_sense() {
        let delay = |text: &str| Robots::parse(text.as_bytes()).delay.map(|d| d.as_millis());
        assert_eq!(delay("user-agent: *\ncrawl-delay: 2.5"), Some(2_500));
        assert_eq!(
            delay("user-agent: cairn\ncrawl-delay: 1\nuser-agent: *\ncrawl-delay: 9"),
            Some(9_000)
        );
        assert_eq!(
            delay("user-agent: cairn\ncrawl-delay: 1\nallow: /\nuser-agent: *\ncrawl-delay: 9"),
            Some(1_000)
        );
        for text in ["-1", "x", "nan", "1e99", ""] {
            assert_eq!(
                delay(&format!("user-agent: *\ncrawl-delay: {text}")),
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn what_lies_behind_the_limit_is_not_read() {
        let mut text = b"user-agent: *\n#".to_vec();
        text.resize(MAX_BYTES, b'x');
        text.extend(b"\ndisallow: /\n");
        assert!(Robots::parse(&text).allows("/a"));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), path in "/[ -~]{0,40}") {
            let mut text = b"user-agent: *\ndisallow: ".to_vec();
            text.extend(bytes);
            Robots::parse(&text).allows(&path);
        }

        #[test]
        fn patterns_without_wildcards_are_prefixes(pattern in "/[a-z/]{0,10}", path in "/[a-z/]{0,20}") {
            prop_assert_eq!(matches(&pattern, &path), path.starts_with(&pattern));
        }
    }
}
