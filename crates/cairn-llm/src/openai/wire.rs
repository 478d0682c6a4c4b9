//! The JSON of the OpenAI chat protocol, as far as we speak it.
//!
//! Source: the OpenAI API reference, "Chat completions" and "Models". Reading is lenient where servers differ:
//! `content` may be text, null or a list of parts; unknown fields are read over.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::chat::{ChatDelta, ChatRequest, FinishReason, Usage};

/// Which optional fields a server takes. Starts with all of them; a refusal that names a field turns it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    stream_options: bool,
    temperature: bool,
    stop: bool,
    max_tokens_field: &'static str,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            stream_options: true,
            temperature: true,
            stop: true,
            max_tokens_field: "max_tokens",
        }
    }
}

impl Dialect {
    /// The dialect to try next after a refusal that names the field `param` (may be empty) and says `message`,
    /// both in lower case; `None` when they name nothing that we can leave out.
    pub(crate) fn after_refusal(self, param: &str, message: &str) -> Option<Self> {
        let names = |field: &str| {
            param == field || param.is_empty() && message.contains(&format!("'{field}'"))
        };
        let mut next = self;
        if param.contains("stream_options") || message.contains("stream_options") {
            next.stream_options = false;
        } else if message.contains("max_completion_tokens") {
            next.max_tokens_field = "max_completion_tokens";
        } else if names("temperature") {
            next.temperature = false;
        } else if names("stop") {
            next.stop = false;
        }
        (next != self).then_some(next)
    }
}

