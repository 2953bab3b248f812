//! Graphite's API over real daemons: rows joined of several, next to a Visage, and without those that are dead.

use std::cell::Cell;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use coco_harness::directory::Directory;
use coco_harness::rrdcached::Rrdcached as Daemon;
use coco_harness::visage::Visage;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::expressions::expression;
use crate::files::LAST;
use crate::noodle::{Answer, Noodle};
use crate::proxy::{tiers, url};

const HOSTS: i64 = 4;
const PLUGINS: [&str; 3] = ["cpu-0", "df", "load"];

/// Types, and the seconds of a row.
const TYPES: [(&str, i64); 3] = [("mid", 30), ("short", 10), ("used", 60)];

/// What the files hold, in seconds.
const LENGTH: i64 = 3600;

/// The value of a row of a file that knows all.
fn value(host: i64, file: usize, row: i64) -> Option<f64> {
    // A gap that all nodes have.
    let is_gap = matches!(host, 0 | 3) && row % 11 == 5;
    let mixed = (host * 7 + file as i64 * 13 + row * 31) % 1600;
    (!is_gap).then(|| mixed as f64 / 8.0 - 40.0)
}

/// Makes the files of a node that has missed the rows that `is_missed` says of a host.
fn make(place: &Path, is_missed: impl Fn(i64, i64) -> bool) {
    let mut rrdtool = Command::new("rrdtool")
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("rrdtool is installed");
    let mut script = String::new();
    for host in 0..HOSTS {
        for (number, (plugin, (kind, step))) in
            PLUGINS.iter().flat_map(|plugin| TYPES.iter().map(move |kind| (plugin, kind))).enumerate()
        {
            let directory = place.join(format!("web-{host}/{plugin}"));
            std::fs::create_dir_all(&directory).expect("a directory");
            let file = directory.join(format!("{kind}.rrd")).display().to_string();
            let (rows, base) = (LENGTH / step, LAST - LENGTH);
            script += &format!(
                "create {file} --start {base} --step {step} DS:value:GAUGE:{}:U:U RRA:AVERAGE:0.5:1:{rows}\n",
                2 * step
            );
            let update = |row: i64| {
                let value = value(host, number, row).filter(|_| !is_missed(host, row));
                let value = value.map_or("U".to_owned(), |value| value.to_string());
                format!(" {}:{value}", base + (row + 1) * step)
            };
            script += &format!("update {file}{}\n", (0..rows).map(update).collect::<String>());
        }
    }
    rrdtool.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("it reads");
    assert!(rrdtool.wait().expect("it ends").success());
}

/// A node with a daemon.
struct Node {
    daemon: Daemon,
    _directory: Directory,
}

impl Node {
    fn new(is_missed: impl Fn(i64, i64) -> bool) -> Self {
        let directory = Directory::new("node");
        make(directory.path(), is_missed);
        let daemon = Daemon::start(directory.path());
        Self { daemon, _directory: directory }
    }

    fn whole() -> Self {
        Self::new(|_, _| false)
    }

    /// It has missed every third row, but for one host.
    fn with_holes(place: i64) -> Self {
        Self::new(move |host, row| host != place + 1 && row % 3 == place)
    }

    fn url(&self) -> String {
        url(&self.daemon)
    }
}

/// One tier of these.
fn tier(name: &str, urls: &[String]) -> String {
    let target =
        |(index, url): (usize, &String)| format!("{{ address = \"{name}{index}:1\", fetch = \"{url}\" }}");
    let targets: Vec<_> = urls.iter().enumerate().map(target).collect();
    format!("[tiers.{name}]\ntargets = [ {} ]\n", targets.join(", "))
}

fn start(tiers: &str, graphite: &str) -> Noodle {
    Noodle::start(tiers, &format!("proxy_timeout = \"60s\"\n[graphite]\n{graphite}"))
}

