//! A fleet whose hosts are on their way: Cocos and Noodles that reload one by one, real storage nodes, and one more collectd
//! that is sent the same, as the truth.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use coco_core::placement::migration::{Move, Stage};
use coco_core::tier::Tiers;
use coco_harness::coco::Coco;
use coco_harness::csv;
use coco_harness::noodle::Noodle;
use coco_harness::wait::{PATIENCE, wait_until};
use coco_harness::{curl, traffic};
use rrd::compare::{Strictness, compare};

use crate::change::{Size, Step, chosen_hosts, text, tiers, writers};
use crate::load::{Load, Source, TYPES, gauge, now};
use crate::mover::Mover;
use crate::node::{Kind, Node, files, read};

/// Seconds that have been when all begins: more than the longest rows have.
const PAST: i64 = 20;

/// Files that lack rows up to a second.
struct Left<'f> {
    second: i64,
    of: RefCell<Vec<(&'f Node, &'f str)>>,
}

impl fmt::Display for Left<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "all rows up to {} in files of", self.second)?;
        let of = self.of.borrow();
        of.iter().try_for_each(|(node, host)| {
            write!(f, " {} at {} (up to {:?})", host, node.name, node.last(host, "walk/gauge"))
        })
    }
}

/// Who reloads first.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum First {
    Noodles,
    Cocos,
}

pub(crate) struct Fleet {
    pub(crate) size: Size,
    pub(crate) nodes: Vec<Node>,
    truth: Node,
    cocos: Vec<Coco>,
    noodles: Vec<Noodle>,
    pub(crate) source: Arc<Source>,
    load: Option<Load>,
    pub(crate) mover: Mover,
    /// The second before the first.
    start: i64,
    /// Of each Coco.
    steps: Vec<Step>,
    /// Series that were read and were right.
    pub(crate) reads: usize,
}

impl Fleet {
    pub(crate) fn start(size: Size) -> Self {
        let kind = |number: usize| size.kinds[number % size.kinds.len()];
        let count = size.former + size.new - 1;
        let nodes: Vec<_> =
            (0..count).map(|number| Node::start(&format!("s{number}"), kind(number))).collect();
        let truth = Node::start("truth", Kind::AtOnce);
        let text = text(size, &nodes, Step::Before);
        let cocos: Vec<_> = (0..size.cocos).map(|_| Coco::start(&text)).collect();
        let noodles = (0..size.noodles).map(|_| Noodle::start(&text)).collect();
        let start = now() - PAST;
        let source = Arc::new(Source {
            hosts: chosen_hosts(size, &nodes),
            cocos: cocos.iter().map(|coco| traffic::sender(coco.listen)).collect(),
            truth: traffic::sender(truth.storage.address),
            second: AtomicI64::new(start),
        });
        let apis: Vec<_> = cocos.iter().map(|coco| coco.api.to_string()).collect();
        let known: Vec<_> =
            nodes.iter().map(|node| (node.storage.address.to_string(), node.name.clone())).collect();
        let mover = Mover::new(size.cache_time, &apis, &known);
        for node in &nodes {
            mover.transport.add(&node.name, &node.data, node.writer());
        }
        let steps = vec![Step::Before; size.cocos];
        let mut fleet =
            Self { size, nodes, truth, cocos, noodles, source, load: None, mover, start, steps, reads: 0 };
        fleet.resume();
        fleet.pass(PAST);
        fleet
    }

    pub(crate) fn hosts(&self) -> &[String] {
        &self.source.hosts
    }

    fn tiers(&self, step: Step) -> Tiers {
        tiers(self.size, &self.nodes, step)
    }

    /// What becomes of a host, by the numbers of the nodes, by a step of the migration.
    pub(crate) fn of(&self, host: &str, step: Step) -> Move {
        let tiers = self.tiers(step);
        let tier = tiers.get(0).expect("a tier");
        let mut of = match tier.placement().migration() {
            Some(migration) => migration.of(host.as_bytes()),
            None => {
                let mut owners = Vec::new();
                tier.placement().owners(host.as_bytes(), &mut owners);
                Move { stage: Stage::Settled, owners, former: Vec::new() }
            }
        };
        let number = |place: &mut usize| {
            let label = tier.targets()[*place].label();
            *place = self.nodes.iter().position(|node| node.name == label).expect("one of them");
        };
        of.owners.iter_mut().chain(&mut of.former).for_each(number);
        of
    }

