//! One document to its elements: finds the type, calls the reader, judges the result.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cairn_types::{Extracted, WarningCode};

use crate::builder::Builder;
use crate::context::{Context, Origin};
use crate::detect::{MediaType, detect};
use crate::error::ExtractError;
use crate::options::ExtractOptions;
use crate::tools::{LegacyFormat, NoTools, Tools};
use crate::{
    asciidoc, code, containers, delimited, docx, epub, html, image, inset, json, legacy, mail,
    markdown, notebook, odf, pdf, pptx, rst, rtf, speech, spreadsheet, subtitles, text,
    xml_document,
};

/// Version of the readers' output, part of a rendition's fingerprint: rises whenever output changes.
pub const EXTRACTOR_VERSION: &str = "7";

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
    let (read, damages) = cx.with_damages(|| read_into(media_type, name, bytes, cx, &mut builder));
    if let Some(extracted) = read? {
        return Ok(extracted);
    }
    inset::finish(cx, &mut builder);
    for damage in damages {
        builder.failed(damage.n_missing);
        let (member, reason) = (damage.member, damage.reason);
        builder.warn(
            WarningCode::Recovered,
            None,
            format!("member `{member}` is damaged: it was read only in part ({reason})"),
        );
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

/// Calls the reader. Formats that another program converts come finished.
fn read_into(
    media_type: MediaType,
    name: &str,
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<Option<Extracted>, ExtractError> {
    match media_type {
        MediaType::PlainText => text::read(bytes, builder),
        MediaType::Markdown => markdown::read(bytes, builder),
        MediaType::Html => html::read(bytes, cx, builder),
        MediaType::Csv | MediaType::Tsv => delimited::read(media_type, bytes, builder),
        MediaType::Json => json::read(bytes, builder)?,
        MediaType::JsonLines => json::read_lines(bytes, builder),
        MediaType::Code(language) => code::read(language, bytes, builder),
        MediaType::Pdf => pdf::read(bytes, cx, builder)?,
        MediaType::Xml => xml_document::read(bytes, builder),
        MediaType::Vtt | MediaType::Srt => subtitles::read(bytes, builder),
        MediaType::Notebook => notebook::read(bytes, builder)?,
        MediaType::AsciiDoc => asciidoc::read(bytes, builder),
        MediaType::Rst => rst::read(bytes, builder),
        MediaType::Epub => epub::read(bytes, cx, builder)?,
        MediaType::Rtf => rtf::read(bytes, builder)?,
        MediaType::Docx => docx::read(bytes, cx, builder)?,
        MediaType::Odt | MediaType::Odp => odf::read(bytes, cx, builder)?,
        MediaType::Pptx => pptx::read(bytes, cx, builder)?,
        MediaType::Xlsx => spreadsheet::read_xlsx(bytes, cx, builder)?,
        MediaType::Xlsb => spreadsheet::read_xlsb(bytes, cx, builder)?,
        MediaType::Xls => spreadsheet::read_xls(bytes, builder)?,
        MediaType::Ods => spreadsheet::read_ods(bytes, cx, builder)?,
        MediaType::Zip => containers::read_zip(bytes, cx, builder)?,
        MediaType::Tar => containers::read_tar(bytes, cx, builder)?,
        MediaType::Gzip => containers::read_gzip(name, bytes, cx, builder)?,
        MediaType::Eml => mail::read_eml(bytes, cx, builder)?,
        MediaType::Msg => mail::read_msg(bytes, cx, builder)?,
        MediaType::Image(kind) => image::read(kind, bytes, cx, builder)?,
        MediaType::Audio(kind) | MediaType::Video(kind) => {
            speech::read(name, kind, bytes, cx, builder)?;
        }
        MediaType::Doc => {
            return legacy::read(LegacyFormat::Doc, media_type.as_str(), bytes, cx).map(Some);
        }
        MediaType::Ppt => {
            return legacy::read(LegacyFormat::Ppt, media_type.as_str(), bytes, cx).map(Some);
        }
        MediaType::EncryptedOffice => return Err(ExtractError::PasswordRequired),
        MediaType::Other(_) => return Err(unsupported(media_type.as_str())),
    }
    Ok(None)
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
