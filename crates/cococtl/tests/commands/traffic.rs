//! `cococtl load` and `cococtl sink`, with a Coco between them.

use std::net::SocketAddr;

use coco_tests::coco::{Coco, Config};
use coco_tests::directory::Directory;
use coco_tests::nobody::Nobody;
use coco_tests::process::Process;
use coco_tests::wait::PATIENCE;
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
