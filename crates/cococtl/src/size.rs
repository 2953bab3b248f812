//! `cococtl size`: what a fleet needs, from what was measured and what follows of it.

use std::io::{self, BufWriter, Write};
use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use coco_core::config::duration;
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};

/// Value lists in a datagram that an agent has filled (`agents` of coco-bench).
const FILLED: u32 = 33;

/// Processor time for a value list delivered to one target, in microseconds: of datagrams that pass through whole, and of
/// such as are taken apart because each value list in them is of another host.
const COST: [f64; 2] = [0.097, 0.261];

/// The same with 200 targets a tier, as multiples: what is taken apart for so many leaves in small packets.
const COST_OF_MANY_TARGETS: [f64; 2] = [1.12, 4.28];

/// The same with 2,000,000 metrics, as a multiple.
const COST_OF_MANY_METRICS: f64 = 1.29;

/// Datagrams a second at which a lane lost nothing.
const HIGHEST_RATE: f64 = 247_000.0;

/// Memory in bytes without a metric, and with each.
const MEMORY: [f64; 2] = [9.6 * 1_048_576.0, 13.7];

/// Bytes of `listen.receive_buffer` that a waiting datagram takes.
const WAITING: f64 = 1152.0;

/// Bytes of a full datagram on the wire: 1,452, and 66 for UDP, IP and Ethernet.
const ON_THE_WIRE: f64 = 1518.0;

/// Bytes of an RRD file of one data source, as collectd's rrdtool plugin makes it by default, every ten seconds.
const FILE: f64 = 148_648.0;

/// The part of a core of which a lane is to have use: the rest is for bursts, and for the kernel's part of receiving.
const LOAD: f64 = 0.5;

/// What the answer is made of: a line each of `docs/sizing.md`.
pub const MODEL: &[(&str, &str, &str)] = &[
    ("value lists a second", "hosts × metrics / interval", "computed"),
    (
        "datagrams a second",
        "value lists a second / 33, which a full datagram of an agent holds; one a host and interval at the least",
        "measured: 33; computed",
    ),
    (
        "network in",
        "datagrams a second × 1,518 bytes, those of a full datagram with its UDP, IP and Ethernet",
        "computed; an upper bound",
    ),
    ("network out", "network in × tiers × copies", "computed"),
    (
        "CPU, as agents send",
        "0.097 µs for each value list and each copy of it that leaves",
        "measured, 0.81 × the relay's",
    ),
    (
        "CPU, taken apart",
        "0.261 µs, where each value list of a datagram is of another host, as a forwarding collectd sends",
        "measured, 1.15 × the relay's",
    ),
    (
        "CPU, many targets",
        "× 1.12 from 100 targets a tier on; taken apart × 4.28, which `send.linger` makes 1.8",
        "measured at 200",
    ),
    (
        "CPU, many metrics",
        "× 1.29 from 1,000,000 metrics on",
        "measured at 2,000,000 from a start on; once all are known × 1.01",
    ),
    (
        "lanes",
        "CPU, as agents send, at half a core each, and no more than 123,500 datagrams a second each: half of what one lane took without loss",
        "measured: 247,000; that lanes add up is computed",
    ),
    (
        "memory",
        "9.6 MiB, and 13.7 bytes a metric",
        "measured at 200,000 and 2,000,000 metrics; a line between",
    ),
    (
        "receive buffer",
        "datagrams a second × seconds of the longest pause × 1,152 bytes, for all lanes",
        "measured: 1,152",
    ),
    ("files", "a metric has one on each tier's node, for each copy", "computed"),
    (
        "disk",
        "148,648 bytes a file of one data source with collectd's default archives at an interval of 10 s",
        "measured with rrdtool",
    ),
    (
        "updates",
        "value lists a second × copies / nodes of a tier",
        "computed; what a node takes depends on its disk: measure yours",
    ),
];

/// What `--json` makes of it.
const JSON: &str = r#"With --json, one object:

  {"value_lists", "datagrams", "network": {"in", "out"}, "cores": {"agents", "taken_apart"}, "lanes",
   "memory", "receive_buffer", "nodes": [{"nodes", "files", "disk", "updates"}]}

value_lists, datagrams, updates: a second. network: bits a second. memory, receive_buffer, disk: bytes. nodes: what each
node of a tier has to take if there are so many."#;

