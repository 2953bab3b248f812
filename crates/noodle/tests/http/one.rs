//! One host: its owner, the next tiers, what is forwarded and what is not.

use coco_daemon::http::Limits;
use serde_json::json;

use crate::node::{Node, host};
use crate::noodle::{Noodle, tiers};

/// A body as no JSON library would write it.
fn odd(host: &str) -> String {
    let (most, last) = host.split_at(host.len() - 1);
    let last = u32::from(last.chars().next().unwrap());
    format!("{{\"{most}\\u{last:04x}\" : {{\"b\":[1.0, 1e400,12345678901234567890],\"a\":null}} }}\n")
}

/// A node that has such a body of every host.
fn odd_node() -> Node {
    Node::answering(|path| (200, odd(host(path).to_str().unwrap())))
}

#[test]
fn the_owner_in_the_first_tier_is_asked() {
    let nodes: Vec<_> = (0..4).map(|_| odd_node()).collect();
    let addresses: Vec<_> = nodes.iter().map(|node| node.address).collect();
    let noodle = Noodle::start(&tiers(&[("b", &addresses[..3]), ("a", &addresses[3..])]), "");
    let mut bytes = 0;
    for (owner, node) in nodes[..3].iter().enumerate() {
        let host = noodle.host_of(&[owner, 0]);
        let answer = noodle.get(&format!("/data/{host}/load"));
        let (text, meta) = answer.split_meta();
        let expected = odd(&host);
        bytes += expected.len();
        assert_eq!(text, expected.trim_end().strip_suffix('}').unwrap().to_owned() + "}");
        assert_eq!((&meta["target"], &meta["tier"]), (&json!(format!("b{owner}:1")), &json!("b")));
        assert_eq!(node.paths(), [format!("/data/{host}/load")]);
    }
    assert!(nodes[3].asked().is_empty());
    let counters = noodle.counters();
    assert_eq!(
        counters["fetch.target.requests"],
        json!({"b0:1": 1, "b1:1": 1, "b2:1": 1, "a0:1": 0, "total": 3})
    );
    assert_eq!(counters["fetch.tier.requests"], json!({"b": 3, "a": 0}));
    assert_eq!(counters["fetch.bytes.proxied"], bytes);
    let codes = json!({"200": 3, "400": 0, "403": 0, "414": 0, "502": 0, "503": 0, "504": 0});
    assert_eq!(counters["fetch.target.response.codes"], codes);
    assert_eq!(counters["fetch.tier.latency_seconds"]["b"]["count"], 3);
    let metrics = noodle.get("/metrics").text();
    assert!(
        metrics.contains("noodle_fetch_target_requests_total{tier=\"b\",target=\"b0:1\"} 1\n"),
        "{metrics}"
    );
    assert!(metrics.contains("noodle_fetch_tier_latency_seconds_count{tier=\"b\"} 3\n"), "{metrics}");
}

#[test]
fn path_and_query_are_forwarded_as_they_came_as_far_as_they_are_valid() {
    let node = Node::having_every_host();
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "");
    let same = [
        "/data/web1/load",
        "/data/%77eb1/cpu-%3F/cpu-idle?start=1795292345&finish=1795292350",
        "/data/web1/%7Bload,uptime%7D/a,b/c",
        "/data/web1/a%20b/(c)?live=true&percentiles=%74rue;x=a+b&&",
        "/data/web1/load?",
        "/data/w%ff/load",
    ];
    let changed = [
        ("/data/web1/load//", "/data/web1/load"),
        ("/data/web1/load/?x=1", "/data/web1/load?x=1"),
        ("/data/web1/load?start=&x=1&finish=", "/data/web1/load?x=1"),
        ("/data/web1/load?callback=f", "/data/web1/load"),
        ("/data/web1/load?start=0&finish=1795292350", "/data/web1/load?start=1763756350&finish=1795292350"),
        // As many bytes, and yet not the same.
        ("/data/{web1}/load", "/data/web1/load"),
        ("/data/web%5F1,/load", "/data/web_1/load"),
        ("/data/w|\u{e9}%/{load}?x=^[%]|", "/data/w%7C%C3%A9%25/%7Bload%7D?x=%5E%5B%25%5D%7C"),
        ("/data/{web1,}/\"load\"", "/data/web1/%22load%22"),
    ];
    let expected: Vec<_> = same.iter().map(|path| (*path, *path)).chain(changed).collect();
    for (asked, forwarded) in expected {
        let answer = noodle.get(asked);
        assert_eq!(answer.status, 200, "{asked}");
        assert_eq!(node.asked().last().unwrap().path, forwarded);
        if !asked.contains("callback") {
            let url = format!("http://{}{forwarded}", node.address);
            assert_eq!(answer.json()["_meta"]["url"], url);
        }
    }
}

