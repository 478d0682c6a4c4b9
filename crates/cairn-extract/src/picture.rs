//! The header of a picture: format, size, number of pages and resolution, without decoding a pixel.
//!
//! Formats that Tesseract's library Leptonica reads, told by the same first bytes as there: a file of any other format is
//! taken for a list of file names by Tesseract, so nothing else may reach it. Layouts: PNG (ISO/IEC 15948, sections 5 and 11),
//! JPEG (ITU-T T.81, B.2) with `JFIF` and Exif, TIFF 6.0 (section 2), GIF (version 89a, sections 18 to 23), `WebP` (RFC 9649), BMP
//! (`BITMAPINFOHEADER`), PNM. Cost: O(segments); what the header claims is never allocated.

/// Pixels of one page that are decoded; a page of A3 at 600 dpi has 70 million. Leptonica takes up to 4 bytes for each.
pub(crate) const MAX_PIXELS: u64 = 100_000_000;

/// Directories of one TIFF that are looked at; more pages than that are taken as too large.
const MAX_DIRECTORIES: u32 = 10_000;

/// Formats that can be recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    Png,
    Jpeg,
    Tiff,
    Webp,
    Gif,
    Bmp,
    Pnm,
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) format: Format,
    /// Pixels of the largest page; of all frames together in a GIF, since Leptonica decodes them all.
    pub(crate) pixels: u64,
    /// Size of the first page.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// At least 1.
    pub(crate) n_pages: u32,
    /// Dots per inch, where the file says so and a scanner or camera can have meant it.
    pub(crate) dpi: Option<u32>,
}

impl Header {
    fn new(format: Format, width: u32, height: u32) -> Self {
        Self {
            format,
            pixels: u64::from(width) * u64::from(height),
            width,
            height,
            n_pages: 1,
            dpi: None,
        }
    }

    fn with_dpi(mut self, dpi: Option<f64>) -> Self {
        // 72 and 96 are what programs write that know nothing better.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within bounds"
        )]
        let whole = dpi
            .map(f64::round)
            .filter(|dpi| (100.0..=2400.0).contains(dpi))
            .map(|dpi| dpi as u32);
        self.dpi = whole;
        self
    }
}

/// Reads the header; `None` where the format is no such, or the header is torn or says that there are no pixels.
pub(crate) fn header(bytes: &[u8]) -> Option<Header> {
    let found = match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => png(bytes),
        [0xff, 0xd8, 0xff, ..] => jpeg(bytes),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => tiff(bytes),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => webp(bytes),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => gif(bytes),
        [b'B', b'M', ..] => bmp(bytes),
        [b'P', b'4'..=b'6', ..] => pnm(bytes),
        _ => None,
    };
    found.filter(|header| header.pixels > 0 && header.width > 0 && header.height > 0)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn be16(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(|raw| u32::from(u16::from_be_bytes(raw)))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

fn le16(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(|raw| u32::from(u16::from_le_bytes(raw)))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

/// `IHDR` comes first; `pHYs` stands before the pixels.
fn png(bytes: &[u8]) -> Option<Header> {
    if bytes.get(12..16)? != b"IHDR" {
        return None;
    }
    let header = Header::new(Format::Png, be32(bytes, 16)?, be32(bytes, 20)?);
    let mut at = 8_usize;
    let mut dpi = None;
    while let (Some(len), Some(kind)) = (be32(bytes, at), array::<4>(bytes, at + 4)) {
        match &kind {
            b"pHYs" if bytes.get(at + 16) == Some(&1) => {
                dpi = be32(bytes, at + 8).map(|per_metre| f64::from(per_metre) * 0.0254);
            }
            b"IDAT" => break,
            _ => {}
        }
        let Some(next) = at.checked_add(len as usize + 12) else {
            break;
        };
        at = next;
    }
    Some(header.with_dpi(dpi))
}

/// Segments up to the frame header. JFIF says the resolution, else Exif.
fn jpeg(bytes: &[u8]) -> Option<Header> {
    let mut at = 2;
    let mut dpi = None;
    loop {
        if *bytes.get(at)? != 0xff {
            return None;
        }
        let marker = *bytes.get(at + 1)?;
        match marker {
            // Fill bytes.
            0xff => {
                at += 1;
                continue;
            }
            // Markers without a segment.
            0x01 | 0xd0..=0xd8 => {
                at += 2;
                continue;
            }
            // The pixels, or the end, before any frame header.
            0xd9 | 0xda => return None,
            _ => {}
        }
        let len = be16(bytes, at + 2)? as usize;
        let body = at + 4;
        match marker {
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let header =
                    Header::new(Format::Jpeg, be16(bytes, body + 3)?, be16(bytes, body + 1)?);
                return Some(header.with_dpi(dpi));
            }
            0xe0 if bytes.get(body..body + 5) == Some(b"JFIF\0") => {
                let density = f64::from(be16(bytes, body + 8)?);
                dpi = match bytes.get(body + 7) {
                    Some(1) => Some(density),
                    Some(2) => Some(density * 2.54),
                    _ => dpi,
                };
            }
            0xe1 if bytes.get(body..body + 6) == Some(b"Exif\0\0") => {
                let exif = bytes.get(body + 6..at + 2 + len)?;
                let first = Tiff::open(exif).and_then(|tiff| tiff.directory(tiff.first()?));
                dpi = dpi.or_else(|| first.and_then(|directory| directory.dpi));
            }
            _ => {}
        }
        at += 2 + len.max(2);
    }
}

/// All directories of the chain: pages may differ in size.
fn tiff(bytes: &[u8]) -> Option<Header> {
    let tiff = Tiff::open(bytes)?;
    let mut next = tiff.first();
    let mut header: Option<Header> = None;
    let mut n_pages = 0;
    while let Some(directory) = next.and_then(|at| tiff.directory(at)) {
        n_pages += 1;
        // A chain that loops is not followed for ever.
        if n_pages > MAX_DIRECTORIES {
            return None;
        }
        let page = Header::new(Format::Tiff, directory.width, directory.height);
        let header = header.get_or_insert_with(|| page.with_dpi(directory.dpi));
        header.pixels = header.pixels.max(page.pixels);
        header.n_pages = n_pages;
        next = directory.next;
    }
    header
}

/// A TIFF file, or the Exif of a JPEG.
struct Tiff<'b> {
    bytes: &'b [u8],
    is_big_endian: bool,
}

