//! Looking for hosts among all that the lanes remember: the first of them by name, and how many there are.
//!
//! The lanes are walked over once, in pieces, and only names are copied: those of a piece, and those that are found. Of
//! a host that several lanes know, the first of them tells; the others are asked whether they heard of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::reading::Hosts;
use crate::lane::Lane;
use crate::memory::{Candidate, Glance, HostName, Judge, Unread};
use crate::plan::Rules;
use crate::share::Shares;

/// Which hosts are looked for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// A piece of their names, in letters of either case, or the whole name as it is; any if none.
    pub name: Option<Name>,
    /// For how many seconds they have been silent; 0 if they need not.
    pub silence: u32,
    /// The shares of which they are in one, by number; or any.
    pub shares: Option<Box<[bool]>>,
    /// The most hosts shown.
    pub limit: usize,
}

/// A demand on a name.
#[derive(Debug, Clone)]
pub enum Name {
    /// It holds this, in letters of either case.
    Holding(Vec<u8>),
    /// It is this.
    Is(Vec<u8>),
}

/// The hosts found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The first of them, by name.
    pub rows: Vec<Row>,
    /// The number of all of them, shown or not.
    pub total: u64,
}

/// A host.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: HostName,
    /// When one of its metrics was last seen, in Unix seconds.
    pub seen: u32,
    /// Number of its metrics that are sent.
    pub sent: u32,
    /// Number of its metrics that the filter rejects.
    pub rejected: u32,
    /// The shares that it is in.
    pub shares: Shares,
}

impl Search {
    /// Looks for them at `now`, in Unix seconds.
    pub fn find(&self, lanes: &[Arc<Lane>], rules: Rules, now: u32) -> Found {
        let (names, total) = match &self.name {
            Some(Name::Is(name)) => self.find_one(lanes, &rules, now, name),
            _ => self.find_all(lanes, &rules, now),
        };
        Found { rows: rows(lanes, rules, &names), total }
    }

    fn find_one(&self, lanes: &[Arc<Lane>], rules: &Rules, now: u32, name: &[u8]) -> (Names, u64) {
        let mut known =
            lanes.iter().filter_map(|lane| lane.read(|memory| memory.knows(name, now, self.silence)));
        let is_silent = known.next().is_some_and(|first| first && known.all(|is_silent| is_silent));
        let is_found = is_silent && self.shares.as_ref().is_none_or(|of| is_among(of, &rules.shares(name)));
        let names = is_found.then(|| HostName::from(name)).into_iter().take(self.limit).collect();
        (names, is_found.into())
    }

    fn find_all(&self, lanes: &[Arc<Lane>], rules: &Rules, now: u32) -> (Names, u64) {
        let (mut found, mut total) = (Names::new(), 0);
        let mut piece = Vec::new();
        for (number, lane) in lanes.iter().enumerate() {
            let mut next = Some(0);
            while let Some(from) = next {
                next = lane.read(|memory| {
                    memory.visit_candidates(from, |host| {
                        if self.wants(host, rules, now) {
                            piece.push(HostName::from(host.name()));
                        }
                    })
                });
                for (other, lane) in lanes.iter().enumerate() {
                    // The later ones only know better who has been silent.
                    if other < number || other > number && self.silence > 0 {
                        self.ask(lane, other < number, now, &mut piece);
                    }
                }
                total += piece.len() as u64;
                piece.drain(..).for_each(|name| keep(&mut found, name, self.limit));
            }
        }
        (found, total)
    }

    /// Whether a host is looked for, as far as a lane knows.
    fn wants(&self, host: &Candidate<'_>, rules: &Rules, now: u32) -> bool {
        let has_name = match &self.name {
            Some(Name::Holding(text)) => holds(host.name(), text),
            Some(Name::Is(name)) => host.name() == name,
            None => true,
        };
        has_name
            && self.shares.as_ref().is_none_or(|of| is_among(of, &host.shares(rules)))
            && (self.silence == 0 || host.is_silent(now, self.silence))
    }

    /// Leaves out those that another lane knows better: it was asked before, or has heard of them.
    fn ask(&self, lane: &Lane, was_before: bool, now: u32, names: &mut Vec<HostName>) {
        let mut rest = std::mem::take(names).into_iter().peekable();
        while rest.peek().is_some() {
            lane.read(|memory| {
                let stays = |name: &HostName| match memory.knows(name, now, self.silence) {
                    Some(is_silent) => !was_before && is_silent,
                    None => true,
                };
                names.extend(rest.by_ref().take(ASKED_AT_ONCE).filter(stays));
            });
        }
    }
}

/// Hosts that a lane is asked for before it goes on: some have many metrics.
const ASKED_AT_ONCE: usize = 256;

/// Names, in order.
type Names = BTreeSet<HostName>;

