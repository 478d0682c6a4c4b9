//! Whether characters are text: fonts without a map to Unicode give codes that look like letters.
//!
//! A subset font whose codes are numbers of glyphs shows `1DFKKDOWLJH` where the page shows `Nachhaltige`. Such text is a
//! substitution cipher: its letters are as uneven as a language's (index of coincidence, Friedman 1922), which tells it
//! from part numbers and base64, but hardly any letter is followed by one that follows it in a language. Four other
//! signs are looked for: words of punctuation, words of accented capitals only (an 8-bit code page taken for another),
//! Hangul and ideographs outside the sets that people write with. Each font of a page is judged alone, and needs enough
//! letters to be judged at all: a heading is not.
//!
//! Limits: other scripts (Cyrillic, Greek, Arabic) are never suspected. Cost: O(characters).

use std::collections::{BTreeMap, BTreeSet};

use super::word::{NO_FONT, Word, is_wide};

/// Letters that a font must have on a page to be judged.
const MIN_LETTERS: usize = 80;
/// Letters in a row that may be a word.
const MIN_RUN: usize = 4;
/// Different letters among them: sequences over few letters (genes, notes, Roman numbers) are no cipher.
const MIN_DIFFERENT: usize = 12;
/// Index of coincidence of letters. Languages have 0.065 to 0.075, even letters 0.038.
const MIN_COINCIDENCE: f64 = 0.05;
/// Share of pairs of letters that occur in languages. Those measured have 0.90 (Vietnamese) to 0.98; shifted letters
/// 0.29 to 0.41, letters put for others at random hardly ever over 0.61.
const MIN_PLAUSIBLE: f64 = 0.68;

/// For each letter the letters that follow it often in German, English, Spanish, Romanian or Turkish (pairs that make up
/// 95 % of each), one bit each, `a` the lowest. Counted over encyclopedic paragraphs, without accents.
const FOLLOWERS: [u32; 26] = [
    0x33e_bfee, 0x112_4911, 0x01a_4d95, 0x016_4911, 0x3fe_fdff, 0x01a_4931, 0x01e_4991, 0x01a_6911,
    0x33e_fdff, 0x010_4011, 0x01e_4911, 0x11c_5d59, 0x014_d913, 0x33e_7d7d, 0x37e_fdef, 0x01a_c991,
    0x010_0000, 0x35e_7dff, 0x11c_dd97, 0x35e_5d91, 0x30e_bdff, 0x002_4911, 0x010_6191, 0x000_0100,
    0x010_6919, 0x058_5911,
];

/// Share of control and private-use characters from which on the rest of a font is no text either.
const MAX_GARBAGE_PERCENT: u64 = 30;

/// The fonts of a page that show no text, and the characters in them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) fonts: BTreeSet<u16>,
    /// Garbage included, of all fonts.
    pub(super) n_chars: u64,
}

/// Judges the fonts of `words`; `garbage` counts the characters of each font that are none at all.
pub(super) fn unreadable<'w>(
    words: impl Iterator<Item = &'w Word>,
    garbage: &BTreeMap<u16, u64>,
) -> Unreadable {
    let mut tallies: BTreeMap<u16, Tally> = BTreeMap::new();
    for word in words {
        tallies.entry(word.font).or_default().add(&word.text);
    }
    let mut found = Unreadable {
        n_chars: garbage.values().sum(),
        fonts: BTreeSet::new(),
    };
    for (&font, tally) in &tallies {
        let n_garbage = garbage.get(&font).copied().unwrap_or(0);
        let is_garbage = n_garbage * 100 > (tally.n_chars + n_garbage) * MAX_GARBAGE_PERCENT;
        if font != NO_FONT && (is_garbage || tally.is_unreadable()) {
            found.fonts.insert(font);
            found.n_chars += tally.n_chars;
        }
    }
    found
}

/// What the characters of one font are like.
#[derive(Default)]
struct Tally {
    n_chars: u64,
    letters: [u32; 26],
    n_pairs: u32,
    n_plausible: u32,
    n_symbols: u32,
    /// Different ASCII symbols, one bit each.
    symbols: u128,
    /// Words of four letters or more.
    n_words: u32,
    /// Those of letters between U+00C0 and U+00FF alone.
    n_accented: u32,
    n_wide: u32,
    n_rare: u32,
}

