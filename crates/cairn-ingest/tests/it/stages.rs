//! The stages side by side: what waits between them is bounded, nothing changes places, a stop leaves whole documents.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use cairn_ingest::{IngestError, IngestEvent, PipelineOptions};
use cairn_testkit::HashEmbedder;
use cairn_types::ports::{EmbedError, Embedder};
use cairn_types::{EmbeddingSpace, Outcome};
use tokio_util::sync::CancellationToken;

use crate::Test;
use crate::world::{World, run};

pub(crate) const TESTS: &[Test] = &[
    (
        "stages::parsed_documents_do_not_pile_up_before_a_slow_model",
        no_pile,
    ),
    ("stages::bytes_at_hand_are_bounded", bytes_are_bounded),
    ("stages::reports_come_in_order_of_the_files", in_order),
    ("stages::documents_share_transactions", share),
    ("stages::a_stop_leaves_whole_documents", stop),
];

/// A model that does not begin before so many documents were cut, and notes how many are ahead of it from then on.
struct Slow {
    inner: HashEmbedder,
    /// The chunker asks for the size of an empty text once for each document.
    n_cut: Mutex<usize>,
    cut: Condvar,
    wait_for: usize,
    n_embedded: AtomicUsize,
    most_ahead: AtomicUsize,
}

impl Slow {
    fn new(wait_for: usize) -> Arc<Self> {
        Arc::new(Self {
            inner: HashEmbedder::new(),
            n_cut: Mutex::new(0),
            cut: Condvar::new(),
            wait_for,
            n_embedded: AtomicUsize::new(0),
            most_ahead: AtomicUsize::new(0),
        })
    }
}

impl Embedder for Slow {
    fn space(&self) -> &EmbeddingSpace {
        self.inner.space()
    }

    fn count_tokens(&self, text: &str) -> usize {
        if text.is_empty() {
            *self.n_cut.lock().unwrap() += 1;
            self.cut.notify_all();
        }
        self.inner.count_tokens(text)
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let n_cut = self.n_cut.lock().unwrap();
        let n_cut = self
            .cut
            .wait_while(n_cut, |n_cut| *n_cut < self.wait_for)
            .unwrap();
        let n_embedded = self.n_embedded.fetch_add(texts.len(), Ordering::SeqCst);
        self.most_ahead
            .fetch_max(n_cut.saturating_sub(n_embedded), Ordering::SeqCst);
        drop(n_cut);
        self.inner.embed(texts)
    }
}

fn options(batch_chunks: usize) -> PipelineOptions {
    PipelineOptions {
        batch_chunks,
        n_parsers: 2,
        ..PipelineOptions::default()
    }
}

fn no_pile() {
    run(async {
        let mut world = World::new().await;
        for n in 0..80 {
            world.write(
                &format!("{n:02}.md"),
                &format!("Document {n}, of one chunk."),
            );
        }
        // Some documents run ahead of the model: those of a slice, those in the queue, those that are being read.
        let model = Slow::new(8);
        world.pipeline = world.pipeline_with(Some(model.clone()), options(4));
        let summary = world.ingest(world.request()).await.unwrap();
        assert_eq!((summary.n_added, summary.n_embedded), (80, 80));
        let most = model.most_ahead.load(Ordering::SeqCst);
        assert!(
            (8..=4 + 4 + 1 + 4 + 2).contains(&most),
            "{most} documents ahead"
        );
    });
}

fn bytes_are_bounded() {
    run(async {
        let mut world = World::new().await;
        let text = |n: usize| -> String {
            (0..200)
                .map(|m| format!("Sentence {m} of document {n} says what no other says.\n\n"))
                .collect()
        };
        let size = text(10).len() as u64;
        for n in 10..50 {
            world.write(&format!("{n}.md"), &text(n));
        }
        let mut small = options(16);
        small.max_held_bytes = 3 * size;
        world.pipeline = world.pipeline_with(Some(Slow::new(2)), small.clone());
        let summary = world.ingest(world.request()).await.unwrap();
        assert_eq!(summary.n_added, 40);
        // Original, text, elements and chunks; what the parsers have in hand may come on top of the limit.
        let most_of_one = 8 * size;
        let most = summary.most_held_bytes;
        assert!(
            most > 2 * size && most <= small.max_held_bytes + 3 * most_of_one,
            "{most} of {size}"
        );
        // One document that is larger than the limit passes alone, slice by slice.
        for n in 10..50 {
            world.remove(&format!("{n}.md"));
        }
        let long: String = (100..140).map(text).collect();
        world.write("long.md", &long);
        let summary = world.ingest(world.request()).await.unwrap();
        assert_eq!(summary.n_added, 1);
        assert!(summary.n_chunks > 10 * 16, "{} chunks", summary.n_chunks);
        let size = long.len() as u64;
        assert!((size..=8 * size).contains(&summary.most_held_bytes));
    });
}

