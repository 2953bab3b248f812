//! Connecting to a target.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use coco_core::address::Address;
use coco_daemon::resolve::resolve;
use hyper::Uri;
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
    /// Connections made so far.
    pub(super) made: Arc<AtomicU64>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<TcpStream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { address, timeout, made } = self.clone();
        Box::pin(async move {
            let addresses = resolve(&address, timeout).await?;
            // Each gets its share, so that one that swallows packets leaves time for the next.
            let share = timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
            let mut problem = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            for address in addresses {
                match tokio::time::timeout(share, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => {
                        stream.set_nodelay(true)?;
                        made.fetch_add(1, Ordering::Relaxed);
                        return Ok(TokioIo::new(stream));
                    }
                    Ok(Err(refused)) => problem = refused,
                    Err(_) => problem = io::ErrorKind::TimedOut.into(),
                }
            }
            Err(problem)
        })
    }
}
