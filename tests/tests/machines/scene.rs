//! Two machines with a Coco each, agents, and a storage node, on one switch.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use coco_harness::coco::{Coco, Config};
use coco_harness::collectd::{Collectd, StorageNode};
use coco_harness::csv::Hosts;
use coco_harness::lan::Lan;
use coco_harness::namespace::{Host, PORT};
use coco_harness::program::Program;
use coco_harness::sink::Sink;
use coco_harness::text::replaced;
use coco_harness::wait::{PATIENCE, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

pub(crate) const AGENT: &str = "agent.example.org";
const SERIES: &str = "load/load";

/// Numbers on the switch.
pub(crate) const MACHINES: [u8; 2] = [11, 12];
const NODE: u8 = 20;
pub(crate) const AGENTS: u8 = 30;

/// Two machines with a Coco each, and what they send to.
pub(crate) struct Fleet {
    /// None where it has been stopped.
    cocos: [Option<Coco>; 2],
    configs: [String; 2],
    /// What is installed.
    builds: [PathBuf; 2],
    /// Keeps rows of all.
    pub(crate) storage: StorageNode,
    /// Gets all.
    pub(crate) sink: Sink,
    pub(crate) machines: [Host; 2],
    _node: Host,
    pub(crate) lan: Lan,
}

impl Fleet {
    /// Cocos that listen at these addresses, which their machines need not have.
    pub(crate) fn start(listen: [Ipv4Addr; 2]) -> Self {
        Self::start_builds(listen, Program::Coco.path())
    }

    /// The same with another build of Coco.
    pub(crate) fn start_builds(listen: [Ipv4Addr; 2], build: &Path) -> Self {
        let lan = Lan::new();
        let machines = MACHINES.map(|number| lan.host(number));
        let node = lan.host(NODE);
        let (storage, sink) = node.run(|| {
            let socket = std::net::UdpSocket::bind((Lan::ip(NODE), 0)).expect("a free port");
            (StorageNode::with_rrd_files_at("storage", Lan::ip(NODE)), Sink::on(socket))
        });
        let configs = listen.map(|listen| config((listen, PORT).into(), &storage, &sink));
        let mut fleet = Self {
            cocos: [None, None],
            configs,
            builds: [build.to_owned(), build.to_owned()],
            storage,
            sink,
            machines,
            _node: node,
            lan,
        };
        (0..2).for_each(|place| fleet.start_coco(place));
        fleet
    }

    pub(crate) fn start_coco(&mut self, place: usize) {
        assert!(self.cocos[place].is_none());
        self.cocos[place] =
            Some(self.machines[place].run(|| Coco::start_build(&self.builds[place], &self.configs[place])));
    }

    /// Installs another build, to be started next.
    pub(crate) fn install(&mut self, place: usize, build: &Path) {
        build.clone_into(&mut self.builds[place]);
    }

    /// What a Coco has behind a path.
    pub(crate) fn ask(&self, place: usize, path: &str) -> Value {
        let coco = self.cocos[place].as_ref().expect("it runs");
        self.machines[place].run(|| coco.json(path))
    }

    /// A stop begins: it answers 503 and goes on.
    pub(crate) fn drain(&mut self, place: usize) {
        let process = &mut self.coco(place).process;
        process.signal(Signal::SIGTERM);
        process.wait_for("a drain", |process| process.stdout().contains("draining").then_some(()));
    }

    /// What has begun to stop does so.
    pub(crate) fn end(&mut self, place: usize) {
        let coco = self.cocos[place].take().expect("it runs");
        assert!(coco.stop().success());
    }

    pub(crate) fn coco(&mut self, place: usize) -> &mut Coco {
        self.cocos[place].as_mut().expect("it runs")
    }

    /// Datagrams that have come to a Coco.
    pub(crate) fn received(&self, place: usize) -> u64 {
        let coco = self.cocos[place].as_ref().expect("it runs");
        self.machines[place].run(|| coco.counters().count(&["listen", "raw"]))
    }

    /// Waits until a Coco gets something.
    pub(crate) fn wait_for_more(&self, place: usize) {
        let before = self.received(place);
        wait_until(PATIENCE, format_args!("something at Coco {place}"), || self.received(place) > before);
    }

    /// Stops the agent and returns its rows that are not at the storage node, as their places among those that it has sent.
    ///
    /// # Panics
    /// When the last is not there.
    pub(crate) fn lost_rows(&self, agent: Collectd) -> Vec<usize> {
        let sent = agent.stop()[AGENT][SERIES].clone();
        let has = |hosts: &Hosts, row: &String| {
            hosts.get(AGENT).and_then(|series| series.get(SERIES)).is_some_and(|rows| rows.contains(row))
        };
        let last = sent.last().expect("rows");
        wait_until(PATIENCE, "the last row of the agent", || has(&self.storage.rows(), last));
        let stored = self.storage.rows();
        (0..sent.len()).filter(|place| !has(&stored, &sent[*place])).collect()
    }
}

/// A Coco that drains until it is told to stop once more, and answers the check of whoever asks.
fn config(listen: SocketAddr, storage: &StorageNode, sink: &Sink) -> String {
    let mut config = Config::new(&[("stored", &[storage.address]), ("counted", &[sink.address])]);
    config.listen = listen.to_string();
    let places = [
        ("[pipeline]", "freebind = true\n[pipeline]"),
        ("[api]\nbind = \"127.0.0.1:0\"", "[api]\nbind = \"0.0.0.0:9090\""),
    ];
    replaced(&config.text(), &places) + "[stop]\ndrain = \"24h\"\n"
}

/// A real agent with these `Server` lines, which reads one value list a second and sends it at once.
pub(crate) fn agent(host: &Host, servers: &str) -> Collectd {
    let config = format!(
        "LoadPlugin load\n<LoadPlugin network>\n  FlushInterval 1\n</LoadPlugin>\n<Plugin network>\n{servers}\n</Plugin>\n"
    );
    host.run(|| Collectd::start(AGENT, &config))
}

/// Waits until it has written so many more rows, which it sends, too.
pub(crate) fn rows(agent: &Collectd, more: usize) {
    let rows = || agent.rows().get(AGENT).and_then(|series| series.get(SERIES)).map_or(0, Vec::len);
    let until = rows() + more;
    wait_until(PATIENCE, "rows of the agent", || rows() >= until);
}

/// Whether these places follow one another.
pub(crate) fn are_one_block(places: &[usize]) -> bool {
    places.windows(2).all(|pair| pair[0] + 1 == pair[1])
}

/// Says what was measured, for whoever runs the test with `--nocapture`.
#[expect(clippy::print_stderr, reason = "the figures of docs/two-cocos.md")]
pub(crate) fn tell(what: impl std::fmt::Display) {
    eprintln!("{what}");
}
