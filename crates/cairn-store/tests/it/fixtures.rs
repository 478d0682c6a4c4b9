//! Small documents and a fresh catalog for every test.

use std::collections::BTreeSet;
use std::sync::Arc;

use cairn_store::SqliteCatalog;
use cairn_testkit::{owner_of, scope, temp_dir};
use cairn_types::ports::{Catalog, PublishVersion, Published};
use cairn_types::{
    AccessList, BlobHash, CharSpan, ChunkMeta, DocumentStatus, Element, ElementKind,
    EmbeddingSpace, Fingerprint, InputHash, ManualClock, NewChunk, ParseReport, Scope, Source,
    SystemPurpose, SystemScope, TenantId, Timestamp,
};

/// A catalog with two tenants and a clock that the test moves.
pub(crate) struct Bench<'a> {
    pub(crate) catalog: &'a dyn Catalog,
    pub(crate) clock: &'a ManualClock,
    pub(crate) one: TenantId,
    pub(crate) two: TenantId,
}

impl Bench<'_> {
    /// The first tenant's owner.
    pub(crate) fn owner(&self) -> Scope {
        owner_of(self.one)
    }

    /// `user:anna` of `group:hr` in the first tenant.
    pub(crate) fn anna(&self) -> Scope {
        scope(self.one, &["user:anna", "group:hr"])
    }

    /// Somebody of that name in the second tenant.
    pub(crate) fn outsider(&self) -> Scope {
        scope(self.two, &["user:anna", "group:hr"])
    }

    pub(crate) fn system(&self) -> SystemScope {
        system(self.one)
    }

    pub(crate) async fn publish(&self, version: PublishVersion) -> Published {
        let published = self.catalog.publish_version(self.system(), version).await;
        published.expect("a sound version is published")
    }
}

pub(crate) fn system(tenant: TenantId) -> SystemScope {
    SystemScope::new(tenant, SystemPurpose::Ingest)
}

/// Opens a catalog at noon of a fixed day.
pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp(1_772_366_400_000)))
}

/// Runs one test of the conformance suite on a fresh `SQLite` catalog.
pub(crate) async fn on_sqlite(test: impl AsyncFnOnce(Bench<'_>)) {
    let dir = temp_dir();
    let clock = clock();
    let now: Arc<ManualClock> = Arc::clone(&clock);
    let catalog = SqliteCatalog::open(dir.path().join("catalog.sqlite"), now).unwrap();
    let one = catalog.ensure_tenant("one").await.unwrap();
    let two = catalog.ensure_tenant("two").await.unwrap();
    test(Bench {
        catalog: &catalog,
        clock: &clock,
        one,
        two,
    })
    .await;
}

/// A version of the document `key` whose chunks and elements are the given paragraphs.
pub(crate) fn version(key: &str, paragraphs: &[&str]) -> PublishVersion {
    let mut text = String::new();
    let mut n_chars = 0;
    let mut elements = Vec::new();
    let mut chunks = Vec::new();
    for (ordinal, paragraph) in (0..).zip(paragraphs) {
        if !text.is_empty() {
            text.push_str("\n\n");
            n_chars += 2;
        }
        let span = CharSpan::new(n_chars, n_chars + paragraph.chars().count());
        text.push_str(paragraph);
        n_chars = span.end;
        let mut element = Element::new(ElementKind::Paragraph, *paragraph);
        element.page = Some(ordinal + 1);
        elements.push((element, span));
        chunks.push(NewChunk {
            meta: ChunkMeta {
                ordinal,
                span,
                page: Some(ordinal + 1),
                heading_path: format!("{key} > {ordinal}"),
                lang: ordinal.is_multiple_of(2).then(|| "en".to_owned()),
                n_tokens: 7 + ordinal,
            },
            input_hash: InputHash::of(paragraph.as_bytes()),
        });
    }
    PublishVersion {
        collection: "default".to_owned(),
        source: Source::files(),
        key: key.to_owned(),
        moved_from: None,
        uri: format!("file://{key}"),
        title: format!("title of {key}"),
        media_type: "text/plain".to_owned(),
        tags: None,
        access: None,
        modified_at: None,
        blob: BlobHash::of(text.as_bytes()),
        size_bytes: text.len() as u64,
        fingerprint: Fingerprint::of(b"pipeline 1"),
        text,
        elements,
        report: ParseReport {
            chars_seen: n_chars as u64,
            chars_kept: n_chars as u64,
            ..ParseReport::default()
        },
        status: DocumentStatus::Ok,
        chunks,
    }
}

/// The same with an access list.
pub(crate) fn version_for(key: &str, paragraphs: &[&str], access: AccessList) -> PublishVersion {
    PublishVersion {
        access: Some(access),
        ..version(key, paragraphs)
    }
}

/// A space of two dimensions.
pub(crate) fn space(model: &str) -> EmbeddingSpace {
    EmbeddingSpace {
        model: model.to_owned(),
        model_hash: model.to_owned(),
        recipe: "f32".to_owned(),
        pooling: "mean".to_owned(),
        prompts: String::new(),
        max_tokens: 16,
        dim: 2,
    }
}

pub(crate) fn words(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
