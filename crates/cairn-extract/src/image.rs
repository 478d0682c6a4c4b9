//! Pictures as documents: the text that Tesseract recognises in them.
//!
//! A picture with several pages (TIFF) has pages as a scanned document has.

use cairn_types::WarningCode;

use crate::builder::Builder;
use crate::context::Context;
use crate::error::ExtractError;
use crate::ocr;
use crate::picture::{self, Header};

/// Resolution where the file names none: a pixel is a point.
const POINTS_PER_INCH: u32 = 72;

pub(crate) fn read(
    media_type: &str,
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let Some(header) = picture::header(bytes) else {
        return Err(ExtractError::Unsupported {
            media_type: media_type.to_owned(),
            hint: "save the picture as PNG, JPEG, TIFF or WebP".into(),
        });
    };
    check_size(&header, cx)?;
    // Resolutions of picture files are often untrue; Tesseract's own estimate from the size of letters reads better.
    let pages = ocr::recognize(cx, bytes, None).map_err(|error| error.into_error(media_type))?;
    builder.report.images += header.n_pages;
    let has_pages = header.n_pages > 1;
    builder.report.pages = has_pages.then_some(header.n_pages);
    #[expect(clippy::cast_precision_loss, reason = "at most a few thousand")]
    let dpi = header.dpi.unwrap_or(POINTS_PER_INCH) as f32;
    for page in &pages {
        let number = has_pages.then_some(page.number);
        ocr::push_page(builder, page, number, dpi);
        if page.words().next().is_none() {
            builder.warn(WarningCode::NoTextLayer, number, "no text was recognised");
        }
    }
    // Recognition that stopped half-way gave the pages before.
    let n_pages = u32::try_from(pages.len()).unwrap_or(u32::MAX);
    for missing in n_pages.saturating_add(1)..=header.n_pages {
        builder.report.pages_failed += 1;
        let reason = "text recognition did not come to this page";
        builder.warn(WarningCode::Unreadable, Some(missing), reason);
    }
    if builder.is_empty() {
        return Err(ExtractError::empty("no text was recognised"));
    }
    Ok(())
}

fn check_size(header: &Header, cx: &Context<'_>) -> Result<(), ExtractError> {
    if header.pixels > picture::MAX_PIXELS {
        return Err(ExtractError::too_large(
            "picture in pixels",
            picture::MAX_PIXELS,
        ));
    }
    if header.n_pages > cx.options.max_pages {
        let limit = u64::from(cx.options.max_pages);
        return Err(ExtractError::too_large("number of pages", limit));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Origin;
    use crate::options::ExtractOptions;
    use crate::picture::tests::png_of;
    use crate::tools::{NoTools, ToolError, ToolRequest, Tools};

    /// A Tesseract that answers every picture alike.
    struct Reads(&'static str);

    impl Tools for Reads {
        fn call(&self, request: &ToolRequest, _payload: &[u8]) -> Result<Vec<u8>, ToolError> {
            assert!(matches!(request, ToolRequest::Recognize { .. }));
            Ok(self.0.as_bytes().to_vec())
        }
    }

    fn read_with(tools: &dyn Tools, bytes: &[u8]) -> Result<Builder, ExtractError> {
        let options = ExtractOptions::default();
        let cx = Context::new(&options, Origin::File, tools);
        let mut builder = Builder::new(100);
        read("image/png", bytes, &cx, &mut builder).map(|()| builder)
    }

    #[test]
    fn a_picture_is_its_text() {
        let table =
            "1\t1\t0\t0\t0\t0\t0\t0\t100\t100\t-1\t\n5\t1\t1\t1\t1\t1\t30\t30\t30\t30\t90\tPier\n";
        let builder = read_with(&Reads(table), &png_of(100, 100, 11811)).unwrap();
        let element = &builder.elements()[0];
        assert_eq!((element.text.as_str(), element.page), ("Pier", None));
        let right = element.bbox.unwrap().x1;
        assert!((right - 14.4).abs() < 0.01, "{right}");
        assert_eq!((builder.report.images, builder.report.pages), (1, None));
    }

    #[test]
    fn a_picture_without_text_or_tesseract_is_an_error_that_says_so() {
        let blank = "1\t1\t0\t0\t0\t0\t0\t0\t100\t100\t-1\t\n";
        let error = read_with(&Reads(blank), &png_of(100, 100, 0)).unwrap_err();
        assert_eq!(error, ExtractError::empty("no text was recognised"));
        let error = read_with(&NoTools, &png_of(100, 100, 0)).unwrap_err();
        let ExtractError::Unsupported { media_type, hint } = error else {
            panic!("{error}");
        };
        assert_eq!(media_type, "image/png");
        assert!(hint.starts_with("needs Tesseract"), "{hint}");
    }

    #[test]
    fn a_picture_that_claims_too_many_pixels_is_not_sent_anywhere() {
        let error = read_with(&Reads("never read"), &png_of(60_000, 60_000, 0)).unwrap_err();
        assert!(matches!(error, ExtractError::TooLarge { .. }), "{error}");
        let error = read_with(&Reads("never read"), b"\x89PNG\r\n\x1a\n").unwrap_err();
        assert!(matches!(error, ExtractError::Unsupported { .. }), "{error}");
    }
}
