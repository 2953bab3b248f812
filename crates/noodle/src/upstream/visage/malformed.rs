//! Why something is no answer, or not all of one.

use std::io;

use thiserror::Error;

/// Why something is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Malformed {
    #[error("the connection ended before the head of an answer")]
    Ended,
    #[error("the connection ended before the end of the answer")]
    CutOff,
    #[error("the head has more than 32 KiB")]
    TooLarge,
    #[error("not HTTP: {0}")]
    NotHttp(#[from] httparse::Error),
    #[error("not HTTP: a status out of range")]
    Status,
    #[error("not HTTP: more than one length, or none that is a number")]
    Length,
    #[error("not HTTP: HTTP/1.0 has no transfer encoding")]
    Encoding,
    #[error("not HTTP: a chunk without a length")]
    Chunk,
    #[error("more than 16 KiB between and behind chunks")]
    Trailer,
}

impl From<Malformed> for io::Error {
    fn from(malformed: Malformed) -> Self {
        Self::new(io::ErrorKind::InvalidData, malformed)
    }
}
