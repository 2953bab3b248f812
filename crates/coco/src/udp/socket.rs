//! The only place that knows `recvmmsg`, `sendmmsg` and socket options.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use coco_core::config::needs_interface;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, getsockopt, recvmmsg, sendmmsg, setsockopt,
    sockopt,
};
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, SockRef, Socket, Type};

use super::segments::{self, Runs};
use crate::batch::Batch;

/// Datagrams that one system call receives. More at once gain little and widen the arrays on the stack.
pub const DATAGRAMS_PER_CALL: usize = 64;

/// How long a receive waits for a first datagram: how soon a lane notices that it is to stop.
const RECEIVE_TIMEOUT: Duration = Duration::from_millis(100);

/// How a listening socket is to be set up.
#[derive(Clone, Copy, Debug)]
pub struct ListenOptions<'a> {
    /// Bytes of datagrams that the kernel is asked to keep while the lane is busy.
    pub receive_buffer: usize,
    /// Whether several sockets share the address (SO_REUSEPORT).
    pub shared: bool,
    /// Where a multicast group is joined, the kernel's choice if none is named; the link of a link-local address.
    pub interface: Option<&'a str>,
    /// Whether the address need not be this machine's yet (IP_FREEBIND).
    pub freebind: bool,
}

/// Binds a socket to receive on, joins its group if the address is one of multicast.
pub fn listen(mut address: SocketAddr, options: ListenOptions<'_>) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    let multicast = address.ip().is_multicast();
    if let SocketAddr::V6(address) = address {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A group may have several members on one machine; a unicast address that is taken is to be an error.
    socket.set_reuse_address(multicast)?;
    socket.set_reuse_port(options.shared)?;
    if options.freebind {
        match address {
            SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
            SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
        }
    }
    ask_for_receive_buffer(&socket, options.receive_buffer)?;
    let interface = options.interface.map(interface_index).transpose()?;
    if let SocketAddr::V6(address) = &mut address
        && address.scope_id() == 0
        && needs_interface((*address.ip()).into())
    {
        address.set_scope_id(interface.unwrap_or(0));
    }
    socket.bind(&SockAddr::from(address))?;
    if multicast {
        join(&socket, address.ip(), interface)?;
    }
    socket.set_read_timeout(Some(RECEIVE_TIMEOUT))?;
    Ok(socket.into())
}

/// Joins a multicast group at the interface of this index, or where the system chooses. That it has joined it already is
/// an error.
pub fn join(socket: &impl AsFd, group: IpAddr, interface: Option<u32>) -> io::Result<()> {
    let (socket, index) = (SockRef::from(socket), interface.unwrap_or(0));
    match group {
        IpAddr::V4(group) => socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index)),
        IpAddr::V6(group) => socket.join_multicast_v6(&group, index),
    }
}

/// Leaves a multicast group, also one of an interface that is gone.
pub fn leave(socket: &impl AsFd, group: IpAddr, interface: Option<u32>) -> io::Result<()> {
    let (socket, index) = (SockRef::from(socket), interface.unwrap_or(0));
    match group {
        IpAddr::V4(group) => socket.leave_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index)),
        IpAddr::V6(group) => socket.leave_multicast_v6(&group, index),
    }
}

/// Whether anyone on this machine has joined a group of IPv6 at an interface that is there (proc(5)).
pub fn is_joined(group: IpAddr) -> bool {
    let IpAddr::V6(group) = group else { return true };
    let shown = format!("{:032x}", u128::from(group));
    let table = std::fs::read_to_string("/proc/self/net/igmp6").unwrap_or_default();
    table.lines().any(|row| row.split_ascii_whitespace().nth(2) == Some(&shown))
}

/// All addresses of this machine, IPv6 and IPv4 alike, IPv4 alone where IPv6 is off.
pub fn all_addresses(port: u16) -> SocketAddr {
    let ipv6 = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP)).and_then(|socket| {
        socket.bind(&SocketAddr::from(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0)).into())
    });
    match ipv6 {
        Ok(()) => SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0).into(),
        Err(_) => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into(),
    }
}

/// A socket that sends to `target` alone, so that the kernel looks the way up once and reports what it hears of
/// `target`.
///
/// IP_RECVERR (ip(7)) has it report unreachable hosts and packets that the network device drops, not refusals alone.
/// The next send returns the error; nobody reads the queue of details, so it may take no memory.
///
/// Routers may fragment (no DF), as nothing is sent again that one drops as too large, and its answer may not come back.
/// Those of IPv6 never do; the kernel then does, once it has heard of an MTU.
///
/// It sends from `source`, or whichever address of this machine the system chooses.
pub fn connect(target: SocketAddr, source: Option<IpAddr>) -> io::Result<UdpSocket> {
    let any: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = source.unwrap_or(any);
    if source.is_ipv4() != target.is_ipv4() {
        return Err(io::Error::other(format!(
            "send.bind is {source}, which is of another family than {target}"
        )));
    }
    let socket = UdpSocket::bind((source, 0))?;
    match target {
        SocketAddr::V4(_) => {
            setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
            set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::DONT)?;
        }
        SocketAddr::V6(_) => {
            setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
            set_ipv6_mtu_discover(&socket, Ipv6PathMtuDiscovery::DONT)?;
        }
    }
    setsockopt(&socket, sockopt::RcvBuf, &0)?;
    socket.connect(target)?;
    Ok(socket)
}

