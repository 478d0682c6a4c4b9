//! Sets of documents of a segment, one bit each.

use std::ops::Range;

/// A set of document numbers below some length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// The empty set with room for `n_documents`.
    pub(super) fn new(n_documents: usize) -> Self {
        Self {
            words: vec![0; n_documents.div_ceil(64)],
        }
    }

    pub(super) fn insert(&mut self, document: u32) {
        self.words[document as usize / 64] |= 1 << (document % 64);
    }

    pub(super) fn insert_range(&mut self, documents: Range<usize>) {
        if documents.is_empty() {
            return;
        }
        let (first, last) = (documents.start / 64, (documents.end - 1) / 64);
        let head = u64::MAX << (documents.start % 64);
        let tail = u64::MAX >> (63 - (documents.end - 1) % 64);
        if first == last {
            self.words[first] |= head & tail;
        } else {
            self.words[first] |= head;
            self.words[first + 1..last].fill(u64::MAX);
            self.words[last] |= tail;
        }
    }

    pub(super) fn contains(&self, document: u32) -> bool {
        self.words[document as usize / 64] >> (document % 64) & 1 == 1
    }

    /// Keeps what is in the other set too.
    pub(super) fn intersect(&mut self, other: &Self) {
        for (own, other) in self.words.iter_mut().zip(&other.words) {
            *own &= other;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The `at`-th word of 64 bits; empty past the end.
    pub(super) fn word(&self, at: usize) -> u64 {
        self.words.get(at).copied().unwrap_or(0)
    }

    /// The first member from `document` on.
    pub(super) fn next_from(&self, document: u32) -> Option<u32> {
        let first = document as usize / 64;
        let masked = self.words.get(first)? & (u64::MAX << (document % 64));
        if masked != 0 {
            return Some(first as u32 * 64 + masked.trailing_zeros());
        }
        let words = self.words.iter().enumerate().skip(first + 1);
        let (at, word) = words.into_iter().find(|(_, word)| **word != 0)?;
        Some(at as u32 * 64 + word.trailing_zeros())
    }
}

/// Positions of the bits that are set in a word, rising.
pub(super) fn ones(mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let at = word.trailing_zeros();
        word &= word.wrapping_sub(1);
        (at < 64).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn equals_a_plain_set(
            single in proptest::collection::vec(0_u32..300, 0..20),
            ranges in proptest::collection::vec((0_usize..300, 0_usize..150), 0..4),
            kept in proptest::collection::btree_set(0_u32..300, 0..200),
        ) {
            let mut bits = Bits::new(300);
            let mut set: BTreeSet<u32> = single.iter().copied().collect();
            single.iter().for_each(|document| bits.insert(*document));
            for (start, length) in ranges {
                let end = (start + length).min(300);
                bits.insert_range(start..end);
                set.extend(start as u32..end as u32);
            }
            let mut other = Bits::new(300);
            kept.iter().for_each(|document| other.insert(*document));
            bits.intersect(&other);
            set.retain(|document| kept.contains(document));
            prop_assert_eq!(bits.is_empty(), set.is_empty());
            for document in 0..300 {
                prop_assert_eq!(bits.contains(document), set.contains(&document));
                prop_assert_eq!(bits.next_from(document), set.range(document..).next().copied());
            }
            let listed: Vec<u32> = (0..5)
                .flat_map(|at| ones(bits.word(at)).map(move |bit| at as u32 * 64 + bit))
                .collect();
            prop_assert_eq!(listed, set.into_iter().collect::<Vec<_>>());
            prop_assert_eq!((bits.word(5), bits.next_from(320)), (0, None));
        }
    }
}
