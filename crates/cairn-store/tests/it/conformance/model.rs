//! Random operations on a catalog and on a simple model in memory must always show the same to everybody.
//!
//! The model keeps whole documents in a vector and filters by brute force. After every few operations all
//! that four readers can see is compared: documents, collections, chunks, passages, texts, jobs; and what the
//! indexes see. Some operations close the catalog and open it again.

use std::collections::{BTreeMap, BTreeSet};

use cairn_testkit::{access, owner_of, scope};
use cairn_types::ports::{Catalog, CatalogError};
use cairn_types::{
    AccessList, CharSpan, ChunkNo, DocumentFilter, DocumentId, ErrorKind, Fingerprint, HasKind,
    JobId, JobKind, NewJob, Scope, Seq, TenantId, VersionNo,
};
use proptest::prelude::*;

use crate::fixtures::{system, version, words};

/// One random operation. Numbers are reduced to what exists.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Publish {
        tenant: usize,
        collection: usize,
        key: usize,
        content: usize,
        pipeline: usize,
        access: Option<usize>,
        tag: Option<usize>,
        moved_from: Option<usize>,
    },
    Delete {
        reader: usize,
        documents: Vec<usize>,
    },
    Restore {
        reader: usize,
        document: usize,
    },
    SetMetadata {
        reader: usize,
        document: usize,
        access: Option<usize>,
        tag: Option<usize>,
    },
    Move {
        tenant: usize,
        document: usize,
        key: usize,
    },
    Accept {
        tenant: usize,
        access: usize,
    },
    Reopen,
}

const LISTS: [&[&str]; 5] = [
    &["everyone"],
    &["group:hr"],
    &["user:anna", "group:it"],
    &["user:ben"],
    &[],
];
const COLLECTIONS: [&str; 2] = ["default", "second"];

pub(crate) fn ops() -> impl Strategy<Value = Vec<Op>> {
    let publish = (
        0..4_usize,
        0..2_usize,
        0..4_usize,
        0..5_usize,
        0..8_usize,
        prop::option::of(0..LISTS.len()),
        prop::option::of(0..3_usize),
        prop::option::weighted(0.15, 0..8_usize),
    );
    let publish = publish.prop_map(
        |(tenant, collection, key, content, pipeline, access, tag, moved_from)| Op::Publish {
            tenant: usize::from(tenant == 3),
            collection,
            key,
            content,
            pipeline: usize::from(pipeline == 7),
            access,
            tag,
            moved_from,
        },
    );
    let delete = (0..4_usize, prop::collection::vec(0..12_usize, 0..3));
    let metadata = (
        0..4_usize,
        0..12_usize,
        prop::option::of(0..LISTS.len()),
        prop::option::of(0..3_usize),
    );
    let op = prop_oneof![
        8 => publish,
        2 => delete.prop_map(|(reader, documents)| Op::Delete { reader, documents }),
        2 => (0..4_usize, 0..12_usize).prop_map(|(reader, document)| Op::Restore { reader, document }),
        2 => metadata.prop_map(|(reader, document, access, tag)| Op::SetMetadata {
            reader, document, access, tag
        }),
        1 => (0..2_usize, 0..12_usize, 0..4_usize).prop_map(|(tenant, document, key)| Op::Move {
            tenant, document, key
        }),
        1 => (0..2_usize, 0..LISTS.len()).prop_map(|(tenant, access)| Op::Accept { tenant, access }),
        1 => Just(Op::Reopen),
    ];
    prop::collection::vec(op, 1..40)
}

struct ModelVersion {
    content: usize,
    pipeline: usize,
    first_chunk: u32,
}

struct ModelDocument {
    tenant: usize,
    id: DocumentId,
    collection: usize,
    key: String,
    tags: BTreeSet<String>,
    access: AccessList,
    versions: Vec<ModelVersion>,
    is_deleted: bool,
    changed: u64,
}

#[derive(Default)]
struct Model {
    documents: Vec<ModelDocument>,
    collections: [BTreeSet<usize>; 2],
    /// Documents changed, in order.
    changes: [Vec<DocumentId>; 2],
    next_chunk: [u32; 2],
    jobs: Vec<(usize, AccessList, JobId)>,
}

fn tag_words(tag: usize) -> BTreeSet<String> {
    words(&[&format!("tag {tag}")])
}

