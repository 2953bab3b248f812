//! A fleet of real agents, two storage nodes with csv twins of their RRD files, and two real engines: what the twins got is in
//! the engines, each value by its name, labels, time and bits.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use coco_core::types_db::{DataSource, TypesDb};
use coco_core::value_kind::ValueKind;
use coco_core::value_list::{Value, ValueList};
use coco_harness::coco::{Coco, TYPES_DB};
use coco_harness::collectd::{Collectd, StorageNode};
use coco_harness::csv::{self, Hosts};
use coco_harness::directory::Directory;
use coco_harness::engine::{Labels, Prometheus, Stored, VictoriaMetrics};
use coco_harness::process::Process;
use coco_harness::sink::Sink;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_for, wait_until};

use super::{config, labels, list, now, settled};

/// The host whose clock is two days ahead.
const AHEAD: &str = "ahead";

/// What is expected of a series: milliseconds, and the bits of a value; those of any NaN are alike.
type Bits = BTreeMap<Labels, Vec<(i64, u64)>>;

fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

fn all_bits(stored: &Stored) -> Bits {
    let of = |samples: &Vec<(i64, f64)>| samples.iter().map(|(time, value)| (*time, bits(*value))).collect();
    stored.iter().map(|(labels, samples)| (labels.clone(), of(samples))).collect()
}

/// What collectd calls the series of a data source whose names are legal: plugin, its instance, type, its instance.
fn series(host: &str, names: [&str; 4], source: &DataSource) -> Labels {
    let [plugin, plugin_instance, type_name, type_instance] = names;
    let source_name = str::from_utf8(&source.name).expect("types.db is ASCII");
    let mut family = "collectd".to_owned();
    let parts = [if plugin == type_name { "" } else { plugin }, type_name];
    let parts = parts.into_iter().chain([if source_name == "value" { "" } else { source_name }]);
    parts.filter(|part| !part.is_empty()).for_each(|part| family = format!("{family}_{part}"));
    if matches!(source.kind, ValueKind::Counter | ValueKind::Derive) {
        family.push_str("_total");
    }
    let mut series = labels(&[("__name__", &family), ("instance", host)]);
    match (plugin_instance, type_instance) {
        ("", "") => {}
        ("", instance) | (instance, "") => drop(series.insert(plugin.to_owned(), instance.to_owned())),
        (plugin_instance, type_instance) => {
            series.insert(plugin.to_owned(), plugin_instance.to_owned());
            series.insert("type".to_owned(), type_instance.to_owned());
        }
    }
    series
}

fn types() -> TypesDb {
    TypesDb::parse(&std::fs::read(TYPES_DB).expect("collectd's types.db")).0
}

/// What engines have to have of value lists.
fn of_lists(types: &TypesDb, lists: &[ValueList]) -> Bits {
    let mut expected = Bits::new();
    for list in lists {
        let list = list.as_ref();
        let text = |bytes| str::from_utf8(bytes).expect("the agents' names are ASCII");
        let names = list.identifier.metric_parts().map(text);
        let milliseconds = (u128::from(list.time.cdtime()) * 1000 + (1 << 29)) >> 30;
        for (source, value) in
            types.get(list.identifier.type_name).expect("a type").iter().zip(list.values.iter())
        {
            let number = match value {
                Value::Gauge(value) => value,
                Value::Derive(value) => value as f64,
                Value::Counter(value) | Value::Absolute(value) => value as f64,
            };
            let of_series = expected.entry(series(text(list.identifier.host), names, source)).or_default();
            of_series.push((milliseconds as i64, bits(number)));
        }
    }
    expected
}

