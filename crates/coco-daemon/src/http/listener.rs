//! Binds the address at which clients connect.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use coco_core::address::Address;
use socket2::{Domain, Socket, Type};
use thiserror::Error;

use crate::handed_over::HandedOver;

/// Clients that the kernel keeps waiting to be accepted.
const BACKLOG: i32 = 1024;

/// Where a Prometheus listens unless it is told otherwise, which is where Coco always did.
const PROMETHEUS: u16 = 9090;

/// An address that cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address} for HTTP: {source}{}", who_else(address, source))]
pub struct BindError {
    address: Address,
    source: io::Error,
}

/// The socket that was handed over for `address`, or else one that is bound there.
pub fn take_or_bind(address: &Address, handed_over: &mut HandedOver) -> Result<TcpListener, BindError> {
    let Some(listener) = handed_over.tcp_at(address) else { return bind(address) };
    let taken = listener.set_nonblocking(true).map(|()| listener);
    taken.map_err(|source| BindError { address: address.clone(), source })
}

/// A hint at the program that listens at this port on many machines, where it is taken.
fn who_else(address: &Address, problem: &io::Error) -> &'static str {
    match (problem.kind(), address.port()) {
        (io::ErrorKind::AddrInUse, PROMETHEUS) => " (9090 is the port of Prometheus, too)",
        _ => "",
    }
}

/// Listens on `address`, on the first that works where it is a name of several. All addresses (`":9090"`) means
/// IPv6 and IPv4, IPv4 alone where IPv6 is off. Resolving a name blocks.
pub fn bind(address: &Address) -> Result<TcpListener, BindError> {
    let listener = if address.is_all() {
        listen((Ipv6Addr::UNSPECIFIED, address.port()).into()).or_else(|problem| {
            // A port that is taken for one of the two is taken.
            if problem.kind() == io::ErrorKind::AddrInUse {
                return Err(problem);
            }
            listen((Ipv4Addr::UNSPECIFIED, address.port()).into())
        })
    } else {
        listen_on_first(address)
    };
    listener.map_err(|source| BindError { address: address.clone(), source })
}

fn listen_on_first(address: &Address) -> io::Result<TcpListener> {
    let mut problem = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for candidate in (address.host(), address.port()).to_socket_addrs()? {
        match listen(candidate) {
            Ok(listener) => return Ok(listener),
            Err(refused) => problem = refused,
        }
    }
    Err(problem)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for the connections of the last run to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_says_who_else_has_it_by_default() {
        let told = |address: &str, kind: io::ErrorKind| {
            BindError { address: address.parse().unwrap(), source: kind.into() }.to_string()
        };
        let taken = io::ErrorKind::AddrInUse;
        assert!(told("127.0.0.1:9090", taken).ends_with(" (9090 is the port of Prometheus, too)"));
        assert!(!told("127.0.0.1:9080", taken).contains("Prometheus"));
        assert!(!told(":9090", io::ErrorKind::AddrNotAvailable).contains("Prometheus"));
    }
}
