//! Chat providers: one trait, and a client for every server that speaks the OpenAI chat protocol; and a client for the
//! protocol's transcriptions.
//!
//! Knows nothing of documents, passages or answers. Every wait has a limit, every reply a size limit, and
//! what the other side writes never becomes part of an error text.

mod chat;
mod download;
mod error;
mod openai;
mod secret;
mod settings;
mod sse;
mod transcription;

pub use chat::{
    ChatDelta, ChatMessage, ChatProvider, ChatRequest, ChatRole, Completion, FinishReason, Usage,
    collect,
};
pub use download::download_client;
pub use error::ChatError;
pub use openai::{OpenAiCompatible, OpenAiOptions};
pub use secret::Secret;
pub use settings::{LlmSettings, ProviderKind, provider_from_settings};
pub use transcription::{Spoken, Transcriber, TranscriptionError, TranscriptionOptions};
