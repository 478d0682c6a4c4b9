//! Citations are compared with the stored text before anybody sees them.
//!
//! A quote is looked for with white space, quotation marks and case folded, since models retype those, but what
//! is cited is the stored text at the place that was found, to the letter. Nothing is verified by likeness: a
//! folded quote either stands in the text or it does not. O(text) for each quote.

use std::ops::Range;

use cairn_types::ports::{Catalog, CatalogError};
use cairn_types::{
    CharSpan, Citation, DocumentId, DocumentRef, ErrorKind, HasKind, Scope, VersionNo,
};
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::Error;
use crate::evidence::RankedPassage;

/// What is stored at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredQuote {
    /// The text, to the letter.
    pub text: String,
    /// The page on which it begins.
    pub page: Option<u32>,
}

/// Reads what is stored of a version at a span, on behalf of one reader. A page is only looked up where the
/// passage is known to stand on one, which is the last argument.
pub type TextReader<'a> = dyn Fn(
        DocumentId,
        VersionNo,
        CharSpan,
        Option<u32>,
    ) -> BoxFuture<'a, Result<StoredQuote, CatalogError>>
    + Send
    + Sync
    + 'a;

/// Reads from the catalog: what the product verifies against.
pub fn catalog_reader<'a>(catalog: &'a dyn Catalog, scope: &'a Scope) -> Box<TextReader<'a>> {
    Box::new(move |document, version, span, page| {
        async move {
            let text = catalog.text(scope, document, version, span).await?;
            if page.is_none() {
                return Ok(StoredQuote { text, page });
            }
            // A passage may go on over pages: the quote's own page is that of the element it begins in.
            let stored = catalog.elements(scope, document, version).await?;
            let idx = stored
                .elements
                .partition_point(|(_, own)| own.end <= span.start);
            let own = stored
                .elements
                .get(idx)
                .and_then(|(element, _)| element.page);
            Ok(StoredQuote {
                text,
                page: own.or(page),
            })
        }
        .boxed()
    })
}

/// Reads from passages that are at hand: for measuring without a catalog.
#[must_use]
pub fn passage_reader(passages: &[RankedPassage]) -> Box<TextReader<'_>> {
    Box::new(move |document, version, span, page| {
        let found = passages.iter().find_map(|ranked| {
            let passage = &ranked.passage;
            let own = passage.meta.span;
            let fits = (passage.id.document, passage.id.version) == (document, version)
                && own.start <= span.start
                && span.end <= own.end;
            let inner =
                fits.then(|| CharSpan::new(span.start - own.start, span.end - own.start))?;
            inner.slice(&passage.text).map(str::to_owned)
        });
        let stored =
            found
                .map(|text| StoredQuote { text, page })
                .ok_or_else(|| CatalogError::NotFound {
                    what: "document",
                    id: document.to_string(),
                });
        std::future::ready(stored).boxed()
    })
}

/// Why a citation is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// No passage has this number.
    NoSuchPassage,
    /// The quote stands in none of the passages.
    NotFound,
    /// No quote was given, and no sentence of the passage supports the statement.
    NoQuote,
    /// The stored text at the place differs, or may no longer be read.
    StoredTextDiffers,
    /// The marker was not finished.
    HalfOpen,
}

impl DropReason {
    /// The stable word for replies and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchPassage => "no_such_passage",
            Self::NotFound => "not_found",
            Self::NoQuote => "no_quote",
            Self::StoredTextDiffers => "stored_text_differs",
            Self::HalfOpen => "half_open",
        }
    }
}

/// A citation that was not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedCitation {
    /// Why.
    pub reason: DropReason,
    /// The number that was given, where one was.
    pub number: Option<u32>,
    /// The quote that was given; at most 300 characters of it. Empty where the stored text may not be read (any
    /// more): the quote came from there.
    pub quote: String,
}

/// An unverified citation of a byte range of a passage.
pub(crate) fn cite(ranked: &RankedPassage, bytes: &Range<usize>) -> Citation {
    let passage = &ranked.passage;
    let start = passage.meta.span.start + passage.text[..bytes.start].chars().count();
    let quote = passage.text[bytes.clone()].to_owned();
    Citation {
        n: 0,
        verified: false,
        document: DocumentRef::of(passage),
        page: passage.meta.page,
        computed: passage.meta.is_computed(),
        span: CharSpan::new(start, start + quote.chars().count()),
        quote,
    }
}

