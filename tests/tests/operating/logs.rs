//! The log of both daemons: what its lines are, which requests stand in it, what a reload and a stop say.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;

use coco_harness::coco::{Coco, Config};
use coco_harness::directory::Directory;
use coco_harness::noodle::Noodle;
use coco_harness::process::Process;
use coco_harness::program::Program;
use coco_harness::rrd;
use coco_harness::sink::Sink;
use coco_harness::text::replaced;
use coco_harness::traffic;
use coco_harness::visage::Visage;
use coco_harness::wait::PATIENCE;
use serde_json::Value;

/// The lines that have come since, once there are so many that are requests.
fn requests(process: &mut Process, count: usize) -> Vec<Value> {
    process.wait_for("requests in the log", |process| {
        let objects = process.stdout();
        let objects = objects.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let found: Vec<_> = objects.filter(|object| object["message"] == "request").collect();
        (found.len() >= count).then_some(found)
    })
}

#[test]
fn a_journal_gets_priorities_and_no_times_unless_told_otherwise() {
    let directory = Directory::new("journal");
    let sink = Sink::start();
    let config = Config::new(&[("a", &[sink.address])]).text();
    let file = directory.write("coco.conf", &config);
    // As systemd tells what it has made of standard output.
    let script = "export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/$$/fd/1) && exec \"$0\" \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(Program::Coco.path()).arg(&file);
    let mut coco = Process::start("coco", directory.path(), &mut command);
    coco.wait_for("ready", |coco| coco.stdout().contains("<6>ready fingerprint=").then_some(()));
    let log = coco.stdout();
    assert!(log.lines().all(|line| line.starts_with("<6>")), "{log}");
    let target = format!("<6>ready to send to tier=a target={0} address={0}\n", sink.address);
    assert!(log.contains(&target), "{log}");

    directory.write("coco.conf", &format!("{config}[log]\nformat = \"text\"\n"));
    let log = coco.reload();
    assert!(log.contains("\n<6>reloaded ") && log.contains("keys=\"log.format\""), "{log}");
    directory.write("coco.conf", "[surprise]");
    let log = coco.reload();
    assert!(log.contains("Z ERROR SIGHUP: "), "{log}");
    assert_eq!(coco.stop().code(), Some(0));
}

