//! `cococtl move` where nodes are away for a while, or two are at it. Nobody writes their files, which all stand at one node in the beginning;
//! ssh is a stand-in that starts `cococtl node` here.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use coco_harness::coco::{Coco, Config};
use coco_harness::directory::Directory;
use coco_harness::rrd;
use coco_harness::wait::{PATIENCE, wait_until};
use serde_json::Value;

use crate::{Ended, cococtl, program};

/// The node that hosts come from, those that they go to, and another that has copies in the beginning.
const NODES: [&str; 4] = ["old", "n1", "n2", "older"];

const HOSTS: usize = 12;

const FILE: &str = "load/load.rrd";

/// When the last value of each file was, in Unix seconds, and how many there are, one a second.
const FINISH: i64 = 1_700_000_000;
const VALUES: usize = 600;

/// Starts what runs on a node.
const SERVE: &str = "exec \"$cococtl\" node --data \"$data\" --writer none serve\n";

/// The same on a small file system, and says in the end what stands there.
const SMALL: &str = "exec unshare --mount sh -c 'mount -t tmpfs -o size=16k none \"$1\" && \
                     \"$0\" node --data \"$1\" --writer none serve; find \"$1\" -type f >>\"$2\"' \"$cococtl\" \"$data\" \"$data.left\"\n";

/// Dies once it has said which hosts it has, and is away then.
const DIES: &str = "[ ! -e \"$data.died\" ] || exit 255\n>\"$data.died\"\n\
                    sed -u 2q | \"$cococtl\" node --data \"$data\" --writer none serve\n";

/// The former owner, as a target that the tier does not list, and another.
const OLD: &str = "{ name = 'old', address = '127.0.0.1:9' }";
const OLDER: &str = "{ name = 'older', address = '127.0.0.1:12' }";

struct Scene {
    directory: Directory,
    coco: Coco,
    /// How they were placed.
    former: String,
}

impl Scene {
    fn start() -> Self {
        Self::with(&format!("targets = [{OLD}]"))
    }

    fn with(former: &str) -> Self {
        let directory = Directory::new("away");
        let cococtl = program().get_program().to_str().unwrap().to_owned();
        let base = directory.path().display();
        let ssh = format!(
            "#!/bin/sh\ncococtl='{cococtl}' data='{base}'/$1\n[ -e \"$data.way\" ] || exit 255\n. \"$data.way\"\n"
        );
        let ssh = directory.write("ssh", &ssh);
        fs::set_permissions(ssh, Permissions::from_mode(0o755)).unwrap();
        let coco = Coco::start(&configuration(former, "100%", "0%"));
        let mut scene = Self { coco, directory, former: former.to_owned() };
        NODES.iter().for_each(|node| fs::create_dir(scene.path(node)).unwrap());
        NODES.iter().for_each(|node| scene.lead(node, SERVE));
        rrd::create(&scene.file("old", 0), FINISH, &values());
        for host in 1..HOSTS {
            let file = scene.file("old", host);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::copy(scene.file("old", 0), file).unwrap();
        }
        scene.go("100%", "0%");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, node: &str, host: usize) -> PathBuf {
        self.path(node).join(format!("host{host}")).join(FILE)
    }

    /// What starts the node from now on.
    fn lead(&self, node: &str, way: &str) {
        self.directory.write(&format!("{node}.way"), way);
    }

    fn is_away(&self, node: &str) {
        fs::remove_file(self.path(&format!("{node}.way"))).unwrap();
    }

    /// It is away when it is asked for the first time from now on.
    fn comes_back(&self, node: &str, way: &str) {
        self.lead(node, &format!("[ -e \"$data.asked\" ] || {{ >\"$data.asked\"; exit 255; }}\n{way}"));
    }

    /// Has Coco go on by these shares, for long enough to open the gate.
    fn go(&mut self, both: &str, new: &str) {
        let text = configuration(&self.former, both, new);
        self.directory.write("coco.conf", &text);
        let said = self.coco.reload(&text);
        assert!(said.contains("reloaded old="), "{said}");
        wait_until(PATIENCE, "an open gate", || {
            self.coco.json("/tiers?routes=false")[0]["age"].as_u64() > Some(1)
        });
    }

    fn run(&self, subcommand: &str) -> Ended {
        self.run_by(subcommand, "journal", 1)
    }

