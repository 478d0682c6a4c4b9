//! A data folder with as many generated chunks as wanted, filled through the catalog like anybody's.
//!
//! Documents have ten paragraphs; each is one chunk. Vectors come from the model, for all chunks or for the first ones; the others are
//! then mixed from those (`cairn_bench::Mixture`), so that a million takes minutes. Access lists put each document into some of
//! the sets that searches are filtered by: two random ones and two that follow subjects, as departments do.

use std::path::Path;
use std::time::{Duration, Instant};

use cairn_bench::{Corpus, GeneratedDocument, Mixture, Random, bytes_below};
use cairn_ingest::approximate_tokens;
use cairn_types::ports::{Embedder, PublishBatch, PublishVersion, VectorRow};
use cairn_types::{
    AccessList, BlobHash, CharSpan, ChunkMeta, DocumentStatus, Element, ElementKind, ErrorKind,
    Extracted, Fingerprint, InputHash, NewChunk, ParseReport, Principal, Scope, Source,
    SystemPurpose, SystemScope, TenantId,
};

use crate::failure::Failure;
use crate::wiring::Parts;

use super::args::EmbedArg;
use super::progress::Progress;
use super::report::BaseReport;

/// Chunks of a document.
pub(super) const CHUNKS_PER_DOCUMENT: usize = 10;
/// Chunks that are embedded, or stored, at once.
const CHUNKS_PER_STEP: usize = 500;

const SETS_STREAM: u64 = 11;
const VECTOR_STREAM: u64 = 12;

/// What a base is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) n_chunks: usize,
    pub(super) embed: EmbedArg,
    /// Chunks that the model embeds before others are mixed from them.
    pub(super) mix_from: usize,
}

/// Documents that a search may be limited to, by the group that may read them.
pub(super) struct Set {
    pub(super) label: &'static str,
    group: Option<&'static str>,
}

/// The sets; the first has every document.
pub(super) const SETS: [Set; 5] = [
    Set {
        label: "all",
        group: None,
    },
    Set {
        label: "10 % random",
        group: Some("random-10"),
    },
    Set {
        label: "1 % random",
        group: Some("random-1"),
    },
    Set {
        label: "10 % by subject",
        group: Some("subject-10"),
    },
    Set {
        label: "1 % by subject",
        group: Some("subject-1"),
    },
];

impl Set {
    /// On whose behalf a search finds exactly this set.
    #[expect(
        clippy::disallowed_methods,
        reason = "the data is generated, and thrown away with the folder"
    )]
    pub(super) fn scope(&self, tenant: TenantId) -> Scope {
        match self.group {
            None => Scope::grant_owner(tenant),
            Some(group) => Scope::grant(tenant, [Principal::Group(group.to_owned())]),
        }
    }
}

/// Bit i: documents with this access list are in set i.
pub(super) fn sets_of(access: &AccessList) -> u32 {
    let is_in = |set: &Set| {
        set.group.is_none_or(|group| {
            let wanted = Principal::Group(group.to_owned());
            access.principals().any(|principal| *principal == wanted)
        })
    };
    (0..)
        .zip(&SETS)
        .filter(|(_, set)| is_in(set))
        .map(|(bit, _)| 1_u32 << bit)
        .sum()
}

fn access(seed: u64, number: u64, topic: usize, corpus: &Corpus) -> AccessList {
    let n_topics = corpus.n_topics();
    let mut random = Random::of(seed, SETS_STREAM, number);
    let (one, two, three) = (random.unit(), random.unit(), random.unit());
    #[expect(clippy::cast_precision_loss, reason = "some ten subjects")]
    let share = 0.01 * n_topics as f32;
    let is_in = [
        one < 0.1,
        two < 0.01,
        topic < n_topics / 10,
        topic == corpus.topic(0) && three < share,
    ];
    // The first document is in every set, so that none is empty in a small base.
    let is_in = is_in.map(|is_in| is_in || number == 0);
    let groups = SETS.iter().filter_map(|set| set.group).zip(is_in);
    let groups = groups.filter(|(_, is_in)| *is_in);
    AccessList::new(groups.map(|(group, _)| Principal::Group(group.to_owned())))
}

impl Plan {
    pub(super) fn n_documents(&self) -> u64 {
        self.n_chunks.div_ceil(CHUNKS_PER_DOCUMENT) as u64
    }

    /// Paragraphs of a document: the last one may have fewer.
    fn paragraphs_of(&self, number: u64) -> usize {
        let before = usize::try_from(number).unwrap_or(usize::MAX) * CHUNKS_PER_DOCUMENT;
        self.n_chunks
            .saturating_sub(before)
            .min(CHUNKS_PER_DOCUMENT)
    }
}

