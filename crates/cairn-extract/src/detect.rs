//! The type of a document, decided from its content.
//!
//! Magic numbers (`infer`), a look at the member names of ZIP and OLE containers, and heuristics for
//! text. The name's extension only chooses among text formats, which share one look.
//! Reads at most the first [`LOOK_BYTES`] of text; member names are looked for in all bytes given.

use std::io::Read;

use crate::code;
use crate::text::{decode, utf16_by_zeros};

/// Bytes of a text that the heuristics look at.
const LOOK_BYTES: usize = 16 << 10;

/// Bytes of an `OpenDocument` package's manifest that are looked at.
const MAX_MANIFEST: u64 = 1 << 20;

/// Kinds of `OpenDocument` packages.
const ODF_KINDS: [MediaType; 5] = [
    MediaType::Odt,
    MediaType::Ods,
    MediaType::Odp,
    MediaType::Other("application/vnd.oasis.opendocument.graphics"),
    MediaType::Other("application/vnd.oasis.opendocument.formula"),
];

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// Text without a known structure.
    PlainText,
    /// `CommonMark` with tables.
    Markdown,
    /// HTML or XHTML.
    Html,
    /// Comma- or semicolon-separated values.
    Csv,
    /// Tab-separated values.
    Tsv,
    /// One JSON value.
    Json,
    /// One JSON value a line.
    JsonLines,
    /// Source code in the language named (lower case, as code fences name it).
    Code(&'static str),
    /// PDF.
    Pdf,
    /// Word (OOXML).
    Docx,
    /// Excel (OOXML), with or without macros.
    Xlsx,
    /// Excel 97–2003.
    Xls,
    /// Excel, binary.
    Xlsb,
    /// PowerPoint (OOXML), with or without macros.
    Pptx,
    /// OpenDocument text.
    Odt,
    /// OpenDocument spreadsheet.
    Ods,
    /// OpenDocument presentation.
    Odp,
    /// EPUB book.
    Epub,
    /// Rich Text Format.
    Rtf,
    /// Word 97–2003.
    Doc,
    /// PowerPoint 97–2003.
    Ppt,
    /// E-mail message (RFC 5322).
    Eml,
    /// Outlook message.
    Msg,
    /// XML of no kind that is known better.
    Xml,
    /// ZIP archive of documents.
    Zip,
    /// TAR archive of documents.
    Tar,
    /// One compressed file (often a TAR).
    Gzip,
    /// Picture, by its media type.
    Image(&'static str),
    /// Sound, by its media type.
    Audio(&'static str),
    /// Film, by its media type.
    Video(&'static str),
    /// `WebVTT` subtitles.
    Vtt,
    /// `SubRip` subtitles.
    Srt,
    /// Jupyter notebook.
    Notebook,
    /// `AsciiDoc`.
    AsciiDoc,
    /// reStructuredText.
    Rst,
    /// An encrypted Office document.
    EncryptedOffice,
    /// Known by its media type, and not supported.
    Other(&'static str),
}

impl MediaType {
    /// The media type as HTTP names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlainText => "text/plain",
            Self::Markdown => "text/markdown",
            Self::Html => "text/html",
            Self::Csv => "text/csv",
            Self::Tsv => "text/tab-separated-values",
            Self::Json => "application/json",
            Self::JsonLines => "application/x-ndjson",
            Self::Code(_) => "text/x-source",
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Xls => "application/vnd.ms-excel",
            Self::Xlsb => "application/vnd.ms-excel.sheet.binary.macroEnabled.12",
            Self::Pptx => {
                "application/vnd.openxmlformats-officedocument.presentationml.presentation"
            }
            Self::Odt => "application/vnd.oasis.opendocument.text",
            Self::Ods => "application/vnd.oasis.opendocument.spreadsheet",
            Self::Odp => "application/vnd.oasis.opendocument.presentation",
            Self::Epub => "application/epub+zip",
            Self::Rtf => "application/rtf",
            Self::Doc => "application/msword",
            Self::Ppt => "application/vnd.ms-powerpoint",
            Self::Eml => "message/rfc822",
            Self::Msg => "application/vnd.ms-outlook",
            Self::Xml => "application/xml",
            Self::Zip => "application/zip",
            Self::Tar => "application/x-tar",
            Self::Gzip => "application/gzip",
            Self::Vtt => "text/vtt",
            Self::Srt => "application/x-subrip",
            Self::Notebook => "application/x-ipynb+json",
            Self::AsciiDoc => "text/asciidoc",
            Self::Rst => "text/x-rst",
            Self::EncryptedOffice => "application/x-encrypted-office",
            Self::Image(media_type)
            | Self::Audio(media_type)
            | Self::Video(media_type)
            | Self::Other(media_type) => media_type,
        }
    }
}

/// Decides the type of a document named `name` from its bytes `head` (best: all of them).
#[must_use]
pub fn detect(name: &str, head: &[u8]) -> MediaType {
    if let Some(found) = by_magic(head) {
        return found;
    }
    if looks_binary(head) {
        return MediaType::Other("application/octet-stream");
    }
    let extension = extension(name);
    let end = head.len().min(LOOK_BYTES);
    let look = decode(&head[..end]).text;
    by_text(&extension, &look, end == head.len())
}

/// The lower-case extension of a file name, empty where it has none.
pub(crate) fn extension(name: &str) -> String {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    match file.rsplit_once('.') {
        Some((_, extension)) => extension.to_ascii_lowercase(),
        None => String::new(),
    }
}

fn by_magic(head: &[u8]) -> Option<MediaType> {
    // Readers of PDF accept leading junk of up to a kibibyte, and such files exist.
    let start = &head[..head.len().min(1024)];
    if find(start, b"%PDF-")
        .is_some_and(|at| at == 0 || looks_binary(head) || !is_text_before(start, at))
    {
        return Some(MediaType::Pdf);
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Some(in_zip(head));
    }
    if head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]) {
        return Some(in_ole(head));
    }
    if head.starts_with(b"{\\rtf") {
        return Some(MediaType::Rtf);
    }
    let kind = infer::get(head)?;
    match kind.mime_type() {
        // Text formats: our own heuristics read more of the content than the first bytes.
        "text/html" | "text/xml" | "text/x-shellscript" => None,
        "application/gzip" => Some(MediaType::Gzip),
        "application/x-tar" => Some(MediaType::Tar),
        mime => Some(match mime.split('/').next() {
            Some("image") => MediaType::Image(mime),
            Some("audio") => MediaType::Audio(mime),
            Some("video") => MediaType::Video(mime),
            _ => MediaType::Other(mime),
        }),
    }
}

