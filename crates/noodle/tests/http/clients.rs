//! Hostile clients: others are still served.

use std::time::Duration;

use coco_daemon::descriptors;
use coco_daemon::http::Limits;

use crate::node::Node;
use crate::noodle::{Client, Noodle, tiers};

fn noodle(limits: Limits) -> (Noodle, Node) {
    let node = Node::having_every_host();
    (Noodle::start_within(&tiers(&[("t", &[node.address])]), "", limits), node)
}

fn assert_serves(noodle: &Noodle) {
    assert_eq!(noodle.get("/data/web1/load").status, 200);
}

#[test]
fn slow_headers() {
    let (noodle, _node) = noodle(Limits { head_timeout: Duration::from_secs(1), ..Limits::default() });
    let mut slow: Vec<_> = (0..50).map(|_| noodle.connect()).collect();
    for client in &mut slow {
        client.send("GET /data/web1/load HTTP/1.1\r\nX-Fi");
    }
    assert_serves(&noodle);
    // Each is sent away.
    for client in &mut slow {
        client.read_to_end();
    }
    assert_serves(&noodle);
}

#[test]
fn huge_headers() {
    let (noodle, node) = noodle(Limits::default());
    let many: String = (0..1000).map(|number| format!("X-Field-{number}: a\r\n")).collect();
    for head in [
        format!("GET /data/web1/load HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(100_000)),
        format!("GET /data/{}/load HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(100_000)),
        format!("GET /data/web1/load HTTP/1.1\r\n{many}\r\n"),
    ] {
        let mut client = noodle.connect();
        // Noodle may close before all is sent.
        let _ = std::io::Write::write_all(client.0.get_mut(), head.as_bytes());
        let answer = String::from_utf8_lossy(&client.read_to_end()).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert_serves(&noodle);
    assert_eq!(node.asked().len(), 1);
}

#[test]
fn pipelined_garbage() {
    let (noodle, node) = noodle(Limits::default());
    let mut client = noodle.connect();
    client.send("GET /data/web1/load HTTP/1.1\r\nHost: a\r\n\r\n\0\u{1}\u{2}garbage\r\n\r\nGET /data/web2/load HTTP/1.1\r\n\r\n");
    assert_eq!(client.read("GET").status, 200);
    let rest = String::from_utf8_lossy(&client.read_to_end()).into_owned();
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400"), "{rest}");
    assert_serves(&noodle);
    assert!(node.asked().iter().all(|asked| asked.path == "/data/web1/load"));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let node = Node::having_every_host();
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "metadata = false");
    let mut client = noodle.connect();
    let requests: String =
        (0..20).map(|number| format!("GET /data/web{number}/load HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    client.send(&requests);
    for number in 0..20 {
        assert_eq!(client.read("GET").text(), format!("{{\"web{number}\":1}}"));
    }
}

#[test]
fn clients_that_leave_before_the_answer() {
    let (noodle, node) = noodle(Limits::default());
    for _ in 0..100 {
        noodle.connect().send("GET /data/web1/load HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    assert_serves(&noodle);
    assert!(noodle.errors().is_empty());
    drop(node);
}

/// Both ends of a connection are in this process, so 5,000 need 10,000 descriptors and some: fewer are tried where
/// the system does not grant them. Either way there are more than Noodle keeps.
#[test]
fn five_thousand_idle_connections() {
    descriptors::raise_limit();
    let granted = descriptors::limit();
    let count = 5000.min(granted.saturating_sub(500) / 2);
    let limits = Limits { connections: 1024.min(count / 2), ..Limits::default() };
    let (noodle, _node) = noodle(limits);
    let idle: Vec<_> = (0..count).map(|_| Client::connect(noodle.address)).collect();
    println!("{} idle connections", idle.len());
    assert_serves(&noodle);
    drop(idle);
    assert_serves(&noodle);
}

/// Braces make many paths of a short one, and what stands behind them is in each.
#[test]
fn a_request_that_stands_for_more_than_there_is_memory() {
    let node = Node::having_every_host();
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "max_memory = \"1MiB\"");
    let patterns = format!("{}{}*", "x".repeat(200), "%7Ba,b%7D".repeat(9));
    let answer = noodle.get(&format!("/data/{patterns}/{}", "y".repeat(12 * 1024)));
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(node.asked().is_empty());
    assert_eq!(noodle.get(&format!("/data/{}{patterns}/load", "x".repeat(56))).status, 400, "no such name");
    assert_serves(&noodle);
}