/// Say how large a Coco a fleet needs, and what its nodes have to take
///
/// Calculated from figures that were measured on two cores of a virtual machine; docs/sizing.md says which, and what follows
/// how. Measure yours with cococtl load before you buy.
#[derive(Debug, Args)]
#[command(after_long_help = JSON)]
pub struct Arguments {
    /// Hosts with an agent
    #[arg(long, value_name = "N")]
    hosts: NonZeroU32,

    /// Metrics of a host
    #[arg(long, value_name = "M", default_value = "133")]
    metrics: NonZeroU32,

    /// Time from one value of a metric to the next
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = interval)]
    interval: Duration,

    /// Tiers, each of which gets every value
    #[arg(long, value_name = "T", default_value = "1")]
    tiers: NonZeroU32,

    /// Copies of a host in each tier
    #[arg(long, value_name = "R", default_value = "1")]
    replicas: NonZeroU32,

    /// Targets of a tier; without it, what some numbers of them would have to take is shown
    #[arg(long, value_name = "K")]
    targets: Option<NonZeroU32>,

    /// The longest time for which Coco does not receive, such as that of a restart
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pause: Duration,

    /// Write an object of JSON
    #[arg(long)]
    json: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    // A number alone is seconds, as in collectd.
    let parsed = text.parse::<u32>().ok().map(|seconds| Duration::from_secs(seconds.into()));
    match parsed.map_or_else(|| duration::parse(text).ok(), Some) {
        Some(interval) if interval >= Duration::from_millis(1) => Ok(interval),
        _ => Err("expected a time such as 10s, at least 1ms".to_owned()),
    }
}

/// What a fleet comes to.
#[derive(Debug, Clone, PartialEq)]
struct Size {
    value_lists: f64,
    datagrams: f64,
    network: [f64; 2],
    cores: [f64; 2],
    lanes: u64,
    memory: f64,
    receive_buffer: f64,
    nodes: Vec<Node>,
}

/// What each of so many nodes of a tier has to take.
#[derive(Debug, Clone, PartialEq)]
struct Node {
    nodes: u32,
    files: f64,
    disk: f64,
    updates: f64,
}

/// Calculates and writes it.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let size = Size::of(arguments);
    let mut out = BufWriter::new(io::stdout().lock());
    if arguments.json {
        writeln!(out, "{}", size.object())?;
    } else {
        size.write(arguments, &mut out)?;
    }
    out.flush()?;
    Ok(Outcome::Fine)
}

impl Size {
    fn of(arguments: &Arguments) -> Self {
        let [hosts, metrics, tiers, replicas] =
            [arguments.hosts, arguments.metrics, arguments.tiers, arguments.replicas]
                .map(|number| f64::from(number.get()));
        let seconds = arguments.interval.as_secs_f64();
        let all = hosts * metrics;
        let value_lists = all / seconds;
        let datagrams = (value_lists / f64::from(FILLED)).max(hosts / seconds);
        let bits = 8.0 * datagrams * ON_THE_WIRE;
        let copies = tiers * replicas;
        let many_targets = arguments.targets.is_some_and(|targets| targets.get() >= 100);
        let of_targets = if many_targets { COST_OF_MANY_TARGETS } else { [1.0; 2] };
        let of_metrics = if all >= 1e6 { COST_OF_MANY_METRICS } else { 1.0 };
        let cores = [0, 1].map(|how| value_lists * copies * COST[how] * of_targets[how] * of_metrics / 1e6);
        let lanes = (cores[0] / LOAD).max(datagrams / (HIGHEST_RATE * LOAD)).ceil().max(1.0);
        let numbers = match arguments.targets {
            Some(targets) => vec![targets.get()],
            None => [2, 4, 8, 16, 32].into_iter().filter(|nodes| f64::from(*nodes) >= replicas).collect(),
        };
        let node = |nodes: u32| {
            let files = all * replicas / f64::from(nodes);
            Node { nodes, files, disk: files * FILE, updates: files / seconds }
        };
        Self {
            value_lists,
            datagrams,
            network: [bits, bits * copies],
            cores,
            lanes: lanes as u64,
            memory: MEMORY[0] + MEMORY[1] * all,
            receive_buffer: datagrams * arguments.pause.as_secs_f64() * WAITING,
            nodes: numbers.into_iter().map(node).collect(),
        }
    }

