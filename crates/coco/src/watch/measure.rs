//! Measuring from time to time: how hosts and metrics spread over the targets, and datagrams that the kernel dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use coco_core::placement::migration::Stage;
use coco_core::tier::{TargetId, Tier};
use coco_daemon::logging::Throttle;
use coco_daemon::status::History;
use coco_daemon::status::history::APART;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use tracing::warn;

use super::reading::count_accepted;
use super::receive_buffers::ReceiveBuffers;
use super::recent;
use super::search::count_silent;
use super::summary::{Sizes, Summary};
use crate::counters::Count;
use crate::lane::{Clock, Lane};
use crate::memory::MOST_METRICS;
use crate::outlets::Outlet;
use crate::plan::{Newest, Routing, Rules};

/// The result of the last measurement.
#[derive(Debug, Clone, Default)]
pub struct Measurement {
    /// Of the hosts of each target, by the names of its tier and its own.
    outlets: HashMap<(Arc<str>, Arc<str>), OfTarget>,
    /// Of each tier's hosts, by its name.
    tiers: HashMap<Arc<str>, Summary>,
    /// By the name of a tier, its hosts on their way to other targets.
    moving: HashMap<Arc<str>, HostsMoving>,
    /// Datagrams that the kernel dropped on our sockets since they were bound.
    pub kernel_drops: u64,
    /// Hosts that had been silent for `SILENCE` seconds.
    pub silent_hosts: u64,
    /// When remembering began, in Unix seconds.
    pub since: u64,
    /// Value lists of metrics that there was no room to remember, until then.
    unremembered: u64,
}

/// The hosts of one target, as measured.
#[derive(Debug, Clone, Copy, Default)]
pub struct OfTarget {
    /// Of all hosts that lie there.
    pub hosts: Summary,
    /// Number of hosts that it is the first owner of; of the others it has a further copy.
    pub first: u64,
}

impl Measurement {
    /// Of the hosts of a target; all zeros if it is new.
    pub fn of_outlet(&self, outlet: &Outlet) -> OfTarget {
        let key = (Arc::clone(&outlet.tier), Arc::clone(&outlet.target));
        self.outlets.get(&key).copied().unwrap_or_default()
    }

    /// Of the hosts of a tier; all zeros if it is new.
    pub fn of_tier(&self, tier: &str) -> Summary {
        self.tiers.get(tier).copied().unwrap_or_default()
    }

    /// The hosts of a tier that are on their way to other targets; all zeros if it is new.
    pub fn moving_in(&self, tier: &str) -> HostsMoving {
        self.moving.get(tier).copied().unwrap_or_default()
    }
}

/// Numbers of hosts of a tier that are on their way to other targets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostsMoving {
    /// Those whose former and new owners differ.
    pub moving: u64,
    /// Those of them that are written to both.
    pub both: u64,
    /// Those of them that are written to the new owners alone.
    pub new: u64,
}

impl HostsMoving {
    fn add(&mut self, tier: &Tier, host: &[u8]) {
        let Some(migration) = tier.placement().migration() else { return };
        let stage = migration.of(host).stage;
        self.moving += u64::from(stage != Stage::Settled);
        self.both += u64::from(stage == Stage::Both);
        self.new += u64::from(stage == Stage::New);
    }
}

/// Seconds after which a host counts as silent: several of collectd's usual intervals.
const SILENCE: u32 = 300;

/// Times that measuring goes by.
#[derive(Debug, Clone, Copy)]
pub struct Intervals {
    /// Between two measurements.
    pub interval: Duration,
    /// After how long a silent host or metric is forgotten.
    pub expire: Duration,
}

/// Measures the lanes of a coco.
pub struct Measure {
    lanes: Arc<[Arc<Lane>]>,
    routing: Arc<Newest>,
    buffers: Arc<ReceiveBuffers>,
    clock: Clock,
    last: Mutex<Arc<Measurement>>,
    history: History,
    complaints: Mutex<Throttles>,
}

/// Summaries by target and by tier, and where the hosts of each tier are.
type Summaries =
    (HashMap<(Arc<str>, Arc<str>), OfTarget>, HashMap<Arc<str>, Summary>, HashMap<Arc<str>, HostsMoving>);

#[derive(Default)]
struct Throttles {
    drops: Throttle,
    /// Of the kernel's sockets.
    table: Throttle,
    memory: Throttle,
}

impl Measure {
    /// Nothing measured yet: all zeros.
    pub fn new(
        lanes: Arc<[Arc<Lane>]>,
        routing: Arc<Newest>,
        buffers: Arc<ReceiveBuffers>,
        clock: Clock,
    ) -> Self {
        let since = clock().into();
        let last = Mutex::new(Arc::new(Measurement { since, ..Measurement::default() }));
        let history = History::default();
        Self { lanes, routing, buffers, clock, last, history, complaints: Mutex::default() }
    }

