//! SIGHUP: what changes, what stays, and that nothing is lost between the two.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use coco_core::config::{self, Program};
use coco_core::tier::Tiers;
use coco_core::value_list::ValueList;
use coco_harness::coco::{Coco, Config};
use coco_harness::noodle::Noodle;
use coco_harness::sink::Sink;
use coco_harness::text::replaced;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_until};
use nix::sys::signal::Signal;

const TIERS: [&str; 2] = ["shortterm", "midterm"];

/// So many that every target owns some, whatever the ring.
const HOSTS: usize = 40;

/// Time between two datagrams: 10,000 a second.
const PACE: Duration = Duration::from_micros(100);

/// So few value lists are on their way at a time that no socket buffer of this machine overflows.
const ON_THEIR_WAY: u64 = 400;

/// Value lists that are sent behind each reload, by the new configuration alone.
const BEHIND: usize = 100;

fn tiers(config: &str) -> Tiers {
    config::Config::parse(config, Program::Coco).unwrap_or_else(|problems| panic!("{problems}")).tiers
}

/// A value list that was sent, and the configurations by which it may have gone to its owners.
struct Sent {
    list: ValueList,
    by: RangeInclusive<usize>,
}

/// The text for these targets of the two tiers, which are swapped or not.
type MakeText = Box<dyn Fn(&[Vec<String>; 2], bool) -> String>;

/// Sinks, of which each configuration has some as targets.
struct Reloading {
    coco: Coco,
    sinks: [Vec<Sink>; 2],
    text: MakeText,
    /// The tiers of every configuration so far.
    tiers: Vec<Tiers>,
    sender: UdpSocket,
    sent: Vec<Sent>,
    /// By host, how many were sent.
    places: [u32; HOSTS],
    next: Instant,
}

impl Reloading {
    fn start(pipeline: &'static str) -> Self {
        let sinks: [Vec<Sink>; 2] = std::array::from_fn(|_| (0..4).map(|_| Sink::start()).collect());
        let text = move |targets: &[Vec<String>; 2], swapped: bool| {
            let mut tiers: Vec<_> =
                TIERS.iter().zip(targets).map(|(name, targets)| (*name, &targets[..])).collect();
            if swapped {
                tiers.reverse();
            }
            replaced(&Config::new(&tiers).text(), &[("lanes = 1\nthreads = 1\n", pipeline)])
        };
        let all = sinks.each_ref().map(|sinks| sinks.iter().map(|sink| sink.address.to_string()).collect());
        let first = text(&all, false);
        let coco = Coco::start(&first);
        let sender = traffic::sender(coco.listen);
        Self {
            coco,
            sinks,
            text: Box::new(text),
            tiers: vec![tiers(&first)],
            sender,
            sent: Vec::new(),
            places: [0; HOSTS],
            next: Instant::now(),
        }
    }

    /// Some of the targets of each tier, in some order.
    fn other_config(&self, number: usize) -> String {
        let targets = [0, 1].map(|tier| {
            let mut all: Vec<_> = self.sinks[tier].iter().map(|sink| sink.address.to_string()).collect();
            let seed = number.wrapping_mul(0x9e37_79b9).rotate_left(7) >> (8 * tier);
            all.rotate_left(seed % 4);
            if seed.is_multiple_of(3) {
                all.swap(0, 1);
            }
            // As many as before now and then, so that the rings are the same and the targets are not.
            all.truncate(1 + seed / 5 % 4);
            all
        });
        (self.text)(&targets, number.is_multiple_of(5))
    }

    /// Sends the next datagram when it is time: one host's value list, or those of several.
    fn send(&mut self, by: RangeInclusive<usize>) {
        let turn = self.sent.len();
        let hosts =
            (0..if turn.is_multiple_of(2) { 1 } else { 3 }).map(|more| (turn * 7 + more * 11) % HOSTS);
        let mut lists = Vec::new();
        for host in hosts {
            lists.push(traffic::value_list(&format!("host-{host}"), self.places[host]));
            self.places[host] += 1;
        }
        self.wait_for_room();
        while Instant::now() < self.next {
            std::thread::yield_now();
        }
        self.next = (self.next + PACE).max(Instant::now());
        traffic::send(&self.sender, &lists);
        self.sent.extend(lists.into_iter().map(|list| Sent { list, by: by.clone() }));
    }

    fn arrived(&self, tier: usize) -> u64 {
        self.sinks[tier].iter().map(Sink::count).sum()
    }

    fn wait_for_room(&self) {
        let sent = self.sent.len() as u64;
        wait_until(PATIENCE, "value lists on their way", || {
            (0..2).all(|tier| self.arrived(tier) + ON_THEIR_WAY > sent)
        });
    }

