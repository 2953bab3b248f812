//! `cococtl demo`.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;

use coco_harness::coco::Config;
use coco_harness::curl;
use coco_harness::directory::Directory;
use coco_harness::process::Process;
use coco_harness::wait::PATIENCE;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{cococtl, program};

fn start(arguments: &[&str]) -> (Process, Directory) {
    let directory = Directory::new("demo");
    let mut command = program();
    command.arg("demo").args(arguments).env("TMPDIR", directory.path());
    (Process::start("demo", directory.path(), &mut command), directory)
}

/// Every number in a list of series.
fn numbers(answer: &Value) -> Vec<f64> {
    match answer {
        Value::Object(members) => {
            members.iter().filter(|(key, _)| *key != "_meta").flat_map(|(_, value)| numbers(value)).collect()
        }
        Value::Array(values) => values.iter().filter_map(Value::as_f64).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_url_answers_with_data_from_rrdcached_and_ctrl_c_leaves_nothing() {
    let (demo, directory) = start(&["--free-ports", "--json"]);
    every_url_answers(demo, &directory, "rrdcached://");
}

#[test]
fn every_url_answers_with_data_from_memory_where_rrdcached_is_not_installed() {
    let directory = Directory::new("demo");
    let mut command = program();
    command.env("PATH", directory.path()).args(["demo", "--free-ports", "--json"]);
    let demo = Process::start("demo", directory.path(), &mut command);
    every_url_answers(demo, &directory, "http://");
}

fn every_url_answers(mut demo: Process, directory: &Directory, scheme: &str) {
    let told = demo.wait_for("what to try", |process| {
        serde_json::from_str::<Value>(process.stdout().lines().next()?).ok()
    });
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let urls: Vec<_> = told["urls"].as_array().unwrap().iter().map(text).collect();
    assert!(urls.len() >= 8, "{told}");
    for url in &urls {
        let answer = curl::get(url);
        assert_eq!(answer.status, 200, "{url}: {}", answer.body);
        if url.ends_with("/metrics") {
            assert!(answer.body.contains("coco_listen_decoded_total "), "{}", answer.body);
            continue;
        }
        let answer = answer.json();
        assert!(!answer.as_object().is_some_and(serde_json::Map::is_empty), "{url}: {answer}");
        if url.contains("/load/load") || url.contains("/memory-used") {
            assert!(numbers(&answer).len() > 1, "{url}: {answer}");
        }
        if url.contains("host*") {
            assert_eq!(answer.as_object().unwrap().len(), 20 + 1, "20 hosts, and `_meta`");
        }
    }
    let vars = curl::get(&urls.iter().find(|url| url.ends_with("/debug/vars")).unwrap().clone()).json();
    assert!(vars["coco"]["filter"]["rejected"].as_u64().unwrap() > 0, "{vars}");

    demo.signal(Signal::SIGINT);
    assert_eq!(demo.ended(PATIENCE).code(), Some(0), "{}", demo.stderr());
    assert_eq!(demo.stderr(), "");
    let at = |url: &Value| text(url).split_once("://").unwrap().1.parse::<SocketAddr>().unwrap();
    let nodes = told["nodes"].as_array().unwrap();
    assert!(nodes.iter().all(|node| text(&node["url"]).starts_with(scheme)), "{told}");
    assert!(!std::fs::read_dir(directory.path()).unwrap().any(|entry| entry.unwrap().path().is_dir()));
    for url in
        [&told["coco"]["api"], &told["noodle"]].into_iter().chain(nodes.iter().map(|node| &node["url"]))
    {
        assert!(TcpStream::connect(at(url)).is_err(), "{url}");
    }
    for address in nodes.iter().map(|node| &node["address"]).chain([&told["coco"]["listen"]]) {
        UdpSocket::bind(text(address)).unwrap();
    }
    let books: Value = serde_json::from_str(demo.stdout().lines().last().unwrap()).unwrap();
    let count = |key: &str| books[key].as_u64().unwrap();
    // Two of 30 metrics are on the blacklist, in every round of a host.
    assert!(count("sent") > 0 && count("sent").is_multiple_of(30), "{books}");
    assert_eq!(count("dropped"), count("sent") * 2 / 30, "{books}");
    assert_eq!(count("received"), 2 * (count("sent") - count("dropped")), "{books}");
    assert_eq!((count("lost"), count("others")), (0, 0), "{books}");
}

#[test]
fn what_is_shown_to_people_can_be_pasted() {
    let (mut demo, _directory) = start(&["--free-ports"]);
    let told =
        demo.wait_for("what to try", |process| Some(process.stdout()).filter(|text| text.contains("Ctrl-C")));
    let lines: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("  curl ")).collect();
    assert!(lines.len() >= 8, "{told}");
    for line in lines {
        let output = Command::new("sh").args(["-c", &format!("curl --noproxy '*' {line}")]).output().unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();
        assert!(answer.len() > 2 && !answer.contains("\"error\""), "{line}: {answer}");
        if line.contains("?start=") {
            assert!(!numbers(&serde_json::from_str(&answer).unwrap()).is_empty(), "{line}: {answer}");
        }
    }
    assert!(demo.stop().success());
    let told = demo.stdout();
    assert!(told.starts_with("Starting 4 storage nodes, Coco, Noodle and 20 made-up agents; "), "{told}");
    assert!(told.contains("\n\nIn a browser: http://127.0.0.1:"), "{told}");
    assert!(told.contains(" were dropped by the blacklist, /swap/, as configured.\n"), "{told}");
    assert!(told.ends_with("\nNothing was lost.\n"), "{told}");
}

#[test]
fn both_daemons_run_on_ones_own_targets() {
    let config = Config::new(&[("a", &["127.0.0.1:9"])]).text();
    let directory = Directory::new("demo");
    let file = directory.write("coco.conf", &config);
    let (mut demo, _directory) = start(&["--config", file.to_str().unwrap()]);
    let log = demo.wait_for("both to be ready", |process| {
        Some(process.stdout()).filter(|text| text.matches("ready fingerprint=").count() == 2)
    });
    let addresses = log.lines().filter(|line| line.contains("serving HTTP"));
    let addresses: Vec<_> =
        addresses.map(|line| line.split("address=").nth(1).unwrap().trim().to_owned()).collect();
    assert_eq!(addresses.len(), 2);
    let checked = cococtl(["check".to_owned()].into_iter().chain(addresses), b"");
    assert_eq!(checked.status, Some(0), "{checked:?}");
    demo.signal(Signal::SIGINT);
    assert_eq!(demo.ended(PATIENCE).code(), Some(0));

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let file = directory.write(
        "taken.conf",
        &config.replace("[fetch]\nbind = \"127.0.0.1:0\"", &format!("[fetch]\nbind = \"{address}\"")),
    );
    let ended = cococtl(["demo", "--config", file.to_str().unwrap()], b"");
    let told =
        format!("cococtl: noodle: fetch.bind: cannot listen on {address} for HTTP: Address already in use");
    assert!(ended.status == Some(2) && ended.stderr.starts_with(&told), "{ended:?}");
}
