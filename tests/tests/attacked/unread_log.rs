//! Logs that nobody reads: standard output and standard error are a full pipe. Neither lanes nor APIs nor the end of
//! the process wait for it, and what is lost is counted.

use std::net::SocketAddr;

use coco_harness::coco::Config;
use coco_harness::curl;
use coco_harness::directory::Directory;
use coco_harness::pipe::UnreadPipe;
use coco_harness::process::Process;
use coco_harness::program::{self, Program, logged_address};
use coco_harness::sink::Sink;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

/// What is wrong with it is a line of more than 64 KiB, a sixteenth of what waits to be written.
fn with_many_faults() -> String {
    (0..1_000).map(|number| format!("[surprise-{number}]\nkey = 1\n")).collect()
}

struct Unread {
    program: Program,
    api: SocketAddr,
    process: Process,
    directory: Directory,
    pipe: UnreadPipe,
}

impl Unread {
    fn start(program: Program, config: &str) -> Self {
        let (process, directory, pipe) = program::start_unread(program, config);
        let api = logged_address(pipe.text(), "serving HTTP");
        Self { program, api, process, directory, pipe }
    }

    fn count(&self, way: [&str; 2]) -> u64 {
        let vars: Value = curl::json(&format!("http://{}/debug/vars", self.api));
        vars[self.program.name()][way[0]][way[1]].as_u64().unwrap_or_else(|| panic!("no {way:?} in {vars}"))
    }

    /// Has it log more than it can keep.
    fn flood_log(&mut self) {
        self.directory.write("coco.conf", &with_many_faults());
        let mut refused = 0;
        while self.count(["errors", "log.dropped"]) == 0 {
            assert!(refused < 1000, "all of that has been kept");
            self.process.signal(Signal::SIGHUP);
            refused += 1;
            wait_until(PATIENCE, "a refused reload", || self.count(["errors", "reload"]) >= refused);
        }
        self.assert_healthy();
    }

    fn assert_healthy(&self) {
        assert_eq!(curl::get(&format!("http://{}/healthz", self.api)).status, 200);
    }

    /// Past `stop.grace` the status would be 1.
    fn assert_stops_in_time(mut self) {
        assert_eq!(self.process.stop().code(), Some(0));
    }
}

#[test]
fn lanes_api_and_stop_of_coco_do_not_wait_for_the_reader_of_its_log() {
    (1..=3).for_each(coco_does_not_wait);
}

fn coco_does_not_wait(threads: u32) {
    let sink = Sink::start();
    let mut config = Config::new(&[("shortterm", &[sink.address])]);
    config.threads = threads;
    let mut coco = Unread::start(Program::Coco, &config.text());
    let sender = traffic::sender(logged_address(coco.pipe.text(), "listening for collectd packets"));
    for place in 0..50 {
        sender.send(&traffic::datagram(&traffic::value_list("one", place))).expect("loopback takes it");
        // Each kind of complaint comes once a minute; a target that refuses and a bad reload have theirs.
        for malformed in [&[0; 3][..], b"x", &[0, 0, 0, 1], &[0, 6, 0, 6, 0, 1]] {
            sender.send(malformed).expect("loopback takes it");
        }
        wait_until(PATIENCE, "a good datagram", || sink.count() == u64::from(place) + 1);
    }
    assert_eq!(coco.count(["errors", "fetch.receive"]), 200);
    coco.flood_log();
    traffic::send(&sender, &[traffic::value_list("one", 50)]);
    wait_until(PATIENCE, "a good datagram when lines are lost", || sink.count() == 51);
    coco.assert_stops_in_time();
}

#[test]
fn api_and_stop_of_noodle_do_not_wait_for_the_reader_of_its_log() {
    // Nothing listens there.
    let mut noodle = Unread::start(Program::Noodle, &Config::new(&[("shortterm", &["127.0.0.1:9"])]).text());
    for host in 0..50 {
        let answer = curl::get(&format!("http://{}/data/h{host}/load/load", noodle.api));
        assert_eq!(answer.status, 502, "{answer:?}");
    }
    noodle.flood_log();
    noodle.assert_stops_in_time();
}

#[test]
fn the_log_goes_on_when_it_is_read_again_and_says_what_is_missing() {
    let mut noodle = Unread::start(Program::Noodle, &Config::new(&[("shortterm", &["127.0.0.1:9"])]).text());
    noodle.flood_log();
    let lost = noodle.count(["errors", "log.dropped"]);
    let log = noodle.pipe.read_until("lines of the log were lost");
    assert!(log.contains("the configuration is refused"), "what was kept comes first: {log}");
    let log = noodle.pipe.read_until(&format!("lost={lost}\n"));
    assert!(log.lines().all(|line| line.is_empty() || line.contains("Z ")), "whole lines: {log}");
    noodle.assert_stops_in_time();
}

#[test]
fn a_start_that_fails_does_not_wait_for_the_reader_of_its_reason() {
    for program in [Program::Coco, Program::Noodle] {
        let directory = Directory::new("unread");
        let path = directory.write("coco.conf", &with_many_faults());
        let status = program::run_unread(program, &path);
        assert_eq!(status.code(), Some(1), "{program:?}");
    }
}