    fn write(&self, arguments: &Arguments, out: &mut impl Write) -> io::Result<()> {
        let Arguments { hosts, metrics, interval, tiers, replicas, pause, .. } = arguments;
        let [every, pause] = [interval, pause].map(|time| duration::format(*time));
        writeln!(
            out,
            "{hosts} hosts with {metrics} metrics every {every}, {tiers} tiers, {replicas} of each host in each"
        )?;
        writeln!(out, "value lists     {:.0} a second", self.value_lists)?;
        writeln!(out, "datagrams       {:.0} a second", self.datagrams)?;
        let [network_in, network_out] = self.network.map(|bits| bits / 1e6);
        writeln!(out, "network         {network_in:.1} Mbit/s in, {network_out:.1} Mbit/s out")?;
        let [agents, apart] = self.cores;
        writeln!(
            out,
            "cores           {agents:.2} for what agents send, {apart:.2} for what is taken apart"
        )?;
        writeln!(out, "pipeline.lanes  {}", self.lanes)?;
        writeln!(out, "memory          {:.0} MiB", self.memory / 1_048_576.0)?;
        let buffer = self.receive_buffer / 1_048_576.0;
        writeln!(out, "receive buffers {buffer:.1} MiB together, for a pause of {pause}")?;
        for Node { nodes, files, disk, updates } in &self.nodes {
            writeln!(
                out,
                "of {nodes} nodes each  {files:.0} files, {:.0} GB, {updates:.0} updates a second",
                disk / 1e9
            )?;
        }
        Ok(())
    }

    fn object(&self) -> Value {
        let nodes = self.nodes.iter().map(|Node { nodes, files, disk, updates }| {
            json!({ "nodes": nodes, "files": files, "disk": disk, "updates": updates })
        });
        json!({
            "value_lists": self.value_lists,
            "datagrams": self.datagrams,
            "network": { "in": self.network[0], "out": self.network[1] },
            "cores": { "agents": self.cores[0], "taken_apart": self.cores[1] },
            "lanes": self.lanes,
            "memory": self.memory,
            "receive_buffer": self.receive_buffer,
            "nodes": nodes.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn size(line: &str) -> Size {
        Size::of(&Line::try_parse_from(format!("size {line}").split(' ')).unwrap().arguments)
    }

    fn is_near(value: f64, expected: f64) {
        assert!((value / expected - 1.0).abs() < 1e-6, "{value}, not {expected}");
    }

    /// By hand: 20,000 hosts of 165 metrics are 330,000 value lists a second.
    #[test]
    fn a_fleet_comes_to_what_the_table_says() {
        let size = size(
            "--hosts 20000 --metrics 165 --interval 10s --tiers 2 --replicas 2 --targets 10 --pause 500ms",
        );
        is_near(size.value_lists, 330_000.0);
        is_near(size.datagrams, 10_000.0);
        is_near(size.network[0], 121_440_000.0);
        is_near(size.network[1], 485_760_000.0);
        is_near(size.cores[0], 330_000.0 * 4.0 * 0.097e-6 * 1.29);
        is_near(size.cores[1] / size.cores[0], 0.261 / 0.097);
        assert_eq!(size.lanes, 1);
        is_near(size.memory, 9.6 * 1_048_576.0 + 45_210_000.0);
        is_near(size.receive_buffer, 5_760_000.0);
        let [Node { nodes: 10, files, disk, updates }] = size.nodes[..] else { panic!("{size:?}") };
        is_near(files, 660_000.0);
        is_near(disk, 660_000.0 * 148_648.0);
        is_near(updates, 66_000.0);
    }

    #[test]
    fn an_agent_sends_a_datagram_each_time_and_lanes_are_as_many_as_the_load_wants() {
        is_near(size("--hosts 100 --metrics 3 --interval 1").datagrams, 100.0);
        assert_eq!(size("--hosts 200000 --interval 10 --tiers 2").lanes, 2);
        assert_eq!(size("--hosts 200000 --interval 1 --tiers 2").lanes, 14);
        let [many, few] = ["100", "99"].map(|targets| size(&format!("--hosts 9 --targets {targets}")).cores);
        is_near(many[0] / few[0], 1.12);
        is_near(many[1] / few[1], 4.28);
        assert_eq!(size("--hosts 9 --replicas 4").nodes.len(), 4, "two nodes have no room for four copies");
    }

    #[test]
    fn times_are_those_of_the_configuration_or_seconds() {
        for (text, expected) in
            [("10", Some(10_000)), ("1m30s", Some(90_000)), ("0", None), ("x", None), ("-1", None)]
        {
            assert_eq!(interval(text).ok(), expected.map(Duration::from_millis), "{text}");
        }
    }
}