/// Fills the data folder of `parts`. The sizes and the time of the index are not known yet.
pub(super) async fn fill(
    parts: &Parts,
    plan: Plan,
    progress: Progress,
) -> Result<BaseReport, Failure> {
    let started = Instant::now();
    let corpus = Corpus::new(plan.seed);
    let system = SystemScope::new(parts.tenant(), SystemPurpose::Ingest);
    let vectors = match parts.embedder() {
        Some(embedder) => Some(Vectors::new(&corpus, plan, embedder.as_ref(), progress).await?),
        None => None,
    };
    let bar = progress.bar(plan.n_chunks, "chunks published");
    let mut pending: Vec<PublishVersion> = Vec::new();
    let mut rows: Vec<VectorRow> = Vec::new();
    let mut first = 0;
    for number in 0..plan.n_documents() {
        let document = corpus.document(number, plan.paragraphs_of(number));
        let n_chunks = document.paragraphs.len();
        if let Some(vectors) = &vectors {
            for (chunk, paragraph) in (first..).zip(&document.paragraphs) {
                let vector = vectors.get(chunk, document.topic, plan.seed);
                rows.push((
                    InputHash::of(input(&document, paragraph).as_bytes()),
                    vector,
                ));
            }
        }
        let access = access(plan.seed, number, document.topic, &corpus);
        pending.push(version(number, document, access));
        first += n_chunks;
        if pending.len() * CHUNKS_PER_DOCUMENT >= CHUNKS_PER_STEP || first == plan.n_chunks {
            let n_chunks: usize = pending.iter().map(|version| version.chunks.len()).sum();
            let space = parts.embedder().map(|embedder| embedder.space().clone());
            let batch = PublishBatch {
                vectors: space.map(|space| (space, std::mem::take(&mut rows))),
                versions: std::mem::take(&mut pending),
            };
            let done = parts.catalog().publish_batch(system, batch).await?;
            for outcome in done.outcomes {
                outcome?;
            }
            bar.inc(n_chunks as u64);
        }
    }
    bar.finish_and_clear();
    Ok(BaseReport {
        chunks: plan.n_chunks,
        documents: plan.n_documents(),
        vectors: vectors.map_or_else(|| "no vectors".to_owned(), |vectors| vectors.in_words()),
        fill_seconds: seconds(started.elapsed()),
        index_seconds: 0.0,
        catalog_bytes: 0,
        dense_bytes: 0,
        lexical_bytes: 0,
    })
}

/// Sizes of the parts of a data folder.
pub(super) fn measure_sizes(data: &Path, report: &mut BaseReport) {
    for index in folders(&data.join("index")) {
        report.dense_bytes += bytes_below(&index.join("dense"));
        report.lexical_bytes += bytes_below(&index.join("lexical"));
    }
    let files = fs_err::read_dir(data).into_iter().flatten().flatten();
    let catalog = files.filter(|file| file.file_name().to_string_lossy().starts_with("catalog"));
    report.catalog_bytes = catalog
        .filter_map(|file| file.metadata().ok())
        .map(|meta| meta.len())
        .sum();
}

/// The folders in a folder.
pub(super) fn folders(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs_err::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}

pub(super) fn seconds(duration: Duration) -> f64 {
    super::report::rounded(duration.as_secs_f64())
}

/// What is embedded for a paragraph.
fn input(document: &GeneratedDocument, paragraph: &str) -> String {
    format!("{}\n{paragraph}", document.title)
}

/// Vectors of the chunks of a base.
struct Vectors {
    /// Of the first chunks.
    real: Vec<Vec<f32>>,
    /// For the others.
    mixture: Option<Mixture>,
}

impl Vectors {
    async fn new(
        corpus: &Corpus,
        plan: Plan,
        embedder: &dyn Embedder,
        progress: Progress,
    ) -> Result<Self, Failure> {
        let n_real = match plan.embed {
            EmbedArg::Real => plan.n_chunks,
            EmbedArg::Mixed => plan.n_chunks.min(plan.mix_from.max(2)),
        };
        let bar = progress.bar(n_real, "chunks embedded");
        let (mut real, mut topics) = (Vec::with_capacity(n_real), Vec::with_capacity(n_real));
        let mut inputs: Vec<String> = Vec::new();
        for number in 0..plan.n_documents() {
            let document = corpus.document(number, plan.paragraphs_of(number));
            inputs.extend(
                document
                    .paragraphs
                    .iter()
                    .map(|paragraph| input(&document, paragraph)),
            );
            topics.extend(document.paragraphs.iter().map(|_| document.topic));
            let is_last = real.len() + inputs.len() >= n_real;
            if inputs.len() >= CHUNKS_PER_STEP || is_last {
                inputs.truncate(n_real - real.len());
                let texts: Vec<&str> = inputs.iter().map(String::as_str).collect();
                real.extend(embedder.embed(&texts)?);
                bar.inc(inputs.len() as u64);
                inputs.clear();
                // Lets Ctrl-C through.
                tokio::task::yield_now().await;
            }
            if is_last {
                break;
            }
        }
        bar.finish_and_clear();
        let mixture = if n_real < plan.n_chunks {
            let given = topics.into_iter().zip(real.iter().cloned()).collect();
            Some(Mixture::new(given, corpus.n_topics()).ok_or_else(|| {
                Failure::new(
                    ErrorKind::Bug,
                    "there are too few vectors to mix others from",
                )
            })?)
        } else {
            None
        };
        Ok(Self { real, mixture })
    }

