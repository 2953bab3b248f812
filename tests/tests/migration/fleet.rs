//! A fleet whose hosts are on their way: Cocos and Noodles that reload one by one, real storage nodes, and one more collectd
//! that is sent the same, as the truth.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use coco_core::config::{Config as CocoConfig, Program};
use coco_core::placement::canary::Percentage;
use coco_core::placement::migration::{Move, Stage};
use coco_core::tier::Tiers;
use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use coco_harness::coco::{Coco, Config};
use coco_harness::collectd::StorageNode;
use coco_harness::csv;
use coco_harness::directory::Directory;
use coco_harness::noodle::Noodle;
use coco_harness::rrd;
use coco_harness::rrdcached::Rrdcached;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_until};

/// How large a fleet is.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) cocos: usize,
    pub(crate) noodles: usize,
    /// Nodes that hosts come from, of which the last one stays.
    pub(crate) former: usize,
    /// Nodes that hosts come to, of which the first one was there.
    pub(crate) new: usize,
    pub(crate) hosts: usize,
}

/// A storage node, and what it is read through.
struct Node {
    name: String,
    storage: StorageNode,
    daemon: Rrdcached,
}

impl Node {
    fn start(name: &str) -> Self {
        let storage = StorageNode::with_rrd_files(name);
        std::fs::create_dir_all(storage.rrd_files()).expect("a directory");
        let daemon = Rrdcached::start(&storage.rrd_files());
        Self { name: name.to_owned(), storage, daemon }
    }

    fn target(&self) -> String {
        let Self { name, storage, daemon } = self;
        format!(
            "{{ name = \"{name}\", address = \"{}\", fetch = \"rrdcached://{}\" }}",
            storage.address, daemon.address
        )
    }

    fn file(&self, host: &str) -> PathBuf {
        self.storage.rrd_files().join(host).join("walk/gauge.rrd")
    }
}

/// What processes go by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Before,
    Moving(&'static str, &'static str),
    Done,
}

/// Who reloads first.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum First {
    Noodles,
    Cocos,
}

pub(crate) struct Fleet {
    size: Size,
    nodes: Vec<Node>,
    truth: Node,
    cocos: Vec<Coco>,
    noodles: Vec<Noodle>,
    senders: Vec<UdpSocket>,
    to_truth: UdpSocket,
    pub(crate) hosts: Vec<String>,
    /// The second before the first, and the last one that was sent.
    start: i64,
    second: i64,
    step: Step,
    /// Series that were read and were right.
    pub(crate) reads: usize,
}

fn value(host: usize, second: i64) -> f64 {
    ((second * 31 + host as i64 * 1009) % 100_000) as f64
}

impl Fleet {
    pub(crate) fn start(size: Size) -> Self {
        let count = size.former + size.new - 1;
        let nodes: Vec<_> = (0..count).map(|number| Node::start(&format!("s{number}"))).collect();
        let truth = Node::start("truth");
        let to_truth = traffic::sender(truth.storage.address);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is late").as_secs();
        let start = i64::try_from(now).expect("it is not that late") - 1000;
        let hosts = Vec::new();
        let mut fleet = Self {
            size,
            nodes,
            truth,
            to_truth,
            hosts,
            start,
            cocos: Vec::new(),
            noodles: Vec::new(),
            senders: Vec::new(),
            second: start,
            step: Step::Before,
            reads: 0,
        };
        let text = fleet.text(Step::Before);
        fleet.cocos = (0..size.cocos).map(|_| Coco::start(&text)).collect();
        fleet.noodles = (0..size.noodles).map(|_| Noodle::start(&text)).collect();
        fleet.senders = fleet.cocos.iter().map(|coco| traffic::sender(coco.listen)).collect();
        fleet.hosts = fleet.chosen_hosts();
        fleet
    }

    /// The file of a step.
    pub(crate) fn text(&self, step: Step) -> String {
        let list = |nodes: &[Node]| nodes.iter().map(Node::target).collect::<Vec<_>>().join(", ");
        let (former, new) =
            (list(&self.nodes[..self.size.former]), list(&self.nodes[self.size.former - 1..]));
        let tier = match step {
            Step::Before => format!("targets = [{former}]\n"),
            Step::Moving(both, share) => format!(
                "hash = \"rendezvous\"\ntargets = [{new}]\n[tiers.t.migration]\nboth = \"{both}\"\nnew = \"{share}\"\n\
                 from = {{ hash = \"ring\", targets = [{former}] }}\n"
            ),
            Step::Done => format!("hash = \"rendezvous\"\ntargets = [{new}]\n"),
        };
        format!("{}[tiers.t]\n{tier}", Config::new::<String>(&[]).text())
    }

