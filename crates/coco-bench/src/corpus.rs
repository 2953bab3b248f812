//! Datagrams to send, and what a sharder should make of them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::Path;

use coco_core::value_kind::ValueKind;
use coco_core::value_list::{IdentifierRef, Interval, Time, Value, ValueListRef, ValuesRef};
use coco_core::wire::{Decoder, Event, PacketBuilder};
use regex::bytes::Regex;

use crate::error::{Doing, Error};
use crate::metrics::{self, Metric, Random};

/// The sample configuration's blacklist. It refuses 8 of the 133 metrics of a host.
pub(crate) const BLACKLIST: &str = "/(vmem|irq|entropy|users)/";

/// collectd's default MaxPacketSize, which collectd-tg fills.
const PACKET: usize = 1452;

/// 2026-11-21, some time or other; and ten seconds. Both in units of 2^-30 s.
const START: u64 = 1_795_290_000 << 30;
const INTERVAL: u64 = 10 << 30;

/// How value lists are put into datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// One host a datagram, as real agents send.
    Agents,
    /// Hosts share datagrams, as collectd-tg and aggregators send.
    Mixed,
    /// One host a datagram, and no two hosts have a metric of the same name.
    Unique,
}

/// Datagrams in the order in which they are sent.
#[derive(Debug)]
pub(crate) struct Corpus {
    bytes: Vec<u8>,
    datagrams: Vec<Datagram>,
}

#[derive(Debug)]
struct Datagram {
    bytes: Range<usize>,
    content: Content,
}

/// What datagrams hold, in value lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// All of them: what a relay delivers to every tier.
    pub(crate) value_lists: u64,
    /// Those that [`BLACKLIST`] lets through: what Coco delivers to every tier.
    pub(crate) accepted: u64,
}

impl std::ops::AddAssign for Content {
    fn add_assign(&mut self, other: Self) {
        self.value_lists += other.value_lists;
        self.accepted += other.accepted;
    }
}

impl Corpus {
    /// Every metric of `hosts` hosts once.
    pub(crate) fn generate(kind: Kind, hosts: usize) -> Result<Self, Error> {
        Self::generate_some(kind, hosts, usize::MAX)
    }

    /// The first so many metrics of `hosts` hosts once.
    pub(crate) fn generate_some(kind: Kind, hosts: usize, metrics: usize) -> Result<Self, Error> {
        let random = &mut Random(7);
        let metrics: Vec<Metric> = metrics::of_one_host().into_iter().take(metrics).collect();
        let names: Vec<String> = (0..hosts).map(|h| format!("host{h:05}.dc{}.example.org", h % 4)).collect();
        let mut builder = PacketBuilder::new(PACKET);
        match kind {
            Kind::Agents | Kind::Unique => {
                for (number, host) in names.iter().enumerate() {
                    let time = START + random.below(INTERVAL);
                    for metric in &metrics {
                        let mut metric = metric.clone();
                        if kind == Kind::Unique {
                            metric.type_instance.push_str(&format!("-{number:05}"));
                        }
                        push(&mut builder, random, host, time, &metric);
                    }
                    builder.close();
                }
            }
            Kind::Mixed => {
                let mut order: Vec<_> =
                    names.iter().flat_map(|host| metrics.iter().map(move |metric| (host, metric))).collect();
                random.shuffle(&mut order);
                for (i, (host, metric)) in order.into_iter().enumerate() {
                    push(&mut builder, random, host, START + i as u64 * 50_000, metric);
                }
                builder.close();
            }
        }
        Self::of_packets(&builder)
    }

    /// Names that nobody has seen before, each of a host of its own.
    pub(crate) fn flood(value_lists: usize, seed: u64) -> Result<Self, Error> {
        let random = &mut Random(seed);
        let mut builder = PacketBuilder::new(PACKET);
        for _ in 0..value_lists {
            let metric = Metric {
                plugin: "flood",
                plugin_instance: format!("{:016x}", random.next()),
                type_name: "gauge",
                type_instance: String::new(),
                kind: ValueKind::Gauge,
                values: 1,
            };
            let host = format!("{:016x}.example.org", random.next());
            push(&mut builder, random, &host, START, &metric);
        }
        builder.close();
        Self::of_packets(&builder)
    }

