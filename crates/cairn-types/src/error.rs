//! What a caller can do about an error: the one thing that retry, job queue, HTTP status and exit code read.

use std::fmt;

/// What a caller can do about an error. Every library error answers [`HasKind::kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request itself is wrong; the same request fails again.
    InvalidInput,
    /// The thing is not there, or the scope may not know that it is.
    NotFound,
    /// The caller is known and may not do this.
    Forbidden,
    /// The caller did not say who they are, or not convincingly.
    Unauthenticated,
    /// Another write or another process stands in the way.
    Conflict,
    /// A limit of size, rate or number was reached.
    Limited,
    /// A part is missing or does not answer; a retry may help.
    Unavailable,
    /// Stored data is damaged or of another format.
    Corrupt,
    /// Our own mistake.
    Bug,
}

impl ErrorKind {
    /// Whether the fault is not that of the one item at hand: what comes after it in a run or a batch would fail as well.
    #[must_use]
    pub const fn is_fatal(self) -> bool {
        matches!(self, Self::Unavailable | Self::Corrupt | Self::Bug)
    }

    /// The stable word for this kind in JSON and logs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::NotFound => "not_found",
            Self::Forbidden => "forbidden",
            Self::Unauthenticated => "unauthenticated",
            Self::Conflict => "conflict",
            Self::Limited => "limited",
            Self::Unavailable => "unavailable",
            Self::Corrupt => "corrupt",
            Self::Bug => "internal",
        }
    }

    /// HTTP status for this kind.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidInput => 400,
            Self::NotFound => 404,
            Self::Forbidden => 403,
            Self::Unauthenticated => 401,
            Self::Conflict => 409,
            Self::Limited => 429,
            Self::Unavailable => 503,
            Self::Corrupt | Self::Bug => 500,
        }
    }

    /// Process exit code for this kind, as `docs/reference/cli.md` lists them.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::InvalidInput => 2,
            Self::NotFound => 3,
            Self::Forbidden | Self::Unauthenticated => 4,
            Self::Conflict => 5,
            Self::Limited => 6,
            Self::Unavailable => 7,
            Self::Corrupt => 8,
            Self::Bug => 70,
        }
    }

    /// Whether the same request may succeed later without a change.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Limited | Self::Unavailable)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Implemented by every library error of Cairn.
pub trait HasKind: std::error::Error {
    /// What a caller can do about it.
    fn kind(&self) -> ErrorKind;

    /// What a person can do next, where we know it: a command or a setting.
    fn hint(&self) -> Option<String> {
        None
    }
}
