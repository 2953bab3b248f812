//! The head of an answer: its status, and how long its body is (RFC 9112, 6.3).

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Response};
use hyper::StatusCode;

use super::chunks::Chunks;
use super::malformed::Malformed;

/// Most fields of a head.
const MOST_FIELDS: usize = 100;

/// What of a head matters.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// 200 or another one, which is none of those that another head follows.
    pub status: StatusCode,
    /// Where its body ends.
    pub length: Length,
    /// Whether the connection stays when the body has ended.
    pub is_lasting: bool,
    /// How the body is encoded, if it says so.
    pub encoding: Option<Box<[u8]>>,
}

/// Where a body ends.
#[derive(Debug, PartialEq, Eq)]
pub enum Length {
    /// Behind so many bytes.
    Known(u64),
    /// Behind the last chunk.
    Chunked(Chunks),
    /// Where the connection ends.
    Open,
}

impl Head {
    /// The length of a head, and the head unless another follows it (RFC 9110, 15.2); none while it is not complete.
    pub fn parse(bytes: &[u8]) -> Result<Option<(usize, Option<Self>)>, Malformed> {
        let mut fields = [MaybeUninit::uninit(); MOST_FIELDS];
        let mut response = Response::new(&mut []);
        let parsed =
            ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut fields)?;
        let httparse::Status::Complete(length) = parsed else { return Ok(None) };
        let code = response.code.unwrap_or_default();
        let status = StatusCode::from_u16(code).map_err(|_| Malformed::Status)?;
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Some((length, None)));
        }
        let is_new = response.version == Some(1);
        Ok(Some((length, Some(Self::new(status, is_new, response.headers)?))))
    }

    /// Whether to look again at what was no head when so many bytes of it had come: when it may have ended, with an empty
    /// line, and when it has doubled, so that what is none is found out.
    pub fn is_due(bytes: &[u8], looked_at: usize) -> bool {
        let new = bytes.get(looked_at.saturating_sub(2)..).unwrap_or_default();
        looked_at == 0
            || bytes.len() >= 2 * looked_at
            || new.windows(2).any(|pair| pair == b"\n\n")
            || new.windows(3).any(|three| three == b"\n\r\n")
    }

    /// `is_new` says that it is of HTTP/1.1, and not 1.0.
    fn new(status: StatusCode, is_new: bool, fields: &[Header<'_>]) -> Result<Self, Malformed> {
        let (mut length, mut coding, mut encoding) = (None, None, None);
        let (mut closes, mut stays) = (false, false);
        for Header { name, value } in fields {
            if name.eq_ignore_ascii_case("content-length") {
                for item in items(value) {
                    let number = number(item).ok_or(Malformed::Length)?;
                    if length.replace(number).is_some_and(|other| other != number) {
                        return Err(Malformed::Length);
                    }
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                coding = items(value).last();
            } else if name.eq_ignore_ascii_case("connection") {
                closes |= items(value).any(|item| item.eq_ignore_ascii_case(b"close"));
                stays |= items(value).any(|item| item.eq_ignore_ascii_case(b"keep-alive"));
            } else if name.eq_ignore_ascii_case("content-encoding") && encoding.is_none() {
                encoding = Some((*value).into());
            }
        }
        let has_none = [StatusCode::SWITCHING_PROTOCOLS, StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
        let length = match (coding, length) {
            _ if has_none.contains(&status) => Length::Known(0),
            (Some(_), _) if !is_new => return Err(Malformed::Encoding),
            (Some(last), _) if last.eq_ignore_ascii_case(b"chunked") => Length::Chunked(Chunks::default()),
            (None, Some(length)) => Length::Known(length),
            (Some(_), _) | (None, None) => Length::Open,
        };
        let is_lasting = if is_new { !closes } else { stays && !closes };
        let is_lasting = is_lasting && length != Length::Open && status != StatusCode::SWITCHING_PROTOCOLS;
        Ok(Self { status, length, is_lasting, encoding })
    }
}

/// What stands between commas.
fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Digits alone are a number here.
fn number(text: &[u8]) -> Option<u64> {
    let is_digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Option<Head>, Malformed> {
        let text = format!("{text}\r\n\r\n");
        let (length, head) = Head::parse(text.as_bytes())?.unwrap();
        assert_eq!(length, text.len());
        Ok(head)
    }

    fn body(text: &str) -> Result<(Length, bool), Malformed> {
        parsed(text).map(|head| head.map(|head| (head.length, head.is_lasting)).unwrap())
    }

    #[test]
    fn the_end_of_a_body_is_where_rfc_9112_has_it() {
        let chunked = || Length::Chunked(Chunks::default());
        for (text, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 12", (Length::Known(12), true)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 12, 12\r\ncontent-length: 12", (Length::Known(12), true)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: x, Close", (Length::Known(12), false)),
            ("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\nContent-Length: 12", (chunked(), true)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked", (chunked(), true)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip", (Length::Open, false)),
            ("HTTP/1.1 200 OK", (Length::Open, false)),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0", (Length::Known(0), false)),
            ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive", (Length::Known(1), true)),
            ("HTTP/1.1 204 No Content\r\nContent-Length: 12", (Length::Known(0), true)),
            ("HTTP/1.1 304 Not Modified", (Length::Known(0), true)),
            ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x", (Length::Known(0), false)),
        ] {
            assert_eq!(body(text), Ok(expected), "{text}");
        }
        assert_eq!(parsed("HTTP/1.1 100 Continue"), Ok(None));
    }

    #[test]
    fn what_is_no_head_yet_is_looked_at_when_it_may_have_ended_or_has_doubled() {
        for (bytes, looked_at, is_due) in [
            (&b"HTTP"[..], 0, true),
            (b"HTTP/1.", 4, false),
            (b"HTTP/1.1", 4, true),
            (b"HTTP/1.1 200\r\na: b\r\n", 14, false),
            (b"HTTP/1.1 200\r\n\r\n", 15, true),
            (b"HTTP/1.1 200\n\n", 13, true),
        ] {
            assert_eq!(Head::is_due(bytes, looked_at), is_due, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_length_that_can_be_read_in_two_ways_is_none() {
        for (text, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2", Malformed::Length),
            ("HTTP/1.1 200 OK\r\nContent-Length: +1", Malformed::Length),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1,", Malformed::Length),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999", Malformed::Length),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked", Malformed::Encoding),
            ("HTTP/1.1 099 OK", Malformed::Status),
            ("SSH-2.0-OpenSSH", Malformed::NotHttp(httparse::Error::Version)),
            ("HTTP/1.1 200 OK\r\nContent-Length : 1", Malformed::NotHttp(httparse::Error::HeaderName)),
        ] {
            assert_eq!(body(text), Err(expected), "{text}");
        }
        let many = format!("HTTP/1.1 200 OK{}", "\r\na: b".repeat(MOST_FIELDS + 1));
        assert_eq!(body(&many), Err(Malformed::NotHttp(httparse::Error::TooManyHeaders)));
    }
}
