//! Who reads what: nothing outside the scope, and no difference between "not there" and "not yours".

use cairn_testkit::{access, owner_of, scope};
use cairn_types::ports::CatalogError;
use cairn_types::{
    AccessList, CharSpan, ChunkNo, DocumentFilter, DocumentId, Scope, Timestamp, VersionNo,
};

use crate::fixtures::{Bench, system, version, version_for, words};

async fn listed(bench: &Bench<'_>, scope: &Scope, filter: &DocumentFilter) -> Vec<String> {
    let page = bench
        .catalog
        .documents(scope, filter, false, None, 100)
        .await
        .unwrap();
    let mut keys: Vec<_> = page
        .documents
        .into_iter()
        .map(|document| document.key)
        .collect();
    keys.sort();
    keys
}

pub(crate) async fn nobody_reads_past_their_scope(bench: Bench<'_>) {
    for (key, list) in [
        ("/all", access(&["everyone"])),
        ("/hr", access(&["group:hr"])),
        ("/anna", access(&["user:anna"])),
        ("/it", access(&["group:it", "user:ben"])),
        ("/owner", AccessList::owner_only()),
    ] {
        bench.publish(version_for(key, &[key], list)).await;
    }
    let foreign = version_for("/foreign", &["foreign"], access(&["everyone", "user:anna"]));
    bench
        .catalog
        .publish_version(system(bench.two), foreign)
        .await
        .unwrap();
    let ben = scope(bench.one, &["user:ben"]);
    let nobody = scope(bench.one, &[]);
    let numbers: Vec<_> = (0..20).map(ChunkNo).collect();
    for (scope, expected) in [
        (bench.owner(), vec!["/all", "/anna", "/hr", "/it", "/owner"]),
        (bench.anna(), vec!["/all", "/anna", "/hr"]),
        (ben, vec!["/all", "/it"]),
        (nobody, vec!["/all"]),
        (bench.outsider(), vec!["/foreign"]),
        (owner_of(bench.two), vec!["/foreign"]),
    ] {
        assert_eq!(
            listed(&bench, &scope, &DocumentFilter::default()).await,
            expected
        );
        let passages = bench.catalog.hydrate(&scope, &numbers).await.unwrap();
        let mut keys: Vec<_> = passages.values().map(|p| p.document.key.clone()).collect();
        keys.sort();
        assert_eq!(keys, expected);
    }
}

pub(crate) async fn revoking_takes_effect_at_once(bench: Bench<'_>) {
    let published = bench.publish(version("/a", &["a"])).await;
    let anna = bench.anna();
    let read = || bench.catalog.hydrate(&anna, &[ChunkNo(0)]);
    assert_eq!(read().await.unwrap().len(), 1);
    let set = |list| {
        bench
            .catalog
            .set_metadata(&anna, published.document, None, Some(list))
    };
    let seq = set(access(&["group:it"])).await.unwrap();
    assert!(seq > published.seq);
    assert!(read().await.unwrap().is_empty());
    assert!(set(access(&["user:anna"])).await.is_err());
    let owner = bench.owner();
    let seq = bench
        .catalog
        .set_metadata(
            &owner,
            published.document,
            Some(words(&["t"])),
            Some(access(&["user:anna"])),
        )
        .await
        .unwrap();
    assert_eq!(read().await.unwrap().len(), 1);
    let same = bench
        .catalog
        .set_metadata(&owner, published.document, Some(words(&["t"])), None)
        .await
        .unwrap();
    assert_eq!(same, seq);
    // A publication that names no access list leaves the one that was set.
    bench.publish(version("/a", &["a, changed"])).await;
    let document = bench
        .catalog
        .document(&owner, published.document)
        .await
        .unwrap();
    assert_eq!(document.access, access(&["user:anna"]));
}

