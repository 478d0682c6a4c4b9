//! A client for files from a hub: follows redirects, since hubs hand downloads to other hosts.

use std::time::Duration;

use reqwest::{Client, Url};

use crate::error::ChatError;
use crate::openai::client_builder;

/// Most redirects of one download.
const MAX_REDIRECTS: usize = 5;

/// A client for downloads from `address`.
///
/// # Errors
/// [`ChatError::Settings`] where the address cannot be used.
pub fn download_client(address: &str) -> Result<Client, ChatError> {
    let bad = |reason: String| ChatError::Settings {
        setting: "address",
        reason,
    };
    let url: Url = address
        .parse()
        .map_err(|error| bad(format!("`{address}` is not a URL: {error}")))?;
    client_builder(&url, Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::limited(MAX_REDIRECTS))
        .build()
        .map_err(|error| bad(format!("no HTTP client can be made for it: {error}")))
}