    fn of_packets(builder: &PacketBuilder) -> Result<Self, Error> {
        let mut corpus = Self { bytes: Vec::new(), datagrams: Vec::new() };
        let blacklist = Regex::new(BLACKLIST).expect("the constant is a regular expression");
        for (_, packet) in builder.packets() {
            corpus.add(packet, &blacklist)?;
        }
        Ok(corpus)
    }

    /// What a file of [`write`](Self::write) holds.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let file = std::fs::read(path).doing(|| format!("read {}", path.display()))?;
        let mut corpus = Self { bytes: Vec::with_capacity(file.len()), datagrams: Vec::new() };
        let blacklist = Regex::new(BLACKLIST).expect("the constant is a regular expression");
        let mut left = file.as_slice();
        while let Some((&length, rest)) = left.split_first_chunk() {
            let Some((datagram, rest)) = rest.split_at_checked(usize::from(u16::from_be_bytes(length)))
            else {
                return Err(Error::Meaningless(format!("{} ends within a datagram", path.display())));
            };
            corpus.add(datagram, &blacklist)?;
            left = rest;
        }
        if corpus.datagrams.is_empty() {
            return Err(Error::Meaningless(format!("{} holds no datagram", path.display())));
        }
        Ok(corpus)
    }

    /// Writes every datagram behind its length, two bytes, big-endian.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        let write = || {
            let mut file = BufWriter::new(File::create(path)?);
            for number in 0..self.len() {
                let bytes = self.datagram(number);
                file.write_all(&(bytes.len() as u16).to_be_bytes())?;
                file.write_all(bytes)?;
            }
            file.flush()
        };
        write().doing(|| format!("write {}", path.display()))
    }

    fn add(&mut self, datagram: &[u8], blacklist: &Regex) -> Result<(), Error> {
        let mut content = Content::default();
        let mut path = Vec::new();
        for event in Decoder::new(datagram) {
            let Ok(Event::ValueList(spans)) = event else {
                return Err(Error::Meaningless(format!("a corpus of more than value lists: {event:?}")));
            };
            path.clear();
            spans.of(datagram).identifier.write_path(&mut path);
            content += Content { value_lists: 1, accepted: u64::from(!blacklist.is_match(&path)) };
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(datagram);
        self.datagrams.push(Datagram { bytes: start..self.bytes.len(), content });
        Ok(())
    }

    /// How many datagrams there are.
    pub(crate) fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Bytes of all datagrams.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of one datagram; behind the last one comes the first one again.
    pub(crate) fn datagram(&self, number: usize) -> &[u8] {
        &self.bytes[self.datagrams[number % self.len()].bytes.clone()]
    }

    /// What the datagrams of these numbers hold.
    pub(crate) fn content(&self, numbers: Range<u64>) -> Content {
        let sum = |range: Range<usize>| {
            let mut sum = Content::default();
            self.datagrams[range].iter().for_each(|datagram| sum += datagram.content);
            sum
        };
        let before = |number: u64| {
            let (passes, rest) = (number / self.len() as u64, number as usize % self.len());
            let (pass, rest) = (sum(0..self.len()), sum(0..rest));
            [(pass.value_lists, rest.value_lists), (pass.accepted, rest.accepted)]
                .map(|(pass, rest)| passes * pass + rest)
        };
        let ([from_all, from_accepted], [to_all, to_accepted]) = (before(numbers.start), before(numbers.end));
        Content { value_lists: to_all - from_all, accepted: to_accepted - from_accepted }
    }
}

