//! `POST /api/v1/chat`: one JSON reply, or a stream of server-sent events.
//!
//! Events of a stream, each with a rising `id`: `search_results` ([`ChatSearchResults`]), `message` ([`ChatText`], any
//! number), `citation` ([`Citation`], verified ones only), `final_answer` ([`ChatReply`]), or else `error`
//! ([`super::Problem`]); always last `done` ([`ChatDone`]).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::search::SearchResult;
use super::shared::{DocumentRef, Filters, Span, is_false};

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChatRole {
    /// The person who asks.
    User,
    /// An earlier answer.
    Assistant,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: ChatRole,
    /// Plain text.
    pub content: String,
}

/// How an answer is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChatMode {
    /// By the language model where one is configured, else by quoting.
    #[default]
    Auto,
    /// By quoting, without a language model.
    Extractive,
}

/// A question about the documents: `query`, or `messages` of which the last is the question.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChatRequest {
    /// The question: 1 to 4,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The conversation, oldest first; the last message is the user's question. Instead of `query`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<ChatMessage>,
    /// How the answer is to be made.
    #[serde(default)]
    pub mode: ChatMode,
    /// Whether the reply is a stream of server-sent events.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stream: bool,
    /// Only documents in one of these collections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collections: Vec<String>,
    /// Only documents that carry all of these tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Only documents of one of these media types; `text/*` matches a family.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media_types: Vec<String>,
    /// Only documents whose key or URI matches this glob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Only documents modified at or after this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Only documents modified before this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Wait until the write that returned this `seq` can be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_seq: Option<u64>,
}

impl ChatRequest {
    pub(crate) fn filters(&self) -> Filters<'_> {
        Filters {
            collections: &self.collections,
            tags: &self.tags,
            media_types: &self.media_types,
            path: self.path.as_deref(),
            since: self.since.as_deref(),
            until: self.until.as_deref(),
        }
    }
}

/// How an answer was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerMode {
    /// By quoting.
    Extractive,
    /// By a language model.
    Model,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChatReply {
    /// The text; `[1]` refers to the citation with `n` 1.
    pub answer: String,
    /// Whether the documents do not say.
    pub abstained: bool,
    /// What supports the answer: only quotes that were compared with the stored text.
    pub citations: Vec<Citation>,
    /// Belief that the documents say, 0 to 1.
    #[serde(default)]
    pub confidence: f32,
    /// The likeliest short answer inside the first quote, where the answer is quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_answer: Option<String>,
    /// Whether two of the cited documents contradict each other on it.
    #[serde(default)]
    pub conflict: bool,
    /// How the answer was made.
    pub mode: AnswerMode,
    /// Where the time went.
    pub timing_ms: ChatTimingMs,
    /// Where the documents do not say: the passages that come nearest.
    #[serde(default)]
    pub nearest: Vec<SearchResult>,
    /// Citations that could not be verified and are therefore not shown.
    #[serde(default)]
    pub dropped: Vec<DroppedCitation>,
    /// Whether passages were found by words alone although vectors were wanted.
    #[serde(default)]
    pub lexical_only: bool,
    /// The language model that wrote the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What a person should know about this answer, e.g. that the model failed and quotes stand in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Where a statement stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Citation {
    /// The number under which the answer refers to it, from 1.
    pub n: u32,
    /// The stored text at `span`, to the letter.
    pub quote: String,
    /// Whether the quote was compared with the stored text and is equal.
    pub verified: bool,
    /// The document and version.
    pub document: DocumentRef,
    /// Page (from 1), in formats that have pages.
    pub page: Option<u32>,
    /// Whether the quote is what Cairn computed from a table (columns, totals, smallest and largest values), not the
    /// document's own words.
    #[serde(default, skip_serializing_if = "is_false")]
    pub computed: bool,
    /// Its place in the version's text.
    pub span: Span,
}

/// A citation that could not be verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DroppedCitation {
    /// The number that the model gave it, where it gave one.
    pub n: Option<u32>,
    /// Why it was dropped.
    pub reason: String,
    /// What was to be quoted, shortened.
    pub quote: String,
}

/// Where the time of an answer went, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChatTimingMs {
    /// Finding the passages.
    pub search: f64,
    /// Making the answer.
    pub answer: f64,
    /// Comparing quotes with the stored text.
    pub verify: f64,
    /// All of it.
    pub total: f64,
}

/// Event `search_results`: the passages that the answer is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChatSearchResults {
    /// Best first.
    pub results: Vec<SearchResult>,
    /// Whether they were found by words alone although vectors were wanted.
    pub lexical_only: bool,
}

/// Event `message`: the next piece of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChatText {
    /// New text.
    pub text: String,
}

/// Event `done`: nothing follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChatDone {
    /// Why the stream ends.
    pub reason: ChatDoneReason,
}

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChatDoneReason {
    /// The answer is whole.
    Complete,
    /// An `error` event came before.
    Error,
    /// The server is stopping.
    Shutdown,
}
