//! A connection to a daemon: commands go out, replies come in, in the same order.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use coco_core::tier::DaemonAddress;
use rrdcached::cursor::Cursor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::Trouble;
use crate::upstream::connect::connect;
use crate::upstream::kept::Reusable;

/// Bytes that are read at a time, at least.
const AT_A_TIME: usize = 16 * 1024;

/// What a connection is made of.
trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl Stream for TcpStream {}
impl Stream for UnixStream {}

/// A connection, with what has arrived on it.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    arrived: Vec<u8>,
    /// How much of it has been read.
    read: usize,
    /// Whether it has answered before, so that its end need not be the daemon's.
    pub(super) has_answered: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("arrived", &self.arrived.len()).finish_non_exhaustive()
    }
}

impl Connection {
    /// `timeout` is for all addresses of a name together.
    pub(super) async fn open(address: &DaemonAddress, timeout: Duration) -> io::Result<Self> {
        let stream: Box<dyn Stream> = match address {
            DaemonAddress::Internet(address) => {
                let stream = connect(address, timeout).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            DaemonAddress::Unix(path) => Box::new(UnixStream::connect(path).await?),
        };
        Ok(Self { stream, arrived: Vec::new(), read: 0, has_answered: false })
    }

    /// Sends commands.
    pub(super) async fn send(&mut self, lines: &[u8]) -> io::Result<()> {
        self.stream.write_all(lines).await
    }

    /// Reads what `read` wants, which says none as long as more has to arrive.
    pub(super) async fn receive<T, E>(
        &mut self,
        mut read: impl FnMut(&mut Cursor<'_>) -> Result<Option<T>, E>,
    ) -> Result<T, Trouble>
    where
        Trouble: From<E>,
    {
        loop {
            let mut cursor = Cursor::new(&self.arrived[self.read..]);
            let found = read(&mut cursor);
            self.read += cursor.position();
            if !matches!(found, Ok(None)) {
                self.has_answered = true;
            }
            if let Some(found) = found? {
                return Ok(found);
            }
            self.forget_what_was_read();
            self.arrived.reserve(AT_A_TIME);
            if self.stream.read_buf(&mut self.arrived).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    fn forget_what_was_read(&mut self) {
        self.arrived.drain(..self.read);
        self.read = 0;
        if self.arrived.is_empty() {
            self.arrived.shrink_to(AT_A_TIME);
        }
    }
}

impl Reusable for Connection {
    /// A reply that is late answers nobody, and one that came after its command was given up would answer the next one.
    fn is_fit(&mut self) -> bool {
        self.forget_what_was_read();
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        self.arrived.is_empty()
            && Pin::new(&mut self.stream).poll_read(&mut context, &mut buffer).is_pending()
    }
}