/// Compares a citation with the stored text at its span: comes back with `verified: true`, or dropped.
///
/// # Errors
/// [`Error::Catalog`] where the store itself fails; a document that is gone only drops the citation.
pub async fn verify_citation(
    mut citation: Citation,
    read: &TextReader<'_>,
) -> Result<Result<Citation, DroppedCitation>, Error> {
    let dropped = |citation: Citation| DroppedCitation {
        reason: DropReason::StoredTextDiffers,
        number: (citation.n > 0).then_some(citation.n),
        quote: citation.quote.chars().take(300).collect(),
    };
    citation.verified = false;
    if citation.quote.trim().is_empty() {
        return Ok(Err(dropped(citation)));
    }
    match read(
        citation.document.id,
        citation.document.version,
        citation.span,
        citation.page,
    )
    .await
    {
        Ok(stored) if stored.text == citation.quote => {
            citation.verified = true;
            citation.page = stored.page;
            Ok(Ok(citation))
        }
        Ok(_) => Ok(Err(dropped(citation))),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => {
            // Deleted or revoked since the passage was found: nothing of it is told, not even what was dropped.
            citation.quote.clear();
            Ok(Err(dropped(citation)))
        }
        Err(error) => Err(error.into()),
    }
}

/// Byte range of `quote` in `text`, white space, quotation marks, dashes and case folded. A quote of fewer than
/// `MIN_QUOTE_CHARS` letters or digits is found nowhere: it would stand everywhere.
pub(crate) fn find_quote(text: &str, quote: &str) -> Option<Range<usize>> {
    const MIN_QUOTE_CHARS: usize = 2;
    let (needle, _) = folded(quote);
    let needle = needle
        .trim_matches(|c: char| c == ' ' || c == '"')
        .to_owned();
    let needle = needle
        .trim_end_matches('…')
        .trim_end_matches("...")
        .trim_end();
    if needle.chars().filter(|c| c.is_alphanumeric()).count() < MIN_QUOTE_CHARS {
        return None;
    }
    let (hay, places) = folded(text);
    let mut from = 0;
    while let Some(at) = hay[from..].find(needle).map(|at| at + from) {
        let end = at + needle.len();
        if is_whole(&hay, at, end) {
            let first = places[at].start;
            let last = places[end - 1].end;
            return Some(first..last);
        }
        from = at + hay[at..].chars().next().map_or(1, char::len_utf8);
    }
    None
}

/// Whether the match does not begin or end inside a number or a Latin word: `5` is not in `15`.
fn is_whole(hay: &str, start: usize, end: usize) -> bool {
    let joins = |a: Option<char>, b: Option<char>| match (a, b) {
        (Some(a), Some(b)) => {
            let spaced = |c: char| c.is_alphanumeric() && !crate::words::is_unspaced(c);
            spaced(a) && spaced(b)
        }
        _ => false,
    };
    let before = hay[..start].chars().next_back();
    let after = hay[end..].chars().next();
    let first = hay[start..end].chars().next();
    let last = hay[start..end].chars().next_back();
    // `1` is not in `1.5` either.
    let splits_number = |left: &str, right: &str| {
        let (mut left, mut right) = (left.chars().rev(), right.chars());
        let digit = |c: Option<char>| c.is_some_and(char::is_numeric);
        let point = |c: Option<char>| matches!(c, Some('.' | ','));
        let (l1, r1) = (left.next(), right.next());
        (digit(l1) && point(r1) && digit(right.next()))
            || (point(l1) && digit(r1) && digit(left.next()))
    };
    !joins(before, first)
        && !joins(last, after)
        && !splits_number(&hay[..start], &hay[start..])
        && !splits_number(&hay[..end], &hay[end..])
}

