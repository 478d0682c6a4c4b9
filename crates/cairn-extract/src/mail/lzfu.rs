//! Compressed RTF as Outlook stores bodies ([MS-OXRTFCP], section 3.1.3.1.3).
//!
//! LZ77 with a window of 4 KiB that begins with a fixed text. The checksum is not compared: a damaged body is read as far
//! as it goes. O(output), which is at most nine times the input.

/// What the window holds at the start ([MS-OXRTFCP], section 2.2.2.1).
const DICTIONARY: &[u8; 207] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
const WINDOW: usize = 4096;
const HEADER_BYTES: usize = 16;

/// The RTF that `bytes` hold, or `None` where they are no compressed RTF.
pub(super) fn decompress(bytes: &[u8]) -> Option<Vec<u8>> {
    let kind = bytes.get(8..12)?;
    let content = bytes.get(HEADER_BYTES..)?;
    match kind {
        b"MELA" => Some(content.to_vec()),
        b"LZFu" => Some(expand(content)),
        _ => None,
    }
}

fn expand(content: &[u8]) -> Vec<u8> {
    let mut window = [b' '; WINDOW];
    window[..DICTIONARY.len()].copy_from_slice(DICTIONARY);
    let mut write = DICTIONARY.len();
    let mut out = Vec::new();
    let mut put = |byte: u8, window: &mut [u8; WINDOW], write: &mut usize| {
        out.push(byte);
        window[*write] = byte;
        *write = (*write + 1) % WINDOW;
    };
    let mut input = content.iter().copied();
    'runs: while let Some(control) = input.next() {
        for bit in 0..8 {
            if control & (1 << bit) == 0 {
                let Some(byte) = input.next() else {
                    break 'runs;
                };
                put(byte, &mut window, &mut write);
                continue;
            }
            let (Some(high), Some(low)) = (input.next(), input.next()) else {
                break 'runs;
            };
            let reference = usize::from(high) << 8 | usize::from(low);
            let (offset, len) = (reference >> 4, (reference & 15) + 2);
            // A reference to the place of writing is the end mark.
            if offset == write {
                break 'runs;
            }
            for step in 0..len {
                let byte = window[(offset + step) % WINDOW];
                put(byte, &mut window, &mut write);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification_expand() {
        // [MS-OXRTFCP], sections 4.1.1 and 4.1.2.
        let simple = [
            0x2d, 0, 0, 0, 0x2b, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5, 0xc7, 0xa7, 0x03,
            0x00, 0x0a, 0x00, 0x72, 0x63, 0x70, 0x67, 0x31, 0x32, 0x35, 0x42, 0x32, 0x0a, 0xf3,
            0x20, 0x68, 0x65, 0x6c, 0x09, 0x00, 0x20, 0x62, 0x77, 0x05, 0xb0, 0x6c, 0x64, 0x7d,
            0x0a, 0x80, 0x0f, 0xa0,
        ];
        assert_eq!(
            decompress(&simple).unwrap(),
            b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
        );
        let crossing = [
            0x1a, 0, 0, 0, 0x1c, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xe2, 0xd4, 0x4b, 0x51, 0x41,
            0x00, 0x04, 0x20, 0x57, 0x58, 0x59, 0x5a, 0x0d, 0x6e, 0x7d, 0x01, 0x0e, 0xb0,
        ];
        assert_eq!(
            decompress(&crossing).unwrap(),
            b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"
        );
        assert_eq!(decompress(b"short"), None);
        assert_eq!(decompress(&[7; 40]), None);
    }
}
