//! How much memory Coco takes at most, whatever strangers send and however slowly they read.
//!
//! What is measured is the peak of the process's own memory (VmHWM of proc(5)), beyond what it takes before anything
//! has come; the kernel's receive buffers come beside it. Each proof has a short case here, and a long one at full size,
//! which `tests/run all` adds. `--nocapture` shows the figures.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::ops::Range;

use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use coco_harness::coco::{Coco, Config, Counters};
use coco_harness::traffic::{LARGEST_DATAGRAM, MAX_PACKET_SIZE, datagrams, sender};
use coco_harness::wait::{PATIENCE, wait_until};
use socket2::SockRef;

const MIB: u64 = 1024;

/// KiB beyond what the lanes may remember: the 64 MiB of the notes on security, less what it takes before anything comes.
const BESIDES: u64 = (64 - 24) * MIB;

/// Datagrams that the smallest receive buffer of these tests holds.
const ON_THEIR_WAY: usize = 200;

/// Lanes, the threads of each, and whether they hand each other hosts.
type Shape = (u32, u32, bool);

/// A Coco whose memory is watched, and who sends to it.
struct Watched {
    coco: Coco,
    /// So many that each lane gets some of what they send.
    senders: Vec<UdpSocket>,
    sent: usize,
    /// Its configuration, but for what is remembered.
    config: String,
    /// Of Coco before anything has come, in KiB.
    before: u64,
    /// Nobody reads what is sent to them.
    _targets: Vec<UdpSocket>,
}

impl Watched {
    /// Two tiers that part the hosts in different ways.
    fn start((lanes, threads, spread_hosts): Shape, more: &str) -> Self {
        let targets: Vec<_> = (0..5).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a free port")).collect();
        let addresses: Vec<_> =
            targets.iter().map(|target| target.local_addr().expect("it is bound")).collect();
        let config = Config::new(&[("two", &addresses[..2]), ("three", &addresses[2..])]);
        let config = Config { lanes, threads, ..config }.text();
        let config = config.replace("[pipeline]", &format!("[pipeline]\nspread_hosts = {spread_hosts}"));
        let coco = Coco::start(&(config.clone() + more));
        let senders = (0..lanes * 8).map(|_| sender(coco.listen)).collect();
        let before = coco.process.peak_memory();
        // A debug build has 18 MiB, most of them code; a release has 8.
        assert!(before < 24 * MIB, "{before} KiB");
        Self { coco, senders, sent: 0, config, before, _targets: targets }
    }

    fn count(&self, way: &[&str]) -> u64 {
        self.coco.counters().count(way)
    }

    /// Sends these, no faster than Coco takes them.
    fn send(&mut self, lists: &[ValueList]) {
        for some in datagrams(MAX_PACKET_SIZE, lists).chunks(ON_THEIR_WAY) {
            for datagram in some {
                self.send_datagram(datagram);
            }
            self.wait();
        }
    }

    fn send_datagram(&mut self, datagram: &[u8]) {
        let sender = &self.senders[self.sent % self.senders.len()];
        assert_eq!(sender.send(datagram).expect("it listens"), datagram.len());
        self.sent += 1;
    }

    /// Until all that was sent is dealt with.
    fn wait(&self) {
        wait_until(PATIENCE, "what was sent to be dealt with", || {
            let counters = self.coco.counters();
            let came = counters.count(&["listen", "raw"]) + counters.count(&["listen", "kernel_drops"]);
            came == self.sent as u64 && is_idle(&counters)
        });
    }

    /// Has it remember so many hosts with the same metrics each. Returns the KiB that they take.
    fn fill(&mut self, hosts: usize, metrics: usize) -> u64 {
        for host in 0..hosts {
            let metric = |metric| value_list(format!("host{host}"), String::new(), format!("{metric:x}"));
            self.send(&(0..metrics).map(metric).collect::<Vec<_>>());
        }
        assert_eq!(self.count(&["state", "metrics"]), (hosts * metrics) as u64);
        self.count(&["state", "bytes"]) / 1024
    }

    /// Sends so many as fast as they go.
    fn flood(&mut self, datagram: &[u8], count: usize) {
        (0..count).for_each(|_| self.send_datagram(datagram));
        self.wait();
    }

    /// Sends so many names as fast as they go, and the densest datagrams between them.
    fn flood_with_names(&mut self, names: Range<usize>, (_, name): Kind) {
        let dense = [false, true].map(dense);
        for datagram in datagrams(LARGEST_DATAGRAM, &names.map(name).collect::<Vec<_>>()) {
            self.send_datagram(&datagram);
            dense.iter().for_each(|datagram| self.send_datagram(datagram));
        }
        self.wait();
    }

