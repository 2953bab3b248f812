//! `cococtl placement`: how evenly a configuration spreads hosts, and what a loss would cost.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use coco_core::placement::ring::default_virtual_replicas;
use coco_core::placement::{Facts, Way};
use coco_core::tier::Tier;
use serde_json::{Value, json};

use crate::configuration;
use crate::distribution::{self, Distribution, ratio};
use crate::failure::{Failure, Outcome};
use crate::hosts;
use crate::loss::Owners;
use crate::text;

/// Columns of the bar of the largest share.
const BAR: f64 = 30.0;

/// What `--json` makes of it.
const JSON: &str = r#"With --json, one object:

  {"fingerprint", "hosts", "made_up",
   "tiers": [{"name", "hash", "replicas", "virtual_replicas", "by_table", "fingerprint", "largest", "deviation",
              "targets": [{"target", "name", "weight", "zone", "hosts", "first", "share", "due", "loss"}],
              "zones": [{"zone", "hosts", "share", "due", "loss"}]}]}

hosts: of a target, those that it has a copy of. first: those that it is the first owner of, and read from. share: the
part of all copies. due: what it would be by weight. by_table: the number of virtual replicas is the one that all Cocos
use for so many targets. largest: the largest share, as a multiple of the mean. deviation: the standard deviation, as a
part of it. loss: {"without_copy", "passed_on", "most": {"target", "hosts"} or null}: hosts of which no copy is left
while the target or zone is lost, those that are read from another target then, and who takes most of these.
Shares are from 0 to 1. What a hash does not know is null."#;

/// Show how evenly a configuration spreads hosts over targets, and what a loss would cost
///
/// Small fleets are uneven by chance: of 50 hosts on 12 targets, the fullest target has 1.4 to 2.9 times the mean, however
/// they are placed.
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
    let tiers = configuration::load(&arguments.config)?.tiers;
    let hosts = match &arguments.hosts {
        Some(path) => hosts::read(path)?,
        None => hosts::made_up(hosts::MADE_UP),
    };
    let made_up = arguments.hosts.is_none();
    let measured = tiers.iter().map(|tier| (tier, Measured::of(tier, &hosts)));
    let mut out = io::stdout().lock();
    if arguments.json {
        let fingerprint = tiers.fingerprint().to_string();
        let tiers: Vec<_> = measured.map(|(tier, measured)| object(tier, &measured)).collect();
        let placement =
            json!({ "fingerprint": fingerprint, "hosts": hosts.len(), "made_up": made_up, "tiers": tiers });
        writeln!(out, "{placement}")?;
        return Ok(Outcome::Fine);
    }
    let kind = if made_up { "made-up hosts" } else { "hosts" };
    writeln!(out, "fingerprint {}, {} {kind}", tiers.fingerprint(), hosts.len())?;
    let bars = out.is_terminal();
    for (tier, measured) in measured {
        write_tier(tier, &measured, bars, &mut out)?;
    }
    Ok(Outcome::Fine)
}

fn object(tier: &Tier, measured: &Measured) -> Value {
    let Facts { hash, replicas, virtual_replicas, .. } = tier.placement().facts();
    let Measured { distribution, due, first, owners } = measured;
    let targets = tier.targets().iter().enumerate().map(|(place, target)| {
        json!({
            "target": target.name,
            "name": target.label(),
            "weight": (hash == Way::Rendezvous.as_str()).then_some(target.placed.weight.get()),
            "zone": target.placed.zone,
            "hosts": distribution.0[place],
            "first": first[place],
            "share": distribution.share(place),
            "due": due[place],
            "loss": owners.loss(&BTreeSet::from([place])).object(tier),
        })
    });
    let zones = zones(tier).into_iter().map(|(zone, places)| {
        json!({
            "zone": zone,
            "hosts": sum(&places, &distribution.0),
            "share": ratio(sum(&places, &distribution.0), distribution.copies()),
            "due": places.iter().map(|&place| due[place]).sum::<f64>(),
            "loss": owners.loss(&places).object(tier),
        })
    });
    json!({
        "name": tier.name(),
        "hash": hash,
        "replicas": replicas,
        "virtual_replicas": virtual_replicas,
        "by_table": is_by_table(tier),
        "fingerprint": tier.fingerprint().to_string(),
        "largest": distribution.largest(),
        "deviation": distribution.deviation(),
        "targets": targets.collect::<Vec<_>>(),
        "zones": zones.collect::<Vec<_>>(),
    })
}

