//! What strangers may send to Coco: it lives, serves others, and counts.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use coco_core::value_list::{Time, ValueList};
use coco_fuzz::corpus;
use coco_harness::books::Books;
use coco_harness::clients::{idle_connections, read_to_the_end};
use coco_harness::coco::{Coco, Config};
use coco_harness::mutation::{Random, beginning, mutated};
use coco_harness::sink::Sink;
use coco_harness::traffic::{self, LARGEST_DATAGRAM};
use coco_harness::wait::{PATIENCE, wait_until};
use serde_json::Value;

const MUTATIONS: usize = 100_000;

/// Datagrams under way at a time: the receive buffer of somebody who is not root holds as many.
const ON_THEIR_WAY: usize = 40;

/// A mutated datagram is not larger, so that the buffers hold [`ON_THEIR_WAY`] and the test is quick.
const MUTATED: usize = 300;

/// A Coco with one target, and what must have become of everything sent so far.
struct Relay {
    coco: Coco,
    sender: UdpSocket,
    target: UdpSocket,
    sent: Books,
    received: Books,
    good: u32,
}

impl Relay {
    fn start() -> io::Result<Self> {
        let target = UdpSocket::bind("127.0.0.1:0")?;
        target.set_read_timeout(Some(PATIENCE))?;
        let coco = Coco::start(&Config::new(&[("only", &[target.local_addr()?])]).text());
        let sender = traffic::sender(coco.listen);
        Ok(Self { coco, sender, target, sent: Books::default(), received: Books::default(), good: 0 })
    }

    /// Sends these, a good one behind every fourth, and waits until all that is complete in them has arrived.
    fn exchange(&mut self, datagrams: &[Vec<u8>]) -> io::Result<()> {
        for few in datagrams.chunks(4) {
            let good = traffic::datagram(&traffic::value_list("good", self.good));
            self.good += 1;
            for datagram in few.iter().chain([&good]) {
                self.sender.send(datagram)?;
                self.sent.enter(datagram);
            }
        }
        let mut buffer = vec![0; 1 << 16];
        while self.received.value_lists.len() < self.sent.value_lists.len()
            || self.received.notifications.len() < self.sent.notifications.len()
        {
            let length = self.target.recv(&mut buffer)?;
            self.received.leave(&buffer[..length]);
        }
        assert_eq!(self.received.value_lists, self.sent.value_lists);
        assert_eq!(self.received.notifications, self.sent.notifications);
        for books in [&mut self.sent, &mut self.received] {
            books.value_lists.clear();
            books.notifications.clear();
        }
        Ok(())
    }

    /// That everything is counted, and nothing else has left.
    fn end(mut self) -> io::Result<()> {
        let decoded = self.sent.counts[&vec!["listen", "decoded"]];
        self.sent.assert_counted(&self.coco.settled(decoded));
        self.target.set_nonblocking(true)?;
        let more = self.target.recv(&mut [0; 1]).map_err(|error| error.kind());
        assert_eq!(more, Err(io::ErrorKind::WouldBlock));
        assert!(self.coco.stop().success());
        Ok(())
    }
}

/// Captured and crafted datagrams: of real collectds, and everything that is wrong in one way or another.
fn fixtures() -> io::Result<Vec<Vec<u8>>> {
    let wire = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/coco-core/testdata/wire");
    let mut datagrams = corpus::read(&wire.join("crafted/cases.bin.gz"))?;
    for stream in ["plain", "edge-plain", "edge-sign", "encrypt", "notif-plain", "big65507-plain"] {
        datagrams.extend(corpus::read(&wire.join(format!("streams/{stream}.bin")))?);
    }
    Ok(datagrams)
}

#[test]
fn malformed_and_mutated_datagrams_between_good_ones() -> io::Result<()> {
    let mut relay = Relay::start()?;
    let fixtures = fixtures()?;
    let random = &mut Random(4);
    for datagrams in fixtures.chunks(4) {
        relay.exchange(datagrams)?;
    }
    // The smallest and the largest.
    let mut extremes: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
    for fixture in fixtures.iter().filter(|fixture| fixture.len() > 60_000).take(8) {
        let mut largest = mutated(fixture, random);
        largest.resize(LARGEST_DATAGRAM, 0);
        extremes.push(largest);
    }
    extremes.push(Vec::new());
    for datagrams in extremes.chunks(4) {
        relay.exchange(datagrams)?;
    }
    let bases: Vec<&[u8]> = fixtures.iter().map(|fixture| beginning(fixture, MUTATED)).collect();
    for _ in 0..MUTATIONS / ON_THEIR_WAY {
        let datagrams: Vec<_> =
            (0..ON_THEIR_WAY).map(|_| mutated(random.one_of::<&[u8]>(&bases), random)).collect();
        relay.exchange(&datagrams)?;
    }
    relay.end()
}

