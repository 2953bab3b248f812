//! The second stage: says of every value list whether it is sent, and to whom.

use std::sync::Arc;

use arc_swap::Cache;
use coco_core::host::is_renamed;
use coco_core::wire::Span;

use super::run::{Look, Probe, Run};
use super::tally::Tally;
use crate::batch::{Batch, Item, Stretch, Verdict};
use crate::counters::Count;
use crate::lane::Lane;
use crate::memory::{Joined, Judge, Marks, Memory};
use crate::plan::{Newest, Routing, Rules};
use crate::share::ShareLists;

/// Decides by the newest routing, batch by batch.
pub struct Filter {
    newest: Cache<Arc<Newest>, Arc<Routing>>,
    rules: Rules,
    /// The value lists of the stretch at hand that are still to be looked up; kept for its memory.
    probes: Vec<Probe>,
    /// The runs of the stretch at hand; kept for its memory.
    runs: Vec<Run>,
    /// The name at hand; kept for its memory.
    joined: Joined,
}

/// A batch whose value lists have their verdicts.
pub struct Decided {
    /// The batch, which travels on.
    pub batch: Batch,
    /// The routing that its shares were decided by, by which it is to be packed and sent.
    pub routing: Arc<Routing>,
}

impl Filter {
    /// Decides by whatever `newest` holds when a batch comes.
    pub fn new(newest: Arc<Newest>) -> Self {
        let rules = Rules::new(newest.load_full());
        let (newest, joined) = (Cache::new(newest), Joined::default());
        Self { newest, rules, probes: Vec::new(), runs: Vec::new(), joined }
    }

    /// Goes over to the newest routing, and lets the last one go.
    pub fn catch_up(&mut self) {
        let newest = self.newest.load();
        if !Arc::ptr_eq(newest, self.rules.routing()) {
            self.rules = Rules::new(Arc::clone(newest));
        }
    }

    /// The routing that it decided by last.
    pub fn routing(&self) -> &Arc<Routing> {
        self.rules.routing()
    }

    /// Gives every pending value list of a batch its verdict, and every notification the shares of its host.
    pub fn decide(&mut self, batch: &mut Batch, lane: &Lane) {
        let now = batch.received;
        let mut memory = lane.memory();
        #[cfg(test)]
        crate::lane::faults::provoke("filter", batch);
        // Behind the lock: nobody can have decided by a newer one meanwhile.
        self.catch_up();
        memory.adopt(self.rules.version());
        let mut tally = Tally::default();
        let (stretches, shares) = batch.deciding();
        for mut stretch in stretches {
            let unremembered = tally.unremembered;
            self.divide(&stretch, &memory);
            self.guess_hosts(&memory);
            self.find_hosts(&stretch, &mut memory, shares, now, &mut tally);
            self.find_names(&mut stretch, &mut memory, now, &mut tally);
            self.find_metrics(stretch.items, &mut memory, now, &mut tally);
            self.learn(&mut stretch, &mut memory, now, &mut tally);
            if !tally.marks.is_empty() {
                self.count_marked(stretch.items, shares, &mut tally);
            }
            if tally.unremembered > unremembered {
                self.forget_bare_hosts(&mut memory);
            }
        }
        drop(memory);
        self.route_notifications(batch);
        lane.counts.add(Count::Unremembered, tally.unremembered);
        lane.counts.add(Count::RenamedHosts, tally.renamed);
        self.count(lane, &tally);
    }

    /// Divides the pending value lists of each datagram into runs.
    #[inline(never)]
    fn divide(&mut self, stretch: &Stretch<'_>, memory: &Memory) {
        self.runs.clear();
        for (bytes, of_datagram) in stretch.datagrams() {
            let items = &stretch.items[of_datagram.start as usize..of_datagram.end as usize];
            let pending =
                (of_datagram.start..).zip(items).filter(|(_, item)| item.verdict == Verdict::Pending);
            let mut hosts = pending.map(|(index, item)| (index, item.spans.identifier.host));
            let Some((index, name)) = hosts.next() else { continue };
            let begin = |index, name: Span| Run::new(index, name, memory.hash(name.of(bytes)));
            let mut run = begin(index, name);
            for (index, name) in hosts {
                if name == run.name {
                    run.items.end = index + 1;
                } else {
                    self.runs.push(std::mem::replace(&mut run, begin(index, name)));
                }
            }
            self.runs.push(run);
        }
    }

