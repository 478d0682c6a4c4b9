//! Whether a document passes a [`DocumentFilter`].

use cairn_types::{DocumentFilter, DocumentSummary};
use globset::{GlobBuilder, GlobMatcher};

use super::failure::{DbResult, invalid};

/// A filter made ready for many documents.
pub(super) struct ReadyFilter<'a> {
    filter: &'a DocumentFilter,
    path: Option<GlobMatcher>,
}

impl<'a> ReadyFilter<'a> {
    /// Fails where the path is not a glob.
    pub(super) fn new(filter: &'a DocumentFilter) -> DbResult<Self> {
        let glob = |pattern: &String| {
            // `*` stays within one part of a path.
            let glob = GlobBuilder::new(pattern).literal_separator(true).build();
            glob.map(|glob| glob.compile_matcher()).map_err(|error| {
                let shown: String = pattern.chars().take(80).collect();
                invalid(format!("`{shown}` is not a path pattern: {}", error.kind()))
            })
        };
        Ok(Self {
            filter,
            path: filter.path.as_ref().map(glob).transpose()?,
        })
    }

    pub(super) fn passes(&self, document: &DocumentSummary) -> bool {
        let filter = self.filter;
        let changed_at = document.modified_at.unwrap_or(document.updated_at);
        (filter.collections.is_empty() || filter.collections.contains(&document.collection))
            && filter.tags.iter().all(|tag| document.tags.contains(tag))
            && (filter.media_types.is_empty()
                || filter
                    .media_types
                    .iter()
                    .any(|wanted| is_of_type(&document.media_type, wanted)))
            && self
                .path
                .as_ref()
                .is_none_or(|path| path.is_match(&document.key) || path.is_match(&document.uri))
            && filter.since.is_none_or(|since| changed_at >= since)
            && filter.until.is_none_or(|until| changed_at < until)
    }
}

fn is_of_type(media_type: &str, wanted: &str) -> bool {
    match wanted.strip_suffix("/*") {
        Some(family) => media_type
            .split_once('/')
            .is_some_and(|(own, _)| own == family),
        None => media_type == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_match_whole_or_by_family() {
        for (media_type, wanted, expected) in [
            ("text/html", "text/html", true),
            ("text/html", "text/*", true),
            ("text/html", "text", false),
            ("textual/html", "text/*", false),
            ("application/pdf", "text/*", false),
        ] {
            assert_eq!(
                is_of_type(media_type, wanted),
                expected,
                "{media_type} {wanted}"
            );
        }
    }
}
