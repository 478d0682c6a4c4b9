//! One document to its elements: finds the type, calls the reader, judges the result.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cairn_types::Extracted;

use crate::builder::Builder;
use crate::context::{Context, Origin};
use crate::detect::{MediaType, detect};
use crate::error::ExtractError;
use crate::options::ExtractOptions;
use crate::tools::{LegacyFormat, NoTools, Tools};
use crate::{
    asciidoc, code, containers, delimited, docx, epub, html, image, json, legacy, mail, markdown,
    notebook, odf, pdf, pptx, rst, rtf, speech, spreadsheet, subtitles, text, xml_document,
};

/// Version of the readers' output, part of a rendition's fingerprint: rises whenever output changes.
pub const EXTRACTOR_VERSION: &str = "5";

/// A document as it came.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Its file name or path; decides only among formats that look alike.
    pub name: &'a str,
    /// All of it.
    pub bytes: &'a [u8],
    /// Where it was found.
    pub origin: Origin,
}

impl<'a> Input<'a> {
    /// A file or upload.
    #[must_use]
    pub const fn file(name: &'a str, bytes: &'a [u8]) -> Self {
        Self {
            name,
            bytes,
            origin: Origin::File,
        }
    }
}

/// Reads the document `bytes` named `name` in this process, without tools.
///
/// Parsers of foreign bytes can crash or grow: servers use a [`crate::WorkerPool`] instead. A panic of a
/// parser is an [`ExtractError::Crashed`].
///
/// # Errors
/// When nothing could be read. What could be read in part comes with warnings in the report.
pub fn extract(
    name: &str,
    bytes: &[u8],
    options: &ExtractOptions,
) -> Result<Extracted, ExtractError> {
    extract_with(&Input::file(name, bytes), options, &NoTools)
}

/// [`extract`] with the programs that recognise, convert and transcribe.
///
/// # Errors
/// As [`extract`].
pub fn extract_with(
    input: &Input<'_>,
    options: &ExtractOptions,
    tools: &dyn Tools,
) -> Result<Extracted, ExtractError> {
    let cx = Context::new(options, input.origin, tools);
    catch_panic(|| read_document(input.name, input.bytes, &cx))
}

/// Reads a document found within another one: an attachment, an archive member. Its panic is its own.
pub(crate) fn read_part(
    name: &str,
    bytes: &[u8],
    cx: &Context<'_>,
) -> Result<Extracted, ExtractError> {
    cx.nested(|| catch_panic(|| read_document(name, bytes, cx)))
}

/// Runs a parser; its panic becomes an error of the document.
pub(crate) fn catch_panic<T>(
    read: impl FnOnce() -> Result<T, ExtractError>,
) -> Result<T, ExtractError> {
    // Whatever state the panic tore is thrown away with it.
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let reason = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "panic".to_owned());
        Err(ExtractError::Crashed { reason })
    })
}

fn read_document(name: &str, bytes: &[u8], cx: &Context<'_>) -> Result<Extracted, ExtractError> {
    if bytes.is_empty() {
        return Err(ExtractError::empty("the file has 0 bytes"));
    }
    read_as(detect(name, bytes), name, bytes, cx)
}

/// Reads bytes as the format they are said to be.
pub(crate) fn read_as(
    media_type: MediaType,
    name: &str,
    bytes: &[u8],
    cx: &Context<'_>,
) -> Result<Extracted, ExtractError> {
    let mut builder = Builder::new(cx.options.max_elements);
    match media_type {
        MediaType::PlainText => text::read(bytes, &mut builder),
        MediaType::Markdown => markdown::read(bytes, &mut builder),
        MediaType::Html => html::read(bytes, cx, &mut builder),
        MediaType::Csv | MediaType::Tsv => delimited::read(media_type, bytes, &mut builder),
        MediaType::Json => json::read(bytes, &mut builder)?,
        MediaType::JsonLines => json::read_lines(bytes, &mut builder),
        MediaType::Code(language) => code::read(language, bytes, &mut builder),
        MediaType::Pdf => pdf::read(bytes, cx, &mut builder)?,
        MediaType::Xml => xml_document::read(bytes, &mut builder),
        MediaType::Vtt | MediaType::Srt => subtitles::read(bytes, &mut builder),
        MediaType::Notebook => notebook::read(bytes, &mut builder)?,
        MediaType::AsciiDoc => asciidoc::read(bytes, &mut builder),
        MediaType::Rst => rst::read(bytes, &mut builder),
        MediaType::Epub => epub::read(bytes, cx, &mut builder)?,
        MediaType::Rtf => rtf::read(bytes, &mut builder)?,
        MediaType::Docx => docx::read(bytes, cx, &mut builder)?,
        MediaType::Odt | MediaType::Odp => odf::read(bytes, cx, &mut builder)?,
        MediaType::Pptx => pptx::read(bytes, cx, &mut builder)?,
        MediaType::Xlsx => spreadsheet::read_xlsx(bytes, cx, &mut builder)?,
        MediaType::Xlsb => spreadsheet::read_xlsb(bytes, cx, &mut builder)?,
        MediaType::Xls => spreadsheet::read_xls(bytes, &mut builder)?,
        MediaType::Ods => spreadsheet::read_ods(bytes, cx, &mut builder)?,
        MediaType::Zip => containers::read_zip(bytes, cx, &mut builder)?,
        MediaType::Tar => containers::read_tar(bytes, cx, &mut builder)?,
        MediaType::Gzip => containers::read_gzip(name, bytes, cx, &mut builder)?,
        MediaType::Eml => mail::read_eml(bytes, cx, &mut builder)?,
        MediaType::Msg => mail::read_msg(bytes, cx, &mut builder)?,
        MediaType::Image(kind) => image::read(kind, bytes, cx, &mut builder)?,
        MediaType::Audio(kind) | MediaType::Video(kind) => {
            speech::read(name, kind, bytes, cx, &mut builder)?;
        }
        MediaType::Doc => return legacy::read(LegacyFormat::Doc, media_type.as_str(), bytes, cx),
        MediaType::Ppt => return legacy::read(LegacyFormat::Ppt, media_type.as_str(), bytes, cx),
        MediaType::EncryptedOffice => return Err(ExtractError::PasswordRequired),
        MediaType::Other(_) => return Err(unsupported(media_type.as_str())),
    }
    if builder.is_empty() {
        let reason = builder.report.warnings.first().map_or_else(
            || "it was opened and has no text in it".to_owned(),
            |warning| warning.reason.clone(),
        );
        return Err(ExtractError::empty(reason));
    }
    Ok(builder.finish(media_type.as_str()))
}

fn unsupported(media_type: &str) -> ExtractError {
    let hint = match media_type {
        "application/octet-stream" => "the content is of no type that is known here",
        _ => "convert the document to PDF, DOCX, HTML or text",
    };
    ExtractError::Unsupported {
        media_type: media_type.to_owned(),
        hint: hint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_read_is_an_error_that_says_why() {
        let options = ExtractOptions::default();
        let of = |name: &str, bytes: &[u8]| extract(name, bytes, &options).unwrap_err();
        assert!(matches!(of("a.txt", b""), ExtractError::Empty { .. }));
        assert!(matches!(of("a.txt", b" \n\n"), ExtractError::Empty { .. }));
        assert!(matches!(
            of("a.html", b"<html><script>x</script>"),
            ExtractError::Empty { .. }
        ));
        let error = of("a.epub", b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x08\0\0\0mimetypeapplication/vnd.oasis.opendocument.graphics");
        assert_eq!(
            error.to_string(),
            "documents of type `application/vnd.oasis.opendocument.graphics` are not supported"
        );
    }
}