/// Whether what stands before a `%PDF-` is prose, so that the mark is a quotation.
fn is_text_before(start: &[u8], at: usize) -> bool {
    start[..at]
        .iter()
        .filter(|b| b.is_ascii_alphabetic())
        .count()
        > 16
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// Names of a ZIP's members by the signatures of their headers: works on a head without directory.
fn in_zip(bytes: &[u8]) -> MediaType {
    let mut encrypted = false;
    let (mut found, mut likely) = (None, None);
    let mut is_package = false;
    let (mut has_content, mut has_manifest) = (false, false);
    let mut at = 0;
    let mut n_seen = 0;
    while n_seen < 4096
        && let Some(step) = find_pk(&bytes[at..])
    {
        at += step;
        let header = &bytes[at..];
        at += 4;
        let (name_at, flags_at, len_at) = match header.get(2..4) {
            Some([3, 4]) => (30, 6, 26),
            Some([1, 2]) => (46, 8, 28),
            _ => continue,
        };
        let Some(&[low, high]) = header.get(len_at..len_at + 2) else {
            break;
        };
        n_seen += 1;
        let len = usize::from(u16::from_le_bytes([low, high]));
        let Some(name) = header.get(name_at..name_at + len) else {
            continue;
        };
        encrypted |= header.get(flags_at).is_some_and(|flags| flags & 1 == 1);
        if name == b"mimetype" && header[2] == 3 {
            // Writers that compress it, or put something before it, leave the other members to tell.
            match by_mimetype_member(&header[name_at + len..]) {
                Some(kind) => return kind,
                None => continue,
            }
        }
        has_content |= name == b"content.xml";
        has_manifest |= name == b"META-INF/manifest.xml";
        let kind = match name {
            b"word/document.xml" | b"word/document2.xml" => MediaType::Docx,
            b"xl/workbook.xml" => MediaType::Xlsx,
            b"xl/workbook.bin" => MediaType::Xlsb,
            b"ppt/presentation.xml" => MediaType::Pptx,
            b"META-INF/container.xml" => MediaType::Epub,
            // The main part may have any name; the package says which, and its folder what it is.
            _ => {
                is_package |= name == b"[Content_Types].xml";
                if name.starts_with(b"word/") {
                    likely = likely.or(Some(MediaType::Docx));
                } else if name.starts_with(b"ppt/") {
                    likely = likely.or(Some(MediaType::Pptx));
                }
                continue;
            }
        };
        found = found.or(Some(kind));
        if found == Some(kind) && !encrypted {
            break;
        }
    }
    match found.or(likely.filter(|_| is_package)) {
        Some(_) if encrypted => MediaType::EncryptedOffice,
        Some(kind) => kind,
        None if has_content && has_manifest => by_manifest(bytes),
        None => MediaType::Zip,
    }
}

/// The kind of an `OpenDocument` package whose `mimetype` does not say it, as its manifest does (`OpenDocument` 1.3
/// part 2, section 4.2).
fn by_manifest(bytes: &[u8]) -> MediaType {
    let manifest = manifest(bytes).unwrap_or_default();
    let is_named = |kind: &&MediaType| {
        let (double, single) = (
            format!("\"{}\"", kind.as_str()),
            format!("'{}'", kind.as_str()),
        );
        manifest.contains(&double) || manifest.contains(&single)
    };
    // Of several, the first is the package's own: objects within it come later.
    let at = |kind: &MediaType| manifest.find(kind.as_str());
    ODF_KINDS
        .iter()
        .filter(is_named)
        .min_by_key(|kind| at(kind))
        .copied()
        .unwrap_or(MediaType::Zip)
}

/// The manifest of a package, if it is as small as manifests are.
fn manifest(bytes: &[u8]) -> Option<String> {
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).ok()?;
    let member = zip.by_name("META-INF/manifest.xml").ok()?;
    let mut content = Vec::new();
    // A damaged end is of no interest here.
    let _ = member.take(MAX_MANIFEST).read_to_end(&mut content);
    Some(crate::xml::part_text(&content))
}

