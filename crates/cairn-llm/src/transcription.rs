//! A client for every server that speaks the OpenAI protocol for transcriptions: speech in a file to text with times.
//!
//! Source: the OpenAI API reference, "Create transcription" (`POST audio/transcriptions`, multipart, `response_format` of
//! `verbose_json`). Differs from a plain client: a server that refuses that format is asked for `json`, whose text then has no times
//! within; what may succeed a little later is tried again. Redirects are not followed, because they would carry key and
//! recording to another host. Limits: time of one request, bytes of the reply, number of tries.

use std::time::Duration;

use cairn_types::{ErrorKind, HasKind};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Response, Url, redirect};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout_at};

use crate::error::ChatError;
use crate::openai::{
    Refusal, bearer, classify, client_builder, host_and_port, parse_base_url, read_small_body,
    retry_after,
};
use crate::secret::Secret;

/// Requests for one recording.
const MAX_TRIES: u32 = 3;
/// Longest wait that a service may ask for between tries.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// Latest time in a recording that is believed: 30 days.
const MAX_SECONDS: f64 = 2_592_000.0;

/// How to reach a service.
#[derive(Debug, Clone)]
pub struct TranscriptionOptions {
    /// Where `audio/transcriptions` hangs below, such as `http://127.0.0.1:8000/v1`.
    pub base_url: String,
    /// Sent as bearer token; local servers need none.
    pub api_key: Option<Secret>,
    /// The model; `whisper-1` is the name that most servers accept.
    pub model: String,
    /// Language of the recordings (ISO 639-1), where they all have one; otherwise the service finds out.
    pub language: Option<String>,
    /// Time of one request, sending included.
    pub timeout: Duration,
    /// Wait before the second try, doubled before the third, where the service names none.
    pub retry_wait: Duration,
    /// Most bytes of a reply.
    pub max_response_bytes: usize,
}

impl TranscriptionOptions {
    /// A service without key, with 10 minutes for a request and 16 MiB of reply: a server without a graphics card hears about as
    /// fast as people speak, and a minute of speech is about 1 kB of text and 10 kB of JSON.
    #[must_use]
    pub fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
            api_key: None,
            model: "whisper-1".to_owned(),
            language: None,
            timeout: Duration::from_secs(600),
            retry_wait: Duration::from_secs(2),
            max_response_bytes: 16 << 20,
        }
    }
}

/// Why there is no transcript.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TranscriptionError {
    /// A setting cannot be used.
    #[error("setting `{setting}` of the transcription service cannot be used: {reason}")]
    Settings {
        /// Which setting.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The service does not accept the request, the key or the model, or does not keep to the protocol: trying again is of no use.
    #[error("transcription service `{service}` {reason}")]
    Refused {
        /// Which service.
        service: String,
        /// What it did, as words after its name.
        reason: String,
    },
    /// The service is away, too slow, or limits requests, also after several tries.
    #[error("transcription service `{service}` {reason}")]
    Unavailable {
        /// Which service.
        service: String,
        /// What it did, as words after its name.
        reason: String,
    },
}

impl HasKind for TranscriptionError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Settings { .. } => ErrorKind::InvalidInput,
            Self::Refused { .. } | Self::Unavailable { .. } => ErrorKind::Unavailable,
        }
    }
}

/// A stretch of speech.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// Where it begins, in milliseconds from the start.
    pub start_ms: u64,
    /// Where it ends.
    pub end_ms: u64,
    /// What is said.
    pub text: String,
}

/// One service and one model.
#[derive(Debug)]
pub struct Transcriber {
    client: Client,
    service: String,
    endpoint: Url,
    authorization: Option<HeaderValue>,
    options: TranscriptionOptions,
}

