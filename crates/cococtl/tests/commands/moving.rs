//! `cococtl move` between real storage nodes under load: values keep arriving all the time, and another node that has all
//! of them from the start is the truth. ssh is a stand-in that starts `cococtl node` here.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use coco_harness::coco::{Coco, Config};
use coco_harness::collectd::StorageNode;
use coco_harness::directory::Directory;
use coco_harness::process::Process;
use coco_harness::rrdcached::Rrdcached;
use coco_harness::wait::{PATIENCE, wait_until};
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rrd::compare::{Strictness, compare};
use rrd::file::RrdFile;

use crate::{Ended, cococtl, program};

/// Names of the nodes, the first two of which have the hosts. The last gets everything, whatever becomes of the others.
const NODES: [&str; 4] = ["s1", "s2", "s3", "truth"];

const HOSTS: usize = 6;

/// Metrics of each host.
const METRICS: usize = 4;

/// Runs are killed in the middle of a host up to so many milliseconds after their start, then at lines of the journal.
const MOST_BEFORE_KILL: u64 = 600;

/// Seconds of the longest rows.
const LONGEST_ROW: u64 = 7;

/// What nodes keep values in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// collectd's rrdtool plugin, which keeps none.
    AtOnce,
    /// The same, which keeps them for two minutes.
    Cached,
    /// An rrdcached.
    Rrdcached,
}

/// One storage node.
struct Node {
    // Dropped in this order: who writes before who keeps.
    collectd: StorageNode,
    daemon: Option<Rrdcached>,
    data: PathBuf,
    _base: Option<Directory>,
}

impl Node {
    fn start(name: &str, kind: Kind) -> Self {
        match kind {
            Kind::Rrdcached => {
                let base = Directory::new(name);
                let daemon = Rrdcached::start(base.path());
                let collectd = StorageNode::with_rrdcached_of_long_rows(name, &daemon.socket, base.path());
                Self { collectd, daemon: Some(daemon), data: base.path().to_owned(), _base: Some(base) }
            }
            Kind::AtOnce | Kind::Cached => {
                let collectd = StorageNode::with_long_rows(name, if kind == Kind::AtOnce { 0 } else { 120 });
                let data = collectd.rrd_files();
                Self { collectd, daemon: None, data, _base: None }
            }
        }
    }

    fn writer(&self) -> String {
        match &self.daemon {
            Some(daemon) => format!("rrdcached:{}", daemon.socket.display()),
            None => format!("collectd:{}", self.collectd.socket().display()),
        }
    }

    /// Stops it with all that it got in its files.
    fn stop(&mut self) {
        self.collectd.nudge();
        self.collectd.stop_in_place();
        if let Some(daemon) = &mut self.daemon {
            // It writes what it keeps before it ends.
            assert!(daemon.process.stop().success());
        }
    }
}

struct Scene {
    directory: Directory,
    nodes: Vec<Node>,
    coco: Coco,
    load: Process,
    config: PathBuf,
    /// Whether a run may be killed and begun anew.
    kills: Cell<usize>,
}

impl Scene {
    /// All hosts are on the first two nodes, and on the one that is the truth.
    fn start(kind: Kind) -> Self {
        let directory = Directory::new("move");
        let nodes: Vec<_> = NODES.iter().map(|name| Node::start(name, kind)).collect();
        let coco = Coco::start(&configuration(&nodes, 2, ""));
        let mut command = program();
        command.args(["load", &coco.listen.to_string(), "--hosts", &HOSTS.to_string()]);
        command.args(["--metrics", &METRICS.to_string(), "--interval", "1s"]);
        let load = Process::start("load", directory.path(), &mut command);
        let truth = nodes[3].data.clone();
        wait_until(PATIENCE, "files of all metrics", || files(&truth).len() == HOSTS * METRICS);
        let config = directory.path().join("coco.conf");
        let scene = Self { directory, nodes, coco, load, config, kills: Cell::new(0) };
        scene.write_ssh();
        scene.pass(2 * LONGEST_ROW);
        scene
    }