impl Tally {
    fn add(&mut self, word: &str) {
        let mut run: Vec<usize> = Vec::new();
        let (mut n_letters, mut n_accented) = (0, 0);
        for c in word.chars() {
            self.n_chars += 1;
            n_letters += usize::from(c.is_alphabetic());
            n_accented += usize::from(matches!(c, '\u{c0}'..='\u{ff}'));
            if c.is_ascii_punctuation() {
                self.n_symbols += 1;
                self.symbols |= 1 << u32::from(c).min(127);
            }
            if is_wide(c) && c.is_alphabetic() {
                self.n_wide += 1;
                self.n_rare += u32::from(is_rare(c));
            }
            match place(c) {
                Some(letter) => run.push(letter),
                None => self.add_run(&mut run),
            }
        }
        self.add_run(&mut run);
        if n_letters >= 4 {
            self.n_words += 1;
            self.n_accented += u32::from(n_accented >= n_letters);
        }
    }

    /// Counts letters that follow each other: short runs are units and codes as often as words.
    fn add_run(&mut self, run: &mut Vec<usize>) {
        if run.len() >= MIN_RUN {
            for &letter in run.iter() {
                self.letters[letter] += 1;
            }
            for pair in run.windows(2) {
                self.n_pairs += 1;
                self.n_plausible += FOLLOWERS[pair[0]] >> pair[1] & 1;
            }
        }
        run.clear();
    }

    fn is_unreadable(&self) -> bool {
        self.is_cipher() || self.is_punctuation() || self.is_accents() || self.is_rare_writing()
    }

    fn is_cipher(&self) -> bool {
        let n: u32 = self.letters.iter().sum();
        let n_different = self.letters.iter().filter(|n| **n > 0).count();
        if (n as usize) < MIN_LETTERS || n_different < MIN_DIFFERENT {
            return false;
        }
        let same: f64 = self
            .letters
            .iter()
            .map(|&n| f64::from(n) * f64::from(n.saturating_sub(1)))
            .sum();
        let coincidence = same / (f64::from(n) * f64::from(n - 1));
        let plausible = f64::from(self.n_plausible) / f64::from(self.n_pairs);
        coincidence >= MIN_COINCIDENCE && plausible < MIN_PLAUSIBLE
    }

    /// Source code has up to a third of it, and uses few kinds at a time.
    fn is_punctuation(&self) -> bool {
        self.n_chars >= MIN_LETTERS as u64
            && self.symbols.count_ones() >= 12
            && u64::from(self.n_symbols) * 2 > self.n_chars
    }

    fn is_accents(&self) -> bool {
        self.n_words >= 12 && self.n_accented * 2 > self.n_words
    }

    fn is_rare_writing(&self) -> bool {
        self.n_wide >= 30 && self.n_rare * 8 > self.n_wide
    }
}

/// Number of a Latin letter in the alphabet; accents on it do not count.
fn place(c: char) -> Option<usize> {
    let base = match c {
        'a'..='z' | 'A'..='Z' => c,
        '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => match c {
            'ı' => 'i',
            'ß' => 's',
            'đ' | 'Đ' => 'd',
            'ø' | 'Ø' => 'o',
            'ł' | 'Ł' => 'l',
            'æ' | 'Æ' => 'e',
            _ => unicode_normalization::UnicodeNormalization::nfd(std::iter::once(c)).next()?,
        },
        _ => return None,
    };
    let base = base.to_ascii_lowercase();
    base.is_ascii_lowercase()
        .then(|| usize::from(base as u8 - b'a'))
}

