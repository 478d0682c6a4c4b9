//! Recall and time of dense search on given vectors: `dense_recall VECTORS.npy QUERIES.npy [--recall R]... [--queries N] [--filters]`.
//!
//! Both files hold float32 `[rows, dim]` of unit norm in the format of `NumPy`. Truth is the exact top-10 by f32 dot products.
//! Prints, for each recall that is asked for and each filter, recall@10, p50 and p99 on one thread, and how many rows
//! each pass looked at. Run it from a release build on a machine that does nothing else.

#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::time::{Duration, Instant};

use cairn_index::{DenseIndex, DenseSnapshot, Recall};
use cairn_types::{ChunkNo, Seq};
use half::f16;
use roaring::RoaringBitmap;

const K: usize = 10;
/// Rows that are committed at once.
const COMMIT: usize = 100_000;
/// Queries unless another number is asked for.
const N_QUERIES: usize = 500;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [vectors, queries, options @ ..] = args.as_slice() else {
        return Err(
            "wanted: VECTORS.npy QUERIES.npy [--recall R]... [--queries N] [--filters]".into(),
        );
    };
    let vectors = Matrix::read(vectors)?;
    let queries = Matrix::read(queries)?;
    let recalls = recalls(options)?;
    let n_queries = match options.iter().position(|option| option == "--queries") {
        Some(at) => options
            .get(at + 1)
            .ok_or("--queries wants a number")?
            .parse()?,
        None => N_QUERIES,
    };
    let dir = tempfile::tempdir()?;
    let mut index = DenseIndex::open(dir.path(), vectors.dim, "measured")?;
    let started = Instant::now();
    for (at, part) in vectors.values.chunks(COMMIT * vectors.dim).enumerate() {
        let bytes: Vec<Vec<u8>> = part
            .chunks_exact(vectors.dim)
            .map(|row| {
                row.iter()
                    .flat_map(|v| f16::from_f32(*v).to_le_bytes())
                    .collect()
            })
            .collect();
        let rows: Vec<(ChunkNo, &[u8])> = bytes
            .iter()
            .enumerate()
            .map(|(row, bytes)| (ChunkNo((at * COMMIT + row) as u32), bytes.as_slice()))
            .collect();
        index.append(&rows)?;
        index.commit(Seq(at as u64 + 1))?;
    }
    let committed = started.elapsed();
    index.settle();
    let settled = started.elapsed();
    drop(index);
    let started = Instant::now();
    let index = DenseIndex::open(dir.path(), vectors.dim, "measured")?;
    let opened = started.elapsed();
    let snapshot = index.snapshot();
    println!(
        "{} x {}, {} segments, {} bytes a row; committed in {committed:.2?}, joined in {settled:.2?}, opened in {opened:.2?}",
        vectors.n_rows(),
        vectors.dim,
        snapshot.n_segments(),
        snapshot.size_bytes() / vectors.n_rows() as u64,
    );
    println!(
        "{:<18} {:<8} {:>8} {:>9} {:>9}   rows by 1 bit, 4 bits, f16 (mean)",
        "filter", "asked", "recall", "p50", "p99"
    );
    for (name, allowed) in filters(&vectors, options) {
        let truth: Vec<Vec<u32>> = (0..queries.n_rows().min(n_queries))
            .map(|at| truth(&vectors, queries.row(at), &allowed))
            .collect();
        for recall in &recalls {
            measure(&snapshot, &truth, &queries, name, &allowed, *recall)?;
        }
    }
    Ok(())
}

fn recalls(options: &[String]) -> Result<Vec<Recall>, Box<dyn std::error::Error>> {
    let mut found = Vec::new();
    for (at, option) in options.iter().enumerate() {
        if option == "--recall" {
            found.push(match options.get(at + 1).map(String::as_str) {
                Some("exact") => Recall::Exact,
                Some(number) => Recall::AtLeast(number.parse()?),
                None => return Err("--recall wants a number or `exact`".into()),
            });
        }
    }
    if found.is_empty() {
        found.push(Recall::default());
    }
    Ok(found)
}

