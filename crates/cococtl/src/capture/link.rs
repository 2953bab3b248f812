//! From a frame to the IP packet in it, by the kind of link that it was captured on.

use etherparse::err::ip::LaxHeaderSliceError;
use etherparse::{EtherType, LaxSlicedPacket};
use pcap_parser::data::{NfAttrType, parse_nflog};

use super::Skipped;

/// Kinds of links, by the numbers of <https://www.tcpdump.org/linktypes.html>.
mod kind {
    pub(super) const NULL: i32 = 0;
    pub(super) const ETHERNET: i32 = 1;
    pub(super) const PPP: i32 = 9;
    pub(super) const PPP_HDLC: i32 = 50;
    pub(super) const PPP_ETHER: i32 = 51;
    pub(super) const RAW: i32 = 101;
    pub(super) const LOOP: i32 = 108;
    pub(super) const LINUX_SLL: i32 = 113;
    pub(super) const PFLOG: i32 = 117;
    pub(super) const PPP_WITH_DIR: i32 = 204;
    pub(super) const MPLS: i32 = 219;
    pub(super) const IPV4: i32 = 228;
    pub(super) const IPV6: i32 = 229;
    pub(super) const NFLOG: i32 = 239;
    pub(super) const LINUX_SLL2: i32 = 276;
    /// Raw IP by numbers that the list does not have, from the DLT_RAW of some systems.
    pub(super) const RAW_OF_SYSTEMS: [i32; 2] = [12, 14];
}

const PPPOE_SESSION: u16 = 0x8864;
const MPLS_UNICAST: u16 = 0x8847;
const MPLS_MULTICAST: u16 = 0x8848;

type Opened<'a> = Result<LaxSlicedPacket<'a>, Skipped>;

/// Takes off what is around the IP packet.
pub(super) fn open(link: i32, frame: &[u8]) -> Opened<'_> {
    match link {
        kind::ETHERNET => match LaxSlicedPacket::from_ethernet(frame) {
            Ok(packet) => tunnelled(packet),
            Err(_) => Err(Skipped::Cut),
        },
        // The type stands at the end of the first version's header, and at the start of the second's.
        kind::LINUX_SLL => of_type(number(frame, 14)?, behind(frame, 16)?),
        kind::LINUX_SLL2 => of_type(number(frame, 0)?, behind(frame, 20)?),
        // An address family, whose number and byte order depend on the system; the packet says the same.
        kind::NULL | kind::LOOP => of_ip(behind(frame, 4)?),
        kind::RAW | kind::IPV4 | kind::IPV6 => of_ip(frame),
        kind::PPP | kind::PPP_HDLC => of_ppp(frame),
        kind::PPP_WITH_DIR => of_ppp(behind(frame, 1)?),
        kind::PPP_ETHER => of_pppoe(frame),
        // The header says how long it is, less what fills up its last word.
        kind::PFLOG => {
            of_ip(behind(frame, usize::from(*frame.first().ok_or(Skipped::Cut)?).next_multiple_of(4))?)
        }
        kind::MPLS => of_mpls(frame),
        kind::NFLOG => of_nflog(frame),
        other if kind::RAW_OF_SYSTEMS.contains(&other) => of_ip(frame),
        other => Err(Skipped::Link(other)),
    }
}

fn of_ip(packet: &[u8]) -> Opened<'_> {
    LaxSlicedPacket::from_ip(packet).map_err(|problem| match problem {
        LaxHeaderSliceError::Len(_) => Skipped::Cut,
        LaxHeaderSliceError::Content(_) => Skipped::NotIp,
    })
}

fn of_type(kind: u16, bytes: &[u8]) -> Opened<'_> {
    match kind {
        PPPOE_SESSION => of_pppoe(bytes),
        MPLS_UNICAST | MPLS_MULTICAST => of_mpls(bytes),
        _ => tunnelled(LaxSlicedPacket::from_ether_type(EtherType(kind), bytes)),
    }
}

/// The same packet, or what is in it where it carries another link.
fn tunnelled(packet: LaxSlicedPacket<'_>) -> Opened<'_> {
    match packet.ether_payload() {
        Some(inner) if packet.net.is_none() => match inner.ether_type.0 {
            PPPOE_SESSION => of_pppoe(inner.payload),
            MPLS_UNICAST | MPLS_MULTICAST => of_mpls(inner.payload),
            _ => Ok(packet),
        },
        _ => Ok(packet),
    }
}

/// PPP (RFC 1661): a protocol of two bytes, perhaps behind HDLC's address and control.
fn of_ppp(frame: &[u8]) -> Opened<'_> {
    const IPV4: u16 = 0x0021;
    const IPV6: u16 = 0x0057;
    const MPLS: u16 = 0x0281;
    let frame = frame.strip_prefix(&[0xff, 0x03]).unwrap_or(frame);
    // Odd bytes end a protocol, which may have left out its first one.
    let (protocol, packet) = match frame.first() {
        Some(&first) if first & 1 == 1 => (u16::from(first), behind(frame, 1)?),
        _ => (number(frame, 0)?, behind(frame, 2)?),
    };
    match protocol {
        IPV4 | IPV6 => of_ip(packet),
        MPLS => of_mpls(packet),
        _ => Err(Skipped::NotIp),
    }
}

/// PPPoE (RFC 2516): version and kind, a code (0 in a session), the session, a length; then PPP.
fn of_pppoe(frame: &[u8]) -> Opened<'_> {
    match frame.get(1) {
        Some(0) => of_ppp(behind(frame, 6)?),
        Some(_) => Err(Skipped::NotIp),
        None => Err(Skipped::Cut),
    }
}

/// MPLS (RFC 3032): labels of four bytes, the last of which says that it is; then mostly IP, which begins with its
/// version.
fn of_mpls(mut frame: &[u8]) -> Opened<'_> {
    const BOTTOM: u8 = 1;
    loop {
        let (&[_, _, flags, _], rest) = frame.split_first_chunk().ok_or(Skipped::Cut)?;
        frame = rest;
        if flags & BOTTOM != 0 {
            return of_ip(frame);
        }
    }
}

/// What a rule of Linux's firewall logs: attributes, one of which is the packet.
fn of_nflog(frame: &[u8]) -> Opened<'_> {
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    let (_, log) = parse_nflog(frame).map_err(|_| Skipped::Cut)?;
    if ![AF_INET, AF_INET6].contains(&log.header.af) {
        return Err(Skipped::NotIp);
    }
    let payload = log.data.into_iter().find(|attribute| attribute.t == NfAttrType::Payload as u16);
    of_ip(payload.ok_or(Skipped::Cut)?.v)
}

fn number(frame: &[u8], place: usize) -> Result<u16, Skipped> {
    behind(frame, place)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes)).ok_or(Skipped::Cut)
}

fn behind(frame: &[u8], header: usize) -> Result<&[u8], Skipped> {
    frame.get(header..).ok_or(Skipped::Cut)
}
