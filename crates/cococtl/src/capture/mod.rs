//! Captures of packets: pcap and pcapng, compressed or not, down to the UDP datagrams in them.
//!
//! - [`input`] opens a file and unpacks it;
//! - `file` reads it, block by block, to frames;
//! - `link` finds what IP there is in a frame;
//! - `skips` counts the reasons;
//! - here it is told what a frame is: datagrams, or the reason why there are none.

mod file;
pub mod input;
mod link;
mod skips;

use std::net::{IpAddr, SocketAddr};

use coco_core::wire::segment_length;
use etherparse::err::packet::SliceError;
use etherparse::{IpNumber, LaxNetSlice, LaxSlicedPacket, TransportSlice, UdpSlice};

pub use file::{End, read};
pub use skips::Skips;

/// A frame of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// When it was captured, in nanoseconds since 1970; some blocks of pcapng don't say.
    pub captured: Option<u64>,
    /// What it is.
    pub content: Content<'a>,
}

/// What a captured frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// UDP datagrams: one, or several that the capturing machine has joined.
    Datagrams(Datagrams<'a>),
    /// A piece of a UDP datagram.
    Fragment {
        /// Who sent it.
        source: IpAddr,
        /// To whom.
        destination: IpAddr,
    },
    /// Nothing that could be read.
    Skipped(Skipped),
}

/// UDP datagrams of one source that go to one destination, captured as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagrams<'a> {
    /// Who sent them.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    payload: &'a [u8],
    /// How long each is, the last perhaps shorter; not 0.
    segment: usize,
    /// The capture has less than was sent.
    pub truncated: bool,
}

/// Why there is no datagram in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skipped {
    /// The frames are of a kind, by this number, that is not read here.
    Link(i32),
    /// A packet of pcapng that belongs to no interface that the file has described.
    Interface,
    /// The frame ends before its header of UDP.
    Cut,
    /// What should be a header of IP or a tag is none.
    Headers,
    /// Longer than any datagram: neither IP nor UDP says how long it is.
    TooLong,
    /// Another protocol than IP.
    NotIp,
    /// Another protocol than UDP.
    NotUdp,
}

impl<'a> Datagrams<'a> {
    /// Each by itself, in order; an empty one is one, too.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        let (first, rest) = self.payload.split_at(self.segment.min(self.payload.len()));
        std::iter::once(first).chain(rest.chunks(self.segment))
    }

    /// Whether they are several.
    pub fn are_joined(&self) -> bool {
        self.segment < self.payload.len()
    }
}

/// What a frame of this kind holds.
fn dissect(link: i32, frame: &[u8]) -> Content<'_> {
    link::open(link, frame).and_then(|packet| content(&packet)).unwrap_or_else(Content::Skipped)
}

fn content<'a>(packet: &LaxSlicedPacket<'a>) -> Result<Content<'a>, Skipped> {
    // What stopped the reading says why a layer is not there.
    let missing = |otherwise| match &packet.stop_err {
        Some((SliceError::Len(_), _)) => Skipped::Cut,
        Some(_) => Skipped::Headers,
        None => otherwise,
    };
    let Some(net) = &packet.net else { return Err(missing(Skipped::NotIp)) };
    let (source, destination, payload): (IpAddr, IpAddr, _) = match net {
        LaxNetSlice::Ipv4(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into(), ip.payload())
        }
        LaxNetSlice::Ipv6(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into(), ip.payload())
        }
        LaxNetSlice::Arp(_) => return Err(Skipped::NotIp),
    };
    if payload.ip_number != IpNumber::UDP {
        return Err(missing(Skipped::NotUdp));
    }
    if payload.fragmented {
        return Ok(Content::Fragment { source, destination });
    }
    let Some(TransportSlice::Udp(udp)) = &packet.transport else { return Err(missing(Skipped::Cut)) };
    // Without a length of its own a datagram is all that was captured, which no datagram may be.
    if udp.payload().len() > usize::from(u16::MAX) {
        return Err(Skipped::TooLong);
    }
    Ok(Content::Datagrams(Datagrams {
        source: (source, udp.source_port()).into(),
        destination: (destination, udp.destination_port()).into(),
        payload: udp.payload(),
        segment: segment_length(udp.payload(), is_intact(source, destination, udp)).max(1),
        truncated: usize::from(udp.length()) > udp.slice().len(),
    }))
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
            link in prop::sample::select(vec![0, 1, 9, 12, 14, 50, 51, 101, 108, 113, 117, 204, 219, 228, 229, 239, 276, 999]),
            start in prop::sample::select(vec![
                &b""[..], b"\x45\0\0\0\0\0\0\0\x40\x11", b"\x60\0\0\0\0\0\x11\x40", b"\x08\0", b"\xff\x03\0\x21", b"\x11\0\0\0\0\x10\0\x21",
                b"\0\0\0\0\0\0\0\0\0\0\0\0\x08\0\x45\0\0\0\0\0\0\0\x40\x11", b"\x02\0\0\0\x30\0\x09\0",
                b"\0\0\0\0\0\0\0\0\0\0\0\0\x88\x64", b"\0\0\0\0\0\0\0\0\0\0\0\0\x88\x47\0\0\x01\x40",
            ]),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let frame = [start, &rest].concat();
            if let Content::Datagrams(datagrams) = dissect(link, &frame) {
                prop_assert!(datagrams.iter().map(<[u8]>::len).sum::<usize>() < frame.len());
            }
        }
    }
}
