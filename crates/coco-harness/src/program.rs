//! The programs under test: building, starting, running them.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::directory::Directory;
use crate::pipe::UnreadPipe;
use crate::process::Process;
use crate::wait::PATIENCE;

/// A program under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `coco`
    Coco,
    /// `noodle`
    Noodle,
    /// `cococtl`
    Cococtl,
    /// `anomalous_coco_send`
    AnomalousCocoSend,
    /// `anomalous_coco_errors`
    AnomalousCocoErrors,
}

impl Program {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Coco => "coco",
            Self::Noodle => "noodle",
            Self::Cococtl => "cococtl",
            Self::AnomalousCocoSend => "anomalous_coco_send",
            Self::AnomalousCocoErrors => "anomalous_coco_errors",
        }
    }

    /// The package that it is built from.
    fn package(self) -> &'static str {
        match self {
            Self::Coco | Self::Noodle | Self::Cococtl => self.name(),
            Self::AnomalousCocoSend | Self::AnomalousCocoErrors => "coco-checks",
        }
    }

    /// The one named by the environment variable `COCO`, `NOODLE` and so on (a release build, an installed package),
    /// or else the one that cargo builds from this workspace.
    #[must_use]
    pub fn path(self) -> &'static Path {
        static PATHS: [OnceLock<PathBuf>; 5] = [const { OnceLock::new() }; 5];
        PATHS[self as usize].get_or_init(|| {
            let variable = self.name().to_uppercase();
            std::env::var_os(variable).map_or_else(|| build(self.package(), self.name()), PathBuf::from)
        })
    }
}

/// How a program ended that was not meant to stay.
#[derive(Debug)]
pub struct Ended {
    /// The exit status; none after a signal.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// What a daemon says when it serves.
const READY: &str = "ready fingerprint=";

/// Starts a program with the given configuration, waits until it says that it is ready, and returns it with the
/// directory of its files.
///
/// # Panics
/// When it doesn't come up.
#[must_use]
pub fn start(program: Program, config: &str) -> (Process, Directory) {
    start_within(program, config, &[])
}

/// The same with some variables in its environment.
///
/// # Panics
/// When it doesn't come up.
#[must_use]
pub fn start_within(program: Program, config: &str, environment: &[(&str, &OsStr)]) -> (Process, Directory) {
    let mut command = Command::new(program.path());
    command.envs(environment.iter().copied());
    start_by(command, program, config)
}

/// The same with another build of it.
///
/// # Panics
/// When it doesn't come up.
#[must_use]
pub fn start_build(program: Program, build: &Path, config: &str) -> (Process, Directory) {
    start_by(Command::new(build), program, config)
}

/// The same as one who may read no more than others, though root started it.
///
/// # Panics
/// When it doesn't come up.
#[must_use]
pub fn start_unprivileged(program: Program, config: &str) -> (Process, Directory) {
    start_by(unprivileged(program.path()), program, config)
}

/// A program without the privileges that root has over files of others and over its own: in a namespace in which these
/// files are nobody's (user_namespaces(7)).
#[must_use]
pub fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.arg("--user").arg(program);
    command
}

fn start_by(mut command: Command, program: Program, config: &str) -> (Process, Directory) {
    let directory = Directory::new(program.name());
    command.arg(directory.write("coco.conf", config));
    let mut process = Process::start(program.name(), directory.path(), &mut command);
    process
        .wait_for("ready", |process| process.stdout().lines().any(|line| line.contains(READY)).then_some(()));
    (process, directory)
}

/// The same with standard output and standard error into one pipe, which nobody reads any more once the program is
/// ready.
///
/// # Panics
/// When it doesn't come up.
#[must_use]
pub fn start_unread(program: Program, config: &str) -> (Process, Directory, UnreadPipe) {
    let directory = Directory::new(program.name());
    let path = directory.write("coco.conf", config);
    let (mut pipe, ends) = UnreadPipe::new();
    let process =
        Process::start_into(program.name(), directory.path(), Command::new(program.path()).arg(path), ends);
    pipe.read_until(READY);
    pipe.fill();
    (process, directory, pipe)
}

/// Runs a program that is to end by itself, with standard output and standard error into a full pipe.
///
/// # Panics
/// When it stays.
#[must_use]
pub fn run_unread(program: Program, config: &Path) -> ExitStatus {
    let directory = Directory::new(program.name());
    let (pipe, ends) = UnreadPipe::new();
    pipe.fill();
    let command = &mut Command::new(program.path());
    Process::start_into(program.name(), directory.path(), command.arg(config), ends).ended(PATIENCE)
}

/// Runs a program that may have so many files and sockets open, with these arguments, until it ends.
///
/// # Panics
/// When it stays.
#[must_use]
pub fn run_with_descriptors<A: AsRef<OsStr>>(program: Program, most: u32, arguments: &[A]) -> Ended {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &most.to_string()]);
    run_to_the_end(program, command.arg(program.path()).args(arguments))
}

/// Runs a program with these arguments until it ends.
///
/// # Panics
/// When it stays.
#[must_use]
pub fn run<A: AsRef<OsStr>>(program: Program, arguments: &[A]) -> Ended {
    run_to_the_end(program, Command::new(program.path()).args(arguments))
}

fn run_to_the_end(program: Program, command: &mut Command) -> Ended {
    let directory = Directory::new(&format!("{}-run", program.name()));
    let mut process = Process::start(program.name(), directory.path(), command);
    let status = process.ended(PATIENCE).code();
    Ended { status, stdout: process.stdout(), stderr: process.stderr() }
}

/// The address that a program logged with an event.
///
/// # Panics
/// When it didn't.
#[must_use]
pub fn logged_address(log: &str, event: &str) -> SocketAddr {
    let line =
        log.lines().find(|line| line.contains(event)).unwrap_or_else(|| panic!("no '{event}' in {log}"));
    let (_, rest) = line.split_once("address=").unwrap_or_else(|| panic!("no address in: {line}"));
    let address = rest.split_whitespace().next().unwrap_or_default();
    address.parse().unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Has cargo build a program, since a test can't name the binary of another package, and returns its path.
fn build(package: &str, name: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let output = Command::new(cargo)
        .current_dir(crate::repository())
        .args(["build", "--quiet", "--package", package, "--bin", name])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{name} doesn't build");
    let messages = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let executable = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message["executable"].as_str()?))
    });
    executable.expect("cargo names the program it built")
}
