//! A web server that counts its hits, and clients for it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::serve::Listener;
use cairn_types::SystemClock;
use cairn_web::{Allowed, Fetched, Hops, Lookup, Url, Validators, WebClient, WebError, WebOptions};

/// A server on an address of this machine; it ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    hits: Arc<AtomicUsize>,
    /// Paths with queries, in order.
    paths: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) async fn start(
        handler: impl Fn(&Request) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), handler).await
    }

    pub(crate) async fn at(
        address: SocketAddr,
        handler: impl Fn(&Request) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::on(
            tokio::net::TcpListener::bind(address).await.unwrap(),
            handler,
        )
    }

    pub(crate) fn on<L: Listener<Addr = SocketAddr, Io: Send>>(
        listener: L,
        handler: impl Fn(&Request) -> Response + Clone + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let hits = Arc::new(AtomicUsize::new(0));
        let paths = Arc::new(Mutex::new(Vec::new()));
        let (counter, seen) = (Arc::clone(&hits), Arc::clone(&paths));
        let router = Router::new().fallback(move |request: Request| {
            counter.fetch_add(1, Ordering::SeqCst);
            seen.lock().unwrap().push(request.uri().to_string());
            let response = handler(&request);
            async move { response }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            hits,
            paths,
        }
    }

    pub(crate) fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.paths.lock().unwrap().clone()
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }
}

pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

/// Settings without pauses, which reach `allowed` beside the public internet.
pub(crate) fn options(allowed: &[&str]) -> WebOptions {
    WebOptions {
        allowed: Allowed::new(allowed.iter().copied()).unwrap(),
        delay: Duration::ZERO,
        max_bytes: 100_000,
        connect_timeout: Duration::from_secs(5),
        ..WebOptions::default()
    }
}

pub(crate) fn client(options: WebOptions) -> WebClient {
    WebClient::new(options, Arc::new(SystemClock)).unwrap()
}

/// A client for which every name has these addresses, one list for each time that it is asked; the last one stays.
pub(crate) fn client_that_resolves(
    options: WebOptions,
    answers: &[&[&str]],
) -> (WebClient, Arc<AtomicUsize>) {
    let answers: Vec<Vec<IpAddr>> = answers
        .iter()
        .map(|list| {
            list.iter()
                .map(|address| address.parse().unwrap())
                .collect()
        })
        .collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_host| {
        let n = counter
            .fetch_add(1, Ordering::SeqCst)
            .min(answers.len() - 1);
        let answer = answers[n].clone();
        Box::pin(async move { Ok(answer) })
    });
    let client = WebClient::with_lookup(options, Arc::new(SystemClock), lookup).unwrap();
    (client, asked)
}

pub(crate) async fn fetch(client: &WebClient, url: &Url) -> Result<Fetched, WebError> {
    fetch_again(client, url, None).await
}

pub(crate) async fn fetch_again(
    client: &WebClient,
    url: &Url,
    validators: Option<Validators>,
) -> Result<Fetched, WebError> {
    let hops = Hops {
        validators: &|_| validators.clone(),
        accepts: &|_| true,
    };
    client.fetch(url, &hops).await
}
