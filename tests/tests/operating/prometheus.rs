//! The rules of `etc/prometheus` and the dashboards over them, as Prometheus reads them: each alert fires in a test of
//! `promtool` and has a section in the documents, all go by metrics that there are; a real Prometheus raises an alert and
//! takes every expression.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use coco_daemon::counters::Definition;
use coco_harness::coco::{Coco, Config};
use coco_harness::curl;
use coco_harness::directory::Directory;
use coco_harness::nobody::Nobody;
use coco_harness::process::Process;
use coco_harness::text::replaced;
use coco_harness::traffic;
use serde_json::Value;

const RULES: &str = "etc/prometheus/coco.rules.yml";
const DASHBOARDS: [&str; 2] = ["etc/grafana/dashboards/coco.json", "etc/grafana/dashboards/noodle.json"];

/// What a dashboard asks Prometheus.
fn expressions(dashboard: &str) -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read(dashboard)).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let expressions: Vec<_> =
        targets.filter_map(|target| target["expr"].as_str()).map(str::to_owned).collect();
    assert!(expressions.len() > 10, "{dashboard}");
    expressions
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|problem| panic!("{path}: {problem}"))
}

fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool").args(arguments).current_dir(repository()).output();
    let output = output.expect("promtool, of Debian's package prometheus");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "promtool {arguments:?}: {}", String::from_utf8_lossy(&said));
}

/// What stands behind a word at the begin of the lines of a file.
fn all<'a>(text: &'a str, word: &str) -> BTreeSet<&'a str> {
    text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix(word)).collect()
}

#[test]
fn promtool_accepts_the_rules_and_sees_every_alert_fire() {
    promtool(&["check", "rules", RULES]);
    promtool(&["check", "config", "etc/prometheus/prometheus.yml"]);
    promtool(&["test", "rules", "tests/prometheus/coco.rules.test.yml"]);
    let tests = read("tests/prometheus/coco.rules.test.yml");
    let fires = |alert: &&str| tests.contains(&format!("alertname: {alert}\n        exp_alerts:\n"));
    let is_silent = |alert: &&str| tests.contains(&format!("alertname: {alert}\n        exp_alerts: []\n"));
    let rules = read(RULES);
    let alerts = all(&rules, "alert: ");
    assert!(alerts.len() > 10);
    for alert in &alerts {
        assert!(fires(alert) && is_silent(alert), "no test has {alert} both silent and firing");
    }
}

#[test]
fn every_alert_says_where_its_runbook_is() {
    let (rules, page) = (read(RULES), read("docs/alerts.md"));
    let alerts: BTreeSet<_> = all(&rules, "alert: ").into_iter().map(str::to_owned).collect();
    let sections: BTreeSet<_> = all(&page, "## ").into_iter().map(str::to_owned).collect();
    assert_eq!(alerts, sections);
    let runbooks: BTreeSet<_> = all(&rules, "runbook: ").into_iter().map(str::to_owned).collect();
    let expected = alerts.iter().map(|alert| format!("docs/alerts.md#{}", alert.to_lowercase()));
    assert_eq!(runbooks, expected.collect());
}

/// The metrics of Coco and Noodle that a text names. Names of recorded series have colons.
fn metrics(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let words =
        code.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':'));
    words
        .filter(|word| word.starts_with("coco_") || word.starts_with("noodle_"))
        .filter(|word| !word.contains(':'))
        .map(|word| word.trim_end_matches("_bucket").to_owned())
        .collect()
}

#[test]
fn rules_and_dashboards_go_by_metrics_that_there_are() {
    let definitions = coco::counters::definitions().chain(noodle::counters::table::definitions());
    let known: BTreeSet<_> = definitions.map(Definition::prometheus_name).collect();
    let rules = [RULES, "tests/prometheus/coco.rules.test.yml"].map(|file| (file, read(file)));
    let dashboards = DASHBOARDS.map(|file| (file, expressions(file).join("\n")));
    for (file, text) in rules.into_iter().chain(dashboards) {
        let named = metrics(&text);
        assert!(named.len() > 5, "{file}");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{file}: no such metrics: {unknown:?}");
    }
}

#[test]
fn a_real_prometheus_raises_an_alert_and_takes_what_dashboards_ask() {
    let nobody = Nobody::udp();
    let coco = Coco::start(&Config::new(&[("shortterm", &[nobody.address])]).text());
    let directory = Directory::new("prometheus");
    // The rules as they are, but for their patience.
    directory.write("coco.rules.yml", &replaced(&read(RULES), &[("for: 2m", "for: 1s")]));
    let config = replaced(
        &read("etc/prometheus/prometheus.yml"),
        &[
            ("scrape_configs:", "global: {scrape_interval: 1s, evaluation_interval: 100ms}\nscrape_configs:"),
            ("\"coco1.example.org:9090\", \"coco2.example.org:9090\"", &format!("\"{}\"", coco.api)),
            ("\"noodle1.example.org:9080\", \"noodle2.example.org:9080\"", ""),
        ],
    );
    let config = directory.write("prometheus.yml", &config);
    let mut prometheus = Command::new("prometheus");
    prometheus.arg("--web.listen-address=127.0.0.1:0");
    prometheus.arg(format!("--config.file={}", config.display()));
    prometheus.arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
    let mut prometheus = Process::start("prometheus", directory.path(), &mut prometheus);
    let address = prometheus.wait_for("its port", |process| {
        let line = process.stderr().lines().find(|line| line.contains("Listening on"))?.to_owned();
        Some(line.rsplit_once("address=")?.1.to_owned())
    });
    let sender = traffic::sender(coco.listen);
    let url = format!("http://{address}/api/v1/alerts");
    let alert = prometheus.wait_for("the alert", |_| {
        // The first datagram is refused, the next one tells.
        traffic::send(&sender, &[traffic::value_list("one", 0)]);
        let answer = curl::get(&url);
        if answer.status != 200 {
            return None;
        }
        let answer = answer.json();
        let alerts = answer["data"]["alerts"].as_array()?.clone();
        alerts
            .into_iter()
            .find(|alert| alert["labels"]["alertname"] == "CocoTargetIsDown" && alert["state"] == "firing")
    });
    assert_eq!(alert["labels"]["target"], nobody.address.to_string());
    assert_eq!(alert["labels"]["tier"], "shortterm");
    assert_eq!(alert["annotations"]["runbook"], "docs/alerts.md#cocotargetisdown");
    for expression in DASHBOARDS.into_iter().flat_map(expressions) {
        let expression = expression.replace("$instance", ".*").replace("$__rate_interval", "1m");
        let query: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = curl::get(&format!("http://{address}/api/v1/query?query={query}"));
        assert_eq!(answer.status, 200, "{expression}: {}", answer.body);
    }
    assert!(prometheus.stop().success());
    assert!(coco.stop().success());
}
