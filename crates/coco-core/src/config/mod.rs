//! `coco.conf`: from its text to a configuration that is always valid, or to everything that is wrong with it.
//!
//! Coco and Noodle read one file, so that both agree on who owns what. A value of [`Config`] can only be had from
//! a file without a problem: what takes one need not check anything again.
//!
//! - `keys` is the table of all keys: where they stand, what they may be, their defaults;
//! - `document` parses TOML and walks it by that table, noting problems with their line and key path;
//! - `value` turns single values into what their key means by them, with [`duration`] and [`size`] for notations;
//! - `tiers` reads the targets, whose names and order are the operator's;
//! - `placement` reads how the hosts of a tier are placed;
//! - `security` reads who may send, and as whom a tier is sent to;
//! - `fetch` reads how storage nodes are read;
//! - `listener` tells what fits the address that packets arrive at;
//! - `loops` tells when a target is Coco itself;
//! - `written` is the file key by key, whatever the keys mean, to compare it with another;
//! - `shown` makes a text of a configuration again;
//! - `suggest` finds the key that a misspelled one was meant to be.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regex::bytes::Regex;

use crate::address::Address;
use crate::network::Network;
use crate::tier::{Tier, Tiers};
use crate::wire::SecurityLevel;
use document::Document;
use shown::Entry;

pub use error::{Problem, Problems};
pub use fetch::{Fetch, Join, Protocol, RRDCACHED};
pub use graphite::Graphite;
pub use keys::{KEYS, Key, Kind};
pub use listener::{idle_interface, lack_of_interface, misfit_of_lanes, needs_interface};
pub use loops::is_loop;
pub use written::{Difference, Written, WrittenTier};

pub mod duration;
pub mod size;

mod document;
mod error;
mod fetch;
mod graphite;
mod keys;
mod listener;
mod loops;
mod placement;
mod security;
mod shown;
mod suggest;
mod tiers;
mod value;
mod written;

/// Who reads the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The sharder.
    Coco,
    /// The HTTP proxy. Needs `[tiers]` and `fetch.bind` only.
    Noodle,
}

/// A configuration without a problem.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where packets arrive.
    pub listen: Listen,
    /// How work is spread over threads.
    pub pipeline: Pipeline,
    /// What is dropped.
    pub filter: Filter,
    /// How packets leave.
    pub send: Send,
    /// Where packets go.
    pub tiers: Tiers,
    /// Coco's HTTP API.
    pub api: Api,
    /// Noodle.
    pub fetch: Fetch,
    /// Graphite's clients.
    pub graphite: Graphite,
    /// Summaries.
    pub measure: Measure,
    /// What is remembered of hosts and metrics.
    pub state: State,
    /// How to end.
    pub stop: Stop,
    /// What is logged.
    pub log: Log,
    /// What is taken as it stands, and seldom meant; in the file's order.
    pub warnings: Vec<Problem>,
    /// Whom it was read for.
    program: Program,
    /// The values of keys that a running process can't change.
    fixed: Vec<(&'static Key, String)>,
    /// What stands in the file.
    entries: Vec<Entry>,
}

/// `[listen]`
#[derive(Debug, Clone)]
pub struct Listen {
    /// UDP address; may be all addresses or a multicast group.
    pub bind: Address,
    /// Name of the network interface for a multicast group or an IPv6 link-local address.
    pub interface: Option<String>,
    /// Whether `bind` may be an address that this machine does not have yet.
    pub freebind: bool,
    /// Who may send; `None` lets everyone.
    pub allow: Option<Vec<Network>>,
    /// What packets must be.
    pub security_level: SecurityLevel,
    /// Users and passwords, as collectd's AuthFile; always there when the level is not `None`.
    pub auth_file: Option<PathBuf>,
    /// collectd's types.db.
    pub typesdb: Vec<PathBuf>,
    /// Bytes of the longest name taken.
    pub max_name_length: usize,
    /// Size of the socket's buffer in bytes.
    pub receive_buffer: usize,
}

