//! Answers of many targets in one.

use std::net::SocketAddr;

use coco_daemon::http::Limits;
use serde_json::{Value, json};

use crate::node::{Node, wait_for_the_end, write};
use crate::noodle::{Noodle, tiers};

/// What a storage node has: hosts, each with one plugin, and `value` in it to tell nodes apart. Globs are those that
/// end in `*`, alone or in braces.
pub(crate) fn store(hosts: &[&str], value: usize) -> Node {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    Node::answering(move |path| {
        let path = path.replace("%7B", "").replace("%7D", "");
        let mut parts = path.strip_prefix("/data").unwrap().split('?').next().unwrap().split('/').skip(1);
        let Some(wanted) = parts.next() else {
            return (200, json!({ "hosts": hosts }).to_string());
        };
        let matches = |host: &&String| {
            wanted.split(',').any(|word| match word.strip_suffix('*') {
                Some(start) => host.starts_with(start),
                None => word == host.as_str(),
            })
        };
        let found: Vec<_> = hosts.iter().filter(matches).collect();
        let answer = if parts.next().is_some() {
            let series = found.iter().map(|host| ((**host).clone(), json!({ "load": value }))).collect();
            Value::Object(series)
        } else if found.is_empty() {
            json!({ "metrics": null })
        } else {
            json!({ "metrics": [format!("load/load-{value}"), "cpu/cpu"] })
        };
        (200, answer.to_string())
    })
}

fn addresses(nodes: &[&Node]) -> Vec<SocketAddr> {
    nodes.iter().map(|node| node.address).collect()
}

/// Two hosts of each of two targets; all names only say how many targets and tiers there are.
fn hosts_of_two() -> [String; 2] {
    let any = [Node::refusing(), Node::refusing()];
    let noodle = Noodle::start(&tiers(&[("t", &any)]), "");
    [noodle.host_of(&[0]), noodle.host_of(&[1])]
}

