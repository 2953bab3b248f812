//! pcap and pcapng, block by block.

use std::io::{self, Cursor, Read};
use std::sync::{Arc, Mutex, PoisonError};

use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{Block, InterfaceDescriptionBlock, PcapBlockOwned, PcapError, create_reader};

use super::{Content, Frame, Skipped, dissect};

/// Memory for what is read: tcpdump's largest packet, and more. Grows up to the largest block that is taken; options of
/// a block take up to ten times as much.
const BUFFER: usize = 1 << 19;
const LARGEST_BUFFER: usize = 1 << 22;

/// Interfaces of a section that are remembered.
const INTERFACES: usize = 1 << 16;

/// pcapng's blocks begin with it, in any byte order.
const SECTION: &[u8] = b"\x0a\x0d\x0d\x0a";

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// How a capture ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Behind a packet.
    Clean,
    /// Within one.
    Cut,
}

/// Reads a capture; `visit` gets each frame, and says by an error that it wants no more.
pub fn read<E: From<String>>(
    input: impl Read + Send,
    mut visit: impl FnMut(Frame<'_>) -> Result<(), E>,
) -> Result<End, E> {
    let problem = Problem::default();
    let unreadable = || format!("cannot be read further: {}", problem.text());
    let input = Noted { input, problem: problem.clone() };
    let input = primed(input).map_err(|_| unreadable())?;
    let mut reader = match create_reader(BUFFER, input) {
        Ok(reader) => reader,
        Err(PcapError::ReadError) => return Err(unreadable().into()),
        Err(_) => {
            return Err("neither pcap nor pcapng; --raw takes the file for one packet".to_owned().into());
        }
    };
    let mut size = BUFFER;
    let mut file = Links::default();
    loop {
        let exhausted = reader.reader_exhausted();
        match reader.next() {
            Ok((length, block)) => {
                if let Some(frame) = file.frame(&block) {
                    visit(frame)?;
                }
                reader.consume(length);
                continue;
            }
            Err(PcapError::Eof) if !problem.is_cut() => return Ok(End::Clean),
            Err(PcapError::Eof | PcapError::UnexpectedEof) => return Ok(End::Cut),
            Err(PcapError::Incomplete(_)) if exhausted => return Ok(End::Cut),
            Err(PcapError::Incomplete(_)) => match reader.refill() {
                Ok(()) => continue,
                Err(PcapError::BufferTooSmall) => {}
                Err(_) => return Err(unreadable().into()),
            },
            Err(PcapError::BufferTooSmall) => {}
            Err(_) => {
                return Err("is no capture from here on: a block that makes no sense".to_owned().into());
            }
        }
        if size >= LARGEST_BUFFER {
            return Err(format!("has a block of more than {} MiB", LARGEST_BUFFER >> 20).into());
        }
        size *= 2;
        reader.grow(size);
    }
}

/// What the file has said of its links.
#[derive(Default)]
struct Links {
    is_big_endian: bool,
    interfaces: Vec<Interface>,
}

/// Where packets were captured.
#[derive(Clone, Copy)]
struct Interface {
    link: i32,
    /// Units of a second.
    resolution: u64,
    /// Seconds that are to be added.
    offset: i64,
}

impl Links {
    /// The frame of a block, if it is one with a packet.
    fn frame<'a>(&mut self, block: &'a PcapBlockOwned<'a>) -> Option<Frame<'a>> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let resolution = if header.is_nanosecond_precision() { SECOND } else { 1_000_000 };
                // Above are how long the checksum behind each frame is, and whether the file says so.
                let link = header.network.0 & 0xffff;
                self.interfaces = vec![Interface { link, resolution, offset: 0 }];
                None
            }
            PcapBlockOwned::Legacy(packet) => {
                let [seconds, fraction] = [packet.ts_sec, packet.ts_usec].map(u64::from);
                let units = |interface: Interface| seconds * interface.resolution + fraction;
                Some(self.of_interface(0, units, packet.data))
            }
            PcapBlockOwned::NG(Block::SectionHeader(header)) => {
                *self = Self { is_big_endian: header.big_endian(), interfaces: Vec::new() };
                None
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                if self.interfaces.len() < INTERFACES {
                    self.interfaces.push(self.interface(interface));
                }
                None
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let units = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                Some(self.of_interface(packet.if_id as usize, |_| units, packet.packet_data()))
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                let packet = self.of_interface(0, |_| 0, packet.packet_data());
                Some(Frame { captured: None, ..packet })
            }
            PcapBlockOwned::NG(Block::Unknown(block)) if [2, 2 << 24].contains(&block.block_type) => {
                Some(self.old_frame(block.data))
            }
            PcapBlockOwned::NG(_) => None,
        }
    }

    fn interface(&self, block: &InterfaceDescriptionBlock<'_>) -> Interface {
        // A power of two if the highest bit is set, else of ten.
        let resolution = match (block.if_tsresol >> 7, block.if_tsresol & 0x7f) {
            (0, exponent) => 10_u64.checked_pow(exponent.into()),
            (_, exponent) => 2_u64.checked_pow(exponent.into()),
        };
        let offset = block.if_tsoffset;
        Interface {
            link: block.linktype.0,
            resolution: resolution.unwrap_or(1_000_000),
            // The parser takes the number for one of little endian.
            offset: if self.is_big_endian { offset.swap_bytes() } else { offset },
        }
    }

    fn of_interface<'a>(
        &self,
        interface: usize,
        units: impl FnOnce(Interface) -> u64,
        frame: &'a [u8],
    ) -> Frame<'a> {
        match self.interfaces.get(interface) {
            None => Frame { captured: None, content: Content::Skipped(Skipped::Interface) },
            Some(&interface) => {
                Frame { captured: interface.time(units(interface)), content: dissect(interface.link, frame) }
            }
        }
    }

    /// pcapng's former block of a packet: interface and drops of 16 bits each, the time in two halves, how much was
    /// captured, how much there was, and the frame.
    fn old_frame<'a>(&self, data: &'a [u8]) -> Frame<'a> {
        let short = |place: usize| {
            let bytes = *data.get(place..)?.first_chunk()?;
            Some(if self.is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
        };
        let long = |place: usize| {
            let bytes = *data.get(place..)?.first_chunk()?;
            Some(if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
        };
        let read = || {
            let units = u64::from(long(4)?) << 32 | u64::from(long(8)?);
            let frame = data.get(20..)?.get(..long(12)? as usize)?;
            Some(self.of_interface(usize::from(short(0)?), |_| units, frame))
        };
        read().unwrap_or(Frame { captured: None, content: Content::Skipped(Skipped::Cut) })
    }
}

