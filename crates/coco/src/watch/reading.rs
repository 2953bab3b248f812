//! Reading what the lanes remember, in order and in pieces: whoever reads, however slowly, holds a few MiB and no lane.
//!
//! A host that several lanes have seen (its agent was started anew, say) has the metrics of all of them, each last seen
//! at the latest time: a union in which the last write wins.

use std::sync::Arc;

use super::page::Page;
use crate::lane::Lane;
use crate::memory::{Judge, MetricView, Unread};
use crate::plan::Rules;
use crate::share::{PartitionId, Share};

/// Bytes of the names of hosts that are at hand at a time.
const HOSTS: usize = 1 << 20;

/// Bytes of the names of metrics that are at hand at a time.
const METRICS: usize = 1 << 18;

/// Hosts whose metrics are read together at most.
const TOGETHER: usize = 4096;

/// Bytes before a host's name: its group. Bytes before a metric's name: the place of its host.
const GROUP: usize = 2;
const PLACE: usize = 4;

/// The names of hosts in order, group by group.
pub struct Hosts<'a> {
    lanes: &'a [Arc<Lane>],
    rules: Rules,
    /// The partition by whose targets they are grouped, each host with all that hold it; or all are of group 0.
    partition: Option<PartitionId>,
    page: Page,
    /// Which of the page is next.
    next: usize,
}

impl<'a> Hosts<'a> {
    /// Of these lanes, grouped by the targets of a [partition](crate::plan::Partitions) as `rules` have them, or all of group 0.
    pub fn new(lanes: &'a [Arc<Lane>], rules: Rules, partition: Option<PartitionId>) -> Self {
        let mut hosts = Self { lanes, rules, partition, page: Page::new(HOSTS), next: 0 };
        hosts.gather();
        hosts
    }

    /// Those of these names, which are in order and each there once: at hand all of them, each at its place.
    pub fn named<'n>(lanes: &'a [Arc<Lane>], rules: Rules, names: impl Iterator<Item = &'n [u8]>) -> Self {
        let mut page = Page::new(usize::MAX / 4);
        let mut key = vec![0; GROUP];
        for name in names {
            key.truncate(GROUP);
            key.extend(name);
            page.offer(&key, 0);
        }
        page.sort();
        Self { lanes, rules, partition: None, page, next: 0 }
    }

    fn gather(&mut self) {
        let Self { lanes, rules, partition, page, .. } = self;
        let mut key = Vec::new();
        for lane in *lanes {
            lane.walk(|memory, from| {
                memory.visit_hosts(from, rules, |host| {
                    let mut offer = |group: u16| {
                        key.clear();
                        key.extend(group.to_be_bytes());
                        key.extend(host.name);
                        page.offer(&key, 0);
                    };
                    match partition {
                        None => offer(0),
                        Some(partition) => rules
                            .routing()
                            .partitions
                            .targets(*partition, &host.shares)
                            .for_each(|target| offer(target.number() as u16)),
                    }
                })
            });
        }
        page.sort();
        self.next = 0;
    }

    /// Reads some hosts of a group, those behind the ones before. `None` if there are no more.
    ///
    /// `metric` gets what `wanted` picks of their metrics, in order, with the name of the host.
    pub fn read<E>(
        &mut self,
        group: u16,
        wanted: impl Fn(&MetricView<'_>) -> bool,
        metric: &mut impl FnMut(&[u8], &[u8], u32) -> Result<(), E>,
    ) -> Result<Option<()>, E> {
        let Some(end) = self.some_of(group) else { return Ok(None) };
        let mut metrics = Page::new(METRICS);
        while self.next < end {
            let read = self.gather_metrics(self.next, end, &wanted, &mut metrics);
            loop {
                for (key, seen) in metrics.iter() {
                    let (place, name) = key.split_at(PLACE);
                    metric(&self.page.key(place_of(place))[GROUP..], name, seen)?;
                }
                if !metrics.turn() {
                    break;
                }
                let from = metrics.after().map_or(self.next, |key| place_of(&key[..PLACE]));
                self.gather_metrics(from, read, &wanted, &mut metrics);
            }
            metrics.reset();
            self.next = read;
        }
        Ok(Some(()))
    }

    /// Where some of the next hosts end, if they are of a group.
    fn some_of(&mut self, group: u16) -> Option<usize> {
        if self.next == self.page.len() && self.page.turn() {
            self.gather();
        }
        let is_of = |place: &usize| self.page.key(*place).starts_with(&group.to_be_bytes());
        let last = (self.next..self.page.len()).take(TOGETHER).take_while(is_of).last()?;
        Some(last + 1)
    }

    /// Offers the metrics of hosts from place `from` on to a page, until it is full. Returns the place behind the last
    /// host of which all metrics were offered.
    fn gather_metrics(
        &mut self,
        from: usize,
        mut end: usize,
        wanted: &impl Fn(&MetricView<'_>) -> bool,
        metrics: &mut Page,
    ) -> usize {
        for (number, lane) in self.lanes.iter().enumerate() {
            let mut reader = LaneReader { rules: &mut self.rules, unread: Unread::default(), wanted };
            let mut place = from;
            while place < end {
                place = reader.some(lane, &self.page, place..end, metrics);
                // The other lanes have to bring their metrics of those that the first one came to.
                if number == 0 && metrics.is_full() {
                    end = place;
                }
            }
        }
        metrics.sort();
        end
    }
}

/// Reads metrics of hosts on one lane.
struct LaneReader<'a, W> {
    rules: &'a mut Rules,
    unread: Unread,
    wanted: &'a W,
}

