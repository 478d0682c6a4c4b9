//! Why an address was not fetched.

use cairn_types::{ErrorKind, HasKind};

/// Why an address was not fetched. The texts name the address only where it is another one than was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebError {
    /// It is no address of the web, or one that is never fetched.
    #[error("`{address}` cannot be fetched: {reason}")]
    BadAddress {
        /// As given, shortened.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Its host is not on the public internet.
    #[error("`{host}` has a {why} address; only the public internet is read")]
    NotPublic {
        /// The host.
        host: String,
        /// `private`, `loopback`, ...
        why: &'static str,
    },
    /// The site asks robots to stay away from this address.
    #[error("robots.txt of `{host}` asks not to read this address")]
    Disallowed {
        /// The host.
        host: String,
    },
    /// The site's robots.txt did not come, which means to stay away (RFC 9309, section 2.3.1.4).
    #[error("robots.txt of `{host}` cannot be read ({reason}), so nothing is read there")]
    NoRobots {
        /// The host.
        host: String,
        /// What came instead.
        reason: String,
    },
    /// A redirect leads out of what is being read.
    #[error("it redirects to `{to}`, outside of what is being read")]
    LeadsAway {
        /// Where to.
        to: String,
    },
    /// More redirects than are followed.
    #[error("more than {limit} redirects")]
    TooManyRedirects {
        /// The limit.
        limit: usize,
    },
    /// The server refused or failed.
    #[error("the server answered {status}")]
    Status {
        /// HTTP status.
        status: u16,
    },
    /// The server asks to come back later than a run waits.
    #[error("the server asks to wait {seconds} seconds")]
    Wait {
        /// How long.
        seconds: u64,
    },
    /// The answer is larger than the limit, after unpacking.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The answer is packed in a way that was not asked for, or wrongly.
    #[error("the answer cannot be unpacked: {reason}")]
    Encoding {
        /// What is wrong.
        reason: String,
    },
    /// A time limit was reached.
    #[error("no {what} within {seconds} seconds")]
    TimedOut {
        /// `answer`, `end of the answer`.
        what: &'static str,
        /// The limit.
        seconds: u64,
    },
    /// Who answered could not show to be the host.
    #[error("the certificate of `{host}` {fault}")]
    BadCertificate {
        /// The host.
        host: String,
        /// `has expired`, `is for another host`, ...
        fault: &'static str,
    },
    /// The host is not there, or the connection broke.
    #[error("the server cannot be reached: {reason}")]
    Unreachable {
        /// In words.
        reason: String,
    },
}

impl HasKind for WebError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::BadAddress { .. } => ErrorKind::InvalidInput,
            Self::NotPublic { .. } | Self::Disallowed { .. } | Self::LeadsAway { .. } => {
                ErrorKind::Forbidden
            }
            Self::TooLarge { .. } | Self::TooManyRedirects { .. } => ErrorKind::Limited,
            Self::Status { .. } | Self::Encoding { .. } => ErrorKind::Corrupt,
            Self::NoRobots { .. }
            | Self::Wait { .. }
            | Self::TimedOut { .. }
            | Self::BadCertificate { .. }
            | Self::Unreachable { .. } => ErrorKind::Unavailable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotPublic { .. } => Some(
                "the operator can name networks and hosts that may be read in `web.allow_private`"
                    .to_owned(),
            ),
            Self::TooLarge { .. } => {
                Some("the operator can raise `web.max_response_bytes`".to_owned())
            }
            Self::BadCertificate { fault, .. } if fault.starts_with("comes from nobody") => Some(
                "the operator can name an organisation's own root certificate in `web.extra_roots`"
                    .to_owned(),
            ),
            Self::Wait { .. } | Self::TimedOut { .. } | Self::Unreachable { .. } => {
                Some("run the same command again later".to_owned())
            }
            _ => None,
        }
    }
}