impl Interface {
    /// So many units as nanoseconds since 1970, if they are.
    fn time(self, units: u64) -> Option<u64> {
        let [units, resolution, second] = [units, self.resolution, SECOND].map(i128::from);
        u64::try_from(units * second / resolution + i128::from(self.offset) * second).ok()
    }
}

/// The same input, the first read of which brings the whole header of the file: all that the parser looks at for what
/// kind of file it is.
fn primed<R: Read>(mut input: R) -> io::Result<impl Read> {
    const PCAP_HEADER: usize = 24;
    const LONGEST_HEADER: usize = 1 << 16;
    let mut start = Vec::new();
    let mut fill = |start: &mut Vec<u8>, length: usize| {
        let missing = length.saturating_sub(start.len()) as u64;
        input.by_ref().take(missing).read_to_end(start)
    };
    fill(&mut start, 12)?;
    let length = match *start.as_slice() {
        // The length stands before what tells its byte order.
        [_, _, _, _, a, b, c, d, 0x1a, ..] if start.starts_with(SECTION) => {
            u32::from_be_bytes([a, b, c, d]) as usize
        }
        [_, _, _, _, a, b, c, d, ..] if start.starts_with(SECTION) => {
            u32::from_le_bytes([a, b, c, d]) as usize
        }
        _ => PCAP_HEADER,
    };
    fill(&mut start, length.min(LONGEST_HEADER))?;
    Ok(Cursor::new(start).chain(input))
}

/// Why reading has failed: the parser tells only that it has.
#[derive(Clone, Default)]
struct Problem(Arc<Mutex<Option<io::Error>>>);

impl Problem {
    fn set(&self, problem: io::Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
    }

    fn text(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default()
    }

    fn is_cut(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// An input whose failures are noted. One that ends too early, as a packed file that is cut off, ends.
struct Noted<R> {
    input: R,
    problem: Problem,
}

impl<R: Read> Read for Noted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.read(buffer).or_else(|problem| match problem.kind() {
            io::ErrorKind::UnexpectedEof => {
                self.problem.set(problem);
                Ok(0)
            }
            kind => {
                self.problem.set(problem);
                Err(kind.into())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_of_any_resolution() {
        let time = |resolution, offset, units| Interface { link: 1, resolution, offset }.time(units);
        assert_eq!(time(1_000_000, 0, 1_700_000_000_123_456), Some(1_700_000_000_123_456_000));
        assert_eq!(time(SECOND, 0, 1_700_000_000_123_456_789), Some(1_700_000_000_123_456_789));
        assert_eq!(time(1 << 20, 1_700_000_000, 1 << 19), Some(1_700_000_000_500_000_000));
        assert_eq!(time(10, -1, 5), None);
        assert_eq!(time(1, i64::MAX, u64::MAX), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_file_ends(
            start in prop::sample::select(vec![
                &b""[..],
                b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x65\0\0\0",
                b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0\
                  \x01\0\0\0\x14\0\0\0\x65\0\0\0\0\0\0\0\x14\0\0\0",
                b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0\
                  \x02\0\0\0\x20\0\0\0",
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