    fn wait_for_all(&self) {
        let sent = self.sent.len() as u64;
        wait_until(PATIENCE, "all value lists", || (0..2).all(|tier| self.arrived(tier) >= sent));
    }

    /// Goes over to another configuration under load.
    fn reload(&mut self) {
        let number = self.tiers.len();
        let text = self.other_config(number);
        self.tiers.push(tiers(&text));
        self.coco.write_config(&text);
        // What is on its way when the signal comes may go either way.
        for _ in 0..BEHIND {
            self.send(number - 1..=number);
        }
        self.coco.process.signal(Signal::SIGHUP);
        while self.coco.process.reloads() < number {
            for _ in 0..20 {
                self.send(number - 1..=number);
            }
        }
        for _ in 0..BEHIND {
            self.send(number..=number);
        }
        // So that nothing can go by the next one but what is sent from here on.
        self.wait_for_all();
    }

    /// Compares all that was sent with all that arrived, value by value.
    fn check(&mut self) {
        for (tier, name) in TIERS.iter().enumerate() {
            assert_eq!(self.arrived(tier), self.sent.len() as u64, "nothing is lost, nothing comes twice");
            let mut arrived: BTreeMap<(Vec<u8>, u32), (&Sink, ValueList)> = BTreeMap::new();
            for sink in &self.sinks[tier] {
                let mut last = BTreeMap::new();
                for list in sink.value_lists() {
                    let (host, place) = (list.identifier.host.clone(), traffic::place(&list));
                    assert!(last.insert(host.clone(), place) < Some(place), "out of order");
                    let twice = arrived.insert((host, place), (sink, list));
                    assert!(twice.is_none(), "{twice:?}");
                }
            }
            for Sent { list, by } in &self.sent {
                let (host, place) = (&list.identifier.host, traffic::place(list));
                let (sink, found) = &arrived[&(host.clone(), place)];
                assert_eq!(found, list);
                let owners: Vec<_> = by
                    .clone()
                    .map(|number| {
                        let tier =
                            self.tiers[number].iter().find(|tier| tier.name() == *name).expect("both tiers");
                        tier.targets()[tier.owner(host)].name.clone()
                    })
                    .collect();
                assert!(
                    owners.contains(&sink.address.to_string()),
                    "{list:?} at {}, of {owners:?}",
                    sink.address
                );
            }
        }
        let counters = self.coco.settled(self.sent.len() as u64);
        assert_eq!(counters.count(&["filter", "accepted"]), self.sent.len() as u64);
        assert_eq!(counters.count(&["send", "total"]), 2 * self.sent.len() as u64);
        assert_eq!(counters.count(&["reloads"]), self.tiers.len() as u64 - 1);
        for sink in self.sinks.iter().flatten() {
            assert_eq!(counters.count(&["send", &sink.address.to_string()]), sink.count());
        }
    }
}

fn reloads_under_load(pipeline: &'static str, reloads: usize) {
    let mut reloading = Reloading::start(pipeline);
    for _ in 0..reloads {
        reloading.reload();
    }
    reloading.check();
    // What the API shows is all by the last configuration.
    let last = reloading.tiers.last().expect("some");
    let shown = reloading.coco.json("/tiers");
    for (index, tier) in last.iter().enumerate() {
        assert_eq!(shown[index]["name"], tier.name());
        assert_eq!(shown[index]["fingerprint"], tier.fingerprint().to_string());
        let routes = shown[index]["routes"].as_object().expect("an object");
        assert_eq!(routes.len(), tier.targets().len());
        for host in 0..HOSTS {
            let name = format!("host-{host}");
            let owner = &tier.targets()[tier.owner(name.as_bytes())].name;
            let holders: Vec<_> = routes.iter().filter(|(_, hosts)| hosts.get(&name).is_some()).collect();
            assert!(holders.len() == 1 && holders[0].0 == owner, "{name}: {holders:?}");
            assert_eq!(reloading.coco.owner(&name, tier.name()), *owner);
        }
    }
    assert_eq!(reloading.coco.json("/healthz")["fingerprint"], last.fingerprint().to_string());
    assert!(reloading.coco.stop().success());
}

#[test]
fn a_hundred_reloads_under_load_lose_nothing() {
    reloads_under_load("threads = 3\n", 100);
}

#[test]
fn reloads_under_load_lose_nothing_however_the_work_is_spread() {
    for pipeline in
        ["threads = 1\n", "threads = 2\n", "lanes = 2\nthreads = 2\nspread_hosts = true\nqueue = 2\n"]
    {
        reloads_under_load(pipeline, 15);
    }
}

