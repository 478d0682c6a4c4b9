//! Reading documents, by a process of its own on an empty data folder: files on disk to durable and searchable.

use std::path::{Path, PathBuf};

use cairn_bench::Corpus;
use cairn_server::api::IngestSummary;

use crate::client::read;
use crate::failure::Failure;

use super::args::BenchArgs;
use super::place::{Place, io};
use super::progress::Progress;
use super::report::{IngestReport, rounded};

/// Paragraphs of a generated file: about as many chunks.
const PARAGRAPHS: usize = 10;
/// Files of a folder.
const FILES_PER_FOLDER: u64 = 100;

pub(super) async fn measure(
    args: &BenchArgs,
    place: &Place,
    progress: Progress,
) -> Result<IngestReport, Failure> {
    let folder = match &args.folder {
        Some(folder) => fs_err::canonicalize(folder).map_err(io)?,
        None => write_files(args, place, 0, args.ingest_chunks)?,
    };
    let data = place.data("ingest")?;
    let path = folder.to_string_lossy().into_owned();
    let bar = progress.bar(0, "files read");
    bar.set_style(indicatif::ProgressStyle::default_spinner());
    let finished = place
        .run(&data, &["ingest", "--json", "--", &path], |_| bar.inc(1))
        .await?;
    bar.finish_and_clear();
    let summary = summary(&finished.stdout)?;
    if let Some(error) = summary.error {
        return Err(crate::client::failed(error));
    }
    let stages = summary.stages_ms;
    let elapsed_ms = summary.elapsed_ms.max(1e-6);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let chunks_per_s = summary.chunks as f64 / elapsed_ms * 1e3;
    let stages_s = [
        ("read", stages.read),
        ("parse", stages.parse),
        ("chunk", stages.chunk),
        ("embed", stages.embed),
        ("write", stages.write),
        ("index", stages.index),
    ];
    Ok(IngestReport {
        files: summary.added + summary.updated + summary.failed,
        failed: summary.failed,
        bytes: summary.bytes,
        chunks: summary.chunks,
        seconds: rounded(finished.wall.as_secs_f64()),
        chunks_per_s: rounded(chunks_per_s),
        embedding_share: rounded(stages.embed / elapsed_ms),
        stages_s: stages_s
            .map(|(stage, ms)| (stage.to_owned(), rounded(ms / 1e3)))
            .into(),
        peak_bytes: finished.peak_bytes,
    })
}

/// The last line of `cairn ingest --json`.
fn summary(stdout: &str) -> Result<IngestSummary, Failure> {
    let last = stdout.lines().last().unwrap_or_default();
    read(serde_json::from_str(last).unwrap_or_default())
}

/// Writes about so many chunks of generated text, from the document `first` on; Markdown and plain text by turns.
pub(super) fn write_files(
    args: &BenchArgs,
    place: &Place,
    first: u64,
    n_chunks: usize,
) -> Result<PathBuf, Failure> {
    let root = match &args.save {
        Some(folder) => folder.join(format!("files-{first}")),
        None => place.folder().join(format!("files-{first}")),
    };
    let corpus = Corpus::new(args.seed);
    for number in 0..n_chunks.div_ceil(PARAGRAPHS) as u64 {
        let folder = root.join(format!("{:03}", number / FILES_PER_FOLDER));
        fs_err::create_dir_all(&folder).map_err(io)?;
        let document = corpus.document(first + number, PARAGRAPHS);
        let body = document.paragraphs.join("\n\n");
        let (name, text) = if number % 2 == 0 {
            (format!("{number:06}.txt"), format!("{body}\n"))
        } else {
            (
                format!("{number:06}.md"),
                format!("# {}\n\n{body}\n", document.title),
            )
        };
        fs_err::write(folder.join(name), text).map_err(io)?;
    }
    fs_err::canonicalize(&root as &Path).map_err(io)
}