/// One page.
#[derive(Debug, Clone, Copy)]
struct Directory {
    width: u32,
    height: u32,
    dpi: Option<f64>,
    next: Option<usize>,
}

impl<'b> Tiff<'b> {
    fn open(bytes: &'b [u8]) -> Option<Self> {
        let is_big_endian = match bytes.get(..4)? {
            [b'I', b'I', 42, 0] => false,
            [b'M', b'M', 0, 42] => true,
            _ => return None,
        };
        Some(Self {
            bytes,
            is_big_endian,
        })
    }

    fn u16(&self, at: usize) -> Option<u32> {
        if self.is_big_endian {
            be16(self.bytes, at)
        } else {
            le16(self.bytes, at)
        }
    }

    fn u32(&self, at: usize) -> Option<u32> {
        if self.is_big_endian {
            be32(self.bytes, at)
        } else {
            le32(self.bytes, at)
        }
    }

    fn first(&self) -> Option<usize> {
        self.u32(4).filter(|&at| at > 0).map(|at| at as usize)
    }

    fn directory(&self, at: usize) -> Option<Directory> {
        const INCH: u32 = 2;
        const CENTIMETRE: u32 = 3;
        let n_entries = self.u16(at)? as usize;
        let (mut width, mut height, mut resolution, mut unit) = (0, 0, None, INCH);
        for idx in 0..n_entries {
            let entry = at + 2 + idx * 12;
            let (tag, kind) = (self.u16(entry)?, self.u16(entry + 2)?);
            // A short stands in the first half of the value field.
            let value = if kind == 3 {
                self.u16(entry + 8)?
            } else {
                self.u32(entry + 8)?
            };
            match tag {
                256 => width = value,
                257 => height = value,
                282 => resolution = self.rational(value as usize),
                296 => unit = value,
                _ => {}
            }
        }
        let dpi = match unit {
            INCH => resolution,
            CENTIMETRE => resolution.map(|per_cm| per_cm * 2.54),
            _ => None,
        };
        let next = self.u32(at + 2 + n_entries * 12).filter(|&at| at > 0);
        Some(Directory {
            width,
            height,
            dpi,
            next: next.map(|at| at as usize),
        })
    }

    fn rational(&self, at: usize) -> Option<f64> {
        let (above, below) = (self.u32(at)?, self.u32(at.checked_add(4)?)?);
        (below > 0).then(|| f64::from(above) / f64::from(below))
    }
}

