//! What must hold whatever happened to the indexes: the catalog decides.

use std::path::Path;
use std::sync::Arc;

use cairn_extract::{WorkerCommand, WorkerLimits, WorkerPool};
use cairn_ingest::{Pipeline, PipelineOptions, PreparedDocument};
use cairn_retrieve::{Engine, Explain, Mode, SearchRequest, SearchResponse, WhyNotReason};
use cairn_store::{BlobLimits, BlobStore, SqliteCatalog};
use cairn_testkit::{HashEmbedder, access, anna, ben, outsider, owner};
use cairn_types::ports::{Catalog, Embedder};
use cairn_types::{
    DocumentFilter, DocumentId, Element, ElementKind, ErrorKind, Extracted, HasKind as _,
    ParseReport, Scope, Source, SystemClock, TenantId,
};

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) embedder: Option<Arc<dyn Embedder>>,
    pub(crate) tenant: TenantId,
    pipeline: Pipeline,
}

impl World {
    async fn new(embedder: Option<Arc<dyn Embedder>>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("catalog.sqlite");
        let catalog: Arc<dyn Catalog> =
            Arc::new(SqliteCatalog::open(path, Arc::new(SystemClock)).expect("opens"));
        let tenant = catalog.ensure_tenant("default").await.expect("a tenant");
        let blobs =
            BlobStore::open(dir.path().join("blobs"), BlobLimits::default()).expect("opens");
        let command = WorkerCommand {
            program: "/nonexistent".into(),
            args: vec![],
        };
        let workers = WorkerPool::plain(command, WorkerLimits::default());
        let pipeline = Pipeline::new(
            catalog.clone(),
            Arc::new(blobs),
            Arc::new(workers),
            embedder.clone(),
            tenant,
            PipelineOptions::default(),
        );
        Self {
            dir,
            catalog,
            embedder,
            tenant,
            pipeline,
        }
    }

    pub(crate) fn index_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("index")
    }

    pub(crate) async fn engine(&self) -> Engine {
        Engine::open(
            self.catalog.clone(),
            self.embedder.clone(),
            self.tenant,
            self.index_dir(),
        )
        .await
        .expect("opens")
    }

    pub(crate) async fn add(&self, key: &str, text: &str) -> DocumentId {
        let extracted = Extracted {
            media_type: "text/plain".into(),
            title: Some(key.to_owned()),
            elements: text
                .split("\n\n")
                .map(|text| Element::new(ElementKind::Paragraph, text))
                .collect(),
            report: ParseReport::default(),
        };
        let document = PreparedDocument {
            key: key.to_owned(),
            uri: format!("test:{key}"),
            extracted,
        };
        let mut id = None;
        self.pipeline
            .ingest_prepared("default", Source::upload(), vec![document], |event| {
                if let cairn_ingest::IngestEvent::Document(report) = event {
                    id = report.document;
                }
            })
            .await
            .expect("ingests");
        id.expect("published")
    }
}

pub(crate) fn hashed() -> Option<Arc<dyn Embedder>> {
    Some(Arc::new(HashEmbedder::new()))
}

pub(crate) async fn titles(engine: &Engine, scope: &Scope, query: &str) -> Vec<String> {
    let response = engine
        .search(scope, &SearchRequest::new(query, 10))
        .await
        .expect("searches");
    response
        .results
        .iter()
        .map(|result| result.passage.document.title.clone())
        .collect()
}

pub(crate) async fn small_world(embedder: Option<Arc<dyn Embedder>>) -> (World, Vec<DocumentId>) {
    let world = World::new(embedder).await;
    let mut ids = Vec::new();
    for (key, text) in [
        (
            "ferry",
            "The ferry leaves the north harbour at nine.\n\nTickets are sold on board.",
        ),
        ("copper", "Copper rose to nine thousand on Monday."),
        ("leave", "Employees have thirty days of leave each year."),
    ] {
        ids.push(world.add(key, text).await);
    }
    (world, ids)
}

#[tokio::test]
async fn finds_by_words_and_meaning_and_says_where() {
    let (world, _) = small_world(hashed()).await;
    let engine = world.engine().await;
    for mode in [Mode::Hybrid, Mode::Dense, Mode::Lexical] {
        let request = SearchRequest {
            mode,
            ..SearchRequest::new("When does the ferry leave the harbour?", 3)
        };
        let response = engine.search(&owner(), &request).await.expect("searches");
        let best = &response.results[0].passage;
        assert_eq!(best.document.title, "ferry", "{mode:?}");
        let (id, version, span) = (best.document.id, best.id.version, best.meta.span);
        let stored = world
            .catalog
            .text(&owner(), id, version, span)
            .await
            .expect("stored");
        assert_eq!(stored, best.text);
    }
}

