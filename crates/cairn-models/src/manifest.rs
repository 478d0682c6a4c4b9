//! `model.json`: what was installed, with the hash of every file, the recipe and the result of the self-check.
//!
//! Format 1. A reader refuses a newer format; unknown fields of the same format are ignored, so fields may be added.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::ModelError;
use crate::prompts::Prompts;

/// Name of the manifest in a model's folder.
pub(crate) const MANIFEST: &str = "model.json";

/// The format that this code writes.
pub(crate) const FORMAT: u32 = 1;

/// The files of a model, in the order of the manifest.
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(crate) const CONFIG: &str = "config.json";

/// In which numbers the linear layers are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Bytes: weights per output channel, activations per token; attention in bfloat16.
    Int8,
    /// bfloat16 weights and activations, sums in `f32`.
    Bf16,
    /// `f32` throughout.
    F32,
}

impl Precision {
    /// The name of the arithmetic in the embedding space. A change that changes vectors gets a new number.
    #[must_use]
    pub const fn recipe(self) -> &'static str {
        match self {
            Self::Int8 => "int8-per-token-v1",
            Self::Bf16 => "bf16-v1",
            Self::F32 => "f32-v1",
        }
    }
}

impl std::str::FromStr for Precision {
    type Err = ModelError;

    fn from_str(word: &str) -> Result<Self, ModelError> {
        match word {
            "int8" => Ok(Self::Int8),
            "bf16" => Ok(Self::Bf16),
            "f32" => Ok(Self::F32),
            _ => Err(ModelError::Option {
                option: "precision",
                given: word.to_owned(),
                expected: "int8, bf16 or f32",
            }),
        }
    }
}

/// How the vectors of the tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Their mean, special tokens included.
    Mean,
    /// The vector of the first token.
    Cls,
    /// The vector of the last token, which in a decoder is the only one that has seen the whole text.
    Last,
}

impl Pooling {
    /// Its word in the manifest and in the embedding space.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
            Self::Last => "last",
        }
    }
}

/// What was installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this record.
    pub format: u32,
    /// The model's name.
    pub name: String,
    /// Repository on the hub, for models of the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// Commit of that repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// SPDX identifier of its licence, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Components of a vector.
    pub dim: u32,
    /// Most tokens of one input, special tokens included.
    pub max_tokens: u32,
    /// How token vectors become one.
    pub pooling: Pooling,
    /// What the model wants to read before questions and passages.
    #[serde(default, skip_serializing_if = "Prompts::is_empty")]
    pub prompts: Prompts,
    /// The precision that passed the self-check.
    pub precision: Precision,
    /// [`Precision::recipe`] when it was installed.
    pub recipe: String,
    /// Its files.
    pub files: Vec<FileRecord>,
    /// How far the precision is from `f32`; absent where it is `f32` itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_check: Option<SelfCheck>,
}

/// A file of an installed model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Its name in the model's folder.
    pub name: String,
    /// SHA-256 of its content, hexadecimal.
    pub sha256: String,
    /// Its size.
    pub size_bytes: u64,
}

/// Agreement of a precision with `f32` on fixed sentences.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SelfCheck {
    /// Sentences compared.
    pub n_sentences: u32,
    /// Mean cosine of the two vectors of a sentence.
    pub mean_cosine: f32,
    /// Smallest cosine.
    pub min_cosine: f32,
}

impl Manifest {
    /// Reads `model.json` of a model's folder.
    ///
    /// # Errors
    /// [`ModelError::NotInstalled`] where there is none, [`ModelError::Malformed`] where it cannot be understood.
    pub fn read(dir: &Path) -> Result<Self, ModelError> {
        let folder = dir
            .file_name()
            .map_or_else(|| "model".into(), |n| n.to_string_lossy());
        let bytes = match fs_err::read(dir.join(MANIFEST)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ModelError::NotInstalled {
                    model: folder.into_owned(),
                    dir: dir.parent().unwrap_or(dir).to_owned(),
                });
            }
            Err(error) => return Err(error.into()),
        };
        let malformed = |reason: String| ModelError::Malformed {
            model: folder.clone().into_owned(),
            file: MANIFEST.to_owned(),
            reason,
        };
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_slice(&bytes).map_err(|e| malformed(e.to_string()))?;
        if head.format != FORMAT {
            return Err(malformed(format!(
                "format {} is not format {FORMAT}",
                head.format
            )));
        }
        serde_json::from_slice(&bytes).map_err(|e| malformed(e.to_string()))
    }

    /// The record of a file.
    ///
    /// # Errors
    /// Where the manifest does not list it.
    pub(crate) fn file(&self, name: &str) -> Result<&FileRecord, ModelError> {
        self.files
            .iter()
            .find(|file| file.name == name)
            .ok_or_else(|| ModelError::Malformed {
                model: self.name.clone(),
                file: MANIFEST.to_owned(),
                reason: format!("`{name}` is not listed"),
            })
    }

    /// SHA-256 over the hashes of all files: what the embedding space calls the model's content.
    #[must_use]
    pub fn model_hash(&self) -> String {
        let mut hasher = Sha256::new();
        for file in &self.files {
            hasher.update(file.name.as_bytes());
            hasher.update([0]);
            hasher.update(file.sha256.as_bytes());
            hasher.update([0]);
        }
        hex(&hasher.finalize())
    }

    /// Compares a file's content with its record.
    ///
    /// # Errors
    /// [`ModelError::Damaged`] with both hashes.
    pub(crate) fn verify(&self, name: &str, content: &[u8]) -> Result<(), ModelError> {
        let record = self.file(name)?;
        let found = sha256(content);
        if found == record.sha256 {
            return Ok(());
        }
        Err(ModelError::Damaged {
            model: self.name.clone(),
            file: name.to_owned(),
            found,
            expected: record.sha256.clone(),
        })
    }
}

/// SHA-256, hexadecimal.
pub(crate) fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
