//! Pictures of pages: for people who follow a citation, and for text recognition.
//!
//! Sizes are capped, whatever a page claims to measure: a bitmap has at most [`MAX_PIXELS`] pixels of 4 bytes.

use cairn_types::BoundingBox;
use pdfium_render::prelude::{PdfBitmap, PdfBitmapFormat, PdfPage, PdfRenderConfig};
use serde::{Deserialize, Serialize};

use super::open::open;
use super::page::page_box;
use super::png;
use super::salvage::salvage;
use crate::context::{Context, Origin};
use crate::error::ExtractError;
use crate::options::{ExtractOptions, Passwords};
use crate::tools::NoTools;

/// Widest image of a page, in pixels.
const MAX_WIDTH: u32 = 2_400;
/// Pixels of one bitmap: 16 million are a page of A3 at 300 dpi.
const MAX_PIXELS: f32 = 16e6;

/// Which page to draw, and how wide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRequest {
    /// Its number, from 1.
    pub page: u32,
    /// Width of the image in pixels, as the page is shown; at most 2,400, less where the page is very high.
    pub width_px: u32,
    /// Tried before those of the options.
    pub passwords: Passwords,
}

/// A page as a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageImage {
    /// A PNG file, 8 bits RGB. Crosses the pipe beside the rest.
    #[serde(skip)]
    pub png: Vec<u8>,
    /// Its width.
    pub width_px: u32,
    /// Its height.
    pub height_px: u32,
    /// Width of the page in points, before rotation: the space that boxes of elements are in.
    pub width_pt: f32,
    /// Height of the page in points, before rotation.
    pub height_pt: f32,
    /// Quarter turns clockwise by which the page is shown.
    pub quarter_turns: u8,
}

impl PageImage {
    /// Where a box of an element lies in the picture, in pixels.
    #[must_use]
    pub fn place(&self, bbox: &BoundingBox) -> BoundingBox {
        let (w, h) = (self.width_pt.max(1.0), self.height_pt.max(1.0));
        let (x0, y0, x1, y1) = (bbox.x0 / w, bbox.y0 / h, bbox.x1 / w, bbox.y1 / h);
        let (x0, y0, x1, y1) = match self.quarter_turns % 4 {
            0 => (x0, y0, x1, y1),
            1 => (1.0 - y1, x0, 1.0 - y0, x1),
            2 => (1.0 - x1, 1.0 - y1, 1.0 - x0, 1.0 - y0),
            _ => (y0, 1.0 - x1, y1, 1.0 - x0),
        };
        #[expect(clippy::cast_precision_loss, reason = "at most some thousand pixels")]
        let (w, h) = (self.width_px as f32, self.height_px as f32);
        BoundingBox {
            x0: x0 * w,
            y0: y0 * h,
            x1: x1 * w,
            y1: y1 * h,
        }
    }
}

/// Draws one page of a PDF file in this process; see [`crate::WorkerPool::render_page`] for one that is limited.
///
/// # Errors
/// As [`crate::extract`] for files that cannot be opened; [`ExtractError::Malformed`] where there is no such page.
pub fn render_page(
    bytes: &[u8],
    request: &PageRequest,
    options: &ExtractOptions,
) -> Result<PageImage, ExtractError> {
    let mut options = options.clone();
    options.passwords = request.passwords.followed_by(&options.passwords);
    let repaired;
    let document = match open(bytes, &options) {
        Err(error @ ExtractError::Malformed { .. }) => {
            let cx = Context::new(&options, Origin::File, &NoTools);
            repaired = salvage(bytes, &cx)?.ok_or(error)?;
            open(&repaired, &options)?
        }
        other => other?,
    };
    let number = request.page;
    let page = number
        .checked_sub(1)
        .and_then(|idx| i32::try_from(idx).ok())
        .and_then(|idx| document.pages().get(idx).ok())
        .ok_or(ExtractError::NoSuchPage { page: number })?;
    let shown = page.width().value.max(1.0);
    #[expect(clippy::cast_precision_loss, reason = "at most some thousand pixels")]
    let scale = request.width_px.clamp(16, MAX_WIDTH) as f32 / shown;
    let bitmap = draw(&page, scale, Samples::Rgb)
        .ok_or_else(|| ExtractError::malformed(format!("page {number} cannot be drawn")))?;
    let bounds = page_box(&page);
    Ok(PageImage {
        png: png::encode(bitmap.width, bitmap.height, &bitmap.samples),
        width_px: bitmap.width,
        height_px: bitmap.height,
        width_pt: bounds.right - bounds.left,
        height_pt: bounds.top - bounds.bottom,
        quarter_turns: quarter_turns(&page),
    })
}

