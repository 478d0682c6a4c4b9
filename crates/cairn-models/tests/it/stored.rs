//! Vectors against those that `PyTorch` computed (`data/*.json`, made by `data/make_reference.py`), and errors of the choice of a path.

use cairn_models::testing::{write_tiny_model, write_tiny_model_with};
use cairn_models::{KernelChoice, LoadOptions, NativeEmbedder, Precision};
use cairn_types::ports::Embedder;
use sha2::{Digest, Sha256};

use crate::{cosine, kernels, load};

#[derive(serde::Deserialize)]
pub(crate) struct Stored {
    pub(crate) texts: Vec<String>,
    pub(crate) vectors: Vec<Vec<f32>>,
}

impl Stored {
    /// Every path and precision against the stored vectors.
    pub(crate) fn check(&self, dir: &std::path::Path, least: [(Precision, f64); 3]) {
        let texts: Vec<&str> = self.texts.iter().map(String::as_str).collect();
        for kernel in kernels(dir) {
            for (precision, least) in least {
                let got = load(dir, kernel, precision, 2).embed(&texts).unwrap();
                for ((text, got), expect) in texts.iter().zip(&got).zip(&self.vectors) {
                    let cosine = cosine(got, expect);
                    assert!(
                        cosine >= least,
                        "{kernel:?} {precision:?} `{text}`: cosine {cosine}"
                    );
                }
            }
        }
    }
}

fn tiny() -> Stored {
    serde_json::from_str(include_str!("data/tiny.json")).unwrap()
}

#[test]
fn every_path_agrees_with_pytorch() {
    let dir = tempfile::tempdir().unwrap();
    write_tiny_model(dir.path(), 1).unwrap();
    let least = [
        (Precision::F32, 0.999_999),
        (Precision::Bf16, 0.999),
        (Precision::Int8, 0.995),
    ];
    tiny().check(dir.path(), least);
}

/// The same digest on x86-64 and on ARM, whatever the path.
#[test]
fn int8_vectors_are_the_same_bits_on_every_machine() {
    let dir = tempfile::tempdir().unwrap();
    write_tiny_model(dir.path(), 1).unwrap();
    let texts = tiny().texts;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for kernel in kernels(dir.path()) {
        let vectors = load(dir.path(), kernel, Precision::Int8, 1)
            .embed(&texts)
            .unwrap();
        let bytes: Vec<u8> = vectors
            .iter()
            .flatten()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        let digest: String = Sha256::digest(&bytes)[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(digest, "e99a52a4b5fd687a", "{kernel:?}");
    }
}

#[test]
fn a_path_that_this_cpu_lacks_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write_tiny_model(dir.path(), 1).unwrap();
    let (word, kernel) = if cfg!(target_arch = "aarch64") {
        ("avx2", KernelChoice::Avx2)
    } else {
        ("neon", KernelChoice::Neon)
    };
    assert_eq!(word.parse::<KernelChoice>().unwrap(), kernel);
    let options = LoadOptions {
        kernel,
        ..LoadOptions::default()
    };
    let error = NativeEmbedder::load(dir.path(), &options).unwrap_err();
    let expect = format!("`kernel` is `{word}`, expected instructions that this CPU has, or auto");
    assert_eq!(error.to_string(), expect);
    assert!("sse".parse::<KernelChoice>().is_err());
}

#[test]
fn weights_that_are_no_numbers_are_refused_by_name() {
    for (name, bad) in [
        ("encoder.layer.1.output.dense.weight", f32::NAN),
        ("encoder.layer.0.attention.self.key.bias", f32::INFINITY),
        ("embeddings.word_embeddings.weight", f32::NEG_INFINITY),
        ("embeddings.LayerNorm.weight", f32::NAN),
    ] {
        let dir = tempfile::tempdir().unwrap();
        write_tiny_model_with(dir.path(), 1, |tensor, values| {
            if tensor == name {
                values[17] = bad;
            }
        })
        .unwrap();
        for precision in [Precision::Int8, Precision::Bf16, Precision::F32] {
            let options = LoadOptions {
                precision: Some(precision),
                ..LoadOptions::default()
            };
            let error = NativeEmbedder::load(dir.path(), &options).unwrap_err();
            let error = error.to_string();
            assert!(
                error.contains(&format!("`{name}` holds {bad}")),
                "{precision:?}: {error}"
            );
        }
    }
}