/// Holds what an engine has against the rows of csv files, in the digits that these have. How many values that were.
fn assert_has_rows(types: &TypesDb, stored: &Stored, hosts: &Hosts) -> usize {
    let mut values = 0;
    let files =
        hosts.iter().flat_map(|(host, files)| files.iter().map(move |(file, rows)| (host, file, rows)));
    for (host, file, rows) in files {
        let (plugin, of_type) = file.split_once('/').expect("PLUGIN/TYPE");
        let (plugin, plugin_instance) = plugin.split_once('-').unwrap_or((plugin, ""));
        let (type_name, type_instance) = of_type.split_once('-').unwrap_or((of_type, ""));
        for (source, column) in types.get(type_name.as_bytes()).expect("a type").iter().zip(1..) {
            let labels = series(host, [plugin, plugin_instance, type_name, type_instance], source);
            let is_gauge = source.kind == ValueKind::Gauge;
            let digits = |value: f64| match value.is_nan() {
                true => "nan".to_owned(),
                false if is_gauge => format!("{value:.6}"),
                false => format!("{value:.0}"),
            };
            let row = |row: &String| {
                let columns: Vec<&str> = row.split(',').collect();
                let time: i64 = columns[0].replace('.', "").parse().expect("SECONDS.MILLIS");
                // What counts is a double where it is stored.
                let value = columns[column].parse().expect("a number");
                (time, if is_gauge { columns[column].to_owned() } else { digits(value) })
            };
            let samples = stored.get(&labels).unwrap_or_else(|| panic!("no {labels:?}"));
            let found: Vec<_> = samples.iter().map(|(time, value)| (*time, digits(*value))).collect();
            let expected: Vec<_> = rows.iter().map(row).collect();
            // csv prints the time of a double, which may fall to the other side of half a millisecond.
            let is_one = |(one, other): (&(i64, String), &(i64, String))| {
                (one.0 - other.0).abs() <= 1 && one.1 == other.1
            };
            let is_equal = found.len() == expected.len() && found.iter().zip(&expected).all(is_one);
            assert!(is_equal, "{labels:?}: {found:?}, not {expected:?}");
            values += rows.len();
        }
    }
    values
}

/// Holds what VictoriaMetrics has against what a Prometheus has: no NaN, and some digits less.
fn assert_are_near(stored: &Stored, exact: &Stored) {
    for (series, samples) in exact {
        let numbers: Vec<_> = samples.iter().filter(|(_, value)| !value.is_nan()).collect();
        let found = stored.get(series).map_or(&[][..], Vec::as_slice);
        let times =
            |samples: Vec<&(i64, f64)>| samples.into_iter().map(|(time, _)| *time).collect::<Vec<_>>();
        assert_eq!(times(found.iter().collect()), times(numbers.clone()), "{series:?}");
        for ((_, exact), (_, found)) in numbers.into_iter().zip(found) {
            assert!(
                exact == found || (exact - found).abs() <= exact.abs() * 1e-11,
                "{series:?}: {exact} {found}"
            );
        }
    }
    assert!(stored.keys().all(|series| exact.contains_key(series)));
}

/// Two engines, two nodes, and a sink which has what left for these bit by bit.
struct Fleet {
    prometheus: Prometheus,
    victoria: VictoriaMetrics,
    nodes: [StorageNode; 2],
    sink: Sink,
    coco: Coco,
}

impl Fleet {
    fn start() -> Self {
        let (prometheus, victoria, sink) = (Prometheus::start(), VictoriaMetrics::start(), Sink::start());
        let nodes = ["a", "b"].map(|node| StorageNode::with_rrd_files(&format!("bridge-{node}")));
        let [a, b] = nodes.each_ref().map(|node| node.address);
        let more = format!(
            "[tiers.other]\nkind = \"remote_write\"\nurls = [{:?}]\nbatch_delay = \"100ms\"\n\
             [tiers.nodes]\ntargets = [\"{a}\", \"{b}\"]\n[tiers.sink]\ntargets = [\"{}\"]\n",
            victoria.url(),
            sink.address
        );
        let coco = Coco::start(&config(&prometheus.url(), &more));
        Self { prometheus, victoria, nodes, sink, coco }
    }

    /// What collectd-tg has for a second, what a host has that knows no number, and what one has that is two days ahead.
    fn send_what_is_made(&mut self) {
        let (directory, before) = (Directory::new("bridge-tg"), self.sink.count());
        let mut command = Command::new("collectd-tg");
        command.args(["-n", "600", "-H", "60", "-p", "12", "-i", "1", "-d", "127.0.0.1", "-D"]);
        command.arg(self.coco.listen.port().to_string());
        let mut collectd_tg = Process::start("collectd-tg", directory.path(), &mut command);
        collectd_tg
            .wait_for("some hundred value lists", |_| (self.sink.count() > before + 600).then_some(()));
        assert!(collectd_tg.stop().success());
        let milliseconds = now().as_millis() as u64;
        let unknown = [Value::Gauge(f64::NAN), Value::Gauge(f64::INFINITY), Value::Gauge(-0.0)];
        let lists = [
            list("unknown", ["load", "", "load", ""], milliseconds, &unknown),
            list(AHEAD, ["load", "", "gauge", ""], milliseconds + 2 * 86_400_000, &[Value::Gauge(1.0)]),
        ];
        traffic::send(&traffic::sender(self.coco.listen), &lists);
    }

