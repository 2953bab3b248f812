//! Noodle's `/data` over real daemons.

use std::path::Path;

use coco_harness::directory::Directory;
use coco_harness::rrdcached::Rrdcached as Daemon;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value, json};

use crate::files::{Fetched, LAST, fetched, made};
use crate::noodle::{NOW, Noodle};

/// `[tiers]` of one node each, which are read at these URLs.
pub(crate) fn tiers(urls: &[String]) -> String {
    let tier = |(index, url): (usize, &String)| {
        format!("[tiers.tier{index}]\ntargets = [ {{ address = \"node{index}:1\", fetch = \"{url}\" }} ]\n")
    };
    urls.iter().enumerate().map(tier).collect()
}

pub(crate) fn url(daemon: &Daemon) -> String {
    format!("rrdcached://{}", daemon.address)
}

fn encoded(bytes: &[u8]) -> String {
    percent_encode(bytes, NON_ALPHANUMERIC).to_string()
}

/// The path of a request. A name that holds what globs and lists are made of is meant by a glob: any byte in place of
/// each of these, since nothing takes its meaning from it.
fn path(fetched: &Fetched) -> String {
    let plain = |byte: &u8| if b"*?[],{}\\".contains(byte) { b'?' } else { *byte };
    let [host, plugin, instance] =
        fetched.path.each_ref().map(|part| encoded(&part.iter().map(plain).collect::<Vec<_>>()));
    let window = fetched.window;
    format!("/data/{host}/{plugin}/{instance}?start={}&finish={}", window.start(), window.end())
}

/// What Visage would say: all rows but the last, and where there are more than 2,000, means of them.
fn expected(fetched: &Fetched, name: usize) -> Vec<Option<f64>> {
    let rows = &fetched.rows[..fetched.rows.len() - 1];
    let values: Vec<f64> = rows.iter().map(|row| row[name]).collect();
    let shown = visage::consolidation::shown(&values);
    shown.iter().map(|value| Some(*value).filter(|value| value.is_finite())).collect()
}

/// Numbers as they are written: how they are read back may differ in the last bit.
fn numbers(values: &[Option<f64>]) -> String {
    serde_json::to_string(values).expect("numbers")
}

/// The text of a data source's values.
pub(crate) fn data<'a>(text: &'a str, name: &str) -> &'a str {
    let key = format!("{}:{{\"start\":", json!(name));
    let from = text.find(&key).unwrap_or_else(|| panic!("no {name} in {text}"));
    let from = from + text[from..].find("\"data\":").expect("values") + "\"data\":".len();
    &text[from..=from + text[from..].find(']').expect("an end")]
}