fn render(noodle: &Noodle, targets: &[&str], (from, until): (i64, i64)) -> Answer {
    let target = |target: &&str| format!("&target={}", percent_encode(target.as_bytes(), NON_ALPHANUMERIC));
    let targets: String = targets.iter().map(target).collect();
    noodle.get(&format!("/render?format=json&from={from}&until={until}{targets}"))
}

/// Names and values of the series of an answer.
fn rows(answer: &Answer) -> Vec<(String, Vec<Option<f64>>)> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let all = answer.json();
    let one = |series: &Value| {
        let points = series["datapoints"].as_array().expect("points").iter();
        (
            series["target"].as_str().expect("a name").to_owned(),
            points.map(|point| point[0].as_f64()).collect(),
        )
    };
    all.as_array().expect("a list").iter().map(one).collect()
}

/// Series that have rows: nothing is shown where no series of an answer has a value.
fn shown(answer: &Answer) -> Vec<Value> {
    let Value::Array(series) = answer.json() else { panic!("{}", answer.text()) };
    series.into_iter().filter(|series| series["datapoints"] != json!([])).collect()
}

#[test]
fn any_expression_has_one_answer_whatever_nodes_have_whichever_copy_and_however_it_is_asked() {
    any_expression(40);
}

#[test]
#[ignore = "long: thousands of expressions"]
fn thousands_of_expressions_have_one_answer_each() {
    any_expression(3000);
}

fn any_expression(cases: u32) {
    let [whole, copy] = [Node::whole(), Node::whole()];
    let [one, other] = [Node::with_holes(0), Node::with_holes(1)];
    let reference = start(&tiers(&[whole.url()]), "");
    let others = [
        tiers(&[one.url(), other.url()]),
        tiers(&[other.url(), one.url()]),
        tier("t", &[whole.url(), copy.url()]),
        tier("t", &[copy.url(), whole.url()]),
        tier("t", &[one.url(), other.url()]) + &tier("u", &[copy.url()]),
    ]
    .map(|tiers| start(&tiers, ""));
    let strategy = (expression(), expression(), 0..1200_i64, 60..900_i64);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(cases));
    let answered = Cell::new(0);
    runner
        .run(&strategy, |(first, second, from, length)| {
            let window = (LAST - LENGTH + 600 + from, LAST - LENGTH + 600 + from + length);
            let expected = render(&reference, &[&first, &second], window);
            for noodle in &others {
                let found = render(noodle, &[&first, &second], window);
                prop_assert_eq!((found.status, found.text()), (expected.status, expected.text()));
                prop_assert_eq!(found.fields.get("x-noodle-partial"), None);
            }
            let alone = [&first, &second].map(|target| render(&others[0], &[target], window));
            if alone.iter().all(|answer| answer.status == 200) {
                let apart: Vec<_> = alone.iter().flat_map(shown).collect();
                answered.set(answered.get() + u32::from(!apart.is_empty()));
                prop_assert_eq!(shown(&expected), apart);
            } else {
                prop_assert_eq!(expected.status, 400);
            }
            Ok(())
        })
        .unwrap();
    assert!(answered.get() > cases / 5, "only {} of {cases} are answered with series", answered.get());
}

