//! Datagrams as an agent would send them, where a test needs to know what is in them or needs many.

use std::net::{SocketAddr, UdpSocket};

use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use coco_core::wire::PacketBuilder;

/// What targets receive unless they are told otherwise: collectd's `MaxPacketSize`.
pub const MAX_PACKET_SIZE: usize = 1452;

/// The most that UDP over IPv4 carries.
pub const LARGEST_DATAGRAM: usize = 65_507;

/// 2023-11-14, when the first value list of a sequence was read.
const FIRST_SECOND: u64 = 1_700_000_000;

/// A socket connected to a Coco, so that it notices when Coco's socket is gone.
///
/// # Panics
/// When loopback doesn't work.
#[must_use]
pub fn sender(to: SocketAddr) -> UdpSocket {
    let any = SocketAddr::new(if to.is_ipv6() { "::1" } else { "127.0.0.1" }.parse().expect("an address"), 0);
    let socket = UdpSocket::bind(any).expect("a free port");
    socket.connect(to).expect("loopback");
    socket
}

/// The value list at this place of the sequence of one metric of a host; [`place`] reads it back.
#[must_use]
pub fn value_list(host: &str, place: u32) -> ValueList {
    let identifier = Identifier {
        host: host.into(),
        plugin: "plugin".into(),
        plugin_instance: Vec::new(),
        type_name: "derive".into(),
        type_instance: "sequence".into(),
    };
    let time = Time::HighResolution((FIRST_SECOND + u64::from(place)) << 30);
    ValueList::new(identifier, time, Interval::HighResolution(10 << 30), &[Value::Derive(place.into())])
}

/// Where in its sequence a value list of [`value_list`] stands.
///
/// # Panics
/// When it is another one.
#[must_use]
pub fn place(list: &ValueList) -> u32 {
    match list.as_ref().values.iter().next() {
        Some(Value::Derive(place)) => place.try_into().expect("it was made from a u32"),
        other => panic!("not of a sequence: {other:?}"),
    }
}

/// The datagrams that a sender with this `MaxPacketSize` makes of value lists.
#[must_use]
pub fn datagrams<'a>(limit: usize, lists: impl IntoIterator<Item = &'a ValueList>) -> Vec<Vec<u8>> {
    let mut builder = PacketBuilder::new(limit);
    for list in lists {
        builder.push(&list.as_ref());
    }
    builder.close();
    builder.packets().map(|(_, bytes)| bytes.to_vec()).collect()
}

/// The datagram that holds this value list alone.
#[must_use]
pub fn datagram(list: &ValueList) -> Vec<u8> {
    datagrams(MAX_PACKET_SIZE, [list]).swap_remove(0)
}

/// Sends value lists as an agent does, in as few datagrams as hold them.
///
/// # Panics
/// When nobody listens.
pub fn send<'a>(sender: &UdpSocket, lists: impl IntoIterator<Item = &'a ValueList>) {
    for datagram in datagrams(MAX_PACKET_SIZE, lists) {
        sender.send(&datagram).expect("coco listens");
    }
}
