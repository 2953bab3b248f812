//! Connecting to a target.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use coco_core::address::Address;
use coco_daemon::resolve::resolve;
use hyper::Uri;
use hyper::http::Extensions;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

/// Connects to one address, whatever is asked for: what a URL can't say, such as the zone of an IPv6 address, is in
/// the address.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    pub(super) address: Address,
    /// For all attempts together.
    pub(super) timeout: Duration,
}

/// A connection that remembers whether it was of use.
#[derive(Debug)]
pub(super) struct Kept {
    stream: TokioIo<TcpStream>,
    answered: Answered,
}

/// Whether an answer came by a connection, which its responses and errors know.
#[derive(Debug, Clone, Default)]
struct Answered(Arc<AtomicBool>);

/// An answer came by the connection of these extensions of a response.
pub(super) fn set_answered(response: &Extensions) {
    if let Some(Answered(answered)) = response.get() {
        answered.store(true, Ordering::Relaxed);
    }
}

/// Whether a request failed on a connection by which another had its answer.
pub(super) fn had_answered(error: &legacy::Error) -> bool {
    let mut extensions = Extensions::new();
    if let Some(connected) = error.connect_info() {
        connected.get_extras(&mut extensions);
    }
    extensions.get().is_some_and(|Answered(answered)| answered.load(Ordering::Relaxed))
}

impl Service<Uri> for Connector {
    type Response = Kept;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Kept>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { address, timeout } = self.clone();
        Box::pin(async move {
            let addresses = resolve(&address, timeout).await?;
            // Each gets its share, so that one that swallows packets leaves time for the next.
            let share = timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
            let mut problem = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            for address in addresses {
                match tokio::time::timeout(share, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => {
                        stream.set_nodelay(true)?;
                        return Ok(Kept { stream: TokioIo::new(stream), answered: Answered::default() });
                    }
                    Ok(Err(refused)) => problem = refused,
                    Err(_) => problem = io::ErrorKind::TimedOut.into(),
                }
            }
            Err(problem)
        })
    }
}

impl Connection for Kept {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.answered.clone())
    }
}

impl Read for Kept {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for Kept {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }
}
