//! Sections that are keys and their values.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::time::Duration;

use regex::bytes::Regex;

use super::document::Section;
use super::listener::misfit_of_lanes;
use crate::address::Address;
use crate::tier::{Tier, Tiers};

/// `[pipeline]`
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Independent pipelines.
    pub lanes: NonZero<usize>,
    /// Threads that carry the three stages of a lane.
    pub threads: LaneThreads,
    /// Whether hosts are spread over the lanes after receiving; then there are at least 2 threads.
    pub spread_hosts: bool,
    /// Datagrams per system call.
    pub batch: NonZero<usize>,
    /// Batches that a queue between two stages holds.
    pub queue: NonZero<usize>,
}

/// The threads that carry the three stages of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaneThreads {
    /// All stages on one.
    One = 1,
    /// Listen on one, filter and send on the other.
    Two,
    /// One for each stage.
    Three,
}

/// `[filter]`
#[derive(Debug, Clone)]
pub struct Filter {
    /// The expression for `host/metric name` of metrics to refuse; none refuses nothing.
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
    /// The longest time that a packet which is not full waits for more to its target; zero is not at all.
    pub linger: Duration,
    /// The time without a fault behind which an outlet is up again; never zero.
    pub recovery: Duration,
    /// The longest time until the name of a target is looked up again; never zero.
    pub resolve_interval: Duration,
    /// The time that a socket is used before another one, from another port, takes its place; zero is for ever.
    pub reconnect_interval: Duration,
}

/// `[api]`
#[derive(Debug, Clone)]
pub struct Api {
    /// HTTP address.
    pub bind: Address,
    /// The time that a connection is kept for the next request; never zero.
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
    /// The time that a silent host or metric is remembered; never zero.
    pub expire: Duration,
}

/// `[stop]`
#[derive(Debug, Clone)]
pub struct Stop {
    /// The time that everything is still served before a stop, while `/healthz` says that it is near; may be zero.
    pub drain: Duration,
    /// Longest time that a stop may take then.
    pub grace: Duration,
}

/// `[log]`
#[derive(Debug, Clone)]
pub struct Log {
    /// Least severity that is logged.
    pub level: Level,
    /// The form of a line; without one, it goes by where standard output leads.
    pub format: Option<LogFormat>,
    /// Whether each request over HTTP is logged, whatever the level.
    pub access: bool,
}

/// The form of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: time, level, message, fields.
    Text,
    /// An object for programs.
    Json,
    /// For systemd's journal, which has the time: a priority, message, fields.
    Journald,
}

/// The severity of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed that an operator should look at.
    Error,
    /// Something is not as it should be, and is coped with.
    Warn,
    /// Facts that an operator wants to find in the log of a healthy daemon.
    Info,
    /// For finding out why.
    Debug,
    /// For finding out how.
    Trace,
}

impl LaneThreads {
    /// So many of them; `None` of a number of which nothing can be made.
    pub const fn new(count: usize) -> Option<Self> {
        match count {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            3 => Some(Self::Three),
            _ => None,
        }
    }

    /// How many they are.
    pub const fn count(self) -> usize {
        self as usize
    }
}

impl Pipeline {
    /// `address` is that of the listener, if it is known.
    pub(super) fn read(section: &mut Section<'_, '_>, address: Option<SocketAddr>) -> Self {
        let pipeline = Self {
            lanes: section.read("lanes"),
            threads: section.read("threads"),
            spread_hosts: section.read("spread_hosts"),
            batch: section.read("batch"),
            queue: section.read("queue"),
        };
        if pipeline.spread_hosts && pipeline.threads == LaneThreads::One {
            section.report(
                "spread_hosts",
                "needs pipeline.threads = 2 or 3: lanes that wait for each other can't share a thread",
            );
        }
        if let Some(address) = address
            && let Some(misfit) = misfit_of_lanes(address, pipeline.lanes.get())
        {
            section.report("lanes", misfit);
        }
        pipeline
    }
}

impl Filter {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self { blacklist: section.read("blacklist") }
    }
}

impl Send {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            bind: section.optional("bind"),
            max_packet_size: section.read("max_packet_size"),
            segmentation: section.read("segmentation"),
            linger: section.read("linger"),
            recovery: section.read("recovery"),
            resolve_interval: section.read("resolve_interval"),
            reconnect_interval: section.read("reconnect_interval"),
        }
    }

    /// Reports a target that can't be sent to from the address to send from.
    pub(super) fn check_family(&self, tiers: &Tiers, section: &mut Section<'_, '_>) {
        if let Some(bind) = self.bind
            && let Some(target) = tiers
                .iter()
                .filter(|tier| tier.remote_write().is_none())
                .flat_map(Tier::targets)
                .find(|target| target.address.ip().is_some_and(|ip| ip.is_ipv4() != bind.is_ipv4()))
        {
            let message = format!("{bind} can't send to {}, an address of the other family", target.name);
            section.report("bind", &message);
        }
    }
}

impl Api {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self { bind: section.read("bind"), idle_timeout: section.read("idle_timeout") }
    }
}

impl Measure {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self { interval: section.read("interval") }
    }
}

impl State {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self { max_memory: section.read("max_memory"), expire: section.read("expire") }
    }
}

impl Stop {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self { drain: section.read("drain"), grace: section.read("grace") }
    }
}

impl Log {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            level: section.read("level"),
            format: section.optional("format"),
            access: section.read("access"),
        }
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
