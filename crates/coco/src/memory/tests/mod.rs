//! The tables, question by question, and what the answers have in common: names, a judge, what the filter does with a
//! value list.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

mod bounds;
mod forgetting;
mod model;
mod order;
mod reading;
mod renewing;

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

    fn is_unsettled(&self, shares: &[Share]) -> bool {
        shares.iter().any(|share| share.number().is_multiple_of(3))
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
    let id = known.or_else(|| memory.add_host(host, &judge.shares(host), &judge, now));
    let Some(id) = id else { return (None, false) };
    let shares = judge.shares(host);
    let marks = Marks::new(is_renamed(host), judge.is_unsettled(&shares));
    assert_eq!(memory.shares(id), (shares.as_slice(), marks));
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

fn numbered(metric: usize) -> [Vec<u8>; 4] {
    [b"p".to_vec(), metric.to_string().into(), b"t".to_vec(), Vec::new()]
}

fn add_numbered(memory: &mut Memory, host: HostId, metric: usize, now: u32) -> bool {
    let name = numbered(metric);
    let parts = name.each_ref().map(Vec::as_slice);
    let hash = hash_of(memory, parts);
    memory.add_metric(host, hash, parts, now, false).is_some()
}

/// A guess goes by a few bits of the hash: that of a host that is not there is another one now and then.
#[test]
fn a_host_that_was_guessed_is_found_by_its_name_alone() {
    let mut memory = Memory::new(1 << 26);
    let name = |number: u32| format!("host{number:08}").into_bytes();
    let hosts: Vec<_> = (0..5_000)
        .map(|number| memory.add_host(&name(number), &[], &ByLength::default(), 1).unwrap())
        .collect();
    for (number, &id) in (0..).zip(&hosts) {
        assert_eq!(memory.find_host(&name(number), 2), Some(id));
    }
    let mut guessed = 0;
    for absent in (5_000..25_000).map(name) {
        if let Some(other) = memory.guess_host(memory.hash(&absent), absent.len()) {
            guessed += 1;
            assert_eq!(memory.find_guessed(other, &absent, 2), None);
        }
    }
    assert!(guessed > 0, "nobody was taken for another");
}
