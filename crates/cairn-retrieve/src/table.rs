//! The documents of a tenant in memory: which chunks a scope and a filter allow.
//!
//! Permissions and filters are properties of documents, so they are decided here once per search, for about a
//! microsecond per thousand documents, and become one bitmap of chunk numbers that both retrievers apply inside their
//! scan. A changed permission is one changed row here: no index is rewritten.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cairn_types::ports::IndexDocument;
use cairn_types::{DocumentFilter, DocumentId, Scope};
use globset::{GlobBuilder, GlobMatcher};
use roaring::RoaringBitmap;

use crate::error::RetrieveError;

/// Documents by id and by chunk number.
#[derive(Debug, Clone, Default)]
pub(crate) struct DocTable {
    by_id: HashMap<DocumentId, Arc<IndexDocument>>,
    /// First chunk number of a document's range to the document.
    by_chunk: BTreeMap<u32, DocumentId>,
}

/// A filter with its pattern compiled.
pub(crate) struct CompiledFilter<'a> {
    filter: &'a DocumentFilter,
    path: Option<GlobMatcher>,
}

impl<'a> CompiledFilter<'a> {
    pub(crate) fn new(filter: &'a DocumentFilter) -> Result<Self, RetrieveError> {
        let compile = |pattern: &String| {
            let glob = GlobBuilder::new(pattern).literal_separator(true).build();
            glob.map(|glob| glob.compile_matcher())
                .map_err(|error| RetrieveError::BadPattern {
                    pattern: pattern.clone(),
                    reason: error.kind().to_string(),
                })
        };
        let path = filter.path.as_ref().map(compile).transpose()?;
        Ok(Self { filter, path })
    }

    /// The name of the first condition that a document does not meet.
    pub(crate) fn misses(&self, document: &IndexDocument) -> Option<&'static str> {
        let DocumentFilter {
            collections,
            tags,
            media_types,
            path,
            since,
            until,
        } = self.filter;
        if !collections.is_empty() && !collections.contains(&document.collection) {
            return Some("collection");
        }
        if !tags.iter().all(|tag| document.tags.contains(tag)) {
            return Some("tag");
        }
        if !media_types.is_empty()
            && !media_types
                .iter()
                .any(|wanted| is_media_type(wanted, &document.media_type))
        {
            return Some("media_type");
        }
        if path.is_some()
            && !self
                .path
                .as_ref()
                .is_some_and(|glob| matches_path(glob, document))
        {
            return Some("path");
        }
        if since.is_some_and(|since| document.changed_at < since) {
            return Some("since");
        }
        if until.is_some_and(|until| document.changed_at >= until) {
            return Some("until");
        }
        None
    }
}

/// `text/*` takes a family; parameters such as `; charset` are not compared.
fn is_media_type(wanted: &str, given: &str) -> bool {
    let given = given.split(';').next().unwrap_or(given).trim();
    match wanted.strip_suffix("/*") {
        Some(family) => given.split('/').next() == Some(family),
        None => given.eq_ignore_ascii_case(wanted),
    }
}

/// A pattern fits a whole key or URI, or any tail of the key: `*.pdf` finds PDFs in every folder.
fn matches_path(glob: &GlobMatcher, document: &IndexDocument) -> bool {
    if glob.is_match(&document.key) || glob.is_match(&document.uri) {
        return true;
    }
    let tails = document
        .key
        .match_indices('/')
        .map(|(at, _)| &document.key[at + 1..]);
    tails.into_iter().any(|tail| glob.is_match(tail))
}

impl DocTable {
    pub(crate) fn new(documents: Vec<IndexDocument>) -> Self {
        let mut table = Self::default();
        for document in documents {
            table.put(document);
        }
        table
    }

    /// Replaces a document's row; returns the chunk range it had.
    pub(crate) fn put(&mut self, document: IndexDocument) {
        let id = document.id;
        if let Some(old) = self.by_id.remove(&id)
            && let Some(range) = &old.chunks
        {
            self.by_chunk.remove(range.start());
        }
        if let Some(range) = &document.chunks {
            self.by_chunk.insert(*range.start(), id);
            self.by_id.insert(id, Arc::new(document));
        }
    }