    /// Fails if it has taken more than so many KiB, beyond what it took before anything came.
    #[expect(clippy::print_stderr, reason = "the figures are for whoever publishes them")]
    fn hold_to(&self, most: u64, what: &str) {
        let peak = self.coco.process.peak_memory();
        eprintln!("{what}: {peak} KiB, {} at first", self.before);
        assert!(peak - self.before <= most, "{what}: {peak} KiB, {} at first, {most} beyond it", self.before);
    }

    fn reload(&mut self, more: &str) {
        let said = self.coco.reload(&(self.config.clone() + more));
        assert!(!said.contains("ERROR"), "{said}");
    }

    /// Until nothing is remembered.
    fn all_expire(&self) {
        wait_until(PATIENCE, "names to expire", || self.count(&["state", "hosts"]) == 0);
    }

    fn stop(self) {
        assert!(self.coco.stop().success());
    }
}

fn is_idle(counters: &Counters) -> bool {
    ["raw", "filtered"].iter().all(|queue| counters.count(&["queues", queue]) == 0)
}

fn value_list(host: String, plugin_instance: String, type_instance: String) -> ValueList {
    let identifier = Identifier {
        host: host.into(),
        plugin: b"p".to_vec(),
        plugin_instance: plugin_instance.into(),
        type_name: b"t".to_vec(),
        type_instance: type_instance.into(),
    };
    let time = Time::HighResolution(1_700_000_000 << 30);
    ValueList::new(identifier, time, Interval::HighResolution(10 << 30), &[Value::Gauge(1.0)])
}

/// The largest datagram of value lists of 15 bytes, or of two hosts by turns.
fn dense(of_two: bool) -> Vec<u8> {
    let host = |number| if of_two && number % 2 == 1 { "b" } else { "a" }.to_owned();
    let list = |number| value_list(host(number), String::new(), String::new());
    let lists: Vec<_> = (0..LARGEST_DATAGRAM / 15).map(list).collect();
    datagrams(LARGEST_DATAGRAM, &lists).swap_remove(0)
}

/// Asks for a path and takes as little of the answer as the system allows.
fn read_slowly(api: SocketAddr, path: &str) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    SockRef::from(&socket).set_recv_buffer_size(4096).expect("SO_RCVBUF");
    socket.connect(&api.into()).expect("it listens");
    let mut client = TcpStream::from(socket);
    client
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
        .expect("it takes a request");
    // Until the answer has begun, and so has been made as far as it is without its reader.
    client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    client.peek(&mut [0]).expect("an answer");
    client
}

/// `most` is in KiB, beyond what is remembered.
fn slow_readers_and_a_flood(lanes: u32, hosts: usize, metrics: usize, most: u64) {
    let mut watched = Watched::start((lanes, 1, false), "");
    let state = watched.fill(hosts, metrics);
    watched.hold_to(state + most, &format!("{state} KiB of {} metrics", hosts * metrics));
    let readers = ["/tiers", "/tiers"].map(|path| read_slowly(watched.coco.api, path));
    watched.flood(&dense(true), 200);
    watched.hold_to(state + most, "with slow readers and a flood");
    drop(readers);
    watched.stop();
}

#[test]
fn slow_readers_hold_no_copy_of_what_is_remembered() {
    slow_readers_and_a_flood(1, 80, 8192, 16 * MIB);
}

#[test]
#[ignore = "takes minutes: tests/run all"]
fn slow_readers_hold_no_copy_of_nine_million_metrics() {
    slow_readers_and_a_flood(1, 543, 16_384, BESIDES);
}

#[test]
#[ignore = "takes minutes: tests/run all"]
fn slow_readers_hold_no_copy_of_what_two_lanes_remember() {
    slow_readers_and_a_flood(2, 200, 8192, BESIDES);
}

/// `memory` of each lane is in KiB.
fn dense_floods(shapes: &[Shape], count: usize, names: usize, memory: u64) {
    for &shape in shapes {
        let mut watched = Watched::start(shape, &state("1h", memory));
        for of_two in [false, true] {
            watched.flood(&dense(of_two), count);
        }
        watched.hold_to(BESIDES, &format!("floods of {shape:?}"));
        for (number, kind) in (0..).zip(KINDS) {
            watched.flood_with_names(number * names..(number + 1) * names, kind);
        }
        watched.hold_to(u64::from(shape.0) * memory + BESIDES, &format!("with names, {shape:?}"));
        watched.stop();
    }
}

