//! The script of `cococtl plan --rsync`, run between two real collectds under load. ssh and rsync are local stand-ins.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use coco_harness::collectd::StorageNode;
use coco_harness::directory::Directory;
use coco_harness::process::Process;
use coco_harness::rrd;
use coco_harness::wait::{PATIENCE, wait_until};

use crate::{cococtl, program};

/// The nodes as the configurations name them.
const OLD: &str = "10.0.0.1";
const NEW: &str = "10.0.0.2";

const HOSTS: [&str; 3] = ["web1", "web2", "web3"];

/// Metrics of each host.
const METRICS: usize = 12;

/// Seconds whose rows are compared.
const WINDOW: i64 = 5;

struct Nodes {
    directory: Directory,
    old: StorageNode,
    new: StorageNode,
    load: Process,
}

impl Nodes {
    /// Two nodes, the first of which gets a row a second of every metric, and keeps it in its cache.
    fn start() -> Self {
        let directory = Directory::new("rsync");
        let [old, new] = ["old", "new"].map(StorageNode::with_cached_rrd_files);
        let hosts = directory.write("hosts", &HOSTS.join("\n"));
        let mut command = program();
        command.args(["load", &old.address.to_string(), "--hosts-from"]).arg(hosts);
        command.args(["--metrics", &METRICS.to_string(), "--interval", "1s"]);
        let load = Process::start("load", directory.path(), &mut command);
        let all = HOSTS.len() * METRICS;
        wait_until(PATIENCE, "files of all metrics", || files(&old.rrd_files()).len() == all);
        let start = seconds();
        wait_until(PATIENCE, "rows to compare", || seconds() > start + WINDOW);
        Self { directory, old, new, load }
    }

    /// The script for these hosts, of which the old node need not have all.
    fn script(&self, hosts: &[&str]) -> String {
        let [old, new] = [("old.conf", OLD), ("new.conf", NEW)].map(|(name, node)| {
            self.directory.write(name, &format!("[tiers.a]\ntargets = [\"{node}:25826\"]\n"))
        });
        let (hosts, rrd) = (self.directory.write("moved", &hosts.join("\n")), self.old.rrd_files());
        let [old, new, hosts, rrd] = [&old, &new, &hosts, &rrd].map(|path| path.to_str().unwrap());
        let ended = cococtl(["plan", old, new, "--hosts", hosts, "--rsync", rrd], b"");
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
        ended.stdout
    }

    /// Runs the script where ssh runs commands here, with the directory of the node that is named, and rsync copies
    /// files. What `collectdctl` is there is given.
    fn run(&self, script: &str, collectdctl: &str, environment: &[(&str, &str)]) -> Output {
        let [old, new] = [&self.old, &self.new].map(|node| node.rrd_files().display().to_string());
        let process = self.old.process_id();
        let ssh = format!(
            r#"[ "$1 $2" = '-n --' ] || exit 9
            case $3 in
            {OLD}) command=$4 ;;
            {NEW}) command=$(printf '%s' "$4" | sed 's|{old}|{new}|g') ;;
            *) exit 255 ;;
            esac
            exec sh -c "$command""#
        );
        // rsync --archive WHICH --protect-args -- DIRECTORY NODE:PARENT/
        let rsync = format!(
            r#"[ "$1 $3 $4 $6" = '--archive --protect-args -- {NEW}:{old}/' ] || exit 9
            case $2 in --ignore-existing) how=-n ;; --update) how=-u ;; esac
            [ -d "$5" ] || exit 23
            exec cp -a $how "$5" '{new}/'"#
        );
        let pkill = format!(r#"[ "$*" = '-USR1 -x collectd' ] && exec kill -USR1 {process}"#);
        let bin = self.directory.path().join("bin");
        fs::create_dir_all(&bin).unwrap();
        for (name, text) in
            [("ssh", ssh.as_str()), ("rsync", &rsync), ("collectdctl", collectdctl), ("pkill", &pkill)]
        {
            let path = bin.join(name);
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::create_dir_all(&new).unwrap();
        let file = self.directory.write("move.sh", script);
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        Command::new("sh").arg(file).env("PATH", path).envs(environment.iter().copied()).output().unwrap()
    }

    /// Compares the files of the new node with those of the old one when all is written there: no row until this second
    /// is missing.
    fn assert_all_copied(mut self, until: i64) {
        assert!(self.load.stop().success());
        self.old.stop_in_place();
        let (old, new) = (self.old.rrd_files(), self.new.rrd_files());
        let all = files(&old);
        assert_eq!(all.len(), HOSTS.len() * METRICS);
        for file in all {
            let copy = new.join(file.strip_prefix(&old).unwrap());
            let [expected, copied] = [&file, &copy].map(|file| rrd::fetch(file, until - WINDOW, until));
            assert_eq!(copied, expected, "{}", copy.display());
            let rows = expected.values().flatten().filter(|row| row.is_some()).count();
            assert!(rows > 0, "no rows in {}: {expected:?}", file.display());
        }
    }
}

