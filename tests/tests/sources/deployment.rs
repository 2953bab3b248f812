//! The files of `etc` that start our programs: systemd has nothing to say against them, and they fit the defaults of
//! `coco.conf`.

use std::path::Path;
use std::process::{Command, Output};

use coco_core::config::{Config, Program};
use coco_harness::directory::Directory;
use coco_harness::repository;

/// The programs, and where the units say that they and their configuration are.
const PROGRAMS: [(&str, &str); 2] =
    [("coco", "/usr/bin/coco /etc/coco.conf"), ("noodle", "/usr/bin/noodle /etc/noodle.conf")];

/// Units that stand beside ours, and what they start.
const BESIDE: [(&str, &str); 2] = [
    ("etc/systemd/rrdcached-noodle.service", "/usr/bin/rrdcached"),
    ("etc/etcd/coco-from-etcd.service", "/usr/bin/coco-from-etcd"),
];

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a key of a unit is set to, each time.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

fn value<'a>(unit: &'a str, key: &str) -> &'a str {
    match values(unit, key)[..] {
        [value] => value,
        ref values => panic!("{key} is set to {values:?}"),
    }
}

fn number(text: &str, unit: &str) -> u64 {
    let digits = text.strip_suffix(unit).unwrap_or_else(|| panic!("{text} is not in {unit}"));
    digits.parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

fn defaults() -> Config {
    let text = "[tiers.a]\ntargets = [\"10.1.1.111:25826\"]\n[fetch]\nbind = \":9080\"\n";
    Config::parse(text, Program::Noodle).unwrap_or_else(|problems| panic!("{problems}"))
}

fn systemd_analyze(arguments: &[&str]) -> Output {
    let mut command = Command::new("systemd-analyze");
    command.args(arguments).env("SYSTEMD_COLORS", "0").output().expect("systemd-analyze is installed")
}

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    let root = Directory::new("root");
    let at = |path: &str| {
        let path = root.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().expect("it has a name")).expect("a directory");
        path
    };
    for (name, command) in PROGRAMS {
        let unit = read(&format!("etc/systemd/{name}.service"));
        let (program, file) = command.split_once(' ').expect("a program and its file");
        assert_eq!(value(&unit, "ExecStart"), command);
        let which = if name == "noodle" { " --noodle" } else { "" };
        assert_eq!(
            values(&unit, "ExecReload"),
            [
                format!("{program} --check {file}"),
                format!("/usr/bin/cococtl reload --config {file}{which} --pid $MAINPID")
            ]
        );
        std::fs::write(at(&format!("/etc/systemd/system/{name}.service")), unit).expect("a file");
        // Only looked at, as is what they are told with.
        for program in [program, "/usr/bin/cococtl"] {
            std::fs::copy("/bin/true", at(program)).expect("every system has that");
        }
    }
    let sockets = read("etc/systemd/coco.socket");
    // Where Coco receives and serves unless configured, so that it takes them.
    let defaults = defaults();
    assert_eq!(value(&sockets, "ListenDatagram"), format!("[::]{}", defaults.listen.bind));
    assert_eq!(value(&sockets, "ListenStream"), defaults.api.bind.to_string());
    assert_eq!(value(&sockets, "ReceiveBuffer"), format!("{}M", defaults.listen.receive_buffer >> 20));
    std::fs::write(at("/etc/systemd/system/coco.socket"), sockets).expect("a file");
    let socket = read("etc/systemd/noodle.socket");
    // Where the sample has it, since it has no default.
    assert!(read("coco.sample.conf").contains(&format!("\nbind = \"{}\"\n", value(&socket, "ListenStream"))));
    std::fs::write(at("/etc/systemd/system/noodle.socket"), socket).expect("a file");
    for (unit, program) in BESIDE {
        let (_, name) = unit.rsplit_once('/').expect("a folder");
        std::fs::write(at(&format!("/etc/systemd/system/{name}")), read(unit)).expect("a file");
        std::fs::copy("/bin/true", at(program)).expect("every system has that");
    }
    let root = format!("--root={}", root.path().display());
    let output = systemd_analyze(&[
        "verify",
        "--man=no",
        "--recursive-errors=no",
        &root,
        "coco.service",
        "noodle.service",
        "coco.socket",
        "noodle.socket",
        "rrdcached-noodle.service",
        "coco-from-etcd.service",
    ]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

#[test]
fn units_are_as_safe_as_the_readme_says() {
    let readme = read("docs/install.md");
    let (_, rest) = readme.split_once("`systemd-analyze security` says ").expect("the page has the score");
    let (claimed, rest) = rest.split_once(" for both (systemd ").expect("a score, and of which systemd");
    let (version, _) = rest.split_once(';').expect("the version");
    let output = systemd_analyze(&["--version"]);
    let installed = String::from_utf8_lossy(&output.stdout).into_owned();
    for (name, _) in PROGRAMS {
        let unit = repository().join(format!("etc/systemd/{name}.service"));
        let unit = unit.to_str().expect("paths of the tests are UTF-8");
        let output = systemd_analyze(&["security", "--offline=yes", "--no-pager", unit]);
        let text = String::from_utf8_lossy(&output.stdout);
        let (_, score) = text.split_once("Overall exposure level for ").unwrap_or_else(|| panic!("{text}"));
        let score = score.split_whitespace().nth(1).expect("a score");
        // Each version of systemd weighs a little differently.
        if installed.starts_with(&format!("systemd {version} ")) {
            assert_eq!(score, claimed, "{name}: {text}");
        }
        assert!(score.parse::<f64>().expect("a number") < 2.0, "{name}: {text}");
    }
}

#[test]
fn limits_leave_room_for_the_defaults() {
    let config = defaults();
    for (name, command) in PROGRAMS {
        let unit = read(&format!("etc/systemd/{name}.service"));
        let stop = config.stop.drain + config.stop.grace;
        assert!(number(value(&unit, "TimeoutStopSec"), "s") > stop.as_secs() + 1);
        let memory = match name {
            "coco" => config.pipeline.lanes.get() * (config.state.max_memory + config.listen.receive_buffer),
            _ => config.fetch.max_memory,
        };
        assert!(number(value(&unit, "MemoryMax"), "M") << 20 >= memory as u64 + (64 << 20), "{name}");

        let job = read(&format!("etc/upstart/{name}.conf"));
        let stanza = |start: &str| job.lines().find_map(|line| line.strip_prefix(start)).expect(start).trim();
        assert_eq!(stanza("exec "), command);
        assert_eq!((stanza("start on "), stanza("stop on ")), ("runlevel [2345]", "runlevel [!2345]"));
        assert!(job.lines().any(|line| line == "respawn"));
        assert!(number(stanza("kill timeout "), "") > stop.as_secs() + 1);
    }
}

/// Or requests would meet the end of a connection now and then.
#[test]
fn nginx_keeps_connections_for_a_shorter_time_than_noodle_does() {
    let site = read("etc/nginx/noodle.conf");
    let directive =
        |line: &str| line.trim().strip_prefix("keepalive_timeout ")?.strip_suffix(';').map(str::to_owned);
    let kept = site.lines().find_map(directive).expect("its time");
    assert!(number(&kept, "s") < defaults().fetch.idle_timeout.as_secs());
}

#[test]
fn the_system_grants_the_receive_buffer_that_is_the_default() {
    let text = read("etc/sysctl.d/coco.conf");
    let settings = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let settings: Vec<_> = settings.filter_map(|line| line.split_once(" = ")).collect();
    let expected = defaults().listen.receive_buffer.to_string();
    assert_eq!(settings, [("net.core.rmem_max", expected.as_str())]);
    // The kernel knows it by that name.
    assert!(Path::new("/proc/sys/net/core/rmem_max").exists());
}
