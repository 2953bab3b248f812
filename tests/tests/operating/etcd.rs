//! The configuration from a real etcd, by `etc/etcd/coco-from-etcd`: what is good gets in force, what is not is said.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use coco_harness::coco::{Coco, Config};
use coco_harness::directory::Directory;
use coco_harness::process::Process;
use coco_harness::program::Program;
use coco_harness::repository;

const KEY: &str = "/coco/coco.conf";

/// One that nobody is in.
const GROUP: u32 = 54_321;

/// An etcd of one member, on ports of the system.
fn etcd(directory: &Path) -> (Process, String) {
    let mut command = Command::new("etcd");
    let data = directory.join("data");
    command.arg("--data-dir").arg(data).env("ETCD_UNSUPPORTED_ARCH", std::env::consts::ARCH);
    for flag in ["--listen-client-urls", "--advertise-client-urls", "--listen-peer-urls"] {
        command.args([flag, "http://127.0.0.1:0"]);
    }
    let mut etcd = Process::start("etcd", directory, &mut command);
    let endpoint = etcd.wait_for("its port", |etcd| {
        let log = etcd.stdout() + &etcd.stderr();
        let (_, rest) = log.split_once("serving insecure client requests on ")?;
        Some(format!("http://{}", rest.split_once(',')?.0))
    });
    (etcd, endpoint)
}

fn put(endpoint: &str, value: &str) {
    let mut etcdctl = Command::new("etcdctl");
    let output =
        etcdctl.env("ETCDCTL_API", "3").args(["--endpoints", endpoint, "put", "--", KEY, value]).output();
    let output = output.expect("etcdctl, of Debian's package etcd-client");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_is_good_gets_in_force_and_what_is_not_is_refused_and_said() {
    let directory = Directory::new("etcd");
    let (mut etcd, endpoint) = etcd(directory.path());
    let [one, two] = ["127.0.0.1:9", "127.0.0.1:10"].map(|target| Config::new(&[("a", &[target])]).text());
    let coco = Coco::start(&one);
    let before = coco.json("/healthz")["fingerprint"].as_str().expect("a text").to_owned();
    let file = coco.config_file();
    put(&endpoint, &one);
    // A group of those who may read it, as for passwords.
    chown(&file, None, Some(GROUP)).expect("root may");
    std::fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("root may");

    let mut command = Command::new(repository().join("etc/etcd/coco-from-etcd"));
    command.envs([("ETCDCTL_API", "3"), ("ETCDCTL_ENDPOINTS", &endpoint), ("COCO_KEY", KEY)]);
    command.env("COCO_FILE", &file).env("COCO_API", format!("http://{}", coco.api));
    command.env("COCO_CHECK", format!("{} --check", Program::Coco.path().display()));
    command.env("COCO_RELOAD", format!("kill -HUP {}", coco.process.id()));
    let said = Directory::new("from-etcd");
    let mut from_etcd = Process::start("coco-from-etcd", said.path(), &mut command);
    let mut says = |what: &str| {
        from_etcd.wait_for(what, |process| {
            process.stderr().lines().find(|line| line.contains(what)).map(str::to_owned)
        })
    };

    says(&format!("{} is as {KEY} has it", file.display()));
    put(&endpoint, &two);
    let line = says("in force: ");
    let now = coco.json("/healthz")["fingerprint"].as_str().expect("a text").to_owned();
    assert_ne!(now, before);
    let kept = std::fs::metadata(&file).expect("a file");
    assert_eq!((kept.gid(), kept.mode() & 0o777), (GROUP, 0o640));
    assert!(line.ends_with(&format!("in force: fingerprint {before} before, {now} now")), "{line}");

    // A mistake is refused before anyone reads it.
    put(&endpoint, &format!("{two}surprise = 1\n"));
    let line = says("refused, ");
    assert!(line.contains("surprise"), "{line}");
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), two);
    assert_eq!(coco.json("/healthz")["fingerprint"], *now);

    // And it goes on.
    put(&endpoint, &one);
    says(&format!("in force: fingerprint {now} before, {before} now"));
    assert_eq!(coco.json("/healthz")["fingerprint"], *before);
    assert!(!etcd.has_ended() && !from_etcd.has_ended());
    assert!(coco.stop().success());
}
