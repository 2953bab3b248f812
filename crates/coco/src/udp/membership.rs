//! The multicast group that packets arrive by. What is joined is joined at an interface: when that is taken away and made
//! again, as tunnels and bridges are, nothing arrives any more and nobody says so. So it is looked at again.

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::sync::Weak;
use std::time::Duration;

use tracing::{info, warn};

use super::socket::{self, ListenOptions};

/// How often it is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct Membership {
    socket: Weak<UdpSocket>,
    group: IpAddr,
    /// The kernel's choice if none is named.
    interface: Option<String>,
    /// The index of the interface that it was joined at last, as far as that is known.
    joined: Option<u32>,
    /// Whether it was said that it is lost.
    lost: bool,
}

impl Membership {
    /// Of a socket that [listens](socket::listen) by these options; none if it listens at no group.
    pub fn of(socket: Weak<UdpSocket>, options: ListenOptions<'_>) -> Option<Self> {
        let group = socket.upgrade()?.local_addr().ok()?.ip();
        let interface = options.interface.map(str::to_owned);
        let joined = options.interface.and_then(|name| socket::interface_index(name).ok());
        group.is_multicast().then_some(Self { socket, group, interface, joined, lost: false })
    }

    /// Looks at it from time to time for as long as someone has the socket.
    pub async fn watch(mut self) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let Some(socket) = self.socket.upgrade() else { return };
            self.look(&socket);
        }
    }

    fn look(&mut self, socket: &UdpSocket) {
        let result = self.rejoin(socket);
        let (group, interface) = (self.group, self.interface.as_deref().unwrap_or("chosen by the system"));
        match result {
            Ok(true) => {
                info!(%group, interface, "joined the multicast group again");
                self.lost = false;
            }
            Ok(false) => self.lost = false,
            Err(problem) if !self.lost => {
                warn!(%group, interface, %problem, "the interface of the multicast group is gone, nothing can arrive");
                self.lost = true;
            }
            Err(_) => {}
        }
    }

    /// Whether it was not joined, and is now.
    fn rejoin(&mut self, socket: &UdpSocket) -> io::Result<bool> {
        let index = self.interface.as_deref().map(socket::interface_index).transpose()?;
        // For IPv6, one that was joined at an interface that is gone counts as long as none is named.
        if index.is_none() && self.group.is_ipv6() && !socket::is_joined(self.group) {
            let _ = socket::leave(socket, self.group, None);
        }
        match socket::join(socket, self.group, index) {
            Ok(()) => {
                // A socket may have few of them (net.ipv4.igmp_max_memberships).
                if let Some(old) = self.joined.filter(|old| Some(*old) != index) {
                    let _ = socket::leave(socket, self.group, Some(old));
                }
                self.joined = index;
                Ok(true)
            }
            Err(problem) if problem.kind() == io::ErrorKind::AddrInUse => Ok(false),
            Err(problem) => Err(problem),
        }
    }
}
