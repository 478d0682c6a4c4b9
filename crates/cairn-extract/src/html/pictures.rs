//! Where a page's pictures are: in the page itself (`data:`), or beside it in its book.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::builder::Builder;
use crate::context::Context;
use crate::inset;

/// Finds the bytes of a picture that a page names.
type Find<'p> = dyn FnMut(&str) -> Option<Vec<u8>> + 'p;

/// The pictures of one page.
pub(crate) struct Pictures<'p> {
    /// None where pictures only count.
    cx: Option<&'p Context<'p>>,
    beside: Option<Box<Find<'p>>>,
    /// Characters that were seen in pictures.
    n_seen: u64,
}

/// Base64 as addresses have it, with or without the end that fills it up.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl<'p> Pictures<'p> {
    /// Pictures count and are not read.
    pub(crate) const fn none() -> Self {
        Self {
            cx: None,
            beside: None,
            n_seen: 0,
        }
    }

    /// Those that the page itself carries.
    pub(crate) const fn of_page(cx: &'p Context<'p>) -> Self {
        Self {
            cx: Some(cx),
            beside: None,
            n_seen: 0,
        }
    }

    /// Those too that `find` knows by their address.
    pub(crate) fn beside(
        cx: &'p Context<'p>,
        find: impl FnMut(&str) -> Option<Vec<u8>> + 'p,
    ) -> Self {
        Self {
            beside: Some(Box::new(find)),
            ..Self::of_page(cx)
        }
    }

    /// Name and bytes of the picture at this address, where it is at hand and of use.
    pub(super) fn find(&mut self, address: &str) -> Option<(String, Vec<u8>)> {
        let address = address.trim();
        let data = strip_scheme(address);
        if data.is_none() && (self.beside.is_none() || address.contains("://")) {
            return None;
        }
        self.cx.filter(|cx| inset::is_open(cx))?;
        if let Some(data) = data {
            let bytes = decode(data)?;
            return Some(("in the page".to_owned(), bytes));
        }
        let bytes = self.beside.as_mut()?(address)?;
        let name = address.split(['?', '#']).next().unwrap_or(address);
        let name = name.rsplit('/').next().unwrap_or(name).to_owned();
        Some((name, bytes))
    }

    /// Adds the text of a picture that was found.
    pub(super) fn push(&mut self, name: &str, bytes: &[u8], builder: &mut Builder) {
        if let Some(cx) = self.cx {
            let n_before = builder.report.chars_seen;
            inset::push(cx, name, bytes, None, builder);
            self.n_seen += builder.report.chars_seen - n_before;
        }
    }

    pub(super) const fn n_seen(&self) -> u64 {
        self.n_seen
    }
}

fn strip_scheme(address: &str) -> Option<&str> {
    let (scheme, data) = address.split_at_checked(5)?;
    scheme.eq_ignore_ascii_case("data:").then_some(data)
}

/// The bytes of a `data:` address (RFC 2397) in base64; other forms hold no pictures that are read.
fn decode(data: &str) -> Option<Vec<u8>> {
    let (head, body) = data.split_once(',')?;
    let is_base64 = head.trim_end().to_ascii_lowercase().ends_with(";base64");
    if !is_base64 || body.len() as u64 > inset::MAX_BYTES {
        return None;
    }
    let mut plain = body.replace("%2B", "+").replace("%2F", "/");
    plain = plain.replace("%3D", "=");
    plain.retain(|c| !c.is_ascii_whitespace());
    BASE64.decode(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_addresses_are_decoded() {
        for (data, expect) in [
            ("image/png;base64,QUJD", Some(&b"ABC"[..])),
            ("image/png;charset=x;BASE64,QU JD\n", Some(b"ABC")),
            (";base64,QUI=", Some(b"AB")),
            (";base64,QUI", Some(b"AB")),
            (";base64,QUI%3D", Some(b"AB")),
            ("image/svg+xml,<svg/>", None),
            (";base64,!", None),
            ("no comma", None),
        ] {
            assert_eq!(decode(data).as_deref(), expect, "{data}");
        }
        assert_eq!(strip_scheme("DATA:x"), Some("x"));
        assert_eq!(strip_scheme("date:x"), None);
        assert_eq!(strip_scheme("é"), None);
    }
}
