//! How a subcommand ends.

use std::io;
use std::path::{Path, PathBuf};

use coco_core::address::Address;
use coco_daemon::command_line::LoadError;
use thiserror::Error;

/// What a subcommand says by its exit status when it could do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well: 0.
    Fine,
    /// Something was found that somebody should look at, and was told: 1.
    Finding,
}

impl Outcome {
    /// [`Finding`](Self::Finding) if there is something.
    pub fn finding(there_is: bool) -> Self {
        if there_is { Self::Finding } else { Self::Fine }
    }
}

/// Why a subcommand could not do what it was asked for: exit status 2. Displayed with its subject first.
#[derive(Debug, Error)]
pub enum Failure {
    /// A configuration that cannot be read, or is wrong.
    #[error(transparent)]
    Configuration(#[from] LoadError),
    /// Another file that cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A process that gave no answer, or not the one that it should.
    #[error("{url}: {reason}")]
    Api {
        /// What was asked for.
        url: String,
        /// What came instead.
        reason: String,
    },
    /// An address at which nothing can be received, or to which nothing can be sent.
    #[error("{address}: {source}")]
    Address {
        /// As it was given.
        address: Address,
        /// What the system says.
        source: io::Error,
    },
    /// A line of a file that is not as it has to be.
    #[error("{}: line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what was expected.
        reason: String,
    },
    /// A list of hosts that names none.
    #[error("{}: there are no hosts: expected a name a line", path.display())]
    NoHosts {
        /// The file.
        path: PathBuf,
    },
    /// A file that is no capture of packets.
    #[error("{}: {reason}", path.display())]
    Capture {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// Something on the command line that is no regular expression.
    #[error("{_0}")]
    Regex(Box<regex::Error>),
    /// More than one of them, a line each.
    #[error("{}", lines(_0))]
    Several(Vec<Failure>),
    /// A daemon that does not start, or has ended by itself.
    #[error("{program}: {reason}")]
    Daemon {
        /// Which.
        program: &'static str,
        /// Why.
        reason: String,
    },
    /// A process that can't be told anything.
    #[error("process {pid}: {source}")]
    Process {
        /// Its number.
        pid: i32,
        /// What the system says.
        source: io::Error,
    },
    /// A storage node that can't be reached, or does not do what it is asked for.
    #[error("{node}: {reason}")]
    Node {
        /// Which.
        node: String,
        /// Why.
        reason: String,
    },
    /// What is asked for would lose something, or can't be done as things are.
    #[error("{_0}")]
    Refused(String),
    /// Standard output is closed or full.
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
    /// The system refuses something that every process has.
    #[error("cannot start: {0}")]
    System(io::Error),
}

impl Failure {
    /// A file that the system does not give.
    pub fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}

fn lines(failures: &[Failure]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
