//! Readers while a writer publishes: everybody sees one version of a document, whole.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cairn_store::SqliteCatalog;
use cairn_testkit::{owner_of, temp_dir};
use cairn_types::ports::Catalog;
use cairn_types::{ChunkNo, DocumentFilter, DocumentId, TenantId};

use crate::fixtures::{clock, system, version};

const VERSIONS: u32 = 150;

/// Version `n` has `1 + n % 7` chunks, and each of them says `n`.
fn nth(n: u32) -> cairn_types::ports::PublishVersion {
    let texts: Vec<_> = (0..=n % 7).map(|chunk| format!("{n} at {chunk}")).collect();
    version("/a", &texts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Reads the document in every way until the writer is done; gives the versions that were seen.
async fn read(
    catalog: &SqliteCatalog,
    tenant: TenantId,
    id: DocumentId,
    is_done: &AtomicBool,
) -> BTreeSet<u32> {
    let owner = owner_of(tenant);
    let mut seen = BTreeSet::new();
    while !is_done.load(Ordering::Relaxed) {
        let passages = catalog.chunks(&owner, id, None, 100).await.unwrap();
        let n = passages[0].id.version.0;
        let wanted: Vec<_> = nth(n)
            .chunks
            .iter()
            .map(|chunk| chunk.meta.ordinal)
            .collect();
        assert_eq!(
            passages.iter().map(|p| p.meta.ordinal).collect::<Vec<_>>(),
            wanted
        );
        for passage in &passages {
            assert_eq!(passage.text, format!("{n} at {}", passage.meta.ordinal));
            assert_eq!(passage.document.version.0, n);
        }
        seen.insert(n);
        // By number: these, those of the version that follows, and those of the one after that.
        let first = passages[0].chunk_no.0;
        let numbers: Vec<_> = (first..first + 30).map(ChunkNo).collect();
        let passages = catalog.hydrate(&owner, &numbers).await.unwrap();
        let versions: BTreeSet<_> = passages.values().map(|p| p.id.version.0).collect();
        assert!(versions.len() <= 1, "{versions:?}");
        if let Some(n) = versions.first().filter(|_| passages.len() < 30) {
            let is_whole = passages.len() == nth(*n).chunks.len();
            let reaches_past = passages.keys().max().unwrap().0 == first + 29;
            assert!(is_whole || reaches_past);
        }
        let page = catalog
            .documents(&owner, &DocumentFilter::default(), false, None, 9)
            .await;
        let summary = &page.unwrap().documents[0];
        assert_eq!(
            summary.n_chunks as usize,
            nth(summary.version.0).chunks.len()
        );
        let chunks = catalog
            .index_chunks(system(tenant), None, 0..=u32::MAX)
            .await
            .unwrap();
        let says: BTreeSet<_> = chunks
            .iter()
            .filter_map(|chunk| chunk.text.split_once(' '))
            .map(|(n, _)| n.to_owned())
            .collect();
        assert_eq!(says.len(), 1, "{says:?}");
        let n: u32 = says.first().unwrap().parse().unwrap();
        assert_eq!(chunks.len(), nth(n).chunks.len());
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_one_version_whole_while_a_writer_publishes() {
    let dir = temp_dir();
    let catalog = SqliteCatalog::open(dir.path().join("c.sqlite"), clock()).unwrap();
    let catalog = Arc::new(catalog);
    let tenant = catalog.ensure_tenant("one").await.unwrap();
    let first = catalog
        .publish_version(system(tenant), nth(1))
        .await
        .unwrap();
    let is_done = Arc::new(AtomicBool::new(false));
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (catalog, is_done) = (Arc::clone(&catalog), Arc::clone(&is_done));
        readers.spawn(async move { read(&catalog, tenant, first.document, &is_done).await });
    }
    for n in 2..=VERSIONS {
        let published = catalog
            .publish_version(system(tenant), nth(n))
            .await
            .unwrap();
        assert_eq!(published.version.0, n);
    }
    is_done.store(true, Ordering::Relaxed);
    let seen: BTreeSet<_> = readers.join_all().await.into_iter().flatten().collect();
    assert!(
        seen.len() > 5,
        "the readers ran beside the writer: {seen:?}"
    );
}
