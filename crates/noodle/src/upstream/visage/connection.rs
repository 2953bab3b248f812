//! Connections to a Visage.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use coco_core::address::Address;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::upstream::connect::connect;

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

    /// Whether it is known to have ended.
    pub(in crate::upstream) fn has_ended(&self) -> bool {
        self.0.is_closed()
    }
}
