//! Noodle before a real rrdcached that dies in the middle of a reply, or may not read what it is asked for.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use coco_harness::curl::{self, Response};
use coco_harness::directory::Directory;
use coco_harness::noodle::Noodle;
use coco_harness::rrd;
use coco_harness::rrdcached::Rrdcached;
use coco_harness::wait::{PATIENCE, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

/// A window of so many rows of so many data sources makes a reply of 14 MB: more than the buffers of two sockets take.
const ROWS: u32 = 90_000;
const SOURCES: usize = 20;

const FINISH: i64 = 1_795_200_000;

/// More than the head of a reply, and less than what fits the smallest buffer.
const BEGUN: u64 = 16 * 1024;

/// Tiers of targets at these URLs, `nodeTIERTARGET:1`; a busy machine has its time.
fn config(tiers: &[&[String]]) -> String {
    let mut text = "[fetch]\nbind = \"127.0.0.1:0\"\nproxy_timeout = \"60s\"\n".to_owned();
    for (tier, urls) in tiers.iter().enumerate() {
        let target = |(number, url): (usize, &String)| {
            format!("{{ address = \"node{tier}{number}:1\", fetch = \"{url}\" }}")
        };
        let targets = urls.iter().enumerate().map(target).collect::<Vec<_>>().join(", ");
        text.push_str(&format!("[tiers.tier{tier}]\ntargets = [{targets}]\n"));
    }
    text
}

/// Files of a wide metric, each of whose rows has this value, and the daemon before them.
fn node(hosts: &[&str], value: f64) -> (Directory, Rrdcached) {
    let base = Directory::new("base");
    for host in hosts {
        rrd::create_constant(&base.path().join(host).join("wide/wide.rrd"), FINISH, ROWS, SOURCES, value);
    }
    let daemon = Rrdcached::start(base.path());
    (base, daemon)
}

fn url(daemon: &Rrdcached) -> String {
    format!("rrdcached://{}", daemon.address)
}

/// Kills the daemon when a part of its reply has come, which Noodle reads thereafter.
fn dies_in_the_middle(noodle: &Noodle, daemon: &mut Rrdcached, path: &str) -> Response {
    let port = daemon.address.port();
    daemon.process.freeze();
    let url = format!("http://{}{path}", noodle.address);
    let asking = std::thread::spawn(move || curl::get(&url));
    wait_until(PATIENCE, "a command for the daemon", || unread(|local, _| local == port) > 0);
    noodle.process.freeze();
    daemon.process.signal(Signal::SIGCONT);
    wait_until(PATIENCE, "a part of the reply", || unread(|_, remote| remote == port) > BEGUN);
    daemon.process.signal(Signal::SIGKILL);
    assert!(!daemon.process.ended(PATIENCE).success());
    noodle.process.signal(Signal::SIGCONT);
    asking.join().expect("curl gets an answer")
}

/// Bytes that have arrived at sockets of this machine with such ports, local and remote, and were not read yet (proc(5),
/// `/proc/net/tcp`).
fn unread(is_meant: impl Fn(u16, u16) -> bool) -> u64 {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux has one");
    let row = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let port = |address: &str| u16::from_str_radix(address.split_once(':')?.1, 16).ok();
        let (local, remote) = (port(words.next()?)?, port(words.next()?)?);
        let (_, received) = words.nth(1)?.split_once(':')?;
        is_meant(local, remote).then(|| u64::from_str_radix(received, 16).ok()).flatten()
    };
    table.lines().skip(1).filter_map(row).sum()
}

/// The values of all rows of all data sources, each once.
fn values(answer: &Value, host: &str) -> Vec<Option<f64>> {
    let sources =
        answer[host]["wide"]["wide"].as_object().unwrap_or_else(|| panic!("no {host}: {answer:.500}"));
    assert_eq!(sources.len(), SOURCES);
    let rows = sources.values().flat_map(|source| source["data"].as_array().expect("rows"));
    let mut values: Vec<_> = rows.map(Value::as_f64).collect();
    values.dedup();
    values
}

fn window() -> String {
    format!("start={}&finish={FINISH}", FINISH - i64::from(ROWS) + 1)
}

