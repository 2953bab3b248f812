//! The tables against a naive model, and what their readers may rely on.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

type Parts = [&'static [u8]; 4];

const HOSTS: [&[u8]; 6] = [b"a", b"b", b"a/b", b"\xff", b"\xfe", b"web1.example.org"];

/// Some look alike once joined.
const METRICS: [Parts; 8] = [
    [b"a", b"b", b"c", b""],
    [b"a", b"", b"b", b"c"],
    [b"a/b", b"", b"c", b""],
    [b"cpu", b"0", b"cpu", b"idle"],
    [b"cpu", b"0", b"cpu", b"user"],
    [b"cpu", b"1", b"cpu", b"idle"],
    [b"load", b"", b"load", b""],
    [b"\xff", b"", b"\xfe", b""],
];

/// More than any host or metric of these tests costs.
const DEAREST: usize = 70_000;

/// A verdict of the filter depends on nothing but the names.
fn rejected(host: &[u8], parts: [&[u8]; 4]) -> bool {
    ByLength::default().verdict(host, parts)
}

fn shares_of(host: &[u8]) -> [usize; 2] {
    [host.len(), host[0].into()]
}

fn hash_of(memory: &Memory, parts: [&[u8]; 4]) -> u64 {
    memory.hash(&parts.join(&0))
}

/// The filter's verdict on a metric that is remembered, seen now.
fn find(memory: &mut Memory, host: HostId, hash: u64, parts: [&[u8]; 4], now: u32) -> Option<bool> {
    let name = memory.find_name(hash, parts)?;
    memory.see(host, name, now)
}

/// Decides in another way by every version.
#[derive(Clone, Copy, Default)]
struct ByLength {
    version: Version,
}

impl Judge for ByLength {
    fn version(&self) -> Version {
        self.version
    }

    fn shares(&self, host: &[u8]) -> Shares {
        shares_of(host)
            .map(|share| Share::new((share + self.version.shares as usize) % 0x10000))
            .into_iter()
            .collect()
    }

    fn cost_of_shares(&self, host: &[u8]) -> usize {
        host.len()
    }

    fn rejects(&mut self, host: &[u8], metric: &Name) -> bool {
        let length = host.len() + metric.parts().map(<[u8]>::len).sum::<usize>();
        (length + self.version.verdicts as usize).is_multiple_of(3)
    }
}

impl ByLength {
    fn verdict(mut self, host: &[u8], parts: [&[u8]; 4]) -> bool {
        self.rejects(host, &Name::new(parts))
    }
}

/// What the filter does with a value list: finds, or adds what is not there. Whether it is remembered now.
fn see(memory: &mut Memory, host: &[u8], parts: [&[u8]; 4], now: u32) -> (Option<HostId>, bool) {
    see_by(ByLength::default(), memory, host, parts, now)
}

fn see_by(
    mut judge: ByLength,
    memory: &mut Memory,
    host: &[u8],
    parts: [&[u8]; 4],
    now: u32,
) -> (Option<HostId>, bool) {
    memory.adopt(judge.version);
    let known = memory.find_host(host, now).or_else(|| memory.renew_host(host, now, &mut judge));
    let id = known.or_else(|| memory.add_host(host, &judge.shares(host), now));
    let Some(id) = id else { return (None, false) };
    let renamed = is_renamed(host);
    assert_eq!(memory.shares(id), (judge.shares(host).as_slice(), renamed));
    let (hash, verdict) = (hash_of(memory, parts), judge.verdict(host, parts));
    if let Some(known) = find(memory, id, hash, parts, now) {
        assert_eq!(known, verdict);
        return (Some(id), true);
    }
    (Some(id), memory.add_metric(id, hash, parts, now, verdict).is_some())
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ModelHost {
    seen: u32,
    metrics: ModelMetrics,
}

/// By the parts of their names: whether they are rejected, and when they were last seen.
type ModelMetrics = BTreeMap<Vec<Vec<u8>>, (bool, u32)>;

type Model = BTreeMap<Vec<u8>, ModelHost>;

fn owned(parts: [&[u8]; 4]) -> Vec<Vec<u8>> {
    parts.map(<[u8]>::to_vec).to_vec()
}

/// Everything in the tables, `seen` of hosts left out since no reader is told of it.
fn contents(memory: &Memory) -> Model {
    contents_by(ByLength::default(), memory)
}

fn contents_by(mut judge: ByLength, memory: &Memory) -> Model {
    let mut names = Vec::new();
    let mut next = Some(0);
    while let Some(from) = next {
        next = memory.visit_hosts(from, &judge, |host| {
            assert_eq!(host.shares, judge.shares(host.name));
            names.push(host.name.to_vec());
        });
    }
    let mut counted = 0;
    memory.count_accepted(0, &mut judge, |_, _, accepted| counted += accepted);
    let mut accepted = 0;
    let model: Model = names
        .iter()
        .map(|name| {
            let metrics = metrics_of(memory, name, judge).unwrap();
            let sent = metrics.values().filter(|(rejected, _)| !rejected).count() as u32;
            assert_eq!(memory.accepted_of(name, &mut judge).0, Some(sent));
            accepted += sent;
            (name.clone(), ModelHost { seen: 0, metrics })
        })
        .collect();
    assert_eq!(model.len(), names.len(), "a host is there twice");
    assert_eq!(accepted, counted);
    model
}

/// The metrics of a host that is remembered, as a reader sees them.
fn metrics_of(memory: &Memory, host: &[u8], mut judge: ByLength) -> Option<ModelMetrics> {
    memory.accepted_of(host, &mut judge).0?;
    let mut metrics = ModelMetrics::new();
    let mut visit = |metric: MetricView<'_>| {
        let parts = metric.name.parts().map(<[u8]>::to_vec).collect();
        assert_eq!(metrics.insert(parts, (metric.rejected, metric.seen)), None, "a metric is there twice");
    };
    let mut unread = Unread::default();
    memory.visit_metrics(host, &mut judge, &mut unread, &mut visit);
    while !unread.is_empty() {
        memory.visit_unread(host, &mut judge, &mut unread, &mut visit);
    }
    Some(metrics)
}

/// Forgets what was silent for more than so many seconds.
fn expire_all(memory: &mut Memory, now: u32, silence: u32) {
    let mut next = Some(0);
    while let Some(from) = next {
        next = memory.expire(from, now, silence);
    }
}

/// What a memory of nothing takes.
fn empty() -> usize {
    Memory::new(usize::MAX).used()
}

#[derive(Debug, Clone, Copy)]
enum Step {
    See(usize, usize),
    Expire(u32),
    /// Other shares, other verdicts.
    Reload(bool, bool),
    Renew,
}

fn steps() -> impl Strategy<Value = Vec<(u32, Step)>> {
    let see = (0..HOSTS.len(), 0..METRICS.len()).prop_map(|(host, metric)| Step::See(host, metric));
    vec(
        (
            0_u32..3,
            prop_oneof![8 => see, 1 => (0_u32..12).prop_map(Step::Expire),
        1 => any::<(bool, bool)>().prop_map(|(shares, verdicts)| Step::Reload(shares, verdicts)),
        1 => Just(Step::Renew)],
        ),
        0..200,
    )
}

proptest! {
    #[test]
    fn agrees_with_a_naive_model(limit in prop_oneof![0_usize..220_000, Just(1 << 20)], steps in steps()) {
        let mut memory = Memory::new(limit);
        let mut model = Model::new();
        let mut judge = ByLength::default();
        let mut now = 1000;
        for (passed, step) in steps {
            now += passed;
            match step {
                Step::See(host, metric) => {
                    let (host, parts) = (HOSTS[host], METRICS[metric]);
                    let used = memory.used();
                    let (id, remembered) = see_by(judge, &mut memory, host, parts, now);
                    let full = used + DEAREST > limit;
                    prop_assert!(id.is_some() || (full && !model.contains_key(host)));
                    if id.is_some() {
                        let host_model = model.entry(host.to_vec()).or_default();
                        host_model.seen = now;
                        let known = host_model.metrics.contains_key(&owned(parts));
                        prop_assert!(remembered || (full && !known), "what is there is found, what fits is added");
                        if remembered {
                            host_model.metrics.insert(owned(parts), (false, now));
                        }
                    }
                }
                Step::Expire(age) => {
                    let time = now - age;
                    expire_all(&mut memory, now, age);
                    for host in model.values_mut() {
                        host.metrics.retain(|_, (_, seen)| *seen >= time);
                    }
                    model.retain(|_, host| !host.metrics.is_empty());
                }
                Step::Reload(shares, verdicts) => {
                    judge.version.shares += u32::from(shares);
                    judge.version.verdicts += u32::from(verdicts);
                }
                Step::Renew => prop_assert_eq!(memory.renew_some(0, &mut judge), None),
            }
            // Whoever reads sees the verdicts of its own time, on what was decided before too.
            for (host, of_host) in &mut model {
                for (parts, (rejected, _)) in &mut of_host.metrics {
                    let parts = METRICS.into_iter().find(|known| owned(*known) == *parts).unwrap();
                    *rejected = judge.verdict(host, parts);
                }
            }
            prop_assert!(memory.used() <= limit.max(empty()));
            prop_assert_eq!(memory.hosts(), model.len());
            prop_assert_eq!(memory.metrics(), model.values().map(|host| host.metrics.len()).sum::<usize>());
        }
        for (name, host) in &model {
            prop_assert_eq!(metrics_of(&memory, name, judge).unwrap().len(), host.metrics.len());
        }
        model.values_mut().for_each(|host| host.seen = 0);
        prop_assert_eq!(contents_by(judge, &memory), model);
        expire_all(&mut memory, now + 1, 0);
        prop_assert_eq!((memory.hosts(), memory.metrics()), (0, 0));
        prop_assert!(memory.used() <= empty() + DEAREST, "{}", memory.used());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Two readers may walk at any moment; hosts that are there all the time must appear once in each.
    #[test]
    fn a_walk_in_pieces_sees_once_who_stays(
        hosts in VISITED_AT_ONCE as u32..3 * VISITED_AT_ONCE as u32,
        stays in 1_u32..5,
        newcomers in 0_u32..4000,
    ) {
        let mut memory = Memory::new(usize::MAX);
        let name = |host: u32| format!("host{host}").into_bytes();
        for host in 0..hosts {
            see(&mut memory, &name(host), METRICS[host as usize % 8], 1);
        }
        let staying: BTreeSet<_> = (0..hosts).filter(|host| host % stays == 0).map(name).collect();
        for name in &staying {
            let id = memory.find_host(name, 2).unwrap();
            let metrics = metrics_of(&memory, name, ByLength::default()).unwrap();
            let parts = METRICS.into_iter().find(|parts| metrics.contains_key(&owned(*parts))).unwrap();
            let hash = hash_of(&memory, parts);
            prop_assert!(find(&mut memory, id, hash, parts, 2).is_some());
        }
        let mut seen = Vec::new();
        let mut pieces = 0;
        let (mut next, mut expiry) = (Some(0), Some(0));
        while let Some(from) = next {
            next = memory.visit_hosts(from, &ByLength::default(), |host| seen.push(host.name.to_vec()));
            pieces += 1;
            // Others go between two pieces, a piece of the table at a time, and newcomers take their places.
            expiry = expiry.and_then(|from| memory.expire(from, 2, 0));
            for host in 0..if pieces < 4 { newcomers } else { 0 } {
                see(&mut memory, format!("new{pieces}-{host}").as_bytes(), METRICS[0], 2);
            }
            prop_assert!(pieces < 100);
        }
        prop_assert!(pieces > 1);
        let mut names = seen;
        names.retain(|name| staying.contains(name));
        prop_assert_eq!(names.len(), staying.len());
        prop_assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), staying);
    }
}

