//! What indexes and the write path read: changes, documents, chunks, vectors, known items.

use cairn_types::ports::{Catalog, FetchState};
use cairn_types::{
    ChunkNo, DocumentId, EmbeddingSpace, ErrorKind, HasKind, InputHash, Seq, Source, Timestamp,
    VersionNo,
};

use crate::fixtures::{Bench, space, system, version, version_for, words};

fn vector(n: u8) -> Vec<u8> {
    vec![n, 0, n, 0]
}

pub(crate) async fn changes_come_in_order_and_without_gaps(bench: Bench<'_>) {
    let (owner, tenant) = (bench.owner(), bench.system());
    let a = bench.publish(version("/a", &["a"])).await.document;
    let b = bench.publish(version("/b", &["b"])).await.document;
    bench
        .catalog
        .delete_documents(&owner, &[a, b])
        .await
        .unwrap();
    bench.catalog.restore_document(&owner, a).await.unwrap();
    let all = bench
        .catalog
        .changes_after(tenant, Seq(0), 100)
        .await
        .unwrap();
    let seqs: Vec<_> = all.iter().map(|change| change.seq.0).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5]);
    let documents: Vec<_> = all.iter().map(|change| change.document).collect();
    assert_eq!(documents, [a, b, a, b, a]);
    assert_eq!(bench.catalog.head(tenant).await.unwrap(), Seq(5));
    let some = bench
        .catalog
        .changes_after(tenant, Seq(2), 2)
        .await
        .unwrap();
    assert_eq!(some, all[2..4]);
    assert_eq!(
        bench
            .catalog
            .changes_after(tenant, Seq(5), 9)
            .await
            .unwrap(),
        []
    );
    // The second tenant counts for itself.
    let other = system(bench.two);
    assert_eq!(bench.catalog.head(other).await.unwrap(), Seq(0));
    assert_eq!(
        bench.catalog.changes_after(other, Seq(0), 9).await.unwrap(),
        []
    );
}

pub(crate) async fn index_documents_tell_the_chunks_that_live(bench: Bench<'_>) {
    let (owner, tenant) = (bench.owner(), bench.system());
    let mut tagged = version_for("/a", &["a", "aa"], cairn_testkit::access(&["group:hr"]));
    tagged.tags = Some(words(&["t"]));
    tagged.modified_at = Some(Timestamp(3));
    let a = bench.publish(tagged).await.document;
    let b = bench.publish(version("/b", &["b"])).await.document;
    let empty = bench.publish(version("/empty", &[])).await.document;
    bench.publish(version("/b", &["b2", "bb"])).await;
    let (seq, all) = bench.catalog.index_documents(tenant, None).await.unwrap();
    assert_eq!(seq, Seq(4));
    assert!(all.is_sorted_by_key(|document| document.id));
    let get = |id| all.iter().find(|document| document.id == id).unwrap();
    assert_eq!(get(a).chunks, Some(0..=1));
    assert_eq!(get(a).access, cairn_testkit::access(&["group:hr"]));
    assert_eq!(get(a).tags, words(&["t"]));
    assert_eq!(get(a).changed_at, Timestamp(3));
    assert_eq!(get(b).chunks, Some(3..=4));
    assert_eq!(get(empty).chunks, None);
    bench.catalog.delete_documents(&owner, &[a]).await.unwrap();
    let nobody = DocumentId(12);
    let named = [a, b, nobody];
    let (seq, some) = bench
        .catalog
        .index_documents(tenant, Some(&named))
        .await
        .unwrap();
    assert_eq!(seq, Seq(5));
    let chunks: Vec<_> = some
        .iter()
        .map(|document| (document.id, document.chunks.clone()))
        .collect();
    assert_eq!(chunks, [(a, None), (b, Some(3..=4)), (nobody, None)]);
    bench.catalog.restore_document(&owner, a).await.unwrap();
    let (_, some) = bench
        .catalog
        .index_documents(tenant, Some(&[a]))
        .await
        .unwrap();
    assert_eq!(some[0].chunks, Some(0..=1));
    let (_, foreign) = bench
        .catalog
        .index_documents(system(bench.two), Some(&[a]))
        .await
        .unwrap();
    assert_eq!(
        (foreign[0].chunks.clone(), foreign[0].key.as_str()),
        (None, "")
    );
}

