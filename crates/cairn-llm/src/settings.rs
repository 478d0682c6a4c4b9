//! Which server answers, from settings or from the variables that people already have set.
//!
//! When several variables are set, the order is: an address that was named (`OPENAI_BASE_URL`, `VLLM_API_BASE`,
//! `OLLAMA_HOST`), then a key alone (`OPENAI_API_KEY`, `OPENROUTER_API_KEY`, `GROQ_API_KEY`). A named address
//! goes first because it is usually a server of one's own, and documents should not leave the house because
//! a key happens to be set. A key is sent only to the service that it belongs to.

use std::sync::Arc;
use std::time::Duration;

use crate::chat::ChatProvider;
use crate::error::ChatError;
use crate::openai::{OpenAiCompatible, OpenAiOptions};
use crate::secret::Secret;

/// The kind of server; decides the default address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ProviderKind {
    /// Any server that speaks the protocol; needs a base URL.
    #[default]
    OpenAiCompatible,
    /// OpenAI itself.
    OpenAi,
    /// A local Ollama, through its `/v1`.
    Ollama,
    /// A vLLM server; needs a base URL.
    Vllm,
    /// `OpenRouter`.
    OpenRouter,
    /// Groq.
    Groq,
}

impl ProviderKind {
    /// The word for settings and replies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAiCompatible => "openai_compatible",
            Self::OpenAi => "openai",
            Self::Ollama => "ollama",
            Self::Vllm => "vllm",
            Self::OpenRouter => "openrouter",
            Self::Groq => "groq",
        }
    }

    /// Reads the word of a setting.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::OpenAiCompatible,
            Self::OpenAi,
            Self::Ollama,
            Self::Vllm,
            Self::OpenRouter,
            Self::Groq,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == word)
    }

    /// Where the service is when no base URL is given.
    #[must_use]
    pub fn default_base_url(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("https://api.openai.com/v1"),
            Self::Ollama => Some("http://127.0.0.1:11434/v1"),
            Self::OpenRouter => Some("https://openrouter.ai/api/v1"),
            Self::Groq => Some("https://api.groq.com/openai/v1"),
            Self::OpenAiCompatible | Self::Vllm => None,
        }
    }
}

/// Which server, with which key, which model. The default is: no model is configured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LlmSettings {
    /// `None`: no provider.
    pub kind: Option<ProviderKind>,
    /// `None`: the default address of the kind.
    pub base_url: Option<String>,
    /// Sent as bearer token.
    pub api_key: Option<Secret>,
    /// `None`: the first chat model that the server offers.
    pub model: Option<String>,
    /// The variable that decided, for `cairn config`; `None` when none did.
    pub decided_by: Option<&'static str>,
    /// Time to the first token; `None`: the default of [`OpenAiOptions::new`].
    pub first_token_timeout: Option<Duration>,
    /// Time in all; `None`: the default of [`OpenAiOptions::new`].
    pub total_timeout: Option<Duration>,
}