/// Four chunks at most; contents share paragraphs, and content 0 has none.
fn paragraphs(content: usize) -> Vec<String> {
    (0..content)
        .map(|n| {
            if n == 0 {
                "shared, größer".to_owned()
            } else {
                format!("{content}.{n} 日本")
            }
        })
        .collect()
}

impl Model {
    fn change(&mut self, at: usize) -> Seq {
        let document = &mut self.documents[at];
        let changes = &mut self.changes[document.tenant];
        changes.push(document.id);
        document.changed = changes.len() as u64;
        Seq(document.changed)
    }

    fn at_key(&self, tenant: usize, collection: usize, key: &str) -> Option<usize> {
        let there = |document: &ModelDocument| {
            (document.tenant, document.collection, document.key.as_str())
                == (tenant, collection, key)
        };
        let all = self
            .documents
            .iter()
            .enumerate()
            .filter(|(_, document)| there(document));
        all.max_by_key(|(_, document)| (!document.is_deleted, document.changed))
            .map(|(at, _)| at)
    }

    fn living_elsewhere(&self, at: usize, key: &str) -> bool {
        let document = &self.documents[at];
        let there = self.at_key(document.tenant, document.collection, key);
        there.is_some_and(|there| there != at && !self.documents[there].is_deleted)
    }

    fn give_chunks(&mut self, tenant: usize, content: usize) -> u32 {
        let first = self.next_chunk[tenant];
        self.next_chunk[tenant] += u32::try_from(content).unwrap();
        first
    }
}

/// Runs the operations on catalogs that `open` opens (always the same one) and compares as it goes.
pub(crate) async fn equals_the_model(ops: Vec<Op>, open: impl Fn() -> Box<dyn Catalog>) {
    let mut catalog = open();
    let mut tenants = Vec::new();
    for name in ["one", "two"] {
        tenants.push(catalog.ensure_tenant(name).await.unwrap());
    }
    let mut model = Model::default();
    let n_ops = ops.len();
    for (n, op) in ops.into_iter().enumerate() {
        if matches!(op, Op::Reopen) {
            drop(catalog);
            catalog = open();
        } else {
            let case = format!("{op:?}");
            let (wanted, found) = run(&*catalog, &tenants, &mut model, op).await;
            assert_eq!(found, wanted, "{case}");
        }
        if n % 8 == 7 || n + 1 == n_ops {
            for (tenant, reader) in readers(&tenants) {
                compare(&*catalog, &tenants, &model, tenant, &reader).await;
            }
            for tenant in 0..2 {
                compare_index(&*catalog, &tenants, &model, tenant).await;
            }
        }
    }
}

fn readers(tenants: &[TenantId]) -> [(usize, Scope); 4] {
    [
        (0, owner_of(tenants[0])),
        (0, scope(tenants[0], &["user:anna", "group:hr"])),
        (0, scope(tenants[0], &["user:ben"])),
        (1, scope(tenants[1], &["user:anna", "group:hr"])),
    ]
}

type Outcome = Result<Seq, ErrorKind>;