pub(crate) async fn index_chunks_leave_out_what_does_not_live(bench: Bench<'_>) {
    let (owner, tenant) = (bench.owner(), bench.system());
    bench.publish(version("/a", &["a0", "a1"])).await;
    let b = bench
        .publish(version("/b", &["b0", "日本", "b2"]))
        .await
        .document;
    bench.publish(version("/a", &["a0 new"])).await;
    let numbers = |chunks: &[cairn_types::ports::IndexChunk]| {
        chunks
            .iter()
            .map(|chunk| chunk.chunk_no.0)
            .collect::<Vec<_>>()
    };
    let all = bench
        .catalog
        .index_chunks(tenant, None, 0..=u32::MAX)
        .await
        .unwrap();
    assert_eq!(numbers(&all), [2, 3, 4, 5]);
    assert_eq!(all[1].text, "日本");
    assert_eq!(all[1].title, "title of /b");
    assert_eq!(all[1].heading_path, "/b > 1");
    assert_eq!(
        (all[0].lang.as_deref(), all[1].lang.as_deref()),
        (Some("en"), None)
    );
    assert_eq!(all[1].input_hash, InputHash::of("日本".as_bytes()));
    assert!(all.iter().all(|chunk| chunk.vector.is_none()));
    let some = bench
        .catalog
        .index_chunks(tenant, None, 3..=4)
        .await
        .unwrap();
    assert_eq!(some, all[1..3]);
    bench.catalog.delete_documents(&owner, &[b]).await.unwrap();
    let left = bench
        .catalog
        .index_chunks(tenant, None, 0..=9)
        .await
        .unwrap();
    assert_eq!(numbers(&left), [5]);
    let foreign = bench
        .catalog
        .index_chunks(system(bench.two), None, 0..=9)
        .await
        .unwrap();
    assert_eq!(foreign, []);
}

pub(crate) async fn vectors_are_kept_once_per_space_and_input(bench: Bench<'_>) {
    let tenant = bench.system();
    bench.publish(version("/a", &["x", "y", "x"])).await;
    let (mini, other) = (space("mini"), space("other"));
    let [x, y] = ["x", "y"].map(|text| InputHash::of(text.as_bytes()));
    let missing = |space: &EmbeddingSpace, inputs: &[InputHash]| {
        let (catalog, space, inputs) = (bench.catalog, space.clone(), inputs.to_vec());
        async move {
            let missing = catalog.missing_vectors(tenant, &space, &inputs).await;
            missing.unwrap()
        }
    };
    assert_eq!(missing(&mini, &[x, y, x]).await, [x, y]);
    bench
        .catalog
        .put_vectors(tenant, &mini, vec![(x, vector(1))])
        .await
        .unwrap();
    bench
        .catalog
        .put_vectors(tenant, &mini, vec![(x, vector(2)), (y, vector(3))])
        .await
        .unwrap();
    assert_eq!(missing(&mini, &[x, y]).await, []);
    assert_eq!(missing(&other, &[x, y]).await, [x, y]);
    let chunks = bench
        .catalog
        .index_chunks(tenant, Some(&mini), 0..=9)
        .await
        .unwrap();
    let vectors: Vec<_> = chunks.into_iter().map(|chunk| chunk.vector).collect();
    assert_eq!(vectors, [Some(vector(1)), Some(vector(3)), Some(vector(1))]);
    let chunks = bench
        .catalog
        .index_chunks(tenant, Some(&other), 0..=9)
        .await
        .unwrap();
    assert!(chunks.iter().all(|chunk| chunk.vector.is_none()));
    // A second tenant shares nothing, not even vectors of equal inputs.
    let foreign = bench
        .catalog
        .missing_vectors(system(bench.two), &mini, &[x])
        .await
        .unwrap();
    assert_eq!(foreign, [x]);
}

