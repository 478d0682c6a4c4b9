//! The shape of a model, read from `config.json` and checked against what is computed.
//!
//! Both spellings of the rotary base are read: one number beside the others, and the later `rope_parameters`.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::ModelError;
use crate::manifest::{CONFIG, Pooling};

/// Most tokens of a sequence, whatever a model allows: a passage is a few hundred, and attention grows with the square.
const MOST_POSITIONS: usize = 8192;

/// The shape of a model of either family.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Form {
    ModernBert(ModernBertForm),
    Qwen3(Qwen3Form),
}

/// What both have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sizes {
    /// Components of a token's vector.
    pub(crate) hidden: usize,
    /// Width of the feed-forward layer.
    pub(crate) inner: usize,
    pub(crate) heads: usize,
    /// Heads of keys and values; each serves `heads / kv_heads` heads of queries.
    pub(crate) kv_heads: usize,
    pub(crate) head_size: usize,
    pub(crate) layers: usize,
    pub(crate) vocab: usize,
    pub(crate) positions: usize,
    pub(crate) eps: f32,
}

/// Warner et al. 2024.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModernBertForm {
    pub(crate) sizes: Sizes,
    /// Per layer: whether it sees the whole text, or only `window` tokens to either side.
    pub(crate) is_global: Vec<bool>,
    pub(crate) window: usize,
    /// Rotary base of the layers that see everything, and of the others.
    pub(crate) global_base: f64,
    pub(crate) local_base: f64,
}

/// Yang et al. 2025.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Qwen3Form {
    pub(crate) sizes: Sizes,
    pub(crate) base: f64,
}

impl Form {
    /// Reads `config.json`, whose `model_type` is one of the two.
    ///
    /// # Errors
    /// `Malformed` where it is not such a file, `Unsupported` where it asks for what is not computed.
    pub(crate) fn parse(model: &str, json: &[u8]) -> Result<Self, ModelError> {
        #[derive(Deserialize)]
        struct Head {
            model_type: String,
        }
        let head: Head = read(model, json)?;
        let parsed = match head.model_type.as_str() {
            "modernbert" => read::<RawModernBert>(model, json)?
                .check()
                .map(Self::ModernBert),
            "qwen3" => read::<RawQwen3>(model, json)?.check().map(Self::Qwen3),
            other => Err(format!(
                "`model_type` is {other}, expected modernbert or qwen3"
            )),
        };
        parsed.map_err(|reason| ModelError::Unsupported {
            model: model.to_owned(),
            reason,
        })
    }

    pub(crate) fn sizes(&self) -> &Sizes {
        match self {
            Self::ModernBert(form) => &form.sizes,
            Self::Qwen3(form) => &form.sizes,
        }
    }

    pub(crate) fn dim(&self) -> usize {
        self.sizes().hidden
    }

    pub(crate) fn positions(&self) -> usize {
        self.sizes().positions
    }

    /// A decoder's last token is the only one that has seen the whole text.
    pub(crate) fn usual_pooling(&self) -> Pooling {
        match self {
            Self::ModernBert(_) => Pooling::Mean,
            Self::Qwen3(_) => Pooling::Last,
        }
    }
}

fn read<T: DeserializeOwned>(model: &str, json: &[u8]) -> Result<T, ModelError> {
    serde_json::from_slice(json).map_err(|e| ModelError::Malformed {
        model: model.to_owned(),
        file: CONFIG.to_owned(),
        reason: e.to_string(),
    })
}

/// Rotary settings in the later spelling.
#[derive(Deserialize, Default)]
struct Rope {
    rope_theta: Option<f64>,
    rope_type: Option<String>,
}

impl Rope {
    /// The base: here, or in the earlier spelling, or the family's.
    fn base(rope: Option<&Self>, earlier: Option<f64>, usual: f64) -> Result<f64, String> {
        let base = rope
            .and_then(|rope| rope.rope_theta)
            .or(earlier)
            .unwrap_or(usual);
        let kind = rope.and_then(|rope| rope.rope_type.as_deref());
        need(
            kind.is_none_or(|kind| kind == "default"),
            "`rope_type`",
            &kind.unwrap_or_default(),
            "default",
        )?;
        let fits = base.is_finite() && base > 1.0;
        need(fits, "`rope_theta`", &base, "more than 1")?;
        Ok(base)
    }
}

#[derive(Deserialize, Default)]
struct TwoRopes {
    full_attention: Option<Rope>,
    sliding_attention: Option<Rope>,
}

#[derive(Deserialize)]
struct RawModernBert {
    hidden_size: usize,
    intermediate_size: usize,
    num_attention_heads: usize,
    num_hidden_layers: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    norm_eps: Option<f32>,
    hidden_activation: Option<String>,
    global_attn_every_n_layers: Option<usize>,
    layer_types: Option<Vec<String>>,
    local_attention: Option<usize>,
    global_rope_theta: Option<f64>,
    local_rope_theta: Option<f64>,
    rope_parameters: Option<TwoRopes>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default)]
    norm_bias: bool,
}