/// `[pipeline]`
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Independent pipelines, from 1.
    pub lanes: usize,
    /// Threads that carry the three stages of a lane: 1, 2 or 3.
    pub threads: usize,
    /// Whether hosts are spread over the lanes after receiving; then there are at least 2 threads.
    pub spread_hosts: bool,
    /// Datagrams per system call, from 1.
    pub batch: usize,
    /// Batches that a queue between two stages holds, from 1.
    pub queue: usize,
}

/// `[filter]`
#[derive(Debug, Clone)]
pub struct Filter {
    /// What to refuse by `host/metric name`; none refuses nothing.
    pub blacklist: Option<Regex>,
}

/// `[send]`
#[derive(Debug, Clone)]
pub struct Send {
    /// The address of this machine to send from; the system chooses one without it.
    pub bind: Option<IpAddr>,
    /// Largest payload of a datagram in bytes.
    pub max_packet_size: usize,
    /// Whether packets to one target are given to the kernel together, made one size.
    pub segmentation: bool,
    /// What was down is up again when nothing has gone wrong for so long; never zero.
    pub recovery: Duration,
    /// The longest time until the name of a target is looked up again; never zero.
    pub resolve_interval: Duration,
    /// How long a socket is used before another one, from another port, takes its place; zero is for ever.
    pub reconnect_interval: Duration,
}

/// `[api]`
#[derive(Debug, Clone)]
pub struct Api {
    /// HTTP address.
    pub bind: Address,
    /// How long a connection is kept for the next request; never zero.
    pub idle_timeout: Duration,
}

/// `[measure]`
#[derive(Debug, Clone)]
pub struct Measure {
    /// Between two summaries; never zero.
    pub interval: Duration,
}

/// `[state]`
#[derive(Debug, Clone)]
pub struct State {
    /// Bytes that the hosts and metrics that a lane remembers may take.
    pub max_memory: usize,
    /// How long a silent host or metric is remembered; never zero.
    pub expire: Duration,
}

/// `[stop]`
#[derive(Debug, Clone)]
pub struct Stop {
    /// How long everything is still served before a stop, while `/healthz` says that it is near; may be zero.
    pub drain: Duration,
    /// Longest time that a stop may take then.
    pub grace: Duration,
}

/// `[log]`
#[derive(Debug, Clone)]
pub struct Log {
    /// Least severity that is logged.
    pub level: Level,
}

/// How severe something is that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed that an operator should look at.
    Error,
    /// Something is not as it should be, and is coped with.
    Warn,
    /// What an operator wants to find in the log of a healthy daemon.
    Info,
    /// For finding out why.
    Debug,
    /// For finding out how.
    Trace,
}

impl Config {
    /// Reads the text of a configuration file for one of the two programs.
    ///
    /// Both check all sections, as it is one file. Noodle also needs `fetch.bind`; Coco also refuses targets that
    /// are its own `listen.bind`, as far as the text tells ([`is_loop`] is for what resolving tells).
    pub fn parse(text: &str, program: Program) -> Result<Self, Problems> {
        Self::parse_with_files(text, program, |_| Ok(()))
    }