    /// The hosts that move, with the nodes that they come from and go to.
    pub(crate) fn moves(&self) -> Vec<(String, Move)> {
        let of = |host: &String| (host.clone(), self.of(host, Step::Moving("0%", "0%")));
        self.hosts().iter().map(of).filter(|(_, of)| of.stage != Stage::Settled).collect()
    }

    /// Values go on to come.
    pub(crate) fn resume(&mut self) {
        self.load = Some(Load::start(Arc::clone(&self.source)));
    }

    /// No value comes any more; waits until all that came have arrived.
    pub(crate) fn pause(&mut self) {
        self.load.take().expect("it is on").stop();
        self.settle();
    }

    /// Has so many seconds pass, of values.
    pub(crate) fn pass(&self, seconds: i64) {
        let until = self.second() + seconds;
        wait_until(PATIENCE, "seconds", || self.second() >= until);
    }

    /// The last second that was sent.
    pub(crate) fn second(&self) -> i64 {
        self.source.second.load(Ordering::SeqCst)
    }

    /// Waits until every value list that was sent is where it belongs.
    pub(crate) fn settle(&mut self) {
        let seconds = u64::try_from(self.second() - self.start).expect("it goes on");
        let mut total = 0;
        for (number, coco) in self.cocos.iter().enumerate() {
            let hosts = self.hosts().iter().skip(number).step_by(self.cocos.len()).count();
            let lists = (hosts * TYPES.len()) as u64 * seconds;
            let mut sent = 0;
            wait_until(PATIENCE, format!("Coco {number} to send all"), || {
                let counters = coco.counters();
                sent = counters.count(&["send", "total"]);
                assert_eq!(counters.count(&["errors", "send.write"]), 0);
                counters.count(&["filter", "accepted"]) == lists
                    && sent == lists + counters.count(&["send.copies", "t"])
            });
            total += sent;
        }
        let nodes = self.nodes.iter().map(|node| &node.storage);
        wait_until(PATIENCE, format!("{total} rows on all nodes"), || {
            nodes.clone().map(|node| csv::count(node.rows().values())).sum::<u64>() == total
        });
    }

    /// Waits until all that was sent up to a second is in files, of those nodes that it is written to.
    fn wait_for_files(&self, second: i64) {
        let mut left: Vec<(&Node, &str)> =
            self.hosts().iter().map(|host| (&self.truth, host.as_str())).collect();
        let tiers: Vec<_> = self.steps.iter().map(|step| self.tiers(*step)).collect();
        for (place, host) in self.hosts().iter().enumerate() {
            let coco = place % self.cocos.len();
            let writers = writers(&tiers[coco], host);
            left.extend(writers.into_iter().map(|name| {
                let node = self.nodes.iter().find(|node| node.name == name).expect("one of them");
                (node, host.as_str())
            }));
        }
        left.retain(|(node, _)| !node.is_down);
        let (all, left) = (left.clone(), Left { second, of: RefCell::new(left) });
        wait_until(PATIENCE, &left, || {
            for node in self.nodes.iter().chain([&self.truth]).filter(|node| !node.is_down) {
                node.flush();
            }
            let mut of = left.of.borrow_mut();
            of.retain(|(node, host)| node.last(host, "walk/gauge").is_none_or(|last| last < second));
            of.is_empty()
        });
        // librrd may write the row behind the time of the last update, and does not know the one that ends a gap.
        for host in self.hosts() {
            wait_until(PATIENCE, format!("the row of {host} at {second}"), || {
                let of = all.iter().filter(|(node, of)| of == host && node.name != self.truth.name);
                let row =
                    |(node, host): &(&Node, &str)| read(&node.file(host, "walk/gauge")).value(0, 0, second);
                of.filter_map(row).any(|row| !row.is_nan())
            });
        }
    }

    /// That every Noodle answers for every host with all rows that there were ever, and with no other value. Up to which
    /// second that was.
    pub(crate) fn check(&mut self) -> i64 {
        let second = self.second();
        self.wait_for_files(second);
        self.read_all(second);
        second
    }

