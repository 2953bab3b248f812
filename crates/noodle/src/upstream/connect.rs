//! Connecting to a target, whatever is spoken there.

use std::io;
use std::time::Duration;

use coco_core::address::Address;
use coco_daemon::resolve::resolve;
use tokio::net::TcpStream;

/// Connects to one of the addresses of a name. `timeout` is for all attempts together.
pub(super) async fn connect(address: &Address, timeout: Duration) -> io::Result<TcpStream> {
    let addresses = resolve(address, timeout).await?;
    // Each gets its share, so that one that swallows packets leaves time for the next.
    let share = timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let mut problem = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(refused)) => problem = refused,
            Err(_) => problem = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(problem)
}