    /// By a journal of this name, with so many hosts at a time.
    fn run_by(&self, subcommand: &str, journal: &str, parallel: usize) -> Ended {
        let path = |name: &str| self.path(name).display().to_string();
        let mut arguments: Vec<String> =
            ["move", subcommand, "--json", "--cache-time", "1s", "--parallel", &parallel.to_string()]
                .map(str::to_owned)
                .into();
        arguments.extend([path("coco.conf"), "--journal".to_owned(), path(journal)]);
        arguments.extend(["--ssh".to_owned(), path("ssh")]);
        arguments.extend(["--api".to_owned(), format!("http://{}", self.coco.api)]);
        let is_part = |(_, node): &(u16, &str)| *node != "older" || self.former.contains(OLDER);
        for (port, node) in (9..).zip(NODES).filter(is_part) {
            arguments.extend(["--node".to_owned(), format!("127.0.0.1:{port}={node}")]);
        }
        cococtl(arguments, b"")
    }

    /// The hosts whose file a node has.
    fn hosts(&self, node: &str) -> usize {
        (0..HOSTS).filter(|host| self.file(node, *host).is_file()).count()
    }
}

fn values() -> Vec<f64> {
    (0..VALUES).map(|value| value as f64).collect()
}

fn configuration(former: &str, both: &str, new: &str) -> String {
    Config::new::<String>(&[]).text()
        + &format!(
            "[tiers.t]\nhash = 'rendezvous'\ntargets = [{{ name = 'n1', address = '127.0.0.1:10' }}, \
             {{ name = 'n2', address = '127.0.0.1:11' }}]\n[tiers.t.migration]\nboth = '{both}'\nnew = '{new}'\n\
             from = {{ {former} }}\n"
        )
}

/// The last line.
fn sum(ended: &Ended) -> Value {
    ended.json_lines().pop().unwrap_or_else(|| panic!("{ended:?}"))
}

/// What is said of each host of an event.
fn told(ended: &Ended, event: &str, to: &str) -> Vec<String> {
    let lines = ended.json_lines().into_iter().filter(|line| line["event"] == event && line["to"] == to);
    lines.map(|line| line["wrong"].to_string()).collect()
}

#[test]
fn nothing_is_copied_to_a_node_that_comes_back_without_room() {
    let scene = Scene::start();
    scene.comes_back("n2", SMALL);
    let part = scene.run("run");
    assert_eq!(part.status, Some(1), "{part:?}");
    let (left, failed) =
        (fs::read_to_string(scene.path("n2.left")).unwrap(), told(&part, "failed", "127.0.0.1:11"));
    assert_eq!(left, "", "{part:?}");
    assert!(failed.iter().all(|told| told.contains("no room on 127.0.0.1:11: ")), "{failed:?}");
    assert_eq!((failed.len(), scene.hosts("n1")), (HOSTS - scene.hosts("n1"), HOSTS - failed.len()));
    assert!((1..HOSTS).contains(&failed.len()), "the others have gone on");

    // It has room again, and is away for a moment once more.
    fs::remove_file(scene.path("n2.asked")).unwrap();
    scene.comes_back("n2", SERVE);
    let whole = scene.run("run");
    assert_eq!((whole.status, &sum(&whole)["failed"]), (Some(1), &0.into()), "{whole:?}");
    assert_eq!(scene.hosts("n2"), failed.len());
    assert_eq!(scene.run("run").status, Some(0));
}

/// sshd does so where many come at a time.
#[test]
fn a_node_that_turns_away_who_comes_while_another_logs_in_fails_nobody() {
    let scene = Scene::start();
    for node in NODES {
        let login = "mkdir \"$data.login\" 2>/dev/null || exit 255\nsleep 0.2\nrmdir \"$data.login\"\n";
        scene.lead(node, &format!("{login}{SERVE}"));
    }
    let ended = scene.run_by("run", "journal", HOSTS);
    assert_eq!((ended.status, &sum(&ended)["failed"]), (Some(0), &0.into()), "{ended:?}");
    assert_eq!(scene.hosts("n1") + scene.hosts("n2"), HOSTS);
}

#[test]
fn a_node_that_is_left_alone_is_told_so_in_one_line_each_time() {
    let scene = Scene::start();
    scene.is_away("n2");
    let part = scene.run("run");
    let failed = told(&part, "failed", "127.0.0.1:11");
    let alone: Vec<_> = failed.iter().map(|told| told.matches("it is left alone").count()).collect();
    assert_eq!((part.status, failed.len()), (Some(1), HOSTS - scene.hosts("n1")), "{part:?}");
    assert!(alone.contains(&1) && alone.iter().all(|times| *times < 2), "{failed:?}");
}

