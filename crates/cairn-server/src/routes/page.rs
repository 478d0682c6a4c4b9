//! `GET /docs`: the `OpenAPI` document as a page to read. No external asset; the policy allows this page's own script and style by
//! their hashes, and one fetch, of the document.

use std::sync::LazyLock;

use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, header};
use sha2::{Digest as _, Sha256};

const SCRIPT: &str = include_str!("../../assets/docs.js");
const STYLE: &str = include_str!("../../assets/docs.css");

static PAGE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Cairn API</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the routes</a>\n\
         <header><h1>Cairn API</h1><p id=\"about\"></p>\
         <p><a href=\"/api/v1/openapi.json\">OpenAPI document</a></p></header>\n\
         <nav aria-label=\"Routes\"><label for=\"find\">Find a route</label>\
         <input id=\"find\" type=\"search\" autocomplete=\"off\"><ul id=\"toc\"></ul></nav>\n\
         <main id=\"main\" tabindex=\"-1\"><p id=\"state\" role=\"status\">Reading the document …</p>\
         <noscript><p>This page needs JavaScript; the document itself does not.</p></noscript></main>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
});

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; object-src 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

pub(super) async fn page() -> Response {
    let mut response = Html(PAGE.as_str()).into_response();
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_closes_the_inlined_parts_early_or_comes_from_elsewhere() {
        for part in [SCRIPT, STYLE] {
            assert!(!part.contains("</"), "an inlined part would end early");
            assert!(!part.contains("http:") && !part.contains("https:") && !part.contains("url("));
        }
        assert!(!SCRIPT.contains("innerHTML"), "texts are set as text");
        assert!(POLICY.contains("script-src 'sha256-"));
    }
}
