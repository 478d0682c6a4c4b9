//! Bytes to characters, and plain text to paragraphs.
//!
//! Encoding: a byte order mark, else UTF-16 by the pattern of its zero bytes, else UTF-8 where it is
//! valid, else the guess of `chardetng`. Control characters other than tab and line break are taken
//! out and counted; nothing is normalised, so citations quote the document's own characters.

use cairn_types::WarningCode;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::builder::Builder;

/// Decoded text: line ends are `\n`, no control characters but tab and line break.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) text: String,
    /// Control characters that were taken out.
    pub(crate) n_control: u64,
    /// Byte sequences that the encoding does not know; each is U+FFFD in the text.
    pub(crate) n_replaced: u64,
    pub(crate) encoding: &'static str,
}

impl Decoded {
    /// Says in the report what was not readable.
    pub(crate) fn note(&self, builder: &mut Builder) {
        if self.n_control > 0 {
            builder.left_out(self.n_control);
            let n = self.n_control;
            builder.warn(
                WarningCode::Cleaned,
                None,
                format!("{n} control characters were taken out"),
            );
        }
        if self.n_replaced > 0 {
            let (n, encoding) = (self.n_replaced, self.encoding);
            builder.warn(
                WarningCode::Recovered,
                None,
                format!("{n} byte sequences are not valid {encoding} and show as U+FFFD"),
            );
        }
    }
}

/// Decodes `bytes` of unknown encoding. O(n).
pub(crate) fn decode(bytes: &[u8]) -> Decoded {
    let (encoding, n_bom) = match Encoding::for_bom(bytes) {
        Some(found) => found,
        None => (guess_encoding(bytes), 0),
    };
    let (text, had_errors) = encoding.decode_without_bom_handling(&bytes[n_bom..]);
    let n_replaced = if had_errors {
        text.chars().filter(|&c| c == '\u{fffd}').count() as u64
    } else {
        0
    };
    let (text, n_control) = clean(&text);
    Decoded {
        text,
        n_control,
        n_replaced,
        encoding: encoding.name(),
    }
}

fn guess_encoding(bytes: &[u8]) -> &'static Encoding {
    if let Some(encoding) = utf16_by_zeros(bytes) {
        return encoding;
    }
    if std::str::from_utf8(bytes).is_ok() {
        return UTF_8;
    }
    // A file that is UTF-8 but for a few bytes is damaged UTF-8, not Latin-1.
    let lossy = String::from_utf8_lossy(bytes);
    let n_bad = lossy.chars().filter(|&c| c == '\u{fffd}').count();
    let n_multi = lossy
        .chars()
        .filter(|&c| !c.is_ascii() && c != '\u{fffd}')
        .count();
    if n_multi >= 8 && n_bad * 10 <= n_multi {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    detector.guess(None, Utf8Detection::Allow)
}

/// UTF-16 without a mark: in text of Latin letters every other byte is zero, always on the same side.
pub(crate) fn utf16_by_zeros(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = &bytes[..bytes.len().min(4096) & !1];
    if head.len() < 8 {
        return None;
    }
    let n_units = head.len() / 2;
    let n_even = head.iter().step_by(2).filter(|&&b| b == 0).count();
    let n_odd = head.iter().skip(1).step_by(2).filter(|&&b| b == 0).count();
    if n_odd * 10 >= n_units * 4 && n_even * 20 <= n_units {
        return Some(UTF_16LE);
    }
    if n_even * 10 >= n_units * 4 && n_odd * 20 <= n_units {
        return Some(UTF_16BE);
    }
    None
}

/// Unifies line ends and takes out control characters (a form feed becomes a blank line).
pub(crate) fn clean(text: &str) -> (String, u64) {
    let mut out = String::with_capacity(text.len());
    let mut n_control = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            '\n' | '\t' => out.push(c),
            '\u{c}' | '\u{2029}' => out.push_str("\n\n"),
            '\u{85}' | '\u{2028}' | '\u{b}' => out.push('\n'),
            '\u{feff}' => {}
            c if c.is_control() => n_control += 1,
            c => out.push(c),
        }
    }
    (out, n_control)
}

/// White space runs to one space, trimmed: the text of inline content.
pub(crate) fn collapse(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// White space runs to one space within lines; line breaks stay, blank lines go.
pub(crate) fn collapse_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let line = collapse(line);
        if line.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&line);
    }
    out
}