    /// Waits until all that was sent is where it belongs, and holds one against the other.
    fn compare(mut self) {
        let decoded = || self.coco.counters().count(&["listen", "decoded"]);
        wait_until(PATIENCE, "all to have left", || self.sink.count() == decoded());
        let (types, sent) = (types(), self.sink.value_lists());
        let (ahead, sent): (Vec<_>, Vec<_>) =
            sent.into_iter().partition(|list| list.identifier.host == AHEAD.as_bytes());
        assert_eq!(ahead.len(), 1);
        let expected = of_lists(&types, &sent);
        let samples = 1 + expected.values().map(Vec::len).sum::<usize>() as u64;
        for url in [self.prometheus.url(), self.victoria.url()] {
            let dropped = BTreeMap::from([("future".to_owned(), 1)]);
            assert_eq!(settled(&mut self.coco, &url, samples), (samples - 1, dropped), "{url}");
        }
        let exact = self.prometheus.stored("collectd_.+");
        assert!(all_bits(&exact) == expected, "{:#?}", difference(&all_bits(&exact), &expected));
        let numbers = exact.values().flatten().filter(|(_, value)| !value.is_nan()).count();
        let stored = wait_for(PATIENCE, "what was taken to be stored", || {
            let stored = self.victoria.stored("collectd_.+");
            (stored.values().map(Vec::len).sum::<usize>() >= numbers).then_some(stored)
        });
        assert_are_near(&stored, &exact);

        let rows = sent.len() as u64 + 1;
        wait_until(PATIENCE, "all rows of the csv twins", || {
            self.nodes.iter().map(|node| csv::count(node.rows().values())).sum::<u64>() >= rows
        });
        let mut of_twins = 0;
        for node in self.nodes {
            let mut hosts = node.stop();
            hosts.remove(AHEAD);
            assert!(!hosts.is_empty(), "either node has hosts");
            of_twins += assert_has_rows(&types, &exact, &hosts);
        }
        assert_eq!(of_twins as u64, samples - 1);
        assert!(self.coco.stop().success());
    }
}

/// The first series that differ, for people.
fn difference(found: &Bits, expected: &Bits) -> Vec<String> {
    let all = found.keys().chain(expected.keys());
    let differ = all.filter(|series| found.get(*series) != expected.get(*series));
    let shown = |series| format!("{series:?}: {:?}, not {:?}", found.get(series), expected.get(series));
    differ.take(5).map(shown).collect()
}

/// Waits until an agent has read so often.
fn wait_for_rows(agent: &Collectd, host: &str, rows: usize) {
    wait_until(PATIENCE, format_args!("{rows} rows of {host}"), || {
        agent
            .rows()
            .get(host)
            .and_then(|files| files.get("load/load"))
            .is_some_and(|of_load| of_load.len() >= rows)
    });
}

#[test]
fn what_csv_twins_of_storage_nodes_got_is_in_real_engines() {
    let mut fleet = Fleet::start();
    let agent = Collectd::agent("agent", fleet.coco.listen);
    fleet.send_what_is_made();
    wait_for_rows(&agent, "agent", 2);
    let _ = agent.stop();
    fleet.compare();
}

/// Ten agents for three minutes, the second of which the Prometheus is away for.
#[test]
#[ignore = "takes four minutes"]
fn what_agents_send_while_an_engine_is_away_for_a_minute_is_there_when_it_is_back() {
    let mut fleet = Fleet::start();
    let agents: Vec<_> = (0..10)
        .map(|number| {
            let host = format!("agent{number}");
            (Collectd::agent(&host, fleet.coco.listen), host)
        })
        .collect();
    let minute = || std::thread::sleep(Duration::from_secs(60));
    minute();
    assert!(fleet.prometheus.process.stop().success());
    fleet.send_what_is_made();
    let away = Instant::now();
    minute();
    fleet.prometheus.start_again();
    let seconds = away.elapsed().as_secs() as usize;
    minute();
    for (agent, host) in agents {
        wait_for_rows(&agent, &host, seconds);
        let _ = agent.stop();
    }
    fleet.compare();
}
