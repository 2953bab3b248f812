//! Captures of packets: pcap and pcapng, down to the UDP datagrams in them.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};

use coco_core::wire::segment_length;
use etherparse::{EtherType, IpNumber, LaxNetSlice, LaxSlicedPacket, TransportSlice, UdpSlice};
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};

/// Memory for what is read: tcpdump's largest packet, and more. Grows up to Wireshark's largest block.
const BUFFER: usize = 1 << 19;
const LARGEST_BUFFER: usize = 1 << 24;

/// Link types of raw IP that tcpdump's registry does not have, from the DLT_RAW of some systems.
const RAW_OF_SYSTEMS: [i32; 2] = [12, 14];

/// What a captured packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// UDP datagrams: one, or several that the capturing machine has joined.
    Datagrams {
        source: SocketAddr,
        destination: SocketAddr,
        payload: &'a [u8],
        /// How long each is, the last perhaps shorter; not 0.
        segment: usize,
        /// The capture has less of it than was sent.
        truncated: bool,
    },
    /// A piece of a UDP datagram.
    Fragment { source: IpAddr, destination: IpAddr },
    /// Something else.
    Other,
}

/// How a capture ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Behind a packet.
    Clean,
    /// Within one.
    Cut,
}

/// Reads a capture; `visit` gets each packet, and says by an error that it wants no more.
pub(super) fn read<E: From<String>>(
    input: impl Read + Send,
    mut visit: impl FnMut(Packet<'_>) -> Result<(), E>,
) -> Result<End, E> {
    let mut reader = match create_reader(BUFFER, input) {
        Ok(reader) => reader,
        Err(PcapError::ReadError) => return Err("cannot be read".to_owned().into()),
        Err(_) => {
            return Err("neither pcap nor pcapng; --raw takes the file for one packet".to_owned().into());
        }
    };
    let mut size = BUFFER;
    let mut links: Vec<Linktype> = Vec::new();
    loop {
        let exhausted = reader.reader_exhausted();
        match reader.next() {
            Ok((length, block)) => {
                let (link, frame) = match &block {
                    PcapBlockOwned::LegacyHeader(header) => {
                        links = vec![header.network];
                        (None, &[][..])
                    }
                    PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                        links.clear();
                        (None, &[][..])
                    }
                    PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                        links.push(interface.linktype);
                        (None, &[][..])
                    }
                    PcapBlockOwned::Legacy(packet) => (links.first(), packet.data),
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        (links.get(packet.if_id as usize), packet.packet_data())
                    }
                    PcapBlockOwned::NG(Block::SimplePacket(packet)) => (links.first(), packet.packet_data()),
                    PcapBlockOwned::NG(_) => (None, &[][..]),
                };
                if let Some(link) = link {
                    visit(dissect(*link, frame))?;
                }
                reader.consume(length);
            }
            Err(PcapError::Eof) => return Ok(End::Clean),
            Err(PcapError::UnexpectedEof) => return Ok(End::Cut),
            Err(PcapError::Incomplete(_)) if exhausted => return Ok(End::Cut),
            Err(PcapError::Incomplete(_)) => match reader.refill() {
                Ok(()) => {}
                Err(PcapError::BufferTooSmall) if size < LARGEST_BUFFER => {
                    size *= 2;
                    reader.grow(size);
                }
                Err(_) => return Err("cannot be read further".to_owned().into()),
            },
            Err(PcapError::BufferTooSmall) if size < LARGEST_BUFFER => {
                size *= 2;
                reader.grow(size);
            }
            Err(_) => {
                return Err("is no capture from here on: a block that makes no sense".to_owned().into());
            }
        }
    }
}