/// Does one operation on both; gives what the model expects and what the catalog answered.
async fn run(
    catalog: &dyn Catalog,
    tenants: &[TenantId],
    model: &mut Model,
    op: Op,
) -> (Outcome, Outcome) {
    let kind = |error: CatalogError| error.kind();
    let n_documents = model.documents.len();
    let pick = |n: usize| (n_documents > 0).then(|| n % n_documents);
    // An id that the model knows, or one that nobody knows.
    let id =
        |model: &Model, at: Option<usize>| at.map_or(DocumentId(77), |at| model.documents[at].id);
    let may = |model: &Model, reader: &(usize, Scope), at: Option<usize>| {
        at.is_some_and(|at| {
            let document = &model.documents[at];
            document.tenant == reader.0 && reader.1.permits(&document.access)
        })
    };
    match op {
        Op::Publish { .. } => publish(catalog, tenants, model, op).await,
        Op::Delete { reader, documents } => {
            let reader = &readers(tenants)[reader];
            let at: Vec<_> = documents.into_iter().map(pick).collect();
            let ids: Vec<_> = at.iter().map(|at| id(model, *at)).collect();
            let found = catalog
                .delete_documents(&reader.1, &ids)
                .await
                .map_err(kind);
            if !at.iter().all(|at| may(model, reader, *at)) {
                return (Err(ErrorKind::NotFound), found);
            }
            let mut last = None;
            for at in at.into_iter().flatten() {
                if !model.documents[at].is_deleted {
                    model.documents[at].is_deleted = true;
                    model.change(at);
                }
                last = last.max(Some(Seq(model.documents[at].changed)));
            }
            let head = Seq(model.changes[reader.0].len() as u64);
            (Ok(last.unwrap_or(head)), found)
        }
        Op::Restore { reader, document } => {
            let reader = &readers(tenants)[reader];
            let at = pick(document);
            let found = catalog
                .restore_document(&reader.1, id(model, at))
                .await
                .map_err(kind);
            let Some(at) = at.filter(|at| may(model, reader, Some(*at))) else {
                return (Err(ErrorKind::NotFound), found);
            };
            if !model.documents[at].is_deleted {
                return (Ok(Seq(model.documents[at].changed)), found);
            }
            let key = model.documents[at].key.clone();
            if model.living_elsewhere(at, &key) {
                return (Err(ErrorKind::Conflict), found);
            }
            model.documents[at].is_deleted = false;
            (Ok(model.change(at)), found)
        }
        Op::SetMetadata {
            reader,
            document,
            access: list,
            tag,
        } => {
            let reader = &readers(tenants)[reader];
            let at = pick(document);
            let tags = tag.map(tag_words);
            let list = list.map(|list| access(LISTS[list]));
            let found = catalog
                .set_metadata(&reader.1, id(model, at), tags.clone(), list.clone())
                .await
                .map_err(kind);
            let Some(at) = at.filter(|at| may(model, reader, Some(*at))) else {
                return (Err(ErrorKind::NotFound), found);
            };
            let document = &mut model.documents[at];
            let tags = tags.unwrap_or_else(|| document.tags.clone());
            let list = list.unwrap_or_else(|| document.access.clone());
            if (&tags, &list) == (&document.tags, &document.access) {
                return (Ok(Seq(document.changed)), found);
            }
            (document.tags, document.access) = (tags, list);
            (Ok(model.change(at)), found)
        }
        Op::Move {
            tenant,
            document,
            key,
        } => {
            let at = pick(document);
            let key = format!("/{key}");
            let uri = format!("file://{key}");
            let found = catalog
                .move_document(system(tenants[tenant]), id(model, at), &key, &uri)
                .await
                .map_err(kind);
            let Some(at) = at.filter(|at| model.documents[*at].tenant == tenant) else {
                return (Err(ErrorKind::NotFound), found);
            };
            if model.documents[at].key == key {
                return (Ok(Seq(model.documents[at].changed)), found);
            }
            if !model.documents[at].is_deleted && model.living_elsewhere(at, &key) {
                return (Err(ErrorKind::Conflict), found);
            }
            model.documents[at].key = key;
            (Ok(model.change(at)), found)
        }
        Op::Accept {
            tenant,
            access: list,
        } => {
            let new = NewJob {
                tenant: tenants[tenant],
                kind: JobKind::Files,
                access: access(LISTS[list]),
                collection: "default".to_owned(),
                tags: words(&[]),
                document_access: None,
                items: Vec::new(),
            };
            let accepted = catalog.accept(new.clone()).await.unwrap();
            model.jobs.push((tenant, new.access, accepted));
            (Ok(Seq(0)), Ok(Seq(0)))
        }
        Op::Reopen => unreachable!("the caller reopens"),
    }
}

