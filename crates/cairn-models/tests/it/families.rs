//! Families beside BERT: tiny models against vectors of sentence-transformers (`../families/make.py` says how they were made).

use std::path::Path;
use std::sync::Arc;

use cairn_models::{InstalledModel, LoadOptions, ModelError, ModelStore, Precision, load};
use cairn_types::ports::Embedder;
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;

use crate::cosine;

const XLM_ROBERTA: &str = include_str!("../families/xlm-roberta.json");
const MODERNBERT: &str = include_str!("../families/modernbert.json");
const QWEN3: &str = include_str!("../families/qwen3.json");

#[derive(Deserialize)]
struct Family {
    files: serde_json::Map<String, serde_json::Value>,
    tensors: std::collections::BTreeMap<String, Vec<usize>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    kind: String,
    text: String,
    tokens: usize,
    vector: Vec<f32>,
}

impl Family {
    fn parse(json: &str) -> Self {
        serde_json::from_str(json).unwrap()
    }

    /// Writes the model's folder; `name` gives a tensor its name in the file.
    fn write(&self, dir: &Path, name: impl Fn(&str) -> String) {
        for (file, content) in &self.files {
            let path = dir.join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, content.to_string()).unwrap();
        }
        let tensors = self.tensors.iter().map(|(tensor, shape)| {
            let bytes = values(tensor, shape).into_iter().flat_map(f32::to_le_bytes);
            (name(tensor), shape, bytes.collect::<Vec<u8>>())
        });
        write_weights(dir, &tensors.collect::<Vec<_>>(), Dtype::F32);
    }
}

fn write_weights(dir: &Path, tensors: &[(String, &Vec<usize>, Vec<u8>)], dtype: Dtype) {
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(dtype, (*shape).clone(), bytes).unwrap();
        (name, view)
    });
    let weights = safetensors::serialize(views, None).unwrap();
    fs_err::write(dir.join("model.safetensors"), weights).unwrap();
}

/// The same numbers as `values` in `make.py`.
fn values(name: &str, shape: &[usize]) -> Vec<f32> {
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let is_gain = name.ends_with("weight");
    let n = shape.iter().product();
    std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let x = (z >> 40) as f32 / 8_388_608.0 - 1.0;
        match shape {
            [_] => x * 0.25 + f32::from(u8::from(is_gain)),
            _ if name.contains("embed") => x * 0.5,
            _ => x * (2.0 / (shape[1] as f32).sqrt()),
        }
    })
    .take(n)
    .collect()
}

fn install(family: &Family, home: &Path, name: &str) -> Result<InstalledModel, ModelError> {
    let folder = home.join(name);
    family.write(&folder, str::to_owned);
    ModelStore::open(home.join("models")).install_as(&folder, name)
}

fn load_as(model: &InstalledModel, precision: Precision) -> Arc<dyn Embedder> {
    let options = LoadOptions {
        threads: 2,
        precision: Some(precision),
        ..LoadOptions::default()
    };
    load(&model.dir, &options).unwrap()
}

/// Every case alone and all of one kind together.
fn check(family: &Family, embedder: &dyn Embedder, least: f64) {
    for kind in ["query", "passage"] {
        let cases: Vec<&Case> = family.cases.iter().filter(|c| c.kind == kind).collect();
        let embed = |texts: &[&str]| match kind {
            "query" => embedder.embed_queries(texts).unwrap(),
            _ => embedder.embed(texts).unwrap(),
        };
        let texts: Vec<&str> = cases.iter().map(|case| case.text.as_str()).collect();
        let together = embed(&texts);
        for (case, vector) in cases.iter().zip(&together) {
            let (text, alone) = (case.text.as_str(), embed(&[&case.text]).remove(0));
            for (how, got) in [("together", vector), ("alone", &alone)] {
                let cosine = cosine(got, &case.vector);
                let recipe = &embedder.space().recipe;
                assert!(
                    cosine >= least,
                    "{recipe}, {how}, {kind} `{text}`: cosine {cosine}"
                );
                let length: f32 = got.iter().map(|x| x * x).sum();
                assert!((length - 1.0).abs() < 1e-5, "`{text}`: length {length}");
            }
            if kind == "passage" {
                assert_eq!(embedder.count_tokens(text), case.tokens, "`{text}`");
            }
        }
        // The models tell texts apart: otherwise the above would say little.
        for (i, a) in cases.iter().enumerate() {
            for b in &cases[..i] {
                let (near, cosine) = (0.99, cosine(&a.vector, &b.vector));
                assert!(cosine < near, "`{}`, `{}`: {cosine}", a.text, b.text);
            }
        }
    }
}

