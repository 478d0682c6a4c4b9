//! The exact nearest vectors, by brute force in f32: what the recall of a search is compared with.
//!
//! Vectors are offered block by block, so that a million of them need not be in memory. Each belongs to some of at most 32 sets;
//! the best of every question are kept for every set. O(questions × vectors × dim) on all cores.

use crate::vectors::dot;

/// Scores closer than this are ties: sums in another order differ by less.
const TIE: f32 = 1e-6;
/// Ranks beyond k that are kept, so that ties at rank k can be told.
const BEYOND: usize = 6;

/// Exact rankings of some questions in some sets.
#[derive(Debug)]
pub struct Exact {
    k: usize,
    n_sets: usize,
    queries: Vec<Query>,
}

#[derive(Debug)]
struct Query {
    vector: Vec<f32>,
    /// Best first, for each set.
    best: Vec<Vec<(f32, u32)>>,
}

/// A vector with its number and the sets that it belongs to.
#[derive(Debug, Clone)]
pub struct Offered {
    /// Its number.
    pub number: u32,
    /// Bit i: it belongs to set i.
    pub sets: u32,
    /// Its components.
    pub vector: Vec<f32>,
}

impl Exact {
    /// For the `k` best in each of `n_sets` sets (at most 32).
    #[must_use]
    pub fn new(queries: Vec<Vec<f32>>, k: usize, n_sets: usize) -> Self {
        let n_sets = n_sets.min(32);
        let queries = queries
            .into_iter()
            .map(|vector| Query {
                vector,
                best: vec![Vec::new(); n_sets],
            })
            .collect();
        Self { k, n_sets, queries }
    }

    /// Takes in more vectors.
    pub fn offer(&mut self, vectors: &[Offered]) {
        let (keep, n_sets) = (self.k + BEYOND, self.n_sets);
        let n_threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let part = self.queries.len().div_ceil(n_threads).max(1);
        std::thread::scope(|scope| {
            for queries in self.queries.chunks_mut(part) {
                scope.spawn(move || {
                    for query in queries {
                        for offered in vectors {
                            query.offer(offered, keep, n_sets);
                        }
                    }
                });
            }
        });
    }

    /// The share of the `k` best of a set that is among what was found. 1 where the set is empty.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "some ten results")]
    pub fn recall(&self, query: usize, set: usize, found: impl IntoIterator<Item = u32>) -> f64 {
        let Some(best) = self
            .queries
            .get(query)
            .and_then(|query| query.best.get(set))
        else {
            return 1.0;
        };
        let n_wanted = self.k.min(best.len());
        let Some((worst, _)) = n_wanted.checked_sub(1).map(|last| best[last]) else {
            return 1.0;
        };
        let is_right = |number: &u32| {
            let known = best.iter().find(|(_, other)| other == number);
            known.is_some_and(|(score, _)| *score >= worst - TIE)
        };
        let n_right = found.into_iter().take(self.k).filter(is_right).count();
        n_right.min(n_wanted) as f64 / n_wanted as f64
    }

    /// The best of a set, best first: number and score.
    pub fn best(&self, query: usize, set: usize) -> impl Iterator<Item = (u32, f32)> {
        let best = self
            .queries
            .get(query)
            .and_then(|query| query.best.get(set));
        let best = best.map_or(&[][..], Vec::as_slice);
        best.iter()
            .take(self.k)
            .map(|(score, number)| (*number, *score))
    }
}

impl Query {
    fn offer(&mut self, offered: &Offered, keep: usize, n_sets: usize) {
        let score = dot(&self.vector, &offered.vector);
        for set in (0..n_sets).filter(|set| offered.sets >> set & 1 == 1) {
            let best = &mut self.best[set];
            if best.len() == keep && best.last().is_some_and(|(worst, _)| *worst >= score) {
                continue;
            }
            let at = best.partition_point(|(other, _)| *other >= score);
            best.insert(at, (score, offered.number));
            best.truncate(keep);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(number: u32, sets: u32, x: f32) -> Offered {
        Offered {
            number,
            sets,
            vector: vec![x, 0.0],
        }
    }

    #[test]
    fn the_best_of_each_set_are_kept_whatever_the_order() {
        let mut exact = Exact::new(vec![vec![1.0, 0.0], vec![-1.0, 0.0]], 2, 2);
        exact.offer(&[offered(1, 0b11, 0.1), offered(2, 0b01, 0.9)]);
        exact.offer(&[offered(3, 0b11, 0.5), offered(4, 0b10, 0.3)]);
        let numbers = |query, set| exact.best(query, set).map(|(n, _)| n).collect::<Vec<_>>();
        assert_eq!(numbers(0, 0), [2, 3]);
        assert_eq!(numbers(0, 1), [3, 4]);
        assert_eq!(numbers(1, 0), [1, 3]);
        assert!((exact.recall(0, 0, [2, 3]) - 1.0).abs() < 1e-9);
        assert!((exact.recall(0, 0, [2, 1]) - 0.5).abs() < 1e-9);
        assert!(exact.recall(0, 0, [1, 4]).abs() < 1e-9);
    }

    #[test]
    fn ties_at_the_end_are_as_good_and_empty_sets_are_found_whole() {
        let mut exact = Exact::new(vec![vec![1.0, 0.0]], 2, 3);
        exact.offer(&[
            offered(1, 1, 0.9),
            offered(2, 1, 0.5),
            offered(3, 1, 0.5),
            offered(4, 2, 0.1),
        ]);
        assert!((exact.recall(0, 0, [1, 3]) - 1.0).abs() < 1e-9);
        // Fewer than k in the set.
        assert!((exact.recall(0, 1, [4]) - 1.0).abs() < 1e-9);
        assert!((exact.recall(0, 2, []) - 1.0).abs() < 1e-9);
    }
}
