//! Sockets on loopback, and the system calls that move several datagrams at once.

#![expect(clippy::disallowed_methods, reason = "measures Coco, so it shares nothing with it")]

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, setsockopt, sockopt};

/// Datagrams a system call, where they are received and relayed.
pub(crate) const BATCH: usize = 64;

/// Large enough that a socket loses nothing in a pause of the scheduler. The daemon is given the same.
pub(crate) const RECEIVE_BUFFER: usize = 64 << 20;

/// Room for any UDP datagram.
const SLOT: usize = 65_536;

/// A socket that receives on loopback; port 0 lets the system choose.
pub(crate) fn bind(port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    // Beyond net.core.rmem_max only a privileged process may go.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
    }
    Ok(socket)
}

/// A socket that sends to one address.
pub(crate) fn connect(target: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(target)?;
    Ok(socket)
}

/// A connection whose client has room for so many bytes of answers and no more, however long it lasts.
pub(crate) fn connect_with_room(server: SocketAddr, room: usize) -> io::Result<TcpStream> {
    let client = TcpStream::connect(server)?;
    setsockopt(&client, sockopt::RcvBuf, &room)?;
    Ok(client)
}

/// Receives up to [`BATCH`] datagrams at once, of any size.
pub(crate) struct Receiver {
    slots: Vec<u8>,
    /// Of each slot.
    size: usize,
    headers: MultiHeaders<SockaddrStorage>,
    lengths: [usize; BATCH],
    received: usize,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        Self::of_slots(SLOT)
    }

    /// Learns how long datagrams are and leaves what they hold, which costs less.
    pub(crate) fn of_lengths() -> Self {
        Self::of_slots(1)
    }

    fn of_slots(size: usize) -> Self {
        let headers = MultiHeaders::preallocate(BATCH, None);
        Self { slots: vec![0; BATCH * size], size, headers, lengths: [0; BATCH], received: 0 }
    }

    /// Receives what is there, or waits for one datagram if `wait`. Returns how many came.
    pub(crate) fn receive(&mut self, socket: &UdpSocket, wait: bool) -> io::Result<usize> {
        self.received = 0;
        let flags = if wait { MsgFlags::MSG_WAITFORONE } else { MsgFlags::MSG_DONTWAIT };
        // With it a length is that of the datagram, not that of what fits.
        let flags = if self.size < SLOT { flags | MsgFlags::MSG_TRUNC } else { flags };
        let mut slices = self.slots.chunks_exact_mut(self.size).map(|slot| [IoSliceMut::new(slot)]);
        let mut slices: [_; BATCH] =
            std::array::from_fn(|_| slices.next().expect("there are as many slots as slices"));
        match recvmmsg(socket.as_raw_fd(), &mut self.headers, slices.iter_mut(), flags, None) {
            Ok(messages) => {
                for (message, length) in messages.zip(&mut self.lengths) {
                    *length = message.bytes;
                    self.received += 1;
                }
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.received)
    }

    /// What the last call received, as far as there was room.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        let slots = self.slots.chunks_exact(self.size);
        slots.zip(self.lengths()).map(|(slot, &length)| &slot[..length.min(self.size)])
    }

    /// How long that was.
    pub(crate) fn lengths(&self) -> &[usize] {
        &self.lengths[..self.received]
    }
}

/// Sends up to `N` datagrams at once.
pub(crate) struct Sender<const N: usize> {
    headers: MultiHeaders<()>,
}

impl<const N: usize> Sender<N> {
    pub(crate) fn new() -> Self {
        Self { headers: MultiHeaders::preallocate(N, None) }
    }

    /// Sends the first `N` of the datagrams, waiting for room. Returns how many the kernel took: at least one, or
    /// the error of the first.
    pub(crate) fn send<'a>(
        &mut self,
        socket: &UdpSocket,
        datagrams: impl Iterator<Item = &'a [u8]>,
    ) -> Result<usize, Errno> {
        let mut slices = [[IoSlice::new(&[])]; N];
        let mut count = 0;
        for (slice, datagram) in slices.iter_mut().zip(datagrams) {
            *slice = [IoSlice::new(datagram)];
            count += 1;
        }
        let (descriptor, addresses) = (socket.as_raw_fd(), [None; N]);
        let slices = &slices[..count];
        Ok(sendmmsg(descriptor, &mut self.headers, slices, addresses, [], MsgFlags::empty())?.count())
    }
}