#[test]
fn of_a_daemon_that_dies_in_the_middle_of_a_reply_no_row_counts() {
    let [(_first_base, mut first), (_second_base, second)] = [1.0, 2.0].map(|value| node(&["web"], value));
    let noodle = Noodle::start(&config(&[&[url(&first)], &[url(&second)]]));
    // One file by its name: rows are all that is asked for.
    let path = format!("/data/web/wide/wide?{}", window());
    // On a connection that is new, and on one that has answered before.
    for round in 0..2 {
        let response = dies_in_the_middle(&noodle, &mut first, &path);
        assert_eq!(response.status, 200, "{:.500}", response.body);
        let answer = response.json();
        assert_eq!(values(&answer, "web"), [Some(2.0)]);
        assert_eq!(answer["_meta"]["target"], "node10:1", "{}", answer["_meta"]);
        first.start_again();
        if round == 0 {
            let small = noodle.json(&format!("/data/web/wide/wide?start={}&finish={FINISH}", FINISH - 60));
            assert_eq!(
                (values(&small, "web"), &small["_meta"]["target"]),
                (vec![Some(1.0)], &"node00:1".into())
            );
        }
    }
    assert!(noodle.stop().success());
}

#[test]
fn where_nobody_else_has_the_rows_a_death_in_the_middle_is_told() {
    let hosts: Vec<String> = (0..20).map(|number| format!("web{number}")).collect();
    let names: Vec<_> = hosts.iter().map(String::as_str).collect();
    // Who owns which of them is known when Noodle runs, so that both have the files of two.
    let (base, mut mortal) = node(&[], 1.0);
    let (other_base, other) = node(&[], 2.0);
    let noodle = Noodle::start(&config(&[&[url(&mortal), url(&other)]]));
    let owned_by = |target: &str| {
        let owner = |host: &&&str| noodle.json(&format!("/lookup?name={host}"))["tier0"] == *target;
        *names.iter().find(owner).unwrap_or_else(|| panic!("nothing for {target}"))
    };
    let (of_mortal, of_other) = (owned_by("node00:1"), owned_by("node01:1"));
    for (base, host, value) in [(&base, of_mortal, 1.0), (&other_base, of_other, 2.0)] {
        let file = base.path().join(host).join("wide/wide.rrd");
        rrd::create_constant(&file, FINISH, ROWS, SOURCES, value);
    }

    let response =
        dies_in_the_middle(&noodle, &mut mortal, &format!("/data/{of_mortal}/wide/wide?{}", window()));
    assert_eq!(response.status, 502, "{:.500}", response.body);
    assert!(response.json()["error"].as_str().is_some_and(|error| error.contains(&url(&mortal))));
    mortal.start_again();

    // Hosts and files are known before, so that rows are all that is asked for.
    let path = format!("/data/web*/wide/wide?{}", window());
    let whole = noodle.json(&path);
    assert_eq!([values(&whole, of_mortal), values(&whole, of_other)], [[Some(1.0)], [Some(2.0)]]);
    assert_eq!(whole["_meta"]["partial"], Value::Null);
    let path = format!("/data/web*/wide/wide?start={}&finish={FINISH}", FINISH - i64::from(ROWS) + 2);
    let response = dies_in_the_middle(&noodle, &mut mortal, &path);
    assert_eq!(response.status, 200, "{:.500}", response.body);
    let answer = response.json();
    assert_eq!((values(&answer, of_other), &answer[of_mortal]), (vec![Some(2.0)], &Value::Null));
    let meta = &answer["_meta"];
    assert_eq!(meta["partial"], true, "{meta}");
    assert!(meta["errors"]["node00:1"].is_string() && meta["errors"]["node01:1"].is_null(), "{meta}");
    assert!(noodle.stop().success());
}

/// Nobody may read it, root without its privileges no more than its owner.
fn forbid(path: &Path) {
    std::fs::set_permissions(path, Permissions::from_mode(0o000)).expect("it is ours");
}

