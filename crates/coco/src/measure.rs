//! What is measured from time to time: how hosts and metrics spread over the targets, and what the kernel dropped.

use crate::counters::Count;
use crate::lane::Lane;
use crate::outlets::Outlets;
use crate::routes::{Detail, HostExcerpt};
use crate::summary::Summary;
use coco_daemon::logging::Throttle;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tracing::warn;

/// The result of the last measurement.
#[derive(Clone, Debug, Default)]
pub struct Measurement {
    /// Of each outlet's hosts.
    pub outlets: Vec<Summary>,
    /// Of each tier's hosts.
    pub tiers: Vec<Summary>,
    /// Datagrams that the kernel dropped on our sockets since they were bound.
    pub kernel_drops: u64,
    /// Value lists of metrics that there was no room to remember, until then.
    unremembered: u64,
}

/// Measures the lanes of a coco.
pub struct Measure {
    lanes: Arc<[Arc<Lane>]>,
    outlets: Arc<Outlets>,
    /// The listening sockets, as `/proc/net/udp` names them.
    inodes: Vec<u64>,
    /// After how many seconds a silent host or metric is forgotten.
    expire: u32,
    last: Mutex<Arc<Measurement>>,
    complaints: Mutex<Complaints>,
}

#[derive(Default)]
struct Complaints {
    drops: Throttle,
    memory: Throttle,
}

impl Measure {
    /// Nothing measured yet: all zeros.
    pub fn new(lanes: Arc<[Arc<Lane>]>, outlets: Arc<Outlets>, inodes: Vec<u64>, expire: Duration) -> Self {
        let none = Measurement {
            outlets: vec![Summary::default(); outlets.iter().len()],
            tiers: vec![Summary::default(); outlets.tiers()],
            kernel_drops: 0,
            unremembered: 0,
        };
        let expire = u32::try_from(expire.as_secs()).unwrap_or(u32::MAX);
        Self {
            lanes,
            outlets,
            inodes,
            expire,
            last: Mutex::new(Arc::new(none)),
            complaints: Mutex::default(),
        }
    }

    /// The last measurement.
    pub fn last(&self) -> Arc<Measurement> {
        Arc::clone(&self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Measures every `interval` until the other side of `until` is dropped.
    pub fn run(&self, interval: Duration, until: &Receiver<()>) {
        while until.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as u32);
            self.measure(now);
        }
    }

    /// Measures, and forgets who has been silent for too long at `now` (Unix seconds).
    pub fn measure(&self, now: u32) {
        let forget_before = now.saturating_sub(self.expire);
        for lane in self.lanes.iter() {
            let mut next = Some(0);
            while let Some(from) = next {
                next = lane.routes().expire(from, forget_before);
            }
        }
        let kernel_drops = kernel_drops(&self.inodes).unwrap_or_else(|problem| {
            warn!(%problem, "cannot read what the kernel dropped");
            self.last().kernel_drops
        });
        let (outlets, tiers) = self.spread();
        let unremembered = self.lanes.iter().map(|lane| lane.counts.get(Count::Unremembered)).sum();
        let measurement = Measurement { outlets, tiers, kernel_drops, unremembered };
        self.complain(&measurement);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(measurement);
    }

    /// Logs what an operator should do something about, not more than once a minute each.
    fn complain(&self, new: &Measurement) {
        let last = self.last();
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = new.kernel_drops - last.kernel_drops;
        if dropped > 0 && complaints.drops.pass(Instant::now()).is_some() {
            warn!(
                dropped,
                "the kernel dropped datagrams: listen.receive_buffer is too small, or one lane too few"
            );
        }
        if new.unremembered > last.unremembered && complaints.memory.pass(Instant::now()).is_some() {
            warn!("state.max_memory is used up: new hosts or metrics are forwarded, but in no table");
        }
    }

    fn spread(&self) -> (Vec<Summary>, Vec<Summary>) {
        let mut sizes: Vec<Vec<u32>> = vec![Vec::new(); self.outlets.iter().len()];
        let hosts = merged(&self.lanes, Detail::Counts);
        for host in hosts.iter().filter(|host| host.accepted > 0) {
            for (partition, &owner) in host.owners.iter().enumerate() {
                let partitions = self.outlets.partitions();
                for &outlet in partitions.outlets(partitions.share(partition, owner)) {
                    sizes[outlet].push(host.accepted);
                }
            }
        }
        let tiers = (0..self.outlets.tiers()).map(|tier| {
            let first = self.outlets.index(tier, 0);
            Summary::of(&mut sizes[first..first + self.outlets.of_tier(tier).len()].concat())
        });
        let tiers = tiers.collect();
        (sizes.iter_mut().map(|sizes| Summary::of(sizes)).collect(), tiers)
    }
}

/// The hosts of all lanes, each once.
///
/// A host that several lanes have seen (its agent was started anew, say) has the metrics of all of them, each
/// last seen at the latest time: a union in which the last write wins.
pub fn merged(lanes: &[Arc<Lane>], detail: Detail) -> Vec<HostExcerpt> {
    let mut hosts = Vec::new();
    for lane in lanes {
        let mut next = Some(0);
        while let Some(from) = next {
            next = lane.routes().excerpt(from, detail, &mut hosts);
        }
    }
    if lanes.len() == 1 {
        return hosts;
    }
    let mut index: HashMap<Arc<[u8]>, usize> = HashMap::new();
    let mut unique: Vec<HostExcerpt> = Vec::with_capacity(hosts.len());
    for host in hosts {
        match index.entry(Arc::clone(&host.name)) {
            Entry::Vacant(vacant) => {
                vacant.insert(unique.len());
                unique.push(host);
            }
            Entry::Occupied(occupied) => {
                let known = &mut unique[*occupied.get()];
                *known = match detail {
                    Detail::Metrics => known.union(&host),
                    Detail::Counts => union_of_lanes(lanes, &host.name).unwrap_or(host),
                };
            }
        }
    }
    unique
}

/// One host with the metrics of all lanes.
fn union_of_lanes(lanes: &[Arc<Lane>], name: &[u8]) -> Option<HostExcerpt> {
    let seen = lanes.iter().filter_map(|lane| lane.routes().excerpt_of(name));
    seen.reduce(|one, other| one.union(&other))
}

/// Sums up the last column of `/proc/net/udp` and `/proc/net/udp6` (proc(5)) over these sockets.
pub fn kernel_drops(inodes: &[u64]) -> std::io::Result<u64> {
    let mut drops = 0;
    for path in ["/proc/net/udp", "/proc/net/udp6"] {
        match std::fs::read_to_string(path) {
            Ok(table) => drops += drops_in(&table, inodes),
            // IPv6 may be off.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(drops)
}

fn drops_in(table: &str, inodes: &[u64]) -> u64 {
    let of_row = |row: &str| {
        let mut columns = row.split_ascii_whitespace();
        let inode = columns.nth(9)?.parse().ok()?;
        let drops: u64 = columns.last()?.parse().ok()?;
        inodes.contains(&inode).then_some(drops)
    };
    table.lines().skip(1).filter_map(of_row).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_those_of_our_sockets() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
             100: 0100007F:64E2 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5001 2 0000000000000000 17\n\
             101: 0100007F:64E3 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5002 2 0000000000000000 4\n";
        assert_eq!(drops_in(table, &[5001]), 17);
        assert_eq!(drops_in(table, &[5001, 5002]), 21);
        assert_eq!(drops_in(table, &[100]), 0);
    }
}
