//! What the headers of an answer say to us: come back later, do not keep, last changed.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, RETRY_AFTER};

use crate::robots::TOKEN;

/// An HTTP date (RFC 9110, section 5.6.7; the preferred form) in milliseconds since 1970.
#[must_use]
pub fn http_date(text: &str) -> Option<i64> {
    let zoned = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date beside the present in milliseconds since 1970.
pub(crate) fn retry_after(headers: &HeaderMap, now_ms: i64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = http_date(text)?.saturating_sub(now_ms);
    Some(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
}

/// What `X-Robots-Tag` headers ask of us: not to keep the page, not to follow its links. A header may name a robot
/// (`otherbot: noindex`); what is said to others does not count.
pub(crate) fn robots_tag(headers: &HeaderMap) -> (bool, bool) {
    let name = HeaderName::from_static("x-robots-tag");
    let (mut no_index, mut no_follow) = (false, false);
    for value in headers.get_all(name) {
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        let mut is_for_us = true;
        for rule in text.split(',') {
            let rule = match rule.split_once(':') {
                // `max-snippet: 5` and `unavailable_after: DATE` are rules, all else in front of a colon is a robot.
                Some((word, _)) if is_rule_with_value(word.trim()) => continue,
                Some((robot, rule)) => {
                    is_for_us = robot.trim() == TOKEN;
                    rule
                }
                None => rule,
            };
            if is_for_us {
                let rule = rule.trim();
                no_index |= matches!(rule, "noindex" | "none");
                no_follow |= matches!(rule, "nofollow" | "none");
            }
        }
    }
    (no_index, no_follow)
}

fn is_rule_with_value(word: &str) -> bool {
    word.starts_with("max-") || word == "unavailable_after"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn dates_are_read() {
        for (text, expect) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777_000)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(http_date(text), expect, "{text}");
        }
    }

    #[test]
    fn pauses_are_seconds_or_dates() {
        let now = http_date("Sun, 06 Nov 1994 08:49:00 GMT").unwrap();
        for (text, expect) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("-5", None),
            ("soon", None),
        ] {
            let wait = retry_after(&headers(&[("retry-after", text)]), now);
            assert_eq!(wait.map(|wait| wait.as_secs()), expect, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn tags_count_where_they_speak_to_us() {
        for (values, expect) in [
            (&["noindex"][..], (true, false)),
            (&["NoFollow, NOARCHIVE"], (false, true)),
            (&["none"], (true, true)),
            (&["all"], (false, false)),
            (&["otherbot: noindex, nofollow"], (false, false)),
            (&["cairn: noindex, nofollow"], (true, true)),
            (&["otherbot: noindex", "nofollow"], (false, true)),
            (&["otherbot: all, cairn: noindex"], (true, false)),
            (&["max-snippet: 5, noindex"], (true, false)),
            (
                &["unavailable_after: 25 Jun 2010 15:00:00 PST, nofollow"],
                (false, true),
            ),
        ] {
            let pairs: Vec<_> = values
                .iter()
                .map(|value| ("x-robots-tag", *value))
                .collect();
            let mut map = HeaderMap::new();
            for (name, value) in &pairs {
                map.append(*name, value.parse().unwrap());
            }
            assert_eq!(robots_tag(&map), expect, "{values:?}");
        }
    }
}
