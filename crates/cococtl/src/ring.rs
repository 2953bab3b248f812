//! `cococtl ring`: how evenly a configuration spreads hosts.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use coco_core::placement::Facts;
use coco_core::placement::ring::default_virtual_replicas;
use coco_core::tier::Tier;
use serde_json::{Value, json};

use crate::configuration;
use crate::failure::{Failure, Outcome};
use crate::hosts;
use crate::spread::Spread;
use crate::text;

/// Columns of the bar of the largest share.
const BAR: f64 = 30.0;

/// What `--json` makes of it.
const JSON: &str = r#"With --json, one object:

  {"fingerprint", "hosts", "made_up",
   "tiers": [{"name", "hash", "virtual_replicas", "by_table", "fingerprint", "largest", "deviation",
              "targets": [{"target", "hosts", "share"}]}]}

by_table: the number of replicas is the one that all Cocos use for so many targets.
largest: the largest share, as a multiple of the mean. deviation: the standard deviation, as a part of it.
Shares are from 0 to 1."#;

/// Show how evenly a configuration spreads hosts over targets
#[derive(Debug, Args)]
#[command(after_long_help = JSON)]
pub struct Arguments {
    /// The configuration that says who owns what
    #[arg(long, value_name = "FILE", default_value = "coco.conf")]
    config: PathBuf,

    /// Names of hosts, one a line; - is standard input. Without it, names are made up
    #[arg(long, value_name = "FILE")]
    hosts: Option<PathBuf>,

    /// Write an object of JSON
    #[arg(long)]
    json: bool,
}

/// Looks the hosts up and writes what each target gets.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let owners = configuration::load(&arguments.config)?.tiers;
    let hosts = match &arguments.hosts {
        Some(path) => hosts::read(path)?,
        None => hosts::made_up(hosts::MADE_UP),
    };
    let made_up = arguments.hosts.is_none();
    let spreads = owners.iter().map(|tier| (tier, Spread::of(tier, &hosts)));
    let mut out = io::stdout().lock();
    if arguments.json {
        let tiers: Vec<_> = spreads.map(|(tier, spread)| object(tier, &spread)).collect();
        let fingerprint = owners.fingerprint().to_string();
        let ring =
            json!({ "fingerprint": fingerprint, "hosts": hosts.len(), "made_up": made_up, "tiers": tiers });
        writeln!(out, "{ring}")?;
        return Ok(Outcome::Fine);
    }
    let kind = if made_up { "made-up hosts" } else { "hosts" };
    writeln!(out, "fingerprint {}, {} {kind}", owners.fingerprint(), hosts.len())?;
    let bars = out.is_terminal();
    for (tier, spread) in spreads {
        write_tier(tier, &spread, bars, &mut out)?;
    }
    Ok(Outcome::Fine)
}

fn object(tier: &Tier, spread: &Spread) -> Value {
    let targets = tier.targets().iter().enumerate().map(|(index, target)| {
        json!({ "target": target.name, "hosts": spread.0[index], "share": spread.share(index) })
    });
    json!({
        "name": tier.name(),
        "hash": tier.placement().facts().hash,
        "virtual_replicas": tier.placement().facts().virtual_replicas,
        "by_table": is_by_table(tier),
        "fingerprint": tier.fingerprint().to_string(),
        "largest": spread.largest(),
        "deviation": spread.deviation(),
        "targets": targets.collect::<Vec<_>>(),
    })
}

fn write_tier(tier: &Tier, spread: &Spread, bars: bool, out: &mut impl Write) -> io::Result<()> {
    let name = text::name(tier.name().as_bytes());
    let by_table = if is_by_table(tier) { ", as the table says" } else { "" };
    let placed = match tier.placement().facts() {
        Facts { virtual_replicas: Some(replicas), .. } => format!("{replicas} virtual replicas{by_table}"),
        Facts { hash, .. } => format!("by {hash}"),
    };
    writeln!(out, "\ntier {name}: {} targets, {placed}", tier.targets().len())?;
    let width = tier.targets().iter().map(|target| target.name.len()).max().unwrap_or(0);
    let most = spread.0.iter().max().copied().unwrap_or(0).max(1);
    for (index, target) in tier.targets().iter().enumerate() {
        let hosts = spread.0[index];
        let columns = if bars { (hosts as f64 / most as f64 * BAR).round() as usize } else { 0 };
        let line = format!(
            "  {:width$} {hosts:>9} {:>6.2} %  {}",
            target.name,
            spread.share(index) * 100.0,
            "#".repeat(columns)
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    let (largest, deviation) = (spread.largest(), spread.deviation() * 100.0);
    writeln!(
        out,
        "  the largest share is {largest:.2} times the mean, the standard deviation {deviation:.1} % of it"
    )
}

fn is_by_table(tier: &Tier) -> bool {
    let Facts { virtual_replicas, targets, .. } = tier.placement().facts();
    virtual_replicas == Some(default_virtual_replicas(targets))
}
