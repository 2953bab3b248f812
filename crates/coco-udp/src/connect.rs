//! Sockets to send by.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{SockaddrStorage, setsockopt, sockopt};
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
};

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
