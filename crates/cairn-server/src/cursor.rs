//! Cursors of lists: opaque to callers, checked when they come back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::problem::ApiError;

/// A cursor of the list `list` that continues after `after`.
pub(crate) fn encode(list: &str, after: impl std::fmt::Display) -> String {
    URL_SAFE_NO_PAD.encode(format!("1{list}:{after}"))
}

/// What a cursor of the list `list` continues after.
pub(crate) fn decode<T: std::str::FromStr>(list: &str, cursor: &str) -> Result<T, ApiError> {
    let text = URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let after = text
        .as_deref()
        .and_then(|text| {
            text.strip_prefix('1')?
                .strip_prefix(list)?
                .strip_prefix(':')
        })
        .and_then(|after| after.parse().ok());
    after.ok_or_else(|| {
        ApiError::invalid("`cursor` is not a cursor of this list")
            .hint("pass `next_cursor` of the page before")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_what_they_write_and_nothing_else() {
        let cursor = encode("docs", 17);
        assert_eq!(decode::<u32>("docs", &cursor).unwrap(), 17);
        assert!(decode::<u32>("jobs", &cursor).is_err());
        for bad in ["", "17", "é", "MWRvY3M6", &cursor[1..]] {
            assert!(decode::<u32>("docs", bad).is_err(), "{bad}");
        }
    }
}
