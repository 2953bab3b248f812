//! `cococtl node` beside real writers: collectd with and without a cache, and rrdcached.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use coco_harness::directory::Directory;
use coco_harness::rrd;
use coco_harness::rrdcached::Rrdcached;
use coco_harness::wait::{PATIENCE, wait_until};

use crate::{Ended, cococtl, program};

/// The second of the last update of files that are made.
const LAST: i64 = 1_700_000_000;

const FILE: &str = "web1/cpu-0/cpu-idle.rrd";

/// A data directory that nobody writes to.
struct Node {
    directory: Directory,
}

impl Node {
    fn new() -> Self {
        Self { directory: Directory::new("node") }
    }

    fn data(&self) -> &Path {
        self.directory.path()
    }

    fn file(&self) -> PathBuf {
        self.data().join(FILE)
    }

    fn run(&self, arguments: &[&str], stdin: &[u8]) -> Ended {
        let data = self.data().to_str().unwrap();
        cococtl(["node", "--data", data, "--writer", "none"].iter().chain(arguments), stdin)
    }
}

/// The bytes of a file with these values, one a second.
fn bytes(finish: i64, values: &[f64]) -> Vec<u8> {
    let directory = Directory::new("bytes");
    let file = directory.path().join("x/file.rrd");
    rrd::create(&file, finish, values);
    fs::read(&file).unwrap()
}

/// The rows behind one second, up to that behind another.
fn known(file: &Path, start: i64, finish: i64) -> Vec<Option<f64>> {
    let rows = rrd::fetch(file, start, finish + 1);
    rows["value"].iter().map(|row| row.as_ref().map(|row| row.parse().unwrap())).collect()
}

#[test]
fn a_file_comes_with_what_it_stands_in_and_goes_as_it_is() {
    let node = Node::new();
    let version = node.run(&["version", "--json"], b"").json();
    assert_eq!(version["protocol"], 1);
    let sent = bytes(LAST, &[1.0, 2.0, 3.0]);
    let ended = node.run(&["import", FILE], &sent);
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (Some(0), format!("created, {} bytes\n", sent.len()).as_str()),
        "{ended:?}"
    );
    assert_eq!(fs::read(node.file()).unwrap(), sent);
    assert_eq!(fs::metadata(node.file()).unwrap().uid(), fs::metadata(node.data()).unwrap().uid());
    let listed = node.run(&["list", "--json"], b"").json_lines();
    assert_eq!(
        listed,
        [serde_json::json!({"file": FILE, "bytes": sent.len(), "step": 1, "last": [LAST, 0]})]
    );
    assert_eq!(node.run(&["list", "web2"], b"").stdout, "");
    // Nothing is left beside it, and once more there is nothing to do.
    assert_eq!(fs::read_dir(node.file().parent().unwrap()).unwrap().count(), 1);
    assert_eq!(node.run(&["import", FILE], &sent).stdout, "nothing to do: it has all\n");
}

#[test]
fn owner_mode_and_times_of_a_file_stay_when_it_is_merged() {
    let node = Node::new();
    rrd::create(&node.file(), LAST, &[f64::NAN, f64::NAN, 3.0]);
    fs::set_permissions(node.file(), fs::Permissions::from_mode(0o640)).unwrap();
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    fs::File::options().write(true).open(node.file()).unwrap().set_modified(written).unwrap();
    let ended = node.run(&["import", FILE, "--json"], &bytes(LAST, &[1.0, 2.0, f64::NAN]));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(ended.json()["done"], "merged");
    assert_eq!(known(&node.file(), LAST - 3, LAST - 1), [Some(1.0), Some(2.0), Some(3.0)]);
    let found = fs::metadata(node.file()).unwrap();
    assert_eq!((found.mode() & 0o7777, found.modified().unwrap()), (0o640, written));
}

#[test]
fn a_file_that_was_updated_later_waits_for_a_newer_copy() {
    let node = Node::new();
    rrd::create(&node.file(), LAST + 1, &[3.0, 4.0]);
    let before = fs::read(node.file()).unwrap();
    let sent = bytes(LAST, &[1.0, 2.0]);
    let ended = node.run(&["import", FILE], &sent);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stdout.contains("updated later"), "{ended:?}");
    assert_eq!(fs::read(node.file()).unwrap(), before);
    assert_eq!(node.run(&["import", FILE, "--inexact"], &sent).status, Some(0));
    assert_eq!(known(&node.file(), LAST - 2, LAST), [Some(1.0), Some(2.0), Some(4.0)]);
}

#[test]
fn nothing_outside_of_the_data_directory_is_written() {
    let node = Node::new();
    let (outside, sent) = (Directory::new("outside"), bytes(LAST, &[1.0]));
    for name in
        ["../outside/a.rrd", "/tmp/a/a.rrd", "web1/../a.rrd", "a/b\n/c.rrd", "web1/a/b/c.rrd", "web1/a/b"]
    {
        let ended = node.run(&["import", name], &sent);
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""), "{name}: {ended:?}");
    }
    // Names that look like options are none, and links lead nowhere.
    symlink(outside.path(), node.data().join("web1")).unwrap();
    fs::create_dir_all(node.data().join("web2/cpu-0")).unwrap();
    symlink(outside.path().join("target"), node.data().join("web2/cpu-0/cpu-idle.rrd")).unwrap();
    for name in [FILE, "web2/cpu-0/cpu-idle.rrd"] {
        let ended = node.run(&["import", name], &sent);
        assert_eq!(ended.status, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("symbolic link"), "{ended:?}");
        assert_eq!(node.run(&["export", name], b"").status, Some(2));
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(node.run(&["list"], b"").stdout, "");
}

