//! The table of ports in `docs/ports.md`, held against the keys, their defaults, and the samples of `etc/`.

use std::collections::BTreeSet;

use coco_core::config::{KEYS, Key, Kind};
use coco_core::tier::Protocol;
use coco_harness::repository;

/// A row: from, to, port, protocol, key, when.
type Row = [String; 6];

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn rows() -> Vec<Row> {
    let page = read("docs/ports.md");
    let (_, section) = page.split_once("\n## Ports\n").expect("the section");
    let section = section.lines().take_while(|line| !line.starts_with("## "));
    let rows = section.filter(|line| line.starts_with("| ")).skip(1);
    let row = |row: &str| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        Row::try_from(cells).unwrap_or_else(|cells| panic!("{cells:?}"))
    };
    rows.map(row).collect()
}

/// What stands in backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The keys that say where something listens, but for those of a place that hosts come from, which are the same.
fn keys_with_ports() -> impl Iterator<Item = &'static Key> {
    let says = |key: &&Key| {
        matches!(key.kind, Kind::Address | Kind::Port | Kind::Url | Kind::Urls)
            && !key.section.contains(".migration.")
    };
    KEYS.iter().filter(says)
}

#[test]
fn each_key_that_says_where_something_listens_has_a_row_and_no_row_another() {
    let rows = rows();
    let told: BTreeSet<_> = rows.iter().flat_map(|row| quoted(&row[4])).map(str::to_owned).collect();
    // Targets with more than an address stand in the array that the plain ones do.
    let path = |key: &Key| match key.path().as_str() {
        "tiers.NAME.targets.address" => "tiers.NAME.targets".to_owned(),
        path => path.to_owned(),
    };
    let expected: BTreeSet<_> = keys_with_ports().map(path).collect();
    let others = ["unicast_peer", "NOTIFY_SOCKET", "LISTEN_FDS"].map(str::to_owned);
    assert_eq!(told, expected.into_iter().chain(others).collect());
}

#[test]
fn ports_are_the_defaults_of_the_keys() {
    let rows = rows();
    let port_of = |key: &str, to: &str| {
        let mut found =
            rows.iter().filter(|row| quoted(&row[4]).any(|name| name == key) && row[1].contains(to));
        let row = found.next().unwrap_or_else(|| panic!("no row of {key} to {to}"));
        row[2].clone()
    };
    for (key, to) in [("listen.bind", "Coco"), ("api.bind", "Coco")] {
        let key = KEYS.iter().find(|known| known.path() == key).expect("it is there");
        let default = key.default.expect("it has one").trim_matches('"');
        let (_, port) = default.rsplit_once(':').expect("it has a port");
        assert_eq!(port_of(&key.path(), to), port);
    }
    for (protocol, to) in [(Protocol::Visage, "Visage"), (Protocol::Rrdcached, "rrdcached")] {
        assert_eq!(port_of("fetch.remote_port", to), protocol.port().to_string());
    }
    // As all samples have it, and collectd itself.
    assert_eq!(port_of("tiers.NAME.targets", "collectd"), coco_harness::namespace::PORT.to_string());
    for sample in ["etc/collectd/agent.conf", "etc/collectd/storage.conf", "etc/systemd/coco.socket"] {
        assert!(read(sample).contains(&port_of("listen.bind", "Coco")), "{sample}");
    }
    for sample in ["etc/systemd/noodle.socket", "etc/haproxy/noodle.cfg", "coco.sample.conf"] {
        assert!(
            read(sample).contains("9080") && port_of("fetch.bind", "Noodle").contains("9080"),
            "{sample}"
        );
    }
    for sample in ["etc/keepalived/coco.conf", "etc/equal-cost/coco-routes"] {
        assert!(read(sample).contains(&port_of("api.bind", "Coco")), "{sample}");
    }
}
