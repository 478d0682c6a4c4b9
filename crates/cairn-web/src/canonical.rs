//! One address for one page: which texts are addresses of the web, and the form that they are known by.
//!
//! The URL Standard does most of it (scheme and host in lower case, default port off, dot segments, numbers as hosts: `0x7f.1` is
//! `127.0.0.1`). Added here, after RFC 3986, section 6.2: no fragment, escapes of unreserved characters undone and the others in
//! upper case, no empty query, no dot behind the host, and without the `utm_*` parameters that only tell where a reader came from.

use reqwest::Url;

use crate::error::WebError;

/// Longest address that is fetched; servers commonly take 8,000.
const MAX_BYTES: usize = 4_096;

/// Ports above 1023 at which well-known services of other kinds listen: a request there is at best noise, at worst a command.
const FOREIGN_PORTS: [u16; 33] = [
    1433, 1521, 1719, 1720, 1723, 2049, 2375, 2376, 2379, 2380, 3306, 3389, 3659, 4045, 4190, 5060,
    5061, 5432, 5672, 5900, 5984, 6000, 6379, 6566, 6667, 6697, 9042, 9092, 9300, 10080, 10250,
    11211, 27017,
];

/// Whether a person means an address rather than a file.
#[must_use]
pub fn is_web_address(text: &str) -> bool {
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    lower.starts_with("http://") || lower.starts_with("https://")
}

/// Reads an address and checks what can be checked without asking anybody.
///
/// # Errors
/// [`WebError::BadAddress`].
pub fn parse(text: &str) -> Result<Url, WebError> {
    let url = Url::parse(text).map_err(|error| bad(text, &error.to_string()))?;
    check(&url)?;
    Ok(canonical(&url))
}

/// What is never fetched, wherever it leads: other schemes, names and passwords in the address, ports of other services.
pub(crate) fn check(url: &Url) -> Result<(), WebError> {
    let fail = |reason: &str| Err(bad(url.as_str(), reason));
    if !matches!(url.scheme(), "http" | "https") {
        return fail("only http and https are read");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad(
            url.host_str().unwrap_or_default(),
            "an address with a name or password in it is not sent",
        ));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return fail("it has no host");
    }
    if url.as_str().len() > MAX_BYTES {
        return fail("it is too long");
    }
    match url.port() {
        None | Some(80 | 443) => Ok(()),
        Some(port) if port > 1023 && !FOREIGN_PORTS.contains(&port) => Ok(()),
        Some(_) => fail("no web server is expected at its port"),
    }
}

/// The form under which a page is known.
#[must_use]
pub fn canonical(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_fragment(None);
    if let Some(host) = url.host_str().and_then(|host| host.strip_suffix('.')) {
        let host = host.to_owned();
        // Where the rest is no host, the address stays as it is.
        let _ = url.set_host(Some(&host));
    }
    let path = plain_escapes(url.path());
    url.set_path(&path);
    let query = url.query().map(|query| {
        let kept = query
            .split('&')
            .filter(|pair| !pair.is_empty() && !is_tracking(pair));
        plain_escapes(&kept.collect::<Vec<_>>().join("&"))
    });
    url.set_query(query.as_deref().filter(|query| !query.is_empty()));
    url
}

/// The address that `href` means on the page at `base`; `None` where it is none that is fetched.
#[must_use]
pub fn resolve(base: &Url, href: &str) -> Option<Url> {
    let url = base.join(href).ok()?;
    check(&url).ok()?;
    Some(canonical(&url))
}

fn is_tracking(pair: &str) -> bool {
    pair.get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("utm_"))
}

