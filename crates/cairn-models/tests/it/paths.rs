//! Every kernel path and precision on a tiny random model.

use cairn_models::testing::write_tiny_model;
use cairn_models::{KernelChoice, Precision};
use cairn_types::ports::{Caller, EmbedError, Embedder, Urgency};

use crate::reference::Reference;
use crate::{cosine, kernels, load, texts};

/// The tiny model's scores are far from uniform, which makes it harder on low precision than a trained one.
#[test]
fn every_path_and_precision_agrees_with_the_reference() {
    let dir = tempfile::tempdir().unwrap();
    for seed in [1, 2] {
        write_tiny_model(dir.path(), seed).unwrap();
        let reference = Reference::open(dir.path(), 256);
        let texts = texts();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let expect: Vec<_> = texts.iter().map(|text| reference.embed(text)).collect();
        for kernel in kernels(dir.path()) {
            for (precision, least) in [
                (Precision::F32, 0.999_999),
                (Precision::Bf16, 0.999),
                (Precision::Int8, 0.995),
            ] {
                let got = load(dir.path(), kernel, precision, 2)
                    .embed(&texts)
                    .unwrap();
                for ((text, got), expect) in texts.iter().zip(&got).zip(&expect) {
                    let cosine = cosine(got, expect);
                    assert!(
                        cosine >= least,
                        "{kernel:?} {precision:?} `{text}`: cosine {cosine}"
                    );
                    let length: f32 = got.iter().map(|x| x * x).sum();
                    assert!((length - 1.0).abs() < 1e-5, "length {length}");
                }
            }
        }
    }
}

#[test]
fn paths_give_the_same_vectors() {
    let dir = tempfile::tempdir().unwrap();
    write_tiny_model(dir.path(), 7).unwrap();
    let texts = texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for precision in [Precision::Int8, Precision::Bf16, Precision::F32] {
        let plain = load(dir.path(), KernelChoice::Portable, precision, 1)
            .embed(&texts)
            .unwrap();
        for kernel in kernels(dir.path()) {
            let got = load(dir.path(), kernel, precision, 1)
                .embed(&texts)
                .unwrap();
            for ((text, a), b) in texts.iter().zip(&got).zip(&plain) {
                if precision == Precision::F32 {
                    assert!(
                        cosine(a, b) > 0.999_999,
                        "{kernel:?} `{text}`: {}",
                        cosine(a, b)
                    );
                } else {
                    assert_eq!(a, b, "{kernel:?} {precision:?} `{text}`");
                }
            }
        }
    }
}

#[test]
fn a_vector_does_not_depend_on_batch_or_threads() {
    let dir = tempfile::tempdir().unwrap();
    write_tiny_model(dir.path(), 5).unwrap();
    let texts = texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for kernel in kernels(dir.path()) {
        for precision in [Precision::Int8, Precision::Bf16, Precision::F32] {
            let embedder = load(dir.path(), kernel, precision, 4);
            let alone: Vec<_> = texts
                .iter()
                .map(|text| embedder.embed(&[text]).unwrap().remove(0))
                .collect();
            assert_eq!(
                embedder.embed(&texts).unwrap(),
                alone,
                "{kernel:?} {precision:?}"
            );
            let reversed: Vec<&str> = texts.iter().rev().copied().collect();
            let mut together = load(dir.path(), kernel, precision, 1)
                .embed(&reversed)
                .unwrap();
            together.reverse();
            assert_eq!(together, alone, "{kernel:?} {precision:?}, reversed");
        }
    }
}

#[test]
fn several_threads_may_embed_at_once() {
    let dir = tempfile::tempdir().unwrap();
    write_tiny_model(dir.path(), 9).unwrap();
    let embedder = load(dir.path(), KernelChoice::Auto, Precision::Int8, 3);
    let texts = texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let expect = embedder.embed(&texts).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert_eq!(embedder.embed(&texts).unwrap(), expect);
                }
            });
        }
    });
    assert_eq!(embedder.embed(&[]).unwrap(), Vec::<Vec<f32>>::new());
}

#[test]
fn tokens_are_counted_before_the_cut() {
    let dir = tempfile::tempdir().unwrap();
    write_tiny_model(dir.path(), 1).unwrap();
    let embedder = load(dir.path(), KernelChoice::Auto, Precision::Int8, 1);
    for (text, expect) in [
        ("", 2),
        ("the", 3),
        ("The THE the", 5),
        ("abc", 5),
        // A control token inside a text is its letters.
        ("[SEP]", 2 + 1 + 3 + 1),
        ("é", 3),
    ] {
        assert_eq!(embedder.count_tokens(text), expect, "`{text}`");
    }
    let long = "the ".repeat(1000);
    assert_eq!(embedder.count_tokens(&long), 1002);
    let vectors = embedder
        .embed(&[&long, &"the ".repeat(254), &"the ".repeat(253)])
        .unwrap();
    assert_eq!(vectors[0], vectors[1]);
    assert_ne!(vectors[1], vectors[2]);
    assert_eq!(
        (embedder.space().max_tokens, embedder.space().dim),
        (256, 64)
    );
}

#[test]
fn callers_at_once_get_their_own_vectors() {
    let dir = tempfile::tempdir().unwrap();
    write_tiny_model(dir.path(), 11).unwrap();
    let embedder = load(dir.path(), KernelChoice::Auto, Precision::Int8, 2);
    let texts: Vec<String> = (0..64)
        .map(|i| format!("the storm of 19{i} {}", "and the river ".repeat(i % 5)))
        .collect();
    let expect: Vec<_> = texts
        .iter()
        .map(|text| embedder.embed(&[text]).unwrap())
        .collect();
    let all: Vec<&str> = texts.iter().map(String::as_str).collect();
    let before = embedder.counts();
    let start = std::sync::Barrier::new(texts.len() + 1);
    std::thread::scope(|scope| {
        for (text, expect) in texts.iter().zip(&expect) {
            scope.spawn(|| {
                start.wait();
                assert_eq!(embedder.embed(&[text]).unwrap(), *expect);
            });
        }
        // Bulk work among them.
        start.wait();
        let bulk = Caller::new(Urgency::Bulk);
        assert_eq!(embedder.embed_for(&bulk, &all).unwrap(), expect.concat());
    });
    let after = embedder.counts();
    assert_eq!(after.n_computed - before.n_computed, 128);
    assert!(after.n_slices - before.n_slices <= 128);

    let gone = Caller::new(Urgency::Query);
    drop(gone.waiting());
    let error = embedder.embed_for(&gone, &all).unwrap_err();
    assert!(matches!(error, EmbedError::Cancelled), "{error}");
    assert_eq!(embedder.counts().n_computed, after.n_computed);
}
