//! Ports of loopback: those of the sample where they are free.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use coco_daemon::http;
use coco_udp::ListenOptions;

use super::daemons::daemon;
use crate::failure::Failure;

/// Receives at this port of loopback; at one that the system chooses if it is taken.
pub(super) fn udp(port: u16) -> Result<UdpSocket, Failure> {
    let listen = |port| {
        let options =
            ListenOptions { receive_buffer: 1 << 20, shared: false, interface: None, freebind: false };
        coco_udp::listen((Ipv4Addr::LOCALHOST, port).into(), options)
    };
    listen(port).or_else(|_| listen(0)).map_err(Failure::System)
}

/// The same for HTTP.
pub(super) fn tcp(port: u16) -> Result<TcpListener, Failure> {
    let listen = |port: u16| {
        let address = format!("127.0.0.1:{port}").parse().expect("this is an address");
        http::bind(&address)
    };
    listen(port).or_else(|_| listen(0)).map_err(|problem| daemon("storage node", &problem))
}

pub(super) fn port_of(address: io::Result<SocketAddr>) -> Result<u16, Failure> {
    address.map(|address| address.port()).map_err(Failure::System)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_replaced() {
        let (packets, http) = (udp(0).unwrap(), tcp(0).unwrap());
        let taken = packets.local_addr().unwrap().port();
        assert_ne!(udp(taken).unwrap().local_addr().unwrap().port(), taken);
        let taken = http.local_addr().unwrap().port();
        assert_ne!(tcp(taken).unwrap().local_addr().unwrap().port(), taken);
    }
}
