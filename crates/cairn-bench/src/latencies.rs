//! Durations of many runs of the same work, and what is said of them.

use std::time::Duration;

/// Durations, in order of their length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Milliseconds that so many of a hundred do not exceed (nearest rank); 0 where there is none.
    #[must_use]
    pub fn percentile_ms(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent.min(100)).div_ceil(100).max(1);
        let found = self.0.get(rank - 1);
        found.map_or(0.0, |duration| duration.as_secs_f64() * 1e3)
    }
}

impl FromIterator<Duration> for Latencies {
    fn from_iter<I: IntoIterator<Item = Duration>>(durations: I) -> Self {
        let mut all: Vec<Duration> = durations.into_iter().collect();
        all.sort_unstable();
        Self(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let latencies: Latencies = (1..=200).rev().map(Duration::from_millis).collect();
        for (percent, expected) in [
            (0, 1.0),
            (50, 100.0),
            (95, 190.0),
            (99, 198.0),
            (100, 200.0),
        ] {
            let found = latencies.percentile_ms(percent);
            assert!((found - expected).abs() < 1e-9, "{percent}: {found}");
        }
        let one: Latencies = [Duration::from_millis(3)].into_iter().collect();
        assert!((one.percentile_ms(99) - 3.0).abs() < 1e-9);
        assert!(Latencies::default().is_empty() && Latencies::default().percentile_ms(50) == 0.0);
    }
}
