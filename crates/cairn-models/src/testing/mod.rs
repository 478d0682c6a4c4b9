//! Random models for tests and benches: the whole path from file to vector without a download, and its parts.
//!
//! The tiny one has two layers, 64 components, about 90 WordPieces (letters, digits, punctuation, a few words), so that every text has tokens.
//! Its vectors mean nothing, but equal texts have equal vectors and texts that share words are nearer than others.

mod steps;

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

pub use steps::Product;

use crate::error::ModelError;
use crate::manifest::{
    CONFIG, FORMAT, FileRecord, MANIFEST, Manifest, Pooling, Precision, TOKENIZER, WEIGHTS, sha256,
};
use crate::prompts::Prompts;

const POSITIONS: usize = 256;

/// The shape of a random model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomShape {
    /// Components of a vector.
    pub hidden: usize,
    /// Width of the feed-forward layer.
    pub inner: usize,
    /// Attention heads.
    pub heads: usize,
    /// Layers.
    pub layers: usize,
}

impl RandomShape {
    /// What tests take: everything in milliseconds.
    pub const TINY: Self = Self {
        hidden: 64,
        inner: 128,
        heads: 2,
        layers: 2,
    };

    /// The default model's (all-MiniLM-L6-v2), for benches.
    pub const MINI_LM: Self = Self {
        hidden: 384,
        inner: 1536,
        heads: 12,
        layers: 6,
    };
}

/// Writes a tiny model to `dir`, both as a folder from which a store installs and as an installed model that
/// [`crate::NativeEmbedder::load`] takes. The same seed gives the same model.
///
/// # Errors
/// Where the folder cannot be written.
pub fn write_tiny_model(dir: &Path, seed: u64) -> Result<Manifest, ModelError> {
    write_tiny_model_with(dir, seed, |_, _| {})
}

/// The same with a change to each tensor before it is written.
///
/// # Errors
/// Where the folder cannot be written.
pub fn write_tiny_model_with(
    dir: &Path,
    seed: u64,
    change: impl FnMut(&str, &mut [f32]),
) -> Result<Manifest, ModelError> {
    write_random_model(dir, RandomShape::TINY, seed, change)
}

/// The same in any shape.
///
/// # Errors
/// Where the folder cannot be written.
pub fn write_random_model(
    dir: &Path,
    shape: RandomShape,
    seed: u64,
    mut change: impl FnMut(&str, &mut [f32]),
) -> Result<Manifest, ModelError> {
    fs_err::create_dir_all(dir)?;
    let vocab = vocabulary();
    let mut tensors = BTreeMap::new();
    let mut random = Random(seed);
    for (name, size) in tensors_of(shape, vocab.len()) {
        let n = size.iter().product();
        let spread = if name.ends_with("weight") && size.len() == 2 && name.starts_with("encoder") {
            2.0 / (size[1] as f32).sqrt()
        } else {
            0.5
        };
        let middle = if name.ends_with("LayerNorm.weight") {
            1.0
        } else {
            0.0
        };
        let mut values: Vec<f32> = (0..n).map(|_| middle + spread * random.next()).collect();
        change(&name, &mut values);
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        tensors.insert(name, (size, bytes));
    }
    let views = tensors.iter().map(|(name, (shape, bytes))| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes)
            .expect("as many bytes as the shape says");
        (name, view)
    });
    let weights = safetensors::serialize(views, None).expect("views are serialisable");
    let config = serde_json::json!({
        "model_type": "bert", "hidden_act": "gelu", "hidden_size": shape.hidden,
        "intermediate_size": shape.inner, "num_attention_heads": shape.heads, "num_hidden_layers": shape.layers, "vocab_size": vocab.len(),
        "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
    });
    let mut files = Vec::new();
    let contents = [
        (WEIGHTS, weights),
        (TOKENIZER, tokenizer(&vocab).to_string().into_bytes()),
        (CONFIG, config.to_string().into_bytes()),
    ];
    for (name, content) in contents {
        fs_err::write(dir.join(name), &content)?;
        files.push(FileRecord {
            name: name.to_owned(),
            sha256: sha256(&content),
            size_bytes: content.len() as u64,
        });
    }
    let manifest = Manifest {
        format: FORMAT,
        name: format!("tiny-{seed}"),
        repo: None,
        revision: None,
        licence: None,
        dim: shape.hidden as u32,
        max_tokens: POSITIONS as u32,
        pooling: Pooling::Mean,
        prompts: Prompts::default(),
        precision: Precision::Int8,
        recipe: Precision::Int8.recipe().to_owned(),
        files,
        self_check: None,
    };
    let json = serde_json::to_vec_pretty(&manifest).expect("a manifest is serialisable");
    fs_err::write(dir.join(MANIFEST), json)?;
    Ok(manifest)
}