#[test]
fn every_window_has_the_rows_of_librrd_to_the_last_digit() {
    let daemon = Daemon::start(&made());
    let noodle = Noodle::start(&tiers(&[url(&daemon)]), "");
    let mut out_of_reach = 0;
    for fetched in fetched() {
        let path = path(&fetched);
        let answer = noodle.get(&path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        // Of such a host the daemon lists nothing, by whatever name, and no path has a name that is one.
        if fetched.path[0].iter().any(|byte| b"*?[".contains(byte)) {
            assert_eq!(answer.text(), "{}", "{path}");
            out_of_reach += 1;
            continue;
        }
        let (text, meta) = answer.split_meta();
        assert_eq!(meta["sources"], "node0:1", "{path}");
        for (index, name) in fetched.names.iter().enumerate() {
            let name = String::from_utf8_lossy(name);
            assert_eq!(data(&text, &name), numbers(&expected(&fetched, index)), "{path} {name}");
        }
        let window = fetched.window;
        let object: Value = serde_json::from_str(&text).expect("JSON");
        let [host, plugin, instance] = fetched.path.each_ref().map(|part| String::from_utf8_lossy(part));
        for source in object[&*host][&*plugin][&*instance].as_object().expect("data sources").values() {
            assert_eq!((&source["start"], &source["finish"]), (&json!(window.start()), &json!(window.end())));
        }
    }
    assert_eq!(out_of_reach, 2);
}

#[test]
fn percentiles_are_those_of_the_means_of_five_minutes() {
    // Of twenty means the eighth is of a few rows, and the ninth of none.
    let (means, seconds) = (20, 300);
    let level = |mean: i64| (mean * 7 % means) as f64 * 10.0 + 0.25;
    let value = |row: i64| match (row / seconds, row % seconds) {
        (8, _) => f64::NAN,
        (7, second) if second >= 4 => f64::NAN,
        // One up, one down: the mean is the level.
        (mean, second) => level(mean) + if second % 2 == 0 { 1.0 } else { -1.0 },
    };
    let directory = Directory::new("percentiles");
    let values: Vec<f64> = (0..means * seconds).map(value).collect();
    create(directory.path(), "web1", LAST, &values);
    let daemon = Daemon::start(directory.path());
    let noodle = Noodle::start(&tiers(&[url(&daemon)]), "");
    let start = LAST - means * seconds;
    let answer =
        noodle.get(&format!("/data/web1/gauge/gauge?start={start}&finish={LAST}&percentiles=true")).json();
    let found = &answer["web1"]["gauge"]["gauge"]["value"];
    let mut known: Vec<f64> = (0..means).filter(|mean| *mean != 8).map(level).collect();
    known.sort_unstable_by(f64::total_cmp);
    // Of nineteen: the 18th, the 9th, and for want of one below the first, the last.
    for (key, place) in [("percentile_95", 17), ("percentile_50", 8), ("percentile_5", 18)] {
        assert_eq!(found[key], json!(known[place].round() as i64), "{key}: {known:?}");
    }
    let without = noodle.get(&format!("/data/web1/gauge/gauge?start={start}&finish={LAST}")).json();
    assert!(without["web1"]["gauge"]["gauge"]["value"].get("percentile_50").is_none());
}

#[test]
fn hosts_metrics_globs_and_lists_are_found_in_what_the_daemon_lists() {
    let daemon = Daemon::start(&made());
    let noodle = Noodle::start(&tiers(&[url(&daemon)]), "");
    let hosts = noodle.get("/data").json();
    let names = hosts["hosts"].as_array().expect("hosts");
    assert!(names.len() >= 17 && names.contains(&json!("alpha.example.org")), "{hosts}");
    assert!(hosts["_meta"]["tree_age"].is_u64() && hosts["_meta"]["sources"] == "node0:1", "{hosts}");

    let metrics = noodle.get("/data/alpha.example.org").json();
    assert!(metrics["metrics"].as_array().expect("metrics").contains(&json!("load/load")), "{metrics}");
    assert!(metrics["_meta"]["tree_age"].is_u64(), "{metrics}");
    assert_eq!(noodle.get("/data/nobody").text(), r#"{"metrics":[]}"#);

    let window = format!("start={}&finish={LAST}", LAST - 300);
    let whole = noodle.get(&format!("/data/alpha.example.org/load/load?{window}")).split_meta().0;
    for glob in [
        "alpha.example.org/l%3Fad",
        "alpha.example.org/load/l*",
        "alpha*/load/load",
        "%7Balpha.example.org,nobody%7D/load/load",
    ] {
        let answer = noodle.get(&format!("/data/{glob}?{window}"));
        assert_eq!(answer.status, 200, "{glob}: {}", answer.text());
        assert_eq!(answer.split_meta().0, whole, "{glob}");
    }
    assert_eq!(noodle.get(&format!("/data/alpha.example.org/nosuch?{window}")).text(), "{}");
    assert_eq!(noodle.get(&format!("/data/nobody/load/load?{window}")).text(), "{}");
    let called = noodle.get(&format!("/data/alpha.example.org/load/load?{window}&callback=f"));
    assert!(called.text().contains("f({\"alpha.example.org\""), "{}", called.text());
}

#[test]
fn one_row_is_none_and_its_names_are_still_there() {
    let daemon = Daemon::start(&made());
    let noodle = Noodle::start(&tiers(&[url(&daemon)]), "");
    let answer = noodle.get(&format!("/data/alpha.example.org/load/load?start={LAST}&finish={LAST}"));
    for name in ["shortterm", "midterm", "longterm"] {
        assert_eq!(data(&answer.text(), name), "[]");
    }
}

#[test]
fn more_rows_than_may_be_are_the_fault_of_the_request() {
    let daemon = Daemon::start(&made());
    let noodle = Noodle::start(&tiers(&[url(&daemon), url(&daemon)]), "max_rows = 1000");
    let answer = noodle.get(&format!("/data/alpha.example.org/load/load?start=1&finish={LAST}"));
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.error().contains("fetch.max_rows"), "{}", answer.error());
    let fine = noodle.get(&format!("/data/alpha.example.org/load/load?start={}&finish={LAST}", LAST - 300));
    assert_eq!(fine.status, 200);
    assert!(noodle.errors().is_empty());
}

/// A file of one data source, `value`, with these rows of a second.
fn create(directory: &Path, host: &str, finish: i64, values: &[f64]) {
    coco_harness::rrd::create(&directory.join(host).join("gauge/gauge.rrd"), finish, values);
}

#[test]
fn gaps_of_one_tier_are_filled_by_the_next_and_whole_answers_cost_one_request() {
    let directories = [Directory::new("tier-0"), Directory::new("tier-1")];
    let [gap, whole] = [&directories[0], &directories[1]].map(Directory::path);
    let values: Vec<f64> = (0..60).map(|row| f64::from(row) + 0.5).collect();
    let mut broken = values.clone();
    broken[20..40].fill(f64::NAN);
    create(gap, "web1", LAST, &broken);
    create(whole, "web1", LAST, &values);
    create(gap, "web2", LAST, &values);
    create(whole, "web2", LAST, &values);
    let daemons = [Daemon::start(gap), Daemon::start(whole)];
    let urls = daemons.each_ref().map(url);
    let ask_since = |noodle: &Noodle, host: &str, seconds: i64| {
        let answer = noodle.get(&format!("/data/{host}/gauge/gauge?start={}&finish={LAST}", LAST - seconds));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let (text, meta) = answer.split_meta();
        (data(&text, "value").to_owned(), meta)
    };
    let ask = |noodle: &Noodle, host: &str| ask_since(noodle, host, 50);
    let noodle = Noodle::start(&tiers(&urls), "");
    let (joined, meta) = ask(&noodle, "web1");
    assert!(!joined.contains("null"), "{joined}");
    assert_eq!(meta["sources"], "node0:1, node1:1");
    assert_eq!(meta["partial"], Value::Null);
    let (alone, meta) = ask(&noodle, "web2");
    assert_eq!((alone.as_str(), &meta["sources"]), (joined.as_str(), &json!("node0:1")));
    let counters = noodle.counters();
    assert_eq!(counters["fetch.target.requests"]["node1:1"], 1);
    assert_eq!(counters["fetch.tier.joined"], json!({ "tier0": 0, "tier1": 1 }));
    assert_eq!(counters["fetch.tier.filled"], json!({ "tier0": 0, "tier1": 20 }));
    assert_eq!(counters["fetch.tier.rows"], json!({ "tier0": 2 * 51, "tier1": 51 }));

    let never = Noodle::start(&tiers(&urls), "join = 'never'");
    let (broken, _) = ask(&never, "web1");
    assert_eq!(broken.matches("null").count(), 20, "{broken}");
    let filled = Noodle::start(&tiers(&urls), "join = 'never'\nfill_gaps = true");
    assert!(!ask(&filled, "web1").0.contains("null"));
    let always = Noodle::start(&tiers(&urls), "join = 'always'");
    assert_eq!(ask(&always, "web2").1["sources"], "node0:1, node1:1");

    // Who could have filled the gap is gone: that is told beside what there is.
    let [first, second] = daemons;
    drop(second);
    // By a window that it was not asked for a moment ago.
    let (broken, meta) = ask_since(&noodle, "web1", 49);
    assert_eq!(broken.matches("null").count(), 20, "{broken}");
    assert_eq!(meta["partial"], true);
    assert!(meta["errors"]["node1:1"].as_str().expect("a reason").contains("cannot connect"), "{meta}");
    // The first is gone, too.
    let Daemon { process, .. } = first;
    drop(process);
    let answer = noodle.get("/data/web1/gauge/gauge");
    assert_eq!(answer.status, 502, "{}", answer.text());
}

#[test]
fn rows_that_are_just_being_written_are_no_gap() {
    let directories = [Directory::new("tier-0"), Directory::new("tier-1")];
    let now = i64::try_from(NOW).expect("it is not that late");
    for directory in &directories {
        create(directory.path(), "web1", now - 120, &[1.5; 60]);
    }
    let daemons = directories.each_ref().map(|directory| Daemon::start(directory.path()));
    let urls = daemons.each_ref().map(url);
    let sources = |fetch: &str| {
        let noodle = Noodle::start(&tiers(&urls), fetch);
        let answer = noodle.get(&format!("/data/web1/gauge/gauge?start={}", now - 150));
        assert!(answer.text().contains("1.5,null"), "{}", answer.text());
        answer.split_meta().1["sources"].as_str().expect("sources").to_owned()
    };
    assert_eq!(sources("settle = '5m'"), "node0:1");
    assert_eq!(sources("settle = '1m'"), "node0:1, node1:1");
}

#[test]
fn a_fleet_may_be_mixed_node_by_node() {
    let files = made();
    let daemon = Daemon::start(&files);
    let visage = coco_harness::visage::Visage::start(&files);
    let window = format!("start={}&finish={LAST}", LAST - 300);
    let mut answers = Vec::new();
    for urls in [
        vec![url(&daemon)],
        vec![visage.url(), url(&daemon)],
        vec![url(&daemon), visage.url()],
        vec![visage.url()],
    ] {
        let noodle = Noodle::start(&tiers(&urls), "");
        let ask = |path: &str| {
            let answer = noodle.get(&format!("/data{path}"));
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            let mut value = answer.json();
            value.as_object_mut().expect("an object").remove("_meta");
            // The stand-in prints what rrdtool prints, eleven digits.
            rounded(&mut value);
            // And sorts its keys.
            value.sort_all_objects();
            value
        };
        answers.push([
            ask(&format!("/alpha.example.org/load/load?{window}")),
            ask(&format!("/alpha*/load/load?{window}")),
            ask("/alpha.example.org"),
        ]);
    }
    for other in &answers[1..] {
        for (other, first) in other.iter().zip(&answers[0]) {
            assert_eq!(other, first);
        }
    }
}

fn rounded(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(rounded),
        Value::Array(values) => values.iter_mut().for_each(rounded),
        Value::Number(number) => {
            let text = format!("{:.6e}", number.as_f64().expect("a number"));
            *value = json!(text);
        }
        _ => {}
    }
}
