//! What a refusal means, from status **and** body.
//!
//! Servers disagree on status codes: a wrong key comes as 400, 401 or 403, a missing model as 400 or 404. The
//! body is read only to decide; of its words nothing but the error code, reduced to letters, reaches the log.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::error::ChatError;

/// What the body of a refusal says about itself, in lower case.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    /// `code` and `type`, separated by a space.
    code: String,
    /// The field that is wrong, where the server names one.
    pub(crate) param: String,
    pub(crate) message: String,
}

impl Refusal {
    /// Reads the object of a refusal, in any of the forms seen: `{"error": {...}}`, `{"error": "..."}`,
    /// `{"message"}`, `{"detail"}`.
    pub(crate) fn from_json(body: &Value) -> Self {
        let error = match body.get("error") {
            Some(error) if !error.is_null() => error,
            _ => body,
        };
        if let Some(message) = error.as_str() {
            return Self {
                message: message.to_lowercase(),
                ..Self::default()
            };
        }
        let word = |key: &str| match error.get(key) {
            Some(Value::String(text)) => text.to_lowercase(),
            Some(Value::Number(number)) => number.to_string(),
            Some(other @ (Value::Array(_) | Value::Object(_))) => other.to_string().to_lowercase(),
            Some(Value::Null | Value::Bool(_)) | None => String::new(),
        };
        let message = match word("message") {
            empty if empty.is_empty() => word("detail"),
            message => message,
        };
        Self {
            code: format!("{} {} {}", word("code"), word("type"), word("status")),
            param: word("param"),
            message,
        }
    }

    /// Reads the bytes of a refusal; a body that is not JSON counts as its message.
    pub(crate) fn from_bytes(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::from_json(&value),
            Err(_) => Self {
                message: String::from_utf8_lossy(body).to_lowercase(),
                ..Self::default()
            },
        }
    }

    /// The code for the log: letters, digits and underscores only, at most 60 characters.
    pub(crate) fn code_for_log(&self) -> String {
        self.code
            .trim()
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '_' {
                    c
                } else {
                    '-'
                }
            })
            .take(60)
            .collect()
    }

    fn is_about_the_key(&self) -> bool {
        const CODES: [&str; 5] = [
            "invalid_api_key",
            "api_key_invalid",
            "authentication_error",
            "invalid_authentication",
            "unauthenticated",
        ];
        const TEXTS: [&str; 7] = [
            "invalid api key",
            "incorrect api key",
            "api key not valid",
            "invalid_api_key",
            "no api key",
            "missing api key",
            "api key is missing",
        ];
        contains_any(&self.code, &CODES) || contains_any(&self.message, &TEXTS)
    }

    fn is_about_the_model(&self) -> bool {
        const TEXTS: [&str; 6] = [
            "not found",
            "does not exist",
            "not exist",
            "no such model",
            "is not loaded",
            "not a valid model",
        ];
        contains_any(&self.code, &["model_not_found", "model_not_exist"])
            || self.message.contains("model") && contains_any(&self.message, &TEXTS)
    }

    fn is_about_the_rate(&self) -> bool {
        contains_any(
            &self.code,
            &["rate_limit", "insufficient_quota", "resource_exhausted"],
        )
    }

    fn is_about_the_length(&self) -> bool {
        contains_any(&self.code, &["context_length", "exceed_context"])
            || contains_any(
                &self.message,
                &[
                    "context length",
                    "context window",
                    "context size",
                    "maximum context",
                    "prompt is too long",
                ],
            )
    }
}

fn contains_any(text: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| text.contains(part))
}

/// The error for a refusal. `status` is `None` for an error object inside a running stream.
pub(crate) fn classify(
    provider: &str,
    model: &str,
    status: Option<StatusCode>,
    refusal: &Refusal,
    retry_after: Option<Duration>,
) -> ChatError {
    let provider = provider.to_owned();
    let code = status.map_or(0, |status| status.as_u16());
    let in_words = match status {
        Some(status) => format!("status {}", status.as_u16()),
        None => "it reported an error in the middle of the answer".to_owned(),
    };
    let client_side = code == 0 || (400..500).contains(&code);
    match code {
        401 | 403 => ChatError::Unauthorized { provider },
        402 | 429 => ChatError::RateLimited {
            provider,
            retry_after,
        },
        _ if client_side && refusal.is_about_the_key() => ChatError::Unauthorized { provider },
        _ if client_side && refusal.is_about_the_rate() => ChatError::RateLimited {
            provider,
            retry_after,
        },
        _ if client_side && refusal.is_about_the_length() => ChatError::BadRequest {
            provider,
            reason: "the conversation is longer than the context of the model".to_owned(),
        },
        _ if client_side && refusal.is_about_the_model() => ChatError::ModelNotFound {
            provider,
            model: model.to_owned(),
        },
        404 | 405 => ChatError::Protocol {
            provider,
            reason: format!("{in_words}, there is no chat endpoint under this base URL"),
        },
        408 | 409 | 425 => ChatError::Unavailable {
            provider,
            reason: in_words,
        },
        400..500 => ChatError::BadRequest {
            provider,
            reason: in_words,
        },
        300..400 => ChatError::Protocol {
            provider,
            reason: format!("{in_words}, redirects are not followed"),
        },
        _ => ChatError::Unavailable {
            provider,
            reason: in_words,
        },
    }
}