impl Transcriber {
    /// A client; connects only when it is given a recording.
    ///
    /// # Errors
    /// [`TranscriptionError::Settings`] where the address or the key cannot be used.
    pub fn new(mut options: TranscriptionOptions) -> Result<Self, TranscriptionError> {
        let of_settings = |error: ChatError| match error {
            ChatError::Settings { setting, reason } => {
                TranscriptionError::Settings { setting, reason }
            }
            other => TranscriptionError::Settings {
                setting: "base_url",
                reason: other.to_string(),
            },
        };
        // People paste the whole endpoint.
        let base = options.base_url.trim().trim_end_matches('/');
        let base = base.strip_suffix("/audio/transcriptions").unwrap_or(base);
        let mut endpoint = parse_base_url(base).map_err(of_settings)?;
        let service = host_and_port(&endpoint);
        let client = client_builder(&endpoint, Duration::from_secs(10))
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| TranscriptionError::Settings {
                setting: "base_url",
                reason: format!("no HTTP client can be made for it: {error}"),
            })?;
        if let Ok(mut segments) = endpoint.path_segments_mut() {
            segments.pop_if_empty().extend(["audio", "transcriptions"]);
        }
        let authorization = match options.api_key.take().filter(|key| !key.is_empty()) {
            Some(key) => Some(bearer(&key).map_err(of_settings)?),
            None => None,
        };
        Ok(Self {
            client,
            service,
            endpoint,
            authorization,
            options,
        })
    }

    /// What tells this service and model from others: a transcript of another one may differ.
    #[must_use]
    pub fn name(&self) -> String {
        let language = self.options.language.as_deref().unwrap_or("auto");
        format!("{} {} {language}", self.service, self.options.model)
    }

    /// What is said in an audio file; its name tells the format.
    ///
    /// # Errors
    /// See [`TranscriptionError`].
    pub async fn transcribe(
        &self,
        file_name: &str,
        audio: Vec<u8>,
    ) -> Result<Vec<Spoken>, TranscriptionError> {
        let audio = bytes::Bytes::from(audio);
        let mut format = "verbose_json";
        let mut n_tries = 1;
        loop {
            let error = match self.ask(file_name, audio.clone(), format).await? {
                Reply::Transcript(spoken) => return Ok(spoken),
                Reply::OtherFormat if format == "verbose_json" => {
                    format = "json";
                    continue;
                }
                Reply::OtherFormat => return Err(self.refused("does not accept the request")),
                Reply::Later(error, wait) if n_tries < MAX_TRIES => {
                    let own = self.options.retry_wait * 2_u32.pow(n_tries - 1);
                    tracing::debug!(%error, n_tries, "transcription is tried again");
                    sleep(wait.unwrap_or(own).min(MAX_WAIT)).await;
                    n_tries += 1;
                    continue;
                }
                Reply::Later(error, _) => error,
            };
            return Err(error);
        }
    }

    async fn ask(
        &self,
        file_name: &str,
        audio: bytes::Bytes,
        format: &'static str,
    ) -> Result<Reply, TranscriptionError> {
        let length = audio.len() as u64;
        let file = Part::stream_with_length(audio, length).file_name(file_name.to_owned());
        let mut form = Form::new()
            .text("model", self.options.model.clone())
            .text("response_format", format)
            .part("file", file);
        if let Some(language) = &self.options.language {
            form = form.text("language", language.clone());
        }
        let mut request = self
            .client
            .post(self.endpoint.clone())
            .header(ACCEPT, "application/json")
            .multipart(form);
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        let deadline = Instant::now() + self.options.timeout;
        let late = || {
            let seconds = self.options.timeout.as_secs();
            self.unavailable(format!("did not answer within {seconds} s"))
        };
        let response = match timeout_at(deadline, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_connect() => {
                return Ok(Reply::Later(self.unavailable("cannot be reached"), None));
            }
            Ok(Err(_)) => {
                return Ok(Reply::Later(self.unavailable("broke the connection"), None));
            }
            Err(_) => return Ok(Reply::Later(late(), None)),
        };
        if !response.status().is_success() {
            return self.on_refusal(response, deadline).await;
        }
        match timeout_at(deadline, self.body(response)).await {
            Ok(Ok(body)) => self.transcript(&body).map(Reply::Transcript),
            Ok(Err(BodyError::Broken)) => {
                Ok(Reply::Later(self.unavailable("broke off its answer"), None))
            }
            Ok(Err(BodyError::TooLong)) => {
                let limit = self.options.max_response_bytes;
                Err(self.refused(format!("answered with more than {limit} bytes")))
            }
            Err(_) => Ok(Reply::Later(late(), None)),
        }
    }

    async fn on_refusal(
        &self,
        response: Response,
        deadline: Instant,
    ) -> Result<Reply, TranscriptionError> {
        let status = response.status();
        let wait = retry_after(response.headers());
        let refusal = Refusal::from_bytes(&read_small_body(response, deadline).await);
        tracing::debug!(
            service = %self.service,
            http.status = status.as_u16(),
            error.code = %refusal.code_for_log(),
            "transcription service refused"
        );
        if matches!(status.as_u16(), 400 | 422)
            && (refusal.param == "response_format" || refusal.message.contains("response_format"))
        {
            return Ok(Reply::OtherFormat);
        }
        if status.as_u16() == 413 {
            return Err(self.refused("does not take recordings of this size"));
        }
        let model = &self.options.model;
        let reason = match classify(&self.service, model, Some(status), &refusal, wait) {
            ChatError::Unauthorized { .. } => {
                "refused the credentials; check `transcription.api_key`".to_owned()
            }
            ChatError::RateLimited { .. } => {
                return Ok(Reply::Later(self.unavailable("limits requests"), wait));
            }
            ChatError::ModelNotFound { .. } => {
                format!("does not have the model `{model}`; set `transcription.model`")
            }
            ChatError::Unavailable { reason, .. } => {
                return Ok(Reply::Later(
                    self.unavailable(format!("is not available ({reason})")),
                    wait,
                ));
            }
            _ if status.as_u16() == 404 => "has no transcriptions under this base URL".to_owned(),
            _ => format!("did not accept the request (status {})", status.as_u16()),
        };
        Err(self.refused(reason))
    }

    /// The body as far as the cap; what the length in the header claims is not believed.
    async fn body(&self, mut response: Response) -> Result<Vec<u8>, BodyError> {
        let mut body = Vec::new();
        while let Some(bytes) = response.chunk().await.map_err(|_| BodyError::Broken)? {
            if body.len() + bytes.len() > self.options.max_response_bytes {
                return Err(BodyError::TooLong);
            }
            body.extend_from_slice(&bytes);
        }
        Ok(body)
    }

    fn transcript(&self, body: &[u8]) -> Result<Vec<Spoken>, TranscriptionError> {
        let answer: Answer = serde_json::from_slice(body)
            .map_err(|_| self.refused("did not answer with a transcript in JSON"))?;
        if answer.segments.is_none() && answer.text.is_none() {
            return Err(self.refused("answered without text"));
        }
        let whole = Segment {
            start: 0.0,
            end: answer.duration.unwrap_or_default(),
            text: answer.text.unwrap_or_default(),
        };
        // Some servers leave the list empty and give all in one text.
        let segments = answer
            .segments
            .filter(|segments| !segments.is_empty())
            .unwrap_or_else(|| vec![whole]);
        Ok(segments
            .into_iter()
            .filter(|segment| !segment.text.trim().is_empty())
            .map(|segment| {
                let start_ms = milliseconds(segment.start);
                Spoken {
                    start_ms,
                    end_ms: milliseconds(segment.end).max(start_ms),
                    text: segment.text.trim().to_owned(),
                }
            })
            .collect())
    }

    fn refused(&self, reason: impl Into<String>) -> TranscriptionError {
        TranscriptionError::Refused {
            service: self.service.clone(),
            reason: reason.into(),
        }
    }

    fn unavailable(&self, reason: impl Into<String>) -> TranscriptionError {
        TranscriptionError::Unavailable {
            service: self.service.clone(),
            reason: reason.into(),
        }
    }
}