    fn tiers(&self, step: Step) -> Tiers {
        CocoConfig::parse(&self.text(step), Program::Coco).expect("a configuration").tiers
    }

    /// What becomes of a host, by the numbers of the nodes, by a step of the migration.
    pub(crate) fn of(&self, host: &str, step: Step) -> Move {
        let tiers = self.tiers(step);
        let tier = tiers.get(0).expect("a tier");
        let mut of = tier.placement().migration().expect("a migration").of(host.as_bytes());
        let number = |place: &mut usize| {
            let label = tier.targets()[*place].label();
            *place = self.nodes.iter().position(|node| node.name == label).expect("one of them");
        };
        of.owners.iter_mut().chain(&mut of.former).for_each(number);
        of
    }

    /// Some of the first hundredth to move, of the next hundredths, of all others, and some that stay.
    fn chosen_hosts(&self) -> Vec<String> {
        let begun = Step::Moving("0%", "0%");
        let tiers = self.tiers(begun);
        let migration = tiers.get(0).expect("a tier").placement().migration().expect("a migration");
        let [first, next]: [Percentage; 2] = ["1%", "5%"].map(|text| text.parse().expect("a share"));
        let mut kinds = vec![Vec::new(); 4];
        for number in 0..20_000 {
            let host = format!("web{number}.example.org");
            let name = host.as_bytes();
            let kind = match migration.of(name).stage {
                Stage::Settled => 3,
                _ if first.contains(name) => 0,
                _ if next.contains(name) => 1,
                _ => 2,
            };
            kinds[kind].push(host);
        }
        let each = self.size.hosts.div_ceil(kinds.len());
        kinds.into_iter().flat_map(|hosts| hosts.into_iter().take(each)).collect()
    }

