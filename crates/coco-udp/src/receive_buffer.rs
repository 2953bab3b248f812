//! The receive buffers of sockets: how large they are, how full, and how many datagrams found no room in them. The only
//! place that reads `/proc/net/udp` (proc(5)).

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use nix::sys::socket::{getsockopt, sockopt};

/// Bytes that the kernel keeps for a socket, by its own accounting (half of what it reports, socket(7)).
pub fn receive_buffer(socket: &UdpSocket) -> io::Result<usize> {
    Ok(getsockopt(socket, sockopt::RcvBuf)? / 2)
}

/// The socket's inode, by which `/proc/net/udp` names it.
pub fn inode(socket: &UdpSocket) -> io::Result<u64> {
    Ok(std::fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd()))?.ino())
}

/// Sums up what the kernel dropped at these sockets.
pub fn kernel_drops(inodes: &[u64]) -> io::Result<u64> {
    Ok(usage(inodes)?.iter().map(|row| row.drops).sum())
}

/// The fill of a socket's receive buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes that wait to be read, as it counts.
    pub waiting: u64,
    /// Datagrams that found no room.
    pub drops: u64,
}

/// The rows of `/proc/net/udp` and `/proc/net/udp6` (proc(5)) of these sockets.
pub fn usage(inodes: &[u64]) -> io::Result<Vec<Usage>> {
    let mut rows = Vec::new();
    for path in ["/proc/net/udp", "/proc/net/udp6"] {
        match std::fs::read_to_string(path) {
            Ok(table) => rows.extend(rows_in(&table, inodes)),
            // IPv6 may be off.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(rows)
}

fn rows_in(table: &str, inodes: &[u64]) -> impl Iterator<Item = Usage> {
    let of_row = |row: &str| {
        let mut columns = row.split_ascii_whitespace();
        let (_, waiting) = columns.nth(4)?.split_once(':')?;
        let inode = columns.nth(4)?.parse().ok()?;
        let drops = columns.last()?.parse().ok()?;
        let usage = Usage { waiting: u64::from_str_radix(waiting, 16).ok()?, drops };
        inodes.contains(&inode).then_some(usage)
    };
    table.lines().skip(1).filter_map(of_row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_our_sockets() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
             100: 0100007F:64E2 00000000:0000 07 00000000:00000900 00:00000000 00000000     0        0 5001 2 0000000000000000 17\n\
             101: 0100007F:64E3 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5002 2 0000000000000000 4\n";
        let rows = |inodes: &[u64]| rows_in(table, inodes).collect::<Vec<_>>();
        let [first, second] = [Usage { waiting: 2304, drops: 17 }, Usage { waiting: 0, drops: 4 }];
        assert_eq!(rows(&[5001]), [first]);
        assert_eq!(rows(&[5001, 5002]), [first, second]);
        assert_eq!(rows(&[100]), []);
    }
}