fn find_pk(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(step) = bytes[at..].iter().position(|&b| b == b'P') {
        at += step;
        if bytes[at..].starts_with(b"PK\x03\x04") || bytes[at..].starts_with(b"PK\x01\x02") {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// ODF and EPUB store their media type as their first member, uncompressed.
fn by_mimetype_member(content: &[u8]) -> Option<MediaType> {
    ODF_KINDS
        .into_iter()
        .chain([MediaType::Epub])
        .find(|known| content.starts_with(known.as_str().as_bytes()))
}

/// An `OpenDocument` file that is a single XML text names its media type at the root.
fn flat_odf(start: &str) -> Option<MediaType> {
    if !start.starts_with('<') || !start.contains("<office:document") {
        return None;
    }
    let (_, named) = start.split_once("office:mimetype=")?;
    let named = named.trim_start_matches(['"', '\'']);
    [MediaType::Odt, MediaType::Odp]
        .into_iter()
        .find(|kind| named.starts_with(kind.as_str()))
}

/// Kind of an OLE container by the names in its directory (UTF-16LE).
fn in_ole(bytes: &[u8]) -> MediaType {
    let has = |name: &str| {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        find(bytes, &name).is_some()
    };
    if has("EncryptedPackage") {
        return MediaType::EncryptedOffice;
    }
    if has("__substg1.0_") || has("__properties_version1.0") {
        return MediaType::Msg;
    }
    if has("WordDocument") {
        return MediaType::Doc;
    }
    if has("PowerPoint Document") {
        return MediaType::Ppt;
    }
    if has("Workbook") || has("Book") {
        return MediaType::Xls;
    }
    MediaType::Other("application/x-ole-storage")
}

/// Whether the first bytes are no text in any encoding that we decode.
fn looks_binary(head: &[u8]) -> bool {
    let look = &head[..head.len().min(8192)];
    if look.is_empty()
        || encoding_rs::Encoding::for_bom(look).is_some()
        || utf16_by_zeros(look).is_some()
    {
        return false;
    }
    let n_control = look
        .iter()
        .filter(|&&b| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b))
        .count();
    // Text with a few stray control bytes is still text; random bytes have one in ten.
    n_control * 20 > look.len()
}

fn by_text(extension: &str, look: &str, is_whole: bool) -> MediaType {
    let start = look.trim_start();
    let lower: String = start
        .chars()
        .take(1024)
        .collect::<String>()
        .to_ascii_lowercase();
    let named = by_extension(extension);
    if looks_html(&lower) && !matches!(named, Some(MediaType::Markdown | MediaType::Code(_))) {
        return MediaType::Html;
    }
    let is_xml_name = matches!(
        extension,
        "xml" | "nxml" | "jats" | "docbook" | "dbk" | "tei" | "svg" | "xbrl" | "dita"
    );
    if let Some(kind) = flat_odf(start) {
        return kind;
    }
    if lower.starts_with("<?xml") || is_xml_name && lower.starts_with('<') {
        return if lower.contains("<html") {
            MediaType::Html
        } else {
            MediaType::Xml
        };
    }
    if matches!(extension, "eml" | "mbox") || (named.is_none() && looks_mail(start)) {
        return MediaType::Eml;
    }
    if is_vtt(look) {
        return MediaType::Vtt;
    }
    match named {
        // A name that promises structure which the content does not have is not believed.
        Some(MediaType::Json) if looks_json_lines(start, is_whole) => return MediaType::JsonLines,
        Some(MediaType::Json | MediaType::JsonLines | MediaType::Notebook)
            if !start.starts_with(['{', '[', '"']) =>
        {
            return MediaType::PlainText;
        }
        Some(named) => return named,
        None => {}
    }
    if let Some(language) = code::by_shebang(start) {
        return MediaType::Code(language);
    }
    if start.starts_with(['{', '[']) {
        if looks_json_lines(start, is_whole) {
            return MediaType::JsonLines;
        }
        if is_whole && serde_json::from_str::<serde::de::IgnoredAny>(start).is_ok() {
            return MediaType::Json;
        }
    }
    if extension.is_empty() {
        return by_shape(look);
    }
    MediaType::PlainText
}

fn by_extension(extension: &str) -> Option<MediaType> {
    Some(match extension {
        "txt" | "text" | "log" => MediaType::PlainText,
        "md" | "markdown" | "mdown" | "mkd" | "mdx" => MediaType::Markdown,
        "html" | "htm" | "xhtml" => MediaType::Html,
        "csv" => MediaType::Csv,
        "tsv" | "tab" => MediaType::Tsv,
        "json" | "geojson" => MediaType::Json,
        "ipynb" => MediaType::Notebook,
        "srt" => MediaType::Srt,
        "adoc" | "asciidoc" | "asc" => MediaType::AsciiDoc,
        "rst" | "rest" => MediaType::Rst,
        "jsonl" | "ndjson" => MediaType::JsonLines,
        other => MediaType::Code(code::by_extension(other)?),
    })
}

/// The first line of a `WebVTT` file (W3C WebVTT, section 4.1) is its name, alone or followed by a remark.
fn is_vtt(look: &str) -> bool {
    look.trim_start_matches('\u{feff}')
        .strip_prefix("WEBVTT")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
}

fn looks_html(lower: &str) -> bool {
    lower.starts_with("<!doctype html")
        || lower.starts_with("<html")
        || lower.starts_with("<head")
        || lower.starts_with("<body")
        || (lower.starts_with("<!--")
            && (lower.contains("<html") || lower.contains("<!doctype html")))
}

/// Header lines of an e-mail: three of the fields that every mail has.
fn looks_mail(start: &str) -> bool {
    const FIELDS: [&str; 8] = [
        "from:",
        "to:",
        "subject:",
        "date:",
        "mime-version:",
        "received:",
        "message-id:",
        "return-path:",
    ];
    let mut n_found = 0;
    for line in start.lines().take(60) {
        if line.is_empty() {
            break;
        }
        let lower = line.to_ascii_lowercase();
        let is_folded = line.starts_with([' ', '\t']);
        if !is_folded
            && !lower.split(':').next().is_some_and(|name| {
                !name.is_empty()
                    && name.len() < lower.len()
                    && name.bytes().all(|b| b.is_ascii_graphic())
            })
        {
            return false;
        }
        n_found += usize::from(FIELDS.iter().any(|field| lower.starts_with(field)));
    }
    n_found >= 4
}

/// At least two lines, and each of the first ones is a JSON object or array of its own.
fn looks_json_lines(start: &str, is_whole: bool) -> bool {
    let mut lines: Vec<&str> = start.lines().collect();
    if !is_whole {
        lines.pop();
    }
    let mut n_lines = 0;
    for line in lines
        .into_iter()
        .filter(|line| !line.trim().is_empty())
        .take(5)
    {
        if !line.starts_with(['{', '['])
            || serde_json::from_str::<serde::de::IgnoredAny>(line).is_err()
        {
            return false;
        }
        n_lines += 1;
    }
    n_lines >= 2
}

/// Text without a name: Markdown by its marks, values by their delimiters, else plain.
fn by_shape(look: &str) -> MediaType {
    let lines: Vec<&str> = look
        .lines()
        .filter(|line| !line.trim().is_empty())
        .take(40)
        .collect();
    let n_headings = lines
        .iter()
        .filter(|line| {
            let rest = line.trim_start_matches('#');
            rest.len() < line.len() && rest.starts_with(' ')
        })
        .count();
    let n_fences = lines.iter().filter(|line| line.starts_with("```")).count();
    if n_headings >= 2 || (n_headings >= 1 && n_fences >= 2) {
        return MediaType::Markdown;
    }
    for (delimiter, media_type) in [
        ('\t', MediaType::Tsv),
        (',', MediaType::Csv),
        (';', MediaType::Csv),
    ] {
        let count = |line: &&str| line.matches(delimiter).count();
        let Some(first) = lines.first().map(count) else {
            continue;
        };
        let whole = lines.len().saturating_sub(usize::from(lines.len() == 40));
        if first >= 2 && whole >= 3 && lines[..whole].iter().all(|line| count(line) == first) {
            return media_type;
        }
    }
    MediaType::PlainText
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn content_decides_and_the_name_only_helps_among_texts() {
        let cases: [(&str, &[u8], MediaType); 20] = [
            ("notes.txt", b"%PDF-1.7\n...", MediaType::Pdf),
            ("a.pdf", b"only text, no pdf", MediaType::PlainText),
            ("a.md", b"# Title", MediaType::Markdown),
            (
                "README",
                b"# Title\n\ntext\n\n## Part\n",
                MediaType::Markdown,
            ),
            (
                "a.txt",
                b"# Title\n\ntext\n\n## Part\n",
                MediaType::PlainText,
            ),
            ("a.txt", b"<!DOCTYPE html><p>x", MediaType::Html),
            ("a.csv", b"a,b\n1,2\n", MediaType::Csv),
            ("", b"a;b;c\n1;2;3\n4;5;6\n", MediaType::Csv),
            ("", b"{\"a\": 1}", MediaType::Json),
            ("x.json", b"{\"a\": 1}\n{\"a\": 2}\n", MediaType::JsonLines),
            ("x.json", b"not json at all", MediaType::PlainText),
            ("main.rs", b"fn main() {}", MediaType::Code("rust")),
            (
                "run",
                b"#!/usr/bin/env python3\nprint(1)\n",
                MediaType::Code("python"),
            ),
            (
                "a.xml",
                b"<?xml version=\"1.0\"?><article/>",
                MediaType::Xml,
            ),
            ("a.txt", b"{\\rtf1 hello}", MediaType::Rtf),
            (
                "a.txt",
                b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR",
                MediaType::Image("image/png"),
            ),
            (
                "a.txt",
                b"\0\x01\x02\x03\x04\x05garbage",
                MediaType::Other("application/octet-stream"),
            ),
            (
                "m.eml",
                b"From: a@b\nTo: c@d\nSubject: x\n\nhi",
                MediaType::Eml,
            ),
            ("", b"", MediaType::PlainText),
            ("a.docx", b"PK\x05\x06\0\0\0\0", MediaType::Zip),
        ];
        for (name, bytes, expect) in cases {
            assert_eq!(detect(name, bytes), expect, "{name} {bytes:?}");
        }
    }

    /// Names and contents of an archive's members.
    type Members<'t> = &'t [(&'t str, &'t [u8])];

    #[test]
    fn a_zip_is_what_its_members_say() {
        let mut zip = b"PK\x03\x04".to_vec();
        zip.extend([0; 22]);
        zip.extend(17u16.to_le_bytes());
        zip.extend([0, 0]);
        zip.extend(b"word/document.xml");
        assert_eq!(detect("a.zip", &zip), MediaType::Docx);
        zip[6] = 1;
        assert_eq!(detect("a.zip", &zip), MediaType::EncryptedOffice);
        let other: [(Members<'_>, MediaType); 3] = [
            (
                &[("[Content_Types].xml", b"x"), ("word/other.xml", b"x")],
                MediaType::Docx,
            ),
            (
                &[("[Content_Types].xml", b"x"), ("ppt/other.xml", b"x")],
                MediaType::Pptx,
            ),
            (&[("word/other.xml", b"x")], MediaType::Zip),
        ];
        for (members, expect) in other {
            let zip = crate::archive::tests::zip_of(members);
            assert_eq!(detect("a.zip", &zip), expect, "{members:?}");
        }
    }

    #[test]
    fn packages_are_known_without_their_mimetype() {
        let manifest = r#"<manifest:manifest><manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.presentation"/><manifest:file-entry manifest:full-path="Object 1/" manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/></manifest:manifest>"#;
        let manifest = ("META-INF/manifest.xml", manifest.as_bytes());
        let cases: [(Members<'_>, MediaType); 4] = [
            (
                &[("mimetype", b"??"), ("content.xml", b"x"), manifest],
                MediaType::Odp,
            ),
            (&[manifest, ("content.xml", b"x")], MediaType::Odp),
            (
                &[("content.xml", b"x"), ("META-INF/manifest.xml", b"none")],
                MediaType::Zip,
            ),
            (
                &[("mimetype", b"??"), ("META-INF/container.xml", b"x")],
                MediaType::Epub,
            ),
        ];
        for (members, expect) in cases {
            let zip = crate::archive::tests::zip_of(members);
            assert_eq!(detect("a.zip", &zip), expect, "{members:?}");
        }
    }

    #[test]
    fn flat_documents_name_their_kind() {
        let flat = |kind: &str| {
            format!(
                "<?xml version=\"1.0\"?><office:document xmlns:office=\"o\" office:mimetype=\"application/vnd.oasis.opendocument.{kind}\">"
            )
        };
        for (kind, expect) in [
            ("text", MediaType::Odt),
            ("presentation", MediaType::Odp),
            ("graphics", MediaType::Xml),
        ] {
            assert_eq!(detect("a.xml", flat(kind).as_bytes()), expect);
        }
    }

    proptest! {
        #[test]
        fn never_panics(name in ".{0,12}", bytes in proptest::collection::vec(any::<u8>(), 0..200), prefix in 0usize..4) {
            let prefixes: [&[u8]; 4] = [b"", b"PK\x03\x04", b"PK\x01\x02", &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]];
            let mut all = prefixes[prefix].to_vec();
            all.extend(bytes);
            let _ = detect(&name, &all);
        }
    }
}
