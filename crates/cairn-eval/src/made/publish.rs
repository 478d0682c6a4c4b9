//! Putting a made corpus into a catalog, by the write path's own port.

use std::collections::BTreeSet;

use cairn_types::ports::{Catalog, CatalogError, PublishVersion};
use cairn_types::{
    AccessList, BlobHash, CharSpan, ChunkMeta, DocumentStatus, Element, ElementKind,
    EmbeddingSpace, Fingerprint, InputHash, NewChunk, ParseReport, Principal, Source, SystemScope,
};
use half::f16;

use super::{MadeChunk, MadeCorpus, made_vector};

/// Documents whose vectors are stored together and which are published side by side: they share commits.
const AT_ONCE: u64 = 32;

/// Where the vectors of made chunks come from.
#[derive(Debug, Clone, Copy)]
pub struct MadeVectors<'a> {
    /// The space they are said to be of.
    pub space: &'a EmbeddingSpace,
    /// A vector for each of [`super::Material::openings`].
    pub topics: &'a [Vec<f32>],
}

/// Publishes the first documents of the corpus that have at least `n_chunks` chunks together; returns how many documents
/// and chunks that were. Originals are not stored: the documents can be searched and shown, not read again.
///
/// # Errors
/// What the catalog says.
pub async fn publish_made(
    catalog: &dyn Catalog,
    system: SystemScope,
    corpus: &MadeCorpus,
    n_chunks: u64,
    vectors: Option<MadeVectors<'_>>,
) -> Result<(u64, u64), CatalogError> {
    let (mut n_documents, mut published) = (0, 0);
    while published < n_chunks {
        let mut versions = Vec::new();
        let mut rows = Vec::new();
        for n in n_documents..n_documents + AT_ONCE {
            if published >= n_chunks {
                break;
            }
            let (version, mut own) = version(corpus, n, vectors);
            published += version.chunks.len() as u64;
            versions.push(version);
            rows.append(&mut own);
        }
        n_documents += versions.len() as u64;
        if let Some(vectors) = vectors {
            catalog.put_vectors(system, vectors.space, rows).await?;
        }
        let publications = versions
            .into_iter()
            .map(|version| catalog.publish_version(system, version));
        futures::future::try_join_all(publications).await?;
    }
    Ok((n_documents, published))
}

/// Document `n` with the vectors of its chunks.
fn version(
    corpus: &MadeCorpus,
    n: u64,
    vectors: Option<MadeVectors<'_>>,
) -> (PublishVersion, Vec<(InputHash, Vec<u8>)>) {
    let document = corpus.document(n);
    let mut text = String::new();
    let mut n_chars = 0;
    let mut elements = Vec::new();
    let mut chunks = Vec::new();
    let mut rows = Vec::new();
    for (ordinal, chunk) in (0..).zip(&document.chunks) {
        if !text.is_empty() {
            text.push_str("\n\n");
            n_chars += 2;
        }
        let start = n_chars;
        text.push_str(&chunk.text);
        n_chars += chunk.text.chars().count();
        let span = CharSpan::new(start, n_chars);
        elements.push((Element::new(ElementKind::Paragraph, &chunk.text), span));
        let input_hash = input_hash(&document.title, chunk);
        chunks.push(NewChunk {
            meta: ChunkMeta {
                ordinal,
                span,
                page: None,
                heading_path: chunk.heading.clone(),
                lang: Some("en".to_owned()),
                n_tokens: u32::try_from(chunk.text.len() / 5).unwrap_or(u32::MAX),
            },
            input_hash,
        });
        if let Some(vectors) = vectors {
            let vector = made_vector(vectors.topics, chunk, n << 16 | u64::from(ordinal));
            let bytes = vector
                .into_iter()
                .flat_map(|x| f16::from_f32(x).to_le_bytes());
            rows.push((input_hash, bytes.collect()));
        }
    }
    let mut marks = vec!["all".to_owned()];
    marks.extend(n.is_multiple_of(10).then(|| "tenth".to_owned()));
    marks.extend(n.is_multiple_of(100).then(|| "hundredth".to_owned()));
    let tags: BTreeSet<String> = marks
        .iter()
        .cloned()
        .chain([format!("topic-{}", document.main_topic % 10)])
        .collect();
    let version = PublishVersion {
        collection: "default".to_owned(),
        source: Source::files(),
        key: format!("/made/{}/{n}.txt", n / 1000),
        moved_from: None,
        uri: format!("file:///made/{}/{n}.txt", n / 1000),
        title: document.title,
        media_type: "text/plain".to_owned(),
        tags: Some(tags),
        access: Some(AccessList::new(marks.into_iter().map(Principal::Group))),
        modified_at: None,
        blob: BlobHash::of(text.as_bytes()),
        size_bytes: text.len() as u64,
        fingerprint: Fingerprint::of(b"made-1"),
        text,
        elements,
        report: ParseReport::default(),
        status: DocumentStatus::Ok,
        chunks,
    };
    (version, rows)
}

fn input_hash(title: &str, chunk: &MadeChunk) -> InputHash {
    InputHash::of(format!("{title}\n{}\n{}", chunk.heading, chunk.text).as_bytes())
}
