//! What collectds send.

use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use coco_core::wire::PacketBuilder;
use std::net::{SocketAddr, UdpSocket};

/// `plugin/type` of a host, whose counter stands at `count`.
pub(crate) fn value_list(host: &[u8], plugin: &str, type_name: &str, count: u64) -> ValueList {
    let identifier = Identifier {
        host: host.to_vec(),
        plugin: plugin.into(),
        type_name: type_name.into(),
        ..Identifier::default()
    };
    let (time, interval) =
        (Time::HighResolution((1_700_000_000 + count) << 30), Interval::HighResolution(10 << 30));
    ValueList::new(identifier, time, interval, &[Value::Derive(count as i64)])
}

/// The datagrams that hold these.
pub(crate) fn datagrams(lists: &[ValueList]) -> Vec<Vec<u8>> {
    let mut builder = PacketBuilder::new(1452);
    lists.iter().for_each(|list| builder.push(&list.as_ref()));
    builder.close();
    builder.packets().map(|(_, bytes)| bytes.to_vec()).collect()
}

/// A socket that sends to a coco.
pub(crate) fn agent(coco: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(coco).unwrap();
    socket
}

pub(crate) fn send(agent: &UdpSocket, lists: &[ValueList]) {
    for datagram in datagrams(lists) {
        agent.send(&datagram).unwrap();
    }
}
