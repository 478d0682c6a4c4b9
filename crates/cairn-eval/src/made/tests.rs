//! Made corpora: the same for the same seed, real words, vectors that follow topics.

use super::*;

fn corpus(seed: u64) -> MadeCorpus {
    let texts = (0..40).map(|n| {
        let text: String = (0..6)
            .map(|s| {
                format!(
                    "Sentence {s} of topic {n} speaks about subject{n} and considerable things. "
                )
            })
            .collect();
        (format!("Topic {n}"), text)
    });
    let texts: Vec<_> = texts.collect();
    let pairs = texts
        .iter()
        .map(|(title, text)| (title.as_str(), text.as_str()));
    MadeCorpus::new(Material::new(pairs).expect("material"), seed)
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn a_document_depends_on_seed_and_number_alone() {
    let (one, same, other) = (corpus(7), corpus(7), corpus(8));
    assert_eq!(one.document(3), same.document(3));
    assert_ne!(one.document(3), one.document(4));
    assert_ne!(one.document(3), other.document(3));
    assert!(Material::new([("nothing", "short. 12")]).is_none());
}

#[test]
fn chunks_are_of_the_usual_size_and_mostly_of_one_topic() {
    let corpus = corpus(1);
    let mut n_chunks = 0;
    let mut main_share = 0.0;
    for n in 0..50 {
        let document = corpus.document(n);
        n_chunks += document.chunks.len();
        for chunk in &document.chunks {
            let n_words = chunk.text.split_whitespace().count();
            assert!((90..240).contains(&n_words), "{n_words}");
            let sum: f32 = chunk.topics.iter().map(|(_, share)| share).sum();
            assert!((sum - 1.0).abs() < 1e-4);
            main_share += chunk
                .topics
                .iter()
                .find(|(topic, _)| *topic == document.main_topic)
                .map_or(0.0, |(_, share)| *share);
        }
    }
    assert!((400..650).contains(&n_chunks), "{n_chunks}");
    let main_share = main_share / n_chunks as f32;
    assert!((0.65..0.9).contains(&main_share), "{main_share}");
}

#[test]
fn vectors_of_one_topic_are_nearer_than_others() {
    let corpus = corpus(1);
    let n_topics = corpus.material().openings().len();
    let topics: Vec<Vec<f32>> = (0..n_topics)
        .map(|topic| (0..64).map(|at| f32::from(u8::from(at == topic))).collect())
        .collect();
    let vector = |n: u64| {
        let document = corpus.document(n);
        (
            document.main_topic,
            made_vector(&topics, &document.chunks[0], n),
        )
    };
    let made: Vec<_> = (0..60).map(vector).collect();
    let (mut same, mut other) = (Vec::new(), Vec::new());
    for (at, (topic, vector)) in made.iter().enumerate() {
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-4);
        for (another, beside) in &made[..at] {
            let cosine = cosine(vector, beside);
            if topic == another {
                same.push(cosine);
            } else {
                other.push(cosine);
            }
        }
    }
    let mean = |cosines: &[f32]| cosines.iter().sum::<f32>() / cosines.len() as f32;
    assert!(!same.is_empty() && mean(&same) > mean(&other) + 0.3);
}

#[tokio::test]
async fn a_published_corpus_can_be_read_under_its_marks() {
    use std::sync::Arc;

    use cairn_store::SqliteCatalog;
    use cairn_testkit::{HashEmbedder, TENANT, owner, scope};
    use cairn_types::ports::{Catalog, Embedder};
    use cairn_types::{ChunkNo, SystemClock, SystemPurpose, SystemScope};

    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("catalog.sqlite");
    let catalog = SqliteCatalog::open(&path, Arc::new(SystemClock)).expect("catalog");
    assert_eq!(
        catalog.ensure_tenant("default").await.expect("tenant"),
        TENANT
    );
    let corpus = corpus(5);
    let embedder = HashEmbedder::new();
    let openings = corpus.material().openings();
    let openings: Vec<&str> = openings.iter().map(String::as_str).collect();
    let topics = embedder.embed(&openings).expect("vectors");
    let system = SystemScope::new(TENANT, SystemPurpose::Ingest);
    let vectors = MadeVectors {
        space: embedder.space(),
        topics: &topics,
    };
    let (n_documents, n_chunks) = publish_made(&catalog, system, &corpus, 200, Some(vectors))
        .await
        .expect("published");
    assert!((200..217).contains(&n_chunks), "{n_chunks}");
    let (_, documents) = catalog
        .index_documents(system, None)
        .await
        .expect("documents");
    assert_eq!(documents.len() as u64, n_documents);
    let lacking = catalog
        .chunks_without_vector(system, embedder.space(), 10)
        .await
        .expect("chunks");
    assert!(lacking.is_empty());
    let all: Vec<ChunkNo> = (0..n_chunks as u32).map(ChunkNo).collect();
    let passages = catalog.hydrate(&owner(), &all).await.expect("passages");
    assert_eq!(passages.len() as u64, n_chunks);
    let first = corpus.document(0);
    assert!(
        passages
            .values()
            .any(|passage| passage.text == first.chunks[1].text)
    );
    let tenth = catalog
        .hydrate(&scope(TENANT, &["group:tenth"]), &all)
        .await
        .expect("passages");
    assert!(!tenth.is_empty());
    assert!(
        tenth
            .values()
            .all(|passage| passage.document.tags.contains("tenth"))
    );
    assert!(tenth.len() * 4 < passages.len());
}