#[test]
fn a_name_that_two_hosts_have_outlives_one_of_them() {
    let mut memory = Memory::new(1 << 20);
    for (host, now) in [(&b"a"[..], 1), (b"b", 5)] {
        see(&mut memory, host, METRICS[3], now);
    }
    let both = memory.used();
    expire_all(&mut memory, 6, 3);
    assert!(metrics_of(&memory, b"a", ByLength::default()).is_none());
    assert_eq!(
        contents(&memory)[&b"b"[..]].metrics,
        BTreeMap::from([(owned(METRICS[3]), (rejected(b"b", METRICS[3]), 5))])
    );
    see(&mut memory, b"a", METRICS[3], 6);
    assert!(memory.used() < both + 64 && memory.hosts.len() == 2, "the host's number is used again");
}

#[test]
fn a_full_table_refuses_newcomers_and_serves_who_is_there() {
    let mut memory = Memory::new(130_000);
    let (mut known, mut refused) = (Vec::new(), 0);
    // Of some, tables would have to grow for which there is no room, of others not.
    for host in 0.. {
        let name = format!("host{host}").into_bytes();
        if see(&mut memory, &name, METRICS[0], 1).1 {
            known.push(name);
        } else {
            refused += 1;
        }
        if refused == 2000 {
            break;
        }
    }
    assert!(known.len() > 10);
    for name in &known {
        assert_eq!(see(&mut memory, name, METRICS[0], 2), (memory.find_host(name, 2), true));
    }
    assert!(!see(&mut memory, b"a newcomer with a name too long for what is left", METRICS[3], 2).1);
    expire_all(&mut memory, 2, 0);
    assert_eq!(
        known.iter().filter(|name| metrics_of(&memory, name, ByLength::default()).is_some()).count(),
        known.len()
    );
}

