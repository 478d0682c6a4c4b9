//! A refresh that is dropped, fails or is overtaken leaves an engine that the next refresh brings up to the catalog.

use std::sync::Arc;

use cairn_retrieve::{Engine, SearchRequest};
use cairn_testkit::owner;

use crate::engine::{World, hashed, shape, small_world, titles};
use crate::hooked::{Gate, Hook, HookedCatalog};

const CALLS: [&str; 3] = ["changes_after", "index_documents", "index_chunks"];

async fn hooked_engine(world: &World) -> (Arc<HookedCatalog>, Engine) {
    let catalog = Arc::new(HookedCatalog::new(world.catalog.clone()));
    let engine = Engine::open(
        catalog.clone(),
        world.embedder.clone(),
        world.tenant,
        world.index_dir(),
    )
    .await
    .expect("opens");
    (catalog, engine)
}

/// What searches bring, compared with an engine that is built from nothing.
async fn assert_as_rebuilt(world: &World, engine: &Engine) {
    let fresh = Engine::open(
        world.catalog.clone(),
        world.embedder.clone(),
        world.tenant,
        world.dir.path().join("fresh"),
    )
    .await
    .expect("opens");
    for query in [
        "when does the ferry leave the harbour",
        "leave days",
        "copper",
        "tram",
    ] {
        let request = SearchRequest::new(query, 100);
        let own = engine.search(&owner(), &request).await.expect("searches");
        let other = fresh.search(&owner(), &request).await.expect("searches");
        assert_eq!(shape(&own), shape(&other), "{query}");
    }
    assert_eq!(engine.status(), fresh.status());
    drop(fresh);
    fs_err::remove_dir_all(world.dir.path().join("fresh")).expect("removed");
}

#[tokio::test]
async fn a_dropped_refresh_costs_nothing() {
    let (world, ids) = small_world(hashed()).await;
    let (catalog, engine) = hooked_engine(&world).await;
    for (at, call) in CALLS.into_iter().enumerate() {
        world
            .add(&format!("tram {at}"), &format!("Tram number {at} leaves."))
            .await;
        let gate = Arc::new(Gate::default());
        catalog.hook(call, Hook::Wait(gate.clone()));
        tokio::select! {
            _ = engine.refresh() => panic!("{call} waits"),
            () = gate.reached.notified() => {}
        }
        gate.open.notify_one();
        engine.refresh().await.expect("refreshed");
        let found = titles(&engine, &owner(), "tram leaves").await;
        assert!(found.contains(&format!("tram {at}")), "{found:?}");
        assert_as_rebuilt(&world, &engine).await;
    }
    // Dropped anywhere else, the commit included.
    for n_polls in [1, 2, 4, 8, 16, 64, 256, 1024] {
        world.add("ferry", &format!("Ferry of {n_polls}.")).await;
        let mut refreshing = Box::pin(engine.refresh());
        for _ in 0..n_polls {
            if poll_once(refreshing.as_mut()).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(refreshing);
        engine.refresh().await.expect("refreshed");
        assert_as_rebuilt(&world, &engine).await;
    }
    let deleted = world.catalog.delete_documents(&owner(), &ids).await;
    assert_eq!(
        engine.refresh().await.expect("refreshed"),
        deleted.expect("deleted")
    );
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

#[tokio::test]
async fn a_catalog_that_fails_half_way_is_asked_again() {
    let (world, ids) = small_world(hashed()).await;
    let (catalog, engine) = hooked_engine(&world).await;
    for call in CALLS {
        // Removed and added in the same round: the removal is not committed when the adding fails.
        world
            .add("ferry", &format!("The tram stopped at {call}."))
            .await;
        let before = engine.status();
        catalog.hook(call, Hook::Fail);
        engine.refresh().await.expect_err("the catalog fails");
        assert_eq!(engine.status(), before, "searches go on with what they saw");
        catalog.unhook();
        // The chunks that were to be added may be gone again by now.
        world
            .catalog
            .delete_documents(&owner(), &ids[..1])
            .await
            .expect("deleted");
        engine.refresh().await.expect("refreshed");
        assert_as_rebuilt(&world, &engine).await;
    }
}

#[tokio::test]
async fn a_commit_that_fails_is_made_up_for() {
    let (world, _) = small_world(hashed()).await;
    let engine = world.engine().await;
    for arm in ["lexical", "dense"] {
        world.add("ferry", &format!("The tram of {arm}.")).await;
        let before = engine.status();
        let (dir, away) = (world.index_dir().join(arm), world.index_dir().join("away"));
        fs_err::rename(&dir, &away).expect("moved");
        fs_err::write(&dir, "no folder").expect("written");
        for _ in 0..2 {
            engine.refresh().await.expect_err("cannot be written");
            assert_eq!(engine.status(), before, "searches go on with what they saw");
            assert!(!titles(&engine, &owner(), "copper").await.is_empty());
        }
        fs_err::remove_file(&dir).expect("removed");
        fs_err::rename(&away, &dir).expect("moved back");
        engine.refresh().await.expect("refreshed");
        assert!(engine.status().seq > before.seq);
        assert_as_rebuilt(&world, &engine).await;
    }
}

#[tokio::test]
async fn a_change_that_comes_while_a_refresh_reads_is_not_passed_over() {
    let (world, _) = small_world(hashed()).await;
    let (catalog, engine) = hooked_engine(&world).await;
    for call in CALLS {
        world.add(&format!("first {call}"), "A tram leaves.").await;
        let gate = Arc::new(Gate::default());
        catalog.hook(call, Hook::Wait(gate.clone()));
        let meanwhile = async {
            gate.reached.notified().await;
            world
                .add(&format!("second {call}"), "Another tram leaves.")
                .await;
            gate.open.notify_one();
        };
        let (refreshed, ()) = tokio::join!(engine.refresh(), meanwhile);
        refreshed.expect("refreshed");
        engine.refresh().await.expect("refreshed");
        let found = titles(&engine, &owner(), "tram leaves").await;
        assert!(found.contains(&format!("second {call}")), "{found:?}");
        assert_as_rebuilt(&world, &engine).await;
    }
}

/// Every file of a folder with its content and the time of its last change.
fn files_of(dir: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>, std::time::SystemTime)> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_of(&path));
        } else {
            let changed = fs_err::metadata(&path).expect("a file").modified();
            let content = fs_err::read(&path).expect("a file");
            files.push((path, content, changed.expect("a time")));
        }
    }
    files.sort();
    files
}

#[tokio::test]
async fn opening_indexes_that_are_up_to_date_writes_nothing() {
    let (world, _) = small_world(hashed()).await;
    let open = || async { hooked_engine(&world).await.1 };
    drop(open().await);
    let before = files_of(&world.index_dir());
    assert!(before.len() > 3);
    let engine = open().await;
    assert_eq!(files_of(&world.index_dir()), before);
    assert_as_rebuilt(&world, &engine).await;
    drop(engine);
    // What changed meanwhile is taken up all the same.
    world.add("tram", "The tram leaves the depot.").await;
    let engine = open().await;
    assert_as_rebuilt(&world, &engine).await;
    // Until it is closed, files may still come and go behind it.
    drop(engine);
    assert_ne!(files_of(&world.index_dir()), before);
}
