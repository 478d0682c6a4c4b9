//! i8 codes of vectors with a proven bound on the error of the dot product of codes.
//!
//! A row x is kept as s·c with c in -127..=127 and s = max|x| / 127, a query q as t·e in the same way.
//! With rx = x - s·c and rq = q - t·e, q·x = s·t·(c·e) + rq·(s·c) + q·rx, so by Cauchy-Schwarz
//! |q·x - s·t·(c·e)| <= |rq|·|s·c| + |q|·|rx|. The norms |rx| and |s·c| are stored with each row.
//! Codes are stored with 128 added, as the byte kernels want one unsigned side.

use half::f16;

use super::segment::RowSource;

/// Rows of codes are padded to whole cache lines with the code of zero.
pub(super) const CODE_ALIGN: usize = 64;
/// The stored byte of the code zero.
pub(super) const CODE_ZERO: u8 = 128;
/// Covers what f32 arithmetic adds to the bound: up to 2^13 additions of relative error 2^-24.
const ROUNDING: f32 = 5e-4 * 0.125;

/// Bytes of one row of codes.
pub(super) const fn code_stride(dim: usize) -> usize {
    dim.div_ceil(CODE_ALIGN) * CODE_ALIGN
}

/// What turns an integer dot product of codes into a score with an error bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RowScale {
    /// Value of one step of the codes.
    pub scale: f32,
    /// Norm of what the codes miss.
    pub residual: f32,
    /// Norm of what the codes hold.
    pub norm: f32,
}

impl RowScale {
    /// Bytes of one of them in a segment.
    pub(super) const BYTES: usize = 12;

    pub(super) fn to_le_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.scale.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.residual.to_le_bytes());
        bytes[8..].copy_from_slice(&self.norm.to_le_bytes());
        bytes
    }

    pub(super) fn from_le_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let value = |at: usize| {
            f32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Self {
            scale: value(0),
            residual: value(4),
            norm: value(8),
        }
    }
}

/// A row that is ready to be written.
#[derive(Debug, Clone)]
pub(super) struct QuantisedRow {
    scale: RowScale,
    codes: Box<[u8]>,
    f16: Box<[u8]>,
}

impl QuantisedRow {
    /// The row whose little-endian f16 bytes are given; `None` where a value is not finite.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let values: Vec<f32> = bytes
            .chunks_exact(2)
            .map(|pair| f16::from_le_bytes([pair[0], pair[1]]).to_f32())
            .collect();
        if !values.iter().all(|value| value.is_finite()) {
            return None;
        }
        let (codes, scale) = quantise(&values);
        let mut stored = vec![CODE_ZERO; code_stride(values.len())];
        for (byte, code) in stored.iter_mut().zip(&codes) {
            *byte = code.cast_unsigned().wrapping_add(CODE_ZERO);
        }
        Some(Self {
            scale,
            codes: stored.into(),
            f16: bytes.into(),
        })
    }

    pub(super) fn source(&self, chunk_no: u32) -> RowSource<'_> {
        RowSource {
            chunk_no,
            scale: self.scale,
            codes: &self.codes,
            f16: &self.f16,
        }
    }
}

/// A query in the form that the kernels want.
#[derive(Debug)]
pub(super) struct PreparedQuery {
    /// Padded with zeros to a multiple of 16.
    pub exact: Vec<f32>,
    /// Padded with zeros to the stride of the codes.
    pub codes: Vec<i8>,
    /// The same as `codes`, for kernels without byte products.
    pub codes_wide: Vec<i16>,
    /// What the 128 added to each stored code adds to an integer dot product.
    pub bias: i32,
    scale: RowScale,
    norm: f32,
}

impl PreparedQuery {
    /// `None` where a component is not finite.
    pub(super) fn new(query: &[f32]) -> Option<Self> {
        if !query.iter().all(|value| value.is_finite()) {
            return None;
        }
        let (mut codes, scale) = quantise(query);
        codes.resize(code_stride(query.len()), 0);
        let mut exact = query.to_vec();
        exact.resize(query.len().div_ceil(16) * 16, 0.0);
        Some(Self {
            exact,
            bias: i32::from(CODE_ZERO) * codes.iter().map(|&code| i32::from(code)).sum::<i32>(),
            codes_wide: codes.iter().map(|&code| i16::from(code)).collect(),
            codes,
            scale,
            norm: norm(query),
        })
    }

    /// Bounds `(lower, upper)` of the score of a row whose codes have this integer dot product.
    pub(super) fn bounds(&self, row: RowScale, dot: i32) -> (f32, f32) {
        // Integers up to 2^24 are exact in f32; larger ones (dim > 1000) err within `ROUNDING`.
        #[expect(clippy::cast_precision_loss, reason = "covered by the bound")]
        let score = self.scale.scale * row.scale * dot as f32;
        let error = self.scale.residual * row.norm
            + self.norm * row.residual
            + ROUNDING * self.norm * (row.norm + row.residual)
            + f32::MIN_POSITIVE;
        (score - error, score + error)
    }
}

fn quantise(values: &[f32]) -> (Vec<i8>, RowScale) {
    let largest = values
        .iter()
        .fold(0.0_f32, |most, value| most.max(value.abs()));
    let scale = largest / 127.0;
    let inverse = if scale > 0.0 && (1.0 / scale).is_finite() {
        1.0 / scale
    } else {
        0.0
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "clamped to the range of i8"
    )]
    let codes: Vec<i8> = values
        .iter()
        .map(|value| (value * inverse).round_ties_even().clamp(-127.0, 127.0) as i8)
        .collect();
    let held: Vec<f32> = codes.iter().map(|&code| f32::from(code) * scale).collect();
    let missed: Vec<f32> = values
        .iter()
        .zip(&held)
        .map(|(value, held)| value - held)
        .collect();
    (
        codes,
        RowScale {
            scale,
            residual: norm(&missed),
            norm: norm(&held),
        },
    )
}

/// Computed in f64 and rounded up, so that it bounds from above.
fn norm(values: &[f32]) -> f32 {
    let exact = values
        .iter()
        .map(|&value| f64::from(value).powi(2))
        .sum::<f64>()
        .sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "rounded up after it")]
    let rounded = exact as f32;
    rounded * (1.0 + 4.0 * f32::EPSILON)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bounds_hold(
            row in proptest::collection::vec(-4.0_f32..4.0, 1..200),
            seed in any::<u64>(),
        ) {
            let mut state = seed | 1;
            let query: Vec<f32> = row.iter().map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 40) as f32 / 8_388_608.0 - 1.0
            }).collect();
            let bytes: Vec<u8> =
                row.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
            let stored = QuantisedRow::new(&bytes).expect("finite");
            let prepared = PreparedQuery::new(&query).expect("finite");
            let dot = stored.codes.iter().zip(&prepared.codes)
                .map(|(c, e)| (i32::from(*c) - 128) * i32::from(*e)).sum();
            let (low, high) = prepared.bounds(stored.scale, dot);
            let exact: f64 = row.iter().zip(&query)
                .map(|(x, q)| f16::from_f32(*x).to_f64() * f64::from(*q)).sum();
            prop_assert!(f64::from(low) <= exact && exact <= f64::from(high));
        }
    }

    #[test]
    fn zero_rows_and_refused_rows() {
        let zero = QuantisedRow::new(&[0; 8]).expect("finite");
        assert_eq!(zero.scale.norm, 0.0);
        let nan: Vec<u8> = f16::NAN.to_le_bytes().into();
        assert!(QuantisedRow::new(&nan).is_none());
        assert!(PreparedQuery::new(&[f32::INFINITY]).is_none());
    }
}