#[test]
fn floods_of_the_densest_datagrams_take_little_memory() {
    dense_floods(&[(1, 1, false), (1, 2, false), (1, 3, false), (2, 3, false)], 300, 10_000, MIB);
}

#[test]
fn they_take_no_more_with_four_lanes() {
    dense_floods(&[(4, 3, false), (4, 3, true)], 600, 20_000, MIB);
}

#[test]
#[ignore = "takes minutes: tests/run all"]
fn long_floods_of_the_densest_datagrams_take_no_more() {
    let shapes: Vec<_> = [1, 2, 4, 8]
        .into_iter()
        .flat_map(|lanes| (1..=3).map(move |threads| (lanes, threads)))
        .flat_map(|(lanes, threads)| [false, true].map(|spreads| (lanes, threads, spreads)))
        .filter(|(lanes, threads, spreads)| !spreads || (*lanes > 1 && *threads > 1))
        .collect();
    dense_floods(&shapes, 4000, 200_000, 16 * MIB);
}

/// Names that are sent before the next look at what is held.
const AT_ONCE: usize = 10_000;

/// The table of what is remembered, with so many KiB for it.
fn state(expire: &str, memory: u64) -> String {
    format!("[state]\nexpire = {expire:?}\nmax_memory = {}\n", memory * 1024)
}

/// A kind of names, and one of each number.
type Kind = (&'static str, fn(usize) -> ValueList);

/// Names without end, whose memory has another shape in each kind.
const KINDS: [Kind; 4] = [
    ("hosts", |number| value_list(format!("{number:016x}"), String::new(), String::new())),
    ("metrics", |number| value_list(format!("{:x}", number / 8192), String::new(), format!("{number:016x}"))),
    ("long hosts", |number| value_list(format!("{number:0127x}"), String::new(), String::new())),
    ("hosts and metrics", |number| {
        value_list(format!("{number:016x}"), format!("{number:016x}"), String::new())
    }),
];

/// Each kind takes all the memory that there is, and then expires: what it has needed is given back, or serves the next.
/// `memory` and `most` are in KiB.
fn kinds_of_names_fill_it(lanes: u32, memory: u64, most: u64) {
    let (never, soon) = (state("1h", memory), state("1s", memory));
    let mut watched = Watched::start((lanes, 1, false), &never);
    let mut numbers = (0..).step_by(AT_ONCE);
    for (kind, name) in KINDS.iter().chain(&KINDS) {
        watched.reload(&never);
        let unremembered = watched.count(&["filter", "unremembered"]);
        while watched.count(&["filter", "unremembered"]) == unremembered {
            let number = numbers.next().expect("there is no end");
            watched.send(&(number..number + AT_ONCE).map(name).collect::<Vec<_>>());
        }
        let held = watched.count(&["state", "bytes"]) / 1024;
        watched.reload(&soon);
        watched.all_expire();
        watched.hold_to(most, &format!("{held} KiB of {kind}"));
    }
    watched.stop();
}

/// The same while they expire: so many names of each kind, one kind after another.
fn names_change(lanes: u32, memory: u64, names: usize, most: u64) {
    let mut watched = Watched::start((lanes, 1, false), &state("1s", memory));
    let mut numbers = (0..).step_by(AT_ONCE);
    for (kind, name) in KINDS.iter().chain(&KINDS) {
        let mut held = 0;
        for number in numbers.by_ref().take(names / AT_ONCE) {
            watched.send(&(number..number + AT_ONCE).map(name).collect::<Vec<_>>());
            held = held.max(watched.count(&["state", "bytes"]) / 1024);
        }
        watched.all_expire();
        watched.hold_to(most, &format!("up to {held} KiB of {kind}"));
    }
    watched.stop();
}

#[test]
fn each_kind_of_names_finds_the_memory_of_the_last() {
    kinds_of_names_fill_it(1, 16 * MIB, 16 * MIB + 8 * MIB);
}

#[test]
#[ignore = "takes minutes: tests/run all"]
fn changing_names_take_no_more_than_a_quarter_of_a_gibibyte() {
    names_change(1, 256 * MIB, 1_000_000, 256 * MIB + BESIDES);
}

#[test]
#[ignore = "takes minutes: tests/run all"]
fn each_kind_of_names_finds_a_quarter_of_a_gibibyte() {
    kinds_of_names_fill_it(1, 256 * MIB, 256 * MIB + BESIDES);
}

#[test]
#[ignore = "takes minutes: tests/run all"]
fn each_kind_of_names_finds_the_memory_of_two_lanes() {
    kinds_of_names_fill_it(2, 64 * MIB, 2 * 64 * MIB + BESIDES);
}
