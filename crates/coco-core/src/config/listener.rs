//! Keys that have to fit the address that packets arrive at. Each message is about a key, which the caller names.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::address::Address;

/// The address, as far as the text tells: names, and addresses with a zone, are left to the system.
pub(super) fn address(bind: &Address) -> Option<SocketAddr> {
    if bind.is_all() {
        return Some(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, bind.port(), 0, 0).into());
    }
    bind.ip().map(|ip| SocketAddr::new(ip, bind.port()))
}

/// The problem with `listen.interface` being absent where packets arrive at this address.
pub fn lack_of_interface(address: SocketAddr, interface: Option<&str>) -> Option<&'static str> {
    let has_zone = matches!(address, SocketAddr::V6(address) if address.scope_id() != 0);
    (interface.is_none() && needs_interface(address.ip()) && !has_zone)
        .then_some("missing, expected the network interface of the link-local address in `bind`")
}

/// The warning for an operator whose `listen.interface` changes nothing.
pub fn idle_interface(address: SocketAddr, interface: Option<&str>) -> Option<&'static str> {
    (interface.is_some() && !needs_interface(address.ip()) && !address.ip().is_multicast())
        .then_some("means nothing: `bind` is neither a multicast group nor an IPv6 link-local address")
}

/// The problem with `pipeline.lanes` where packets arrive at this address.
pub fn misfit_of_lanes(address: SocketAddr, lanes: usize) -> Option<&'static str> {
    (address.ip().is_multicast() && lanes > 1)
        .then_some("must be 1 where `listen.bind` is a multicast group: every lane would get every packet")
}

/// Whether it is one of many links: `fe80::/10`, and groups of the scopes interface and link (RFC 4291, 2.7).
pub fn needs_interface(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => {
            ip.is_unicast_link_local() || ip.is_multicast() && matches!(ip.segments()[0] & 0xf, 1 | 2)
        }
    }
}
