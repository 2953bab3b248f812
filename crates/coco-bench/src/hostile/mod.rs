//! The attacks that the daemons have to bear, each against a fresh release build, with honest users beside it.
//!
//! A row of [`ROWS`] is an attack with its bars; [`stage`] starts the daemon and those who watch ([`manager`],
//! [`honest`]); [`clients`], [`floods`], [`nodes`] and [`outside`] are the attacks, [`datagrams`] what floods are made of;
//! [`table`] judges and prints. Everything is bounded in count and in time and stays on loopback.

mod clients;
mod datagrams;
mod floods;
mod honest;
mod manager;
mod nodes;
mod outside;
mod stage;
mod table;

use std::fmt::Arguments;

use clap::ValueEnum;

use crate::error::Error;
use crate::procfs::{Machine, raise_descriptors};
use crate::subject::Place;
use stage::{Daemon, Finding};

/// Memory bars in MiB: a lane's `state.max_memory` and Noodle's `fetch.max_memory` by default, with 64 MiB each; and
/// what a flood of few hosts may take.
const WITH_STATE: u64 = 256 + 64;
const FEW_HOSTS: u64 = 256;

/// An attack on one of the daemons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attack {
    UnreadLogCoco,
    UnreadLogNoodle,
    SlowTiers,
    Globs,
    ReadersCoco,
    ReadersNoodle,
    IdlersCoco,
    IdlersNoodle,
    DenseOneThread,
    DenseTwoThreads,
    DenseThreeThreads,
    ChangingNames,
    SlowClients,
    Reloads,
    FifoCoco,
    FifoNoodle,
}

/// What is done, and what must hold.
struct Row {
    attack: Attack,
    title: &'static str,
    /// In MiB.
    most_memory: u64,
    /// Whether values may be lost, though no more than datagrams that the kernel dropped in front of Coco.
    may_lose: bool,
    /// Whether the honest client must get its view each time.
    serves_view: bool,
    run: fn(&Scene<'_>) -> Result<Finding, Error>,
}

impl Row {
    const fn new(
        attack: Attack,
        title: &'static str,
        most_memory: u64,
        run: fn(&Scene<'_>) -> Result<Finding, Error>,
    ) -> Self {
        Self { attack, title, most_memory, may_lose: false, serves_view: false, run }
    }

    const fn flood(
        attack: Attack,
        title: &'static str,
        most_memory: u64,
        run: fn(&Scene<'_>) -> Result<Finding, Error>,
    ) -> Self {
        Self { attack, title, most_memory, may_lose: true, serves_view: false, run }
    }
}

const ROWS: [Row; 16] = [
    Row::new(Attack::UnreadLogCoco, "coco: nobody reads its log", WITH_STATE, |scene| {
        outside::unread_log(scene, Daemon::Coco)
    }),
    Row::new(Attack::UnreadLogNoodle, "noodle: nobody reads its log", WITH_STATE, |scene| {
        outside::unread_log(scene, Daemon::Noodle)
    }),
    Row::flood(
        Attack::SlowTiers,
        "coco: slow readers of `/tiers`, and floods",
        WITH_STATE,
        floods::slow_tiers,
    ),
    Row::new(Attack::Globs, "noodle: globs, and targets that say nothing", WITH_STATE, nodes::globs),
    Row::new(Attack::ReadersCoco, "coco: clients pipeline `/metrics`", WITH_STATE, |scene| {
        clients::readers(scene, Daemon::Coco)
    }),
    Row::new(Attack::ReadersNoodle, "noodle: clients pipeline `/metrics`", WITH_STATE, |scene| {
        clients::readers(scene, Daemon::Noodle)
    }),
    Row::new(Attack::IdlersCoco, "coco: clients pipeline and don't read", WITH_STATE, |scene| {
        clients::idlers(scene, Daemon::Coco)
    }),
    Row::new(Attack::IdlersNoodle, "noodle: clients pipeline and don't read", WITH_STATE, |scene| {
        clients::idlers(scene, Daemon::Noodle)
    }),
    Row::flood(Attack::DenseOneThread, "coco: floods of few hosts, 1 thread", FEW_HOSTS, |scene| {
        floods::dense(scene, 1)
    }),
    Row::flood(Attack::DenseTwoThreads, "coco: floods of few hosts, 2 threads", FEW_HOSTS, |scene| {
        floods::dense(scene, 2)
    }),
    Row::flood(Attack::DenseThreeThreads, "coco: floods of few hosts, 3 threads", FEW_HOSTS, |scene| {
        floods::dense(scene, 3)
    }),
    Row::flood(
        Attack::ChangingNames,
        "coco: names that change, `state.expire` of 1 s",
        WITH_STATE,
        floods::changing_names,
    ),
    Row {
        serves_view: true,
        ..Row::new(
            Attack::SlowClients,
            "noodle: slow clients of large answers",
            WITH_STATE,
            nodes::slow_clients,
        )
    },
    Row::new(Attack::Reloads, "coco: a storm of reloads", WITH_STATE, outside::reloads),
    Row::new(Attack::FifoCoco, "coco: its file becomes a FIFO", WITH_STATE, |scene| {
        outside::fifo(scene, Daemon::Coco)
    }),
    Row::new(Attack::FifoNoodle, "noodle: its file becomes a FIFO", WITH_STATE, |scene| {
        outside::fifo(scene, Daemon::Noodle)
    }),
];

/// Where attacks take place.
pub(crate) struct Scene<'a> {
    pub(crate) place: &'a Place,
    /// Whether the smaller size is enough.
    pub(crate) short: bool,
    pub(crate) progress: fn(Arguments<'_>),
}

impl Scene<'_> {
    /// A count or a number of seconds, by the size that is wanted.
    fn size(&self, full: usize, short: usize) -> usize {
        if self.short { short } else { full }
    }

    /// Runs these attacks, all if there are none. Returns the table, and whether no bar was missed.
    pub(crate) fn run(&self, only: &[Attack]) -> Result<(String, bool), Error> {
        raise_descriptors()?;
        let mut lines = Vec::new();
        for row in ROWS.iter().filter(|row| only.is_empty() || only.contains(&row.attack)) {
            (self.progress)(format_args!("{} ...", row.title));
            let line = table::Line::new(row, (row.run)(self));
            (self.progress)(format_args!("{line}"));
            lines.push(line);
        }
        let sound = lines.iter().all(table::Line::is_sound);
        Ok((table::table(&Machine::this()?, &lines), sound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coco_core::config::{Config, Program};

    #[test]
    fn every_attack_has_its_row() {
        for attack in Attack::value_variants() {
            assert_eq!(ROWS.iter().filter(|row| row.attack == *attack).count(), 1, "{attack:?}");
        }
    }

    #[test]
    fn configurations_are_such_as_the_daemons_accept() {
        let address = ([127, 0, 0, 1], 7).into();
        let others: Vec<_> = (8..20).map(|port| ([127, 0, 0, 1], port).into()).collect();
        let text = stage::coco_config(address, &others, "[pipeline]\nthreads = 3\n");
        assert_eq!(Config::parse(&text, Program::Coco).unwrap().tiers.iter().count(), 2);
        Config::parse(&stage::noodle_config(&others), Program::Noodle).unwrap();
    }
}
