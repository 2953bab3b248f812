//! Receiving many datagrams by one system call.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};

use crate::listen::RECEIVE_TIMEOUT;

/// Datagrams that one system call receives. More at once gain little and widen the arrays on the stack.
pub const DATAGRAMS_PER_CALL: usize = 64;

/// Memory for datagrams that are received together.
pub trait Slots {
    /// The slots that are free, in the order in which they are filled.
    fn free(&mut self) -> impl Iterator<Item = &mut [u8]>;

    /// Whether no slot is free.
    fn is_full(&self) -> bool;

    /// Takes note of a datagram in the next free slot: how many bytes it has, and whom it came from, if the kernel said.
    fn fill(&mut self, length: usize, source: Option<SocketAddr>);
}

/// Receives batches of datagrams.
pub struct Receiver {
    socket: Arc<UdpSocket>,
    headers: MultiHeaders<SockaddrStorage>,
}

/// Whether a receive may wait for a first datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Up to a tenth of a second.
    ForOne,
    /// Until then, to the millisecond behind it, and up to a tenth of a second.
    Until(Instant),
    /// Take what is there.
    No,
}

impl Receiver {
    /// Of a socket that [listens](crate::listen()).
    pub fn new(socket: impl Into<Arc<UdpSocket>>) -> Self {
        let socket = socket.into();
        Self { socket, headers: MultiHeaders::preallocate(DATAGRAMS_PER_CALL, None) }
    }

    /// Fills slots with what there is, until none is free. Returns how many datagrams that were: 0 when none came in time.
    pub fn receive(&mut self, slots: &mut impl Slots, wait: Wait) -> io::Result<usize> {
        let mut received = match wait {
            Wait::ForOne | Wait::No => self.receive_once(slots, wait)?,
            Wait::Until(then) if self.is_ready(then) => self.receive_once(slots, Wait::No)?,
            Wait::Until(_) => 0,
        };
        let mut last = received;
        while last == DATAGRAMS_PER_CALL && !slots.is_full() {
            // Datagrams received before an error are not lost; the error will come again.
            last = self.receive_once(slots, Wait::No).unwrap_or(0);
            received += last;
        }
        Ok(received)
    }

    /// Whether there is something to receive, an error too, before it is too late.
    fn is_ready(&self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now()).min(RECEIVE_TIMEOUT);
        // Not a moment early, or nobody's time has come yet.
        let left = PollTimeout::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(PollTimeout::ZERO);
        let mut sockets = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        // At worst the next receive finds nothing.
        poll(&mut sockets, left).is_ok_and(|ready| ready > 0)
    }

    fn receive_once(&mut self, slots: &mut impl Slots, wait: Wait) -> io::Result<usize> {
        let flags = match wait {
            Wait::ForOne => MsgFlags::MSG_WAITFORONE,
            Wait::Until(_) | Wait::No => MsgFlags::MSG_DONTWAIT,
        };
        let mut lengths = [(0, None); DATAGRAMS_PER_CALL];
        let mut count = 0;
        {
            let mut free = slots.free();
            let mut slices: [_; DATAGRAMS_PER_CALL] =
                std::array::from_fn(|_| free.next().map(|slot| [IoSliceMut::new(slot)]));
            let filled = slices.iter_mut().map_while(Option::as_mut);
            let messages = match recvmmsg(self.socket.as_raw_fd(), &mut self.headers, filled, flags, None) {
                Ok(messages) => messages,
                Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
                Err(error) => return Err(error.into()),
            };
            for (message, length) in messages.zip(&mut lengths) {
                *length = (message.bytes, message.address.as_ref().and_then(socket_address));
                count += 1;
            }
        }
        for &(length, source) in &lengths[..count] {
            slots.fill(length, source);
        }
        Ok(count)
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::V4((*v4).into()));
    }
    let v6 = SocketAddrV6::from(*address.as_sockaddr_in6()?);
    // A socket for both families shows an IPv4 sender so.
    Some(SocketAddr::new(v6.ip().to_canonical(), v6.port()))
}
