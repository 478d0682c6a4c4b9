//! To which family a model belongs, and so who computes it: `model_type` of its `config.json`.

use serde::Deserialize;

use crate::config::{NATIVE, Shape};
use crate::error::ModelError;
#[cfg(feature = "families")]
use crate::families::Form;
use crate::manifest::{CONFIG, Pooling};

/// Families that candle computes, in a build that has it.
const LIBRARY: [&str; 2] = ["modernbert", "qwen3"];

/// A model by who computes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Family {
    /// Our own encoder.
    Native(Shape),
    /// candle.
    #[cfg(feature = "families")]
    Library(Form),
}

impl Family {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// `Malformed` where it is not such a file, `Unsupported` where nobody computes this model, `NotBuilt` where this build does not.
    pub(crate) fn parse(model: &str, json: &[u8]) -> Result<Self, ModelError> {
        #[derive(Deserialize)]
        struct Head {
            model_type: String,
        }
        let head: Head = serde_json::from_slice(json).map_err(|e| ModelError::Malformed {
            model: model.to_owned(),
            file: CONFIG.to_owned(),
            reason: e.to_string(),
        })?;
        let family = head.model_type;
        if NATIVE.contains(&family.as_str()) {
            return Shape::parse(model, json).map(Self::Native);
        }
        if LIBRARY.contains(&family.as_str()) {
            #[cfg(feature = "families")]
            return Form::parse(model, json).map(Self::Library);
            #[cfg(not(feature = "families"))]
            return Err(ModelError::NotBuilt {
                model: model.to_owned(),
                family,
            });
        }
        let known = [&NATIVE[..], &LIBRARY].concat().join(", ");
        Err(ModelError::Unsupported {
            model: model.to_owned(),
            reason: format!("`model_type` is {family}, expected one of {known}"),
        })
    }

    /// Components of a vector.
    pub(crate) fn dim(&self) -> usize {
        match self {
            Self::Native(shape) => shape.hidden,
            #[cfg(feature = "families")]
            Self::Library(form) => form.dim(),
        }
    }

    /// Tokens of the longest sequence.
    pub(crate) fn positions(&self) -> usize {
        match self {
            Self::Native(shape) => shape.positions,
            #[cfg(feature = "families")]
            Self::Library(form) => form.positions(),
        }
    }

    /// The pooling of a model that does not say.
    pub(crate) fn usual_pooling(&self) -> Pooling {
        match self {
            Self::Native(_) => Pooling::Mean,
            #[cfg(feature = "families")]
            Self::Library(form) => form.usual_pooling(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_says_what_would_do() {
        let error = |json: &str| Family::parse("m", json.as_bytes()).unwrap_err().to_string();
        assert!(error("{").contains("`config.json`"));
        assert!(error("{\"model_type\": \"t5\"}").contains("is t5, expected one of bert, roberta"));
        #[cfg(not(feature = "families"))]
        {
            use cairn_types::HasKind as _;
            for family in LIBRARY {
                let json = format!("{{\"model_type\": \"{family}\"}}");
                let error = Family::parse("m", json.as_bytes()).unwrap_err();
                assert!(error.to_string().contains(family), "{error}");
                assert!(error.hint().unwrap().contains("--features families"));
            }
        }
    }
}
