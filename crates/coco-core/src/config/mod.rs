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
//! - `engines` reads how engines are written to, where they are the targets of a tier;
//! - `listen` reads where packets arrive, and `sections` those sections that are keys and their values;
//! - `security` reads who may send, and as whom a tier is sent to;
//! - `fetch` reads how storage nodes are read;
//! - `listener` tells what fits the address that packets arrive at;
//! - `loops` tells when a target is Coco itself;
//! - `written` is the file key by key, whatever the keys mean, to compare it with another;
//! - `changed` tells in which keys two files differ;
//! - `file` is what else is known of the file, and makes a text of a configuration again;
//! - `programs` is what Coco and Noodle go by, each without what the other alone has;
//! - `suggest` finds the key that a misspelled one was meant to be.
//!
//! ```
//! use coco_core::config::CocoConfig;
//!
//! let config = CocoConfig::parse("tiers.a.targets = ['storage1:25826', 'storage2:25826']").unwrap();
//! assert_eq!(config.pipeline.lanes.get(), 1);
//!
//! let problems = CocoConfig::parse("listen.bnid = '[::]:25826'").unwrap_err();
//! assert!(problems.to_string().starts_with("line 1: listen.bnid: unknown key, did you mean `bind`?"));
//! ```

use std::io;
use std::path::Path;

use crate::address::Address;
use crate::tier::Tiers;
use document::Document;

pub use error::{Problem, Problems};
pub use fetch::{Fetch, Join, Prefer};
pub use file::ConfigFile;
pub use graphite::{ESCAPED, Graphite};
pub use keys::{KEYS, Key, Kind};
pub use listen::{Listen, Security};
pub use listener::{idle_interface, lack_of_interface, misfit_of_lanes, needs_interface};
pub use loops::is_loop;
pub use programs::{CocoConfig, Configuration, NoodleConfig};
pub use sections::{Api, Filter, LaneThreads, Level, Log, LogFormat, Measure, Pipeline, Send, State, Stop};
pub use written::{Difference, Written, WrittenTier};

pub mod duration;
pub mod size;

mod changed;
mod document;
mod engines;
mod error;
mod fetch;
mod file;
mod graphite;
mod keys;
mod listen;
mod listener;
mod loops;
mod migration;
mod placement;
mod programs;
mod sections;
mod security;
mod suggest;
mod targets;
mod tiers;
mod value;
mod written;

/// A program that reads the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The sharder.
    Coco,
    /// The HTTP proxy. Needs `[tiers]` and `fetch.bind` only.
    Noodle,
}

/// The whole file, without a problem for one of the programs. What that program goes by is a [`CocoConfig`] or a
/// [`NoodleConfig`].
#[derive(Debug, Clone)]
pub struct Config {
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
    /// Coco's HTTP API.
    pub api: Api,
    /// Noodle's HTTP address, which it can't do without, and nobody else needs.
    pub fetch_bind: Option<Address>,
    /// Noodle.
    pub fetch: Fetch,
    /// Graphite's clients.
    pub graphite: Graphite,
    /// Summaries.
    pub measure: Measure,
    /// The memory of hosts and metrics.
    pub state: State,
    /// The stop.
    pub stop: Stop,
    /// The log.
    pub log: Log,
    /// The file itself.
    pub file: ConfigFile,
    /// The program that it was read for.
    program: Program,
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

        let can_read = |path: &Path| if program == Program::Coco { can_read(path) } else { Ok(()) };
        let (listen, address) = Listen::read(&mut document.section("listen"), &can_read);
        let pipeline = Pipeline::read(&mut document.section("pipeline"), address);
        let filter = Filter::read(&mut document.section("filter"));
        let send = Send::read(&mut document.section("send"));
        let api = Api::read(&mut document.section("api"));
        let (fetch_bind, fetch) = Fetch::read(&mut document.section("fetch"));
        let graphite = Graphite::read(&mut document.section("graphite"));
        let measure = Measure::read(&mut document.section("measure"));
        let state = State::read(&mut document.section("state"));
        let stop = Stop::read(&mut document.section("stop"));
        let log = Log::read(&mut document.section("log"));

        // A default that stands in for an unreadable address says nothing about loops.
        let own =
            (program == Program::Coco && document.findings.is_fine("listen.bind")).then_some(&listen.bind);
        let (section, findings) = document.raw_section("tiers");
        let tiers = tiers::read(section, own, &can_read, findings);

        if let Some(tiers) = &tiers {
            check_tiers(tiers, &listen, &send, &mut document, program);
        }

        match tiers {
            Some(tiers) if document.findings.is_empty() => {
                let file = document.findings.take_file();
                Ok(Self {
                    listen,
                    pipeline,
                    filter,
                    send,
                    tiers,
                    api,
                    fetch_bind,
                    fetch,
                    graphite,
                    measure,
                    state,
                    stop,
                    log,
                    file,
                    program,
                })
            }
            _ => Err(document.findings.into_problems()),
        }
    }
}

/// Reports tiers that do not fit the other sections, or the program.
fn check_tiers(tiers: &Tiers, listen: &Listen, send: &Send, document: &mut Document, program: Program) {
    if program == Program::Coco
        && listen.typesdb.is_empty()
        && document.findings.is_fine("listen.typesdb")
        && let Some(need) = engines::need_of_types(tiers)
    {
        document.section("listen").report("typesdb", &need);
    }
    if program == Program::Noodle && tiers.readable().is_none() {
        let message =
            "all are of kind = \"remote_write\", which Noodle does not read: expected one of collectds";
        document.findings.report(None, "tiers", message);
    }
    if document.findings.is_empty() {
        send.check_family(tiers, &mut document.section("send"));
    }
}

impl Config {
    /// All keys with the values that hold, of both programs, in the order of the sample file. It reads back as the same
    /// configuration. There are no passwords in it, as there are none in any: they stand in files of their own.
    pub fn to_toml(&self) -> String {
        self.in_force(self, self.program)
    }

    /// The same for a process that was started with another configuration: keys that need a restart have the values of
    /// that one.
    pub fn in_force(&self, started: &Self, program: Program) -> String {
        self.file.in_force(&self.tiers, &started.file, program)
    }

    /// The keys whose values differ between the two files, but can't change while the program runs.
    pub fn needs_restart<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'static Key> + 'a {
        self.file.needs_restart(&other.file)
    }
}
