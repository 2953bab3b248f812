//! How much memory Coco takes at most, whatever strangers send and however slowly they read.
//!
//! What is measured is the peak of the process's own memory (VmHWM of proc(5)); the kernel's receive buffers come beside
//! it. Each proof has a short case here, and a long one at full size, which `tests/run all` adds.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream, UdpSocket};

use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use coco_tests::coco::{Coco, Config};
use coco_tests::traffic::{LARGEST_DATAGRAM, MAX_PACKET_SIZE, datagrams, sender};
use coco_tests::wait::{PATIENCE, wait_until};
use socket2::SockRef;

/// KiB beyond what the lanes may remember.
const BESIDES: u64 = 64 * 1024;

/// Datagrams that the smallest receive buffer of these tests holds.
const ON_THEIR_WAY: usize = 200;

/// Two tiers that part the hosts in different ways, and nobody who reads what is sent to them.
fn start(threads: u32, more: &str) -> (Coco, Vec<UdpSocket>) {
    let targets: Vec<_> = (0..5).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a free port")).collect();
    let addresses: Vec<_> = targets.iter().map(|target| target.local_addr().expect("it is bound")).collect();
    let mut config = Config::new(&[("two", &addresses[..2]), ("three", &addresses[2..])]);
    config.threads = threads;
    (Coco::start(&(config.text() + more)), targets)
}

fn value_list(host: String, type_instance: String) -> ValueList {
    let identifier = Identifier {
        host: host.into(),
        plugin: b"p".to_vec(),
        plugin_instance: Vec::new(),
        type_name: b"t".to_vec(),
        type_instance: type_instance.into(),
    };
    let time = Time::HighResolution(1_700_000_000 << 30);
    ValueList::new(identifier, time, Interval::HighResolution(10 << 30), &[Value::Gauge(1.0)])
}

/// Has a Coco remember so many hosts with the same metrics each.
fn fill(coco: &Coco, hosts: usize, metrics: usize) {
    let sender = sender(coco.listen);
    let mut sent = 0;
    for host in 0..hosts {
        let lists: Vec<_> =
            (0..metrics).map(|metric| value_list(format!("host{host}"), format!("{metric:x}"))).collect();
        for some in datagrams(MAX_PACKET_SIZE, &lists).chunks(ON_THEIR_WAY) {
            some.iter()
                .for_each(|datagram| assert_eq!(sender.send(datagram).expect("it listens"), datagram.len()));
            sent += some.len() as u64;
            wait_until(PATIENCE, "what was sent", || coco.counters().count(&["listen", "raw"]) == sent);
        }
    }
    let remembered = coco.counters().count(&["state", "metrics"]);
    assert_eq!(remembered, (hosts * metrics) as u64);
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

/// The largest datagram of value lists of 15 bytes, or of two hosts by turns.
fn dense(of_two: bool) -> Vec<u8> {
    let lists: Vec<_> = (0..LARGEST_DATAGRAM / 15)
        .map(|number| value_list(if of_two && number % 2 == 1 { "b" } else { "a" }.to_owned(), String::new()))
        .collect();
    datagrams(LARGEST_DATAGRAM, &lists).swap_remove(0)
}

/// Sends so many as fast as they go, from two sockets.
fn flood(coco: &Coco, datagram: &[u8], count: usize) {
    let senders = [sender(coco.listen), sender(coco.listen)];
    for _ in 0..count {
        for sender in &senders {
            sender.send(datagram).expect("it listens");
        }
    }
    wait_until(PATIENCE, "the flood to be dealt with", || {
        let counters = coco.counters();
        let raw = counters.count(&["listen", "raw"]) + counters.count(&["listen", "kernel_drops"]);
        raw >= 2 * count as u64 && counters.count(&["queues", "raw"]) == 0
    });
}

fn slow_readers_and_a_flood(hosts: usize, metrics: usize) {
    let (coco, _targets) = start(1, "");
    fill(&coco, hosts, metrics);
    let state = coco.counters().count(&["state", "bytes"]) / 1024;
    let before = coco.process.peak_memory();
    assert!(before < state + BESIDES, "{before} KiB with a state of {state} KiB");
    let readers = ["/tiers", "/tiers"].map(|path| read_slowly(coco.api, path));
    flood(&coco, &dense(true), 100);
    let peak = coco.process.peak_memory();
    // Each holds some names, and a batch of the flood some MiB.
    assert!(peak < before + 40 * 1024, "{before} KiB before, {peak} KiB with slow readers and a flood");
    drop(readers);
    assert!(coco.stop().success());
}

#[test]
fn slow_readers_hold_no_copy_of_what_is_remembered() {
    slow_readers_and_a_flood(150, 8192);
}

#[test]
#[ignore = "takes minutes: tests/run all"]
fn slow_readers_hold_no_copy_of_nine_million_metrics() {
    slow_readers_and_a_flood(543, 16_384);
}

fn dense_floods(count: usize) {
    for threads in 1..=3 {
        let (coco, _targets) = start(threads, "");
        for of_two in [false, true] {
            flood(&coco, &dense(of_two), count);
        }
        let peak = coco.process.peak_memory();
        assert!(peak < BESIDES, "{peak} KiB with {threads} threads");
        assert!(coco.stop().success());
    }
}

#[test]
fn floods_of_the_densest_datagrams_take_little_memory() {
    dense_floods(150);
}

#[test]
#[ignore = "takes minutes: tests/run all"]
fn long_floods_of_the_densest_datagrams_take_no_more() {
    dense_floods(8000);
}
