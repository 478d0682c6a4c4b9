//! Code pages and character sets of RTF to characters.
//!
//! Windows code pages go through `encoding_rs`; the two DOS code pages that `\pc` and `\pca` name are tables here
//! (Unicode consortium, CP437.TXT and CP850.TXT). The Symbol font's Greek letters and signs follow Adobe's
//! encoding of it; what it has beyond them shows as U+FFFD.

use encoding_rs::Encoding;

/// How the bytes of a run become characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    Known(&'static Encoding),
    /// The upper half of a DOS code page.
    Dos(&'static str),
    Symbol,
    /// Signs that no character stands for: Wingdings and its like.
    Pictures,
}

const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
const CP850: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";
/// From `A` and from `a` on.
const GREEK_UPPER: &str = "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ";
const GREEK_LOWER: &str = "αβχδεφγηιϕκλμνοπθρστυϖωξψζ";

impl Charset {
    /// Of `\ansicpgN` and `\cpgN`, where it is known.
    pub(super) fn of_code_page(page: i32) -> Option<Self> {
        let label = match page {
            437 => return Some(Self::Dos(CP437)),
            850 | 858 => return Some(Self::Dos(CP850)),
            874 => "windows-874",
            932 => "shift_jis",
            936 => "gbk",
            949 | 1361 => "euc-kr",
            950 => "big5",
            866 => "ibm866",
            10_000 => "macintosh",
            10_007 => "x-mac-cyrillic",
            20_866 => "koi8-r",
            54_936 => "gb18030",
            65_001 => "utf-8",
            1250..=1258 => {
                return Encoding::for_label(format!("windows-{page}").as_bytes()).map(Self::Known);
            }
            28_591..=28_605 => {
                let label = format!("iso-8859-{}", page - 28_590);
                return Encoding::for_label(label.as_bytes()).map(Self::Known);
            }
            _ => return None,
        };
        Encoding::for_label(label.as_bytes()).map(Self::Known)
    }

    /// Of `\fcharsetN`; `None` means that of the document.
    pub(super) fn of_font(charset: i32) -> Option<Self> {
        let page = match charset {
            0 => 1252,
            2 => return Some(Self::Symbol),
            77 => 10_000,
            128 => 932,
            129 | 130 => 949,
            134 => 936,
            136 => 950,
            161 => 1253,
            162 => 1254,
            163 => 1258,
            177 => 1255,
            178 => 1256,
            186 => 1257,
            204 => 1251,
            222 => 874,
            238 => 1250,
            254 => 437,
            255 => 850,
            _ => return None,
        };
        Self::of_code_page(page)
    }

    /// Appends the characters of `bytes`.
    pub(super) fn decode(self, bytes: &[u8], out: &mut String) {
        match self {
            Self::Known(encoding) => {
                out.push_str(&encoding.decode_without_bom_handling(bytes).0);
            }
            Self::Dos(upper) => out.extend(bytes.iter().map(|&b| {
                let upper_idx = usize::from(b).checked_sub(128);
                upper_idx.map_or(char::from(b), |idx| {
                    upper.chars().nth(idx).unwrap_or('\u{fffd}')
                })
            })),
            Self::Pictures => out.extend(bytes.iter().map(|_| '•')),
            Self::Symbol => out.extend(bytes.iter().map(|&b| symbol(b))),
        }
    }
}

/// A character of the Symbol font.
pub(super) fn symbol(byte: u8) -> char {
    let nth = |letters: &str, from: u8| letters.chars().nth(usize::from(byte - from));
    match byte {
        b'A'..=b'Z' => nth(GREEK_UPPER, b'A').unwrap_or('\u{fffd}'),
        b'a'..=b'z' => nth(GREEK_LOWER, b'a').unwrap_or('\u{fffd}'),
        b'"' => '∀',
        b'$' => '∃',
        b'\'' => '∋',
        b'*' => '∗',
        b'-' => '−',
        b'@' => '≅',
        b'^' => '⊥',
        b'~' => '∼',
        0x20..=0x7e => char::from(byte),
        0xa1 => 'ϒ',
        0xa3 => '≤',
        0xa5 => '∞',
        0xab => '↔',
        0xac => '←',
        0xad => '↑',
        0xae => '→',
        0xaf => '↓',
        0xb0 => '°',
        0xb1 => '±',
        0xb3 => '≥',
        0xb4 => '×',
        0xb5 => '∝',
        0xb6 => '∂',
        0xb7 => '•',
        0xb8 => '÷',
        0xb9 => '≠',
        0xba => '≡',
        0xbb => '≈',
        0xbc => '…',
        0xc5 => '⊕',
        0xc6 => '∅',
        0xc7 => '∩',
        0xc8 => '∪',
        0xcc => '⊂',
        0xce => '∈',
        0xcf => '∉',
        0xd1 => '∇',
        0xd5 => '∏',
        0xd6 => '√',
        0xd7 => '⋅',
        0xd8 => '¬',
        0xd9 => '∧',
        0xda => '∨',
        0xde => '⇒',
        0xe5 => '∑',
        0xf2 => '∫',
        _ => '\u{fffd}',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(charset: Option<Charset>, bytes: &[u8]) -> String {
        let mut out = String::new();
        charset.unwrap().decode(bytes, &mut out);
        out
    }

    #[test]
    fn code_pages_are_known() {
        assert_eq!(CP437.chars().count(), 128);
        assert_eq!(CP850.chars().count(), 128);
        assert_eq!(GREEK_UPPER.chars().count(), 26);
        assert_eq!(GREEK_LOWER.chars().count(), 26);
        assert_eq!(decoded(Charset::of_code_page(1251), b"\xcf\xf0"), "Пр");
        assert_eq!(decoded(Charset::of_code_page(437), b"a\x81"), "aü");
        assert_eq!(decoded(Charset::of_font(128), b"\x82\x6c"), "Ｍ");
        assert_eq!(decoded(Charset::of_font(2), b"am\xb3"), "αμ≥");
        assert_eq!(Charset::of_font(1), None);
        assert_eq!(Charset::of_code_page(7), None);
    }
}
