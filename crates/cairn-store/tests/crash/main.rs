//! Kills a process that writes, at random moments, and looks at what it left behind.
//!
//! Without arguments this is the test; with `write DIR START` it is the process that dies: it stores
//! originals, accepts jobs and publishes versions without end, and prints a line for each write after it was
//! acknowledged. The test reads lines, kills (signal 9), opens the directory again and asks for everything
//! that was ever printed. The content of every write follows from its number, so both sides know it.
//!
//! A test binary of its own (`harness = false`), because it must start itself again.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests stop like tests do, and tell by lines"
)]

use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use cairn_store::{BlobLimits, BlobStore, DataDir, LockState, SqliteCatalog};
use cairn_testkit::{Random, access, owner_of, temp_dir};
use cairn_types::ports::{Catalog, PublishBatch, PublishVersion};
use cairn_types::{
    BlobHash, CharSpan, ChunkMeta, ChunkNo, DocumentFilter, DocumentId, DocumentStatus, Element,
    ElementKind, Fingerprint, InputHash, JobId, JobItem, JobKind, NewChunk, NewJob, Outcome,
    ParseReport, Source, SystemClock, SystemPurpose, SystemScope, TenantId, VersionNo,
};

const NAME: &str = "nothing_acknowledged_is_lost";
const KILLS: usize = 24;
const DOCUMENTS: u64 = 7;
const SEED: u64 = 20_261;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    if let ["write", dir, start] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        runtime.block_on(write(Path::new(dir), start.parse().unwrap()));
        return;
    }
    let trial = Trial::test(NAME, move || {
        runtime.block_on(nothing_acknowledged_is_lost());
        Ok(())
    });
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit();
}

/// What write number `n` publishes: one to nine chunks, some of them long.
fn nth(n: u64) -> PublishVersion {
    let mut random = Random::seeded(n);
    let mut text = String::new();
    let mut chunks = Vec::new();
    let mut elements = Vec::new();
    for ordinal in 0..=u32::try_from(random.below(8)).unwrap() {
        let start = text.len();
        text.push_str(&format!("{n}.{ordinal} ").repeat(1 + random.below(400)));
        let span = CharSpan::new(start, text.len());
        elements.push((Element::new(ElementKind::Paragraph, &text[start..]), span));
        chunks.push(NewChunk {
            meta: ChunkMeta {
                ordinal,
                span,
                page: None,
                heading_path: String::new(),
                lang: None,
                n_tokens: 1,
            },
            input_hash: InputHash::of(&text.as_bytes()[start..]),
        });
    }
    let key = format!("/{}", n % DOCUMENTS);
    PublishVersion {
        collection: "default".to_owned(),
        source: Source::files(),
        uri: format!("file://{key}"),
        key,
        moved_from: None,
        title: n.to_string(),
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

struct Opened {
    _dir: DataDir,
    catalog: SqliteCatalog,
    blobs: BlobStore,
    tenant: TenantId,
}

async fn open(path: &Path) -> Opened {
    let dir = DataDir::open(path, &SystemClock).unwrap();
    let catalog = SqliteCatalog::open(dir.catalog(), Arc::new(SystemClock)).unwrap();
    let blobs = BlobStore::open(dir.blobs(), BlobLimits::default()).unwrap();
    let tenant = catalog.ensure_tenant("default").await.unwrap();
    Opened {
        _dir: dir,
        catalog,
        blobs,
        tenant,
    }
}

/// Writes until it is killed: now one version, now some that share a transaction.
async fn write(path: &Path, start: u64) {
    let store = open(path).await;
    let mut n = start;
    while let Some(size) = [1, 4, 1, 2].get(usize::try_from(n % 4).unwrap()) {
        let end = n + size;
        write_some(&store, n..end).await;
        n = end;
    }
}

async fn write_some(store: &Opened, numbers: Range<u64>) {
    let system = SystemScope::new(store.tenant, SystemPurpose::Ingest);
    let (mut jobs, mut versions) = (Vec::new(), Vec::new());
    for n in numbers.clone() {
        let new = nth(n);
        let blob = store.blobs.put(store.tenant, new.text.as_bytes()).unwrap();
        let job = NewJob {
            tenant: store.tenant,
            kind: JobKind::Upload,
            access: access(&[]),
            collection: "default".to_owned(),
            tags: std::collections::BTreeSet::new(),
            document_access: Some(access(&["everyone"])),
            items: vec![JobItem {
                key: new.key.clone(),
                blob: Some(blob.hash),
                size_bytes: blob.size_bytes,
                outcome: Outcome::Pending,
                reason: None,
                document: None,
            }],
        };
        jobs.push(store.catalog.accept(job).await.unwrap());
        versions.push(new);
    }
    let published = if versions.len() == 1 {
        let version = versions.remove(0);
        vec![
            store
                .catalog
                .publish_version(system, version)
                .await
                .unwrap(),
        ]
    } else {
        let batch = PublishBatch {
            vectors: None,
            versions,
        };
        let done = store.catalog.publish_batch(system, batch).await.unwrap();
        done.outcomes.into_iter().map(Result::unwrap).collect()
    };
    for ((n, job), published) in numbers.zip(jobs).zip(published) {
        let line = format!("{n} {job} {} {}\n", published.document, published.version);
        // The line is whole or not there: the test reads whole lines only.
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes()).unwrap();
        out.flush().unwrap();
    }
}

/// A write that was acknowledged.
struct Acknowledged {
    n: u64,
    job: JobId,
    document: DocumentId,
    version: VersionNo,
}

fn parse(line: &str) -> Acknowledged {
    let [n, job, document, version] = line.split(' ').collect::<Vec<_>>()[..] else {
        unreachable!("`{line}` is not a line of the writer");
    };
    Acknowledged {
        n: n.parse().unwrap(),
        job: job.parse().unwrap(),
        document: document.parse().unwrap(),
        version: VersionNo(version.parse().unwrap()),
    }
}

async fn nothing_acknowledged_is_lost() {
    let root = temp_dir();
    let path = root.path().join("data");
    let mut random = Random::seeded(SEED);
    let mut acknowledged = Vec::new();
    let mut start = 0;
    for kill in 0..KILLS {
        let n_lines = random.below(20);
        let spins = random.below(3_000_000);
        run_and_kill(&path, start, n_lines, spins, &mut acknowledged);
        start = 1 + check(&path, &acknowledged, start).await;
        assert!(start >= kill as u64, "the writer gets on between the kills");
    }
    assert!(acknowledged.len() > KILLS, "{} writes", acknowledged.len());
    println!(
        "test {NAME} ... ok ({KILLS} kills, {} writes)",
        acknowledged.len()
    );
}

/// Starts the writer, kills it some time after so many lines, and keeps every whole line that it printed.
#[expect(
    clippy::disallowed_methods,
    reason = "this test is about a process that dies"
)]
fn run_and_kill(
    path: &Path,
    start: u64,
    n_lines: usize,
    spins: usize,
    acknowledged: &mut Vec<Acknowledged>,
) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("write")
        .arg(path)
        .arg(start.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    let mut read = |out: &mut BufReader<_>| {
        line.clear();
        out.read_line(&mut line).unwrap();
        // The last line may have been cut off by the kill.
        line.strip_suffix('\n').map(parse)
    };
    for _ in 0..n_lines {
        acknowledged.push(read(&mut out).expect("the writer goes on until it is killed"));
    }
    // Not a wait for something to happen: it moves the kill to another point of the writer's loop.
    for spin in 0..spins {
        std::hint::black_box(spin);
    }
    child.kill().unwrap();
    while let Some(more) = read(&mut out) {
        acknowledged.push(more);
    }
    child.wait().unwrap();
}