/// How long a provider asks us to wait: `retry-after-ms`, or `Retry-After` in seconds. The form with a date is
/// not read; more than a day counts as a day.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms")
        .map(|ms| ms / 1000.0)
        .or_else(|| number("retry-after"))?;
    (seconds.is_finite() && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(86_400.0)))
}

#[cfg(test)]
mod tests {
    use super::{Refusal, classify, retry_after};
    use reqwest::StatusCode;
    use reqwest::header::{HeaderMap, HeaderValue};
    use std::time::Duration;

    fn outcome(status: u16, body: &str) -> String {
        let status = (status > 0).then(|| StatusCode::from_u16(status).unwrap());
        let error = classify(
            "p",
            "m",
            status,
            &Refusal::from_bytes(body.as_bytes()),
            None,
        );
        let debug = format!("{error:?}");
        let name = debug.split([' ', '{']).next().unwrap();
        assert!(!error.to_string().contains("SECRET"), "{error}");
        name.to_owned()
    }

    #[test]
    fn status_and_body_decide_together() {
        let cases = [
            (401, "", "Unauthorized"),
            (403, "{}", "Unauthorized"),
            (
                400,
                r#"{"error":{"message":"Incorrect API key provided: SECRET","code":null}}"#,
                "Unauthorized",
            ),
            (
                400,
                r#"{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"API key not valid. SECRET"}}"#,
                "Unauthorized",
            ),
            (
                400,
                r#"{"error":{"code":"invalid_api_key"}}"#,
                "Unauthorized",
            ),
            (429, "slow down SECRET", "RateLimited"),
            (402, "{}", "RateLimited"),
            (
                400,
                r#"{"error":{"type":"insufficient_quota"}}"#,
                "RateLimited",
            ),
            (
                400,
                r#"{"error":{"code":"context_length_exceeded","message":"SECRET"}}"#,
                "BadRequest",
            ),
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 4096 tokens; it does not exist"}}"#,
                "BadRequest",
            ),
            (
                404,
                r#"{"error":{"message":"model \"SECRET\" not found, try pulling it first"}}"#,
                "ModelNotFound",
            ),
            (
                400,
                r#"{"error":{"code":"model_not_found"}}"#,
                "ModelNotFound",
            ),
            (
                404,
                r#"{"detail":"The model `SECRET` does not exist."}"#,
                "ModelNotFound",
            ),
            (404, "<html>not found</html>", "Protocol"),
            (302, "", "Protocol"),
            (400, r#"{"error":"SECRET"}"#, "BadRequest"),
            (
                422,
                r#"{"detail":[{"loc":["body"],"msg":"SECRET"}]}"#,
                "BadRequest",
            ),
            (
                500,
                r#"{"error":{"message":"invalid api key SECRET"}}"#,
                "Unavailable",
            ),
            (503, "", "Unavailable"),
            (408, "", "Unavailable"),
            (
                0,
                r#"{"error":{"message":"CUDA out of memory SECRET","code":500}}"#,
                "Unavailable",
            ),
            (
                0,
                r#"{"error":{"code":"rate_limit_exceeded"}}"#,
                "RateLimited",
            ),
        ];
        for (status, body, expected) in cases {
            assert_eq!(outcome(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn waiting_times_are_read_and_bounded() {
        let cases = [
            ("retry-after", "7", Some(Duration::from_secs(7))),
            ("retry-after-ms", "250", Some(Duration::from_millis(250))),
            ("retry-after", "1e300", Some(Duration::from_secs(86_400))),
            ("retry-after", "-1", None),
            ("retry-after", "NaN", None),
            ("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT", None),
        ];
        for (name, value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(retry_after(&headers), expected, "{name}: {value}");
        }
    }

    #[test]
    fn the_log_gets_a_code_without_surprises() {
        let refusal = Refusal::from_bytes(br#"{"error":{"code":"a\nb\u001b[0m","type":"t_1"}}"#);
        assert_eq!(refusal.code_for_log(), "a-b--0m-t_1");
    }
}
