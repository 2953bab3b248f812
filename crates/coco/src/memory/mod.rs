//! The memory of a lane: its hosts, the shares that they are in, their metrics with the filter's verdict and when each
//! was last seen.
//!
//! The memory is bounded, whatever strangers send: what does not fit is decided anew each time and
//! remembered by no one. Forwarding never depends on it.

mod forget;
mod glance;
mod index;
mod marks;
mod metrics;
mod names;
mod places;
mod renew;
mod sequence;
#[cfg(test)]
mod tests;
mod view;

pub use glance::{Candidate, Glance};
pub use marks::Marks;
pub use names::{Joined, Name, NameId};
pub use renew::{Judge, Version};
pub use sequence::Sequence;
pub use view::{HostView, MetricView, Unread};

use std::hash::{BuildHasher, Hasher};
use std::mem::offset_of;

use coco_core::bytes::equal;
use coco_core::host::is_renamed;
use smallvec::SmallVec;

use crate::share::{Share, Shares};
use index::Index;
use metrics::{Cell, Expected, Metrics};
use names::Names;
use places::Places;

/// The number of a remembered host.
pub type HostId = u32;

/// The name of a host. Most lie in the record itself.
pub type HostName = SmallVec<[u8; 46]>;

/// What a look-up touches comes first: it lies in two neighbouring cache lines, up to the pointer to the metrics'
/// cells.
#[derive(Debug)]
#[repr(C, align(64))]
struct Host {
    name: HostName,
    shares: Shares,
    /// The version by which its shares and the verdicts on its metrics were decided.
    version: Version,
    /// Number of its metrics that the filter rejects.
    rejected: u16,
    /// By the version too, where they speak of its shares.
    marks: Marks,
    /// None of its metrics was seen before, as of the last [expiry](Memory::expire); 0 if there was none yet.
    oldest: u32,
    metrics: Metrics,
    hash: u64,
}

const _: () = assert!(offset_of!(Host, metrics) + Metrics::HOT <= 128 && size_of::<Option<Host>>() == 192);

/// The most metrics of one host that are remembered. A host is forgotten whole, so this bounds how long that holds up
/// the lane.
pub const MOST_METRICS: usize = 16_384;

const _: () = assert!(MOST_METRICS <= u16::MAX as usize, "the rejected ones are counted");

/// See the module.
#[derive(Debug)]
pub struct Memory {
    names: Names,
    hosts: Places<Option<Host>>,
    index: Index,
    hasher: foldhash::fast::RandomState,
    metrics: usize,
    /// Bytes that hosts hold beyond their records.
    held: usize,
    limit: usize,
    /// The version that decides now.
    version: Version,
    /// When a host was last seen.
    now: u32,
    /// When the last expiry began, and whether the clock had been set back then.
    expired: u32,
    is_clock_set_back: bool,
}

/// Bytes that the allocator takes for so many: jemalloc has four sizes from each power of two to the next.
fn chunk(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { bytes.next_multiple_of((bytes.next_power_of_two() / 8).max(16)) }
}