/// Keeps a name if it is one of the first so many.
fn keep(names: &mut Names, name: HostName, limit: usize) {
    let is_full = names.len() >= limit;
    if is_full && names.last().is_none_or(|last| *last <= name) {
        return;
    }
    names.insert(name);
    if is_full {
        names.pop_last();
    }
}

fn is_among(wanted: &[bool], shares: &Shares) -> bool {
    shares.iter().any(|share| wanted.get(share.number()).is_some_and(|is_wanted| *is_wanted))
}

/// Whether a name holds a text, in letters of either case.
fn holds(name: &[u8], text: &[u8]) -> bool {
    let Some(first) = text.first() else { return true };
    name.windows(text.len())
        .any(|part| part[0].eq_ignore_ascii_case(first) && part.eq_ignore_ascii_case(text))
}

/// Rows for the hosts of these names. Those that were forgotten meanwhile are left out.
fn rows(lanes: &[Arc<Lane>], rules: Rules, names: &Names) -> Vec<Row> {
    let mut known: Vec<(u32, Option<Glance>)> = vec![(0, None); names.len()];
    for lane in lanes {
        let mut rest = names.iter().zip(&mut known).peekable();
        while rest.peek().is_some() {
            lane.read(|memory| {
                let mut left = Unread::budget();
                while left > 0
                    && let Some((name, (lanes, known))) = rest.next()
                {
                    let (glance, cost) = memory.glance(name, &rules);
                    left = left.saturating_sub(cost);
                    if let Some(glance) = glance {
                        let seen = known.as_ref().map_or(0, |known| known.seen);
                        *known = Some(Glance { seen: seen.max(glance.seen), ..glance });
                        *lanes += 1;
                    }
                }
            });
        }
    }
    let shares: Vec<_> = names.iter().map(|name| rules.shares(name)).collect();
    let mut hosts = Hosts::named(lanes, rules, names.iter().map(|name| &name[..]));
    let rows =
        names.iter().zip(known).zip(shares).enumerate().filter_map(|(place, ((name, known), shares))| {
            let (lanes, Glance { seen, metrics, rejected }) = (known.0, known.1?);
            let (sent, rejected) = match rejected {
                Some(rejected) if lanes == 1 => (metrics - rejected, rejected),
                _ => [false, true]
                    .map(|wanted| hosts.count_union(place, |metric| metric.rejected == wanted))
                    .into(),
            };
            Some(Row { name: name.clone(), seen, sent, rejected, shares })
        });
    rows.collect()
}

