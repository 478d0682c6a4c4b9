//! The targets by name.

use std::path::PathBuf;
use std::sync::LazyLock;

use cairn_extract::{ExtractOptions, MediaType, NoTools, Origin, Tools, fuzzing};
use cairn_ingest::{ChunkOptions, approximate_tokens, chunk_document};
use cairn_types::{Element, ElementKind, Extracted, ParseReport};

use crate::check::check;
use crate::pack::pack;
use crate::pdf;
use crate::tools::Reply;

/// One parser, or a few that share their inputs.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// What it is called by.
    pub name: &'static str,
    /// Feeds it.
    pub run: fn(&[u8]),
    /// Longest input worth trying.
    pub max_len: usize,
    /// Endings of documents that make seeds.
    pub endings: &'static [&'static str],
    /// Whether its seeds are archives taken apart (see [`crate::unpack`]).
    pub is_package: bool,
}

const fn plain(
    name: &'static str,
    run: fn(&[u8]),
    max_len: usize,
    endings: &'static [&'static str],
) -> Target {
    Target {
        name,
        run,
        max_len,
        endings,
        is_package: false,
    }
}

const fn package(name: &'static str, run: fn(&[u8]), endings: &'static [&'static str]) -> Target {
    Target {
        name,
        run,
        max_len: 48 << 10,
        endings,
        is_package: true,
    }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    plain(
        "detect",
        detect,
        4 << 10,
        &["pdf", "docx", "msg", "eml", "csv", "json"],
    ),
    plain("text", text, 8 << 10, &["txt", "rs", "py"]),
    plain(
        "markdown",
        |data| read(MediaType::Markdown, data),
        8 << 10,
        &["md"],
    ),
    plain("html", html, 16 << 10, &["html"]),
    plain(
        "xml",
        |data| read(MediaType::Xml, data),
        16 << 10,
        &["xml", "nxml"],
    ),
    plain("delimited", delimited, 4 << 10, &["csv", "tsv"]),
    plain("json", json, 8 << 10, &["json", "jsonl", "ipynb"]),
    plain("subtitles", subtitles, 4 << 10, &["vtt", "srt"]),
    plain(
        "asciidoc",
        |data| read(MediaType::AsciiDoc, data),
        8 << 10,
        &["adoc", "asciidoc"],
    ),
    plain("rst", |data| read(MediaType::Rst, data), 8 << 10, &["rst"]),
    plain("rtf", |data| read(MediaType::Rtf, data), 16 << 10, &["rtf"]),
    plain("eml", |data| read(MediaType::Eml, data), 16 << 10, &["eml"]),
    plain("msg", |data| read(MediaType::Msg, data), 64 << 10, &["msg"]),
    plain("archive", archive, 16 << 10, &["zip", "tar", "gz", "docx"]),
    plain("pdf", pdf_pages, 4 << 10, &[]),
    plain("recognised", recognised, 8 << 10, &[]),
    plain("chunks", chunks, 2 << 10, &["md", "txt"]),
    plain("frames", fuzzing::frames, 4 << 10, &[]),
    plain("query", query, 2 << 10, &[]),
    package("docx", |data| read_packed(MediaType::Docx, data), &["docx"]),
    package("pptx", |data| read_packed(MediaType::Pptx, data), &["pptx"]),
    package(
        "xlsx",
        |data| read_packed(MediaType::Xlsx, data),
        &["xlsx", "xlsm"],
    ),
    package("xlsb", |data| read_packed(MediaType::Xlsb, data), &[]),
    package("odf", odf, &["odt", "ods", "odp"]),
    package("epub", |data| read_packed(MediaType::Epub, data), &["epub"]),
];

/// Feeds the target `name`; whether there is one.
pub fn run(name: &str, data: &[u8]) -> bool {
    let target = TARGETS.iter().find(|target| target.name == name);
    target.inspect(|target| (target.run)(data)).is_some()
}

/// Small limits: an input of a few kilobytes that reaches them has gone far enough.
static OPTIONS: LazyLock<ExtractOptions> = LazyLock::new(|| ExtractOptions {
    pdfium: pdfium(),
    max_pages: 16,
    max_expanded_bytes: 8 << 20,
    max_zip_entries: 200,
    max_parts: 50,
    max_depth: 4,
    max_elements: 20_000,
    ..ExtractOptions::default()
});

#[expect(
    clippy::disallowed_methods,
    reason = "the arguments belong to the engine"
)]
fn pdfium() -> Option<PathBuf> {
    cairn_extract::find_pdfium(
        std::env::var_os("CAIRN_TEST_PDFIUM")
            .map(PathBuf::from)
            .as_deref(),
    )
}

fn read(media_type: MediaType, data: &[u8]) {
    read_with(media_type, data, &NoTools);
}

fn read_with(media_type: MediaType, data: &[u8], tools: &dyn Tools) {
    check(&fuzzing::read(
        media_type,
        data,
        Origin::File,
        &OPTIONS,
        tools,
    ));
}

/// The first byte chooses; the rest is the input.
fn choose(data: &[u8]) -> (u8, &[u8]) {
    data.split_first()
        .map_or((0, data), |(first, rest)| (*first, rest))
}

