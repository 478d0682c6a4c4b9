//! Pages of the web: fetched politely, and never from places that are not public.
//!
//! [`WebClient`] fetches one address: the robots exclusion protocol, a pause between requests, validators, limits of time and
//! size, and no way into private networks. [`Crawl`] says which address comes next. Neither parses a page: that is done by the
//! worker processes, and what they found comes back as plain texts.

mod address;
mod body;
mod canonical;
mod client;
mod crawl;
mod error;
mod headers;
mod pace;
mod robots;
mod tls;

pub use address::{Allowed, BadAllowed};
pub use canonical::{canonical, is_web_address, parse, resolve};
pub use client::{Answer, Fetched, Hops, Lookup, Page, Validators, WebClient, WebOptions};
pub use crawl::{Crawl, Step, StepKind, Within};
pub use error::WebError;
pub use headers::http_date;
pub use reqwest::Url;
pub use tls::{BadRoots, ExtraRoots};
