//! Codes of 1 and of 4 bits a component, and what the dot product of a query with them says about the true one.
//!
//! Gao & Long, "`RaBitQ`: Quantizing High-Dimensional Vectors with a Theoretical Error Bound", SIGMOD 2024, for one bit,
//! and Gao et al., "Practical and Asymptotically Optimal Quantization", SIGMOD 2025, for more. With the centre c of a
//! segment, a row x, r = P(x - c) for a random rotation P ([`super::rotate`]), and p = P(q - c) for a query q,
//!
//! q·x = c·x + (q - c)·c + p·r.
//!
//! r is kept as a vector u of small odd integers (its signs; or 16 levels from -15 to 15), and p·r is estimated as
//! f·(p·u) with the factor f = |r|² / (r·u). With t = (r·u) / (|r||u|), the cosine between row and code:
//!
//! - proven, by Cauchy-Schwarz: |f·(p·u) - p·r| <= |p| E with E = |r| √(1/t² - 1);
//! - probable, as P is random: the error has mean 0 and standard deviation at most |p| E / √(d - 1) and the tails of a
//!   normal distribution (theorem 3.2 of the first paper). So with z deviations kept, a row is lost with probability
//!   at most Φ(-z).
//!
//! At 384 components the deviation is 0.038 |p||r| for one bit and 0.0055 |p||r| for four.
//!
//! Differences: c·x is stored, so that the error falls with |q - c| and not with |q|; the levels of 4 bits are found
//! by trying five widths of a uniform quantiser around the best one for normal components (Max 1960) instead of the
//! exact search, which gains 2 % of E; for one bit t is taken as √(2/π), what it is for normal components up to some
//! percent, so that f alone says how large the error is. Cost: O(d log d) a row.

use half::f16;

use super::rotate::{LANE, Rotation};

/// Widths of a step of 4-bit codes that are tried, in standard deviations of the components.
const WIDTHS: [f32; 5] = [0.29, 0.315, 0.335, 0.36, 0.39];
/// Largest padded dimension whose sums fit the 16 bits of the scan.
pub(super) const MAX_WIDTH: usize = 4096;
/// Rows whose 1-bit codes lie together.
pub(super) const BLOCK_ROWS: usize = 64;
/// Covers what f32 arithmetic adds to a proven bound, rotation included.
pub(super) const ROUNDING: f32 = 5e-4 * 0.125;
/// Deviation of the error of one bit over |p| f, without √(d / (d - 1)): √(1 - 2/π).
pub(super) const ONE_BIT_ERROR: f32 = 0.602_81;

/// Bytes of 1-bit codes of a block of rows.
pub(super) const fn block_bytes(width: usize) -> usize {
    width / 8 * BLOCK_ROWS
}

/// Bytes of the 4-bit codes of a row.
pub(super) const fn nibble_bytes(width: usize) -> usize {
    width.div_ceil(128) * 64
}

/// What turns integer dot products with the codes of a row into a score.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct RowFactors {
    /// Dot product with the centre.
    pub centre: f32,
    /// f of the 1-bit code.
    pub sign: f32,
    pub nibble: NibbleFactors,
}

/// The same for 4 bits alone, with what bounds its error.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct NibbleFactors {
    /// f.
    pub scale: f32,
    /// E.
    pub error: f32,
    /// Norm of f·u.
    pub norm: f32,
}

/// Codes and factors of one row; buffers are used again for the next.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    centred: Vec<f32>,
    rotated: Vec<f32>,
    levels: Vec<u8>,
}