#[test]
fn nothing_is_removed_as_long_as_its_new_owner_is_away() {
    let mut scene = Scene::start();
    for _ in 0..2 {
        assert_eq!(scene.run("run").status, Some(0));
        assert_eq!(scene.run("verify").status, Some(0));
    }
    scene.go("100%", "100%");
    scene.is_away("n2");
    let (there, before) = (scene.hosts("n2"), scene.hosts("old"));
    assert_eq!(before, HOSTS);
    let part = scene.run("clean");
    assert_eq!((part.status, scene.hosts("old")), (Some(1), there), "{part:?}");
    let kept = part.json_lines().into_iter().filter(|line| line["event"] == "kept");
    let kept: Vec<_> = kept.map(|line| line["wrong"].to_string()).collect();
    assert_eq!(kept.len(), there);
    assert!(kept.iter().all(|told| told.contains("127.0.0.1:11: ssh does not get there")), "{kept:?}");
    assert_eq!((&sum(&part)["kept"], &sum(&part)["files"]), (&there.into(), &(HOSTS - there).into()));

    scene.lead("n2", SERVE);
    let whole = scene.run("clean");
    assert_eq!((whole.status, scene.hosts("old")), (Some(0), 0), "{whole:?}");
    assert_eq!(scene.hosts("n1") + scene.hosts("n2"), HOSTS);
}