/// Random ones, and one that keeps the rows nearest to a row: a topic.
fn filters(vectors: &Matrix, options: &[String]) -> Vec<(&'static str, RoaringBitmap)> {
    let n = vectors.n_rows() as u32;
    let mut filters = vec![("all", (0..n).collect())];
    if !options.iter().any(|option| option == "--filters") {
        return filters;
    }
    let keep = |share: u64| -> RoaringBitmap {
        let mut state = 5_u64;
        (0..n)
            .filter(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 33) % 1000 < share
            })
            .collect()
    };
    filters.extend([
        ("50 % random", keep(500)),
        ("10 % random", keep(100)),
        ("1 % random", keep(10)),
    ]);
    let topic = vectors.row(0);
    let mut by_score: Vec<(f32, u32)> = (0..n)
        .map(|row| (dot(topic, vectors.row(row as usize)), row))
        .collect();
    by_score.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let nearest = |count: u32| {
        by_score[..count as usize]
            .iter()
            .map(|(_, row)| *row)
            .collect()
    };
    filters.extend([
        ("10 % by topic", nearest(n / 10)),
        ("1 % by topic", nearest(n / 100)),
    ]);
    filters
}

fn measure(
    snapshot: &DenseSnapshot,
    truth: &[Vec<u32>],
    queries: &Matrix,
    name: &str,
    allowed: &RoaringBitmap,
    recall: Recall,
) -> Result<(), Box<dyn std::error::Error>> {
    let n_queries = truth.len();
    let (mut times, mut n_found) = (Vec::new(), 0);
    let (mut one, mut four, mut exact) = (0, 0, 0);
    for (at, truth) in truth.iter().enumerate() {
        let query = queries.row(at);
        // The best of two: other programs take the processor away.
        let mut best = Duration::MAX;
        let mut found = Vec::new();
        for _ in 0..2 {
            let started = Instant::now();
            let (hits, cost) = snapshot.search_with(query, allowed, K, recall)?;
            let elapsed = started.elapsed();
            if elapsed < best {
                best = elapsed;
            }
            if found.is_empty() {
                one += cost.n_one_bit;
                four += cost.n_four_bit;
                exact += cost.n_exact;
            }
            found = hits;
        }
        times.push(best);
        n_found += found.iter().filter(|(no, _)| truth.contains(&no.0)).count();
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let asked = match recall {
        Recall::Exact => "exact".to_owned(),
        Recall::AtLeast(recall) => recall.to_string(),
    };
    println!(
        "{name:<18} {asked:<8} {:>8.4} {:>6.3} ms {:>6.3} ms   {}, {}, {}",
        n_found as f64 / (n_queries * K) as f64,
        at(0.5),
        at(0.99),
        one / n_queries,
        four / n_queries,
        exact / n_queries,
    );
    Ok(())
}

fn truth(vectors: &Matrix, query: &[f32], allowed: &RoaringBitmap) -> Vec<u32> {
    let mut best: Vec<(f32, u32)> = allowed
        .iter()
        .map(|row| (dot(query, vectors.row(row as usize)), row))
        .collect();
    let k = K.min(best.len());
    if k < best.len() {
        best.select_nth_unstable_by(k, |a, b| b.0.total_cmp(&a.0));
    }
    best[..k].iter().map(|(_, row)| *row).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    for (a, b) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    let rest = a.len() / 16 * 16;
    lanes.iter().sum::<f32>()
        + a[rest..]
            .iter()
            .zip(&b[rest..])
            .map(|(a, b)| a * b)
            .sum::<f32>()
}

struct Matrix {
    dim: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// Reads float32 `[rows, dim]` in the format of `NumPy`, version 1.0.
    fn read(path: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let bytes = fs_err::read(path)?;
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let header = std::str::from_utf8(&bytes[10..10 + length])?;
        let shape = header
            .split_once("'shape': (")
            .and_then(|(_, rest)| rest.split_once(')'));
        let dim = shape.and_then(|(shape, _)| shape.split(',').nth(1)?.trim().parse().ok());
        let (Some(dim), true) = (dim, header.contains("'<f4'") && header.contains("False")) else {
            return Err(format!("`{path}` is not float32 [rows, dim]").into());
        };
        let values = bytes[10 + length..]
            .as_chunks()
            .0
            .iter()
            .copied()
            .map(f32::from_le_bytes);
        Ok(Self {
            dim,
            values: values.collect(),
        })
    }

    fn n_rows(&self) -> usize {
        self.values.len() / self.dim
    }

    fn row(&self, at: usize) -> &[f32] {
        &self.values[at * self.dim..(at + 1) * self.dim]
    }
}