impl Encoder {
    /// Encodes `row`. `signs` gets `width / 8` bytes, least significant bit first; `nibbles` gets
    /// [`nibble_bytes`]: in each 64 bytes the low halves hold 64 components and the high halves the next 64.
    pub(super) fn encode(
        &mut self,
        rotation: &Rotation,
        centre: &[f32],
        row: &[f32],
        signs: &mut [u8],
        nibbles: &mut [u8],
    ) -> RowFactors {
        self.centred.clear();
        self.centred
            .extend(row.iter().zip(centre).map(|(x, c)| x - c));
        rotation.apply(&self.centred, &mut self.rotated);
        let r = &self.rotated;
        for (byte, part) in signs.iter_mut().zip(r.chunks_exact(8)) {
            *byte = part.iter().enumerate().fold(0, |byte, (bit, value)| {
                byte | u8::from(*value >= 0.0) << bit
            });
        }
        let squared = dot(r, r);
        let absolute = sum_of(r, f32::abs);
        let centre = dot(row, centre) as f32;
        if squared <= 0.0 || absolute <= 0.0 {
            nibbles.fill(0);
            return RowFactors {
                centre,
                ..RowFactors::default()
            };
        }
        let deviation = (squared / r.len() as f64).sqrt() as f32;
        let (mut best, mut kept) = (0.0, (1.0, 1.0, 1.0));
        for width in WIDTHS {
            let inverse = (deviation * width).recip();
            let (along, length) = moments(r, inverse);
            let quality = along * along / length;
            if quality > best {
                best = quality;
                kept = (along, length, inverse);
            }
        }
        let (along, length, inverse) = kept;
        self.levels.clear();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "levels are from 0 to 15"
        )]
        self.levels
            .extend(r.iter().map(|value| level(value * inverse) as u8));
        pack(&self.levels, nibbles);
        let cosine_squared = (best / squared).min(1.0);
        RowFactors {
            centre,
            sign: (squared / absolute) as f32,
            nibble: NibbleFactors {
                scale: (squared / along) as f32,
                error: up((squared * (1.0 / cosine_squared - 1.0)).sqrt()),
                norm: up(squared / along * length.sqrt()),
            },
        }
    }
}

/// The level from 0 to 15 whose odd integer `2 level - 15` is nearest to twice `value`. Adding and taking away 2^23
/// rounds to an integer with instructions that every CPU has.
fn level(value: f32) -> f32 {
    const WHOLE: f32 = 8_388_608.0;
    (value + 7.5).clamp(0.0, 15.0) + WHOLE - WHOLE
}

/// r·u and u·u for steps of `1 / inverse`.
fn moments(r: &[f32], inverse: f32) -> (f64, f64) {
    let (mut along, mut length) = ([0.0_f32; LANE], [0.0_f32; LANE]);
    for part in r.chunks_exact(LANE) {
        for ((value, along), length) in part.iter().zip(&mut along).zip(&mut length) {
            let odd = level(value * inverse) * 2.0 - 15.0;
            *along += value * odd;
            *length += odd * odd;
        }
    }
    let sum = |lanes: [f32; LANE]| sum_of(&lanes, |value| value);
    (sum(along), sum(length))
}

fn pack(levels: &[u8], nibbles: &mut [u8]) {
    for (bytes, part) in nibbles.chunks_exact_mut(64).zip(levels.chunks(128)) {
        let (low, high) = part.split_at(part.len().min(64));
        for (at, byte) in bytes.iter_mut().enumerate() {
            let high = high.get(at).copied().unwrap_or(0);
            *byte = low.get(at).copied().unwrap_or(0) | high << 4;
        }
    }
}

fn up(value: f64) -> f32 {
    value as f32 * (1.0 + 4.0 * f32::EPSILON)
}

/// Dot product, in eight sums side by side.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0_f64; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += f64::from(*a) * f64::from(*b);
        }
    }
    lanes.iter().sum()
}

fn sum_of(values: &[f32], of: impl Fn(f32) -> f32) -> f64 {
    let mut lanes = [0.0_f64; 8];
    for part in values.chunks(8) {
        for (lane, value) in lanes.iter_mut().zip(part) {
            *lane += f64::from(of(*value));
        }
    }
    lanes.iter().sum()
}

pub(super) fn widen(bytes: &[u8], out: &mut Vec<f32>) {
    out.clear();
    out.extend(
        bytes
            .chunks_exact(2)
            .map(|pair| f16::from_le_bytes([pair[0], pair[1]]).to_f32()),
    );
}

/// Where row `row` of a block lies in each of its columns: even bytes hold rows 0 to 31 and odd ones the others, so
/// that sums of 16 bits come out of the scan in order.
pub(super) const fn place(row: usize) -> usize {
    row % 32 * 2 + row / 32
}