/// The body of a chat request.
pub(crate) fn request_body(request: &ChatRequest, model: &str, dialect: Dialect) -> Value {
    let messages: Vec<Value> = request
        .messages
        .iter()
        .map(|message| json!({"role": message.role.as_str(), "content": message.content}))
        .collect();
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    body.insert("messages".to_owned(), Value::Array(messages));
    body.insert("stream".to_owned(), json!(true));
    if dialect.stream_options {
        body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    if let Some(max_tokens) = request.max_tokens {
        body.insert(dialect.max_tokens_field.to_owned(), json!(max_tokens));
    }
    if let Some(temperature) = request.temperature.filter(|_| dialect.temperature) {
        // Through text: the f64 nearest to 0.2f32 would be sent as 0.20000000298023224.
        let exact: f64 = temperature
            .to_string()
            .parse()
            .unwrap_or_else(|_| f64::from(temperature));
        body.insert("temperature".to_owned(), json!(exact));
    }
    if !request.stop.is_empty() && dialect.stop {
        body.insert("stop".to_owned(), json!(request.stop));
    }
    Value::Object(body)
}

/// What one JSON object of the reply says.
#[derive(Debug, PartialEq)]
pub(crate) enum Reply {
    /// A piece, or with `message` instead of `delta` the whole answer.
    Delta(ChatDelta),
    /// The model thinks aloud; not part of the answer, but a sign of life.
    Thinking,
    /// The server reports an error where an answer should be; the object, for classification.
    Failed(Value),
}

#[derive(Deserialize)]
struct WireReply {
    choices: Option<Vec<WireChoice>>,
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct WireChoice {
    delta: Option<WireMessage>,
    message: Option<WireMessage>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct WireMessage {
    content: Option<Value>,
    refusal: Option<String>,
    #[serde(alias = "reasoning_content")]
    reasoning: Option<Value>,
}

#[derive(Deserialize)]
struct WireUsage {
    prompt_tokens: Option<u32>,
    completion_tokens: Option<u32>,
}

/// Reads one object of the reply; `None` when it is not one of the protocol.
pub(crate) fn read_reply(data: &[u8]) -> Option<Reply> {
    let value: Value = serde_json::from_slice(data).ok()?;
    let is_error_object = value.get("object").and_then(Value::as_str) == Some("error");
    if is_error_object || value.get("error").is_some_and(|error| !error.is_null()) {
        return Some(Reply::Failed(value));
    }
    let reply: WireReply = serde_json::from_value(value).ok()?;
    if reply.choices.is_none() && reply.usage.is_none() {
        return None;
    }
    let usage = reply.usage.map(|usage| Usage {
        prompt_tokens: usage.prompt_tokens.unwrap_or(0),
        completion_tokens: usage.completion_tokens.unwrap_or(0),
    });
    let mut delta = ChatDelta {
        usage,
        ..ChatDelta::default()
    };
    let mut is_thinking = false;
    if let Some(choice) = reply.choices.unwrap_or_default().into_iter().next() {
        if let Some(message) = choice.delta.or(choice.message) {
            is_thinking = message
                .reasoning
                .is_some_and(|reasoning| !text_of(reasoning).is_empty());
            delta.text = message.content.map(text_of).unwrap_or_default();
            delta.text.push_str(&message.refusal.unwrap_or_default());
        }
        delta.finish = choice
            .finish_reason
            .filter(|reason| !reason.is_empty())
            .map(|reason| FinishReason::from_word(&reason));
    }
    if is_thinking && delta == ChatDelta::default() {
        return Some(Reply::Thinking);
    }
    Some(Reply::Delta(delta))
}

/// The text of `content`: text, or the text parts of a list.
fn text_of(content: Value) -> String {
    match content {
        Value::String(text) => text,
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str))
            .collect(),
        _ => String::new(),
    }
}

/// Parts of model names that do not chat.
const NOT_FOR_CHAT: [&str; 11] = [
    "embed",
    "rerank",
    "whisper",
    "tts",
    "dall-e",
    "image",
    "audio",
    "moderation",
    "transcribe",
    "realtime",
    "bge-",
];

/// The first chat model of a model list. A list may start with an embedding model, so names that are known not
/// to chat are passed over; when only such are there, the first one is taken.
pub(crate) fn first_model(body: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let list = value
        .get("data")
        .or_else(|| value.get("models"))
        .unwrap_or(&value)
        .as_array()?;
    let names: Vec<&str> = list
        .iter()
        .filter_map(|model| model.get("id").or_else(|| model.get("name"))?.as_str())
        .filter(|name| !name.is_empty())
        .collect();
    let chats = |name: &&&str| {
        let name = name.to_lowercase();
        !NOT_FOR_CHAT.iter().any(|part| name.contains(part))
    };
    names
        .iter()
        .find(chats)
        .or(names.first())
        .map(|name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Reply, first_model, read_reply, request_body};
    use crate::chat::{ChatMessage, ChatRequest};
    use serde_json::json;

    #[test]
    fn the_body_has_only_what_was_asked_for() {
        let request = ChatRequest {
            messages: vec![ChatMessage::system("be brief"), ChatMessage::user("why?")],
            max_tokens: Some(5),
            temperature: Some(0.2),
            stop: vec!["END".to_owned()],
        };
        let messages = json!([
            {"role": "system", "content": "be brief"}, {"role": "user", "content": "why?"}
        ]);
        assert_eq!(
            request_body(&request, "m", Dialect::default()),
            json!({"model": "m", "messages": messages, "stream": true,
                "stream_options": {"include_usage": true}, "max_tokens": 5, "temperature": 0.2,
                "stop": ["END"]})
        );
        let mut dialect = Dialect::default();
        for (param, message) in [
            ("", "unknown field stream_options"),
            ("max_tokens", "use 'max_completion_tokens' instead"),
            ("", "unsupported value: 'temperature'"),
            ("stop", "not with this model"),
        ] {
            dialect = dialect.after_refusal(param, message).unwrap();
            assert_eq!(dialect.after_refusal(param, message), None, "{message}");
        }
        assert_eq!(
            request_body(&request, "m", dialect),
            json!({"model": "m", "messages": messages, "stream": true, "max_completion_tokens": 5})
        );
        assert_eq!(dialect.after_refusal("", "the weather is bad"), None);
    }

    #[test]
    fn replies_of_different_servers_are_read() {
        let cases = [
            (
                json!({"choices": [{"delta": {"role": "assistant"}}]}),
                Some(""),
            ),
            (
                json!({"choices": [{"delta": {"content": "a"}, "finish_reason": null}]}),
                Some("a"),
            ),
            (
                json!({"choices": [{"delta": {"content": null}, "finish_reason": ""}]}),
                Some(""),
            ),
            (
                json!({"choices": [{"message": {"content": [{"type": "text", "text": "b"}]}}]}),
                Some("b"),
            ),
            (
                json!({"choices": [{"delta": {"refusal": "no"}}]}),
                Some("no"),
            ),
            (
                json!({"choices": [], "usage": {"prompt_tokens": 3}}),
                Some(""),
            ),
            (
                json!({"choices": [{"delta": {"reasoning_content": "hm"}}]}),
                Some("(thinking)"),
            ),
            (
                json!({"choices": [{"delta": {"content": "c", "reasoning": "hm"}}]}),
                Some("c"),
            ),
            (json!({"object": "error", "message": "x"}), Some("failed")),
            (json!({"choices": "x"}), None),
            (json!({"hello": 1}), None),
            (json!(17), None),
        ];
        for (value, expected) in cases {
            let got = read_reply(value.to_string().as_bytes()).map(|reply| match reply {
                Reply::Delta(delta) => delta.text,
                Reply::Thinking => "(thinking)".to_owned(),
                Reply::Failed(_) => "failed".to_owned(),
            });
            assert_eq!(got.as_deref(), expected, "{value}");
        }
        let failed = json!({"error": {"message": "x"}});
        assert_eq!(
            read_reply(failed.to_string().as_bytes()),
            Some(Reply::Failed(failed))
        );
        assert_eq!(read_reply(b"{"), None);
    }

    #[test]
    fn the_first_chat_model_is_taken() {
        let cases = [
            (
                json!({"data": [{"id": "nomic-embed-text"}, {"id": "llama"}]}),
                Some("llama"),
            ),
            (
                json!({"data": [{"id": "text-embedding-1"}]}),
                Some("text-embedding-1"),
            ),
            (json!({"models": [{"name": "a"}, {"name": "b"}]}), Some("a")),
            (json!([{"id": "z"}]), Some("z")),
            (json!({"data": []}), None),
            (json!({"data": [{"id": ""}, {"x": 1}]}), None),
            (json!("no"), None),
        ];
        for (body, expected) in cases {
            assert_eq!(
                first_model(body.to_string().as_bytes()).as_deref(),
                expected,
                "{body}"
            );
        }
    }
}