#[test]
fn every_request_of_noodle_is_an_object_of_the_access_log() {
    let directory = Directory::new("rrd");
    rrd::create(&directory.path().join("web1/load/load.rrd"), 1_700_000_000, &[1.5, 2.5]);
    let visage = Visage::start(directory.path());
    let target = "127.0.0.1:25827";
    let text = Config::new(&[("shortterm", &[target])]).fetch(target, &visage.url()).text();
    let mut noodle = Noodle::start(&text);
    let (path, long) = ("/data/web1", format!("/data/{}?callback=x%22%0a%1b[31m", "y".repeat(3000)));
    let body = noodle.get(path).body;

    let log = noodle.reload(&format!("{text}[log]\naccess = true\n"));
    assert!(log.contains(" keys=\"log.access\""), "{log}");
    assert!(!noodle.process.stdout().contains(" request "), "what came before is not logged");
    let status = noodle.get("/healthz?a%0a").status;
    let line = noodle.process.wait_for("a line", |process| {
        process.stdout().lines().find(|line| line.contains("/healthz")).map(str::to_owned)
    });
    let (time, line) = line.split_once(' ').expect("a time");
    let end = format!(" method=\"GET\" path=\"/healthz?a%0a\" status={status} bytes=");
    assert!(time.ends_with('Z') && line.starts_with(" INFO request client=127.0.0.1:"), "{line}");
    assert!(line.contains(&end) && line.is_ascii(), "{line}");

    // Whatever the level is, and whatever a client sends.
    noodle.reload(&format!("{text}[log]\nlevel = \"error\"\nformat = \"json\"\naccess = true\n"));
    assert_eq!(noodle.get(path).body, body);
    let mut client = TcpStream::connect(noodle.address).expect("Noodle listens");
    write!(client, "GET {long} HTTP/1.1\r\nHost: a\r\n\r\n").expect("Noodle reads");
    let lines = requests(&mut noodle.process, 2);
    let [well, ill] = &lines[..] else { panic!("{lines:?}") };
    let expected = serde_json::json!(["GET", path, 200, "shortterm", body.len(), "info"]);
    let keys = ["method", "path", "status", "tier", "bytes", "level"];
    assert_eq!(Value::from_iter(keys.map(|key| well[key].clone())), expected, "{well}");
    assert!(well["client"].as_str().is_some_and(|client| client.starts_with("127.0.0.1:")), "{well}");
    assert!(well["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{well}");
    assert_eq!((&well["path_bytes"], &well["cut_off"]), (&Value::Null, &Value::Null));
    let own = client.local_addr().expect("connected").to_string();
    let expected = serde_json::json!([own, long[..1024], long.len(), 400, null]);
    let keys = ["client", "path", "path_bytes", "status", "tier"];
    assert_eq!(Value::from_iter(keys.map(|key| ill[key].clone())), expected, "{ill}");

    // What clients of Graphite ask for: rows, names, what no tier has.
    let rows = "/render?target=web1.load.load&from=1699999990&until=1700000030&format=json";
    for (path, tier) in
        [(rows, Some("shortterm")), ("/metrics/find?query=web1.*", Some("shortterm")), ("/version", None)]
    {
        let answer = noodle.get(path);
        let line = noodle.process.wait_for("a line", |process| {
            let log = process.stdout();
            let mut objects = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            objects.find(|object| object["path"] == path)
        });
        let expected = serde_json::json!(["GET", 200, tier, answer.body.len()]);
        let keys = ["method", "status", "tier", "bytes"];
        assert_eq!(Value::from_iter(keys.map(|key| line[key].clone())), expected, "{line}");
    }
    assert!(noodle.process.stop().success());
}

#[test]
fn a_stop_of_noodle_says_what_was_answered() {
    let noodle = Noodle::start(&Config::new(&[("a", &["127.0.0.1:25827"])]).text());
    assert_eq!(noodle.get("/data/web1?callback=1").status, 400);
    let mut process = noodle.process;
    assert!(process.stop().success());
    let log = process.stdout();
    assert!(log.ends_with(" INFO stopped answered=0 failed=1 unanswered=0\n"), "{log}");
}

#[test]
fn requests_of_the_api_are_logged_and_a_stop_says_what_became_of_all() {
    let sink = Sink::start();
    let text = Config::new(&[("a", &[sink.address]), ("b", &[sink.address])]).blacklist("^refused/").text();
    let mut coco = Coco::start(&format!("{text}[log]\naccess = true\n"));
    let lists: Vec<_> = (0..20).map(|place| traffic::value_list("host", place)).collect();
    let sender = traffic::sender(coco.listen);
    traffic::send(&sender, &lists);
    traffic::send(&sender, &[traffic::value_list("refused", 0)]);
    coco.settled(21);
    assert_eq!(coco.get("/nowhere").status, 404);
    let log = coco.reload(&replaced(&text, &[("^refused/", "^other/")]));
    assert!(log.contains(" keys=\"filter.blacklist log.access\" "), "{log}");
    let line = coco.process.wait_for("a line", |process| {
        process.stdout().lines().find(|line| line.contains("path=\"/nowhere\"")).map(str::to_owned)
    });
    assert!(line.contains(" INFO request client=") && line.contains(" status=404 bytes="), "{line}");
    let (mut process, requests) =
        (coco.process, |process: &Process| process.stdout().matches("request").count());
    let before = requests(&process);
    assert_eq!(coco_harness::curl::get(&format!("http://{}/lookup?name=host", coco.api)).status, 200);
    process.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(process.ended(PATIENCE).success());
    assert_eq!(requests(&process), before, "not after the reload");
    let books = " INFO stopped; sent and lost are of all tiers together datagrams=2 value_lists=21 blacklisted=1 \
                 sent=40 lost=0 left=0\n";
    assert!(process.stdout().ends_with(books), "{}", process.stdout());
}
