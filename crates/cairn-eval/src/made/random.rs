//! Seeded pseudo-random numbers: `SplitMix64` (Steele, Lea, Flood, OOPSLA 2014), the same on every machine.

/// A stream of numbers.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub(super) const fn below(&mut self, n: usize) -> usize {
        ((self.next_u64() as u128 * n as u128) >> 64) as usize
    }

    /// A number from the first and below the second.
    pub(super) const fn between(&mut self, (from, below): (usize, usize)) -> usize {
        from + self.below(below - from)
    }

    /// From 0 and below 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Puts the items in random order (Fisher and Yates).
    pub(super) const fn shuffle<T>(&mut self, items: &mut [T]) {
        let mut end = items.len();
        while end > 1 {
            let other = self.below(end);
            end -= 1;
            items.swap(end, other);
        }
    }
}
