//! Nothing is sent to where the public may not go: a server on this machine counts, and is never asked.

use cairn_web::{Url, WebError, parse};

use crate::server::{Server, client, client_that_resolves, fetch, options, reply};

#[tokio::test]
async fn no_form_of_a_private_address_is_asked() {
    let server = Server::start(|_| reply(200, &[], "secret")).await;
    let port = server.address.port();
    let client = client(options(&[]));
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.0.1.",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "2130706433",
        "017700000001",
        "127.0.0.01",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "%31%32%37.0.0.1",
        "0",
        "0.0.0.0",
        "127.255.255.254",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.0.1",
        "100.100.100.200",
    ] {
        for scheme in ["http", "https"] {
            let text = format!("{scheme}://{host}:{port}/");
            let Ok(url) = parse(&text) else {
                continue;
            };
            let error = fetch(&client, &url).await.unwrap_err();
            assert!(
                matches!(error, WebError::NotPublic { .. }),
                "{text}: {error}"
            );
        }
    }
    assert_eq!(server.hits(), 0);
    let local: Url = server.url("/");
    assert!(
        fetch(&crate::server::client(options(&["127.0.0.1"])), &local)
            .await
            .is_ok()
    );
    assert!(server.hits() > 0, "the server does count");
}

#[tokio::test]
async fn names_are_as_private_as_their_addresses() {
    let server = Server::start(|_| reply(200, &[], "secret")).await;
    let url = parse(&format!("http://public.example:{}/", server.address.port())).unwrap();
    for addresses in [
        &["127.0.0.1"][..],
        &["127.0.0.1", "10.0.0.1"],
        &["::1"],
        &["::ffff:127.0.0.1"],
        &["0.0.0.0"],
        &["169.254.169.254"],
        &["64:ff9b::7f00:1"],
    ] {
        let (client, _) = client_that_resolves(options(&[]), &[addresses]);
        let error = fetch(&client, &url).await.unwrap_err();
        assert!(
            matches!(error, WebError::NotPublic { .. }),
            "{addresses:?}: {error}"
        );
    }
    let (client, _) = client_that_resolves(options(&[]), &[&[]]);
    let error = fetch(&client, &url).await.unwrap_err();
    assert!(
        matches!(error, WebError::NoRobots { .. }),
        "no address at all: {error}"
    );
    assert_eq!(server.hits(), 0);
    // The operator named the host.
    let (client, _) = client_that_resolves(options(&["public.example"]), &[&["127.0.0.1"]]);
    assert!(fetch(&client, &url).await.is_ok());
}

/// One stand-in for a public server, at 127.0.0.9, which the settings allow; the victim at 127.0.0.1 is what they do not.
#[cfg(target_os = "linux")]
mod with_a_stand_in {
    use std::net::SocketAddr;
    use std::sync::atomic::Ordering;

    use super::*;

    #[tokio::test]
    async fn a_name_that_changes_its_meaning_gains_nothing() {
        let victim = Server::start(|_| reply(200, &[], "secret")).await;
        let port = victim.address.port();
        let decoy = Server::at(SocketAddr::from(([127, 0, 0, 9], port)), |_| {
            reply(200, &[("connection", "close")], "decoy")
        })
        .await;
        let url = parse(&format!("http://rebind.example:{port}/")).unwrap();
        let answers: &[&[&str]] = &[&["127.0.0.9"], &["127.0.0.9"], &["127.0.0.1"]];
        let (client, asked) = client_that_resolves(options(&["127.0.0.9"]), answers);
        // robots.txt and the page: two connections, each to the address that was checked for it.
        fetch(&client, &url).await.unwrap();
        assert_eq!((asked.load(Ordering::SeqCst), decoy.hits()), (2, 2));
        let error = fetch(&client, &url).await.unwrap_err();
        assert!(matches!(error, WebError::NotPublic { .. }), "{error}");
        // Of two addresses only the permitted one is used.
        let both: &[&[&str]] = &[&["127.0.0.1", "127.0.0.9"]];
        let (client, _) = client_that_resolves(options(&["127.0.0.9"]), both);
        fetch(&client, &url).await.unwrap();
        assert_eq!((victim.hits(), decoy.hits()), (0, 4));
    }

    #[tokio::test]
    async fn redirects_lead_no_further_than_addresses() {
        let victim = Server::start(|_| reply(200, &[], "secret")).await;
        let decoy = Server::at(SocketAddr::from(([127, 0, 0, 9], 0)), |request| {
            let to = request.uri().query().unwrap_or_default();
            match request.uri().path() {
                "/robots.txt" => reply(404, &[], ""),
                // Through itself first: every redirect is checked, not the first one alone.
                "/twice" => reply(302, &[("location", &format!("/once?{to}"))], ""),
                "/once" => reply(307, &[("location", to)], ""),
                _ => reply(200, &[], "public"),
            }
        })
        .await;
        let client = client(options(&["127.0.0.9"]));
        let port = victim.address.port();
        for host in [
            "127.0.0.1",
            "localhost",
            "2130706433",
            "0x7f.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "169.254.169.254",
            "[fd00:ec2::254]",
        ] {
            for way in ["once", "twice"] {
                let url = decoy.url(&format!("/{way}?http://{host}:{port}/latest/meta-data/"));
                let error = fetch(&client, &url).await.unwrap_err();
                assert!(
                    matches!(error, WebError::NotPublic { .. }),
                    "{url}: {error}"
                );
            }
        }
        for to in [
            "file:///etc/passwd",
            "ftp://h/",
            "http://u:p@127.0.0.9/",
            "http://127.0.0.9:22/",
            "gopher://h/",
        ] {
            let error = fetch(&client, &decoy.url(&format!("/once?{to}")))
                .await
                .unwrap_err();
            assert!(
                matches!(error, WebError::BadAddress { .. }),
                "{to}: {error}"
            );
        }
        assert!(fetch(&client, &decoy.url("/twice?/page")).await.is_ok());
        assert_eq!(victim.hits(), 0);
    }

    #[tokio::test]
    async fn a_robots_txt_leads_nowhere_either() {
        let victim = Server::start(|_| reply(200, &[], "secret")).await;
        let there = victim.url("/robots.txt").to_string();
        let decoy = Server::at(SocketAddr::from(([127, 0, 0, 9], 0)), move |_| {
            reply(301, &[("location", &there)], "")
        })
        .await;
        let error = fetch(&client(options(&["127.0.0.9"])), &decoy.url("/"))
            .await
            .unwrap_err();
        assert!(matches!(error, WebError::NotPublic { .. }), "{error}");
        assert_eq!((victim.hits(), decoy.hits()), (0, 1));
    }
}
