//! Documents to hostile ones: seeded damage of eight kinds.
//!
//! Blind damage to a compressed archive only breaks its checksums; so one kind takes a member out, damages what stands in
//! it, and packs it again. The generator is SplitMix64: the same seed makes the same files on every machine.

use std::io::{Cursor, Read as _, Write as _};

/// Members of an archive that are taken along, and their longest.
const MAX_MEMBERS: usize = 300;
const MAX_MEMBER_BYTES: u64 = 4 << 20;

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 where there is none.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % n).unwrap_or(0)
    }
}

/// A damaged copy of `bytes`, and what was done to it; `other` lends its end to a splice.
pub(crate) fn mutate(random: &mut Random, bytes: &[u8], other: &[u8]) -> (&'static str, Vec<u8>) {
    let is_archive = bytes.starts_with(b"PK\x03\x04");
    if is_archive
        && random.below(4) > 0
        && let Some(packed) = damage_member(random, bytes)
    {
        return ("member", packed);
    }
    damage(random, bytes, other)
}

fn damage(random: &mut Random, bytes: &[u8], other: &[u8]) -> (&'static str, Vec<u8>) {
    let mut out = bytes.to_vec();
    let kind = match random.below(7) {
        0 => {
            flip(random, &mut out);
            "flip"
        }
        1 => {
            out.truncate(random.below(bytes.len()));
            "cut"
        }
        2 => {
            out.truncate(random.below(bytes.len()));
            out.extend_from_slice(&other[random.below(other.len())..]);
            "splice"
        }
        3 => {
            let (start, end) = range(random, bytes.len());
            for _ in 0..=random.below(20) {
                out.splice(end..end, bytes[start..end].iter().copied());
            }
            "repeat"
        }
        4 => {
            let (start, end) = range(random, bytes.len());
            out.drain(start..end);
            "remove"
        }
        5 => {
            numbers(random, &mut out);
            "number"
        }
        _ => {
            insert(random, &mut out);
            "insert"
        }
    };
    (kind, out)
}

fn range(random: &mut Random, len: usize) -> (usize, usize) {
    let start = random.below(len);
    let n = 1 + random.below(4096);
    (start, (start + n).min(len))
}

fn flip(random: &mut Random, bytes: &mut [u8]) {
    if bytes.is_empty() {
        return;
    }
    for _ in 0..=random.below(64) {
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
    }
}

/// Puts extreme numbers in the place of some that stand there in digits.
fn numbers(random: &mut Random, bytes: &mut Vec<u8>) {
    const EXTREME: [&str; 9] = [
        "0",
        "-1",
        "255",
        "65536",
        "2147483647",
        "4294967296",
        "99999999999999999999",
        "1e308",
        "-0.0000001",
    ];
    for _ in 0..=random.below(8) {
        let from = random.below(bytes.len());
        let Some(start) = bytes[from..].iter().position(u8::is_ascii_digit) else {
            continue;
        };
        let start = from + start;
        let end = bytes[start..]
            .iter()
            .position(|b| !b.is_ascii_digit())
            .map_or(bytes.len(), |n| start + n);
        let new = EXTREME[random.below(EXTREME.len())];
        bytes.splice(start..end, new.bytes());
    }
}

/// Puts in what parsers stumble over, once or very often.
fn insert(random: &mut Random, bytes: &mut Vec<u8>) {
    const PIECES: [&[u8]; 12] = [
        b"\0",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"<",
        b"&#x110000;",
        b"]]>",
        b"<a>",
        b"[",
        b"(",
        b"{\\rtf",
        b"\r\n--B\r\n",
        b"\xe2\x80\xae",
    ];
    let piece = PIECES[random.below(PIECES.len())];
    let n_times = [1, 3, 5_000][random.below(3)];
    let at = random.below(bytes.len());
    bytes.splice(at..at, piece.repeat(n_times));
}

/// Damages what stands in one member of an archive, and packs all again.
fn damage_member(random: &mut Random, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut members = Vec::new();
    for n in 0..zip.len().min(MAX_MEMBERS) {
        let member = zip.by_index(n).ok()?;
        let name = member.name().ok()?.into_owned();
        let mut content = Vec::new();
        member
            .take(MAX_MEMBER_BYTES)
            .read_to_end(&mut content)
            .ok()?;
        members.push((name, content));
    }
    let markup: Vec<usize> = (0..members.len())
        .filter(|&n| members[n].1.first() == Some(&b'<'))
        .collect();
    let chosen = match markup.len() {
        0 => random.below(members.len()),
        n_markup => markup[random.below(n_markup)],
    };
    let (_, content) = members.get_mut(chosen)?;
    let copy = content.clone();
    *content = damage(random, &copy, &copy).1;
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, content) in &members {
        writer.start_file(name.as_str(), options).ok()?;
        writer.write_all(content).ok()?;
    }
    writer.finish().ok().map(Cursor::into_inner)
}
