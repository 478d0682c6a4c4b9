//! The chunk numbers of a segment, and which of its rows a bitmap of chunk numbers allows.
//!
//! Rows are found through one bit for each number between the first and the last, with a count of the bits before
//! each word: 64 numbers at once where many are allowed, O(1) for each where few are. Where numbers are so far apart
//! that this would take more than the numbers themselves, by search. n rows, m allowed: O(min(n / 64, m)) where
//! numbers have few gaps; 1.5 bits a number.

use roaring::RoaringBitmap;

use super::bits;
use super::coarse::BLOCK_ROWS;
use crate::rows;

/// Numbers for each row beyond which there is no bit for each number.
const MAX_SPREAD: u64 = 64;

/// Strictly rising chunk numbers.
#[derive(Debug)]
pub(super) struct Numbers {
    sorted: Vec<u32>,
    /// One word for each 64 numbers from the first on; empty where they are spread too far.
    present: Vec<Present>,
}

#[derive(Debug, Clone, Copy)]
struct Present {
    bits: u64,
    /// Rows before these.
    before: u32,
}

/// Rows of a segment: a bit for each row, 64 in a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowSet {
    pub n_rows: usize,
    /// `None`: all of them.
    pub words: Option<Vec<u64>>,
    pub count: usize,
}

impl Numbers {
    /// `None` where they do not rise.
    pub(super) fn new(sorted: Vec<u32>) -> Option<Self> {
        if !sorted.is_sorted_by(|a, b| a < b) {
            return None;
        }
        let mut present = Vec::new();
        if let (Some(&first), Some(&last)) = (sorted.first(), sorted.last())
            && u64::from(last - first) <= sorted.len() as u64 * MAX_SPREAD
        {
            let empty = Present { bits: 0, before: 0 };
            present.resize((last - first) as usize / 64 + 1, empty);
            for number in &sorted {
                let at = (number - first) as usize;
                present[at / 64].bits |= 1 << (at % 64);
            }
            let mut before = 0;
            for word in &mut present {
                word.before = before;
                before += word.bits.count_ones();
            }
        }
        Some(Self { sorted, present })
    }

    pub(super) fn as_slice(&self) -> &[u32] {
        &self.sorted
    }

    /// The row of a chunk.
    pub(super) fn row_of(&self, chunk_no: u32) -> Option<usize> {
        if self.present.is_empty() {
            return self.sorted.binary_search(&chunk_no).ok();
        }
        let at = chunk_no.checked_sub(*self.sorted.first()?)? as usize;
        let word = self.present.get(at / 64)?;
        let bit = 1_u64 << (at % 64);
        (word.bits & bit != 0)
            .then(|| word.before as usize + (word.bits & (bit - 1)).count_ones() as usize)
    }

    /// The rows of these chunks.
    pub(super) fn select(&self, allowed: &RoaringBitmap) -> RowSet {
        let n_rows = self.sorted.len();
        let (Some(&first), Some(&last)) = (self.sorted.first(), self.sorted.last()) else {
            return RowSet::of(0, Vec::new());
        };
        let mut words = vec![0_u64; n_rows.div_ceil(BLOCK_ROWS)];
        if self.present.is_empty() {
            match rows::select(&self.sorted, allowed) {
                rows::Selection::All => return RowSet::all(n_rows),
                rows::Selection::Some(rows) => {
                    for row in rows {
                        words[row as usize / 64] |= 1 << (row % 64);
                    }
                }
            }
            return RowSet::of(n_rows, words);
        }
        let n_allowed = allowed.range_cardinality(first..=last);
        if n_allowed == u64::from(last - first) + 1 {
            return RowSet::all(n_rows);
        }
        if n_allowed == 0 {
            return RowSet::of(n_rows, words);
        }
        let is_narrow = n_allowed * 64 < u64::from(last - first);
        if !is_narrow && let Some(allowed) = bits::words_of_range(allowed, first, last) {
            for (present, allowed) in self.present.iter().zip(allowed) {
                let before = present.before as usize;
                let bits = squeeze(allowed, present.bits);
                // Bits may straddle two words; what is pushed out of the second one is zero.
                words[before / 64] |= bits << (before % 64);
                if !before.is_multiple_of(64)
                    && let Some(next) = words.get_mut(before / 64 + 1)
                {
                    *next |= bits >> (64 - before % 64);
                }
            }
            return RowSet::of(n_rows, words);
        }
        let mut numbers = allowed.range(first..=last);
        let mut buffer = [0; 512];
        loop {
            let part = numbers.next_many(&mut buffer);
            if part.is_empty() {
                break;
            }
            for number in part {
                let at = (*number - first) as usize;
                let word = self.present[at / 64];
                let bit = 1_u64 << (at % 64);
                let row = word.before + (word.bits & (bit - 1)).count_ones();
                if word.bits & bit != 0 {
                    words[row as usize / 64] |= 1 << (row % 64);
                }
            }
        }
        RowSet::of(n_rows, words)
    }
}

