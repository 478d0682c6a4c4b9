//! Servers that speak TLS: who can show a certificate that holds is read, and nobody else.

use std::net::{Ipv4Addr, SocketAddr};

use axum::response::Response;
use cairn_testkit::{TestRoot, Validity};
use cairn_web::{Answer, ExtraRoots, Url, WebClient, WebError, WebOptions};

use crate::server::{Server, client_that_resolves, fetch, options, reply};

const HOST: &str = "wiki.example";

async fn start(
    root: &TestRoot,
    names: &[&str],
    validity: Validity,
    handler: impl Fn(&axum::extract::Request) -> Response + Clone + Send + Sync + 'static,
) -> Server {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listener = root.listen(address, names, validity).await.unwrap();
    Server::on(listener, handler)
}

/// A client to which every name is this machine, of which it may read only `HOST`.
fn client_that_trusts(roots: &[&TestRoot]) -> WebClient {
    let mut extra_roots = ExtraRoots::default();
    for root in roots {
        extra_roots.add_pem(root.pem().as_bytes()).unwrap();
    }
    let options = WebOptions {
        extra_roots,
        ..options(&[HOST])
    };
    client_that_resolves(options, &[&["127.0.0.1"]]).0
}

fn there(server: &Server, path: &str) -> Url {
    let port = server.address.port();
    format!("https://{HOST}:{port}{path}").parse().unwrap()
}

#[tokio::test]
async fn a_server_that_a_trusted_root_vouches_for_is_read() {
    let root = TestRoot::new();
    let server = start(&root, &[HOST], Validity::Now, |request| {
        match request.uri().path() {
            "/robots.txt" => reply(200, &[], "User-agent: *\nDisallow: /no"),
            path => reply(200, &[], format!("page {path}")),
        }
    })
    .await;
    let client = client_that_trusts(&[&TestRoot::new(), &root]);
    let fetched = fetch(&client, &there(&server, "/a")).await.unwrap();
    let Answer::Page(page) = fetched.answer else {
        panic!("{fetched:?}");
    };
    assert_eq!(page.bytes, b"page /a");
    assert_eq!(fetched.url, there(&server, "/a"));
    let error = fetch(&client, &there(&server, "/no")).await.unwrap_err();
    assert!(matches!(error, WebError::Disallowed { .. }), "{error}");
    assert_eq!(server.paths(), ["/robots.txt", "/a"]);
}

#[tokio::test]
async fn certificates_that_do_not_hold_are_refused() {
    let root = TestRoot::new();
    for (names, validity, trusted, expect) in [
        (
            &["other.example"][..],
            Validity::Now,
            Some(&root),
            "is for another host",
        ),
        (
            &["127.0.0.1", "*.wiki.example"],
            Validity::Now,
            Some(&root),
            "is for another host",
        ),
        (&[HOST], Validity::Ended, Some(&root), "has expired"),
        (&[HOST], Validity::NotYet, Some(&root), "is not valid yet"),
        (
            &[HOST],
            Validity::Now,
            None,
            "comes from nobody whom this system trusts",
        ),
    ] {
        let server = start(&root, names, validity, |_| reply(200, &[], "secret")).await;
        let other = TestRoot::new();
        let client = client_that_trusts(&[trusted.unwrap_or(&other)]);
        let error = fetch(&client, &there(&server, "/")).await.unwrap_err();
        let host = HOST.to_owned();
        assert_eq!(
            error,
            WebError::BadCertificate {
                host,
                fault: expect
            }
        );
        assert_eq!(server.hits(), 0, "{expect}");
    }
}

#[tokio::test]
async fn what_is_no_tls_is_no_server() {
    let server = Server::start(|_| reply(200, &[], "plain")).await;
    let client = client_that_trusts(&[&TestRoot::new()]);
    let error = fetch(&client, &there(&server, "/")).await.unwrap_err();
    assert!(matches!(error, WebError::NoRobots { .. }), "{error}");
    assert_eq!(server.hits(), 0);
}

/// The victim would be believed: its certificate is for what it is asked by.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn redirects_of_a_trusted_server_lead_to_no_private_address() {
    let root = TestRoot::new();
    let names = ["127.0.0.9", "localhost"];
    let address = SocketAddr::from(([127, 0, 0, 9], 0));
    let listener = root.listen(address, &names, Validity::Now).await.unwrap();
    let victim = Server::on(listener, |_| reply(200, &[], "secret"));
    let plain = Server::start(|_| reply(200, &[], "secret")).await;
    let server = start(&root, &[HOST], Validity::Now, |request| {
        let to = request.uri().query().unwrap_or_default();
        match request.uri().path() {
            "/robots.txt" => reply(404, &[], ""),
            _ => reply(302, &[("location", to)], ""),
        }
    })
    .await;
    let client = client_that_trusts(&[&root]);
    let (port, plain_port) = (victim.address.port(), plain.address.port());
    for to in [
        format!("https://127.0.0.9:{port}/"),
        format!("https://localhost:{port}/"),
        format!("https://0x7f000009:{port}/"),
        format!("https://[::ffff:127.0.0.9]:{port}/"),
    ] {
        let error = fetch(&client, &there(&server, &format!("/?{to}")))
            .await
            .unwrap_err();
        assert!(matches!(error, WebError::NotPublic { .. }), "{to}: {error}");
    }
    for host in ["127.0.0.1", "localhost", HOST] {
        let to = format!("/?http://{host}:{plain_port}/");
        let error = fetch(&client, &there(&server, &to)).await.unwrap_err();
        assert!(
            matches!(error, WebError::BadAddress { .. }),
            "{to}: {error}"
        );
    }
    assert_eq!((victim.hits(), plain.hits()), (0, 0));
}
