//! Forms and messages: the only bodies that are read, and how a slow or greedy client is kept from taking much with them.
//!
//! Memory is lent before a byte is kept, and for no more than a little ahead of what has come. Who sends nothing for a
//! while, or too slowly, loses its form; meanwhile it has no thread, and its place in the table of connections only as
//! long as nobody else needs it.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use tokio::time::{Instant, timeout_at};

use super::limits::Limits;
use super::parameters::{Encoding, Parameter};

/// Memory is lent in pieces of so many bytes, and an eighth of what has come.
const PIECE: usize = 4096;

/// What the body of a request may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// There is none.
    Nothing,
    /// A form, by POST.
    Forms,
    /// Bytes of this media type, by POST, without which there is no request.
    Messages(&'static str),
}

/// Memory that grows.
pub trait Loan: Send + Sync {
    /// Lends so many bytes more; false where there are not as many.
    fn grow(&mut self, bytes: usize) -> bool;
}

/// The memory that forms may take.
pub struct FormTerms {
    /// Bytes of one.
    pub largest: usize,
    /// The name of the key that says so.
    pub key: &'static str,
    /// Where its memory comes from.
    pub loan: Box<dyn Loan>,
}

/// The body of a request, with the memory that is lent for it.
pub(super) struct Form {
    bytes: Vec<u8>,
    /// None of a message.
    encoding: Option<Encoding>,
    _loan: Box<dyn Loan>,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Form").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl Form {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = Parameter<'_>> {
        self.encoding.iter().flat_map(|encoding| encoding.parameters(&self.bytes))
    }
}

/// Why there is no form: a status, and what is said with it.
pub(super) type Refused = (StatusCode, String);

/// Reads a form within its terms.
pub(super) async fn receive(
    head: &Parts,
    mut body: Incoming,
    takes: Takes,
    terms: FormTerms,
    limits: &Limits,
) -> Result<Form, Refused> {
    let FormTerms { largest, key, mut loan } = terms;
    let encoding = encoding(takes, head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes))
        .map_err(|message| (StatusCode::UNSUPPORTED_MEDIA_TYPE, message))?;
    let what = if encoding.is_some() { "a form" } else { "a message" };
    let too_large =
        || (StatusCode::PAYLOAD_TOO_LARGE, format!("{what} has {largest} bytes at most here ({key})"));
    if usize::try_from(body.size_hint().lower()).map_or(true, |bytes| bytes > largest) {
        return Err(too_large());
    }
    let end = Instant::now() + limits.form_timeout;
    let mut bytes = Vec::new();
    while let Some(frame) = next(&mut body, end, limits.head_timeout).await? {
        if frame.len() > largest - bytes.len() {
            return Err(too_large());
        }
        if frame.len() > bytes.capacity() - bytes.len() {
            let more = frame.len().max(PIECE + bytes.len() / 8).min(largest - bytes.len());
            if !loan.grow(bytes.len() + more - bytes.capacity()) {
                let message = "too many forms are under way: try again later";
                return Err((StatusCode::SERVICE_UNAVAILABLE, message.to_owned()));
            }
            bytes.reserve_exact(more);
        }
        bytes.extend_from_slice(&frame);
    }
    Ok(Form { bytes, encoding, _loan: loan })
}

/// How a body of this media type is read; nothing is known of what is in a message. Or what may come here.
fn encoding(takes: Takes, media_type: Option<&[u8]>) -> Result<Option<Encoding>, String> {
    let Takes::Messages(wanted) = takes else {
        let message = "a form is application/x-www-form-urlencoded or multipart/form-data with a boundary";
        return Encoding::of(media_type).map(Some).ok_or_else(|| message.to_owned());
    };
    let name = media_type.and_then(|text| text.split(|byte| *byte == b';').next()).map(<[u8]>::trim_ascii);
    match name {
        Some(name) if !name.eq_ignore_ascii_case(wanted.as_bytes()) => {
            Err(format!("a message is {wanted} here"))
        }
        _ => Ok(None),
    }
}

/// The next bytes, which have so long to come.
async fn next(
    body: &mut Incoming,
    end: Instant,
    patience: Duration,
) -> Result<Option<bytes::Bytes>, Refused> {
    loop {
        let due = end.min(Instant::now() + patience);
        match timeout_at(due, body.frame()).await {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => {
                // Trailers say nothing here.
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Ok(Some(Err(problem))) => {
                return Err((StatusCode::BAD_REQUEST, format!("the form breaks off: {problem}")));
            }
            Err(_) => return Err((StatusCode::REQUEST_TIMEOUT, "the form comes too slowly".to_owned())),
        }
    }
}
