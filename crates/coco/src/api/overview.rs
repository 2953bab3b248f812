//! The status page at `/`: what Coco shows there beside what all daemons do.

use std::sync::Arc;
use std::time::Duration;

use coco_core::config::duration;
use coco_core::text;
use coco_core::tier::{Tier, TierId};
use coco_daemon::health::Condition;
use coco_daemon::status::section::shown_bytes;
use coco_daemon::status::{Mood, Numbers, ROWS, Section, Shown, Table};

use super::Api;
use crate::outlets::{Outlet, UNRESOLVED};
use crate::plan::{Routing, Rules};
use crate::watch::{Hosts, Name, Row, Search, recent, snapshot};

/// Hosts that a search shows.
const HOSTS: usize = 50;

/// Metrics that are dropped of the hosts that a search has found, as many as are named.
const DROPPED: usize = 20;

/// Hosts of which that is told: where there are more, a name is still being looked for.
const FEW: usize = 5;

/// Seconds after which a host is said to be silent.
const SILENCE: u32 = 300;

/// Everything but a search, by the numbers of `/debug/vars`.
pub(super) fn sections(api: &Api, numbers: Numbers<'_>) -> Vec<Section> {
    vec![traffic(api, numbers), targets(api, numbers), losses(numbers), memory(api, numbers)]
}

fn rate_of(api: &Api, counter: &str) -> [Shown; 2] {
    let rates = api.measure.history().rates(counter);
    [Shown::Rate(rates.last().copied().flatten()), Shown::Curve(rates)]
}

fn traffic(api: &Api, numbers: Numbers<'_>) -> Section {
    let row = |what: &str, path: [&str; 2], counter: &str| {
        let [now, curve] = rate_of(api, counter);
        vec![Shown::text(what), now, curve, numbers.counted(&["coco", path[0], path[1]])]
    };
    let table = Table {
        caption: "What comes in".to_owned(),
        heads: vec!["Counter", "Now", "Last five minutes", "Since the start"],
        rows: vec![
            row("Datagrams received", ["listen", "raw"], recent::RECEIVED),
            row("Datagrams dropped by the kernel", ["listen", "kernel_drops"], recent::DROPPED),
            row("Value lists decoded", ["listen", "decoded"], recent::DECODED),
            row("Value lists accepted", ["filter", "accepted"], recent::ACCEPTED),
            row("Value lists refused by the blacklist", ["filter", "rejected"], recent::REJECTED),
        ],
        rest: String::new(),
    };
    let age = snapshot::age_of_last_datagram(&api.lanes);
    let ago = format!("{} ago", duration::format(Duration::from_secs(age)));
    let mood = if age > 60 { Mood::Doubtful } else { Mood::Good };
    Section::new("Traffic").fact("Last datagram", Shown::Mood(mood, ago)).table(table)
}

fn targets(api: &Api, numbers: Numbers<'_>) -> Section {
    let routing = api.routing.load_full();
    let tiers = routing.tiers.numbered();
    tiers.fold(Section::new("Targets"), |section, (id, tier)| {
        let outlets = routing.outlets.of_tier(id);
        let lengths = |target: &str| numbers.at(&length_of(tier.name(), target)).as_u64().unwrap_or_default();
        let all = lengths("total");
        let rows = outlets.iter().take(ROWS).map(|outlet| {
            let hosts = numbers.counted(&length_of(tier.name(), &outlet.target));
            let share = if all == 0 { 0.0 } else { lengths(&outlet.target) as f64 * 100.0 / all as f64 };
            target(api, numbers, outlet, hosts, share)
        });
        let more = outlets.len().saturating_sub(ROWS);
        section.table(Table {
            caption: format!("Tier {}", text::name(tier.name().as_bytes())),
            heads: vec![
                "Target",
                "State",
                "Problem",
                "Now",
                "Last five minutes",
                "Value lists sent, in all tiers",
                "Hosts",
                "Share",
            ],
            rows: rows.collect(),
            rest: if more == 0 { String::new() } else { format!("and {more} more: /targets has all") },
        })
    })
}

fn length_of<'a>(tier: &'a str, target: &'a str) -> [&'a str; 5] {
    ["coco", "hash.metrics_per_host", tier, target, "length"]
}

fn target(api: &Api, numbers: Numbers<'_>, outlet: &Outlet, hosts: Shown, share: f64) -> Vec<Shown> {
    let (condition, problem) = outlet.condition();
    let state = condition.map_or(UNRESOLVED, Condition::as_str);
    let [now, curve] = rate_of(api, &recent::sent_to(&outlet.tier, &outlet.target));
    vec![
        Shown::Text(text::name(outlet.target.as_bytes())),
        Shown::Mood(Mood::of_state(state), state.to_owned()),
        Shown::text(problem.unwrap_or("–")),
        now,
        curve,
        numbers.counted(&["coco", "send", &outlet.target]),
        hosts,
        Shown::Text(format!("{share:.1} %")),
    ]
}

