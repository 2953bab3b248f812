//! cococtl: what an operator asks of an installation of Coco and Noodle.
//!
//! A file per subcommand, named after it; each has its arguments, with their help, and a `run` that writes what it
//! found to standard output, for people or with `--json` for programs:
//!
//! - [`lookup`] says who owns hosts.
//!
//! And what they share: [`configuration`] reads a `coco.conf`, [`hosts`] reads lists of names, [`text`] shows what
//! strangers sent, [`api`] asks running processes, [`failure`] is why there is no answer.

#![forbid(unsafe_code)]

pub mod api;
pub mod configuration;
pub mod failure;
pub mod hosts;
pub mod lookup;
pub mod text;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

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
            let _ = writeln!(io::stderr(), "cococtl: {failure}");
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
