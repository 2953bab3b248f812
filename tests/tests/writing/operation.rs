//! Coco told to stop: under load, and by either signal.

use std::net::TcpStream;

use coco_harness::coco::{Coco, Config};
use coco_harness::process::Process;
use coco_harness::sink::Sink;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_for, wait_until};
use nix::sys::signal::Signal;

const HOSTS: [&str; 5] = ["one", "two", "three", "four", "five"];

/// So few value lists are on their way at a time that no socket buffer of this machine overflows.
const ON_THEIR_WAY: u64 = 64;

/// How many value lists are sent before the signal.
const BEFORE: u32 = 5_000;

#[test]
fn sigterm_under_load_delivers_all_that_was_received() {
    // However many threads carry the stages of the lane.
    (1..=3).for_each(delivers_all_that_was_received_before_sigterm);
}

fn delivers_all_that_was_received_before_sigterm(threads: u32) {
    let sinks = [Sink::start(), Sink::start()];
    let [shortterm, midterm] = sinks.each_ref().map(|sink| [sink.address]);
    let mut config = Config::new(&[("shortterm", &shortterm), ("midterm", &midterm)]);
    config.threads = threads;
    let mut coco = Coco::start(&config.text());
    let idle_client = TcpStream::connect(coco.api).expect("the API listens");

    send_until_it_ends(&mut coco, &sinks[0]);
    assert_ended_well(&mut coco.process);
    drop(idle_client);

    // Every host's value lists are there from the first to one that was sent after the signal, in order, none
    // missing, none twice; and both tiers got the same.
    wait_until(PATIENCE, "all that was sent before the signal", || sinks[0].count() >= u64::from(BEFORE));
    wait_until(PATIENCE, "the same in both tiers", || sinks[0].count() == sinks[1].count());
    let received = sinks[0].count();
    for sink in &sinks {
        let lists = sink.value_lists();
        assert_eq!(lists.len() as u64, received);
        for host in HOSTS {
            let places: Vec<_> = lists
                .iter()
                .filter(|list| list.identifier.host == host.as_bytes())
                .map(traffic::place)
                .collect();
            assert!(places.iter().copied().eq(0..places.len() as u32), "value lists of {host}: {places:?}");
            let own = lists.iter().filter(|list| list.identifier.host == host.as_bytes());
            let sent = (0..).map(|place| traffic::value_list(host, place));
            own.zip(sent).for_each(|(list, sent)| assert_eq!(*list, sent));
        }
    }
}

/// Sends value lists of all hosts in turn, the signal in their midst, until nobody takes them any more.
fn send_until_it_ends(coco: &mut Coco, sink: &Sink) {
    let sender = traffic::sender(coco.listen);
    for number in 0.. {
        if number == BEFORE {
            coco.process.signal(Signal::SIGTERM);
        }
        let host = HOSTS[number as usize % HOSTS.len()];
        let list = traffic::value_list(host, number / HOSTS.len() as u32);
        if sender.send(&traffic::datagram(&list)).is_err() {
            return;
        }
        let ended = wait_for(PATIENCE, "value lists on their way", || {
            let ended = number > BEFORE && coco.process.has_ended();
            (ended || sink.count() + ON_THEIR_WAY > u64::from(number)).then_some(ended)
        });
        if ended {
            return;
        }
    }
}

fn assert_ended_well(process: &mut Process) {
    let status = process.ended(PATIENCE);
    assert_eq!(status.code(), Some(0), "SIGTERM ends it well");
}

#[test]
fn sigint_stops_it_as_sigterm_does() {
    let sink = Sink::start();
    let mut coco = Coco::start(&Config::new(&[("shortterm", &[sink.address])]).text());
    coco.process.signal(Signal::SIGINT);
    assert_ended_well(&mut coco.process);
}
