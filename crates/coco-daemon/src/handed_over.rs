//! Sockets that whoever started the process has bound and hands over (`LISTEN_FDS`, sd_listen_fds(3)), and keeps: what
//! arrives while no process reads it waits in their buffers for the next one.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};

use coco_core::address::Address;
use listenfd::ListenFd;
use thiserror::Error;

/// Sockets that have been handed over, until they are taken.
#[derive(Debug, Default)]
pub struct HandedOver {
    udp: Vec<UdpSocket>,
    tcp: Vec<TcpListener>,
}

/// A socket that nobody takes: packets or clients would wait there for nothing.
#[derive(Debug, Error)]
#[error(
    "{kind} at {address} is handed over by who started this process (LISTEN_FDS), and no key has that address: {keys}"
)]
pub struct Stray {
    kind: &'static str,
    address: SocketAddr,
    keys: &'static str,
}

impl HandedOver {
    /// Nothing.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Takes the sockets that the environment of this process names, and those names out of the environment. To be
    /// called before there are other threads, who may read the environment.
    pub fn take() -> io::Result<Self> {
        let mut given = ListenFd::from_env();
        let mut handed_over = Self::default();
        for place in 0..given.len() {
            if let Ok(Some(socket)) = given.take_udp_socket(place) {
                handed_over.udp.push(socket);
                continue;
            }
            match given.take_tcp_listener(place) {
                Ok(Some(listener)) => handed_over.tcp.push(listener),
                Ok(None) | Err(_) => {
                    let what = format!(
                        "socket {} of those that are handed over (LISTEN_FDS) is neither for UDP nor for TCP",
                        place + 1
                    );
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
                }
            }
        }
        Ok(handed_over)
    }

    /// Those that receive at one of these addresses; more than one where they share it.
    pub fn udp_at(&mut self, addresses: &[SocketAddr]) -> Vec<UdpSocket> {
        let is_at = |socket: &mut UdpSocket| {
            socket.local_addr().is_ok_and(|local| addresses.iter().any(|address| is_same(*address, local)))
        };
        self.udp.extract_if(.., is_at).collect()
    }

    /// The one that listens at this address. Resolving a name blocks.
    pub fn tcp_at(&mut self, address: &Address) -> Option<TcpListener> {
        if self.tcp.is_empty() {
            return None;
        }
        let addresses: Vec<SocketAddr> = match address.is_all() {
            true => vec![(Ipv6Addr::UNSPECIFIED, address.port()).into()],
            false => (address.host(), address.port()).to_socket_addrs().ok()?.collect(),
        };
        let is_at = |listener: &TcpListener| {
            listener.local_addr().is_ok_and(|local| addresses.iter().any(|address| is_same(*address, local)))
        };
        let place = self.tcp.iter().position(is_at)?;
        Some(self.tcp.swap_remove(place))
    }

    /// Refuses what is left. `keys` are those that have addresses.
    pub fn is_taken(&self, keys: &'static str) -> Result<(), Stray> {
        let udp = self.udp.iter().map(|socket| ("a socket for UDP", socket.local_addr()));
        let tcp = self.tcp.iter().map(|listener| ("a socket for TCP", listener.local_addr()));
        match udp.chain(tcp).find_map(|(kind, address)| Some((kind, address.ok()?))) {
            Some((kind, address)) => Err(Stray { kind, address, keys }),
            None => Ok(()),
        }
    }
}

/// Whether a socket is where it should be: all addresses are those of IPv6 and IPv4 alike.
fn is_same(wanted: SocketAddr, found: SocketAddr) -> bool {
    let general =
        |address: IpAddr| if address.is_unspecified() { Ipv6Addr::UNSPECIFIED.into() } else { address };
    wanted.port() == found.port() && general(wanted.ip()) == general(found.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn sockets_go_to_who_has_their_addresses_and_none_is_left() {
        let udp = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let [first, second] = udp.each_ref().map(|socket| socket.local_addr().unwrap());
        let api = tcp.local_addr().unwrap();
        let mut handed_over = HandedOver { udp: udp.into(), tcp: vec![tcp] };
        let stray = handed_over.is_taken("listen.bind, api.bind").unwrap_err().to_string();
        assert!(stray.contains(&first.to_string()) && stray.ends_with("listen.bind, api.bind"), "{stray}");
        assert!(handed_over.udp_at(&["127.0.0.2:1".parse().unwrap()]).is_empty());
        let taken = handed_over.udp_at(&[second]);
        assert_eq!(taken[0].local_addr().unwrap(), second);
        assert_eq!(handed_over.udp_at(&[first]).len(), 1);
        assert!(handed_over.tcp_at(&address(&format!("127.0.0.2:{}", api.port()))).is_none());
        assert!(handed_over.is_taken("").unwrap_err().to_string().contains("TCP"));
        assert_eq!(handed_over.tcp_at(&address(&api.to_string())).unwrap().local_addr().unwrap(), api);
        assert!(handed_over.is_taken("").is_ok());
    }

    #[test]
    fn all_addresses_are_those_of_either_family() {
        let is_same = |one: &str, other: &str| is_same(one.parse().unwrap(), other.parse().unwrap());
        assert!(is_same("[::]:1", "0.0.0.0:1") && is_same("0.0.0.0:1", "[::]:1"));
        assert!(!is_same("[::]:1", "[::]:2") && !is_same("[::]:1", "127.0.0.1:1"));
    }
}
