//! Noodle among nodes of which one is not what it should be, or not as the others are.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use coco_harness::directory::Directory;
use coco_harness::rrd;
use coco_harness::rrdcached::Rrdcached as Daemon;
use coco_harness::visage::Visage;
use coco_harness::wait::{PATIENCE, wait_until};
use serde_json::{Value, json};

use crate::files::{LAST, fetched, made};
use crate::hostile;
use crate::noodle::Noodle;
use crate::proxy::{data, tiers, url};

const GOOD: &[u8] = b"6 Success\nFlushVersion: 1\nStart: 1795199980\nEnd: 1795200010\nStep: 10\nDSCount: 1\n";

#[test]
fn a_node_that_answers_nonsense_costs_its_answer_and_no_other() {
    let daemon = Daemon::start(&made());
    let path = format!("/data/alpha.example.org/load/load?start={}&finish={LAST}", LAST - 20);
    let expected = {
        let noodle = Noodle::start(&tiers(&[url(&daemon)]), "");
        noodle.get(&path).split_meta().0
    };
    let cases: [(&[u8], u16, &str); 8] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", 502, "not_rrdcached"),
        (b"\xff\xfe\x00garbage\n", 502, "not_rrdcached"),
        (b"6 Succ", 502, "reset"),
        (GOOD, 502, "reset"),
        (
            b"3 Success\nFlushVersion: 1\nStart: 1795199980\nEnd: 1795200000\nStep: 10\nDSCount: 1\n",
            502,
            "not_rrdcached",
        ),
        (b"6 Success\nFlushVersion: 1\nStart: 1000000000\nEnd: 1100000000\nStep: 10\nDSCount: 1\n", 400, ""),
        (b"-1 Permission denied.\n", 502, "denied"),
        (b"-1 rrd_fetch_r failed: mmaping file '/srv/secret/a.rrd': Cannot allocate memory\n", 502, "denied"),
    ];
    for (reply, status, reason) in cases {
        // Each is asked twice, in binary and as text where the command was refused.
        let hostile = format!("rrdcached://{}", hostile::listening(reply, 6));
        let alone = Noodle::start(&tiers(std::slice::from_ref(&hostile)), "");
        let answer = alone.get(&path);
        assert_eq!(answer.status, status, "{}: {}", reply.escape_ascii(), answer.text());
        assert!(!answer.text().contains("secret"), "paths of a node are its own: {}", answer.text());
        if !reason.is_empty() {
            let failures = &alone.counters()["fetch.target.failures"]["node0:1"];
            assert_eq!(failures[reason], 1, "{}: {failures}", reply.escape_ascii());
        }
        if status == 502 {
            let both = Noodle::start(&tiers(&[hostile, url(&daemon)]), "");
            let answer = both.get(&path);
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.split_meta().0, expected, "{}", reply.escape_ascii());
        }
    }
}

#[test]
fn a_silent_node_is_left_to_the_next_tier_in_time_and_is_down() {
    let daemon = Daemon::start(&made());
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let urls = [format!("rrdcached://{}", silent.local_addr().expect("a bound socket")), url(&daemon)];
    let noodle = Noodle::start(&tiers(&urls), "proxy_timeout = '500ms'");
    let answer = noodle.get(&format!("/data/alpha.example.org/load/load?start={}&finish={LAST}", LAST - 20));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.split_meta().1["tier"], "tier1");
    assert_eq!(noodle.get("/tiers").json()[0]["connections"]["node0:1"]["state"], "down");
    let alone = Noodle::start(&tiers(&urls[..1]), "proxy_timeout = '500ms'");
    assert_eq!(alone.get("/data/alpha.example.org/load/load").status, 504);
}

/// Answers LIST when `told` says so, and says each time that it was asked.
fn slow(told: Receiver<()>) -> (SocketAddr, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let (ask, asked) = mpsc::channel();
    thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            let mut line = [0; 7];
            let _ = client.read_exact(&mut line);
            assert_eq!(line, *b"LIST /\n");
            // Both ends are the test's, which may be over.
            if ask.send(()).is_err() || told.recv().is_err() {
                return;
            }
            let _ = client.write_all(b"2 RRDs\nweb1\nweb2\n");
        }
    });
    (address, asked)
}