#[test]
fn what_is_no_file_of_the_same_metric_is_refused_and_changes_nothing() {
    let node = Node::new();
    rrd::create(&node.file(), LAST, &[1.0; 5]);
    let before = fs::read(node.file()).unwrap();
    for (sent, told) in [
        (bytes(LAST, &[1.0; 6]), "has the archives RRA:AVERAGE:0.5:1:16, the new one RRA:AVERAGE:0.5:1:15"),
        (b"<html>".to_vec(), "no RRD file"),
        (before[..before.len() - 1].to_vec(), "bytes and is made of"),
    ] {
        let ended = node.run(&["import", FILE], &sent);
        assert_eq!(ended.status, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(told), "{ended:?}");
    }
    assert_eq!(fs::read(node.file()).unwrap(), before);
}

/// rrdtool's lock is one of fcntl(2); who holds one here holds it for as long as the test wants.
#[test]
fn what_another_is_writing_beside_a_file_is_waited_for() {
    let node = Node::new();
    let sent = bytes(LAST, &[1.0, 2.0]);
    assert_eq!(node.run(&["import", FILE], &sent).status, Some(0));
    let beside = node.file().with_file_name(format!(".{}.coco", node.file().file_name().unwrap().display()));
    for is_there in [true, false] {
        let other = fs::File::create(&beside).unwrap();
        other.lock().unwrap();
        let newer = bytes(LAST + 2, &[3.0, 4.0]);
        if !is_there {
            fs::remove_file(node.file()).unwrap();
        }
        let ended = node.run(&["import", FILE], &newer);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(1), ""), "{ended:?}");
        assert!(ended.stdout.contains("once more"), "{ended:?}");
        drop(other);
        assert_eq!(node.run(&["import", FILE], &newer).status, Some(0));
    }
}

#[test]
fn a_lock_on_a_file_holds_nothing_up() {
    let node = Node::new();
    rrd::create(&node.file(), LAST, &[f64::NAN, 2.0]);
    let file = fs::File::options().read(true).write(true).open(node.file()).unwrap();
    let mut lock = nix::libc::flock { l_type: 1, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
    nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_SETLK(&lock)).unwrap();
    nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_GETLK(&mut lock)).unwrap();
    let data = node.data().to_str().unwrap();
    let exported =
        program().args(["node", "--data", data, "--writer", "none", "export", FILE]).output().unwrap();
    assert_eq!(
        exported.stdout,
        fs::read(node.file()).unwrap(),
        "{}",
        String::from_utf8_lossy(&exported.stderr)
    );
    assert_eq!(
        node.run(&["import", FILE], &bytes(LAST, &[1.0, f64::NAN])).stdout,
        "merged, 1 values that it had not\n"
    );
    assert_eq!(known(&node.file(), LAST - 2, LAST - 1), [Some(1.0), Some(2.0)]);
}

#[test]
fn what_rrdcached_keeps_is_written_before_and_what_comes_meanwhile_after() {
    let node = Node::new();
    rrd::create(&node.file(), LAST, &[f64::NAN, 2.0]);
    let daemon = Rrdcached::start(node.data());
    let writer = format!("rrdcached:{}", daemon.socket.display());
    let data = node.data().to_str().unwrap();
    let run = |arguments: &[&str], stdin: &[u8]| {
        cococtl(["node", "--data", data, "--writer", &writer].iter().chain(arguments), stdin)
    };
    let update = |second: i64| {
        let path = node.file().display().to_string();
        let address = format!("unix:{}", daemon.socket.display());
        let mut command = std::process::Command::new("rrdtool");
        command.args(["update", "--daemon", &address, &path, &format!("{second}:{}", second - LAST + 10)]);
        let output = command.output().expect("rrdtool is installed");
        assert!(output.status.success(), "{output:?}");
    };
    update(LAST + 1);
    assert_eq!(rrd::last(&node.file()), LAST, "it is kept");
    let exported = run(&["list", "--json"], b"").json_lines();
    assert_eq!(exported[0]["last"][0], LAST);
    // The other owner has the first of both, and is a row behind.
    let sent = bytes(LAST, &[1.0, f64::NAN]);
    let ended = run(&["import", FILE], &sent);
    assert!(ended.stdout.contains("updated later"), "{ended:?}");
    assert_eq!(rrd::last(&node.file()), LAST + 1, "it was written");
    // Now it keeps something, and is told to go on keeping it.
    update(LAST + 2);
    assert_eq!(run(&["import", FILE, "--inexact"], &sent).status, Some(0));
    update(LAST + 3);
    wait_until(PATIENCE, "it writes again", || {
        run(&["import", FILE, "--inexact"], &sent);
        rrd::last(&node.file()) == LAST + 3
    });
    let rows = known(&node.file(), LAST - 2, LAST + 2);
    assert_eq!(rows, [Some(1.0), Some(2.0), Some(11.0), Some(12.0), Some(13.0)]);
}
