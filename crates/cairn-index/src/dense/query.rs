//! A query in the forms that the passes want: f32 for exact scores, bytes for 4-bit codes, tables for 1-bit codes.
//!
//! Tables as in "fast scan" (André, Kermarrec & Le Scouarnec, VLDB 2015): for each 4 components the 16 sums that 4
//! sign bits can give, rounded to 6 bits, so that one byte shuffle looks up many rows and four sums fit a byte. The
//! rounding adds about 5 % to the deviation of the codes' own error in square mean: 0.2 % in all.

use super::coarse::{NibbleFactors, ONE_BIT_ERROR, ROUNDING, dot, nibble_bytes};
use super::rotate::Rotation;

/// Largest entry of a table: four of them fit a byte.
const LARGEST: f32 = 63.0;

/// A query against all segments.
#[derive(Debug)]
pub(super) struct PreparedQuery {
    /// Padded with zeros to a multiple of 16.
    pub exact: Vec<f32>,
    dim: usize,
    norm: f32,
    /// Rotated; empty where no segment has codes.
    rotated: Vec<f32>,
}

/// A query against one segment with codes.
#[derive(Debug)]
pub(super) struct SegmentQuery {
    /// 16 bytes for each 4 components.
    pub tables: Vec<u8>,
    /// Value of one step of the tables.
    pub step: f32,
    /// Value of a sum of zero.
    pub base: f32,
    /// Deviation of the 1-bit estimate over the row's factor.
    pub sign_deviation: f32,
    /// Components as bytes in the order of 4-bit codes, padded with zeros.
    pub bytes: Vec<i8>,
    /// 15 times the sum of `bytes`: what makes odd integers of levels.
    bias: i32,
    byte_scale: f32,
    /// Norm of what the bytes miss.
    byte_residual: f32,
    /// |p|.
    norm: f32,
    /// (q - c)·c.
    constant: f32,
    rounding: f32,
    root: f32,
}

impl PreparedQuery {
    /// `None` where a component is not finite.
    pub(super) fn new(query: &[f32], rotation: Option<&Rotation>) -> Option<Self> {
        let squared = dot(query, query);
        // Finite components whose squares are beyond f32 would make every score infinite.
        if squared.is_nan() || squared >= f64::from(f32::MAX) {
            return None;
        }
        let mut exact = query.to_vec();
        exact.resize(query.len().div_ceil(16) * 16, 0.0);
        let mut rotated = Vec::new();
        if let Some(rotation) = rotation {
            rotation.apply(query, &mut rotated);
        }
        Some(Self {
            exact,
            dim: query.len(),
            norm: squared.sqrt() as f32,
            rotated,
        })
    }

    /// Prepares for a segment of this centre.
    pub(super) fn for_segment(&self, centre: &[f32], rotated_centre: &[f32]) -> SegmentQuery {
        let p: Vec<f32> = self
            .rotated
            .iter()
            .zip(rotated_centre)
            .map(|(q, c)| q - c)
            .collect();
        let norm = dot(&p, &p).sqrt() as f32;
        let mut query = SegmentQuery {
            tables: Vec::new(),
            step: 0.0,
            base: 0.0,
            sign_deviation: 0.0,
            bytes: Vec::new(),
            bias: 0,
            byte_scale: 0.0,
            byte_residual: 0.0,
            norm,
            constant: (dot(&self.exact[..self.dim], centre) - dot(centre, centre)) as f32,
            rounding: 0.0,
            root: ((p.len() - 1) as f32).sqrt(),
        };
        let centre_norm = dot(centre, centre).sqrt() as f32;
        query.rounding = ROUNDING * (self.norm + centre_norm);
        query.rounding += f32::MIN_POSITIVE;
        query.sign_deviation = ONE_BIT_ERROR * norm * (p.len() as f32).sqrt() / query.root;
        query.fill_tables(&p);
        query.fill_bytes(&p);
        query
    }
}