#[test]
fn a_list_of_hosts_that_takes_too_long_for_one_request_is_there_for_the_next() {
    let (tell, told) = mpsc::channel();
    let (address, asked) = slow(told);
    let noodle = Noodle::start(
        &tiers(&[format!("rrdcached://{address}")]),
        "proxy_timeout = '300ms'\ntree_age = '1h'",
    );
    for path in ["/metrics/find?query=*", "/data", "/metrics/find?query=*"] {
        assert_eq!(noodle.get(path).status, 504, "{path}");
    }
    asked.recv().expect("the node was asked");
    assert!(asked.try_recv().is_err(), "once for all of them");
    tell.send(()).expect("the node waits");
    wait_until(PATIENCE, "the list", || noodle.get("/data").status == 200);
    assert_eq!(noodle.get("/metrics/expand?query=*").json(), json!({ "results": ["web1", "web2"] }));
    assert!(asked.try_recv().is_err(), "the list that nobody waited for is the one");
}

#[test]
fn a_daemon_that_restarts_between_two_requests_costs_none() {
    let mut daemon = Daemon::start(&made());
    let noodle = Noodle::start(&tiers(&[url(&daemon)]), "");
    for seconds in [20, 30, 40] {
        let answer =
            noodle.get(&format!("/data/alpha.example.org/load/load?start={}&finish={LAST}", LAST - seconds));
        assert_eq!(answer.status, 200, "{}", answer.text());
        daemon.restart();
    }
    assert!(noodle.errors().is_empty(), "{:?}", noodle.errors());
}

/// A file with so many rows of so many seconds each, of a value that is the second since `base`.
fn ramp(
    directory: &Directory,
    archives: &[(i64, i64)],
    unknown: std::ops::Range<i64>,
    base: i64,
    finish: i64,
) {
    let file = directory.path().join("web1/gauge/gauge.rrd");
    std::fs::create_dir_all(file.parent().expect("a file is in a directory")).expect("a directory");
    let begin = format!("--start={base}");
    let archives: Vec<_> =
        archives.iter().map(|(step, rows)| format!("RRA:AVERAGE:0.5:{step}:{rows}")).collect();
    let rrdtool = |arguments: &[&str]| {
        let status = Command::new("rrdtool").args(arguments).status().expect("rrdtool is installed");
        assert!(status.success(), "{arguments:?}");
    };
    let path = file.to_str().expect("UTF-8");
    let create = ["create", path, &begin, "--step=1", "DS:value:GAUGE:10:U:U"];
    rrdtool(&create.into_iter().chain(archives.iter().map(String::as_str)).collect::<Vec<_>>());
    let value = |second: i64| match unknown.contains(&second) {
        true => format!("{second}:U"),
        false => format!("{second}:{}", second - base),
    };
    let updates: Vec<String> = (base + 1..=finish).map(value).collect();
    let arguments = ["update", path].into_iter().chain(updates.iter().map(String::as_str));
    rrdtool(&arguments.collect::<Vec<_>>());
}