#[test]
fn times_of_agents_may_be_anything() -> io::Result<()> {
    let mut relay = Relay::start()?;
    let now = 1_700_000_000;
    let seconds = [0, 1, now, now - 86_400, now + 86_400, 1 << 33, 1 << 34, 1 << 63, u64::MAX];
    let times = seconds.iter().flat_map(|seconds| {
        [Time::Seconds(*seconds), Time::HighResolution(*seconds), Time::HighResolution(seconds << 30)]
    });
    // There and back again: what an agent says of the time moves nothing here.
    let lists: Vec<_> = times.clone().chain(times.rev()).map(at).collect();
    for list in &lists {
        relay.exchange(&[traffic::datagram(list)])?;
    }
    let refused = lists.iter().filter(|list| list.time.is_none()).count() as u64;
    assert_eq!(relay.sent.counts[&vec!["listen", "incomplete", "no_time"]], refused);
    relay.end()
}

fn at(time: Time) -> ValueList {
    let mut list = traffic::value_list("jumping", 7);
    list.time = time;
    list
}

#[test]
fn two_agents_of_one_name_are_both_heard() -> io::Result<()> {
    let sink = Sink::start();
    let mut config = Config::new(&[("only", &[sink.address])]);
    config.lanes = 2;
    let mut coco = Coco::start(&config.text());
    let agents = [traffic::sender(coco.listen), traffic::sender(coco.listen)];
    let count = 400;
    for place in 0..count {
        for (agent, start) in agents.iter().zip([0, count]) {
            traffic::send(agent, [&traffic::value_list("twin", start + place)]);
        }
        wait_until(PATIENCE, "those before", || sink.count() + ON_THEIR_WAY as u64 > u64::from(2 * place));
    }
    coco.settled(u64::from(2 * count));
    wait_until(PATIENCE, "all value lists", || sink.count() == u64::from(2 * count));
    let places: Vec<_> = sink.value_lists().iter().map(traffic::place).collect();
    for own in [0..count, count..2 * count] {
        assert!(places.iter().copied().filter(|place| own.contains(place)).eq(own.clone()), "{places:?}");
    }
    let routes = coco.json("/tiers")[0]["routes"][sink.address.to_string()].take();
    assert_eq!(routes.as_object().map(serde_json::Map::len), Some(1), "one host: {routes}");
    assert!(coco.stop().success());
    Ok(())
}

#[test]
fn a_burst_is_received_or_counted_as_dropped() -> io::Result<()> {
    const BURST: u64 = 1_000_000;
    let sink = Sink::start();
    let mut coco = Coco::start(&Config::new(&[("only", &[sink.address])]).text());
    let sender = traffic::sender(coco.listen);
    let datagram = traffic::datagram(&traffic::value_list("flood", 1));
    for _ in 0..BURST {
        sender.send(&datagram)?;
    }
    let api = coco.api;
    let counters = coco.process.wait_for("an account of every datagram", |_| {
        let vars = coco_harness::curl::get(&format!("http://{api}/debug/vars")).json();
        let listen = vars["coco"]["listen"].clone();
        let [raw, dropped] = ["raw", "kernel_drops"].map(|key| listen[key].as_u64().unwrap_or_default());
        (raw + dropped == BURST).then_some(listen)
    });
    let settled = coco.settled(counters["raw"].as_u64().unwrap_or_default());
    assert_eq!(settled.count(&["listen", "decoded"]), settled.count(&["listen", "raw"]));
    assert_eq!(settled.count(&["errors", "fetch.receive"]), 0);

    // The target may have no room yet for what comes behind the burst.
    let later = traffic::datagram(&traffic::value_list("later", 1));
    wait_until(PATIENCE, "what came later", || {
        sender.send(&later).expect("coco listens");
        sink.last().is_some_and(|last| last == later)
    });
    assert!(coco.stop().success());
    Ok(())
}