    /// The last minutes of a few counters, by their [names](super::recent).
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The last measurement.
    pub fn last(&self) -> Arc<Measurement> {
        Arc::clone(&self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Measures from time to time until the other side of `intervals` is dropped, and at once when new ones come.
    pub fn run(&self, intervals: Intervals, news: &Receiver<Intervals>) {
        let sample = || {
            let recent = || recent::counters(&self.lanes, &self.routing.load(), self.last().kernel_drops);
            self.history.sample(Instant::now(), recent);
        };
        at_times(intervals, news, |intervals| self.measure((self.clock)(), intervals.expire), sample);
    }

    /// Measures, and forgets who has been silent for longer than `expire` at `now` (Unix seconds).
    pub fn measure(&self, now: u32, expire: Duration) {
        let expire = u32::try_from(expire.as_secs()).unwrap_or(u32::MAX);
        for lane in self.lanes.iter() {
            lane.measure(|memory, from| memory.expire(from, now, expire));
        }
        self.renew();
        let kernel_drops = self.buffers.drops().unwrap_or_else(|problem| {
            let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(suppressed) = complaints.table.pass(Instant::now()) {
                warn!(%problem, suppressed, "cannot read what the kernel dropped");
            }
            self.last().kernel_drops
        });
        let (outlets, tiers, moving) = self.summaries();
        let unremembered = self.lanes.iter().map(|lane| lane.counts.get(Count::Unremembered)).sum();
        let silent_hosts = count_silent(&self.lanes, Rules::new(self.routing.load_full()), now, SILENCE);
        let since = self.last().since;
        let measurement =
            Measurement { outlets, tiers, moving, kernel_drops, silent_hosts, since, unremembered };
        self.complain(&measurement);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(measurement);
    }

    /// Logs what an operator should do something about, not more than once a minute each.
    fn complain(&self, new: &Measurement) {
        let last = self.last();
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        // The kernel counts in 32 bits.
        let dropped = new.kernel_drops.saturating_sub(last.kernel_drops);
        if dropped > 0 && complaints.drops.pass(Instant::now()).is_some() {
            warn!(
                dropped,
                "the kernel dropped datagrams: listen.receive_buffer is too small, or one lane too few"
            );
        }
        if new.unremembered > last.unremembered && complaints.memory.pass(Instant::now()).is_some() {
            warn!(
                "state.max_memory is used up, or a host has more than {MOST_METRICS} metrics: \
                 new ones are forwarded, but in no table"
            );
        }
    }

    /// Has what the lanes remember decided by the newest routing, also of hosts that are silent.
    fn renew(&self) {
        for lane in self.lanes.iter() {
            let mut rules = Rules::new(self.routing.load_full());
            lane.measure(|memory, from| {
                // Behind the lock: the filter can't have decided by a newer one.
                let newest = self.routing.load();
                if !Arc::ptr_eq(&newest, rules.routing()) {
                    rules = Rules::new(Arc::clone(&newest));
                }
                memory.renew_some(from, &mut rules)
            });
        }
    }

    fn summaries(&self) -> Summaries {
        let routing = self.routing.load_full();
        let Routing { tiers, partitions, outlets, .. } = &*routing;
        // A tier has each of its hosts once, however many copies there are.
        let mut all = vec![Sizes::default(); outlets.iter().len()];
        let mut first = all.clone();
        let mut moving = vec![HostsMoving::default(); tiers.len()];
        count_accepted(&self.lanes, Rules::new(Arc::clone(&routing)), |host, shares, accepted| {
            if accepted == 0 {
                return;
            }
            if partitions.is_moving() {
                moving.iter_mut().zip(tiers.iter()).for_each(|(moving, tier)| moving.add(tier, host));
            }
            for (share, is_first) in partitions.with_first(shares) {
                for &outlet in partitions.outlets(share) {
                    all[outlet.number()].add(accepted);
                    if is_first {
                        first[outlet.number()].add(accepted);
                    }
                }
            }
        });
        let of_tiers = tiers.numbered().map(|(id, tier)| {
            let start = outlets.id(id, TargetId::new(0)).number();
            let mut of_tier = Sizes::default();
            first[start..start + tier.targets().len()].iter().for_each(|sizes| of_tier.add_all(sizes));
            (tier.name().into(), Summary::of(&of_tier))
        });
        let of_tiers = of_tiers.collect();
        let of_outlets = outlets.iter().zip(all.iter().zip(&first)).map(|(outlet, (all, first))| {
            let key = (Arc::clone(&outlet.tier), Arc::clone(&outlet.target));
            (key, OfTarget { hosts: Summary::of(all), first: Summary::of(first).length })
        });
        let moving = tiers.iter().zip(moving).map(|(tier, moving)| (tier.name().into(), moving));
        (of_outlets.collect(), of_tiers, moving.collect())
    }
}

/// Measures by `intervals`, and at once by the last of those that have come meanwhile. Samples are taken besides, as
/// often as they are kept.
fn at_times(
    mut intervals: Intervals,
    news: &Receiver<Intervals>,
    mut measure: impl FnMut(Intervals),
    mut sample: impl FnMut(),
) {
    loop {
        // None in the lifetime of any process.
        let due = Instant::now().checked_add(intervals.interval);
        loop {
            sample();
            let left = due.map_or(APART, |due| due.saturating_duration_since(Instant::now()));
            match news.recv_timeout(left.min(APART)) {
                Ok(new) => {
                    intervals = news.try_iter().last().unwrap_or(new);
                    break;
                }
                Err(RecvTimeoutError::Timeout) if left > APART || due.is_none() => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        measure(intervals);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_terms_that_come_while_it_measures_only_the_last_count() {
        let (send, news) = crossbeam_channel::unbounded();
        let intervals = |seconds| Intervals { interval: Duration::MAX, expire: Duration::from_secs(seconds) };
        let mut sender = Some(send);
        let mut measured = Vec::new();
        sender.iter().for_each(|send| (1..=3).for_each(|seconds| send.send(intervals(seconds)).unwrap()));
        let by_the_last = |by: Intervals| {
            measured.push(by.expire.as_secs());
            // A storm of reloads, of which the first is the last to be measured by.
            if let Some(send) = sender.take() {
                (4..=200).for_each(|seconds| send.send(intervals(seconds)).unwrap());
            }
        };
        at_times(intervals(0), &news, by_the_last, || {});
        assert_eq!(measured, [3, 200]);
    }
}