    /// Looks where the hosts of runs seem to be.
    ///
    /// A loop of its own, as is [`find_metrics`](Self::find_metrics), and short: with many hosts nearly every look-up
    /// waits for memory, and the processor overlaps the waits of those that it can see at the same time.
    #[inline(never)]
    fn guess_hosts(&mut self, memory: &Memory) {
        for run in &mut self.runs {
            run.host = memory.guess_host(run.hash, run.name.length());
        }
    }

    /// Finds the hosts of runs, most of which are those that were guessed, and adds their shares.
    #[inline(never)]
    fn find_hosts(
        &mut self,
        stretch: &Stretch<'_>,
        memory: &mut Memory,
        shares: &mut ShareLists,
        now: u32,
        tally: &mut Tally,
    ) {
        let Self { runs, rules, .. } = self;
        let mut runs = runs.iter_mut().peekable();
        for (bytes, of_datagram) in stretch.datagrams() {
            while let Some(run) = runs.next_if(|run| run.items.start < of_datagram.end) {
                let name = run.name.of(bytes);
                match run.host.and_then(|host| memory.find_guessed(host, name, now)) {
                    Some(host) => run.take(host, memory, shares),
                    None => remember_host(run, name, memory, rules, shares, now),
                }
                tally.marks |= run.marks;
            }
        }
    }

    /// Finds the metrics of runs, most of which stand where they stood the last time. Of those that stand alone it
    /// finds the names, in a table that is mostly in the cache.
    #[inline(never)]
    fn find_names(&mut self, stretch: &mut Stretch<'_>, memory: &mut Memory, now: u32, tally: &mut Tally) {
        let Self { runs, probes, joined, .. } = self;
        let mut runs = runs.iter().peekable();
        for (bytes, of_datagram) in stretch.datagrams() {
            let look = &mut Look { bytes, memory, joined, now };
            while let Some(run) = runs.next_if(|run| run.items.start < of_datagram.end) {
                let of_run = &mut stretch.items[run.items.start as usize..run.items.end as usize];
                if let [alone] = of_run {
                    let probe = look.probe(run, run.items.start, &alone.spans.identifier);
                    probes.push(Probe { alone: true, ..probe });
                } else {
                    run.find(of_run, look, probes, tally);
                }
            }
            #[cfg(test)]
            crate::lane::faults::provoke_by("look-up", bytes);
        }
    }

    /// Looks up the metrics that stand alone.
    #[inline(never)]
    fn find_metrics(&mut self, items: &mut [Item], memory: &mut Memory, now: u32, tally: &mut Tally) {
        let mut unknown = 0;
        for index in 0..self.probes.len() {
            let probe = self.probes[index];
            let known = probe.host.zip(probe.name).and_then(|(host, name)| memory.see(host, name, now));
            match known {
                Some(rejected) => {
                    items[probe.item as usize].verdict = tally.verdict(rejected, probe.shares);
                }
                None => {
                    self.probes[unknown] = probe;
                    unknown += 1;
                }
            }
        }
        self.probes.truncate(unknown);
    }

    /// Decides on the metrics that are not remembered, and remembers them if there is room.
    fn learn(&mut self, stretch: &mut Stretch<'_>, memory: &mut Memory, now: u32, tally: &mut Tally) {
        let mut probes = std::mem::take(&mut self.probes);
        for probe in probes.drain(..) {
            let bytes = stretch.bytes_of(probe.item);
            let item = &mut stretch.items[probe.item as usize];
            let identifier = item.spans.identifier.of(bytes);
            let parts = identifier.metric_parts();
            // The same metric may stand there before.
            let name = memory.find_name(probe.hash, parts);
            let known = probe.host.zip(name).and_then(|(host, name)| memory.see(host, name, now));
            let rejected = known.unwrap_or_else(|| {
                let rejected = self.rules.refuses(&identifier);
                let added =
                    probe.host.and_then(|host| memory.add_metric(host, probe.hash, parts, now, rejected));
                tally.unremembered += u64::from(added.is_none());
                if let (Some(host), Some(name), false) = (probe.host, added, probe.alone) {
                    memory.learn_order(host, name);
                }
                rejected
            });
            item.verdict = tally.verdict(rejected, probe.shares);
        }
        self.probes = probes;
    }