impl LlmSettings {
    /// Reads the variables that other programs have made usual. `lookup` returns the value of a variable; one
    /// that is empty counts as not set.
    #[must_use]
    pub fn from_known_variables(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| {
            lookup(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let key = |name: &str| get(name).map(|value| Secret::new(&value));
        let mut settings = if let Some(base_url) = get("OPENAI_BASE_URL") {
            Self {
                kind: Some(ProviderKind::OpenAiCompatible),
                base_url: Some(with_scheme(&base_url)),
                api_key: key("OPENAI_API_KEY"),
                decided_by: Some("OPENAI_BASE_URL"),
                ..Self::default()
            }
        } else if let Some(base_url) = get("VLLM_API_BASE") {
            Self {
                kind: Some(ProviderKind::Vllm),
                base_url: Some(with_v1(&with_scheme(&base_url))),
                api_key: key("VLLM_API_KEY"),
                decided_by: Some("VLLM_API_BASE"),
                ..Self::default()
            }
        } else if let Some(host) = get("OLLAMA_HOST") {
            Self {
                kind: Some(ProviderKind::Ollama),
                base_url: Some(ollama_base_url(&host)),
                decided_by: Some("OLLAMA_HOST"),
                ..Self::default()
            }
        } else {
            let hosted = [
                ("OPENAI_API_KEY", ProviderKind::OpenAi),
                ("OPENROUTER_API_KEY", ProviderKind::OpenRouter),
                ("GROQ_API_KEY", ProviderKind::Groq),
            ];
            hosted
                .into_iter()
                .find_map(|(name, kind)| {
                    Some(Self {
                        kind: Some(kind),
                        base_url: kind.default_base_url().map(str::to_owned),
                        api_key: Some(key(name)?),
                        decided_by: Some(name),
                        ..Self::default()
                    })
                })
                .unwrap_or_default()
        };
        settings.model = get("DEFAULT_LLM_MODEL");
        settings
    }
}

/// The provider of the settings; `None` when no kind and no base URL are set.
///
/// # Errors
/// [`ChatError::Settings`] when the settings cannot be used.
pub fn provider_from_settings(
    settings: &LlmSettings,
) -> Result<Option<Arc<dyn ChatProvider>>, ChatError> {
    let kind = match (settings.kind, &settings.base_url) {
        (Some(kind), _) => kind,
        (None, Some(_)) => ProviderKind::OpenAiCompatible,
        (None, None) => return Ok(None),
    };
    let base_url = settings
        .base_url
        .as_deref()
        .or(kind.default_base_url())
        .ok_or_else(|| ChatError::Settings {
            setting: "base_url",
            reason: format!(
                "a provider of kind `{}` has no default address",
                kind.as_str()
            ),
        })?;
    let mut options = OpenAiOptions::new(base_url);
    options.api_key.clone_from(&settings.api_key);
    options.model.clone_from(&settings.model);
    options.first_token_timeout = settings
        .first_token_timeout
        .unwrap_or(options.first_token_timeout);
    options.total_timeout = settings.total_timeout.unwrap_or(options.total_timeout);
    Ok(Some(Arc::new(OpenAiCompatible::new(options)?)))
}

fn with_scheme(address: &str) -> String {
    if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    }
}

/// Adds `/v1` to an address without a path.
fn with_v1(address: &str) -> String {
    let address = address.trim_end_matches('/');
    let after_scheme = address.split_once("://").map_or(address, |(_, rest)| rest);
    if after_scheme.contains('/') {
        address.to_owned()
    } else {
        format!("{address}/v1")
    }
}

/// `OLLAMA_HOST` as Ollama reads it: scheme and port may be missing, and an address that means "listen
/// everywhere" is reached on the loopback. Source: Ollama's FAQ and `envconfig` package.
fn ollama_base_url(host: &str) -> String {
    let (scheme, rest) = host.split_once("://").unwrap_or(("", host));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (name, port) = match authority.rfind(':') {
        // The colons inside of brackets, or of a bare IPv6 address, are no port.
        Some(at)
            if !authority[at..].contains(']') && authority.matches(':').count() == 1
                || authority[..at].ends_with(']') =>
        {
            (&authority[..at], &authority[at + 1..])
        }
        _ => (authority, ""),
    };
    let name = match name.trim_matches(['[', ']']) {
        "" | "0.0.0.0" => "127.0.0.1".to_owned(),
        "::" => "[::1]".to_owned(),
        address if address.contains(':') => format!("[{address}]"),
        name => name.to_owned(),
    };
    let port = match (port, scheme) {
        ("", "http") => ":80".to_owned(),
        ("", "https") => ":443".to_owned(),
        ("", _) => ":11434".to_owned(),
        (port, _) => format!(":{port}"),
    };
    let scheme = if scheme.is_empty() { "http" } else { scheme };
    let path = path.trim_end_matches('/');
    let path = match path {
        "" => "/v1".to_owned(),
        path if path.ends_with("v1") => format!("/{path}"),
        path => format!("/{path}/v1"),
    };
    format!("{scheme}://{name}{port}{path}")
}

#[cfg(test)]
mod tests {
    use super::{LlmSettings, ProviderKind, ollama_base_url, provider_from_settings};