/// All that was refused or lost, by reason.
fn losses(numbers: Numbers<'_>) -> Section {
    let groups = [
        ("Malformed datagrams", &["coco", "listen", "malformed"][..]),
        ("Incomplete value lists", &["coco", "listen", "incomplete"]),
        ("Refused notifications", &["coco", "listen", "refused_notifications"]),
        ("Refused senders", &["coco", "listen", "refused"]),
        ("Errors", &["coco", "errors"]),
    ];
    let rows: Vec<_> = groups
        .iter()
        .flat_map(|(what, path)| {
            let found = numbers.beyond_zero(path);
            found.into_iter().map(move |(reason, count)| vec![Shown::text(what), Shown::Text(reason), count])
        })
        .collect();
    let rest = if rows.is_empty() { "Nothing since the start." } else { "" }.to_owned();
    let caption = "Since the start, by reason".to_owned();
    let table = Table { caption, heads: vec!["What", "Reason", "Count"], rows, rest };
    Section::new("Refused and lost").table(table)
}

fn memory(api: &Api, numbers: Numbers<'_>) -> Section {
    let limit: usize = api.lanes.iter().map(|lane| lane.max_memory()).sum();
    let memory = numbers.bytes(&["coco", "state", "bytes"]).of(Shown::Text(shown_bytes(limit as f64)));
    let buffer = numbers.bytes(&["coco", "listen", "receive_buffer_used_bytes"]).of(numbers.bytes(&[
        "coco",
        "listen",
        "receive_buffer_bytes",
    ]));
    Section::new("Queues and memory")
        .fact("Value lists waiting for the filter", numbers.counted(&["coco", "queues", "raw"]))
        .fact("Value lists waiting to be sent", numbers.counted(&["coco", "queues", "filtered"]))
        .fact("Fullest receive buffer", buffer)
        .fact("Memory of hosts and metrics", memory)
        .fact("Hosts remembered", numbers.counted(&["coco", "state", "hosts"]))
        .fact("Of them silent for five minutes", numbers.counted(&["coco", "state", "silent_hosts"]))
        .fact("Metrics remembered", numbers.counted(&["coco", "state", "metrics"]))
}

/// Hosts whose names hold a text.
pub(super) fn find(api: &Api, name: &[u8]) -> Section {
    let (routing, now) = (api.routing.load_full(), (api.clock)());
    let search = Search { name: Some(Name::Holding(name.to_owned())), limit: HOSTS, ..Search::default() };
    let found = search.find(&api.lanes, Rules::new(Arc::clone(&routing)), now);
    let shown = found.rows.len();
    let rest = match found.total {
        0 => "No host that is remembered has it in its name.".to_owned(),
        total if total > shown as u64 => format!("The first {shown} of {total}: /hosts?name= has more."),
        _ => String::new(),
    };
    let dropped = if shown <= FEW { dropped(api, &routing, &found.rows) } else { Vec::new() };
    let section = Section::new("Hosts found").table(Table {
        caption: format!("Hosts with {} in their names", text::Quoted(name)),
        heads: vec!["Host", "Last seen", "Metrics sent", "Metrics dropped", "Owners"],
        rows: found.rows.iter().map(|row| host(&routing, row, now)).collect(),
        rest,
    });
    if dropped.is_empty() {
        return section;
    }
    section.table(Table {
        caption: "What the blacklist drops of them".to_owned(),
        heads: vec!["Host", "Metric"],
        rows: dropped,
        rest: format!("At most {DROPPED} are shown; /blacklisted has all."),
    })
}

fn host(routing: &Routing, row: &Row, now: u32) -> Vec<Shown> {
    let silence = now.saturating_sub(row.seen);
    let mood = if silence >= SILENCE { Mood::Doubtful } else { Mood::Good };
    let owners = |(id, tier): (TierId, &Tier)| {
        let targets = routing.partitions.targets(routing.partitions.of_tier(id), &row.shares);
        let names: Vec<_> = targets.map(|target| tier.target(target).name.as_str()).collect();
        (text::name(tier.name().as_bytes()), Shown::Text(text::name(names.join(" ").as_bytes())))
    };
    vec![
        Shown::Text(text::name(&row.name)),
        Shown::Mood(mood, format!("{} ago", duration::format(Duration::from_secs(silence.into())))),
        Shown::text(row.sent),
        Shown::text(row.rejected),
        Shown::List(routing.tiers.numbered().map(owners).collect()),
    ]
}

/// Some metrics that are dropped of a few hosts.
fn dropped(api: &Api, routing: &Arc<Routing>, rows: &[Row]) -> Vec<Vec<Shown>> {
    let names = rows.iter().map(|row| &row.name[..]);
    let mut hosts = Hosts::named(&api.lanes, Rules::new(Arc::clone(routing)), names);
    let mut dropped = Vec::new();
    let mut note = |host: &[u8], metric: &[u8], _| {
        dropped.push(vec![Shown::Text(text::name(host)), Shown::Text(text::name(metric))]);
        if dropped.len() < DROPPED { Ok(()) } else { Err(()) }
    };
    while let Ok(Some(())) = hosts.read(0, |metric| metric.rejected, &mut note) {}
    dropped
}