    /// ssh, which is given a node and a command.
    fn write_ssh(&self) {
        let mut text = "#!/bin/sh\ncase $1 in\n".to_owned();
        for (name, node) in NODES.iter().zip(&self.nodes) {
            let (data, writer) = (node.data.display(), node.writer());
            text += &format!("{name}) set -- --data '{data}' --writer '{writer}' ;;\n");
        }
        let cococtl = program().get_program().to_str().unwrap().to_owned();
        text += &format!("*) exit 255 ;;\nesac\nexec '{cococtl}' node \"$@\" serve\n");
        let path = self.directory.write("ssh", &text);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Waits for so many seconds of rows, since what is measured is measured once a second.
    fn pass(&self, seconds: u64) {
        let start = Instant::now();
        wait_until(PATIENCE, "rows", || start.elapsed() > Duration::from_secs(seconds));
    }

    /// Has Coco go on by other shares.
    fn reload(&mut self, targets: usize, migration: &str) {
        let text = configuration(&self.nodes, targets, migration);
        fs::write(&self.config, &text).unwrap();
        let said = self.coco.reload(&text);
        assert!(said.contains("reloaded old="), "{said}");
    }

    fn arguments(&self, subcommand: &str) -> Vec<String> {
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        let mut arguments = ["move", subcommand, &path("coco.conf"), "--json", "--cache-time", "2s"]
            .map(str::to_owned)
            .to_vec();
        arguments.extend(["--journal".to_owned(), path("journal"), "--ssh".to_owned(), path("ssh")]);
        arguments.extend(["--api".to_owned(), format!("http://{}", self.coco.api)]);
        for (name, node) in NODES[..3].iter().zip(&self.nodes) {
            arguments.extend(["--node".to_owned(), format!("{}={name}", node.collectd.address)]);
        }
        arguments
    }

    fn run(&self, subcommand: &str) -> Ended {
        cococtl(self.arguments(subcommand), b"")
    }

    /// The same with other options; a journal of another name is beside the first.
    fn run_with(&self, subcommand: &str, options: &[&str]) -> Ended {
        let mut arguments = self.arguments(subcommand);
        let place = arguments.iter().position(|argument| argument == "--journal").unwrap();
        if options.contains(&"--journal") {
            arguments.drain(place..place + 2);
        }
        let journal = self.directory.path().join("back").display().to_string();
        arguments.extend(
            options
                .iter()
                .map(|option| if *option == "back" { journal.clone() } else { (*option).to_owned() }),
        );
        cococtl(arguments, b"")
    }

    /// The same until the gate is open.
    fn run_when_open(&self, subcommand: &str) -> Ended {
        let ended = self.run(subcommand);
        assert_eq!(ended.status, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("it has to be more than 2 s"), "{ended:?}");
        self.pass(3);
        self.run(subcommand)
    }

    /// Kills a run once it has written a line of its journal, or after so many milliseconds, and all that it has started,
    /// again and again until one ends by itself.
    fn kill_again_and_again(&self) {
        let journal = self.directory.path().join("journal");
        let lines = || fs::read_to_string(&journal).map_or(0, |text| text.lines().count());
        for milliseconds in (0..).step_by(15) {
            let (before, start) = (lines(), Instant::now());
            let mut command = program();
            command.args(self.arguments("run"));
            let mut run = Process::start("run", &self.directory.path().join("runs"), &mut command);
            let has_ended = Cell::new(false);
            let is_late =
                || milliseconds < MOST_BEFORE_KILL && start.elapsed() > Duration::from_millis(milliseconds);
            wait_until(PATIENCE, "a line, a time or an end", || {
                has_ended.set(run.has_ended());
                has_ended.get() || lines() > before || is_late()
            });
            if has_ended.get() {
                break;
            }
            let nodes = children(run.id());
            run.signal(Signal::SIGKILL);
            // Every other time they go on to the end of what they were asked, as behind a lost connection.
            for node in nodes.into_iter().filter(|_| milliseconds % 2 == 0) {
                // It may have ended by itself.
                let _ = kill(Pid::from_raw(node), Signal::SIGKILL);
            }
            run.ended(PATIENCE);
            self.kills.set(self.kills.get() + 1);
        }
    }

    /// Ends all, and finds every row that the truth knows where its host belongs now, and nowhere else a host that was
    /// removed. Returns how many values that was.
    fn assert_nothing_is_lost(mut self, owner: impl Fn(&str) -> usize) -> u64 {
        assert!(self.load.stop().success());
        self.nodes.iter_mut().for_each(Node::stop);
        let mut values = 0;
        let truth = &self.nodes[3].data;
        let all = files(truth);
        assert_eq!(all.len(), HOSTS * METRICS);
        for file in all {
            let name = file.strip_prefix(truth).unwrap();
            let owner = owner(name.iter().next().unwrap().to_str().unwrap());
            let [expected, found] = [&file, &self.nodes[owner].data.join(name)].map(|file| read(file));
            let compared = compare(&expected, &found, Strictness::Same).unwrap();
            assert!(compared.is_settled(), "{}: {compared:?}", file.display());
            values += compared.values;
        }
        values
    }
}

/// Tier a is on the first so many nodes; tier b on the last.
fn configuration(nodes: &[Node], targets: usize, migration: &str) -> String {
    let target = |(name, node): (&&str, &Node)| {
        format!("{{ name = \"{name}\", address = \"{}\" }}", node.collectd.address)
    };
    let listed: Vec<_> = NODES.iter().zip(nodes).map(target).collect();
    let (a, truth) = (listed[..targets].join(", "), &listed[3]);
    let tiers = format!(
        "[tiers.a]\nhash = \"rendezvous\"\ntargets = [{a}]\n{migration}\n[tiers.b]\nhash = \"rendezvous\"\ntargets = [{truth}]\n"
    );
    Config::new::<String>(&[]).text() + &tiers
}

fn migration(both: &str, new: &str) -> String {
    format!("migration = {{ both = \"{both}\", new = \"{new}\", from = {{ targets = [\"s1\", \"s2\"] }} }}")
}

fn read(file: &Path) -> RrdFile {
    let bytes = fs::read(file).unwrap_or_else(|problem| panic!("{}: {problem}", file.display()));
    RrdFile::read(bytes).unwrap()
}

/// The processes that a process has started.
fn children(process: u32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    texts.flat_map(|text| text.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()).collect()
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

/// The node that owns a host.
fn owner(scene: &Scene, host: &str) -> usize {
    let address = scene.coco.owner(host, "a");
    scene.nodes.iter().position(|node| node.collectd.address.to_string() == address).unwrap()
}

fn hosts(scene: &Scene) -> Vec<String> {
    let entries = fs::read_dir(&scene.nodes[3].data).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A third node comes, gets its hosts, and they are removed where they were.
fn grow(kind: Kind, with_kills: bool) {
    let mut scene = Scene::start(kind);
    scene.reload(3, &migration("0%", "0%"));
    scene.reload(3, &migration("100%", "0%"));
    let before: Vec<_> = hosts(&scene).into_iter().map(|host| (owner(&scene, &host), host)).collect();
    let lock = locked_file(&scene);
    let planned = scene.run("plan");
    assert_eq!(planned.status, Some(0), "{planned:?}");
    let total = planned.json_lines().pop().unwrap();
    let moving = total["both"].as_u64().unwrap();
    assert!(moving > 0 && total["files"] == moving * METRICS as u64, "{total}");
    let refused = scene.run("run");
    assert_eq!(refused.status, Some(2), "{refused:?}");
    fs::create_dir_all(scene.directory.path().join("runs")).unwrap();
    if with_kills {
        scene.pass(3);
        scene.kill_again_and_again();
        assert!(scene.kills.get() as u64 >= moving, "{} kills", scene.kills.get());
    }
    let ended = if with_kills { scene.run("run") } else { scene.run_when_open("run") };
    assert_eq!(ended.status, Some(0), "{ended:?}");
    drop(lock);
    // Rows in progress are full by then.
    scene.pass(LONGEST_ROW + 1);
    let again = scene.run("run");
    assert_eq!(again.status, Some(0), "{again:?}");
    let verified = scene.run("verify");
    assert_eq!(verified.status, Some(0), "{verified:?}");
    assert_eq!(verified.json_lines().pop().unwrap()["files"], moving * METRICS as u64);
    scene.reload(3, &migration("100%", "100%"));
    let early = scene.run("clean");
    assert_eq!(early.status, Some(2), "{early:?}");
    scene.pass(3);
    let nothing = scene.run("clean");
    assert_eq!(
        (nothing.status, nothing.json_lines().pop().unwrap()["files"].as_u64()),
        (Some(0), Some(0)),
        "{nothing:?}"
    );
    let verified = scene.run("verify");
    assert_eq!(verified.status, Some(0), "{verified:?}");
    let cleaned = scene.run("clean");
    assert_eq!(cleaned.status, Some(0), "{cleaned:?}");
    assert_eq!(cleaned.json_lines().pop().unwrap()["files"], moving * METRICS as u64, "{cleaned:?}");
    scene.reload(3, "");
    scene.pass(LONGEST_ROW);
    let after: Vec<_> = hosts(&scene).into_iter().map(|host| (owner(&scene, &host), host)).collect();
    for ((old, host), (new, _)) in before.iter().zip(&after).filter(|(before, after)| before.0 != after.0) {
        assert!(*new == 2 && !scene.nodes[*old].data.join(host).exists(), "{host}");
    }
    let owners: HashMap<_, _> = after.into_iter().map(|(owner, host)| (host, owner)).collect();
    let values = scene.assert_nothing_is_lost(|host| owners[host]);
    assert!(values > 0);
}

/// A lock as librrd's on a file of the new owner, which nobody waits for: who writes there loses what it has until the
/// file is exchanged.
fn locked_file(scene: &Scene) -> fs::File {
    let first = || files(&scene.nodes[2].data).into_iter().next();
    wait_until(PATIENCE, "a file at the new owner", || first().is_some());
    let file = fs::File::options().read(true).write(true).open(first().unwrap()).unwrap();
    let lock = libc::flock { l_type: libc::F_WRLCK as i16, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
    wait_until(PATIENCE, "a moment without a writer", || fcntl(&file, FcntlArg::F_SETLK(&lock)).is_ok());
    file
}

#[test]
fn no_row_is_lost_where_collectd_writes_at_once() {
    grow(Kind::AtOnce, false);
}

#[test]
#[ignore = "takes a minute and a half"]
fn no_row_is_lost_where_collectd_keeps_values_and_the_mover_is_killed_again_and_again() {
    grow(Kind::Cached, true);
}

#[test]
#[ignore = "takes a minute and a half"]
fn no_row_is_lost_where_rrdcached_keeps_values_and_the_mover_is_killed_again_and_again() {
    grow(Kind::Rrdcached, true);
}

#[test]
#[ignore = "takes a minute"]
fn a_move_is_given_up_when_some_hosts_are_at_their_new_owners_alone() {
    let mut scene = Scene::start(Kind::Cached);
    scene.reload(3, &migration("100%", "0%"));
    let before: HashMap<_, _> =
        hosts(&scene).into_iter().map(|host| (host.clone(), owner(&scene, &host))).collect();
    drop(locked_file(&scene));
    let moved = scene.run_when_open("run");
    assert_eq!(moved.status, Some(0), "{moved:?}");
    scene.reload(3, &migration("100%", "100%"));
    scene.pass(LONGEST_ROW);
    // The former owners have missed that.
    scene.reload(3, &migration("100%", "0%"));
    scene.pass(3);
    let back = scene.run_with("run", &["--back", "--journal", "back"]);
    assert_eq!(back.status, Some(0), "{back:?}");
    scene.pass(LONGEST_ROW + 1);
    let verified = scene.run_with("verify", &["--back", "--journal", "back"]);
    assert_eq!(verified.status, Some(0), "{verified:?}");
    scene.reload(2, "");
    scene.pass(LONGEST_ROW);
    assert!(scene.assert_nothing_is_lost(|host| before[host]) > 0);
}

#[test]
fn who_is_not_there_is_told_and_nothing_is_done_without_the_gate() {
    let mut scene = Scene::start(Kind::AtOnce);
    let refused = scene.run("run");
    assert_eq!(refused.status, Some(2), "{refused:?}");
    scene.reload(3, &migration("0%", "0%"));
    let none = scene.run_when_open("run");
    assert_eq!(
        (none.status, none.json_lines().pop().unwrap()["hosts"].as_u64()),
        (Some(0), Some(0)),
        "{none:?}"
    );
    // This file says more than what is running.
    fs::write(&scene.config, configuration(&scene.nodes, 3, &migration("100%", "0%"))).unwrap();
    let ahead = scene.run("run");
    assert!(ahead.status == Some(2) && ahead.stderr.contains("has to be"), "{ahead:?}");
    scene.reload(3, &migration("100%", "0%"));
    drop(locked_file(&scene));
    scene.pass(3);
    // One of the nodes that hosts come from can't be reached.
    let ssh = fs::read_to_string(scene.directory.path().join("ssh")).unwrap();
    fs::write(scene.directory.path().join("ssh"), ssh.replace("s1)", "elsewhere)")).unwrap();
    let part = scene.run("run");
    assert!(part.status == Some(1) && part.stderr.contains("ssh does not get there"), "{part:?}");
    let moved = scene.run_with("plan", &["--dry-run"]);
    assert_eq!(moved.status, Some(1), "{moved:?}");
}