/// What one request came to.
enum Reply {
    Transcript(Vec<Spoken>),
    /// The service does not know the format that was asked for.
    OtherFormat,
    /// It may succeed after a while, which the service may name.
    Later(TranscriptionError, Option<Duration>),
}

enum BodyError {
    Broken,
    TooLong,
}

#[derive(Deserialize)]
struct Answer {
    text: Option<String>,
    duration: Option<f64>,
    segments: Option<Vec<Segment>>,
}

#[derive(Deserialize)]
struct Segment {
    #[serde(default)]
    start: f64,
    #[serde(default)]
    end: f64,
    text: String,
}

/// Seconds as whole milliseconds; what no recording can have becomes the nearest that one can.
fn milliseconds(seconds: f64) -> u64 {
    let bounded = if seconds.is_nan() {
        0.0
    } else {
        seconds.clamp(0.0, MAX_SECONDS)
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within bounds"
    )]
    let whole = (bounded * 1000.0).round() as u64;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_joined() {
        for (base, expected) in [
            ("http://h:1/v1", Some("http://h:1/v1/audio/transcriptions")),
            (
                "http://h:1/v1/audio/transcriptions/",
                Some("http://h:1/v1/audio/transcriptions"),
            ),
            ("file:///etc", None),
            ("", None),
        ] {
            let made = Transcriber::new(TranscriptionOptions::new(base));
            match expected {
                Some(expected) => assert_eq!(made.unwrap().endpoint.as_str(), expected),
                None => assert!(
                    matches!(made, Err(TranscriptionError::Settings { .. })),
                    "{base}"
                ),
            }
        }
    }

    #[test]
    fn keys_are_not_shown() {
        let mut options = TranscriptionOptions::new("http://h/v1");
        options.api_key = Some(Secret::new("SECRET"));
        let made = Transcriber::new(options).unwrap();
        assert!(!format!("{made:?} {}", made.name()).contains("SECRET"));
    }

    #[test]
    fn times_are_those_of_a_recording() {
        for (seconds, expected) in [
            (1.5, 1500),
            (-1.0, 0),
            (f64::NAN, 0),
            (f64::INFINITY, 2_592_000_000),
            (0.0004, 0),
        ] {
            assert_eq!(milliseconds(seconds), expected);
        }
    }
}
