//! Benches of the lexical arm: `cargo bench -p cairn-index --bench lexical` (a part: `-- lexical/10000`).
//!
//! Generated chunks of about 150 words (`cairn-bench`) and the questions that belong to them, of 5 to 12 words, asked in
//! turn; the best 200 are wanted, as a hybrid search wants them. `everything` has no filter, `tenth` and `hundredth` may see
//! documents chosen at random; `scores` are those of 200 given chunks.

use std::hint::black_box;
use std::time::Duration;

use cairn_bench::Corpus;
use cairn_index::{LexicalDoc, LexicalIndex, LexicalQuery, LexicalSnapshot};
use cairn_types::{ChunkNo, Seq};
use criterion::{Criterion, criterion_group, criterion_main};
use roaring::RoaringBitmap;

const SIZES: [u32; 2] = [10_000, 100_000];
const QUESTIONS: u64 = 200;
const WANTED: usize = 200;

fn index(corpus: &Corpus, n_chunks: u32) -> (tempfile::TempDir, LexicalSnapshot) {
    let dir = tempfile::tempdir().expect("a folder for the index");
    let mut index = LexicalIndex::open(dir.path()).expect("a new index");
    for no in 0..n_chunks {
        let document = corpus.document(u64::from(no), 1);
        index
            .add(&LexicalDoc {
                chunk_no: ChunkNo(no),
                title: &document.title,
                heading_path: "",
                text: &document.paragraphs[0],
                lang: Some("en"),
            })
            .expect("room for a chunk");
    }
    index.commit(Seq(1)).expect("room for the index");
    let snapshot = index.snapshot();
    (dir, snapshot)
}

fn searches(criterion: &mut Criterion) {
    let corpus = Corpus::new(1);
    for n_chunks in SIZES {
        let (_dir, snapshot) = index(&corpus, n_chunks);
        let questions: Vec<LexicalQuery> = (0..QUESTIONS)
            .map(|number| LexicalQuery::new(&corpus.question(number, u64::from(n_chunks)).text))
            .collect();
        let share = |of: u32| -> RoaringBitmap {
            let hashed = |no: &u32| no.wrapping_mul(0x9e37_79b1) >> 8;
            (0..n_chunks).filter(|no| hashed(no) % of == 0).collect()
        };
        let mut group = criterion.benchmark_group(format!("lexical/{n_chunks}"));
        for (name, allowed) in [
            ("everything", share(1)),
            ("tenth", share(10)),
            ("hundredth", share(100)),
        ] {
            let mut turn = questions.iter().cycle();
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let question = turn.next().expect("a cycle has no end");
                    snapshot.search(black_box(question), &allowed, WANTED)
                });
            });
        }
        let given: Vec<ChunkNo> = share(n_chunks / WANTED as u32)
            .iter()
            .map(ChunkNo)
            .collect();
        let mut turn = questions.iter().cycle();
        group.bench_function("scores", |bencher| {
            bencher.iter(|| {
                let question = turn.next().expect("a cycle has no end");
                snapshot.scores_of(black_box(question), &given)
            });
        });
        group.finish();
    }
}

criterion_group! {
    name = lexical;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    targets = searches
}
criterion_main!(lexical);