fn detect(data: &[u8]) {
    let (n, rest) = choose(data);
    let endings = [
        "", "txt", "md", "html", "csv", "json", "xml", "srt", "eml", "zip", "rs", "ipynb",
    ];
    let name = format!("a.{}", endings[usize::from(n) % endings.len()]);
    let _ = cairn_extract::detect(&name, rest);
}

fn text(data: &[u8]) {
    let (n, rest) = choose(data);
    read(
        if n & 1 == 0 {
            MediaType::PlainText
        } else {
            MediaType::Code("rust")
        },
        rest,
    );
}

fn html(data: &[u8]) {
    let (n, rest) = choose(data);
    let origin = if n & 1 == 0 {
        Origin::File
    } else {
        Origin::WebPage
    };
    check(&fuzzing::read(
        MediaType::Html,
        rest,
        origin,
        &OPTIONS,
        &NoTools,
    ));
}

fn delimited(data: &[u8]) {
    let (n, rest) = choose(data);
    read(
        if n & 1 == 0 {
            MediaType::Csv
        } else {
            MediaType::Tsv
        },
        rest,
    );
}

fn json(data: &[u8]) {
    let (n, rest) = choose(data);
    let kinds = [MediaType::Json, MediaType::JsonLines, MediaType::Notebook];
    read(kinds[usize::from(n) % kinds.len()], rest);
}

/// Both formats, and a transcription service's list of what is said.
fn subtitles(data: &[u8]) {
    let (n, rest) = choose(data);
    match n % 3 {
        0 => read(MediaType::Vtt, rest),
        1 => read(MediaType::Srt, rest),
        _ => read_with(
            MediaType::Audio("audio/wav"),
            b"RIFF----WAVEfmt ",
            &Reply(rest),
        ),
    }
}

fn archive(data: &[u8]) {
    let (n, rest) = choose(data);
    let kinds = [MediaType::Zip, MediaType::Tar, MediaType::Gzip];
    read(kinds[usize::from(n) % kinds.len()], rest);
}

fn pdf_pages(data: &[u8]) {
    if OPTIONS.pdfium.is_some() {
        read(MediaType::Pdf, &pdf::file(data));
    }
}

/// A picture whose words the fuzzer writes, as Tesseract would.
fn recognised(data: &[u8]) {
    read_with(
        MediaType::Image("image/png"),
        &crate::seeds::PICTURE,
        &Reply(data),
    );
}

fn query(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = cairn_index::LexicalQuery::new(&text);
    let _ = cairn_index::analyse_words(&text);
    let _ = cairn_index::detect_lang(&text);
}

fn read_packed(media_type: MediaType, data: &[u8]) {
    let (first, main) = match media_type {
        MediaType::Pptx => (None, "ppt/slides/slide1.xml"),
        MediaType::Xlsx => (None, "xl/worksheets/sheet1.xml"),
        MediaType::Xlsb => (None, "xl/worksheets/sheet1.bin"),
        MediaType::Odt | MediaType::Ods | MediaType::Odp => (
            Some(("mimetype", media_type.as_str().as_bytes())),
            "content.xml",
        ),
        MediaType::Epub => (
            Some(("mimetype", media_type.as_str().as_bytes())),
            "META-INF/container.xml",
        ),
        _ => (None, "word/document.xml"),
    };
    read(media_type, &pack(data, first, main));
}

fn odf(data: &[u8]) {
    let (n, rest) = choose(data);
    let kinds = [MediaType::Odt, MediaType::Ods, MediaType::Odp];
    read_packed(kinds[usize::from(n) % kinds.len()], rest);
}

/// Lines to elements of several kinds, cut to chunks within limits that the first two bytes set.
fn chunks(data: &[u8]) {
    let (max, rest) = choose(data);
    let (overlap, rest) = choose(rest);
    let kinds = [
        ElementKind::Paragraph,
        ElementKind::Heading,
        ElementKind::ListItem,
        ElementKind::Table,
        ElementKind::Code,
        ElementKind::Note,
        ElementKind::TableSummary,
    ];
    let text = String::from_utf8_lossy(rest);
    let elements: Vec<Element> = text
        .split("\n\n")
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let n = part.len() + part.bytes().next().map_or(0, usize::from);
            let mut element = Element::new(kinds[n % kinds.len()], part);
            if element.kind == ElementKind::Heading {
                element.level = 1 + u8::try_from(n % 9).unwrap_or(0);
            }
            element
        })
        .collect();
    let extracted = Extracted {
        media_type: "text/plain".to_owned(),
        title: None,
        elements,
        report: ParseReport::default(),
    };
    let rendered = extracted.render();
    let options = ChunkOptions {
        max_tokens: usize::from(max) + 1,
        overlap_tokens: usize::from(overlap),
        ..ChunkOptions::default()
    };
    let cut = chunk_document(
        "title",
        &extracted.elements,
        &rendered,
        &options,
        &approximate_tokens,
        &cairn_index::detect_lang,
    );
    let n_chars = rendered.text.chars().count();
    let mut covered = vec![false; n_chars];
    for chunk in &cut {
        let span = chunk.new.meta.span;
        assert!(
            span.slice(&rendered.text)
                .is_some_and(|text| !text.is_empty()),
            "{span:?}"
        );
        covered[span.start..span.end].fill(true);
    }
    for (is_covered, c) in covered.iter().zip(rendered.text.chars()) {
        assert!(*is_covered || c.is_whitespace(), "`{c}` is in no chunk");
    }
}