fn in_order() {
    run(async {
        let mut world = World::new().await;
        world.pipeline = world.pipeline_with(Some(Arc::new(HashEmbedder::new())), options(4));
        for n in (0..40).step_by(4) {
            world.write(&format!("{n:02}.md"), &format!("Known document {n}."));
        }
        world.ingest(world.request()).await.unwrap();
        for n in 0..40 {
            match n % 4 {
                0 => {}
                1 => world.write(&format!("{n:02}.pdf"), "%PDF-1.7 and no more"),
                _ => world.write(
                    &format!("{n:02}.md"),
                    &format!("New document {n}. ").repeat(1 + n * 20),
                ),
            }
        }
        let mut told = Vec::new();
        let mut n_published = 0;
        let summary = world
            .pipeline
            .ingest_files(
                &world.owner(),
                world.request(),
                &CancellationToken::new(),
                |event| match event {
                    IngestEvent::Document(report) => told.push((report.path, report.outcome)),
                    IngestEvent::Published { .. } => n_published += 1,
                    _ => {}
                },
            )
            .await
            .unwrap();
        assert_eq!((summary.n_added, summary.n_unchanged), (20, 10));
        assert_eq!(told.len(), 40);
        assert!(told.is_sorted_by_key(|(path, _)| path.clone()), "{told:?}");
        assert!(
            told.iter()
                .step_by(4)
                .all(|(_, o)| *o == Outcome::Unchanged)
        );
        assert!((1..=20).contains(&n_published));
    });
}

fn share() {
    run(async {
        let mut world = World::new().await;
        let model = Slow::new(10);
        world.pipeline = world.pipeline_with(Some(model), options(8));
        for n in 0..24 {
            world.write(&format!("{n:02}.md"), &format!("Small document {n}."));
        }
        // While the model waits, documents gather: the next slices take them together.
        let mut groups = vec![0];
        world
            .pipeline
            .ingest_files(
                &world.owner(),
                world.request(),
                &CancellationToken::new(),
                |event| match event {
                    IngestEvent::Document(_) => *groups.last_mut().unwrap() += 1,
                    IngestEvent::Published { .. } => groups.push(0),
                    _ => {}
                },
            )
            .await
            .unwrap();
        assert_eq!(groups.iter().sum::<usize>(), 24);
        // How many wait together is a matter of the machine; that some do is not.
        assert!(groups.iter().any(|n| *n > 1), "{groups:?}");
    });
}

fn stop() {
    run(async {
        let mut world = World::new().await;
        world.pipeline = world.pipeline_with(Some(Arc::new(HashEmbedder::new())), options(4));
        for n in 0..60 {
            world.write(&format!("{n:02}.md"), &format!("Document {n}."));
        }
        let cancel = CancellationToken::new();
        let mut told = Vec::new();
        let stopped = world
            .pipeline
            .ingest_files(&world.owner(), world.request(), &cancel, |event| {
                if let IngestEvent::Document(report) = event {
                    told.push(report.document.unwrap());
                    cancel.cancel();
                }
            })
            .await;
        assert!(matches!(stopped, Err(IngestError::Cancelled)));
        assert!(!told.is_empty() && told.len() < 60, "{}", told.len());
        for id in &told {
            let chunks = world.catalog.chunks(&world.owner(), *id, None, 9).await;
            assert_eq!(chunks.unwrap().len(), 1);
        }
        let space = HashEmbedder::new().space().clone();
        let without = world
            .catalog
            .chunks_without_vector(world.system(), &space, 9)
            .await
            .unwrap();
        assert!(without.is_empty(), "what is published has its vectors");
        let summary = world.ingest(world.request()).await.unwrap();
        assert_eq!(summary.n_unchanged, told.len() as u64);
        assert_eq!(summary.n_added + summary.n_unchanged, 60);
    });
}