#[test]
fn no_header_of_the_client_is_forwarded() {
    let node = Node::having_every_host();
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "");
    let fields = "Referer: http://x/\r\nOrigin: http://x\r\nCookie: a=b\r\nAccept-Encoding: gzip\r\n\
                  X-Requested-With: XMLHttpRequest\r\nAuthorization: Basic eA==\r\nRange: bytes=0-1\r\n";
    assert_eq!(noodle.connect().ask("GET", "/data/web1/load", fields).status, 200);
    let asked = &node.asked()[0];
    assert_eq!(asked.method, "GET");
    let sent: Vec<_> = asked.fields.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let expected = [
        ("accept", "application/json".to_owned()),
        ("accept-encoding", "identity".to_owned()),
        ("host", node.address.to_string()),
        ("user-agent", format!("noodle/{}", env!("CARGO_PKG_VERSION"))),
    ];
    assert_eq!(sent, expected);
}

#[test]
fn a_head_is_that_of_the_get() {
    let node = Node::having_every_host();
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "");
    let mut client = noodle.connect();
    let head = client.ask("HEAD", "/data/web1/load", "");
    let get = client.ask("GET", "/data/web1/load", "");
    let without_date = |mut fields: std::collections::BTreeMap<String, String>| {
        fields.remove("date");
        fields
    };
    assert_eq!((head.status, without_date(head.fields)), (get.status, without_date(get.fields)));
    assert!(node.asked().iter().all(|asked| asked.method == "GET"));
}

#[test]
fn metadata_can_be_turned_off() {
    let node = odd_node();
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "metadata = false");
    let answer = noodle.get("/data/web1/load");
    assert_eq!(answer.text(), odd("web1"));
    assert_eq!(answer.fields["x-noodle-target"], "t0:1");
    let answer = noodle.get("/data/web1,web2/load");
    assert_eq!(
        answer.text(),
        format!("{}{}", odd("web1").trim().replace("} }", "},"), &odd("web2").trim().replace(" }", "}")[1..])
    );
    assert_eq!(answer.fields["x-noodle-target"], "t0:1");
}

