//! The best documents of a segment by BM25, without scoring those that cannot be among them.
//!
//! `MaxScore` (Turtle & Flood, "Query evaluation: strategies and optimizations", 1995), a window of documents at a
//! time as Lucene's bulk scorer does it. Words stand in order of the most that each can add to a score. As long as
//! the first of them together stay below the k-th best score found so far (the floor), a document that holds no
//! other word cannot enter; so only the postings of the other, essential words are read, and the former are looked
//! up in the documents that may still enter with them. Words that nearly every chunk holds cost next to nothing.
//!
//! The result is that of scoring every document: a document is given up only where a bound of its score is below the
//! floor (ties stay), bounds are taken a little higher than computed to cover rounding, and what enters is scored
//! by the words in the question's order. Which words are essential, and so the cost, depends on the filter and on the
//! order of segments; the result does not.
//!
//! Differs from the paper: bounds are per segment and from the documents' real frequencies and lengths (`stats`), since the
//! mean length, and with it every score, moves with each commit.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use tantivy::TERMINATED;

use super::bits::{Bits, ones};
use super::postings::WordPostings;
use super::score::Bm25;

/// Documents of a window, a multiple of 64: the frequencies of a question's words in them stay in cache.
const WINDOW: u32 = 4096;
/// Windows of the first documents are smaller, so that there is a floor before much is read.
const FIRST_WINDOW: u32 = 512;
/// With this many times more postings than open documents in a window, postings are sought instead of read. A guess.
const SEEK_RATIO: u64 = 16;
/// With less than this many times more postings than candidates in a window, postings are read instead of sought. A guess.
const READ_RATIO: u64 = 8;
/// By so much are bounds raised: sums of up to 128 rounded products are off by less than 128 halves of 2^-23.
const SLACK: f32 = 1.0 + 1e-4;

/// The best of what was seen.
pub(super) struct Top {
    k: usize,
    /// The worst on top.
    best: BinaryHeap<Reverse<Hit>>,
}

/// Greater is better: higher score, then lower chunk number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hit {
    pub(super) score: f32,
    pub(super) chunk_no: u32,
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

impl Eq for Hit {}

impl Top {
    /// Room for `k` hits, which is not 0.
    pub(super) const fn new(k: usize) -> Self {
        Self {
            k,
            best: BinaryHeap::new(),
        }
    }

    fn push(&mut self, hit: Hit) {
        if self.best.len() < self.k {
            self.best.push(Reverse(hit));
        } else if let Some(mut worst) = self.best.peek_mut()
            && hit > worst.0
        {
            *worst = Reverse(hit);
        }
    }

    /// Lower scores cannot enter.
    fn floor(&self) -> f32 {
        match self.best.peek() {
            Some(worst) if self.best.len() == self.k => worst.0.score,
            _ => f32::NEG_INFINITY,
        }
    }

    /// Best first.
    pub(super) fn into_sorted(self) -> Vec<Hit> {
        let sorted = self.best.into_sorted_vec();
        sorted.into_iter().map(|Reverse(hit)| hit).collect()
    }
}

/// A word of the question in a segment.
pub(super) struct Word {
    pub(super) postings: WordPostings,
    /// What a saturated frequency is multiplied with.
    pub(super) weight: f32,
    /// No document of the segment gets more from it.
    pub(super) bound: f32,
}

/// A segment's documents.
#[derive(Clone, Copy)]
pub(super) struct Documents<'a> {
    pub(super) bm25: Bm25,
    pub(super) mean_length: f32,
    /// By document.
    pub(super) chunk_nos: &'a [u32],
    /// By document.
    pub(super) lengths: &'a [f32],
    /// Which of them may be found; `None`: all.
    pub(super) open: Option<&'a Bits>,
}

impl Documents<'_> {
    fn norm(&self, document: u32) -> f32 {
        self.bm25
            .norm(self.lengths[document as usize], self.mean_length)
    }

    /// How many of the postings lie in so many documents, if they lie evenly.
    fn n_expected(&self, postings: &WordPostings, n_documents: u32) -> u64 {
        postings.n_postings() * u64::from(n_documents) / self.chunk_nos.len().max(1) as u64
    }

    /// Bits of 64 documents from `at * 64` on.
    fn open_bits(&self, at: usize) -> u64 {
        self.open.map_or(u64::MAX, |open| open.word(at))
    }
}

/// A word with its place in the question and the sum of the bounds up to and with its own, lowest first.
struct Ranked {
    word: Word,
    place: usize,
    sum: f32,
}

/// A document that may enter.
struct Candidate {
    /// Counted from the window's begin.
    offset: u32,
    /// Its place among those that were chosen.
    row: u32,
    norm: f32,
    /// What the words that were looked at add up to, in any order.
    score: f32,
}

