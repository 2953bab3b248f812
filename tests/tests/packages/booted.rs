//! A Debian that its systemd starts, in a container.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use coco_harness::directory::Directory;
use serde_json::Value;

use super::made::{debian, object, sent_arrived_refused, text};

/// Runs the scenario as the last thing that the Debian starts, and ends it with the status of that.
const UNIT: &str = "[Unit]
SuccessAction=exit
FailureAction=exit
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/booted.sh
[Install]
WantedBy=multi-user.target
";

/// An agent as it is before anyone has heard of Coco.
const AGENT: &str = "Hostname \"web1.example.org\"
LoadPlugin load
LoadPlugin memory
LoadPlugin cpu
Include \"/etc/collectd/collectd.conf.d/*.conf\"
";

/// What the journal has of a line: who said it, how grave it is, and what it says.
fn entry(line: &str) -> (String, u8, String) {
    let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let field = |name: &str| text(&entry[name]);
    (field("_SYSTEMD_UNIT"), field("PRIORITY").parse().expect("a number"), field("MESSAGE"))
}

/// Needs cargo-deb, cargo-generate-rpm, mmdebstrap, systemd-container and a mirror of Debian. In a Debian that systemd
/// starts: a newcomer comes to the status page with a real agent on it, by the commands of docs/install.md; the units,
/// their sandbox, their reload, the journal; and an upgrade while systemd holds the socket.
#[test]
#[ignore = "builds all programs and a Debian"]
fn a_newcomer_sees_an_agent_and_units_journal_and_socket_are_as_systemd_has_them() {
    let directory = Directory::new("booted");
    let root = directory.path().join("root");
    debian(&root, "systemd,systemd-sysv,dbus,collectd-core,libgcrypt20", "booted.sh");
    let write = |path: &str, text: &str| fs::write(root.join(path), text).expect("a file");
    write("etc/hostname", "booted\n");
    write("etc/collectd/collectd.conf", AGENT);
    write("etc/systemd/system/booted.service", UNIT);
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).expect("a folder");
    symlink("/etc/systemd/system/booted.service", wants.join("booted.service")).expect("a link");
    let mut container = Command::new("systemd-nspawn");
    container.args([
        "--quiet",
        "--boot",
        "--register=no",
        "--keep-unit",
        "--private-network",
        "--console=pipe",
    ]);
    let output =
        container.arg(format!("--directory={}", root.display())).output().expect("systemd-container");
    let said = fs::read_to_string(root.join("said")).unwrap_or_default();
    assert!(output.status.success() && said.ends_with("== all is well\n"), "{said}\n{output:?}");

    let took = said.lines().find_map(|line| line.strip_prefix("newcomer milliseconds ")).expect("it is said");
    eprintln!("from the packages to an agent on the status page: {took} ms");
    let (sent, arrived, refused) = sent_arrived_refused(&said, 2);
    // The agent's last values came, too.
    assert!(arrived >= sent && refused == 0, "{said}");
    assert_eq!(object(&said, "sink ")["missing"], 0, "{said}");

    let journal = fs::read_to_string(root.join("journal.json")).expect("a file");
    let entries: Vec<_> = journal.lines().map(entry).collect();
    let ours = |entry: &&(String, u8, String)| entry.0 == "coco.service" || entry.0 == "noodle.service";
    let has = |unit: &str, priority: u8, start: &str| {
        let is_it = |(its, how, message): &&(String, u8, String)| {
            its == unit && *how == priority && message.starts_with(start)
        };
        assert!(entries.iter().any(|entry| is_it(&entry)), "{unit} {priority} {start}: {journal}");
    };
    has("coco.service", 6, "ready fingerprint=");
    has("noodle.service", 6, "ready fingerprint=");
    has("coco.service", 4, "target is down ");
    has("coco.service", 3, "SIGHUP: the configuration is refused, nothing changes problem=");
    has("coco.service", 6, "stopped; sent and lost are of all tiers together ");
    // The journal has the time and the priority, so that no line needs to.
    for (unit, _, message) in entries.iter().filter(ours) {
        assert!(!message.starts_with(|c: char| c.is_ascii_digit() || c == '<'), "{unit}: {message}");
    }
}