impl Memory {
    /// Nothing remembered yet, and never more than about `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            names: Names::default(),
            hosts: Places::default(),
            index: Index::default(),
            hasher: foldhash::fast::RandomState::default(),
            metrics: 0,
            held: 0,
            limit,
            version: Version::default(),
            now: 0,
            expired: 0,
            is_clock_set_back: false,
        }
    }

    /// Sets how many bytes it may take at most. What is there stays until it expires, but for a host that is in more
    /// shares after a reload and finds no room for them.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The hash of a host's name, or of a metric's [joined](Joined) one, seeded anew in every process.
    #[inline]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        // Without the length, which `hash_one` would mix in: who looks up compares what it finds.
        let mut hasher = self.hasher.build_hasher();
        match (bytes.first_chunk(), bytes.last_chunk()) {
            // Of most names these are all bytes, some of them twice, and are hashed without a call.
            (Some(&first), Some(&last)) if bytes.len() <= 2 * size_of::<u128>() => {
                hasher.write_u128(u128::from_ne_bytes(first));
                hasher.write_u128(u128::from_ne_bytes(last));
            }
            _ => hasher.write(bytes),
        }
        hasher.finish()
    }

    /// A host that is remembered, and was decided by the [adopted](Self::adopt) version: as the filter finds it.
    #[cfg(test)]
    pub fn find_host(&mut self, name: &[u8], now: u32) -> Option<HostId> {
        let hash = self.hash(name);
        let guessed = self.guess_host(hash, name.len()).and_then(|id| self.find_guessed(id, name, now));
        guessed.or_else(|| {
            self.id_of(hash, name)
                .filter(|&id| self.host(id).is_some_and(|host| host.version == self.version))
        })
    }

    /// The number of a host of this hash whose name has so many bytes, if it was decided by the adopted version: nearly
    /// always the one that is looked for, see [`find_guessed`](Self::find_guessed).
    #[inline]
    pub fn guess_host(&self, hash: u64, length: usize) -> Option<HostId> {
        let id = self.index.find(hash, |_| true)?;
        let host = self.host(id)?;
        (host.version == self.version && host.name.len() == length).then_some(id)
    }

    /// A host that was [guessed](Self::guess_host), if it is the one of this name.
    #[inline]
    pub fn find_guessed(&mut self, id: HostId, name: &[u8], now: u32) -> Option<HostId> {
        self.now = now;
        self.host(id).is_some_and(|host| equal(&host.name, name)).then_some(id)
    }

    #[inline]
    fn host(&self, id: HostId) -> Option<&Host> {
        self.hosts.get(id)?.as_ref()
    }

    #[inline]
    fn id_of(&self, hash: u64, name: &[u8]) -> Option<HostId> {
        let is = |&id: &HostId| self.host(id).is_some_and(|host| equal(&host.name, name));
        self.index.find(hash, is)
    }

    /// Remembers a host that is not remembered yet, with the shares that it is in by a judge. `None` if there is no room for it
    /// with a metric.
    pub fn add_host(
        &mut self,
        name: &[u8],
        shares: &[Share],
        judge: &impl Judge,
        now: u32,
    ) -> Option<HostId> {
        let hash = self.hash(name);
        let host = Host {
            name: name.into(),
            hash,
            shares: shares.into(),
            metrics: Metrics::default(),
            rejected: 0,
            marks: Marks::new(is_renamed(name), judge.is_unsettled(shares)),
            oldest: 0,
            version: self.version,
        };
        let tables = self.hosts.growth() + self.index.growth(hash) + self.names.most_growth(hash);
        self.reserve(tables + host.size() + Metrics::default().growth(0))?;
        self.now = now;
        let Self { hosts, index, held, .. } = self;
        *held += host.size();
        let id = hosts.put(Some(host));
        index.insert(hash, id, |&id| hash_of(hosts, id));
        Some(id)
    }

    /// The shares that a host is in, and its marks.
    #[inline]
    pub fn shares(&self, host: HostId) -> (&[Share], Marks) {
        self.host(host).map_or((&[], Marks::default()), |host| (&host.shares, host.marks))
    }

    /// The number of a metric's name, if any host has a metric of this name.
    #[inline]
    pub fn find_name(&self, hash: u64, parts: [&[u8]; 4]) -> Option<NameId> {
        self.names.find(hash, parts)
    }

    /// The same of a metric's name that is joined.
    #[inline]
    pub fn find_joined(&self, hash: u64, joined: &[u8]) -> Option<NameId> {
        self.names.find_joined(hash, joined)
    }

    /// Takes note that a host's metric of this name is seen now. Whether the filter rejects it, `None` if it is not
    /// remembered.
    #[inline]
    pub fn see(&mut self, host: HostId, name: NameId, now: u32) -> Option<bool> {
        let Host { metrics, .. } = self.hosts.get_mut(host)?.as_mut()?;
        Some(metrics.get_mut(name)?.see(now))
    }

    /// Like [`see`](Self::see), of a metric that was not [expected](Sequence::see), and will be the next time.
    #[inline]
    pub fn see_unexpected(&mut self, host: HostId, name: NameId, now: u32) -> Option<bool> {
        let rejected = self.see(host, name, now)?;
        self.learn_order(host, name);
        Some(rejected)
    }

    /// Takes note that a host's metric has come behind the last one of a run, and will again.
    pub fn learn_order(&mut self, host: HostId, name: NameId) {
        let Self { hosts, names, .. } = self;
        if let Some(Some(host)) = hosts.get_mut(host) {
            let alike = host.metrics.last().map_or(0, |last| names.alike(last, name));
            host.metrics.learn_order(Expected { name, alike });
        }
    }

    /// Remembers a metric that is not remembered yet, with the filter's verdict. `None` if there is no room, or if the
    /// host has [`MOST_METRICS`].
    pub fn add_metric(
        &mut self,
        host: HostId,
        hash: u64,
        parts: [&[u8]; 4],
        now: u32,
        rejected: bool,
    ) -> Option<NameId> {
        let of_host = self.host(host)?.metrics.len();
        if of_host >= MOST_METRICS {
            return None;
        }
        let known = self.names.find(hash, parts);
        let growth = match known {
            Some(name) => self.host(host)?.metrics.growth(name),
            // Not even as its own number is it known what it is added to.
            None => self.names.growth(hash, parts) + self.growth_of_new_name(host)?,
        };
        self.reserve(growth)?;
        let name = known.or_else(|| self.names.insert(hash, parts))?;
        let host = self.hosts.get_mut(host)?.as_mut()?;
        self.held -= host.metrics.size();
        host.metrics.insert(name, Cell::new(now, rejected));
        self.held += host.metrics.size();
        host.rejected += u16::from(rejected);
        self.names.reference(name);
        self.metrics += 1;
        Some(name)
    }

    /// Bytes that a host takes for a metric whose name has no number yet.
    fn growth_of_new_name(&mut self, host: HostId) -> Option<usize> {
        let next = self.names.next();
        Some(self.host(host)?.metrics.growth(next))
    }

    /// Whether so many bytes more may be taken.
    fn reserve(&self, bytes: usize) -> Option<()> {
        (self.used().saturating_add(bytes) <= self.limit).then_some(())
    }

    /// Number of hosts.
    pub fn hosts(&self) -> usize {
        self.index.len()
    }

    /// Number of metrics of all hosts together.
    pub fn metrics(&self) -> usize {
        self.metrics
    }

    /// Bytes that it takes: of what it has room for, not only of what is in it.
    pub fn used(&self) -> usize {
        self.hosts.size() + self.index.size() + self.names.size() + self.held
    }
}

fn hash_of(hosts: &Places<Option<Host>>, id: HostId) -> u64 {
    hosts.get(id).and_then(Option::as_ref).map_or(0, |host| host.hash)
}

impl Host {
    /// Bytes that it holds beyond its record.
    fn size(&self) -> usize {
        let name = if self.name.spilled() { chunk(self.name.capacity()) } else { 0 };
        name + self.size_of_shares() + self.metrics.size()
    }

    fn size_of_shares(&self) -> usize {
        size_of_shares(&self.shares)
    }
}

fn size_of_shares(shares: &Shares) -> usize {
    if shares.spilled() { chunk(shares.capacity() * size_of::<Share>()) } else { 0 }
}

/// Hosts and metrics that a reader visits before it lets the lane go on: well under a millisecond's work.
const VISITED_AT_ONCE: usize = 8192;