pub(crate) async fn a_document_one_may_not_know_reads_like_none(bench: Bench<'_>) {
    let hidden = bench
        .publish(version_for("/h", &["h"], AccessList::owner_only()))
        .await
        .document;
    let nobody = DocumentId(hidden.0 ^ 1);
    for scope in [bench.anna(), bench.outsider(), owner_of(bench.two)] {
        for id in [hidden, nobody] {
            let span = CharSpan::new(0, 1);
            let first = VersionNo(1);
            for error in [
                bench.catalog.document(&scope, id).await.map(|_| ()),
                bench.catalog.chunks(&scope, id, None, 1).await.map(|_| ()),
                bench
                    .catalog
                    .text(&scope, id, first, span)
                    .await
                    .map(|_| ()),
                bench.catalog.elements(&scope, id, first).await.map(|_| ()),
                bench
                    .catalog
                    .set_metadata(&scope, id, None, None)
                    .await
                    .map(|_| ()),
                bench
                    .catalog
                    .delete_documents(&scope, &[id])
                    .await
                    .map(|_| ()),
                bench.catalog.restore_document(&scope, id).await.map(|_| ()),
            ] {
                let error = error.unwrap_err();
                let CatalogError::NotFound { what, id: named } = error else {
                    panic!("{error}");
                };
                assert_eq!((what, named), ("document", id.to_string()));
            }
        }
    }
}

pub(crate) async fn pages_join_to_the_whole_list(bench: Bench<'_>) {
    for n in 0..23 {
        let list = if n % 3 == 0 {
            access(&["group:hr"])
        } else {
            access(&["group:it"])
        };
        bench
            .publish(version_for(&format!("/{n}"), &["x"], list))
            .await;
    }
    let filter = DocumentFilter::default();
    for (scope, expected) in [
        (bench.owner(), 23),
        (bench.anna(), 8),
        (bench.outsider(), 0),
    ] {
        for limit in [1, 3, 8, 23, 100] {
            let (mut after, mut ids) = (None, Vec::new());
            loop {
                let page = bench
                    .catalog
                    .documents(&scope, &filter, false, after, limit)
                    .await
                    .unwrap();
                assert!(page.documents.len() <= limit);
                ids.extend(page.documents.iter().map(|document| document.id));
                after = page.next;
                if after.is_none() {
                    break;
                }
                assert_eq!(page.documents.len(), limit);
            }
            assert_eq!(ids.len(), expected);
            assert!(ids.is_sorted());
        }
    }
}

pub(crate) async fn filters_limit_the_list(bench: Bench<'_>) {
    for (key, collection, media_type, tags, modified_at) in [
        (
            "/d/a.md",
            "one",
            "text/markdown",
            words(&["x", "y"]),
            Some(10),
        ),
        (
            "/d/sub/b.pdf",
            "one",
            "application/pdf",
            words(&["x"]),
            Some(20),
        ),
        ("/e/c.txt", "two", "text/plain", words(&[]), None),
    ] {
        let mut new = version(key, &[key]);
        new.collection = collection.to_owned();
        new.media_type = media_type.to_owned();
        new.tags = Some(tags);
        new.modified_at = modified_at.map(Timestamp);
        bench.publish(new).await;
    }
    let (a, b, c) = ("/d/a.md", "/d/sub/b.pdf", "/e/c.txt");
    let none = DocumentFilter::default;
    let path = |pattern: &str| DocumentFilter {
        path: Some(pattern.to_owned()),
        ..none()
    };
    let owned = |items: &[&str]| {
        items
            .iter()
            .map(|item| (*item).to_owned())
            .collect::<Vec<_>>()
    };
    for (filter, expected) in [
        (none(), vec![a, b, c]),
        (
            DocumentFilter {
                collections: owned(&["one"]),
                ..none()
            },
            vec![a, b],
        ),
        (
            DocumentFilter {
                collections: owned(&["two", "one"]),
                ..none()
            },
            vec![a, b, c],
        ),
        (
            DocumentFilter {
                collections: owned(&["three"]),
                ..none()
            },
            vec![],
        ),
        (
            DocumentFilter {
                tags: owned(&["x"]),
                ..none()
            },
            vec![a, b],
        ),
        (
            DocumentFilter {
                tags: owned(&["x", "y"]),
                ..none()
            },
            vec![a],
        ),
        (
            DocumentFilter {
                media_types: owned(&["text/*"]),
                ..none()
            },
            vec![a, c],
        ),
        (
            DocumentFilter {
                media_types: owned(&["application/pdf", "text/plain"]),
                ..none()
            },
            vec![b, c],
        ),
        (path("/d/*"), vec![a]),
        (path("/d/**"), vec![a, b]),
        (path("**/*.pdf"), vec![b]),
        (path("file:///e/*"), vec![c]),
        (
            DocumentFilter {
                since: Some(Timestamp(20)),
                ..none()
            },
            vec![b, c],
        ),
        (
            DocumentFilter {
                until: Some(Timestamp(20)),
                ..none()
            },
            vec![a],
        ),
        (
            DocumentFilter {
                tags: owned(&["x"]),
                since: Some(Timestamp(11)),
                ..none()
            },
            vec![b],
        ),
    ] {
        assert_eq!(
            listed(&bench, &bench.owner(), &filter).await,
            expected,
            "{filter:?}"
        );
    }
    let bad = bench
        .catalog
        .documents(&bench.owner(), &path("[a"), false, None, 1)
        .await;
    assert!(matches!(bad.unwrap_err(), CatalogError::Invalid(_)));
}

