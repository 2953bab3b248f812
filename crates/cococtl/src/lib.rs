//! cococtl: what an operator asks of an installation of Coco and Noodle.
//!
//! A file per subcommand, named after it; each has its arguments, with their help, and a `run` that writes what it
//! found to standard output, for people or with `--json` for programs:
//!
//! - [`lookup`] says who owns hosts, [`placement`] how evenly they are spread;
//! - [`plan`] says what a change of the configuration moves;
//! - [`host`] says whether a host still reports, [`silent`] which ones do not ([`known`]), [`top`] what goes where now;
//! - [`check`] compares what running processes route by, [`reload`] has one read its configuration again, [`inconsistent`] what nodes have with who owns it;
//! - [`blacklist`] says what a regular expression would drop;
//! - [`decode`] shows what stands in packets, [`replay`] sends those of a capture again;
//! - [`load`] sends what made-up agents would ([`traffic`]), [`sink`] takes it and tells what is missing ([`ledger`]);
//! - [`mover`], which is `move`, takes the files of hosts to their new owners; [`node`] exchanges RRD files on a storage node
//!   while they are written;
//! - [`size`] calculates what a fleet needs;
//! - [`demo`] runs all of it in one process, with storage nodes in memory ([`storage`]).
//!
//! And what they share: [`configuration`] reads a `coco.conf`, [`hosts`] reads lists of names, [`distribution`] measures
//! evenness, [`loss`] what it costs to lose a target, [`disjoint`] what two configurations write apart, [`api`] asks running
//! processes, whose `/tiers` is a [`tier_state`]; a [`verdict`] says what two of them are to each other, a [`gate`] whether
//! hosts may be moved. [`seen`] tells their metrics one by one, [`dates`] shows times, [`capture`] reads files of packets, [`receive`] listens for them, [`failure`] is why there
//! is no answer.

#![forbid(unsafe_code)]

pub mod api;
pub mod blacklist;
pub mod capture;
pub mod check;
pub mod configuration;
pub mod dates;
pub mod decode;
pub mod demo;
pub mod disjoint;
pub mod distribution;
pub mod failure;
pub mod gate;
pub mod host;
pub mod hosts;
pub mod inconsistent;
pub mod known;
pub mod ledger;
pub mod load;
pub mod lookup;
pub mod loss;
pub mod mover;
pub mod node;
pub mod placement;
pub mod plan;
pub mod receive;
pub mod reload;
pub mod replay;
pub mod seen;
pub mod silent;
pub mod sink;
pub mod size;
pub mod storage;
pub mod tier_state;
pub mod top;
pub mod traffic;
pub mod verdict;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use coco_core::text;

use failure::{Failure, Outcome};

/// The operator's tool for Coco and Noodle
///
/// Exit status: 0 all is well, 1 something was found (a difference, a loss), 2 wrong usage or no answer.
#[derive(Debug, Parser)]
#[command(name = "cococtl", version)]
struct CommandLine {
    #[command(subcommand)]
    subcommand: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Lookup(lookup::Arguments),
    // Its name before there were other ways to place hosts.
    #[command(alias = "ring")]
    Placement(placement::Arguments),
    Plan(plan::Arguments),
    Host(host::Arguments),
    Silent(silent::Arguments),
    Top(top::Arguments),
    Check(check::Arguments),
    Reload(reload::Arguments),
    Inconsistent(inconsistent::Arguments),
    Blacklist(blacklist::Arguments),
    Decode(decode::Arguments),
    Replay(replay::Arguments),
    Load(load::Arguments),
    Sink(sink::Arguments),
    #[command(name = "move")]
    Mover(mover::Arguments),
    Node(node::Arguments),
    Size(size::Arguments),
    Demo(demo::Arguments),
}

/// The command line, for whatever makes documents of it.
pub fn command() -> clap::Command {
    CommandLine::command()
}

/// Does what the arguments say, the name of the program first among them, and returns the exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let outcome = match CommandLine::try_parse_from(arguments) {
        Ok(line) => match line.subcommand {
            Command::Lookup(arguments) => lookup::run(&arguments),
            Command::Placement(arguments) => placement::run(&arguments),
            Command::Plan(arguments) => plan::run(&arguments),
            Command::Host(arguments) => host::run(&arguments),
            Command::Silent(arguments) => silent::run(&arguments),
            Command::Top(arguments) => top::run(&arguments),
            Command::Check(arguments) => check::run(&arguments),
            Command::Reload(arguments) => reload::run(&arguments),
            Command::Inconsistent(arguments) => inconsistent::run(&arguments),
            Command::Blacklist(arguments) => blacklist::run(&arguments),
            Command::Decode(arguments) => decode::run(&arguments),
            Command::Replay(arguments) => replay::run(&arguments),
            Command::Load(arguments) => load::run(&arguments),
            Command::Sink(arguments) => sink::run(&arguments),
            Command::Mover(arguments) => mover::run(&arguments),
            Command::Node(arguments) => node::run(&arguments),
            Command::Size(arguments) => size::run(&arguments),
            Command::Demo(arguments) => demo::run(&arguments),
        },
        Err(stop) => {
            // Fails only where nobody reads it.
            let _ = stop.print();
            return ExitCode::from(u8::try_from(stop.exit_code()).unwrap_or(2));
        }
    };
    match outcome {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Finding) => ExitCode::from(1),
        // Who reads through `head` has seen enough.
        Err(Failure::Output(problem)) if problem.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            for line in failure.to_string().lines() {
                let _ = writeln!(io::stderr(), "cococtl: {}", text::Line(line));
            }
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