/// What a frame of this kind holds.
fn dissect(link: Linktype, frame: &[u8]) -> Packet<'_> {
    let of_ip = |bytes| LaxSlicedPacket::from_ip(bytes).ok();
    let of_type = |place: usize, header: usize| {
        let kind = frame.get(place..)?.first_chunk()?;
        Some(LaxSlicedPacket::from_ether_type(EtherType(u16::from_be_bytes(*kind)), frame.get(header..)?))
    };
    let sliced = match link {
        Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(frame).ok(),
        // The type stands at the end of the first version's header, and at the start of the second's.
        Linktype::LINUX_SLL => of_type(14, 16),
        Linktype::LINUX_SLL2 => of_type(0, 20),
        // An address family, whose number and byte order depend on the system; the packet says the same.
        Linktype::NULL | Linktype::LOOP => frame.get(4..).and_then(of_ip),
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => of_ip(frame),
        Linktype(other) if RAW_OF_SYSTEMS.contains(&other) => of_ip(frame),
        _ => None,
    };
    sliced.and_then(|packet| datagram(&packet)).unwrap_or(Packet::Other)
}

fn datagram<'a>(packet: &LaxSlicedPacket<'a>) -> Option<Packet<'a>> {
    let (source, destination, payload): (IpAddr, IpAddr, _) = match packet.net.as_ref()? {
        LaxNetSlice::Ipv4(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into(), ip.payload())
        }
        LaxNetSlice::Ipv6(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into(), ip.payload())
        }
        LaxNetSlice::Arp(_) => return None,
    };
    if payload.fragmented {
        return (payload.ip_number == IpNumber::UDP).then_some(Packet::Fragment { source, destination });
    }
    let Some(TransportSlice::Udp(udp)) = &packet.transport else { return None };
    // Without a length of its own a datagram is all that was captured, which no datagram may be.
    if udp.payload().len() > usize::from(u16::MAX) {
        return None;
    }
    let segment = segment_length(udp.payload(), is_intact(source, destination, udp)).max(1);
    Some(Packet::Datagrams {
        source: (source, udp.source_port()).into(),
        destination: (destination, udp.destination_port()).into(),
        payload: udp.payload(),
        segment,
        truncated: usize::from(udp.length()) > udp.slice().len(),
    })
}

/// Whether the checksum fits. What a network card or another machine's kernel was to complete has none that does.
fn is_intact(source: IpAddr, destination: IpAddr, udp: &UdpSlice<'_>) -> bool {
    let header = udp.to_header();
    let expected = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            header.calc_checksum_ipv4_raw(source.octets(), destination.octets(), udp.payload())
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            header.calc_checksum_ipv6_raw(source.octets(), destination.octets(), udp.payload())
        }
        _ => return false,
    };
    expected.is_ok_and(|expected| expected == header.checksum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_frame_is_something(
            link in prop::sample::select(vec![0, 1, 12, 14, 101, 108, 113, 228, 229, 276, 999]),
            start in prop::sample::select(vec![
                &b""[..], b"\x45\0\0\0\0\0\0\0\x40\x11", b"\x60\0\0\0\0\0\x11\x40", b"\x08\0",
                b"\0\0\0\0\0\0\0\0\0\0\0\0\x08\0\x45\0\0\0\0\0\0\0\x40\x11",
            ]),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let frame = [start, &rest].concat();
            if let Packet::Datagrams { payload, .. } = dissect(Linktype(link), &frame) {
                prop_assert!(payload.len() < frame.len());
            }
        }

        #[test]
        fn any_file_ends(
            start in prop::sample::select(vec![
                &b""[..],
                b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x65\0\0\0",
                b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0\
                  \x01\0\0\0\x14\0\0\0\x65\0\0\0\0\0\0\0\x14\0\0\0",
            ]),
            rest in prop::collection::vec(prop::sample::select(&b"\0\0\0\x01\x06\x10\x45\xff"[..]), 0..400),
        ) {
            let file = [start, &rest].concat();
            let mut packets = 0;
            let _ = read(file.as_slice(), |_| {
                packets += 1;
                Ok::<_, String>(())
            });
            prop_assert!(packets <= file.len());
        }
    }
}