/// The blocks of `text` between blank lines; trailing white space of lines goes, indentation stays.
pub(crate) fn blocks(text: &str) -> impl Iterator<Item = String> + '_ {
    let mut lines = text.split('\n');
    std::iter::from_fn(move || {
        let mut block = String::new();
        for line in lines.by_ref() {
            let line = line.trim_end();
            if line.is_empty() {
                if block.is_empty() {
                    continue;
                }
                return Some(block);
            }
            if !block.is_empty() {
                block.push('\n');
            }
            block.push_str(line);
        }
        (!block.is_empty()).then_some(block)
    })
}

/// Bytes of one element of plain text; a guess, far above any paragraph that a person wrote.
const MAX_BLOCK: usize = 16 << 10;

/// Plain text: one paragraph for each block between blank lines; a block that is very long (a log, a text without line
/// ends) gives several.
pub(crate) fn read(bytes: &[u8], builder: &mut Builder) {
    let decoded = decode(bytes);
    decoded.note(builder);
    for block in blocks(&decoded.text) {
        let mut rest = block.as_str();
        while let Some(n) = piece_len(rest) {
            builder.paragraph(&rest[..n]);
            rest = &rest[n..];
        }
        builder.paragraph(rest);
    }
}

/// Where `text` is cut, if it is longer than an element may be: after a line, else after a word, else anywhere. Looks
/// at no more than one piece, so that cutting a text costs its length once.
fn piece_len(text: &str) -> Option<usize> {
    if text.len() <= MAX_BLOCK {
        return None;
    }
    let mut end = MAX_BLOCK;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let look = &text[..end];
    let after = |at: usize| look[at..].chars().next().map_or(at, |c| at + c.len_utf8());
    let cut = look
        .rfind('\n')
        .or_else(|| look.rfind(char::is_whitespace))
        .map(after);
    // A cut near the start would leave many small pieces.
    Some(cut.filter(|cut| *cut >= MAX_BLOCK / 4).unwrap_or(end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decodes_what_people_save() {
        let utf16: Vec<u8> = "Grüße, hello"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let utf16_be: Vec<u8> = "Grüße, hello"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        let mut with_bom = vec![0xff, 0xfe];
        with_bom.extend(&utf16);
        let cases: [(&[u8], &str); 7] = [
            (b"a\r\nb\rc", "a\nb\nc"),
            ("\u{feff}Gr\u{fc}\u{df}e".as_bytes(), "Grüße"),
            (&with_bom, "Grüße, hello"),
            (&utf16, "Grüße, hello"),
            (&utf16_be, "Grüße, hello"),
            (
                b"sch\xf6ne Gr\xfc\xdfe aus M\xfcnchen",
                "schöne Grüße aus München",
            ),
            (b"a\0b\x1bc", "abc"),
        ];
        for (bytes, expect) in cases {
            assert_eq!(decode(bytes).text, expect, "{bytes:?}");
        }
        assert_eq!(decode(b"a\0b\x1bc").n_control, 2);
    }

    #[test]
    fn paragraphs_end_at_blank_lines() {
        let found: Vec<String> = blocks("\n\n a\nb  \n \t\nc\n").collect();
        assert_eq!(found, [" a\nb", "c"]);
    }

    #[test]
    fn very_long_lines_are_cut() {
        let endless = "é".repeat(3 * MAX_BLOCK);
        let words = "word and more\n".repeat(MAX_BLOCK / 4);
        for text in [endless, words] {
            let mut builder = Builder::new(1000);
            read(text.as_bytes(), &mut builder);
            let elements = builder.elements();
            assert!((3..12).contains(&elements.len()), "{}", elements.len());
            assert!(elements.iter().all(|e| e.text.len() <= MAX_BLOCK));
            assert!(elements.iter().all(|e| !e.text.starts_with("ord")));
            assert_eq!(builder.report.chars_kept, crate::builder::count_text(&text));
        }
    }

    proptest! {
        #[test]
        fn no_character_is_lost(text in "\\PC{0,200}") {
            let mut builder = Builder::new(1000);
            read(text.as_bytes(), &mut builder);
            let kept: String = builder.elements().iter().map(|e| e.text.as_str()).collect();
            let squash = |t: &str| t.chars().filter(|c| !c.is_whitespace() && *c != '\u{feff}').collect::<String>();
            prop_assert_eq!(squash(&kept), squash(&text));
        }

        #[test]
        fn any_bytes_decode(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let decoded = decode(&bytes);
            prop_assert!(decoded.text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
        }
    }
}
