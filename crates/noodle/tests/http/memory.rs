//! Who gets the memory when there is not enough for all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::node::{Gate, Node, host, response, write};
use crate::noodle::{Client, Noodle, tiers};

/// Has 15 MB of each host whose name begins with `large`, and little of others.
fn node() -> Node {
    Node::answering(|path| {
        let host = host(path).into_string().unwrap();
        let length = if host.starts_with("large") { 15_000_000 } else { 100 };
        (200, format!("{{\"{host}\":\"{}\"}}", "x".repeat(length)))
    })
}

fn answered(noodle: &Noodle) -> u64 {
    noodle.counters()["fetch.target.response.codes"]["200"].as_u64().unwrap()
}

/// A client that has asked for a large answer, which is there, and takes none of it.
fn slow(noodle: &Noodle) -> Client {
    let before = answered(noodle);
    let mut client = noodle.connect();
    client.send("GET /data/large/load HTTP/1.1\r\nHost: a\r\n\r\n");
    while answered(noodle) == before {
        std::thread::yield_now();
    }
    client
}

#[test]
fn who_holds_an_answer_longest_gives_way_to_who_needs_the_memory() {
    let node = node();
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "max_memory = \"48MiB\"");
    let mut clients: Vec<_> = (0..3).map(|_| slow(&noodle)).collect();
    assert_eq!(noodle.get("/data/large/load").body.len() / 1_000_000, 15);
    let lengths = clients.iter_mut().map(|client| client.read_to_end_or_length(15_000_000));
    let whole: Vec<_> = lengths.map(|length| length >= 15_000_000).collect();
    assert_eq!(whole, [false, true, true], "one is enough, and it is the first");
    drop(clients);
    assert_eq!(noodle.counters()["fetch.memory"], 0);
}

#[test]
fn who_takes_an_answer_slowly_has_it_all_while_nobody_needs_the_memory() {
    let node = node();
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "max_memory = \"20MiB\"");
    let mut slow = slow(&noodle);
    // Far longer than it may keep the memory when others need it.
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(4) {
        assert_eq!(noodle.get("/data/small/load").status, 200);
    }
    assert!(slow.read("GET").body.len() > 15_000_000);
}

/// There is nobody who could give way, so the second waits until the first has its answer.
#[test]
fn who_needs_memory_that_an_answer_on_its_way_has_waits_for_it() {
    let (gate, begun) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
    let (open, told) = (Arc::clone(&gate), Arc::clone(&begun));
    let node = Node::start(move |asked, stream| {
        let body = format!("{{\"{}\":\"{}\"}}", host(&asked.path).to_str().unwrap(), "x".repeat(15_000_000));
        let answer = response(200, "", body.as_bytes());
        write(stream, &answer[..1000]);
        told.open();
        open.pass();
        write(stream, &answer[1000..]);
        true
    });
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "max_memory = \"20MiB\"");
    let mut first = noodle.connect();
    first.send("GET /data/web1/load HTTP/1.1\r\nHost: a\r\n\r\n");
    begun.pass();
    let mut second = noodle.connect();
    second.send("GET /data/web2/load HTTP/1.1\r\nHost: a\r\n\r\n");
    while node.asked().len() < 2 {
        std::thread::yield_now();
    }
    gate.open();
    assert_eq!([first.read("GET").status, second.read("GET").status], [200, 200]);
}
