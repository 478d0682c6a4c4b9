//! The shape of an encoder of the BERT family (BERT, `RoBERTa`, XLM-RoBERTa), read from `config.json` and checked against what the kernels compute.

use serde::Deserialize;

use crate::error::ModelError;
use crate::manifest::CONFIG;

/// Every row length is a multiple of this: two vectors of 16 lanes, one weight panel.
const STEP: usize = 32;

/// The shape of the encoder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    /// Components of a token's vector.
    pub(crate) hidden: usize,
    /// Width of the feed-forward layer.
    pub(crate) inner: usize,
    pub(crate) heads: usize,
    pub(crate) layers: usize,
    pub(crate) vocab: usize,
    /// Tokens of the longest sequence.
    pub(crate) positions: usize,
    /// Row of the position table at which a sequence starts: 0 in BERT; `RoBERTa` keeps the rows up to its padding token's number free.
    pub(crate) first_position: usize,
    pub(crate) token_types: usize,
    pub(crate) eps: f32,
}

#[derive(Deserialize)]
struct Raw {
    model_type: String,
    hidden_size: usize,
    intermediate_size: usize,
    num_attention_heads: usize,
    num_hidden_layers: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "two")]
    type_vocab_size: usize,
    layer_norm_eps: f32,
    #[serde(default = "gelu")]
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    #[serde(default = "one")]
    pad_token_id: usize,
}

/// What `model_type` may be. XLM-RoBERTa is `RoBERTa` with another tokenizer.
pub(crate) const NATIVE: [&str; 3] = ["bert", "roberta", "xlm-roberta"];

fn one() -> usize {
    1
}

fn two() -> usize {
    2
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn absolute() -> String {
    "absolute".to_owned()
}

impl Shape {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// `Malformed` where it is not such a file, `Unsupported` where the kernels do not compute this model.
    pub(crate) fn parse(model: &str, json: &[u8]) -> Result<Self, ModelError> {
        let raw: Raw = serde_json::from_slice(json).map_err(|e| ModelError::Malformed {
            model: model.to_owned(),
            file: CONFIG.to_owned(),
            reason: e.to_string(),
        })?;
        let first_position = match raw.model_type.as_str() {
            "bert" => 0,
            _ => raw.pad_token_id.saturating_add(1),
        };
        let positions = raw.max_position_embeddings.saturating_sub(first_position);
        let head_size = raw.hidden_size / raw.num_attention_heads.max(1);
        let needs = [
            (
                NATIVE.contains(&raw.model_type.as_str()),
                "`model_type`",
                raw.model_type.clone(),
                "bert, roberta or xlm-roberta",
            ),
            (
                raw.hidden_act == "gelu",
                "`hidden_act`",
                raw.hidden_act.clone(),
                "gelu",
            ),
            (
                raw.position_embedding_type == "absolute",
                "`position_embedding_type`",
                raw.position_embedding_type.clone(),
                "absolute",
            ),
            (
                fits(raw.hidden_size, 4096),
                "`hidden_size`",
                raw.hidden_size.to_string(),
                "a multiple of 32 up to 4096",
            ),
            (
                fits(raw.intermediate_size, 16_384),
                "`intermediate_size`",
                raw.intermediate_size.to_string(),
                "a multiple of 32 up to 16384",
            ),
            (
                fits(head_size, 4096) && head_size * raw.num_attention_heads == raw.hidden_size,
                "the size of an attention head",
                head_size.to_string(),
                "a multiple of 32",
            ),
            (
                (1..=64).contains(&raw.num_hidden_layers),
                "`num_hidden_layers`",
                raw.num_hidden_layers.to_string(),
                "1 to 64",
            ),
            (
                (1..=8192).contains(&positions),
                "`max_position_embeddings`",
                raw.max_position_embeddings.to_string(),
                "1 to 8192 beyond those that are kept free",
            ),
            (
                (1..=4_000_000).contains(&raw.vocab_size),
                "`vocab_size`",
                raw.vocab_size.to_string(),
                "1 to 4000000",
            ),
            (
                (1..=16).contains(&raw.type_vocab_size),
                "`type_vocab_size`",
                raw.type_vocab_size.to_string(),
                "1 to 16",
            ),
            (
                raw.layer_norm_eps > 0.0 && raw.layer_norm_eps < 0.1,
                "`layer_norm_eps`",
                raw.layer_norm_eps.to_string(),
                "between 0 and 0.1",
            ),
        ];
        if let Some((_, what, given, expected)) = needs.into_iter().find(|need| !need.0) {
            return Err(ModelError::Unsupported {
                model: model.to_owned(),
                reason: format!("{what} is {given}, expected {expected}"),
            });
        }
        Ok(Self {
            hidden: raw.hidden_size,
            inner: raw.intermediate_size,
            heads: raw.num_attention_heads,
            layers: raw.num_hidden_layers,
            vocab: raw.vocab_size,
            positions,
            first_position,
            token_types: raw.type_vocab_size,
            eps: raw.layer_norm_eps,
        })
    }

    pub(crate) fn head_size(&self) -> usize {
        self.hidden / self.heads
    }
}

fn fits(size: usize, most: usize) -> bool {
    size > 0 && size <= most && size.is_multiple_of(STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: &str, value: &str, expect: &str) {
        let mut json: serde_json::Value = serde_json::json!({
            "model_type": "bert", "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2,
            "num_hidden_layers": 2, "vocab_size": 40, "max_position_embeddings": 64, "layer_norm_eps": 1e-12,
        });
        json[field] = serde_json::from_str(value).unwrap();
        let got = Shape::parse("m", json.to_string().as_bytes());
        let got = got.map_or_else(
            |e| e.to_string(),
            |shape| format!("head {}", shape.head_size()),
        );
        assert!(got.contains(expect), "{field}={value}: {got}");
    }

    #[test]
    fn roberta_keeps_positions_free() {
        let positions = |model_type: &str, pad: usize, n: usize| {
            let json = serde_json::json!({
                "model_type": model_type, "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2,
                "num_hidden_layers": 2, "vocab_size": 40, "max_position_embeddings": n, "layer_norm_eps": 1e-5,
                "pad_token_id": pad, "type_vocab_size": 1,
            });
            Shape::parse("m", json.to_string().as_bytes())
                .map(|shape| (shape.first_position, shape.positions))
                .ok()
        };
        assert_eq!(positions("bert", 3, 512), Some((0, 512)));
        assert_eq!(positions("xlm-roberta", 1, 514), Some((2, 512)));
        assert_eq!(positions("roberta", 0, 8193), Some((1, 8192)));
        assert_eq!(positions("roberta", 1, 2), None);
        assert_eq!(positions("roberta", usize::MAX, 514), None);
    }

    #[test]
    fn only_computable_shapes_pass() {
        check("hidden_act", "\"gelu\"", "head 32");
        check(
            "hidden_act",
            "\"relu\"",
            "`hidden_act` is relu, expected gelu",
        );
        check("hidden_size", "65", "`hidden_size` is 65");
        check(
            "num_attention_heads",
            "4",
            "the size of an attention head is 16",
        );
        check("num_attention_heads", "0", "not supported");
        check("model_type", "\"xlm-roberta\"", "head 32");
        check("model_type", "\"t5\"", "`model_type` is t5, expected bert");
        check("max_position_embeddings", "8193", "is 8193, expected 1");
        check(
            "position_embedding_type",
            "\"relative_key\"",
            "expected absolute",
        );
        check("layer_norm_eps", "0", "`layer_norm_eps` is 0");
        check("num_hidden_layers", "\"six\"", "invalid type");
    }
}