#[test]
fn rows_of_another_step_stand_in_for_those_that_are_missing() {
    let [fine, coarse] = ["tier-0", "tier-1"].map(Directory::new);
    let base = LAST - 200;
    ramp(&fine, &[(1, 600)], LAST - 60..LAST - 40, base, LAST);
    ramp(&coarse, &[(5, 600)], 0..0, base, LAST);
    let daemons = [&fine, &coarse].map(|directory| Daemon::start(directory.path()));
    let noodle = Noodle::start(&tiers(&daemons.each_ref().map(url)), "");
    let answer = noodle.get(&format!("/data/web1/gauge/gauge?start={}&finish={LAST}", LAST - 100));
    let (text, meta) = answer.split_meta();
    assert_eq!(meta["sources"], "node0:1, node1:1");
    let found: Vec<f64> = serde_json::from_str(data(&text, "value")).expect("numbers");
    let expected = (LAST - 99..=LAST).map(|second| match (LAST - 60..LAST - 40).contains(&second) {
        false => (second - base) as f64,
        // The mean of the five seconds in which it lies.
        true => ((second - base + 4) / 5 * 5 - 2) as f64,
    });
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[test]
fn the_same_file_with_another_step_on_another_node_fills_a_gap() {
    const FLIP: i64 = 60;
    // The second has gone on for ten seconds, so its fine rows begin ten seconds later.
    let [stopped, going] = ["tier-0", "tier-1"].map(Directory::new);
    let base = LAST - 200;
    let archives = [(1, FLIP), (5, 600)];
    ramp(&stopped, &archives, LAST - 30..LAST - 20, base, LAST);
    ramp(&going, &archives, 0..0, base, LAST + 10);
    let daemons = [&stopped, &going].map(|directory| Daemon::start(directory.path()));
    let urls = daemons.each_ref().map(url);
    let values = |urls: &[String], seconds: i64| {
        let noodle = Noodle::start(&tiers(urls), "");
        let answer = noodle.get(&format!("/data/web1/gauge/gauge?start={}&finish={LAST}", LAST - seconds));
        let found: Vec<Option<f64>> = serde_json::from_str(data(&answer.text(), "value")).expect("numbers");
        (found, answer.split_meta().1["sources"].clone())
    };
    // Where the window is as long as the fine rows, the step flips; on the second node sooner.
    let rows = |node: usize, seconds: i64| values(&urls[node..=node], seconds).0.len();
    assert_eq!([rows(0, FLIP), rows(0, FLIP + 5)], [60, 13]);
    assert_eq!([rows(1, FLIP - 10), rows(1, FLIP - 5)], [50, 11]);
    // So of one window: rows of a second with a gap, and rows of five seconds.
    let (found, sources) = values(&urls, FLIP - 5);
    assert_eq!(sources, "node0:1, node1:1");
    let expected = (LAST - FLIP + 6..=LAST).map(|second| match (LAST - 30..LAST - 20).contains(&second) {
        false => Some((second - base) as f64),
        true => Some(((second - base + 4) / 5 * 5 - 2) as f64),
    });
    assert_eq!(found, expected.collect::<Vec<_>>());
}

/// A file of the largest values alone, which has no averages.
fn maxima(directory: &Directory, instance: &str) {
    let file = directory.path().join(format!("web1/gauge/{instance}.rrd"));
    let begin = format!("--start={}", LAST - 60);
    let arguments = ["create", file.to_str().expect("UTF-8"), &begin, "--step=1", "DS:value:GAUGE:10:U:U"];
    // Of one value a row the maximum would be the average.
    let made = Command::new("rrdtool").args(arguments).arg("RRA:MAX:0.5:5:60").status();
    assert!(made.expect("rrdtool is installed").success());
}

#[test]
fn a_file_that_can_not_be_read_costs_itself_alone_and_is_looked_for_elsewhere() {
    let [broken, whole] = ["tier-0", "tier-1"].map(Directory::new);
    for directory in [&broken, &whole] {
        rrd::create(&directory.path().join("web1/gauge/good.rrd"), LAST, &[1.0; 60]);
    }
    maxima(&broken, "bad");
    rrd::create(&whole.path().join("web1/gauge/bad.rrd"), LAST, &[2.0; 60]);
    let daemons = [&broken, &whole].map(|directory| Daemon::start(directory.path()));
    let urls = daemons.each_ref().map(url);
    // By FETCH alone, and by INFO first.
    for seconds in [50, 150_000] {
        let window = format!("start={}&finish={LAST}", LAST - seconds);
        let alone = Noodle::start(&tiers(&urls[..1]), "settle = '48h'");
        let answer = alone.get(&format!("/data/web1/gauge?{window}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let (text, meta) = answer.split_meta();
        let found: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(found["web1"]["gauge"].as_object().expect("an object").len(), 1, "{found}");
        assert_eq!(meta["partial"], true, "{meta}");
        let reason = meta["errors"]["node0:1"].as_str().expect("a reason");
        assert!(reason.contains("1 of the files can't be read: no archive of averages"), "{reason}");
        assert_eq!(alone.counters()["fetch.target.failures"]["node0:1"]["denied"], 1);
        // By itself it is a failure, as ever.
        assert_eq!(alone.get(&format!("/data/web1/gauge/bad?{window}")).status, 502);

        let both = Noodle::start(&tiers(&urls), "settle = '48h'");
        let answer = both.get(&format!("/data/web1/gauge?{window}"));
        let (text, meta) = answer.split_meta();
        let found: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(found["web1"]["gauge"].as_object().expect("an object").len(), 2, "{found}");
        assert_eq!(
            (&meta["partial"], &meta["sources"]),
            (&Value::Null, &json!("node0:1, node1:1")),
            "{meta}"
        );
    }
}

/// What is remembered was counted as asked for, and told that a node was up that had long been gone.
#[test]
fn what_is_remembered_says_nothing_of_its_node() {
    let daemon = Daemon::start(&made());
    let noodle = Noodle::start(&tiers(&[url(&daemon)]), "tree_age = '1h'");
    let listing = "/data/alpha.example.org";
    for path in [listing, "/data", listing, "/data", listing] {
        assert_eq!(noodle.get(path).status, 200, "{path}");
    }
    let counters = noodle.counters();
    assert_eq!(counters["fetch.target.requests"]["node0:1"], 2, "{counters}");
    assert_eq!(counters["fetch.tier.requests"]["tier0"], 5, "{counters}");
    drop(daemon);
    assert_eq!(noodle.get("/data/alpha.example.org/load/load").status, 502);
    assert_eq!(noodle.get(listing).status, 200);
    assert_eq!(noodle.get("/tiers").json()[0]["connections"]["node0:1"]["state"], "down");
}

#[test]
fn random_windows_are_answered_as_the_visage_of_the_tests_does() {
    random_windows(40);
}

#[test]
#[ignore = "long: each window starts rrdtool"]
fn three_hundred_random_windows_are_answered_as_the_visage_of_the_tests_does() {
    random_windows(300);
}

fn random_windows(count: usize) {
    let files = made();
    let (daemon, stand_in) = (Daemon::start(&files), Visage::start(&files));
    let [ours, theirs] = [url(&daemon), stand_in.url()].map(|url| Noodle::start(&tiers(&[url]), ""));
    let is_plain = |path: &[Vec<u8>; 3]| {
        path.concat().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte))
    };
    let paths: Vec<[Vec<u8>; 3]> =
        fetched().into_iter().map(|fetched| fetched.path).filter(is_plain).collect();
    // A generator of its own, so that a failure comes again.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: i64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        i64::try_from(state % u64::try_from(below).expect("a bound")).expect("it is small")
    };
    let mut compared = 0;
    for _ in 0..count {
        let path = &paths[usize::try_from(random(paths.len() as i64)).expect("an index")];
        let finish = LAST + 100 - random(20_000);
        let length = [100, 1_000, 15_000][usize::try_from(random(3)).expect("an index")];
        let start = finish - random(length);
        let [host, plugin, instance] = path.each_ref().map(|part| String::from_utf8_lossy(part));
        let path = format!("/data/{host}/{plugin}/{instance}?start={start}&finish={finish}");
        let [mut ours, mut theirs] = [&ours, &theirs].map(|noodle| {
            let answer = noodle.get(&path);
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            let mut value = answer.json();
            value.as_object_mut().expect("an object").remove("_meta");
            value.sort_all_objects();
            value
        });
        let shown = rounded(&mut ours);
        rounded(&mut theirs);
        // The stand-in makes no means of more values.
        if shown < 1_000 {
            assert_eq!(ours, theirs, "{path}");
            compared += 1;
        }
    }
    assert!(compared * 2 > count, "{compared} of {count}");
}

