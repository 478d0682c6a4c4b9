//! Opens a PDF file: loads the library, tries the passwords, names what is wrong.

use pdfium_render::prelude::{PdfDocument, PdfiumError, PdfiumInternalError};

use super::library;
use crate::error::ExtractError;
use crate::options::ExtractOptions;

/// A document that pdfium has opened.
///
/// A file without a password, or with an owner's only, opens without one; else the options' are tried in order.
pub(super) fn open<'b>(
    bytes: &'b [u8],
    options: &ExtractOptions,
) -> Result<PdfDocument<'b>, ExtractError> {
    let pdfium = library::load(options.pdfium.as_deref())?;
    let mut result = pdfium.load_pdf_from_byte_slice(bytes, None);
    for password in options.passwords.iter() {
        if !is_password_error(&result) {
            break;
        }
        result = pdfium.load_pdf_from_byte_slice(bytes, Some(password));
    }
    result.map_err(|error| match error {
        PdfiumError::PdfiumLibraryInternalError(PdfiumInternalError::PasswordError) => {
            ExtractError::PasswordRequired
        }
        PdfiumError::PdfiumLibraryInternalError(PdfiumInternalError::SecurityError) => {
            ExtractError::Unsupported {
                media_type: "application/pdf".into(),
                hint: "its encryption is not known here; save a copy without protection".into(),
            }
        }
        other => ExtractError::malformed(format!("no valid PDF structure: {}", in_words(&other))),
    })
}

fn is_password_error(result: &Result<PdfDocument<'_>, PdfiumError>) -> bool {
    matches!(
        result,
        Err(PdfiumError::PdfiumLibraryInternalError(
            PdfiumInternalError::PasswordError
        ))
    )
}

/// What went wrong in plain words, without the names that the library has for it.
pub(super) const fn in_words(error: &PdfiumError) -> &'static str {
    match error {
        PdfiumError::PdfiumLibraryInternalError(inner) => match inner {
            PdfiumInternalError::FormatError => {
                "it is damaged, or no PDF file behind its first bytes"
            }
            PdfiumInternalError::FileError => "it could not be read to its end",
            PdfiumInternalError::PageError => "the page is missing or damaged",
            PdfiumInternalError::PasswordError => "it needs a password",
            PdfiumInternalError::SecurityError => "its encryption is not known here",
            PdfiumInternalError::Unknown => "the reason is not known",
        },
        _ => "it holds what cannot be read",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_not_told_names_of_the_library() {
        for kind in [
            PdfiumInternalError::FormatError,
            PdfiumInternalError::FileError,
            PdfiumInternalError::PageError,
            PdfiumInternalError::Unknown,
        ] {
            let words = in_words(&PdfiumError::PdfiumLibraryInternalError(kind));
            assert!(words.contains(' ') && !words.contains("Error"), "{words}");
        }
    }
}