    fn read(variables: &[(&str, &str)]) -> LlmSettings {
        LlmSettings::from_known_variables(|name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    /// Variables; which one decides, the base URL, the key.
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str, Option<&'a str>);

    #[test]
    fn the_usual_variables_are_understood() {
        let cases: &[Case<'_>] = &[
            (&[], "", "", None),
            (&[("DEFAULT_LLM_MODEL", "m")], "", "", None),
            (
                &[("OPENAI_BASE_URL", "http://h:1/v1")],
                "OPENAI_BASE_URL",
                "http://h:1/v1",
                None,
            ),
            (
                &[("OPENAI_BASE_URL", "h:1/v1"), ("OPENAI_API_KEY", "k")],
                "OPENAI_BASE_URL",
                "http://h:1/v1",
                Some("k"),
            ),
            (
                &[("OPENAI_BASE_URL", " "), ("OPENAI_API_KEY", "k")],
                "OPENAI_API_KEY",
                "https://api.openai.com/v1",
                Some("k"),
            ),
            (
                &[("OLLAMA_HOST", "h"), ("OPENAI_API_KEY", "k")],
                "OLLAMA_HOST",
                "http://h:11434/v1",
                None,
            ),
            (
                &[("VLLM_API_BASE", "http://v:8000"), ("OPENAI_API_KEY", "k")],
                "VLLM_API_BASE",
                "http://v:8000/v1",
                None,
            ),
            (
                &[("VLLM_API_BASE", "http://v:8000/x/"), ("VLLM_API_KEY", "w")],
                "VLLM_API_BASE",
                "http://v:8000/x",
                Some("w"),
            ),
            (
                &[("GROQ_API_KEY", "g")],
                "GROQ_API_KEY",
                "https://api.groq.com/openai/v1",
                Some("g"),
            ),
            (
                &[("GROQ_API_KEY", "g"), ("OPENROUTER_API_KEY", "o")],
                "OPENROUTER_API_KEY",
                "https://openrouter.ai/api/v1",
                Some("o"),
            ),
        ];
        for (variables, decided_by, base_url, key) in cases {
            let settings = read(variables);
            assert_eq!(
                settings.decided_by.unwrap_or_default(),
                *decided_by,
                "{variables:?}"
            );
            assert_eq!(settings.base_url.as_deref().unwrap_or_default(), *base_url);
            assert_eq!(
                settings.api_key.as_ref().map(|key| key.expose()),
                *key,
                "{variables:?}"
            );
            let provider = provider_from_settings(&settings).unwrap();
            assert_eq!(provider.is_some(), !decided_by.is_empty(), "{variables:?}");
        }
        let settings = read(&[("OPENAI_API_KEY", "k"), ("DEFAULT_LLM_MODEL", "m")]);
        assert_eq!(
            provider_from_settings(&settings).unwrap().unwrap().model(),
            "m"
        );
        assert!(!format!("{settings:?}").contains("\"k\""));
    }

    #[test]
    fn ollama_hosts_are_read_as_ollama_reads_them() {
        let cases = [
            ("0.0.0.0", "http://127.0.0.1:11434/v1"),
            ("0.0.0.0:9", "http://127.0.0.1:9/v1"),
            (":9", "http://127.0.0.1:9/v1"),
            ("http://h", "http://h:80/v1"),
            ("https://h", "https://h:443/v1"),
            ("https://h:9/", "https://h:9/v1"),
            ("http://h:9/ollama", "http://h:9/ollama/v1"),
            ("http://h:9/v1", "http://h:9/v1"),
            ("[::]:9", "http://[::1]:9/v1"),
            ("::1", "http://[::1]:11434/v1"),
            ("[fd00::2]", "http://[fd00::2]:11434/v1"),
        ];
        for (host, expected) in cases {
            assert_eq!(ollama_base_url(host), expected, "{host}");
        }
    }

    #[test]
    fn kinds_without_an_address_say_so() {
        let settings = LlmSettings {
            kind: Some(ProviderKind::Vllm),
            ..LlmSettings::default()
        };
        let error = provider_from_settings(&settings)
            .err()
            .map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some(
                "setting `base_url` of the chat provider cannot be used: \
                 a provider of kind `vllm` has no default address"
            )
        );
        for kind in [
            "openai",
            "ollama",
            "vllm",
            "groq",
            "openrouter",
            "openai_compatible",
        ] {
            assert_eq!(ProviderKind::from_word(kind).unwrap().as_str(), kind);
        }
        assert_eq!(ProviderKind::from_word("x"), None);
    }
}
