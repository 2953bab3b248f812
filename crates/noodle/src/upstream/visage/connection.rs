//! Connections to a Visage.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coco_core::address::Address;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::upstream::connect::connect;
use crate::upstream::kept::{Kept, Reusable};

/// The largest head of an answer, and the most that is read at a time.
const HEAD: usize = 32 * 1024;

/// A connection, for one request at a time. It ends when this is dropped.
#[derive(Debug)]
pub(in crate::upstream) struct Connection(SendRequest<Empty<Bytes>>);

impl Connection {
    /// Connects to one address, whatever is asked for: what a URL can't say, such as the zone of an IPv6 address, is in
    /// the address. `timeout` is for all attempts together.
    pub(in crate::upstream) async fn open(address: &Address, timeout: Duration) -> io::Result<Self> {
        let stream = connect(address, timeout).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = http1::Builder::new()
            .max_buf_size(HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        // How it ends is told to who waits for an answer; nobody else needs to know.
        tokio::spawn(async { drop(connection.await) });
        Ok(Self(requests))
    }

    /// The head of the answer, and its body to be read.
    pub(in crate::upstream) async fn ask(
        &mut self,
        request: Request<Empty<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        self.0.ready().await?;
        self.0.send_request(request).await
    }
}

impl Reusable for Connection {
    fn is_fit(&mut self) -> bool {
        !self.0.is_closed()
    }
}

/// A connection behind an answer.
#[derive(Debug)]
pub(super) struct Used {
    connection: Option<(Connection, Arc<Kept<Connection>>)>,
    /// Whether another answer had come by it.
    pub(super) is_again: bool,
}

impl Used {
    /// A connection that may be kept here, or is closed in any case.
    pub(super) fn new(connection: Connection, kept: Option<&Arc<Kept<Connection>>>, is_again: bool) -> Self {
        Self { connection: kept.map(|kept| (connection, Arc::clone(kept))), is_again }
    }

    /// What came by it was the answer to what was asked, all of it: it may be asked again. Otherwise it is closed.
    pub(super) fn keep(self) {
        if let Some((connection, kept)) = self.connection {
            kept.put(connection);
        }
    }
}
