//! An HTTP client of the tests: one connection for each request, over TCP.

use std::io::Cursor;
use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(60);

/// Asks one server.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    pub(crate) address: SocketAddr,
    headers: Vec<(String, String)>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Http {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            headers: Vec::new(),
        }
    }

    /// Sends a header with every request.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, path, None, Vec::new())
            .await
            .expect("the server answers")
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.request(Method::DELETE, path, None, Vec::new())
            .await
            .expect("the server answers")
    }

    pub(crate) async fn post(&self, path: &str, value: &Value) -> Reply {
        let json = value.to_string().into_bytes();
        self.request(Method::POST, path, Some("application/json"), json)
            .await
            .expect("the server answers")
    }

    pub(crate) async fn upload(&self, form: Multipart) -> Reply {
        self.try_upload(form).await.expect("the server answers")
    }

    /// An upload during which the server may end: `None` then.
    pub(crate) async fn try_upload(&self, form: Multipart) -> Option<Reply> {
        let (kind, bytes) = form.finish();
        self.request(Method::POST, "/api/v1/docs", Some(&kind), bytes)
            .await
    }

    /// `None` where the connection was refused or broke off.
    async fn request(
        &self,
        method: Method,
        path: &str,
        kind: Option<&str>,
        bytes: Vec<u8>,
    ) -> Option<Reply> {
        let work = async {
            let response = self.open(method, path, kind, bytes).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.ok()?.to_bytes();
            Some(Reply {
                status: head.status,
                headers: head.headers,
                text: String::from_utf8_lossy(&body).into_owned(),
            })
        };
        let result = tokio::time::timeout(DEADLINE, work).await;
        result.unwrap_or_else(|_| panic!("no reply from {path} in time"))
    }

    async fn open(
        &self,
        method: Method,
        path: &str,
        kind: Option<&str>,
        bytes: Vec<u8>,
    ) -> Option<http::Response<Incoming>> {
        let stream = tokio::net::TcpStream::connect(self.address).await.ok()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .ok()?;
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            request = request.header(header::HOST, self.address.to_string());
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request
            .body(Full::new(Cursor::new(bytes)))
            .expect("a valid request");
        sender.send_request(request).await.ok()
    }
}

impl Reply {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Demands a status.
    #[track_caller]
    pub(crate) fn status(self, expected: u16) -> Self {
        assert_eq!(self.status.as_u16(), expected, "{self:#?}");
        self
    }

    /// The events of a stream: names with data (WHATWG HTML, 9.2).
    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        let event = |block: &str| {
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name));
                line.map(|rest| rest.trim().to_owned())
            };
            let data = serde_json::from_str(&field("data:")?).expect("data is JSON");
            Some((field("event:")?, data))
        };
        self.text.split("\n\n").filter_map(event).collect()
    }
}

/// A form with files (RFC 7578).
#[derive(Debug, Default)]
pub(crate) struct Multipart(Vec<u8>);

const BOUNDARY: &str = "a-boundary-that-no-test-file-holds";

impl Multipart {
    pub(crate) fn file(mut self, name: &str, bytes: &[u8]) -> Self {
        self.head(&format!("name=\"file\"; filename=\"{name}\""));
        self.0.extend_from_slice(bytes);
        self.0.extend_from_slice(b"\r\n");
        self
    }

    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.head(&format!("name=\"{name}\""));
        self.0.extend_from_slice(value.as_bytes());
        self.0.extend_from_slice(b"\r\n");
        self
    }

    fn head(&mut self, disposition: &str) {
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
        self.0.extend_from_slice(head.as_bytes());
    }

    fn finish(mut self) -> (String, Vec<u8>) {
        self.0
            .extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        (format!("multipart/form-data; boundary={BOUNDARY}"), self.0)
    }
}
