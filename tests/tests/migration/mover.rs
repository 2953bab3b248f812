//! `cococtl move` as an operator runs it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use coco_harness::directory::Directory;
use coco_harness::process::Process;
use coco_harness::program::Program;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::transport::{Cut, Transport};

/// The longest that a run may take.
const LONGEST_RUN: Duration = Duration::from_secs(240);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The last line, an object of JSON.
    pub(crate) fn sum(&self) -> Value {
        let line = self.stdout.lines().last().unwrap_or_else(|| panic!("{self:?}"));
        serde_json::from_str(line).unwrap_or_else(|problem| panic!("{problem}: {self:?}"))
    }

    /// The same of one where nothing is wrong.
    pub(crate) fn expect_well(self) -> Value {
        assert_eq!(self.status, Some(0), "{self:?}");
        self.sum()
    }
}

/// The tool, the file that it goes by, and its journals.
pub(crate) struct Mover {
    pub(crate) transport: Transport,
    directory: Directory,
    /// All that is given besides the subcommand.
    options: Vec<String>,
}

impl Mover {
    /// For these Cocos and nodes, each an address and a name.
    pub(crate) fn new(cache_time: &str, apis: &[String], nodes: &[(String, String)]) -> Self {
        let transport = Transport::start();
        let mut options: Vec<String> =
            ["--json", "--cache-time", cache_time, "--ssh"].map(str::to_owned).to_vec();
        options.push(transport.command().display().to_string());
        options.extend(apis.iter().flat_map(|api| ["--api".to_owned(), format!("http://{api}")]));
        let names =
            nodes.iter().flat_map(|(address, name)| ["--node".to_owned(), format!("{address}={name}")]);
        options.extend(names);
        Self { transport, directory: Directory::new("mover"), options }
    }

    /// The file that it goes by from now on.
    pub(crate) fn configure(&self, text: &str) {
        self.directory.write("coco.conf", text);
    }

    /// Where it writes what it has done; a way back has a journal of its own.
    fn journal(&self, words: &[&str]) -> PathBuf {
        self.directory.path().join(if words.contains(&"--back") { "back" } else { "journal" })
    }

    fn start(&self, words: &[&str]) -> (Process, Directory) {
        let output = Directory::new("run");
        let mut command = Command::new(Program::Cococtl.path());
        command.arg("move").args(words).arg(self.directory.path().join("coco.conf"));
        command.args(&self.options).arg("--journal").arg(self.journal(words));
        let process = Process::start(&format!("cococtl move {words:?}"), output.path(), &mut command);
        (process, output)
    }

    /// A subcommand with its options, to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        let (mut process, _output) = self.start(words);
        let status = process.ended(LONGEST_RUN).code();
        Ended { status, stdout: process.stdout(), stderr: process.stderr() }
    }

    /// The same, killed at a step. Whether it came to that.
    pub(crate) fn kill_at(&self, words: &[&str], cut: Cut) -> bool {
        let is_due = self.transport.cut(cut);
        let (mut process, _output) = self.start(words);
        let mut is_killed = false;
        coco_harness::wait::wait_until(LONGEST_RUN, "a step or an end", || {
            is_killed = is_due.try_recv().is_ok();
            is_killed || process.has_ended()
        });
        if is_killed {
            process.signal(Signal::SIGKILL);
            process.ended(coco_harness::wait::PATIENCE);
        }
        self.transport.mend();
        is_killed
    }

    /// Whether there is a journal yet.
    pub(crate) fn has_begun(&self) -> bool {
        Path::exists(&self.journal(&[]))
    }
}
