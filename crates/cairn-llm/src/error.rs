//! How a chat provider fails, by what can be done about it.
//!
//! Reasons are texts of our own: what the other side wrote may echo prompts, documents or keys, so it never
//! becomes part of an error.

use std::time::Duration;

use cairn_types::{ErrorKind, HasKind};

/// Why no answer came, or only a part of one. `provider` is the name of the provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChatError {
    /// A setting cannot be used.
    #[error("setting `{setting}` of the chat provider cannot be used: {reason}")]
    Settings {
        /// Which setting.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The key is missing, wrong or may not do this.
    #[error("chat provider `{provider}` refused the credentials")]
    Unauthorized {
        /// Who refused.
        provider: String,
    },
    /// Too many requests or no quota left.
    #[error("chat provider `{provider}` limits requests")]
    RateLimited {
        /// Who limits.
        provider: String,
        /// How long the provider asks us to wait.
        retry_after: Option<Duration>,
    },
    /// The provider does not accept the request; the same request fails again.
    #[error("chat provider `{provider}` did not accept the request: {reason}")]
    BadRequest {
        /// Who refused.
        provider: String,
        /// Our words for it.
        reason: String,
    },
    /// The model is not there.
    #[error("chat provider `{provider}` does not have the model `{model}`")]
    ModelNotFound {
        /// Who was asked.
        provider: String,
        /// The model we asked for; empty when the provider offers none at all.
        model: String,
    },
    /// No connection, a broken one, or a failure on the other side.
    #[error("chat provider `{provider}` is not available: {reason}")]
    Unavailable {
        /// Who was asked.
        provider: String,
        /// Our words for it.
        reason: String,
    },
    /// A time limit passed.
    #[error("chat provider `{provider}` did not {awaited} within {} ms", limit.as_millis())]
    TimedOut {
        /// Who was asked.
        provider: String,
        /// What was awaited, such as `start to answer`.
        awaited: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The answer stopped in the middle: the connection ended without a finish.
    #[error("the answer of chat provider `{provider}` ended in the middle")]
    Truncated {
        /// Who was answering.
        provider: String,
    },
    /// The other side does not keep to the protocol.
    #[error("chat provider `{provider}` sent something unexpected: {reason}")]
    Protocol {
        /// Who sent it.
        provider: String,
        /// Our words for it.
        reason: String,
    },
}

impl ChatError {
    /// Whether the same request may succeed at the same provider a little later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Unavailable { .. }
            | Self::TimedOut { .. }
            | Self::Truncated { .. } => true,
            Self::Settings { .. }
            | Self::Unauthorized { .. }
            | Self::BadRequest { .. }
            | Self::ModelNotFound { .. }
            | Self::Protocol { .. } => false,
        }
    }
}

impl HasKind for ChatError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Settings { .. } | Self::BadRequest { .. } => ErrorKind::InvalidInput,
            Self::RateLimited { .. } => ErrorKind::Limited,
            // A refused key or a missing model of ours is not the fault of the person who asks: to them a part
            // of the system is missing. `Unauthenticated` would ask them to log in again, `NotFound` would
            // deny the page they asked for.
            Self::Unauthorized { .. }
            | Self::ModelNotFound { .. }
            | Self::Unavailable { .. }
            | Self::TimedOut { .. }
            | Self::Truncated { .. }
            | Self::Protocol { .. } => ErrorKind::Unavailable,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unauthorized { .. } => "check the API key of the chat provider",
            Self::ModelNotFound { .. } => {
                "name a model that the provider offers in `DEFAULT_LLM_MODEL`"
            }
            Self::Unavailable { .. } => {
                "check that the provider is running and that its base URL is right"
            }
            Self::Settings { .. }
            | Self::RateLimited { .. }
            | Self::BadRequest { .. }
            | Self::TimedOut { .. }
            | Self::Truncated { .. }
            | Self::Protocol { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