/// The bits of `value` where `mask` has one, side by side.
fn squeeze(value: u64, mask: u64) -> u64 {
    if mask == u64::MAX {
        return value;
    }
    let mut left = value & mask;
    if left == mask {
        return 1_u64
            .checked_shl(mask.count_ones())
            .map_or(u64::MAX, |bit| bit - 1);
    }
    let mut found = 0;
    while left != 0 {
        let bit = left & left.wrapping_neg();
        found |= 1 << (mask & (bit - 1)).count_ones();
        left ^= bit;
    }
    found
}

impl RowSet {
    fn all(n_rows: usize) -> Self {
        Self {
            n_rows,
            words: None,
            count: n_rows,
        }
    }

    fn of(n_rows: usize, words: Vec<u64>) -> Self {
        let count = words.iter().map(|word| word.count_ones() as usize).sum();
        if count == n_rows {
            return Self::all(n_rows);
        }
        Self {
            n_rows,
            words: Some(words),
            count,
        }
    }

    /// Without those whose bit is set.
    pub(super) fn without(self, dead: &[u64]) -> Self {
        if dead.is_empty() {
            return self;
        }
        let mut words = self.words.unwrap_or_else(|| full_words(self.n_rows));
        for (word, dead) in words.iter_mut().zip(dead) {
            *word &= !dead;
        }
        Self::of(self.n_rows, words)
    }

    /// The rows, rising.
    pub(super) fn rows(&self) -> impl Iterator<Item = u32> {
        let n_words = self.n_rows.div_ceil(BLOCK_ROWS);
        (0..n_words).flat_map(move |at| {
            let mut word = self.word(at);
            std::iter::from_fn(move || {
                (word != 0).then(|| {
                    let bit = word.trailing_zeros();
                    word &= word - 1;
                    at as u32 * 64 + bit
                })
            })
        })
    }

    /// The bits of rows `64 at` to `64 at + 63`.
    pub(super) fn word(&self, at: usize) -> u64 {
        self.words.as_ref().map_or_else(
            || {
                let rest = self.n_rows - at * 64;
                if rest >= 64 {
                    u64::MAX
                } else {
                    (1 << rest) - 1
                }
            },
            |words| words[at],
        )
    }

    /// Words that are not zero.
    pub(super) fn n_blocks(&self) -> usize {
        self.words.as_ref().map_or_else(
            || self.n_rows.div_ceil(BLOCK_ROWS),
            |words| words.iter().filter(|word| **word != 0).count(),
        )
    }
}

/// Words with a bit for each row.
fn full_words(n_rows: usize) -> Vec<u64> {
    let all = RowSet::all(n_rows);
    (0..n_rows.div_ceil(BLOCK_ROWS))
        .map(|at| all.word(at))
        .collect()
}

/// A bit for each of these rows; empty where there are none.
pub(super) fn words_of(rows: &RoaringBitmap, n_rows: usize) -> Vec<u64> {
    if rows.is_empty() {
        return Vec::new();
    }
    let mut words = vec![0; n_rows.div_ceil(BLOCK_ROWS)];
    for row in rows {
        words[row as usize / 64] |= 1 << (row % 64);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_a_plain_filter(
            sorted in proptest::collection::btree_set(0_u32..900, 0..200),
            allowed in proptest::collection::btree_set(0_u32..1000, 0..300),
            dead in proptest::collection::btree_set(0_u32..200, 0..20),
            spread in prop_oneof![Just(1_u32), Just(3), Just(1000)],
        ) {
            let sorted: Vec<u32> = sorted.into_iter().map(|no| no * spread + 7).collect();
            let allowed: RoaringBitmap = allowed.into_iter().map(|no| no * spread + 7).collect();
            let dead: RoaringBitmap =
                dead.into_iter().filter(|row| (*row as usize) < sorted.len()).collect();
            let numbers = Numbers::new(sorted.clone()).expect("rising");
            let dead_words = words_of(&dead, sorted.len());
            for allowed in [allowed, RoaringBitmap::full()] {
                let expected: Vec<u32> = (0..sorted.len() as u32)
                    .filter(|&row| allowed.contains(sorted[row as usize]) && !dead.contains(row))
                    .collect();
                let set = numbers.select(&allowed).without(&dead_words);
                prop_assert_eq!(set.count, expected.len());
                prop_assert_eq!(set.rows().collect::<Vec<_>>(), expected);
            }
            for (row, number) in sorted.iter().enumerate() {
                prop_assert_eq!(numbers.row_of(*number), Some(row));
                if !sorted.contains(&(number + 1)) {
                    prop_assert_eq!(numbers.row_of(number + 1), None);
                }
            }
        }
    }

    #[test]
    fn numbers_that_do_not_rise_are_refused() {
        assert!(Numbers::new(vec![1, 1]).is_none());
        assert!(Numbers::new(vec![2, 1]).is_none());
        assert_eq!(
            Numbers::new(Vec::new())
                .expect("empty")
                .select(&RoaringBitmap::full())
                .count,
            0
        );
    }
}
