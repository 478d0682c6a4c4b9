//! Seeded pseudo-random numbers for tests: the same seed gives the same run on every machine.
//!
//! SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). Not for secrets.

/// A stream of pseudo-random numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of this seed.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, uniform over all of `u64`.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`. The bias of the multiplication is below `n / 2^64`: nothing for a test.
    ///
    /// # Panics
    /// Where `n` is 0.
    pub const fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "nothing is below 0");
        ((self.next_u64() as u128 * n as u128) >> 64) as usize
    }

    /// A number from -1 (included) to 1 (excluded).
    pub fn signed_unit(&mut self) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "24 bits fit an f32 exactly")]
        let unit = (self.next_u64() >> 40) as f32 / (1_u32 << 24) as f32;
        unit.mul_add(2.0, -1.0)
    }

    /// True once in `n` times on average.
    ///
    /// # Panics
    /// Where `n` is 0.
    pub const fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of the items.
    ///
    /// # Panics
    /// Where there is none.
    pub const fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Puts the items in random order (Fisher and Yates).
    pub const fn shuffle<T>(&mut self, items: &mut [T]) {
        let mut end = items.len();
        while end > 1 {
            let other = self.below(end);
            end -= 1;
            items.swap(end, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_streams() {
        let (mut one, mut same, mut other) =
            (Random::seeded(7), Random::seeded(7), Random::seeded(8));
        let first: Vec<u64> = (0..8).map(|_| one.next_u64()).collect();
        assert_eq!(first, (0..8).map(|_| same.next_u64()).collect::<Vec<_>>());
        assert_ne!(first, (0..8).map(|_| other.next_u64()).collect::<Vec<_>>());
        // The published first output of SplitMix64 for seed 0.
        assert_eq!(Random::seeded(0).next_u64(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn numbers_stay_in_their_range() {
        let mut random = Random::seeded(1);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[random.below(5)] = true;
            let unit = random.signed_unit();
            assert!((-1.0..1.0).contains(&unit), "{unit}");
        }
        assert_eq!(seen, [true; 5]);
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let mut items: Vec<u32> = (0..50).collect();
        Random::seeded(3).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
