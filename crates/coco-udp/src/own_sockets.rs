//! The sockets by which this process sends, so that what it gets from one of them is known for what it is: a loop.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arc_swap::{ArcSwapOption, Guard};
use foldhash::fast::RandomState;

use crate::connect::connect;
use crate::transmit::knows_segments;

type Addresses = HashSet<SocketAddr, RandomState>;

/// Of the whole process, since sockets come and go with targets while lanes look.
static ADDRESSES: ArcSwapOption<Addresses> = ArcSwapOption::const_empty();

/// A socket to send by, whose address is known to be our own for as long as it is there.
#[derive(Debug)]
pub struct OwnSocket {
    socket: UdpSocket,
    address: SocketAddr,
    /// Whether several packets may be sent as one message.
    segments: AtomicBool,
    /// Whether something speaks against its way.
    blamed: AtomicBool,
    since: Instant,
}

impl OwnSocket {
    /// One that sends to `target` alone, from `source` if that is given.
    pub fn connect(target: SocketAddr, source: Option<IpAddr>) -> io::Result<Self> {
        Self::new(connect(target, source)?)
    }

    /// A connected socket, whose address does not change any more.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        let address = canonical(socket.local_addr()?);
        let segments = knows_segments(&socket);
        change(|addresses| addresses.insert(address));
        let (segments, blamed) = (AtomicBool::new(segments), AtomicBool::new(false));
        Ok(Self { socket, address, segments, blamed, since: Instant::now() })
    }

    /// Whether the kernel may be given several packets as one message.
    #[inline]
    pub fn takes_segments(&self) -> bool {
        self.segments.load(Ordering::Relaxed)
    }

    /// Takes note that it has refused one. Whether that is new.
    pub fn refused_segments(&self) -> bool {
        self.segments.swap(false, Ordering::Relaxed)
    }

    /// Takes note that the system said of it that packets do not get there.
    pub fn blame(&self) {
        self.blamed.store(true, Ordering::Relaxed);
    }

    /// Whether packets by it did not get there.
    pub fn is_blamed(&self) -> bool {
        self.blamed.load(Ordering::Relaxed)
    }

    /// When it was made.
    pub fn since(&self) -> Instant {
        self.since
    }
}

impl Deref for OwnSocket {
    type Target = UdpSocket;

    fn deref(&self) -> &UdpSocket {
        &self.socket
    }
}

impl Drop for OwnSocket {
    fn drop(&mut self) {
        change(|addresses| addresses.remove(&self.address));
    }
}

/// The addresses of a moment.
pub struct OwnAddresses(Guard<Option<Arc<Addresses>>>);

impl OwnAddresses {
    /// Those of now.
    pub fn now() -> Self {
        Self(ADDRESSES.load())
    }

    /// Whether what comes from there was sent by this process.
    #[inline]
    pub fn contains(&self, source: SocketAddr) -> bool {
        self.0.as_ref().is_some_and(|addresses| addresses.contains(&canonical(source)))
    }
}

fn change(change: impl Fn(&mut Addresses) -> bool) {
    ADDRESSES.rcu(|addresses| {
        let mut addresses = addresses.as_deref().cloned().unwrap_or_default();
        change(&mut addresses);
        Some(Arc::new(addresses))
    });
}

/// Without what one socket shows of an address and another does not.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_our_own_for_as_long_as_it_is_there() {
        for target in ["127.0.0.1:9", "[::1]:9"] {
            let socket = OwnSocket::connect(target.parse().unwrap(), None).unwrap();
            let address = socket.local_addr().unwrap();
            assert!(OwnAddresses::now().contains(address));
            if let SocketAddr::V4(v4) = address {
                assert!(OwnAddresses::now().contains((v4.ip().to_ipv6_mapped(), v4.port()).into()));
            }
            let moment = OwnAddresses::now();
            drop(socket);
            assert!(!OwnAddresses::now().contains(address));
            assert!(moment.contains(address));
        }
    }
}