#[test]
fn a_file_that_a_daemon_may_not_read_costs_no_other_and_comes_from_the_next_tier() {
    let bases = ["first", "second"].map(Directory::new);
    for (base, value) in bases.iter().zip([1.0, 2.0]) {
        for instance in ["open", "shut"] {
            rrd::create(&base.path().join(format!("web/gauge/gauge-{instance}.rrd")), FINISH, &[value; 60]);
        }
    }
    forbid(&bases[0].path().join("web/gauge/gauge-shut.rrd"));
    let [first, second] = bases.each_ref().map(|base| Rrdcached::start_unprivileged(base.path()));
    let query = format!("start={}&finish={FINISH}", FINISH - 20);
    let rows = |answer: &Value, instance: &str| {
        let data = answer["web"]["gauge"][format!("gauge-{instance}")]["value"]["data"].as_array().cloned();
        data.map(|data| data.iter().map(Value::as_f64).collect::<Vec<_>>())
    };

    let alone = Noodle::start(&config(&[&[url(&first)]]));
    let answer = alone.json(&format!("/data/web/gauge?{query}"));
    assert_eq!((rows(&answer, "open"), rows(&answer, "shut")), (Some(vec![Some(1.0); 20]), None), "{answer}");
    let meta = &answer["_meta"];
    assert_eq!(meta["partial"], true, "{meta}");
    assert!(
        meta["errors"]["node00:1"].as_str().is_some_and(|error| error.contains("permission denied")),
        "{meta}"
    );
    let response = alone.get(&format!("/data/web/gauge/gauge-shut?{query}"));
    assert_eq!(response.status, 502, "{}", response.body);
    assert!(response.body.contains("permission denied"), "{}", response.body);
    // Its words hold paths of its machine.
    assert!(!response.body.contains(&bases[0].path().display().to_string()), "{}", response.body);
    assert!(alone.stop().success());

    let both = Noodle::start(&config(&[&[url(&first)], &[url(&second)]]));
    let answer = both.json(&format!("/data/web/gauge?{query}"));
    let expected = [1.0, 2.0].map(|value| Some(vec![Some(value); 20]));
    assert_eq!([rows(&answer, "open"), rows(&answer, "shut")], expected, "{answer}");
    assert_eq!(
        (&answer["_meta"]["partial"], &answer["_meta"]["sources"]),
        (&Value::Null, &"node00:1, node10:1".into())
    );
    assert!(both.stop().success());
}

#[test]
fn a_socket_that_noodle_may_not_open_is_a_node_that_cannot_be_reached() {
    let bases = ["first", "second"].map(Directory::new);
    for (base, value) in bases.iter().zip([1.0, 2.0]) {
        rrd::create(&base.path().join("web/gauge/gauge.rrd"), FINISH, &[value; 60]);
    }
    let daemons = bases.each_ref().map(|base| Rrdcached::start(base.path()));
    let urls = daemons.each_ref().map(|daemon| format!("rrdcached://{}", daemon.socket.display()));
    let path = format!("/data/web/gauge/gauge?start={}&finish={FINISH}", FINISH - 20);
    let first = |answer: &Value| answer["web"]["gauge"]["gauge"]["value"]["data"][0].as_f64();

    let noodle = Noodle::start_unprivileged(&config(&[&urls[..1], &urls[1..]]));
    assert_eq!(first(&noodle.json(&path)), Some(1.0), "it is open");
    assert!(noodle.stop().success());
    forbid(&daemons[0].socket);
    let noodle = Noodle::start_unprivileged(&config(&[&urls[..1], &urls[1..]]));
    let answer = noodle.json(&path);
    assert_eq!((first(&answer), &answer["_meta"]["target"]), (Some(2.0), &"node10:1".into()), "{answer}");
    assert!(noodle.stop().success());
    let noodle = Noodle::start_unprivileged(&config(&[&urls[..1]]));
    let response = noodle.get(&path);
    assert_eq!(response.status, 502, "{}", response.body);
    assert!(response.body.contains("Permission denied"), "{}", response.body);
    assert_eq!(noodle.count(&["fetch.target.failures", "node00:1", "connect"]), 1);
    assert!(noodle.stop().success());
}