#[test]
fn xlm_roberta_is_native_in_every_precision() {
    let family = Family::parse(XLM_ROBERTA);
    let dir = tempfile::tempdir().unwrap();
    let model = install(&family, dir.path(), "multilingual").unwrap();
    let manifest = &model.manifest;
    assert_eq!((manifest.max_tokens, manifest.dim), (128, 64));
    assert_eq!(manifest.prompts.query, "query: ");
    assert_eq!(manifest.prompts.passage, "passage: ");
    // Scores of random weights are far from uniform, which is harder on low precision than a trained model.
    for (precision, least) in [
        (Precision::F32, 0.999_999),
        (Precision::Bf16, 0.998),
        (Precision::Int8, 0.97),
    ] {
        check(&family, load_as(&model, precision).as_ref(), least);
    }
}

#[test]
fn prompts_and_exports_with_a_prefix() {
    let mut family = Family::parse(XLM_ROBERTA);
    let dir = tempfile::tempdir().unwrap();
    let with = install(&family, dir.path(), "with").unwrap();
    let prompts = "config_sentence_transformers.json";
    family.files[prompts] = serde_json::json!({ "prompts": {} });
    let folder = dir.path().join("without");
    family.write(&folder, |name| format!("roberta.{name}"));
    let store = ModelStore::open(dir.path().join("models"));
    let without = store.install_as(&folder, "without").unwrap();
    let [with, without] = [with, without].map(|model| load_as(&model, Precision::F32));
    assert!(without.space().prompts.is_empty());
    assert_ne!(with.space().key(), without.space().key());
    let query = with.embed_queries(&["who"]).unwrap();
    let passage = with.embed(&["who"]).unwrap();
    assert!(cosine(&query[0], &passage[0]) < 0.99);
    let by_hand = without.embed(&["query: who", "passage: who"]).unwrap();
    assert_eq!([&query[0], &passage[0]], [&by_hand[0], &by_hand[1]]);
    assert_eq!(
        with.count_tokens("who"),
        without.count_tokens("passage: who")
    );
}

#[cfg(not(feature = "families"))]
#[test]
fn other_builds_are_named() {
    use cairn_types::HasKind as _;
    for (json, name) in [(MODERNBERT, "modernbert"), (QWEN3, "qwen3")] {
        let dir = tempfile::tempdir().unwrap();
        let error = install(&Family::parse(json), dir.path(), "other").unwrap_err();
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        assert!(error.hint().unwrap().contains("--features families"));
        let left = ModelStore::open(dir.path().join("models")).list().unwrap();
        assert!(left.is_empty());
    }
}

#[cfg(feature = "families")]
mod library {
    use super::*;

    #[test]
    fn modernbert_gives_the_reference_vectors() {
        let family = Family::parse(MODERNBERT);
        let dir = tempfile::tempdir().unwrap();
        let model = install(&family, dir.path(), "modern").unwrap();
        assert_eq!(model.manifest.precision, Precision::F32);
        check(&family, load_as(&model, Precision::F32).as_ref(), 0.999_999);
    }

    #[test]
    fn qwen3_gives_the_reference_vectors() {
        let family = Family::parse(QWEN3);
        let dir = tempfile::tempdir().unwrap();
        let model = install(&family, dir.path(), "decoder").unwrap();
        assert!(model.manifest.prompts.query.starts_with("Instruct: "));
        let embedder = load_as(&model, Precision::F32);
        assert_eq!(embedder.space().pooling, "last");
        assert_eq!(embedder.space().recipe, "f32-candle-v1");
        check(&family, embedder.as_ref(), 0.999_999);
    }

