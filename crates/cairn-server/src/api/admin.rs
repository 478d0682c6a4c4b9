//! Health, readiness, status, models, vectors and indexes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Problem;

/// `GET /health`: the process answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    pub status: String,
    /// Version of Cairn.
    pub version: String,
}

/// `GET /ready`: what the process can do at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// `ready`; where it is not, the reply is a problem document with status 503.
    pub status: String,
    /// The embedding model; `null`: lexical only.
    pub model: Option<String>,
    /// Whether documents are found by words only.
    pub lexical_only: bool,
    /// Position that searches see.
    pub index_seq: u64,
    /// Documents that can be found. Told to the owner only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documents: Option<u64>,
    /// Chunks that can be found by words. Told to the owner only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<u64>,
    /// Chunks that can be found by meaning. Told to the owner only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vectors: Option<u64>,
}

/// `GET /local/v1/status`: the state of the data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Version of Cairn.
    pub version: String,
    /// Documents that can be found.
    pub documents: u64,
    /// Chunks that can be found by words.
    pub chunks: u64,
    /// Chunks that can be found by meaning.
    pub vectors: u64,
    /// Newest position of the catalog.
    pub catalog_seq: u64,
    /// Position that searches see.
    pub index_seq: u64,
    /// The embedding model in use.
    pub model: Option<String>,
    /// Whether documents are found by words only.
    pub lexical_only: bool,
    /// The language model that answers, where one is configured.
    pub chat: Option<ChatModel>,
    /// Usable keys.
    pub keys: u64,
    /// Jobs that wait or run.
    pub open_jobs: u64,
}

/// A language model that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChatModel {
    /// Who offers it.
    pub provider: String,
    /// Its name; empty as long as it is not known.
    pub model: String,
}

/// Embedding models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelList {
    /// Installed ones first.
    pub models: Vec<Model>,
}

/// An embedding model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Whether it is installed.
    pub installed: bool,
    /// Whether searches use it.
    pub active: bool,
    /// Components of a vector.
    pub dim: u32,
    /// Most tokens of one input.
    pub max_tokens: u32,
    /// Precision of its arithmetic, where it is installed.
    pub precision: Option<String>,
    /// SPDX identifier of its licence, where known.
    pub licence: Option<String>,
    /// Bytes of its files.
    pub size_bytes: u64,
    /// Smallest cosine to the same model in `f32` on fixed sentences, where it was checked.
    pub self_check_min_cosine: Option<f32>,
    /// Why it cannot be used, where it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// Installs an embedding model from a file or folder of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallModel {
    /// Absolute path of a folder, wheel or archive that holds the model.
    pub path: String,
    /// The name for a model that is not in the catalogue; without it only models of the catalogue are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// One line of `POST /local/v1/vectors/fill`. The last line is `summary`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum FillEvent {
    /// Chunks embedded so far.
    Progress {
        /// How many.
        n_embedded: u64,
    },
    /// The end.
    Summary(FillSummary),
}

/// The end of filling vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FillSummary {
    /// Chunks embedded.
    pub embedded: u64,
    /// Chunks whose input exceeded the model's limit.
    pub truncated: u64,
    /// Whether there is no model, so nothing could be done.
    pub lexical_only: bool,
    /// Time spent embedding.
    pub embed_ms: f64,
    /// Why it stopped before its end; finished batches stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// The search indexes after a rebuild.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IndexReply {
    /// Position that searches see.
    pub seq: u64,
    /// Documents that can be found.
    pub documents: u64,
    /// Chunks that can be found by words.
    pub chunks: u64,
    /// Chunks that can be found by meaning.
    pub vectors: u64,
    /// Wall time.
    pub elapsed_ms: f64,
}
