//! `cococtl plan`: what a change of the configuration moves.

mod hosts;
mod json;
mod migration;
mod moves;
mod rsync;
mod settings;
mod toml;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use coco_core::config::{Difference, Written};
use coco_core::host::{is_renamed, stored_name};
use coco_core::placement::Facts;
use coco_core::tier::{Tier, Tiers};

use crate::api::{self, Root};
use crate::blacklist::{self, Effect};
use crate::configuration;
use crate::dates::time;
use crate::distribution::{Distribution, ratio};
use crate::failure::{Failure, Outcome};
use crate::text;
use crate::tier_state::{TierState, difference_of};
use hosts::{Hosts, Source};
use moves::{Change, Copies, Load};
use settings::File;

/// Show what a change of the configuration moves, and how to move less
///
/// Says what else is different, too. Without --hosts or --api, 20,000 hosts are made up. Exit status 1 means that there is a way to the same targets that
/// moves clearly fewer hosts.
#[derive(Debug, Args)]
#[command(after_long_help = json::HELP)]
pub struct Arguments {
    /// The configuration as it is
    #[arg(value_name = "OLD")]
    old: PathBuf,

    /// The configuration as it is to be
    #[arg(value_name = "NEW")]
    new: PathBuf,

    /// Names of hosts, one a line; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "api")]
    hosts: Option<PathBuf>,

    /// Take the hosts and metrics that a running Coco has seen, as http://HOST:PORT; given for each Coco, all of them
    #[arg(long, value_name = "URL")]
    api: Vec<Root>,

    /// Write a script for sh that copies the hosts' RRD directories below DIR; nothing is run
    #[arg(long, value_name = "DIR", conflicts_with = "json", value_parser = rsync::directory)]
    rsync: Option<String>,

    /// Write the tables [tiers.NAME.migration] by which hosts come from OLD to NEW, to stand at the end of NEW
    #[arg(long, conflicts_with_all = ["json", "rsync", "moves"])]
    migration: bool,

    /// Write an object of JSON for each copy of a host that moves, one a line
    #[arg(long, conflicts_with_all = ["json", "rsync"])]
    moves: bool,

    /// Write an object of JSON
    #[arg(long)]
    json: bool,
}

/// Compares the owners of all hosts and writes what is different.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let old = configuration::load_as_written(&arguments.old)?;
    let text = configuration::read(&arguments.new)?;
    let new = configuration::parse(&arguments.new, &text)?;
    let hosts = match &arguments.hosts {
        Some(path) => Hosts::of_file(path)?,
        None if arguments.api.is_empty() => Hosts::made_up(),
        None => Hosts::of_processes(&arguments.api)?,
    };
    let mut plan = Plan::new(&old, &new, &hosts);
    if plan.differences.iter().any(|difference| difference.key == BLACKLIST) && !arguments.api.is_empty() {
        let effect = blacklist::of_processes(new.0.filter.blacklist.clone(), &arguments.api, false);
        plan.effect = Some(api::runtime()?.block_on(effect)?);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    match &arguments.rsync {
        Some(directory) => plan.write_commands(directory, &mut out)?,
        None if arguments.migration => migration::write(&plan, &arguments.new, &text, &mut out)?,
        None if arguments.moves => plan.write_moves(&mut out)?,
        None if arguments.json => writeln!(out, "{}", plan.object())?,
        None => plan.write(&mut out)?,
    }
    out.flush()?;
    Ok(Outcome::finding(plan.changes.iter().any(|change| change.cheaper.is_some())))
}

/// The key of the blacklist.
const BLACKLIST: &str = "filter.blacklist";

struct Plan<'a> {
    old: &'a Tiers,
    new: &'a Tiers,
    /// As the new one is written: what is to be pasted keeps all that stands there.
    written: &'a Written,
    hosts: &'a Hosts,
    differences: Vec<Difference>,
    /// What a new blacklist does, where somebody knows the metrics.
    effect: Option<Effect>,
    /// Tiers that both have, in the order of the new configuration.
    changes: Vec<Change<'a>>,
    added: Vec<&'a Tier>,
    removed: Vec<&'a Tier>,
    /// With names as the process that was asked gave them: not yet fit for a terminal or a script.
    warnings: Vec<String>,
}