/// Whether an address belongs to this machine: what is sent there stays here.
///
/// That a socket can be bound to it tells less: with `net.ipv4.ip_nonlocal_bind` one can be bound to any address.
pub fn is_local(address: IpAddr) -> bool {
    let address = address.to_canonical();
    // Without them, what comes back is still known by the socket that it came from.
    let Ok(interfaces) = getifaddrs() else { return address.is_loopback() };
    address.is_loopback() || interfaces.into_iter().any(|interface| has(&interface, address))
}

fn has(interface: &InterfaceAddress, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let ip = |sockaddr: &Option<SockaddrStorage>| Some(sockaddr.as_ref()?.as_sockaddr_in()?.ip());
            // Of a network on a loopback device, all addresses are this machine's.
            let mask = if interface.flags.contains(InterfaceFlags::IFF_LOOPBACK) {
                ip(&interface.netmask).unwrap_or(Ipv4Addr::BROADCAST)
            } else {
                Ipv4Addr::BROADCAST
            };
            ip(&interface.address).is_some_and(|own| own & mask == address & mask)
        }
        IpAddr::V6(address) => {
            let own = interface.address.as_ref().and_then(SockaddrStorage::as_sockaddr_in6);
            own.is_some_and(|own| own.ip() == address)
        }
    }
}

/// Bytes that the kernel keeps for a socket, by its own accounting (half of what it reports, socket(7)).
pub fn receive_buffer(socket: &UdpSocket) -> io::Result<usize> {
    Ok(getsockopt(socket, sockopt::RcvBuf)? / 2)
}

/// The socket's inode, by which `/proc/net/udp` names it.
pub fn inode(socket: &UdpSocket) -> io::Result<u64> {
    Ok(std::fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd()))?.ino())
}

fn ask_for_receive_buffer(socket: &Socket, bytes: usize) -> io::Result<()> {
    // Beyond net.core.rmem_max only a privileged process may go (CAP_NET_ADMIN).
    match setsockopt(socket, sockopt::RcvBufForce, &bytes) {
        Ok(()) => Ok(()),
        Err(_) => Ok(setsockopt(socket, sockopt::RcvBuf, &bytes)?),
    }
}

/// The number of a network interface. One that is made again has another one.
pub fn interface_index(name: &str) -> io::Result<u32> {
    Ok(nix::net::if_::if_nametoindex(name)?)
}

/// Receives batches of datagrams.
pub struct Receiver {
    socket: Arc<UdpSocket>,
    headers: MultiHeaders<SockaddrStorage>,
}

/// Whether a receive may wait for a first datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Up to a tenth of a second.
    ForOne,
    /// Take what is there.
    No,
}

impl Receiver {
    /// Of a socket made by [`listen`].
    pub fn new(socket: impl Into<Arc<UdpSocket>>) -> Self {
        let socket = socket.into();
        Self { socket, headers: MultiHeaders::preallocate(DATAGRAMS_PER_CALL, None) }
    }

    /// Adds what there is to the batch, until it is full. Returns how many datagrams that were: 0 when none came in
    /// time.
    pub fn receive(&mut self, batch: &mut Batch, wait: Wait) -> io::Result<usize> {
        let mut received = self.receive_once(batch, wait)?;
        let mut last = received;
        while last == DATAGRAMS_PER_CALL && batch.datagrams.len() < batch.capacity() {
            // What was received before an error is not lost; the error will come again.
            last = self.receive_once(batch, Wait::No).unwrap_or(0);
            received += last;
        }
        Ok(received)
    }

    fn receive_once(&mut self, batch: &mut Batch, wait: Wait) -> io::Result<usize> {
        let flags = match wait {
            Wait::ForOne => MsgFlags::MSG_WAITFORONE,
            Wait::No => MsgFlags::MSG_DONTWAIT,
        };
        let mut lengths = [(0, None); DATAGRAMS_PER_CALL];
        let mut count = 0;
        {
            let mut slots = batch.free_slots();
            let mut slices: [_; DATAGRAMS_PER_CALL] =
                std::array::from_fn(|_| slots.next().map(|slot| [IoSliceMut::new(slot)]));
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
            batch.add(length, source);
        }
        Ok(count)
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::V4((*v4).into()));
    }
    let v6 = SocketAddrV6::from(*address.as_sockaddr_in6()?);
    // What a socket for both families shows of an IPv4 sender.
    Some(SocketAddr::new(v6.ip().to_canonical(), v6.port()))
}

