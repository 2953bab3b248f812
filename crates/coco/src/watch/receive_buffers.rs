//! The receive buffers of all lanes: how large they are, how full, and what found no room in them.

use std::net::UdpSocket;
use std::sync::Arc;
use std::{fmt, io};

use coco_daemon::counters::Snapshot;

use crate::counters;

/// Bytes that the kernel counts for a datagram of 1.2 to 1.45 KB, where a network card brings it or loopback.
const COUNTED: usize = 2304;

/// The receive buffers of listening sockets.
#[derive(Debug)]
pub struct ReceiveBuffers {
    /// The sockets, as `/proc/net/udp` names them.
    inodes: Vec<u64>,
    /// Size of each in bytes, as the kernel counts.
    size: u64,
}

impl ReceiveBuffers {
    /// Of sockets that were all asked for the same.
    pub fn of(sockets: &[Arc<UdpSocket>]) -> io::Result<Self> {
        let inodes = sockets.iter().map(|socket| coco_udp::inode(socket)).collect::<io::Result<_>>()?;
        let sizes = sockets.iter().map(|socket| coco_udp::receive_buffer(socket));
        let sizes = sizes.collect::<io::Result<Vec<_>>>()?;
        Ok(Self { inodes, size: 2 * sizes.into_iter().min().unwrap_or_default() as u64 })
    }

    /// Datagrams that found no room since the sockets were bound, be it by who has handed them over: what was lost while no
    /// process read them counts, too.
    pub fn drops(&self) -> io::Result<u64> {
        coco_udp::kernel_drops(&self.inodes)
    }

    /// Adds how large they are, and how full the fullest is at this moment.
    pub fn add_to(&self, snapshot: &mut Snapshot) {
        // Errors in reading are logged where drops are measured.
        let waiting = coco_udp::usage(&self.inodes).unwrap_or_default();
        snapshot.add(&counters::RECEIVE_BUFFER, &[], self.size);
        let fullest = waiting.iter().map(|usage| usage.waiting).max().unwrap_or_default();
        snapshot.add(&counters::RECEIVE_BUFFER_USED, &[], fullest);
    }
}

/// Datagrams that a receive buffer of a size holds, for an operator to compare with what comes.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// `listen.receive_buffer`.
    pub asked: usize,
    /// Bytes that the system gives without a privilege, if that can be told.
    pub limit: Option<usize>,
}

impl Capacity {
    /// On this machine.
    pub fn here(asked: usize) -> Self {
        let limit = std::fs::read_to_string("/proc/sys/net/core/rmem_max").ok();
        Self { asked, limit: limit.and_then(|limit| limit.trim().parse().ok()) }
    }
}

/// The kernel gives twice what it is asked for.
fn datagrams(bytes: usize) -> usize {
    bytes.saturating_mul(2) / COUNTED
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, limit } = *self;
        let held = datagrams(asked);
        write!(
            f,
            "listen.receive_buffer: {asked} bytes hold {held} datagrams of 1.2 KB, {:.3} s of 10,000 a second",
            held as f64 / 10_000.0
        )?;
        if let Some(limit) = limit.filter(|limit| *limit < asked) {
            let held = datagrams(limit);
            write!(f, " ({held} without CAP_NET_ADMIN, as net.core.rmem_max is {limit})")?;
        }
        let each = COUNTED / 2;
        write!(f, "; needed: datagrams a second x seconds of the longest pause x {each} bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_is_how_full_the_fullest_is_and_datagrams_take_what_is_reckoned_with() {
        let sockets = [(); 2].map(|()| Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap()));
        let buffers = ReceiveBuffers::of(&sockets).unwrap();
        let shown = || {
            let mut snapshot = Snapshot::new();
            buffers.add_to(&mut snapshot);
            let text = snapshot.prometheus();
            ["\ncoco_listen_receive_buffer_bytes ", "\ncoco_listen_receive_buffer_used_bytes "].map(|name| {
                let (_, rest) = text.split_once(name).unwrap();
                rest.lines().next().unwrap().parse::<usize>().unwrap()
            })
        };
        let size = 2 * coco_udp::receive_buffer(&sockets[0]).unwrap();
        assert_eq!(shown(), [size, 0]);
        let agent = UdpSocket::bind("127.0.0.1:0").unwrap();
        for (socket, length, in_fullest) in [(0, 1200, 10), (1, 1200, 10), (1, 1452, 20)] {
            let to = sockets[socket].local_addr().unwrap();
            (0..10).for_each(|_| assert_eq!(agent.send_to(&vec![0; length], to).unwrap(), length));
            assert_eq!(shown(), [size, in_fullest * COUNTED]);
        }
    }

    #[test]
    fn what_a_receive_buffer_holds_is_told_in_datagrams_and_seconds() {
        let shown = |limit| Capacity { asked: 16 << 20, limit }.to_string();
        let all = "listen.receive_buffer: 16777216 bytes hold 14563 datagrams of 1.2 KB, 1.456 s of 10,000 a second";
        let needed = "; needed: datagrams a second x seconds of the longest pause x 1152 bytes";
        assert_eq!(shown(Some(16 << 20)), format!("{all}{needed}"));
        assert_eq!(shown(None), format!("{all}{needed}"));
        let less = " (184 without CAP_NET_ADMIN, as net.core.rmem_max is 212992)";
        assert_eq!(shown(Some(212_992)), format!("{all}{less}{needed}"));
    }
}
