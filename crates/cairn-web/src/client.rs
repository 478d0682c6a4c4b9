//! One address to one answer: checked, asked for politely, with limits.
//!
//! What keeps requests out of private networks (server-side request forgery):
//! 1. Only `http` and `https`, no name or password, no port of another service; checked for every redirect.
//! 2. A host that is a number is checked before anything is sent, in the form that the URL Standard gives it.
//! 3. A host that is a name is resolved by our own resolver, which lets only permitted addresses through. The connection goes to
//!    an address that it gave: nothing is resolved a second time, so a name that changes its meaning in between gains nothing.
//! 4. Redirects are followed by hand, at most [`MAX_REDIRECTS`], never from `https` to `http`. No proxy, no cookies, no referrer.
//!
//! HTTP/1.1 only: one request at a time has no use for more. Headers are limited by hyper (100 of them, some 400 KiB).

use std::collections::HashMap;
use std::error::Error as _;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use cairn_types::{Clock, Timestamp};
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use tokio::time::{Instant, timeout};

use crate::address::Allowed;
use crate::body::{self, Excess};
use crate::canonical::{canonical, check};
use crate::error::WebError;
use crate::headers::{retry_after, robots_tag};
use crate::pace::{Pace, Turn, wait_for};
use crate::robots::{self, Robots};
use crate::tls::{ExtraRoots, certificate_fault};

/// Redirects that are followed; RFC 9309 asks for five, too.
const MAX_REDIRECTS: usize = 5;
/// Answers with `Retry-After` that are waited for before a page is given up.
const MAX_RETRIES: usize = 2;
/// Longest pause that a robots.txt can ask for.
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// How long a robots.txt is believed (RFC 9309, section 2.4: at most a day).
const ROBOTS_TTL: Duration = Duration::from_secs(4 * 3_600);
/// How long a robots.txt that did not come keeps us away.
const NO_ROBOTS_TTL: Duration = Duration::from_secs(300);
/// Sites whose robots.txt is remembered.
const MAX_SITES: usize = 1_000;

/// Finds the addresses of a host; tests put their own in place of the system's.
pub type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Settings of a [`WebClient`].
#[derive(Debug, Clone)]
pub struct WebOptions {
    /// What may be reached beside the public internet.
    pub allowed: Allowed,
    /// Whose certificates count beside those that the system trusts.
    pub extra_roots: ExtraRoots,
    /// Pause between two requests to a host; a longer `Crawl-delay` (up to 30 s) wins.
    pub delay: Duration,
    /// Largest answer after unpacking.
    pub max_bytes: u64,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Time from connecting to the first byte of an answer.
    pub first_byte_timeout: Duration,
    /// Time for a whole answer.
    pub total_timeout: Duration,
}

impl Default for WebOptions {
    fn default() -> Self {
        Self {
            allowed: Allowed::default(),
            extra_roots: ExtraRoots::default(),
            delay: Duration::from_secs(1),
            max_bytes: 200 << 20,
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(120),
        }
    }
}

/// What an answer can be asked about later (RFC 9110, section 8.8), as it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

/// What the run knows of addresses on the way to a page.
pub struct Hops<'h> {
    /// How an address was answered last time.
    pub validators: &'h (dyn Fn(&Url) -> Option<Validators> + Sync),
    /// Whether a redirect there is followed.
    pub accepts: &'h (dyn Fn(&Url) -> bool + Sync),
}

/// A page as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Unpacked.
    pub bytes: Vec<u8>,
    /// `Content-Type` without parameters, lower case; empty where there is none.
    pub content_type: String,
    /// For asking again.
    pub validators: Validators,
    /// Whether the answer asks not to be kept.
    pub no_index: bool,
    /// Whether the answer asks that its links are not followed.
    pub no_follow: bool,
}

/// What a server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A page.
    Page(Page),
    /// The page is as it was when its validators were noted.
    Same,
    /// There is no such page (404), or no more (410).
    Gone {
        /// 404 or 410.
        status: u16,
    },
}

/// An answer and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where the redirects ended, in canonical form.
    pub url: Url,
    /// Whether there were redirects, and all of them said that the page has moved for good.
    pub has_moved: bool,
    /// What was answered there.
    pub answer: Answer,
}

/// Fetches pages. One for all runs, so that a host is asked by one of them at a time.
pub struct WebClient {
    options: WebOptions,
    clock: Arc<dyn Clock>,
    lookup: Lookup,
    plain: Client,
    /// Made when it is needed: loading the system's certificates takes a while, and a system may have none.
    secure: OnceLock<Result<Client, String>>,
    pace: Pace,
    sites: Mutex<HashMap<String, (Arc<Site>, Instant)>>,
}

