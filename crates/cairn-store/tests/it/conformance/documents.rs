//! Publishing, versions, moving, deleting and restoring.

use cairn_testkit::access;
use cairn_types::ports::{CatalogError, PublishBatch};
use cairn_types::{
    BlobHash, CharSpan, ChunkNo, DocumentFilter, ErrorKind, Fingerprint, HasKind, InputHash,
    Timestamp, VersionNo,
};

use crate::fixtures::{Bench, space, version, words};

pub(crate) async fn a_new_document_reads_back_as_it_was_published(bench: Bench<'_>) {
    let mut new = version("/a.md", &["Über uns", "日本語 🦀 text", "the end"]);
    new.tags = Some(words(&["b", "a"]));
    new.modified_at = Some(Timestamp(5));
    new.report.pages = Some(3);
    let published = bench.publish(new.clone()).await;
    assert!(published.is_new);
    assert_eq!(published.version, VersionNo(1));
    let owner = bench.owner();
    let document = bench
        .catalog
        .document(&owner, published.document)
        .await
        .unwrap();
    assert_eq!(document.key, "/a.md");
    assert_eq!(document.uri, new.uri);
    assert_eq!(document.title, new.title);
    assert_eq!(document.media_type, new.media_type);
    assert_eq!(Some(&document.tags), new.tags.as_ref());
    assert_eq!(document.collection, "default");
    assert_eq!(document.source, new.source);
    assert_eq!(document.access, cairn_types::AccessList::everyone());
    assert_eq!(document.blob, new.blob);
    assert_eq!(document.size_bytes, new.size_bytes);
    assert_eq!(document.n_chunks, 3);
    assert_eq!(document.status, new.status);
    assert_eq!(document.report, new.report);
    assert_eq!(document.modified_at, Some(Timestamp(5)));
    assert_eq!(document.deleted_at, None);
    let passages = bench
        .catalog
        .chunks(&owner, published.document, None, 10)
        .await
        .unwrap();
    assert_eq!(passages.len(), 3);
    for (passage, chunk) in passages.iter().zip(&new.chunks) {
        assert_eq!(passage.meta, chunk.meta);
        assert_eq!(
            Some(passage.text.as_str()),
            chunk.meta.span.slice(&new.text)
        );
        assert_eq!(*passage.document, document);
        assert_eq!(passage.id.version, VersionNo(1));
        assert_eq!(passage.id.ordinal, chunk.meta.ordinal);
    }
    let whole = CharSpan::new(0, new.text.chars().count());
    let text = bench
        .catalog
        .text(&owner, published.document, VersionNo(1), whole)
        .await;
    assert_eq!(text.unwrap(), new.text);
    let tail = bench
        .catalog
        .chunks(&owner, published.document, Some(0), 1)
        .await
        .unwrap();
    assert_eq!(tail.len(), 1);
    assert_eq!(tail[0].meta.ordinal, 1);
    let none = bench
        .catalog
        .chunks(&owner, published.document, Some(u32::MAX), 9)
        .await;
    assert_eq!(none.unwrap(), []);
}

pub(crate) async fn publishing_the_same_again_changes_nothing(bench: Bench<'_>) {
    let new = version("/a.md", &["one", "two"]);
    let first = bench.publish(new.clone()).await;
    bench.publish(version("/b.md", &["other"])).await;
    let again = bench.publish(new).await;
    assert_eq!(again.document, first.document);
    assert_eq!(again.version, VersionNo(1));
    assert!(!again.is_new);
    assert_eq!(again.seq, first.seq);
    let changes = bench
        .catalog
        .changes_after(bench.system(), cairn_types::Seq(0), 10)
        .await;
    assert_eq!(changes.unwrap().len(), 2);
}

pub(crate) async fn metadata_of_the_same_content_is_set_without_a_version(bench: Bench<'_>) {
    let first = bench.publish(version("/a.md", &["one"])).await;
    let mut changed = version("/a.md", &["one"]);
    changed.title = "another".to_owned();
    changed.tags = Some(words(&["t"]));
    changed.modified_at = Some(Timestamp(9));
    let again = bench.publish(changed).await;
    assert_eq!(again.version, VersionNo(1));
    assert!(again.seq > first.seq);
    let document = bench
        .catalog
        .document(&bench.owner(), first.document)
        .await
        .unwrap();
    assert_eq!(document.title, "another");
    assert_eq!(document.tags, words(&["t"]));
    assert_eq!(document.modified_at, Some(Timestamp(9)));
}

