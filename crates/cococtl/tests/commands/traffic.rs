//! `cococtl load` and `cococtl sink`, with a Coco between them.

use std::net::SocketAddr;

use coco_core::value_list::Value::{
    Absolute as AbsoluteOf, Counter as CounterOf, Derive as DeriveOf, Gauge as GaugeOf,
};
use coco_core::value_list::ValueList;
use coco_core::wire::{Decoder, Event};
use coco_harness::coco::{Coco, Config};
use coco_harness::directory::Directory;
use coco_harness::nobody::Nobody;
use coco_harness::process::Process;
use coco_harness::traffic;
use coco_harness::wait::PATIENCE;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{cococtl, program};

/// A running `cococtl sink`.
struct Sink {
    addresses: Vec<SocketAddr>,
    process: Process,
    _directory: Directory,
}

impl Sink {
    fn start(targets: usize, arguments: &[&str]) -> Self {
        let directory = Directory::new("sink");
        let mut command = program();
        command.args(["sink", "--json"]).args(arguments).args(vec!["127.0.0.1:0"; targets]);
        let mut process = Process::start("sink", directory.path(), &mut command);
        let addresses = process.wait_for("its addresses", |process| {
            let text = process.stderr();
            let lines = text.lines().filter_map(|line| line.strip_prefix("listening at ")?.parse().ok());
            let addresses: Vec<_> = lines.collect();
            (addresses.len() == targets).then_some(addresses)
        });
        Self { addresses, process, _directory: directory }
    }

    fn end(mut self) -> (Option<i32>, Value) {
        let status = self.process.ended(PATIENCE).code();
        (status, serde_json::from_str(&self.process.stdout()).unwrap())
    }

    /// A Coco that has these for targets: the first half is one tier, the second another.
    fn coco(&self, blacklist: &str) -> Coco {
        let (one, other) = self.addresses.split_at(self.addresses.len() / 2);
        Coco::start(&Config::new(&[("one", one), ("other", other)]).blacklist(blacklist).text())
    }
}

fn load(to: SocketAddr, arguments: &[&str]) -> Value {
    let ended = cococtl([&["load", "--json", &to.to_string()], arguments].concat(), b"");
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    ended.json()
}

#[test]
fn what_is_loaded_is_sunk_once_in_every_tier() {
    // 40 hosts, 60 metrics, 5 rounds, 2 tiers.
    let sink = Sink::start(4, &["--expect", "24000"]);
    let coco = sink.coco("");
    let sent =
        load(coco.listen, &["--hosts", "40", "--metrics", "60", "--rounds", "5", "--interval", "100ms"]);
    assert_eq!((&sent["value_lists"], &sent["failed"]), (&12000.into(), &0.into()));
    let (status, received) = sink.end();
    assert_eq!(status, Some(0), "{received}");
    assert_eq!(received["value_lists"], Value::from(24000));
    for nothing in ["missing", "extra", "malformed", "kernel_drops", "restarts", "unverified_hosts"] {
        assert_eq!(received[nothing], Value::from(0), "{received}");
    }
    let hosts: u64 =
        received["targets"].as_array().unwrap().iter().map(|target| target["hosts"].as_u64().unwrap()).sum();
    assert_eq!(hosts, 80);
}

#[test]
fn what_does_not_arrive_is_missing() {
    let sink = Sink::start(2, &["--idle", "3s"]);
    // Two of the first 20 metrics.
    let coco = sink.coco("/swap/");
    load(
        coco.listen,
        &["--hosts", "7", "--metrics", "20", "--rounds", "3", "--interval", "50ms", "--seed", "9"],
    );
    let (status, received) = sink.end();
    assert_eq!((status, &received["missing"]), (Some(1), &(2 * 7 * 3 * 2).into()), "{received}");
    assert_eq!(received["value_lists"], Value::from(18 * 7 * 3 * 2));
}

#[test]
fn a_host_whose_count_is_lost_is_found() {
    let sink = Sink::start(2, &["--idle", "3s"]);
    let coco = sink.coco("^host1[.].*/sequence$");
    load(coco.listen, &["--hosts", "3", "--metrics", "10", "--rounds", "1", "--interval", "50ms"]);
    let (status, received) = sink.end();
    assert_eq!((status, &received["missing"]), (Some(1), &0.into()), "{received}");
    // In each of two tiers.
    assert_eq!(
        (&received["unverified_hosts"], &received["value_lists"]),
        (&2.into(), &58.into()),
        "{received}"
    );
    assert_eq!(received["unaccounted"], Value::from(0));
}