/// Opens what the writer left and asks for everything that it ever acknowledged. Gives the number of the last
/// write that can be seen.
async fn check(path: &Path, acknowledged: &[Acknowledged], start: u64) -> u64 {
    assert_eq!(
        DataDir::peek(path).unwrap(),
        LockState::Free,
        "a lock ends with its process"
    );
    let store = open(path).await;
    let owner = owner_of(store.tenant);
    for write in acknowledged {
        let wanted = nth(write.n);
        let whole = CharSpan::new(0, wanted.text.len());
        let text = store
            .catalog
            .text(&owner, write.document, write.version, whole)
            .await;
        assert_eq!(text.unwrap(), wanted.text);
        let bytes = store
            .blobs
            .read_verified(store.tenant, wanted.blob)
            .unwrap();
        assert_eq!(bytes, wanted.text.as_bytes());
        let job = store.catalog.job(&owner, write.job).await.unwrap();
        assert_eq!(job.request.items[0].blob, Some(wanted.blob));
    }
    // Every document shows the last acknowledged write on it, or one that came after it, whole.
    let filter = DocumentFilter::default();
    let page = store
        .catalog
        .documents(&owner, &filter, true, None, 100)
        .await
        .unwrap();
    let mut last = start.saturating_sub(1);
    for document in page.documents {
        let n: u64 = document.title.parse().unwrap();
        last = last.max(n);
        let newest = acknowledged
            .iter()
            .filter(|write| write.document == document.id);
        assert!(
            newest
                .map(|write| write.n)
                .max()
                .is_none_or(|newest| n >= newest)
        );
        let wanted = nth(n);
        assert_eq!(document.key, wanted.key);
        let passages = store
            .catalog
            .chunks(&owner, document.id, None, 100)
            .await
            .unwrap();
        assert_eq!(passages.len(), wanted.chunks.len());
        for (passage, chunk) in passages.iter().zip(&wanted.chunks) {
            assert_eq!(
                Some(passage.text.as_str()),
                chunk.meta.span.slice(&wanted.text)
            );
        }
        let numbers: Vec<ChunkNo> = passages.iter().map(|passage| passage.chunk_no).collect();
        assert_eq!(
            store.catalog.hydrate(&owner, &numbers).await.unwrap().len(),
            numbers.len()
        );
    }
    let leftovers = fs_err::read_dir(path.join("blobs/tmp")).unwrap().count();
    assert_eq!(leftovers, 0, "opening removes what was not finished");
    drop(store);
    let conn = rusqlite::Connection::open(path.join("catalog.sqlite")).unwrap();
    let sound: String = conn
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
    let broken = conn
        .prepare("PRAGMA foreign_key_check")
        .unwrap()
        .exists([])
        .unwrap();
    assert!(!broken);
    last
}