    /// The same of what has been in files for a while.
    pub(crate) fn read_all(&mut self, second: i64) {
        let start = self.start;
        for (number, noodle) in self.noodles.iter().enumerate() {
            let url = |host: &String| {
                format!("http://{}/data/{host}/walk/gauge?start={start}&finish={second}", noodle.address)
            };
            let urls: Vec<_> = self.source.hosts.iter().map(url).collect();
            for (place, answer) in curl::json_each(&urls).into_iter().enumerate() {
                let host = &self.source.hosts[place];
                let data = answer[host]["walk"]["gauge"]["value"]["data"].as_array().cloned();
                let rows: Vec<_> = data.unwrap_or_default().iter().map(serde_json::Value::as_f64).collect();
                let expected: Vec<_> =
                    (start + 1..=second).map(|second| Some(gauge(place, second))).collect();
                assert_eq!(
                    rows, expected,
                    "Noodle {number} of {host} at {:?}: {}",
                    self.steps, answer["_meta"]
                );
                self.reads += 1;
            }
        }
    }

    /// All processes go over to a step, one by one, while values come and are read.
    pub(crate) fn go(&mut self, step: Step, first: First) {
        let text = text(self.size, &self.nodes, step);
        self.mover.configure(&text);
        let order = if first == First::Noodles { [true, false] } else { [false, true] };
        for is_noodle in order {
            for number in 0..if is_noodle { self.noodles.len() } else { self.cocos.len() } {
                let said = match is_noodle {
                    true => self.noodles[number].reload(&text),
                    false => self.cocos[number].reload(&text),
                };
                assert!(said.contains("reloaded old="), "{step:?}: {said}");
                if !is_noodle {
                    self.steps[number] = step;
                }
                self.check();
            }
        }
    }

    /// A node fails.
    pub(crate) fn kill_node(&mut self, number: usize) {
        self.mover.transport.remove(&self.nodes[number].name);
        self.nodes[number].kill();
    }

    /// It comes back.
    pub(crate) fn start_node_again(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        node.start_again();
        self.mover.transport.add(&node.name, &node.data, node.writer());
    }

    /// What all Cocos count of the tier.
    pub(crate) fn counted(&self, counter: &str) -> u64 {
        self.cocos.iter().map(|coco| coco.counters().count(&[counter, "t"])).sum()
    }

    /// What all Noodles count of the tier.
    pub(crate) fn left_behind(&self) -> u64 {
        self.noodles.iter().map(|noodle| noodle.count(&["fetch.tier.left_behind", "t"])).sum()
    }

    /// Ends all that is not a node.
    pub(crate) fn end(mut self) {
        self.pause();
        assert!(self.noodles.into_iter().all(|noodle| noodle.stop().success()));
        assert!(self.cocos.into_iter().all(|coco| coco.stop().success()));
    }

    /// Ends all, and finds each row of the truth, of whatever length, in the files of those that have its host then, and no
    /// file of a host that was removed. How many values that were.
    pub(crate) fn stop(mut self, step: Step, is_cleaned: bool) -> u64 {
        if let Some(load) = self.load.take() {
            load.stop();
        }
        self.wait_for_files(self.second());
        let owners = |host: &String| (host.clone(), self.of(host, step).owners);
        let owners: Vec<_> = self.hosts().iter().map(owners).collect();
        let Self { noodles, cocos, mut nodes, mut truth, .. } = self;
        assert!(noodles.into_iter().all(|noodle| noodle.stop().success()));
        assert!(cocos.into_iter().all(|coco| coco.stop().success()));
        nodes.iter_mut().chain([&mut truth]).for_each(Node::stop);
        let mut values = 0;
        for (host, owners) in owners {
            for (number, node) in nodes.iter().enumerate() {
                let names = files(&node.data.join(&host));
                if !owners.contains(&number) {
                    assert!(!is_cleaned || node.is_down || names.is_empty(), "{host} at {}", node.name);
                    continue;
                }
                assert_eq!(names.len(), TYPES.len(), "{host} at {}", node.name);
                for name in names {
                    let [expected, found] =
                        [&truth, node].map(|node| read(&node.data.join(&host).join(&name)));
                    let compared = compare(&expected, &found, Strictness::Same).expect("one layout");
                    assert!(compared.is_settled(), "{host} at {}: {name:?}: {compared:?}", node.name);
                    values += compared.values;
                }
            }
        }
        values
    }
}