impl fmt::Debug for WebClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebClient")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// What a site's robots.txt says, or why it does not.
type Site = Result<Robots, WebError>;

impl WebClient {
    /// A client that resolves names as the system does.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn new(options: WebOptions, clock: Arc<dyn Clock>) -> Result<Self, WebError> {
        let lookup: Lookup = Arc::new(|host| {
            Box::pin(async move {
                let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            })
        });
        Self::with_lookup(options, clock, lookup)
    }

    /// A client that resolves names by `lookup`. What it gives is checked like any other answer.
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn with_lookup(
        options: WebOptions,
        clock: Arc<dyn Clock>,
        lookup: Lookup,
    ) -> Result<Self, WebError> {
        // Fails when another part of the process was first, which is just as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plain = builder(&options, &lookup)
            .tls_certs_only([])
            .build()
            .map_err(|error| no_client(&error))?;
        Ok(Self {
            options,
            clock,
            lookup,
            plain,
            secure: OnceLock::new(),
            pace: Pace::default(),
            sites: Mutex::default(),
        })
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Fetches an address with its redirects. Asks the robots.txt of each site on the way first.
    ///
    /// # Errors
    /// See [`WebError`].
    pub async fn fetch(&self, url: &Url, hops: &Hops<'_>) -> Result<Fetched, WebError> {
        let mut url = url.clone();
        let mut has_moved = true;
        for n_redirects in 0..=MAX_REDIRECTS {
            self.check(&url)?;
            let robots = self.robots(&url).await?;
            if !robots.allows(&path_and_query(&url)) {
                return Err(WebError::Disallowed { host: host(&url) });
            }
            let page = canonical(&url);
            let validators = (hops.validators)(&page);
            let delay = robots.delay.unwrap_or_default().min(LONGEST_DELAY);
            let limit = self.options.max_bytes;
            let request = Request {
                validators: validators.as_ref(),
                delay: delay.max(self.options.delay),
                excess: Excess::Refuse,
                limit,
            };
            match self.ask(&url, &request).await? {
                Said::Redirect { to, is_permanent } => {
                    has_moved &= is_permanent;
                    url = next_hop(&url, &to)?;
                    if n_redirects < MAX_REDIRECTS && !(hops.accepts)(&canonical(&url)) {
                        return Err(WebError::LeadsAway {
                            to: canonical(&url).into(),
                        });
                    }
                }
                Said::Answer(answer) => {
                    return Ok(Fetched {
                        url: page,
                        has_moved: has_moved && n_redirects > 0,
                        answer,
                    });
                }
            }
        }
        Err(WebError::TooManyRedirects {
            limit: MAX_REDIRECTS,
        })
    }

    /// What can be said of an address before anything is sent. Names are checked when they are resolved.
    fn check(&self, url: &Url) -> Result<(), WebError> {
        check(url)?;
        let text = url.host_str().unwrap_or_default();
        let number = text.trim_start_matches('[').trim_end_matches(']');
        match number.parse::<IpAddr>() {
            Ok(address) => self
                .options
                .allowed
                .check(text, address)
                .map_err(|why| not_public(text, why)),
            Err(_) => Ok(()),
        }
    }

    /// The robots.txt of an address's site.
    async fn robots(&self, url: &Url) -> Result<Robots, WebError> {
        let site = url.origin().ascii_serialization();
        let now = Instant::now();
        let known = {
            let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
            if sites.len() >= MAX_SITES {
                sites.clear();
            }
            sites
                .get(&site)
                .filter(|(_, until)| *until > now)
                .map(|(robots, _)| Arc::clone(robots))
        };
        if let Some(known) = known {
            return Site::clone(&known);
        }
        let read = self.read_robots(url).await;
        let ttl = match &read {
            Ok(_) => ROBOTS_TTL,
            Err(_) => NO_ROBOTS_TTL,
        };
        let entry = (Arc::new(read.clone()), now + ttl);
        self.sites
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(site, entry);
        read
    }

    async fn read_robots(&self, url: &Url) -> Result<Robots, WebError> {
        let origin = host(url);
        let unread = |reason: String| WebError::NoRobots {
            host: origin.clone(),
            reason,
        };
        let mut url = url.clone();
        url.set_path("/robots.txt");
        url.set_query(None);
        url.set_fragment(None);
        let request = Request {
            validators: None,
            delay: Duration::ZERO,
            excess: Excess::Cut,
            limit: robots::MAX_BYTES as u64,
        };
        for _ in 0..=MAX_REDIRECTS {
            self.check(&url)?;
            match self.ask(&url, &request).await {
                Ok(Said::Redirect { to, .. }) => url = next_hop(&url, &to)?,
                Ok(Said::Answer(Answer::Page(page))) => return Ok(Robots::parse(&page.bytes)),
                Ok(Said::Answer(Answer::Same | Answer::Gone { .. })) => {
                    return Ok(Robots::default());
                }
                // 4xx: the site has no rules. 429 is more a sign of trouble than of liberty.
                Err(WebError::Status { status })
                    if (400..500).contains(&status) && status != 429 =>
                {
                    return Ok(Robots::default());
                }
                // Where we may not go at all, or cannot know who answers, that is what is to be told.
                Err(
                    error @ (WebError::NotPublic { .. }
                    | WebError::BadAddress { .. }
                    | WebError::BadCertificate { .. }),
                ) => return Err(error),
                Err(error) => return Err(unread(error.to_string())),
            }
        }
        // More redirects count as no rules (RFC 9309, section 2.3.1.2).
        Ok(Robots::default())
    }

    /// One request, again where the server asks for a moment of patience.
    async fn ask(&self, url: &Url, request: &Request<'_>) -> Result<Said, WebError> {
        let mut n_tries = 0;
        loop {
            let turn = self.pace.turn(&host(url)).await?;
            let sent = self.send(url, request.validators).await;
            let response = match sent {
                Ok(response) => response,
                Err(error) => {
                    turn.end(request.delay);
                    return Err(error);
                }
            };
            let is_busy = matches!(response.status().as_u16(), 429 | 503);
            let wait = retry_after(response.headers(), self.clock.now().0);
            if let Some(wait) = wait.filter(|_| is_busy) {
                n_tries += 1;
                turn.end(wait.max(request.delay));
                wait_for(wait)?;
                if n_tries <= MAX_RETRIES {
                    continue;
                }
                return Err(WebError::Status {
                    status: response.status().as_u16(),
                });
            }
            return self.take(response, request, turn).await;
        }
    }

    async fn send(&self, url: &Url, validators: Option<&Validators>) -> Result<Response, WebError> {
        let client = match url.scheme() {
            "https" => self.secure()?,
            _ => &self.plain,
        };
        let request = client.get(url.clone()).headers(conditions(validators));
        let limit = self.options.connect_timeout + self.options.first_byte_timeout;
        match timeout(limit, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(unsent(&error, url)),
            Err(_) => Err(WebError::TimedOut {
                what: "answer",
                seconds: limit.as_secs(),
            }),
        }
    }

    fn secure(&self) -> Result<&Client, WebError> {
        self.secure
            .get_or_init(|| {
                builder(&self.options, &self.lookup)
                    .tls_certs_merge(self.options.extra_roots.certificates())
                    .build()
                    .map_err(|error| no_client(&error).to_string())
            })
            .as_ref()
            .map_err(|reason| WebError::Unreachable {
                reason: reason.clone(),
            })
    }

    /// Reads what the response has to say.
    async fn take(
        &self,
        response: Response,
        request: &Request<'_>,
        turn: Turn,
    ) -> Result<Said, WebError> {
        let status = response.status();
        let said = match status {
            StatusCode::NOT_MODIFIED if request.validators.is_some() => {
                Ok(Said::Answer(Answer::Same))
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(Said::Answer(Answer::Gone {
                status: status.as_u16(),
            })),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => match text(response.headers(), &LOCATION) {
                Some(to) => Ok(Said::Redirect {
                    to,
                    is_permanent: matches!(status.as_u16(), 301 | 308),
                }),
                None => Err(WebError::Status {
                    status: status.as_u16(),
                }),
            },
            StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => {
                let limit = self.options.total_timeout;
                timeout(limit, page(response, request))
                    .await
                    .unwrap_or(Err(WebError::TimedOut {
                        what: "end of the answer",
                        seconds: limit.as_secs(),
                    }))
            }
            _ => Err(WebError::Status {
                status: status.as_u16(),
            }),
        };
        turn.end(request.delay);
        said
    }
}

/// How an address is asked for.
struct Request<'r> {
    validators: Option<&'r Validators>,
    delay: Duration,
    excess: Excess,
    limit: u64,
}