/// Who had many metrics once and has few now must not hold on to memory that is no longer in `used`.
#[test]
fn what_is_forgotten_gives_its_memory_back() {
    let mut memory = Memory::new(usize::MAX);
    let id = memory.add_host(b"a", &[Share::new(0)], 1).unwrap();
    for metric in 0..MOST_METRICS {
        assert!(add_numbered(&mut memory, id, metric, if metric == 7 { 2 } else { 1 }));
    }
    expire_all(&mut memory, 2, 0);
    assert_eq!(memory.metrics(), 1);
    let host = memory.host(id).unwrap();
    assert!(host.metrics.size() < 1000, "{}", host.metrics.size());
    let hash = hash_of(&memory, [b"p", b"7", b"t", b""]);
    assert_eq!(find(&mut memory, id, hash, [b"p", b"7", b"t", b""], 3), Some(false));
}

/// A reader of a host that has many metrics comes by several times; meanwhile some go, and their numbers get other names.
#[test]
fn a_host_of_many_metrics_is_read_in_pieces() {
    let mut memory = Memory::new(usize::MAX);
    let id = memory.add_host(b"a", &[Share::new(0)], 1).unwrap();
    for metric in 0..MOST_METRICS {
        assert!(add_numbered(&mut memory, id, metric, if metric % 2 == 0 { 2 } else { 1 }));
    }
    let (mut seen, mut unread, mut pieces) = (BTreeSet::new(), Unread::default(), 0);
    let mut judge = ByLength::default();
    memory.visit_metrics(b"a", &mut judge, &mut unread, |_| unreachable!("there are many"));
    while !unread.is_empty() {
        let mut of_piece = 0;
        memory.visit_unread(b"a", &mut judge, &mut unread, |metric| {
            of_piece += 1;
            assert!(seen.insert(metric.name.parts().map(<[u8]>::to_vec).collect::<Vec<_>>()));
        });
        assert!(of_piece <= Unread::budget(), "{of_piece}");
        pieces += 1;
        if pieces == 2 {
            expire_all(&mut memory, 2, 0);
            let other = memory.add_host(b"b", &[Share::new(0)], 2).unwrap();
            (0..MOST_METRICS)
                .for_each(|new| assert!(add_numbered(&mut memory, other, new + MOST_METRICS, 2)));
        }
    }
    assert!(pieces > 4, "{pieces}");
    let stay = (0..MOST_METRICS).step_by(2).map(|metric| numbered(metric).to_vec());
    assert!(stay.into_iter().all(|name| seen.contains(&name)));
    let last = MOST_METRICS.to_string().into_bytes();
    assert!(seen.iter().all(|name| name[1].len() < last.len() || name[1] < last), "none of the other host");
}

