//! A random rotation that costs O(d log d): rounds of random signs and Walsh-Hadamard transforms.
//!
//! Ailon & Chazelle, STOC 2006 (signs before a Hadamard transform spread any vector over all components); rounds on
//! overlapping windows, so that the length need not be a power of two, are from the authors' library of `RaBitQ`.
//! Differences: no Kac walk between rounds, since windows of at least half the length overlap. Each round is
//! orthogonal, so norms and dot products are kept up to f32 rounding (about 2^-20 of the norm). Signs come from
//! `SplitMix64` (Steele, Lea & Flood, OOPSLA 2014) by a seed that is stored with the index. Plain adds in a fixed
//! order: the same bits on every CPU.

/// Two on each window. A guess that was checked: the codes' errors are as large as theory says (see the tests).
const ROUNDS: usize = 4;
/// Lengths are padded with zeros to a multiple of this.
pub(super) const LANE: usize = 64;

/// An orthogonal map of vectors of `dim` components, padded to [`Rotation::width`].
#[derive(Debug)]
pub(super) struct Rotation {
    dim: usize,
    width: usize,
    window: usize,
    /// `ROUNDS` times `width`, each ±1.
    signs: Vec<f32>,
}

impl Rotation {
    pub(super) fn new(dim: usize, seed: u64) -> Self {
        let width = width_of(dim);
        let mut state = seed;
        let mut word = 0;
        let signs = (0..ROUNDS * width)
            .map(|at| {
                if at % 64 == 0 {
                    word = split_mix(&mut state);
                }
                if word >> (at % 64) & 1 == 0 {
                    1.0
                } else {
                    -1.0
                }
            })
            .collect();
        Self {
            dim,
            width,
            window: 1 << width.ilog2(),
            signs,
        }
    }

    /// Components of a rotated vector.
    pub(super) const fn width(&self) -> usize {
        self.width
    }

    /// Rotates `vector` (`dim` components) into `out`.
    pub(super) fn apply(&self, vector: &[f32], out: &mut Vec<f32>) {
        debug_assert_eq!(vector.len(), self.dim);
        out.clear();
        out.extend_from_slice(vector);
        out.resize(self.width, 0.0);
        let scale = (self.window as f32).sqrt().recip();
        for (round, signs) in self.signs.chunks_exact(self.width).enumerate() {
            for (value, sign) in out.iter_mut().zip(signs) {
                *value *= sign;
            }
            let start = if round % 2 == 0 {
                0
            } else {
                self.width - self.window
            };
            let window = &mut out[start..start + self.window];
            hadamard(window);
            for value in window {
                *value *= scale;
            }
        }
    }
}

/// `dim` padded to whole lanes.
pub(super) const fn width_of(dim: usize) -> usize {
    dim.div_ceil(LANE) * LANE
}

/// Unscaled Walsh-Hadamard transform; the length is a power of two.
fn hadamard(values: &mut [f32]) {
    let mut half = 1;
    while half < values.len() {
        for pair in values.chunks_exact_mut(half * 2) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
}

const fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_dot_products_and_spreads_single_components() {
        for dim in [1, 24, 64, 100, 128, 384, 768, 1000] {
            let rotation = Rotation::new(dim, 5);
            let rotate = |vector: &[f32]| {
                let mut out = Vec::new();
                rotation.apply(vector, &mut out);
                out
            };
            let (mut state, mut a, mut b) = (3, Vec::new(), Vec::new());
            for _ in 0..dim {
                a.push((split_mix(&mut state) >> 40) as f32 / 8_388_608.0 - 1.0);
                b.push((split_mix(&mut state) >> 40) as f32 / 8_388_608.0 - 1.0);
            }
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter()
                    .zip(b)
                    .map(|(a, b)| f64::from(*a) * f64::from(*b))
                    .sum()
            };
            let (norm, expected) = (dot(&a, &a).sqrt() * dot(&b, &b).sqrt(), dot(&a, &b));
            assert!(
                (dot(&rotate(&a), &rotate(&b)) - expected).abs() < 1e-5 * norm,
                "{dim}"
            );
            for at in [0, dim / 2, dim - 1] {
                let mut unit = vec![0.0; dim];
                unit[at] = 1.0;
                let largest = rotate(&unit)
                    .iter()
                    .fold(0.0_f32, |most, v| most.max(v.abs()));
                let typical = (rotation.width() as f32).sqrt().recip();
                assert!(
                    largest < 6.0 * typical,
                    "component {at} of {dim}: {largest}"
                );
            }
        }
    }
}
