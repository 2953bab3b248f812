//! Receiving collectd's packets, as Coco does.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use clap::{Args, value_parser};
use coco_core::address::Address;
use coco_core::wire::part::{LONGEST_NAME_MAX, NAME_MAX};
use coco_daemon::resolve::resolve;
use coco_udp::ListenOptions;

use crate::failure::Failure;

/// How long a name may take to resolve.
pub const RESOLVE_PATIENCE: Duration = Duration::from_secs(5);

/// Bytes that the kernel is asked to keep while this process is busy.
const RECEIVE_BUFFER: usize = 16 << 20;

/// The largest datagram.
const DATAGRAM: usize = 1 << 16;

/// How long the socket is still read after a stop, as by Coco itself: senders may go on for ever.
const DRAIN: Duration = Duration::from_millis(200);

/// How long names may be.
#[derive(Debug, Clone, Copy, Args)]
pub struct NameLength {
    /// Take names of up to so many bytes, as the `listen.max_name_length` of a Coco says
    #[arg(
        long,
        value_name = "N",
        default_value_t = NAME_MAX as u16 - 1,
        value_parser = value_parser!(u16).range(NAME_MAX as i64 - 1..=LONGEST_NAME_MAX as i64 - 1)
    )]
    max_name_length: u16,
}

impl NameLength {
    /// Bytes of the longest name, with its final NUL.
    pub fn name_max(self) -> usize {
        usize::from(self.max_name_length) + 1
    }
}

/// Listens; a group of multicast is joined. A receive waits for a tenth of a second at most.
pub async fn listen(address: &Address) -> Result<UdpSocket, Failure> {
    let failure = |source| Failure::Address { address: address.clone(), source };
    let bound = match address.is_all() {
        true => coco_udp::all_addresses(address.port()),
        false => resolve(address, RESOLVE_PATIENCE).await.map_err(failure)?[0],
    };
    let options =
        ListenOptions { receive_buffer: RECEIVE_BUFFER, shared: false, interface: None, freebind: false };
    coco_udp::listen(bound, options).map_err(failure)
}

/// A socket that sends to an address.
pub async fn connect(address: &Address) -> Result<UdpSocket, Failure> {
    let failure = |source| Failure::Address { address: address.clone(), source };
    let found = resolve(address, RESOLVE_PATIENCE).await.map_err(failure)?;
    coco_udp::connect(found[0], None).map_err(failure)
}

/// Takes what comes, and from whom. From `stop` on it takes what has arrived before: until nothing comes, or for a
/// fifth of a second.
pub fn until_stopped(
    socket: &UdpSocket,
    stop: &AtomicBool,
    mut take: impl FnMut(&[u8], SocketAddr),
) -> io::Result<()> {
    let mut buffer = vec![0; DATAGRAM];
    let mut stopped = None;
    loop {
        let is_empty = match socket.recv_from(&mut buffer) {
            Ok((length, source)) => {
                take(&buffer[..length], source);
                false
            }
            Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => true,
            Err(problem) if problem.kind() == io::ErrorKind::Interrupted => continue,
            Err(problem) => return Err(problem),
        };
        if stop.load(Relaxed) && (is_empty || stopped.get_or_insert_with(Instant::now).elapsed() >= DRAIN) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket that listens, and one that sends to it.
    fn pair() -> (UdpSocket, UdpSocket) {
        let [socket, sender] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        sender.connect(socket.local_addr().unwrap()).unwrap();
        (socket, sender)
    }

    #[test]
    fn what_has_arrived_before_the_stop_is_taken() {
        let (socket, sender) = pair();
        for _ in 0..3 {
            sender.send(b"x").unwrap();
        }
        let mut taken = 0;
        until_stopped(&socket, &AtomicBool::new(true), |datagram, source| {
            assert_eq!((datagram, source), (&b"x"[..], sender.local_addr().unwrap()));
            taken += 1;
        })
        .unwrap();
        assert_eq!(taken, 3);
    }

    #[test]
    fn a_sender_that_goes_on_does_not_keep_it_from_ending() {
        let (socket, sender) = pair();
        let stop = AtomicBool::new(false);
        sender.send(b"x").unwrap();
        until_stopped(&socket, &stop, |_, _| {
            stop.store(true, Relaxed);
            sender.send(b"x").unwrap();
        })
        .unwrap();
        assert!(stop.into_inner());
    }
}
