//! Top-k over segments in three passes: 1-bit codes of all rows, 4-bit codes of those that can win, f16 of the rest.
//!
//! What is kept from pass to pass is decided by how far an estimate can be from the true score ([`super::coarse`]): a
//! row goes on while its estimate plus its error reaches the floor, the k-th largest of the estimates minus their
//! errors that were seen so far. With proven errors nothing is lost: the result is the exact top-k by f16 dot product,
//! ties by chunk number. With probable errors of z deviations, each of the best k passes each of the two passes over
//! codes with probability Φ(z) or more against a floor that is nearly always too low, and the number of rows that are looked at follows from the query: some hundred of 100,000 where the best
//! stand out, tens of thousands where they do not. Scores are exact in every case.
//!
//! Few rows (a narrow filter, a small index) skip the first pass and get proven errors; so do searches that ask for
//! exactness. One bit proves nothing useful: its proven error is larger than most scores.
//!
//! Cost at 384 components: 48 bytes and about 7 vector instructions a row in the first pass, whatever the filter;
//! 192 bytes a row in the second; 768 in the third.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::coarse::BLOCK_ROWS;
use super::kernel::{Blocks, Kernel, Sieve, prefetch};
use super::numbers::RowSet;
use super::query::{PreparedQuery, SegmentQuery};
use super::segment::SegmentCodes;
use super::snapshot::SnapshotSegment;

/// Up to this many rows are scored from f16 alone.
const MAX_PLAIN_ROWS: usize = 1500;
/// Up to this many rows skip the first pass and are found exactly. Measured: see docs/architecture.md.
const MAX_PROVEN_ROWS: usize = 8_000;
/// Blocks whose best rows give the first floor, spread over the largest segment. 128 cost more than they spare.
const SAMPLE_BLOCKS: usize = 32;
/// Rows that go from the first pass to the second at once, while their codes are on the way from memory.
const BATCH: usize = 32;
/// Rows that are fetched ahead in the third pass.
const AHEAD: usize = 4;

/// How sure a search is to find the true best rows. Scores are exact in every case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Recall {
    /// All of them.
    Exact,
    /// Each of them with about this probability, between 0.5 and 0.99999: measured shares lie above what is asked for.
    /// A row and a query decide it for good while the segment stands: asking again finds the same.
    AtLeast(f32),
}

impl Default for Recall {
    /// What the product searches with: 998 of 1000. Small sets are exact all the same.
    fn default() -> Self {
        Self::AtLeast(0.998)
    }
}

/// How errors are judged.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trust {
    Proven,
    /// Deviations.
    Probable(f32),
}

/// One search.
pub(super) struct Search<'a> {
    pub kernel: Kernel,
    pub query: &'a PreparedQuery,
    pub k: usize,
    pub recall: Recall,
}

/// What a search did, for measurements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SearchCost {
    /// Rows that were allowed.
    pub n_allowed: usize,
    /// Rows whose 1-bit codes were read.
    pub n_one_bit: usize,
    /// Rows whose 4-bit codes were read.
    pub n_four_bit: usize,
    /// Rows whose f16 values were read.
    pub n_exact: usize,
}

/// Greater is better: higher score, then lower chunk number.
#[derive(Debug)]
pub(super) struct Hit {
    pub score: f32,
    pub chunk_no: u32,
}

/// Runs a search over the selected rows of each segment.
pub(super) fn run(
    search: &Search<'_>,
    parts: &[(&SnapshotSegment, RowSet)],
) -> (Vec<Hit>, SearchCost) {
    let n_allowed = parts.iter().map(|(_, rows)| rows.count).sum();
    let mut pool = Pool::new(search.k);
    pool.cost.n_allowed = n_allowed;
    if search.k == 0 || n_allowed == 0 {
        return (Vec::new(), pool.cost);
    }
    let trust = match search.recall {
        Recall::AtLeast(recall) if n_allowed > MAX_PROVEN_ROWS => {
            Trust::Probable(deviations(recall))
        }
        Recall::AtLeast(_) | Recall::Exact => Trust::Proven,
    };
    // The largest first: its floor spares the others most of their work.
    let mut order: Vec<usize> = (0..parts.len())
        .filter(|&at| parts[at].1.count > 0)
        .collect();
    order.sort_by_key(|&at| std::cmp::Reverse(parts[at].1.count));
    for at in order {
        let (part, rows) = &parts[at];
        match part.segment.codes() {
            Some(codes) if n_allowed > MAX_PLAIN_ROWS => {
                let query = search
                    .query
                    .for_segment(&codes.centre, &codes.rotated_centre);
                let scan = Scan {
                    search,
                    part,
                    at,
                    codes,
                    query,
                    trust,
                };
                match trust {
                    Trust::Probable(z) if rows.count > rows.n_blocks() * 2 => {
                        scan.sieve(rows, z, &mut pool);
                    }
                    Trust::Probable(_) | Trust::Proven => scan.all(rows, &mut pool),
                }
            }
            Some(_) | None => plain(search, part, at, rows, &mut pool),
        }
    }
    finish(search, parts, pool)
}

