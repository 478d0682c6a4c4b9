//! Measures the catalog on this machine: publications, hydration, listing, reading for the indexes.
//!
//! `cargo run --release -p cairn-store --example measure [FOLDER]`; prints one line per figure. The folder
//! decides which disk is measured; without one it is the folder for temporary files.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that reports to a person and stops where it cannot go on"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use cairn_store::SqliteCatalog;
use cairn_testkit::{Random, owner_of, scope};
use cairn_types::ports::{Catalog, PublishVersion};
use cairn_types::{
    BlobHash, CharSpan, ChunkMeta, ChunkNo, DocumentFilter, DocumentStatus, Element, ElementKind,
    EmbeddingSpace, Fingerprint, InputHash, NewChunk, ParseReport, Source, SystemClock,
    SystemPurpose, SystemScope,
};

const DOCUMENTS: u32 = 2000;
const CHUNKS: u32 = 10;
const CALLERS: u32 = 16;

/// A document of ten chunks of about 1,000 characters.
fn nth(n: u32) -> PublishVersion {
    let mut text = String::new();
    let mut elements = Vec::new();
    let mut chunks = Vec::new();
    for ordinal in 0..CHUNKS {
        let start = text.len();
        text.push_str(&format!("document {n} chunk {ordinal} words ").repeat(32));
        let span = CharSpan::new(start, text.len());
        elements.push((Element::new(ElementKind::Paragraph, &text[start..]), span));
        chunks.push(NewChunk {
            meta: ChunkMeta {
                ordinal,
                span,
                page: Some(1),
                heading_path: "A > B".to_owned(),
                lang: Some("en".to_owned()),
                n_tokens: 250,
            },
            input_hash: InputHash::of(&text.as_bytes()[start..]),
        });
    }
    PublishVersion {
        collection: "default".to_owned(),
        source: Source::files(),
        key: format!("/corpus/{n}.txt"),
        moved_from: None,
        uri: format!("file:///corpus/{n}.txt"),
        title: format!("Document {n}"),
        media_type: "text/plain".to_owned(),
        tags: None,
        access: None,
        modified_at: None,
        blob: BlobHash::of(text.as_bytes()),
        size_bytes: text.len() as u64,
        fingerprint: Fingerprint::of(b"1"),
        text,
        elements,
        report: ParseReport::default(),
        status: DocumentStatus::Ok,
        chunks,
    }
}

#[tokio::main]
async fn main() {
    let dir = match std::env::args().nth(1) {
        Some(folder) => tempfile::tempdir_in(PathBuf::from(folder)),
        None => tempfile::tempdir(),
    };
    let dir = dir.unwrap();
    let path = dir.path().join("catalog.sqlite");
    let catalog = SqliteCatalog::open(&path, Arc::new(SystemClock)).unwrap();
    let catalog = Arc::new(catalog);
    let tenant = catalog.ensure_tenant("default").await.unwrap();
    let system = SystemScope::new(tenant, SystemPurpose::Ingest);

    let begun = Instant::now();
    for n in 0..DOCUMENTS {
        catalog.publish_version(system, nth(n)).await.unwrap();
    }
    rate("publish, one caller", "documents", DOCUMENTS, begun);

    let begun = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let catalog = Arc::clone(&catalog);
        callers.spawn(async move {
            for n in (DOCUMENTS..2 * DOCUMENTS).filter(|n| n % CALLERS == caller) {
                catalog.publish_version(system, nth(n)).await.unwrap();
            }
        });
    }
    callers.join_all().await;
    rate(
        &format!("publish, {CALLERS} callers"),
        "documents",
        DOCUMENTS,
        begun,
    );

    let begun = Instant::now();
    for n in 0..DOCUMENTS {
        catalog.publish_version(system, nth(n)).await.unwrap();
    }
    rate(
        "publish again, nothing changed",
        "documents",
        DOCUMENTS,
        begun,
    );

    let space = EmbeddingSpace {
        model: "m".to_owned(),
        model_hash: "m".to_owned(),
        recipe: "r".to_owned(),
        pooling: "mean".to_owned(),
        prompts: String::new(),
        max_tokens: 256,
        dim: 384,
    };
    let begun = Instant::now();
    let mut filled = 0;
    loop {
        let missing = catalog
            .chunks_without_vector(system, &space, 256)
            .await
            .unwrap();
        if missing.is_empty() {
            break;
        }
        filled += u32::try_from(missing.len()).unwrap();
        let vectors = missing
            .into_iter()
            .map(|chunk| (chunk.input_hash, vec![1; 768]));
        catalog
            .put_vectors(system, &space, vectors.collect())
            .await
            .unwrap();
    }
    rate("fill in vectors, 256 at once", "chunks", filled, begun);

    let mut random = Random::seeded(1);
    let n_chunks = (2 * DOCUMENTS * CHUNKS) as usize;
    for (name, scope) in [
        ("owner", owner_of(tenant)),
        (
            "user of 3 groups",
            scope(tenant, &["user:a", "group:b", "group:c", "group:d"]),
        ),
    ] {
        let mut times = Vec::new();
        for _ in 0..300 {
            let numbers: Vec<_> = (0..50)
                .map(|_| ChunkNo(u32::try_from(random.below(n_chunks)).unwrap()))
                .collect();
            let begun = Instant::now();
            let found = catalog.hydrate(&scope, &numbers).await.unwrap();
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            assert!(found.len() > 40);
        }
        times.sort_by(f64::total_cmp);
        println!(
            "hydrate 50 random of {n_chunks} chunks, {name}: median {:.2} ms, p95 {:.2} ms",
            times[150], times[285]
        );
    }
    let begun = Instant::now();
    let chunks = catalog
        .index_chunks(system, Some(&space), 0..=u32::MAX)
        .await
        .unwrap();
    rate(
        "read all for the indexes",
        "chunks",
        u32::try_from(chunks.len()).unwrap(),
        begun,
    );
    let begun = Instant::now();
    let filter = DocumentFilter::default();
    let page = catalog
        .documents(&owner_of(tenant), &filter, false, None, 100)
        .await
        .unwrap();
    rate(
        "one page of documents",
        "documents",
        u32::try_from(page.documents.len()).unwrap(),
        begun,
    );
    drop(catalog);
    let n_bytes = fs_err::metadata(&path).unwrap().len();
    println!(
        "size: {} bytes per chunk, vectors included",
        n_bytes / n_chunks as u64
    );
}

fn rate(what: &str, unit: &str, n: u32, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{what}: {n} {unit} in {seconds:.3} s = {:.0}/s",
        f64::from(n) / seconds
    );
}