/// Whether a character is in none of the sets that are in everyday use: KS X 1001 (Hangul), GB 2312, JIS X 0208, Big5.
fn is_rare(c: char) -> bool {
    let mut buffer = [0; 4];
    let text: &str = c.encode_utf8(&mut buffer);
    let in_set = |encoding: &'static encoding_rs::Encoding, is_core: fn(u8, u8) -> bool| {
        let (bytes, _, has_failed) = encoding.encode(text);
        match *bytes {
            [lead, trail] => !has_failed && is_core(lead, trail),
            _ => false,
        }
    };
    let is_94 = |lead: u8, trail: u8| lead >= 0xa1 && trail >= 0xa1;
    match c {
        '\u{ac00}'..='\u{d7a3}' => !in_set(encoding_rs::EUC_KR, is_94),
        '\u{3400}'..='\u{9fff}' => {
            !in_set(encoding_rs::GBK, is_94)
                && !in_set(encoding_rs::EUC_JP, is_94)
                && !in_set(encoding_rs::BIG5, |lead, _| lead >= 0xa4)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdf::word::Rect;

    fn is_unreadable(text: &str) -> bool {
        let mut tally = Tally::default();
        for word in text.split_whitespace() {
            tally.add(word);
        }
        tally.is_unreadable()
    }

    const ENGLISH: &str = "The plant at the river recorded twelve incidents in the third quarter, a decrease of forty \
        percent. Every worker must wear a helmet, gloves and boots while machines are running; visitors are \
        accompanied by a member of staff.";
    const GERMAN: &str = "Nachhaltige Entwicklung bedeutet, die Bedürfnisse der Gegenwart so zu befriedigen, dass die \
        Möglichkeiten künftiger Generationen nicht eingeschränkt werden. Dabei ist es wichtig, die drei Aspekte zu \
        betrachten.";

    /// What numbers of glyphs in the usual order look like.
    fn shifted(text: &str) -> String {
        text.chars()
            .map(|c| match c {
                '>'..='~' => char::from(c as u8 - 29),
                c => c,
            })
            .collect()
    }

    /// Each letter for another, as in a subset font with an order of its own.
    fn swapped(text: &str) -> String {
        text.chars()
            .map(|c| match c.to_ascii_lowercase() {
                c @ 'a'..='z' => char::from(
                    b'a' + u8::try_from((u32::from(c as u8 - b'a') * 11 + 4) % 26).unwrap(),
                ),
                c => c,
            })
            .collect()
    }

    #[test]
    fn ciphers_are_no_text() {
        for text in [ENGLISH, GERMAN] {
            assert!(!is_unreadable(text), "{text}");
            assert!(!is_unreadable(&text.to_uppercase()), "{text}");
            assert!(is_unreadable(&shifted(text)), "{}", shifted(text));
            assert!(is_unreadable(&swapped(text)), "{}", swapped(text));
        }
        let russian_as_latin = "Ïðèâåò ìèð, ýòî îáû÷íûé òåêñò íà ðóññêîì ÿçûêå, êîòîðûé áûë ïðî÷èòàí â íåâåðíîé \
            êîäèðîâêå è ïîýòîìó íå ìîæåò áûòü ïîíÿò ÷åëîâåêîì";
        assert!(is_unreadable(russian_as_latin));
        let subset = "!\"# $%&'(%$ )*+, -./0!1 23'45 6!\"78# %9:;! <=>?@ [!\\] ^_` {|}~ !\"#$% &'()* +,-./ :;<=> ?@[\\] (\"%$ '*+,";
        assert!(is_unreadable(subset));
        let hangul =
            "묾푷 퓒칺몮 팢솒빪 쭖쩣 젊기몒 캏오윦캏맞 훟컪픦 헏픦쁞 뷃뚫쏋 횖꺅쉟 뫍쯋퓭 갉뗑쀓";
        assert!(is_unreadable(hangul));
    }

    #[test]
    fn other_writing_is_not_suspected() {
        let base64 = "VGhlIHBsYW50IGF0IHRoZSByaXZlciByZWNvcmRlZCB0d2VsdmUgaW5jaWRlbnRzIGluIHRoZSB0aGlyZCBxdWFydGVyLCBhIGRlY3JlYXNl \
            IG9mIGZvcnR5IHBlcmNlbnQuIEV2ZXJ5IHdvcmtlciBtdXN0IHdlYXIgYSBoZWxtZXQsIGdsb3ZlcyBhbmQgYm9vdHM=";
        let codes: String = (0..60u32)
            .map(|n| {
                let letter = |k: u32| char::from(b'A' + u8::try_from(n * k % 26).unwrap());
                format!("{}{}{}-{} ", letter(7), letter(11), letter(19), n * 37)
            })
            .collect();
        let hex: String = (0..40u32)
            .map(|n| format!("{:08x} ", n.wrapping_mul(2_654_435_761)))
            .collect();
        let code = "for (idx, fragment) in fragments.into_iter().enumerate() { let band = bands.iter().position(|band| \
            band.contains(idx)); if band != current { cut(std::mem::take(&mut rest), grids, depth + 1, out); } }";
        let units = "KG PCS BX KG PCS BX CTN PLT KG MTR LTR SQM CBM KG PCS BX CTN PLT KG MTR LTR SQM CBM QTY NTT VLP \
            DHL FPX KLM JFK GHT WRT";
        let polish = "Wszystkie wypadki zostały zgłoszone do kierownika zakładu w ciągu dwudziestu czterech godzin od \
            zdarzenia, a przyczyny szczegółowo zbadane przez inspektora bezpieczeństwa pracy i przekazane zarządowi.";
        let finnish = "Kaikki työntekijät käyttävät kypärää, käsineitä ja turvakenkiä koneiden ollessa käynnissä, ja \
            vierailijoita saattaa aina henkilökunnan jäsen koko käynnin ajan tehtaan alueella.";
        let welsh = "Mae'n rhaid i bob gweithiwr wisgo helmed, menig ac esgidiau tra bydd y peiriannau'n rhedeg, ac mae \
            ymwelwyr yn cael eu hebrwng gan aelod o staff bob amser yn ystod yr ymweliad.";
        let hungarian = "Minden dolgozónak sisakot, kesztyűt és bakancsot kell viselnie a gépek működése közben, a \
            látogatókat pedig mindig a személyzet egyik tagja kíséri végig az üzem területén.";
        let genes = "ACGTTGCAACGTGGCATTACG".repeat(8);
        let greek = "Το εργοστάσιο κατέγραψε δώδεκα περιστατικά το τρίτο τρίμηνο, μείωση σαράντα τοις εκατό σε σχέση με \
            την προηγούμενη χρονιά, και όλα διερευνήθηκαν.";
        let korean = "이 보고서는 세계적 유행 단계에 돌입한 감염병의 관리와 예방에 관한 법률의 개정 내용을 설명하고 앞으로의 과제를 제시한다";
        let chinese = "该工厂在第三季度记录了十二起事故，比上一年减少了百分之四十。所有事故都已由安全检查员调查并报告给管理层，員工必須佩戴頭盔";
        let japanese = "この工場では第三四半期に十二件の事故が記録され、前年より四十パーセント減少しました。すべて調査されています。";
        let figures =
            "12.5 % | 1,204.00 (3) [4] 2019-2020 +/- 3.4; 17:30 $5.00 #12 & 8*9=72 ".repeat(4);
        let leaders =
            "............................ ______________ ------------ ***** ///// ".repeat(4);
        for text in [
            base64, &codes, &hex, code, units, polish, finnish, welsh, hungarian, &genes, greek,
            korean, chinese, japanese, &figures, &leaders,
        ] {
            assert!(!is_unreadable(text), "{text}");
        }
    }

    #[test]
    fn fonts_are_judged_one_by_one() {
        let word = |text: &str, font: u16| Word {
            text: text.into(),
            rect: Rect {
                x0: 0.0,
                y0: 0.0,
                x1: 1.0,
                y1: 1.0,
            },
            size: 10.0,
            is_bold: false,
            order: 0,
            ends_soft: false,
            is_glued: false,
            font,
        };
        let bad = shifted(GERMAN);
        let mut words: Vec<Word> = ENGLISH.split_whitespace().map(|w| word(w, 0)).collect();
        words.extend(bad.split_whitespace().map(|w| word(w, 1)));
        words.extend(
            shifted("Nachhaltige")
                .split_whitespace()
                .map(|w| word(w, 2)),
        );
        let n_bad: usize = bad.split_whitespace().map(|w| w.chars().count()).sum();
        let garbage = BTreeMap::from([(0, 2), (2, 5)]);
        let found = unreadable(words.iter(), &garbage);
        // The third font has few letters, but most of its characters are none.
        assert_eq!(found.fonts, BTreeSet::from([1, 2]));
        assert_eq!(found.n_chars, n_bad as u64 + 11 + 7);
    }
}