/// A host is visited whole under the lock: whoever sends endless names of one must not hold up the lane by that.
#[test]
fn of_one_host_so_many_metrics_are_remembered_and_no_more() {
    let mut memory = Memory::new(usize::MAX);
    let id = memory.add_host(b"a", &[Share::new(0)], 1).unwrap();
    let added = (0..MOST_METRICS + 100).filter(|&metric| add_numbered(&mut memory, id, metric, 1)).count();
    assert_eq!((added, memory.metrics()), (MOST_METRICS, MOST_METRICS));
    let used = memory.used();
    assert!(!add_numbered(&mut memory, id, MOST_METRICS, 1));
    assert_eq!(memory.used(), used, "what is not remembered takes no memory");
    let other = memory.add_host(b"b", &[Share::new(0)], 1).unwrap();
    assert!(add_numbered(&mut memory, other, MOST_METRICS, 1));
    expire_all(&mut memory, 3, 1);
    assert_eq!((memory.metrics(), memory.hosts()), (0, 0));
    assert!(memory.used() < empty() + DEAREST, "{}", memory.used());
}

fn numbered(metric: usize) -> [Vec<u8>; 4] {
    [b"p".to_vec(), metric.to_string().into(), b"t".to_vec(), Vec::new()]
}

fn add_numbered(memory: &mut Memory, host: HostId, metric: usize, now: u32) -> bool {
    let name = numbered(metric);
    let parts = name.each_ref().map(Vec::as_slice);
    let hash = hash_of(memory, parts);
    memory.add_metric(host, hash, parts, now, false).is_some()
}