/// What one response says.
enum Said {
    Redirect { to: String, is_permanent: bool },
    Answer(Answer),
}

async fn page(response: Response, request: &Request<'_>) -> Result<Said, WebError> {
    let headers = response.headers();
    let (no_index, no_follow) = robots_tag(headers);
    let content_type = text(headers, &CONTENT_TYPE).unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default().trim();
    let content_type = content_type.to_ascii_lowercase();
    let validators = Validators {
        etag: text(headers, &ETAG),
        last_modified: text(headers, &LAST_MODIFIED),
    };
    let bytes = body::read(response, request.limit, request.excess).await?;
    Ok(Said::Answer(Answer::Page(Page {
        bytes,
        content_type,
        validators,
        no_index,
        no_follow,
    })))
}

/// What all requests have in common.
fn builder(options: &WebOptions, lookup: &Lookup) -> reqwest::ClientBuilder {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("text/html, */*;q=0.8"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    let resolver = Guarded {
        lookup: Arc::clone(lookup),
        allowed: options.allowed.clone(),
    };
    Client::builder()
        .user_agent(concat!("cairn/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .connect_timeout(options.connect_timeout)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .http1_only()
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(Duration::from_secs(30))
        .dns_resolver(resolver)
}

/// Lets only permitted addresses through to the connection.
struct Guarded {
    lookup: Lookup,
    allowed: Allowed,
}

/// No address of a host is permitted.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{host}` has a {why} address")]
struct NotPermitted {
    host: String,
    why: &'static str,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let found = (self.lookup)(host.clone());
        let allowed = self.allowed.clone();
        Box::pin(async move {
            let mut permitted = Vec::new();
            let mut refused = None;
            for address in found.await? {
                match allowed.check(&host, address) {
                    Ok(()) => permitted.push(SocketAddr::new(address, 0)),
                    Err(why) => refused = Some(why),
                }
            }
            match refused {
                // A host with one foot in a private network is connected to by its public one.
                Some(why) if permitted.is_empty() => Err(NotPermitted { host, why }.into()),
                _ => Ok(Box::new(permitted.into_iter()) as Addrs),
            }
        })
    }
}

/// Where a redirect leads.
fn next_hop(from: &Url, to: &str) -> Result<Url, WebError> {
    let bad = |reason: &str| WebError::BadAddress {
        address: to.chars().filter(|c| !c.is_control()).take(200).collect(),
        reason: reason.to_owned(),
    };
    let url = from
        .join(to)
        .map_err(|_| bad("the server redirects to it, and it is no address"))?;
    check(&url)?;
    if from.scheme() == "https" && url.scheme() == "http" {
        return Err(bad("the server redirects from https to http"));
    }
    Ok(url)
}

fn conditions(validators: Option<&Validators>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let pairs = validators.into_iter().flat_map(|validators| {
        [
            (IF_NONE_MATCH, &validators.etag),
            (IF_MODIFIED_SINCE, &validators.last_modified),
        ]
    });
    for (name, value) in pairs {
        if let Some(value) = value.as_deref().and_then(|v| HeaderValue::from_str(v).ok()) {
            headers.insert(name, value);
        }
    }
    headers
}

/// A header as text, where it is one of sensible length.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    let text = match value.to_str() {
        Ok(text) => text.to_owned(),
        // Servers send addresses in UTF-8 where they should have escaped them.
        Err(_) => std::str::from_utf8(value.as_bytes()).ok()?.to_owned(),
    };
    (!text.is_empty() && text.len() <= 4_096).then_some(text)
}

