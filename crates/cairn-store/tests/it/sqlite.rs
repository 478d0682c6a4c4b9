//! What is special to a catalog in a file: reopening, damage, queues and panics.

use std::sync::Arc;

use cairn_store::{SqliteCatalog, StoreError};
use cairn_testkit::{owner_of, temp_dir};
use cairn_types::ports::Catalog;
use cairn_types::{ErrorKind, HasKind};

use crate::conformance::model;
use crate::fixtures::{clock, system, version};

#[tokio::test]
async fn a_catalog_reopens_as_it_was() {
    let dir = temp_dir();
    let path = dir.path().join("catalog.sqlite");
    let catalog = SqliteCatalog::open(&path, clock()).unwrap();
    let tenant = catalog.ensure_tenant("one").await.unwrap();
    let new = version("/a", &["a", "b"]);
    let published = catalog
        .publish_version(system(tenant), new.clone())
        .await
        .unwrap();
    drop(catalog);
    assert!(
        !dir.path().join("catalog.sqlite-wal").exists(),
        "closed cleanly"
    );
    let catalog = SqliteCatalog::open(&path, clock()).unwrap();
    assert_eq!(catalog.ensure_tenant("one").await.unwrap(), tenant);
    let chunks = catalog
        .chunks(&owner_of(tenant), published.document, None, 9)
        .await
        .unwrap();
    assert_eq!(chunks.len(), 2);
    let again = catalog.publish_version(system(tenant), new).await.unwrap();
    assert_eq!(
        (again.document, again.seq),
        (published.document, published.seq)
    );
}

#[tokio::test]
async fn damaged_and_foreign_files_are_refused() {
    let dir = temp_dir();
    let path = dir.path().join("catalog.sqlite");
    let open = || SqliteCatalog::open(&path, clock()).map(|_| ());
    fs_err::write(&path, "this is no database, but a letter").unwrap();
    assert_eq!(open().unwrap_err().kind(), ErrorKind::Corrupt);
    fs_err::remove_file(&path).unwrap();
    open().unwrap();
    let sound = fs_err::read(&path).unwrap();
    // Everything behind the header is gone.
    let mut damaged = sound.clone();
    damaged[100..].fill(0xa5);
    fs_err::write(&path, &damaged).unwrap();
    let error = open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(!error.to_string().to_lowercase().contains("select"));
    let mut newer = sound;
    newer[60..64].copy_from_slice(&7_u32.to_be_bytes());
    fs_err::write(&path, &newer).unwrap();
    let error = open().unwrap_err();
    assert!(
        matches!(error, StoreError::NewerFormat { found: 7, .. }),
        "{error}"
    );
    assert_eq!(fs_err::read(&path).unwrap(), newer);
    let error = SqliteCatalog::open(dir.path().join("none/catalog.sqlite"), clock()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_catalog_works_for_many_callers_at_once() {
    let dir = temp_dir();
    let path = dir.path().join("catalog.sqlite");
    let catalog = Arc::new(SqliteCatalog::open(&path, clock()).unwrap());
    let tenant = catalog.ensure_tenant("one").await.unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..600 {
        let catalog = Arc::clone(&catalog);
        callers.spawn(async move {
            let key = format!("/{n}");
            // Every third publication is refused, alone.
            let mut new = version(&key, &[&key, "tail"]);
            if n % 3 == 0 {
                new.chunks[1].meta.ordinal = 9;
            }
            catalog.publish_version(system(tenant), new).await
        });
    }
    let results = callers.join_all().await;
    let mut seqs: Vec<_> = results
        .iter()
        .flatten()
        .map(|published| published.seq.0)
        .collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=400).collect::<Vec<_>>());
    let chunks = catalog
        .index_chunks(system(tenant), None, 0..=u32::MAX)
        .await
        .unwrap();
    assert_eq!(chunks.len(), 800);
    assert!(
        chunks
            .iter()
            .zip(0..)
            .all(|(chunk, no)| chunk.chunk_no.0 == no)
    );
}

#[tokio::test]
async fn a_caller_that_goes_away_does_no_harm() {
    let dir = temp_dir();
    let catalog = SqliteCatalog::open(dir.path().join("c.sqlite"), clock()).unwrap();
    let tenant = catalog.ensure_tenant("one").await.unwrap();
    for n in 0..50 {
        let key = format!("/{n}");
        let publish = catalog.publish_version(system(tenant), version(&key, &[&key]));
        // Polled once, so that it is queued, and dropped.
        tokio::select! {
            biased;
            _ = publish => {}
            () = std::future::ready(()) => {}
        }
    }
    let last = catalog
        .publish_version(system(tenant), version("/last", &["x"]))
        .await
        .unwrap();
    let (head, documents) = catalog.index_documents(system(tenant), None).await.unwrap();
    assert_eq!(head, last.seq);
    assert_eq!(
        documents.len() as u64,
        head.0,
        "each is there whole or not at all"
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn random_operations_show_what_the_model_shows(ops in model::ops()) {
        let dir = temp_dir();
        let path = dir.path().join("catalog.sqlite");
        let open = || -> Box<dyn Catalog> { Box::new(SqliteCatalog::open(&path, clock()).unwrap()) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(model::equals_the_model(ops, open));
    }
}