    /// Value lists of so many seconds, each host by one Coco, as an agent has one; and waits until they are in files.
    pub(crate) fn send(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.second += 1;
            let lists: Vec<_> = (0..self.hosts.len()).map(|host| self.value_list(host)).collect();
            for (coco, sender) in self.senders.iter().enumerate() {
                traffic::send(sender, lists.iter().skip(coco).step_by(self.senders.len()));
            }
            traffic::send(&self.to_truth, &lists);
        }
        self.settle();
    }

    fn value_list(&self, host: usize) -> ValueList {
        let identifier = Identifier {
            host: self.hosts[host].as_str().into(),
            plugin: "walk".into(),
            plugin_instance: Vec::new(),
            type_name: "gauge".into(),
            type_instance: Vec::new(),
        };
        let second = u64::try_from(self.second).expect("after 1970");
        let value = Value::Gauge(value(host, self.second));
        ValueList::new(
            identifier,
            Time::HighResolution(second << 30),
            Interval::HighResolution(1 << 30),
            &[value],
        )
    }

    fn settle(&mut self) {
        let seconds = u64::try_from(self.second - self.start).expect("it goes on");
        let mut total = 0;
        for (number, coco) in self.cocos.iter().enumerate() {
            let hosts = self.hosts.iter().skip(number).step_by(self.senders.len()).count() as u64;
            let mut sent = 0;
            wait_until(PATIENCE, format!("Coco {number} to send all"), || {
                let counters = coco.counters();
                sent = counters.count(&["send", "total"]);
                let lists = hosts * seconds;
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
        for node in self.nodes.iter().chain([&self.truth]) {
            wait_until(PATIENCE, format!("all rows of {} in its files", node.name), || {
                let rows = node.storage.rows();
                let last = |row: &String| row.split('.').next().and_then(|second| second.parse::<i64>().ok());
                let mut series = rows.iter().filter_map(|(host, series)| {
                    let last = series.values().flatten().filter_map(last).max()?;
                    Some((node.file(host), last))
                });
                (node.name != "truth"
                    || rows.len() == self.hosts.len() && series.clone().all(|(_, last)| last == self.second))
                    && series.all(|(file, last)| file.exists() && rrd::last(&file) == last)
            });
        }
    }

    /// The rows of a host that the truth has.
    fn truth_of(&self, host: &str) -> Vec<Option<f64>> {
        let rows = rows_in(&self.truth.file(host), self.start, self.second);
        assert_eq!(rows.len() as i64, self.second - self.start);
        assert!(rows.iter().all(Option::is_some), "the truth of {host} is whole: {rows:?}");
        rows
    }

    /// That every Noodle answers for every host with all rows that there were ever, and with no other value.
    pub(crate) fn check(&mut self) {
        for (number, noodle) in self.noodles.iter().enumerate() {
            for host in &self.hosts {
                let (start, finish) = (self.start, self.second);
                let answer = noodle.json(&format!("/data/{host}/walk/gauge?start={start}&finish={finish}"));
                let data =
                    answer[host]["walk"]["gauge"]["value"]["data"].as_array().cloned().unwrap_or_default();
                let rows: Vec<_> = data.iter().map(serde_json::Value::as_f64).collect();
                assert_eq!(
                    rows,
                    self.truth_of(host),
                    "Noodle {number} of {host} at {:?}: {}",
                    self.step,
                    answer["_meta"]
                );
                self.reads += 1;
            }
        }
    }

    /// All processes go over to a step, one by one, while values come and are read.
    pub(crate) fn go(&mut self, step: Step, first: First) {
        let text = self.text(step);
        self.step = step;
        let order = if first == First::Noodles { [true, false] } else { [false, true] };
        for is_noodle in order {
            for number in 0..if is_noodle { self.noodles.len() } else { self.cocos.len() } {
                let said = match is_noodle {
                    true => self.noodles[number].reload(&text),
                    false => self.cocos[number].reload(&text),
                };
                assert!(said.contains("reloaded old="), "{step:?}: {said}");
                self.send(2);
                self.check();
            }
        }
    }

    /// The hosts that move, with the nodes that they come from and go to.
    pub(crate) fn moves(&self) -> Vec<(String, Move)> {
        let of = |host: &String| (host.clone(), self.of(host, Step::Moving("0%", "0%")));
        self.hosts.iter().map(of).filter(|(_, of)| of.stage != Stage::Settled).collect()
    }

    /// Merges what `from` has into the file of `to`, as a mover does: on copies, the older first.
    pub(crate) fn merge(&self, host: &str, from: usize, to: usize) {
        let directory = Directory::new("merge");
        let [from, to] = [from, to].map(|node| self.nodes[node].file(host));
        let [older, newer] = ["older.rrd", "newer.rrd"].map(|name| directory.path().join(name));
        std::fs::copy(from, &older).expect("a copy");
        std::fs::copy(&to, &newer).expect("a copy");
        let merged = to.with_extension("merged");
        let mut rrdtool = Command::new("rrdtool");
        rrdtool.arg("create").arg(&merged).arg("--source").arg(&older).arg("--source").arg(&newer);
        let status = rrdtool.arg("--template").arg(&newer).status().expect("rrdtool is installed");
        assert!(status.success(), "{rrdtool:?}");
        std::fs::rename(merged, to).expect("the same directory");
    }

    /// That the file of a node has every row of a host.
    pub(crate) fn check_file(&self, host: &str, node: usize) {
        let rows = rows_in(&self.nodes[node].file(host), self.start, self.second);
        assert_eq!(rows, self.truth_of(host), "{host} at {}", self.nodes[node].name);
    }

    /// What all Cocos count of the tier.
    pub(crate) fn counted(&self, counter: &str) -> u64 {
        self.cocos.iter().map(|coco| coco.counters().count(&[counter, "t"])).sum()
    }

    /// What all Noodles count of the tier.
    pub(crate) fn left_behind(&self) -> u64 {
        self.noodles.iter().map(|noodle| noodle.count(&["fetch.tier.left_behind", "t"])).sum()
    }

    pub(crate) fn stop(self) {
        assert!(self.noodles.into_iter().all(|noodle| noodle.stop().success()));
        assert!(self.cocos.into_iter().all(|coco| coco.stop().success()));
    }
}

/// The rows behind `start` up to `finish`, of a copy: librrd locks what it reads.
fn rows_in(file: &Path, start: i64, finish: i64) -> Vec<Option<f64>> {
    let directory = Directory::new("copy");
    let copy = directory.path().join("copy.rrd");
    std::fs::copy(file, &copy).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let printed = rrd::fetch(&copy, start, finish).remove("value").expect("a data source");
    printed.into_iter().map(|value| value.map(|text| text.parse().expect("a number"))).collect()
}
