//! Each subcommand as an operator runs it: the built program, its output, its exit status.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod away;
mod blacklist;
mod captures;
mod check;
mod decode;
mod demo;
mod frames;
mod inconsistent;
mod lookup;
mod moving;
mod node;
mod placement;
mod plan;
mod plan_migration;
mod plan_rsync;
mod reload;
mod replay;
mod runbooks;
mod running;
mod traffic;

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use coco_harness::directory::Directory;
use serde_json::Value;

/// How a run ended.
#[derive(Debug)]
struct Ended {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// Standard output as one value of JSON.
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Standard output as one value of JSON a line.
    fn json_lines(&self) -> Vec<Value> {
        let line = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        self.stdout.lines().map(line).collect()
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cococtl"))
}

/// Runs cococtl until it ends by itself.
fn cococtl(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>, stdin: &[u8]) -> Ended {
    let mut command = program();
    let command = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // Whoever does not read its input has ended, and is judged by its end.
            let _ = input.write_all(stdin);
        });
        child.wait_with_output().unwrap()
    });
    Ended {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A file with tiers of so many targets, `10.TIER.0.1:25826` and so on; tiers are numbered from 1.
fn tiers(directory: &Directory, name: &str, targets: &[(&str, usize)]) -> PathBuf {
    let mut text = String::new();
    for (number, (tier, targets)) in (1..).zip(targets) {
        let targets: Vec<_> =
            (1..=*targets).map(|target| format!("\"10.{number}.0.{target}:25826\"")).collect();
        text += &format!("[tiers.{tier}]\ntargets = [{}]\n", targets.join(", "));
    }
    directory.write(name, &text)
}

#[test]
fn wrong_usage_is_told_apart() {
    for wrong in
        [&["lokup"][..], &[], &["lookup", "--api", "https://localhost", "web1"], &["lookup", "--jsno"]]
    {
        let ended = cococtl(wrong, b"");
        assert_eq!(ended.status, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("Usage") || ended.stderr.contains("--help"), "{ended:?}");
    }
    for right in ["--help", "--version"] {
        assert_eq!(cococtl([right], b"").status, Some(0));
    }
}

#[test]
fn every_command_says_what_stands_in_its_json() {
    for command in cococtl::command().get_subcommands() {
        let help = cococtl([command.get_name(), "--help"], b"");
        assert_eq!(help.status, Some(0));
        assert!(help.stdout.contains("--json") && help.stdout.contains("With --json, "), "{}", help.stdout);
    }
}