#[test]
fn sockets_of_targets_that_stay_keep_their_ports_and_those_of_others_are_closed() {
    let [stays, leaves] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a free port"));
    for socket in [&stays, &leaves] {
        socket.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
    }
    let [stays_at, leaves_at] =
        [&stays, &leaves].map(|socket| socket.local_addr().expect("bound").to_string());
    let one = Config::new(&[("a", &[&stays_at][..]), ("b", &[&leaves_at])]).text();
    let other = Config::new(&[("a", &[&stays_at])]).text();
    let mut coco = Coco::start(&one);
    let sender = traffic::sender(coco.listen);
    let mut place = 0;
    let mut source = |socket: &UdpSocket| {
        traffic::send(&sender, [&traffic::value_list("web1", place)]);
        place += 1;
        socket.recv_from(&mut [0; 2000]).expect("what was sent").1
    };
    let (port, mut descriptors) = (source(&stays), u64::MAX);
    for round in 0..5 {
        let log = coco.reload(if round % 2 == 0 { &other } else { &one });
        let expected = if round % 2 == 0 { "added=\"\" removed=\"b/" } else { "added=\"b/" };
        assert!(log.contains(expected), "{log}");
        // Another way to say the same is no reason to connect anew, nor is another time after which a target has
        // recovered.
        coco.reload(&format!(
            "{}[send]\nrecovery = \"{round}1s\"\n",
            if round % 2 == 0 { &other } else { &one }
        ));
        assert_eq!(source(&stays), port);
        if round % 2 == 1 {
            descriptors = coco.process.descriptors().min(descriptors);
        }
    }
    // The one that left is let go of by stages without work.
    coco.process.wait_for("the other's socket to be closed", |process| {
        (process.descriptors() < descriptors).then_some(())
    });
    wait_until(PATIENCE, "the last to be counted", || coco.counters().count(&["send", "total"]) == 9);
    let counters = coco.counters();
    assert_eq!(counters.count(&["send", &stays_at]), 6);
    // It was there for the first one and two more, and what is counted of it stays.
    assert_eq!(counters.count(&["send", &leaves_at]), 3);
    assert!(coco.stop().success());
}

#[test]
fn a_bad_file_changes_nothing_and_says_why() {
    let sink = Sink::start();
    let good = Config::new(&[("a", &[sink.address])]).text();
    let mut coco = Coco::start(&good);
    let fingerprint = coco.json("/healthz")["fingerprint"].clone();
    let listen = coco.listen.to_string();
    let with = |from: &str, to: &str| replaced(&good, &[(from, to)]);
    let bad = [
        (with("threads", "thread"), "line 6: pipeline.thread: unknown key, did you mean `threads`?"),
        (
            with("blacklist = ''", "blacklist = '('"),
            "line 8: filter.blacklist: expected a regular expression",
        ),
        (with(&sink.address.to_string(), &listen), "is where this coco itself listens: a loop"),
        (with("/usr/share", "/nowhere"), "listen.typesdb: cannot read /nowhere/"),
        ("tiers".to_owned(), "line 1"),
    ];
    for (number, (bad, why)) in bad.iter().enumerate() {
        let log = coco.reload(bad);
        let lines: Vec<_> = log.lines().filter(|line| line.contains("nothing changes")).collect();
        assert!(lines.len() == 1 && lines[0].contains("ERROR") && lines[0].contains(why), "{why}: {log}");
        let counters = coco.counters();
        assert_eq!(
            [counters.count(&["errors", "reload"]), counters.count(&["reloads"])],
            [number as u64 + 1, 0]
        );
        assert_eq!(coco.json("/healthz")["fingerprint"], fingerprint);
    }
    traffic::send(&traffic::sender(coco.listen), [&traffic::value_list("web1", 0)]);
    wait_until(PATIENCE, "a value list", || sink.count() == 1);
    assert!(coco.stop().success());
}