/// Leaves six digits, since rrdtool prints eleven, and counts the values of the longest list.
fn rounded(value: &mut Value) -> usize {
    match value {
        Value::Object(members) => members.values_mut().map(rounded).max().unwrap_or(0),
        Value::Array(values) => {
            values.iter_mut().for_each(|value| _ = rounded(value));
            values.len()
        }
        Value::Number(number) => {
            let number = number.as_f64().expect("a number");
            *value = json!(format!("{number:.6e}"));
            0
        }
        _ => 0,
    }
}

/// The command line of the unit, word by word.
fn command_line_of_the_unit() -> Vec<String> {
    let unit = coco_harness::repository().join("etc/systemd/rrdcached-noodle.service");
    let text = std::fs::read_to_string(unit).expect("the unit");
    let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/rrdcached "));
    line.expect("a command line").split(' ').map(str::to_owned).collect()
}

#[test]
fn the_unit_for_readers_lets_noodle_read_and_nobody_write() {
    let words = command_line_of_the_unit();
    let place =
        |word: &str| words.iter().position(|other| other == word).unwrap_or_else(|| panic!("{words:?}"));
    assert!(words.contains(&"-B".to_owned()) && place("-P") < place("-l"), "{words:?}");
    assert!(words[place("-l") + 1].ends_with(":42217"), "the port that Noodle takes for granted");
    let commands: &'static str = words[place("-P") + 1].clone().leak();
    let daemon = Daemon::start_with(&made(), commands);
    let noodle = Noodle::start(&tiers(&[url(&daemon)]), "");
    for path in [
        "",
        "/alpha.example.org",
        "/*/load/load",
        "/alpha.example.org/load?start=1780000000&finish=1795200000",
    ] {
        let answer = noodle.get(&format!("/data{path}"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.split_meta().1["partial"], Value::Null, "{path}");
    }
    let mut client = TcpStream::connect(daemon.address).expect("a connection");
    let writing =
        ["UPDATE a/b/c.rrd 1:2", "FLUSH a", "FLUSHALL", "FORGET a", "PENDING a", "SUSPENDALL", "BATCH"];
    for command in writing {
        client.write_all(format!("{command}\n").as_bytes()).expect("it is sent");
    }
    client.write_all(b"QUIT\n").expect("it is sent");
    let mut told = String::new();
    client.read_to_string(&mut told).expect("replies");
    assert_eq!(told.lines().collect::<Vec<_>>(), vec!["-1 Permission denied."; writing.len()]);
}