#[test]
fn names_are_sunk_that_are_as_long_as_is_said() {
    for (arguments, status, malformed) in
        [(&["--max-name-length", "300"][..], Some(0), 0), (&["--max-name-length", "299"], Some(1), 1)]
    {
        let sink = Sink::start(1, &[&["--idle", "1s"], arguments].concat());
        let agent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let datagram = traffic::datagram(&traffic::value_list(&"h".repeat(300), 1));
        agent.send_to(&datagram, sink.addresses[0]).unwrap();
        let (ended, received) = sink.end();
        assert_eq!(ended, status, "{received}");
        assert_eq!(
            (&received["malformed"], &received["value_lists"]),
            (&malformed.into(), &(1 - malformed).into())
        );
    }
}

#[test]
fn hosts_that_never_came_show_against_the_expected_number() {
    let sink = Sink::start(1, &["--expect", "100", "--idle", "2s"]);
    let directory = Directory::new("load");
    let names = directory.write("hosts", "web1\nweb2\nweb3\n");
    let arguments =
        ["--hosts-from", names.to_str().unwrap(), "--metrics", "30", "--rounds", "1", "--rate", "9000"];
    let sent = load(sink.addresses[0], &arguments);
    assert_eq!(sent["value_lists"], Value::from(90));
    let (status, received) = sink.end();
    assert_eq!((status, &received["missing"]), (Some(1), &10.into()), "{received}");
}

/// What arrives of a load, value list by value list, the one that counts left out.
fn loaded(arguments: &[&str]) -> Vec<ValueList> {
    let target = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    target.set_read_timeout(Some(PATIENCE)).unwrap();
    let sent = load(target.local_addr().unwrap(), arguments);
    let mut lists = Vec::new();
    for _ in 0..sent["datagrams"].as_u64().unwrap() {
        let mut buffer = [0; 2000];
        let length = target.recv(&mut buffer).unwrap();
        let datagram = &buffer[..length];
        lists.extend(Decoder::new(datagram).map(|event| match event {
            Ok(Event::ValueList(spans)) => spans.of(datagram).to_owned(),
            other => panic!("{other:?}"),
        }));
    }
    lists.retain(|list| list.identifier.plugin != b"cococtl");
    lists
}

#[test]
fn metrics_values_names_and_times_are_those_that_are_asked_for() {
    let directory = Directory::new("load");
    let metrics = directory.write("metrics", "load/load\n\ndf-root/df_complex-used\r\nodd/odd-x\n");
    let types = directory.write("types.db", "odd a:COUNTER:0:U, b:ABSOLUTE:0:U, c:DERIVE:0:U\n");
    let (metrics, types) = (metrics.to_str().unwrap(), types.to_str().unwrap());
    let few = ["--hosts", "1", "--interval", "20ms", "--metrics-from", metrics];
    let lists = loaded(
        &[
            &few[..],
            &["--rounds", "3", "--prefix", "test-", "--value", "7", "--start", "1700000000", "--step=-10s"],
        ]
        .concat(),
    );
    let identifiers =
        [("load", "", "load", ""), ("df", "root", "df_complex", "used"), ("odd", "", "odd", "x")];
    assert_eq!(lists.len(), 9);
    for (number, list) in lists.iter().enumerate() {
        let (plugin, plugin_instance, type_name, type_instance) = identifiers[number % 3];
        let names = [plugin, plugin_instance, type_name, type_instance].map(str::as_bytes);
        assert_eq!(list.as_ref().identifier.metric_parts(), names);
        assert_eq!(list.identifier.host, b"test-host0.example.org");
        // Each round ten seconds before the last.
        assert_eq!(list.time.cdtime() >> 30, 1_700_000_000 - number as u64 / 3 * 10);
        assert_eq!(list.interval.cdtime(), 10 << 30);
        let values: Vec<_> = list.as_ref().values.iter().collect();
        let count = if number % 3 == 0 { 3 } else { 1 };
        assert_eq!(values, vec![coco_core::value_list::Value::Gauge(7.0); count]);
    }

    let odd = ["--rounds", "30", "--limit", "5", "--types-db", types];
    let lists = loaded(&[&few[..], &odd].concat());
    let mut last = [0; 2];
    let (mut gauges, mut counted) = (0, 0);
    for list in &lists {
        let values: Vec<_> = list.as_ref().values.iter().collect();
        match values[..] {
            [CounterOf(counter), AbsoluteOf(_), DeriveOf(derive)] => {
                // It never falls, and not by more than a few in a round.
                assert!(
                    last == [0; 2] || counter > last[0] && counter - last[0] < 10 && derive as u64 > last[1]
                );
                last = [counter, derive as u64];
                counted += 1;
            }
            [GaugeOf(gauge)] => {
                assert!((0.0..=5.0).contains(&gauge), "{gauge}");
                gauges += 1;
            }
            _ => panic!("{values:?}"),
        }
    }
    // The type `load` is not in that types.db: one gauge.
    assert_eq!((gauges, counted), (60, 30));
}

