//! `cococtl move`: hosts go from their former owners to their new ones while values keep arriving, and no row is lost.
//!
//! What decides is in modules without processes or sockets: [`way`] who goes where, [`steps`] in which order a file goes,
//! [`journal`] what was done; when it may be is [`gate`](crate::gate)'s. What does it: `session` is a node at the other end of ssh, `crew`
//! works on many hosts side by side, `latecomers` holds back what there may be no room for, `carry` takes one through its steps, `survey` asks what there is, `record` is the
//! journal as a file. The rest is a file per subcommand.

pub mod journal;
pub mod steps;
pub mod way;

mod carry;
mod clean;
mod crew;
mod latecomers;
mod options;
mod plan;
mod record;
mod run;
mod session;
mod survey;

use clap::{Args, Subcommand};

use crate::failure::{Failure, Outcome};
use options::Options;

/// What `--json` makes of it.
const JSON: &str = r#"With --json, an object a line:

  plan    {"from", "to", "hosts", "files", "bytes", "arriving", "available"} for two nodes each, and in the end
          {"old", "both", "new", "strays", "hosts", "files", "bytes", "arriving", "seconds"}
  run     {"event": "moved", "checked" or "failed", "host", "from": [node], "to", "files", "changed", "values", "bytes", "unfinished",
          "wrong": [text]}, {"event": "progress", "hosts", "of"}, and in the end {"event": "done", "hosts", "failed", "files",
          "changed", "values", "bytes", "unfinished", "seconds"}
  verify  the same with "verified" for "moved", and "compared" values
  clean   {"event": "removed" or "kept", "host", "from", "files", "bytes", "wrong"}, {"event": "done", ...}

old, both, new: hosts by where they stand, counted in each tier. strays: directories that no tier gives to their node.
arriving: bytes that the new owner has not yet. unfinished: files with rows in progress that may differ once they are full."#;

/// Move the files of hosts to their new owners while values keep arriving
///
/// For hosts on their way by `[tiers.NAME.migration]`. cococtl must be installed on the storage nodes, which are logged in to
/// by ssh. Exit status 1 means that something is not as it should be, and was told; 2, that it may not or can't be done.
#[derive(Debug, Args)]
#[command(after_long_help = JSON)]
pub struct Arguments {
    #[command(subcommand)]
    subcommand: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what there is to move, and how long that takes
    Plan(Options),
    /// Move the files of hosts that are written to both owners, and compare them
    ///
    /// Killed, it goes on where it was. It refuses while not every Coco has written to both for as long as nodes keep values
    /// in memory, and where there is no room.
    Run(Options),
    /// Compare every row of every file of former owners with the new ones'
    Verify(Options),
    /// Remove what former owners have of hosts that are written to the new ones alone, and were verified twice
    Clean(Options),
}

/// Does what the arguments say.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    match &arguments.subcommand {
        Command::Plan(options) => plan::run(options),
        Command::Run(options) => run::run(options),
        Command::Verify(options) => run::verify(options),
        Command::Clean(options) => clean::run(options),
    }
}