impl<'a> Plan<'a> {
    fn new(old_file: &'a File, new_file: &'a File, hosts: &'a Hosts) -> Self {
        let (old, new) = (&old_file.0.tiers, &new_file.0.tiers);
        let named = |tiers: &'a Tiers, name: &str| tiers.iter().find(|tier| tier.name() == name);
        let changes: Vec<_> =
            new.iter().filter_map(|tier| Some(Change::new(named(old, tier.name())?, tier, hosts))).collect();
        let added: Vec<_> = new.iter().filter(|tier| named(old, tier.name()).is_none()).collect();
        let removed: Vec<_> = old.iter().filter(|tier| named(new, tier.name()).is_none()).collect();
        let mut warnings = settings::warnings(old_file, new_file);
        if hosts.unreadable > 0 {
            warnings.push(format!("{} hosts are left out: their names are not UTF-8", hosts.unreadable));
        }
        warnings.extend(renamed(hosts));
        for Source { root, tiers, .. } in &hosts.sources {
            if let Some(difference) = difference_of(tiers, &TierState::of(old)) {
                warnings.push(format!(
                    "what is running at {root} does not route by the old configuration: {difference}"
                ));
            }
        }
        let (written, differences) = (&new_file.1, old_file.1.differences(&new_file.1));
        Self { old, new, written, hosts, differences, effect: None, changes, added, removed, warnings }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let (old, new) = (self.old.fingerprint(), self.new.fingerprint());
        writeln!(out, "fingerprint {old} becomes {new}; {} {}", self.hosts.names().len(), self.hosts.kind)?;
        for source in &self.hosts.sources {
            writeln!(out, "{}", told_by(source))?;
        }
        for warning in &self.warnings {
            writeln!(out, "warning: {}", text::Line(warning))?;
        }
        self.write_differences("", out)?;
        for tier in &self.removed {
            writeln!(out, "\ntier {}: removed, its targets get nothing more", shown(tier))?;
        }
        for tier in &self.added {
            writeln!(out, "\ntier {}: new, all hosts begin anew there", shown(tier))?;
        }
        self.changes.iter().try_for_each(|change| self.write_change(change, out))
    }

    fn write_change(&self, change: &Change<'_>, out: &mut impl Write) -> io::Result<()> {
        let [before, after] = [change.old, change.new].map(|tier| tier.targets().len());
        writeln!(
            out,
            "\ntier {}: {before} to {after} targets{}, {} move ({:.1} %; {:.1} % have to)",
            shown(change.new),
            placements(change.old, change.new),
            self.load(change.moved),
            change.share() * 100.0,
            change.ideal * 100.0
        )?;
        let mut moves: Vec<_> = change.moves.iter().collect();
        moves.sort_by_key(|(_, load)| std::cmp::Reverse(load.hosts));
        for ((from, to), load) in moves {
            let (from, to) = (&change.old.targets()[*from].name, &change.new.targets()[*to].name);
            writeln!(out, "  {from} -> {to}  {}", self.load(*load))?;
        }
        for (to, load) in &change.arriving {
            let leaving = change.leaving_of(&change.new.targets()[*to]);
            let target = change.new.targets()[*to].label();
            writeln!(
                out,
                "  the disk of {target} takes {}, and is rid of {leaving} hosts",
                self.load(*load)
            )?;
        }
        let [before, after] = [&change.before, &change.after].map(Distribution::largest);
        writeln!(out, "  the largest share is {before:.2} times the mean before, {after:.2} after")?;
        let Some(cheaper) = &change.cheaper else { return Ok(()) };
        writeln!(out, "  warning: it can be had for less")?;
        for reason in change.reasons() {
            writeln!(out, "    {reason}")?;
        }
        writeln!(
            out,
            "    this moves {} hosts ({:.1} %; the largest share is then {:.2} times the mean):",
            cheaper.moved,
            ratio(cheaper.moved, change.after.copies()) * 100.0,
            cheaper.after.largest()
        )?;
        for line in toml::tier(&cheaper.tier, self.written) {
            writeln!(out, "      {line}")?;
        }
        Ok(())
    }