#[test]
fn names_without_end_fill_no_more_than_their_memory() -> io::Result<()> {
    const NAMES: u32 = 200_000;
    const MEMORY: u64 = 2 << 20;
    /// What the process takes besides: buffers touched for the first time, answers in the making.
    const BESIDES: u64 = 6 << 20;
    let sink = Sink::start();
    let mut config = Config::new(&[("only", &[sink.address])]).text();
    config.push_str(&format!("[state]\nmax_memory = {MEMORY}\n"));
    let mut coco = Coco::start(&config);
    let sender = traffic::sender(coco.listen);
    let before = coco.process.resident_memory() * 1024;

    let random = &mut Random(6);
    for names in 0..NAMES / 400 {
        let lists: Vec<_> = (0..400).map(|_| stranger(random)).collect();
        traffic::send(&sender, &lists);
        wait_until(PATIENCE, "what was sent", || sink.count() == u64::from(names + 1) * 400);
    }
    let counters = coco.settled(NAMES.into());
    assert_eq!(counters.count(&["send", "total"]), u64::from(NAMES));
    let remembered = counters.count(&["state", "metrics"]);
    assert!(remembered > 2_000, "{remembered}");
    assert_eq!(counters.count(&["filter", "unremembered"]), u64::from(NAMES) - remembered);
    let bytes = counters.count(&["state", "bytes"]);
    assert!(bytes <= MEMORY, "{bytes} bytes");
    let grown = (coco.process.resident_memory() * 1024).saturating_sub(before);
    assert!(grown < MEMORY + BESIDES, "{grown} bytes more than before");
    coco.process.wait_for("a word about it", |process| process.stdout().contains("is used up").then_some(()));
    assert_eq!(coco.process.stdout().matches("state.max_memory is used up").count(), 1, "once a minute");
    assert!(coco.stop().success());
    Ok(())
}

/// A value list of a host and a metric that nobody has heard of.
fn stranger(random: &mut Random) -> ValueList {
    let mut list = traffic::value_list(&format!("{:x}", random.number()), 1);
    list.identifier.type_instance = format!("{:x}", random.number()).into();
    list
}

/// Clients that don't behave, while value lists are under way.
#[test]
fn an_attack_on_the_api_costs_no_value_list() -> io::Result<()> {
    let sink = Sink::start();
    let mut coco = Coco::start(&Config::new(&[("only", &[sink.address])]).text());
    let sender = traffic::sender(coco.listen);
    let mut sent = 0;
    let mut pass = |coco: &Coco| -> io::Result<()> {
        for _ in 0..20 {
            traffic::send(&sender, [&traffic::value_list("host", sent)]);
            sent += 1;
        }
        wait_until(PATIENCE, "value lists under attack", || sink.count() == u64::from(sent));
        assert_eq!(coco.counters().count(&["listen", "raw"]), u64::from(sent));
        Ok(())
    };
    let connect = || {
        let client = TcpStream::connect(coco.api)?;
        client.set_read_timeout(Some(PATIENCE))?;
        Ok::<_, io::Error>(client)
    };

    let mut idle = Vec::new();
    for number in 0..idle_connections() {
        idle.push(connect()?);
        if number % 500 == 0 {
            pass(&coco)?;
        }
    }
    // Slow heads, which are evicted or time out.
    for client in idle.iter_mut().rev().take(500) {
        client.write_all(b"GET /tiers HTTP/1.1\r\nHost: slow\r\nX-")?;
    }
    pass(&coco)?;
    let huge = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(100_000));
    let garbage = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n";
    let body = b"GET /tiers HTTP/1.1\r\nConnection: close\r\nContent-Length: 9\r\n\r\n123456789";
    for head in [huge.as_bytes(), many.as_bytes(), garbage, body] {
        for _ in 0..20 {
            let mut client = connect()?;
            // It may be closed before all is written.
            let _ = client.write_all(head);
            let answer = read_to_the_end(&client);
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        }
        pass(&coco)?;
    }
    // Who asks for everything and takes nothing.
    let greedy: io::Result<Vec<_>> = (0..50)
        .map(|_| {
            let mut client = connect()?;
            client.set_write_timeout(Some(Duration::from_millis(20)))?;
            let requests = "GET /tiers HTTP/1.1\r\nHost: x\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n\
                GET /hosts?silent_for=1ns&limit=10000 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n\
                GET /?name=h HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n";
            let _ = client.write_all(requests.repeat(500).as_bytes());
            Ok(client)
        })
        .collect();
    let greedy = greedy?;
    pass(&coco)?;
    drop((idle, greedy));
    pass(&coco)?;
    let routes: BTreeMap<String, Value> =
        serde_json::from_value(coco.json("/tiers")[0]["routes"][sink.address.to_string()].take())?;
    assert_eq!(routes.into_keys().collect::<Vec<_>>(), ["host"]);
    assert_eq!(coco.settled(sent.into()).count(&["listen", "kernel_drops"]), 0);
    assert!(coco.stop().success());
    Ok(())
}
