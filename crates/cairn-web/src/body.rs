//! The body of an answer, unpacked, up to a limit.
//!
//! What counts is what comes out: a small packed body can become a large one. Memory grows with what arrives, never with what a
//! header promises, and ends at the limit.

use std::io::Write;

use flate2::write::MultiGzDecoder;
use reqwest::Response;
use reqwest::header::CONTENT_ENCODING;

use crate::error::WebError;

/// What happens to a body over the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// The answer is refused.
    Refuse,
    /// The rest is not read.
    Cut,
}

/// Reads the body. Dropping the response ends the connection where not all was read.
pub(crate) async fn read(
    mut response: Response,
    limit: u64,
    excess: Excess,
) -> Result<Vec<u8>, WebError> {
    let too_large = || WebError::TooLarge { limit };
    let mut sink = match encoding(&response)? {
        Encoding::Plain => {
            if excess == Excess::Refuse && response.content_length().is_some_and(|n| n > limit) {
                return Err(too_large());
            }
            Sink::Plain(Capped::new(limit))
        }
        Encoding::Gzip => Sink::Gzip(Box::new(MultiGzDecoder::new(Capped::new(limit)))),
    };
    while let Some(piece) = response.chunk().await.map_err(|error| broken(&error))? {
        // Small pieces: one of them may become a thousand times as large.
        for piece in piece.chunks(4 << 10) {
            let written = sink.write(piece);
            if sink.is_over() {
                return match excess {
                    Excess::Refuse => Err(too_large()),
                    Excess::Cut => Ok(sink.into_bytes()),
                };
            }
            written.map_err(|error| WebError::Encoding {
                reason: error.to_string(),
            })?;
        }
    }
    sink.finish().map_err(|error| match sink.is_over() {
        true => too_large(),
        false => WebError::Encoding {
            reason: error.to_string(),
        },
    })?;
    Ok(sink.into_bytes())
}

enum Encoding {
    Plain,
    Gzip,
}

fn encoding(response: &Response) -> Result<Encoding, WebError> {
    let mut values = response
        .headers()
        .get_all(CONTENT_ENCODING)
        .iter()
        .map(|value| {
            String::from_utf8_lossy(value.as_bytes())
                .trim()
                .to_ascii_lowercase()
        })
        .filter(|value| !value.is_empty() && value != "identity");
    match (values.next().as_deref(), values.next()) {
        (None, _) => Ok(Encoding::Plain),
        (Some("gzip" | "x-gzip"), None) => Ok(Encoding::Gzip),
        (Some(other), _) => Err(WebError::Encoding {
            reason: format!(
                "`{}` was not asked for",
                other
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(40)
                    .collect::<String>()
            ),
        }),
    }
}

enum Sink {
    Plain(Capped),
    Gzip(Box<MultiGzDecoder<Capped>>),
}

impl Sink {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(sink) => sink.write_all(piece),
            Self::Gzip(sink) => sink.write_all(piece),
        }
    }

    fn finish(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Gzip(sink) => sink.try_finish(),
        }
    }

    fn capped(&self) -> &Capped {
        match self {
            Self::Plain(sink) => sink,
            Self::Gzip(sink) => sink.get_ref(),
        }
    }

    fn is_over(&self) -> bool {
        self.capped().is_over
    }

    fn into_bytes(mut self) -> Vec<u8> {
        match &mut self {
            Self::Plain(sink) => std::mem::take(&mut sink.bytes),
            Self::Gzip(sink) => std::mem::take(&mut sink.get_mut().bytes),
        }
    }
}

/// Bytes up to a limit.
struct Capped {
    bytes: Vec<u8>,
    limit: usize,
    is_over: bool,
}

impl Capped {
    fn new(limit: u64) -> Self {
        Self {
            bytes: Vec::new(),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            is_over: false,
        }
    }
}

impl Write for Capped {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        let room = self.limit - self.bytes.len();
        if piece.len() > room {
            self.bytes.extend_from_slice(&piece[..room]);
            self.is_over = true;
            return Err(std::io::Error::other("over the limit"));
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A connection that broke within the body.
fn broken(error: &reqwest::Error) -> WebError {
    tracing::debug!(?error, "an answer broke off");
    WebError::Unreachable {
        reason: "the connection broke within the answer".to_owned(),
    }
}
