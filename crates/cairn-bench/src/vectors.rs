//! Any number of vectors that lie like real ones, made from some thousand real ones.
//!
//! A new vector is a point between a real vector of the wanted subject and one of its nearest neighbours, plus noise: a random
//! combination of centred real vectors, which has the covariance of the real set. So clusters, their sizes and the directions in which
//! they spread are those of the real vectors. Noise has a norm of 0.35 (a guess that keeps neighbours apart and subjects together).
//! Questions for measurements of recall should be real ones, not made here.
//!
//! Preparing costs O(m² dim) for m real vectors, a vector O(dim) times a small constant.

use crate::random::Random;

/// Neighbours between which points are laid.
const NEIGHBOURS: usize = 16;
/// Real vectors that one noise is mixed of.
const NOISE_PARTS: usize = 8;
/// Length of the noise before the result is normalised.
const NOISE_NORM: f32 = 0.35;

/// Makes vectors like those it was given.
#[derive(Debug)]
pub struct Mixture {
    vectors: Vec<Vec<f32>>,
    mean: Vec<f32>,
    /// Indexes of nearest other vectors, for each vector.
    neighbours: Vec<Vec<u32>>,
    /// Indexes by subject.
    by_topic: Vec<Vec<u32>>,
}

impl Mixture {
    /// A mixture of these vectors (at least 2, of unit length and one dimension), each with its subject below `n_topics`; `None`
    /// where they are too few.
    #[must_use]
    pub fn new(vectors: Vec<(usize, Vec<f32>)>, n_topics: usize) -> Option<Self> {
        if vectors.len() < 2 {
            return None;
        }
        let mut by_topic = vec![Vec::new(); n_topics];
        for (i, (topic, _)) in (0_u32..).zip(&vectors) {
            if let Some(list) = by_topic.get_mut(*topic) {
                list.push(i);
            }
        }
        let vectors: Vec<Vec<f32>> = vectors.into_iter().map(|(_, vector)| vector).collect();
        let mut mean = vec![0.0; vectors[0].len()];
        for vector in &vectors {
            add(&mut mean, vector, 1.0);
        }
        #[expect(clippy::cast_precision_loss, reason = "some thousand")]
        let scale = 1.0 / vectors.len() as f32;
        mean.iter_mut().for_each(|x| *x *= scale);
        let neighbours = (0..vectors.len()).map(|i| nearest(&vectors, i)).collect();
        Some(Self {
            vectors,
            mean,
            neighbours,
            by_topic,
        })
    }

    /// A vector of unit length near those of a subject (near any where there is none of it).
    #[must_use]
    pub fn vector(&self, topic: usize, random: &mut Random) -> Vec<f32> {
        let one = match self.by_topic.get(topic) {
            Some(list) if !list.is_empty() => *random.pick(list) as usize,
            _ => random.below(self.vectors.len()),
        };
        let other = *random.pick(&self.neighbours[one]) as usize;
        let share = random.unit();
        let mut noise = vec![0.0; self.mean.len()];
        let mut sum = 0.0;
        for _ in 0..NOISE_PARTS {
            let weight = random.gauss();
            add(&mut noise, random.pick::<Vec<f32>>(&self.vectors), weight);
            sum += weight;
        }
        add(&mut noise, &self.mean, -sum);
        let noise_scale = NOISE_NORM / norm(&noise).max(f32::MIN_POSITIVE);
        let mut vector = noise;
        vector.iter_mut().for_each(|x| *x *= noise_scale);
        add(&mut vector, &self.vectors[one], 1.0 - share);
        add(&mut vector, &self.vectors[other], share);
        let scale = 1.0 / norm(&vector).max(f32::MIN_POSITIVE);
        vector.iter_mut().for_each(|x| *x *= scale);
        vector
    }
}

fn nearest(vectors: &[Vec<f32>], to: usize) -> Vec<u32> {
    let mut scored: Vec<(f32, u32)> = (0_u32..)
        .zip(vectors)
        .filter(|(i, _)| *i as usize != to)
        .map(|(i, vector)| (dot(&vectors[to], vector), i))
        .collect();
    let n = NEIGHBOURS.min(scored.len());
    if n < scored.len() {
        scored.select_nth_unstable_by(n, |a, b| b.0.total_cmp(&a.0));
    }
    scored[..n].iter().map(|(_, i)| *i).collect()
}

fn add(to: &mut [f32], vector: &[f32], weight: f32) {
    for (x, y) in to.iter_mut().zip(vector) {
        *x += weight * y;
    }
}

fn norm(vector: &[f32]) -> f32 {
    dot(vector, vector).sqrt()
}

/// The dot product in f32, in sixteen sums that the compiler keeps in registers.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    let (a, a_rest) = a.as_chunks::<16>();
    let (b, b_rest) = b.as_chunks::<16>();
    for (a, b) in a.iter().zip(b) {
        for (sum, (x, y)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += x * y;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn real(random: &mut Random, topic: usize) -> Vec<f32> {
        let mut vector: Vec<f32> = (0..40).map(|_| 0.3 * random.gauss()).collect();
        vector[topic] += 4.0;
        let scale = 1.0 / norm(&vector);
        vector.iter().map(|x| x * scale).collect()
    }

    #[test]
    fn made_vectors_have_unit_length_and_stay_with_their_subject() {
        let mut random = Random::seeded(1);
        let given = (0..200)
            .map(|i| (i % 5, real(&mut random, i % 5)))
            .collect();
        let mixture = Mixture::new(given, 6).unwrap();
        for topic in 0..5 {
            for _ in 0..50 {
                let vector = mixture.vector(topic, &mut random);
                assert!((norm(&vector) - 1.0).abs() < 1e-5);
                let other = (0..5).filter(|&t| t != topic).map(|t| vector[t]);
                assert!(other.fold(f32::MIN, f32::max) < vector[topic], "{vector:?}");
            }
        }
        // A subject without vectors borrows some.
        assert!((norm(&mixture.vector(5, &mut random)) - 1.0).abs() < 1e-5);
        assert_eq!(
            mixture.vector(3, &mut Random::seeded(9)),
            mixture.vector(3, &mut Random::seeded(9))
        );
    }

    #[test]
    fn two_vectors_are_the_least() {
        assert!(Mixture::new(Vec::new(), 1).is_none());
        assert!(Mixture::new(vec![(0, vec![1.0, 0.0])], 1).is_none());
        let two = vec![(0, vec![1.0, 0.0]), (0, vec![0.0, 1.0])];
        let vector = Mixture::new(two, 1)
            .unwrap()
            .vector(0, &mut Random::seeded(1));
        assert!(vector.iter().all(|x| x.is_finite()));
    }

    #[test]
    fn dot_products_take_every_component() {
        for n in [1, 15, 16, 17, 384, 400] {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let a: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let expected: f32 = a.iter().map(|x| x * 2.0).sum();
            assert!((dot(&a, &vec![2.0; n]) - expected).abs() < 1e-3 * expected.max(1.0));
        }
    }
}
