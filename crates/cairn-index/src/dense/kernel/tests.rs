//! All kernels against plain Rust, to the bit, and plain Rust against the mathematics.

use super::super::coarse::{Encoder, RowFactors};
use super::super::rotate::Rotation;
use super::*;

struct Made {
    query: PreparedQuery,
    segment_query: SegmentQuery,
    rows: Vec<Vec<f32>>,
    f16: Vec<Vec<u8>>,
    blocks: Vec<u8>,
    nibbles: Vec<u8>,
    factors: Vec<RowFactors>,
    centre: Vec<f32>,
    sign: Vec<f32>,
}

fn make(dim: usize, n_rows: usize) -> Made {
    let mut state = 7_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    let mut vector = || -> Vec<f32> { (0..dim).map(|_| next()).collect() };
    let rotation = Rotation::new(dim, 3);
    let (query, centre) = (vector(), vector());
    let mut rotated_centre = Vec::new();
    rotation.apply(&centre, &mut rotated_centre);
    let query = PreparedQuery::new(&query, Some(&rotation)).expect("finite");
    let segment_query = query.for_segment(&centre, &rotated_centre);
    let f16: Vec<Vec<u8>> = (0..n_rows)
        .map(|_| {
            vector()
                .iter()
                .flat_map(|v| f16::from_f32(*v).to_le_bytes())
                .collect()
        })
        .collect();
    let block_bytes = block_bytes(rotation.width());
    let mut made = Made {
        query,
        segment_query,
        rows: Vec::new(),
        f16,
        blocks: vec![0; block_bytes * n_rows.div_ceil(BLOCK_ROWS)],
        nibbles: Vec::new(),
        factors: Vec::new(),
        centre: vec![f32::NAN; n_rows.next_multiple_of(BLOCK_ROWS)],
        sign: vec![0.0; n_rows.next_multiple_of(BLOCK_ROWS)],
    };
    let mut encoder = Encoder::default();
    for (at, bytes) in made.f16.iter().enumerate() {
        let mut row = Vec::new();
        super::super::coarse::widen(bytes, &mut row);
        let mut signs = vec![0; rotation.width() / 8];
        let mut nibbles = vec![0; super::super::coarse::nibble_bytes(rotation.width())];
        let factors = encoder.encode(&rotation, &centre, &row, &mut signs, &mut nibbles);
        let block = &mut made.blocks[at / BLOCK_ROWS * block_bytes..][..block_bytes];
        for (column, sign) in block.chunks_exact_mut(BLOCK_ROWS).zip(signs) {
            column[place(at % BLOCK_ROWS)] = sign;
        }
        made.nibbles.extend(nibbles);
        made.factors.push(factors);
        made.centre[at] = factors.centre;
        made.sign[at] = factors.sign;
        made.rows.push(row);
    }
    made
}

impl Made {
    fn blocks<'a>(&'a self, mask: Option<&'a [u64]>) -> Blocks<'a> {
        Blocks {
            codes: &self.blocks,
            centre: &self.centre,
            sign: &self.sign,
            mask,
        }
    }

    fn sieve(&self, floor: f32) -> Sieve {
        Sieve {
            base: self.segment_query.base,
            step: self.segment_query.step,
            floor,
        }
    }

    fn exact(&self, row: usize) -> f32 {
        self.rows[row]
            .iter()
            .zip(&self.query.exact)
            .map(|(x, q)| x * q)
            .sum()
    }
}

#[test]
fn all_kernels_agree_to_the_bit() {
    for dim in [1, 15, 16, 17, 64, 65, 128, 384, 400, 1000] {
        let made = make(dim, 150);
        let tables = &made.segment_query.tables;
        let mut middle = Kernel::Portable.estimates(made.blocks(None), tables, made.sieve(0.0), 0);
        middle.sort_unstable_by(f32::total_cmp);
        let masks = [
            None,
            Some([u64::MAX, 0, u64::MAX]),
            Some([0, 1 << 63 | 5, 0b1010]),
        ];
        let run = |kernel: Kernel| {
            let mut passing = Vec::new();
            for mask in &masks {
                for floor in [f32::NEG_INFINITY, middle[10], middle[60], f32::INFINITY] {
                    let (mut from, mut found) = (0, Vec::new());
                    while let Some((block, bits)) = kernel.next_passing(
                        made.blocks(mask.as_ref().map(|mask| mask.as_slice())),
                        tables,
                        made.sieve(floor),
                        from,
                    ) {
                        found.push((block, bits));
                        from = block + 1;
                    }
                    passing.push(found);
                }
            }
            let estimates: Vec<u32> = (0..3)
                .flat_map(|at| kernel.estimates(made.blocks(None), tables, made.sieve(0.0), at))
                .take(150)
                .map(f32::to_bits)
                .collect();
            let mut dots = Vec::new();
            let rows: Vec<u32> = (0..150).rev().chain([3, 3]).collect();
            kernel.dot_nibbles(&made.nibbles, &made.segment_query, &rows, &mut dots);
            let exact: Vec<u32> = made
                .f16
                .iter()
                .map(|row| kernel.dot_f16(row, &made.query).to_bits())
                .collect();
            (passing, estimates, dots, exact)
        };
        let expected = run(Kernel::Portable);
        let last = expected.0[0].last().expect("all rows pass");
        assert_eq!(
            *last,
            (2, (1 << 22) - 1),
            "rows that are not there never pass"
        );
        for kernel in Kernel::available() {
            assert_eq!(run(kernel), expected, "{kernel:?} with {dim} components");
        }
    }
}

#[test]
fn errors_are_as_small_as_the_bounds_say() {
    for dim in [1, 3, 24, 100, 384, 1000] {
        let made = make(dim, 200);
        let query = &made.segment_query;
        let mut dots = Vec::new();
        let rows: Vec<u32> = (0..200).collect();
        Kernel::Portable.dot_nibbles(&made.nibbles, query, &rows, &mut dots);
        let (mut four_bit, mut one_bit) = (0.0, 0.0);
        for row in 0..200 {
            let (factors, exact) = (made.factors[row], made.exact(row));
            let estimate = query.estimate(factors.centre, factors.nibble, dots[row]);
            let error = (estimate - exact).abs();
            let proven = query.proven_error(factors.centre, factors.nibble);
            assert!(
                error <= proven,
                "{dim} components, row {row}: {error} > {proven}"
            );
            four_bit += (error / query.probable_error(1.0, 0.0, factors.nibble)).powi(2);
            let block = Kernel::Portable.estimates(
                made.blocks(None),
                &query.tables,
                made.sieve(0.0),
                row / BLOCK_ROWS,
            );
            let estimate = block[row % BLOCK_ROWS] + query.constant();
            one_bit += ((estimate - exact) / (factors.sign * query.sign_deviation)).powi(2);
        }
        if dim >= 24 {
            // In square mean over 200 rows, in units of what the theory says.
            for (name, sum) in [("1 bit", one_bit), ("4 bits", four_bit)] {
                let deviation = (sum / 200.0).sqrt();
                assert!(
                    (0.5..1.25).contains(&deviation),
                    "{name} of {dim}: {deviation}"
                );
            }
        }
    }
}