/// The canvas; libwebp refuses files whose frame has another size.
fn webp(bytes: &[u8]) -> Option<Header> {
    let (width, height) = match bytes.get(12..16)? {
        b"VP8 " => (le16(bytes, 26)? & 0x3fff, le16(bytes, 28)? & 0x3fff),
        b"VP8L" => {
            let bits = le32(bytes, 21)?;
            ((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1)
        }
        b"VP8X" => {
            let size =
                |at: usize| Some((le16(bytes, at)? | u32::from(*bytes.get(at + 2)?) << 16) + 1);
            (size(24)?, size(27)?)
        }
        _ => return None,
    };
    Some(Header::new(Format::Webp, width, height))
}

/// The screen, and the frames on it, whose sizes are their own.
fn gif(bytes: &[u8]) -> Option<Header> {
    let mut header = Header::new(Format::Gif, le16(bytes, 6)?, le16(bytes, 8)?);
    let color_table = |flags: u8| {
        if flags & 0x80 == 0 {
            0
        } else {
            3 << ((flags & 7) + 1)
        }
    };
    let mut at = 13 + color_table(*bytes.get(10)?);
    let mut pixels = 0_u64;
    while let Some(&introducer) = bytes.get(at) {
        at = match introducer {
            0x21 => skip_blocks(bytes, at + 2),
            0x2c => {
                let (Some(width), Some(height), Some(&flags)) =
                    (le16(bytes, at + 5), le16(bytes, at + 7), bytes.get(at + 9))
                else {
                    break;
                };
                pixels = pixels.saturating_add(u64::from(width) * u64::from(height));
                skip_blocks(bytes, at + 11 + color_table(flags))
            }
            _ => break,
        };
    }
    header.pixels = header.pixels.max(pixels);
    Some(header)
}

/// Where the data blocks that begin at `at` end.
fn skip_blocks(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&len) = bytes.get(at) {
        at += 1 + usize::from(len);
        if len == 0 {
            break;
        }
    }
    at
}

fn bmp(bytes: &[u8]) -> Option<Header> {
    if le32(bytes, 14)? == 12 {
        return Some(Header::new(Format::Bmp, le16(bytes, 18)?, le16(bytes, 20)?));
    }
    // Rows from the top have a negative height.
    let size = |at| array(bytes, at).map(|raw| i32::from_le_bytes(raw).unsigned_abs());
    let per_metre = le32(bytes, 38)?;
    Some(
        Header::new(Format::Bmp, size(18)?, size(22)?)
            .with_dpi(Some(f64::from(per_metre) * 0.0254)),
    )
}

