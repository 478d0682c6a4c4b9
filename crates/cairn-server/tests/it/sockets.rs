//! Real sockets: TCP and Unix, and a shutdown that lets requests end.

use std::path::Path;

use cairn_server::{ServeOptions, serve};
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::Test;
use crate::test_app::{Reply, TestApp, form, run};

pub(crate) const TESTS: &[Test] = &[
    (
        "sockets::tcp_and_the_unix_socket_answer_and_stop",
        tcp_and_unix,
    ),
    (
        "sockets::open_addresses_are_refused_without_a_key",
        open_addresses,
    ),
    (
        "sockets::idle_connections_do_not_hold_up_a_shutdown",
        idle_connections,
    ),
];

async fn send<S>(stream: S, request: Request<Full<bytes::Bytes>>) -> Reply
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    Reply::of(sender.send_request(request).await.unwrap()).await
}

fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Request<Full<bytes::Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into())).unwrap()
}

async fn over_unix(socket: &Path, method: &str, path: &str, body: Value) -> Reply {
    let headers = [("content-type", "application/json")];
    let stream = UnixStream::connect(socket).await.unwrap();
    send(
        stream,
        request(method, path, &headers, body.to_string().into_bytes()),
    )
    .await
}

fn tcp_and_unix() {
    run(async {
        let test = TestApp::new().await;
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = tcp.local_addr().unwrap();
        let socket = test.dir.path().join("cairn.sock");
        let unix = UnixListener::bind(&socket).unwrap();
        let shutdown = CancellationToken::new();
        let options = ServeOptions {
            tcp: Some(tcp),
            unix: Some(unix),
        };
        let server = tokio::spawn(serve(test.app.clone(), options, shutdown.clone()));
        let jobs = tokio::spawn({
            let (app, stop) = (test.app.clone(), shutdown.clone());
            async move { app.run_jobs(stop).await }
        });

        let folder = test.write(&[("a.md", "The ferry leaves at nine.")]);
        let body = json!({ "patterns": ["."], "base": folder });
        let ingested = over_unix(&socket, "POST", "/local/v1/ingest", body).await;
        assert_eq!(
            ingested.lines().last().unwrap()["added"],
            1,
            "{}",
            ingested.text()
        );
        let key = over_unix(&socket, "POST", "/local/v1/keys", json!({ "user": "anna" }))
            .await
            .json();
        let key = key["key"].as_str().unwrap().to_owned();
        let connect = || async { TcpStream::connect(addr).await.unwrap() };
        let json_type = ("content-type", "application/json");
        let query = json!({ "query": "ferry" }).to_string().into_bytes();
        let refused = send(
            connect().await,
            request("POST", "/api/v1/search", &[json_type], query.clone()),
        )
        .await;
        refused.assert_problem(401, "unauthenticated");
        let headers = [json_type, ("x-api-key", key.as_str())];
        let found = send(
            connect().await,
            request("POST", "/api/v1/search", &headers, query),
        )
        .await;
        assert_eq!(found.json()["results"].as_array().unwrap().len(), 1);
        let local = send(
            connect().await,
            request("GET", "/local/v1/keys", &headers, vec![]),
        )
        .await;
        local.assert_problem(404, "not_found");

        let (content_type, body) = form(&[("file", Some("b.md"), b"Tickets cost five.")]);
        let headers = [
            ("content-type", content_type.as_str()),
            ("x-api-key", key.as_str()),
        ];
        let accepted = send(
            connect().await,
            request("POST", "/api/v1/docs", &headers, body),
        )
        .await;
        let path = accepted.header("location").unwrap().to_owned();
        loop {
            let job = send(
                connect().await,
                request("GET", &path, &headers[1..], vec![]),
            )
            .await
            .json();
            if job["state"] == "done" {
                assert_eq!(job["counts"]["added"], 1);
                break;
            }
            assert!(
                ["queued", "running"].contains(&job["state"].as_str().unwrap()),
                "{job}"
            );
        }
        shutdown.cancel();
        server.await.unwrap().unwrap();
        jobs.await.unwrap();
        assert!(
            TcpStream::connect(addr).await.is_err(),
            "nobody listens any more"
        );
    });
}

fn open_addresses() {
    run(async {
        let test = TestApp::new().await;
        let tcp = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let options = ServeOptions {
            tcp: Some(tcp),
            unix: None,
        };
        let error = serve(test.app.clone(), options, CancellationToken::new())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("no API key exists"), "{error}");
    });
}

fn idle_connections() {
    run(async {
        let test = TestApp::new().await;
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = tcp.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let options = ServeOptions {
            tcp: Some(tcp),
            unix: None,
        };
        let server = tokio::spawn(serve(test.app.clone(), options, shutdown.clone()));
        let idle = TcpStream::connect(addr).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(
            TcpStream::connect(addr).await.unwrap(),
        ))
        .await
        .unwrap();
        let connection = tokio::spawn(connection);
        let response = sender
            .send_request(request("GET", "/health", &[], vec![]))
            .await
            .unwrap();
        let _ = response.into_body().collect().await.unwrap();
        shutdown.cancel();
        server.await.unwrap().unwrap();
        connection.await.unwrap().unwrap();
        drop(idle);
    });
}
