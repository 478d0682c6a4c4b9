//! A client for every server that speaks the OpenAI chat protocol: OpenAI, vLLM, llama.cpp, LM Studio, Ollama
//! (under `/v1`), `OpenRouter`, Groq.
//!
//! Source: the OpenAI API reference, "Chat completions" (streaming) and "Models". Differs from a plain client:
//! a field that a server refuses by name is left out and the request sent again; a reply without streaming is
//! taken too. Redirects are not followed, because they would carry the key to another host.
//!
//! Limits: time to the first token, time in all, bytes of the reply, bytes of one event. No retries beyond the
//! refused fields: retrying belongs to the caller.

mod classify;
mod reply;
mod wire;

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{Client, Response, Url, redirect};
use tokio::time::{Instant, timeout_at};

use crate::chat::{ChatDelta, ChatProvider, ChatRequest};
use crate::error::ChatError;
use crate::secret::Secret;

pub(crate) use self::classify::{Refusal, classify, retry_after};
use self::reply::{Deadlines, Running};
use self::wire::Dialect;

/// Most bytes of a refusal or of a model list that are read.
const MAX_SMALL_BODY_BYTES: usize = 1 << 20;

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct OpenAiOptions {
    /// Where `chat/completions` hangs below, such as `http://127.0.0.1:11434/v1`.
    pub base_url: String,
    /// Sent as bearer token; local servers need none.
    pub api_key: Option<Secret>,
    /// The model; without one the first chat model that the server offers is taken and kept.
    pub model: Option<String>,
    /// From the start of the request to the first text.
    pub first_token_timeout: Duration,
    /// From the start of the request to the end of the answer.
    pub total_timeout: Duration,
    /// Most bytes of a reply, as they come over the wire.
    pub max_response_bytes: usize,
}

impl OpenAiOptions {
    /// A server without key and model, with 30 s to the first token, 120 s in all and 8 MiB of reply. The limits
    /// are guesses: a local model of 8 billion parameters on a CPU reads a long prompt for about 20 s.
    #[must_use]
    pub fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
            api_key: None,
            model: None,
            first_token_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(120),
            max_response_bytes: 8 << 20,
        }
    }
}

/// One server and one model.
pub struct OpenAiCompatible {
    client: Client,
    name: String,
    base_url: Url,
    authorization: Option<HeaderValue>,
    /// Configured, or found out by the first request.
    model: OnceLock<String>,
    /// Learned from refusals. Held only to copy it, never across an await.
    dialect: Mutex<Dialect>,
    first_token_timeout: Duration,
    total_timeout: Duration,
    max_response_bytes: usize,
}

impl std::fmt::Debug for OpenAiCompatible {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAiCompatible")
            .field("name", &self.name)
            .field("model", &self.model.get())
            .finish_non_exhaustive()
    }
}

impl OpenAiCompatible {
    /// A client; connects only when it is asked something.
    ///
    /// # Errors
    /// [`ChatError::Settings`] when the base URL or the key cannot be used.
    pub fn new(options: OpenAiOptions) -> Result<Self, ChatError> {
        let base_url = parse_base_url(&options.base_url)?;
        let authorization = match options.api_key.filter(|key| !key.is_empty()) {
            Some(key) => Some(bearer(&key)?),
            None => None,
        };
        let model = OnceLock::new();
        if let Some(name) = options.model.filter(|name| !name.trim().is_empty()) {
            // The lock is new, so it is empty.
            let _ = model.set(name.trim().to_owned());
        }
        Ok(Self {
            client: build_client(&base_url, options.first_token_timeout)?,
            name: host_and_port(&base_url),
            base_url,
            authorization,
            model,
            dialect: Mutex::new(Dialect::default()),
            first_token_timeout: options.first_token_timeout,
            total_timeout: options.total_timeout,
            max_response_bytes: options.max_response_bytes,
        })
    }

