//! The documents of a tenant in memory: which chunks a scope and a filter allow.
//!
//! Permissions and filters are properties of documents, so they are decided here once per search and become one bitmap of
//! chunk numbers that both retrievers apply inside their scan. The chunks of each distinct access list are kept as a
//! bitmap: without a filter a search joins those that its scope may read. With one it walks the documents, comparing
//! numbers: collections, media types, tags and access lists stand in lists of their own and are judged once each (some
//! nanoseconds for each document; a pattern of paths costs some hundred). A changed permission is one changed row: no
//! index is rewritten.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::ops::RangeInclusive;
use std::sync::Arc;

use cairn_types::ports::IndexDocument;
use cairn_types::{AccessList, DocumentFilter, DocumentId, Scope, Timestamp};
use globset::{GlobBuilder, GlobMatcher};
use roaring::RoaringBitmap;

use crate::error::RetrieveError;

/// Beyond this many values without a document for each, the lists are made anew.
const SPARE_VALUES: usize = 1_024;

/// Documents that have chunks, by id and by chunk number.
#[derive(Debug, Clone, Default)]
pub(crate) struct DocTable {
    /// First chunk number of a document.
    by_id: HashMap<DocumentId, u32>,
    by_chunk: BTreeMap<u32, Arc<Row>>,
    collections: Values<String>,
    media_types: Values<String>,
    tags: Values<BTreeSet<String>>,
    access: Values<AccessList>,
    /// By access list.
    chunks: Vec<RoaringBitmap>,
}

/// A document; numbers stand for places in the table's lists.
#[derive(Debug)]
pub(crate) struct Row {
    id: DocumentId,
    key: Box<str>,
    /// Where it is not `file://` and the key.
    uri: Option<Box<str>>,
    collection: u32,
    media_type: u32,
    tags: u32,
    access: u32,
    changed_at: Timestamp,
    chunks: RangeInclusive<u32>,
}

impl Row {
    /// Its chunk numbers.
    pub(crate) fn chunks(&self) -> RangeInclusive<u32> {
        self.chunks.clone()
    }
}

/// Distinct values in order of arrival.
#[derive(Debug, Clone)]
struct Values<T> {
    numbers: HashMap<Arc<T>, u32>,
    values: Vec<Arc<T>>,
}

impl<T> Default for Values<T> {
    fn default() -> Self {
        Self {
            numbers: HashMap::new(),
            values: Vec::new(),
        }
    }
}

impl<T: Eq + Hash> Values<T> {
    fn number_of(&mut self, value: T) -> u32 {
        if let Some(&number) = self.numbers.get(&value) {
            return number;
        }
        let number = self.values.len() as u32;
        let value = Arc::new(value);
        self.values.push(Arc::clone(&value));
        self.numbers.insert(value, number);
        number
    }

    /// What `judge` says of each value, by number.
    fn judged(&self, judge: impl Fn(&T) -> bool) -> Vec<bool> {
        self.values.iter().map(|value| judge(value)).collect()
    }
}

/// A filter, judged for all values of a table.
pub(crate) struct TableFilter<'a> {
    collections: Vec<bool>,
    tags: Vec<bool>,
    media_types: Vec<bool>,
    path: Option<GlobMatcher>,
    filter: &'a DocumentFilter,
    lets_all_through: bool,
}

