//! Sockets to receive by.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::time::Duration;

use coco_core::config::needs_interface;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::membership::{interface_index, join};

/// The time that a receive waits for a first datagram, and so the time in which a lane notices that it is to stop.
pub(crate) const RECEIVE_TIMEOUT: Duration = Duration::from_millis(100);

/// Options of a listening socket.
#[derive(Debug, Clone, Copy)]
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

/// Receives on a socket that somebody else has bound, and goes on holding it: what waits in it is not lost. It joins its
/// group if the address is one of multicast.
pub fn take_over(socket: UdpSocket, options: ListenOptions<'_>) -> io::Result<UdpSocket> {
    let socket = Socket::from(socket);
    // A service manager that waits for datagrams has made it non-blocking.
    socket.set_nonblocking(false)?;
    ask_for_receive_buffer(&socket, options.receive_buffer)?;
    let address = socket.local_addr()?.as_socket();
    if let Some(address) = address.filter(|address| address.ip().is_multicast()) {
        let interface = options.interface.map(interface_index).transpose()?;
        match join(&socket, address.ip(), interface) {
            // The one before has joined it, by the same socket.
            Err(problem) if problem.kind() == io::ErrorKind::AddrInUse => {}
            joined => joined?,
        }
    }
    socket.set_read_timeout(Some(RECEIVE_TIMEOUT))?;
    Ok(socket.into())
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

fn ask_for_receive_buffer(socket: &Socket, bytes: usize) -> io::Result<()> {
    // Beyond net.core.rmem_max only a privileged process may go (CAP_NET_ADMIN).
    match setsockopt(socket, sockopt::RcvBufForce, &bytes) {
        Ok(()) => Ok(()),
        Err(_) => Ok(setsockopt(socket, sockopt::RcvBuf, &bytes)?),
    }
}
