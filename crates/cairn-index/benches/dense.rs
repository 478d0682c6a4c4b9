//! Benches of the dense arm: `cargo bench -p cairn-index --bench dense` (a part: `... -- filter`).
//!
//! 100,000 made vectors of 384 components around 1,000 topics, queries around the same topics, one thread. Recall and
//! times on real vectors: the example `dense_recall`.

use std::hint::black_box;

use cairn_index::{DenseIndex, DenseSnapshot, Recall, dense_paths, dense_search_on_path};
use cairn_types::{ChunkNo, Seq};
use criterion::{Criterion, criterion_group, criterion_main};
use half::f16;
use roaring::RoaringBitmap;

const DIM: usize = 384;
const N_ROWS: u32 = 100_000;
const N_TOPICS: usize = 1_000;

struct Random(u64);

impl Random {
    /// About normal, of deviation 1.
    fn normal(&mut self) -> f32 {
        let mut sum = -6.0;
        for _ in 0..3 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            for shift in [16, 28, 40, 52] {
                sum += (self.0 >> shift & 0xFFF) as f32 / 4096.0;
            }
        }
        sum
    }

    fn near(&mut self, topic: &[f32]) -> Vec<f32> {
        let mut vector: Vec<f32> = topic.iter().map(|t| t + 0.8 * self.normal()).collect();
        let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|v| *v /= norm);
        vector
    }
}

struct Made {
    _dir: tempfile::TempDir,
    _index: DenseIndex,
    snapshot: DenseSnapshot,
    queries: Vec<Vec<f32>>,
}

fn make() -> Made {
    let mut random = Random(9);
    let topics: Vec<Vec<f32>> = (0..N_TOPICS)
        .map(|_| (0..DIM).map(|_| random.normal()).collect())
        .collect();
    let dir = tempfile::tempdir().expect("a folder for the index");
    let mut index = DenseIndex::open(dir.path(), DIM, "bench").expect("an empty folder");
    for no in 0..N_ROWS {
        let vector = random.near(&topics[no as usize * 7 % N_TOPICS]);
        let bytes: Vec<u8> = vector
            .iter()
            .flat_map(|v| f16::from_f32(*v).to_le_bytes())
            .collect();
        index.append(&[(ChunkNo(no), &bytes)]).expect("finite");
    }
    index.commit(Seq(1)).expect("room for the index");
    index.settle();
    let queries = (0..64).map(|at| random.near(&topics[at * 3])).collect();
    Made {
        snapshot: index.snapshot(),
        _dir: dir,
        _index: index,
        queries,
    }
}

fn searches(criterion: &mut Criterion) {
    let made = make();
    let all: RoaringBitmap = (0..N_ROWS).collect();
    let mut next = 0;
    let mut query = || {
        next += 1;
        &made.queries[next % made.queries.len()]
    };
    let mut group = criterion.benchmark_group("path");
    for (at, path) in dense_paths().into_iter().enumerate() {
        group.bench_function(path, |bencher| {
            bencher.iter(|| {
                let recall = Recall::default();
                black_box(dense_search_on_path(
                    at,
                    &made.snapshot,
                    query(),
                    &all,
                    recall,
                ))
            });
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("recall");
    for recall in [
        Recall::AtLeast(0.9),
        Recall::AtLeast(0.99),
        Recall::AtLeast(0.999),
        Recall::Exact,
    ] {
        group.bench_function(format!("{recall:?}"), |bencher| {
            bencher.iter(|| black_box(made.snapshot.search_with(query(), &all, 10, recall)));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("filter");
    for (name, one_of) in [("50 percent", 2), ("10 percent", 10), ("1 percent", 100)] {
        // Scattered: a bit pattern without a period of its own.
        let kept =
            (0..N_ROWS).filter(|no| no.wrapping_mul(2_654_435_761) >> 8 & 0xFFFF < 65_536 / one_of);
        let allowed: RoaringBitmap = kept.collect();
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(made.snapshot.search(query(), &allowed, 10)));
        });
    }
    group.finish();
}

fn commits(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder for the index");
    let mut index = DenseIndex::open(dir.path(), DIM, "bench").expect("an empty folder");
    let row = [0_u8; DIM * 2];
    let mut no = 0;
    criterion.bench_function("commit/one vector", |bencher| {
        bencher.iter(|| {
            no += 1;
            index.append(&[(ChunkNo(no), &row)]).expect("finite");
            index
                .commit(Seq(u64::from(no)))
                .expect("room for the index");
        });
    });
}

criterion_group!(benches, searches, commits);
criterion_main!(benches);
