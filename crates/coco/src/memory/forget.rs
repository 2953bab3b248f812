//! Forgetting: what has been silent for too long, and hosts without metrics.

use super::{Host, HostId, Memory, VISITED_AT_ONCE, hash_of};

impl Memory {
    /// Forgets a host that has no metric: one without would take room, and be in no table.
    pub fn forget_if_bare(&mut self, host: HostId) {
        if self.host(host).is_some_and(|host| host.metrics.len() == 0) {
            self.forget(host);
        }
    }

    /// Forgets what has been silent for more than `silence` seconds at `now` among some of the hosts, from number `from`
    /// on, and gives back memory. What was seen in what is the future now, since the clock was set back, is silent from
    /// now on.
    ///
    /// Returns where to go on, `None` at the end: a caller that shares the lock goes on in a later turn.
    pub fn expire(&mut self, from: HostId, now: u32, silence: u32) -> Option<HostId> {
        self.now = now;
        if from == 0 {
            self.is_clock_set_back = now < self.expired;
            self.expired = now;
        }
        let mut visited = 0;
        for id in from..self.hosts.len() as HostId {
            if visited >= VISITED_AT_ONCE {
                return Some(id);
            }
            visited += 1;
            let Some(host) = self.host(id) else { continue };
            if !self.is_clock_set_back && host.has_none_silent(now, silence) {
                continue;
            }
            visited += host.metrics.len();
            if self.forget_metrics(id, now, silence) == 0 {
                self.forget(id);
            }
        }
        let more_hosts = self.hosts.give_back();
        let more_names = self.names.give_back();
        (more_hosts || more_names).then_some(HostId::MAX)
    }

    /// Forgets those of a host's metrics that have been silent for too long. Returns how many stay.
    fn forget_metrics(&mut self, id: HostId, now: u32, silence: u32) -> usize {
        let Self { hosts, names, metrics, held, .. } = self;
        let Some(Some(host)) = hosts.get_mut(id) else { return 0 };
        *held -= host.metrics.size();
        host.oldest = now;
        host.metrics.retain(|name, cell| {
            cell.settle(now);
            let stays = cell.silence(now) <= silence;
            if !stays {
                names.release(name);
                *metrics -= 1;
                host.rejected -= u16::from(cell.rejected());
            } else {
                host.oldest = host.oldest.min(cell.seen(now));
            }
            stays
        });
        *held += host.metrics.size();
        host.metrics.len()
    }

    /// Forgets a host with all its metrics.
    pub(super) fn forget(&mut self, id: HostId) {
        let Self { names, hosts, index, metrics, held, .. } = self;
        let Some(host) = hosts.get_mut(id).and_then(Option::take) else { return };
        host.metrics.iter().for_each(|(name, _)| names.release(name));
        *metrics -= host.metrics.len();
        hosts.release(id);
        index.remove(host.hash, id, |&id| hash_of(hosts, id));
        *held -= host.size();
    }
}

impl Host {
    /// Whether none of its metrics can have been silent for more than `silence` seconds, as far as the last look at each
    /// of them says: they are seen later from then on, never earlier.
    fn has_none_silent(&self, now: u32, silence: u32) -> bool {
        self.metrics.len() > 0 && self.oldest <= now && now - self.oldest <= silence
    }
}