/// Numbers in ASCII, with comments from `#` to the end of the line.
fn pnm(bytes: &[u8]) -> Option<Header> {
    let head = &bytes[2..bytes.len().min(512)];
    let mut numbers = head
        .split(|&b| b == b'\n')
        .flat_map(|line| line.split(|&b| b == b'#').next())
        .flat_map(|line| line.split(u8::is_ascii_whitespace))
        .filter(|word| !word.is_empty())
        .map(|word| std::str::from_utf8(word).ok()?.parse::<u32>().ok());
    Some(Header::new(Format::Pnm, numbers.next()??, numbers.next()??))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A PNG that claims this size and has next to no data.
    pub(crate) fn png_of(width: u32, height: u32, per_metre: u32) -> Vec<u8> {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        png.extend(width.to_be_bytes());
        png.extend(height.to_be_bytes());
        png.extend([8, 0, 0, 0, 0, 1, 2, 3, 4]);
        png.extend(b"\0\0\0\x09pHYs");
        png.extend(per_metre.to_be_bytes());
        png.extend(per_metre.to_be_bytes());
        png.extend([1, 1, 2, 3, 4]);
        png.extend(b"\0\0\0\x01IDAT\0\0\0\0\0");
        png
    }

    /// A TIFF with pages of these sizes; the last one leads back to the first where it loops.
    fn tiff_of(sizes: &[(u16, u16)], loops: bool) -> Vec<u8> {
        let mut tiff = b"MM\0\x2a\0\0\0\x10".to_vec();
        tiff.extend(300_u32.to_be_bytes());
        tiff.extend(1_u32.to_be_bytes());
        for (idx, (width, height)) in sizes.iter().enumerate() {
            tiff.extend(3_u16.to_be_bytes());
            for (tag, value) in [(256_u16, *width), (257, *height)] {
                tiff.extend(tag.to_be_bytes());
                tiff.extend([0, 3, 0, 0, 0, 1]);
                tiff.extend(value.to_be_bytes());
                tiff.extend([0, 0]);
            }
            tiff.extend([1, 26, 0, 5, 0, 0, 0, 1, 0, 0, 0, 8]);
            let next = if idx + 1 < sizes.len() {
                u32::try_from(tiff.len() + 4).unwrap()
            } else {
                u32::from(loops) * 16
            };
            tiff.extend(next.to_be_bytes());
        }
        tiff
    }

    fn gif_of(frames: &[(u16, u16)]) -> Vec<u8> {
        let mut gif = b"GIF89a\x0a\0\x05\0\x80\0\0......".to_vec();
        for (width, height) in frames {
            gif.extend(b"\x21\xf9\x04....\0\x2c\0\0\0\0");
            gif.extend(width.to_le_bytes());
            gif.extend(height.to_le_bytes());
            gif.extend([0, 2, 2, 0x4c, 1, 0]);
        }
        gif.push(0x3b);
        gif
    }

    fn jpeg_of(height: u16, width: u16) -> Vec<u8> {
        let mut jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x02\x01\x01\x2c\x01\x2c\0\0".to_vec();
        jpeg.extend(b"\xff\xff\xc4\0\x03.\xff\xc2\0\x0b\x08");
        jpeg.extend(height.to_be_bytes());
        jpeg.extend(width.to_be_bytes());
        jpeg.extend([1, 1, 0x11, 0]);
        jpeg
    }

    #[test]
    fn headers_say_size_pages_and_resolution() {
        let mut bmp = b"BM........\0\0\0\0\x28\0\0\0".to_vec();
        bmp.resize(14, 0);
        bmp.extend(40_u32.to_le_bytes());
        bmp.extend(640_i32.to_le_bytes());
        bmp.extend((-480_i32).to_le_bytes());
        bmp.resize(38, 0);
        bmp.extend(7874_u32.to_le_bytes());
        let vp8x = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x7f\x02\0\xdf\x01\0";
        let vp8l = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f\x7f\xc2\x77\0";
        let vp8 = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x80\x02\xe0\x01";
        type Case<'b> = (&'b [u8], Format, (u32, u32), u32, Option<u32>);
        let cases: [Case<'_>; 10] = [
            (
                &png_of(640, 480, 11811),
                Format::Png,
                (640, 480),
                1,
                Some(300),
            ),
            (&png_of(640, 480, 2835), Format::Png, (640, 480), 1, None),
            (&jpeg_of(480, 640), Format::Jpeg, (640, 480), 1, Some(300)),
            (
                &tiff_of(&[(640, 480)], false),
                Format::Tiff,
                (640, 480),
                1,
                Some(300),
            ),
            (&bmp, Format::Bmp, (640, 480), 1, Some(200)),
            (vp8x, Format::Webp, (640, 480), 1, None),
            (vp8l, Format::Webp, (640, 480), 1, None),
            (vp8, Format::Webp, (640, 480), 1, None),
            (
                b"P5 # grey\n640\n# rows\n480 255\n",
                Format::Pnm,
                (640, 480),
                1,
                None,
            ),
            (&gif_of(&[(2, 2)]), Format::Gif, (10, 5), 1, None),
        ];
        for (bytes, format, (width, height), n_pages, dpi) in cases {
            let found = header(bytes).unwrap_or_else(|| panic!("{format:?}"));
            assert_eq!(
                (found.format, found.width, found.height),
                (format, width, height)
            );
            assert_eq!((found.n_pages, found.dpi), (n_pages, dpi), "{format:?}");
            assert_eq!(found.pixels, u64::from(width) * u64::from(height));
        }
    }

    #[test]
    fn pages_and_frames_count() {
        let pages = header(&tiff_of(&[(10, 10), (60_000, 50_000), (5, 5)], false)).unwrap();
        assert_eq!((pages.n_pages, pages.pixels), (3, 3_000_000_000));
        let frames = header(&gif_of(&[(60_000, 60_000), (60_000, 60_000)])).unwrap();
        assert_eq!(frames.pixels, 7_200_000_000);
    }

    #[test]
    fn what_is_no_picture_has_no_header() {
        for bytes in [
            b"".as_slice(),
            b"/etc/passwd\n",
            b"http://127.0.0.1/x.png\n",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff\xd9",
            b"II\x2b\0\x08\0\0\0",
            b"P5\nx 5",
            b"P7\nWIDTH 5",
            b"BM",
            &png_of(0, 7, 1),
            &tiff_of(&[(1, 1), (2, 2)], true),
        ] {
            assert_eq!(header(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_safely(which in 0usize..8, cut in 0usize..80, noise in proptest::collection::vec(any::<u8>(), 0..120)) {
            let whole = [
                png_of(1, 2, 3), jpeg_of(1, 2), tiff_of(&[(1, 2), (3, 4)], false), gif_of(&[(1, 2), (3, 4)]),
                b"BM".to_vec(), b"RIFF....WEBPVP8X".to_vec(), b"P6 1".to_vec(), Vec::new(),
            ];
            let mut bytes = whole[which].clone();
            bytes.truncate(cut);
            bytes.extend(noise);
            if let Some(found) = header(&bytes) {
                prop_assert!(found.n_pages >= 1 && found.pixels >= 1);
            }
        }
    }
}
