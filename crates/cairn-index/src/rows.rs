//! Which rows of a sorted list of chunk numbers lie in a bitmap.
//!
//! Three ways by what is cheaper: nothing to do where the bitmap covers the whole range, a binary search
//! for each allowed number where few are allowed, else both lists side by side. n rows, m allowed:
//! O(1), O(m log n), O(n + m).

use roaring::RoaringBitmap;

/// Positions in a sorted list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Every row.
    All,
    /// These, rising.
    Some(Vec<u32>),
}

/// The positions in `sorted` (strictly rising) of numbers in `allowed`.
pub(crate) fn select(sorted: &[u32], allowed: &RoaringBitmap) -> Selection {
    let (Some(&first), Some(&last)) = (sorted.first(), sorted.last()) else {
        return Selection::Some(Vec::new());
    };
    let n_allowed = allowed.range_cardinality(first..=last);
    if n_allowed == u64::from(last - first) + 1 {
        return Selection::All;
    }
    let candidates = allowed.range(first..=last);
    let mut rows = Vec::new();
    let mut start = 0;
    if n_allowed.saturating_mul(16) < sorted.len() as u64 {
        for number in candidates {
            match sorted[start..].binary_search(&number) {
                Ok(offset) => {
                    start += offset;
                    rows.push(start as u32);
                }
                Err(offset) => start += offset,
            }
        }
    } else {
        for number in candidates {
            while start < sorted.len() && sorted[start] < number {
                start += 1;
            }
            if start < sorted.len() && sorted[start] == number {
                rows.push(start as u32);
            }
        }
    }
    if rows.len() == sorted.len() {
        Selection::All
    } else {
        Selection::Some(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_a_plain_filter(
            sorted in proptest::collection::btree_set(0_u32..500, 0..120),
            allowed in proptest::collection::btree_set(0_u32..500, 0..200),
        ) {
            let sorted: Vec<u32> = sorted.into_iter().collect();
            let allowed: RoaringBitmap = allowed.into_iter().collect();
            let expected: Vec<u32> = (0..sorted.len() as u32)
                .filter(|&row| allowed.contains(sorted[row as usize])).collect();
            match select(&sorted, &allowed) {
                Selection::All => prop_assert_eq!(expected.len(), sorted.len()),
                Selection::Some(rows) => prop_assert_eq!(rows, expected),
            }
        }
    }
}