/// A host and the parts of a metric's name, made of a number.
type Kind = fn(&[u8]) -> (Vec<u8>, [&[u8]; 4]);

/// The bound is on what is held, tables that were needed once included; and these go when what was in them goes.
#[test]
fn what_has_been_needed_by_one_kind_of_names_is_there_for_the_next() {
    const LIMIT: usize = 8 << 20;
    let mut memory = Memory::new(LIMIT);
    let numbered = |number: usize| format!("{number:016x}").into_bytes();
    let kinds: [Kind; 3] = [
        |name| (name.to_vec(), [b"p", b"", b"t", b""]),
        |name| (name[..13].to_vec(), [b"p", b"", b"t", name]),
        |name| (name.to_vec(), [b"p", name, b"t", b""]),
    ];
    for (kind, now) in kinds.iter().cycle().zip(1..10) {
        let mut number = now as usize * 1_000_000;
        // Until it is full.
        let remembered = loop {
            let name = numbered(number);
            let (host, parts) = kind(&name);
            if !see(&mut memory, &host, parts, now).1 {
                break memory.metrics();
            }
            assert!(memory.used() <= LIMIT);
            number += 1;
        };
        assert!(remembered > LIMIT / 800, "{remembered} of kind {now}");
        expire_all(&mut memory, now + 2, 1);
        assert_eq!((memory.hosts(), memory.metrics()), (0, 0));
        assert!(memory.used() < empty() + DEAREST, "{} are held by nothing", memory.used());
    }
}

