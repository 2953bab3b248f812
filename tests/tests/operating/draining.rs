//! A stop that is announced before it begins: who balances load sees it while everything is still served.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use coco_harness::clients::read_to_the_end;
use coco_harness::coco::Config;
use coco_harness::curl;
use coco_harness::directory::Directory;
use coco_harness::process::Process;
use coco_harness::program::{self, Program, logged_address};
use coco_harness::sink::Sink;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_until};
use nix::sys::signal::Signal;

/// Longer than any test: only another signal ends it.
const ENDLESS: &str = "24h";

/// A daemon, and the only target it has.
struct Daemon {
    program: Program,
    process: Process,
    http: SocketAddr,
    target: Sink,
    _directory: Directory,
}

impl Daemon {
    fn start(program: Program, stop: &str) -> Self {
        let target = Sink::start();
        let config = Config::new(&[("a", &[target.address])]).text();
        let (process, directory) = program::start(program, &format!("{config}\n[stop]\n{stop}\n"));
        let http = logged_address(&process.stdout(), "serving HTTP");
        Self { program, process, http, target, _directory: directory }
    }

    /// What one sees who connects and asks.
    fn get(&self, path: &str) -> (u16, String) {
        let answer = curl::get(&format!("http://{}{path}", self.http));
        (answer.status, answer.body)
    }

    /// A connection that is kept, since it was not told otherwise.
    fn kept(&self) -> TcpStream {
        let mut client = TcpStream::connect(self.http).expect("it listens");
        client.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
        client.write_all(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).expect("an answer");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("text");
        assert!(
            head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("keep-alive: timeout=75\r\n"),
            "{head}"
        );
        client
    }

    /// Sends a value list to Coco, which is to reach the target.
    fn forwards(&self, place: u32) {
        let listen = logged_address(&self.process.stdout(), "listening for collectd packets");
        let before = self.target.datagram_count();
        let list = traffic::value_list("web1", place);
        for datagram in traffic::datagrams(traffic::MAX_PACKET_SIZE, [&list]) {
            traffic::sender(listen).send(&datagram).expect("it listens");
        }
        wait_until(PATIENCE, "a value list at the target", || self.target.datagram_count() > before);
    }

    /// SIGTERM; waits until it has said that it drains.
    fn begin_to_drain(&mut self) {
        self.process.signal(Signal::SIGTERM);
        self.process.wait_for("a drain", |process| process.stdout().contains("draining").then_some(()));
    }

    fn is_announced(&self) {
        let (status, body) = self.get("/healthz");
        assert_eq!(status, 503, "{body}");
        assert!(body.contains("\"status\":\"draining\""), "{body}");
    }

    fn ends_well(&mut self) {
        let status = self.process.ended(PATIENCE);
        assert!(status.success(), "{status}");
        assert!(TcpStream::connect(self.http).is_err(), "nobody listens any more");
    }
}

#[test]
fn everything_is_served_during_a_drain_but_new_connections_see_the_end_of_it() {
    for program in [Program::Coco, Program::Noodle] {
        let mut daemon = Daemon::start(program, &format!("drain = '{ENDLESS}'"));
        assert_eq!(daemon.get("/healthz").0, 200);
        let kept = daemon.kept();
        daemon.begin_to_drain();
        // Not for a moment only.
        for place in 0..20 {
            daemon.is_announced();
            for path in ["/tiers", "/lookup?name=web1", "/metrics", "/debug/vars"] {
                let (status, body) = daemon.get(path);
                assert_eq!(status, 200, "{path}: {body}");
            }
            if daemon.program == Program::Coco {
                daemon.forwards(place);
            }
        }
        // Who has a connection is asked to come by another, with its answer.
        (&kept).write_all(b"GET /tiers HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
        let answer = read_to_the_end(&kept);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        // It is too late for that, and ends nothing.
        daemon.process.signal(Signal::SIGHUP);
        daemon.process.wait_for("a word about SIGHUP", |process| {
            process.stdout().contains("it is stopping, nothing changes").then_some(())
        });
        daemon.is_announced();
        daemon.process.signal(Signal::SIGTERM);
        daemon.ends_well();
    }
}

#[test]
fn a_drain_ends_by_itself() {
    let drain = Duration::from_secs(2);
    for program in [Program::Coco, Program::Noodle] {
        let mut daemon = Daemon::start(program, "drain = '2s'");
        let begin = Instant::now();
        daemon.begin_to_drain();
        daemon.is_announced();
        daemon.ends_well();
        assert!(begin.elapsed() >= drain, "after {:?}", begin.elapsed());
    }
}

#[test]
fn a_stop_without_a_drain_begins_at_once() {
    for program in [Program::Coco, Program::Noodle] {
        let mut daemon = Daemon::start(program, "grace = '24h'");
        let kept = daemon.kept();
        daemon.process.signal(Signal::SIGTERM);
        // Nobody has anything to lose.
        assert_eq!(read_to_the_end(&kept), "");
        daemon.ends_well();
        assert!(!daemon.process.stdout().contains("draining"), "{}", daemon.process.stdout());
    }
}
