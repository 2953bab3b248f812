//! Sending packets, many by one system call.

use std::io::IoSlice;
use std::iter::once;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, send, sendmmsg, setsockopt, sockopt};

use crate::segments::{MOST, Segments};

/// Sends batches of packets.
pub struct Transmitter {
    headers: MultiHeaders<()>,
    /// With room for the size of segments.
    segmented: MultiHeaders<()>,
}

impl Transmitter {
    /// Ready to send on any connected socket.
    pub fn new() -> Self {
        let headers = |control| MultiHeaders::preallocate(MOST, control);
        Self { headers: headers(None), segmented: headers(Some(cmsg_space!(u16))) }
    }

    /// Sends packets in order without waiting. Returns how many the kernel took: at least one, or the first one's
    /// error.
    ///
    /// Packets up to `largest_segment` bytes may leave as segments of one message. If [that is
    /// refused](refuses_segments), it may be tried again with 0: each by itself.
    pub fn send<'a>(
        &mut self,
        socket: &UdpSocket,
        packets: impl Iterator<Item = &'a [u8]>,
        largest_segment: usize,
    ) -> Result<usize, Errno> {
        let flags = MsgFlags::MSG_DONTWAIT;
        let mut packets = packets.peekable();
        let Some(first) = packets.next() else { return Ok(0) };
        if packets.peek().is_none() {
            // All that a target gets of a batch, where they are many: without what several packets need.
            return send(socket.as_raw_fd(), first, flags).map(|_| 1);
        }
        let segments = Segments::new(once(first).chain(packets), largest_segment);
        let mut messages: [&[IoSlice<'_>]; MOST] = [&[]; MOST];
        messages.iter_mut().zip(segments.messages()).for_each(|(slot, message)| *slot = message);
        let messages = &messages[..segments.messages().count()];
        let segment = segments.size();
        let control = segment.as_ref().map(ControlMessage::UdpGsoSegments);
        let headers = if segment.is_some() { &mut self.segmented } else { &mut self.headers };
        let addresses = [None; MOST];
        let sent = sendmmsg(socket.as_raw_fd(), headers, messages, addresses, control.as_slice(), flags)?;
        Ok(segments.packets(sent.count()))
    }
}

/// Whether the kernel knows of segments, as Linux does since 4.18. An older one would take no notice of their size, and
/// send all of a message as one datagram.
pub fn knows_segments(socket: &impl AsFd) -> bool {
    // 0 is what holds anyway: no message is cut up that does not say so itself.
    setsockopt(socket, sockopt::UdpGsoSegment, &0).is_ok()
}

/// Whether an error may mean that the kernel, or the way to a target, takes no segments: packets are larger than the
/// MTU of the way, its device computes no checksums, IPsec is on it.
pub fn refuses_segments(error: Errno) -> bool {
    matches!(error, Errno::EINVAL | Errno::EIO | Errno::EMSGSIZE | Errno::ENOPROTOOPT | Errno::EOPNOTSUPP)
}

impl Default for Transmitter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use coco_core::wire::padding;

    use super::*;
    use crate::{connect, receive_buffer};

    #[test]
    fn a_kernel_that_does_not_know_segments_is_told_from_one_that_does() {
        assert!(knows_segments(&UdpSocket::bind("127.0.0.1:0").unwrap()));
        // A socket of TCP does not know UDP_SEGMENT, as none of an older kernel does.
        assert!(!knows_segments(&TcpListener::bind("127.0.0.1:0").unwrap()));
    }

    #[test]
    fn packets_of_one_message_arrive_one_by_one() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(target) = UdpSocket::bind(address) else { continue };
            let socket = connect(target.local_addr().unwrap(), None).unwrap();
            let packets = [&[1; 1400][..], &[2; 1452], &[3; 1000], &[4; 1452], &[5; 9]];
            let mut transmitter = Transmitter::new();
            assert_eq!(transmitter.send(&socket, packets.into_iter(), 1452), Ok(5));
            let mut buffer = [0; 2000];
            for (packet, padded) in packets.into_iter().zip([52, 0, 0, 0, 0]) {
                let length = target.recv(&mut buffer).unwrap();
                assert_eq!(buffer[..length], [packet, padding(padded).unwrap()].concat());
            }
        }
    }

    #[test]
    fn a_socket_that_sends_hears_of_refusals_whatever_the_family_and_keeps_nothing_else() {
        for address in ["127.0.0.3:0", "[::1]:0"] {
            let deserted = UdpSocket::bind(address).unwrap().local_addr().unwrap();
            let socket = connect(deserted, None).unwrap();
            let mut transmitter = Transmitter::new();
            let mut send = || transmitter.send(&socket, [&b"x"[..]].into_iter(), 0);
            // On loopback the answer is there before the call returns.
            for _ in 0..1000 {
                assert_eq!((send(), send()), (Ok(1), Err(Errno::ECONNREFUSED)));
            }
            assert!(receive_buffer(&socket).unwrap() < 4096);
        }
    }
}