/// Its clock was ten years ahead once, and has been put right.
#[test]
fn what_was_seen_in_the_future_is_silent_from_now_on() {
    const NOW: u32 = 1_795_000_000;
    for ahead in [1, 60, 400 * 86_400, 3650 * 86_400, 12_000 * 86_400] {
        let mut memory = Memory::new(1 << 20);
        see(&mut memory, b"a", METRICS[0], NOW.saturating_add(ahead));
        see(&mut memory, b"b", METRICS[1], NOW);
        let seen =
            |memory: &Memory| metrics_of(memory, b"a", ByLength::default()).unwrap()[&owned(METRICS[0])].1;
        assert_eq!(seen(&memory), NOW, "no later than now");
        expire_all(&mut memory, NOW, 10);
        expire_all(&mut memory, NOW + 10, 10);
        assert_eq!((memory.hosts(), seen(&memory)), (2, NOW), "{ahead}");
        expire_all(&mut memory, NOW + 11, 10);
        assert_eq!((memory.hosts(), memory.metrics()), (0, 0), "{ahead}");
    }
}

/// Looks at many targets for each host.
#[derive(Default)]
struct Slow {
    by: ByLength,
    asked: std::cell::Cell<usize>,
}

const COST: usize = 300;

impl Judge for Slow {
    fn version(&self) -> Version {
        self.by.version
    }

    fn shares(&self, host: &[u8]) -> Shares {
        self.asked.set(self.asked.get() + 1);
        self.by.shares(host)
    }

    fn cost_of_shares(&self, _: &[u8]) -> usize {
        COST
    }

    fn rejects(&mut self, host: &[u8], metric: &Name) -> bool {
        self.by.rejects(host, metric)
    }
}

#[test]
fn whoever_decides_anew_on_shares_lets_the_lane_go_on_in_time() {
    const NUMBER: usize = 1000;
    let mut memory = Memory::new(1 << 24);
    for host in 0..NUMBER {
        let (_, is_remembered) = see(&mut memory, format!("host{host}").as_bytes(), METRICS[0], 1);
        assert!(is_remembered);
    }
    let mut judge = Slow::default();
    let walk = |memory: &mut Memory, judge: &mut Slow, piece: fn(&mut Memory, HostId, &mut Slow) -> _| {
        let (mut next, mut asked) = (Some(0), 0);
        while let Some(from) = next {
            judge.asked.set(0);
            next = piece(memory, from, judge);
            assert!(judge.asked.get() <= VISITED_AT_ONCE / COST + 1, "{}", judge.asked.get());
            asked += judge.asked.get();
        }
        asked
    };
    let visit = |memory: &mut Memory, from, judge: &mut Slow| memory.visit_hosts(from, judge, |_| {});
    let count =
        |memory: &mut Memory, from, judge: &mut Slow| memory.count_accepted(from, judge, |_, _, _| {});
    let renew = |memory: &mut Memory, from, judge: &mut Slow| memory.renew_some(from, judge);
    assert_eq!(walk(&mut memory, &mut judge, visit), 0, "they are known");
    judge.by.version.verdicts += 1;
    assert_eq!(walk(&mut memory, &mut judge, renew), 0, "only verdicts have changed");
    judge.by.version.shares += 1;
    for piece in [visit, count, renew] {
        assert_eq!(walk(&mut memory, &mut judge, piece), NUMBER);
    }
    assert_eq!(walk(&mut memory, &mut judge, count), 0, "they are known again");
}

