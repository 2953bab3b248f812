//! The socket of one client: what was read of it before, and what it tells of the client.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tracing::debug;

use super::activity::{Activity, TooMany};

/// As much is read at a time: who pipelines has no more of us.
const AT_ONCE: usize = 4096;

/// Bytes of an answer that may wait in the kernel: a client that takes it slowly is seen to take it, and one that
/// does not costs no more.
const UNSENT: u32 = 128 * 1024;

/// The answer to a client whose request is not read to its end.
const COME_AGAIN: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\n\
    connection: close\r\n\r\n";

/// Reads and writes for hyper.
pub(super) struct Socket {
    stream: TcpStream,
    /// The bytes that the client has sent already.
    began: Bytes,
    activity: Arc<Activity>,
    /// Set where no more than one head is to be read.
    one_head: Option<EndOfHead>,
}

/// Finds the empty line behind a head.
#[derive(Default)]
struct EndOfHead {
    /// Bytes of it that were last seen: LF, CR LF or LF LF.
    seen: u8,
    is_found: bool,
}

impl EndOfHead {
    /// The number of these bytes that belong to the head.
    fn length(&mut self, bytes: &[u8]) -> usize {
        if self.is_found {
            return 0;
        }
        for (index, byte) in bytes.iter().enumerate() {
            self.seen = match (byte, self.seen) {
                (b'\n', 0) => 1,
                (b'\r', 1) => 2,
                (b'\n', _) => {
                    self.is_found = true;
                    return index + 1;
                }
                _ => 0,
            };
        }
        bytes.len()
    }
}

impl Socket {
    pub(super) fn new(stream: TcpStream, began: Bytes, activity: Arc<Activity>) -> Self {
        Self { stream, began, activity, one_head: None }
    }

    /// The same, but what follows the first head stays unread.
    pub(super) fn of_one_head(stream: TcpStream, began: Bytes, activity: Arc<Activity>) -> Self {
        Self { one_head: Some(EndOfHead::default()), ..Self::new(stream, began, activity) }
    }

    /// The socket, and what was read of it and not handed out.
    pub(super) fn into_parts(self) -> (TcpStream, Bytes) {
        (self.stream, self.began)
    }

    /// Hands out what may be handed out of `bytes`, and keeps the rest.
    fn hand_out(&mut self, bytes: &[u8], mut into: ReadBufCursor<'_>) -> io::Result<()> {
        let length = match &mut self.one_head {
            Some(head) => head.length(bytes),
            None => bytes.len(),
        };
        let (bytes, rest) = bytes.split_at(length);
        if !bytes.is_empty() {
            self.activity.received(bytes.len()).map_err(|too_many| self.refuse(&too_many))?;
        }
        into.put_slice(bytes);
        if !rest.is_empty() {
            self.began = [rest, &self.began].concat().into();
        }
        Ok(())
    }

    /// Says so to the client, as hyper says that a head is too large, and has hyper end the connection.
    fn refuse(&self, too_many: &TooMany) -> io::Error {
        if !too_many.owes_answer {
            // A client that has not taken the last answer is not told.
            let _ = self.stream.try_write(COME_AGAIN);
        }
        io::Error::other("too many large heads at a time")
    }

    fn note_sent<T>(&self, sent: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.activity.sent(sent.is_ready());
        sent
    }
}

/// False where the client has left already.
pub(super) fn tune(stream: &TcpStream) -> bool {
    let tuned = stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_notsent_lowat(UNSENT));
    match tuned {
        Ok(()) => true,
        Err(problem) => {
            debug!(%problem, "an HTTP client left at once");
            false
        }
    }
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.one_head.as_ref().is_some_and(|head| head.is_found) {
            // Whoever reads the rest takes the socket away first.
            return Poll::Pending;
        }
        let room = into.remaining().min(AT_ONCE);
        if self.began.has_remaining() {
            let length = self.began.len().min(room);
            let bytes = self.began.split_to(length);
            return Poll::Ready(self.hand_out(&bytes, into));
        }
        let mut bytes = [MaybeUninit::uninit(); AT_ONCE];
        let mut buffer = ReadBuf::uninit(&mut bytes[..room]);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        Poll::Ready(self.hand_out(buffer.filled(), into))
    }
}

impl Write for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note_sent(sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note_sent(sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_an_empty_line_in_however_many_pieces_it_comes() {
        for (text, head) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /", 27),
            ("GET / HTTP/1.0\n\nGET /", 16),
            ("GET / HTTP/1.0\r\n\nGET /", 17),
            ("GET / HTTP/1.0\n\r\nGET /", 17),
            ("GET / HTTP/1.1\r\nA: \r b\r\n", 24),
        ] {
            for size in 1..=text.len() {
                let mut end = EndOfHead::default();
                let lengths = text.as_bytes().chunks(size).map(|piece| end.length(piece));
                assert_eq!(lengths.sum::<usize>(), head, "{text:?} in pieces of {size}");
            }
        }
    }
}