impl<W: Fn(&MetricView<'_>) -> bool> LaneReader<'_, W> {
    /// Offers the metrics of some of the hosts at these places: of one that has many, or of as many as a lane may be
    /// held for. Returns the place behind them.
    fn some(
        &mut self,
        lane: &Lane,
        hosts: &Page,
        places: std::ops::Range<usize>,
        metrics: &mut Page,
    ) -> usize {
        let Self { rules, unread, wanted } = self;
        let mut place = places.start;
        lane.read(|memory| {
            let mut left = Unread::budget();
            while place < places.end && left > 0 && unread.is_empty() {
                let mut offer = offer_to(metrics, place, *wanted);
                let cost = memory.visit_metrics(&hosts.key(place)[GROUP..], *rules, unread, &mut offer);
                left = left.saturating_sub(cost);
                place += 1;
            }
        });
        while !unread.is_empty() {
            let mut offer = offer_to(metrics, place - 1, *wanted);
            lane.read(|memory| {
                memory.visit_unread(&hosts.key(place - 1)[GROUP..], *rules, unread, &mut offer);
            });
        }
        place
    }
}

/// Offers the metrics of the host at a place to a page.
fn offer_to<'a>(
    metrics: &'a mut Page,
    place: usize,
    wanted: impl Fn(&MetricView<'_>) -> bool + 'a,
) -> impl FnMut(MetricView<'_>) + 'a {
    let mut key = (place as u32).to_be_bytes().to_vec();
    move |metric| {
        if wanted(&metric) {
            key.truncate(PLACE);
            metric.name.write(&mut key);
            metrics.offer(&key, metric.seen);
        }
    }
}

fn place_of(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |place, &byte| place << 8 | usize::from(byte))
}

/// Counts the metrics of each host that are sent, with its name and the shares that it is in.
pub fn count_accepted(lanes: &[Arc<Lane>], mut rules: Rules, mut count: impl FnMut(&[u8], &[Share], u32)) {
    if let [lane] = lanes {
        return lane.measure(|memory, from| memory.count_accepted(from, &mut rules, &mut count));
    }
    let mut hosts = Hosts::new(lanes, Rules::new(Arc::clone(rules.routing())), None);
    while let Some(end) = hosts.some_of(0) {
        if lanes.iter().any(|lane| lane.is_closing()) {
            return;
        }
        // By lane, since each is read for many hosts at a time.
        let mut known = vec![(0_u32, 0_u32); end - hosts.next];
        for lane in lanes {
            let mut places = (hosts.next..end).peekable();
            while places.peek().is_some() {
                lane.read(|memory| {
                    let mut left = Unread::budget();
                    while let Some(place) = places.next_if(|_| left > 0) {
                        let name = &hosts.page.key(place)[GROUP..];
                        let (of_lane, cost) = memory.accepted_of(name, &mut rules);
                        left = left.saturating_sub(cost);
                        let (lanes, accepted) = &mut known[place - hosts.next];
                        *lanes += u32::from(of_lane.is_some());
                        *accepted += of_lane.unwrap_or(0);
                    }
                });
            }
        }
        for (lanes, accepted) in known {
            let place = hosts.next;
            let accepted =
                if lanes > 1 { hosts.count_union(place, |metric| !metric.rejected) } else { accepted };
            let name = &hosts.page.key(place)[GROUP..];
            count(name, &rules.shares(name), accepted);
            hosts.next = place + 1;
        }
    }
}

impl Hosts<'_> {
    /// Number of metrics of a host that several lanes know, of those that are wanted.
    pub(super) fn count_union(&mut self, place: usize, wanted: impl Fn(&MetricView<'_>) -> bool) -> u32 {
        let mut metrics = Page::new(METRICS);
        let mut count = 0;
        loop {
            self.gather_metrics(place, place + 1, &wanted, &mut metrics);
            count += metrics.len() as u32;
            if !metrics.turn() {
                return count;
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use coco_core::config::CocoConfig;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::plan::Routing;
    use crate::secrets::Seals;

    /// Takes note on a lane that a metric was seen.
    pub(in crate::watch) fn see(lane: &Lane, rules: &mut Rules, host: &[u8], metric: &str, now: u32) {
        let mut memory = lane.memory();
        let shares = rules.shares(host);
        let id = memory.find_host(host, now).or_else(|| memory.add_host(host, &shares, rules, now)).unwrap();
        let parts = [b"p", &b""[..], metric.as_bytes(), b""];
        let hash = memory.hash(&parts.join(&0));
        let name = memory.find_name(hash, parts);
        if name.and_then(|name| memory.see(id, name, now)).is_none() {
            memory.add_metric(id, hash, parts, now, metric.ends_with('7')).unwrap();
        }
    }

    pub(in crate::watch) fn rules() -> Rules {
        let text = "filter.blacklist = '7$'\ntiers.a.targets = ['a:1', 'b:1', 'c:1']";
        let config = CocoConfig::parse(text).unwrap();
        Rules::new(Arc::new(Routing::new(&config, Seals::default(), 1)))
    }

    type Seen = BTreeMap<(u16, Vec<u8>, Vec<u8>), u32>;

    /// Everything that is sent, as it is read, which is in order.
    fn read(lanes: &[Arc<Lane>]) -> Seen {
        let mut hosts = Hosts::new(lanes, rules(), Some(PartitionId::new(0)));
        let mut read = Vec::new();
        for group in 0..3 {
            let mut add = |host: &[u8], metric: &[u8], seen| {
                read.push(((group, host.to_vec(), metric.to_vec()), seen));
                Ok::<_, Infallible>(())
            };
            while hosts.read(group, |metric| !metric.rejected, &mut add).unwrap().is_some() {}
        }
        assert!(read.is_sorted_by(|one, other| one.0 < other.0), "each once, and in order");
        read.into_iter().collect()
    }

    fn check(lanes: usize, seen: &[(usize, Vec<u8>, String, u32)]) {
        let lanes: Vec<_> = (0..lanes).map(|number| Arc::new(Lane::new(number, usize::MAX))).collect();
        let mut rules = rules();
        let (mut expected, mut latest) = (Seen::new(), BTreeMap::new());
        for (lane, host, metric, now) in seen {
            see(&lanes[lane % lanes.len()], &mut rules, host, metric, *now);
            latest.insert((lane % lanes.len(), host, metric), *now);
        }
        let mut counts: BTreeMap<(u16, &[u8]), u32> = BTreeMap::new();
        for ((_, host, metric), now) in latest.into_iter().filter(|((.., metric), _)| !metric.ends_with('7'))
        {
            let group = rules.shares(host)[0].number() as u16;
            let key = (group, host.clone(), format!("p/{metric}").into_bytes());
            if !expected.contains_key(&key) {
                *counts.entry((group, host)).or_default() += 1;
            }
            let known = expected.entry(key).or_insert(now);
            *known = now.max(*known);
        }
        assert_eq!(read(&lanes), expected);
        let mut counted = Vec::new();
        count_accepted(&lanes, rules, |_, shares, accepted| {
            if accepted > 0 {
                counted.push((shares[0].number() as u16, accepted));
            }
        });
        counted.sort_unstable();
        let mut counts: Vec<_> = counts.into_iter().map(|((group, _), count)| (group, count)).collect();
        counts.sort_unstable();
        assert_eq!(counted, counts);
    }

    proptest! {
        #[test]
        fn all_lanes_are_read_as_one_whatever_each_has_seen(
            lanes in 1_usize..4,
            seen in vec((0_usize..4, 0_u8..6, 0_u32..12), 0..200),
        ) {
            let seen = seen.into_iter().zip(1..).map(|((lane, host, metric), now)| {
                (lane, vec![b'h', 0xfc + host % 4, host], metric.to_string(), now)
            });
            let seen: Vec<_> = seen.collect();
            check(lanes, &seen);
        }
    }

    /// More names than are at hand at a time, of hosts and of metrics of one host.
    #[test]
    fn what_takes_many_pages_is_read_whole() {
        let of_one = (0..12_000).map(|metric| (metric % 2, b"one".to_vec(), format!("{metric:0100}"), 1));
        let of_many = (0..9_000).map(|host| (host, format!("{host:0120}").into_bytes(), "m".to_owned(), 2));
        let seen: Vec<_> = of_one.chain(of_many).collect();
        assert!(seen.len() * 100 > METRICS && 9_000 * 120 > HOSTS);
        check(1, &seen);
        check(2, &seen);
    }
}
