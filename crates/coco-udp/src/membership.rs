//! The multicast group that packets arrive by. What is joined is joined at an interface: when that is taken away and made
//! again, as tunnels and bridges are, nothing arrives any more and nobody says so. So it is looked at again.

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::os::fd::AsFd;

use socket2::{InterfaceIndexOrAddress, SockRef};

/// A socket's membership of a multicast group.
#[derive(Debug)]
pub struct Membership {
    group: IpAddr,
    /// The kernel's choice if none is named.
    interface: Option<String>,
    /// The index of the interface that it was joined at last, as far as that is known.
    joined: Option<u32>,
}

impl Membership {
    /// Of a socket that [listens](crate::listen()) at this interface; none if it listens at no group.
    pub fn of(socket: &UdpSocket, interface: Option<&str>) -> Option<Self> {
        let group = socket.local_addr().ok()?.ip();
        let joined = interface.and_then(|name| interface_index(name).ok());
        let interface = interface.map(str::to_owned);
        group.is_multicast().then_some(Self { group, interface, joined })
    }

    /// The group.
    pub fn group(&self) -> IpAddr {
        self.group
    }

    /// The name of the interface, `None` for the kernel's choice.
    pub fn interface(&self) -> Option<&str> {
        self.interface.as_deref()
    }

    /// Joins the group again if it is not joined any more. Whether that was so.
    ///
    /// An error says that there is no such interface now: it may be there the next time.
    pub fn rejoin(&mut self, socket: &UdpSocket) -> io::Result<bool> {
        let index = self.interface.as_deref().map(interface_index).transpose()?;
        // For IPv6, one that was joined at an interface that is gone counts as long as none is named.
        if index.is_none() && self.group.is_ipv6() && !is_joined(self.group) {
            let _ = leave(socket, self.group, None);
        }
        match join(socket, self.group, index) {
            Ok(()) => {
                // A socket may have few of them (net.ipv4.igmp_max_memberships).
                if let Some(old) = self.joined.filter(|old| Some(*old) != index) {
                    let _ = leave(socket, self.group, Some(old));
                }
                self.joined = index;
                Ok(true)
            }
            Err(problem) if problem.kind() == io::ErrorKind::AddrInUse => Ok(false),
            Err(problem) => Err(problem),
        }
    }
}

/// Joins a multicast group at the interface of this index, or where the system chooses. That it has joined it already is
/// an error.
pub(crate) fn join(socket: &impl AsFd, group: IpAddr, interface: Option<u32>) -> io::Result<()> {
    let (socket, index) = (SockRef::from(socket), interface.unwrap_or(0));
    match group {
        IpAddr::V4(group) => socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index)),
        IpAddr::V6(group) => socket.join_multicast_v6(&group, index),
    }
}

/// Leaves a multicast group, also one of an interface that is gone.
fn leave(socket: &impl AsFd, group: IpAddr, interface: Option<u32>) -> io::Result<()> {
    let (socket, index) = (SockRef::from(socket), interface.unwrap_or(0));
    match group {
        IpAddr::V4(group) => socket.leave_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index)),
        IpAddr::V6(group) => socket.leave_multicast_v6(&group, index),
    }
}

/// Whether anyone on this machine has joined a group of IPv6 at an interface that is there (proc(5)).
fn is_joined(group: IpAddr) -> bool {
    let IpAddr::V6(group) = group else { return true };
    let shown = format!("{:032x}", u128::from(group));
    let table = std::fs::read_to_string("/proc/self/net/igmp6").unwrap_or_default();
    table.lines().any(|row| row.split_ascii_whitespace().nth(2) == Some(&shown))
}

/// The number of a network interface. One that is made again has another one.
pub fn interface_index(name: &str) -> io::Result<u32> {
    Ok(nix::net::if_::if_nametoindex(name)?)
}
