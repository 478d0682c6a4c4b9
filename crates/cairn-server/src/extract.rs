//! What a request brings: a JSON body and query parameters, read strictly.
//!
//! Unlike axum's own extractors these refuse unknown query parameters, read repeated ones, and fail with our problem documents.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use cairn_types::ErrorKind;
use http::request::Parts;
use http::{StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::problem::ApiError;

/// Largest JSON body. A question has 4,000 characters; a conversation of a hundred of them fits.
const MAX_JSON_BYTES: usize = 1 << 20;

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let media_type = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let essence = media_type.map(|text| text.split(';').next().unwrap_or_default().trim());
        if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            let detail = "the body must be JSON, with `Content-Type: application/json`";
            return Err(ApiError::with_status(
                status,
                "unsupported_media_type",
                detail,
            ));
        }
        let body = read_body(request.into_body(), MAX_JSON_BYTES).await?;
        // A derived reader takes an array for an object, field by field in their order; no client means that.
        if body
            .trim_ascii_start()
            .first()
            .is_some_and(|first| *first != b'{')
        {
            return Err(ApiError::invalid("the body must be a JSON object"));
        }
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            let mut words = error.to_string();
            for type_name in ["usize", "u64", "u32"] {
                words = words.replace(&format!("expected {type_name}"), "expected a whole number");
            }
            ApiError::invalid(format!("the body cannot be read: {words}"))
        })
    }
}

/// Reads a body of at most `limit` bytes.
async fn read_body(body: Body, limit: usize) -> Result<bytes::Bytes, ApiError> {
    let collected = Limited::new(body, limit).collect().await.map_err(|error| {
        if error.downcast_ref::<LengthLimitError>().is_some() {
            too_large(limit as u64)
        } else {
            ApiError::invalid("the body broke off")
        }
    })?;
    Ok(collected.to_bytes())
}

/// The body is larger than `limit` bytes.
pub(crate) fn too_large(limit: u64) -> ApiError {
    let detail = format!("the body is larger than the limit of {limit} bytes");
    ApiError::with_status(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
}

/// The parameter of a path such as `/docs/{id}`. A text that is no id names nothing.
#[derive(Debug)]
pub(crate) struct Id<T>(pub(crate) T);

impl<T: std::str::FromStr + Send, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::invalid("the path cannot be read"))?;
        text.parse().map(Self).map_err(|_| {
            let shown: String = text.chars().take(64).collect();
            let detail = format!("`{shown}` not found: an id has 16 hexadecimal digits");
            ApiError::new(ErrorKind::NotFound, detail)
        })
    }
}

/// A text of a body that should be an id.
pub(crate) fn parse_id<T: std::str::FromStr>(text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(64).collect();
        ApiError::invalid(format!(
            "`{shown}` is not an id: expected 16 hexadecimal digits"
        ))
    })
}

/// The query parameters of a request.
#[derive(Debug)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads them; one that `known` does not name is an error.
    pub(crate) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, ApiError> {
        let mut params = Vec::new();
        for pair in query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if !known.contains(&name.as_str()) {
                let names = known.join("`, `");
                let shown: String = name.chars().take(64).collect();
                return Err(ApiError::invalid(format!(
                    "unknown parameter `{shown}`, expected one of `{names}`"
                )));
            }
            params.push((name, value));
        }
        Ok(Self(params))
    }

    /// The value of a parameter that may be given once.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut values = self.0.iter().filter(|(own, _)| own == name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(ApiError::invalid(format!(
                "parameter `{name}` is given twice"
            ))),
            (found, None) => Ok(found.map(|(_, value)| value.as_str())),
        }
    }

    /// All values of a parameter.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        self.0
            .iter()
            .filter(|(own, _)| own == name)
            .map(|(_, value)| value.clone())
            .collect()
    }

    /// `limit`: entries of a page, 1 to 200, 50 where it is not given.
    pub(crate) fn limit(&self) -> Result<usize, ApiError> {
        let Some(text) = self.one("limit")? else {
            return Ok(50);
        };
        let shown: String = text.chars().take(64).collect();
        text.parse()
            .ok()
            .filter(|limit| (1..=200).contains(limit))
            .ok_or_else(|| ApiError::invalid(format!("`limit` is `{shown}`, expected 1 to 200")))
    }

    /// A whole number.
    pub(crate) fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, ApiError> {
        let Some(text) = self.one(name)? else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            let shown: String = text.chars().take(64).collect();
            ApiError::invalid(format!("`{name}` is `{shown}`, expected a whole number"))
        })
    }

    /// `true` or `false`; `false` where it is not given.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ApiError::invalid(format!(
                "`{name}` must be `true` or `false`"
            ))),
        }
    }
}

/// Percent-decoding of a form (`+` is a space).
fn decode(text: &str) -> Result<String, ApiError> {
    let bad = || ApiError::invalid("the query string cannot be read");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit().ok_or_else(bad)?, digit().ok_or_else(bad)?);
                u8::try_from(high * 16 + low).map_err(|_| bad())?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_strictly() {
        let known = ["tag", "limit", "deleted"];
        let params =
            Params::read(Some("tag=a%20b&tag=%C3%BC+x&limit=7&deleted=true"), &known).unwrap();
        assert_eq!(params.all("tag"), ["a b", "ü x"]);
        assert_eq!(params.limit().unwrap(), 7);
        assert!(params.flag("deleted").unwrap());
        assert!(params.one("tag").is_err());
        for bad in ["other=1", "tag=%", "tag=%f", "tag=%ff", "tag=%+1"] {
            assert!(Params::read(Some(bad), &known).is_err(), "{bad}");
        }
        for bad in [
            "limit=0",
            "limit=201",
            "limit=x",
            "limit=",
            "limit=-1",
            "deleted=1",
        ] {
            let params = Params::read(Some(bad), &known).unwrap();
            assert!(
                params.limit().is_err() || params.flag("deleted").is_err(),
                "{bad}"
            );
        }
        assert_eq!(Params::read(None, &known).unwrap().limit().unwrap(), 50);
    }
}
