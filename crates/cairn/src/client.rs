//! The command line as a client of the HTTP API: over the Unix socket of a running server, or of the same
//! router in this process where none runs.

use std::path::PathBuf;

use axum::body::Body;
use cairn_server::api::Problem;
use cairn_types::ErrorKind;
use http::{Method, Request, Response, header};
use http_body_util::BodyExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
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

    /// A reply to a `GET`, for `--json` as it came.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.json(Method::GET, path, None).await
    }

    /// A reply to a `POST`, for `--json` as it came.
    pub(crate) async fn post(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<Value, Failure> {
        self.json(Method::POST, path, Some(&to_json(request)?))
            .await
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

    /// A reply's bytes, written as they arrive; their number.
    pub(crate) async fn download(
        &self,
        path: &str,
        mut write: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        let response = self.send(Method::GET, path, None).await?;
        let mut body = response.into_body();
        let mut n_bytes = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| broken(&error.to_string()))?;
            if let Ok(data) = frame.into_data() {
                write(&data)?;
                n_bytes += data.len() as u64;
            }
        }
        Ok(n_bytes)
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
    match serde_json::from_slice::<Problem>(&bytes) {
        Ok(problem) => failed(problem),
        Err(_) => Failure {
            message: format!("the server answered {status}"),
            hint: None,
            exit_code: exit_code("", status.as_u16()),
            code: "internal".to_owned(),
        },
    }
}

/// A problem document as a failure of the command.
pub(crate) fn failed(problem: Problem) -> Failure {
    Failure {
        exit_code: exit_code(&problem.code, problem.status),
        message: problem.detail,
        hint: problem.hint,
        code: problem.code,
    }
}

fn exit_code(code: &str, status: u16) -> u8 {
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
    let by_status = || kinds.iter().find(|kind| kind.http_status() == status);
    by_code.or_else(by_status).map_or_else(
        || {
            if (400..500).contains(&status) {
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

/// A request as JSON.
pub(crate) fn to_json(request: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(request).map_err(|error| {
        Failure::new(
            ErrorKind::Bug,
            format!("the request cannot be written: {error}"),
        )
    })
}

/// A reply as one of the objects of the API.
pub(crate) fn read<T: DeserializeOwned>(reply: Value) -> Result<T, Failure> {
    serde_json::from_value(reply).map_err(|error| unreadable(&error))
}

/// One line of a stream as one of the objects of the API.
pub(crate) fn read_line<T: DeserializeOwned>(line: &str) -> Result<T, Failure> {
    serde_json::from_str(line).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> Failure {
    Failure::new(ErrorKind::Bug, format!("the reply cannot be read: {error}"))
        .hint("a running server of another version may have sent it: restart `cairn serve`")
}

/// Percent-encodes a value for a query string or one part of a path.
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

/// A path as `file:` URIs have it: its separators stay.
pub(crate) fn encode_path(path: &str) -> String {
    encode(path).replace("%2F", "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_place() {
        assert_eq!(
            encode("a b/../ü?&=#%"),
            "a%20b%2F..%2F%C3%BC%3F%26%3D%23%25"
        );
        assert_eq!(encode_path("/a b/c"), "/a%20b/c");
    }
}