pub(crate) async fn collections_count_what_the_scope_may_read(bench: Bench<'_>) {
    for (key, collection, list) in [
        ("/1", "b", access(&["everyone"])),
        ("/2", "b", access(&["group:hr"])),
        ("/3", "b", access(&["group:it"])),
        ("/4", "a", access(&["group:it"])),
        ("/5", "c", access(&["everyone"])),
    ] {
        let mut new = version_for(key, &["x", key], list);
        new.collection = collection.to_owned();
        bench.publish(new).await;
    }
    let page = bench
        .catalog
        .documents(
            &bench.owner(),
            &DocumentFilter {
                collections: vec!["c".to_owned()],
                ..DocumentFilter::default()
            },
            false,
            None,
            9,
        )
        .await
        .unwrap();
    bench
        .catalog
        .delete_documents(&bench.owner(), &[page.documents[0].id])
        .await
        .unwrap();
    for (scope, expected) in [
        (bench.owner(), vec![("a", 1, 2), ("b", 3, 6), ("c", 0, 0)]),
        (bench.anna(), vec![("b", 2, 4)]),
        (bench.outsider(), vec![]),
        (owner_of(bench.two), vec![]),
    ] {
        let collections = bench.catalog.collections(&scope).await.unwrap();
        let counts: Vec<_> = collections
            .iter()
            .map(|found| (found.name.as_str(), found.n_documents, found.n_chunks))
            .collect();
        assert_eq!(counts, expected);
    }
}

pub(crate) async fn hydrate_gives_only_current_versions(bench: Bench<'_>) {
    let owner = bench.owner();
    bench.publish(version("/a", &["a0", "a1"])).await;
    bench.publish(version("/a", &["a0", "new"])).await;
    let numbers: Vec<_> = [3, 1, 0, 2, 2, 77, u32::MAX].map(ChunkNo).to_vec();
    let passages = bench.catalog.hydrate(&owner, &numbers).await.unwrap();
    let mut found: Vec<_> = passages
        .iter()
        .map(|(no, p)| (no.0, p.text.as_str()))
        .collect();
    found.sort_unstable();
    assert_eq!(found, [(2, "a0"), (3, "new")]);
    for (number, passage) in &passages {
        assert_eq!(*number, passage.chunk_no);
        assert_eq!(passage.id.version, VersionNo(2));
    }
    assert!(bench.catalog.hydrate(&owner, &[]).await.unwrap().is_empty());
}

pub(crate) async fn writes_pass_the_scope_too(bench: Bench<'_>) {
    let (owner, anna) = (bench.owner(), bench.anna());
    let mine = bench.publish(version("/mine", &["m"])).await.document;
    let hidden = bench
        .publish(version_for("/h", &["h"], access(&["group:it"])))
        .await
        .document;
    // One of them is not anna's: nothing is deleted.
    let refused = bench.catalog.delete_documents(&anna, &[mine, hidden]).await;
    assert!(matches!(
        refused.unwrap_err(),
        CatalogError::NotFound { .. }
    ));
    for id in [mine, hidden] {
        assert_eq!(
            bench.catalog.document(&owner, id).await.unwrap().deleted_at,
            None
        );
    }
    assert_eq!(bench.catalog.head(bench.system()).await.unwrap().0, 2);
    bench
        .catalog
        .delete_documents(&anna, &[mine])
        .await
        .unwrap();
    let filter = DocumentFilter::default();
    for (deleted, expected) in [(false, 0), (true, 1)] {
        let page = bench
            .catalog
            .documents(&anna, &filter, deleted, None, 9)
            .await
            .unwrap();
        assert_eq!(page.documents.len(), expected);
    }
    let head = bench.catalog.head(bench.system()).await.unwrap();
    assert_eq!(
        bench.catalog.delete_documents(&anna, &[]).await.unwrap(),
        head
    );
}