fn tensors_of(shape: RandomShape, vocab: usize) -> Vec<(String, Vec<usize>)> {
    let RandomShape {
        hidden,
        inner,
        layers,
        ..
    } = shape;
    let mut shapes = vec![
        (
            "embeddings.word_embeddings.weight".to_owned(),
            vec![vocab, hidden],
        ),
        (
            "embeddings.position_embeddings.weight".to_owned(),
            vec![POSITIONS, hidden],
        ),
        (
            "embeddings.token_type_embeddings.weight".to_owned(),
            vec![2, hidden],
        ),
        ("embeddings.LayerNorm.weight".to_owned(), vec![hidden]),
        ("embeddings.LayerNorm.bias".to_owned(), vec![hidden]),
    ];
    for i in 0..layers {
        let linears = [
            ("attention.self.query", hidden, hidden),
            ("attention.self.key", hidden, hidden),
            ("attention.self.value", hidden, hidden),
            ("attention.output.dense", hidden, hidden),
            ("intermediate.dense", inner, hidden),
            ("output.dense", hidden, inner),
        ];
        for (name, n, k) in linears {
            shapes.push((format!("encoder.layer.{i}.{name}.weight"), vec![n, k]));
            shapes.push((format!("encoder.layer.{i}.{name}.bias"), vec![n]));
        }
        for norm in ["attention.output.LayerNorm", "output.LayerNorm"] {
            shapes.push((format!("encoder.layer.{i}.{norm}.weight"), vec![hidden]));
            shapes.push((format!("encoder.layer.{i}.{norm}.bias"), vec![hidden]));
        }
    }
    shapes
}

fn vocabulary() -> Vec<String> {
    let mut vocab: Vec<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        .map(str::to_owned)
        .to_vec();
    let letters = ('a'..='z').chain('0'..='9');
    vocab.extend(letters.clone().map(String::from));
    vocab.extend(letters.map(|c| format!("##{c}")));
    vocab.extend(".,;:!?'\"()-/%".chars().map(String::from));
    vocab.extend(
        [
            "the", "and", "of", "to", "in", "is", "##ing", "##er", "##s2",
        ]
        .map(str::to_owned),
    );
    vocab
}

fn tokenizer(vocab: &[String]) -> serde_json::Value {
    let ids: serde_json::Map<String, serde_json::Value> = vocab
        .iter()
        .enumerate()
        .map(|(id, word)| (word.clone(), id.into()))
        .collect();
    let special = |id: usize| {
        serde_json::json!({
            "id": id, "content": vocab[id], "special": true, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false,
        })
    };
    let piece = |id: &str| serde_json::json!({ "SpecialToken": { "id": id, "type_id": 0 } });
    let text = serde_json::json!({ "Sequence": { "id": "A", "type_id": 0 } });
    serde_json::json!({
        "version": "1.0",
        // As published files do: both must be overridden by whoever loads this.
        "truncation": { "max_length": 16, "strategy": "LongestFirst", "stride": 0, "direction": "Right" },
        "padding": {
            "strategy": { "Fixed": 16 }, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0,
            "pad_token": "[PAD]",
        },
        "added_tokens": (0..5).map(special).collect::<Vec<_>>(),
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true,
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [piece("[CLS]"), text, piece("[SEP]")],
            "pair": [piece("[CLS]"), text, piece("[SEP]")],
            "special_tokens": {
                "[CLS]": { "id": "[CLS]", "ids": [2], "tokens": ["[CLS]"] },
                "[SEP]": { "id": "[SEP]", "ids": [3], "tokens": ["[SEP]"] },
            },
        },
        "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": ids,
        },
    })
}

/// `SplitMix64` (Steele, Lea, Flood 2014), as numbers between -1 and 1.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 40) as f32 / 8_388_608.0 - 1.0
    }
}
