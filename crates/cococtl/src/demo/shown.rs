//! What the demo shows: the way in, progress, and the books at the end.

use std::io::{self, Write};
use std::sync::atomic::Ordering::Relaxed;

use serde_json::json;

use super::{Addresses, Arguments, BLACKLIST, Books, NODES, TIERS};
use crate::storage::StorageNode;
use crate::traffic::Counters;

pub(super) fn received(node: &StorageNode) -> u64 {
    node.readable()
}

/// One line, which an old terminal of 80 columns has room for.
pub(super) fn progress(nodes: &[StorageNode], counters: &Counters) {
    let nodes: Vec<_> =
        nodes.iter().map(|node| format!("{}: {}", node.address.port(), received(node))).collect();
    let sent = counters.value_lists.load(Relaxed);
    let _ = write!(io::stderr(), "\r\x1b[Ksent {sent} | {}", nodes.join(" | "));
}

/// What is worth a look, and what for.
pub(super) fn urls(addresses: &Addresses) -> Vec<(&'static str, String)> {
    let Addresses { api, noodle, .. } = addresses;
    let host = "host0.example.org";
    vec![
        ("the status of Coco: a page in a browser", format!("http://{api}/")),
        ("the status of Noodle", format!("http://{noodle}/")),
        ("who owns a host", format!("http://{api}/lookup?name={host}")),
        ("what went where, and when", format!("http://{api}/tiers")),
        ("what the blacklist drops", format!("http://{api}/blacklisted")),
        ("the books", format!("http://{api}/debug/vars")),
        ("the same for Prometheus", format!("http://{api}/metrics")),
        ("all hosts of all nodes, by way of Noodle", format!("http://{noodle}/data")),
        ("what a host measures", format!("http://{noodle}/data/{host}")),
        ("its values, from the node that owns it", format!("http://{noodle}/data/{host}/load/load")),
        ("many hosts at once, joined", format!("http://{noodle}/data/host*/memory/memory-used")),
    ]
}

/// What is done before there is anything to see.
pub(super) fn write_beginning(arguments: &Arguments) -> io::Result<()> {
    let Arguments { hosts, json, .. } = arguments;
    if *json {
        return Ok(());
    }
    let nodes = NODES.len();
    writeln!(
        io::stdout(),
        "Starting {nodes} storage nodes, Coco, Noodle and {hosts} made-up agents; then some seconds until there are rates.\n"
    )
}

pub(super) fn write_introduction(
    arguments: &Arguments,
    addresses: &Addresses,
    nodes: &[StorageNode],
    urls: &[(&str, String)],
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let Addresses { listen, api, noodle } = addresses;
    let tier = |number: usize| TIERS[number * TIERS.len() / NODES.len()];
    if arguments.json {
        let nodes = nodes.iter().enumerate().map(|(number, node)| {
            json!({ "tier": tier(number), "address": node.address.to_string(), "url": node.url })
        });
        let introduction = json!({
            "coco": { "listen": listen.to_string(), "api": format!("http://{api}") },
            "noodle": format!("http://{noodle}"),
            "nodes": nodes.collect::<Vec<_>>(),
            "urls": urls.iter().map(|(_, url)| url).collect::<Vec<_>>(),
        });
        return writeln!(out, "{introduction}");
    }
    let Arguments { hosts, metrics, .. } = arguments;
    writeln!(out, "In a browser: http://{api}/ is Coco, http://{noodle}/ is Noodle.\n")?;
    writeln!(out, "{hosts} made-up agents send {metrics} metrics a second each to\n")?;
    writeln!(out, "  coco           {listen} (UDP), http://{api}")?;
    for (number, node) in nodes.iter().enumerate() {
        writeln!(out, "  storage node   {} (UDP), {}, of tier {}", node.address, node.url, tier(number))?;
    }
    writeln!(out, "  noodle         http://{noodle}\n\nTry, in another terminal:\n")?;
    for (what, url) in urls {
        // The last values are worth more than the hour that a node shows by itself.
        let query = if url.ends_with("/load/load") || url.contains("/memory/") {
            "?start=$(($(date +%s)-10))"
        } else {
            ""
        };
        writeln!(out, "  # {what}\n  curl -s \"{url}{query}\"")?;
    }
    writeln!(out, "\nA collectd of yours may send to {listen}, too. Ctrl-C ends it all.")
}

pub(super) fn report(arguments: &Arguments, books: &Books) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let Books { sent, dropped, received, .. } = books;
    let (others, lost, sum) = (books.others(), books.lost(), received.iter().sum::<u64>());
    if arguments.json {
        let object = json!({
            "sent": sent, "others": others, "dropped": dropped, "nodes": received, "received": sum, "lost": lost,
        });
        return writeln!(out, "{object}");
    }
    write!(out, "The agents sent {sent} value lists")?;
    if others > 0 {
        write!(out, ", others {others}")?;
    }
    let (tiers, passed) = (TIERS.len(), (books.decoded).saturating_sub(*dropped));
    writeln!(out, ".\n{dropped} of them were dropped by the blacklist, {BLACKLIST}, as configured.")?;
    writeln!(out, "Each of the other {passed} went to {tiers} tiers, whose storage nodes received {sum}.")?;
    match lost {
        0 => writeln!(out, "Nothing was lost."),
        lost => writeln!(out, "{lost} were lost."),
    }
}
