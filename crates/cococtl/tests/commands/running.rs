//! `cococtl host`, `silent` and `top`: what running processes are asked every day.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use coco_harness::coco::{Coco, Config};
use coco_harness::nobody::Nobody;
use coco_harness::noodle::Noodle;
use coco_harness::sink::Sink;
use coco_harness::traffic::{send, sender, value_list};
use coco_harness::wait::{PATIENCE, wait_for};
use serde_json::{Value, json};

use crate::cococtl;

fn asked<'a>(command: &'a [&'a str], processes: &'a [String]) -> impl Iterator<Item = &'a str> {
    let processes = processes.iter().flat_map(|process| ["--api", process]);
    command.iter().copied().chain(processes)
}

/// A host whose agent has changed over from one Coco to the other is silent at the first, and not silent.
#[test]
fn a_host_is_silent_only_where_all_say_so() {
    let sink = Sink::start();
    let target = sink.address.to_string();
    let config = Config::new(&[("short", &[&target])]).text();
    let cocos = [(); 2].map(|()| Coco::start(&config));
    let urls = cocos.each_ref().map(|coco| format!("http://{}", coco.api));
    let [first, second] = cocos.each_ref().map(|coco| sender(coco.listen));
    send(&first, &[value_list("moved", 1), value_list("gone\u{1b}[2J", 1)]);
    let silent_at_the_first = wait_for(PATIENCE, "both to be silent at the first", || {
        // The agent that has moved sends on and on.
        send(&second, &[value_list("moved", 2)]);
        let ended = cococtl(asked(&["silent", "--for", "2s", "--json"], &urls[..1]), b"");
        (ended.json_lines().len() == 2).then_some(ended)
    });
    assert_eq!(silent_at_the_first.status, Some(1), "{silent_at_the_first:?}");
    send(&second, &[value_list("moved", 3)]);
    let host = wait_for(PATIENCE, "both to say that it reports", || {
        send(&second, &[value_list("moved", 3)]);
        let ended = cococtl(asked(&["host", "moved", "--for", "1m", "--json"], &urls), b"");
        (ended.status == Some(0)).then(|| ended.json())
    });
    assert_eq!((&host["known"], &host["silent"], &host["metrics"]), (&json!(true), &json!(false), &json!(1)));
    assert_eq!(host["owners"], json!({ "short": [target] }));
    // By a bound that it has not reached yet, and that the one which has gone is beyond in a while.
    let silent = wait_for(PATIENCE, "one to be silent everywhere", || {
        send(&second, &[value_list("moved", 3)]);
        let ended = cococtl(asked(&["silent", "--for", "8s"], &urls), b"");
        (ended.status == Some(1)).then_some(ended)
    });
    assert!(silent.stdout.starts_with("gone\\u{1b}[2J\t"), "{silent:?}");
    assert!(silent.stdout.ends_with("\n1 hosts have been silent for 8s\n"), "{silent:?}");

    let unknown = cococtl(asked(&["host", "move", "moved"], &urls), b"");
    assert_eq!(unknown.status, Some(1), "{unknown:?}");
    assert!(unknown.stdout.starts_with("move\tnot known"), "{unknown:?}");
    assert_eq!(unknown.stdout.lines().count(), 2);
    let wrong = cococtl(asked(&["silent", "--tier", "shrt"], &urls), b"");
    assert_eq!(wrong.status, Some(2), "{wrong:?}");
}

#[test]
fn top_adds_up_what_all_processes_send() {
    let (sink, nobody) = (Sink::start(), Nobody::udp());
    let [up, down] = [sink.address, nobody.address].map(|address| address.to_string());
    let config = Config::new(&[("short", &[&up]), ("long", &[&down])]).text();
    let cocos = [(); 2].map(|()| Coco::start(&config));
    let noodle = Noodle::start(&config);
    let mut urls: Vec<_> = cocos.iter().map(|coco| format!("http://{}", coco.api)).collect();
    urls.push(format!("http://{}", noodle.address));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let senders = cocos.each_ref().map(|coco| sender(coco.listen));
            for place in 0.. {
                senders.iter().for_each(|from| send(from, &[value_list("web1", place)]));
                std::thread::sleep(std::time::Duration::from_millis(5));
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let top = wait_for(PATIENCE, "traffic, and the refusals of nobody", || {
            let ended = cococtl(asked(&["top", "--interval", "300ms", "--json"], &urls), b"");
            assert_eq!(ended.status, Some(0), "{ended:?}");
            let top = ended.json();
            (find(&top, "coco", &down)["state"] == "down" && find(&top, "coco", &up)["hosts"] == 2)
                .then_some(top)
        });
        let rates = [&up, &down].map(|target| find(&top, "coco", target)["rate"].as_f64().unwrap());
        assert!(rates.iter().all(|rate| *rate > 1.0), "{top}");
        assert_eq!(find(&top, "coco", &down)["problem"], "nothing listens there");
        assert_eq!(find(&top, "noodle", &up)["rate"], 0.0);
        assert!(top["coco"]["received"].as_f64().unwrap() > 1.0 && top["noodle"]["answers"] == 0.0, "{top}");
        assert_eq!(table_of(&urls, &up), "up");
        on_a_terminal(&urls[0], &up);
        is_over.store(true, Ordering::Relaxed);
    });
}

fn find<'a>(top: &'a Value, program: &str, target: &str) -> &'a Value {
    let targets = top["targets"].as_array().unwrap();
    let found = targets.iter().find(|one| one["program"] == program && one["target"] == target);
    found.unwrap_or_else(|| panic!("no {target} of {program} in {top}"))
}

/// The state of a target in the table that is written once where nobody looks.
fn table_of(urls: &[String], target: &str) -> String {
    let ended = cococtl(asked(&["top", "--interval", "100ms"], urls), b"");
    assert!(!ended.stdout.contains('\u{1b}'), "{ended:?}");
    let lines: Vec<Vec<_>> = ended.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["tier", "target", "state", "value", "lists/s", "hosts", "problem"]);
    let row = lines.iter().find(|line| line.len() > 2 && line[1] == target).unwrap();
    row[2].to_owned()
}

/// On a terminal it is shown again and again.
fn on_a_terminal(url: &str, target: &str) {
    let command = format!("exec {} top --interval 100ms --api {url}", env!("CARGO_BIN_EXE_cococtl"));
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
    let mut script = script.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = 0;
    for line in BufReader::new(script.stdout.take().unwrap()).lines() {
        shown += usize::from(line.unwrap().contains(target));
        if shown == 3 {
            break;
        }
    }
    assert_eq!(shown, 3, "tables");
    script.kill().unwrap();
    script.wait().unwrap();
}
