//! Datagrams that nobody sends in earnest: as dense, as varied or as empty as the protocol allows.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::error::{Doing, Error};
use crate::socket;

/// The largest that UDP over IPv4 carries.
pub(crate) const LARGEST: usize = 65_507;

/// Large enough for 1,638 names of [`Kind::SharedNames`].
pub(crate) const LARGE: usize = 60_000;

/// Metrics of a host that Coco remembers, in ten datagrams.
const SHARED_NAMES: u64 = 16_380;
const DATAGRAMS_OF_A_HOST: u64 = 10;

/// 2023-11-14; any time will do.
const TIME: u64 = 1_700_000_000;

/// What the datagrams hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One metric of one host over and over: 15 bytes a value list.
    Dense,
    /// A host of one letter before each value: 21 bytes, and no datagram goes on whole.
    Alternating,
    /// Short hosts, all other names of 126 bytes: what is small here leaves large.
    LongNames,
    /// Value lists without values.
    Empty,
    /// Parts that nobody knows.
    Unknown,
    /// New hosts, one metric each.
    Hosts,
    /// New hosts, each with all the metrics that are remembered of one, of the same names.
    SharedNames,
    /// New hosts, with metrics of new names.
    FreshNames,
    /// New hosts of long names.
    LongHosts,
}

/// Makes datagrams of a kind; no two generators of different seeds make the same new names.
pub(crate) struct Generator {
    kind: Kind,
    size: usize,
    seed: u64,
    made: u64,
    names: u64,
    bytes: Vec<u8>,
}

impl Generator {
    pub(crate) fn new(kind: Kind, size: usize, seed: u64) -> Self {
        Self { kind, size, seed, made: 0, names: 0, bytes: Vec::with_capacity(size) }
    }

    /// The next datagram.
    pub(crate) fn next(&mut self) -> &[u8] {
        let changes =
            matches!(self.kind, Kind::Hosts | Kind::SharedNames | Kind::FreshNames | Kind::LongHosts);
        if changes || self.made == 0 {
            self.bytes.clear();
            self.fill();
        }
        self.made += 1;
        &self.bytes
    }

    fn fill(&mut self) {
        match self.kind {
            Kind::Unknown => {
                while self.bytes.len() + 4 <= self.size {
                    self.bytes.extend([0x77, 0x77, 0, 4]);
                }
            }
            Kind::LongNames => {
                let long = "z".repeat(126);
                self.number(1, TIME);
                (2..=5).for_each(|name| self.name(name, &long));
                self.each(22, |this, place| this.name(0, &letters(place)));
            }
            Kind::SharedNames => self.fill_with_shared_names(),
            Kind::Dense => self.each(15, |_, _| {}),
            Kind::Empty => {
                self.begin();
                while self.bytes.len() + 6 <= self.size {
                    self.bytes.extend([0, 6, 0, 6, 0, 0]);
                }
            }
            Kind::Alternating => self.each(22, |this, place| this.name(0, &letters(place % 26))),
            Kind::Hosts => self.each(48, |this, _| {
                let host = format!("h{}", this.new_name());
                this.name(0, &host);
            }),
            Kind::FreshNames => self.each(90, |this, _| {
                let (host, instance) = (format!("h{}", this.new_name()), format!("i{}", this.new_name()));
                this.name(0, &host);
                this.name(5, &instance);
            }),
            Kind::LongHosts => self.each(160, |this, _| {
                let host = format!("{}{}", "l".repeat(100), this.new_name());
                this.name(0, &host);
            }),
        }
    }

    fn fill_with_shared_names(&mut self) {
        let of_a_datagram = SHARED_NAMES / DATAGRAMS_OF_A_HOST;
        let [host, part] = [self.made / DATAGRAMS_OF_A_HOST, self.made % DATAGRAMS_OF_A_HOST];
        self.name(0, &format!("s{}-{host:05}", self.seed));
        self.begin();
        for number in part * of_a_datagram..(part + 1) * of_a_datagram {
            self.name(5, &format!("{number:x}"));
            self.value();
        }
    }

