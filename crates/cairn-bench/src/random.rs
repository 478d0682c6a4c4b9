//! Seeded pseudo-random numbers: the same seed gives the same data on every machine.
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

    /// The stream of one thing among many: streams of neighbouring numbers have nothing in common.
    #[must_use]
    pub const fn of(seed: u64, kind: u64, number: u64) -> Self {
        let mut mixer = Self(seed ^ kind.rotate_left(32));
        mixer.0 = mixer.next_u64() ^ number;
        let state = mixer.next_u64();
        Self(state)
    }

    /// The next number, uniform over all of `u64`.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 where `n` is 0. The bias of the multiplication is below `n / 2^64`.
    pub const fn below(&mut self, n: usize) -> usize {
        ((self.next_u64() as u128 * n as u128) >> 64) as usize
    }

    /// A number from 0 (included) to 1 (excluded).
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit an f32 exactly")]
    pub const fn unit(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1_u32 << 24) as f32
    }

    /// A number of the normal distribution (Box and Muller 1958; the second of the pair is not used).
    pub fn gauss(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.unit()).cos()
    }

    /// One of the items.
    ///
    /// # Panics
    /// Where there is none.
    pub const fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// One of the items, the first ones more often: rank r (from 0) with a weight of 1 / (r + 2), as Zipf and Mandelbrot found
    /// words to be used.
    ///
    /// # Panics
    /// Where there is none.
    pub fn pick_zipf<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        // The integral of 1 / (r + 2) in place of the sum: a logarithm, inverted by a power.
        #[expect(clippy::cast_precision_loss, reason = "lists are short")]
        let n = items.len() as f32;
        let rank = 2.0 * ((n + 2.0) / 2.0).powf(self.unit()) - 2.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and n"
        )]
        let rank = rank as usize;
        &items[rank.min(items.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_streams() {
        let mut one = Random::of(7, 1, 2);
        let mut same = Random::of(7, 1, 2);
        let first: Vec<u64> = (0..8).map(|_| one.next_u64()).collect();
        assert_eq!(first, (0..8).map(|_| same.next_u64()).collect::<Vec<_>>());
        for mut other in [
            Random::of(8, 1, 2),
            Random::of(7, 2, 2),
            Random::of(7, 1, 3),
            Random::of(7, 2, 1),
        ] {
            assert!(!first.contains(&other.next_u64()));
        }
        // The published first output of SplitMix64 for seed 0.
        assert_eq!(Random::seeded(0).next_u64(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let mut random = Random::seeded(3);
        let numbers: Vec<f32> = (0..20_000).map(|_| random.gauss()).collect();
        let mean = numbers.iter().sum::<f32>() / 20_000.0;
        let variance = numbers.iter().map(|x| x * x).sum::<f32>() / 20_000.0;
        assert!(
            mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05,
            "{mean} {variance}"
        );
    }

    #[test]
    fn first_items_are_picked_more_often() {
        let items: Vec<usize> = (0..100).collect();
        let mut random = Random::seeded(1);
        let mut counts = [0_u32; 100];
        for _ in 0..20_000 {
            counts[*random.pick_zipf(&items)] += 1;
        }
        assert!(
            counts[0] > 3 * counts[9] && counts[9] > 3 * counts[60],
            "{counts:?}"
        );
        assert!(counts.iter().all(|&count| count > 0));
        assert_eq!(random.pick_zipf(&[5]), &5);
    }
}