pub(crate) async fn tags_and_readers_that_are_not_given_stay(bench: Bench<'_>) {
    let mut first = version("/a.md", &["one"]);
    first.tags = Some(words(&["t"]));
    first.access = Some(access(&["group:hr"]));
    let id = bench.publish(first).await.document;
    let mut reparsed = version("/a.md", &["two"]);
    reparsed.fingerprint = Fingerprint::of(b"pipeline 2");
    for next in [version("/a.md", &["two"]), reparsed.clone(), reparsed] {
        assert_eq!(bench.publish(next).await.document, id);
        let document = bench.catalog.document(&bench.owner(), id).await.unwrap();
        assert_eq!(document.tags, words(&["t"]));
        assert_eq!(document.access, access(&["group:hr"]));
    }
    let mut cleared = version("/a.md", &["three"]);
    cleared.tags = Some(words(&[]));
    bench.publish(cleared).await;
    let document = bench.catalog.document(&bench.owner(), id).await.unwrap();
    assert_eq!(document.tags, words(&[]));
}

pub(crate) async fn changed_content_makes_a_version_and_keeps_the_old_one(bench: Bench<'_>) {
    let first = bench.publish(version("/a.md", &["one", "two"])).await;
    bench.clock.advance_ms(1000);
    let second = bench
        .publish(version("/a.md", &["one", "zwei", "three"]))
        .await;
    assert_eq!(second.document, first.document);
    assert_eq!(second.version, VersionNo(2));
    assert!(!second.is_new && second.seq > first.seq);
    let owner = bench.owner();
    let document = bench
        .catalog
        .document(&owner, first.document)
        .await
        .unwrap();
    assert_eq!((document.version, document.n_chunks), (VersionNo(2), 3));
    assert_eq!(document.updated_at.0, document.created_at.0 + 1000);
    let text = |version, end| {
        let span = CharSpan::new(0, end);
        bench
            .catalog
            .text(&owner, first.document, VersionNo(version), span)
    };
    assert_eq!(text(1, 8).await.unwrap(), "one\n\ntwo");
    assert_eq!(text(2, 9).await.unwrap(), "one\n\nzwei");
    assert_eq!(
        text(2, 99).await.unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(text(3, 1).await.unwrap_err().kind(), ErrorKind::NotFound);
    let passages = bench
        .catalog
        .chunks(&owner, first.document, None, 10)
        .await
        .unwrap();
    assert_eq!(
        passages.iter().map(|p| p.chunk_no).collect::<Vec<_>>(),
        [2, 3, 4].map(|no| ChunkNo(passages[0].chunk_no.0 + no - 2)),
    );
    assert!(passages.iter().all(|p| p.id.version == VersionNo(2)));
}

pub(crate) async fn another_pipeline_makes_a_version_of_the_same_content(bench: Bench<'_>) {
    let mut new = version("/a.md", &["one"]);
    let first = bench.publish(new.clone()).await;
    new.fingerprint = Fingerprint::of(b"pipeline 2");
    let second = bench.publish(new.clone()).await;
    assert_eq!(
        (second.document, second.version),
        (first.document, VersionNo(2))
    );
    let known = bench
        .catalog
        .known_items(bench.system(), "default", &new.source, "")
        .await
        .unwrap();
    assert_eq!(known[0].fingerprint, new.fingerprint);
    assert_eq!(known[0].blob, new.blob);
}

pub(crate) async fn a_moved_document_keeps_its_id_and_its_place_is_free(bench: Bench<'_>) {
    let first = bench.publish(version("/old.md", &["one"])).await;
    let mut moved = version("/new.md", &["one"]);
    moved.moved_from = Some(first.document);
    let moved = bench.publish(moved).await;
    assert_eq!(
        (moved.document, moved.version),
        (first.document, VersionNo(1))
    );
    assert!(moved.seq > first.seq && !moved.is_new);
    let other = bench.publish(version("/old.md", &["two"])).await;
    assert!(other.is_new);
    assert_ne!(other.document, first.document);
    let seq = bench
        .catalog
        .move_document(
            bench.system(),
            first.document,
            "/third.md",
            "file:///third.md",
        )
        .await
        .unwrap();
    assert!(seq > other.seq);
    let document = bench
        .catalog
        .document(&bench.owner(), first.document)
        .await
        .unwrap();
    assert_eq!(
        (document.key.as_str(), document.uri.as_str()),
        ("/third.md", "file:///third.md")
    );
}

pub(crate) async fn a_move_to_a_taken_key_is_refused(bench: Bench<'_>) {
    let first = bench.publish(version("/a.md", &["one"])).await;
    bench.publish(version("/b.md", &["two"])).await;
    let system = bench.system();
    let refused = bench
        .catalog
        .move_document(system, first.document, "/b.md", "x")
        .await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
    let mut moved = version("/b.md", &["one"]);
    moved.moved_from = Some(first.document);
    let refused = bench.catalog.publish_version(system, moved.clone()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
    moved.key = "/c.md".to_owned();
    moved.collection = "elsewhere".to_owned();
    let refused = bench.catalog.publish_version(system, moved.clone()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
    moved.moved_from = Some(cairn_types::DocumentId(77));
    let refused = bench.catalog.publish_version(system, moved).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::NotFound);
    // A refused publication leaves nothing behind, not even the collection it named.
    let collections = bench.catalog.collections(&bench.owner()).await.unwrap();
    assert_eq!(collections.len(), 1);
}

pub(crate) async fn a_batch_is_published_but_for_what_is_refused(bench: Bench<'_>) {
    let first = bench.publish(version("/a.md", &["one"])).await;
    let system = bench.system();
    let mut moved = version("/c.md", &["one"]);
    moved.moved_from = Some(first.document);
    moved.collection = "elsewhere".to_owned();
    let vectors = vec![(InputHash::of(b"two"), vec![0; 4])];
    let batch = PublishBatch {
        vectors: Some((space("m"), vectors)),
        versions: vec![
            version("/b.md", &["two"]),
            version("/a.md", &["one, changed"]),
            moved,
            version("/d.md", &["four"]),
        ],
    };
    let done = bench.catalog.publish_batch(system, batch).await.unwrap();
    let [Ok(added), Ok(changed), Err(refused), Ok(last)] = &done.outcomes[..] else {
        panic!("{done:?}");
    };
    assert!(added.is_new && !changed.is_new && last.is_new);
    assert_eq!(changed.document, first.document);
    assert_eq!(
        (added.seq.0, changed.seq.0, last.seq.0),
        (first.seq.0 + 1, first.seq.0 + 2, first.seq.0 + 3)
    );
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert_eq!(bench.catalog.head(system).await.unwrap(), last.seq);
    let owner = bench.owner();
    assert_eq!(bench.catalog.collections(&owner).await.unwrap().len(), 1);
    let inputs = ["two", "one, changed"].map(|text| InputHash::of(text.as_bytes()));
    let missing = bench
        .catalog
        .missing_vectors(system, &space("m"), &inputs)
        .await
        .unwrap();
    assert_eq!(missing, inputs[1..]);
    // Vectors that are refused are refused with all that came along.
    let batch = PublishBatch {
        vectors: Some((space("m"), vec![(inputs[1], vec![0; 3])])),
        versions: vec![version("/e.md", &["five"])],
    };
    let refused = bench.catalog.publish_batch(system, batch).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(bench.catalog.head(system).await.unwrap(), last.seq);
}

pub(crate) async fn deletion_is_soft_and_restoring_brings_the_same_chunks_back(bench: Bench<'_>) {
    let published = bench.publish(version("/a.md", &["one", "two"])).await;
    let (owner, id) = (bench.owner(), published.document);
    let before = bench.catalog.chunks(&owner, id, None, 10).await.unwrap();
    let numbers: Vec<_> = before.iter().map(|passage| passage.chunk_no).collect();
    bench.clock.advance_ms(7);
    let deleted = bench
        .catalog
        .delete_documents(&owner, &[id, id])
        .await
        .unwrap();
    assert!(deleted > published.seq);
    let document = bench.catalog.document(&owner, id).await.unwrap();
    assert_eq!(
        document.deleted_at.map(|at| at.0),
        Some(document.created_at.0 + 7)
    );
    assert!(
        bench
            .catalog
            .hydrate(&owner, &numbers)
            .await
            .unwrap()
            .is_empty()
    );
    for error in [
        bench.catalog.chunks(&owner, id, None, 1).await.map(|_| ()),
        bench
            .catalog
            .text(&owner, id, VersionNo(1), CharSpan::new(0, 1))
            .await
            .map(|_| ()),
        bench
            .catalog
            .elements(&owner, id, VersionNo(1))
            .await
            .map(|_| ()),
    ] {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
    }
    let again = bench.catalog.delete_documents(&owner, &[id]).await.unwrap();
    assert_eq!(again, deleted);
    let restored = bench.catalog.restore_document(&owner, id).await.unwrap();
    assert!(restored > deleted);
    assert_eq!(
        bench.catalog.restore_document(&owner, id).await.unwrap(),
        restored
    );
    assert_eq!(
        bench.catalog.chunks(&owner, id, None, 10).await.unwrap(),
        before
    );
    assert_eq!(
        bench.catalog.hydrate(&owner, &numbers).await.unwrap().len(),
        2
    );
}

pub(crate) async fn a_deleted_key_can_be_used_again(bench: Bench<'_>) {
    let (owner, system) = (bench.owner(), bench.system());
    let old = bench.publish(version("/a.md", &["old"])).await;
    let other = bench.publish(version("/b.md", &["other"])).await;
    bench
        .catalog
        .delete_documents(&owner, &[old.document])
        .await
        .unwrap();
    bench
        .catalog
        .move_document(system, other.document, "/a.md", "u")
        .await
        .unwrap();
    let refused = bench.catalog.restore_document(&owner, old.document).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
    // A publication at the key is about the living document.
    let published = bench.publish(version("/a.md", &["new"])).await;
    assert_eq!(published.document, other.document);
    let known = bench
        .catalog
        .known_items(system, "default", &cairn_types::Source::files(), "/a.md")
        .await
        .unwrap();
    assert_eq!(
        known.iter().map(|item| item.document).collect::<Vec<_>>(),
        [other.document]
    );
}

pub(crate) async fn publishing_restores_a_deleted_document(bench: Bench<'_>) {
    let owner = bench.owner();
    let first = bench.publish(version("/a.md", &["one"])).await;
    for (paragraph, expected) in [("one", VersionNo(1)), ("two", VersionNo(2))] {
        bench
            .catalog
            .delete_documents(&owner, &[first.document])
            .await
            .unwrap();
        let again = bench.publish(version("/a.md", &[paragraph])).await;
        assert_eq!((again.document, again.version), (first.document, expected));
        assert!(!again.is_new);
        let document = bench
            .catalog
            .document(&owner, first.document)
            .await
            .unwrap();
        assert_eq!(document.deleted_at, None);
        let chunks = bench
            .catalog
            .chunks(&owner, first.document, None, 9)
            .await
            .unwrap();
        assert_eq!(chunks[0].text, paragraph);
    }
}

pub(crate) async fn naughty_text_is_stored_as_it_is(bench: Bench<'_>) {
    let naughty = [
        "a\0b",
        "'; DROP TABLE documents; --",
        "\u{202e}rtl\u{feff}",
        "👩‍👩‍👧‍👦",
        "%_*?[",
        "\u{fffd}\u{1f4a9}\r\n\t",
    ];
    for (n, text) in naughty.iter().enumerate() {
        let mut new = version(&format!("/{n}{text}"), &[text, "tail"]);
        new.title = (*text).to_owned();
        new.tags = Some(words(&[text]));
        let published = bench.publish(new.clone()).await;
        let owner = bench.owner();
        let document = bench
            .catalog
            .document(&owner, published.document)
            .await
            .unwrap();
        assert_eq!((&document.title, &document.key), (&new.title, &new.key));
        assert_eq!(Some(&document.tags), new.tags.as_ref());
        let chunks = bench
            .catalog
            .chunks(&owner, published.document, None, 9)
            .await
            .unwrap();
        assert_eq!(chunks[0].text, *text);
        assert_eq!(chunks[1].text, "tail");
        assert!(!bench.publish(new).await.is_new);
    }
}

pub(crate) async fn what_cannot_be_read_back_is_refused_whole(bench: Bench<'_>) {
    let sound = || version("/a.md", &["one", "two"]);
    let mut broken = Vec::new();
    let mut past_the_end = sound();
    past_the_end.chunks[1].meta.span = CharSpan::new(5, 9);
    broken.push(past_the_end);
    let mut element_past_the_end = sound();
    element_past_the_end.elements[1].1 = CharSpan::new(8, 9);
    broken.push(element_past_the_end);
    let mut wrong_order = sound();
    wrong_order.chunks.swap(0, 1);
    broken.push(wrong_order);
    let mut no_key = sound();
    no_key.key.clear();
    broken.push(no_key);
    let mut no_collection = sound();
    no_collection.collection.clear();
    broken.push(no_collection);
    let mut control = sound();
    control.collection = "a\nb".to_owned();
    broken.push(control);
    for version in broken {
        let refused = bench.catalog.publish_version(bench.system(), version).await;
        let error = refused.unwrap_err();
        assert!(matches!(error, CatalogError::Invalid(_)), "{error}");
    }
    let filter = DocumentFilter::default();
    let page = bench
        .catalog
        .documents(&bench.owner(), &filter, true, None, 10)
        .await
        .unwrap();
    assert_eq!(page.documents, []);
    assert_eq!(bench.catalog.head(bench.system()).await.unwrap().0, 0);
    // The refused publications used up no chunk numbers.
    let published = bench.publish(sound()).await;
    let chunks = bench
        .catalog
        .chunks(&bench.owner(), published.document, None, 9)
        .await
        .unwrap();
    assert_eq!(chunks[0].chunk_no, ChunkNo(0));
}

pub(crate) async fn elements_and_spans_are_those_published(bench: Bench<'_>) {
    let mut new = version("/a.md", &["Über", "日本", "end"]);
    new.elements[0].0.level = 2;
    new.elements[1].0.bbox = Some(cairn_types::BoundingBox {
        x0: 0.1,
        y0: 1.5,
        x1: 2.0,
        y1: 3.25,
    });
    new.elements[1].0.label = Some("sheet".to_owned());
    // An element whose own text is not what stands at its span keeps its own text.
    new.elements[2].0.text = "other".to_owned();
    new.blob = BlobHash::of(b"bytes");
    let published = bench.publish(new.clone()).await;
    let stored = bench
        .catalog
        .elements(&bench.owner(), published.document, VersionNo(1))
        .await
        .unwrap();
    assert_eq!(stored.elements, new.elements);
    assert_eq!(stored.n_chars, new.text.chars().count());
    let original = bench
        .catalog
        .original(&bench.owner(), published.document, VersionNo(1))
        .await
        .unwrap();
    assert_eq!(
        (original.blob, original.size_bytes, original.key.as_str()),
        (new.blob, new.size_bytes, "/a.md")
    );
    let other = bench
        .catalog
        .original(&bench.owner(), published.document, VersionNo(2))
        .await;
    assert!(
        matches!(other, Err(CatalogError::NotFound { .. })),
        "{other:?}"
    );
    // The same content read differently by the same pipeline does not take over the other's text.
    let mut differently = version("/b.md", &["Ueber"]);
    (differently.blob, differently.fingerprint) = (new.blob, new.fingerprint);
    let other = bench.publish(differently).await;
    let chunks = bench
        .catalog
        .chunks(&bench.owner(), other.document, None, 9)
        .await
        .unwrap();
    assert_eq!(chunks[0].text, "Ueber");
}