impl RawModernBert {
    fn check(self) -> Result<ModernBertForm, String> {
        let biases = [
            (self.attention_bias, "`attention_bias`"),
            (self.mlp_bias, "`mlp_bias`"),
            (self.norm_bias, "`norm_bias`"),
        ];
        for (is_on, what) in biases {
            need(!is_on, what, &is_on, "false")?;
        }
        let act = self.hidden_activation.as_deref().unwrap_or("gelu");
        need(act == "gelu", "`hidden_activation`", &act, "gelu")?;
        let sizes = Sizes {
            hidden: self.hidden_size,
            inner: self.intermediate_size,
            heads: self.num_attention_heads,
            kv_heads: self.num_attention_heads,
            head_size: self.hidden_size / self.num_attention_heads.max(1),
            layers: self.num_hidden_layers,
            vocab: self.vocab_size,
            positions: self.max_position_embeddings.min(MOST_POSITIONS),
            eps: self.norm_eps.unwrap_or(1e-5),
        };
        sizes.check()?;
        let fits = sizes.head_size * sizes.heads == sizes.hidden;
        need(
            fits,
            "`num_attention_heads`",
            &sizes.heads,
            "a divisor of `hidden_size`",
        )?;
        let every = self.global_attn_every_n_layers.unwrap_or(3).max(1);
        let is_global = match self.layer_types {
            None => (0..sizes.layers).map(|i| i % every == 0).collect(),
            Some(types) => {
                let known = ["full_attention", "sliding_attention"];
                let other = types.iter().find(|kind| !known.contains(&kind.as_str()));
                need(
                    other.is_none() && types.len() == sizes.layers,
                    "`layer_types`",
                    &types.join(", "),
                    "full_attention or sliding_attention for each layer",
                )?;
                types.iter().map(|kind| kind == known[0]).collect()
            }
        };
        let ropes = self.rope_parameters.unwrap_or_default();
        Ok(ModernBertForm {
            sizes,
            is_global,
            window: self.local_attention.unwrap_or(128) / 2,
            global_base: Rope::base(
                ropes.full_attention.as_ref(),
                self.global_rope_theta,
                160_000.0,
            )?,
            local_base: Rope::base(
                ropes.sliding_attention.as_ref(),
                self.local_rope_theta,
                10_000.0,
            )?,
        })
    }
}

#[derive(Deserialize)]
struct RawQwen3 {
    hidden_size: usize,
    intermediate_size: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    num_hidden_layers: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    rms_norm_eps: Option<f32>,
    hidden_act: Option<String>,
    rope_theta: Option<f64>,
    rope_parameters: Option<Rope>,
    rope_scaling: Option<serde_json::Value>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    use_sliding_window: bool,
}

impl RawQwen3 {
    fn check(self) -> Result<Qwen3Form, String> {
        let switches = [
            (self.attention_bias, "`attention_bias`"),
            (self.use_sliding_window, "`use_sliding_window`"),
        ];
        for (is_on, what) in switches {
            need(!is_on, what, &is_on, "false")?;
        }
        let act = self.hidden_act.as_deref().unwrap_or("silu");
        need(act == "silu", "`hidden_act`", &act, "silu")?;
        if let Some(scaling) = self.rope_scaling.filter(|scaling| !scaling.is_null()) {
            need(false, "`rope_scaling`", &scaling, "null")?;
        }
        let sizes = Sizes {
            hidden: self.hidden_size,
            inner: self.intermediate_size,
            heads: self.num_attention_heads,
            kv_heads: self.num_key_value_heads.unwrap_or(self.num_attention_heads),
            head_size: self.head_dim.unwrap_or(128),
            layers: self.num_hidden_layers,
            vocab: self.vocab_size,
            positions: self.max_position_embeddings.min(MOST_POSITIONS),
            eps: self.rms_norm_eps.unwrap_or(1e-6),
        };
        sizes.check()?;
        let base = Rope::base(self.rope_parameters.as_ref(), self.rope_theta, 10_000.0)?;
        Ok(Qwen3Form { sizes, base })
    }
}