    #[test]
    fn exports_with_a_head_and_halves_are_read() {
        for json in [MODERNBERT, QWEN3] {
            let family = Family::parse(json);
            let dir = tempfile::tempdir().unwrap();
            family.write(dir.path(), |name| format!("model.{name}"));
            let store = ModelStore::open(dir.path().join("models"));
            let model = store.install_as(dir.path(), "headed").unwrap();
            check(&family, load_as(&model, Precision::F32).as_ref(), 0.999_999);
            let tensors = family.tensors.iter().map(|(name, shape)| {
                let halves = values(name, shape).into_iter();
                let bytes = halves.flat_map(|x| half::bf16::from_f32(x).to_le_bytes());
                (name.clone(), shape, bytes.collect::<Vec<u8>>())
            });
            write_weights(dir.path(), &tensors.collect::<Vec<_>>(), Dtype::BF16);
            let model = store.install_as(dir.path(), "halves").unwrap();
            check(&family, load_as(&model, Precision::F32).as_ref(), 0.995);
        }
    }

    #[test]
    fn several_threads_may_embed_at_once() {
        let family = Family::parse(QWEN3);
        let dir = tempfile::tempdir().unwrap();
        let model = install(&family, dir.path(), "decoder").unwrap();
        let embedder = load_as(&model, Precision::F32);
        let texts: Vec<&str> = family.cases.iter().map(|case| case.text.as_str()).collect();
        let expect = embedder.embed(&texts).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(embedder.embed(&texts).unwrap(), expect));
            }
        });
        assert_eq!(embedder.embed(&[]).unwrap(), Vec::<Vec<f32>>::new());
        let long = "river ".repeat(5000);
        let cut = embedder.embed(&[&long]).unwrap();
        assert!(cut[0].iter().all(|x| x.is_finite()));
    }

    /// A tensor of the file: its name, shape and numbers. Without numbers it is left out.
    struct Given<'a>(&'a str, Vec<usize>, Vec<f32>);

    /// Why a model cannot be installed after a change to its tensors.
    fn refused(family: &Family, home: &Path, change: impl Fn(&mut Given<'_>)) -> String {
        let folder = home.join("bad");
        family.write(&folder, str::to_owned);
        let changed: Vec<Given<'_>> = family
            .tensors
            .iter()
            .map(|(name, shape)| {
                let mut given = Given(name, shape.clone(), values(name, shape));
                change(&mut given);
                given
            })
            .filter(|given| !given.2.is_empty())
            .collect();
        let tensors = changed.iter().map(|Given(name, shape, numbers)| {
            let bytes = numbers.iter().flat_map(|x| x.to_le_bytes());
            ((*name).to_owned(), shape, bytes.collect())
        });
        write_weights(&folder, &tensors.collect::<Vec<_>>(), Dtype::F32);
        let store = ModelStore::open(home.join("models"));
        let error = store.install_as(&folder, "bad").unwrap_err();
        assert!(store.list().unwrap().is_empty());
        error.to_string()
    }

    #[test]
    fn bad_weights_are_errors() {
        for json in [MODERNBERT, QWEN3] {
            let family = Family::parse(json);
            let dir = tempfile::tempdir().unwrap();
            for name in family.tensors.keys() {
                let missing = refused(&family, dir.path(), |given| {
                    if given.0 == name {
                        given.2.clear();
                    }
                });
                assert!(missing.contains(name.as_str()), "{name}: {missing}");
                let misshapen = refused(&family, dir.path(), |given| {
                    if given.0 == name {
                        given.1.push(1);
                    }
                });
                assert!(misshapen.contains("has the shape"), "{name}: {misshapen}");
            }
            let infinite = refused(&family, dir.path(), |given| {
                if given.0.starts_with("layers.1.mlp.") {
                    given.2[0] = f32::NAN;
                }
            });
            assert!(infinite.contains("holds NaN"), "{infinite}");
        }
    }

    #[test]
    fn only_f32_is_computed() {
        let dir = tempfile::tempdir().unwrap();
        let model = install(&Family::parse(MODERNBERT), dir.path(), "modern").unwrap();
        let options = LoadOptions {
            precision: Some(Precision::Int8),
            ..LoadOptions::default()
        };
        let Err(error) = load(&model.dir, &options) else {
            panic!("loaded in int8");
        };
        assert!(error.to_string().contains("is f32, not"), "{error}");
        let config = model.dir.join("config.json");
        let text = fs_err::read_to_string(&config).unwrap();
        fs_err::write(&config, text.replace("modernbert", "qwen3")).unwrap();
        assert!(matches!(
            load(&model.dir, &LoadOptions::default()),
            Err(ModelError::Damaged { .. })
        ));
    }
}