    /// Hosts of this stretch that there was room for, but not for any of their metrics.
    fn forget_bare_hosts(&self, memory: &mut Memory) {
        self.runs.iter().filter_map(|run| run.host).for_each(|host| memory.forget_if_bare(host));
    }

    /// After a panic in [`decide`](Self::decide): what has no verdict is rejected, so that the books balance.
    pub fn recover(&mut self, batch: &mut Batch, lane: &Lane) {
        // They speak of this batch.
        self.probes.clear();
        let mut tally = Tally::default();
        for item in &mut batch.value_lists {
            match item.verdict {
                Verdict::Accepted(_) => tally.accepted += 1,
                Verdict::Incomplete => {}
                Verdict::Pending | Verdict::Rejected => {
                    item.verdict = Verdict::Rejected;
                    tally.rejected += 1;
                }
            }
        }
        let partitions = &self.rules.routing().partitions;
        if partitions.is_moving() {
            tally.unsettled = tally.accepted;
            tally.written = partitions.written(&batch.value_lists, &batch.shares);
        }
        self.route_notifications(batch);
        lane.counts.add(Count::Unhandled, 1);
        self.count(lane, &tally);
    }

    fn count(&self, lane: &Lane, tally: &Tally) {
        let Routing { partitions, outlets, .. } = &**self.rules.routing();
        let Tally { accepted, rejected, unsettled, .. } = *tally;
        lane.counts.add(Count::Accepted, accepted);
        lane.counts.add(Count::Rejected, rejected);
        outlets.count_accepted(lane.id, accepted, unsettled, |tier| {
            tally.written.get(partitions.of_tier(tier).number()).copied()
        });
        lane.raw.leave(accepted + rejected);
        lane.filtered.enter(accepted);
    }

    /// Counts the value lists of hosts that collectd stores under another name, and to whom those of unsettled hosts are
    /// sent.
    #[cold]
    fn count_marked(&self, items: &[Item], lists: &ShareLists, tally: &mut Tally) {
        for run in self.runs.iter().filter(|run| !run.marks.is_empty()) {
            let items = &items[run.items.start as usize..run.items.end as usize];
            if run.marks.has(Marks::RENAMED) {
                let decided = items.iter().filter(|item| item.verdict != Verdict::Incomplete);
                tally.renamed += decided.count() as u64;
            }
            if run.marks.has(Marks::UNSETTLED) {
                let accepted = items.iter().filter(|item| matches!(item.verdict, Verdict::Accepted(_)));
                let accepted = accepted.count() as u64;
                tally.unsettled += accepted;
                let partitions = &self.rules.routing().partitions;
                partitions.add_written(lists.get(run.shares), accepted, &mut tally.written);
            }
        }
        tally.marks = Marks::default();
    }

    /// Notifications are rare and not filtered; their hosts are looked up among the targets.
    fn route_notifications(&self, batch: &mut Batch) {
        let Batch { notifications, .. } = batch;
        let mut notifications = std::mem::take(notifications);
        for notification in &mut notifications {
            let bytes = batch.bytes(&batch.datagrams[notification.datagram as usize]);
            let found = self.rules.shares(notification.spans.of(bytes).identifier.host);
            notification.shares = batch.shares.add(&found);
        }
        batch.notifications = notifications;
    }
}

/// Takes the host of a run up, or decides anew on one that was decided by an older routing. Its shares are looked up once:
/// among many targets that is what takes longest.
#[cold]
fn remember_host(
    run: &mut Run,
    name: &[u8],
    memory: &mut Memory,
    rules: &mut Rules,
    lists: &mut ShareLists,
    now: u32,
) {
    if let Some(host) = memory.renew_host(name, now, rules) {
        return run.take(host, memory, lists);
    }
    let shares = rules.shares(name);
    run.host = memory.add_host(name, &shares, rules, now);
    run.marks = Marks::new(is_renamed(name), rules.is_unsettled(&shares));
    run.shares = lists.add(&shares);
}
