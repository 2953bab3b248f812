//! Addresses at which nobody listens. The port is taken as long as the value lives, so nobody else can come by it.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Socket, Type};

/// A socket that refuses what is sent to it.
#[derive(Debug)]
pub struct Nobody {
    /// Where, on loopback.
    pub address: SocketAddr,
    _socket: Socket,
}

impl Nobody {
    /// Refuses connections: it is bound, and does not listen.
    ///
    /// # Panics
    /// When loopback doesn't work.
    #[must_use]
    pub fn tcp() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("TCP works");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("loopback has ports");
        let address = socket.local_addr().ok().and_then(|address| address.as_socket());
        Self { address: address.expect("it is bound"), _socket: socket }
    }

    /// Refuses datagrams: it takes none but its own.
    ///
    /// # Panics
    /// When loopback doesn't work.
    #[must_use]
    pub fn udp() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has ports");
        let address = socket.local_addr().expect("it is bound");
        socket.connect(address).expect("loopback works");
        Self { address, _socket: socket.into() }
    }
}
