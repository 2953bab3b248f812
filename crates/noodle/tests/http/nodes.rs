//! Hostile and broken storage nodes: the right status, the right counter, and Noodle goes on.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::node::{Gate, Node, response, wait_for_the_end, write};
use crate::noodle::{Noodle, tiers};

const HTTP_GET: &str = "fetch.http.get";
const READ_ALL: &str = "fetch.ioutil.readall";
const UNMARSHAL: &str = "fetch.json.unmarshal";

/// Between two bytes of a body that would take ten minutes.
const DRIP: Duration = Duration::from_millis(10);

/// Says this and then nothing more, without closing.
fn then_silent(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Node {
    Node::start(move |_, stream| {
        write(stream, bytes.as_ref());
        wait_for_the_end(stream);
        false
    })
}

/// Sends one piece after the other until Noodle closes.
fn endless(head: &'static [u8], piece: &'static [u8], pause: Duration) -> Node {
    Node::start(move |_, stream: &mut TcpStream| {
        let mut sent = stream.write_all(head);
        while sent.is_ok() {
            sent = stream.write_all(piece);
            std::thread::sleep(pause);
        }
        false
    })
}

fn body(bytes: &[u8]) -> Node {
    Node::saying(response(200, "Content-Type: application/json\r\n", bytes))
}

#[test]
fn each_has_its_status_and_its_counter() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    // The magic bytes of gzip, which are not UTF-8.
    let gzip = response(200, "Content-Encoding: gzip\r\n", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xab");
    let nodes: Vec<(&str, Node, u16, &str)> = vec![
        ("accepts and stays silent", then_silent(b""), 504, HTTP_GET),
        ("half a head", then_silent(b"HTTP/1.1 200 OK\r\nContent-"), 504, HTTP_GET),
        ("heads alone", then_silent(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(2_000)), 502, HTTP_GET),
        ("closes at once", Node::saying(""), 502, HTTP_GET),
        ("closes in the head", Node::saying("HTTP/1.1 200 OK\r\nContent-"), 502, HTTP_GET),
        ("is no HTTP", Node::saying("220 smtp.example.org ESMTP\r\n"), 502, HTTP_GET),
        (
            "has a huge head",
            endless(b"HTTP/1.1 200 OK\r\n", b"X-Field: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", Duration::ZERO),
            502,
            HTTP_GET,
        ),
        ("500", Node::saying(response(500, "", b"{\"a\":1}")), 502, HTTP_GET),
        ("204", Node::saying("HTTP/1.1 204 No Content\r\n\r\n"), 502, HTTP_GET),
        ("a redirect", Node::saying(response(302, "Location: /data/x\r\n", b"")), 502, HTTP_GET),
        (
            "closes half way",
            Node::saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":1"),
            502,
            READ_ALL,
        ),
        (
            "closes in a chunk",
            Node::saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{\"a\""),
            502,
            READ_ALL,
        ),
        (
            "bad chunks",
            Node::saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n"),
            502,
            READ_ALL,
        ),
        (
            "stalls in the body",
            then_silent(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":1"),
            504,
            READ_ALL,
        ),
        (
            "a slow drip",
            endless(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n{\"a\":\"", b"x", DRIP),
            504,
            READ_ALL,
        ),
        (
            "a slow drip of chunks",
            endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", DRIP),
            504,
            READ_ALL,
        ),
        (
            "chunks without end",
            endless(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"40\r\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
                Duration::ZERO,
            ),
            502,
            READ_ALL,
        ),
        ("over the cap", body(&[b' '; 70_000]), 502, READ_ALL),
        (
            "no length, over the cap",
            endless(b"HTTP/1.1 200 OK\r\n\r\n", &[b' '; 10_000], Duration::ZERO),
            502,
            READ_ALL,
        ),
        ("HTML", body(b"<html><body>It works!</body></html>"), 502, UNMARSHAL),
        ("null", body(b"null"), 502, UNMARSHAL),
        ("an array", body(b"[{}]"), 502, UNMARSHAL),
        ("nothing at all", body(b""), 502, UNMARSHAL),
        ("two objects", body(b"{\"a\":1}{}"), 502, UNMARSHAL),
        ("half an object", body(b"{\"a\":[1,2"), 502, UNMARSHAL),
        ("deep nesting", body(&deep.as_bytes()[..60_000]), 502, UNMARSHAL),
        (
            "deep nesting that is closed",
            body(&[&deep.as_bytes()[..20_000], &deep.as_bytes()[deep.len() - 19_996..]].concat()),
            502,
            UNMARSHAL,
        ),
        ("another host", body(b"{\"web2\":{\"load\":1},\"web\":1}"), 502, UNMARSHAL),
        ("invalid UTF-8", body(b"{\"a\":\"\xff\"}"), 502, UNMARSHAL),
        ("gzip unasked, and broken", Node::saying(gzip), 502, UNMARSHAL),
        ("gzip that becomes too much", body(&compressed(&[b' '; 70_000])), 502, READ_ALL),
        (
            "compressed otherwise",
            Node::saying(response(200, "Content-Encoding: br\r\n", b"\x0b\x02\x80{}\x03")),
            502,
            UNMARSHAL,
        ),
    ];
    std::thread::scope(|scope| {
        for (name, node, status, counter) in &nodes {
            let has_it = || has_its_status_and_its_counter(name, node, *status, counter);
            if (*status, *counter) == (504, READ_ALL) {
                // These take their time, and can take it together.
                scope.spawn(has_it);
            } else {
                has_it();
            }
        }
    });
}

#[test]
fn an_answer_is_read_wherever_http_has_its_end() {
    for said in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"web1\":1}HTTP/1.1 500 Unasked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4;x=y\r\n{\"we\r\n6\r\nb1\":1}\r\n0\r\na: b\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{\"web1\":1}",
        "HTTP/1.0 200 OK\r\n\r\n{\"web1\":1}",
    ] {
        let node = Node::saying(said);
        let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "");
        let answer = noodle.get("/data/web1/load");
        assert_eq!(answer.status, 200, "{said}: {}", answer.text());
        assert!(answer.text().starts_with("{\"web1\":1,\"_meta\":"), "{said}: {}", answer.text());
    }
}