/// Scores all rows from f16.
fn plain(search: &Search<'_>, part: &SnapshotSegment, at: usize, rows: &RowSet, pool: &mut Pool) {
    let mut later = rows.rows().skip(AHEAD);
    for row in rows.rows() {
        if let Some(later) = later.next() {
            prefetch(part.segment.f16_row(later as usize));
        }
        let score = search
            .kernel
            .dot_f16(part.segment.f16_row(row as usize), search.query);
        pool.cost.n_exact += 1;
        pool.push(Candidate {
            lower: score,
            upper: score,
            segment: at as u32,
            row,
            is_scored: true,
        });
    }
}

/// One segment with codes in one search.
struct Scan<'a> {
    search: &'a Search<'a>,
    part: &'a SnapshotSegment,
    at: usize,
    codes: &'a SegmentCodes,
    query: SegmentQuery,
    trust: Trust,
}

impl Scan<'_> {
    /// Both passes over codes.
    fn sieve(&self, rows: &RowSet, z: f32, pool: &mut Pool) {
        pool.cost.n_one_bit += rows.count;
        let blocks = Blocks {
            codes: self.part.segment.blocks(),
            centre: &self.codes.row_centres,
            sign: &self.codes.signs,
            mask: rows.words.as_deref(),
        };
        let mut sieve = Sieve {
            base: self.query.base,
            step: self.query.step,
            floor: 0.0,
        };
        let mut dots = Vec::with_capacity(BATCH + BLOCK_ROWS);
        if pool.floor() == f32::NEG_INFINITY {
            self.first_floor(blocks, sieve, rows, pool);
        }
        // The error of one bit falls with the row's factor, so that it is a share of what the factor multiplies.
        sieve.base += z * self.query.sign_deviation;
        let kernel = self.search.kernel;
        let nibbles = self.part.segment.nibbles();
        let stride = self.query.bytes.len() / 2;
        let mut waiting: Vec<u32> = Vec::with_capacity(BATCH + BLOCK_ROWS);
        let mut from = 0;
        loop {
            let floor = pool.floor();
            sieve.floor = floor - self.query.constant() - self.query.slack(floor);
            let Some((block, mut bits)) =
                kernel.next_passing(blocks, &self.query.tables, sieve, from)
            else {
                break;
            };
            from = block + 1;
            while bits != 0 {
                let row = block * BLOCK_ROWS + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                prefetch(&nibbles[row * stride..(row + 1) * stride]);
                waiting.push(row as u32);
            }
            if waiting.len() >= BATCH {
                self.refine(&waiting, &mut dots, pool);
                waiting.clear();
            }
        }
        self.refine(&waiting, &mut dots, pool);
    }

    /// A floor from the rows of some blocks whose 1-bit estimates are best. They are met again in the scan.
    fn first_floor(&self, blocks: Blocks<'_>, sieve: Sieve, rows: &RowSet, pool: &mut Pool) {
        let n_blocks = rows.n_rows.div_ceil(BLOCK_ROWS);
        let stride = n_blocks.div_ceil(SAMPLE_BLOCKS);
        let mut sample: Vec<(f32, u32)> = Vec::with_capacity(SAMPLE_BLOCKS * BLOCK_ROWS);
        for block in (0..n_blocks).step_by(stride) {
            let mut bits = rows.word(block);
            if bits == 0 {
                continue;
            }
            let estimates = self
                .search
                .kernel
                .estimates(blocks, &self.query.tables, sieve, block);
            while bits != 0 {
                let at = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                sample.push((estimates[at], (block * BLOCK_ROWS + at) as u32));
            }
        }
        let wanted = self.search.k.saturating_mul(4).saturating_add(16);
        if sample.len() <= self.search.k {
            return;
        }
        if sample.len() > wanted {
            sample.select_nth_unstable_by(wanted, |a, b| b.0.total_cmp(&a.0));
            sample.truncate(wanted);
        }
        let mut first = Pool::new(self.search.k);
        let rows: Vec<u32> = sample.iter().map(|(_, row)| *row).collect();
        self.refine(&rows, &mut Vec::new(), &mut first);
        pool.cost.n_four_bit += first.cost.n_four_bit;
        pool.raise(first.floor());
    }

    /// The second pass alone, over all rows.
    fn all(&self, rows: &RowSet, pool: &mut Pool) {
        let mut dots = Vec::with_capacity(BATCH * 8);
        let mut waiting = Vec::with_capacity(BATCH * 8);
        let mut rest = rows.rows();
        loop {
            waiting.clear();
            waiting.extend(rest.by_ref().take(BATCH * 8));
            if waiting.is_empty() {
                break;
            }
            self.refine(&waiting, &mut dots, pool);
        }
    }

    /// Estimates rows from 4-bit codes.
    fn refine(&self, rows: &[u32], dots: &mut Vec<i32>, pool: &mut Pool) {
        pool.cost.n_four_bit += rows.len();
        self.search
            .kernel
            .dot_nibbles(self.part.segment.nibbles(), &self.query, rows, dots);
        for (&row, &dot) in rows.iter().zip(dots.iter()) {
            let factors = self.codes.nibbles[row as usize];
            let centre = self.codes.row_centres[row as usize];
            let estimate = self.query.estimate(centre, factors, dot);
            let error = match self.trust {
                Trust::Proven => self.query.proven_error(centre, factors),
                Trust::Probable(z) => self.query.probable_error(z, centre, factors),
            };
            pool.push(Candidate {
                lower: estimate - error,
                upper: estimate + error,
                segment: self.at as u32,
                row,
                is_scored: false,
            });
        }
    }
}

