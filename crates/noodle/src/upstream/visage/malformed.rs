//! Why something is no answer, or not all of one.

use std::io;

use thiserror::Error;

/// Why something is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Not all of its head came.
    #[error("the connection ended before the end of the head")]
    Ended,
    /// The connection ended too soon.
    #[error("the connection ended before the end of the answer")]
    CutOff,
    /// Its head has more than 32 KiB.
    #[error("the head has more than 32 KiB")]
    TooLarge,
    /// Its head is none.
    #[error("not HTTP: {0}")]
    NotHttp(#[from] httparse::Error),
    /// Its status has no three digits, or begins with a zero.
    #[error("not HTTP: a status out of range")]
    Status,
    /// Its length can be read in two ways, or in none.
    #[error("not HTTP: more than one length, or none that is a number")]
    Length,
    /// It has a transfer encoding, and is of HTTP/1.0.
    #[error("not HTTP: HTTP/1.0 has no transfer encoding")]
    Encoding,
    /// A chunk begins or ends in a way that others may read otherwise.
    #[error("not HTTP: a chunk that is none")]
    Chunk,
    /// What stands between and behind chunks is more than 16 KiB.
    #[error("more than 16 KiB between and behind chunks")]
    Trailer,
}

impl From<Malformed> for io::Error {
    fn from(malformed: Malformed) -> Self {
        Self::new(io::ErrorKind::InvalidData, malformed)
    }
}
