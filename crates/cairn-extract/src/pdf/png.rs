//! Writes pictures as PNG files (ISO/IEC 15948): RGB, 8 bits a sample, no filter but "up".
//!
//! Only what page images need, since `flate2` with its checksum is here already. The filter subtracts the row above,
//! which suits pages: most rows repeat the one before them. Cost: one pass and one deflate.

use std::io::Write as _;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// Samples of a pixel.
const N_SAMPLES: usize = 3;

/// The file of a picture; `samples` holds its rows from the top, red, green and blue of each pixel, without padding.
pub(super) fn encode(width: u32, height: u32, samples: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(13);
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    // Bits a sample, RGB, and the only ways to compress, filter and not to interlace.
    header.extend([8, 2, 0, 0, 0]);
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut out, *b"IHDR", &header);
    let row_len = width as usize * N_SAMPLES;
    chunk(&mut out, *b"IDAT", &deflate(samples, row_len));
    chunk(&mut out, *b"IEND", &[]);
    out
}

fn deflate(samples: &[u8], row_len: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let mut filtered = Vec::with_capacity(row_len + 1);
    let mut above: &[u8] = &[];
    for row in samples.chunks_exact(row_len.max(1)) {
        filtered.clear();
        filtered.push(2);
        if above.is_empty() {
            filtered.extend_from_slice(row);
        } else {
            filtered.extend(row.iter().zip(above).map(|(a, b)| a.wrapping_sub(*b)));
        }
        encoder
            .write_all(&filtered)
            .expect("writing to memory does not fail");
        above = row;
    }
    encoder.finish().expect("writing to memory does not fail")
}

fn chunk(out: &mut Vec<u8>, name: [u8; 4], data: &[u8]) {
    let len = u32::try_from(data.len()).expect("pictures are capped far below 4 GiB");
    out.extend(len.to_be_bytes());
    let start = out.len();
    out.extend(name);
    out.extend_from_slice(data);
    let mut crc = Crc::new();
    crc.update(&out[start..]);
    out.extend(crc.sum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let samples = [1, 2, 3, 4, 5, 6, 9, 9, 9, 200, 100, 0];
        let file = encode(2, 2, &samples);
        assert!(file.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x02\x08\x02"));
        assert!(
            file.ends_with(b"IEND\xaeB`\x82"),
            "the checksum of an empty IEND"
        );
        let len = u32::from_be_bytes(file[33..37].try_into().unwrap()) as usize;
        let mut rows = Vec::new();
        flate2::read::ZlibDecoder::new(&file[41..41 + len])
            .read_to_end(&mut rows)
            .unwrap();
        assert_eq!(rows, [2, 1, 2, 3, 4, 5, 6, 2, 8, 7, 6, 196, 95, 250]);
        assert!(encode(0, 0, &[]).len() > 40);
    }
}