    /// The configured model, the one found earlier, or the first chat model of the server.
    async fn resolve_model(&self, deadlines: &Deadlines) -> Result<String, ChatError> {
        if let Some(model) = self.model.get() {
            return Ok(model.clone());
        }
        let request = self.with_key(self.client.get(self.endpoint(&["models"])));
        let response = self.send(request, deadlines).await?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = read_small_body(response, deadlines.first).await;
        if !status.is_success() {
            let refusal = Refusal::from_bytes(&body);
            return Err(self.refused(Some(status), &refusal, retry_after(&headers)));
        }
        let first = wire::first_model(&body).ok_or_else(|| ChatError::ModelNotFound {
            provider: self.name.clone(),
            model: String::new(),
        })?;
        // Two requests may have asked at once; the first answer counts for both.
        Ok(self.model.get_or_init(|| first).clone())
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        deadlines: &Deadlines,
    ) -> Result<Response, ChatError> {
        let provider = || self.name.clone();
        match timeout_at(deadlines.first, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_timeout() => Err(ChatError::TimedOut {
                provider: provider(),
                awaited: "accept the connection",
                limit: connect_timeout(self.first_token_timeout),
            }),
            Ok(Err(error)) => Err(ChatError::Unavailable {
                provider: provider(),
                reason: if error.is_connect() {
                    "cannot connect"
                } else {
                    "the connection broke"
                }
                .to_owned(),
            }),
            Err(_) => Err(deadlines.passed(provider())),
        }
    }

    fn refused(
        &self,
        status: Option<reqwest::StatusCode>,
        refusal: &Refusal,
        wait: Option<Duration>,
    ) -> ChatError {
        tracing::debug!(
            llm.provider = %self.name,
            http.status = status.map(|status| status.as_u16()),
            error.code = %refusal.code_for_log(),
            "chat provider refused"
        );
        classify(&self.name, self.model(), status, refusal, wait)
    }

    fn endpoint(&self, path: &[&str]) -> Url {
        let mut url = self.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    fn with_key(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value.clone()),
            None => request,
        }
    }

    fn dialect(&self) -> Dialect {
        *self.dialect.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, dialect: Dialect) {
        *self.dialect.lock().unwrap_or_else(PoisonError::into_inner) = dialect;
    }
}

#[async_trait]
impl ChatProvider for OpenAiCompatible {
    fn name(&self) -> &str {
        &self.name
    }

    fn model(&self) -> &str {
        self.model.get().map_or("", String::as_str)
    }

    async fn stream(
        &self,
        request: ChatRequest,
    ) -> Result<BoxStream<'static, Result<ChatDelta, ChatError>>, ChatError> {
        let deadlines =
            Deadlines::new(Instant::now(), self.first_token_timeout, self.total_timeout);
        let model = self.resolve_model(&deadlines).await?;
        let mut dialect = self.dialect();
        loop {
            let body = wire::request_body(&request, &model, dialect);
            let post = self
                .client
                .post(self.endpoint(&["chat", "completions"]))
                .header(ACCEPT, "text/event-stream, application/json")
                .json(&body);
            let response = self.send(self.with_key(post), &deadlines).await?;
            let status = response.status();
            if status.is_success() {
                self.learn(dialect);
                return Ok(Running::new(
                    response,
                    self.name.clone(),
                    model,
                    deadlines,
                    self.max_response_bytes,
                )
                .into_stream());
            }
            let wait = retry_after(response.headers());
            let refusal = Refusal::from_bytes(&read_small_body(response, deadlines.first).await);
            // Each round turns one field off for good, so the loop ends after at most five.
            match dialect.after_refusal(&refusal.param, &refusal.message) {
                Some(next) if matches!(status.as_u16(), 400 | 422) => dialect = next,
                _ => return Err(self.refused(Some(status), &refusal, wait)),
            }
        }
    }
}

/// Reads a short body as far as it comes; a broken or slow one ends early, the status says enough.
pub(crate) async fn read_small_body(mut response: Response, deadline: Instant) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Ok(Some(bytes))) = timeout_at(deadline, response.chunk()).await {
        let room = MAX_SMALL_BODY_BYTES - body.len();
        body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() >= room {
            break;
        }
    }
    body
}