impl TableFilter<'_> {
    /// The name of the first condition that a document of the table does not meet.
    pub(crate) fn misses(&self, row: &Row) -> Option<&'static str> {
        if !self.collections[row.collection as usize] {
            return Some("collection");
        }
        if !self.tags[row.tags as usize] {
            return Some("tag");
        }
        if !self.media_types[row.media_type as usize] {
            return Some("media_type");
        }
        if let Some(glob) = &self.path
            && !matches_path(glob, row)
        {
            return Some("path");
        }
        if self
            .filter
            .since
            .is_some_and(|since| row.changed_at < since)
        {
            return Some("since");
        }
        if self
            .filter
            .until
            .is_some_and(|until| row.changed_at >= until)
        {
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
fn matches_path(glob: &GlobMatcher, row: &Row) -> bool {
    let fits_uri = match &row.uri {
        Some(uri) => glob.is_match(&**uri),
        None => glob.is_match(format!("{FILE}{}", row.key)),
    };
    if fits_uri || glob.is_match(&*row.key) {
        return true;
    }
    let tails = row.key.match_indices('/').map(|(at, _)| &row.key[at + 1..]);
    tails.into_iter().any(|tail| glob.is_match(tail))
}

const FILE: &str = "file://";

impl DocTable {
    pub(crate) fn new(documents: Vec<IndexDocument>) -> Self {
        let mut table = Self::default();
        for document in documents {
            table.put(document);
        }
        table
    }

    /// Replaces a document's row; one without chunks has none.
    pub(crate) fn put(&mut self, document: IndexDocument) {
        self.remove(document.id);
        let Some(chunks) = document.chunks else {
            return;
        };
        let is_file = document.uri.strip_prefix(FILE) == Some(&document.key);
        let row = Row {
            id: document.id,
            uri: (!is_file).then(|| document.uri.into_boxed_str()),
            key: document.key.into_boxed_str(),
            collection: self.collections.number_of(document.collection),
            media_type: self.media_types.number_of(document.media_type),
            tags: self.tags.number_of(document.tags),
            access: self.access.number_of(document.access),
            changed_at: document.changed_at,
            chunks,
        };
        self.insert(row);
        let n_values = self.collections.values.len()
            + self.media_types.values.len()
            + self.tags.values.len()
            + self.access.values.len();
        if n_values > self.by_id.len() * 4 + SPARE_VALUES {
            self.forget_unused();
        }
    }

    fn insert(&mut self, row: Row) {
        let access = row.access as usize;
        if self.chunks.len() <= access {
            self.chunks.resize_with(access + 1, RoaringBitmap::new);
        }
        self.chunks[access].insert_range(row.chunks());
        self.by_id.insert(row.id, *row.chunks.start());
        self.by_chunk.insert(*row.chunks.start(), Arc::new(row));
    }

    fn remove(&mut self, id: DocumentId) {
        if let Some(first) = self.by_id.remove(&id)
            && let Some(row) = self.by_chunk.remove(&first)
        {
            self.chunks[row.access as usize].remove_range(row.chunks());
        }
    }

    /// Values of documents that are gone would pile up.
    fn forget_unused(&mut self) {
        let mut table = Self::default();
        for row in self.by_chunk.values() {
            let renumbered = Row {
                id: row.id,
                key: row.key.clone(),
                uri: row.uri.clone(),
                collection: moved(&self.collections, row.collection, &mut table.collections),
                media_type: moved(&self.media_types, row.media_type, &mut table.media_types),
                tags: moved(&self.tags, row.tags, &mut table.tags),
                access: moved(&self.access, row.access, &mut table.access),
                changed_at: row.changed_at,
                chunks: row.chunks(),
            };
            table.insert(renumbered);
        }
        *self = table;
    }

    pub(crate) fn n_documents(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn get(&self, id: DocumentId) -> Option<&Arc<Row>> {
        self.by_chunk.get(self.by_id.get(&id)?)
    }

    /// Documents that the scope may read.
    pub(crate) fn readable(&self, scope: &Scope) -> impl Iterator<Item = &Arc<Row>> {
        let may_read = self.access.judged(|access| scope.permits(access));
        self.by_chunk
            .values()
            .filter(move |row| may_read[row.access as usize])
    }

    /// Whether the scope may read the document of a row.
    pub(crate) fn permits(&self, scope: &Scope, row: &Row) -> bool {
        scope.permits(&self.access.values[row.access as usize])
    }

    /// All live chunks.
    pub(crate) fn live(&self) -> RoaringBitmap {
        self.joined(|_| true)
    }

    /// The filter, made ready for this table.
    pub(crate) fn filter<'a>(
        &self,
        filter: &'a DocumentFilter,
    ) -> Result<TableFilter<'a>, RetrieveError> {
        let DocumentFilter {
            collections,
            tags,
            media_types,
            path,
            since,
            until,
        } = filter;
        let compile = |pattern: &String| {
            let glob = GlobBuilder::new(pattern).literal_separator(true).build();
            glob.map(|glob| glob.compile_matcher())
                .map_err(|error| RetrieveError::BadPattern {
                    pattern: pattern.clone(),
                    reason: error.kind().to_string(),
                })
        };
        Ok(TableFilter {
            collections: self
                .collections
                .judged(|own| collections.is_empty() || collections.contains(own)),
            tags: self
                .tags
                .judged(|own| tags.iter().all(|tag| own.contains(tag))),
            media_types: self.media_types.judged(|own| {
                media_types.is_empty()
                    || media_types.iter().any(|wanted| is_media_type(wanted, own))
            }),
            path: path.as_ref().map(compile).transpose()?,
            filter,
            lets_all_through: collections.is_empty()
                && tags.is_empty()
                && media_types.is_empty()
                && path.is_none()
                && since.is_none()
                && until.is_none(),
        })
    }

    /// Chunks of the documents that the scope may read and the filter lets through.
    pub(crate) fn allowed(&self, scope: &Scope, filter: &TableFilter<'_>) -> RoaringBitmap {
        if filter.lets_all_through {
            return self.joined(|access| scope.permits(access));
        }
        let mut allowed = RoaringBitmap::new();
        // In order of chunk numbers, so that the bitmap grows at its end.
        for row in self.readable(scope) {
            if filter.misses(row).is_none() {
                allowed.insert_range(row.chunks());
            }
        }
        allowed
    }

    /// The chunks of all access lists that `judge` picks.
    fn joined(&self, judge: impl Fn(&AccessList) -> bool) -> RoaringBitmap {
        let picked = self.access.values.iter().zip(&self.chunks);
        let mut all = RoaringBitmap::new();
        for (_, chunks) in picked.filter(|(access, _)| judge(access)) {
            all |= chunks;
        }
        all
    }
}

