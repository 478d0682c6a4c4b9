//! Benches of the encoder: `cargo bench -p cairn-models` (a part: `cargo bench -p cairn-models -- query`).
//!
//! `product/*` are the four shapes of linear layers of the default model over 252 rows (one group of sequences), as operations per
//! second; `passages/*` and `query/*` the whole embedder, tokenizer included, on random weights in the default model's shape. Random
//! weights cost what trained ones do. One thread, so that a second core that does something else changes little.

use std::hint::black_box;
use std::time::Duration;

use cairn_models::testing::{Product, RandomShape, write_random_model};
use cairn_models::{KernelChoice, LoadOptions, NativeEmbedder, Precision};
use cairn_types::ports::Embedder;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Query, key and value together; the output of attention; up; down.
const LAYERS: [(usize, usize); 4] = [(384, 1152), (384, 384), (384, 1536), (1536, 384)];

const ROWS: usize = 252;

const PRECISIONS: [Precision; 3] = [Precision::Int8, Precision::Bf16, Precision::F32];

fn products(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("product");
    for precision in PRECISIONS {
        for (k, n) in LAYERS {
            let mut product = Product::new(KernelChoice::Auto, precision, (ROWS, k, n))
                .expect("every CPU has a path");
            group.throughput(Throughput::Elements((2 * ROWS * k * n) as u64));
            let name = format!("{}/{ROWS}x{k}x{n}", precision.recipe());
            group.bench_function(name, |bencher| bencher.iter(|| black_box(product.run())));
        }
    }
    group.finish();
}

fn embeddings(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder for the model");
    write_random_model(dir.path(), RandomShape::MINI_LM, 1, |_, _| {}).expect("room for the model");
    // 198 words of one token each and the two around every text; 10 words for a query.
    let words = ["the", "and", "of", "to", "in", "is"];
    let text = |n: usize| words.repeat(n.div_ceil(words.len()))[..n].join(" ");
    let (passage, query) = (text(198), text(10));
    let passages = vec![passage.as_str(); 8];
    for precision in PRECISIONS {
        let options = LoadOptions {
            threads: 1,
            precision: Some(precision),
            kernel: KernelChoice::Auto,
        };
        let embedder =
            NativeEmbedder::load(dir.path(), &options).expect("a model that was just written");
        let mut group = criterion.benchmark_group("passages");
        group.throughput(Throughput::Elements(passages.len() as u64));
        group.bench_function(format!("{}/200-tokens", precision.recipe()), |bencher| {
            bencher.iter(|| embedder.embed(black_box(&passages)));
        });
        group.finish();
        criterion.bench_function(
            &format!("query/{}/12-tokens", precision.recipe()),
            |bencher| {
                bencher.iter(|| embedder.embed(black_box(&[query.as_str()])));
            },
        );
    }
}

criterion_group! {
    name = encoder;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    targets = products, embeddings
}
criterion_main!(encoder);