fn has_its_status_and_its_counter(name: &str, node: &Node, status: u16, counter: &str) {
    // Long enough for what must not time out, however busy the machine is.
    let timeout = match (status, counter) {
        (504, HTTP_GET) => "100ms",
        // The head must come in time.
        (504, _) => "5s",
        _ => "60s",
    };
    let fetch = format!("proxy_timeout = \"{timeout}\"\nmax_body = \"64KiB\"");
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), &fetch);
    let answer = noodle.get("/data/web1/load");
    assert_eq!(answer.status, status, "{name}: {}", answer.text());
    let url = format!("http://{}/data/web1/load: ", node.address);
    assert!(answer.error().starts_with(&url), "{name}: {}", answer.error());
    assert_eq!(noodle.errors(), [(counter.to_owned(), 1)].into(), "{name}");
    let failures = noodle.counters()["fetch.target.failures"]["t0:1"].clone();
    let counted: u64 = failures.as_object().unwrap().values().filter_map(serde_json::Value::as_u64).sum();
    assert_eq!(counted, 1, "{name}: {failures}");
    let outages = ["connect", "reset", "timeout", "broken_off", "stalled"];
    let is_down = outages.iter().any(|reason| failures[reason] == 1);
    let state = &noodle.get("/tiers").json()[0]["connections"]["t0:1"]["state"];
    assert_eq!(state, if is_down { "down" } else { "up" }, "{name}: {failures}");
    assert_eq!(noodle.get("/healthz").status, 200, "{name}");
    // What is held for a failed answer is given back.
    assert_eq!(noodle.counters()["fetch.memory"], 0, "{name}");
}

fn compressed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_a_node_compresses_all_the_same_and_marks_as_unicode_is_read() {
    for (fields, text) in [
        ("", "\u{feff}{\"web1\":1}".as_bytes().to_vec()),
        ("Content-Encoding: gzip\r\n", compressed(b"{\"web1\":1}")),
        // Some do not even say so.
        ("", compressed("\u{feff}{\"web1\":1}".as_bytes())),
        ("Content-Encoding: identity\r\n", b"{\"web1\":1}".to_vec()),
        ("Content-Encoding: gzip\r\n", b"{\"web1\":1}".to_vec()),
    ] {
        let node = Node::saying(response(200, fields, &text));
        let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "metadata = false");
        let answer = noodle.get("/data/web1/load");
        assert_eq!((answer.status, answer.text().as_str()), (200, "{\"web1\":1}"), "{text:?}");
    }
}

/// The next node would say the same, and this one is as well as before.
#[test]
fn a_request_that_a_node_does_not_take_is_the_clients_business() {
    let other = Node::having_every_host();
    for (said, status) in [(400, 400), (414, 414), (431, 414)] {
        let strict = Node::answering(move |_| (said, "<h1>Bad Request</h1>".to_owned()));
        let noodle = Noodle::start(&tiers(&[("t", &[strict.address]), ("u", &[other.address])]), "");
        for path in ["/data/web1/load", "/data/web*/load", "/data/web1,web2/load"] {
            let answer = noodle.get(path);
            assert_eq!(answer.status, status, "{said}: {}", answer.text());
            assert!(answer.error().contains("answered "), "{}", answer.error());
        }
        assert!(noodle.errors().is_empty());
        let counters = noodle.counters();
        let failures = counters["fetch.target.failures"]["t0:1"].as_object().unwrap();
        assert!(failures.values().all(|count| *count == 0), "{failures:?}");
        assert_eq!(counters["fetch.target.response.codes"][status.to_string()], 3);
        assert_eq!(noodle.get("/tiers").json()[0]["connections"]["t0:1"]["state"], "up");
    }
    assert!(other.asked().is_empty());
}