fn push(builder: &mut PacketBuilder, random: &mut Random, host: &str, time: u64, metric: &Metric) {
    let mut bytes = vec![metric.kind as u8; metric.values];
    for _ in 0..metric.values {
        let value = match metric.kind {
            ValueKind::Gauge => Value::Gauge(random.below(100_000_000) as f64 / 1e6),
            _ => Value::Derive(random.below(1 << 40) as i64),
        };
        bytes.extend_from_slice(&value.to_wire());
    }
    builder.push(&ValueListRef {
        identifier: IdentifierRef {
            host: host.as_bytes(),
            plugin: metric.plugin.as_bytes(),
            plugin_instance: metric.plugin_instance.as_bytes(),
            type_name: metric.type_name.as_bytes(),
            type_instance: metric.type_instance.as_bytes(),
        },
        time: Time::HighResolution(time),
        interval: Interval::HighResolution(INTERVAL),
        values: ValuesRef::new(&bytes).expect("one kind and eight bytes a value"),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn hosts(datagram: &[u8]) -> HashSet<Vec<u8>> {
        value_lists(datagram).map(|path| path.split(|&byte| byte == b'/').next().unwrap().to_vec()).collect()
    }

    fn value_lists(datagram: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        Decoder::new(datagram).map(move |event| match event {
            Ok(Event::ValueList(spans)) => {
                let mut path = Vec::new();
                spans.of(datagram).identifier.write_path(&mut path);
                path
            }
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn every_kind_holds_each_metric_of_each_host_once() {
        for kind in [Kind::Agents, Kind::Mixed, Kind::Unique] {
            let corpus = Corpus::generate(kind, 30).unwrap();
            let all: Vec<_> = (0..corpus.len()).flat_map(|n| value_lists(corpus.datagram(n))).collect();
            assert_eq!(all.len(), 30 * 133, "{kind:?}");
            assert_eq!(all.iter().collect::<HashSet<_>>().len(), 30 * 133, "{kind:?}");
            let content = corpus.content(0..corpus.len() as u64);
            assert_eq!(content, Content { value_lists: 30 * 133, accepted: 30 * 125 }, "{kind:?}");
            assert!((0..corpus.len()).all(|n| corpus.datagram(n).len() <= PACKET), "{kind:?}");
        }
    }

    #[test]
    fn agents_send_of_one_host_and_mixed_datagrams_are_shared() {
        let agents = Corpus::generate(Kind::Agents, 20).unwrap();
        assert!((0..agents.len()).all(|n| hosts(agents.datagram(n)).len() == 1));
        let mixed = Corpus::generate(Kind::Mixed, 20).unwrap();
        // The last one may be all but empty.
        assert!((0..mixed.len() - 1).all(|n| hosts(mixed.datagram(n)).len() > 1));
    }

    #[test]
    fn unique_names_are_shared_by_no_two_hosts() {
        let corpus = Corpus::generate(Kind::Unique, 5).unwrap();
        let names: HashSet<Vec<u8>> = (0..corpus.len())
            .flat_map(|n| value_lists(corpus.datagram(n)))
            .map(|path| path.splitn(2, |&byte| byte == b'/').nth(1).unwrap().to_vec())
            .collect();
        assert_eq!(names.len(), 5 * 133);
    }

    #[test]
    fn a_flood_repeats_nothing() {
        let (one, other) = (Corpus::flood(300, 1).unwrap(), Corpus::flood(300, 2).unwrap());
        let all =
            [&one, &other].into_iter().flat_map(|c| (0..c.len()).flat_map(|n| value_lists(c.datagram(n))));
        assert_eq!(all.collect::<HashSet<_>>().len(), 600);
    }

    #[test]
    fn content_is_counted_over_several_passes() {
        let corpus = Corpus::generate(Kind::Agents, 3).unwrap();
        let pass = corpus.len() as u64;
        let one_by_one = |numbers: Range<u64>| {
            let mut sum = Content::default();
            numbers.for_each(|n| sum += corpus.datagrams[(n % pass) as usize].content);
            sum
        };
        for numbers in [0..0, 0..1, 1..pass, 2..3 * pass + 2, pass..2 * pass] {
            assert_eq!(corpus.content(numbers.clone()), one_by_one(numbers));
        }
    }

    #[test]
    fn a_file_gives_back_what_was_written() {
        let corpus = Corpus::generate(Kind::Mixed, 2).unwrap();
        let path = std::env::temp_dir().join(format!("coco-bench-test-{}.corpus", std::process::id()));
        corpus.write(&path).unwrap();
        let read = Corpus::read(&path).unwrap();
        std::fs::write(&path, [0, 200, 1]).unwrap();
        let cut = Corpus::read(&path);
        std::fs::remove_file(&path).unwrap();
        assert_eq!((&read.bytes, read.len()), (&corpus.bytes, corpus.len()));
        assert!(cut.unwrap_err().to_string().ends_with("ends within a datagram"));
    }
}