pub(crate) async fn unsound_vectors_are_refused(bench: Bench<'_>) {
    let tenant = bench.system();
    let x = InputHash::of(b"x");
    let not_a_number = vec![0, 0, 1, 0x7e];
    for vectors in [
        vec![(x, vec![1, 0])],
        vec![(x, vec![0; 6])],
        vec![(InputHash::of(b"y"), vector(1)), (x, not_a_number)],
    ] {
        let refused = bench
            .catalog
            .put_vectors(tenant, &space("mini"), vectors)
            .await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let inputs = [x, InputHash::of(b"y")];
    let missing = bench
        .catalog
        .missing_vectors(tenant, &space("mini"), &inputs)
        .await
        .unwrap();
    assert_eq!(missing, inputs);
}

pub(crate) async fn chunks_without_vector_are_found_after_a_restore(bench: Bench<'_>) {
    let (owner, tenant, mini) = (bench.owner(), bench.system(), space("mini"));
    let a = bench.publish(version("/a", &["a0", "a1"])).await.document;
    bench.publish(version("/b", &["b0"])).await;
    let without = |limit| {
        let (catalog, mini) = (bench.catalog, mini.clone());
        async move {
            let chunks = catalog
                .chunks_without_vector(tenant, &mini, limit)
                .await
                .unwrap();
            chunks
                .into_iter()
                .map(|chunk| chunk.text)
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(without(2).await, ["a0", "a1"]);
    bench.catalog.delete_documents(&owner, &[a]).await.unwrap();
    assert_eq!(without(9).await, ["b0"]);
    let fill = |text: &str| vec![(InputHash::of(text.as_bytes()), vector(1))];
    bench
        .catalog
        .put_vectors(tenant, &mini, fill("b0"))
        .await
        .unwrap();
    assert_eq!(without(9).await, [""; 0]);
    bench.catalog.restore_document(&owner, a).await.unwrap();
    assert_eq!(without(1).await, ["a0"]);
    assert_eq!(without(9).await, ["a0", "a1"]);
    bench
        .catalog
        .put_vectors(tenant, &mini, fill("a0"))
        .await
        .unwrap();
    assert_eq!(without(9).await, ["a1"]);
    bench
        .catalog
        .put_vectors(tenant, &mini, fill("a1"))
        .await
        .unwrap();
    bench.publish(version("/c", &["b0", "c0"])).await;
    assert_eq!(without(9).await, ["c0"]);
    assert_eq!(without(0).await, [""; 0]);
}

pub(crate) async fn whoever_shares_a_text_hears_of_its_vector(bench: Bench<'_>) {
    let (tenant, mini) = (bench.system(), space("mini"));
    let a = bench.publish(version("/a", &["x", "y"])).await.document;
    let b = bench.publish(version("/b", &["z", "x"])).await.document;
    let c = bench.publish(version("/c", &["x"])).await.document;
    bench.publish(version("/c", &["z"])).await;
    let d = bench.publish(version("/d", &["x"])).await.document;
    let head = bench
        .catalog
        .delete_documents(&bench.owner(), &[d])
        .await
        .unwrap();
    let fill = |texts: &[&str]| -> Vec<_> {
        let inputs = texts.iter().map(|text| InputHash::of(text.as_bytes()));
        inputs.map(|input| (input, vector(1))).collect()
    };
    let touched = async |after| {
        let changes = bench.catalog.changes_after(tenant, after, 99).await;
        let changes = changes.unwrap();
        let ids: std::collections::BTreeSet<_> =
            changes.iter().map(|change| change.document).collect();
        assert_eq!(ids.len(), changes.len(), "each once");
        ids
    };
    // Those that have it now: neither an ended version's document nor a deleted one.
    let put = |vectors| bench.catalog.put_vectors(tenant, &mini, vectors);
    put(fill(&["x", "y"])).await.unwrap();
    assert_eq!(touched(head).await, [a, b].into());
    // A vector that was there is no news.
    put(fill(&["x", "z"])).await.unwrap();
    let after = Seq(head.0 + 2);
    assert_eq!(touched(after).await, [b, c].into());
}

pub(crate) async fn known_items_are_those_below_the_prefix(bench: Bench<'_>) {
    let tenant = bench.system();
    for key in ["/d/a", "/d/b/c", "/d", "/da", "/d.b", "/e", "x"] {
        bench.publish(version(key, &[key])).await;
    }
    let mut upload = version("/d/up", &["up"]);
    upload.source = Source::upload();
    bench.publish(upload).await;
    let known = |prefix| known_keys(bench.catalog, tenant, prefix);
    assert_eq!(
        known("").await,
        ["/d", "/d.b", "/d/a", "/d/b/c", "/da", "/e", "x"]
    );
    assert_eq!(
        known("/").await,
        ["/d", "/d.b", "/d/a", "/d/b/c", "/da", "/e"]
    );
    assert_eq!(known("/d").await, ["/d", "/d/a", "/d/b/c"]);
    assert_eq!(known("/d/").await, ["/d", "/d/a", "/d/b/c"]);
    assert_eq!(known("/d/b").await, ["/d/b/c"]);
    assert_eq!(known("/nothing").await, [""; 0]);
    let files = Source::files();
    let all = bench
        .catalog
        .known_items(tenant, "default", &files, "/e")
        .await
        .unwrap();
    let item = &all[0];
    assert_eq!(item.blob, version("/e", &["/e"]).blob);
    assert_eq!((item.size_bytes, item.is_deleted), (2, false));
    bench
        .catalog
        .delete_documents(&bench.owner(), &[item.document])
        .await
        .unwrap();
    let all = bench
        .catalog
        .known_items(tenant, "default", &files, "/e")
        .await
        .unwrap();
    assert!(all[0].is_deleted);
    let foreign = bench
        .catalog
        .known_items(system(bench.two), "default", &files, "")
        .await;
    assert_eq!(foreign.unwrap(), []);
}

pub(crate) async fn how_documents_were_fetched_is_kept_by_source(bench: Bench<'_>) {
    let mut page = version("https://h/a", &["a"]);
    page.source = Source::web();
    let page = bench.publish(page).await.document;
    let file = bench.publish(version("/a", &["a"])).await.document;
    let states = async |system, collection: &str| {
        let web = Source::web();
        let states = bench.catalog.fetch_states(system, collection, &web);
        states.await.unwrap()
    };
    let put = async |system, document, etag: Option<&str>| {
        let state = FetchState {
            address: "https://h/a?x".to_owned(),
            etag: etag.map(str::to_owned),
            last_modified: None,
            checked_at: Timestamp(5),
        };
        let put = bench.catalog.put_fetch_state(system, document, state);
        put.await
    };
    assert_eq!(states(bench.system(), "default").await, []);
    put(bench.system(), file, Some("\"f\"")).await.unwrap();
    put(bench.system(), page, Some("\"1\"")).await.unwrap();
    put(bench.system(), page, None).await.unwrap();
    let kept = states(bench.system(), "default").await;
    assert_eq!((kept.len(), kept[0].0), (1, page), "{kept:?}");
    assert_eq!(
        (kept[0].1.etag.as_deref(), kept[0].1.checked_at),
        (None, Timestamp(5))
    );
    assert_eq!(states(bench.system(), "other").await, []);
    assert_eq!(states(system(bench.two), "default").await, []);
    // Nobody notes anything of another tenant's document.
    let foreign = put(system(bench.two), page, None).await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::NotFound);
    bench
        .catalog
        .delete_documents(&bench.owner(), &[page])
        .await
        .unwrap();
    assert_eq!(states(bench.system(), "default").await.len(), 1);
}

async fn known_keys(
    catalog: &dyn Catalog,
    tenant: cairn_types::SystemScope,
    prefix: &str,
) -> Vec<String> {
    let items = catalog
        .known_items(tenant, "default", &Source::files(), prefix)
        .await;
    items.unwrap().into_iter().map(|item| item.key).collect()
}

pub(crate) async fn a_long_list_of_ids_is_no_limit(bench: Bench<'_>) {
    let (owner, tenant) = (bench.owner(), bench.system());
    let published = bench.publish(version("/a", &["a0", "a1"])).await;
    let numbers: Vec<_> = (0..150_000).rev().map(ChunkNo).collect();
    let found = bench.catalog.hydrate(&owner, &numbers).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[&ChunkNo(1)].id.version, VersionNo(1));
    let inputs: Vec<_> = (0..100_000_u32)
        .map(|n| InputHash::of(&n.to_le_bytes()))
        .collect();
    let missing = bench
        .catalog
        .missing_vectors(tenant, &space("mini"), &inputs)
        .await
        .unwrap();
    assert_eq!(missing.len(), inputs.len());
    let mut ids: Vec<_> = (0..100_000).map(DocumentId).collect();
    ids.push(published.document);
    let (_, documents) = bench
        .catalog
        .index_documents(tenant, Some(&ids))
        .await
        .unwrap();
    assert_eq!(
        documents
            .iter()
            .filter(|document| document.chunks.is_some())
            .count(),
        1
    );
}