/// What is left of an answer when a node is dead, and who says so.
#[test]
fn rows_that_a_dead_node_may_have_are_missing_in_word_and_number() {
    let [one, mut other] = [Node::with_holes(0), Node::with_holes(1)];
    let tiers = tiers(&[one.url(), other.url()]);
    let (noodle, strict) = (start(&tiers, ""), start(&tiers, "require_all = true"));
    let window = (LAST - 600, LAST - 300);
    let rows_of = |host: i64, is_known: fn(i64) -> bool| -> Vec<Option<f64>> {
        let first = (LENGTH - 600) / 10;
        (first..first + 30).map(|row| value(host, 7, row).filter(|_| is_known(row))).collect()
    };
    let joined = render(&noodle, &["web-0.load.short"], window);
    assert_eq!(rows(&joined), [("web-0.load.short".to_owned(), rows_of(0, |_| true))]);
    assert_eq!(joined.fields.get("x-noodle-partial"), None);
    assert_eq!(joined.fields["x-noodle-tier"], "tier0, tier1");
    assert_eq!(noodle.get("/metrics/find?query=web-0.*").fields["x-noodle-tier"], "tier0");
    let _ = other.daemon.process.stop();
    // Behind the rows that are remembered for some seconds.
    let window = (window.0 - 1, window.1);
    let partial = render(&noodle, &["web-0.load.short"], window);
    assert_eq!(rows(&partial)[0].1[1..], rows_of(0, |row| row % 3 != 0));
    assert_eq!(partial.fields["x-noodle-partial"], "true");
    assert!(partial.fields["x-noodle-error"].contains(&other.url()), "{partial:?}");
    assert_eq!(noodle.counters()["graphite.partial"], 1);
    let refused = render(&strict, &["web-0.load.short"], window);
    assert_eq!((refused.status, refused.text().contains(&other.url())), (502, true), "{refused:?}");
    // The first node knows all of this host.
    for noodle in [&noodle, &strict] {
        let complete = render(noodle, &["web-1.load.short"], (LAST - 600, LAST - 300));
        assert_eq!(rows(&complete), [("web-1.load.short".to_owned(), rows_of(1, |_| true))]);
        assert_eq!(complete.fields.get("x-noodle-partial"), None);
        assert_eq!(complete.fields["x-noodle-tier"], "tier0");
    }
    assert_eq!(noodle.counters()["graphite.partial"], 1);
}

/// A fleet in which one node is read by Visage, and the other by rrdcached.
#[test]
fn visages_and_daemons_are_rendered_together() {
    let places = [Directory::new("visage"), Directory::new("rrdcached")];
    // Each has all hosts, and is asked for those that it owns.
    for place in &places {
        make(place.path(), |_, _| false);
    }
    let (visage, mut daemon) = (Visage::start(places[0].path()), Daemon::start(places[1].path()));
    let urls = [visage.url(), url(&daemon)];
    let mixed = tier("t", &urls);
    let (noodle, strict) = (start(&mixed, ""), start(&mixed, "require_all = true"));
    let names = json!({ "results": ["web-0", "web-1", "web-2", "web-3"] });
    assert_eq!(noodle.get("/metrics/expand?query=*").json(), names);
    let window = (LAST - 600, LAST - 300);
    let first = (LENGTH - 600) / 10;
    let expected = |host: i64| (first..first + 30).map(|row| value(host, 7, row)).collect::<Vec<_>>();
    let found = rows(&render(&noodle, &["web-?.load.short"], window));
    let all: Vec<_> = (0..HOSTS).map(|host| (format!("web-{host}.load.short"), expected(host))).collect();
    assert_eq!(found, all);
    let sum = rows(&render(&noodle, &["sumSeries(web-{1,2}.load.short)"], window));
    let sums = expected(1).into_iter().zip(expected(2)).map(|(one, other)| Some(one? + other?));
    assert_eq!(sum[0].1, sums.collect::<Vec<_>>());
    // In either order, the tier behind stands in.
    for urls in [[&urls[0], &urls[1]], [&urls[1], &urls[0]]] {
        let tiered = start(&tiers(&urls.map(Clone::clone)), "");
        assert_eq!(rows(&render(&tiered, &["web-?.load.short"], window)), all);
    }
    let _ = daemon.process.stop();
    let partial = render(&noodle, &["web-?.load.short"], (window.0 - 20, window.1 - 20));
    assert_eq!(partial.fields["x-noodle-partial"], "true");
    let found: Vec<_> = rows(&partial).into_iter().map(|(name, _)| name).collect();
    let is_of_fleet = |name: &String| all.iter().any(|(known, _)| known == name);
    assert!((1..all.len()).contains(&found.len()) && found.iter().all(is_of_fleet), "{found:?}");
    assert_eq!(noodle.counters()["graphite.partial"], 1);
    let refused = render(&strict, &["web-?.load.short"], window);
    assert_eq!((refused.status, refused.text().contains("cannot connect")), (502, true), "{refused:?}");
}
