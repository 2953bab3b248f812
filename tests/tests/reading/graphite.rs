//! Agents to Coco to storage nodes with collectd and rrdcached, and back as Graphite's clients read them: our dashboards,
//! and graphite-web.

use std::collections::BTreeMap;
use std::path::PathBuf;

use coco_harness::coco::{Coco, Config};
use coco_harness::collectd::{Collectd, StorageNode};
use coco_harness::noodle::Noodle;
use coco_harness::rrdcached::Rrdcached;
use coco_harness::wait::{PATIENCE, wait_until};
use coco_harness::{graphite_web, repository, rrd};
use serde_json::Value;

/// Rows of each agent, one a second.
const ROWS: usize = 8;

/// A fleet at rest, and who reads it.
struct Fleet {
    noodle: Noodle,
    /// With the directory of the node that has it.
    hosts: Vec<(String, PathBuf)>,
    /// The end of the last row that all have.
    finish: i64,
    _running: (Coco, Vec<(StorageNode, Rrdcached)>),
}

impl Fleet {
    fn at_rest() -> Self {
        let nodes = ["a", "b"].map(|name| {
            let storage = StorageNode::with_rrd_files(name);
            std::fs::create_dir_all(storage.rrd_files()).expect("a directory");
            let rrdcached = Rrdcached::start(&storage.rrd_files());
            (storage, rrdcached)
        });
        let targets = nodes.each_ref().map(|(storage, _)| storage.address.to_string());
        let tiers = [("tier", &targets[..])];
        let config =
            nodes.iter().zip(&targets).fold(Config::new(&tiers), |config, ((_, rrdcached), target)| {
                config.fetch(target, &format!("rrdcached://{}", rrdcached.address))
            });
        let coco = Coco::start(&config.text());
        let noodle = Noodle::start(&config.text());
        let names: Vec<String> = coco.two_hosts_of_each_place(&tiers).into_iter().flatten().take(3).collect();
        let agents: Vec<_> = names.iter().map(|host| Collectd::agent(host, coco.listen)).collect();
        let hosts: Vec<_> = names
            .into_iter()
            .map(|host| {
                let owner = coco.owner(&host, "tier");
                let place = targets.iter().position(|target| *target == owner).expect("an owner");
                let directory = nodes[place].0.rrd_files().join(&host);
                (host, directory)
            })
            .collect();
        let file = |directory: &PathBuf| directory.join("load/load.rrd");
        wait_until(PATIENCE, "rows of every agent", || {
            nodes.iter().for_each(|(storage, _)| storage.nudge());
            hosts.iter().all(|(_, directory)| {
                file(directory).exists() && {
                    let last = rrd::last(&file(directory));
                    let rows = rrd::fetch(&file(directory), last - 60, last);
                    rows["shortterm"].iter().flatten().count() >= ROWS
                }
            })
        });
        drop(agents);
        let finish = hosts.iter().map(|(_, directory)| rrd::last(&file(directory))).min().expect("hosts");
        Self { noodle, hosts, finish, _running: (coco, nodes.into()) }
    }

    /// Values of a data source of a file by the second in which they end.
    fn values(&self, host: &str, file: &str, source: &str) -> BTreeMap<i64, Option<f64>> {
        let (_, directory) = self.hosts.iter().find(|(name, _)| name == host).expect("a host of the fleet");
        let start = self.finish - 60;
        let rows = rrd::fetch(&directory.join(file), start, self.finish);
        let values =
            rows[source].iter().map(|value| value.as_ref().map(|value| value.parse().expect("a number")));
        (start + 1..).zip(values).collect()
    }

    fn render(&self, target: &str) -> Vec<(String, BTreeMap<i64, Option<f64>>)> {
        series(&self.noodle.json(&self.path(target)))
    }

