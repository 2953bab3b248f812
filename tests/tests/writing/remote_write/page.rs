//! The same value lists to Coco and to a collectd with its own write_prometheus: what one Prometheus is sent by Coco and
//! what another one reads from collectd's page has the same names and labels.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;

use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use coco_harness::coco::Coco;
use coco_harness::collectd::Page;
use coco_harness::directory::Directory;
use coco_harness::engine::{Labels, Prometheus};
use coco_harness::wait::{PATIENCE, wait_until};
use coco_harness::{repository, traffic};
use flate2::read::GzDecoder;
use serde_json::Value as Json;

use super::{labels, list, now};

/// The vectors of which collectd's own page says just the same, where they become series.
fn vectors() -> Vec<Json> {
    let file = File::open(repository().join("crates/remote-write/testdata/contract.json.gz"));
    let mut text = String::new();
    GzDecoder::new(file.expect("vectors")).read_to_string(&mut text).expect("text");
    let vectors: Vec<Json> = serde_json::from_str(&text).expect("JSON");
    let is_shown = |vector: &Json| vector["same_as_collectd"] == true && vector["drop"].is_null();
    vectors.into_iter().filter(is_shown).collect()
}

fn bytes(hex: &Json) -> Vec<u8> {
    let hex = hex.as_str().expect("text");
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("two digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// Its names with values that any page can show, of now, and of an interval that keeps it on the page.
fn value_list(vector: &Json) -> ValueList {
    let input = &vector["in"];
    let name = |key: &str| bytes(&input[key]);
    let identifier = Identifier {
        host: name("host_hex"),
        plugin: name("plugin_hex"),
        plugin_instance: name("plugin_instance_hex"),
        type_name: name("type_hex"),
        type_instance: name("type_instance_hex"),
    };
    let value = |value: &Json| match value[0].as_str().expect("a kind") {
        "gauge" => Value::Gauge(1.5),
        "derive" => Value::Derive(7),
        "counter" => Value::Counter(7),
        _ => Value::Absolute(7),
    };
    let values: Vec<Value> = input["values"].as_array().expect("values").iter().map(value).collect();
    let interval = Interval::HighResolution(200 << 30);
    ValueList::new(identifier, Time::Seconds(now().as_secs()), interval, &values)
}

/// The types of the vectors, and one of the odd value list.
fn types_db(vectors: &[Json]) -> Vec<u8> {
    let mut lines = BTreeSet::from([b"gauge value:GAUGE:U:U".to_vec()]);
    for vector in vectors {
        let text = |json: &Json| json.as_str().expect("text").to_owned();
        let source = |source: &Json| format!("{}:{}:U:U", text(&source[0]), text(&source[1]).to_uppercase());
        let sources = vector["in"]["data_sources"].as_array().expect("data sources").iter().map(source);
        let sources = sources.collect::<Vec<_>>().join(", ");
        lines.insert([&bytes(&vector["in"]["type_hex"])[..], b" ", sources.as_bytes()].concat());
    }
    let mut text = lines.into_iter().collect::<Vec<_>>().join(&b'\n');
    text.push(b'\n');
    text
}

/// The labels of the series of collectd's that it has, without the name of what was scraped.
fn series(prometheus: &Prometheus) -> BTreeSet<Labels> {
    let found = prometheus.query("{__name__=~\"collectd_.*\"}", None).into_keys();
    found.map(|series| series.into_iter().filter(|(name, _)| name != "job").collect()).collect()
}

#[test]
fn names_and_labels_are_those_of_collectds_own_page_and_an_odd_one_costs_nothing() {
    let vectors = vectors();
    assert!(vectors.len() > 250, "{}", vectors.len());
    let directory = Directory::new("page-types");
    let types = directory.path().join("types.db");
    std::fs::write(&types, types_db(&vectors)).expect("a file");
    let types = types.display().to_string();
    let page = Page::start(&types);
    let scraping = Prometheus::start_with(&format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: collectd\n    honor_labels: true\n    \
         static_configs: [{{ targets: [\"{}\"] }}]\n",
        page.page
    ));
    let written = Prometheus::start();
    let coco = Coco::start(&format!(
        "listen = {{ bind = \"127.0.0.1:0\", typesdb = {types:?} }}\napi.bind = \"127.0.0.1:0\"\n\
         [tiers.engines]\nkind = \"remote_write\"\nurls = [{:?}]\nbatch_delay = \"100ms\"\n",
        written.url()
    ));
    let to_page = traffic::sender(page.address);
    let send = |coco: &Coco, lists: &[ValueList]| {
        traffic::send(&traffic::sender(coco.listen), lists);
        traffic::send(&to_page, lists);
        // collectd keeps the last datagram until another comes.
        to_page.send(&[]).expect("collectd listens");
    };

    let lists: Vec<ValueList> = vectors.iter().map(value_list).collect();
    send(&coco, &lists);
    let pair = |pair: &Json| {
        let text = |json: &Json| json.as_str().expect("text").to_owned();
        (text(&pair[0]), text(&pair[1]))
    };
    let of_vector = |vector: &Json| {
        let out = vector["out"].as_array().cloned().unwrap_or_default();
        out.iter()
            .map(|series| series["labels"].as_array().expect("labels").iter().map(pair).collect())
            .collect::<Vec<Labels>>()
    };
    let mut expected: BTreeSet<Labels> = vectors.iter().flat_map(of_vector).collect();
    assert!(expected.len() > 250, "{}", expected.len());
    for (who, prometheus) in [("collectd's page", &scraping), ("what Coco wrote", &written)] {
        wait_until(PATIENCE, format_args!("{who} to have as many series"), || {
            series(prometheus).len() >= expected.len()
        });
        let found = series(prometheus);
        let differ: Vec<_> = found.symmetric_difference(&expected).collect();
        assert!(differ.is_empty(), "{who}: {differ:#?}");
    }

    // A plugin that begins with a digit is no label: nothing of that page is read any more.
    let up = || {
        let up = scraping.query("up", None);
        up.values().flatten().map(|(_, value)| *value).collect::<Vec<f64>>()
    };
    assert_eq!(up(), [1.0]);
    let milliseconds = now().as_millis() as u64;
    send(&coco, &[list("odd", ["9", "a", "gauge", ""], milliseconds, &[Value::Gauge(1.0)])]);
    wait_until(PATIENCE, "the page to be refused", || up() == [0.0]);
    expected.insert(labels(&[("__name__", "collectd_9_gauge"), ("_9", "a"), ("instance", "odd")]));
    wait_until(PATIENCE, "Coco to have written it", || series(&written) == expected);
    assert!(coco.stop().success());
}
