//! Which requests over TCP are meant for us: `Host` and `Origin`.
//!
//! A page of another site can make a browser send requests to this machine, and by rebinding its name (DNS) even read the
//! replies. Such requests carry the other site's name in `Host` or `Origin`, so both are compared. No CORS headers are sent.

use http::{HeaderMap, StatusCode, Uri, header};

use crate::problem::ApiError;

/// Names that always mean this machine.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Compares `Host` and `Origin` of a request over TCP. `allowed_hosts`: further names, lower case, without port.
pub(crate) fn check(
    headers: &HeaderMap,
    uri: &Uri,
    allowed_hosts: &[String],
) -> Result<(), ApiError> {
    let misdirected = |detail: &str| {
        ApiError::with_status(StatusCode::MISDIRECTED_REQUEST, "misdirected", detail)
    };
    let mut hosts = headers.get_all(header::HOST).iter();
    let given = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().unwrap_or_default(),
        (None, _) => return Err(misdirected("the request names no host")),
        (Some(_), Some(_)) => return Err(misdirected("the request names two hosts")),
    };
    let authority = given.to_ascii_lowercase();
    let is_other_target = uri
        .authority()
        .is_some_and(|target| !target.as_str().eq_ignore_ascii_case(given));
    if is_other_target || !is_allowed(&authority, allowed_hosts) {
        return Err(misdirected(
            "this server does not answer under the name that the request gives as `Host`",
        )
        .hint("add the name to `server.allowed_hosts`"));
    }
    for origin in headers.get_all(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        let of = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        if of != Some(authority.as_str()) {
            let detail = "the request comes from a page of another site";
            return Err(ApiError::with_status(
                StatusCode::FORBIDDEN,
                "forbidden",
                detail,
            ));
        }
    }
    Ok(())
}

fn is_allowed(authority: &str, allowed_hosts: &[String]) -> bool {
    let Some(name) = without_port(authority) else {
        return false;
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    OWN_NAMES.contains(&name)
        || allowed_hosts
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(name))
}

/// Whether a request that has passed [`check`] was addressed to one of this machine's own names. One for an allowed name has
/// come by a proxy, whoever sent it, even where the proxy runs on this machine.
pub(crate) fn is_own_name(headers: &HeaderMap) -> bool {
    headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .is_some_and(|host| is_allowed(&host.to_ascii_lowercase(), &[]))
}

/// The name in `name`, `name:port`, `[v6]` or `[v6]:port`.
fn without_port(authority: &str) -> Option<&str> {
    let (name, rest) = match authority.find(']') {
        Some(end) if authority.starts_with('[') => authority.split_at(end + 1),
        Some(_) => return None,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_port = |port: &str| {
        !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit())
    };
    (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port)).then_some(name)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn status(host: &[&str], origin: Option<&str>, uri: &str) -> u16 {
        let mut headers = HeaderMap::new();
        for host in host {
            headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        if let Some(origin) = origin {
            headers.append(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        let allowed = ["cairn.example".to_owned()];
        check(&headers, &uri.parse().unwrap(), &allowed)
            .map_or_else(|error| error.status().as_u16(), |()| 200)
    }

    #[test]
    fn hosts_are_compared() {
        for (host, expect) in [
            ("localhost", 200),
            ("LOCALHOST:8000", 200),
            ("localhost.", 200),
            ("127.0.0.1:1", 200),
            ("[::1]", 200),
            ("[::1]:80", 200),
            ("cairn.example:443", 200),
            ("evil.example", 421),
            ("localhost.evil.example", 421),
            ("cairn.example.evil", 421),
            ("localhost:", 421),
            ("localhost:80x", 421),
            ("localhost@evil.example", 421),
            ("[::1]evil", 421),
            ("::1]", 421),
            ("127.0.0.2", 421),
            ("0.0.0.0", 421),
            ("", 421),
        ] {
            assert_eq!(status(&[host], None, "/"), expect, "{host:?}");
        }
        assert_eq!(status(&[], None, "/"), 421);
        assert_eq!(status(&["localhost", "localhost"], None, "/"), 421);
        assert_eq!(status(&["localhost"], None, "http://evil.example/"), 421);
        assert_eq!(status(&["localhost"], None, "http://localhost/"), 200);
    }

    #[test]
    fn allowed_names_are_not_own_names() {
        for (host, expect) in [
            ("localhost", true),
            ("LOCALHOST.:8000", true),
            ("127.0.0.1:8000", true),
            ("[::1]:8000", true),
            ("cairn.example", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            assert_eq!(is_own_name(&headers), expect, "{host:?}");
        }
        assert!(!is_own_name(&HeaderMap::new()));
    }

    #[test]
    fn foreign_origins_are_refused() {
        for (origin, expect) in [
            ("http://localhost:8000", 200),
            ("https://localhost:8000", 200),
            ("http://localhost:9000", 403),
            ("http://localhost", 403),
            ("http://127.0.0.1:8000", 403),
            ("http://evil.example", 403),
            ("null", 403),
            ("", 403),
            ("file://", 403),
        ] {
            assert_eq!(
                status(&["localhost:8000"], Some(origin), "/"),
                expect,
                "{origin:?}"
            );
        }
    }
}