    /// As many value lists as fit, of at most so many bytes, behind what `names` writes.
    fn each(&mut self, most: usize, names: impl Fn(&mut Self, u64)) {
        if self.bytes.is_empty() {
            self.name(0, "d");
            self.begin();
        }
        let mut place = 0;
        while self.bytes.len() + most <= self.size {
            names(self, place);
            self.value();
            place += 1;
        }
    }

    fn begin(&mut self) {
        self.number(1, TIME);
        self.name(2, "p");
        self.name(4, "t");
    }

    /// A name of sixteen digits that has not been there.
    fn new_name(&mut self) -> String {
        self.names += 1;
        // Odd, so that no two numbers of 40 bits become one; and names have no common beginning.
        let spread = ((self.seed << 40) | self.names).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("{spread:016x}")
    }

    fn name(&mut self, kind: u16, name: &str) {
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend((name.len() as u16 + 5).to_be_bytes());
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
    }

    fn number(&mut self, kind: u16, number: u64) {
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend(12_u16.to_be_bytes());
        self.bytes.extend(number.to_be_bytes());
    }

    /// One gauge.
    fn value(&mut self) {
        self.bytes.extend([0, 6, 0, 15, 0, 1, 1]);
        self.bytes.extend(1_f64.to_le_bytes());
    }
}

/// `a`, `b`, ..., `ba`, ...: two letters at most.
fn letters(number: u64) -> String {
    let letter = |number: u64| char::from(b'a' + (number % 26) as u8);
    if number < 26 {
        letter(number).to_string()
    } else {
        [letter(number / 26), letter(number)].iter().collect()
    }
}

/// A flood, bounded in count and in time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flood {
    pub(crate) kind: Kind,
    pub(crate) size: usize,
    pub(crate) pause: Duration,
    pub(crate) datagrams: u64,
    pub(crate) time: Duration,
    pub(crate) seed: u64,
}

impl Flood {
    /// Sends it, and says how many datagrams the kernel took.
    pub(crate) fn send(&self, target: SocketAddr) -> Result<u64, Error> {
        let out = socket::connect(target).doing(|| format!("send to {target}"))?;
        let mut generator = Generator::new(self.kind, self.size, self.seed);
        let start = Instant::now();
        let mut sent = 0;
        for _ in 0..self.datagrams {
            if start.elapsed() >= self.time {
                break;
            }
            // Who no longer takes anything is found out by those who look.
            sent += u64::from(out.send(generator.next()).is_ok());
            if !self.pause.is_zero() {
                std::thread::sleep(self.pause);
            }
        }
        Ok(sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coco_core::wire::{Decoder, Event};
    use std::collections::HashSet;

    fn value_lists(kind: Kind, size: usize) -> (usize, HashSet<Vec<u8>>) {
        let mut generator = Generator::new(kind, size, 7);
        let (mut count, mut names) = (0, HashSet::new());
        for _ in 0..11 {
            let datagram = generator.next();
            assert!(datagram.len() <= size, "{kind:?}: {}", datagram.len());
            for event in Decoder::new(datagram) {
                let Event::ValueList(list) = event.unwrap_or_else(|error| panic!("{kind:?}: {error:?}"))
                else {
                    continue;
                };
                let identifier = list.of(datagram).identifier;
                names.insert([identifier.host, identifier.type_instance].join(&b'/'));
                count += 1;
            }
        }
        (count, names)
    }

    #[test]
    fn every_kind_is_what_collectd_would_read() {
        for (kind, least, different) in [
            (Kind::Dense, 11 * 4_300, 1),
            (Kind::Alternating, 11 * 2_900, 26),
            (Kind::LongNames, 11 * 2_800, 26 + 26 * 26),
        ] {
            let (count, names) = value_lists(kind, LARGEST);
            assert!(count >= least, "{kind:?}: {count}");
            assert_eq!(names.len(), different, "{kind:?}");
        }
        assert_eq!(value_lists(Kind::Unknown, LARGEST).0, 0);
        for kind in [Kind::Hosts, Kind::FreshNames, Kind::LongHosts, Kind::SharedNames] {
            let (count, names) = value_lists(kind, LARGE);
            assert!(count >= 11 * 300, "{kind:?}: {count}");
            assert_eq!(names.len(), count, "{kind:?}");
        }
    }
}
