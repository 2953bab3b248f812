//! What all subcommands are told, and what they make of it before they begin.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use coco_core::placement::canary::Percentage;
use coco_core::text;
use coco_core::tier::{Tier, Tiers};
use serde::Deserialize;

use super::session::{GREETING, Launcher};
use super::way::{Node, Ways};
use crate::api::{self, Client, Root};
use crate::configuration;
use crate::failure::Failure;
use crate::gate::{self, Milestone};
use crate::load::time;
use crate::node::writer::Writer;
use crate::tier_state::Members;

/// The options.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The configuration that is running, with `[tiers.NAME.migration]`
    #[arg(value_name = "FILE")]
    config: PathBuf,

    /// Ask this running Coco whether it writes to both owners, as http://HOST:PORT; given for each Coco, all of them
    #[arg(long, value_name = "URL")]
    api: Vec<Root>,

    /// Move hosts back to their former owners: when a move is given up
    #[arg(long)]
    pub(super) back: bool,

    /// For how long nodes keep values in memory at most: CacheTimeout of collectd's rrdtool plugin, -w and -z of rrdcached
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = time)]
    cache_time: Duration,

    /// What was done so far, so that a killed move goes on where it was
    #[arg(long, value_name = "FILE", default_value = "cococtl-move.journal")]
    pub(super) journal: PathBuf,

    /// The command that runs another elsewhere: it is given whom to log in to, and one word for the shell there
    #[arg(
        long,
        value_name = "COMMAND",
        default_value = "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15"
    )]
    ssh: String,

    /// Log in to a target's node by another name than the host of its address; may be given several times
    #[arg(long = "node", value_name = "TARGET=DESTINATION", value_parser = destination)]
    nodes: Vec<(String, String)>,

    /// What cococtl is called on the nodes
    #[arg(long, value_name = "COMMAND", default_value = "cococtl")]
    node_command: String,

    /// Where collectd's RRD files are on the nodes: `DataDir` in collectd.conf
    #[arg(long, value_name = "DIR", default_value = "/var/lib/collectd/rrd")]
    data: PathBuf,

    /// Who writes them there: collectd:SOCKET, signal:PIDFILE, rrdcached:SOCKET or none, as in `cococtl node --help`
    #[arg(long, value_name = "WRITER", default_value = "collectd:/var/run/collectd-unixsock")]
    writer: Writer,

    /// Most hosts at a time that a node has part in
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=32))]
    pub(super) parallel: u16,

    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Write an object of JSON a line
    #[arg(long)]
    pub(super) json: bool,
}

fn destination(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((target, destination))
            if !target.is_empty() && !destination.is_empty() && !destination.starts_with('-') =>
        {
            Ok((target.to_owned(), destination.to_owned()))
        }
        _ => Err("expected TARGET=DESTINATION, such as 10.1.1.111:25826=root@node1".to_owned()),
    }
}

impl Options {
    /// The tiers of the configuration, some of whose hosts must be on their way.
    pub(super) fn tiers(&self) -> Result<Tiers, Failure> {
        let tiers = configuration::load(&self.config)?.tiers;
        if tiers.iter().all(|tier| tier.moving().is_none()) {
            let told =
                format!("{}: no tier has a migration: there is nothing to move", self.config.display());
            return Err(Failure::Refused(told));
        }
        Ok(tiers)
    }

    /// The ways of those tiers, with the names of hosts that are stored under others; refuses what a Coco is not ready for.
    pub(super) fn ways<'a>(&self, tiers: &'a Tiers, purpose: Option<Purpose>) -> Result<Ways<'a>, Failure> {
        let mut ways = Ways::new(tiers, self.back);
        if purpose.is_some() && self.api.is_empty() {
            let told = "name every Coco by --api: none may write to less than this needs".to_owned();
            return Err(Failure::Refused(told));
        }
        let (runtime, client) = (api::runtime()?, Client::default());
        let mut closed = Vec::new();
        for moving in tiers.iter().filter_map(Tier::moving) {
            let wanted = match purpose {
                None => continue,
                Some(Purpose::Move) => Milestone::Both(moving.headway().both()),
                Some(Purpose::Remove) => Milestone::New(Percentage::ALL),
            };
            closed.extend(runtime.block_on(gate::ask(
                &client,
                &self.api,
                moving,
                wanted,
                self.cache_time,
            ))?);
        }
        if !closed.is_empty() {
            let told = closed.into_iter().map(|(root, reason)| Failure::Refused(format!("{root}: {reason}")));
            return Err(Failure::Several(told.collect()));
        }
        for root in &self.api {
            let running: Vec<Routed> = runtime.block_on(client.stream(root, "/tiers"))?;
            let hosts = running.iter().flat_map(|tier| tier.routes.values()).flat_map(BTreeMap::keys);
            hosts.for_each(|host| ways.note_name(&text::from_json(host)));
        }
        Ok(ways)
    }

    /// How nodes are reached. Two targets at one host need names to tell them apart.
    pub(super) fn launcher(&self, ways: &Ways<'_>) -> Result<Launcher, Failure> {
        let launcher = Launcher {
            ssh: self.ssh.split_whitespace().map(str::to_owned).collect(),
            command: self.node_command.clone(),
            data: self.data.clone(),
            writer: self.writer.clone(),
            patience: GREETING,
            destinations: self.nodes.iter().cloned().collect(),
        };
        let mut known: BTreeMap<String, Node> = BTreeMap::new();
        for node in ways.nodes().into_iter().flatten() {
            let destination = launcher.destination(&node)?;
            if let Some(other) =
                known.insert(destination.clone(), node.clone()).filter(|other| *other != node)
            {
                let told = format!("{other} and {node} are both at {destination}: tell them apart by --node");
                return Err(Failure::Refused(told));
            }
        }
        if let Some((target, _)) =
            self.nodes.iter().find(|(target, _)| !known.values().any(|node| node == target))
        {
            return Err(Failure::Refused(format!("--node: no hosts come from or go to {target}")));
        }
        Ok(launcher)
    }
}

/// What every Coco has to be ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Moving: hosts are written to both owners.
    Move,
    /// Removing what former owners have: they are written to by none.
    Remove,
}

/// A tier in `/tiers`, as far as hosts are asked for.
#[derive(Debug, Deserialize)]
struct Routed {
    /// By target and host.
    #[serde(default)]
    routes: BTreeMap<String, BTreeMap<String, Members>>,
}