#[tokio::test]
async fn permissions_and_deletions_hold_at_once_even_where_the_index_lags() {
    let (world, ids) = small_world(hashed()).await;
    let engine = world.engine().await;
    assert_eq!(titles(&engine, &anna(), "ferry harbour").await[0], "ferry");
    // The engine is not refreshed: only the check against the catalog stands in the way.
    world
        .catalog
        .set_metadata(&owner(), ids[0], None, Some(access(&["group:it"])))
        .await
        .expect("shared");
    assert!(
        !titles(&engine, &anna(), "ferry harbour")
            .await
            .contains(&"ferry".to_owned())
    );
    assert_eq!(titles(&engine, &ben(), "ferry harbour").await[0], "ferry");
    world
        .catalog
        .delete_documents(&owner(), &ids[..1])
        .await
        .expect("deleted");
    assert!(
        !titles(&engine, &owner(), "ferry harbour")
            .await
            .contains(&"ferry".to_owned())
    );
    // And with the index in step the result is the same.
    engine.refresh().await.expect("refreshed");
    assert!(
        !titles(&engine, &owner(), "ferry harbour")
            .await
            .contains(&"ferry".to_owned())
    );
    world
        .catalog
        .restore_document(&owner(), ids[0])
        .await
        .expect("restored");
    engine.refresh().await.expect("refreshed");
    assert_eq!(titles(&engine, &ben(), "ferry harbour").await[0], "ferry");
    assert!(
        titles(&engine, &outsider(), "ferry harbour")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_new_version_replaces_the_old_one_whole() {
    let (world, ids) = small_world(hashed()).await;
    let engine = world.engine().await;
    let again = world
        .add("ferry", "The ferry now leaves from the south pier.")
        .await;
    assert_eq!(again, ids[0]);
    let before = engine.status();
    engine.refresh().await.expect("refreshed");
    assert!(engine.status().seq > before.seq);
    let response = engine
        .search(&owner(), &SearchRequest::new("ferry leaves", 10))
        .await
        .expect("searches");
    let of_ferry: Vec<_> = response
        .results
        .iter()
        .filter(|r| r.passage.document.id == ids[0])
        .collect();
    assert_eq!(of_ferry.len(), 1);
    assert!(of_ferry[0].passage.text.contains("south pier"));
    assert_eq!(of_ferry[0].passage.id.version.0, 2);
}

fn damage(dir: &Path) {
    for entry in walk(dir) {
        let mut bytes = fs_err::read(&entry).expect("read");
        if let Some(byte) = bytes.last_mut() {
            *byte ^= 0x40;
        }
        fs_err::write(&entry, bytes).expect("written");
    }
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(walk(&path))
        } else {
            files.push(path)
        }
    }
    files
}

pub(crate) fn shape(response: &SearchResponse) -> Vec<(String, f32, Option<f32>, Option<f32>)> {
    response
        .results
        .iter()
        .map(|result| {
            (
                result.passage.id.to_string(),
                result.score,
                result.dense,
                result.lexical,
            )
        })
        .collect()
}

#[tokio::test]
async fn indexes_that_are_gone_or_damaged_are_made_again_with_the_same_results() {
    let (world, _) = small_world(hashed()).await;
    let request = SearchRequest::new("nine thousand days of leave on the ferry", 10);
    let first = {
        let engine = world.engine().await;
        shape(&engine.search(&owner(), &request).await.expect("searches"))
    };
    assert_eq!(first.len(), 3);
    let reopened = world.engine().await;
    assert_eq!(
        shape(&reopened.search(&owner(), &request).await.expect("searches")),
        first
    );
    drop(reopened);
    damage(&world.index_dir());
    let repaired = world.engine().await;
    assert_eq!(
        shape(&repaired.search(&owner(), &request).await.expect("searches")),
        first
    );
    drop(repaired);
    let manifest = world.index_dir().join("dense").join("manifest");
    assert!(manifest.exists());
    fs_err::write(&manifest, "cairn-dense-1 00000000\n{}").expect("written");
    let upgraded = world.engine().await;
    assert_eq!(
        shape(&upgraded.search(&owner(), &request).await.expect("searches")),
        first,
        "an index of an older format"
    );
    drop(upgraded);
    fs_err::remove_dir_all(world.index_dir()).expect("removed");
    let rebuilt = world.engine().await;
    assert_eq!(
        shape(&rebuilt.search(&owner(), &request).await.expect("searches")),
        first
    );
}