    fn load(&self, load: Load) -> String {
        match self.hosts.knows_metrics() {
            true => format!("{} hosts with {} metrics", load.hosts, load.metrics),
            false => format!("{} hosts", load.hosts),
        }
    }

    /// What is different beside who owns what.
    fn write_differences(&self, margin: &str, out: &mut impl Write) -> io::Result<()> {
        if !self.differences.is_empty() {
            writeln!(out, "{margin}also different:")?;
        }
        for difference in &self.differences {
            writeln!(out, "{margin}  {}", settings::line(difference))?;
            if difference.key == BLACKLIST {
                let told = match &self.effect {
                    None => "cococtl blacklist says what that drops".to_owned(),
                    Some(effect) => format!(
                        "of {} metrics {} that are sent now are dropped then, and {} the other way round",
                        effect.metrics,
                        effect.newly_dropped.unwrap_or(0),
                        effect.newly_sent.unwrap_or(0)
                    ),
                };
                writeln!(out, "{margin}    {told}")?;
            }
        }
        Ok(())
    }

    /// Who told of the hosts, and what is to be known first, as comments.
    fn write_circumstances(&self, out: &mut impl Write) -> io::Result<()> {
        for source in &self.hosts.sources {
            writeln!(out, "# {}", told_by(source))?;
        }
        self.warnings.iter().try_for_each(|warning| writeln!(out, "# warning: {}", text::Line(warning)))
    }

    /// The script. Hosts go owner by owner, for each of the former ones is flushed once.
    fn write_commands(&self, directory: &str, out: &mut impl Write) -> io::Result<()> {
        rsync::write_head(out)?;
        self.write_circumstances(out)?;
        self.write_differences("# ", out)?;
        let mut script = rsync::Script::new(directory, out);
        let old_owners = self.changes.iter().flat_map(|change| change.old.targets());
        script.write_listing(old_owners.map(|target| target.address.host()))?;
        for change in &self.changes {
            script.comment(&format!("tier {}: {} hosts", shown(change.new), change.moved.hosts))?;
            let mut moves: BTreeMap<_, Vec<_>> = BTreeMap::new();
            let mut copies = Copies::new(change.old, change.new);
            for (host, _) in self.hosts.with_metrics() {
                for &owners in copies.of(host) {
                    moves.entry(owners).or_default().push(host);
                }
            }
            for ((from, to), hosts) in moves {
                script.begin(
                    change.old.targets()[from].address.host(),
                    change.new.targets()[to].address.host(),
                )?;
                hosts.into_iter().try_for_each(|host| script.copy(host))?;
            }
        }
        script.end()
    }
}

/// Which hosts collectd stores under another name than the one that the ring goes by.
fn renamed(hosts: &Hosts) -> Option<String> {
    let mut renamed = hosts.names().iter().filter(|name| is_renamed(name));
    let first = renamed.next()?;
    let (count, stored) = (1 + renamed.count(), stored_name(first));
    let [first, stored] = [first.as_slice(), &*stored].map(text::name);
    Some(format!(
        "{count} hosts are stored under another name than the one that decides who owns them, such as {first} as {stored}"
    ))
}

fn shown(tier: &Tier) -> String {
    text::name(tier.name().as_bytes())
}

/// How the two are placed, where that differs.
fn placements(old: &Tier, new: &Tier) -> String {
    let [old, new] = [old, new].map(|tier| {
        let Facts { hash, replicas, .. } = tier.placement().facts();
        format!("{hash} with {replicas} of each host")
    });
    if old == new { String::new() } else { format!(" ({old} to {new})") }
}

/// Who has told of how many hosts.
fn told_by(source: &Source) -> String {
    let since = match source.since {
        Some(seconds) => format!("since {}", time(seconds << 30)),
        None => "it does not say since when".to_owned(),
    };
    text::name(format!("{}: {} hosts, {since}", source.root, source.hosts).as_bytes())
}