async fn publish(
    catalog: &dyn Catalog,
    tenants: &[TenantId],
    model: &mut Model,
    op: Op,
) -> (Outcome, Outcome) {
    let Op::Publish {
        tenant,
        collection,
        key,
        content,
        pipeline,
        access: list,
        tag,
        moved_from,
    } = op
    else {
        unreachable!("the caller passes a publication");
    };
    let key = format!("/{key}");
    let texts = paragraphs(content);
    let mut new = version(&key, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    new.collection = COLLECTIONS[collection].to_owned();
    // Not by key: a moved document keeps its title, and the same content with another title would be a change.
    new.title = "title".to_owned();
    new.access = list.map(|list| access(LISTS[list]));
    new.tags = tag.map(tag_words);
    new.fingerprint = Fingerprint::of(&[u8::try_from(pipeline).unwrap()]);
    let n_documents = model.documents.len();
    let moved = moved_from
        .filter(|_| n_documents > 0)
        .map(|n| n % n_documents);
    new.moved_from = moved.map(|at| model.documents[at].id);
    let published = catalog
        .publish_version(system(tenants[tenant]), new.clone())
        .await;
    let found = published
        .as_ref()
        .map(|published| published.seq)
        .map_err(HasKind::kind);
    let at = match moved {
        Some(at) if model.documents[at].tenant != tenant => {
            return (Err(ErrorKind::NotFound), found);
        }
        Some(at)
            if model.documents[at].collection != collection || model.living_elsewhere(at, &key) =>
        {
            return (Err(ErrorKind::Conflict), found);
        }
        Some(at) => Some(at),
        None => model.at_key(tenant, collection, &key),
    };
    let published = published.expect("nothing stands against this publication");
    model.collections[tenant].insert(collection);
    let Some(at) = at else {
        assert!(published.is_new);
        assert!(
            model
                .documents
                .iter()
                .all(|known| known.id != published.document)
        );
        let first_chunk = model.give_chunks(tenant, content);
        model.documents.push(ModelDocument {
            tenant,
            id: published.document,
            collection,
            key,
            tags: new.tags.unwrap_or_default(),
            access: new.access.unwrap_or_default(),
            versions: vec![ModelVersion {
                content,
                pipeline,
                first_chunk,
            }],
            is_deleted: false,
            changed: 0,
        });
        return (Ok(model.change(n_documents)), found);
    };
    assert!(!published.is_new);
    let document = &mut model.documents[at];
    assert_eq!(published.document, document.id);
    let list = new.access.unwrap_or_else(|| document.access.clone());
    let tags = new.tags.unwrap_or_else(|| document.tags.clone());
    let current = document.versions.last().unwrap();
    let is_same = (current.content, current.pipeline) == (content, pipeline);
    let keeps_all = is_same
        && !document.is_deleted
        && (&document.key, &document.tags, &document.access) == (&key, &tags, &list);
    (document.key, document.tags, document.access) = (key, tags, list);
    document.is_deleted = false;
    if !is_same {
        let first_chunk = model.give_chunks(tenant, content);
        let version = ModelVersion {
            content,
            pipeline,
            first_chunk,
        };
        model.documents[at].versions.push(version);
    }
    let document = &model.documents[at];
    assert_eq!(published.version.0 as usize, document.versions.len());
    if keeps_all {
        return (Ok(Seq(document.changed)), found);
    }
    (Ok(model.change(at)), found)
}

/// Compares all that a reader can see.
async fn compare(
    catalog: &dyn Catalog,
    tenants: &[TenantId],
    model: &Model,
    tenant: usize,
    reader: &Scope,
) {
    let seen =
        |document: &&ModelDocument| document.tenant == tenant && reader.permits(&document.access);
    let mut expected: Vec<_> = model.documents.iter().filter(seen).collect();
    expected.sort_by_key(|document| document.id);
    let page = catalog
        .documents(reader, &DocumentFilter::default(), true, None, 1000)
        .await
        .unwrap();
    assert_eq!(page.documents.len(), expected.len());
    for (found, wanted) in page.documents.iter().zip(&expected) {
        let current = wanted.versions.last().unwrap();
        assert_eq!((found.id, &found.key), (wanted.id, &wanted.key));
        assert_eq!(found.collection, COLLECTIONS[wanted.collection]);
        assert_eq!((&found.tags, &found.access), (&wanted.tags, &wanted.access));
        assert_eq!(found.version.0 as usize, wanted.versions.len());
        assert_eq!(found.n_chunks as usize, current.content);
        assert_eq!(found.deleted_at.is_some(), wanted.is_deleted);
        assert_eq!(&catalog.document(reader, found.id).await.unwrap(), found);
    }
    let living: Vec<_> = expected
        .iter()
        .filter(|document| !document.is_deleted)
        .collect();
    let page = catalog
        .documents(reader, &DocumentFilter::default(), false, None, 1000)
        .await;
    let ids: Vec<_> = page
        .unwrap()
        .documents
        .iter()
        .map(|document| document.id)
        .collect();
    assert_eq!(
        ids,
        living
            .iter()
            .map(|document| document.id)
            .collect::<Vec<_>>()
    );

    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for collection in &model.collections[tenant] {
        if reader.is_owner() {
            counts.insert(COLLECTIONS[*collection], (0, 0));
        }
    }
    for document in &living {
        let count = counts.entry(COLLECTIONS[document.collection]).or_default();
        count.0 += 1;
        count.1 += document.versions.last().unwrap().content as u64;
    }
    let found = catalog.collections(reader).await.unwrap();
    let found: BTreeMap<_, _> = found
        .iter()
        .map(|found| (found.name.as_str(), (found.n_documents, found.n_chunks)))
        .collect();
    assert_eq!(found, counts);

    let mut passages = BTreeMap::new();
    for document in &living {
        let current = document.versions.last().unwrap();
        for (text, no) in paragraphs(current.content)
            .into_iter()
            .zip(current.first_chunk..)
        {
            passages.insert(ChunkNo(no), (document.id, document.versions.len(), text));
        }
    }
    // Numbers of both tenants and beyond.
    let numbers: Vec<_> = (0..model.next_chunk[0].max(model.next_chunk[1]) + 3)
        .map(ChunkNo)
        .collect();
    let found = catalog.hydrate(reader, &numbers).await.unwrap();
    let found: BTreeMap<_, _> = found
        .into_iter()
        .map(|(no, p)| (no, (p.document.id, p.id.version.0 as usize, p.text)))
        .collect();
    assert_eq!(found, passages);

    for document in &model.documents {
        let is_seen = seen(&document) && !document.is_deleted;
        let chunks = catalog.chunks(reader, document.id, None, 1000).await;
        for (number, version) in (1..).zip(&document.versions) {
            let wanted = paragraphs(version.content).join("\n\n");
            let span = CharSpan::new(0, wanted.chars().count());
            let text = catalog
                .text(reader, document.id, VersionNo(number), span)
                .await;
            match text {
                Ok(text) => assert!(is_seen && text == wanted),
                Err(error) => assert_eq!((is_seen, error.kind()), (false, ErrorKind::NotFound)),
            }
        }
        match chunks {
            Ok(chunks) => {
                assert!(is_seen);
                let texts: Vec<_> = chunks.into_iter().map(|passage| passage.text).collect();
                assert_eq!(texts, paragraphs(document.versions.last().unwrap().content));
            }
            Err(error) => assert_eq!((is_seen, error.kind()), (false, ErrorKind::NotFound)),
        }
    }

    let mut jobs: Vec<_> = model
        .jobs
        .iter()
        .filter(|(of, list, _)| *of == tenant && reader.permits(list))
        .map(|(.., id)| *id)
        .collect();
    jobs.reverse();
    let found = catalog.jobs(reader, 1000).await.unwrap();
    assert_eq!(found.iter().map(|job| job.id).collect::<Vec<_>>(), jobs);
    for (of, list, id) in &model.jobs {
        let is_seen = *of == tenant && reader.permits(list);
        assert_eq!(catalog.job(reader, *id).await.is_ok(), is_seen);
    }
    assert_eq!(reader.tenant(), tenants[tenant]);
}

/// Compares what the indexes of a tenant are told.
async fn compare_index(catalog: &dyn Catalog, tenants: &[TenantId], model: &Model, tenant: usize) {
    let system = system(tenants[tenant]);
    let changes = catalog.changes_after(system, Seq(0), 10_000).await.unwrap();
    assert!(
        changes
            .iter()
            .map(|change| change.seq.0)
            .eq(1..=changes.len() as u64)
    );
    let changed: Vec<_> = changes.iter().map(|change| change.document).collect();
    assert_eq!(changed, model.changes[tenant]);
    let (head, documents) = catalog.index_documents(system, None).await.unwrap();
    assert_eq!(head.0, changes.len() as u64);
    let mut chunks = BTreeMap::new();
    let own = || {
        model
            .documents
            .iter()
            .filter(|document| document.tenant == tenant)
    };
    assert_eq!(documents.len(), own().count());
    for document in own() {
        let current = document.versions.last().unwrap();
        let found = documents
            .iter()
            .find(|found| found.id == document.id)
            .unwrap();
        let n = u32::try_from(current.content).unwrap();
        let range = (!document.is_deleted && n > 0)
            .then(|| current.first_chunk..=current.first_chunk + n - 1);
        assert_eq!(found.chunks, range);
        assert_eq!(found.access, document.access);
        if let Some(range) = range {
            chunks.extend(range.zip(paragraphs(current.content)));
        }
    }
    let found = catalog
        .index_chunks(system, None, 0..=u32::MAX)
        .await
        .unwrap();
    assert!(found.is_sorted_by_key(|chunk| chunk.chunk_no));
    let found: BTreeMap<_, _> = found.into_iter().map(|c| (c.chunk_no.0, c.text)).collect();
    assert_eq!(found, chunks);
}