fn path_and_query(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn not_public(host: &str, why: &'static str) -> WebError {
    WebError::NotPublic {
        host: host.to_owned(),
        why,
    }
}

/// Why a request was not answered, without what libraries say inside.
fn unsent(error: &reqwest::Error, url: &Url) -> WebError {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref::<NotPermitted>() {
            return not_public(&refused.host, refused.why);
        }
        cause = inner.source();
    }
    tracing::debug!(?error, "a page was not reached");
    if let Some(fault) = certificate_fault(error) {
        return WebError::BadCertificate {
            host: host(url),
            fault,
        };
    }
    let reason = if error.is_timeout() {
        "no connection in time"
    } else if error.is_connect() {
        "no connection to its host"
    } else {
        "the connection broke before the answer"
    };
    WebError::Unreachable {
        reason: format!("{reason} `{}`", host(url)),
    }
}

fn no_client(error: &reqwest::Error) -> WebError {
    tracing::warn!(?error, "no HTTP client");
    WebError::Unreachable {
        reason: "this system has no certificates to check servers with".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_go_on_or_to_a_safer_place() {
        let from = |text: &str| text.parse::<Url>().unwrap();
        for (start, to, expect) in [
            ("http://h/a/b", "../c", Some("http://h/c")),
            ("http://h/", "https://h/", Some("https://h/")),
            ("https://h/", "//i/x", Some("https://i/x")),
            ("https://h/", "http://h/", None),
            ("http://h/", "file:///etc/passwd", None),
            ("http://h/", "http://u:p@h/", None),
            ("http://h/", "http://h:22/", None),
            ("http://h/", "http://[", None),
        ] {
            let hop = next_hop(&from(start), to);
            assert_eq!(hop.as_ref().ok().map(Url::as_str), expect, "{start} {to}");
        }
    }
}