#[test]
fn a_name_that_does_not_resolve_is_a_failure_of_the_target() {
    let text = "[tiers.t]\ntargets = [ \"no-such-host.invalid:25826\" ]";
    let noodle = Noodle::start(text, "proxy_timeout = \"3s\"");
    let answer = noodle.get("/data/web1/load");
    assert!([502, 504].contains(&answer.status), "{}", answer.text());
    assert_eq!(noodle.errors(), [(HTTP_GET.to_owned(), 1)].into());
}

#[test]
fn the_cap_is_exact() {
    let exact = format!("{{\"web1\":\"{}\"}}", "x".repeat(2048 - 11));
    for (text, status) in [(exact.clone(), 200), (format!("{exact} "), 502)] {
        for head in [
            "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len()),
        ] {
            let node = Node::saying(head + &text);
            let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "max_body = 2048");
            assert_eq!(noodle.get("/data/web1/load").status, status);
        }
    }
}

fn gated(gate: &Arc<Gate>) -> Node {
    let gate = Arc::clone(gate);
    Node::start(move |_, stream| {
        gate.pass();
        write(stream, &response(200, "", br#"{"web1":1}"#));
        true
    })
}

#[test]
fn few_requests_at_a_time_and_others_wait_for_their_turn() {
    let gate = Arc::new(Gate::default());
    let node = gated(&gate);
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "max_requests = 2");
    let mut clients: Vec<_> = (0..6).map(|_| noodle.connect()).collect();
    for client in &mut clients {
        client.send("GET /data/web1/load HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    while node.asked().len() < 2 {
        std::thread::yield_now();
    }
    // Noodle has read all requests when it has answered one that came later.
    assert_eq!(noodle.get("/healthz").status, 200);
    assert_eq!(node.asked().len(), 2);
    gate.open();
    assert!(clients.iter_mut().all(|client| client.read("GET").status == 200));
    assert_eq!(node.asked().len(), 6);
}

#[test]
fn whose_turn_does_not_come_in_time_gets_503_and_no_other_tier() {
    let other = Node::having_every_host();
    // A turn lasts as long as an answer is read, one that only says that there is none too.
    let busy = Node::start(|_, stream| {
        write(stream, b"HTTP/1.1 500 X\r\nContent-Length: 10\r\n\r\n");
        wait_for_the_end(stream);
        false
    });
    let noodle = Noodle::start(
        &tiers(&[("t", &[busy.address]), ("u", &[other.address])]),
        "max_requests = 1\nproxy_timeout = \"2s\"",
    );
    // The first comes from the next tier at once, while its turn is held up to the timeout.
    assert_eq!(noodle.get("/data/web1/load").json()["_meta"]["tier"], "u");
    let mut clients: Vec<_> = (0..4).map(|_| noodle.connect()).collect();
    for client in &mut clients {
        client.send("GET /data/web1/load HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let statuses: Vec<_> = clients.iter_mut().map(|client| client.read("GET").status).collect();
    let refused = statuses.iter().filter(|status| **status == 503).count() as u64;
    assert!(refused >= 1, "{statuses:?}");
    assert_eq!(noodle.counters()["fetch.target.failures"]["t0:1"]["queue"], refused);
    assert_eq!(other.asked().len() as u64, 5 - refused);
}

#[test]
fn answers_share_one_budget_of_memory() {
    let node = Node::answering(|_| (200, format!("{{\"web1\":\"{}\"}}", "x".repeat(2_000_000))));
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "max_memory = \"1MiB\"");
    let answer = noodle.get("/data/web1/load");
    let expected = format!("http://{}/data/web1/load: too many large answers are under way", node.address);
    assert_eq!((answer.status, answer.error()), (503, expected));
    assert!(noodle.errors().is_empty());
    assert_eq!(noodle.counters()["fetch.target.failures"]["t0:1"]["memory"], 1);
    assert_eq!(noodle.counters()["fetch.memory"], 0);
}

/// Short members and names take many times as much as their text.
#[test]
fn the_budget_covers_what_is_made_of_answers() {
    let node = Node::answering(|path| match path {
        "/data" => (200, format!("{{\"hosts\":[{}\"a\"]}}", "\"\",".repeat(200_000))),
        _ => (200, format!("{{{}\"web1\":0,\"web2\":0}}", "\"\":0,".repeat(200_000))),
    });
    let noodle = |memory: &str| {
        Noodle::start(&tiers(&[("t", &[node.address])]), &format!("max_memory = \"{memory}\""))
    };
    let (little, enough) = (noodle("4MiB"), noodle("256MiB"));
    for path in ["/data", "/data/web1/load", "/data/web*/load", "/data/web1,web2/load"] {
        assert_eq!(little.get(path).status, 503, "{path}");
        assert_eq!(little.counters()["fetch.memory"], 0, "{path}");
        assert_eq!(enough.get(path).status, 200, "{path}");
    }
    assert!(little.errors().is_empty());
}