#[test]
fn keys_that_need_a_restart_are_named_and_the_others_change() {
    let sink = Sink::start();
    let config = Config::new(&[("a", &[sink.address])]);
    let mut coco = Coco::start(&config.text());
    let sender = traffic::sender(coco.listen);
    let send = |host: &str| traffic::send(&sender, [&traffic::value_list(host, 0)]);
    send("web1");
    send("web2");
    coco.settled(2);
    assert_eq!(coco.json("/blacklisted"), serde_json::json!({}));

    let other = replaced(
        &config.clone().blacklist("^web2/").text(),
        &[("threads = 1", "threads = 3"), ("[api]\nbind = \"127.0.0.1:0\"", "[api]\nbind = \"127.0.0.1:1\"")],
    );
    let log = coco.reload(&format!("{other}[log]\nlevel = \"warn\"\n"));
    coco.process.wait_for("a warning", |process| {
        let line = "these keys need a restart, and stay as they were keys=\"pipeline.threads api.bind\"";
        process.stdout().contains(line).then_some(())
    });
    assert!(log.contains("reloaded") && log.contains(" keys=\"filter.blacklist log.level\" "), "{log}");
    // What is remembered of a host that is silent is refused now, too.
    assert_eq!(coco.json("/blacklisted")["web2"].as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(coco.json("/tiers")[0]["routes"][sink.address.to_string()]["web2"], serde_json::Value::Null);
    send("web1");
    send("web2");
    let counters = coco.settled(4);
    assert_eq!([counters.count(&["filter", "rejected"]), counters.count(&["filter", "accepted"])], [1, 3]);

    // The level holds from behind that line on.
    let lines = coco.process.stdout().lines().count();
    coco.write_config(&replaced(&config.text(), &[("\"200ms\"", "\"300ms\"")]));
    coco.process.signal(Signal::SIGHUP);
    let api = coco.api;
    coco.process.wait_for("another reload", |_| {
        let vars = coco_harness::curl::get(&format!("http://{api}/debug/vars")).json();
        (vars["coco"]["reloads"] == 2).then_some(())
    });
    assert_eq!(coco.process.stdout().lines().count(), lines, "nothing that is worth a warning");
    assert!(coco.reload(&config.text()).contains("INFO reloaded"));
    assert!(coco.stop().success());
}

#[test]
fn many_signals_at_once_end_with_the_last_file() {
    let sinks = [Sink::start(), Sink::start()];
    let configs = sinks.each_ref().map(|sink| Config::new(&[("a", &[sink.address])]).text());
    let mut coco = Coco::start(&configs[0]);
    for round in 0..100 {
        coco.write_config(&configs[round % 2]);
        coco.process.signal(Signal::SIGHUP);
    }
    let last = tiers(&configs[1]).fingerprint().to_string();
    let api = coco.api;
    coco.process.wait_for("the last file", |_| {
        let health = coco_harness::curl::get(&format!("http://{api}/healthz")).json();
        (health["fingerprint"] == last).then_some(())
    });
    // A stop in the midst of it is a stop.
    (0..10).for_each(|_| coco.process.signal(Signal::SIGHUP));
    assert!(coco.stop().success());
}

/// Answers every request with the same series, and counts the connections.
fn node() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            counted.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || {
                let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
                while let Ok(length @ 1..) = stream.read(&mut buffer) {
                    request.extend_from_slice(&buffer[..length]);
                    if request.ends_with(b"\r\n\r\n") {
                        request.clear();
                        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"web1\": {}}";
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    (address, connections)
}

#[test]
fn noodle_goes_over_to_other_tiers_and_keeps_its_connections() {
    let nodes = [node(), node(), node()];
    let targets = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"];
    let config = |targets: &[&str]| {
        let all = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"];
        let fetch = all.iter().zip(&nodes);
        fetch.fold(Config::new(&[("a", targets)]), |config, (target, (address, _))| {
            config.fetch(target, &format!("http://{address}"))
        })
    };
    let config = |targets: &[&str]| config(targets).text();
    let mut noodle = Noodle::start(&config(&targets[..1]));
    let ask = |noodle: &Noodle| {
        let answer = noodle.get("/data/web1/load/load");
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["_meta"]["target"].clone()
    };
    assert_eq!(ask(&noodle), targets[0]);
    let log = noodle.reload(&config(&targets));
    assert!(log.contains("added=\"a/10.0.0.2:1 a/10.0.0.3:1\""), "{log}");
    assert_eq!(noodle.json("/healthz")["fingerprint"], tiers(&config(&targets)).fingerprint().to_string());
    // Whoever owns the host now, the one that is asked as before keeps its connection.
    for order in [[2, 1, 0], [1, 0, 2], [0, 1, 2]] {
        noodle.reload(&config(&order.map(|index| targets[index])));
        let expected = noodle.json("/lookup?name=web1")["a"].clone();
        assert_eq!(ask(&noodle), expected);
    }
    let connections = || nodes.each_ref().map(|(_, connections)| connections.load(Ordering::Relaxed));
    assert!(connections().iter().all(|connections| *connections <= 1), "{:?}", connections());
    for only in [0, 1, 2, 0, 1, 2] {
        noodle.reload(&config(&targets[only..=only]));
        assert_eq!(ask(&noodle), targets[only]);
    }
    let log = noodle.reload(&replaced(&config(&targets), &[("[fetch]", "[fetch]\nmax_hosts = 0")]));
    assert!(log.contains("fetch.max_hosts: expected a whole number"), "{log}");
    assert_eq!(ask(&noodle), targets[2], "nothing has changed");
    assert_eq!([noodle.count(&["reloads"]), noodle.count(&["errors", "reload"])], [10, 1]);
    assert_eq!(noodle.count(&["fetch.target.requests", "total"]), 11);
    assert_eq!(noodle.count(&["fetch.tier.requests", "a"]), 11);
    assert!(noodle.stop().success());
}
