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
        other => ExtractError::malformed(format!("no valid PDF structure: {}", reason(&other))),
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

fn reason(error: &PdfiumError) -> String {
    match error {
        PdfiumError::PdfiumLibraryInternalError(inner) => format!("{inner:?}"),
        other => format!("{other:?}"),
    }
}
