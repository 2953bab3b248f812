//! The floor: takes datagrams in and sends each to every target, without reading any of it.

use std::net::{SocketAddr, UdpSocket};

use crate::error::{Doing, Error};
use crate::socket::{self, BATCH, Receiver, Sender};

/// Relays from a port of loopback until the process is ended.
pub(crate) fn relay(port: u16, targets: &[SocketAddr]) -> Result<(), Error> {
    let targets: Vec<UdpSocket> = targets
        .iter()
        .map(|&target| socket::connect(target))
        .collect::<Result<_, _>>()
        .doing(|| "open sockets to the targets".to_owned())?;
    let mut receiver = Receiver::new();
    let mut sender = Sender::<BATCH>::new();
    // Last, so that who sees this port knows that all is ready.
    let socket = socket::bind(port).doing(|| format!("receive on port {port}"))?;
    loop {
        let count = receiver.receive(&socket, true).doing(|| "receive".to_owned())?;
        for target in &targets {
            let mut done = 0;
            while done < count {
                // A datagram that the kernel does not take is lost, and missed at the sink.
                done += sender.send(target, receiver.datagrams().skip(done)).unwrap_or(1);
            }
        }
    }
}