#[tokio::test]
async fn without_a_model_search_is_lexical_and_says_so() {
    let (world, _) = small_world(None).await;
    let engine = world.engine().await;
    let response = engine
        .search(&owner(), &SearchRequest::new("copper", 10))
        .await
        .expect("searches");
    assert!(response.lexical_only);
    assert_eq!(response.results.len(), 1);
    let request = SearchRequest {
        mode: Mode::Dense,
        ..SearchRequest::new("copper", 10)
    };
    let error = engine
        .search(&owner(), &request)
        .await
        .expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    drop(engine);
    // A model arrives: vectors are filled in and the index takes them up.
    let world = World {
        embedder: hashed(),
        ..world
    };
    let pipeline = Pipeline::new(
        world.catalog.clone(),
        Arc::new(
            BlobStore::open(world.dir.path().join("blobs"), BlobLimits::default()).expect("opens"),
        ),
        Arc::new(WorkerPool::plain(
            WorkerCommand {
                program: "/nonexistent".into(),
                args: vec![],
            },
            WorkerLimits::default(),
        )),
        world.embedder.clone(),
        world.tenant,
        PipelineOptions::default(),
    );
    let engine = world.engine().await;
    let filled = pipeline
        .fill_vectors(&tokio_util::sync::CancellationToken::new(), |_| {})
        .await;
    assert_eq!(filled.expect("filled").n_embedded, 3);
    engine.refresh().await.expect("refreshed");
    assert_eq!(engine.status().n_vectors, 3);
    assert!(
        !engine
            .search(&owner(), &request)
            .await
            .expect("searches")
            .results
            .is_empty()
    );
}

#[tokio::test]
async fn explain_counts_only_what_the_scope_may_read_and_why_not_keeps_secrets() {
    let (world, ids) = small_world(hashed()).await;
    world
        .catalog
        .set_metadata(&owner(), ids[2], None, Some(access(&["group:it"])))
        .await
        .expect("shared");
    let engine = world.engine().await;
    let request = SearchRequest {
        explain: Explain::On,
        filter: DocumentFilter {
            tags: vec!["none".into()],
            ..DocumentFilter::default()
        },
        ..SearchRequest::new("ferry", 10)
    };
    let explanation = engine
        .search(&anna(), &request)
        .await
        .expect("searches")
        .explanation
        .expect("explained");
    assert_eq!(explanation.n_readable, 2);
    assert_eq!(explanation.filters.len(), 1);
    assert_eq!(
        (
            explanation.filters[0].condition,
            explanation.filters[0].n_removed
        ),
        ("tag", 2)
    );
    assert_eq!(explanation.n_allowed_chunks, 0);
    let plain = SearchRequest::new("ferry", 1);
    let hidden = engine
        .why_not(&anna(), &plain, ids[2])
        .await
        .expect_err("hidden");
    let absent = engine
        .why_not(&anna(), &plain, DocumentId(7))
        .await
        .expect_err("absent");
    assert_eq!(hidden.kind(), ErrorKind::NotFound);
    assert_eq!(
        hidden.to_string().replace(&ids[2].to_string(), "X"),
        absent.to_string().replace("0000000000000007", "X")
    );
    let found = engine
        .why_not(&anna(), &plain, ids[0])
        .await
        .expect("answered");
    assert_eq!(found.reason, WhyNotReason::Found { rank: 1 });
    let outranked = engine
        .why_not(&anna(), &plain, ids[1])
        .await
        .expect("answered");
    assert!(
        matches!(outranked.reason, WhyNotReason::Outranked { rank: 2, .. }),
        "{outranked:?}"
    );
    let filtered = engine
        .why_not(&anna(), &request, ids[0])
        .await
        .expect("answered");
    assert_eq!(filtered.reason, WhyNotReason::Filtered { condition: "tag" });
    world
        .catalog
        .delete_documents(&owner(), &ids[..1])
        .await
        .expect("deleted");
    let deleted = engine
        .why_not(&anna(), &plain, ids[0])
        .await
        .expect("answered");
    assert_eq!(deleted.reason, WhyNotReason::Deleted);
}