/// Offers every open document that holds a word to `top`, as far as it can enter. `words` in the question's order.
pub(super) fn search(documents: Documents<'_>, words: Vec<Word>, top: &mut Top) {
    let weights: Vec<f32> = words.iter().map(|word| word.weight).collect();
    let mut ranked: Vec<Ranked> = words
        .into_iter()
        .enumerate()
        .map(|(place, word)| Ranked {
            word,
            place,
            sum: 0.0,
        })
        .collect();
    ranked.sort_by(|a, b| a.word.bound.total_cmp(&b.word.bound));
    let mut sum = 0.0;
    for word in &mut ranked {
        sum += word.word.bound * SLACK;
        word.sum = sum;
    }
    let mut window = Window::new(documents, weights);
    let (mut n_rest, mut start, mut size) = (0, 0, FIRST_WINDOW);
    loop {
        let floor = top.floor();
        while n_rest < ranked.len() && ranked[n_rest].sum < floor {
            n_rest += 1;
        }
        let (rest, essential) = ranked.split_at_mut(n_rest);
        let next = essential
            .iter()
            .map(|ranked| ranked.word.postings.next_document());
        let next = next.min().unwrap_or(TERMINATED).max(start);
        let next = match documents.open {
            Some(open) if next != TERMINATED => open.next_from(next).unwrap_or(TERMINATED),
            _ => next,
        };
        if next >= documents.chunk_nos.len() as u32 {
            return;
        }
        // Never before `start`, which is a multiple of 64.
        let begin = next / 64 * 64;
        window.fill(essential, begin, begin + size);
        let rest_sum = rest.last().map_or(0.0, |ranked| ranked.sum);
        window.choose(essential, rest_sum, floor);
        window.look_up(rest, floor);
        window.offer(essential, rest, floor, top);
        window.clear();
        start = begin + size;
        size = (size * 2).min(WINDOW);
    }
}

/// What is held for one window; kept from one to the next for its memory.
struct Window<'a> {
    documents: Documents<'a>,
    /// By place in the question.
    weights: Vec<f32>,
    begin: u32,
    end: u32,
    /// Weighted frequencies of the essential words, by document and word: `stride` for each document, 0 where nothing was
    /// touched.
    frequencies: Vec<f32>,
    stride: usize,
    /// Documents that hold an essential word.
    touched: Vec<u64>,
    candidates: Vec<Candidate>,
    /// Weighted frequencies of the other words, by candidate and word.
    rest_frequencies: Vec<f32>,
    /// Weighted frequencies of one word by document; 0 between uses.
    one_word: Vec<f32>,
}

/// Words that are scored together.
const LANES: usize = 8;

impl<'a> Window<'a> {
    const fn new(documents: Documents<'a>, weights: Vec<f32>) -> Self {
        Self {
            documents,
            weights,
            begin: 0,
            end: 0,
            frequencies: Vec::new(),
            stride: 0,
            touched: Vec::new(),
            candidates: Vec::new(),
            rest_frequencies: Vec::new(),
            one_word: Vec::new(),
        }
    }

    /// Reads the essential words' postings in open documents.
    fn fill(&mut self, essential: &mut [Ranked], begin: u32, end: u32) {
        let n_words = (end - begin) as usize / 64;
        (self.begin, self.end) = (begin, end);
        self.stride = essential.len().next_multiple_of(LANES);
        self.touched.clear();
        self.touched.resize(n_words, 0);
        let n_frequencies = (end - begin) as usize * self.stride;
        if self.frequencies.len() < n_frequencies {
            self.frequencies.resize(n_frequencies, 0.0);
        }
        let open = self.documents.open;
        let first = begin as usize / 64;
        let n_open = open.map_or(u64::from(end - begin), |open| {
            (first..first + n_words)
                .map(|at| u64::from(open.word(at).count_ones()))
                .sum()
        });
        let stride = self.stride;
        let (frequencies, touched) = (&mut self.frequencies, &mut self.touched);
        for (at, ranked) in essential.iter_mut().enumerate() {
            let mut add = |document: u32, frequency: f32| {
                let offset = (document - begin) as usize;
                touched[offset / 64] |= 1 << (offset % 64);
                frequencies[offset * stride + at] += frequency;
            };
            let postings = &mut ranked.word.postings;
            if n_open * SEEK_RATIO < self.documents.n_expected(postings, end - begin) {
                for word in first..first + n_words {
                    for bit in ones(self.documents.open_bits(word)) {
                        let document = word as u32 * 64 + bit;
                        let frequency = postings.frequency_in(document);
                        if frequency > 0.0 {
                            add(document, frequency);
                        }
                    }
                }
            } else {
                postings.visit(begin, end, add);
            }
        }
    }

