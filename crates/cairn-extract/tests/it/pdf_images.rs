//! Page images: what is drawn where the boxes of elements say it is.

use std::io::Read as _;

use cairn_extract::{ExtractError, PageImage, PageRequest, Passwords, extract, render_page};

use crate::pdf::{at, options, pdf};

fn request(page: u32, width_px: u32) -> PageRequest {
    PageRequest {
        page,
        width_px,
        passwords: Passwords::default(),
    }
}

/// The rows of a PNG file whose rows are filtered by "up", as ours are.
fn samples(image: &PageImage) -> Vec<u8> {
    let row_len = image.width_px as usize * 3;
    let data = &image.png[33..];
    let len = u32::from_be_bytes(data[..4].try_into().unwrap()) as usize;
    let mut filtered = Vec::new();
    flate2::read::ZlibDecoder::new(&data[8..8 + len])
        .read_to_end(&mut filtered)
        .unwrap();
    let mut rows: Vec<u8> = Vec::new();
    for row in filtered.chunks_exact(row_len + 1) {
        for sample in &row[1..] {
            let above = rows.len().checked_sub(row_len).map_or(0, |at| rows[at]);
            rows.push(sample.wrapping_add(above));
        }
    }
    rows
}

#[test]
fn boxes_lie_on_their_words() {
    let Some(options) = options() else { return };
    for rotate in [0, 90, 180, 270] {
        let bytes = pdf(
            &[at(120, 600, 30, "Here")],
            &format!("/Rotate {rotate}"),
            "",
        );
        let bbox = extract("a.pdf", &bytes, &options).unwrap().elements[0]
            .bbox
            .unwrap();
        let image = render_page(&bytes, &request(1, 300), &options).unwrap();
        assert!(image.png.starts_with(b"\x89PNG\r\n\x1a\n"));
        let is_turned = rotate % 180 == 90;
        let size = if is_turned { (300, 225) } else { (300, 400) };
        assert_eq!((image.width_px, image.height_px), size, "{rotate}");
        let place = image.place(&bbox);
        let (mut n_inside, mut n_outside) = (0, 0);
        let rows = samples(&image);
        for (idx, pixel) in rows.chunks_exact(3).enumerate() {
            if pixel[0] > 128 {
                continue;
            }
            let (x, y) = (idx as u32 % image.width_px, idx as u32 / image.width_px);
            let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
            let is_inside = place.x0 - 2.0 < x
                && x < place.x1 + 2.0
                && place.y0 - 2.0 < y
                && y < place.y1 + 2.0;
            if is_inside {
                n_inside += 1;
            } else {
                n_outside += 1;
            }
        }
        assert!(
            n_inside > 50 && n_outside == 0,
            "{rotate}: {n_inside} {n_outside}"
        );
    }
}

#[test]
fn pages_that_are_not_there_and_sizes_out_of_all_bounds() {
    let Some(options) = options() else { return };
    let bytes = pdf(&[at(50, 700, 10, "x")], "", "");
    for page in [0, 2, u32::MAX] {
        let error = render_page(&bytes, &request(page, 300), &options).unwrap_err();
        assert!(matches!(error, ExtractError::NoSuchPage { .. }), "{error}");
    }
    let widest = render_page(&bytes, &request(1, u32::MAX), &options).unwrap();
    assert_eq!(widest.width_px, 2_400);
    // A page as high as the format allows is drawn small.
    let high = pdf(
        &[at(50, 700, 10, "x")],
        "/CropBox [0 0 600 14400] /UserUnit 1",
        "",
    );
    let image = render_page(&high, &request(1, 2_400), &options).unwrap();
    assert!(u64::from(image.width_px) * u64::from(image.height_px) <= 17_000_000);
    assert!(render_page(b"%PDF-1.7\nnothing", &request(1, 300), &options).is_err());
}
