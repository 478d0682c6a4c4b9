//! Word and `PowerPoint` 97–2003: `LibreOffice` makes a current document of them, which its own reader reads.

use cairn_types::{Extracted, ParseWarning, WarningCode};

use crate::context::Context;
use crate::error::ExtractError;
use crate::extract::read_part;
use crate::tools::{LegacyFormat, ToolRequest};

/// Reads the document as what it becomes; its media type stays `media_type`.
pub(crate) fn read(
    from: LegacyFormat,
    media_type: &str,
    bytes: &[u8],
    cx: &Context<'_>,
) -> Result<Extracted, ExtractError> {
    let converted = cx
        .call(&ToolRequest::Convert { from }, bytes)
        .map_err(|error| error.into_error(media_type))?;
    let name = match from {
        LegacyFormat::Doc => "converted.docx",
        LegacyFormat::Ppt => "converted.pptx",
    };
    let mut extracted = read_part(name, &converted, cx)?;
    media_type.clone_into(&mut extracted.media_type);
    extracted.report.warnings.push(ParseWarning {
        code: WarningCode::Converted,
        reason: "LibreOffice converted it to a current format before it was read".into(),
        ..ParseWarning::default()
    });
    Ok(extracted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Origin;
    use crate::options::ExtractOptions;
    use crate::tools::{NoTools, ToolError, Tools};

    /// An office that makes the same of every document.
    struct Makes(&'static [u8]);

    impl Tools for Makes {
        fn call(&self, request: &ToolRequest, _payload: &[u8]) -> Result<Vec<u8>, ToolError> {
            assert!(matches!(request, ToolRequest::Convert { .. }));
            Ok(self.0.to_vec())
        }
    }

    fn read_with(tools: &dyn Tools) -> Result<Extracted, ExtractError> {
        let options = ExtractOptions::default();
        let cx = Context::new(&options, Origin::File, tools);
        read(LegacyFormat::Doc, "application/msword", b"old", &cx)
    }

    #[test]
    fn what_it_becomes_is_read_and_said() {
        let extracted = read_with(&Makes(b"Minutes of the crew")).unwrap();
        assert_eq!(extracted.elements[0].text, "Minutes of the crew");
        assert_eq!(extracted.media_type, "application/msword");
        assert!(!extracted.report.has_loss());
        assert_eq!(extracted.report.warnings.len(), 1);
    }

    #[test]
    fn without_an_office_it_is_unsupported_and_says_what_it_needs() {
        let Err(ExtractError::Unsupported { hint, .. }) = read_with(&NoTools) else {
            panic!("it was read without a tool");
        };
        assert!(hint.starts_with("needs LibreOffice"), "{hint}");
    }
}
