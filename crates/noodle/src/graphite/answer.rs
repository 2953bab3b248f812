//! What a client of Graphite gets: the text, compressed where it may be.

use std::io::{self, Write};

use bytes::Bytes;
use coco_daemon::http::{Request, Response, body};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::StatusCode;
use hyper::header::{CONTENT_ENCODING, HeaderValue, VARY};

use super::storage::{MOST_COMPARED, Storage, TooManyNames};
use crate::budget::{Exhausted, Held, Reservation};
use crate::dialect::refused::Refused;

/// Shorter texts fit into a packet as they are.
const LEAST_COMPRESSED: usize = 1400;

impl From<TooManyNames> for Refused {
    fn from(_: TooManyNames) -> Self {
        let message = format!(
            "more than {MOST_COMPARED} names would have to be held against the patterns: ask for fewer of them, or for \
             such as begin with letters"
        );
        Self::bad(message)
    }
}

impl From<graphite::Error> for Refused {
    fn from(error: graphite::Error) -> Self {
        let key = match &error {
            graphite::Error::Limit { what: "series", .. } => " (graphite.max_series)",
            graphite::Error::Limit { what: "points", .. } => " (graphite.max_points)",
            graphite::Error::Limit { what: "bytes of names", .. } => " (an eighth of fetch.max_memory)",
            _ => "",
        };
        Self::bad(format!("{error}{key}"))
    }
}

/// A text for whose memory is paid, as it grows.
#[derive(Debug)]
pub struct Text {
    bytes: Vec<u8>,
    held: Reservation,
    is_compressed: bool,
}

impl Text {
    /// Nothing yet.
    pub fn new(held: Reservation) -> Self {
        Self { bytes: Vec::new(), held, is_compressed: false }
    }

    /// What `write` writes, compressed if that is worth it.
    pub fn written(
        held: Reservation,
        accepts_gzip: bool,
        write: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> Result<Self, Exhausted> {
        let mut text = Self::new(held);
        write(&mut text).map_err(|_| Exhausted)?;
        if !accepts_gzip || text.bytes.len() < LEAST_COMPRESSED {
            return Ok(text);
        }
        let mut encoder = GzEncoder::new(Self::new(text.held.nothing()), Compression::fast());
        encoder.write_all(&text.bytes).map_err(|_| Exhausted)?;
        let compressed = encoder.finish().map_err(|_| Exhausted)?;
        Ok(Self { is_compressed: true, ..compressed })
    }

    /// As it is sent, with where it comes from, and whose share is missing.
    pub fn response(mut self, request: &Request, content_type: &'static str, storage: &Storage) -> Response {
        if let Some(hang_up) = request.hang_up() {
            self.held.hold_for(hang_up);
        }
        let held = Held { bytes: self.bytes, reservation: self.held };
        let mut response = body::bytes(StatusCode::OK, content_type, Bytes::from_owner(held));
        let fields = response.headers_mut();
        fields.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        if self.is_compressed {
            fields.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        storage.tell(fields);
        response
    }
}

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.bytes.capacity() - self.bytes.len() {
            let more = bytes.len().max(4096).max(self.bytes.len() / 2);
            let growth = self.bytes.len() + more - self.bytes.capacity();
            self.held.grow(growth).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
            self.bytes.reserve_exact(more);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::budget::Budget;

    #[test]
    fn a_text_is_paid_for_before_it_grows() {
        let budget = Budget::new(20_000);
        let text = Text::written(budget.nothing(), false, |text| text.write_all(&[b'x'; 5000])).unwrap();
        assert!(budget.lent() >= text.bytes.capacity() && text.bytes.len() == 5000);
        let endless = |text: &mut Text| loop {
            text.write_all(b"0123456789")?;
        };
        assert_eq!(Text::written(budget.nothing(), false, endless).unwrap_err(), Exhausted);
        drop(text);
        assert_eq!(budget.lent(), 0);
    }

    #[test]
    fn what_is_worth_it_is_compressed_for_who_takes_that() {
        let budget = Budget::new(1 << 20);
        let write = |length| move |text: &mut Text| text.write_all(&vec![b'x'; length]);
        let text = |accepts, length| Text::written(budget.nothing(), accepts, write(length)).unwrap();
        assert!(!text(false, 100_000).is_compressed && !text(true, 100).is_compressed);
        let compressed = text(true, 100_000);
        assert!(compressed.is_compressed && compressed.bytes.len() < 1000);
        let mut plain = Vec::new();
        GzDecoder::new(&*compressed.bytes).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, vec![b'x'; 100_000]);
    }
}