    /// The same, and asks `can_read` of each file that the program would read, so that a file that it can't read is
    /// among the problems.
    pub fn parse_with_files(
        text: &str,
        program: Program,
        can_read: impl Fn(&Path) -> io::Result<()>,
    ) -> Result<Self, Problems> {
        let mut document = Document::parse(text, program)?;

        let mut section = document.section("listen");
        let listen = Listen {
            bind: section.read("bind"),
            interface: section.optional("interface"),
            freebind: section.read("freebind"),
            allow: security::networks(&mut section, "allow"),
            security_level: section.read("security_level"),
            auth_file: section.optional("auth_file"),
            typesdb: section.optional("typesdb").unwrap_or_default(),
            max_name_length: section.read("max_name_length"),
            receive_buffer: section.read("receive_buffer"),
        };
        let typesdb = listen.typesdb.iter().map(|path| ("typesdb", path));
        for (name, path) in typesdb.chain(listen.auth_file.iter().map(|path| ("auth_file", path))) {
            if program == Program::Coco
                && let Err(problem) = can_read(path)
            {
                section.report(name, &format!("cannot read {}: {problem}", path.display()));
            }
        }
        security::check_listener(&mut section, listen.security_level);
        // Defaults that stand in for what is unreadable say nothing about what fits.
        let is_fine = ["listen.bind", "listen.interface"].iter().all(|key| section.findings.is_fine(key));
        let address = if is_fine { listener::address(&listen.bind) } else { None };
        if let Some(address) = address
            && let Some(misfit) = lack_of_interface(address, listen.interface.as_deref())
        {
            section.report("interface", misfit);
        }
        let mut section = document.section("pipeline");
        let pipeline = Pipeline {
            lanes: section.read("lanes"),
            threads: section.read("threads"),
            spread_hosts: section.read("spread_hosts"),
            batch: section.read("batch"),
            queue: section.read("queue"),
        };
        if pipeline.spread_hosts && pipeline.threads == 1 {
            section.report(
                "spread_hosts",
                "needs pipeline.threads = 2 or 3: lanes that wait for each other can't share a thread",
            );
        }
        if let Some(address) = address
            && let Some(misfit) = misfit_of_lanes(address, pipeline.lanes)
        {
            section.report("lanes", misfit);
        }
        let filter = Filter { blacklist: document.section("filter").read("blacklist") };
        let mut section = document.section("send");
        let send = Send {
            bind: section.optional("bind"),
            max_packet_size: section.read("max_packet_size"),
            segmentation: section.read("segmentation"),
            recovery: section.read("recovery"),
            resolve_interval: section.read("resolve_interval"),
            reconnect_interval: section.read("reconnect_interval"),
        };
        let mut section = document.section("api");
        let api = Api { bind: section.read("bind"), idle_timeout: section.read("idle_timeout") };
        let fetch = Fetch::read(&mut document.section("fetch"));
        let graphite = Graphite::read(&mut document.section("graphite"));
        let measure = Measure { interval: document.section("measure").read("interval") };
        let mut section = document.section("state");
        let state = State { max_memory: section.read("max_memory"), expire: section.read("expire") };
        let mut section = document.section("stop");
        let stop = Stop { drain: section.read("drain"), grace: section.read("grace") };
        let log = Log { level: document.section("log").read("level") };

        // A default that stands in for an unreadable address says nothing about loops.
        let own =
            (program == Program::Coco && document.findings.is_fine("listen.bind")).then_some(&listen.bind);
        let (section, findings) = document.raw_section("tiers");
        let can_read = |path: &Path| if program == Program::Coco { can_read(path) } else { Ok(()) };
        let tiers = tiers::read(section, own, &can_read, findings);

        if let (Some(bind), Some(tiers)) = (send.bind, &tiers)
            && document.findings.is_empty()
            && let Some(target) = tiers
                .iter()
                .flat_map(Tier::targets)
                .find(|target| target.address.ip().is_some_and(|ip| ip.is_ipv4() != bind.is_ipv4()))
        {
            let message = format!("{bind} can't send to {}, an address of the other family", target.name);
            document.section("send").report("bind", &message);
        }

        match tiers {
            Some(tiers) if document.findings.is_empty() => {
                let fixed = document.findings.take_fixed();
                let entries = document.findings.take_entries();
                let warnings = document.findings.take_warnings();
                Ok(Self {
                    listen,
                    pipeline,
                    filter,
                    send,
                    tiers,
                    api,
                    fetch,
                    graphite,
                    measure,
                    state,
                    stop,
                    log,
                    warnings,
                    program,
                    fixed,
                    entries,
                })
            }
            _ => Err(document.findings.into_problems()),
        }
    }
}

impl Config {
    /// The keys whose values differ between the two files, but can't change while the program runs.
    pub fn needs_restart<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'static Key> + 'a {
        let differs = move |key: &&Key| {
            let value =
                move |config: &'a Self| config.fixed.iter().find(|(fixed, _)| fixed.path() == key.path());
            value(self).map(|(_, value)| value) != value(other).map(|(_, value)| value)
        };
        KEYS.iter().filter(|key| key.needs_restart).filter(differs)
    }
}

impl Level {
    /// All levels, the most severe first.
    pub const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