/// Undoes escapes of unreserved characters (RFC 3986, section 2.3) and writes the others in upper case.
pub(crate) fn plain_escapes(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digit = |n: usize| bytes.get(at + n).and_then(|&b| (b as char).to_digit(16));
        match (byte, digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                let value = u8::try_from(high * 16 + low).unwrap_or(b'%');
                // A dot stays escaped: it could make a dot segment that was none.
                if value.is_ascii_alphanumeric() || matches!(value, b'-' | b'_' | b'~') {
                    out.push(value);
                } else {
                    out.extend(bytes[at..at + 3].to_ascii_uppercase());
                }
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn bad(address: &str, reason: &str) -> WebError {
    WebError::BadAddress {
        address: address
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_page_has_one_address() {
        for (text, expect) in [
            (
                "HTTP://Example.COM:80/a/../b/./c#top",
                "http://example.com/b/c",
            ),
            ("https://example.com:443", "https://example.com/"),
            ("https://example.com./x", "https://example.com/x"),
            (
                "https://example.com/%7euser/%2f%c3%bc",
                "https://example.com/~user/%2F%C3%BC",
            ),
            (
                "https://example.com/a?utm_source=x&b=1&UTM_medium=y",
                "https://example.com/a?b=1",
            ),
            (
                "https://example.com/a?utm_source=x",
                "https://example.com/a",
            ),
            ("https://example.com/a?", "https://example.com/a"),
            (
                "https://example.com/a?b&&c=%41",
                "https://example.com/a?b&c=A",
            ),
            (
                "https://bücher.example/ü",
                "https://xn--bcher-kva.example/%C3%BC",
            ),
            ("http://0x7f.1/", "http://127.0.0.1/"),
            ("http://2130706433/", "http://127.0.0.1/"),
            ("http://[::FFFF:127.0.0.1]/", "http://[::ffff:7f00:1]/"),
            ("http://h:8080/x", "http://h:8080/x"),
        ] {
            let url = parse(text).unwrap();
            assert_eq!(url.as_str(), expect, "{text}");
            assert_eq!(canonical(&url), url, "stable: {text}");
        }
    }

    #[test]
    fn what_is_never_fetched_is_refused_with_a_reason() {
        for (text, reason) in [
            ("ftp://h/", "only http"),
            ("file:///etc/passwd", "only http"),
            ("gopher://h/", "only http"),
            ("javascript:alert(1)", "only http"),
            ("http://user@h/", "name or password"),
            ("http://user:secret@h/", "name or password"),
            ("http://:secret@h/", "name or password"),
            ("http://h:22/", "port"),
            ("http://h:25/", "port"),
            ("http://h:6379/", "port"),
            ("http://", "empty host"),
            ("h/x", "relative"),
            ("", "relative"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let long = format!("http://h/{}", "a".repeat(MAX_BYTES));
        assert!(parse(&long).is_err());
    }

    #[test]
    fn links_start_from_their_page() {
        let base = parse("https://h/docs/a/page.html?x=1").unwrap();
        for (href, expect) in [
            ("b", Some("https://h/docs/a/b")),
            ("../c#d", Some("https://h/docs/c")),
            ("/e", Some("https://h/e")),
            ("//other/f", Some("https://other/f")),
            ("?y=2", Some("https://h/docs/a/page.html?y=2")),
            ("mailto:a@b", None),
            ("javascript:void(0)", None),
            ("http://u:p@h/", None),
            ("http://[", None),
        ] {
            assert_eq!(
                resolve(&base, href).as_ref().map(Url::as_str),
                expect,
                "{href}"
            );
        }
        for (text, expect) in [
            ("https://h", true),
            ("HTTP://h", true),
            ("http:/h", false),
            ("docs/http://x", false),
            ("ü", false),
        ] {
            assert_eq!(is_web_address(text), expect, "{text}");
        }
    }

    proptest! {
        #[test]
        fn canonical_addresses_are_stable(path in "[ -~ü]{0,40}", query in "[ -~]{0,40}") {
            if let Ok(url) = parse(&format!("https://h/{path}?{query}")) {
                prop_assert_eq!(&canonical(&url), &url);
                prop_assert_eq!(Url::parse(url.as_str()).unwrap(), url);
            }
        }
    }
}