pub(crate) fn parse_base_url(text: &str) -> Result<Url, ChatError> {
    let refused = |reason: &str| ChatError::Settings {
        setting: "base_url",
        reason: reason.to_owned(),
    };
    let mut url = Url::parse(text.trim()).map_err(|error| refused(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(refused(
            "it has to start with http:// or https:// and name a host",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused(
            "it must not hold credentials, the API key has its own setting",
        ));
    }
    url.set_fragment(None);
    // People paste the whole endpoint.
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(path.strip_suffix("/chat/completions").unwrap_or(&path));
    Ok(url)
}

pub(crate) fn bearer(key: &Secret) -> Result<HeaderValue, ChatError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose())).map_err(|_| {
        ChatError::Settings {
            setting: "api_key",
            reason: "it holds a character that cannot be sent".to_owned(),
        }
    })?;
    value.set_sensitive(true);
    Ok(value)
}

pub(crate) fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn connect_timeout(first_token_timeout: Duration) -> Duration {
    first_token_timeout.min(Duration::from_secs(10))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn build_client(base_url: &Url, first_token_timeout: Duration) -> Result<Client, ChatError> {
    client_builder(base_url, connect_timeout(first_token_timeout))
        .redirect(redirect::Policy::none())
        .build()
        .map_err(|error| ChatError::Settings {
            setting: "base_url",
            reason: format!("no HTTP client can be made for it: {error}"),
        })
}

/// What every client of Cairn has in common.
pub(crate) fn client_builder(base_url: &Url, connect_timeout: Duration) -> reqwest::ClientBuilder {
    // Fails when another part of the process was first, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .connect_timeout(connect_timeout)
        .user_agent(concat!("cairn/", env!("CARGO_PKG_VERSION")));
    if is_loopback(base_url) {
        builder = builder.no_proxy();
    }
    if base_url.scheme() == "http" {
        // Without this the certificates of the system are loaded, and a system without any could not even
        // reach a local server.
        builder = builder.tls_certs_only([]);
    }
    builder
}

#[cfg(test)]
mod tests {
    use super::{OpenAiCompatible, OpenAiOptions, parse_base_url};
    use crate::chat::ChatProvider;
    use crate::secret::Secret;

    #[test]
    fn base_urls_are_checked_and_joined() {
        let cases = [
            ("http://h:1/v1", Some("http://h:1/v1/chat/completions")),
            ("http://h:1/v1/", Some("http://h:1/v1/chat/completions")),
            ("http://h:1", Some("http://h:1/chat/completions")),
            (
                " https://h/v1/chat/completions ",
                Some("https://h/v1/chat/completions"),
            ),
            (
                "https://h/d?api-version=1#x",
                Some("https://h/d/chat/completions?api-version=1"),
            ),
            ("ftp://h", None),
            ("h:1/v1", None),
            ("", None),
            ("http://user:SECRET@h/", None),
        ];
        for (base_url, expected) in cases {
            match (
                OpenAiCompatible::new(OpenAiOptions::new(base_url)),
                expected,
            ) {
                (Ok(client), Some(expected)) => {
                    assert_eq!(client.endpoint(&["chat", "completions"]).as_str(), expected);
                }
                (Err(error), None) => assert!(!error.to_string().contains("SECRET"), "{error}"),
                (got, _) => assert!(expected.is_none() && got.is_err(), "{base_url}: {got:?}"),
            }
        }
        assert!(parse_base_url("http://").is_err());
    }

    #[test]
    fn debug_and_name_show_no_key() {
        let mut options = OpenAiOptions::new("http://127.0.0.1:9/v1");
        options.api_key = Some(Secret::new("SECRET"));
        assert!(!format!("{options:?}").contains("SECRET"));
        let client = OpenAiCompatible::new(options).unwrap();
        assert!(!format!("{client:?}").contains("SECRET"));
        assert_eq!((client.name(), client.model()), ("127.0.0.1:9", ""));

        let mut options = OpenAiOptions::new("http://127.0.0.1:9/v1");
        options.api_key = Some(Secret::new("SEC\nRET"));
        let error = OpenAiCompatible::new(options).unwrap_err();
        assert!(!error.to_string().contains("SEC"), "{error}");
    }
}
