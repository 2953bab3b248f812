//! Telling when what Coco sends would come back to its own socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::address::Address;

/// Whether what is sent to `target` arrives at the socket bound to `listen`, on a machine that has the addresses
/// `local`.
///
/// A socket bound to `::` is taken to receive IPv4 as well, as `":25826"` does. Loopback addresses need not be
/// among `local`.
pub fn is_loop(listen: SocketAddr, target: SocketAddr, local: &[IpAddr]) -> bool {
    if listen.port() != target.port() {
        return false;
    }
    let (listen, target) = (listen.ip().to_canonical(), target.ip().to_canonical());
    // The kernel sends to the loopback what is sent to no address in particular.
    let target = match target {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        _ => target,
    };
    if !listen.is_unspecified() {
        return listen == target;
    }
    let receives_family = listen.is_ipv6() || target.is_ipv4();
    receives_family && (target.is_loopback() || local.contains(&target))
}

/// [`is_loop`] as far as the text tells: names other than `localhost` are not resolved, and the addresses of the
/// machine are unknown.
pub(super) fn is_plain_loop(listen: &Address, target: &Address) -> bool {
    if listen.host() == target.host() && listen.port() == target.port() {
        return true;
    }
    let sockets = |address: &Address| {
        let port = address.port();
        candidates(address)
            .into_iter()
            .map(move |ip| SocketAddr::new(ip, port))
    };
    sockets(listen).any(|listen| sockets(target).any(|target| is_loop(listen, target, &[])))
}

fn candidates(address: &Address) -> Vec<IpAddr> {
    match address.ip() {
        Some(ip) => vec![ip],
        None if address.is_all() => vec![Ipv6Addr::UNSPECIFIED.into()],
        None if address.host() == "localhost" => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        None => Vec::new(),
    }
}
