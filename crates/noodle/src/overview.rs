//! What browsers get at `/`, beside what all daemons show there.

use coco_core::text;
use coco_core::tier::Tier;
use coco_daemon::counters::Snapshot;
use coco_daemon::health::Condition;
use coco_daemon::status::section::shown_bytes;
use coco_daemon::status::{History, Mood, Numbers, ROWS, Section, Shown, Table};
use serde_json::Value;

use crate::fleet::{Fleet, Node};
use crate::upstream::UNASKED;

/// The counters of which the last minutes are kept: requests to each target, and bytes passed on.
pub fn counters(fleet: &Fleet) -> Vec<(String, u64)> {
    let mut snapshot = Snapshot::new();
    fleet.add_to(&mut snapshot);
    let document = Value::Object(snapshot.json());
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let mut counters =
        vec![(BYTES.to_owned(), number(Numbers(&document).at(&["noodle", "fetch.bytes.proxied"])))];
    let requests = Numbers(&document).at(&REQUESTS).as_object().into_iter().flatten();
    counters.extend(requests.map(|(target, count)| (requests_of(target), number(count))));
    counters
}

const BYTES: &str = "bytes";

const REQUESTS: [&str; 2] = ["noodle", "fetch.target.requests"];

fn requests_of(target: &str) -> String {
    format!("requests {target}")
}

/// Everything but a search, by the numbers of `/debug/vars`.
pub fn sections(fleet: &Fleet, history: &History, numbers: Numbers<'_>) -> Vec<Section> {
    vec![targets(fleet, history, numbers), tiers(fleet, numbers), answers(fleet, numbers)]
}

fn targets(fleet: &Fleet, history: &History, numbers: Numbers<'_>) -> Section {
    fleet.tiers.numbered().fold(Section::new("Targets"), |section, (id, tier)| {
        let nodes = fleet.nodes(id).take(ROWS);
        let more = tier.targets().len().saturating_sub(ROWS);
        section.table(Table {
            caption: format!("Tier {}", text::name(tier.name().as_bytes())),
            heads: vec![
                "Target",
                "State",
                "Asked at",
                "Now",
                "Last five minutes",
                "Requests, in all tiers",
                "Failures",
            ],
            rows: nodes.map(|node| target(fleet, history, numbers, node)).collect(),
            rest: if more == 0 { String::new() } else { format!("and {more} more: /tiers has all") },
        })
    })
}

fn target(fleet: &Fleet, history: &History, numbers: Numbers<'_>, node: Node) -> Vec<Shown> {
    let (name, upstream) = (fleet.target(node), fleet.upstream(node));
    let state = upstream.condition().map_or(UNASKED, Condition::as_str);
    let rates = history.rates(&requests_of(name));
    vec![
        Shown::Text(text::name(name.as_bytes())),
        Shown::Mood(Mood::of_state(state), state.to_owned()),
        Shown::Text(text::name(upstream.root().as_bytes())),
        Shown::Rate(rates.last().copied().flatten()),
        Shown::Curve(rates),
        numbers.counted(&[REQUESTS[0], REQUESTS[1], name]),
        Shown::List(numbers.beyond_zero(&["noodle", "fetch.target.failures", name])),
    ]
}

fn tiers(fleet: &Fleet, numbers: Numbers<'_>) -> Section {
    let row = |tier: &Tier| {
        let name = tier.name();
        let latency = |key: &str| numbers.seconds(&["noodle", "fetch.tier.latency_seconds", name, key]);
        vec![
            Shown::Text(text::name(name.as_bytes())),
            numbers.counted(&["noodle", "fetch.tier.requests", name]),
            latency("50e"),
            latency("95e"),
            latency("99e"),
            numbers.bytes(&["noodle", "fetch.tier.bytes", name]),
            numbers.seconds(&["noodle", "fetch.tier.tree_age", name]),
        ]
    };
    Section::new("Latencies and cache").table(Table {
        caption: "Answers of the tiers".to_owned(),
        heads: vec![
            "Tier",
            "Answers used",
            "Half within",
            "95 % within",
            "99 % within",
            "Bytes",
            "Oldest kept list of hosts",
        ],
        rows: fleet.tiers.iter().map(row).collect(),
        rest: String::new(),
    })
}

fn answers(fleet: &Fleet, numbers: Numbers<'_>) -> Section {
    let row = |what: &str, path: &[&str]| {
        let found = numbers.beyond_zero(path).into_iter();
        let rows = found.map(|(name, count)| vec![Shown::text(what), Shown::Text(name), count]);
        rows.collect::<Vec<_>>()
    };
    let rows = [
        row("To clients of Visage, by status", &["noodle", "fetch.target.response.codes"]),
        row("To clients of Graphite, by status", &["noodle", "graphite.response.codes"]),
        row("Errors", &["noodle", "errors"]),
    ]
    .concat();
    let rest = if rows.is_empty() { "None since the start." } else { "" }.to_owned();
    let lent = numbers.bytes(&["noodle", "fetch.memory"]);
    let limit = Shown::Text(shown_bytes(fleet.memory_limit() as f64));
    Section::new("Answers")
        .fact("In part, to clients of Visage", numbers.counted(&["noodle", "fetch.partial"]))
        .fact("In part, to clients of Graphite", numbers.counted(&["noodle", "graphite.partial"]))
        .fact("Passed on", numbers.bytes(&["noodle", "fetch.bytes.proxied"]))
        .fact("Memory of answers under way", lent.of(limit))
        .table(Table {
            caption: "Since the start".to_owned(),
            heads: vec!["What", "Kind", "Count"],
            rows,
            rest,
        })
}

/// Who owns a host of this name, seen or not: Noodle itself knows no hosts.
pub fn find(fleet: &Fleet, name: &[u8]) -> Section {
    let mut places = Vec::new();
    let rows = fleet.tiers.iter().map(|tier| {
        tier.placement().owners(name, &mut places);
        let owners: Vec<_> = places.iter().map(|place| tier.targets()[*place].name.as_str()).collect();
        vec![
            Shown::Text(text::name(tier.name().as_bytes())),
            Shown::Text(text::name(owners.join(" ").as_bytes())),
        ]
    });
    Section::new("Host").table(Table {
        caption: format!("Owners of {}", text::Quoted(name)),
        heads: vec!["Tier", "Owners"],
        rows: rows.collect(),
        rest: "Whether it reports still, Coco's page knows.".to_owned(),
    })
}
