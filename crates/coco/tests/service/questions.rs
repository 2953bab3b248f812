//! What operators ask every day: is a host still reporting, who is silent, who owns it, how are the targets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};

use coco_harness::nobody::Nobody;
use coco_harness::sink::Sink;
use coco_harness::traffic::{send, sender};
use coco_harness::wait::{PATIENCE, wait_for};
use flate2::read::GzDecoder;
use regex::bytes::Regex;
use serde_json::{Value, json};

use crate::agents::value_list;
use crate::running::{Running, config, number};

static NOW: AtomicU32 = AtomicU32::new(1_800_000_000);

fn clock() -> u32 {
    NOW.load(Ordering::Relaxed)
}

/// The names of the hosts that are answered, and how many there are.
fn names(coco: &Running, query: &str) -> (Vec<String>, u64) {
    let answer = coco.get(&format!("/hosts{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    let answer = answer.json();
    let hosts = answer["hosts"].as_array().unwrap().iter();
    (hosts.map(|host| host["name"].as_str().unwrap().to_owned()).collect(), answer["total"].as_u64().unwrap())
}

#[test]
fn hosts_are_found_by_name_by_silence_and_by_owner() {
    let nodes: Vec<_> = (0..3).map(|_| Sink::start()).collect();
    let [a, b, c] = [0, 1, 2].map(|node| nodes[node].address.to_string());
    let mut config = config(&[("shortterm", vec![a.clone(), b.clone()]), ("midterm", vec![c.clone()])]);
    config.filter.blacklist = Some(Regex::new("/irq/").unwrap());
    let tiers = config.tiers.clone();
    let coco = Running::start_by(clock, config);
    let lists = [
        value_list(b"web1", "load", "load", 1),
        value_list(b"web1", "irq", "irq", 1),
        value_list(b"WEB2.example.org", "load", "load", 1),
        value_list(b"<b>db\xff", "p", "t", 1),
    ];
    send(&sender(coco.listen), &lists);
    coco.vars_when("all to be sent", |vars| number(vars, "send", "total") == 6);
    NOW.fetch_add(400, Ordering::Relaxed);
    send(&sender(coco.listen), &[value_list(b"web1", "load", "load", 2)]);
    coco.vars_when("it to be sent", |vars| number(vars, "send", "total") == 8);

    let owner = |host: &[u8]| [&a, &b][tiers.get(0).unwrap().owner(host)];
    assert_eq!(
        coco.get("/hosts?name=web1").json(),
        json!({"hosts": [{
            "name": "web1", "last_seen": 1_800_000_400, "metrics": 1, "dropped": 1,
            "owners": {"shortterm": [owner(b"web1")], "midterm": [c]},
        }], "total": 1})
    );
    let found = |query: &str| names(&coco, query).0;
    assert_eq!(names(&coco, ""), (vec!["<b>db\0ff".into(), "WEB2.example.org".into(), "web1".into()], 3));
    assert_eq!(names(&coco, "?limit=1"), (vec!["<b>db\0ff".into()], 3));
    assert_eq!(names(&coco, "?limit=0&name="), (vec![], 3));
    assert_eq!(found("?name=Web"), ["WEB2.example.org", "web1"]);
    assert_eq!(found("?name=db%FF"), ["<b>db\0ff"]);
    assert_eq!(found("?name=web&exact=true"), Vec::<String>::new());
    assert_eq!(found("?name=web1&exact=true"), ["web1"]);
    assert_eq!(found("?silent_for=5m"), ["<b>db\0ff", "WEB2.example.org"]);
    assert_eq!(found("?silent_for=400s"), ["<b>db\0ff", "WEB2.example.org"]);
    assert_eq!(found("?silent_for=401s"), Vec::<String>::new());
    assert_eq!(found("?silent_for=5m&name=web"), ["WEB2.example.org"]);
    assert_eq!(found(&format!("?target={c}")).len(), 3);
    let of = |target: &str| found(&format!("?tier=shortterm&target={target}"));
    assert_eq!(of(&a).len() + of(&b).len(), 3);
    assert!(of(owner(b"web1")).contains(&"web1".to_owned()));
    let only = coco.get("/hosts?tier=midterm&name=web1").json();
    assert_eq!(only["hosts"][0]["owners"], json!({ "midterm": [c] }));
    for (query, status, problem) in [
        ("?silent_for=5", 400, "silent_for: "),
        ("?limit=10001", 400, "limit is a number up to 10000, not \\\"10001\\\""),
        ("?limit=-1", 400, "limit"),
        ("?exact=maybe", 400, "exact"),
        ("?tier=shorterm", 404, "no tier is called \\\"shorterm\\\"; there are shortterm, midterm"),
        ("?target=nobody:1", 404, "no target of any tier is called \\\"nobody:1\\\""),
        (&format!("?tier=midterm&target={a}"), 404, "no target of midterm"),
    ] {
        let answer = coco.get(&format!("/hosts{query}"));
        assert_eq!(answer.status, status, "{query}: {}", answer.text);
        assert!(answer.text.contains(problem), "{query}: {}", answer.text);
    }
    coco.vars_when("the silent ones to be counted", |vars| number(vars, "state", "silent_hosts") == 2);
    coco.stop().unwrap();
}

#[test]
fn targets_tell_how_they_are_and_what_they_were_sent() {
    let (node, nobody) = (Sink::start(), Nobody::udp());
    let [up, down] = [node.address, nobody.address].map(|address| address.to_string());
    let coco = Running::start(config(&[("shortterm", vec![up.clone()]), ("midterm", vec![down.clone()])]));
    let from = sender(coco.listen);
    let targets = wait_for(PATIENCE, "the refusal, and the hosts to be measured", || {
        send(&from, &[value_list(b"web1", "load", "load", 1)]);
        let targets = coco.get("/targets").json();
        let is_known = targets["midterm"][0]["state"] == "down" && targets["shortterm"][0]["hosts"] == 1;
        is_known.then_some(targets)
    });
    let sent = targets["shortterm"][0]["sent"].as_u64().unwrap();
    assert!(sent > 0);
    let expected = json!([{
        "name": up, "address": up, "state": "up", "problem": null, "hosts": 1, "sent": sent,
    }]);
    assert_eq!(targets["shortterm"], expected);
    assert_eq!(targets["midterm"][0]["problem"], "nothing listens there");
    assert_eq!(targets["midterm"][0]["hosts"], 1);
    coco.stop().unwrap();
}

/// The head in small letters, and the body as it came.
fn get_packed(coco: &Running, path: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(coco.api).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase(), bytes.split_off(end + 4))
}

#[test]
fn answers_are_packed_for_who_takes_them_so_and_tiers_come_without_routes() {
    let node = Sink::start();
    let coco = Running::start(config(&[("shortterm", vec![node.address.to_string()])]));
    let lists: Vec<_> =
        (0..50).map(|host| value_list(format!("web{host}").as_bytes(), "load", "load", 1)).collect();
    send(&sender(coco.listen), &lists);
    coco.vars_when("all to be sent, and measured", |vars| {
        number(vars, "send", "total") == 50 && number(vars, "hash.hosts", &node.address.to_string()) == 50
    });
    for path in ["/hosts", "/targets", "/tiers", "/tiers?routes=false", "/blacklisted"] {
        let plain = coco.get(path);
        assert!(plain.head.contains("vary: accept-encoding\r\n"), "{path}: {}", plain.head);
        assert!(!plain.head.contains("content-encoding"), "{path}");
        let (head, packed) = get_packed(&coco, path);
        assert!(head.contains("content-encoding: gzip"), "{path}: {head}");
        let mut text = String::new();
        GzDecoder::new(&*packed).read_to_string(&mut text).unwrap();
        assert_eq!(text, plain.text, "{path}");
    }
    let Value::Array(mut all) = coco.get("/tiers").json() else { panic!("tiers") };
    assert_eq!(all[0]["routes"][node.address.to_string()].as_object().unwrap().len(), 50);
    all[0].as_object_mut().unwrap().remove("routes");
    assert_eq!(coco.get("/tiers?routes=false").json(), Value::Array(all));
    assert_eq!(coco.get("/tiers?routes=no").status, 400);
    // What is counted goes on meanwhile.
    for (path, known) in [("/debug/vars", "\"decoded\":50"), ("/metrics", "coco_listen_decoded_total 50\n")] {
        let plain = coco.get(path);
        assert!(plain.head.contains("vary: accept-encoding\r\n"), "{path}: {}", plain.head);
        assert!(!plain.head.contains("content-encoding") && plain.text.contains(known), "{path}");
        let (head, packed) = get_packed(&coco, path);
        assert!(head.contains("content-encoding: gzip"), "{path}: {head}");
        let mut text = String::new();
        GzDecoder::new(&*packed).read_to_string(&mut text).unwrap();
        assert!(text.contains(known) && packed.len() * 2 < text.len(), "{path}: {text}");
    }
    coco.stop().unwrap();
}
