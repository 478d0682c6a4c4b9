//! Failures of a request, and how they become problem documents.
//!
//! A handler fails with [`ApiError`]; `observe` turns it into the document, because only there the request's id and path are
//! known. Inside text (SQL, paths of the server, what other services sent) stands in `inside`: it goes to the log, and to the
//! owner on this machine, never over TCP.

use axum::response::{IntoResponse, Response};

use cairn_extract::ExtractError;
use cairn_ingest::IngestError;
use cairn_llm::ChatError;
use cairn_models::ModelError;
use cairn_retrieve::RetrieveError;
use cairn_store::StoreError;
use cairn_types::ports::CatalogError;
use cairn_types::{ErrorKind, HasKind};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::api::Problem;
use crate::error::ServerError;
use crate::observe::RequestInfo;

/// Why a request failed. Boxed, so that results stay small.
#[derive(Debug, Clone)]
pub(crate) struct ApiError(Box<Failure>);

#[derive(Debug, Clone)]
struct Failure {
    status: StatusCode,
    code: &'static str,
    detail: String,
    inside: Option<String>,
    hint: Option<String>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// A failure with a text that the caller may see.
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        let status =
            StatusCode::from_u16(kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::with_status(status, kind.code(), detail)
    }

    /// A failure that HTTP has a status of its own for.
    pub(crate) fn with_status(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        let error = Self(Box::new(Failure {
            status,
            code,
            detail: detail.into(),
            inside: None,
            hint: None,
            header: None,
        }));
        match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                error.header(http::header::RETRY_AFTER, HeaderValue::from_static("1"))
            }
            _ => error,
        }
    }

    /// What is wrong with the request.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, detail)
    }

    /// A failure of ours: `error` goes to the log and to the owner on this machine.
    pub(crate) fn inside(kind: ErrorKind, error: &dyn std::fmt::Display) -> Self {
        let detail = match kind {
            ErrorKind::Unavailable => "a part of the server does not answer at present",
            ErrorKind::Limited => "a limit of the server is reached",
            ErrorKind::Corrupt => "stored data is damaged; the log of the server says more",
            _ => "the server made a mistake; its log says more",
        };
        let mut failure = Self::new(kind, detail);
        failure.0.inside = Some(error.to_string());
        failure
    }

    /// Says more of a failure of ours.
    fn detail(mut self, detail: &str) -> Self {
        detail.clone_into(&mut self.0.detail);
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(crate) fn hint_opt(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// A header that belongs to the status: `Retry-After`, `WWW-Authenticate`.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    pub(crate) fn code(&self) -> &'static str {
        self.0.code
    }

    /// Inside text for the log.
    pub(crate) fn inside_text(&self) -> Option<&str> {
        self.0.inside.as_deref()
    }

    pub(crate) fn take_header(&mut self) -> Option<(HeaderName, HeaderValue)> {
        self.0.header.take()
    }

    /// The problem document of this failure in a request.
    pub(crate) fn problem(&self, request: &RequestInfo) -> Problem {
        let detail = match &self.0.inside {
            Some(inside) if request.shows_inside => inside.clone(),
            _ => self.0.detail.clone(),
        };
        Problem {
            type_uri: format!("urn:cairn:problem:{}", self.0.code),
            title: title(self.0.code, self.0.status).to_owned(),
            status: self.0.status.as_u16(),
            detail,
            instance: Some(request.path.clone()),
            code: self.0.code.to_owned(),
            hint: self.0.hint.clone(),
            trace_id: Some(request.id.clone()),
        }
    }
}

fn title(code: &str, status: StatusCode) -> &'static str {
    match code {
        "invalid_input" => "The request is not valid",
        "not_found" => "Not found",
        "forbidden" => "Not allowed",
        "unauthenticated" => "An API key is needed",
        "conflict" => "The request contradicts the present state",
        "limited" => "A limit is reached",
        "unavailable" => "Not available at present",
        "corrupt" => "Stored data is damaged",
        "timed_out" => "It took too long",
        "overloaded" => "Too many requests at once",
        "too_large" => "The request is too large",
        "idempotency_mismatch" => "The idempotency key belongs to another request",
        "misdirected" => "The request was meant for another server",
        _ => status.canonical_reason().unwrap_or("The request failed"),
    }
}

impl IntoResponse for ApiError {
    /// An empty response that carries the failure; `observe` writes the document.
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Whether an error's own text is about the request and may be shown to its sender.
const fn is_about_request(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::InvalidInput | ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::Forbidden
    )
}

fn convert(error: &dyn HasKind) -> ApiError {
    let kind = error.kind();
    let converted = if is_about_request(kind) {
        ApiError::new(kind, error.to_string())
    } else {
        ApiError::inside(kind, &error)
    };
    // Hints of inside errors name folders and commands of the server's machine.
    if is_about_request(kind) {
        converted.hint_opt(error.hint())
    } else {
        converted
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        convert(&error)
    }
}

impl From<RetrieveError> for ApiError {
    fn from(error: RetrieveError) -> Self {
        match error {
            RetrieveError::Catalog(error) => error.into(),
            RetrieveError::NoModel => {
                Self::new(error.kind(), error.to_string()).hint_opt(error.hint())
            }
            error => convert(&error),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::TooLarge { .. } => Self::with_status(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                error.to_string(),
            ),
            StoreError::DiskFull { .. } => {
                Self::inside(error.kind(), &error).detail("the disk of the server is full")
            }
            StoreError::ReadOnly { .. } => Self::inside(error.kind(), &error)
                .detail("the data directory of the server cannot be written to"),
            _ => Self::inside(error.kind(), &error),
        }
    }
}

impl From<IngestError> for ApiError {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Catalog(error) => error.into(),
            IngestError::Store(error) => error.into(),
            // Asked for by the owner on this machine: the hint helps there.
            error => convert(&error).hint_opt(error.hint()),
        }
    }
}

impl From<ExtractError> for ApiError {
    fn from(error: ExtractError) -> Self {
        convert(&error).hint_opt(error.hint())
    }
}

impl From<ModelError> for ApiError {
    fn from(error: ModelError) -> Self {
        convert(&error).hint_opt(error.hint())
    }
}

impl From<ChatError> for ApiError {
    fn from(error: ChatError) -> Self {
        // These texts are our own throughout; the crate keeps the other side's words out.
        Self::new(error.kind(), error.to_string()).hint_opt(error.hint())
    }
}

impl From<cairn_answer::Error> for ApiError {
    fn from(error: cairn_answer::Error) -> Self {
        match error {
            cairn_answer::Error::Catalog(error) => error.into(),
            cairn_answer::Error::Chat(error) => error.into(),
            error => convert(&error),
        }
    }
}

impl From<ServerError> for ApiError {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Catalog(error) => error.into(),
            ServerError::Retrieve(error) => error.into(),
            error => convert(&error),
        }
    }
}
