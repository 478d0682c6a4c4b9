//! Vectors: slice by slice, and for everybody who shares a text.

use std::sync::{Arc, Mutex};

use cairn_ingest::{IngestError, IngestEvent, PipelineOptions};
use cairn_testkit::HashEmbedder;
use cairn_types::EmbeddingSpace;
use cairn_types::Seq;
use cairn_types::ports::{EmbedError, Embedder};
use tokio_util::sync::CancellationToken;

use crate::Test;
use crate::world::{World, run};

pub(crate) const TESTS: &[Test] = &[
    ("vectors::a_long_document_is_embedded_in_slices", slices),
    (
        "vectors::a_stop_between_slices_keeps_the_finished_ones",
        stops_between_slices,
    ),
    (
        "vectors::documents_that_share_a_text_all_hear_of_its_vector",
        twins,
    ),
];

/// Counts how many texts come at once.
#[derive(Default)]
struct Counting {
    inner: HashEmbedder,
    calls: Mutex<Vec<usize>>,
}

impl Embedder for Counting {
    fn space(&self) -> &EmbeddingSpace {
        self.inner.space()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.inner.count_tokens(text)
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.calls.lock().unwrap().push(texts.len());
        self.inner.embed(texts)
    }
}

fn small_batches() -> PipelineOptions {
    let mut options = PipelineOptions::default();
    options.chunk.max_tokens = 32;
    options.chunk.min_tokens = 1;
    options.chunk.overlap_tokens = 0;
    options.chunk.prefix_tokens = 8;
    options.batch_chunks = 3;
    options
}

/// One document of many different paragraphs.
fn long_text() -> String {
    (0..40)
        .map(|n| format!("Paragraph {n} speaks of matter {n} and of nothing that another one speaks of, {n} times.\n\n"))
        .collect()
}

fn slices() {
    run(async {
        let mut world = World::new().await;
        let embedder = Arc::new(Counting::default());
        world.pipeline = world.pipeline_with(Some(embedder.clone()), small_batches());
        world.write("long.md", &long_text());
        let mut told = Vec::new();
        let summary = world
            .pipeline
            .ingest_files(
                &world.owner(),
                world.request(),
                &CancellationToken::new(),
                |event| {
                    if let IngestEvent::Embedded { n_chunks } = event {
                        told.push(n_chunks);
                    }
                },
            )
            .await
            .unwrap();
        let calls = embedder.calls.lock().unwrap().clone();
        assert!(calls.len() > 3, "{calls:?}");
        assert!(calls.iter().all(|n| *n <= 3), "{calls:?}");
        assert_eq!(told.len(), calls.len());
        assert_eq!(told.iter().sum::<u64>(), summary.n_embedded);
    });
}

fn stops_between_slices() {
    run(async {
        let mut world = World::new().await;
        let embedder = Arc::new(Counting::default());
        world.pipeline = world.pipeline_with(Some(embedder.clone()), small_batches());
        world.write("long.md", &long_text());
        let cancel = CancellationToken::new();
        let stopped = world
            .pipeline
            .ingest_files(&world.owner(), world.request(), &cancel, |event| {
                if matches!(event, IngestEvent::Embedded { .. }) {
                    cancel.cancel();
                }
            })
            .await;
        assert!(matches!(stopped, Err(IngestError::Cancelled)));
        // The first slice, and those that were under way while it was stored.
        let calls = embedder.calls.lock().unwrap().clone();
        assert!((1..=4).contains(&calls.len()), "{calls:?}");
        let summary = world.ingest(world.request()).await.unwrap();
        assert_eq!(summary.n_added, 1);
        let n_kept = calls.iter().sum::<usize>() as u64;
        assert_eq!(summary.n_embedded + n_kept, summary.n_chunks);
    });
}

fn twins() {
    run(async {
        let mut world = World::new().await;
        // Chunks are cut alike with and without a model here: each document is one chunk.
        for name in ["one/notes.md", "two/notes.md", "three/notes.md"] {
            world.write(name, "# Notes\n\nThe same text in three places.");
        }
        world.ingest(world.request()).await.unwrap();
        let before = world.catalog.head(world.system()).await.unwrap();
        let options = PipelineOptions {
            batch_chunks: 1,
            ..PipelineOptions::default()
        };
        world.pipeline = world.pipeline_with(Some(Arc::new(HashEmbedder::new())), options);
        let cancel = CancellationToken::new();
        let summary = world.pipeline.fill_vectors(&cancel, |_| {}).await.unwrap();
        assert_eq!(summary.n_embedded, 1);
        let changes = world
            .catalog
            .changes_after(world.system(), before, 99)
            .await
            .unwrap();
        assert_eq!(changes.len(), 3);
        assert_eq!(summary.seq, Some(Seq(before.0 + 3)));
    });
}