/// Scores candidates from f16 in order of falling upper bound, until the k-th best score is above the next bound.
fn finish(
    search: &Search<'_>,
    parts: &[(&SnapshotSegment, RowSet)],
    mut pool: Pool,
) -> (Vec<Hit>, SearchCost) {
    let floor = pool.floor();
    let mut candidates = std::mem::take(&mut pool.candidates);
    candidates.retain(|candidate| candidate.upper >= floor);
    candidates.sort_unstable_by(|a, b| b.upper.total_cmp(&a.upper));
    let row_of = |candidate: &Candidate| {
        parts[candidate.segment as usize]
            .0
            .segment
            .f16_row(candidate.row as usize)
    };
    let mut best: BinaryHeap<std::cmp::Reverse<Hit>> = BinaryHeap::new();
    for (at, candidate) in candidates.iter().enumerate() {
        if best.len() == search.k
            && best
                .peek()
                .is_some_and(|worst| worst.0.score > candidate.upper)
        {
            break;
        }
        if let Some(later) = candidates.get(at + AHEAD).filter(|later| !later.is_scored) {
            prefetch(row_of(later));
        }
        let score = if candidate.is_scored {
            candidate.upper
        } else {
            pool.cost.n_exact += 1;
            search.kernel.dot_f16(row_of(candidate), search.query)
        };
        let numbers = parts[candidate.segment as usize].0.segment.numbers();
        let chunk_no = numbers.as_slice()[candidate.row as usize];
        best.push(std::cmp::Reverse(Hit { score, chunk_no }));
        if best.len() > search.k {
            best.pop();
        }
    }
    let mut hits: Vec<Hit> = best.into_iter().map(|hit| hit.0).collect();
    hits.sort_unstable_by(|a, b| b.cmp(a));
    (hits, pool.cost)
}

struct Candidate {
    lower: f32,
    upper: f32,
    segment: u32,
    row: u32,
    /// Whether both bounds are the exact score.
    is_scored: bool,
}

/// Rows whose upper bound is not below the floor.
struct Pool {
    k: usize,
    /// The k largest lower bounds.
    lowers: BinaryHeap<std::cmp::Reverse<Rising>>,
    raised: f32,
    candidates: Vec<Candidate>,
    /// Length at which candidates below the floor are dropped; doubled where many rows are equally good.
    limit: usize,
    cost: SearchCost,
}

impl Pool {
    fn new(k: usize) -> Self {
        Self {
            k,
            lowers: BinaryHeap::new(),
            raised: f32::NEG_INFINITY,
            candidates: Vec::new(),
            limit: k.saturating_mul(4).max(4096),
            cost: SearchCost::default(),
        }
    }

    /// No row whose upper bound is below it is among the best k.
    fn floor(&self) -> f32 {
        match self.lowers.peek() {
            Some(smallest) if self.lowers.len() == self.k => self.raised.max(smallest.0.0),
            Some(_) | None => self.raised,
        }
    }

    fn raise(&mut self, floor: f32) {
        self.raised = self.raised.max(floor);
    }

    fn push(&mut self, candidate: Candidate) {
        if candidate.upper < self.floor() {
            return;
        }
        let lower = Rising(candidate.lower);
        if self.lowers.len() < self.k {
            self.lowers.push(std::cmp::Reverse(lower));
        } else if let Some(mut smallest) = self.lowers.peek_mut()
            && lower > smallest.0
        {
            smallest.0 = lower;
        }
        self.candidates.push(candidate);
        if self.candidates.len() >= self.limit {
            let floor = self.floor();
            self.candidates.retain(|candidate| candidate.upper >= floor);
            self.limit = self.limit.max(self.candidates.len() * 2);
        }
    }
}

/// A bound that can be ordered.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rising(f32);

impl Eq for Rising {}

impl Ord for Rising {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Rising {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Hit {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then_with(|| other.chunk_no.cmp(&self.chunk_no))
    }
}

impl PartialOrd for Hit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Hit {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Hit {}

/// z with Φ(z) = `recall`. Abramowitz & Stegun 26.2.23: off by less than 0.00045.
fn deviations(recall: f32) -> f32 {
    let recall = if recall.is_nan() {
        0.99999
    } else {
        recall.clamp(0.5, 0.99999)
    };
    let t = (-2.0 * (1.0 - recall).ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    t - above / below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_those_of_the_normal_distribution() {
        for (recall, expected) in [(0.5, 0.0), (0.9, 1.2816), (0.99, 2.3263), (0.999, 3.0902)] {
            assert!((deviations(recall) - expected).abs() < 0.001, "{recall}");
        }
        assert_eq!(deviations(2.0), deviations(f32::NAN));
    }
}
