//! The multicast group that packets arrive by. What is joined is joined at an interface: when that is taken away and made
//! again, as tunnels and bridges are, nothing arrives any more and nobody says so. So it is looked at again.

use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;

use socket2::{InterfaceIndexOrAddress, SockRef};

/// A socket's membership of a multicast group.
#[derive(Debug)]
pub struct Membership {
    group: IpAddr,
    /// The kernel's choice if none is named.
    interface: Option<String>,
    /// The indices of the interfaces of which one is that where it was joined last, as far as that is known.
    joined: Vec<u32>,
}

impl Membership {
    /// Of a socket that [listens](crate::listen()) at this interface; none if it listens at no group.
    pub fn of(socket: &UdpSocket, interface: Option<&str>) -> Option<Self> {
        let group = socket.local_addr().ok()?.ip();
        let index = interface.and_then(|name| interface_index(name).ok());
        let interface = interface.map(str::to_owned);
        group.is_multicast().then(|| Self { group, interface, joined: joined_at(group, index) })
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
        // One that was joined at an interface that is gone counts: for IPv6 it is in the way of another, and a socket of
        // IPv4 may have few of them (net.ipv4.igmp_max_memberships).
        let there = joined_at(self.group, index);
        for old in self.joined.extract_if(.., |old| !there.contains(old)) {
            let _ = leave(socket, self.group, old);
        }
        match join(socket, self.group, index) {
            Ok(()) => {
                self.joined = joined_at(self.group, index);
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
fn leave(socket: &impl AsFd, group: IpAddr, index: u32) -> io::Result<()> {
    let socket = SockRef::from(socket);
    match group {
        IpAddr::V4(group) => socket.leave_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index)),
        IpAddr::V6(group) => socket.leave_multicast_v6(&group, index),
    }
}

/// The interface of this index; or else those at which anyone on this machine has joined a group (proc(5)).
fn joined_at(group: IpAddr, index: Option<u32>) -> Vec<u32> {
    if let Some(index) = index {
        return vec![index];
    }
    match group {
        IpAddr::V4(group) => {
            let table = std::fs::read_to_string("/proc/self/net/igmp").unwrap_or_default();
            at_of_ipv4(&table, group)
        }
        IpAddr::V6(group) => {
            let table = std::fs::read_to_string("/proc/self/net/igmp6").unwrap_or_default();
            let shown = format!("{:032x}", u128::from(group));
            let rows = table.lines().map(|row| row.split_ascii_whitespace().collect::<Vec<_>>());
            rows.filter(|row| row.get(2) == Some(&&*shown)).filter_map(|row| row[0].parse().ok()).collect()
        }
    }
}

/// A row of an interface stands before those of its groups, which are indented.
fn at_of_ipv4(table: &str, group: Ipv4Addr) -> Vec<u32> {
    // As the bytes lie in memory.
    let shown = format!("{:08X}", u32::from_ne_bytes(group.octets()));
    let mut interface: Option<u32> = None;
    let mut found = Vec::new();
    for row in table.lines() {
        let first = row.split_ascii_whitespace().next().unwrap_or_default();
        if !row.starts_with(char::is_whitespace) {
            interface = first.parse().ok();
        } else if first == shown {
            found.extend(interface);
        }
    }
    found
}

/// The number of a network interface. One that is made again has another one.
pub fn interface_index(name: &str) -> io::Result<u32> {
    Ok(nix::net::if_::if_nametoindex(name)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interfaces_of_a_group_are_found() {
        let shown = |group: Ipv4Addr| format!("{:08X}", u32::from_ne_bytes(group.octets()));
        let (all, own) = (Ipv4Addr::new(224, 0, 0, 1), Ipv4Addr::new(239, 192, 74, 66));
        let row = |group| format!("\t\t\t\t{}     1 0:00000000\t\t0\n", shown(group));
        let table = [
            "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n1\tlo        :     1      V3\n",
            &row(all),
            "4\teth0      :     2      V3\n",
            &row(own),
            &row(all),
        ]
        .concat();
        assert_eq!(at_of_ipv4(&table, own), [4]);
        assert_eq!(at_of_ipv4(&table, all), [1, 4]);
        assert_eq!(at_of_ipv4(&table, Ipv4Addr::new(239, 0, 0, 1)), []);
    }
}
