//! Connections to a Visage, over HTTP/1.1 (RFC 9112), with one request at a time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BufMut;
use coco_core::address::Address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::head::Head;
use super::malformed::Malformed;
use crate::upstream::connect::connect;
use crate::upstream::kept::{Kept, Reusable};

/// The largest head of an answer, with those before it.
const HEAD: usize = 32 * 1024;

/// As much is read at a time: an answer of one host comes at once, more often than not.
const AT_ONCE: usize = 16 * 1024;

/// A connection, for one request at a time. It ends when this is dropped.
#[derive(Debug)]
pub(in crate::upstream) struct Connection {
    stream: TcpStream,
    /// What came, of which `taken` bytes are done with.
    came: Vec<u8>,
    taken: usize,
    /// Whether it stays when the answer has ended.
    is_lasting: bool,
    /// Whether another request may follow.
    is_free: bool,
}

impl Connection {
    /// Connects to one address, whatever is asked for: what a URL can't say, such as the zone of an IPv6 address, is in
    /// the address. `timeout` is for all attempts together.
    pub(in crate::upstream) async fn open(address: &Address, timeout: Duration) -> io::Result<Self> {
        let stream = connect(address, timeout).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, came: Vec::new(), taken: 0, is_lasting: true, is_free: true })
    }

    /// The head of the answer to a request; its body is to be read.
    pub(in crate::upstream) async fn ask(&mut self, request: &[u8]) -> io::Result<Head> {
        self.is_free = false;
        self.came.reserve(AT_ONCE);
        // Who refuses a request may say so without reading it to its end.
        let written = self.stream.write_all(request).await;
        // Bytes of heads that another follows, and of the one at hand as far as it was looked at.
        let (mut passed, mut looked_at) = (0, 0);
        loop {
            if !self.read().await? {
                let ended = || io::Error::new(io::ErrorKind::UnexpectedEof, Malformed::Ended);
                return Err(written.err().unwrap_or_else(ended));
            }
            while Head::is_due(&self.came[passed..], looked_at) {
                let Some((length, head)) = Head::parse(&self.came[passed..])? else { break };
                passed += length;
                looked_at = 0;
                if let Some(head) = head {
                    (self.taken, self.is_lasting) = (passed, head.is_lasting);
                    return Ok(head);
                }
            }
            if self.came.len() >= HEAD {
                return Err(Malformed::TooLarge.into());
            }
            looked_at = self.came.len() - passed;
        }
    }

    /// What came and is not taken.
    pub(super) fn came(&self) -> &[u8] {
        &self.came[self.taken..]
    }

    /// So much of what came is done with.
    pub(super) fn take(&mut self, bytes: usize) {
        self.taken += bytes;
    }

    /// Reads more; false where nothing comes any more.
    pub(super) async fn read(&mut self) -> io::Result<bool> {
        if self.taken == self.came.len() {
            self.came.clear();
            self.taken = 0;
        }
        self.came.reserve(AT_ONCE.saturating_sub(self.came.len()).max(1));
        Ok(self.stream.read_buf(&mut self.came).await? > 0)
    }

    /// Reads up to so many bytes, for which there is room, behind others. Returns how many.
    pub(super) async fn read_into(&mut self, bytes: &mut Vec<u8>, most: u64) -> io::Result<u64> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        match self.stream.read_buf(&mut bytes.limit(most)).await? {
            0 => Err(Malformed::CutOff.into()),
            read => Ok(read as u64),
        }
    }

    /// The answer was read to its end.
    pub(super) fn finish(&mut self) {
        self.is_free = self.is_lasting && self.came().is_empty();
        self.came.clear();
        // Of a large head.
        self.came.shrink_to(AT_ONCE);
        self.taken = 0;
    }
}

impl Reusable for Connection {
    fn is_fit(&mut self) -> bool {
        // What comes unasked is no answer, and the end is the end.
        let comes = || self.stream.try_read(&mut [0]);
        self.is_free && matches!(comes(), Err(problem) if problem.kind() == io::ErrorKind::WouldBlock)
    }
}

/// A connection behind an answer.
#[derive(Debug)]
pub(super) struct Used {
    pub(super) connection: Connection,
    kept: Option<Arc<Kept<Connection>>>,
    /// Whether another answer had come by it.
    pub(super) is_again: bool,
}

impl Used {
    /// A connection that may be kept here, or is closed in any case.
    pub(super) fn new(connection: Connection, kept: Option<&Arc<Kept<Connection>>>, is_again: bool) -> Self {
        Self { connection, kept: kept.cloned(), is_again }
    }

    /// The same if it may be asked again, for all that HTTP says. Otherwise it is closed.
    pub(super) fn if_lasting(self) -> Option<Self> {
        (self.kept.is_some() && self.connection.is_free).then_some(self)
    }

    /// What came by it was the answer to what was asked, all of it: it may be asked again. Otherwise it is closed.
    pub(super) fn keep(self) {
        if let Some(kept) = self.kept {
            kept.put(self.connection);
        }
    }
}
