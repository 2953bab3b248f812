//! The configuration of each program: the sections that it goes by, and none that the other alone has.

use std::fmt;
use std::io;
use std::path::Path;

use super::error::{Problem, Problems};
use super::file::ConfigFile;
use super::keys::Key;
use super::{
    Api, Config, Fetch, Filter, Graphite, Listen, Log, Measure, Pipeline, Program, Send, State, Stop,
};
use crate::address::Address;
use crate::tier::Tiers;

/// The configuration of one program, as whatever runs the program knows it.
pub trait Configuration: Clone + fmt::Debug + std::marker::Send + Sync + 'static {
    /// The program that reads it.
    const PROGRAM: Program;

    /// Reads the text of a configuration file, as [`Config::parse_with_files`] does.
    fn parse_with_files(text: &str, can_read: impl Fn(&Path) -> io::Result<()>) -> Result<Self, Problems>;

    /// Where packets go, and where they are read.
    fn tiers(&self) -> &Tiers;

    /// The stop.
    fn stop(&self) -> &Stop;

    /// The log.
    fn log(&self) -> &Log;

    /// The file that it was read from.
    fn file(&self) -> &ConfigFile;

    /// All keys with the values that hold; see [`Config::to_toml`].
    fn to_toml(&self) -> String {
        self.in_force(self)
    }

    /// The same for a process that was started with another configuration; see [`Config::in_force`].
    fn in_force(&self, started: &Self) -> String {
        self.file().in_force(self.tiers(), started.file(), Self::PROGRAM)
    }

    /// The keys whose values differ between the two files, but can't change while the program runs.
    fn needs_restart(&self, other: &Self) -> Vec<&'static Key> {
        self.file().needs_restart(other.file()).collect()
    }
}

/// The configuration of Coco.
#[derive(Debug, Clone)]
pub struct CocoConfig {
    /// Where packets arrive.
    pub listen: Listen,
    /// Lanes and threads.
    pub pipeline: Pipeline,
    /// The blacklist.
    pub filter: Filter,
    /// Sending.
    pub send: Send,
    /// Where packets go.
    pub tiers: Tiers,
    /// The HTTP API.
    pub api: Api,
    /// Summaries.
    pub measure: Measure,
    /// The memory of hosts and metrics.
    pub state: State,
    /// The stop.
    pub stop: Stop,
    /// The log.
    pub log: Log,
    /// The file that it was read from.
    pub file: ConfigFile,
}

/// The configuration of Noodle.
#[derive(Debug, Clone)]
pub struct NoodleConfig {
    /// The HTTP address.
    pub bind: Address,
    /// Reading from storage nodes.
    pub fetch: Fetch,
    /// Graphite's clients.
    pub graphite: Graphite,
    /// The storage nodes.
    pub tiers: Tiers,
    /// The stop.
    pub stop: Stop,
    /// The log.
    pub log: Log,
    /// The file that it was read from.
    pub file: ConfigFile,
}

impl CocoConfig {
    /// Reads the text of a configuration file.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        Self::parse_with_files(text, |_| Ok(()))
    }
}

impl Configuration for CocoConfig {
    const PROGRAM: Program = Program::Coco;

    fn parse_with_files(text: &str, can_read: impl Fn(&Path) -> io::Result<()>) -> Result<Self, Problems> {
        let Config { listen, pipeline, filter, send, tiers, api, measure, state, stop, log, file, .. } =
            Config::parse_with_files(text, Self::PROGRAM, can_read)?;
        Ok(Self { listen, pipeline, filter, send, tiers, api, measure, state, stop, log, file })
    }

    fn tiers(&self) -> &Tiers {
        &self.tiers
    }

    fn stop(&self) -> &Stop {
        &self.stop
    }

    fn log(&self) -> &Log {
        &self.log
    }

    fn file(&self) -> &ConfigFile {
        &self.file
    }
}

impl NoodleConfig {
    /// Reads the text of a configuration file.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        Self::parse_with_files(text, |_| Ok(()))
    }
}

impl Configuration for NoodleConfig {
    const PROGRAM: Program = Program::Noodle;

    fn parse_with_files(text: &str, can_read: impl Fn(&Path) -> io::Result<()>) -> Result<Self, Problems> {
        let Config { fetch_bind, fetch, graphite, tiers, stop, log, file, .. } =
            Config::parse_with_files(text, Self::PROGRAM, can_read)?;
        // The table of keys says that Noodle requires it, which was reported with all other problems.
        let Some(bind) = fetch_bind else { return Err(Problems::new(vec![Problem::missing("fetch.bind")])) };
        Ok(Self { bind, fetch, graphite, tiers, stop, log, file })
    }

    fn tiers(&self) -> &Tiers {
        &self.tiers
    }

    fn stop(&self) -> &Stop {
        &self.stop
    }

    fn log(&self) -> &Log {
        &self.log
    }

    fn file(&self) -> &ConfigFile {
        &self.file
    }
}