/// The number in another list of the value that has this number in one.
fn moved<T: Eq + Hash + Clone>(from: &Values<T>, number: u32, to: &mut Values<T>) -> u32 {
    to.number_of(T::clone(&from.values[number as usize]))
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
        let table = DocTable::new(vec![document(1, 0..=0)]);
        let row = table.get(DocumentId(1)).expect("a row");
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
            let compiled = table.filter(&filter).expect("compiles");
            assert_eq!(compiled.misses(row), expected, "{filter:?}");
            let allowed = table.allowed(&owner(), &compiled);
            assert_eq!(allowed.is_empty(), expected.is_some(), "{filter:?}");
        }
        let bad = DocumentFilter {
            path: Some("[".into()),
            ..Default::default()
        };
        assert!(table.filter(&bad).is_err());
    }

    #[test]
    fn scopes_see_their_documents_only() {
        let secret = IndexDocument {
            access: access(&["group:it"]),
            ..document(2, 5..=6)
        };
        let table = DocTable::new(vec![document(1, 0..=1), secret]);
        let filter = DocumentFilter::default();
        let all = table.filter(&filter).expect("compiles");
        assert_eq!(table.allowed(&owner(), &all).len(), 4);
        assert_eq!(
            table.allowed(&anna(), &all).iter().collect::<Vec<_>>(),
            [0, 1]
        );
    }

    #[test]
    fn permissions_and_values_follow_the_documents() {
        let shared = |id: u64, n: u32, group: &str| IndexDocument {
            access: access(&[group]),
            tags: [format!("tag {n}")].into(),
            uri: format!("https://example.org/{id}"),
            ..document(id, n * 10..=n * 10 + 2)
        };
        let mut table = DocTable::new(vec![shared(1, 0, "group:it"), shared(2, 1, "group:hr")]);
        let everything = DocumentFilter::default();
        let chunks = |table: &DocTable| -> Vec<u32> {
            let all = table.filter(&everything).expect("compiles");
            table.allowed(&anna(), &all).iter().collect()
        };
        assert_eq!(chunks(&table), [10, 11, 12]);
        table.put(shared(2, 1, "group:it"));
        assert!(chunks(&table).is_empty());
        // So many values come and go that they are forgotten on the way.
        for n in 2..2_000 {
            table.put(shared(
                1,
                n,
                if n % 2 == 0 { "group:it" } else { "group:hr" },
            ));
        }
        assert!(table.tags.values.len() < 1_500);
        assert_eq!(chunks(&table), [19_990, 19_991, 19_992]);
        let tagged = DocumentFilter {
            tags: ["tag 1999".to_owned()].into(),
            path: Some("https://example.org/*".into()),
            ..DocumentFilter::default()
        };
        let tagged = table.filter(&tagged).expect("compiles");
        assert_eq!(table.allowed(&owner(), &tagged).len(), 3);
        assert_eq!(table.readable(&owner()).count(), 2);
        let row = table.get(DocumentId(1)).expect("a row");
        assert!(table.permits(&anna(), row));
        assert_eq!((row.chunks(), table.live().len()), (19_990..=19_992, 6));
    }
}