#[test]
fn to_count_what_is_sent_of_a_host_costs_its_verdicts_if_they_are_old() {
    let mut memory = Memory::new(1 << 20);
    METRICS.iter().for_each(|&parts| assert!(see(&mut memory, b"a", parts, 1).1));
    let mut judge = ByLength::default();
    assert_eq!(memory.accepted_of(b"a", &mut judge).1, 1);
    judge.version.shares += 1;
    assert_eq!(memory.accepted_of(b"a", &mut judge).1, 1);
    judge.version.verdicts += 1;
    assert_eq!(memory.accepted_of(b"a", &mut judge).1, 1 + renew::VERDICT_COST * METRICS.len());
    assert_eq!(memory.accepted_of(b"b", &mut judge), (None, 1));
}

proptest! {
    /// However names come and go, and take each other's numbers.
    #[test]
    fn who_is_expected_is_who_has_come(
        steps in vec((0..METRICS.len(), 1_u32..4, any::<bool>(), 0_u8..12), 1..200),
    ) {
        let mut memory = Memory::new(1 << 20);
        let (mut model, mut last, mut now) = (BTreeMap::new(), None::<Parts>, 100);
        for (metric, later, goes_on, expires) in steps {
            now += later;
            if expires == 0 {
                expire_all(&mut memory, now, 6);
                model.retain(|_, seen| now - *seen <= 6);
            }
            // As in a run of value lists, which no expiry interrupts.
            let before = last.take().filter(|_| goes_on && expires > 0);
            let parts = METRICS[metric];
            let host = memory.find_host(b"a", now).or_else(|| memory.add_host(b"a", &[], now)).unwrap();
            let unchanged = before.map_or(0, |before| alike(before, parts));
            if see_next(&mut memory, host, parts, unchanged, now).is_some() {
                last = Some(parts);
            } else {
                let hash = hash_of(&memory, parts);
                let name = memory.find_name(hash, parts);
                if name.and_then(|name| memory.see_unexpected(host, name, now)).is_some() {
                    last = Some(parts);
                } else {
                    let name = memory.add_metric(host, hash, parts, now, false).unwrap();
                    memory.learn_order(host, name);
                }
            }
            model.insert(owned(parts), now);
            let seen: BTreeMap<_, _> = metrics_of(&memory, b"a", ByLength::default())
                .unwrap()
                .into_iter()
                .map(|(parts, (_, seen))| (parts, seen))
                .collect();
            prop_assert_eq!(&seen, &model);
        }
    }
}

/// As the filter sees a metric of which so many parts are those of the last one.
fn see_next(memory: &mut Memory, host: HostId, parts: Parts, unchanged: usize, now: u32) -> Option<bool> {
    let length = parts.iter().map(|part| part.len()).sum();
    if unchanged == 3 {
        memory.see_sibling(host, length, parts[3], now)
    } else {
        memory.see_expected(host, parts, unchanged, now)
    }
}

/// How many of their first parts are equal, but for the last.
fn alike(one: Parts, other: Parts) -> usize {
    one.iter().zip(&other).take(3).take_while(|(one, other)| one == other).count()
}

#[test]
fn in_an_order_that_is_known_only_changed_parts_are_compared() {
    let mut memory = Memory::new(1 << 20);
    let host = memory.add_host(b"a", &[], 1).unwrap();
    for now in 1..4 {
        let mut last = None;
        for parts in METRICS {
            let unchanged = last.map_or(0, |last| alike(last, parts));
            let expected = see_next(&mut memory, host, parts, unchanged, now);
            assert_eq!(expected.is_some(), now == 3 || now == 2 && parts != METRICS[0]);
            if expected.is_none() {
                let hash = hash_of(&memory, parts);
                let known = memory.find_name(hash, parts);
                let name = known.or_else(|| memory.add_metric(host, hash, parts, now, false)).unwrap();
                memory.see_unexpected(host, name, now).unwrap();
            }
            last = Some(parts);
        }
    }
    // Whose first part is not that of the one before can't follow where it is said to be.
    assert_eq!(memory.see_expected(host, METRICS[0], 1, 4), None);
    assert_eq!(memory.see_expected(host, METRICS[0], 0, 4), Some(false));
}
