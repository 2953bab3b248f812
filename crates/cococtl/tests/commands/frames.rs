//! Captures as tcpdump and Wireshark write them, made of datagrams.

use etherparse::PacketBuilder;

/// Kinds of frames, by the numbers of <https://www.tcpdump.org/linktypes.html>.
pub(crate) const ETHERNET: u32 = 1;
pub(crate) const NULL: u32 = 0;
pub(crate) const RAW: u32 = 101;
pub(crate) const SLL: u32 = 113;
pub(crate) const SLL2: u32 = 276;

/// Who sends, in the frames below.
pub(crate) const SOURCE: &str = "192.0.2.7:54297";

/// An IPv4 packet with a UDP datagram to this port.
pub(crate) fn ipv4(payload: &[u8], port: u16) -> Vec<u8> {
    let mut packet = Vec::new();
    let builder = PacketBuilder::ipv4([192, 0, 2, 7], [192, 0, 2, 1], 64).udp(54297, port);
    builder.write(&mut packet, payload).unwrap();
    packet
}

/// The same with the checksum of UDP that a network card was to complete.
pub(crate) fn ipv4_to_complete(payload: &[u8], port: u16) -> Vec<u8> {
    let mut packet = ipv4(payload, port);
    packet[26..28].copy_from_slice(&[0x12, 0x34]);
    packet
}

/// The same over IPv6.
pub(crate) fn ipv6(payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let address = |last| [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    PacketBuilder::ipv6(address(7), address(1), 64).udp(54297, 25826).write(&mut packet, payload).unwrap();
    packet
}

/// An IP packet in a frame of Ethernet, behind so many VLAN tags.
pub(crate) fn ethernet(packet: &[u8], tags: usize) -> Vec<u8> {
    let kind: [u8; 2] = if packet[0] >> 4 == 4 { [0x08, 0x00] } else { [0x86, 0xdd] };
    let tags = [0x81, 0x00, 0x00, 0x2a].repeat(tags);
    [&[2; 6][..], &[4; 6], &tags, &kind, packet].concat()
}

/// The same as Linux captures on all interfaces at once.
pub(crate) fn cooked(packet: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 8, 0][..], packet].concat()
}

/// The second version of that.
pub(crate) fn cooked2(packet: &[u8]) -> Vec<u8> {
    [&[8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0][..], packet].concat()
}

/// What a loopback of BSD shows.
pub(crate) fn null(packet: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0][..], packet].concat()
}

/// A pcap file. Each frame may be captured in part: it is followed by how long it was on the wire.
pub(crate) fn pcap(link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0].to_vec();
    file.extend(link.to_le_bytes());
    for frame in frames {
        let length = u32::try_from(frame.len()).unwrap();
        for number in [1_700_000_000, 0, length, length] {
            file.extend(u32::to_le_bytes(number));
        }
        file.extend(frame);
    }
    file
}

/// Frames of other links around an IP packet: the kind of link, and the frame.
pub(crate) fn other_links(packet: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let kind: &[u8] = if packet[0] >> 4 == 4 { &[0x00, 0x21] } else { &[0x00, 0x57] };
    let pppoe = [&[0x11, 0, 0, 1, 0, 0][..], kind, packet].concat();
    let mpls = [&[0, 0, 0x10, 64, 0, 0, 0x21, 64][..], packet].concat();
    let addresses = [2; 12];
    let length = u16::try_from(packet.len() + 4).unwrap().to_le_bytes();
    let padding = vec![0; packet.len().next_multiple_of(4) - packet.len()];
    let nflog = [&[2, 0, 0, 1, 8, 0, 5, 0, 0, 0, 0, 1][..], &length, &[9, 0], packet, &padding].concat();
    let pflog = [&[61, 2, 0, 0][..], &[0; 60], packet].concat();
    vec![
        (9, [&[0xff, 0x03][..], kind, packet].concat()),
        (50, [kind, packet].concat()),
        // A protocol of which the first byte, 0, is left out.
        (9, [&kind[1..], packet].concat()),
        (51, pppoe.clone()),
        (ETHERNET, [&addresses[..], &[0x88, 0x64], &pppoe].concat()),
        (ETHERNET, [&addresses[..], &[0x81, 0, 0, 7, 0x88, 0x64], &pppoe].concat()),
        (ETHERNET, [&addresses[..], &[0x88, 0x47], &mpls].concat()),
        (SLL, [&[0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 0x88, 0x47][..], &mpls].concat()),
        (117, pflog),
        (204, [&[0, 0xff, 0x03][..], kind, packet].concat()),
        (219, mpls),
        (239, nflog),
        // The upper bits say that each frame ends with a checksum of four bytes.
        (0x4400_0000 | ETHERNET, [&ethernet(packet, 0)[..], &[1, 2, 3, 4]].concat()),
    ]
}

/// A pcapng file with an interface for each kind of frame.
pub(crate) fn pcapng(frames: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut file = section();
    for (link, _) in frames {
        file.extend(block(1, &[&u16::try_from(*link).unwrap().to_le_bytes()[..], &[0; 6]].concat()));
    }
    for (interface, (_, frame)) in (0_u32..).zip(frames) {
        let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
        file.extend(block(6, &[&interface.to_le_bytes()[..], &[0; 8], &length, &length, frame].concat()));
    }
    file
}

/// The start of a pcapng file.
pub(crate) fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255])
}

/// A block of pcapng.
pub(crate) fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let length = u32::try_from(padded + 12).unwrap().to_le_bytes();
    let padding = vec![0; padded - body.len()];
    [&kind.to_le_bytes()[..], &length, body, &padding, &length].concat()
}