/// Sends batches of packets.
pub struct Transmitter {
    headers: MultiHeaders<()>,
    /// With room for the size of segments.
    segmented: MultiHeaders<()>,
}

impl Transmitter {
    /// Ready to send on any connected socket.
    pub fn new() -> Self {
        let headers = |control| MultiHeaders::preallocate(segments::MOST, control);
        Self { headers: headers(None), segmented: headers(Some(cmsg_space!(u16))) }
    }

    /// Sends packets in order without waiting. Returns how many the kernel took: at least one, or the first one's
    /// error.
    ///
    /// Packets up to `largest_segment` bytes may leave as segments of one message. If [that is
    /// refused](refuses_segments), it may be tried again with 0: each by itself.
    pub fn send<'a>(
        &mut self,
        socket: &UdpSocket,
        packets: impl Iterator<Item = &'a [u8]>,
        largest_segment: usize,
    ) -> Result<usize, Errno> {
        let runs = Runs::new(packets, largest_segment);
        let mut messages: [&[IoSlice<'_>]; segments::MOST] = [&[]; segments::MOST];
        messages.iter_mut().zip(runs.messages()).for_each(|(slot, message)| *slot = message);
        let messages = &messages[..runs.messages().count()];
        let segment = runs.segment();
        let control = segment.as_ref().map(ControlMessage::UdpGsoSegments);
        let headers = if segment.is_some() { &mut self.segmented } else { &mut self.headers };
        let addresses = [None; segments::MOST];
        let flags = MsgFlags::MSG_DONTWAIT;
        let sent = sendmmsg(socket.as_raw_fd(), headers, messages, addresses, control.as_slice(), flags)?;
        Ok(runs.packets(sent.count()))
    }
}

/// Whether the kernel knows of segments, as Linux does since 4.18. An older one would take no notice of their size, and
/// send all of a message as one datagram.
pub fn knows_segments(socket: &impl AsFd) -> bool {
    // 0 is what holds anyway: no message is cut up that does not say so itself.
    setsockopt(socket, sockopt::UdpGsoSegment, &0).is_ok()
}

/// Whether an error may mean that the kernel, or the way to a target, takes no segments: packets are larger than the
/// MTU of the way, its device computes no checksums, IPsec is on it.
pub fn refuses_segments(error: Errno) -> bool {
    matches!(error, Errno::EINVAL | Errno::EIO | Errno::EMSGSIZE | Errno::ENOPROTOOPT | Errno::EOPNOTSUPP)
}

impl Default for Transmitter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use coco_core::wire::padding;

    use super::*;

    #[test]
    fn a_kernel_that_does_not_know_segments_is_told_from_one_that_does() {
        assert!(knows_segments(&UdpSocket::bind("127.0.0.1:0").unwrap()));
        // What an older kernel says of any socket.
        assert!(!knows_segments(&TcpListener::bind("127.0.0.1:0").unwrap()));
    }

    #[test]
    fn packets_of_one_message_arrive_one_by_one() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(target) = UdpSocket::bind(address) else { continue };
            let socket = connect(target.local_addr().unwrap(), None).unwrap();
            let packets = [&[1; 1400][..], &[2; 1452], &[3; 1000], &[4; 1452], &[5; 9]];
            let mut transmitter = Transmitter::new();
            assert_eq!(transmitter.send(&socket, packets.into_iter(), 1452), Ok(5));
            let mut buffer = [0; 2000];
            for (packet, padded) in packets.into_iter().zip([52, 0, 0, 0, 0]) {
                let length = target.recv(&mut buffer).unwrap();
                assert_eq!(buffer[..length], [packet, padding(padded).unwrap()].concat());
            }
        }
    }

    #[test]
    fn a_socket_that_sends_hears_of_refusals_whatever_the_family_and_keeps_nothing_else() {
        for address in ["127.0.0.3:0", "[::1]:0"] {
            let deserted = UdpSocket::bind(address).unwrap().local_addr().unwrap();
            let socket = connect(deserted, None).unwrap();
            let mut transmitter = Transmitter::new();
            let mut send = || transmitter.send(&socket, [&b"x"[..]].into_iter(), 0);
            // On loopback the answer is there before the call returns.
            for _ in 0..1000 {
                assert_eq!((send(), send()), (Ok(1), Err(Errno::ECONNREFUSED)));
            }
            assert!(receive_buffer(&socket).unwrap() < 4096);
        }
    }
}