/// The text folded for finding, and for each of its bytes the byte range of the character it came from.
fn folded(text: &str) -> (String, Vec<Range<usize>>) {
    let mut out = String::with_capacity(text.len());
    let mut places: Vec<Range<usize>> = Vec::with_capacity(text.len());
    let mut space = true;
    for (at, c) in text.char_indices() {
        let range = at..at + c.len_utf8();
        if c.is_whitespace() || c == '\u{ad}' || c == '\u{200b}' {
            if !space && c.is_whitespace() {
                out.push(' ');
                places.push(range);
            }
            space |= c.is_whitespace();
            continue;
        }
        space = false;
        let before = out.len();
        match c {
            '“' | '”' | '„' | '«' | '»' | '‟' | '＂' => out.push('"'),
            '‘' | '’' | '‚' | '′' => out.push('\''),
            '‐' | '‑' | '‒' | '–' | '—' | '−' => out.push('-'),
            _ => out.extend(c.to_lowercase()),
        }
        places.extend(std::iter::repeat_n(range, out.len() - before));
    }
    (out, places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{block_on, passage};

    #[test]
    fn quotes_are_found_folded_and_cited_exactly() {
        let text = "He said:\n“It’s  done”, on 15 May 2020 for 1.50 €.";
        let cases = [
            ("it's done", Some("It’s  done")),
            ("said: \"It's done\"", Some("said:\n“It’s  done")),
            ("\"15 May 2020\"", Some("15 May 2020")),
            ("5 May", None),
            ("for 1", None),
            ("50 €", None),
            ("for 1.50", Some("for 1.50")),
            ("14 May 2020", None),
            ("", None),
            ("…", None),
            ("e", None),
        ];
        for (quote, expect) in cases {
            let found = find_quote(text, quote).map(|range| &text[range]);
            assert_eq!(found, expect, "{quote}");
        }
    }

    #[test]
    fn only_equal_text_is_verified() {
        let passages = [passage(1, "a.txt", 7, "Grüße aus 北京, 5 Tage.")];
        let read = passage_reader(&passages);
        let good = cite(&passages[0], &(0..7));
        let verified = block_on(verify_citation(good.clone(), &read))
            .unwrap()
            .unwrap();
        assert!(verified.verified);
        assert_eq!(
            (verified.quote.as_str(), verified.span),
            ("Grüße", CharSpan::new(7, 12))
        );
        let mut claims = good.clone();
        claims.verified = true;
        claims.quote = "Gruesse".into();
        let mut shifted = good.clone();
        shifted.span = CharSpan::new(8, 13);
        let mut outside = good.clone();
        outside.span = CharSpan::new(0, 5);
        let mut other = good.clone();
        other.document.version = VersionNo(9);
        let mut empty = good;
        (empty.quote, empty.span) = (String::new(), CharSpan::new(7, 7));
        for bad in [claims, shifted, outside, other, empty] {
            let dropped = block_on(verify_citation(bad, &read)).unwrap().unwrap_err();
            assert_eq!(dropped.reason, DropReason::StoredTextDiffers);
        }
    }

    #[test]
    fn a_text_that_may_not_be_read_is_not_told() {
        let passages = [passage(1, "a.txt", 0, "Some secret text.")];
        let read = passage_reader(&[]);
        let dropped = block_on(verify_citation(cite(&passages[0], &(0..11)), &read));
        let dropped = dropped.unwrap().unwrap_err();
        assert_eq!(
            (dropped.reason, dropped.quote.as_str()),
            (DropReason::StoredTextDiffers, "")
        );
    }

    #[test]
    fn a_failing_store_is_an_error() {
        let passages = [passage(1, "a.txt", 0, "Some text.")];
        let read: Box<TextReader<'_>> = Box::new(|_, _, _, _| {
            std::future::ready(Err(CatalogError::Unavailable("locked".into()))).boxed()
        });
        let error = block_on(verify_citation(cite(&passages[0], &(0..4)), &read)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }

    proptest::proptest! {
        #[test]
        fn a_found_quote_folds_to_the_quote(text in "\\PC{0,60}", quote in "\\PC{0,10}") {
            if let Some(range) = find_quote(&text, &quote) {
                let (found, _) = folded(&text[range]);
                proptest::prop_assert!(folded(&quote).0.contains(&found));
            }
            let whole = find_quote(&text, &text);
            let letters = folded(&text).0.chars().filter(|c| c.is_alphanumeric()).count();
            if letters >= 2 && !text.ends_with(['…', '.']) && !text.contains(['"', '“', '”']) {
                proptest::prop_assert!(whole.is_some(), "{text:?}");
            }
        }
    }
}
