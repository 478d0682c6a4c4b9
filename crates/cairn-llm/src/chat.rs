//! What a chat provider is: a request goes in, pieces of text come out.
//!
//! The trait stands because the router over several providers is its second implementation, and because a
//! test needs a stand-in for something outside the process.

use std::fmt;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::error::ChatError;

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChatRole {
    /// The instructions of the application.
    System,
    /// The person who asks, and the passages shown to the model.
    User,
    /// An earlier answer of the model.
    Assistant,
}

impl ChatRole {
    /// The word of the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: ChatRole,
    /// Plain text.
    pub content: String,
}

impl ChatMessage {
    /// A message of the application.
    pub fn system(content: impl Into<String>) -> Self {
        Self {
            role: ChatRole::System,
            content: content.into(),
        }
    }

    /// A message of the person.
    pub fn user(content: impl Into<String>) -> Self {
        Self {
            role: ChatRole::User,
            content: content.into(),
        }
    }

    /// An earlier answer.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self {
            role: ChatRole::Assistant,
            content: content.into(),
        }
    }
}

/// What is asked of a model. `None` leaves a value to the provider.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChatRequest {
    /// The conversation, oldest first; not empty.
    pub messages: Vec<ChatMessage>,
    /// Most tokens in the answer.
    pub max_tokens: Option<u32>,
    /// 0 is the most repeatable; providers accept 0 to 2.
    pub temperature: Option<f32>,
    /// Texts at which the model stops; most providers accept up to four.
    pub stop: Vec<String>,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FinishReason {
    /// It was done, or met a stop text.
    Stop,
    /// It reached the limit of tokens: the answer is cut off.
    Length,
    /// The provider withheld the rest.
    ContentFilter,
    /// It wants a tool called.
    ToolCalls,
    /// A reason that we do not know.
    Other,
}

impl FinishReason {
    /// Reads the word of the protocol.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "stop" | "eos" | "end_turn" | "stop_sequence" => Self::Stop,
            "length" | "max_tokens" => Self::Length,
            "content_filter" => Self::ContentFilter,
            "tool_calls" | "function_call" => Self::ToolCalls,
            _ => Self::Other,
        }
    }

    /// The stable word for replies and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
            Self::ToolCalls => "tool_calls",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for FinishReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Tokens as the provider counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens read.
    pub prompt_tokens: u32,
    /// Tokens written.
    pub completion_tokens: u32,
}

/// One piece of a running answer. The piece with `finish` may be followed by one with `usage`: read on to the
/// end of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChatDelta {
    /// New text; may be empty.
    pub text: String,
    /// Set once, with or after the last text.
    pub finish: Option<FinishReason>,
    /// Set at most once, near the end.
    pub usage: Option<Usage>,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// All pieces in a row.
    pub text: String,
    /// Why the model stopped.
    pub finish: FinishReason,
    /// What it cost, where the provider says so.
    pub usage: Option<Usage>,
}

/// Something that answers chat requests.
#[async_trait]
pub trait ChatProvider: Send + Sync {
    /// The provider for logs and replies, such as `openai` or `ollama`; never a URL with credentials.
    fn name(&self) -> &str;

    /// The model that answers, as the provider calls it; empty as long as it is not known.
    fn model(&self) -> &str;

    /// Starts an answer. An error that the provider reports before it writes is the outer error; later ones
    /// are the last item of the stream. A stream that ends without an error had a `finish`.
    ///
    /// Dropping the stream ends the request at the provider.
    async fn stream(
        &self,
        request: ChatRequest,
    ) -> Result<BoxStream<'static, Result<ChatDelta, ChatError>>, ChatError>;
}

/// Reads an answer to its end.
///
/// # Errors
/// Any [`ChatError`] of the provider; text that came before it is lost.
pub async fn collect(
    provider: &dyn ChatProvider,
    request: ChatRequest,
) -> Result<Completion, ChatError> {
    let mut stream = provider.stream(request).await?;
    let mut text = String::new();
    let mut finish = None;
    let mut usage = None;
    while let Some(delta) = stream.next().await {
        let delta = delta?;
        text.push_str(&delta.text);
        finish = delta.finish.or(finish);
        usage = delta.usage.or(usage);
    }
    let finish = finish.ok_or_else(|| ChatError::Truncated {
        provider: provider.name().to_owned(),
    })?;
    Ok(Completion {
        text,
        finish,
        usage,
    })
}