/// How hosts lie in a tier.
struct Measured {
    distribution: Distribution,
    due: Vec<f64>,
    first: Vec<u64>,
    owners: Owners,
}

impl Measured {
    fn of(tier: &Tier, hosts: &[Vec<u8>]) -> Self {
        let owners = Owners::of(tier, hosts);
        Self {
            distribution: Distribution::of(tier, hosts),
            due: distribution::due(tier),
            first: owners.first(),
            owners,
        }
    }
}

/// The places of the targets of each zone.
fn zones(tier: &Tier) -> BTreeMap<&str, BTreeSet<usize>> {
    let mut zones: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (place, target) in tier.targets().iter().enumerate() {
        if let Some(zone) = &target.placed.zone {
            zones.entry(zone.as_str()).or_default().insert(place);
        }
    }
    zones
}

fn sum(places: &BTreeSet<usize>, of: &[u64]) -> u64 {
    places.iter().map(|&place| of[place]).sum()
}

/// How a tier is placed, in some words.
fn told(tier: &Tier) -> String {
    let Facts { hash, targets, replicas, virtual_replicas } = tier.placement().facts();
    let by_table = if is_by_table(tier) { ", as the table says" } else { "" };
    match virtual_replicas {
        Some(points) => format!("{targets} targets, {points} virtual replicas{by_table}"),
        None => match zones(tier).len() {
            0 => format!("{targets} targets by {hash}, {replicas} of them for each host"),
            zones => {
                format!("{targets} targets in {zones} zones by {hash}, {replicas} of them for each host")
            }
        },
    }
}

fn write_tier(tier: &Tier, measured: &Measured, bars: bool, out: &mut impl Write) -> io::Result<()> {
    let Measured { distribution, due, first, owners } = measured;
    writeln!(out, "\ntier {}: {}", text::name(tier.name().as_bytes()), told(tier))?;
    let width = tier.targets().iter().map(|target| target.label().len()).max().unwrap_or(0);
    let most = distribution.0.iter().max().copied().unwrap_or(0).max(1);
    let is_ring = tier.placement().ring().is_some();
    for (place, target) in tier.targets().iter().enumerate() {
        let hosts = distribution.0[place];
        let columns = if bars { (hosts as f64 / most as f64 * BAR).round() as usize } else { 0 };
        let more = match is_ring {
            true => String::new(),
            false => format!(" of {:>6.2} %, first owner of {:>9}", due[place] * 100.0, first[place]),
        };
        let line = format!(
            "  {:width$} {hosts:>9} {:>6.2} %{more}  {}",
            target.label(),
            distribution.share(place) * 100.0,
            "#".repeat(columns)
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    let (largest, deviation) = (distribution.largest(), distribution.deviation() * 100.0);
    writeln!(
        out,
        "  the largest share is {largest:.2} times the mean, the standard deviation {deviation:.1} % of it"
    )?;
    for (zone, places) in zones(tier) {
        let hosts = sum(&places, &distribution.0);
        let [share, due] =
            [ratio(hosts, distribution.copies()), places.iter().map(|&place| due[place]).sum()];
        let loss = owners.loss(&places).told(tier);
        writeln!(
            out,
            "  zone {zone}: {hosts} copies, {:.2} % of {:.2} %; lost: {loss}",
            share * 100.0,
            due * 100.0
        )?;
    }
    let worst = (0..tier.targets().len())
        .map(|place| (owners.loss(&BTreeSet::from([place])), place))
        .max_by_key(|(loss, place)| (loss.gone, loss.most.map(|(_, most)| most), std::cmp::Reverse(*place)));
    if let Some((loss, place)) = worst {
        writeln!(
            out,
            "  the worst target to lose is {}: {}",
            tier.targets()[place].label(),
            loss.told(tier)
        )?;
    }
    Ok(())
}

fn is_by_table(tier: &Tier) -> bool {
    let Facts { virtual_replicas, targets, .. } = tier.placement().facts();
    virtual_replicas == Some(default_virtual_replicas(targets))
}