#[tokio::test]
async fn bad_requests_are_named() {
    let (world, _) = small_world(hashed()).await;
    let engine = world.engine().await;
    for request in [
        SearchRequest::new("  ", 10),
        SearchRequest::new("x".repeat(4_001), 10),
        SearchRequest::new("x", 0),
        SearchRequest::new("x", 1_001),
        SearchRequest {
            filter: DocumentFilter {
                path: Some("[".into()),
                ..DocumentFilter::default()
            },
            ..SearchRequest::new("x", 10)
        },
    ] {
        let error = engine
            .search(&owner(), &request)
            .await
            .expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    for odd in [
        "\0",
        "\u{202e}abc",
        "🦀",
        "' OR 1=1 --",
        "AND OR NOT (",
        "*:*",
    ] {
        engine
            .search(&owner(), &SearchRequest::new(odd, 10))
            .await
            .expect("searches");
    }
}

#[tokio::test]
async fn why_not_ranks_as_the_search_does_and_counts_what_the_catalog_confirms() {
    let (world, ids) = small_world(hashed()).await;
    let engine = world.engine().await;
    let request = SearchRequest {
        mode: Mode::Lexical,
        ..SearchRequest::new("nine", 1)
    };
    let order: Vec<DocumentId> = engine
        .search(
            &anna(),
            &SearchRequest {
                top_k: 10,
                ..request.clone()
            },
        )
        .await
        .expect("searches")
        .results
        .iter()
        .map(|result| result.passage.document.id)
        .collect();
    let [first, second] = order[..] else {
        panic!("two documents have the word: {order:?}")
    };
    let second_reason = async || {
        engine
            .why_not(&anna(), &request, second)
            .await
            .expect("answered")
            .reason
    };
    let reason = second_reason().await;
    assert!(
        matches!(reason, WhyNotReason::Outranked { rank: 2, .. }),
        "{reason:?}"
    );
    // The table still has the first one; the search shows the second in its place, and so does this.
    let share = async |id, who: &[&str]| {
        let shared = world
            .catalog
            .set_metadata(&owner(), id, None, Some(access(who)))
            .await;
        shared.expect("shared")
    };
    share(first, &["group:it"]).await;
    let found = engine.search(&anna(), &request).await.expect("searches");
    assert_eq!(found.results[0].passage.document.id, second);
    assert_eq!(second_reason().await, WhyNotReason::Found { rank: 1 });
    // Shared again, while the table has what was: not found yet, and said so.
    engine.refresh().await.expect("refreshed");
    share(first, &["everyone"]).await;
    let why = engine
        .why_not(&anna(), &request, first)
        .await
        .expect("answered");
    assert_eq!(why.reason, WhyNotReason::NotIndexedYet);
    engine.refresh().await.expect("refreshed");
    let why = engine
        .why_not(&anna(), &request, first)
        .await
        .expect("answered");
    assert_eq!(why.reason, WhyNotReason::Found { rank: 1 });
    let none = engine
        .why_not(&anna(), &request, ids[2])
        .await
        .expect("answered");
    assert!(
        matches!(none.reason, WhyNotReason::NoMatch { .. }),
        "{none:?}"
    );
    // A new version that the indexes do not have yet.
    world.add("copper", "Nine, nine and nine.").await;
    let why = engine
        .why_not(&anna(), &request, ids[1])
        .await
        .expect("answered");
    assert_eq!(why.reason, WhyNotReason::NotIndexedYet);
}

#[tokio::test]
async fn what_is_no_candidate_of_the_search_is_outranked() {
    let world = World::new(None).await;
    let last = world
        .add(
            "last",
            "The tram is one of many words that stand in this rather long passage.",
        )
        .await;
    // One more than the candidates of a search for few results, each better.
    for at in 0..201 {
        world
            .add(&format!("better {at}"), "A tram, the tram.")
            .await;
    }
    let engine = world.engine().await;
    let request = SearchRequest::new("tram", 1);
    let why = engine
        .why_not(&owner(), &request, last)
        .await
        .expect("answered");
    let WhyNotReason::Outranked {
        rank,
        score,
        last_score,
        ..
    } = why.reason
    else {
        panic!("{why:?}")
    };
    assert_eq!(rank, 202);
    assert!(score < last_score);
}
