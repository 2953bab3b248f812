//! Receiving collectd's packets, as Coco does.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use coco::socket::{self, ListenOptions};
use coco_core::address::Address;
use coco_daemon::resolve::resolve;

use crate::failure::Failure;

/// How long a name may take to resolve.
pub const RESOLVE_PATIENCE: Duration = Duration::from_secs(5);

/// Bytes that the kernel is asked to keep while this process is busy.
const RECEIVE_BUFFER: usize = 16 << 20;

/// The largest datagram.
pub const DATAGRAM: usize = 1 << 16;

/// Listens; a group of multicast is joined. A receive waits for a tenth of a second at most.
pub async fn listen(address: &Address) -> Result<UdpSocket, Failure> {
    let failure = |source| Failure::Address { address: address.clone(), source };
    let bound = match address.is_all() {
        true => socket::all_addresses(address.port()),
        false => resolve(address, RESOLVE_PATIENCE).await.map_err(failure)?[0],
    };
    let options = ListenOptions { receive_buffer: RECEIVE_BUFFER, shared: false, interface: None };
    socket::listen(bound, options).map_err(failure)
}

/// A socket that sends to an address.
pub async fn connect(address: &Address) -> Result<UdpSocket, Failure> {
    let failure = |source| Failure::Address { address: address.clone(), source };
    let found = resolve(address, RESOLVE_PATIENCE).await.map_err(failure)?;
    socket::connect(found[0]).map_err(failure)
}

/// The next datagram and who sent it; none if none came in time.
pub fn next<'a>(socket: &UdpSocket, buffer: &'a mut [u8]) -> io::Result<Option<(&'a [u8], SocketAddr)>> {
    match socket.recv_from(buffer) {
        Ok((length, source)) => Ok(Some((&buffer[..length], source))),
        Err(problem) if matches!(problem.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(problem) => Err(problem),
    }
}
