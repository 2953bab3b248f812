//! Answers: small ones from memory, large ones produced while they are sent.

use std::fmt::Display;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use coco_core::text::Line;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::StatusCode;
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

/// The body of any answer. An error in it breaks the connection off, so that the client sees that the answer
/// is not whole.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Any answer.
pub type Response = hyper::Response<Body>;

/// The media type of every JSON answer.
pub const JSON: &str = "application/json; charset=utf-8";

/// A streamed answer leaves in pieces of about this many bytes.
const PIECE: usize = 32 * 1024;

/// So many pieces wait for a slow client before its producer does.
const WAITING_PIECES: usize = 4;

/// A client may take so long over an answer that is produced while it is sent: what it is made of is held meanwhile.
const LONGEST_STREAM: Duration = Duration::from_secs(300);

/// 200, or whatever `status` says, with bytes that are at hand.
pub fn bytes(status: StatusCode, content_type: &'static str, bytes: impl Into<Bytes>) -> Response {
    bytes_with(status, HeaderMap::new(), content_type, bytes)
}

/// The same with these header fields.
pub fn bytes_with(
    status: StatusCode,
    fields: HeaderMap,
    content_type: &'static str,
    bytes: impl Into<Bytes>,
) -> Response {
    let body = Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync();
    answer(status, fields, content_type, body)
}

/// Nothing but a status.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response
}

/// 200 with `value` as JSON and a newline, as `curl` users like it; 500 if `value` has no JSON form.
pub fn json(value: &impl Serialize) -> Response {
    json_with_status(StatusCode::OK, value)
}

/// The same with a status of its own: a health check that fails still says why.
pub fn json_with_status(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(mut text) => {
            text.push(b'\n');
            bytes(status, JSON, text)
        }
        Err(problem) => error(StatusCode::INTERNAL_SERVER_ERROR, problem),
    }
}

/// 200 with plain text, for people and for Prometheus (whose text format has a media type of its own).
pub fn text(content_type: &'static str, text: String) -> Response {
    bytes(StatusCode::OK, content_type, text)
}

/// `{"error": "..."}` with the status that fits.
pub fn error(status: StatusCode, message: impl Display) -> Response {
    let object = serde_json::json!({ "error": Line(&message.to_string()).to_string() });
    bytes(status, JSON, format!("{object}\n"))
}

/// 200 with whatever `produce` writes, sent while it is written.
///
/// `produce` runs on a thread of its own where it may block, and waits when the client is slower than it, five minutes
/// at most. Then, and once the client is gone, every write fails with [`io::ErrorKind::BrokenPipe`]: return that error.
/// Any error, and a panic, breaks the answer off. Must be called within a tokio runtime.
pub fn stream(
    content_type: &'static str,
    produce: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Response {
    stream_until(Instant::now() + LONGEST_STREAM, content_type, produce)
}

fn stream_until(
    deadline: Instant,
    content_type: &'static str,
    produce: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Response {
    let (sender, pieces) = mpsc::channel(WAITING_PIECES);
    tokio::task::spawn_blocking(move || {
        let runtime = Handle::current();
        let mut producer = Producer { buffer: Vec::with_capacity(PIECE), sender, deadline, runtime };
        match produce(&mut producer).and_then(|()| producer.finish()) {
            Err(problem) if problem.kind() != io::ErrorKind::BrokenPipe => {
                warn!(%problem, "an answer breaks off");
            }
            _ => {}
        }
    });
    answer(StatusCode::OK, HeaderMap::new(), content_type, Streamed { pieces, whole: false }.boxed_unsync())
}

fn answer(status: StatusCode, fields: HeaderMap, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A message from the producer to the connection. A channel that closes without [`Piece::End`] is an
/// answer that broke off.
enum Piece {
    Data(Bytes),
    End,
}

struct Producer {
    buffer: Vec<u8>,
    sender: mpsc::Sender<Piece>,
    deadline: Instant,
    runtime: Handle,
}

impl Producer {
    fn send(&self, piece: Piece) -> io::Result<()> {
        let is_sent = self.runtime.block_on(timeout_at(self.deadline, self.sender.send(piece)));
        let problem = match is_sent {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(_)) => "the client went away",
            Err(_) => "the client is too slow",
        };
        Err(io::Error::new(io::ErrorKind::BrokenPipe, problem))
    }

    fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        self.send(Piece::End)
    }
}

impl Write for Producer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        self.send(Piece::Data(piece.into()))
    }
}

struct Streamed {
    pieces: mpsc::Receiver<Piece>,
    whole: bool,
}

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.whole {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => {
                self.whole = true;
                None
            }
            None => Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer broke off"))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    fn collect(response: Response) -> Result<Bytes, io::Error> {
        runtime().block_on(async { Ok(response.into_body().collect().await?.to_bytes()) })
    }

    #[test]
    fn errors_are_json_whatever_they_hold() {
        let response = error(StatusCode::BAD_GATEWAY, "\"quoted\"\n");
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json; charset=utf-8");
        assert_eq!(collect(response).unwrap(), "{\"error\":\"\\\"quoted\\\"\\\\n\"}\n");
    }

    #[test]
    fn what_has_no_json_form_is_an_error_of_ours() {
        let response = json(&std::collections::BTreeMap::from([((), 1)]));
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn a_stream_is_what_was_written() {
        let runtime = runtime();
        let bytes = runtime.block_on(async {
            let response = stream("text/plain", |out| {
                for number in 0..100_000 {
                    writeln!(out, "{number}")?;
                }
                Ok(())
            });
            response.into_body().collect().await.unwrap().to_bytes()
        });
        let expected: String = (0..100_000).map(|number| format!("{number}\n")).collect();
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_failed_or_panicked_producer_breaks_the_answer_off() {
        type Produce = fn(&mut dyn Write) -> io::Result<()>;
        let failing: Produce = |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("no more"))
        };
        let panicking: Produce = |_| panic!("on purpose");
        for produce in [failing, panicking] {
            let result =
                runtime().block_on(async { stream("text/plain", produce).into_body().collect().await });
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn a_producer_waits_for_its_client_and_ends_with_it() {
        runtime().block_on(async {
            let (report, mut reported) = mpsc::unbounded_channel();
            let response = stream("text/plain", move |out| {
                let mut written = 0;
                loop {
                    if let Err(problem) = out.write_all(&[b'x'; PIECE]) {
                        report.send((written, problem.kind())).unwrap();
                        return Err(problem);
                    }
                    written += 1;
                }
            });
            let mut body = response.into_body();
            assert!(body.frame().await.unwrap().is_ok());
            drop(body);
            let (written, kind) = reported.recv().await.unwrap();
            assert!(written <= WAITING_PIECES + 2, "{written} pieces for one read");
            assert_eq!(kind, io::ErrorKind::BrokenPipe);
        });
    }

    #[test]
    fn a_client_that_is_too_slow_loses_its_producer() {
        runtime().block_on(async {
            let (report, mut reported) = mpsc::unbounded_channel();
            let response = stream_until(Instant::now(), "text/plain", move |out| {
                let result = (0..2 * WAITING_PIECES).try_for_each(|_| out.write_all(&[b'x'; PIECE]));
                report.send(result.as_ref().map_err(io::Error::kind).copied()).unwrap();
                result
            });
            assert_eq!(reported.recv().await.unwrap(), Err(io::ErrorKind::BrokenPipe));
            drop(response);
        });
    }
}
