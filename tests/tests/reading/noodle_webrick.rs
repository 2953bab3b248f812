//! Noodle in front of WEBrick, on which Visage runs unless it is told otherwise: nothing fails that need not.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use coco_harness::coco::Config;
use coco_harness::directory::Directory;
use coco_harness::noodle::Noodle;
use coco_harness::process::Process;
use coco_harness::rrd;
use coco_harness::visage::Visage;
use coco_harness::wait::{PATIENCE, wait_for};

const FINISH: i64 = 1_700_000_000;

/// After so many seconds WEBrick closes an idle connection, half of one early or late.
const IDLE: f64 = 1.0;

const TARGET: &str = "127.0.0.1:25826";

/// WEBrick, which has the answers from what stands for Visage.
struct Node {
    url: String,
    _webrick: Process,
    visage: Visage,
    directory: Directory,
}

impl Node {
    fn start() -> Self {
        let directory = Directory::new("webrick");
        for host in ["web1", "web2", "db1"] {
            let file = directory.path().join(format!("rrd/{host}/load/load.rrd"));
            rrd::create(&file, FINISH, &[1.5, 2.5, 3.5]);
        }
        let visage = Visage::start(&directory.path().join("rrd"));
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reading/noodle_webrick.rb");
        let mut command = Command::new("ruby");
        command.args([script, &visage.url(), &IDLE.to_string()]);
        let webrick = Process::start("webrick", directory.path(), &mut command);
        let port = wait_for(PATIENCE, "WEBrick's port", || {
            webrick.stdout().trim().strip_prefix("port=").map(str::to_owned)
        });
        Self { url: format!("http://127.0.0.1:{port}"), _webrick: webrick, visage, directory }
    }

    fn noodle(&self, fetch: &str) -> Noodle {
        let config = Config::new(&[("shortterm", &[TARGET])]).fetch(TARGET, &self.url);
        Noodle::start(&format!("{}{fetch}", config.text()))
    }
}

fn assert_nothing_failed(noodle: &Noodle) {
    let failures = noodle.json("/debug/vars")["noodle"]["fetch.target.failures"][TARGET].clone();
    let failures = failures.as_object().expect("an object");
    assert!(failures.values().all(|count| *count == 0), "{failures:?}");
    assert_eq!(noodle.json("/tiers")[0]["connections"][TARGET]["state"], "up");
}

fn window() -> String {
    format!("?start={}&finish={FINISH}", FINISH - 3)
}

#[test]
fn series_lists_and_globs_come_through() {
    let node = Node::start();
    let noodle = node.noodle("");
    let values = serde_json::json!([1.5, 2.5, 3.5]);
    for _ in 0..20 {
        let answer = noodle.json(&format!("/data/web1/load/load{}", window()));
        assert_eq!(answer["web1"]["load"]["load"]["value"]["data"], values, "{answer}");
    }
    let answer = noodle.json(&format!("/data/web*/load{}", window()));
    assert_eq!(answer["web2"]["load"]["load"]["value"]["data"], values, "{answer}");
    let answer = noodle.json(&format!("/data/web%7B1,2%7D,db1/load{}", window()));
    assert_eq!(answer["db1"]["load"]["load"]["value"]["data"], values, "{answer}");
    assert_eq!(noodle.json("/data")["hosts"], serde_json::json!(["db1", "web1", "web2"]));
    assert_eq!(noodle.json("/data/web1,db1")["metrics"], serde_json::json!(["load/load"]));
    assert_nothing_failed(&noodle);
    assert!(noodle.stop().success());
    drop((node.visage, node.directory));
}

/// WEBrick takes no longer path. That is nothing of the node's.
#[test]
fn a_path_that_is_too_long_for_it_is_passed_on_as_that() {
    let node = Node::start();
    let noodle = node.noodle("");
    let answer = noodle.get(&format!("/data/web1/load/{}", "x".repeat(3000)));
    assert_eq!(answer.status, 414, "{}", answer.body);
    assert_nothing_failed(&noodle);
    assert!(noodle.stop().success());
}

/// Requests that come when WEBrick is about to close the connection of the one before, for some pauses around that.
#[test]
fn idle_connections_that_it_closes_cost_no_request() {
    let node = Node::start();
    let noodle = node.noodle("");
    let path = format!("/data/web1/load{}", window());
    for step in 0..24 {
        let pause = Duration::from_secs_f64(IDLE - 0.6 + f64::from(step % 12) * 0.05);
        let due = Instant::now() + pause;
        let answer = noodle.get(&path);
        assert_eq!(answer.status, 200, "{}", answer.body);
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    assert_nothing_failed(&noodle);
    assert!(noodle.stop().success());
}