impl Sizes {
    fn check(&self) -> Result<(), String> {
        let ranges = [
            ("`hidden_size`", self.hidden, 16_384),
            ("`intermediate_size`", self.inner, 65_536),
            ("`num_attention_heads`", self.heads, 256),
            ("`num_key_value_heads`", self.kv_heads, 256),
            ("the size of an attention head", self.head_size, 1024),
            ("`num_hidden_layers`", self.layers, 128),
            ("`vocab_size`", self.vocab, 4_000_000),
            ("`max_position_embeddings`", self.positions, MOST_POSITIONS),
        ];
        for (what, given, most) in ranges {
            let fits = (1..=most).contains(&given);
            need(fits, what, &given, &format!("1 to {most}"))?;
        }
        let is_even = self.head_size.is_multiple_of(2);
        let (size, kv_heads) = (self.head_size, self.kv_heads);
        need(is_even, "the size of an attention head", &size, "even")?;
        let divides = self.heads.is_multiple_of(kv_heads);
        let expected = "a divisor of `num_attention_heads`";
        need(divides, "`num_key_value_heads`", &kv_heads, expected)?;
        let fits = self.eps > 0.0 && self.eps < 0.1;
        need(fits, "the epsilon of the norms", &self.eps, "0 to 0.1")
    }
}

fn need(
    fits: bool,
    what: &str,
    given: &dyn std::fmt::Display,
    expected: &str,
) -> Result<(), String> {
    if fits {
        return Ok(());
    }
    Err(format!("{what} is {given}, expected {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(family: &str) -> serde_json::Value {
        serde_json::json!({
            "model_type": family, "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_hidden_layers": 4,
            "vocab_size": 40, "max_position_embeddings": 32768,
        })
    }

    fn check(family: &str, field: &str, value: &str, expect: &str) {
        let mut json = config(family);
        json[field] = serde_json::from_str(value).unwrap();
        let got = Form::parse("m", json.to_string().as_bytes());
        let got = got.map_or_else(|e| e.to_string(), |form| format!("{form:?}"));
        assert!(got.contains(expect), "{family} {field}={value}: {got}");
    }

    #[test]
    fn both_spellings_are_read() {
        let m = "modernbert";
        check(m, "hidden_size", "64", "positions: 8192");
        check(m, "hidden_size", "64", "[true, false, false, true]");
        check(
            m,
            "global_attn_every_n_layers",
            "2",
            "[true, false, true, false]",
        );
        check(
            m,
            "global_attn_every_n_layers",
            "0",
            "[true, true, true, true]",
        );
        let types =
            r#"["full_attention", "full_attention", "sliding_attention", "full_attention"]"#;
        check(m, "layer_types", types, "[true, true, false, true]");
        check(
            m,
            "layer_types",
            "[\"full_attention\"]",
            "`layer_types` is full_attention",
        );
        check(m, "local_attention", "9", "window: 4");
        check(
            m,
            "global_rope_theta",
            "80000.0",
            "global_base: 80000.0, local_base: 10000.0",
        );
        check(
            m,
            "rope_parameters",
            r#"{"sliding_attention": {"rope_theta": 7, "rope_type": "default"}}"#,
            "local_base: 7.0",
        );
        check(
            m,
            "rope_parameters",
            r#"{"full_attention": {"rope_type": "yarn"}}"#,
            "`rope_type` is yarn",
        );
        let q = "qwen3";
        check(q, "rope_theta", "1000000", "base: 1000000.0");
        check(
            q,
            "rope_parameters",
            r#"{"rope_theta": 5000000.0, "rope_type": "default"}"#,
            "base: 5000000.0",
        );
        check(q, "head_dim", "32", "head_size: 32");
        check(q, "num_key_value_heads", "2", "kv_heads: 2");
    }

    #[test]
    fn what_is_not_computed_is_refused() {
        for (family, field, value, expect) in [
            (
                "modernbert",
                "norm_bias",
                "true",
                "`norm_bias` is true, expected false",
            ),
            (
                "modernbert",
                "hidden_activation",
                "\"silu\"",
                "`hidden_activation` is silu",
            ),
            (
                "modernbert",
                "num_attention_heads",
                "3",
                "the size of an attention head is 21",
            ),
            (
                "modernbert",
                "num_attention_heads",
                "0",
                "`num_attention_heads` is 0",
            ),
            (
                "modernbert",
                "norm_eps",
                "0",
                "the epsilon of the norms is 0",
            ),
            ("modernbert", "num_hidden_layers", "\"six\"", "invalid type"),
            (
                "modernbert",
                "max_position_embeddings",
                "0",
                "`max_position_embeddings` is 0",
            ),
            (
                "qwen3",
                "num_key_value_heads",
                "3",
                "`num_key_value_heads` is 3, expected a divisor",
            ),
            (
                "qwen3",
                "use_sliding_window",
                "true",
                "`use_sliding_window` is true",
            ),
            (
                "qwen3",
                "rope_scaling",
                r#"{"type": "yarn"}"#,
                "`rope_scaling` is",
            ),
            ("qwen3", "rope_theta", "-1", "`rope_theta` is -1"),
            ("qwen3", "vocab_size", "4000001", "`vocab_size` is 4000001"),
            ("qwen3", "hidden_act", "\"relu\"", "`hidden_act` is relu"),
        ] {
            check(family, field, value, expect);
        }
    }
}
