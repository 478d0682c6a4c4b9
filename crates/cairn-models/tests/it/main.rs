//! The crate from outside: vectors against an independent computation, kernel paths against each other, installs and damage.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(clippy::print_stdout, reason = "figures and SKIP lines of tests")]

mod families;
mod paths;
mod real_model;
mod reference;
mod store;
mod stored;

use cairn_models::{KernelChoice, LoadOptions, NativeEmbedder, Precision};

/// Texts of many lengths, so that every tail of every tile is met.
pub(crate) fn texts() -> Vec<String> {
    let words = [
        "the", "river", "of", "1924", "runs", "into", "a", "wide", "delta,", "ünder", "(x/y)",
        "storms",
    ];
    let mut texts: Vec<String> = (0..30)
        .map(|n| {
            (0..n)
                .map(|i| words[(i * 7 + n) % words.len()])
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    texts.push("long ".repeat(200));
    texts
}

pub(crate) fn load(
    dir: &std::path::Path,
    kernel: KernelChoice,
    precision: Precision,
    threads: usize,
) -> NativeEmbedder {
    let options = LoadOptions {
        threads,
        precision: Some(precision),
        kernel,
    };
    NativeEmbedder::load(dir, &options).unwrap()
}

pub(crate) fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum::<f64>()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The paths that this CPU can be made to use.
pub(crate) fn kernels(dir: &std::path::Path) -> Vec<KernelChoice> {
    let all = [
        KernelChoice::Portable,
        KernelChoice::Avx2,
        KernelChoice::Avx512,
        KernelChoice::Neon,
    ];
    let works = |kernel: &KernelChoice| {
        let options = LoadOptions {
            kernel: *kernel,
            ..LoadOptions::default()
        };
        NativeEmbedder::load(dir, &options).is_ok()
    };
    all.into_iter().filter(works).collect()
}
