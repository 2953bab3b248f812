//! `cococtl silent`: which hosts have stopped reporting.

use std::collections::{BTreeSet, HashSet};
use std::io::{self, BufWriter, Write};
use std::time::Duration;

use clap::Args;
use coco_core::config::duration;
use serde_json::json;

use crate::api::{self, Client};
use crate::failure::{Failure, Outcome};
use crate::known::{self, MOST, Processes};
use crate::load::time;

/// What `--json` makes of it.
const JSON: &str = r#"With --json, an object a line:

  {"name", "last_seen", "metrics", "dropped", "owners": {"shortterm": ["10.1.1.111:25826"], ...}}

last_seen: Unix seconds; metrics: those that are sent; dropped: those that the blacklist refuses."#;

/// List hosts that have stopped reporting
///
/// Of several Cocos, a host is silent only if it is at all that know it. Exit status 1 means that there are some. Who has
/// been silent for state.expire is forgotten, and not listed.
#[derive(Debug, Args)]
#[command(after_long_help = JSON)]
pub struct Arguments {
    #[command(flatten)]
    processes: Processes,

    /// List those that were not seen for so long
    #[arg(long = "for", value_name = "DURATION", default_value = "5m", value_parser = time)]
    silence: Duration,

    /// Of those, the ones whose names hold this, in letters of either case
    #[arg(long, value_name = "TEXT", default_value = "")]
    name: String,

    /// Of those, the ones of this tier's target, with --target; show its owners alone
    #[arg(long, value_name = "TIER", default_value = "")]
    tier: String,

    /// Of those, the ones that this target owns
    #[arg(long, value_name = "TARGET", default_value = "")]
    target: String,

    /// Write an object of JSON a line
    #[arg(long)]
    json: bool,
}

/// Asks for them and writes a line for each.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    api::runtime()?.block_on(list(arguments, &mut BufWriter::new(io::stdout().lock())))
}

async fn list(arguments: &Arguments, out: &mut impl Write) -> Result<Outcome, Failure> {
    let client = Client::default();
    let (silence, limit) = (duration::format(arguments.silence), MOST.to_string());
    let query = [
        ("silent_for", silence.as_str()),
        ("name", &arguments.name),
        ("tier", &arguments.tier),
        ("target", &arguments.target),
        ("limit", &limit),
    ];
    let (mut candidates, mut left_out) = (Vec::new(), 0);
    for root in &arguments.processes.roots {
        let found = known::ask(&client, root, &query).await?;
        left_out += found.total - found.hosts.len() as u64;
        candidates.push((root, found.hosts));
    }
    // Whoever does not say that it is silent may have heard of it.
    let all: BTreeSet<&String> =
        candidates.iter().flat_map(|(_, hosts)| hosts).map(|host| &host.name).collect();
    let mut questions = Vec::new();
    for (root, hosts) in &candidates {
        let said: HashSet<_> = hosts.iter().map(|host| &host.name).collect();
        let others = all.iter().filter(|name| !said.contains(**name));
        questions.extend(others.map(|name| ((*root).clone(), (*name).clone())));
    }
    let heard = known::ask_all(&client, questions).await?;
    let all = known::joined(candidates.into_iter().flat_map(|(_, hosts)| hosts).chain(heard));
    let now = known::now();
    let mut count = 0;
    for host in all.values().filter(|host| host.silence(now) >= arguments.silence.as_secs()) {
        count += 1;
        if arguments.json {
            writeln!(out, "{}", json!(host))?;
        } else {
            writeln!(out, "{}", host.line(now))?;
        }
    }
    if !arguments.json {
        let more = if left_out > 0 { format!("; {left_out} more were not told") } else { String::new() };
        writeln!(out, "{count} hosts have been silent for {silence}{more}")?;
    }
    out.flush()?;
    Ok(Outcome::finding(count > 0))
}