#[test]
fn a_list_is_split_by_owner_and_joined() {
    let [a, b] = &hosts_of_two();
    let (zero, one) = (store(&[a], 0), store(&[b], 1));
    let noodle = Noodle::start(&tiers(&[("t", &addresses(&[&zero, &one]))]), "");
    let (first, second) = if a < b { (a, b) } else { (b, a) };
    let value = |host: &String| usize::from(host == b);
    for list in
        [format!("{a},{b}"), format!("{b},{a},{b}"), format!("%7B{a},{b}%7D"), format!("{{{b},{a}}},")]
    {
        let answer = noodle.get(&format!("/data/{list}/load?start=1795292345"));
        let (text, meta) = answer.split_meta();
        let expected =
            format!(r#"{{"{first}":{{"load":{}}},"{second}":{{"load":{}}}}}"#, value(first), value(second));
        assert_eq!(text, expected, "{list}");
        assert_eq!(meta["targets"], json!(["t0:1", "t1:1"]));
        assert!(meta.get("partial").is_none() && meta.get("errors").is_none());
        assert_eq!(answer.fields["x-noodle-target"], "t0:1, t1:1");
    }
    assert!(zero.paths().iter().all(|path| *path == format!("/data/{a}/load?start=1795292345")));
    let answer = noodle.get(&format!("/data/{a},{b},nosuch/"));
    assert_eq!(answer.json()["metrics"], json!(["cpu/cpu", "load/load-0", "load/load-1"]));
    assert_eq!(noodle.get("/data/nosuch,neither/load").text(), "{}");
    assert_eq!(noodle.get("/data/nosuch,neither").text(), r#"{"metrics":[]}"#);
    assert!(noodle.errors().is_empty());
}

#[test]
fn globs_and_the_list_of_hosts_ask_every_target() {
    let (zero, one) = (store(&["web1", "db1"], 0), store(&["web2"], 1));
    let other = store(&["web3"], 2);
    let noodle =
        Noodle::start(&tiers(&[("t", &addresses(&[&zero, &one])), ("u", &addresses(&[&other]))]), "");
    assert_eq!(noodle.get("/data").split_meta().0, r#"{"hosts":["db1","web1","web2"]}"#);
    assert_eq!(noodle.get("/data/web*/load").split_meta().0, r#"{"web1":{"load":0},"web2":{"load":1}}"#);
    let answer = noodle.get("/data/{web2*,db*}").json();
    assert_eq!(answer["metrics"], json!(["cpu/cpu", "load/load-0", "load/load-1"]));
    assert_eq!(zero.paths(), ["/data", "/data/%7Bweb2*,db*%7D", "/data/web*/load"]);
    assert_eq!(zero.paths(), one.paths());
    assert!(other.asked().is_empty());
    // What no target of the tier has may be in the next.
    assert_eq!(noodle.get("/data/web3*/load").split_meta().0, r#"{"web3":{"load":2}}"#);
    assert_eq!(noodle.get("/data/nosuch*/load").text(), "{}");
}

#[test]
fn a_host_of_a_list_that_its_owner_lacks_comes_from_the_next_tier() {
    let [a, b] = &hosts_of_two();
    let (zero, one, other) = (store(&[a], 0), store(&[], 1), store(&[a, b], 2));
    let noodle =
        Noodle::start(&tiers(&[("t", &addresses(&[&zero, &one])), ("u", &addresses(&[&other]))]), "");
    let answer = noodle.get(&format!("/data/{a},{b}/load")).json();
    assert_eq!((&answer[a], &answer[b]), (&json!({"load": 0}), &json!({"load": 2})));
    assert_eq!(answer["_meta"]["targets"], json!(["t0:1", "u0:1"]));
    assert_eq!(answer["_meta"]["tiers"], json!(["t", "u"]));
    assert_eq!(other.paths(), [format!("/data/{b}/load")]);
}

#[test]
fn the_share_of_a_dead_target_comes_from_the_next_tier_and_nothing_else_does() {
    let [a, b] = &hosts_of_two();
    // The next tier has newer values of everything, and the first has old ones of what is not its own any more.
    let (zero, other) = (store(&[a, b], 0), store(&[a, b], 2));
    let noodle =
        Noodle::start(&tiers(&[("t", &[zero.address, Node::refusing()]), ("u", &addresses(&[&other]))]), "");
    let answer = noodle.get("/data/web*/load").json();
    assert_eq!((&answer[a], &answer[b]), (&json!({"load": 0}), &json!({"load": 2})));
    assert_eq!(answer.as_object().unwrap().len(), 3);
    assert!(answer["_meta"].get("partial").is_none(), "{answer}");
    let mut both = [a, b];
    both.sort();
    assert_eq!(noodle.get("/data").json()["hosts"], json!(both));
    let answer = noodle.get(&format!("/data/{a},{b}/load"));
    assert_eq!((answer.status, &answer.json()[b]), (200, &json!({"load": 2})));
    assert_eq!(noodle.counters()["fetch.partial"], 0);
}

#[test]
fn a_share_that_no_tier_has_is_named_and_spoils_nothing_else() {
    let [a, b] = &hosts_of_two();
    let (zero, dead) = (store(&[a], 0), Node::refusing());
    let noodle = Noodle::start(&tiers(&[("t", &[zero.address, dead])]), "");
    for path in [format!("/data/{a},{b}/load"), "/data/web*/load".to_owned(), "/data".to_owned()] {
        let answer = noodle.get(&path);
        assert_eq!(answer.status, 200, "{path}");
        let meta = &answer.json()["_meta"];
        assert_eq!((&meta["partial"], &meta["targets"]), (&json!(true), &json!(["t0:1"])), "{path}");
        let errors = meta["errors"].as_object().unwrap();
        assert_eq!(errors.keys().collect::<Vec<_>>(), ["t1:1"], "{path}");
        assert!(errors["t1:1"].as_str().unwrap().starts_with(&format!("http://{dead}: cannot connect: ")));
        assert_eq!(answer.fields["x-noodle-partial"], "true");
        let field = &answer.fields["x-noodle-error"];
        assert!(field.starts_with(&format!("t1:1: http://{dead}: cannot connect: ")), "{field}");
        assert!(answer.text().contains(a) || path == "/data");
    }
    assert_eq!(noodle.counters()["fetch.partial"], 3);
}

#[test]
fn if_nobody_answers_the_status_says_why() {
    let dead = [Node::refusing(), Node::refusing()];
    let refusing = Noodle::start(&tiers(&[("t", &dead)]), "");
    let silent: Vec<_> = (0..2)
        .map(|_| {
            Node::start(|_, stream| {
                wait_for_the_end(stream);
                false
            })
        })
        .collect();
    let slow = Noodle::start(
        &tiers(&[("t", &addresses(&silent.iter().collect::<Vec<_>>()))]),
        "proxy_timeout = \"50ms\"",
    );
    let [a, b] = &hosts_of_two();
    for path in [format!("/data/{a},{b}/load"), "/data/web*".to_owned(), "/data".to_owned()] {
        let answer = refusing.get(&path);
        assert_eq!(answer.status, 502, "{path}");
        for node in dead {
            let reason = format!("http://{node}: cannot connect: ");
            assert!(answer.error().contains(&reason), "{}", answer.error());
        }
        let answer = slow.get(&path);
        let mut reasons: Vec<_> =
            silent.iter().map(|node| format!("http://{}: no answer within 50ms", node.address)).collect();
        reasons.sort();
        assert_eq!((answer.status, answer.error()), (504, reasons.join("; ")));
    }
}

/// A dead target costs its timeout once, not once for each of its hosts.
#[test]
fn a_list_goes_past_a_target_that_does_not_answer() {
    assert_a_list_goes_past(b"");
}

#[test]
fn a_list_goes_past_a_target_that_stalls_in_every_answer() {
    assert_a_list_goes_past(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
}

fn assert_a_list_goes_past(said: &'static [u8]) {
    let dead = Node::start(move |_, stream| {
        write(stream, said);
        wait_for_the_end(stream);
        false
    });
    let other = Node::answering(|path| {
        let host = path.split('/').nth(2).unwrap();
        (200, format!("{{\"{host}\":1}}"))
    });
    let noodle = Noodle::start(
        &tiers(&[("t", &addresses(&[&dead])), ("u", &addresses(&[&other]))]),
        "proxy_timeout = \"5s\"",
    );
    let hosts: Vec<_> = (0..200).map(|number| format!("web{number}")).collect();
    let answer = noodle.get(&format!("/data/{}/load", hosts.join(",")));
    assert_eq!(answer.json().as_object().unwrap().len(), 201);
    assert!(dead.asked().len() <= 32, "{}", dead.asked().len());
}

#[test]
fn lists_that_are_none_are_failures() {
    let strange = Node::answering(|path| match path {
        "/data" => (200, r#"{"hosts":5}"#.to_owned()),
        _ => (200, r#"{"metrics":["a",1]}"#.to_owned()),
    });
    let noodle = Noodle::start(&tiers(&[("t", &addresses(&[&strange]))]), "");
    for path in ["/data", "/data/web1", "/data/web1,web2", "/data/web*"] {
        assert_eq!(noodle.get(path).status, 502, "{path}");
    }
    assert_eq!(noodle.errors(), [("fetch.json.unmarshal".to_owned(), 5)].into());
}

#[test]
fn a_thousand_hosts_are_taken_and_no_more() {
    let node = Node::answering(|path| {
        let host = path.split('/').nth(2).unwrap();
        (200, format!("{{\"{host}\":1}}"))
    });
    let noodle = Noodle::start(&tiers(&[("t", &addresses(&[&node]))]), "");
    let range = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    let answer = noodle.get(&format!("/data/web{{{}}}/load", range(1000)));
    assert_eq!(answer.json().as_object().unwrap().len(), 1001);
    let answer = noodle.get(&format!("/data/web{{{}}}/load", range(1001)));
    assert_eq!((answer.status, answer.error().as_str()), (400, "more than 1000 hosts"));
}

/// What two dead nodes own together is missing; the rest of what the first owns is not.
#[test]
fn a_share_shrinks_from_tier_to_tier() {
    let any = [Node::refusing(), Node::refusing()];
    // As many targets would have the same shares.
    let three = [any[0], any[1], Node::refusing()];
    let names = Noodle::start(&tiers(&[("t", &any), ("u", &three)]), "");
    let (own, next, lost) = (names.host_of(&[0, 1]), names.host_of(&[1, 0]), names.host_of(&[1, 1]));
    let (zero, other) = (store(&[&own], 0), store(&[&own, &next, "web-elsewhere"], 2));
    let noodle = Noodle::start(
        &tiers(&[("t", &[zero.address, Node::refusing()]), ("u", &[other.address, three[1], three[2]])]),
        "",
    );
    let pattern = ("/data/web*/load".to_owned(), &["t1:1", "u1:1", "u2:1"][..]);
    let list = (format!("/data/{own},{next},{lost}/load"), &["t1:1", "u1:1"][..]);
    for (path, errors) in [pattern, list] {
        let answer = noodle.get(&path).json();
        assert_eq!((&answer[&own], &answer[&next]), (&json!({"load": 0}), &json!({"load": 2})), "{path}");
        assert!(answer.get(&lost).is_none());
        let meta = &answer["_meta"];
        assert_eq!((&meta["partial"], &meta["targets"]), (&json!(true), &json!(["t0:1", "u0:1"])), "{path}");
        assert_eq!(meta["errors"].as_object().unwrap().keys().collect::<Vec<_>>(), errors, "{path}");
    }
}

/// As many as `fetch.max_hosts` allows, with names as fleets have them, in one path.
#[test]
fn a_thousand_hosts_fit_into_one_request() {
    let names: Vec<_> = (0..1001).map(|number| format!("web{number:05}.example.org")).collect();
    assert!(names.iter().all(|name| name.len() == 20));
    let node = store(&names.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    let limits = Limits { head_size: 64 * 1024, ..Limits::default() };
    let noodle = Noodle::start_within(&tiers(&[("t", &[node.address])]), "", limits);
    let answer = noodle.get(&format!("/data/{}/load", names[..1000].join(",")));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json().as_object().unwrap().len(), 1000 + 1, "and _meta");
    let refused = noodle.get(&format!("/data/{}/load", names.join(",")));
    assert_eq!((refused.status, &*refused.error()), (400, "more than 1000 hosts"));
}
