//! Connections to nodes: which are kept, how they end, and what else comes by them.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use socket2::SockRef;

use crate::node::{Gate, Node, host, response, write};
use crate::noodle::{Noodle, tiers};

#[test]
fn connections_are_kept_unless_they_should_not_be() {
    let connections = |fetch: &str| {
        let node = Node::having_every_host();
        let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), fetch);
        let mut client = noodle.connect();
        for _ in 0..5 {
            assert_eq!(client.ask("GET", "/data/web1/load", "").status, 200);
        }
        let asked = node.asked();
        let closing =
            asked.iter().filter(|asked| asked.fields.get("connection").is_some_and(|c| c == "close"));
        (asked.last().unwrap().connection + 1, closing.count())
    };
    assert_eq!(connections(""), (1, 0));
    assert_eq!(connections("keep_alive = false"), (5, 5));
}

/// A server may close a connection at the moment at which Noodle uses it again.
#[test]
fn a_kept_connection_that_ends_under_a_request_is_no_failure() {
    let node = Node::start(|asked, stream| {
        let first = asked.path.ends_with("first");
        if asked.connection > 0 || first {
            write(stream, &response(200, "", br#"{"web1":1}"#));
        }
        asked.connection > 0 || first
    });
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "");
    assert_eq!(noodle.get("/data/web1/first").status, 200);
    assert_eq!(noodle.get("/data/web1/second").status, 200);
    assert_eq!(node.asked().len(), 3);
    assert!(noodle.errors().is_empty());
}

/// That is so however many connections are made meanwhile, and however many were kept.
#[test]
fn kept_connections_that_end_under_requests_are_no_failure_under_load() {
    let (busy, gate) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
    let (at_work, open) = (Arc::clone(&busy), Arc::clone(&gate));
    let node = Node::start(move |asked, stream| {
        let is_stale = asked.path.ends_with("late") && asked.connection < 2;
        match asked.connection {
            0 if asked.path.ends_with("first") => at_work.pass(),
            _ if is_stale => open.pass(),
            _ => {}
        }
        if !is_stale {
            write(stream, &response(200, "", br#"{"web1":1}"#));
        }
        !is_stale
    });
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "recovery = \"60s\"");
    let asked = |count: usize| {
        while node.asked().len() < count {
            std::thread::yield_now();
        }
    };
    let mut clients: Vec<_> = (0..2).map(|_| noodle.connect()).collect();
    // Two requests at a time, so two connections are kept.
    clients[0].send("GET /data/web1/first HTTP/1.1\r\nHost: a\r\n\r\n");
    asked(1);
    assert_eq!(noodle.get("/data/web1/second").status, 200);
    busy.open();
    assert_eq!(clients[0].read("GET").status, 200);
    for client in &mut clients {
        client.send("GET /data/web1/late HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    asked(4);
    let mut again: Vec<_> = node.asked()[2..].iter().map(|asked| asked.connection).collect();
    again.sort_unstable();
    assert_eq!(again, [0, 1]);
    // A connection is made while these wait.
    assert_eq!(noodle.get("/data/web1/third").status, 200);
    gate.open();
    assert!(clients.iter_mut().all(|client| client.read("GET").status == 200));
    assert!(noodle.errors().is_empty());
    assert_eq!(noodle.get("/tiers").json()[0]["connections"]["t0:1"]["state"], "up");
}

/// How a server may end a connection that it kept for a while. Returns whether it goes on.
fn ends(stream: &mut TcpStream, how: &str) -> bool {
    match how {
        "a reset" => SockRef::from(&*stream).set_linger(Some(Duration::ZERO)).unwrap(),
        "a 408" => {
            write(stream, b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        }
        "a 408 that leaves it open" => write(stream, &response(408, "", b"too slow")),
        "half a head" => write(stream, b"HTTP/1.1 200 OK\r\nContent-"),
        _ => {}
    }
    how.ends_with("open")
}

#[test]
fn however_a_kept_connection_ends_the_request_goes_once_more_on_a_new_one() {
    for how in ["its end", "a reset", "a 408", "a 408 that leaves it open", "half a head"] {
        let node = Node::start(move |asked, stream| {
            if asked.path.ends_with("again") && asked.connection == 0 {
                return ends(stream, how);
            }
            write(stream, &response(200, "", br#"{"web1":1}"#));
            true
        });
        let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "");
        assert_eq!(noodle.get("/data/web1/first").status, 200, "{how}");
        assert_eq!(noodle.get("/data/web1/again").json()["web1"], 1, "{how}");
        let connections: Vec<_> = node.asked().iter().map(|asked| asked.connection).collect();
        assert_eq!(connections, [0, 0, 1], "{how}");
        assert!(noodle.errors().is_empty(), "{how}");
        assert_eq!(noodle.counters()["fetch.target.requests"]["t0:1"], 2, "{how}");
        assert_eq!(noodle.get("/tiers").json()[0]["connections"]["t0:1"]["state"], "up", "{how}");
    }
}

#[test]
fn on_a_new_connection_each_of_these_is_a_failure() {
    for how in ["its end", "a reset", "a 408", "a 408 that leaves it open"] {
        let node = Node::start(move |_, stream| ends(stream, how));
        let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "");
        assert_eq!(noodle.get("/data/web1/load").status, 502, "{how}");
        assert_eq!(node.asked().len(), 1, "{how}");
        assert_eq!(noodle.errors(), [("fetch.http.get".to_owned(), 1)].into(), "{how}");
    }
}

/// What a node has to say to a path.
fn right(path: &str) -> Value {
    match path.split('/').collect::<Vec<_>>()[..] {
        [_, "data"] => json!({ "hosts": ["right"] }),
        [_, "data", _] => json!({ "metrics": ["right"] }),
        _ => json!({ host(path).to_str().unwrap().trim_end_matches('*'): "right" }),
    }
}

#[test]
fn what_a_node_says_unasked_is_nobodys_answer() {
    for stray in [r#"{"first":1}"#, r#"{"x":1}"#, "{}", r#"{"metrics":["x"]}"#, r#"{"hosts":["x"]}"#] {
        for path in ["/data/second/load", "/data/second*/load", "/data/second", "/data"] {
            let node = Node::start(move |asked, stream| {
                // On the connection of the first answer it is there before any other.
                if asked.path != "/data/first/load" && asked.connection == 0 {
                    write(stream, &response(200, "", stray.as_bytes()));
                }
                write(stream, &response(200, "", right(&asked.path).to_string().as_bytes()));
                true
            });
            let other = Node::answering(|path| (200, right(path).to_string()));
            let tiers = tiers(&[("t", &[node.address]), ("u", &[other.address])]);
            let noodle = Noodle::start(&tiers, "metadata = false");
            assert_eq!(noodle.get("/data/first/load").json(), json!({ "first": "right" }));
            for _ in 0..3 {
                let answer = noodle.get(path);
                assert_eq!(answer.json(), right(path), "{path} behind {stray}");
            }
            // Only what is about another host than that which was asked for by name is known to be wrong.
            let is_foreign = path == "/data/second/load" && stray != "{}";
            let failures = &noodle.counters()["fetch.target.failures"]["t0:1"]["other_host"];
            assert_eq!(*failures, u64::from(is_foreign), "{path} behind {stray}");
            assert_eq!(other.asked().len(), usize::from(is_foreign), "{path} behind {stray}");
            let is_used_again = |asked: &&crate::node::Asked| asked.connection == 0;
            assert!(node.asked().iter().filter(is_used_again).count() <= 2, "{path} behind {stray}");
        }
    }
}

#[test]
fn a_node_that_speaks_of_other_hosts_has_nothing_to_say_and_its_connection_is_not_kept() {
    let confused = Node::answering(|_| (200, r#"{"web2":{"load":1}}"#.to_owned()));
    let other = Node::having_every_host();
    let tiers = tiers(&[("t", &[confused.address]), ("u", &[other.address])]);
    let noodle = Noodle::start(&tiers, "");
    for _ in 0..3 {
        let answer = noodle.get("/data/web1/load").json();
        assert_eq!((&answer["web1"], &answer["_meta"]["tier"]), (&json!(1), &json!("u")));
        assert!(answer.get("web2").is_none());
    }
    assert_eq!(confused.asked().last().unwrap().connection, 2);
    let failures = &noodle.counters()["fetch.target.failures"]["t0:1"];
    assert_eq!(failures["other_host"], 3, "{failures}");
    // In a list, too, a host comes only from an answer about it.
    let answer = noodle.get("/data/web1,web2/load").json();
    assert_eq!((&answer["web1"], &answer["web2"]), (&json!(1), &json!({ "load": 1 })));
}

/// A name that is not UTF-8 can only be written in JSON with U+FFFD.
#[test]
fn a_host_that_is_no_text_is_recognized() {
    let node = Node::having_every_host();
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "metadata = false");
    assert_eq!(noodle.get("/data/w%ff/load").json(), json!({ "w\u{fffd}": 1 }));
}