    /// The vector of a chunk as the catalog keeps it.
    fn get(&self, chunk: usize, topic: usize, seed: u64) -> Vec<u8> {
        let to_bytes = |vector: &[f32]| {
            let values = vector.iter().map(|value| half::f16::from_f32(*value));
            values.flat_map(half::f16::to_le_bytes).collect()
        };
        match (self.real.get(chunk), &self.mixture) {
            (Some(real), _) => to_bytes(real),
            (None, Some(mixture)) => {
                let mut random = Random::of(seed, VECTOR_STREAM, chunk as u64);
                to_bytes(&mixture.vector(topic, &mut random))
            }
            (None, None) => Vec::new(),
        }
    }

    fn in_words(&self) -> String {
        if self.mixture.is_some() {
            format!("vectors mixed from {} of the model", self.real.len())
        } else {
            "vectors of the model".to_owned()
        }
    }
}

fn version(number: u64, document: GeneratedDocument, access: AccessList) -> PublishVersion {
    let hashes: Vec<InputHash> = document
        .paragraphs
        .iter()
        .map(|paragraph| InputHash::of(input(&document, paragraph).as_bytes()))
        .collect();
    let paragraphs = document.paragraphs.into_iter();
    let extracted = Extracted {
        media_type: "text/plain".to_owned(),
        title: Some(document.title.clone()),
        elements: paragraphs
            .map(|text| Element::new(ElementKind::Paragraph, text))
            .collect(),
        report: ParseReport::default(),
    };
    let rendered = extracted.render();
    let chunk =
        |(ordinal, ((element, span), input_hash)): (u32, ((&Element, &CharSpan), InputHash))| {
            let n_tokens = approximate_tokens(&element.text);
            NewChunk {
                meta: ChunkMeta {
                    ordinal,
                    span: *span,
                    page: None,
                    heading_path: String::new(),
                    lang: Some("en".to_owned()),
                    n_tokens: u32::try_from(n_tokens).unwrap_or(u32::MAX),
                },
                input_hash,
            }
        };
    let places = extracted.elements.iter().zip(&rendered.spans);
    let chunks = (0..).zip(places.zip(hashes)).map(chunk).collect();
    PublishVersion {
        collection: "bench".to_owned(),
        source: Source("generated".to_owned()),
        key: number.to_string(),
        moved_from: None,
        uri: format!("generated:{number}"),
        title: document.title,
        media_type: extracted.media_type,
        tags: None,
        access: Some(access),
        modified_at: None,
        blob: BlobHash::of(rendered.text.as_bytes()),
        size_bytes: rendered.text.len() as u64,
        fingerprint: Fingerprint::of(b"generated"),
        text: rendered.text,
        elements: extracted.elements.into_iter().zip(rendered.spans).collect(),
        report: extracted.report,
        status: DocumentStatus::Ok,
        chunks,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_have_about_their_share() {
        let corpus = Corpus::new(1);
        let mut counts = [0_u32; SETS.len()];
        for number in 0..20_000 {
            let access = access(1, number, corpus.topic(number), &corpus);
            let sets = sets_of(&access);
            for (bit, count) in counts.iter_mut().enumerate() {
                *count += sets >> bit & 1;
            }
        }
        assert_eq!(counts[0], 20_000);
        for (count, (low, high)) in
            counts[1..]
                .iter()
                .zip([(1_800, 2_200), (140, 260), (1_500, 2_200), (140, 260)])
        {
            assert!((low..high).contains(count), "{counts:?}");
        }
    }

    #[test]
    fn the_last_document_takes_the_rest() {
        let plan = Plan {
            seed: 1,
            n_chunks: 23,
            embed: EmbedArg::Mixed,
            mix_from: 2,
        };
        assert_eq!(plan.n_documents(), 3);
        let sizes: Vec<usize> = (0..3).map(|number| plan.paragraphs_of(number)).collect();
        assert_eq!(sizes, [10, 10, 3]);
    }
}