/// Counts the hosts that have been silent for so many seconds at `now`.
pub fn count_silent(lanes: &[Arc<Lane>], rules: Rules, now: u32, silence: u32) -> u64 {
    Search { silence, ..Search::default() }.find(lanes, rules, now).total
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::super::reading::tests::{rules, see};
    use super::*;

    /// When searches take place.
    const NOW: u32 = 1_000;

    /// Sightings: lane, host, metric, and when.
    type Seen = Vec<(usize, String, u8, u32)>;

    fn lanes(count: usize, seen: &Seen) -> Vec<Arc<Lane>> {
        let lanes: Vec<_> = (0..count).map(|number| Arc::new(Lane::new(number, usize::MAX))).collect();
        let mut rules = rules();
        for (lane, host, metric, at) in seen {
            see(&lanes[lane % count], &mut rules, host.as_bytes(), &metric.to_string(), *at);
        }
        // The clock goes on.
        for lane in &lanes {
            assert_eq!(lane.read(|memory| memory.find_host(b"", NOW)), None);
        }
        lanes
    }

    /// A model of the search, over sightings in the order of time.
    fn expected(seen: &Seen, search: &Search) -> Found {
        let mut hosts: BTreeMap<&str, (u32, BTreeSet<u8>)> = BTreeMap::new();
        for (_, host, metric, at) in seen {
            let (latest, metrics) = hosts.entry(host).or_default();
            *latest = (*latest).max(*at);
            metrics.insert(*metric);
        }
        let is_wanted = |host: &str, latest: u32| {
            let has_name = match &search.name {
                Some(Name::Is(name)) => host.as_bytes() == name,
                Some(Name::Holding(text)) => host.to_lowercase().contains(&*String::from_utf8_lossy(text)),
                None => true,
            };
            let shares = rules().shares(host.as_bytes());
            let is_there = search.shares.as_ref().is_none_or(|of| of[shares[0].number()]);
            has_name && is_there && NOW - latest >= search.silence
        };
        let all: Vec<_> = hosts.into_iter().filter(|(host, (latest, _))| is_wanted(host, *latest)).collect();
        let row = |(host, (latest, metrics)): &(&str, (u32, BTreeSet<u8>))| {
            let rejected = metrics.iter().filter(|metric| metric.to_string().ends_with('7')).count();
            Row {
                name: host.as_bytes().into(),
                seen: *latest,
                sent: (metrics.len() - rejected) as u32,
                rejected: rejected as u32,
                shares: rules().shares(host.as_bytes()),
            }
        };
        Found { rows: all.iter().take(search.limit).map(row).collect(), total: all.len() as u64 }
    }

    fn seen() -> impl Strategy<Value = Seen> {
        let host = prop::sample::select(vec!["web1", "web2", "Web3", "db1", "db2.example", "x"]);
        vec((0_usize..4, host.prop_map(str::to_owned), 0_u8..20, 900..NOW), 0..120).prop_map(|mut seen| {
            seen.sort_by_key(|(.., at)| *at);
            seen
        })
    }

    fn searches() -> impl Strategy<Value = Search> {
        let name = prop_oneof![
            prop::sample::select(vec!["", "web", "1", "example", "nowhere"])
                .prop_map(|text| Name::Holding(text.into())),
            prop::sample::select(vec!["web1", "web", "db1"]).prop_map(|name| Name::Is(name.into())),
        ];
        let shares = option::of(prop::array::uniform3(any::<bool>()).prop_map(Into::into));
        (option::of(name), prop_oneof![Just(0_u32), 1_u32..110], shares, 0_usize..8)
            .prop_map(|(name, silence, shares, limit)| Search { name, silence, shares, limit })
    }

    proptest! {
        #[test]
        fn hosts_are_found_once_whatever_each_lane_has_seen(
            count in 1_usize..4,
            seen in seen(),
            search in searches(),
        ) {
            let found = search.find(&lanes(count, &seen), rules(), NOW);
            prop_assert_eq!(found, expected(&seen, &search));
        }
    }

    #[test]
    fn an_agent_that_was_started_anew_is_not_silent_where_it_was_heard_before() {
        let seen = vec![(0, "web1".to_owned(), 1, 100), (1, "web1".to_owned(), 2, 990)];
        let lanes = lanes(2, &seen);
        assert_eq!([60, 5].map(|silence| count_silent(&lanes, rules(), NOW, silence)), [0, 1]);
        // The lane that hears of it alone would say otherwise.
        assert_eq!(count_silent(&lanes[..1], rules(), NOW, 60), 1);
    }

    /// The longest time that a filter waits for its turn until it is over.
    fn longest_wait(lane: &Lane, is_over: &AtomicBool) -> Duration {
        let mut longest = Duration::ZERO;
        while !is_over.load(Ordering::Relaxed) {
            let start = Instant::now();
            drop(lane.memory());
            longest = longest.max(start.elapsed());
            std::thread::sleep(Duration::from_micros(500));
        }
        longest
    }

    /// How long a search takes, and how long it holds a lane, at two million metrics.
    ///
    /// ```text
    /// cargo test --release -p coco --lib -- --ignored --nocapture at_two_million
    /// ```
    #[test]
    #[ignore = "measures, with two million metrics"]
    fn at_two_million_metrics_a_search_is_quick_and_holds_no_lane() {
        for (hosts, metrics) in [(200_000, 10), (20_000, 100), (2_000, 1_000)] {
            for count in [1, 2] {
                let lanes: Vec<_> =
                    (0..count).map(|number| Arc::new(Lane::new(number, usize::MAX))).collect();
                let mut rules_of = rules();
                for metric in 0..metrics {
                    for host in 0..hosts {
                        let name = format!("host{host}.example.org");
                        see(
                            &lanes[host % count],
                            &mut rules_of,
                            name.as_bytes(),
                            &metric.to_string(),
                            NOW - 600,
                        );
                    }
                }
                for (what, search) in [
                    ("all", Search { limit: 100, ..Search::default() }),
                    ("silent", Search { silence: 300, limit: 100, ..Search::default() }),
                    ("silent for long", Search { silence: 3_000, limit: 100, ..Search::default() }),
                    (
                        "name",
                        Search {
                            name: Some(Name::Holding(b"99.ex".into())),
                            limit: 100,
                            ..Search::default()
                        },
                    ),
                    ("ten thousand", Search { limit: 10_000, ..Search::default() }),
                ] {
                    let is_over = AtomicBool::new(false);
                    let (taken, longest) = std::thread::scope(|scope| {
                        let waits = scope.spawn(|| longest_wait(&lanes[0], &is_over));
                        let start = Instant::now();
                        let found = search.find(&lanes, rules(), NOW);
                        let taken = start.elapsed();
                        is_over.store(true, Ordering::Relaxed);
                        assert_eq!(found.rows.len() as u64, found.total.min(search.limit as u64));
                        (taken, waits.join().unwrap())
                    });
                    println!(
                        "{hosts} x {metrics}, lanes: {count}, {what}: {taken:?}, a lane waited {longest:?}"
                    );
                }
            }
        }
    }
}