#[test]
fn a_wrong_line_of_metrics_is_named() {
    let directory = Directory::new("load");
    for (line, reason) in [
        ("web1/load/load", "expected PLUGIN[-INSTANCE]/TYPE[-INSTANCE], without the host"),
        ("load", "expected PLUGIN[-INSTANCE]/TYPE[-INSTANCE]"),
        ("-x/load", "expected PLUGIN[-INSTANCE]/TYPE[-INSTANCE], without the host"),
    ] {
        let file = directory.write("metrics", &format!("load/load\n{line}\n"));
        let ended = cococtl(["load", "127.0.0.1:9", "--metrics-from", file.to_str().unwrap()], b"");
        let told = format!("cococtl: {}: line 2: {reason}\n", file.display());
        assert_eq!((ended.status, ended.stderr), (Some(2), told));
    }
    for wrong in [["--limit", "0"], ["--start", "yesterday"], ["--step", "10s"], ["--value", "x"]] {
        assert_eq!(
            cococtl([&["load", "127.0.0.1:9"], &wrong[..]].concat(), b"").status,
            Some(2),
            "{wrong:?}"
        );
    }
}

#[test]
fn both_end_well_on_ctrl_c() {
    let target = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    target.set_read_timeout(Some(PATIENCE)).unwrap();
    let directory = Directory::new("load");
    let mut command = program();
    command.args(["load", &target.local_addr().unwrap().to_string(), "--interval", "1h", "--json"]);
    let mut running = Process::start("load", directory.path(), &mut command);
    target.recv(&mut [0; 2000]).unwrap();
    running.signal(Signal::SIGINT);
    assert_eq!(running.ended(PATIENCE).code(), Some(0));
    let sent: Value = serde_json::from_str(&running.stdout()).unwrap();
    assert_eq!(sent["value_lists"], Value::from(100));

    let sink = Sink::start(1, &[]);
    load(sink.addresses[0], &["--hosts", "30", "--rounds", "1", "--interval", "100ms"]);
    sink.process.signal(Signal::SIGINT);
    let (status, received) = sink.end();
    assert_eq!((status, &received["value_lists"]), (Some(0), &3000.into()), "{received}");
}

#[test]
fn who_does_not_listen_or_cannot_be_told_is_an_honest_status() {
    let nobody = Nobody::udp();
    let address = nobody.address.to_string();
    let ended = cococtl(["load", &address, "--json", "--rounds", "1", "--interval", "10ms"], b"");
    assert_eq!(ended.status, Some(1));
    assert!(ended.json()["refused"].as_u64().unwrap() > 0, "{ended:?}");

    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = cococtl(["sink", &address], b"");
    let told = format!("cococtl: {address}: Address already in use");
    assert!(ended.status == Some(2) && ended.stderr.starts_with(&told), "{ended:?}");

    let directory = Directory::new("load");
    let empty = directory.write("hosts", "\n\n");
    let ended = cococtl(["load", &nobody.address.to_string(), "--hosts-from", empty.to_str().unwrap()], b"");
    let told = format!("cococtl: {}: there are no hosts: expected a name a line\n", empty.display());
    assert_eq!((ended.status, ended.stderr), (Some(2), told));
    let ended = cococtl(["load", "no-such-host.invalid:1"], b"");
    assert!(
        ended.status == Some(2) && ended.stderr.starts_with("cococtl: no-such-host.invalid:1: "),
        "{ended:?}"
    );
}