/// Quarter turns clockwise by which a page is shown.
pub(super) fn quarter_turns(page: &PdfPage<'_>) -> u8 {
    use pdfium_render::prelude::PdfPageRenderRotation as Rotation;
    match page.rotation() {
        Ok(Rotation::Degrees90) => 1,
        Ok(Rotation::Degrees180) => 2,
        Ok(Rotation::Degrees270) => 3,
        Ok(Rotation::None) | Err(_) => 0,
    }
}

/// What a bitmap holds of each pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Samples {
    Grey,
    Rgb,
}

/// A drawn page: rows from the top, without padding.
pub(super) struct Bitmap {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) samples: Vec<u8>,
}

impl Bitmap {
    /// The same turned clockwise, where it is grey.
    pub(super) fn turned(&self, quarter_turns: u8) -> Self {
        let (width, height) = (self.width as usize, self.height as usize);
        let at = |x: usize, y: usize| self.samples[y * width + x];
        let samples = match quarter_turns % 4 {
            0 => self.samples.clone(),
            1 => (0..width)
                .flat_map(|x| (0..height).rev().map(move |y| at(x, y)))
                .collect(),
            2 => self.samples.iter().rev().copied().collect(),
            _ => (0..width)
                .rev()
                .flat_map(|x| (0..height).map(move |y| at(x, y)))
                .collect(),
        };
        let (width, height) = if quarter_turns.is_multiple_of(2) {
            (self.width, self.height)
        } else {
            (self.height, self.width)
        };
        Self {
            width,
            height,
            samples,
        }
    }
}

/// Draws a page as it is shown, `scale` pixels a point or fewer. Form fields and annotations are drawn too.
pub(super) fn draw(page: &PdfPage<'_>, scale: f32, kind: Samples) -> Option<Bitmap> {
    let (width, height) = (page.width().value, page.height().value);
    if !(width > 0.0 && height > 0.0 && width.is_finite() && height.is_finite()) {
        return None;
    }
    let scale = scale.min((MAX_PIXELS / width / height).sqrt());
    #[expect(clippy::cast_possible_truncation, reason = "capped just above")]
    let pixels = |points: f32| (points * scale).round().clamp(1.0, MAX_PIXELS) as i32;
    let (width, height) = (pixels(width), pixels(height));
    // A page thinner than a pixel.
    if f64::from(width) * f64::from(height) > 2.0 * f64::from(MAX_PIXELS) {
        return None;
    }
    let config = PdfRenderConfig::new()
        .set_target_width(width)
        .set_target_height(height)
        .set_format(PdfBitmapFormat::BGRx)
        .use_grayscale_rendering(kind == Samples::Grey)
        .limit_render_image_cache_size(true);
    let mut bitmap = PdfBitmap::empty(width, height, PdfBitmapFormat::BGRx).ok()?;
    page.render_into_bitmap_with_config(&mut bitmap, &config)
        .ok()?;
    let pixels = bitmap.as_rgba_bytes();
    let mut samples = Vec::with_capacity(pixels.len());
    for pixel in pixels.chunks_exact(4) {
        match kind {
            Samples::Grey => samples.push(pixel[0]),
            Samples::Rgb => samples.extend_from_slice(&pixel[..3]),
        }
    }
    Some(Bitmap {
        width: width.cast_unsigned(),
        height: height.cast_unsigned(),
        samples,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_bitmaps_turn() {
        let bitmap = Bitmap {
            width: 3,
            height: 2,
            samples: vec![1, 2, 3, 4, 5, 6],
        };
        assert_eq!(bitmap.turned(0).samples, [1, 2, 3, 4, 5, 6]);
        assert_eq!(bitmap.turned(1).samples, [4, 1, 5, 2, 6, 3]);
        assert_eq!(bitmap.turned(2).samples, [6, 5, 4, 3, 2, 1]);
        assert_eq!(bitmap.turned(3).samples, [3, 6, 2, 5, 1, 4]);
        assert_eq!((bitmap.turned(3).width, bitmap.turned(3).height), (2, 3));
    }

    #[test]
    fn boxes_turn_with_the_page() {
        let mut image = PageImage {
            png: Vec::new(),
            width_px: 200,
            height_px: 400,
            width_pt: 100.0,
            height_pt: 200.0,
            quarter_turns: 0,
        };
        let corner = BoundingBox {
            x0: 0.0,
            y0: 0.0,
            x1: 10.0,
            y1: 40.0,
        };
        let edges = |b: BoundingBox| [b.x0, b.y0, b.x1, b.y1].map(f32::round);
        assert_eq!(edges(image.place(&corner)), [0.0, 0.0, 20.0, 80.0]);
        (image.width_px, image.height_px) = (400, 200);
        for (turns, expect) in [
            (1, [320.0, 0.0, 400.0, 20.0]),
            (3, [0.0, 180.0, 80.0, 200.0]),
        ] {
            image.quarter_turns = turns;
            assert_eq!(edges(image.place(&corner)), expect, "{turns}");
        }
    }
}
