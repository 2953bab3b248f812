//! Compressing answers for clients that take them so.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, VARY};

use super::body::Response;
use super::request::Request;

/// The encoding of the bytes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As they are.
    Plain,
    /// Compressed with gzip (RFC 1952), for speed.
    Gzip,
}

impl Encoding {
    /// The encoding that a client takes.
    pub fn of(request: &Request) -> Self {
        if request.accepts_gzip() { Self::Gzip } else { Self::Plain }
    }

    /// Writes what `produce` does.
    pub fn write(
        self,
        out: &mut dyn Write,
        produce: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        match self {
            Self::Plain => produce(out),
            Self::Gzip => {
                let mut packed = GzEncoder::new(out, Compression::fast());
                produce(&mut packed)?;
                packed.finish().map(drop)
            }
        }
    }

    /// Says in the head of an answer how it is written, and that others may get it otherwise.
    pub fn mark(self, response: &mut Response) {
        let fields = response.headers_mut();
        fields.insert(VARY, HeaderValue::from(ACCEPT_ENCODING));
        if self == Self::Gzip {
            fields.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::http::body;

    #[test]
    fn what_is_packed_is_what_was_written() {
        let text = b"{\"hosts\":[]}".repeat(10_000);
        let written = |encoding: Encoding| {
            let mut out = Vec::new();
            encoding.write(&mut out, |out| text.chunks(7).try_for_each(|some| out.write_all(some))).unwrap();
            out
        };
        assert!(written(Encoding::Plain) == text);
        let packed = written(Encoding::Gzip);
        assert!(packed.len() < text.len() / 20, "{}", packed.len());
        let mut unpacked = Vec::new();
        GzDecoder::new(&*packed).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == text);
    }

    #[test]
    fn caches_hear_that_it_depends_on_what_is_accepted() {
        for (encoding, named) in [(Encoding::Plain, None), (Encoding::Gzip, Some("gzip"))] {
            let mut response = body::json(&1);
            encoding.mark(&mut response);
            assert_eq!(response.headers()[VARY], "accept-encoding");
            let said = response.headers().get(CONTENT_ENCODING).map(|value| value.to_str().unwrap());
            assert_eq!(said, named);
        }
    }
}