#[test]
fn what_the_first_tier_lacks_comes_from_the_next() {
    let found = Node::answering(|_| (200, r#"{"web1":1}"#.to_owned()));
    let failing: [(&str, Node, u64); 5] = [
        ("{}", Node::answering(|_| (200, " { } ".to_owned())), 0),
        ("404", Node::answering(|_| (404, "<h1>Not Found</h1>".to_owned())), 0),
        ("500", Node::answering(|_| (500, "x".repeat(200_000))), 1),
        ("403", Node::answering(|_| (403, "Forbidden".to_owned())), 1),
        ("null", Node::answering(|_| (200, "null".to_owned())), 1),
    ];
    for (name, node, errors) in failing {
        let noodle = Noodle::start(
            &tiers(&[("z", &[node.address]), ("y", &[Node::refusing()]), ("x", &[found.address])]),
            "",
        );
        let answer = noodle.get("/data/web1/load");
        let (text, meta) = answer.split_meta();
        assert_eq!((text.as_str(), &meta["tier"]), (r#"{"web1":1}"#, &json!("x")), "{name}");
        assert_eq!(noodle.errors().values().sum::<u64>(), errors + 1, "{name}");
        assert_eq!(noodle.counters()["fetch.tier.requests"], json!({"z": 0, "y": 0, "x": 1}));
        assert_eq!(noodle.counters()["fetch.target.failures"]["y0:1"]["connect"], 1);
    }
}

#[test]
fn nothing_is_an_answer_only_if_all_say_so() {
    let nothing = Node::answering(|path| match path {
        "/data/web1" => (200, r#"{"metrics":null}"#.to_owned()),
        "/data/web2" => (404, String::new()),
        _ => (200, "{}".to_owned()),
    });
    let honest = Noodle::start(&tiers(&[("a", &[nothing.address]), ("b", &[nothing.address])]), "");
    for (path, expected) in
        [("/data/web1/load", "{}"), ("/data/web1", r#"{"metrics":[]}"#), ("/data/web2", r#"{"metrics":[]}"#)]
    {
        let answer = honest.get(path);
        assert_eq!((answer.status, answer.text().as_str()), (200, expected), "{path}");
        assert!(!answer.fields.contains_key("x-noodle-target"));
    }
    let dead = Node::refusing();
    let half = Noodle::start(&tiers(&[("a", &[nothing.address]), ("b", &[dead])]), "");
    let answer = half.get("/data/web1/load");
    assert_eq!(answer.status, 502);
    let reason = format!("http://{dead}/data/web1/load: cannot connect: ");
    assert!(answer.error().starts_with(&reason), "{}", answer.error());
}

#[test]
fn what_no_node_should_see_is_refused() {
    let node = Node::having_every_host();
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "max_hosts = 3");
    let of_hosts = [
        "/data/a%2fb/load",
        "/data/a%5Cload/x",
        "/data/{a,b%5Cload}/x",
        "/data/..",
        "/data/%2E%2e/load",
        "/data/a%00b",
        "/data/a%0Ab/x",
        "/data/a,b,c,d/x",
        "/data/%7B1,2%7D%7B1,2%7D",
        "/data/{a",
        "/data/,",
        "/data//x",
    ];
    let of_others = [
        "/data/a/b%2Fc",
        "/data/a/b%5Cc",
        "/data/a/b/..",
        "/data/a/b/c%0D",
        "/data/a/b?start=2&finish=1",
        "/data/a?callback=1",
        "/data?callback=f()",
    ];
    for path in of_hosts.iter().chain(&of_others) {
        let answer = noodle.get(path);
        assert_eq!(answer.status, 400, "{path}");
        assert!(!answer.error().is_empty());
    }
    assert!(node.asked().is_empty());
    assert_eq!(noodle.errors(), [("fetch.con.get".to_owned(), of_hosts.len() as u64)].into());
    let refused = of_hosts.len() + of_others.len();
    assert_eq!(noodle.counters()["fetch.target.response.codes"]["400"], refused);
}

/// Letters beyond ASCII are three times as long where they are sent.
#[test]
fn what_would_be_too_long_for_a_url_is_refused() {
    let node = Node::having_every_host();
    let limits = Limits { head_size: 64 * 1024, ..Limits::default() };
    let noodle = Noodle::start_within(&tiers(&[("t", &[node.address])]), "", limits);
    let long = "\u{e9}".repeat(15_000);
    for path in [
        format!("/data/a/{long}"),
        format!("/data/a,b*/{long}"),
        format!("/data/{long}/p"),
        format!("/data?{long}"),
    ] {
        let answer = noodle.get(&path);
        assert_eq!((answer.status, answer.error().contains("bytes")), (414, true), "{}", answer.text());
    }
    assert!(node.asked().is_empty());
    assert_eq!(noodle.counters()["fetch.target.response.codes"]["414"], 4);
    assert_eq!(noodle.get(&format!("/data/a/{}", &long[..12_000])).status, 200);
}

#[test]
fn the_routes_of_coco_are_there_too() {
    let noodle = Noodle::start(
        &tiers(&[("b", &[Node::refusing(), Node::refusing()]), ("a", &[Node::refusing()])]),
        "",
    );
    let host = noodle.host_of(&[1, 0]);
    let lookup = noodle.get(&format!("/lookup?name={host}"));
    assert_eq!(lookup.text(), "{\"b\":\"b1:1\",\"a\":\"a0:1\"}\n");
    assert_eq!(noodle.get("/debug/vars").json()["coco"]["lookup"], json!({"b": 1, "a": 1}));
    noodle.get(&format!("/data/{host}/load"));
    let tiers = noodle.get("/tiers").json();
    assert_eq!((&tiers[0]["name"], &tiers[0]["shadows"]["\u{1}"]), (&json!("b"), &json!("b1:1")));
    assert_eq!(tiers[0]["connections"]["b0:1"]["state"], "unasked");
    assert_eq!(tiers[0]["connections"]["b1:1"]["state"], "down");
    assert!(tiers[0].get("routes").is_none());
    let health = noodle.get("/healthz");
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("ok")));
    assert_eq!(health.json()["fingerprint"].as_str().unwrap().len(), 16);
}