/// The last second that is over.
fn seconds() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap() - 1
}

/// All RRD files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rrd") {
            found.push(path);
        }
    }
    found
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn no_row_is_missing_where_collectd_takes_commands() {
    let nodes = Nodes::start();
    let script = nodes.script(&HOSTS);
    let real = Command::new("sh").args(["-c", "command -v collectdctl"]).output().unwrap();
    assert!(real.status.success(), "collectdctl is installed");
    let collectdctl =
        format!(r#"exec {} -s '{}' "$@""#, text(&real.stdout).trim(), nodes.old.socket().display());
    let until = seconds();
    let run = nodes.run(&script, &collectdctl, &[]);
    assert_eq!((run.status.code(), text(&run.stderr)), (Some(0), String::new()));
    assert_eq!(text(&run.stdout), "3 copies, 0 failures\n");
    nodes.assert_all_copied(until);
}

#[test]
fn no_row_is_missing_where_collectd_takes_signals_alone() {
    let nodes = Nodes::start();
    let script = nodes.script(&HOSTS);
    // What was copied earlier is older by the time that it matters: it is warned of, and brought up to date if wanted.
    fs::create_dir_all(nodes.new.rrd_files().join("web2")).unwrap();
    let run = nodes.run(&script, "exit 1", &[]);
    let warning =
        "warning: the new owner has files of web2: with --ignore-existing they may be older or newer\n";
    assert_eq!((run.status.code(), text(&run.stderr)), (Some(0), warning.to_owned()));
    let until = seconds();
    let run = nodes.run(&script, "exit 1", &[("UPDATE", "yes")]);
    assert_eq!(run.status.code(), Some(0), "{run:?}");
    assert_eq!(text(&run.stderr).matches("warning: the new owner has files of web").count(), 3, "{run:?}");
    nodes.assert_all_copied(until);
}

#[test]
fn failures_are_counted_and_are_the_status() {
    let nodes = Nodes::start();
    let script = nodes.script(&["web1", "gone", "web3"]);
    let run = nodes.run(&script, "exit 0", &[]);
    // The last copy is fine; the status is that of all.
    assert_eq!(
        (run.status.code(), text(&run.stdout).as_str()),
        (Some(1), "3 copies, 1 failures\n"),
        "{run:?}"
    );
    assert!(text(&run.stderr).contains("failed: copying gone from 10.0.0.1\n"), "{run:?}");
    let run = nodes.run(&script.replace(OLD, "10.0.0.9"), "exit 0", &[]);
    assert_eq!(
        (run.status.code(), text(&run.stdout).as_str()),
        (Some(1), "3 copies, 4 failures\n"),
        "{run:?}"
    );
    let told = "failed: 10.0.0.9 does not flush: the last minutes are missing\n";
    assert!(text(&run.stderr).contains(told), "{run:?}");
}
