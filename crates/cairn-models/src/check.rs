//! The self-check at install: does a cheap precision say the same as `f32`?
//!
//! Fixed sentences are embedded in `f32` and in the candidate; int8 is taken where mean cosine >= 0.998 and the smallest >= 0.995
//! (measured on one model: 0.999 and 0.998), else bfloat16, else `f32`. Costs about a second per precision.

use std::path::Path;

use crate::embedder::LoadOptions;
use crate::error::ModelError;
use crate::family::Family;
use crate::load::{family_of, load_with};
use crate::manifest::{Manifest, Precision, SelfCheck, WEIGHTS};

const LEAST_MEAN: f32 = 0.998;
const LEAST_MIN: f32 = 0.995;

/// Short and long, prose and figures, other scripts, code: what documents hold.
const SENTENCES: [&str; 20] = [
    "How do I restart the service after changing its configuration?",
    "The invoice of 14 March covers 12 licences at 49.90 each, payable within thirty days.",
    "Employees may carry over up to five days of leave into the first quarter of the following year.",
    "Der Antrag muss spätestens zwei Wochen vor Beginn der Reise gestellt werden.",
    "La garantie ne couvre pas les dommages causés par une mauvaise utilisation.",
    "Error 0x80070005: access denied while writing to the registry.",
    "fn main() { let total: u32 = (1..=10).sum(); assert_eq!(total, 55); }",
    "Preheat the oven to 180 degrees and bake the bread for forty minutes until the crust is golden.",
    "The committee rejected the proposal because its costs were not documented.",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "Revenue grew by 7.4 % to 312 million, while the operating margin fell to 11.2 %.",
    "A patient with a penicillin allergy should receive a macrolide instead.",
    "yes",
    "Who wrote the second chapter?",
    "The bridge was built in 1883 and was, for two decades, the longest of its kind in the world.",
    "To reset the password, open the settings, choose Security, and confirm the link that is sent by mail.",
    "Backups are kept for ninety days. Older copies are deleted automatically, unless a legal hold is recorded for the tenant; in \
     that case the copies stay until the hold is lifted by two members of the compliance team.",
    "Die Wahl des Standorts hing von Wasser, Straßen und der Nähe zum Hafen ab.",
    "東京の人口は約千四百万人です。",
    "Table 3: throughput by batch size (1, 8, 32, 128) on two cores, mean of five runs.",
];

/// The cheapest precision that agrees with `f32`, and how well it does.
///
/// # Errors
/// Where the model cannot be loaded or computes nothing finite.
pub(crate) fn choose_precision(
    dir: &Path,
    manifest: &Manifest,
) -> Result<(Precision, Option<SelfCheck>), ModelError> {
    let exact = embed(dir, manifest, Precision::F32)?;
    if !matches!(family_of(dir, manifest)?, Family::Native(_)) {
        // The library computes in `f32` only: what had to be seen is that it computes at all.
        return Ok((Precision::F32, None));
    }
    for precision in [Precision::Int8, Precision::Bf16] {
        let check = compare(&exact, &embed(dir, manifest, precision)?);
        if check.mean_cosine >= LEAST_MEAN && check.min_cosine >= LEAST_MIN {
            return Ok((precision, Some(check)));
        }
        tracing::warn!(
            model.name = %manifest.name,
            model.recipe = precision.recipe(),
            check.mean_cosine,
            check.min_cosine,
            "precision rejected by the self-check"
        );
    }
    Ok((Precision::F32, None))
}

fn embed(
    dir: &Path,
    manifest: &Manifest,
    precision: Precision,
) -> Result<Vec<Vec<f32>>, ModelError> {
    let options = LoadOptions {
        precision: Some(precision),
        ..LoadOptions::default()
    };
    let embedder = load_with(dir, manifest, &options)?;
    embedder
        .embed(&SENTENCES)
        .map_err(|error| ModelError::Malformed {
            model: manifest.name.clone(),
            file: WEIGHTS.to_owned(),
            reason: error.to_string(),
        })
}

fn compare(exact: &[Vec<f32>], other: &[Vec<f32>]) -> SelfCheck {
    let cosines: Vec<f32> = exact
        .iter()
        .zip(other)
        .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum())
        .collect();
    SelfCheck {
        n_sentences: cosines.len() as u32,
        mean_cosine: cosines.iter().sum::<f32>() / cosines.len() as f32,
        min_cosine: cosines.iter().copied().fold(f32::INFINITY, f32::min),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparison_sees_the_worst_sentence() {
        let exact = vec![vec![1.0, 0.0], vec![0.0, 1.0]];
        let other = vec![vec![1.0, 0.0], vec![0.6, 0.8]];
        let check = compare(&exact, &other);
        assert_eq!((check.n_sentences, check.min_cosine), (2, 0.8));
        assert!((check.mean_cosine - 0.9).abs() < 1e-6);
    }

    #[test]
    fn a_model_that_quantises_badly_gets_another_precision() {
        let dir = tempfile::tempdir().unwrap();
        // One huge weight per channel leaves no steps for the others in int8.
        let manifest = crate::testing::write_tiny_model_with(dir.path(), 3, |name, weights| {
            if name.ends_with("dense.weight")
                || name.contains(".self.") && name.ends_with(".weight")
            {
                for row in weights.chunks_exact_mut(64) {
                    row[5] = 40.0;
                }
            }
        });
        let (precision, check) = choose_precision(dir.path(), &manifest.unwrap()).unwrap();
        assert_ne!(precision, Precision::Int8, "{check:?}");
    }
}