    fn path(&self, target: &str) -> String {
        let start = self.finish - 4;
        format!("/render?format=json&from={start}&until={}&target={}", self.finish, encoded(target))
    }
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// The series of an answer: names, and values by time.
fn series(answer: &Value) -> Vec<(String, BTreeMap<i64, Option<f64>>)> {
    let all = answer.as_array().unwrap_or_else(|| panic!("{answer}")).iter();
    let one = |series: &Value| {
        let points = series["datapoints"].as_array().expect("points");
        let point = |point: &Value| (point[1].as_i64().expect("a time"), point[0].as_f64());
        (series["target"].as_str().expect("a name").to_owned(), points.iter().map(point).collect())
    };
    all.map(one).collect()
}

/// The last four rows, as far as a function of the time says.
fn assert_rows(
    shown: &str,
    found: &BTreeMap<i64, Option<f64>>,
    finish: i64,
    expected: impl Fn(i64) -> Option<f64>,
) {
    assert_eq!(found.len(), 4, "{shown}: {found:?}");
    for (time, value) in found {
        let expected = expected(*time);
        let is_near = match (value, expected) {
            (Some(value), Some(expected)) => (value - expected).abs() <= 1e-9 * expected.abs().max(1.0),
            (value, expected) => *value == expected,
        };
        assert!(
            is_near && *time > finish - 4 && *time <= finish,
            "{shown} at {time}: {value:?}, not {expected:?}"
        );
    }
}

fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let known: Vec<f64> = values.flatten().collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

#[test]
fn dashboards_and_graphite_web_see_what_rrdtool_reads() {
    let fleet = Fleet::at_rest();
    let names: Vec<String> = fleet.hosts.iter().map(|(host, _)| host.replace('.', "_")).collect();
    let found = fleet.noodle.json("/metrics/expand?query=*");
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(found["results"], serde_json::json!(sorted));
    graphite_web_calculates_with_the_rows_of_rrdtool(&fleet, &names);
    every_target_of_the_dashboards_has_data(&fleet, &names[0]);
}

fn graphite_web_calculates_with_the_rows_of_rrdtool(fleet: &Fleet, names: &[String]) {
    let loads: Vec<_> =
        fleet.hosts.iter().map(|(host, _)| fleet.values(host, "load/load.rrd", "shortterm")).collect();
    let at = |host: usize, time: i64| loads[host].get(&time).copied().flatten();
    let first = format!("{}.load.load.shortterm", names[0]);
    let moving = format!("movingAverage({first},3)");
    let shifted = format!("timeShift({first},'2s')");
    let targets = ["sumSeries(*.load.load.shortterm)", &moving, &shifted];
    let mut paths = vec![
        "/metrics/find?query=*".to_owned(),
        format!("/metrics/find?query={}.load.load.*", names[0]),
        format!("{}&width=300", fleet.path("*.load.load.*").replace("format=json", "format=png")),
    ];
    paths.extend(targets.iter().map(|target| fleet.path(target)));
    let answers = graphite_web::ask(fleet.noodle.address, &paths);
    for (path, answer) in paths.iter().zip(&answers) {
        assert_eq!(answer["status"], 200, "{path}: {answer}");
    }
    let texts = |answer: &Value| -> Vec<String> {
        let rows = answer["json"].as_array().expect("a list").iter();
        rows.map(|row| row["text"].as_str().expect("a name").to_owned()).collect()
    };
    let mut sorted = names.to_vec();
    sorted.sort();
    assert_eq!(texts(&answers[0]), sorted, "its tree");
    assert_eq!(texts(&answers[1]), ["longterm", "midterm", "shortterm"]);
    assert_eq!(
        (&answers[2]["type"], &answers[2]["begin"]),
        (&"image/png".into(), &"89504e470d0a1a0a".into())
    );
    assert!(answers[2]["length"].as_u64().is_some_and(|length| length > 1000), "an image: {}", answers[2]);

    let sum = |time| (0..loads.len()).filter_map(|host| at(host, time)).reduce(|one, other| one + other);
    let of_graphite_web: Vec<_> =
        answers[3..].iter().map(|answer| series(&answer["json"]).remove(0).1).collect();
    assert_rows("sumSeries", &of_graphite_web[0], fleet.finish, sum);
    // The window of 1.1.8 ends before the row, that of 1.1.10, which is ours, with it.
    assert_rows("movingAverage", &of_graphite_web[1], fleet.finish, |time| {
        mean((1..=3).map(|back| at(0, time - back)))
    });
    assert_rows("timeShift", &of_graphite_web[2], fleet.finish, |time| at(0, time - 2));
    let own: Vec<_> = targets.iter().map(|target| fleet.render(target).remove(0).1).collect();
    assert_rows("our sumSeries", &own[0], fleet.finish, sum);
    assert_rows("our movingAverage", &own[1], fleet.finish, |time| {
        mean((0..=2).map(|back| at(0, time - back)))
    });
    assert_rows("our timeShift", &own[2], fleet.finish, |time| at(0, time - 2));
}

/// With the variables of a dashboard filled in by what their queries find.
fn every_target_of_the_dashboards_has_data(fleet: &Fleet, host: &str) {
    for name in ["fleet", "host"] {
        let path = repository().join(format!("etc/grafana/dashboards/{name}.json"));
        let text = std::fs::read_to_string(&path).expect("a dashboard");
        let dashboard: Value = serde_json::from_str(&text).expect("JSON");
        let mut chosen: BTreeMap<String, String> = BTreeMap::new();
        for variable in dashboard["templating"]["list"].as_array().expect("variables") {
            if variable["type"] != "query" {
                continue;
            }
            let query = filled(variable["query"].as_str().expect("a query"), &chosen);
            let found = fleet.noodle.json(&format!("/metrics/find?query={}", encoded(&query)));
            let found: Vec<_> = found
                .as_array()
                .expect("a list")
                .iter()
                .map(|row| row["text"].as_str().expect("text"))
                .collect();
            let name = variable["name"].as_str().expect("a name");
            let value = if name == "host" {
                host
            } else {
                found.first().unwrap_or_else(|| panic!("{query} finds nothing"))
            };
            assert!(found.contains(&value), "{value} in {found:?}");
            chosen.insert(name.to_owned(), value.to_owned());
        }
        for panel in dashboard["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().expect("targets") {
                let target = filled(target["target"].as_str().expect("a target"), &chosen);
                let series = fleet.render(&target);
                let has_data = series.iter().any(|(_, values)| values.values().any(Option::is_some));
                assert!(has_data, "{name}, {}: {target} gives {series:?}", panel["title"]);
            }
        }
    }
}

fn filled(text: &str, chosen: &BTreeMap<String, String>) -> String {
    chosen.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value))
}