/// It is one of two, and asked how much it has when it is gone.
#[test]
fn what_other_nodes_have_is_removed_though_one_dies_in_the_middle() {
    let mut scene = Scene::with(&format!("targets = [{OLD}, 'n1']"));
    for host in 0..HOSTS {
        let [from, to] = ["old", "n1"].map(|node| scene.path(node).join(format!("host{host}")).join(FILE));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
    for _ in 0..2 {
        assert_eq!(scene.run("run").status, Some(0));
        assert_eq!(scene.run("verify").status, Some(0));
    }
    scene.go("100%", "100%");
    let removed = |ended: &Ended| -> Vec<_> {
        let lines = ended.json_lines().into_iter().filter(|line| line["event"] == "removed");
        lines.map(|line| line["from"].as_str().unwrap().to_owned()).collect()
    };
    scene.lead("n1", DIES);
    let part = scene.run("clean");
    assert_eq!(part.status, Some(1), "{part:?}");
    assert!(part.stderr.contains("left out: 127.0.0.1:10: cococtl node ended"), "{part:?}");
    let first = removed(&part);
    assert!(!first.is_empty() && first.iter().all(|node| node == "127.0.0.1:9"), "{part:?}");
    assert_eq!((scene.hosts("old"), scene.hosts("n1")), (HOSTS - first.len(), HOSTS));

    scene.lead("n1", SERVE);
    let whole = scene.run("clean");
    assert_eq!(whole.status, Some(0), "{whole:?}");
    let later = removed(&whole);
    assert!(!later.is_empty() && later.iter().all(|node| node == "127.0.0.1:10"), "{whole:?}");
    assert_eq!((scene.hosts("old"), scene.hosts("n1")), (HOSTS - first.len(), HOSTS - later.len()));
}

/// It missed the last values of a host, as one whose collectd was down until the host had gone for good.
#[test]
fn no_row_is_removed_that_the_new_owner_has_not_reached() {
    let mut scene = Scene::start();
    assert_eq!(scene.run("run").status, Some(0));
    let node = NODES.into_iter().skip(1).find(|node| scene.file(node, 0).is_file()).unwrap();
    let miss = |scene: &Scene| {
        fs::remove_file(scene.file(node, 0)).unwrap();
        let values: Vec<_> = [f64::NAN; 50].into_iter().chain(values()).take(VALUES).collect();
        rrd::create(&scene.file(node, 0), FINISH - 50, &values);
    };
    let verify_finds = |scene: &Scene| {
        let ended = scene.run("verify");
        let wrong = ended.json_lines().into_iter().filter(|line| line["event"] == "failed");
        let wrong: Vec<_> = wrong.map(|line| line["wrong"].to_string()).collect();
        assert_eq!((ended.status, wrong.len()), (Some(1), 1), "{ended:?}");
        assert!(wrong[0].contains("before the former owner's"), "{wrong:?}");
    };
    miss(&scene);
    verify_finds(&scene);
    assert_eq!(scene.run("run").status, Some(0));
    assert_eq!(scene.run("verify").status, Some(0));
    let whole = |node: &str| fs::read(scene.file(node, 0)).unwrap();
    assert!(whole(node) == whole("old"), "run has brought it");

    scene.go("100%", "100%");
    assert_eq!(scene.run("verify").status, Some(0));
    miss(&scene);
    let cleaned = scene.run("clean");
    assert_eq!((cleaned.status, &sum(&cleaned)["kept"]), (Some(1), &1.into()), "{cleaned:?}");
    assert!(scene.file("old", 0).is_file() && scene.hosts("old") == 1);
    verify_finds(&scene);
}

#[test]
fn what_a_former_owner_has_that_was_away_is_moved_and_verified_when_it_is_back() {
    let mut scene = Scene::with(&format!("replicas = 2, targets = [{OLD}, {OLDER}]"));
    // What they have is half of the same each.
    for host in 0..HOSTS {
        for (node, half) in [("old", false), ("older", true)] {
            let _ = fs::remove_file(scene.file(node, host));
            let known = |value: &f64| (*value < VALUES as f64 / 2.0) == half;
            let values: Vec<_> = values().into_iter().map(|v| if known(&v) { v } else { f64::NAN }).collect();
            rrd::create(&scene.file(node, host), FINISH, &values);
        }
    }
    scene.is_away("older");
    let part = scene.run("run");
    assert_eq!((part.status, scene.hosts("n1") + scene.hosts("n2")), (Some(1), HOSTS), "{part:?}");
    for _ in 0..2 {
        assert_eq!(told(&scene.run("verify"), "failed", "127.0.0.1:10").len(), 0);
    }
    scene.lead("older", SERVE);
    let whole = scene.run("run");
    assert_eq!((whole.status, &sum(&whole)["hosts"]), (Some(0), &HOSTS.into()), "{whole:?}");
    assert_eq!(sum(&whole)["values"], HOSTS * VALUES / 2, "{whole:?}");
    let again = scene.run("run");
    assert_eq!((again.status, &sum(&again)["hosts"]), (Some(0), &0.into()), "{again:?}");

    // One run of verify more is one without it.
    scene.is_away("older");
    assert_eq!(scene.run("verify").status, Some(1));
    scene.lead("older", SERVE);
    assert_eq!(scene.run("verify").status, Some(0));
    scene.go("100%", "100%");
    let cleaned = scene.run("clean");
    assert_eq!((cleaned.status, scene.hosts("older")), (Some(0), HOSTS), "{cleaned:?}");
    assert_eq!(scene.hosts("old"), 0, "verified twice");
    assert_eq!(scene.run("verify").status, Some(0));
    assert_eq!((scene.run("clean").status, scene.hosts("older")), (Some(0), 0));
}

/// They know nothing of each other: what they write beside the same file is one's alone until it is in its place.
#[test]
fn two_movers_at_once_leave_whole_files() {
    let scene = Scene::start();
    std::thread::scope(|scope| {
        let movers = ["one", "other"].map(|journal| scope.spawn(|| scene.run_by("run", journal, 1)));
        for mover in movers {
            let ended = mover.join().unwrap();
            assert_eq!((ended.status, &sum(&ended)["failed"]), (Some(0), &0.into()), "{ended:?}");
        }
    });
    for subcommand in ["run", "verify"] {
        let ended = scene.run_by(subcommand, "one", 1);
        assert_eq!((ended.status, &sum(&ended)["failed"]), (Some(0), &0.into()), "{ended:?}");
    }
    for (node, host) in ["n1", "n2"].into_iter().flat_map(|node| (0..HOSTS).map(move |host| (node, host))) {
        let directory = scene.path(node).join(format!("host{host}/load"));
        let left: Vec<_> =
            fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty() || left == ["load.rrd"], "{left:?}");
    }
    // A journal is one mover's.
    let journal = fs::File::options().read(true).write(true).open(scene.path("one")).unwrap();
    journal.lock().unwrap();
    let refused = scene.run_by("run", "one", 1);
    assert_eq!(refused.status, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("another cococtl move is at it"), "{refused:?}");
}
