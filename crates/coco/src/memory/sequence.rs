//! The metrics of a host in the order in which they came the last time.

use super::metrics::{Expected, Metrics};
use super::names::Names;
use super::{HostId, Memory};

/// See the module: an agent sends what it sent the last time, and then nothing needs to be hashed.
pub struct Sequence<'m> {
    metrics: &'m mut Metrics,
    names: &'m Names,
}

impl Memory {
    /// That of a host, from the metric on that was seen last.
    #[inline]
    pub fn sequence(&mut self, host: HostId) -> Option<Sequence<'_>> {
        let Self { hosts, names, .. } = self;
        let metrics = &mut hosts.get_mut(host)?.as_mut()?.metrics;
        Some(Sequence { metrics, names })
    }
}

impl Sequence<'_> {
    /// Like [`Memory::see`], of the metric that followed the last time, if it has this name. The first `unchanged` parts, three
    /// at most, are those of the last one: they need not even be compared, since it is known how many the two have in common.
    /// `changed` are the others, from byte `start` on of the name, which has `length` bytes and a NUL between two parts.
    #[inline]
    pub fn see<'p>(
        &mut self,
        unchanged: usize,
        start: usize,
        changed: impl Iterator<Item = &'p [u8]>,
        length: usize,
        now: u32,
    ) -> Option<bool> {
        let Expected { name, alike } = self.metrics.expected()?;
        if unchanged > alike || !self.names.has(name, length, start, changed) {
            return None;
        }
        let rejected = self.metrics.get_mut(name)?.see(now);
        self.metrics.go_on(name);
        Some(rejected)
    }
}