    pub(crate) fn n_documents(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn get(&self, id: DocumentId) -> Option<&Arc<IndexDocument>> {
        self.by_id.get(&id)
    }

    pub(crate) fn documents(&self) -> impl Iterator<Item = &Arc<IndexDocument>> {
        self.by_id.values()
    }

    /// All live chunks.
    pub(crate) fn live(&self) -> RoaringBitmap {
        let mut live = RoaringBitmap::new();
        for id in self.by_chunk.values() {
            if let Some(range) = self
                .by_id
                .get(id)
                .and_then(|document| document.chunks.clone())
            {
                live.insert_range(range);
            }
        }
        live
    }

    /// Chunks of the documents that the scope may read and the filter lets through.
    pub(crate) fn allowed(&self, scope: &Scope, filter: &CompiledFilter<'_>) -> RoaringBitmap {
        let mut allowed = RoaringBitmap::new();
        // In order of chunk numbers, so that the bitmap grows at its end.
        for id in self.by_chunk.values() {
            let Some(document) = self.by_id.get(id) else {
                continue;
            };
            if scope.permits(&document.access)
                && filter.misses(document).is_none()
                && let Some(range) = document.chunks.clone()
            {
                allowed.insert_range(range);
            }
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use cairn_testkit::{access, anna, owner};
    use cairn_types::{Source, Timestamp};

    use super::*;

    fn document(id: u64, chunks: std::ops::RangeInclusive<u32>) -> IndexDocument {
        IndexDocument {
            id: DocumentId(id),
            collection: "default".into(),
            source: Source::files(),
            key: format!("/docs/a/{id}.pdf"),
            uri: format!("file:///docs/a/{id}.pdf"),
            media_type: "application/pdf".into(),
            tags: ["x".to_owned()].into(),
            access: access(&["everyone"]),
            changed_at: Timestamp(1000),
            chunks: Some(chunks),
        }
    }

    #[test]
    fn live_chunks_follow_the_documents() {
        let mut table = DocTable::new(vec![
            document(1, 0..=4),
            document(2, 5..=5),
            document(3, 9..=12),
        ]);
        let live = |table: &DocTable| table.live().iter().collect::<Vec<_>>();
        assert_eq!(live(&table), [0, 1, 2, 3, 4, 5, 9, 10, 11, 12]);
        table.put(document(1, 20..=21));
        assert_eq!(live(&table), [5, 9, 10, 11, 12, 20, 21]);
        table.put(IndexDocument {
            chunks: None,
            ..document(1, 0..=0)
        });
        assert_eq!(live(&table), [5, 9, 10, 11, 12]);
        assert_eq!(table.n_documents(), 2);
    }

    #[test]
    fn each_condition_can_exclude() {
        let base = document(1, 0..=0);
        for (filter, expected) in [
            (DocumentFilter::default(), None),
            (
                DocumentFilter {
                    collections: vec!["hr".into()],
                    ..Default::default()
                },
                Some("collection"),
            ),
            (
                DocumentFilter {
                    tags: vec!["x".into(), "y".into()],
                    ..Default::default()
                },
                Some("tag"),
            ),
            (
                DocumentFilter {
                    media_types: vec!["text/*".into()],
                    ..Default::default()
                },
                Some("media_type"),
            ),
            (
                DocumentFilter {
                    media_types: vec!["application/*".into()],
                    ..Default::default()
                },
                None,
            ),
            (
                DocumentFilter {
                    path: Some("*.pdf".into()),
                    ..Default::default()
                },
                None,
            ),
            (
                DocumentFilter {
                    path: Some("a/*.pdf".into()),
                    ..Default::default()
                },
                None,
            ),
            (
                DocumentFilter {
                    path: Some("/docs/**".into()),
                    ..Default::default()
                },
                None,
            ),
            (
                DocumentFilter {
                    path: Some("/docs/*".into()),
                    ..Default::default()
                },
                Some("path"),
            ),
            (
                DocumentFilter {
                    since: Some(Timestamp(1001)),
                    ..Default::default()
                },
                Some("since"),
            ),
            (
                DocumentFilter {
                    until: Some(Timestamp(1000)),
                    ..Default::default()
                },
                Some("until"),
            ),
        ] {
            let compiled = CompiledFilter::new(&filter).expect("compiles");
            assert_eq!(compiled.misses(&base), expected, "{filter:?}");
        }
        let bad = DocumentFilter {
            path: Some("[".into()),
            ..Default::default()
        };
        assert!(CompiledFilter::new(&bad).is_err());
    }

    #[test]
    fn scopes_see_their_documents_only() {
        let secret = IndexDocument {
            access: access(&["group:it"]),
            ..document(2, 5..=6)
        };
        let table = DocTable::new(vec![document(1, 0..=1), secret]);
        let filter = DocumentFilter::default();
        let all = CompiledFilter::new(&filter).expect("compiles");
        assert_eq!(table.allowed(&owner(), &all).len(), 4);
        assert_eq!(
            table.allowed(&anna(), &all).iter().collect::<Vec<_>>(),
            [0, 1]
        );
    }
}
