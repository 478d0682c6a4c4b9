//! The command line as a client of the HTTP API: over the Unix socket of a running server, or of the same
//! router in this process where none runs.

use std::path::PathBuf;

use axum::body::Body;
use cairn_types::ErrorKind;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::failure::Failure;

/// Where requests go.
#[derive(Clone)]
pub(crate) enum Target {
    /// The router, in this process.
    InProcess(axum::Router),
    /// A server's socket.
    Unix(PathBuf),
}

/// Sends requests and reads replies.
#[derive(Clone)]
pub(crate) struct Client {
    target: Target,
    key: Option<String>,
}

impl Client {
    pub(crate) const fn new(target: Target, key: Option<String>) -> Self {
        Self { target, key }
    }

    /// Whether a server answers, not this process.
    pub(crate) const fn is_remote(&self) -> bool {
        matches!(self.target, Target::Unix(_))
    }

    /// A JSON reply.
    pub(crate) async fn json(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let response = self.send(method, path, body).await?;
        let bytes = response
            .into_body()
            .collect()
            .await
            .map_err(|error| broken(&error.to_string()))?
            .to_bytes();
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|error| broken(&error.to_string()))
    }

    /// A reply of lines, each handed to `on_line` as it comes; `false` ends the request.
    pub(crate) async fn lines(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        mut on_line: impl FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let response = self.send(method, path, body).await?;
        let mut body = response.into_body();
        let mut pending: Vec<u8> = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| broken(&error.to_string()))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            for &byte in &data {
                if byte == b'\n' {
                    let line = std::mem::take(&mut pending);
                    on_line(&String::from_utf8_lossy(&line))?;
                } else {
                    pending.push(byte);
                }
            }
        }
        if !pending.is_empty() {
            on_line(&String::from_utf8_lossy(&pending))?;
        }
        Ok(())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Body>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost");
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let body = match body {
            Some(value) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(value.to_string())
            }
            None => Body::empty(),
        };
        let request = request.body(body).map_err(|error| {
            Failure::new(
                ErrorKind::InvalidInput,
                format!("the request cannot be sent: {error}"),
            )
        })?;
        let response = match &self.target {
            Target::InProcess(router) => match router.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Target::Unix(socket) => over_socket(socket, request).await?,
        };
        if response.status().is_success() {
            return Ok(response);
        }
        Err(problem(response).await)
    }
}

async fn over_socket(
    socket: &std::path::Path,
    request: Request<Body>,
) -> Result<Response<Body>, Failure> {
    let gone = |error: &dyn std::fmt::Display| {
        Failure::new(
            ErrorKind::Unavailable,
            format!(
                "the server at `{}` does not answer: {error}",
                socket.display()
            ),
        )
        .hint("see whether `cairn serve` is still running")
    };
    let stream = tokio::net::UnixStream::connect(socket)
        .await
        .map_err(|error| gone(&error))?;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io)
        .await
        .map_err(|error| gone(&error))?;
    tokio::spawn(connection);
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| gone(&error))?;
    Ok(response.map(Body::new))
}

/// Reads a problem document (RFC 9457) into a failure.
async fn problem(response: Response<Body>) -> Failure {
    let status = response.status();
    let bytes = match response.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return broken(&error.to_string()),
    };
    let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let code = text("code").unwrap_or_else(|| "internal".to_owned());
    Failure {
        message: text("detail")
            .or_else(|| text("title"))
            .unwrap_or_else(|| format!("the server answered {status}")),
        hint: text("hint"),
        exit_code: exit_code(&code, status),
        code,
    }
}

fn exit_code(code: &str, status: StatusCode) -> u8 {
    let kinds = [
        ErrorKind::InvalidInput,
        ErrorKind::NotFound,
        ErrorKind::Forbidden,
        ErrorKind::Unauthenticated,
        ErrorKind::Conflict,
        ErrorKind::Limited,
        ErrorKind::Unavailable,
        ErrorKind::Corrupt,
        ErrorKind::Bug,
    ];
    let by_code = kinds.iter().find(|kind| kind.code() == code);
    let by_status = || {
        kinds
            .iter()
            .find(|kind| kind.http_status() == status.as_u16())
    };
    by_code.or_else(by_status).map_or_else(
        || {
            if status.is_client_error() {
                ErrorKind::InvalidInput.exit_code()
            } else {
                ErrorKind::Bug.exit_code()
            }
        },
        |kind| kind.exit_code(),
    )
}

fn broken(reason: &str) -> Failure {
    Failure::new(
        ErrorKind::Unavailable,
        format!("the reply broke off: {reason}"),
    )
}

/// Percent-encodes a value for a query string or path.
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut out, byte| {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    out.push(byte as char)
                }
                other => {
                    let _ = write!(out, "%{other:02X}");
                }
            }
            out
        })
}