impl SegmentQuery {
    fn fill_tables(&mut self, p: &[f32]) {
        let mut spans: Vec<f32> = Vec::with_capacity(p.len() / 4);
        for part in p.chunks_exact(4) {
            let span: f32 = part.iter().map(|value| value.abs()).sum();
            spans.push(span);
        }
        let largest = spans.iter().fold(0.0_f32, |most, span| most.max(*span));
        self.step = largest * 2.0 / LARGEST;
        let inverse = if self.step > f32::MIN_POSITIVE {
            self.step.recip()
        } else {
            0.0
        };
        self.base = -spans.iter().sum::<f32>();
        self.tables = vec![0; p.len() * 4];
        for ((table, part), span) in self
            .tables
            .chunks_exact_mut(16)
            .zip(p.chunks_exact(4))
            .zip(&spans)
        {
            let mut sums = [0.0_f32; 16];
            for (bit, value) in part.iter().enumerate() {
                for (bits, sum) in sums.iter_mut().enumerate() {
                    *sum += if bits >> bit & 1 == 1 { *value } else { -value };
                }
            }
            for (entry, sum) in table.iter_mut().zip(sums) {
                *entry = to_byte((sum + span) * inverse);
            }
        }
    }

    fn fill_bytes(&mut self, p: &[f32]) {
        let largest = p.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        self.byte_scale = largest / 127.0;
        let inverse = if self.byte_scale > f32::MIN_POSITIVE {
            self.byte_scale.recip()
        } else {
            0.0
        };
        self.bytes = vec![0; nibble_bytes(p.len()) * 2];
        let mut missed = 0.0_f64;
        for (byte, value) in self.bytes.iter_mut().zip(p) {
            *byte = to_signed(value * inverse);
            missed += f64::from(f32::from(*byte).mul_add(-self.byte_scale, *value)).powi(2);
        }
        self.byte_residual = missed.sqrt() as f32 * (1.0 + 4.0 * f32::EPSILON);
        self.bias = 15 * self.bytes.iter().map(|&byte| i32::from(byte)).sum::<i32>();
    }

    /// The score that an integer dot product of levels with `bytes` stands for.
    pub(super) fn estimate(&self, centre: f32, factors: NibbleFactors, dot: i32) -> f32 {
        // Integers up to 2^24 are exact in f32: 4096 components reach 2^23.
        #[expect(clippy::cast_precision_loss, reason = "exact, see above")]
        let odd = (2 * dot - self.bias) as f32;
        centre + self.constant + factors.scale * (self.byte_scale * odd)
    }

    /// How far the true score can be from [`Self::estimate`].
    pub(super) fn proven_error(&self, centre: f32, factors: NibbleFactors) -> f32 {
        self.norm * factors.error
            + self.byte_residual * factors.norm
            + self.rounding * (factors.norm + factors.error)
            + ROUNDING * (centre.abs() + self.constant.abs())
    }

    /// The same up to a probability: `deviations` of the error's distribution.
    pub(super) fn probable_error(
        &self,
        deviations: f32,
        centre: f32,
        factors: NibbleFactors,
    ) -> f32 {
        deviations * (self.norm * factors.error + self.byte_residual * factors.norm) / self.root
            + self.slack(centre)
    }

    /// What the order of a few additions can change about a score near `value`. Rows that are their segment's centre have
    /// no other error, and must pass a floor that was made of their own score.
    pub(super) fn slack(&self, value: f32) -> f32 {
        8.0 * f32::EPSILON * (value.abs() + self.constant.abs())
    }

    /// What the 1-bit estimate leaves out of a score beside the centre's share.
    pub(super) const fn constant(&self) -> f32 {
        self.constant
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range"
)]
fn to_byte(value: f32) -> u8 {
    (value + 0.5).clamp(0.0, LARGEST) as u8
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to the range of i8"
)]
fn to_signed(value: f32) -> i8 {
    value.round_ties_even().clamp(-127.0, 127.0) as i8
}
