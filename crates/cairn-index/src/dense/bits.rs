//! A range of a bitmap as plain words, a bit for each number.
//!
//! The bitmap gives its numbers one by one only (about 3 ns each: as much as a whole search where half of a million
//! are allowed), but writes itself out container by container: the portable format of Roaring bitmaps
//! (`RoaringFormatSpec`: cookie, keys and counts, offsets, then for each 65,536 numbers a list, a bitset of 8 KiB, or
//! runs). Copying those is O(range / 64). What is not understood is left to the caller, who then asks one by one.

use roaring::RoaringBitmap;

const NUMBERS: i64 = 1 << 16;
/// Up to this many numbers a container without runs is a list.
const MAX_LIST: usize = 4096;
const COOKIE: u32 = 12_346;
const COOKIE_WITH_RUNS: u32 = 12_347;
/// With runs, offsets stand only where there are at least so many containers.
const MIN_OFFSETS: usize = 4;

/// Bit i of the words: whether `first + i` is in the bitmap, up to `last`.
pub(super) fn words_of_range(bitmap: &RoaringBitmap, first: u32, last: u32) -> Option<Vec<u64>> {
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    bitmap.serialize_into(&mut bytes).ok()?;
    let mut rest = Reader(&bytes);
    let cookie = rest.u32()?;
    let mut run_flags: &[u8] = &[];
    let n_containers = if cookie & 0xFFFF == COOKIE_WITH_RUNS {
        let n = (cookie >> 16) as usize + 1;
        run_flags = rest.take(n.div_ceil(8))?;
        n
    } else if cookie == COOKIE {
        rest.u32()? as usize
    } else {
        return None;
    };
    let heads = rest.take(n_containers.checked_mul(4)?)?;
    if run_flags.is_empty() || n_containers >= MIN_OFFSETS {
        rest.take(n_containers * 4)?;
    }
    let mut out = Words {
        words: vec![0; (last - first) as usize / 64 + 1],
        first: i64::from(first),
    };
    for (at, head) in heads.chunks_exact(4).enumerate() {
        let base = i64::from(u16::from_le_bytes([head[0], head[1]])) * NUMBERS;
        let count = usize::from(u16::from_le_bytes([head[2], head[3]])) + 1;
        if run_flags
            .get(at / 8)
            .is_some_and(|flags| flags >> (at % 8) & 1 == 1)
        {
            let n_runs = usize::from(rest.u16()?);
            for run in rest.take(n_runs * 4)?.chunks_exact(4) {
                let start = base + i64::from(u16::from_le_bytes([run[0], run[1]]));
                out.set_run(start, i64::from(u16::from_le_bytes([run[2], run[3]])) + 1);
            }
        } else if count <= MAX_LIST {
            for number in rest.take(count * 2)?.chunks_exact(2) {
                out.set_word(
                    base + i64::from(u16::from_le_bytes([number[0], number[1]])),
                    1,
                );
            }
        } else {
            let words = rest.take(NUMBERS as usize / 8)?.as_chunks().0;
            for (at, word) in words.iter().enumerate() {
                out.set_word(base + at as i64 * 64, u64::from_le_bytes(*word));
            }
        }
    }
    let used = (last - first) % 64 + 1;
    if let Some(end) = out.words.last_mut() {
        *end &= u64::MAX >> (64 - used);
    }
    Some(out.words)
}

struct Words {
    words: Vec<u64>,
    first: i64,
}

impl Words {
    /// Sets the numbers from `start` on whose bit is set in `bits`, as far as they are in the range.
    fn set_word(&mut self, start: i64, bits: u64) {
        let at = start - self.first;
        if at < 0 {
            if at > -64
                && let Some(word) = self.words.first_mut()
            {
                *word |= bits >> -at;
            }
            return;
        }
        let (word, shift) = ((at / 64) as usize, at % 64);
        if let Some(word) = self.words.get_mut(word) {
            *word |= bits << shift;
        }
        if shift > 0
            && let Some(word) = self.words.get_mut(word + 1)
        {
            *word |= bits >> (64 - shift);
        }
    }

    fn set_run(&mut self, start: i64, length: i64) {
        let end = (start + length).min(self.first + self.words.len() as i64 * 64);
        let mut at = start.max(self.first);
        while at < end {
            let count = (end - at).min(64);
            self.set_word(at, u64::MAX >> (64 - count));
            at += count;
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(*self.take(2)?.first_chunk()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(*self.take(4)?.first_chunk()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Piece {
        Some(Vec<u32>),
        Run(u32, u32),
        EveryOther(u32, u32),
    }

    fn pieces() -> impl Strategy<Value = Vec<Piece>> {
        let number = || prop_oneof![0_u32..400_000, 65_000_u32..66_500];
        proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(number(), 1..50).prop_map(Piece::Some),
                (number(), 1_u32..90_000).prop_map(|(start, n)| Piece::Run(start, n)),
                (number(), 1_u32..90_000).prop_map(|(start, n)| Piece::EveryOther(start, n)),
            ],
            0..6,
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn equals_asking_one_by_one(
            pieces in pieces(), first in 0_u32..300_000, length in 0_u32..200_000, runs in any::<bool>(),
        ) {
            let mut bitmap = RoaringBitmap::new();
            for piece in pieces {
                match piece {
                    Piece::Some(numbers) => bitmap.extend(numbers),
                    Piece::Run(start, n) => drop(bitmap.insert_range(start..start + n)),
                    Piece::EveryOther(start, n) => bitmap.extend((start..start + n).step_by(2)),
                }
            }
            if runs {
                bitmap.optimize();
            }
            let last = first + length;
            let words = words_of_range(&bitmap, first, last).expect("its own format");
            let mut expected = vec![0_u64; length as usize / 64 + 1];
            for number in bitmap.range(first..=last) {
                expected[(number - first) as usize / 64] |= 1 << ((number - first) % 64);
            }
            prop_assert!(words == expected);
        }
    }
}