    /// Scores touched documents by the essential words; those that can reach the floor with the others are candidates.
    fn choose(&mut self, essential: &[Ranked], rest_sum: f32, floor: f32) {
        self.candidates.clear();
        let bm25 = self.documents.bm25;
        let mut weights = vec![0.0; self.stride];
        for (weight, ranked) in weights.iter_mut().zip(essential) {
            *weight = ranked.word.weight * bm25.saturate(1.0, 0.0);
        }
        for (at, touched) in self.touched.iter().enumerate() {
            let open = self.documents.open_bits(self.begin as usize / 64 + at);
            for bit in ones(touched & open) {
                let offset = at * 64 + bit as usize;
                let norm = self.documents.norm(self.begin + offset as u32);
                let row = &self.frequencies[offset * self.stride..][..self.stride];
                let score = nearly_score_of(&weights, row, norm);
                if score * SLACK + rest_sum >= floor {
                    self.candidates.push(Candidate {
                        offset: offset as u32,
                        row: self.candidates.len() as u32,
                        norm,
                        score,
                    });
                }
            }
        }
    }

    /// Looks the other words up in the candidates, the strongest first, as long as a candidate can reach the floor.
    fn look_up(&mut self, rest: &mut [Ranked], floor: f32) {
        let bm25 = self.documents.bm25;
        self.rest_frequencies.clear();
        self.rest_frequencies
            .resize(self.candidates.len() * rest.len(), 0.0);
        let n_rest = rest.len();
        for (at, ranked) in rest.iter_mut().enumerate().rev() {
            self.candidates
                .retain(|candidate| candidate.score * SLACK + ranked.sum >= floor);
            if self.candidates.is_empty() {
                return;
            }
            let Word {
                postings, weight, ..
            } = &mut ranked.word;
            let n_here = self.documents.n_expected(postings, self.end - self.begin);
            let reads = self.candidates.len() as u64 * READ_RATIO > n_here;
            if reads {
                self.one_word.resize(WINDOW as usize, 0.0);
                postings.visit(self.begin, self.end, |document, frequency| {
                    self.one_word[(document - self.begin) as usize] += frequency;
                });
            }
            for candidate in &mut self.candidates {
                let frequency = if reads {
                    self.one_word[candidate.offset as usize]
                } else {
                    postings.frequency_in(self.begin + candidate.offset)
                };
                if frequency > 0.0 {
                    self.rest_frequencies[candidate.row as usize * n_rest + at] = frequency;
                    candidate.score += *weight * bm25.saturate(frequency, candidate.norm);
                }
            }
            if reads {
                self.one_word.fill(0.0);
            }
        }
    }

    /// Scores the candidates that are left, by the words in the question's order.
    fn offer(&self, essential: &[Ranked], rest: &[Ranked], floor: f32, top: &mut Top) {
        let mut row = vec![0.0; self.weights.len()];
        for candidate in &self.candidates {
            if candidate.score * SLACK < floor {
                continue;
            }
            let own = &self.frequencies[candidate.offset as usize * self.stride..];
            for (ranked, frequency) in essential.iter().zip(own) {
                row[ranked.place] = *frequency;
            }
            let own = &self.rest_frequencies[candidate.row as usize * rest.len()..];
            for (ranked, frequency) in rest.iter().zip(own) {
                row[ranked.place] = *frequency;
            }
            let document = self.begin + candidate.offset;
            top.push(Hit {
                score: score_of(self.documents.bm25, &self.weights, &row, candidate.norm),
                chunk_no: self.documents.chunk_nos[document as usize],
            });
        }
    }

    /// Takes out what was touched.
    fn clear(&mut self) {
        for (at, touched) in self.touched.iter().enumerate() {
            for bit in ones(*touched) {
                let start = (at * 64 + bit as usize) * self.stride;
                self.frequencies[start..start + self.stride].fill(0.0);
            }
        }
    }
}

/// The sum of a document's saturated frequencies with `weights` (times the most that saturation gives), but for rounding. Both
/// slices are whole multiples of [`LANES`]; a frequency of 0 adds nothing, as the norm is positive.
fn nearly_score_of(weights: &[f32], frequencies: &[f32], norm: f32) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (weights, _) = weights.as_chunks::<LANES>();
    let (frequencies, _) = frequencies.as_chunks::<LANES>();
    for (weights, frequencies) in weights.iter().zip(frequencies) {
        for lane in 0..LANES {
            sums[lane] += weights[lane] * frequencies[lane] / (frequencies[lane] + norm);
        }
    }
    sums.iter().sum()
}

/// The score of a document: the one order in which products are added up.
pub(super) fn score_of(bm25: Bm25, weights: &[f32], frequencies: &[f32], norm: f32) -> f32 {
    let mut score = 0.0;
    for (weight, frequency) in weights.iter().zip(frequencies) {
        if *frequency > 0.0 {
            score += weight * bm25.saturate(*frequency, norm);
        }
    }
    score
}
